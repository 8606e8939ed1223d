"""What a rule is. A rule file defines ``RULE = Rule(...)`` and a function ``check(view)`` that yields findings.

The file's docstring is the rule's page: a title line, then the sections *Why it matters*, *How it is found*,
*Look-alikes that are fine*, *How to fix*, *Example*. Rules import the snapshot, findings, the view, remedies and
packaging; nothing that does IO (``tests/test_architecture.py`` holds them to it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from envdoctor.finding import Confidence, Finding, Fix, Severity, Subject, fingerprint
from envdoctor.snapshot import Snapshot
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

Check = Callable[[View], Iterable[Finding]]


NOT_CONDA = "not a conda prefix"
"""Reason of a check that has nothing to do here; the terminal does not tell people of it."""
NO_LOCKS = "no lockfile, and no manifest that could have one"
"""The same of the rules about locks."""
NOTHING_THERE = (NOT_CONDA, NO_LOCKS)


class Skip(Exception):
    """Raised by a check that lacks what it needs; the text is the reason that the report gives."""


class Rule(NamedTuple):
    """The constant part of a rule. `reads` names the snapshot fields it judges, for readers and for the docs."""

    code: str
    name: str
    severity: Severity
    reads: tuple[str, ...] = ()
    deep: bool = False
    """Finds more with ``--deep``."""
    live: bool = False
    """Judges what changes from minute to minute (``machine.limits``), so that no earlier answer is taken over."""
    messages: tuple[str, ...] = ()
    """What programs say where the defect bites, for ``explain --error``: a part of a line, ``{module}`` for what varies."""

    def finding(
        self,
        message: str,
        subjects: Iterable[Subject],
        *,
        evidence: Iterable[str] = (),
        fixes: Iterable[Fix] = (),
        key: str | None = None,
        severity: Severity | None = None,
        confidence: Confidence = "certain",
        caused_by: str | None = None,
    ) -> Finding:
        """A finding of this rule.

        `message` is one line and begins with the verdict; `evidence` are facts that a person can check by hand, a line
        each. `key` (default: kind and name of the first subject) makes the fingerprint: it must be the same for the same
        defect on another machine and another day. `caused_by` is the fingerprint of the finding that explains this one;
        most causes are found later, in ``envdoctor.causes``.
        """
        subjects = tuple(dict.fromkeys(subjects))
        if key is None:
            key = f"{subjects[0].kind}:{subjects[0].name}"
        return Finding(
            code=self.code,
            name=self.name,
            severity=severity or self.severity,
            confidence=confidence,
            message=message,
            subjects=subjects,
            evidence=tuple(evidence),
            caused_by=caused_by,
            fixes=tuple(fixes),
            fingerprint=fingerprint(self.code, key),
        )

    def fingerprint(self, key: str) -> str:
        """The fingerprint that :meth:`finding` would give for `key`."""
        return fingerprint(self.code, key)


def fields_of_snapshot() -> frozenset[str]:
    """Names that ``Rule.reads`` may hold."""
    names: Any = Snapshot.__struct_fields__
    return frozenset(names)
