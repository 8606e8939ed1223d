"""What was asked of the file system and of the variables: enough to tell in a later run whether the answers are the same.

While a :class:`Watch` is on (:func:`watching`), every function of ``collect.files`` notes in it what it asks. Collectors that
ask the file system in another way note it themselves. ``memory`` keeps the answers, and compares them in a later run.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

Answer = int | str | tuple[int, int]

active: Watch | None = None
"""The watch that is on."""


class Watch:
    """The questions of one part of a run."""

    def __init__(self) -> None:
        self.started, self.ticks = time.time_ns(), time.monotonic_ns()
        self.states: dict[str, None] = {}
        """Files that were opened and folders that were listed, in order."""
        self.asked: dict[tuple[str, str], Answer] = {}
        """Question (of :data:`QUESTIONS`) and path to the answer."""
        self.variables: dict[str, bytes | None] = {}
        """Variable, or beginning of names with ``*``, to the digest of what it holds; None where there is none."""

    def ask(self, question: str, path: str) -> Answer:
        """The answer to one of :data:`QUESTIONS`, noted."""
        answer = self.asked[question, path] = QUESTIONS[question](path)
        return answer


class Variables(Mapping[str, str]):
    """Environment variables that note in the watch which of them are read."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ

    def __getitem__(self, name: str) -> str:
        if active is not None:
            active.variables[name] = content_of(self.environ, name)
        return self.environ[name]

    def __iter__(self) -> Iterator[str]:
        if active is not None:
            active.variables["*"] = content_of(self.environ, "*")
        return iter(self.environ)

    def beginning(self, prefix: str) -> list[tuple[str, str]]:
        """Names that begin with `prefix`, sorted, with their values."""
        if active is not None:
            active.variables[f"{prefix}*"] = content_of(self.environ, f"{prefix}*")
        return sorted(item for item in self.environ.items() if item[0].startswith(prefix))

    def __len__(self) -> int:
        return len(self.environ)


@contextmanager
def watching(watch: Watch | None) -> Iterator[None]:
    """Notes what is asked in `watch`; with None nothing is noted."""
    global active  # noqa: PLW0603 - what is on is on for all collectors
    before, active = active, watch
    try:
        yield
    finally:
        active = before


def _type(path: str) -> int:
    """Type of what stands at `path`, links followed; -1 where nothing can be reached."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)
    except (OSError, ValueError):
        return -1


def _own_type(path: str) -> int:
    """The same without following a link."""
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return -1


def _node(path: str) -> tuple[int, int] | int:
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        return -1
    return info.st_dev, info.st_ino


def _link(path: str) -> str | int:
    try:
        return os.readlink(path)
    except (OSError, ValueError):
        return -1


def _real(path: str) -> str | int:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return -1


def _mode(path: str) -> int:
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except (OSError, ValueError):
        return -1


def _writable(path: str) -> int:
    """1 where this user may write to what stands at `path`, 0 where not, -1 where nothing can be reached."""
    try:
        os.stat(path)
        return int(os.access(path, os.W_OK))
    except (OSError, ValueError):
        return -1


QUESTIONS = {
    "type": _type,
    "own-type": _own_type,
    "mode": _mode,
    "node": _node,
    "link": _link,
    "real": _real,
    "writable": _writable,
}
"""What can be asked of a path besides its content."""


def content_of(environ: Mapping[str, str], name: str) -> bytes | None:
    """A digest of a variable, or with ``*`` of all whose names begin so: they may hold secrets, which do not go to disk."""
    if name.endswith("*"):
        value: str | None = repr(sorted(item for item in environ.items() if item[0].startswith(name[:-1])))
    else:
        value = environ.get(name)
    if value is None:
        return None
    from envdoctor.digests import blake2b

    return blake2b(value.encode("utf-8", "surrogateescape"), digest_size=16, key=b"envdoctor").digest()
