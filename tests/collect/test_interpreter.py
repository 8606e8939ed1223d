"""Facts of the interpreter: asked and from files alone they must say the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from envdoctor.collect import interpreter
from envdoctor.collect.interpreter import Facts
from envdoctor.collect.scene import Scene
from envdoctor.target import resolve
from tests.builders import Env, interpreters, venv

VERSIONS = interpreters()


def facts(path: Path | str, *, probe: bool = True, environ: dict[str, str] | None = None) -> Facts:
    chosen = resolve(str(path), environ=environ or {}, cwd="/", home=None)
    return interpreter.collect(Scene(target=chosen.target, prefix=chosen.prefix, environ=environ or {}, cwd="/", probe=probe))


def truth(python: Path | str) -> list[str]:
    code = (
        "import sys, sysconfig, struct;"
        "print(sys.version.split()[0].rstrip('+'), sysconfig.get_config_var('SOABI'), struct.calcsize('P') * 8, sys.base_prefix,"
        " sysconfig.get_path('stdlib'), sep='\\n')"
    )
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize("probe", [True, False])
@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_a_venv_of_every_version(version: str, probe: bool, tmp_path: Path) -> None:
    env = venv(tmp_path / "env", python=VERSIONS[version])
    found = facts(env.prefix, probe=probe)
    one = found.interpreter
    full, soabi, bits, base, stdlib = truth(env.python)
    assert (one.version, one.soabi, one.bits, one.base_prefix, one.stdlib) == (full, soabi, int(bits), base, stdlib)
    assert one.abi == "cp" + version.replace(".", "")
    assert one.run.outcome == ("ok" if probe else "not-asked")
    assert one.machine == os.uname().machine.lower()
    assert (one.exists, one.base_exists, one.stdlib_exists, one.launcher) == (True, True, True, False)
    assert one.real_path == os.path.realpath(env.python)
    assert found.venv is not None
    assert (found.venv.home_exists, found.venv.problem) == (True, None)
    assert one.externally_managed is None


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_modules_of_the_standard_library(version: str) -> None:
    asked, read = facts(VERSIONS[version]).interpreter, facts(VERSIONS[version], probe=False).interpreter
    assert {"json", "os", "sys", "math", "_json", "encodings"} <= set(asked.stdlib_modules)
    assert {"json", "os", "sys", "math", "_json", "encodings"} <= set(read.stdlib_modules)
    assert "pip" not in asked.stdlib_modules
    assert all(part.isidentifier() for part in asked.stdlib_modules)
    assert [(m.name, m.present) for m in asked.optional_modules] == [(m.name, m.present) for m in read.optional_modules]
    code = "import sys, importlib.util as u; print([n for n in sys.argv[1:] if u.find_spec(n) is None])"
    names = [n for n in asked.stdlib_modules if not n.startswith("__")]
    done = subprocess.run([VERSIONS[version], "-I", "-c", code, *names], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no system Python")
def test_the_operating_systems_python() -> None:
    asked, read = facts("/usr/bin/python3").interpreter, facts("/usr/bin/python3", probe=False).interpreter
    assert asked.base_prefix == "/usr"
    assert (asked.version, asked.abi, asked.soabi) == (read.version, read.abi, read.soabi)
    assert asked.externally_managed == read.externally_managed
    if asked.externally_managed is not None:
        assert Path(asked.externally_managed).is_file()
    assert asked.origin


def test_links_one_by_one(env: Env, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(os.path.realpath(sys.executable))
    (env.prefix / "bin/python").unlink()
    (env.prefix / "bin/python").symlink_to("../../one")
    links = facts(env.prefix).interpreter.links
    assert [(link.path, link.to) for link in links][:2] == [
        (f"{env.prefix}/bin/python", "../../one"),
        (f"{tmp_path}/one", os.path.realpath(sys.executable)),
    ]
    assert links[-1].to is None
    assert links[-1].exists


def test_a_loop_of_links(env: Env) -> None:
    (env.prefix / "bin/python").unlink()
    (env.prefix / "bin/python").symlink_to("python")
    one = facts(env.prefix).interpreter
    assert (one.exists, one.real_path, one.run.outcome) == (False, None, "missing")
    assert one.version


def test_a_dead_environment_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to("/gone/python3.9")
    (tmp_path / "lib/python3.9/site-packages/x").mkdir(parents=True)
    (tmp_path / "pyvenv.cfg").write_text("home = /gone\nversion_info = 3.9.18.final.0\n")
    one = facts(tmp_path).interpreter
    assert (one.version, one.version_from, one.abi, one.base_exists, one.run.outcome) == (
        "3.9.18", "pyvenv.cfg", "cp39", False, "missing",
    )  # fmt: skip
    (tmp_path / "pyvenv.cfg").unlink()
    one = facts(tmp_path).interpreter
    assert (one.version, one.version_from) == ("3.9", "lib/python3.9")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("home = /x/bin\nversion = 3.11.7\n", ("/x/bin", "3.11.7", True, None, None)),
        ("HOME=/x/bin\nVersion_Info = 3.12.1\nuv = 0.9\nrelocatable = true\n", ("/x/bin", "3.12.1", True, "0.9", None)),
        ("home = /x\ninclude-system-site-packages = false\n", ("/x", None, False, None, None)),
        ("home = /x\ninclude-system-site-packages = False\nhome = /y\n", ("/y", None, False, None, None)),
        ("", (None, None, True, None, "it is empty")),
        ("\0\0 = \xff\nno equals sign\n", (None, None, True, None, "it has no home")),
    ],
)
def test_pyvenv_cfg(content: str, expected: tuple[object, ...], tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text(content, encoding="latin-1")
    config = facts(tmp_path).venv
    assert config is not None
    assert (config.home, config.version, config.include_system_site, config.uv, config.problem) == expected


@pytest.mark.parametrize(
    ("command", "prefix"),
    [
        ("/usr/bin/python3 -m venv /a/b", "/a/b"),
        ("/usr/bin/python3 -m venv --without-pip --copies /a/with blank/b", "/a/with blank/b"),
        ('/usr/bin/python3 -m venv --prompt="my env" --clear /a/b', "/a/b"),
        ("C:\\Python\\python.exe -m venv C:\\work\\env", "C:\\work\\env"),
        ("something else", None),
        ("/usr/bin/python3 -m venv relative", None),
        ("/usr/bin/python3 -m venv --upgrade", None),
    ],
)
def test_the_folder_in_the_command_of_pyvenv_cfg(command: str, prefix: str | None, tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text(f"home = /x\ncommand = {command}\n")
    config = facts(tmp_path).venv
    assert config is not None
    assert config.command_prefix == prefix


def test_a_real_command_names_its_prefix(tmp_path: Path) -> None:
    env = venv(tmp_path / "with blank" / "env")
    config = facts(env.prefix).venv
    assert config is not None
    if config.command is not None:
        assert config.command_prefix == str(env.prefix)


def test_a_script_in_the_place_of_the_interpreter_is_read_not_run(env: Env, tmp_path: Path) -> None:
    python = env.prefix / "bin/python"
    real = os.path.realpath(sys.executable)
    python.unlink()
    python.write_text(f'#!/bin/sh\nexec "{real}" "$@"\n')
    python.chmod(0o755)
    one = facts(env.prefix).interpreter
    assert (one.launcher, one.run.outcome, one.real_path) == (True, "not-asked", real)
    assert one.version
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexec {real} $@\n")
    one = facts(env.prefix).interpreter
    assert (one.launcher, one.run.outcome) == (True, "not-asked")
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_the_question_is_asked_with_a_clean_shell(env: Env, tmp_path: Path) -> None:
    """A program in the interpreter's place writes down what it is started with."""
    source = tmp_path / "x.c"
    source.write_text(
        "#include <stdio.h>\n#include <unistd.h>\nextern char **environ;\n"
        f'int main(int n, char **a) {{ FILE *f = fopen("{tmp_path}/seen", "w"); char d[4096];\n'
        'fprintf(f, "%s\\n", getcwd(d, 4096));\n'
        'for (int i = 1; i < n - 1; i++) fprintf(f, "%s ", a[i]); fprintf(f, "\\n");\n'
        'for (char **e = environ; *e; e++) fprintf(f, "%s\\n", *e); fprintf(f, "stdin %d\\n", (int)read(0, d, 1)); fclose(f); }\n'
    )
    (env.prefix / "bin/python").unlink()
    subprocess.run(["gcc", str(source), "-o", str(env.prefix / "bin/python")], check=True)
    shell = {
        "PATH": "/bin", "PYTHONPATH": "/x", "PYTHONHOME": "/x", "LD_PRELOAD": "", "PYTHONINSPECT": "1", "LD_LIBRARY_PATH": "/y",
        "__PYVENV_LAUNCHER__": "/x", "TOKEN": "secret",
    }  # fmt: skip
    assert facts(env.prefix, environ=shell).interpreter.run.outcome == "crashed"
    seen = (tmp_path / "seen").read_text().splitlines()
    assert seen[:2] == ["/", "-I -S -B -c "]
    assert seen[2:] == ["LD_LIBRARY_PATH=/y", "stdin 0"]


def test_asking_writes_nothing(env: Env) -> None:
    def state() -> dict[str, int]:
        return {str(path): path.lstat().st_mtime_ns for path in env.prefix.rglob("*")}

    before = state()
    facts(env.prefix)
    assert state() == before


def windows(prefix: Path) -> Path:
    (prefix / "Lib").mkdir(parents=True)
    (prefix / "Lib/os.py").write_text("")
    (prefix / "Lib/bz2.py").write_text("")
    (prefix / "Lib/ssl.py").write_text("")
    (prefix / "Lib/gzip.py").write_text("")  # its zlib is linked in
    (prefix / "DLLs").mkdir()
    (prefix / "DLLs/_ssl.pyd").write_bytes(b"MZ" + bytes(62))
    for name in ("python.exe", "python311.dll"):
        (prefix / name).write_bytes(b"MZ" + bytes(62))
    return prefix


def test_a_windows_installation_and_its_venv(tmp_path: Path) -> None:
    base = windows(tmp_path / "Python311")
    one = facts(base).interpreter
    assert (one.path, one.version, one.stdlib) == (f"{base}/python.exe", "3.11", f"{base}/Lib")
    assert [(m.name, m.present) for m in one.optional_modules] == [("_bz2", False), ("_ssl", True)]
    assert one.run.outcome == "not-asked"
    env = tmp_path / "env"
    (env / "Scripts").mkdir(parents=True)
    (env / "Lib/site-packages").mkdir(parents=True)
    (env / "Scripts/python.exe").write_bytes(b"MZ" + bytes(62))
    (env / "pyvenv.cfg").write_text("home = C:\\Python311\nversion = 3.11.7\n")
    found = facts(env)
    assert (found.interpreter.path, found.interpreter.version) == (f"{env}/Scripts/python.exe", "3.11.7")
    assert found.interpreter.base_exists  # which cannot be told from here


def test_pypy_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pypy3").write_bytes(b"\x7fELF" + bytes(60))
    (tmp_path / "lib/pypy3.10").mkdir(parents=True)
    (tmp_path / "lib/pypy3.10/os.py").write_text("")
    (tmp_path / "lib/pypy3.10/_ssl.pypy310-pp73-x86_64-linux-gnu.so").write_bytes(b"")
    (tmp_path / "include/pypy3.10").mkdir(parents=True)
    (tmp_path / "include/pypy3.10/patchlevel.h").write_text('#define PY_VERSION "3.10.14"\n#define PYPY_VERSION "7.3.17"\n')
    one = facts(tmp_path, probe=False).interpreter
    assert (one.implementation, one.version, one.abi) == ("pypy", "3.10.14", "pypy310_pp73")
    assert one.optional_modules == ()


def test_a_free_threaded_build_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3.13t").write_bytes(b"\x7fELF" + bytes(60))
    (tmp_path / "bin/python3").symlink_to("python3.13t")
    lib = tmp_path / "lib/python3.13t"
    (lib / "lib-dynload").mkdir(parents=True)
    (lib / "os.py").write_text("")
    (lib / "lib-dynload/_json.cpython-313t-x86_64-linux-gnu.so").write_bytes(b"")
    one = facts(tmp_path, probe=False).interpreter
    assert (one.version, one.abi, one.free_threaded) == ("3.13", "cp313t", True)


def test_the_base_of_a_mounted_root_is_found_inside_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("etc", "usr/bin", "usr/lib/python3.11", "opt/venv/bin"):
        (root / folder).mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=debian\n")
    (root / "usr/bin/python3.11").write_bytes(b"\x7fELF" + bytes(60))
    (root / "usr/lib/python3.11/os.py").write_text("")
    (root / "opt/venv/bin/python").symlink_to("/usr/bin/python3.11")
    (root / "opt/venv/pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.2\n")
    found = facts(root / "opt/venv")
    one = found.interpreter
    assert (one.exists, one.base_exists, one.base_prefix) == (True, True, f"{root}/usr")
    assert found.venv is not None
    assert found.venv.home_exists
    assert one.run.outcome == "not-asked"
    assert one.origin == "debian"
