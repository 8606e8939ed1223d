"""PE headers: machine, subsystem, imported and delay-loaded DLLs, exports, forwarders.

Follows Microsoft's *PE Format* specification.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from envdoctor.collect.native.window import Window, offset_of
from envdoctor.snapshot import Slice, text

Kind = Literal["library", "executable", "object", "other"]

_MACHINES: Final = {
    0x014C: "i686",
    0x8664: "x86_64",
    0xAA64: "arm64",
    0xA641: "arm64ec",
    0xA64E: "arm64x",
    0x01C0: "arm",
    0x01C4: "arm",
    0x0200: "ia64",
    0x5064: "riscv64",
    0x6264: "loongarch64",
    0x0EBC: "efi",
}
_EFI_SUBSYSTEMS: Final = frozenset({10, 11, 12, 13})
_MAX_SECTIONS: Final = 96
_MAX_IMPORTS: Final = 512
_MAX_EXPORTS: Final = 1 << 16
_MAX_THUNKS: Final = 1 << 14
_MAX_FORWARDS: Final = 64
_MAX_NAME: Final = 4096
_MAX_NAMES: Final = 64 << 20
"""Bytes of all names of one table together."""


class Pe(Window):
    """One open PE file. `head` are its first bytes, `size` its size."""

    def __init__(self, fd: int, head: bytes, size: int) -> None:
        super().__init__(fd, head, size)
        self.problem: str | None = None
        self.kind: Kind = "other"
        self.slice: Slice | None = None
        self.sections: list[tuple[int, int, int]] = []
        """(virtual address, offset, size in the file)."""
        self.export_directory = (0, 0)
        """(address, size)."""
        self.image_base = 0
        self.wide = False
        self.imported: list[tuple[str, int]] = []
        """(name of a DLL, address of the table of what is imported from it), delay-loaded ones left out."""
        self.managed = False
        self._near = self._names = (-1, b"")
        self._parse()

    def offset(self, address: int) -> int:
        """Where a relative virtual address lies in the file, or -1."""
        return offset_of(address, self.sections)

    def _parse(self) -> None:
        head = self.head
        if len(head) < 64:
            self.problem = "truncated inside the DOS header"
            return
        (start,) = struct.unpack_from("<I", head, 60)
        raw = self.at(start, 24)
        if start == 0 or not raw.startswith(b"PE\0\0"):
            self.problem = "truncated before its PE header" if start >= self.size else "a DOS program, not a PE file"
            return
        if len(raw) < 24:
            self.problem = "truncated inside the PE header"
            return
        machine, count, _, _, _, optional_size, flags = struct.unpack_from("<HHIIIHH", raw, 4)
        optional = self.at(start + 24, min(optional_size, 512))
        if len(optional) < 96:
            self.problem = "no valid optional header"
            return
        (magic,) = struct.unpack_from("<H", optional)
        if magic not in (0x10B, 0x20B):
            self.problem = "no valid optional header"
            return
        wide = self.wide = magic == 0x20B
        (self.image_base,) = struct.unpack_from("<Q" if wide else "<I", optional, 24 if wide else 28)
        name = _MACHINES.get(machine) or f"pe-machine-{machine:#x}"
        (subsystem,) = struct.unpack_from("<H", optional, 68)
        at = 108 if wide else 92
        directories: list[tuple[int, int]] = []
        if len(optional) >= at + 4:
            (number,) = struct.unpack_from("<I", optional, at)
            fits = (len(optional) - at - 4) // 8
            directories = [struct.unpack_from("<II", optional, at + 4 + 8 * i) for i in range(min(number, 16, fits))]
        table = self.at(start + 24 + optional_size, min(count, _MAX_SECTIONS) * 40)
        end = 0
        for i in range(len(table) // 40):
            virtual_size, address, raw_size, offset = struct.unpack_from("<IIII", table, 40 * i + 8)
            self.sections.append((address, offset, raw_size))
            if raw_size:
                end = max(end, offset + min(raw_size, virtual_size or raw_size))
        if end > self.size:
            self.problem = f"truncated: {self.size} bytes of at least {end}"
        self.managed = len(directories) > 14 and directories[14][0] != 0
        if subsystem not in _EFI_SUBSYSTEMS and not self.managed:
            self.kind = "library" if flags & 0x2000 else "executable"
        self.export_directory = directories[0] if directories else (0, 0)
        if len(directories) > 1 and directories[1][0]:
            for entry in self._descriptors(directories[1][0], 20):
                lookup, _, _, name_at, thunks = struct.unpack("<IIIII", entry)
                word = self._string(self.offset(name_at))
                if word:
                    self.imported.append((word, lookup or thunks))
        delayed: list[str] = []
        if len(directories) > 13 and directories[13][0]:
            for entry in self._descriptors(directories[13][0], 32):
                attributes, name_at = struct.unpack_from("<II", entry)
                word = self._string(self.offset(name_at if attributes & 1 else name_at - self.image_base))
                if word:
                    delayed.append(word)
        strong = _distinct(word for word, _ in self.imported)
        known = {word.lower() for word in strong}
        weak = tuple(word for word in _distinct(delayed) if word.lower() not in known)
        platform = "efi" if subsystem in _EFI_SUBSYSTEMS else "dotnet" if self.managed else None
        self.slice = Slice(
            machine=name,
            bits=64 if wide else 32,
            needed=(*strong, *weak),
            weak=weak,
            reexports=self._forwards(),
            platform=platform,
        )

    def _descriptors(self, address: int, width: int) -> Iterator[bytes]:
        """Entries of an import directory (20 bytes each) or a delay-load directory (32), up to the empty one."""
        raw = self.at(self.offset(address), _MAX_IMPORTS * width)
        for at in range(0, len(raw) - width + 1, width):
            entry = raw[at : at + width]
            if not any(entry):
                break
            yield entry

    def _exports(self) -> tuple[int, int, int, int]:
        """(number of functions, number of names, address of the functions, address of the names) of the export directory."""
        address, size = self.export_directory
        raw = self.at(self.offset(address), 40) if address and size else b""
        if len(raw) < 40:
            return 0, 0, 0, 0
        functions, names, table, words = struct.unpack_from("<IIII", raw, 20)
        return min(functions, _MAX_EXPORTS), min(names, _MAX_EXPORTS), table, words

    def _forwards(self) -> tuple[str, ...]:
        """The DLLs that forwarded exports name: their address lies inside the export directory, at ``DLL.FUNCTION``."""
        first, size = self.export_directory
        functions, _, table, _ = self._exports()
        if not functions:
            return ()
        raw = self.at(self.offset(table), functions * 4)
        start = self.offset(first)
        directory = self.at(start, min(size, 1 << 20))
        found: dict[str, None] = {}
        for (address,) in struct.iter_unpack("<I", raw[: len(raw) & ~3]):
            if first <= address < first + len(directory):
                at = address - first
                target = directory[at : directory.find(b"\0", at, at + _MAX_NAME)]
                library = text(target.rpartition(b".")[0]).lower()
                if library:
                    found[f"{library}.dll"] = None
                    if len(found) >= _MAX_FORWARDS:
                        break
        return tuple(found)

    def _string(self, offset: int) -> str:
        """The text at `offset`, at most 255 bytes of it. Names lie together: one read serves several."""
        start, chunk = self._near
        if not start <= offset <= start + len(chunk) - 256:
            start, chunk = self._near = offset, self.at(offset, 4096)
        end = chunk.find(b"\0", offset - start, offset - start + 256)
        return text(chunk[offset - start : max(end, offset - start)])

    def exports(self, name: bytes) -> bool:
        """The export directory holds that name; found by bisection, as the loader finds it."""
        _, count, _, names = self._exports()
        table = self.at(self.offset(names), count * 4)
        low, high = 0, len(table) // 4
        while low < high:
            middle = (low + high) // 2
            (address,) = struct.unpack_from("<I", table, 4 * middle)
            word = self.at(self.offset(address), len(name) + 1).split(b"\0", 1)[0]
            if word == name:
                return self.at(self.offset(address) + len(name), 1) == b"\0"
            if word < name:
                low = middle + 1
            else:
                high = middle
        return False

    def exported(self) -> set[bytes]:
        """All exported names."""
        _, count, _, names = self._exports()
        table = self.at(self.offset(names), count * 4)
        first, size = self.export_directory
        directory = self.at(self.offset(first), min(size, 8 << 20))
        found = set()
        left = _MAX_NAMES
        for (address,) in struct.iter_unpack("<I", table[: len(table) & ~3]):
            at = address - first
            if 0 <= at < len(directory):
                word = directory[at : max(at, directory.find(b"\0", at, at + _MAX_NAME))]
            else:
                word = self.at(self.offset(address), _MAX_NAME).split(b"\0", 1)[0]
            left -= len(word)
            if left < 0:
                break
            found.add(word)
        found.discard(b"")
        return found

    def wanted(self) -> dict[str, set[bytes]]:
        """The names that it imports, by DLL as it writes it; imports by number and delayed ones left out."""
        width, form = (8, "<Q") if self.wide else (4, "<I")
        by_number = 1 << (8 * width - 1)
        found: dict[str, set[bytes]] = {}
        left = _MAX_THUNKS
        for library, thunks in self.imported:
            raw = self.at(self.offset(thunks), left * width)
            words = found.setdefault(library, set())
            for (address,) in struct.iter_unpack(form, raw[: len(raw) - len(raw) % width]):
                if not address:
                    break
                left -= 1
                if not address & by_number:
                    words.add(self._name(self.offset(address & 0x7FFFFFFF) + 2))
            words.discard(b"")
        return found

    def _name(self, offset: int) -> bytes:
        """The name at `offset`; names lie together: one read serves many."""
        start, chunk = self._names
        end = chunk.find(b"\0", offset - start) if start <= offset < start + len(chunk) else -1
        if end < 0:
            start, chunk = self._names = offset, self.at(offset, 1 << 16)
            end = chunk.find(b"\0", 0, _MAX_NAME)
        return chunk[offset - start : max(end, offset - start)]


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    """Names of DLLs, each once whatever its case."""
    found: dict[str, str] = {}
    for word in words:
        found.setdefault(word.lower(), word)
    return tuple(found.values())
