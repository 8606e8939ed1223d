"""The report: findings counted once. Counts, families and the exit code are derived here and nowhere else."""

# Without `from __future__ import annotations`, as envdoctor.snapshot.
from typing import Any, Literal

import msgspec

from envdoctor.finding import SEVERITIES, Finding, Severity
from envdoctor.partial import is_read
from envdoctor.snapshot import Gap, Machine, Snapshot

REPORT_SCHEMA_VERSION = 1
FailOn = Literal["error", "warning", "info", "never"]
Outcome = Literal["clean", "found", "skipped", "crashed"]


class Check(msgspec.Struct, frozen=True):
    """What came of one rule (or, with a collector's name as code, of one collector)."""

    code: str
    outcome: Outcome
    reason: str | None = None


class Suppressed(msgspec.Struct, frozen=True):
    """A finding that an ignore or the baseline took out, and why."""

    finding: Finding
    reason: str
    by: str
    expires: str | None = None


class Counts(msgspec.Struct, frozen=True):
    """Sizes of what was looked at, for the summary line."""

    distributions: int = 0
    natives: int | None = 0
    """None where no rule that ran asks for them, so that they were not looked at."""
    files: int = 0
    rules: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an output format needs."""

    snapshot: Snapshot
    machine: Machine
    findings: tuple[Finding, ...]
    suppressed: tuple[Suppressed, ...] = ()
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    """Unmatched ignores and the like: lines for the end of the report."""
    fail_on: FailOn = "error"
    timings: dict[str, float] = {}
    tool_version: str = ""

    def count(self, severity: Severity) -> int:
        """Number of findings of exactly that severity."""
        return sum(1 for finding in self.findings if finding.severity == severity)

    def consequences(self) -> int:
        """Number of findings that another finding in this report explains."""
        here = {finding.fingerprint for finding in self.findings}
        return sum(1 for finding in self.findings if finding.caused_by in here)

    @property
    def counts(self) -> Counts:
        """What was looked at."""
        return Counts(
            distributions=len(self.snapshot.distributions),
            natives=len(self.snapshot.natives) if is_read(self.snapshot, "natives") else None,
            files=sum(site.files for site in self.snapshot.sites),
            rules=sum(1 for check in self.checks if check.outcome in ("clean", "found")),
        )

    @property
    def covered(self) -> str | None:
        """What ``--deep`` has hashed, and what it cannot judge; None without ``--deep``."""
        if not self.snapshot.deep:
            return None
        return "; ".join(dict.fromkeys(hashed(self.snapshot).values())) or "nothing, as no record has a hash"

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What could not be read."""
        return self.snapshot.gaps

    @property
    def crashed(self) -> bool:
        """A rule or a collector crashed."""
        return any(check.outcome == "crashed" for check in self.checks)

    @property
    def exit_code(self) -> int:
        """0, 1 or 2 as the contract says."""
        if self.fail_on != "never":
            limit = SEVERITIES.index(self.fail_on)
            if any(SEVERITIES.index(finding.severity) <= limit for finding in self.findings):
                return 1
        return 2 if self.crashed else 0


def summary(report: Report) -> dict[str, Any]:
    """The ``summary`` object of the JSON report."""
    return {
        "errors": report.count("error"),
        "warnings": report.count("warning"),
        "infos": report.count("info"),
        "exit_code": report.exit_code,
    }


def hashed(snapshot: Snapshot) -> dict[str, str]:
    """What ``--deep`` has hashed and what it cannot judge, by the code of the rule that judges it; empty without ``--deep``.

    These are the reasons of the checks of those rules, whatever came of them: a check that is clean says how far it reached.
    """
    found: dict[str, str] = {}
    if not snapshot.deep:
        return found
    meta = snapshot.conda_meta
    if meta is not None and meta.coverage.paths:
        done = meta.coverage
        left = {
            "compiled modules": done.compiled,
            "links": done.links,
            "without a hash": done.no_hash,
            "unreadable": done.unreadable,
        }
        rest = ", ".join(f"{number:,} {words}" for words, number in left.items() if number)
        size = f" ({done.bytes_hashed / 1e6:,.0f} MB)"
        found["CND002"] = f"{done.hashed:,} of {done.paths:,} paths of conda's records{size}" + (f", not {rest}" if rest else "")
    records = sum(1 for dist in snapshot.distributions if dist.record is not None and dist.record.hashed)
    if records:
        found["PKG007"] = f"what {records:,} RECORD file{'s' if records > 1 else ''} list with a hash"
    return found
