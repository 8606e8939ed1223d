"""conda-lock's ``content_hash``: SHA-256 of the requirements of one platform and of the virtual packages taken for granted. Pure.

conda-lock 4 writes one form and accepts the others that its earlier versions wrote; so does :func:`accepted`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from envdoctor.lock.conda_spec import Specification
from envdoctor.lock.conda_virtual import DEFAULTS

Tables = Mapping[str, Mapping[str, str]]
"""Virtual packages by subdir: name and version, after a blank the build string."""
_NEW = ("markers", "subdirectory")
"""Fields that conda-lock 3 added: not hashed where they say nothing."""
_SUBDIRS = frozenset((*DEFAULTS, "noarch"))
_TIMESTAMP = 1577854800000


def content_hash(specification: Specification, platform: str, virtual: Tables | None = None) -> str:
    """The hash that conda-lock 4 writes for `platform`. `virtual` None: its defaults."""
    return _hash(specification, platform, _repository(virtual, platform, spurious=True, twice=virtual is None), nulls=False)


def accepted(specification: Specification, platform: str, virtual: Tables | None = None) -> frozenset[str]:
    """All hashes that conda-lock 4 takes for the same."""
    found: set[str] = set()
    doubled = (False, True) if platform == "osx-64" and _is_eleven(virtual, platform) else (virtual is None,)
    for twice in doubled:
        for spurious in (True, False):
            repository = _repository(virtual, platform, spurious=spurious, twice=twice)
            found.update(_hash(specification, platform, repository, nulls=nulls) for nulls in (False, True))
    return frozenset(found)


def _is_eleven(virtual: Tables | None, platform: str) -> bool:
    return (DEFAULTS if virtual is None else virtual).get(platform, {}).get("__osx") == "11.0"


def _hash(specification: Specification, platform: str, repository: dict[str, Any], *, nulls: bool) -> str:
    content: dict[str, Any] = {
        "channels": [_compact({"url": one.url, "used_env_vars": one.used_env_vars}) for one in specification.channels],
        "specs": [_content(one.content(), nulls=nulls) for one in specification.dependencies[platform]],
        "virtual_package_hash": repository,
    }
    if specification.pip_repositories:
        content["pip_repositories"] = [_compact({"url": url}) for url in specification.pip_repositories]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _content(fields: dict[str, Any], *, nulls: bool) -> dict[str, Any]:
    return fields if nulls else {key: value for key, value in fields.items() if value is not None or key not in _NEW}


def _repository(virtual: Tables | None, platform: str, *, spurious: bool, twice: bool) -> dict[str, Any]:
    tables = DEFAULTS if virtual is None else virtual
    found: dict[str, Any] = {}
    for subdir in ("noarch", platform):
        if subdir not in _SUBDIRS and subdir not in tables:
            found[subdir] = {}
            continue
        rows: Iterable[tuple[str, str]] = tables.get(subdir, {}).items()
        if twice and subdir == "osx-64":
            rows = (*rows, ("__osx", "10.15"))
        found[subdir] = {"info": {"subdir": subdir}, "packages": dict(_package(subdir, *row, spurious=spurious) for row in rows)}
    return found


def _package(subdir: str, name: str, text: str, *, spurious: bool) -> tuple[str, dict[str, Any]]:
    """One entry of the repository that conda-lock makes up. `spurious`: with the build number that versions up to 3.0.2 put
    behind the build string."""
    version, _, string = text.partition(" ")
    build = f"{string}_0" if string and spurious else string or "0"
    return f"{name}-{version}-{build}.tar.bz2", {
        "name": name,
        "version": version,
        "build_string": string,
        "build_number": 0,
        "noarch": "",
        "depends": [],
        "timestamp": _TIMESTAMP,
        "package_type": "virtual_system",
        "build": build,
        "subdir": subdir,
    }
