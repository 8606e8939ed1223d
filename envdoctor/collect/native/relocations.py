"""Which undefined symbols of an ELF file the loader has to find: those that a relocation names.

A symbol that stands in the table only because the linker dropped the code that used it is never looked up.
"""

from __future__ import annotations

from array import array
from sys import byteorder
from typing import Final, Literal

from envdoctor.collect.native.elf import Elf

_DT_PLTRELSZ, _DT_STRTAB, _DT_SYMTAB, _DT_RELA, _DT_RELASZ, _DT_REL, _DT_RELSZ = 2, 5, 6, 7, 8, 17, 18
_DT_PLTREL, _DT_JMPREL = 20, 23
_MAX_TABLE: Final = 96 << 20
_MAX_SYMBOLS: Final = 1 << 18


def bound(image: Elf, names: set[bytes]) -> set[bytes]:
    """Those of `names` that some relocation of the file refers to; all of them where its tables cannot be read."""
    tags = image.tags
    wide = image.bits == 64
    strings, symbols = image.offset(tags.get(_DT_STRTAB, -1)), image.offset(tags.get(_DT_SYMTAB, -1))
    if strings < 0 or symbols < 0 or not names:
        return set(names)
    used: set[int] = set()
    rela = tags.get(_DT_PLTREL, _DT_RELA) == _DT_RELA
    for start, size, with_addend in (
        (_DT_RELA, _DT_RELASZ, True),
        (_DT_REL, _DT_RELSZ, False),
        (_DT_JMPREL, _DT_PLTRELSZ, rela),
    ):
        if start not in tags:
            continue
        place, length = image.offset(tags[start]), tags.get(size, 0)
        if place < 0 or length > _MAX_TABLE:
            return set(names)
        words = _words(image, "Q" if wide else "I", image.at(place, length))
        shift = 32 if wide else 8
        used.update(info >> shift for info in set(words[1 :: 3 if with_addend else 2]))
    width = 24 if wide else 16
    found: set[bytes] = set()
    for index in used:
        if not 0 < index < _MAX_SYMBOLS:
            continue
        head = _words(image, "I", image.at(symbols + index * width, 4))
        if head:
            raw = image.at(strings + head[0], 4096)
            found.add(raw[: max(0, raw.find(b"\0"))])
    return names & found


def _words(image: Elf, code: Literal["I", "Q"], raw: bytes) -> array[int]:
    numbers: array[int] = array(code)
    numbers.frombytes(raw[: len(raw) // numbers.itemsize * numbers.itemsize])
    if (image.endian == "<") != (byteorder == "little"):
        numbers.byteswap()
    return numbers
