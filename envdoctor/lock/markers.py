"""Do two markers, or two sets of version specifiers, say the same? By trying every environment that could tell them apart. Pure.

Tools rewrite what they lock: ``python_version`` becomes ``python_full_version``, ``platform_system == 'Windows'`` becomes
``sys_platform == 'win32'``, conjunctions change their order. What is compared is therefore what they mean, on environments
made of the values that both texts name, one beside each, and systems as they exist (a posix system is no win32).
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from envdoctor.lazy import pattern

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

BUT_NOT = " but not "
"""In a text for :func:`same`: what comes after it must not hold. PEP 508 has no negation."""
MAX_TRIED = 20_000
"""Environments that are tried; markers that would need more are compared as text."""
_LITERAL = pattern(r"'([^']*)'|\"([^\"]*)\"")
_WORD = pattern(r"[a-z_]+")
_SYSTEMS = (
    ("posix", "linux", "Linux"),
    ("posix", "darwin", "Darwin"),
    ("nt", "win32", "Windows"),
    ("posix", "cygwin", "CYGWIN_NT-10.0"),
    ("posix", "freebsd14", "FreeBSD"),
    ("posix", "emscripten", "Emscripten"),
    ("posix", "android", "Android"),
    ("posix", "ios", "iOS"),
    ("java", "java", "Java"),
)
_IMPLEMENTATIONS = (("cpython", "CPython"), ("pypy", "PyPy"), ("graalpy", "GraalVM"))
_SYSTEM_VARIABLES = ("os_name", "sys_platform", "platform_system")
_IMPLEMENTATION_VARIABLES = ("implementation_name", "platform_python_implementation")
_OTHERS = ("platform_machine", "platform_release", "platform_version", "implementation_version", "extra")


def same(one: str | None, other: str | None, requires_python: str | None = None) -> bool:
    """Both markers (None: always true) hold in the same environments. Texts that are no marker are the same when equal.

    `requires_python` leaves out environments whose Python it does not let in.
    """
    if one == other:
        return True
    return _same(one or "", other or "", requires_python or "")


@lru_cache(maxsize=4096)
def _same(one: str, other: str, requires_python: str) -> bool:
    from packaging.markers import InvalidMarker, Marker

    try:
        markers = [[Marker(part) if part.strip() else None for part in text.split(BUT_NOT)] for text in (one, other)]
    except (InvalidMarker, RecursionError):
        return _plain(one) == _plain(other)
    environments = _environments(f"{one} {other}", requires_python)
    if environments is None:
        return _plain(one) == _plain(other)
    try:
        for environment in environments:
            first, second = ([part is None or part.evaluate(environment) for part in parts] for parts in markers)
            if (first[0] and not any(first[1:])) != (second[0] and not any(second[1:])):
                return False
    except (ValueError, KeyError, RecursionError):
        return _plain(one) == _plain(other)
    return True


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", text.replace('"', "'"))


def _environments(text: str, requires_python: str) -> list[dict[str, str]] | None:
    """Environments that differ in what `text` asks for; None for too many."""
    literals = sorted({one or other for one, other in _LITERAL.findall(text)})
    words = set(_WORD.findall(_LITERAL.sub(" ", text)))
    axes: list[list[dict[str, str]]] = []
    if words.intersection(_SYSTEM_VARIABLES):
        systems = [*_SYSTEMS]
        known = {value for system in _SYSTEMS for value in system}
        systems += [(value, value, value) for value in literals if value not in known and not value[:1].isdigit()]
        axes.append([dict(zip(_SYSTEM_VARIABLES, system, strict=True)) for system in systems])
    if words.intersection(_IMPLEMENTATION_VARIABLES):
        pairs = [*_IMPLEMENTATIONS]
        known = {value for pair in _IMPLEMENTATIONS for value in pair}
        pairs += [(value, value) for value in literals if value not in known and not value[:1].isdigit()]
        axes.append([dict(zip(_IMPLEMENTATION_VARIABLES, pair, strict=True)) for pair in pairs])
    if words.intersection(("python_version", "python_full_version")):
        numbers = _let_in(pythons(literals), requires_python)
        axes.append(
            [
                {"python_full_version": full, "python_version": ".".join(full.split(".")[:2]), "implementation_version": full}
                for full in numbers
            ]
        )
    for variable in _OTHERS:
        if variable in words:
            axes.append([{variable: value} for value in [*literals, "other", *([""] if variable == "extra" else [])]])
    size = 1
    for axis in axes:
        size *= len(axis)
    if size > MAX_TRIED:
        return None
    base = {
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_release": "6.1",
        "platform_version": "1",
        "implementation_name": "cpython",
        "implementation_version": "3.12.1",
        "platform_python_implementation": "CPython",
        "python_version": "3.12",
        "python_full_version": "3.12.1",
        "extra": "",
    }
    found = []
    for choice in itertools.product(*axes):
        environment = dict(base)
        for part in choice:
            environment |= part
        found.append(environment)
    return found


def _let_in(versions: list[str], requires_python: str) -> list[str]:
    from envdoctor.requirements import satisfies

    if not requires_python:
        return versions
    return [version for version in versions if satisfies(version, requires_python) is not False] or versions


def pythons(literals: list[str]) -> list[str]:
    """Full Python versions at, just below and just above those that `literals` name, and one far away on each side."""
    found: set[tuple[int, int, int]] = {(2, 7, 18), (3, 0, 0), (3, 99, 0), (4, 0, 0)}
    for text in literals:
        for part in re.split(r"[\s,|]+", text):
            match = re.fullmatch(r"(\d{1,4})(?:\.(\d{1,4}))?(?:\.(\d{1,4}))?(?:\.\*|[abrc]+\d+|\.dev\d+)?", part.lstrip("<>=!~"))
            if match is None:
                continue
            major, minor, micro = int(match[1]), int(match[2] or 0), int(match[3] or 0)
            found |= {(major, minor, micro), (major, minor, micro + 1), (major, minor, 98), (major, minor + 1, 0)}
            if minor:
                found.add((major, minor - 1, 98))
            if micro:
                found.add((major, minor, micro - 1))
    return [".".join(map(str, version)) for version in sorted(found)]


@lru_cache(maxsize=4096)
def same_versions(one: str, other: str) -> bool:
    """Both specifier sets have the same clauses, or let the same versions in as far as the versions they name can tell."""
    if _clauses(one) == _clauses(other):
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        first, second = SpecifierSet(one), SpecifierSet(other)
    except InvalidSpecifier:
        return False
    return {str(part) for part in _canonical(first)} == {str(part) for part in _canonical(second)}


def _clauses(text: str) -> set[str]:
    return {re.sub(r"\s+", "", part) for part in text.strip("() ").split(",") if part.strip()}


def _canonical(specifiers: SpecifierSet) -> set[str]:
    from packaging.utils import canonicalize_version

    found = set()
    for part in specifiers:
        if part.operator in ("~=", "===") or part.version.endswith(".*"):
            found.add(f"{part.operator}{part.version}")
        else:
            found.add(f"{part.operator}{canonicalize_version(part.version)}")
    return found


def _bounds(specifiers: SpecifierSet) -> SpecifierSet:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(",".join(str(part) for part in specifiers if part.operator != "!="))


def same_pythons(wanted: list[str], locked: str) -> bool:
    """A Python is let in by all of `wanted` exactly where `locked` lets it in."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        sets = [SpecifierSet(text) for text in wanted]
        lock = SpecifierSet(locked)
    except InvalidSpecifier:
        return [_clauses(text) for text in wanted] == [_clauses(locked)]
    # tools keep the bounds of several manifests, not the versions that one of them leaves out
    sets, lock = [_bounds(each) for each in sets], _bounds(lock)
    texts = [re.sub(r"[<>=!~\s]", "", part) for text in (*wanted, locked) for part in text.split(",")]
    for version in pythons(texts):
        if all(each.contains(version, prereleases=True) for each in sets) != lock.contains(version, prereleases=True):
            return False
    return True
