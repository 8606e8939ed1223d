"""The baseline: findings that are known, so that only new ones count. Pure; reading and writing the file is the caller's."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from envdoctor.report import Report, Suppressed
from envdoctor.select import UsageError

SCHEMA_VERSION = 1
SHOWN = 10
"""Entries that are named in notes; of more the number is."""


class Known(msgspec.Struct, frozen=True):
    """One finding of a baseline; the fingerprint tells it, code and message are for readers.

    `reason` says why it may stay, `expires` is the last day on which it does.
    """

    fingerprint: str
    code: str = ""
    message: str = ""
    reason: str = ""
    expires: date | None = None


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


def document(report: Report, older: Baseline | None = None, *, reason: str = "", expires: date | None = None) -> dict[str, Any]:
    """What to write so that every finding of `report`, those of an older baseline included, is known the next time.

    Reasons and days of `older` stay with their findings; `reason` and `expires` are those of the new ones.
    """
    known = [*report.findings, *(one.finding for one in report.suppressed if one.by == "baseline")]
    before = {one.fingerprint: one for one in older.findings} if older else {}
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for finding in known:
        row = {"fingerprint": finding.fingerprint, "code": finding.code, "message": finding.message}
        entry = before.get(finding.fingerprint)
        day = entry.expires if entry else expires
        if why := entry.reason if entry else reason:
            row["reason"] = why
        if day is not None:
            row["expires"] = day.isoformat()
        rows[(finding.code, finding.fingerprint)] = row
    return {"schema_version": SCHEMA_VERSION, "findings": [rows[key] for key in sorted(rows)]}


def apply(report: Report, baseline: Baseline, name: str, today: date | None = None) -> Report:
    """`report` without the findings that `baseline` knows: they are suppressed, with their reasons.

    Notes name the entries that have expired by `today` (default: the day of the report's facts), whose findings count again,
    and those that are gone.
    """
    today = today or date.fromisoformat(report.snapshot.date)
    present = {one.fingerprint for one in (*report.findings, *(s.finding for s in report.suppressed))}
    over = [one for one in baseline.findings if one.expires is not None and one.expires < today]
    known = {one.fingerprint: one for one in baseline.findings if one not in over}
    kept = tuple(finding for finding in report.findings if finding.fingerprint not in known)
    hit = [
        Suppressed(
            finding=finding,
            reason=entry.reason or f"in the baseline {name}",
            by="baseline",
            expires=entry.expires.isoformat() if entry.expires else None,
        )
        for finding in report.findings
        if (entry := known.get(finding.fingerprint))
    ]
    ran = {check.code for check in report.checks if check.outcome in ("clean", "found")}
    notes = [*report.notes]
    notes += _named([f"{_entry(one)} expired on {one.expires}" for one in over if one.fingerprint in present], name, "expired")
    gone = [one for one in baseline.findings if one.fingerprint not in present and one.code in ran]
    notes += _named([f"{_entry(one)} is no longer found" for one in gone], name, "no longer found")
    if gone:
        notes.append(f"{name}: --write-baseline {name} brings it up to date")
    suppressed = tuple(sorted((*report.suppressed, *hit), key=lambda one: one.finding.sort_key))
    return msgspec.structs.replace(report, findings=kept, suppressed=suppressed, notes=tuple(notes))


def _entry(one: Known) -> str:
    """An entry as people know it."""
    why = f" ({one.reason})" if one.reason else ""
    return f"{one.code or 'entry'} {one.message or one.fingerprint}{why}"


def _named(lines: list[str], name: str, what: str) -> list[str]:
    """Notes on entries, at most some by name."""
    more = [f"{name}: {len(lines) - SHOWN:,} more entries {what}"] if len(lines) > SHOWN else []
    return [f"{name}: {line}" for line in lines[:SHOWN]] + more
