"""What Python code does for libraries that the dynamic loader alone would not find, and how modules that do not load are
reached.

Asked only for what :mod:`envdoctor.loader` finds unresolved, so a healthy environment costs nothing here. Source files are
read as text; statements at the left margin are the imports that run with a module, and the few files that a verdict rests
on are confirmed by their syntax tree.
"""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from envdoctor.collect import files
from envdoctor.collect.imports import Imported, imports_of
from envdoctor.collect.source import children, mentions_any, parse
from envdoctor.lazy import pattern
from envdoctor.snapshot import Distribution, ImportedModule, NativeFile, Preload, UnresolvedSymbols, text
from envdoctor.view import View

if TYPE_CHECKING:
    from envdoctor.collect.tree import Tree
    from envdoctor.loader import Missing, Root

MAX_FILES = 4000
"""Source files of one distribution that are read."""
MAX_BYTES = 64 << 20
"""Bytes of them, all together."""
MAX_MODULES = 800
"""Modules of one distribution that are followed."""
MAX_FACTS = 500
FILE_BYTES = 1 << 20
KEPT_TREES = 20
"""Syntax trees that are kept, of files with less than :data:`KEPT_SOURCE` bytes."""
KEPT_SOURCE = 1 << 16

_TOP = pattern(rb"\n[ \t]*(?:from|import)[ \t]+([A-Za-z_][A-Za-z0-9_]*)")
_OPENS = (b"CDLL", b"LoadLibrary", b"load_library", b"PyDLL", b"dlopen", b"cdll.")
_OPENERS = frozenset(["CDLL", "PyDLL", "LoadLibrary", "load_library", "dlopen"])
_LISTS = (b"listdir", b"iterdir", b"glob", b"scandir")
_REGISTERS = pattern(rb"""\b(?:register_fake|impl_abstract)\(\s*f?["']([A-Za-z_][A-Za-z0-9_]*)::""")
_DEFINES = pattern(rb"""\b(?:custom_op|define)\(\s*f?["']([A-Za-z_][A-Za-z0-9_]*)::|\bLibrary\(\s*["'](\w+)["'],\s*["']DEF""")


class Facts(NamedTuple):
    """What the collector found."""

    preloads: tuple[Preload, ...] = ()
    imported: tuple[ImportedModule, ...] = ()


def collect(trees: list[Tree | None], view: View, unresolved: tuple[UnresolvedSymbols, ...] = ()) -> Facts:
    """Facts about the needs that no search finds and the modules that fail, also for want of symbols (`unresolved`).

    The view's snapshot has all that the loader asks for.
    """
    loads = view.loads
    of_roots = loads.missing or loads.version_problems or loads.unknown or unresolved
    if not (of_roots or loads.missing_of_orphans or loads.version_problems_of_orphans or loads.unknown_of_orphans):
        return Facts()
    work = _Work(trees, view)
    preloads = tuple(sorted(set(work.preloads()), key=lambda p: (p.distribution, p.library, p.provider)))[:MAX_FACTS]
    if preloads:
        view = View(msgspec.structs.replace(view.snapshot, preloads=preloads))
    process = view.process
    unmet = (*process.failing.items(), *process.failing_orphans.items(), *process.open.items())
    failing = {path: needs[0].root for path, needs in unmet}
    for problem in (*loads.version_problems, *loads.version_problems_of_orphans):
        failing.setdefault(problem.root.path, problem.root)
    short = {(fact.folder, fact.path) for fact in unresolved}
    if short:
        for root in (*loads.roots, *loads.orphans):
            if any((item.file.folder, item.file.path) in short for item in loads.scope(root)):
                failing.setdefault(root.path, root)
    reached = work.reached([root for root in failing.values() if root.kind != "stdlib"])
    return Facts(preloads, tuple(sorted(reached, key=lambda m: (m.site, m.path, m.module)))[: 4 * MAX_FACTS])


class _Source(NamedTuple):
    """One .py file of a distribution."""

    module: str
    """Dotted name."""
    package: str
    """What relative imports start from."""
    rel: str


class _Sources:
    """The .py files below some top-level names of one site folder, as far as the bounds allow.

    Folders without ``__init__.py`` below a package are left out: they hold data, plugins and such.
    """

    def __init__(self, tree: Tree, tops: list[str]) -> None:
        self.tree = tree
        self.tops = tops
        self.by_module: dict[str, _Source] = {}
        self._data: dict[str, bytes] = {}
        self._kept = 0
        self._read = 0
        self._trees: dict[str, ast.Module | None] = {}
        for top in tops:
            self._list(top)
        self._starts: list[str] = []

    def _list(self, top: str) -> None:
        if f"{top}.py" in self.tree.files:
            self.by_module[top] = _Source(top, "", f"{top}.py")
        queue = [top] if top in self.tree.folders else []
        for folder in queue:
            try:
                names = files.names(self.tree.path(folder))
            except files.Unreadable:
                continue
            dotted = folder.replace("/", ".")
            for name in names:
                if len(self.by_module) >= MAX_FILES:
                    return
                if name == "__init__.py":
                    self.by_module[dotted] = _Source(dotted, dotted, f"{folder}/{name}")
                elif name.endswith(".py"):
                    module = f"{dotted}.{name[:-3]}"
                    self.by_module.setdefault(module, _Source(module, dotted, f"{folder}/{name}"))
                elif f"{folder}/{name}/__init__.py" in self.tree.files or (
                    name.isidentifier() and not self.by_module and f"{folder}/{name}" in self.tree.folders
                ):
                    queue.append(f"{folder}/{name}")

    def data(self, source: _Source) -> bytes:
        """Its text after a newline; empty when it cannot be read or the bounds are reached."""
        known = self._data.get(source.rel)
        if known is not None:
            return known
        if self._read > MAX_BYTES:
            return b"\n"
        try:
            found = b"\n" + files.read(self.tree.path(source.rel), FILE_BYTES).data
        except files.Unreadable:
            found = b"\n"
        self._read += len(found)
        if self._kept < MAX_BYTES // 4:
            self._kept += len(found)
            self._data[source.rel] = found
        return found

    def parsed(self, source: _Source) -> ast.Module | None:
        """Its syntax tree; a few are kept."""
        if source.rel in self._trees:
            return self._trees[source.rel]
        data = self.data(source)
        found = parse(data)
        if len(data) < KEPT_SOURCE and len(self._trees) < KEPT_TREES:
            self._trees[source.rel] = found
        return found

    def statements(self, source: _Source) -> list[Imported]:
        """Modules and names that its imports at the left margin ask for."""
        return imports_of(self.data(source), source.package)

    def start_at(self, starts: list[str]) -> None:
        """Sets the modules from which :attr:`parents` follows imports."""
        if starts != self._starts:
            self._starts = starts
            self.__dict__.pop("parents", None)
            self.__dict__.pop("opens", None)

    @cached_property
    def text(self) -> bytes:
        """All files, one after the other."""
        return b"\n".join(map(self.data, self.by_module.values()))

    @cached_property
    def openers(self) -> list[_Source]:
        """Files that open libraries by name."""
        return [source for source in self.by_module.values() if mentions_any(self.data(source), _OPENS)]

    @cached_property
    def opens(self) -> bool:
        """Some module that is imported opens a library where nothing forgives its failure, or relies on what one defines."""
        used = [source for source in self.openers if source.module in self.parents]
        return any(_opens_plainly(self.parsed(source)) for source in used) or self._registers()

    def _registers(self) -> bool:
        """A module that is imported gives properties to operators (``torch.library``) that only a library can define."""
        wanted: set[bytes] = set()
        defined: set[bytes] = set()
        for source in self.by_module.values():
            if source.module in self.parents:
                data = self.data(source)
                if mentions_any(data, (b"register_fake", b"impl_abstract")):
                    wanted.update(_REGISTERS.findall(data))
                if mentions_any(data, (b"custom_op", b"Library(", b"define(")):
                    defined.update(one or other for one, other in _DEFINES.findall(data))
        return bool(wanted - defined)

    @cached_property
    def parents(self) -> dict[str, str | None]:
        """Every dotted name that the start modules import at the left margin, with the module that does."""
        found: dict[str, str | None] = dict.fromkeys(self._starts)
        queue = [name for name in found if name in self.by_module]
        heads = tuple(f"{top}." for top in self.tops)
        for at, module in enumerate(queue):
            if at >= MAX_MODULES:
                break
            for imported, names in self.statements(self.by_module[module]):
                if not f"{imported}.".startswith(heads):
                    continue
                parts = imported.split(".")
                every = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
                every += [f"{imported}.{name}" for name in names if name != "*"]
                for name in every:
                    if name not in found:
                        found[name] = module
                        if name in self.by_module:
                            queue.append(name)
        return found


class _Work:
    """One run of the collector."""

    def __init__(self, trees: list[Tree | None], view: View) -> None:
        from envdoctor.collect.syntax import Environment

        self.trees = trees
        self.view = view
        version = view.python_version
        platform = {"windows": "win32", "macos": "darwin"}.get(view.snapshot.target.system, "linux")
        self.environment = Environment(version.release if version else None, platform)
        self._sources: dict[tuple[int, tuple[str, ...]], _Sources] = {}
        self._tops: dict[str, str] = {}
        for dist in view.effective.values():
            for name in dist.import_names:
                self._tops.setdefault(name, dist.name)
        self._ships: dict[str, dict[str, NativeFile]] | None = None

    def sources(self, site: int, tops: list[str]) -> _Sources | None:
        """The source files below top-level names, listed once."""
        tree = self.trees[site] if 0 <= site < len(self.trees) else None
        if tree is None:
            return None
        key = (site, tuple(tops))
        if key not in self._sources:
            if len(self._sources) > 40:
                self._sources.clear()
            self._sources[key] = _Sources(tree, tops)
        return self._sources[key]

    def of(self, dist: Distribution | None) -> _Sources | None:
        """The source files of a distribution."""
        return self.sources(dist.site, sorted(dist.import_names)) if dist is not None else None

    # ------------------------------------------------------------------------------------------------------ preloads
    def preloads(self) -> Iterator[Preload]:
        """Evidence for libraries that are loaded before, for needs that nothing else provides."""
        process = self.view.process
        asked: dict[tuple[str, str], Missing] = {}
        for needs in (*process.failing.values(), *process.failing_orphans.values(), *process.open.values()):
            for need in needs:
                owner = need.root.distribution
                if owner is not None and "/" not in need.name.removeprefix("@rpath/"):
                    asked.setdefault((owner, need.name), need)
        if not asked:
            return
        names = frozenset(name for _, name in asked)
        bringing = self.view.loads.bringing(names)
        shipped = self._shipped(names)
        for (owner, name), _ in sorted(asked.items(), key=lambda item: item[0]):
            brought = {root.distribution for root, _ in bringing.get(name, ()) if root.distribution}
            providers = brought | shipped.get(name, {}).keys()
            if not providers:
                continue
            related = {owner} | self.view.requires(owner)
            # a library that is only imported counts with all that it requires
            imported = self._imported(owner) if providers - related or brought - related else {}
            for other in sorted(imported):
                if other in brought - related:
                    yield Preload(
                        distribution=owner,
                        library=name,
                        provider=other,
                        evidence=f"{imported[other]} imports {other}, which loads {name}",
                    )
                    break
                behind = (self.view.requires(other) & brought) - related
                if behind:
                    first = min(behind)
                    yield Preload(
                        distribution=owner,
                        library=name,
                        provider=first,
                        evidence=f"{imported[other]} imports {other}, which requires {first}, which loads {name}",
                    )
                    break
            else:
                everybody = related | imported.keys()
                for other in imported:
                    everybody |= self.view.requires(other)
                for provider in sorted(shipped.get(name, {}).keys() & everybody):
                    where = self._opened(name, shipped[name][provider], provider, owner, everybody)
                    if where:
                        yield Preload(distribution=owner, library=name, provider=provider, evidence=where)
                        break

    def _shipped(self, names: frozenset[str]) -> dict[str, dict[str, NativeFile]]:
        """Files that bear one of these names or sonames, by name and by the distribution that owns them."""
        found: dict[str, dict[str, NativeFile]] = {}
        for file in self.view.snapshot.natives:
            if file.owner is None:
                continue
            own = {file.path.rpartition("/")[2], *(part.soname for part in file.slices if part.soname)}
            for name in own & names:
                found.setdefault(name, {}).setdefault(file.owner, file)
        return found

    def _imported(self, owner: str) -> dict[str, str]:
        """Distributions whose top-level packages a distribution's code imports anywhere, with the first file that does."""
        sources = self.of(self.view.effective.get(owner))
        found: dict[str, str] = {}
        for source in sources.by_module.values() if sources is not None else ():
            for top in set(_TOP.findall(sources.data(source))):  # type: ignore[union-attr]
                other = self._tops.get(top.decode("ascii"))
                if other is not None and other != owner:
                    found.setdefault(other, text(source.rel))
        return found

    def _opened(self, name: str, file: NativeFile, provider: str, owner: str, everybody: set[str]) -> str | None:
        """The Python file that opens the library and makes it known to others, with how; None where none is found."""
        users = sorted(d for d in everybody if d not in (provider, owner) and provider in self.view.requires(d))
        stem = name.rpartition("/")[2].partition(".so")[0].partition(".dylib")[0]
        folder = file.path.rpartition("/")[0].rpartition("/")[2]
        for each in (provider, owner, *users):
            sources = self.of(self.view.effective.get(each))
            for source in sources.by_module.values() if sources is not None else ():
                data = sources.data(source)  # type: ignore[union-attr]
                if not mentions_any(data, _OPENS):
                    continue
                if stem.encode() in data or _fits_pattern(data, file.path.rpartition("/")[2]):
                    return f"{text(source.rel)} loads it by its name"
                if any(word in data for word in _LISTS) and folder.encode() in data:
                    return f"{text(source.rel)} loads what is in its folder"
        return None

    # -------------------------------------------------------------------------------------------------------- reach
    def reached(self, roots: list[Root]) -> Iterator[ImportedModule]:
        """How each of these is reached by the code of its distribution."""
        groups: dict[tuple[int, tuple[str, ...], tuple[str, ...]], list[Root]] = {}
        for root in roots:
            dist = self.view.effective.get(root.distribution or "")
            tree = self.trees[root.site] if 0 <= root.site < len(self.trees) else None
            if tree is None:
                continue
            own = set(dist.import_names) if dist is not None and dist.site == root.site else set()
            top = root.file.path.partition("/")[0]
            if root.kind == "extension" or top.isidentifier():
                own.add(root.module.partition(".")[0] or top)
            starts = own - {root.module}
            if root.kind == "extension":
                starts.add(_outermost(tree, root.module))
            key = (root.site, tuple(sorted(own)), tuple(sorted(starts)))
            groups.setdefault(key, []).append(root)
        for (site, tops, begin), members in sorted(groups.items()):
            sources = self.sources(site, list(tops))
            if sources is None:
                continue
            sources.start_at([s for s in begin if s])
            for root in members:
                if root.kind == "extension":
                    yield self._module(sources, root)
                else:
                    fact = self._library(sources, root)
                    if fact is not None:
                        yield fact

    def _module(self, sources: _Sources, root: Root) -> ImportedModule:
        parents = sources.parents
        fact = ImportedModule(site=root.site, path=root.file.path, module=root.module, reached="nothing")
        if root.module in parents and parents[root.module] is not None:
            chain = _chain(parents, root.module)
            if self._confirmed(sources, chain):
                return msgspec.structs.replace(fact, reached="import", chain=tuple(chain))
        package, _, last = root.module.rpartition(".")
        word = last.encode()
        guarded: str | None = None
        for source in sources.by_module.values():
            data = sources.data(source)
            if word not in data or b"import" not in data:
                continue
            plain = False
            for imported, names in sources.statements(source):
                if imported == root.module or (imported == package and last in names):
                    plain = True
            if plain and self._confirmed(sources, [source.module, root.module]):
                return msgspec.structs.replace(fact, reached="module", chain=(source.module, root.module))
            if guarded is None and (
                plain or re.search(rb"import[^\n]*\b" + re.escape(word) + rb"\b|\b" + re.escape(word) + rb"\b[^\n]*import", data)
            ):
                guarded = source.module
        if guarded is None:
            # no statement names it, but something opens whatever stands in a folder: `torch.ops.load_library`
            name = root.file.path.rpartition("/")[2]
            for source in sources.openers:
                data = sources.data(source)
                if any(each in data for each in _LISTS) and (word in data or _fits_pattern(data, name)):
                    guarded = source.module
                    break
        if guarded is not None:
            return msgspec.structs.replace(fact, reached="guarded", chain=(guarded, root.module))
        return fact

    def _confirmed(self, sources: _Sources, chain: list[str]) -> bool:
        """The syntax tree of each module in `chain` shows that the import of the next one surely runs."""
        from envdoctor.collect.syntax import executed_in

        for module, wanted in pairwise(chain):
            source = sources.by_module.get(module)
            if source is None:
                continue
            found = False
            for statement in executed_in(sources.parsed(source), self.environment):
                base = statement.module
                if statement.level:
                    parts = source.package.split(".")
                    kept = parts[: len(parts) - statement.level + 1]
                    base = ".".join([*kept, base] if base else kept)
                if base == wanted or base.startswith(f"{wanted}.") or any(f"{base}.{n}" == wanted for n in statement.names):
                    found = True
                    break
            if not found:
                return False
        return True

    def _library(self, sources: _Sources, root: Root) -> ImportedModule | None:
        """A library counts as reached when a module that is imported names it, and one opens libraries without a ``try``."""
        if not sources.openers:
            return None
        name = root.file.path.rpartition("/")[2]
        stem = name.partition(".so")[0].partition(".dylib")[0].partition(".dll")[0]
        words = [f"{quote}{each}{quote}".encode() for each in dict.fromkeys((name, stem)) for quote in "\"'"]
        words += [f"/{name}".encode(), f"{stem}.so".encode()]
        naming = [source for source in sources.openers if any(word in sources.data(source) for word in words)]
        if not naming and len(stem) > 3 and stem.encode() in sources.text:
            naming = [s for s in sources.by_module.values() if any(word in sources.data(s) for word in words)]
        if not naming:
            return None
        parents = sources.parents
        first = min(naming, key=lambda s: (s.module not in parents, s.module.count("."), s.module))
        fact = ImportedModule(site=root.site, path=root.file.path, module=first.module, reached="guarded", chain=(first.module,))
        if first.module not in parents:
            return fact
        chain = _chain(parents, first.module)
        reached = sources.opens and self._confirmed(sources, chain) and _named_at_import(sources, first, {name, stem})
        return msgspec.structs.replace(fact, reached="import" if reached else "guarded", chain=tuple(chain))


def _named_at_import(sources: _Sources, naming: _Source, names: set[str]) -> bool:
    """The module names the library in code that its import runs, as far as that can be told: at its top, or in a function that
    code at the top of some imported module calls, itself or by another function of the module. Lazy importers are handed such
    functions instead of calling them."""
    tree = sources.parsed(naming)
    if tree is None:
        return True
    inside: set[str] = set()
    calls: dict[str, set[str]] = {}
    top: set[str] = set()
    todo: list[tuple[ast.AST, str | None]] = [(node, None) for node in children(tree)]
    while todo:
        node, function = todo.pop()
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.rpartition("/")[2] in names:
            if function is None:
                return True
            inside.add(function)
        if isinstance(node, ast.Call):
            (top if function is None else calls.setdefault(function, set())).add(_called(node))
        if function is None and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        todo += [(child, function) for child in children(node)]
    if not inside:
        return True
    for source in sources.by_module.values():
        if source.module in sources.parents and source is not naming and any(f.encode() in sources.data(source) for f in calls):
            top |= _calls_at_top(sources.parsed(source))
    reached: set[str] = set()
    waiting = [name for name in top if name in calls or name in inside]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += calls.get(name, ())
    return not inside.isdisjoint(reached)


def _calls_at_top(tree: ast.Module | None) -> set[str]:
    """Names of the functions that a module's own code calls, functions that it defines left out."""
    found: set[str] = set()
    todo: list[ast.AST] = [tree] if tree is not None else []
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call):
            found.add(_called(node))
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            todo += children(node)
    return found


def _called(node: ast.Call) -> str:
    """The last part of the name that a call calls."""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""


def _outermost(tree: Tree, module: str) -> str:
    """The outermost regular package that a module stands in; empty for a top-level module."""
    parts = module.split(".")
    for end in range(1, len(parts)):
        if "/".join(parts[:end]) + "/__init__.py" in tree.files:
            return ".".join(parts[:end])
    return ""


def _chain(parents: dict[str, str | None], module: str) -> list[str]:
    found = [module]
    at = parents.get(module)
    while at is not None and at not in found:
        found.append(at)
        at = parents.get(at)
    found.reverse()
    return found


def _fits_pattern(data: bytes, name: str) -> bool:
    """A string of the file that holds ``*`` or ``?`` fits the file name."""
    for match in re.finditer(rb"""["']([^"'\n]{1,120}[*?][^"'\n]{0,40})["']""", data):
        pattern = match[1].decode("utf-8", "replace").rpartition("/")[2]
        if len(pattern.strip("*?[]")) > 2 and fnmatch.fnmatchcase(name, pattern):
            return True
    return False


def _opens_plainly(tree: ast.Module | None) -> bool:
    """Some call that opens a library stands outside of every ``try`` whose handlers would forgive its failure."""
    todo: list[ast.AST] = [tree] if tree is not None else []
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
            if name in _OPENERS:
                return True
        if isinstance(node, ast.Try) and any(_forgives(handler) for handler in node.handlers):
            todo += [*node.orelse, *node.finalbody]
        else:
            todo += children(node)
    return False


def _forgives(handler: ast.ExceptHandler) -> bool:
    """The handler goes on: it does not end in ``raise``, nor raises unless its function's caller asked it not to
    (``if not no_throw: raise``)."""
    for statement in handler.body:
        if isinstance(statement, ast.Raise):
            return False
        if (
            isinstance(statement, ast.If)
            and isinstance(statement.test, ast.UnaryOp)
            and isinstance(statement.test.op, ast.Not)
            and isinstance(statement.test.operand, ast.Name)
            and any(isinstance(inner, ast.Raise) for inner in statement.body)
        ):
            return False
    return True
