"""Small Mach-O and PE files with the needs that a test asks for: headers as the linkers write them, no code in them."""

from __future__ import annotations

import struct
from collections.abc import Iterable

CPUS = {"arm64": 0x0100000C, "x86_64": 0x01000007}


def dylib(
    *,
    needs: Iterable[str] = (),
    weak: Iterable[str] = (),
    reexports: Iterable[str] = (),
    rpaths: Iterable[str] = (),
    name: str | None = None,
    machine: str = "arm64",
    kind: int = 6,
) -> bytes:
    """A thin Mach-O file: a library (6), a bundle (8), a program (2)."""

    def named(command: int, text: str) -> bytes:
        body = struct.pack("<IIII", 24, 2, 0x10000, 0x10000) + text.encode() + b"\0"
        body += bytes(-(8 + len(body)) % 8)
        return struct.pack("<II", command, 8 + len(body)) + body

    def rpath(text: str) -> bytes:
        body = struct.pack("<I", 12) + text.encode() + b"\0"
        body += bytes(-(8 + len(body)) % 8)
        return struct.pack("<II", 0x8000001C, 8 + len(body)) + body

    commands = [named(0x0D, name)] if name else []
    commands += [named(0x0C, text) for text in ("/usr/lib/libSystem.B.dylib", *needs)]
    commands += [named(0x80000018, text) for text in weak]
    commands += [named(0x8000001F, text) for text in reexports]
    commands += [rpath(text) for text in rpaths]
    commands.append(struct.pack("<IIIIII", 0x32, 24, 1, 0x000B0000, 0x000E0000, 0))
    body = b"".join(commands)
    header = b"\xcf\xfa\xed\xfe" + struct.pack("<iiIIIII", CPUS[machine], 0, kind, len(commands), len(body), 0x85, 0)
    return header + body + bytes(64)


def bundle(*, needs: Iterable[str] = (), weak: Iterable[str] = (), rpaths: Iterable[str] = (), machine: str = "arm64") -> bytes:
    """An extension module for macOS."""
    return dylib(needs=needs, weak=weak, rpaths=rpaths, machine=machine, kind=8)


def dll(*, needs: Iterable[str] = (), delayed: Iterable[str] = (), machine: int = 0x8664) -> bytes:
    """A 64-bit DLL, or an extension module for Windows."""
    image = bytearray(0x200)
    image[:2] = b"MZ"
    image[60:64] = struct.pack("<I", 0x80)
    image[0x80:0x98] = b"PE\0\0" + struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, 240, 0x2022)
    strong, later = ["KERNEL32.dll", *needs], list(delayed)
    directories = 20 * (len(strong) + 1), 32 * (len(later) + 1)
    words = b""
    places = []
    for word in (*strong, *later):
        places.append(0x1000 + sum(directories) + len(words))
        words += word.encode() + b"\0"
    data = b"".join(struct.pack("<IIIII", 0, 0, 0, place, 0) for place in places[: len(strong)]) + bytes(20)
    data += b"".join(struct.pack("<IIIIIIII", 1, place, 0, 0, 0, 0, 0, 0) for place in places[len(strong) :]) + bytes(32) + words
    optional = bytearray(240)
    optional[:2] = struct.pack("<H", 0x20B)
    optional[24:32] = struct.pack("<Q", 0x180000000)
    optional[108:112] = struct.pack("<I", 16)
    optional[120:128] = struct.pack("<II", 0x1000, directories[0])
    if later:
        optional[216:224] = struct.pack("<II", 0x1000 + directories[0], directories[1])
    image[0x98 : 0x98 + 240] = optional
    section = b".rdata\0\0" + struct.pack("<IIIIIIHHI", len(data), 0x1000, len(data), 0x200, 0, 0, 0, 0, 0x40000040)
    image[0x188 : 0x188 + 40] = section
    return bytes(image) + data
