"""Virtual packages that conda-lock takes for granted when nothing is said, and how it writes them down. Pure.

The table is that of conda-lock 4.0.3, ``default-virtual-packages.yaml``; conda-lock 1.3 to 4 solve for the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from envdoctor.lock.model import VirtualPackage

_LINUX = {"__unix": "0", "__linux": "5.10", "__glibc": "2.28", "__cuda": "11.4"}
DEFAULTS: dict[str, dict[str, str]] = {
    "linux-64": {"__archspec": "1 x86_64", **_LINUX},
    "linux-aarch64": {"__archspec": "1 aarch64", **_LINUX},
    "linux-ppc64le": {"__archspec": "1 ppc64le", **_LINUX},
    "osx-64": {"__unix": "0", "__archspec": "1 x86_64", "__osx": "11.0"},
    "osx-arm64": {"__unix": "0", "__archspec": "1 arm64", "__osx": "11.0"},
    "win-64": {"__win": "0", "__archspec": "1 x86_64", "__cuda": "11.4"},
}
"""Version, and after a blank the build string, by subdir and name."""


def packages(platform: str, table: Mapping[str, str], *, assumed: bool = False) -> tuple[VirtualPackage, ...]:
    """The virtual packages of one subdir, sorted by name."""
    found = []
    for name in sorted(table):
        version, _, build = table[name].partition(" ")
        found.append(VirtualPackage(name=name, version=version, build=build or "0", platform=platform, assumed=assumed))
    return tuple(found)


@lru_cache(maxsize=64)
def _default(platform: str) -> tuple[VirtualPackage, ...]:
    return packages(platform, DEFAULTS.get(platform, {}), assumed=True)


def defaults(platforms: Iterable[str]) -> tuple[VirtualPackage, ...]:
    """What conda-lock takes for granted on `platforms`: all of them ``assumed``."""
    return tuple(one for platform in platforms for one in _default(platform))


RECORDED = "virtual_packages"
"""Key of ``metadata.custom_metadata``: what envdoctor solved a lock for, where that is not the default."""


def recorded(text: str) -> dict[str, dict[str, str]]:
    """``linux-64 __cuda=12.4 __archspec=1=x86_64; osx-arm64 …`` as a table like DEFAULTS; what is not understood is left out."""
    table: dict[str, dict[str, str]] = {}
    for part in text.split(";")[:100]:
        platform, *words = part.split()[:100] or [""]
        if platform:
            pairs = (word.partition("=") for word in words if word.startswith("__") and "=" in word)
            table[platform] = {name: value.replace("=", " ", 1) for name, _, value in pairs}
    return table
