"""Something is installed that the lock does not have.

## Why it matters
It works here because somebody installed it by hand once; on the next machine, and in the image that is built from the lock, it
is not there. What it brought along may also hold other packages at versions that nobody chose.

## How it is found
For the locks that are meant for the target (LCK004 tells when), every distribution of the target, and every conda package where
a conda lock counts, is looked for among all entries: of all groups, extras and members, for this platform. What is locked for
other platforms alone is told of, too. pip, setuptools, wheel and the project itself are remarks.

## Look-alikes that are fine
Distributions of the operating system and of the base of a `--system-site-packages` environment; Python packages that conda's
packages bring; packages of another lock of the project, such as requirements-dev.txt beside requirements.txt; an environment
that holds much more than the lock, which was not made from it.

## How to fix
Add it to the manifest with the lock's own tool, if it is needed; else remove it.

## Example
`ipython 8.26.0 is installed and not in uv.lock`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Severity, Subject
from envdoctor.lock.held import SEEDS, Held, Key
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import DRIFT, Case, findings, held, words
from envdoctor.snapshot import CondaPackage, Distribution
from envdoctor.view import View, normalize

RULE = Rule("LCK006", "package-not-locked", "warning", reads=DRIFT)


def check(view: View) -> Iterator[Finding]:
    """One finding for each package that is too much."""
    everyone = [one for one in held(view) if one.covers]
    if not everyone:
        return
    allowed = {key for one in everyone for key in one.allowed}
    elsewhere = {
        (entry.manager, entry.name)
        for lock in view.locks.readable
        if all(one.lock is not lock for one in everyone)
        for entry in lock.packages
    }
    first = everyone[0]
    conda = next((one for one in everyone if any(manager == "conda" for manager, _ in one.allowed)), None)
    cases: dict[int, list[Case]] = {}
    if conda is not None:
        for name, record in view.locks.records.items():
            key = ("conda", name)
            if key not in allowed and key not in elsewhere:
                cases.setdefault(everyone.index(conda), []).append(_record(view, conda, record))
    loose = {normalize(name) for manager, name in allowed | elsewhere if manager == "conda"}
    for dist in view.of_target:
        if not dist.name or ("pypi", dist.name) in allowed or ("pypi", dist.name) in elsewhere:
            continue
        if dist.conda or view.packager(dist) is not None or view.effective.get(dist.name) is not dist:
            continue
        if loose and _of_conda(dist.name, loose):
            continue
        if any(dist.name in one.lock.projects for one in everyone):
            continue
        cases.setdefault(0, []).append(_distribution(view, everyone, dist))
    for index, several in sorted(cases.items()):
        one = everyone[index] if index else first
        yield from findings(
            RULE,
            one.lock,
            several,
            f"packages are installed that {one.lock.path} does not have",
            [
                view.remedy.manual("add to the manifest what is needed, remove the rest, then lock again", RULE.code),
            ],
            confidence="certain" if one.relation else "likely",
        )


def _distribution(view: View, everyone: list[Held], dist: Distribution) -> Case:
    one = everyone[0]
    paths = words(held.lock.path for held in everyone)
    project = view.locks.is_project(dist.name)
    name = f"{dist.name} {dist.version or ''}".rstrip()
    severity: Severity = "info" if dist.name in SEEDS or project else "warning"
    other = [held for held in everyone if ("pypi", dist.name) in held.names]
    if other:
        message = f"{name} is installed, and {other[0].lock.path} has it for other platforms only"
    elif project:
        message = f"{name} is the project itself and not in {paths}"
    else:
        message = f"{name} is installed and not in {paths}"
    by = f", put there by {dist.installer}" if dist.installer else ""
    return Case(
        view.distribution(dist),
        message,
        (
            f"{view.in_site(dist.site, dist.path)}: {name}{by}",
            *_askers(view, dist.name),
            f"{one.lock.path} counts for this environment: {one.why}",
        ),
        severity,
        tuple(Subject("lockfile", held.lock.path, None, held.lock.path) for held in everyone[1:]),
        tuple(_fixes(view, one, ("pypi", dist.name), view.remedy.uninstall(dist), severity)),
    )


def _record(view: View, one: Held, record: CondaPackage) -> Case:
    from envdoctor.conda.installed import label, subject

    severity: Severity = "info" if record.name in SEEDS else "warning"
    only = " for this platform" if ("conda", record.name.lower()) in one.names else ""
    return Case(
        subject(record),
        f"{label(record)} is installed and not in {one.lock.path}{only}",
        (f"{record.record}: {label(record)}, build {record.build}", f"{one.lock.path} counts for this environment: {one.why}"),
        severity,
        (),
        tuple(_fixes(view, one, ("conda", record.name), view.remedy.conda_remove(record.name), severity)),
    )


def _fixes(view: View, one: Held, key: Key, removal: tuple[tuple[str, ...], ...], severity: Severity) -> Iterator[Fix]:
    locks = view.remedy.locks
    verify = (locks.check(one.lock, RULE.code, target=True),)
    add = locks.add(one.lock, key[1]) if severity != "info" else ()
    yield Fix(f"add {key[1]} to the manifest and lock again, if it is needed", "manual", add, verify)
    if severity != "info":
        yield Fix(f"Or remove {key[1]}", "manual", removal, verify)


def _askers(view: View, name: str) -> list[str]:
    """Who requires it, where somebody does."""
    from envdoctor.requirements import askers

    edges = view.closure.incoming.get(name, ())
    return [f"asked for by {askers(edges)}"] if edges else []


def _of_conda(name: str, loose: set[str]) -> bool:
    """A locked conda package brings the distribution."""
    from envdoctor.conda.installed import aliases

    return any(alias in loose for alias in aliases(name))
