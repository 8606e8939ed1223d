"""The report as SARIF 2.1.0, for code scanning. Pure.

Specification: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. What GitHub's code scanning asks beyond it
(a physical location for every result, ``primaryLocationLineHash``, tags, ``problem.severity``) is there, too: a finding about
an environment is shown at the line of the manifest or lockfile that names its subject, else at the manifest's first line.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from envdoctor.finding import Finding, Severity, Subject
from envdoctor.formats import pages, plain
from envdoctor.formats.json import dump
from envdoctor.formats.text import safe
from envdoctor.report import Report, Suppressed
from envdoctor.rules import FAMILIES, LoadedRule, load, modules

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "note"}
_PRECISION = {"certain": "very-high", "likely": "high", "possible": "medium"}
_KINDS = {"distribution": "package", "conda-package": "package", "file": "module"}


def render(report: Report, root: str | None = None) -> str:
    """One SARIF log, ending in a newline; `root` is the folder of the repository that locations are relative to."""
    return dump(document(report, root))


def document(report: Report, root: str | None = None) -> dict[str, Any]:
    """The log as plain values."""
    codes = sorted({check.code for check in report.checks} | {f.code for f in _all(report)})
    rules = [code for code in codes if code in modules()]
    index = {code: number for number, code in enumerate(rules)}
    driver = {
        "name": "envdoctor",
        "version": report.tool_version,
        "semanticVersion": report.tool_version,
        "rules": [_rule(load(code)) for code in rules],
    }
    if not re.fullmatch(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?", report.tool_version):
        del driver["semanticVersion"]
    if not report.tool_version:
        del driver["version"]
    results = [_result(report, finding, index, root) for finding in report.findings]
    results += [_result(report, one.finding, index, root, one) for one in report.suppressed]
    notifications = [
        {"level": "error", "message": {"text": _text(f"{check.code} crashed: {check.reason or 'no reason known'}")}}
        for check in report.checks
        if check.outcome == "crashed"
    ]
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"envdoctor/{_last(report.snapshot.target.prefix)}"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            "%SRCROOT%": {"description": {"text": "The root of the repository."}},
            "PREFIX": {"uri": _uri(report.snapshot.target.prefix, folder=True), "description": {"text": "The environment."}},
        },
        "invocations": [
            {
                "executionSuccessful": not report.crashed,
                "exitCode": report.exit_code,
                "toolExecutionNotifications": notifications,
                "toolConfigurationNotifications": [{"level": "note", "message": {"text": _text(note)}} for note in report.notes],
            }
        ],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _all(report: Report) -> tuple[Finding, ...]:
    return (*report.findings, *(one.finding for one in report.suppressed))


def _rule(rule: LoadedRule) -> dict[str, Any]:
    """A rule's metadata, from its own page."""
    page = pages.markdown(rule)
    title = pages.title(rule)
    return {
        "id": rule.rule.code,
        "name": rule.rule.name,
        "shortDescription": {"text": title},
        "fullDescription": {"text": pages.section(rule, "Why it matters") or title},
        "help": {"text": pages.plain(rule), "markdown": page},
        "defaultConfiguration": {"level": _LEVELS[rule.rule.severity]},
        "properties": {
            "tags": ["python", "environment", FAMILIES.get(rule.rule.code[:3], rule.rule.code[:3].lower())],
            "problem.severity": {"error": "error", "warning": "warning", "info": "recommendation"}[rule.rule.severity],
        },
    }


def _result(
    report: Report, finding: Finding, index: dict[str, int], root: str | None, suppressed: Suppressed | None = None
) -> dict[str, Any]:
    lines = plain.lines(finding, windows=plain.windows(report))
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "level": _LEVELS[finding.severity],
        "message": {"text": _text("\n".join([safe(finding.message) + ".", *lines]), made=True)},
        "locations": [_location(report, finding, root)],
        "partialFingerprints": {
            "envdoctor/v1": finding.fingerprint,
            "primaryLocationLineHash": f"{finding.fingerprint}:1",
        },
        "properties": {
            "confidence": finding.confidence,
            "precision": _PRECISION[finding.confidence],
            "causedBy": finding.caused_by,
            "fixes": [
                {"title": safe(fix.title), "safety": fix.safety, "commands": [list(argv) for argv in fix.commands]}
                for fix in finding.fixes
            ],
        },
    }
    if finding.code in index:
        result["ruleIndex"] = index[finding.code]
    related = [
        {"id": number, "physicalLocation": {"artifactLocation": {"uri": _relative(path), "uriBaseId": "PREFIX"}}}
        for number, path in enumerate(_files(finding), 1)
    ]
    if related:
        result["relatedLocations"] = related
    if suppressed is not None:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": safe(suppressed.reason)}]
    return result


def _location(report: Report, finding: Finding, root: str | None) -> dict[str, Any]:
    """Where the result is shown, and what it is about."""
    place = plain.place(report, finding, root)
    if place is not None:
        artifact = {"uri": _relative(place.path), "uriBaseId": "%SRCROOT%"}
    else:
        inside = next(iter(_files(finding)), None)
        artifact = {"uri": _relative(inside or "pyvenv.cfg"), "uriBaseId": "PREFIX"}
    physical = {"artifactLocation": artifact, "region": {"startLine": place.line if place else 1}}
    logical = [_logical(subject) for subject in finding.subjects]
    return {"physicalLocation": physical, **({"logicalLocations": logical} if logical else {})}


def _logical(subject: Subject) -> dict[str, Any]:
    name = safe(subject.name) or "environment"
    full = safe(f"{subject.kind}:{subject.name}" + (f"@{subject.version}" if subject.version else ""))
    return {"name": name, "fullyQualifiedName": full, "kind": _KINDS.get(subject.kind, "resource")}


def _files(finding: Finding) -> list[str]:
    """Paths of subjects inside the prefix, relative to it."""
    found = [s.path for s in finding.subjects if s.path and s.kind in ("file", "distribution", "conda-package")]
    return list(dict.fromkeys(path for path in found if not path.startswith(("/", "..")) and path[1:2] != ":"))


def _text(text: str, *, made: bool = False) -> str:
    """A plain-text message: what a viewer would take for a link (3.11.6) or a placeholder (3.11.5) is none any more."""
    text = text if made else safe(text)
    if re.search(r"\{\d+\}", text):
        text = text.replace("{", "{{").replace("}", "}}")
    return text.replace("](", "] (")


def _relative(path: str) -> str:
    """A relative URI reference (RFC 3986) for a path: its first segment holds no colon."""
    return quote(safe(path).replace("\\", "/"), safe="/._-~+")


def _uri(path: str, *, folder: bool = False) -> str:
    """A file URI."""
    slashed = safe(path).replace("\\", "/")
    return "file://" + quote("/" + slashed.strip("/"), safe="/._-~+:") + ("/" if folder else "")


def _last(prefix: str) -> str:
    """The last folder of the prefix, as part of an identifier."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", prefix.replace("\\", "/").rstrip("/").rpartition("/")[2]) or "environment"
