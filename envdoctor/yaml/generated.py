"""A fast reader of the YAML that programs write: conda-lock's, pixi's and rattler's lockfiles.

What PyYAML, ruamel.yaml and serde_yaml make of plain data: block mappings and sequences, one scalar a line, folded and quoted
text, empty collections, the anchors that PyYAML puts where one object stands twice. Scalars stay text, as with PyYAML's
BaseLoader. A document that is written otherwise is left to the strict reader of :mod:`envdoctor.yaml`.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from envdoctor import yaml
from envdoctor.tuples import NamedTuple
from envdoctor.yaml import Broken, Unknown

__all__ = ["Broken", "Document", "Unknown", "load"]

_LINE = re.compile(r"^( *)(- )?(?:([A-Za-z0-9_][A-Za-z0-9_.+/-]*|'[^'\n]*'):(?: +|$))?(.*)$", re.MULTILINE)
_BAD_ASCII = re.compile("[\x00-\x09\x0b-\x1f\x7f]")
_BAD = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_PLAIN = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`=~]|[-?:](?=[^\s,\[\]{}])|[=~]")
_LITERAL = re.compile(r"\|([+-]?)\Z")
_ANCHOR = re.compile(r"&([A-Za-z0-9_-]+)(?: +([\[{].*))?\Z")
_ALIAS = re.compile(r"\*([A-Za-z0-9_-]+)\Z")
MAX_DEPTH = 20
MAX_FLOW = 4000
"""Characters of a flow collection."""

_Row = tuple[str, str, str, str]


class Document(NamedTuple):
    """What stands in a file."""

    value: Any
    """As dict, list and str; None where there is nothing but comments."""
    starts: dict[str, list[int]]
    """For each key of the document whose value is a sequence: the line of each item, counted from 1. Empty where not known."""


class _Unfit(Exception):
    """Not written by one of these programs."""


def load(source: str) -> Document:
    """The document in `source`. Raises Broken (no YAML) and Unknown (YAML that is not read here), both with the line."""
    try:
        return _Reader(source).document()
    except _Unfit:
        node = yaml.load(source)
    if node is None:
        return Document(None, {})
    starts = {}
    if isinstance(node.value, dict):
        starts = {key: [item.line for item in one.value] for key, one in node.value.items() if isinstance(one.value, list)}
    return Document(node.plain, starts)


class _Reader:
    def __init__(self, source: str) -> None:
        source = source.removeprefix("\ufeff")
        if "\r" in source:
            source = source.replace("\r\n", "\n")
        if (_BAD_ASCII if source.isascii() else _BAD).search(source):
            raise _Unfit
        self.rows: list[_Row] = _LINE.findall(source)
        self.size = len(self.rows)
        self.at = 0
        self.scalars: dict[str, str] = {}
        self.anchors: dict[str, Any] = {}
        self.starts: dict[str, list[int]] = {}

    def unfit(self) -> NoReturn:
        raise _Unfit

    def document(self) -> Document:
        self.skip()
        if self.at < self.size and self.rows[self.at] == ("", "", "", "---"):
            self.at += 1
            self.skip()
        if self.at >= self.size:
            return Document(None, {})
        if self.rows[self.at][0]:
            self.unfit()
        value: Any = self.sequence("", 0, None) if self.dash() else self.mapping("", 0)
        if self.at < self.size:
            self.unfit()
        return Document(value, self.starts)

    def skip(self) -> None:
        """Passes blank lines and comments."""
        rows, size = self.rows, self.size
        while self.at < size:
            _, dash, key, rest = rows[self.at]
            if key or dash or (rest and rest[0] != "#"):
                return
            self.at += 1

    def dash(self) -> bool:
        """An item of a sequence begins on this line."""
        row = self.rows[self.at]
        return bool(row[1]) or row[3] == "-"

    def mapping(self, indent: str, depth: int) -> dict[str, Any]:
        """The mapping that begins on this line; its keys stand at `indent`, whatever is before the first."""
        if depth > MAX_DEPTH:
            self.unfit()
        rows, size, scalars = self.rows, self.size, self.scalars
        found: dict[str, Any] = {}
        first = True
        while self.at < size:
            own, dash, key, rest = rows[self.at]
            if not key:
                if not dash and (not rest or rest[0] == "#"):
                    self.at += 1
                    continue
                if first or (own == indent and not dash and rest != "-") or len(own) > len(indent):
                    self.unfit()
                return found
            if not first:
                if own != indent:
                    if len(own) > len(indent):
                        self.unfit()
                    return found
                if dash:
                    return found
            first = False
            if key[0] == "'":
                key = key[1:-1]
            if rest and (value := scalars.get(rest)) is not None:
                self.at += 1
                if self.at < size and not rows[self.at][2] and len(rows[self.at][0]) > len(indent):
                    self.at -= 1
                    value = self.value(rest, indent, depth)
                found[key] = value
            elif not rest or rest[0] == "#":
                found[key] = self.below(indent, depth, key)
            else:
                found[key] = self.value(rest, indent, depth)
        return found

    def below(self, indent: str, depth: int, key: str | None) -> Any:
        """What stands under ``key:``, on the lines below; nothing is an empty text."""
        self.at += 1
        self.skip()
        if self.at >= self.size:
            return ""
        own = self.rows[self.at][0]
        if self.dash():
            if len(own) >= len(indent):
                return self.sequence(own, depth + 1, key if depth == 0 else None)
            return ""
        if len(own) <= len(indent):
            return ""
        if not self.rows[self.at][2]:
            return self.value(self.rows[self.at][3], indent, depth)
        return self.mapping(own, depth + 1)

    def sequence(self, indent: str, depth: int, name: str | None) -> list[Any]:
        """The sequence whose dashes stand at `indent`."""
        if depth > MAX_DEPTH:
            self.unfit()
        rows, size, scalars = self.rows, self.size, self.scalars
        inner = indent + "  "
        found: list[Any] = []
        starts: list[int] = []
        while self.at < size:
            own, dash, key, rest = rows[self.at]
            if not dash and rest != "-":
                if not key and (not rest or rest[0] == "#"):
                    self.at += 1
                    continue
                if len(own) > len(indent):
                    self.unfit()
                break
            if own != indent:
                if len(own) > len(indent):
                    self.unfit()
                break
            starts.append(self.at + 1)
            if key:
                found.append(self.mapping(inner, depth + 1))
            elif not dash:
                self.unfit()
            elif (value := scalars.get(rest)) is not None:
                self.at += 1
                if self.at < size and not rows[self.at][2] and len(rows[self.at][0]) > len(indent):
                    self.at -= 1
                    value = self.value(rest, indent, depth)
                found.append(value)
            elif not rest or rest[0] in "#- ":
                self.unfit()
            else:
                found.append(self.value(rest, indent, depth))
        if name is not None:
            self.starts[name] = starts
        return found

    def value(self, text: str, indent: str, depth: int) -> Any:
        """The value that begins with `text` on this line; it ends before what stands at `indent` or left of it."""
        start = text[0]
        if start == "'" or start == '"':
            return self.quoted(text, indent)
        if text[-1] == " ":
            text = text.rstrip(" ")
        if start in "[{":
            return self.flow(text, indent)
        if start == "|" and (literal := _LITERAL.match(text)):
            return self.literal(indent, literal[1])
        if start == "&" and (anchor := _ANCHOR.match(text)):
            value = self.flow(anchor[2], indent) if anchor[2] else self.below(indent, depth, None)
            self.anchors[anchor[1]] = value
            if not isinstance(value, (dict, list)):
                self.unfit()
            return value
        if start == "*" and (alias := _ALIAS.match(text)):
            if alias[1] not in self.anchors:
                self.unfit()
            self.end(indent)
            return self.anchors[alias[1]]
        if not _PLAIN.match(text):
            self.unfit()
        words = [text]
        while True:
            comment = text.find(" #")
            if comment >= 0:
                words[-1] = text = text[:comment].rstrip(" ")
            if ": " in text or text[-1] == ":":
                self.unfit()
            self.at += 1
            if self.at >= self.size:
                break
            own, dash, key, rest = self.rows[self.at]
            if len(own) <= len(indent):
                if not rest and not key and not dash:
                    self.gap(indent)
                break
            if key or comment >= 0:
                self.unfit()
            text = (dash + rest).rstrip(" ")
            if not text or text[0] == "#":
                if text:
                    self.unfit()
                self.gap(indent)
                break
            words.append(text)
        value = " ".join(words)
        if len(words) == 1:
            self.scalars[value] = value
        return value

    def gap(self, indent: str) -> None:
        """Blank lines follow a plain text: it must not go on behind them."""
        self.skip()
        if self.at < self.size and len(self.rows[self.at][0]) > len(indent):
            self.unfit()

    def end(self, indent: str) -> None:
        """The value ends with this line: what follows stands at `indent` or left of it."""
        self.at += 1
        self.gap(indent)

    def quoted(self, text: str, indent: str) -> str:
        quote = text[0]
        end = _quote_end(text)
        if end is not None:
            rest = text[end:].strip(" ")
            if rest and not (rest[0] == "#" and text[end] == " "):
                self.unfit()
            self.end(indent)
            value = yaml.unquoted(text[:end], self.at)
            if not rest:
                self.scalars[text] = value
            return value
        lines = [text[1:]]
        while True:
            self.at += 1
            if self.at >= self.size:
                self.unfit()
            own, dash, key, rest = self.rows[self.at]
            if (key or dash or rest) and len(own) <= len(indent):
                self.unfit()
            if key:
                self.unfit()
            line = dash + rest
            end = _quote_end(quote + line)
            if end is not None:
                if line[end - 1 :].strip(" "):
                    self.unfit()
                lines.append(line[: end - 2])
                break
            lines.append(line)
        self.end(indent)
        return yaml.unquoted(f"{quote}{_folded(lines, escapes=quote == chr(34))}{quote}", self.at)

    def flow(self, text: str, indent: str) -> Any:
        if text in ("[]", "{}"):
            self.end(indent)
            return [] if text == "[]" else {}
        node, tries = None, 0
        while True:
            if text.count("[") <= text.count("]") and text.count("{") <= text.count("}"):
                try:
                    node = yaml.load(text)
                    break
                except (Broken, Unknown):
                    tries += 1
            # brackets that are closed on a line below
            own, dash, key, rest = self.rows[self.at + 1] if self.at + 1 < self.size else ("", "", "", "")
            line = f"{dash}{f'{key}: ' if key and rest else f'{key}:' if key else ''}{rest}".rstrip(" ")
            if not line or "#" in line or len(own) <= len(indent) or len(text) > MAX_FLOW or tries > 5:
                self.unfit()
            text = f"{text} {line}"
            self.at += 1
        self.end(indent)
        return node.plain if node is not None else ""

    def literal(self, indent: str, chomping: str) -> str:
        """A block scalar, as it stands there."""
        lines: list[str] = []
        margin = 0
        self.at += 1
        while self.at < self.size:
            own, dash, key, rest = self.rows[self.at]
            line = f"{own}{dash}{f'{key}: ' if key and rest else f'{key}:' if key else ''}{rest}"
            if line.strip(" "):
                if len(own) <= len(indent):
                    break
                if not margin:
                    if any(len(blank) > len(own) for blank in lines):
                        self.unfit()
                    margin = len(own)
                elif len(own) < margin:
                    self.unfit()
                if key:
                    # blanks behind the colon are not kept apart
                    self.unfit()
            lines.append(line)
            self.at += 1
        if not margin:
            self.unfit()
        if self.at >= self.size and lines and not lines[-1]:
            lines.pop()  # the end of the file's last line
        text = "\n".join(line[margin:] for line in lines)
        if chomping == "+":
            return f"{text}\n"
        text = text.rstrip("\n")
        return text if chomping == "-" else f"{text}\n"


def _quote_end(text: str) -> int | None:
    """The index behind the quote that ends what begins with one; None where it is not on this line."""
    quote = text[0]
    at = 1
    while True:
        at = text.find(quote, at)
        if at < 0:
            return None
        if quote == "'":
            if text[at + 1 : at + 2] == "'":
                at += 2
                continue
            return at + 1
        slashes = len(text[:at]) - len(text[:at].rstrip("\\"))
        if slashes % 2:
            at += 1
            continue
        return at + 1


def _folded(lines: list[str], *, escapes: bool) -> str:
    """The lines of a quoted text as one: a line break is a blank, an empty line a line break."""
    out = lines[0]
    blank = 0
    escaped = False
    last = len(lines) - 1
    out, escaped = _end_of_line(out, escapes)
    for number, line in enumerate(lines[1:], 1):
        text = line.lstrip(" ")
        if not text.strip(" ") and number < last:
            blank += 1
            continue
        joint = ("\\n" if escapes else "\n") * blank if blank else ("" if escaped else " ")
        if number < last:
            text, next_escaped = _end_of_line(text, escapes)
        else:
            next_escaped = False
        out += joint + text
        blank, escaped = 0, next_escaped
    return out


def _end_of_line(text: str, escapes: bool) -> tuple[str, bool]:
    """`text` without blanks at its end, and whether its line break is escaped."""
    if escapes:
        slashes = len(text) - len(text.rstrip("\\"))
        if slashes % 2:
            return text[:-1], True
    return text.rstrip(" "), False
