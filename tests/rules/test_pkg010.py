"""PKG010 editable-source-missing, in every form that installers leave; tests/real/test_editables.py lets them do it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.builders import Env
from tests.support import diagnose, only, report_of, snapshot_of


def project(folder: Path, *, src: bool = False) -> Path:
    """A project with the package ``proj``; returns the folder that an import path would name."""
    source = folder / "src" if src else folder
    (source / "proj").mkdir(parents=True)
    (source / "proj" / "__init__.py").write_text("value = 1\n")
    return source


def direct(folder: Path) -> str:
    return f'{{"url": "file://{folder}", "dir_info": {{"editable": true}}}}'


FINDER = """
import sys
from importlib.util import spec_from_file_location
MAPPING: dict[str, str] = {mapping!r}
NAMESPACES: dict[str, list[str]] = {{}}
class F:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in MAPPING:
            return spec_from_file_location(name, MAPPING[name] + "/__init__.py")
def install():
    sys.meta_path.append(F)
"""


def plant(env: Env, folder: Path, style: str) -> Path:
    """An editable install of a project in `folder`, the way each tool leaves it; returns the source folder."""
    source = project(folder, src=style in ("src", "hatchling"))
    files: dict[str, str] = {}
    if style in ("flat", "src"):
        files = {"__editable__.proj-0.1.pth": str(source)}
    elif style in ("hatchling", "uv"):
        files = {"_proj.pth": str(source)}
    elif style == "pdm":
        files = {"proj.pth": f"{source}\n"}
    elif style == "finder":
        files = {
            "__editable__.proj-0.1.pth": "import __editable___proj_0_1_finder; __editable___proj_0_1_finder.install()",
            "__editable___proj_0_1_finder.py": FINDER.format(mapping={"proj": str(source / "proj")}),
        }
    elif style == "egg-link":
        (env.site / "proj.egg-link").write_text(f"{source}\n.")
        (env.site / "easy-install.pth").write_text(f"{source}\n")
        (source / "proj.egg-info").mkdir()
        (source / "proj.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: proj\nVersion: 0.1\n")
        return source
    env.dist("proj", "0.1", files=files, direct_url=direct(folder), installer="uv" if style == "uv" else "pip")
    return source


STYLES = ("flat", "src", "hatchling", "uv", "pdm", "finder", "egg-link")


@pytest.mark.parametrize("style", STYLES)
def test_gone_and_back(env: Env, tmp_path: Path, style: str) -> None:
    folder = tmp_path / "work" / "project"
    source = plant(env, folder, style)
    assert env.imports("proj")
    assert diagnose(env.prefix, "PKG010") == []
    folder.rename(tmp_path / "work" / "moved")
    assert not env.imports("proj")
    found = only(diagnose(env.prefix, "PKG010"), "PKG010")
    assert (found.severity, found.confidence) == ("error", "certain")
    assert (found.subjects[0].kind, found.subjects[0].name) == ("distribution", "proj")
    assert any(str(source) in line for line in found.evidence)
    assert found.fixes[0].safety == "manual"
    (tmp_path / "work" / "moved").rename(folder)
    assert diagnose(env.prefix, "PKG010") == []


def test_finder_with_one_of_two_packages_gone(env: Env, tmp_path: Path) -> None:
    source = project(tmp_path / "project")
    mapping = {"proj": str(source / "proj"), "other": str(source / "other")}
    env.dist(
        "proj",
        "0.1",
        files={"__editable__.proj-0.1.pth": "import x", "__editable___proj_0_1_finder.py": FINDER.format(mapping=mapping)},
        direct_url=direct(source),
    )
    assert "part of the source" in only(diagnose(env.prefix, "PKG010"), "PKG010").message


def test_finder_that_cannot_be_read(env: Env, tmp_path: Path) -> None:
    source = project(tmp_path / "project")
    env.dist(
        "proj",
        "0.1",
        files={"__editable__.proj-0.1.pth": "import x", "__editable___proj_0_1_finder.py": "MAPPING = {nonsense"},
        direct_url=direct(source),
    )
    assert "cannot be read" in only(diagnose(env.prefix, "PKG010"), "PKG010").message


@pytest.mark.parametrize(
    ("source", "drive"),
    [("/mnt/data/proj", "/mnt/data"), ("/run/media/me/stick/proj", "/run/media/me"), ("/Volumes/Work/proj", "/Volumes/Work")],
)
def test_a_drive_that_is_not_mounted(env: Env, source: str, drive: str) -> None:
    env.dist(
        "proj", "0.1", files={"_proj.pth": source}, direct_url=f'{{"url": "file://{source}", "dir_info": {{"editable": true}}}}'
    )
    found = only(diagnose(env.prefix, "PKG010"), "PKG010")
    assert found.message.endswith(f"(is {drive} mounted?)")
    assert found.confidence == "likely" and drive in found.fixes[0].title


def test_a_single_module_is_a_source(env: Env, tmp_path: Path) -> None:
    (tmp_path / "proj.py").write_text("")
    env.dist(
        "proj",
        "0.1",
        files={
            "__editable__.proj-0.1.pth": "import x",
            "__editable___proj_0_1_finder.py": FINDER.format(mapping={"proj": str(tmp_path / "proj")}),
        },
        direct_url=direct(tmp_path),
    )
    assert diagnose(env.prefix, "PKG010") == []


def test_a_pth_of_no_editable_is_another_matter(env: Env, tmp_path: Path) -> None:
    (env.site / "mine.pth").write_text(f"{tmp_path}/nowhere\n")
    env.dist("alpha", "1.0", files={"alpha.py": "", "alpha-nspkg.pth": "import os\n"})
    assert diagnose(env.prefix, "PKG010") == []


def test_an_install_from_a_folder_that_is_no_editable(env: Env) -> None:
    env.dist("alpha", "1.0", direct_url='{"url": "file:///nowhere/alpha", "dir_info": {}}')
    assert diagnose(env.prefix, "PKG010") == []


def test_paths_of_another_machine_are_not_judged(env: Env) -> None:
    env.dist("proj", "0.1", files={"_proj.pth": "/nowhere"}, direct_url=direct(Path("/nowhere")))
    snapshot = snapshot_of(env.prefix)
    foreign = msgspec.structs.replace(snapshot, target=msgspec.structs.replace(snapshot.target, foreign=True, sysroot=None))
    report = report_of(foreign, "PKG010")
    assert report.findings == ()
    assert [c.outcome for c in report.checks if c.code == "PKG010"] == ["skipped"]
