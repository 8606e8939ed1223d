"""conda-lock's ``content_hash``: SHA-256 of the requirements of one platform and of the virtual packages taken for granted. Pure.

conda-lock 4 writes one form and accepts the others that its version 3 wrote; so does :func:`accepted`, which knows those of
versions 1 and 2, too.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from envdoctor.lock.conda_spec import Specification
from envdoctor.lock.conda_virtual import DEFAULTS

if TYPE_CHECKING:
    from hashlib import _Hash

Tables = Mapping[str, Mapping[str, str]]
"""Virtual packages by subdir: name and version, after a blank the build string."""
_NEW = ("markers", "subdirectory")
"""Fields that conda-lock 3 added: not hashed where they say nothing."""
_SUBDIRS = frozenset((*DEFAULTS, "noarch"))
_TIMESTAMP = 1577854800000
_EARLIER = (2.5, 2.0, 1.0)


def content_hash(specification: Specification, platform: str, virtual: Tables | None = None) -> str:
    """The hash that conda-lock 4 writes for `platform`. `virtual` None: its defaults."""
    start = _start(specification, platform, nulls=False)
    start.update(_repository(virtual, platform, spurious=True, twice=virtual is None))
    return start.hexdigest()


def accepted(specification: Specification, platform: str, virtual: Tables | None = None) -> frozenset[str]:
    """All hashes that conda-lock 4 takes for the same."""
    starts = [_start(specification, platform, nulls=nulls) for nulls in (False, True)]
    return frozenset(_together(starts, repositories(virtual, platform)))


class Hashes:
    """Hashes of one specification on one platform, in all forms of all versions, for many sets of virtual packages."""

    def __init__(self, specification: Specification, platform: str) -> None:
        self.platform = platform
        self.starts = [_start(specification, platform, nulls=nulls) for nulls in (False, True)]
        for version, blanks in itertools.product(_EARLIER, (False, True)):
            self.starts.append(_start(specification, platform, nulls=False, version=version, blanks=blanks))

    def have(self, digest: str, virtual: Tables | None) -> bool:
        """`digest` is one of them."""
        return digest in _together(self.starts, repositories(virtual, self.platform))


def _together(starts: Iterable[_Hash], ends: Iterable[bytes]) -> set[str]:
    found = set()
    for start, end in itertools.product(starts, ends):
        whole = start.copy()
        whole.update(end)
        found.add(whole.hexdigest())
    return found


def repositories(virtual: Tables | None, platform: str) -> list[bytes]:
    """The virtual packages in each form that conda-lock has given them."""
    eleven = platform == "osx-64" and (DEFAULTS if virtual is None else virtual).get(platform, {}).get("__osx") == "11.0"
    doubled = (True, False) if eleven else (virtual is None,)
    return [
        _repository(virtual, platform, spurious=spurious, twice=twice)
        for twice, spurious in itertools.product(doubled, (True, False))
    ]


def _start(specification: Specification, platform: str, *, nulls: bool, version: float = 4.0, blanks: bool = False) -> _Hash:
    """The hash of all that comes before the virtual packages.

    `version` is that of conda-lock; `blanks`: JSON within JSON with blanks, as pydantic 1 wrote it.
    """
    channels = [{"url": one.url, "used_env_vars": one.used_env_vars} for one in specification.channels]
    content: dict[str, Any] = {
        "channels": [_inner(one, blanks=blanks) for one in channels],
        "specs": [_content(one.content(), nulls=nulls, version=version) for one in specification.dependencies[platform]],
    }
    if specification.pip_repositories:
        content["pip_repositories"] = [_inner({"url": url}, blanks=blanks) for url in specification.pip_repositories]
    text = json.dumps(content, sort_keys=True)
    # "virtual_package_hash" is the last key in the order of the alphabet
    return hashlib.sha256(f'{text[:-1]}, "virtual_package_hash": '.encode())


def _inner(value: object, *, blanks: bool) -> str:
    return json.dumps(value) if blanks else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _content(fields: dict[str, Any], *, nulls: bool, version: float) -> dict[str, Any]:
    kept = {key: value for key, value in fields.items() if nulls or value is not None or key not in _NEW}
    if version < 4:
        kept.pop("markers", None)
        kept.pop("subdirectory", None)
    if version < 2.5:
        kept.pop("hash", None)
    if version < 2:
        kept["optional"] = fields["category"] != "main"
        kept["selectors"] = {"platform": None}
    return kept


def _repository(virtual: Tables | None, platform: str, *, spurious: bool, twice: bool) -> bytes:
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
    return f"{json.dumps(found, sort_keys=True)}}}".encode()


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
