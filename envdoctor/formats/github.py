"""The report as GitHub workflow commands (annotations). Pure; the step summary is :mod:`envdoctor.formats.markdown`'s.

Escapes are those of GitHub's toolkit (``@actions/core``, command.ts): ``%``, carriage return and newline in a message, and
colon and comma too in a property. What would start another command never reaches a line of its own. GitHub shows ten errors
and ten warnings of a step, so the tenth of a kind stands for the rest.
"""

from __future__ import annotations

import re

from envdoctor.finding import SEVERITIES, Finding, Severity
from envdoctor.formats import plain
from envdoctor.formats.terminal import Group, groups
from envdoctor.formats.text import guard, plural, safe
from envdoctor.report import Report

SHOWN = 10
"""Annotations of a kind that GitHub shows for one step."""
_OLDER = re.compile(r"##(?=\[|vso\[)")
_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}


def render(report: Report, root: str | None = None) -> str:
    """A workflow command a root cause and a line with the counts, ending in a newline. Infos are only counted.

    `root` is the folder of the repository that file names are relative to.
    """
    lines: list[str] = []
    made = groups(report.findings)
    for severity in SEVERITIES[:2]:
        chosen = [group for group in made if _worst(group) == severity]
        shown = chosen if len(chosen) <= SHOWN else chosen[: SHOWN - 1]
        lines += [_annotation(report, group, severity, root) for group in shown]
        if len(shown) < len(chosen):
            rest = [f"{g.root.code} {safe(g.root.message)}" for g in chosen[len(shown) :]]
            lines.append(command(_COMMANDS[severity], "\n".join(rest), title=f"envdoctor: {plural(len(rest), severity)} more"))
    for check in report.checks:
        if check.outcome == "crashed":
            lines.append(
                command("error", safe(check.reason or "no reason known"), title=f"envdoctor: {safe(check.code)} crashed")
            )
    place = safe(report.snapshot.target.prefix)
    lines += [guard(safe(f"note: {note}")) for note in report.notes]
    return "\n".join([*lines, guard(f"envdoctor: {place}: {plain.counted(report)}")]) + "\n"


def command(name: str, message: str, **properties: str | int | None) -> str:
    """One workflow command: ``::error title=…,file=…::message``."""
    given = ",".join(f"{key}={escape_property(str(value))}" for key, value in properties.items() if value is not None)
    return f"::{name}{' ' + given if given else ''}::{escape_data(message)}"


def escape_data(text: str) -> str:
    """`text` as the message of a command; older runners' ``##[command]`` is looked for anywhere in a line."""
    return _OLDER.sub(r"\\x23#", text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """`text` as the value of a property of a command."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def _worst(group: Group) -> Severity:
    return min((f.severity for f in (group.root, *group.followers)), key=SEVERITIES.index)


def _annotation(report: Report, group: Group, severity: Severity, root: str | None) -> str:
    """The command for a cause, what follows from it in its message."""
    finding: Finding = group.root
    place = plain.place(report, finding, root)
    lines = [safe(finding.message), *plain.lines(finding, windows=plain.windows(report))]
    if group.followers:
        lines.append(f"{plural(len(group.followers), 'more follows', 'more follow')} from it:")
        lines += [f"    {f.code} {safe(f.message)}" for f in group.followers[:SHOWN]]
    return command(
        _COMMANDS[severity],
        "\n".join(lines),
        title=plain.headline(finding),
        file=safe(place.path) if place else None,
        line=place.line if place else None,
    )
