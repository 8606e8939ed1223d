"""PKG001 dependency-missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import Env, venv
from tests.effort import ends
from tests.support import diagnose, errors, only


def commands(finding: object) -> list[tuple[str, ...]]:
    return [command for fix in finding.fixes for command in fix.commands]  # type: ignore[attr-defined]


def test_missing_dependency_is_named_normalized_with_its_specifier(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["Beta_Lib>=2", "gamma"], files={"alpha.py": "import beta_lib\n"})
    env.dist("gamma", "0.1")
    assert not env.imports("alpha")
    found = only(diagnose(env.prefix, "PKG001"), "PKG001")
    assert found.severity == "error" and found.confidence == "certain"
    assert found.message == "alpha 1.0 needs beta-lib>=2, which is not installed"
    assert [(s.kind, s.name, s.version) for s in found.subjects] == [
        ("distribution", "beta-lib", None),
        ("distribution", "alpha", "1.0"),
    ]
    assert any(command[-1] == "beta-lib>=2" for command in commands(found))
    assert found.fixes[0].verify
    assert any("METADATA: Beta_Lib>=2" in line for line in found.evidence)


def test_one_finding_for_all_who_ask_and_their_specifiers_together(env: Env) -> None:
    for index in range(6):
        env.dist(f"user{index}", "1.0", requires=[f"beta>=1.{index},<3"])
    found = only(diagnose(env.prefix, "PKG001"), "PKG001")
    assert "user0 1.0, user1 1.0, user2 1.0 and 3 more need beta>=1.5,<3" in found.message
    assert len(found.subjects) == 7
    assert any("beta>=1.5,<3" in command for command in commands(found))


def test_specifiers_that_exclude_each_other(env: Env) -> None:
    env.dist("old", "1.0", requires=["beta<2"])
    env.dist("new", "1.0", requires=["beta>=2"])
    found = only(diagnose(env.prefix, "PKG001"), "PKG001")
    assert found.fixes[0].safety == "manual"
    assert "old 1.0 asks for <2" in found.fixes[0].title and "new 1.0 asks for >=2" in found.fixes[0].title


def test_extras_are_followed_and_named(env: Env) -> None:
    env.dist("app", "1.0", requires=["web[fast]>=1"])
    env.dist("web", "2.0", requires=["server[TLS] ; extra == 'fast'", "unused ; extra == 'slow'"], extras=["fast", "slow"])
    env.dist("server", "3.0", requires=['crypto>=3 ; extra == "tls"'], extras=["tls"])
    found = only(diagnose(env.prefix, "PKG001"), "PKG001")
    assert found.message == "server[tls] 3.0 needs crypto>=3, which is not installed"
    assert any("extra tls is asked for by web" in line for line in found.evidence)


def test_extras_of_what_is_missing_are_kept_in_the_fix(env: Env) -> None:
    env.dist("app", "1.0", requires=["web[fast]>=1"])
    env.dist("other", "1.0", requires=["web[b]"])
    assert any("web[b,fast]>=1" in c for c in commands(only(diagnose(env.prefix, "PKG001"), "PKG001")))


def test_direct_reference(env: Env) -> None:
    env.dist("app", "1.0", requires=["web @ https://example.org/web-1.0-py3-none-any.whl"])
    found = only(diagnose(env.prefix, "PKG001"), "PKG001")
    assert any("web @ https://example.org/web-1.0-py3-none-any.whl" in c for c in commands(found))


def test_uv_installs_are_mended_by_uv(env: Env) -> None:
    env.dist("app", "1.0", requires=["web"], installer="uv")
    command = commands(only(diagnose(env.prefix, "PKG001"), "PKG001"))[0]
    assert command[:3] == ("uv", "pip", "install") and "--python" in command


@pytest.mark.parametrize(
    "requirement",
    [
        "beta ; extra == 'test'",
        "beta ; python_version < '3.0'",
        "beta ; sys_platform == 'win32' or sys_platform == 'darwin'",
        "beta ; (extra == 'a' or extra == 'b') and python_version > '3'",
        "beta ; platform_python_implementation == 'PyPy'",
        "gamma[nope]",
        "Ga_Mma >= 0.1",
        "ga-mma (>=0.1)",
        "GA..mma",
        "gamma @ https://example.org/gamma.zip",
        "beta ; 'x' in extras",
    ],
)
def test_look_alikes(env: Env, requirement: str) -> None:
    env.dist("alpha", "1.0", requires=[requirement], extras=["a", "b", "test"])
    env.dist("gamma", "0.1")
    env.dist("Ga.Mma", "0.1", files={})
    assert diagnose(env.prefix, "PKG001") == []


def test_environment_without_pip_and_setuptools_is_fine(env: Env) -> None:
    env.dist("alpha", "1.0")
    assert diagnose(env.prefix, "PKG001") == []


def test_declared_setuptools_is_truly_missing(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["setuptools>=40"])
    assert only(diagnose(env.prefix, "PKG001"), "PKG001").subjects[0].name == "setuptools"


def test_self_reference_and_cycle(env: Env) -> None:
    env.dist("a", "1.0", requires=["a[x]; extra == 'all'", "b; extra == 'x'"], extras=["all", "x"])
    env.dist("b", "1.0", requires=["a[all]"])
    assert diagnose(env.prefix, "PKG001") == []


def test_what_the_base_of_a_system_site_environment_lacks_is_a_warning(tmp_path: Path) -> None:
    base = venv(tmp_path / "base")
    base.dist("alpha", "1.0", requires=["gone"])
    # A venv whose sys.path holds another environment's folder by a .pth of a folder outside of it.
    child = venv(tmp_path / "child")
    (child.site / "base.pth").write_text(f"{base.site}\n")
    assert child.imports("alpha")
    found = only(diagnose(child.prefix, "PKG001"), "PKG001")
    assert errors([found]) == [] and found.severity == "warning"


def test_parent_on_sys_path_satisfies_the_child(tmp_path: Path) -> None:
    base = venv(tmp_path / "base")
    base.dist("beta", "2.0")
    child = venv(tmp_path / "child")
    (child.site / "base.pth").write_text(f"{base.site}\n")
    child.dist("alpha", "1.0", requires=["beta>=2"], files={"alpha.py": "import beta\n"})
    assert child.imports("alpha")
    assert diagnose(child.prefix, "PKG001", "PKG002") == []


def test_distribution_of_conda_is_a_warning_and_provided_ones_are_silent(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["gone", "beta-lib"], installer="conda")
    (env.site / "beta_lib").mkdir()
    (env.site / "beta_lib" / "__init__.py").write_text("")
    found = only(diagnose(env.prefix, "PKG001"), "PKG001")
    assert (found.severity, found.subjects[0].name) == ("warning", "gone")


def test_what_only_packages_of_the_operating_system_ask_for_is_a_remark(env: Env) -> None:
    """Debian's python3-gi names pycairo, which is a suggestion to its package manager; `import gi` works without."""
    env.dist("alpha", "1.0", requires=["gone"], installer="debian")
    assert only(diagnose(env.prefix, "PKG001"), "PKG001").severity == "info"
    env.dist("beta", "1.0", requires=["gone>=2"])
    assert only(diagnose(env.prefix, "PKG001"), "PKG001").severity == "error"


def test_unreadable_site_folder_is_a_skip_not_a_guess(env: Env) -> None:
    import os

    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    env.dist("alpha", "1.0", requires=["gone"])
    env.site.chmod(0)
    try:
        assert diagnose(env.prefix, "PKG001") == []
    finally:
        env.site.chmod(0o755)


def test_unreadable_requirement_stops_nothing(env: Env) -> None:
    env.dist("alpha", "1.0", requires=["beta>dev", "((", "gone>=1"])
    assert only(diagnose(env.prefix, "PKG001"), "PKG001").subjects[0].name == "gone"


def test_one_distribution_that_misses_hundreds_is_one_finding(env: Env) -> None:
    env.dist("alpha", "1.0", requires=[f"gone{index}>=1" for index in range(500)] + ["shared"])
    env.dist("beta", "1.0", requires=["shared"])
    found = diagnose(env.prefix, "PKG001")
    assert [f.subjects[0].name for f in found] == ["alpha", "shared"] or [f.subjects[0].name for f in found] == [
        "shared",
        "alpha",
    ]
    assert any("needs 500 distributions" in f.message for f in found)


def test_a_specifier_without_end(env: Env) -> None:

    excluded = ",".join(f"!=1.{index}" for index in range(900))
    env.dist("alpha", "1.0", requires=[f"gone>=1,{excluded}"] + [f"beta=={index}" for index in range(20_000)])
    env.dist("beta", "30000")
    with ends():
        found = diagnose(env.prefix, "PKG001", "PKG002")
    assert {f.code for f in found} == {"PKG001", "PKG002"}
    assert all(len(f.message) < 500 and len(f.evidence) < 20 for f in found)
