"""Plain scalars of YAML 1.1 as PyYAML takes them: which are text, and how text is written."""

from __future__ import annotations

import re

_TYPES = re.compile(
    r"""(?:
        yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF
      | [-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?
      | \.[0-9][0-9_]*(?:[eE][-+][0-9]+)?
      | [-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
      | [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN)
      | [-+]?0b[0-1_]+ | [-+]?0[0-7_]+ | [-+]?(?:0|[1-9][0-9_]*) | [-+]?0x[0-9a-fA-F_]+
      | [-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+
      | <<
      | ~ | null | Null | NULL
      | [0-9]{4}-[0-9]{2}-[0-9]{2}
      | [0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?
        (?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::?[0-9]{2})?))?
      | =
      |
    )\Z""",
    re.VERBOSE,
)
_SAFE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+<>=!;()^$*|&-]*\Z")
"""Neither a type's form nor anything that has a meaning in YAML, whatever follows."""
_WORDS = frozenset(["yes", "no", "true", "false", "on", "off", "null"])
_BREAKS = "\n\x85\u2028\u2029"
_MARKED = re.compile(
    rf"""---|\.\.\.|[,[\]{{}}#&*!|>'"%@`]|[-?:](?:[\0 \t\r{_BREAKS}]|\Z)"""
    rf"|[\s\S].*?(?::(?:[\0 \t\r{_BREAKS}]|\Z)|(?<=[\0 \t\r{_BREAKS}])\#)",
    re.DOTALL,
)
"""What YAML would take for something else than a plain scalar."""
_SPECIAL = re.compile(r"[^\n\x20-\x7e]")
_BROKEN_AT_BLANK = re.compile(f"[{_BREAKS}] | [{_BREAKS}]")
_RUNS = re.compile(r" +|[^ ]+")
_QUOTED_RUNS = re.compile(r" +|\n+|'|[^ \n']+")
_ESCAPES = {
    "\0": "0", "\x07": "a", "\x08": "b", "\t": "t", "\n": "n", "\x0b": "v", "\x0c": "f", "\r": "r", "\x1b": "e", '"': '"',
    "\\": "\\", "\x85": "N", "\xa0": "_", "\u2028": "L", "\u2029": "P",
}  # fmt: skip
WIDTH = 80
"""Columns behind which PyYAML breaks a line at a blank."""


def is_text(plain: str) -> bool:
    """A plain scalar that PyYAML takes for text, not for a number, a truth value, nothing or a date."""
    return _TYPES.match(plain) is None


def dump(text: str, column: int, indent: int) -> str:
    """`text` as PyYAML's ``dump`` writes it as a value that begins at `column`; lines below are indented by `indent`."""
    if _SAFE.match(text) and text.lower() not in _WORDS:
        return text
    special = _SPECIAL.search(text) is not None  # what is not ASCII is escaped
    edge = not text or text[0] in " \n" or text[-1] in " \n"
    if not edge and not special and "\n" not in text and not _MARKED.match(text) and is_text(text):
        return _plain(text, column, indent)
    if not special and not _BROKEN_AT_BLANK.search(text):
        return f"'{_single(text, column + 1, indent)}'"
    return f'"{_double(text, column + 1, indent)}"'


def _plain(text: str, column: int, indent: int) -> str:
    """Broken at single blanks behind the last column."""
    out = []
    for run in _RUNS.findall(text):
        if run == " " and column > WIDTH:
            out.append("\n" + " " * indent)
            column = indent
        else:
            out.append(run)
            column += len(run)
    return "".join(out)


def _single(text: str, column: int, indent: int) -> str:
    """The same between quotes; a line break is written as an empty line."""
    out = []
    for match in _QUOTED_RUNS.finditer(text):
        run = match[0]
        if run[0] == "\n":
            out.append("\n" + run + " " * indent)
            column = indent
        elif run == " " and column > WIDTH and match.start() and match.end() < len(text):
            out.append("\n" + " " * indent)
            column = indent
        else:
            run = run.replace("'", "''")
            out.append(run)
            column += len(run)
    return "".join(out)


def _double(text: str, column: int, indent: int) -> str:
    """With escapes; broken at a blank or next to an escape, never at the first or the last character."""
    out = []
    escaped = False
    for index, char in enumerate(text):
        inside = 0 < index < len(text) - 1
        plain = "\x20" <= char <= "\x7e" and char not in '"\\'
        if plain and inside and (char == " " or escaped) and column > WIDTH:
            out.append("\\\n" + " " * indent + ("\\" if char == " " else ""))
            column = indent + (char == " ")
        escaped = not plain
        written = char if plain else _escaped(char)
        out.append(written)
        column += len(written)
        if escaped and inside and column > WIDTH + 1:
            out.append("\\\n" + " " * indent)
            column = indent
            if text[index + 1] == " ":
                out.append("\\")
                column += 1
    return "".join(out)


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return "\\" + _ESCAPES[char]
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
