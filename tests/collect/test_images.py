"""Mach-O and PE: what they need and how, what they define, what they ask of whom; and a few thousand spoilt ones."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from envdoctor.collect import native
from envdoctor.collect.native.macho import MachO
from envdoctor.collect.native.pe import Pe
from tests.collect.test_native import FIXTURES
from tests.fuzz import images as fuzz
from tests.images import dll, dylib


def macho(path: Path) -> MachO:
    """The open file; its descriptor lives as long as the process."""
    fd = os.open(path, os.O_RDONLY)
    return MachO(fd, os.pread(fd, native.HEAD, 0), path.stat().st_size)


def pe(path: Path) -> Pe:
    """Likewise."""
    fd = os.open(path, os.O_RDONLY)
    return Pe(fd, os.pread(fd, native.HEAD, 0), path.stat().st_size)


def put(folder: Path, data: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(data)
    return path


def test_weak_and_passed_on_libraries_are_needed_ones(tmp_path: Path) -> None:
    data = dylib(
        needs=["@rpath/liba.dylib"],
        weak=["@rpath/libweak.dylib", "@rpath/liba.dylib"],
        reexports=["@loader_path/libinner.dylib"],
        rpaths=["@loader_path/one", "/two", "@executable_path/three"],
        name="@rpath/libself.dylib",
    )
    (part,) = native.read(str(put(tmp_path, data))).slices
    assert part.needed == (
        "/usr/lib/libSystem.B.dylib",
        "@rpath/liba.dylib",
        "@rpath/libweak.dylib",
        "@loader_path/libinner.dylib",
    )
    assert part.weak == ("@rpath/libweak.dylib",)
    assert part.reexports == ("@loader_path/libinner.dylib",)
    assert part.runpath == ("@loader_path/one", "/two", "@executable_path/three")
    assert part.soname == "@rpath/libself.dylib"


@pytest.mark.parametrize(
    ("flags", "weak", "passed_on"), [(0, False, False), (1, True, False), (2, False, True), (8, True, False)]
)
def test_the_newer_form_of_a_load_command(tmp_path: Path, flags: int, weak: bool, passed_on: bool) -> None:
    """``dylib_use_command``: a marker stands where the time stamp was, flags follow the versions."""
    name = b"@rpath/libused.dylib\0\0\0\0"
    command = struct.pack("<IIIIIII", 0x0C, 28 + len(name), 28, 0x1A741800, 0x10000, 0x10000, flags) + name
    header = b"\xcf\xfa\xed\xfe" + struct.pack("<iiIIIII", 0x0100000C, 0, 6, 1, len(command), 0x85, 0)
    (part,) = native.read(str(put(tmp_path, header + command + bytes(64)))).slices
    assert part.needed == ("@rpath/libused.dylib",)
    assert bool(part.weak) is weak
    assert bool(part.reexports) is passed_on


def test_the_export_trie_and_symbols_by_library(tmp_path: Path) -> None:
    image = macho(put(tmp_path, fuzz.macho_with_symbols()))
    (part,) = image.parts
    assert set(image.exported(part)) == {b"PyInit_x", b"alpha"}
    assert [image.exports(name) for name in (b"PyInit_x", b"alpha", b"PyInit", b"PyInit_xy", b"")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert image.wanted(part) == {"@rpath/libbeta.dylib": {b"beta_call"}}
    undefined, defined = image.symbols(part)
    assert (undefined, defined) == ({b"PyLong_Type", b"beta_call"}, {b"PyInit_x", b"alpha"})


def test_a_trie_that_bites_its_tail(tmp_path: Path) -> None:
    data = bytearray(fuzz.macho_with_symbols())
    place = data.index(b"_\0\x05")
    data[place + 2] = 0  # the child is the root itself
    image = macho(put(tmp_path, bytes(data)))
    assert list(image.exported(image.parts[0])) == []
    assert image.exports(b"PyInit_x") is False


def test_exports_imports_forwarders_and_delayed_ones(tmp_path: Path) -> None:
    path = put(tmp_path, fuzz.pe_with_exports())
    image = pe(path)
    assert image.slice is not None
    assert image.slice.needed == ("python311.dll", "beta.dll", "SHELL32.dll")
    assert image.slice.weak == ("SHELL32.dll",)
    assert image.slice.reexports == ("gamma.dll",)
    assert image.exported() == {b"PyInit_alpha", b"call", b"other"}
    assert [image.exports(name) for name in (b"PyInit_alpha", b"call", b"other", b"cal", b"calls", b"")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert image.wanted() == {"python311.dll": {b"PyLong_FromLong"}, "beta.dll": {b"?beta@@YAXXZ"}}


def test_a_dll_that_is_needed_and_delayed_is_needed(tmp_path: Path) -> None:
    (part,) = native.read(
        str(put(tmp_path, dll(needs=["one.dll", "ONE.DLL", "two.dll"], delayed=["Two.dll", "three.dll"])))
    ).slices
    assert part.needed == ("KERNEL32.dll", "one.dll", "two.dll", "three.dll")
    assert part.weak == ("three.dll",)


@pytest.mark.parametrize("name", ["macos-arm64.macho", "macos-x86_64.macho"])
def test_real_modules_of_a_mac(name: str) -> None:
    image = macho(FIXTURES / name)
    (part,) = image.parts
    assert set(image.exported(part)) == {b"PyInit__speedups"}
    assert image.exports(b"PyInit__speedups")
    undefined, defined = image.symbols(part)
    assert defined == {b"PyInit__speedups"}
    assert b"PyUnicode_New" in undefined
    assert set(image.wanted(part)) <= {"/usr/lib/libSystem.B.dylib"}


@pytest.mark.parametrize("name", ["windows-x86_64.pe", "windows-i686.pe", "windows-arm64.pe"])
def test_real_modules_of_windows(name: str) -> None:
    image = pe(FIXTURES / name)
    assert image.exported() == {b"PyInit__speedups"}
    assert image.exports(b"PyInit__speedups")
    wanted = image.wanted()
    python = next(library for library in wanted if library.startswith("python3"))
    assert b"PyUnicode_New" in wanted[python]


@pytest.mark.parametrize("form", ["macho", "pe"])
def test_spoilt_files(form: str) -> None:
    """A small share of what `python tests/fuzz/images.py` does."""
    lines: list[str] = []
    assert fuzz.run(form, 4000, 20_000, lines.append) == 0, lines
