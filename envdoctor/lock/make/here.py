"""This machine's platform, for which a lock is made when nothing is said."""

from __future__ import annotations

import platform
import sys

from envdoctor.lock.make import places
from envdoctor.snapshot import Machine, System

_SYSTEMS: dict[str, System] = {"linux": "linux", "darwin": "macos", "win32": "windows"}


def subdir() -> str | None:
    """The conda subdir of this machine, None where there is none."""
    system = _SYSTEMS.get(sys.platform)
    return places.subdir(Machine(system=system, machine=platform.machine().lower())) if system is not None else None
