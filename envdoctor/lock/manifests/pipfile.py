"""``Pipfile``: packages, dev-packages and further categories. Pure."""

from __future__ import annotations

from typing import Any

from envdoctor.lock.document import decode, maybe, name_of, public, table, toml, words
from envdoctor.lock.manifests.wishes import Lines
from envdoctor.lock.model import Manifest, Wish

SECTIONS = ("source", "requires", "scripts", "pipfile", "pipenv")
"""Tables that are no category of packages."""
_GROUPS = {"packages": None, "default": None, "dev-packages": "develop"}


def read(data: bytes, path: str) -> Manifest:
    """What the file declares. Raises LockError."""
    source = decode(data)
    document = toml(source)
    lines = Lines(source)
    wishes: list[Wish] = []
    groups: dict[str, None] = {}
    for category, raw in document.items():
        if category in SECTIONS:
            continue
        group = _GROUPS.get(category, name_of(category))
        if group is not None:
            groups[group] = None
        for name, given in table(raw, category).items():
            wishes.append(_wish(name, given, f"{category}.{name}", group, lines.of(name)))
    requires = table(document.get("requires"), "requires")
    full, short = maybe(requires.get("python_full_version"), "requires"), maybe(requires.get("python_version"), "requires")
    return Manifest(
        path=path,
        format="pipfile",
        requires_python=f"=={full.strip()}" if full else f"=={short.strip()}.*" if short else None,
        wishes=tuple(wishes),
        groups=tuple(groups),
        default_groups=("",),
        tools=("pipenv",),
    )


_MARKERS = (
    "os_name",
    "sys_platform",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_version",
    "python_full_version",
    "implementation_name",
    "implementation_version",
)


def _wish(name: str, raw: Any, where: str, group: str | None, line: int | None) -> Wish:
    given = {"version": raw} if isinstance(raw, str) else table(raw, where)
    version = maybe(given.get("version"), f"{where}.version") or ""
    markers = [text for text in (maybe(given.get("markers"), f"{where}.markers"),) if text]
    markers += [f"{key} {given[key].strip()}" for key in _MARKERS if isinstance(given.get(key), str)]
    source = next(
        (f"{kind}:{public(str(given[kind]))}" for kind in ("git", "hg", "svn", "file", "path", "uri") if kind in given), None
    )
    if source is None and isinstance(given.get("index"), str):
        source = f"index:{given['index']}"
    return Wish(
        name=name_of(name),
        spec="" if version.strip() == "*" else version.strip(),
        text=f"{name} = {version}" if version else name,
        marker=" and ".join(f"({one})" for one in markers) if len(markers) > 1 else markers[0] if markers else None,
        extras=tuple(sorted(map(name_of, words(given.get("extras"), f"{where}.extras")))),
        source=source,
        group=group,
        line=line,
    )
