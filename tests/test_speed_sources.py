"""speed/sources.c says what its twins say: on every Python file and METADATA at hand, on what is made up, and on damaged ones."""

from __future__ import annotations

import ast
import random
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envdoctor.collect import distributions, imports, source
from envdoctor.speed import speed

if not hasattr(speed, "headers"):
    pytest.skip("nothing is compiled here", allow_module_level=True)

PLAIN = frozenset([b"os", b"sys", b"typing", b"a"])
BITS = [
    b"\n", b"\n", b"\nimport ", b"\nfrom ", b"\nfrom\t", b"\n import ", b" import ", b"import", b" as ", b"(", b")", b",", b", ",
    b";", b"#", b"\\\n", b"\\\r\n", b"\\", b"\r", b"\t", b" ", b"*", b".", b"..", b". ", b"a", b"os", b"os.path", b"x1", b"1x",
    b"_", b"'", b"\xc3\xa9", b"\xff", b"\0", b"\x1c", b"\x0b", b"# c\n",
]  # fmt: skip
SOURCE = st.lists(st.one_of(st.sampled_from(BITS), st.binary(max_size=3)), max_size=40).map(b"".join)
PACKAGE = st.sampled_from(["", "p", "p.q", "p.q.r", "\xe9.a", ".a", "a..b", "p" * 700])
HEAD = [
    b"Name: ", b"NAME:", b"name:", b"Version:", b"Requires-Dist: ", b"Requires-Dist:", b"Provides-Extra:", b"Metadata-Version: 2",
    b"\n", b"\n", b"\n", b"\n\n", b"\r\n", b"\r\n\r\n", b"\r", b" ", b"\t", b":", b"x", b"\xc3\xa9", b"\xff", b"\x1f",
    b"Classifier: x", b"\xe2\x84\xaa", b"\xc2\xa0", b"y" * 8100,
]  # fmt: skip
METADATA = st.lists(st.one_of(st.sampled_from(HEAD), st.binary(max_size=3)), max_size=30).map(b"".join)


def _twin(function: Any, *args: Any) -> Any:
    """What the Python code alone says."""
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        for module, name in (
            (imports, "_statements_compiled"),
            (imports, "_imports_of_compiled"),
            (distributions, "_headers_compiled"),
            (source, "_mentions_any_compiled"),
        ):
            context.setattr(module, name, None)
        return function(*args)


def _same_statements(data: bytes, package: str, own: bytes = b"", known: set[bytes] | None = None) -> None:
    known = known or set()
    wanted = _twin(imports.statements, data, package, PLAIN, known, own)
    assert speed.statements(data, package, PLAIN, known, own) in (wanted, None)
    assert imports.statements(data, package, PLAIN, known, own) == wanted
    wanted = _twin(imports.imports_of, data, package)
    assert speed.imports_of(data, package) in (wanted, None)
    assert imports.imports_of(data, package) == wanted


def _same_headers(data: bytes) -> None:
    problems: list[str] = []
    wanted = _twin(distributions._headers, data, problems, "METADATA")
    answer = speed.headers(data, distributions._FIELDS)
    # where a line goes on, the twin gives the fields that nobody asks for, too
    assert answer is None or (answer == {key: wanted[key] for key in wanted if key in distributions._FIELDS} and not problems)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(SOURCE, PACKAGE, st.sampled_from([b"", b"p", b"os", b"a"]))
@example(b"\nfrom . import (a, # b)\n c)\nimport os, sys", "p.q", b"")
@example(b"\nimport a # x \\\nimport b", "p", b"p")
@example(b"\nfrom a import b\\", "p", b"")
@example(b"\nfrom a\\\n import b\nimport c;import d\nimport e; d", "p", b"")
@example(b"\nfrom .. . x import y\nfrom .x import*\nfrom.x import y", "p.q.r.s", b"")
@example(b"\nimport", "p", b"")
@example(b"\nfrom ", "p", b"")
def test_statements_that_are_made_up(data: bytes, package: str, own: bytes) -> None:
    _same_statements(b"\n" + data, package, own)
    _same_statements(data, package, own, {b"import a", b"from . import a", b"from a import a"})


@settings(max_examples=400, deadline=None, derandomize=True)
@given(METADATA)
@example(b"Name: x\nVersion: 1\n\nbody\n y")
@example(b"\n\nName: x")
@example(b"\nName: x\n\n\xff")
@example(b"Name: x\n\r\n\r\nName: y")
@example(b"Name:")
@example(b"Name: x\n y\nClassifier: z\n a\nName: b\n\tc\n  \nno\n d\n:x\n e")
@example(b" Name: x\nName : y\nVersion: 1\n 2")
@example(b"\nVersion: 1\n 2\n\n 3")
@example(b"Name: " + b"y" * 9000 + b"\n y\nVersion: " + b"z" * 3999 + b"\n z\n z")
def test_headers_that_are_made_up(data: bytes) -> None:
    _same_headers(data)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def test_utf_8_as_python_reads_it() -> None:
    """Every sequence of two bytes, and every one of up to four around the borders, in front of more text and at the end."""
    head = b"Name: x\n\n"
    edges = bytes.fromhex("00 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 ec ed ee ef f0 f3 f4 f5 ff")
    cases = [bytes([one, two]) for one in range(256) for two in range(256)]
    cases += [bytes([a, b, c]) for a in range(0xE0, 0xF8) for b in edges for c in edges]
    cases += [bytes([a, b, c, d]) for a in range(0xEF, 0xF6) for b in edges for c in edges for d in edges]
    for case in cases:
        for text in (case, b"a" * 7 + case + b"b" * 9):
            found = speed.headers(head + text, distributions._FIELDS)
            assert found == ({"name": ["x"]} if _is_utf8(text) else None), text


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=60), st.lists(st.binary(max_size=4), max_size=4))
def test_words(data: bytes, words: list[bytes]) -> None:
    words += [data[5:8], data[-2:]]
    for some in (tuple(words), tuple(words[:1]), (b"\0",), (b"dlopen(", b"CDLL")):
        assert speed.mentions_any(data, some) == any(word in data for word in some)
        assert source.mentions_any(data, some) == _twin(source.mentions_any, data, some)


def test_modules_of_the_standard_library() -> None:
    """All of them, each as it is, cut, and damaged."""
    luck = random.Random(4)
    paths = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*/*.py")) + sorted(
        Path(sysconfig.get_paths()["stdlib"]).glob("*.py")
    )
    some = 0
    for path in luck.sample(paths, min(len(paths), 300)):
        data = b"\n" + path.read_bytes()
        some += bool(imports.imports_of(data, "p.q"))
        _same_statements(data, "p.q")
        _same_statements(data[: luck.randrange(len(data)) + 1], "p.q.r", b"os")
        spoilt = bytearray(data)
        for _ in range(20):
            spoilt[luck.randrange(len(spoilt))] = luck.choice(b"\n(),#\\. \xff")
        _same_statements(bytes(spoilt), "p")
        words = (b"CDLL(", b"dlopen(", b"ctypes")
        assert speed.mentions_any(data, words) == any(word in data for word in words)
    assert some > 100


def test_metadata_of_what_is_installed() -> None:
    paths = [Path(sysconfig.get_paths()[name]) for name in ("purelib", "platlib")]
    found = [path for folder in dict.fromkeys(paths) for path in sorted(folder.glob("*.dist-info/METADATA"))]
    luck = random.Random(4)
    answered = 0
    for path in found:
        data = path.read_bytes()
        _same_headers(data)
        answered += speed.headers(data, distributions._FIELDS) is not None
        for _ in range(4):
            spoilt = bytearray(data)
            for _ in range(6):
                spoilt[luck.randrange(len(spoilt))] = luck.choice(b"\n: \t\r\xffN")
            _same_headers(bytes(spoilt[: luck.randrange(len(spoilt))]))
    assert answered * 2 >= len(found)


@pytest.mark.parametrize(
    "call",
    [
        lambda: speed.statements("text", "p", PLAIN, set(), b""),
        lambda: speed.statements(b"", b"p", PLAIN, set(), b""),
        lambda: speed.statements(b"", "p", [], set(), b""),
        lambda: speed.imports_of(b""),
        lambda: speed.headers(b"", ["name"]),
        lambda: speed.headers(b"", (b"name",)),
        lambda: speed.mentions_any(b"", ("x",)),
    ],
)
def test_other_types_are_refused(call: Any) -> None:
    with pytest.raises(TypeError):
        call()


def test_a_file_of_statements() -> None:
    data = b"".join(b"\nimport a%d" % i for i in range(5000))
    assert speed.statements(data, "p", PLAIN, set(), b"") is None
    assert len(imports.statements(data, "p", PLAIN, set(), b"")[1]) == 5000
    _same_statements(data[:30_000], "p")
    _same_statements(b"\nfrom " + b"." * 3000 + b"x import " + b"y," * 3000, "p")
    _same_statements(b"\nfrom x import (" + b"# c\n y,\n" * 3000 + b")", ".".join(["p"] * 400))


def test_nodes_of_a_syntax_tree() -> None:
    """The same as ast.walk gives, in the same order, but for contexts."""
    tree = ast.parse(Path(ast.__file__).read_bytes())
    wanted = [node for node in ast.walk(tree) if not isinstance(node, ast.expr_context)]
    assert [id(node) for node in source.nodes(tree)] == [id(node) for node in wanted]
    if sys.version_info >= (3, 12):
        assert source.nodes(ast.parse("type X[T] = list[T]"))
