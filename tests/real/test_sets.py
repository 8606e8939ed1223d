"""Healthy environments of real distributions get no error.

A file of ``sets/`` is one environment: a requirement a line, and in its comments the Python versions to build it for and
the modules that must import there. It is built with uv, the imports are really done (a set whose imports fail proves
nothing about envdoctor), and then ``envdoctor check`` may not report an error. Warnings and infos are printed.

``make test-real SET=web,geo PY=3.11`` chooses; sets marked small are part of every test run where the index is reachable.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.sources import create
from tests.builders import interpreters
from tests.command import clean_shell, command, measured

SETS = Path(__file__).parent / "sets"
SMALL = ("cli-3.11", "classic-3.9")
WORK = Path(os.environ.get("ENVDOCTOR_REAL_DIR") or Path(__file__).parents[2] / ".work" / "real")
"""Environments found here as NAME-X.Y are used as they are and stay; those built here are removed after use."""


class Set(NamedTuple):
    """One file of sets/."""

    name: str
    requirements: tuple[str, ...]
    pythons: tuple[str, ...]
    imports: tuple[str, ...]


def read(path: Path) -> Set:
    """The set in a file."""
    comments: dict[str, tuple[str, ...]] = {}
    requirements: list[str] = []
    for line in path.read_text().splitlines():
        if line.startswith("# ") and ":" in line:
            key, _, value = line[2:].partition(":")
            comments[key] = tuple(value.split())
        elif line and not line.startswith("#"):
            requirements.append(line)
    return Set(path.stem, tuple(requirements), comments["pythons"], comments["imports"])


def chosen(variable: str) -> list[str]:
    return [word for word in os.environ.get(variable, "").replace(",", " ").split() if word]


def cases() -> Iterator[Any]:
    """Every set on every Python version that it names."""
    names, versions = chosen("ENVDOCTOR_SET"), chosen("ENVDOCTOR_PY")
    for path in sorted(SETS.glob("*.txt")):
        one = read(path)
        if names and one.name not in names:
            continue
        for version in one.pythons:
            ident = f"{one.name}-{version}"
            if not versions or version in versions:
                yield pytest.param(one, version, id=ident, marks=() if ident in SMALL and not names else pytest.mark.real)


@pytest.fixture(scope="session")
def pythons() -> dict[str, str]:
    return interpreters()


def test_the_sets_cover_what_people_use() -> None:
    every = [read(path) for path in SETS.glob("*.txt")]
    named = {requirement.partition("=")[0].partition("[")[0] for one in every for requirement in one.requirements}
    assert len(every) >= 12
    assert len(named) >= 150


@pytest.mark.parametrize(("one", "version"), list(cases()))
def test_a_healthy_set_has_no_error(one: Set, version: str, pythons: dict[str, str], tmp_path: Path) -> None:
    if version not in pythons:
        pytest.skip(f"no Python {version} on this machine")
    env = WORK / f"{one.name}-{version}"
    built = not (env / "bin/python").exists()
    if built:
        WORK.mkdir(parents=True, exist_ok=True)
        env = Path(tempfile.mkdtemp(prefix=f"{one.name}-{version}-", dir=WORK)) / "env"
        try:
            create(env, pythons[version], one.requirements)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(env.parent, ignore_errors=True)
            if any(words in error.stderr for words in ("Failed to fetch", "error sending request", "dns error", "Connect")):
                pytest.skip("the package index is not reachable")
            raise
    try:
        for module in one.imports:
            proof = subprocess.run(
                [str(env / "bin/python"), "-I", "-c", f"import {module}"],
                capture_output=True,
                text=True,
                cwd=tmp_path,
                env=clean_shell(
                    {"QT_QPA_PLATFORM": "offscreen", "AIRFLOW_HOME": str(tmp_path / "airflow"), "HOME": str(tmp_path)}
                ),
                timeout=300,
                check=False,
            )
            assert proof.returncode == 0, f"the set is not healthy: import {module}: {proof.stderr[-500:]}"
        shell = clean_shell({"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")})
        done = measured([*command(tmp_path), "check", str(env), "--format", "json", "--no-cache"], env=shell, cwd=tmp_path)
    finally:
        if built:
            shutil.rmtree(env.parent, ignore_errors=True)
    report = json.loads(done.out)
    print(f"\n{one.name} {version}: {report['summary']} in {done.cpu:.2f} s CPU, {done.peak:.0f} MiB")
    for finding in report["findings"]:
        print(f"  {finding['severity']:<8}{finding['code']}  {finding['message']}")
    assert [check for check in report["checks"] if check["outcome"] == "crashed"] == []
    assert [f"{f['code']} {f['message']}" for f in report["findings"] if f["severity"] == "error"] == []
    assert done.code == 0, done.err
