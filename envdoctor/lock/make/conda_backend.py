"""``--backend conda-lock``: conda-lock itself makes the lock, with a conda that is here, or with a shim over py-rattler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from envdoctor.data.conda_names import CONDA_NAMES
from envdoctor.lock.document import public
from envdoctor.lock.make import solver
from envdoctor.lock.make.options import MakeError, Options
from envdoctor.lock.make.virtual import Table

EXECUTABLES = ("conda", "mamba", "micromamba")
_SHIM = """import os, sys
sys.path[:0] = {path!r}
from envdoctor.lock.make.conda_shim import script
script(sys.argv[1:], os.environ)
"""
_UNREACHED = ("Max retries exceeded", "NameResolutionError", "ConnectionError", "Failed to establish", "SSLError", "ProxyError")
MAX_LINES = 30


def make(
    options: Options,
    manifests: Sequence[str],
    path: str,
    previous: str | None,
    platforms: Sequence[str],
    virtual: Table | None,
    *,
    pip: bool,
) -> tuple[str, list[str]]:
    """The lock's text as conda-lock writes it, and notes. `previous` is the text of the lock that is there. Raises MakeError.

    `virtual` is given to conda-lock where it is not None; `pip` says whether a manifest has a pip section.
    """
    command = _conda_lock(options.environ)
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="envdoctor-lock-") as folder:
        lock = os.path.join(folder, os.path.basename(path))
        spelled = {_relative(folder, one): _relative(os.path.dirname(path), one) for one in manifests}
        if previous is not None:
            head, mark, rest = previous.partition("\npackage:")
            for there, own in spelled.items():
                head = f"{head}\n".replace(f"\n  - {own}\n", f"\n  - {there}\n").removesuffix("\n")
            Path(lock).write_text(head + mark + rest, encoding="utf-8")
        conda = _conda(options.environ, folder)
        if conda.startswith(folder):
            notes.append("there is no conda, mamba or micromamba here: py-rattler stood in for it")
        words = [*command, "lock", "--kind", "lock", "--lockfile", lock, "--conda", conda]
        for manifest in manifests:
            words += ["--file", manifest]
        for platform in platforms:
            words += ["--platform", platform]
        for channel in options.channels:
            words += ["--channel", channel]
        for name in options.update:
            words += ["--update", name]
        if not options.dev:
            words += ["--no-dev-dependencies", "--filter-categories"]
        if virtual is not None:
            words += ["--virtual-package-spec", _virtual_file(folder, virtual)]
        environ = {**options.environ, "NO_COLOR": "1", **({"CONDA_OFFLINE": "1"} if options.offline else {})}
        names = ["--pypi_to_conda_lookup_file", Path(_names_file(folder)).as_uri()]
        failed = _run(words + (names if pip and options.offline else []), environ, options.cwd)
        if failed is not None and pip and not options.offline and any(word in failed for word in _UNREACHED):
            notes.append("conda-lock cannot fetch its table of package names: envdoctor's own, shorter one was used")
            failed = _run(words + names, environ, options.cwd)
        if failed is not None:
            raise _error(failed)
        text = Path(lock).read_text(encoding="utf-8")
        for there, own in spelled.items():
            text = text.replace(there, own)
    return text, notes


def _conda_lock(environ: Mapping[str, str]) -> list[str]:
    """The command that conda-lock is. Raises MakeError."""
    if find_spec("conda_lock") is not None:
        return [sys.executable, "-m", "conda_lock"]
    found = shutil.which("conda-lock", path=environ.get("PATH"))
    if found is None:
        raise MakeError(
            "conda-lock is not installed", "pip install 'envdoctor[conda-lock]' brings it; without --backend it is not needed"
        )
    return [found]


def _conda(environ: Mapping[str, str], folder: str) -> str:
    """A conda that is here, else the shim, written into `folder`."""
    for variable in ("CONDA_EXE", "MAMBA_EXE"):
        named = environ.get(variable)
        if named and os.path.isfile(named) and os.access(named, os.X_OK):
            return named
    for name in EXECUTABLES:
        found = shutil.which(name, path=environ.get("PATH"))
        if found is not None:
            return found
    solver.available()
    import envdoctor

    source = [os.path.dirname(os.path.dirname(os.path.abspath(envdoctor.__file__)))]
    script = Path(folder, "shim.py")
    script.write_text(_SHIM.format(path=source), encoding="utf-8")
    if os.name == "nt":
        shim = Path(folder, "conda-shim.bat")
        shim.write_text(f'@"{sys.executable}" "{script}" %*\n', encoding="utf-8")
    else:
        shim = Path(folder, "conda-shim")
        shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', encoding="utf-8")
        shim.chmod(0o755)
    return str(shim)


def _virtual_file(folder: str, table: Table) -> str:
    """conda-lock's file of virtual packages; JSON is YAML."""
    path = Path(folder, "virtual-packages.yml")
    subdirs = {platform: {"packages": dict(sorted(names.items()))} for platform, names in sorted(table.items())}
    path.write_text(json.dumps({"subdirs": subdirs}, indent=2), encoding="utf-8")
    return str(path)


def _names_file(folder: str) -> str:
    """envdoctor's table of names in the form that conda-lock reads."""
    path = Path(folder, "names.json")
    table = {
        name: {"conda_name": conda, "import_name": name, "mapping_source": "envdoctor", "pypi_name": name}
        for name, conda in sorted(CONDA_NAMES.items())
    }
    path.write_text(json.dumps(table), encoding="utf-8")
    return str(path)


def _run(words: Sequence[str], environ: Mapping[str, str], cwd: str) -> str | None:
    """None where it was done, otherwise what was said."""
    try:
        done = subprocess.run(words, capture_output=True, env=dict(environ), cwd=cwd, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        return f"{words[0]}: {error.strerror or error}"
    return None if done.returncode == 0 else (done.stderr + done.stdout).decode("utf-8", "replace")


def _error(said: str) -> MakeError:
    """conda-lock's failure without its traceback and the commands that it ran."""
    lines = [public(line.rstrip()) for line in said.splitlines()]
    kept: list[str] = []
    for line in lines:
        if line.startswith("Traceback (most recent call last)") or line.strip().startswith("Command: ["):
            break
        if line.strip() and not line.startswith(("Locking dependencies for", "Spec hash already", "INFO:", "WARNING:")):
            kept.append(line)
    last = next((line for line in reversed(lines) if line.strip() and not line.startswith((" ", "During"))), "it said nothing")
    if len(kept) > 1:
        return MakeError(f"conda-lock: {kept[0]}", None, tuple(kept[1:MAX_LINES]))
    return MakeError(f"conda-lock: {kept[0] if kept else last}", None, (last,) if kept and last != kept[0] else ())


def _relative(folder: str, path: str) -> str:
    try:
        return os.path.relpath(path, folder).replace(os.sep, "/")
    except ValueError:
        return path.replace(os.sep, "/")
