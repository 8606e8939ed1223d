"""Symbols that a Mach-O or PE file takes from a library of another distribution, and that the library does not define.

Both formats say which library must define a symbol (two-level namespace, import directory), so nothing is searched: the
library that the loader finds under that name is asked. Only pairs of files are looked at that were not linked together: of
two distributions, or of one of which a file has another size than RECORD says.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from envdoctor.collect import files
from envdoctor.collect.native import HEAD
from envdoctor.collect.native.macho import FAT, THIN, MachO
from envdoctor.collect.native.pe import Pe
from envdoctor.collect.scene import Scene
from envdoctor.loader.model import Root
from envdoctor.loader.walk import Walk
from envdoctor.snapshot import NativeFile, Slice, UnresolvedSymbols, text
from envdoctor.view import View

MAX_NAMES = 20
MAX_PAIRS = 2000
_BAD = (struct.error, ValueError, IndexError, OverflowError, OSError)


def collect(scene: Scene, view: View) -> tuple[UnresolvedSymbols, ...]:
    """Facts of all such files, sorted by path."""
    walk = view.loads
    if not isinstance(walk, Walk) or walk.reason is not None:
        return ()
    found: dict[str, UnresolvedSymbols] = {}
    for asker, part, library, provider, root in _pairs(walk):
        lacking = _lacking(scene, walk, asker, part, library, provider)
        if not lacking:
            continue
        known = found.get(asker)
        file = walk.files[asker]
        names = {text(name)[:400] for name in lacking}
        found[asker] = UnresolvedSymbols(
            path=file.path,
            folder=file.folder,
            symbols=tuple(sorted(names.union(known.symbols if known else ()))[:MAX_NAMES]),
            count=len(names) + (known.count if known else 0),
            providers=(*(known.providers if known else ()), provider),
            module=root.module or None if root.path != asker else None,
        )
    return tuple(found[path] for path in sorted(found))


def _pairs(walk: Walk) -> Iterator[tuple[str, Slice, str, str, Root]]:
    """(asking file, its slice, the name of the library there, the file of it, root) of files that were not linked together."""
    changed = _changed(walk)
    before: dict[tuple[str, str], str] = {}
    for need in (*walk.unfound, *walk.unfound_of_orphans):
        # loaded before by a distribution that is required, under this very name
        related = walk.requirements(walk.owner(need.root))
        same = [path for path in need.elsewhere if walk.owners.get(path) in related and _bears(walk, path, need.name)]
        if same:
            before[need.asker.path, need.name] = same[0]
    seen: set[tuple[str, str]] = set()
    for root in (*walk.roots, *walk.orphans):
        for one in walk.scope(root) if root.kind != "stdlib" else ():
            for name in one.part.needed:
                key = (one.path, name)
                provider = walk.edges.get(key) or before.get(key)
                if provider is None or key in seen or name in one.part.weak:
                    continue
                seen.add(key)
                owners = walk.owners.get(one.path), walk.owners.get(provider)
                if None not in owners and (owners[0] != owners[1] or one.path in changed or provider in changed):
                    yield one.path, one.part, name, provider, root
                    if len(seen) > MAX_PAIRS:
                        return


def _bears(walk: Walk, path: str, name: str) -> bool:
    """The loader knows the file under that name once it is loaded."""
    file = walk.files[path]
    part = walk.part(file)
    return part is not None and (name in walk.names(path, file, part) or name.lower() in walk.names(path, file, part))


def _changed(walk: Walk) -> set[str]:
    """Files whose size or content is not what RECORD says."""
    sites = walk.snapshot.sites
    return {
        walk.key(f"{sites[dist.site].path}/{row.path}")
        for dist in walk.snapshot.distributions
        if dist.record is not None
        for row in (*dist.record.resized, *dist.record.rehashed)
    }


def _lacking(scene: Scene, walk: Walk, asker: str, part: Slice, library: str, provider: str) -> set[bytes]:
    """What the library and those whose symbols it passes on do not define."""
    try:
        wanted = _wanted(scene, walk, asker, part, library)
        waiting = [provider]
        for path in waiting:
            if not wanted or len(waiting) > MAX_NAMES:
                return set()
            file = walk.files[path]
            inner = walk.part(file, part)
            if inner is None:
                return set()
            wanted = _lacks(scene, walk, path, inner, wanted)
            for name in inner.reexports if file.format == "macho" else ():
                beyond = walk.edges.get((path, name))
                if beyond is None:
                    return set()  # a library of the system, of which nothing is known
                if beyond not in waiting:
                    waiting.append(beyond)
    except (files.Unreadable, *_BAD):
        return set()
    return wanted


def _wanted(scene: Scene, walk: Walk, path: str, part: Slice, library: str) -> set[bytes]:
    """What a file takes from a library that it names so."""
    with _Open(scene, walk, path) as image:
        if isinstance(image, Pe):
            low = library.lower()
            return {name for each, names in image.wanted().items() if each.lower() == low for name in names}
        if isinstance(image, MachO):
            return next((image.wanted(p).get(library, set()) for p in image.parts if p.slice == part), set())
    return set()


def _lacks(scene: Scene, walk: Walk, path: str, part: Slice, names: set[bytes]) -> set[bytes]:
    """Those of `names` that a file does not define; none where it is no such file any more."""
    with _Open(scene, walk, path) as image:
        if isinstance(image, Pe):
            return names - image.exported()
        if isinstance(image, MachO):
            return next((image.lacks(p, names) for p in image.parts if p.slice == part), set())
    return set()


class _Open:
    """An open file, as its reader."""

    def __init__(self, scene: Scene, walk: Walk, path: str) -> None:
        file: NativeFile = walk.files[path]
        at = f"{walk.snapshot.sites[file.folder].path}/{file.path}" if file.folder >= 0 else file.path
        target, prefix = scene.target.prefix, scene.prefix
        self.path = prefix + at[len(target) :] if target != prefix and at.startswith(target) else at

    def __enter__(self) -> MachO | Pe | None:
        self.fd, info = files.open_regular(self.path)
        head = os.pread(self.fd, HEAD, 0)
        if head[:4] in THIN or head[:4] in FAT:
            return MachO(self.fd, head, info.st_size)
        return Pe(self.fd, head, info.st_size) if head[:2] == b"MZ" else None

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)
