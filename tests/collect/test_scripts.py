"""What names an interpreter: shebangs, trampolines, launchers, activate scripts."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.collect import scripts
from envdoctor.collect.scripts import Shebang, activate_prefix, is_python, launcher_shebang, shebang
from tests.builders import Env, interpreters, venv
from tests.support import snapshot_of


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"#!/a/bin/python\n", Shebang("/a/bin/python")),
        (b"#! /a/bin/python3.11 -E -s\n", Shebang("/a/bin/python3.11")),
        (b"#!/a/bin/python\r\n", Shebang("/a/bin/python")),
        (b'#!"C:\\with space\\python.exe"\r\n', Shebang("C:\\with space\\python.exe")),
        (b"#!/usr/bin/env python3\n", Shebang("python3")),
        (b"#!/usr/bin/env -S python3 -u\n", Shebang("python3")),
        (b"#!/usr/bin/env -S A=1 python3 -u\n", Shebang("python3")),
        (b"#!/usr/bin/env\n", None),
        (b"#!/bin/sh\n'''exec' /long/bin/python3 \"$0\" \"$@\"\n' '''\n", Shebang("/long/bin/python3")),
        (b"#!/bin/sh\n'''exec' \"/with space/bin/python\" \"$0\" \"$@\"\n' '''\n", Shebang("/with space/bin/python")),
        (b'#!/bin/sh\n"exec" "/a/bin/python" "$0" "$@"\n', Shebang("/a/bin/python")),
        (
            b"#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n",
            Shebang("python", True),
        ),
        (
            b"#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")/python3.11\" \"$0\" \"$@\"\n' '''\n",
            Shebang("python3.11", True),
        ),
        (b'#!/bin/sh\nexec "$(dirname "$0")/other" "$0"\n', None),
        (b"#!/bin/bash\nset -e\necho exec python\n", None),
        (b"\x7fELF", None),
        (b"#!", None),
        (b"#!\n", None),
        (b"", None),
        (b"#!/a\0b/python\n", None),
    ],
)  # fmt: skip
def test_shebang(head: bytes, expected: Shebang | None) -> None:
    assert shebang(head) == expected


@pytest.mark.parametrize(
    "name",
    ["python", "python3", "python3.11", "python3.13t", "pythonw.exe", "pypy3", "pypy3.10", "python3.11d", ".python-wrapped"],
)
def test_python_names(name: str) -> None:
    assert is_python(f"/x/bin/{name}")
    assert is_python(f"C:\\x\\{name}")


@pytest.mark.parametrize("name", ["perl", "sh", "python-config", "pythonish-tool", "ipython", ""])
def test_other_names(name: str) -> None:
    assert not is_python(f"/x/bin/{name}")


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("__main__.py", "import sys\n# #!not this\nsys.exit(0)\n")
    return buffer.getvalue()


def test_windows_launchers() -> None:
    stub = b"MZ" + bytes(5000) + b"#! no shebang"
    assert launcher_shebang(stub + b"#!C:\\env\\Scripts\\python.exe\r\n" + zipped()) == Shebang("C:\\env\\Scripts\\python.exe")
    path = b"C:\\env\\Scripts\\python.exe"
    assert launcher_shebang(stub + zipped() + path + len(path).to_bytes(4, "little") + b"UVSC") == Shebang(path.decode())
    assert launcher_shebang(stub + zipped() + b"python.exe" + (10).to_bytes(4, "little") + b"UVSC") == Shebang("python.exe", True)
    for junk in (b"", b"MZ", stub, stub + b"\xff\xff\xff\xffUVSC", b"PK\x05\x06", b"PK\x03\x04PK\x05\x06"):
        assert launcher_shebang(junk) is None


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("activate", 'VIRTUAL_ENV="/a b/env"\nexport VIRTUAL_ENV\n', "/a b/env"),
        ("activate", "VIRTUAL_ENV='/a/env'\n", "/a/env"),
        ("activate", "    VIRTUAL_ENV=/a/env\n", "/a/env"),
        ("activate", '        VIRTUAL_ENV=$(cygpath "/a/env")\n        export VIRTUAL_ENV="/a/env"\n', "/a/env"),
        ("activate", "VIRTUAL_ENV=''\"$(dirname -- \"$(dirname -- \"$(realpath -- \"$SCRIPT_PATH\")\")\")\"''\n", None),
        ("activate", 'VIRTUAL_ENV="$CURRENT_ENV"\n', None),
        ("activate", "VIRTUAL_ENV='unclosed\n", None),
        ("activate.csh", "setenv VIRTUAL_ENV \"/a/env\"\n", "/a/env"),
        ("activate.fish", "set -gx VIRTUAL_ENV '/a/env'\n", "/a/env"),
        ("activate.fish", "set -gx VIRTUAL_ENV ''(dirname -- (dirname -- (realpath -- (status -f))))''\n", None),
        ("activate", "", None),
    ],
)  # fmt: skip
def test_activate_scripts(name: str, content: str, expected: str | None) -> None:
    assert activate_prefix(name, content) == expected


@pytest.mark.parametrize("short", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_activate_scripts_of_each_version(tmp_path: Path, short: str) -> None:
    python = interpreters().get(short)
    if python is None:
        pytest.skip(f"no Python {short} here")
    env = venv(tmp_path / "it's a place", python=python)
    records = snapshot_of(env.prefix).prefix_records
    named = [r for r in records if r.source == "activate"]
    assert len(named) == 3 or short in ("3.8", "3.9", "3.10", "3.11")  # these quote carelessly
    assert all(r.same for r in records if r.exists)
    env.prefix.rename(tmp_path / "moved")
    moved = [r for r in snapshot_of(tmp_path / "moved").prefix_records if r.source == "activate"]
    assert not any(r.same or r.exists for r in moved)


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not here")
def test_relocatable_uv_environment(tmp_path: Path) -> None:
    subprocess.run(
        ["uv", "venv", "-q", "--offline", "--relocatable", "--python", sys.executable, str(tmp_path / "env")], check=True
    )
    assert snapshot_of(tmp_path / "env").prefix_records == ()
    (tmp_path / "env").rename(tmp_path / "moved")
    assert snapshot_of(tmp_path / "moved").prefix_records == ()


def test_place_of(env: Env, tmp_path: Path) -> None:
    place = scripts.place_of(str(env.python))
    assert (place.prefix, place.virtual) == (str(env.prefix), True)
    (tmp_path / "link").symlink_to(env.prefix)
    assert scripts.place_of(f"{tmp_path}/link/bin/python3").identity == place.identity
    base = scripts.place_of(str(env.python.resolve()))
    assert not base.virtual
    assert base.identity == str(env.python.resolve())


def test_environment_with_hundreds_of_scripts(env: Env) -> None:
    for number in range(300):
        (env.prefix / "bin" / f"tool{number}").write_text(f"#!{env.python}\n")
    found = snapshot_of(env.prefix).scripts
    assert len(found) == 300
    assert all(s.exists and s.same_prefix for s in found)
    assert [s.path for s in found] == sorted(s.path for s in found)


PIECES = [b"#!", b"/bin/sh", b"/usr/bin/env ", b"-S", b"\n", b"'''exec' ", b'"', b"'", b"$0", b"dirname", b"/x/python3 ", b"\0"]
PIECES += [b"\xff", b"PK\x03\x04", b"PK\x05\x06", b"UVSC", b"MZ", b"\x05\0\0\0", b"\\", b" "]
HEADS = st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=30).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(HEADS)
def test_any_bytes_are_read_without_a_crash(data: bytes) -> None:
    for found in (shebang(data), shebang(b"#!/bin/sh\n" + data), launcher_shebang(data)):
        assert found is None or found.interpreter is not None
    activate_prefix("activate", "VIRTUAL_ENV=" + data.decode("utf-8", "backslashreplace"))
