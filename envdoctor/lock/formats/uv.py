"""``uv.lock``, and ``NAME.py.lock`` of a script: version 1, every revision.

A graph: entries are found from the roots (workspace members, with their groups and extras) along the edges whose markers hold.
The schema is uv's own (``uv-resolver``'s lock module); keys that are not known are left alone, as uv does within a version.
"""

from __future__ import annotations

from typing import Any

from envdoctor.lock.document import (
    decode,
    file_name,
    hash_of,
    lines_of,
    maybe,
    name_of,
    public,
    size,
    table,
    tables,
    toml,
    word,
    words,
)
from envdoctor.lock.model import Artifact, Lock, Locked, LockError, Need, Root, Wish

VERSION = 1
_FOLDERS = ("editable", "directory", "virtual")
_PLACES = ("git", "url", "path", *_FOLDERS)


def read(data: bytes, path: str) -> Lock:
    """The lock in `data`. Raises LockError."""
    source = decode(data)
    document = toml(source)
    version = document.get("version")
    if type(version) is not int:
        raise LockError("no uv.lock: it has no version", where="version")
    if version != VERSION:
        raise LockError(f"version {version} of uv.lock; version {VERSION} is known", where="version")
    raw = tables(document.get("package"), "package")
    lines = lines_of(source, "[[package]]", len(raw))
    manifest = table(document.get("manifest"), "manifest")
    packages: list[Locked] = []
    roots: list[Root] = []
    wishes: list[Wish] = []
    names: dict[int, str] = {}
    indexes: dict[str, None] = {}
    recorded: dict[str, str] = {}
    members = {name_of(name) for name in words(manifest.get("members"), "manifest.members")}
    whole = _Reader(indexes)
    for number, package in enumerate(raw):
        where = f"package[{number}]"
        entry = whole.package(package, where, lines[number])
        names[number] = entry.name
        packages.append(entry)
        place = table(package.get("source"), f"{where}.source")
        if not members and any(place.get(kind) == "." for kind in _FOLDERS):
            members = {entry.name}
    for number, package in enumerate(raw):
        if names[number] in members and any(kind in package.get("source", {}) for kind in _FOLDERS):
            own_roots, own_wishes = _member(package, names[number], f"package[{number}]", recorded)
            roots += own_roots
            wishes += own_wishes
    roots += _loose(manifest)
    extras = {root.extra for root in roots if root.extra is not None}
    groups = {root.group for root in roots if root.group is not None}
    if type(document.get("revision")) is int:
        version_text = f"{version} revision {document['revision']}"
    else:
        version_text = str(version)
    return Lock(
        path=path,
        format="uv",
        version=version_text,
        created_by="uv",
        environments=words(document.get("supported-markers"), "supported-markers"),
        requires_python=maybe(document.get("requires-python"), "requires-python"),
        groups=("", *sorted(groups)),
        default_groups=_default(packages, members, recorded, sorted(groups)),
        extras=tuple(sorted(extras)),
        indexes=tuple(indexes),
        projects=tuple(sorted(members)),
        roots=tuple(roots),
        wishes=tuple(wishes),
        recorded=tuple(sorted((recorded | _options(document, manifest)).items())),
        packages=tuple(packages),
    )


def _default(packages: list[Locked], members: set[str], recorded: dict[str, str], groups: list[str]) -> tuple[str, ...]:
    """Groups that ``uv sync`` installs of the project in the lock's folder; ``dev`` where the lock does not say."""
    root = next((entry.name for entry in packages if entry.source == "." and entry.name in members), None)
    said = recorded.get(f"default-groups {root}", "dev").split()
    return ("", *(group for group in groups if said == ["all"] or group in said))


class _Reader:
    """Entries, and the indexes that they come from."""

    def __init__(self, indexes: dict[str, None]) -> None:
        self.indexes = indexes

    def package(self, raw: dict[str, Any], where: str, line: int | None) -> Locked:
        name = name_of(word(raw.get("name"), f"{where}.name"))
        place = table(raw.get("source"), f"{where}.source")
        source = source_of(place, f"{where}.source")
        if "registry" in place and source is not None:
            self.indexes[source] = None
        markers = words(raw.get("resolution-markers"), f"{where}.resolution-markers")
        optional = table(raw.get("optional-dependencies"), f"{where}.optional-dependencies")
        return Locked(
            name=name,
            version=maybe(raw.get("version"), f"{where}.version"),
            marker=" or ".join(f"({marker})" for marker in markers) if len(markers) > 1 else markers[0] if markers else None,
            needs=needs(raw.get("dependencies"), f"{where}.dependencies"),
            optional_needs=tuple(
                (name_of(extra), needs(edges, f"{where}.optional-dependencies.{extra}"))
                for extra, edges in sorted(optional.items())
            ),
            artifacts=tuple(self.artifacts(raw, place, where)),
            source=source,
            virtual="virtual" in place,
            line=line,
        )

    def artifacts(self, raw: dict[str, Any], place: dict[str, Any], where: str) -> list[Artifact]:
        if "git" in place:
            return [git(word(place["git"], f"{where}.source.git"))]
        for kind in ("editable", "directory"):
            if kind in place:
                folder = word(place[kind], f"{where}.source.{kind}")
                return [Artifact(kind="directory", path=folder, editable=kind == "editable")]
        if "virtual" in place:
            return []
        found: list[Artifact] = []
        direct = place.get("url", place.get("path"))
        for index, wheel in enumerate(tables(raw.get("wheels"), f"{where}.wheels")):
            found.append(_file(wheel, "wheel", direct, f"{where}.wheels[{index}]"))
        sdist = raw.get("sdist")
        if sdist is not None:
            kind_of = "archive" if direct is not None else "sdist"
            found.append(_file(table(sdist, f"{where}.sdist"), kind_of, direct, f"{where}.sdist"))
        return found


def _file(raw: dict[str, Any], kind: Any, direct: Any, where: str) -> Artifact:
    """A wheel or source archive; `direct` is the URL or path of the package itself where it has one."""
    url, path, name, digest = raw.get("url"), raw.get("path"), raw.get("filename"), raw.get("hash")
    if not (type(url) is str or url is None) or not (type(path) is str or path is None):
        raise LockError("expected text", where=where)
    if url is None and path is None and isinstance(direct, str):
        url, path = (direct, None) if "://" in direct else (None, direct)
    full = url if url is not None else path if path is not None else ""
    if not isinstance(name, str):
        name = file_name(full)
    hashes: tuple[tuple[str, str], ...] = ()
    if digest is not None:
        hashes = (hash_of(word(digest, f"{where}.hash"), f"{where}.hash"),)
    return Artifact(
        kind=kind, name=name, url=public(url) if url is not None else None, path=path, hashes=hashes, size=size(raw.get("size"))
    )


def git(url: str) -> Artifact:
    """A repository as uv writes it: ``https://host/repo?rev=REF&subdirectory=x#COMMIT``."""
    from urllib.parse import parse_qsl

    base, _, commit = url.partition("#")
    base, _, query = base.partition("?")
    asked = dict(parse_qsl(query))
    reference = next((asked[key] for key in ("rev", "tag", "branch") if key in asked), None)
    return Artifact(kind="vcs", url=public(base), reference=reference, commit=commit or None, path=asked.get("subdirectory"))


def source_of(place: dict[str, Any], where: str) -> str | None:
    """A ``source`` table as one text: what edges and entries are compared by."""
    for kind in ("registry", *_PLACES):
        if kind in place:
            return public(word(place[kind], f"{where}.{kind}"))
    return None


def needs(raw: Any, where: str) -> tuple[Need, ...]:
    """Edges."""
    found: list[Need] = []
    for index, edge in enumerate(tables(raw, where)):
        here = f"{where}[{index}]"
        place = edge.get("source")
        found.append(
            Need(
                name=name_of(word(edge.get("name"), f"{here}.name")),
                version=maybe(edge.get("version"), f"{here}.version"),
                source=source_of(table(place, f"{here}.source"), f"{here}.source") if place is not None else None,
                marker=maybe(edge.get("marker"), f"{here}.marker"),
                extras=tuple(map(name_of, words(edge.get("extra"), f"{here}.extra"))),
            )
        )
    return tuple(found)


def _member(raw: dict[str, Any], project: str, where: str, recorded: dict[str, str]) -> tuple[list[Root], list[Wish]]:
    """What a workspace member asks for: resolved (roots) and as its manifest said it (wishes)."""
    roots = [Root(project=project, needs=needs(raw.get("dependencies"), f"{where}.dependencies"))]
    for extra, edges in sorted(table(raw.get("optional-dependencies"), f"{where}.optional-dependencies").items()):
        roots.append(Root(project=project, extra=name_of(extra), needs=needs(edges, f"{where}.optional-dependencies.{extra}")))
    for group, edges in sorted(table(raw.get("dev-dependencies"), f"{where}.dev-dependencies").items()):
        roots.append(Root(project=project, group=name_of(group), needs=needs(edges, f"{where}.dev-dependencies.{group}")))
    said = table(raw.get("metadata"), f"{where}.metadata")
    if "default-groups" in raw:
        default = raw["default-groups"]
        names = sorted(map(name_of, words(default, f"{where}.default-groups"))) if default != "all" else ["all"]
        recorded[f"default-groups {project}"] = " ".join(names)
    provided = words(said.get("provides-extras"), f"{where}.metadata.provides-extras")
    recorded[f"extras {project}"] = " ".join(sorted(map(name_of, provided)))
    wishes = [
        wish(item, f"{where}.metadata.requires-dist[{index}]", project=project)
        for index, item in enumerate(tables(said.get("requires-dist"), f"{where}.metadata.requires-dist"))
    ]
    dev = table(said.get("requires-dev"), f"{where}.metadata.requires-dev")
    recorded[f"groups {project}"] = " ".join(sorted(map(name_of, dev)))
    for group, items in sorted(dev.items()):
        for index, item in enumerate(tables(items, f"{where}.metadata.requires-dev.{group}")):
            here = f"{where}.metadata.requires-dev.{group}[{index}]"
            wishes.append(wish(item, here, project=project, group=name_of(group)))
    known = {root.extra for root in roots}
    roots += [Root(project=project, extra=extra) for extra in sorted(map(name_of, provided)) if extra not in known]
    known = {root.group for root in roots}
    roots += [Root(project=project, group=group) for group in sorted(map(name_of, dev)) if group not in known]
    return roots, wishes


def wish(raw: dict[str, Any], where: str, *, project: str | None = None, group: str | None = None) -> Wish:
    """A requirement as uv writes it into ``[package.metadata]`` and ``[manifest]``."""
    place = next((f"{kind}:{public(word(raw[kind], f'{where}.{kind}'))}" for kind in (*_PLACES, "index") if kind in raw), None)
    if "conflict" in raw and place is None:
        place = None
    spec = maybe(raw.get("specifier"), f"{where}.specifier") or ""
    return Wish(
        name=name_of(word(raw.get("name"), f"{where}.name")),
        spec="" if spec == "*" else spec,
        marker=maybe(raw.get("marker"), f"{where}.marker"),
        extras=tuple(sorted(map(name_of, words(raw.get("extras"), f"{where}.extras")))),
        source=place,
        group=group,
        project=project,
    )


def _loose(manifest: dict[str, Any]) -> list[Root]:
    """Roots that belong to no project: a script's requirements, the groups of a workspace whose root is no project."""
    found: list[Root] = []

    def root(raw: Any, where: str, group: str | None = None) -> None:
        wanted = [wish(item, f"{where}[{index}]") for index, item in enumerate(tables(raw, where))]
        edges = tuple(Need(name=one.name, spec=one.spec, marker=one.marker, extras=one.extras) for one in wanted)
        found.append(Root(group=group, needs=edges))

    if "requirements" in manifest:
        root(manifest["requirements"], "manifest.requirements")
    for group, items in sorted(table(manifest.get("dependency-groups"), "manifest.dependency-groups").items()):
        root(items, f"manifest.dependency-groups.{group}", name_of(group))
    return found


def _options(document: dict[str, Any], manifest: dict[str, Any]) -> dict[str, str]:
    """Options of the solve and lists of the manifest that the lock recorded, each as one text."""
    import json

    found: dict[str, str] = {}
    for key, value in table(document.get("options"), "options").items():
        found[f"option {key}"] = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    for key, value in manifest.items():
        if key != "members":
            found[f"manifest {key}"] = json.dumps(value, sort_keys=True, default=str)
    for key in ("supported-markers", "required-markers", "conflicts"):
        if key in document:
            found[key] = json.dumps(document[key], sort_keys=True, default=str)
    return found
