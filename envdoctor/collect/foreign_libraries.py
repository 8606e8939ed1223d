"""Libraries of macOS and Windows targets outside the names that site folders list: what the loader's model asks for.

The model (``envdoctor.loader``) says at which paths it would look and has no file; those that are there are read, and it is
asked again, until nothing new comes up. Besides, of Windows: which folders of DLLs a package's own code adds to the search.
Linux is the business of ``collect/libraries.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import msgspec

from envdoctor.collect import files, native
from envdoctor.collect.scene import Scene
from envdoctor.collect.tree import Tree
from envdoctor.lazy import pattern
from envdoctor.loader.macos import MacOS
from envdoctor.loader.walk import Walk
from envdoctor.loader.windows import Windows
from envdoctor.snapshot import DllFolder, NativeFile, Snapshot, text
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

MAX_ROUNDS = 12
MAX_LIBRARIES = 4000
MAX_SOURCES = 4000
"""Modules of one distribution whose text is looked at, and only where a DLL is not found otherwise."""
_SOURCE_SIZE = 1 << 20
_ADDS = pattern(rb"add_dll_directory|delvewheel")
_OPENS = pattern(rb"LoadLibrary|\b(?:WinDLL|CDLL|cdll|windll)\b|environ\[\s*['\"]PATH|environ\.get\(\s*['\"]PATH")
"""Words of code that makes DLLs of another folder loadable: by adding the folder, by loading them itself, by way of PATH."""


class Facts(NamedTuple):
    """What was found."""

    natives: tuple[NativeFile, ...] = ()
    """Files of site folders that bear no native file's name (the library in a framework)."""
    libraries: tuple[NativeFile, ...] = ()
    dll_folders: tuple[DllFolder, ...] = ()


def add(scene: Scene, snapshot: Snapshot, trees: list[Tree | None], owners: Mapping[tuple[int, str], str]) -> Snapshot:
    """`snapshot`, which has interpreter, sites, distributions and natives, with these facts; as it is for a Linux target."""
    if scene.target.system == "linux" or not snapshot.natives:
        return snapshot
    found = _Search(scene, snapshot, trees, owners).run()
    return msgspec.structs.replace(
        snapshot,
        natives=(*snapshot.natives, *found.natives),
        libraries=(*snapshot.libraries, *found.libraries),
        dll_folders=found.dll_folders,
    )


class _Search:
    """One search, round by round."""

    def __init__(self, scene: Scene, snapshot: Snapshot, trees: list[Tree | None], owners: Mapping[tuple[int, str], str]) -> None:
        self.scene = scene
        self.snapshot = snapshot
        self.trees = trees
        self.owners = owners
        self.windows = scene.windows
        self.natives: list[NativeFile] = []
        self.libraries: dict[str, NativeFile] = {}
        self.dll_folders: tuple[DllFolder, ...] = ()
        self.listings: dict[str, dict[str, str]] = {}
        self.seen: set[str] = set()
        self.roots = [(index, f"{_slashes(site.path)}/") for index, site in enumerate(snapshot.sites) if trees[index] is not None]

    def run(self) -> Facts:
        """Everything that the model asks for."""
        self._stdlib()
        walk = self._walk()
        for _ in range(MAX_ROUNDS):
            before = len(self.natives) + len(self.libraries)
            for path in list(walk.tried):
                if path not in self.seen:
                    self.seen.add(path)
                    self._look(path)
            if len(self.natives) + len(self.libraries) in (before, MAX_LIBRARIES):
                break
            walk = self._walk()
        if isinstance(walk, Windows):
            self.dll_folders = self._added(walk)
        ordered = (self.libraries[path] for path in sorted(self.libraries))
        return Facts(tuple(sorted(self.natives, key=lambda n: (n.folder, n.path))), tuple(ordered), self.dll_folders)

    def _walk(self) -> Walk:
        """The model on what is known by now."""
        snapshot = msgspec.structs.replace(
            self.snapshot,
            natives=(*self.snapshot.natives, *self.natives),
            libraries=(*self.snapshot.libraries, *self.libraries.values()),
        )
        walk: Walk = (Windows if self.windows else MacOS)(View(snapshot))
        for one in (*walk.roots, *walk.orphans):
            walk.scope(one)
        return walk

    # ----------------------------------------------------------------------------------------------------------- reading
    def _stdlib(self) -> None:
        """The extension modules of the standard library, where the interpreter's installation is at hand."""
        interpreter = self.snapshot.interpreter
        if interpreter.stdlib is None or interpreter.base_prefix is None:
            return
        folder = f"{interpreter.base_prefix}/DLLs" if self.windows else f"{interpreter.stdlib}/lib-dynload"
        for name in self._listing(folder).values():
            if name.lower().endswith(".pyd" if self.windows else ".so"):
                self._read(f"{folder}/{name}")

    def _look(self, path: str) -> None:
        """Reads the file at a path where the loader looks, if there is one."""
        for index, root in self.roots:
            if (path.lower() if self.windows else path).startswith(root.lower() if self.windows else root):
                tree = self.trees[index]
                rel = path[len(root) :]
                if tree is not None and not self.windows and rel in tree.files:
                    owner = self.owners.get((index, rel))
                    self.natives.append(native.read(tree.path(rel), folder=index, rel=rel, owner=owner))
                return
        if self._outside(path):
            return
        folder, _, name = path.rpartition("/")
        folder = self._cased(folder)
        real = self._listing(folder).get(name.lower() if self.windows else name)
        if real is not None:
            self._read(f"{folder}/{real}")

    def _outside(self, path: str) -> bool:
        """It is a path of the target's machine, which is not this one."""
        target = self.scene.target
        if not target.foreign or target.sysroot is not None:
            return False
        own = (target.prefix, self.snapshot.interpreter.base_prefix or target.prefix)
        places = [f"{_slashes(place)}/" for place in own]
        if self.windows:
            return not path.lower().startswith(tuple(place.lower() for place in places))
        return not path.startswith(tuple(places))

    def _read(self, path: str) -> None:
        """A library, and what it needs of its own folder."""
        waiting = [path]
        while waiting and len(self.libraries) < MAX_LIBRARIES:
            path = waiting.pop()
            if text(path) in self.libraries:
                continue
            file = native.read(self._here(path))
            real = self._real(path)
            file = self.libraries[text(path)] = msgspec.structs.replace(file, path=text(path), real=real)
            folder = path.rpartition("/")[0]
            listing = self._listing(folder)
            for part in file.slices:
                for need in part.needed:
                    name = need.replace("\\", "/").rpartition("/")[2]
                    found = listing.get(name.lower() if self.windows else name)
                    if found is not None and (self.windows or need.startswith("@")):
                        waiting.append(f"{folder}/{found}")

    def _here(self, path: str) -> str:
        """A path of the target as it is reached from here."""
        target = self.scene.target
        if path.startswith(target.prefix):
            return path.replace(target.prefix, self.scene.prefix, 1)
        root = target.sysroot
        return path if root is None or path.startswith(root.rstrip("/") + "/") else self.scene.rooted(path)

    def _real(self, path: str) -> str | None:
        """Where links lead, within the folder; None where the path is no link."""
        try:
            to = os.readlink(self._here(path))
        except (OSError, ValueError):
            return None
        return None if "/" in to or to in (".", "..") else text(f"{path.rpartition('/')[0]}/{to}")

    def _listing(self, folder: str) -> dict[str, str]:
        """Names in a folder, by what the loader compares."""
        known = self.listings.get(folder)
        if known is None:
            try:
                names: Iterable[str] = files.names(self._here(folder))
            except files.Unreadable:
                names = ()
            known = self.listings[folder] = {name.lower() if self.windows else name: name for name in names}
        return known

    def _cased(self, folder: str) -> str:
        """A folder that the model has in lower case, as it is written below the target's folders."""
        if not self.windows:
            return folder
        for place in (self.snapshot.target.prefix, self.snapshot.interpreter.base_prefix or ""):
            place = _slashes(place).rstrip("/")
            if place and (folder.lower() + "/").startswith(place.lower() + "/"):
                at = place
                for part in folder[len(place) :].strip("/").split("/"):
                    if part:
                        at = f"{at}/{self._listing(at).get(part.lower(), part)}"
                return at
        return folder

    # -------------------------------------------------------------------------------------------------- folders of DLLs
    def _added(self, walk: Windows) -> tuple[DllFolder, ...]:
        """Folders whose DLLs a package's code makes loadable, among those that hold something not found otherwise."""
        found: dict[tuple[int, str], DllFolder] = {}
        evidence: dict[str, str | None] = {}
        for one in walk.unfound:
            asking = walk.owner(one.root)
            allowed = walk.requirements(asking)
            for path in one.elsewhere:
                owner = walk.owners.get(path)
                place = self._site_of(path)
                if owner is None or asking is None or owner not in allowed or place is None:
                    continue
                for name in dict.fromkeys((owner, asking)):
                    if name not in evidence:
                        evidence[name] = self._evidence(name)
                    shown = evidence[name]
                    if shown is not None and place not in found:
                        found[place] = DllFolder(site=place[0], path=text(place[1]), distribution=name, evidence=text(shown))
        return tuple(found[key] for key in sorted(found))

    def _site_of(self, path: str) -> tuple[int, str] | None:
        folder = path.rpartition("/")[0]
        for index, root in self.roots:
            if f"{folder}/".startswith(root):
                return index, folder[len(root) :]
        return None

    def _evidence(self, owner: str) -> str | None:
        """A module of the distribution that adds a folder, or loads DLLs; packages' own first."""
        modules: list[tuple[int, str]] = []
        for dist in self.snapshot.distributions:
            tree = self.trees[dist.site] if dist.name == owner else None
            for name in dist.import_names if tree is not None else ():
                found = tree.below(name) if tree is not None else ()
                modules += [(dist.site, rel) for rel in (f"{name}.py", *found) if rel.endswith(".py")]
        modules.sort(key=lambda item: (item[1].count("/"), not item[1].endswith("__init__.py"), item))
        opens: str | None = None
        for index, rel in modules[:MAX_SOURCES]:
            tree = self.trees[index]
            if tree is None or rel not in tree.files:
                continue
            try:
                content = files.read(tree.path(rel), _SOURCE_SIZE)
            except files.Unreadable:
                continue
            match = _ADDS.search(content.data)
            if match is not None:
                return f"{rel}: {match[0].decode('ascii', 'replace')}"
            if opens is None and (match := _OPENS.search(content.data)) is not None:
                opens = f"{rel}: {match[0].decode('ascii', 'replace')}"
        return opens


def _slashes(path: str) -> str:
    return path.replace("\\", "/").rstrip("/")
