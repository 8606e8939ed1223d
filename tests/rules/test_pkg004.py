"""PKG004 duplicate-distribution."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.builders import Env, venv
from tests.support import diagnose, only

NOBODY = {"PATH": "/nonexistent", "HOME": "/nonexistent"}


def test_two_versions_in_one_folder(env: Env) -> None:
    env.dist("alpha", "1.0")
    env.dist("alpha", "2.0")  # the files are those of 2.0, as after an upgrade that left the old metadata
    found = only(diagnose(env.prefix, "PKG004"), "PKG004")
    assert found.severity == "error"
    assert "twice" in found.message and "1.0 and 2.0" in found.message
    assert [(s.name, s.version) for s in found.subjects] == [("alpha", "1.0"), ("alpha", "2.0")]


def test_the_one_whose_files_are_there_is_kept(env: Env) -> None:
    env.dist("alpha", "1.0", files={"alpha/__init__.py": "", "alpha/old.py": "x = 1\n"})
    shutil.rmtree(env.site / "alpha")
    env.dist("alpha", "0.9", files={"alpha/__init__.py": "", "alpha/other.py": "y = 10\n"})
    fix = only(diagnose(env.prefix, "PKG004"), "PKG004").fixes[0]
    assert fix.safety == "safe"
    assert fix.commands[0][-1].endswith("alpha-1.0.dist-info")
    assert fix.commands[1][-1] == "alpha==0.9"


def test_names_are_compared_normalized(env: Env) -> None:
    env.dist("Foo.Bar", "1.0", folder="Foo.Bar-1.0.dist-info", files={"foo_bar.py": ""})
    env.dist("foo-bar", "2.0", files={})
    assert only(diagnose(env.prefix, "PKG004"), "PKG004").subjects[0].name == "foo-bar"


def test_the_same_version_twice_is_a_warning(env: Env) -> None:
    env.dist("foo-bar", "1.0", files={})
    (env.site / "foo_bar-1.0.egg-info").mkdir()
    (env.site / "foo_bar-1.0.egg-info" / "PKG-INFO").write_text("Metadata-Version: 1.1\nName: foo-bar\nVersion: 1.0\n")
    assert only(diagnose(env.prefix, "PKG004"), "PKG004").severity == "warning"


def test_an_empty_metadata_folder_beside_a_whole_one(env: Env) -> None:
    env.dist("alpha", "2.0")
    (env.site / "alpha-1.0.dist-info").mkdir()
    found = diagnose(env.prefix, "PKG004", "PKG009")
    assert only(found, "PKG004").severity == "error"
    assert only(found, "PKG004").fixes[0].commands[0][-1].endswith("alpha-1.0.dist-info")
    assert "METADATA: missing" in only(found, "PKG009").message


def test_across_folders_is_a_warning_about_the_one_that_counts(env: Env, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    env.dist("alpha", "2.0")
    env.dist("alpha", "1.0", site=other)
    (env.site / "other.pth").write_text(f"{other}\n")
    assert env.run("-c", "import importlib.metadata as m; print(m.version('alpha'))").stdout.strip() == "2.0"
    found = only(diagnose(env.prefix, "PKG004"), "PKG004")
    assert (found.severity, found.subjects[0].version) == ("warning", "2.0")
    found = only(diagnose(env.prefix, "PKG004", environ={**NOBODY, "PYTHONPATH": str(other)}), "PKG004")
    assert (found.severity, found.subjects[0].version) == ("warning", "1.0")


@pytest.mark.parametrize(("name", "severity"), [("pip", "info"), ("alpha", "warning")])
def test_the_own_pip_beside_that_of_the_base_is_by_design(tmp_path: Path, name: str, severity: str) -> None:
    base = venv(tmp_path / "base")
    base.dist(name, "1.0")
    child = venv(tmp_path / "child")
    (child.site / "base.pth").write_text(f"{base.site}\n")
    child.dist(name, "2.0")
    assert only(diagnose(child.prefix, "PKG004"), "PKG004").severity == severity


def test_one_distribution_once(env: Env) -> None:
    env.dist("alpha", "1.0")
    env.dist("alpha-stubs", "1.0")
    env.dist("alphabet", "1.0")
    if not (env.prefix / "lib64").exists():
        (env.prefix / "lib64").symlink_to("lib")
    assert diagnose(env.prefix, "PKG004") == []


def source_tree(folder: Path, version: str = "0.1") -> Path:
    (folder / "proj").mkdir(parents=True)
    (folder / "proj" / "__init__.py").write_text("")
    info = folder / "proj.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: proj\nVersion: {version}\n")
    (info / "top_level.txt").write_text("proj\n")
    return folder


@pytest.mark.parametrize("layout", ["flat", "src", "finder"])
def test_an_editable_and_its_source_are_one_install(env: Env, tmp_path: Path, layout: str) -> None:
    project = tmp_path / "project"
    source = source_tree(project / "src" if layout == "src" else project, "0.2")
    files = {"__editable__.proj-0.1.pth": f"{source}\n"}
    if layout == "finder":
        files = {
            "__editable__.proj-0.1.pth": "import __editable___proj_0_1_finder; __editable___proj_0_1_finder.install()\n",
            "__editable___proj_0_1_finder.py": f"MAPPING: dict[str, str] = {{'proj': {str(source / 'proj')!r}}}\n"
            "NAMESPACES: dict[str, list[str]] = {}\ndef install(): pass\n",
        }
    env.dist("proj", "0.1", files=files, direct_url=f'{{"url": "file://{project}", "dir_info": {{"editable": true}}}}')
    assert diagnose(env.prefix, "PKG004") == []
    assert diagnose(env.prefix, "PKG004", environ={**NOBODY, "PYTHONPATH": str(source)}) == []


def test_an_egg_link_and_its_source_are_one_install(env: Env, tmp_path: Path) -> None:
    source = source_tree(tmp_path / "project")
    (env.site / "proj.egg-link").write_text(f"{source}\n.")
    (env.site / "easy-install.pth").write_text(f"{source}\n")
    assert env.imports("proj")
    assert diagnose(env.prefix, "PKG004") == []


def test_an_egg_link_beside_a_real_install_is_two(env: Env, tmp_path: Path) -> None:
    source = source_tree(tmp_path / "project")
    (env.site / "proj.egg-link").write_text(f"{source}\n.")
    (env.site / "easy-install.pth").write_text(f"{source}\n")
    env.dist("proj", "1.0")
    assert only(diagnose(env.prefix, "PKG004"), "PKG004").severity == "error"


def test_an_environment_that_overrides_much_of_its_base_is_one_finding(tmp_path: Path) -> None:
    """As a venv with `--system-site-packages` on Debian; made as virtualenv 16 did, whose base can be anywhere."""
    base, child = Env(tmp_path / "base"), Env(tmp_path / "child")
    for each in (base, child):
        (each.prefix / "lib/python3.8/site-packages").mkdir(parents=True)
        (each.prefix / "lib/python3.8/os.py").write_text("")
        (each.prefix / "bin").mkdir()
        (each.prefix / "bin/python").write_bytes(b"\x7fELF" + bytes(60))
    (child.prefix / "lib/python3.8/orig-prefix.txt").write_text(str(base.prefix))
    names = ["alpha", "beta", "delta", "gamma"]
    for name in names:
        child.dist(name, "2.0")
        base.dist(name, "1.0")
    finding = only(diagnose(child.prefix, "PKG004", probe=False), "PKG004")
    assert (finding.severity, [s.name for s in finding.subjects]) == ("warning", names)
    assert "alpha: 2.0 hides 1.0" in finding.evidence
    shutil.rmtree(base.site / "alpha-1.0.dist-info")
    assert len(diagnose(child.prefix, "PKG004", probe=False)) == 3
