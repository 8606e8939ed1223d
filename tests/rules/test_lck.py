"""LCK001 to LCK013 for Python: lockfiles as their tools write them, real environments beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from envdoctor.diagnose import judge
from envdoctor.finding import Finding
from envdoctor.lock import formats
from envdoctor.lock.model import LockError
from envdoctor.select import Selection
from envdoctor.snapshot import Machine, Snapshot
from tests.builders import Env, venv
from tests.conda import native_subdir
from tests.lock import made
from tests.lock.made import Conda, Package
from tests.support import diagnose, only, report_of, snapshot_of

DRIFT = ("LCK004", "LCK005", "LCK006", "LCK007")
ALPHA, BETA, GAMMA = Package("alpha"), Package("beta"), Package("gamma")
MANYLINUX = "cp38-abi3-manylinux_2_5_x86_64.manylinux1_x86_64"


class Project:
    """A project with its own environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / ".git").mkdir()
        self.env = venv(folder / ".venv")

    def put(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def install(self, *packages: Package, **options: Any) -> None:
        for package in packages:
            self.env.dist(package.name, package.version, **options)

    def uv(self, *packages: Package, **options: Any) -> None:
        """uv.lock and its manifest."""
        self.put("pyproject.toml", made.pyproject(*(package.name for package in packages)))
        self.put("uv.lock", made.uv(*packages, **options))

    def snapshot(self, **options: Any) -> Snapshot:
        return snapshot_of(options.pop("prefix", self.env.prefix), cwd=self.folder, **options)

    def found(self, *codes: str, **options: Any) -> list[Finding]:
        """Findings of these rules, of all about locks if none is named."""
        return list(report_of(self.snapshot(**options), *(codes or ("LCK",))).findings)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "demo")


def subjects(finding: Finding) -> list[tuple[str, str, str | None]]:
    return [(subject.kind, subject.name, subject.version) for subject in finding.subjects]


def short(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(f.code, f.severity, f.subjects[0].name) for f in findings]


def commands(finding: Finding) -> list[str]:
    return [" ".join(argv) for fix in finding.fixes for argv in fix.commands]


LOCKS: dict[str, Callable[..., str]] = {
    "uv.lock": made.uv,
    "pylock.toml": made.pylock,
    "poetry.lock": made.poetry,
    "requirements.txt": made.requirements,
}


# ---------------------------------------------------------------------------------------------------------------- LCK001


def test_a_merge_that_was_not_finished(project: Project) -> None:
    text = made.uv(ALPHA, BETA)
    project.put("uv.lock", text.replace("[[package]]", "<<<<<<< HEAD\n[[package]]", 1))
    found = only(project.found(), "LCK001")
    assert found.severity == "error" and subjects(found) == [("lockfile", "uv.lock", None)]
    assert found.message.startswith("uv.lock cannot be read: merge-conflict markers") and found.message.endswith("(line 5)")
    assert found.evidence[0].startswith("uv.lock:5: ")
    assert commands(found) == [
        f"git -C {project.folder} checkout --theirs -- uv.lock",
        f"uv lock --directory {project.folder}",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", "version = 7\n"),
        ("uv.lock", ""),
        ("poetry.lock", made.poetry(ALPHA)[:-150]),
        ("pylock.toml", made.pylock(ALPHA)[:-20]),
        ("Pipfile.lock", made.pipfile([ALPHA])[:-3]),
        ("pdm.lock", "[[package]]\n"),
        ("conda-lock.yml", "version: 3\n"),
        ("pixi.lock", "version: 99\nenvironments: {}\npackages: []\n"),
        ("requirements.txt", "alpha==1.0 --hash=sha256:00\n???\n"),
        ("conda-linux-64.lock", "@EXPLICIT\nhello\n"),
    ],
)
def test_locks_that_are_none(project: Project, name: str, text: str) -> None:
    project.put(name, text)
    found = only(project.found(), "LCK001")
    assert subjects(found)[0] == ("lockfile", name, None)
    assert [f.code for f in project.found() if f.severity == "error"] == ["LCK001"]


def test_files_that_are_no_locks_or_say_more_than_is_known(project: Project) -> None:
    project.put("requirements.txt", "alpha\nbeta>=2\n")
    project.put("uv.lock", "future = { a = 1 }\n" + made.uv(ALPHA))
    assert project.found("LCK001") == []


# ---------------------------------------------------------------------------------------------------------------- LCK002


def test_a_new_requirement_makes_the_lock_stale(project: Project) -> None:
    project.uv(ALPHA, BETA)
    project.install(ALPHA, BETA)
    assert project.found() == []
    project.put("pyproject.toml", made.pyproject("alpha", "beta", "gamma>=2"))
    found = only(project.found(), "LCK002")
    assert found.severity == "error" and subjects(found)[:2] == [("lockfile", "uv.lock", None), ("file", "pyproject.toml", None)]
    assert found.message.startswith("uv.lock was not made from pyproject.toml as it is now: ") and "gamma" in found.message
    assert commands(found) == [f"uv lock --directory {project.folder}"]
    assert found.fixes[0].verify == (("envdoctor", "lock", "--check", f"{project.folder}/uv.lock", "--select", "LCK002"),)


def test_comments_order_and_spelling_are_no_change(project: Project) -> None:
    project.uv(ALPHA, BETA)
    project.put("pyproject.toml", "# a comment\n" + made.pyproject("Beta", "ALPHA") + '[tool.ruff]\nselect = ["E"]\n')
    assert project.found("LCK002") == []


def test_a_stale_lock_explains_what_is_not_in_it(project: Project) -> None:
    project.uv(ALPHA)
    project.put("pyproject.toml", made.pyproject("alpha", "gamma"))
    project.install(ALPHA, GAMMA)
    found = project.found()
    assert short(found) == [("LCK002", "error", "uv.lock"), ("LCK006", "warning", "gamma")]
    assert found[1].caused_by == found[0].fingerprint


# ---------------------------------------------------------------------------------------------------------------- LCK003


def test_nothing_for_this_system(project: Project) -> None:
    project.uv(ALPHA, top="supported-markers = [\"sys_platform == 'plan9'\"]\n")
    found = only(project.found(), "LCK003")
    assert found.severity == "error" and subjects(found)[0] == ("lockfile", "uv.lock", None)
    assert "sys_platform == 'plan9'" in found.message
    project.put("pylock.toml", made.pylock(ALPHA, top="environments = [\"os_name == 'nope'\", \"python_version >= '3'\"]\n"))
    assert [f.subjects[0].name for f in project.found("LCK003")] == ["uv.lock"]


def test_nothing_for_this_python(project: Project) -> None:
    project.uv(ALPHA, python=">=4.2")
    found = only(project.found("LCK003"), "LCK003")
    assert found.message.startswith("uv.lock is for Python >=4.2, the target has 3.") and found.subjects[1].kind == "interpreter"


# ---------------------------------------------------------------------------------------------------------------- LCK004


@pytest.mark.parametrize("name", LOCKS)
def test_a_package_is_missing(project: Project, name: str) -> None:
    project.put(name, LOCKS[name](ALPHA, BETA, GAMMA))
    project.install(ALPHA, BETA)
    found = only([f for f in project.found() if f.code != "LCK010"], "LCK004")
    assert found.severity == "error" and found.message == f"gamma 1.0 is locked by {name} and not installed"
    assert subjects(found) == [("distribution", "gamma", "1.0"), ("lockfile", name, None)]
    verify = found.fixes[0].verify[0]
    assert verify == ("envdoctor", "check", "-p", str(project.env.prefix), "--project", str(project.folder), "--select", "LCK004")
    project.install(GAMMA)
    assert [f.code for f in project.found() if f.code in DRIFT] == []


def test_all_that_is_locked_is_missing(project: Project) -> None:
    """One finding for many, the packages as its subjects."""
    many = [Package(f"many-{number}") for number in range(30)]
    project.uv(*many)
    found = only(project.found(), "LCK004")
    assert found.message == "30 packages that uv.lock locks are not installed: many-0, many-1, many-2 and 27 more"
    assert subjects(found)[:2] == [("lockfile", "uv.lock", None), ("distribution", "many-0", "1.0")] and len(found.subjects) == 31
    assert commands(found) == [f"uv sync --directory {project.folder} --frozen --inexact"]


def test_a_dependency_of_a_dependency_is_missing_and_explains_it(project: Project) -> None:
    project.uv(Package("alpha", needs=("beta",)), BETA, needs=["alpha"])
    project.env.dist("alpha", "1.0", requires=["beta"])
    report = report_of(project.snapshot())
    lock, requirement = (only(list(report.findings), code) for code in ("LCK004", "PKG001"))
    assert requirement.caused_by == lock.fingerprint and lock.caused_by is None


def test_markers_platforms_and_edges(project: Project) -> None:
    """What is locked for others is not missing here; and here it is too much."""
    windows = '{ name = "beta", marker = "sys_platform == \'nope\'" }'
    project.uv(ALPHA, BETA, needs=["alpha", windows])
    project.install(ALPHA)
    assert project.found(*DRIFT) == []
    project.install(BETA)
    found = only(project.found(*DRIFT), "LCK006")
    assert found.message == "beta 1.0 is installed, and uv.lock has it for other platforms only"


def test_one_package_in_two_versions(project: Project) -> None:
    """Under markers that exclude each other; the one for here counts."""
    one = Package("alpha", "1.0", extra="", source=f'{{ registry = "{made.INDEX}" }}')
    edges = [
        '{ name = "alpha", version = "1.0", marker = "python_full_version < \'3\'" }',
        '{ name = "alpha", version = "2.0", marker = "python_full_version >= \'3\'" }',
    ]
    project.uv(one, Package("alpha", "2.0"), needs=edges)
    project.put("pyproject.toml", made.pyproject("alpha"))
    project.install(Package("alpha", "2.0"))
    assert [f for f in project.found() if f.code != "LCK002"] == []
    project2 = Project(project.folder.parent / "other")
    project2.uv(one, Package("alpha", "2.0"), needs=edges)
    project2.install(one)
    found = only(project2.found("LCK005"), "LCK005")
    assert found.message == "alpha 1.0 is installed, uv.lock locks 2.0"


GROUPS = {"dev": ["tester"], "docs": ["writer"]}
MEMBERS = (
    ALPHA,
    Package("tester", needs=("tester-core", "tester-run")),
    Package("tester-core"),
    Package("tester-run"),
    Package("writer", needs=("alpha", "writer-core")),
    Package("writer-core"),
    Package("web", needs=("web-core",)),
    Package("web-core"),
)


@pytest.mark.parametrize(
    ("installed", "missing"),
    [
        (("alpha",), []),
        (("alpha", "tester", "tester-core", "tester-run"), []),
        (("alpha", "tester", "tester-run"), ["tester-core"]),
        (("alpha", "tester-core", "tester-run"), ["tester"]),
        (("alpha", "web"), []),
        (("alpha", "web", "web-core", "writer", "writer-core"), []),
        (("web", "web-core"), ["alpha"]),
        (("alpha", "writer"), []),
    ],
)
def test_groups_and_extras_count_when_most_of_them_is_there(
    project: Project, installed: tuple[str, ...], missing: list[str]
) -> None:
    project.uv(*MEMBERS, needs=["alpha"], groups=GROUPS, extras={"net": ["web"]})
    for package in MEMBERS:
        if package.name in installed:
            project.env.dist(package.name, requires=package.needs)
    assert [f.subjects[0].name for f in project.found("LCK004")] == missing
    assert project.found("LCK005", "LCK006", "LCK007") == []


def test_the_command_keeps_the_groups_that_are_there(project: Project) -> None:
    project.uv(*MEMBERS, needs=["alpha"], groups=GROUPS, extras={"net": ["web"]})
    for package in MEMBERS[1:]:
        project.env.dist(package.name, requires=package.needs)
    found = only(project.found(), "LCK004")
    assert commands(found) == [
        f"uv sync --directory {project.folder} --frozen --inexact --group dev --group docs --extra net",
    ]


def test_groups_of_the_other_tools(project: Project) -> None:
    tester = Package("tester", groups=("dev",))
    both = Package("shared", groups=("default", "dev"))
    project.put("poetry.lock", made.poetry(ALPHA, both, tester))
    project.install(ALPHA, both)
    assert project.found(*DRIFT) == []
    (project.folder / "poetry.lock").unlink()
    project.put("Pipfile.lock", made.pipfile([ALPHA, both], [tester, Package("tester-core")]))
    assert project.found(*DRIFT) == []
    project.install(tester)
    assert project.found(*DRIFT) == []
    project.install(Package("tester-core", "2.0"))
    assert short(project.found(*DRIFT)) == [("LCK005", "error", "tester-core")]


def test_the_project_itself_is_never_compared(project: Project) -> None:
    project.uv(ALPHA)
    project.install(ALPHA)
    url = json.dumps({"url": project.folder.as_uri(), "dir_info": {"editable": True}})
    project.env.dist("demo", "9.9", direct_url=url)
    assert project.found(*DRIFT) == []
    (project.folder / "uv.lock").unlink()
    project.put("requirements.txt", made.requirements(ALPHA))
    found = only(project.found(*DRIFT), "LCK006")
    assert (found.severity, found.message) == ("info", "demo 9.9 is the project itself and not in requirements.txt")


def test_members_of_a_workspace(project: Project) -> None:
    """The root's own packages count; a member's do when it is installed."""
    member = Package("member", "0.1", ("gamma",), source='{ editable = "packages/member" }')
    text = made.uv(ALPHA, GAMMA, member, needs=["alpha"], top='[manifest]\nmembers = ["demo", "member"]\n')
    project.put("uv.lock", text)
    project.install(ALPHA)
    assert project.found(*DRIFT) == []
    url = json.dumps({"url": f"{project.folder.as_uri()}/packages/member", "dir_info": {"editable": True}})
    project.env.dist("member", "0.1", direct_url=url)
    assert short(project.found(*DRIFT)) == [("LCK004", "error", "gamma")]
    assert "--all-packages" in commands(only(project.found("LCK004"), "LCK004"))[0]


def test_a_python_that_is_not_known(project: Project) -> None:
    """Nothing is claimed about an environment whose Python cannot be told."""
    project.uv(ALPHA)
    snapshot = project.snapshot()
    blind = msgspec.structs.replace(snapshot, interpreter=msgspec.structs.replace(snapshot.interpreter, version=None))
    report = report_of(blind, *DRIFT)
    assert report.findings == () and {check.outcome for check in report.checks} == {"skipped"}


# --------------------------------------------------------------------------------------------------- which lock is meant


def test_an_environment_of_something_else(project: Project, tmp_path: Path) -> None:
    """Not one finding about what is missing there; the reason is told, and --lock compares all the same."""
    other = venv(tmp_path / "elsewhere")
    packages = [Package(f"part-{number}") for number in range(12)]
    project.uv(*packages)
    for number in range(40):
        other.dist(f"other-{number}")
    other.dist("part-1", "7.0")
    report = report_of(project.snapshot(prefix=other.prefix), *DRIFT)
    assert report.findings == ()
    assert all("--lock uv.lock compares it all the same" in (check.reason or "") for check in report.checks)
    named = project.found(*DRIFT, prefix=other.prefix, locks=[project.folder / "uv.lock"])
    assert [f.code for f in named].count("LCK004") == 11 and [f.code for f in named].count("LCK005") == 1
    assert only(named, "LCK006").subjects[0].kind == "lockfile"


def test_a_large_environment_that_happens_to_have_most_of_it(project: Project, tmp_path: Path) -> None:
    other = venv(tmp_path / "elsewhere")
    packages = [Package(f"part-{number}") for number in range(12)]
    project.uv(*packages)
    for package in packages[:10]:
        other.dist(package.name, "1.0")
    other.dist("part-10", "2.0")
    for number in range(40):
        other.dist(f"other-{number}")
    assert project.found(*DRIFT, prefix=other.prefix) == []


def test_an_environment_elsewhere_that_was_made_from_it(project: Project, tmp_path: Path) -> None:
    """By its content: a container's /opt/venv, poetry's cache."""
    other = venv(tmp_path / "elsewhere")
    packages = [Package(f"part-{number}") for number in range(6)]
    project.uv(*packages)
    for package in packages[:5]:
        other.dist(package.name, "1.0")
    found = only(project.found(*DRIFT, prefix=other.prefix), "LCK004")
    assert found.subjects[0].name == "part-5" and found.confidence == "likely"
    assert "with" in found.fixes[0].title and "--active" in commands(found)[0]


@pytest.mark.parametrize(
    ("name", "lock", "variables"),
    [
        ("demo-AbCd_f12-py3.11", "poetry.lock", {}),
        ("demo-AbCdEf12", "Pipfile.lock", {}),
        ("anywhere", "uv.lock", {"UV_PROJECT_ENVIRONMENT": "{prefix}"}),
        ("anywhere", "uv.lock", {"VIRTUAL_ENV": "{prefix}"}),
    ],
)
def test_environments_that_are_the_projects(
    project: Project, tmp_path: Path, name: str, lock: str, variables: dict[str, str]
) -> None:
    """By poetry's and pipenv's names for them, by uv's variable, or because they are active here; though nothing is installed."""
    other = venv(tmp_path / name)
    shutil.rmtree(project.folder / ".venv")
    project.put("pyproject.toml", made.pyproject("alpha"))
    project.put(lock, made.pipfile([ALPHA]) if lock == "Pipfile.lock" else LOCKS[lock](ALPHA))
    environ = {"PATH": "/nonexistent", "HOME": "/nonexistent"}
    environ |= {key: value.format(prefix=other.prefix) for key, value in variables.items()}
    found = project.found(*DRIFT, prefix=other.prefix, environ=environ)
    assert short(found) == [("LCK004", "error", "alpha")]


def test_an_active_environment_beside_the_projects_own(project: Project, tmp_path: Path) -> None:
    """Half of the names, in other versions: it is the project's only where the project has none of its own."""
    other = venv(tmp_path / "elsewhere")
    project.uv(*(Package(f"part-{number}") for number in range(6)))
    for number in range(4):
        other.dist(f"part-{number}", "0.5")
    environ = {"PATH": "/nonexistent", "HOME": "/nonexistent", "VIRTUAL_ENV": str(other.prefix)}
    assert project.found(*DRIFT, prefix=other.prefix, environ=environ) == []
    shutil.rmtree(project.folder / ".venv")
    assert {code for code, _, _ in short(project.found(*DRIFT, prefix=other.prefix, environ=environ))} == {"LCK004", "LCK005"}


def test_an_active_environment_of_something_else(project: Project, tmp_path: Path) -> None:
    other = venv(tmp_path / "elsewhere")
    project.uv(*(Package(f"part-{number}") for number in range(12)))
    for number in range(5):
        other.dist(f"other-{number}")
    environ = {"PATH": "/nonexistent", "HOME": "/nonexistent", "VIRTUAL_ENV": str(other.prefix)}
    assert project.found(*DRIFT, prefix=other.prefix, environ=environ) == []


def test_tox_has_the_project_and_not_its_lock(project: Project) -> None:
    other = venv(project.folder / ".tox" / "py311")
    project.uv(*(Package(f"part-{number}") for number in range(12)))
    url = json.dumps({"url": project.folder.as_uri(), "dir_info": {"editable": True}})
    other.dist("demo", "0.1.0", direct_url=url)
    for name in ("pytest", "pluggy", "iniconfig", "part-1"):
        other.dist(name)
    assert project.found(*DRIFT, prefix=other.prefix) == []


def test_lists_for_several_purposes(project: Project) -> None:
    """requirements.txt is installed, requirements-dev.txt is not, and then it is."""
    tester = [Package("tester"), Package("tester-core")]
    project.put("requirements.txt", made.requirements(ALPHA, BETA))
    project.put("requirements-dev.txt", made.requirements(ALPHA, BETA, *tester))
    project.install(ALPHA, BETA)
    assert project.found(*DRIFT) == []
    project.install(tester[0])
    assert project.found(*DRIFT) == []
    project.install(Package("tester-core", "3.0"))
    found = only(project.found(*DRIFT), "LCK005")
    assert subjects(found) == [("distribution", "tester-core", "3.0"), ("lockfile", "requirements-dev.txt", None)]


def test_a_lock_that_another_tool_left_behind(project: Project) -> None:
    """The environment is what uv.lock says; poetry.lock differs, which is LCK011's, and no error of the environment."""
    project.uv(ALPHA, BETA, GAMMA)
    project.put("poetry.lock", made.poetry(ALPHA, Package("beta", "0.9"), GAMMA, Package("delta")))
    project.install(ALPHA, BETA, GAMMA)
    found = project.found(*DRIFT, "LCK011")
    assert short(found) == [("LCK011", "warning", "poetry.lock")]
    assert found[0].message == "poetry.lock and uv.lock disagree about 1 package: beta (0.9 and 1.0)"


# ---------------------------------------------------------------------------------------------------------------- LCK005


@pytest.mark.parametrize("name", LOCKS)
def test_another_version(project: Project, name: str) -> None:
    project.put(name, LOCKS[name](ALPHA, BETA, GAMMA))
    project.install(ALPHA, BETA, Package("gamma", "1.1"))
    found = only([f for f in project.found() if f.code != "LCK010"], "LCK005")
    assert found.severity == "error" and found.message == f"gamma 1.1 is installed, {name} locks 1.0"
    assert subjects(found) == [("distribution", "gamma", "1.1"), ("lockfile", name, None)]
    assert found.subjects[0].path is not None and found.evidence[1].startswith(f"{name}")


@pytest.mark.parametrize("version", ["1.0.0", "1", "1.0+local.3"])
def test_the_same_version_in_other_words(project: Project, version: str) -> None:
    """A local version is the same one, and another build: LCK007."""
    project.uv(ALPHA, BETA)
    project.install(Package("alpha", version), BETA)
    assert [f.code for f in project.found(*DRIFT)] == (["LCK007"] if "+" in version else [])


def test_a_package_of_a_group_that_is_not_installed(project: Project) -> None:
    project.uv(ALPHA, *MEMBERS[1:4], needs=["alpha"], groups={"dev": ["tester"]})
    project.install(ALPHA, Package("tester-core", "3.0"))
    found = only(project.found(*DRIFT), "LCK005")
    assert found.severity == "warning" and found.message.endswith("for a group or extra that is not installed")


# ---------------------------------------------------------------------------------------------------------------- LCK006


def test_something_that_is_not_locked(project: Project) -> None:
    project.uv(ALPHA, BETA)
    project.install(ALPHA, BETA, GAMMA)
    for name in ("pip", "setuptools", "wheel"):
        project.env.dist(name)
    found = {f.subjects[0].name: f for f in project.found(*DRIFT)}
    assert {name: f.severity for name, f in found.items()} == {
        "gamma": "warning",
        "pip": "info",
        "setuptools": "info",
        "wheel": "info",
    }
    gamma = found["gamma"]
    assert gamma.message == "gamma 1.0 is installed and not in uv.lock"
    assert subjects(gamma) == [("distribution", "gamma", "1.0"), ("lockfile", "uv.lock", None)]
    assert commands(gamma)[0] == f"uv add --directory {project.folder} gamma" and "uninstall" in commands(gamma)[1]


def test_what_the_base_and_the_system_bring(tmp_path: Path) -> None:
    project = Project(tmp_path / "demo")
    outer = venv(tmp_path / "outer")
    project.uv(ALPHA)
    project.install(ALPHA)
    (project.env.site / "more.pth").write_text(f"{outer.site}\n")
    outer.dist("gamma")
    assert project.found(*DRIFT) == []


# ---------------------------------------------------------------------------------------------------------------- LCK007


@pytest.mark.parametrize(
    ("version", "direct", "words"),
    [
        ("1.0+cpu", None, "installed as 1.0+cpu, uv.lock locks 1.0"),
        (
            "1.0",
            {"url": "https://example.org/alpha-1.0-py3-none-any.whl", "archive_info": {"hash": "sha256=" + "0" * 64}},
            "installed from a file with sha256 0000000000000000…, uv.lock locks sha256",
        ),
        (
            "1.0",
            {"url": "https://example.org/alpha.git", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}},
            "installed from git+https://example.org/alpha.git at aaaaaaaaaaaa, uv.lock locks a release of it",
        ),
        (
            "1.0",
            {"url": "file:///src/alpha", "dir_info": {"editable": True}},
            "installed from the folder /src/alpha, uv.lock locks a release of it",
        ),
    ],
)
def test_another_file_of_the_same_version(project: Project, version: str, direct: dict[str, Any] | None, words: str) -> None:
    project.uv(ALPHA, BETA)
    project.install(BETA)
    project.env.dist("alpha", version, direct_url=json.dumps(direct) if direct else None)
    found = only(project.found(*DRIFT), "LCK007")
    assert found.severity == "error" and words in found.message
    assert subjects(found) == [("distribution", "alpha", version), ("lockfile", "uv.lock", None)]


def test_a_repository_at_another_commit(project: Project) -> None:
    commit, url = "b" * 40, "https://example.org/alpha.git"
    project.uv(Package("alpha", source=f'{{ git = "{url}?rev=main#{commit}" }}'), BETA)
    project.install(BETA)

    def direct(commit: str) -> str:
        return json.dumps({"url": url, "vcs_info": {"vcs": "git", "commit_id": commit}})

    info = project.env.dist("alpha", direct_url=direct(commit))
    assert project.found(*DRIFT) == []
    (info / "direct_url.json").write_text(direct("c" * 40))
    assert only(project.found(*DRIFT), "LCK007").message == (
        f"alpha 1.0 is installed from commit {'c' * 12}, uv.lock locks commit {'b' * 12}"
    )
    (info / "direct_url.json").unlink()
    assert "from an index" in only(project.found(*DRIFT), "LCK007").message


@pytest.mark.parametrize(
    "direct",
    [
        {
            "url": f"{made.HOST}/alpha-1.0-py3-none-any.whl",
            "archive_info": {"hash": f"sha256={made.digest('alpha-1.0-py3-none-any.whl')}"},
        },
        {"url": "https://mirror.example.org/alpha-1.0-py3-none-any.whl", "archive_info": {}},
        {"url": "file:///wheels/alpha-1.0-py3-none-any.whl", "archive_info": {}},
    ],
)
def test_files_that_are_the_locked_ones_or_do_not_tell(project: Project, direct: dict[str, Any]) -> None:
    project.uv(ALPHA, BETA)
    project.install(BETA)
    project.env.dist("alpha", direct_url=json.dumps(direct))
    assert project.found(*DRIFT) == []


def test_wheels_of_other_systems(project: Project) -> None:
    """Only where nothing but wheels is locked, and none is for this architecture."""
    only_wheels = Package("alpha", wheels=("cp311-cp311-win_amd64", "cp311-cp311-macosx_11_0_arm64"), sdist=False)
    project.uv(only_wheels, BETA)
    project.install(BETA)
    project.env.dist("alpha", tags=["cp311-cp311-linux_x86_64"])
    found = only(project.found("LCK007"), "LCK007")
    assert "from a wheel for cp311-cp311-linux_x86_64" in found.message
    project.uv(only_wheels._replace(sdist=True), BETA)
    assert project.found("LCK007") == []
    project.uv(only_wheels._replace(wheels=(*only_wheels.wheels, MANYLINUX)), BETA)
    assert project.found("LCK007") == []


# ---------------------------------------------------------------------------------------------------------------- LCK008


def test_no_hash(project: Project) -> None:
    project.put("requirements.txt", made.requirements(ALPHA, BETA) + "gamma==1.0\n")
    found = only(project.found("LCK008"), "LCK008")
    assert found.severity == "warning"
    assert found.message == "1 of 3 packages in requirements.txt has no hash: gamma; pip refuses to install such a file"
    assert subjects(found) == [("lockfile", "requirements.txt", None), ("distribution", "gamma", "1.0")]


def test_no_hash_in_other_formats(project: Project) -> None:
    project.put("pylock.toml", made.pylock(ALPHA)[: -len("\n")].replace(made.digest("alpha-1.0.tar.gz"), "", 1))
    bare = made.uv(ALPHA, BETA)
    bare = bare.replace(f', hash = "sha256:{made.digest("beta-1.0.tar.gz")}"', "")
    project.put("uv.lock", bare)
    found = [f for f in project.found("LCK008") if f.subjects[0].name == "uv.lock"]
    assert [s[1] for s in subjects(only(found, "LCK008"))] == ["uv.lock", "beta"]


def test_plain_http_and_moving_references(project: Project) -> None:
    branch = Package("beta", source='{ git = "https://example.org/beta.git?branch=main" }')
    project.put("uv.lock", made.uv(ALPHA, branch).replace("https://files.index.example", "http://files.index.example"))
    found = {f.message: f for f in project.found("LCK008")}
    assert (
        list(found)
        == [
            "beta in uv.lock is whatever the repository has at that time: no commit is locked",
            "uv.lock takes 1 package over plain http, which anybody on the way can change",
        ]
        or len(found) == 2
    )
    assert {s[1] for f in found.values() for s in subjects(f)} == {"uv.lock", "alpha", "beta"}


def test_what_has_no_hash_by_nature(project: Project) -> None:
    folder = Package("alpha", source='{ editable = "libs/alpha" }')
    commit = Package("beta", source=f'{{ git = "https://example.org/beta.git?rev=v1#{"b" * 40}" }}')
    local = (
        made.uv(folder, commit, GAMMA)
        .replace("https://", "http://localhost:8080/")
        .replace("http://localhost:8080/example.org", "https://example.org")
    )
    project.put("uv.lock", local)
    assert project.found("LCK008") == []


# ---------------------------------------------------------------------------------------------------------------- LCK009


def test_no_wheel_fits_and_no_source_is_locked(project: Project) -> None:
    windows = Package("alpha", wheels=("cp38-abi3-win_amd64", "cp38-abi3-macosx_11_0_arm64"), sdist=False)
    project.uv(windows, BETA)
    project.install(BETA)
    found = only(project.found("LCK009"), "LCK009")
    assert found.severity == "error" and subjects(found)[:2] == [("distribution", "alpha", "1.0"), ("lockfile", "uv.lock", None)]
    assert found.message.startswith("alpha 1.0 has no locked wheel for CPython 3.")
    assert found.message.endswith("and no source distribution is locked")
    project.uv(windows._replace(sdist=True), BETA)
    found = only(project.found("LCK009"), "LCK009")
    assert found.severity == "warning" and found.message.endswith("it has to be built from source")
    project.install(ALPHA)
    assert only(project.found("LCK009"), "LCK009").severity == "info"


def test_wheels_that_fit_and_entries_that_tell_nothing(project: Project) -> None:
    native = Package("alpha", wheels=("cp38-abi3-win_amd64", MANYLINUX, "cp38-abi3-manylinux_2_17_aarch64"), sdist=False)
    elsewhere = Package("beta", wheels=("cp38-abi3-win_amd64",), sdist=False)
    project.uv(native, elsewhere, needs=["alpha", '{ name = "beta", marker = "sys_platform == \'win32\'" }'])
    project.put("requirements.txt", made.requirements(GAMMA))
    project.put("Pipfile.lock", made.pipfile([GAMMA]))
    assert project.found("LCK009") == []


def test_another_machine(project: Project) -> None:
    """--machine: the wheels of the machine that is named; what is installed here is not compared for it."""
    linux = Package("alpha", wheels=(MANYLINUX,), sdist=False)
    project.uv(linux, BETA)
    snapshot = project.snapshot()
    selection = Selection.of("LCK")
    old = Machine(system="linux", machine="x86_64", native_machine="x86_64", libc="glibc 2.4", source="old.json")
    found = [f for f in judge(snapshot, selection, machine=old).findings if f.code == "LCK009"]
    assert len(found) == 1 and "glibc 2.5" in " ".join(found[0].evidence)
    mac = Machine(system="macos", machine="arm64", native_machine="arm64", os_version="14.5", source="mac.json")
    report = judge(snapshot, selection, machine=mac)
    assert {f.code for f in report.findings} == {"LCK009"}
    assert all("another operating system" in (c.reason or "") for c in report.checks if c.code in DRIFT)


def test_many_packages_without_a_wheel_are_one_finding(project: Project) -> None:
    project.uv(*(Package(f"many-{n}", wheels=("cp38-abi3-win32",), sdist=False) for n in range(25)))
    found = only(project.found("LCK009"), "LCK009")
    assert found.message.startswith("25 packages in uv.lock have no wheel for CPython 3.")


def test_a_group_that_is_not_installed_has_no_wheel(project: Project) -> None:
    tester = Package("tester", wheels=("cp38-abi3-win_amd64",), sdist=False)
    project.uv(ALPHA, tester, needs=["alpha"], groups={"docs": ["tester"]})
    project.install(ALPHA)
    assert only(project.found("LCK009"), "LCK009").severity == "warning"


# ---------------------------------------------------------------------------------------------------------------- LCK010


def test_no_lock(project: Project) -> None:
    project.put("pyproject.toml", made.pyproject("alpha", "beta") + "[tool.uv]\n")
    found = only(project.found(), "LCK010")
    assert found.severity == "info" and found.message == "pyproject.toml has no lock: it asks for 2 packages"
    assert subjects(found) == [("file", "pyproject.toml", None), ("project", "demo", None)]
    assert commands(found) == [f"uv lock --directory {project.folder}"]


@pytest.mark.parametrize("lock", [*LOCKS, "Pipfile.lock"])
def test_any_lock_will_do(project: Project, lock: str) -> None:
    project.put("pyproject.toml", made.pyproject("alpha"))
    project.put(lock, made.pipfile([ALPHA]) if lock == "Pipfile.lock" else LOCKS[lock](ALPHA))
    assert project.found("LCK010") == []


def test_constraints_ask_for_nothing(project: Project) -> None:
    project.put("requirements.in", "-c constraints.txt\nalpha\n")
    project.put("constraints.txt", "beta<2\n")
    assert [f.subjects[0].name for f in project.found("LCK010")] == ["requirements.in"]


def test_manifests_that_ask_for_nothing(project: Project) -> None:
    project.put("pyproject.toml", made.pyproject())
    assert project.found("LCK010") == []


# ---------------------------------------------------------------------------------------------------------------- LCK011


def test_two_locks_of_one_package(project: Project) -> None:
    project.uv(ALPHA, BETA, GAMMA)
    project.put("requirements.txt", made.requirements(Package("alpha", "2.0"), Package("beta", "0.5"), GAMMA))
    found = only(project.found("LCK011"), "LCK011")
    assert found.severity == "warning"
    assert found.message == "requirements.txt and uv.lock disagree about 2 packages: alpha (2.0 and 1.0) and beta (0.5 and 1.0)"
    assert subjects(found)[:4] == [
        ("lockfile", "requirements.txt", None),
        ("lockfile", "uv.lock", None),
        ("distribution", "alpha", "2.0"),
        ("distribution", "alpha", "1.0"),
    ]


def test_locks_that_differ_on_purpose(project: Project) -> None:
    project.put("requirements-cpu.txt", made.requirements(Package("alpha", "1.0")))
    project.put("requirements-gpu.txt", made.requirements(Package("alpha", "2.0")))
    project.put("requirements-py39.txt", made.requirements(Package("alpha", "3.0")))
    project.put("pylock.toml", made.pylock(ALPHA, top='requires-python = "<3"\n'))
    assert project.found("LCK011") == []


# ---------------------------------------------------------------------------------------------------------------- LCK012


def test_a_dependency_is_not_locked(project: Project) -> None:
    project.put("poetry.lock", made.poetry(Package("alpha", needs=('gamma = ">=2"',)), BETA))
    found = only(project.found("LCK012"), "LCK012")
    assert found.severity == "error" and found.message == "poetry.lock lacks what its packages need: gamma (needed by alpha 1.0)"
    assert subjects(found) == [
        ("lockfile", "poetry.lock", None),
        ("distribution", "gamma", None),
        ("distribution", "alpha", "1.0"),
    ]
    assert commands(found) == [f"poetry lock --directory {project.folder}"]


def test_a_dependency_is_locked_outside_of_its_range(project: Project) -> None:
    project.put("poetry.lock", made.poetry(Package("alpha", needs=('gamma = ">=2"',)), GAMMA))
    found = only(project.found("LCK012"), "LCK012")
    assert found.message == "poetry.lock has packages outside of what others need: gamma 1.0 (alpha 1.0 needs >=2)"


def test_an_edge_to_nowhere(project: Project) -> None:
    project.put("uv.lock", made.uv(Package("alpha", needs=("gamma",)), BETA))
    assert "gamma (needed by alpha 1.0)" in only(project.found("LCK012"), "LCK012").message


def test_one_name_with_two_versions_at_once(project: Project) -> None:
    project.put("requirements.txt", made.requirements(ALPHA, Package("alpha", "2.0")))
    assert only(project.found("LCK012"), "LCK012").message == "requirements.txt has packages twice: alpha (1.0 and 2.0)"


def test_a_hash_that_was_cut_off(project: Project) -> None:
    whole, half = "a" * 64, "a" * 16
    path = project.put("requirements.txt", f"alpha==1.0 --hash=sha256:{half}\n")
    found = only(project.found("LCK012"), "LCK012")
    assert found.severity == "error"
    assert found.message == "requirements.txt has hashes that are cut off: alpha 1.0 (sha256 of 16 digits instead of 64)"
    assert subjects(found) == [("lockfile", "requirements.txt", None), ("distribution", "alpha", "1.0")]
    path.write_text(f"alpha==1.0 --hash=sha256:{whole} --hash=sha256:{half}\n")
    assert only(project.found("LCK012"), "LCK012").severity == "warning"
    path.write_text(f"alpha==1.0 --hash=sha256:{whole} --hash=sha512:{whole * 2}\n")
    assert project.found("LCK012") == []


@pytest.mark.parametrize("option", ["-r", "-c"])
def test_a_file_that_is_taken_in_and_gone(project: Project, option: str) -> None:
    project.put("requirements.txt", f"{option} more/base.txt\n" + made.requirements(ALPHA))
    found = only(project.found("LCK012"), "LCK012")
    assert found.message == "requirements.txt contradicts itself: more/base.txt, which it takes in, is not there"
    project.put("more/base.txt", made.requirements(BETA))
    assert project.found("LCK012") == []


def test_contradictions_that_are_none(project: Project) -> None:
    needs = (
        'gone = {version = "*", markers = "python_version < \\"3\\""}',
        'setuptools = "*"',
        'extra-only = {version = "*", optional = true}',
        'beta = ">=1,<2"',
        'twin = ">=1"',
    )
    old = Package("twin", "1.0", marker='python_version < "3"')
    new = Package("twin", "2.0", marker='python_version >= "3"')
    project.put("poetry.lock", made.poetry(Package("alpha", needs=needs), BETA, old, new))
    project.put("requirements.txt", made.requirements(old, new))
    project.put("pylock.toml", made.pylock(old, new, Package("alpha", needs=("twin",))))
    assert project.found("LCK012") == []


# ------------------------------------------------------------------------------------------------------- hostile content


@pytest.mark.parametrize("name", LOCKS)
def test_names_that_are_attacks(project: Project, name: str) -> None:
    """Text of a lock is data: no rule crashes, no command takes an option out of it."""
    evil = Package("--upgrade", "1.0\x1b[31m\n::error::")
    try:
        text = LOCKS[name](evil, ALPHA)
    except ValueError:
        return
    project.put(name, text)
    for finding in project.found():
        for argv in (argv for fix in finding.fixes for argv in fix.commands):
            assert "--upgrade" not in argv, argv


def test_the_command_in_the_header_is_not_run(project: Project) -> None:
    head = "# This file was autogenerated by uv via the following command:\n"
    head += "#    uv pip compile requirements.in --universal -o x --exec evil"
    project.put("requirements.in", "alpha\n")
    project.put("requirements.txt", made.requirements(ALPHA, head=head) + "beta==1\n")
    found = only(project.found("LCK008"), "LCK008")
    assert commands(found) == [
        f"uv pip compile {project.folder}/requirements.in --universal --generate-hashes -o {project.folder}/requirements.txt"
    ]


@pytest.mark.parametrize("name", [*LOCKS, "Pipfile.lock", "conda-lock.yml", f"conda-{native_subdir()}.lock"])
def test_damaged_locks_crash_no_rule(project: Project, name: str) -> None:
    """Words of a lock in wrong places: what can still be read is judged, with and without an environment."""
    packages = [Package("alpha", needs=("beta",)), BETA, Package("gamma", "1.0+cpu", wheels=(MANYLINUX, "cp38-abi3-win_amd64"))]
    conda = [
        Conda("alpha", needs=(("beta", ">=1.0,<2.0a0"), ("__glibc", ">=2.17"))),
        Conda("beta"),
        Conda("gamma", manager="pip"),
    ]
    if name == "Pipfile.lock":
        text = made.pipfile(packages[:2], packages[2:])
    elif name in LOCKS:
        text = LOCKS[name](*(package._replace(needs=()) if name == "poetry.lock" else package for package in packages))
    else:
        text = made.conda_lock(*conda) if name == "conda-lock.yml" else made.explicit(*conda[:2])
    project.install(ALPHA, GAMMA)
    snapshot = project.snapshot()
    random = Random(name)
    words = [
        '"',
        "'",
        ">=",
        "==99",
        "",
        "\n",
        "[",
        "]",
        "*",
        "../..",
        "--evil",
        "\x1b[3m",
        "9" * 40,
        " or ",
        "1!2.0",
        ": ",
        "- ",
        "gamma",
    ]
    judged = 0
    for _ in range(250):
        changed = text
        for _ in range(random.randint(1, 5)):
            at, other = random.randrange(len(changed)), random.randrange(len(changed))
            piece = random.choice(words) if random.random() < 0.5 else changed[other : other + random.randint(1, 20)]
            changed = changed[:at] + piece + changed[at + random.randint(0, 12) :]
        kind = formats.format_of(name, changed.encode(), named=True)
        try:
            lock = formats.read(changed.encode(), name, kind or "requirements")
        except LockError:
            continue
        judged += 1
        named = msgspec.structs.replace(lock, named=random.random() < 0.5)
        report = judge(msgspec.structs.replace(snapshot, locks=(named,)), Selection.of("LCK"))
        assert [check for check in report.checks if check.outcome == "crashed"] == []
        assert all("--evil" not in argv for f in report.findings for fix in f.fixes for argv in fix.commands)
    assert judged > 5


def test_nothing_without_locks(env: Env) -> None:
    env.dist("alpha")
    assert diagnose(env.prefix, "LCK") == []
