"""Python source to syntax tree, for files that may be hostile. For the sources of packages."""

from __future__ import annotations

import ast
import sys
import warnings

MAX_SOURCE = 4 << 20
"""Bytes of a source file that is parsed; larger ones are not."""
MAX_CHAIN = 60_000
"""Operators of one kind in a file, above which CPython 3.10's parser could overflow its C stack on one long expression
(seen from 120,000 on; 3.11 and later raise RecursionError)."""

_SIGNS = (b".", b"(", b"[", b"+", b"-", b"*", b"/", b"%", b"|", b"&", b"^", b"<", b">")


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
