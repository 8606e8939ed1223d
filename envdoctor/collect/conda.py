"""conda-meta: which conda record owns which metadata folder, which of these are gone, and what records ask of the system.

The conda rules' own facts come with a later collector.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import msgspec

from envdoctor.collect import files as fs
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import CondaPackage, text

RECORD_LIMIT = 64 << 20


class _CondaRecord(msgspec.Struct):
    """The few fields of conda-meta/NAME-VERSION-BUILD.json that are needed here."""

    name: str = ""
    version: str = ""
    build: str = ""
    depends: list[str] = []
    files: list[str] = []


class Facts(NamedTuple):
    """What the records of a conda prefix tell. Empty outside conda prefixes."""

    owners: dict[str, str]
    """Absolute paths of dist-info and egg-info folders (or files) to ``name=version=build`` of the record that lists them."""
    packages: tuple[CondaPackage, ...]
    """Records that ask something of the system, or whose metadata folder is gone."""


def collect(scene: Scene) -> Facts:
    """Facts of conda-meta. A record that cannot be read is a gap."""
    folder = f"{scene.prefix}/conda-meta"
    try:
        names = [name for name in fs.names(folder) if name.endswith(".json")]
    except fs.Unreadable:
        return Facts({}, ())
    owners: dict[str, str] = {}
    packages: list[CondaPackage] = []
    decoder = msgspec.json.Decoder(_CondaRecord)
    for name in names:
        try:
            record = decoder.decode(fs.read(f"{folder}/{name}", RECORD_LIMIT).data)
        except fs.Unreadable as error:
            scene.gap("conda", f"{folder}/{name}", str(error))
            continue
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            scene.gap("conda", f"{folder}/{name}", "no conda record")
            continue
        label = text(f"{record.name}={record.version}={record.build}")
        folders: dict[str, None] = {}
        for path in record.files:
            if "-info" not in path:
                continue
            parts = path.split("/")
            for at, part in enumerate(parts):
                if part.endswith((".dist-info", ".egg-info")):
                    folders["/".join(parts[: at + 1])] = None
                    break
        for folder_ in folders:
            owners[os.path.normpath(f"{scene.prefix}/{folder_}")] = label
        gone = tuple(text(each) for each in folders if _gone(scene, each))
        virtual = tuple(text(each) for each in record.depends if each.startswith("__"))
        if gone or virtual:
            packages.append(
                CondaPackage(
                    name=text(record.name),
                    version=text(record.version),
                    build=text(record.build),
                    record=text(f"conda-meta/{name}"),
                    virtual=virtual,
                    metadata_gone=gone,
                    module=_module(scene, record.files) if gone else None,
                )
            )
    return Facts(owners, tuple(packages))


def _gone(scene: Scene, path: str) -> bool:
    return ".." not in path.split("/") and not fs.is_there(f"{scene.prefix}/{path}")


def _module(scene: Scene, paths: list[str]) -> str | None:
    """The first module of these files that is there."""
    modules = (
        path for path in paths if "/site-packages/" in f"/{path}" and path.endswith((".py", ".so")) and "-info/" not in path
    )
    return next((text(path) for path in modules if ".." not in path and fs.exists(f"{scene.prefix}/{path}")), None)
