"""A snapshot with its indexes: what several rules derive from the same facts, derived once. Pure, no IO."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

from envdoctor.finding import Subject
from envdoctor.lazy import pattern
from envdoctor.snapshot import Distribution, Entry, Machine, Site, Snapshot
from envdoctor.versions import Version, canonical
from envdoctor.versions import version_of as version_of

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.tags import Tag

    from envdoctor.accelerators import Accelerators
    from envdoctor.conda.installed import Installed
    from envdoctor.loader import Loads
    from envdoctor.loader.process import Process
    from envdoctor.lock.held import Locks
    from envdoctor.natives import Loading
    from envdoctor.remedy import Remedy
    from envdoctor.requirements import Closure

normalize = canonical
"""PEP 503 name."""
_REQUIREMENT = pattern(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@lru_cache(maxsize=8192)
def specifier_of(text: str) -> SpecifierSet | None:
    """PEP 440 specifier set, or None where `text` is none."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        return None


class View:
    """Indexes over one snapshot, judged for one machine (the snapshot's own unless another is given)."""

    def __init__(self, snapshot: Snapshot, machine: Machine | None = None) -> None:
        self.snapshot = snapshot
        self.machine = machine or snapshot.machine
        self._required: dict[str, frozenset[str]] = {}
        self._named: dict[str, frozenset[str]] = {}

    # ------------------------------------------------------------------------------------------------ distributions
    @cached_property
    def active_sites(self) -> tuple[tuple[int, Site], ...]:
        """Site folders on sys.path, with their index, in order."""
        return tuple((i, s) for i, s in enumerate(self.snapshot.sites) if s.active and s.exists)

    @cached_property
    def by_name(self) -> dict[str, tuple[Distribution, ...]]:
        """Active distributions by normalized name, in the order in which importlib.metadata finds them."""
        active = {i for i, _ in self.active_sites}
        found: dict[str, list[Distribution]] = defaultdict(list)
        for dist in sorted(self.snapshot.distributions, key=lambda d: d.site):
            if dist.site in active and dist.name:
                found[dist.name].append(dist)
        return {name: tuple(dists) for name, dists in found.items()}

    @cached_property
    def effective(self) -> dict[str, Distribution]:
        """For each name the distribution that counts: the first on sys.path, whole metadata before broken."""
        return {name: min(dists, key=lambda d: (d.site, d.version is None)) for name, dists in self.by_name.items()}

    @cached_property
    def entries(self) -> tuple[dict[str, Entry], ...]:
        """For each site folder its top-level entries by name."""
        return tuple({entry.name: entry for entry in site.entries} for site in self.snapshot.sites)

    @cached_property
    def of_target(self) -> tuple[Distribution, ...]:
        """Distributions in the target's own site folders."""
        own = {i for i, s in enumerate(self.snapshot.sites) if s.of_target}
        return tuple(d for d in self.snapshot.distributions if d.site in own)

    def requires(self, name: str) -> frozenset[str]:
        """Installed distributions that `name` requires, directly or not, itself left out.

        Markers and extras are not asked: what is installed and named may be imported. What they say is in :attr:`closure`.
        """
        found = self._required.get(name)
        if found is None:
            reached: set[str] = set()
            todo = [name]
            while todo:
                new = self._named_by(todo.pop()) - reached
                reached |= new
                todo += new
            found = self._required[name] = frozenset(reached - {name})
        return found

    def _named_by(self, name: str) -> frozenset[str]:
        """Installed distributions that the metadata of `name` names in its requirements."""
        found = self._named.get(name)
        if found is None:
            dist = self.effective.get(name)
            texts = dist.requires if dist is not None else ()
            named = {canonical(match[1]) for text in texts if (match := _REQUIREMENT.match(text)) is not None}
            found = self._named[name] = frozenset(named.intersection(self.effective))
        return found

    def packager(self, dist: Distribution) -> Literal["conda", "system"] | None:
        """Who else than a Python installer put `dist` there: conda, or the operating system's packages.

        Such packagers declare dependencies in their own metadata; Requires-Dist is then what upstream wrote, which they may
        have split, renamed or relaxed.
        """
        if dist.conda or dist.installer == "conda":
            return "conda"
        if dist.system_package or dist.installer in ("debian", "rpm", "apk", "pacman", "portage"):
            return "system"
        if dist.installer in ("pip", "uv") or dist.direct_url is not None:
            return None
        site = self.snapshot.sites[dist.site]
        local = "/local/" in site.path
        if site.role in ("dist-packages", "system") and not local and self.snapshot.target.kind not in ("conda", "pixi"):
            return "system"
        return None

    def site_path(self, dist: Distribution) -> str:
        """Folder that `dist` is installed in."""
        return self.snapshot.sites[dist.site].path

    def site_path_of(self, site: int) -> str:
        """Path of a site folder, by index."""
        return self.snapshot.sites[site].path

    # --------------------------------------------------------------------------------------------------- interpreter
    @cached_property
    def python_version(self) -> Version | None:
        """Version of the interpreter; None where no file tells."""
        return version_of(self.snapshot.interpreter.version or "")

    @cached_property
    def python_short(self) -> str | None:
        """X.Y."""
        version = self.python_version
        return f"{version.major}.{version.minor}" if version else None

    @cached_property
    def python_full_known(self) -> bool:
        """The micro version is known, too."""
        return (self.snapshot.interpreter.version or "").count(".") >= 2

    @cached_property
    def environment(self) -> dict[str, str]:
        """The marker environment (PEP 508) of the target on the machine."""
        from envdoctor.platforms import marker_environment

        return marker_environment(self.snapshot, self.machine)

    @cached_property
    def tags(self) -> dict[Tag, int]:
        """Wheel tags that fit the target on the machine, with their rank (0 is best). Empty where Python is unknown."""
        from envdoctor.platforms import supported_tags

        return supported_tags(self.snapshot, self.machine)

    @cached_property
    def loading(self) -> Loading:
        """Native files of the active site folders: which an import reaches, and whether they fit the interpreter."""
        from envdoctor.natives import loading

        return loading(self)

    @cached_property
    def loads(self) -> Loads:
        """What the dynamic loader would do for every extension module, on the machine that is judged for."""
        from envdoctor.loader import load

        return load(self)

    @cached_property
    def process(self) -> Process:
        """Which of the needs that the loader does not find are met by what is loaded before."""
        from envdoctor.loader.process import Process

        return Process(self)

    @cached_property
    def conda(self) -> Installed:
        """The records of a conda prefix, and what they ask of each other."""
        from envdoctor.conda.installed import Installed

        return Installed(self)

    @cached_property
    def locks(self) -> Locks:
        """The project's locks, and which of them are meant for the target."""
        from envdoctor.lock.held import Locks

        return Locks(self)

    @cached_property
    def accelerators(self) -> Accelerators:
        """GPUs of the machine that is judged for, and what the target brings for them."""
        from envdoctor.accelerators import Accelerators

        return Accelerators(self)

    @cached_property
    def remedy(self) -> Remedy:
        """Commands that mend this target."""
        from envdoctor.remedy import Remedy

        return Remedy(self)

    @cached_property
    def needed_names(self) -> frozenset[str]:
        """Every library that a native file of the site folders needs, as it is written there."""
        parts = (part for file in self.snapshot.natives for part in file.slices)
        return frozenset().union(*{part.needed for part in parts})

    @cached_property
    def closure(self) -> Closure:
        """Every active requirement edge, extras and markers followed."""
        from envdoctor.requirements import Closure

        return Closure(self)

    @lru_cache(maxsize=8192)  # noqa: B019 - a view lives as long as one run
    def requirement(self, text: str) -> Requirement | None:
        """PEP 508 requirement, or None where `text` is none."""
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            return Requirement(text)
        except InvalidRequirement:
            return None

    # ------------------------------------------------------------------------------------------------------ subjects
    def inside(self, path: str) -> str:
        """`path` relative to the prefix where it lies inside it, else as it is; with forward slashes on all systems."""
        prefix = self.snapshot.target.prefix.rstrip("/\\")
        for separator in ("/", "\\"):
            if path.startswith(prefix + separator):
                return path[len(prefix) + 1 :]
        return path

    def in_site(self, site: int, path: str) -> str:
        """A path relative to a site folder, made relative to the prefix where it lies inside."""
        return self.inside(f"{self.snapshot.sites[site].path}/{path}")

    def distribution(self, dist: Distribution) -> Subject:
        """`dist` as a subject."""
        return Subject("distribution", dist.name, dist.version, self.in_site(dist.site, dist.path))

    def named(self, name: str) -> Subject:
        """The distribution of that name as a subject, installed or not."""
        dist = self.effective.get(normalize(name))
        return self.distribution(dist) if dist else Subject("distribution", normalize(name))

    def file(self, path: str) -> Subject:
        """A file as a subject."""
        short = self.inside(path)
        return Subject("file", short, None, short)

    def environment_subject(self) -> Subject:
        """The target itself as a subject; named by its last folder, so that fingerprints hold on other machines."""
        prefix = self.snapshot.target.prefix
        return Subject("environment", prefix.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1] or prefix, None, prefix)

    def interpreter_subject(self) -> Subject:
        """The target's interpreter as a subject."""
        interpreter = self.snapshot.interpreter
        return Subject("interpreter", self.inside(interpreter.path), interpreter.version, interpreter.path)
