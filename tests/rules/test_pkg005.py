"""PKG005 leftover-folder, by a pip that is really killed, and by the names that it leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from envdoctor.rules.pkg._leftovers import fits, stem_of, version_in
from tests.builders import Env, venv
from tests.rules.pip_killed import pip, upgrade_killed
from tests.support import diagnose, errors, only

CODES = ("PKG001", "PKG004", "PKG005", "PKG009", "PKG014")
INFO = "/site-packages/numeric-2.0.dist-info/"


@pytest.fixture(scope="module")
def pip_venv(tmp_path_factory: pytest.TempPathFactory) -> Env:
    """A venv with pip, one for the tests of a module."""
    return venv(tmp_path_factory.mktemp("killed") / "env", pip=True)


@pytest.fixture
def pip_env(pip_venv: Env) -> Iterator[Env]:
    """That venv; what a test leaves in it is removed."""
    before = set(os.listdir(pip_venv.site))
    yield pip_venv
    for name in set(os.listdir(pip_venv.site)) - before:
        path = pip_venv.site / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def leftovers(env: Env) -> set[str]:
    return {path.name for path in env.site.glob("~*")}


def test_killed_before_the_first_new_file(pip_env: Env, tmp_path: Path) -> None:
    upgrade_killed(pip_env, tmp_path, "/site-packages/numeric/")
    assert leftovers(pip_env) == {"~umeric", "~umeric.libs", "~umeric-1.0.dist-info"}
    assert not pip_env.imports("numeric") or not list((pip_env.site / "numeric").glob("*.py"))
    pip_env.dist("user", "1.0", requires=["numeric"])
    found = diagnose(pip_env.prefix, *CODES)
    leftover = only(found, "PKG005")
    assert leftover.severity == "warning"
    assert leftover.subjects[0].name == "numeric"
    assert "numeric is not installed now" in leftover.message
    assert {s.name.rpartition("/")[2] for s in leftover.subjects[1:]} == leftovers(pip_env)
    assert ("numeric==1.0" in command for fix in leftover.fixes for command in fix.commands)
    assert only(found, "PKG001").caused_by == leftover.fingerprint


def test_killed_in_the_middle_of_the_package(pip_env: Env, tmp_path: Path) -> None:
    upgrade_killed(pip_env, tmp_path, "/site-packages/numeric/", 3)
    assert not pip_env.imports("numeric")
    found = diagnose(pip_env.prefix, *CODES)
    assert {f.code for f in found} == {"PKG005", "PKG014"}
    half = only(found, "PKG014")
    assert half.severity == "error" and half.subjects[0].name == "numeric"
    assert half.caused_by == only(found, "PKG005").fingerprint
    assert "without its metadata" in only(found, "PKG005").message


def test_killed_when_the_metadata_begins(pip_env: Env, tmp_path: Path) -> None:
    upgrade_killed(pip_env, tmp_path, INFO)
    assert not list((pip_env.site).glob("numeric-2.0.dist-info/METADATA"))
    found = diagnose(pip_env.prefix, *CODES)
    assert only(found, "PKG005").severity == "warning"
    assert errors(found)


def test_killed_before_record_is_written(pip_env: Env, tmp_path: Path) -> None:
    upgrade_killed(pip_env, tmp_path, f"{INFO}RECORD")
    found = diagnose(pip_env.prefix, *CODES)
    assert only(found, "PKG005").severity == "warning"
    assert "numeric 2.0 is there, but not whole" in only(found, "PKG005").message
    assert "RECORD: missing" in only(found, "PKG009").message


def test_killed_while_the_old_one_is_deleted(pip_env: Env, tmp_path: Path) -> None:
    upgrade_killed(pip_env, tmp_path, "~umeric", event="shutil.rmtree")
    assert leftovers(pip_env)
    assert pip_env.run("-c", "import numeric; print(numeric.__version__)").stdout.strip() == "2.0"
    found = diagnose(pip_env.prefix, *CODES)
    assert [(f.code, f.severity) for f in found] == [("PKG005", "info")]
    assert found[0].fixes[0].safety == "safe"
    assert all(command[0] == "rm" for command in found[0].fixes[0].commands)


def test_the_fix_mends_it(pip_env: Env, tmp_path: Path) -> None:
    upgrade_killed(pip_env, tmp_path, "/site-packages/numeric/", 3)
    (fix,) = only(diagnose(pip_env.prefix, *CODES), "PKG014").fixes
    for command in fix.commands:
        extra = ["--no-index", "--find-links", str(tmp_path)] if "install" in command else []
        subprocess.run([*command, *extra], check=True, capture_output=True)
    assert pip_env.imports("numeric")
    assert [f.severity for f in diagnose(pip_env.prefix, *CODES)] == ["info"]


def test_pip_cannot_name_the_second_letter_either(env: Env) -> None:
    env.dist("numpy", "2.0")
    for name in ("~umpy", "~-mpy", "~~mpy.libs", "~.mpy-1.26.4.dist-info"):
        (env.site / name).mkdir()
        (env.site / name / "x.py").write_text("")
    found = only(diagnose(env.prefix, "PKG005"), "PKG005")
    assert (found.severity, found.subjects[0].name, len(found.subjects)) == ("info", "numpy", 5)


def test_leftover_of_a_package_with_another_name(env: Env) -> None:
    env.dist("pyyaml", "6.0", files={"yaml/__init__.py": ""})
    (env.site / "~aml").mkdir()
    found = only(diagnose(env.prefix, "PKG005"), "PKG005")
    assert (found.severity, found.subjects[0].name) == ("info", "pyyaml")


def test_leftover_of_something_unknown(env: Env) -> None:
    for name in ("~umpy", "~umpy.libs", "~-mpy-1.0.dist-info"):
        (env.site / name).mkdir()
    found = only(diagnose(env.prefix, "PKG005"), "PKG005")
    assert found.severity == "warning" and found.subjects[0].kind == "file"
    assert "?umpy" in found.message


def test_beside_a_damaged_distribution_it_is_a_warning(env: Env) -> None:
    env.dist("alpha", "1.0", files={"alpha/__init__.py": "from alpha import b\n", "alpha/b.py": ""})
    (env.site / "alpha" / "b.py").unlink()
    (env.site / "~lpha").mkdir()
    assert not env.imports("alpha")
    assert only(diagnose(env.prefix, "PKG005"), "PKG005").severity == "warning"


def test_nothing_left_nothing_said(env: Env) -> None:
    env.dist("alpha", "1.0")
    (env.site / "alpha~").mkdir()
    (env.site / "alpha" / "~backup").mkdir()
    assert diagnose(env.prefix, "PKG005") == []


@pytest.mark.parametrize(
    ("leftover", "name", "expected"),
    [
        ("~umpy", "numpy", True),
        ("~-mpy", "numpy", True),
        ("~--py", "numpy", True),
        ("~0mpy", "numpy", True),
        ("~~~~y", "numpy", True),
        ("~ompy", "numpy", False),
        ("~umpy", "numpyx", False),
        ("umpy", "numpy", False),
        ("~", "x", False),
        ("", "", False),
    ],
)
def test_fits(leftover: str, name: str, expected: bool) -> None:
    assert fits(leftover, name) is expected


@pytest.mark.parametrize(
    ("path", "stem", "version"),
    [
        ("~umpy-1.26.4.dist-info", "~umpy", "1.26.4"),
        ("~-2py-1.0+cpu.dist-info", "~-2py", "1.0+cpu"),
        ("~umpy-1.26.4-py3.11.egg-info", "~umpy", "1.26.4"),
        ("~umpy.libs", "~umpy", None),
        ("~ix.py", "~ix", None),
        ("~umpy.dist-info", "~umpy", None),
    ],
)
def test_names_of_leftovers(path: str, stem: str, version: str | None) -> None:
    assert stem_of(path) == stem
    assert version_in(path) == version


def test_pip_itself_calls_it_invalid(pip_env: Env, tmp_path: Path) -> None:
    upgrade_killed(pip_env, tmp_path, "/site-packages/numeric/", 1)
    assert "~umeric" in pip(pip_env, "list").stderr
