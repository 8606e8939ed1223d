"""Expressions over text: exact, globs with ``*``, regular expressions between ``^`` and ``$`` (CEP 29), in bounded time."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from envdoctor.lazy import pattern

Test = Callable[[str], bool]

MAX_TEXT = 128
"""Characters of a text that a regular expression is tried on."""
MAX_PATTERN = 300
_QUANTIFIER = pattern(r"\\.|\[(?:\\.|[^\]\\])*\]|(\)?)([*+?]|\{[0-9,]*\})|(\||\(\?)", re.DOTALL)


class InvalidPattern(ValueError):
    """The text is no regular expression, or one that could take very long."""


@lru_cache(maxsize=4096)
def glob(pattern: str) -> Test:
    """What tells whether a text fits `pattern`, in which ``*`` stands for any characters."""
    first, *middle = pattern.split("*")
    if not middle:
        return lambda text: text == pattern
    last = middle.pop()
    shortest = len(first) + len(last) + sum(map(len, middle))

    def fits(text: str) -> bool:
        if len(text) < shortest or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        for word in middle:
            found = text.find(word, at, end)
            if found < 0:
                return False
            at = found + len(word)
        return True

    return fits


@lru_cache(maxsize=512)
def regex(pattern: str) -> Test:
    """What tells whether a text fits ``^…$``. Raises InvalidPattern, also for what Python could need very long for."""
    if len(pattern) > MAX_PATTERN or not (pattern.startswith("^") and pattern.endswith("$")):
        raise InvalidPattern(f"{pattern[:40]!r}: a regular expression stands between ^ and $")
    endless = optional = 0
    for match in _QUANTIFIER.finditer(pattern):
        if match[3] == "(?" and not pattern.startswith("(?:", match.start()):
            raise InvalidPattern(f"{pattern!r}: no such groups")
        if match[3] == "|" or match[2] == "?":
            optional += 1
        elif match[2]:
            endless += 1
            if match[1]:
                raise InvalidPattern(f"{pattern!r}: a repeated group")
    if endless > 3 or optional > 8:
        raise InvalidPattern(f"{pattern!r}: too many repetitions")
    try:
        search = re.compile(pattern, re.IGNORECASE).search
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidPattern(f"{pattern!r}: {error}") from None
    return lambda text: len(text) <= MAX_TEXT and search(text) is not None


@lru_cache(maxsize=8192)
def expression(text: str) -> Test:
    """What tells whether a field fits the expression, letters of either case. Raises InvalidPattern."""
    if text.startswith("^") and text.endswith("$") and len(text) > 1:
        return regex(text)
    lower = text.lower()
    if "*" in lower:
        if lower.strip("*") == "":
            return lambda _text: True
        like = glob(lower)
        return lambda text: like(text.lower())
    return lambda text: text == lower or text.lower() == lower
