"""What VIRTUAL_ENV and CONDA_PREFIX name, and whether the first ``python`` on PATH is theirs."""

from __future__ import annotations

import os

from envdoctor.collect import files
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import Activation, text

_PYTHONS = ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe")


def collect(scene: Scene, first_python: str | None, *, shim: bool) -> tuple[Activation, ...]:
    """One fact for each of the two variables that is set.

    `first_python` is the path of the first ``python`` (else ``python3``) on PATH; `shim` says that it only forwards, so that
    whose it is cannot be told.
    """
    found: list[Activation] = []
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        value = scene.environ.get(variable)
        if not value:
            continue
        prefix = os.path.normpath(os.path.join(scene.cwd or "/", value))
        pythons = [f"{prefix}/{name}" for name in _PYTHONS if os.path.lexists(f"{prefix}/{name}")]
        mine: bool | None = None
        if first_python is not None and not shim:
            folder = os.path.dirname(first_python)
            mine = any(files.same(folder, os.path.dirname(python)) for python in pythons)
        found.append(
            Activation(
                variable=variable,
                path=text(value),
                exists=files.is_folder(prefix),
                has_python=bool(pythons),
                base=files.exists(f"{prefix}/condabin"),
                same=files.same(prefix, scene.prefix),
                first_python=mine,
                made_from=_made_from(prefix),
            )
        )
    return tuple(found)


def _made_from(prefix: str) -> str | None:
    """``home`` of its pyvenv.cfg: the folder of the interpreter that a virtual environment stands on."""
    try:
        content = files.read_text(f"{prefix}/pyvenv.cfg", 1 << 18)
    except files.Unreadable:
        return None
    for line in content.splitlines():
        key, mark, value = line.partition("=")
        if mark and key.strip().lower() == "home":
            home = value.strip()
            return text(os.path.realpath(home)) if home and "\0" not in home else None
    return None
