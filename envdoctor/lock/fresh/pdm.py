"""Freshness of ``pdm.lock``: its own ``content_hash`` over the relevant parts of pyproject.toml."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from envdoctor.lock.document import decode, name_of, table, toml
from envdoctor.lock.fresh.met import unmet
from envdoctor.lock.fresh.uv import _below, _deep, _matching, _split_glob, _texts
from envdoctor.lock.manifests.pyproject import of_document
from envdoctor.lock.model import Lock, LockError, Manifest

MANIFEST = "pyproject.toml"


def sources(lock: Lock, here: Collection[str], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """pyproject.toml, and those of workspace members."""
    del lock, here
    found = [MANIFEST]
    for pattern in _members(files):
        folder, wild = _split_glob(pattern)
        if wild is not None:
            found.append(f"{folder}/")
        found += [_below(member, MANIFEST) for member in _matching(pattern, files)]
    return tuple(dict.fromkeys(found))


def judge(lock: Lock, files: Mapping[str, bytes]) -> Lock:
    """The lock with whether it is fresh, its extras and default groups."""
    try:
        document = toml(decode(files[MANIFEST]))
        manifest = of_document(document, MANIFEST)
    except (KeyError, LockError):
        return lock
    if lock.format == "pdm":
        lock = _with_groups(lock, manifest)
    algorithm, _, recorded = dict(lock.recorded).get("content-hash", "").partition(":")
    if not recorded or "project" not in document or any(_deep(pattern) for pattern in _members(files)):
        return lock
    try:
        now = workspace_hash(files, algorithm)
    except (LockError, TypeError, ValueError, AttributeError):
        return lock
    if now == recorded:
        return msgspec.structs.replace(lock, fresh="yes", freshness_by="hash")
    reasons = [f"{MANIFEST}: {reason}" for reason in unmet(lock, manifest.wishes)][:20]
    if "lock-inputs" in dict(lock.recorded) and not reasons:
        # pdm then compares what the requirements mean, not their text
        return lock
    reasons.append(f"{MANIFEST} has the content hash {now[:12]}…; the lock was made for {recorded[:12]}…")
    return msgspec.structs.replace(lock, fresh="no", freshness_by="hash", stale_because=tuple(reasons))


def _with_groups(lock: Lock, manifest: Manifest) -> Lock:
    """Which of the lock's groups are extras of the project."""
    extras = tuple(group for group in lock.groups if group in manifest.extras and group not in manifest.groups)
    groups = tuple(group for group in lock.groups if group not in extras)
    return msgspec.structs.replace(lock, groups=groups, extras=extras, default_groups=groups)


def content_hash(document: dict[str, Any], algorithm: str = "sha256") -> str:
    """pdm's hash of one pyproject.toml. Raises TypeError for values that JSON does not have, ValueError for no algorithm."""
    pdm = table(table(document.get("tool"), "tool").get("pdm"), "tool.pdm")
    project = table(document.get("project"), "project")
    groups: dict[str, Any] = {
        name_of(group): list(items) for group, items in table(document.get("dependency-groups"), "").items()
    }
    for group, items in table(pdm.get("dev-dependencies"), "tool.pdm.dev-dependencies").items():
        groups.setdefault(name_of(group), []).extend(items)
    relevant = {
        "sources": pdm.get("source", []),
        "dependencies": project.get("dependencies", []),
        "dev-dependencies": groups,
        "optional-dependencies": project.get("optional-dependencies", {}),
        "requires-python": project.get("requires-python", ""),
        "resolution": pdm.get("resolution", {}),
    }
    return _digest(algorithm, json.dumps(relevant, sort_keys=True).encode())


def workspace_hash(files: Mapping[str, bytes], algorithm: str) -> str:
    """The hash of the project, with its workspace members where it has some."""
    root = content_hash(toml(decode(files[MANIFEST])), algorithm)
    patterns = _members(files)
    if not patterns:
        return root
    whole = root.encode()
    folders = {folder for pattern in patterns for folder in _matching(pattern, files) if _below(folder, MANIFEST) in files}
    for folder in sorted(map(posixpath.normpath, folders)):
        own = content_hash(toml(decode(files[_below(folder, MANIFEST)])), algorithm)
        whole += b"\0" + folder.encode() + b"\0" + own.encode()
    return _digest(algorithm, whole)


def _digest(algorithm: str, data: bytes) -> str:
    return hashlib.new(algorithm, data).hexdigest()


def _members(files: Mapping[str, bytes]) -> list[str]:
    """Globs of ``[tool.pdm.workspace]``."""
    try:
        document = toml(decode(files[MANIFEST]))
        tool = table(document.get("tool"), "tool")
        return _texts(table(table(tool.get("pdm"), "tool.pdm").get("workspace"), "tool.pdm.workspace").get("members"))
    except (KeyError, LockError):
        return []
