"""Modules that stand in front of the standard library or of an installed distribution on sys.path.

When Python starts, the folder of the script (or the working directory) and the folders of PYTHONPATH come before the
standard library, site-packages after it. What a candidate breaks is looked up only when there is one: the files read then are
bounded in number and size.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from envdoctor.collect import files
from envdoctor.collect.scene import Scene
from envdoctor.collect.tree import Outline
from envdoctor.lazy import pattern
from envdoctor.snapshot import Distribution, Project, Shadow, Site, text
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.collect import interpreter

Where = Literal["working-directory", "project", "pythonpath", "site", "user"]


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


BUILT_IN = _names(
    "_abc _ast _codecs _collections _functools _imp _io _locale _operator _signal _sre _stat _string _symtable _thread "
    "_tracemalloc _typing _warnings _weakref atexit builtins errno faulthandler gc itertools marshal nt posix sys time "
    "winreg zipimport"
)
"""Compiled into every CPython: found before sys.path is looked at."""
FROZEN = _names("_collections_abc _sitebuiltins abc codecs genericpath io ntpath os posixpath runpy site stat")
"""Frozen into CPython 3.11 and later."""
AT_START = FROZEN - {"runpy"} | {"encodings", "_bootlocale", "sitecustomize", "usercustomize"}
"""Imported before the script's folder is put on sys.path."""
TOOLS = _names(
    "__phello__ antigravity bdb cProfile cgi cgitb cmd code codeop compileall distutils doctest ensurepip idlelib lib2to3 "
    "pdb profile pstats py_compile pydoc pydoc_data smtpd tabnanny test this timeit tkinter trace turtle turtledemo venv "
    "webbrowser zipapp"
)
"""Modules of the standard library that programs rarely import: what only these need, nobody misses."""
COMMON = _names(
    "app apps assets bench benchmark benchmarks bin build ci config conf conftest core data demo demos dist doc docs etc "
    "example examples fixtures img include lib libs main misc model models notebooks resources script scripts server setup "
    "share site src static task tasks templates test testing tests third_party tool tools util utils vendor version"
)
"""Top-level names that distributions ship by mistake and projects use on purpose; nobody imports them from elsewhere."""

_SUFFIX = pattern(r"^([A-Za-z_]\w*)(\.py|\.pyc|(?:\.[\w-]+)?\.(?:so|pyd))$")
_IMPORT = pattern(rb"^(?:from[ \t]+([A-Za-z_][\w.]*)[ \t]+import|import[ \t]+([^#\n;]+))", re.MULTILINE)
MAX_NAMES = 200_000
MAX_FILES = 1500
MAX_BYTES = 16 << 20
"""Files and bytes of installed packages that are read for the modules in front of the standard library, twice at most."""
MAX_BREAKS = 40
"""Standard modules that a hidden one may take with it and that are then looked for in packages."""


class _Folder(NamedTuple):
    path: str
    where: Where


class _Candidate(NamedTuple):
    name: str
    path: str
    where: Where


def collect(
    scene: Scene,
    facts: interpreter.Facts,
    sites: Sequence[Site],
    trees: Sequence[Outline | None],
    distributions: Sequence[Distribution],
    project: Project | None,
) -> tuple[Shadow, ...]:
    """Every module of the working directory, the project's root, PYTHONPATH or a site folder that hides another one."""
    stdlib = frozenset(facts.interpreter.stdlib_modules)
    providers = _providers(distributions, sites)
    shadows: list[Shadow] = []
    hidden: list[_Candidate] = []
    roots = [tree.root if tree is not None else site.path for tree, site in zip(trees, sites, strict=False)]
    for folder in _folders(scene, facts, roots):
        for name, path in modules(folder.path):
            if name in stdlib and _can_hide(name, folder.where, facts):
                hidden.append(_Candidate(name, path, folder.where))
            elif name in providers and name not in stdlib:
                dist = _hidden_distribution(name, path, folder, providers[name], sites, project)
                if dist is not None:
                    shadows.append(
                        Shadow(name=name, path=text(path), where=folder.where, hides="distribution", distribution=dist.name)
                    )
    before = {files.real(p) for p in _pythonpath(scene)}
    for site, tree in zip(sites, trees, strict=False):
        if tree is None or not site.active or site.role in ("pythonpath", "stdlib", "pth"):
            continue
        if files.real(tree.root) in before:
            continue  # seen as a folder of PYTHONPATH
        for name in _stdlib_names(tree, stdlib):
            where: Where = "user" if site.role == "user" else "site"
            shadows.append(Shadow(name=name, path=text(f"{site.path}/{_file_of(tree, name)}"), where=where, hides="stdlib"))
    if hidden:
        shadows += _with_importers(facts, hidden, sites, trees)
    return tuple(sorted(shadows, key=lambda s: (s.where, s.path, s.name)))


# --------------------------------------------------------------------------------------------------------------- folders
def _pythonpath(scene: Scene) -> list[str]:
    folders: list[str] = []
    for entry in scene.environ.get("PYTHONPATH", "").split(os.pathsep):
        folder = entry if os.path.isabs(entry) else os.path.join(scene.cwd, entry) if scene.cwd and entry else ""
        if folder and folder not in folders:
            folders.append(folder)
    return folders[:200]


def _folders(scene: Scene, facts: interpreter.Facts, roots: Sequence[str]) -> list[_Folder]:
    """Folders in front of the standard library, each once: where Python is started, and PYTHONPATH."""
    if scene.target.foreign:
        return []
    found: list[_Folder] = []
    seen: set[str] = set()
    own = [files.real(root) for root in roots if root]
    stdlib = facts.stdlib or facts.interpreter.stdlib
    libraries = [*own, files.real(stdlib)] if stdlib else own
    skipped = {files.real(scene.prefix), files.real(scene.bin)}

    def add(path: str, where: Where) -> None:
        real = files.real(path)
        if real in seen or not files.is_folder(real):
            return
        seen.add(real)
        inside = any(real == library or real.startswith(library + os.sep) for library in libraries)
        if where != "pythonpath" and (inside or real in skipped):
            return
        if stdlib and real == files.real(stdlib):
            return
        found.append(_Folder(path, where))

    for path in _pythonpath(scene):
        add(path, "pythonpath")
    if not scene.environ.get("PYTHONSAFEPATH") or _older(facts, 11):
        if scene.cwd:
            add(scene.cwd, "working-directory")
        if scene.project_root:
            add(scene.project_root, "project")
    return found


def _older(facts: interpreter.Facts, minor: int) -> bool:
    """The target is a Python before 3.`minor`."""
    parts = (facts.interpreter.version or "3.99").split(".")
    return len(parts) > 1 and parts[1].isdigit() and int(parts[1]) < minor


def modules(folder: str) -> list[tuple[str, str]]:
    """Importable names at the top of a folder with their paths: modules, extensions, packages with an ``__init__``."""
    try:
        names = files.names(folder)
    except files.Unreadable:
        return []
    found: dict[str, str] = {}
    for name in names[:MAX_NAMES]:
        match = _SUFFIX.match(name)
        if match:
            if match[1] not in found and files.is_file(f"{folder}/{name}"):
                found[match[1]] = f"{folder}/{name}"
        elif name.isidentifier():
            for init in ("__init__.py", "__init__.pyc"):
                if files.is_file(f"{folder}/{name}/{init}"):
                    found[name] = f"{folder}/{name}"
                    break
    return sorted(found.items())


# ---------------------------------------------------------------------------------------------------------------- stdlib
def _can_hide(name: str, where: Where, facts: interpreter.Facts) -> bool:
    """A module of that name, in front of the standard library, is found instead of the standard one."""
    if name in BUILT_IN or name in ("test", "__main__", "__future__") or name.startswith("__"):
        return False
    if name in FROZEN and not _older(facts, 11):
        return False
    if where != "pythonpath" and name in AT_START:
        return False
    return _has_file(facts.stdlib or facts.interpreter.stdlib, name)


def _has_file(stdlib: str | None, name: str) -> bool:
    """The standard module is a file; without one it is compiled into the interpreter, which nothing hides."""
    if stdlib is None:
        return False
    if files.is_file(f"{stdlib}/{name}.py") or files.is_folder(f"{stdlib}/{name}"):
        return True
    for folder in (f"{stdlib}/lib-dynload", f"{os.path.dirname(stdlib)}/DLLs"):
        try:
            if any(entry.split(".", 1)[0] == name for entry in files.names(folder)):
                return True
        except files.Unreadable:
            continue
    return False


def _stdlib_names(tree: Outline, stdlib: frozenset[str]) -> list[str]:
    """Names of the standard library at the top of a site folder; behind it on sys.path, so never imported."""
    found = set()
    for name, kind in tree.top.items():
        if name.endswith(".py") and name[:-3] in stdlib:
            found.add(name[:-3])
        elif name in stdlib and kind in ("folder", "link") and tree.has_package(name):
            found.add(name)
    return sorted(n for n in found if n not in ("test", "sitecustomize", "usercustomize") and not n.startswith("_"))


def _file_of(tree: Outline, name: str) -> str:
    return f"{name}.py" if f"{name}.py" in tree.files else name


def _with_importers(
    facts: interpreter.Facts, hidden: Sequence[_Candidate], sites: Sequence[Site], trees: Sequence[Outline | None]
) -> list[Shadow]:
    """The candidates with what imports the module that each hides: standard modules, then installed packages."""
    stdlib = facts.stdlib or facts.interpreter.stdlib
    graph = _stdlib_imports(stdlib) if stdlib else {}
    breaks = {c.name: _broken_with(c.name, graph) for c in hidden}
    folders = _packages(hidden, sites, trees)
    packages = _package_importers(breaks, folders)
    left = frozenset(c.name for c in hidden if not packages.get(c.name) and not breaks[c.name])
    reached, others = _submodule_importers(left, folders) if left else ({}, {})
    for name, modules_ in reached.items():
        packages.setdefault(name, set()).update(modules_)
    found = []
    for candidate in hidden:
        own = sorted(packages.get(candidate.name, ()))
        direct = sorted(m for m in breaks[candidate.name] if candidate.name in graph.get(m, ()))
        indirect = sorted(breaks[candidate.name] - set(direct))
        importers = list(dict.fromkeys((*own[:3], *direct, *own[3:], *indirect)))
        lazy = not importers
        importers = importers or sorted(others.get(candidate.name, ()))
        found.append(
            Shadow(
                name=candidate.name,
                path=text(candidate.path),
                where=candidate.where,
                hides="stdlib",
                importers=tuple(importers[:5]),
                importer_count=len(importers),
                lazy=lazy and bool(importers),
                in_package=files.is_file(f"{os.path.dirname(candidate.path)}/__init__.py"),
            )
        )
    return found


def _imports(data: bytes) -> set[str]:
    """Top-level names that column-0 import statements name."""
    found: set[str] = set()
    for match in _IMPORT.finditer(data):
        if match[1]:
            found.add(match[1].split(b".", 1)[0].decode())
        else:
            for part in match[2].split(b","):
                word = part.split()
                if word:
                    found.add(word[0].split(b".", 1)[0].strip(b"()\\").decode("ascii", "replace"))
    return found


def _stdlib_imports(stdlib: str) -> dict[str, set[str]]:
    """What the top-level modules of the standard library import when they are imported."""
    graph: dict[str, set[str]] = {}
    try:
        names = files.names(stdlib)
    except files.Unreadable:
        return graph
    for name in names[:1000]:
        module = name.removesuffix(".py")
        if module in TOOLS or not module.isidentifier() or module in ("site", "test"):
            continue
        path = f"{stdlib}/{name}" if name.endswith(".py") else f"{stdlib}/{name}/__init__.py"
        try:
            graph[module] = _imports(files.read(path, 1 << 20).data)
        except files.Unreadable:
            continue
    return graph


def _broken_with(name: str, graph: Mapping[str, set[str]]) -> set[str]:
    """Standard modules whose import runs an import of `name`, however far away."""
    broken: set[str] = set()
    edge = {name}
    while edge:
        edge = {m for m, imported in graph.items() if m not in broken and m != name and imported & edge}
        broken |= edge
    return broken


class _Package(NamedTuple):
    """A site folder's tree with its files of the top two levels, ``__init__`` and top-level modules apart."""

    root: str
    first: list[str]
    second: list[str]


def _packages(hidden: Iterable[_Candidate], sites: Sequence[Site], trees: Sequence[Outline | None]) -> list[_Package]:
    shadowing = {files.real(os.path.dirname(c.path)) for c in hidden}
    found = []
    for site, tree in zip(sites, trees, strict=False):
        if tree is None or not site.active or files.real(tree.root) in shadowing:
            continue
        paths = sorted(p for p in tree.files if p.endswith(".py") and p.count("/") <= 1)
        first = [p for p in paths if "/" not in p or p.endswith("/__init__.py")]
        found.append(_Package(tree.root, first, sorted(set(paths) - set(first))))
    return found


def _package_importers(breaks: Mapping[str, set[str]], packages: Sequence[_Package]) -> dict[str, set[str]]:
    """Top-level modules and packages whose own import runs an import of a hidden module, or of what breaks with it."""
    wanted: dict[str, set[str]] = {}
    for name, broken in breaks.items():
        for module in {name, *broken} if len(broken) <= MAX_BREAKS else {name}:
            wanted.setdefault(module, set()).add(name)
    found: dict[str, set[str]] = {}
    for path, data in _contents((package.root, path) for package in packages for path in package.first):
        for module in _imports(data) & wanted.keys():
            for name in wanted[module]:
                found.setdefault(name, set()).add(_dotted(path))
    return found


def _submodule_importers(names: frozenset[str], packages: Sequence[_Package]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """For each name the modules inside packages that import it: those that the package itself imports, and the others."""
    patterns = {name: re.compile(rb"^(?:from|import)[ \t]+" + name.encode() + rb"\b", re.MULTILINE) for name in names}
    reached: dict[str, set[str]] = {}
    others: dict[str, set[str]] = {}
    for package in packages:
        for path, data in _contents((package.root, path) for path in package.second):
            for name in names:
                if name.encode() in data and patterns[name].search(data):
                    side = reached if _loaded_with_package(package.root, path) else others
                    side.setdefault(name, set()).add(_dotted(path))
    return reached, others


def _loaded_with_package(root: str, path: str) -> bool:
    """``pkg/__init__.py`` imports the module ``pkg/sub.py`` in a line of its own."""
    folder, _, file = path.partition("/")
    module, parent = file.removesuffix(".py").encode(), folder.encode()
    try:
        data = files.read(f"{root}/{folder}/__init__.py", 1 << 20).data
    except files.Unreadable:
        return False
    dotted = rb"(?:\.|" + re.escape(parent) + rb"\.)" + re.escape(module) + rb"\b"
    listed = rb"from[ \t]+(?:\.|" + re.escape(parent) + rb")[ \t]+import[ \t]+[^\n]*\b" + re.escape(module) + rb"\b"
    return re.search(rb"^(?:(?:from|import)[ \t]+" + dotted + rb"|" + listed + rb")", data, re.MULTILINE) is not None


def _contents(paths: Iterable[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    """Relative path and text of files until there were enough."""
    size = 0
    for count, (root, path) in enumerate(paths):
        if count >= MAX_FILES or size >= MAX_BYTES:
            return
        try:
            data = files.read(f"{root}/{path}", 1 << 20).data
        except files.Unreadable:
            continue
        size += len(data)
        yield path, data


def _dotted(path: str) -> str:
    return text(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))


# --------------------------------------------------------------------------------------------------------- distributions
def _providers(distributions: Sequence[Distribution], sites: Sequence[Site]) -> dict[str, list[Distribution]]:
    """Import name to the distributions of active folders that provide it."""
    found: dict[str, list[Distribution]] = {}
    for dist in distributions:
        if not sites[dist.site].active:
            continue
        for name in dist.import_names:
            if name not in COMMON and not name.startswith("_"):
                found.setdefault(name, []).append(dist)
    return found


def _hidden_distribution(
    name: str, path: str, folder: _Folder, dists: Sequence[Distribution], sites: Sequence[Site], project: Project | None
) -> Distribution | None:
    """The distribution whose module `name` is hidden by `path`; None where it is the project's own or the very same."""
    real = files.real(folder.path)
    base = _key(os.path.basename(real))
    manifest = any(files.exists(f"{folder.path}/{f}") for f in ("pyproject.toml", "setup.py", "setup.cfg"))
    if folder.where != "pythonpath" and project is not None:
        named = project.name is not None and _key(project.name) in {_key(name), *(d.name for d in dists)}
        if named or name in project.packages:
            return None
    for dist in dists:
        site = sites[dist.site].path
        if files.real(site) == real or _source_in(dist, real):
            return None
        if any(files.same(path, f"{site}/{name}{suffix}") for suffix in ("", ".py")):
            return None
        if folder.where != "pythonpath" and manifest and base in (dist.name, _key(name)):
            return None
    return dists[0]


def _key(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _source_in(dist: Distribution, folder: str) -> bool:
    """`dist` was installed from this folder, from above it or from below it."""
    from urllib.parse import unquote, urlsplit

    places = list(dist.editable.sources) if dist.editable is not None else []
    if dist.direct_url is not None and dist.direct_url.url.startswith("file:"):
        places.append(unquote(urlsplit(dist.direct_url.url).path))
    for place in places:
        real = files.real(place)
        if real == folder or real.startswith(folder + os.sep) or folder.startswith(real + os.sep):
            return True
    return False
