"""Escaping, quoting and wrapping."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.formats.text import cells, command_line, guard, join, quote, safe, to_ascii, wrap
from tests.formats.made import HOSTILE

ANY_TEXT = st.text(st.characters(codec=None), max_size=80)


@given(ANY_TEXT)
def test_safe_text_is_printable_and_plain_text_stays(text: str) -> None:
    assert safe(text).isprintable()
    if text.isprintable():
        assert safe(text) == text


@given(ANY_TEXT)
def test_guarded_lines_hold_no_command(text: str) -> None:
    made = guard(safe(text) + "\n  " + safe(text))
    assert not any(line.lstrip().startswith("::") for line in made.splitlines())
    assert "##[" not in made
    assert "##vso[" not in made


def test_hostile_text() -> None:
    made = safe(HOSTILE)
    for bad in ("\x1b", "\n", "\r", "\u202e", "\u200b", "\u2028", "\x9b", "\x07", "\udc80"):
        assert bad not in made
    assert guard("::error::x") == "\\x3a:error::x"
    assert guard("a\n   ::set-output") == "a\n   \\x3a:set-output"
    assert guard("std::vector") == "std::vector"


@given(ANY_TEXT)
def test_ascii_is_ascii(text: str) -> None:
    assert to_ascii(text).isascii()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells")
@pytest.mark.parametrize(
    "word",
    [
        "plain",
        "beta-lib>=2",
        "a b",
        "it's",
        "$HOME",
        "`x`",
        "\x1b[31m",
        "a\nb",
        "é",
        "\u202eevil",
        "back\\slash\n",
        "",
        "!x",
        "-n",
        "~",
    ],
)
def test_quoted_words_are_what_bash_reads(word: str) -> None:
    line = command_line(["printf", "%s", word])
    assert line.isprintable()
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    assert done.stdout.decode() == ("" if word == "" else word)


def test_windows_quoting() -> None:
    assert quote("C:\\Program Files\\x", windows=True) == '"C:\\Program Files\\x"'
    assert quote("numpy>=2", windows=True) == '"numpy>=2"'
    assert quote("plain", windows=True) == "plain"
    assert quote("a\nb", windows=True).isprintable()


def test_width() -> None:
    assert cells("日本") == 4
    assert cells("e\u0301") == 1
    assert wrap("aaa bbb ccc", 7) == ["aaa bbb", "ccc"]
    assert wrap("aaa bbb", 5, "  ", "    ") == ["  aaa", "    bbb"]
    assert wrap("x" * 30, 10) == ["x" * 30]
    assert join(["a", "b", "c"], 3, " · ") == ["a", "  b", "  c"]


@given(st.text("ab ", max_size=120), st.integers(10, 60))
def test_wrapped_lines_keep_words_and_width(text: str, width: int) -> None:
    made = wrap(text, width)
    assert " ".join(made).split() == text.split()
    assert all(cells(line) <= width or " " not in line.strip() for line in made)
