"""The fast reader of YAML that programs write, and the writer of scalars, against PyYAML."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.yaml import Broken, Unknown, generated, scalars
from tests.effort import calls

LOCK = """\
version: 6
environments:
  default:
    channels:
    - url: https://repo.example/chan/
    packages:
      linux-64:
      - conda: https://repo.example/chan/noarch/tzdata-2024a-h0_0.conda
      - pypi: ./here
packages:
- conda: https://repo.example/chan/noarch/tzdata-2024a-h0_0.conda
  sha256: 7b2b69c54ec62a243eb6fba2391b5e443421608c3ae5dbff938ad33ca8db5122
  depends:
  - python >=3.9,<3.10.0a0
  - __glibc >=2.17  # a comment
  license: 'it''s'
  run_exports: {}
- pypi: ./here
  name: here
  requires_python: '!=3.0.*,>=2.7'
  text: |-
    a block
      of text

    here
  folded: one
    and two
  quoted: "with \\u00e9 and
    a fold"
"""


def theirs(source: str) -> Any:
    return yaml.load(source, yaml.CBaseLoader if hasattr(yaml, "CBaseLoader") else yaml.BaseLoader)


def ours(source: str) -> tuple[bool, Any]:
    """Whether the fast reader takes it, and what it reads."""
    try:
        return True, generated._Reader(source).document().value
    except (generated._Unfit, Broken, Unknown):
        return False, None


def test_a_lock() -> None:
    taken, found = ours(LOCK)
    assert taken
    assert found == theirs(LOCK)
    starts = generated.load(LOCK).starts["packages"]
    assert [LOCK.split("\n")[line - 1][:7] for line in starts] == ["- conda", "- pypi:"]


PIECES = ["", " ", "  ", "\n", "- ", ": ", "'", '"', "#", " #", "|", "[]", "{}", "*a", "&a ", "\t", "x: y", "\n\n", "\\"]
SPECIAL = [
    "a: &x\n  b: c\nd: *x\n",
    "- a\n- b\n",
    "# only\n",
    "",
    "---\na: b\n",
    "a:\n- b\n-  c\n",
    "a: 'b\n\n  c'\n",
    "\ufeffa: b\r\nc: d\r\n",
]
TEXTS = st.text(st.sampled_from("ab1 .:-#'\"\\\n,[]{}&*!|>%@`?=~é\t_/<"), max_size=30) | st.sampled_from(
    [">=1.2,<2.0a0", "yes", "1.10", "null", "~", "2024-01-01", "0x1f", "a" * 100, "word " * 30, "-", "--- a", "'", "|", "=", "<<"]
)
KEYS = st.sampled_from(["name", "linux-64", "__glibc", "a.b", "3.11", "yes", "x" * 40, "ruamel.yaml", "c++"])
VALUES = st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), st.booleans(), st.sampled_from([20, 80, 1000]))
def test_what_pyyaml_dumps(value: dict[str, Any], unicode: bool, width: int) -> None:
    source = yaml.safe_dump(value, sort_keys=False, allow_unicode=unicode, width=width)
    taken, found = ours(source)
    if taken:
        assert found == value == theirs(source)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_locks_are_read_as_pyyaml_reads_them_or_not_at_all(data: st.DataObject) -> None:
    source = LOCK
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(source)))
        end = min(len(source), start + data.draw(st.sampled_from([0, 0, 1, 3, 20])))
        piece = data.draw(st.sampled_from(PIECES))
        source = source[:start] + piece + source[end:]
    taken, found = ours(source)
    if taken:
        assert found == theirs(source)
    try:
        generated.load(source)
    except (Broken, Unknown) as error:
        assert 1 <= error.line <= source.count("\n") + 1


@pytest.mark.parametrize("source", SPECIAL)
def test_special_documents(source: str) -> None:
    assert generated.load(source).value == theirs(source.removeprefix("\ufeff"))


def test_scalars_are_written_as_pyyaml_writes_them() -> None:
    @settings(max_examples=500, deadline=None)
    @given(TEXTS | st.text(max_size=120))
    def check(text: str) -> None:
        try:
            outer, inner = yaml.dump({"k": text}), yaml.dump({"a": {"kk": text}})
        except UnicodeEncodeError:
            return
        assert outer == f"k: {scalars.dump(text, 3, 2)}\n"
        assert inner == f"a:\n  kk: {scalars.dump(text, 6, 4)}\n"

    check()


@settings(max_examples=400, deadline=None)
@given(st.text(st.sampled_from("0123456789.eE+-_:xbnotruefalsyTNOFYL~<= "), min_size=1, max_size=8))
def test_types_of_plain_scalars(text: str) -> None:
    text = text.strip()
    tag = yaml.SafeLoader("").resolve(yaml.ScalarNode, text, (True, False))
    assert scalars.is_text(text) == (tag == "tag:yaml.org,2002:str")


def test_the_work_grows_with_the_text() -> None:
    """Twice the text is twice the calls, also where every line is of the worst kind."""
    for line in ("- a: 'b''c'\n", "- a: b c\n    d\n", '- a: "x\\"y"\n', "- |\n  x\n"):
        small, large = (f"k:\n{line * count}" for count in (200, 400))
        assert calls(lambda text=small: ours(text)) * 2.2 > calls(lambda text=large: ours(text))
