"""LIB004: numpy's ABI. The modules here hold numpy's own texts and do what its ``import_array()`` does, against a numpy that
answers as the real ones do; ``tests/real/test_numpy.py`` has the real thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from envdoctor.finding import Finding
from tests.builders import Env
from tests.loader.planted import SUFFIX, content, extension, library, needs_gcc
from tests.support import diagnose, only, snapshot_of

pytestmark = needs_gcc

MANYLINUX = ("cp311-cp311-manylinux_2_17_x86_64",)
OLD = """
static int import_array(void) {
  PyObject *numpy = PyImport_ImportModule("numpy.core._multiarray_umath");
  if (!numpy) return -1;
  PyObject *api = PyObject_GetAttrString(numpy, "_ARRAY_API");
  if (!api) return -1;
  if (PyLong_AsLong(api) != 0x01000009) {
    PyErr_Format(PyExc_RuntimeError, "module compiled against ABI version 0x%x but this version of numpy is 0x%x",
                 0x01000009, (int) PyLong_AsLong(api));
    return -1;
  }
  return 0;
}
"""
NEW = """
static int import_array(void) {
  PyObject *numpy = PyImport_ImportModule("numpy._core._multiarray_umath");
  if (!numpy && PyErr_ExceptionMatches(PyExc_ModuleNotFoundError)) {
    PyErr_Clear();
    numpy = PyImport_ImportModule("numpy.core._multiarray_umath");
  }
  if (!numpy) return -1;
  PyObject *api = PyObject_GetAttrString(numpy, "_ARRAY_API");
  if (!api) return -1;
  if (0x02000000 < PyLong_AsLong(api)) {
    PyErr_Format(PyExc_RuntimeError, "module compiled against ABI version 0x%x but this version of numpy is 0x%x", 1, 2);
    return -1;
  }
  PyObject *feature = PyObject_GetAttrString(numpy, "feature");
  if (!feature) return -1;
  if (FEATURE > PyLong_AsLong(feature)) {
    PyErr_Format(PyExc_RuntimeError, "module was compiled against NumPy C-API version 0x%x (NumPy " TARGET ") "
                 "but the running NumPy has C-API version 0x%x.", FEATURE, (int) PyLong_AsLong(feature));
    return -1;
  }
  return 0;
}
"""
USE = "if (import_array() < 0) return NULL;"
REFUSES = (
    "def __getattr__(name):\n"
    "    if name == '_ARRAY_API':\n"
    "        raise ImportError('A module that was compiled using NumPy 1.x cannot be run in NumPy 2')\n"
    "    raise AttributeError(name)\n"
)


def numpy(env: Env, version: str, feature: int) -> None:
    """A numpy that answers modules as the real one of that version does."""
    core = f"_ARRAY_API = {0x02000000 if version[0] == '2' else 0x01000009}\nfeature = {feature}\n"
    files = {"numpy/__init__.py": f"__version__ = '{version}'\n", "numpy/core/__init__.py": ""}
    if version[0] == "2":
        files |= {"numpy/_core/__init__.py": "", "numpy/_core/_multiarray_umath.py": core}
        files["numpy/core/_multiarray_umath.py"] = REFUSES
    else:
        files["numpy/core/_multiarray_umath.py"] = core
    env.dist("numpy", version, files=files)


def old(path: Path) -> Path:
    return extension(path, body=OLD, use=USE)


def new(path: Path, target: str = "1.20", feature: int = 0xE) -> Path:
    return extension(path, body=f'#define TARGET "{target}"\n#define FEATURE {feature}\n{NEW}', use=USE)


def alpha(
    env: Env, work: Path, *modules: Path, requires: tuple[str, ...] = ("numpy>=1.21",), tags: tuple[str, ...] = MANYLINUX
) -> None:
    source = "".join(f"from alpha import {path.name.partition('.')[0]}\n" for path in modules)
    files = {"alpha/__init__.py": source, **content(*modules, root=work)}
    env.dist("alpha", "1.5.3", requires=requires, files=files, tags=tags)


def names(finding: Finding) -> list[str]:
    return [subject.name for subject in finding.subjects if subject.kind == "distribution"]


def test_numpy_1_module_under_numpy_2(env: Env, work: Path) -> None:
    alpha(env, work, old(work / f"alpha/_core{SUFFIX}"))
    numpy(env, "2.1.3", 0x13)
    assert "compiled using NumPy 1.x cannot be run" in env.run("-c", "import alpha").stderr
    finding = only(diagnose(env.prefix, "LIB004"), "LIB004")
    assert finding.message == "alpha 1.5.3 was compiled for numpy 1 and cannot be used with the installed numpy 2.1.3"
    assert (finding.severity, finding.confidence) == ("error", "certain")
    assert names(finding) == ["alpha", "numpy"]
    assert finding.fixes[0].commands[0][-2:] == ("--upgrade", "alpha")
    assert finding.fixes[1].commands[0][-1] == "numpy<2"
    assert finding.fixes[1].safety == "unsafe"


def test_another_requirement_forbids_numpy_1(env: Env, work: Path) -> None:
    alpha(env, work, old(work / f"alpha/_core{SUFFIX}"))
    numpy(env, "2.1.3", 0x13)
    env.dist("beta", requires=["numpy>=2"])
    fix = only(diagnose(env.prefix, "LIB004"), "LIB004").fixes[1]
    assert fix.safety == "manual"
    assert "beta (numpy>=2) must allow it" in fix.title


def test_numpy_1_module_under_numpy_1(env: Env, work: Path) -> None:
    alpha(env, work, old(work / f"alpha/_core{SUFFIX}"))
    numpy(env, "1.26.4", 0x11)
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB004", deep=True) == []


@pytest.mark.parametrize(("version", "feature"), [("2.1.3", 0x13), ("1.26.4", 0x11)])
def test_numpy_2_module_under_both(env: Env, work: Path, version: str, feature: int) -> None:
    alpha(env, work, new(work / f"alpha/_core{SUFFIX}"))
    numpy(env, version, feature)
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB004", deep=True) == []
    (fact,) = snapshot_of(env.prefix).numpy_modules
    assert (fact.major, fact.target, fact.owner) == (2, "1.20", "alpha")


def test_built_for_a_newer_numpy(env: Env, work: Path) -> None:
    alpha(env, work, new(work / f"alpha/_core{SUFFIX}", "2.1", 0x13))
    numpy(env, "2.0.2", 0x12)
    assert "(NumPy 2.1) but the running NumPy" in env.run("-c", "import alpha").stderr
    finding = only(diagnose(env.prefix, "LIB004"), "LIB004")
    assert finding.message == "alpha 1.5.3 was compiled for numpy 2.1 or later, the installed one is 2.0.2"
    assert finding.severity == "error"
    assert finding.fixes[0].commands[0][-1] == "numpy>=2.1"


def test_the_first_module_that_tells_speaks_for_a_published_wheel(env: Env, work: Path) -> None:
    silent = extension(work / f"alpha/_aaa{SUFFIX}")
    cores = [old(work / f"alpha/{name}{SUFFIX}") for name in ("_one", "_two", "_three")]
    alpha(env, work, silent, *cores)
    numpy(env, "2.1.3", 0x13)
    assert not env.imports("alpha")
    assert len(snapshot_of(env.prefix).numpy_modules) == 1
    assert len(snapshot_of(env.prefix, deep=True).numpy_modules) == 3
    assert len(diagnose(env.prefix, "LIB004", deep=True)) == 1


def test_what_was_built_here_is_read_whole(env: Env, work: Path) -> None:
    """An incremental build after numpy was upgraded: one module is as it was."""
    good, bad = new(work / f"alpha/_aaa{SUFFIX}"), old(work / f"alpha/_zzz{SUFFIX}")
    alpha(env, work, good, bad, tags=("cp311-cp311-linux_x86_64",))
    numpy(env, "2.1.3", 0x13)
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, "LIB004"), "LIB004")
    assert any("_zzz" in line for line in finding.evidence)
    assert "--no-build-isolation" in finding.fixes[0].commands[0]


def test_a_changed_module_of_a_published_wheel(env: Env, work: Path) -> None:
    alpha(env, work, new(work / f"alpha/_aaa{SUFFIX}"), new(work / f"alpha/_bbb{SUFFIX}"))
    numpy(env, "2.1.3", 0x13)
    assert diagnose(env.prefix, "LIB004") == []
    old(env.site / f"alpha/_bbb{SUFFIX}")
    path = env.site / f"alpha/_bbb{SUFFIX}"
    path.write_bytes(path.read_bytes() + bytes(1))
    assert not env.imports("alpha")
    assert only(diagnose(env.prefix, "LIB004"), "LIB004").severity == "error"


def test_numpy_is_only_an_extra(env: Env, work: Path) -> None:
    alpha(env, work, old(work / f"alpha/_core{SUFFIX}"), requires=('numpy; extra == "fast"',))
    numpy(env, "2.1.3", 0x13)
    assert only(diagnose(env.prefix, "LIB004"), "LIB004").severity == "warning"


def test_a_module_of_nobody(env: Env) -> None:
    old(env.site / f"loose{SUFFIX}")
    numpy(env, "2.1.3", 0x13)
    assert not env.imports("loose")
    finding = only(diagnose(env.prefix, "LIB004"), "LIB004")
    assert finding.subjects[0].kind == "file"
    assert finding.fixes


@pytest.mark.parametrize(
    "text",
    [
        # a compiled Python module that imports numpy.core, and a binding of pybind11 before 2.12: numpy 2 lets both pass
        'const char *text = "numpy.core.multiarray";',
        'const char *text = "numpy.core.multiarray\\0_ARRAY_API";',
    ],
)
def test_numpy_core_without_the_c_api(env: Env, work: Path, text: str) -> None:
    alpha(env, work, extension(work / f"alpha/_core{SUFFIX}", body=text))
    numpy(env, "2.1.3", 0x13)
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB004", deep=True) == []


def test_types_of_numpy_in_a_module_of_cython(env: Env, work: Path) -> None:
    """It does not call import_array(); numpy 2's dtype is smaller than what it was compiled for."""
    body = (
        'const char *texts = "numpy.core.multiarray failed to import\\0flatiter\\0'
        '%.200s.%.200s size changed, may indicate binary incompatibility";'
    )
    use = 'PyErr_SetString(PyExc_ValueError, "numpy.dtype size changed, may indicate binary incompatibility"); return NULL;'
    alpha(env, work, extension(work / f"alpha/_core{SUFFIX}", body=body, use=use))
    numpy(env, "2.1.3", 0x13)
    finding = only(diagnose(env.prefix, "LIB004"), "LIB004")
    assert (finding.severity, finding.confidence) == ("error", "likely")


def test_without_numpy(env: Env, work: Path) -> None:
    alpha(env, work, old(work / f"alpha/_core{SUFFIX}"))
    assert diagnose(env.prefix, "LIB004") == []


def test_a_module_whose_headers_lie(env: Env, work: Path) -> None:
    """Section headers past the end, or none: then the whole file is searched."""
    core = old(work / f"alpha/_core{SUFFIX}")
    data = bytearray(core.read_bytes())
    data[40:48] = (1 << 60).to_bytes(8, "little")
    core.write_bytes(bytes(data))
    alpha(env, work, core)
    numpy(env, "2.1.3", 0x13)
    assert not env.imports("alpha")
    assert only(diagnose(env.prefix, "LIB004"), "LIB004").severity == "error"


def test_libraries_are_not_searched(env: Env, work: Path) -> None:
    own = library(work / "alpha/libown.so", code='const char *t = "module compiled against ABI version numpy.core";\n')
    alpha(env, work, own)
    (env.site / "alpha/__init__.py").write_text("")
    numpy(env, "2.1.3", 0x13)
    assert snapshot_of(env.prefix, deep=True).numpy_modules == ()


def test_a_package_built_by_hand_that_names_no_requirement(env: Env, work: Path) -> None:
    core = old(work / f"alpha/_core{SUFFIX}")
    env.dist("alpha", files={"alpha/__init__.py": "from alpha import _core\n", f"alpha/{core.name}": core.read_bytes()})
    numpy(env, "2.1.3", 0x13)
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, "LIB004"), "LIB004")
    assert (finding.severity, finding.subjects[0].name) == ("error", "alpha")
