"""Text for people: nothing of a target reaches a screen or a log unescaped. Pure.

Three readers must not be fooled: a terminal (control characters, escape sequences, direction overrides, invisible
characters), a CI runner (``::error``, ``##[``, ``##vso[`` commands) and a shell that a command line is pasted into.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from envdoctor.lazy import pattern

_ASCII = {
    "·": "-",
    "…": "...",
    "–": "-",
    "—": "-",
    "→": "->",
    "←": "<-",
    "≥": ">=",
    "≤": "<=",
    "≠": "!=",
    "×": "x",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "•": "*",
}
_COMMAND_START = pattern(r"(?m)^([ \t]*):(?=:)")
_COMMAND_ANYWHERE = pattern(r"#(?=#(?:\[|vso\[))")


def safe(text: str) -> str:
    """`text` on one line, every character that is not plainly visible as a backslash escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def guard(text: str) -> str:
    """Finished lines without anything that a CI runner takes for a command (GitHub's ``::``, Azure's ``##``)."""
    if "::" in text:
        text = _COMMAND_START.sub(r"\1\\x3a", text)
    return _COMMAND_ANYWHERE.sub(r"\\x23", text) if "##" in text else text


def to_ascii(text: str) -> str:
    """`text` in ASCII: known signs spelled out, everything else as an escape."""
    if text.isascii():
        return text
    for sign, plain in _ASCII.items():
        text = text.replace(sign, plain)
    return text.encode("ascii", "backslashreplace").decode("ascii")


def quote(word: str, *, windows: bool = False) -> str:
    """`word` as one word of a shell's command line (POSIX; PowerShell and cmd with `windows`), safe to show and to paste."""
    if windows:
        if word.isprintable():
            return f'"{word}"' if not word or re.search(r"[\s&|<>^();,'`]", word) else word
        return f'"{safe(word)}"'
    if not word.isprintable():
        return "$'" + "".join(_ansi_c(c) for c in word) + "'"
    import shlex

    return shlex.quote(word)


def command_line(argv: Iterable[str], *, windows: bool = False) -> str:
    """`argv` ready to paste."""
    return " ".join(quote(word, windows=windows) for word in argv)


def cells(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_cells(c) for c in text)


def wrap(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """`text` in lines of at most `width` columns where its words allow, with indents; words are never broken."""
    rest = first if rest is None else rest
    lines: list[str] = []
    line, used, empty = first, cells(first), True
    for word in text.split(" "):
        size = cells(word)
        if not empty and used + 1 + size > width:
            lines.append(line.rstrip())
            line, used, empty = rest, cells(rest), True
        if not empty:
            line, used = line + " ", used + 1
        line, used, empty = line + word, used + size, False
    lines.append(line.rstrip())
    return lines


def join(parts: Sequence[str], width: int, separator: str = " · ", rest: str = "  ") -> list[str]:
    """`parts` joined by `separator`, in lines of at most `width` columns: broken between parts, inside one only where it
    does not fit by itself."""
    lines: list[str] = []
    for part in parts:
        if lines and cells(lines[-1]) + cells(separator) + cells(part) <= width:
            lines[-1] += separator + part
        else:
            lines += wrap(part, width, rest if lines else "", rest)
    return lines


def plural(number: int, one: str, many: str | None = None) -> str:
    """``1 error``, ``2 errors``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _cells(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _escape(char: str) -> str:
    """As Python writes it: ``\\x1b``, ``\\u202e``; a newline as ``\\n``."""
    return char.encode("unicode_escape").decode("ascii")


def _ansi_c(char: str) -> str:
    if char in "\\'":
        return "\\" + char
    if char.isprintable():
        return char
    return (
        "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
        if ord(char) > 127
        else f"\\x{ord(char):02x}"
    )
