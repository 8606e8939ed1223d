"""The requirement graph of an environment: which distribution asks for what, and whether what is there satisfies it. Pure.

:class:`Closure` follows every active ``Requires-Dist`` of the installed distributions, extras included: ``a[b]`` makes the
requirements of a's extra b active, through any depth. It works through pairs of a distribution and an extra, each once, so
cycles (``a[all]`` asking for ``a[x]``) and extras that ask for each other end in time linear to what is written.

Specifications: dependency specifiers (PEP 508), extras (PEP 685), versions and specifiers (PEP 440). Anything unusual is
parsed by :mod:`packaging`; the plain forms that make up nearly all metadata (``name[extra]>=1.2,<3``) are read here, many
times faster, and ``tests/test_requirements.py`` and ``tests/test_versions.py`` prove that both give the same answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

from envdoctor.lazy import pattern
from envdoctor.markers import holds
from envdoctor.snapshot import Distribution
from envdoctor.tuples import NamedTuple
from envdoctor.versions import bounds_of, canonical, clauses_of, release_of, version_of
from envdoctor.versions import satisfies as satisfies

if TYPE_CHECKING:
    from envdoctor.view import View

Status = Literal["ok", "missing", "conflict", "unknown", "unreadable", "url"]
"""``ok``: installed, inside the specifier. ``missing``: nothing of that name is installed. ``conflict``: installed, outside
the specifier. ``unknown``: installed in a version that is no PEP 440 version, so nothing can be said. ``unreadable``: the
requirement is no PEP 508 requirement. ``url``: a direct reference (``name @ URL``) to something that is installed."""

MAX_REQUIREMENT = 20_000
"""Characters of a requirement that are looked at; a longer one is unreadable."""


MAX_TRIED = 100
"""Specifiers whose ends are tried when a common version is looked for."""


class Requested(NamedTuple):
    """A requirement without its marker."""

    name: str
    """Normalized."""
    extras: tuple[str, ...]
    """Normalized, sorted."""
    specifier: str
    """As written, without parentheses; empty where every version will do."""
    url: str | None


class Edge(NamedTuple):
    """One active requirement of one installed distribution."""

    parent: Distribution
    text: str
    """The requirement as the metadata says it, marker included."""
    name: str
    """Normalized name that is asked for; empty when the requirement is unreadable."""
    extras: tuple[str, ...]
    specifier: str
    via_extra: str | None
    """The parent's extra that makes the requirement active; None where it is active by itself."""
    installed: Distribution | None
    """What counts under that name, where something is installed."""
    status: Status
    url: str | None = None

    @property
    def wanted(self) -> str:
        """What is asked for, without the marker: ``beta-lib[fast]>=2``."""
        return spell(self.name, self.extras, self.specifier, self.url)

    @property
    def asker(self) -> str:
        """The parent as people name it: ``alpha 1.0``, ``alpha[fast] 1.0`` where its extra asks."""
        extra = f"[{self.via_extra}]" if self.via_extra else ""
        return f"{self.parent.name}{extra} {self.parent.version or ''}".rstrip()


class Closure:
    """Every active requirement edge of an environment.

    Roots are the distributions that count (the first of their name on sys.path), without extras. An extra is active when an
    active requirement asks for it and the installed distribution declares it: pip and uv only warn about extras that are not
    declared. A marker that asks for something unknown about the target (its Python version, where no file tells it) makes
    its requirement inactive: nothing is claimed that cannot be shown.
    """

    def __init__(self, view: View) -> None:
        self.installed: Mapping[str, Distribution] = view.effective
        self._markers = _Markers(view.environment, full_version_known=view.python_full_known)
        self._asked_for: dict[tuple[str, str], tuple[str, ...]] = {}
        self.edges: tuple[Edge, ...] = tuple(self._walk())

    @cached_property
    def incoming(self) -> dict[str, tuple[Edge, ...]]:
        """Readable edges by the name that they ask for; a distribution's requirements of itself are left out."""
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            if edge.name and edge.name != edge.parent.name:
                found.setdefault(edge.name, []).append(edge)
        return {name: tuple(edges) for name, edges in found.items()}

    def of_status(self, status: Status) -> dict[str, tuple[Edge, ...]]:
        """Edges of that status by the name that they ask for, sorted by name."""
        found: dict[str, list[Edge]] = {}
        for edge in self.edges:
            if edge.status == status:
                found.setdefault(edge.name, []).append(edge)
        return {name: tuple(found[name]) for name in sorted(found)}

    @cached_property
    def missing(self) -> dict[str, tuple[Edge, ...]]:
        """Edges to distributions that are not installed, by name."""
        return self.of_status("missing")

    @cached_property
    def conflicts(self) -> dict[str, tuple[Edge, ...]]:
        """Edges that the installed version does not satisfy, by name."""
        return self.of_status("conflict")

    def askers(self, name: str, extra: str) -> tuple[str, ...]:
        """Names of the distributions whose requirements make `extra` of `name` active, sorted."""
        return self._asked_for.get((name, extra), ())

    # ----------------------------------------------------------------------------------------------------------- walk
    def _walk(self) -> list[Edge]:
        edges: list[Edge] = []
        asked: dict[tuple[str, str], set[str]] = {}
        work: list[tuple[str, str]] = []

        def follow(parent: Distribution, text: str, head: str, via: str | None) -> None:
            edge = self._edge(parent, text, head, via)
            edges.append(edge)
            if edge.extras and edge.installed is not None:
                provided = edge.installed.extras
                for extra in edge.extras:
                    if extra in provided:
                        key = (edge.name, extra)
                        if key not in asked:
                            asked[key] = set()
                            work.append(key)
                        asked[key].add(parent.name)

        truth = self._markers.truth
        for name in sorted(self.installed):
            parent = self.installed[name]
            for text in parent.requires:
                head, separator, marker = split_marker(text)
                if not separator:
                    follow(parent, text, head, None)
                    continue
                if "extra" in marker and only_with_extra(marker) is not None:
                    continue
                holds = truth(marker, "")
                if holds is None:
                    edges.append(_unreadable(parent, text, None))
                elif holds:
                    follow(parent, text, head, None)

        by_extra: dict[str, list[tuple[str, str, str, str | None]]] = {}
        while work:
            name, extra = work.pop()
            parent = self.installed[name]
            if name not in by_extra:
                by_extra[name] = [
                    (text, head, marker, only_with_extra(marker))
                    for text in parent.requires
                    if "extra" in text
                    for head, separator, marker in (split_marker(text),)
                    if separator and "extra" in marker
                ]
            for text, head, marker, only in by_extra[name]:
                if only is not None and only != extra:
                    continue
                holds = truth(marker, extra)
                if holds is None:
                    if only is not None:
                        edges.append(_unreadable(parent, text, extra))
                elif holds and (only is not None or not truth(marker, "")):
                    follow(parent, text, head, extra)
        self._asked_for = {key: tuple(sorted(names)) for key, names in asked.items()}
        edges.sort(key=lambda edge: (edge.parent.name, edge.name, edge.text, edge.via_extra or ""))
        return edges

    def _edge(self, parent: Distribution, text: str, head: str, via: str | None) -> Edge:
        requested = parse(head)
        if requested is None:
            return _unreadable(parent, text, via)
        name, extras, specifier, url = requested
        installed = self.installed.get(name)
        status: Status
        if installed is None:
            status = "missing"
        elif url is not None:
            status = "url"
        elif not specifier or name == parent.name:
            status = "ok"
        else:
            holds = satisfies(installed.version or "", specifier)
            status = "unknown" if holds is None else "ok" if holds else "conflict"
        return Edge(parent, text, name, extras, specifier, via, installed, status, url)


def _unreadable(parent: Distribution, text: str, via: str | None) -> Edge:
    return Edge(parent, text, "", (), "", via, None, "unreadable")


def binding(view: View, edge: Edge) -> bool:
    """The edge must hold for the target to work: its parent is the target's own, and a Python installer put it there.

    What conda or the operating system packaged follows that packager's metadata, which may have split or renamed what
    Requires-Dist names; what stands in the base of a ``--system-site-packages`` environment is not the target's to mend.
    """
    return view.snapshot.sites[edge.parent.site].of_target and view.packager(edge.parent) is None


def askers(edges: Iterable[Edge], limit: int = 3) -> str:
    """The parents of `edges` for a sentence: ``alpha 1.0``, ``alpha 1.0 and beta 2.0``, ``alpha 1.0, beta 2.0 and 7 more``."""
    names = list(dict.fromkeys(edge.asker for edge in edges))
    if len(names) > limit + 1:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def brief(text: str, limit: int = 120) -> str:
    """`text` for a sentence: cut where it is longer than `limit` characters."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def evidence_of(view: View, edges: Iterable[Edge], limit: int = 5) -> list[str]:
    """Where each of `edges` is written, a line each, at most `limit` and a count of the rest."""
    lines: list[str] = []
    edges = list(edges)
    for edge in edges[:limit]:
        file = {"dist-info": "/METADATA", "egg": "/EGG-INFO", "egg-info": "", "egg-link": ""}[edge.parent.format]
        line = f"{view.in_site(edge.parent.site, edge.parent.path)}{file}: {brief(edge.text, 300)}"
        if edge.via_extra:
            who = view.closure.askers(edge.parent.name, edge.via_extra)
            line += f" (extra {edge.via_extra} is asked for by {', '.join(who[:3])}{' and others' if len(who) > 3 else ''})"
        lines.append(line)
    if len(edges) > limit:
        lines.append(f"and {len(edges) - limit} more")
    return lines


# ------------------------------------------------------------------------------------------------------------- requirements
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_CLAUSE_TEXT = r"(?:~=|==|!=|<=|>=|<|>)[ \t]*[0-9][0-9A-Za-z._-]*(?:\.\*)?"
_CLAUSES = rf"{_CLAUSE_TEXT}(?:[ \t]*,[ \t]*{_CLAUSE_TEXT})*"
_PLAIN = pattern(
    rf"[ \t]*({_NAME})[ \t]*(?:\[[ \t]*({_NAME}(?:[ \t]*,[ \t]*{_NAME})*)?[ \t]*\])?[ \t]*"
    rf"(?:\([ \t]*({_CLAUSES})[ \t]*\)|({_CLAUSES}))?[ \t]*",
    re.ASCII,
)


def split_marker(text: str) -> tuple[str, str, str]:
    """A requirement's part before the marker, the separator (empty where there is no marker) and the marker."""
    if "@" in text:
        # In a direct reference a semicolon may belong to the URL; PEP 508 wants a space in front of the marker's.
        head, separator, marker = text.partition(" ;")
        if not separator and "://" not in text:
            head, separator, marker = text.partition(";")
        return head, separator, marker
    return text.partition(";")


@lru_cache(maxsize=16384)
def parse(head: str) -> Requested | None:
    """A requirement without marker, or None where it is no PEP 508 requirement."""
    plain = _PLAIN.fullmatch(head) if len(head) <= 500 else None
    if plain is not None:
        name, extras, inner, bare = plain.groups()
        specifier: str | None = inner or bare or ""
        if specifier and clauses_of(specifier) is None:
            specifier = _sorted(specifier)
        if specifier is not None:
            listed = tuple(sorted({canonical(extra.strip()) for extra in extras.split(",")})) if extras else ()
            return Requested(canonical(name), listed, specifier, None)
    if len(head) > MAX_REQUIREMENT:
        return None
    from packaging.requirements import Requirement

    try:
        requirement = Requirement(head)
    except (ValueError, RecursionError):  # InvalidRequirement, and InvalidSpecifier of packaging before 26
        return None
    return Requested(
        canonical(requirement.name),
        tuple(sorted(canonical(extra) for extra in requirement.extras)),
        str(requirement.specifier),
        requirement.url,
    )


def _sorted(specifier: str) -> str | None:
    """A specifier set with pre-releases and such as ``packaging`` writes it; None where that must be asked."""
    bounds = bounds_of(specifier)
    if bounds is None or len(set(bounds)) < len(bounds):
        return None
    return ",".join(sorted("".join(part.split()) for part in specifier.split(",")))


def spell(name: str, extras: Iterable[str] = (), specifier: str = "", url: str | None = None) -> str:
    """A requirement as text: ``name[a,b]>=1,<2`` or ``name @ url``."""
    listed = ",".join(sorted(set(extras)))
    head = f"{name}[{listed}]" if listed else name
    return f"{head} @ {url}" if url else head + specifier.replace(" ", "")


# ------------------------------------------------------------------------------------------------------------------ markers
_EXTRA_IS = pattern(r"""\bextra[ \t]*==[ \t]*(?:'([^'"]*)'|"([^'"]*)")""")
_OR = pattern(r"\bor\b")
_VARIABLES = (
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
)
_ALIASES = {
    "platform.machine": "platform_machine",
    "platform.python_implementation": "platform_python_implementation",
    "platform.version": "platform_version",
    "python_implementation": "platform_python_implementation",
    "os.name": "os_name",
    "sys.platform": "sys_platform",
}


@lru_cache(maxsize=16384)
def only_with_extra(marker: str) -> str | None:
    """The extra (normalized) without which `marker` cannot hold, where that can be told without parsing it.

    It can when the marker is a chain of ``and`` with one ``extra == 'name'``, which nearly all markers with extras are.
    """
    found = _EXTRA_IS.search(marker)
    if found is None or _OR.search(marker):
        return None
    before = marker[: found.start()]
    if before.count("'") % 2 or before.count('"') % 2:
        return None  # inside a string
    return canonical(found[1] if found[1] is not None else found[2])


class _Markers:
    """Evaluates markers for one environment, each text once."""

    def __init__(self, environment: Mapping[str, str], *, full_version_known: bool) -> None:
        unknown = {name for name in _VARIABLES if name not in environment}
        self._unknown = unknown | {alias for alias, name in _ALIASES.items() if name in unknown}
        self._environments: tuple[dict[str, str], ...] = (dict(environment),)
        short = environment.get("python_version")
        if not full_version_known and short and "python_full_version" in environment:
            self._environments = tuple({**environment, "python_full_version": f"{short}.{micro}"} for micro in (0, 99))
        self._known: dict[tuple[str, str], bool | None] = {}

    def truth(self, marker: str, extra: str) -> bool | None:
        """Whether `marker` holds with `extra` (empty: none); None where it is no marker. Undecidable is False."""
        key = (marker, extra)
        if key not in self._known:
            self._known[key] = self._evaluate(marker, extra)
        return self._known[key]

    def _evaluate(self, marker: str, extra: str) -> bool | None:
        if len(marker) > MAX_REQUIREMENT:
            return None
        plain = [holds(marker, {**environment, "extra": extra}) for environment in self._environments]
        if None not in plain:
            return all(plain) and not any(name in marker for name in self._unknown)
        from packaging.markers import Marker

        try:
            parsed = Marker(marker)
            if self._unknown and any(name in marker for name in self._unknown):
                return False
            # packaging says UndefinedEnvironmentName, a KeyError or a ValueError by its version, for `extras` and
            # `dependency_groups`, which only lock files may use.
            return all(parsed.evaluate({**environment, "extra": extra}) for environment in self._environments)
        except (ValueError, KeyError, RecursionError):
            return None


# ------------------------------------------------------------------------------------------------------------- specifiers
_RANK = {"===": 0, "==": 0, "~=": 1, ">=": 2, ">": 2, "<=": 3, "<": 3, "!=": 4}


def combine(specifiers: Iterable[str]) -> str:
    """One specifier set that holds where all of `specifiers` hold: each clause once, only the tightest plain bounds.

    Deterministic: exact and compatible clauses first, then lower bounds, upper bounds, exclusions.
    """
    seen: dict[str, tuple[str, str]] = {}
    for specifier in specifiers:
        for part in specifier.split(","):
            found = re.fullmatch(r"\s*(===|~=|==|!=|<=|>=|<|>)\s*(.*?)\s*", part)
            if found:
                seen[found[1] + found[2]] = (found[1], found[2])
    tightest: dict[str, tuple[tuple[int, ...], str]] = {}
    for text, (operator, version) in seen.items():
        release = release_of(version)
        if release is None or operator not in ("<", "<=", ">", ">="):
            continue
        best = tightest.get(operator)
        better = best is None or (release < best[0] if operator[0] == "<" else release > best[0])
        # Equal bounds (1.0 and 1.0.0): the shorter text.
        if better or (best is not None and release == best[0] and (len(text), text) < (len(best[1]), best[1])):
            tightest[operator] = (release, text)
    kept = [
        text
        for text, (operator, version) in seen.items()
        if operator not in tightest or release_of(version) is None or tightest[operator][1] == text
    ]
    return ",".join(sorted(kept, key=lambda text: (_RANK[seen[text][0]], seen[text][1], text)))


def satisfiable(specifiers: Iterable[str]) -> bool:
    """Some version satisfies all of `specifiers`, by their logic alone (whether it was ever released is another question).

    What a set of clauses admits is a union of intervals whose ends are the clauses' own versions, so it is enough to try
    each of these versions, one just above and one just below it. Of more than :data:`MAX_TRIED` specifiers only that many
    give versions to try, so that metadata made to explode ends in "none" and not in a hang.
    """
    wanted = [specifier for specifier in dict.fromkeys(specifiers) if specifier]
    if not wanted:
        return True
    return any(all(satisfies(candidate, specifier) for specifier in wanted) for candidate in _candidates(wanted[:MAX_TRIED]))


def _candidates(specifiers: Iterable[str]) -> Iterable[str]:
    seen: dict[str, None] = {"0": None}
    for specifier in specifiers:
        for part in specifier.split(","):
            written = part.strip().lstrip("~=!<>").strip()
            seen[written] = None
            version = version_of(written.removesuffix(".*"))
            if version is None:
                continue
            seen[str(version)] = None
            epoch = f"{version.epoch}!" if version.epoch else ""
            release = version.release
            if version.post is None and version.local is None and version.dev is None:
                seen[f"{version}.post1"] = None
            for end in range(1, len(release) + 1):
                head = release[:end]
                texts = [(*head[:-1], head[-1] + 1), (*head, 0, 0, 1), (*head, 999_999)]
                if head[-1] > 0:
                    texts += [(*head[:-1], head[-1] - 1), (*head[:-1], head[-1] - 1, 999_999)]
                for numbers in texts:
                    seen[epoch + ".".join(map(str, numbers))] = None
    return seen
