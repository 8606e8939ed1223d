"""Files that outlive a run: in the user's cache folder, whole or not there, private, bounded.

A file is written beside its name and renamed, so that a reader sees the old one or the new one, never a part; a length and a
checksum catch what a crash of the machine leaves. Nothing here is needed: where the folder cannot be used, or a file does not
hold together, a run reads everything anew. docs/decisions/006-the-cache.md says what is kept and when it is believed.
"""

from __future__ import annotations

import os
import stat
import sys
import time
import zlib
from collections.abc import Iterator, Mapping

from envdoctor.lazy import pattern
from envdoctor.tuples import NamedTuple

VARIABLE = "ENVDOCTOR_CACHE_DIR"
LIMIT = 256 << 20
"""Bytes of all files together; the longest unused go first."""
MAX_FILE = 64 << 20
"""Bytes of one file; larger ones are not kept."""
ABANDONED = 3600
"""Seconds after which a file that nobody finished is removed."""
USED = 86400
"""Seconds after which a use is noted in a file's time again."""

_MAGIC = b"envdoctor cache\n"
_NAME = pattern(r"[0-9a-f]{32}\.(?:facts|findings)")
_TEMPORARY = pattern(r"\.[0-9a-f]{32}\.(?:facts|findings)\.[0-9]+-[0-9a-f]{8}")
_TAG = "CACHEDIR.TAG"
_TAG_TEXT = b"Signature: 8a477f597d28d172789f06886806bc55\n# Made by envdoctor; https://bford.info/cachedir/\n"


class Entry(NamedTuple):
    """A file of the store."""

    name: str
    size: int
    modified: float


class Unusable(Exception):
    """The folder cannot be used; ``str()`` says why, for a person."""


def locate(environ: Mapping[str, str], home: str | None, platform: str = sys.platform) -> str | None:
    """The cache folder of the user whose variables and home these are: ENVDOCTOR_CACHE_DIR, else the platform's place.

    Relative paths in variables are ignored, as the XDG specification asks. None where nothing tells a place.
    """
    own = environ.get(VARIABLE)
    if own and os.path.isabs(own):
        return os.path.normpath(own)
    if platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return os.path.join(local, "envdoctor", "cache") if local and os.path.isabs(local) else None
    base = environ.get("XDG_CACHE_HOME")
    if not base or not os.path.isabs(base):
        if not home or not os.path.isabs(home):
            return None
        base = f"{home}/Library/Caches" if platform == "darwin" else f"{home}/.cache"
    return os.path.join(base, "envdoctor")


class Store:
    """The files of one cache folder. Reading never raises; the rest raises :class:`Unusable` and nothing else."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    # ------------------------------------------------------------------------------------------------------- reading
    def read(self, name: str) -> memoryview | None:
        """What was written under that name; None where nothing was, or it is damaged, or somebody else's."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            fd = os.open(f"{self.folder}/{name}", flags | getattr(os, "O_BINARY", 0))
        except (OSError, ValueError):
            return None
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_FILE or not _own(info):
                return None
            data = os.read(fd, info.st_size + 1)
            content = _unwrapped(data) if len(data) == info.st_size else None
            if content is not None and not -USED < time.time() - info.st_mtime < USED:
                os.utime(f"{self.folder}/{name}")
            return content
        except OSError:
            return None
        finally:
            os.close(fd)

    # ------------------------------------------------------------------------------------------------------- writing
    def write(self, name: str, content: bytes) -> None:
        """Puts `content` under a name (32 hex digits, a dot, ``facts`` or ``findings``), whole. Raises Unusable."""
        if not _NAME.fullmatch(name):
            raise ValueError(name)
        data = b"".join((_MAGIC, len(content).to_bytes(8, "big"), zlib.crc32(content).to_bytes(4, "big"), content))
        if len(data) > MAX_FILE:
            raise Unusable(f"{len(data) >> 20} MiB are more than a file may have")
        self._prepare()
        temporary = f"{self.folder}/.{name}.{os.getpid()}-{os.urandom(4).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            fd = os.open(temporary, flags | getattr(os, "O_BINARY", 0), 0o600)
            try:
                try:
                    left = memoryview(data)
                    while left:
                        left = left[os.write(fd, left) :]
                finally:
                    os.close(fd)
                os.replace(temporary, f"{self.folder}/{name}")
            except BaseException:
                _remove(temporary)
                raise
            self._shrink()
        except OSError as error:
            raise Unusable(f"cannot be written: {error.strerror or error}") from None

    def _prepare(self) -> None:
        """Makes the folder where it is missing, and makes sure that nobody else can put files there."""
        folder = self.folder
        try:
            made = False
            if not os.path.lexists(folder):
                above = os.path.dirname(folder)
                while not os.path.exists(above) and above != os.path.dirname(above):
                    above = os.path.dirname(above)
                # `sudo` that keeps HOME: root's files in a user's cache folder would lock the user out
                if _user() == 0 and os.stat(above).st_uid != 0:
                    raise Unusable("belongs to another user")
                os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
                try:
                    os.mkdir(folder, 0o700)
                    made = True
                except FileExistsError:
                    pass
            self._check()
            if made:
                with open(f"{folder}/{_TAG}", "xb") as tag:  # noqa: PTH123
                    tag.write(_TAG_TEXT)
        except FileExistsError:
            pass
        except (OSError, ValueError) as error:
            raise Unusable(f"cannot be made: {getattr(error, 'strerror', None) or error}") from None

    def _check(self) -> None:
        """Raises Unusable for a folder that another user owns, has linked here, or may write into."""
        try:
            here, info = os.lstat(self.folder), os.stat(self.folder)
        except (OSError, ValueError) as error:
            raise Unusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
        if not stat.S_ISDIR(info.st_mode):
            raise Unusable("is no folder")
        if not _own(here) or not _own(info):
            raise Unusable("belongs to another user")
        if os.name == "posix" and info.st_mode & 0o022:
            raise Unusable("can be written by other users")

    def _shrink(self) -> None:
        """Removes what nobody finished, and the longest unused files beyond the limit."""
        now = time.time()
        kept: list[Entry] = []
        for entry in self._files():
            if _NAME.fullmatch(entry.name):
                kept.append(entry)
            elif abs(now - entry.modified) > ABANDONED:
                _remove(f"{self.folder}/{entry.name}")
        total = sum(entry.size for entry in kept)
        for entry in sorted(kept, key=lambda e: (e.modified, e.name)):
            if total <= LIMIT:
                break
            _remove(f"{self.folder}/{entry.name}")
            total -= entry.size

    # ------------------------------------------------------------------------------------------------------ the whole
    def usable(self) -> bool:
        """A reader may believe what is there: the folder is the user's own."""
        try:
            self._check()
        except Unusable:
            return False
        return True

    def entries(self) -> list[Entry]:
        """The store's own files, by name; none where there is no folder. Raises Unusable for a folder that is not the user's."""
        if not os.path.lexists(self.folder):
            return []
        self._check()
        return sorted(self._files())

    def clear(self) -> list[Entry]:
        """Removes every file of the store, no other, and the folder when nothing else is in it. Returns what was removed."""
        removed = [entry for entry in self.entries() if _remove(f"{self.folder}/{entry.name}")]
        try:
            if set(os.listdir(self.folder)) == {_TAG}:
                os.unlink(f"{self.folder}/{_TAG}")
            os.rmdir(self.folder)
        except OSError:
            pass
        return removed

    def _files(self) -> Iterator[Entry]:
        """Finished and unfinished files of the store."""
        try:
            with os.scandir(self.folder) as found:
                for item in found:
                    if _NAME.fullmatch(item.name) or _TEMPORARY.fullmatch(item.name):
                        try:
                            info = item.stat(follow_symlinks=False)
                        except OSError:
                            continue
                        yield Entry(item.name, info.st_size, info.st_mtime)
        except OSError as error:
            raise Unusable(f"cannot be read: {error.strerror or error}") from None


def _unwrapped(data: bytes) -> memoryview | None:
    """The content of a file that is whole."""
    start = len(_MAGIC) + 12
    if len(data) < start or not data.startswith(_MAGIC):
        return None
    length = int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 8], "big")
    content = memoryview(data)[start:]
    if length != len(content) or zlib.crc32(content) != int.from_bytes(data[start - 4 : start], "big"):
        return None
    return content


def _user() -> int | None:
    """The user as whom files are read; None where the system has no such number."""
    return os.geteuid() if hasattr(os, "geteuid") else None


def _own(info: os.stat_result) -> bool:
    user = _user()
    return user is None or info.st_uid == user


def _remove(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
