"""A lockfile cannot be read.

## Why it matters
Its tool cannot read it either: nothing can be installed from it. Mostly a merge was left half done, the file was cut off, or it
was written by a newer version of the tool.

## How it is found
Every lockfile of the project (or those that `--lock` names) is read as its format says: conda-lock.yml, pixi.lock, uv.lock,
pylock.toml, poetry.lock, pdm.lock, Pipfile.lock, requirements files with hashes, and `@EXPLICIT` lists. Merge-conflict markers
are told first, then what is wrong in the text, with the line, or with the place in the document.

## Look-alikes that are fine
Keys that are not known within a known version of a format; files of that name that are no lock, such as a requirements file
without hashes that no tool has made; empty groups and platforms.

## How to fix
After a merge: take one side of the lock, then let the tool lock again, so that it takes up what the other side had added. A
file that was cut off: restore it. A format that is not known yet: lock with the version of the tool that the project uses, or
update envdoctor.

## Example
`uv.lock cannot be read: merge-conflict markers: the file was merged by hand and not finished (line 12)`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from envdoctor.finding import Finding, Fix
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import key_of, lockfile, place
from envdoctor.view import View

if TYPE_CHECKING:
    from envdoctor.lock.model import Lock

RULE = Rule(
    "LCK001",
    "lock-unreadable",
    "error",
    reads=("locks",),
    messages=(
        "Failed to parse `{path}.lock`",
        "Failed to parse: `{path}`",
        "Unable to read the lock file",
        "is not a valid lock file",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each lock."""
    for lock in view.snapshot.locks:
        if lock.error is None:
            continue
        line = f" (line {lock.line})" if lock.line is not None else ""
        yield RULE.finding(
            f"{lock.path} cannot be read: {lock.error}{line}",
            [lockfile(lock)],
            evidence=[f"{place(lock)}: {lock.error}"],
            fixes=_fixes(view, lock),
            key=key_of(lock),
        )


def _fixes(view: View, lock: Lock) -> Iterator[Fix]:
    locks = view.remedy.locks
    folder, file = locks.folder(lock), lock.path.replace("\\", "/").rpartition("/")[2]
    _, again = locks.relock(lock)
    if "conflict" in (lock.error or ""):
        side = ("git", "-C", folder, "checkout", "--theirs", "--", file)
        yield Fix("take one side of the merge, then lock again", "manual", (side, *again), (locks.check(lock, RULE.code),))
        return
    restore = ("git", "-C", folder, "checkout", "HEAD", "--", file)
    yield Fix("restore the file", "manual", (restore,), (locks.check(lock, RULE.code),))
    if again:
        yield locks.fix(("Or lock again", again), lock, RULE.code)
