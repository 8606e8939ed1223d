"""Freshness of ``Pipfile.lock``: its own hash over the Pipfile (``_meta.hash``)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from envdoctor.lock.document import decode, name_of, toml
from envdoctor.lock.fresh.met import unmet
from envdoctor.lock.manifests.pipfile import read
from envdoctor.lock.model import Lock, LockError

MANIFEST = "Pipfile"
_NO_CATEGORY = ("source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv", "default", "develop")


def sources(lock: Lock, here: Collection[str], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The Pipfile."""
    del lock, here, files
    return (MANIFEST,)


def judge(lock: Lock, files: Mapping[str, bytes]) -> Lock:
    """The lock with whether it is fresh."""
    try:
        document = toml(decode(files[MANIFEST]))
        manifest = read(files[MANIFEST], MANIFEST)
        # pipenv puts its default index where a Pipfile names none: the lock has it, too
        if "source" not in document:
            document["source"] = json.loads(dict(lock.recorded).get("sources", "[]"))
        hashes = content_hashes(document)
    except (KeyError, LockError, TypeError):
        return lock
    recorded = dict(lock.recorded).get("content-hash", "").removeprefix("sha256:")
    if not recorded:
        return lock
    if recorded in hashes:
        return msgspec.structs.replace(lock, fresh="yes", freshness_by="hash")
    reasons = [f"{MANIFEST}: {reason}" for reason in unmet(lock, manifest.wishes)][:20]
    reasons.append(f"{MANIFEST} has the hash {hashes[0][:12]}…; the lock was made for {recorded[:12]}…")
    return msgspec.structs.replace(lock, fresh="no", freshness_by="hash", stale_because=tuple(reasons))


def content_hashes(document: dict[str, Any]) -> tuple[str, ...]:
    """pipenv's hashes of a Pipfile: with normalized names, and as older versions write them.

    Raises TypeError for values that JSON does not have.
    """

    def normalized(value: Any) -> Any:
        return {name_of(key): item for key, item in value.items()} if isinstance(value, dict) else value

    found = []
    for spelled in (normalized, lambda value: value):
        relevant = {
            "_meta": {"sources": document.get("source", {}), "requires": document.get("requires", {})},
            "default": spelled(document.get("packages", {})),
            "develop": spelled(document.get("dev-packages", {})),
        }
        relevant |= {key: spelled(value) for key, value in document.items() if key not in _NO_CATEGORY}
        found.append(hashlib.sha256(json.dumps(relevant, sort_keys=True, separators=(",", ":")).encode()).hexdigest())
    return tuple(dict.fromkeys(found))
