"""What the loader of Windows does for a module that Python opens. Pure, no IO.

Python 3.8 and later open an extension module with ``LOAD_LIBRARY_SEARCH_DEFAULT_DIRS | LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR``, and
what that says counts for all that the module brings in: a DLL is searched by its base name, in any case of letters, among
what is loaded; among the system's known DLLs and API sets; in the folder of the module (not in that of the DLL that asks);
in the folder of ``python.exe``; in folders that ``os.add_dll_directory`` named; in System32. ``PATH`` and the working
directory are not searched (*Dynamic-link library search order*, learn.microsoft.com; What's New In Python 3.8). Conda's
Python adds the folders of its packages, ``Library\\bin`` first.

Which folders a package adds is code; :attr:`~envdoctor.snapshot.Snapshot.dll_folders` says which were seen to be added. They
count for the distribution that adds them and for all that require it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from envdoctor.data.windows_libraries import VISUAL_CPP, WITH_PYTHON, is_system
from envdoctor.lazy import pattern
from envdoctor.loader.model import Loaded, Missing, Root, base_name, folder_of, unique
from envdoctor.loader.walk import Found, Process, Walk
from envdoctor.snapshot import NativeFile, Slice
from envdoctor.view import View

CONDA_FOLDERS = ("Library/mingw-w64/bin", "Library/usr/bin", "Library/bin", "Scripts", "bin", "DLLs", "")
"""Folders of a conda prefix in which its Python looks for DLLs."""
_PYTHON = pattern(r"python(3\d*)(?:_d|t|t_d)?\.dll$")
_MANGLED = pattern(r"-[0-9a-f]{8,64}\.dll$")
"""Names that delvewheel and auditwheel-like tools give: no machine has them but from that wheel."""


def load(view: View) -> Walk:
    """The answers of Windows' loader."""
    return Windows(view)


class Windows(Walk):
    """The loader of Windows. See the module's text."""

    def __init__(self, view: View) -> None:
        snapshot = view.snapshot
        interpreter = snapshot.interpreter
        prefix = _slashes(snapshot.target.prefix).rstrip("/")
        base = _slashes(interpreter.base_prefix or "").rstrip("/")
        program = _slashes(interpreter.binary.path if interpreter.binary is not None else interpreter.path)
        folders = [base, f"{base}/DLLs"] if interpreter.stdlib is not None and base else []
        folders.append(folder_of(program))
        if snapshot.target.kind in ("conda", "pixi"):
            folders += [f"{prefix}/{name}".rstrip("/") for name in CONDA_FOLDERS]
        self.fixed = unique(folders)
        """Folders that are searched for every module."""
        super().__init__(view)

    def key(self, path: str) -> str:
        """See :meth:`Walk.key`."""
        return _slashes(path)

    def names(self, path: str, file: NativeFile, part: Slice) -> Iterable[str]:  # noqa: ARG002
        """Its base name."""
        return (path, base_name(path).lower())

    def leaf(self, name: str) -> str:
        """See :meth:`Walk.leaf`."""
        return base_name(name).lower()

    @cached_property
    def _folders(self) -> dict[str, dict[str, str]]:
        """Files by folder and base name, both lower case."""
        found: dict[str, dict[str, str]] = {}
        for path in self.files:
            folder, _, name = path.lower().rpartition("/")
            found.setdefault(folder, {})[name] = path
        return found

    # ---------------------------------------------------------------------------------------------------------- search
    def find(self, name: str, asker: Loaded, root: Root, process: Process) -> Found:  # noqa: ARG002
        """See :meth:`Walk.find`."""
        wanted = name.lower()
        there = process.get(wanted)
        if there is not None:
            return Found(there.file, there.path)
        if is_system(wanted):
            return Found(system=True)
        searched = unique((folder_of(root.path), *self.fixed, *self._added(root)))
        passed: list[tuple[str, str]] = []
        for folder in searched:
            path = self._folders.get(folder.lower(), {}).get(wanted)
            if path is None:
                self.tried.setdefault(f"{folder}/{wanted}")
                continue
            file = self.files[path]
            if file.kind == "library" and self.part(file, root.part) is not None:
                return Found(file, path)
            passed.append((path, self.refused(file)))
        if not passed and self._with_python(wanted):
            return Found(system=True)
        return Found(searched=searched, passed=tuple(passed), open=True)

    def is_runtime(self, name: str) -> bool:
        """See :meth:`Walk.is_runtime`."""
        return name.lower() in VISUAL_CPP

    def _with_python(self, name: str) -> bool:
        """A DLL that stands beside every interpreter of this version: without it, it would not run itself."""
        version = self.loading.profile.version
        since = WITH_PYTHON.get(name)
        if since is not None:
            return version is None or version >= since
        match = _PYTHON.match(name)
        return match is not None and (version is None or match[1] in ("3", f"{version[0]}{version[1]}"))

    def _added(self, root: Root) -> tuple[str, ...]:
        """Folders that the module's distribution, and those that it requires, add to the search."""
        owner = self.owner(root)
        known = self._adds.get(owner)
        if known is None:
            owners = self.requirements(owner)
            folders = self.snapshot.dll_folders
            sites = self.snapshot.sites
            found = [f"{sites[f.site].path}/{f.path}" for f in folders if f.distribution in owners]
            known = self._adds[owner] = tuple(_slashes(folder).rstrip("/") for folder in found)
        return known

    @cached_property
    def _adds(self) -> dict[str | None, tuple[str, ...]]:
        return {}

    # ------------------------------------------------------------------------------------------------------- what is known
    def _shipped(self, name: str, asker: Loaded, root: Root) -> bool:
        """See :meth:`Walk._shipped`; no machine has a DLL with a hash in its name, nor another Python's library."""
        wanted = name.lower()
        if _MANGLED.search(wanted) or _PYTHON.match(wanted):
            return True
        if self.is_runtime(wanted) and not self._had(name, asker, root):
            return False  # a copy elsewhere in the wheel says nothing about the machine's own
        return super()._shipped(name, asker, root)

    def _of_own(self, one: Missing) -> bool:
        """See :meth:`Walk._of_own`. Where two DLLs of one name are there (tables and blosc2 each ship libblosc2.dll), a package
        opens the one that works first, and the name then stands for that one."""
        if super()._of_own(one):
            return True
        allowed = self.requirements(self.owner(one.root))
        wanted = one.name.lower()
        for path in self.by_name.get(self.leaf(one.asker.path), ()) if one.asker.by is not None else ():
            part = self.part(self.files[path]) if path != one.asker.path and self.owners.get(path) in allowed else None
            if part is not None and wanted not in (name.lower() for name in part.needed):
                return True
        return False


def _slashes(path: str) -> str:
    return path.replace("\\", "/")
