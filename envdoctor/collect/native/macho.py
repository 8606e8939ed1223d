"""Mach-O headers: thin, fat and 64-bit fat files, every slice. Follows ``<mach-o/loader.h>`` and ``<mach-o/fat.h>``.

Java class files begin with the same four bytes as fat files; the count that follows tells them apart.
"""

from __future__ import annotations

import struct
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
_MAX_STRINGS: Final = 16 << 20

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
_LOADS: Final = frozenset({0x0C, 0x20, 0x80000018, 0x8000001F, 0x80000023})
_ID, _RPATH, _BUILD_VERSION, _SYMTAB, _SEGMENT, _SEGMENT_64 = 0x0D, 0x8000001C, 0x32, 0x02, 0x01, 0x19


class Part(NamedTuple):
    """One slice with where its symbols are."""

    slice: Slice
    kind: Kind
    problem: str | None
    base: int
    symtab: tuple[int, int, int, int] | None
    """(offset of the table, count, offset of the strings, their size), relative to the file's start."""


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
        cpu, subtype, type_, count, length = struct.unpack_from(endian + "IIIII", raw, 4)
        start = 28 if width == 32 else 32
        commands = self.at(base + start, min(length, _MAX_COMMANDS))
        needed: list[str] = []
        rpaths: list[str] = []
        identity = platform = minimum = None
        symtab: tuple[int, int, int, int] | None = None
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
                    elif name:
                        needed.append(name)
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
        return Part(
            Slice(
                machine=cpu_name(cpu, subtype),
                bits=64 if width == 64 else 32,
                little_endian=endian == "<",
                needed=tuple(needed),
                soname=identity,
                runpath=tuple(rpaths),
                minimum_os=minimum,
                platform=platform,
            ),
            _KINDS.get(type_, "other"),
            problem,
            base,
            symtab,
        )

    # ------------------------------------------------------------------------------------------------------- symbols
    def symbols(self, part: Part) -> tuple[set[bytes], set[bytes]]:
        """(strong undefined, defined) external symbols of a slice, without their leading underscore."""
        undefined: set[bytes] = set()
        defined: set[bytes] = set()
        if part.symtab is None:
            return undefined, defined
        offset, count, strings_at, strings_size = part.symtab
        endian = "<" if part.slice.little_endian else ">"
        entry = struct.Struct(endian + ("IBBHQ" if part.slice.bits == 64 else "IBBHI"))
        raw = self.at(offset, min(count, _MAX_SYMBOLS) * entry.size)
        strings = self.at(strings_at, min(strings_size, _MAX_STRINGS))
        for name, type_, _, description, value in entry.iter_unpack(raw[: len(raw) - len(raw) % entry.size]):
            if type_ & 0xE0 or not type_ & 1 or name >= len(strings):
                continue
            word = strings[name : strings.find(b"\0", name)].removeprefix(b"_")
            if type_ & 0x0E:
                defined.add(word)
            elif value == 0 and not description & 0x40:
                undefined.add(word)
        return undefined, defined

    def exports(self, name: bytes) -> bool:
        """The first slice defines that symbol."""
        return any(name in self.symbols(part)[1] for part in self.parts[:1])


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
