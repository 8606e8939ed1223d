"""Files that several distributions record, by the group of their owners: what PKG008 and PKG011 judge."""

from __future__ import annotations

import re
from functools import cached_property, lru_cache

from envdoctor.rules.pkg._recorded import role
from envdoctor.snapshot import Distribution, Owner, SharedFile
from envdoctor.view import View, normalize, version_of

COMMON_TOPS = frozenset({"tests", "test", "docs", "doc", "examples", "example", "benchmarks", "scripts", "tools", "share", "etc"})


class Group:
    """All files that the same distributions of one site folder record."""

    def __init__(self, site: int, dists: tuple[Distribution, ...], files: tuple[SharedFile, ...]) -> None:
        self.site, self.dists = site, dists
        self.files = files
        """Without those that are shared by design: namespace ``__init__``, tests, documentation, licences, metadata."""

    @cached_property
    def differing(self) -> tuple[SharedFile, ...]:
        """Those whose owners recorded different content."""
        return tuple(file for file in self.files if differs(file))

    @cached_property
    def family(self) -> bool:
        """Parts of one project: all content is the same, and they require one another."""
        if self.differing:
            return False
        names = set(self.names)
        known = {self.dists[0].name}
        links = [(dist.name, _asked(text)) for dist in self.dists for text in dist.requires]
        for _ in self.dists:
            known |= {name for link in links if not known.isdisjoint(link) for name in link}
        return names <= known

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Sorted names of the owners."""
        return tuple(sorted({dist.name for dist in self.dists}))


def _asked(requirement: str) -> str:
    """Normalized name that a requirement starts with."""
    match = re.match(r"[\w.-]+", requirement)
    return normalize(match[0]) if match else ""


@lru_cache(maxsize=1)
def groups(view: View) -> list[Group]:
    """The groups of the active site folders, by site and owners."""
    active = {index for index, _ in view.active_sites}
    found: dict[tuple[int, tuple[str, ...]], list[SharedFile]] = {}
    for file in view.snapshot.shared_files:
        names = tuple(sorted({owner.distribution for owner in file.owners}))
        if file.site in active and len(names) > 1 and not by_design(view, file):
            found.setdefault((file.site, names), []).append(file)
    dists = {(dist.site, dist.name): dist for dist in reversed(view.snapshot.distributions)}
    result = []
    for (site, names), files in sorted(found.items()):
        owners = tuple(dists[site, name] for name in names if (site, name) in dists)
        if len(owners) > 1 and not all(dist.conda or dist.system_package for dist in owners):
            result.append(Group(site, owners, tuple(files)))
    return _merged(result)


def _merged(found: list[Group]) -> list[Group]:
    """Families that have a member in common as one group: a project in four parts is one remark."""
    result: list[Group] = []
    for group in found:
        other = next((o for o in result if o.site == group.site and o.family and set(o.names) & set(group.names)), None)
        if other is None or not group.family:
            result.append(group)
            continue
        dists = {dist.name: dist for dist in (*other.dists, *group.dists)}
        files = tuple(sorted((*other.files, *group.files), key=lambda file: file.path))
        result[result.index(other)] = Group(group.site, tuple(dists[name] for name in sorted(dists)), files)
    return result


def by_design(view: View, file: SharedFile) -> bool:
    """Sharing the file does no harm: nothing imports it, or it is one portion's ``__init__`` of a namespace package."""
    if file.namespace or file.path.partition("/")[0] in COMMON_TOPS:
        return True
    kind = role(view, file.path)
    if kind == "script":
        return not differs(file)
    return kind in ("unneeded", "metadata", "rewritten")


def differs(file: SharedFile) -> bool:
    """The owners recorded different content."""
    first = file.owners[0].hash if file.owners else None
    if first and all(owner.hash == first for owner in file.owners):
        return False
    hashes = {owner.hash for owner in file.owners if owner.hash}
    sizes = {owner.size for owner in file.owners if owner.size is not None}
    return len(hashes) > 1 or (not hashes and len(sizes) > 1)


def winners(file: SharedFile) -> frozenset[str]:
    """Owners whose recorded content is what stands on disk."""

    def matches(owner: Owner) -> bool:
        if owner.hash and file.actual_hash:
            return owner.hash.rstrip("=") == file.actual_hash.rstrip("=")
        return owner.size is not None and owner.size == file.actual_size

    return frozenset(owner.distribution for owner in file.owners if matches(owner))


def is_rival(group: Group) -> bool:
    """One of them brings nothing to import but what the others bring, too, and it is more than a stray file."""
    code = [file for file in group.files if file.path.endswith((".py", ".pyd")) or file.native]
    if not code or group.family:
        return False
    tops = {file.path.partition("/")[0].partition(".")[0] for file in code}
    for dist in group.dists:
        own = {name for name in dist.import_names if name.isidentifier() and not name.startswith("_")} - COMMON_TOPS
        if not own or not own <= tops:
            continue
        modules = dist.record.rows if dist.record else 0
        namespace_only = all(
            "/" in file.path and file.path.count("/") == 1 and file.path.endswith("/__init__.py") for file in code
        )
        if not namespace_only or modules <= len(code) + 12:
            return True
    return False


def are_variants(group: Group) -> bool:
    """Builds of one project, by their names: opencv-python and opencv-python-headless, nvidia-nccl-cu12 and nvidia-nccl-cu13.

    One stands for another as long as its files are whole, unlike projects that took the same package name (jwt and PyJWT).
    """
    words = {name.removeprefix("python-").partition("-")[0] for name in group.names}
    return len(words) == 1


def older(one: Distribution, other: Distribution) -> bool:
    """`one` is of a lower version."""
    first, second = version_of(one.version or ""), version_of(other.version or "")
    return first is not None and second is not None and first < second
