"""Which package brings a library to this machine or target, looked up in :mod:`envdoctor.data.system_libraries`. Pure, no IO."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal

from envdoctor.data.system_libraries import DRIVERS, LIBRARIES, Apt, Library
from envdoctor.snapshot import Machine

Manager = Literal["apt-get", "dnf", "yum", "microdnf", "tdnf", "zypper", "apk", "pacman", "brew", "winget"]

_FAMILIES: tuple[tuple[Manager, frozenset[str]], ...] = (
    ("apt-get", frozenset({"debian", "ubuntu", "raspbian", "linuxmint", "pop", "kali", "elementary", "neon", "devuan"})),
    ("zypper", frozenset({"suse", "opensuse", "opensuse-leap", "opensuse-tumbleweed", "sles", "sled", "sle_hpc"})),
    ("tdnf", frozenset({"azurelinux", "mariner", "photon"})),
    ("dnf", frozenset({"fedora", "rhel", "centos", "rocky", "almalinux", "amzn", "ol", "scientific", "openeuler", "anolis"})),
    ("apk", frozenset({"alpine", "wolfi", "chainguard", "postmarketos"})),
    ("pacman", frozenset({"arch", "manjaro", "endeavouros", "artix", "cachyos", "steamos"})),
)


def manager(machine: Machine, tools: dict[str, str]) -> Manager | None:
    """The package manager of a machine's operating system by os-release; None where nothing tells.

    `tools` are the installers on PATH: they decide between a family's front ends (dnf, yum, microdnf), and stand in for an
    os-release that is absent.
    """
    if machine.system == "macos":
        return "brew"
    if machine.system == "windows":
        return "winget"
    words = (machine.distribution or "", *machine.distribution_like)
    for found, names in _FAMILIES:
        if not names.isdisjoint(words):
            if found != "dnf":
                return found
            old = (machine.os_version or "").split(".")[0] in ("2", "6", "7")
            front_ends: tuple[Manager, ...] = ("dnf", "microdnf", "yum")
            return next((name for name in front_ends if name in tools), "yum" if old else "dnf")
    if any(words):
        return None
    known: tuple[Manager, ...] = ("apt-get", "dnf", "yum", "zypper", "apk", "pacman")
    return next((name for name in known if name in tools), None)


@cache
def rows(soname: str) -> tuple[Library, ...]:
    """The rows of the table for a library: those that name it, else those with a pattern that fits."""
    name = _plain(soname)
    exact, patterns = _index()
    found = exact.get(name) or exact.get(name.lower() if name.lower().endswith(".dll") else name)
    return found or tuple(row for start, pattern, row in patterns if name.startswith(start) and fnmatchcase(name, pattern))


def driver(soname: str) -> str | None:
    """The driver or vendor's software that brings a library which no package manager has; None for all others."""
    name = _plain(soname)
    found = DRIVERS.get(name) or DRIVERS.get(name.lower())
    return found or next(
        (
            text
            for pattern, text in DRIVERS.items()
            if "*" in pattern and name.startswith(_start(pattern)) and fnmatchcase(name, pattern)
        ),
        None,
    )


def package(soname: str, by: Manager, machine: Machine) -> str | None:
    """What `by` must be asked for to bring `soname` to `machine`; None where the table does not know, or where this release of
    the system has no such library any more, or not yet.

    For rpm and apk systems a library that is known at all is asked for by the name that its packages declare.
    """
    found = rows(soname)
    if not found:
        return None
    name = _plain(soname)
    if by == "apt-get":
        return next((answer for row in found if (answer := _debian(row.apt, machine))), None)
    if by == "brew":
        return next((row.brew for row in found if row.brew), None)
    if by == "pacman":
        return next((row.pacman for row in found if row.pacman), None)
    if by == "winget":
        arch = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "i686": "x86"}.get(machine.machine, "x64")
        return next((row.winget.format(arch=arch) for row in found if row.winget), None)
    if not name.startswith("lib") or ".so" not in name:
        return None
    if by == "apk":
        return next((row.apk for row in found if row.apk), None) or f"so:{name}"
    named = next((row.dnf for row in found if row.dnf), None) if by != "zypper" else None
    return named or f"{name}(){'' if machine.machine in ('i686', 'armv7l') else '(64bit)'}"


def conda(soname: str) -> str | None:
    """The conda-forge package (a spec without blanks) that brings a library; None where the table does not know."""
    return next((row.conda for row in rows(soname) if row.conda), None)


def wheel(soname: str, cuda: int | None) -> str | None:
    """The requirement for PyPI that brings a library; None where there is none, or where it is one for each CUDA major and
    `cuda` does not tell."""
    for row in rows(soname):
        if not row.pip:
            continue
        if "{" not in row.pip:
            return row.pip
        if cuda is not None:
            return row.pip.format(cu="" if cuda >= 13 else f"-cu{cuda}", N=cuda)
    return None


def search(soname: str, by: Manager) -> tuple[str, ...] | None:
    """The command that asks `by` which package has a library; None where it has no such question."""
    name = _plain(soname)
    if by == "apt-get":
        return ("apt-file", "search", f"/{name}")
    if by in ("dnf", "yum", "microdnf", "tdnf"):
        return ("dnf" if by == "microdnf" else by, "provides", f"*/{name}")
    if by == "zypper":
        return ("zypper", "search", "--provides", "--match-exact", f"{name}()(64bit)")
    if by == "apk":
        return ("apk", "search", "-x", f"so:{name}")
    return ("pacman", "-F", name) if by == "pacman" else None


def _plain(soname: str) -> str:
    """The file's name alone: ``@rpath/libomp.dylib`` and ``/usr/lib/libz.so.1`` as they stand in a file."""
    return soname.replace("\\", "/").rpartition("/")[2]


def _start(pattern: str) -> str:
    """What every name that fits a pattern begins with."""
    return re.split(r"[*?\[]", pattern, maxsplit=1)[0]


@cache
def _index() -> tuple[dict[str, tuple[Library, ...]], tuple[tuple[str, str, Library], ...]]:
    """Rows by the names in them, and those with a pattern: how that begins, the pattern, the row."""
    exact: dict[str, tuple[Library, ...]] = {}
    patterns: list[tuple[str, str, Library]] = []
    for row in LIBRARIES:
        for name in row.names.split():
            if "*" in name:
                patterns.append((_start(name), name, row))
            else:
                exact[name] = (*exact.get(name, ()), row)
    return exact, tuple(patterns)


def _debian(apt: Apt, machine: Machine) -> str | None:
    """The package for this release of Debian, Ubuntu or what is made from them."""
    kind, release = _release(machine)
    for name, debian, ubuntu in ((apt, "", ""),) if isinstance(apt, str) else apt:
        span = ubuntu if kind == "ubuntu" else debian
        if not name or not _within(release, span):
            continue
        plain = name.removesuffix("+t64")
        # Where the release is not known the old name does: the renamed packages provide it, so apt takes them for it.
        renamed = plain != name and release is not None and release >= ((24, 4) if kind == "ubuntu" else (13,))
        return f"{plain}t64" if renamed else plain
    return None


def _release(machine: Machine) -> tuple[Literal["debian", "ubuntu"], tuple[int, ...] | None]:
    """Debian or Ubuntu, and its release; None for a release that os-release does not name, as in Debian's unstable."""
    words = (machine.distribution, *machine.distribution_like)
    kind: Literal["debian", "ubuntu"] = "ubuntu" if "ubuntu" in words else "debian"
    own = machine.distribution in ("debian", "ubuntu", "raspbian", "pop", "neon")
    return kind, _numbers(machine.os_version) if own else None


def _within(release: tuple[int, ...] | None, span: str) -> bool:
    """`release` lies in ``"11-12"``, ``"-22.04"``, ``"13-"``, ``"12"`` or ``""`` (all); an unknown one only in ``""``."""
    if span == "none" or not span:
        return not span
    low, dash, high = span.partition("-")
    if release is None:
        return False
    first, last = _numbers(low), _numbers(high if dash else low)
    return (first is None or release >= first) and (last is None or release <= last)


def _numbers(text: str | None) -> tuple[int, ...] | None:
    parts = (text or "").split(".")[:2]
    return tuple(int(part) for part in parts) if all(part.isascii() and part.isdigit() for part in parts) else None
