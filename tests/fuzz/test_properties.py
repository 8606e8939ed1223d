"""Whatever bytes stand in the files of a target, the pipeline returns: no exception, no crashed part, the same from JSON."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import INFO, SITE, files
from tests.fuzz.fuzz import damage, examine, write

LINE = st.one_of(
    st.binary(max_size=80),
    st.sampled_from(
        [
            b"Name: alpha",
            b"Version: 1.0",
            b"Requires-Dist: beta[x]>=1; extra == 'y'",
            b"Provides-Extra: y",
            b"Requires-Python: >=3",
            b"",
        ]
    ),
    st.builds(
        lambda head, tail: head + tail, st.sampled_from([b"Name: ", b"Version: ", b"Requires-Dist: "]), st.binary(max_size=60)
    ),
    st.builds(
        lambda head, tail: head + tail, st.sampled_from([b"Requires-Python: ", b"Tag: ", b"home = "]), st.binary(max_size=60)
    ),
    st.builds(
        lambda path, size: path + b",sha256=x," + size,
        st.sampled_from([b"alpha/__init__.py", b"../x", b"/etc/passwd"]),
        st.binary(max_size=12),
    ),
)
LINES = st.lists(LINE, max_size=12).map(b"\n".join)
TEXTS = [
    f"{INFO}/METADATA",
    f"{INFO}/RECORD",
    f"{INFO}/WHEEL",
    f"{INFO}/entry_points.txt",
    f"{INFO}/direct_url.json",
    "env/pyvenv.cfg",
    f"{SITE}/easy-install.pth",
    f"{SITE}/old-1.0.egg-info/requires.txt",
    "env/pip.conf",
    "env/bin/alpha",
    "project/pyproject.toml",
    "project/requirements.txt",
]


@pytest.fixture(scope="module")
def spoilable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("fuzz")
    write(root, files())
    yield root


def test_the_sound_corpus_is_read_as_what_it_is(spoilable: Path) -> None:
    from envdoctor.diagnose import Request, observe

    seen = observe(Request(target=f"{spoilable}/env", environ={}, cwd="/", probe=False)).snapshot
    natives = {native.path.rpartition("/")[2]: native for native in seen.natives}
    assert {name: native.format for name, native in natives.items()} == {
        "native.so": "elf",
        "native.dylib": "macho",
        "fat.dylib": "macho",
        "native.pyd": "pe",
    }
    assert natives["native.so"].slices[0].needed == ("libc.so.6", "libm.so.6")
    assert [part.machine for part in natives["fat.dylib"].slices] == ["x86_64", "arm64"]
    assert {d.name for d in seen.distributions} >= {"alpha", "beta", "old"}
    assert examine(spoilable) == []


@pytest.mark.parametrize("place", TEXTS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=LINES)
def test_any_lines(spoilable: Path, place: str, data: bytes) -> None:
    write(spoilable, {place: data})
    try:
        assert examine(spoilable) == []
    finally:
        write(spoilable, {place: files()[place]})


@pytest.mark.parametrize("place", [rel for rel in files() if rel.endswith((".so", ".dylib", ".pyd"))])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 2**40))
def test_damaged_native_files(spoilable: Path, place: str, seed: int) -> None:
    write(spoilable, {place: damage(files()[place], random.Random(seed))})
    try:
        assert examine(spoilable) == []
    finally:
        write(spoilable, {place: files()[place]})


@pytest.mark.parametrize(
    ("place", "data"),
    [
        (f"{INFO}/RECORD", b"/METADATA,,\n/alpha,sha256=\xc3,7\n\xc3,sha256=\xff,1\n"),
        ("env/pyvenv.cfg", b"home = /usr/\x00bin\nversion = 3.11\n"),
        (f"{SITE}/alpha/alpha_pb2.py", b"_r.ValidateProtobufRuntimeVersion(_r.X, 5, 28, 1, '\xfc', 'a')\n"),
        (f"{INFO}/direct_url.json", b'{"url": "\\ud800", "dir_info": {"editable": true}}'),
    ],
)
def test_what_the_fuzzer_found(spoilable: Path, place: str, data: bytes) -> None:
    write(spoilable, {place: data})
    try:
        assert examine(spoilable) == []
    finally:
        write(spoilable, {place: files()[place]})
