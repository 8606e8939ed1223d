"""What surrounds the program: completion of shells, the manual page, the single file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from envdoctor.cli import COMMANDS
from tests.builders import venv
from tests.command import ROOT, clean_shell, command

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(cli: Cli, shell: str) -> None:
    done = cli("completion", shell)
    assert done.returncode == 0
    assert "_ENVDOCTOR_COMPLETE" in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True, timeout=60)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("envdoctor ch", {"check"}),
        ("envdoctor check --fail-on w", {"warning"}),
        ("envdoctor check --select PKG00", {f"PKG00{n}" for n in range(1, 10)}),
        ("envdoctor check --select PKG001,ARC00", {f"PKG001,ARC00{n}" for n in range(1, 9)}),
        ("envdoctor explain LIB00", {f"LIB00{n}" for n in range(1, 10)}),
        ("envdoctor check --base", {"--baseline"}),
    ],
)
def test_completions(cli: Cli, words: str, expected: set[str]) -> None:
    variables = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_ENVDOCTOR_COMPLETE": "bash_complete"}
    done = cli(env=variables)
    assert {line.split(",", 1)[1] for line in done.stdout.splitlines()} == expected


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not here")
def test_bash_really_completes(tmp_path: Path) -> None:
    """The script in a real bash, with envdoctor as a program on PATH."""
    tools = tmp_path / "tools"
    tools.mkdir()
    argv = command(tmp_path)
    (tools / "envdoctor").write_text(f'#!/bin/sh\nexec {argv[0]} {argv[1]} "$@"\n')
    (tools / "envdoctor").chmod(0o755)
    script = (
        'eval "$(envdoctor completion bash)"; COMP_WORDS=(envdoctor check --fail-on e); COMP_CWORD=3; '
        '_envdoctor_completion envdoctor; echo "${COMPREPLY[@]}"'
    )
    env = clean_shell({"PATH": f"{tools}:{os.environ['PATH']}"})
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env, check=True, timeout=60)
    assert done.stdout.strip() == "error", done.stderr


def test_the_manual_page_names_every_command_and_is_plain() -> None:
    text = (ROOT / "docs" / "man" / "envdoctor.1").read_text()
    for name in COMMANDS:
        if name != "new-rule":
            assert f"envdoctor {name}".replace("-", "\\-") in text
    assert text.isascii()
    for line in text.splitlines():
        assert re.match(r"\.(TH|SH|SS|PP|TP|B|I|\\\")( |$)|[^.']", line), line
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z"], input=text, text=True, capture_output=True, check=True)
        assert done.stderr == ""


@pytest.mark.real
def test_the_single_file_runs_on_a_bare_python(tmp_path: Path) -> None:
    """Built for this Python, run by one that has nothing, twice, and where nothing can be written; an old Python is told so."""
    out = tmp_path / "envdoctor.pyz"
    built = subprocess.run(
        [sys.executable, "tools/pyz.py", "--here", str(out)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if built.returncode:
        pytest.skip(f"no package index: {built.stderr}")
    bare = venv(tmp_path / "bare")
    bare.dist("alpha", requires=["beta-lib>=2"])
    for cache in ("cache", "cache", "/proc/nowhere"):
        shell = clean_shell({"XDG_CACHE_HOME": str(tmp_path / cache), "TMPDIR": str(tmp_path)})
        done = subprocess.run(
            [str(bare.python), "-I", str(out), "check", "-p", str(bare.prefix)],
            capture_output=True, text=True, env=shell, cwd=tmp_path, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert "PKG001" in done.stdout
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("envdoctor-")] == []
    old = "import sys; sys.version_info = (3, 6, 9); sys.argv = ['x']; import runpy; runpy.run_path(%r, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", old % str(ROOT / "tools/pyz_main.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "needs Python 3.10" in done.stderr
