"""What a dynamic loader would do, as values: the result types of all three systems. Pure, no IO.

``view.loads`` (a :class:`Loads`) answers for every extension module that Python can import: which files the loader maps for
it and in which order, which names it finds nowhere, and which symbol versions the files that it finds do not define.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Literal

import msgspec

from envdoctor.snapshot import NativeFile, Slice

RootKind = Literal["extension", "stdlib", "library"]


class Root(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A file from which loading starts. Compared by identity."""

    path: str
    """Absolute, as the target names it."""
    file: NativeFile
    part: Slice
    """The slice of it that the interpreter loads."""
    kind: RootKind
    """``extension``: an extension module in a site folder, whose name and headers fit the interpreter. ``stdlib``: one of the
    standard library. ``library``: a library of a site folder that no module leads to: a plugin, or one opened by ctypes."""
    module: str
    """Dotted name under which an import reaches it; empty for a ``library``."""
    site: int = -1
    """Index of its site folder; -1 for the standard library."""
    distribution: str | None = None
    """Normalized name of the distribution that it belongs to, by RECORD or by its top-level name; None where none does."""


class Loaded:
    """One file in the process, and who brought it there. Compared by identity; nothing changes it."""

    __slots__ = ("by", "file", "name", "part", "path")

    def __init__(self, path: str, file: NativeFile, part: Slice, name: str, by: Loaded | None = None) -> None:
        self.path = path
        self.file = file
        self.part = part
        self.name = name
        """The name by which it was asked for first; for a root its path."""
        self.by = by
        """The file whose need it is; None for roots, the program itself and what variables preload."""

    @property
    def chain(self) -> tuple[str, ...]:
        """Paths that lead to it, the root first, itself last."""
        found = [self.path]
        at = self.by
        while at is not None:
            found.append(at.path)
            at = at.by
        return tuple(reversed(found))


class Missing(msgspec.Struct, frozen=True, eq=False):
    """A need that no search finds, nor anything loaded before by the same root."""

    name: str
    """As the asking file writes it."""
    asker: Loaded
    root: Root
    searched: tuple[str, ...] = ()
    """Folders that the loader looks into for it, in order, the system's cache and own folders left out."""
    passed: tuple[tuple[str, str], ...] = ()
    """Files of that name which the loader passes over or stops at, and why: ``("/opt/lib/libx.so.1", "ELF 32-bit i686")``."""
    elsewhere: tuple[str, ...] = ()
    """Files of that name or soname in the environment, in places where the loader does not look for this file."""
    known: bool = True
    """False for those of :attr:`Loads.unknown`."""

    @property
    def chain(self) -> tuple[str, ...]:
        """Paths from the root to the file that asks."""
        return self.asker.chain


class VersionProblem(msgspec.Struct, frozen=True, eq=False):
    """Symbol versions that a file needs of a library, and that the library which is loaded under that name does not define."""

    library: str
    """As the asking file writes it: ``libstdc++.so.6``."""
    versions: tuple[str, ...]
    """``GLIBCXX_3.4.32``, …, sorted."""
    found: str | None
    """Path of the library that is loaded; None where only the version of the C library is known."""
    asker: Loaded
    root: Root

    @property
    def chain(self) -> tuple[str, ...]:
        """Paths from the root to the file that asks."""
        return self.asker.chain


class Loads:
    """What loading every root comes to. Subclasses, one for each system, fill it; this one knows nothing.

    All of it is about one root alone in a fresh process: what modules imported before have loaded is for the rules
    (:mod:`envdoctor.loader.process`).
    """

    def __init__(self, reason: str | None = "nothing is known about the dynamic loader of this system") -> None:
        self.reason = reason
        """Why it cannot be said which libraries are missing; None where it can."""
        self.roots: tuple[Root, ...] = ()
        """Extension modules of the site folders, then those of the standard library; in the order of files."""
        self.process: tuple[Loaded, ...] = ()
        """What the interpreter brings along before any module: its own file, what variables preload, its libraries."""
        self.missing_of_process: tuple[Missing, ...] = ()
        """Needs of the interpreter itself that resolve nowhere."""
        self.files: Mapping[str, NativeFile] = {}
        """Every file that the loader may meet, by absolute path."""

    def scope(self, root: Root) -> tuple[Loaded, ...]:  # noqa: ARG002
        """The files that loading `root` maps, in load order (breadth first, as the loader searches symbols): the root first.
        Without those of :attr:`process`, which come before all of them in symbol search."""
        return ()

    def bringing(self, names: frozenset[str]) -> dict[str, list[tuple[Root, Loaded]]]:
        """Roots whose loading brings in a library that others then find under one of `names`, by that name."""
        found: dict[str, list[tuple[Root, Loaded]]] = {}
        for root in self.roots if names else ():
            for loaded in self.scope(root):
                for name in {loaded.name, loaded.part.soname} & names:
                    found.setdefault(name or "", []).append((root, loaded))
        return found

    def opens(self, name: str) -> bool | None:  # noqa: ARG002
        """Whether Python code that opens a library by that plain name (``ctypes.CDLL``) gets one; None where that is unknown."""
        return None

    @cached_property
    def orphans(self) -> tuple[Root, ...]:
        """Libraries of the site folders that fit the interpreter and that no root brings in."""
        return ()

    @cached_property
    def missing(self) -> tuple[Missing, ...]:
        """Needs of :attr:`roots` that resolve nowhere; every (root, asker, name) once."""
        return ()

    @cached_property
    def missing_of_orphans(self) -> tuple[Missing, ...]:
        """The same for :attr:`orphans`."""
        return ()

    @cached_property
    def unknown(self) -> tuple[Missing, ...]:
        """Needs of :attr:`roots` that nothing at hand meets and that the target's own machine may meet: libraries outside of
        a foreign environment that no distribution of it ships. Nothing is known to be wrong."""
        return ()

    @cached_property
    def unknown_runtime(self) -> tuple[Missing, ...]:
        """The like for libraries of a runtime that is installed by itself and nearly everywhere (Visual C++'s); they are not in
        :attr:`unknown`."""
        return ()

    @cached_property
    def unknown_of_orphans(self) -> tuple[Missing, ...]:
        """The same for :attr:`orphans`."""
        return ()

    @cached_property
    def version_problems(self) -> tuple[VersionProblem, ...]:
        """Needs of symbol versions that the library which is found does not meet; for :attr:`roots`."""
        return ()

    @cached_property
    def version_problems_of_orphans(self) -> tuple[VersionProblem, ...]:
        """The same for :attr:`orphans`."""
        return ()


def folder_of(path: str) -> str:
    """The folder part of a path, forward slashes."""
    return path.rpartition("/")[0] or "/"


def base_name(path: str) -> str:
    """The last part of a path, forward or backward slashes."""
    if "\\" in path:
        path = path.replace("\\", "/")
    return path[path.rfind("/") + 1 :]


def normal(path: str) -> str:
    """An absolute POSIX path without ``.``, ``..`` and doubled slashes, by text alone."""
    if "//" not in path and "/." not in path:
        return path.rstrip("/") or "/"
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part and part != ".":
            parts.append(part)
    return "/" + "/".join(parts)


def unique(items: Iterable[str]) -> tuple[str, ...]:
    """Items in order, each once."""
    return tuple(dict.fromkeys(items))
