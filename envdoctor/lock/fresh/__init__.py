"""Does a lock stand for its manifests as they are now? One module a format, without a solve and without network. Pure.

A module has two functions:

``sources(lock, here, files) -> tuple[str, ...]``
    The files that the lock is made from, relative to the lock's folder (``/`` between parts). `here` are the names in that
    folder, `files` the bytes of those that were read so far: a file can name others, so it is asked until nothing new comes.
    A path that ends in ``/`` asks for a folder: its bytes are the names in it, a line each. What is not there stays away.
``judge(lock, files) -> Lock``
    The lock with `fresh`, `stale_because` and `freshness_by`, and what the manifests tell about it (default groups, roots).

"yes" and "no" are said where they can be shown; what depends on options or variables that no file tells is "unknown".
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from types import ModuleType

from envdoctor.lock.model import Lock


def _module(lock: Lock) -> ModuleType | None:
    from envdoctor.lock.formats import FORMATS

    name = next(kind.module for kind in FORMATS if kind.format == lock.format)
    try:
        return importlib.import_module(f"envdoctor.lock.fresh.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"envdoctor.lock.fresh.{name}":
            raise
        return None


def sources(lock: Lock, here: Collection[str], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """What the lock's own module says; nothing for a format that has none, or a lock that cannot be read."""
    module = None if lock.error is not None else _module(lock)
    if module is None:
        return ()
    found: tuple[str, ...] = module.sources(lock, here, files)
    return found


def judge(lock: Lock, files: Mapping[str, bytes]) -> Lock:
    """What the lock's own module says; the lock itself for a format that has none, or a lock that cannot be read."""
    module = None if lock.error is not None else _module(lock)
    if module is None:
        return lock
    found: Lock = module.judge(lock, files)
    return found
