"""``envdoctor lock`` for Python projects, against an index that this test serves: no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from envdoctor.cli import run
from tests.builders import venv
from tests.lock.index import Index, small, wheel

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]

pytest.importorskip("uv")
PLATFORMS = ("linux-64", "osx-arm64", "win-64")


class Said(NamedTuple):
    code: int
    out: str
    err: str


Lock = Callable[..., Said]


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with small().served() as served:
        yield served


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_", "VIRTUAL_ENV", "CONDA")):
            monkeypatch.delenv(name)
    (folder / ".git").mkdir()
    return folder


@pytest.fixture
def lock(project: Path, index: Index, capsys: pytest.CaptureFixture[str]) -> Lock:
    def run_it(*words: str, url: str | None = None) -> Said:
        capsys.readouterr()
        code = run(["lock", *words, *(["--index-url", url or index.url] if url != "" else [])])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run_it


def packages(path: Path) -> dict[str, Any]:
    return {one["name"]: one for one in tomllib.loads(path.read_text())["packages"]}


def wanted(project: Path, text: str) -> Path:
    path = project / "requirements.in"
    path.write_text(text)
    return path


PINNED = ("--python-version", "3.11")


def test_requirements_in_becomes_a_pylock_for_all_platforms(project: Path, lock: Lock) -> None:
    wanted(project, "app[net]\n")
    said = lock(*PINNED)
    assert said.code == 0, said
    assert said.out == "pylock.toml written: 5 packages\n"
    made = packages(project / "pylock.toml")
    assert sorted(made) == ["alpha", "app", "colour", "native", "socks"]
    assert made["colour"]["marker"] == "sys_platform == 'win32'"
    assert len(made["native"]["wheels"]) == 4
    assert all(file["hashes"]["sha256"] for one in made.values() for file in one["wheels"])
    text = (project / "pylock.toml").read_text()
    assert f"# envdoctor: platforms {', '.join(PLATFORMS)}" in text
    assert str(project) not in text
    assert "envdoctor-lock-" not in text


def test_the_same_input_gives_the_same_bytes(project: Path, lock: Lock) -> None:
    wanted(project, "app\nbuilt\n")
    lock(*PINNED)
    first, when = (project / "pylock.toml").read_bytes(), (project / "pylock.toml").stat().st_mtime_ns
    again = lock(*PINNED)
    assert again.out == "pylock.toml is up to date: 5 packages\n"
    assert (project / "pylock.toml").stat().st_mtime_ns == when
    (project / "pylock.toml").unlink()
    lock(*PINNED)
    assert (project / "pylock.toml").read_bytes() == first


def test_requirements_with_hashes(project: Path, lock: Lock) -> None:
    wanted(project, "app\n")
    assert lock("-o", "requirements.txt", *PINNED).code == 0
    text = (project / "requirements.txt").read_text()
    assert "colour==0.4 ; sys_platform == 'win32' \\" in text
    assert text.count("--hash=sha256:") == 7
    assert lock("--upgrade", *PINNED).out.startswith("requirements.txt is up to date")  # what is there decides the kind


def test_what_is_locked_stays_until_it_is_updated(project: Path, lock: Lock) -> None:
    wanted(project, "app\nalpha<2\nnative<1.1\n")
    lock(*PINNED)
    wanted(project, "app\nalpha\nnative\n")
    assert lock(*PINNED).out == "pylock.toml is up to date: 4 packages\n"
    dry = lock("--update", "native", "--dry-run", *PINNED)
    assert dry.out == "pylock.toml would change: 1 up; 4 packages\n  up  native  1.0 -> 1.1\n"
    assert packages(project / "pylock.toml")["native"]["version"] == "1.0"
    said = lock("--update", "Native", *PINNED)
    assert said.out == "pylock.toml written: 1 up; 4 packages\n  up  native  1.0 -> 1.1\n"
    assert packages(project / "pylock.toml")["alpha"]["version"] == "1.1"
    assert lock("--upgrade", *PINNED).out.endswith("  up  alpha  1.1 -> 2.0\n")
    wanted(project, "native\nalpha<2\n")
    said = lock(*PINNED)
    assert said.out.splitlines() == [
        "pylock.toml written: 2 removed, 1 down; 2 packages",
        "  removed  app     1.0",
        "  removed  colour  0.4",
        "  down     alpha   2.0 -> 1.1",
    ]


def test_an_update_of_nothing_is_an_error(project: Path, lock: Lock) -> None:
    wanted(project, "app\n")
    lock(*PINNED)
    said = lock("--update", "natve", *PINNED)
    assert said.code == 2
    assert said.err == "error: --update natve: no package of that name is locked\nhint: did you mean native?\n"


def test_json_summary(project: Path, lock: Lock) -> None:
    wanted(project, "alpha<2\n")
    made = json.loads(lock("--format", "json", *PINNED).out)
    assert (made["lock"], made["format"], made["written"], made["platforms"]) == ("pylock.toml", "pylock", True, list(PLATFORMS))
    assert [(one["kind"], one["name"], one["after"]) for one in made["changes"]] == [("added", "alpha", "1.1")]
    assert made["counts"]["added"] == made["packages"] == 1


def test_a_wheel_that_a_teammate_lacks_is_said_at_once(project: Path, lock: Lock) -> None:
    wanted(project, "nomac\n")
    said = lock(*PINNED)
    assert said.code == 1, said
    assert "LCK009" in said.err
    assert "osx-arm64" in said.err
    assert "linux-64" not in said.err
    assert (project / "pylock.toml").exists()
    assert lock("--platform", "linux-64,win-64", *PINNED).code == 0
    assert lock(*PINNED).code == 0, "the platforms of the lock that is there count"
    assert lock("--platform", "osx-arm64", *PINNED).code == 1


def test_pyproject_with_groups_and_extras(project: Path, lock: Lock) -> None:
    (project / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.10,<3.14"\ndependencies = ["alpha<2"]\n'
        '[project.optional-dependencies]\nnet = ["socks"]\n[dependency-groups]\ndev = ["native"]\n'
    )
    assert lock().code == 0
    assert sorted(packages(project / "pylock.toml")) == ["alpha"]
    assert tomllib.loads((project / "pylock.toml").read_text())["requires-python"] == ">=3.10"
    assert lock("--group", "dev", "--extra", "net", "-o", "pylock.dev.toml").code == 0
    assert sorted(packages(project / "pylock.dev.toml")) == ["alpha", "native", "socks"]


def test_uv_keeps_its_own_lock(project: Path, lock: Lock) -> None:
    (project / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["native<1.1"]\n[tool.uv]\n'
    )
    dry = lock("--dry-run")
    assert dry.out.splitlines()[0] == "uv.lock would change: 3 added"
    assert not (project / "uv.lock").exists()
    said = lock()
    assert (said.code, said.out) == (0, "uv.lock written: 2 packages\n"), said
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace("native<1.1", "native"))
    assert lock().out == "uv.lock written: no changes; 2 packages\n"
    assert lock("--update", "native", "--dry-run").out == "uv.lock would change: 1 up\n  up  native  1.0 -> 1.1\n"
    assert lock("--update", "native").out == "uv.lock written: 1 up; 2 packages\n  up  native  1.0 -> 1.1\n"
    assert lock("--kind", "pylock").code == 0
    assert {name: one["version"] for name, one in packages(project / "pylock.toml").items()} == {"alpha": "2.0", "native": "1.1"}
    before = (project / "uv.lock").read_bytes()
    assert lock("--update", "nothing").code == 2
    (project / "pyproject.toml").write_text(text.replace("native<1.1", "native>7"))
    failed = lock()
    assert (failed.code, failed.out) == (2, "")
    assert failed.err.startswith("error: pyproject.toml: ")
    assert (project / "uv.lock").read_bytes() == before


def test_other_tools_keep_theirs(project: Path, lock: Lock) -> None:
    (project / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\ndependencies = ["alpha"]\n')
    (project / "poetry.lock").write_text("")
    said = lock()
    assert said.code == 2
    assert "poetry.lock in . is made by poetry" in said.err
    assert lock("--kind", "pylock", *PINNED).code == 0


@pytest.mark.parametrize("kind", ["pylock", "requirements"])
def test_no_password_reaches_the_lock(project: Path, lock: Lock, kind: str) -> None:
    with small(password="s3cr3t").served() as private:
        secret = private.file_url("colour-0.4-py3-none-any.whl").replace("://", "://someone:s3cr3t@")
        wanted(project, f"--index-url {private.secret_url}\napp\ncolour @ {secret}\n")
        said = lock("--kind", kind, *PINNED, url="")
        assert said.code == 0, said
        made = next(project.glob("pylock.toml" if kind == "pylock" else "requirements.txt")).read_text()
        assert "s3cr3t" not in made + said.out + said.err
        assert "someone" not in made
        assert private.host in made
        if kind == "requirements":
            assert f"--index-url {private.url}\n" in made
        assert f"credentials for {private.host} were left out" in said.err
        by_option = lock("--kind", kind, "--upgrade", *PINNED, url=private.secret_url)
        assert by_option.code == 0
        assert "s3cr3t" not in next(project.glob("[pr]*[tl]*t*")).read_text() + by_option.out + by_option.err


def test_without_the_password_the_error_says_so(project: Path, lock: Lock) -> None:
    with small(password="s3cr3t").served() as private:
        wanted(project, "app\n")
        said = lock(*PINNED, url=private.url)
        assert said.code == 2
        assert said.err.startswith("error: requirements.in: ")
        wrong = lock(*PINNED, url=private.secret_url.replace("s3cr3t", "wr0ng"))
        assert wrong.code == 2
        assert "wr0ng" not in wrong.err
    assert not (project / "pylock.toml").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("app>5\n", ("app>5",)),
        ("alpha foo bar\n", ("requirements.in",)),
        ("nowhere-to-be-found\n", ("nowhere-to-be-found",)),
    ],
)
def test_what_cannot_be_made_leaves_the_old_lock(project: Path, lock: Lock, text: str, words: tuple[str, ...]) -> None:
    wanted(project, "app\n")
    lock(*PINNED)
    before = (project / "pylock.toml").read_bytes()
    wanted(project, text)
    said = lock(*PINNED)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: requirements.in: ")
    for word in words:
        assert word in said.err
    assert "\N{BOX DRAWINGS LIGHT VERTICAL}" not in said.err
    assert (project / "pylock.toml").read_bytes() == before
    assert sorted(path.name for path in project.iterdir()) == [".git", "pylock.toml", "requirements.in"]


def test_a_lock_with_merge_conflicts_is_not_written_over(project: Path, lock: Lock) -> None:
    wanted(project, "app\n")
    lock(*PINNED)
    path = project / "pylock.toml"
    text = path.read_text()
    path.write_text(text.replace('name = "app"', '<<<<<<< mine\nname = "app"\n=======\nname = "apq"\n>>>>>>> theirs', 1))
    broken = path.read_bytes()
    line = path.read_text().split("\n").index("<<<<<<< mine") + 1
    said = lock(*PINNED)
    assert said.code == 2
    assert said.err.startswith(f"error: pylock.toml:{line}: merge-conflict markers")
    assert "--upgrade" in said.err
    assert path.read_bytes() == broken
    assert lock("--upgrade", *PINNED).code == 0
    assert path.read_text() == text
    path.write_text(text[: len(text) // 2])
    assert lock(*PINNED).code == 2


def test_an_index_that_is_not_there(project: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    wanted(project, "app\n")
    said = lock(*PINNED, url="http://127.0.0.1:9/simple")
    assert said.code == 2
    assert "--offline" in said.err


def test_offline_from_the_cache(project: Path, lock: Lock, index: Index) -> None:
    wanted(project, "app\n")
    lock(*PINNED)
    made = (project / "pylock.toml").read_bytes()
    (project / "pylock.toml").unlink()
    asked = len(index.asked)
    assert lock("--offline", *PINNED).code == 0
    assert len(index.asked) == asked
    assert (project / "pylock.toml").read_bytes() == made


def test_local_packages_are_relative_and_told(project: Path, lock: Lock) -> None:
    name, data = wheel("colour", "0.4")
    (project / "wheels").mkdir()
    (project / "wheels" / name).write_bytes(data)
    wanted(project, f"alpha\n./wheels/{name}\n")
    said = lock(*PINNED)
    assert said.code == 0, said
    assert packages(project / "pylock.toml")["colour"]["archive"]["path"] == f"wheels/{name}"
    assert f"wheels/{name} is a path" in said.err
    assert lock(*PINNED).out == "pylock.toml is up to date: 2 packages\n"


def test_options_of_other_locks_are_refused(project: Path, lock: Lock) -> None:
    wanted(project, "app\n")
    assert "--virtual-package" in lock("--virtual-package", "__cuda=12").err
    assert "--platform beos-64" in lock("--platform", "beos-64").err
    assert lock("-o", "lock.toml").code == 2
    assert lock("-o", "requirements.in").err.startswith("error: requirements.in is the manifest")
    assert lock("--python-version", "four").code == 2
    assert list(project.glob("*lock*")) == []


def test_what_has_only_a_source_archive_is_told(project: Path, lock: Lock) -> None:
    wanted(project, "built\n")
    said = lock(*PINNED)
    assert said.code == 0
    assert "warning: LCK009" in said.err


def installed(prefix: Path) -> dict[str, str]:
    code = "import importlib.metadata as m, json; print(json.dumps({d.metadata['Name']: d.version for d in m.distributions()}))"
    return dict(json.loads(subprocess.check_output([str(prefix / "bin/python"), "-I", "-c", code])))


def test_uv_installs_it_and_the_check_is_clean(
    project: Path, lock: Lock, index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted(project, "app[net]\nbuilt\n")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for kind, name in (("pylock", "pylock.toml"), ("requirements", "requirements.txt")):
        assert lock("--kind", kind, "--python-version", version).code == 0
        prefix = venv(tmp_path / kind).prefix
        words = ["pip", "sync", "-q", "--python", str(prefix / "bin/python"), "--link-mode", "copy", name]
        if kind == "requirements":
            words += ["--require-hashes", "--default-index", index.url]
        uv(*words)
        assert installed(prefix) == {"alpha": "2.0", "app": "1.0", "native": "1.1", "socks": "1.7", "built": "1.0"}
        capsys.readouterr()
        code = run(["check", str(prefix), "--lock", name, "--select", "LCK", "--no-cache"])
        assert code == 0, capsys.readouterr()


def uv(*words: str) -> None:
    from envdoctor.lock.make.uv import find

    subprocess.run([find(os.environ), *words], check=True)


def test_pip_s_index_counts_where_uv_has_none(
    project: Path, lock: Lock, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted(project, "app\n")
    with small(password="s3cr3t").served() as private:
        (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {private.secret_url}\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
        said = lock(*PINNED, url="")
        assert (said.code, said.err) == (0, "")
        text = (project / "pylock.toml").read_text()
        assert private.host in text
        assert "s3cr3t" not in text
        (project / "uv.toml").write_text(f'[[index]]\nurl = "{index.url}"\ndefault = true\n')
        assert lock("--upgrade", *PINNED, url="").code == 0
        assert index.host in (project / "pylock.toml").read_text()


def test_no_password_is_a_word_of_a_process(project: Path, lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other users of a machine see the words of its processes."""
    from envdoctor.lock.make import uv as module

    real, seen = module.find(os.environ), tmp_path / "seen"
    spy = tmp_path / "uv"
    spy.write_text(f'#!/bin/sh\necho "$@" >> {seen}\nexec {real} "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setattr(module, "find", lambda environ: str(spy))
    with small(password="s3cr3t").served() as private:
        wanted(project, "app\n")
        assert lock(*PINNED, url=private.secret_url).code == 0
    assert "compile" in seen.read_text()
    assert "s3cr3t" not in seen.read_text()


def test_the_lowest_python_that_is_allowed() -> None:
    from envdoctor.lock.make.python import lowest_python

    assert [lowest_python(text) for text in (">=3.9", ">=3.10.4,<4", "==3.11.*", "~=3.8", "<3", ">3.11")] == [
        "3.9",
        "3.10.4",
        "3.11",
        "3.8",
        None,
        "3.11.1",
    ]


@pytest.mark.parametrize("kind", ["pylock", "requirements", "uv"])
def test_verify_installs_it_elsewhere(project: Path, lock: Lock, kind: str) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    (project / "pyproject.toml").write_text(
        f'[project]\nname = "mine"\nversion = "1"\nrequires-python = ">={here}"\ndependencies = ["app", "built"]\n'
    )
    said = lock("--kind", kind, "--verify")
    assert said.code == 0, said
    assert "verified: 4 packages for " in said.err
    assert "all hashes right" in said.err
    assert sorted(path.name for path in project.iterdir()) == sorted(
        [".git", "pyproject.toml", {"pylock": "pylock.toml", "requirements": "requirements.txt", "uv": "uv.lock"}[kind]]
    )


def test_verify_finds_another_file_of_the_same_name(project: Path, lock: Lock) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted(project, "absent\n")
    with Index().add(wheel("absent", "2")).served() as index:
        index.instead["absent-2-py3-none-any.whl"] = wheel("absent", "2", text="not what was published")[1]
        said = lock("--python-version", here, "--verify", url=index.url)
    assert said.code == 2
    assert "--verify: pylock.toml cannot be installed" in said.err
    assert "mismatch" in said.err.lower()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("requirements.in", b"app\n<<<<<<< mine\n=======\n>>>>>>> theirs\n", "requirements.in:2: merge-conflict markers"),
        ("pyproject.toml", b"[project]\nname = \n", "line 2"),
        ("requirements.in", b"-r nothere.in\n", "nothere.in"),
        ("requirements.in", None, "requirements.in: "),
    ],
)
def test_manifests_that_cannot_be_read(project: Path, lock: Lock, name: str, content: bytes | None, words: str) -> None:
    if content is None:
        os.mkfifo(project / name)
    else:
        (project / name).write_bytes(content)
    said = lock(*PINNED)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: ")
    assert words in said.err
    assert not (project / "pylock.toml").exists()


def test_beside_uv_lock_other_locks_are_made_of_it(project: Path, lock: Lock) -> None:
    text = (
        '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["native"]\n'
        '[project.optional-dependencies]\nnet = ["socks"]\n[dependency-groups]\ndev = ["colour"]\n[tool.uv]\n'
    )
    (project / "pyproject.toml").write_text(text.replace('"native"', '"native<1.1"'))
    lock()
    (project / "pyproject.toml").write_text(text)
    stale = lock("--kind", "pylock")
    assert (stale.code, stale.out) == (2, "")
    assert stale.err.startswith("error: uv.lock: The lockfile at `uv.lock` needs to be updated")
    assert stale.err.endswith("hint: envdoctor lock --kind uv brings it up to date\n")
    assert lock().code == 0
    assert lock("--kind", "pylock").code == 0
    assert packages(project / "pylock.toml")["native"]["version"] == "1.0"
    assert sorted(packages(project / "pylock.toml")) == ["alpha", "native"]
    assert lock("--kind", "requirements", "--extra", "net", "--group", "dev").code == 0
    assert "native==1.0 " in (project / "requirements.txt").read_text()
    assert "socks==1.7 " in (project / "requirements.txt").read_text()
    assert "what is locked is uv.lock's to say" in lock("--kind", "pylock", "--update", "native").err
    assert run(["lock", "--check"]) == 0


def test_a_member_of_a_workspace_has_its_lock_above(project: Path, lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "pyproject.toml").write_text(
        '[project]\nname = "root"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = []\n'
        '[tool.uv.workspace]\nmembers = ["members/*"]\n'
    )
    member = project / "members" / "one"
    member.mkdir(parents=True)
    (member / "pyproject.toml").write_text(
        '[project]\nname = "one"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["alpha"]\n[tool.uv]\n'
    )
    said = lock("-f", "members/one/pyproject.toml", "--kind", "uv")
    assert (said.code, said.out) == (0, "uv.lock written: 1 package\n"), said
    assert sorted(path.name for path in member.iterdir()) == ["pyproject.toml"]


def test_a_teammate_s_machine_may_be_too_old(project: Path, lock: Lock) -> None:
    with Index().add(wheel("modern", "1", "cp310-abi3-manylinux_2_34_x86_64")).served() as served:
        wanted(project, "modern\n")
        words = ["--platform", "linux-64", *PINNED]
        assert lock(*words, url=served.url).code == 0
        machine = {"system": "linux", "machine": "x86_64", "native_machine": "x86_64", "libc": "glibc 2.28"}
        Path("old.json").write_text(json.dumps({"schema_version": 1, "machine": machine}))
        said = lock(*words, "--machine", "old.json", url=served.url)
        assert said.code == 1
        assert "LCK009" in said.err
        assert "glibc 2.34" in said.err or "no locked wheel" in said.err
        Path("old.json").write_text(json.dumps({"schema_version": 1, "machine": {**machine, "libc": "glibc 2.40"}}))
        assert lock(*words, "--machine", "old.json", url=served.url).code == 0


@pytest.mark.parametrize("kind", ["pylock", "requirements"])
def test_the_project_itself_editable(project: Path, lock: Lock, kind: str) -> None:
    (project / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\ndependencies = ["alpha"]\n')
    wanted(project, "-e .\ncolour\n")
    said = lock("-f", "requirements.in", "--kind", kind, *PINNED)
    assert said.code == 0, said
    assert "note: . is a path" in said.err or "note: ./ is a path" in said.err
    again = lock("-f", "requirements.in", "--kind", kind, *PINNED)
    assert "is up to date" in again.out
