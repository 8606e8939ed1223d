"""``--verify`` for Python's locks: installed by uv, which demands every hash, into a scratch environment, and that is checked."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from envdoctor.lock.make import uv
from envdoctor.lock.make.options import MakeError, Options
from envdoctor.lock.model import Format


def verify(
    options: Options,
    *,
    text: str,
    path: str,
    format: Format,  # noqa: A002 - the word for it
    python: str,
    indexes: Sequence[str] = (),
    folder: str,
) -> int:
    """Installs the lock `text`, which stands (or would stand) at `path`, and checks what came of it: 0, or 1 with what was found.

    `python` is the version that is preferred, `indexes` are uv's options, `folder` is the project's. Raises MakeError where it
    cannot be installed.
    """
    from envdoctor.lock.make import here
    from envdoctor.lock.make.install import checked

    program = uv.find(options.environ)
    environ = {name: value for name, value in options.environ.items() if name not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    with tempfile.TemporaryDirectory(prefix="envdoctor-verify-") as scratch:
        scratch = os.path.realpath(scratch)
        prefix = os.path.join(scratch, "env")
        copy = os.path.join(scratch, os.path.basename(path))
        Path(copy).write_text(_absolute(text, os.path.dirname(path)) if format == "pylock" else text, encoding="utf-8")
        offline = ["--offline"] if options.offline else []
        try:
            options.say("installing the lock into a scratch environment")
            uv.run(program, ["venv", "-q", "--no-project", *_python(python), *offline, prefix], environ=environ, cwd=scratch)
            interpreter = os.path.join(prefix, "Scripts" if os.name == "nt" else "bin", "python")
            if format == "uv":
                words = ["sync", "-q", "--frozen", "--no-install-project", "--link-mode", "copy", *indexes, *offline]
                uv.run(program, words, environ={**environ, "UV_PROJECT_ENVIRONMENT": prefix}, cwd=folder)
            else:
                words = ["pip", "sync", "-q", "--python", interpreter, "--link-mode", "copy", *indexes, *offline]
                words += ["--require-hashes"] * (format == "requirements")
                uv.run(program, [*words, copy], environ=environ, cwd=os.path.dirname(path))
        except uv.UvError as error:
            lines = [line.replace(scratch + os.sep, "") for line in error.lines]
            name = os.path.basename(path)
            raise MakeError(f"--verify: {name} cannot be installed: {lines[0]}", None, tuple(lines[1:])) from None
        options.say("checking what was installed")
        count = sum(1 for _ in Path(prefix).glob("[Ll]ib/**/site-packages/*.dist-info"))
        return checked(options, prefix, copy, here.subdir() or "this machine", count)


def _python(version: str) -> list[str]:
    """This process's Python where it is of that version, else that version for uv to find."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    release = ".".join(version.split(".")[:2])
    return uv.interpreter() if release == own else ["--python", release]


def _absolute(text: str, folder: str) -> str:
    """Relative paths in a pylock.toml, for a copy that stands elsewhere."""
    from envdoctor.lock.make.python import PATH_VALUE

    def put(match: re.Match[str]) -> str:
        import json

        return f"{match[1]}{json.dumps(os.path.join(folder, match[2][1:-1]))}"

    return PATH_VALUE.sub(put, text)
