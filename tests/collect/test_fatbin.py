"""Device code in native files: what is there, what lies, what is cut off."""

from __future__ import annotations

import os
import random
import struct
from pathlib import Path

import pytest

from envdoctor.collect.native import fatbin
from envdoctor.snapshot import CodeSet
from tests.effort import calls
from tests.fatbinaries import bundle, compressed, cuda_library, fat_binary, library, paged


def read(path: Path) -> list[fatbin.Found]:
    """What the reader finds in a file."""
    fd = os.open(path, os.O_RDONLY)
    try:
        return fatbin.read(fd, os.pread(fd, 4096, 0), os.fstat(fd).st_size)
    finally:
        os.close(fd)


def test_architectures_of_every_translation_unit(tmp_path: Path) -> None:
    common = ("sm_50", "sm_80", "sm_86", "sm_90", "compute_90")
    (found,) = read(cuda_library(tmp_path / "x.so", common, common, ("sm_90a", "sm_100"), ("compute_120f",)))
    assert found.kind == "cuda" and found.problem is None
    assert found.sets == (
        CodeSet(binaries=("sm_50", "sm_80", "sm_86", "sm_90"), ptx=("compute_90",), count=2),
        CodeSet(ptx=("compute_120f",)),
        CodeSet(binaries=("sm_90a", "sm_100")),
    )


def test_longer_headers_and_intermediate_code(tmp_path: Path) -> None:
    """Headers of CUDA 12 have a tail; code for the link-time optimizer runs nowhere."""
    content = fat_binary(("lto_90", "sm_100"), header=96) + fat_binary(("sm_75",))
    (found,) = read(library(tmp_path / "x.so", content))
    assert set(found.sets) == {CodeSet(binaries=("sm_75",)), CodeSet(binaries=("sm_100",))}


def test_alignment_between_fat_binaries(tmp_path: Path) -> None:
    content = fat_binary(("sm_75",)) + b"\0" * 24 + fat_binary(("sm_80",)) + b"\0" * 8
    (found,) = read(library(tmp_path / "x.so", content))
    assert {one.binaries for one in found.sets} == {("sm_75",), ("sm_80",)} and found.problem is None


def test_what_was_linked_on_the_device_counts_once(tmp_path: Path) -> None:
    """``__nv_relfatbin`` holds the inputs of the device linker, not what a GPU runs."""
    assert read(library(tmp_path / "x.so", fat_binary(("sm_90",)), section="__nv_relfatbin")) == []


def test_files_without_device_code(tmp_path: Path) -> None:
    assert read(library(tmp_path / "x.so")) == []
    (tmp_path / "text.so").write_text("no ELF")
    assert read(tmp_path / "text.so") == []
    stripped = library(tmp_path / "y.so", fat_binary(("sm_90",)))
    data = bytearray(stripped.read_bytes())
    data[40:48] = bytes(8)  # no section headers
    stripped.write_bytes(data)
    assert read(stripped) == []


def test_a_cut_section_is_told(tmp_path: Path) -> None:
    (found,) = read(library(tmp_path / "x.so", fat_binary(("sm_75",)) + fat_binary(("sm_80", "sm_90"))[:-100]))
    assert found.sets == (CodeSet(binaries=("sm_75",)),)
    assert found.problem == "a fat binary that is longer than its section"
    (found,) = read(library(tmp_path / "y.so", fat_binary(("sm_75",)) + b"junk" * 40))
    assert found.problem == "something else than a fat binary between fat binaries"


def test_bundles_of_hip(tmp_path: Path) -> None:
    parts = [bundle(["gfx90a:sramecc+:xnack-", "gfx942"]), bundle(["gfx1100"]), compressed(bundle(["gfx1100"])),
             compressed(bundle(["gfx906"]), version=3)]  # fmt: skip
    (found,) = read(library(tmp_path / "x.so", paged(parts), section=".hip_fatbin", alignment=4096))
    assert found.kind == "hip" and found.problem is None
    assert found.sets == (
        CodeSet(binaries=("gfx1100",), count=2),
        CodeSet(binaries=("gfx906",)),
        CodeSet(binaries=("gfx90a:sramecc+:xnack-", "gfx942")),
    )


def test_bundles_that_cannot_be_read(tmp_path: Path) -> None:
    parts = [bundle(["gfx90a"]), b"CCOB" + struct.pack("<HHIIQ", 2, 0, 40, 100, 0) + b"not zlib, at all"]
    (found,) = read(library(tmp_path / "x.so", paged(parts), section=".hip_fatbin", alignment=4096))
    assert found.sets == (CodeSet(binaries=("gfx90a",)),) and found.problem == "a compressed bundle that is damaged"
    later = b"CCOB" + struct.pack("<HHIIQ", 9, 1, 40, 100, 0) + b"x" * 40
    (found,) = read(library(tmp_path / "y.so", paged([later]), section=".hip_fatbin", alignment=4096))
    assert found.sets == () and found.problem is not None and "version 9" in found.problem


def test_pe_files(tmp_path: Path) -> None:
    """Windows: the section's name is cut to eight letters."""
    content = fat_binary(("sm_86", "compute_86"))
    head = bytearray(b"MZ".ljust(64, b"\0"))
    struct.pack_into("<I", head, 60, 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 0, 0x2022)
    section = b".nv_fatb" + struct.pack("<IIIIIIHHI", len(content), 0x1000, len(content), 512, 0, 0, 0, 0, 0)
    (tmp_path / "x.dll").write_bytes((bytes(head) + coff + section).ljust(512, b"\0") + content)
    (found,) = read(tmp_path / "x.dll")
    assert found.sets == (CodeSet(binaries=("sm_86",), ptx=("compute_86",)),)


def test_a_library_is_not_read_whole(tmp_path: Path) -> None:
    """Work grows with the number of fat binaries, not with their size."""
    small = cuda_library(tmp_path / "small.so", ("sm_80",))
    big = library(tmp_path / "big.so", fat_binary(("sm_80",), payload=64 << 20))
    assert calls(lambda: read(big)) <= calls(lambda: read(small)) + 5


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files(tmp_path: Path, seed: int) -> None:
    """Whatever lies, the reader ends and raises nothing."""
    chance = random.Random(seed)
    content = fat_binary(("sm_75", "sm_90a", "compute_90")) * 3
    parts = paged([bundle(["gfx90a", "gfx942"]), compressed(bundle(["gfx1100"]))])
    for made in (
        library(tmp_path / "x.so", content),
        library(tmp_path / "y.so", parts, section=".hip_fatbin", alignment=4096),
    ):
        whole = made.read_bytes()
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(chance.randrange(1, 12)):
                data[chance.randrange(len(data))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
            made.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
            read(made)


def test_an_entry_without_an_end(tmp_path: Path) -> None:
    """Sizes of zero and of nearly everything lead to no loop."""
    for size in (0, 1, (1 << 64) - 1, (1 << 63)):
        content = bytearray(fat_binary(("sm_75", "sm_80")))
        struct.pack_into("<Q", content, 16 + 8, size)
        found = read(library(tmp_path / f"{size}.so", bytes(content)))
        assert found == [] or found[0].kind == "cuda"
    content = bytearray(fat_binary(("sm_75",)))
    struct.pack_into("<Q", content, 8, (1 << 64) - 1)
    (found_,) = read(library(tmp_path / "long.so", bytes(content)))
    assert found_.problem is not None
