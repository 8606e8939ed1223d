"""File names of extension modules: what the import system would do with them. Pure text, no IO.

``_speedups.cpython-311-x86_64-linux-gnu.so`` is module ``_speedups`` for CPython 3.11 on that platform; an interpreter opens
only files that end in one of its own suffixes (``importlib.machinery.EXTENSION_SUFFIXES``), so one with another tag does not
exist for it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from envdoctor.lazy import pattern
from envdoctor.tuples import NamedTuple

Family = Literal["cpython", "abi3", "pypy", "graalpy", "none"]

_UNIX = pattern(r"^(?P<impl>cpython)-(?P<digits>\d{2,3})(?P<flags>[a-z]*)(?:-(?P<platform>[A-Za-z0-9_.-]+))?$")
_WINDOWS = pattern(r"^(?P<impl>cp)(?P<digits>\d{2,3})(?P<flags>[a-z]*)-(?P<platform>win\w+)$")
_PYPY = pattern(r"^(?P<impl>pypy)(?P<digits>\d{2,3})-pp(?P<flags>\d+)(?:-(?P<platform>[A-Za-z0-9_.-]+))?$")
_GRAAL = pattern(r"^(?P<impl>graalpy)\d+-(?P<digits>\d{2,3})-native(?P<flags>)(?:-(?P<platform>[A-Za-z0-9_.-]+))?$")
_ABI3 = pattern(r"^abi3(t?)(?:-([A-Za-z0-9_-]+))?$")


class ExtensionName(NamedTuple):
    """The parts of an extension module's file name."""

    stem: str
    """The module's own name."""
    family: Family
    """Which Pythons the name says it is for; ``none`` when it carries no tag, ``abi3`` for the stable ABI."""
    version: tuple[int, int] | None = None
    flags: str = ""
    """``t`` free-threaded, ``d`` debug, ``m`` pymalloc; PyPy's ABI number."""
    platform: str | None = None
    """``x86_64-linux-gnu``, ``darwin``, ``win_amd64``."""
    windows: bool = False
    """A .pyd file."""

    @property
    def tag(self) -> str:
        """The Python part of the tag, as people know it: cp311, cp313t, pypy310-pp73, abi3; empty for none."""
        digits = f"{self.version[0]}{self.version[1]}" if self.version else ""
        if self.family == "cpython":
            return f"cp{digits}{self.flags}"
        if self.family == "abi3":
            return f"abi3{self.flags}"
        if self.family == "pypy":
            return f"pypy{digits}-pp{self.flags}"
        return f"graalpy{digits}" if self.family == "graalpy" else ""


@lru_cache(maxsize=4096)
def parse(name: str) -> ExtensionName | None:
    """The parts of a file name (no folder), or None where no Python would import a file of that name."""
    windows = name.endswith(".pyd")
    if not windows and not name.endswith(".so"):
        return None
    stem, dot, tag = name[: -4 if windows else -3].partition(".")
    if not stem.isidentifier():
        return None
    if not dot:
        debug = windows and stem.endswith("_d") and len(stem) > 2
        return ExtensionName(stem[:-2] if debug else stem, "none", flags="d" if debug else "", windows=windows)
    said = _said(tag, windows)
    if said is None:
        return None
    family, version, flags, platform = said
    if windows and family != "abi3" and stem.endswith("_d") and len(stem) > 2:
        stem, flags = stem[:-2], flags + "d"
    return ExtensionName(stem, family, version, flags, platform, windows)


@lru_cache(maxsize=256)
def _said(tag: str, windows: bool) -> tuple[Family, tuple[int, int] | None, str, str | None] | None:
    """Family, version, flags and platform by a tag (``cpython-311-x86_64-linux-gnu``), None for one that means nothing."""
    stable = _ABI3.match(tag)
    if stable:
        return "abi3", None, stable[1], stable[2]
    for shape in (_WINDOWS,) if windows else (_UNIX, _PYPY, _GRAAL):
        match = shape.match(tag)
        if match:
            break
    else:
        match = (_PYPY.match(tag) or _GRAAL.match(tag)) if windows else None
        if match is None:
            return None
    digits = match["digits"]
    family: Family = "cpython" if match["impl"] in ("cp", "cpython") else match["impl"]  # type: ignore[assignment]
    return family, (int(digits[0]), int(digits[1:])), match["flags"], match["platform"]


def module_of(path: str) -> tuple[str, ExtensionName] | None:
    """Dotted module name and parts of a path relative to a site folder; None where no import statement can reach it."""
    folder, _, name = path.rpartition("/")
    parts = parse(name)
    if parts is None:
        return None
    if not folder:
        return parts.stem, parts
    packages = folder.split("/")
    if not all(p.isidentifier() for p in packages):
        return None
    return ".".join((*packages, parts.stem)), parts
