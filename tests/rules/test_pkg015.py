"""PKG015 namespace-blocked: an __init__ in an earlier folder of sys.path."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import Env
from tests.support import diagnose, only


@pytest.fixture
def more(env: Env, tmp_path: Path) -> Path:
    """A folder behind site-packages on sys.path."""
    folder = tmp_path / "more"
    folder.mkdir()
    (env.site / "more.pth").write_text(f"{folder}\n")
    return folder


def test_an_init_hides_the_portion_of_a_later_folder(env: Env, more: Path) -> None:
    env.dist("google-auth", files={"google/auth/__init__.py": ""})
    env.dist("google-storage", files={"google/storage/__init__.py": "", "google/storage/blob.py": ""}, site=more)
    assert env.imports("google.storage.blob") and env.imports("google.auth")
    assert diagnose(env.prefix, "PKG015") == []
    (env.site / "google/__init__.py").write_text("")
    assert not env.imports("google.storage")
    finding = only(diagnose(env.prefix, "PKG015"), "PKG015")
    assert finding.severity == "error"
    assert finding.subjects[0].name.endswith("site-packages/google/__init__.py")
    assert finding.subjects[1].name == "google-storage"
    assert "google.storage" in finding.message and "google-storage 1.0" in finding.message
    assert finding.fixes[0].commands[0][-1].endswith("google/__init__.py")


def test_an_init_that_a_distribution_brought(env: Env, more: Path) -> None:
    env.dist("old-google", "0.5", files={"google/__init__.py": "x = 1\n", "google/old.py": ""})
    env.dist("google-storage", files={"google/storage.py": ""}, site=more)
    assert not env.imports("google.storage")
    finding = only(diagnose(env.prefix, "PKG015"), "PKG015")
    assert "old-google" in [s.name for s in finding.subjects]
    assert finding.fixes[0].safety == "manual"


def test_an_init_two_levels_down(env: Env, more: Path) -> None:
    env.dist("google-auth", files={"google/cloud/auth.py": ""})
    env.dist("google-storage", files={"google/cloud/storage.py": ""}, site=more)
    assert env.imports("google.cloud.storage")
    (env.site / "google/cloud/__init__.py").write_text("")
    assert not env.imports("google.cloud.storage")
    assert "google/cloud/__init__.py" in only(diagnose(env.prefix, "PKG015"), "PKG015").message


def test_a_later_init_hides_the_portion_of_an_earlier_folder(env: Env, more: Path) -> None:
    """The import system takes the first regular package, wherever namespace portions stand."""
    env.dist("google-storage", files={"google/storage.py": ""})
    env.dist("old-google", files={"google/__init__.py": "", "google/old.py": ""}, site=more)
    assert not env.imports("google.storage")
    assert only(diagnose(env.prefix, "PKG015"), "PKG015").subjects[1].name == "google-storage"


def test_within_one_folder_it_hides_nothing(env: Env) -> None:
    env.dist("google-auth", files={"google/auth.py": ""})
    env.dist("google-storage", files={"google/storage.py": ""})
    (env.site / "google/__init__.py").write_text("")
    assert env.imports("google.storage") and env.imports("google.auth")
    assert diagnose(env.prefix, "PKG015") == []


@pytest.mark.parametrize(
    "init",
    [
        "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n",
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
        (
            "try:\n    __import__('pkg_resources').declare_namespace(__name__)\nexcept ImportError:\n"
            "    __path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
        ),
    ],
)
def test_old_style_namespaces(env: Env, more: Path, init: str) -> None:
    env.dist("ns-one", files={"ns/__init__.py": init, "ns/one.py": ""})
    env.dist("ns-two", files={"ns/__init__.py": init, "ns/two.py": ""}, site=more)
    assert env.imports("ns.one") and env.imports("ns.two")
    assert diagnose(env.prefix, "PKG015") == []


def test_an_ordinary_package_in_two_folders(env: Env, more: Path) -> None:
    env.dist("alpha", "2.0", files={"alpha/__init__.py": "", "alpha/new.py": ""})
    env.dist("alpha", "1.0", files={"alpha/__init__.py": "", "alpha/old.py": ""}, site=more)
    assert diagnose(env.prefix, "PKG015") == []


def test_what_no_distribution_owns(env: Env, more: Path) -> None:
    env.dist("alpha", files={"alpha/__init__.py": ""})
    (more / "alpha").mkdir()
    (more / "alpha/extra.py").write_text("")
    assert diagnose(env.prefix, "PKG015") == []


def test_the_same_folder_twice_on_the_path(env: Env, tmp_path: Path) -> None:
    env.dist("google-auth", files={"google/auth.py": ""})
    (env.site / "google/__init__.py").write_text("")
    (tmp_path / "link").symlink_to(env.site)
    (env.site / "link.pth").write_text(f"{tmp_path / 'link'}\n")
    assert diagnose(env.prefix, "PKG015") == []


def test_the_later_copy_is_not_worse(env: Env, more: Path) -> None:
    """What the visible package has, too, is not hidden."""
    env.dist("alpha", files={"alpha/__init__.py": "", "alpha/core.py": ""})
    env.dist("beta", files={"alpha/core.py": ""}, site=more)
    assert diagnose(env.prefix, "PKG015") == []


def test_the_projects_own_tests_before_those_that_a_wheel_left(env: Env, tmp_path: Path) -> None:
    """Nobody imports the wheel's; and nothing of the project is to be deleted."""
    env.dist("converter", files={"converter/__init__.py": "", "tests/common.py": ""})
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    (project / "tests/__init__.py").write_text("")
    environ = {"PATH": "/nonexistent", "PYTHONPATH": str(project)}
    finding = only(diagnose(env.prefix, "PKG015", environ=environ), "PKG015")
    assert finding.severity == "info" and finding.fixes[0].safety == "manual" and not finding.fixes[0].commands
    env.dist("google-storage", files={"google/storage.py": ""})
    (project / "google").mkdir()
    (project / "google/__init__.py").write_text("")
    found = {f.message.partition("/__init__")[0].rpartition("/")[2]: f for f in diagnose(env.prefix, "PKG015", environ=environ)}
    assert found["google"].severity == "error" and found["google"].fixes[0].safety == "manual"
