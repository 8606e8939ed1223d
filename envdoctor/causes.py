"""Which finding explains which: one root cause, its consequences under it.

``LINKS`` is the whole knowledge: (cause, effects, how they must be related). Rules judge alone and never look at each
other; a rule that knows its cause from its own facts sets ``caused_by`` itself, and that stands. Pure, no IO.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from envdoctor.finding import Finding
from envdoctor.lazy import pattern
from envdoctor.tuples import NamedTuple

Relation = Callable[[Finding, Finding], bool]


def same_distribution(cause: Finding, effect: Finding) -> bool:
    """Both are mainly about one distribution."""
    return _main(cause) is not None and _main(cause) == _main(effect)


def names_it(cause: Finding, effect: Finding) -> bool:
    """The effect's main distribution is among the cause's subjects, or the other way round."""
    one, other = _main(cause), _main(effect)
    return (other is not None and other in _all(cause)) or (one is not None and one in _all(effect))


def shares_one(cause: Finding, effect: Finding) -> bool:
    """Some distribution is a subject of both."""
    return not _all(cause).isdisjoint(_all(effect))


def same_file(cause: Finding, effect: Finding) -> bool:
    """Some file is a subject of both."""
    return not _files(cause).isdisjoint(_files(effect))


def names_file(cause: Finding, effect: Finding) -> bool:
    """A file of the cause stands in the evidence of the effect."""
    return any(line.startswith(f"{name}: ") for name in _files(cause) for line in effect.evidence)


def shares_variable(cause: Finding, effect: Finding) -> bool:
    """Some variable is a subject of both."""
    one, other = ({s.name for s in finding.subjects if s.kind == "variable"} for finding in (cause, effect))
    return not one.isdisjoint(other)


def stops_python(cause: Finding, _effect: Finding) -> bool:
    """The cause is about the interpreter's own files, not a module of its standard library."""
    return not any("lib-dynload/" in name for name in _files(cause))


def same_package(cause: Finding, effect: Finding) -> bool:
    """Some conda package is a subject of both."""
    return not _packages(cause).isdisjoint(_packages(effect))


def of_package(cause: Finding, effect: Finding) -> bool:
    """The cause is mainly about a conda package of the name of the effect's main distribution."""
    name = _main(effect)
    first = cause.subjects[0] if cause.subjects else None
    return name is not None and first is not None and first.kind == "conda-package" and _normal(first.name) == name


def lies_over(cause: Finding, effect: Finding) -> bool:
    """The cause is about the effect's main distribution, or the only one that asks for it."""
    here = [s.name for s in effect.subjects if s.kind == "distribution"]
    return bool(here) and (here[0] in _all(cause) or (len(set(here)) == 2 and here[-1] in _all(cause)))


def lacks_library(cause: Finding, effect: Finding) -> bool:
    """A file of the cause, or one that it is a link to by its name, is what the effect says is missing."""
    names = {name.rsplit("/", 1)[-1] for name in _files(cause)}
    words = {word for word in _WORDS.findall(effect.message) if ".so" in word or word.endswith((".dylib", ".dll"))}
    return any(name == word or name.startswith(f"{word}.") for name in names for word in words)


def of_stdlib(cause: Finding, _effect: Finding) -> bool:
    """The cause is about extension modules of the standard library."""
    return "python" in _packages(cause) and any("lib-dynload/" in name or name.startswith("DLLs/") for name in _files(cause))


def python_itself(_cause: Finding, effect: Finding) -> bool:
    """The effect is about files of the package python, the interpreter among them."""
    files = {name.rsplit("/", 1)[-1] for name in _files(effect) if name.startswith("bin/") or name == "python.exe"}
    return "python" in _packages(effect) and any(name.startswith("python") for name in files)


def of_environment(cause: Finding, _effect: Finding) -> bool:
    """The cause is mainly about the environment, not about a variable of the shell."""
    return bool(cause.subjects) and cause.subjects[0].kind == "environment"


def same_lock(cause: Finding, effect: Finding) -> bool:
    """Some lockfile is a subject of both."""
    return not _locks(cause).isdisjoint(_locks(effect))


def asks_for_it(cause: Finding, effect: Finding) -> bool:
    """The cause's evidence names the effect's main package, and both are about one lockfile."""
    name = effect.subjects[0].name if effect.subjects else ""
    return same_lock(cause, effect) and any(name in map(_normal, _name_words(line)) for line in cause.evidence)


def _name_words(line: str) -> list[str]:
    return re.findall(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", line)


def always(_cause: Finding, _effect: Finding) -> bool:
    """The cause is about the whole environment."""
    return True


_WORDS = pattern(r"[\w.+-]*\w")


class Link(NamedTuple):
    """Findings of `cause` explain findings of `effects` that are related to them as `relation` says."""

    cause: str
    effects: tuple[str, ...]
    relation: Relation


LINKS: tuple[Link, ...] = (
    Link("GPU004", ("PKG011", "PKG008"), names_it),
    Link("GPU009", ("LIB001", "LIB003"), names_it),
    Link("GPU007", ("PKG002",), shares_one),
    Link("GPU006", ("GPU001",), always),
    Link("PTH004", ("GPU005",), shares_variable),
    Link("INT001", ("INT002", "INT009", "PTH009", "PIP001", "INT004", "PTH010"), always),
    Link("INT003", ("PTH009", "PTH010", "INT008", "PIP001"), always),
    Link("INT004", ("ARC003", "ARC004", "PKG003", "PIP001", "PTH009", "PTH010", "INT009"), always),
    Link("PTH002", ("PKG002", "PKG004"), shares_one),
    Link("PTH003", ("PKG002", "PKG004"), shares_one),
    Link("PTH003", ("PKG015",), always),
    Link("PKG009", ("PKG001", "PKG014"), names_it),
    Link("PKG009", ("PKG002",), same_distribution),
    Link("PKG014", ("PKG001", "PKG006", "PKG007", "PKG009", "PKG012"), names_it),
    Link("PKG005", ("PKG014", "PKG006", "PKG001", "PKG004", "PKG009"), names_it),
    Link("PKG004", ("PKG009", "PKG006", "PKG007", "PKG008", "PKG002", "PKG014"), names_it),
    Link("PKG011", ("PKG008", "PKG006", "PKG007", "PKG014"), shares_one),
    Link("PKG008", ("PKG007", "PKG006", "PKG012"), shares_one),
    Link("ARC003", ("ARC002", "ARC004", "ARC008"), shares_one),
    Link("PKG006", ("PKG012", "PKG013", "PIP001"), same_distribution),
    Link("LIB006", ("PKG007",), same_file),
    Link("LIB006", ("LIB001", "LIB008"), names_file),
    Link("LIB006", ("LIB002", "LIB003"), same_distribution),
    Link("ARC006", ("ARC001", "INT002"), of_environment),
    Link("ARC007", ("ARC002",), shares_one),
    Link("ARC002", ("LIB001", "LIB008"), shares_one),
    Link("ARC003", ("LIB001", "LIB002"), shares_one),
    Link("ARC008", ("LIB002",), shares_one),
    Link("PTH004", ("LIB002", "LIB003"), shares_one),
    Link("PKG008", ("LIB003",), shares_one),
    Link("PKG002", ("LIB003", "LIB004"), shares_one),
    Link("PKG006", ("LIB001", "LIB008"), shares_one),
    Link("PKG007", ("LIB001", "LIB002", "LIB003"), shares_one),
    Link("PKG014", ("LIB001", "LIB008"), names_it),
    Link("PKG001", ("LIB001", "LIB008"), names_it),
    Link("PKG002", ("LIB001",), names_it),
    Link("LIB009", ("INT009",), same_file),
    Link("LIB009", ("INT002",), stops_python),
    Link("PKG002", ("PKG013",), names_it),
    Link("PKG010", ("PTH007", "PTH008"), shares_one),
    Link("INT001", ("CND001",), python_itself),
    Link("CND006", ("CND001", "CND003", "CND004", "CND008", "ARC006", "ARC007"), same_package),
    Link("CND012", ("CND001", "CND002", "CND003", "CND004", "CND006"), same_package),
    Link("CND012", ("PKG006", "PKG014", "PKG004"), shares_one),
    Link("CND005", ("CND001", "CND002", "CND004", "CND008"), same_package),
    Link(
        "CND005", ("PKG001", "PKG002", "PKG004", "PKG006", "PKG007", "PKG008", "PKG011", "PKG012", "PKG013", "PKG014"), lies_over
    ),
    Link("CND005", ("ARC003", "ARC004", "LIB001", "LIB002", "LIB003", "LIB004", "LIB008"), lies_over),
    Link("CND015", ("INT007",), always),
    Link("CND003", ("PKG001", "PKG002"), of_package),
    Link("CND004", ("PKG001", "PKG002"), of_package),
    Link("CND001", ("LIB001", "LIB008", "LIB009", "INT002", "INT009"), lacks_library),
    Link("CND002", ("LIB001", "LIB008", "LIB009"), lacks_library),
    Link("CND001", ("INT009",), of_stdlib),
    Link("CND001", ("PKG001", "PKG006", "PKG009", "PKG012", "PKG014", "LIB001", "LIB008", "PTH009"), shares_one),
    Link("LIB006", ("CND002",), same_file),
    Link("CND016", ("CND002",), same_file),
    Link("PKG006", ("PTH008",), shares_one),
    Link("PKG014", ("LCK004", "LCK005"), same_distribution),
    Link("PKG009", ("LCK004", "LCK005"), same_distribution),
    Link("PKG005", ("LCK004",), names_it),
    Link("PKG004", ("LCK005", "LCK007"), same_distribution),
    Link("PTH002", ("LCK005", "LCK007"), shares_one),
    Link("PTH003", ("LCK005", "LCK007"), shares_one),
    Link("CND006", ("LCK004", "LCK005", "LCK007"), same_package),
    Link("CND012", ("LCK004", "LCK005", "LCK006", "LCK007"), same_package),
    Link("CND005", ("LCK004", "LCK005", "LCK006", "LCK007"), lies_over),
    Link("LCK002", ("LCK003", "LCK011", "LCK012"), same_lock),
    Link("LCK002", ("LCK005", "LCK006"), asks_for_it),
    Link("LCK003", ("LCK009", "LCK013"), same_lock),
    Link("LCK004", ("PKG001",), names_it),
    Link("LCK005", ("PKG002",), names_it),
    Link("LCK004", ("CND003",), same_package),
    Link("LCK005", ("CND004",), same_package),
    Link("LCK007", ("CND004",), same_package),
)
_OF_ALL = frozenset(
    [always, same_file, names_file, stops_python, lacks_library, python_itself, of_stdlib, of_environment, same_lock, asks_for_it]
)
"""Relations that do not go by distributions or packages."""
_PACKAGE = "conda:{}"
"""Key of a conda package, among the names of distributions."""


def link(findings: list[Finding]) -> list[Finding]:
    """`findings` with ``caused_by`` set where another of them is the cause. Never a circle; the first link that fits counts."""
    by_code: dict[str, list[Finding]] = {}
    by_name: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
        for name in (*_all(finding), *map(_PACKAGE.format, _packages(finding))):
            by_name.setdefault((finding.code, name), []).append(finding)
    cause_of: dict[str, str] = {f.fingerprint: f.caused_by for f in findings if f.caused_by}
    for rule in LINKS:
        for cause in by_code.get(rule.cause, ()):
            # Every relation but those of _OF_ALL asks for a distribution, or a conda package, that both are about.
            names = sorted(_all(cause))
            if rule.relation is same_package:
                names = sorted(map(_PACKAGE.format, _packages(cause)))
            elif rule.relation is of_package:
                names = sorted(map(_normal, _packages(cause)))
            for code in rule.effects:
                related = (
                    by_code.get(code, ()) if rule.relation in _OF_ALL else [e for n in names for e in by_name.get((code, n), ())]
                )
                for effect in related:
                    if effect.fingerprint in cause_of or not rule.relation(cause, effect):
                        continue
                    if not _leads_to(cause.fingerprint, effect.fingerprint, cause_of):
                        cause_of[effect.fingerprint] = cause.fingerprint
    present = {finding.fingerprint for finding in findings}
    return [
        msgspec.structs.replace(f, caused_by=cause_of[f.fingerprint] if cause_of.get(f.fingerprint) in present else None)
        for f in findings
    ]


def _leads_to(start: str, goal: str, cause_of: dict[str, str]) -> bool:
    """Following causes from `start` comes to `goal`."""
    seen: set[str] = set()
    at: str | None = start
    while at is not None and at not in seen:
        if at == goal:
            return True
        seen.add(at)
        at = cause_of.get(at)
    return False


def _main(finding: Finding) -> str | None:
    first = finding.subjects[0] if finding.subjects else None
    return first.name if first and first.kind == "distribution" else None


def _packages(finding: Finding) -> frozenset[str]:
    return frozenset(s.name for s in finding.subjects if s.kind == "conda-package")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _files(finding: Finding) -> frozenset[str]:
    return frozenset(s.name for s in finding.subjects if s.kind == "file")


def _locks(finding: Finding) -> frozenset[str]:
    return frozenset(s.name for s in finding.subjects if s.kind == "lockfile")


def _all(finding: Finding) -> frozenset[str]:
    return frozenset(s.name for s in finding.subjects if s.kind == "distribution")
