"""Libraries that LD_LIBRARY_PATH or LD_PRELOAD put in front of those that the target ships, and what they lack (PTH004).

Read are only the libraries of a name that the target ships, and the files of the target that ask for that name.
"""

from __future__ import annotations

import os

import msgspec

from envdoctor.collect import native
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import LibraryOverride, NativeFile, Shell, Site, Slice, text

MAX_NAMES = 100
MAX_ASKERS = 12
MAX_LACKS = 20


def add(scene: Scene, shell: Shell, natives: tuple[NativeFile, ...], sites: list[Site]) -> Shell:
    """`shell` with ``overrides``."""
    folders = [folder for folder in shell.library_folders if not folder.of_target]
    if scene.target.foreign or not natives or not any(f.libraries or f.preload for f in folders):
        return shell
    shipped: dict[str, NativeFile] = {}
    for file in natives:
        for name in (file.path.rpartition("/")[2], *(_last(part.soname) for part in file.slices if part.soname)):
            shipped.setdefault(name, file)
    found: list[LibraryOverride] = []
    seen: set[tuple[str, str]] = set()
    for folder in folders:
        if folder.preload:
            paths = _preloaded(scene, folder.path, shipped)
        else:
            paths = [(name, f"{folder.path}/{name}") for name in folder.libraries if name in shipped]
        for name, path in paths[:MAX_NAMES]:
            if (folder.variable, name) in seen:
                continue
            other = native.read(path)
            fits = _fits(other, shipped[name])
            if fits:
                seen.add((folder.variable, name))
            asker, lacks = _lacks(scene, path, shipped[name], name, natives, sites) if fits else (None, ())
            found.append(
                LibraryOverride(variable=folder.variable, name=name, path=text(path), fits=fits, asker=asker, lacks=lacks)
            )
    return msgspec.structs.replace(shell, overrides=tuple(found))


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _preloaded(scene: Scene, path: str, shipped: dict[str, NativeFile]) -> list[tuple[str, str]]:
    """The preloaded file by the name that it stands for, where the target ships one of that name."""
    if "/" not in path or "$" in path:
        return []
    full = path if os.path.isabs(path) else os.path.join(scene.cwd or "/", path)
    names = [_last(part.soname) for part in native.read(full).slices if part.soname] or [_last(full)]
    return [(name, full) for name in names[:1] if name in shipped]


def _fits(other: NativeFile, own: NativeFile) -> bool:
    """The loader takes it: it passes over libraries of another machine."""
    if other.problem or not other.slices:
        return False
    return any(
        (a.machine, a.bits, a.little_endian) == (b.machine, b.bits, b.little_endian) for a in other.slices for b in own.slices
    )


def _place(scene: Scene, file: NativeFile, sites: list[Site]) -> str:
    path = f"{sites[file.folder].path}/{file.path}" if file.folder >= 0 else file.path
    return path if scene.target.prefix == scene.prefix else path.replace(scene.target.prefix, scene.prefix, 1)


def _lacks(
    scene: Scene, path: str, own: NativeFile, name: str, natives: tuple[NativeFile, ...], sites: list[Site]
) -> tuple[str | None, tuple[str, ...]]:
    """The first file that then misses something, and the symbols and versions that it misses."""
    offered: set[bytes] | None = None
    for file in [file for file in natives if any(_asks(part, name) for part in file.slices)][:MAX_ASKERS]:
        if offered is None:
            offered = native.exported_symbols(_place(scene, own, sites)) - native.exported_symbols(path)
        if not offered:
            return None, ()
        missing = native.wanted_symbols(_place(scene, file, sites)) & offered
        if missing:
            names = sorted(symbol.decode("utf-8", "backslashreplace")[:200] for symbol in missing)
            return text(_place(scene, file, sites)), tuple(text(symbol) for symbol in names[:MAX_LACKS])
    return None, ()


def _asks(part: Slice, name: str) -> bool:
    return any(_last(needed) == name for needed in part.needed)
