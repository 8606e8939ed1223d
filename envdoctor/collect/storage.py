"""Folders that a run writes to: how much room, whether programs may be executed there. Nothing is written to find out."""

from __future__ import annotations

import os
import sys
from typing import Any

from envdoctor.collect.scene import Scene
from envdoctor.snapshot import Disk, text

CACHES = (
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_DATASETS_CACHE",
    "TRANSFORMERS_CACHE",
    "TORCH_HOME",
    "TORCH_EXTENSIONS_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "XDG_CACHE_HOME",
    "PIP_CACHE_DIR",
    "UV_CACHE_DIR",
)
"""Variables that name folders of models, compiled kernels and packages."""
_TEMPORARY = ("TMPDIR", "TEMP", "TMP")
_PARENTS = 64


def disks(scene: Scene) -> tuple[Disk, ...]:
    """The environment, the project, home and caches; where a folder is not there yet, of the nearest one above it."""
    wanted: list[tuple[str, str, str | None]] = [("environment", scene.prefix, None)]
    if scene.project_root:
        wanted.append(("project", scene.project_root, None))
    for variable in CACHES:
        value = scene.environ.get(variable)
        if value and os.path.isabs(value):
            wanted.append(("cache", os.path.normpath(value), variable))
    if scene.home and os.path.isabs(scene.home):
        wanted.append(("home", scene.home, None))
        if not scene.environ.get("XDG_CACHE_HOME"):
            wanted.append(("cache", f"{scene.home}/Library/Caches" if sys.platform == "darwin" else f"{scene.home}/.cache", None))
    found = (look(role, path, variable) for role, path, variable in wanted)
    return tuple(disk for disk in found if disk is not None)


def temporary(scene: Scene) -> tuple[Disk, ...]:
    """The folders that Python's tempfile tries, in its order, up to the first that it can use."""
    places: list[tuple[str, str | None]] = []
    for variable in _TEMPORARY:
        value = scene.environ.get(variable)
        if value:
            places.append((os.path.normpath(os.path.join(scene.cwd or "/", value)), variable))
    if os.name == "nt":
        root = scene.environ.get("SYSTEMROOT") or "C:\\Windows"
        home = scene.home or "C:"
        more: tuple[str, ...] = (f"{home}\\AppData\\Local\\Temp", f"{root}\\Temp", "C:\\temp", "C:\\tmp", "\\temp", "\\tmp")
    else:
        more = ("/tmp", "/var/tmp", "/usr/tmp")
    places += [(path, None) for path in (*more, *((scene.cwd,) if scene.cwd else ()))]
    found: list[Disk] = []
    for path, chosen in places:
        disk = look("temporary", path, chosen, parents=False)
        if disk is None or any(disk.path == other.path for other in found):
            continue
        found.append(disk)
        if disk.exists and disk.writable and disk.free != 0 and disk.files_free != 0:
            break
    return tuple(found)


def look(role: str, path: str, variable: str | None = None, *, parents: bool = True) -> Disk | None:
    """What is known of a folder; None for one of which nothing can be told."""
    shown: dict[str, Any] = {"role": role, "path": text(path), "variable": variable}
    place = path
    for _ in range(_PARENTS):
        try:
            info = os.stat(place)
            break
        except (OSError, ValueError):
            above = os.path.dirname(place)
            if not parents or above == place:
                return Disk(**shown, exists=False, writable=False)
            place = above
    else:
        return None
    shown |= {"exists": place == path, "device": info.st_dev, "writable": os.access(place, os.W_OK | os.X_OK)}
    try:
        if not hasattr(os, "statvfs"):
            import psutil

            usage = psutil.disk_usage(place)
            return Disk(**shown, free=int(usage.free), total=int(usage.total))
        system = os.statvfs(place)
    except (OSError, ValueError):
        return Disk(**shown)
    return Disk(
        **shown,
        free=system.f_frsize * system.f_bavail,
        total=system.f_frsize * system.f_blocks,
        files_free=system.f_favail if system.f_files else None,
        files=system.f_files or None,
        read_only=bool(system.f_flag & getattr(os, "ST_RDONLY", 1)),
        noexec=bool(system.f_flag & getattr(os, "ST_NOEXEC", 0)),
    )
