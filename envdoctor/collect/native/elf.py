"""ELF headers: program headers, the dynamic section, versions needed and defined, dynamic symbols by name.

Follows the System V gABI (https://gabi.xinuos.com/) and, for ``DT_GNU_HASH``, symbol versions and notes, the Linux Standard
Base and the Linux extensions to the gABI. Nothing here reads a section header, a whole symbol table or a whole file unless
asked. All numbers come from the file and may lie: every table is bounded, every offset is checked against the size of the
file.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import compress
from sys import byteorder
from typing import Any, Final, Literal

from envdoctor.collect.native.window import Window, offset_of
from envdoctor.snapshot import Slice, text
from envdoctor.speed import speed

MAGIC: Final = b"\x7fELF"

Kind = Literal["library", "executable", "object", "other"]

_MAX_PROGRAM_HEADERS: Final = 512
_MAX_DYNAMIC: Final = 64 << 10
_MAX_VERSIONS: Final = 64 << 10
_MAX_VERSION_FILES: Final = 256
_MAX_VERSION_NAMES: Final = 1024
_MAX_STRING: Final = 4096
_MAX_SYMBOLS: Final = 1 << 18
_MAX_STRINGS: Final = 16 << 20
_STRING_GAP: Final = 2 << 10
_BEFORE: Final = 1 << 9
"""Bytes that are read before the version needs, for the names in front of them."""
_FEW: Final = 24
"""Up to so many names are looked up one by one; for more the hash table is read whole."""

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE = 1, 2, 3, 4
_PT_GNU_STACK, _PT_GNU_PROPERTY = 0x6474E551, 0x6474E553
_PF_X: Final = 1
_DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 1, 4, 5, 6, 10, 14, 15, 29
_DT_GNU_HASH, _DT_VERSYM, _DT_FLAGS_1 = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFB
_DT_VERDEF, _DT_VERDEFNUM, _DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_DF_1_NODEFLIB: Final = 0x800
_DF_1_PIE: Final = 0x08000000
_VER_FLG_BASE: Final = 1
_VER_FLG_WEAK: Final = 2
_STB_LOCAL, _STB_WEAK = 0, 2
_STT_REGISTER: Final = 13

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
_EXECUTABLE_BY_DEFAULT: Final = frozenset({2, 3, 8, 18, 20, 22, 40, 43, 62})
"""Machines on which a file without PT_GNU_STACK counts as asking for an executable stack: SPARC, x86, MIPS, 32-bit PowerPC,
S/390, ARM (glibc's ``stackinfo.h``, the kernel's ``elf_read_implies_exec``). The newer ones start from the opposite."""

_ISA_LEVELS: Final = ((8, "x86-64-v4"), (4, "x86-64-v3"), (2, "x86-64-v2"))
_X86_ISA_1_NEEDED: Final = 0xC0008002

_HEADER = {(b, e): struct.Struct(e + ("HHIIIIIHHHHHH" if b == 32 else "HHIQQQIHHHHHH")) for b in (32, 64) for e in "<>"}
_PROGRAM: Final = {32: "IIIIIIII", 64: "IIQQQQQQ"}
_SYMBOL = {(b, e): struct.Struct(e + ("IIIBBH" if b == 32 else "IBBHQQ")) for b in (32, 64) for e in "<>"}
_VERNEED = {e: struct.Struct(e + "HHIII") for e in "<>"}
_VERNAUX = {e: struct.Struct(e + "IHHII") for e in "<>"}
_VERDEF = {e: struct.Struct(e + "HHHHIII") for e in "<>"}
_WORDS3 = {e: struct.Struct(e + "III") for e in "<>"}
_WORDS4 = {e: struct.Struct(e + "IIII") for e in "<>"}
_WORDS2 = {e: struct.Struct(e + "II") for e in "<>"}
_WORD = {e: struct.Struct(e + "I") for e in "<>"}
_NOTE_ABI = {"<": b"\4\0\0\0\x10\0\0\0\1\0\0\0GNU\0", ">": b"\0\0\0\4\0\0\0\x10\0\0\0\1GNU\0"}
_NOTE_PROPERTY = {"<": b"\5\0\0\0GNU\0", ">": b"\0\0\0\5GNU\0"}


_TEXTS: dict[bytes, str] = {}
_TUPLES: dict[tuple[str, ...], tuple[str, ...]] = {}
_HASHES: dict[bytes, int] = {}
_TIDY: dict[bytes, tuple[Kind, tuple[Slice]]] = {}
_WORDS: dict[bytes, Any] = {}
"""What many files say alike is kept once: names of libraries and versions, and hashes of symbols that are looked up; whole
slices and their parts by what the compiled reader says."""
_MAX_KEPT: Final = 1 << 14
_NATIVE: Final = "<" if byteorder == "little" else ">"


@lru_cache(maxsize=256)
def _table(code: str, endian: str, count: int) -> struct.Struct:
    """Layout of `count` equal records, read at once."""
    return struct.Struct(endian + code * count)


class Elf(Window):
    """One open ELF file. `head` are its first bytes, `size` its size; `problem` says why it cannot be loaded anywhere."""

    def __init__(self, fd: int, head: bytes, size: int) -> None:
        super().__init__(fd, head, size)
        self.problem: str | None = None
        self.kind: Kind = "other"
        self.sections_cut = False
        """The table of section headers lies behind the end of the file."""
        self.loads: list[tuple[int, int, int]] = []
        """(virtual address, offset, size in the file) of each PT_LOAD."""
        self.tags: dict[int, int] = {}
        self.slice: Slice | None = None
        self.bits: Literal[32, 64] = 64
        self.endian: Literal["<", ">"] = "<"
        self._parse()

    def offset(self, address: int) -> int:
        """Where a virtual address lies in the file, or -1."""
        loads = self.loads
        if loads:
            start, offset, length = loads[0]
            if start <= address < start + length:
                return offset + address - start
        return offset_of(address, loads)

    def _at_tag(self, tag: int) -> int:
        """Where the table of a dynamic tag lies in the file, or -1."""
        return self.offset(self.tags.get(tag, -1))

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
        kind, machine, _, _, phoff, shoff, flags, _, phentsize, phnum, shentsize, shnum, _ = _HEADER[bits, endian].unpack_from(
            head, 16
        )
        self.sections_cut = shoff + shentsize * shnum > self.size
        name = machine_name(machine, bits, endian == "<", flags)
        osabi = _OS_ABIS.get(head[7])
        if machine in ACCELERATORS or kind not in (2, 3):
            self.slice = Slice(machine=name, bits=bits, little_endian=endian == "<", platform=osabi)
            if machine not in ACCELERATORS and kind == 1:
                self.kind = "object"
            return
        self.kind = "executable" if kind == 2 else "library"
        width = 56 if bits == 64 else 32
        length = phnum * width
        if phnum == 0 or phentsize != width or phnum > _MAX_PROGRAM_HEADERS:
            self.problem = "no valid program headers"
        elif len(raw := head[phoff : phoff + length] if phoff + length <= len(head) else self.at(phoff, length)) < length:
            self.problem = "truncated before the end of its program headers"
        if self.problem:
            self.slice = Slice(machine=name, bits=bits, little_endian=endian == "<", platform=osabi)
            return
        fields = _table(_PROGRAM[bits], endian, phnum).unpack(raw)
        # 64 bits: type, flags, offset, address, …, size in the file; 32 bits: type, offset, address, …, size, …, flags
        offset_at, address_at, size_at, flags_at = (2, 3, 5, 1) if bits == 64 else (1, 2, 4, 6)
        dynamic = interpreter = stack = None
        notes: list[tuple[int, int]] = []
        loads = self.loads
        end = at = 0
        for type_ in fields[::8]:
            if type_ == _PT_LOAD:
                offset, filled = fields[at + offset_at], fields[at + size_at]
                loads.append((fields[at + address_at], offset, filled))
                if offset + filled > end:
                    end = offset + filled
            elif type_ == _PT_NOTE:
                notes.append((fields[at + offset_at], fields[at + size_at]))
            elif type_ == _PT_DYNAMIC:
                dynamic = (fields[at + offset_at], fields[at + size_at])
            elif type_ == _PT_GNU_STACK:
                stack = fields[at + flags_at]
            elif type_ == _PT_GNU_PROPERTY:
                # older linkers wrote a PT_NOTE alone, newer ones both
                place = (fields[at + offset_at], fields[at + size_at])
                if place not in notes:
                    notes.append(place)
            elif type_ == _PT_INTERP:
                interpreter = (fields[at + offset_at], fields[at + size_at])
            at += 8
        if end > self.size:
            self.problem = f"truncated: {self.size} bytes of at least {end}"
        loader = None
        if interpreter is not None:
            loader = text(self.at(interpreter[0], min(interpreter[1], _MAX_STRING)).split(b"\0", 1)[0]) or None
        minimum, isa = self._notes(notes) if notes else (None, None)
        facts = self._dynamic(dynamic, loader) if dynamic is not None else {}
        self.slice = Slice(
            machine=name,
            bits=bits,
            little_endian=endian == "<",
            platform=osabi,
            interpreter=loader,
            minimum_os=minimum,
            isa=isa if machine in (3, 62) else None,
            executable_stack=machine in _EXECUTABLE_BY_DEFAULT if stack is None else stack & _PF_X != 0,
            **facts,
        )

    def _dynamic(self, place: tuple[int, int], loader: str | None) -> dict[str, Any]:
        """What the dynamic section says, as fields of a :class:`~envdoctor.snapshot.Slice`."""
        width = 16 if self.bits == 64 else 8
        raw = self.at(place[0], min(place[1], _MAX_DYNAMIC))
        flat = _table("QQ" if width == 16 else "II", self.endian, len(raw) // width).unpack_from(raw)
        keys, values = flat[::2], flat[1::2]
        try:
            keys = keys[: keys.index(0)]
        except ValueError:
            pass
        tags = self.tags = dict(zip(keys, values, strict=False))
        count = 0
        for key in keys:
            if key != _DT_NEEDED:
                break
            count += 1
        needed_at = values[:count]
        if _DT_NEEDED in tags and (not count or tags[_DT_NEEDED] != values[count - 1]):
            needed_at = tuple(value for key, value in zip(keys, values, strict=False) if key == _DT_NEEDED)
        get = tags.get
        soname_at, rpath_at, runpath_at, flags = get(_DT_SONAME), get(_DT_RPATH), get(_DT_RUNPATH), get(_DT_FLAGS_1, 0)
        wanted = {soname_at or 0, rpath_at or 0, runpath_at or 0, *needed_at}
        # linkers put the names right before the version needs, so one read brings both
        window = b""
        opens = self.offset(get(_DT_STRTAB, -1))
        starts = 0
        needs: Sequence[tuple[int, Sequence[int]]] = ()
        if _DT_VERNEED in tags:
            base = self.offset(tags[_DT_VERNEED])
            starts = max(0, base - _BEFORE)
            window = self.at(starts, base - starts + 1024) if base >= 0 else b""
            needs = self._version_needs(base, window, base - starts)
            for library, versions in needs:
                wanted.add(library)
                wanted.update(versions)
        defined: list[int] = []
        if _DT_VERDEF in tags:
            defined = self._version_definitions()
            wanted.update(defined)
        wanted.discard(0)
        string = self._strings(wanted, opens, window, starts) if wanted and opens >= 0 else {}
        get_string = string.get
        # strings that are empty or outside of the table are not there
        pairs = [(get_string(library), _same(tuple(filter(None, map(get_string, versions))))) for library, versions in needs]
        self.kind, facts = _linked(
            self.kind,
            loader,
            _same(tuple(filter(None, map(get_string, needed_at)))),
            get_string(soname_at) if soname_at else None,
            get_string(rpath_at) if rpath_at else None,
            get_string(runpath_at) if runpath_at else None,
            pairs,
            _same(tuple(filter(None, map(get_string, defined)))) if defined else (),
            flags & _DF_1_PIE != 0,
        )
        facts["no_default_folders"] = flags & _DF_1_NODEFLIB != 0
        return facts

    def _notes(self, notes: list[tuple[int, int]]) -> tuple[str | None, str | None]:
        """Oldest Linux kernel that the ABI note (NT_GNU_ABI_TAG) allows, and the x86 level that the property note demands."""
        minimum = isa = None
        abi, properties = _NOTE_ABI[self.endian], _NOTE_PROPERTY[self.endian]
        for offset, length in notes[:8]:
            raw = self.at(offset, min(length, 1024))
            at = raw.find(abi)
            if at >= 0 and at % 4 == 0 and at + 32 <= len(raw):
                system, major, minor, patch = _WORDS4[self.endian].unpack_from(raw, at + 16)
                if system == 0 and major < 100 and minor < 1000 and minimum is None:
                    minimum = f"{major}.{minor}.{patch}"
            at = raw.find(properties)
            if at >= 8 and at % 4 == 0 and isa is None:
                isa = self._isa(raw, at - 8)
        return minimum, isa

    def _isa(self, raw: bytes, at: int) -> str | None:
        """The x86-64 level of GNU_PROPERTY_X86_ISA_1_NEEDED in the note (NT_GNU_PROPERTY_TYPE_0) at `at`."""
        _, size = _WORDS2[self.endian].unpack_from(raw, at)
        at += 16
        end = min(at + size, len(raw))
        step = 8 if self.bits == 64 else 4
        for _ in range(64):
            if at + 12 > end:
                break
            kind, length, value = _WORDS3[self.endian].unpack_from(raw, at)
            if kind == _X86_ISA_1_NEEDED and length == 4:
                return next((name for bit, name in _ISA_LEVELS if value & bit), None)
            at += 8 + (length + step - 1) // step * step
        return None

    def _version_needs(self, base: int, window: bytes, at: int) -> Sequence[tuple[int, Sequence[int]]]:
        """String offsets of each library that must define versions, and of those versions; weak needs left out.

        The table begins at `base` in the file, and at `at` in `window`.
        """
        count = min(self.tags.get(_DT_VERNEEDNUM, 0), _MAX_VERSION_FILES)
        if at % 4 == 0 and self.endian == _NATIVE:
            found = _tidy_version_needs(window, at, count)
            if found is not None:
                return found
        return self._any_version_needs(base, window[at:], count)

    def _any_version_needs(self, base: int, raw: bytes, count: int) -> list[tuple[int, list[int]]]:
        """The same, record by record, from `base` on, whose first bytes are `raw`."""
        need, aux = _VERNEED[self.endian].unpack_from, _VERNAUX[self.endian].unpack_from
        found: list[tuple[int, list[int]]] = []
        at = 0
        left = _MAX_VERSION_NAMES
        for _ in range(count):
            if at + 16 > len(raw):
                raw = self._longer(base, raw)
                if at + 16 > len(raw):
                    break
            _, names, library, first, step = need(raw, at)
            place = at + first
            versions: list[int] = []
            for _ in range(min(names, left)):
                if place + 16 > len(raw):
                    raw = self._longer(base, raw)
                    if place + 16 > len(raw):
                        break
                left -= 1
                _, flags, _, name, onward = aux(raw, place)
                if not flags & _VER_FLG_WEAK:
                    versions.append(name)
                if onward == 0:
                    break
                place += onward
            if versions:
                found.append((library, versions))
            if step == 0:
                break
            at += step
        return found

    def _version_definitions(self) -> list[int]:
        """String offsets of the versions that the file defines, its own name (VER_FLG_BASE) left out."""
        count = min(self.tags.get(_DT_VERDEFNUM, 0), _MAX_VERSION_NAMES)
        base = self._at_tag(_DT_VERDEF)
        raw = self.at(base, min(_MAX_VERSIONS, 48 * count))
        definition, word = _VERDEF[self.endian].unpack_from, _WORD[self.endian].unpack_from
        found: list[int] = []
        at = 0
        for _ in range(count):
            if at + 20 > len(raw):
                raw = self._longer(base, raw)
                if at + 20 > len(raw):
                    break
            _, flags, _, _, _, first, step = definition(raw, at)
            if not flags & _VER_FLG_BASE and at + first + 4 <= len(raw):
                found.append(word(raw, at + first)[0])
            if step == 0:
                break
            at += step
        return found

    def _longer(self, base: int, raw: bytes) -> bytes:
        """The version table from `base` again, in full, where its first bytes do not hold it."""
        return raw if len(raw) >= _MAX_VERSIONS else self.at(base, _MAX_VERSIONS)

    def _strings(self, wanted: set[int], base: int, window: bytes, starts: int) -> dict[int, str]:
        """Texts at these offsets of the string table, which begins at `base`; empty ones left out.

        In nearly all files they lie close together, often in `window`, which are the bytes of the file from `starts` on.
        """
        limit = self.tags.get(_DT_STRSZ, self.size)
        low, high = min(wanted), max(wanted)
        if high - low <= _STRING_GAP and high < limit:
            shift = base - starts
            if low + shift < 0 or window.find(b"\0", high + shift) < 0:
                shift = -low
                window = self.at(base + low, min(high + 160, limit) - low)
            find = window.find
            if find(b"\0", high + shift) >= 0:
                known = _TEXTS.get
                return {x: known(word) or _text(word) for x in wanted if (word := window[x + shift : find(b"\0", x + shift)])}
        return self._far_strings(wanted, base, limit)

    def _far_strings(self, wanted: set[int], base: int, limit: int) -> dict[int, str]:
        """The same for any offsets, neighbours read together."""
        found: dict[int, str] = {}
        raw = b""
        first = last = 0
        ordered = sorted(wanted)
        for i, x in enumerate(ordered):
            if x >= limit:
                break
            if x >= last:
                # the run of offsets from here that lie close together
                last = x
                for other in ordered[i + 1 :]:
                    if other - last > _STRING_GAP or other - x > 1 << 16:
                        break
                    last = other
                first, last = x, last + 128
                raw = self.at(base + first, min(last, limit) - first)
            end = raw.find(b"\0", x - first)
            if end < 0:
                word = self.at(base + x, min(_MAX_STRING, limit - x)).split(b"\0", 1)[0]
            else:
                word = raw[x - first : end]
            if word:
                found[x] = _TEXTS.get(word) or _text(word)
        return found

    # ------------------------------------------------------------------------------------------------------- symbols
    def exports(self, name: bytes) -> bool:
        """The file defines that dynamic symbol; by hash table, a few bytes of it."""
        return name in self.defines((name,))

    def defines(self, names: Iterable[bytes]) -> set[bytes]:
        """Those of `names` that the file's dynamic symbols define, as the loader finds them for an asker without versions.

        Looked up by DT_GNU_HASH (DT_HASH where that is all there is). A few names cost some reads of a few bytes each, many
        names one read of the hash table. A definition that is hidden behind a version other than the file's first is none for
        such an asker.
        """
        if _DT_SYMTAB not in self.tags or _DT_STRTAB not in self.tags:
            return set()
        if _DT_GNU_HASH in self.tags:
            return self._checked(self._by_gnu_hash(names))
        if _DT_HASH in self.tags:
            names = list(names)
            return self._checked(self._by_hash(names)) if len(names) <= _FEW else self.exported().intersection(names)
        return set()

    def unversioned(self) -> set[bytes]:
        """Strong undefined dynamic symbols that carry no version: the loader takes them from any library in scope."""
        return self._undefined(only_unversioned=True)

    def undefined(self) -> set[bytes]:
        """All strong undefined dynamic symbols, those with a version included."""
        return self._undefined(only_unversioned=False)

    def exported(self) -> set[bytes]:
        """All defined dynamic symbols, at most 2**18 of them with names in at most 16 MiB."""
        unhashed, count = self._count()
        first = unhashed if unhashed < count else 1
        names, _, sections = self._symbols(first, count)
        return self._names([name for name, section in zip(names, sections, strict=False) if section])

    def needed_versions(self) -> set[bytes]:
        """Names of the symbol versions that the file needs, weak needs left out."""
        return {name.encode() for names in (self.slice.version_needs if self.slice else {}).values() for name in names}

    def _undefined(self, *, only_unversioned: bool) -> set[bytes]:
        names, infos, sections = self._symbols(0, self._unhashed())
        found = [not section for section in sections]
        if only_unversioned and _DT_VERSYM in self.tags:
            versions = self._array("H", self._at_tag(_DT_VERSYM), len(found))
            if len(versions) == len(found):
                found = [missing and version & 0x7FFF < 2 for missing, version in zip(found, versions, strict=True)]
        wanted = zip(compress(names, found), compress(infos, found), strict=False)
        return self._names(
            [name for name, info in wanted if info >> 4 not in (_STB_LOCAL, _STB_WEAK) and info & 15 != _STT_REGISTER]
        )

    def _array(self, code: Literal["H", "I", "Q"], offset: int, count: int) -> array[int]:
        """`count` numbers at `offset`, fewer at the end of the file."""
        numbers: array[int] = array(code)
        width = numbers.itemsize
        raw = self.at(offset, count * width)
        numbers.frombytes(raw[: len(raw) // width * width])
        if (self.endian == "<") != (byteorder == "little"):
            numbers.byteswap()
        return numbers

    def _symbols(self, first: int, last: int) -> tuple[array[int], bytes, array[int]]:
        """Of the symbols in that range the offsets of their names, their bindings and types, their sections."""
        width = 24 if self.bits == 64 else 16
        start = self._at_tag(_DT_SYMTAB)
        raw = self.at(start + first * width, (last - first) * width) if start >= 0 else b""
        raw = raw[: len(raw) // width * width]
        words, halves = array("I", raw), array("H", raw)
        if (self.endian == "<") != (byteorder == "little"):
            words.byteswap()
            halves.byteswap()
        if self.bits == 64:
            return words[::6], raw[4::24], halves[3::12]
        return words[::4], raw[12::16], halves[7::8]

    def _names(self, offsets: list[int]) -> set[bytes]:
        """The strings at these offsets of the string table; those past its first 16 MiB after the lowest are left out."""
        base = self._at_tag(_DT_STRTAB)
        if base < 0 or not offsets:
            return set()
        low, high = min(offsets), max(offsets)
        limit = min(high + _MAX_STRING, self.tags.get(_DT_STRSZ, self.size), low + _MAX_STRINGS)
        raw = self.at(base + low, limit - low)
        find, size = raw.find, len(raw)
        return {raw[x - low : find(b"\0", x - low)] for x in offsets if x - low < size} - {b""}

    def _checked(self, candidates: list[tuple[int, bytes]]) -> set[bytes]:
        """Those names whose symbol number is defined, bears the name, and is not hidden behind a version."""
        symbols, strings, versions = self._at_tag(_DT_SYMTAB), self._at_tag(_DT_STRTAB), self._at_tag(_DT_VERSYM)
        if symbols < 0 or strings < 0:
            return set()
        layout = _SYMBOL[self.bits, self.endian]
        width = layout.size
        section_at = 3 if self.bits == 64 else 5
        little = self.endian == "<"
        at = self.at
        bulk = b""
        low = 0
        if len(candidates) > 200:
            low = min(candidates)[0]
            length = (max(candidates)[0] - low + 1) * width
            bulk = at(symbols + low * width, length) if length <= _MAX_STRINGS else b""
        names = at(strings, min(self.tags.get(_DT_STRSZ, 0), _MAX_STRINGS)) if bulk else b""
        found: set[bytes] = set()
        for index, name in candidates:
            raw = bulk[(index - low) * width : (index - low + 1) * width] or at(symbols + index * width, width)
            if len(raw) < width:
                continue
            fields = layout.unpack(raw)
            start, length = fields[0], len(name) + 1
            said = names[start : start + length] if start + length <= len(names) else at(strings + start, length)
            if fields[section_at] == 0 or said != name + b"\0":
                continue
            if versions >= 0:
                half = at(versions + 2 * index, 2)
                version = int.from_bytes(half, "little" if little else "big")
                if version & 0x8000 and version & 0x7FFF >= 3:
                    continue
            found.add(name)
        return found

    def _by_gnu_hash(self, names: Iterable[bytes]) -> list[tuple[int, bytes]]:
        """(symbol number, name) of the symbols whose hash is that of one of the names."""
        base = self._at_tag(_DT_GNU_HASH)
        raw = self.at(base, 16)
        if len(raw) < 16:
            return []
        count, first, blooms, shift = _WORDS4[self.endian].unpack(raw)
        if not count or not blooms:
            return []
        bits = self.bits
        bucket_at = base + 16 + blooms * (bits // 8)
        chain_at = bucket_at + 4 * count
        names = list(names)
        total = 0 if len(names) <= _FEW or count > _MAX_SYMBOLS else self._count()[1]
        if not 0 < total < _MAX_SYMBOLS:  # few names, or a table too large to be read whole: libtensorflow_cc has 640,000 symbols
            return self._few_by_gnu_hash(names, base + 16, blooms, shift & 31, bucket_at, chain_at, count, first)
        buckets = self._array("I", bucket_at, count)
        if len(buckets) < count:
            return []
        chains = self._array("I", chain_at, max(0, total - first))
        size = len(chains)
        found: list[tuple[int, bytes]] = []
        for name in names:
            code = _HASHES.get(name) or gnu_hash(name)
            at = buckets[code % count] - first
            code |= 1
            # a chain ends with a set lowest bit
            while 0 <= at < size:
                value = chains[at]
                if value | 1 == code:
                    found.append((at + first, name))
                if value & 1:
                    break
                at += 1
        return found

    def _few_by_gnu_hash(
        self, names: list[bytes], bloom_at: int, blooms: int, shift: int, bucket_at: int, chain_at: int, count: int, first: int
    ) -> list[tuple[int, bytes]]:
        order: Literal["little", "big"] = "little" if self.endian == "<" else "big"
        bits = self.bits
        width = bits // 8
        number = int.from_bytes
        found: list[tuple[int, bytes]] = []
        for name in names:
            code = _HASHES.get(name) or gnu_hash(name)
            word = number(self.at(bloom_at + code // bits % blooms * width, width), order)
            if not (word >> code % bits) & (word >> (code >> shift) % bits) & 1:
                continue
            index = number(self.at(bucket_at + code % count * 4, 4), order)
            code |= 1
            for _ in range(128 if index >= first else 0):
                chain = self._array("I", chain_at + (index - first) * 4, 8)
                for value in chain:
                    if value | 1 == code:
                        found.append((index, name))
                    if value & 1:
                        break
                    index += 1
                else:
                    if len(chain) == 8:
                        continue
                break
        return found

    def _by_hash(self, names: Iterable[bytes]) -> list[tuple[int, bytes]]:
        """The same by DT_HASH: every symbol of the chains, as these hold no hashes."""
        base = self._at_tag(_DT_HASH)
        order: Literal["little", "big"] = "little" if self.endian == "<" else "big"
        width = self._hash_width
        count = int.from_bytes(self.at(base, width), order)
        found: list[tuple[int, bytes]] = []
        for name in names if count else ():
            index = int.from_bytes(self.at(base + (2 + sysv_hash(name) % count) * width, width), order)
            for _ in range(256):
                if index == 0:
                    break
                found.append((index, name))
                index = int.from_bytes(self.at(base + (2 + count + index) * width, width), order)
        return found

    @property
    def _hash_width(self) -> int:
        """Bytes of a word of DT_HASH: 8 on 64-bit S/390, 4 elsewhere."""
        return 8 if self.bits == 64 and self.slice is not None and self.slice.machine == "s390x" else 4

    def _unhashed(self) -> int:
        """Number of symbols before the first hashed one."""
        if _DT_GNU_HASH in self.tags:
            raw = self.at(self._at_tag(_DT_GNU_HASH), 16)
            return min(_WORDS4[self.endian].unpack(raw)[1], _MAX_SYMBOLS) if len(raw) == 16 else 0
        return self._count()[0]

    def _count(self) -> tuple[int, int]:
        """Number of symbols before the first hashed one, and of all (at most ``_MAX_SYMBOLS``)."""
        if _DT_GNU_HASH in self.tags:
            base = self._at_tag(_DT_GNU_HASH)
            raw = self.at(base, 16)
            if len(raw) < 16:
                return 0, 0
            buckets, first, blooms, _ = _WORDS4[self.endian].unpack(raw)
            table = base + 16 + blooms * (self.bits // 8)
            last = max(self._array("I", table, min(buckets, _MAX_SYMBOLS)), default=0)
            if last < first:
                return min(first, _MAX_SYMBOLS), min(first, _MAX_SYMBOLS)
            for value in self._array("I", table + buckets * 4 + (last - first) * 4, 1024):
                last += 1
                if value & 1:
                    break
            return min(first, _MAX_SYMBOLS), min(last, _MAX_SYMBOLS)
        if _DT_HASH in self.tags:
            width = self._hash_width
            raw = self.at(self._at_tag(_DT_HASH) + width, width)
            count = min(int.from_bytes(raw, "little" if self.endian == "<" else "big"), _MAX_SYMBOLS)
            return count, count
        return 0, 0


def gnu_hash(name: bytes) -> int:
    """The hash of DT_GNU_HASH: h = h * 33 + byte from 5381, in 32 bits.

    That is the name read as a number in base 33, with digits up to 255. Split into digits below 33 and their carries, two
    calls of int() compute it, whatever the length of the name.
    """
    if len(name) > 4000:  # int() refuses longer texts
        code = 5381
        for byte in name:
            code = (code * 33 + byte) & 0xFFFFFFFF
        return code
    if name:
        code = int(name.translate(_DIGITS), 33) + 33 * int(name.translate(_CARRIES), 33) + 5381 * _power(len(name))
    else:
        code = 5381
    code &= 0xFFFFFFFF
    if len(_HASHES) >= _MAX_KEPT:
        _HASHES.clear()
    _HASHES[name] = code
    return code


_BASE_33: Final = b"0123456789abcdefghijklmnopqrstuvw"
_DIGITS: Final = bytes(_BASE_33[byte % 33] for byte in range(256))
_CARRIES: Final = bytes(_BASE_33[byte // 33] for byte in range(256))


@lru_cache(maxsize=4096)
def _power(length: int) -> int:
    return pow(33, length, 1 << 32)


def sysv_hash(name: bytes) -> int:
    """The hash of DT_HASH (gABI)."""
    code = 0
    for byte in name:
        code = (code << 4) + byte
        high = code & 0xF0000000
        code = (code ^ high >> 24) & ~high & 0xFFFFFFFF
    return code


def _tidy_version_needs(raw: bytes, start: int, count: int) -> list[tuple[int, Sequence[int]]] | None:
    """What :meth:`Elf._version_needs` gives, for records that follow each other as all linkers write them, in this machine's
    byte order, without weak ones, all in `raw` from `start` on; None for others.

    Every record has 16 bytes. A library: version and number of needs (2 bytes each), name, offset of its first need, step to
    the next library. A need: hash, flags and number (2 bytes each), name, step.
    """
    raw = raw[: len(raw) & ~3]
    words = memoryview(raw).cast("I")
    halves = memoryview(raw).cast("H")
    size = len(words)
    found: list[tuple[int, Sequence[int]]] = []
    at = start >> 2
    for number in range(1, count + 1):
        if at + 8 > size or words[at + 2] != 16:
            return None
        end = at + 4 + 4 * halves[2 * at + 1]
        if end > size or end < at + 8:
            return None
        steps = words[at + 7 : end : 4].tolist()
        if steps.pop() or steps.count(16) != len(steps) or any(halves[2 * at + 10 : 2 * end : 8].tolist()):
            return None
        found.append((words[at + 1], words[at + 6 : end : 4].tolist()))
        if words[at + 3] != 4 * (end - at):
            return None if words[at + 3] or number < count else found
        at = end
    return found


def _linked(
    kind: Kind,
    loader: str | None,
    needed: tuple[str, ...],
    soname: str | None,
    rpath: str | None,
    runpath: str | None,
    needs: Iterable[tuple[str | None, tuple[str, ...]]],
    definitions: tuple[str, ...],
    pie: bool,
) -> tuple[Kind, dict[str, Any]]:
    """What a file of this `kind` turns out to be by its dynamic section, and fields of its :class:`~envdoctor.snapshot.Slice`."""
    version_needs: dict[str, tuple[str, ...]] = {}
    glibc: tuple[int, ...] = ()
    for library, names in needs:
        if names and library:
            version_needs[library] = version_needs[library] + names if library in version_needs else names
            highest = _highest_glibc(names)
            if highest > glibc:
                glibc = highest
    if kind == "library" and (pie or (loader and not soname)):
        kind = "executable"
    libc: Literal["glibc", "musl"] | None = None
    if glibc or "libc.so.6" in needed or "libc.so.6.1" in needed:
        libc = "glibc"
    elif loader:
        libc = "musl" if "/ld-musl-" in loader else "glibc" if "/ld-linux" in loader else None
    if libc is None and any(x.startswith("libc.musl-") for x in needed):
        libc = "musl"
    return kind, {
        "needed": needed,
        "soname": soname,
        "rpath": _paths(rpath),
        "runpath": _paths(runpath),
        "glibc": _dotted(glibc) if glibc else None,
        "libc": libc,
        "version_needs": version_needs,
        "version_definitions": definitions,
    }


def tidy(facts: bytes) -> tuple[Kind, tuple[Slice]]:
    """What the file is of which the compiled reader says `facts`, and its slice: those of :class:`Elf`."""
    found = _TIDY.get(facts)
    if found is None:
        for kept in (_TIDY, _WORDS):
            if len(kept) >= _MAX_KEPT:
                kept.clear()
        found = _TIDY[facts] = _tidy(facts)
    return found


def _tidy(facts: bytes) -> tuple[Kind, tuple[Slice]]:
    (
        machine, flags, osabi, program, dynamic, pie, no_defaults, stack, minimum, isa,
        loader, soname, rpath, runpath, needed, needs, definitions,
    ) = speed.elf_fields(facts, _WORDS)  # fmt: skip
    kind: Kind = "executable" if program else "library"
    said: dict[str, Any] = {}
    if dynamic:
        kind, said = _linked(kind, loader, needed, soname, rpath, runpath, needs, definitions, pie)
    part = Slice(
        machine=machine_name(machine, 64, True, flags),
        bits=64,
        little_endian=True,
        platform=_OS_ABIS.get(osabi),
        interpreter=loader,
        minimum_os=minimum,
        isa=f"x86-64-v{isa}" if isa and machine in (3, 62) else None,
        executable_stack=machine in _EXECUTABLE_BY_DEFAULT if stack is None else stack,
        no_default_folders=no_defaults,
        **said,
    )
    return kind, (part,)


@lru_cache(maxsize=256)
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
    best = _highest_glibc(tuple(versions))
    return ".".join(map(str, best)) if best else None


@lru_cache(maxsize=256)
def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@lru_cache(maxsize=1024)
def _highest_glibc(versions: tuple[str, ...]) -> tuple[int, ...]:
    return max(map(_glibc_version, versions), default=())


@lru_cache(maxsize=1024)
def _glibc_version(name: str) -> tuple[int, ...]:
    """The numbers of ``GLIBC_2.17``; empty for other names."""
    parts = name[6:].split(".")
    if not name.startswith("GLIBC_") or len(parts) > 3 or not all(p.isascii() and p.isdigit() and len(p) < 6 for p in parts):
        return ()
    return tuple(map(int, parts))


@lru_cache(maxsize=1024)
def _paths(said: str | None) -> tuple[str, ...]:
    return tuple(p for p in said.split(":") if p) if said else ()


def _text(raw: bytes) -> str:
    """`raw` as text, the same object for the same bytes."""
    found = text(raw)
    if len(raw) < 256:
        if len(_TEXTS) >= _MAX_KEPT:
            _TEXTS.clear()
        _TEXTS[raw] = found
    return found


def _same(names: tuple[str, ...]) -> tuple[str, ...]:
    """`names`, the same object for the same names."""
    if len(_TUPLES) >= _MAX_KEPT:
        _TUPLES.clear()
    return _TUPLES.setdefault(names, names)
