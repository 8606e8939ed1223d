"""Builds the optional compiled readers, ``envdoctor._speed``, from speed/*.c: a wheel, an editable install, or by hand.

They need a C compiler and Python's headers on a POSIX system with CPython. Where one of them is absent, or where
``ENVDOCTOR_PURE=1`` is set, nothing is built and the Python code does the same work. The stable ABI of Python 3.10 is
used: one file fits every later CPython (https://docs.python.org/3/c-api/stable.html).

``python hatch_build.py`` compiles into the tree, for who works on the C code.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "speed"
TARGET = ROOT / "envdoctor" / "_speed.abi3.so"
ABI = "0x030A0000"


def obstacle() -> str | None:
    """Why nothing can be compiled for this interpreter, None where it can."""
    if os.environ.get("ENVDOCTOR_PURE") == "1":
        return "ENVDOCTOR_PURE is set"
    if os.name != "posix" or sys.implementation.name != "cpython":
        return "not CPython on a POSIX system"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "a free-threaded CPython has no stable ABI"
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        return "Python's headers are not installed"
    return None


def commands(target: Path) -> list[list[str]]:
    """The compiler's calls, with the compiler and the flags that this Python was built with: they know the platform."""
    config = sysconfig.get_config_vars()
    cc = shlex.split(os.environ.get("CC") or config.get("CC") or "cc")
    link = shlex.split(os.environ.get("LDSHARED") or config.get("LDSHARED") or "cc -shared")
    if os.environ.get("CC"):
        link = [*cc, *link[1:]]
    flags = [*shlex.split(config.get("CCSHARED") or "-fPIC"), "-O2", "-g0", "-fvisibility=hidden", f"-DPy_LIMITED_API={ABI}"]
    arches = [f for f in shlex.split(config.get("CFLAGS") or "") if f in ("-arch", "arm64", "x86_64")]
    include = [
        f"-I{folder}" for folder in dict.fromkeys([sysconfig.get_paths()["include"], sysconfig.get_paths()["platinclude"]])
    ]
    sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]
    warnings = ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-cast-function-type"]
    extra = shlex.split(os.environ.get("CFLAGS", ""))
    return [[*link, *flags, *arches, *warnings, *extra, *include, *sources, "-o", str(target), "-pthread"]]


def compile_here(target: Path = TARGET) -> str | None:
    """Compiles into `target`; the reason in a line where that is not to be had."""
    reason = obstacle()
    if reason is not None:
        return reason
    made = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        for command in commands(made):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"the compiler failed: {(done.stderr.strip() or 'no message').splitlines()[0]}"
            if done.stderr:
                print(done.stderr, file=sys.stderr)
        os.replace(made, target)
    except OSError as error:
        return f"no compiler: {error.strerror or error}"
    finally:
        made.unlink(missing_ok=True)
    return None


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand
    pass
else:

    class Compiled(BuildHookInterface[Any]):
        """hatchling's hook: adds the compiled file to the wheel, and the wheel's tag with it."""

        PLUGIN_NAME = "custom"

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Called before a wheel or an editable install is built."""
            if self.target_name != "wheel":
                return
            reason = compile_here()
            if reason is not None:
                self.app.display_warning(f"without compiled readers: {reason}")
                return
            build_data["pure_python"] = False
            build_data["tag"] = f"cp310-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
            if version != "editable":
                build_data["artifacts"].append("envdoctor/_speed.abi3.so")


if __name__ == "__main__":
    said = compile_here()
    if said is not None:
        sys.exit(f"error: {said}")
