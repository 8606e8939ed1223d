"""PTH001 to PTH004: what the shell does to an environment. Faults are proved by running the environment's own Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import Env, compile_extension, interpreters, venv
from tests.support import diagnose, errors, only

SHORT = f"{sys.version_info.major}.{sys.version_info.minor}"


def command(folder: Path, name: str, head: str) -> Path:
    """An executable script."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"{head}\nprint('x')\n")
    path.chmod(0o755)
    return path


# --------------------------------------------------------------------------------------------------------------- PTH001
def test_pip_of_another_interpreter(env: Env, tmp_path: Path) -> None:
    other = venv(tmp_path / "other")
    command(other.prefix / "bin", "pip", f"#!{other.python}")
    path = f"{env.prefix}/bin:{other.prefix}/bin"
    assert shutil.which("pip", path=path) == str(other.prefix / "bin" / "pip")
    finding = only(diagnose(env.prefix, "PTH001", environ={"PATH": path}), "PTH001")
    assert finding.severity == "warning"
    assert str(other.python) in finding.message
    assert ("variable", "PATH") in {(s.kind, s.name) for s in finding.subjects}
    assert finding.fixes[0].commands[0][1:3] == ("-m", "ensurepip")
    env.dist("pip", "24.0", files={"pip/__init__.py": "", "pip/__main__.py": ""})
    (finding,) = diagnose(env.prefix, "PTH001", environ={"PATH": path})
    assert finding.fixes[0].commands[0][1:3] == ("-m", "pip")


def test_commands_of_one_interpreter_are_one_finding(env: Env, tmp_path: Path) -> None:
    other = venv(tmp_path / "other")
    for name in ("pip", "pytest", "jupyter", "torchrun", "pip3"):
        command(other.prefix / "bin", name, f"#!{other.python}")
    found = diagnose(env.prefix, "PTH001", environ={"PATH": f"{env.prefix}/bin:{other.prefix}/bin"})
    assert {s.name.rpartition("/")[2] for f in found for s in f.subjects if s.kind == "file"} == {
        "pip", "pytest", "jupyter", "torchrun", "pip3",
    }  # fmt: skip
    assert len(found) == 1


def test_pip_of_a_gone_interpreter(env: Env, tmp_path: Path) -> None:
    command(tmp_path / "bin", "pip", "#!/gone/bin/python3")
    finding = only(diagnose(env.prefix, "PTH001", environ={"PATH": f"{env.prefix}/bin:{tmp_path}/bin"}), "PTH001")
    assert "gone" in finding.message


@pytest.mark.parametrize(
    "head",
    [
        "#!{python}",
        "#!{python}3",
        "#!{link}/bin/python",
        "#!/usr/bin/env python",
        "#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''",
        "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''",
        "#!/bin/bash\nexec something-else",
    ],
)
def test_pip_of_the_same_interpreter(env: Env, tmp_path: Path, head: str) -> None:
    (tmp_path / "link").symlink_to(env.prefix)
    command(env.prefix / "bin", "pip", head.format(python=env.python, link=tmp_path / "link"))
    assert diagnose(env.prefix, "PTH001", environ={"PATH": f"{env.prefix}/bin"}) == []


def test_base_interpreter_by_two_names(env: Env, tmp_path: Path) -> None:
    base = os.path.realpath(env.python)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(base)
    command(tmp_path / "bin", "pip", f"#!{base}")
    assert diagnose(env.prefix, "PTH001", environ={"PATH": f"{tmp_path}/bin"}) == []


def test_shims_are_consistent(env: Env, tmp_path: Path) -> None:
    text = '#!/usr/bin/env bash\nset -e\nprogram="${0##*/}"\nexport PYENV_ROOT="/x"\nexec "/x/libexec/pyenv" exec "$program" "$@"'
    for name in ("python", "pip"):
        command(tmp_path / "pyenv" / "shims", name, text)
    assert diagnose(env.prefix, "PTH001", environ={"PATH": f"{tmp_path}/pyenv/shims"}) == []
    finding = only(diagnose(env.prefix, "PTH001", environ={"PATH": f"{env.prefix}/bin:{tmp_path}/pyenv/shims"}), "PTH001")
    assert finding.confidence == "likely"


def test_missing_pip_and_missing_python_are_fine(env: Env, tmp_path: Path) -> None:
    assert diagnose(env.prefix, "PTH001", environ={"PATH": f"{env.prefix}/bin"}) == []
    command(tmp_path / "bin", "pip", f"#!{env.python}")
    assert diagnose(env.prefix, "PTH001", environ={"PATH": f"{tmp_path}/bin"}) == []


def test_pipx_tools_beside_a_system_python(env: Env, tmp_path: Path) -> None:
    tool = venv(tmp_path / "pipx" / "venvs" / "ipython")
    real = command(tool.prefix / "bin", "ipython", f"#!{tool.python}")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ipython").symlink_to(real)
    (tmp_path / "bin" / "python").symlink_to(os.path.realpath(env.python))
    assert diagnose(env.prefix, "PTH001", environ={"PATH": f"{tmp_path}/bin"}) == []
    assert len(diagnose(env.prefix, "PTH001", environ={"PATH": f"{env.prefix}/bin:{tmp_path}/bin"})) == 1


# --------------------------------------------------------------------------------------------------------------- PTH002
def user_site(home: Path) -> Path:
    folder = home / ".local" / "lib" / f"python{SHORT}" / "site-packages"
    folder.mkdir(parents=True)
    return folder


def conda_like(tmp_path: Path) -> Env:
    """A prefix with an interpreter of its own and conda-meta, as conda lays it out: no pyvenv.cfg."""
    prefix = tmp_path / "conda"
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta" / "history").write_text("")
    (prefix / "bin").mkdir()
    base = Path(os.path.realpath(sys.executable))
    (prefix / "bin" / "python").symlink_to(base)
    library = prefix / "lib" / f"python{SHORT}"
    (library / "site-packages").mkdir(parents=True)
    shutil.copy(Path(os.__file__), library / "os.py")
    return Env(prefix)


def test_user_site_hides_a_package_of_system_site_venv(tmp_path: Path) -> None:
    env = venv(tmp_path / "env", system_site=True)
    user = user_site(tmp_path / "home")
    env.dist("alpha", "1.0", site=user)
    found = diagnose(env.prefix, "PTH002", environ={"PATH": "", "HOME": str(tmp_path / "home")})
    finding = only(found, "PTH002")
    assert finding.severity == "warning"
    assert finding.subjects[0].name == "alpha"
    done = env.run("-c", "import alpha; print(alpha.__file__)", env={"HOME": str(tmp_path / "home")})
    assert str(user) in done.stdout


def test_user_site_violates_a_requirement_in_conda(tmp_path: Path) -> None:
    env = conda_like(tmp_path)
    user = user_site(tmp_path / "home")
    env.dist("numpy", "1.26.4", installer="conda")
    env.dist("numba", "0.59.1", requires=["numpy<1.27"], installer="conda")
    env.dist("numpy", "2.1.3", site=user)
    finding = only(diagnose(env.prefix, "PTH002", environ={"PATH": "", "HOME": str(tmp_path / "home")}), "PTH002")
    assert finding.severity == "error"
    assert "numpy<1.27" in finding.message
    assert (finding.subjects[0].name, finding.subjects[0].version) == ("numpy", "2.1.3")
    assert finding.fixes[0].commands[0][:5] == ("conda", "env", "config", "vars", "set")


def test_user_site_shadow_without_conflict_is_a_warning(tmp_path: Path) -> None:
    env = conda_like(tmp_path)
    user = user_site(tmp_path / "home")
    env.dist("alpha", "1.0")
    env.dist("alpha", "1.1", site=user)
    env.dist("only-there", "3", site=user)
    finding = only(diagnose(env.prefix, "PTH002", environ={"PATH": "", "HOME": str(tmp_path / "home")}), "PTH002")
    assert finding.severity == "warning"
    assert finding.subjects[0].name == "alpha"
    assert {"alpha", "only-there"} <= {s.name for s in finding.subjects}


def test_user_site_is_shut_out(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = venv(tmp_path / "env")
    env.dist("alpha", "1.0", site=user_site(home))
    assert diagnose(env.prefix, "PTH002", environ={"PATH": "", "HOME": str(home)}) == []
    assert not env.imports("alpha", env={"HOME": str(home)})
    conda = conda_like(tmp_path)
    assert diagnose(conda.prefix, "PTH002", environ={"PATH": "", "HOME": str(home), "PYTHONNOUSERSITE": "1"}) == []
    assert diagnose(conda.prefix, "PTH002", environ={"PATH": "", "HOME": str(tmp_path / "nobody")}) == []


# --------------------------------------------------------------------------------------------------------------- PTH003
def test_pythonpath_puts_another_version_in_front(env: Env, tmp_path: Path) -> None:
    env.dist("alpha", "2.0")
    other = tmp_path / "ros" / "lib" / "python3.6" / "site-packages"
    env.dist("alpha", "1.0", site=other)
    finding = only(diagnose(env.prefix, "PTH003", environ={"PATH": "", "PYTHONPATH": str(other)}), "PTH003")
    assert finding.severity == "warning"
    assert (finding.subjects[0].kind, finding.subjects[0].name) == ("variable", "PYTHONPATH")
    assert "alpha 1.0 in front of alpha 2.0" in finding.message
    assert any("Python 3.6" in line for line in finding.evidence)
    done = env.run("-c", "import alpha; print(alpha.__version__)", env={"PYTHONPATH": str(other)})
    assert done.stdout.strip() == "1.0"


def test_pythonpath_hides_a_distribution_by_a_plain_module(env: Env, tmp_path: Path) -> None:
    env.dist("alpha", "2.0")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "alpha.py").write_text("")
    finding = only(diagnose(env.prefix, "PTH003", environ={"PATH": "", "PYTHONPATH": f"{tmp_path}/old"}), "PTH003")
    assert "alpha" in {s.name for s in finding.subjects}


def test_pythonpath_of_other_python_without_packages(env: Env, tmp_path: Path) -> None:
    other = tmp_path / "lib" / "python2.7" / "site-packages"
    other.mkdir(parents=True)
    assert len(diagnose(env.prefix, "PTH003", environ={"PATH": "", "PYTHONPATH": str(other)})) == 1


def test_pythonpath_look_alikes(env: Env, tmp_path: Path) -> None:
    env.dist("alpha", "2.0")
    source = tmp_path / "proj" / "src"
    (source / "mine").mkdir(parents=True)
    (source / "mine" / "__init__.py").write_text("")
    info = source / "mine.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 0.1\n")
    for value in (str(source), "/nonexistent", str(env.site), f"{env.site}:/nonexistent"):
        assert diagnose(env.prefix, "PTH003", environ={"PATH": "", "PYTHONPATH": value}) == [], value


def test_pythonpath_to_an_editable_source(env: Env, tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "mine").mkdir(parents=True)
    (source / "mine" / "__init__.py").write_text("")
    env.dist(
        "mine",
        "0.1",
        files={"__editable__.mine-0.1.pth": f"{source}\n"},
        direct_url=f'{{"url": "file://{source}", "dir_info": {{"editable": true}}}}',
    )
    assert diagnose(env.prefix, "PTH003", "PTH006", environ={"PATH": "", "PYTHONPATH": str(source)}) == []


def test_pythonhome_of_another_version(env: Env, tmp_path: Path) -> None:
    home = tmp_path / "old"
    (home / "lib" / "python3.6").mkdir(parents=True)
    (home / "lib" / "python3.6" / "os.py").write_text("")
    finding = only(diagnose(env.prefix, "PTH003", environ={"PATH": "", "PYTHONHOME": str(home)}), "PTH003")
    assert finding.severity == "error"
    assert finding.subjects[0].name == "PYTHONHOME"
    done = env.run("-c", "pass", env={"PYTHONHOME": str(home)})
    assert done.returncode != 0
    assert "encodings" in done.stderr


def test_pythonhome_of_its_own_base(env: Env) -> None:
    base = sys.base_prefix
    assert env.run("-c", "pass", env={"PYTHONHOME": base}).returncode == 0
    assert errors(diagnose(env.prefix, "PTH003", environ={"PATH": "", "PYTHONHOME": base})) == []


def test_pythonhome_of_another_installation(env: Env) -> None:
    others = [path for short, path in interpreters().items() if short != SHORT]
    if not others:
        pytest.skip("only one Python here")
    home = subprocess.run(
        [others[0], "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (finding,) = diagnose(env.prefix, "PTH003", environ={"PATH": "", "PYTHONHOME": home})
    starts = env.run("-c", "pass", env={"PYTHONHOME": home}).returncode == 0
    assert (finding.severity == "error") is not starts


# --------------------------------------------------------------------------------------------------------------- PTH004
def library(folder: Path, name: str, flags: tuple[str, ...] = (), source: str = "int answer(void) { return 1; }\n") -> Path:
    """A shared library compiled here."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "x.c").write_text(source)
    subprocess.run(
        ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", str(folder / "x.c"), "-o", str(folder / name), *flags],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "x.c").unlink()
    return folder / name


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("gcc") is None, reason="needs gcc on Linux")
@pytest.mark.parametrize("tags", ["--enable-new-dtags", "--disable-new-dtags"])
def test_library_path_override(env: Env, tmp_path: Path, tags: str) -> None:
    lib = library(env.site / "gadget" / "lib", "libgadget.so.1")
    code = (
        "#include <Python.h>\nint answer(void);\n"
        "static PyObject *a(PyObject *s, PyObject *x) { return PyLong_FromLong(answer()); }\n"
        'static PyMethodDef d[] = {{"answer", a, METH_NOARGS, ""}, {0}};\n'
        'static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "_core", 0, -1, d};\n'
        "PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&m); }\n"
    )
    built = compile_extension(tmp_path / "build", "_core", source=code, flags=(str(lib), f"-Wl,{tags}", "-Wl,-rpath,$ORIGIN/lib"))
    data = lib.read_bytes()
    shutil.rmtree(env.site / "gadget")
    env.dist(
        "gadget",
        files={"gadget/__init__.py": "", f"gadget/{built.name}": built.read_bytes(), "gadget/lib/libgadget.so.1": data},
    )
    library(tmp_path / "toolkit", "libgadget.so.1", source="int answer(void) { return 2; }\n")
    shell = {"PATH": "", "LD_LIBRARY_PATH": f"{tmp_path}/toolkit"}
    answer = env.run("-c", "from gadget._core import answer; print(answer())", env={"LD_LIBRARY_PATH": f"{tmp_path}/toolkit"})
    found = diagnose(env.prefix, "PTH004", environ=shell)
    if tags == "--disable-new-dtags":  # DT_RPATH comes before the variable
        assert answer.stdout.strip() == "1"
        assert found == []
        return
    assert answer.stdout.strip() == "2"
    finding = only(found, "PTH004")
    assert (finding.severity, finding.confidence) == ("warning", "likely")
    assert (finding.subjects[0].kind, finding.subjects[0].name) == ("variable", "LD_LIBRARY_PATH")
    assert "gadget" in {s.name for s in finding.subjects}
    # the environment's own folder, and one without such a library
    for value in (f"{env.site}/gadget/lib", f"{tmp_path}/build", "/nonexistent", ""):
        assert diagnose(env.prefix, "PTH004", environ={"PATH": "", "LD_LIBRARY_PATH": value}) == []


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("gcc") is None, reason="needs gcc on Linux")
def test_an_override_that_lacks_what_is_needed(env: Env, tmp_path: Path) -> None:
    versions = tmp_path / "map"
    versions.write_text("GADGET_1.0 { global: answer; };\nGADGET_2.0 { global: more; } GADGET_1.0;\n")
    script = (f"-Wl,--version-script,{versions}",)
    both = "int answer(void) { return 1; } int more(void) { return 1; }\n"
    lib = library(env.site / "gadget" / "lib", "libgadget.so.1", script, both)
    code = (
        "#include <Python.h>\nint answer(void); int more(void);\n"
        "int use(void) { return answer() + more(); }\n"
        'static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "_core", 0, -1, 0};\n'
        "PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&m); }\n"
    )
    flags = (str(lib), "-Wl,-z,now", "-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN/lib")
    built = compile_extension(tmp_path / "build", "_core", source=code, flags=flags)
    data = lib.read_bytes()
    shutil.rmtree(env.site / "gadget")
    files = {"gadget/__init__.py": "", f"gadget/{built.name}": built.read_bytes(), "gadget/lib/libgadget.so.1": data}
    env.dist("gadget", files=files)

    def judged(**shell: str) -> tuple[bool, list[str]]:
        found = diagnose(env.prefix, "PTH004", environ={"PATH": "", **shell})
        assert all(f.subjects[0].name == next(iter(shell)) for f in found)
        return env.run("-c", "import gadget._core", env=shell).returncode == 0, [f.severity for f in found]

    old = tmp_path / "old"
    versions.write_text("GADGET_1.0 { global: answer; };\n")
    library(old, "libgadget.so.1", script)
    assert judged(LD_LIBRARY_PATH=str(old)) == (False, ["error"])
    assert judged(LD_PRELOAD=str(old / "libgadget.so.1")) == (False, ["error"])
    same = tmp_path / "same"
    same.mkdir()
    (same / "libgadget.so.1").write_bytes(data)
    assert judged(LD_LIBRARY_PATH=str(same)) == (True, ["warning"])
    assert judged(LD_PRELOAD=str(same / "libgadget.so.1")) == (True, ["warning"])
    foreign = bytearray((old / "libgadget.so.1").read_bytes())
    foreign[18:20] = (183).to_bytes(2, sys.byteorder)
    (old / "libgadget.so.1").write_bytes(foreign)
    assert judged(LD_LIBRARY_PATH=str(old)) == (True, [])


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD")
def test_missing_preload(env: Env) -> None:
    finding = only(diagnose(env.prefix, "PTH004", environ={"PATH": "", "LD_PRELOAD": "/opt/gone/libx.so libc.so.6"}), "PTH004")
    assert "/opt/gone/libx.so" in finding.message
    assert finding.subjects[0].name == "LD_PRELOAD"
