"""Which manifests a lock is made from, and which maker makes it."""

from __future__ import annotations

import os

from envdoctor.collect import files
from envdoctor.formats.text import safe
from envdoctor.lock.make.options import MakeError, Options

ENVIRONMENTS = ("environment.yml", "environment.yaml")
"""Names that conda-lock looks for."""
_CONDA_LOCKS = ("conda-lock.yml",)
_PYTHON_LOCKS = ("pylock.toml", "uv.lock", "requirements.txt")
_PYTHON_MANIFESTS = ("pyproject.toml", "requirements.in")


def run(options: Options) -> int:
    """Makes the lock by the maker that the manifests (or ``--kind``) call for. Raises MakeError."""
    manifests = tuple(os.path.abspath(os.path.join(options.cwd, name)) for name in options.manifests) or found(options)
    for path in manifests:
        if not files.exists(path):
            raise MakeError(f"{safe(path)}: no such file", "-f names the manifest that the lock is made from")
    if options.kind in ("conda-lock", "explicit") or (options.kind is None and any(is_conda(path) for path in manifests)):
        from envdoctor.lock.make import conda

        return conda.run(options, manifests)
    from envdoctor.lock.make import python

    return python.run(options, manifests)


def is_conda(path: str) -> bool:
    """The manifest is one for conda: YAML, or a pyproject.toml that conda-lock is set up in."""
    name = os.path.basename(path)
    if name.endswith((".yml", ".yaml")):
        return True
    if name != "pyproject.toml":
        return False
    from envdoctor.collect import toml

    document, _ = toml.load(path)
    return isinstance(toml.table(document, "tool").get("conda-lock"), dict)


def found(options: Options) -> tuple[str, ...]:
    """The manifest of the project, when none is named. Raises MakeError where there is none, or where two would do."""
    folder = options.folder
    conda = [os.path.join(folder, name) for name in ENVIRONMENTS if files.exists(os.path.join(folder, name))]
    python = [os.path.join(folder, name) for name in _PYTHON_MANIFESTS if files.exists(os.path.join(folder, name))]
    if not conda and python and is_conda(python[0]):
        return (python[0],)
    if options.kind in ("conda-lock", "explicit"):
        python = []
    elif options.kind is not None:
        conda = []
    if len(conda) > 1:
        raise MakeError(f"{safe(folder)} holds environment.yml and environment.yaml", "say which one: -f environment.yml")
    if conda and python:
        locked = [any(files.exists(os.path.join(folder, name)) for name in names) for names in (_CONDA_LOCKS, _PYTHON_LOCKS)]
        if locked == [True, False]:
            python = []
        elif locked == [False, True]:
            conda = []
        else:
            names = f"{os.path.basename(conda[0])} and {os.path.basename(python[0])}"
            raise MakeError(f"{safe(folder)} holds {names}", f"say which one: -f {os.path.basename(conda[0])}")
    if conda:
        return (conda[0],)
    if python:
        return (python[0],)
    what = {"conda-lock": "an environment.yml", "explicit": "an environment.yml"}.get(
        options.kind or "", "an environment.yml, a pyproject.toml or a requirements.in"
    )
    raise MakeError(f"there is nothing to make a lock from in {safe(folder)}", f"envdoctor lock -f FILE names {what}")
