"""What a look with fresh eyes found in fixes and messages about conda prefixes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conda import conda_prefix
from tests.support import diagnose, only


@pytest.mark.parametrize("writer", ["conda", "micromamba"])
def test_no_plan_removes_what_nothing_makes_again(writer: str, tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, writer)
    moved = env.prefix.rename(tmp_path / "moved")
    for fix in only(diagnose(moved, "INT003"), "INT003").fixes:
        words = [" ".join(command) for command in fix.commands]
        if any("env remove" in line for line in words):
            assert "--file" in words[0] and "env create" in words[-1]


def test_a_moved_pixi_project_has_its_manifest_where_it_stands(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path / "old", "pixi")
    head, inside, name = str(env.prefix).rpartition("/.pixi/envs/")
    if not inside:
        pytest.skip("the fixture's pixi prefix stands outside of a project")
    new = Path(head).rename(tmp_path / "new")
    commands = [
        command for finding in diagnose(new / ".pixi/envs" / name, "INT003") for fix in finding.fixes for command in fix.commands
    ]
    paths = [command[i + 1] for command in commands for i, word in enumerate(command) if word == "--manifest-path"]
    assert all(path.startswith(str(new)) for path in paths)


def test_a_wrong_record_of_python_is_no_other_python(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, "conda")
    env.edit("python", version="3.99.1")
    assert diagnose(env.prefix, "INT004") == []


@pytest.mark.parametrize("line", [b"click >=8,<<3 [[\n", b"\xff\xfe click 8\n"])
def test_a_pin_that_is_no_spec(line: bytes, tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, "conda")
    (env.prefix / "conda-meta/pinned").write_bytes(b"# pins\nnumpy >=1\n" + line)
    finding = only(diagnose(env.prefix, "CND009"), "CND009")
    assert finding.severity == "error" and "conda-meta/pinned:3" in finding.message


def test_pins_that_are_specs(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, "conda")
    (env.prefix / "conda-meta/pinned").write_text("numpy >=1\nconda-forge::click\npython 3.*\nopenssl=3 # one\n")
    assert diagnose(env.prefix, "CND009") == []
