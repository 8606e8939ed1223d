"""Fat binaries of the target's native files, read where a GPU makes them matter."""

from __future__ import annotations

import os

from envdoctor.collect import files
from envdoctor.collect.native import HEAD, fatbin
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import DeviceCode, NativeFile, Site, Snapshot

FEW = 16
"""Files that are read one after the other."""
READERS = 8
SMALLEST = 12 << 10
"""Bytes: no file with a kernel is smaller than its headers and one page of code."""


def wanted(scene: Scene, snapshot: Snapshot) -> bool:
    """The machine, or the one that the target is judged for, has a GPU; or the snapshot is made to be judged elsewhere."""
    if scene.for_gpu or scene.all_libraries:
        return True
    rocm = any(framework.build == "rocm" for framework in snapshot.frameworks)
    return any(gpu.vendor == "nvidia" or (gpu.vendor == "amd" and rocm) for gpu in snapshot.machine.gpus)


def collect(scene: Scene, snapshot: Snapshot) -> tuple[DeviceCode, ...]:
    """The device code of every library and extension module of the site folders, in the order of the files.

    Read are thousands of headers, far from each other: on a disk that must fetch each, several files at a time take a fifth of
    the time.
    """
    roots = [_root(scene, site) for site in snapshot.sites]
    wanted = [
        native
        for native in snapshot.natives
        if native.format in ("elf", "pe") and native.kind == "library" and native.size >= SMALLEST and native.slices
    ]

    def read(native: NativeFile) -> list[DeviceCode]:
        path = f"{roots[native.folder]}/{native.path}" if native.folder >= 0 else native.path
        return _of_file(scene, native, path)

    largest = sorted(wanted, key=lambda native: -native.size)
    if len(wanted) < FEW:
        found = {id(native): read(native) for native in wanted}
    else:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(READERS) as pool:
            found = {id(native): codes for native, codes in zip(largest, pool.map(read, largest), strict=True)}
    return tuple(code for native in wanted for code in found[id(native)])


def _of_file(scene: Scene, native: NativeFile, path: str) -> list[DeviceCode]:
    """The device code of one file."""
    try:
        fd, info = files.open_regular(path)
    except files.Unreadable:
        return []
    try:
        # what is read is one header here and one there: the kernel's reading ahead would cost more than it gives
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        parts = fatbin.read(fd, os.pread(fd, HEAD, 0), info.st_size)
    except OSError as error:
        scene.gap("device-code", path, str(files.unreadable(error)))
        return []
    finally:
        os.close(fd)
    return [
        DeviceCode(
            path=native.path, folder=native.folder, owner=native.owner, kind=part.kind, sets=part.sets, problem=part.problem
        )
        for part in parts
    ]


def _root(scene: Scene, site: Site) -> str:
    """The folder's path as the file system takes it."""
    return site.path if scene.target.prefix == scene.prefix else site.path.replace(scene.target.prefix, scene.prefix, 1)
