"""What differs between two locks: added, removed, up, down, rebuilt, by platform. Pure.

The same comparison serves environments and snapshots: each side is an *inventory*, packages by platform, and
:func:`inventory` makes one of a lock. The platform ``""`` stands for all of them (universal locks, one environment).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from envdoctor.fact import Fact
from envdoctor.lock.model import Artifact, Lock, Locked, Manager
from envdoctor.tuples import NamedTuple

Kind = Literal["added", "removed", "up", "down", "other", "rebuilt", "moved"]
"""``other``: another version where neither is the higher one. ``rebuilt``: the same version from other files. ``moved``: the
same package for other groups or under another marker."""

KINDS: tuple[Kind, ...] = ("added", "removed", "up", "down", "other", "rebuilt", "moved")


class Item(NamedTuple):
    """One package of one side, as far as it is known there; None and empty are not compared."""

    version: str | None = None
    build: str | None = None
    source: str | None = None
    artifacts: tuple[Artifact, ...] = ()
    marker: str = ""
    where: str = ""
    """Groups and extras that it is installed for."""


Key = tuple[Manager, str]
Inventory = Mapping[str, Mapping[Key, tuple[Item, ...]]]
"""Platform to packages. A name may stand there in several versions, each under its marker."""


class Change(Fact, frozen=True, kw_only=True):
    """One package that is not the same on both sides."""

    kind: Kind
    manager: Manager
    name: str
    before: str | None = None
    """Version; None where it was not there, or has none."""
    after: str | None = None
    platforms: tuple[str, ...] = ()
    """Those on which it is so; empty: all that both sides have."""
    detail: str = ""
    """What of it is another: build, hash, files, source, marker, groups."""


class Changes(Fact, frozen=True, kw_only=True):
    """All that differs."""

    changes: tuple[Change, ...] = ()
    """By kind as in :data:`KINDS`, then by name."""
    platforms: tuple[str, ...] = ()
    """Those that were compared; empty where both sides stand for any."""
    added_platforms: tuple[tuple[str, int], ...] = ()
    """Those that only the new side has, with the number of packages there."""
    removed_platforms: tuple[tuple[str, int], ...] = ()
    same: int = 0
    """Packages, by name, that are the same on all platforms."""
    total: int = 0
    """Packages, by name, of the new side."""

    def __bool__(self) -> bool:
        return bool(self.changes or self.added_platforms or self.removed_platforms)


def compare(old: Lock | None, new: Lock) -> Changes:
    """What is different in `new`. Without an old lock everything has been added."""
    if old is None:
        old = Lock(path=new.path, format=new.format, platforms=new.platforms)
    return compare_inventories(inventory(old), inventory(new), strict=old.format == new.format)


def inventory(lock: Lock) -> dict[str, dict[Key, tuple[Item, ...]]]:
    """A lock's packages by platform: its own ones for locks of places, ``""`` for the others. The project itself is left out."""
    found: dict[str, dict[Key, list[Item]]] = {}
    placed = lock.format in ("conda-lock", "pixi", "explicit")
    for platform in lock.platforms if placed else ("",):
        found[platform] = {}
    for entry in lock.packages:
        if entry.manager == "pypi" and entry.name in lock.projects:
            continue
        if not placed:
            found[""].setdefault((entry.manager, entry.name), []).append(_item(entry, _groups(entry)))
            continue
        where: dict[str, list[str]] = {}
        for environment, platform in entry.places:
            where.setdefault(platform, []).append(environment)
        for platform, environments in where.items():
            packages = found.setdefault(platform, {})
            packages.setdefault((entry.manager, entry.name), []).append(_item(entry, ", ".join(sorted(environments))))
    return {
        platform: {key: tuple(sorted(items, key=_order)) for key, items in packages.items()}
        for platform, packages in found.items()
    }


def compare_inventories(old: Inventory, new: Inventory, *, strict: bool = True) -> Changes:
    """What is different in `new`.

    With `strict` both sides are of one kind, and markers, groups and sets of files count, too; else only what both sides say
    in the same way: versions, builds, hashes of one file. Where one side has all platforms in one, it is held against every
    platform of the other.
    """
    if not strict:
        old, new = _spread(old, new), _spread(new, old)
    shared = sorted(old.keys() & new.keys())
    seen: dict[tuple[Kind, Key, str | None, str | None, str], list[str]] = {}
    unequal: set[Key] = set()
    names: set[Key] = set()
    for platform in shared:
        before, after = old[platform], new[platform]
        names |= after.keys()
        for key in before.keys() | after.keys():
            for kind, was, now, detail in _differences(key[0], before.get(key, ()), after.get(key, ()), strict):
                seen.setdefault((kind, key, was, now, detail), []).append(platform)
                unequal.add(key)
    changes = [
        Change(
            kind=kind,
            manager=key[0],
            name=key[1],
            before=was,
            after=now,
            platforms=() if places == shared else tuple(places),
            detail=detail,
        )
        for (kind, key, was, now, detail), places in seen.items()
    ]
    changes.sort(key=lambda c: (KINDS.index(c.kind), c.name, c.manager, c.before or "", c.after or "", c.platforms, c.detail))
    return Changes(
        changes=tuple(changes),
        platforms=tuple(platform for platform in shared if platform),
        added_platforms=tuple((one, len(new[one])) for one in sorted(new.keys() - old.keys())),
        removed_platforms=tuple((one, len(old[one])) for one in sorted(old.keys() - new.keys())),
        same=len(names - unequal),
        total=len({key for packages in new.values() for key in packages}),
    )


def counts(changes: Changes) -> str:
    """``2 added, 1 removed, 3 up``; ``no changes`` where there are none."""
    words = {"other": "changed"}
    found = [
        f"{len({(c.manager, c.name) for c in changes.changes if c.kind == kind})} {words.get(kind, kind)}"
        for kind in KINDS
        if any(c.kind == kind for c in changes.changes)
    ]
    for places, verb in ((changes.added_platforms, "added"), (changes.removed_platforms, "removed")):
        if places:
            found.append(f"{len(places)} platform{'' if len(places) == 1 else 's'} {verb}")
    return ", ".join(found) or "no changes"


def lines(changes: Changes, limit: int | None = None) -> list[str]:
    """Every change on a line, aligned; what is above `limit` is counted in a last one. Text of locks is not escaped here."""
    rows = [(_WORDS[c.kind], _name(changes, c), _versions(c), _notes(c)) for c in changes.changes]
    rows += [("platform", one, "added", f"{count} packages") for one, count in changes.added_platforms]
    rows += [("platform", one, "removed", f"{count} packages") for one, count in changes.removed_platforms]
    shown = rows if limit is None or len(rows) <= limit else rows[: limit - 1]
    widths = [max((len(row[column]) for row in shown), default=0) for column in range(2)]
    found = []
    for word, name, versions, notes in shown:
        line = f"{word:<{widths[0]}}  {name:<{widths[1]}}  {versions}"
        found.append(f"{line}  ({notes})" if notes else line.rstrip())
    if len(shown) < len(rows):
        found.append(f"and {len(rows) - len(shown)} more")
    return found


_WORDS: dict[Kind, str] = {
    "added": "added",
    "removed": "removed",
    "up": "up",
    "down": "down",
    "other": "changed",
    "rebuilt": "rebuilt",
    "moved": "moved",
}


def _versions(change: Change) -> str:
    if change.kind in ("added", "removed", "rebuilt", "moved"):
        return change.after or change.before or ""
    return f"{change.before or 'no version'} -> {change.after or 'no version'}"


def _notes(change: Change) -> str:
    return "; ".join(one for one in (change.detail, ", ".join(change.platforms)) if one)


def _name(changes: Changes, change: Change) -> str:
    """The name; where packages of conda and of pip are told of, those of pip are marked."""
    mixed = change.manager == "pypi" and any(other.manager == "conda" for other in changes.changes)
    return f"{change.name} (pip)" if mixed else change.name


# ------------------------------------------------------------------------------------------------------------- one package


def _item(entry: Locked, where: str) -> Item:
    return Item(entry.version, entry.build, entry.source, entry.artifacts, entry.marker or "", where)


def _groups(entry: Locked) -> str:
    return ", ".join(
        [*(group or "(project)" for group in sorted(entry.groups)), *(f"extra {one}" for one in sorted(entry.extras))]
    )


def _order(item: Item) -> tuple[str, str, str, str]:
    return item.version or "", item.marker, item.build or "", item.where


def _differences(
    manager: Manager, old: tuple[Item, ...], new: tuple[Item, ...], strict: bool
) -> Iterable[tuple[Kind, str | None, str | None, str]]:
    """Kind, version before, version after, detail of what is different in one package on one platform."""
    left, right = list(old), list(new)
    tests = (
        lambda a, b: a == b,
        lambda a, b: a.version == b.version and a.marker == b.marker,
        lambda a, b: same_version(manager, a.version, b.version),
        lambda a, b: a.marker == b.marker,
        lambda a, b: True,  # noqa: ARG005
    )
    for fits in tests:
        for one in list(left):
            other = next((item for item in right if fits(one, item)), None)
            if other is not None:
                left.remove(one)
                right.remove(other)
                yield from _difference(manager, one, other, strict)
    for one in left:
        yield "removed", one.version, None, one.marker if len(old) > 1 else ""
    for one in right:
        yield "added", None, one.version, one.marker if len(new) > 1 else ""


def _difference(manager: Manager, old: Item, new: Item, strict: bool) -> Iterable[tuple[Kind, str | None, str | None, str]]:
    if old.version is not None and new.version is not None and not same_version(manager, old.version, new.version):
        higher = order(manager, old.version, new.version)
        yield "other" if higher is None else "up" if higher < 0 else "down", old.version, new.version, ""
        return
    details = _rebuilt(manager, old, new, strict)
    if details:
        yield "rebuilt", old.version, new.version, "; ".join(details)
    if strict:
        details = [
            f"{label} {before or none} -> {after or none}"
            for label, none, before, after in (
                ("marker", "none", old.marker, new.marker),
                ("for", "all", old.where, new.where),
            )
            if before != after
        ]
        if details:
            yield "moved", old.version, new.version, "; ".join(details)


def _rebuilt(manager: Manager, old: Item, new: Item, strict: bool) -> list[str]:
    """What tells that the same version comes from something else."""
    found = []
    if old.build and new.build and old.build != new.build:
        found.append(f"build {old.build} -> {new.build}")
    if old.source and new.source and not _same_source(manager, old.source, new.source):
        found.append(f"from {old.source} -> {new.source}")
    if not old.artifacts or not new.artifacts:
        return found
    before, after = _by_name(old.artifacts), _by_name(new.artifacts)
    shared = before.keys() & after.keys()
    other = sorted(name for name in shared if (name or not found) and not _hashes_agree(before[name], after[name]))
    if other:
        named = other[0] or "files"
        found.append(f"another hash of {named}" + (f" and {len(other) - 1} more" if len(other) > 1 else ""))
    commits = [{a.commit for a in item.artifacts if a.kind == "vcs" and a.commit} for item in (old, new)]
    if commits[0] and commits[1] and commits[0] != commits[1]:
        found.append(f"commit {_short(commits[0])} -> {_short(commits[1])}")
    if strict and not found:
        more, fewer = len(after.keys() - before.keys()), len(before.keys() - after.keys())
        if more or fewer:
            found += [
                f"{number} file{'' if number == 1 else 's'} {word}"
                for number, word in ((more, "more"), (fewer, "fewer"))
                if number
            ]
        elif set(old.artifacts) != set(new.artifacts) and {a.hashes for a in old.artifacts} != {a.hashes for a in new.artifacts}:
            found.append("other hashes")
    return found


def _short(commits: set[str]) -> str:
    return ", ".join(sorted(one[:12] for one in commits))


def _by_name(artifacts: tuple[Artifact, ...]) -> dict[str, set[tuple[str, str]]]:
    """Hashes by file name; what has no name (requirements) goes under ''."""
    found: dict[str, set[tuple[str, str]]] = {}
    for one in artifacts:
        found.setdefault(one.name, set()).update(one.hashes)
    return found


def _hashes_agree(one: set[tuple[str, str]], other: set[tuple[str, str]]) -> bool:
    """No algorithm that both sides use gives only different values."""
    shared = {algorithm for algorithm, _ in one} & {algorithm for algorithm, _ in other}
    return not shared or any(value in other for value in one if value[0] in shared)


def _same_source(manager: Manager, one: str, other: str) -> bool:
    if one.rstrip("/") == other.rstrip("/"):
        return True
    if manager == "conda":
        from envdoctor.conda import channels

        return channels.test(one)(other) or channels.test(other)(one)
    return False


def same_version(manager: Manager, one: str | None, other: str | None) -> bool:
    """Two spellings of one version count as one (1.0 and 1.0.0 by PEP 440)."""
    if one == other:
        return True
    return one is not None and other is not None and order(manager, one, other) == 0


def order(manager: Manager, one: str, other: str) -> int | None:
    """-1, 0, 1; None where one of the two is no version."""
    if manager == "conda":
        from envdoctor.conda import version as conda

        try:
            a, b = conda.parse(one), conda.parse(other)
        except conda.InvalidVersion:
            return None
        return -1 if a.key < b.key else 1 if b.key < a.key else 0
    from packaging.version import InvalidVersion, Version

    try:
        left, right = Version(one), Version(other)
    except InvalidVersion:
        return None
    return -1 if left < right else 1 if right < left else 0


def _spread(side: Inventory, other: Inventory) -> Inventory:
    """A side that has all platforms in one, as the other side's platforms."""
    if set(side) == {""} and set(other) != {""} and other:
        return dict.fromkeys(other, side[""])
    return side
