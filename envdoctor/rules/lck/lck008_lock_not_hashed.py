"""Entries of a lock can change under its feet: no hash, plain http, a moving reference of a repository, no pinned version.

## Why it matters
A lock is a promise that everybody gets the same files. Without a hash the server decides what is installed, over http everybody
on the way does, and a branch is another program tomorrow. pip refuses a requirements file in which some entries have hashes and
others do not.

## How it is found
Every entry is asked for the hash of each file that could be installed, for `http://` addresses (of files and of indexes), for
the commit of a repository, and in requirements files for a pinned version. One finding for a lock and each of the four.

## Look-alikes that are fine
Folders and editable installs, the project itself, a repository at a commit: they have no hash by nature. MD5 sums, which conda
uses. Addresses of this very machine (`http://localhost`).

## How to fix
Lock again with hashes (`uv pip compile --generate-hashes`, `pip-compile --generate-hashes`), name the index by https, and a
commit or tag instead of a branch.

## Example
`3 of 41 packages in requirements.txt have no hash: alpha, beta and gamma`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from envdoctor.finding import Finding, Fix
from envdoctor.lazy import pattern
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import LISTED, key_of, label, lockfile, package, place, words
from envdoctor.view import View

if TYPE_CHECKING:
    from envdoctor.lock.model import Lock, Locked

RULE = Rule(
    "LCK008",
    "lock-not-hashed",
    "warning",
    reads=("locks",),
    messages=(
        "Hashes are required in --require-hashes mode",
        "all requirements must have their versions pinned",
    ),
)

_LOCAL = pattern(
    r"http://(?:[^/@]*@)?(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]|host\.docker\.internal)(?::\d+)?(?:/|$)", re.IGNORECASE
)
_LOOSE = pattern(r"(?:\S+ )?line (\d+): (\S+?)(?:[<>=!~\[;].*)? is not pinned to one version")
_FILES = ("wheel", "sdist", "archive", "conda")


def check(view: View) -> Iterator[Finding]:
    """One finding for a lock and a kind of entry."""
    if not view.snapshot.locks:
        return
    for lock in view.locks.readable:
        entries = [entry for entry in lock.packages if entry.name not in lock.projects and not entry.virtual]
        unhashed = [entry for entry in entries if _unhashed(entry)]
        if unhashed:
            refused = lock.format == "requirements" and len(unhashed) < len(entries)
            how = "; pip refuses to install such a file" if refused else ""
            yield _finding(
                view,
                lock,
                f"{len(unhashed)} of {len(entries)} packages in {lock.path} {'has' if len(unhashed) == 1 else 'have'} no hash: "
                f"{words((entry.name for entry in unhashed), 3)}{how}",
                unhashed,
                [f"{place(lock, entry)}: {label(entry)} without a hash" for entry in unhashed],
                "unhashed",
                "lock again with hashes",
            )
        plain = [(entry, address) for entry in entries if (address := _plain(entry)) is not None]
        indexes = [index for index in lock.indexes if _http(index)]
        if plain or indexes:
            what = f"{len(plain)} {'package' if len(plain) == 1 else 'packages'}" if plain else indexes[0]
            yield _finding(
                view,
                lock,
                f"{lock.path} takes {what} over plain http, which anybody on the way can change",
                [entry for entry, _ in plain],
                [*(f"{lock.path}: index {index}" for index in indexes), *(f"{place(lock, e)}: {url}" for e, url in plain)],
                "http",
                "name the index by https, and lock again",
            )
        moving = [entry for entry in entries if any(a.kind == "vcs" and a.commit is None for a in entry.artifacts)]
        if moving:
            yield _finding(
                view,
                lock,
                f"{words((entry.name for entry in moving), 3)} in {lock.path} {'is' if len(moving) == 1 else 'are'} whatever the "
                "repository has at that time: no commit is locked",
                moving,
                [
                    f"{place(lock, e)}: {e.name} from {a.url} at {a.reference or 'its default branch'}"
                    for e in moving
                    for a in e.artifacts
                ],
                "moving",
                "ask for a tag or commit, and lock again",
            )
        loose = [(match[2], text) for text in lock.problems if (match := _LOOSE.fullmatch(text)) is not None]
        if loose:
            names = {name.lower() for name, _ in loose}
            yield _finding(
                view,
                lock,
                f"{words((name for name, _ in loose), 3)} in {lock.path} {'is' if len(loose) == 1 else 'are'} not pinned to one "
                "version",
                [entry for entry in entries if entry.name in names or (entry.version is None and not entry.artifacts)],
                [f"{lock.path}: {text}" for _, text in loose],
                "loose",
                "pin every package, best by locking again",
            )


def _finding(view: View, lock: Lock, message: str, entries: list[Locked], evidence: list[str], kind: str, title: str) -> Finding:
    _, commands = view.remedy.locks.relock(lock)
    fix = view.remedy.locks.fix((title, commands), lock, RULE.code)
    manual = kind in ("http", "moving", "loose")
    more = [f"and {len(evidence) - 20} more"] if len(evidence) > 20 else []
    return RULE.finding(
        message,
        [lockfile(lock), *(package(entry) for entry in entries[:LISTED])],
        evidence=[*evidence[:20], *more],
        fixes=[Fix(fix.title, "manual", fix.commands, fix.verify) if manual else fix],
        key=f"{key_of(lock)}:{kind}",
    )


def _unhashed(entry: Locked) -> bool:
    """A file of it may be installed whatever it holds."""
    if not entry.artifacts:
        return entry.version is not None
    return any(artifact.kind in _FILES and not artifact.hashes for artifact in entry.artifacts)


def _plain(entry: Locked) -> str | None:
    """An address of it without TLS."""
    return next((artifact.url for artifact in entry.artifacts if artifact.url and _http(artifact.url)), None)


def _http(url: str) -> bool:
    bare = url.removeprefix("git+")
    return bare.startswith("http://") and _LOCAL.match(bare) is None
