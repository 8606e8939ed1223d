"""Libraries and extension modules compiled for tests of the loader, and what the real loader says of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.builders import Env

needs_gcc = pytest.mark.skipif(
    shutil.which("gcc") is None or not sys.platform.startswith("linux"), reason="needs gcc and the loader of Linux"
)
SUFFIX: str = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
MAPPED = """
import importlib, json, os, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
with open("/proc/self/maps") as maps:
    print(json.dumps(sorted({os.path.normpath(line.split(None, 5)[5].strip()) for line in maps if line.count("/") > 1})))
"""


def library(
    path: Path,
    needs: Iterable[Path] = (),
    *,
    rpath: str | None = None,
    runpath: str | None = None,
    soname: str | None = "",
    versions: str | None = None,
    code: str | None = None,
    flags: Iterable[str] = (),
    libc: bool = False,
) -> Path:
    """A shared library at `path` that needs those files by their names. `versions` is a linker version script.

    Its DT_SONAME is its file name unless `soname` says another, or None for none. With `libc` it needs the C library, too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text(code if code is not None else "int one(void) { return 1; }\n")
    command = ["gcc", "-shared", "-fPIC", *([] if libc else ["-nostdlib"]), "-Wl,--no-as-needed", str(source), "-o", str(path)]
    command += _common(needs, rpath, runpath)
    if soname is not None:
        command.append(f"-Wl,-soname,{soname or path.name}")
    if versions is not None:
        script = path.with_suffix(".map")
        script.write_text(versions)
        command.append(f"-Wl,--version-script={script}")
    _compile([*command, *flags])
    source.unlink()
    path.with_suffix(".map").unlink(missing_ok=True)
    return path


def extension(
    path: Path,
    needs: Iterable[Path] = (),
    *,
    rpath: str | None = None,
    runpath: str | None = None,
    body: str = "",
    use: str = "",
    flags: Iterable[str] = (),
) -> Path:
    """An extension module at `path` (its name up to the first dot is the module's). `use` stands in its init function."""
    name = path.name.partition(".")[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.parent / f"{name}.c"
    source.write_text(
        f"""#include <Python.h>
{body}
static struct PyModuleDef m = {{PyModuleDef_HEAD_INIT, "{name}", 0, -1, 0}};
PyMODINIT_FUNC PyInit_{name}(void) {{ {use} return PyModule_Create(&m); }}
"""
    )
    include = sysconfig.get_paths()["include"]
    command = ["gcc", "-shared", "-fPIC", f"-I{include}", "-Wl,--no-as-needed", str(source), "-o", str(path)]
    _compile([*command, *_common(needs, rpath, runpath), *flags])
    source.unlink()
    return path


def _common(needs: Iterable[Path], rpath: str | None, runpath: str | None) -> list[str]:
    command: list[str] = ["-Wl,--allow-shlib-undefined"]
    for need in needs:
        command += [f"-L{need.parent}", f"-l:{need.name}"]
    if rpath is not None:
        command += ["-Wl,--disable-new-dtags", f"-Wl,-rpath,{rpath}"]
    if runpath is not None:
        command += ["-Wl,--enable-new-dtags", f"-Wl,-rpath,{runpath}"]
    return command


def _compile(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def content(*paths: Path, root: Path) -> dict[str, str | bytes]:
    """Files by their paths below `root`, as ``Env.dist`` takes them."""
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def mapped(env: Env, *modules: str, variables: Mapping[str, str] | None = None) -> list[str] | None:
    """Files that a process of `env` has mapped after importing these modules; None where an import fails."""
    done = env.run("-c", MAPPED, *modules, env=variables)
    return json.loads(done.stdout) if done.returncode == 0 else None


def other_machine(path: Path, machine: int = 183) -> Path:
    """Writes another machine (default: aarch64) into the file's ELF header."""
    data = bytearray(path.read_bytes())
    data[18:20] = machine.to_bytes(2, "little")
    path.write_bytes(bytes(data))
    return path


def weaken(path: Path, version: str) -> Path:
    """Marks the file's need of a symbol version as weak, which linkers do for symbols that are only referenced so."""
    code = 0
    for byte in version.encode():
        code = (code << 4) + byte
        high = code & 0xF0000000
        code = (code ^ high >> 24) & ~high
    data = bytearray(path.read_bytes())
    at = data.find(code.to_bytes(4, "little") + b"\0\0")
    assert at > 0
    data[at + 4] = 2
    path.write_bytes(bytes(data))
    return path
