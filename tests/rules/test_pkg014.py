"""PKG014 package-half-installed."""

from __future__ import annotations

import compileall
import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.builders import Env, compile_extension
from tests.support import diagnose, errors, only


def test_metadata_without_its_package(env: Env) -> None:
    env.dist("alpha", "1.0", files={f"alpha/m{i}.py": "" for i in range(20)} | {"alpha/__init__.py": "", "alpha.libs/x.txt": "x"})
    shutil.rmtree(env.site / "alpha")
    assert not env.imports("alpha")
    found = only(diagnose(env.prefix, "PKG014"), "PKG014")
    assert found.severity == "error"
    assert (found.subjects[0].name, found.subjects[0].version) == ("alpha", "1.0")
    assert "all 21 modules are missing" in found.message
    assert any("--force-reinstall" in command for command in found.fixes[0].commands)
    assert found.fixes[0].verify[0][-1] == "import alpha"


def test_a_single_module(env: Env) -> None:
    env.dist("alpha", "1.0", files={"alpha.py": ""})
    (env.site / "alpha.py").unlink()
    assert "its only module" in only(diagnose(env.prefix, "PKG014"), "PKG014").message


def test_only_an_extension_module(env: Env) -> None:
    built = compile_extension(env.prefix / "build", "alpha")
    env.dist("alpha", "1.0", files={built.name: built.read_bytes()})
    assert env.imports("alpha")
    assert diagnose(env.prefix, "PKG014") == []
    (env.site / built.name).unlink()
    assert only(diagnose(env.prefix, "PKG014"), "PKG014")


def test_nearly_all_gone(env: Env) -> None:
    env.dist("alpha", "1.0", files={f"alpha/m{i}.py": "" for i in range(30)} | {"alpha/__init__.py": ""})
    for index in range(29):
        (env.site / "alpha" / f"m{index}.py").unlink()
    assert only(diagnose(env.prefix, "PKG014"), "PKG014")


def test_a_few_missing_files_are_another_finding(env: Env) -> None:
    env.dist("alpha", "1.0", files={f"alpha/m{i}.py": "" for i in range(30)} | {"alpha/__init__.py": ""})
    for index in range(10):
        (env.site / "alpha" / f"m{index}.py").unlink()
    assert diagnose(env.prefix, "PKG014") == []


def test_the_missing_files_are_its_consequence(env: Env) -> None:
    env.dist("alpha", "1.0")
    shutil.rmtree(env.site / "alpha")
    found = diagnose(env.prefix, "PKG")
    half = only(found, "PKG014")
    assert all(f.caused_by == half.fingerprint for f in found if f.code == "PKG006")


def test_package_without_metadata_that_another_needs(env: Env) -> None:
    env.dist(
        "alpha",
        "1.0",
        requires=["Beta_Lib>=2"],
        files={"alpha.py": "from importlib.metadata import version\nversion('beta-lib')\n"},
    )
    info = env.dist("beta-lib", "2.0")
    assert env.imports("alpha")
    assert diagnose(env.prefix, "PKG001", "PKG014") == []
    shutil.rmtree(info)
    assert not env.imports("alpha")
    found = diagnose(env.prefix, "PKG001", "PKG014")
    half = only(found, "PKG014")
    assert half.severity == "error" and half.subjects[0].name == "beta-lib"
    assert any("beta-lib>=2" in command for fix in half.fixes for command in fix.commands)
    assert only(found, "PKG001").caused_by == half.fingerprint


def test_module_without_metadata_that_another_needs(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["six"])
    (env.site / "six.py").write_text("")
    assert only(diagnose(env.prefix, "PKG014"), "PKG014").subjects[0].name == "six"


def test_look_alikes(env: Env) -> None:
    env.dist("stubs-only", "1.0", files={"foo-stubs/__init__.pyi": "", "foo-stubs/py.typed": ""})
    env.dist("meta", "1.0", files={}, requires=["stubs-only"])
    env.dist("data-only", "1.0", files={"data_only/table.json": "{}", "../../../share/x.txt": "x"})
    env.dist("google-one", "1.0", files={"google/one/__init__.py": ""})
    env.dist("google-two", "1.0", files={"google/two/__init__.py": ""})
    env.dist("no-record", "1.0", record=False, installer="conda")
    env.dist("wheel", "1.0", files={"nvidia/cublas/lib/libcublas.so.12": b"\x7fELF", "nvidia/__init__.py": ""})
    own = env.site / "my_own_tools"
    own.mkdir()
    (own / "__init__.py").write_text("")
    (env.site / "notes.py").write_text("")
    for name in ("__pycache__", "_distutils_hack", "empty", "nvidia2"):
        (env.site / name).mkdir()
    (env.site / "_distutils_hack" / "__init__.py").write_text("")
    assert diagnose(env.prefix, "PKG014") == []


def test_missing_data_and_stubs_are_not_half_installed(env: Env) -> None:
    env.dist("stubs-only", "1.0", files={"foo-stubs/__init__.pyi": ""})
    env.dist("data-only", "1.0", files={"data_only/table.json": "{}"})
    shutil.rmtree(env.site / "foo-stubs")
    shutil.rmtree(env.site / "data_only")
    assert diagnose(env.prefix, "PKG014") == []


def test_an_image_without_sources(env: Env) -> None:
    env.dist("alpha", "1.0", files={"alpha/__init__.py": "", "alpha/a.py": ""})
    env.dist("single", "1.0", files={"single.py": ""})
    if f"{sys.version_info.major}.{sys.version_info.minor}" not in str(env.site):
        pytest.skip("another Python")
    assert compileall.compile_dir(str(env.site), quiet=1, legacy=True)
    for path in env.site.rglob("*.py"):
        path.unlink()
    assert env.imports("alpha") and env.imports("single")
    assert diagnose(env.prefix, "PKG014") == []


def test_editable_whose_finder_is_gone_is_not_half_installed(env: Env) -> None:
    env.dist(
        "proj",
        "1.0",
        files={"__editable___proj_1_0_finder.py": "MAPPING = {}\n", "__editable__.proj-1.0.pth": "import x\n"},
        direct_url='{"url": "file:///nowhere", "dir_info": {"editable": true}}',
    )
    (env.site / "__editable___proj_1_0_finder.py").unlink()
    assert diagnose(env.prefix, "PKG014") == []


def test_one_of_two_in_a_namespace(env: Env) -> None:
    env.dist("google-one", "1.0", files={"google/one/__init__.py": ""})
    env.dist("google-two", "1.0", files={"google/two/__init__.py": ""})
    shutil.rmtree(env.site / "google" / "two")
    assert not env.imports("google.two")
    assert [f.subjects[0].name for f in errors(diagnose(env.prefix, "PKG014"))] == ["google-two"]


@pytest.mark.parametrize("case", ["gone", "upgraded", "all gone", "there"])
def test_a_conda_package_without_its_metadata(tmp_path: Path, case: str) -> None:
    short = f"{sys.version_info[0]}.{sys.version_info[1]}"
    env = Env(tmp_path / "conda")
    (env.prefix / "bin").mkdir(parents=True)
    (env.prefix / "bin/python").symlink_to(sys.executable)
    (env.prefix / f"lib/python{short}/site-packages").mkdir(parents=True)
    (env.prefix / "conda-meta").mkdir()
    (env.prefix / "conda-meta/history").write_text("")
    info = env.dist("alpha", files={"alpha/__init__.py": ""}, installer="conda")
    files = [str(path.relative_to(env.prefix)) for path in env.site.rglob("*") if path.is_file()]
    (env.prefix / "conda-meta/alpha-1.0-0.json").write_text(
        json.dumps({"name": "alpha", "version": "1.0", "build": "0", "depends": [], "files": files})
    )
    if case != "there":
        shutil.rmtree(info)
    if case == "upgraded":
        env.dist("alpha", "2.0")
    if case == "all gone":
        shutil.rmtree(env.site / "alpha")
    found = diagnose(env.prefix, "PKG014")
    assert [(f.severity, f.subjects[0].name) for f in found] == ([("error", "alpha")] if case == "gone" else [])
