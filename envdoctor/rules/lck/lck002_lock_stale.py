"""The manifest has changed since the lock was made.

## Why it matters
What the manifest asks for now is not what the lock installs: `--frozen` installs leave the new dependency out without a word,
others refuse to install, or lock again by themselves and give every machine other versions.

## How it is found
Without a solve and without network. Where the lock has a hash of its manifest (poetry.lock, pdm.lock, Pipfile.lock,
conda-lock.yml, explicit lists of conda-lock), the hash is made again as its tool makes it. Else what the manifest asks for is
compared with what the lock wrote down (uv.lock), or every requirement is looked for among the locked packages, within its
specifier (pixi.lock, pylock.toml, requirements files).

## Look-alikes that are fine
Another order, layout, comments, spelling of names; changes in other parts of the manifest: scripts, the project's version,
settings of linters. A lock whose manifest is not there is not judged, nor is one whose tool decides by more than the manifest.

## How to fix
Lock again with the tool that made the lock, and commit both files.

## Example
`uv.lock was not made from pyproject.toml as it is now: rich>=13 is asked for and was not when it was locked`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Subject
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import key_of, lockfile, words
from envdoctor.view import View

RULE = Rule(
    "LCK002",
    "lock-stale",
    "error",
    reads=("locks", "manifests"),
    messages=(
        "The lockfile at `{path}` needs to be updated",
        "changed significantly since poetry.lock was last generated",
        "lock-file not up-to-date with the workspace",
        "Lock file hash doesn't match pyproject.toml",
        "Your Pipfile.lock ({hash}) is out of date",
        "lockfile is out of date",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each lock."""
    for lock in view.snapshot.locks:
        if lock.error is not None or lock.fresh != "no":
            continue
        made_from = words(lock.manifests, 3) or "its manifest"
        because = f": {lock.stale_because[0]}" if lock.stale_because else ""
        others = [reason for reason in lock.stale_because[1:] if " hash " not in reason]
        more = f", and {len(others)} more" if others else ""
        compared = {"hash": "the hash that the lock has of it", "requirements": "its requirements"}.get(lock.freshness_by)
        yield RULE.finding(
            f"{lock.path} was not made from {made_from} as it is now{because}{more}",
            [lockfile(lock), *(Subject("file", path, None, path) for path in lock.manifests)],
            evidence=[*lock.stale_because, *([f"compared: {compared}"] if compared else [])],
            fixes=[view.remedy.locks.again(lock, RULE.code)],
            key=key_of(lock),
        )
