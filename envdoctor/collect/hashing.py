"""Hashes of many files on all cores: hashlib releases the interpreter's lock, so threads do."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence

from envdoctor.collect import files as fs
from envdoctor.tuples import NamedTuple

CHUNK = 1 << 20
EVERY = 0.25
"""Seconds between two words about progress."""


class Digest(NamedTuple):
    """What was read of a file."""

    sha256: str
    """Hexadecimal."""
    size: int


def digests(paths: Sequence[str], progress: Callable[[str], None] | None = None) -> list[Digest | None]:
    """sha256 of each file, in order; None where a file cannot be read. `progress` gets a few words now and then."""
    found: list[Digest | None] = [None] * len(paths)
    if not paths:
        return found
    lock = threading.Lock()
    state = {"next": 0, "done": 0, "bytes": 0, "said": time.monotonic()}
    step = 32

    def work() -> None:
        buffer = bytearray(CHUNK)
        while True:
            with lock:
                start = int(state["next"])
                state["next"] = start + step
            if start >= len(paths):
                return
            for at in range(start, min(start + step, len(paths))):
                found[at] = digest = _digest(paths[at], buffer)
                with lock:
                    state["done"] += 1
                    state["bytes"] += digest.size if digest else 0
                    say = progress is not None and time.monotonic() - state["said"] > EVERY
                    if say:
                        state["said"] = time.monotonic()
                if say and progress is not None:
                    progress(f"hashing files: {state['done']:,} of {len(paths):,}, {state['bytes'] / 1e6:,.0f} MB")

    count = min(_cores(), 1 + len(paths) // step)
    workers = [threading.Thread(target=work, name="envdoctor-hash", daemon=True) for _ in range(count - 1)]
    for worker in workers:
        worker.start()
    work()
    for worker in workers:
        worker.join()
    return found


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _digest(path: str, buffer: bytearray) -> Digest | None:
    try:
        descriptor, _ = fs.open_regular(path)
    except fs.Unreadable:
        return None
    view, hasher, size = memoryview(buffer), hashlib.sha256(), 0
    try:
        with os.fdopen(descriptor, "rb", 0) as file:
            while count := file.readinto(buffer):
                hasher.update(view[:count])
                size += count
    except OSError:
        return None
    return Digest(hasher.hexdigest(), size)
