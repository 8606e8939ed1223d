"""The import graph is the architecture: rules and formats do no IO, collectors know no rules, broad excepts are counted."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import envdoctor

PACKAGE = Path(envdoctor.__file__).parent
FILES = {
    ".".join(("envdoctor", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}

IO_MODULES = frozenset(
    (
        "os",
        "io",
        "pathlib",
        "shutil",
        "subprocess",
        "socket",
        "tempfile",
        "glob",
        "ctypes",
        "mmap",
        "urllib",
        "http",
        "ssl",
        "sqlite3",
        "multiprocessing",
        "threading",
        "asyncio",
        "psutil",
        "archspec",
        "platform",
        "sysconfig",
        "site",
        "pkgutil",
        "runpy",
        "signal",
        "fcntl",
        "select",
        "selectors",
        "time",
        "logging",
        "rich",
        "click",
    )
)
"""Modules that a pure part has no business with."""
IO_ALLOWED = {"urllib.parse"}
IO_CALLS = frozenset(("open", "print", "input", "exec", "eval", "compile", "__import__"))

PURE = {
    "difference": (),
    "fact": (),
    "lock.changes": (),
    "lock.generated_toml": (),
    "lock.markers": (),
    "lock.formats.uv": (),
    "lock.formats.pylock": (),
    "lock.formats.poetry": (),
    "lock.formats.pdm": (),
    "lock.formats.pipfile": (),
    "lock.formats.requirements": (),
    "lock.fresh.uv": (),
    "lock.fresh.pylock": (),
    "lock.fresh.poetry": (),
    "lock.fresh.pdm": (),
    "lock.fresh.pipfile": (),
    "lock.fresh.requirements": (),
    "lock.fresh.compiled": (),
    "lock.fresh.met": (),
    "lock.manifests.pyproject": (),
    "lock.manifests.poetry_specs": (),
    "lock.manifests.pipfile": (),
    "lock.manifests.requirements_in": (),
    "lock.manifests.setup": (),
    "lock.manifests.wishes": (),
    "lock.make.channels": (),
    "lock.make.entries": (),
    "lock.make.records": (),
    "lock.make.virtual": (),
    "lock.model": (),
    "lock.select": (),
    "lock.write": (),
    "last": (),
    "snapshot": (),
    "finding": (),
    "partial": (),
    "report": (),
    "view": (),
    "remedy": (),
    "requirements": (),
    "tuples": (),
    "digests": (),
    "versions": (),
    "markers": (),
    "platforms": (),
    "causes": (),
    "plan": (),
    "select": (),
    "baseline": (),
    "scaffold": (),
    "symptoms": (),
    "ci": (),
    "conda.archives": (),
    "lock.conda_hash": (),
    "lock.conda_pyproject": (),
    "lock.conda_spec": (),
    "lock.conda_virtual": (),
    "lock.document": (),
    "lock.formats": (),
    "lock.formats.conda_lock": (),
    "lock.formats.explicit": (),
    "lock.formats.pixi": (),
    "lock.fresh": (),
    "lock.fresh.conda_lock": (),
    "lock.fresh.explicit": (),
    "lock.fresh.pixi": (),
    "lock.manifests": (),
    "lock.manifests.environment": (),
    "lock.manifests.pixi": (),
    "yaml": (),
    "yaml.generated": (),
    "yaml.scalars": (),
}
"""Modules (and, below, packages) that do no IO."""

REGISTRY = ("envdoctor.rules", "envdoctor.rules.plugins", "envdoctor.select", "envdoctor")
"""Modules that find rules by their file names: importing them reads no target."""

NOT_FOR_RULES = (
    "envdoctor.collect",
    "envdoctor.cli",
    "envdoctor.diagnose",
    "envdoctor.target",
    "envdoctor.config",
    "envdoctor.formats",
    "envdoctor.report",
)

BROAD = {
    "envdoctor.collect": "around each collector",
    "envdoctor.diagnose": "around each rule",
    "envdoctor.rules.plugins": "around the packages of others",
    "envdoctor.cli": "the exit code of a bug is 2, never 1",
}


def imports(name: str) -> set[str]:
    """Dotted names that a module imports anywhere, TYPE_CHECKING blocks aside."""
    found: set[str] = set()
    package = name if FILES[name].name == "__init__.py" else name.rpartition(".")[0]

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node: ast.If) -> None:
            if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
                self.generic_visit(node)
            else:
                for child in node.orelse:
                    self.visit(child)

        def visit_Import(self, node: ast.Import) -> None:
            found.update(alias.name for alias in node.names)

        def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in FILES)

    Visitor().visit(TREES[name])
    return found


def io_of(name: str) -> list[str]:
    """IO modules that a module imports, and IO calls in it."""
    bad = [m for m in sorted(imports(name)) if m.split(".")[0] in IO_MODULES and m not in IO_ALLOWED]
    bad += [
        f"{node.func.id}()"
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IO_CALLS
    ]
    return bad


def below(*packages: str) -> list[str]:
    return [name for name in FILES if any(name == p or name.startswith(p + ".") for p in packages)]


_NO_RULES = ("envdoctor.rules", "envdoctor.rules.base", "envdoctor.rules.plugins")
RULES = [name for name in below("envdoctor.rules") if name not in _NO_RULES]


def reachable(name: str) -> set[str]:
    """Modules of envdoctor that `name` imports, and those that they import."""
    found: set[str] = set()
    todo = [name]
    while todo:
        for module in imports(todo.pop()) & FILES.keys():
            if module not in found and module not in REGISTRY:
                found.add(module)
                todo.append(module)
    return found


@pytest.mark.parametrize("name", RULES)
def test_rules_do_no_io_whatever_they_import(name: str) -> None:
    for module in {name} | reachable(name):
        assert io_of(module) == [], module
        assert not module.startswith(NOT_FOR_RULES), module


@pytest.mark.parametrize("name", [n for n in below("envdoctor.formats", "envdoctor.data") if n in FILES])
def test_formats_are_pure(name: str) -> None:
    assert io_of(name) == []
    for module in imports(name):
        assert not module.startswith(("envdoctor.collect", "envdoctor.cli", "envdoctor.diagnose", "envdoctor.target")), module


@pytest.mark.parametrize("name", [f"envdoctor.{n}" for n in PURE])
def test_the_core_is_pure(name: str) -> None:
    if name not in FILES:
        pytest.skip("not there")
    assert io_of(name) == []
    for module in imports(name):
        assert not module.startswith(("envdoctor.collect", "envdoctor.cli", "envdoctor.formats", "envdoctor.target")), module


@pytest.mark.parametrize("name", below("envdoctor.collect"))
def test_collectors_have_no_opinions(name: str) -> None:
    for module in imports(name):
        allowed = module == "envdoctor.report" and name == "envdoctor.collect"
        assert allowed or not module.startswith(
            (
                "envdoctor.rules",
                "envdoctor.finding",
                "envdoctor.report",
                "envdoctor.remedy",
                "envdoctor.cli",
                "envdoctor.formats",
                "envdoctor.diagnose",
            )
        ), module


def test_nobody_but_the_entry_point_imports_the_command_line() -> None:
    for name in FILES:
        if not name.startswith("envdoctor.cli") and name != "envdoctor.__main__":
            assert not any(module.startswith("envdoctor.cli") for module in imports(name)), name


def test_the_graph_has_no_circle() -> None:
    """Module-level imports alone; what is imported inside a function may look back."""
    graph: dict[str, set[str]] = {}
    for name, tree in TREES.items():
        top: set[str] = set()
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                top |= {m for m in full if m in FILES} or ({node.module} & FILES.keys())
            elif isinstance(node, ast.Import):
                top |= {alias.name for alias in node.names} & FILES.keys()
        graph[name] = top - {name}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_broad_excepts_stand_where_they_are_wanted() -> None:
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                caught = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
                broad = any(c is None or (isinstance(c, ast.Name) and c.id in ("Exception", "BaseException")) for c in caught)
                rethrown = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
                assert not broad or rethrown or name in BROAD, f"{name}:{node.lineno}"


def test_nothing_reads_the_environment_behind_the_scene() -> None:
    """Collectors and rules get the shell as a value: os.environ is asked in the pipeline's request, on the command line, and for
    which of two readers answers."""
    for name, tree in TREES.items():
        if name.startswith("envdoctor.cli") or name in ("envdoctor.diagnose", "envdoctor.speed"):
            continue
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("environ", "getenv", "environb")
                and isinstance(node.value, ast.Name)
            ):
                assert node.value.id != "os", f"{name}:{node.lineno}"


def test_every_module_says_what_it_is() -> None:
    for name, tree in TREES.items():
        if FILES[name].name == "__init__.py" and not tree.body:
            continue
        assert ast.get_docstring(tree), name
