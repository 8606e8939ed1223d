"""What the records of a conda prefix ask of each other, and where that does not hold: ``View.conda``. Pure, no IO."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from envdoctor.conda.matchspec import PACKAGE_NAME, Candidate, InvalidSpec, MatchSpec, parse
from envdoctor.conda.virtual import Virtuals
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.finding import Subject
    from envdoctor.snapshot import CondaPackage
    from envdoctor.view import View


MANY = 10
"""Records of one name from which on nothing that they ask for is taken for sure."""


class Edge(NamedTuple):
    """One of ``depends`` or ``constrains`` of a record."""

    package: CondaPackage
    """Whose record it is."""
    spec: MatchSpec
    constrains: bool = False


class Installed:
    """The records of a prefix, by name, and what they ask for. Made once per view."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.packages = view.snapshot.conda_packages
        self.by_name: dict[str, list[CondaPackage]] = {}
        """Records by name; more than one where a record was left behind."""
        for package in self.packages:
            self.by_name.setdefault(package.name, []).append(package)
        self.candidates = {package.record or package.name: candidate(package) for package in self.packages}
        meta = view.snapshot.conda_meta
        self.unreadable = frozenset(problem.name for problem in (meta.problems if meta else ()) if problem.whole and problem.name)
        """Names of packages whose record could not be read at all."""

    @cached_property
    def virtuals(self) -> Virtuals:
        """Virtual packages of the machine that is judged for."""
        return Virtuals(self.view.snapshot, self.view.machine)

    @cached_property
    def edges(self) -> dict[str, tuple[Edge, ...]]:
        """What records ask for, by the name of the package that is asked for; specs that cannot be judged are left out."""
        found: dict[str, list[Edge]] = {}
        for package in self.packages:
            twins = self.by_name[package.name]
            if len(twins) > MANY:
                continue
            for constrains, specs in ((False, package.depends), (True, package.constrains)):
                for text in dict.fromkeys(specs):
                    spec = spec_of(text)
                    if spec is None or spec.open or spec.any_name is not None:
                        continue
                    if len(twins) > 1 and any(text not in (t.constrains if constrains else t.depends) for t in twins):
                        continue  # of two records of a package only what both say is sure
                    found.setdefault(spec.name, []).append(Edge(package, spec, constrains))
        return {name: tuple(found[name]) for name in sorted(found)}

    @cached_property
    def missing(self) -> dict[str, tuple[Edge, ...]]:
        """``depends`` on names that no record has. That pip is gone from Python's own depends is no fault: conda put it there."""
        found = {}
        for name, edges in self.edges.items():
            if name in self.by_name or name in self.unreadable or name.startswith("__"):
                continue
            asking = tuple(e for e in edges if not e.constrains and not (name == "pip" and e.package.name == "python"))
            if asking:
                found[name] = asking
        return found

    @cached_property
    def conflicts(self) -> dict[str, tuple[Edge, ...]]:
        """What is asked of names that there are, and that their records are not."""
        found = {}
        for name, edges in self.edges.items():
            there = [self.candidates[package.record or package.name] for package in self.by_name.get(name, ())]
            broken = tuple(e for e in edges if there and all(e.spec.fits(one) is False for one in there))
            if broken:
                found[name] = broken
        return found

    @cached_property
    def virtual(self) -> dict[str, tuple[Edge, ...]]:
        """What is asked of virtual packages."""
        return {name: edges for name, edges in self.edges.items() if name.startswith("__")}

    def asked_of(self, name: str) -> tuple[Edge, ...]:
        """What records ask of the package of that name."""
        return self.edges.get(name, ())

    @cached_property
    def by_label(self) -> dict[str, CondaPackage]:
        """Records by ``name=version=build``, as distributions name theirs."""
        return {f"{package.name}={package.version}={package.build}": package for package in self.packages}

    def lacks(self, parent: str | None, name: str) -> bool:
        """That the distribution `name`, which the metadata of `parent` (a label) asks for, is not there counts in conda's eyes.

        What a record does not depend on, its builders have left out, split off or renamed; what it depends on and has a
        record is there, with Python metadata or without, unless that metadata was taken away.
        """
        package = self.by_label.get(parent or "")
        if package is None:
            return True
        names = {normalized(spec.name) for spec in map(spec_of, package.depends) if spec is not None and spec.any_name is None}
        named = names & set(aliases(name))
        if not named:
            return False
        there = [one for one in self.packages if normalized(one.name) in named]
        return not there or any(one.metadata_gone and len(one.metadata_gone) == len(one.metadata) for one in there)

    def disagrees(self, parent: str | None, installed: str | None) -> bool:
        """The record of `parent` asks for another version of `installed` (both labels) than there is."""
        asking, there = self.by_label.get(parent or ""), self.by_label.get(installed or "")
        if asking is None or there is None:
            return True
        return any(edge.package is asking for edge in self.conflicts.get(there.name, ()))


def normalized(name: str) -> str:
    """A package's name as distributions spell theirs (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def aliases(name: str) -> tuple[str, ...]:
    """Normalized names of conda packages that may bring the distribution `name`."""
    from envdoctor.data.conda_names import CONDA_NAMES

    known = CONDA_NAMES.get(name)
    return (*((known,) if known else ()), name, f"python-{name}", f"{name}-python", f"{name}-base", f"{name}-core", f"py-{name}")


def askers(edges: Iterable[Edge]) -> list[CondaPackage]:
    """Whose edges these are, each once, sorted."""
    found = {edge.package.record or edge.package.name: edge.package for edge in edges}
    return sorted(found.values(), key=lambda package: (package.name, package.record))


def addressable(names: Iterable[str]) -> list[str]:
    """Those names that can stand in a command, each once, sorted: a damaged record may name anything."""
    return sorted({name for name in names if PACKAGE_NAME.match(name)})


def candidate(package: CondaPackage) -> Candidate:
    """A record as specs see it."""
    return Candidate(
        name=package.name,
        version=package.version or None,
        build=package.build or None,
        build_number=package.build_number,
        channel=package.channel,
        subdir=package.subdir,
        url=package.url,
        filename=package.filename,
        md5=package.md5,
        sha256=package.sha256,
        track_features=package.track_features,
    )


def spec_of(text: str) -> MatchSpec | None:
    """The spec, or None where `text` is none."""
    try:
        return parse(text)
    except InvalidSpec:
        return None


def label(package: CondaPackage) -> str:
    """``numpy 2.2.6``."""
    return f"{package.name} {package.version}".rstrip()


def subject(package: CondaPackage) -> Subject:
    """A package as a subject, with its record as the path."""
    from envdoctor.finding import Subject

    return Subject("conda-package", package.name, package.version or None, package.record or None)


def shortened(spec: MatchSpec, limit: int = 80) -> str:
    """A spec's text, cut where it is very long."""
    words = " ".join(spec.text.split())
    return words if len(words) <= limit else f"{words[: limit - 1]}…"


def combined(edges: tuple[Edge, ...], name: str) -> str | None:
    """One spec that asks for what all ask for; None where that takes more than a list of versions."""
    parts: dict[str, None] = {}
    for edge in edges:
        if edge.spec.conditions:
            return None
        if edge.spec.specifier is None or edge.spec.specifier == "*":
            continue
        text = "".join(edge.spec.specifier.split())
        if "|" in text and len({e.spec.specifier for e in edges}) > 1:
            return None
        for part in text.split(","):
            parts[part if part[0] in "<>=!~" or part.endswith("*") else f"=={part}"] = None
    if len(parts) > 12:
        return None
    words = ",".join(parts)
    return f"{name}{words}" if words[:1] in "<>=!~" else f"{name} {words}"
