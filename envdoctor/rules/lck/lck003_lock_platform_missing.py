"""A lock has nothing for this machine, or for a platform that the project declares.

## Why it matters
There is nothing to install here: conda-lock renders an empty list and ends with success, pixi refuses, and with uv's
`environments` or a pylock's the installer stops.

## How it is found
The platform that the target runs on (or the machine of `--machine`) is looked for among the lock's platforms; for locks of
Python packages its markers (`environments`, `resolution-markers` of the whole lock) and its `requires-python` are evaluated.
Each platform that a manifest declares is looked for in the locks made from it. An error where the lock is meant for the target,
or is the project's only one.

## Look-alikes that are fine
Locks that name no platform, which are for all; one `@EXPLICIT` list for each platform, of which another is this machine's; a
platform that the machine runs by itself through emulation (osx-64 under Rosetta 2), which is a warning. A Python that the
manifest itself excludes: INT006 tells of it.

## How to fix
Declare the platform, and lock again for all of them.

## Example
`conda-lock.yml has nothing for osx-arm64: it is made for linux-64 and win-64`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from envdoctor.finding import Finding, Severity, Subject
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import key_of, lockfile, words
from envdoctor.view import View

if TYPE_CHECKING:
    from envdoctor.lock.model import Lock

RULE = Rule(
    "LCK003",
    "lock-platform-missing",
    "error",
    reads=("locks", "manifests", "machine", "target", "interpreter", "conda_packages", "project"),
    messages=(
        "The workspace does not support '{platform}'",
        "platform that is not in the lock",
        "is not installable on this platform",
        "Lockfile does not contain platform",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each lock that lacks this machine, one for each that lacks declared platforms."""
    if not view.snapshot.locks:
        return
    for lock in view.locks.readable:
        missing = _here(view, lock)
        if missing is not None:
            yield missing
        yield from _declared(view, lock)


def _here(view: View, lock: Lock) -> Finding | None:
    """The machine that is judged for has nothing in the lock."""
    locks = view.locks
    setting = locks.judged(lock)
    machine = Subject("machine", setting.platform or view.machine.machine)
    if lock.platforms:
        platform = setting.platform
        made_for = _made_for(lock, platform)
        if platform is None or platform in made_for or _sister(view, lock, platform):
            return None
        from envdoctor.conda.subdirs import emulator

        emulated = next((one for one in made_for if emulator(view.machine, one)), None)
        how = f"; {emulated} runs here {emulator(view.machine, emulated)}" if emulated else ""
        severity: Severity = "warning" if emulated or _secondary(view, lock) else "error"
        return RULE.finding(
            f"{lock.path} has nothing for {platform}: it is made for {words(made_for)}{how}",
            [lockfile(lock), machine],
            evidence=[f"{lock.path}: platforms {', '.join(made_for)}", f"{_who(view)} is {platform}"],
            fixes=[view.remedy.locks.fix(view.remedy.locks.for_platform(lock, platform), lock, RULE.code)],
            severity=severity,
            key=f"{key_of(lock)}:{platform}",
        )
    from envdoctor.lock.select import holds

    if lock.environments and not any(holds(marker, setting.environment) for marker in lock.environments):
        python = setting.environment["python_full_version"]
        return RULE.finding(
            f"{lock.path} has nothing for {setting.words}: it is made for {words(lock.environments, 2)}",
            [lockfile(lock), machine],
            evidence=[*(f"{lock.path}: {marker}" for marker in lock.environments[:5]), f"Python {python}, {setting.words}"],
            fixes=[
                view.remedy.locks.again(lock, RULE.code, title="let the project's settings name this platform, and lock again")
            ],
            severity="warning" if _secondary(view, lock) else "error",
            key=f"{key_of(lock)}:environments",
        )
    return _python(view, lock)


def _python(view: View, lock: Lock) -> Finding | None:
    """The lock is for other versions of Python than the target that it is meant for has."""
    from envdoctor.requirements import satisfies

    version = view.snapshot.interpreter.version
    project = view.snapshot.project
    if not lock.requires_python or not version or not view.python_full_known or lock.format == "pipfile":
        return None
    if all(held.lock is not lock for held in view.locks.held):
        return None
    if satisfies(version, lock.requires_python) is not False:
        return None
    if project is not None and project.requires_python and satisfies(version, project.requires_python) is False:
        return None  # INT006
    return RULE.finding(
        f"{lock.path} is for Python {lock.requires_python}, the target has {version}",
        [lockfile(lock), view.interpreter_subject()],
        evidence=[
            f"{lock.path}: requires-python {lock.requires_python}",
            f"{view.inside(view.snapshot.interpreter.path)}: {version}",
        ],
        fixes=[view.remedy.recreate("make the environment again with a Python that the lock is for", python=_fitting(lock))],
        key=f"{key_of(lock)}:python",
    )


def _fitting(lock: Lock) -> str | None:
    from envdoctor.lock.held import lower_bound

    bound = lower_bound(lock.requires_python)
    return ".".join(bound.split(".")[:2]) if bound else None


def _declared(view: View, lock: Lock) -> Iterator[Finding]:
    """Platforms that the manifests of the lock declare and it lacks."""
    if not lock.platforms or lock.format == "explicit":
        return
    declared: dict[str, str] = {}
    for manifest in view.snapshot.manifests:
        if manifest.path in lock.manifests or (not lock.manifests and manifest.format in ("environment", "pixi")):
            for platform in manifest.platforms:
                declared.setdefault(platform, manifest.path)
    here = view.locks.judged(lock).platform
    missing = [platform for platform in declared if platform not in lock.platforms and platform != here]
    if missing:
        manifests = tuple(dict.fromkeys(declared[platform] for platform in missing))
        yield RULE.finding(
            f"{lock.path} has nothing for {words(missing)}, which {words(manifests)} declares",
            [lockfile(lock), *(Subject("file", path, None, path) for path in manifests)],
            evidence=[
                *(f"{declared[platform]}: platforms names {platform}" for platform in missing[:5]),
                f"{lock.path}: platforms {', '.join(lock.platforms)}",
            ],
            fixes=[view.remedy.locks.again(lock, RULE.code)],
            severity="warning",
            key=f"{key_of(lock)}:declared",
        )


def _made_for(lock: Lock, platform: str | None) -> tuple[str, ...]:
    """Platforms of the lock, without `platform` where conda-lock.yml names it and has packages for others only."""
    if lock.format != "conda-lock" or platform not in lock.platforms or not lock.packages:
        return lock.platforms
    filled = sorted({place for entry in lock.packages for _, place in entry.places})
    if platform in filled:
        return lock.platforms
    return tuple(one for one in lock.platforms if one != platform) or tuple(filled)


def _sister(view: View, lock: Lock, platform: str) -> bool:
    """A list beside it, of the same kind, is the one for the platform."""
    return lock.format == "explicit" and any(
        other.format == "explicit" and (platform in other.platforms or not other.platforms) for other in view.snapshot.locks
    )


def _secondary(view: View, lock: Lock) -> bool:
    """The environment is made from another lock."""
    return not lock.named and any(held.lock is not lock for held in view.locks.held)


def _who(view: View) -> str:
    if view.locks.other_machine:
        return f"the machine of {view.machine.source}"
    return "this machine" if view.locks.no_target or not view.snapshot.conda_packages else "the environment"
