"""Locks that uv itself makes from an index of small wheels, environments that it installs from them, and the fixes executed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from envdoctor.finding import Finding
from tests.lock.index import Index, small, wheel
from tests.support import report_of, snapshot_of

pytest.importorskip("uv")


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    made = small()
    made.add(wheel("tester", "1.0", requires=["helper"]), wheel("helper", "1.0"), wheel("writer", "1.0", requires=["alpha"]))
    made.add(wheel("torch", "2.0+cpu"), wheel("torch", "2.0+gpu", requires=["driver"]), wheel("driver", "9.0"))
    with made.served() as served:
        yield served


class Project:
    """A project that uv manages."""

    def __init__(self, folder: Path, index: Index) -> None:
        from uv import find_uv_bin

        self.folder, self.program = folder, find_uv_bin()
        folder.mkdir()
        (folder / ".git").mkdir()
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_", "VIRTUAL_ENV", "CONDA"))}
        self.environ = clean | {
            "UV_DEFAULT_INDEX": index.url,
            "UV_LINK_MODE": "copy",
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": str(folder.parent / "cache"),
        }

    @property
    def prefix(self) -> Path:
        return self.folder / ".venv"

    def write(self, text: str) -> None:
        head = '[project]\nname = "demo"\nversion = "0.1.0"\nrequires-python = ">=3.10"\n'
        (self.folder / "pyproject.toml").write_text(head + text)

    def uv(self, *words: str) -> None:
        """Runs uv. What it installs into is always named: it must never be the environment that these tests run in."""
        if words[0] == "pip" and words[1] != "compile" and "--python" not in words:
            words = (*words[:2], "--python", str(self.prefix), *words[2:])
        elif words[0] in ("sync", "lock", "venv") or words[1:2] == ("compile",):
            words = (*words, "--python", sys.executable)
        done = subprocess.run(
            [self.program, *words], cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr

    def found(self, prefix: Path | None = None) -> list[Finding]:
        """What the rules say, and that nothing else calls the environment broken. The index is plain http, on this machine."""
        report = report_of(snapshot_of(prefix or self.prefix, cwd=self.folder))
        return [f for f in report.findings if f.code.startswith("LCK")]

    def mend(self, finding: Finding) -> None:
        """Executes the first fix."""
        for argv in finding.fixes[0].commands:
            assert argv[0] == "uv"
            self.uv(*argv[1:])


@pytest.fixture
def project(tmp_path: Path, index: Index) -> Project:
    return Project(tmp_path / "demo", index)


NEEDS = """dependencies = ["app[net]", "alpha<2"]
[project.optional-dependencies]
docs = ["writer"]
[dependency-groups]
dev = ["tester"]
"""


def short(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(f.code, f.severity, f.subjects[0].name) for f in findings]


def test_what_uv_installs_is_what_the_lock_says(project: Project) -> None:
    """With and without groups and extras; and after each damage what uv's own command mends."""
    project.write(NEEDS)
    project.uv("sync")
    assert project.found() == []
    project.uv("sync", "--no-dev")
    assert project.found() == []
    project.uv("sync", "--all-extras")
    assert project.found() == []
    project.uv("pip", "uninstall", "socks", "tester", "native")
    project.uv("pip", "install", "alpha==1.0", "colour")
    found = project.found()
    assert short(found) == [
        ("LCK004", "error", "native"),
        ("LCK004", "error", "socks"),
        ("LCK004", "error", "tester"),
        ("LCK005", "error", "alpha"),
        ("LCK006", "warning", "colour"),
    ]
    assert "for other platforms only" in found[-1].message
    project.mend(found[0])
    assert short(project.found()) == [("LCK006", "warning", "colour")]


def test_a_manifest_that_changed(project: Project) -> None:
    project.write(NEEDS)
    project.uv("sync")
    project.write(NEEDS.replace("dependencies = [", "# why\ndependencies = [\n  ", 1))
    assert project.found() == []
    project.write(NEEDS.replace('"alpha<2"', '"alpha<2", "built"'))
    found = project.found()
    assert short(found) == [("LCK002", "error", "uv.lock")]
    project.mend(found[0])
    assert short(project.found()) == [("LCK004", "error", "built"), ("LCK009", "warning", "built")]


CONFLICT = """dependencies = ["alpha"]
[project.optional-dependencies]
cpu = ["torch==2.0+cpu"]
gpu = ["torch==2.0+gpu"]
[tool.uv]
conflicts = [[{ extra = "cpu" }, { extra = "gpu" }]]
"""


@pytest.mark.parametrize("extra", ["cpu", "gpu"])
def test_extras_that_exclude_each_other(project: Project, extra: str) -> None:
    project.write(CONFLICT)
    project.uv("sync", "--extra", extra)
    assert project.found() == []
    if extra == "gpu":
        project.uv("pip", "uninstall", "driver")
        assert short(project.found()) == [("LCK004", "error", "driver")]


@pytest.mark.parametrize("group", [None, "old", "new"])
def test_groups_that_exclude_each_other_over_what_the_project_needs(project: Project, group: str | None) -> None:
    """uv writes markers that hold where both are chosen, into edges that have nothing to do with them (``colour``)."""
    project.write(
        """dependencies = ["alpha", "app"]
[dependency-groups]
old = ["alpha<1.1"]
new = ["alpha>=1.1"]
[tool.uv]
conflicts = [[{ group = "old" }, { group = "new" }]]
"""
    )
    project.uv("sync", *(["--group", group] if group else []))
    assert project.found() == []


def test_an_extra_of_a_member_that_is_not_asked_for(project: Project) -> None:
    """The member needs nothing that the project does not need: whether it is installed says nothing of its extra."""
    project.write('dependencies = ["helper"]\n[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    member = project.folder / "packages" / "part"
    member.mkdir(parents=True)
    (member / "pyproject.toml").write_text(
        '[project]\nname = "part"\nversion = "0.1.0"\nrequires-python = ">=3.10"\ndependencies = ["helper"]\n'
        '[project.optional-dependencies]\nmore = ["socks"]\n'
    )
    project.uv("sync")
    assert project.found() == []
    project.uv("sync", "--all-packages", "--all-extras")
    assert project.found() == []


def test_a_workspace(project: Project) -> None:
    project.write('dependencies = ["alpha"]\n[tool.uv.workspace]\nmembers = ["packages/*"]\n')
    member = project.folder / "packages" / "part"
    member.mkdir(parents=True)
    (member / "pyproject.toml").write_text(
        '[project]\nname = "part"\nversion = "0.1.0"\nrequires-python = ">=3.10"\ndependencies = ["helper"]\n'
    )
    project.uv("sync")
    assert project.found() == []
    project.uv("sync", "--all-packages")
    assert project.found() == []


def test_only_groups_without_the_project(project: Project) -> None:
    """``--only-group``: what the project itself needs is not wanted. One package that was removed is still missed."""
    project.write(
        'dependencies = ["app", "alpha"]\n[project.optional-dependencies]\nnet = ["socks", "helper"]\n'
        '[dependency-groups]\ndev = ["tester"]\ndocs = ["helper"]\n'
    )
    for words in (("--only-group", "docs"), ("--only-dev",), ("--only-group", "docs", "--only-group", "dev")):
        project.uv("sync", *words)
        assert project.found() == []
    project.uv("sync", "--no-dev", "--group", "docs")
    assert project.found() == []  # helper is there for docs: that is no sign of the extra net
    project.uv("sync")
    project.uv("pip", "uninstall", "alpha")
    assert short(project.found()) == [("LCK004", "error", "alpha")]


def test_groups_that_exclude_those_which_include_others(project: Project) -> None:
    """uv writes what follows for the including group into the lock, too; and a shared package is no sign of that group."""
    project.write(
        '[dependency-groups]\na = ["torch==2.0+cpu"]\nb = ["torch==2.0+gpu"]\nc = [{include-group = "a"}, "alpha"]\n'
        '[tool.uv]\nconflicts = [[{group = "a"}, {group = "b"}]]\n'
    )
    for group in ("a", "b", "c"):
        project.uv("sync", "--group", group)
        assert project.found() == []
    path = project.folder / "pyproject.toml"
    path.write_text(path.read_text().replace('[{group = "a"}, {group = "b"}]', '[{group = "b"}, {group = "c"}]'))
    assert short(project.found()) == [("LCK002", "error", "uv.lock")]


def test_one_member_of_a_workspace(project: Project) -> None:
    """``--package``: the root is no distribution, and what it needs is not wanted; conflicts may stand with a member."""
    project.write(
        'dependencies = ["alpha", "core"]\n[tool.uv.workspace]\nmembers = ["core", "part"]\n'
        "[tool.uv.sources]\ncore = { workspace = true }\n"
    )
    conflict = (
        '[project.optional-dependencies]\ncpu = ["torch==2.0+cpu"]\ngpu = ["torch==2.0+gpu"]\n'
        '[tool.uv]\nconflicts = [[{ extra = "cpu" }, { extra = "gpu" }]]\n'
    )
    for name, needs, more in (("core", "", conflict), ("part", '"helper"', "")):
        member = project.folder / name
        member.mkdir(parents=True)
        (member / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "0.1.0"\nrequires-python = ">=3.10"\ndependencies = [{needs}]\n{more}'
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        )
        (member / "backend.py").write_text(BACKEND.format(name=name))
    project.uv("sync")
    assert project.found() == []
    project.uv("pip", "uninstall", "alpha")
    assert short(project.found()) == [("LCK004", "error", "alpha")]
    project.uv("sync", "--package", "part")
    assert project.found() == []


BACKEND = """
import zipfile
def build_editable(folder, config=None, metadata=None):
    name = "{name}-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as made:
        made.writestr("{name}-0.1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 0.1.0\\n")
        made.writestr("{name}-0.1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        made.writestr("{name}-0.1.0.dist-info/RECORD", "")
    return name
"""


def test_an_environment_in_a_container_and_one_of_something_else(project: Project, tmp_path: Path) -> None:
    project.write(NEEDS)
    project.uv("lock")
    elsewhere = tmp_path / "opt-venv"
    project.environ["UV_PROJECT_ENVIRONMENT"] = str(elsewhere)
    project.uv("sync", "--no-dev")
    project.uv("pip", "uninstall", "--python", str(elsewhere), "socks")
    assert short(project.found(elsewhere)) == [("LCK004", "error", "socks")]
    other = tmp_path / "other"
    project.uv("venv", str(other))
    project.uv("pip", "install", "--python", str(other), "alpha==2.0", "helper")
    assert project.found(other) == []


def test_pylock_and_requirements(project: Project) -> None:
    """Made by uv for all platforms, installed by uv, checked; then damaged and mended by the fix."""
    project.write('dependencies = ["app[net]", "alpha<2"]\n')
    for name, words in (("pylock.toml", ["--format", "pylock.toml"]), ("requirements.txt", ["--generate-hashes"])):
        project.uv("pip", "compile", "pyproject.toml", "--universal", *words, "-o", name)
        project.uv("venv", "--clear", ".venv")
        project.uv("pip", "sync", "--preview", name)
        assert project.found() == [], name
        project.uv("pip", "uninstall", "native")
        found = project.found()
        assert short(found) == [("LCK004", "error", "native")]
        project.mend(found[0])
        assert project.found() == []
        (project.folder / name).unlink()


def test_a_direct_reference(project: Project, index: Index) -> None:
    """A wheel by its URL: its hash is in the lock and in direct_url.json."""
    name = "helper-1.0-py3-none-any.whl"
    project.write(f'dependencies = ["helper @ {index.file_url(name)}"]\n')
    project.uv("sync")
    assert project.found() == []
    path = next(project.prefix.glob("lib/*/site-packages/helper-1.0.dist-info/direct_url.json"))
    direct = json.loads(path.read_text())
    path.write_text(json.dumps(direct | {"archive_info": {"hash": f"sha256={'0' * 64}"}}))
    assert short(project.found()) == [("LCK007", "error", "helper")]
