"""PE headers: machine, subsystem, imported DLLs, exported names. Follows Microsoft's *PE Format* specification."""

from __future__ import annotations

import struct
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
_MAX_EXPORTS: Final = 4096


class Pe(Window):
    """One open PE file. `head` are its first bytes, `size` its size."""

    def __init__(self, fd: int, head: bytes, size: int) -> None:
        super().__init__(fd, head, size)
        self.problem: str | None = None
        self.kind: Kind = "other"
        self.slice: Slice | None = None
        self.sections: list[tuple[int, int, int]] = []
        """(virtual address, offset, size in the file)."""
        self.export_directory = 0
        self.managed = False
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
        wide = magic == 0x20B
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
        self.export_directory = directories[0][0] if directories else 0
        needed: list[str] = []
        if len(directories) > 1 and directories[1][0]:
            needed += self._imports(directories[1][0], 20, 12)
        if len(directories) > 13 and directories[13][0]:
            needed += self._imports(directories[13][0], 32, 4)
        platform = "efi" if subsystem in _EFI_SUBSYSTEMS else "dotnet" if self.managed else None
        self.slice = Slice(machine=name, bits=64 if wide else 32, needed=tuple(dict.fromkeys(needed)), platform=platform)

    def _imports(self, address: int, width: int, name_at: int) -> list[str]:
        """Names of an import directory (20 bytes an entry) or a delay-load directory (32)."""
        base = self.offset(address)
        raw = self.at(base, 8192)
        found: list[str] = []
        for i in range(min(len(raw) // width, _MAX_IMPORTS)):
            entry = raw[i * width : (i + 1) * width]
            if not any(entry):
                break
            (name,) = struct.unpack_from("<I", entry, name_at)
            word = self._string(self.offset(name), base, raw)
            if word:
                found.append(word)
        return found

    def _string(self, offset: int, base: int, raw: bytes) -> str:
        start = offset - base
        if 0 <= start < len(raw):
            end = raw.find(b"\0", start)
            if end >= 0:
                return text(raw[start:end])
        return text(self.at(offset, 256).split(b"\0", 1)[0])

    def exports(self, name: bytes) -> bool:
        """The export directory holds that name."""
        raw = self.at(self.offset(self.export_directory), 40) if self.export_directory else b""
        if len(raw) < 40:
            return False
        count, _, names = struct.unpack_from("<III", raw, 24)
        count = min(count, _MAX_EXPORTS)
        table = self.at(self.offset(names), count * 4)
        for (address,) in struct.iter_unpack("<I", table[: len(table) & ~3]):
            if self.at(self.offset(address), len(name) + 1) == name + b"\0":
                return True
        return False
