"""Reading files of a target that may be hostile: bounded, never blocking, never following a FIFO, device or loop.

Everything a collector reads goes through here. Nothing here writes.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import NamedTuple

MAX_TEXT = 4 << 20
"""Bytes read of a file whose format is text, unless the caller says otherwise."""

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


class Unreadable(Exception):
    """A file or folder that cannot be read; ``str()`` is the reason in a few words, without the path.

    ``missing`` is true when nothing is there at all.
    """

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing


class Content(NamedTuple):
    """Bytes of a file, and whether there were more."""

    data: bytes
    cut: bool
    size: int


def open_regular(path: str, *, dir_fd: int | None = None) -> tuple[int, os.stat_result]:
    """Descriptor and stat of a regular file (symbolic links followed). Raises Unreadable. The caller closes it."""
    try:
        fd = os.open(path, _FLAGS, dir_fd=dir_fd)
    except (OSError, ValueError) as error:
        raise unreadable(error) from None
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        os.close(fd)
        raise Unreadable("not a regular file")
    return fd, info


def read(path: str, limit: int = MAX_TEXT) -> Content:
    """At most `limit` bytes of a regular file. Raises Unreadable."""
    fd, info = open_regular(path)
    try:
        if 0 < info.st_size < min(limit, 1 << 20):
            part = os.read(fd, info.st_size + 1)
            if len(part) == info.st_size:
                return Content(part, False, info.st_size)
            parts = [part]
        else:
            parts = []
        left = limit - sum(map(len, parts))
        asked = min(left, max(info.st_size, 4096) + 1, 1 << 20)
        while left > 0:
            part = os.read(fd, asked)
            parts.append(part)
            left -= len(part)
            if len(part) < asked:
                break
            asked = min(left, 1 << 20)
        return Content(b"".join(parts)[:limit], left <= 0 and info.st_size > limit, info.st_size)
    except OSError as error:
        raise unreadable(error) from None
    finally:
        os.close(fd)


def read_text(path: str, limit: int = MAX_TEXT) -> str:
    """A text file as UTF-8 (byte order mark dropped, other bytes backslash-escaped). Raises Unreadable, also when longer."""
    content = read(path, limit)
    if content.cut:
        raise Unreadable(f"larger than {limit >> 20} MiB" if limit >= 1 << 20 else f"larger than {limit} bytes")
    return content.data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "backslashreplace")


def names(folder: str) -> list[str]:
    """Sorted names in `folder` as the file system gives them (surrogate-escaped). Raises Unreadable."""
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError) as error:
        raise unreadable(error) from None


def exists(path: str) -> bool:
    """Something is there, links followed; a loop or a path that cannot be one is not."""
    try:
        os.stat(path)
    except (OSError, ValueError):
        return False
    return True


def is_folder(path: str) -> bool:
    """A folder is there, links followed."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def is_file(path: str) -> bool:
    """A regular file is there, links followed."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def same(one: str, other: str) -> bool:
    """Both paths lead to the same file or folder."""
    try:
        return os.path.samestat(os.stat(one), os.stat(other))
    except (OSError, ValueError):
        return False


def unreadable(error: OSError | ValueError) -> Unreadable:
    """`error` in a few words."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Unreadable("not there", missing=True)
        words = {
            errno.EACCES: "permission denied",
            errno.EPERM: "permission denied",
            errno.ELOOP: "symbolic links form a loop",
            errno.ENAMETOOLONG: "name too long",
            errno.EISDIR: "a folder",
            errno.ENXIO: "not a regular file",
            errno.EIO: "input/output error",
        }
        return Unreadable(words.get(error.errno or 0, (error.strerror or "cannot be read").lower()))
    return Unreadable("not a possible path")
