"""Is what manifests wish for in a lock: for formats that record nothing of them, and to say what a hash cannot. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from envdoctor.lock.model import Lock, Locked, Wish
from envdoctor.requirements import satisfies, spell

NEVER = "python_version < '0'"


def unmet(
    lock: Lock, wishes: Iterable[Wish], *, groups: bool = True, universal: bool = True, python: str | None = None
) -> Iterator[str]:
    """A line for every wish that no entry of `lock` can meet: nothing of the name, no version inside the specifier, or none for
    the wish's group (unless `groups` is false). Wishes for a direct source are only looked for by name.

    A wish with a marker needs an entry where the lock is for all platforms (`universal`) and a Python that it is for (`python`,
    else what the lock says) can meet the marker; otherwise nothing is claimed.
    """
    by_name: dict[str, list[Locked]] = {}
    for entry in lock.packages:
        by_name.setdefault(entry.name, []).append(entry)
    own = set(lock.projects)
    for wish in wishes:
        if wish.name in own:
            continue
        place = f" in group {wish.group}" if wish.group else f" in extra {wish.extra}" if wish.extra else ""
        asked = spell(wish.name, wish.extras, wish.spec)
        entries = by_name.get(wish.name, [])
        if wish.marker is not None and not (universal and may_hold(wish.marker, python or lock.requires_python)):
            continue
        if not entries:
            condition = f" ; {wish.marker}" if wish.marker is not None else ""
            yield f"{asked}{condition}{place} is asked for and not in the lock"
            continue
        versions = [entry.version for entry in entries if entry.version is not None]
        if wish.spec and wish.source is None and versions and all(satisfies(version, wish.spec) is False for version in versions):
            yield f"{asked}{place} is asked for; the lock has {wish.name} {', '.join(dict.fromkeys(versions))}"
            continue
        if groups and wish.group is not None and lock.groups and not any(_in_group(entry, wish.group) for entry in entries):
            yield f"{asked}{place} is asked for; the lock has {wish.name} for other groups only"


def may_hold(marker: str, python: str | None) -> bool:
    """Some environment with a Python that `python` lets in meets the marker. Not known is no."""
    from envdoctor.lock.markers import same

    if python is None and ("python" in marker or "implementation_version" in marker):
        return False
    return not same(marker, NEVER, python)


def _in_group(entry: Locked, group: str) -> bool:
    return not entry.groups or group in entry.groups
