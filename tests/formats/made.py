"""Reports made by hand for the formats: what a rule would yield, without an environment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envdoctor.finding import Command, Confidence, Finding, Fix, Severity, Subject, fingerprint
from envdoctor.report import Check, FailOn, Report, Suppressed
from envdoctor.snapshot import Cpu, Gap, Interpreter, Machine, Run, Shell, Snapshot, Target

HOSTILE = "\x1b[31m::error file=a::b\n##[error]x\r##vso[task]y\u202e\u200b\u2028\x9b\x07[bold]m[/bold] \udc80"
"""Everything that a name in a target may try on a screen, a CI runner or a markup parser."""


def fix(*commands: Command, title: str = "mend it", safety: str = "safe", verify: Sequence[Command] | None = None) -> Fix:
    """A fix."""
    return Fix(title, safety, commands, (("envdoctor", "check"),) if verify is None else tuple(verify))  # type: ignore[arg-type]


def finding(
    code: str = "PKG001",
    *,
    key: str = "k",
    name: str = "some-defect",
    severity: Severity = "error",
    confidence: Confidence = "certain",
    message: str | None = None,
    subjects: Iterable[Subject] | None = None,
    evidence: Iterable[str] = (),
    cause: Finding | None = None,
    fixes: Iterable[Fix] = (),
) -> Finding:
    """A finding."""
    return Finding(
        code=code,
        name=name,
        severity=severity,
        confidence=confidence,
        message=message or f"{key} is wrong",
        subjects=tuple(subjects) if subjects is not None else (Subject("distribution", key, "1.0"),),
        evidence=tuple(evidence),
        caused_by=cause.fingerprint if cause else None,
        fixes=tuple(fixes),
        fingerprint=fingerprint(code, key),
    )


def snapshot(
    *, prefix: str = "/home/me/proj/.venv", gaps: Iterable[Gap] = (), deep: bool = False, cwd: str = "/home/me/proj"
) -> Snapshot:
    """Facts of a small environment."""
    return Snapshot(
        date="2026-01-02",
        deep=deep,
        target=Target(prefix=prefix, kind="uv", chosen_by="VIRTUAL_ENV"),
        interpreter=Interpreter(
            path=f"{prefix}/bin/python", exists=True, version="3.11.7", abi="cp311", machine="x86_64", run=Run(outcome="ok")
        ),
        machine=machine(),
        shell=Shell(cwd=cwd),
        gaps=tuple(gaps),
    )


def machine(source: str = "this machine") -> Machine:
    """An ordinary computer."""
    return Machine(system="linux", machine="x86_64", libc="glibc 2.36", cpu=Cpu(name="cpu", level="x86-64-v3"), source=source)


def report(
    findings: Iterable[Finding] = (),
    *,
    facts: Snapshot | None = None,
    checks: Iterable[Check] | None = None,
    suppressed: Iterable[Suppressed] = (),
    notes: Iterable[str] = (),
    fail_on: FailOn = "error",
    timings: dict[str, float] | None = None,
) -> Report:
    """A report; the checks are those of the findings unless given."""
    found = tuple(findings)
    made = checks if checks is not None else [Check(code, "found") for code in sorted({f.code for f in found})]
    facts = facts or snapshot()
    return Report(
        snapshot=facts,
        machine=facts.machine,
        findings=found,
        suppressed=tuple(suppressed),
        checks=tuple(made),
        notes=tuple(notes),
        fail_on=fail_on,
        timings={"total": 0.9} if timings is None else timings,
        tool_version="0.0",
    )
