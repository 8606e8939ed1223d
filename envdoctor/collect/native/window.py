"""Bytes of an open file by offset, bounded by its size: what the readers of all three formats stand on."""

from __future__ import annotations

import os


class Window:
    """A file of which the first bytes are in memory. Offsets that lie give fewer bytes, never an error."""

    def __init__(self, fd: int, head: bytes, size: int) -> None:
        self.fd, self.head, self.size = fd, head, size

    def at(self, offset: int, count: int) -> bytes:
        """At most `count` bytes at `offset`, fewer at the end of the file."""
        if offset < 0 or offset >= self.size or count <= 0:
            return b""
        end = offset + count
        if end <= len(self.head):
            return self.head[offset:end]
        return os.pread(self.fd, count, offset)


def offset_of(address: int, parts: list[tuple[int, int, int]]) -> int:
    """Where a virtual address lies in the file by `parts` (address, offset, size of each loaded part), or -1."""
    for start, offset, length in parts:
        if start <= address < start + length:
            return offset + address - start
    return -1
