"""What differs between two of: environment, snapshot, lockfile. Pure.

Packages are compared as inventories (``envdoctor.lock.changes``). Beside them stand plain facts: the interpreter's count as
differences, those of the machine are only told. An environment is held against what a lock installs on its machine.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

from envdoctor.fact import Fact
from envdoctor.lock import changes as packages
from envdoctor.lock.changes import Changes, Inventory, Item, Key
from envdoctor.lock.model import Artifact, Lock, Locked
from envdoctor.snapshot import CondaPackage, Distribution, Snapshot
from envdoctor.view import View

SideKind = Literal["environment", "snapshot", "lock"]


class Side(Fact, frozen=True, kw_only=True):
    """One of the two."""

    kind: SideKind
    name: str
    """As the user named it."""
    about: tuple[str, ...] = ()
    """What it is, in words: ``conda environment``, ``CPython 3.11.7``, ``uv lock``."""


class FactDifference(Fact, frozen=True, kw_only=True):
    """A fact that is not the same; None where a side does not tell."""

    name: str
    before: str | None = None
    after: str | None = None
    counts: bool = True
    """It makes the two different; facts of the machine do not."""


class Difference(Fact, frozen=True, kw_only=True):
    """All that differs between `a` and `b`."""

    a: Side
    b: Side
    facts: tuple[FactDifference, ...] = ()
    changes: Changes = Changes()
    notes: tuple[str, ...] = ()
    """What was taken for granted, and what was left out."""

    def __bool__(self) -> bool:
        return bool(self.changes) or any(fact.counts for fact in self.facts)


class Incomparable(ValueError):
    """The two cannot be compared. ``str()`` is one line."""


def environments(a: Side, b: Side, before: View, after: View) -> Difference:
    """Two environments, live or from snapshots."""
    here = _place(before) == _place(after)
    changes = packages.compare_inventories(
        {"": _installed(before, builds=here)}, {"": _installed(after, builds=here)}, strict=False
    )
    notes = () if here else ("they are for different machines or Pythons: builds and wheels are not compared",)
    return Difference(a=a, b=b, facts=_facts(before, after), changes=changes, notes=notes)


def locks(a: Side, b: Side, before: Lock, after: Lock, platforms: Collection[str] = (), python: str | None = None) -> Difference:
    """Two locks, by platform where both have platforms. With `platforms` what they install there, with Python `python`."""
    if platforms:
        lowest = max(_lowest(before), _lowest(after))
        version = python or (f"3.{lowest}" if lowest else "3.12")
        one, other = (_on(lock, platforms, version) for lock in (before, after))
        changes = packages.compare_inventories(one, other, strict=False)
    else:
        changes = packages.compare_inventories(
            packages.inventory(before), packages.inventory(after), strict=before.format == after.format
        )
    facts = []
    for name, left, right in (
        ("requires-python", before.requires_python or "", after.requires_python or ""),
        ("channels", ", ".join(before.channels), ", ".join(after.channels)),
        ("indexes", ", ".join(before.indexes), ", ".join(after.indexes)),
        ("environments", ", ".join(before.environments), ", ".join(after.environments)),
    ):
        if left != right and before.format == after.format:
            facts.append(FactDifference(name=name, before=left or None, after=right or None))
    notes = () if before.format == after.format or platforms else ("different formats: only packages and versions are compared",)
    return Difference(a=a, b=b, facts=tuple(facts), changes=changes, notes=notes)


def environment_and_lock(
    a: Side,
    b: Side,
    view: View,
    lock: Lock,
    *,
    lock_first: bool = False,
    groups: Collection[str] | None = None,
    extras: Collection[str] = (),
) -> Difference:
    """What is installed against what the lock installs there. With `lock_first` the lock is `a`.

    `groups` and `extras` are those to install; None for those of which most is installed. Raises Incomparable.
    """
    facts = msgspec.structs.replace(view.snapshot, locks=(msgspec.structs.replace(lock, named=True),))
    view = View(facts, view.machine if view.machine is not view.snapshot.machine else None)
    held = next(iter(view.locks.held), None)
    if held is None:
        raise Incomparable(view.locks.refused[0][1] if view.locks.refused else "the lock cannot be held against it")
    if lock.platforms and held.setting.platform not in lock.platforms:
        raise Incomparable(f"the lock has nothing for {held.setting.platform}; it is for {', '.join(lock.platforms)}")
    notes = []
    if groups is None and not extras:
        wanted = [entry for entries in held.wanted.values() for entry in entries]
        named = [group for group in held.groups or () if group] + [f"extra {one}" for one in held.extras]
        if named and (len(lock.groups) > 1 or lock.extras):
            notes.append(
                f"compared with {', '.join(named)} of the lock, as most of it is installed (--group, --extra name others)"
            )
    else:
        chosen = tuple(groups) if groups is not None else held.groups
        if chosen is not None and "" in lock.groups and "" not in chosen:
            chosen = ("", *chosen)
        unknown = [one for one in chosen or () if one not in lock.groups] + [one for one in extras if one not in lock.extras]
        if unknown:
            raise Incomparable(f"the lock has no group or extra {unknown[0]}")
        wanted = list(held.setting.entries(lock, chosen, tuple(extras), held.projects))
    there = _installed(view, builds=True)
    locked: dict[Key, list[Item]] = {}
    for entry in wanted:
        if not view.locks.is_project(entry.name) or entry.manager == "conda":
            locked.setdefault((entry.manager, entry.name), []).append(_locked(entry))
    left: dict[Key, tuple[Item, ...]] = {}
    beside = []
    for key, items in there.items():
        if key[0] == "pypi" and view.locks.is_project(key[1]):
            continue
        if key not in locked and key[1] in _SEEDS:
            beside.append(key[1])
        elif key in locked or key in view.locks.foreign:
            left[key] = items
    if beside:
        notes.append(f"not counted, as installers bring them along: {', '.join(sorted(beside))}")
    right = {key: tuple(items) for key, items in locked.items()}
    sides: tuple[Inventory, Inventory] = ({"": right}, {"": left}) if lock_first else ({"": left}, {"": right})
    changes = packages.compare_inventories(*sides, strict=False)
    found = []
    wants = lock.requires_python
    version = view.snapshot.interpreter.version
    if wants and version:
        from envdoctor.requirements import satisfies

        if satisfies(version, wants) is False:
            pair = (wants, version) if lock_first else (version, wants)
            found.append(FactDifference(name="Python", before=pair[0], after=pair[1]))
    return Difference(a=a, b=b, facts=tuple(found), changes=changes, notes=tuple(notes))


_SEEDS = frozenset(("pip", "setuptools", "wheel", "distribute"))


def about(snapshot: Snapshot) -> tuple[str, ...]:
    """An environment in words."""
    interpreter, machine = snapshot.interpreter, snapshot.machine
    kind = {"venv": "virtual environment", "virtualenv": "virtual environment", "unknown": "environment"}.get(
        snapshot.target.kind, f"{snapshot.target.kind} environment"
    )
    name = {"cpython": "CPython", "pypy": "PyPy"}.get(interpreter.implementation.lower(), interpreter.implementation)
    word = interpreter.machine or machine.machine
    return (kind, f"{name} {interpreter.version or 'of unknown version'}", f"{snapshot.target.system} {word}".strip())


def about_lock(lock: Lock) -> tuple[str, ...]:
    """A lock in words."""
    return (f"{lock.format} lock", *([", ".join(lock.platforms)] if lock.platforms else []))


# --------------------------------------------------------------------------------------------------------------- inventories


def _installed(view: View, *, builds: bool) -> dict[Key, tuple[Item, ...]]:
    """Everything that is installed: conda's records, and distributions that are of no record."""
    found: dict[Key, tuple[Item, ...]] = {
        ("conda", package.name.lower()): (_record(package, builds),) for package in view.snapshot.conda_packages
    }
    own = {index for index, site in enumerate(view.snapshot.sites) if site.of_target}
    for name, dist in view.effective.items():
        if dist.conda is None and (dist.site in own or view.snapshot.target.kind == "system"):
            found["pypi", name] = (_distribution(dist, builds),)
    return found


def _record(package: CondaPackage, builds: bool) -> Item:
    hashes = tuple((name, value.lower()) for name, value in (("md5", package.md5), ("sha256", package.sha256)) if value)
    artifact = Artifact(kind="conda", name=package.filename or "", hashes=hashes)
    return Item(
        version=package.version,
        build=package.build if builds else None,
        source=package.channel,
        artifacts=(artifact,) if builds and hashes else (),
    )


def _distribution(dist: Distribution, builds: bool) -> Item:
    source = None
    artifacts: tuple[Artifact, ...] = ()
    direct = dist.direct_url
    if dist.editable is not None or (direct is not None and direct.editable):
        source = "an editable install"
    elif direct is not None:
        source = f"{direct.url}@{direct.commit}" if direct.commit else direct.url
        if direct.commit:
            artifacts = (Artifact(kind="vcs", commit=direct.commit),)
        elif direct.archive_hash:
            algorithm, _, digest = direct.archive_hash.partition("=")
            name = direct.url.partition("#")[0].rpartition("/")[2]
            artifacts = (Artifact(kind="archive", name=name, hashes=((algorithm.lower(), digest.lower()),)),)
    tags = ", ".join(sorted(dist.wheel.tags)) if builds and dist.wheel is not None else None
    return Item(version=dist.version, build=tags, source=source or "an index", artifacts=artifacts)


def _locked(entry: Locked) -> Item:
    """An entry, as far as what is installed can be held against it."""
    conda = entry.manager == "conda"
    return Item(
        version=entry.version,
        build=entry.build if conda else None,
        artifacts=entry.artifacts,
        source=entry.source if conda else None,
    )


def _on(lock: Lock, platforms: Collection[str], python: str) -> dict[str, dict[Key, tuple[Item, ...]]]:
    """What a lock installs on platforms, of all its groups and extras."""
    from envdoctor.lock.held import Setting
    from envdoctor.lock.make.places import machine_of

    found: dict[str, dict[Key, tuple[Item, ...]]] = {}
    for platform in sorted(platforms):
        if lock.platforms and platform not in lock.platforms:
            continue
        snapshot = machine_of(platform, python)
        setting = Setting(snapshot, snapshot.machine, platform)
        items: dict[Key, list[Item]] = {}
        for entry in setting.everything(lock):
            items.setdefault((entry.manager, entry.name), []).append(_locked(entry))
        found[platform] = {key: tuple(those) for key, those in items.items()}
    return found


def _lowest(lock: Lock) -> int:
    """Minor version of the lowest Python 3 that a lock is for, 0 where it does not say."""
    import re

    match = re.search(r"(?:>=|==|~=)\s*3\.(\d{1,3})", lock.requires_python or "")
    return int(match[1]) if match else 0


# --------------------------------------------------------------------------------------------------------------------- facts


def _place(view: View) -> tuple[object, ...]:
    """What builds and wheels are made for."""
    interpreter = view.snapshot.interpreter
    release = ".".join((interpreter.version or "").split(".")[:2])
    return view.snapshot.target.system, interpreter.machine, release, interpreter.implementation, interpreter.abi


def _facts(before: View, after: View) -> tuple[FactDifference, ...]:
    found = []
    for name, counts, left, right in zip(_NAMES, _COUNTS, _told(before), _told(after), strict=True):
        if left != right and (counts or (left and right)):
            found.append(FactDifference(name=name, before=left or None, after=right or None, counts=counts))
    return tuple(found)


_NAMES = ("Python", "implementation", "ABI", "architecture", "kind", "system", "C library", "CPU level", "GPUs", "conda channels")
_COUNTS = (True, True, True, False, False, False, False, False, False, False)


def _told(view: View) -> tuple[str, ...]:
    snapshot = view.snapshot
    interpreter, machine = snapshot.interpreter, view.machine
    channels = snapshot.conda_installers.channels if snapshot.conda_installers is not None else ()
    return (
        interpreter.version or "",
        interpreter.implementation,
        interpreter.abi or "",
        interpreter.machine or "",
        snapshot.target.kind,
        snapshot.target.system,
        machine.libc or "",
        machine.cpu.level or "",
        ", ".join(gpu.name for gpu in machine.gpus),
        ", ".join(channels),
    )
