"""pyproject.toml as conda-lock reads it: PEP 621, flit, PDM, Poetry, and its own table. Pure.

Names of Python packages are turned into conda's by a table that conda-lock downloads; here by the few names that are known to
differ, so that such a requirement is not ``sure``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from envdoctor.data.conda_names import CONDA_NAMES
from envdoctor.lock import document
from envdoctor.lock.conda_spec import (
    Dependency,
    Refused,
    Source,
    channel,
    conda,
    marker_holds,
    python,
    repository,
)

_DEV = ("dev", "test")
_POETRY_PART = re.compile(r"([~^])\s*(.+)\Z")


def source(path: str, top: Mapping[str, Any], platforms: tuple[str, ...]) -> Source:
    """The file as a source of conda-lock. Raises Refused."""
    own = _table(top, "tool", "conda-lock")
    manager = own.get("default-non-conda-source", "conda")
    if manager not in ("conda", "pip"):
        raise Refused("default-non-conda-source is neither conda nor pip")
    found: list[Dependency] = []
    late: list[Dependency] = []
    if own.get("skip-non-conda-lock") is not True:
        found, late = _dependencies(top, manager)
    forced = set()
    for name, value in _table(own, "dependencies").items():
        if isinstance(value, str):
            found.append(conda(f"{name} {value}"))
        elif isinstance(value, dict):
            if value.get("source") == "pypi":
                forced.add(name)
        else:
            raise Refused(f"{name}: neither text nor a table")
    found = [one._replace(manager="pip") if one.name in forced else one for one in found]
    names = _words(own.get("channels", []), "channels")
    if "nodefaults" in names:
        names.remove("nodefaults")
    return Source(
        path=path,
        channels=tuple(channel(name) for name in names),
        pip_repositories=tuple(_words(own.get("pip-repositories", []), "pip-repositories")),
        platforms=tuple(_words(own.get("platforms", []), "platforms")),
        dependencies={
            platform: tuple(
                one._replace(source=path)
                for one in (*(one for one in found if marker_holds(dict(one.fields).get("markers"), platform)), *late)
            )
            for platform in platforms
        },
    )


def _table(value: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        value = value.get(key, {}) if isinstance(value, Mapping) else {}
    if not isinstance(value, dict):
        raise Refused(f"{'.'.join(keys)} is no table")
    return value


def _words(value: Any, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refused(f"{what} is no list of texts")
    return list(value)


def _dependencies(top: Mapping[str, Any], manager: str) -> tuple[list[Dependency], list[Dependency]]:
    """Those that markers are asked for, and PDM's, which they are not."""
    project = _table(top, "project")
    dynamic = "dependencies" in _words(project.get("dynamic", []), "project.dynamic")
    if not dynamic and project.get("dependencies") is not None:
        late = []
        if "pdm" in _table(top, "tool"):
            if "dev-dependencies" not in _table(top, "tool", "pdm"):
                raise Refused("[tool.pdm] without dev-dependencies: conda-lock fails")
            for section, lines in _table(top, "tool", "pdm", "dev-dependencies").items():
                late += [_python(line, manager, "dev") for line in _words(lines, f"tool.pdm.dev-dependencies.{section}")]
        return _standard(project, "dependencies", "optional-dependencies", manager), late
    backend = _table(top, "build-system").get("build-backend")
    if not isinstance(backend, str):
        raise Refused("no build-backend: conda-lock fails")
    if backend.startswith("flit"):
        return _standard(_table(top, "tool", "flit", "metadata"), "requires", "requires-extra", manager), []
    return _poetry(_table(top, "tool", "poetry"), manager), []


def _python(text: str, manager: str, category: str) -> Dependency:
    name = re.match(r"\s*([A-Za-z0-9._-]+)", text)
    return python(text, manager, category, conda_name=CONDA_NAMES.get(document.name_of(name[1])) if name else None)


def _standard(table: dict[str, Any], main: str, optional: str, manager: str) -> list[Dependency]:
    extras = _table(table, optional)
    sections: list[tuple[Any, str]] = [(table.get(main, []), "main")]
    sections += [(extras.get(extra, []), "dev") for extra in sorted(_DEV)]
    sections += [(lines, extra) for extra, lines in extras.items() if extra not in _DEV]
    return [_python(line, manager, category) for lines, category in sections for line in _words(lines, category)]


# ------------------------------------------------------------------------------------------------------------------ Poetry
def _poetry(table: dict[str, Any], default: str) -> list[Dependency]:
    categories = {"dependencies": "main", "dev-dependencies": "dev"}
    sections: list[tuple[str, dict[str, Any]]] = [(category, _table(table, key)) for key, category in categories.items()]
    for group in _table(table, "group"):
        sections.append((group, _table(table, "group", group, "dependencies")))
    extras: dict[str, str] = {}
    for extra, names in _table(table, "extras").items():
        extras.update(dict.fromkeys(_words(names, f"extras.{extra}"), extra))
    return [
        _poetry_one(name, value, "conda" if name == "python" else default, extras.get(name) or category)
        for category, section in sections
        for name, value in section.items()
    ]


def _poetry_one(name: str, value: Any, manager: str, category: str) -> Dependency:
    if isinstance(value, str):
        return _versioned(name, value, manager, category, [], None)
    if not isinstance(value, dict):
        raise Refused(f"{name}: neither text nor a table")
    extras, markers = _words(value.get("extras", []), f"{name}.extras"), value.get("markers")
    if markers is not None and not isinstance(markers, str):
        raise Refused(f"{name}: markers are no text")
    if "git" in value:
        url = str(value["git"])
        revision = value.get("branch", value.get("tag", value.get("rev")))
        url += f"@{revision}" if revision is not None else ""
        url += f"#subdirectory={value['subdirectory']}" if "subdirectory" in value else ""
        fields: dict[str, Any] = {"extras": [], "markers": markers, **repository(url)}
        return Dependency("pip", name, "main", tuple(fields.items()), f"{name} = {url}")
    if "path" in value:
        raise Refused(f"{name}: a path: conda-lock looks whether it is a folder")
    version, address = value.get("version"), value.get("url")
    if value.get("source") == "pypi" or version is None:
        manager = "pip"
    if version is not None:
        return _versioned(name, str(version), manager, category, extras, markers)
    if not isinstance(address, str):
        raise Refused(f"{name}: neither a version nor an address")
    head, _, fragment = address.partition("#")
    fields = {"extras": sorted(extras), "markers": markers, "url": head, "hashes": [fragment]}
    return Dependency("pip", name, category, tuple(fields.items()), f"{name} = {address}")


def _versioned(name: str, version: str, manager: str, category: str, extras: Iterable[str], markers: str | None) -> Dependency:
    known = CONDA_NAMES.get(document.name_of(name), document.name_of(name)) if manager == "conda" else name
    fields = {
        "extras": sorted(extras),
        "markers": markers,
        "version": poetry_version(version),
        "build": None,
        "conda_channel": None,
        "hash": None,
    }
    return Dependency(manager, known, category, tuple(fields.items()), f"{name} {version}", sure=manager == "pip")


def poetry_version(text: str) -> str:
    """``^1.2, <1.9`` as conda-lock writes it: ``>=1.2.0,<2.0.0,<1.9``. Raises Refused."""
    if "|" in text:
        return "|".join(poetry_version(part.strip()) for part in text.split("|") if part.strip())
    parts: list[str] = []
    for part in ("".join(part.split(" ")) for part in text.split(",")):
        match = _POETRY_PART.match(part)
        if match is None or part.startswith("~="):
            parts.append(part)
            continue
        from packaging.version import InvalidVersion, Version

        try:
            version = Version(match[2])
        except InvalidVersion:
            raise Refused(f"{text[:80]!r}: no version") from None
        parts += [f">={_padded(version)}", f"<{_ceiling(match[1], version.release)}"]
    return ",".join(parts).replace("===", "==")


def _padded(version: Any) -> str:
    """With three numbers at least and at most, and all that stands behind them."""
    floor = f"{version.major}.{version.minor}.{version.micro}"
    if version.epoch:
        floor = f"{version.epoch}!{floor}"
    if version.pre is not None:
        floor += f"{version.pre[0]}{version.pre[1]}"
    if version.post is not None:
        floor += f".post{version.post}"
    if version.dev is not None:
        floor += f".dev{version.dev}"
    return f"{floor}+{version.local}" if version.local is not None else floor


def _ceiling(operator: str, release: tuple[int, ...]) -> str:
    major, minor, micro = (*release, 0, 0)[:3]
    if operator == "~":
        return f"{major}.{minor + 1}.0" if len(release) in (2, 3) else f"{major + 1}.0.0"
    if major or len(release) == 1:
        return f"{major + 1}.0.0"
    return f"0.{minor + 1}.0" if minor or len(release) == 2 else f"0.0.{micro + 1}"
