"""ARC004 by symbols: modules whose names fit this Python and whose C-API symbols do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from envdoctor.snapshot import Snapshot
from tests.builders import Env, interpreters, venv
from tests.loader.planted import SUFFIX, content, extension, needs_gcc
from tests.support import diagnose, only, report_of, snapshot_of

pytestmark = needs_gcc
NEWER = "PyType_FromMetaclass"
"""In the stable ABI since 3.12."""
PYTHONS = interpreters()


def module(path: Path, symbol: str) -> Path:
    """An extension module that needs this C-API symbol, whatever the headers at hand declare."""
    return extension(path, body=f'void wanted(void) __asm__("{symbol}");', use="if (!m.m_name) wanted();")


def old_venv(tmp_path: Path) -> Env:
    """An environment of a Python before 3.12."""
    for version in ("3.11", "3.10", "3.9", "3.8"):
        if version in PYTHONS:
            return venv(tmp_path / "old", python=PYTHONS[version])
    pytest.skip("no Python before 3.12")


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (("py3-none-any",), True),
        (("cp312-abi3-manylinux_2_17_x86_64",), True),
        # what an index publishes for this Python is trusted
        (("cp38-abi3-manylinux_2_17_x86_64",), False),
    ],
)
def test_stable_abi_of_a_newer_python(tmp_path: Path, work: Path, tags: tuple[str, ...], found: bool) -> None:
    env = old_venv(tmp_path)
    core = module(work / "alpha/_core.abi3.so", NEWER)
    env.dist("alpha", files={"alpha/__init__.py": "import alpha._core\n", **content(core, root=work)}, tags=tags)
    assert f"undefined symbol: {NEWER}" in env.run("-c", "import alpha").stderr
    findings = diagnose(env.prefix, "ARC004", "LIB003")
    if not found:
        assert findings == []
        findings = diagnose(env.prefix, "ARC004", "LIB003", deep=True)
    finding = only(findings, "ARC004")
    assert len(findings) == 1
    assert "the stable ABI of CPython 3.12 or later" in finding.message
    assert finding.severity == "error"
    assert finding.subjects[0].name == "alpha"


def test_stable_abi_that_is_old_enough(env: Env, work: Path) -> None:
    core = module(work / "alpha/_core.abi3.so", "PyObject_Call")
    env.dist("alpha", files={"alpha/__init__.py": "import alpha._core\n", **content(core, root=work)})
    assert env.imports("alpha")
    assert diagnose(env.prefix, "ARC004", "LIB003") == []


@pytest.mark.parametrize(
    ("symbol", "wanted"),
    [("PyNode_Compile", "CPython 3.6 or earlier to 3.9"), ("_Py_DecRefShared", "free-threaded CPython")],
)
def test_a_tag_of_this_python_and_symbols_of_another(env: Env, work: Path, symbol: str, wanted: str) -> None:
    if sys.version_info < (3, 10) or "t" in SUFFIX.partition("-")[2].partition("-")[0]:
        pytest.skip("needs a Python with the GIL, from 3.10 on")
    core = module(work / f"alpha/_core{SUFFIX}", symbol)
    env.dist("alpha", files={"alpha/__init__.py": "import alpha._core\n", **content(core, root=work)})
    assert f"undefined symbol: {symbol}" in env.run("-c", "import alpha").stderr
    findings = diagnose(env.prefix, "ARC004", "LIB003")
    finding = only(findings, "ARC004")
    assert len(findings) == 1
    assert wanted in finding.message


def free_threaded(snapshot: Snapshot) -> Snapshot:
    """The snapshot as if its interpreter were a free-threaded one: no build of one is at hand everywhere."""
    interpreter = msgspec.structs.replace(
        snapshot.interpreter,
        free_threaded=True,
        abi=f"{snapshot.interpreter.abi}t",
        soabi=(snapshot.interpreter.soabi or "").replace("-x86", "t-x86", 1),
    )
    return msgspec.structs.replace(snapshot, interpreter=interpreter)


@pytest.mark.skipif("3.13" not in PYTHONS, reason="needs Python 3.13 and its headers")
def test_reference_counts_of_both_builds(tmp_path: Path) -> None:
    """Compiled with 3.13's own headers, with and without the GIL."""
    from envdoctor.collect.native import PythonSymbols, read, wanted_symbols

    python = PYTHONS["3.13"]
    include = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['include'])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(include, "Python.h").exists():
        pytest.skip("no headers of Python 3.13")
    env = venv(tmp_path / "env", python=python)
    source = tmp_path / "core.c"
    source.write_text(
        "#include <Python.h>\nPyObject *drop(PyObject *m) { Py_DECREF(m); return 0; }\n"
        'static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "core", 0, -1, 0};\n'
        "PyMODINIT_FUNC PyInit_core(void) { return PyModule_Create(&m); }\n"
    )
    for name, flags in (("gil", []), ("free", ["-DPy_GIL_DISABLED=1"])):
        (tmp_path / name).mkdir()
        command = ["gcc", "-O2", "-shared", "-fPIC", f"-I{include}", *flags, str(source), "-o", str(tmp_path / name / "core.so")]
        subprocess.run(command, check=True, capture_output=True)
    assert b"_Py_Dealloc" in wanted_symbols(str(tmp_path / "gil/core.so"))
    assert {b"_Py_MergeZeroLocalRefcount", b"_Py_DecRefShared"} <= wanted_symbols(str(tmp_path / "free/core.so"))

    # the free-threaded module in this build: opened, and its functions are nowhere
    env.dist("core", files={"core.so": (tmp_path / "free/core.so").read_bytes()})
    assert "undefined symbol: _Py_" in env.run("-c", "import core").stderr
    assert "free-threaded CPython" in only(diagnose(env.prefix, "ARC004", "LIB003"), "ARC004").message

    # the other way round: an interpreter that exports what both builds export
    symbols = PythonSymbols([])
    symbols._names = frozenset([b"_Py_MergeZeroLocalRefcount", b"_Py_DecRefShared", b"_Py_Dealloc", b"PyModule_Create2"])
    with_gil = read(str(tmp_path / "gil/core.so"), folder=0, rel="core.so", owner="core", python=symbols)
    without = read(str(tmp_path / "free/core.so"), folder=0, rel="core.so", owner="core", python=symbols)
    assert (with_gil.built_with_gil, without.built_with_gil) == (True, False)
    snapshot = free_threaded(snapshot_of(env.prefix))
    for native, expected in ((with_gil, True), (without, False)):
        findings = report_of(msgspec.structs.replace(snapshot, natives=(native,), unresolved_symbols=()), "ARC004").findings
        assert [finding.severity for finding in findings] == (["error"] if expected else [])
        if expected:
            assert "CPython with the GIL" in findings[0].message
