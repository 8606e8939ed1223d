"""The lock was solved for a virtual package that this machine does not have.

## Why it matters
conda's solvers are told what the machine is by virtual packages: `__glibc`, `__cuda`, `__osx`, `__archspec`. A lock takes them
for granted, mostly by defaults that nobody chose. What was chosen for a newer glibc or macOS than this machine has does not
load here.

## How it is found
What the locked packages for this platform ask of virtual packages is compared with the machine that is judged for; and what the
lock itself says it was solved for (pixi's system requirements), where the machine has none or an older one.

## Look-alikes that are fine
Defaults of conda-lock that no locked package relies on; virtual packages of other platforms; a machine of which nothing is
known; `CONDA_OVERRIDE_…`, which changes what conda is told and not what the machine is.

## How to fix
Lock again for what the machines have: `envdoctor lock --virtual-package __glibc=2.17`, pixi's `[system-requirements]`; or
update the machine.

## Example
`conda-lock.yml was solved for __glibc >=2.39, this machine has __glibc 2.36: demo asks for it`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from envdoctor.finding import Finding, Fix, Subject
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import key_of, label, lockfile, package, place, words
from envdoctor.view import View

if TYPE_CHECKING:
    from envdoctor.conda.matchspec import MatchSpec
    from envdoctor.conda.virtual import Virtuals
    from envdoctor.lock.model import Lock, Locked

RULE = Rule(
    "LCK013",
    "lock-virtual-packages-assumed",
    "warning",
    reads=("locks", "machine", "target", "shell", "interpreter", "conda_packages"),
    messages=(
        "nothing provides __{package} needed by",
        "virtual package",
    ),
)

_VERSIONED = ("__glibc", "__osx", "__linux", "__musl", "__cuda")
"""Virtual packages of which a lock may say a version that a machine can be too old for."""


def check(view: View) -> Iterator[Finding]:
    """One finding for a lock and a virtual package."""
    if not view.snapshot.locks:
        return
    for lock in view.locks.readable:
        setting = view.locks.judged(lock)
        if lock.format not in ("conda-lock", "pixi", "explicit") or setting.platform is None:
            continue
        if lock.platforms and setting.platform not in lock.platforms:
            continue
        from envdoctor.conda.virtual import Virtuals

        virtuals = Virtuals(setting.snapshot, view.machine)
        asked = _asked(lock, setting.platform, virtuals)
        said = _said(lock, setting.platform, virtuals)
        for name in sorted(asked.keys() | said.keys()):
            yield _finding(view, lock, name, asked.get(name, []), said.get(name), virtuals)


def _finding(view: View, lock: Lock, name: str, asked: list[tuple[Locked, str]], said: str | None, virtuals: Virtuals) -> Finding:
    specs = words(dict.fromkeys(spec for _, spec in asked), 2)
    wanted = f"{name} {specs}" if specs else f"{name} {said}"
    who = (
        f": {words(dict.fromkeys(entry.name for entry, _ in asked), 3)} ask{'s' if len(asked) == 1 else ''} for it"
        if asked
        else ""
    )
    have = virtuals.shown(name)
    where = "this machine has" if view.machine.source == "this machine" else f"the machine of {view.machine.source} has"
    short = have.partition(" (")[0]
    locks = view.remedy.locks
    _, commands = locks.relock(lock)
    real = virtuals.real.get(name)
    version = (real.version or "").partition("=")[0] if real is not None else ""
    title = "lock again for what this machine has"
    known = bool(version) or (real is not None and not real.there)
    if commands and commands[0][:2] == ("envdoctor", "lock") and known:
        commands = ((*commands[0], "--virtual-package", f"{name}={version}"),)
    elif lock.format == "pixi":
        title = "name it in [system-requirements] of the manifest, and lock again"
    else:
        title = "name what the machines have in virtual-packages.yml, and lock again"
    return RULE.finding(
        f"{lock.path} was solved for {wanted}, {where} {short}{who}",
        [lockfile(lock), Subject("machine", name), *dict.fromkeys(package(entry) for entry, _ in asked[:20])],
        evidence=[
            *(f"{place(lock, entry)}: {label(entry)} depends on {name} {spec}" for entry, spec in asked[:5]),
            *([f"{lock.path}: solved for {name} {said}"] if said else []),
            have,
        ],
        fixes=[Fix(title, "unsafe" if known and commands else "manual", commands, (locks.check(lock, RULE.code),))],
        key=f"{key_of(lock)}:{name}",
    )


def _asked(lock: Lock, platform: str, virtuals: Virtuals) -> dict[str, list[tuple[Locked, str]]]:
    """What locked packages ask of virtual packages that the machine does not have: name to packages and specs."""
    from envdoctor.conda.installed import spec_of

    found: dict[str, list[tuple[Locked, str]]] = {}
    for entry in lock.packages:
        if entry.manager != "conda" or not any(place == platform for _, place in entry.places):
            continue
        for need in entry.needs:
            if not need.name.startswith("__"):
                continue
            spec = spec_of(f"{need.name} {need.spec}".strip())
            if spec is not None and _lacks(virtuals, spec):
                found.setdefault(need.name, []).append((entry, need.spec or "*"))
    return found


def _said(lock: Lock, platform: str, virtuals: Virtuals) -> dict[str, str]:
    """What the lock says it was solved for and the machine does not have, or has in an older version."""
    from envdoctor.conda.installed import spec_of

    found = {}
    for one in lock.virtual_packages:
        if one.assumed or one.platform not in (None, platform) or one.name not in _VERSIONED:
            continue
        spec = spec_of(f"{one.name} >={one.version}" if one.version != "0" else one.name)
        if spec is not None and _lacks(virtuals, spec):
            found[one.name] = one.version
    return found


def _lacks(virtuals: Virtuals, spec: MatchSpec) -> bool:
    """The machine has nothing that fits. That there is no driver for a GPU is no fault of an environment, but one of a lock."""
    there = virtuals.real.get(spec.name)
    if spec.name == "__cuda" and there is not None and not there.there:
        return True
    return virtuals.fits(spec) is False
