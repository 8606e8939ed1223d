"""What dyld does on macOS, after dyld(1) and dyld's sources. Pure, no IO.

A need is a path. ``@loader_path/`` stands for the folder of the file that asks, ``@executable_path/`` for the program's, and
``@rpath/`` for each LC_RPATH of the file that asks, then of the file that loaded it, and so on up to the main program. A
library that is in the process already is found by its path and by its install name (LC_ID_DYLIB): that is how torchvision
finds ``@rpath/libtorch.dylib``, which no LC_RPATH of it leads to. Variables come first (``DYLD_LIBRARY_PATH``, by the last
part of the name), and where nothing was found ``/usr/local/lib`` and ``/usr/lib`` last. Files without the slice of the
process are passed over. Weak libraries may be missing.

The system's own libraries are no files: they live in dyld's shared cache. Every path of theirs counts as present.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from envdoctor.loader.model import Loaded, Root, folder_of, normal, unique
from envdoctor.loader.walk import Found, Process, Walk
from envdoctor.snapshot import NativeFile, Slice
from envdoctor.view import View

SYSTEM = ("/usr/lib/", "/System/Library/", "/System/iOSSupport/", "/Library/Apple/System/Library/")
"""Where the libraries of the shared cache pretend to be."""
FALLBACK = ("/usr/local/lib",)
"""``DYLD_FALLBACK_LIBRARY_PATH``'s default, the system's own folder left out."""


def load(view: View) -> Walk:
    """dyld's answers."""
    return MacOS(view)


class MacOS(Walk):
    """dyld. See the module's text."""

    def __init__(self, view: View) -> None:
        target = view.snapshot.target
        self.sysroot = (target.sysroot or "").rstrip("/")
        interpreter = view.snapshot.interpreter
        program = interpreter.real_path or interpreter.path
        self.program_folder = folder_of(interpreter.binary.path if interpreter.binary is not None else program)
        at_hand = interpreter.stdlib is not None and interpreter.base_prefix is not None
        self.program_known = interpreter.binary is not None and at_hand and not interpreter.launcher
        folders = (target.prefix, *((interpreter.base_prefix or "",) if at_hand else ()), *(s.path for s in view.snapshot.sites))
        self.own = unique(normal(path) + "/" for path in folders if path)
        """Folders of which everything that is asked for was looked up."""
        self.stacks: dict[Loaded, tuple[tuple[str, str], ...]] = {}
        variables = {} if target.foreign else view.snapshot.shell.variables
        self.first = _folders(variables.get("DYLD_LIBRARY_PATH"))
        fallback = variables.get("DYLD_FALLBACK_LIBRARY_PATH")
        self.last = _folders(fallback) if fallback else FALLBACK
        self.insert = _folders(variables.get("DYLD_INSERT_LIBRARIES"))
        super().__init__(view)

    def key(self, path: str) -> str:
        """See :meth:`Walk.key`."""
        return normal(path)

    def names(self, path: str, file: NativeFile, part: Slice) -> Iterable[str]:
        """Its path, where links lead, and its install name."""
        return (name for name in (path, file.real and normal(file.real), part.soname) if name)

    def inserted(self) -> Iterable[str]:
        """``DYLD_INSERT_LIBRARIES``."""
        for path in self.insert:
            if self._file(path) is None:
                self.tried.setdefault(path)
        return self.insert

    # ---------------------------------------------------------------------------------------------------------- search
    def find(self, name: str, asker: Loaded, root: Root, process: Process) -> Found:
        """See :meth:`Walk.find`."""
        there = process.get(name)
        if there is not None:
            return Found(there.file, there.path)
        if self.is_system(name):
            return Found(system=True)
        searched: list[str] = []
        passed: list[tuple[str, str]] = []
        unseen = False
        for path, folder in self._candidates(name, asker):
            searched.append(folder)
            if self.is_system(path):
                continue
            there = process.get(path)
            if there is not None:
                return Found(there.file, there.path)
            file = self._file(path)
            if file is None:
                unseen = unseen or not path.startswith(self.own) or (not self.program_known and "@exe" in folder)
                self.tried.setdefault(path)
            elif file.kind == "library" and self.part(file, root.part) is not None:
                return Found(file, path)
            else:
                passed.append((path, self.refused(file)))
        return Found(searched=unique(searched), passed=tuple(dict(passed).items()), open=unseen or not searched)

    def is_system(self, path: str) -> bool:
        """A path of the operating system's own libraries."""
        return path.startswith(SYSTEM)

    def _file(self, path: str) -> NativeFile | None:
        """The file at a path; a Mac's file system takes letters of either case."""
        file = self.files.get(path)
        if file is None and self.sysroot:
            file = self.files.get(self.sysroot + path)
        if file is None and path.startswith(self.own):
            file = self._folded.get(path.lower())
        return file

    @cached_property
    def _folded(self) -> dict[str, NativeFile]:
        return {path.lower(): file for path, file in self.files.items()}

    def _candidates(self, name: str, asker: Loaded) -> list[tuple[str, str]]:
        """(path, folder as the report tells it) in dyld's order."""
        found: list[tuple[str, str]] = []
        last = name.rpartition("/")[2]
        if ".framework/" not in name:
            found += [(f"{folder}/{last}", folder) for folder in self.first]
        head, _, rest = name.partition("/")
        if head == "@rpath":
            found += [(normal(f"{folder}/{rest}"), shown) for folder, shown in self._stack(asker)]
        elif head == "@loader_path":
            path = normal(f"{folder_of(asker.path)}/{rest}")
            found.append((path, folder_of(path)))
        elif head == "@executable_path":
            found.append((normal(f"{self.program_folder}/{rest}"), "@executable_path"))
        elif name.startswith("/"):
            found.append((normal(name), folder_of(name)))
        if ".framework/" not in name and head != "@loader_path":
            found += [(f"{folder}/{last}", folder) for folder in self.last]
        return found

    def _stack(self, asker: Loaded) -> tuple[tuple[str, str], ...]:
        """What ``@rpath`` stands for: LC_RPATHs of the asker, of those that loaded it, of the main program."""
        known = self.stacks.get(asker)
        if known is None:
            known = self._expanded(asker.part.runpath, folder_of(asker.path))
            known += self._stack(asker.by) if asker.by is not None else self._of_program
            known = self.stacks[asker] = tuple(dict.fromkeys(known))
        return known

    @cached_property
    def _of_program(self) -> tuple[tuple[str, str], ...]:
        """LC_RPATHs of the library that opens modules, then of the program."""
        found: tuple[tuple[str, str], ...] = ()
        for file in (self.snapshot.interpreter.libpython, self.snapshot.interpreter.binary):
            part = self.part(file) if file is not None else None
            if file is not None and part is not None:
                found += self._expanded(part.runpath, folder_of(file.path))
        return found

    def _expanded(self, rpaths: Iterable[str], folder: str) -> tuple[tuple[str, str], ...]:
        found = []
        for rpath in rpaths:
            head, _, rest = rpath.partition("/")
            if head == "@loader_path":
                path = normal(f"{folder}/{rest}")
                found.append((path, path))
            elif head == "@executable_path":
                found.append((normal(f"{self.program_folder}/{rest}"), rpath))
            elif rpath.startswith("/"):
                found.append((normal(rpath), normal(rpath)))
        return tuple(found)

    # ------------------------------------------------------------------------------------------------------- what is known
    def _shipped(self, name: str, asker: Loaded, root: Root) -> bool:
        """See :meth:`Walk._shipped`; what stands beside the asker is the wheel's own, too."""
        if name.startswith("@loader_path/"):
            return all(path.startswith(self.own) for path, _ in self._candidates(name, asker))
        return super()._shipped(name, asker, root)


def _folders(value: str | None) -> tuple[str, ...]:
    return tuple(normal(folder) for folder in (value or "").split(":") if folder.startswith("/"))
