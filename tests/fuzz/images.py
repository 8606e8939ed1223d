"""Random damage to Mach-O and PE files, at the readers themselves: `python tests/fuzz/images.py --count 500000`.

Each round spoils one sound file (a fixture, one of the corpus, one built here with export tries, symbol tables, delay
imports and forwarders), most often in its headers and tables, and asks the reader for everything that it can tell. Only the
errors that the callers expect may come out; no round may take longer than half a second of CPU. A file that breaks this is
kept under .work/fuzz/, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from envdoctor.collect import native  # noqa: E402
from envdoctor.collect.native import HEAD  # noqa: E402
from envdoctor.collect.native.macho import FAT, THIN, MachO  # noqa: E402
from envdoctor.collect.native.pe import Pe  # noqa: E402
from tests.fuzz import corpus  # noqa: E402

SLOW = 0.5
EXPECTED = (struct.error, ValueError, IndexError, OverflowError, OSError)
NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0xFFF, 0x1000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


def macho_with_symbols() -> bytes:
    """A library with a weak and a re-exported need, a symbol table, an export trie, and LC_DYSYMTAB."""

    def named(kind: int, name: bytes) -> bytes:
        body = struct.pack("<IIII", 24, 2, 0x10000, 0x10000) + name + b"\0"
        body += bytes(-(8 + len(body)) % 8)
        return struct.pack("<II", kind, 8 + len(body)) + body

    trie = bytes([0, 1]) + b"_\0\x05" + bytes([0, 2]) + b"PyInit_x\0" + bytes([24]) + b"alpha\0" + bytes([28])
    trie += bytes([2, 0, 8, 0]) + bytes([2, 0, 9, 0])
    strings = b"\0_PyInit_x\0_alpha\0_PyLong_Type\0_beta_call\0"
    at = {name: strings.index(b"\0" + name + b"\0") + 1 for name in strings.strip(b"\0").split(b"\0")}
    symbols = b"".join(
        struct.pack("<IBBHQ", at[name], kind, 0, where, value)
        for name, kind, where, value in (
            (b"_PyInit_x", 0x0F, 0, 0x400),
            (b"_alpha", 0x0F, 0, 0x410),
            (b"_PyLong_Type", 0x01, 0xFE00, 0),
            (b"_beta_call", 0x01, 0x0200, 0),
        )
    )
    fixed = [
        named(0xD, b"@rpath/libalpha.dylib"),
        named(0xC, b"/usr/lib/libSystem.B.dylib"),
        named(0xC, b"@rpath/libbeta.dylib"),
        named(0x80000018, b"@loader_path/libgamma.dylib"),
        named(0x8000001F, b"@loader_path/libdelta.dylib"),
    ]
    length = sum(map(len, fixed)) + 24 + 80 + 16 + 24
    place = 32 + length
    tables = [
        struct.pack("<IIIIII", 0x02, 24, place, 4, place + len(symbols), len(strings)),
        struct.pack("<II18I", 0x0B, 80, 0, 0, 0, 2, 2, 2, *[0] * 12),
        struct.pack("<IIII", 0x80000033, 16, place + len(symbols) + len(strings), len(trie)),
        struct.pack("<IIIIII", 0x32, 24, 1, 0x000B0000, 0x000E0000, 0),
    ]
    body = b"".join(fixed + tables)
    header = b"\xcf\xfa\xed\xfe" + struct.pack("<iiIIIII", 0x0100000C, 0, 6, len(fixed) + len(tables), len(body), 0x85, 0)
    return header + body + symbols + strings + trie + bytes(32)


def pe_with_exports() -> bytes:
    """A DLL with imports by name and number, a delay import, three exports and a forwarder."""
    image = bytearray(0x1200)
    image[:2] = b"MZ"
    image[60:64] = struct.pack("<I", 0x80)
    image[0x80:0x98] = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x2022)
    optional = bytearray(240)
    optional[:2] = struct.pack("<H", 0x20B)
    optional[24:32] = struct.pack("<Q", 0x180000000)
    optional[56:64] = struct.pack("<II", 0x3000, 0x200)
    optional[108:112] = struct.pack("<I", 16)
    optional[112:120] = struct.pack("<II", 0x1400, 0x200)
    optional[120:128] = struct.pack("<II", 0x1000, 60)
    optional[216:224] = struct.pack("<II", 0x1200, 64)
    image[0x98 : 0x98 + 240] = optional
    section = b".rdata\0\0" + struct.pack("<IIIIIIHHI", 0x1000, 0x1000, 0x1000, 0x200, 0, 0, 0, 0, 0x40000040)
    image[0x188 : 0x188 + 40] = section

    def put(address: int, data: bytes) -> None:
        image[address - 0x1000 + 0x200 : address - 0x1000 + 0x200 + len(data)] = data

    put(0x1000, struct.pack("<IIIII", 0x1080, 0, 0, 0x1100, 0) + struct.pack("<IIIII", 0x10A0, 0, 0, 0x1120, 0))
    put(0x1080, struct.pack("<QQQ", 0x1140, 1 << 63 | 7, 0))
    put(0x10A0, struct.pack("<QQ", 0x1170, 0))
    put(0x1100, b"python311.dll\0")
    put(0x1120, b"beta.dll\0")
    put(0x1140, b"\0\0PyLong_FromLong\0")
    put(0x1170, b"\0\0?beta@@YAXXZ\0")
    put(0x1200, struct.pack("<IIIIIIII", 1, 0x1280, 0, 0, 0, 0, 0, 0))
    put(0x1280, b"SHELL32.dll\0")
    put(0x1400, struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, 0x1500, 1, 3, 3, 0x1440, 0x1450, 0x1460))
    put(0x1440, struct.pack("<III", 0x1010, 0x1520, 0x1020))
    put(0x1450, struct.pack("<III", 0x1540, 0x1550, 0x1560))
    put(0x1460, struct.pack("<HHH", 0, 1, 2))
    put(0x1500, b"alpha.dll\0")
    put(0x1520, b"gamma.call\0")
    put(0x1540, b"PyInit_alpha\0")
    put(0x1550, b"call\0")
    put(0x1560, b"other\0")
    return bytes(image)


def seeds() -> dict[str, list[bytes]]:
    """Sound files of both formats; the large fixtures cut to what their headers and tables take."""
    fixtures = ROOT / "fixtures" / "native"
    return {
        "macho": [
            macho_with_symbols(),
            corpus.macho(),
            corpus.fat(),
            *(p.read_bytes() for p in sorted(fixtures.glob("*.macho"))),
        ],
        "pe": [pe_with_exports(), corpus.pe(), *(p.read_bytes() for p in sorted(fixtures.glob("*.pe")))],
    }


def damage(data: bytes, dice: random.Random) -> bytes:
    """`data` after one to ten accidents, most of them in its first 2 KiB."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 3, 5, 10))):
        size = len(out)
        if not size:
            break
        at = dice.randrange(min(size, 2048) if dice.random() < 0.7 else size)
        kind = dice.randrange(7)
        if kind == 0:
            out[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            out[at] = dice.randrange(256)
        elif kind in (2, 3):
            width, form = dice.choice(((2, "H"), (4, "I"), (8, "Q")))
            at &= ~(width - 1)
            number = dice.choice(NUMBERS) if dice.random() < 0.7 else dice.randrange(2 * size)
            if at + width <= size:
                struct.pack_into(dice.choice("<<<>") + form, out, at, number & ((1 << 8 * width) - 1))
        elif kind == 4:
            other, length = dice.randrange(size), dice.choice((1, 4, 8, 40))
            out[at : at + length] = out[other : other + length]
        elif kind == 5 and dice.random() < 0.3:
            del out[dice.randrange(size) :]
        elif kind == 6:
            length = dice.choice((2, 8, 64))
            out[at : at + length] = dice.randbytes(length)
    return bytes(out)


def examine(path: str) -> None:
    """Everything that is read of a file anywhere. Raises what the readers' callers do not expect."""
    native.read(path, rel="alpha/native.so")
    native.exported_symbols(path)
    fd = os.open(path, os.O_RDONLY)
    try:
        head = os.pread(fd, HEAD, 0)
        size = os.fstat(fd).st_size
        if head[:4] in THIN or head[:4] in FAT:
            macho = MachO(fd, head, size)
            for part in macho.parts:
                macho.symbols(part)
                macho.wanted(part)
            macho.exports(b"PyInit_native")
        elif head[:2] == b"MZ":
            pe = Pe(fd, head, size)
            pe.exported()
            pe.wanted()
            pe.exports(b"PyInit_native")
    except EXPECTED:
        pass
    finally:
        os.close(fd)


def run(form: str, count: int, first: int, tell: Callable[[str], None] = print) -> int:
    """`count` rounds with the seeds `first`, `first` + 1, …; the number of files that failed."""
    sound = seeds()[form]
    failures = 0
    slowest = 0.0
    folder = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.NamedTemporaryFile(prefix="envdoctor-fuzz-", dir=folder) as file:
        for seed in range(first, first + count):
            dice = random.Random(seed)
            data = damage(dice.choice(sound), dice)
            os.ftruncate(file.fileno(), 0)
            os.pwrite(file.fileno(), data, 0)
            start = time.process_time()
            try:
                examine(file.name)
                trouble = ""
            except Exception:  # noqa: BLE001 - this is what the fuzzer is looking for
                trouble = traceback.format_exc()
            spent = time.process_time() - start
            slowest = max(slowest, spent)
            if spent > SLOW:
                trouble += f"{spent:.2f} s of CPU"
            if trouble:
                failures += 1
                keep = ROOT / ".work" / "fuzz" / f"{form}-{seed}"
                keep.parent.mkdir(parents=True, exist_ok=True)
                keep.write_bytes(data)
                tell(f"{form} seed {seed}: {trouble}")
                if failures >= 20:
                    break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    tell(f"{form}: {count} rounds from seed {first}, {failures} failed, slowest {1000 * slowest:.0f} ms, peak {peak} MiB")
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=100_000, help="rounds of each format")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--format", choices=("macho", "pe"), default=None)
    options = parser.parse_args()
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 40)
    return 1 if sum(run(form, options.count, first) for form in ([options.format] if options.format else ["macho", "pe"])) else 0


if __name__ == "__main__":
    sys.exit(main())
