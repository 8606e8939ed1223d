"""``pdm.lock``: lock versions 2 to 4. A list since 4.4: every entry names its groups; extras of the project are groups, too."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from envdoctor.lock.document import decode, file_name, hash_of, lines_of, maybe, name_of, public, table, tables, toml, word, words
from envdoctor.lock.model import Artifact, Lock, Locked, LockError, Need


def read(data: bytes, path: str) -> Lock:
    """The lock in `data`. Raises LockError."""
    source = decode(data)
    document = toml(source)
    metadata = table(document.get("metadata"), "metadata")
    version = metadata.get("lock_version")
    if not isinstance(version, str):
        raise LockError("no pdm.lock, or cut off: it has no lock_version", where="metadata.lock_version")
    if not re.fullmatch(r"[234](?:\.\d+)*", version):
        raise LockError(f"version {version[:40]} of pdm.lock; versions 2 to 4 are known", where="metadata.lock_version")
    raw = tables(document.get("package"), "package")
    lines = lines_of(source, "[[package]]", len(raw))
    files = table(metadata.get("files"), "metadata.files")
    packages: list[Locked] = []
    places: dict[tuple[str, str | None], int] = {}
    with_extras: list[Locked] = []
    for index, item in enumerate(raw):
        entry = _package(item, f"package[{index}]", lines[index], files)
        if entry.active_extras:
            with_extras.append(entry)
        else:
            places.setdefault((entry.name, entry.version), len(packages))
            packages.append(entry)
    for entry in with_extras:
        # it stands beside the one without extras; the pair is one installed distribution
        place = places.setdefault((entry.name, entry.version), len(packages))
        if place == len(packages):
            packages.append(entry)
        else:
            packages[place] = _joined(packages[place], entry)
    groups = tuple("" if group == "default" else name_of(group) for group in words(metadata.get("groups"), "metadata.groups"))
    targets = tables(metadata.get("targets"), "metadata.targets")
    recorded: dict[str, str] = {}
    content_hash = maybe(metadata.get("content_hash"), "metadata.content_hash")
    if content_hash is not None:
        recorded["content-hash"] = content_hash
    if "lock_inputs" in metadata:
        recorded["lock-inputs"] = "yes"
    recorded["strategy"] = " ".join(sorted(words(metadata.get("strategy"), "metadata.strategy")))
    for index, target in enumerate(targets):
        parts = [
            f"{key}={target[key]}"
            for key in ("requires_python", "platform", "implementation")
            if isinstance(target.get(key), str)
        ]
        recorded[f"target {index}"] = " ".join(parts)
    python = maybe(targets[0].get("requires_python"), "metadata.targets[0].requires_python") if len(targets) == 1 else None
    return Lock(
        path=path,
        format="pdm",
        version=version,
        created_by="PDM",
        environments=_environments(targets),
        requires_python=python or None,
        groups=groups or ("",),
        default_groups=groups or ("",),
        recorded=tuple(sorted(recorded.items())),
        packages=tuple(packages),
    )


_PLATFORMS = {"linux": "linux", "manylinux": "linux", "musllinux": "linux", "windows": "win32", "win": "win32", "macos": "darwin"}


def _environments(targets: list[dict[str, Any]]) -> tuple[str, ...]:
    """Markers of the platforms that were locked for; none where one target is for all platforms."""
    found: dict[str, None] = {}
    for target in targets:
        platform = target.get("platform")
        if not isinstance(platform, str):
            return ()
        system = _PLATFORMS.get(re.split(r"[_-]", platform, maxsplit=1)[0])
        if system is None:
            return ()
        found[f"sys_platform == '{system}'"] = None
    return tuple(found)


def _joined(one: Locked, other: Locked) -> Locked:
    """Two entries of one distribution as one."""
    return msgspec.structs.replace(
        one,
        groups=tuple(dict.fromkeys((*one.groups, *other.groups))),
        active_extras=tuple(sorted({*one.active_extras, *other.active_extras})),
        needs=tuple(dict.fromkeys((*one.needs, *(need for need in other.needs if need.name != one.name)))),
        artifacts=one.artifacts or other.artifacts,
    )


def _package(raw: dict[str, Any], where: str, line: int | None, files: dict[str, Any]) -> Locked:
    name = word(raw.get("name"), f"{where}.name")
    version = maybe(raw.get("version"), f"{where}.version")
    groups = words(raw.get("groups"), f"{where}.groups")
    found = _artifacts(raw, where, files.get(f"{name} {version}"))
    return Locked(
        name=name_of(name),
        version=version,
        marker=maybe(raw.get("marker"), f"{where}.marker"),
        groups=tuple("" if group == "default" else name_of(group) for group in groups),
        active_extras=tuple(sorted(map(name_of, words(raw.get("extras"), f"{where}.extras")))),
        requires_python=maybe(raw.get("requires_python"), f"{where}.requires_python"),
        needs=tuple(_needs(words(raw.get("dependencies"), f"{where}.dependencies"))),
        artifacts=found,
        source=found[0].url or found[0].path if len(found) == 1 and found[0].kind in ("vcs", "directory") else None,
        line=line,
    )


def _needs(raw: tuple[str, ...]) -> list[Need]:
    from envdoctor.requirements import parse, split_marker

    found = []
    for text in raw:
        head, _, marker = split_marker(text)
        wanted = parse(head)
        if wanted is not None:
            found.append(Need(name=wanted.name, spec=wanted.specifier, marker=marker.strip() or None, extras=wanted.extras))
    return found


def _artifacts(raw: dict[str, Any], where: str, old: Any) -> tuple[Artifact, ...]:
    if "git" in raw:
        return (
            Artifact(
                kind="vcs",
                url=public(word(raw["git"], f"{where}.git")),
                reference=maybe(raw.get("ref"), f"{where}.ref"),
                commit=maybe(raw.get("revision"), f"{where}.revision"),
                path=maybe(raw.get("subdirectory"), f"{where}.subdirectory"),
            ),
        )
    listed = tables(raw.get("files", old), f"{where}.files")
    found = [_file(item, f"{where}.files[{index}]") for index, item in enumerate(listed)]
    place = maybe(raw.get("path"), f"{where}.path") or maybe(raw.get("url"), f"{where}.url")
    if place is None:
        return tuple(found)
    url = public(place) if "://" in place and not place.startswith("file:") else None
    name = file_name(place)
    if url is None and not name.endswith((".whl", ".zip", ".gz", ".bz2", ".xz", ".tgz", ".tar")):
        return (Artifact(kind="directory", path=place, editable=raw.get("editable") is True),)
    hashes = tuple(sorted({pair for file in found for pair in file.hashes}))
    return (
        Artifact(
            kind="wheel" if name.endswith(".whl") else "archive", name=name, url=url, path=None if url else place, hashes=hashes
        ),
    )


def _file(item: dict[str, Any], where: str) -> Artifact:
    url, digest = maybe(item.get("url"), f"{where}.url"), maybe(item.get("hash"), f"{where}.hash")
    name = item.get("file")
    if type(name) is not str:
        name = file_name(url or "")
    return Artifact(
        kind="wheel" if name.endswith(".whl") else "sdist",
        name=name,
        url=public(url) if url is not None else None,
        hashes=(hash_of(digest, f"{where}.hash"),) if digest is not None else (),
    )
