"""Walking needs from each root: what the loaders of macOS and Windows have in common. Pure, no IO.

A subclass says what a name leads to (:meth:`Walk.find`); everything else is here: roots, load order, what is missing, and
what only the machine itself could tell.

On a *blind* target (a macOS or Windows environment looked at from elsewhere, of which only its own folders are at hand) a
library that is not there may still be on its machine: in Homebrew's folder, in System32. Only what an installed
distribution ships, or brings along under a name of its own, is then known to be missing; the rest is
:attr:`~envdoctor.loader.model.Loads.unknown`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import msgspec

from envdoctor.lazy import pattern
from envdoctor.loader import roots
from envdoctor.loader.model import Loaded, Loads, Missing, Root, base_name
from envdoctor.natives import describe
from envdoctor.platforms import loads as machine_loads
from envdoctor.snapshot import NativeFile, Slice
from envdoctor.view import View

MAX_FILES = 2000
"""Files that one root brings in, after which the walk stops; no real one comes near."""
_REQUIREMENT = pattern(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


class Found(NamedTuple):
    """What a name leads to. Neither a file nor the system's: it is missing."""

    file: NativeFile | None = None
    path: str = ""
    system: bool = False
    """The operating system's own, of which nothing is read."""
    searched: tuple[str, ...] = ()
    passed: tuple[tuple[str, str], ...] = ()
    open: bool = False
    """Places that cannot be looked into from here were among those that it may be in."""


class Process:
    """The files of one process, in load order, and the names under which they are known."""

    def __init__(self, above: Process | None = None) -> None:
        self.above = above
        self.loaded: list[Loaded] = []
        self.names: dict[str, Loaded] = {}

    def get(self, name: str) -> Loaded | None:
        """The file that is loaded under that name."""
        return self.names.get(name) or (self.above.get(name) if self.above is not None else None)

    def add(self, one: Loaded, names: Iterable[str]) -> None:
        """Loads a file; the first of a name keeps it."""
        self.loaded.append(one)
        for name in names:
            self.names.setdefault(name, one)


class Walk(Loads):
    """The loader's answers for one view. See the module's text."""

    def __init__(self, view: View) -> None:
        super().__init__(reason=None)
        self.view = view
        self.snapshot = view.snapshot
        self.loading = view.loading
        self.machines = self.loading.machines
        self.system = self.loading.profile.system
        target = self.snapshot.target
        self.blind = target.foreign and target.sysroot is None
        self.tried: dict[str, None] = {}
        """Absolute paths at which the loader would look and where the snapshot has no file; for the collector."""
        self.files = {path: file for file, path in self._every_file()}
        self.edges: dict[tuple[str, str], str] = {}
        """What a need of a file leads to, by path and name: in the process of the first root where it came up."""
        self._scopes: dict[Root, tuple[tuple[Loaded, ...], tuple[Missing, ...]]] = {}
        if not self.machines:
            self.reason = "the architecture of the interpreter is not known"
            return
        self._process, missing = self._start()
        self.missing_of_process = tuple(one for one in missing if one.known)
        self.process = tuple(self._process.loaded)
        self.roots = self._rooted((*roots.extensions(view, self.part), *roots.stdlib(view, self.part)))

    # ------------------------------------------------------------------------------------------------ of the subclass
    @abstractmethod
    def find(self, name: str, asker: Loaded, root: Root, process: Process) -> Found:
        """What `name` leads to when `asker` asks for it in a process where it is not loaded yet."""

    @abstractmethod
    def names(self, path: str, file: NativeFile, part: Slice) -> Iterable[str]:
        """The names under which a loaded file is found again."""

    def key(self, path: str) -> str:
        """A path as :attr:`files` has it."""
        return path

    # ----------------------------------------------------------------------------------------------------------- facts
    def _every_file(self) -> Iterator[tuple[NativeFile, str]]:
        sites = self.snapshot.sites
        for file in (*self.view.machine.libraries, *self.snapshot.libraries):
            yield file, self.key(file.path)
        for file in self.snapshot.natives:
            yield file, self.key(f"{sites[file.folder].path}/{file.path}" if file.folder >= 0 else file.path)

    def part(self, file: NativeFile, root: Slice | None = None) -> Slice | None:
        """The slice of a file that the interpreter loads (that fits `root`'s, where one is given), or None."""
        if file.problem is not None and not file.slices:
            return None
        machines = (root.machine,) if root is not None else self.machines
        for machine in machines:
            for part in file.slices:
                if machine_loads(machine, part.machine) and part.platform in (None, "macos", "maccatalyst"):
                    return part
        return None

    def _rooted(self, found: Iterable[Root]) -> tuple[Root, ...]:
        """Roots by the paths that :attr:`files` has."""
        return tuple(r if self.key(r.path) == r.path else msgspec.structs.replace(r, path=self.key(r.path)) for r in found)

    # ------------------------------------------------------------------------------------------------------------ walk
    def _start(self) -> tuple[Process, list[Missing]]:
        """The process of the bare interpreter."""
        process = Process()
        missing: list[Missing] = []
        interpreter = self.snapshot.interpreter
        for file in (interpreter.binary, interpreter.libpython):
            part = self.part(file) if file is not None else None
            if file is not None and part is not None and process.get(self.key(file.path)) is None:
                path = self.key(file.path)
                root = Root(path, file, part, "library", "")
                self._load(Loaded(path, file, part, path), root, process, missing)
        for path in self.inserted():
            file = self.files.get(path)
            part = self.part(file) if file is not None else None
            if file is not None and part is not None and process.get(path) is None:
                self._load(Loaded(path, file, part, path), Root(path, file, part, "library", ""), process, [])
        return process, missing

    def inserted(self) -> Iterable[str]:
        """Paths of what variables load into every process."""
        return ()

    def _load(self, first: Loaded, root: Root, process: Process, missing: list[Missing]) -> None:
        """Loads a file and everything that it needs: all needs of a file, then theirs."""
        process.add(first, self.names(first.path, first.file, first.part))
        waiting = [first]
        at = 0
        while at < len(waiting) and len(waiting) <= MAX_FILES:
            asker = waiting[at]
            at += 1
            weak = frozenset(asker.part.weak)
            for name in asker.part.needed:
                found = self.find(name, asker, root, process)
                if found.system:
                    continue
                if found.file is None:
                    if name not in weak:
                        missing.append(self._missing(name, asker, root, found))
                    continue
                self.edges.setdefault((asker.path, name), found.path)
                if process.get(found.path) is not None:
                    continue
                part = self.part(found.file, root.part)
                if part is not None:
                    one = Loaded(found.path, found.file, part, name, asker)
                    process.add(one, self.names(found.path, found.file, part))
                    waiting.append(one)

    def _missing(self, name: str, asker: Loaded, root: Root, found: Found) -> Missing:
        return Missing(
            name,
            asker,
            root,
            found.searched,
            found.passed,
            tuple(path for path in self.by_name.get(self.leaf(name), ()) if path not in dict(found.passed)),
            known=not (found.open and self.blind) or self._shipped(name, asker, root),
        )

    def _walk(self, root: Root) -> tuple[tuple[Loaded, ...], tuple[Missing, ...]]:
        known = self._scopes.get(root)
        if known is None:
            process = Process(self._process)
            missing: list[Missing] = []
            self._load(Loaded(root.path, root.file, root.part, root.path), root, process, missing)
            known = self._scopes[root] = tuple(process.loaded), tuple(missing)
        return known

    def scope(self, root: Root) -> tuple[Loaded, ...]:
        """See :meth:`Loads.scope`."""
        return self._walk(root)[0]

    @cached_property
    def orphans(self) -> tuple[Root, ...]:
        """See :attr:`Loads.orphans`."""
        reached = {one.path for root in self.roots for one in self.scope(root)}
        return tuple(r for r in self._rooted(roots.orphans(self.view, self.part, ())) if r.path not in reached)

    @property
    def unfound(self) -> Iterator[Missing]:
        """Every need of a root that no search finds."""
        return (one for root in self.roots for one in self._walk(root)[1])

    @property
    def unfound_of_orphans(self) -> Iterator[Missing]:
        """The same for orphans."""
        return (one for root in self.orphans for one in self._walk(root)[1])

    @cached_property
    def missing(self) -> tuple[Missing, ...]:
        """See :attr:`Loads.missing`."""
        return tuple(one for one in self.unfound if one.known)

    @cached_property
    def missing_of_orphans(self) -> tuple[Missing, ...]:
        """See :attr:`Loads.missing_of_orphans`. A library that its own distribution ships is in the process, or can be
        brought there, before a plugin asks for it."""
        return tuple(one for one in self.unfound_of_orphans if one.known and not self._of_own(one))

    def _of_own(self, one: Missing) -> bool:
        allowed = self.requirements(self.owner(one.root))
        return any(self.owners.get(path) in allowed for path in one.elsewhere)

    @cached_property
    def unknown(self) -> tuple[Missing, ...]:
        """See :attr:`Loads.unknown`; what the distributions that a module requires ship was loaded by them before."""
        return tuple(one for one in self._unknown if not self.is_runtime(one.name))

    @cached_property
    def unknown_runtime(self) -> tuple[Missing, ...]:
        """See :attr:`Loads.unknown_runtime`."""
        return tuple(one for one in self._unknown if self.is_runtime(one.name))

    @cached_property
    def _unknown(self) -> tuple[Missing, ...]:
        return tuple(one for one in self.unfound if not one.known and not self._of_own(one))

    def is_runtime(self, name: str) -> bool:  # noqa: ARG002
        """A library of a runtime that is installed by itself."""
        return False

    @cached_property
    def unknown_of_orphans(self) -> tuple[Missing, ...]:
        """See :attr:`Loads.unknown_of_orphans`."""
        found = (one for one in self.unfound_of_orphans if not one.known and not self._of_own(one))
        return tuple(one for one in found if not self.is_runtime(one.name))

    # --------------------------------------------------------------------------------------------------- what is shipped
    def leaf(self, name: str) -> str:
        """The file name that a need asks for, as :attr:`by_name` has it."""
        return base_name(name)

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """Paths of all files that fit, by file name and by the last part of their own name."""
        found: dict[str, list[str]] = {}
        for path, file in self.files.items():
            part = self.part(file) if file.kind == "library" else None
            if part is not None:
                for name in {self.leaf(path), self.leaf(part.soname or path)}:
                    found.setdefault(name, []).append(path)
        return found

    @cached_property
    def gone(self) -> dict[str, set[str]]:
        """File names of native files that a RECORD lists and that are gone, by distribution."""
        found: dict[str, set[str]] = {}
        for dist in self.snapshot.distributions:
            for row in dist.record.missing if dist.record is not None else ():
                found.setdefault(dist.name, set()).add(self.leaf(row.path))
        return found

    @cached_property
    def owners(self) -> dict[str, str]:
        """The distribution of every file of a site folder, by absolute path."""
        sites = self.snapshot.sites
        return {
            self.key(f"{sites[group.site].path}/{native.file.path}"): group.dist.name
            for group in self.loading.groups
            if group.dist is not None
            for native in group.natives
        }

    def owner(self, root: Root) -> str | None:
        """The distribution of a root. A folder that a .pth file adds (pywin32's) belongs to that of the folder above."""
        return root.distribution or self.owners.get(root.path)

    def requirements(self, name: str | None) -> frozenset[str]:
        """A distribution and everything that it requires, on any condition, at any depth."""
        return self.view.requires(name) | {name} if name is not None else frozenset()

    def _shipped(self, name: str, asker: Loaded, root: Root) -> bool:
        """The distribution that asks has the library (or had it: its RECORD lists it), so no machine is expected to."""
        if self._had(name, asker, root):
            return True
        owners = self._owners_of(asker, root)
        return any(self.owners.get(path) in owners for path in self.by_name.get(self.leaf(name), ()))

    def _had(self, name: str, asker: Loaded, root: Root) -> bool:
        """The RECORD of the distribution that asks lists a file of that name which is gone."""
        leaf = self.leaf(name)
        return any(leaf in self.gone.get(owner, ()) for owner in self._owners_of(asker, root))

    def _owners_of(self, asker: Loaded, root: Root) -> set[str]:
        return {owner for owner in (self.owners.get(asker.path), self.owner(root)) if owner is not None}

    def refused(self, file: NativeFile) -> str:
        """Why a file of the right name is not loaded."""
        return file.problem or (describe(file) if file.slices else "not a native file")
