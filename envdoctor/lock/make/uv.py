"""Running uv, the resolver for Python packages. What goes in and comes out are words and text."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec

from envdoctor.lock.document import public
from envdoctor.lock.make.options import MakeError

MISSING_HINT = "pip install 'envdoctor[lock]' brings uv and py-rattler"
_KEPT_OUT = ("UV_OUTPUT_FORMAT", "UV_CUSTOM_COMPILE_COMMAND", "UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_CONSTRAINT", "UV_OVERRIDE")
"""Variables that would change what a lock holds behind the caller's back."""


class UvError(Exception):
    """uv could not do it. `lines` are what it said, without credentials and without its own ``error:``."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines) or ("uv failed and said nothing",)
        super().__init__(self.lines[0])


def find(environ: Mapping[str, str]) -> str:
    """uv's path: of the package ``uv`` beside this envdoctor, else the one on PATH. Raises MakeError."""
    if find_spec("uv") is not None:
        import uv

        try:
            return str(uv.find_uv_bin())
        except FileNotFoundError:
            pass
    found = shutil.which("uv", path=environ.get("PATH"))
    if found is None:
        raise MakeError("uv is not installed", MISSING_HINT)
    return found


def run(
    program: str,
    words: Sequence[str],
    *,
    environ: Mapping[str, str],
    cwd: str,
    heard: Callable[[list[str]], object] | None = None,
) -> str:
    """stdout of ``uv WORDS``; `heard` takes the lines that it wrote to stderr. Raises UvError."""
    settings = {name: value for name, value in environ.items() if name not in _KEPT_OUT}
    settings.update(UV_NO_PROGRESS="1", NO_COLOR="1", UV_PYTHON_DOWNLOADS="never")
    words = _without_indexes(words, settings)
    settings.pop("FORCE_COLOR", None)
    try:
        done = subprocess.run(
            [program, *words], capture_output=True, env=settings, cwd=cwd, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise UvError([f"{program} cannot be run: {error.strerror or error}"]) from None
    if done.returncode != 0:
        raise UvError(_said(done.stderr.decode("utf-8", "replace")))
    if heard is not None:
        heard(_said(done.stderr.decode("utf-8", "replace")))
    return done.stdout.decode("utf-8", "replace")


def _without_indexes(words: Sequence[str], settings: dict[str, str]) -> list[str]:
    """`words` without the indexes, which go into `settings`: other users of the machine can read a process's words, and URLs of
    indexes may hold passwords."""
    kept: list[str] = []
    default: list[str] = []
    others: list[str] = []
    lists = {"--default-index": default, "--index": others}
    todo = iter(words)
    for word in todo:
        if word in lists:
            lists[word].append(next(todo))
        else:
            kept.append(word)
    if default or others:
        for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"):
            settings.pop(name, None)
        if default:
            settings["UV_DEFAULT_INDEX"] = default[-1]
        if others:
            settings["UV_INDEX"] = " ".join(others)
    return kept


def index_options(environ: Mapping[str, str], indexes: Sequence[str] = ()) -> list[str]:
    """uv's options for package indexes: `indexes` (the first is the default one), else what pip's variables say, where uv's own
    say nothing: uv reads none of pip's settings."""
    if indexes:
        return ["--default-index", indexes[0], *(word for url in indexes[1:] for word in ("--index", url))]
    if any(environ.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")):
        return []
    options: list[str] = []
    if environ.get("PIP_INDEX_URL"):
        options += ["--default-index", environ["PIP_INDEX_URL"].strip()]
    extra = environ.get("PIP_EXTRA_INDEX_URL", "").split()
    for url in extra:
        options += ["--index", url]
    if extra:
        options += ["--index-strategy", "unsafe-best-match"]  # what pip does
    return options


def interpreter() -> list[str]:
    """``--python`` for uv: this process's own, so that uv does not look for one, which may take seconds."""
    return ["--python", sys.executable] if sys.executable and os.path.isabs(sys.executable) else []


def _said(stderr: str) -> list[str]:
    """What uv wrote, as lines: its marks are taken off, what wraps is joined to one line."""
    lines: list[str] = []
    for raw in stderr.splitlines():
        line = raw.strip()
        for mark in ("error:", "×", "╰─▶", "├─▶", "│", "cause:", "Caused by:"):
            if line.startswith(mark):
                line = line.removeprefix(mark).strip()
                lines.append("")
        if not line:
            continue
        if raw[:1] in (" ", "│") and lines and lines[-1] and not line.startswith(("hint:", "warning:")):
            lines[-1] += f" {line}"
        elif lines and not lines[-1]:
            lines[-1] = line
        else:
            lines.append(line)
    return [public(line) for line in lines if line]
