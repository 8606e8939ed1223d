"""What ``explain --error`` says: which lines of a text are known, and what is wrong here. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from envdoctor.finding import Finding
from envdoctor.formats import json, terminal
from envdoctor.formats.terminal import Look, styled
from envdoctor.formats.text import guard, safe, to_ascii, wrap
from envdoctor.report import Report
from envdoctor.rules import load
from envdoctor.symptoms import Match

NAMED, SHORT = 4, 8
"""Rules that are named in full beside a line, and findings that are shown on a line each."""
LINES = 6
"""Known lines that are shown without -v; the last ones, where the error itself stands."""


def document(found: Sequence[Match], report: Report, meant: Sequence[Finding], notes: Sequence[str]) -> dict[str, Any]:
    """The answer as plain values: a report on the rules that were asked, and which of its findings the text is about."""
    lines: dict[str, list[dict[str, str]]] = {}
    for match in found:
        lines.setdefault(match.line, []).append({"code": match.code, "message": match.message})
    made = json.document(report)
    made["notes"] = [*made["notes"], *notes]
    return {
        **made,
        "symptoms": [{"line": safe(line), "known_to": known} for line, known in lines.items()],
        "explained_by": sorted(finding.fingerprint for finding in meant),
    }


def render_json(found: Sequence[Match], report: Report, meant: Sequence[Finding], notes: Sequence[str]) -> str:
    """The answer as one JSON document."""
    return json.dump(document(found, report, meant, notes))


def render_terminal(found: Sequence[Match], report: Report, meant: Sequence[Finding], notes: Sequence[str], look: Look) -> str:
    """The answer for a person: the lines, the cause, and what else these rules found."""
    width = max(look.width, 30)
    by_line: dict[str, list[str]] = {}
    for match in found:
        by_line.setdefault(match.line, []).append(match.code)
    shown = list(by_line) if look.verbosity > 0 else list(by_line)[-LINES:]
    lines: list[str] = []
    for line in shown:
        lines += wrap(styled(safe(line), "bold", look), width, "", "  ")
        codes = by_line[line]
        names = [f"{code} {load(code).rule.name}" for code in codes] if len(codes) <= NAMED else codes
        lines += wrap("known to " + ", ".join(names), width, "  ", "    ")
    lines.append("")
    here = safe(report.snapshot.target.prefix)
    others = [finding for finding in report.findings if finding not in meant]
    if meant:
        lines += [f"what explains it in {here}:", "", *terminal.blocks(_only(report, meant), look)]
    if others:
        said = f"what else these rules found in {here}:" if meant else f"it names none of what these rules found in {here}:"
        lines += [*([""] if meant else []), *wrap(said, width)]
        if look.verbosity > 0:
            lines += ["", *terminal.blocks(_only(report, others), look)]
        else:
            for finding in others[:SHORT]:
                lines += wrap(safe(f"{finding.severity:<8}{finding.code} {finding.message}"), width, "  ", "          ")
            if len(others) > SHORT:
                lines.append(f"  … {len(others) - SHORT:,} more: -v shows all")
    if not report.findings:
        lines += wrap(f"none of these rules found anything in {here}", width, "", "  ")
    for note in (*notes, *report.notes):
        lines += wrap(safe(f"note: {note}"), width, rest="  ")
    text = guard("\n".join(lines)) + "\n"
    return to_ascii(text) if look.ascii else text


def _only(report: Report, findings: Sequence[Finding]) -> Report:
    return msgspec.structs.replace(report, findings=tuple(findings))
