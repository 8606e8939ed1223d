"""Faults that are planted into real environments, and the import or program that each of them breaks.

Everything is installed from a shelf of wheels by uv or pip, damaged the way that such environments get damaged, and proven
broken by running it. ``envdoctor fix --apply --yes`` then has the shelf as its index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.builders import Env, compile_extension, interpreters, venv
from tests.mend.shelf import Shelf

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "native"
SHORT = f"{sys.version_info.major}.{sys.version_info.minor}"
PLATFORM = sysconfig.get_platform().replace("-", "_").replace(".", "_")
TAG = f"cp{SHORT.replace('.', '')}-cp{SHORT.replace('.', '')}-{PLATFORM}"


class Planted(NamedTuple):
    """A broken environment."""

    prefix: Path
    works: Callable[[], bool]
    """What failed works."""
    options: tuple[str, ...] = ()
    """More words for ``envdoctor fix --apply --yes``."""
    variables: dict[str, str] = {}
    healthy: bool = False
    """It works while the fault is there: a warning."""
    cwd: Path | None = None
    """The project that ``envdoctor`` is run from."""


class Fault(NamedTuple):
    """One way to break an environment."""

    name: str
    code: str
    plant: Callable[[Shelf, Path], Planted]


FAULTS: list[Fault] = []
Plant = Callable[[Shelf, Path], Planted]


def fault(code: str) -> Callable[[Plant], Plant]:
    """Registers a function that plants a fault which the rule `code` finds."""

    def register(function: Plant) -> Plant:
        FAULTS.append(Fault(function.__name__.replace("_", " "), code, function))
        return function

    return register


def runs(env: Env, code: str) -> Callable[[], bool]:
    """`code` runs to its end in the environment's own Python."""

    def works() -> bool:
        try:
            return env.run("-c", code, cwd=env.prefix.parent).returncode == 0
        except OSError:
            return False

    return works


def imports(env: Env, *modules: str) -> Callable[[], bool]:
    return runs(env, f"import {', '.join(modules)}")


def bundled_pip(shelf: Shelf) -> None:
    """pip as this Python brings it, on the shelf."""
    shutil.copy2(next(iter(Path(__import__("ensurepip").__path__[0]).glob("_bundled/pip-*.whl"))), shelf.folder)


def usual(shelf: Shelf) -> None:
    """Wheels that many faults need."""
    shelf.wheel("alpha", requires=["beta-lib>=2,<3"], files={"alpha/__init__.py": "import beta_lib\nassert beta_lib.new()\n"})
    for version, body in (("1.0", ""), ("2.0", "def new(): return True\n"), ("2.1", "def new(): return True\n"), ("3.0", "")):
        more = {"beta_lib/more.py": "x = 1\n"} if version == "2.1" else {}
        shelf.wheel("beta-lib", version, files={"beta_lib/__init__.py": f"__version__ = {version!r}\n{body}", **more})


# ------------------------------------------------------------------------------------------------------------- packages


@fault("PKG001")
def a_dependency_was_uninstalled(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha")
    subprocess.run(["uv", "pip", "uninstall", "-q", "--python", str(env.python), "beta-lib"], check=True, env=shelf.shell())
    return Planted(env.prefix, imports(env, "alpha"))


@fault("PKG001")
def installed_without_dependencies_by_pip(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", pip=True)
    shelf.pip(env, "install", "-q", "--no-deps", "alpha")
    return Planted(env.prefix, imports(env, "alpha"))


@fault("PKG001")
def two_dependencies_are_missing(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    shelf.wheel("gamma", requires=["alpha", "delta"], files={"gamma/__init__.py": "import alpha, delta\n"})
    shelf.wheel("delta")
    env = shelf.env(folder / "env")
    shelf.install(env, "--no-deps", "gamma", "alpha")
    return Planted(env.prefix, imports(env, "gamma"))


@fault("PKG001")
def what_an_extra_needs_is_missing(shelf: Shelf, folder: Path) -> Planted:
    shelf.wheel("fast")
    shelf.wheel("core", extras=["speed"], requires=["fast; extra == 'speed'"])
    shelf.wheel("app", requires=["core[speed]"], files={"app/__init__.py": "import core, fast\n"})
    env = shelf.env(folder / "env")
    shelf.install(env, "--no-deps", "app", "core")
    return Planted(env.prefix, imports(env, "app"))


@fault("PKG001")
def a_chain_of_dependencies_is_missing(shelf: Shelf, folder: Path) -> Planted:
    for name, needs in (("one", ["two"]), ("two", ["three"]), ("three", [])):
        shelf.wheel(name, requires=needs, files={f"{name}/__init__.py": "".join(f"import {n}\n" for n in needs)})
    env = shelf.env(folder / "env")
    shelf.install(env, "--no-deps", "one")
    return Planted(env.prefix, imports(env, "one"))


@fault("PKG002")
def a_dependency_is_too_old(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha")
    shelf.install(env, "--no-deps", "beta-lib==1.0")
    return Planted(env.prefix, imports(env, "alpha"))


@fault("PKG002")
def a_dependency_is_too_new(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha")
    shelf.install(env, "--no-deps", "beta-lib==3.0")
    return Planted(env.prefix, imports(env, "alpha"))


@fault("PKG002")
def pip_replaced_a_dependency(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha", pip=True)
    shelf.pip(env, "install", "-q", "beta-lib==3.0")
    return Planted(env.prefix, imports(env, "alpha"))


@fault("PKG002")
def two_ask_for_different_ranges(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    shelf.wheel(
        "other", requires=["beta-lib>=2.1"], files={"other/__init__.py": "import beta_lib; assert beta_lib.__version__ > '2.0'\n"}
    )
    env = shelf.env(folder / "env", "alpha")
    shelf.install(env, "--no-deps", "other", "beta-lib==1.0")
    return Planted(env.prefix, imports(env, "alpha", "other"))


@fault("PKG002")
def a_dependency_of_a_dependency_is_too_old(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    shelf.wheel("top", requires=["alpha"], files={"top/__init__.py": "import alpha\n"})
    env = shelf.env(folder / "env", "top", pip=True)
    shelf.pip(env, "install", "-q", "--no-deps", "beta-lib==1.0")
    return Planted(env.prefix, imports(env, "top"))


@fault("PKG003")
def a_version_for_a_newer_python(shelf: Shelf, folder: Path) -> Planted:
    shelf.wheel("modern", "1.0")
    env = shelf.env(folder / "env")
    later = Shelf(folder / "later")
    later.wheel("modern", "2.0", requires_python=">=3.99", files={"modern/__init__.py": "def f(x: int) = x\n"})
    wheel = next(later.folder.glob("*.whl"))
    argv = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(env.python),
        "install",
        "-q",
        "--ignore-requires-python",
        "--no-deps",
        str(wheel),
    ]
    subprocess.run(argv, check=True, env=shelf.shell(), capture_output=True)
    direct = next(env.site.glob("modern-2.0.dist-info/direct_url.json"), None)
    if direct is not None:  # as from an index
        direct.unlink()
        record = direct.parent / "RECORD"
        record.write_text("".join(line for line in record.read_text().splitlines(True) if "direct_url" not in line))
    return Planted(env.prefix, imports(env, "modern"))


@fault("PKG004")
def metadata_of_two_versions(shelf: Shelf, folder: Path) -> Planted:
    """An interrupted upgrade: the older version's metadata stayed, and importlib.metadata finds that one."""
    usual(shelf)
    env = shelf.env(folder / "env", "alpha", "beta-lib==2.0")
    info = env.site / "beta_lib-2.0.dist-info"
    kept = folder / "kept"
    shutil.copytree(info, kept)
    shelf.install(env, "beta-lib==2.1")
    shutil.copytree(kept, info)
    code = "from importlib.metadata import version, distributions; assert sum(d.name == 'beta-lib' for d in distributions()) == 1"
    return Planted(env.prefix, runs(env, code), ("--unsafe",))


@fault("PKG005")
def a_folder_that_pip_left_over(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha", pip=True)
    shutil.copytree(env.site / "beta_lib", env.site / "~eta_lib")
    (env.site / "beta_lib" / "more.py").unlink()
    shutil.copytree(next(env.site.glob("beta_lib-*.dist-info")), env.site / "~eta_lib-2.1.dist-info")
    return Planted(env.prefix, lambda: not list(env.site.glob("~*")), ("--unsafe",))


@fault("PKG006")
def a_module_was_deleted(shelf: Shelf, folder: Path) -> Planted:
    shelf.wheel("gamma", files={"gamma/__init__.py": "from gamma import part\n", "gamma/part.py": "x = 1\n"})
    env = shelf.env(folder / "env", "gamma")
    (env.site / "gamma" / "part.py").unlink()
    return Planted(env.prefix, imports(env, "gamma"))


@fault("PKG006")
def a_module_was_deleted_of_what_pip_installed(shelf: Shelf, folder: Path) -> Planted:
    shelf.wheel("gamma", files={"gamma/__init__.py": "from gamma import part\n", "gamma/part.py": "x = 1\n"})
    env = shelf.env(folder / "env", "gamma", pip=True)
    (env.site / "gamma" / "part.py").unlink()
    return Planted(env.prefix, imports(env, "gamma"))


@fault("PKG006")
def a_whole_subpackage_was_deleted(shelf: Shelf, folder: Path) -> Planted:
    files = {f"gamma/sub/m{n}.py": f"x = {n}\n" for n in range(30)}
    shelf.wheel("gamma", files={"gamma/__init__.py": "from gamma.sub import m7\n", "gamma/sub/__init__.py": "", **files})
    env = shelf.env(folder / "env", "gamma")
    shutil.rmtree(env.site / "gamma" / "sub")
    return Planted(env.prefix, imports(env, "gamma"))


@fault("PKG007")
def a_module_was_cut_off(shelf: Shelf, folder: Path) -> Planted:
    shelf.wheel("gamma", files={"gamma/__init__.py": "x = [\n" + "    1,\n" * 500 + "]\n"})
    env = shelf.env(folder / "env", "gamma")
    path = env.site / "gamma" / "__init__.py"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])
    return Planted(env.prefix, imports(env, "gamma"), ("--unsafe",))


@fault("PKG008")
def two_distributions_wrote_one_file(shelf: Shelf, folder: Path) -> Planted:
    shelf.wheel("left", files={"left/__init__.py": "from shared import left\n", "shared/__init__.py": "left = 1\n"})
    shelf.wheel("right", files={"right/__init__.py": "", "shared/__init__.py": "right = 1\n"})
    shelf.wheel("app", requires=["left"], files={"app/__init__.py": "import left\n"})
    env = shelf.env(folder / "env", "app")
    shelf.install(env, "right")
    return Planted(env.prefix, imports(env, "left"), ("--unsafe",))


@fault("PKG009")
def metadata_is_empty(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha", pip=True)
    (next(env.site.glob("beta_lib-*.dist-info")) / "METADATA").write_text("")
    return Planted(env.prefix, runs(env, "from importlib.metadata import metadata; assert metadata('beta-lib')['Name']"))


@fault("PKG009")
def record_is_gone(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha", pip=True)
    (next(env.site.glob("beta_lib-*.dist-info")) / "RECORD").unlink()
    code = "from importlib.metadata import files; assert files('beta-lib')"
    return Planted(env.prefix, runs(env, code))


@fault("PKG010")
def the_source_of_an_editable_install_is_gone(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    shelf.wheel("mine", files={"mine/__init__.py": ""})
    env = shelf.env(folder / "env")
    env.dist("mine", "1.0", files={"__editable__.mine-1.0.pth": f"{folder}/gone\n"}, installer="uv",
             direct_url=f'{{"dir_info": {{"editable": true}}, "url": "file://{folder}/gone"}}')  # fmt: skip
    code = "from importlib.metadata import distributions; assert 'mine' not in [d.name for d in distributions()]"
    return Planted(env.prefix, runs(env, code), ("--unsafe",))


@fault("PKG012")
def a_name_that_the_other_no_longer_has(shelf: Shelf, folder: Path) -> Planted:
    shelf.wheel("other", "1.0", files={"other/__init__.py": "gone = 1\n"})
    shelf.wheel("other", "2.0", files={"other/__init__.py": "here = 1\n"})
    shelf.wheel("user", "1.0", requires=["other"], files={"user/__init__.py": "from other import gone\n"})
    shelf.wheel("user", "1.1", requires=["other>=2"], files={"user/__init__.py": "from other import here\n"})
    env = shelf.env(folder / "env", "user==1.0", "other==2.0")
    return Planted(env.prefix, imports(env, "user"), ("--unsafe",))


@fault("PKG013")
def code_for_a_newer_protobuf(shelf: Shelf, folder: Path) -> Planted:
    from tests.rules.test_pkg013 import FLOOR, gencode

    for version in ("5.26.0", "6.31.0"):
        numbers = version.replace(".", ", ")
        files = {
            "google/protobuf/__init__.py": f"__version__ = '{version}'\n",
            "google/protobuf/runtime_version.py": FLOOR.format(version=numbers),
        }
        shelf.wheel("protobuf", version, files=files)
    shelf.wheel(
        "proto-user", requires=["protobuf"], files={"pu/__init__.py": "from . import x_pb2\n", "pu/x_pb2.py": gencode("6.30.0")}
    )
    env = shelf.env(folder / "env", "proto-user", "protobuf==5.26.0")
    return Planted(env.prefix, imports(env, "pu"), ("--unsafe",))


@fault("PKG014")
def a_package_without_metadata(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha")
    shutil.rmtree(next(env.site.glob("beta_lib-*.dist-info")))
    (env.site / "beta_lib" / "__init__.py").unlink()
    return Planted(env.prefix, imports(env, "alpha"), ("--unsafe",))


@fault("PKG014")
def metadata_without_the_package(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha")
    shutil.rmtree(env.site / "beta_lib")
    return Planted(env.prefix, imports(env, "alpha"))


# ---------------------------------------------------------------------------------------------------------- interpreter


@fault("INT001")
def the_link_named_python_is_gone(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha", pip=True)
    names = [p for p in (env.prefix / "bin").iterdir() if p.name == "python"]
    target = os.path.realpath(names[0])
    for name in ("python3", f"python{SHORT}"):
        path = env.prefix / "bin" / name
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    names[0].unlink()
    return Planted(env.prefix, imports(env, "alpha"))


@fault("INT001")
def the_base_interpreter_was_removed(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha")
    for path in (env.prefix / "bin").glob("python*"):
        path.unlink()
        path.symlink_to("/opt/gone/bin/python3")
    config = env.prefix / "pyvenv.cfg"
    config.write_text("".join("home = /opt/gone/bin\n" if line.startswith("home") else line for line in config.open()))
    return Planted(env.prefix, imports(env, "alpha"), ("--unsafe",))


@fault("INT002")
def the_interpreter_is_not_executable(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = venv(folder / "env", symlinks=False)
    shelf.install(env, "alpha")
    for path in (env.prefix / "bin").glob("python*"):
        if not path.is_symlink():
            path.chmod(0o644)

    return Planted(env.prefix, imports(env, "alpha"), ("--unsafe",))


@fault("INT003")
def the_environment_was_moved(shelf: Shelf, folder: Path) -> Planted:
    shelf.wheel("tool", files={"tool.py": "def main(): print('ran')\n"}, scripts={"tool": "tool:main"})
    bundled_pip(shelf)
    env = shelf.env(folder / "was", "tool")
    env.prefix.rename(folder / "env")

    def works() -> bool:
        script = folder / "env" / "bin" / "tool"
        try:
            return subprocess.run([str(script)], capture_output=True, check=False).returncode == 0
        except OSError:
            return False

    return Planted(folder / "env", works, ("--unsafe",))


@fault("INT004")
def the_minor_version_changed(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    other = next((path for version, path in sorted(interpreters().items()) if version != SHORT and version >= "3.9"), None)
    env = shelf.env(folder / "env", "alpha")
    if other is None:
        raise LookupError("only one Python here")
    for path in (env.prefix / "bin").glob("python*"):
        path.unlink()
    for name in ("python", "python3"):
        (env.prefix / "bin" / name).symlink_to(other)
    config = env.prefix / "pyvenv.cfg"
    home = os.path.dirname(other)
    config.write_text("".join(f"home = {home}\n" if line.startswith("home") else line for line in config.open()))
    return Planted(env.prefix, imports(env, "alpha"), ("--unsafe",))


# ----------------------------------------------------------------------------------------------------------- architecture


@cache
def compiled(name: str = "_fast") -> bytes:
    """An extension module for this Python."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return compile_extension(Path(folder), name).read_bytes()


SUFFIX = str(sysconfig.get_config_var("EXT_SUFFIX"))


def native(shelf: Shelf) -> None:
    """quick, with one extension module that its import loads."""
    shelf.wheel("quick", files={"quick/__init__.py": "from quick import _fast\n", f"quick/_fast{SUFFIX}": compiled()}, tag=TAG)


@fault("ARC002")
def an_extension_of_another_architecture(shelf: Shelf, folder: Path) -> Planted:
    native(shelf)
    env = shelf.env(folder / "env", "quick")
    path = env.site / "quick" / f"_fast{SUFFIX}"
    path.unlink()
    path.write_bytes((FIXTURES / "linux-aarch64.elf").read_bytes())
    return Planted(env.prefix, imports(env, "quick"), ("--unsafe",))


@fault("ARC003")
def a_wheel_of_another_platform(shelf: Shelf, folder: Path) -> Planted:
    native(shelf)
    env = shelf.env(folder / "env")
    elf = (FIXTURES / "linux-aarch64.elf").read_bytes()
    abi = f"cp{SHORT.replace('.', '')}"
    files = {"quick/__init__.py": "from quick import _fast\n", f"quick/_fast.cpython-{abi[2:]}-aarch64-linux-gnu.so": elf}
    env.dist("quick", "1.0", files=files, tags=[f"{abi}-{abi}-linux_aarch64"], installer="uv")
    return Planted(env.prefix, imports(env, "quick"), ("--unsafe",))


@fault("ARC004")
def an_extension_for_another_python(shelf: Shelf, folder: Path) -> Planted:
    native(shelf)
    env = shelf.env(folder / "env", "quick")
    path = env.site / "quick" / f"_fast{SUFFIX}"
    other = path.with_name(path.name.replace(SHORT.replace(".", ""), "38"))
    path.rename(other)
    record = next(env.site.glob("quick-*.dist-info")) / "RECORD"
    text = record.read_text().replace(path.name, other.name)
    record.unlink()
    record.write_text(text)
    return Planted(env.prefix, imports(env, "quick"), ("--unsafe",))


# ------------------------------------------------------------------------------------------------------------------ paths


@fault("PTH005")
def a_backport_hides_the_standard_library(shelf: Shelf, folder: Path) -> Planted:
    shelf.wheel("enum34", "1.1.10", files={"enum/__init__.py": "class Enum: pass\n"})
    env = shelf.env(folder / "env", "enum34")
    return Planted(
        env.prefix, runs(env, "import sys; sys.path.insert(0, sys.path[-1]); import enum"), ("--unsafe",), healthy=True
    )


@fault("PTH007")
def a_pth_names_a_folder_that_is_gone(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha")
    (env.site / "old.pth").write_text(f"{folder}/gone\n")
    return Planted(env.prefix, imports(env, "alpha"), ("--unsafe",), healthy=True)


@fault("PTH008")
def a_pth_imports_what_is_gone(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    env = shelf.env(folder / "env", "alpha")
    (env.site / "hook.pth").write_text("import gone_module_of_nobody; gone_module_of_nobody.install()\n")
    quiet: Callable[[], bool] = lambda: "Error processing line" not in env.run("-c", "import alpha").stderr  # noqa: E731
    return Planted(env.prefix, quiet, ("--unsafe",))


@fault("PTH009")
def a_script_of_an_interpreter_that_is_gone(shelf: Shelf, folder: Path) -> Planted:
    shelf.wheel("tool", files={"tool.py": "def main(): print('ran')\n"}, scripts={"tool": "tool:main"})
    env = shelf.env(folder / "env", "tool")
    script = env.prefix / "bin" / "tool"
    text = script.read_text().split("\n", 1)[1]
    script.unlink()
    script.write_text(f"#!/opt/gone/bin/python\n{text}")
    script.chmod(0o755)

    def works() -> bool:
        try:
            return subprocess.run([str(script)], capture_output=True, check=False).returncode == 0
        except OSError:
            return False

    return Planted(env.prefix, works)


# --------------------------------------------------------------------------------------------------------------- pip and uv


@fault("PIP001")
def a_file_of_pip_is_gone(shelf: Shelf, folder: Path) -> Planted:
    env = venv(folder / "env", pip=True)
    bundled_pip(shelf)
    (env.site / "pip" / "_internal" / "cli" / "main.py").unlink()
    return Planted(env.prefix, lambda: env.run("-m", "pip", "--version").returncode == 0, ("--unsafe",))


@fault("PIP003")
def a_setting_sends_installs_elsewhere(shelf: Shelf, folder: Path) -> Planted:
    env = shelf.env(folder / "env", pip=True)
    config = env.prefix / "pip.conf"
    config.write_text(f"[global]\ntarget = {folder}/elsewhere\n")
    usual(shelf)

    def works() -> bool:
        shelf.pip(env, "install", "-q", "beta-lib")
        return env.imports("beta_lib")

    return Planted(env.prefix, works, ("--unsafe",))


@fault("PIP004")
def a_password_that_others_can_read(shelf: Shelf, folder: Path) -> Planted:
    env = shelf.env(folder / "env", pip=True)
    config = folder / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True)
    for open_to_all in (folder, folder.parent, config.parent, config.parent.parent):
        open_to_all.chmod(0o755)
    config.write_text("[global]\nindex-url = https://someone:secret@packages.example/simple\n")
    config.chmod(0o644)
    return Planted(env.prefix, lambda: config.stat().st_mode & 0o077 == 0)


# --------------------------------------------------------------------------------------------------------------- libraries


@cache
def linked() -> tuple[bytes, bytes]:
    """An extension module that needs a library of its own wheel, and that library."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "part.c").write_text("int part(void) { return 1; }\n")
        library = folder / "libpart-1a2b3c.so.1"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-Wl,-soname,libpart-1a2b3c.so.1", str(folder / "part.c"), "-o", str(library)], check=True
        )
        source = (
            "#include <Python.h>\nint part(void);\n"
            'static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "_fast", 0, -1, 0};\n'
            "PyMODINIT_FUNC PyInit__fast(void) { return part() ? PyModule_Create(&m) : 0; }\n"
        )
        flags = [f"-L{folder}", "-l:libpart-1a2b3c.so.1", "-Wl,-rpath,$ORIGIN/../linked.libs"]
        module = compile_extension(folder, "_fast", source=source, flags=flags)
        return module.read_bytes(), library.read_bytes()


def with_library(shelf: Shelf, folder: Path) -> tuple[Env, Path]:
    module, library = linked()
    files = {
        "linked/__init__.py": "from linked import _fast\n",
        f"linked/_fast{SUFFIX}": module,
        "linked.libs/libpart-1a2b3c.so.1": library,
    }
    shelf.wheel("linked", files=files, tag=TAG)
    env = shelf.env(folder / "env", "linked")
    return env, env.site / "linked.libs" / "libpart-1a2b3c.so.1"


@fault("LIB001")
def a_library_of_a_wheel_is_gone(shelf: Shelf, folder: Path) -> Planted:
    env, library = with_library(shelf, folder)
    library.unlink()
    return Planted(env.prefix, imports(env, "linked"), ("--unsafe",))


@fault("LIB006")
def a_library_was_cut_off(shelf: Shelf, folder: Path) -> Planted:
    env, library = with_library(shelf, folder)
    data = library.read_bytes()
    library.unlink()
    library.write_bytes(data[:2000])
    return Planted(env.prefix, imports(env, "linked"), ("--unsafe",))


@fault("LIB006")
def an_extension_is_empty(shelf: Shelf, folder: Path) -> Planted:
    native(shelf)
    env = shelf.env(folder / "env", "quick")
    path = env.site / "quick" / f"_fast{SUFFIX}"
    path.unlink()
    path.write_bytes(b"")
    return Planted(env.prefix, imports(env, "quick"), ("--unsafe",))


@fault("LIB003")
def an_extension_and_its_library_do_not_belong_together(shelf: Shelf, folder: Path) -> Planted:
    env, library = with_library(shelf, folder)
    (folder / "other.c").write_text("".join(f"int other{n}(void) {{ return {n}; }}\n" for n in range(300)))
    library.unlink()
    argv = ["gcc", "-shared", "-fPIC", "-Wl,-soname,libpart-1a2b3c.so.1", str(folder / "other.c"), "-o", str(library)]
    subprocess.run(argv, check=True)
    return Planted(env.prefix, imports(env, "linked"), ("--unsafe",))


# ------------------------------------------------------------------------------------------------------------------- several


@fault("PKG001")
def three_faults_at_once(shelf: Shelf, folder: Path) -> Planted:
    usual(shelf)
    shelf.wheel("gamma", files={"gamma/__init__.py": "from gamma import part\n", "gamma/part.py": "x = 1\n"})
    shelf.wheel("omega", requires=["psi"], files={"omega/__init__.py": "import psi\n"})
    shelf.wheel("psi")
    env = shelf.env(folder / "env", "alpha", "gamma")
    shelf.install(env, "--no-deps", "beta-lib==1.0", "omega")
    (env.site / "gamma" / "part.py").unlink()
    return Planted(env.prefix, imports(env, "alpha", "gamma", "omega"))


# --------------------------------------------------------------------------------------------------------------------- conda


def conda(shelf: Shelf, folder: Path) -> tuple[Env, dict[str, str]]:
    """A conda prefix, and the variables with which ``micromamba`` takes from its channel."""
    from tests.conda import channel
    from tests.conda.prefix import conda_prefix

    why = channel.usable()
    if why:
        raise LookupError(why)
    env = conda_prefix(folder, "micromamba")
    tools = folder / "tools"
    tools.mkdir()
    root = Path(__file__).resolve().parents[2]
    script = f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} -m tests.mend.micromamba "$@"\n'
    (tools / "micromamba").write_text(script)
    (tools / "micromamba").chmod(0o755)
    source = channel.folder(env.minor, channel.native_subdir()) / "conda-forge"
    path = f"{tools}:{shelf.shell()['PATH']}"
    return env, {"PATH": path, "SHELF_CHANNEL": str(source), "SHELF_PKGS": str(folder / "pkgs")}


@fault("CND001")
def a_file_of_a_conda_package_is_gone(shelf: Shelf, folder: Path) -> Planted:
    env, variables = conda(shelf, folder)
    (env.site / "jinja2" / "environment.py").unlink()
    return Planted(env.prefix, imports(env, "jinja2"), ("--unsafe",), variables)


@fault("CND001")
def a_whole_conda_package_is_gone(shelf: Shelf, folder: Path) -> Planted:
    env, variables = conda(shelf, folder)
    shutil.rmtree(env.site / "click")
    return Planted(env.prefix, imports(env, "click"), ("--unsafe",), variables)


@fault("CND003")
def a_conda_dependency_is_missing(shelf: Shelf, folder: Path) -> Planted:
    env, variables = conda(shelf, folder)
    shutil.rmtree(env.site / "markupsafe")
    for info in env.site.glob("[Mm]arkup[Ss]afe-*"):
        shutil.rmtree(info)
    env.remove_record("markupsafe")  # type: ignore[attr-defined]
    return Planted(env.prefix, imports(env, "jinja2"), ("--unsafe",), variables)


@fault("CND006")
def a_conda_record_is_empty(shelf: Shelf, folder: Path) -> Planted:
    env, variables = conda(shelf, folder)
    record = env.record_path("click")  # type: ignore[attr-defined]
    record.unlink()
    record.write_text("")
    return Planted(env.prefix, lambda: env.record_path("click").stat().st_size > 0, ("--unsafe",), variables)  # type: ignore[attr-defined]


# --------------------------------------------------------------------------------------------------------------------- locks


def locked_project(shelf: Shelf, folder: Path) -> tuple[Env, Path]:
    """A project that uv has locked and installed, from the shelf."""
    usual(shelf)
    shelf.wheel("delta", "1.0", files={"delta/__init__.py": "version = 1\n"})
    shelf.wheel("delta", "2.0", files={"delta/__init__.py": "version = 2\n"})
    project = folder / "project"
    project.mkdir()
    text = '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["alpha", "delta<2"]\n'
    (project / "pyproject.toml").write_text(text + "[tool.uv]\npackage = false\n")
    subprocess.run(["uv", "sync", "-q"], cwd=project, env=shelf.shell(), check=True, capture_output=True)
    return Env(project / ".venv"), project


@fault("LCK004")
def a_locked_package_was_uninstalled(shelf: Shelf, folder: Path) -> Planted:
    env, project = locked_project(shelf, folder)
    subprocess.run(["uv", "pip", "uninstall", "-q", "--python", str(env.python), "delta"], check=True, env=shelf.shell())
    return Planted(env.prefix, imports(env, "delta"), ("--unsafe",), cwd=project)


@fault("LCK004")
def a_locked_dependency_of_another_was_uninstalled(shelf: Shelf, folder: Path) -> Planted:
    """Two rules find it, with two fixes: the locked version comes back, not the newest."""
    env, project = locked_project(shelf, folder)
    shelf.wheel("beta-lib", "2.5", files={"beta_lib/__init__.py": "def new(): return True\n"})
    subprocess.run(["uv", "pip", "uninstall", "-q", "--python", str(env.python), "beta-lib"], check=True, env=shelf.shell())
    code = "import alpha; from importlib.metadata import version; assert version('beta-lib') == '2.1'"
    return Planted(env.prefix, runs(env, code), ("--unsafe",), cwd=project)


@fault("LCK005")
def a_locked_package_was_upgraded(shelf: Shelf, folder: Path) -> Planted:
    env, project = locked_project(shelf, folder)
    shelf.install(env, "delta==2.0")
    return Planted(env.prefix, runs(env, "import delta; assert delta.version == 1"), ("--unsafe",), cwd=project)


@fault("LCK002")
def the_manifest_is_newer_than_the_lock(shelf: Shelf, folder: Path) -> Planted:
    env, project = locked_project(shelf, folder)
    path = project / "pyproject.toml"
    path.write_text(path.read_text().replace('"delta<2"', '"delta<2", "beta-lib"'))

    def works() -> bool:
        return (
            subprocess.run(["uv", "lock", "--check"], cwd=project, env=shelf.shell(), capture_output=True, check=False).returncode
            == 0
        )

    return Planted(env.prefix, works, ("--unsafe",), cwd=project)


# ----------------------------------------------------------------------------------------------------------------------- gpu


@fault("GPU007")
def a_cuda_wheel_was_upgraded(shelf: Shelf, folder: Path) -> Planted:
    for version in ("12.6.4.1", "12.9.1.4"):
        name = "nvidia/cublas/__init__.py"
        shelf.wheel("nvidia-cublas-cu12", version, files={name: f"version = {version!r}\n"})
    code = "import nvidia.cublas\nif nvidia.cublas.version != '12.6.4.1': raise ImportError('undefined symbol: cublasLt')\n"
    shelf.wheel("torch", "2.7.1", requires=["nvidia-cublas-cu12==12.6.4.1"], files={"torch/__init__.py": code})
    env = shelf.env(folder / "env", "torch")
    shelf.install(env, "--no-deps", "nvidia-cublas-cu12==12.9.1.4")
    return Planted(env.prefix, imports(env, "torch"), ("--unsafe",))
