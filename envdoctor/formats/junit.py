"""The report as JUnit XML: a test suite a family, a test case a rule. Pure.

For Jenkins and GitLab; valid by the schema of Jenkins' xUnit plugin (junit-10.xsd). A rule fails where a finding of it counts
for the exit code; its other findings stand in the output of the case. XML 1.0 has no place for control characters, not even
as references: they are backslash escapes before anything else is done.
"""

from __future__ import annotations

from xml.sax.saxutils import escape as _escape

from envdoctor.finding import SEVERITIES, Finding
from envdoctor.formats import plain
from envdoctor.formats.text import guard, safe
from envdoctor.report import Check, Report
from envdoctor.rules import FAMILIES, modules


def render(report: Report) -> str:
    """One XML document, ending in a newline."""
    cases: dict[str, list[_Case]] = {}
    suppressed: dict[str, list[str]] = {}
    for one in report.suppressed:
        suppressed.setdefault(one.finding.code, []).append(safe(f"{one.finding.message} ({one.reason})"))
    checks = {check.code: check for check in report.checks}
    for finding in report.findings:
        checks.setdefault(finding.code, Check(finding.code, "found"))
    for code in sorted(checks):
        found = [finding for finding in report.findings if finding.code == code]
        cases.setdefault(code[:3] if code[:3] in FAMILIES else "collect", []).append(
            _Case(report, checks[code], found, suppressed.get(code, []))
        )
    order = [*FAMILIES, "collect"]
    suites = [_suite(FAMILIES.get(name, "collectors"), cases[name]) for name in order if name in cases]
    every = [case for of_family in cases.values() for case in of_family]
    seconds = min(max(report.timings.get("total", sum(report.timings.values())), 0.0), 999.0)
    head = f'<testsuites name="envdoctor" time="{seconds:.3f}" {_numbers(every)}>'
    text = "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, "</testsuites>"])
    return guard(text) + "\n"


class _Case:
    """One rule."""

    def __init__(self, report: Report, check: Check, found: list[Finding], suppressed: list[str]) -> None:
        limit = -1 if report.fail_on == "never" else SEVERITIES.index(report.fail_on)
        self.check, self.suppressed = check, suppressed
        self.failing = [f for f in found if SEVERITIES.index(f.severity) <= limit]
        self.others = [f for f in found if SEVERITIES.index(f.severity) > limit]
        self.windows = plain.windows(report)
        file = modules().get(check.code, "").rpartition(".")[2].partition("_")[2]
        name = next((f.name for f in found), file.replace("_", "-"))
        self.name = safe(f"{check.code} {name}" if name else check.code)

    @property
    def crashed(self) -> bool:
        return self.check.outcome == "crashed"

    @property
    def skipped(self) -> bool:
        return self.check.outcome == "skipped"

    def xml(self, suite: str) -> str:
        """The element."""
        inner: list[str] = []
        if self.crashed:
            inner.append(f'<error type="crashed" message="{_attribute(safe(self.check.reason or "no reason known"))}"/>')
        elif self.failing:
            more = f" (and {len(self.failing) - 1} more)" if len(self.failing) > 1 else ""
            first = self.failing[0]
            body = "\n\n".join(self.text(finding) for finding in self.failing)
            inner.append(
                f'<failure type="{first.severity}" message="{_attribute(safe(first.message) + more)}">{_content(body)}</failure>'
            )
        elif self.skipped:
            inner.append(f'<skipped message="{_attribute(safe(self.check.reason or "no reason given"))}"/>')
        rest = [self.text(finding) for finding in self.others] + [f"set aside: {line}" for line in self.suppressed]
        if rest:
            inner.append(f"<system-out>{_content(chr(10).join(rest))}</system-out>")
        head = f'<testcase classname="envdoctor.{_attribute(suite.replace(" ", "-"))}" name="{_attribute(self.name)}" time="0"'
        return f"    {head}>{''.join(inner)}</testcase>" if inner else f"    {head}/>"

    def text(self, finding: Finding) -> str:
        """A finding with what belongs to it."""
        head = f"{finding.severity}: {plain.headline(finding)}"
        return "\n".join([head, safe(finding.message), *("  " + line for line in plain.lines(finding, windows=self.windows))])


def _suite(name: str, cases: list[_Case]) -> str:
    skipped = sum(1 for case in cases if case.skipped and not case.failing)
    head = f'  <testsuite name="envdoctor.{_attribute(name.replace(" ", "-"))}" {_numbers(cases)} skipped="{skipped}" time="0">'
    return "\n".join([head, *(case.xml(name) for case in cases), "  </testsuite>"])


def _numbers(cases: list[_Case]) -> str:
    failures = sum(1 for case in cases if case.failing and not case.crashed)
    return f'tests="{len(cases)}" failures="{failures}" errors="{sum(1 for case in cases if case.crashed)}"'


def _content(text: str) -> str:
    return _escape(text)


def _attribute(text: str) -> str:
    return _escape(text, {'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})
