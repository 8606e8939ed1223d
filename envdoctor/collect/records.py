"""RECORD of every distribution of a site folder, by folder: what the walk expects to find.

Columns and sets, no object for a row: 80,000 rows cost little more than cutting their text. Specification:
https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import msgspec

from envdoctor.collect import files as fs
from envdoctor.lazy import pattern

RECORD_LIMIT = 16 << 20
"""Bytes of a RECORD; the largest real ones have a tenth of it."""
MAX_PATH = 4096
"""Bytes of a path that a file system takes."""
MANY_ROWS = 20
"""Distributions of fewer files are always listed, whatever their times say."""
AT_ONCE = 50_000_000
"""Nanoseconds between two files that one installer writes one after the other."""
NOT_IMPORTED = frozenset(["tests", "test", "testing", "_tests"])
"""Folders whose modules no import of a package loads: their sizes are compared only with ``--deep``."""
NATIVE_SUFFIXES = (".so", ".pyd", ".dylib", ".dll")


def is_native(name: str) -> bool:
    """A file name of a native library or extension module: ``x.so``, ``libx.so.1.1k``, ``x.pyd``, ``x.dll``, ``x.dylib``."""
    if name.endswith(NATIVE_SUFFIXES):
        return True
    version = name.rpartition(".so.")[2] if ".so." in name else ""
    return bool(version) and all("0" <= part[:1] <= "9" for part in version.split("."))


class Rows:
    """RECORD of one metadata folder, column by column, as written (surrogate-escaped where not UTF-8)."""

    def __init__(self, file: str, paths: list[str], sizes: list[str], malformed: list[str], folders: set[str]) -> None:
        self.file = file
        """Where it stands."""
        self.paths, self.sizes = paths, sizes
        self.malformed = malformed
        """Lines that are no rows."""
        self.folders = folders
        """Folders that the rows stand in."""
        self.too_large = False

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.paths)

    def heads(self) -> set[str]:
        """The first parts of the folders."""
        return {folder.partition("/")[0] for folder in self.folders if folder}

    def tops(self) -> list[str]:
        """Paths that stand in no folder."""
        return [path for path in self.paths if "/" not in path] if "" in self.folders else []

    def hashes(self) -> list[str]:
        """The column of hashes. It is read once more: few of the many rows are ever asked for theirs."""
        try:
            paths, hashes, _, _ = columns(fs.read(self.file, RECORD_LIMIT + 1).data)
        except fs.Unreadable:
            paths, hashes = [], []
        return hashes if paths == self.paths else [""] * len(self.paths)  # written anew in between


class Recorded(msgspec.Struct):
    """The RECORDs of one site folder."""

    rows: dict[str, Rows] = msgspec.field(default_factory=dict)
    """By metadata folder. One whose RECORD is absent or cannot be opened is not here."""
    where: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Folder (relative, '' for the site folder) to the metadata folders that record something in it."""
    sure: set[str] = msgspec.field(default_factory=set)
    """Paths of ``untouched`` RECORDs that lie below the site folder and are spelled as a walk spells them; no compiled ones."""
    others: set[str] = msgspec.field(default_factory=set)
    """The same of all other RECORDs."""
    twice: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """Paths that more than one metadata folder records, with those; compiled modules aside."""
    untouched: dict[str, int] = msgspec.field(default_factory=dict)
    """Metadata folders whose RECORD an installer wrote here and nobody has changed since, with the time (ns) of that."""
    installers: dict[str, bytes] = msgspec.field(default_factory=dict)
    """What INSTALLER holds, of untouched metadata folders in which RECORD's hash of it says that."""
    index: Any = None
    """The compiled table that answers instead of ``where``, ``sure`` and ``others`` (``collect.compiled``); None without."""
    _with_protobuf: list[str] = msgspec.field(default_factory=list)
    _by_folder: dict[str, dict[str, dict[str, str]]] = msgspec.field(default_factory=dict)

    def groups(self, folder: str) -> dict[str, dict[str, str]]:
        """For every metadata folder that records something in `folder`: file name to size as recorded ('' for none)."""
        found = {}
        for info in self.where.get(folder, ()):
            index = self._by_folder.get(info)
            if index is None:
                index = self._by_folder[info] = {}
                rows = self.rows[info]
                for path, size in zip(rows.paths, rows.sizes, strict=True):
                    place, _, name = path.rpartition("/")
                    if place or path[0] != "/":
                        index.setdefault(place, {})[name] = size
            found[info] = index[folder]
        return found

    def owner(self, path: str) -> str | None:
        """The metadata folder that records `path`; the last by name where there are several."""
        if path not in self.sure and path not in self.others:
            return None
        folder, _, name = path.rpartition("/")
        infos = self.where.get(folder, ())
        if len(infos) == 1:
            return infos[0]
        groups = self.groups(folder)
        return next((info for info in reversed(infos) if name in groups[info]), None)

    def has(self, path: str) -> bool:
        """Some RECORD names `path`, spelled as a walk spells it."""
        return path in self.sure or path in self.others

    def unknown(self, info: str, known: set[str]) -> list[str]:
        """Folders of the rows of `info` that are not `known`, those of compiled modules aside."""
        return [folder for folder in self.rows[info].folders - known if not folder.endswith("__pycache__")]

    def generated(self) -> list[str]:
        """Recorded modules that protoc made."""
        ends = ("_pb2.py", "_pb2_grpc.py")
        return [path for info in self._with_protobuf for path in self.rows[info].paths if path.endswith(ends)]


def infos_in(root: str) -> list[str]:
    """Metadata folders in `root`, leftovers (``~name``) aside; none where it cannot be listed."""
    try:
        return [name for name in fs.names(root) if name.lower().endswith(".dist-info") and name[0] != "~"]
    except fs.Unreadable:
        return []


def read(root: str) -> Recorded:
    """The RECORDs of all dist-info folders in `root`, leftovers (``~name``) aside. A folder that cannot be listed has none."""
    from envdoctor.collect import compiled

    tidy = compiled.read(root, NOT_IMPORTED) if compiled.available() else None
    return tidy if tidy is not None else reference(root)


def reference(root: str) -> Recorded:
    """:func:`read` by this module alone."""
    found = Recorded()
    infos = infos_in(root)
    where: dict[str, list[str]] = {}
    for info in infos:
        try:
            data = fs.read(f"{root}/{info}/RECORD", RECORD_LIMIT + 1).data
        except fs.Unreadable:
            continue
        file = f"{root}/{info}/RECORD"
        if len(data) > RECORD_LIMIT:
            found.rows[info] = too_large(file)
            continue
        if b"_pb2" in data:
            found._with_protobuf.append(info)
        paths, _, sizes, malformed = columns(data)
        folders = {path.rpartition("/")[0] for path in paths}
        if "" in folders:
            folders -= _of_nobody(paths, malformed)
        for folder in folders:
            where.setdefault(folder, []).append(info)
        found.rows[info] = Rows(file, paths, sizes, malformed, folders)
        if note_times(found, root, info, data):
            found.sure.update(_plain(paths, folders))
        else:
            found.others.update(_plain(paths, folders))
    found.where = {folder: tuple(infos) for folder, infos in where.items()}
    found.twice = _twice(found)
    return found


def too_large(file: str) -> Rows:
    """Stands for a RECORD that is larger than any real one."""
    rows = Rows(file, [], [], [], set())
    rows.too_large = True
    return rows


def note_times(found: Recorded, root: str, info: str, data: bytes) -> bool:
    """Notes when and by whom the RECORD `data` was written; whether its files are taken for untouched since."""
    written = _written(f"{root}/{info}")
    if written:
        installer = _installer(data)
        if installer:
            fs.noted(f"{root}/{info}/INSTALLER")
            found.installers[info] = installer
    if not written or found.rows[info].count <= MANY_ROWS:
        return False
    found.untouched[info] = written
    return True


def _twice(found: Recorded) -> dict[str, list[str]]:
    """Paths that several RECORDs name: only folders of which several speak can have some."""
    common: dict[str, list[str]] = {}
    for folder, infos in found.where.items():
        if len(infos) > 1 and not folder.endswith("__pycache__"):
            for info in infos:
                common.setdefault(info, []).append(folder)
    named: dict[str, list[str]] = {}
    for info, folders in common.items():
        starts, exact = tuple(folder + "/" if folder else "" for folder in folders), set(folders)
        for path in {path for path in found.rows[info].paths if path.startswith(starts)}:
            if path.rpartition("/")[0] in exact and not path.endswith((".pyc", ".pyo")):
                named.setdefault(path, []).append(info)
    return {path: infos for path, infos in named.items() if len(infos) > 1}


def _plain(paths: list[str], folders: set[str]) -> Iterable[str]:
    """The `paths` that a walk would come to under the same spelling."""
    signs = _signs(folders)
    if not signs:
        return paths
    if signs == ["\n.", "/."]:
        odd = {folder for folder in folders if (folder[:1] == "." or "/." in folder) and _odd(folder)}
    else:
        odd = {folder for folder in folders if _odd(folder)}
    compiled = {folder for folder in odd if folder.endswith("__pycache__")}
    if compiled:
        paths = [path for path in paths if "__pycache__" not in path]
        odd -= compiled
    if odd and all(folder.startswith("..") for folder in odd):
        return [path for path in paths if path[0] != "." or not path.startswith("..")]
    starts = tuple(folder + "/" for folder in odd)
    return [path for path in paths if not path.startswith(starts) or path.rpartition("/")[0] not in odd] if odd else paths


_ODD = pattern(r"^\.\.?(?:/|$)|^/|//|/\.\.?(?:/|$)|(?:^|/)__pycache__$|\\|^.:")
_SIGNS = ("\n.", "\n/", "//", "/.", "__pycache__", "\\", ":")


def _odd(folder: str) -> bool:
    """A folder that no walk comes to under that spelling: outside, with ``.`` or ``..`` in it, or ``__pycache__``."""
    return _ODD.search(folder) is not None or len(folder) > MAX_PATH


def _signs(folders: set[str]) -> list[str]:
    """What of the signs of odd folders stands in any of them; all are asked at once. ``*`` for one that is too long."""
    together = "\n" + "\n".join(folders)
    found = [sign for sign in _SIGNS if sign in together]
    return [*found, "*"] if max(map(len, folders), default=0) > MAX_PATH else found


def _of_nobody(paths: list[str], malformed: list[str]) -> set[str]:
    """Notes rows like ``/name`` as malformed: the root of the file system belongs to no distribution.

    The folder '' where only they stand in it.
    """
    wrong = {path for path in paths if path[0] == "/" and "/" not in path[1:]}
    malformed += sorted(path[:200] for path in wrong)
    return {""} if wrong and not any("/" not in path for path in paths) else set()


def _written(info: str) -> int:
    """When an installer wrote the RECORD of that metadata folder, in nanoseconds; 0 unless plainly nobody touched it since.

    pip and uv write INSTALLER and RECORD last, one right after the other. A RECORD that was edited is later than its INSTALLER,
    one that was copied with its times has changed (ctime) later than it was written (mtime).
    """
    try:
        record, installer = os.stat(f"{info}/RECORD"), os.stat(f"{info}/INSTALLER")
    except (OSError, ValueError):
        return 0
    after = record.st_ctime_ns - installer.st_ctime_ns
    if 0 <= after <= AT_ONCE and abs(record.st_ctime_ns - record.st_mtime_ns) <= AT_ONCE and os.name == "posix":
        return record.st_ctime_ns
    return 0


INSTALLERS = {
    b"zuuue4knoyJ-UwPPXg8fezS7VCrXJQrAP7zeNuwvFQg": b"pip\n",
    b"5hhM4Q4mYTT9z6QB6PGpUAW81PGNFrYrdXMj4oM_6ak": b"uv",
}
"""What INSTALLER holds, by the hash that RECORD has of it: one file less to open for each distribution."""


def _installer(data: bytes) -> bytes:
    """What INSTALLER holds as far as the RECORD `data` tells, b'' where it does not."""
    at = data.find(b".dist-info/INSTALLER,sha256=")
    return INSTALLERS.get(data[at + 28 : at + 71], b"") if at > 0 else b""


def columns(data: bytes) -> tuple[list[str], list[str], list[str], list[str]]:
    """Path, hash and size of every row, and the lines that are no rows. Without quotes the whole file is cut at once."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    content = data.decode("utf-8", "surrogateescape")
    if '"' not in content:
        stripped = content.strip("\n")
        fields = stripped.replace("\n", ",").split(",") if stripped else []
        if len(fields) % 3 == 0 and "\0" not in stripped:
            # A line with more or fewer columns would shift a path or a hash into the sizes.
            paths, hashes, sizes = fields[0::3], fields[1::3], fields[2::3]
            digits = "".join(sizes)
            if "" not in paths and (not digits or (digits.isascii() and digits.isdigit())):
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


def sizes(data: bytes) -> list[str]:
    """The third column of a RECORD, as written; '' where a row has none."""
    return columns(data)[2]
