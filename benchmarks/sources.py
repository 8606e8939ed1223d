"""Building environments from the index that this machine's pip is set up for, whatever it is, with uv."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def uv() -> str:
    """Path of uv: the one beside this interpreter, else the one on PATH. Raises FileNotFoundError."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise FileNotFoundError("uv is not here: make setup")
    return found


def pip_setting(name: str) -> list[str]:
    """The words of pip's setting `name` (``find-links``), from its variable or its configuration files, as pip itself says."""
    value = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if value is None:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "config", "get", f"global.{name}"], capture_output=True, text=True, check=False
        )
        value = done.stdout if done.returncode == 0 else ""
    return value.split()


def index_options() -> list[str]:
    """uv's options that say what pip's settings say: uv reads none of pip's configuration files."""
    options: list[str] = []
    for url in pip_setting("index-url"):
        options += ["--default-index", url]
    extra = pip_setting("extra-index-url")
    for url in extra:
        options += ["--index", url]
    if extra:
        options += ["--index-strategy", "unsafe-best-match"]  # what pip does
    for place in pip_setting("find-links"):
        options += ["--find-links", place]
    return options


def create(folder: Path, python: str, requirements: Sequence[str], *, compiled: bool = False) -> None:
    """A uv environment in `folder` with `requirements` (each one word for ``uv pip install``). Raises CalledProcessError."""
    if folder.exists():
        shutil.rmtree(folder)
    quiet_uv("venv", "--python", python, str(folder))
    options = ["--compile-bytecode"] if compiled else []
    quiet_uv("pip", "install", "--python", str(folder / "bin" / "python"), *index_options(), *options, *requirements)


def quiet_uv(*words: str) -> None:
    """Runs uv; its messages are shown only when it fails. Raises CalledProcessError."""
    environ: Mapping[str, str] = {**os.environ, "UV_LINK_MODE": "copy", "UV_NO_PROGRESS": "1"}
    done = subprocess.run([uv(), *words], capture_output=True, text=True, env=environ, check=False)
    if done.returncode != 0:
        sys.stderr.write(f"$ uv {shlex.join(words)}\n{done.stderr}")
        raise subprocess.CalledProcessError(done.returncode, ["uv", *words], done.stdout, done.stderr)
