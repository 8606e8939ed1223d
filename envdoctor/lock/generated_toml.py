"""TOML as tools write it, many times faster than a parser for people's TOML: its text is turned into JSON's. Pure.

Generated locks are bare keys, basic strings, inline tables, arrays over several lines, headers at the beginning of lines. What
stands between strings repeats itself there (``, hash =``), so each such piece is translated once, and the standard library's
JSON reader, written in C, does the rest. Whatever looks unusual raises :class:`Unusual`, and the caller takes the parser that
knows everything; what is returned is what that parser would return, but for dates, which are text here.
"""

from __future__ import annotations

import json
from typing import Any

from envdoctor.lazy import pattern


class Unusual(Exception):
    """Not the TOML that this module reads; it may well be TOML."""


_KEY = r"[A-Za-z0-9_-]+"
_DAY = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?"
_DATE = rf"{_DAY}(?:T{_CLOCK})?"
_NUMBER = r"-?(?:0|[1-9]\d{0,17})"
_SCALAR = pattern(rf"(?<= = )(?:{_DATE}|{_NUMBER})(?=[,\s}}\]]|$)")
_HOLE = "\x04"
_TOKEN = pattern(rf"([ \t]+)|([\[\]{{}},])|({_KEY}) = |(true|false|{_NUMBER}|{_HOLE})(?=[,\s}}\]]|$)")
_LINE = pattern(rf"({_KEY}) = (.*)")
_HEADER = pattern(rf"\[(\[?)({_KEY}(?:\.{_KEY})*)\](\]?)[ \t]*")
_ESCAPE = pattern(r'\\[^"\\ntrbf]')
_CLOSES = {"]": "[", "}": "{"}


def loads(source: str) -> dict[str, Any]:
    """The content of TOML text that a tool has written. Raises Unusual for everything else."""
    if '"""' in source or any(mark in source for mark in ("\x01", "\x02", _HOLE)):
        raise Unusual
    while source.startswith("#"):
        comment, _, source = source.partition("\n")
        if not comment.isprintable():
            raise Unusual
    escaped = "\\" in source
    if escaped:
        if _ESCAPE.search(source.replace("\\\\", "")):
            raise Unusual
        source = source.replace("\\\\", "\x01").replace('\\"', "\x02")
    pieces = source.split('"')
    if len(pieces) % 2 == 0:
        raise Unusual
    translator = _Translator()
    state = ""
    known: dict[str, dict[str, tuple[str, str]]] = {"": {}}
    translated = known[state]
    last = len(pieces) - 1
    pieces[0], state = translator.piece(pieces[0] if last else f"{pieces[0]}\n", "", first=True)
    for index in range(2, last + 1, 2):
        piece = pieces[index]
        translated = known.get(state) or known.setdefault(state, {})
        done = translated.get(piece)
        if done is None:
            done = translated[piece] = translator.shaped(piece if index < last else f"{piece}\n\n", state)
        pieces[index], state = done
    if state not in ("", _LINE_START):
        raise Unusual
    text = '"'.join(pieces)
    text = text.removesuffix(",")
    if escaped:
        text = text.replace("\x02", '\\"').replace("\x01", "\\\\")
    try:
        blocks = json.loads(f'[["",{{{text}}}]]', object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise Unusual from None
    return _assembled(blocks)


_LINE_START = "\n"
"""The state after a piece that ends with a new line outside of brackets: a string there is a key."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unusual
    return found


class _Translator:
    """From pieces of TOML between strings to pieces of JSON.

    A state is the brackets that are open, the innermost last; outside of all brackets '' after a value, and
    :data:`_LINE_START` where a line begins.
    """

    def shaped(self, piece: str, state: str) -> tuple[str, str]:
        """The translation of a piece and the state after it; numbers and dates do not take a translation of their own."""
        if _SCALAR.search(piece) is None:
            return self.piece(piece, state)
        holes = _SCALAR.findall(piece)
        key = state, _SCALAR.sub(_HOLE, piece)
        shape = self.shapes.get(key)
        if shape is None:
            text, after = self.piece(key[1], state)
            shape = self.shapes[key] = text.split(_HOLE), after
        parts, after = shape
        if len(parts) != len(holes) + 1:
            raise Unusual
        found = [parts[0]]
        for hole, part in zip(holes, parts[1:], strict=True):
            found += [f'"{hole}"' if "-" in hole[1:] else hole, part]
        return "".join(found), after

    def __init__(self) -> None:
        self.shapes: dict[tuple[str, str], tuple[list[str], str]] = {}

    def piece(self, piece: str, state: str, *, first: bool = False) -> tuple[str, str]:
        """The translation of one piece and the state after it. `first`: it begins the document."""
        lines = piece.split("\n")
        found: list[str] = []
        fresh = first
        if first:
            lines.insert(0, "")
        head = lines[0]
        if state == _LINE_START:
            # the string before was a key
            if not head.startswith(" = "):
                raise Unusual
            found.append(":")
            state = self.values(head[3:], "", found)
        elif not state:
            if head.strip(" \t"):
                raise Unusual
        else:
            if head.startswith(" = "):
                if state[-1] != "{":
                    raise Unusual
                found.append(":")
                head = head[3:]
            state = self.values(head, state, found)
        for number, line in enumerate(lines[1:], 1):
            if state:
                if state[-1] != "[":
                    raise Unusual
                state = self.values(line, state, found)
            elif not line:
                if number == len(lines) - 1:
                    if not fresh:
                        found.append(",")
                    return "".join(found), _LINE_START
            elif line[0] == "[":
                header = _HEADER.fullmatch(line)
                if header is None or len(header[1]) != len(header[3]):
                    raise Unusual
                found += ['}],["', header[1], header[2], '",{']
                fresh = True
            else:
                match = _LINE.fullmatch(line)
                if match is None or (not match[2] and number < len(lines) - 1):
                    raise Unusual
                found += ["" if fresh else ",", '"', match[1], '":']
                fresh = False
                state = self.values(match[2], "", found)
        return "".join(found), state

    def values(self, text: str, state: str, found: list[str]) -> str:
        """Appends the translation of a part of a line, and returns the state after it."""
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise Unusual
            place = match.end()
            space, bracket, key, scalar = match.groups()
            if bracket is not None:
                if bracket in "[{":
                    state += bracket
                elif bracket == ",":
                    if not state:
                        raise Unusual
                else:
                    if state[-1:] != _CLOSES[bracket]:
                        raise Unusual
                    state = state[:-1]
                    if bracket == "]" and found and found[-1] == ",":
                        found.pop()
                        if found and found[-1] in ("[", ","):
                            raise Unusual
                found.append(bracket)
            elif key is not None:
                if state[-1:] != "{":
                    raise Unusual
                found.append(f'"{key}":')
            elif scalar is not None:
                found.append(f" {scalar}")
            else:
                del space
        return state


def _assembled(blocks: list[list[Any]]) -> dict[str, Any]:
    """The document of tables with their headers: ``a.b`` for ``[a.b]``, ``[a.b`` for ``[[a.b]]``."""
    root: dict[str, Any] = blocks[0][1]
    arrays: set[int] = set()
    for header, content in blocks[1:]:
        keys = header.lstrip("[").split(".")
        place = root
        for key in keys[:-1]:
            inner = place.get(key)
            if inner is None:
                inner = place[key] = {}
            if type(inner) is list:
                if id(inner) not in arrays:
                    raise Unusual
                inner = inner[-1]
            if type(inner) is not dict:
                raise Unusual
            place = inner
        key = keys[-1]
        known = place.get(key)
        if header[0] == "[":
            if known is None:
                known = place[key] = []
                arrays.add(id(known))
            elif id(known) not in arrays:
                raise Unusual
            known.append(content)
        else:
            if known is not None:
                raise Unusual
            place[key] = content
    return root
