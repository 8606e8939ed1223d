"""One walk of a site folder: which files are there, and which differ in size from what RECORD says.

Read once, used by all collectors. What RECORD names is not asked for its type: the listing of a folder is compared with
the recorded names as sets, and only names that nobody recorded cost a call of their own.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from envdoctor.collect.files import unreadable
from envdoctor.collect.records import NATIVE_SUFFIXES, Recorded, is_native

MAX_FILES = 3_000_000
"""Files after which a walk stops; no real environment comes near."""
MAX_LINKED = 200_000
"""Files listed below linked folders, all together."""
NOT_IMPORTED = frozenset(["tests", "test", "testing", "_tests", "benchmarks", "examples", "docs", "doc"])
"""Folders whose modules no import of a package loads: their sizes are compared only with ``--deep``."""
_ENDINGS = frozenset(suffix[-3:] for suffix in NATIVE_SUFFIXES)


class Files:
    """The relative paths of all files of a tree: a read-only set."""

    def __init__(self, names: dict[str, set[str]]) -> None:
        self._names = names

    def __contains__(self, path: object) -> bool:
        folder, _, name = str(path).rpartition("/")
        names = self._names.get(folder)
        return names is not None and name in names

    def __iter__(self) -> Iterator[str]:
        for folder, names in self._names.items():
            prefix = f"{folder}/" if folder else ""
            for name in names:
                yield prefix + name

    def __len__(self) -> int:
        return sum(map(len, self._names.values()))


@dataclass
class Tree:
    """What stands below one folder. Paths are relative, with ``/``, as the file system gives them (surrogates kept).

    ``__pycache__`` folders are not entered. Links to folders are entered once; what is below them counts as files, too.
    """

    root: str
    names: dict[str, set[str]] = field(default_factory=dict)
    """Every folder that was listed ('' for the root) with the names of its files."""
    folders: set[str] = field(default_factory=set)
    natives: list[str] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    """Symbolic links that no RECORD names, to files or folders or nowhere."""
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
    different: dict[str, int] = field(default_factory=dict)
    """Size in bytes of ``.py`` and native files for which some RECORD has another one."""
    absent: dict[str, list[str]] = field(default_factory=dict)
    """Metadata folder to recorded paths that a listed folder lacks."""

    def __post_init__(self) -> None:
        self.files = Files(self.names)
        """The relative paths of all files."""

    def path(self, rel: str) -> str:
        """Absolute path of a relative one."""
        return f"{self.root}/{rel}"

    def has_package(self, rel: str) -> bool:
        """A regular package (folder with ``__init__.py`` or a compiled ``__init__``) stands at `rel`."""
        names = self.names.get(rel, ())
        return "__init__.py" in names or "__init__.pyc" in names

    def below(self, rel: str) -> Iterator[str]:
        """Files below a relative folder. Linear in the number of folders of the tree."""
        start = rel + "/"
        for folder, names in self.names.items():
            if folder == rel or folder.startswith(start):
                for name in names:
                    yield f"{folder}/{name}"


def walk(root: str, recorded: Recorded | None = None, *, sources: bool = False) -> Tree:
    """The tree below `root`. Never raises for what it finds; a root that cannot be listed is a problem with path ''.

    `recorded` holds the RECORDs of `root`. With `sources`, `root` is a folder that a .pth file or PYTHONPATH names, often a
    whole project: hidden folders, ``node_modules`` and environments in it (``.venv``) are not entered, because no import
    reaches them.
    """
    walker = _Walker(root, recorded or Recorded(), sources)
    walker.run()
    return walker.tree


class _Walker:
    """One walk."""

    def __init__(self, root: str, recorded: Recorded, sources: bool) -> None:
        self.tree = Tree(root)
        self.recorded, self.sources = recorded, sources
        self.stack: list[tuple[str, bool]] = [("", False)]
        self.seen: set[tuple[int, int]] = set()
        self.total = self.linked = 0
        self.natives: set[str] = set()
        self.parents = recorded.parents
        self.by_descriptor = os.scandir in os.supports_fd and os.stat in os.supports_dir_fd
        self.flags = os.O_RDONLY
        for flag in ("O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC"):
            self.flags |= getattr(os, flag, 0)

    def run(self) -> None:
        """Fills the tree."""
        tree, recorded = self.tree, self.recorded
        expected = recorded.folders
        while self.stack:
            rel, via_link = self.stack.pop()
            if self.total > MAX_FILES or self.linked > MAX_LINKED:
                tree.problems.append((rel, "too many files; the rest was not listed"))
                break
            path = f"{tree.root}/{rel}" if rel else tree.root
            follow = via_link or not rel
            descriptor = -1
            try:
                if self.by_descriptor:
                    descriptor = os.open(path, self.flags if follow else self.flags | os.O_NOFOLLOW)
                elif not follow and os.path.islink(path):
                    raise OSError(errno.ELOOP, "link")
                groups = expected.get(rel)
                if rel and groups:
                    here = self._compare(rel, path, descriptor, groups, via_link)
                else:
                    here = self._scan(rel, path, descriptor, via_link)
                    if groups:
                        self._judge(rel, path, descriptor, groups, here)
                tree.names[rel] = here
                self.total += len(here)
                self.linked += len(here) if via_link else 0
            except (OSError, ValueError) as error:
                if rel in recorded.parents and isinstance(error, OSError) and error.errno in (errno.ELOOP, errno.ENOTDIR):
                    self._no_folder(rel, path)
                else:
                    tree.problems.append((rel, str(unreadable(error))))
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
        tree.natives = sorted(self.natives)
        tree.with_modules.update(path.partition("/")[0] for path in tree.natives if "/" in path)

    def _compare(self, rel: str, path: str, descriptor: int, groups: dict[str, dict[str, str]], via_link: bool) -> set[str]:
        """Lists a folder that RECORDs speak of; what they name is taken for a file, the rest is looked at."""
        here = set(os.listdir(descriptor if descriptor >= 0 else path))
        if len(groups) == 1:
            (known,) = groups.values()
        else:
            known = {}
            for names in groups.values():
                known.update(names)
        for name in here.difference(known):
            if name == "__pycache__":
                here.discard(name)
                continue
            below = f"{rel}/{name}"
            if below in self.parents:
                here.discard(name)
                self.tree.folders.add(below)
                self.stack.append((below, via_link))
                continue
            if descriptor >= 0:
                info = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            else:
                info = os.lstat(f"{path}/{name}")
            if not stat.S_ISREG(info.st_mode):
                here.discard(name)
                self._unknown(below, f"{path}/{name}", info, here, via_link)
            else:
                self._module(below, name)
        self._judge(rel, path, descriptor, groups, here)
        return here

    def _judge(self, rel: str, path: str, descriptor: int, groups: dict[str, dict[str, str]], here: set[str]) -> None:
        """Notes recorded names that are not here, and modules and native files of another size."""
        ask = os.stat
        for info, names in groups.items():
            measure = modules = None
            for name, size in names.items():
                ending = name[-3:]
                if ending == ".py":
                    if name not in here:
                        continue
                    if measure is None:
                        modules = True
                        measure = NOT_IMPORTED.isdisjoint(rel.split("/"))
                    if not measure:
                        continue
                elif (ending not in _ENDINGS and ".so." not in name) or not is_native(name) or name not in here:
                    continue
                else:
                    modules = True
                    self.natives.add(f"{rel}/{name}" if rel else name)
                try:
                    found = ask(name, dir_fd=descriptor) if descriptor >= 0 else ask(f"{path}/{name}")
                except (OSError, ValueError):
                    here.discard(name)
                    self.tree.broken.add(f"{rel}/{name}" if rel else name)
                    continue
                if str(found.st_size) != size:
                    if found.st_mode & 0o170000 != 0o100000:
                        here.discard(name)
                        self.tree.special.add(f"{rel}/{name}" if rel else name)
                    elif size:
                        self.tree.different[f"{rel}/{name}" if rel else name] = found.st_size
            if modules and rel:
                self.tree.with_modules.add(rel.partition("/")[0])
            if not here.issuperset(names):
                prefix = f"{rel}/" if rel else ""
                self.tree.absent.setdefault(info, []).extend(prefix + name for name in names if name not in here)

    def _unknown(self, rel: str, path: str, info: os.stat_result, here: set[str], via_link: bool = False) -> None:
        """Something that is no plain file: a folder is entered, a link followed once, the rest is special."""
        tree = self.tree
        name = rel.rpartition("/")[2]
        top = name == rel
        if stat.S_ISDIR(info.st_mode):
            if name == "__pycache__" or (self.sources and _unreachable(path, name)):
                return
            tree.folders.add(rel)
            self.stack.append((rel, via_link))
            if top:
                tree.top[name] = "folder"
            return
        if not stat.S_ISLNK(info.st_mode):
            tree.special.add(rel)
            if top:
                tree.top[name] = "other"
            return
        tree.links.add(rel)
        try:
            info = os.stat(path)
        except (OSError, ValueError):
            tree.broken.add(rel)
            if top:
                tree.top[name] = "broken-link"
            return
        if top:
            tree.top[name] = "link"
        if stat.S_ISDIR(info.st_mode):
            tree.folders.add(rel)
            identity = (info.st_dev, info.st_ino)
            if name != "__pycache__" and identity not in self.seen and not _contains(path, tree.root):
                self.seen.add(identity)
                self.stack.append((rel, True))
        elif stat.S_ISREG(info.st_mode):
            here.add(name)
            self._module(rel, name)
        else:
            tree.special.add(rel)

    def _scan(self, rel: str, path: str, descriptor: int, via_link: bool) -> set[str]:
        """Lists a folder that no RECORD speaks of, or the root: every entry with its type."""
        tree = self.tree
        here: set[str] = set()
        prefix = f"{rel}/" if rel else ""
        with os.scandir(descriptor if descriptor >= 0 else path) as entries:
            for entry in entries:
                name = entry.name
                if entry.is_file(follow_symlinks=False):
                    here.add(name)
                    if not rel:
                        tree.top[name] = "file"
                    self._module(prefix + name, name)
                elif entry.is_dir(follow_symlinks=False):
                    if name != "__pycache__" and not (self.sources and _unreachable(f"{path}/{name}", name)):
                        tree.folders.add(prefix + name)
                        self.stack.append((prefix + name, via_link))
                        if not rel:
                            tree.top[name] = "folder"
                else:
                    self._unknown(prefix + name, f"{path}/{name}", entry.stat(follow_symlinks=False), here, via_link)
        return here

    def _no_folder(self, rel: str, path: str) -> None:
        """Something else stands where a RECORD has a folder: a link to one, most often."""
        self.tree.folders.discard(rel)
        parent, _, name = rel.rpartition("/")
        here = self.tree.names.setdefault(parent, set())
        try:
            info = os.lstat(path)
        except (OSError, ValueError) as error:
            self.tree.problems.append((rel, str(unreadable(error))))
            return
        if stat.S_ISREG(info.st_mode):
            here.add(name)
        else:
            self._unknown(rel, path, info, here)

    def _module(self, rel: str, name: str) -> None:
        if name.endswith(".py"):
            if name != rel:
                self.tree.with_modules.add(rel.partition("/")[0])
        elif is_native(name):
            self.natives.add(rel)


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
