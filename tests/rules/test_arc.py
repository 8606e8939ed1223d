"""ARC001 to ARC004 and ARC008 on real environments with real files of other platforms. Expects an x86_64 Linux machine."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import msgspec
import pytest

from envdoctor.diagnose import judge
from envdoctor.finding import Finding
from envdoctor.select import Selection
from envdoctor.snapshot import Machine, Snapshot
from tests.builders import Env, compile_extension, interpreters, venv
from tests.collect.test_native import FIXTURES, fat, mac
from tests.support import diagnose, errors, only, report_of, snapshot_of

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.uname().machine != "x86_64", reason="the files that must fit are Linux x86_64 ones"
)
gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")

HERE = f"{sys.version_info.major}{sys.version_info.minor}"
OTHER = "310" if HERE != "310" else "311"
ARC = ("ARC001", "ARC002", "ARC003", "ARC004", "ARC008")
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
LINUX_TAG = f"cp{HERE}-cp{HERE}-manylinux_2_17_x86_64"


def fixture(name: str) -> bytes:
    return next(FIXTURES.glob(f"{name}.*")).read_bytes()


def package(module: str, *files: tuple[str, bytes]) -> dict[str, str | bytes]:
    """A package whose __init__ imports its extension module."""
    return {f"{module}/__init__.py": f"from {module} import _speedups\n", **dict(files)}


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return venv(tmp_path / "env")


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An extension module ``_speedups`` for this interpreter, compiled here."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    code = """#include <Python.h>
#include <stdio.h>
#include <stdlib.h>
static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "_speedups", 0, -1, 0};
PyMODINIT_FUNC PyInit__speedups(void) { if (getenv("NOT_SET")) puts("x"); return PyModule_Create(&m); }
"""
    return compile_extension(tmp_path_factory.mktemp("good"), "_speedups", source=code).read_bytes()


def codes(findings: list[Finding]) -> list[str]:
    return sorted(f.code for f in findings)


def judged(snapshot: Snapshot, *selected: str, **changes: object) -> list[Finding]:
    """Findings on a snapshot with fields of its machine changed."""
    if changes:
        snapshot = msgspec.structs.replace(snapshot, machine=msgspec.structs.replace(snapshot.machine, **changes))
    return list(report_of(snapshot, *(selected or ARC)).findings)


def changed(snapshot: Snapshot, **interpreter: object) -> Snapshot:
    """The snapshot with fields of its interpreter changed."""
    return msgspec.structs.replace(snapshot, interpreter=msgspec.structs.replace(snapshot.interpreter, **interpreter))


# ------------------------------------------------------------------------------------------- wheels of other platforms


@pytest.mark.parametrize(
    ("fixture_name", "file", "tag", "words"),
    [
        ("linux-aarch64", "_speedups.cpython-{v}-aarch64-linux-gnu.so", "cp{v}-cp{v}-manylinux_2_17_aarch64", "Linux aarch64"),
        ("linux-aarch64", "_speedups.abi3.so", "cp37-abi3-manylinux2014_aarch64", "Linux aarch64"),
        ("linux-aarch64", "_speedups.so", "cp{v}-cp{v}-linux_aarch64", "Linux aarch64"),
        ("linux-i686", "_speedups.cpython-{v}-i386-linux-gnu.so", "cp{v}-cp{v}-manylinux1_i686", "Linux i686"),
        ("macos-arm64", "_speedups.cpython-{v}-darwin.so", "cp{v}-cp{v}-macosx_11_0_arm64", "macOS arm64"),
        ("macos-x86_64", "_speedups.cpython-{v}-darwin.so", "cp{v}-cp{v}-macosx_10_9_x86_64", "macOS x86_64"),
        ("macos-arm64", "_speedups.abi3.so", "cp38-abi3-macosx_11_0_arm64", "macOS arm64"),
        ("windows-x86_64", "_speedups.cp{v}-win_amd64.pyd", "cp{v}-cp{v}-win_amd64", "Windows x86_64"),
        ("windows-arm64", "_speedups.cp{v}-win_arm64.pyd", "cp{v}-cp{v}-win_arm64", "Windows arm64"),
        ("windows-i686", "_speedups.pyd", "cp{v}-cp{v}-win32", "Windows i686"),
    ],
)
def test_wheel_of_another_platform(env: Env, fixture_name: str, file: str, tag: str, words: str) -> None:
    """The wheel's tag and its file are both told, one under the other; the import really fails."""
    file = f"alpha/{file.format(v=HERE)}"
    env.dist("alpha", "2.1", files=package("alpha", (file, fixture(fixture_name))), tags=[tag.format(v=HERE)])
    assert not env.imports("alpha")
    findings = diagnose(env.prefix, *ARC)
    assert codes(findings) == ["ARC002", "ARC003"]
    native, wheel = only(findings, "ARC002"), only(findings, "ARC003")
    for finding in findings:
        assert finding.severity == "error"
        assert (finding.subjects[0].kind, finding.subjects[0].name, finding.subjects[0].version) == (
            "distribution",
            "alpha",
            "2.1",
        )
        assert finding.fixes[0].commands
        assert finding.fixes[0].verify
        assert "\n" not in finding.message
    assert words in native.message
    assert "this Python is Linux x86_64" in native.message
    assert any(file in line for line in native.evidence)
    assert "part: platform" in wheel.message
    assert native.caused_by == wheel.fingerprint


def test_universal2_on_linux_names_both_slices(env: Env) -> None:
    files = package("alpha", (f"alpha/_speedups.cpython-{HERE}-darwin.so", fat(mac("x86_64"), mac("arm64"))))
    env.dist("alpha", files=files, tags=[f"cp{HERE}-cp{HERE}-macosx_10_9_universal2"])
    finding = only(diagnose(env.prefix, "ARC002"), "ARC002")
    assert "macOS x86_64 and arm64" in finding.message


def test_a_file_that_is_never_opened_is_said_to_be(env: Env) -> None:
    name = f"alpha/_speedups.cpython-{HERE}-aarch64-linux-gnu.so"
    env.dist(
        "alpha", files=package("alpha", (name, fixture("linux-aarch64"))), tags=[f"cp{HERE}-cp{HERE}-manylinux_2_17_aarch64"]
    )
    assert "cannot import name '_speedups'" in env.run("-c", "import alpha").stderr
    assert any("never opened" in line for line in only(diagnose(env.prefix, "ARC002"), "ARC002").evidence)


def test_one_file_of_a_fitting_wheel_replaced(env: Env, good: bytes) -> None:
    files = package("alpha", (f"alpha/_speedups{SUFFIX}", fixture("linux-aarch64")), (f"alpha/_other{SUFFIX}", good))
    env.dist("alpha", files=files, tags=[LINUX_TAG])
    assert not env.imports("alpha")
    findings = diagnose(env.prefix, *ARC)
    assert codes(findings) == ["ARC002"]
    assert "1 extension module is for Linux aarch64" in findings[0].message


def test_both_python_and_architecture_differ(env: Env) -> None:
    name = f"alpha/_speedups.cpython-{OTHER}-aarch64-linux-gnu.so"
    env.dist(
        "alpha", files=package("alpha", (name, fixture("linux-aarch64"))), tags=[f"cp{OTHER}-cp{OTHER}-manylinux_2_17_aarch64"]
    )
    findings = diagnose(env.prefix, *ARC)
    assert codes(findings) == ["ARC002", "ARC003", "ARC004"]
    assert "part: python and platform" in only(findings, "ARC003").message


def test_a_library_loaded_through_ctypes(env: Env) -> None:
    """xgboost, lightgbm, nvidia-*: no extension module at all, a wheel for a platform."""
    code = "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), 'lib', 'libalpha.so'))\n"
    files: dict[str, str | bytes] = {"alpha/__init__.py": code, "alpha/lib/libalpha.so": fixture("linux-aarch64")}
    env.dist("alpha", files=files, tags=["py3-none-manylinux_2_28_aarch64"])
    assert not env.imports("alpha")
    findings = diagnose(env.prefix, *ARC)
    assert codes(findings) == ["ARC002", "ARC003"]
    assert "1 library is for Linux aarch64" in only(findings, "ARC002").message


@gcc
def test_a_library_that_a_module_needs(env: Env, tmp_path: Path) -> None:
    """X.libs of another architecture under modules that fit."""
    libs = tmp_path / "libs"
    libs.mkdir()
    (tmp_path / "dep.c").write_text("int dep(void) { return 1; }\n")
    dep = libs / "libdep-1234.so.1"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", str(tmp_path / "dep.c"), "-o", str(dep), "-Wl,-soname,libdep-1234.so.1"], check=True
    )
    flags = ["-Wl,--no-as-needed", str(dep), "-Wl,-rpath,$ORIGIN/../alpha.libs"]
    module = compile_extension(tmp_path / "m", "_speedups", flags=flags).read_bytes()
    files = package("alpha", (f"alpha/_speedups{SUFFIX}", module))
    env.dist("alpha", files={**files, "alpha.libs/libdep-1234.so.1": dep.read_bytes()}, tags=[LINUX_TAG])
    assert env.imports("alpha")
    assert diagnose(env.prefix, *ARC) == []
    (env.site / "alpha.libs" / "libdep-1234.so.1").write_bytes(fixture("linux-aarch64"))
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, *ARC), "ARC002")
    assert "1 library is for Linux aarch64" in finding.message


def test_a_file_that_nobody_owns(env: Env) -> None:
    shutil.copy(FIXTURES / "linux-aarch64.elf", env.site / "_speedups.abi3.so")
    finding = only(diagnose(env.prefix, *ARC), "ARC002")
    assert finding.subjects[0].kind == "file"
    assert finding.subjects[0].name.endswith("site-packages/_speedups.abi3.so")
    assert finding.fixes[0].safety == "manual"


def test_many_distributions_with_one_fault_are_one_finding(env: Env) -> None:
    for i in range(14):
        name = f"pkg{i}"
        file = f"{name}/_speedups.cpython-{HERE}-aarch64-linux-gnu.so"
        files = package(name, (file, fixture("linux-aarch64")))
        env.dist(name, files=files, tags=[f"cp{HERE}-cp{HERE}-manylinux_2_17_aarch64"])
    findings = diagnose(env.prefix, *ARC)
    assert codes(findings) == ["ARC002", "ARC003"]
    for finding in findings:
        assert finding.subjects[0].kind == "environment"
        assert {s.name for s in finding.subjects[1:]} == {f"pkg{i}" for i in range(14)}
        assert len(finding.evidence) <= 7
        assert finding.message.startswith("14 distributions")


# ------------------------------------------------------------------------------------------------- look-alikes of ARC002


def test_files_that_nothing_loads_are_silent(env: Env, good: bytes) -> None:
    """Launchers in pip and setuptools, device code, firmware, payloads for several systems, objects, no native files at all."""
    cubin = bytearray(fixture("linux-aarch64"))
    struct.pack_into("<H", cubin, 18, 190)
    files: dict[str, str | bytes] = {
        **package("alpha", (f"alpha/_speedups{SUFFIX}", good)),
        "alpha/distlib/w64_arm.dll": fixture("windows-arm64"),
        "alpha/cli.dll": fixture("windows-i686"),
        "alpha/kernels/gemm.so": bytes(cubin),
        "alpha/attach/attach_linux_aarch64.so": fixture("linux-aarch64"),
        "alpha/attach/attach.dylib": fixture("macos-arm64"),
        "alpha/firmware/board.so": fixture("linux-i686"),
        "alpha/lib/libscript.so": b"/* GNU ld script */ INPUT(libfoo.so.1)\n",
        "alpha/lib/empty.so": b"",
    }
    env.dist("alpha", files=files, tags=[LINUX_TAG])
    env.dist(
        "beta", files={"beta/__init__.py": "", "beta/x.dll": fixture("windows-x86_64"), "beta/liby.so": fixture("linux-aarch64")}
    )
    assert env.imports("alpha")
    assert diagnose(env.prefix, *ARC) == []


def test_several_platforms_side_by_side(env: Env, good: bytes) -> None:
    files = package(
        "alpha",
        (f"alpha/_speedups{SUFFIX}", good),
        (f"alpha/_speedups.cpython-{HERE}-aarch64-linux-gnu.so", fixture("linux-aarch64")),
        (f"alpha/_speedups.cp{HERE}-win_amd64.pyd", fixture("windows-x86_64")),
        (f"alpha/_speedups.cpython-{HERE}-darwin.so", fixture("macos-arm64")),
    )
    env.dist("alpha", files=files, tags=["py3-none-any"])
    assert env.imports("alpha")
    assert diagnose(env.prefix, *ARC) == []


def test_real_pip_and_setuptools_are_silent(tmp_path: Path) -> None:
    env = venv(tmp_path / "env", pip=True)
    assert diagnose(env.prefix, *ARC) == []


def test_no_tag_and_stable_abi_and_purelib(env: Env, good: bytes) -> None:
    """A .so without a tag, abi3, Root-Is-Purelib with compiled files, linux_x86_64 of a local build."""
    env.dist("alpha", files=package("alpha", ("alpha/_speedups.so", good)), tags=[f"cp{HERE}-cp{HERE}-linux_x86_64"])
    env.dist("beta", files=package("beta", ("beta/_speedups.abi3.so", good)), tags=["cp37-abi3-manylinux2014_x86_64"])
    env.dist("gamma", files={"gamma/__init__.py": "", "gamma/lib/libgamma.so": good}, tags=["py3-none-manylinux_2_17_x86_64"])
    assert all(env.imports(name) for name in ("alpha", "beta", "gamma"))
    assert diagnose(env.prefix, *ARC) == []


# ------------------------------------------------------------------------------------------------------------- ARC003


def test_wheel_of_another_python_without_compiled_files(env: Env) -> None:
    env.dist("alpha", "1.5", tags=[f"cp{OTHER}-cp{OTHER}-manylinux_2_17_x86_64"])
    finding = only(diagnose(env.prefix, *ARC), "ARC003")
    assert finding.severity == "error"
    assert "part: python" in finding.message
    assert any("WHEEL: Tag: cp" in line for line in finding.evidence)


def test_free_threaded_wheel_in_a_gil_build(env: Env) -> None:
    if sys.version_info < (3, 13):
        env.dist("alpha", tags=["cp313-cp313t-manylinux_2_17_x86_64"])
        part = "python"
    else:
        env.dist("alpha", tags=[f"cp{HERE}-cp{HERE}t-manylinux_2_17_x86_64"])
        part = "abi"
    finding = only(diagnose(env.prefix, "ARC003"), "ARC003")
    assert f"part: {part}" in finding.message
    assert "free-threaded" in finding.message


@pytest.mark.parametrize(
    "tags",
    [
        ["py3-none-any"],
        ["py2-none-any", "py3-none-any"],
        ["py2.py3-none-any"],
        [f"cp{HERE}-cp{HERE}-linux_x86_64"],
        [LINUX_TAG, f"cp{HERE}-cp{HERE}-manylinux2014_x86_64"],
        [f"cp{HERE}-cp{HERE}-manylinux_2_99_x86_64", LINUX_TAG],
        [f"cp{OTHER}-cp{OTHER}-linux_x86_64", f"cp{HERE}-cp{HERE}-linux_x86_64"],
        ["cp36-abi3-manylinux1_x86_64"],
        ["py39-none-any"],
        [],
        ["no tag at all"],
    ],
)
def test_tags_that_fit(env: Env, tags: list[str]) -> None:
    env.dist("alpha", tags=tags)
    assert diagnose(env.prefix, *ARC) == []


def test_made_by_conda(env: Env) -> None:
    """conda's own builds carry tags of the builder's machine; its records decide."""
    env.dist("alpha", tags=[f"cp{HERE}-cp{HERE}-macosx_11_1_arm64"], installer="conda")
    assert diagnose(env.prefix, *ARC) == []


def test_a_wrong_tag_on_files_that_fit_is_a_warning(env: Env, good: bytes) -> None:
    env.dist("alpha", files=package("alpha", ("alpha/_speedups.so", good)), tags=[f"cp{OTHER}-cp{OTHER}-linux_x86_64"])
    assert env.imports("alpha")
    findings = diagnose(env.prefix, *ARC)
    assert codes(findings) == ["ARC003"]
    assert findings[0].severity == "warning"
    assert "fit nevertheless" in findings[0].message


def test_a_local_wheel_is_not_reinstalled_from_its_file(env: Env) -> None:
    url = '{"url": "file:///home/me/alpha-1.0-cp310-cp310-win32.whl", "archive_info": {}}'
    env.dist("alpha", tags=[f"cp{HERE}-cp{HERE}-win32"], direct_url=url)
    finding = only(diagnose(env.prefix, "ARC003"), "ARC003")
    assert "alpha==1.0" in finding.fixes[0].commands[0]


def test_unknown_python_is_skipped(env: Env) -> None:
    env.dist("alpha", tags=["cp27-cp27m-win32"])
    seen = changed(snapshot_of(env.prefix), version=None)
    report = judge(seen, Selection.of(select=["ARC003", "ARC004"]))
    assert [c.outcome for c in report.checks] == ["skipped", "skipped"]


# ------------------------------------------------------------------------------------------------------------- ARC004


def test_extension_of_another_version(env: Env, good: bytes) -> None:
    files = package("alpha", (f"alpha/_speedups.cpython-{OTHER}-x86_64-linux-gnu.so", good))
    env.dist("alpha", "3.0", files=files, tags=[f"cp{OTHER}-cp{OTHER}-manylinux_2_17_x86_64"])
    assert not env.imports("alpha")
    findings = diagnose(env.prefix, *ARC)
    assert codes(findings) == ["ARC003", "ARC004"]
    finding = only(findings, "ARC004")
    assert finding.severity == "error"
    assert f"for CPython 3.{OTHER[1:]}" in finding.message
    assert finding.subjects[0].name == "alpha"
    assert finding.caused_by == only(findings, "ARC003").fingerprint


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"_speedups.cpython-{HERE}t-x86_64-linux-gnu.so", "free-threaded CPython"),
        (f"_speedups.cpython-{HERE}d-x86_64-linux-gnu.so", "debug build"),
        ("_speedups.pypy310-pp73-x86_64-linux-gnu.so", "PyPy 3.10"),
        (f"_speedups.cpython-{HERE}-x86_64-linux-musl.so", "x86_64-linux-musl"),
        ("_speedups.graalpy241-311-native-x86_64-linux.so", "GraalPy 3.11"),
    ],
)
def test_extension_of_another_build(env: Env, good: bytes, name: str, words: str) -> None:
    env.dist("alpha", files=package("alpha", (f"alpha/{name}", good)), tags=[LINUX_TAG])
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, *ARC), "ARC004")
    assert finding.severity == "error"
    assert words in finding.message


@pytest.mark.parametrize(
    ("version", "threaded", "name", "opened"),
    [
        ("3.12.0", False, "_s.abi3.so", True),
        ("3.12.0", False, "_s.abi3t.so", False),
        ("3.12.0", False, "_s.abi3-x86_64-linux-gnu.so", False),
        ("3.13.0", True, "_s.abi3.so", False),
        ("3.13.0", True, "_s.so", True),
        ("3.15.0", False, "_s.abi3.so", True),
        ("3.15.0", False, "_s.abi3t.so", True),
        ("3.15.0", False, "_s.abi3-x86_64-linux-gnu.so", True),
        ("3.15.0", False, "_s.abi3t-x86_64-linux-gnu.so", True),
        ("3.15.0", False, "_s.abi3t-aarch64-linux-gnu.so", False),
        ("3.15.0", True, "_s.abi3t.so", True),
        ("3.15.0", True, "_s.abi3.so", False),
    ],
)
def test_names_of_the_stable_abi(env: Env, good: bytes, version: str, threaded: bool, name: str, opened: bool) -> None:
    """PEP 803; the list of suffixes is ``_imp.extension_suffixes()`` of those versions."""
    env.dist("alpha", files={"alpha/__init__.py": "", f"alpha/{name}": good}, tags=["py3-none-any"])
    digits = "".join(version.split(".")[:2]) + ("t" if threaded else "")
    soabi = f"cpython-{digits}-x86_64-linux-gnu"
    seen = changed(snapshot_of(env.prefix), version=version, free_threaded=threaded, abi=f"cp{digits}", soabi=soabi)
    assert codes(judged(seen)) == ([] if opened else ["ARC004"])


def test_the_interpreter_s_own_suffixes_are_opened(env: Env, good: bytes) -> None:
    """What importlib lists is what is opened, in every interpreter here."""
    from envdoctor.extensions import parse
    from envdoctor.view import View

    for version, python in interpreters().items():
        target = venv(env.prefix.parent / f"py{version}", python=python)
        said = target.run("-c", "import importlib.machinery as m; print(*m.EXTENSION_SUFFIXES)").stdout.split()
        loading = View(snapshot_of(target.prefix)).loading
        for suffix in said:
            name = parse(f"x{suffix}")
            assert name is not None, suffix
            assert loading._name_fits(name) == (True, True), (version, suffix)
        for suffix in (f".cpython-3{int(version[2:]) + 1}-x86_64-linux-gnu.so", ".pyd", ".cpython-38d-aarch64-linux-gnu.so"):
            other = parse(f"x{suffix}")
            assert other is not None
            assert loading._name_fits(other) != (True, True), (version, suffix)


def test_a_musl_wheel_in_a_glibc_python(env: Env) -> None:
    files = package("alpha", (f"alpha/_speedups.cpython-{HERE}-x86_64-linux-musl.so", fixture("linux-musl-x86_64")))
    env.dist("alpha", files=files, tags=[f"cp{HERE}-cp{HERE}-musllinux_1_2_x86_64"])
    assert not env.imports("alpha")
    findings = diagnose(env.prefix, *ARC)
    assert codes(findings) == ["ARC003", "ARC004"]
    assert "part: musl" in only(findings, "ARC003").message


@pytest.mark.parametrize("beside", [SUFFIX, ".abi3.so", ".so"])
def test_several_versions_beside_one_that_fits(env: Env, good: bytes, beside: str) -> None:
    files = package(
        "alpha",
        (f"alpha/_speedups{beside}", good),
        ("alpha/_speedups.cpython-38-x86_64-linux-gnu.so", good),
        (f"alpha/_speedups.cpython-{OTHER}-x86_64-linux-gnu.so", good),
    )
    env.dist("alpha", files=files, tags=[LINUX_TAG])
    assert env.imports("alpha")
    assert diagnose(env.prefix, *ARC) == []


def test_modules_for_other_versions_in_a_wheel_that_fits(env: Env, good: bytes) -> None:
    """torchao's _C_mxfp8.cpython-310 on 3.11: other modules of it fit, and its tags do."""
    files = package("alpha", ("alpha/_speedups.abi3.so", good), (f"alpha/_extra.cpython-{OTHER}-x86_64-linux-gnu.so", good))
    env.dist("alpha", files=files, tags=["cp39-abi3-manylinux_2_17_x86_64"])
    assert env.imports("alpha")
    assert diagnose(env.prefix, *ARC) == []


def test_a_renamed_module_that_no_record_lists(env: Env, good: bytes) -> None:
    """The file that should fit is gone, one of another version lies in its place."""
    env.dist(
        "alpha", files=package("alpha", (f"alpha/_speedups{SUFFIX}", good), (f"alpha/_other{SUFFIX}", good)), tags=[LINUX_TAG]
    )
    (env.site / "alpha" / f"_speedups{SUFFIX}").rename(env.site / "alpha" / f"_speedups.cpython-{OTHER}-x86_64-linux-gnu.so")
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, *ARC), "ARC004")
    assert finding.severity == "error"
    assert finding.subjects[0].name == "alpha"


def test_a_source_module_of_the_same_name_takes_over(env: Env, good: bytes) -> None:
    files = package("alpha", (f"alpha/_speedups.cpython-{OTHER}-x86_64-linux-gnu.so", good), ("alpha/_speedups.py", b"X = 1\n"))
    env.dist("alpha", files=files, tags=[LINUX_TAG])
    assert env.imports("alpha")
    finding = only(diagnose(env.prefix, *ARC), "ARC004")
    assert finding.severity == "warning"
    assert "runs without its compiled modules" in finding.message


@gcc
@pytest.mark.parametrize("version", sorted(interpreters()))
def test_untagged_module_that_needs_symbols_of_another_version(tmp_path: Path, version: str) -> None:
    """The interpreter's own loader is asked, too; where it exports its C API."""
    names = {"3.8": "_PyErr_GetRaisedException", "3.9": "_PyErr_GetRaisedException"}
    symbol = names.get(version, "_PyCode_NewWithPosOnlyArgs_gone")
    symbol = {"3.10": "PyErr_GetRaisedException", "3.11": "PyErr_GetRaisedException"}.get(version, symbol)
    symbol = {"3.12": "PyUnicode_AsUnicode", "3.13": "_PyObject_LookupAttr"}.get(version, symbol)
    symbol = symbol.removeprefix("_") if version in ("3.8", "3.9") else symbol
    env = venv(tmp_path / "env", python=interpreters()[version])
    (env.site / "alpha").mkdir()
    code = f"extern void *{symbol}(void); void *PyInit__speedups(void) {{ return {symbol}(); }}\n"
    (tmp_path / "m.c").write_text(code)
    subprocess.run(["gcc", "-shared", "-fPIC", str(tmp_path / "m.c"), "-o", str(tmp_path / "m.so")], check=True)
    env.dist(
        "alpha", files=package("alpha", ("alpha/_speedups.so", (tmp_path / "m.so").read_bytes())), tags=["py3-none-linux_x86_64"]
    )
    fails = "undefined symbol" in env.run("-c", "import alpha").stderr
    findings = [f for f in diagnose(env.prefix, *ARC) if f.code == "ARC004"]
    if not fails:
        assert findings == []
        return
    assert len(findings) == 1
    assert symbol in " ".join(findings[0].evidence)


@gcc
def test_untagged_modules_with_the_version_in_their_name(env: Env, tmp_path: Path) -> None:
    """cefpython_py36.so, cefpython_py37.so: the package picks one."""
    stub = tmp_path / "libpython3.6m.so.1.0"
    (tmp_path / "s.c").write_text("int stub(void) { return 1; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", str(tmp_path / "s.c"), "-o", str(stub), f"-Wl,-soname,{stub.name}"], check=True)
    old = compile_extension(tmp_path / "m", "core_py36", file_name="o.so", flags=["-Wl,--no-as-needed", str(stub)]).read_bytes()
    new = compile_extension(tmp_path / "m", f"core_py{HERE}", file_name="n.so").read_bytes()
    files: dict[str, str | bytes] = {"alpha/__init__.py": "", f"alpha/core_py{HERE}.so": new}
    env.dist("alpha", files={**files, "alpha/core_py36.so": old}, tags=["py3-none-manylinux1_x86_64"])
    assert diagnose(env.prefix, *ARC) == []
    (env.site / "alpha" / f"core_py{HERE}.so").unlink()
    assert codes(diagnose(env.prefix, *ARC)) == ["ARC004"]


@gcc
def test_untagged_module_that_links_another_libpython(env: Env, tmp_path: Path) -> None:
    minor = OTHER[1:]
    stub = tmp_path / f"libpython3.{minor}.so.1.0"
    (tmp_path / "s.c").write_text("int stub(void) { return 1; }\n")
    subprocess.run(["gcc", "-shared", "-fPIC", str(tmp_path / "s.c"), "-o", str(stub), f"-Wl,-soname,{stub.name}"], check=True)
    module = compile_extension(tmp_path / "m", "_speedups", flags=["-Wl,--no-as-needed", str(stub)]).read_bytes()
    env.dist("alpha", files=package("alpha", ("alpha/_speedups.so", module)), tags=[f"cp{HERE}-cp{HERE}-linux_x86_64"])
    finding = only(diagnose(env.prefix, *ARC), "ARC004")
    assert f"CPython 3.{minor}" in finding.message


def test_windows_extension_of_another_version_in_a_foreign_environment(tmp_path: Path) -> None:
    env = windows_env(tmp_path / "win")
    env.dist(
        "alpha",
        files=package("alpha", ("alpha/_speedups.cp312-win_amd64.pyd", fixture("windows-x86_64"))),
        tags=["cp312-cp312-win_amd64"],
    )
    env.dist(
        "beta",
        files=package("beta", ("beta/_speedups.cp311-win_amd64.pyd", fixture("windows-x86_64"))),
        tags=["cp311-cp311-win_amd64"],
    )
    findings = diagnose(env.prefix, *ARC)
    assert {(f.code, f.subjects[0].name) for f in findings} == {("ARC003", "alpha"), ("ARC004", "alpha")}


# ------------------------------------------------------------------------------------------------------- foreign targets


def windows_env(prefix: Path) -> Env:
    """A Windows environment as it lies in a share or an image."""
    (prefix / "Lib" / "site-packages").mkdir(parents=True)
    (prefix / "Scripts").mkdir()
    (prefix / "Scripts" / "python.exe").write_bytes(fixture("windows-x86_64"))
    home = "home = C:\\Python311\nimplementation = CPython\nversion_info = 3.11.5.final.0\ninclude-system-site-packages = false\n"
    (prefix / "pyvenv.cfg").write_text(home)
    return Env(prefix)


def mac_env(prefix: Path, binary: bytes) -> Env:
    """A macOS environment as a copy of it lies here."""
    (prefix / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python3.11").write_bytes(binary)
    (prefix / "bin" / "python").symlink_to("python3.11")
    (prefix / "pyvenv.cfg").write_text("home = /opt/homebrew/bin\nversion = 3.11.5\ninclude-system-site-packages = false\n")
    return Env(prefix)


def test_foreign_environments_are_not_judged_against_this_machine(tmp_path: Path) -> None:
    windows = windows_env(tmp_path / "win")
    windows.dist(
        "alpha",
        files=package("alpha", ("alpha/_speedups.cp311-win_amd64.pyd", fixture("windows-x86_64"))),
        tags=["cp311-cp311-win_amd64"],
    )
    assert diagnose(windows.prefix, *ARC) == []
    apple = mac_env(tmp_path / "mac", mac("arm64"))
    apple.dist(
        "alpha",
        files=package("alpha", ("alpha/_speedups.cpython-311-darwin.so", mac("arm64"))),
        tags=["cp311-cp311-macosx_99_0_arm64"],
    )
    universal = package("beta", ("beta/_speedups.cpython-311-darwin.so", fat(mac("x86_64"), mac("arm64"))))
    apple.dist("beta", files=universal, tags=["cp311-cp311-macosx_10_9_universal2"])
    assert diagnose(apple.prefix, *ARC) == []


def test_what_does_not_fit_a_foreign_environment_itself(tmp_path: Path) -> None:
    apple = mac_env(tmp_path / "mac", mac("arm64"))
    apple.dist(
        "alpha",
        files=package("alpha", ("alpha/_speedups.cpython-311-darwin.so", mac("x86_64"))),
        tags=["cp311-cp311-macosx_10_9_x86_64"],
    )
    findings = diagnose(apple.prefix, *ARC)
    assert codes(findings) == ["ARC002", "ARC003"]
    assert "this Python is macOS arm64" in only(findings, "ARC002").message


# ------------------------------------------------------------------------------------------------------------- ARC008
@pytest.mark.parametrize(
    ("depends", "told"),
    [
        ("__glibc >=2.28,<3.0.a0", True),
        ("__glibc >=2.17,<3.0.a0", False),
        ("__glibc", False),
        ("__glibc <2.10|>=2.5", False),
        ("__glibc >=2.17|>=2.50", False),
        ("__linux >=9.1", True),
        ("__osx >=14.0", False),
        ("__archspec 1 x86_64_v3", False),
        ("__glibc >=junk", False),
    ],
)
def test_what_conda_records_ask_of_the_system(tmp_path: Path, depends: str, told: bool) -> None:
    prefix = tmp_path / "conda"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/python").symlink_to(sys.executable)
    (prefix / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages").mkdir(parents=True)
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta/history").write_text("")
    (prefix / "conda-meta/alpha-1.0-0.json").write_text(
        json.dumps({"name": "alpha", "version": "1.0", "build": "0", "depends": ["python", depends], "files": []})
    )
    seen = msgspec.structs.replace(snapshot_of(prefix), natives=(), distributions=())
    found = judged(seen, "ARC008", libc="glibc 2.17", libcs=("glibc 2.17",), kernel="5.4.0")
    assert [(f.severity, f.subjects[0].kind, f.subjects[0].name) for f in found] == (
        [("error", "conda-package", "alpha")] if told else []
    )


def test_glibc_of_the_tag_is_too_new(env: Env) -> None:
    env.dist("alpha", "4.0", tags=[f"cp{HERE}-cp{HERE}-manylinux_2_99_x86_64"])
    findings = diagnose(env.prefix, *ARC)
    if "ARC008" not in codes(findings) and "musl" in (snapshot_of(env.prefix).machine.libc or ""):
        pytest.skip("needs glibc")
    assert codes(findings) == ["ARC003", "ARC008"]
    finding = only(findings, "ARC008")
    assert "needs glibc 2.99, this machine has glibc" in finding.message
    assert finding.caused_by == only(findings, "ARC003").fingerprint
    assert "part: glibc" in only(findings, "ARC003").message
    assert [s.kind for s in finding.subjects] == ["distribution", "machine"]


def test_glibc_that_a_module_needs(env: Env, good: bytes) -> None:
    """The same files judged for an older machine, tag or no tag."""
    env.dist("alpha", files=package("alpha", ("alpha/_speedups.so", good)), tags=["py3-none-any"])
    seen = snapshot_of(env.prefix)
    need = next(n.slices[0].glibc for n in seen.natives)
    if need is None:
        pytest.skip("the compiler leaves no version need")
    assert judged(seen) == []
    finding = only(judged(seen, libc="glibc 2.1", libcs=("glibc 2.1",)), "ARC008")
    assert finding.severity == "error"
    assert any(f"needs GLIBC_{need}" in line for line in finding.evidence)


def test_a_tag_too_high_while_the_files_need_less(env: Env, good: bytes) -> None:
    env.dist(
        "alpha", files=package("alpha", (f"alpha/_speedups{SUFFIX}", good)), tags=[f"cp{HERE}-cp{HERE}-manylinux_2_99_x86_64"]
    )
    assert env.imports("alpha")
    findings = diagnose(env.prefix, *ARC)
    assert errors(findings) == []
    assert codes(findings) == ["ARC003"]


def test_libraries_that_no_module_names_need_what_they_like(env: Env, good: bytes) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "", "alpha/plugins/libx.so.1": good}, tags=["py3-none-any"])
    assert judged(snapshot_of(env.prefix), "ARC008", libc="glibc 2.1", libcs=("glibc 2.1",)) == []


def test_kernel_of_an_abi_note(env: Env, good: bytes) -> None:
    env.dist("alpha", files=package("alpha", ("alpha/_speedups.so", good)), tags=["py3-none-any"])
    seen = snapshot_of(env.prefix)
    natives = tuple(
        msgspec.structs.replace(n, slices=(msgspec.structs.replace(n.slices[0], minimum_os="9.17.0"),)) for n in seen.natives
    )
    seen = msgspec.structs.replace(seen, natives=natives)
    assert only(judged(seen, "ARC008", libc="glibc 2.36", libcs=("glibc 2.36",)), "ARC008").severity == "error"
    assert only(judged(seen, "ARC008", libc="glibc 2.39", libcs=("glibc 2.39",)), "ARC008").severity == "warning"


OLD_MAC = Machine(system="macos", machine="arm64", native_machine="arm64", os_version="12.6", kernel="21.6.0")


def test_macos_is_too_old(tmp_path: Path) -> None:
    """A macOS environment judged for a machine from its snapshot (--machine)."""
    apple = mac_env(tmp_path / "mac", mac("arm64"))
    apple.dist(
        "alpha",
        files=package("alpha", ("alpha/_speedups.cpython-311-darwin.so", mac("arm64"))),
        tags=["cp311-cp311-macosx_14_0_arm64"],
    )
    late = bytearray(mac("arm64"))
    at = late.index(struct.pack("<IIII", 0x32, 32, 1, 0x000B0000))
    struct.pack_into("<I", late, at + 12, 0x000D0000)
    apple.dist(
        "beta",
        files=package("beta", ("beta/_speedups.cpython-311-darwin.so", bytes(late))),
        tags=["cp311-cp311-macosx_11_0_arm64"],
    )
    seen = snapshot_of(apple.prefix)
    findings = list(judge(seen, Selection.of(select=list(ARC)), machine=OLD_MAC).findings)
    assert {(f.code, f.subjects[0].name, f.severity) for f in findings} == {
        ("ARC003", "alpha", "error"),
        ("ARC008", "alpha", "error"),
        ("ARC008", "beta", "warning"),
    }
    assert "needs macOS 14.0, this machine has macOS 12.6" in next(
        f.message for f in findings if f.severity == "error" and f.code == "ARC008"
    )
    new = msgspec.structs.replace(OLD_MAC, os_version="14.5")
    assert list(judge(seen, Selection.of(select=list(ARC)), machine=new).findings) == []


def test_foreign_targets_skip_the_operating_system(tmp_path: Path) -> None:
    apple = mac_env(tmp_path / "mac", mac("arm64"))
    apple.dist("alpha", tags=["cp311-cp311-macosx_99_0_arm64"])
    report = judge(snapshot_of(apple.prefix), Selection.of(select=["ARC008", "ARC001"]))
    assert [c.outcome for c in report.checks] == ["skipped", "skipped"]


def test_many_distributions_for_a_newer_system_are_one_finding(env: Env) -> None:
    for i in range(15):
        env.dist(f"pkg{i}", tags=[f"cp{HERE}-cp{HERE}-manylinux_2_9{i % 10}_x86_64"])
    finding = only(diagnose(env.prefix, "ARC008"), "ARC008")
    assert finding.subjects[0].kind == "machine"
    assert len(finding.subjects) == 16


# ------------------------------------------------------------------------------------------------------------- ARC001


def test_native_interpreter_is_silent(env: Env) -> None:
    assert diagnose(env.prefix, "ARC001") == []


def test_x86_64_python_on_apple_silicon(tmp_path: Path) -> None:
    intel = snapshot_of(mac_env(tmp_path / "a", mac("x86_64")).prefix)
    machine = msgspec.structs.replace(OLD_MAC, binfmt=("x86_64",))
    found = judge(intel, Selection.of(select=["ARC001"]), machine=machine).findings
    assert [f.code for f in found] == ["ARC001"]
    assert "Rosetta 2" in found[0].message
    assert found[0].subjects[0].kind == "interpreter"
    assert found[0].severity == "warning"
    for binary in (mac("arm64"), fat(mac("x86_64"), mac("arm64"))):
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
        native = snapshot_of(mac_env(tmp_path / "b", binary).prefix)
        assert judge(native, Selection.of(select=["ARC001"]), machine=machine).findings == ()


@pytest.mark.parametrize(
    ("own", "native", "found"),
    [
        ("i686", "x86_64", "32-bit"),
        ("armv7l", "aarch64", "32-bit"),
        ("x86_64", "x86_64", None),
        ("aarch64", "aarch64", None),
        ("x86_64", "aarch64", "emulated"),
    ],
)
def test_architectures_of_interpreter_and_machine(env: Env, own: str, native: str, found: str | None) -> None:
    seen = changed(snapshot_of(env.prefix), machine=own, binary=None)
    findings = judged(seen, "ARC001", machine=native, native_machine=native, binfmt=("x86_64",))
    assert bool(findings) is bool(found)
    if found:
        assert found in findings[0].message


def test_windows_on_arm(tmp_path: Path) -> None:
    seen = snapshot_of(windows_env(tmp_path / "w").prefix)
    arm = Machine(system="windows", machine="arm64", native_machine="arm64", binfmt=("i686", "x86_64"))
    (finding,) = judge(seen, Selection.of(select=["ARC001"]), machine=arm).findings
    assert "Prism" in finding.message
    intel = Machine(system="windows", machine="x86_64", native_machine="x86_64")
    assert judge(seen, Selection.of(select=["ARC001"]), machine=intel).findings == ()


def test_the_system_s_own_32_bit_python_is_info(env: Env) -> None:
    seen = changed(snapshot_of(env.prefix), machine="armv7l", origin="debian", binary=None)
    (finding,) = judged(seen, "ARC001", machine="aarch64", native_machine="aarch64")
    assert finding.severity == "info"


# --------------------------------------------------------------------------------------------------------- real wheels


@pytest.mark.real
@pytest.mark.parametrize(
    ("requirement", "options", "expected"),
    [
        ("markupsafe==3.0.3", ["--platform", "manylinux2014_aarch64"], {"ARC002", "ARC003"}),
        ("markupsafe==3.0.3", ["--platform", "musllinux_1_2_x86_64"], {"ARC003", "ARC004"}),
        ("markupsafe==3.0.3", ["--platform", "macosx_11_0_arm64"], {"ARC002", "ARC003"}),
        ("markupsafe==2.1.5", ["--platform", "macosx_10_9_universal2"], {"ARC002", "ARC003"}),
        ("markupsafe==3.0.3", ["--platform", "win_amd64"], {"ARC002", "ARC003"}),
        ("markupsafe==3.0.3", ["--platform", "win_arm64"], {"ARC002", "ARC003"}),
        ("markupsafe==3.0.3", ["--platform", "manylinux2014_x86_64", "--python-version", "3." + OTHER[1:]], {"ARC003", "ARC004"}),
        (
            "markupsafe==3.0.3",
            ["--platform", "manylinux2014_x86_64", "--python-version", "3.13", "--abi", "cp313t"],
            {"ARC003", "ARC004"},
        ),
        ("tornado==6.4.2", ["--platform", "manylinux2014_aarch64"], {"ARC002", "ARC003"}),
        ("psutil==7.0.0", ["--platform", "manylinux2014_aarch64"], {"ARC002", "ARC003"}),
        ("pyyaml==6.0.2", ["--platform", "macosx_11_0_arm64"], {"ARC002", "ARC003"}),
        ("xgboost-cpu==2.1.4", ["--platform", "manylinux2014_aarch64", "--platform", "manylinux_2_28_aarch64"], None),
        ("markupsafe==3.0.3", ["--platform", "manylinux2014_x86_64"], set()),
        ("psutil==7.0.0", ["--platform", "manylinux2014_x86_64"], set()),
    ],
)
def test_real_wheels(tmp_path: Path, requirement: str, options: list[str], expected: set[str] | None) -> None:
    version = [] if "--python-version" in options else ["--python-version", f"3.{HERE[1:]}"]
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(tmp_path / "w")]
    done = subprocess.run([*command, requirement, *options, *version], capture_output=True, text=True, check=False)
    wheels = sorted((tmp_path / "w").glob("*.whl")) if (tmp_path / "w").exists() else []
    if done.returncode != 0 or not wheels:
        pytest.skip(f"the index has no such wheel: {done.stderr[-200:]}")
    env = venv(tmp_path / "env")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(env.site)
    findings = diagnose(env.prefix, *ARC)
    assert {f.code for f in findings} == ({"ARC002", "ARC003"} if expected is None else expected)
    assert all(f.severity == "error" for f in findings)


def _pypy_of_debian(prefix: Path) -> Env:
    """The layout of Debian's pypy3, whose packages lie beside those of the system's CPython."""
    for folder in ("bin", "lib/pypy3.9", "lib/python3/dist-packages", "local/lib/pypy3.9/dist-packages"):
        (prefix / folder).mkdir(parents=True)
    (prefix / "bin/pypy3").write_bytes(b"\x7fELF" + bytes(60))
    (prefix / "lib/pypy3.9/os.py").write_text("")
    (prefix / "lib/pypy3.9/site.py").write_text('"dist-packages"\n')
    return Env(prefix)


def test_packages_of_the_systems_python_in_a_folder_that_interpreters_share(tmp_path: Path, good: bytes) -> None:
    env = _pypy_of_debian(tmp_path / "usr")
    shared, local = env.prefix / "lib/python3/dist-packages", env.prefix / "local/lib/pypy3.9/dist-packages"
    for name in ("alpha", "beta"):
        file = f"{name}/_speedups.cpython-311-x86_64-linux-gnu.so"
        env.dist(name, files=package(name, (file, good)), site=shared, installer=None, tags=[])
    (finding,) = diagnose(env.prefix, "ARC004", probe=False)
    assert (finding.severity, [s.name for s in finding.subjects]) == ("info", ["usr", "alpha", "beta"])
    env.dist("gamma", requires=["beta"], site=local)
    found = {f.severity: f for f in diagnose(env.prefix, "ARC004", probe=False)}
    assert [s.name for s in found["error"].subjects][:1] == ["beta"], "what was installed for this interpreter needs it"
    assert [s.name for s in found["info"].subjects] == ["usr", "alpha"]


def test_one_old_package_among_those_of_the_systems_python(tmp_path: Path, good: bytes) -> None:
    """After an upgrade of the system one package was not rebuilt: the folder is this interpreter's all the same."""
    env = _pypy_of_debian(tmp_path / "usr")
    shared = env.prefix / "lib/python3/dist-packages"
    for name, tag in (("alpha", "cpython-311-x86_64-linux-gnu"), ("beta", "pypy39-pp73-x86_64-linux-gnu")):
        env.dist(name, files=package(name, (f"{name}/_speedups.{tag}.so", good)), site=shared, installer=None, tags=[])
    finding = only(diagnose(env.prefix, "ARC004", probe=False), "ARC004")
    assert (finding.severity, finding.subjects[0].name) == ("error", "alpha")


def test_modules_for_windows_in_a_wheel_for_every_platform(env: Env) -> None:
    """debugpy's ``py2.py3-none-any`` ships what speeds it up on Windows and works without it."""
    path = "alpha/_bundle/cython.cp39-win_amd64.pyd"
    env.dist("alpha", files={"alpha/__init__.py": "", "alpha/_bundle/__init__.py": "", path: fixture("windows-x86_64")})
    assert diagnose(env.prefix, "ARC004") == []
    env.dist("beta", files={"beta/__init__.py": "", "beta/cython.cp39-win_amd64.pyd": fixture("windows-x86_64")}, tags=[])
    assert only(diagnose(env.prefix, "ARC004"), "ARC004").subjects[0].name == "beta"
