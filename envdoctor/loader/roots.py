"""Where loading starts: the extension modules that this interpreter's import system opens. Pure, no IO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.extensions import parse
from envdoctor.loader.model import Root, base_name, folder_of
from envdoctor.snapshot import NativeFile, Slice

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from envdoctor.view import View


def extensions(view: View, fits: Callable[[NativeFile], Slice | None]) -> tuple[Root, ...]:
    """Extension modules of the active site folders whose names and headers fit the interpreter, in the order of files.

    `fits` gives the slice of a file that the interpreter loads, None where it has none.
    """
    found: list[Root] = []
    for group in view.loading.groups:
        root = f"{view.snapshot.sites[group.site].path}/"
        owner = group.dist.name if group.dist is not None else None
        for native in group.natives:
            if not native.module or not native.extension or not native.fits:
                continue
            part = fits(native.file)
            if part is not None:
                path = root + native.file.path
                found.append(Root(path, native.file, part, "extension", native.module, group.site, native.file.owner or owner))
    return tuple(found)


def stdlib(view: View, fits: Callable[[NativeFile], Slice | None]) -> tuple[Root, ...]:
    """Extension modules of the interpreter's standard library (``lib-dynload``, ``DLLs``)."""
    found: list[Root] = []
    for file in view.snapshot.libraries:
        if base_name(folder_of(file.path)) not in ("lib-dynload", "DLLs"):
            continue
        name = parse(base_name(file.path))
        part = fits(file) if name is not None else None
        if name is not None and part is not None:
            found.append(Root(file.path, file, part, "stdlib", name.stem))
    return tuple(found)


def orphans(view: View, fits: Callable[[NativeFile], Slice | None], reached: Container[str]) -> tuple[Root, ...]:
    """Libraries of the active site folders that fit, are no extension modules, and whose paths are not in `reached`."""
    found: list[Root] = []
    for group in view.loading.groups:
        root = f"{view.snapshot.sites[group.site].path}/"
        owner = group.dist.name if group.dist is not None else None
        for native in group.natives:
            if native.extension or not native.arch or native.file.kind != "library":
                continue
            path = root + native.file.path
            part = fits(native.file) if path not in reached else None
            if part is not None:
                found.append(Root(path, native.file, part, "library", "", group.site, native.file.owner or owner))
    return tuple(found)
