"""Freshness of ``poetry.lock``: its own ``content-hash`` over the relevant parts of pyproject.toml, as every poetry writes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from envdoctor.lock.document import decode, name_of, table, toml
from envdoctor.lock.fresh.met import unmet
from envdoctor.lock.manifests.pyproject import of_document
from envdoctor.lock.model import Lock, LockError, Manifest, Need, Root, Wish

MANIFEST = "pyproject.toml"
LEGACY = ("dependencies", "source", "extras", "dev-dependencies")
OLDER = ("dependencies", "group", "source", "extras")
"""Keys of poetry 1.2 to 1.8, which wrote null for the missing ones of ``LEGACY`` only; of 1.0 and 1.1: ``LEGACY``."""


def sources(lock: Lock, here: Collection[str], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """pyproject.toml."""
    del lock, here, files
    return (MANIFEST,)


def judge(lock: Lock, files: Mapping[str, bytes]) -> Lock:
    """The lock with whether it is fresh, its default groups, and for locks without groups the roots of the manifest."""
    try:
        document = toml(decode(files[MANIFEST]))
        manifest = of_document(document, MANIFEST)
        hashes = content_hashes(document)
    except (KeyError, LockError, TypeError):
        return lock
    lock = _completed(lock, manifest)
    recorded = dict(lock.recorded).get("content-hash")
    if recorded is None:
        return lock
    if recorded in hashes:
        return msgspec.structs.replace(lock, fresh="yes", freshness_by="hash")
    reasons = [f"{MANIFEST}: {reason}" for reason in unmet(lock, manifest.wishes)][:20]
    reasons.append(f"{MANIFEST} has the content hash {hashes[0][:12]}…; the lock was made for {recorded[:12]}…")
    return msgspec.structs.replace(lock, fresh="no", freshness_by="hash", stale_because=tuple(reasons))


def content_hashes(document: dict[str, Any]) -> tuple[str, ...]:
    """The hashes that poetry writes for a pyproject.toml: the current one first, then those of older versions.

    Raises TypeError for values that JSON does not have (dates).
    """
    found = [_hash(_relevant(document, with_groups=True)), _hash(_relevant(document, with_groups=False))]
    poetry = table(table(document.get("tool"), "tool").get("poetry"), "tool.poetry")
    found.append(_hash({key: poetry.get(key) for key in LEGACY}))
    found.append(_hash({key: poetry.get(key) for key in ("dependencies", "group", "source", "extras")}))
    with_group = {key: poetry.get(key) for key in (*LEGACY, "group") if key in LEGACY or poetry.get(key) is not None}
    found.append(_hash(with_group))
    return tuple(dict.fromkeys(found))


def _relevant(document: dict[str, Any], *, with_groups: bool) -> dict[str, Any]:
    """What poetry 2 hashes: parts of ``[project]``, dependency groups, parts of ``[tool.poetry]``."""
    project = table(document.get("project"), "project")
    poetry = table(table(document.get("tool"), "tool").get("poetry"), "tool.poetry")
    groups = table(document.get("dependency-groups"), "dependency-groups") if with_groups else {}
    keys = ("requires-python", "dependencies", "optional-dependencies")
    own = {key: project[key] for key in keys if project.get(key) is not None}
    tool: dict[str, Any] = {}
    for key in (*LEGACY, "group"):
        value = poetry.get(key)
        if value is None and (key not in LEGACY or own or groups):
            continue
        tool[key] = value
    relevant: dict[str, Any] = {}
    if own:
        relevant["project"] = own
    if groups:
        relevant["dependency-groups"] = groups
    if relevant:
        relevant["tool"] = {"poetry": tool}
        return relevant
    return tool


def _hash(relevant: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def _completed(lock: Lock, manifest: Manifest) -> Lock:
    """What the manifest alone knows: optional groups; before lock version 2.1 all groups, and where the graph begins."""
    default = manifest.default_groups
    changes: dict[str, Any] = {}
    declared = {"", *manifest.groups}
    if default is not None:
        changes["default_groups"] = tuple(group for group in sorted(declared | set(lock.groups)) if group in default)
    if lock.packages and (lock.version or "").startswith(("1.", "2.0")):
        roots = [Root(needs=_needs(wish for wish in manifest.wishes if wish.group is None and wish.extra is None))]
        for group in manifest.groups:
            roots.append(Root(group=group, needs=_needs(wish for wish in manifest.wishes if wish.group == group)))
        for extra in manifest.extras:
            roots.append(Root(extra=extra, needs=_needs(wish for wish in manifest.wishes if wish.extra == extra)))
        changes["roots"] = tuple(roots)
        changes["groups"] = tuple(sorted(declared))
        changes["extras"] = tuple(sorted(set(lock.extras) | set(map(name_of, manifest.extras))))
    return msgspec.structs.replace(lock, **changes)


def _needs(wishes: Any) -> tuple[Need, ...]:
    def need(wish: Wish) -> Need:
        return Need(name=wish.name, spec=wish.spec, marker=wish.marker, extras=wish.extras)

    return tuple(map(need, wishes))
