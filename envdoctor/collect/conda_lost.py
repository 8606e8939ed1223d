"""Files of a conda prefix that no record owns, and packages whose record is lost.

A record that was deleted leaves its files. conda and micromamba note every package in ``conda-meta/history``; rattler and pixi
note none, and of a package without Python metadata, on which nothing depends, the files are all that is left. What tells of it
then is the package cache: an extracted package of which the prefix has the very files (hard links, or all of the same size) and
no record. Asked only where something in the folders that records name belongs to nobody, and bounded.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from envdoctor.collect import files as fs
from envdoctor.collect import watch
from envdoctor.collect.conda import Record
from envdoctor.collect.records import is_native
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import CondaLost, CondaStranger, text
from envdoctor.tuples import NamedTuple

ASKED = 4000
"""Questions put to the package caches."""
PROBED = 40
"""Files that packages in the caches are asked for."""
LOOKED_AT = 200
"""Unowned entries whose kind is asked for."""
KEPT = 20
_DIST = re.compile(r"(.+)-([^-]+)-([^-]+)\Z")
_ARCHIVES = (".conda", ".tar.bz2", ".json", ".lock", ".txt", ".partial", ".tmp", ".c~")
_OWN = frozenset(
    ("conda-meta", "pkgs", "envs", "conda-bld", "condabin", "__pycache__", ".condarc", "condarc", ".mambarc", ".nonadmin",
     "CACHEDIR.TAG", ".gitignore", "LICENSE.txt", "_conda", "uninstall.sh", "bin/conda", "bin/activate", "bin/deactivate",
     "Scripts/conda.exe", "Scripts/activate.bat", "Scripts/deactivate.bat", "python.app")
)  # fmt: skip
"""What conda's tools and installers put into a prefix outside of packages."""
_LIBRARY = re.compile(r"(?:lib/lib[^/]+(?:\.so(?:\.\d+)*|\.dylib)|Library/bin/[^/]+\.dll)\Z")


class _Row(msgspec.Struct, gc=False):
    path: str = msgspec.field(name="_path", default="")
    path_type: str | None = None
    size_in_bytes: int | None = None
    prefix_placeholder: str | None = None


class _Paths(msgspec.Struct, gc=False):
    paths: list[_Row] = []


class Found(NamedTuple):
    """What belongs to no record."""

    lost: tuple[CondaLost, ...]
    strangers: tuple[CondaStranger, ...]
    """Files that look like a package's, and of no package in ``lost``."""


class _File(NamedTuple):
    path: str
    links: int


def find(
    scene: Scene,
    records: Sequence[Record],
    owner: Mapping[str, int],
    present: Iterable[str],
    listed: Iterable[str],
    recorded: Iterable[str],
) -> Found:
    """`owner` has every path of the records, `present` what stands in their folders outside of site folders, `listed` these
    folders and the site folders (all relative to the prefix), `recorded` what RECORDs of Python distributions name outside of
    their site folder."""
    loose = set(present).difference(owner)
    folders: set[str] = set()
    for path in listed:
        while path and path not in folders:
            folders.add(path)
            path = path.rpartition("/")[0]
    loose -= folders
    if not loose:
        return Found((), ())
    loose.difference_update(_OWN)
    loose.difference_update(recorded)
    names = sorted(path for path in loose if _counts(path))
    if not names:
        return Found((), ())
    files, heaps = _kinds(scene.prefix, names)
    search = _Search(scene, records, owner)
    lost = search.run(files, heaps)
    known = {path for one, paths in lost for path in paths}
    hard = any(file.links > 1 for file in files)
    strangers = tuple(
        CondaStranger(path=text(file.path), links=file.links)
        for file in files
        if file.path not in known and ((hard and file.links > 1) or _LIBRARY.match(file.path))
    )
    return Found(tuple(one for one, _ in lost), strangers[:200])


def _counts(path: str) -> bool:
    name = path.rpartition("/")[2]
    return not (
        name.startswith(".") or name == "__pycache__" or name.endswith((".pyc", "~", ".lock", ".log"))
    ) and not path.startswith(("conda-meta/", "etc/conda/", "var/"))


def _kinds(prefix: str, names: list[str]) -> tuple[list[_File], list[str]]:
    """Regular files among them, native ones first, and folders."""
    files: list[_File] = []
    heaps: list[str] = []
    names.sort(key=lambda path: (not is_native(path.rpartition("/")[2]), path))
    for path in names[:LOOKED_AT]:
        try:
            found = _lstat(f"{prefix}/{path}")
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(found.st_mode):
            files.append(_File(path, found.st_nlink))
        elif stat.S_ISDIR(found.st_mode):
            heaps.append(path)
    return files, heaps


def _lstat(path: str) -> os.stat_result:
    """What stands at `path`, no link followed, noted as ``files.stat_of`` notes it. Raises OSError and ValueError."""
    if watch.active is not None:
        watch.active.states[path] = None
    return os.lstat(path)


class _Search:
    """Looks through the caches that the records name."""

    def __init__(self, scene: Scene, records: Sequence[Record], owner: Mapping[str, int]) -> None:
        self.scene, self.records, self.owner = scene, records, owner
        self.named = {record.package.name.lower() for record in records}
        self.left = ASKED

    def run(self, files: list[_File], heaps: list[str]) -> list[tuple[CondaLost, list[str]]]:
        linked = self._linked()
        asked = [file.path for file in files if file.links > 1 or not linked][:PROBED] + heaps[:PROBED]
        best: dict[str, tuple[tuple[int, int], CondaLost, list[str]]] = {}
        for cache in self._caches() if asked else ():
            try:
                names = fs.names(cache)
            except fs.Unreadable:
                continue
            for name in names:
                match = _DIST.match(name)
                if match is None or name.endswith(_ARCHIVES) or match[1].lower() in self.named:
                    continue
                if not self._has_one(f"{cache}/{name}", asked):
                    continue
                found = self._compare(cache, name, match)
                if found is not None and (match[1] not in best or found[0] > best[match[1]][0]):
                    best[match[1]] = found
        return [(one, paths) for _, (_, one, paths) in sorted(best.items())][:KEPT]

    def _caches(self) -> list[str]:
        places = {
            os.path.dirname(os.path.normpath(self.scene.rooted(place)))
            for record in self.records
            if (place := (record.package.cache or "").replace("\\", "/"))
            and os.path.isabs(place)
            and ".." not in place.split("/")
        }
        return sorted(places)[:KEPT]

    def _linked(self) -> bool:
        """Files of this prefix are hard links into its cache: what has one name only does not come from there."""
        tried = 0
        for record in self.records:
            path = next((p for p in record.files if p not in record.odd and not p.startswith("conda-meta/")), None)
            if path is None or not record.package.cache:
                continue
            try:
                found = fs.stat_of(f"{self.scene.prefix}/{path}")
            except (OSError, ValueError):
                continue
            if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
                return True
            tried += 1
            if tried >= 5:
                break
        return False

    def _has_one(self, folder: str, asked: list[str]) -> bool:
        for path in asked:
            if self.left <= 0:
                return False
            self.left -= 1
            if fs.is_there(f"{folder}/{path}"):
                return True
        return False

    def _compare(self, cache: str, name: str, match: re.Match[str]) -> tuple[tuple[int, int], CondaLost, list[str]] | None:
        """The package, where the prefix has files of it and no record owns them: the cache's own, or all of the same sizes."""
        try:
            rows = msgspec.json.decode(fs.read(f"{cache}/{name}/info/paths.json", 16 << 20).data, type=_Paths).paths
        except (fs.Unreadable, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        rows = [row for row in rows if row.path and not row.path.endswith(".pyc") and ".." not in row.path and row.path[0] != "/"]
        there: list[str] = []
        same = unlike = owned = 0
        for row in rows:
            if row.path in self.owner:
                owned += 1
                continue
            try:
                found = _lstat(f"{self.scene.prefix}/{row.path}")
            except (OSError, ValueError):
                continue
            there.append(row.path)
            if not stat.S_ISREG(found.st_mode) or row.path_type not in (None, "hardlink"):
                continue
            if found.st_nlink > 1 and fs.same(f"{self.scene.prefix}/{row.path}", f"{cache}/{name}/{row.path}"):
                same += 1
            elif row.prefix_placeholder is None and row.size_in_bytes is not None and row.size_in_bytes != found.st_size:
                unlike += 1
        whole = 10 * (len(there) + owned) >= 9 * len(rows) and owned <= len(there) and not unlike
        if not there or not (same or whole):
            return None
        lost = CondaLost(
            name=text(match[1]),
            version=text(match[2]),
            build=text(match[3]),
            cache=text(f"{cache}/{name}"),
            paths=len(rows),
            there=len(there),
            same=same,
            examples=tuple(map(text, sorted(there, key=lambda path: (not is_native(path.rpartition("/")[2]), path))[:5])),
        )
        return (same, len(there)), lost, there
