"""pip or uv replaced or removed files of a conda package.

## Why it matters
conda does not look at what pip does: its record goes on naming the old version, its solver plans with it, and the next update of
that package writes over what pip put there and leaves a mixture of both. What was built against conda's version meets another.

## How it is found
- A distribution without a conda record that has the name, or files, of one that a record brought: replaced, newer or older.
- Metadata that conda brought with the notes of another installer in it: the same version, installed over.
- Metadata and modules of a record that are all gone: uninstalled.

It is an error where something no longer holds: files of the new version are gone, modules or libraries of the old one stand among
the new, a top-level module vanished, or the version that is there is outside of what a conda package depends on or a
Requires-Dist asks for.

## Look-alikes that are fine
- Distributions that pip put beside conda's, of which conda has no record.
- A namespace `__init__` or other files that both brought with the same content.
- A conda package whose builder noted pip as the installer.
- Modules that are gone while the metadata is there, or the other way round: CND001, PKG014.

## How to fix
In this order: uninstall it by pip (or uv), let conda link its package anew, look with `pip check`. Where the other version is
wanted, ask conda for it after the uninstallation.

## Example
`pip replaced conda's numpy 1.26.4 by 2.1.0: numba 0.59.1 depends on numpy >=1.26,<2.0`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import msgspec

from envdoctor.conda import version as conda_version
from envdoctor.conda.installed import label, shortened, subject
from envdoctor.finding import Command, Finding, Fix, Subject
from envdoctor.rules.base import Rule
from envdoctor.rules.cnd._paths import code, file, in_site, key, shown, twin
from envdoctor.rules.pkg._recorded import role
from envdoctor.snapshot import CondaOverlay, CondaPackage, Distribution
from envdoctor.tuples import NamedTuple
from envdoctor.view import View, normalize, version_of

RULE = Rule(
    "CND005",
    "pip-over-conda",
    "warning",
    reads=("conda_packages", "conda_meta", "distributions", "shared_files", "sites", "interpreter", "target"),
    messages=(
        "cannot import name '{name}' from '{module}'",
        "No module named '{module}'",
        "undefined symbol: {symbol}",
    ),
)

MANY = 5
"""Files in common with another distribution, from which on it is told though nothing shows that they differ."""
How = Literal["replaced", "same", "beneath", "overlap", "removed"]


class Case(NamedTuple):
    """One package that pip or uv touched."""

    how: How
    package: CondaPackage
    dist: Distribution | None = None
    overlay: CondaOverlay | None = None


def check(view: View) -> Iterator[Finding]:
    """One finding for each package and what lies over it."""
    if view.snapshot.conda_meta is None:
        return
    judge = _Judge(view)
    for case in judge.cases:
        yield judge.finding(case)


class _Judge:
    def __init__(self, view: View) -> None:
        self.view = view
        self.by_label = {key(package): package for package in view.snapshot.conda_packages}
        self.cases = [*self._overlays(), *self._twins(), *self._removed()]
        self.touched = {case.package.name for case in self.cases}

    # ------------------------------------------------------------------------------------------------------- what happened
    def _overlays(self) -> Iterator[Case]:
        view = self.view
        dists = {view.in_site(d.site, d.path): d for d in view.of_target}
        meta = view.snapshot.conda_meta
        for overlay in meta.overlays if meta else ():
            package, dist = self.by_label.get(overlay.package), dists.get(overlay.path)
            if package is None or dist is None or dist.editable is not None:
                continue
            if overlay.conda_version is None:
                if self._clash(overlay, package, dist):
                    yield Case("overlap", package, dist, overlay)
            elif package.metadata_gone or any(in_site(p.path) is not None for p in (*package.missing, *package.altered)):
                yield Case("replaced", package, dist, overlay)
            else:
                yield Case("beneath", package, dist, overlay)

    def _clash(self, overlay: CondaOverlay, package: CondaPackage, dist: Distribution) -> bool:
        """Files of both with different content, or many of them."""
        if overlay.shared > MANY:
            return True
        changed = {path.path for path in (*package.altered, *package.missing)}
        if not changed.isdisjoint(overlay.examples):
            return True
        examples = set(overlay.examples)
        for item in self.view.snapshot.shared_files:
            owners = {owner.distribution: owner.hash for owner in item.owners}
            if dist.name in owners and self.view.in_site(item.site, item.path) in examples and not item.namespace:
                return len({hash_ for hash_ in owners.values() if hash_}) > 1
        return False

    def _twins(self) -> Iterator[Case]:
        for package in self.view.snapshot.conda_packages:
            if not twin(package):
                continue
            dist = next((d for d in self.view.of_target if d.conda == key(package) and d.installer != "conda"), None)
            if dist is not None:
                yield Case("same", package, dist)

    def _removed(self) -> Iterator[Case]:
        """Packages whose metadata and modules are all gone, though not with the whole site folder."""
        view = self.view
        meta = view.snapshot.conda_meta
        over = {overlay.package for overlay in (meta.overlays if meta else ()) if overlay.conda_version is not None}
        named = [package for package in view.snapshot.conda_packages if package.metadata]
        gone = [
            package
            for package in named
            if key(package) not in over
            and len(package.metadata_gone) == len(package.metadata)
            and package.module is None
            and any(code(view, path.path) for path in package.missing)
            and not any(_name(folder) in view.by_name for folder in package.metadata)
        ]
        if len(gone) > 5 and 2 * len(gone) > len(named):
            return  # the folder, not the packages: CND001
        for package in gone:
            yield Case("removed", package)

    # -------------------------------------------------------------------------------------------------------- how bad it is
    def reasons(self, case: Case) -> list[str]:
        """What no longer holds, a line each, worst first; each makes an error."""
        if case.how == "removed":
            return ["its modules are gone"]
        return [*self._depends(case), *self._requires(case), *self._mixture(case), *self._gone(case)]

    def _depends(self, case: Case) -> Iterator[str]:
        """What conda packages depend on, against the version that is there."""
        package, dist, overlay = case.package, case.dist, case.overlay
        if case.how != "replaced" or dist is None or overlay is None or overlay.conda_version != package.version:
            return
        there, recorded = _version(dist.version), _version(package.version)
        if there is None or recorded is None:
            return
        for edge in self.view.conda.asked_of(package.name):
            wanted = edge.spec.version
            if edge.constrains or wanted is None or edge.package.name in self.touched or edge.package.name == package.name:
                continue
            if wanted(recorded) and not wanted(there):
                yield f"{label(edge.package)} depends on {shortened(edge.spec)}"

    def _requires(self, case: Case) -> Iterator[str]:
        """Requires-Dist of others against it, and its own against what conda has."""
        dist = case.dist
        if dist is None or case.how not in ("replaced", "overlap") or self.view.effective.get(dist.name) is not dist:
            return
        closure = self.view.closure
        told = set()
        for edge in closure.conflicts.get(dist.name, ()):
            if self.view.snapshot.sites[edge.parent.site].of_target and edge.asker not in told:
                told.add(edge.asker)
                yield f"{edge.asker} requires {edge.wanted}"
        for edges in (*closure.conflicts.values(), *closure.missing.values()):
            for edge in edges:
                if edge.parent is not dist or edge.via_extra:
                    continue
                if edge.installed is None:
                    yield f"{edge.asker} requires {edge.wanted}, which is not installed"
                elif edge.installed.conda:
                    yield f"{edge.asker} requires {edge.wanted}, and conda has {edge.installed.name} {edge.installed.version}"

    def _mixture(self, case: Case) -> Iterator[str]:
        overlay = case.overlay
        if overlay is None or case.how == "beneath" or (case.how == "overlap" and not overlay.native_left):
            return
        if overlay.modules_left or overlay.native_left:
            files = overlay.modules_left + overlay.native_left
            example = overlay.left_examples[0] if overlay.left_examples else overlay.path
            yield f"{_count(files, 'file')} of conda's {label(case.package)} {_are(files)} left among them, such as {example}"

    def _gone(self, case: Case) -> Iterator[str]:
        """Files of what was put there that are gone again, and top-level modules that nobody brings any more."""
        dist = case.dist
        if dist is None:
            return
        if dist.record is not None and case.how != "beneath":
            lost = [row.path for row in dist.record.missing if role(self.view, row.path) in ("code", "native")]
            if lost:
                yield f"{_count(len(lost), 'file')} of {dist.name} {dist.version} {_are(len(lost))} gone, such as {lost[0]}"
        if case.how != "replaced":
            return
        entries = self.view.entries[dist.site]
        heads: dict[str, None] = {}
        for path in case.package.missing:
            inner = in_site(path.path)
            if inner is not None and code(self.view, path.path) and role(self.view, inner) == "code":
                heads[inner.partition("/")[0]] = None
        absent = [head for head in heads if head not in entries and not head.startswith("_")]
        known = {name.partition("/")[0].partition(".")[0] for name in dist.import_names}
        for head in absent:
            name = head.removesuffix(".py")
            if name.isidentifier() and name not in known and name in self._imported:
                yield f"nothing brings {name} any more, which conda's {label(case.package)} did"

    @cached_property
    def _imported(self) -> frozenset[str]:
        """Top-level names that installed code imports at start and that are not there."""
        broken = self.view.snapshot.broken_imports
        return frozenset(item.module.partition(".")[0] for item in broken if item.name is None)

    # ------------------------------------------------------------------------------------------------------------- findings
    def finding(self, case: Case) -> Finding:
        """What is said of a package."""
        package, dist, overlay = case.package, case.dist, case.overlay
        reasons = self.reasons(case)
        tail = "" if not reasons or case.how == "removed" else f": {reasons[0]}"
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        return RULE.finding(
            self._message(case) + tail + more,
            self._subjects(case),
            evidence=[*self._facts(case), *(reasons[:6] if case.how != "removed" else ())],
            fixes=self._fixes(case),
            severity="error" if reasons else "warning",
            confidence="likely" if case.how == "removed" or (overlay is not None and case.how == "overlap") else "certain",
            key=f"{package.name}:{dist.name if dist else ''}",
        )

    def _message(self, case: Case) -> str:
        package, dist, overlay = case.package, case.dist, case.overlay
        who = _who(dist)
        if dist is None:
            return (
                f"conda's {label(package)} was uninstalled, not by conda: its record is there, its modules and metadata are not"
            )
        if case.how == "same":
            return f"{who} installed {dist.name} {dist.version} over conda's of the same version"
        if case.how == "beneath":
            return f"conda's {label(package)} was put over {dist.name} {dist.version} of {who}, whose metadata is still there"
        if case.how == "overlap":
            shared = overlay.shared if overlay else 0
            return f"{dist.name} {dist.version} of {who} has {_count(shared, 'file')} in common with conda's {label(package)}"
        return f"{who} replaced conda's {label(package)} by {_other(case)}"

    def _subjects(self, case: Case) -> list[Subject]:
        package, dist = case.package, case.dist
        if dist is not None:
            found = [self.view.distribution(dist)]
        else:
            found = [self.view.named(_name(folder)) for folder in package.metadata]
        return [subject(package), *found, *([file(package.record)] if package.record else [])]

    def _facts(self, case: Case) -> Iterator[str]:
        package, dist, overlay = case.package, case.dist, case.overlay
        yield f"{package.record}: {label(package)}" + (f", build {package.build}" if package.build else "")
        if dist is not None:
            where = self.view.in_site(dist.site, dist.path)
            yield f"{where}: {dist.name} {dist.version}, installer {dist.installer or 'not noted'}"
        if overlay is not None and overlay.shared:
            yield f"{_count(overlay.shared, 'file')} in common, such as {shown(overlay.examples[:2])}"
        lost = [path.path for path in package.missing if in_site(path.path) is not None]
        if lost:
            number = max(len(lost), overlay.gone if overlay else 0)
            yield f"{_count(number, 'file')} of the record {_are(number)} gone: {shown(lost)}"
        changed = [path.path for path in package.altered if in_site(path.path) is not None]
        if changed:
            yield f"{_count(len(changed), 'file')} of the record {_are(len(changed))} altered: {shown(changed)}"

    def _fixes(self, case: Case) -> list[Fix]:
        remedy = self.view.remedy
        package, dist = case.package, case.dist
        again = remedy.relink(package)
        if dist is None:
            return [
                remedy.fix(
                    f"let conda link {label(package)} anew",
                    again,
                    RULE.code,
                    "CND001",
                    verify=[remedy.pip_check()],
                ),
                remedy.manual(f"Or remove {package.name} by conda, too", RULE.code, commands=remedy.conda_remove(package.name)),
            ]
        by_pip = remedy.uninstall(msgspec.structs.replace(dist, conda=None, system_package=None))
        rest: tuple[Command, ...] = ()
        metadata = self._both(case)
        if metadata:
            rest = remedy.delete(*(f"{self.view.snapshot.target.prefix.rstrip('/')}/{path}" for path in metadata))
        fixes = [
            remedy.fix(
                f"uninstall {dist.name} by {_who(dist)}, then let conda link {label(package)} anew",
                (*by_pip, *rest, *again),
                RULE.code,
                "CND001",
                "PKG002",
                safety="unsafe",
                verify=[remedy.pip_check()],
            )
        ]
        if case.how == "replaced" and dist.version and package.name and dist.direct_url is None:
            fixes.append(
                remedy.fix(
                    f"Or let conda install {dist.version}, if that is the one that is wanted",
                    (*by_pip, *rest, *remedy.conda_install(f"{package.name}={dist.version}")),
                    RULE.code,
                    safety="unsafe",
                    verify=[remedy.pip_check()],
                )
            )
        return fixes

    def _both(self, case: Case) -> list[str]:
        """Metadata folders, where those of both stand there: pip takes away one of them, and not always its own."""
        package, dist = case.package, case.dist
        present = [folder for folder in package.metadata if folder not in package.metadata_gone]
        if dist is None or case.overlay is None or case.overlay.conda_version is None:
            return []
        own = [folder for folder in present if _name(folder) == dist.name]
        return [*own, self.view.in_site(dist.site, dist.path)] if own else []


def _who(dist: Distribution | None) -> str:
    """The tool that put it there, for a sentence."""
    installer = dist.installer if dist else None
    return "uv" if installer and installer.startswith("uv") else installer if installer in ("poetry", "pdm") else "pip"


def _other(case: Case) -> str:
    dist = case.dist
    assert dist is not None
    new, old = version_of(dist.version or ""), version_of(case.overlay.conda_version or "" if case.overlay else "")
    word = "" if new is None or old is None or new == old else ", which is newer" if new > old else ", which is older"
    return f"{dist.name} {dist.version}{word}"


def _name(folder: str) -> str:
    """Normalized name of a metadata folder."""
    return normalize(folder.rpartition("/")[2].partition("-")[0])


def _version(text: str | None) -> conda_version.Version | None:
    try:
        return conda_version.parse(text) if text else None
    except conda_version.InvalidVersion:
        return None


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
