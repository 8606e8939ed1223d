"""``envdoctor fix --apply``: what it mends, what it takes back, whom it asks, what it never touches."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Env
from tests.command import command
from tests.mend.shelf import Shelf, state

UV = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
pytestmark = pytest.mark.skipif(UV is None or os.name != "posix", reason="uv is not here")


class Fix:
    """Runs ``envdoctor fix`` in a shell that takes from a shelf."""

    def __init__(self, shelf: Shelf, folder: Path) -> None:
        self.shelf, self.folder = shelf, folder
        folder.mkdir(exist_ok=True)

    def __call__(self, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        argv = [*command(self.folder), "fix", *map(str, words)]
        env = self.shelf.shell(**variables)
        return subprocess.run(
            argv, capture_output=True, text=True, env=env, cwd=self.folder, timeout=300, check=False, stdin=subprocess.DEVNULL
        )

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        """The same, left running."""
        argv = [*command(self.folder), "fix", *map(str, words)]
        return subprocess.Popen(
            argv,
            env=self.shelf.shell(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    made = Shelf(tmp_path / "shelf")
    made.wheel("alpha", requires=["beta-lib>=2"], files={"alpha/__init__.py": "import beta_lib\n"})
    made.wheel("beta-lib", "1.0")
    made.wheel("beta-lib", "2.0")
    return made


@pytest.fixture
def fix(shelf: Shelf, tmp_path: Path) -> Fix:
    return Fix(shelf, tmp_path / "work")


@pytest.fixture
def broken(shelf: Shelf, tmp_path: Path) -> Env:
    """alpha needs beta-lib>=2, and 1.0 is there."""
    env = shelf.env(tmp_path / "env", "alpha")
    shelf.install(env, "--no-deps", "beta-lib==1.0")
    return env


def journals(env: Env) -> list[str]:
    return [path.name for path in env.prefix.parent.iterdir() if "envdoctor-fix" in path.name]


def test_mends_and_says_so(fix: Fix, broken: Env) -> None:
    done = fix("--apply", "--yes", broken.prefix)
    assert done.returncode == 0, done.stderr
    assert "mended" in done.stdout
    assert "PKG002" in done.stdout
    assert broken.run("-c", "import alpha, beta_lib; assert beta_lib.__version__ == '2.0'").returncode == 0
    assert journals(broken) == []


def test_json_says_what_was_done(fix: Fix, broken: Env) -> None:
    made = json.loads(fix("--apply", "--yes", broken.prefix, "--format", "json").stdout)
    assert made["outcome"] == "mended"
    assert [step["exit_code"] for step in made["steps"]] == [0]
    assert [one["code"] for one in made["mended"]] == ["PKG002"]


def test_a_healthy_target_is_left_alone(fix: Fix, shelf: Shelf, tmp_path: Path) -> None:
    env = shelf.env(tmp_path / "env", "alpha")
    before = state(env.prefix)
    done = fix("--apply", "--yes", env.prefix)
    assert done.returncode == 0, done.stderr
    assert "nothing to carry out" in done.stdout
    assert state(env.prefix) == before


# --------------------------------------------------------------------------------------------------------------- taken back


def test_a_step_that_fails_is_taken_back(fix: Fix, broken: Env, shelf: Shelf) -> None:
    (shelf.folder / "beta_lib-2.0-py3-none-any.whl").unlink()
    before = state(broken.prefix)
    done = fix("--apply", "--yes", broken.prefix)
    assert done.returncode == 2
    assert "error: everything is as it was: uv ended with exit code" in done.stderr
    assert "taken back" in done.stdout
    assert state(broken.prefix) == before
    assert journals(broken) == []


def test_harm_is_taken_back(fix: Fix, shelf: Shelf, tmp_path: Path) -> None:
    """What mends one distribution breaks another that nobody asked about."""
    shelf.wheel("gamma", requires=["delta"])
    shelf.wheel("delta", "1.0")
    shelf.wheel("beta-lib", "2.0", requires=["delta>=2"])
    shelf.wheel(
        "delta",
        "2.0",
        files={"delta/__init__.py": "import _delta\n", "delta/x.py": "from delta.gone import y\n"},
        requires=["nowhere; extra == 'x'"],
    )
    env = shelf.env(tmp_path / "env", "gamma", "delta==1.0")
    shelf.wheel("omega", requires=["delta<2"])
    shelf.install(env, "omega")
    shelf.install(env, "--no-deps", "alpha")
    before = state(env.prefix)
    done = fix("--apply", "--yes", env.prefix, "--format", "json")
    made = json.loads(done.stdout)
    assert made["outcome"] == "rolled-back", done.stderr
    assert [one["code"] for one in made["new"]] == ["PKG002"]
    assert state(env.prefix) == before


def test_an_interrupt_is_taken_back(fix: Fix, broken: Env, shelf: Shelf) -> None:
    slow(shelf)
    before = state(broken.prefix)
    process = fix.start("--apply", "--yes", broken.prefix)
    wait_for((broken.prefix.parent / "slow").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert state(broken.prefix) == before
    assert journals(broken) == []


def slow(shelf: Shelf) -> None:
    """uv is a program that changes something, says so, and never ends."""
    tool = shelf.folder.parent / "tools"
    tool.mkdir()
    mark = shelf.folder.parent / "slow"
    beta = f"{shelf.folder.parent}/env/lib/python3*/site-packages/beta_lib"
    (tool / "uv").write_text(f'#!/bin/sh\ncase "$*" in *install*) rm -rf {beta}; touch {mark}; sleep 300;; esac\n')
    (tool / "uv").chmod(0o755)
    original = shelf.shell
    shelf.shell = lambda **more: {**original(**more), "PATH": f"{tool}:{original()['PATH']}"}  # type: ignore[method-assign]


def wait_for(condition: Any) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to that")


# -------------------------------------------------------------------------------------------------------------------- killed


def test_a_killed_fix_is_told_of_and_taken_back(fix: Fix, broken: Env, shelf: Shelf) -> None:
    """kill -9 while the installer runs: it is ended too, the next fix refuses, and one line brings back what was there."""
    slow(shelf)
    before = state(broken.prefix)
    process = fix.start("--apply", "--yes", broken.prefix)
    wait_for((broken.prefix.parent / "slow").exists)
    process.kill()
    process.wait()
    assert state(broken.prefix) != before
    refused = fix("--apply", "--yes", broken.prefix)
    assert refused.returncode == 2
    assert f"envdoctor fix --restore -p {broken.prefix}" in refused.stderr
    told = subprocess.run(
        [*command(fix.folder), "check", "-q", "-v", str(broken.prefix)],
        capture_output=True,
        text=True,
        env=shelf.shell(COLUMNS="400"),
        check=False,
    )
    assert f"envdoctor fix --restore -p {broken.prefix} brings back" in told.stdout
    done = fix("--restore", "-p", broken.prefix)
    assert done.returncode == 0, done.stderr
    assert state(broken.prefix) == before
    assert journals(broken) == []
    assert not left_running(broken.prefix.parent / "tools" / "uv")


def left_running(script: Path) -> bool:
    """A process of that script is alive."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(script).encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def test_two_fixes_do_not_meet(fix: Fix, broken: Env, shelf: Shelf) -> None:
    slow(shelf)
    process = fix.start("--apply", "--yes", broken.prefix)
    wait_for((broken.prefix.parent / "slow").exists)
    for words in (("--apply", "--yes", broken.prefix), ("--restore", "-p", broken.prefix)):
        done = fix(*words)
        assert done.returncode == 2
        assert "at work" in done.stderr
    process.terminate()
    process.wait(60)


def test_restore_without_a_killed_fix(fix: Fix, broken: Env) -> None:
    done = fix("--restore", "-p", broken.prefix)
    assert done.returncode == 2
    assert "no fix of" in done.stderr


# --------------------------------------------------------------------------------------------------------------- who decides


def test_nothing_without_yes_where_nobody_can_be_asked(fix: Fix, broken: Env) -> None:
    before = state(broken.prefix)
    for variables in ({}, {"CI": "true"}):
        done = fix("--apply", broken.prefix, **variables)
        assert done.returncode == 2
        assert "--yes carries the plan out" in done.stderr
    assert state(broken.prefix) == before


@pytest.mark.parametrize(("answer", "ci", "mended"), [("y", "", True), ("n", "", False), ("y", "true", False)])
def test_a_person_is_asked(fix: Fix, broken: Env, answer: str, ci: str, mended: bool) -> None:
    argv = [*command(fix.folder), "fix", "--apply", str(broken.prefix)]
    env = fix.shelf.shell(**({"CI": ci} if ci else {}), TERM="xterm")
    pid, handle = pty.fork()
    if pid == 0:
        os.chdir(fix.folder)
        os.execve(argv[0], argv, env)
    os.write(handle, answer.encode() + b"\n")
    text = b""
    while True:
        try:
            data = os.read(handle, 4096)
        except OSError:
            break
        if not data:
            break
        text += data
    os.waitpid(pid, 0)
    assert (b"carry out 1 step?" in text) is not bool(ci)
    assert broken.imports("alpha") is (True if mended else broken.imports("alpha"))
    assert (broken.run("-c", "import beta_lib; print(beta_lib.__version__)").stdout.strip() == "2.0") is mended


def test_unsafe_steps_need_a_word(fix: Fix, shelf: Shelf, tmp_path: Path) -> None:
    """A .pth that names nothing is deleted only with --unsafe."""
    env = shelf.env(tmp_path / "env", "beta-lib")
    (env.site / "old.pth").write_text("/nowhere/at/all\n")
    done = fix("--apply", "--yes", env.prefix, "--select", "PTH007")
    assert "nothing to carry out" in done.stdout, done.stderr
    assert (env.site / "old.pth").exists()
    done = fix("--apply", "--yes", "--unsafe", env.prefix, "--select", "PTH007")
    assert done.returncode == 0, done.stderr
    assert not (env.site / "old.pth").exists()


@pytest.mark.parametrize("words", [("--unsafe",), ("--yes",)])
def test_words_that_need_apply(fix: Fix, broken: Env, words: tuple[str, ...]) -> None:
    assert fix(*words, broken.prefix).returncode == 2


def test_a_snapshot_is_not_mended(fix: Fix, broken: Env) -> None:
    assert "about another" in fix("--apply", "--yes", "--snapshot", "x.json").stderr


def test_a_system_interpreter_is_changed_only_where_it_is_named(fix: Fix, shelf: Shelf, tmp_path: Path) -> None:
    """An installation, found by PATH alone, with a defect whose fix is safe."""
    prefix = installation(tmp_path / "python")
    env = Env(prefix)
    shelf.install(env, "alpha")
    shelf.install(env, "--no-deps", "beta-lib==1.0")
    before = state(env.site)
    found = {"PATH": f"{prefix}/bin:{shelf.shell()['PATH']}"}
    done = fix("--apply", "--yes", **found)
    assert done.returncode == 2, done.stdout
    assert "is a system interpreter, which is changed only where it is named" in done.stderr
    assert state(env.site) == before
    done = fix("--apply", "--yes", "-p", prefix, **found)
    assert done.returncode == 0, done.stderr
    assert env.run("-c", "import alpha").returncode == 0


def installation(prefix: Path) -> Path:
    """A copy of an installation as it stands on a machine: no pyvenv.cfg, its own library folder."""
    base = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    source = base / "lib" / version
    if not (source / "os.py").exists() or (source / "EXTERNALLY-MANAGED").exists():
        pytest.skip("the base interpreter is the operating system's")
    (prefix / "bin").mkdir(parents=True)
    shutil.copy2(os.path.realpath(base / "bin" / version), prefix / "bin" / version)
    (prefix / "bin" / "python3").symlink_to(version)
    (prefix / "bin" / "python").symlink_to(version)
    ignored = shutil.ignore_patterns("site-packages", "__pycache__", "test", "idlelib", "config-*", "ensurepip")
    shutil.copytree(source, prefix / "lib" / version, ignore=ignored, symlinks=True)
    (prefix / "lib" / version / "site-packages").mkdir()
    for library in (base / "lib").glob("libpython*"):
        shutil.copy2(library, prefix / "lib" / library.name, follow_symlinks=False)
    return prefix


def test_the_environment_of_a_link_is_mended_where_it_lies(fix: Fix, broken: Env, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(broken.prefix)
    assert fix("--apply", "--yes", tmp_path / "link").returncode == 0
    assert broken.imports("alpha")
    assert journals(broken) == []


def test_pip_of_the_environment(fix: Fix, shelf: Shelf, tmp_path: Path) -> None:
    shelf.wheel("gamma", files={"gamma/__init__.py": "from gamma import part\n", "gamma/part.py": "x = 1\n" * 900})
    env = shelf.env(tmp_path / "env", "gamma", pip=True)
    (env.site / "gamma" / "part.py").unlink()
    assert not env.imports("gamma")
    done = fix("--apply", "--yes", env.prefix)
    assert done.returncode == 0, done.stderr
    assert env.imports("gamma")


def test_a_journal_that_a_project_brings_touches_nothing_else(fix: Fix, broken: Env, shelf: Shelf, tmp_path: Path) -> None:
    """A killed fix's journal is changed to name another folder: that one stays as it is."""
    slow(shelf)
    before = state(broken.prefix)
    process = fix.start("--apply", "--yes", broken.prefix)
    wait_for((broken.prefix.parent / "slow").exists)
    process.kill()
    process.wait()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    journal = tmp_path / ".env.envdoctor-fix" / "journal.json"
    facts = json.loads(journal.read_text())
    facts["roots"].append([str(mine), []])
    journal.write_text(json.dumps(facts))
    (journal.parent / "1.json").write_text("[]")
    done = fix("--restore", "-p", broken.prefix)
    assert done.returncode == 2
    assert f"could not be brought back: {mine}" in done.stderr
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert state(broken.prefix) == before


def test_condas_base_is_changed_only_where_it_is_named() -> None:
    import msgspec

    from envdoctor.cli import fix as module
    from envdoctor.select import UsageError
    from tests.formats.made import report, snapshot

    facts = snapshot()
    base = report(facts=msgspec.structs.replace(facts, target=msgspec.structs.replace(facts.target, kind="conda", base=True)))

    class Given:
        options: dict[str, Any] = {}

    with pytest.raises(UsageError, match="conda's base, which is changed only where it is named"):
        module._may_be_changed(Given(), base)  # type: ignore[arg-type]
    Given.options = {"prefix": facts.target.prefix}
    module._may_be_changed(Given(), base)  # type: ignore[arg-type]


def test_files_elsewhere_come_back_without_a_home(shelf: Shelf, tmp_path: Path) -> None:
    """Where no folder can hold the secret of this user, what this process has kept it still brings back."""
    from envdoctor.mend.journal import Journal, find

    (tmp_path / "env").mkdir()
    other = tmp_path / "settings.conf"
    other.write_text("old")
    journal = Journal.begin(str(tmp_path / "env"), None, {})
    assert journal.keep({str(tmp_path / "env"): (), str(other): ()}) == 1
    other.write_text("new")
    assert journal.bring_back() == []
    assert other.read_text() == "old"
    assert find(str(tmp_path / "env"), None) is None
