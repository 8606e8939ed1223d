"""What a lock installs on a machine, for chosen groups and extras; which of its artifacts fit. Pure.

Lists are filtered by their markers, graphs are followed from their roots, formats of places are asked for the platform.
Specifications: dependency specifiers and their markers (PEP 508), wheel tags (PEP 425), pylock.toml (PEP 751).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from envdoctor.lazy import pattern
from envdoctor.lock.document import name_of
from envdoctor.lock.model import Artifact, Lock, Locked, Need

if TYPE_CHECKING:
    from packaging.tags import Tag

MAX_CHOICES = 64
"""Choices among groups and extras that exclude each other which are followed."""
MAX_MARKER = 20_000
"""Characters of a marker that are looked at."""


def installed_by(
    lock: Lock,
    environment: Mapping[str, str],
    *,
    groups: Collection[str] | None = None,
    extras: Collection[str] = (),
    platform: str | None = None,
    projects: Collection[str] | None = None,
) -> tuple[Locked, ...]:
    """The entries that `lock` installs, in the lock's order; the projects themselves and virtual entries are left out.

    `environment` has the PEP 508 variables (``View.environment``). `groups` are those to install, '' standing for the project
    itself; None for the lock's default groups. `platform` is the conda subdir, which formats of places go by; entries of Python
    packages in other formats do not need it. `projects` are the workspace members to install; None for the one in the lock's
    own folder, or all where there is none. A marker that cannot be decided keeps its entry out.
    """
    chosen = frozenset(lock.default_groups or ("",) if groups is None else groups)
    wanted = frozenset(map(name_of, extras))
    if any(entry.places for entry in lock.packages):
        return tuple(entry for entry in lock.packages if _placed(entry, chosen, platform))
    if projects is None:
        projects = [entry.name for entry in lock.packages if entry.source == "." and entry.name in lock.projects]
        projects = projects or lock.projects
    if lock.roots:
        own = frozenset(projects)
        reached: set[int] = set()
        for some_groups, some_extras in _apart(lock, chosen, wanted, own):
            markers = Markers(environment, groups=some_groups, extras=some_extras, projects=own)
            reached |= _followed(lock, markers, own)
        found = (lock.packages[index] for index in sorted(reached))
        return tuple(entry for entry in found if entry.name not in lock.projects and not entry.virtual)
    markers = Markers(environment, groups=chosen, extras=wanted, projects=projects)
    return tuple(
        entry for entry in lock.packages if entry.name not in lock.projects and not entry.virtual and _listed(entry, markers)
    )


def holds(
    marker: str | None, environment: Mapping[str, str], *, groups: Collection[str] = (), extras: Collection[str] = ()
) -> bool:
    """`marker` holds in `environment`: with extras and groups as pylock, poetry and uv write them. None always holds."""
    return Markers(environment, groups=groups, extras=extras).hold(marker)


class Markers:
    """Evaluates markers for one environment and one choice of groups and extras, each text once."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        groups: Collection[str] = (),
        extras: Collection[str] = (),
        projects: Collection[str] = (),
    ) -> None:
        self.environment = environment
        self.groups = frozenset(map(name_of, groups))
        self.extras = frozenset(map(name_of, extras))
        self.projects = frozenset(projects)
        self._known: dict[str, bool] = {}

    def hold(self, marker: str | None) -> bool:
        """The marker holds; None always does, one that cannot be decided does not."""
        if marker is None:
            return True
        known = self._known.get(marker)
        if known is None:
            known = self._known[marker] = self._evaluate(marker)
        return known

    def _evaluate(self, marker: str) -> bool:
        if len(marker) > MAX_MARKER:
            return False
        from packaging.markers import Marker

        text = _EXTRA.sub(self._extra, marker) if "extra" in marker else marker
        if "extras" in text or "dependency_groups" in text:
            text = _IN.sub(self._member, text)
        try:
            return bool(Marker(text).evaluate({**self.environment, "extra": _TRUE}))
        except (ValueError, KeyError, RecursionError):
            # not a marker, or one that asks for something that is not known of the target
            return False

    def _extra(self, match: re.Match[str]) -> str:
        operator, value = (match[1], match[2]) if match[1] else (match[4], match[3])
        return f"extra == '{_TRUE if self._active(value[1:-1]) == (operator == '==') else _FALSE}'"

    def _active(self, extra: str) -> bool:
        """An extra of the project, or what uv writes for its conflicts: ``extra-4-demo-cpu`` with the name's length."""
        encoded = _ENCODED.fullmatch(extra)
        if encoded is None:
            return name_of(extra) in self.extras
        kind, rest = encoded[1], encoded[3]
        length = int(encoded[2][:9])
        project, item = rest[:length], rest[length + 1 :]
        if project not in self.projects:
            return False
        return kind == "project" or item in (self.extras if kind == "extra" else self.groups)

    def _member(self, match: re.Match[str]) -> str:
        chosen = self.extras if match[3] == "extras" else self.groups
        return f"extra == '{_TRUE if (name_of(match[1][1:-1]) in chosen) == (match[2] == 'in') else _FALSE}'"


_TRUE, _FALSE = "yes", "no"
_EXTRA = pattern(r"""\bextra\s*(==|!=)\s*('[^']*'|"[^"]*")|('[^']*'|"[^"]*")\s*(==|!=)\s*extra\b""")
_IN = pattern(r"""('[^']*'|"[^"]*")\s+(in|not\s+in)\s+(extras|dependency_groups)\b""")
_ENCODED = pattern(r"(extra|group|project)-(\d+)-(.+)")


def _placed(entry: Locked, groups: frozenset[str], platform: str | None) -> bool:
    return any((platform is None or place == platform) and group in groups for group, place in entry.places)


def _listed(entry: Locked, markers: Markers) -> bool:
    """An entry of a list format is installed."""
    if entry.extras and not markers.extras.intersection(entry.extras):
        return False
    if entry.group_markers:
        own = dict(entry.group_markers)
        return any(group in markers.groups and markers.hold(own.get(group)) for group in entry.groups)
    # pdm calls extras of the project groups
    if entry.groups and not (markers.groups.intersection(entry.groups) or markers.extras.intersection(entry.groups)):
        return False
    return markers.hold(entry.marker)


def _apart(
    lock: Lock, groups: frozenset[str], extras: frozenset[str], projects: frozenset[str]
) -> list[tuple[frozenset[str], frozenset[str]]]:
    """A choice of groups and extras as choices that can be installed: of those that exclude each other (uv's ``conflicts``) one
    each time. A marker in the lock says nothing true of two of them together.
    """
    drops: list[list[frozenset[tuple[str, str]]]] = []
    for listed in _conflicts(lock):
        active = {
            (kind, name)
            for package, kind, name in listed
            if package in projects and name in (extras if kind == "extra" else groups)
        }
        if len(active) > 1:
            drops.append([frozenset(active - {kept}) for kept in sorted(active)])
    found: dict[tuple[frozenset[str], frozenset[str]], None] = {}
    for choice in itertools.islice(itertools.product(*drops), MAX_CHOICES):
        gone = frozenset().union(*choice)
        left = frozenset(one for one in groups if ("group", one) not in gone)
        found[left, frozenset(one for one in extras if ("extra", one) not in gone)] = None
    return list(found)


def _conflicts(lock: Lock) -> list[set[tuple[str, str, str]]]:
    """Sets of (project, ``extra`` or ``group``, name) that exclude each other."""
    text = dict(lock.recorded).get("conflicts") if lock.format == "uv" else None
    if text is None:
        return []
    import json

    found = []
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return []
    for listed in raw if isinstance(raw, list) else []:
        items = set()
        for item in listed if isinstance(listed, list) else []:
            for kind in ("extra", "group"):
                if isinstance(item, dict) and isinstance(item.get(kind), str):
                    items.add((name_of(str(item.get("package", ""))), kind, name_of(item[kind])))
        found.append(items)
    return found


def _followed(lock: Lock, markers: Markers, projects: frozenset[str]) -> set[int]:
    """Indexes of the entries that the chosen roots reach."""
    by_name: dict[str, list[int]] = {}
    for index, entry in enumerate(lock.packages):
        by_name.setdefault(entry.name, []).append(index)
    reached: set[tuple[int, str | None]] = set()
    todo: list[Need] = []
    for root in lock.roots:
        if root.project is not None and root.project not in projects:
            continue
        if (root.group or "") not in markers.groups or (root.extra is not None and root.extra not in markers.extras):
            continue
        todo += root.needs
    while todo:
        need = todo.pop()
        if not markers.hold(need.marker):
            continue
        for index in entries_of(need, by_name.get(need.name, ()), lock.packages, markers):
            entry = lock.packages[index]
            if (index, None) not in reached:
                reached.add((index, None))
                todo += [edge for edge in entry.needs if not edge.optional]
            for extra in need.extras:
                if (index, extra) not in reached:
                    reached.add((index, extra))
                    todo += next((edges for name, edges in entry.optional_needs if name == extra), ())
    return {index for index, _ in reached}


def entries_of(need: Need, candidates: Iterable[int], packages: tuple[Locked, ...], markers: Markers | None = None) -> list[int]:
    """Which of the entries `candidates` (indexes, all of the needed name) an edge means.

    By version and source where the edge gives them; of several that are left, those whose own marker holds.
    """
    found = [
        index
        for index in candidates
        if (need.version is None or packages[index].version in (None, need.version))
        and (need.source is None or packages[index].source == need.source)
    ]
    if len(found) > 1 and markers is not None:
        found = [index for index in found if markers.hold(packages[index].marker)]
    return found


# --------------------------------------------------------------------------------------------------------------- artifacts
class Fit:
    """Wheel tags that fit a target, by their text, with their rank (0 is best)."""

    def __init__(self, tags: Mapping[Tag, int] | Iterable[Tag]) -> None:
        pairs = tags.items() if isinstance(tags, Mapping) else ((tag, rank) for rank, tag in enumerate(tags))
        self.ranks = {str(tag): rank for tag, rank in pairs}

    def rank(self, artifact: Artifact) -> int | None:
        """The best rank of a wheel's tags; None for one that does not fit, and for what is no wheel."""
        if not artifact.name.endswith(".whl"):
            return None
        parts = artifact.name[:-4].lower().rsplit("-", 3)
        if len(parts) != 4:
            return None
        ranks = self.ranks
        best: int | None = None
        for python in parts[1].split("."):
            for abi in parts[2].split("."):
                for platform in parts[3].split("."):
                    rank = ranks.get(f"{python}-{abi}-{platform}")
                    if rank is not None and (best is None or rank < best):
                        best = rank
        return best

    def fits(self, artifact: Artifact) -> bool:
        """A wheel that has a fitting tag; everything that is no wheel."""
        return artifact.kind != "wheel" or not artifact.name.endswith(".whl") or self.rank(artifact) is not None

    def best(self, artifacts: Iterable[Artifact]) -> Artifact | None:
        """See :func:`best`."""
        chosen: tuple[tuple[int, int, str], Artifact] | None = None
        other: Artifact | None = None
        for artifact in artifacts:
            rank = self.rank(artifact)
            if rank is not None:
                number, rest = _build_number(artifact.name)
                key = (-rank, number, rest)
                if chosen is None or key > chosen[0]:
                    chosen = key, artifact
            elif artifact.kind != "wheel" and other is None:
                other = artifact
        return chosen[1] if chosen is not None else other


def _build_number(name: str) -> tuple[int, str]:
    """Build number of a wheel (PEP 427); (-1, '') where it has none."""
    parts = name[:-4].split("-")
    match = re.match(r"(\d{1,15})(.*)", parts[2]) if len(parts) == 6 else None
    return (int(match[1]), match[2]) if match is not None else (-1, "")


def fits(artifact: Artifact, tags: Fit | Mapping[Tag, int] | Iterable[Tag]) -> bool:
    """A wheel that has one of `tags` (``View.tags``; a :class:`Fit` of them where many are asked); what is no wheel fits."""
    return (tags if isinstance(tags, Fit) else Fit(tags)).fits(artifact)


def best(artifacts: Iterable[Artifact], tags: Fit | Mapping[Tag, int]) -> Artifact | None:
    """What an installer takes: the fitting wheel of the best rank (the highest build number among equals), else what has to be
    built (sdist, archive, directory, vcs), else None."""
    return (tags if isinstance(tags, Fit) else Fit(tags)).best(artifacts)
