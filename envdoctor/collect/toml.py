"""TOML files of a project or an installer, parsed once a run and never raising for bad content."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from envdoctor.collect import files
from envdoctor.lazy import pattern

LIMIT = 1 << 20
"""Bytes of a manifest or configuration file; a larger one is reported, not parsed."""
MAX_PARTS = 100
_DOTTED = pattern(rf"(?<![\w\"'-])(?:[\w\"'-]{{1,60}}[ \t]?\.[ \t]?){{{MAX_PARTS}}}")


def load(path: str, limit: int = LIMIT) -> tuple[dict[str, Any], str | None]:
    """Content and problem of a TOML file: ``({}, None)`` when it is not there, ``({}, reason)`` when it cannot be used."""
    try:
        content = files.read(path, limit)
    except files.Unreadable as error:
        return {}, None if error.missing else str(error)
    if content.cut:
        return {}, f"larger than {limit >> 10} KiB"
    try:
        source = content.data.decode("utf-8").removeprefix("\N{BYTE ORDER MARK}").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.data.count(b"\n", 0, error.start) + 1
        return {}, f"not UTF-8 (at line {line})"
    return parse(source)


def too_deep(source: str) -> int | None:
    """The line of a dotted key that would cost its parser memory by the square of its length; None where there is none."""
    if source.count(".") < MAX_PARTS:
        return None
    lines = enumerate(source.split("\n"), 1)
    return next((number for number, line in lines if line.count(".") >= MAX_PARTS and _DOTTED.search(line)), None)


def parse(source: str) -> tuple[dict[str, Any], str | None]:
    """Content and problem of TOML text; a problem says line and column."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    if (line := too_deep(source)) is not None:
        return {}, f"not TOML: a key of more than {MAX_PARTS} parts (at line {line})"
    try:
        return tomllib.loads(source), None
    except tomllib.TOMLDecodeError as error:
        return {}, f"not TOML: {str(error)[:200]}"
    except RecursionError:
        return {}, "not TOML: nested too deeply"
    except ValueError as error:
        # a number with more digits than int() takes
        return {}, f"not TOML: {str(error)[:200]}"


def table(document: Any, *keys: str) -> dict[str, Any]:
    """The table below `keys`, empty where there is none or something else stands there."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def words(value: Any) -> tuple[str, ...]:
    """The texts of an array, or a text as a single one; anything else is left out."""
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def line_of(source: str, keys: Iterable[str], value: str = "") -> int | None:
    """The first line that assigns one of `keys` (and holds `value`), counted from 1; for messages only."""
    wanted = tuple(keys)
    for number, line in enumerate(source.splitlines(), 1):
        head = line.partition("=")[0].strip().strip("{ ").strip("\"'")
        if head in wanted and value in line:
            return number
    return None
