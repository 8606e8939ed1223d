"""An active dependency of an installed distribution is not installed.

## Why it matters
The distribution was written to find the other one. What imports it fails with `ModuleNotFoundError`, at once or when the
part that needs it is first used.

## How it is found
Every `Requires-Dist` of every distribution that counts (the first of its name on sys.path) is followed as the installer
would follow it: markers are evaluated for the target's Python and the machine, and `a[b]` makes the requirements of a's
extra b active, through any depth. One finding for each distribution that is missing, whoever asks for it.

## Look-alikes that are fine
Requirements of extras that nobody asked for; markers of another platform or Python; an extra that the installed version
does not declare (installers only warn); environments without pip or setuptools that nothing requires. What only
distributions of conda ask for counts where their record depends on it, too, and is a warning then: their builders leave
out, split and rename what upstream names. A conda package of that very name without Python metadata makes it a warning. So
is what only the base of a `--system-site-packages` environment asks for. What only packages of the operating system ask
for is a remark: its package manager saw to their dependencies (Debian's PyGObject without pycairo, and all that other
interpreters find in the folder of the system's Python).

## How to fix
Install it, with the specifiers of all that ask for it.

## Example
`alpha 1.0 needs beta-lib>=2, which is not installed`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Subject
from envdoctor.requirements import Edge, askers, binding, brief, combine, evidence_of, satisfiable, spell
from envdoctor.rules.base import Rule, Skip
from envdoctor.view import View, normalize

RULE = Rule(
    "PKG001",
    "dependency-missing",
    "error",
    reads=("distributions", "interpreter", "sites", "gaps", "conda_packages"),
    messages=(
        "No module named '{module}'",
        "The '{distribution}' distribution was not found and is required by {parent}",
        "No package metadata was found for {distribution}",
        "requires {distribution}, which is not installed",
        "Missing optional dependency '{distribution}'",
        "requires the {distribution} library but it was not found",
    ),
)

CROWD = 60
"""Missing distributions that only one other asks for, above which they are one finding."""


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution that is asked for and absent."""
    for _, site in view.active_sites:
        if not site.readable:
            raise Skip(f"{view.inside(site.path)} cannot be read, so what is missing cannot be told")
    unopened = _zipped_eggs(view)
    missing = {
        name: kept for name, edges in view.closure.missing.items() if name not in unopened and (kept := _real(view, edges))
    }
    crowds = _crowds(missing)
    yield from _by_parent(view, crowds)
    for name, edges in missing.items():
        if len({edge.parent.name for edge in edges}) == 1 and edges[0].parent.name in crowds:
            continue
        firm = [edge for edge in edges if binding(view, edge)]
        if not firm and _provided_otherwise(view, name):
            continue
        specifiers = [edge.specifier for edge in edges]
        extras = {extra for edge in edges for extra in edge.extras}
        url = next((edge.url for edge in edges if edge.url), None)
        wanted = spell(name, (), combine(specifiers))
        one = len({edge.parent.name for edge in edges}) == 1
        # Those that must be satisfied are named first.
        ordered = [*firm, *(edge for edge in edges if not binding(view, edge))]
        subject = Subject("distribution", name)
        requirers = sorted({view.distribution(edge.parent) for edge in edges}, key=lambda s: (s.name, s.path or ""))
        agree = satisfiable(specifiers)
        notes = evidence_of(view, ordered)
        if not firm:
            notes.append("only distributions that conda, the operating system or the base environment brought ask for it")
        bare = _without_metadata(view, name)
        if bare:
            notes.append(f"{bare} is there, without Python metadata")
        system = all(view.packager(edge.parent) == "system" for edge in edges)
        yield RULE.finding(
            f"{askers(ordered)} {'needs' if one else 'need'} {brief(wanted if agree else name)}, which is not installed",
            [subject, *requirers],
            evidence=notes,
            fixes=_fixes(view, name, extras, specifiers, url, ordered, agree=agree),
            severity="error" if firm and not bare else "info" if system else "warning",
            confidence="certain" if firm and not bare else "likely",
        )


def _real(view: View, edges: tuple[Edge, ...]) -> tuple[Edge, ...]:
    """`edges` without those that conda's own records explain."""
    return tuple(edge for edge in edges if not edge.parent.conda or view.conda.lacks(edge.parent.conda, edge.name))


def _without_metadata(view: View, name: str) -> str | None:
    """The record of a conda package of that very name that brought no Python metadata and lacks nothing."""
    for package in view.snapshot.conda_packages:
        if normalize(package.name) == name and package.paths and not package.metadata and not package.missing:
            return package.record
    return None


def _crowds(missing: dict[str, tuple[Edge, ...]]) -> dict[str, list[Edge]]:
    """Distributions that alone miss more than CROWD others, with what they ask for: one defect, not hundreds."""
    alone: dict[str, list[Edge]] = {}
    for edges in missing.values():
        if len({edge.parent.name for edge in edges}) == 1:
            alone.setdefault(edges[0].parent.name, []).append(edges[0])
    return {name: edges for name, edges in alone.items() if len(edges) > CROWD}


def _by_parent(view: View, crowds: dict[str, list[Edge]]) -> Iterator[Finding]:
    remedy = view.remedy
    for edges in crowds.values():
        parent = edges[0].parent
        firm = [edge for edge in edges if binding(view, edge)]
        shown = ", ".join(brief(edge.wanted, 40) for edge in edges[:5])
        yield RULE.finding(
            f"{edges[0].asker} needs {len(edges)} distributions that are not installed: {shown} and others",
            [view.distribution(parent), *(Subject("distribution", edge.name) for edge in edges[:20])],
            evidence=evidence_of(view, edges),
            fixes=[
                remedy.fix(
                    f"Install {parent.name} again, with its dependencies",
                    remedy.reinstall(parent, deps=True),
                    RULE.code,
                    safety=remedy.safety("unsafe", parent),
                )
            ],
            severity="error" if firm else "warning",
            key=f"crowd:{parent.name}",
        )


def _fixes(
    view: View, name: str, extras: set[str], specifiers: list[str], url: str | None, edges: list[Edge], *, agree: bool
) -> Iterator[Fix]:
    remedy = view.remedy
    parent = edges[0].parent
    if agree:
        wanted = spell(name, extras, combine(specifiers), url)
        commands = remedy.install(wanted, dist=parent)
        if view.packager(parent) == "system":
            yield remedy.manual(f"Install {wanted}, best as a package of the operating system", RULE.code, commands=commands)
        else:
            yield remedy.fix(f"Install {wanted}", commands, RULE.code, safety=remedy.safety("safe", parent))
        return
    asked = "; ".join(dict.fromkeys(f"{edge.asker} asks for {edge.specifier}" for edge in edges if edge.specifier))
    parents = list({edge.parent.name: edge.parent for edge in edges if edge.specifier}.values())
    yield remedy.manual(
        f"No version of {name} suits all: {asked}. Upgrade those that can be upgraded, together with {name}",
        RULE.code,
        commands=remedy.upgrade(*parents),
    )


def _provided_otherwise(view: View, name: str) -> bool:
    """A package of that very name stands there without metadata, as conda and Debian packages may."""
    module = name.replace("-", "_")
    return any(
        entry.type in ("file", "folder", "link") and normalize(entry.name.partition(".")[0]).replace("-", "_") == module
        for _, site in view.active_sites
        for entry in site.entries
        if not entry.name.endswith((".dist-info", ".egg-info", ".libs"))
    )


def _zipped_eggs(view: View) -> frozenset[str]:
    """Names of zipped eggs, which are not opened: they are installed, though nothing is known about them."""
    return frozenset(
        normalize(gap.subject.replace("\\", "/").rpartition("/")[2].partition("-")[0])
        for gap in view.snapshot.gaps
        if gap.collector == "distributions" and gap.subject.endswith(".egg")
    )
