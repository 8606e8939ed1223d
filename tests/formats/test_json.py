"""The JSON report: the contract's keys, its published schema, determinism, escaping."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

import envdoctor
from envdoctor.finding import Subject
from envdoctor.formats.json import document, dump, render, schema
from envdoctor.report import Check, Suppressed
from envdoctor.snapshot import Interpreter, Run
from tests.formats.made import HOSTILE, finding, fix, report, snapshot

DATA = Path(envdoctor.__file__).parent / "data"
SCHEMA = json.loads((DATA / "report.schema.json").read_text())


def full() -> Any:
    cause = finding("PKG005", key="~x", severity="warning")
    return report(
        [
            finding(
                "PKG001",
                key="beta",
                cause=cause,
                subjects=[Subject("distribution", "beta-lib"), Subject("file", "x.py", None, "lib/x.py")],
                evidence=["b", "a"],
                fixes=[fix(("pip", "install", "beta-lib>=2"))],
            ),
            cause,
            finding("PKG009", key="i", severity="info"),
        ],
        suppressed=[Suppressed(finding=finding("PKG002", key="s"), reason="known", by="ignore", expires="2027-01-01")],
        checks=[Check("PKG002", "found"), Check("PKG001", "found"), Check("ARC003", "skipped", "no Python version")],
        notes=["ignore PKG003: matches no finding"],
    )


def test_the_contracts_document() -> None:
    made = json.loads(render(full()))
    assert list(made)[:4] == ["schema_version", "tool", "target", "machine"]
    assert made["schema_version"] == 1
    assert made["tool"] == {"name": "envdoctor", "version": "0.0"}
    assert made["target"] == {
        "prefix": "/home/me/proj/.venv",
        "kind": "uv",
        "chosen_by": "VIRTUAL_ENV",
        "python": {
            "path": "/home/me/proj/.venv/bin/python",
            "version": "3.11.7",
            "implementation": "cpython",
            "abi": "cp311",
            "machine": "x86_64",
            "runs": True,
        },
    }
    assert set(made["machine"]) == {"system", "machine", "libc", "cpu", "gpus", "source"}
    assert made["summary"] == {"errors": 1, "warnings": 1, "infos": 1, "exit_code": 1}
    error = made["findings"][0]
    assert error["subjects"][0] == {"kind": "distribution", "name": "beta-lib", "version": None, "path": None}
    assert error["fixes"] == [
        {
            "title": "mend it",
            "safety": "safe",
            "commands": [["pip", "install", "beta-lib>=2"]],
            "verify": [["envdoctor", "check"]],
        }
    ]
    assert error["evidence"] == ["b", "a"], "the order of evidence has a meaning"
    assert error["caused_by"] == made["findings"][1]["fingerprint"]
    assert made["suppressed"][0]["reason"] == "known"
    assert made["checks"] == [
        {"code": "ARC003", "outcome": "skipped", "reason": "no Python version"},
        {"code": "PKG001", "outcome": "found", "reason": None},
        {"code": "PKG002", "outcome": "found", "reason": None},
    ]
    assert made["timings"] == {"total": 0.9}


def test_findings_are_sorted_worst_first_however_they_come() -> None:
    one = full()
    other = msgspec.structs.replace(one, findings=one.findings[::-1], checks=one.checks[::-1])
    assert render(one) == render(other)
    assert [f["severity"] for f in document(one)["findings"]] == ["error", "warning", "info"]


def test_every_report_validates_against_the_published_schema() -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for each in (full(), report(), report([finding(message=HOSTILE.encode("utf-8", "backslashreplace").decode())])):
        validator.validate(json.loads(render(each)))


def test_the_schema_refuses_what_the_contract_does_not_have() -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for path, value in (
        (("findings", 0, "severity"), "fatal"),
        (("findings", 0, "fixes", 0, "commands"), [["pip", 1]]),
        (("summary", "exit_code"), 3),
        (("schema_version",), 2),
        (("target", "kind"), "docker"),
        (("checks", 0, "outcome"), "maybe"),
    ):
        broken: Any = json.loads(render(full()))
        at = broken
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value
        assert not validator.is_valid(broken), path
    for key in ("findings", "checks", "timings", "suppressed"):
        broken = json.loads(render(full()))
        del broken[key]
        assert not validator.is_valid(broken), key


def test_published_schema_is_up_to_date() -> None:
    assert json.loads(dump(schema())) == SCHEMA


@pytest.mark.parametrize(
    ("outcome", "exists", "runs"),
    [
        ("ok", True, True),
        ("crashed", True, False),
        ("missing", False, False),
        ("not-asked", True, None),
        ("not-asked", False, False),
    ],
)
def test_runs(outcome: Any, exists: bool, runs: bool | None) -> None:
    facts = msgspec.structs.replace(snapshot(), interpreter=Interpreter(path="/p", exists=exists, run=Run(outcome=outcome)))
    assert document(report(facts=facts))["target"]["python"]["runs"] is runs


def test_nothing_raw_reaches_the_document() -> None:
    nasty = HOSTILE.encode("utf-8", "backslashreplace").decode()
    text = render(report([finding(message=nasty, evidence=[nasty], subjects=[Subject("file", nasty)])]))
    assert text.isascii()
    assert "\x1b" not in text
    assert "##[" not in text
    assert "##vso[" not in text
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert json.loads(text)["findings"][0]["message"] == nasty
