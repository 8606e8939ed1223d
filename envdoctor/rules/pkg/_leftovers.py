"""What ``~`` names of an interrupted pip run once were. Pure; used by the rules about leftovers and half-installed packages.

pip renames a folder that it will replace to a name of the same length: ``~``, then as many characters of
``-~.=%0123456789`` as it takes to be new, then the end of the old name (``~umpy``, ``~-mpy`` for numpy). Several folders of
one distribution are renamed: its packages, its ``.libs`` folder, its metadata folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from envdoctor.snapshot import Distribution, Leftover
from envdoctor.tuples import NamedTuple
from envdoctor.view import View, normalize, version_of

_FILLERS = frozenset("-~.=%0123456789")


class Remains(NamedTuple):
    """Leftovers of one distribution in one site folder."""

    site: int
    items: tuple[Leftover, ...]
    name: str | None
    """Normalized name of the distribution; None where nothing tells it."""
    version: str | None
    """Version of the renamed metadata folder: the one that was there before."""
    installed: Distribution | None
    """What counts under that name now."""
    packages: tuple[str, ...]
    """Names at the top of the site folder that no distribution lists and that fit the leftovers."""

    @property
    def intact(self) -> bool:
        """The distribution is installed now, and nothing that imports need is missing."""
        return self.installed is not None and self.installed.site == self.site and whole(self.installed)

    @property
    def label(self) -> str:
        """The distribution as people name it; ``?umpy`` where its first letter is not known."""
        if self.name:
            return self.name
        stems = sorted({stem_of(item.path) for item in self.items}, key=lambda s: (-len(s.lstrip("~-.=%")), s))
        return "?" + stems[0][1:]


def whole(dist: Distribution) -> bool:
    """`dist` has its metadata, and no module of it is missing."""
    if dist.version is None or any(problem.startswith(("METADATA", "RECORD")) for problem in dist.problems):
        return False
    return dist.record is not None and not dist.record.modules_missing


def fits(leftover: str, name: str) -> bool:
    """`leftover` (``~-mpy``) is what pip makes of `name` (``numpy``)."""
    if len(leftover) != len(name) or not leftover.startswith("~"):
        return False
    for at in range(1, len(name)):
        if leftover[at:] == name[at:]:
            return True
        if leftover[at] not in _FILLERS:
            return False
    return False


def stem_of(path: str) -> str:
    """A leftover's name without what marks its kind: ``~umpy`` for ``~umpy.libs`` and ``~umpy-1.26.4.dist-info``."""
    name = path
    for suffix in (".dist-info", ".egg-info"):
        if name.endswith(suffix):
            base = name[: -len(suffix)]
            # The stem's own dashes may be fillers: the version starts at the last one that is followed by a digit.
            found = re.fullmatch(r"(.+?)-([0-9v][^-]*)(?:-py[0-9.]+)?", base)
            return found[1] if found else base
    for suffix in (".libs", ".py", ".data"):
        name = name.removesuffix(suffix)
    return name


def version_in(path: str) -> str | None:
    """The version in the name of a renamed metadata folder."""
    found = re.fullmatch(r".+?-([0-9v][^-]*)(?:-py[0-9.]+)?\.(?:dist-info|egg-info)", path)
    return found[1] if found and version_of(found[1]) else None


def remains(view: View) -> list[Remains]:
    """All leftovers on sys.path, by site folder and by the distribution that they are of."""
    active = {index for index, _ in view.active_sites}
    groups: dict[tuple[int, str], list[Leftover]] = {}
    names: dict[tuple[int, str], str | None] = {}
    for item in view.snapshot.leftovers:
        if item.site not in active:
            continue
        name = _name(view, item)
        key = (item.site, name or _loose(item.path))
        groups.setdefault(key, []).append(item)
        names[key] = name
    found = []
    for key in sorted(groups):
        items = tuple(sorted(groups[key], key=lambda item: item.path))
        name = names[key]
        versions = sorted({v for v in (version_in(item.path) for item in items) if v})
        found.append(
            Remains(
                site=key[0],
                items=items,
                name=name,
                version=versions[-1] if versions else None,
                installed=view.effective.get(name) if name else None,
                packages=_packages(view, items) if not name or name not in view.effective else (),
            )
        )
    return found


def _loose(path: str) -> str:
    """A key under which leftovers of one unknown name meet: its length and its end."""
    stem = stem_of(path)
    return f"~{len(stem)}{stem[-2:]}"


def _name(view: View, item: Leftover) -> str | None:
    """The distribution that `item` was part of: one that is installed or asked for, or a package that nobody lists."""
    stem = stem_of(item.path)
    here = [dist for dist in view.snapshot.distributions if dist.site == item.site and dist.name]
    # A metadata folder names its distribution; a package folder names a package, which may belong to another name. Where
    # several fit (`~ip` of pip and zip), the one that is not whole is meant.
    by_metadata = [
        dist
        for dist in here
        if any(fits(stem, own) for own in (stem_of(dist.path), dist.raw_name or "", dist.name, dist.name.replace("-", "_")))
    ]
    chosen = by_metadata or [dist for dist in here if any(fits(stem, module) for module in dist.import_names)]
    if chosen:
        return min(chosen, key=lambda dist: (whole(dist), dist.name)).name
    wanted = [*view.closure.missing, *(u.name.removesuffix(".py") for u in view.snapshot.unowned if u.site == item.site)]
    for name in wanted:
        if any(fits(stem, candidate) for candidate in _spellings(name)):
            return normalize(name)
    return None


def _spellings(name: str) -> Iterable[str]:
    return dict.fromkeys((name, name.replace("-", "_"), name.replace("_", "-"), name.replace("-", ".")))


def _packages(view: View, items: Iterable[Leftover]) -> tuple[str, ...]:
    found = set()
    for item in items:
        stem = stem_of(item.path)
        for unowned in view.snapshot.unowned:
            if unowned.site == item.site and fits(stem, unowned.name.removesuffix(".py")):
                found.add(unowned.name)
    return tuple(sorted(found))
