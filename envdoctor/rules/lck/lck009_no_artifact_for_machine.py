"""No locked wheel of a package fits this machine, and no source distribution is locked.

## Why it matters
The lock cannot be installed here: the installer stops at this package. Where a source distribution is locked it is built
instead, which takes a compiler and what the package links, and minutes instead of seconds.

## How it is found
The tags in the names of the locked wheels are compared with what the target's Python takes on the machine that is judged for:
its version and ABI, architecture, C library, release of macOS. For a lock that is not meant for the target, and in `envdoctor
lock --check` without one, only the platform counts, unless the project pins a Python. Packages of groups and extras that are
not installed are a warning; a package of which only a source distribution is locked is one, too, and a remark where it is
installed in that version.

## Look-alikes that are fine
Entries for other platforms and Pythons; hashes without file names (Pipfile.lock, requirements files), which tell nothing;
folders and repositories; pure wheels; a lock that does not have this Python or platform at all, of which LCK003 and INT006
tell.

## How to fix
Mostly the interpreter is the cause: an x86_64 Python on an arm64 Mac, a Python that is newer than the wheels. Else lock again
with a version that has a wheel for this machine, or with its source distribution.

## Example
`torch 2.2.2 has no locked wheel for CPython 3.13 on Linux x86_64, and no source distribution is locked`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from envdoctor.finding import Finding, Severity, Subject
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import Case, findings, package, place
from envdoctor.view import View

if TYPE_CHECKING:
    from envdoctor.lock.held import Setting
    from envdoctor.lock.model import Lock, Locked

RULE = Rule(
    "LCK009",
    "no-artifact-for-machine",
    "error",
    reads=("locks", "machine", "interpreter", "target", "distributions", "conda_packages", "project", "shell", "manifests"),
    messages=(
        "doesn't have a source distribution or wheel for the current platform",
        "Unable to find installation candidates for {distribution}",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each package."""
    if not view.snapshot.locks:
        return
    for lock in view.locks.readable:
        if lock.format in ("explicit", "requirements", "pipfile") and not any(_wheels(entry) for entry in lock.packages):
            continue
        setting = view.locks.judged(lock)
        if not setting.serves(lock):
            continue
        cases = list(_cases(view, lock, setting))
        yield from findings(
            RULE,
            lock,
            cases,
            f"packages in {lock.path} have no wheel for {setting.words}",
            [view.remedy.locks.again(lock, RULE.code)],
            confidence="certain" if not setting.assumed or view.locks.no_target else "likely",
        )


def _wheels(entry: Locked) -> bool:
    return any(artifact.kind == "wheel" for artifact in entry.artifacts)


def _cases(view: View, lock: Lock, setting: Setting) -> Iterator[Case]:
    held = next((one for one in view.locks.held if one.lock is lock), None)
    if held is not None and not view.locks.other_machine:
        wanted = {entry.name for entries in held.wanted.values() for entry in entries}
    else:
        wanted = {entry.name for entry in setting.entries(lock)}
    for entry in setting.everything(lock):
        if entry.manager != "pypi" or entry.name in lock.projects:
            continue
        artifacts = entry.artifacts
        if any(a.kind not in ("wheel", "sdist") or not a.name for a in artifacts) or not artifacts:
            continue
        if any(a.kind == "wheel" and setting.fits(a) for a in artifacts):
            continue
        sdist = any(a.kind == "sdist" for a in artifacts)
        severity: Severity = "error" if not sdist and entry.name in wanted else "warning"
        name = f"{entry.name} {entry.version or ''}".rstrip()
        if sdist and held is not None and view.locks.there(("pypi", entry.name)) and view.locks.same_version(entry):
            severity = "info"
        wheels = [a.name for a in artifacts if a.kind == "wheel"]
        if not sdist:
            message = f"{name} has no locked wheel for {setting.words}, and no source distribution is locked"
        elif wheels:
            message = f"{name} has no locked wheel for {setting.words}: it has to be built from source"
        else:
            message = f"{name} is locked as a source distribution only: it has to be built"
        evidence = [
            f"{place(lock, entry)}: {len(wheels)} wheels, {'a source distribution' if sdist else 'no source distribution'}"
        ]
        nearest = _nearest(wheels, setting)
        if nearest is not None:
            evidence.append(nearest)
        if view.machine.emulation or _emulated(view):
            evidence.append(
                f"the Python is a {setting.snapshot.interpreter.machine} one on a {view.machine.native_machine} machine"
            )
        yield Case(package(entry), message, tuple(evidence), severity, (_machine(view, setting),))


def _machine(view: View, setting: Setting) -> Subject:
    return Subject("machine", setting.platform or view.machine.machine)


def _nearest(wheels: list[str], setting: Setting) -> str | None:
    """The wheel that nearly fits, and what keeps it from fitting."""
    from envdoctor.platforms import badness, explain

    best = None
    if setting.any_python:
        return f"such as {wheels[0]}" if wheels else None
    for name in wheels[:200]:
        parts = name.removesuffix(".whl").lower().rsplit("-", 3)
        if len(parts) != 4:
            continue
        misfits = explain("-".join(parts[1:]), setting.profile)
        if misfits and (best is None or badness(misfits) < badness(best[1])):
            best = name, misfits
    return f"{best[0]}: {'; '.join(misfit.reason for misfit in best[1])}" if best is not None else None


def _emulated(view: View) -> bool:
    from envdoctor.platforms import family

    own, native = view.snapshot.interpreter.machine, view.machine.native_machine
    return bool(own and native) and not view.locks.no_target and family(own or "") != family(native)
