"""PTH005 and PTH006: modules in front of the standard library or of installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.builders import Env, venv
from tests.support import diagnose, errors, only


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Env:
    env = venv(tmp_path_factory.mktemp("env") / ".venv")
    env.dist(
        "lottery", files={"lottery/__init__.py": "import tempfile\nfrom random import Random\nfrom tempfile import mkdtemp\n"}
    )
    env.dist("requests", "2.32.3", files={"requests/__init__.py": "", "requests/api.py": ""})
    env.dist("junk", files={"junk/__init__.py": "", "tests/__init__.py": ""})
    return env


def put(folder: Path, name: str, content: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


# --------------------------------------------------------------------------------------------------------------- PTH005
@pytest.mark.parametrize(("name", "breaks"), [("random.py", "lottery"), ("types.py", "enum"), ("token.py", "tokenize")])
def test_standard_module_hidden_by_the_working_directory(env: Env, tmp_path: Path, name: str, breaks: str) -> None:
    put(tmp_path, name)
    proof = env.run("-S", "-c", f"import sys; sys.path.append({str(env.site)!r}); import {breaks}", cwd=tmp_path)
    assert proof.returncode != 0
    finding = only(diagnose(env.prefix, "PTH005", cwd=tmp_path), "PTH005")
    assert finding.severity == "error"
    assert finding.subjects[0].kind == "file"
    assert finding.subjects[0].name.endswith(name)
    assert str(tmp_path) not in finding.fingerprint


def test_importers_of_installed_packages_are_named(env: Env, tmp_path: Path) -> None:
    put(tmp_path, "random.py")
    assert "lottery" in only(diagnose(env.prefix, "PTH005", cwd=tmp_path), "PTH005").message


def test_package_and_project_root(env: Env, tmp_path: Path) -> None:
    put(tmp_path, "pyproject.toml", '[project]\nname = "mine"\nversion = "1"\n')
    put(tmp_path, "random/__init__.py")
    put(tmp_path, "deep/x.py")
    finding = only(diagnose(env.prefix, "PTH005", cwd=tmp_path / "deep", project=tmp_path), "PTH005")
    assert finding.severity == "error"


@pytest.mark.parametrize("name", ["code.py", "this.py", "pdb.py", "wave.py"])
def test_what_nobody_imports_is_no_error(env: Env, tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    assert errors(diagnose(env.prefix, "PTH005", cwd=tmp_path)) == []
    assert env.imports("lottery", cwd=tmp_path)


def test_look_alikes_of_the_standard_library(env: Env, tmp_path: Path) -> None:
    put(tmp_path, "random/data.txt")  # no __init__
    put(tmp_path, "test/__init__.py")
    put(tmp_path, "sys.py")  # built in
    put(tmp_path, "time.py")
    put(tmp_path, "io.py")  # imported or frozen before the folder is on sys.path
    put(tmp_path, "os.py")
    put(tmp_path, "random.txt")
    put(tmp_path, "sub/random.py")
    put(tmp_path, "src/random.py")
    (tmp_path / "types.py").symlink_to("gone.py")
    assert env.imports("random, tempfile, lottery, os, io, types", cwd=tmp_path)
    assert diagnose(env.prefix, "PTH005", cwd=tmp_path) == []


def test_python_from_its_own_folders(env: Env) -> None:
    for folder in (env.prefix, env.prefix / "bin", env.site, env.site / "requests", Path(sys.base_prefix) / "lib"):
        assert diagnose(env.prefix, "PTH005", "PTH006", cwd=folder) == []


def test_removed_modules_hide_nothing(env: Env, tmp_path: Path) -> None:
    names = {"tomllib": (3, 11), "distutils": None, "imp": None}
    for name in names:
        put(tmp_path, f"{name}.py")
    gone = {n for n in names if n not in sys.stdlib_module_names}
    found = diagnose(env.prefix, "PTH005", cwd=tmp_path)
    assert not any(f.subjects[0].name.endswith(f"{n}.py") for f in found for n in gone)


def test_backport_in_plain_site_packages_is_info(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    env.dist("enum34", "1.1.10", files={"enum/__init__.py": "raise ImportError('old')\n"})
    assert env.imports("enum, re")
    finding = only(diagnose(env.prefix, "PTH005"), "PTH005")
    assert finding.severity == "info"
    assert finding.subjects[0].name == "enum34"
    # the same folder on PYTHONPATH comes before the standard library
    assert not env.imports("re", env={"PYTHONPATH": str(env.site)})
    (finding,) = errors(diagnose(env.prefix, "PTH005", environ={"PATH": "", "PYTHONPATH": str(env.site)}))
    assert "enum34" in {s.name for s in finding.subjects}


def test_pythonpath_hides_the_standard_library(env: Env, tmp_path: Path) -> None:
    put(tmp_path, "random.py")
    assert not env.imports("lottery", env={"PYTHONPATH": str(tmp_path)})
    assert only(diagnose(env.prefix, "PTH005", environ={"PATH": "", "PYTHONPATH": str(tmp_path)}), "PTH005").severity == "error"


# --------------------------------------------------------------------------------------------------------------- PTH006
@pytest.mark.parametrize("name", ["requests.py", "requests/__init__.py"])
def test_distribution_hidden(env: Env, tmp_path: Path, name: str) -> None:
    put(tmp_path, name)
    done = env.run("-c", "import requests; print(requests.__file__)", cwd=tmp_path)
    assert str(env.site) not in done.stdout
    finding = only(diagnose(env.prefix, "PTH006", cwd=tmp_path), "PTH006")
    assert finding.severity == "warning"
    assert {s.kind for s in finding.subjects} == {"file", "distribution"}
    assert "requests 2.32.3" in finding.message


def test_look_alikes_of_distributions(env: Env, tmp_path: Path) -> None:
    put(tmp_path, "tests/__init__.py")  # junk ships one by mistake
    put(tmp_path, "lottery/notes.txt")  # no __init__: the installed one wins
    put(tmp_path, "src/requests/__init__.py")
    put(tmp_path, "requests.txt")
    put(tmp_path, "own.py")
    assert diagnose(env.prefix, "PTH006", cwd=tmp_path) == []


def test_the_projects_own_package(env: Env, tmp_path: Path) -> None:
    put(tmp_path, "pyproject.toml", '[project]\nname = "requests"\nversion = "2.32.3"\n')
    put(tmp_path, "requests/__init__.py")
    assert diagnose(env.prefix, "PTH006", cwd=tmp_path, project=tmp_path) == []


def test_an_editable_install_of_the_project(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    source = tmp_path / "proj"
    put(source, "mine/__init__.py")
    env.dist(
        "something-else",
        "0.1",
        files={"__editable__.x-0.1.pth": f"{source}\n", "mine/__init__.py": ""},
        direct_url=f'{{"url": "file://{source}", "dir_info": {{"editable": true}}}}',
    )
    assert diagnose(env.prefix, "PTH006", cwd=source) == []


def test_inside_a_package_it_is_a_warning(env: Env, tmp_path: Path) -> None:
    put(tmp_path, "__init__.py")
    put(tmp_path, "types.py")
    assert only(diagnose(env.prefix, "PTH005", cwd=tmp_path), "PTH005").severity == "warning"
