"""``explain --error``: a message in, the cause and the fix out."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from envdoctor import symptoms
from envdoctor.rules import load_all
from tests.builders import Env
from tests.formats.made import HOSTILE

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
RULES = [rule.rule for rule in load_all()]


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.messages], ids=lambda rule: rule.code)
def test_every_message_is_found_in_a_line_that_says_it(rule: object) -> None:
    """With a word in each place that varies, inside a longer line; and not in another."""
    for message in rule.messages:  # type: ignore[attr-defined]
        said = re.sub(r"\{(\w+)\}", lambda field: {"version": "2.38"}.get(field[1], "wordx"), message)
        found = symptoms.matches(f"ImportError: something: {said}\n", [rule])  # type: ignore[list-item]
        assert [match.code for match in found] == [rule.code], message  # type: ignore[attr-defined]
        assert len(found[0].words) == 0 or {"wordx", "2.38"} & set(found[0].words), (message, found)
        assert symptoms.matches("all is well", [rule]) == []  # type: ignore[list-item]
        assert len(re.sub(r"\{\w+\}", "", message).strip()) >= 8, f"{message} fits everything"


def test_most_rules_have_messages() -> None:
    """Rules about what no program complains of have none."""
    assert [
        rule.code for rule in RULES if not rule.messages and rule.severity == "error" and rule.code[:3] in ("PKG", "LIB", "CND")
    ] == []


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("ModuleNotFoundError: No module named 'cv2'", "PKG001", ("cv2",)),
        ("ImportError: libGL.so.1: cannot open shared object file: No such file or directory", "LIB001", ("libGL.so.1",)),
        ("\x1b[31mImportError:\x1b[0m /lib/libc.so.6: version `GLIBC_2.38' not found (required by /x/y.so)", "ARC008", ("2.38",)),
        ("OSError: /x/y.so: undefined symbol: _ZN3c10", "LIB003", ("_ZN3c10",)),
        ("zsh: ./pip: bad interpreter: /old/bin/python: no such file or directory", "PTH009", ("/old/bin/python",)),
        ("WARNING: Ignoring invalid distribution -umpy (/x)", "PKG005", ("-umpy",)),
    ],
)
def test_what_programs_really_say(text: str, code: str, words: tuple[str, ...]) -> None:
    found = {match.code: match for match in symptoms.matches(f"Traceback:\n  File x\n{text}\n", RULES)}
    assert code in found
    if code != "PKG005":
        assert found[code].words == words


def test_large_and_hostile_texts_cost_little() -> None:
    assert symptoms.matches(("x" * 100_000 + " has requirement ") * 50 + "\n" + HOSTILE * 500, RULES) is not None
    assert symptoms.matches("No module named '" * 20_000, RULES) is not None


def test_a_traceback_of_a_real_import(env: Env, cli: Cli) -> None:
    env.dist("alpha", "1.0", requires=["beta-lib>=2"], files={"alpha/__init__.py": "import beta_lib\n"})
    done = env.run("-c", "import alpha")
    assert done.returncode == 1
    said = cli("explain", "--error", "-", env.prefix, stdin=done.stderr)
    assert said.returncode == 1, said.stderr
    assert "what explains it" in said.stdout
    assert "beta-lib>=2, which is not installed" in said.stdout
    assert "install" in said.stdout and "beta-lib>=2'" in said.stdout
    assert "the text names files of" not in said.stdout


def test_json_is_a_report_with_what_is_meant(env: Env, cli: Cli) -> None:
    env.dist("alpha", "1.0", requires=["beta-lib>=2", "gamma"])
    made = json.loads(cli("explain", env.prefix, "--format", "json", "--error", "No module named 'beta_lib'").stdout)
    by_print = {finding["fingerprint"]: finding for finding in made["findings"]}
    assert [by_print[p]["subjects"][0]["name"] for p in made["explained_by"]] == ["beta-lib"]
    assert {"PKG001"} <= {finding["code"] for finding in by_print.values()}
    assert {known["code"] for known in made["symptoms"][0]["known_to"]} >= {"PKG001", "PKG014"}


def test_a_healthy_target_and_an_absent_module(env: Env, cli: Cli) -> None:
    done = cli("explain", "--error", "ModuleNotFoundError: No module named 'cv2'", env.prefix)
    assert done.returncode == 0
    assert "no installed distribution has a module 'cv2'" in done.stdout


def test_a_traceback_of_another_environment_is_told(env: Env, cli: Cli, tmp_path: Path) -> None:
    text = "  File \"/elsewhere/lib/python3.11/site-packages/x.py\", line 1\nModuleNotFoundError: No module named 'y'\n"
    assert "the text names files of /elsewhere" in cli("explain", "--error", "-", env.prefix, stdin=text).stdout


def test_a_message_that_no_rule_knows(cli: Cli) -> None:
    done = cli("explain", "--error", "all is well")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no rule knows")


def test_a_hostile_text_reaches_no_screen(env: Env, cli: Cli) -> None:
    done = cli("explain", "--error", f"No module named '{HOSTILE.splitlines()[0]}x'", env.prefix)
    assert "\x1b" not in done.stdout
    assert all(c.isprintable() or c == "\n" for c in done.stdout)
