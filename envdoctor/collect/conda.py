"""conda-meta: which conda record owns which metadata folder. The conda rules' own facts come with a later collector."""

from __future__ import annotations

import os

import msgspec

from envdoctor.collect import files as fs
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import text

RECORD_LIMIT = 64 << 20


class _CondaRecord(msgspec.Struct):
    """The few fields of conda-meta/NAME-VERSION-BUILD.json that are needed here."""

    name: str = ""
    version: str = ""
    build: str = ""
    files: list[str] = []


def metadata_owners(scene: Scene) -> dict[str, str]:
    """Absolute paths of dist-info and egg-info folders (or files) to ``name=version=build`` of the record that lists them.

    Empty outside conda prefixes. A record that cannot be read is a gap.
    """
    folder = f"{scene.prefix}/conda-meta"
    try:
        names = [name for name in fs.names(folder) if name.endswith(".json")]
    except fs.Unreadable:
        return {}
    owners: dict[str, str] = {}
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
        for path in record.files:
            if "-info" not in path:
                continue
            parts = path.split("/")
            for at, part in enumerate(parts):
                if part.endswith((".dist-info", ".egg-info")):
                    owners[os.path.normpath("/".join((scene.prefix, *parts[: at + 1])))] = label
                    break
    return owners
