"""``envdoctor diff A B``: environments, snapshots and locks, in every pairing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envdoctor.cli import run
from envdoctor.difference import Side, environments
from envdoctor.formats import difference as render
from envdoctor.snapshot import CondaPackage, from_json, to_json
from envdoctor.view import View
from tests.builders import Env, venv
from tests.lock.test_make_python import Said
from tests.support import snapshot_of

Diff = Callable[..., Said]

PYLOCK = """lock-version = "1.0"
created-by = "hand"

[[packages]]
name = "alpha"
version = "1.0"
wheels = [{ url = "https://files.index.example/alpha-1.0-py3-none-any.whl", hashes = { sha256 = "aa" } }]

[[packages]]
name = "beta"
version = "2.0"
wheels = [{ url = "https://files.index.example/beta-2.0-py3-none-any.whl", hashes = { sha256 = "bb" } }]

[[packages]]
name = "only-there"
version = "1"
marker = "sys_platform == 'win32'"
wheels = [{ url = "https://files.index.example/only_there-1-py3-none-any.whl", hashes = { sha256 = "cc" } }]
"""


@pytest.fixture
def diff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Diff:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("VIRTUAL_ENV", "CONDA", "PYTHON")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")

    def run_it(*words: object) -> Said:
        capsys.readouterr()
        code = run(["diff", *map(str, words), "--no-cache"])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run_it


@pytest.fixture
def two(tmp_path: Path) -> tuple[Env, Env]:
    one, other = venv(tmp_path / "one"), venv(tmp_path / "other")
    for env in (one, other):
        env.dist("same", "1")
    one.dist("alpha", "1.0")
    other.dist("alpha", "1.10")
    one.dist("gone", "3")
    other.dist("new", "4")
    return one, other


def document(said: Said) -> Any:
    made = json.loads(said.out)
    assert made["summary"]["exit_code"] == said.code
    assert made["same"] == (said.code == 0)
    return made


def test_two_environments(two: tuple[Env, Env], diff: Diff) -> None:
    said = diff("one", "other")
    assert said.code == 1
    assert said.err == ""
    body = [line for line in said.out.splitlines() if line]
    assert body[0].startswith("A  one · virtual environment · CPython 3.")
    assert body[2:] == [
        "added    new    4",
        "removed  gone   3",
        "up       alpha  1.0 → 1.10",
        "1 added, 1 removed, 1 up; 1 package the same",
    ]
    back = document(diff("other", "one", "--format", "json"))
    assert [(one["kind"], one["name"], one["a"], one["b"]) for one in back["changes"]] == [
        ("added", "gone", None, "3"),
        ("removed", "new", "4", None),
        ("down", "alpha", "1.10", "1.0"),
    ]


def test_the_same_thing_is_the_same(two: tuple[Env, Env], diff: Diff, tmp_path: Path) -> None:
    said = diff("one", tmp_path / "one" / "bin" / "python")
    assert (said.code, said.out.splitlines()[-1]) == (0, "no differences: 3 packages the same")
    assert document(diff("one", "one", "--format", "json"))["changes"] == []


def test_a_snapshot_stands_for_its_environment(two: tuple[Env, Env], diff: Diff) -> None:
    assert run(["snapshot", "one", "--output", "one.json"]) == 0
    assert diff("one.json", "one").code == 0
    assert diff("one", "other").out.splitlines()[3:] == diff("one.json", "other").out.splitlines()[3:]
    (Path.cwd() / "later.json").write_text(Path("one.json").read_text().replace('"schema_version":1', '"schema_version":99', 1))
    said = diff("later.json", "one")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: later.json: snapshot of schema 99")


def test_an_environment_and_a_lock(diff: Diff, tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    env.dist("alpha", "1.0")
    env.dist("beta", "1.9")
    env.dist("besides", "7")
    env.dist("pip", "99")
    Path("pylock.toml").write_text(PYLOCK)
    made = document(diff("env", "pylock.toml", "--format", "json"))
    assert [(one["kind"], one["name"], one["a"], one["b"]) for one in made["changes"]] == [
        ("removed", "besides", "7", None),
        ("up", "beta", "1.9", "2.0"),
    ]
    assert made["notes"] == ["not counted, as installers bring them along: pip"]
    made = document(diff("pylock.toml", "env", "--format", "json"))
    assert [(one["kind"], one["name"]) for one in made["changes"]] == [("added", "besides"), ("down", "beta")]
    assert run(["snapshot", "env", "--output", "env.json"]) == 0
    assert document(diff("pylock.toml", "env.json", "--format", "json"))["changes"] == made["changes"]


def test_groups_are_those_that_are_installed_or_asked_for(diff: Diff, tmp_path: Path) -> None:
    lock = PYLOCK.replace('created-by = "hand"', 'dependency-groups = ["dev"]\ndefault-groups = []\ncreated-by = "hand"')
    lock = lock.replace('version = "2.0"', 'version = "2.0"\nmarker = "\'dev\' in dependency_groups"')
    Path("pylock.toml").write_text(lock)
    env = venv(tmp_path / "env")
    env.dist("alpha", "1.0")
    assert diff("env", "pylock.toml").code == 0
    assert "added  beta  2.0" in diff("env", "pylock.toml", "--group", "dev").out
    env.dist("beta", "2.0")
    said = diff("env", "pylock.toml")
    assert said.code == 0
    assert "compared with dev of the lock" in said.out
    assert diff("env", "pylock.toml", "--group", "docs").err.startswith("error: env and pylock.toml: the lock has no group")


def test_two_locks(diff: Diff) -> None:
    Path("pylock.toml").write_text(PYLOCK)
    Path("pylock.new.toml").write_text(PYLOCK.replace('"2.0"', '"2.1"').replace("beta-2.0", "beta-2.1").replace('"aa"', '"dd"'))
    said = diff("pylock.toml", "pylock.new.toml")
    assert said.out.splitlines()[3:] == [
        "up       beta   2.0 → 2.1",
        "rebuilt  alpha  1.0  (another hash of alpha-1.0-py3-none-any.whl)",
        "",
        "1 up, 1 rebuilt; 1 package the same",
    ]
    Path("requirements.txt").write_text("alpha==1.0 --hash=sha256:aa\nbeta==2.0 --hash=sha256:bb\n")
    made = document(diff("pylock.toml", "requirements.txt", "--format", "json"))
    assert [(one["kind"], one["name"]) for one in made["changes"]] == [("removed", "only-there")]
    here = diff("pylock.toml", "requirements.txt", "--platform", "linux-64", "--platform", "osx-arm64")
    assert here.code == 0, here.out
    there = diff("pylock.toml", "requirements.txt", "--platform", ["linux-64", "win-64"][0], "--platform", "win-64")
    assert "removed  only-there  1  (win-64)" in there.out


def test_markdown_and_files(two: tuple[Env, Env], diff: Diff) -> None:
    said = diff("one", "other", "--format", "markdown", "--format", "json=diff.json")
    assert said.code == 1
    assert said.err == "written: diff.json\n"
    assert said.out.startswith("## ≠ 1 added, 1 removed, 1 up; 1 package the same\n")
    assert "| ↑ up | alpha | 1.0 | 1.10 |  |" in said.out
    assert json.loads(Path("diff.json").read_text())["summary"]["up"] == 1
    assert diff("one", "other", "--output", "out.txt").out == ""
    assert Path("out.txt").read_text().endswith("1 added, 1 removed, 1 up; 1 package the same\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("one", "nowhere"), "nowhere"),
        (("one", "broken.toml"), "broken.toml"),
        (("one", "pylock.toml"), "pylock.toml:3: merge-conflict markers"),
        (("-", "-"), "stdin"),
        (("one", "other", "--platform", "linux-64"), "--platform is for two locks"),
        (("one", "other", "--group", "dev"), "--group and --extra are for an environment and a lock"),
        (("one", "other", "--format", "sarif"), "unknown format"),
        (("one", "text.bin"), "text.bin is no environment, no snapshot and no lockfile"),
        (("one",), "missing argument"),
    ],
)
def test_trouble_ends_with_2(two: tuple[Env, Env], diff: Diff, words: tuple[str, ...], message: str) -> None:
    Path("pylock.toml").write_text('lock-version = "1.0"\npackages = []\n<<<<<<< mine\n=======\n>>>>>>> theirs\n')
    Path("broken.toml").write_text("= 1")
    Path("text.bin").write_bytes(b"\0\1\2")
    said = diff(*words)
    assert (said.code, said.out) == (2, ""), said
    assert said.err.startswith("error: ")
    assert message.lower() in said.err.lower()


def test_names_from_locks_are_data(diff: Diff) -> None:
    Path("pylock.toml").write_text(PYLOCK)
    Path("pylock.x.toml").write_text(PYLOCK.replace('version = "2.0"', 'version = "\\u001b[31m::error::|x|<b>@me"'))
    for form in ("terminal", "markdown", "json"):
        out = diff("pylock.toml", "pylock.x.toml", "--format", form).out
        assert "\x1b" not in out
        assert "\n::error" not in out
    assert "<b>" not in diff("pylock.toml", "pylock.x.toml", "--format", "markdown").out


def conda(name: str, version: str, build: str, subdir: str = "linux-64", digest: str = "00") -> CondaPackage:
    return CondaPackage(name=name, version=version, build=build, subdir=subdir, sha256=digest, channel="conda-forge")


def test_builds_and_machines(env: Env) -> None:
    import msgspec

    facts = snapshot_of(env.prefix)
    one = msgspec.structs.replace(facts, conda_packages=(conda("a", "1", "h_0"), conda("b", "1.1.1w", "0")))
    other = msgspec.structs.replace(facts, conda_packages=(conda("a", "1", "h_1", digest="11"), conda("b", "3.0", "0")))
    sides = (Side(kind="snapshot", name="one"), Side(kind="snapshot", name="other"))
    found = environments(*sides, View(one), View(other))
    assert [(c.kind, c.name, c.detail) for c in found.changes.changes] == [("up", "b", ""), ("rebuilt", "a", "build h_0 -> h_1")]
    far = msgspec.structs.replace(
        other,
        target=msgspec.structs.replace(other.target, system="macos"),
        interpreter=msgspec.structs.replace(other.interpreter, version="3.99.0"),
        machine=msgspec.structs.replace(other.machine, libc=None, system="macos"),
    )
    found = environments(*sides, View(one), View(from_json(to_json(far))))
    assert [(c.kind, c.name) for c in found.changes.changes] == [("up", "b")]
    assert [(fact.name, fact.counts) for fact in found.facts] == [("Python", True), ("system", False)]
    assert found.notes == ("they are for different machines or Pythons: builds and wheels are not compared",)
    assert render.summary(found) == "1 fact, 1 up; 1 package the same"


def test_share_leaves_people_out(diff: Diff, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "somebody"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    env = venv(home / "env")
    env.dist("alpha", "1.0")
    env.dist("local", "1", direct_url=json.dumps({"url": f"file://{home}/local", "dir_info": {"editable": True}}))
    venv(home / "other").dist("local", "1")
    assert str(home) in diff(home / "env", home / "other").out
    for form in ("terminal", "json", "markdown"):
        assert "somebody" not in diff(home / "env", home / "other", "--share", "--format", form).out
