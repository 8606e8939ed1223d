"""Freshness of pylock.toml: pdm's hash where it wrote the file, else as :mod:`envdoctor.lock.fresh.compiled` tells."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from envdoctor.lock.fresh import compiled, pdm
from envdoctor.lock.model import Lock


def sources(lock: Lock, here: Collection[str], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The manifests that the lock was made from."""
    if "content-hash" in dict(lock.recorded):
        return pdm.sources(lock, here, files)
    return compiled.sources(lock, here, files)


def judge(lock: Lock, files: Mapping[str, bytes]) -> Lock:
    """The lock with whether it is fresh."""
    if "content-hash" in dict(lock.recorded):
        return pdm.judge(lock, files)
    return compiled.judge(lock, files)
