"""Fat binaries of the target's native files, read where a GPU makes them matter."""

from __future__ import annotations

import os

from envdoctor.collect import files
from envdoctor.collect.native import HEAD, fatbin
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import DeviceCode, Site, Snapshot

SMALLEST = 12 << 10
"""Bytes: no file with a kernel is smaller than its headers and one page of code."""


def wanted(scene: Scene, snapshot: Snapshot) -> bool:
    """The machine, or the one that the target is judged for, has a GPU; or the snapshot is made to be judged elsewhere."""
    if scene.for_gpu or scene.all_libraries:
        return True
    rocm = any(framework.build == "rocm" for framework in snapshot.frameworks)
    return any(gpu.vendor == "nvidia" or (gpu.vendor == "amd" and rocm) for gpu in snapshot.machine.gpus)


def collect(scene: Scene, snapshot: Snapshot) -> tuple[DeviceCode, ...]:
    """The device code of every library and extension module of the site folders, in the order of the files."""
    roots = [_root(scene, site) for site in snapshot.sites]
    found: list[DeviceCode] = []
    for native in snapshot.natives:
        if native.format not in ("elf", "pe") or native.kind != "library" or native.size < SMALLEST or not native.slices:
            continue
        path = f"{roots[native.folder]}/{native.path}" if native.folder >= 0 else native.path
        try:
            fd, info = files.open_regular(path)
        except files.Unreadable:
            continue
        try:
            # what is read is one header here and one there: the kernel's reading ahead would cost more than it gives
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
            parts = fatbin.read(fd, os.pread(fd, HEAD, 0), info.st_size)
        except OSError as error:
            scene.gap("device-code", path, str(files.unreadable(error)))
            continue
        finally:
            os.close(fd)
        found += [
            DeviceCode(
                path=native.path, folder=native.folder, owner=native.owner, kind=part.kind, sets=part.sets, problem=part.problem
            )
            for part in parts
        ]
    return tuple(found)


def _root(scene: Scene, site: Site) -> str:
    """The folder's path as the file system takes it."""
    return site.path if scene.target.prefix == scene.prefix else site.path.replace(scene.target.prefix, scene.prefix, 1)
