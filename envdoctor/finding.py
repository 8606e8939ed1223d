"""Findings: one defect each, with evidence, cause and fixes. Frozen values, no IO, no judging."""

# Without `from __future__ import annotations`, as envdoctor.snapshot.
from typing import Literal

import msgspec

from envdoctor.digests import sha256

Severity = Literal["error", "warning", "info"]
Confidence = Literal["certain", "likely", "possible"]
Safety = Literal["safe", "unsafe", "manual"]
SubjectKind = Literal[
    "distribution",
    "conda-package",
    "file",
    "lockfile",
    "interpreter",
    "environment",
    "variable",
    "machine",
    "gpu",
    "project",
]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""From the worst to the mildest."""

Command = tuple[str, ...]


class Subject(msgspec.Struct, frozen=True):
    """What a finding is about. A distribution's name is normalized; a file's path is relative to the prefix inside it."""

    kind: SubjectKind
    name: str
    version: str | None = None
    path: str | None = None


class Fix(msgspec.Struct, frozen=True):
    """One way to mend a finding: argv lists in order, and argv lists that show it worked.

    ``safe`` changes only what is broken, ``unsafe`` may change more than that, ``manual`` needs a person's decision
    (its commands may be empty; the title then says what to do).
    """

    title: str
    safety: Safety
    commands: tuple[Command, ...] = ()
    verify: tuple[Command, ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """One defect. ``subjects[0]`` is what it is mainly about."""

    code: str
    name: str
    severity: Severity
    confidence: Confidence
    message: str
    subjects: tuple[Subject, ...]
    evidence: tuple[str, ...]
    caused_by: str | None
    fixes: tuple[Fix, ...]
    fingerprint: str

    @property
    def sort_key(self) -> tuple[int, str, str, str, str]:
        """Worst first, then by code and subject: the order of every report."""
        first = self.subjects[0] if self.subjects else Subject("environment", "")
        return (SEVERITIES.index(self.severity), self.code, first.kind, first.name, self.fingerprint)


def fingerprint(code: str, key: str) -> str:
    """Sixteen hex digits, the same for the same defect of the same subject on every machine.

    `key` must therefore hold no absolute path and nothing that a second run could change.
    """
    return sha256(f"{code}\0{key}".encode("utf-8", "backslashreplace")).hexdigest()[:16]
