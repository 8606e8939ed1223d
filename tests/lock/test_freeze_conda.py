"""From a solved lock to an environment, from that to a frozen lock, and from that to the same environment again."""

from __future__ import annotations

import subprocess
from pathlib import Path

from envdoctor.cli import run
from envdoctor.lock.formats import read
from tests.lock.test_make_conda import LINUX, Project, channel, project

__all__ = ["channel", "project"]  # fixtures


def entries(path: Path) -> dict[str, tuple[str | None, str | None, tuple[tuple[str, str], ...]]]:
    lock = read(path.read_bytes(), path.name, "conda-lock" if path.suffix == ".yml" else "explicit")
    return {one.name: (one.version, one.artifacts[0].url, one.artifacts[0].hashes[:1]) for one in lock.packages}


def test_solved_installed_frozen_installed_again(project: Project) -> None:
    project.manifest("python", "click", "jinja2")
    assert project.lock("--platform", LINUX, three=False).code == 0
    assert run(["install", "conda-lock.yml", "-p", "env"]) == 0
    project.capsys.readouterr()
    for name in ("frozen.conda-lock.yml", f"conda-{LINUX}.lock"):
        assert run(["lock", "--freeze", "-p", "env", "-o", name]) == 0, project.capsys.readouterr()
        said = project.capsys.readouterr()
        assert (
            said.err
            == f"note: {project.channel.rstrip('/')} is a folder of this machine: who installs from the lock needs it, too\n"
        )
        assert entries(project.folder / name) == entries(project.folder / "conda-lock.yml")
        assert run(["install", name, "-p", f"again-{name}"]) == 0, project.capsys.readouterr()
        assert run(["diff", "env", f"again-{name}"]) == 0, project.capsys.readouterr()
        assert run(["diff", name, f"again-{name}"]) == 0, project.capsys.readouterr()
        assert run(["diff", name, "conda-lock.yml"]) == 0, project.capsys.readouterr()
        done = subprocess.run([project.folder / f"again-{name}" / "bin" / "python", "-c", "import click"], check=False)
        assert done.returncode == 0
        project.capsys.readouterr()
