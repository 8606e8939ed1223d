"""Facts of a project folder: every kind of manifest, and bad ones. Nothing is executed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.collect import project
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import Project, Target


def facts(root: Path) -> Project:
    target = Target(prefix="/none", kind="venv", chosen_by="test")
    found = project.collect(Scene(target, "/none", project_root=str(root)))
    assert found is not None
    return found


def test_no_project() -> None:
    assert project.collect(Scene(Target(prefix="/none", kind="venv", chosen_by="test"), "/none")) is None


def test_pep621(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "My.Tool"\nrequires-python = ">=3.10,<3.13"\ndependencies = ["numpy>=2", "rich"]\n'
        '[build-system]\nrequires = ["maturin>=1.5"]\nbuild-backend = "maturin"\n'
        '[tool.uv]\n[tool.maturin]\nmodule-name = "my_tool._core"\n'
    )
    (tmp_path / "src/my_tool").mkdir(parents=True)
    (tmp_path / "src/other.py").write_text("")
    (tmp_path / "uv.lock").write_text("")
    (tmp_path / "pylock.dev.toml").write_text("")
    found = facts(tmp_path)
    assert (found.name, found.requires_python) == ("My.Tool", ">=3.10,<3.13")
    assert found.requires_python_from == "pyproject.toml [project] requires-python"
    assert found.requirements == ("numpy>=2", "rich")
    assert found.build_requires == ("maturin>=1.5",)
    assert (found.build_backend, found.setup_py, found.manages) == ("maturin", False, ("uv",))
    assert found.locks == ("pylock.dev.toml", "uv.lock")
    assert set(found.packages) == {"My_Tool", "my_tool", "other"}


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("^3.9", ">=3.9,<4"),
        ("^0.3", ">=0.3,<0.4"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", ">=0,<1"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2"),
        ("~=1.2", "~=1.2"),
        (">=3.8, <3.12", ">=3.8,<3.12"),
        ("3.11", "==3.11"),
        ("*", ""),
        ("^2.7 || ^3.6", None),
    ],
)
def test_poetry_constraints(constraint: str, expected: str | None) -> None:
    assert project.pep440(constraint) == expected


def test_poetry(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.poetry]\nname = "old-app"\npackages = [{include = "app", from = "lib"}]\n'
        '[tool.poetry.dependencies]\npython = "^3.9"\nrequests = "^2.31"\nnumpy = {version = ">=1", optional = true}\n'
    )
    (tmp_path / "lib/app").mkdir(parents=True)
    found = facts(tmp_path)
    assert (found.name, found.requires_python, found.manages) == ("old-app", ">=3.9,<4", ("poetry",))
    assert found.requirements == ("requests>=2.31,<3",)
    assert "app" in found.packages


def test_setuptools_without_running_it(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text(
        "import os, setuptools\nopen('ran', 'w').close()\n"
        "setuptools.setup(name='legacy', python_requires='>=3.6', install_requires=['six'], packages=['legacy', 'legacy.sub'],\n"
        "  py_modules=['single'], version=os.environ['X'])\n"
    )
    found = facts(tmp_path)
    assert not (tmp_path / "ran").exists()
    assert (found.name, found.requires_python, found.requirements) == ("legacy", ">=3.6", ("six",))
    assert found.requires_python_from == "setup.py line 3: python_requires"
    assert set(found.packages) == {"legacy", "single"}
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = newer\n[options]\npython_requires = >=3.8\npackages = find:\n")
    found = facts(tmp_path)
    assert (found.name, found.requires_python) == ("newer", ">=3.8")


def test_pipfile_pin_and_conda(tmp_path: Path) -> None:
    (tmp_path / "Pipfile").write_text('[packages]\nflask = "*"\n[requires]\npython_version = "3.11"\n')
    (tmp_path / ".python-version").write_text("3.12.1\n")
    (tmp_path / "environment.yml").write_text("# made by hand\nname: science  # the name\ndependencies:\n  - python=3.11\n")
    found = facts(tmp_path)
    assert (found.name, found.requires_python, found.python_pin) == ("science", "==3.11.*", "3.12.1")


def test_requirement_files(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# c\n-r other.txt\nnumpy>=1.2 # why\nrich ; python_version>'3'\n")
    (tmp_path / "requirements-dev.txt").write_text("pytest\n")
    (tmp_path / "requirements-lock.txt").write_text("six==1.16 --hash=sha256:00\n")
    (tmp_path / "notes.txt").write_text("x")
    found = facts(tmp_path)
    assert found.requirements == ("numpy>=1.2", "rich ; python_version>'3'")
    assert found.requirement_sources == ("requirements-dev.txt", "requirements.txt")
    assert found.locks == ("requirements-lock.txt",)


def test_entries(tmp_path: Path) -> None:
    for folder in ("pkg", "data", "nested/deep", ".git", "with-dash", ".venv", "env"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pkg/__init__.py").write_text("")
    (tmp_path / "nested/module.py").write_text("")
    (tmp_path / "env/pyvenv.cfg").write_text("")
    (tmp_path / "random.py").write_text("")
    (tmp_path / "README.md").write_text("")
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "loop.py").symlink_to("loop.py")
    entries = {e.name: e for e in facts(tmp_path).entries}
    assert set(entries) == {"pkg", "data", "nested", "random.py", "gone", "loop.py"}
    assert entries["pkg"].has_init
    assert (entries["data"].has_init, entries["data"].has_modules) == (False, False)
    assert (entries["nested"].has_init, entries["nested"].has_modules) == (False, True)
    assert entries["gone"].type == entries["loop.py"].type == "broken-link"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b'[project]\nname = "x\n', "line 2"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x = " + b"[" * 20_000, "deeply"),
        (b"x = 1\n" * 400_000, "larger than"),
        (b"x = " + b"9" * 5000, "not TOML"),
    ],
)
def test_broken_pyproject(tmp_path: Path, content: bytes, word: str) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    (problem,) = facts(tmp_path).problems
    assert problem.startswith("pyproject.toml: ")
    assert word in problem


def test_hostile_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pyproject.toml")
    os.mkfifo(tmp_path / "requirements.txt")
    (tmp_path / "setup.py").write_text("setup(" * 5000)
    (tmp_path / "setup.cfg").write_text("no section\n")
    (tmp_path / "Pipfile").mkdir()
    (tmp_path / os.fsdecode(b"bad\xff.py")).write_text("")
    found = facts(tmp_path)
    assert len(found.problems) == 5
    assert "bad\\xff.py" in {entry.name for entry in found.entries}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["project", "tool", "build-system", "dependency-groups"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["name", "requires", "poetry", "dependencies", "packages", "setuptools", "hatch", "build", "where"]),
        inner,
        max_size=3,
    ),
    max_leaves=12,
)))  # fmt: skip
def test_any_shape_of_tables(tmp_path: Path, document: dict[str, object]) -> None:
    """A manifest whose tables and values have other types than expected is read without an exception."""
    reader = project._Facts(str(tmp_path))
    original = project.load
    try:
        project.load = lambda path: (document, None)  # type: ignore[assignment,misc]
        reader.pyproject()
        reader.own_packages(())
    finally:
        project.load = original
