"""Header readers on real files of all platforms, on what is no native file, and on files that lie."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.collect import native
from envdoctor.collect.native import (
    PythonSymbols,
    defined_symbols,
    exported_symbols,
    read,
    read_all,
    unversioned_symbols,
)
from envdoctor.collect.native.elf import Elf, gnu_hash, highest_glibc, machine_name, sysv_hash
from envdoctor.snapshot import NativeFile
from tests.builders import compile_extension, interpreters
from tests.effort import ends

FIXTURES = Path(__file__).parents[2] / "fixtures" / "native"
LINUX = sys.platform.startswith("linux")
gcc = pytest.mark.skipif(shutil.which("gcc") is None or not LINUX, reason="needs gcc on Linux")


def build(folder: Path, name: str, code: str = "int f(void) { return 1; }\n", *flags: str) -> Path:
    """A file compiled from C."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{name}.c"
    source.write_text(code)
    out = folder / name
    subprocess.run(["gcc", str(source), "-o", str(out), *flags], check=True, capture_output=True)
    return out


def fat(*slices: bytes, wide: bool = False) -> bytes:
    """A fat Mach-O file of real thin ones."""
    header = struct.pack(">II", 0xCAFEBABF if wide else 0xCAFEBABE, len(slices))
    entries, bodies, at = b"", b"", 0x4000
    for part in slices:
        cpu, subtype = struct.unpack_from("<II", part, 4)
        entries += struct.pack(">IIQQII" if wide else ">IIIII", cpu, subtype, at, len(part), 14, *([0] if wide else []))
        body = part + b"\0" * (-len(part) % 0x4000)
        bodies += body
        at += len(body)
    return (header + entries).ljust(0x4000, b"\0") + bodies


def mac(name: str) -> bytes:
    return (FIXTURES / f"macos-{name}.macho").read_bytes()


# ----------------------------------------------------------------------------------------------------------------- real files


@pytest.mark.parametrize(
    ("name", "form", "machine", "bits", "needed"),
    [
        ("linux-aarch64.elf", "elf", "aarch64", 64, "libc.so.6"),
        ("linux-i686.elf", "elf", "i686", 32, "libc.so.6"),
        ("linux-musl-x86_64.elf", "elf", "x86_64", 64, "libc.musl-x86_64.so.1"),
        ("macos-x86_64.macho", "macho", "x86_64", 64, "/usr/lib/libSystem.B.dylib"),
        ("macos-arm64.macho", "macho", "arm64", 64, "/usr/lib/libSystem.B.dylib"),
        ("windows-x86_64.pe", "pe", "x86_64", 64, "python311.dll"),
        ("windows-arm64.pe", "pe", "arm64", 64, "python311.dll"),
        ("windows-i686.pe", "pe", "i686", 32, "python311.dll"),
    ],
)
def test_real_wheels_of_every_platform(name: str, form: str, machine: str, bits: int, needed: str) -> None:
    rel = "markupsafe/_speedups.pyd" if form == "pe" else "markupsafe/_speedups.so"
    found = read(str(FIXTURES / name), folder=3, rel=rel, owner="markupsafe")
    assert (found.format, found.kind, found.problem, found.init) == (form, "library", None, True)
    assert (found.path, found.folder, found.owner) == (rel, 3, "markupsafe")
    (part,) = found.slices
    assert (part.machine, part.bits, part.little_endian) == (machine, bits, True)
    assert needed in part.needed


def test_c_library_and_minimum_versions_of_real_wheels() -> None:
    aarch64 = read(str(FIXTURES / "linux-aarch64.elf")).slices[0]
    assert (aarch64.glibc, aarch64.libc) == ("2.17", "glibc")
    musl = read(str(FIXTURES / "linux-musl-x86_64.elf")).slices[0]
    assert (musl.glibc, musl.libc) == (None, "musl")
    assert [read(str(FIXTURES / f"macos-{a}.macho")).slices[0].minimum_os for a in ("x86_64", "arm64")] == ["10.9", "11.0"]


@pytest.mark.parametrize("wide", [False, True])
def test_fat_mach_o_gives_every_slice(tmp_path: Path, wide: bool) -> None:
    path = tmp_path / "u.so"
    path.write_bytes(fat(mac("x86_64"), mac("arm64"), wide=wide))
    found = read(str(path), rel="u.so")
    assert (found.format, found.kind, found.problem) == ("macho", "library", None)
    assert [(p.machine, p.minimum_os, p.platform) for p in found.slices] == [
        ("x86_64", "10.9", "macos"),
        ("arm64", "11.0", "macos"),
    ]
    path.write_bytes(path.read_bytes()[:-30000])
    assert (read(str(path)).problem or "").startswith("truncated")


def test_arm64e_is_told_apart(tmp_path: Path) -> None:
    data = bytearray(mac("arm64"))
    struct.pack_into("<I", data, 8, 0x80000002)
    (tmp_path / "e.dylib").write_bytes(data)
    assert read(str(tmp_path / "e.dylib")).slices[0].machine == "arm64e"


@gcc
def test_the_interpreter_itself() -> None:
    found = read(os.path.realpath(sys.executable))
    assert found.format == "elf"
    assert found.kind == "executable"
    assert found.slices[0].interpreter
    assert found.slices[0].libc in ("glibc", "musl")
    assert found.slices[0].machine == os.uname().machine


@gcc
def test_dynamic_section_as_readelf_tells_it(tmp_path: Path) -> None:
    flags = (
        "-shared",
        "-fPIC",
        "-Wl,-soname,libfoo.so.3",
        "-Wl,-rpath,$ORIGIN/../x.libs:/opt/l",
        "-lm",
        "-Wl,--no-as-needed",
        "-lpthread",
    )
    runpath = read(str(build(tmp_path, "a.so", "int f(void){return 1;}", *flags, "-Wl,--enable-new-dtags"))).slices[0]
    assert runpath.soname == "libfoo.so.3"
    assert runpath.runpath == ("$ORIGIN/../x.libs", "/opt/l")
    assert runpath.rpath == ()
    assert "libc.so.6" in runpath.needed
    rpath = read(str(build(tmp_path, "b.so", "int f(void){return 1;}", *flags, "-Wl,--disable-new-dtags"))).slices[0]
    assert rpath.rpath == ("$ORIGIN/../x.libs", "/opt/l")
    assert rpath.runpath == ()


@gcc
def test_readelf_agrees_on_the_libraries_of_this_interpreter() -> None:
    import re
    import sysconfig

    if shutil.which("readelf") is None:
        pytest.skip("needs readelf")
    files = sorted(Path(sysconfig.get_path("platstdlib"), "lib-dynload").glob("*.so"))[:40]
    files += [
        p for p in (Path("/lib/x86_64-linux-gnu/libc.so.6"), Path("/usr/lib/x86_64-linux-gnu/libstdc++.so.6")) if p.exists()
    ]
    for path in files:
        said = subprocess.run(["readelf", "-dVW", str(path)], capture_output=True, text=True, check=True).stdout
        part = read(str(path)).slices[0]
        assert part.needed == tuple(re.findall(r"\(NEEDED\).*\[(.*)\]", said)), path
        assert ([part.soname] if part.soname else []) == re.findall(r"\(SONAME\).*\[(.*)\]", said)
        versions = [v for v, flags in re.findall(r"Name: GLIBC_([\d.]+)\s+Flags: (\S+)", said) if flags == "none"]
        highest = max((tuple(map(int, v.split("."))) for v in versions), default=None)
        assert part.glibc == (".".join(map(str, highest)) if highest else None), path


@gcc
def test_weak_version_needs_do_not_count(tmp_path: Path) -> None:
    call = "int f(void) { return getentropy ? getentropy((void *)0, 0) : 0; }\n"
    declaration = "extern int getentropy(void *, unsigned long)"
    weak = read(str(build(tmp_path, "weak.so", f"{declaration} __attribute__((weak)); {call}", "-shared", "-fPIC"))).slices[0]
    strong = read(str(build(tmp_path, "strong.so", f"{declaration}; {call}", "-shared", "-fPIC"))).slices[0]
    if strong.libc != "glibc":
        pytest.skip("needs glibc")
    assert strong.glibc == "2.25"
    assert weak.glibc != "2.25"


@gcc
def test_abi_note_of_an_executable(tmp_path: Path) -> None:
    program = read(str(build(tmp_path, "p", "int main(void){return 0;}")))
    assert program.kind == "executable"
    assert program.slices[0].minimum_os is None or program.slices[0].minimum_os.count(".") == 2
    libc = Path("/lib/x86_64-linux-gnu/libc.so.6")
    if libc.exists():
        assert read(str(libc)).slices[0].minimum_os == "3.2.0"


@gcc
def test_extension_module_by_its_init_function(tmp_path: Path) -> None:
    """Both hash tables, a library that is no module, a module under another name, a tag that makes looking needless."""
    module = compile_extension(tmp_path / "pkg", "_m", file_name="_m.so")
    assert read(str(module), rel="pkg/_m.so").init is True
    assert read(str(module), rel="pkg/_other.so").init is False
    assert read(str(module), rel="pkg.libs/_m.so").init is None
    assert read(str(module), rel="pkg/_m.abi3.so").init is None
    assert read(str(module)).init is None
    sysv = compile_extension(tmp_path / "old", "_m", file_name="_m.so", flags=["-Wl,--hash-style=sysv"])
    assert read(str(sysv), rel="pkg/_m.so").init is True
    assert read(str(sysv), rel="pkg/_n.so").init is False


# --------------------------------------------------------------------------------------------- versions, stack, levels


@gcc
def test_versions_needed_and_defined(tmp_path: Path) -> None:
    """By library, as readelf tells them; the file's own name is no version of it."""
    (tmp_path / "map").write_text("ALPHA_1 { global: one; };\nALPHA_2 { global: two; } ALPHA_1;\n")
    code = "int one(void) { return 1; }\nint two(void) { return 2; }\n"
    flags = ("-shared", "-fPIC", f"-Wl,--version-script={tmp_path}/map", "-Wl,-soname,libalpha.so.1")
    library = build(tmp_path, "libalpha.so.1", code, *flags)
    assert read(str(library)).slices[0].version_definitions == ("ALPHA_1", "ALPHA_2")
    code = "int one(void), two(void); int f(void) { return one() + two(); }\n"
    user = read(str(build(tmp_path, "u.so", code, "-shared", "-fPIC", str(library)))).slices[0]
    assert sorted(user.version_needs["libalpha.so.1"]) == ["ALPHA_1", "ALPHA_2"]


@gcc
def test_readelf_agrees_on_versions() -> None:
    """Of system libraries with dozens of versions, where one page does not hold them."""
    import re

    if shutil.which("readelf") is None:
        pytest.skip("needs readelf")
    paths = [p for f in ("/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib") for p in sorted(Path(f).glob("lib[cstm]*.so*"))]
    for path in [p for p in paths if p.is_file() and p.read_bytes()[:4] == b"\x7fELF"][:60]:
        said = subprocess.run(["readelf", "-VW", str(path)], capture_output=True, text=True, check=True).stdout
        needs: dict[str, list[str]] = {}
        library = ""
        for line in said.splitlines():
            if found := re.search(r"Version: 1\s+File: (\S+)", line):
                library = found[1]
            elif (found := re.search(r"Name: (\S+)\s+Flags: (.*?)\s+Version:", line)) and "WEAK" not in found[2]:
                needs.setdefault(library, []).append(found[1])
        definitions = re.findall(r"Rev: 1\s+Flags: (.*?)\s+Index: \d+\s+Cnt: \d+\s+Name: (\S+)", said)
        part = read(str(path)).slices[0]
        assert {name: list(versions) for name, versions in part.version_needs.items()} == needs, path
        assert part.version_definitions == tuple(name for flags, name in definitions if "BASE" not in flags), path


@gcc
def test_executable_stacks(tmp_path: Path) -> None:
    code = "int f(void) { return 1; }\n"
    asked = build(tmp_path, "x.so", code, "-shared", "-fPIC", "-Wl,-z,execstack")
    assert read(str(asked)).slices[0].executable_stack
    usual = build(tmp_path, "n.so", code, "-shared", "-fPIC")
    assert not read(str(usual)).slices[0].executable_stack
    # without PT_GNU_STACK: x86 assumes that it is wanted, the newer machines that it is not
    data = bytearray(usual.read_bytes())
    (count,) = struct.unpack_from("<H", data, 56)
    for at in range(64, 64 + 56 * count, 56):
        if struct.unpack_from("<I", data, at)[0] == 0x6474E551:
            struct.pack_into("<I", data, at, 0)
    for machine, wanted in ((62, True), (183, False), (243, False), (40, True), (22, True), (21, False)):
        struct.pack_into("<H", data, 18, machine)
        usual.write_bytes(data)
        assert read(str(usual)).slices[0].executable_stack is wanted, machine


@gcc
@pytest.mark.parametrize("level", ["x86-64-baseline", "x86-64-v2", "x86-64-v3", "x86-64-v4"])
def test_levels_that_a_file_demands(tmp_path: Path, level: str) -> None:
    """``-z x86-64-v3`` of GNU ld marks the file, and glibc refuses it on an older processor."""
    try:
        path = build(tmp_path, "l.so", "int f(void) { return 1; }\n", "-shared", "-fPIC", f"-Wl,-z,{level}")
    except subprocess.CalledProcessError:
        pytest.skip("this linker does not know levels")
    said = subprocess.run(["readelf", "-nW", str(path)], capture_output=True, text=True, check=False).stdout
    if f"x86 ISA needed: {level}" not in said:
        pytest.skip("this linker does not mark files")
    assert read(str(path)).slices[0].isa == (None if level == "x86-64-baseline" else level)


@gcc
def test_folders_of_the_system_left_out(tmp_path: Path) -> None:
    path = build(tmp_path, "d.so", "int f(void) { return 1; }\n", "-shared", "-fPIC", "-Wl,-z,nodefaultlib")
    assert read(str(path)).slices[0].no_default_folders
    assert not read(str(build(tmp_path, "e.so", "int f(void) { return 1; }\n", "-shared", "-fPIC"))).slices[0].no_default_folders


def test_version_needs_in_any_order(tmp_path: Path) -> None:
    """Records that do not follow each other, as some linkers write them, are the same as those that do."""
    from tests.fuzz.images import elf_with_everything

    tidy = bytearray(elf_with_everything())
    needs = {"libc.so.6": ("GLIBC_2.17",), "libm.so.6": ("GLIBC_2.29",)}
    path = tmp_path / "x.so"
    path.write_bytes(tidy)
    assert read(str(path)).slices[0].version_needs == needs
    # the weak record out of the chain, the second library elsewhere
    tidy[0x700:0x720] = tidy[0x430:0x450]
    tidy[0x430:0x450] = bytes(32)
    struct.pack_into("<H", tidy, 0x402, 1)
    struct.pack_into("<I", tidy, 0x40C, 0x300)
    struct.pack_into("<I", tidy, 0x41C, 0)
    path.write_bytes(tidy)
    assert read(str(path)).slices[0].version_needs == needs


# ------------------------------------------------------------------------------------------------------------- symbols


@gcc
@pytest.mark.parametrize("style", ["gnu", "sysv", "both"])
def test_symbols_as_nm_tells_them(tmp_path: Path, style: str) -> None:
    """Defined, undefined without and with a version; few and many asked for, in each kind of hash table."""
    names = [f"symbol_{number}" for number in range(300)]
    code = "int bare_one(void), bare_weak(void) __attribute__((weak));\n#include <stdio.h>\n"
    code += "".join(f"int {name}(void) {{ return {i}; }}\n" for i, name in enumerate(names))
    code += 'int f(void) { return bare_one() + (bare_weak ? bare_weak() : 0) + puts("x"); }\n'
    path = str(build(tmp_path, "s.so", code, "-shared", "-fPIC", f"-Wl,--hash-style={style}"))
    defined = {name.encode() for name in names} | {b"f"}
    absent = {b"absent_%d" % number for number in range(300)} | {b""}
    assert defined_symbols(path, defined | absent) == defined
    assert defined_symbols(path, [b"symbol_7", b"absent_7", b"puts", b"bare_one"]) == {b"symbol_7"}
    assert exported_symbols(path) >= defined
    assert unversioned_symbols(path) == ({b"bare_one"} if read(path).slices[0].libc == "glibc" else {b"bare_one", b"puts"})
    with native.open_elf(path) as image:
        assert image is not None
        assert {b"bare_one", b"puts"} <= image.undefined()
        assert b"bare_weak" not in image.undefined()


@gcc
def test_definitions_behind_a_version(tmp_path: Path) -> None:
    """An asker without a version gets a default version, and a hidden one only where it is the library's first."""
    (tmp_path / "map").write_text("V1 { global: first; };\nV2 { global: usual; } V1;\nV3 { } V2;\n")
    code = "int first(void) { return 1; }\nint usual(void) { return 2; }\n"
    code += 'int late_(void) { return 3; }\n__asm__(".symver late_,late@V3");\n'
    flags = ("-shared", "-fPIC", f"-Wl,--version-script={tmp_path}/map")
    path = str(build(tmp_path, "libv.so", code, *flags))
    assert b"late" in exported_symbols(path)
    assert defined_symbols(path, [b"first", b"usual", b"late"]) == {b"first", b"usual"}


def test_hash_of_gnu() -> None:
    import random

    dice = random.Random(7)
    for length in (0, 1, 2, 31, 32, 33, 200, 3999, 4000, 4001, 9000):
        name = dice.randbytes(length).replace(b"\0", b"x")
        code = 5381
        for byte in name:
            code = (code * 33 + byte) & 0xFFFFFFFF
        assert gnu_hash(name) == code
    assert gnu_hash(b"printf") == 0x156B2BB8
    assert sysv_hash(b"printf") == 0x077905A6


def test_symbols_of_what_is_no_elf_file(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("text")
    for path in (tmp_path / "t", tmp_path / "gone", FIXTURES / "macos-arm64.macho"):
        with native.open_elf(str(path)) as image:
            assert image is None
        assert unversioned_symbols(str(path)) == frozenset()
        assert defined_symbols(str(path), [b"f"]) == set()


# -------------------------------------------------------------------------------------------------------- Python's symbols


@gcc
def test_c_api_symbols_that_the_interpreter_lacks(tmp_path: Path) -> None:
    """Compiled against another version's names: the loader itself says which are missing."""
    others = {v: p for v, p in interpreters().items() if _binaries(p)}
    if not others:
        pytest.skip("no interpreter whose binary exports its C API")
    code = "extern void *_PyUnicode_Ready(void), *PyFrame_GetBack(void), *_PyErr_GetRaisedException(void);\n"
    code += "void *PyInit_m(void) { return _PyUnicode_Ready() ? PyFrame_GetBack() : 0; }\n"
    path = str(build(tmp_path, "m.so", code, "-shared", "-fPIC"))
    for version, python in others.items():
        python_symbols = PythonSymbols(_binaries(python))
        assert b"PyModule_Create2" in python_symbols.names
        found = read(path, folder=0, rel="m.so", python=python_symbols).python_symbols
        run = subprocess.run(
            [python, "-c", f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; import m"],
            capture_output=True,
            text=True,
            check=False,
        )
        if found:
            assert run.returncode != 0
        missing = [name for name in found if name in run.stderr]
        if "undefined symbol" in run.stderr:
            assert missing, (version, run.stderr)


def _binaries(python: str) -> list[str]:
    real = os.path.realpath(python)
    libraries = [str(p) for p in Path(real).parents[1].glob("lib/libpython3*.so.1.0")]
    return [p for p in (real, *libraries) if b"PyModule_Create2" in exported_symbols(p)]


@gcc
def test_weak_and_unknown_symbols_are_not_missing(tmp_path: Path) -> None:
    pythons = [b for p in interpreters().values() for b in _binaries(p)]
    if not pythons:
        pytest.skip("no interpreter whose binary exports its C API")
    code = "extern void *_PyUnicode_Ready(void) __attribute__((weak)); extern void *PySomething_OfAnotherLibrary(void);\n"
    code += "void *PyInit_m(void) { return _PyUnicode_Ready ? PySomething_OfAnotherLibrary() : 0; }\n"
    path = str(build(tmp_path, "m.so", code, "-shared", "-fPIC"))
    assert read(path, folder=0, rel="m.so", python=PythonSymbols(pythons[-1:])).python_symbols == ()


def test_without_a_readable_interpreter_nothing_is_missing() -> None:
    assert PythonSymbols(["/nonexistent"]).names == frozenset()
    assert exported_symbols(str(FIXTURES / "README.md")) == set()
    assert b"PyInit__speedups" in exported_symbols(str(FIXTURES / "macos-arm64.macho"))
    assert b"PyInit__speedups" in exported_symbols(str(FIXTURES / "linux-aarch64.elf"))


# ------------------------------------------------------------------------------------------------------------ no native files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (bytes(100), "zero bytes"),
        (bytes(100_000), "zero bytes"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git-lfs"),
        (b"/* GNU ld script */\nGROUP ( /lib/libc.so.6 )\n", "linker script"),
        (b"INPUT(-lfoo)\n", "linker script"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"hello, I am text\n" * 10, "text file"),
        (b"PK\x03\x04rest", "zip"),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + b"\0" * 40, "Java"),
        (b"!<arch>\nx.o/", "static archive"),
        (b"\x01\x02\x03\x04" * 99, "not a native file"),
        (b"\x7fELF", "truncated"),
        (b"\x7fELF\x02\x01\x01" + bytes(30), "truncated"),
        (b"\x7fELF\x09\x09\x01" + bytes(90), "no valid ELF header"),
        (b"MZ", "truncated"),
        (b"MZ" + bytes(100), "a DOS program"),
        (b"\xcf\xfa\xed\xfe\x07", "truncated"),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x02", "truncated"),
    ],
)
def test_what_it_is_instead(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.so"
    path.write_bytes(content)
    found = read(str(path), rel="x.so")
    assert words in (found.problem or "")
    assert found.slices == ()
    assert found.size == len(content)


@pytest.mark.parametrize("name", ["linux-aarch64.elf", "macos-arm64.macho", "windows-x86_64.pe", "linux-i686.elf"])
def test_truncated_files_say_so_and_keep_their_architecture(tmp_path: Path, name: str) -> None:
    data = (FIXTURES / name).read_bytes()
    path = tmp_path / "x"
    path.write_bytes(data[:4200])
    found = read(str(path))
    assert (found.problem or "").startswith("truncated")
    assert found.slices[0].machine == read(str(FIXTURES / name)).slices[0].machine


@gcc
def test_objects_and_archives_are_objects(tmp_path: Path) -> None:
    path = build(tmp_path, "x.o", "int f(void){return 1;}", "-c")
    assert read(str(path)).kind == "object"
    assert read(str(path)).problem is None


@pytest.mark.parametrize(("machine", "name"), [(190, "cuda"), (224, "amdgpu")])
def test_device_code_is_no_library(tmp_path: Path, machine: int, name: str) -> None:
    data = bytearray((FIXTURES / "linux-aarch64.elf").read_bytes())
    struct.pack_into("<H", data, 18, machine)
    (tmp_path / "k.so").write_bytes(data)
    found = read(str(tmp_path / "k.so"))
    assert (found.kind, found.problem, found.slices[0].machine) == ("other", None, name)


def test_big_endian_and_other_machines() -> None:
    assert machine_name(62, 64, True) == "x86_64"
    assert machine_name(62, 32, True) == "x32"
    assert machine_name(21, 64, True) == "ppc64le"
    assert machine_name(21, 64, False) == "ppc64"
    assert machine_name(40, 32, True, 0x05000400) == "armv7l"
    assert machine_name(40, 32, True, 0x05000200) == "armv5l"
    assert machine_name(183, 64, False) == "aarch64_be"
    assert machine_name(999, 64, True) == "elf-machine-999"


def test_big_endian_file(tmp_path: Path) -> None:
    header = b"\x7fELF\x02\x02\x01".ljust(16, b"\0") + struct.pack(">HHIQQQIHHHHHH", 3, 22, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    strings = b"\0libz.so.1\0"
    load = struct.pack(">IIQQQQQQ", 1, 5, 0, 0, 0, 400, 400, 4096)
    dynamic = struct.pack(">IIQQQQQQ", 2, 6, 200, 200, 200, 64, 64, 8)
    table = struct.pack(">8Q", 1, 1, 5, 300, 10, len(strings), 0, 0)
    data = (header + load + dynamic).ljust(200, b"\0") + table
    path = tmp_path / "s390x.so"
    path.write_bytes(data.ljust(300, b"\0") + strings.ljust(100, b"\0"))
    found = read(str(path))
    (part,) = found.slices
    assert (part.machine, part.little_endian, part.needed, found.problem) == ("s390x", False, ("libz.so.1",), None)


def test_dotnet_assemblies_are_no_libraries(tmp_path: Path) -> None:
    """Their PE header says i386 for any processor."""
    data = bytearray((FIXTURES / "windows-i686.pe").read_bytes())
    (start,) = struct.unpack_from("<I", data, 60)
    struct.pack_into("<II", data, start + 24 + 96 + 8 * 14, 0x2000, 72)
    (tmp_path / "Python.Runtime.dll").write_bytes(data)
    found = read(str(tmp_path / "Python.Runtime.dll"))
    assert (found.kind, found.slices[0].platform) == ("other", "dotnet")


def test_glibc_versions_are_numbers() -> None:
    assert highest_glibc(["GLIBC_2.9", "GLIBC_2.17", "GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR", "GLIBCXX_3.4.30"]) == "2.17"
    assert highest_glibc(["GLIBC_2.2.5"]) == "2.2.5"
    assert highest_glibc(["GLIBC_2.x", "GLIBC_", "GLIBC_99999999999.1"]) is None


# ---------------------------------------------------------------------------------------------------------------- hostile


def test_special_files_are_not_opened(tmp_path: Path) -> None:
    fifo, loop, folder = tmp_path / "f.so", tmp_path / "l.so", tmp_path / "d.so"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s.so"))
        for name in ("f.so", "l.so", "d.so", "s.so", "gone.so"):
            found = read(str(tmp_path / name), rel=name)
            assert (found.problem or "").startswith("cannot be read")
    assert read("nul\0byte").problem


def test_names_that_are_no_text(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff.so"
    Path(os.fsdecode(raw)).write_bytes(b"")
    (found,) = read_all(str(tmp_path), [os.fsdecode(b"\xff.so")], folder=0, owners={})
    assert found.path == "\\xff.so"


def test_owner_and_source_beside(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name in ("a.cpython-310-x86_64-linux-gnu.so", "b.so"):
        shutil.copy(FIXTURES / "linux-musl-x86_64.elf", tmp_path / "p" / name)
    paths = ["p/a.cpython-310-x86_64-linux-gnu.so", "p/b.so"]
    one, other = read_all(str(tmp_path), paths, folder=2, owners={(2, paths[0]): "alpha"}, modules={"p/a.py": 1})
    assert (one.owner, one.source_beside, one.folder) == ("alpha", True, 2)
    assert (other.owner, other.source_beside) == (None, False)


SEEDS = [p.read_bytes() for p in sorted(FIXTURES.iterdir()) if p.suffix in (".elf", ".macho", ".pe")]
SEEDS.append(fat(mac("x86_64"), mac("arm64")))
INTERESTING = st.sampled_from([0, 1, 0x7F, 0x80, 0xFF])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, len(SEEDS) - 1),
    changes=st.lists(st.tuples(st.integers(0, 2047), INTERESTING | st.integers(0, 255), st.integers(1, 8)), max_size=12),
    cut=st.none() | st.integers(0, 5000),
)
def test_mutated_headers_never_raise(tmp_path: Path, seed: int, changes: list[tuple[int, int, int]], cut: int | None) -> None:
    data = bytearray(SEEDS[seed])
    for at, value, width in changes:
        data[at : at + width] = bytes([value]) * width
    path = tmp_path / "m.so"
    path.write_bytes(data if cut is None else data[:cut])
    with ends():
        found = read(str(path), folder=0, rel="m.so")
        exported_symbols(str(path))
    assert isinstance(found, NativeFile)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    magic=st.sampled_from([b"\x7fELF\x02\x01", b"\x7fELF\x01\x02", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b""]),
    rest=st.binary(max_size=600),
)
def test_random_bytes_never_raise(tmp_path: Path, magic: bytes, rest: bytes) -> None:
    path = tmp_path / "r.so"
    path.write_bytes(magic + rest)
    assert isinstance(read(str(path), folder=0, rel="r.so"), NativeFile)
    exported_symbols(str(path))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["linux-aarch64.elf", "linux-i686.elf", "linux-musl-x86_64.elf"]),
    values=st.lists(
        st.tuples(
            st.integers(0, 40), st.sampled_from([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 40, (1 << 64) - 1]) | st.integers(0, 1 << 20)
        )
    ),
)
def test_lying_dynamic_sections_are_bounded(tmp_path: Path, name: str, values: list[tuple[int, int]]) -> None:
    """Offsets and counts of the dynamic section replaced by huge or wrong ones."""
    data = bytearray((FIXTURES / name).read_bytes())
    path = tmp_path / "l.so"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        image = Elf(fd, bytes(data[: native.HEAD]), len(data))
    finally:
        os.close(fd)
    wide = image.bits == 64
    program = 64 if wide else 52
    for i in range(12):
        type_, *rest = struct.unpack_from("<IIQQQQ" if wide else "<IIIII", data, program + i * (56 if wide else 32))
        if type_ == 2:
            offset = rest[1] if wide else rest[0]
            for slot, value in values:
                where = offset + slot * (16 if wide else 8) + (8 if wide else 4)
                struct.pack_into("<Q" if wide else "<I", data, where, value & (1 << (64 if wide else 32)) - 1)
            break
    path.write_bytes(data)
    with ends():
        read(str(path), folder=0, rel="l.so")
        exported_symbols(str(path))


def test_few_system_calls(tmp_path: Path) -> None:
    """Seven for a usual file: open, stat, head, dynamic section, version needs, strings, close."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    path = FIXTURES / "linux-aarch64.elf"
    code = f"import sys; sys.path[:0] = [{str(FIXTURES.parents[1])!r}]\n"
    code += f"from envdoctor.collect import native\nnative.read({str(path)!r})\n"
    log = tmp_path / "log"
    done = subprocess.run(
        ["strace", "-o", str(log), "-e", "trace=openat,fstat,newfstatat,pread64,read,lseek,close", sys.executable, "-c", code],
        check=False,
        capture_output=True,
    )
    if done.returncode != 0:
        pytest.skip("strace may not trace here")
    lines = log.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if str(path) in line)
    last = next(i for i, line in enumerate(lines) if i > first and line.startswith("close("))
    assert last - first + 1 <= 8


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc")
def test_many_names_are_looked_up_in_a_library_with_more_symbols_than_are_read_whole(tmp_path: Path) -> None:
    source = tmp_path / "many.s"
    lines = [".data"]
    for number in range(270_000):
        lines += [f".globl s{number}", f"s{number}:"]
    source.write_text("\n".join(lines) + '\n.byte 1\n.section .note.GNU-stack,"",@progbits\n')
    path = tmp_path / "libmany.so"
    subprocess.run(["gcc", "-shared", "-nostdlib", "-o", str(path), str(source)], check=True)
    wanted = [b"s%d" % number for number in range(0, 270_000, 1000)]
    with native.open_elf(str(path)) as elf:
        assert elf is not None
        assert elf.defines([*wanted, b"other"]) == set(wanted)
