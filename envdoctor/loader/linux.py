"""ld.so of glibc and of musl, after their sources (glibc ``elf/dl-load.c``, ``elf/dl-deps.c``, ``elf/dl-version.c``; musl
``ldso/dynlink.c``). Pure, no IO.

glibc: a need without a slash is first compared with the names and sonames of what is loaded. Then it is searched in the
DT_RPATH of the file that asks and of those that brought it in, up to the module that Python opens, and of the program, all
this only where the file has no DT_RUNPATH; in LD_LIBRARY_PATH; in the file's own DT_RUNPATH; in the cache; in the default
folders. A file with DT_RUNPATH has no DT_RPATH for anybody. What a file's own caller (libpython) says does not count for a
module that it opens: the loader forgets the caller after the search. A candidate of another class or machine is passed over;
one that is no ELF file at all ends the search with an error.

musl: names of the C library itself are always there. LD_LIBRARY_PATH comes first, then DT_RUNPATH or else DT_RPATH of the
file and of all that brought it in, the program included, then the system's folders. The first file of the name is taken,
whatever it is; sonames do not count, symbol versions are not checked.

Each file is looked at once for each set of inherited folders, and each root is then followed by names alone.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from envdoctor.loader import roots
from envdoctor.loader.model import Loaded, Loads, Missing, Root, VersionProblem, base_name, folder_of, normal, unique
from envdoctor.natives import describe, names_of
from envdoctor.platforms import interpreter_libc, is_foreign, numbers
from envdoctor.snapshot import NativeFile, Slice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envdoctor.view import View

_MUSL_OWN = ("libc.", "libpthread.", "librt.", "libm.", "libdl.", "libutil.", "libxnet.")
"""Beginnings of the names that musl's loader answers with itself."""
_GLIBC_OWN = frozenset(
    [
        "libc.so.6",
        "libm.so.6",
        "libdl.so.2",
        "librt.so.1",
        "libpthread.so.0",
        "libutil.so.1",
        "libresolv.so.2",
        "libnsl.so.1",
        "libanl.so.1",
        "libmvec.so.1",
        "libcrypt.so.1",
        "libthread_db.so.1",
        "libBrokenLocale.so.1",
        "ld-linux-x86-64.so.2",
        "ld-linux-aarch64.so.1",
        "ld-linux.so.2",
        "ld-linux-armhf.so.3",
        "ld64.so.1",
        "ld64.so.2",
        "ld-linux-riscv64-lp64d.so.1",
        "ld-linux-loongarch-lp64d.so.1",
    ]
)
"""Libraries that are parts of glibc; libcrypt is one up to 2.37."""
_LEVELS = ("x86-64-v4", "x86-64-v3", "x86-64-v2")
_HWCAPS = "/glibc-hwcaps/"
_NOTHING: tuple[str, ...] = ()


class _Context:
    """Where a file's needs are searched, and what came of it so far."""

    __slots__ = ("answers", "before", "runpath", "system")

    def __init__(self, before: tuple[str, ...], runpath: tuple[str, ...], system: bool) -> None:
        self.before = before
        """Folders that come before LD_LIBRARY_PATH."""
        self.runpath = runpath
        """Folders that come after it."""
        self.system = system
        """The system's cache and default folders are searched, too."""
        self.answers: dict[str, _Answer] = {}


class _Answer:
    """What a search came to: a file, or none, and what was in the way."""

    __slots__ = ("node", "passed")

    def __init__(self, node: _Node | None, passed: tuple[tuple[str, str], ...] = ()) -> None:
        self.node = node
        self.passed = passed


class _Node:
    """A file that can be loaded, with its folders expanded."""

    __slots__ = ("definitions", "edges", "file", "key", "needs", "part", "path", "rpath", "runpath", "soname")

    def __init__(self, path: str, file: NativeFile, part: Slice) -> None:
        self.path = path
        self.file = file
        self.part = part
        self.key = file.real or path
        self.needs = part.needed
        self.soname = part.soname
        self.rpath: tuple[str, ...] = ()
        self.runpath: tuple[str, ...] = ()
        self.edges: dict[tuple[str, ...], _Edges] = {}
        """By what it inherits."""
        self.definitions: frozenset[str] | None = None


class _Edges:
    """What a file's needs lead to when it inherits certain folders."""

    __slots__ = ("below", "context", "needs", "old")

    def __init__(
        self,
        context: _Context,
        below: tuple[str, ...],
        needs: tuple[tuple[str, _Node | None], ...],
        old: tuple[tuple[str, _Node | None, tuple[str, ...]], ...],
    ) -> None:
        self.context = context
        self.below = below
        """Folders that what it brings in inherits."""
        self.needs = needs
        """Names with the files that a search finds, those aside that the program has loaded."""
        self.old = old
        """Libraries that are found and the versions that they do not define."""


class _Plan:
    """What loading one root came to, for roots that differ from it in nothing but their own file."""

    __slots__ = ("edges", "items", "keys", "problems", "short")

    def __init__(
        self, edges: _Edges, items: list[_Item], keys: frozenset[str], problems: list[_Problem], short: list[_Short]
    ) -> None:
        place = {id(item): at for at, item in enumerate(items)}
        self.edges = edges
        self.keys = keys
        """Files that the walk has met besides the root."""
        self.items = [(item.node, item.name, place[id(item.by)], item.inherited) for item in items[1:]]
        """Files, the names that they were asked for by, places of those who asked, and what they inherit."""
        self.problems = [(place[id(item)], name) for _, item, name in problems]
        self.short = [(place[id(item)], name, node, versions) for _, item, name, node, versions in short]

    def follow(self, root: Root, node: _Node, problems: list[_Problem], short: list[_Short]) -> tuple[_Item, ...]:
        """The same for another root."""
        items = [_Item(node, root.path, None, ())]
        for found, name, by, inherited in self.items:
            items.append(_Item(found, name, items[by], inherited))
        problems += [(root, items[at], name) for at, name in self.problems]
        short += [(root, items[at], name, one, versions) for at, name, one, versions in self.short]
        return tuple(items)


class _Item(Loaded):
    """A node in one root's scope."""

    __slots__ = ("inherited", "node")

    def __init__(self, node: _Node, name: str, by: _Item | None, inherited: tuple[str, ...]) -> None:
        self.node = node
        self.path = node.path
        self.file = node.file
        self.part = node.part
        self.name = name
        self.by = by
        self.inherited = inherited
        """RPATH folders of the files that brought it in, nearest first."""


_Problem = tuple[Root, _Item, str]
"""A root, the file that asks, and the name that is found nowhere."""
_Short = tuple[Root, _Item, str, "_Node | None", tuple[str, ...]]
"""A root, the file that asks, the library's name, what is loaded for it, and the versions that it does not define."""


class LinuxLoads(Loads):
    """See the module's text."""

    def __init__(self, view: View) -> None:
        snapshot, machine = view.snapshot, view.machine
        self._view = view
        other = machine is not snapshot.machine
        libc = interpreter_libc(snapshot.interpreter) or (machine.libc or "").partition(" ")[0]
        self._musl = libc == "musl"
        self._libc_version = view.loading.profile.libc_version if libc == "glibc" else None
        self._fits = _Fits(view)
        self._index = files = _files_of(view)
        self._names = {path.rpartition("/")[2] for path in files}
        self._by_level = any(_HWCAPS in path for path in files)
        self._levels = tuple(level for level in _LEVELS if (machine.cpu.level or "") >= level)
        self._system: dict[str, list[NativeFile]] = {}
        for file in machine.libraries:
            self._system.setdefault(file.path.rpartition("/")[2], []).append(file)
        for candidates in self._system.values():
            candidates.sort(key=self._rank)
        self._system_folders = frozenset(machine.library_folders)
        self._env = tuple(
            normal(folder.path)
            for folder in snapshot.shell.library_folders
            if folder.variable == "LD_LIBRARY_PATH" and not folder.preload and (folder.of_target or not other)
        )
        self._preloads = tuple(
            folder.path
            for folder in snapshot.shell.library_folders
            if folder.variable == "LD_PRELOAD" and folder.preload and not other
        )
        self._sysroot = (snapshot.target.sysroot or "").rstrip("/")
        self._nodes: dict[str, _Node | None] = {}
        self._contexts: dict[tuple[tuple[str, ...], tuple[str, ...], bool], _Context] = {}
        self._alike: dict[tuple[int, tuple[str, ...], tuple[str, ...], tuple[str, ...]], _Edges] = {}
        self._plans: dict[int, _Plan | None] = {}
        """By the edges of a root; None for those that one root alone has so far."""
        self._expansions: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}
        self._scopes: dict[str, tuple[_Item, ...]] = {}
        self._problems: list[_Problem] = []
        self._unstarted: list[_Problem] = []
        self._short: list[_Short] = []
        self._lib = self._lib_token()
        self._platform = snapshot.interpreter.machine or machine.machine
        self._main: tuple[_Item, ...] = ()
        self._bringing: dict[str, list[tuple[Root, Loaded]]] = {}
        self._base: dict[str, _Node] = {}
        self._base_keys: frozenset[str] = frozenset()
        self._program_chain: tuple[str, ...] = ()
        self._start()
        found = roots.extensions(view, self._fits) + roots.stdlib(view, self._fits)
        super().__init__(reason=self._why_not())
        self.roots, self.files = found, files
        for root in found:
            self._scopes[root.path] = self._follow(root, self._problems, self._short)
        self.process = self._main
        if self.reason is None:
            self.missing_of_process = tuple(self._missing(self._unstarted))

    # ------------------------------------------------------------------------------------------------------- answers
    def scope(self, root: Root) -> tuple[Loaded, ...]:
        """See :meth:`Loads.scope`."""
        found = self._scopes.get(root.path)
        if found is None:
            found = self._scopes[root.path] = self._follow(root, [], [])
        return found

    def opens(self, name: str) -> bool | None:
        """``dlopen`` as ctypes calls it: ``_ctypes`` asks, with its own paths. What any module brings under that name counts."""
        if self.reason is not None:
            return None
        if name in self._base or any(name in names_of(file) for file in self._view.snapshot.natives):
            return True
        asker = next((self._node(root.path) for root in self.roots if root.kind == "stdlib" and root.module == "_ctypes"), None)
        context = self._edges_of(asker, ()).context if asker is not None else self._context_of(self._program_chain, (), True)
        return self._search(name, context).node is not None

    def bringing(self, names: frozenset[str]) -> dict[str, list[tuple[Root, Loaded]]]:
        """See :meth:`Loads.bringing`."""
        new = names - self._bringing.keys()
        if new:
            self._bringing.update((name, []) for name in new)
            # musl knows a library by the name that a search found it under, a root by its path alone
            sonames = not self._musl
            for root in self.roots:
                for item in self.scope(root):
                    soname = item.part.soname if sonames else None
                    if item.name in new:
                        self._bringing[item.name].append((root, item))
                    if soname in new and soname != item.name:
                        self._bringing[soname or ""].append((root, item))
        return {name: self._bringing[name] for name in names}

    @cached_property
    def orphans(self) -> tuple[Root, ...]:
        """See :attr:`Loads.orphans`."""
        reached = {item.node.path for items in self._scopes.values() for item in items}
        reached |= {item.node.path for item in self._main}
        other = "glibc" if self._musl else "musl"
        return tuple(
            root
            for root in roots.orphans(self._view, self._fits, reached)
            # payloads for systems with the other C library fit by their headers alone
            if root.part.libc != other and (self._musl or "libc.so" not in root.part.needed)
        )

    @cached_property
    def missing(self) -> tuple[Missing, ...]:
        """See :attr:`Loads.missing`."""
        return () if self.reason else tuple(self._missing(self._problems))

    @cached_property
    def missing_of_orphans(self) -> tuple[Missing, ...]:
        """See :attr:`Loads.missing_of_orphans`."""
        return () if self.reason else tuple(self._missing(self._of_orphans[0]))

    @cached_property
    def _of_orphans(self) -> tuple[list[_Problem], list[_Short]]:
        """What is missing and what is too old for libraries that no root brings in."""
        problems: list[_Problem] = []
        short: list[_Short] = []
        for root in self._troubled(self.orphans):
            self._scopes[root.path] = self._follow(root, problems, short)
        return problems, short

    def _troubled(self, found: tuple[Root, ...]) -> list[Root]:
        """Those of the roots that, names aside that are loaded before, lead to a need which a search does not meet."""
        starts: list[tuple[Root, int]] = []
        numbers: dict[int, int] = {}
        states: list[_Edges] = []
        users: list[list[int]] = []

        def number(edges: _Edges) -> int:
            known = numbers.get(id(edges))
            if known is None:
                known = numbers[id(edges)] = len(states)
                states.append(edges)
                users.append([])
            return known

        for root in found:
            node = self._node(root.path)
            if node is not None:
                starts.append((root, number(self._edges_of(node, ()))))
        bad: list[int] = []
        for at, edges in enumerate(states):
            whole = not edges.old
            below = edges.below
            for _, other in edges.needs:
                if other is None:
                    whole = False
                    continue
                next_edges = other.edges.get(below) or self._edges_of(other, below)
                place = numbers.get(id(next_edges))
                users[number(next_edges) if place is None else place].append(at)
            if not whole:
                bad.append(at)
        seen = set(bad)
        for at in bad:
            for user in users[at]:
                if user not in seen:
                    seen.add(user)
                    bad.append(user)
        return [root for root, at in starts if at in seen]

    @cached_property
    def version_problems(self) -> tuple[VersionProblem, ...]:
        """See :attr:`Loads.version_problems`."""
        return tuple(self._too_old(self._short))

    @cached_property
    def version_problems_of_orphans(self) -> tuple[VersionProblem, ...]:
        """See :attr:`Loads.version_problems_of_orphans`."""
        return tuple(self._too_old(self._of_orphans[1]))

    def _too_old(self, short: list[_Short]) -> Iterator[VersionProblem]:
        return (
            VersionProblem(
                library=name,
                versions=tuple(sorted(versions)),
                found=node.path if node is not None else None,
                asker=item,
                root=root,
            )
            for root, item, name, node, versions in short
        )

    def _missing(self, problems: list[_Problem]) -> Iterator[Missing]:
        for root, item, name in problems:
            context = self._edges_of(item.node, item.inherited).context
            folders = unique((*context.before, *self._env, *context.runpath))
            yield Missing(
                name=name,
                asker=item,
                root=root,
                searched=folders if "/" not in name else (),
                passed=context.answers[name].passed if name in context.answers else (),
                elsewhere=self._elsewhere.get(base_name(name), ()),
            )

    @cached_property
    def _elsewhere(self) -> dict[str, tuple[str, ...]]:
        """Files of the site folders and of the target's other folders, by file name and soname."""
        found: dict[str, list[str]] = {}
        own = {file.path for files in self._system.values() for file in files}
        for path, file in self.files.items():
            if path in own:
                continue
            own_name = base_name(path)
            found.setdefault(own_name, []).append(path)
            for soname in {part.soname for part in file.slices} if file.slices else ():
                if soname and soname != own_name:
                    found.setdefault(soname, []).append(path)
        return {name: tuple(sorted(paths)) for name, paths in found.items()}

    # ------------------------------------------------------------------------------------------------------- process
    def _why_not(self) -> str | None:
        """Why nothing can be said about what is missing."""
        view, machine = self._view, self._view.machine
        if is_foreign(view.snapshot, machine) and not machine.libraries:
            return "the target belongs to another computer, whose libraries are not known"
        own = (machine.libc or "").partition(" ")[0]
        if own and own != ("musl" if self._musl else "glibc") and not any(x.startswith(self._libc) for x in machine.libcs):
            return f"the interpreter needs {self._libc}, the machine has {own}"
        if not machine.libraries:
            return "which libraries the machine has is not recorded"
        if machine is not view.snapshot.machine and not machine.all_libraries:
            return "only some of the machine's libraries are recorded"
        return None

    @property
    def _libc(self) -> str:
        return "musl" if self._musl else "glibc"

    def _lib_token(self) -> str:
        """What ``$LIB`` stands for: the folder of the C library below ``/`` or ``/usr``."""
        for file in self._system.get("libc.so.6", ()):
            if self._fits(file) is not None:
                return folder_of(file.path).removeprefix(self._sysroot).strip("/").removeprefix("usr/")
        return "lib"

    def _start(self) -> None:
        """The program itself, what LD_PRELOAD names, and their needs."""
        binary = self._view.snapshot.interpreter.binary
        part = self._fits(binary) if binary is not None else None
        items: list[_Item] = []
        keys: dict[str, _Node] = {}
        if binary is not None and part is not None:
            program = self._expanded(binary.path, binary, part)
            items.append(_Item(program, binary.path, None, ()))
            keys[program.key] = program
            self._program_chain = (program.runpath or program.rpath) if self._musl else program.rpath
            self._base[binary.path] = program
        for path in self._preloads:
            node = self._node(normal(path)) if "/" in path else self._search(path, self._context_of((), (), True)).node
            if node is not None and node.key not in keys:
                items.append(_Item(node, path, None, ()))
                keys[node.key] = node
                self._base[path] = node
                if node.soname and not self._musl:
                    self._base.setdefault(node.soname, node)
        root = Root("", binary, part, "library", "") if binary is not None and part is not None else None
        self._walk(root, items, self._base, keys, frozenset(), self._unstarted, [])
        for item in items:
            item.node.edges.clear()  # made while the program's names were not complete
        self._alike.clear()
        self._main = tuple(items)
        self._base_keys = frozenset(keys)

    # -------------------------------------------------------------------------------------------------------- search
    def _rank(self, file: NativeFile) -> int:
        """Candidates of the cache: those for newer processors first, the rest in the order of the cache."""
        if _HWCAPS in file.path:
            level = file.path.partition(_HWCAPS)[2].partition("/")[0]
            return _LEVELS.index(level) if level in self._levels else 99
        return 50

    def _expanded(self, path: str, file: NativeFile, part: Slice) -> _Node:
        node = _Node(path, file, part)
        if part.rpath or part.runpath:
            origin = folder_of(path)
            node.runpath = self._folders(part.runpath, origin)
            node.rpath = self._folders(part.rpath, origin) if not part.runpath else ()
        self._nodes[path] = node
        return node

    def _folders(self, entries: tuple[str, ...], origin: str) -> tuple[str, ...]:
        known = self._expansions.get((entries, origin))
        if known is None:
            known = self._expansions[entries, origin] = self._expand(entries, origin)
        return known

    def _expand(self, entries: tuple[str, ...], origin: str) -> tuple[str, ...]:
        found: list[str] = []
        for entry in entries:
            if "$" in entry:
                if self._musl and "$" in entry.replace("${ORIGIN}", "").replace("$ORIGIN", ""):
                    return ()
                folder = entry.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
                folder = folder.replace("${LIB}", self._lib).replace("$LIB", self._lib)
                folder = folder.replace("${PLATFORM}", self._platform).replace("$PLATFORM", self._platform)
                if not entry.startswith(("$ORIGIN", "${ORIGIN}")):
                    folder = self._sysroot + folder
            else:
                folder = self._sysroot + entry
            if folder.startswith("/"):
                found.append(normal(folder))
        return unique(found)

    def _node(self, path: str) -> _Node | None:
        """The file at `path`, None where none is known or it does not fit."""
        if path in self._nodes:
            return self._nodes[path]
        file = self._index.get(path)
        part = self._fits(file) if file is not None else None
        if file is None or part is None:
            self._nodes[path] = None
            return None
        return self._expanded(path, file, part)

    def _context_of(self, before: tuple[str, ...], runpath: tuple[str, ...], system: bool) -> _Context:
        key = (before, runpath, system)
        found = self._contexts.get(key)
        if found is None:
            found = self._contexts[key] = _Context(before, runpath, system)
        return found

    def _edges_of(self, node: _Node, inherited: tuple[str, ...]) -> _Edges:
        """What the needs of `node` lead to."""
        found = node.edges.get(inherited)
        if found is not None:
            return found
        # many files say the same, and those with equal headers share them
        key = (id(node.part), node.rpath, node.runpath, inherited)
        found = self._alike.get(key)
        if found is not None:
            node.edges[inherited] = found
            return found
        if self._musl:
            below = unique((*(node.runpath or node.rpath), *inherited))
            context = self._context_of(unique((*below, *self._program_chain)), (), True)
        else:
            below = unique((*node.rpath, *inherited)) if node.rpath else inherited
            before = () if node.part.runpath else unique((*below, *self._program_chain))
            context = self._context_of(before, node.runpath, not node.part.no_default_folders)
        needs: list[tuple[str, _Node | None]] = []
        loaded: dict[str, _Node | None] = {}
        for need in node.needs:
            if need in self._base:
                loaded[need] = self._base[need]
            elif not (self._musl and need.startswith(_MUSL_OWN)):
                if "/" in need:
                    answer = self._by_path(need, node)
                else:
                    known = context.answers.get(need)
                    answer = known if known is not None else self._search(need, context)
                    context.answers[need] = answer
                loaded[need] = answer.node
                needs.append((need, answer.node))
        old: list[tuple[str, _Node | None, tuple[str, ...]]] = []
        for library, versions in node.part.version_needs.items() if not self._musl else ():
            one = loaded.get(library) or self._base.get(library)
            lacking = self._lacking(library, versions, one)
            if lacking:
                old.append((library, one, lacking))
        made = node.edges[inherited] = _Edges(context, below, tuple(needs), tuple(old))
        if not any("/" in need for need in node.needs):
            self._alike[key] = made
        return made

    def _search(self, name: str, context: _Context) -> _Answer:
        """The file that a need of that name leads to."""
        if name in self._names:
            folders = (*self._env, *context.before) if self._musl else (*context.before, *self._env, *context.runpath)
        else:
            folders = ()
        passed: list[tuple[str, str]] = []
        for folder in folders:
            for path in self._places(folder, name):
                file = self._index.get(path)
                if file is None:
                    continue
                node = self._node(path)
                if node is not None:
                    return _Answer(node, tuple(passed))
                passed.append((path, file.problem or describe(file)))
                if self._musl or (file.problem and not file.slices):
                    return _Answer(None, tuple(passed))
        for file in self._system.get(name, ()):
            if not context.system and folder_of(file.path) in self._system_folders:
                continue
            node = self._node(file.path)
            if node is not None:
                return _Answer(node, tuple(passed))
            passed.append((file.path, file.problem or describe(file)))
        return _Answer(None, tuple(passed))

    def _places(self, folder: str, name: str) -> Iterator[str]:
        if self._by_level and not self._musl:
            for level in self._levels:
                yield f"{folder}{_HWCAPS}{level}/{name}"
        yield f"{folder}/{name}"

    def _by_path(self, name: str, node: _Node) -> _Answer:
        """What a need with a slash leads to."""
        found = self._folders((name,), folder_of(node.path))
        if not found:
            return _Answer(None)
        wanted = self._node(found[0])
        file = self._index.get(found[0])
        return _Answer(wanted, ((found[0], file.problem or describe(file)),) if wanted is None and file is not None else ())

    # ---------------------------------------------------------------------------------------------------- one root
    def _follow(self, root: Root, problems: list[_Problem], short: list[_Short]) -> tuple[_Item, ...]:
        """What loading `root` maps."""
        node = self._node(root.path)
        if node is None:
            return ()
        named = node.soname is not None and node.soname != "" and not self._musl
        edges = self._edges_of(node, ())
        plan = self._plans.get(id(edges)) if not named else None
        if plan is not None and node.key not in plan.keys:
            return plan.follow(root, node, problems, short)
        items = [_Item(node, root.path, None, ())]
        names = dict(self._base)
        if named:
            names.setdefault(node.soname or "", node)
        own: tuple[list[_Problem], list[_Short]] = ([], [])
        self._walk(root, items, names, {node.key: node}, self._base_keys, *own)
        problems += own[0]
        short += own[1]
        if not named and plan is None and id(edges) not in self._plans:
            self._plans[id(edges)] = None
        elif not named and plan is None:
            met = (other for item in items for _, other in self._edges_of(item.node, item.inherited).needs)
            keys = frozenset(other.key for other in met if other is not None)
            if node.key not in keys:
                self._plans[id(edges)] = _Plan(edges, items, keys, *own)
        return tuple(items)

    def _walk(
        self,
        root: Root | None,
        items: list[_Item],
        names: dict[str, _Node],
        keys: dict[str, _Node],
        base: frozenset[str],
        problems: list[_Problem],
        short: list[_Short],
    ) -> None:
        """Appends to `items` what their needs bring in, breadth first; notes what is missing and whose versions are."""
        sonames = not self._musl
        others: list[tuple[_Item, str, _Node]] = []
        old: list[tuple[_Item, _Edges]] = []
        for item in items:
            edges = item.node.edges.get(item.inherited) or self._edges_of(item.node, item.inherited)
            if edges.old:
                old.append((item, edges))
            for need, found in edges.needs:
                loaded = names.get(need)
                if loaded is not None:
                    if loaded is not found:
                        others.append((item, need, loaded))
                elif found is None:
                    if root is not None:
                        problems.append((root, item, need))
                else:
                    known = keys.get(found.key)
                    names[need] = known or found
                    if known is None and found.key not in base:
                        if sonames and found.soname:
                            names.setdefault(found.soname, found)
                        keys[found.key] = found
                        items.append(_Item(found, need, item, edges.below))
        if root is None or not sonames:
            return
        for item, edges in old:
            for library, one, lacking in edges.old:
                if names.get(library) is one:
                    short.append((root, item, library, one, lacking))
        for item, need, loaded in others:
            versions = item.node.part.version_needs.get(need)
            lacking = self._lacking(need, versions, loaded) if versions else ()
            if lacking:
                short.append((root, item, need, loaded, lacking))

    def _lacking(self, library: str, versions: tuple[str, ...], loaded: _Node | None) -> tuple[str, ...]:
        """Those of `versions` that the loaded library does not define; nothing where it defines none at all."""
        if loaded is None:
            if library not in _GLIBC_OWN or self._libc_version is None or self._view.machine.libraries:
                return ()
            have = self._libc_version
            return tuple(v for v in versions if v.startswith("GLIBC_") and (numbers(v[6:]) or (0, 0)) > have)
        defined = loaded.definitions
        if defined is None:
            defined = loaded.definitions = frozenset(loaded.part.version_definitions)
        if not defined or defined.issuperset(versions):
            return ()
        return tuple(v for v in versions if v not in defined)


class _Fits:
    """The slice of a file that the interpreter's loader takes, None where it takes none."""

    def __init__(self, view: View) -> None:
        self.slice_fits = view.loading.slice_fits
        self.known = bool(view.loading.machines)
        self.memo: dict[tuple[str, int, bool], bool] = {}

    def __call__(self, file: NativeFile) -> Slice | None:
        if file.format != "elf" or not file.slices:
            return None
        part = file.slices[0]
        if not self.known:
            return part
        key = (part.machine, part.bits, part.little_endian)
        found = self.memo.get(key)
        if found is None:
            found = self.memo[key] = self.slice_fits(part)
        return part if found else None


def _files_of(view: View) -> dict[str, NativeFile]:
    """Every file that the loader may meet, by absolute path."""
    snapshot = view.snapshot
    files: dict[str, NativeFile] = {}
    folders = [f"{site.path}/" for site in snapshot.sites]
    for file in snapshot.natives:
        files[folders[file.folder] + file.path if file.folder >= 0 else file.path] = file
    for file in snapshot.libraries:
        files[file.path] = file
    for one in (snapshot.interpreter.binary, snapshot.interpreter.libpython):
        if one is not None:
            files.setdefault(one.path, one)
    for file in view.machine.libraries:
        files.setdefault(file.path, file)
    return files


def load(view: View) -> LinuxLoads:
    """The answers of ld.so for a view of a Linux target."""
    return LinuxLoads(view)
