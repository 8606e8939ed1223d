"""The virtual packages that a lock is solved for: conda-lock's, those of a file, of a teammate's machine, of the command line.

Each of them replaces what the one before says. What differs from conda-lock's defaults is kept in the lock
(``metadata.custom_metadata``), so that the next run and the rules know it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from envdoctor.lazy import pattern
from envdoctor.lock.conda_virtual import DEFAULTS
from envdoctor.lock.make.options import MakeError
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.snapshot import Machine

Table = dict[str, dict[str, str]]
"""Subdir, name: version, and after a blank the build string: as conda-lock writes it."""
EXTRA = {"win-arm64": {"__win": "0", "__archspec": "1 arm64"}}
"""Platforms that conda-lock has no table for."""
SHOWN = ("__glibc", "__cuda", "__osx")
"""Those that decide whether a lock fits a machine."""
_OPTION = pattern(r"(?:(?P<platform>[a-z]+-[a-z0-9]+):)?(?P<name>__[a-z][a-z0-9_]*)(?P<value>=.*)?\Z")
_VERSION = pattern(r"[0-9a-zA-Z][0-9a-zA-Z._+!-]*\Z")
_SYSTEMS = {"__linux": "linux", "__glibc": "linux", "__osx": "osx", "__win": "win"}


class Virtuals(NamedTuple):
    """The answer. `table` has every platform that was asked about."""

    table: Table
    custom: bool
    """Something differs from conda-lock's defaults."""
    from_file: bool
    """conda-lock's own file of virtual packages says so: its defaults are no part of what is hashed."""
    notes: tuple[str, ...]
    noarch: dict[str, str] = {}
    """What the file says of ``noarch``: nothing to solve for, but part of what is hashed."""


def resolve(
    platforms: Sequence[str],
    *,
    spec: Mapping[str, Mapping[str, str]] | None = None,
    recorded: Mapping[str, Mapping[str, str]] | None = None,
    machine: Machine | None = None,
    options: Iterable[str] = (),
) -> Virtuals:
    """The virtual packages of `platforms`.

    `spec` is conda-lock's file, `recorded` what the lock that is there was solved for, `options` are words
    ``[PLATFORM:]NAME[=VERSION[=BUILD]]``. Raises MakeError for a word that is none.
    """
    defaults = {platform: {**DEFAULTS.get(platform, EXTRA.get(platform, {}))} for platform in platforms}
    table = {platform: dict(names) for platform, names in defaults.items()}
    if spec is not None:
        table = {platform: dict(spec.get(platform, {})) for platform in platforms}
    elif recorded is not None:
        for platform in table.keys() & recorded.keys():
            table[platform] = dict(recorded[platform])
    notes = []
    if machine is not None:
        notes += _from_machine(table, machine)
    for word in options:
        _apply(table, word)
    noarch = dict(spec.get("noarch", {})) if spec is not None else {}
    return Virtuals(table, table != defaults, spec is not None, tuple(notes), noarch)


def parsed(document: object, path: str) -> dict[str, dict[str, str]]:
    """conda-lock's ``virtual-packages.yml``: ``subdirs: {linux-64: {packages: {__glibc: "2.28"}}}``. Raises MakeError."""
    subdirs = document.get("subdirs") if isinstance(document, dict) else None
    if not isinstance(subdirs, dict):
        raise MakeError(f"{path}: no virtual packages: expected subdirs: with packages: below each platform")
    found: dict[str, dict[str, str]] = {}
    for platform, body in subdirs.items():
        packages = body.get("packages") if isinstance(body, dict) else None
        if not isinstance(packages, dict):
            raise MakeError(f"{path}: subdirs.{platform}: expected packages:")
        for name, version in packages.items():
            if not isinstance(version, str) or not str(name).startswith("__"):
                raise MakeError(f"{path}: subdirs.{platform}.packages.{name}: no virtual package")
        found[str(platform)] = {str(name): version for name, version in packages.items()}
    return found


def written(table: Table) -> str:
    """A table as one line of text, for the lock: ``linux-64 __cuda=12.4 __glibc=2.35; osx-arm64 …``."""
    parts = []
    for platform in sorted(table):
        words = (f"{name}={version.replace(' ', '=')}" for name, version in sorted(table[platform].items()))
        parts.append(" ".join((platform, *words)))
    return "; ".join(parts)


def for_solver(names: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Name to version and build string."""
    return {name: (value.partition(" ")[0], value.partition(" ")[2]) for name, value in sorted(names.items())}


def described(table: Table) -> str:
    """What was taken for granted, for a person: ``linux-64 __cuda 11.4, __glibc 2.28; osx-arm64 __osx 11.0``."""
    groups: dict[str, list[str]] = {}
    for platform in sorted(table):
        words = ", ".join(f"{name} {table[platform][name]}" for name in sorted(SHOWN) if name in table[platform])
        groups.setdefault(words or "nothing", []).append(platform)
    return "; ".join(f"{', '.join(places)} with {words}" for words, places in groups.items())


def _apply(table: Table, word: str) -> None:
    match = _OPTION.match(word)
    if match is None:
        raise MakeError(
            f"--virtual-package {word}: no virtual package",
            "--virtual-package __cuda=12.4, linux-64:__glibc=2.35, __cuda= for a machine without",
        )
    name, value = match["name"], match["value"]
    named = match["platform"]
    if named is not None and named not in table:
        raise MakeError(f"--virtual-package {word}: {named} is not locked for", f"platforms: {', '.join(sorted(table))}")
    system = _SYSTEMS.get(name)
    for platform in [named] if named is not None else sorted(table):
        if named is None and system is not None and not platform.startswith(f"{system}-"):
            continue
        if named is None and name == "__cuda" and platform.startswith("osx-"):
            continue
        if value == "=":
            table[platform].pop(name, None)
            continue
        version, _, build = (value or "=0")[1:].partition("=")
        if not _VERSION.match(version) or (build and not _VERSION.match(build)):
            raise MakeError(f"--virtual-package {word}: {version or build!r} is no version")
        table[platform][name] = f"{version} {build}" if build else version


def _from_machine(table: Table, machine: Machine) -> list[str]:
    """Puts what is known of a machine into its platform's table; notes where it has none."""
    from envdoctor.lock.make import places

    platform = places.subdir(machine)
    if platform not in table:
        return [f"--machine: {platform or machine.machine} is not locked for, so its virtual packages do not count"]
    own = table[platform]
    facts: dict[str, str | None] = {}
    if machine.system == "linux":
        facts["__linux"] = _number(machine.kernel)
        kind, _, version = (machine.libc or "").partition(" ")
        if kind == "glibc":
            facts["__glibc"] = _number(version)
        elif kind == "musl":
            own.pop("__glibc", None)
            facts["__musl"] = _number(version)
    elif machine.system == "macos":
        facts["__osx"] = _number(machine.os_version)
    else:
        facts["__win"] = _number(machine.os_version)
    nvidia = machine.nvidia
    if nvidia is not None and nvidia.cuda:
        facts["__cuda"] = _number(nvidia.cuda)
    elif nvidia is None or not (nvidia.driver or nvidia.libraries):
        own.pop("__cuda", None)
    if machine.cpu.microarchitecture:
        facts["__archspec"] = f"1 {machine.cpu.microarchitecture}"
    own.update({name: value for name, value in facts.items() if value})
    return []


def _number(text: str | None) -> str | None:
    match = re.match(r"\s*(\d+(?:\.\d+)*)", text or "")
    return match[1] if match else None
