"""A package that is locked for this environment is not installed.

## Why it matters
The environment is not the one that the team has: an import fails here that works everywhere else, or an optional path is taken.

## How it is found
A lock is compared with the target when it was named by `--lock`, when the target is the project's own environment (`.venv` in
its folder, `UV_PROJECT_ENVIRONMENT`, pixi's `.pixi/envs`, the name in environment.yml, poetry's and pipenv's names), or when
most of it is installed and little else. What it installs here is worked out as its tool does: markers, platforms, edges of a
graph, the project itself, and those groups, extras and members of which most is there. What of that has no distribution (conda:
no record) is missing.

## Look-alikes that are fine
Groups and extras that were left out on purpose; entries for other platforms and versions of Python; the project itself; Python
packages that conda provides under another name; a lock of another environment, which is not compared at all.

## How to fix
Install what is locked with the lock's own tool. What is installed besides it stays.

## Example
`rich 13.7.1 is locked by uv.lock and not installed`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding
from envdoctor.lock.model import Locked
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import DRIFT, Case, findings, held, label, package, place, unreadable
from envdoctor.view import View

RULE = Rule("LCK004", "locked-package-missing", "error", reads=DRIFT)


def check(view: View) -> Iterator[Finding]:
    """One finding for each package that is missing."""
    told: set[tuple[str, str]] = set()
    for one in held(view):
        unreadable(view)
        cases = []
        for key, entries in one.wanted.items():
            if not key[1] or key in told or view.locks.there(key) or view.locks.is_project(key[1]) or _provided(view, key):
                continue
            told.add(key)
            entry = _meant(entries)
            where = _where(one.groups, entry)
            cases.append(
                Case(
                    package(entry),
                    f"{label(entry)} is locked by {one.lock.path} and not installed",
                    (
                        f"{place(one.lock, entry)}: {label(entry)}{where}",
                        f"{_nothing(view, entry)}",
                        f"{one.lock.path} counts for this environment: {one.why}",
                    ),
                    "info" if key == ("pypi", "pip") else "error",
                )
            )
        yield from findings(
            RULE,
            one.lock,
            cases,
            f"packages that {one.lock.path} locks are not installed",
            [view.remedy.locks.install(one, RULE.code)],
            confidence="certain" if one.relation else "likely",
        )


def _meant(entries: tuple[Locked, ...]) -> Locked:
    return entries[-1]


def _where(groups: tuple[str, ...] | None, entry: Locked) -> str:
    """Groups that it is locked for, where it is not for the project itself."""
    named = [group for group in entry.groups if group] if "" not in entry.groups else []
    return f" (group {', '.join(named)})" if named and groups is not None else ""


def _nothing(view: View, entry: Locked) -> str:
    if entry.manager == "conda":
        return f"conda-meta has no record of {entry.name}"
    folders = [view.inside(site.path) for _, site in view.active_sites if site.of_target]
    return f"{folders[0] if folders else 'the environment'} has no distribution {entry.name}"


def _provided(view: View, key: tuple[str, str]) -> bool:
    """A conda package without Python metadata provides it, or an egg that is not opened."""
    if key[0] == "conda":
        return any(problem.name == key[1] for problem in (view.snapshot.conda_meta.problems if view.snapshot.conda_meta else ()))
    from envdoctor.conda.installed import aliases, normalized

    if any(gap.collector == "distributions" and gap.subject.endswith(".egg") for gap in view.snapshot.gaps):
        return True
    if not view.locks.records:
        return False
    names = {normalized(name): record for name, record in view.locks.records.items()}
    return any(name in names and not names[name].metadata and names[name].paths for name in aliases(key[1]))
