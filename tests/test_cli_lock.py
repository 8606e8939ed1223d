"""``envdoctor lock --check``: the command line, exit codes, formats; nothing heavy, no environment unless one is named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from envdoctor.cli import run
from envdoctor.lock.formats import read
from tests.builders import venv
from tests.command import clean_shell
from tests.effort import calls
from tests.lock import made
from tests.lock.made import Conda, Package

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
FRESH = made.uv(Package("alpha"), Package("beta"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / ".git").mkdir()
    (folder / "pyproject.toml").write_text(made.pyproject("alpha", "beta"))
    (folder / "uv.lock").write_text(FRESH)
    return folder


def test_a_good_lock(cli: Cli, project: Path) -> None:
    done = cli("lock", "--check", cwd=project)
    assert done.returncode == 0 and done.stderr == ""
    assert "uv.lock" in done.stdout and "nothing found · 1 lockfile, 3 entries, " in done.stdout
    assert "no environment is named" in done.stdout and "interpreter" not in done.stdout


def test_a_stale_lock_ends_with_1(cli: Cli, project: Path) -> None:
    (project / "pyproject.toml").write_text(made.pyproject("alpha", "beta", "gamma"))
    done = cli("lock", "--check", cwd=project)
    assert done.returncode == 1 and "error   LCK002 lock-stale · uv.lock" in done.stdout
    assert f"uv lock --directory {project}" in done.stdout
    assert cli("lock", "--check", "--fail-on", "never", cwd=project).returncode == 0
    quiet = cli("lock", "--check", "-q", cwd=project)
    assert quiet.stdout.startswith("error LCK002 uv.lock was not made from pyproject.toml as it is now")


def test_named_files_from_anywhere(cli: Cli, project: Path, tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text(made.pylock(Package("alpha"))[:-20])
    done = cli("lock", "--check", project / "uv.lock", tmp_path / "pylock.toml")
    assert done.returncode == 1 and "LCK001" in done.stdout and "2 lockfiles" in done.stdout
    assert cli("lock", "--check", project / "uv.lock").returncode == 0


def test_json(cli: Cli, project: Path) -> None:
    (project / "uv.lock").write_text("<<<<<<< ours\n" + FRESH)
    done = cli("lock", "--check", "--format", "json", cwd=project)
    report = json.loads(done.stdout)
    assert done.returncode == 1 == report["summary"]["exit_code"]
    assert [(f["code"], f["subjects"][0]["kind"], f["subjects"][0]["name"]) for f in report["findings"]] == [
        ("LCK001", "lockfile", "uv.lock")
    ]
    assert {check["code"] for check in report["checks"]} == {f"LCK{number:03}" for number in range(1, 14)}
    file = project / "report.json"
    done = cli("lock", "--check", "--format", f"json={file}", cwd=project)
    assert json.loads(file.read_text())["findings"] == report["findings"] and "written: " in done.stderr


def test_an_environment_that_is_named_is_compared(cli: Cli, project: Path) -> None:
    env = venv(project / ".venv")
    env.dist("alpha")
    env.dist("beta", "2.0")
    done = cli("lock", "--check", "-p", env.prefix, "--format", "json", "--no-cache", cwd=project)
    report = json.loads(done.stdout)
    assert done.returncode == 1 and [f["code"] for f in report["findings"]] == ["LCK005"]
    assert report["target"]["kind"] == "venv"
    assert [f["code"] for f in json.loads(cli("lock", "--check", "--format", "json", cwd=project).stdout)["findings"]] == []


def test_another_machine_and_a_snapshot(cli: Cli, project: Path) -> None:
    mac = project / "mac.json"
    mac.write_text('{"system": "macos", "machine": "arm64", "native_machine": "arm64", "os_version": "14.5"}')
    lock = project / "conda-lock.yml"
    lock.write_text(made.conda_lock(Conda("click")))
    done = cli("lock", "--check", lock, "--machine", mac, "--format", "json")
    report = json.loads(done.stdout)
    assert [(f["code"], f["subjects"][1]["name"]) for f in report["findings"] if f["severity"] == "error"] == [
        ("LCK003", "osx-arm64")
    ]
    env = venv(project / ".venv")
    snapshot = project / "snapshot.json"
    cli("snapshot", env.prefix, "--output", snapshot, cwd=project)
    done = cli("lock", "--check", "--snapshot", snapshot, "--format", "json")
    assert {f["code"] for f in json.loads(done.stdout)["findings"]} == {"LCK004"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--check", "nowhere.lock"], "nowhere.lock"),
        (["--check", "pyproject.toml"], "pyproject.toml"),
        (["--check", "--platform", "linux-64"], "--platform says how a lock is made"),
        (["--check", "--select", "PKG001"], "lock --check asks rules LCK001 to LCK013, not PKG001"),
        (["--check", "--select", "LCK099"], "LCK099"),
        (["--fail-on", "never"], "--fail-on says how locks are judged"),
        (["--freeze", "a", "b"], "--freeze locks one environment"),
    ],
)
def test_bad_usage(cli: Cli, project: Path, words: list[str], said: str) -> None:
    done = cli("lock", *words, cwd=project)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and said in done.stderr


def test_a_folder_without_locks(cli: Cli, tmp_path: Path) -> None:
    done = cli("lock", "--check", cwd=tmp_path)
    assert done.returncode == 2 and "there is no lockfile in" in done.stderr
    (tmp_path / "requirements.in").write_text("alpha\n")
    (tmp_path / ".git").mkdir()
    done = cli("lock", "--check", cwd=tmp_path)
    assert done.returncode == 0 and "LCK010 requirements.in has no lock" in done.stdout


def test_nothing_is_written(cli: Cli, project: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    cli("lock", "--check", cwd=project)
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before


def test_nothing_heavy_is_imported(project: Path) -> None:
    """No collector of environments runs, no solver, no network library is loaded."""
    heavy = ("rattler", "uv", "asyncio", "socket", "ssl", "http", "yaml", "psutil", "archspec", "multiprocessing")
    code = (
        "import sys; from envdoctor.cli import run; assert run(['lock', '--check']) == 0; "
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    environ = clean_shell({"PYTHONPATH": _root()})
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True, env=environ)
    assert done.stderr.strip() == "[]"


def _root() -> str:
    return str(Path(__file__).resolve().parent.parent)


@pytest.mark.parametrize("format_", ["uv", "conda-lock", "requirements"])
def test_the_effort_grows_with_the_lock_and_not_faster(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], format_: str
) -> None:
    monkeypatch.chdir(project)
    (project / "uv.lock").unlink()

    def effort(number: int) -> int:
        names = [f"part-{n}" for n in range(number)]
        if format_ == "uv":
            file, text = "uv.lock", made.uv(*(Package(name, needs=tuple(names[:5])) for name in names))
        elif format_ == "requirements":
            file, text = "requirements.txt", made.requirements(*map(Package, names))
        else:
            needs = tuple((name, ">=1.0,<2.0a0") for name in names[:5])
            text = made.conda_lock(*(Conda(name, needs=needs) for name in names))
            file = "conda-lock.yml"
        (project / file).write_text(text)
        assert len(read(text.encode(), file, format_).packages) >= number  # type: ignore[arg-type]
        return calls(lambda: run(["lock", "--check", file, "-q"]))

    effort(10)
    small, large = effort(200), effort(1600)
    capsys.readouterr()
    assert large < 12 * small
