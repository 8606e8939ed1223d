"""Lines of .pth files as site reads them."""

from __future__ import annotations

from pathlib import Path

from tests.builders import Env, venv
from tests.support import snapshot_of


def test_lines(env: Env, tmp_path: Path) -> None:
    (env.site / "there").mkdir()
    (env.site / "a.pth").write_bytes(
        b"\xef\xbb\xbfthere\n"
        b"  \n"
        b"# comment\n"
        b" # a path, not a comment\n"
        b"import  sys\n"
        b"import\tsys\n"
        b"imports\n"
        b" import sys\n"
        b"../outside\r\n"
        b"\n" + f"{tmp_path}\n".encode()
    )
    (pth,) = snapshot_of(env.prefix).pth_files
    assert [(line.number, line.kind, line.exists) for line in pth.lines] == [
        (1, "path", True),
        (4, "path", False),
        (5, "import", True),
        (6, "import", True),
        (7, "path", False),
        (8, "path", False),
        (9, "path", False),
        (11, "path", True),
    ]
    assert pth.lines[0].path == str(env.site / "there")
    assert pth.owner is None


def test_owner_and_words(env: Env) -> None:
    env.dist("mine", files={"mine.pth": "import os, base64; exec(base64.b64decode('')); subprocess_like = 1\n"})
    (pth,) = snapshot_of(env.prefix).pth_files
    assert pth.owner == "mine"
    assert pth.lines[0].words == ("base64", "exec")


def test_problems(env: Env) -> None:
    (env.site / "latin.pth").write_bytes(b"ok\n\xe9\n")
    (env.site / "nul.pth").write_bytes(b"a\0b\n")
    (env.site / "huge.pth").write_bytes(b"x" * (2 << 20))
    (env.site / "long.pth").write_bytes(b"import " + b"y" * 5000 + b"\n")
    found = {p.path.rpartition("/")[2]: p for p in snapshot_of(env.prefix).pth_files}
    assert found["latin.pth"].problem == "not UTF-8: byte 0xe9 in line 2"
    assert found["nul.pth"].problem == "holds NUL bytes"
    assert found["huge.pth"].problem == "larger than 1 MiB"
    assert len(found["long.pth"].lines[0].text) == 400
    assert found["long.pth"].lines[0].length == 5007


def test_only_site_folders_are_read(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "nested.pth").write_text("gone\n")
    (env.site / "a.pth").write_text(f"{extra}\n")
    found = snapshot_of(env.prefix, environ={"PATH": "", "PYTHONPATH": str(extra)}).pth_files
    assert [p.path.rpartition("/")[2] for p in found] == ["a.pth"]
