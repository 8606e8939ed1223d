"""envdoctor as a library, and rules of others by entry points."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import envdoctor
from envdoctor.finding import Finding
from envdoctor.report import Report
from tests.builders import Env, venv
from tests.command import ROOT, clean_shell

EXAMPLE = Path(__file__).resolve().parent / "plugin"


def test_check(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["beta-lib>=2"])
    report = envdoctor.check(env.prefix, environ={"PATH": "/nonexistent"}, cwd="/", select="PKG")
    assert isinstance(report, Report)
    assert [finding.code for finding in report.findings] == ["PKG001"]
    assert all(isinstance(finding, envdoctor.Finding) for finding in report.findings)
    assert report.exit_code == 1
    (command,) = envdoctor.fixes(report)
    assert command[-1] == "beta-lib>=2"


def test_facts_and_judgement_apart(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["beta-lib>=2"])
    facts = envdoctor.observe(env.prefix, environ={}, cwd="/")
    assert isinstance(facts, envdoctor.Snapshot)
    assert [f.code for f in envdoctor.judge(facts, select=["PKG001"], fail_on="never").findings] == ["PKG001"]
    assert envdoctor.judge(facts, ignore="PKG", select="PKG001,INT").findings[0].code == "PKG001"


def test_errors() -> None:
    with pytest.raises(envdoctor.TargetError):
        envdoctor.check("/nonexistent/nowhere")
    with pytest.raises(envdoctor.UsageError):
        envdoctor.check(sys.prefix, select="NOPE9")
    with pytest.raises(AttributeError):
        envdoctor.nothing_of_that_name  # noqa: B018


def test_the_public_names_are_there() -> None:
    for name in envdoctor.__all__:
        assert getattr(envdoctor, name) is not None
    assert envdoctor.Finding is Finding


def test_importing_it_imports_nothing_more() -> None:
    code = "import sys, envdoctor; print([m for m in sys.modules if m.startswith(('envdoctor.', 'msgspec', 'packaging'))])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.stdout == "[]\n"


# -------------------------------------------------------------------------------------------------------- rules of others


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Env:
    """An environment with this envdoctor, its dependencies and the example's rules, installed as installers leave them."""
    env = venv(tmp_path_factory.mktemp("house") / "env")
    (env.site / "here.pth").write_text(
        "".join(f"{path}\n" for path in (ROOT, *(p for p in sys.path if p.endswith("site-packages"))))
    )
    for name in EXAMPLE.glob("acme_rules/*.py"):
        target = env.site / "acme_rules" / name.name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(name, target)
    env.dist("acme-rules", files={}, entry_points="[envdoctor.rules]\nACM = acme_rules\n")
    return env


def doctor(house: Env, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    argv = [str(house.python), "-m", "envdoctor", *map(str, words)]
    shell = clean_shell({"XDG_CACHE_HOME": str(house.prefix / "cache"), **variables})
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd="/", env=shell)


def test_rules_of_others_run_like_our_own(house: Env, env: Env) -> None:
    env.dist("leftpad", "1.0")
    done = doctor(house, "check", env.prefix, "--format", "json")
    made = json.loads(done.stdout)
    found = [f for f in made["findings"] if f["code"] == "ACM001"]
    assert found[0]["message"] == "leftpad 1.0 is not approved"
    assert done.returncode == 1
    outcomes = {check["code"]: check["outcome"] for check in made["checks"]}
    assert outcomes["ACM001"] == "found"
    assert outcomes["ACM002"] == "crashed"
    assert outcomes["PKG001"] == "clean"


def test_their_rules_are_listed_explained_selected_and_known_by_messages(house: Env, env: Env) -> None:
    env.dist("leftpad", "1.0")
    assert "ACM001" in doctor(house, "rules").stdout
    assert "acme" in doctor(house, "rules").stdout
    assert "What nobody has looked at" in doctor(house, "explain", "ACM001").stdout
    assert "ACM001" in doctor(house, "check", env.prefix, "--select", "ACM001", "--format", "terminal").stdout
    assert doctor(house, "check", env.prefix, "--ignore", "ACM").returncode == 0
    assert "is not approved" in doctor(house, "explain", "--error", "PolicyError: leftpad is not approved", env.prefix).stdout
    for name in ("sarif", "junit", "github", "markdown", "html"):
        assert "leftpad" in doctor(house, "check", env.prefix, "--select", "ACM001", "--format", name).stdout


def test_answers_of_others_are_not_kept(house: Env, env: Env) -> None:
    """Their code can change without envdoctor's: they are asked in every run."""
    env.dist("leftpad", "1.0")
    rule = house.site / "acme_rules" / "acm001_package_not_approved.py"
    text = rule.read_text()
    doctor(house, "check", env.prefix)
    try:
        rule.write_text(text.replace('"leftpad"', '"nothing"'))
        assert "ACM001" not in doctor(house, "check", env.prefix, "--select", "ACM001", "-q").stdout
    finally:
        rule.write_text(text)


def test_a_plugin_of_the_target_is_not_looked_at(house: Env, env: Env, tmp_path: Path) -> None:
    """Neither in the target, nor on PYTHONPATH: no code of the target runs."""
    mark = tmp_path / "ran"
    env.dist("evil", files={"evil/__init__.py": f"open({str(mark)!r}, 'w')\n"}, entry_points="[envdoctor.rules]\nEVL = evil\n")
    done = doctor(house, "check", env.prefix, PYTHONPATH=str(env.site), VIRTUAL_ENV=str(env.prefix))
    assert done.returncode in (0, 1, 2)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("points", "word"),
    [
        ("PKG = acme_rules", "is no family of its own"),
        ("acme = acme_rules", "is no family"),
        ("BRK = not_there", "cannot be imported"),
    ],
)
def test_broken_plugins_are_told_of_and_spoil_nothing(house: Env, env: Env, points: str, word: str) -> None:
    info = house.dist("broken", files={}, entry_points=f"[envdoctor.rules]\n{points}\n")
    try:
        done = doctor(house, "check", env.prefix, "--format", "json")
        checks = {check["code"]: check for check in json.loads(done.stdout)["checks"]}
        crashed = [check for code, check in checks.items() if code.startswith("plugin.")]
        assert len(crashed) == 1
        assert word in crashed[0]["reason"]
        assert checks["PKG001"]["outcome"] == "clean"
        assert done.returncode == 2
    finally:
        shutil.rmtree(info)
