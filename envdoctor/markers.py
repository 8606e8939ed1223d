"""Environment markers (PEP 508) of the forms that are written nearly always, evaluated without ``packaging``. Pure.

What :func:`holds` answers is what ``packaging`` answers; ``tests/test_versions.py`` compares the two. It is silent about
everything else: variables on the right, ``in``, ``===``, orders of words, versions with suffixes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from envdoctor.lazy import pattern
from envdoctor.versions import canonical, clauses_of, release_of, satisfies, version_of

_TOKEN = pattern(
    r"[ \t]*(?:(?P<bracket>[()])|(?P<word>and|or)\b"
    r"|(?P<name>[a-z_]+)[ \t]*(?P<operator>[<>=!~]=|[<>])[ \t]*"
    r"""(?:'(?P<single>[A-Za-z0-9._*-]*)'|"(?P<double>[A-Za-z0-9._*-]*)"))""",
    re.ASCII,
)
_VERSIONS = frozenset(("python_version", "python_full_version"))
_WORDS = frozenset(
    ("os_name", "sys_platform", "platform_system", "platform_machine", "platform_python_implementation", "implementation_name")
)


def holds(marker: str, environment: Mapping[str, str]) -> bool | None:
    """Whether `marker` holds; None where ``packaging`` must be asked, which may find that it is no marker at all."""
    above: list[tuple[bool, bool]] = []
    either, both, operand = False, True, True
    at, end = 0, len(marker.rstrip(" \t"))
    while at < end:
        token = _TOKEN.match(marker, at)
        if token is None:
            return None
        at = token.end()
        bracket, word, name, operator, single, double = token.groups()
        if bracket == "(":
            if not operand:
                return None
            above.append((either, both))
            either, both = False, True
        elif bracket is not None:
            if operand or not above:
                return None
            inner = either or both
            either, both = above.pop()
            both = both and inner
        elif word is not None:
            if operand:
                return None
            operand = True
            if word == "or":
                either, both = either or both, True
        else:
            found = _compare(environment.get(name), name, operator, single or double or "")
            if not operand or found is None:
                return None
            operand, both = False, both and found
    return None if above or operand else either or both


def _compare(value: str | None, name: str, operator: str, literal: str) -> bool | None:
    """One comparison."""
    if value is None:
        return None
    if name in _VERSIONS:
        plain = release_of(value) is not None and clauses_of(f"{operator}{literal}") is not None
        return satisfies(value, f"{operator}{literal}") if plain else None
    if operator not in ("==", "!=") or not literal[:1].isalpha() or "*" in literal or version_of(literal) is not None:
        return None
    if name == "extra":
        return (canonical(value) == canonical(literal)) == (operator == "==")
    return (value == literal) == (operator == "==") if name in _WORDS else None
