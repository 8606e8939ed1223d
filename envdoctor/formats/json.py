"""The JSON report: a versioned conversion into the types below, which are also what the published schema is made from. Pure.

Text is escaped by JSON itself: the document is ASCII, so that no control character, direction override or byte of another
encoding stands in it raw. Everything but ``timings`` is the same in two runs on the same state.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec

from envdoctor.finding import Confidence, Finding, Fix, Safety, Severity, Subject, SubjectKind
from envdoctor.report import Outcome, Report, Suppressed
from envdoctor.snapshot import Kind, System

SCHEMA_ID = "urn:envdoctor:report:1"


class ToolV1(msgspec.Struct, frozen=True):
    """The program that wrote the report."""

    name: str
    version: str


class PythonV1(msgspec.Struct, frozen=True):
    """The target's interpreter. ``runs`` is null where it was not asked."""

    path: str
    version: str | None
    implementation: str
    abi: str | None
    machine: str | None
    runs: bool | None


class TargetV1(msgspec.Struct, frozen=True):
    """The environment under examination, and why it is this one."""

    prefix: str
    kind: Kind
    chosen_by: str
    python: PythonV1


class CpuV1(msgspec.Struct, frozen=True):
    """The processor. ``cores`` are physical, ``threads`` logical."""

    name: str | None
    vendor: str | None
    microarchitecture: str | None
    level: str | None
    cores: int | None
    threads: int | None


class GpuV1(msgspec.Struct, frozen=True):
    """An accelerator; ``memory`` in bytes."""

    name: str
    vendor: str | None
    architecture: str | None
    memory: int | None


class MachineV1(msgspec.Struct, frozen=True):
    """The computer that was judged for; ``source`` is "this machine" or the file it was read from."""

    system: System
    machine: str
    libc: str | None
    cpu: CpuV1
    gpus: list[GpuV1]
    source: str


class SubjectV1(msgspec.Struct, frozen=True):
    """What a finding is about. A distribution's name is normalized; a path inside the prefix is relative to it."""

    kind: SubjectKind
    name: str
    version: str | None
    path: str | None


class FixV1(msgspec.Struct, frozen=True):
    """One way to mend it: argv lists in order, and argv lists that show that it worked."""

    title: str
    safety: Safety
    commands: list[list[str]]
    verify: list[list[str]]


class FindingV1(msgspec.Struct, frozen=True):
    """One defect. ``caused_by`` is the fingerprint of the finding that explains it."""

    code: str
    name: str
    severity: Severity
    confidence: Confidence
    message: str
    subjects: list[SubjectV1]
    evidence: list[str]
    caused_by: str | None
    fixes: list[FixV1]
    fingerprint: str


class SuppressedV1(FindingV1, frozen=True):
    """A finding that does not count, because an ignore or the baseline (``by``) took it out."""

    reason: str
    by: str
    expires: str | None


class CheckV1(msgspec.Struct, frozen=True):
    """What came of one rule, or of one collector (its name as ``code``).

    ``reason`` tells why a check was skipped or crashed; of one that hashes files, with ``--deep``, what it has hashed and what
    it cannot judge. Null for all others.
    """

    code: str
    outcome: Outcome
    reason: str | None


class SummaryV1(msgspec.Struct, frozen=True):
    """Counts, and the exit code of the command."""

    errors: int
    warnings: int
    infos: int
    exit_code: Literal[0, 1, 2]


class ReportV1(msgspec.Struct, frozen=True):
    """The document that ``envdoctor check --format json`` writes."""

    schema_version: Literal[1]
    tool: ToolV1
    target: TargetV1
    machine: MachineV1
    findings: list[FindingV1]
    suppressed: list[SuppressedV1]
    checks: list[CheckV1]
    notes: list[str]
    summary: SummaryV1
    timings: dict[str, float]


def document(report: Report) -> dict[str, Any]:
    """The report as plain values, in the order of the contract."""
    target, interpreter, machine = report.snapshot.target, report.snapshot.interpreter, report.machine
    ran = interpreter.run.outcome
    found = ReportV1(
        schema_version=1,
        tool=ToolV1("envdoctor", report.tool_version),
        target=TargetV1(
            target.prefix,
            target.kind,
            target.chosen_by,
            PythonV1(
                interpreter.path,
                interpreter.version,
                interpreter.implementation,
                interpreter.abi,
                interpreter.machine,
                None if ran == "not-asked" and interpreter.exists else ran == "ok",
            ),
        ),
        machine=MachineV1(
            machine.system,
            machine.machine,
            machine.libc,
            CpuV1(
                machine.cpu.name,
                machine.cpu.vendor,
                machine.cpu.microarchitecture,
                machine.cpu.level,
                machine.cpu.cores,
                machine.cpu.threads,
            ),
            [GpuV1(gpu.name, gpu.vendor, gpu.architecture, gpu.memory) for gpu in machine.gpus],
            machine.source,
        ),
        findings=[_finding(finding) for finding in sorted(report.findings, key=_order)],
        suppressed=[_suppressed(one) for one in sorted(report.suppressed, key=lambda one: _order(one.finding))],
        checks=sorted(
            (CheckV1(check.code, check.outcome, check.reason) for check in report.checks),
            key=lambda check: (check.code, check.outcome, check.reason or ""),
        ),
        notes=list(report.notes),
        summary=SummaryV1(
            report.count("error"),
            report.count("warning"),
            report.count("info"),
            report.exit_code,  # type: ignore[arg-type]
        ),
        timings=dict(sorted(report.timings.items())),
    )
    plain: dict[str, Any] = msgspec.to_builtins(found)
    return plain


def render(report: Report) -> str:
    """The report as one JSON document, ending in a newline."""
    return dump(document(report))


def dump(value: object) -> str:
    """`value` as ASCII JSON in which no CI runner finds a command, ending in a newline."""
    text = json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False)
    return text.replace("##", "\\u0023#") + "\n"


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the document."""
    return published(msgspec.json.schema(ReportV1), SCHEMA_ID, "envdoctor report")


def published(found: dict[str, Any], identity: str, title: str) -> dict[str, Any]:
    """A schema with its head, the same from every version of Python and msgspec (they order alternatives differently)."""

    def stable(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: sorted(map(stable, inner), key=json.dumps) if key in ("anyOf", "enum", "required") else stable(inner)
                for key, inner in value.items()
            }
        return [stable(inner) for inner in value] if isinstance(value, list) else value

    plain: dict[str, Any] = stable(found)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": identity, "title": title, **plain}


def _order(finding: Finding) -> tuple[object, ...]:
    return (*finding.sort_key, finding.message)


def _subject(subject: Subject) -> SubjectV1:
    return SubjectV1(subject.kind, subject.name, subject.version, subject.path)


def _values(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "message": finding.message,
        "subjects": [_subject(subject) for subject in finding.subjects],
        "evidence": list(finding.evidence),
        "caused_by": finding.caused_by,
        "fixes": [fix_value(fix) for fix in finding.fixes],
        "fingerprint": finding.fingerprint,
    }


def fix_value(fix: Fix) -> FixV1:
    """A fix as the report writes it."""
    return FixV1(fix.title, fix.safety, [list(argv) for argv in fix.commands], [list(argv) for argv in fix.verify])


def _finding(finding: Finding) -> FindingV1:
    return FindingV1(**_values(finding))


def _suppressed(one: Suppressed) -> SuppressedV1:
    return SuppressedV1(**_values(one.finding), reason=one.reason, by=one.by, expires=one.expires)
