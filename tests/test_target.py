"""Which environment is meant: every way of naming it, every way of not naming it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from envdoctor.target import Chosen, TargetError, python_of, resolve
from tests.builders import Env, venv


def look(argument: object = None, **options: object) -> Chosen:
    shell: dict[str, object] = {"environ": {"PATH": "/nonexistent"}, "cwd": "/", "home": None}
    return resolve(None if argument is None else str(argument), **{**shell, **options})  # type: ignore[arg-type]


def refused(argument: object = None, **options: object) -> TargetError:
    with pytest.raises(TargetError) as caught:
        look(argument, **options)
    assert "\n" not in caught.value.message
    return caught.value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Env:
    return venv(tmp_path_factory.mktemp("target") / "env")


def conda_like(prefix: Path, *, python: bool = True) -> Path:
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta" / "history").write_text("")
    if python:
        (prefix / "bin").mkdir()
        (prefix / "bin" / "python").symlink_to(sys.executable)
        (prefix / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages").mkdir(parents=True)
    return prefix


# ---------------------------------------------------------------------------------------------------------- named by path
def test_every_way_of_naming_one_gives_the_same_prefix(made: Env) -> None:
    prefix = str(made.prefix)
    ways = [
        look(prefix),
        look(prefix + "/"),
        look(f"{prefix}/bin/../"),
        look(made.python),
        look(f"{prefix}/bin/python3"),
        look(prefix=prefix),
        look(python=str(made.python)),
        look("env", cwd=str(made.prefix.parent)),
        look("./env/bin/python", cwd=str(made.prefix.parent)),
        look(".", cwd=prefix),
    ]
    assert {chosen.prefix for chosen in ways} == {prefix}
    assert {chosen.target.python for chosen in ways} == {None}
    assert {chosen.target.kind for chosen in ways} == {"venv"}


def test_a_symlinked_prefix_stays_as_it_was_named(made: Env, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(made.prefix)
    assert look(tmp_path / "link").prefix == str(tmp_path / "link")
    assert look(tmp_path / "link/bin/python").prefix == str(tmp_path / "link")


def test_a_link_to_an_interpreter_elsewhere_leads_to_its_installation(made: Env, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(os.path.realpath(sys.executable))
    assert look(tmp_path / "bin/python3").prefix == look(os.path.realpath(sys.executable)).prefix
    assert look(tmp_path / "bin/python3").target.kind == "system"


def test_kinds_by_pyvenv_cfg(made: Env, tmp_path: Path) -> None:
    for key, kind in (("uv = 0.9.1", "uv"), ("virtualenv = 20.30", "virtualenv"), ("x = y", "venv")):
        prefix = tmp_path / kind
        prefix.mkdir()
        (prefix / "pyvenv.cfg").write_text(f"home = /usr/bin\n{key}\n")
        assert look(prefix).target.kind == kind


def test_a_dead_environment_is_a_target(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    for name in ("python", "python3"):
        (env.prefix / "bin" / name).unlink()
        (env.prefix / "bin" / name).symlink_to("/gone/python")
    assert look(env.prefix).target.kind == "venv"
    assert look(env.prefix / "bin/python").prefix == str(env.prefix)
    (env.prefix / "pyvenv.cfg").unlink()
    assert look(env.prefix).target.kind == "unknown"
    subprocess.run(["rm", "-rf", str(env.prefix / "bin")], check=True)
    assert look(env.prefix).prefix == str(env.prefix)


def test_the_version_of_its_packages(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    assert look(env.prefix).target.site_version is None
    env.dist("alpha")
    assert look(env.prefix).target.site_version == f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.parametrize("name", ["/etc", "/nonexistent/env", "/usr/bin/env", "/dev/null", "", "a\0b", "no-such-environment"])
def test_what_is_no_environment_is_refused_with_a_hint(name: str) -> None:
    assert refused(name).message


def test_an_empty_folder_and_a_folder_above_an_environment(made: Env, tmp_path: Path) -> None:
    assert "no Python environment" in refused(tmp_path).message
    (tmp_path / ".venv").symlink_to(made.prefix)
    assert str(tmp_path / ".venv") in str(refused(tmp_path).hint)
    assert str(made.prefix) in str(refused(made.prefix / "bin").hint)
    assert str(made.prefix) in str(refused(made.site).hint)


def test_a_broken_link_and_a_fifo(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("/nowhere/at/all")
    assert "broken link" in refused(tmp_path / "gone").message
    os.mkfifo(tmp_path / "python")
    refused(tmp_path / "python")
    (tmp_path / "loop").symlink_to("loop")
    refused(tmp_path / "loop")


def test_two_targets_are_one_too_many(made: Env) -> None:
    assert "several" in refused(made.prefix, prefix=str(made.prefix)).message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    env.prefix.chmod(0)
    try:
        assert "permission denied" in refused(env.prefix).message
    finally:
        env.prefix.chmod(0o755)


def test_an_installation_with_several_interpreters_keeps_the_one_that_was_named(tmp_path: Path) -> None:
    prefix = conda_like(tmp_path / "x")
    other = prefix / "bin" / "python3.99"
    other.write_bytes(b"\x7fELF" + bytes(60))
    assert look(other).target.python == str(other)
    assert look(prefix).target.python is None


def test_a_debug_build_beside_the_release(tmp_path: Path) -> None:
    """Debian's python3-dbg: links with their own names."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib/python3.11").mkdir(parents=True)
    (tmp_path / "lib/python3.11/os.py").write_text("")
    for name in ("python3.11", "python3.11-dbg"):
        (tmp_path / "bin" / name).write_bytes(b"\x7fELF" + bytes(60))
    (tmp_path / "bin/python3-dbg").symlink_to("python3.11-dbg")
    assert look(tmp_path / "bin/python3-dbg").prefix == str(tmp_path)
    assert look(tmp_path / "bin/python3.11-dbg").target.python == str(tmp_path / "bin/python3.11-dbg")
    assert python_of(str(tmp_path), "linux") == str(tmp_path / "bin/python3.11")


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/n\xff"
    os.mkdir(folder)
    Path(os.fsdecode(folder), "pyvenv.cfg").write_text("home = /usr/bin\n")
    chosen = look(os.fsdecode(folder))
    assert chosen.prefix == os.fsdecode(folder)
    assert chosen.target.prefix.endswith("n\\xff")


# ------------------------------------------------------------------------------------------------------- other systems
def test_a_windows_environment(tmp_path: Path) -> None:
    for place in ("Scripts", "Lib/site-packages"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "Scripts/python.exe").write_bytes(b"MZ" + bytes(62))
    (tmp_path / "pyvenv.cfg").write_text("home = C:\\Python311\nversion = 3.11.7\n")
    target = look(tmp_path).target
    assert (target.system, target.kind) == ("windows", "venv")
    assert target.foreign is (sys.platform != "win32")
    assert look(tmp_path / "Scripts/python.exe").prefix == str(tmp_path)


@pytest.mark.skipif(sys.platform == "darwin", reason="not foreign there")
def test_a_macos_environment_by_its_links_and_by_its_binary(tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    (linked / "bin").mkdir(parents=True)
    (linked / "pyvenv.cfg").write_text("home = /opt/homebrew/opt/python@3.12/bin\n")
    (linked / "bin/python").symlink_to("/opt/homebrew/opt/python@3.12/bin/python3.12")
    binary = tmp_path / "binary"
    (binary / "bin").mkdir(parents=True)
    (binary / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (binary / "bin/python").write_bytes(bytes.fromhex("cffaedfe0c000001") + bytes(64))
    intel = tmp_path / "intel"
    (intel / "bin").mkdir(parents=True)
    (intel / "pyvenv.cfg").write_text("home = /usr/local/opt/python@3.12/bin\nversion = 3.12.7\n")
    (intel / "bin/python").symlink_to("/usr/local/opt/python@3.12/bin/python3.12")
    command = "command = /usr/local/bin/python3 -m venv /Users/me/project/.venv\n"
    told = tmp_path / "told"
    told.mkdir()
    (told / "pyvenv.cfg").write_text(f"home = /usr/local/bin\nversion = 3.12.7\n{command}")
    for prefix in (linked, binary, intel, told):
        assert (look(prefix).target.system, look(prefix).target.foreign) == ("macos", True)


def test_a_mounted_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text("ID=debian\n")
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/python3").symlink_to("python3.11")
    (root / "usr/bin/python3.11").write_bytes(b"\x7fELF" + bytes(60))
    (root / "usr/lib/python3.11").mkdir(parents=True)
    (root / "usr/lib/python3.11/os.py").write_text("")
    for name in (root, root / "usr", root / "usr/bin/python3"):
        chosen = look(name)
        assert chosen.prefix == str(root / "usr")
        assert (chosen.target.sysroot, chosen.target.foreign) == (str(root), True)
    inner = root / "opt/venv"
    inner.mkdir(parents=True)
    (inner / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert look(inner).target.sysroot == str(root)


# ---------------------------------------------------------------------------------------------------------------- conda
def test_a_conda_environment_by_name_from_every_place(tmp_path: Path) -> None:
    root = tmp_path / "miniforge3"
    (root / "condabin").mkdir(parents=True)
    conda_like(root)
    one = conda_like(root / "envs" / "one")
    by_variable = conda_like(tmp_path / "more" / "two")
    registered = conda_like(tmp_path / "far" / "three")
    (tmp_path / ".conda").mkdir()
    (tmp_path / ".conda/environments.txt").write_text(f"{registered}\n/gone/three\n\nrelative\n")
    (tmp_path / ".condarc").write_text(f"channels:\n  - x\nenvs_dirs:\n  - {tmp_path}/rc  # here\nauto: yes\n")
    by_rc = conda_like(tmp_path / "rc" / "four")
    home = str(tmp_path)
    assert look(name="one", home=home).prefix == str(one)
    assert look("one", home=home).target.name == "one"
    assert look(name="two", home=home, environ={"CONDA_ENVS_PATH": str(tmp_path / "more")}).prefix == str(by_variable)
    assert look(name="three", home=home).prefix == str(registered)
    assert look(name="four", home=home).prefix == str(by_rc)
    assert look(name="base", home=home).prefix == str(root)
    assert look(name="base", home=home).target.base is True
    assert look(name="one", home=home).target.base is False
    elsewhere = {"CONDA_EXE": str(root / "bin/conda")}
    assert look(name="one", environ=elsewhere).prefix == str(one)
    assert look(name="one", environ={"MAMBA_ROOT_PREFIX": str(root)}).prefix == str(one)
    assert look(name="one", environ={"CONDA_PREFIX": str(one)}).prefix == str(one)
    missing = refused(name="five", home=home)
    assert "five" in missing.message
    assert "one" in str(missing.hint)
    assert "path" in refused(name="a/b").message


def test_a_folder_in_the_working_directory_that_is_no_environment_does_not_hide_a_name(tmp_path: Path) -> None:
    one = conda_like(tmp_path / "miniforge3" / "envs" / "one")
    (tmp_path / "one").mkdir()
    assert look("one", cwd=str(tmp_path), home=str(tmp_path)).prefix == str(one)


def test_pixi(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    prefix = conda_like(tmp_path / ".pixi" / "envs" / "cuda")
    (tmp_path / "src").mkdir()
    chosen = look(name="cuda", cwd=str(tmp_path / "src"))
    assert chosen.prefix == str(prefix)
    assert (chosen.target.kind, chosen.target.name) == ("pixi", "cuda")


# -------------------------------------------------------------------------------------------------------- not named at all
def test_order_of_the_default(made: Env, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / ".git").mkdir()
    (project / ".venv").symlink_to(made.prefix)
    conda = conda_like(tmp_path / "conda")
    first = venv(tmp_path / "first")
    cwd = str(project / "src")
    environ = {"PATH": str(first.prefix / "bin"), "VIRTUAL_ENV": str(made.prefix), "CONDA_PREFIX": str(conda)}
    assert look(environ=environ, cwd=cwd).target.chosen_by == "VIRTUAL_ENV"
    del environ["VIRTUAL_ENV"]
    assert look(environ=environ, cwd=cwd).target.chosen_by == "CONDA_PREFIX"
    del environ["CONDA_PREFIX"]
    chosen = look(environ=environ, cwd=cwd)
    assert (chosen.prefix, chosen.target.chosen_by) == (str(project / ".venv"), ".venv in the project")
    chosen = look(environ=environ, cwd="/", project=str(project))
    assert chosen.prefix == str(project / ".venv")
    chosen = look(environ=environ, cwd=str(tmp_path))
    assert (chosen.prefix, chosen.target.chosen_by) == (str(first.prefix), "python on PATH")
    assert "no environment is active" in refused(cwd=str(tmp_path)).message


def test_the_search_for_a_project_ends_at_its_repository(made: Env, tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(made.prefix)
    inner = tmp_path / "repository" / "src"
    inner.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    refused(cwd=str(inner))


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_a_variable_that_names_nothing_is_said_and_nothing_else_is_checked(variable: str, made: Env, tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(made.prefix)
    error = refused(environ={variable: "/nowhere/env", "PATH": str(made.prefix / "bin")}, cwd=str(tmp_path))
    assert error.message.startswith(f"{variable} names no environment")
    assert "deactivate" in str(error.hint)


@pytest.mark.parametrize(("content", "followed"), [("{env}\n", True), ("../made\n", True), ("some-name", False), ("", False)])
def test_a_dot_venv_file(content: str, followed: bool, tmp_path: Path) -> None:
    """Hatch writes the path of its environment there."""
    env = venv(tmp_path / "made")
    other = venv(tmp_path / "other")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text("")
    (project / ".venv").write_text(content.format(env=env.prefix))
    environ = {"PATH": str(other.prefix / "bin")}
    chosen = resolve(None, environ=environ, cwd=str(project), home=None)
    assert chosen.prefix == str(env.prefix if followed else other.prefix)


def test_an_empty_dot_venv_is_said(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    assert ".venv" in refused(cwd=str(tmp_path)).message


def test_python3_where_there_is_no_python(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    (env.prefix / "bin/python").unlink()
    chosen = look(environ={"PATH": f"/nonexistent:{env.prefix}/bin"})
    assert (chosen.prefix, chosen.target.chosen_by) == (str(env.prefix), "python3 on PATH")


# ---------------------------------------------------------------------------------------------------------------- shims
def pyenv(root: Path, *versions: str) -> Path:
    """A pyenv root with the shims that pyenv writes, and installations that look like its own."""
    shims = root / "shims"
    shims.mkdir(parents=True)
    for name in ("python", "python3"):
        shim = shims / name
        shim.write_text(
            f'#!/usr/bin/env bash\nset -e\nprogram="${{0##*/}}"\nexport PYENV_ROOT="{root}"\n'
            f'exec "{root}/libexec/pyenv" exec "$program" "$@"\n'
        )
        shim.chmod(0o755)
    for version in versions:
        prefix = root / "versions" / version
        lib = prefix / "lib" / f"python{'.'.join(version.split('.')[:2])}"
        lib.mkdir(parents=True)
        (lib / "os.py").write_text("")
        (prefix / "bin").mkdir()
        (prefix / "bin/python").symlink_to(os.path.realpath(sys.executable))
        (prefix / "bin/python3").symlink_to("python")
    return shims


def test_pyenv_shims_are_followed_without_running_them(tmp_path: Path) -> None:
    root = tmp_path / "pyenv"
    shims = pyenv(root, "3.11.7", "3.12.1", "3.12.10")
    path = {"PATH": str(shims)}
    (root / "version").write_text("3.11.7\n")
    assert look(environ=path).prefix == str(root / "versions/3.11.7")
    assert look(shims / "python3").prefix == str(root / "versions/3.11.7")
    assert look(environ={**path, "PYENV_VERSION": "3.12.1"}).prefix == str(root / "versions/3.12.1")
    work = tmp_path / "work" / "deep"
    work.mkdir(parents=True)
    (tmp_path / "work/.python-version").write_text("# ours\n3.12\n")
    assert look(environ=path, cwd=str(work)).prefix == str(root / "versions/3.12.10")
    missing = refused(environ={**path, "PYENV_VERSION": "3.9.1"})
    assert "3.9.1" in missing.message
    assert "pyenv install" in str(missing.hint)


def test_pyenv_system_means_the_next_python_on_path(made: Env, tmp_path: Path) -> None:
    shims = pyenv(tmp_path / "pyenv", "3.11.7")
    environ = {"PATH": f"{shims}:{made.prefix}/bin", "PYENV_VERSION": "system"}
    assert look(environ=environ).prefix == str(made.prefix)


def test_asdf_shims(tmp_path: Path) -> None:
    shims = tmp_path / "asdf" / "shims"
    shims.mkdir(parents=True)
    (shims / "python").write_text('#!/usr/bin/env bash\n# asdf-plugin: python 3.11.7\nexec asdf exec "python" "$@"\n')
    (shims / "python").chmod(0o755)
    prefix = tmp_path / "asdf/installs/python/3.11.7"
    (prefix / "lib/python3.11").mkdir(parents=True)
    (prefix / "lib/python3.11/os.py").write_text("")
    (prefix / "bin").mkdir()
    (prefix / "bin/python").symlink_to(os.path.realpath(sys.executable))
    (tmp_path / ".tool-versions").write_text("nodejs 20\npython 3.11.7\n")
    assert look(environ={"PATH": str(shims)}, cwd=str(tmp_path)).prefix == str(prefix)


def test_a_script_that_could_do_anything_is_refused(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\ntouch /tmp/ran\nexec python3 $@\n")
    (tmp_path / "python").chmod(0o755)
    assert "script" in refused(tmp_path / "python").message
    assert "script" in refused(environ={"PATH": str(tmp_path)}).message


def test_a_plain_exec_wrapper_is_followed(made: Env, tmp_path: Path) -> None:
    (tmp_path / "python").write_text(f'#!/bin/sh\n# wrapper\nexport A=b\nexec "{made.python}" "$@"\n')
    (tmp_path / "python").chmod(0o755)
    assert look(tmp_path / "python").prefix == str(made.prefix)
