"""A small, strict reader of the YAML that conda's configuration files are written in.

It knows block mappings and sequences, flow ones, plain and quoted scalars, comments. What it reads it reads as PyYAML and
ruamel.yaml do (``tests/test_yaml.py`` holds it against both), scalars as text; what they refuse it refuses with the
line; and what it does not know (anchors, tags, block scalars, several documents …) it says so: then nothing is known of the
file, and nothing wrong with it either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from envdoctor.lazy import pattern

MAX_DEPTH = 40
_BAD = pattern("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KEY = pattern(r":(?=[ ]|$)")
_COMMENT = pattern(r"(?:^|[ ])#")
_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b", " ": " ",
    '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_WIDTHS = {"x": 2, "u": 4, "U": 8}


class Broken(ValueError):
    """Text that is no YAML. ``str()`` is the reason in a few words; `line` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


class Unknown(ValueError):
    """Text that uses something of YAML that this reader does not know. ``str()`` says what; `line` counts from 1."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


@dataclass
class Node:
    """A value, and the line on which it begins."""

    value: str | list[Node] | dict[str, Node]
    line: int
    quoted: bool = False
    """A scalar in quotes: text whatever it says."""
    keys: dict[str, int] = field(default_factory=dict)
    """Of a mapping: the line of each key."""
    doubled: list[tuple[str, int]] = field(default_factory=list)
    """Of a mapping: keys that it holds more than once, with the line of the second; the last value counts, or none at all."""

    @property
    def plain(self) -> object:
        """The value as str, list and dict."""
        if isinstance(self.value, dict):
            return {key: node.plain for key, node in self.value.items()}
        return self.value if isinstance(self.value, str) else [node.plain for node in self.value]

    @property
    def null(self) -> bool:
        """Nothing is written here, or a word for nothing."""
        return isinstance(self.value, str) and not self.quoted and self.value in ("", "~", "null", "Null", "NULL")


@dataclass
class _Line:
    number: int
    indent: int
    text: str
    """Without indentation and blanks at the end, comments still there."""
    gap: bool = False
    """Blank or comment lines stand between it and the line before."""


def load(source: str) -> Node | None:
    """The one document of `source`; None where there is nothing but comments. Raises Broken and Unknown."""
    return _Reader(source).document()


class _Reader:
    def __init__(self, source: str) -> None:
        source = source.removeprefix("\ufeff")
        if bad := _BAD.search(source):
            raise Broken("a control character", source.count("\n", 0, bad.start()) + 1)
        if "\x85" in source or "\u2028" in source or "\u2029" in source:
            raise Unknown("an unusual line break", 1)
        self.raw = re.split(r"\r\n|\r|\n", source)
        self.lines = list(self._split())
        self.at = 0

    def _split(self) -> Iterator[_Line]:
        gap = False
        for number, raw in enumerate(self.raw, 1):
            text = raw.strip(" ")
            if not text or text.startswith("#"):
                gap = True
                continue
            indent = len(raw) - len(raw.lstrip(" "))
            if text[0] == "\t":
                if text.strip("\t ") and self._tab_is_wrong(number):
                    raise Broken("a tab where only spaces can indent", number)
                raise Unknown("a line that begins with a tab", number)
            yield _Line(number, indent, text, gap)
            gap = False

    def _tab_is_wrong(self, number: int) -> bool:
        """The lines before it are as simple as can be, so that the tab is in no quotes, brackets or text of several lines."""
        before = [raw.strip() for raw in self.raw[: number - 1]]
        simple = all(not line or line.startswith("#") or re.fullmatch(r"(?:- )?[\w./-]+:?", line) for line in before)
        # after an empty line ruamel takes the tab for white space
        return simple and (not before or (before[-1].endswith(":") and not before[-1].startswith("#")))

    # -------------------------------------------------------------------------------------------------------- lines
    @property
    def here(self) -> _Line | None:
        return self.lines[self.at] if self.at < len(self.lines) else None

    def document(self) -> Node | None:
        if self.lines and self.lines[0].indent == 0 and re.fullmatch(r"---(?: +#.*)?", self.lines[0].text):
            self.at = 1
        for line in self.lines[self.at :]:
            if line.indent == 0 and (line.text.startswith(("---", "...", "%"))):
                raise Unknown("several documents, or directives", line.number)
        if (first := self.here) is None:
            return None
        node = self._block(first.indent, -1, 0)
        if (rest := self.here) is not None:
            raise Broken("indented unlike anything above", rest.number)
        return node

    def _block(self, indent: int, parent: int, depth: int) -> Node:
        """The node that begins on this line, which is indented by `indent`; `parent` is the indentation around it."""
        line = self.here
        assert line is not None
        if depth > MAX_DEPTH:
            raise Unknown("nested very deeply", line.number)
        if _dash(line.text):
            return self._sequence(indent, depth)
        if self._key(line) is not None:
            return self._mapping(indent, depth)
        return self._value(line.text, line, parent, depth)

    def _sequence(self, indent: int, depth: int) -> Node:
        first = self.here
        assert first is not None
        items: list[Node] = []
        while (line := self.here) is not None and line.indent == indent and _dash(line.text):
            rest = line.text[1:].lstrip(" ")
            if not rest or rest.startswith("#"):
                self.at += 1
                below = self.here
                if below is not None and below.indent > indent:
                    items.append(self._block(below.indent, indent, depth + 1))
                else:
                    if below is not None and below.indent == indent and not _dash(below.text):
                        raise Unknown("a value that stands left of its place", below.number)
                    items.append(Node("", line.number))
                continue
            inner = indent + len(line.text) - len(rest)
            self.lines[self.at] = _Line(line.number, inner, rest)
            items.append(self._block(inner, indent, depth + 1))
        self._closed(indent)
        return Node(items, first.number)

    def _mapping(self, indent: int, depth: int) -> Node:
        first = self.here
        assert first is not None
        found = Node({}, first.number)
        values: dict[str, Node] = {}
        while (line := self.here) is not None and line.indent == indent:
            if _dash(line.text):
                raise Broken("an item of a list where a key is expected", line.number)
            split = self._key(line)
            if split is None:
                if line.text[0] in "[{&*!|>?'\"":
                    raise Unknown("something other than a key", line.number)
                raise Broken("no key: a colon and a space are missing", line.number)
            key, rest = split
            if key in values:
                found.doubled.append((key, line.number))
            if not rest or rest.startswith("#"):
                self.at += 1
                below = self.here
                if below is not None and (below.indent > indent or (below.indent == indent and _dash(below.text))):
                    values[key] = self._block(below.indent, indent, depth + 1)
                else:
                    values[key] = Node("", line.number)
            else:
                values[key] = self._value(rest, line, indent, depth + 1)
            found.keys[key] = line.number
        self._closed(indent)
        found.value = values
        return found

    def _closed(self, indent: int) -> None:
        """What follows stands farther left: deeper, it would belong to nothing."""
        line = self.here
        if line is not None and line.indent > indent:
            raise Broken("indented unlike anything above", line.number)

    def _key(self, line: _Line) -> tuple[str, str] | None:
        """Key and rest of ``key: rest``; None where the line begins with none."""
        text = line.text
        if text[0] in "\"'":
            end = _quote_end(text)
            if end is None:
                return None
            rest = text[end:].lstrip(" ")
            if not rest.startswith(":") or rest[1:2] not in ("", " "):
                return None
            return unquoted(text[:end], line.number), rest[1:].lstrip(" ")
        if text[0] in "[{&*!|>%@`,]}#" or text[:2] in ("? ", "?"):
            return None
        found = _KEY.search(text)
        if found is None:
            return None
        key = text[: found.start()].rstrip(" ")
        if _COMMENT.search(key) or "\t" in key:
            return None
        if not key or len(key) > 1000:
            raise Unknown("an unusual key", line.number)
        return key, text[found.end() :].lstrip(" ")

    # ------------------------------------------------------------------------------------------------------- values
    def _value(self, text: str, line: _Line, parent: int, depth: int) -> Node:
        """A scalar or flow collection that begins on this line and ends before the next key."""
        start = text[0]
        if start in "&*!|>":
            raise Unknown({"&": "an anchor", "*": "an alias", "!": "a tag"}.get(start, "a block scalar"), line.number)
        if start in "[{":
            return self._flow(text, line, parent, depth)
        if start in "\"'":
            return self._quoted(text, line, parent)
        if start in "@`%":
            raise Broken(f"{start!r} cannot begin a value", line.number)
        if _dash(text):
            raise Broken("an item of a list on the line of its key", line.number)
        if start in ",]}#" or text[:2] in ("? ", "?", ": ", ":"):
            raise Unknown("an unusual value", line.number)
        words = [self._plain(text, line.number)]
        ended = _COMMENT.search(text) is not None
        self.at += 1
        while (below := self.here) is not None and below.indent > parent:
            if ended or below.gap:
                raise Unknown("a text of several lines", below.number)
            if parent < 0 and self._key(below) is not None:
                raise Broken("no key: a colon and a space are missing", line.number)
            words.append(self._plain(below.text, below.number))
            ended = _COMMENT.search(below.text) is not None
            self.at += 1
        return Node(" ".join(words), line.number)

    def _plain(self, text: str, number: int) -> str:
        comment = _COMMENT.search(text)
        text = (text[: comment.start()] if comment else text).rstrip(" ")
        if "\t" in text:
            raise Unknown("a tab", number)
        if _KEY.search(text):
            raise Broken("a second colon: a mapping cannot begin here", number)
        return text

    def _quoted(self, text: str, line: _Line, parent: int) -> Node:
        end = _quote_end(text)
        if end is None:
            rest = "\n".join(self.raw[line.number :])
            if text[0] not in rest:
                raise Broken("a quote is not closed", line.number)
            raise Unknown("a text of several lines", line.number)
        self._nothing_more(text[end:], line.number)
        node = Node(unquoted(text[:end], line.number), line.number, quoted=True)
        self.at += 1
        self._closed(parent)
        return node

    def _nothing_more(self, rest: str, number: int) -> None:
        if "\t" in rest.partition("#")[0]:
            raise Unknown("a tab", number)
        rest = rest.strip(" ")
        if rest.startswith(":"):
            raise Unknown("a key that is no plain text", number)
        if rest and not rest.startswith("#"):
            raise Broken("something stands behind the end of a value", number)

    def _flow(self, text: str, line: _Line, parent: int, depth: int) -> Node:
        """``[a, b]`` or ``{a: b}``, on one line or several."""
        flow = _Flow([text, *self.raw[line.number :]], line.number)
        closing = "]" if text[0] == "[" else "}"
        if not any(closing in rest for rest in flow.lines):
            raise Broken("a bracket is not closed", line.number)
        node = flow.collection(depth)
        self._nothing_more(flow.lines[flow.row][flow.column :], flow.number)
        while (below := self.here) is not None and below.number <= flow.number:
            self.at += 1
        self._closed(parent)
        return node


class _Flow:
    """A flow collection, read character by character."""

    def __init__(self, lines: list[str], first: int) -> None:
        self.lines, self.first = lines, first
        self.row = self.column = 0

    @property
    def number(self) -> int:
        return self.first + self.row

    def _next(self) -> str:
        """The next character that is neither blank nor of a comment; it is not passed."""
        begin = self.number
        while self.row < len(self.lines):
            line = self.lines[self.row]
            while self.column < len(line) and line[self.column] == " ":
                self.column += 1
            if self.column < len(line) and line[self.column] == "\t":
                raise Unknown("a tab", self.number)
            if self.column < len(line) and line[self.column] != "#":
                return line[self.column]
            self.row += 1
            self.column = 0
            if self.row < len(self.lines) and self.lines[self.row].startswith(("---", "...")):
                raise Unknown("several documents", self.number)
        self.row = len(self.lines) - 1
        raise Broken("a bracket is not closed", begin)

    def collection(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise Unknown("nested very deeply", self.number)
        opening, number = self._next(), self.number
        self.column += 1
        return self._list(number, depth) if opening == "[" else self._map(number, depth)

    def _list(self, number: int, depth: int) -> Node:
        items: list[Node] = []
        while True:
            if self._next() == "]":
                self.column += 1
                return Node(items, number)
            items.append(self._item(depth))
            if self._next() == ":":
                raise Unknown("a pair in a list", self.number)
            if not self._comma("]"):
                return Node(items, number)

    def _map(self, number: int, depth: int) -> Node:
        found = Node({}, number)
        values: dict[str, Node] = {}
        while True:
            if self._next() == "}":
                self.column += 1
                break
            line = self.number
            key = self._item(depth)
            if not isinstance(key.value, str) or not key.value:
                raise Unknown("a key that is no text", line)
            if self._next() == ":":
                self.column += 1
                if self.lines[self.row][self.column : self.column + 1] not in ("", " "):
                    raise Unknown("a colon without a blank", line)
                value = Node("", line) if self._next() in ",}" else self._item(depth)
            else:
                value = Node("", line)
            if key.value in values:
                found.doubled.append((key.value, line))
            values[key.value] = value
            found.keys[key.value] = line
            if not self._comma("}"):
                break
        found.value = values
        return found

    def _comma(self, closing: str) -> bool:
        """Passes a comma (True) or the closing bracket."""
        char = self._next()
        self.column += 1
        if char == ",":
            return True
        if char != closing:
            raise Broken(f"a comma or {closing!r} is missing", self.number)
        return False

    def _item(self, depth: int) -> Node:
        char, number = self._next(), self.number
        if char in "[{":
            return self.collection(depth + 1)
        if char in "&*!|>":
            raise Unknown("an anchor, alias, tag or block scalar", number)
        if char in ",]}":
            raise Broken("a value is missing", number)
        line = self.lines[self.row]
        rest = line[self.column :]
        if char in "@`%":
            raise Broken(f"{char!r} cannot begin a value", number)
        if char in "\"'":
            end = _quote_end(rest)
            if end is None:
                if char not in "\n".join(self.lines[self.row + 1 :]):
                    raise Broken("a quote is not closed", number)
                raise Unknown("a text of several lines", number)
            self.column += end
            return Node(unquoted(rest[:end], number), number, quoted=True)
        if char in "?:" or (char == "-" and rest[1:2] in ("", " ", ",", "[", "]", "{", "}")):
            raise Unknown("an unusual value", number)
        stop = re.search(r"[,\[\]{}]|:(?=[ ,\[\]{}]|$)|[ ]#|\t", rest)
        text = rest[: stop.start()] if stop else rest
        if "?" in text:
            raise Unknown("a question mark in brackets", number)
        self.column += len(text)
        if stop and stop[0] == "\t":
            raise Unknown("a tab", number)
        if self._next() not in ",]}:" or (self.number != number and self._next() == ":"):
            raise Unknown("a text of several lines", number)
        return Node(text.rstrip(" "), number)


def _dash(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _quote_end(text: str) -> int | None:
    """Length of the quoted text that `text` begins with; None where it does not end on this line."""
    if text[0] == "'":
        found = re.match(r"'(?:[^']|'')*'(?!')", text)
    else:
        found = re.match(r'"(?:[^"\\]|\\.)*"', text)
    return found.end() if found else None


def unquoted(text: str, number: int) -> str:
    """What a quoted text on line `number`, quotes included, stands for. Raises Broken and Unknown."""
    body = text[1:-1]
    if text[0] == "'":
        return body.replace("''", "'")
    if "\\" not in body:
        return body
    out: list[str] = []
    at = 0
    while at < len(body):
        char = body[at]
        if char != "\\":
            out.append(char)
            at += 1
            continue
        code = body[at + 1]
        if code in _WIDTHS:
            digits = body[at + 2 : at + 2 + _WIDTHS[code]]
            if not re.fullmatch(rf"[0-9A-Fa-f]{{{_WIDTHS[code]}}}", digits):
                raise Broken("an escape that is none", number)
            if int(digits, 16) > 0x10FFFF or 0xD800 <= int(digits, 16) < 0xE000:
                raise Unknown("an escape of no character", number)
            out.append(chr(int(digits, 16)))
            at += 2 + _WIDTHS[code]
        elif code in _ESCAPES:
            out.append(_ESCAPES[code])
            at += 2
        elif code == "\t":
            raise Unknown("a tab", number)
        else:
            raise Broken("an escape that is none", number)
    return "".join(out)
