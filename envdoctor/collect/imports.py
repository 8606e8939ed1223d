"""Imports that run when a distribution is imported and name something that is not there (PKG012).

The top-level packages of all distributions are followed through the imports at the left margin of their files, as the
interpreter would. Each ``from X import name`` and ``import X.y`` across distributions is looked up in X's own file, each
name that the standard library has lost is looked for. That first pass works on bytes and only finds suspects; a suspect
is reported when the syntax trees of both sides prove it (:mod:`envdoctor.collect.syntax`).

The first pass is bounded: imports are followed level by level, each top-level package for its share of :data:`MODULES`
files, and only :data:`HEAD` bytes are read of those that are not top-level. In a small environment that is nearly
everything, in a large one what stands nearest to the top; a gap says so. With ``--deep`` neither bound holds.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.collect import files as fs
from envdoctor.collect.source import mentions_any
from envdoctor.data import stdlib_history
from envdoctor.lazy import pattern
from envdoctor.snapshot import BrokenImport, Distribution, OpenedLibrary, Site, text
from envdoctor.speed import speed

if TYPE_CHECKING:
    import ast

    from envdoctor.collect import interpreter, syntax
    from envdoctor.collect.distributions import Owned
    from envdoctor.collect.scene import Scene
    from envdoctor.collect.tree import Tree

MODULES = 800
"""Modules that are followed without ``--deep``, all together, nearest to the top first, no package more than twice its share.
Where there are at most :data:`MANY` top-level packages it is twice as many, and one package may take half of them."""
MANY = 200
SHARE = 2
"""Modules that every top-level package gets at least, itself included."""
DEEP_MODULES = 60_000
HEAD = 6144
"""Bytes of a file that is not a top-level package, without ``--deep``."""
LIMIT = 4 << 20
PACKAGE_FILES = 6000
"""Files of a package that are searched for names set from elsewhere; a larger one is not judged."""
FINDINGS = 400
"""Broken imports kept."""
PROOFS = 600
"""Files whose syntax tree is made."""

_IMPORT = pattern(rb"\n((?:from[ \t][^\n(#]*\((?:[^)#]+|#[^\n]*)*|(?:from|import)[ \t][^\n\\]*(?:\\\r?\n[^\n\\]*)*))")
_COMMENT = pattern(rb"#[^\n]*")
_OPENING = pattern(rb"\n(?=[^\s#])[^\n]*?\b(?:CDLL|LoadLibrary|dlopen)\(\s*[\"'][^\"'/\\\n]{1,200}[\"']")
"""A library that is opened by a literal name, at the left margin."""
_OPENERS = (b"CDLL(", b"LoadLibrary(", b"dlopen(")
OPENERS = 200
"""Modules that are looked into for the libraries that they open."""
_STAR = pattern(rb"\n[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]*\*")
_IDENTIFIER = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_LETTERS = frozenset(bytes([code]) for code in _IDENTIFIER)
_AFTER = frozenset([b"", *(bytes([code]) for code in b"=:,()[]\n\r#;\"'\\|")])
_BEFORE = ([b"def"], [b"class"], [b"import"], [b"as"], [b"global"], [b"for"])
_NO_PACKAGE = frozenset(
    [
        "test",
        "tests",
        "testing_tests",
        "doc",
        "docs",
        "example",
        "examples",
        "benchmark",
        "benchmarks",
        "script",
        "scripts",
        "sample",
        "samples",
        "tools",
        "bin",
        "setup",
        "conftest",
    ]
)
_PACKAGE, _MODULE, _NATIVE, _NAMESPACE = range(4)
_statements_compiled = getattr(speed, "statements", None)
_imports_of_compiled = getattr(speed, "imports_of", None)


class Place(NamedTuple):
    """Where a module is found: a file, or the folders of a namespace package."""

    kind: int
    site: int
    rel: str
    """Its file; for a package the ``__init__``."""
    folders: tuple[tuple[int, str], ...] = ()
    """Site and relative folder that its submodules are looked for in."""


class Facts(NamedTuple):
    """What following the imports came to."""

    broken: tuple[BrokenImport, ...] = ()
    """Every import that is proved to fail, sorted by file and line."""
    opened: tuple[OpenedLibrary, ...] = ()
    """Every library that a module which was followed opens by name at its top, sorted by file and line."""


class _Visit(NamedTuple):
    module: str
    place: Place
    parent: str | None
    """Dotted name of the module that imports it; None for a top-level one."""


Imported = tuple[str, tuple[str, ...]]
"""An absolute dotted module, and the names that are taken from it."""
Statement = tuple[bytes, bool, tuple[Imported, ...]]
"""An import statement at the left margin of a module: its text, whether it is relative, and what it imports."""


class Suspect(NamedTuple):
    """An import that the bytes of both files make doubtful."""

    importer: str
    module: str
    """Dotted and absolute."""
    names: tuple[str, ...]
    """Empty when the module itself is missing."""


def collect(
    scene: Scene,
    facts: interpreter.Facts,
    sites: list[Site],
    trees: list[Tree | None],
    distributions: list[Distribution],
    owned: list[Owned],
) -> Facts:
    """Follows imports from the top-level packages. `owned`: per site, recorded path to distribution's index."""
    walk = _Walk(scene, facts, sites, trees, distributions, owned)
    walk.run()
    found = _Proof(walk).broken() if walk.suspects else []
    return Facts(
        tuple(sorted(found, key=lambda b: (b.site, b.path, b.line, b.module, b.name or "")))[:FINDINGS],
        tuple(sorted(walk.opened(), key=lambda o: (o.site, o.path, o.line, o.name)))[:FINDINGS],
    )


class _Walk:
    """The first pass: which modules are imported, and which of their imports are doubtful."""

    def __init__(
        self,
        scene: Scene,
        facts: interpreter.Facts,
        sites: list[Site],
        trees: list[Tree | None],
        distributions: list[Distribution],
        owned: list[Owned],
    ) -> None:
        self.scene = scene
        self.facts = facts
        self.distributions, self.owned = distributions, owned
        self.trees = {
            i: tree for i, (site, tree) in enumerate(zip(sites, trees, strict=True)) if tree is not None and site.active
        }
        self.version = _version(facts.interpreter.version)
        self.visits: dict[str, _Visit] = {}
        self.suspects: list[Suspect] = []
        self.openers: list[_Visit] = []
        """Modules that may open libraries."""
        self.contents: dict[int, tuple[Container[str], Container[str], set[str]]] = {}
        """Of each folder that Python searches: files, folders, and native files up to the first dot of their name."""
        for index, tree in self.trees.items():
            stems = set()
            for rel in tree.natives:
                folder, slash, name = rel.rpartition("/")
                stems.add(folder + slash + name.partition(".")[0])
            self.contents[index] = (tree.files, tree.folders, stems)
        self._places: dict[str, Place | None] = {}
        self._sources: dict[str, bytes] = {}
        self._kept = 0
        self._mentions: dict[tuple[str, bytes], bool] = {}
        self._stars: dict[str, list[tuple[str, Place | None]]] = {}
        self._absolute: set[bytes] = set()
        self._top_of: dict[str, str] = {}
        for dist in distributions:
            for name in dist.import_names:
                self._top_of.setdefault(name, dist.name)
        self.editable = {name for dist in distributions if dist.editable is not None for name in dist.import_names}
        self.gone = self._gone_modules()
        self.gone_names = self._gone_names()
        self.stdlib = frozenset(facts.interpreter.stdlib_modules) - self.gone
        self.stdlib_known = bool(facts.interpreter.stdlib_modules)
        self.watched = [(name.encode(), name) for name in sorted(self.gone) if self._nested(name)]
        self.words = (*_OPENERS, *(word for word, _ in self.watched))
        self.plain = frozenset(name.encode() for name in self.stdlib - {m.partition(".")[0] for m in self.gone_names})
        self.share = SHARE
        self.counts: dict[str, int] = {}
        """Modules followed, by top-level name."""
        self.cut = False
        self._sorted_folders: dict[int, list[str]] = {}

    # -------------------------------------------------------------------------------------------- what can be missing
    def _gone_modules(self) -> frozenset[str]:
        """Names that the standard library (or setuptools) once had and that nothing on this sys.path has."""
        gone = set()
        present = set(self.facts.interpreter.stdlib_modules)
        if self.version is not None:
            for name, removed in stdlib_history.MODULES.items():
                if self.version >= removed and name not in present and self.find(name) is None:
                    gone.add(name)
        if "distutils" in gone and self._distutils_shim():
            gone.discard("distutils")
        if self.trees and self.find("pkg_resources") is None and "pkg_resources" not in self.editable:
            gone.add("pkg_resources")
        return frozenset(gone)

    def _nested(self, name: str) -> bool:
        """Worth looking for inside ``if`` blocks: those that left long ago are not."""
        return stdlib_history.MODULES.get(name, (3, 12)) >= (3, 12)

    def _distutils_shim(self) -> bool:
        """setuptools' own copy stands in for distutils at every start (its .pth file), unless a variable forbids it."""
        if self.scene.environ.get("SETUPTOOLS_USE_DISTUTILS", "local") != "local":
            return False
        return any(
            "distutils-precedence.pth" in tree.files and "_distutils_hack/__init__.py" in tree.files
            for tree in self.trees.values()
        )

    def _gone_names(self) -> dict[str, frozenset[str]]:
        if self.version is None:
            return {}
        return {
            module: frozenset(name for name, removed in names.items() if self.version >= removed)
            for module, names in stdlib_history.NAMES.items()
        }

    # ----------------------------------------------------------------------------------------------------- finding files
    def find(self, module: str) -> Place | None:
        """Where the import system would find a dotted module below the site folders; None where it would not."""
        if module in self._places:
            return self._places[module]
        head, dot, last = module.rpartition(".")
        if not dot:
            folders: tuple[tuple[int, str], ...] = tuple((index, "") for index in self.trees)
        else:
            parent = self.find(head)
            folders = () if parent is None else parent.folders
        place = self._look(folders, last)
        self._places[module] = place
        return place

    def _look(self, folders: tuple[tuple[int, str], ...], name: str) -> Place | None:
        portions = []
        for index, folder in folders:
            files, inner, natives = self.contents[index]
            stem = f"{folder}/{name}" if folder else name
            is_folder = stem in inner
            if is_folder:
                init = stem + "/__init__"
                if init + ".py" in files:
                    return Place(_PACKAGE, index, init + ".py", ((index, stem),))
                if init in natives or init + ".pyc" in files:
                    return Place(_NATIVE, index, stem, ((index, stem),))
            if stem in natives:
                return Place(_NATIVE, index, stem)
            if stem + ".py" in files:
                return Place(_MODULE, index, stem + ".py")
            if stem + ".pyc" in files:
                return Place(_NATIVE, index, stem)
            if is_folder:
                portions.append((index, stem))
        return Place(_NAMESPACE, portions[0][0], "", tuple(portions)) if portions else None

    def owner(self, place: Place) -> str | None:
        """Normalized name of the distribution that a module's file belongs to."""
        index = self.owned[place.site].get(place.rel) if place.site < len(self.owned) else None
        if index is not None:
            return self.distributions[index].name
        return self._top_of.get(place.rel.partition("/")[0].removesuffix(".py"))

    def source(self, place: Place, limit: int = LIMIT) -> bytes:
        """At most `limit` bytes of a module's file, after a newline; empty when it cannot be read."""
        try:
            return b"\n" + fs.read(self.trees[place.site].path(place.rel), limit).data
        except fs.Unreadable:
            return b"\n"

    def whole(self, place: Place) -> bytes:
        """A provider's file, kept while the others that ask for it come."""
        key = f"{place.site}:{place.rel}"
        data = self._sources.get(key)
        if data is None:
            data = self.source(place)
            if self._kept > 24 << 20:
                self._sources.clear()
                self._kept = 0
            self._sources[key] = data
            self._kept += len(data)
        return data

    # ----------------------------------------------------------------------------------------------------- following
    def run(self) -> None:
        """Follows all imports from the top-level packages, nearest first."""
        queue = list(self._roots())
        room = MODULES if len(queue) > MANY else 2 * MODULES
        share = max(SHARE, 2 * room // len(queue)) if len(queue) > MANY else room // 2
        self.share = DEEP_MODULES if self.scene.deep else share
        limit = DEEP_MODULES if self.scene.deep else max(room, SHARE * len(queue))
        top = True
        done = 0
        while queue and done < limit:
            following: list[_Visit] = []
            for visit in queue[: limit - done]:
                self._read(visit, LIMIT if top or self.scene.deep else HEAD, following)
            done += len(queue)
            queue, top = following, False
        if queue or self.cut:
            hint = "" if self.scene.deep else "; --deep follows all"
            self.scene.gap(
                "imports",
                self.scene.target.prefix,
                f"only the {min(done, limit):,} modules nearest to the top-level packages were followed{hint}",
            )

    def _roots(self) -> Iterator[_Visit]:
        names = {name: dist for dist in self.distributions for name in dist.import_names if dist.site in self.trees}
        for name in sorted(names):
            if name.lower() in _NO_PACKAGE or not name.isidentifier() or name.lower().endswith(("py2", "python2")):
                continue
            place = self.find(name)
            if place is None:
                continue
            if place.kind == _NAMESPACE:
                yield from self._below_namespace(name, place)
            elif place.kind != _NATIVE and name not in self.visits:
                self.visits[name] = visit = _Visit(name, place, None)
                yield visit

    def _below_namespace(self, name: str, place: Place) -> Iterator[_Visit]:
        """The outermost regular packages below a namespace package, where a distribution owns them."""
        for index, folder in place.folders:
            tree = self.trees[index]
            start = folder + "/"
            outer: list[str] = []
            if index not in self._sorted_folders:
                self._sorted_folders[index] = sorted(tree.folders)
            folders = self._sorted_folders[index]
            for at in range(bisect_left(folders, start), len(folders)):
                below = folders[at]
                if not below.startswith(start):
                    break
                if outer and below.startswith(outer[-1]):
                    continue
                if below + "/__init__.py" in tree.files and len(outer) < 400:
                    outer.append(below + "/")
                    module = name + below[len(folder) :].replace("/", ".")
                    found = self.find(module)
                    if found is not None and found.kind == _PACKAGE and module not in self.visits:
                        self.visits[module] = visit = _Visit(module, found, None)
                        yield visit

    def _read(self, visit: _Visit, limit: int, following: list[_Visit]) -> None:
        data = self.source(visit.place, limit)
        if mentions_any(data, self.words):
            if mentions_any(data, _OPENERS) and _OPENING.search(data):
                self.openers.append(visit)
            for word, name in self.watched:
                if word in data and _indented(data, name):
                    self.suspects.append(Suspect(visit.module, name, ()))
        package = visit.module if visit.place.kind == _PACKAGE else visit.module.rpartition(".")[0]
        top = visit.module.partition(".")[0]
        own = top.encode() if self.counts.get(top, 0) >= self.share else b""
        cut, found = statements(data, package, self.plain, self._absolute, own)
        self.cut |= cut
        for statement, relative, imports in found:
            before = len(self.suspects)
            for module, names in imports:
                self._follow(visit, module, names, following)
            if not relative and len(self.suspects) == before:
                self._absolute.add(statement)

    def opened(self) -> Iterator[OpenedLibrary]:
        """Libraries that followed modules open by a plain name, in statements at their left margin."""
        import ast

        from envdoctor.collect.source import parse

        suffix = {"linux": ".so", "macos": ".dylib", "windows": ".dll"}[self.scene.target.system]
        for visit in self.openers[:OPENERS]:
            tree = parse(self.source(visit.place))
            for statement in tree.body if tree is not None else ():
                value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr)) else None
                name = _library_of(value) if isinstance(value, ast.Call) else None
                if name and suffix in name and "/" not in name and "\\" not in name:
                    yield OpenedLibrary(
                        name=text(name),
                        path=text(visit.place.rel),
                        site=visit.place.site,
                        line=statement.lineno - 1,
                        module=text(visit.module),
                        distribution=self.owner(visit.place),
                    )

    def _follow(self, visit: _Visit, module: str, names: tuple[str, ...], following: list[_Visit]) -> None:
        head = module.partition(".")[0]
        if head in self.stdlib or module in self.gone_names:
            lost = self.gone_names.get(module)
            if lost and not lost.isdisjoint(names):
                self.suspects.append(Suspect(visit.module, module, tuple(sorted(lost.intersection(names)))))
            if head in self.stdlib:
                return
        if head in self.gone:
            self.suspects.append(Suspect(visit.module, head, ()))
            return
        foreign = visit.module.partition(".")[0] != head
        full = self.counts.get(head, 0) >= self.share
        if full and self.cut and not foreign:
            return  # nothing of it is visited, and that is known
        full = full and foreign
        place = self._enter(visit, module, following)
        if place is None or not names:
            return
        if place.kind not in (_PACKAGE, _MODULE):
            if place.kind == _NAMESPACE:
                for name in names:
                    if name != "*":
                        self._submodule(visit, module, place, name, following)
            return
        doubtful = []
        for name in names:
            if name == "*" or (full and self._mentioned(module, place, name.encode(), 0)):
                continue
            if place.folders and self._submodule(visit, module, place, name, following):
                continue
            if foreign and (full or not self._mentioned(module, place, name.encode(), 0)):
                doubtful.append(name)
        if doubtful:
            self.suspects.append(Suspect(visit.module, module, tuple(doubtful)))

    def _enter(self, visit: _Visit, module: str, following: list[_Visit]) -> Place | None:
        """Visits a module and its parents. A submodule that is not there is a suspect."""
        place = self.find(module)
        if place is None:
            if "." in module:
                self._missing(visit, module)
        elif module not in self.visits:
            self._visit(visit, module, following)
        return place

    def _submodule(self, visit: _Visit, module: str, place: Place, name: str, following: list[_Visit]) -> bool:
        """Visits what `name` in a package or namespace is; false where it is no module."""
        dotted = f"{module}.{name}"
        try:
            found = self._places[dotted]
        except KeyError:
            found = self._places[dotted] = self._look(place.folders, name)
        if found is None:
            return False
        if dotted not in self.visits:
            self._visit(visit, dotted, following)
        return True

    def _visit(self, visit: _Visit, module: str, following: list[_Visit]) -> None:
        """Visits a module that is there, its parents first, as far as the share of the top-level package goes."""
        top = module.partition(".")[0]
        if self.counts.get(top, 0) >= self.share:
            self.cut = True
            return
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            if name in self.visits:
                continue
            count = self.counts.get(top, 0)
            if count >= self.share:
                self.cut = True
                break
            found = self.find(name)
            if found is not None and found.kind in (_PACKAGE, _MODULE):
                self.counts[top] = count + 1
                self.visits[name] = step = _Visit(name, found, visit.module)
                following.append(step)

    def _mentioned(self, module: str, place: Place, name: bytes, depth: int) -> bool:
        """The file, or one that it imports everything from, contains the name; for all we know a native one does, too."""
        if place.kind not in (_PACKAGE, _MODULE):
            return True
        key = (module, name)
        known = self._mentions.get(key)
        if known is None:
            self._mentions[key] = True
            self._mentions[key] = known = self._mentions_it(module, place, name, depth)
        return known

    def _mentions_it(self, module: str, place: Place, name: bytes, depth: int) -> bool:
        data = self.whole(place)
        if mentions(data, name):
            return True
        if depth > 3:
            return True
        stars = self._stars.get(module)
        if stars is None:
            self._stars[module] = stars = self._star_targets(module, place, data)
        return any(other is None or self._mentioned(target, other, name, depth + 1) for target, other in stars)

    def _star_targets(self, module: str, place: Place, data: bytes) -> list[tuple[str, Place | None]]:
        if b"import *" not in data:
            return []
        package = module if place.kind == _PACKAGE else module.rpartition(".")[0]
        targets = set()
        for star in _STAR.findall(data):
            target = star.decode("ascii", "replace")
            bare = target.lstrip(".")
            targets.add(_relative(package, len(target) - len(bare), bare) if target != bare else target)
        return [(target, self.find(target)) for target in sorted(targets)]

    def _missing(self, visit: _Visit, module: str) -> None:
        if visit.module.partition(".")[0] == module.partition(".")[0]:
            return
        parent = self.find(module.rpartition(".")[0])
        if parent is not None and parent.kind == _PACKAGE:
            self.suspects.append(Suspect(visit.module, module, ()))


class _Proof:
    """The second pass: suspects that the syntax trees confirm."""

    def __init__(self, walk: _Walk) -> None:
        from envdoctor.collect import syntax

        self.walk = walk
        self.syntax = syntax
        platform = {"macos": "darwin", "windows": "win32"}.get(walk.scene.target.system, "linux")
        self.environment = syntax.Environment(walk.version, platform, walk.facts.interpreter.implementation)
        self._executed: dict[str, list[syntax.Executed]] = {}
        self._exports: dict[tuple[int, str], syntax.Exports] = {}
        self._sure: dict[str, bool] = {}
        self._packages: dict[tuple[int, str], tuple[list[Place], bool]] = {}
        self.versions = {d.name: d.version for d in reversed(walk.distributions)}

    def broken(self) -> Iterator[BrokenImport]:
        """The suspects that are proved."""
        seen = set()
        for suspect in self.walk.suspects:
            if suspect in seen:
                continue
            seen.add(suspect)
            if len(self._executed) + len(self._exports) > PROOFS:
                self.walk.scene.gap(
                    "imports", self.walk.scene.target.prefix, f"more than {PROOFS} doubtful files; the rest was not judged"
                )
                return
            visit = self.walk.visits[suspect.importer]
            lost = self._lost(suspect)
            if lost is None or not self._runs(suspect.importer):
                continue
            owner = self.walk.owner(visit.place)
            if owner is None:
                continue
            provider = self._provider(suspect.module)
            if provider == owner:
                continue
            for statement in self._statements(suspect, lost):
                for name in lost or (None,):
                    if name is not None and name not in statement.names:
                        continue
                    yield BrokenImport(
                        path=text(visit.place.rel),
                        site=visit.place.site,
                        line=statement.line,
                        statement=text(statement.statement),
                        importer=owner,
                        module=text(suspect.module),
                        name=None if name is None else text(name),
                        provider=provider,
                        provider_version=self.versions.get(provider) if provider else None,
                        chain=tuple(text(module) for module in self._chain(suspect.importer)),
                    )

    def _provider(self, module: str) -> str | None:
        if module == "pkg_resources":
            return "setuptools"
        parts = module.split(".")
        for end in range(len(parts), 0, -1):
            place = self.walk.find(".".join(parts[:end]))
            if place is not None and place.rel:
                return self.walk.owner(place) or parts[0].lower().replace("_", "-")
        return None

    # ------------------------------------------------------------------------------------------------- importing side
    def executed(self, module: str) -> list[syntax.Executed]:
        """Imports that a visited module surely runs."""
        if module not in self._executed:
            data = self.walk.source(self.walk.visits[module].place)
            self._executed[module] = self.syntax.executed(data[1:], self.environment)
        return self._executed[module]

    def _absolute(self, module: str, statement: syntax.Executed) -> str:
        if not statement.level:
            return statement.module
        visit = self.walk.visits[module]
        package = module if visit.place.kind == _PACKAGE else module.rpartition(".")[0]
        return _relative(package, statement.level, statement.module)

    def _runs(self, module: str) -> bool:
        """Importing the top-level package surely comes to `module`."""
        known = self._sure.get(module)
        if known is not None:
            return known
        self._sure[module] = False
        parent = self.walk.visits[module].parent
        sure = parent is None or (self._runs(parent) and self._leads(parent, module))
        self._sure[module] = sure
        return sure

    def _leads(self, parent: str, module: str) -> bool:
        for statement in self.executed(parent):
            target = self._absolute(parent, statement)
            if target == module or target.startswith(module + "."):
                return True
            if module.startswith(target + ".") and module[len(target) + 1 :] in statement.names:
                return True
        return False

    def _chain(self, module: str) -> list[str]:
        chain: list[str] = []
        at: str | None = module
        while at is not None and at not in chain:
            chain.append(at)
            at = self.walk.visits[at].parent
        return chain[::-1]

    def _statements(self, suspect: Suspect, lost: tuple[str, ...]) -> list[syntax.Executed]:
        """Statements of the importer that surely run and ask for what is missing; the first for a missing module."""
        found = []
        for statement in self.executed(suspect.importer):
            target = self._absolute(suspect.importer, statement)
            if lost:
                if target == suspect.module and not set(lost).isdisjoint(statement.names):
                    found.append(statement)
            elif target == suspect.module or target.startswith(suspect.module + "."):
                return [statement]
        return found

    # ------------------------------------------------------------------------------------------------- providing side
    def _lost(self, suspect: Suspect) -> tuple[str, ...] | None:
        """The names that are surely not there; empty when the module itself is missing; None when nothing is."""
        walk = self.walk
        if not suspect.names:
            if suspect.module in walk.gone:
                return () if self._really_gone(suspect) else None
            return () if self._no_submodule(suspect.module) else None
        if suspect.module.partition(".")[0] in walk.stdlib:
            return self._lost_of_stdlib(suspect)
        place = walk.find(suspect.module)
        if place is None or place.kind not in (_PACKAGE, _MODULE) or suspect.module.partition(".")[0] in walk.editable:
            return None
        lost = tuple(
            name for name in suspect.names if self._lacks(suspect.module, place, name, 0) and not self._set_elsewhere(place, name)
        )
        return lost or None

    def _really_gone(self, suspect: Suspect) -> bool:
        """distutils appears once setuptools is imported; the others do not come back."""
        if suspect.module != "distutils" or self.walk.find("setuptools") is None:
            return True
        return not any(
            b"setuptools" in self.walk.source(self.walk.visits[module].place)
            or b"_distutils_hack" in self.walk.source(self.walk.visits[module].place)
            for module in self._chain(suspect.importer)
        )

    def _no_submodule(self, module: str) -> bool:
        """No file, and the packages above it do not make modules up or look for them elsewhere."""
        walk = self.walk
        parts = module.split(".")
        if parts[0] in walk.editable:
            return False
        for end in range(1, len(parts)):
            place = walk.find(".".join(parts[:end]))
            if place is None or place.kind not in (_PACKAGE, _NAMESPACE):
                return False
            if place.kind == _PACKAGE and self.exports(place).own_path:
                return False
        parent = walk.find(module.rpartition(".")[0])
        if parent is None or parent.kind != _PACKAGE:
            return False
        stem = f"{parent.folders[0][1]}/{parts[-1]}"
        owned = walk.owned[parent.site]
        if any(path in owned for path in (f"{stem}.py", f"{stem}/__init__.py", stem)):
            return False
        tree = walk.trees[parent.site]
        if any(rel == "" or stem.startswith(rel) for rel, _ in tree.problems):
            return False
        return not self._set_elsewhere(parent, parts[-1], modules=True)

    def exports(self, place: Place) -> syntax.Exports:
        """The names of an installed module."""
        key = (place.site, place.rel)
        if key not in self._exports:
            self._exports[key] = self.syntax.exports(self.walk.source(place)[1:])
        return self._exports[key]

    def _lacks(self, module: str, place: Place, name: str, depth: int) -> bool:
        """The module surely has no attribute or submodule of that name."""
        if place.kind not in (_PACKAGE, _MODULE):
            return False
        found = self.exports(place)
        if found.open or name in found.names or (place.folders and self.walk.find(f"{module}.{name}") is not None):
            return False
        if name.startswith("__") or (found.own_path and place.kind == _PACKAGE):
            return False
        stub = place.rel + "i"
        tree = self.walk.trees[place.site]
        if stub in tree.files and mentions(self.walk.source(place._replace(rel=stub)), name.encode()):
            return False
        package = module if place.kind == _PACKAGE else module.rpartition(".")[0]
        for level, star in found.stars:
            target = _relative(package, level, star) if level else star
            other = self.walk.find(target)
            if depth > 6 or other is None or not self._lacks(target, other, name, depth + 1):
                return False
        return not found.open or not mentions(self.walk.whole(place), name.encode())

    def _set_elsewhere(self, place: Place, name: str, modules: bool = False) -> bool:
        """Another file of the same top-level package sets the name from outside (``package.name = …``, ``sys.modules``)."""
        files, machinery = self._package(place)
        if machinery:
            return True
        needle = name.encode()
        assigned = re.compile(rb"(?<![\w.])(?!self\.|cls\.)[A-Za-z_][\w.]*\." + re.escape(needle) + rb"[ \t]*=(?!=)")
        quoted = (b'"' + needle + b'"', b"'" + needle + b"'")
        for file in files:
            data = self.walk.source(file)
            if needle not in data:
                continue
            if modules:
                if b"sys.modules" in data or b"ModuleType" in data:
                    return True
            elif assigned.search(data) or (b"setattr(" in data and any(word in data for word in quoted)):
                return True
        return False

    def _package(self, place: Place) -> tuple[list[Place], bool]:
        """All Python files below the same top-level package, and whether one of them changes how modules are found."""
        top = place.rel.partition("/")[0]
        key = (place.site, top)
        if key not in self._packages:
            tree = self.walk.trees[place.site]
            files = [Place(_MODULE, place.site, rel) for rel in tree.below(top) if rel.endswith(".py")]
            machinery = len(files) > PACKAGE_FILES or any(b"sys.meta_path" in self.walk.source(file) for file in files)
            self._packages[key] = (files, machinery)
        return self._packages[key]

    def _lost_of_stdlib(self, suspect: Suspect) -> tuple[str, ...] | None:
        """Names that the target's own standard library file confirms to be gone, where it can be read."""
        folder = self.walk.facts.interpreter.stdlib
        stem = suspect.module.replace(".", "/")
        if folder:
            root = self.walk.scene.rooted(folder)
            for rel in (f"{stem}/__init__.py", f"{stem}.py"):
                try:
                    data = fs.read(f"{root}/{rel}", LIMIT).data
                except fs.Unreadable:
                    continue
                names = self.syntax.exports(data).names
                package = rel.endswith("__init__.py")
                lost = tuple(n for n in suspect.names if n not in names and not (package and _is_module(f"{root}/{stem}", n)))
                return lost or None
        return suspect.names


def statements(data: bytes, package: str, plain: frozenset[bytes], known: set[bytes], own: bytes) -> tuple[bool, list[Statement]]:
    """The import statements at the left margin of a module, each once, sorted by their text; and whether relative ones were
    left out.

    `data` is the module after a newline, `package` what relative imports start from. Left out are statements in `known`, those
    that only ask for one of the top-level modules in `plain`, and with `own`, the module's own top-level name, those that
    stay below it.
    """
    if _statements_compiled is not None:
        answer: tuple[bool, list[Statement]] | None = _statements_compiled(data, package, plain, known, own)
        if answer is not None:
            return answer
    cut = False
    found: list[Statement] = []
    for statement in sorted(set(_IMPORT.findall(data)) - known):
        words = statement.split(None, 2)
        if len(words) < 2:
            continue
        relative = words[1][:1] == b"." and statement[:1] == b"f"
        head = words[1].partition(b".")[0]
        if relative:
            if own:
                cut = True
                continue
        elif (head in plain and (statement[:1] == b"f" or b"," not in statement)) or (own and head == own):
            continue
        found.append((statement, relative, tuple(parse_statement(statement, package))))
    return cut, found


def imports_of(data: bytes, package: str) -> list[Imported]:
    """What all import statements at the left margin of a module import, in their order, equal statements once.

    `data` and `package` as for :func:`statements`.
    """
    if _imports_of_compiled is not None:
        answer: list[Imported] | None = _imports_of_compiled(data, package)
        if answer is not None:
            return answer
    return [found for statement in dict.fromkeys(_IMPORT.findall(data)) for found in parse_statement(statement, package)]


def parse_statement(statement: bytes, package: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Absolute dotted module and names of one import statement, as bytes of the file; nothing for what is not one."""
    if b"#" in statement:
        statement = _COMMENT.sub(b"", statement)
    code = statement.decode("ascii", "replace")
    if code[0] == "f":
        head, found, tail = code[4:].replace("\\\n", " ").partition(" import")
        module = head.strip()
        if not found or (tail and tail[0] not in " \t(*"):
            return
        names = []
        for part in tail.partition(";")[0].strip(" \t()\r\n").split(","):
            words = part.split(None, 1)
            if words and (words[0].isidentifier() or words[0] == "*"):
                names.append(words[0])
        if module[:1] == ".":
            bare = module.lstrip(". ")
            module = _relative(package, len(module) - len(bare), bare)
        if module and _dotted(module):
            yield module, tuple(names)
        return
    for part in code[6:].partition(";")[0].replace("\\\n", " ").split(","):
        words = part.split(None, 1)
        if words and _dotted(words[0]):
            yield words[0], ()


def _library_of(call: ast.Call) -> str | None:
    """The literal name in ``CDLL("…")``, ``ctypes.CDLL("…")``, ``cdll.LoadLibrary("…")`` or cffi's ``ffi.dlopen("…")``."""
    import ast

    function = call.func
    name = function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    if name not in ("CDLL", "PyDLL", "LoadLibrary", "dlopen") or not call.args:
        return None
    first = call.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def mentions(data: bytes, word: bytes) -> bool:
    """`word` stands in `data` as an identifier of its own where it could be defined, imported or listed: not as an attribute, a
    part of another word, or a word of a sentence. Errs towards yes."""
    at = data.find(word)
    size = len(word)
    while at >= 0:
        end = at + size
        before = data[at - 1] if at else 10
        if before not in _IDENTIFIER and before != 46 and data[end : end + 1] not in _LETTERS:
            rest = data[end : end + 20].lstrip(b" \t")
            if rest[:1] in _AFTER or data[max(0, at - 8) : at].split(b" ")[-2:-1] in _BEFORE:
                return True
        at = data.find(word, end)
    return False


def _indented(data: bytes, name: str) -> bool:
    """An indented import of `name` whose enclosing blocks might all run, with no function and no ``try`` around it, or a bare
    ``__import__("name")`` at the left margin."""
    if re.search(rb"\n__import__\([\"']" + name.encode() + rb"[\"']\)", data):
        return True
    for match in re.finditer(rb"\n([ \t]+)(?:from|import)[ \t]+" + name.encode() + rb"\b", data):
        indent = len(match[1])
        for line in reversed(data[max(0, match.start() - 20_000) : match.start()].split(b"\n")):
            code = line.lstrip()
            depth = len(line) - len(code)
            if not code.strip() or code[:1] == b"#" or depth >= indent:
                continue
            indent = depth
            if code.startswith((b"def ", b"async ", b"except", b"for ", b"while ")):
                break
            if code.startswith(b"try"):
                if b"raise" not in data[match.end() : match.end() + 400]:
                    break
                if depth == 0:
                    return True
            if depth == 0:
                return code.startswith((b"if", b"el", b"class", b"with", b"finally"))
    return False


def _relative(package: str, level: int, module: str) -> str:
    """The absolute name of a relative import in `package`; empty when it leads above the top."""
    parts = package.split(".")
    if level > len(parts):
        return ""
    base = ".".join(parts[: len(parts) - level + 1])
    return f"{base}.{module}" if module else base


def _dotted(module: str) -> bool:
    return module.isidentifier() or all(part.isidentifier() for part in module.split("."))


def _is_module(folder: str, name: str) -> bool:
    return fs.exists(os.path.join(folder, name + ".py")) or fs.is_folder(os.path.join(folder, name))


def _version(version: str | None) -> tuple[int, ...] | None:
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    return tuple(int(part) for part in match.groups() if part is not None) if match else None
