"""Random damage to ELF, Mach-O and PE files and to ld.so.cache, at the readers themselves: `make fuzz-images COUNT=500000`.
The compiled readers are held to those in Python on damaged ELF files.

Each round spoils one sound file (a fixture, one of the corpus, one built here with all the tables that a reader follows),
most often in its headers and tables, and asks the reader for everything that it can tell. Only the errors that the callers
expect may come out; no round may take longer than half a second of CPU. A file that breaks this is
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
from envdoctor.collect.native import HEAD, ldcache  # noqa: E402
from envdoctor.collect.native.elf import MAGIC, Elf, gnu_hash, sysv_hash  # noqa: E402
from envdoctor.collect.native.macho import FAT, THIN, MachO  # noqa: E402
from envdoctor.collect.native.pe import Pe  # noqa: E402
from tests.fuzz import corpus  # noqa: E402

FORMS = ("elf", "cache", "macho", "pe", "twins")
"""``twins``: ELF files by which the compiled readers are held to those in Python."""
SLOW = 0.5
EXPECTED = (struct.error, ValueError, IndexError, OverflowError, OSError)
NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0xFFF, 0x1000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


NAMES = [b"PyInit_native", b"alpha", b"beta", b"", b"_ZN5alpha4betaEv" * 40]
MANY = [*NAMES, *(b"symbol_%d" % number for number in range(60))]


def elf_with_everything(bits: int = 64, endian: str = "<") -> bytes:
    """A library with version needs (one weak), version definitions, both hash tables, and a property note."""
    wide = bits == 64
    words = [b"libc.so.6", b"libm.so.6", b"libalpha.so.1", b"$ORIGIN/../alpha.libs:/opt/lib", b"GLIBC_2.17", b"GLIBC_2.2.5"]
    words += [b"GLIBC_2.29", b"ALPHA_1", b"ALPHA_2", b"PyLong_FromLong", b"PyInit_native", b"alpha", b"beta"]
    strings = b"\0" + b"\0".join(words) + b"\0"
    at = {word: strings.index(b"\0" + word + b"\0") + 1 for word in words}
    image = bytearray(0x1000)
    place = {"note": 0x180, "strings": 0x200, "symbols": 0x300, "versions": 0x3C0, "needs": 0x400, "defs": 0x480}
    place |= {"gnu": 0x500, "sysv": 0x580, "dynamic": 0x600}

    def put(where: int, form: str, *values: int | bytes) -> None:
        struct.pack_into(endian + form, image, where, *values)

    image[:16] = b"\x7fELF" + bytes([2 if wide else 1, 1 if endian == "<" else 2, 1]) + bytes(9)
    head = 64 if wide else 52
    put(
        16,
        "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH",
        3,
        62 if wide else 3,
        1,
        0,
        head,
        0,
        0,
        head,
        56 if wide else 32,
        4,
        0,
        0,
        0,
    )
    parts = [(1, 5, 0, 0x1000), (2, 6, place["dynamic"], 0x180), (4, 4, place["note"], 0x40), (0x6474E551, 7, 0, 0)]
    for number, (kind, flags, offset, size) in enumerate(parts):
        if wide:
            put(head + 56 * number, "IIQQQQQQ", kind, flags, offset, offset, offset, size, size, 8)
        else:
            put(head + 32 * number, "IIIIIIII", kind, offset, offset, offset, size, size, flags, 8)
    put(place["note"], "III4sIII", 4, 16, 5, b"GNU\0", 0xC0008002, 4, 4)
    image[place["strings"] : place["strings"] + len(strings)] = strings
    width = 24 if wide else 16
    symbols = [(0, 0, 0), (at[b"PyLong_FromLong"], 0x12, 0), (at[b"PyInit_native"], 0x12, 7), (at[b"alpha"], 0x11, 7)]
    symbols.append((at[b"beta"], 0x22, 7))
    # one bucket, so that the order of the symbols is free
    for number, (name, info, section) in enumerate(symbols):
        if wide:
            put(place["symbols"] + width * number, "IBBHQQ", name, info, 0, section, 0x700, 8)
        else:
            put(place["symbols"] + width * number, "IIIBBH", name, 0x700, 8, info, 0, section)
    put(place["versions"], "5H", 0, 2, 1, 3, 0x8004)
    put(place["needs"], "HHIII", 1, 2, at[b"libc.so.6"], 16, 48)
    put(place["needs"] + 16, "IHHII", 0, 0, 2, at[b"GLIBC_2.17"], 16)
    put(place["needs"] + 32, "IHHII", 0, 2, 5, at[b"GLIBC_2.2.5"], 0)
    put(place["needs"] + 48, "HHIII", 1, 1, at[b"libm.so.6"], 16, 0)
    put(place["needs"] + 64, "IHHII", 0, 0, 6, at[b"GLIBC_2.29"], 0)
    for number, (word, flags) in enumerate([(b"libalpha.so.1", 1), (b"ALPHA_1", 0), (b"ALPHA_2", 0)]):
        start = place["defs"] + 28 * number
        put(start, "HHHHIII", 1, flags, number + 1, 1, 0, 20, 28 if number < 2 else 0)
        put(start + 20, "II", at[word], 0)
    codes = [gnu_hash(word) for word in (b"PyInit_native", b"alpha", b"beta")]
    put(place["gnu"], "IIII", 1, 2, 1, 5)
    put(place["gnu"] + 16, "Q" if wide else "I", (1 << bits) - 1)
    after = place["gnu"] + 16 + bits // 8
    put(after, "I", 2)
    put(after + 4, "III", *(code & ~1 for code in codes[:2]), codes[2] | 1)
    put(place["sysv"], "II", 1, 5)
    put(place["sysv"] + 8, "6I", 2, 0, 0, 3, 4, sysv_hash(b"") & 0)
    tags = [(1, at[b"libc.so.6"]), (1, at[b"libm.so.6"]), (14, at[b"libalpha.so.1"]), (29, at[b"$ORIGIN/../alpha.libs:/opt/lib"])]
    tags += [(5, place["strings"]), (10, len(strings)), (6, place["symbols"]), (11, width), (4, place["sysv"])]
    tags += [(0x6FFFFEF5, place["gnu"]), (0x6FFFFFF0, place["versions"]), (0x6FFFFFFE, place["needs"]), (0x6FFFFFFF, 2)]
    tags += [(0x6FFFFFFC, place["defs"]), (0x6FFFFFFD, 3), (0x6FFFFFFB, 0x800), (0, 0)]
    for number, (tag, value) in enumerate(tags):
        put(place["dynamic"] + (16 if wide else 8) * number, "QQ" if wide else "II", tag, value)
    return bytes(image)


def without(image: bytes, tag: int) -> bytes:
    """`image` of :func:`elf_with_everything`, 64 bits, with a tag of its dynamic section turned into one that says nothing."""
    out = bytearray(image)
    for at in range(0x600, 0x780, 16):
        if struct.unpack_from("<Q", out, at)[0] == tag:
            struct.pack_into("<Q", out, at, 0x6FFFFFF9)
    return bytes(out)


def library_cache() -> bytes:
    """A library cache in the new format, with two subfolders for newer processors."""
    rows = [(b"libalpha.so.1", b"/usr/lib/glibc-hwcaps/x86-64-v3/libalpha.so.1", 1 << 62 | 2 << 32)]
    rows += [(b"libalpha.so.1", b"/usr/lib/libalpha.so.1", 0), (b"libbeta.so", b"/usr/lib/tls/libbeta.so", 1 << 63)]
    strings = b"".join(name + b"\0" + path + b"\0" for name, path, _ in rows) + b"x86-64-v3\0x86-64-v2\0"
    start = 48 + 24 * len(rows)
    table = b""
    at = start
    for name, path, hwcap in rows:
        table += struct.pack("<iIIIQ", 0x0303, at, at + len(name) + 1, 0, hwcap)
        at += len(name) + len(path) + 2
    strings += bytes(-(start + len(strings)) % 4)
    extension = start + len(strings)
    tail = struct.pack("<IIIIIIII", 0xEAA42174, 1, 1, 0, extension + 24, 8, at, at + 10)
    header = b"glibc-ld.so.cache1.1" + struct.pack("<II", len(rows), len(strings)) + bytes([2, 0, 0, 0])
    return header + struct.pack("<IIII", extension, 0, 0, 0) + table + strings + tail


def old_library_cache() -> bytes:
    """One in the old format alone."""
    strings = b"libalpha.so.1\0/usr/lib/libalpha.so.1\0"
    return b"ld.so-1.7.0\0" + struct.pack("<I", 1) + struct.pack("<iII", 3, 0, 14) + strings


def loader() -> bytes:
    """Bytes of a dynamic loader, as far as they tell where it looks."""
    return b"\x7fELF" + bytes(60) + b"/etc/ld.so.cache\0" + bytes(40) + b"/lib64/\0/usr/lib64/\0" + bytes(40)


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
    everything, new = elf_with_everything(), library_cache()
    return {
        "elf": [
            everything,
            elf_with_everything(32),
            elf_with_everything(64, ">"),
            elf_with_everything(32, ">"),
            without(everything, 0x6FFFFEF5),
            without(everything, 0x6FFFFFF0),
            without(everything, 0x6FFFFFFE),
            corpus.elf(),
            *(p.read_bytes() for p in sorted(fixtures.glob("*.elf"))),
        ],
        "cache": [new, old_library_cache() + new, old_library_cache(), loader()],
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


def examine_cache(data: bytes) -> None:
    """Everything that is read of the system's cache and loader."""
    try:
        entries = ldcache.parse(data)
        assert all(entry.name and entry.path.startswith("/") for entry in entries)
    except ldcache.CacheError:
        pass
    ldcache.built_in(data)


def examine_elf(image: Elf) -> None:
    """Everything that is asked of an open ELF file. None of it raises, whatever the file says."""
    for names in (NAMES, MANY):
        assert image.defines(names) <= set(names)
    assert image.unversioned() <= image.undefined()
    image.exported()
    image.exports(b"PyInit_native")


def examine(path: str) -> None:
    """Everything that is read of a file anywhere. Raises what the readers' callers do not expect."""
    native.read(path, rel="alpha/native.so")
    native.exported_symbols(path)
    native.wanted_symbols(path)
    fd = os.open(path, os.O_RDONLY)
    try:
        head = os.pread(fd, HEAD, 0)
        size = os.fstat(fd).st_size
        if head[:4] == MAGIC:
            examine_elf(Elf(fd, head, size))
        elif head[:4] in THIN or head[:4] in FAT:
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


def examine_twins(path: str) -> bool:
    """Whether the compiled reader takes the file. What it says of it is what the one in Python says."""
    compiled = native.speed
    init = b"PyInit_native"
    found = compiled.elf_read(path, init)
    ahead = native.Ahead(os.path.dirname(path), [os.path.basename(path)])
    asked = [compiled.elf_undefined(path, one) for one in (False, True)]
    plain = compiled.elf_read(path, None)
    assert ahead.take(os.path.basename(path)) == plain
    defined = [compiled.elf_defined(path, set(names) - {b""}) for names in (NAMES, MANY)]
    with_it = native.read(path, rel="alpha/native.so")
    native.speed = None
    try:
        assert native.read(path, rel="alpha/native.so") == with_it
        if found is not None:
            assert plain is not None and plain[:2] + plain[3:] == found[:2] + found[3:]
        if asked != [None, None]:
            with native.open_elf(path) as image:
                assert image is not None
                twins = [image.undefined(), image.unversioned()]
            assert all(one is None or one == other for one, other in zip(asked, twins, strict=True))
        if defined != [None, None]:
            with native.open_elf(path) as image:
                assert image is not None
                twins = [image.defines(set(names) - {b""}) for names in (NAMES, MANY)]
            assert all(one is None or one == other for one, other in zip(defined, twins, strict=True))
    finally:
        native.speed = compiled
    return found is not None


def run(form: str, count: int, first: int, tell: Callable[[str], None] = print) -> int:
    """`count` rounds with the seeds `first`, `first` + 1, …; the number of files that failed."""
    if form == "twins" and native.speed is None:
        tell("twins: no compiled readers here")
        return 0
    sound = [data for data in seeds()["elf"] if data[4:6] == b"\2\1"] if form == "twins" else seeds()[form]
    failures = taken = 0
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
                if form == "cache":
                    examine_cache(data)
                elif form == "twins":
                    taken += examine_twins(file.name)
                else:
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
    if form == "twins":
        tell(f"twins: the compiled reader took {taken} of them")
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=100_000, help="rounds of each format")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--format", choices=FORMS, default=None)
    options = parser.parse_args()
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 40)
    return 1 if sum(run(form, options.count, first) for form in ([options.format] if options.format else FORMS)) else 0


if __name__ == "__main__":
    sys.exit(main())
