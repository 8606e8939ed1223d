"""Where the system's dynamic loader looks by itself: ``/etc/ld.so.cache``, its default folders, the configuration of musl.

The cache is read as a file, in the layouts of glibc's ``sysdeps/generic/dl-cache.h``: the old one of libc5 and glibc 2.0
(``ld.so-1.7.0``), the new one (``glibc-ld.so.cache1.1``), the new one inside the old one, and the extension section that
names the ``glibc-hwcaps`` subfolders (glibc 2.33). As in the loader, ``ld.so.conf`` plays no part in a search: ldconfig reads
it when it writes the cache, and where there is no cache only the default folders count.
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

from envdoctor.lazy import pattern

CACHE: Final = "/etc/ld.so.cache"
LEVELS: Final = ("x86-64-v4", "x86-64-v3", "x86-64-v2")
"""Subfolders of ``glibc-hwcaps`` on x86-64, best first."""

_OLD_MAGIC: Final = b"ld.so-1.7.0"
_NEW_MAGIC: Final = b"glibc-ld.so.cache1.1"
_OLD_HEADER, _OLD_ENTRY = 16, 12
_NEW_HEADER, _NEW_ENTRY = 48, 24
_MAX_ENTRIES: Final = 1 << 17
_MAX_STRING: Final = 4096
_MAX_SUBFOLDERS: Final = 256
_EXTENSION_MAGIC: Final = 0xEAA42174
_TAG_HWCAPS: Final = 1
_HWCAP_EXTENSION: Final = 1 << 30
_HWCAP_LEVELS: Final = (1 << 10) - 1
_HWCAP_TLS: Final = 1 << 63
_ENDIAN_UNSET, _ENDIAN_INVALID, _ENDIAN_LITTLE, _ENDIAN_BIG = 0, 1, 2, 3
_ELF: Final = frozenset({0, 1, 3})
"""Low bytes of an entry's flags that stand for an ELF library: any, libc5's, libc6's."""


class CacheError(ValueError):
    """The bytes are no library cache; ``str()`` says why in a few words."""


class Entry(NamedTuple):
    """One library of the cache."""

    name: str
    """Under which it is found: its soname, or its file name where it has none."""
    path: str
    flags: int
    """Kind of library and machine; 0x0303 is libc6 on x86-64."""
    subfolder: str | None = None
    """Name below ``glibc-hwcaps`` for one that only some processors take."""


def parse(data: bytes) -> list[Entry]:
    """The entries of an ``ld.so.cache`` in its order. Raises CacheError.

    Left out are entries for platforms of the old hwcap scheme (before glibc 2.33), which a plain entry of the same name
    always accompanies, and those whose offsets lie outside of the file.
    """
    if data.startswith(_NEW_MAGIC):
        return _new(data, 0)
    if not data.startswith(_OLD_MAGIC):
        raise CacheError("empty" if not data else "not a library cache")
    if len(data) < _OLD_HEADER:
        raise CacheError("truncated inside its header")
    for endian in ("<", ">"):
        (count,) = struct.unpack_from(f"{endian}I", data, 12)
        end = _OLD_HEADER + count * _OLD_ENTRY
        if end <= len(data):
            # the new table is aligned as its widest member, which i386 does not align at 8
            for start in (end + 7 & ~7, end + 3 & ~3):
                if data.startswith(_NEW_MAGIC, start):
                    return _new(data, start)
            return _old(data, endian, count)
    raise CacheError("truncated inside its table")


def _old(data: bytes, endian: str, count: int) -> list[Entry]:
    """Entries of the old layout; offsets count from the end of the table."""
    count = min(count, _MAX_ENTRIES)
    start = _OLD_HEADER + count * _OLD_ENTRY
    found: list[Entry] = []
    for flags, key, value in struct.iter_unpack(f"{endian}iII", data[_OLD_HEADER:start]):
        name, path = _string(data, start + key), _string(data, start + value)
        if name and path.startswith("/") and flags & 0xFF in _ELF:
            found.append(Entry(name, path, flags))
    return found


def _new(data: bytes, start: int) -> list[Entry]:
    """Entries of the new layout that begins at `start`; offsets count from there."""
    if start + _NEW_HEADER > len(data):
        raise CacheError("truncated inside its header")
    mark = data[start + 28] & 3
    if mark == _ENDIAN_INVALID:
        raise CacheError("marked as invalid")
    room = (len(data) - start - _NEW_HEADER) // _NEW_ENTRY
    endians = {_ENDIAN_LITTLE: "<", _ENDIAN_BIG: ">"}.get(mark, "<>")
    for endian in endians:
        count, _, _, extension = struct.unpack_from(f"{endian}IIII", data, start + 20)
        if count <= room:
            break
    else:
        raise CacheError("truncated inside its table")
    count = min(count, _MAX_ENTRIES)
    at = start + _NEW_HEADER
    rows = struct.iter_unpack(f"{endian}iIIIQ", data[at : at + count * _NEW_ENTRY])
    subfolders: list[str] | None = None
    found: list[Entry] = []
    find = data.find
    size = len(data)
    add = found.append
    for flags, key, value, _, hwcap in rows:
        key += start
        value += start
        if key >= size or value >= size or flags & 0xFF not in _ELF:
            continue
        subfolder = None
        if hwcap:
            if (hwcap >> 32) & ~_HWCAP_LEVELS == _HWCAP_EXTENSION:
                if subfolders is None:
                    subfolders = _subfolders(data, endian, extension)
                index = hwcap & 0xFFFFFFFF
                if index >= len(subfolders):
                    continue
                subfolder = subfolders[index]
            elif hwcap != _HWCAP_TLS:
                continue
        name, path = data[key : find(b"\0", key, key + _MAX_STRING)], data[value : find(b"\0", value, value + _MAX_STRING)]
        if name and path.startswith(b"/") and len(name) < _MAX_STRING and len(path) < _MAX_STRING:
            add(Entry(name.decode("utf-8", "surrogateescape"), path.decode("utf-8", "surrogateescape"), flags, subfolder))
    return found


def _subfolders(data: bytes, endian: str, offset: int) -> list[str]:
    """Names of the ``glibc-hwcaps`` subfolders, by number; offsets count from the start of the file."""
    if offset == 0 or offset % 4 or offset + 8 > len(data):
        return []
    magic, count = struct.unpack_from(f"{endian}II", data, offset)
    if magic != _EXTENSION_MAGIC or offset + 8 + 16 * count > len(data):
        return []
    for number in range(min(count, 64)):
        tag, _, start, size = struct.unpack_from(f"{endian}IIII", data, offset + 8 + 16 * number)
        if tag == _TAG_HWCAPS and size % 4 == 0 and start + size <= len(data):
            places = struct.unpack_from(f"{endian}{min(size // 4, _MAX_SUBFOLDERS)}I", data, start)
            return [_string(data, place) for place in places]
    return []


def _string(data: bytes, at: int) -> str:
    """The text at `at`, empty where it does not end within 4 KiB or lies outside."""
    end = data.find(b"\0", at, at + _MAX_STRING) if at < len(data) else -1
    return data[at:end].decode("utf-8", "surrogateescape") if end >= 0 else ""


# --------------------------------------------------------------------------------------------------------- default folders
class Defaults(NamedTuple):
    """What is built into a dynamic loader."""

    folders: tuple[str, ...]
    """Its default folders, in order."""
    cache: str | None
    """Path of its cache; None for a loader that has none."""


_END = pattern(rb"lib(?:64|32|x32|n32)?/\0")
_RUN = pattern(rb"(?<=\0)(?:/[!-~]{1,250}/\0)+")
_CACHE_NAME = b"/ld.so.cache\0"


def built_in(loader: bytes) -> Defaults | None:
    """The default folders and the cache of a glibc loader (``ld-linux-*.so.*``), from its own bytes; None if not found.

    The folders stand one after the other in it, each ending in a slash and a NUL. So the answer is right for every
    distribution: the multiarch folders of Debian, lib64 of others, the store of Nix.
    """
    best: list[bytes] = []
    for number, match in enumerate(_END.finditer(loader)):
        if number > 100:
            break
        window = loader[max(0, match.start() - 1024) : match.end() + 1024]
        for run in _RUN.finditer(window):
            folders = run.group()[:-1].split(b"\0")
            if len(folders) > len(best) and any(_END.search(folder + b"\0") for folder in folders):
                best = folders
    if not best:
        return None
    cache = None
    end = loader.find(_CACHE_NAME)
    if end >= 0:
        start = loader.rfind(b"\0", max(0, end - 250), end) + 1
        path = loader[start : end + len(_CACHE_NAME) - 1]
        cache = path.decode("ascii", "replace") if path.startswith(b"/") and path.isascii() else CACHE
    return Defaults(tuple(folder[:-1].decode("ascii") for folder in best), cache)


def default_folders(machine: str, bits: int, multiarch: bool, wide: bool) -> tuple[str, ...]:
    """The default folders of glibc by the usual layouts, for a loader that cannot be read.

    `multiarch`: the system has ``/lib/TRIPLET`` (Debian and its kin). `wide`: it has ``/usr/lib64`` as a folder of its own.
    """
    if multiarch:
        name = triplet(machine)
        return (f"/lib/{name}", f"/usr/lib/{name}", "/lib", "/usr/lib")
    if wide and bits == 64:
        return ("/lib64", "/usr/lib64")
    return ("/lib", "/usr/lib")


def triplet(machine: str) -> str:
    """Debian's name of a machine's libraries: ``x86_64-linux-gnu``."""
    word = {"ppc64le": "powerpc64le", "i686": "i386", "armv7l": "arm", "x32": "x86_64", "aarch64_be": "aarch64_be"}.get(
        machine, machine
    )
    end = {"armv7l": "gnueabihf", "armv5l": "gnueabi", "x32": "gnux32"}.get(machine, "gnu")
    return f"{word}-linux-{end}"


MUSL_FOLDERS: Final = ("/lib", "/usr/local/lib", "/usr/lib")
"""Where musl looks without a path file."""


def musl_path_file(machine: str) -> str:
    """The file that names musl's folders."""
    word = {"i686": "i386", "armv7l": "armhf", "ppc64le": "powerpc64le"}.get(machine, machine)
    return f"/etc/ld-musl-{word}.path"


def musl_folders(content: str) -> tuple[str, ...]:
    """The folders in musl's path file, separated by colons or newlines."""
    return tuple(folder for folder in re.split(r"[:\n]", content) if folder.startswith("/"))


def configured(content: str) -> tuple[list[str], list[str]]:
    """Folders and include patterns of one ld.so.conf, in order."""
    folders: list[str] = []
    patterns: list[str] = []
    for line in content.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[0] == "include":
            patterns += words[1:]
        elif words[0] != "hwcap":
            folders += [folder for word in words for folder in re.split("[:,]", word) if folder.startswith("/")]
    return folders, patterns


def usable_levels(level: str | None) -> tuple[str, ...]:
    """Subfolders of ``glibc-hwcaps`` that a processor of that level takes, best first."""
    return tuple(name for name in LEVELS if level is not None and level.startswith("x86-64-v") and level >= name)
