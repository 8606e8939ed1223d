"""PKG002 dependency-version-conflict."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import Env, venv
from tests.rules.test_pkg001 import commands
from tests.support import diagnose, only


def test_conflict(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["Beta_Lib >=2, <3"])
    env.dist("beta-lib", "1.0")
    found = only(diagnose(env.prefix, "PKG002"), "PKG002")
    assert found.severity == "error" and found.confidence == "certain"
    assert found.message == "beta-lib 1.0 does not satisfy alpha 1.0 (>=2,<3)"
    assert [(s.name, s.version) for s in found.subjects] == [("beta-lib", "1.0"), ("alpha", "1.0")]
    assert any("beta-lib>=2,<3" in command for command in commands(found))


def test_fix_suits_all_who_ask(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["beta>=2"])
    env.dist("gamma", "1.0", requires=["beta<2.5,!=2.1"])
    env.dist("delta", "1.0", requires=["beta[x]>=1"])
    env.dist("beta", "1.0")
    found = only(diagnose(env.prefix, "PKG002"), "PKG002")
    assert any("beta[x]>=2,<2.5,!=2.1" in command for command in commands(found))


def test_demands_that_exclude_each_other(env: Env) -> None:
    env.dist("old", "1.0", requires=["beta<2"])
    env.dist("new", "1.0", requires=["beta>=2"])
    env.dist("beta", "2.1")
    found = only(diagnose(env.prefix, "PKG002"), "PKG002")
    assert "old 1.0 (<2)" in found.message and "new" not in found.message
    assert all(fix.safety != "safe" for fix in found.fixes)
    assert "new 1.0 (>=2)" in found.fixes[0].title
    assert found.fixes[0].commands[0][-2:] == ("--upgrade", "old")
    assert any("beta<2" in command for command in found.fixes[1].commands)


def test_several_requirers_one_finding(env: Env) -> None:
    for index in range(7):
        env.dist(f"user{index}", "1.0", requires=["beta>=2"])
    env.dist("beta", "1.0")
    found = only(diagnose(env.prefix, "PKG002"), "PKG002")
    assert "and 4 more" in found.message and len(found.subjects) == 8
    assert len(found.evidence) <= 8


def test_over_an_editable_is_not_safe(env: Env, tmp_path: Path) -> None:
    (tmp_path / "beta.py").write_text("")
    env.dist("alpha", "1.0", requires=["beta>=2"])
    env.dist(
        "beta",
        "1.0",
        files={"_beta.pth": f"{tmp_path}\n"},
        direct_url=f'{{"url": "file://{tmp_path}", "dir_info": {{"editable": true}}}}',
    )
    assert only(diagnose(env.prefix, "PKG002"), "PKG002").fixes[0].safety == "unsafe"


@pytest.mark.parametrize(
    ("requirement", "version"),
    [
        ("torch==2.13.0", "2.13.0+cpu"),
        ("torch>=1", "2.0.0rc1"),
        ("torch===2.13.0+cpu", "2.13.0+cpu"),
        ("torch>=2024", "1!1.0"),
        ("torch~=1.4.2", "1.4.9.post1"),
        ("torch!=2.0.*", "2.1"),
        ("torch==1.0", "1.0.0"),
        ("torch<2", "1.9.dev3"),
        ("torch>=9; python_version < '3'", "1.0"),
        ("torch>=9; extra == 'new'", "1.0"),
        ("torch @ https://example.org/torch-9.whl", "1.0"),
        ("torch>=3,>dev", "1.0"),
    ],
)
def test_satisfied(env: Env, requirement: str, version: str) -> None:
    env.dist("alpha", "1.0", requires=[requirement], extras=["new"])
    env.dist("torch", version)
    assert diagnose(env.prefix, "PKG002") == []


@pytest.mark.parametrize(
    ("requirement", "version"),
    [
        ("torch==2.13.0+cu118", "2.13.0+cpu"),
        ("torch===2.13.0", "2.13.0+cpu"),
        ("torch>=2.0", "2.0rc1"),
        ("torch<2", "2.0rc1"),
        ("torch<2024", "1!1.0"),
        ("torch~=1.4.2", "1.5"),
        ("torch>1.0", "1.0.post1"),
        ("torch!=1.0.*", "1.0.3"),
    ],
)
def test_violated(env: Env, requirement: str, version: str) -> None:
    env.dist("alpha", "1.0", requires=[requirement])
    env.dist("torch", version)
    assert only(diagnose(env.prefix, "PKG002"), "PKG002").subjects[0].version == version


def test_a_version_that_is_none_is_not_a_conflict(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["beta>=2"])
    env.dist("beta", "2004d")
    found = diagnose(env.prefix, "PKG001", "PKG002", "PKG009")
    assert [f.code for f in found] == ["PKG009"]


def test_the_first_on_sys_path_counts(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    other = tmp_path / "other"
    other.mkdir()
    env.dist("alpha", "1.0", requires=["beta>=2"])
    env.dist("beta", "2.0")
    env.dist("beta", "1.0", site=other)
    assert diagnose(env.prefix, "PKG002") == []
    shell = {"PATH": "/nonexistent", "HOME": "/nonexistent", "PYTHONPATH": str(other)}
    out = env.run("-c", "import importlib.metadata as m; print(m.version('beta'))", env={"PYTHONPATH": str(other)})
    assert out.stdout.strip() == "1.0"
    found = only(diagnose(env.prefix, "PKG002", environ=shell), "PKG002")
    assert found.subjects[0].version == "1.0"
    assert any("2.0 would do, but comes later" in line for line in found.evidence)


def test_one_packager_chose_both(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["beta>=2"], installer="conda")
    env.dist("beta", "1.0", installer="conda")
    assert only(diagnose(env.prefix, "PKG002"), "PKG002").severity == "warning"


def test_pip_over_conda_is_an_error(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["beta>=2"], installer="conda")
    env.dist("beta", "1.0", installer="pip")
    assert only(diagnose(env.prefix, "PKG002"), "PKG002").severity == "error"
