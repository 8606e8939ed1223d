"""Locks of Python projects against the real package index: made, installed by every tool, frozen, compared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from envdoctor.cli import run
from tests.builders import venv
from tests.lock.test_make_python import installed, uv

pytest.importorskip("uv")
pytest.importorskip("pip")
pytestmark = pytest.mark.real
MANIFEST = """[project]
name = "demo"
version = "1"
requires-python = ">=3.10"
dependencies = ["requests[socks]>=2.30", "jinja2", "markupsafe", "click; sys_platform == 'linux'", "colorama; os_name == 'nt'"]
[dependency-groups]
dev = ["pytest"]
[project.optional-dependencies]
web = ["flask"]
"""


def pip(prefix: Path, *words: str) -> None:
    argv = [sys.executable, "-m", "pip", "--python", str(prefix / "bin/python"), "install", "-q", *words]
    subprocess.run(argv, check=True)


def test_round_trips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in list(os.environ):
        if name.startswith(("VIRTUAL_ENV", "CONDA")):
            monkeypatch.delenv(name)
    (folder / "pyproject.toml").write_text(MANIFEST)
    words = ["--group", "dev", "--extra", "web"]
    if run(["lock", *words]) == 2:
        pytest.skip(f"the package index is not reachable: {capsys.readouterr().err}")
    assert run(["lock", *words, "--kind", "requirements"]) == 0
    assert run(["lock", "--check"]) == 0, capsys.readouterr()
    prefixes = {}
    for way in ("uv", "hashes", "pip"):
        prefix = prefixes[way] = venv(tmp_path / way).prefix
        if way == "uv":
            uv("pip", "sync", "-q", "--python", str(prefix / "bin/python"), "--link-mode", "copy", "pylock.toml")
        elif way == "hashes":
            pip(prefix, "--require-hashes", "-r", "requirements.txt")
        elif "pylock" in subprocess.check_output([sys.executable, "-m", "pip", "install", "--help"], text=True):
            pip(prefix, "-r", "pylock.toml")
        else:
            del prefixes[way]
            continue
        for lock in ("pylock.toml", "requirements.txt"):
            capsys.readouterr()
            assert run(["check", str(prefix), "--lock", lock, "--select", "LCK"]) == 0, capsys.readouterr()
            assert run(["diff", str(prefix), lock]) == 0, capsys.readouterr()
        assert run(["lock", "--freeze", "-p", str(prefix), "-o", f"pylock.{way}.toml"]) == 0, capsys.readouterr()
    assert len({(folder / f"pylock.{way}.toml").read_bytes() for way in prefixes}) == 1
    assert len({tuple(sorted(installed(prefix).items())) for prefix in prefixes.values()}) == 1
