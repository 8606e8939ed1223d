"""Faults planted in real distributions: the import oracle's other half. ``python -m benchmarks.oracle --plant``.

An environment is made in copy mode (an installer's cache is never touched: a hard-linked file would be damaged in every
environment), then one file each of small distributions is damaged. What is planted must really fail on import, or, for the
controls, really work; the matrix then shows what envdoctor makes of it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import oracle
from benchmarks.sources import create

REQUIREMENTS = (
    "bitarray",
    "kiwisolver",
    "lz4",
    "msgpack",
    "numpy>=2",
    "orjson",
    "pillow",
    "psutil",
    "pyproj",
    "pyzmq",
    "rapidfuzz",
    "regex",
    "rpds-py",
    "shapely",
    "ujson",
    "xxhash",
    "zstandard",
)

LFS = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:"
    + b"4d7a214614ab2935c943f9e0ff69d22eadbb8f32" * 1
    + b"\nsize 132456\n"
)


class Elf:
    """A 64-bit little-endian ELF file that is patched in place: as much of the format as planting needs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = bytearray(path.read_bytes())
        self.headers = [
            struct.unpack_from("<IIQQQQQQ", self.data, self._at("<Q", 32) + number * self._at("<H", 54))
            for number in range(self._at("<H", 56))
        ]
        self.dynamic = list(self._dynamic())

    def _at(self, format_: str, offset: int) -> int:
        return int(struct.unpack_from(format_, self.data, offset)[0])

    def _dynamic(self) -> Iterator[tuple[int, int, int]]:
        for kind, _, offset, *_rest in self.headers:
            while kind == 2:
                tag, value = struct.unpack_from("<QQ", self.data, offset)
                if tag == 0:
                    break
                yield tag, value, offset
                offset += 16

    def value(self, tag: int) -> int:
        return next(value for one, value, _ in self.dynamic if one == tag)

    def offset(self, address: int) -> int:
        """Where an address lies in the file."""
        for kind, _, offset, start, _, size, *_rest in self.headers:
            if kind == 1 and start <= address < start + size:
                return int(offset + address - start)
        raise ValueError(f"no segment has {address:#x}")

    def retag(self, old: int, new: int) -> None:
        """Turns dynamic entries into those of another kind."""
        for offset in [offset for tag, _, offset in self.dynamic if tag == old]:
            struct.pack_into("<Q", self.data, offset, new)

    def rename(self, old: bytes, new: bytes) -> None:
        """Replaces a whole string of the dynamic string table by one of the same length."""
        start = self.offset(self.value(5))
        end = start + self.value(10)
        at = self.data.find(b"\0" + old + b"\0", start, end)
        if at < 0 or len(old) != len(new):
            raise ValueError(f"{self.path.name} has no string {old!r}")
        self.data[at + 1 : at + 1 + len(old)] = new

    def need_version(self, new: bytes, *, weak: bool = False) -> None:
        """The first version needed of libc becomes `new` (of the same length as one that is there)."""
        strings = self.offset(self.value(5))
        at = self.offset(self.value(0x6FFFFFFE))
        while True:
            _, count, file, first, following = struct.unpack_from("<HHIII", self.data, at)
            name = bytes(self.data[strings + file : self.data.index(0, strings + file)])
            aux = at + first
            for _ in range(count if name == b"libc.so.6" else 0):
                _, flags, _, text, beyond = struct.unpack_from("<IHHII", self.data, aux)
                old = bytes(self.data[strings + text : self.data.index(0, strings + text)])
                if len(old) == len(new):
                    self.data[strings + text : strings + text + len(new)] = new
                    struct.pack_into("<IH", self.data, aux, elf_hash(new), flags | (2 if weak else 0))
                    return
                aux += beyond
            if not following:
                raise ValueError(f"{self.path.name} needs no version of libc of that length")
            at += following

    def save(self) -> None:
        self.path.write_bytes(self.data)


def elf_hash(name: bytes) -> int:
    """The System V hash (gABI) that version needs carry."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value


class Fault(NamedTuple):
    """One planted fault."""

    distribution: str
    what: str
    pattern: str
    """Glob of the file, relative to the site folder."""
    damage: Callable[[Path], None]
    fails: bool = True
    """False for controls: it looks wrong, and works."""


def _edited(edit: Callable[[Elf], None]) -> Callable[[Path], None]:
    """An edit that leaves the file longer by a word: a file of another build has another size."""

    def damage(path: Path) -> None:
        file = Elf(path)
        edit(file)
        file.data += bytes(8)
        file.save()

    return damage


def _machine(file: Elf) -> None:
    struct.pack_into("<H", file.data, 18, 183)  # EM_AARCH64


def _stack(file: Elf) -> None:
    for number, header in enumerate(file.headers):
        if header[0] == 0x6474E551:
            struct.pack_into("<I", file.data, file._at("<Q", 32) + number * file._at("<H", 54) + 4, header[1] | 1)


def _own_folders_only(file: Elf) -> None:
    """A module finds its libraries by RUNPATH, these find theirs by their loader's RPATH: as linkers make it today."""
    if ".libs" in file.path.parent.name:
        file.retag(29, 21)  # DT_DEBUG, which means nothing in a library
        file.retag(15, 21)
    else:
        file.retag(15, 29)


def _cut(share: float) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def _fill(content: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.write_bytes(content)

    return damage


def _cut_sections(path: Path) -> None:
    """Without the section headers, which no loader reads."""
    file = Elf(path)
    end = max(header[2] + header[5] for header in file.headers if header[0] == 1)
    path.write_bytes(file.data[:end])


FAULTS = (
    Fault("rpds-py", "wrong machine in one file", "rpds/rpds.*.so", _edited(_machine)),
    Fault("pillow", "library deleted from *.libs", "pillow.libs/libtiff*", Path.unlink),
    Fault("pyzmq", "library two levels deep deleted", "pyzmq.libs/libsodium*", Path.unlink),
    Fault("shapely", "library of *.libs empty", "shapely.libs/libgeos-*", _fill(b"")),
    Fault("pyproj", "RUNPATH, which is not inherited, not RPATH", "pyproj*/*.so*", _edited(_own_folders_only)),
    Fault("ujson", "truncated", "ujson.*.so", _cut(0.5)),
    Fault("xxhash", "zero bytes", "xxhash/_xxhash.*.so", _fill(b"")),
    Fault("kiwisolver", "git-lfs pointer", "kiwisolver/_cext.*.so", _fill(LFS)),
    Fault(
        "regex",
        "undefined symbol",
        "regex/_regex.*.so",
        _edited(lambda file: file.rename(b"PyLong_FromLong", b"PyLong_FromLonq")),
    ),
    Fault("bitarray", "GLIBC version too new", "bitarray/_bitarray.*.so", _edited(lambda file: file.need_version(b"GLIBC_9.99"))),
    Fault(
        "lz4",
        "library missing that the system gave",
        "lz4/block/_block.*.so",
        _edited(lambda file: file.rename(b"libc.so.6", b"libq.so.6")),
    ),
    Fault(
        "msgpack",
        "weak need of a version that a strong symbol wants",
        "msgpack/_cmsgpack.*.so",
        _edited(lambda file: file.need_version(b"GLIBC_9.99", weak=True)),
    ),
    Fault("zstandard", "control: executable stack, which this system allows", "zstandard/backend_c.*.so", _edited(_stack), False),
    Fault("orjson", "control: the file's end, behind what is loaded, cut off", "orjson/orjson.*.so", _cut_sections, False),
)

MODULE = """
#include <Python.h>
%s
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "_core", 0, -1, 0};
PyMODINIT_FUNC PyInit__core(void) { %s; return PyModule_Create(&def); }
"""


def plant(prefix: Path) -> list[Fault]:
    """Plants every fault whose file is there, and tells which."""
    site = next(prefix.glob("lib/python3*/site-packages"))
    planted: list[Fault] = []
    for fault in FAULTS:
        for path in sorted(site.glob(fault.pattern)):
            try:
                fault.damage(path)
            except ValueError as error:
                sys.stderr.write(f"note: {fault.distribution}: {fault.what}: {error}\n")
                continue
            if fault not in planted:
                planted.append(fault)
    return planted


class Compiler:
    """Makes distributions with extension modules of an environment's Python. `works` tells whether it can."""

    def __init__(self, environment: oracle.Environment, folder: Path) -> None:
        self.environment, self.folder = environment, folder
        self.site = Path(environment.sites[0])
        self.command = shutil.which("gcc") or shutil.which("cc")
        query = "import sysconfig; print(sysconfig.get_paths()['include'])"
        done = subprocess.run([str(environment.python), "-c", query], capture_output=True, text=True, check=True)
        self.include = Path(done.stdout.strip())

    @property
    def works(self) -> bool:
        return self.command is not None and (self.include / "Python.h").exists()

    def library(self, path: Path, source: str, *options: str) -> Path:
        """A shared library at `path`."""
        text = self.folder / "source.c"
        text.write_text(source)
        argv = [str(self.command), "-shared", "-fPIC", f"-I{self.include}", "-o", str(path), str(text), *options]
        subprocess.run(argv, check=True)
        return path

    def distribution(self, name: str, init: str, requires: str = "") -> Path:
        """The folder of a new distribution's package; `record` it when its files are there."""
        package = self.site / name.replace("-", "_")
        info = self.site / f"{package.name}-1.0.dist-info"
        package.mkdir()
        info.mkdir()
        (package / "__init__.py").write_text(init)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}")
        (info / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n")
        (info / "INSTALLER").write_text("pip\n")
        return package

    def record(self, package: Path) -> None:
        """Writes RECORD."""
        info = self.site / f"{package.name}-1.0.dist-info"
        files = [*package.iterdir(), *info.iterdir(), info / "RECORD"]
        (info / "RECORD").write_text("".join(f"{file.relative_to(self.site)},,\n" for file in files))


def compiled(environment: oracle.Environment) -> list[Fault]:
    """Faults that take two files made for each other."""
    with tempfile.TemporaryDirectory(prefix="oracle-source-") as folder:
        make = Compiler(environment, Path(folder))
        if not make.works:
            sys.stderr.write("note: no C compiler, or no headers of this Python\n")
            return []
        module = f"_core{environment.suffixes[0]}"
        alpha = make.distribution("alpha-lib", "")
        beta = make.distribution("beta-ext", "import alpha_lib\nfrom . import _core\n", "Requires-Dist: alpha-lib\n")
        soname = "-Wl,-soname,libalpha.so.1"
        library = make.library(alpha / "libalpha.so.1", "int alpha_new(void) { return 1; }", soname)
        source = MODULE % ("extern int alpha_new(void);", "alpha_new()")
        make.library(beta / module, source, str(library), "-Wl,-rpath,$ORIGIN/../alpha_lib")
        make.library(library, "int alpha_old(void) { return 1; }", soname)
        gamma = make.distribution("gamma-ext", "from . import _core\n")
        script = Path(folder, "versions")
        script.write_text("GLIBC_9.99 { global: newest_call; };\n")
        options = ("-nostdlib", "-Wl,-soname,libc.so.6", f"-Wl,--version-script={script}")
        stub = make.library(Path(folder, "libc.so.6"), "int newest_call(void) { return 1; }", *options)
        weak = "extern int newest_call(void) __attribute__((weak));"
        make.library(gamma / module, MODULE % (weak, "if (newest_call) newest_call()"), str(stub))
        for package in (alpha, beta, gamma):
            make.record(package)
    return [
        Fault("beta-ext", "undefined symbol of another distribution's library", "", Path.unlink),
        Fault("gamma-ext", "control: weak need of a version that is not there", "", Path.unlink, False),
    ]


def main(options: argparse.Namespace) -> int:
    """Makes the environments, plants, examines, prints. 0 unless it could not do its job."""
    with tempfile.TemporaryDirectory(prefix="oracle-faults-") as folder:
        prefix = Path(folder, "env")
        create(prefix, options.python, ["--only-binary", ":all:", *REQUIREMENTS])
        if oracle.Environment(prefix).version < "3.12":
            create_over(prefix, "bottleneck==1.3.7")  # the last release compiled with numpy 1's headers
        planted = [*plant(prefix), *compiled(oracle.Environment(prefix))]
        result = oracle.examine(prefix, options)
    lines = {line["name"]: line for line in result["distributions"]}
    modules = {line["owner"]: line for line in result["modules"] if line["cell"] != "agreed ok"}
    sys.stdout.write(oracle.text(result, verbose=True) + "\nWhat was planted:\n")
    expected = [(fault.distribution, fault.what, fault.fails) for fault in planted]
    if "bottleneck" in lines:
        expected.append(("bottleneck", "extension compiled for numpy 1 under numpy 2", True))
    for name, what, fails in expected:
        line = lines[name] if lines[name]["cell"] != "agreed ok" or name not in modules else modules[name]
        proven = line["really"].split(" ")[0] != "ok"
        proof = "" if proven == fails else "   (THE PLANT DOES NOT DO WHAT IT SHOULD)"
        codes = ", ".join(sorted({text.split(" ")[0] for text in line["static"]})) or "-"
        sys.stdout.write(f"  {line['cell']:15} {name:18} {what:60} {codes}{proof}\n")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


def create_over(prefix: Path, requirement: str) -> None:
    """Installs one more distribution, whatever it would want besides."""
    from benchmarks.sources import index_options, quiet_uv

    quiet_uv("pip", "install", "--no-deps", "--python", str(prefix / "bin" / "python"), *index_options(), requirement)
