"""What a file surely imports, which names it offers, and the byte-level first pass; whole environments are in test_pkg012."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.collect import syntax
from envdoctor.collect.imports import _IMPORT, mentions, parse_statement

LINUX = syntax.Environment((3, 11, 7), "linux")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (b"import a", [("a", ())]),
        (b"import a.b as c, d ; import e", [("a.b", ()), ("d", ())]),
        (b"from a import b, c as d", [("a", ("b", "c"))]),
        (b"from . import x", [("p.q", ("x",))]),
        (b"from .r import x", [("p.q.r", ("x",))]),
        (b"from ..r import *", [("p.r", ("*",))]),
        (b"from .....r import x", []),
        (b"from a import (\n  b,  # (why)\n  c\n", [("a", ("b", "c"))]),
        (b"from a import b, \\\n    c", [("a", ("b", "c"))]),
        (b"from the moment on", []),
        (b"from a importer", []),
        (b"import this is text", [("this", ())]),
        (b"import \xc3\xa9", []),
    ],
)
def test_statements(statement: bytes, expected: list[tuple[str, tuple[str, ...]]]) -> None:
    assert list(parse_statement(statement, "p.q")) == expected


def test_statements_are_found_at_the_left_margin() -> None:
    data = b"\nimport a\n  import b\nfrom c import (\n  d, # )\n  e)\nfrom f import g\nx = 1\n"
    assert len(_IMPORT.findall(data)) == 3


@pytest.mark.parametrize(
    "code", ["def name(): pass", "name = 1", "from x import name", "import a as name", "x = ['name']", "a, name = 1, 2"]
)
def test_names_that_are_there(code: str) -> None:
    assert mentions(f"\n{code}\n".encode(), b"name")


@pytest.mark.parametrize("code", ["rename = 1", "x.name", "# the name is gone", "'pkg.name'", "names = 1", ""])
def test_words_that_are_no_names(code: str) -> None:
    assert not mentions(f"\n{code}\n".encode(), b"name")


@pytest.mark.parametrize(
    ("test", "runs"),
    [
        ("sys.version_info >= (3, 8)", True),
        ("sys.version_info[0] < 3", False),
        ("sys.version_info[:2] == (3, 11)", True),
        ("sys.version_info.major == 3 and sys.version_info.minor > 10", True),
        ("(3, 9) <= sys.version_info", True),
        ("sys.platform.startswith('linux')", True),
        ("sys.platform in ('win32', 'cygwin')", False),
        ("os.name != 'nt'", True),
        ("platform.system() == 'Linux'", True),
        ("sys.implementation.name == 'pypy'", False),
        ("not TYPE_CHECKING", True),
        ("six.PY2", False),
        ("False", False),
        ("hasattr(sys, 'x')", None),
        ("sys.version_info >= MINIMUM", None),
        ("x or True", True),
        ("x and sys.platform == 'win32'", False),
        ("sys.version_info < (3, 8) < x", None),
        ("sys.version_info[5:1]", None),
    ],
)
def test_conditions(test: str, runs: bool | None) -> None:
    code = f"if {test}:\n    import a\nelse:\n    import b\n".encode()
    assert [e.module for e in syntax.executed(code, LINUX)] == {True: ["a"], False: ["b"], None: []}[runs]


def test_what_runs_before_the_end() -> None:
    code = b"import a\nimport sys\nsys.exit()\nimport b\n"
    assert [e.module for e in syntax.executed(code, LINUX)] == ["a", "sys"]


@pytest.mark.parametrize("code", [b"\x00", b"def (", b"x = " + b"(" * 2000, b"\xff\xfe", b"# coding: nonsense\nimport a\n"])
def test_what_does_not_parse_says_nothing(code: bytes) -> None:
    assert syntax.executed(code, LINUX) == []
    assert syntax.exports(code).open


def test_a_closed_getattr_is_closed() -> None:
    attach = b"from lazy_loader import attach\n__getattr__, __dir__, __all__ = attach(__name__, submod_attrs={'a': ['b']})\n"
    assert not syntax.exports(attach).open
    early = b"T = {}\ndef __getattr__(name):\n    if name not in T:\n        raise AttributeError\n    return T[name]\n"
    assert not syntax.exports(early).open
    imported = b"from t import T\ndef __getattr__(name):\n    if name in T:\n        return 1\n    raise AttributeError\n"
    assert syntax.exports(imported).open


def test_a_method_named_getattr_is_not_the_modules() -> None:
    assert not syntax.exports(b"class A:\n    def __getattr__(self, name):\n        return 1\n").open


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end(data: bytes) -> None:
    for statement in _IMPORT.findall(b"\n" + data):
        list(parse_statement(statement, "p.q"))
    for prefix in (b"from ", b"import "):
        list(parse_statement(prefix + data, "p"))
    mentions(data, b"a")
    syntax.executed(data, LINUX)
    syntax.exports(data)
