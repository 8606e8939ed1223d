"""``Pipfile.lock``: pipfile-spec 6. A list by category: ``default`` is the project itself (''), the others are groups."""

from __future__ import annotations

from typing import Any

import msgspec

from envdoctor.lock.document import decode, file_name, hash_of, json, maybe, name_of, public, table, tables, words
from envdoctor.lock.model import Artifact, Lock, Locked, LockError

SPEC = 6


def read(data: bytes, path: str) -> Lock:
    """The lock in `data`. Raises LockError."""
    source = decode(data)
    document = table(json(source), "")
    if "_meta" not in document:
        raise LockError("no Pipfile.lock: it has no _meta", where="_meta")
    meta = table(document["_meta"], "_meta")
    spec = meta.get("pipfile-spec")
    if spec != SPEC:
        raise LockError(f"pipfile-spec {str(spec)[:40]} of Pipfile.lock; {SPEC} is known", where="_meta.pipfile-spec")
    indexes = {
        item["name"]: public(item["url"])
        for item in tables(meta.get("sources"), "_meta.sources")
        if isinstance(item.get("name"), str) and isinstance(item.get("url"), str)
    }
    lines = _lines(source)
    packages: dict[tuple[str, str | None, str | None], Locked] = {}
    groups = [name for name in document if name != "_meta"]
    for category in groups:
        group = "" if category == "default" else name_of(category)
        for name, raw in table(document[category], category).items():
            entry = _package(
                name, table(raw, f"{category}.{name}"), f"{category}.{name}", group, indexes, lines.get((category, name))
            )
            key = (entry.name, entry.version, entry.marker)
            known = packages.get(key)
            if known is None:
                packages[key] = entry
            else:
                packages[key] = msgspec.structs.replace(known, groups=(*known.groups, group))
    digests = table(meta.get("hash"), "_meta.hash")
    requires = table(meta.get("requires"), "_meta.requires")
    return Lock(
        path=path,
        format="pipfile",
        version=str(spec),
        created_by="pipenv",
        requires_python=_python(requires),
        groups=tuple(sorted({"", *("" if name == "default" else name_of(name) for name in groups)})),
        default_groups=("",),
        indexes=tuple(dict.fromkeys(indexes.values())),
        recorded=(
            *sorted(("content-hash", f"{a}:{d}") for a, d in digests.items() if isinstance(d, str)),
            ("sources", _dumped(meta.get("sources"))),
        ),
        packages=tuple(packages.values()),
    )


def _dumped(sources: Any) -> str:
    import json as standard

    return public(standard.dumps(sources))


def _python(requires: dict[str, Any]) -> str | None:
    """pipenv only warns for another Python; the value is what the lock was made with."""
    full, short = requires.get("python_full_version"), requires.get("python_version")
    if isinstance(full, str):
        return f"=={full.strip()}"
    return f"=={short.strip()}.*" if isinstance(short, str) else None


def _lines(source: str) -> dict[tuple[str, str], int]:
    """Lines of the entries in pipenv's own layout (four spaces a level)."""
    found: dict[tuple[str, str], int] = {}
    category = ""
    for number, line in enumerate(source.split("\n"), 1):
        if line.startswith('    "') and line.endswith('": {'):
            category = line[5:-4]
        elif line.startswith('        "') and line.endswith('": {'):
            found[category, line[9:-4]] = number
    return found


def _package(name: str, raw: dict[str, Any], where: str, group: str, indexes: dict[str, str], line: int | None) -> Locked:
    version = maybe(raw.get("version"), f"{where}.version")
    artifact = _artifact(raw, where)
    index = maybe(raw.get("index"), f"{where}.index")
    return Locked(
        name=name_of(name),
        version=version.lstrip("=").strip() if version is not None and version.startswith("==") else None,
        marker=maybe(raw.get("markers"), f"{where}.markers"),
        groups=(group,),
        active_extras=tuple(sorted(map(name_of, words(raw.get("extras"), f"{where}.extras")))),
        artifacts=(artifact,),
        source=artifact.url or artifact.path or (indexes.get(index) if index is not None else None),
        line=line,
    )


def _artifact(raw: dict[str, Any], where: str) -> Artifact:
    hashes = tuple(sorted(hash_of(item, f"{where}.hashes") for item in words(raw.get("hashes"), f"{where}.hashes")))
    for kind in ("git", "hg", "svn", "bzr"):
        if kind in raw:
            url = maybe(raw[kind], f"{where}.{kind}") or ""
            ref = maybe(raw.get("ref"), f"{where}.ref")
            commit = ref if ref is not None and len(ref) == 40 and all(c in "0123456789abcdef" for c in ref) else None
            return Artifact(kind="vcs", url=public(url), reference=None if commit else ref, commit=commit, hashes=hashes)
    file = maybe(raw.get("file"), f"{where}.file") or maybe(raw.get("uri"), f"{where}.uri")
    path = maybe(raw.get("path"), f"{where}.path")
    place = file or path
    if place is None:
        return Artifact(kind="archive", hashes=hashes)
    name = file_name(place)
    remote = "://" in place and not place.startswith("file:")
    if not remote and not name.endswith((".whl", ".zip", ".gz", ".bz2", ".xz", ".tgz", ".tar")):
        return Artifact(kind="directory", path=place, editable=raw.get("editable") is True, hashes=hashes)
    return Artifact(
        kind="wheel" if name.endswith(".whl") else "archive",
        name=name,
        url=public(place) if remote else None,
        path=None if remote else place,
        hashes=hashes,
    )
