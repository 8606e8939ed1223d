"""Environments of every maker are told apart, and a fresh one of any maker has no error and no warning of its own doing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sources import index_options, uv
from tests.builders import venv
from tests.command import clean_shell, command

Report = dict[str, Any]


def check(target: Path, folder: Path, *words: str, **shell: str) -> Report:
    """The JSON report on a target, seen from an empty folder and home."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [*command(folder), "check", str(target), "--format", "json", *words],
        capture_output=True,
        text=True,
        env=clean_shell({"HOME": str(home), "XDG_CACHE_HOME": str(folder / "cache"), **shell}),
        cwd=home,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    report: Report = json.loads(done.stdout)
    assert [item for item in report["checks"] if item["outcome"] == "crashed"] == []
    return report


def severe(report: Report, *levels: str) -> list[str]:
    """Code and message of the findings of these severities."""
    return [f"{f['code']} {f['message']}" for f in report["findings"] if f["severity"] in (levels or ("error",))]


def own_python() -> str:
    """The interpreter that the test environment was made from."""
    return str(getattr(sys, "_base_executable", sys.executable))


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=300)


def reachable(action: Callable[[], None]) -> None:
    """Does something that needs the package index; skips the test where it is not there."""
    try:
        action()
    except subprocess.CalledProcessError as error:
        text = (error.stderr or b"") + (error.stdout or b"")
        text = text if isinstance(text, bytes) else text.encode()
        if any(
            words in text
            for words in (b"No matching distribution", b"Failed to fetch", b"error sending request", b"NewConnectionError")
        ):
            pytest.skip("the package index is not reachable")
        raise


def test_venv_with_pip(tmp_path: Path) -> None:
    env = venv(tmp_path / "env", pip=True)
    report = check(env.prefix, tmp_path)
    assert report["target"]["kind"] == "venv"
    assert severe(report) == []


def test_venv_of_copies(tmp_path: Path) -> None:
    env = venv(tmp_path / "env", symlinks=False)
    report = check(env.prefix, tmp_path)
    assert report["target"]["kind"] == "venv"
    assert severe(report) == []


def test_venv_in_venv(tmp_path: Path) -> None:
    """Made by another environment's python: `home` is the true base."""
    outer = venv(tmp_path / "outer")
    run(str(outer.python), "-m", "venv", "--without-pip", str(tmp_path / "inner"))
    assert severe(check(tmp_path / "inner", tmp_path)) == []


def test_venv_with_system_site_packages(tmp_path: Path) -> None:
    env = venv(tmp_path / "env", system_site=True)
    assert severe(check(env.prefix, tmp_path)) == []


def test_venv_behind_a_link_and_in_odd_places(tmp_path: Path) -> None:
    env = venv(tmp_path / "with space and ü" / "env")
    env.dist("alpha", requires=["beta"])
    env.dist("beta")
    assert severe(check(env.prefix, tmp_path)) == []
    (tmp_path / "link").symlink_to(env.prefix)
    assert severe(check(tmp_path / "link", tmp_path)) == []
    deep = venv(tmp_path / ("long-" * 20) / ("path-" * 20) / "env", pip=True)
    assert severe(check(deep.prefix, tmp_path)) == []


def test_uv_venv(tmp_path: Path) -> None:
    run(uv(), "venv", "--python", own_python(), str(tmp_path / "env"))
    report = check(tmp_path / "env", tmp_path)
    assert report["target"]["kind"] == "uv"
    assert severe(report, "error", "warning") == severe(check(venv(tmp_path / "plain").prefix, tmp_path), "error", "warning")


def test_uv_venv_relocatable_and_moved(tmp_path: Path) -> None:
    run(uv(), "venv", "--relocatable", "--python", own_python(), str(tmp_path / "env"))
    (tmp_path / "env").rename(tmp_path / "moved")
    assert severe(check(tmp_path / "moved", tmp_path)) == []


def test_uv_venv_with_packages(tmp_path: Path) -> None:
    def build() -> None:
        run(uv(), "venv", "--python", own_python(), str(tmp_path / "env"))
        run(
            uv(), "pip", "install", *index_options(), "--python", str(tmp_path / "env/bin/python"), "six==1.16.0", "attrs==25.3.0"
        )

    reachable(build)
    assert severe(check(tmp_path / "env", tmp_path, "--deep")) == []


def test_virtualenv(tmp_path: Path) -> None:
    def build() -> None:
        tool = venv(tmp_path / "tool", pip=True)
        run(str(tool.python), "-m", "pip", "install", "--quiet", "virtualenv")
        run(str(tool.python), "-m", "virtualenv", "--python", own_python(), str(tmp_path / "env"))

    reachable(build)
    report = check(tmp_path / "env", tmp_path)
    assert report["target"]["kind"] == "virtualenv"
    assert severe(report) == []


def test_pip_with_an_editable_project_and_a_target_folder(tmp_path: Path) -> None:
    """An editable install is healthy; the folder of ``pip install --target`` is no environment."""
    source = tmp_path / "source"
    (source / "src/mine").mkdir(parents=True)
    (source / "src/mine/__init__.py").write_text("")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n[project]\nname = "mine"\nversion = "1"\n'
        '[tool.hatch.build.targets.wheel]\npackages = ["src/mine"]\n'
    )
    env = venv(tmp_path / "env", pip=True)
    reachable(lambda: run(str(env.python), "-m", "pip", "install", "--quiet", "--editable", str(source)))
    assert env.imports("mine")
    assert severe(check(env.prefix, tmp_path, "--project", str(source))) == []
    shutil.rmtree(source)
    assert "PKG010" in {finding["code"] for finding in check(env.prefix, tmp_path)["findings"]}
    target = tmp_path / "target"
    reachable(lambda: run(str(env.python), "-m", "pip", "install", "--quiet", "--target", str(target), "six==1.16.0"))
    done = subprocess.run(
        [*command(tmp_path), "check", str(target)], capture_output=True, text=True, env=clean_shell(), check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


def test_pipx_layout(tmp_path: Path) -> None:
    """pipx's shared libraries come by a .pth file from another environment."""
    shared = venv(tmp_path / "pipx/shared", pip=True)
    env = venv(tmp_path / "pipx/venvs/tool")
    (env.site / "pipx_shared.pth").write_text(f"{shared.site}\n")
    (env.prefix / "pipx_metadata.json").write_text("{}")
    env.dist("tool")
    assert severe(check(env.prefix, tmp_path)) == []


def test_user_site(tmp_path: Path) -> None:
    """Packages of the user site are seen by an environment that lets them in, and by no other."""
    home = tmp_path / "home"
    site = home / f".local/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    closed, opened = venv(tmp_path / "closed"), venv(tmp_path / "opened", system_site=True)
    closed.dist("alien", "2.0", site=site)
    for env in (closed, opened):
        env.dist("needs", requires=["alien>=2"])
    assert any("PKG001" in line for line in severe(check(closed.prefix, tmp_path)))
    assert not any("PKG001" in line for line in severe(check(opened.prefix, tmp_path)))


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no system Python")
def test_the_system_python(tmp_path: Path) -> None:
    report = check(Path("/usr/bin/python3"), tmp_path)
    assert report["target"]["kind"] == "system"
    assert report["target"]["prefix"] == "/usr"
    assert severe(report) == []


@pytest.mark.skipif(not Path("/usr/lib/python3/dist-packages").is_dir(), reason="no Debian dist-packages")
def test_an_environment_over_debians_packages(tmp_path: Path) -> None:
    python = "/usr/bin/python3"
    if subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode != 0:
        pytest.skip("Debian's Python has no venv module")
    env = venv(tmp_path / "env", python=python, system_site=True)
    assert severe(check(env.prefix, tmp_path)) == []


def test_the_base_interpreter(tmp_path: Path) -> None:
    """The interpreter that all this runs on, as a target: its prefix is examined, whatever is installed there."""
    report = check(Path(own_python()), tmp_path)
    assert report["target"]["python"]["runs"] is True
    assert report["target"]["python"]["version"] == sys.version.split()[0].rstrip("+")


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_every_python_version_here(tmp_path: Path, version: str) -> None:
    from tests.builders import interpreters

    found = interpreters().get(version)
    if found is None:
        pytest.skip(f"no Python {version} here")
    env = venv(tmp_path / "env", python=found, pip=True)
    report = check(env.prefix, tmp_path)
    assert severe(report) == []
    assert report["target"]["python"]["version"].startswith(version + ".")
    assert report["target"]["python"]["abi"].startswith("cp" + version.replace(".", ""))
    dead = check(env.prefix, tmp_path, PATH=os.environ["PATH"])
    assert dead["target"]["python"]["version"] == report["target"]["python"]["version"]
