"""Strong undefined symbols that nothing defines in the scope in which a file is loaded (LIB003, ARC004).

Python opens extension modules with RTLD_NOW, and so does ctypes: every strong undefined symbol that a relocation names must
be defined by the program, by what LD_PRELOAD adds, by libraries that were opened with RTLD_GLOBAL before, or by the opened
file and the closure of its needs. Libraries that a distribution has loaded before count where the opened file names them.
Symbols with a version are answered with that version (LIB002) and are not looked at here.

Without ``--deep`` files are trusted that are as an index or channel published them (a wheel that a build farm tagged, sizes
as recorded) and whose needs lead to their own distribution, to libraries with symbol versions and to the system's own: they
were linked together, and what they may take from the system is agreed upon. What was built here, what was changed, and what
needs a library of another distribution, of the prefix or of LD_LIBRARY_PATH is looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property

from envdoctor.collect import files, native
from envdoctor.collect.native.elf import Elf
from envdoctor.collect.native.relocations import bound
from envdoctor.collect.numpy_modules import published
from envdoctor.collect.scene import Scene
from envdoctor.collect.tree import Tree
from envdoctor.extensions import parse
from envdoctor.loader import Loaded, Loads, Missing, Root
from envdoctor.loader.model import base_name
from envdoctor.snapshot import NativeFile, UnresolvedSymbols, text
from envdoctor.view import View

MAX_NAMES = 20
"""Symbols that a fact lists."""
MAX_ROOTS = 6
"""Modules through which one library is looked at; it is fine if one of them brings all that it needs."""
MAX_LOOKUPS = 400_000
"""Names that are looked up without ``--deep``."""
MAX_OPEN = 48
MAX_SOURCES = 2000
MAX_SOURCE = 1 << 20

_GLOBAL_WORDS = (b"RTLD_GLOBAL", b"setdlopenflags")
_EVERY_PYTHON = frozenset([b"PyModule_Create2", b"PyModuleDef_Init", b"PyPyModule_Create2", b"PyPyModuleDef_Init"])
_RUNTIME = frozenset(["libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1", "libstdc++.so.6"])


class Member:
    """A file that is mapped, and how it stands to the one that asks."""

    __slots__ = ("file", "names", "of_target", "owner", "path", "plain")

    def __init__(self, path: str, file: NativeFile, plain: bool, of_target: bool) -> None:
        self.path, self.file = path, file
        self.plain = plain
        """It defines no symbol versions, so that nothing but its symbols tells whether it fits those who need it."""
        self.of_target = of_target
        """It stands in a site folder, or elsewhere in the target: the system's own libraries are taken as they are."""
        self.owner = (file.folder, file.owner)
        self.names = {base_name(path), *(part.soname for part in file.slices)}
        """Under which it is asked for."""


class Question:
    """One file whose symbols are looked up, and the scopes in which it is loaded."""

    __slots__ = ("file", "names", "path", "roots", "scopes")

    def __init__(self, path: str, file: NativeFile) -> None:
        self.path, self.file = path, file
        self.names: set[bytes] = set()
        self.scopes: list[tuple[Member, ...]] = []
        self.roots: list[Root] = []


def collect(scene: Scene, view: View, trees: Sequence[Tree | None]) -> tuple[UnresolvedSymbols, ...]:
    """Facts of all files with such symbols, sorted by path. Nothing where the loader's libraries are not known."""
    loads = view.loads
    if loads.reason is not None or not loads.roots:
        return ()
    if view.snapshot.target.system != "linux":
        from envdoctor.collect import foreign_symbols

        return foreign_symbols.collect(scene, view)
    return _Search(scene, view, loads, trees).run()


class _Search:
    """One run over all roots."""

    def __init__(self, scene: Scene, view: View, loads: Loads, trees: Sequence[Tree | None]) -> None:
        self.scene, self.view, self.loads, self.trees = scene, view, loads, trees
        self.members: dict[str, Member] = {}
        self.questions: dict[str, Question] = {}
        self.trusted: dict[str, bool] = {}
        self.dists = {(dist.site, dist.name): dist for dist in view.snapshot.distributions}
        self.own = tuple(_places(view))
        self.images = _Images()
        self.lookups = 0

    def run(self) -> tuple[UnresolvedSymbols, ...]:
        """All facts."""
        missing: dict[Root, list[Missing]] = {}
        for one in self.loads.missing:
            missing.setdefault(one.root, []).append(one)
        for root in self.loads.roots:
            if root.kind == "extension":
                self._root(root, missing.get(root, []))
        strangers = [root for root in self.loads.orphans if self._needs_others(root)]
        if strangers:
            lost: dict[Root, list[Missing]] = {}
            for one in self.loads.missing_of_orphans:
                lost.setdefault(one.root, []).append(one)
            for root in strangers:
                self._root(root, lost.get(root, []))
        try:
            return tuple(self._answers())
        finally:
            self.images.close()

    # --------------------------------------------------------------------------------------------------- what to ask
    def _root(self, root: Root, missing: list[Missing]) -> None:
        """Notes the files of one root's scope that are to be looked at."""
        loaded = self.loads.scope(root)
        known_members = self.members.get
        if not missing and self._of_one_hand([known_members(item.path) or self._member(item.path, item.file) for item in loaded]):
            return
        lent: list[Member] = []
        for one in missing:
            providers = self._providers(one)
            if not providers:
                return
            lent += providers
        names: dict[str, Member] = {}
        scope: list[Member] = []
        for item in loaded:
            member = self._member(item.path, item.file)
            scope.append(member)
            names.setdefault(item.name, member)
            if item.part.soname:
                names.setdefault(item.part.soname, member)
        known = {member.path for member in scope}
        for member in lent:
            if member.path not in known:
                known.add(member.path)
                scope.append(member)
            for name in filter(None, member.names):
                names.setdefault(name, member)
        scope += [member for member in self._process if member.path not in known]
        whole: tuple[Member, ...] | None = None
        for member in scope[: len(loaded)]:
            if not member.of_target or not self._wanted(member, names):
                continue
            question = self.questions.get(member.path)
            if question is None:
                question = self.questions[member.path] = Question(member.path, member.file)
            if len(question.scopes) < MAX_ROOTS:
                whole = whole or tuple(scope)
                question.scopes.append(whole)
                question.roots.append(root)

    def _member(self, path: str, file: NativeFile) -> Member:
        found = self.members.get(path)
        if found is None:
            plain = not any(part.version_definitions for part in file.slices) and base_name(path) not in _RUNTIME
            of_target = file.folder >= 0 or path.startswith(self.own)
            found = self.members[path] = Member(path, file, plain, of_target)
        return found

    def _of_one_hand(self, scope: list[Member]) -> bool:
        """Nothing in the scope of a root is to be looked up, by the look of the owners alone: those whose symbols would be
        asked for belong together with all who may ask."""
        if self.scene.deep:
            return False
        owner: object = None
        for member in scope:
            if member.of_target or (member.plain and member.path not in self._of_machine):
                if owner is None:
                    owner = member.owner
                if member.owner != owner or (member.of_target and not self._trusted(member)):
                    return False
        return True

    def _wanted(self, member: Member, names: dict[str, Member]) -> bool:
        """Its symbols are to be looked up."""
        if self.scene.deep or not self._trusted(member):
            return True
        owner, folder = member.file.owner, member.file.folder
        for part in member.file.slices:
            for need in part.needed:
                other = names.get(need)
                if other is None or not other.plain or other.path in self._of_machine:
                    continue
                if other.file.owner != owner or other.file.folder != folder:
                    return True
        return False

    def _trusted(self, member: Member) -> bool:
        """It is as it was published, and for this Python by all that the wheel says."""
        found = self.trusted.get(member.path)
        if found is None:
            file = member.file
            if file.folder < 0:
                found = bool(self.view.snapshot.target.kind in ("conda", "pixi"))
            else:
                tree = self.trees[file.folder]
                dist = self.dists.get((file.folder, file.owner)) if file.owner else None
                found = dist is not None and tree is not None and published(dist, file.path, tree)
                if found and dist is not None:
                    found = not self._newer_stable_abi(file, dist.wheel.tags if dist.wheel is not None else ())
            self.trusted[member.path] = found
        return found

    def _newer_stable_abi(self, file: NativeFile, tags: Iterable[str]) -> bool:
        """A module for the stable ABI of a Python that is newer than this one, or of none that its wheel names."""
        name = parse(base_name(file.path)) if "abi3" in file.path else None
        version = self.view.loading.profile.version
        if name is None or name.family != "abi3" or version is None:
            return False
        return not any(_oldest(tag) <= version for tag in tags)

    def _needs_others(self, root: Root) -> bool:
        """It needs a library without symbol versions that another distribution ships."""
        owner = root.file.owner
        return any(other != owner for need in root.part.needed for other in self._lenders(need))

    def _lenders(self, need: str) -> frozenset[str | None]:
        """Owners of libraries without symbol versions that a need may mean, none where the machine has one."""
        found = self._lent.get(need)
        if found is None:
            paths = self._shipped.get(base_name(need), ()) if need not in self._of_system else ()
            known = self.loads.files
            found = frozenset(known[path].owner for path in paths if self._member(path, known[path]).plain)
            self._lent[need] = found
        return found

    @cached_property
    def _lent(self) -> dict[str, frozenset[str | None]]:
        return {}

    @cached_property
    def _process(self) -> list[Member]:
        """What the interpreter brings along, its own file left out."""
        binary = self.view.snapshot.interpreter.binary
        own = binary.path if binary is not None else None
        return [self._member(item.path, item.file) for item in self.loads.process if item.path != own]

    @cached_property
    def _shipped(self) -> dict[str, list[str]]:
        """Paths of the libraries of site folders by file name and soname."""
        found: dict[str, list[str]] = {}
        for path, file in self.loads.files.items():
            if file.folder < 0 or file.format != "elf" or not file.slices:
                continue
            name = base_name(path)
            found.setdefault(name, []).append(path)
            soname = file.slices[0].soname
            if soname and soname != name:
                found.setdefault(soname, []).append(path)
        return found

    @cached_property
    def _of_machine(self) -> frozenset[str]:
        """Paths of the machine's own libraries."""
        return frozenset(file.path for file in self.view.snapshot.machine.libraries)

    @cached_property
    def _of_system(self) -> frozenset[str]:
        """File names of the machine's own libraries."""
        return frozenset(map(base_name, self._of_machine))

    # --------------------------------------------------------------------- libraries that are in the process already
    def _providers(self, missing: Missing) -> list[Member]:
        """What an earlier import has loaded under a name that no search finds: the libraries of that name in the
        environment, and what they need. Nothing where there is none."""
        paths = self._shipped.get(base_name(missing.name), [])
        if not paths:
            return []
        near = paths
        if len(paths) > 1:
            relatives = self._relatives(missing.root.distribution)
            near = [path for path in paths if self.loads.files[path].owner in relatives]
        found: list[Member] = []
        for path in near or paths:
            found += self._closure(path)
        return found

    def _closure(self, path: str) -> list[Member]:
        """A library and what it needs, as some module that brings it in finds them."""
        found = self._closures.get(path)
        if found is None:
            found = self._closures[path] = list(self._needs_of(path))
        return found

    @cached_property
    def _closures(self) -> dict[str, list[Member]]:
        return {}

    @cached_property
    def _carriers(self) -> dict[str, Root]:
        """For each library that a module brings in, one such module."""
        found: dict[str, Root] = {}
        for root in self.loads.roots:
            for item in self.loads.scope(root):
                found.setdefault(item.path, root)
        return found

    def _needs_of(self, path: str) -> Iterator[Member]:
        carrier = self._carriers.get(path)
        yield self._member(path, self.loads.files[path])
        if carrier is None:
            return
        by_name: dict[str, Loaded] = {}
        for item in self.loads.scope(carrier):
            by_name.setdefault(item.name, item)
            if item.part.soname:
                by_name.setdefault(item.part.soname, item)
        seen = {path}
        work = [need for part in self.loads.files[path].slices for need in part.needed]
        for need in work:
            other = by_name.get(need)
            if other is not None and other.path not in seen:
                seen.add(other.path)
                work += other.part.needed
                yield self._member(other.path, other.file)

    def _relatives(self, name: str | None) -> frozenset[str]:
        """A distribution and everything that it requires, directly or not."""
        if name is None:
            return frozenset()
        found = self._families.get(name)
        if found is None:
            seen = {name}
            work = [name]
            while work:
                for other in self._requires.get(work.pop(), ()):
                    if other not in seen:
                        seen.add(other)
                        work.append(other)
            found = self._families[name] = frozenset(seen)
        return found

    @cached_property
    def _families(self) -> dict[str, frozenset[str]]:
        return {}

    @cached_property
    def _requires(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for edge in self.view.closure.edges:
            if edge.installed is not None:
                found.setdefault(edge.parent.name, set()).add(edge.name)
        return found

    # ------------------------------------------------------------------------------------------------------- answers
    def _answers(self) -> Iterator[UnresolvedSymbols]:
        if not self.questions:
            return
        always = self._always()
        python_known = self._python_known(always)
        budget = None if self.scene.deep else MAX_LOOKUPS
        for path in sorted(self.questions):
            question = self.questions[path]
            real = self._real(path)
            names = native.unversioned_symbols(real) - always
            if names and not python_known:
                names = {name for name in names if not name.startswith((b"Py", b"_Py"))}
            if not names:
                continue
            self.lookups += len(names)
            if budget is not None and self.lookups > budget:
                self.scene.gap(
                    "symbols", self.scene.target.prefix, f"more than {budget} symbols to look up: the rest was left out"
                )
                return
            left = self._unresolved(question, names)
            image = self.images.of(real) if left else None
            left = bound(image, left) if image is not None else left
            left = self._without_global(question, left) if left else left
            if left:
                yield self._fact(question, left)

    def _always(self) -> frozenset[bytes]:
        """What is defined before any module is opened: by the program, its libpython, and on musl by the loader, which is the
        C library."""
        found: set[bytes] = set()
        interpreter = self.view.snapshot.interpreter
        paths: list[str] = []
        for binary in (interpreter.binary, interpreter.libpython):
            if binary is not None:
                paths.append(binary.path)
                paths += [part.interpreter for part in binary.slices if part.interpreter]
        for path in dict.fromkeys(paths):
            found |= native.exported_symbols(self._real(self.scene.rooted(path)))
        return frozenset(found)

    def _python_known(self, always: frozenset[bytes]) -> bool:
        """The interpreter's own names have been seen; else nothing can be said about those that modules need of it."""
        return not _EVERY_PYTHON.isdisjoint(always) or any(
            self.images.defined(self._real(member.path), set(_EVERY_PYTHON)) for member in self._process
        )

    def _unresolved(self, question: Question, names: set[bytes]) -> set[bytes]:
        """Those of `names` that no scope as a whole defines; what is missing in the best of them."""
        best: set[bytes] | None = None
        for scope in question.scopes:
            left = set(names)
            for member in _nearest(question.file, scope):
                if member.path == question.path:
                    continue
                left -= self.images.defined(self._real(member.path), left)
                if not left:
                    return left
            if best is None or len(left) < len(best):
                best = left
        return best or set()

    def _without_global(self, question: Question, names: set[bytes]) -> set[bytes]:
        """`names` without those that a relative's library defines, where some relative opens libraries for everybody
        (RTLD_GLOBAL): its own, or those of others."""
        left = set(names)
        relatives: set[str] = set()
        for root in question.roots:
            relatives |= self._relatives(root.distribution)
        if not any(self._opens_globally(name) for name in sorted(relatives)):
            return left
        for file in self.view.snapshot.natives:
            if file.owner in relatives and file.format == "elf" and file.kind == "library":
                path = self._absolute(file)
                if path != question.path:
                    left -= self.images.defined(self._real(path), left)
                if not left:
                    break
        return left

    def _opens_globally(self, name: str) -> bool:
        """Some module of the distribution opens libraries with RTLD_GLOBAL, or has Python do it."""
        found = self._globally.get(name)
        if found is None:
            found = self._globally[name] = any(any(word in content for word in _GLOBAL_WORDS) for content in self._sources(name))
        return found

    @cached_property
    def _globally(self) -> dict[str, bool]:
        return {}

    def _sources(self, name: str) -> Iterator[bytes]:
        """The .py files below the top-level names of a distribution, those near the top first."""
        for dist in self.view.by_name.get(name, ()):
            tree = self.trees[dist.site]
            if tree is None:
                continue
            paths = [path for top in dist.import_names for path in tree.below(top) if path.endswith(".py")]
            paths += [f"{top}.py" for top in dist.import_names if f"{top}.py" in tree.files]
            for path in sorted(paths, key=lambda p: (p.count("/"), p))[:MAX_SOURCES]:
                try:
                    yield files.read(tree.path(path), MAX_SOURCE).data
                except files.Unreadable:
                    continue

    def _fact(self, question: Question, names: set[bytes]) -> UnresolvedSymbols:
        root = question.roots[0]
        scope = question.scopes[0]
        shown = sorted(text(name) for name in names)
        return UnresolvedSymbols(
            path=question.file.path,
            folder=question.file.folder,
            symbols=tuple(name[:400] for name in shown[:MAX_NAMES]),
            count=len(names),
            providers=tuple(
                text(member.path) for member in _nearest(question.file, scope) if member.plain and member.path != question.path
            )[:MAX_NAMES],
            module=root.module if root.path != question.path else None,
        )

    def _absolute(self, file: NativeFile) -> str:
        return f"{self.view.snapshot.sites[file.folder].path}/{file.path}" if file.folder >= 0 else file.path

    def _real(self, path: str) -> str:
        """`path` as it is reached from here."""
        target, prefix = self.scene.target.prefix, self.scene.prefix
        if target != prefix and path.startswith(target):
            return prefix + path[len(target) :]
        return path


class _Images:
    """Files that are asked for symbols: kept open, each name asked once."""

    def __init__(self) -> None:
        self._stacks: dict[str, tuple[ExitStack, Elf | None]] = {}
        self._known: dict[str, tuple[set[bytes], set[bytes]]] = {}

    def close(self) -> None:
        """Closes all files."""
        for stack, _image in self._stacks.values():
            stack.close()
        self._stacks.clear()

    def of(self, path: str) -> Elf | None:
        """The ELF file at `path`, None if it is none."""
        found = self._stacks.get(path)
        if found is None:
            if len(self._stacks) >= MAX_OPEN:
                first = next(iter(self._stacks))
                self._stacks.pop(first)[0].close()
            stack = ExitStack()
            found = (stack, stack.enter_context(native.open_elf(path)))
            self._stacks[path] = found
        return found[1]

    def defined(self, path: str, names: set[bytes]) -> set[bytes]:
        """Those of `names` that the file defines."""
        yes, no = self._known.setdefault(path, (set(), set()))
        unknown = names - yes - no
        if unknown:
            found = native.tidily_defined(path, unknown)
            if found is None:
                image = self.of(path)
                found = image.defines(unknown) if image is not None else set()
            yes |= found
            no |= unknown - found
        return yes & names


def _nearest(file: NativeFile, scope: tuple[Member, ...]) -> list[Member]:
    """The scope, what the file itself needs first; libraries with symbol versions last."""
    needed = {need for part in file.slices for need in part.needed}

    return sorted(scope, key=lambda member: (not member.plain, needed.isdisjoint(member.names)))


def _oldest(tag: str) -> tuple[int, int]:
    """The Python that a wheel tag ``cp39-abi3-…`` or ``cp311-cp311-…`` begins with; (99, 0) for other tags."""
    python = tag.partition("-")[0]
    digits = python[2:]
    if not python.startswith("cp") or not digits.isdigit() or len(digits) < 2:
        return (99, 0)
    return (int(digits[0]), int(digits[1:]))


def _places(view: View) -> Iterator[str]:
    """Folders outside of the site folders whose libraries are the target's own."""
    snapshot = view.snapshot
    if snapshot.target.kind in ("conda", "pixi"):
        yield snapshot.target.prefix.rstrip("/") + "/"
