"""Mach-O headers: thin, fat and 64-bit fat files, every slice. Follows ``<mach-o/loader.h>`` and ``<mach-o/fat.h>``; export
tries follow ``<mach-o/loader.h>``'s notes on ``dyld_info_command``.

Java class files begin with the same four bytes as fat files; the count that follows tells them apart.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from envdoctor.collect.native.window import Window
from envdoctor.snapshot import Slice, text

Kind = Literal["library", "executable", "object", "other"]

THIN: Final = {
    b"\xfe\xed\xfa\xce": (">", 32),
    b"\xce\xfa\xed\xfe": ("<", 32),
    b"\xfe\xed\xfa\xcf": (">", 64),
    b"\xcf\xfa\xed\xfe": ("<", 64),
}
FAT: Final = {b"\xca\xfe\xba\xbe": 32, b"\xca\xfe\xba\xbf": 64}
MAX_SLICES: Final = 32
"""Java class files hold at least 45 there (version 1.1)."""

_MAX_COMMANDS: Final = 256 << 10
_MAX_SYMBOLS: Final = 1 << 18
_MAX_TRIE: Final = 16 << 20
_MAX_NODES: Final = 1 << 18
_MAX_NAME: Final = 1 << 14
_MAX_NAMES: Final = 64 << 20
"""Bytes of all names of one table together; libtorch's are 20 MiB."""
_MAX_STRINGS: Final = 64 << 20

_CPUS: Final = {
    7: "i386",
    0x01000007: "x86_64",
    12: "arm",
    0x0100000C: "arm64",
    0x0200000C: "arm64_32",
    18: "ppc",
    0x01000012: "ppc64",
}
_KINDS: Final[dict[int, Kind]] = {1: "object", 2: "executable", 6: "library", 8: "library", 9: "library"}
_PLATFORMS: Final = {
    1: "macos",
    2: "ios",
    3: "tvos",
    4: "watchos",
    5: "bridgeos",
    6: "maccatalyst",
    7: "iossimulator",
    8: "tvossimulator",
    9: "watchossimulator",
    10: "driverkit",
    11: "visionos",
    12: "visionossimulator",
}
_VERSION_MIN: Final = {0x24: "macos", 0x25: "ios", 0x2F: "tvos", 0x30: "watchos"}
_LOAD, _WEAK, _REEXPORT, _UPWARD, _LAZY = 0x0C, 0x80000018, 0x8000001F, 0x80000023, 0x20
_LOADS: Final = frozenset({_LOAD, _WEAK, _REEXPORT, _UPWARD, _LAZY})
_USE_MARKER: Final = 0x1A741800
"""In place of a time stamp: a ``dylib_use_command``, whose flags say how the library is used."""
_USE_WEAK, _USE_REEXPORT, _USE_DELAYED = 1, 2, 8
_ID, _RPATH, _BUILD_VERSION, _SYMTAB, _SEGMENT, _SEGMENT_64 = 0x0D, 0x8000001C, 0x32, 0x02, 0x01, 0x19
_DYSYMTAB, _DYLD_INFO, _DYLD_INFO_ONLY, _EXPORTS_TRIE = 0x0B, 0x22, 0x80000022, 0x80000033
_TWO_LEVEL: Final = 0x80
_SELF, _MAIN_PROGRAM, _ANYWHERE = 0, 255, 254
"""Library ordinals of ``n_desc`` that name no library: the file itself, the main program, whatever is loaded."""


class Part(NamedTuple):
    """One slice with where its symbols are."""

    slice: Slice
    kind: Kind
    problem: str | None
    base: int
    symtab: tuple[int, int, int, int] | None
    """(offset of the table, count, offset of the strings, their size), relative to the file's start."""
    external: tuple[tuple[int, int], tuple[int, int]] | None = None
    """(first entry, count) of the defined and of the undefined external symbols in the table, where it is sorted so."""
    trie: tuple[int, int] = (0, 0)
    """(offset, size) of the export trie, relative to the file's start."""
    libraries: tuple[str, ...] = ()
    """The libraries that ordinals count, from 1 on: every load command, twice where it stands twice."""
    two_level: bool = False
    """Undefined symbols say which library must define them."""


class MachO(Window):
    """One open Mach-O file. `head` are its first bytes, `size` its size."""

    def __init__(self, fd: int, head: bytes, size: int) -> None:
        super().__init__(fd, head, size)
        self.problem: str | None = None
        self.parts: list[Part] = []
        width = FAT.get(head[:4])
        if width is None:
            part = self._thin(0)
            if part:
                self.parts.append(part)
        else:
            self._fat(width)
        problems = [p.problem for p in self.parts if p.problem]
        if self.problem is None and problems:
            self.problem = problems[0]
        kinds = [p.kind for p in self.parts]
        self.kind: Kind = kinds[0] if kinds else "other"

    @property
    def slices(self) -> tuple[Slice, ...]:
        """The facts of each slice, in the file's order."""
        return tuple(p.slice for p in self.parts)

    def _fat(self, width: int) -> None:
        raw = self.head[4:8]
        count = int.from_bytes(raw, "big") if len(raw) == 4 else 0
        if not 0 < count <= MAX_SLICES:
            self.problem = "no valid fat Mach-O header"
            return
        entry = struct.Struct(">IIIII" if width == 32 else ">IIQQII")
        table = self.at(8, count * entry.size)
        if len(table) < count * entry.size:
            self.problem = "truncated inside the fat Mach-O header"
            return
        for fields in entry.iter_unpack(table):
            cpu, subtype, offset, size = fields[:4]
            if offset + size > self.size:
                self.problem = f"truncated: {self.size} bytes of at least {offset + size}"
            part = self._thin(offset, cpu, subtype)
            if part:
                self.parts.append(part)

    def _thin(self, base: int, cpu: int | None = None, subtype: int = 0) -> Part | None:
        raw = self.at(base, 32)
        layout = THIN.get(raw[:4])
        if layout is None or len(raw) < (28 if layout[1] == 32 else 32):
            if cpu is None:
                self.problem = "truncated inside the Mach-O header"
                return None
            archive = raw.startswith(b"!<arch>\n")
            name = cpu_name(cpu, subtype)
            bits: Literal[32, 64] = 64 if cpu & 0x01000000 else 32
            problem = None if archive else "a slice of it is no Mach-O file"
            return Part(Slice(machine=name, bits=bits), "object" if archive else "other", problem, base, None)
        endian, width = layout
        cpu, subtype, type_, count, length, flags = struct.unpack_from(endian + "IIIIII", raw, 4)
        start = 28 if width == 32 else 32
        commands = self.at(base + start, min(length, _MAX_COMMANDS))
        libraries: list[str] = []
        strong: set[str] = set()
        reexports: list[str] = []
        rpaths: list[str] = []
        identity = platform = minimum = None
        symtab: tuple[int, int, int, int] | None = None
        external: tuple[tuple[int, int], tuple[int, int]] | None = None
        trie = (0, 0)
        end = 0
        at = 0
        for _ in range(min(count, 4096)):
            if at + 8 > len(commands):
                break
            command, step = struct.unpack_from(endian + "II", commands, at)
            if step < 8 or at + step > len(commands):
                break
            if command in _LOADS or command in (_ID, _RPATH):
                if step >= 12:
                    (place,) = struct.unpack_from(endian + "I", commands, at + 8)
                    name = text(commands[at + place : at + step].split(b"\0", 1)[0]) if 12 <= place < step else ""
                    if command == _ID:
                        identity = name or None
                    elif name and command == _RPATH:
                        rpaths.append(name)
                    elif command in _LOADS:
                        libraries.append(name)
                        weak, passed_on = command in (_WEAK, _LAZY), command == _REEXPORT
                        if place == 28 and step > 28:
                            marker, use = struct.unpack_from(endian + "I8xI", commands, at + 12)
                            if marker == _USE_MARKER:
                                weak = weak or bool(use & (_USE_WEAK | _USE_DELAYED))
                                passed_on = passed_on or bool(use & _USE_REEXPORT)
                        if not weak:
                            strong.add(name)
                        if passed_on:
                            reexports.append(name)
            elif command in _VERSION_MIN and step >= 12:
                (version,) = struct.unpack_from(endian + "I", commands, at + 8)
                platform, minimum = _VERSION_MIN[command], version_name(version)
            elif command == _BUILD_VERSION and step >= 16:
                number, version = struct.unpack_from(endian + "II", commands, at + 8)
                found = _PLATFORMS.get(number, f"macho-platform-{number}")
                if platform is None or found == "macos":
                    platform, minimum = found, version_name(version)
            elif command == _SYMTAB and step >= 24:
                offset, symbols, strings, strings_size = struct.unpack_from(endian + "IIII", commands, at + 8)
                symtab = (base + offset, symbols, base + strings, strings_size)
            elif command == _DYSYMTAB and step >= 80:
                first, defined, after, undefined = struct.unpack_from(endian + "IIII", commands, at + 16)
                external = (first, defined), (after, undefined)
            elif command in (_DYLD_INFO, _DYLD_INFO_ONLY) and step >= 48:
                offset, filled = struct.unpack_from(endian + "II", commands, at + 40)
                trie = (base + offset, filled)
            elif command == _EXPORTS_TRIE and step >= 16:
                offset, filled = struct.unpack_from(endian + "II", commands, at + 8)
                trie = (base + offset, filled)
            elif command == _SEGMENT_64 and step >= 56:
                offset, filled = struct.unpack_from(endian + "QQ", commands, at + 40)
                end = max(end, offset + filled)
            elif command == _SEGMENT and step >= 40:
                offset, filled = struct.unpack_from(endian + "II", commands, at + 32)
                end = max(end, offset + filled)
            at += step
        problem = None
        if base + start + length > self.size:
            problem = "truncated inside its load commands"
        elif type_ != 10 and base + end > self.size:
            problem = f"truncated: {self.size} bytes of at least {base + end}"
        needed = tuple(dict.fromkeys(name for name in libraries if name))
        return Part(
            Slice(
                machine=cpu_name(cpu, subtype),
                bits=64 if width == 64 else 32,
                little_endian=endian == "<",
                needed=needed,
                weak=tuple(name for name in needed if name not in strong),
                reexports=tuple(dict.fromkeys(name for name in reexports if name)),
                soname=identity,
                runpath=tuple(rpaths),
                minimum_os=minimum,
                platform=platform,
            ),
            _KINDS.get(type_, "other"),
            problem,
            base,
            symtab,
            external,
            trie,
            tuple(libraries),
            bool(flags & _TWO_LEVEL),
        )

    # ------------------------------------------------------------------------------------------------------- symbols
    def symbols(self, part: Part) -> tuple[set[bytes], set[bytes]]:
        """(strong undefined, defined) external symbols of a slice, without their leading underscore."""
        undefined: set[bytes] = set()
        defined = set(self.exported(part))
        for word, type_, description, value in self._table(part, defined=True, undefined=True):
            if type_ & 0x0E:
                defined.add(word)
            elif value == 0 and not description & 0x40:
                undefined.add(word)
        return undefined, defined

    def wanted(self, part: Part) -> dict[str, set[bytes]]:
        """Strong undefined symbols of a slice by the library that must define them, by its name in ``Slice.needed``.

        Those that any library, the main program or the file itself may define are left out, and so are those that may be
        weak definitions (of C++), which whatever is loaded may give.
        """
        found: dict[str, set[bytes]] = {}
        for word, type_, description, value in self._table(part, undefined=True) if part.two_level else ():
            number = description >> 8 & 255
            strong = not type_ & 0x0E and value == 0 and not description & 0xC0
            if strong and number not in (_SELF, _MAIN_PROGRAM, _ANYWHERE) and number <= len(part.libraries):
                found.setdefault(part.libraries[number - 1], set()).add(word)
        return found

    def _table(self, part: Part, *, defined: bool = False, undefined: bool = False) -> Iterator[tuple[bytes, int, int, int]]:
        """(name without its leading underscore, type, description, value) of external symbols in the symbol table; at least
        those that are asked for."""
        if part.symtab is None:
            return
        offset, count, strings_at, strings_size = part.symtab
        endian = "<" if part.slice.little_endian else ">"
        entry = struct.Struct(endian + ("IBBHQ" if part.slice.bits == 64 else "IBBHI"))
        ranges: tuple[tuple[int, int], ...] = ((0, count),)
        if part.external is not None:
            ranges = part.external[0 if defined else 1 : 2 if undefined else 1]
        strings = self.at(strings_at, min(strings_size, _MAX_STRINGS))
        left = _MAX_NAMES
        for first, number in ranges:
            number = min(number, count - first, _MAX_SYMBOLS)
            raw = self.at(offset + first * entry.size, number * entry.size)
            for name, type_, _, description, value in entry.iter_unpack(raw[: len(raw) - len(raw) % entry.size]):
                if type_ & 0xE0 or not type_ & 1 or name >= len(strings):
                    continue
                end = strings.find(b"\0", name, name + _MAX_NAME)
                left -= end - name
                if left < 0:
                    return
                yield strings[name : max(end, name)].removeprefix(b"_"), type_, description, value

    def exported(self, part: Part) -> Iterator[bytes]:
        """Names in the export trie of a slice, without their leading underscore."""
        offset, size = part.trie
        trie = self.at(offset, min(size, _MAX_TRIE))
        waiting = [(0, b"")]
        seen = {0}
        left = _MAX_NAMES
        while waiting and len(seen) <= _MAX_NODES and left > 0:
            at, prefix = waiting.pop()
            if at >= len(trie):
                continue
            terminal, at = _uleb(trie, at)
            if terminal:
                yield prefix.removeprefix(b"_")
            at += terminal
            children = trie[at] if at < len(trie) else 0
            at += 1
            for _ in range(children):
                end = trie.find(b"\0", at, at + _MAX_NAME)
                if end < 0:
                    break
                edge = trie[at:end]
                child, at = _uleb(trie, end + 1)
                if child not in seen and len(prefix) + len(edge) < _MAX_NAME:
                    seen.add(child)
                    left -= len(prefix) + len(edge)
                    waiting.append((child, prefix + edge))

    def exports(self, name: bytes) -> bool:
        """The first slice defines that symbol."""
        return any(not self.lacks(part, {name}) for part in self.parts[:1])

    def lacks(self, part: Part, names: set[bytes]) -> set[bytes]:
        """Those of `names` (without their leading underscore) that a slice does not define."""
        offset, size = part.trie
        if size:
            trie = self.at(offset, min(size, _MAX_TRIE))
            return {name for name in names if not _in_trie(trie, b"_" + name)}
        return names - {word for word, type_, _, _ in self._table(part, defined=True) if type_ & 0x0E}


def _in_trie(trie: bytes, name: bytes) -> bool:
    """The walk through an export trie for one name, as dyld does it."""
    node = 0
    for _ in range(len(name) + 1):
        if node >= len(trie):
            return False
        terminal, at = _uleb(trie, node)
        if not name:
            return terminal > 0
        at += terminal
        children = trie[at] if at < len(trie) else 0
        at += 1
        for _child in range(children):
            end = trie.find(b"\0", at, at + _MAX_NAME)
            if end < 0:
                return False
            edge = trie[at:end]
            node, at = _uleb(trie, end + 1)
            if edge and name.startswith(edge):
                name = name[len(edge) :]
                break
        else:
            return False
    return False


def _uleb(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number, and where the next byte is. Past the end: zeros."""
    value = 0
    for shift in range(0, 63, 7):
        byte = data[at] if at < len(data) else 0
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            break
    return value, at


def cpu_name(cpu: int, subtype: int) -> str:
    """CPU type and subtype as ``lipo -archs`` calls them; ``macho-cpu-N`` where it has no name."""
    low = subtype & 0xFFFFFF
    if cpu == 0x0100000C and low == 2:
        return "arm64e"
    if cpu == 0x01000007 and low == 8:
        return "x86_64h"
    if cpu == 12:
        return {6: "armv6", 9: "armv7", 11: "armv7s", 12: "armv7k"}.get(low, "arm")
    return _CPUS.get(cpu) or f"macho-cpu-{cpu}"


def version_name(packed: int) -> str:
    """``xxxx.yy.zz`` in nibbles as text, the patch left out when it is zero."""
    major, minor, patch = packed >> 16, packed >> 8 & 255, packed & 255
    return f"{major}.{minor}.{patch}" if patch else f"{major}.{minor}"
