"""LIB007: files that ask for an executable stack, made by ``gcc -z execstack``, judged for old and new glibc."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import msgspec
import pytest

from envdoctor.finding import Finding
from envdoctor.snapshot import Snapshot
from tests.builders import Env, compile_extension
from tests.loader.planted import needs_gcc
from tests.support import only, report_of, snapshot_of

pytestmark = needs_gcc

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
EXEC = ("-z", "execstack")


@pytest.fixture(scope="session")
def asking(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An extension module ``_core`` that asks for an executable stack."""
    return compile_extension(tmp_path_factory.mktemp("asking"), "_core", flags=EXEC).read_bytes()


def package(content: bytes, name: str = "alpha") -> dict[str, str | bytes]:
    return {f"{name}/__init__.py": f"from {name} import _core\n", f"{name}/_core{SUFFIX}": content}


def glibc(snapshot: Snapshot, version: str, **shell: str) -> list[Finding]:
    """Findings as if the machine had that C library."""
    libc = version if version.startswith("musl") else f"glibc {version}"
    machine = msgspec.structs.replace(snapshot.machine, libc=libc, libcs=(libc,))
    variables = msgspec.structs.replace(snapshot.shell, variables={**snapshot.shell.variables, **shell})
    return list(report_of(msgspec.structs.replace(snapshot, machine=machine, shell=variables), "LIB007").findings)


def own_glibc() -> tuple[int, ...]:
    name = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else None
    return tuple(map(int, (name or "glibc 0").split()[1].split(".")))


def test_module_on_old_and_new_glibc(env: Env, asking: bytes) -> None:
    env.dist("alpha", "4.5.0", files=package(asking))
    seen = snapshot_of(env.prefix)
    finding = only(glibc(seen, "2.41"), "LIB007")
    assert finding.severity == "error"
    assert (finding.subjects[0].kind, finding.subjects[0].name, finding.subjects[0].version) == ("distribution", "alpha", "4.5.0")
    assert "which glibc 2.41 refuses" in finding.message
    assert finding.fixes[0].commands
    assert ("patchelf", "--clear-execstack", str(env.site / f"alpha/_core{SUFFIX}")) in finding.fixes[1].commands
    for version in ("2.17", "2.40"):
        assert only(glibc(seen, version), "LIB007").severity == "warning"
    assert [only(glibc(seen, v), "LIB007").severity for v in ("2.42", "2.50")] == ["error", "error"]


def test_what_this_machine_does(env: Env, asking: bytes) -> None:
    """The verdict on the machine at hand is what its own loader does."""
    if not own_glibc() > (2,):
        pytest.skip("needs glibc")
    env.dist("alpha", "1.0", files=package(asking))
    finding = only(list(report_of(snapshot_of(env.prefix), "LIB007").findings), "LIB007")
    done = env.run("-c", "import alpha")
    if own_glibc() >= (2, 41):
        assert finding.severity == "error"
        assert "executable stack" in done.stderr
    else:
        assert finding.severity == "warning"
        assert done.returncode == 0 or "executable stack" in done.stderr


def test_library_two_levels_deep(env: Env, tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("int two(void) { return 2; }\n")
    (tmp_path / "y.c").write_text("int two(void); int one(void) { return two() - 1; }\n")
    gcc = ["gcc", "-shared", "-fPIC", f"-L{tmp_path}"]
    subprocess.run([*gcc, str(tmp_path / "x.c"), "-o", str(tmp_path / "libtwo.so.2"), *EXEC], check=True)
    subprocess.run(
        [*gcc, str(tmp_path / "y.c"), "-o", str(tmp_path / "libone.so.1"), "-l:libtwo.so.2", "-Wl,-rpath,$ORIGIN"], check=True
    )
    code = """#include <Python.h>
int one(void);
static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "_core", 0, -1, 0};
PyMODINIT_FUNC PyInit__core(void) { return one() == 1 ? PyModule_Create(&m) : NULL; }
"""
    flags = [f"-L{tmp_path}", "-l:libone.so.1", "-Wl,-rpath,$ORIGIN/../alpha.libs"]
    module = compile_extension(tmp_path, "_core", source=code, flags=flags).read_bytes()
    libraries = {f"alpha.libs/{name}": (tmp_path / name).read_bytes() for name in ("libone.so.1", "libtwo.so.2")}
    env.dist("alpha", "1.0", files={**package(module), **libraries})
    finding = only(glibc(snapshot_of(env.prefix), "2.41"), "LIB007")
    assert "libtwo.so.2 asks" in finding.message
    assert any(f"_core{SUFFIX} → libone.so.1 → libtwo.so.2" in line for line in finding.evidence)


def test_many_files_are_one_finding(env: Env, asking: bytes) -> None:
    env.dist("alpha", "1.0", files={"alpha/__init__.py": "", **{f"alpha/_m{i}{SUFFIX}": asking for i in range(7)}})
    env.dist("beta", "1.0", files=package(asking, "beta"))
    findings = glibc(snapshot_of(env.prefix), "2.41")
    assert [f.subjects[0].name for f in findings] == ["alpha", "beta"]
    assert "7 files ask" in findings[0].message


# --------------------------------------------------------------------------------------------------------- look-alikes


def test_look_alikes_are_silent(env: Env, asking: bytes, tmp_path: Path) -> None:
    plain = compile_extension(tmp_path, "_core").read_bytes()
    env.dist("alpha", "1.0", files={**package(plain), "alpha/plugins/libplugin.so": asking})
    assert glibc(snapshot_of(env.prefix), "2.41") == [], "nothing loads the plugin"
    env.dist("beta", "1.0", files=package(asking, "beta"))
    seen = snapshot_of(env.prefix)
    assert len(glibc(seen, "2.41")) == 1
    assert glibc(seen, "2.41", GLIBC_TUNABLES="glibc.malloc.check=1:glibc.rtld.execstack=2") == []
    assert len(glibc(seen, "2.41", GLIBC_TUNABLES="glibc.rtld.execstack=1")) == 1


def test_musl_does_not_look(env: Env, asking: bytes) -> None:
    env.dist("alpha", "1.0", files=package(asking))
    seen = snapshot_of(env.prefix)
    binary = seen.interpreter.binary
    assert binary is not None
    part = msgspec.structs.replace(binary.slices[0], libc="musl", interpreter="/lib/ld-musl-x86_64.so.1")
    interpreter = msgspec.structs.replace(seen.interpreter, binary=msgspec.structs.replace(binary, slices=(part,)))
    assert glibc(msgspec.structs.replace(seen, interpreter=interpreter), "musl 1.2.5") == []


def test_an_interpreter_that_has_one_already(env: Env, asking: bytes) -> None:
    env.dist("alpha", "1.0", files=package(asking))
    seen = snapshot_of(env.prefix)
    binary = seen.interpreter.binary
    assert binary is not None
    part = msgspec.structs.replace(binary.slices[0], executable_stack=True)
    interpreter = msgspec.structs.replace(seen.interpreter, binary=msgspec.structs.replace(binary, slices=(part,)))
    assert glibc(msgspec.structs.replace(seen, interpreter=interpreter), "2.41") == []


def test_nothing_is_said_where_the_c_library_is_not_known(env: Env, asking: bytes) -> None:
    env.dist("alpha", "1.0", files=package(asking))
    seen = snapshot_of(env.prefix)
    machine = msgspec.structs.replace(seen.machine, libc=None, libcs=())
    report = report_of(msgspec.structs.replace(seen, machine=machine), "LIB007")
    assert [(c.outcome, f) for c, f in zip(report.checks, [None], strict=False)] == [("skipped", None)]
