"""Settings in the order of the real pip and the real uv, masked; the state of a pip; what a project would have to build."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from envdoctor.collect import builds, project, settings
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import Distribution, Project, Setting, Target
from tests.builders import Env, venv
from tests.effort import calls, ends

posix = pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="places of Linux")

ORACLE = """
import json, sys
from pip._internal.commands import create_command
values = create_command("install").parser.get_default_values()
names = ["target_dir", "index_url", "extra_index_urls", "trusted_hosts", "no_deps", "constraints", "prefix_path", "require_venv"]
print(json.dumps({name: getattr(values, name, None) for name in names}))
"""
ATTRIBUTES = {"target": "target_dir", "index-url": "index_url", "prefix": "prefix_path"}


@pytest.fixture(scope="module")
def pip_env(tmp_path_factory: pytest.TempPathFactory) -> Env:
    return venv(tmp_path_factory.mktemp("pip") / "env", pip=True)


def scene(env: Env, environ: Mapping[str, str], home: Path, cwd: Path | None = None, root: Path | None = None) -> Scene:
    target = Target(prefix=str(env.prefix), kind="venv", chosen_by="test")
    return Scene(
        target, str(env.prefix), environ=environ, cwd=str(cwd or home), home=str(home), project_root=str(root) if root else None
    )


def shell(home: Path, **more: str) -> dict[str, str]:
    """A shell whose system-wide folders are below `home`, too."""
    base = {"HOME": str(home), "XDG_CONFIG_DIRS": f"{home}/xdg1:{home}/xdg2", "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return {**base, **more}


def effective(found: tuple[Setting, ...]) -> dict[str, str]:
    """What a `pip install` takes, by our facts."""
    return {s.name: s.value for s in found if not s.overridden and s.section in ("global", "install")}


def put(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "user over global": ({"xdg1/pip/pip.conf": "[global]\ntarget=/a\n", "home": "[global]\ntarget=/b\n"}, {}),
    "second global over first": (
        {"xdg1/pip/pip.conf": "[global]\ntarget=/a\n", "xdg2/pip/pip.conf": "[global]\ntarget=/b\n"},
        {},
    ),
    "new user file over legacy": ({"legacy": "[global]\ntarget=/a\n", "home": "[global]\ntarget=/b\n"}, {}),
    "site over user": ({"home": "[global]\ntarget=/a\n", "site": "[global]\ntarget=/b\n"}, {}),
    "command section over a nearer global": ({"home": "[install]\ntarget=/a\n", "site": "[global]\ntarget=/b\n"}, {}),
    "variable over all": ({"home": "[install]\ntarget=/a\n"}, {"PIP_TARGET": "/b"}),
    "empty variable counts as none": ({"home": "[install]\ntarget=/a\n"}, {"PIP_TARGET": ""}),
    "empty later value unsets": ({"home": "[global]\ntarget=/a\n", "site": "[global]\ntarget=\n"}, {}),
    "empty command section falls back": ({"home": "[global]\ntarget=/a\n[install]\ntarget=\n"}, {}),
    "underscores and dashes": ({"home": "[global]\nindex_url = https://a.example/simple\n"}, {}),
    "other command's section": ({"home": "[list]\nindex-url = https://a.example/simple\n"}, {}),
    "default section": ({"home": "[DEFAULT]\ntarget = /a\n[global]\ntimeout = 5\n"}, {}),
    "PIP_CONFIG_FILE replaces the user's": (
        {"home": "[global]\ntarget=/a\n", "own": "[global]\nprefix=/b\n"},
        {"PIP_CONFIG_FILE": "OWN"},
    ),
    "PIP_CONFIG_FILE that is not there": ({"home": "[global]\ntarget=/a\n"}, {"PIP_CONFIG_FILE": "/nonexistent/x.conf"}),
    "PIP_CONFIG_FILE over site": ({"site": "[global]\ntarget=/a\n", "own": "[global]\ntarget=/b\n"}, {"PIP_CONFIG_FILE": "OWN"}),
    "no files at all": (
        {"home": "[global]\ntarget=/a\n"},
        {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "https://x.example/"},
    ),
}


@posix
@pytest.mark.parametrize("case", sorted(CASES))
def test_merge_order_is_pips_own(case: str, pip_env: Env, tmp_path: Path) -> None:
    """The settings we call effective are those that the installed pip's own option parser ends up with."""
    contents, variables = CASES[case]
    own = tmp_path / "own.conf"
    places = {
        "home": tmp_path / ".config/pip/pip.conf",
        "legacy": tmp_path / ".pip/pip.conf",
        "site": pip_env.prefix / "pip.conf",
        "own": own,
    }
    try:
        for name, content in contents.items():
            put(places.get(name, tmp_path / name), content)
        environ = shell(tmp_path, **{k: str(own) if v == "OWN" else v for k, v in variables.items()})
        done = subprocess.run([str(pip_env.python), "-c", ORACLE], env=environ, capture_output=True, text=True, check=True)
        truth = json.loads(done.stdout)
        ours = effective(settings.pip_settings(scene(pip_env, environ, tmp_path)).settings)
    finally:
        (pip_env.prefix / "pip.conf").unlink(missing_ok=True)
    for name, attribute in ATTRIBUTES.items():
        expected = truth[attribute]
        if name == "index-url" and expected == "https://pypi.org/simple":
            expected = None
        assert ours.get(name) == expected, (name, truth)


@posix
def test_lines_lists_and_masking(pip_env: Env, tmp_path: Path) -> None:
    file = put(
        tmp_path / ".config/pip/pip.conf",
        "# mine\n[global]\nindex-url = https://me:hunter2@pypi.corp.example/simple\n"
        "extra-index-url =\n    https://a.example/simple\n    https://__token__@b.example/simple\n[install]\nno-deps = yes\n",
    )
    file.chmod(0o644)
    found = {s.name: s for s in settings.pip_settings(scene(pip_env, shell(tmp_path), tmp_path)).settings}
    index = found["index-url"]
    assert (index.origin, index.value, index.credentials) == (f"{file}:3", "https://****@pypi.corp.example/simple", True)
    assert "hunter2" not in repr(found)
    assert found["extra-index-url"].value == "https://a.example/simple https://****@b.example/simple"
    assert (found["extra-index-url"].origin, found["extra-index-url"].credentials) == (f"{file}:4", False)
    assert (found["no-deps"].section, found["no-deps"].origin) == ("install", f"{file}:8")


@pytest.mark.parametrize(
    ("value", "shown", "secret"),
    [
        ("https://u:p@h/x", "https://****@h/x", True),
        ("https://u:@h", "https://****@h", False),
        ("https://user@h", "https://****@h", False),
        ("https://${USER}:${TOKEN}@h", "https://****@h", False),
        ("https://a1b2c3d4e5f6a7b8c9d0@h", "https://****@h", True),
        ("https://h/simple", "https://h/simple", False),
        ("file:///x", "file:///x", False),
    ],
)
def test_masked(value: str, shown: str, secret: bool) -> None:
    assert settings.masked(value) == (shown, secret)


@posix
def test_other_variables_are_not_taken(pip_env: Env, tmp_path: Path) -> None:
    environ = shell(tmp_path, PIP_SECRET_TOKEN="abc", PIP_PROXY="me:secret@proxy.example:3128")
    found = settings.pip_settings(scene(pip_env, environ, tmp_path)).settings
    assert "abc" not in repr(found)
    assert "me:secret" not in repr(found)


@posix
def test_readable_by_others(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    for parent in [folder, *folder.parents]:
        if not parent.stat().st_mode & 0o001:
            if parent.owner() != folder.owner() or parent == Path("/"):
                pytest.skip("the temporary folder is private")
            parent.chmod(parent.stat().st_mode | 0o001)
    file = put(folder / "pip.conf", "x")
    file.chmod(0o644)
    assert settings.readable_by_others(str(file))
    folder.chmod(0o700)
    assert not settings.readable_by_others(str(file))
    folder.chmod(0o755)
    file.chmod(0o600)
    assert not settings.readable_by_others(str(file))


@posix
@pytest.mark.parametrize(
    "content", ["target = /a\n", "[global]\ntarget = /a\ntarget = /b\n", "[global\n", "[global]\nx\n", "[global]\nx=\xff\n"]
)
def test_what_pip_cannot_parse(content: str, pip_env: Env, tmp_path: Path) -> None:
    """pip ends with an error on the very files that we call broken."""
    file = put(tmp_path / ".config/pip/pip.conf", "")
    file.write_bytes(content.encode("latin-1"))
    environ = shell(tmp_path)
    done = subprocess.run([str(pip_env.python), "-m", "pip", "list"], env=environ, capture_output=True, text=True, check=False)
    found = settings.pip_settings(scene(pip_env, environ, tmp_path))
    assert (done.returncode != 0) == bool(found.problems), done.stderr


# ------------------------------------------------------------------------------------------------------------------- uv


def uv_truth(environ: Mapping[str, str], cwd: Path) -> str:
    command = [sys.executable, "-m", "uv", "pip", "install", "--offline", "--dry-run", "--show-settings", "nothing"]
    done = subprocess.run(command, env=dict(environ), cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0 and "No module named uv" in done.stderr:
        pytest.skip("uv is not installed beside the tests")
    return done.stdout + done.stderr


UV_CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "user over system": ({"xdg1/uv/uv.toml": "[pip]\ntarget='/a'\n", ".config/uv/uv.toml": "[pip]\ntarget='/b'\n"}, {}),
    "project over user": ({".config/uv/uv.toml": "[pip]\ntarget='/a'\n", "project/uv.toml": "[pip]\ntarget='/b'\n"}, {}),
    "pyproject": ({"project/pyproject.toml": "[tool.uv.pip]\ntarget='/b'\n"}, {}),
    "uv.toml over pyproject": (
        {"project/uv.toml": "[pip]\ntarget='/a'\n", "project/pyproject.toml": "[tool.uv.pip]\ntarget='/b'\n"},
        {},
    ),
    "a parent's": ({"uv.toml": "[pip]\ntarget='/b'\n", "project/pyproject.toml": "[project]\nname='x'\nversion='1'\n"}, {}),
    "UV_CONFIG_FILE alone": (
        {"own.toml": "[pip]\ntarget='/a'\n", "project/uv.toml": "[pip]\ntarget='/b'\n"},
        {"UV_CONFIG_FILE": "OWN"},
    ),
    "UV_NO_CONFIG": ({"project/uv.toml": "[pip]\ntarget='/b'\n"}, {"UV_NO_CONFIG": "1"}),
    "index": ({"project/uv.toml": "index-url = 'https://one.example/simple'\n"}, {"UV_INDEX_URL": "https://two.example/simple"}),
    "strategy": ({".config/uv/uv.toml": "index-strategy = 'unsafe-best-match'\n"}, {}),
    "system Python": ({"project/uv.toml": "[pip]\nsystem = true\n"}, {}),
}


@posix
@pytest.mark.parametrize("case", sorted(UV_CASES))
def test_merge_order_is_uvs_own(case: str, pip_env: Env, tmp_path: Path) -> None:
    contents, variables = UV_CASES[case]
    folder = tmp_path / "project"
    folder.mkdir()
    for name, content in contents.items():
        put(tmp_path / name, content)
    environ = shell(tmp_path, **{k: str(tmp_path / "own.toml") if v == "OWN" else v for k, v in variables.items()})
    truth = uv_truth(environ, folder)
    found = settings.uv_settings(scene(pip_env, environ, tmp_path, folder, folder)).settings
    ours = {s.name: s.value for s in found if not s.overridden}
    target = ours.get("target")
    assert (f'"{target}"' in truth) if target else "target: None" in truth.replace("\n", ""), truth[:2000]
    for other in ("/a", "/b"):
        assert other == target or f'"{other}"' not in truth
    if "index-url" in ours:
        # uv goes on to list the overridden one, behind
        assert 0 <= truth.find(ours["index-url"].partition("//")[2].partition("/")[0]) < truth.find("one.example")
    assert ("UnsafeBestMatch" in truth or "unsafe-best-match" in truth) == ("index-strategy" in ours)
    assert ("system: true" in truth) == (ours.get("system") == "true")


@posix
def test_uv_index_tables(pip_env: Env, tmp_path: Path) -> None:
    file = put(
        tmp_path / "p/pyproject.toml",
        '[project]\nname = "x"\n[[tool.uv.index]]\nname = "corp"\nurl = "https://u:p@corp.example/simple"\ndefault = true\n'
        '[[tool.uv.index]]\nname = "torch"\nurl = "https://download.pytorch.org/whl/cpu"\nexplicit = true\n'
        '[[tool.uv.index]]\nurl = "https://more.example/simple"\n',
    )
    found = settings.uv_settings(scene(pip_env, shell(tmp_path), tmp_path, root=file.parent)).settings
    assert [(s.name, s.value) for s in found] == [
        ("default-index", "https://****@corp.example/simple"),
        ("index", "https://more.example/simple"),
    ]
    assert found[0].origin == f"{file}:5"
    assert found[0].credentials


@posix
def test_uv_stops_at_a_broken_uv_toml(pip_env: Env, tmp_path: Path) -> None:
    put(tmp_path / "p/uv.toml", "x = [\n")
    environ = shell(tmp_path)
    assert "Failed to parse" in uv_truth(environ, tmp_path / "p")
    (problem,) = settings.uv_settings(scene(pip_env, environ, tmp_path, root=tmp_path / "p")).problems
    assert "uv.toml: not TOML" in problem


# --------------------------------------------------------------------------------------------------------------- builds


def needs(root: Path, installed: Mapping[str, str] | None = None) -> builds.Needs:
    place = Scene(Target(prefix="/none", kind="venv", chosen_by="test"), "/none", project_root=str(root))
    facts: Project | None = project.collect(place)
    dists = [Distribution(name=name, version=version, site=0, path="x") for name, version in (installed or {}).items()]
    return builds.collect(place, facts, dists)


UV_LOCK = """version = 1
requires-python = ">=3.11"

[[package]]
name = "app"
version = "0.1.0"
source = { editable = "." }
dependencies = [
    { name = "native" },
    { name = "pure" },
    { name = "mysqlclient", marker = "sys_platform == 'win32'" },
]

[[package]]
name = "native"
version = "2.0"
source = { registry = "https://index.example/simple" }
sdist = { url = "https://files.example/native-2.0.tar.gz", hash = "sha256:00", size = 1 }
wheels = [
    { url = "https://files.example/native-2.0-cp311-cp311-win_amd64.whl", hash = "sha256:00", size = 1 },
    { url = "https://files.example/native-2.0-cp311-cp311-macosx_11_0_arm64.whl", hash = "sha256:00", size = 1 },
]

[[package]]
name = "pure"
version = "1.0"
source = { registry = "https://index.example/simple" }
sdist = { url = "https://files.example/pure-1.0.tar.gz", hash = "sha256:00", size = 1 }
wheels = [
    { url = "https://files.example/pure-1.0-py3-none-any.whl", hash = "sha256:00", size = 1 },
]

[[package]]
name = "unknown-sdist"
version = "1.0"
source = { registry = "https://index.example/simple" }
sdist = { url = "https://files.example/unknown_sdist-1.0.tar.gz", hash = "sha256:00", size = 1 }

[[package]]
name = "mysqlclient"
version = "2.2.4"
source = { registry = "https://index.example/simple" }
sdist = { url = "https://files.example/mysqlclient-2.2.4.tar.gz", hash = "sha256:00", size = 1 }
"""


def test_uv_lock(tmp_path: Path) -> None:
    put(tmp_path / "pyproject.toml", '[project]\nname = "app"\nversion = "0.1.0"\n')
    put(tmp_path / "uv.lock", UV_LOCK)
    found = {need.name: need for need in needs(tmp_path).builds}
    assert set(found) == {"native", "mysqlclient", "unknown-sdist"}
    assert {need.name for need in found.values() if need.guessed} == {"unknown-sdist"}
    assert found["native"].wheels == ("cp311-cp311-macosx_11_0_arm64", "cp311-cp311-win_amd64")
    assert (found["native"].requirement, found["native"].tools) == ("native==2.0", ("compiler", "Python.h"))
    assert found["mysqlclient"].markers == ("sys_platform == 'win32'",)
    assert {need.name for need in needs(tmp_path, {"native": "2.0"}).builds} == {"mysqlclient", "unknown-sdist"}
    assert {need.name for need in needs(tmp_path, {"native": "1.0"}).builds} == set(found)


def test_pylock_and_poetry_lock(tmp_path: Path) -> None:
    put(tmp_path / "pyproject.toml", '[project]\nname = "app"\n')
    put(
        tmp_path / "pylock.toml",
        'lock-version = "1.0"\n[[packages]]\nname = "Native_Lib"\nversion = "1"\nmarker = "python_version < \'3\'"\n'
        '[packages.sdist]\nname = "native_lib-1.tar.gz"\nhashes = {sha256 = "00"}\n'
        '[[packages.wheels]]\nname = "native_lib-1-cp39-cp39-win32.whl"\nhashes = {sha256 = "00"}\n',
    )
    put(
        tmp_path / "poetry.lock",
        '[[package]]\nname = "orjson"\nversion = "3.0"\nfiles = [\n'
        '    {file = "orjson-3.0-cp38-cp38-win32.whl", hash = "sha256:0"},\n'
        '    {file = "orjson-3.0.tar.gz", hash = "sha256:0"},\n]\n',
    )
    found = {need.name: need for need in needs(tmp_path).builds}
    assert set(found) == {"native-lib", "orjson"}
    assert found["native-lib"].markers == ("python_version < '3'",)
    assert found["orjson"].tools == ("cargo",)
    assert [ask.feature for ask in needs(tmp_path).asks] == ["pylock"]


def test_pep600_is_asked_only_where_no_older_tag_stands_beside(tmp_path: Path) -> None:
    put(tmp_path / "pyproject.toml", '[project]\nname = "app"\n')
    wheel = '{{ url = "https://x.example/n-1-cp311-cp311-{tag}.whl", size = 1 }},\n'
    block = '[[package]]\nname = "n"\nversion = "1"\nwheels = [\n{wheels}]\n'
    old = block.format(wheels=wheel.format(tag="manylinux_2_17_x86_64.manylinux2014_x86_64"))
    put(tmp_path / "uv.lock", "version = 1\n" + old)
    assert needs(tmp_path).asks == ()
    put(tmp_path / "uv.lock", "version = 1\n" + block.format(wheels=wheel.format(tag="manylinux_2_28_x86_64")))
    (ask,) = needs(tmp_path).asks
    assert (ask.feature, ask.detail) == ("pep600", "n 1 manylinux_2_28")


@pytest.mark.parametrize(
    ("requires", "setup", "tools"),
    [
        ('["maturin>=1"]', None, ("cargo",)),
        ('["meson-python"]', None, ("compiler",)),
        ('["scikit-build-core", "pybind11"]', None, ("compiler", "Python.h")),
        ('["setuptools", "Cython>=3"]', None, ("compiler", "Python.h")),
        ('["setuptools", "torch"]', "setup(ext_modules=[CUDAExtension('x', [])])", ("compiler", "Python.h", "nvcc")),
        ('["setuptools", "numpy"]', "setup()", None),
        ('["setuptools"]', "setup(ext_modules=[Extension('x', ['x.c'])])", ("compiler", "Python.h")),
        ('["hatchling"]', None, None),
    ],
)
def test_build_backends(tmp_path: Path, requires: str, setup: str | None, tools: tuple[str, ...] | None) -> None:
    put(tmp_path / "pyproject.toml", f'[project]\nname = "app"\n[build-system]\nrequires = {requires}\n')
    if setup:
        put(tmp_path / "setup.py", setup)
    found = needs(tmp_path).builds
    assert (found[0].tools if found else None) == tools
    assert needs(tmp_path, {"app": "1"}).builds == ()


def test_a_large_lock_is_scanned_line_by_line(tmp_path: Path) -> None:
    put(tmp_path / "pyproject.toml", '[project]\nname = "app"\n')
    body = UV_LOCK.partition("\n[[package]]")[2]
    put(tmp_path / "uv.lock", "version = 1\n" + ("\n[[package]]" + body.replace("native", "pure")) * 1500)
    with ends():
        assert calls(lambda: needs(tmp_path)) < 1500 * 400


@pytest.mark.real
@pytest.mark.parametrize("release", ["19.0.3", "20.2.4", "22.3.1", "23.0.1", "23.1.1", "23.1.2", "24.0"])
def test_outgrown_pips_are_those_that_do_not_start(release: str, tmp_path: Path) -> None:
    """Every release on every Python of this machine: ours is the verdict of a run."""
    from envdoctor.collect.installers import lacking
    from envdoctor.collect.tree import walk
    from envdoctor.snapshot import Interpreter, Site
    from tests.builders import interpreters

    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tmp_path), f"pip=={release}"]
    if subprocess.run(download, capture_output=True, check=False).returncode != 0:
        pytest.skip("the package index cannot be reached")
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        archive.extractall(tmp_path / "pip")
    tree = walk(str(tmp_path / "pip"))
    for short, python in interpreters().items():
        environ = {"PYTHONPATH": str(tmp_path / "pip"), "PIP_CONFIG_FILE": os.devnull, "PATH": os.environ["PATH"]}
        command = [python, "-m", "pip", "install", "--no-index", "nothing-of-this-name"]
        done = subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True, check=False)
        starts = "No matching distribution" in done.stderr
        if not starts and "Requires-Python" in done.stderr:
            continue
        found = lacking(tree, release, Interpreter(path=python, version=short), [tree], [Site(path=tree.root, role="purelib")])
        assert starts == (not found), (short, release, found, done.stderr[-300:])


@posix
@ends()
def test_a_hostile_file_does_not_explode(pip_env: Env, tmp_path: Path) -> None:
    put(tmp_path / ".config/pip/pip.conf", "[global]\nx" + " " * 200_000 + "y\n")
    assert settings.pip_settings(scene(pip_env, shell(tmp_path), tmp_path)).problems
