"""Which installed distributions need a standard-library module that the interpreter lacks, as soon as they are imported.

Asked only when such a module is absent or cannot be loaded. A distribution needs it when importing one of its top-level modules
surely runs an import of it: from the top-level module, the imports that surely run (:func:`syntax.executed`) are followed
through the distribution's own modules.
"""

from __future__ import annotations

import msgspec

from envdoctor.collect import files
from envdoctor.collect.interpreter import Facts
from envdoctor.collect.scene import Scene
from envdoctor.collect.tree import Tree
from envdoctor.snapshot import Distribution, Interpreter
from envdoctor.view import View

MAX_MODULES = 400
"""Modules of one distribution that are read."""
MAX_READ = 4000
"""Modules of all distributions that are read."""
MAX_USERS = 200

USED_AS: dict[str, tuple[str, ...]] = {
    "_bz2": ("_bz2", "bz2"),
    "_ctypes": ("_ctypes", "ctypes"),
    "_curses": ("_curses", "curses"),
    "_lzma": ("_lzma", "lzma"),
    "_sqlite3": ("_sqlite3", "sqlite3"),
    "_ssl": ("_ssl", "ssl"),
    "_zstd": ("_zstd", "compression.zstd"),
    "readline": ("readline",),
    "zlib": ("zlib", "gzip"),
}
"""The modules whose import fails without it. ``hashlib`` goes on without ``_hashlib``."""


def collect(scene: Scene, view: View, facts: Facts, trees: list[Tree | None]) -> Interpreter:
    """The interpreter's facts, with what the loader says of its modules, and ``imported_by`` of those that do not load."""
    interpreter = _loaded(view)
    absent = [m.name for m in interpreter.optional_modules if (not m.present or m.problem) and m.name in USED_AS]
    if not absent:
        return interpreter
    scan = _Scan(scene, facts, trees, {used: name for name in absent for used in USED_AS[name]})
    users: dict[str, list[str]] = {name: [] for name in absent}
    for dist in sorted(view.snapshot.distributions, key=lambda d: (d.name, d.site)):
        for name in scan.needs(dist):
            if dist.name not in users[name] and len(users[name]) < MAX_USERS:
                users[name].append(dist.name)
    modules = tuple(
        msgspec.structs.replace(m, imported_by=tuple(users[m.name])) if users.get(m.name) else m
        for m in interpreter.optional_modules
    )
    return msgspec.structs.replace(interpreter, optional_modules=modules)


def _loaded(view: View) -> Interpreter:
    """The interpreter's facts, with ``problem`` of modules that lack a library or a version of one."""
    interpreter = view.snapshot.interpreter
    loads = view.loads
    problems: dict[str, str] = {}
    for version in loads.version_problems:
        if version.root.kind == "stdlib":
            lacking = f"{version.versions[-1]} of {version.library}"
            problems[version.root.module] = f"it needs {lacking}, which {version.found or 'the library here'} does not define"
    for needs in view.process.failing.values() if loads.reason is None and loads.missing else ():
        if needs[0].root.kind == "stdlib":
            problems[needs[0].root.module] = f"it needs {needs[0].name}, which is nowhere"
    if not problems:
        return interpreter
    modules = tuple(
        msgspec.structs.replace(m, problem=problems[m.name]) if m.path and not m.problem and m.name in problems else m
        for m in interpreter.optional_modules
    )
    return msgspec.structs.replace(interpreter, optional_modules=modules)


class _Scan:
    def __init__(self, scene: Scene, facts: Facts, trees: list[Tree | None], wanted: dict[str, str]) -> None:
        from envdoctor.collect.syntax import Environment

        platform = {"windows": "win32", "macos": "darwin"}.get(scene.target.system, "linux")
        self.environment = Environment(facts.version, platform)
        self.trees = trees
        self.wanted = wanted
        self.read = 0

    def needs(self, dist: Distribution) -> set[str]:
        """Names of the absent modules that importing `dist` asks for."""
        tree = self.trees[dist.site] if dist.site < len(self.trees) else None
        if tree is None:
            return set()
        own = set(dist.import_names)
        found: set[str] = set()
        queue = [(name, rel) for name in sorted(own) if (rel := _file(tree, name)) is not None]
        seen = {name for name, _ in queue}
        while queue and len(seen) < MAX_MODULES and self.read < MAX_READ:
            module, rel = queue.pop()
            package = module if rel.endswith("/__init__.py") else module.rpartition(".")[0]
            for imported in self._imports(f"{tree.root}/{rel}", package):
                if (name := self.wanted.get(imported) or self.wanted.get(imported.partition(".")[0])) is not None:
                    found.add(name)
                elif imported.partition(".")[0] in own:
                    for each in _with_parents(imported):
                        inner = _file(tree, each) if each not in seen else None
                        if inner is not None:
                            seen.add(each)
                            queue.append((each, inner))
        return found

    def _imports(self, path: str, package: str) -> list[str]:
        """Dotted names that importing the module at `path` surely imports."""
        from envdoctor.collect.syntax import executed

        self.read += 1
        try:
            data = files.read(path, 1 << 20).data
        except files.Unreadable:
            return []
        if b"import" not in data:
            return []
        found: list[str] = []
        for statement in executed(data, self.environment):
            module = statement.module
            if statement.level:
                parts = package.split(".")
                kept = parts[: len(parts) - statement.level + 1]
                module = ".".join([*kept, module] if module else kept)
            if module:
                found.append(module)
                found += [f"{module}.{name}" for name in statement.names if name != "*"]
        return found


def _file(tree: Tree, module: str) -> str | None:
    """The module's source file, relative to the site folder."""
    path = module.replace(".", "/")
    for rel in (f"{path}/__init__.py", f"{path}.py"):
        if rel in tree.files:
            return rel
    return None


def _with_parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]
