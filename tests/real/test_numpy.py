"""LIB004 against the real numpy: modules compiled with its headers, and old wheels of the index, really imported."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.sources import create, index_options, quiet_uv
from tests.builders import Env, interpreters
from tests.loader.planted import needs_gcc
from tests.real.test_makers import reachable
from tests.support import diagnose, only

pytestmark = [pytest.mark.real, needs_gcc]

SOURCE = """
#include <Python.h>
#include <numpy/arrayobject.h>
static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "_core", 0, -1, 0};
PyMODINIT_FUNC PyInit__core(void) { import_array(); return PyModule_Create(&m); }
"""


def python() -> str:
    """A Python that numpy 1.26 and 2.1 both have wheels for."""
    known = interpreters()
    for version in ("3.11", "3.12", "3.10"):
        if version in known:
            return known[version]
    pytest.skip("needs Python 3.10 to 3.12")


def install(env: Env, *words: str) -> None:
    quiet_uv("pip", "install", "--python", str(env.python), *index_options(), *words)


def ask(env: Env, code: str) -> str:
    return subprocess.run([str(env.python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Env]:
    def make(*requirements: str) -> Env:
        reachable(lambda: create(tmp_path / "env", python(), requirements))
        return Env(tmp_path / "env")

    return make


def build(env: Env, target: str | None = None) -> None:
    """Distribution alpha, compiled with the numpy that stands in `env`."""
    include = ask(env, "import numpy; print(numpy.get_include())")
    headers = ask(env, "import sysconfig; print(sysconfig.get_paths()['include'])")
    if not Path(headers, "Python.h").exists():
        pytest.skip("no headers of that Python")
    source = env.prefix / "core.c"
    source.write_text(SOURCE)
    out = env.prefix / "core.so"
    flags = [f"-DNPY_TARGET_VERSION={target}"] if target else []
    command = ["gcc", "-O1", "-shared", "-fPIC", f"-I{include}", f"-I{headers}", *flags, str(source), "-o", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    suffix = ask(env, "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX'))")
    env.dist(
        "alpha", requires=["numpy"], files={"alpha/__init__.py": "import alpha._core\n", f"alpha/_core{suffix}": out.read_bytes()}
    )


def test_headers_of_numpy_1(made: Callable[[str], Env]) -> None:
    env = made("numpy==1.26.4")
    build(env)
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB", deep=True) == []
    install(env, "numpy==2.1.3")
    assert "compiled using NumPy 1.x cannot be run" in env.run("-c", "import alpha").stderr
    assert only(diagnose(env.prefix, "LIB"), "LIB004").severity == "error"


def test_headers_of_numpy_2_and_their_targets(made: Callable[[str], Env]) -> None:
    env = made("numpy==2.1.3")
    build(env)
    install(env, "numpy==1.26.4")
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB", deep=True) == []
    install(env, "numpy==2.1.3")
    for path in env.site.glob("alpha*"):
        shutil.rmtree(path)
    build(env, "NPY_2_1_API_VERSION")
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB", deep=True) == []
    install(env, "numpy==2.0.2")
    assert "(NumPy 2.1) but the running NumPy" in env.run("-c", "import alpha").stderr
    assert only(diagnose(env.prefix, "LIB"), "LIB004").message.startswith("alpha 1.0 was compiled for numpy 2.1 or later")


def test_old_wheels_beside_new_ones(made: Callable[..., Env]) -> None:
    """numexpr and pandas from before numpy 2, bottleneck from after it."""
    env = made("numpy==1.26.4", "numexpr==2.8.4", "blis==0.7.11", "bottleneck==1.4.2")
    modules = ("numexpr", "blis.py", "bottleneck")
    assert [module for module in modules if not env.imports(module)] == []
    assert diagnose(env.prefix, "LIB", "ARC", deep=True) == []
    install(env, "--no-deps", "numpy==2.1.3")
    assert [module for module in modules if not env.imports(module)] == ["numexpr", "blis.py"]
    findings = diagnose(env.prefix, "LIB", "ARC")
    assert [(f.code, f.severity, f.subjects[0].name) for f in findings] == [
        ("LIB004", "error", "blis"),
        ("LIB004", "error", "numexpr"),
    ]
