"""Shared libraries outside of the site folders: everything that the dynamic loader could find for a name that is asked for.

The loader's decision is not made here (:mod:`envdoctor.loader` makes it, from facts alone). Collected is, for every name that
a native file of the target asks for, each file that stands under that name where a search could lead: folders of RPATH and
RUNPATH outside of the site folders, LD_LIBRARY_PATH, the system's cache and default folders; then the same for what those
files ask for, until nothing new comes up. A folder is listed once and a file is read once, however many ask.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from envdoctor.collect import files, native
from envdoctor.collect.interpreter import Facts as InterpreterFacts
from envdoctor.collect.native import ldcache
from envdoctor.collect.records import is_native
from envdoctor.collect.scene import Scene
from envdoctor.lazy import pattern
from envdoctor.loader.model import normal
from envdoctor.platforms import interpreter_libc, numbers
from envdoctor.snapshot import Machine, NativeFile, Site, Snapshot, text

MAX_FILES = 20_000
MAX_FOLDERS = 5_000
MAX_LOADER = 4 << 20
MAX_CACHE = 32 << 20
MAX_CONFIGURATIONS = 200
_HWCAPS = "glibc-hwcaps"
_LIBRARY = pattern(r"\.so(\.[\w.]+)?$")


class Facts(NamedTuple):
    """What was found."""

    libraries: tuple[NativeFile, ...] = ()
    """For ``Snapshot.libraries``, sorted by path."""
    machine: tuple[NativeFile, ...] = ()
    """For ``Machine.libraries``: those of one name in the order in which the loader comes to them."""
    folders: tuple[str, ...] = ()
    """For ``Machine.library_folders``."""
    complete: bool = False
    """For ``Machine.all_libraries``."""
    uncached: tuple[str, ...] = ()
    """For ``Machine.uncached_libraries``."""


def add(scene: Scene, facts: InterpreterFacts, snapshot: Snapshot) -> Snapshot:
    """`snapshot` with ``libraries``, and its machine with what its loader finds by itself.

    With ``scene.all_libraries`` everything that the machine's cache and default folders hold is read, whether or not
    something asks for it.
    """
    opened = tuple(one.name for one in snapshot.opened_libraries)
    found = collect(scene, facts, snapshot.sites, snapshot.natives, snapshot.machine, opened)
    machine = msgspec.structs.replace(
        snapshot.machine,
        libraries=found.machine,
        library_folders=found.folders,
        all_libraries=found.complete,
        uncached_libraries=found.uncached,
    )
    return msgspec.structs.replace(snapshot, libraries=found.libraries, machine=machine)


def collect(
    scene: Scene,
    facts: InterpreterFacts,
    sites: Sequence[Site],
    natives: tuple[NativeFile, ...],
    machine: Machine,
    opened: tuple[str, ...] = (),
) -> Facts:
    """The libraries of a Linux target; nothing for one whose file system is not at hand. Python code asks for `opened`."""
    if scene.target.system != "linux" or (scene.target.foreign and scene.target.sysroot is None):
        return Facts()
    return _Linux(scene, facts, sites, machine).gather(natives, opened)


class _Linux:
    """One gathering. Paths are absolute, as they are reached from here: inside a mounted root with the root before them."""

    def __init__(self, scene: Scene, facts: InterpreterFacts, sites: Sequence[Site], machine: Machine) -> None:
        self.scene = scene
        self.interpreter = facts.interpreter
        self.stdlib = facts.stdlib
        self.machine = machine
        self.root = (scene.target.sysroot or "").rstrip("/")
        self.sites = tuple(f"{site.path.rstrip('/')}/" for site in sites if site.exists and site.active)
        self.site_paths = [site.path for site in sites]
        libc = interpreter_libc(facts.interpreter) or (machine.libc or "").partition(" ")[0]
        self.musl = libc == "musl"
        version = numbers(machine.libc) if libc == "glibc" else None
        subfolders = not self.musl and (version is None or version >= (2, 33))
        self.levels = ldcache.usable_levels(machine.cpu.level) if subfolders else ()
        self.names: set[str] = set()
        """Names that something asks for."""
        self.new: set[str] = set()
        """Those of them that were not looked up yet."""
        self.folders: dict[str, frozenset[str]] = {}
        """Folders outside of the site folders that a search leads to, with the names in them."""
        self.fresh: list[str] = []
        """Those of them that were not looked into yet."""
        self.inner: dict[str, None] = {}
        """Folders inside of the site folders that a search leads to."""
        self.paths: dict[str, NativeFile] = {}
        """What stands at a path, of the target."""
        self.system: dict[str, list[NativeFile]] = {}
        """What the system has of a name."""
        self.by_real: dict[str, NativeFile | None] = {}
        self.real_folders: dict[str, str] = {"": ""}
        if self.root:
            self.real_folders[self.root] = self.root
        self.listed: dict[str, frozenset[str]] = {}
        self.lib = "lib"
        self.default_folders: tuple[str, ...] = ()
        self.cache: dict[str, list[ldcache.Entry]] = {}
        self.asking = True

    # ------------------------------------------------------------------------------------------------------- the course
    def gather(self, natives: tuple[NativeFile, ...], opened: tuple[str, ...] = ()) -> Facts:
        """Everything, to the fixed point."""
        self._system()
        self._environment()
        binary, libpython = self.interpreter.binary, self.interpreter.libpython
        for file in (binary, libpython):
            if file is not None:
                self._ask(file, self._folder_of(file.path))
        self._stdlib()
        self._sites(natives)
        self._want(opened)
        self._close()
        if self.scene.all_libraries:
            self._everything()
        return Facts(
            libraries=tuple(self.paths[path] for path in sorted(self.paths)),
            machine=tuple(file for name in sorted(self.system) for file in self.system[name]),
            folders=tuple(text(folder) for folder in self.default_folders),
            complete=self.scene.all_libraries,
            uncached=self._uncached(),
        )

    def _close(self) -> None:
        """Looks for what is asked, in what was named, until nothing is new."""
        while (self.new or self.fresh) and len(self.by_real) < MAX_FILES:
            names, self.new = self.new, set()
            folders, self.fresh = self.fresh, []
            known = [folder for folder in self.folders if folder not in set(folders)] if names else []
            for folder in known:
                self._take(folder, names)
            for folder in folders:
                self.folders[folder] = self._names_in(folder)
                self._take(folder, self.names)
            for name in sorted(names):
                self._take_of_system(name)
            # files of site folders are known by the look of their names; others may be asked for, too
            odd = [name for name in names if not is_native(name)]
            for folder in self.inner if odd else ():
                for name in sorted(self._names_in(folder).intersection(odd)):
                    self._put(f"{folder}/{name}")

    def _sites(self, natives: tuple[NativeFile, ...]) -> None:
        """What the files of the site folders ask for, and where they look."""
        asked: set[tuple[str, ...]] = set()
        looked: set[tuple[int, str, tuple[str, ...]]] = set()
        slashed: set[tuple[int, str, str]] = set()
        for file in natives:
            if file.format != "elf":
                continue
            for part in file.slices:
                asked.add(part.needed)
                if part.rpath or part.runpath:
                    looked.add((file.folder, file.path.rpartition("/")[0], part.runpath or part.rpath))
                if any("/" in name for name in part.needed):
                    slashed.update((file.folder, file.path.rpartition("/")[0], name) for name in part.needed if "/" in name)
        for needed in asked:
            self.new.update(needed)
        self.new = {name for name in self.new if "/" not in name}
        self.names |= self.new
        for number, folder, entries in sorted(looked):
            self._look(entries, self._origin(number, folder))
        for number, folder, name in sorted(slashed):
            self._by_path(name, self._origin(number, folder))

    def _origin(self, number: int, folder: str) -> str:
        if number < 0:
            return folder or "/"
        return f"{self.site_paths[number]}/{folder}" if folder else self.site_paths[number]

    def _stdlib(self) -> None:
        """The extension modules of the standard library."""
        if self.stdlib is None:
            return
        folder = f"{self.stdlib}/lib-dynload"
        for name in sorted(self._names_in(folder)):
            if name.endswith(".so"):
                self._put(normal(f"{folder}/{name}"))

    def _environment(self) -> None:
        """Folders and files that variables of this shell put first; a mounted root is used from another shell."""
        if self.scene.target.foreign:
            return
        environ = self.scene.environ
        for entry in re.split("[:;]", environ.get("LD_LIBRARY_PATH", "")):
            if entry.startswith("/"):
                self._enter(normal(entry))
            elif entry and self.scene.cwd:
                self._enter(normal(f"{self.scene.cwd}/{entry}"))
        for entry in re.split(r"[:\s]+", environ.get("LD_PRELOAD", "")):
            if "/" not in entry:
                if entry:
                    self._want((entry,))
            elif "$" not in entry:
                self._put(normal(entry if entry.startswith("/") else f"{self.scene.cwd or ''}/{entry}"))

    # ---------------------------------------------------------------------------------------------------------- asking
    def _ask(self, file: NativeFile, origin: str) -> None:
        """Notes what a file needs and where it looks."""
        for part in file.slices:
            self._want(part.needed)
            if part.rpath or part.runpath:
                self._look(part.runpath or part.rpath, origin)
            for name in part.needed:
                if "/" in name:
                    self._by_path(name, origin)

    def _want(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.names and "/" not in name:
                self.names.add(name)
                self.new.add(name)

    def _look(self, entries: tuple[str, ...], origin: str) -> None:
        """Folders of RPATH or RUNPATH, of a file in `origin`."""
        for entry in entries:
            folder = self._expanded(entry, origin)
            if folder is not None:
                self._enter(folder)

    def _enter(self, folder: str) -> None:
        """Adds a folder, unless it belongs to a site folder, whose files are known."""
        if folder in self.folders or len(self.folders) >= MAX_FOLDERS:
            return
        if f"{folder}/".startswith(self.sites):
            self.inner[folder] = None
            return
        self.folders[folder] = frozenset()
        self.fresh.append(folder)
        for level in self.levels:
            if _HWCAPS in self._names_in(folder):
                below = f"{folder}/{_HWCAPS}/{level}"
                if below not in self.folders:
                    self.folders[below] = frozenset()
                    self.fresh.append(below)

    def _expanded(self, entry: str, origin: str) -> str | None:
        """A folder or file with the loader's words replaced, None where it is not absolute then."""
        if "$" in entry:
            if self.musl and "$" in entry.replace("${ORIGIN}", "").replace("$ORIGIN", ""):
                return None
            relative = entry.startswith(("$ORIGIN", "${ORIGIN}"))
            path = entry
            platform = self.interpreter.machine or self.machine.machine
            for word, value in (("ORIGIN", origin), ("LIB", self.lib), ("PLATFORM", platform)):
                path = path.replace(f"${{{word}}}", value).replace(f"${word}", value)
            if not relative:
                path = self.root + path
        else:
            path = self.root + entry if entry.startswith("/") else ""
        return normal(path) if path.startswith("/") else None

    def _by_path(self, name: str, origin: str) -> None:
        """A need with a slash is a path."""
        path = self._expanded(name, origin)
        if path is not None and not path.startswith(self.sites):
            self._put(path)

    # ---------------------------------------------------------------------------------------------------------- taking
    def _take(self, folder: str, names: Iterable[str]) -> None:
        """Reads what stands in a folder under those names."""
        for name in sorted(self.folders[folder].intersection(names)):
            self._put(f"{folder}/{name}")

    def _put(self, path: str) -> NativeFile | None:
        """Reads the file at `path`, of the target."""
        if path in self.paths:
            return self.paths[path]
        file = self._read(path)
        if file is not None:
            self.paths[path] = file
        return file

    def _read(self, path: str) -> NativeFile | None:
        """The file at `path` under that name; None where none is. What it asks for is noted."""
        real = self._real(self._raw(path))
        if real in self.by_real:
            file = self.by_real[real]
        else:
            found = native.read(real)
            file = None if found.problem == "cannot be read: not there" else found
            self.by_real[real] = file
        if file is None:
            return None
        if self.asking:
            # a file in two folders is two files for $ORIGIN
            self._ask(file, self._folder_of(path))
        shown = text(path)
        if file.path != shown:
            file = msgspec.structs.replace(file, path=shown, real=file.path)
        return file

    def _take_of_system(self, name: str) -> None:
        """Reads what the system's loader finds under a name, in its order."""
        if name in self.system:
            return
        found: dict[str, NativeFile] = {}
        for entry in self._cached(name):
            file = self._read(self.root + entry.path)
            if file is not None:
                found.setdefault(file.real or file.path, self._named(file, name))
        for place, names in self._default_places:
            if name in names:
                file = self._read(f"{place}/{name}")
                if file is not None:
                    found.setdefault(file.real or file.path, file)
        if found:
            self.system[name] = list(found.values())

    @cached_property
    def _default_places(self) -> list[tuple[str, frozenset[str]]]:
        """The default folders with those for this processor, in the loader's order, and the names in them."""
        found = []
        for folder in self.default_folders:
            if _HWCAPS in self._names_in(folder):
                found += [f"{folder}/{_HWCAPS}/{level}" for level in self.levels]
            found.append(folder)
        return [(place, self._names_in(place)) for place in found]

    def _cached(self, name: str) -> list[ldcache.Entry]:
        """The cache's entries of a name: those for this processor first, the best before the others."""
        entries = self.cache.get(name)
        if not entries:
            return []
        better = [entry for level in self.levels for entry in entries if entry.subfolder == level]
        return better + [entry for entry in entries if entry.subfolder is None]

    @staticmethod
    def _named(file: NativeFile, name: str) -> NativeFile:
        """`file` under the name that the cache has it by, where ldconfig made no link of that name."""
        folder, _, last = file.path.rpartition("/")
        if last == text(name):
            return file
        return msgspec.structs.replace(file, path=f"{folder}/{text(name)}", real=file.real or file.path)

    def _everything(self) -> None:
        """Reads everything that the system has, for targets that are judged as if on this machine."""
        self.asking = False
        names = set(self.cache)
        for folder in self.default_folders:
            names.update(name for name in self._names_in(folder) if _LIBRARY.search(name))
        for name in sorted(names):
            self._take_of_system(name)

    # ---------------------------------------------------------------------------------------------------------- system
    def _system(self) -> None:
        """The loader's default folders and its cache."""
        if self.musl:
            self.default_folders = tuple(self.root + folder for folder in self._musl_folders())
            return
        defaults = self._built_in()
        cache: str | None = ldcache.CACHE
        if defaults is not None:
            folders, cache = defaults
        else:
            machine = self.interpreter.machine or self.machine.machine
            name = ldcache.triplet(machine)
            multiarch = any(files.is_folder(self._real(f"{self.root}{parent}/{name}")) for parent in ("/lib", "/usr/lib"))
            wide = not multiarch and files.is_folder(self._real(f"{self.root}/usr/lib64"))
            folders = ldcache.default_folders(machine, self.interpreter.bits or 64, multiarch, wide)
        self.default_folders = tuple(dict.fromkeys(self.root + folder for folder in folders))
        first = folders[0]
        self.lib = first[first.rfind("/lib") + 1 :] if "/lib" in first else "lib"
        if cache is not None:
            self._read_cache(self.root + cache)

    def _built_in(self) -> ldcache.Defaults | None:
        """What the loader that the interpreter asks for says of itself."""
        binary = self.interpreter.binary
        loader = next((part.interpreter for part in binary.slices if part.interpreter), None) if binary is not None else None
        if loader is None or not loader.startswith("/"):
            return None
        try:
            return ldcache.built_in(files.read(self._real(self._raw(self.root + loader)), MAX_LOADER).data)
        except files.Unreadable:
            return None

    def _read_cache(self, path: str) -> None:
        try:
            content = files.read(self._real(path), MAX_CACHE)
            for entry in ldcache.parse(content.data):
                self.cache.setdefault(entry.name, []).append(entry)
        except files.Unreadable as error:
            if not error.missing:
                self.scene.gap("libraries", path, str(error))
        except ldcache.CacheError as error:
            self.scene.gap("libraries", path, f"no library cache that the loader would use: {error}")

    def _uncached(self) -> tuple[str, ...]:
        """Libraries that are asked for, that the loader does not find, and that lie in a folder of ld.so.conf: ldconfig was not
        run since they came."""
        if self.musl or not self.cache:
            return ()
        unknown = self.names.difference(self.system)
        found: list[str] = []
        for folder in self._configured():
            place = self.root + folder.rstrip("/")
            found += [f"{place}/{name}" for name in sorted(self._names_in(place) & unknown)]
        return tuple(text(path) for path in found[:100])

    def _configured(self) -> list[str]:
        """The folders of ld.so.conf and the files that it includes, in order."""
        waiting = ["/etc/ld.so.conf"]
        found: dict[str, None] = {}
        for number in range(MAX_CONFIGURATIONS):
            if number >= len(waiting):
                break
            try:
                content = files.read_text(self._real(self.root + waiting[number]), 1 << 18)
            except files.Unreadable:
                continue
            folders, patterns = ldcache.configured(content)
            found.update(dict.fromkeys(folders))
            for included in patterns:
                folder, _, name = included.rpartition("/")
                folder = folder if folder.startswith("/") else f"/etc/{folder}".rstrip("/")
                names = fnmatch.filter(sorted(self._names_in(self.root + folder)), name)
                waiting += [path for each in names if (path := f"{folder}/{each}") not in waiting]
        return list(found)

    def _musl_folders(self) -> tuple[str, ...]:
        path = self.root + ldcache.musl_path_file(self.interpreter.machine or self.machine.machine)
        try:
            return ldcache.musl_folders(files.read_text(self._real(path), 1 << 16))
        except files.Unreadable as error:
            if not error.missing:
                self.scene.gap("libraries", path, str(error))
            return ldcache.MUSL_FOLDERS

    # ----------------------------------------------------------------------------------------------------------- paths
    def _raw(self, path: str) -> str:
        """A path of facts as the file system takes it."""
        shown, prefix = self.scene.target.prefix, self.scene.prefix
        return path.replace(shown, prefix, 1) if shown != prefix and path.startswith(shown) else path

    @staticmethod
    def _folder_of(path: str) -> str:
        return path.rpartition("/")[0] or "/"

    def _names_in(self, folder: str) -> frozenset[str]:
        """Names in a folder; nothing where there is none."""
        found = self.listed.get(folder)
        if found is None:
            real = self._real_folder(self._raw(folder))
            found = self.listed.get(real)
            if found is None:
                try:
                    found = frozenset(files.unsorted_names(real or "/"))
                except files.Unreadable:
                    found = frozenset()
                self.listed[real] = found
            self.listed[folder] = found
        return found

    def _real_folder(self, folder: str) -> str:
        found = self.real_folders.get(folder)
        if found is None:
            self.real_folders[folder] = found = folder  # a loop ends here
            self.real_folders[folder] = found = self._real(folder)
        return found

    def _real(self, path: str) -> str:
        """`path` with its links followed, absolute ones from the mounted root."""
        for _ in range(40):
            folder, _, name = path.rpartition("/")
            path = f"{self._real_folder(folder)}/{name}"
            target = files.link(path)
            if target is None:
                break
            path = normal(self.root + target if target.startswith("/") else f"{self._folder_of(path)}/{target}")
        return path
