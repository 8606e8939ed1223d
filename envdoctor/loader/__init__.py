"""A model of the dynamic loader over the facts of a snapshot: what would be loaded, from where, and what would be missing.

Rules and collectors ask ``View(snapshot, machine).loads``. Pure, no IO: everything that a loader would look up in the file
system stands in ``Snapshot.natives``, ``Snapshot.libraries`` and ``Machine.libraries``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.last import Last
from envdoctor.loader.model import Loaded, Loads, Missing, Root, RootKind, VersionProblem

if TYPE_CHECKING:
    from envdoctor.view import View

__all__ = ["Loaded", "Loads", "Missing", "Root", "RootKind", "VersionProblem", "load"]

VARIABLES = ("LD_", "DYLD_", "GLIBC_")
"""Beginnings of the names of all variables that a loader heeds."""
_last: Last[Loads] = Last()


def load(view: View) -> Loads:
    """The loader's answers for a view. Asked again about the very same facts, it gives the same object.

    Collectors ask first and rules ask later about a snapshot that has more fields filled; the loader's own facts are
    identical objects then, and are not gone through twice.
    """
    snapshot, machine = view.snapshot, view.machine
    same = (
        snapshot.natives,
        snapshot.libraries,
        snapshot.sites,
        snapshot.dll_folders,
        snapshot.shell.library_folders,
        snapshot.interpreter.binary,
        snapshot.target,
        machine.libraries,
    )
    variables = sorted(item for item in snapshot.shell.variables.items() if item[0].startswith(VARIABLES))
    equal = (
        variables,
        machine is snapshot.machine,
        machine.libc,
        machine.libcs,
        machine.machine,
        machine.cpu.level,
        machine.system,
    )
    return _last.get(same, equal, lambda: _load(view))


def _load(view: View) -> Loads:
    system = view.snapshot.target.system
    if system == "linux":
        from envdoctor.loader.linux import load as linux

        return linux(view)
    if system == "macos":
        from envdoctor.loader.macos import load as macos

        return macos(view)
    if system == "windows":
        from envdoctor.loader.windows import load as windows

        return windows(view)
    return Loads(reason=f"the loader of {system} is not modelled")
