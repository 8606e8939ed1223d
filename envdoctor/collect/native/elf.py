"""ELF headers: program headers, the dynamic section, version needs, single exported names.

Follows the System V gABI (https://gabi.xinuos.com/) and, for ``DT_GNU_HASH`` and symbol versions, the Linux Standard Base.
Nothing here reads a section header, a whole symbol table or a whole file unless asked. All numbers come from the file and may
lie: every table is bounded, every offset is checked against the size of the file.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, Literal

from envdoctor.collect.native.window import Window, offset_of
from envdoctor.snapshot import Slice, text

MAGIC: Final = b"\x7fELF"

Kind = Literal["library", "executable", "object", "other"]

_MAX_PROGRAM_HEADERS: Final = 512
_MAX_DYNAMIC: Final = 64 << 10
_MAX_VERSION_NEEDS: Final = 64 << 10
_MAX_STRING: Final = 4096
_MAX_SYMBOLS: Final = 1 << 18
_MAX_STRINGS: Final = 16 << 20
_STRING_GAP: Final = 8 << 10

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE = 1, 2, 3, 4
_DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 4, 5, 6, 10, 14, 15, 29
_DT_GNU_HASH, _DT_FLAGS_1, _DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFEF5, 0x6FFFFFFB, 0x6FFFFFFE, 0x6FFFFFFF
_DF_1_PIE: Final = 0x08000000
_VER_FLG_WEAK: Final = 2
_STB_WEAK: Final = 2

ACCELERATORS: Final = {190: "cuda", 224: "amdgpu"}
"""Machines whose ELF files are device code: no loader of an operating system ever opens them."""

_MACHINES: Final = {
    2: "sparc",
    3: "i686",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    43: "sparc64",
    50: "ia64",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    247: "bpf",
    258: "loongarch64",
    **ACCELERATORS,
}
_OS_ABIS: Final = {
    6: "solaris",
    9: "freebsd",
    12: "openbsd",
    2: "netbsd",
    97: "arm",
    255: "standalone",
    64: "amdgpu-hsa",
    51: "cuda",
}

_HEADER = {(b, e): struct.Struct(e + ("HHIIIIIHHHHHH" if b == 32 else "HHIQQQIHHHHHH")) for b in (32, 64) for e in "<>"}
_PROGRAM = {(b, e): struct.Struct(e + ("IIIIIIII" if b == 32 else "IIQQQQQQ")) for b in (32, 64) for e in "<>"}
_DYNAMIC = {(b, e): struct.Struct(e + ("II" if b == 32 else "QQ")) for b in (32, 64) for e in "<>"}
_SYMBOL = {(b, e): struct.Struct(e + ("IIIBBH" if b == 32 else "IBBHQQ")) for b in (32, 64) for e in "<>"}
_VERNEED = {e: struct.Struct(e + "HHIII") for e in "<>"}
_VERNAUX = {e: struct.Struct(e + "IHHII") for e in "<>"}
_WORDS4 = {e: struct.Struct(e + "IIII") for e in "<>"}
_WORD = {e: struct.Struct(e + "I") for e in "<>"}


class Elf(Window):
    """One open ELF file. `head` are its first bytes, `size` its size; `problem` says why it cannot be loaded anywhere."""

    def __init__(self, fd: int, head: bytes, size: int) -> None:
        super().__init__(fd, head, size)
        self.problem: str | None = None
        self.kind: Kind = "other"
        self.loads: list[tuple[int, int, int]] = []
        """(virtual address, offset, size in the file) of each PT_LOAD."""
        self.tags: dict[int, int] = {}
        self.slice: Slice | None = None
        self.bits: Literal[32, 64] = 64
        self.endian: Literal["<", ">"] = "<"
        self._parse()

    def offset(self, address: int) -> int:
        """Where a virtual address lies in the file, or -1."""
        return offset_of(address, self.loads)

    def _parse(self) -> None:
        head = self.head
        if len(head) < 52 or head[4] not in (1, 2) or head[5] not in (1, 2):
            self.problem = "truncated inside the ELF header" if len(head) < 52 else "no valid ELF header"
            return
        bits: Literal[32, 64] = 32 if head[4] == 1 else 64
        endian: Literal["<", ">"] = "<" if head[5] == 1 else ">"
        if bits == 64 and len(head) < 64:
            self.problem = "truncated inside the ELF header"
            return
        self.bits, self.endian = bits, endian
        kind, machine, _, _, phoff, _, flags, _, phentsize, phnum, _, _, _ = _HEADER[bits, endian].unpack_from(head, 16)
        name = machine_name(machine, bits, endian == "<", flags)
        osabi = _OS_ABIS.get(head[7])
        plain = Slice(machine=name, bits=bits, little_endian=endian == "<", platform=osabi)
        self.slice = plain
        if machine in ACCELERATORS:
            return
        if kind == 1:
            self.kind = "object"
            return
        if kind not in (2, 3):
            return
        self.kind = "executable" if kind == 2 else "library"
        program = _PROGRAM[bits, endian]
        if phnum == 0 or phentsize != program.size or phnum > _MAX_PROGRAM_HEADERS:
            self.problem = "no valid program headers"
            return
        table = self.at(phoff, phnum * program.size)
        if len(table) < phnum * program.size:
            self.problem = "truncated before the end of its program headers"
            return
        dynamic = interpreter = None
        notes: list[tuple[int, int]] = []
        end = 0
        for entry in program.iter_unpack(table):
            if bits == 64:
                type_, _, offset, address, _, length, _, _ = entry
            else:
                type_, offset, address, _, length, _, _, _ = entry
            if type_ == _PT_LOAD:
                self.loads.append((address, offset, length))
                end = max(end, offset + length)
            elif type_ == _PT_DYNAMIC:
                dynamic = (offset, length)
            elif type_ == _PT_INTERP:
                interpreter = (offset, length)
            elif type_ == _PT_NOTE:
                notes.append((offset, length))
        if end > self.size:
            self.problem = f"truncated: {self.size} bytes of at least {end}"
        loader = None
        if interpreter is not None:
            loader = text(self.at(interpreter[0], min(interpreter[1], _MAX_STRING)).split(b"\0", 1)[0]) or None
        minimum = self._abi_note(notes) if notes else None
        if dynamic is None:
            if loader or minimum:
                self.slice = Slice(
                    machine=name, bits=bits, little_endian=endian == "<", platform=osabi, interpreter=loader, minimum_os=minimum
                )
            return
        self._dynamic(plain, dynamic, loader, minimum)

    def _dynamic(self, plain: Slice, dynamic: tuple[int, int], loader: str | None, minimum: str | None) -> None:
        """Reads the dynamic section and the strings that it names."""
        entry = _DYNAMIC[self.bits, self.endian]
        raw = self.at(dynamic[0], min(dynamic[1], _MAX_DYNAMIC))
        tags = self.tags
        needed_at: list[int] = []
        for tag, value in entry.iter_unpack(raw[: len(raw) - len(raw) % entry.size]):
            if tag == 0:
                break
            if tag == _DT_NEEDED:
                needed_at.append(value)
            else:
                tags[tag] = value
        versions = self._version_needs()
        soname_at, rpath_at, runpath_at = tags.get(_DT_SONAME), tags.get(_DT_RPATH), tags.get(_DT_RUNPATH)
        wanted = {*needed_at, *versions}
        wanted.update(x for x in (soname_at, rpath_at, runpath_at) if x is not None)
        strings = self._strings(wanted)
        needed = tuple(strings[x] for x in needed_at if strings.get(x))
        soname = strings.get(soname_at) if soname_at is not None else None
        glibc = highest_glibc([strings[x] for x in versions if x in strings])
        if self.kind == "library" and (tags.get(_DT_FLAGS_1, 0) & _DF_1_PIE or (loader and not soname)):
            self.kind = "executable"
        libc: Literal["glibc", "musl"] | None = None
        if glibc or "libc.so.6" in needed or "libc.so.6.1" in needed:
            libc = "glibc"
        elif any(x.startswith("libc.musl-") for x in needed) or (loader and "/ld-musl-" in loader):
            libc = "musl"
        elif loader and "/ld-linux" in loader:
            libc = "glibc"
        self.slice = Slice(
            machine=plain.machine,
            bits=self.bits,
            little_endian=plain.little_endian,
            platform=plain.platform,
            needed=needed,
            soname=soname or None,
            rpath=_paths(strings, rpath_at),
            runpath=_paths(strings, runpath_at),
            interpreter=loader,
            minimum_os=minimum,
            glibc=glibc,
            libc=libc,
        )

    def _abi_note(self, notes: list[tuple[int, int]]) -> str | None:
        """Oldest Linux kernel that the ABI note (NT_GNU_ABI_TAG) allows."""
        words = _WORDS4[self.endian]
        for offset, length in notes[:8]:
            raw = self.at(offset, min(length, 1024))
            at = 0
            for _ in range(16):
                if at + 16 > len(raw):
                    break
                name_size, desc_size, type_, _ = words.unpack_from(raw, at)
                if (
                    type_ == 1
                    and name_size == 4
                    and raw[at + 12 : at + 16] == b"GNU\0"
                    and desc_size >= 16
                    and at + 32 <= len(raw)
                ):
                    system, major, minor, patch = words.unpack_from(raw, at + 16)
                    return f"{major}.{minor}.{patch}" if system == 0 and major < 100 and minor < 1000 else None
                at += 12 + (name_size + 3 & ~3) + (desc_size + 3 & ~3)
        return None

    def _version_needs(self) -> list[int]:
        """String offsets of the versions that this file needs, weak needs left out."""
        start, count = self.tags.get(_DT_VERNEED), min(self.tags.get(_DT_VERNEEDNUM, 0), 256)
        if start is None or count == 0:
            return []
        base = self.offset(start)
        raw = self.at(base, 4096)
        if len(raw) == 4096:
            raw = self._longer_needs(base, raw, count)
        need, aux = _VERNEED[self.endian], _VERNAUX[self.endian]
        found: list[int] = []
        at = 0
        for _ in range(count):
            if at + 16 > len(raw):
                break
            _, names, _, first, step = need.unpack_from(raw, at)
            place = at + first
            for _ in range(min(names, 1024)):
                if place + 16 > len(raw):
                    break
                _, flags, _, name, onward = aux.unpack_from(raw, place)
                if not flags & _VER_FLG_WEAK:
                    found.append(name)
                if onward == 0:
                    break
                place += onward
            if step == 0:
                break
            at += step
        return found[:2048]

    def _longer_needs(self, base: int, raw: bytes, count: int) -> bytes:
        """The version needs again, in full, where a page does not hold them."""
        need = _VERNEED[self.endian]
        at = 0
        for _ in range(count):
            if at + 16 > len(raw):
                return self.at(base, _MAX_VERSION_NEEDS)
            _, names, _, first, step = need.unpack_from(raw, at)
            if at + first + 16 * names > len(raw):
                return self.at(base, _MAX_VERSION_NEEDS)
            if step == 0:
                break
            at += step
        return raw

    def _strings(self, wanted: set[int]) -> dict[int, str]:
        """Texts at these offsets of the string table, neighbours read together."""
        base = self.offset(self.tags.get(_DT_STRTAB, -1))
        if base < 0 or not wanted:
            return {}
        limit = self.tags.get(_DT_STRSZ, self.size)
        ordered = sorted(x for x in wanted if x < limit)
        found: dict[int, str] = {}
        i = 0
        while i < len(ordered):
            j = i
            while j + 1 < len(ordered) and ordered[j + 1] - ordered[j] <= _STRING_GAP and ordered[j + 1] - ordered[i] < 1 << 16:
                j += 1
            first = ordered[i]
            span = min(ordered[j] - first + 256, limit - first)
            raw = self.at(base + first, span)
            for x in ordered[i : j + 1]:
                end = raw.find(b"\0", x - first)
                if end < 0:
                    longer = self.at(base + x, min(_MAX_STRING, limit - x))
                    found[x] = text(longer.split(b"\0", 1)[0])
                else:
                    found[x] = text(raw[x - first : end])
            i = j + 1
        return found

    # ------------------------------------------------------------------------------------------------------- symbols
    def exports(self, name: bytes) -> bool:
        """The file defines that dynamic symbol; by hash table, a few bytes of it."""
        symbols, strings = self.offset(self.tags.get(_DT_SYMTAB, -1)), self.offset(self.tags.get(_DT_STRTAB, -1))
        if symbols < 0 or strings < 0:
            return False
        if _DT_GNU_HASH in self.tags:
            return self._by_gnu_hash(name, symbols, strings)
        if _DT_HASH in self.tags:
            return self._by_hash(name, symbols, strings)
        return False

    def _is(self, index: int, name: bytes, symbols: int, strings: int) -> bool:
        symbol = _SYMBOL[self.bits, self.endian]
        raw = self.at(symbols + index * symbol.size, symbol.size)
        if len(raw) < symbol.size:
            return False
        fields = symbol.unpack(raw)
        section = fields[3] if self.bits == 64 else fields[5]
        return section != 0 and self.at(strings + fields[0], len(name) + 1) == name + b"\0"

    def _by_gnu_hash(self, name: bytes, symbols: int, strings: int) -> bool:
        base = self.offset(self.tags[_DT_GNU_HASH])
        raw = self.at(base, 16)
        if len(raw) < 16:
            return False
        buckets, first, blooms, shift = _WORDS4[self.endian].unpack(raw)
        if not buckets or not blooms:
            return False
        code = 5381
        for byte in name:
            code = (code * 33 + byte) & 0xFFFFFFFF
        width = self.bits // 8
        order: Literal["little", "big"] = "little" if self.endian == "<" else "big"
        word = int.from_bytes(self.at(base + 16 + (code // self.bits % blooms) * width, width), order)
        if not (word >> (code % self.bits)) & (word >> ((code >> (shift & 31)) % self.bits)) & 1:
            return False
        table = base + 16 + blooms * width
        index = int.from_bytes(self.at(table + code % buckets * 4, 4), order)
        if index < first:
            return False
        chain = table + buckets * 4
        for _ in range(1024):
            hashed = self.at(chain + (index - first) * 4, 4)
            if len(hashed) < 4:
                return False
            value = int.from_bytes(hashed, order)
            if value | 1 == code | 1 and self._is(index, name, symbols, strings):
                return True
            if value & 1:
                return False
            index += 1
        return False

    def _by_hash(self, name: bytes, symbols: int, strings: int) -> bool:
        base = self.offset(self.tags[_DT_HASH])
        order: Literal["little", "big"] = "little" if self.endian == "<" else "big"
        width = 8 if self.slice is not None and self.slice.machine == "s390x" and self.bits == 64 else 4
        buckets = int.from_bytes(self.at(base, width), order)
        if not buckets:
            return False
        code = 0
        for byte in name:
            code = (code << 4) + byte
            high = code & 0xF0000000
            code = (code ^ high >> 24) & ~high & 0xFFFFFFFF
        index = int.from_bytes(self.at(base + (2 + code % buckets) * width, width), order)
        for _ in range(1024):
            if index == 0:
                return False
            if self._is(index, name, symbols, strings):
                return True
            index = int.from_bytes(self.at(base + (2 + buckets + index) * width, width), order)
        return False

    def string_table(self) -> bytes:
        """All dynamic strings, at most 16 MiB."""
        start = self.offset(self.tags.get(_DT_STRTAB, -1))
        return self.at(start, min(self.tags.get(_DT_STRSZ, 0), _MAX_STRINGS)) if start >= 0 else b""

    def _count(self) -> tuple[int, int]:
        """Number of symbols before the first hashed one, and of all (at most ``_MAX_SYMBOLS``)."""
        order: Literal["little", "big"] = "little" if self.endian == "<" else "big"
        if _DT_GNU_HASH in self.tags:
            base = self.offset(self.tags[_DT_GNU_HASH])
            raw = self.at(base, 16)
            if len(raw) < 16:
                return 0, 0
            buckets, first, blooms, _ = _WORDS4[self.endian].unpack(raw)
            table = base + 16 + blooms * (self.bits // 8)
            heads = self.at(table, min(buckets, _MAX_SYMBOLS) * 4)
            last = max((x for (x,) in _WORD[self.endian].iter_unpack(heads[: len(heads) & ~3])), default=0)
            if last < first:
                return min(first, _MAX_SYMBOLS), min(first, _MAX_SYMBOLS)
            chain = self.at(table + buckets * 4 + (last - first) * 4, 4096)
            for (value,) in _WORD[self.endian].iter_unpack(chain[: len(chain) & ~3]):
                last += 1
                if value & 1:
                    break
            return min(first, _MAX_SYMBOLS), min(last, _MAX_SYMBOLS)
        if _DT_HASH in self.tags:
            width = 8 if self.slice is not None and self.slice.machine == "s390x" and self.bits == 64 else 4
            count = int.from_bytes(self.at(self.offset(self.tags[_DT_HASH]) + width, width), order)
            count = min(count, _MAX_SYMBOLS)
            return count, count
        return 0, 0

    def _symbols(self, first: int, last: int) -> list[tuple[int, int, int]]:
        """(offset of the name, binding, section) of the symbols in that range."""
        symbol = _SYMBOL[self.bits, self.endian]
        start = self.offset(self.tags.get(_DT_SYMTAB, -1))
        if start < 0 or last <= first:
            return []
        raw = self.at(start + first * symbol.size, (last - first) * symbol.size)
        raw = raw[: len(raw) - len(raw) % symbol.size]
        if self.bits == 64:
            return [(f[0], f[1] >> 4, f[3]) for f in symbol.iter_unpack(raw)]
        return [(f[0], f[3] >> 4, f[5]) for f in symbol.iter_unpack(raw)]

    def undefined(self, strings: bytes) -> set[bytes]:
        """Strong undefined dynamic symbols."""
        unhashed, _ = self._count()
        return {
            strings[name : strings.find(b"\0", name)]
            for name, binding, section in self._symbols(1, unhashed)
            if section == 0 and binding != _STB_WEAK and name < len(strings)
        }

    def needed_versions(self) -> set[bytes]:
        """Names of the symbol versions that the file needs, weak needs left out."""
        return {name.encode() for name in self._strings(set(self._version_needs())).values()}

    def exported(self) -> set[bytes]:
        """All defined dynamic symbols."""
        strings = self.string_table()
        unhashed, count = self._count()
        first = unhashed if unhashed < count else 1
        return {
            strings[name : strings.find(b"\0", name)]
            for name, _, section in self._symbols(first, count)
            if section != 0 and name < len(strings)
        }


def machine_name(machine: int, bits: int, little: bool, flags: int = 0) -> str:
    """ELF machine number as Linux's ``uname -m`` calls it; ``elf-machine-N`` where it has no such name."""
    if machine == 40:
        if not little:
            return "armeb"
        return "armv7l" if flags & 0x400 or not flags & 0x200 else "armv5l"
    if machine == 62 and bits == 32:
        return "x32"
    if machine == 183 and (bits == 32 or not little):
        return "aarch64_ilp32" if bits == 32 else "aarch64_be"
    if machine == 21 and little:
        return "ppc64le"
    if machine == 22 and bits == 32:
        return "s390"
    if machine == 8:
        return ("mips64" if bits == 64 else "mips") + ("el" if little else "")
    if machine == 243 and bits == 32:
        return "riscv32"
    if machine == 258 and bits == 32:
        return "loongarch32"
    return _MACHINES.get(machine) or f"elf-machine-{machine}"


def highest_glibc(versions: list[str]) -> str | None:
    """The highest ``x.y`` of names like ``GLIBC_2.17``; None when there is none."""
    best = max(map(_glibc_version, versions), default=())
    return ".".join(map(str, best)) if best else None


@lru_cache(maxsize=1024)
def _glibc_version(name: str) -> tuple[int, ...]:
    """The numbers of ``GLIBC_2.17``; empty for other names."""
    parts = name[6:].split(".")
    if not name.startswith("GLIBC_") or len(parts) > 3 or not all(p.isascii() and p.isdigit() and len(p) < 6 for p in parts):
        return ()
    return tuple(map(int, parts))


def _paths(strings: dict[int, str], at: int | None) -> tuple[str, ...]:
    found = strings.get(at) if at is not None else None
    return tuple(p for p in found.split(":") if p) if found else ()
