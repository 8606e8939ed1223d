"""A package is installed in another version than the one that is locked.

## Why it matters
The lock is there so that everybody runs the same code. Here something else runs, and what was tested was not this.

## How it is found
For a lock that is meant for the target (LCK004 tells when), the version of every locked package is compared with what is
installed: by PEP 440 for distributions (1.0 and 1.0.0 are one), by conda's order for conda packages. Of a package that is
locked in several versions, one must fit. A package that only groups and extras ask for that are not installed is a warning.

## Look-alikes that are fine
Several entries under markers that exclude each other; a local version (`2.1.0+cpu`) where the lock has none, which is another
build and LCK007's; the project and its workspace members, whose version changes with every commit; entries whose version the
lock leaves open; what another lock that counts here has in just that version.

## How to fix
Install what is locked with the lock's own tool; or lock again, when the installed version is the one that is wanted.

## Example
`numpy 1.26.4 is installed, uv.lock locks 2.1.0`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Subject
from envdoctor.lazy import pattern
from envdoctor.lock.held import Held, Key
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import DRIFT, Case, findings, held, place, words
from envdoctor.view import View

RULE = Rule("LCK005", "locked-version-differs", "error", reads=DRIFT)

_SAFE = pattern(r"[A-Za-z0-9][\w.-]*==[\w.!+-]+")


def check(view: View) -> Iterator[Finding]:
    """One finding for each package."""
    everyone = held(view)
    told: set[Key] = set()
    for one in everyone:
        cases = []
        install = view.remedy.locks.install(one, RULE.code)
        for key in one.allowed:
            if key in told or not key[1] or not view.locks.there(key) or view.locks.is_project(key[1]):
                continue
            entries = one.wanted.get(key) or one.allowed[key]
            if any(map(view.locks.same_version, one.allowed[key])) or _elsewhere(view, everyone, one, key):
                continue
            if key not in one.wanted and not one.covers:
                continue
            told.add(key)
            subject, version, where = _installed(view, key)
            locked = words(dict.fromkeys(entry.version or "" for entry in entries))
            loose = "" if key in one.wanted else ", for a group or extra that is not installed"
            cases.append(
                Case(
                    subject,
                    f"{key[1]} {version} is installed, {one.lock.path} locks {locked}{loose}",
                    (
                        f"{where}: {key[1]} {version}",
                        *(f"{place(one.lock, entry)}: {entry.name} {entry.version}" for entry in entries[:3]),
                        f"{one.lock.path} counts for this environment: {one.why}",
                    ),
                    "error" if key in one.wanted and key != ("pypi", "pip") else "warning",
                    (),
                    (install, _other_way(view, one, key, version)),
                )
            )
        yield from findings(
            RULE,
            one.lock,
            cases,
            f"packages are installed in other versions than {one.lock.path} locks",
            [install],
            confidence="certain" if one.relation else "likely",
        )


def _elsewhere(view: View, everyone: tuple[Held, ...], one: Held, key: Key) -> bool:
    """Another lock of this environment has what is installed; LCK011 tells that the two disagree."""
    if one.relation == "named":
        return False
    return any(any(map(view.locks.same_version, other.allowed.get(key, ()))) for other in everyone if other is not one)


def _other_way(view: View, one: Held, key: Key, version: str) -> Fix:
    """What is installed is what is wanted."""
    locks = view.remedy.locks
    wanted = f"{key[1]}=={version}"
    commands = locks.add(one.lock, wanted) if _SAFE.fullmatch(wanted) else ()
    title = f"Or ask for {wanted} in the manifest and lock again, if that is the version that is wanted"
    return Fix(title, "manual", commands, (locks.check(one.lock, RULE.code, target=True),))


def _installed(view: View, key: Key) -> tuple[Subject, str, str]:
    """What is installed under a name: as a subject, its version, and where it says so."""
    if key[0] == "conda":
        from envdoctor.conda.installed import subject

        record = view.locks.records[key[1]]
        return subject(record), record.version, record.record or "conda-meta"
    dist = view.effective[key[1]]
    return view.distribution(dist), dist.version or "without a version", view.in_site(dist.site, dist.path)
