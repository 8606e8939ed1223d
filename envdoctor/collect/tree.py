"""One walk of a site folder: which files are there, and which differ in size from what RECORD says.

Read once, used by all collectors. What RECORD names is not asked for its type: the listing of a folder is compared with
the recorded names as sets, and only names that nobody recorded cost a call of their own.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from envdoctor.collect import compiled, watch
from envdoctor.collect import files as fs
from envdoctor.collect.files import unreadable
from envdoctor.collect.records import MAX_PATH, NATIVE_SUFFIXES, NOT_IMPORTED, Recorded, is_native

if TYPE_CHECKING:
    from envdoctor.snapshot import Site

MAX_FILES = 3_000_000
"""Files after which a walk stops; no real environment comes near."""
MAX_LINKED = 200_000
"""Files listed below linked folders, all together."""
MEASURED = 20_000
"""Modules whose size is compared without ``--deep``: all of an ordinary environment, in larger ones those nearest to the top."""
FEW = 20
"""Questions for what is below a folder that the compiled table answers by going through all its rows."""
Measured = tuple[list[tuple[str, str]], list[str], dict[str, int]]
"""Metadata folder and path of what cannot be measured; which of that is no plain file; paths of another size than recorded."""
_ENDINGS = frozenset(suffix[-3:] for suffix in NATIVE_SUFFIXES)


class Paths(Protocol):
    """As much of a set of paths as the compiled table has, too."""

    def __contains__(self, path: object, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def update(self, paths: Iterable[str], /) -> None: ...
    def difference_update(self, paths: Iterable[str], /) -> None: ...


class Tree(msgspec.Struct):
    """What stands below one folder. Paths are relative, with ``/``, as the file system gives them (surrogates kept).

    ``__pycache__`` folders are not entered. Links to folders are entered once; what is below them counts as files, too.
    """

    root: str
    files: Paths = msgspec.field(default_factory=set[str])
    """All files."""
    folders: set[str] = msgspec.field(default_factory=set)
    known: set[str] = msgspec.field(default_factory=set)
    """Every folder ('' for the root) whose files are in ``files``: it was listed, or nothing came or went since its RECORD."""
    natives: list[str] = msgspec.field(default_factory=list)
    unrecorded: list[str] = msgspec.field(default_factory=list)
    """Modules (.py) that no RECORD names."""
    links: set[str] = msgspec.field(default_factory=set)
    """Symbolic links that no RECORD names, to files or folders or nowhere."""
    broken: set[str] = msgspec.field(default_factory=set)
    """Links that lead nowhere; not in ``files``."""
    special: set[str] = msgspec.field(default_factory=set)
    """FIFOs, sockets, devices; not in ``files``."""
    with_modules: set[str] = msgspec.field(default_factory=set)
    """Top-level folders with a .py file or extension module at any depth."""
    problems: list[tuple[str, str]] = msgspec.field(default_factory=list)
    """Relative folder and reason, where a folder could not be listed."""
    top: dict[str, str] = msgspec.field(default_factory=dict)
    """Top-level names with their type: file, folder, link, broken-link, other."""
    different: dict[str, int] = msgspec.field(default_factory=dict)
    """Size in bytes of ``.py`` and native files for which some RECORD has another one."""
    measured_depth: int | None = None
    """Folders down to which modules were measured; None where all were."""
    absent: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """Metadata folder to recorded paths that a known folder lacks."""
    compiled: set[str] = msgspec.field(default_factory=set)
    """Folders that have, or by RECORD should have, a ``__pycache__``."""
    _by_top: dict[str, list[str]] = msgspec.field(default_factory=dict)
    _asked: int = 0

    def path(self, rel: str) -> str:
        """Absolute path of a relative one."""
        return f"{self.root}/{rel}"

    def has_package(self, rel: str) -> bool:
        """A regular package (folder with ``__init__.py`` or a compiled ``__init__``) stands at `rel`."""
        return f"{rel}/__init__.py" in self.files or f"{rel}/__init__.pyc" in self.files

    def below(self, rel: str) -> Iterable[str]:
        """Files below a relative folder."""
        if not isinstance(self.files, set) and self._asked < FEW:
            self._asked += 1
            start = rel + "/"
            table: Any = self.files
            return [*table.below(rel), *(path for path in table.extra if path.startswith(start))]
        if not self._by_top:
            for path in self.files:
                self._by_top.setdefault(path.partition("/")[0], []).append(path)
        start = rel + "/"
        return (path for path in self._by_top.get(rel.partition("/")[0], ()) if path.startswith(start))

    def note(self) -> None:
        """Notes in the watch that is on what the walk depends on: every folder, native files, where links lead.

        Sizes of modules are left out, and a ``__pycache__`` is in instead: it changes when an edited module is next run.
        """
        if watch.active is None:
            return
        folders = [self.path(rel) if rel else self.root for rel in (*self.known, *(rel for rel, _ in self.problems))]
        folders += [f"{self.path(rel) if rel else self.root}/__pycache__" for rel in self.compiled]
        watch.active.states.update(dict.fromkeys(sorted(folders)))
        watch.active.states.update(dict.fromkeys(map(self.path, self.natives)))
        for rel in self.links:
            fs.exists(self.path(rel))
            watch.active.ask("node", self.path(rel))


def walk(root: str, recorded: Recorded | None = None, *, sources: bool = False, deep: bool = False) -> Tree:
    """The tree below `root`. Never raises for what it finds; a root that cannot be listed is a problem with path ''.

    `recorded` holds the RECORDs of `root`. With `sources`, `root` is a folder that a .pth file or PYTHONPATH names, often a
    whole project: hidden folders, ``node_modules`` and environments in it (``.venv``) are not entered, because no import
    reaches them.
    """
    return begin(root, recorded, sources=sources, deep=deep)()


def begin(root: str, recorded: Recorded | None = None, *, sources: bool = False, deep: bool = False) -> Callable[[], Tree]:
    """As :func:`walk`, in two steps: what is to be asked of the file system for the largest part goes on in a thread, where
    that is possible, until the tree is asked for."""
    recorded = compiled.fresh(root, recorded) if recorded is not None else Recorded()
    walker = (_Walker if recorded.index is None else _Compiled)(root, recorded, sources, deep)
    walker.begin()

    def finish() -> Tree:
        walker.finish()
        walker.tree.note()
        return walker.tree

    return finish


class Outline:
    """As much of a walked folder as can be asked without walking it: for collectors that ask little, most of it at the top."""

    def __init__(self, site: Site, root: str, tree: Callable[[], Tree | None]) -> None:
        self.root = root
        self.top: dict[str, str] = {entry.name: entry.type for entry in site.entries}
        """Top-level names, as text, with their type."""
        self._tree = tree

    @property
    def files(self) -> Outline:
        """The files, by relative path."""
        return self

    def __contains__(self, path: object) -> bool:
        return fs.is_file(self.path(str(path)))

    def __iter__(self) -> Iterator[str]:
        """All files: walks the folder."""
        tree = self._tree()
        return iter(tree.files if tree is not None else ())

    def path(self, rel: str) -> str:
        """Absolute path of a relative one."""
        return f"{self.root}/{rel}"

    def has_package(self, rel: str) -> bool:
        """As of :class:`Tree`."""
        return f"{rel}/__init__.py" in self or f"{rel}/__init__.pyc" in self


class _Walker:
    """One walk."""

    def __init__(self, root: str, recorded: Recorded, sources: bool, deep: bool) -> None:
        self.tree = Tree(root)
        self.recorded, self.sources = recorded, sources
        self.stack: list[tuple[str, bool]] = [("", False)]
        self.seen: set[tuple[int, int]] = set()
        self.linked = 0
        self.natives: set[str] = set()
        self.since: dict[str, int] = {}
        """When the first RECORD that speaks of a folder, or of one below it, was written; 0 where one of them does not tell."""
        self.by_descriptor = os.scandir in os.supports_fd and os.stat in os.supports_dir_fd
        self.trusted = recorded.untouched if self.by_descriptor and not deep else {}
        self.lost: set[str] = set()
        self.listed: set[str] = set()
        self.depth = 1 << 20 if deep else self._depth()
        self.flags = os.O_RDONLY
        for flag in ("O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC"):
            self.flags |= getattr(os, flag, 0)
        self.base = -1

    def begin(self) -> None:
        """What can be done before somebody waits for the tree."""

    def finish(self) -> None:
        """Fills the tree."""
        try:
            self._fill()
        except OSError as error:
            self.tree.problems.append(("", str(unreadable(error))))
        finally:
            if self.base >= 0:
                os.close(self.base)
        tree = self.tree
        tree.natives = sorted(self.natives)
        tree.with_modules.update(path.partition("/")[0] for path in tree.natives if "/" in path)

    def _fill(self) -> None:
        self._expect()
        if self.by_descriptor:
            self.base = os.open(self.tree.root, self.flags)
        if self.trusted:
            wanted = self._assume()
            self._changed()
            self._walk()
            self._correct(_sizes(self.base, wanted))
        else:
            self._walk()

    def _expect(self) -> None:
        """Orders the recorded folders: which stand in which, and since when nothing may have come or gone in them."""
        since = self.since
        for time, info in sorted((self.trusted.get(info, 0), info) for info in self.recorded.rows):
            for folder in self.recorded.rows[info].folders:
                if folder.startswith(("..", "./", "/")) or len(folder) > MAX_PATH:
                    continue  # no listing comes there
                if folder.endswith("__pycache__"):
                    folder = folder.rpartition("/")[0]
                    self.tree.compiled.add(folder)
                while folder and folder not in since:
                    since[folder] = time
                    folder = folder.rpartition("/")[0]

    def _depth(self) -> int:
        """How many folders down modules are measured."""
        if sum(len(rows.paths) for rows in self.recorded.rows.values()) <= MEASURED:
            return 1 << 20
        at = Counter(
            path.count("/")
            for rows in self.recorded.rows.values()
            for path in rows.paths
            if path.endswith(".py") and path[0] != "."
        )
        return self._limit([at[depth] for depth in range(max(at, default=0) + 1)])

    def _limit(self, modules: list[int]) -> int:
        """The same, of the number of modules at each depth."""
        total = 0
        for depth, count in enumerate(modules):
            total += count
            if count and depth > 1 and total > MEASURED:
                self.tree.measured_depth = depth - 1
                return depth - 1
        return 1 << 20

    def _assume(self) -> list[tuple[str, str, str]]:
        """Takes the files of untouched RECORDs for present. What is to be measured: metadata folder, path, size as recorded."""
        tree, depth = self.tree, self.depth
        tree.files = set(self.recorded.sure)
        wanted: list[tuple[str, str, str]] = []
        for info in self.trusted:
            rows = self.recorded.rows[info]
            for path, size in zip(rows.paths, rows.sizes, strict=True):
                ending = path[-3:]
                if ending == ".py":
                    if path.count("/") <= depth and ("test" not in path or _measured(path.rpartition("/")[0])):
                        wanted.append((info, path, size))
                elif (ending in _ENDINGS or ".so." in path) and is_native(path.rpartition("/")[2]):
                    self.natives.add(path)
                    wanted.append((info, path, size))
            heads = {folder.partition("/")[0] for folder in rows.folders}
            for head in heads:
                if head.isidentifier() and head not in tree.with_modules:
                    start = head + "/"
                    if any(path.startswith(start) and path.endswith(".py") for path in rows.paths):
                        tree.with_modules.add(head)
        return wanted

    def _changed(self) -> None:
        """Sorts the folders of untouched RECORDs: known ones, in which nothing came or went since, and those to be listed."""
        ask, base, known = os.stat, self.base, self.tree.known
        changed = []
        for rel, time in self.since.items():
            if time:
                try:
                    info = ask(rel, dir_fd=base, follow_symlinks=False)
                except (OSError, ValueError):
                    continue
                if info.st_ctime_ns < time and info.st_mode & 0o170000 == 0o040000:
                    known.add(rel)
                else:
                    changed.append(rel)
        self._to_list(changed)

    def _to_list(self, changed: list[str]) -> None:
        """Puts folders in which something came or went on the stack."""
        known = self.tree.known
        self.tree.folders |= known
        # The listing of a folder finds those below it; one below a known folder has none to find it.
        self.stack += [(rel, False) for rel in changed if rel.rpartition("/")[0] in known]
        self.tree.folders.update(rel for rel, _ in self.stack if rel)

    def _correct(self, measured: Measured) -> None:
        """Takes out what untouched RECORDs say of folders that are not there, and what could not be measured."""
        tree = self.tree
        lost, special, different = measured
        tree.different |= different
        tree.special.update(special)
        for info, path in lost:
            if path in tree.files and path.rpartition("/")[0] in self.listed and path not in tree.special:
                tree.broken.add(path)  # the listing has it, and nothing can be asked of it
            tree.absent.setdefault(info, []).append(path)
            self.lost.add(path)
        tree.files.difference_update(self.lost)
        self._forget()
        self.natives = {path for path in self.natives if path in tree.files}

    def _forget(self) -> None:
        """Takes out what untouched RECORDs say of folders that nobody could list."""
        tree = self.tree
        for info in self.trusted:
            for folder in self.recorded.rows[info].folders - tree.known:
                if folder in self.since:
                    tree.files.difference_update(f"{folder}/{name}" for name in self.recorded.groups(folder)[info])

    def _expected(self, rel: str) -> bool:
        """Some RECORD has something in that folder or below it."""
        return rel in self.since

    def _walk(self) -> None:
        while self.stack and self._enter(*self.stack.pop()):
            pass

    def _enter(self, rel: str, via_link: bool) -> bool:
        """Opens a folder, and lists it; false when that was one too many."""
        tree = self.tree
        if len(tree.files) > MAX_FILES or self.linked > MAX_LINKED:
            tree.problems.append((rel, "too many files; the rest was not listed"))
            return False
        if rel in tree.known and not via_link:
            return True
        path = f"{tree.root}/{rel}" if rel else tree.root
        follow = via_link or not rel
        descriptor = -1
        try:
            if self.by_descriptor:
                descriptor = os.open(path, self.flags if follow else self.flags | os.O_NOFOLLOW)
            elif not follow and os.path.islink(path):
                raise OSError(errno.ELOOP, "link")
            count = self._list(rel, path, descriptor, via_link)
            tree.known.add(rel)
            self.listed.add(rel)
            self.linked += count if via_link else 0
        except (OSError, ValueError) as error:
            if self._expected(rel) and isinstance(error, OSError) and error.errno == errno.ENOENT:
                tree.folders.discard(rel)
            elif self._expected(rel) and isinstance(error, OSError) and error.errno in (errno.ELOOP, errno.ENOTDIR):
                self._no_folder(rel, path)
            else:
                tree.problems.append((rel, str(unreadable(error))))
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return True

    def _list(self, rel: str, path: str, descriptor: int, via_link: bool) -> int:
        """Lists a folder and takes in its files; how many they are."""
        groups = self.recorded.groups(rel)
        if rel and groups:
            here = self._compare(rel, path, descriptor, groups, via_link)
        else:
            here = self._scan(rel, path, descriptor, via_link)
            if groups:
                self._judge(rel, path, descriptor, groups, here)
        prefix = f"{rel}/" if rel else ""
        self.tree.files.update([prefix + name for name in here])
        return len(here)

    def _compare(self, rel: str, path: str, descriptor: int, groups: dict[str, dict[str, str]], via_link: bool) -> set[str]:
        """Lists a folder that RECORDs speak of; what they name is taken for a file, the rest is looked at."""
        here = set(os.listdir(descriptor if descriptor >= 0 else path))
        if len(groups) == 1:
            (known,) = groups.values()
        else:
            known = {}
            for names in groups.values():
                known.update(names)
        self._look(rel, path, descriptor, here.difference(known), here, via_link)
        self._judge(rel, path, descriptor, groups, here)
        return here

    def _look(self, rel: str, path: str, descriptor: int, names: Iterable[str], here: set[str], via_link: bool) -> None:
        """Looks at `names` in a folder that no RECORD has; those that are no files are taken from `here`."""
        for name in names:
            if name == "__pycache__":
                here.discard(name)
                self.tree.compiled.add(rel)
                continue
            below = f"{rel}/{name}"
            if self._expected(below):
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

    def _judge(self, rel: str, path: str, descriptor: int, groups: dict[str, dict[str, str]], here: set[str]) -> None:
        """Notes recorded names that are not here, and modules and native files of another size."""
        ask = os.stat
        prefix = f"{rel}/" if rel else ""
        for info, names in groups.items():
            if info in self.trusted:
                self._judge_known(info, prefix, names, here)
                continue
            measure = modules = None
            for name, size in names.items():
                ending = name[-3:]
                if ending == ".py":
                    if name not in here:
                        continue
                    if measure is None:
                        modules = True
                        measure = rel.count("/") < self.depth and _measured(rel)
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
                self.tree.absent.setdefault(info, []).extend(prefix + name for name in names if name not in here)

    def _judge_known(self, info: str, prefix: str, names: dict[str, str], here: set[str]) -> None:
        """The same for an untouched RECORD, whose files are already measured and taken for present."""
        gone = [prefix + name for name in names if name not in here]
        if gone:
            self.tree.absent.setdefault(info, []).extend(gone)
            self.lost.update(gone)

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
                    if name == "__pycache__":
                        tree.compiled.add(rel)
                    elif not (self.sources and _unreachable(f"{path}/{name}", name)):
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
        try:
            info = os.lstat(path)
        except (OSError, ValueError) as error:
            self.tree.problems.append((rel, str(unreadable(error))))
            return
        here: set[str] = {name} if stat.S_ISREG(info.st_mode) else set()
        if not here:
            self._unknown(rel, path, info, here)
        self.tree.files.update(f"{parent}/{name}" if parent else name for name in here)

    def _module(self, rel: str, name: str) -> None:
        if name.endswith(".py"):
            self.tree.unrecorded.append(rel)
            if name != rel:
                self.tree.with_modules.add(rel.partition("/")[0])
        elif is_native(name):
            self.natives.add(rel)


class _Compiled(_Walker):
    """The same by the compiled table, which knows rows and which of them are there."""

    def __init__(self, root: str, recorded: Recorded, sources: bool, deep: bool) -> None:
        self.index = recorded.index
        self.survey: compiled.Background | None = None
        self.measure: compiled.Background | None = None
        super().__init__(root, recorded, sources, deep)
        if self.by_descriptor:
            self.tree.files = self.index

    def begin(self) -> None:
        compiled.expect(self.recorded, self.trusted)
        if not self.trusted:
            return
        try:
            self.base = os.open(self.tree.root, self.flags)
        except OSError:
            return  # _fill says so
        self.natives, heads = self.index.assume()
        self.tree.with_modules.update(filter(str.isidentifier, heads))
        self.survey = compiled.Background(lambda: self.index.survey(self.base, self.depth))
        self.measure = compiled.Background(lambda: self.index.measure(self.base, self.depth))

    def _fill(self) -> None:
        if self.base < 0:
            self.base = os.open(self.tree.root, self.flags)
        if self.survey is None or self.measure is None:
            self._walk()
            return
        known, changed, (listed, entered, left, *found) = self.survey.result()
        self.tree.known.update(known)
        self._to_list(changed)
        self._swept(listed, entered, found)
        self.stack += [(rel, False) for rel in left if "/" in rel]
        self._walk()
        lost, special, different = self.measure.result()
        self._correct((lost, special, different))

    def _depth(self) -> int:
        total, depths = self.index.depths()
        return self._limit(depths) if total > MEASURED else 1 << 20

    def _forget(self) -> None:
        self.index.forget()

    def _expected(self, rel: str) -> bool:
        return self.index.expects(rel)  # type: ignore[no-any-return]

    def _walk(self) -> None:
        go_on = True
        while self.stack and go_on:
            rest, swept = [], []
            for rel, via_link in self.stack:
                if rel and not via_link and self.index.speaks(rel):
                    swept.append(rel)
                else:
                    rest.append((rel, via_link))
            self.stack = []
            if swept:
                listed, entered, left, *found = self.index.sweep(self.base, self.depth, swept)
                self._swept(listed, entered, found)
                rest += [(rel, False) for rel in left]
            go_on = all(self._enter(*item) for item in rest)
        if watch.active is not None:
            self.tree.compiled.update(self.index.compiled())

    def _swept(self, listed: list[str], entered: list[str], found: list[Any]) -> None:
        """Takes in what the table says of folders that it listed."""
        self.tree.known.update(listed)
        self.tree.folders.update(entered)
        self.listed.update(listed)
        self._take(found)

    def _take(self, found: list[Any]) -> set[str]:
        """Takes in what the table says of a folder; what is listed and cannot be read."""
        gone, natives, broken, special, different, heads = found
        tree = self.tree
        for info, path in gone:
            tree.absent.setdefault(info, []).append(path)
            if info in self.trusted:
                self.lost.add(path)
        self.natives.update(natives)
        tree.broken.update(broken)
        tree.special.update(special)
        tree.different.update(different)
        tree.with_modules.update(filter(None, heads))
        return {path.rpartition("/")[2] for path in (*broken, *special)}

    def _list(self, rel: str, path: str, descriptor: int, via_link: bool) -> int:
        if rel and self.index.speaks(rel):
            here = set(os.listdir(descriptor))
            names = here.difference(*self.recorded.groups(rel).values())
            self._look(rel, path, descriptor, names, here, via_link)
        else:
            here = self._scan(rel, path, descriptor, via_link)
        _, _, _, *found = self.index.judge(rel, descriptor, self.depth, here)
        here -= self._take(found)
        prefix = f"{rel}/" if rel else ""
        self.tree.files.update([prefix + name for name in here])
        self.index.know(rel)
        return len(here)


def _sizes(base: int, wanted: list[tuple[str, str, str]]) -> Measured:
    """Asks files for their size: `wanted` has metadata folder, path below the open folder `base`, and size as recorded."""
    ask = os.stat
    lost: list[tuple[str, str]] = []
    special: list[str] = []
    different: dict[str, int] = {}
    for info, path, size in wanted:
        try:
            found = ask(path, dir_fd=base)
        except (OSError, ValueError):
            lost.append((info, path))
            continue
        if str(found.st_size) != size:
            if found.st_mode & 0o170000 != 0o100000:
                lost.append((info, path))
                special.append(path)
            elif size:
                different[path] = found.st_size
    return lost, special, different


def _measured(folder: str) -> bool:
    """An import may load modules of that folder."""
    return NOT_IMPORTED.isdisjoint(folder.split("/"))


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
