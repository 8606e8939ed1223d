"""Every console block of README.md and docs/ is carried out, and shows what really comes of it. Notation: tests/scenes.py."""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

from envdoctor.cli import group
from tests import scenes

ROOT = scenes.ROOT
PAGES = [page for page in scenes.pages() if "```console" in page.read_text(encoding="utf-8")]
reachable = cache(scenes.index_reachable)


def _parts(needs: bool) -> list[tuple[Path, int]]:
    """Runs of blocks that share a scene: the page and the place of the first one."""
    return [
        (page, at)
        for page in PAGES
        for at, block in enumerate(scenes.blocks(page))
        if block.scene != "same" and bool(block.needs) == needs
    ]


def _name(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)


def _holds(page: Path, at: int) -> None:
    """Carries out a block and those that go on with its scene."""
    found = scenes.blocks(page)
    end = next((i for i in range(at + 1, len(found)) if found[i].scene != "same"), len(found))
    with scenes.home_folder() as home:
        scenes.prepare(found[at].scene, home)
        for block in found[at:end]:
            for (typed, shown), told in zip(block.steps, scenes.carry_out(block, home), strict=True):
                assert scenes.same(shown, told), f"{page.name}:{block.line}: $ {typed}\n{told}\n(make console writes it anew)"


@pytest.mark.parametrize(("page", "at"), _parts(needs=False), ids=_name)
def test_what_the_documentation_shows_is_what_comes_of_it(page: Path, at: int) -> None:
    _holds(page, at)


@pytest.mark.real
@pytest.mark.parametrize(("page", "at"), _parts(needs=True), ids=_name)
def test_what_it_shows_with_the_package_index(page: Path, at: int) -> None:
    if not reachable():
        pytest.skip("no package index")
    _holds(page, at)


def test_the_terminal_picture_is_what_comes_of_it() -> None:
    svg = (ROOT / "docs" / "terminal.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    lines = re.findall(r"<text[^>]*>(.*?)</text>", svg)
    shown = "\n".join(unescape(re.sub(r"<[^>]+>", "", line)) for line in lines)
    assert scenes.same(shown, f"$ {scenes.PICTURED}\n{scenes.pictured()}"), "make console makes it anew"


def test_sessions_are_console_blocks() -> None:
    """What looks like a session and is no console block would be carried out by nobody."""
    for page in scenes.pages():
        for kind, body in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            assert kind == "console" or not re.search(r"^\$ ", body, re.MULTILINE), f"{page.name}: {body[:60]}"


def _listed() -> list[tuple[Path, str]]:
    """Lines of other blocks that call envdoctor."""
    found = []
    for page in [*scenes.pages(), ROOT / "CONTRIBUTING.md"]:
        for kind, body in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            if kind in ("", "sh", "bash"):
                found += [(page, line) for line in body.splitlines() if re.match(r"(\w+ )?envdoctor ", line)]
    return found


@pytest.mark.parametrize(("page", "line"), _listed(), ids=_name)
def test_commands_that_are_only_listed_are_valid(page: Path, line: str) -> None:
    _, *words = re.sub(r"^\w+ (?=envdoctor)", "", re.sub(r"\s+#.*", "", line)).split()
    context = click.Context(group, info_name="envdoctor")
    known = group.get_command(context, words[0])
    assert known is not None, line
    spelled = {name for parameter in known.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.split("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)} <= spelled, line


@pytest.mark.parametrize(
    ("shown", "told", "equal"),
    [
        ("a\n…\nd", "a\nb\nc\nd", True),
        ("a\n…\nd", "a\nd", True),
        ("…", "anything", True),
        ("a\n…\nd", "a\nb\nd\ne", False),
        ("a\n…", "b\nc", False),
        ("12 files in 0.4 s", "9,034 files in 12.1 s", True),
        ("2 errors", "3 errors", False),
        ("one two\n  three", "one\n  two three", True),
        ("lib/python3.11/a", "lib/python3.14/a", True),
    ],
)
def test_what_counts_as_the_same(shown: str, told: str, equal: bool) -> None:
    assert scenes.same(shown, told) is equal


def test_writing_anew_leaves_out_what_was_left_out() -> None:
    assert scenes.rewritten("a\n…\nd", "A\nb\nc\nd") == "A\n…\nd"
    assert scenes.rewritten("a\n…", "A\nb") == "A\n…"
    assert scenes.rewritten("", "new") == "new"
    assert scenes.rewritten("1 file", "2 files") == "2 files"


@pytest.mark.parametrize(
    "text",
    ["```console\n$ a\n```\n", "<!-- scene: nowhere -->\n```console\n$ a\n```\n", "<!-- scene: broken -->\n```console\na\n```\n"],
)
def test_blocks_that_are_not_written_as_they_must_be(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(scenes.SceneError):
        scenes.blocks(page)
