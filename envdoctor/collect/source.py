"""Python source to syntax tree, for files that may be hostile. For the sources of packages."""

from __future__ import annotations

import ast
import sys
import warnings

from envdoctor.speed import speed

MAX_SOURCE = 4 << 20
"""Bytes of a source file that is parsed; larger ones are not."""
MAX_CHAIN = 60_000
"""Operators of one kind in a file, above which CPython 3.10's parser could overflow its C stack on one long expression
(seen from 120,000 on; 3.11 and later raise RecursionError)."""

_SIGNS = (b".", b"(", b"[", b"+", b"-", b"*", b"/", b"%", b"|", b"&", b"^", b"<", b">")
_mentions_any_compiled = getattr(speed, "mentions_any", None)


def parse(data: bytes) -> ast.Module | None:
    """The syntax tree of a module, None where there is none to be had. No code runs; nothing is raised or warned."""
    if len(data) > MAX_SOURCE:
        return None
    if sys.version_info < (3, 11) and any(
        data.count(sign) > MAX_CHAIN for sign in (b".", b"(", b"[", b"+", b"-", b"*", b"|", b"&")
    ):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def mentions_any(data: bytes, words: tuple[bytes, ...]) -> bool:
    """One of `words` stands in `data`."""
    if _mentions_any_compiled is not None:
        found: bool = _mentions_any_compiled(data, words)
        return found
    return any(word in data for word in words)


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes below `node`, as ``ast.iter_child_nodes`` gives them, without those that only say load, store or delete."""
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
            found.append(value)
    return found


def nodes(tree: ast.AST) -> list[ast.AST]:
    """`tree` and all nodes below it, in the order of ``ast.walk``; without those that :func:`children` leaves out."""
    found = [tree]
    for node in found:
        found += children(node)
    return found
