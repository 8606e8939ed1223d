"""PKG008 file-owned-twice: who shares what, and whose it is on disk."""

from __future__ import annotations

import pytest

from tests.builders import Env
from tests.support import diagnose, only


def test_two_distributions_record_one_file_with_different_content(env: Env) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "from common.util import one\n", "common/util.py": "one = 1\n"})
    assert env.imports("alpha")
    env.dist("beta", "2.0", files={"beta/__init__.py": "from common.util import two\n", "common/util.py": "two = 2  # longer\n"})
    assert not env.imports("alpha")
    findings = diagnose(env.prefix, "PKG008", "PKG011")
    finding = only(findings, "PKG008")
    assert len(findings) == 1 and finding.severity == "error"
    assert [s.name for s in finding.subjects[:2]] == ["alpha", "beta"]
    assert "common/util.py with different content; the file is that of beta" in finding.message


@pytest.mark.parametrize(
    ("names", "severity"),
    [
        (("jwt", "pyjwt"), "error"),
        (("opencv-python", "opencv-python-headless"), "warning"),
        (("pillow", "pillow-simd"), "warning"),
    ],
)
def test_projects_of_one_package_name_and_builds_of_one_project(env: Env, names: tuple[str, str], severity: str) -> None:
    for name in names:
        env.dist(name, files={"thing/__init__.py": f"who = '{name}'\n"})
    assert only(diagnose(env.prefix, "PKG008"), "PKG008").severity == severity


def test_the_same_content_is_a_warning(env: Env) -> None:
    for name in ("alpha", "beta"):
        env.dist(name, files={f"{name}/__init__.py": "", "common/util.py": "one = 1\n"})
    assert only(diagnose(env.prefix, "PKG008", "PKG011"), "PKG008").severity == "warning"


@pytest.mark.parametrize(
    "init",
    [
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
        "__import__('pkg_resources').declare_namespace(__name__)\n",
        "",
        "# a namespace package\n",
    ],
)
def test_namespace_inits_are_fine(env: Env, init: str) -> None:
    env.dist("ns-alpha", files={"ns/__init__.py": init + "#\n", "ns/alpha.py": ""})
    env.dist("ns-beta", files={"ns/__init__.py": init, "ns/beta.py": ""})
    assert diagnose(env.prefix, "PKG008", "PKG011") == []


@pytest.mark.parametrize(
    "path", ["tests/__init__.py", "LICENSE", "docs/conf.py", "README.md", "../../../share/doc/x", "common/LICENSE.txt"]
)
def test_licences_tests_and_data_folders_are_fine(env: Env, path: str) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "", path: "one\n"})
    env.dist("beta", files={"beta/__init__.py": "", path: "two\n"})
    assert diagnose(env.prefix, "PKG008", "PKG011") == []


def test_a_command_of_two_distributions_is_a_warning(env: Env) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "", "../../../bin/run": "#!a\n"})
    env.dist("beta", files={"beta/__init__.py": "", "../../../bin/run": "#!b\n"})
    finding = only(diagnose(env.prefix, "PKG008", "PKG011"), "PKG008")
    assert finding.severity == "warning" and "bin/run" in finding.message


def test_parts_of_one_project_are_information(env: Env) -> None:
    files = {"flow/__init__.py": "x = 1\n", "flow/core.py": "y = 1\n"}
    env.dist("flow-skinny", "3.0", files=files)
    env.dist("flow-tracing", "3.0", files=files)
    env.dist("flow", "3.0", files={**files, "flow/more.py": ""}, requires=["flow-skinny==3.0", "flow-tracing==3.0"])
    findings = diagnose(env.prefix, "PKG008", "PKG011")
    assert [(f.code, f.severity) for f in findings] == [("PKG008", "info")]
