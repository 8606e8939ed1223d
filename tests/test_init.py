"""``envdoctor init``, and the CI files that it writes: executed, as far as a machine without their servers can."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from envdoctor import ci, config
from tests.command import ROOT, clean_shell

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


def tree(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_everything_is_shown_and_nothing_is_written_without_yes(cli: Cli, tmp_path: Path) -> None:
    done = cli("init", "--project", tmp_path)
    assert done.returncode == 0
    assert "--- envdoctor.toml" in done.stdout
    assert "--- .github/workflows/envdoctor.yml" in done.stdout
    assert "nothing was written: --yes writes these files" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_what_was_shown_and_works(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / ".gitlab-ci.yml").write_text("mine: {script: [true]}\n")
    (tmp_path / "Jenkinsfile").write_text("mine\n")
    done = cli("init", "--project", tmp_path, "--yes", "--baseline", "--ci", "github", "--ci", "gitlab", "--ci", "pre-commit")
    assert done.returncode == 0, done.stderr
    made = tree(tmp_path)
    assert made[".gitlab-ci.yml"] == "mine: {script: [true]}\n"
    assert made["Jenkinsfile"] == "mine\n"
    assert set(made) == {
        "requirements.txt", ".gitlab-ci.yml", "Jenkinsfile", "envdoctor.toml", ".gitlab/envdoctor.yml",
        ".github/workflows/envdoctor.yml", ".pre-commit-config.yaml",
    }  # fmt: skip
    for path, text in made.items():
        if path not in ("requirements.txt", ".gitlab-ci.yml", "Jenkinsfile"):
            assert text.rstrip() in done.stdout
        if path.endswith((".yml", ".yaml")):
            assert isinstance(yaml.safe_load(text), dict)
    assert "add to .gitlab-ci.yml:  include: .gitlab/envdoctor.yml" in done.stderr
    settings = config.load(str(tmp_path), str(tmp_path))
    assert settings.fail_on == "error"
    assert settings.baseline == str(tmp_path / ci.BASELINE)
    again = cli("init", "--project", tmp_path, "--yes", "--ci", "github", "--ci", "gitlab", "--ci", "pre-commit")
    assert again.returncode == 0
    assert tree(tmp_path) == made


def test_settings_that_are_there_stay(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.envdoctor]\nfail-on = "warning"\n')
    cli("init", "--project", tmp_path, "--yes")
    assert not (tmp_path / "envdoctor.toml").exists()


def test_the_settings_that_are_proposed_hold_when_uncommented(tmp_path: Path) -> None:
    text = ci.SETTINGS.format(baseline='baseline = "b.json"')
    text = re.sub(r"(?m)^# (?=\[\[|code|subject|reason|expires)", "", text)
    (tmp_path / "envdoctor.toml").write_text(text)
    assert config.load(str(tmp_path), None).ignores[0].subject == "beta-lib"


def test_examples_are_those_of_the_docs() -> None:
    for name, text in ci.examples().items():
        assert (ROOT / "docs" / "ci" / name).read_text() == text


def test_hooks_are_complete() -> None:
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()):
        assert {"id", "name", "entry", "language"} <= hook.keys()
        assert hook["pass_filenames"] is False
        if "files" in hook:
            assert re.search(hook["files"], "sub/requirements-dev.txt")
            assert re.search(hook["files"], "uv.lock")
            assert not re.search(hook["files"], "src/main.py")


# ------------------------------------------------------------------------------------------------- executed, for real


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with this checkout's wheel, where pip looks first."""
    folder = tmp_path_factory.mktemp("wheels")
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    if subprocess.run(argv, capture_output=True, check=False, timeout=300).returncode:
        pytest.skip("no package index")
    return folder


def project(folder: Path, *requirements: str) -> Path:
    folder.mkdir()
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in requirements))
    return folder


def broken(folder: Path) -> None:
    """A dependency is taken out of the environment."""
    subprocess.run([folder / ".venv/bin/python", "-m", "pip", "uninstall", "-qy", "markupsafe"], check=True, capture_output=True)


def shell(script: str, folder: Path, wheels: Path, program: str = "bash", **variables: str) -> subprocess.CompletedProcess[str]:
    options = ["-e", "-o", "pipefail"] if program == "bash" else ["-e"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = clean_shell({"PIP_FIND_LINKS": str(wheels), "PATH": path, "XDG_CACHE_HOME": str(folder.parent / "cache"), **variables})
    return subprocess.run(
        [program, *options, "-c", script], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=600
    )


def expanded(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", lambda match: values[match[1]], text)


def action(folder: Path, wheels: Path, **inputs: str) -> tuple[int, str, dict[str, str], str]:
    """Runs action.yml's steps as a runner does: exit code, log, outputs of the check, step summary."""
    made = yaml.safe_load((ROOT / "action.yml").read_text())
    runner = folder.parent / "runner"
    shutil.rmtree(runner, ignore_errors=True)
    runner.mkdir()
    values = {"github.action_path": str(ROOT), "runner.temp": str(runner)}
    values |= {f"inputs.{name}": inputs.get(name.replace("-", "_"), one["default"]) for name, one in made["inputs"].items()}
    log, code = "", 0
    for step in made["runs"]["steps"]:
        env = {key: expanded(value, values) for key, value in step["env"].items()}
        files = {"GITHUB_OUTPUT": str(runner / "output"), "GITHUB_STEP_SUMMARY": str(runner / "summary")}
        done = shell(step["run"], folder, wheels, **env, **files)
        log, code = log + done.stdout + done.stderr, done.returncode
        if code:
            break
    outputs = dict(line.split("=", 1) for line in (runner / "output").read_text().splitlines())
    return code, log, outputs, (runner / "summary").read_text()


@pytest.mark.real
def test_the_action_fails_and_passes(tmp_path: Path, wheels: Path) -> None:
    folder = project(tmp_path / "project", "jinja2")
    assert shell(f"{ci.maker(['requirements.txt'])}", folder, wheels).returncode == 0
    code, log, outputs, summary = action(folder, wheels, target=".venv")
    assert (code, outputs["exit-code"]) == (0, "0"), log
    assert "❌" not in summary
    broken(folder)
    code, log, outputs, summary = action(folder, wheels, target=".venv", args="--select PKG")
    assert (code, outputs["exit-code"]) == (1, "1")
    assert "::error title=PKG001 dependency-missing · markupsafe" in log
    assert "markupsafe" in summary
    assert json.loads((folder / "envdoctor.sarif").read_text())["runs"][0]["results"][0]["ruleId"] == "PKG001"
    code, _, outputs, _ = action(folder, wheels, target=".venv", fail_on="never")
    assert (code, outputs["exit-code"]) == (0, "0")


@pytest.mark.real
def test_the_workflow_that_init_writes(tmp_path: Path, wheels: Path) -> None:
    folder = project(tmp_path / "project", "jinja2")
    steps = yaml.safe_load(ci.examples()["github.yml"])["jobs"]["envdoctor"]["steps"]
    make, check = [step["run"] for step in steps if "run" in step]
    runner = tmp_path / "runner"
    runner.mkdir()
    assert shell(make, folder, wheels).returncode == 0
    assert shell(check, folder, wheels, RUNNER_TEMP=str(runner)).returncode == 0
    broken(folder)
    done = shell(check, folder, wheels, RUNNER_TEMP=str(runner))
    assert done.returncode == 1
    assert "::error title=PKG001" in done.stdout


@pytest.mark.real
def test_gitlab_and_jenkins(tmp_path: Path, wheels: Path) -> None:
    """The commands of GitLab's job and of the Jenkinsfile's stages, in the shells that run them there."""
    job = yaml.safe_load(ci.examples()["gitlab-ci.yml"])["envdoctor"]
    stages = re.findall(r"sh '''\n(.*?)'''", ci.examples()["Jenkinsfile"], re.DOTALL)
    for name, scripts, program in (("gitlab", job["script"], "bash"), ("jenkins", stages, "sh")):
        folder = project(tmp_path / name, "jinja2")
        script = "\n".join(scripts).replace("/tmp/envdoctor", str(tmp_path / "tool"))
        assert shell(script, folder, wheels, program).returncode == 0
        broken(folder)
        check = "\n".join(script.splitlines()[-3:])
        done = shell(check, folder, wheels, program)
        assert done.returncode == 1, done.stdout + done.stderr
        assert '<failure type="error"' in (folder / "envdoctor.xml").read_text()
        assert "markupsafe" in (folder / "envdoctor.html").read_text()


@pytest.mark.real
def test_pre_commit_runs_the_hooks(tmp_path: Path, wheels: Path) -> None:
    """`pre-commit try-repo` on this checkout: installs the hook from it and runs it in a project."""
    tool = tmp_path / "tool"
    subprocess.run([sys.executable, "-m", "venv", str(tool)], check=True)
    installed = subprocess.run([tool / "bin/pip", "install", "-q", "pre-commit"], capture_output=True, check=False)
    if installed.returncode:
        pytest.skip("no package index")
    folder = project(tmp_path / "project", "jinja2")
    assert shell(ci.maker(["requirements.txt"]), folder, wheels).returncode == 0
    git = "git -c user.name=a -c user.email=a@b.invalid"
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", "fixtures", "docs", "tests", ".work"
    )
    shutil.copytree(ROOT, source, ignore=ignored)
    for place in (source, folder):
        assert (
            shell(
                f"{git} init -q . && {git} add requirements.txt 2>/dev/null || {git} add -A; {git} commit -qm x", place, wheels
            ).returncode
            == 0
        )
    run = f"{tool}/bin/pre-commit try-repo {source} envdoctor-always --verbose --all-files"
    done = shell(run, folder, wheels, PRE_COMMIT_HOME=str(tmp_path / "home"))
    assert done.returncode == 0, done.stdout + done.stderr
    broken(folder)
    done = shell(run, folder, wheels, PRE_COMMIT_HOME=str(tmp_path / "home"))
    assert done.returncode == 1
    assert "PKG001" in done.stdout
