"""The folders of sys.path against what the interpreter itself says, in environments of many kinds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from envdoctor.collect import interpreter, paths
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import Site
from envdoctor.target import resolve
from tests.builders import Env, interpreters, venv

VERSIONS = interpreters()


def sites(
    prefix: Path | str, environ: Mapping[str, str] | None = None, *, home: Path | None = None, cwd: str = "/", probe: bool = True
) -> list[Site]:
    environ = dict(environ or {})
    chosen = resolve(str(prefix), environ=environ, cwd=cwd, home=str(home) if home else None)
    scene = Scene(
        target=chosen.target, prefix=chosen.prefix, environ=environ, cwd=cwd, home=str(home) if home else None, probe=probe
    )
    return paths.collect(scene, interpreter.collect(scene))


def active(found: list[Site]) -> list[str]:
    return [site.path for site in found if site.active]


def truth(python: Path | str, environ: Mapping[str, str] | None = None, *, home: Path | None = None, cwd: str = "/") -> list[str]:
    """sys.path as that interpreter builds it: the folders in it, without the standard library's."""
    question = [str(python), "-c", "import sys; print('\\n'.join(sys.path[1:]))"]
    shell = {"HOME": str(home or "/nonexistent"), **(environ or {})}
    done = subprocess.run(question, capture_output=True, text=True, check=True, cwd=cwd, env=shell, timeout=60)
    found = []
    for line in done.stdout.splitlines():
        if os.path.isdir(line) and not line.endswith("lib-dynload") and not os.path.exists(f"{line}/os.py"):
            found.append(line)
    return found


@pytest.mark.parametrize("version", sorted(VERSIONS))
@pytest.mark.parametrize("system_site", [False, True])
def test_a_venv_of_every_version(version: str, system_site: bool, tmp_path: Path) -> None:
    env = venv(tmp_path / "env", python=VERSIONS[version], system_site=system_site)
    assert active(sites(env.prefix)) == truth(env.python)
    assert active(sites(env.prefix, probe=False)) == truth(env.python)


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_an_installation_of_every_version(version: str, tmp_path: Path) -> None:
    assert active(sites(VERSIONS[version])) == truth(VERSIONS[version])


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no system Python")
def test_the_operating_systems_python(tmp_path: Path) -> None:
    found = sites("/usr/bin/python3")
    assert active(found) == truth("/usr/bin/python3")
    assert all(site.of_target for site in found if site.active)


@pytest.mark.skipif(not Path("/usr/lib/python3/dist-packages").exists(), reason="no Debian")
@pytest.mark.parametrize("system_site", [False, True])
def test_a_venv_of_debians_python(system_site: bool, tmp_path: Path) -> None:
    try:
        env = venv(tmp_path / "env", python="/usr/bin/python3", system_site=system_site)
    except subprocess.CalledProcessError:
        pytest.skip("python3-venv is not installed")
    found = sites(env.prefix)
    assert active(found) == truth(env.python)
    assert ("/usr/lib/python3/dist-packages" in active(found)) is system_site
    assert [site.of_target for site in found if site.active] == [True] + [False] * (len(active(found)) - 1)


@pytest.mark.parametrize("system_site", [False, True])
@pytest.mark.parametrize("disabled", [False, True])
def test_the_user_site(system_site: bool, disabled: bool, tmp_path: Path) -> None:
    env = venv(tmp_path / "env", system_site=system_site)
    user = tmp_path / "home" / ".local" / env.site.relative_to(env.prefix)
    user.mkdir(parents=True)
    extra = tmp_path / "extra"
    extra.mkdir()
    (user / "a.pth").write_text(f"{extra}\n")
    environ = {"PYTHONNOUSERSITE": "1"} if disabled else {}
    found = sites(env.prefix, environ, home=tmp_path / "home")
    assert active(found) == truth(env.python, environ, home=tmp_path / "home")
    enabled = system_site and not disabled
    assert [(s.active, s.of_target) for s in found if s.role == "user"] == [(enabled, False)]
    assert (str(extra) in active(found)) is enabled


def test_pythonuserbase(tmp_path: Path) -> None:
    env = venv(tmp_path / "env", system_site=True)
    (tmp_path / "base" / env.site.relative_to(env.prefix)).mkdir(parents=True)
    environ = {"PYTHONUSERBASE": str(tmp_path / "base")}
    assert active(sites(env.prefix, environ)) == truth(env.python, environ)


def test_pythonpath_comes_first_and_empty_entries_are_the_working_directory(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    for name in ("a", "b", "work"):
        (tmp_path / name).mkdir()
    environ = {"PYTHONPATH": f"{tmp_path}/a::{tmp_path}/nowhere:../b:{tmp_path}/a/../b:{env.site}"}
    cwd = str(tmp_path / "work")
    found = sites(env.prefix, environ, cwd=cwd)
    assert active(found) == truth(env.python, environ, cwd=cwd)
    assert [site.role for site in found][:3] == ["pythonpath"] * 3


def test_pth_files(env: Env, tmp_path: Path) -> None:
    for name in ("one", "two", "with blank", "bom", "three"):
        (tmp_path / name).mkdir()
    site = env.site
    (site / "b.pth").write_text(
        f"# a comment\n\n{tmp_path}/two  \nimport sys; sys.flags\nimport\tos\n{tmp_path}/nowhere\n{tmp_path}/one\n"
    )
    (site / "a.pth").write_text(f"../../../../one\r\n{tmp_path}/with blank\r\n")
    (site / "c.pth").write_bytes(b"\xef\xbb\xbf" + f"{tmp_path}/bom\n".encode())
    (site / "d.pth.bak").write_text(f"{tmp_path}/three\n")
    found = sites(env.prefix)
    mine = [p for p in active(found) if not p.endswith("bom")]
    assert mine == [p for p in truth(env.python) if not p.endswith("bom")]
    assert mine[1:] == [str(tmp_path / n) for n in ("one", "with blank", "two")]
    assert all(s.role == "pth" and not s.of_target for s in found if s.active and s.path != str(site))


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_hidden_pth_files(version: str, tmp_path: Path) -> None:
    env = venv(tmp_path / "env", python=VERSIONS[version])
    (tmp_path / "extra").mkdir()
    (env.site / ".hidden.pth").write_text(f"{tmp_path}/extra\n")
    assert active(sites(env.prefix)) == truth(env.python)


def test_folders_that_a_pth_file_names_twice_or_by_two_names_come_once(env: Env, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (env.site / "a.pth").write_text(f"{tmp_path}/real\n{tmp_path}/real/\n{tmp_path}/link\n{env.site}\n")
    assert active(sites(env.prefix)) == [str(env.site), str(tmp_path / "real")]


def test_lib64_is_the_same_folder(env: Env) -> None:
    lib64 = env.prefix / "lib64"
    if not lib64.exists():
        lib64.symlink_to("lib")
    assert active(sites(env.prefix)) == [str(env.site)]


def test_lib64_of_its_own(env: Env) -> None:
    lib64 = env.prefix / "lib64"
    if lib64.is_symlink():
        lib64.unlink()
    platlib = lib64 / env.site.relative_to(env.prefix / "lib")
    platlib.mkdir(parents=True)
    assert [(s.path, s.role) for s in sites(env.prefix)] == [(str(platlib), "platlib"), (str(env.site), "purelib")]


def test_packages_of_another_version_are_there_and_inactive(env: Env) -> None:
    old = env.prefix / "lib/python3.1/site-packages"
    (old / "a-1.dist-info").mkdir(parents=True)
    (found,) = [s for s in sites(env.prefix) if not s.active]
    assert (found.path, found.role, found.metadata_folders) == (str(old), "other", 1)


def test_a_symlinked_prefix_names_its_folders_by_the_link(env: Env, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(env.prefix)
    assert active(sites(tmp_path / "link")) == truth(tmp_path / "link/bin/python")


def test_a_dead_environment_has_its_folders(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    site = str(env.site)
    for name in list((env.prefix / "bin").glob("python*")):
        name.unlink()
    (env.prefix / "pyvenv.cfg").unlink()
    (env.site / "x.py").write_text("")
    assert active(sites(env.prefix)) == [site]


@pytest.mark.parametrize("shared", [False, True])
def test_an_environment_of_virtualenv_16(shared: bool, tmp_path: Path) -> None:
    """It has no pyvenv.cfg; a part of the standard library and orig-prefix.txt stand in it."""
    base, prefix, home = tmp_path / "base", tmp_path / "env", tmp_path / "home"
    for folder in (base, prefix):
        (folder / "lib/python3.8/site-packages").mkdir(parents=True)
        (folder / "lib/python3.8/os.py").write_text("")
        (folder / "bin").mkdir()
        (folder / "bin/python3.8").write_bytes(b"\x7fELF" + bytes(60))
    (base / "lib/python3.8/json.py").write_text("")
    (prefix / "bin/python").symlink_to("python3.8")
    (prefix / "lib/python3.8/orig-prefix.txt").write_text(str(base))
    user = home / ".local/lib/python3.8/site-packages"
    user.mkdir(parents=True)
    own, others = f"{prefix}/lib/python3.8/site-packages", [str(user), f"{base}/lib/python3.8/site-packages"]
    if not shared:
        (prefix / "lib/python3.8/no-global-site-packages.txt").write_text("")
    found = sites(prefix, home=home, probe=False)
    assert active(found) == [own, *(others if shared else [])]
    assert [site.of_target for site in found if site.active] == [True, *([False, False] if shared else [])]
    chosen = resolve(str(prefix), environ={}, cwd="/", home=None)
    assert chosen.target.kind == "virtualenv"
    facts = interpreter.collect(Scene(target=chosen.target, prefix=chosen.prefix, environ={}, cwd="/", home=None, probe=False))
    assert (facts.interpreter.base_prefix, facts.interpreter.base_exists) == (str(base), True)
    assert facts.stdlib == f"{base}/lib/python3.8"


def test_a_windows_environment(tmp_path: Path) -> None:
    for place in ("Scripts", "Lib/site-packages", "extra"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "Scripts/python.exe").write_bytes(b"MZ" + bytes(62))
    (tmp_path / "pyvenv.cfg").write_text("home = C:\\Python311\ninclude-system-site-packages = false\nversion = 3.11.7\n")
    assert active(sites(tmp_path)) == [f"{tmp_path}/Lib/site-packages"]
    site = tmp_path / "Lib/site-packages"
    (site / "win32/lib").mkdir(parents=True)
    (site / "pywin32.pth").write_text("win32\nwin32\\lib\nC:\\work\nimport pywin32_bootstrap\n")
    assert active(sites(tmp_path)) == [str(site), f"{site}/win32", f"{site}/win32/lib"]


def test_a_windows_embeddable_package(tmp_path: Path) -> None:
    (tmp_path / "python.exe").write_bytes(b"MZ" + bytes(62))
    (tmp_path / "python311.zip").write_bytes(b"PK\5\6" + bytes(18))
    (tmp_path / "python311._pth").write_text("python311.zip\n.\nlibs\n#import site\n")
    (tmp_path / "libs").mkdir()
    (tmp_path / "Lib/site-packages").mkdir(parents=True)
    assert active(sites(tmp_path)) == [f"{tmp_path}/libs"]
    (tmp_path / "python311._pth").write_text("python311.zip\n.\nimport site\n")
    assert active(sites(tmp_path)) == [f"{tmp_path}/Lib/site-packages"]


def test_pypy(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib/pypy3.10/site-packages").mkdir(parents=True)
    (tmp_path / "lib/pypy3.10/os.py").write_text("")
    (tmp_path / "bin/pypy3").write_bytes(b"\x7fELF" + bytes(60))
    assert active(sites(tmp_path, probe=False)) == [f"{tmp_path}/lib/pypy3.10/site-packages"]


def test_hostile_pth_files_end(env: Env, tmp_path: Path) -> None:
    os.mkfifo(env.site / "fifo.pth")
    (env.site / "loop.pth").symlink_to("loop.pth")
    (env.site / "folder.pth").mkdir()
    (env.site / "long.pth").write_text("x" * 100000 + "\n" + "\n".join(f"p{n}" for n in range(30000)))
    (env.site / "nul.pth").write_bytes(b"a\0b\n\xff\xfe\n")
    (tmp_path / "late").mkdir()
    (env.site / "a.pth").write_text(f"{tmp_path}/late\n")
    assert active(sites(env.prefix)) == [str(env.site), str(tmp_path / "late")]
