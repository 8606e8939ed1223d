"""RECORD of every distribution of a site folder, by folder: what the walk expects to find.

One dictionary for each folder instead of one path for each file: 80,000 rows then cost little more than the listing of
their folders. Specification: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from envdoctor.collect import files as fs

RECORD_LIMIT = 16 << 20
"""Bytes of a RECORD; the largest real ones have a tenth of it."""
MAX_PATH = 4096
"""Bytes of a path that a file system takes."""
NATIVE_SUFFIXES = (".so", ".pyd", ".dylib", ".dll")


def is_native(name: str) -> bool:
    """A file name of a native library or extension module: ``x.so``, ``libx.so.1.2``, ``x.pyd``, ``x.dll``, ``x.dylib``."""
    return name.endswith(NATIVE_SUFFIXES) or (".so." in name and name.rpartition(".so.")[2].replace(".", "").isdigit())


class Rows(NamedTuple):
    """RECORD of one metadata folder, column by column, as written (surrogate-escaped where not UTF-8)."""

    paths: list[str]
    hashes: list[str]
    sizes: list[str]
    malformed: list[str]
    """Lines that are no rows."""
    folders: list[str]
    """Folders that the rows stand in."""
    too_large: bool = False


@dataclass
class Recorded:
    """The RECORDs of one site folder."""

    rows: dict[str, Rows] = field(default_factory=dict)
    """By metadata folder. One whose RECORD is absent or cannot be opened is not here."""
    folders: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    """Folder (relative, '' for the site folder) to metadata folder to file name to recorded size ('' for none)."""
    parents: set[str] = field(default_factory=set)
    """All recorded folders and the folders above them."""

    def owner(self, path: str) -> str | None:
        """The metadata folder that records `path`; the last by name where there are several."""
        folder, _, name = path.rpartition("/")
        found = None
        for info, names in self.folders.get(folder, {}).items():
            if name in names:
                found = info
        return found

    def shared(self) -> Iterator[tuple[str, list[str]]]:
        """Paths that several metadata folders record, with those; compiled Python files aside."""
        for folder, groups in self.folders.items():
            if len(groups) < 2 or folder.endswith("__pycache__"):
                continue
            seen: set[str] = set()
            double: set[str] = set()
            for names in groups.values():
                double |= seen & names.keys()
                seen |= names.keys()
            for name in double:
                if not name.endswith((".pyc", ".pyo")):
                    path = f"{folder}/{name}" if folder else name
                    yield path, [info for info, names in groups.items() if name in names]


def read(root: str) -> Recorded:
    """The RECORDs of all dist-info folders in `root`, leftovers (``~name``) aside. A folder that cannot be listed has none."""
    found = Recorded()
    try:
        infos = [name for name in fs.names(root) if name.lower().endswith(".dist-info") and name[0] != "~"]
    except fs.Unreadable:
        return found
    by_folder = found.folders
    for info in infos:
        try:
            data = fs.read(f"{root}/{info}/RECORD", RECORD_LIMIT + 1).data
        except fs.Unreadable:
            continue
        if len(data) > RECORD_LIMIT:
            found.rows[info] = Rows([], [], [], [], [], True)
            continue
        paths, hashes, sizes, malformed = _columns(data)
        own: dict[str, dict[str, str]] = {}
        last = None
        group: dict[str, str] = {}
        for path, size in zip(paths, sizes, strict=True):
            folder, _, name = path.rpartition("/")
            if not folder and len(name) < len(path):
                malformed.append(path[:200])  # "/name": the root of the file system belongs to no distribution
                continue
            if folder != last:
                last = folder
                group = own.setdefault(folder, {})
            group[name] = size
        for folder, group in own.items():
            if folder in by_folder:
                by_folder[folder][info] = group
            else:
                by_folder[folder] = {info: group}
        found.rows[info] = Rows(paths, hashes, sizes, malformed, list(own))
    parents = found.parents
    parents.update(by_folder)
    for folder in by_folder:
        if len(folder) > MAX_PATH or folder.startswith(("..", "/")):
            continue  # no listing comes there
        while folder:
            folder = folder.rpartition("/")[0]
            if folder in parents:
                break
            parents.add(folder)
    return found


def _columns(data: bytes) -> tuple[list[str], list[str], list[str], list[str]]:
    """Path, hash and size of every row, and the lines that are no rows. Without quotes the whole file is cut at once."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    content = data.decode("utf-8", "surrogateescape")
    if '"' not in content:
        stripped = content.strip("\n")
        lines = stripped.count("\n") + 1 if stripped else 0
        if stripped.count(",") == 2 * lines and "\n\n" not in stripped:
            fields = stripped.replace("\n", ",").split(",")
            paths, hashes, sizes = fields[0::3], fields[1::3], fields[2::3]
            digits = "".join(sizes)
            if "\0" not in stripped and "" not in paths and (not digits or (digits.isascii() and digits.isdigit())):
                return paths, hashes, sizes, []
    import csv

    paths, hashes, sizes, malformed = [], [], [], []
    csv.field_size_limit(1 << 20)
    rows = csv.reader(content.splitlines())
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            malformed.append(str(error))
            continue
        if not row:
            continue
        if len(row) not in (2, 3) or not row[0] or "\0" in row[0]:
            malformed.append(",".join(row)[:200])
            continue
        paths.append(row[0])
        hashes.append(row[1])
        sizes.append(row[2] if len(row) == 3 else "")
    return paths, hashes, sizes, malformed
