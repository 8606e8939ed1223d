"""A conda package put together from bytes, written as .conda or .tar.bz2.

Formats: https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html; the inner ``.tar.zst`` of a .conda
holds its data in zstd's raw blocks (RFC 8878, 3.1.1.2), which costs no time and needs no library.
"""

from __future__ import annotations

import base64
import bz2
import csv
import hashlib
import io
import json
import posixpath
import struct
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLACEHOLDER = ("/opt/builder/host_env_" + "placehold_" * 30)[:255]
"""Stands for the prefix in the files of packages: 255 bytes, as conda-build makes them."""
TIMESTAMP = 1_735_689_600_000
"""Of every package and archive member: archives of the same content are the same bytes."""
ARCH = {"64": "x86_64", "arm64": "arm64", "aarch64": "aarch64", "ppc64le": "ppc64le"}


@dataclass
class Entry:
    """One path of a package: a file's bytes, or the text of a symbolic link."""

    data: bytes = b""
    link: str | None = None
    mode: int = 0o644
    placeholder: str | None = None
    """``text`` or ``binary``: PLACEHOLDER stands in ``data`` and is replaced at installation."""
    no_link: bool = False
    """Copied, never linked."""


@dataclass
class Package:
    """A package being put together. `noarch` is ``python`` or ``generic`` for packages of every platform."""

    name: str
    version: str
    build: str
    subdir: str
    depends: Iterable[str] = ()
    constrains: Iterable[str] = ()
    noarch: str | None = None
    build_number: int = 0
    license: str = "Apache-2.0"
    summary: str = ""
    entry_points: list[str] = field(default_factory=list)
    track_features: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further fields of info/index.json."""
    entries: dict[str, Entry] = field(default_factory=dict)

    def add(self, path: str, data: bytes, mode: int = 0o644, *, placeholder: str | None = None, no_link: bool = False) -> None:
        """Adds a file."""
        self.entries[path] = Entry(data, None, mode, placeholder, no_link)

    def link(self, path: str, target: str) -> None:
        """Adds a symbolic link."""
        self.entries[path] = Entry(link=target, mode=0o777)

    def add_text(self, path: str, data: bytes, prefix: bytes, mode: int = 0o644) -> None:
        """Adds a file in which `prefix`, where it occurs in a text, becomes the placeholder."""
        if prefix and prefix in data and b"\0" not in data:
            self.add(path, data.replace(prefix, PLACEHOLDER.encode()), mode, placeholder="text")
        else:
            self.add(path, data, mode)

    def index(self) -> dict[str, Any]:
        """info/index.json."""
        out: dict[str, Any] = {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": self.build_number,
            "depends": list(self.depends),
            "constrains": list(self.constrains),
            "license": self.license,
            "subdir": "noarch" if self.noarch else self.subdir,
            "timestamp": TIMESTAMP,
            **self.extra,
        }
        if self.track_features:
            out["track_features"] = self.track_features
        if self.noarch:
            out["noarch"] = self.noarch
        else:
            system, _, arch = self.subdir.partition("-")
            out |= {"platform": system, "arch": ARCH[arch]}
        return out

    def paths(self) -> list[dict[str, Any]]:
        """The rows of info/paths.json; a link has hash and size of what it leads to, as conda-build writes it."""
        rows = []
        for path in sorted(self.entries):
            entry = self.entries[path]
            content = self._content(path)
            row: dict[str, Any] = {
                "_path": path,
                "path_type": "hardlink" if entry.link is None else "softlink",
                "sha256": hashlib.sha256(content).hexdigest(),
                "size_in_bytes": len(content),
            }
            if entry.no_link:
                row["no_link"] = True
            if entry.placeholder:
                row |= {"prefix_placeholder": PLACEHOLDER, "file_mode": entry.placeholder}
            rows.append(row)
        return rows

    def _content(self, path: str) -> bytes:
        for _ in range(10):
            entry = self.entries.get(path)
            if entry is None or entry.link is None:
                return entry.data if entry else b""
            path = posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.link))
        return b""

    def write(self, channel: Path, suffix: str = ".conda") -> Path:
        """Writes ``CHANNEL/SUBDIR/NAME-VERSION-BUILD.conda`` (or ``.tar.bz2``)."""
        index = self.index()
        rows = self.paths()
        documents: dict[str, Any] = {
            "info/index.json": index,
            "info/about.json": {"summary": self.summary, "license": self.license},
            "info/paths.json": {"paths": rows, "paths_version": 1},
        }
        if self.noarch == "python":
            documents["info/link.json"] = {
                "noarch": {"type": "python", "entry_points": self.entry_points},
                "package_metadata_version": 1,
            }
        info = {name: Entry(json.dumps(document, indent=2).encode() + b"\n") for name, document in documents.items()}
        info["info/files"] = Entry("".join(f"{path}\n" for path in sorted(self.entries)).encode())
        prefixed = [f'{PLACEHOLDER} {row["file_mode"]} "{row["_path"]}"\n' for row in rows if "file_mode" in row]
        if prefixed:
            info["info/has_prefix"] = Entry("".join(prefixed).encode())
        unlinked = [f"{row['_path']}\n" for row in rows if row.get("no_link")]
        if unlinked:
            info["info/no_link"] = Entry("".join(unlinked).encode())
        stem = f"{self.name}-{self.version}-{self.build}"
        out = channel / index["subdir"] / (stem + suffix)
        out.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".tar.bz2":
            out.write_bytes(bz2.compress(_tar(info | self.entries), 1))
            return out
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            for name, data in (
                ("metadata.json", b'{"conda_pkg_format_version": 2}'),
                (f"pkg-{stem}.tar.zst", _zstd(_tar(self.entries))),
                (f"info-{stem}.tar.zst", _zstd(_tar(info))),
            ):
                archive.writestr(zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0)), data)
        return out


def _tar(entries: dict[str, Entry]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(entries):
            entry = entries[path]
            member = tarfile.TarInfo(path)
            member.mtime, member.mode = TIMESTAMP // 1000, entry.mode
            if entry.link is not None:
                member.type, member.linkname = tarfile.SYMTYPE, entry.link
                tar.addfile(member)
            else:
                member.size = len(entry.data)
                tar.addfile(member, io.BytesIO(entry.data))
    return out.getvalue()


def _zstd(data: bytes) -> bytes:
    """`data` as one zstd frame of raw blocks: magic, no flags, a window of 128 KiB."""
    size = 1 << 17
    out = [b"\x28\xb5\x2f\xfd\x00\x38"]
    for at in range(0, max(len(data), 1), size):
        block = data[at : at + size]
        last = at + size >= len(data)
        out += [struct.pack("<I", len(block) << 3 | last)[:3], block]
    return b"".join(out)


def record_rows(files: dict[str, bytes], info: str) -> bytes:
    """RECORD for `files` (paths relative to site-packages) with `info` as the dist-info folder."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for path, data in sorted(files.items()):
        value = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        writer.writerow((path, f"sha256={value}", len(data)))
    writer.writerow((f"{info}/RECORD", "", ""))
    return out.getvalue().encode()
