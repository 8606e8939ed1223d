"""Freshness of an ``@EXPLICIT`` list that conda-lock has rendered: its ``# input_hash:`` against environment.yml beside it.

A list does not name its sources. So one whose hash is that of environment.yml, or of the conda-lock.yml beside it, is fresh (or
as fresh as that); another is stale only where a requirement of environment.yml is visibly not met by a list of that name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from envdoctor.lock.fresh import conda_lock
from envdoctor.lock.model import Lock, LockError

MANIFESTS = ("environment.yml", "environment.yaml")
LOCKS = ("conda-lock.yml", "conda-lock.yaml")
_USUAL = re.compile(r"conda-(?:[a-z]+-[a-z0-9]+)\.lock\Z")
"""Names that conda-lock gives its lists."""


def sources(lock: Lock, here: Collection[str], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """environment.yml, conda-lock.yml with its sources, virtual packages: where the list has a hash."""
    if not any(what.startswith("content-hash ") for what, _ in lock.recorded):
        return ()
    found = [next((name for name in names if name in here), "") for names in (MANIFESTS, LOCKS, conda_lock.VIRTUAL_FILES)]
    whole = _lock(files)
    return tuple(name for name in dict.fromkeys([*found, *(whole.manifests if whole else ())]) if name)


def judge(lock: Lock, files: Mapping[str, bytes]) -> Lock:
    """The list with whether it is fresh."""
    hashes = {what.removeprefix("content-hash "): text for what, text in lock.recorded if what.startswith("content-hash ")}
    if not hashes:
        return lock
    whole = _lock(files)
    if whole is not None and all((f"content-hash {platform}", text) in whole.recorded for platform, text in hashes.items()):
        judged = conda_lock.judge(whole, files)
        return msgspec.structs.replace(
            lock, fresh=judged.fresh, stale_because=judged.stale_because, freshness_by=judged.freshness_by
        )
    name = next((one for one in MANIFESTS if one in files), None)
    if name is None or len(files[name]) > conda_lock.MAX_SOURCES:
        return lock
    answer = conda_lock.compare(lock, {name: files[name]}, hashes, conda_lock.tables(lock, files))
    if answer is None or answer.fresh == "unknown":
        return lock
    if answer.fresh == "no":
        visible = tuple(one for one in answer.reasons if one.endswith("is not locked") or ": asks for " in one)
        if not visible or not _USUAL.match(lock.path.rpartition("/")[2]):
            return lock
        return msgspec.structs.replace(lock, fresh="no", stale_because=visible, freshness_by="hash")
    return msgspec.structs.replace(lock, fresh="yes", freshness_by="hash")


def _lock(files: Mapping[str, bytes]) -> Lock | None:
    """The conda-lock.yml beside the list."""
    from envdoctor.lock.formats import conda_lock as reader

    for name in LOCKS:
        if name in files:
            try:
                return reader.read(files[name], name)
            except LockError:
                return None
    return None
