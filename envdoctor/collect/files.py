"""Reading files of a target that may be hostile: bounded, never blocking, never following a FIFO, device or loop.

Everything a collector reads goes through here. Nothing here writes. What is asked is noted in the watch that is on
(``collect.watch``), so that a later run can tell whether the answers would be the same.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from envdoctor.collect import watch
from envdoctor.speed import speed

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
    """Descriptor and stat of a regular file (symbolic links followed). Raises Unreadable. The caller closes it.

    With `dir_fd` the file is not noted in the watch: the caller knows its absolute path, and notes it.
    """
    if watch.active is not None and dir_fd is None:
        watch.active.states[path] = None
    try:
        fd = os.open(path, _FLAGS, dir_fd=dir_fd)
    except (OSError, ValueError) as error:
        raise unreadable(error) from None
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        os.close(fd)
        raise Unreadable("not a regular file")
    return fd, info


def noted(path: str) -> None:
    """Notes that the content of the file at `path` counts, though it is known without opening it."""
    if watch.active is not None:
        watch.active.states[path] = None


def read(path: str, limit: int = MAX_TEXT) -> Content:
    """At most `limit` bytes of a regular file. Raises Unreadable."""
    if speed is not None:
        found = speed.read(path, limit)
        if found is not None:
            noted(path)
            return tuple.__new__(Content, found)
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
    return sorted(unsorted_names(folder))


def unsorted_names(folder: str) -> list[str]:
    """The same in any order."""
    if watch.active is not None:
        watch.active.states[folder] = None
    try:
        return os.listdir(folder)
    except (OSError, ValueError) as error:
        raise unreadable(error) from None


@contextmanager
def entries(folder: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """``os.scandir`` of `folder`. Raises Unreadable; the entries' own questions can raise OSError."""
    if watch.active is not None:
        watch.active.states[folder] = None
    try:
        found = os.scandir(folder)
    except (OSError, ValueError) as error:
        raise unreadable(error) from None
    with found:
        yield found


def stat_of(path: str) -> os.stat_result:
    """Size, times and mode of what stands at `path`, links followed. Raises OSError and ValueError."""
    if watch.active is not None:
        watch.active.states[path] = None
    return os.stat(path)


def exists(path: str) -> bool:
    """Something is there, links followed; a loop or a path that cannot be one is not."""
    return _ask("type", path) != -1


def is_folder(path: str) -> bool:
    """A folder is there, links followed."""
    return _ask("type", path) == stat.S_IFDIR


def is_file(path: str) -> bool:
    """A regular file is there, links followed."""
    return _ask("type", path) == stat.S_IFREG


def is_link(path: str) -> bool:
    """A symbolic link is there, wherever it leads."""
    return _ask("own-type", path) == stat.S_IFLNK


def is_there(path: str) -> bool:
    """Something is there, were it a link that leads nowhere."""
    return _ask("own-type", path) != -1


def link(path: str) -> str | None:
    """The text of a symbolic link; None where there is no link."""
    found = _ask("link", path)
    return found if isinstance(found, str) else None


def real(path: str) -> str:
    """`path` absolute, all links of it followed as far as there is anything; itself where it cannot be a path."""
    found = _ask("real", path)
    return found if isinstance(found, str) else path


def mode(path: str) -> int | None:
    """Permission bits of what stands at `path`, links followed."""
    found = _ask("mode", path)
    return found if isinstance(found, int) and found != -1 else None


def writable(path: str) -> bool:
    """This user may write to the file or folder at `path`, or into the folder that it could be made in."""
    while (answer := _ask("writable", path)) == -1:
        parent = os.path.dirname(path)
        if parent == path:
            return False
        path = parent
    return answer == 1


def same(one: str, other: str) -> bool:
    """Both paths lead to the same file or folder."""
    node = _ask("node", one)
    return node != -1 and node == _ask("node", other)


def _ask(question: str, path: str) -> watch.Answer:
    return watch.QUESTIONS[question](path) if watch.active is None else watch.active.ask(question, path)


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
