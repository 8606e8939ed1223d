"""A copy of a folder's state that costs little, and the way back to it. POSIX.

Files are cloned where the file system can (btrfs, XFS, APFS by ``cp``'s ioctl), else linked: an installer never writes into a
file that is there, because its own cache may be linked to it, it unlinks and writes a new one. What is edited in place by some
(metadata, scripts, ``.pth`` files, settings, conda's history) is copied. Whatever is linked is compared at the end with what it
was, so that a file that was written into is told of and never taken for restored.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Collection, Iterator

from envdoctor.tuples import NamedTuple

_FICLONE = 0x40049409
_EDITED = (".pth", ".cfg", ".conf", ".toml", ".lock", ".yml", ".yaml", ".json", ".egg-link", "history", "condarc")
_PLACES = ("bin", "Scripts", "conda-meta", "etc")


class Unable(Exception):
    """The state of a folder cannot be kept, or not be brought back; ``str()`` is one line."""


class Entry(NamedTuple):
    """One file, folder or link, as it was."""

    path: str
    """Relative to the root; '' for the root itself."""
    kind: str
    """``d`` folder, ``f`` file that was copied (or cloned), ``h`` file that was linked, ``l`` symbolic link."""
    mode: int
    size: int
    mtime: int
    """Nanoseconds."""
    inode: int
    target: str = ""
    """Text of a symbolic link."""


def keep(root: str, store: str, skip: Collection[str] = ()) -> list[Entry]:
    """The state of `root` (a folder, a file, or nothing at all), with its files below `store`. Raises Unable.

    `skip` are names at its top that are left alone, here and on the way back.
    """
    entries: list[Entry] = []
    try:
        os.mkdir(store)
        top = _lstat(root)
        if top is None:
            return []
        cloner = _Cloner()
        for path, found in _walk(root, top, skip):
            entries.append(_keep(root, store, path, found, cloner))
    except OSError as error:
        raise Unable(f"{error.filename or root}: {error.strerror or error}") from None
    return entries


def write(entries: list[Entry], file: str) -> None:
    """Notes entries in a file."""
    with open(file, "w", encoding="ascii") as stream:  # noqa: PTH123
        json.dump(entries, stream)
        stream.flush()
        os.fsync(stream.fileno())


def read(file: str) -> list[Entry]:
    """Entries from a file; none of them leads out of its folder, through a link or by its name. Raises Unable."""
    try:
        with open(file, encoding="ascii") as stream:  # noqa: PTH123
            entries = [Entry(*row) for row in json.load(stream)]
        folders: set[str] = set()
        for entry in entries:
            parts = entry.path.split("/")
            inside = entry.path == "" or (parts[0] != "" and not {"", ".", ".."}.intersection(parts) and "\0" not in entry.path)
            if not inside or entry.kind not in ("d", "f", "h", "l") or (entry.path and "/".join(parts[:-1]) not in folders):
                raise ValueError(f"no entry: {entry.path[:80]!r}")
            if entry.kind == "d":
                folders.add(entry.path)
        return entries
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Unable(f"{file}: {error}") from None


def bring_back(root: str, store: str, entries: list[Entry], skip: Collection[str] = ()) -> list[str]:
    """Makes `root` what it was; may be interrupted at any point and run again. Returns paths that could not be: files that
    were written into although they were linked. Raises Unable."""
    known = {entry.path: entry for entry in entries}
    damaged: list[str] = []
    try:
        if "" not in known:
            _remove(root)
            return []
        if known[""].kind == "d":
            _clear(root, known, skip)
        for entry in entries:
            if entry.kind == "d":
                _folder(_join(root, entry.path))
        for entry in entries:
            live, kept = _join(root, entry.path), _join(store, entry.path) if entry.path else f"{store}/file"
            if entry.kind == "l":
                _link(live, entry)
            elif entry.kind in ("f", "h") and not _file(live, kept, entry):
                damaged.append(entry.path or root)
        for entry in reversed(entries):
            if entry.kind == "d":
                place = _join(root, entry.path)
                os.chmod(place, entry.mode)
                os.utime(place, ns=(entry.mtime, entry.mtime))
    except OSError as error:
        raise Unable(f"{error.filename or root}: {error.strerror or error}") from None
    return damaged


def _walk(root: str, top: os.stat_result, skip: Collection[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below `root`, folders before what is in them; sockets, pipes and devices are left out."""
    yield "", top
    todo = [""] if stat.S_ISDIR(top.st_mode) else []
    while todo:
        folder = todo.pop()
        with os.scandir(_join(root, folder)) as found:
            inside = sorted(found, key=lambda entry: entry.name)
        for entry in inside:
            status = entry.stat(follow_symlinks=False)
            path = f"{folder}/{entry.name}" if folder else entry.name
            if path in skip:
                continue
            if stat.S_ISDIR(status.st_mode):
                if status.st_dev != top.st_dev:
                    raise Unable(f"{_join(root, path)} is another file system")
                todo.append(path)
            elif not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                continue
            yield path, status


def _keep(root: str, store: str, path: str, found: os.stat_result, cloner: _Cloner) -> Entry:
    live, kept = _join(root, path), _join(store, path) if path else f"{store}/file"
    mode = stat.S_IMODE(found.st_mode)
    values = (mode, found.st_size, found.st_mtime_ns, found.st_ino)
    if stat.S_ISDIR(found.st_mode):
        if path:
            os.mkdir(kept)
        return Entry(path, "d", *values)
    if stat.S_ISLNK(found.st_mode):
        return Entry(path, "l", *values, os.readlink(live))
    if cloner.clone(live, kept):
        shutil.copystat(live, kept)
        return Entry(path, "f", *values)
    if path and not _edited(path):
        try:
            os.link(live, kept, follow_symlinks=False)
            return Entry(path, "h", *values)
        except OSError:
            pass  # another file system, too many links, or somebody else's file
    shutil.copy2(live, kept, follow_symlinks=False)
    return Entry(path, "f", *values)


def _edited(path: str) -> bool:
    """A file that some program changes in place."""
    parts = path.split("/")
    folder = parts[-2] if len(parts) > 1 else ""
    return (
        len(parts) == 1
        or parts[0] in _PLACES
        or folder.endswith((".dist-info", ".egg-info"))
        or folder in ("site-packages", "dist-packages")
        or parts[-1].endswith(_EDITED)
    )


class _Cloner:
    """Clones files as long as the file system can."""

    def __init__(self) -> None:
        self.works = os.uname().sysname == "Linux"

    def clone(self, source: str, target: str) -> bool:
        """`target` shares the blocks of `source` until one of them changes; False where that is not possible."""
        if not self.works:
            return False
        import fcntl

        with open(source, "rb") as one, open(target, "wb") as other:  # noqa: PTH123
            try:
                fcntl.ioctl(other.fileno(), _FICLONE, one.fileno())
                return True
            except OSError:
                self.works = False
        os.unlink(target)
        return False


def _clear(root: str, known: dict[str, Entry], skip: Collection[str]) -> None:
    """Takes away what was not there, and what is of another kind now."""
    status = _lstat(root)
    if status is not None and not stat.S_ISDIR(status.st_mode):
        _remove(root)
        return
    todo = [""] if status is not None else []
    while todo:
        folder = todo.pop()
        place = _join(root, folder)
        _open_up(place)
        with os.scandir(place) as found:
            inside = list(found)
        for entry in inside:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if path in skip:
                continue
            was = known.get(path)
            kind = "l" if entry.is_symlink() else "d" if entry.is_dir(follow_symlinks=False) else "f"
            if was is None or was.kind.replace("h", "f") != kind:
                _remove(_join(root, path))
            elif kind == "d":
                todo.append(path)


def _remove(path: str) -> None:
    status = _lstat(path)
    if status is None:
        return
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(path)
        return
    for folder, _, _ in os.walk(path):
        _open_up(folder)
    shutil.rmtree(path)


def _open_up(folder: str) -> None:
    """A folder that may be listed and changed."""
    mode = stat.S_IMODE(os.lstat(folder).st_mode)
    if mode & 0o700 != 0o700:
        os.chmod(folder, mode | 0o700)


def _folder(path: str) -> None:
    if _lstat(path) is None:
        os.makedirs(path)


def _link(live: str, entry: Entry) -> None:
    if _lstat(live) is not None:
        if os.readlink(live) == entry.target:
            return
        os.unlink(live)
    os.symlink(entry.target, live)


def _file(live: str, kept: str, entry: Entry) -> bool:
    """The file is as it was; False where what was kept of it is not what it was."""
    now = _lstat(live)
    store = os.lstat(kept)
    whole = (store.st_size, store.st_mtime_ns) == (entry.size, entry.mtime)
    same = now is not None and (now.st_size, now.st_mtime_ns) == (entry.size, entry.mtime)
    if same and now is not None and now.st_ino == (store.st_ino if entry.kind == "h" else entry.inode):
        if stat.S_IMODE(now.st_mode) != entry.mode:
            os.chmod(live, entry.mode)
        return True
    temporary = f"{live}.envdoctor-{os.getpid()}"
    _remove(temporary)
    if entry.kind == "h":
        try:
            os.link(kept, temporary)
        except OSError:
            shutil.copy2(kept, temporary)
    else:
        shutil.copy2(kept, temporary)
    os.chmod(temporary, entry.mode)
    os.replace(temporary, live)
    if _lstat(temporary) is not None:
        os.unlink(temporary)  # both names were one file: rename does nothing then
    return whole


def _join(root: str, path: str) -> str:
    return f"{root}/{path}" if path else root


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None
