"""The baseline: findings that are known, so that only new ones count. Pure; reading and writing the file is the caller's."""

from __future__ import annotations

from typing import Any

import msgspec

from envdoctor.report import Report, Suppressed
from envdoctor.select import UsageError

SCHEMA_VERSION = 1


class Known(msgspec.Struct, frozen=True):
    """One finding of a baseline; only the fingerprint counts, the rest is for readers."""

    fingerprint: str
    code: str = ""
    message: str = ""


class Baseline(msgspec.Struct, frozen=True):
    """The document."""

    findings: tuple[Known, ...]
    schema_version: int = SCHEMA_VERSION


def parse(data: bytes, name: str) -> Baseline:
    """The baseline in a file called `name`. Raises UsageError with one line that says what is wrong."""
    hint = "envdoctor check --write-baseline FILE makes one"
    try:
        found = msgspec.json.decode(data, type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{name}: no baseline: {error}", hint) from None
    if found.schema_version > SCHEMA_VERSION:
        raise UsageError(f"{name}: baseline of schema {found.schema_version}; this envdoctor reads up to {SCHEMA_VERSION}")
    return found


def document(report: Report) -> dict[str, Any]:
    """What to write so that every finding of `report`, those of an older baseline included, is known the next time."""
    known = [*report.findings, *(one.finding for one in report.suppressed if one.by == "baseline")]
    rows = {(f.code, f.fingerprint): {"fingerprint": f.fingerprint, "code": f.code, "message": f.message} for f in known}
    return {"schema_version": SCHEMA_VERSION, "findings": [rows[key] for key in sorted(rows)]}


def apply(report: Report, baseline: Baseline, name: str) -> Report:
    """`report` without the findings that `baseline` knows; they are suppressed, and a note counts the entries that are gone."""
    known = {one.fingerprint for one in baseline.findings}
    kept = tuple(finding for finding in report.findings if finding.fingerprint not in known)
    reason = f"in the baseline {name}"
    hit = [Suppressed(finding=f, reason=reason, by="baseline") for f in report.findings if f.fingerprint in known]
    ran = {check.code for check in report.checks if check.outcome in ("clean", "found")}
    present = {one.fingerprint for one in (*report.findings, *(s.finding for s in report.suppressed))}
    gone = sum(1 for one in baseline.findings if one.fingerprint not in present and one.code in ran)
    notes = report.notes
    if gone:
        entries = "1 entry" if gone == 1 else f"{gone} entries"
        notes = (*notes, f"{name}: {entries} of the baseline no longer found; --write-baseline brings it up to date")
    suppressed = tuple(sorted((*report.suppressed, *hit), key=lambda one: one.finding.sort_key))
    return msgspec.structs.replace(report, findings=kept, suppressed=suppressed, notes=notes)
