"""Versions of conda packages and their order (CEP 33), and version specifiers (CEP 29).

A version is an epoch, dotted components and, after ``+``, a local part. Components fall into runs of digits and of other
characters; what is missing counts as 0, letters come before numbers, ``dev`` before other letters, ``post`` after all numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from envdoctor.lazy import pattern

Matcher = Callable[["Version"], bool]

LIMIT = 500
"""Characters of a version or specifier; longer ones are none."""
_ALLOWED = pattern(r"[*.+!_0-9a-z]+\Z")
_PLAIN = pattern(r"[0-9]{1,18}(?:\.[0-9]{1,18})*\Z", re.ASCII)
_RUNS = pattern(r"[0-9]+|[*]+|[^0-9*]+")
_END = (0,)
_ZERO = (_END,)

Atom = int | float | str
_Key = tuple[object, ...]


class InvalidVersion(ValueError):
    """The text is no version, or no version specifier."""


class Version:
    """A parsed version; see :func:`parse`. Compared by :attr:`key`, whose order is that of the versions."""

    __slots__ = ("_parts", "key", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: tuple[list[list[Atom]], list[list[Atom]]] | None = None
        plain = _PLAIN.match(text)
        if plain is not None:
            tokens: list[_Key] = []
            zeros = 1  # the epoch
            for word in text.split("."):
                number = int(word)
                if number:
                    tokens.append((1, -zeros, ((1, 0, number), _END)))
                    zeros = 0
                else:
                    zeros += 1
            tokens.append(_END)
            self.key: _Key = (tuple(tokens), _ZERO)
        else:
            version, local = self.parts
            self.key = (_order(version), _order(local))

    @property
    def parts(self) -> tuple[list[list[Atom]], list[list[Atom]]]:
        """Epoch and components, and those of the local part, in runs."""
        if self._parts is None:
            self._parts = _split(self.text)
        return self._parts

    def starts_with(self, other: Version) -> bool:
        """All components of `other` are its first ones; the last run, where it is letters, may be longer here."""
        version, local = self.parts
        start, start_local = other.parts
        if start_local:
            if _order(version) != _order(start):
                return False
            version, start = local, start_local
        last = len(start) - 1
        if _order(version[:last]) != _order(start[:last]):
            return False
        mine, its = version[last] if len(version) > last else [], start[last]
        end = len(its) - 1
        if _component(mine[:end]) != _component(its[:end]):
            return False
        one, two = mine[end] if len(mine) > end else 0, its[end]
        if isinstance(two, str):
            return isinstance(one, str) and one.startswith(two)
        return one == two


@lru_cache(maxsize=16384)
def parse(text: str) -> Version:
    """The version. Raises InvalidVersion."""
    return Version(text)


def _split(text: str) -> tuple[list[list[Atom]], list[list[Atom]]]:
    word = text.strip().lower()
    if len(word) > LIMIT:
        raise InvalidVersion(f"{text[:40]}…: too long")
    if "-" in word and "_" not in word:
        word = word.replace("-", "_")
    if not _ALLOWED.match(word):
        raise InvalidVersion(f"{text!r} is no version")
    epoch, mark, rest = word.rpartition("!")
    if mark and not (epoch.isascii() and epoch.isdigit()):
        raise InvalidVersion(f"{text!r}: the epoch is no number")
    main, mark, local = rest.partition("+")
    if not main or (mark and not local) or "+" in local:
        raise InvalidVersion(f"{text!r} is no version")
    # an underscore at the end belongs to the last component: 1.0.1_ comes before 1.0.1a
    tail = "_" if main[-1] == "_" and len(main) > 1 else ""
    pieces = (main[:-1] if tail else main).replace("_", ".").split(".")
    pieces[-1] += tail
    components = [_runs(piece, text) for piece in pieces]
    return [[int(epoch or 0)], *components], [_runs(piece, text) for piece in local.replace("_", ".").split(".")] if local else []


def _runs(piece: str, text: str) -> list[Atom]:
    found = _RUNS.findall(piece)
    if not found:
        raise InvalidVersion(f"{text!r}: an empty component")
    atoms: list[Atom] = [0] if not found[0].isdigit() else []
    for run in found:
        if run.isdigit():
            atoms.append(int(run))
        else:
            atoms.append(float("inf") if run == "post" else "DEV" if run == "dev" else run)
    return atoms


# The keys make padding with zeros and Python's order of tuples agree: each atom that is not zero stands with the number of
# zeros before it, and an end mark takes the place of the endless zeros behind the last one.


def _component(atoms: list[Atom]) -> _Key:
    tokens: list[_Key] = []
    zeros = 0
    for atom in atoms:
        if atom == 0:
            zeros += 1
            continue
        tokens.append((-1, zeros, atom) if isinstance(atom, str) else (1, -zeros, atom))
        zeros = 0
    return (*tokens, _END)


def _order(components: list[list[Atom]]) -> _Key:
    tokens: list[_Key] = []
    zeros = 0
    for atoms in components:
        key = _component(atoms)
        sign = key[0][0]  # type: ignore[index]
        if not sign:
            zeros += 1
            continue
        tokens.append((sign, -sign * zeros, key))
        zeros = 0
    return (*tokens, _END)


# ------------------------------------------------------------------------------------------------------------- specifiers

_TOKENS = pattern(r"\s*(\^[^$]*\$|[()|,]|[^()|,]+)")
_CLAUSE = pattern(r"(==|!=|<=|>=|<|>|~=|=)(\S+)\Z")
_LOGIC = pattern(r"[()|,^$]")
MAX_CLAUSES = 200


def anything(_version: Version) -> bool:
    """The specifier ``*``."""
    return True


@lru_cache(maxsize=16384)
def specifier(text: str) -> Matcher:
    """What tells whether a version fulfils ``>=1.2,<2.0a0|3.*``. Raises InvalidVersion."""
    if len(text) > LIMIT:
        raise InvalidVersion(f"{text[:40]}…: too long")
    if not _LOGIC.search(text):
        return _clause(text.strip())
    if "(" not in text and "^" not in text and "$" not in text:
        return _any([_all([_clause(clause.strip()) for clause in part.split(",")]) for part in text.split("|")])
    tokens = [match[1].strip() for match in _TOKENS.finditer(text)]
    tokens = [token for token in tokens if token]
    if len(tokens) > MAX_CLAUSES:
        raise InvalidVersion("too many clauses")
    stream = iter([*tokens, ""])
    matcher, end = _alternatives(stream, 0)
    if end != "":
        raise InvalidVersion(f"{text!r}: a parenthesis without its other half")
    return matcher


def _alternatives(stream: Iterator[str], depth: int) -> tuple[Matcher, str]:
    """Reads up to the closing parenthesis or the end, and says which it was."""
    if depth > 20:
        raise InvalidVersion("too many parentheses")
    parts: list[Matcher] = []
    clauses: list[Matcher] = []
    wanted = True
    for token in stream:
        if token in (",", "|", ")", ""):
            if wanted:
                raise InvalidVersion("a clause is missing")
            if token == ",":
                wanted = True
                continue
            parts.append(_all(clauses))
            if token != "|":
                return _any(parts), token
            clauses, wanted = [], True
            continue
        if not wanted:
            raise InvalidVersion(f"unexpected {token!r}")
        wanted = False
        if token == "(":
            matcher, end = _alternatives(stream, depth + 1)
            if end != ")":
                raise InvalidVersion("a parenthesis without its other half")
            clauses.append(matcher)
        else:
            clauses.append(_clause(token))
    raise InvalidVersion("a clause is missing")


def _all(matchers: list[Matcher]) -> Matcher:
    if len(matchers) == 1:
        return matchers[0]
    if len(matchers) == 2:
        one, two = matchers
        return lambda version: one(version) and two(version)
    return lambda version: all(matcher(version) for matcher in matchers)


def _any(matchers: list[Matcher]) -> Matcher:
    return matchers[0] if len(matchers) == 1 else lambda version: any(matcher(version) for matcher in matchers)


@lru_cache(maxsize=16384)
def _clause(text: str) -> Matcher:
    if not text:
        raise InvalidVersion("a clause is missing")
    if text == "*":
        return anything
    first = text[0]
    if first in "<>=!~":
        return _operator(text)
    if first == "^" or text[-1] == "$":
        from envdoctor.conda.strings import regex

        search = regex(text)
        return lambda version: search(version.text)
    if text[-1] == "*":
        start = text.rstrip("*").rstrip(".")
        if "*" not in start:
            wanted = parse(start)
            return lambda version: version.starts_with(wanted)
    if "*" in text:
        from envdoctor.conda.strings import glob

        like = glob(text.lower())
        return lambda version: like(version.text.lower())
    if "@" in text:
        return lambda version: version.text == text
    key = parse(text).key
    return lambda version: version.key == key


def _operator(text: str) -> Matcher:
    match = _CLAUSE.match(text.replace(" ", ""))
    if match is None:
        raise InvalidVersion(f"{text!r}: no operator with a version")
    operator, word = match[1], match[2]
    if word[0] in "<>=!~":
        raise InvalidVersion(f"{text!r}: no operator with a version")
    starred = word.endswith("*")
    if starred:
        if operator == "~=":
            raise InvalidVersion(f"{text!r}: ~= takes no *")
        word = word.rstrip("*").rstrip(".")
        if not word:
            if operator in ("=", "==", ">="):
                return anything
            raise InvalidVersion(f"{text!r}: no operator with a version")
    if "*" in word:
        raise InvalidVersion(f"{text!r}: * stands at the end only")
    wanted = parse(word)
    key = wanted.key
    if operator == "=" or (operator == "==" and starred):
        return lambda version: version.starts_with(wanted)
    if operator == "!=" and starred:
        return lambda version: not version.starts_with(wanted)
    if operator == "~=":
        head = word.rpartition(".")[0]
        if not head:
            raise InvalidVersion(f"{text!r}: ~= takes two components or more")
        start = parse(head)
        return lambda version: version.key >= key and version.starts_with(start)
    if operator == "==":
        return lambda version: version.key == key
    if operator == "!=":
        return lambda version: version.key != key
    if operator == ">=":
        return lambda version: version.key >= key
    if operator == "<=":
        return lambda version: version.key <= key
    if operator == ">":
        return lambda version: version.key > key
    return lambda version: version.key < key
