"""How tests run rules: the whole pipeline on a real prefix, and the same judgement on the snapshot's JSON.

``diagnose(prefix, "PKG001")`` collects the target, judges it, judges ``from_json(to_json(snapshot))`` too, and fails when
the two differ: so every rule case is also the proof that a snapshot gives the same result as the thing itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from envdoctor.diagnose import Request, judge, observe
from envdoctor.finding import Finding
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
    crashed = [check for check in report.checks if check.outcome == "crashed"]
    assert not crashed, crashed
    _note(report)
    return report


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
