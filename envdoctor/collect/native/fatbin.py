"""Device code in native files: for which GPU architectures a file really holds machine code and PTX.

CUDA's linker puts one *fat binary* per translation unit into the section ``.nv_fatbin``, end to end: a header (magic, version,
header size, size of the rest), then entries, each with a header (kind, header size, size of its content, architecture, flags).
Sizes lead from one to the next, so that of a library of a gigabyte some thousand headers of 64 bytes are read. NVIDIA does not
document the layout; this follows what files of CUDA 11 to 13 hold, and agrees with ``cuobjdump --list-elf --list-ptx`` on them.
Parts that were linked on the device (``__nv_relfatbin``) are inputs of that link and count for nothing.

HIP's section ``.hip_fatbin`` holds bundles of clang's offload bundler, plain or compressed (``CCOB``), each on a page of its
own: https://clang.llvm.org/docs/ClangOffloadBundler.html.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from envdoctor.collect.native.window import Window
from envdoctor.snapshot import CodeSet

_CUDA_MAGIC: Final = 0xBA55ED50
_PTX, _BINARY = 1, 2
_ENTRY: Final = 64
"""Bytes of an entry's header that are looked at; none is smaller."""
_ARCHITECTURE_SPECIFIC, _FAMILY_SPECIFIC = 1 << 20, 1 << 21
_MAX_READS: Final = 200_000
_MAX_SECTIONS: Final = 4096
_MAX_NAMES: Final = 1 << 20
MAX_SETS: Final = 50
_PAGE: Final = 4096
_BUNDLE: Final = b"__CLANG_OFFLOAD_BUNDLE__"
_COMPRESSED: Final = b"CCOB"
_MAX_TARGETS: Final = 512
_HEAD_OF_BUNDLE: Final = 64 << 10
_WANTED: Final[dict[bytes, Literal["cuda", "hip"]]] = {
    b".nv_fatbin": "cuda",
    b".nv_fatb": "cuda",
    b".hip_fatbin": "hip",
    b".hip_fat": "hip",
}
"""Sections by name; those of PE files are cut to eight letters."""


class Found(NamedTuple):
    """Device code of one file."""

    kind: Literal["cuda", "hip"]
    sets: tuple[CodeSet, ...]
    problem: str | None


class _Broken(ValueError):
    """Content that is not what its format says."""


def read(fd: int, head: bytes, size: int) -> list[Found]:
    """The device code of an open ELF or PE file, of which `head` are the first bytes; nothing where it has none.

    Whatever the content claims, at most 200,000 short reads are made. Raises OSError when the disk fails.
    """
    window = Window(fd, head, size)
    try:
        sections = list(_elf(window) if head[:4] == b"\x7fELF" else _pe(window) if head[:2] == b"MZ" else ())
    except (struct.error, _Broken):
        return []
    found = []
    kinds: tuple[Literal["cuda", "hip"], ...] = ("cuda", "hip")
    for kind in kinds:
        sets: Counter[tuple[tuple[str, ...], tuple[str, ...]]] = Counter()
        problem = None
        for name, start, length in sections:
            if name == kind:
                try:
                    for one in _cuda(window, start, length) if kind == "cuda" else _hip(window, start, length):
                        sets[one] += 1
                except (struct.error, _Broken) as error:
                    problem = str(error) if isinstance(error, _Broken) else "a fat binary that is cut off"
        if sets or problem:
            ordered = sorted(sets.items(), key=lambda item: (-item[1], item[0]))
            facts = tuple(CodeSet(binaries=b, ptx=p, count=count) for (b, p), count in ordered[:MAX_SETS])
            found.append(Found(kind, facts, problem))
    return found


# ------------------------------------------------------------------------------------------------------------- sections


def _elf(window: Window) -> Iterator[tuple[str, int, int]]:
    """Kind, offset and size of the sections that matter, of a 64-bit little-endian ELF file."""
    head = window.head
    if head[4:6] != b"\2\1":
        return
    (table,) = struct.unpack_from("<Q", head, 40)
    width, count, names = struct.unpack_from("<HHH", head, 58)
    if not table or width != 64 or not 0 < count <= _MAX_SECTIONS or names >= count:
        return
    headers = list(struct.iter_unpack("<IIQQQQIIQQ", window.at(table, 64 * count)[: 64 * count]))
    if len(headers) != count:
        return
    strings = window.at(headers[names][4], min(headers[names][5], _MAX_NAMES))
    for header in headers:
        end = strings.find(b"\0", header[0], header[0] + 16)
        kind = _WANTED.get(strings[header[0] : end])
        if kind is not None and header[1] != 8 and header[5]:
            yield kind, header[4], min(header[5], window.size - header[4])


def _pe(window: Window) -> Iterator[tuple[str, int, int]]:
    """The same for a PE file."""
    (start,) = struct.unpack_from("<I", window.head, 60)
    raw = window.at(start, 24)
    if raw[:4] != b"PE\0\0":
        return
    (count,) = struct.unpack_from("<H", raw, 6)
    (optional,) = struct.unpack_from("<H", raw, 20)
    table = window.at(start + 24 + optional, 40 * min(count, 96))
    for at in range(0, len(table) - 39, 40):
        kind = _WANTED.get(table[at : at + 8].rstrip(b"\0"))
        if kind is not None:
            size, offset = struct.unpack_from("<II", table, at + 16)
            yield kind, offset, min(size, window.size - offset)


# ----------------------------------------------------------------------------------------------------------------- CUDA


def _cuda(window: Window, start: int, length: int) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Architectures of the machine code and of the PTX of every fat binary in a section."""
    at, end, reads = start, start + length, 0
    while at + 16 <= end:
        raw = window.at(at, 16 + _ENTRY)
        reads += 1
        magic, _, width, size = struct.unpack_from("<IHHQ", raw)
        if magic != _CUDA_MAGIC:
            # the linker aligns what it puts end to end
            gap = len(raw) - len(raw.lstrip(b"\0"))
            if gap < 8:
                raise _Broken("something else than a fat binary between fat binaries")
            at += gap & ~7
            if reads > _MAX_READS:
                raise _Broken("more fat binaries than can be")
            continue
        if width < 16 or at + width + size > end:
            raise _Broken("a fat binary that is longer than its section")
        entry, last = at + width, at + width + size
        raw = raw[width:] if width == 16 else b""
        binaries: set[str] = set()
        ptx: set[str] = set()
        while entry + _ENTRY <= last:
            if len(raw) < _ENTRY:
                raw = window.at(entry, _ENTRY)
                reads += 1
            kind, _, header, content = struct.unpack_from("<HHIQ", raw)
            (architecture,) = struct.unpack_from("<I", raw, 28)
            (flags,) = struct.unpack_from("<Q", raw, 40)
            if header < 48 or reads > _MAX_READS or entry + header + content > last:
                raise _Broken("an entry that is longer than its fat binary")
            if kind == _BINARY:
                binaries.add(f"sm_{architecture}{'a' if flags & _ARCHITECTURE_SPECIFIC else ''}")
            elif kind == _PTX:
                suffix = "a" if flags & _ARCHITECTURE_SPECIFIC else "f" if flags & _FAMILY_SPECIFIC else ""
                ptx.add(f"compute_{architecture}{suffix}")
            entry += header + content
            raw = b""
        if binaries or ptx:
            yield _sorted(binaries), _sorted(ptx)
        at = last


def _sorted(names: set[str]) -> tuple[str, ...]:
    """Architectures by number."""
    return tuple(sorted(names, key=lambda name: (int("".join(filter(str.isdigit, name)) or 0), name)))


# ------------------------------------------------------------------------------------------------------------------ HIP


def _hip(window: Window, start: int, length: int) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Targets of the code objects of every bundle in a section."""
    at, end = start, start + length
    for _ in range(_MAX_READS):
        if at + 32 > end:
            return
        raw = window.at(at, 32)
        if raw.startswith(_BUNDLE):
            targets, size = _bundle(window.at(at, min(_HEAD_OF_BUNDLE, end - at)))
        elif raw.startswith(_COMPRESSED):
            targets, size = _compressed(window, at, raw)
        elif not raw.strip(b"\0"):
            at = (at // _PAGE + 1) * _PAGE
            continue
        else:
            raise _Broken("something else than a bundle between bundles")
        if targets:
            yield targets, ()
        at = -(-(at + max(size, 1)) // _PAGE) * _PAGE


def _bundle(raw: bytes) -> tuple[tuple[str, ...], int]:
    """Targets of an uncompressed bundle, and its size."""
    (count,) = struct.unpack_from("<Q", raw, len(_BUNDLE))
    at, size = len(_BUNDLE) + 8, 0
    targets: set[str] = set()
    for _ in range(min(count, _MAX_TARGETS)):
        offset, length, width = struct.unpack_from("<QQQ", raw, at)
        name = raw[at + 24 : at + 24 + min(width, 200)].decode("ascii", "replace")
        at += 24 + width
        size = max(size, offset + length)
        if name.startswith("hip") and "--" in name:
            targets.add(name.rpartition("--")[2])
    return tuple(sorted(targets)), size


def _compressed(window: Window, at: int, raw: bytes) -> tuple[tuple[str, ...], int]:
    """The same of a compressed bundle."""
    version, method = struct.unpack_from("<HH", raw, 4)
    if version == 2:
        (size,), header = struct.unpack_from("<I", raw, 8), 24
    elif version == 3:
        (size,), header = struct.unpack_from("<Q", raw, 8), 32
    else:
        raise _Broken(f"a compressed bundle of version {version}, which is not known here")
    content = window.at(at + header, min(size - header, 1 << 20))
    try:
        plain = zlib.decompressobj().decompress(content, _HEAD_OF_BUNDLE) if method == 0 else _zstandard(content)
    except zlib.error:
        raise _Broken("a compressed bundle that is damaged") from None
    if not plain.startswith(_BUNDLE):
        raise _Broken("a compressed bundle that is damaged")
    return _bundle(plain)[0], size


def _zstandard(content: bytes) -> bytes:
    """The beginning of a Zstandard frame. Python has had that since 3.14; before, one of two common packages is asked."""
    for name in ("compression.zstd", "backports.zstd", "zstandard"):
        try:
            module: Any = importlib.import_module(name)
        except ImportError:
            continue
        try:
            if name == "zstandard":
                plain: bytes = module.ZstdDecompressor().decompressobj().decompress(content)[:_HEAD_OF_BUNDLE]
            else:
                plain = module.ZstdDecompressor().decompress(content, _HEAD_OF_BUNDLE)
        except (module.ZstdError, EOFError):
            raise _Broken("a compressed bundle that is damaged") from None
        return plain
    raise _Broken("a bundle compressed with Zstandard, which this Python cannot read")
