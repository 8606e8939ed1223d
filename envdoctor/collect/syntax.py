"""What a Python file surely imports when it is imported, and which names it offers: from its syntax tree, nothing is run.

Two questions, each answered on the safe side. :func:`executed` lists the import statements that run whenever the module
runs: not those in a function, under a condition that cannot be decided, or in a ``try`` that would forgive them.
:func:`exports` says which names a module may have, and whether the list is complete: one star import, one ``globals()``
or a ``__getattr__`` that could make up anything, and it is not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import msgspec

from envdoctor.collect.source import nodes, parse
from envdoctor.tuples import NamedTuple

_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException", "AttributeError"})
_OTHER_ERRORS = frozenset(
    [
        "KeyError",
        "IndexError",
        "ValueError",
        "TypeError",
        "NameError",
        "OSError",
        "IOError",
        "ZeroDivisionError",
        "UnicodeDecodeError",
        "UnicodeError",
        "LookupError",
        "StopIteration",
        "NotImplementedError",
        "KeyboardInterrupt",
    ]
)
_TRANSPARENT = frozenset({"catch_warnings", "simplefilter"})
_TAKES_NAME = frozenset(
    [
        "getLogger",
        "get_logger",
        "getChild",
        "setup_logger",
        "logger",
        "Flask",
        "Blueprint",
        "files",
        "version",
        "metadata",
        "resource_filename",
        "resource_string",
        "resource_stream",
        "resource_listdir",
        "find_spec",
        "warn",
        "warn_explicit",
        "catch_warnings",
        "NullHandler",
        "isinstance",
        "print",
        "str",
        "len",
    ]
)


class Environment(NamedTuple):
    """What conditions are decided with: the target's Python and operating system."""

    version: tuple[int, ...] | None
    platform: str
    """``sys.platform``: linux, darwin, win32."""
    implementation: str = "cpython"

    @property
    def os_name(self) -> str:
        """``os.name``."""
        return "nt" if self.platform == "win32" else "posix"


class Executed(NamedTuple):
    """One module named by an import statement that surely runs."""

    line: int
    statement: str
    module: str
    """Dotted, without leading dots; empty for ``from . import x``."""
    level: int
    """Number of leading dots."""
    names: tuple[str, ...]
    """Names of a ``from`` import, ``*`` included; empty for ``import module``."""


class Exports(msgspec.Struct):
    """The names of a module, as far as its syntax tells."""

    names: set[str] = msgspec.field(default_factory=set)
    stars: list[tuple[int, str]] = msgspec.field(default_factory=list)
    """Level and module of every ``from x import *``."""
    open: bool = False
    """Other names than these may exist: dynamic code, or a file that does not parse."""
    own_path: bool = False
    """It changes its ``__path__``, ``sys.modules`` or ``sys.meta_path``: submodules may come from elsewhere."""


# -------------------------------------------------------------------------------------------------------- what is run


def executed(data: bytes, environment: Environment) -> list[Executed]:
    """Import statements that run, and are not forgiven when they fail, whenever the module is imported."""
    return executed_in(parse(data), environment)


def executed_in(tree: ast.Module | None, environment: Environment) -> list[Executed]:
    """The same of a syntax tree; nothing where there is none."""
    return [] if tree is None else list(_executed(tree.body, environment, {}))


def _executed(body: list[ast.stmt], environment: Environment, known: dict[str, object]) -> Iterator[Executed]:
    for node in body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Executed(node.lineno, _shown(node), alias.name, 0, ())
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Executed(node.lineno, _shown(node), node.module or "", node.level, names)
        elif isinstance(node, ast.Expr) and (name := _dunder_import(node.value)):
            yield Executed(node.lineno, _shown(node), name, 0, ())
        elif isinstance(node, ast.If):
            value = _truth(node.test, environment, known)
            if value is not None:
                yield from _executed(node.body if value else node.orelse, environment, known)
        elif isinstance(node, ast.Try):
            yield from _executed_try(node, environment, known)
        elif isinstance(node, ast.With):
            if all(_transparent(item.context_expr) for item in node.items):
                yield from _executed(node.body, environment, known)
        elif isinstance(node, ast.ClassDef):
            yield from _executed(node.body, environment, {})
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            value = _truth(node.value, environment, known)
            if value is not None:
                known[node.targets[0].id] = value
            else:
                known.pop(node.targets[0].id, None)
        elif isinstance(node, ast.Raise) or _exits(node):
            return


def _executed_try(node: ast.Try, environment: Environment, known: dict[str, object]) -> Iterator[Executed]:
    if all(not _forgives(handler) for handler in node.handlers):
        yield from _executed(node.body, environment, known)
    yield from _executed(node.finalbody, environment, known)


def _forgives(handler: ast.ExceptHandler) -> bool:
    """An import that fails in the ``try`` may be caught here, and not thrown again at once."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    if all(isinstance(kind, ast.Name) and kind.id in _OTHER_ERRORS for kind in kinds):
        return False
    only = handler.body[-1] if handler.body else None
    return not (isinstance(only, ast.Raise) and all(isinstance(s, (ast.Expr, ast.Assign, ast.Raise)) for s in handler.body))


def _exits(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and node.value.func.attr in ("exit", "_exit", "skip")
    )


def _transparent(node: ast.expr) -> bool:
    """A context manager that lets exceptions pass."""
    target = node.func if isinstance(node, ast.Call) else node
    name = target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""
    return name in _TRANSPARENT


def _dunder_import(node: ast.expr) -> str | None:
    """The module of ``__import__("module")``, alone or with something called on it."""
    while isinstance(node, (ast.Call, ast.Attribute)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "__import__" and node.args:
            first = node.args[0]
            return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        node = node.func if isinstance(node, ast.Call) else node.value
    return None


def _shown(node: ast.stmt) -> str:
    return ast.unparse(node)[:300]


def _truth(node: ast.expr, environment: Environment, known: dict[str, object]) -> bool | None:
    """The value of a condition, or None where the target's version and platform do not decide it."""
    if isinstance(node, ast.BoolOp):
        values = [_truth(value, environment, known) for value in node.values]
        decisive = isinstance(node.op, ast.Or)
        if decisive in values:
            return decisive
        return None if None in values else not decisive
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        value = _truth(node.operand, environment, known)
        return None if value is None else not value
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _compared(node, environment)
    if isinstance(node, ast.Call):
        return _called(node, environment)
    if isinstance(node, ast.Constant):
        return bool(node.value)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if isinstance(node, ast.Name) and isinstance(known.get(name), bool):
        return bool(known[name])
    if name == "TYPE_CHECKING" or (name == "PY2" and environment.version):
        return False
    if name == "PY3" and environment.version:
        return True
    return None


def _called(node: ast.Call, environment: Environment) -> bool | None:
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr == "startswith" and len(node.args) == 1:
        text, start = _value(function.value, environment), _value(node.args[0], environment)
        if isinstance(text, str) and isinstance(start, (str, tuple)):
            return text.startswith(start)
    return None


def _compared(node: ast.Compare, environment: Environment) -> bool | None:
    left, right = _value(node.left, environment), _value(node.comparators[0], environment)
    if left is None or right is None:
        return None
    operator = node.ops[0]
    try:
        if isinstance(operator, (ast.Eq, ast.Is)):
            return bool(left == right)
        if isinstance(operator, (ast.NotEq, ast.IsNot)):
            return bool(left != right)
        if isinstance(operator, ast.In):
            return left in right  # type: ignore[operator]
        if isinstance(operator, ast.NotIn):
            return left not in right  # type: ignore[operator]
        if type(left) is not type(right):
            return None
        if isinstance(operator, ast.Lt):
            return bool(left < right)  # type: ignore[operator]
        if isinstance(operator, ast.LtE):
            return bool(left <= right)  # type: ignore[operator]
        if isinstance(operator, ast.Gt):
            return bool(left > right)  # type: ignore[operator]
        if isinstance(operator, ast.GtE):
            return bool(left >= right)  # type: ignore[operator]
    except TypeError:
        return None
    return None


def _value(node: ast.expr, environment: Environment) -> object:
    """A constant, or a part of sys, os and platform that the target decides; None where unknown."""
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        values = tuple(_value(element, environment) for element in node.elts)
        return None if None in values else values
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Subscript):
        return _part(node, environment)
    if isinstance(node, ast.Attribute):
        owner = node.value.id if isinstance(node.value, ast.Name) else ""
        version = environment.version
        if owner == "sys" and node.attr == "version_info":
            return (*version, "final", 0) if version and len(version) >= 3 else version
        if owner == "sys" and node.attr == "platform":
            return environment.platform
        if owner == "os" and node.attr == "name":
            return environment.os_name
        if node.attr in ("major", "minor") and isinstance(node.value, ast.Attribute) and version:
            return version[0 if node.attr == "major" else 1] if node.value.attr == "version_info" else None
        if node.attr == "name" and isinstance(node.value, ast.Attribute) and node.value.attr == "implementation":
            return environment.implementation
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        if node.func.value.id == "platform" and node.func.attr == "system":
            return {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}.get(environment.platform)
        if node.func.value.id == "platform" and node.func.attr == "python_implementation":
            return {"cpython": "CPython", "pypy": "PyPy"}.get(environment.implementation)
    return None


def _part(node: ast.Subscript, environment: Environment) -> object:
    whole = _value(node.value, environment)
    if not isinstance(whole, tuple):
        return None
    index = node.slice
    if isinstance(index, ast.Constant) and isinstance(index.value, int) and 0 <= index.value < len(whole):
        return whole[index.value]
    if isinstance(index, ast.Slice) and index.step is None:
        lower = index.lower.value if isinstance(index.lower, ast.Constant) else 0 if index.lower is None else None
        upper = index.upper.value if isinstance(index.upper, ast.Constant) else None
        if isinstance(lower, int) and isinstance(upper, int) and 0 <= lower < upper <= len(whole):
            return whole[lower:upper]
    return None


# ------------------------------------------------------------------------------------------------------ what is offered


def exports(data: bytes) -> Exports:
    """Names that the module may have after its import."""
    found = Exports()
    tree = parse(data)
    if tree is None:
        found.open = found.own_path = True
        return found
    imported: set[str] = set()
    getattrs: list[ast.AST] = []
    every = nodes(tree)
    for node in every:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.names.add(node.name)
            if node.name == "__getattr__":
                getattrs.append(node)
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                found.names.add(node.id)
                if node.id in ("__class__", "__getattr__"):
                    found.open = True
                elif node.id == "__path__":
                    found.own_path = True
            elif node.id == "__path__":
                found.own_path = True
        elif isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                found.names.add(name)
                imported.add(name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*":
                    found.stars.append((node.level, node.module or ""))
                else:
                    found.names.add(alias.asname or alias.name)
                    imported.add(alias.asname or alias.name)
        elif isinstance(node, ast.Global):
            found.names.update(node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.names.add(node.name)
        elif isinstance(node, ast.Call):
            _judge_call(node, found)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "sys" and node.attr == "meta_path":
                found.own_path = True
        elif isinstance(node, ast.Subscript) and _is_sys_modules(node.value):
            if isinstance(node.ctx, ast.Store):
                found.own_path = True
            if isinstance(node.slice, ast.Name):
                found.open = True
    methods = {
        id(item) for node in every if isinstance(node, ast.ClassDef) for item in node.body if isinstance(item, ast.FunctionDef)
    }
    own = [node for node in getattrs if id(node) not in methods]
    if "__getattr__" in found.names and (own or "__getattr__" in imported):
        found.open = "__getattr__" in imported or not all(_closed(node, imported) for node in own)
    if found.open and _attached(tree):
        found.open = False
    return found


def _is_sys_modules(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute) and node.attr == "modules" and isinstance(node.value, ast.Name) and node.value.id == "sys"
    )


def _judge_call(node: ast.Call, found: Exports) -> None:
    function = node.func
    name = function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    if isinstance(function, ast.Name):
        if name in ("globals", "locals", "exec", "eval") or (name == "vars" and not node.args):
            found.open = True
        if name == "setattr" and node.args and not (isinstance(node.args[0], ast.Name) and node.args[0].id in ("self", "cls")):
            found.open = True
    if (
        isinstance(function, ast.Attribute)
        and _is_sys_modules(function.value)
        and name in ("update", "setdefault", "__setitem__")
    ):
        found.own_path = found.open = True
    if name not in _TAKES_NAME and any(isinstance(arg, ast.Name) and arg.id == "__name__" for arg in node.args):
        found.open = True


def _closed(node: ast.AST, imported: set[str]) -> bool:
    """A module ``__getattr__`` that answers only for names it spells out in this file, and raises for all others.

    True where every way through it that returns something has compared the name with literals or with tables of this
    file: then a name that the file does not contain as a word cannot exist.
    """
    if not isinstance(node, ast.FunctionDef) or len(node.args.args) != 1 or node.decorator_list:
        return False
    asked = node.args.args[0].arg

    def compares(test: ast.expr) -> ast.cmpop | None:
        """The operator of a test ``name in TABLE`` or ``name == 'x'``."""
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return next((found for found in map(compares, test.values) if found), None)
        if not (
            isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Name) and test.left.id == asked
        ):
            return None
        other = test.comparators[0]
        used = {n.id for n in ast.walk(other) if isinstance(n, ast.Name)}
        return None if used & imported else test.ops[0]

    def ends(body: list[ast.stmt]) -> bool:
        """Every path through `body` raises, or has compared the name before it returns."""
        for statement in body:
            if isinstance(statement, ast.Raise):
                return True
            if isinstance(statement, ast.If):
                operator = compares(statement.test)
                if isinstance(operator, (ast.In, ast.Eq)):
                    if statement.orelse and ends(statement.orelse):
                        return True
                    continue
                return isinstance(operator, (ast.NotIn, ast.NotEq)) and ends(statement.body)
            if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom, ast.Expr, ast.Global)):
                return False
        return False

    return ends(node.body)


def _attached(tree: ast.Module) -> bool:
    """``__getattr__, … = attach(__name__, submodules, submod_attrs)`` with tables of this file, and nothing else dynamic."""
    for node in tree.body:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
            continue
        targets = {n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)}
        function = node.value.func
        name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
        if "__getattr__" in targets and name in ("attach", "_attach"):
            rest = [other for other in ast.walk(tree) if isinstance(other, ast.Call) and other is not node.value]
            return not any(isinstance(c.func, ast.Name) and c.func.id in ("globals", "locals", "exec", "eval") for c in rest)
    return False
