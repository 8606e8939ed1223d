"""Against conda-lock 4 itself, in an environment of its own: the same package lists, hashes that it takes for its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from envdoctor.cli import run
from tests.conda import forge, native_subdir, store
from tests.lock import channels
from tests.lock.index import Index, wheel

pytestmark = pytest.mark.real
pytest.importorskip("rattler")
ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = channels.platforms()
FIVE = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")


@pytest.fixture(scope="module")
def python() -> str:
    """An interpreter with conda-lock, py-rattler and envdoctor's own needs."""
    from benchmarks.sources import index_options, uv

    def make(place: Path) -> None:
        store.run(uv(), "venv", "-q", "--python", sys.executable, str(place / "venv"))
        words = [uv(), "pip", "install", "-q", "--python", str(place / "venv" / "bin" / "python"), *index_options()]
        store.run(*words, "conda-lock==4.0.3", "py-rattler>=0.28", "uv", "archspec", "click", "msgspec", "packaging", "psutil")

    try:
        folder = store.kept(f"conda-lock-{store.digest('4.0.3', sys.executable, 2)}", make)
    except (RuntimeError, OSError) as error:
        pytest.skip(f"conda-lock cannot be installed: {str(error)[:200]}")
    return str(folder / "venv" / "bin" / "python")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_", "VIRTUAL_ENV", "CONDA")):
            monkeypatch.delenv(name)
    return folder


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    made = Index(html_only=True)
    for tag in ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-macosx_11_0_arm64", "cp311-cp311-win_amd64"):
        made.add(wheel("fast", "1.0", tag, ["six>=1.10", "helper"]))
    made.add(wheel("helper", "1.0"), wheel("helper", "1.1", requires=["jinja2>=3; sys_platform == 'win32'"]))
    made.add(wheel("jinja2", "3.1.0"), wheel("alone", "2.0"))
    made.add(wheel("six", "1.17.0"))  # conda-lock cannot do without what conda brings
    with made.served() as served:
        yield served


def theirs(python: str, project: Path, *words: str, file: str = "theirs.yml") -> str:
    """Runs conda-lock with the shim; returns what it said."""
    names = project / "names.json"
    names.write_text('{"six": {"conda_name": "six", "import_name": "six", "mapping_source": "x", "pypi_name": "six"}}')
    script = project.parent / "shim.py"
    script.write_text(
        f"import os, sys\nsys.path[:0] = [{str(ROOT)!r}]\nfrom envdoctor.lock.make.conda_shim import script\n"
        "script(sys.argv[1:], os.environ)\n"
    )
    shim = project.parent / "shim"
    shim.write_text(f'#!/bin/sh\nexec "{python}" "{script}" "$@"\n')
    shim.chmod(0o755)
    command = [python, "-m", "conda_lock", "lock", "--kind", "lock", "--conda", str(shim), "--lockfile", file]
    command += ["--pypi_to_conda_lookup_file", names.as_uri(), *words]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def both(project: Path, ours: str = "ours.yml", others: str = "theirs.yml") -> tuple[dict[str, Any], dict[str, Any]]:
    return yaml.safe_load((project / ours).read_text()), yaml.safe_load((project / others).read_text())


def headless(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def test_the_same_bytes_on_real_metadata(project: Path, python: str) -> None:
    names = (
        "python",
        "conda-package-handling",
        "rich",
        "pydantic",
        "requests",
        "jinja2",
        "ruamel.yaml",
        "tqdm",
        "httpx",
        "unearth",
    )
    lines = "".join(f"  - {name}\n" for name in names)
    channel = forge.channel().resolve().as_uri()
    (project / "environment.yml").write_text(f"channels: [{channel}]\nplatforms: [{', '.join(FIVE)}]\ndependencies:\n{lines}")
    assert run(["lock", "-o", "ours.yml"]) == 0
    theirs(python, project, "-f", "environment.yml")
    assert headless((project / "ours.yml").read_text()) == headless((project / "theirs.yml").read_text())


def test_several_files_and_categories(project: Path, python: str) -> None:
    channel = channels.everywhere().as_uri()
    head = f"channels: ['{channel}']\nplatforms: [{', '.join(PLATFORMS)}]\n"
    (project / "environment.yml").write_text(f"{head}dependencies: [python =3.11, 'six >=1.16, <1.17', colorama]  # all\n")
    (project / "dev.yml").write_text(f"{head}category: dev\ndependencies:\n  - jinja2\n  - click  # [win]\n  - six\n")
    (project / "docs.yml").write_text(f"{head}category: docs\ndependencies:\n  - packaging==24.1\n  - jinja2\n")
    files = [word for name in ("environment.yml", "dev.yml", "docs.yml") for word in ("-f", name)]
    assert run(["lock", *files, "-o", "ours.yml"]) == 0
    theirs(python, project, *files)
    assert headless((project / "ours.yml").read_text()) == headless((project / "theirs.yml").read_text())


def test_a_pip_section(project: Path, python: str, index: Index) -> None:
    channel = channels.everywhere().as_uri()
    (project / "environment.yml").write_text(
        f"channels: ['{channel}']\nplatforms: [{', '.join(PLATFORMS)}]\npip-repositories: [{index.url}]\n"
        "allow-pypi-requests: false\ndependencies:\n  - python 3.11.*\n  - six\n  - pip:\n    - fast\n    - alone >=1\n"
    )
    assert run(["lock", "-o", "ours.yml"]) == 0
    theirs(python, project, "-f", "environment.yml")
    ours, others = both(project)
    assert ours["metadata"] == others["metadata"]
    # what needs which version of what conda-lock says, uv does not
    for document in (ours, others):
        for entry in document["package"]:
            if entry["manager"] == "pip":
                entry["dependencies"] = sorted(entry["dependencies"])
    assert ours["package"] == others["package"]


def test_conda_lock_takes_the_lock_for_its_own(project: Path, python: str) -> None:
    channel = channels.everywhere().as_uri()
    (project / "environment.yml").write_text(
        f"channels: ['{channel}']\nplatforms: [{', '.join(PLATFORMS)}]\ndependencies: [python, click, jinja2]\n"
    )
    assert run(["lock", "-o", "ours.yml"]) == 0
    before = (project / "ours.yml").read_bytes()
    said = theirs(python, project, "-f", "environment.yml", "--check-input-hash", file="ours.yml")
    assert f"Spec hash already locked for {sorted(PLATFORMS)}" in said
    assert (project / "ours.yml").read_bytes() == before
    for platform in PLATFORMS:
        words = ["render", "-p", platform, "-k", "explicit", "--filename-template", "r-{platform}.lock", "ours.yml"]
        subprocess.run([python, "-m", "conda_lock", *words], cwd=project, capture_output=True, check=True)
        assert run(["lock", "--kind", "explicit", "--platform", platform, "-o", "own.lock", "--upgrade"]) == 0
        rendered = {line for line in (project / f"r-{platform}.lock").read_text().splitlines() if not line.startswith("# Gen")}
        own = set((project / "own.lock").read_text().splitlines())
        assert rendered - {"#"} == own - {"# Generated by envdoctor."}


def test_conda_lock_as_backend(project: Path, python: str) -> None:
    channel = channels.everywhere().as_uri()
    manifest = project / "environment.yml"
    head = f"channels: ['{channel}']\nplatforms: [{', '.join(PLATFORMS)}]\n"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}

    def lock(*words: str) -> subprocess.CompletedProcess[str]:
        command = [python, "-m", "envdoctor", "lock", "--backend", "conda-lock", *words]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=environ)

    manifest.write_text(f"{head}dependencies: [python, six=1.16, packaging=24.1]\n")
    done = lock()
    assert done.returncode == 0, done.stderr
    assert "conda-lock.yml written" in done.stdout
    assert run(["lock", "-o", "ours.yml"]) == 0
    text = (project / "conda-lock.yml").read_text()
    assert headless(text) == headless((project / "ours.yml").read_text())
    assert "envdoctor-lock-" not in text
    manifest.write_text(f"{head}dependencies: [python, six, packaging]\n")
    done = lock("--update", "six")
    assert done.returncode == 0, done.stderr
    assert "up  six  1.16.0 -> 1.17.0" in done.stdout
    ours = yaml.safe_load((project / "conda-lock.yml").read_text())
    assert ours["metadata"]["sources"] == ["environment.yml"]
    assert {one["version"] for one in ours["package"] if one["name"] == "packaging"} == {"24.1"}
    before = (project / "conda-lock.yml").read_bytes()
    manifest.write_text(f"{head}dependencies: [python, sixx]\n")
    done = lock()
    assert done.returncode == 2
    assert "did you mean six?" in done.stderr
    assert "Traceback" not in done.stderr
    assert (project / "conda-lock.yml").read_bytes() == before


def test_conda_lock_installs_the_lock(project: Path, python: str, index: Index) -> None:
    """conda-lock renders it and calls its conda: here one that installs by py-rattler and runs what is in the prefix."""
    channel = channels.everywhere().as_uri()
    (project / "environment.yml").write_text(
        f"channels: ['{channel}']\nplatforms: [{native_subdir()}]\npip-repositories: [{index.url}]\n"
        "allow-pypi-requests: false\ndependencies:\n  - python 3.11.*\n  - six\n  - pip:\n    - alone >=1\n"
    )
    assert run(["lock"]) == 0
    script = project.parent / "conda.py"
    script.write_text(
        f"import os, sys\nsys.path[:0] = [{str(ROOT)!r}]\nargv = sys.argv[1:]\n"
        "value = lambda name: argv[argv.index(name) + 1]\n"
        "if argv[0] == 'run':\n"
        "    prefix = value('--prefix')\n"
        "    rest = argv[argv.index(prefix) + 1:]\n"
        "    os.execv(f'{prefix}/bin/{rest[0]}', rest)\n"
        "if '--version' in argv:\n    print('conda 25.1.0'); sys.exit()\n"
        "from envdoctor.cli import run\n"
        "text = open(value('--file')).read()\n"
        "lines = [line for line in text.splitlines(keepends=True) if not line.startswith('# pip')]\n"
        "open('conda-only.lock', 'w').writelines(lines)\n"
        "os._exit(run(['install', 'conda-only.lock', '-p', value('--prefix'), '-q']))\n"
    )
    conda = project.parent / "conda"
    conda.write_text(f'#!/bin/sh\nexec "{python}" "{script}" "$@"\n')
    conda.chmod(0o755)
    words = ["install", "--conda", str(conda), "-p", str(project / "theirs"), "conda-lock.yml"]
    done = subprocess.run([python, "-m", "conda_lock", *words], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run(["install", "conda-lock.yml", "-p", "ours"]) == 0

    def installed(prefix: str) -> tuple[set[str], set[str]]:
        records = {path.name for path in (project / prefix / "conda-meta").glob("*.json")}
        return records, {path.name for path in (project / prefix).glob("lib/python3*/site-packages/*.dist-info")}

    assert installed("theirs") == installed("ours")
    assert "alone-2.0.dist-info" in installed("ours")[1]
    for prefix in ("theirs", "ours"):
        assert run(["check", prefix, "--lock", "conda-lock.yml", "--select", "LCK,CND,PKG", "--fail-on", "warning"]) == 0
