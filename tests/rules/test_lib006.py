"""LIB006: damaged compiled files, each proven by an import that really fails (or, where none is told, really works)."""

from __future__ import annotations

import subprocess
import sysconfig
from collections.abc import Callable

import pytest

from envdoctor.finding import Finding
from tests.builders import Env, compile_extension
from tests.loader.planted import needs_gcc
from tests.support import diagnose, errors, only, report_of, snapshot_of

pytestmark = needs_gcc

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
LFS = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An extension module ``_core`` with data that its import reads, some pages long."""
    code = """#include <Python.h>
static volatile char table[64 * 1024] = {1};
static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "_core", 0, -1, 0};
PyMODINIT_FUNC PyInit__core(void) {
    long sum = 0;
    for (unsigned i = 0; i < sizeof table; i++) sum += table[i];
    return sum == 1 ? PyModule_Create(&m) : NULL;
}
"""
    return compile_extension(tmp_path_factory.mktemp("good"), "_core", source=code).read_bytes()


@pytest.fixture(scope="session")
def linked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A module whose library stands in ``alpha.libs`` and needs another one from there: module → libone → libtwo."""
    folder = tmp_path_factory.mktemp("linked")
    (folder / "two.c").write_text("static volatile char t[32768] = {1}; int two(void) { return t[32767] + 2; }\n")
    (folder / "one.c").write_text("int two(void); int one(void) { return two() - 1; }\n")
    gcc = ["gcc", "-shared", "-fPIC", f"-L{folder}"]
    subprocess.run([*gcc, str(folder / "two.c"), "-o", str(folder / "libtwo.so.2"), "-Wl,-soname,libtwo.so.2"], check=True)
    origin = ["-Wl,-rpath,$ORIGIN", "-l:libtwo.so.2", "-Wl,-soname,libone.so.1"]
    subprocess.run([*gcc, str(folder / "one.c"), "-o", str(folder / "libone.so.1"), *origin], check=True)
    code = """#include <Python.h>
int one(void);
static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "_core", 0, -1, 0};
PyMODINIT_FUNC PyInit__core(void) { return one() == 1 ? PyModule_Create(&m) : NULL; }
"""
    flags = [f"-L{folder}", "-l:libone.so.1", "-Wl,-rpath,$ORIGIN/../alpha.libs"]
    module = compile_extension(folder, "_core", source=code, flags=flags)
    return {
        f"alpha/_core{SUFFIX}": module.read_bytes(),
        "alpha.libs/libone.so.1": (folder / "libone.so.1").read_bytes(),
        "alpha.libs/libtwo.so.2": (folder / "libtwo.so.2").read_bytes(),
    }


def package(content: bytes, name: str = f"alpha/_core{SUFFIX}") -> dict[str, str | bytes]:
    return {"alpha/__init__.py": "from alpha import _core\n", name: content}


def damage(env: Env, path: str, content: bytes) -> None:
    """Writes other content under a name that RECORD lists."""
    (env.site / path).write_bytes(content)


def run(env: Env, module: str = "alpha") -> subprocess.CompletedProcess[str]:
    return env.run("-c", f"import {module}")


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "empty"),
    "zeros": (lambda data: bytes(len(data)), "zero bytes"),
    "truncated": (half, "truncated"),
    "header": (lambda data: data[:40], "truncated inside the ELF header"),
    "page": (lambda data: data[:4096], "truncated"),
    "lfs": (lambda data: LFS, "git-lfs"),
    "html": (lambda data: b"<!DOCTYPE html><html><body>404</body></html>\n", "web page"),
    "text": (lambda data: b"libfoo.so.1", "text file"),
    "junk": (lambda data: b"\x00\xff\x10" + data[3:], "not a native file"),
    "gzip": (lambda data: b"\x1f\x8b\x08\x00" + data, "gzip"),
    "archive": (lambda data: b"!<arch>\n" + data, "static archive"),
    "script": (lambda data: b"/* GNU ld script */\nINPUT(libfoo.so.1)\n", "linker script"),
    "program headers": (lambda data: data[:54] + b"\x01\x00" + data[56:], "program headers"),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_module_that_was_damaged(env: Env, good: bytes, how: str) -> None:
    change, words = DAMAGES[how]
    env.dist("alpha", "1.0", files=package(good))
    assert run(env).returncode == 0
    assert diagnose(env.prefix, "LIB006") == []
    damage(env, f"alpha/_core{SUFFIX}", change(good))
    assert run(env).returncode != 0, "the fault is one"
    finding = only(diagnose(env.prefix, "LIB006"), "LIB006")
    assert finding.severity == "error"
    assert (finding.subjects[0].kind, finding.subjects[0].name, finding.subjects[0].version) == ("distribution", "alpha", "1.0")
    assert finding.subjects[1].name.endswith(f"alpha/_core{SUFFIX}")
    assert words in finding.message
    assert "\n" not in finding.message
    assert any("--force-reinstall" in command for command in finding.fixes[0].commands)
    assert finding.fixes[0].verify[0][-1] == "import alpha._core"


def test_truncation_kills_the_process_without_a_word(env: Env, good: bytes) -> None:
    env.dist("alpha", "1.0", files=package(good))
    damage(env, f"alpha/_core{SUFFIX}", good[: len(good) - 60_000])
    done = run(env)
    assert done.returncode == -7, done.stderr
    assert "truncated" in only(diagnose(env.prefix, "LIB006"), "LIB006").message


def test_damage_is_told_once(env: Env, good: bytes) -> None:
    """PKG007 sees that the file is another one, LIB006 that nothing can load it: one is under the other."""
    env.dist("alpha", "1.0", files=package(good))
    damage(env, f"alpha/_core{SUFFIX}", half(good))
    findings = list(report_of(snapshot_of(env.prefix)).findings)
    native, altered = only(findings, "LIB006"), only(findings, "PKG007")
    assert altered.caused_by == native.fingerprint
    assert [f.code for f in errors(findings) if f.caused_by is None] == ["LIB006"]


@pytest.mark.parametrize("how", ["empty", "zeros", "truncated", "lfs", "text", "script"])
@pytest.mark.parametrize("library", ["alpha.libs/libone.so.1", "alpha.libs/libtwo.so.2"])
def test_library_that_a_module_needs(env: Env, linked: dict[str, bytes], how: str, library: str) -> None:
    """Directly, or through another one."""
    change, words = DAMAGES[how]
    files: dict[str, str | bytes] = {"alpha/__init__.py": "from alpha import _core\n", **linked}
    env.dist("alpha", "1.0", files=files)
    assert run(env).returncode == 0
    damage(env, library, change(linked[library]))
    assert run(env).returncode != 0
    findings = list(report_of(snapshot_of(env.prefix)).findings)
    finding = only(findings, "LIB006")
    assert (finding.severity, finding.subjects[0].name) == ("error", "alpha")
    assert library in finding.message
    assert words in finding.message
    chain = " → ".join([f"_core{SUFFIX}", "libone.so.1", "libtwo.so.2"][: 2 if "one" in library else 3])
    assert any(chain in line for line in finding.evidence)
    assert [f.code for f in errors(findings) if f.caused_by is None] == ["LIB006"], [f.message for f in errors(findings)]


def test_library_that_ctypes_opens(env: Env, good: bytes) -> None:
    """Nothing in the headers leads to it; RECORD proves that it was another file."""
    code = "import ctypes, os\nlib = ctypes.CDLL(os.path.join(os.path.dirname(__file__), 'lib_alpha.so'))\n"
    env.dist("alpha", "1.0", files={"alpha/__init__.py": code, "alpha/lib_alpha.so": good})
    assert run(env).returncode == 0
    damage(env, "alpha/lib_alpha.so", half(good))
    assert run(env).returncode != 0
    assert only(diagnose(env.prefix, "LIB006"), "LIB006").severity == "error"


def test_pointer_that_was_packed_into_the_wheel(env: Env) -> None:
    """To install the same wheel again brings the pointer back."""
    env.dist("alpha", "1.0", files=package(LFS))
    assert run(env).returncode != 0
    finding = only(diagnose(env.prefix, "LIB006"), "LIB006")
    assert finding.severity == "error"
    assert finding.fixes[0].safety == "manual"
    assert "git lfs pull" in finding.fixes[0].title


def test_module_that_nobody_installed(env: Env) -> None:
    (env.site / "loose").mkdir()
    (env.site / "loose" / "__init__.py").write_text("from loose import _core\n")
    (env.site / f"loose/_core{SUFFIX}").write_bytes(b"")
    finding = only(diagnose(env.prefix, "LIB006"), "LIB006")
    assert (finding.severity, finding.subjects[0].kind) == ("error", "file")
    assert finding.fixes[0].safety == "manual"


def test_many_files_are_one_finding(env: Env, good: bytes) -> None:
    names = [f"alpha/_m{i}{SUFFIX}" for i in range(9)]
    env.dist("alpha", "1.0", files={"alpha/__init__.py": "", **dict.fromkeys(names, b"")})
    finding = only(diagnose(env.prefix, "LIB006"), "LIB006")
    assert "9 compiled files" in finding.message
    assert len(finding.evidence) == 6


def test_what_lost_only_its_section_headers_loads(env: Env, good: bytes) -> None:
    env.dist("alpha", "1.0", files=package(good[:-64]))
    assert run(env).returncode == 0
    finding = only(diagnose(env.prefix, "LIB006"), "LIB006")
    assert finding.severity == "warning"
    assert "section headers" in finding.message
    env.dist("beta", "1.0", files={"beta/__init__.py": "from beta import _core\n", f"beta/_core{SUFFIX}": good})
    damage(env, f"beta/_core{SUFFIX}", good[:-64])
    told: list[Finding] = [f for f in diagnose(env.prefix, "LIB006", "PKG007") if f.subjects[0].name == "beta"]
    assert [f.code for f in told] == ["PKG007"], "where RECORD tells, that is enough"


# --------------------------------------------------------------------------------------------------------- look-alikes


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("alpha/lib/libfoo.so", b"/* GNU ld script */\nINPUT(libfoo.so.1)\n"),
        ("alpha/lib/libfoo.so", b"!<arch>\nfoo.o/          0\n"),
        ("alpha/lib/libfoo.so", b"libfoo.so.1"),
        ("alpha/payload/agent.aix.so", b"\x01\xf7\x00\x04 an AIX file"),
        ("alpha/data/stub.pyd", b""),
        ("alpha/data/stub.dll", b""),
        ("alpha/data/stub.dylib", b""),
        ("alpha/kernel.so", b"BC\xc0\xde bitcode"),
        (f"alpha/_core{SUFFIX}".replace("cpython-3", "cpython-2"), b""),
        ("alpha/_core.cpython-35m-x86_64-linux-gnu.so", b""),
        ("alpha/_core.cp311-win_amd64.pyd", b""),
        ("alpha/tests-data/x-1.so", b"not what it seems"),
    ],
)
def test_look_alikes_are_silent(env: Env, good: bytes, name: str, content: bytes) -> None:
    env.dist("alpha", "1.0", files={**package(good), name: content})
    assert run(env).returncode == 0
    assert diagnose(env.prefix, "LIB006") == []


def test_damage_that_nothing_leads_to_is_information(env: Env, good: bytes) -> None:
    env.dist("alpha", "1.0", files={**package(good), "alpha/plugins/libplugin.so": half(good)})
    assert run(env).returncode == 0
    finding = only(diagnose(env.prefix, "LIB006"), "LIB006")
    assert (finding.severity, finding.confidence) == ("info", "possible")


def test_a_module_that_another_file_stands_in_for(env: Env, good: bytes) -> None:
    env.dist("alpha", "1.0", files={**package(good), "alpha/_core.abi3.so": b""})
    assert run(env).returncode == 0
    assert diagnose(env.prefix, "LIB006") == []
    env.dist(
        "beta",
        "1.0",
        files={"beta/__init__.py": "from beta import _core\n", f"beta/_core{SUFFIX}": b"", "beta/_core.abi3.so": good},
    )
    assert run(env, "beta").returncode != 0, "the damaged one is taken first"
    assert only(diagnose(env.prefix, "LIB006"), "LIB006").subjects[0].name == "beta"


def test_a_module_that_cannot_be_read_says_nothing_of_its_content(env: Env, good: bytes) -> None:
    env.dist("alpha", "1.0", files=package(good))
    path = env.site / f"alpha/_core{SUFFIX}"
    path.unlink()
    path.symlink_to("loop")
    (env.site / "alpha/loop").symlink_to("loop")
    assert diagnose(env.prefix, "LIB006") == []
