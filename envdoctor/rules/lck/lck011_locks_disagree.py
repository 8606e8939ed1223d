"""Two locks of one project give a package two versions.

## Why it matters
Which one is right depends on who installs: the image is built from one, the laptop from the other, and a bug shows in only one
of them. Mostly one of the two is left over from the tool that the project used before.

## How it is found
Locks that stand in one folder are compared in pairs, on this machine and for one Python that both are for: a package disagrees
when the versions that one lock may install and those of the other have none in common. Packages of conda and of the index are
compared where the conda package is one of Python.

## Look-alikes that are fine
Locks for other platforms (`conda-linux-64.lock` beside `conda-osx-arm64.lock`) and for other Pythons; locks whose names say
that they differ on purpose (`-cpu` and `-gpu`, `-min`, `py39`); other builds of one version; packages that only one of them
has.

## How to fix
Delete the lock that nobody uses, or make it from the other one (`uv export`, `poetry export`, `conda-lock render`).

## Example
`uv.lock and requirements.txt disagree about 2 packages: numpy (2.1.0 and 1.26.4) and scipy (1.14.1 and 1.13.1)`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from envdoctor.finding import Finding, Fix, Subject
from envdoctor.lazy import pattern
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import LISTED, key_of, lockfile, words
from envdoctor.view import View, normalize

if TYPE_CHECKING:
    from envdoctor.lock.held import Setting
    from envdoctor.lock.model import Lock

RULE = Rule("LCK011", "locks-disagree", "warning", reads=("locks", "machine", "interpreter", "target", "project"))

_PURPOSE = pattern(
    r"(?:^|[-_.])(py(?:thon)?-?\d[\d.]*|cpu|gpu|cuda\d*|cu\d{2,3}|rocm[\d.]*|min(?:imum|imal)?|lowest|oldest|latest|max|upper|lower|"
    r"linux|win(?:dows)?(?:-\d+)?|mac(?:os)?|osx|darwin|arm64|aarch64|x86|amd64|nightly|next|edge)(?=[-_.]|$)",
    re.IGNORECASE,
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each pair."""
    if len(view.snapshot.locks) < 2:
        return
    for one, other in combinations(view.locks.readable, 2):
        if _folder(one) != _folder(other) and not (one.named and other.named):
            continue
        if _purpose(one) != _purpose(other):
            continue
        setting = _both(view, one, other)
        if setting is None:
            continue
        left, right = _versions(one, setting), _versions(other, setting)
        different = []
        for name in sorted(left.keys() & right.keys()):
            if not _agree(left[name], right[name]):
                different.append((name, left[name], right[name]))
        if different:
            yield _finding(view, one, other, different)


def _finding(view: View, one: Lock, other: Lock, different: list[tuple[str, dict[str, str], dict[str, str]]]) -> Finding:
    shown = [f"{name} ({words(a, 2)} and {words(b, 2)})" for name, a, b in different]
    number = len(different)
    subjects = [
        Subject("distribution" if "pypi" in side.values() else "conda-package", name, version)
        for name, a, b in different[: LISTED // 2]
        for side in (a, b)
        for version in list(side)[:1]
    ]
    stale = [lock for lock in (one, other) if lock.fresh == "no"]
    locks = view.remedy.locks
    verify = (locks.check(None, RULE.code),)
    again = [Fix(f"lock {lock.path} again, which is stale", "unsafe", locks.relock(lock)[1], verify) for lock in stale]
    return RULE.finding(
        f"{one.path} and {other.path} disagree about {number} {'package' if number == 1 else 'packages'}: {words(shown, 3)}",
        [lockfile(one), lockfile(other), *subjects],
        evidence=[f"{name}: {one.path} has {words(a)}, {other.path} has {words(b)}" for name, a, b in different[:20]]
        + ([f"and {number - 20} more"] if number > 20 else []),
        fixes=[
            *(fix for fix in again if fix.commands),
            Fix("delete the lock that nobody uses, or make it from the other one", "manual", (), verify),
        ],
        key=f"{key_of(one)}:{key_of(other)}",
    )


def _both(view: View, one: Lock, other: Lock) -> Setting | None:
    """A Python that both locks are for, on this machine; None where there is none."""
    from envdoctor.requirements import satisfies

    for first, second in ((one, other), (other, one)):
        setting = view.locks.judged(first)
        python = setting.environment.get("python_full_version", "")
        if all(not lock.requires_python or satisfies(python, lock.requires_python) is not False for lock in (first, second)):
            return setting
    return None


def _versions(lock: Lock, setting: Setting) -> dict[str, dict[str, str]]:
    """What the lock may install here: name to versions, each with its manager."""
    found: dict[str, dict[str, str]] = {}
    for entry in setting.everything(lock):
        if not entry.version or not entry.name or entry.name in lock.projects:
            continue
        if entry.manager == "conda" and not any(need.name in ("python", "python_abi") for need in entry.needs):
            found.setdefault(f"conda:{entry.name}", {})[entry.version] = "conda"
            continue
        found.setdefault(normalize(entry.name), {})[entry.version] = entry.manager
    return found


def _agree(one: dict[str, str], other: dict[str, str]) -> bool:
    """Some version is in both."""
    from envdoctor.lock.changes import same_version

    return any(
        same_version("conda" if "conda" in (x, y) else "pypi", a.partition("+")[0], b.partition("+")[0])
        for a, x in one.items()
        for b, y in other.items()
    )


def _purpose(lock: Lock) -> frozenset[str]:
    """What its name says it is for."""
    file = lock.path.replace("\\", "/").rpartition("/")[2]
    return frozenset(match[1].lower() for match in _PURPOSE.finditer(file))


def _folder(lock: Lock) -> str:
    return lock.path.replace("\\", "/").rpartition("/")[0]
