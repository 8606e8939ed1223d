"""How tests run rules: the whole pipeline on a real prefix, and the same judgement on the snapshot's JSON.

``diagnose(prefix, "PKG001")`` collects the target, judges it, judges ``from_json(to_json(snapshot))`` too, and fails when
the two differ: so every rule case is also the proof that a snapshot gives the same result as the thing itself. And it has the
rules asked about the same facts part by part, as ``check --select`` does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from envdoctor.collect import PARTS, Collected
from envdoctor.diagnose import Request, examine, judge, observe
from envdoctor.finding import Finding
from envdoctor.partial import partial
from envdoctor.report import Report
from envdoctor.select import Selection
from envdoctor.snapshot import Snapshot, from_json, to_json


def snapshot_of(
    prefix: Path | str,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    project: Path | str | None = None,
    deep: bool = False,
    probe: bool = True,
    locks: Iterable[Path | str] = (),
) -> Snapshot:
    """The facts of a target as seen from a shell with just `environ` (default: an empty PATH and no variables)."""
    request = Request(
        target=str(prefix),
        environ=dict(environ or {"PATH": "/nonexistent", "HOME": "/nonexistent"}),
        cwd=str(cwd or "/"),
        project=str(project) if project else None,
        deep=deep,
        probe=probe,
        locks=tuple(map(str, locks)),
    )
    return observe(request).snapshot


def report_of(snapshot: Snapshot, *codes: str) -> Report:
    """The report on `snapshot` and, asserted to be equal, on its JSON."""
    selection = Selection.of(select=list(codes) or None)
    report = judge(snapshot, selection)
    again = judge(from_json(to_json(snapshot)), selection)
    assert report.findings == again.findings
    asked = examine(Parts(snapshot), selection)
    assert (asked.findings, asked.checks) == (report.findings, report.checks)
    crashed = [check for check in report.checks if check.outcome == "crashed"]
    assert not crashed, crashed
    _note(report)
    return report


class Parts:
    """Stands for the reading of facts that are known already: parts are there when they were asked for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.done: set[str] = set()

    def more(self, parts: Iterable[str]) -> None:
        new = set(parts) - self.done
        assert new and new <= PARTS.keys(), new
        self.done |= new

    def keep(self) -> None:
        pass

    def collected(self) -> Collected:
        unread = {name: part for part, names in PARTS.items() if part not in self.done for name in names}
        return Collected(partial(self.snapshot, unread), (), {})


def _note(report: Report) -> None:
    """Tells ``conftest.pytest_sessionfinish`` which rules were seen to fire and to be silent."""
    words = {"found": "fired", "clean": "silent"}
    lines = {f"{check.code} {words[check.outcome]}\n" for check in report.checks if check.outcome in words} - _NOTED
    if lines and "ENVDOCTOR_TEST_SEEN" in os.environ:
        _NOTED.update(lines)
        with open(os.environ["ENVDOCTOR_TEST_SEEN"], "a") as file:  # noqa: PTH123
            file.write("".join(sorted(lines)))


_NOTED: set[str] = set()


def diagnose(prefix: Path | str, *codes: str, **options: object) -> list[Finding]:
    """Findings of these rules on a target."""
    return list(report_of(snapshot_of(prefix, **options), *codes).findings)  # type: ignore[arg-type]


def only(findings: list[Finding], code: str) -> Finding:
    """The single finding of that code."""
    chosen = [finding for finding in findings if finding.code == code]
    assert len(chosen) == 1, [f"{f.code} {f.message}" for f in findings]
    return chosen[0]


def errors(findings: list[Finding]) -> list[Finding]:
    """Those of severity error."""
    return [finding for finding in findings if finding.severity == "error"]
