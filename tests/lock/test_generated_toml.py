"""Generated TOML by way of JSON: what is read is what the standard library's parser reads, and nothing else is."""

from __future__ import annotations

import datetime
import random
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.lock.document import LARGE, toml
from envdoctor.lock.generated_toml import Unusual, loads
from envdoctor.lock.model import LockError
from tests.lock.projects import FIXTURES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXTS = [path.read_text(encoding="utf-8") for path in sorted(FIXTURES.rglob("*.lock")) if path.name != "Pipfile.lock"]
TEXTS.append((FIXTURES / "compiled" / "pylock.toml").read_text(encoding="utf-8"))


DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?")


def undated(value: Any) -> Any:
    """Dates, and texts that look like one, as one word: the quick reader gives them as text."""
    if isinstance(value, dict):
        return {key: undated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [undated(item) for item in value]
    dated = isinstance(value, (datetime.date, datetime.datetime)) or (isinstance(value, str) and DATE.fullmatch(value))
    return "a date" if dated else value


def agree(source: str) -> bool:
    """Whether the quick reader takes `source`; then the other one has read the same."""
    try:
        quick = loads(source)
    except Unusual:
        return False
    assert undated(tomllib.loads(source)) == undated(quick)
    return True


@pytest.mark.parametrize("source", TEXTS)
def test_locks_of_real_tools_are_read(source: str) -> None:
    assert agree(source)


@pytest.mark.parametrize(
    "source",
    [
        "",
        'a = "b"',
        'a = "b"\n',
        "a = 1\nb = true\nc = []\n",
        'a = ["b"]\n[t]\nx = "\\"\\\\\\""\n"q.r" = { "s.t" = 1 }\nu = 2\n',
        '[[p]]\nn = "1"\n\n[p.q]\nr = "2"\n\n[[p]]\nn = "3"\nw = [\n    { u = "x", s = 1 },\n    { u = "y" },\n]\n',
        '# c "\n[t]\n"a" = "b"\n"c" = "d"\n',
        'a = [[\n    { x = "1" },\n]]\n',
        'x = ["a", "b",]\nupload-time = 2026-01-02T03:04:05Z\n',
    ],
)
def test_what_generators_write(source: str) -> None:
    assert agree(source)


@pytest.mark.parametrize(
    "source",
    [
        'a = "b", c = "d"',
        'a = { b = "c",\n d = "e" }',
        'a = { b = "c", }',
        'a = "b" c = "d"',
        'a = "b"\na = "c"',
        '[t]\na = "b"\n[t]\nc = "d"',
        "a = [,]",
        'a = ["b",,]',
        'a = "b',
        'a = "\\x41"',
        'a = "\\ud800"',
        "a = null",
        "a = NaN",
        'a = "b"]],[["x",{"y":"z"',
        "a = 1\t2",
        "a = 2026-13-01",
        '[t\na = "b"',
        '# \x01\na = "b"',
        'a = "b" # "',
        'a = [\n"b" = 1]',
        "x" * 10,
        '"',
        "\x04",
    ],
)
def test_what_is_no_toml_is_left_to_the_parser(source: str) -> None:
    with pytest.raises(Unusual):
        loads(source)


PIECES = [
    '"', "\\", '\\"', " = ", ",", "\n", "[", "]", "{", "}", "[[package]]\n", "[package.x]\n", "[a.b]", "true", "null", "1",
    "1_0", "2026-01-01", "2026-01-01T00:00:00Z", '"a"', '""', "'", "#", " ", "\t", "a", '"x.y" = 1\n', "x = 1\n", "\\n", "-1",
    "\\u0041", "=", ":", "+", "e", ".", "-", "\x01", "é", "{ a = 1 }", '[\n    "a",\n]', '}],["', '",{',
]  # fmt: skip


@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(max_examples=400, deadline=None)
def test_damaged_locks(seed: int, edits: int) -> None:
    """Whatever is taken from a damaged lock is what the standard parser takes from it."""
    chance = random.Random(seed)
    source = chance.choice(TEXTS)
    source = source[: chance.choice([600, 2000, len(source)])]
    for _ in range(edits):
        place = chance.randrange(len(source) + 1)
        if chance.random() < 0.6:
            source = source[:place] + chance.choice(PIECES) + source[place + chance.choice([0, 0, 1]) :]
        elif chance.random() < 0.6:
            source = source[:place] + source[place + chance.choice([1, 2, 5, 20]) :]
        else:
            lines = source.split("\n")
            lines.insert(chance.randrange(len(lines)), chance.choice(lines))
            source = "\n".join(lines)
    agree(source)


@given(st.text(alphabet='ab"\\[]{}=,.\n #1-:\t', max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text(source: str) -> None:
    agree(source)


def test_large_texts_are_tried_and_small_ones_are_parsed() -> None:
    line = 'a{} = "b"\n'
    large = "".join(line.format(number) for number in range(LARGE // 8))
    assert toml(large) == tomllib.loads(large)
    assert toml(f"{large}'quoted' = 1\n")["quoted"] == 1
    with pytest.raises(LockError) as caught:
        toml(f"{large}a = [")
    assert caught.value.line == LARGE // 8 + 1
    with pytest.raises(LockError):
        toml(f"{large}a = {'[' * 100_000}")


def test_fixtures_are_what_this_is_about() -> None:
    assert len(TEXTS) >= 4
    assert Path(FIXTURES / "README.md").exists()
