"""One walk of a site folder: which files are there, the sizes of those that imports load. Read once, used by all collectors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from envdoctor.collect.files import unreadable

NATIVE_SUFFIXES = (".so", ".pyd", ".dylib", ".dll")
MAX_FILES = 3_000_000
"""Files after which a walk stops; no real environment comes near."""
MAX_LINKED = 200_000
"""Files listed below linked folders, all together."""


def is_native(name: str) -> bool:
    """A file name of a native library or extension module: ``x.so``, ``libx.so.1.2``, ``x.pyd``, ``x.dll``, ``x.dylib``."""
    return name.endswith(NATIVE_SUFFIXES) or (".so." in name and name.rpartition(".so.")[2].replace(".", "").isdigit())


@dataclass
class Tree:
    """What stands below one folder. Paths are relative, with ``/``, as the file system gives them (surrogates kept).

    ``__pycache__`` folders are not entered. Links to folders are entered once; what is below them counts as files, too.
    """

    root: str
    files: dict[str, int] = field(default_factory=dict)
    """Relative path to size in bytes; -1 where the size was not taken (``.py`` and native files are measured)."""
    folders: set[str] = field(default_factory=set)
    natives: list[str] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    """Symbolic links, to files or folders or nowhere, among files and folders."""
    broken: set[str] = field(default_factory=set)
    """Links that lead nowhere; not in ``files``."""
    special: set[str] = field(default_factory=set)
    """FIFOs, sockets, devices; not in ``files``."""
    with_modules: set[str] = field(default_factory=set)
    """Top-level folders with a .py file or extension module at any depth."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """Relative folder and reason, where a folder could not be listed."""
    top: dict[str, str] = field(default_factory=dict)
    """Top-level names with their type: file, folder, link, broken-link, other."""
    measured: dict[str, str] = field(default_factory=dict)
    """Sizes that were taken, as decimal text: the form in which RECORD has them."""

    _tops: dict[str, list[str]] | None = field(default=None, init=False, repr=False)
    """Files by their top-level folder, made when :meth:`below` is first asked."""

    def path(self, rel: str) -> str:
        """Absolute path of a relative one."""
        return f"{self.root}/{rel}"

    def has_package(self, rel: str) -> bool:
        """A regular package (folder with ``__init__.py`` or a compiled ``__init__``) stands at `rel`."""
        return f"{rel}/__init__.py" in self.files or f"{rel}/__init__.pyc" in self.files

    def below(self, rel: str) -> Iterator[str]:
        """Files below a relative folder. Linear in the size of its top-level folder."""
        if self._tops is None:
            self._tops = {}
            for path in self.files:
                self._tops.setdefault(path.partition("/")[0], []).append(path)
        start = rel + "/"
        return (path for path in self._tops.get(rel.partition("/")[0], ()) if path.startswith(start))


def walk(root: str, *, sizes: bool = True, sources: bool = False) -> Tree:
    """The tree below `root`. Never raises for what it finds; a root that cannot be listed is a problem with path ''.

    With `sources`, `root` is a folder that a .pth file or PYTHONPATH names, often a whole project: hidden folders,
    ``node_modules`` and environments in it (``.venv``) are not entered, because no import reaches them.
    """
    tree = Tree(root)
    files, folders, natives, with_modules = tree.files, tree.folders, tree.natives, tree.with_modules
    measured = tree.measured
    stack: list[tuple[str, str, bool]] = [("", root, False)]
    seen: set[tuple[int, int]] = set()
    linked = 0
    flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    by_descriptor = os.scandir in os.supports_fd
    while stack:
        rel, path, via_link = stack.pop()
        if len(files) > MAX_FILES or linked > MAX_LINKED:
            tree.problems.append((rel.rstrip("/"), "too many files; the rest was not listed"))
            break
        descriptor = -1
        try:
            if by_descriptor:
                descriptor = os.open(path, flags)
            with os.scandir(descriptor if by_descriptor else path) as entries:
                for entry in entries:
                    name = entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if name != "__pycache__" and not (sources and _unreachable(f"{path}/{name}", name)):
                            folders.add(rel + name)
                            stack.append((rel + name + "/", f"{path}/{name}", via_link))
                            if not rel:
                                tree.top[name] = "folder"
                        continue
                    here = rel + name
                    if entry.is_symlink():
                        tree.links.add(here)
                        try:
                            info = os.stat(f"{path}/{name}")
                        except (OSError, ValueError):
                            tree.broken.add(here)
                            if not rel:
                                tree.top[name] = "broken-link"
                            continue
                        if not rel:
                            tree.top[name] = "link"
                        if info.st_mode & 0o170000 == 0o040000:
                            folders.add(here)
                            identity = (info.st_dev, info.st_ino)
                            if name != "__pycache__" and identity not in seen and not _contains(f"{path}/{name}", root):
                                seen.add(identity)
                                stack.append((here + "/", f"{path}/{name}", True))
                            continue
                        if info.st_mode & 0o170000 != 0o100000:
                            tree.special.add(here)
                            continue
                        size = info.st_size
                    elif not entry.is_file(follow_symlinks=False):
                        tree.special.add(here)
                        if not rel:
                            tree.top[name] = "other"
                        continue
                    else:
                        size = -1
                        if not rel:
                            tree.top[name] = "file"
                    if via_link:
                        linked += 1
                    module = name.endswith(".py")
                    if not module and (".so" in name or name.endswith(NATIVE_SUFFIXES)) and is_native(name):
                        natives.append(here)
                        module = True
                    if module:
                        with_modules.add(rel)
                        if sizes:
                            try:
                                size = size if size >= 0 else entry.stat(follow_symlinks=False).st_size
                                measured[here] = str(size)
                            except OSError:
                                size = -1
                    files[here] = size
        except (OSError, ValueError) as error:
            tree.problems.append((rel.rstrip("/"), str(unreadable(error))))
        finally:
            if descriptor >= 0:
                os.close(descriptor)
    natives.sort()
    tree.with_modules = {folder.partition("/")[0] for folder in with_modules if folder}
    return tree


def _unreachable(path: str, name: str) -> bool:
    """A folder in a project that is no part of its packages."""
    if name.startswith(".") or name == "node_modules":
        return True
    return os.path.lexists(f"{path}/pyvenv.cfg") or os.path.isdir(f"{path}/conda-meta")


def _contains(link: str, root: str) -> bool:
    """The folder that `link` leads to holds `root` itself: entering it would walk everything again."""
    try:
        real, home = os.path.realpath(link), os.path.realpath(root)
    except (OSError, ValueError):
        return True
    return (home + "/").startswith(real.rstrip("/") + "/")
