"""``pylock.toml`` and ``pylock.NAME.toml``: PEP 751, lock version 1.x. A list: each entry has its marker."""

from __future__ import annotations

from typing import Any

from envdoctor.lock.document import (
    decode,
    file_name,
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
from envdoctor.lock.model import Artifact, Lock, Locked, LockError, Need

_OTHERS = ("vcs", "directory", "archive")


def read(data: bytes, path: str) -> Lock:
    """The lock in `data`. Raises LockError."""
    source = decode(data)
    document = toml(source)
    version = document.get("lock-version")
    if not isinstance(version, str):
        raise LockError("no pylock.toml: it has no lock-version", where="lock-version")
    if version.partition(".")[0] != "1":
        raise LockError(f"version {version[:40]} of pylock.toml; version 1 is known", where="lock-version")
    if "packages" not in document:
        raise LockError("no pylock.toml: it has no packages", where="packages")
    raw = tables(document.get("packages"), "packages")
    lines = lines_of(source, "[[packages]]", len(raw))
    problems: list[str] = []
    packages = tuple(_package(item, f"packages[{index}]", lines[index], problems) for index, item in enumerate(raw))
    groups = tuple(map(name_of, words(document.get("dependency-groups"), "dependency-groups")))
    default = tuple(map(name_of, words(document.get("default-groups"), "default-groups")))
    # pdm calls the project itself the group "default"
    own = () if "default" in default else ("",)
    return Lock(
        path=path,
        format="pylock",
        version=version,
        created_by=maybe(document.get("created-by"), "created-by"),
        environments=words(document.get("environments"), "environments"),
        requires_python=maybe(document.get("requires-python"), "requires-python"),
        groups=(*own, *(group for group in dict.fromkeys((*groups, *default)) if group)),
        default_groups=(*own, *default),
        extras=tuple(map(name_of, words(document.get("extras"), "extras"))),
        indexes=tuple(dict.fromkeys(package.source for package in packages if package.source and "://" in package.source)),
        recorded=_recorded(source, document),
        packages=packages,
        problems=tuple(problems),
    )


def _package(raw: dict[str, Any], where: str, line: int | None, problems: list[str]) -> Locked:
    artifacts: list[Artifact] = []
    name = name_of(word(raw.get("name"), f"{where}.name"))
    for index, wheel in enumerate(tables(raw.get("wheels"), f"{where}.wheels")):
        artifacts.append(_file(wheel, "wheel", f"{where}.wheels[{index}]"))
    if "sdist" in raw:
        artifacts.append(_file(table(raw["sdist"], f"{where}.sdist"), "sdist", f"{where}.sdist"))
    others = [key for key in _OTHERS if key in raw]
    if len(others) + bool(artifacts) > 1:
        problems.append(
            f"{where} ({name}): {' and '.join([*others, *(['wheels or sdist'] if artifacts else [])])}; only one can be"
        )
    if not others and not artifacts:
        problems.append(f"{where} ({name}): nothing to install from")
    source = maybe(raw.get("index"), f"{where}.index")
    for key in others:
        one = _other(key, table(raw[key], f"{where}.{key}"), f"{where}.{key}")
        artifacts.append(one)
        source = source or one.url or one.path
    return Locked(
        name=name,
        version=maybe(raw.get("version"), f"{where}.version"),
        marker=maybe(raw.get("marker"), f"{where}.marker"),
        requires_python=maybe(raw.get("requires-python"), f"{where}.requires-python"),
        needs=tuple(
            Need(name=name_of(item["name"]), version=item["version"] if isinstance(item.get("version"), str) else None)
            for item in tables(raw.get("dependencies"), f"{where}.dependencies")
            if isinstance(item.get("name"), str)
        ),
        artifacts=tuple(artifacts),
        source=public(source) if source is not None else None,
        line=line,
    )


def _file(raw: dict[str, Any], kind: Any, where: str) -> Artifact:
    url, path, name, digests = raw.get("url"), raw.get("path"), raw.get("name"), raw.get("hashes")
    if (type(url) is not str and url is not None) or (type(path) is not str and path is not None):
        raise LockError("expected text", where=where)
    if type(digests) is dict and len(digests) == 1:
        ((algorithm, digest),) = digests.items()
        hashes = ((algorithm.lower(), word(digest, f"{where}.hashes").lower()),)
    else:
        hashes = _hashes(digests, where)
    if type(name) is not str:
        name = file_name(url if url is not None else path if path is not None else "")
    return Artifact(
        kind=kind, name=name, url=public(url) if url is not None else None, path=path, hashes=hashes, size=size(raw.get("size"))
    )


def _hashes(raw: Any, where: str) -> Any:
    found = table(raw, f"{where}.hashes")
    return tuple(sorted((key.lower(), word(value, f"{where}.hashes.{key}").lower()) for key, value in found.items()))


def _other(key: str, raw: dict[str, Any], where: str) -> Artifact:
    url, path = maybe(raw.get("url"), f"{where}.url"), maybe(raw.get("path"), f"{where}.path")
    if key == "archive":
        return Artifact(
            kind="archive",
            name=file_name(url or path or ""),
            url=public(url) if url is not None else None,
            path=path,
            hashes=_hashes(raw.get("hashes"), where),
            size=size(raw.get("size")),
        )
    if key == "directory":
        return Artifact(kind="directory", path=path, editable=raw.get("editable") is True)
    return Artifact(
        kind="vcs",
        url=public(url) if url is not None else None,
        path=path,
        reference=maybe(raw.get("requested-revision"), f"{where}.requested-revision"),
        commit=maybe(raw.get("commit-id"), f"{where}.commit-id"),
    )


def _recorded(source: str, document: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The command in the header, and the hash that pdm keeps in its tool table."""
    from envdoctor.lock.formats.requirements import command_of

    found: dict[str, str] = {}
    command = command_of(source)
    if command is not None:
        found["command"] = command
    pdm = table(table(document.get("tool"), "tool").get("pdm"), "tool.pdm") if isinstance(document.get("tool"), dict) else {}
    hashes = pdm.get("hashes")
    if isinstance(hashes, dict):
        for algorithm, digest in hashes.items():
            if isinstance(digest, str):
                found["content-hash"] = f"{algorithm}:{digest}"
    return tuple(sorted(found.items()))
