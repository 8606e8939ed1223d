"""File names of extension modules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.extensions import ExtensionName, module_of, parse


@pytest.mark.parametrize(
    ("name", "expected", "tag"),
    [
        ("_m.so", ExtensionName("_m", "none"), ""),
        ("_m.pyd", ExtensionName("_m", "none", windows=True), ""),
        ("_m_d.pyd", ExtensionName("_m", "none", flags="d", windows=True), ""),
        ("_m.abi3.so", ExtensionName("_m", "abi3"), "abi3"),
        ("_m.abi3t.so", ExtensionName("_m", "abi3", flags="t"), "abi3t"),
        ("_m.cpython-311-x86_64-linux-gnu.so", ExtensionName("_m", "cpython", (3, 11), "", "x86_64-linux-gnu"), "cp311"),
        ("_m.cpython-38-darwin.so", ExtensionName("_m", "cpython", (3, 8), "", "darwin"), "cp38"),
        ("_m.cpython-37m-x86_64-linux-gnu.so", ExtensionName("_m", "cpython", (3, 7), "m", "x86_64-linux-gnu"), "cp37m"),
        ("_m.cpython-313t-darwin.so", ExtensionName("_m", "cpython", (3, 13), "t", "darwin"), "cp313t"),
        ("_m.cpython-313td-darwin.so", ExtensionName("_m", "cpython", (3, 13), "td", "darwin"), "cp313td"),
        ("_m.cpython-311.so", ExtensionName("_m", "cpython", (3, 11)), "cp311"),
        ("_m.cp311-win_amd64.pyd", ExtensionName("_m", "cpython", (3, 11), "", "win_amd64", True), "cp311"),
        ("_m_d.cp311-win_amd64.pyd", ExtensionName("_m", "cpython", (3, 11), "d", "win_amd64", True), "cp311d"),
        ("_m.pypy310-pp73-x86_64-linux-gnu.so", ExtensionName("_m", "pypy", (3, 10), "73", "x86_64-linux-gnu"), "pypy310-pp73"),
        ("_m.pypy310-pp73-win_amd64.pyd", ExtensionName("_m", "pypy", (3, 10), "73", "win_amd64", True), "pypy310-pp73"),
        ("_m.graalpy241-311-native-x86_64-linux.so", ExtensionName("_m", "graalpy", (3, 11), "", "x86_64-linux"), "graalpy311"),
    ],
)
def test_names(name: str, expected: ExtensionName, tag: str) -> None:
    assert parse(name) == expected
    assert expected.tag == tag


@pytest.mark.parametrize(
    "name",
    ["libfoo.so.1", "a-b.so", "1a.so", ".so", "x.dll", "x.dylib", "x.py", "libx.abi3.so.6.5", "x.1.so", "x.min.so", "x..so"],
)
def test_names_that_no_import_names(name: str) -> None:
    assert parse(name) is None


def test_reach() -> None:
    assert module_of("a/b/_m.abi3.so") == ("a.b._m", ExtensionName("_m", "abi3"))
    assert module_of("_m.so") == ("_m", ExtensionName("_m", "none"))
    for path in ("a.libs/_m.so", "a/lib-x/_m.so", "a//_m.so", "a/b/", "", "a-1.0.data/_m.so"):
        assert module_of(path) is None


@given(st.text(max_size=80))
def test_any_text(name: str) -> None:
    parse(name)
    module_of(name + ".so")
