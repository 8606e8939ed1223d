"""Native files with device code for tests: shared libraries made by gcc whose sections hold constructed fat binaries.

No GPU compiler is needed: what is read are headers, and these are written here as CUDA's and clang's tools write them
(``tests/real/test_cuda.py`` compares the reader with files that those tools have made).
"""

from __future__ import annotations

import re
import struct
import subprocess
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

ARCHITECTURE_SPECIFIC, FAMILY_SPECIFIC = 1 << 20, 1 << 21


def fat_binary(names: Iterable[str], *, payload: int = 256, header: int = 64) -> bytes:
    """One CUDA fat binary: entries for ``sm_80``, ``sm_90a`` (machine code) and ``compute_90`` (PTX)."""
    entries = b""
    for name in names:
        match = re.fullmatch(r"(sm|compute|lto)_(\d+)([af]?)", name)
        assert match, name
        kind = {"compute": 1, "sm": 2, "lto": 8}[match[1]]
        flags = 0x11 | {"": 0, "a": ARCHITECTURE_SPECIFIC, "f": FAMILY_SPECIFIC}[match[3]]
        head = struct.pack("<HHIQIIHHI", kind, 0x101, header, payload, 0, 0, 7, 1, int(match[2])).ljust(40, b"\0")
        entries += (head + struct.pack("<Q", flags)).ljust(header, b"\0") + b"\xaa" * payload
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(entries)) + entries


def bundle(targets: Iterable[str]) -> bytes:
    """One uncompressed bundle of clang's offload bundler, with the host's empty entry first."""
    names = ["host-x86_64-unknown-linux-gnu-", *(f"hipv4-amdgcn-amd-amdhsa--{target}" for target in targets)]
    head = b"__CLANG_OFFLOAD_BUNDLE__" + struct.pack("<Q", len(names))
    at = 4096
    for number, name in enumerate(names):
        size = 64 if number else 0
        head += struct.pack("<QQQ", at, size, len(name)) + name.encode()
        at += size
    return head.ljust(4096, b"\0") + b"\xbb" * 64 * (len(names) - 1)


def compressed(plain: bytes, *, version: int = 2, method: int = 0) -> bytes:
    """A bundle in the bundler's compressed form (zlib)."""
    data = zlib.compress(plain)
    if version == 2:
        return b"CCOB" + struct.pack("<HHIIQ", 2, method, 24 + len(data), len(plain), 0) + data
    return b"CCOB" + struct.pack("<HHQQQ", 3, method, 32 + len(data), len(plain), 0) + data


def paged(parts: Iterable[bytes]) -> bytes:
    """Bundles as the linker lays them: each on a page of its own."""
    return b"".join(part.ljust(-(-len(part) // 4096) * 4096, b"\0") for part in parts)


def library(
    path: Path,
    content: bytes = b"",
    *,
    section: str = ".nv_fatbin",
    soname: str | None = None,
    needs: Sequence[Path] = (),
    defines: Sequence[str] = ("made_here",),
    flags: Sequence[str] = (),
    alignment: int = 8,
) -> Path:
    """A shared library with `content` in `section`, linked to `needs`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blob = path.with_name(f"{path.name}.blob")
    blob.write_bytes(content)
    source = path.with_name(f"{path.name}.c")
    # padding: real ones are never as small as an empty library
    lines = [
        "static const char padding[16384] __attribute__((used)) = {1};",
        *(f"int {name}(void) {{ return 1; }}" for name in defines),
    ]
    if content:
        lines.append(
            f'__asm__(".section {section},\\"a\\",@progbits\\n.balign {alignment}\\n.incbin \\"{blob}\\"\\n.previous\\n");'
        )
    source.write_text("\n".join(lines) + "\n")
    command = ["gcc", "-shared", "-fPIC", "-O0", "-Wl,--no-as-needed", str(source), "-o", str(path), *flags]
    if soname:
        command.append(f"-Wl,-soname,{soname}")
    subprocess.run([*command, *map(str, needs)], check=True, capture_output=True)
    source.unlink()
    blob.unlink()
    return path


def cuda_library(path: Path, *sets: Iterable[str], **options: object) -> Path:
    """A library with one fat binary for each of `sets`."""
    return library(path, b"".join(map(fat_binary, sets)), **options)  # type: ignore[arg-type]
