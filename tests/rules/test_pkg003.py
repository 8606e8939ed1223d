"""PKG003 requires-python-unmet."""

from __future__ import annotations

import sys

import msgspec
import pytest

from envdoctor.snapshot import Snapshot
from tests.builders import Env
from tests.support import diagnose, only, report_of, snapshot_of

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def as_python(snapshot: Snapshot, version: str | None) -> Snapshot:
    """The same environment, as if its files told this version of Python."""
    return msgspec.structs.replace(snapshot, interpreter=msgspec.structs.replace(snapshot.interpreter, version=version))


def test_unmet(env: Env) -> None:
    env.dist("alpha", "3.0", requires_python=">=3.99")
    found = only(diagnose(env.prefix, "PKG003"), "PKG003")
    assert found.severity == "error"
    assert found.message.startswith("alpha 3.0 requires Python >=3.99, and this is 3.")
    assert [s.kind for s in found.subjects] == ["distribution", "interpreter"]
    assert any("--upgrade" in command for fix in found.fixes for command in fix.commands)


@pytest.mark.parametrize("wanted", [f"=={HERE}.*", ">=3", ">=2.7, !=3.0.*, !=3.1.*, !=3.2.*", "", None, ">=3.6.*", "nonsense"])
def test_met_or_not_said(env: Env, wanted: str | None) -> None:
    env.dist("alpha", "3.0", requires_python=wanted)
    assert diagnose(env.prefix, "PKG003") == []


@pytest.mark.parametrize(
    ("wanted", "version", "unmet"),
    [
        (">=3.12", "3.12.0rc2", False),  # pip goes by the release
        (">=3.12.1", "3.12.0rc2", True),
        ("<3.13", "3.13.0", True),
        ("<3.13", "3.13.0a1", True),
        (">=3.11.4", "3.11.3", True),
        (">=3.11.4", "3.11", False),  # cannot be told
        ("!=3.11.0,!=3.11.1", "3.11", False),
        ("<3.11", "3.11", True),
        ("!=3.11.*", "3.11", True),
        (">=3.8", "3.11", False),
        ("==3.11", "3.11.7", True),
        (">=4", "3.9.2+", False),
    ],
)
def test_versions(env: Env, wanted: str, version: str, unmet: bool) -> None:
    env.dist("alpha", "3.0", requires_python=wanted)
    report = report_of(as_python(snapshot_of(env.prefix), version), "PKG003")
    assert bool(report.findings) is unmet


def test_unknown_python_is_a_skip(env: Env) -> None:
    env.dist("alpha", "3.0", requires_python=">=3.99")
    report = report_of(as_python(snapshot_of(env.prefix), None), "PKG003")
    assert [check.outcome for check in report.checks if check.code == "PKG003"] == ["skipped"]


def test_conda_built_it_for_this_python(env: Env) -> None:
    env.dist("alpha", "3.0", requires_python="<3", installer="conda")
    assert only(diagnose(env.prefix, "PKG003"), "PKG003").severity == "warning"


def test_another_python_is_one_that_the_distribution_takes(env: Env) -> None:
    env.dist("alpha", "1.0", requires_python=">=3.8,<3.9")
    finding = only(diagnose(env.prefix, "PKG003"), "PKG003")
    words = [word for fix in finding.fixes for command in fix.commands for word in command]
    assert any("3.8" in word for word in words)
