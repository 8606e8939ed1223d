"""Versions and markers that are read without packaging, against packaging, which is slow and right."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.markers import InvalidMarker, Marker
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion
from packaging.version import Version as Reference

from envdoctor.markers import holds
from envdoctor.requirements import parse
from envdoctor.versions import canonical, is_specifier, satisfies, version_of

numbers = st.sampled_from(["0", "1", "2", "10", "00", "01", "2024"])
releases = st.lists(numbers, min_size=1, max_size=4).map(".".join)
separators = st.sampled_from(["", "", ".", "-", "_"])
phases = st.sampled_from(["a", "b", "rc", "c", "alpha", "Beta", "pre", "preview", "post", "rev", "r", "dev", "DEV"])
suffixes = st.builds(lambda a, p, b, n: a + p + b + n, separators, phases, separators, st.sampled_from(["", "0", "1", "07"]))
locals_ = st.sampled_from(["", "", "", "+cpu", "+cu118.2", "+1", "+Ubuntu-1_2", "+a.10", "+"])
versions = st.builds(
    lambda v, e, r, s, i, t: v + e + r + "".join(s) + i + t,
    st.sampled_from(["", "", "", "v", " "]),
    st.sampled_from(["", "", "", "1!", "0!"]),
    releases,
    st.lists(suffixes, max_size=3),
    st.sampled_from(["", "", "", "-1", "-"]),
    locals_,
)
words = st.text(alphabet="0123abcdevprostv.!+-_* \t\n²ſé", max_size=12)
clauses = st.builds(
    lambda o, s, v, w: o + s + v + w,
    st.sampled_from(["==", "!=", ">=", "<=", "<", ">", "~=", "==="]),
    st.sampled_from(["", "", " "]),
    versions,
    st.sampled_from(["", "", "", ".*"]),
)
specifiers = st.lists(clauses, min_size=1, max_size=3).map(",".join)


def reference(text: str) -> Reference | None:
    try:
        return Reference(text)
    except InvalidVersion:
        return None


@settings(max_examples=3000, deadline=None)
@given(versions | words)
@example("1.0-1")
@example("1.0r1")
@example("1.0.dev")
@example("1c")
@example("1.0po\u017ft1")
@example("\x1c1.0\x1f")
@example("1.0\u3000")
def test_a_version_is_that_of_packaging(text: str) -> None:
    ours, theirs = version_of(text), reference(text)
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert str(ours) == str(theirs)
        assert (ours.epoch, ours.release, ours.pre, ours.post, ours.dev, ours.local) == (
            theirs.epoch,
            theirs.release,
            theirs.pre,
            theirs.post,
            theirs.dev,
            theirs.local,
        )
        assert (ours.major, ours.minor, ours.micro) == (theirs.major, theirs.minor, theirs.micro)
        assert ours.base_version == theirs.base_version


@settings(max_examples=500, deadline=None)
@given(st.lists(versions, min_size=2, max_size=12))
def test_order_and_equality_are_those_of_packaging(texts: list[str]) -> None:
    known = [(one, other) for text in texts if (one := version_of(text)) is not None and (other := reference(text)) is not None]
    for (one, theirs), (two, others) in pairwise(known):
        assert [one < two, one <= two, one == two, one >= two, one > two] == [
            theirs < others,
            theirs <= others,
            theirs == others,
            theirs >= others,
            theirs > others,
        ]
        assert one != two or hash(one) == hash(two)


@settings(max_examples=3000, deadline=None)
@given(versions, specifiers)
@example("2.9.0.post0", "==2.9.0.post0")
@example("1.0.post1", ">1.0")
@example("1.0+cpu", ">1.0a1")
@example("1.0.post2", ">1.0.post1")
@example("1.0rc1", "<1.0")
@example("1.0.dev1", "<1.0.post1")
@example("2.0a0", "<2.0a.0,>=1.37.4")
@example("1.0+cpu", "==1.0+cpu")
@example("1!2", "==2")
@example("1a1", "==1.0.*")
@example("1.0.0rc1", "~=1.0.0")
@example("1.1+x", "~=1.0")
def test_satisfies_is_packaging(version: str, specifier: str) -> None:
    try:
        expected: bool | None = SpecifierSet(specifier).contains(Reference(version), prereleases=True)
    except InvalidSpecifier:
        expected = None
    except InvalidVersion:
        return  # of these `===` alone says something, see tests/test_requirements.py
    assert satisfies(version, specifier) == expected


@settings(max_examples=1500, deadline=None)
@given(specifiers | words)
def test_a_specifier_is_one_for_packaging(text: str) -> None:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        assert not is_specifier(text)
    else:
        assert is_specifier(text)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(["a", "A.b", "x[y]", "x [y,Z.z]"]), st.sampled_from(["", " ", "("]), specifiers)
@example("botocore", " (", "<2.0a.0,>=1.37.4")
@example("aiohttp", "", "!=4.0.0a1,!=4.0.0a0")
@example("a", "", "==1.0a1,==1.0.a.1")
def test_a_requirement_is_that_of_packaging(name: str, opening: str, specifier: str) -> None:
    text = f"{name}{opening}{specifier}{')' if '(' in opening else ''}"
    try:
        expected = Requirement(text)
    except ValueError:  # InvalidRequirement, and InvalidSpecifier of packaging before 26
        assert parse(text) is None
        return
    found = parse(text)
    assert found is not None
    assert (found.name, found.url) == (canonicalize_name(expected.name), None)
    assert found.extras == tuple(sorted(map(canonicalize_name, expected.extras)))
    assert SpecifierSet(found.specifier) == expected.specifier
    if any(one.version.rstrip(".*").replace(".", "").isdigit() is False for one in expected.specifier):
        assert found.specifier == str(expected.specifier)


@given(st.text(alphabet="aB1-_.", min_size=1, max_size=12))
def test_a_name_is_that_of_packaging(name: str) -> None:
    assert canonical(name) == canonicalize_name(name)


# ---------------------------------------------------------------------------------------------------------------- markers
ENVIRONMENTS = [
    {
        "implementation_name": "cpython",
        "implementation_version": "3.11.7",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "6.1",
        "platform_system": "Linux",
        "platform_version": "#1",
        "python_full_version": full,
        "python_version": short,
        "sys_platform": "linux",
        "extra": extra,
    }
    for full, short in (("3.11.7", "3.11"), ("3.9.0", "3.9"), ("3.14.0rc1", "3.14"), ("", ""))
    for extra in ("", "dev", "a-b")
]
names = st.sampled_from(
    [
        "python_version",
        "python_full_version",
        "sys_platform",
        "os_name",
        "platform_system",
        "platform_machine",
        "platform_python_implementation",
        "implementation_name",
        "implementation_version",
        "platform_release",
        "extra",
        "os.name",
        "nothing",
    ]
)
operators = st.sampled_from(["==", "==", "!=", "<", ">=", "<=", ">", "~=", "===", "in", "not in"])
literals = st.sampled_from(
    [
        "3.11",
        "3.9",
        "3.8.*",
        "3",
        "3.11.7",
        "3.13.0a1",
        "linux",
        "win32",
        "CPython",
        "PyPy",
        "nt",
        "dev",
        "A_b",
        "v1",
        "1",
        "",
        "x*",
    ]
)
quoted = st.builds(lambda q, t: f"{q}{t}{q}", st.sampled_from(["'", '"']), literals)
spaces = st.sampled_from([" ", " ", "", "  ", "\t"])
comparisons = st.builds(lambda n, a, o, b, v: f"{n}{a}{o}{b}{v}", names, spaces, operators, spaces, quoted) | st.builds(
    lambda v, o, n: f"{v} {o} {n}", quoted, operators, names
)
texts = st.recursive(
    comparisons,
    lambda inner: (
        st.builds(lambda a, s, w, t, b: f"{a}{s}{w}{t}{b}", inner, spaces, st.sampled_from(["and", "or"]), spaces, inner)
        | inner.map("({})".format)
        | inner.map(" ( {} ) ".format)
    ),
    max_leaves=6,
)
damaged = st.builds(
    lambda t, at, c: t[:at] + c + t[at:], texts, st.integers(0, 40), st.sampled_from(["(", ")", "'", " and ", "\n", "x"])
)


def by_packaging(marker: str, environment: dict[str, str]) -> bool | None:
    """None where the marker is none, or cannot be evaluated."""
    try:
        return Marker(marker).evaluate(dict(environment))
    except (InvalidMarker, ValueError, KeyError):
        return None


@settings(max_examples=3000, deadline=None)
@given(texts | damaged, st.sampled_from(ENVIRONMENTS))
@example("python_version<'3.9'and sys_platform=='linux'", ENVIRONMENTS[0])
@example("(os_name=='nt'or extra=='dev')and(extra=='dev')", ENVIRONMENTS[1])
@example("python_version == '3.11.*' or os_name == 'nt' and os_name == 'posix'", ENVIRONMENTS[0])
@example("", ENVIRONMENTS[0])
@example("()", ENVIRONMENTS[0])
@example("os_name == 'posix' )", ENVIRONMENTS[0])
@example("os_name == 'posix' os_name == 'posix'", ENVIRONMENTS[0])
def test_a_marker_holds_as_packaging_says(marker: str, environment: dict[str, str]) -> None:
    found = holds(marker, environment)
    assert found is None or found == by_packaging(marker, environment)


@pytest.mark.parametrize(
    "marker",
    [
        " python_version < '3.11'",
        'sys_platform != "emscripten" and sys_platform != "cygwin"',
        "(os_name == 'nt' or sys_platform == 'darwin') and extra == 'dev'",
        'platform_machine == "x86_64" or platform_machine == "AMD64"',
        "python_full_version < '3.11.3'",
        "platform_python_implementation!='PyPy'",
    ],
)
def test_usual_markers_need_no_packaging(marker: str) -> None:
    assert holds(marker, ENVIRONMENTS[1]) is by_packaging(marker, ENVIRONMENTS[1])


def test_neither_module_imports_packaging() -> None:
    code = "import sys, envdoctor.markers, envdoctor.view, envdoctor.rules; print([m for m in sys.modules if 'packaging' in m])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
