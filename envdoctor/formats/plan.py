"""A plan of fixes as text and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from envdoctor.finding import Command, Finding
from envdoctor.formats.json import dump
from envdoctor.formats.terminal import Look, styled
from envdoctor.formats.text import command_line, guard, plural, safe, to_ascii, wrap
from envdoctor.plan import Plan, Step
from envdoctor.report import Report, summary

_STAGES = {
    "recreate": "make the environment again",
    "prepare": "prepare",
    "delete": "delete what is left over",
    "uninstall": "remove",
    "reinstall": "put back what is damaged",
    "install": "install",
    "after": "then",
}
SOLVES = 3
"""Findings named with a step without -v."""


class Outcome(Protocol):
    """What came of carrying a plan out (:class:`envdoctor.mend.apply.Done`)."""

    outcome: Any
    reason: str | None
    steps: list[tuple[Step, int]]
    mended: list[Finding]
    left: list[Finding]
    new: list[Finding]

    @property
    def kept(self) -> list[Command]:
        """Commands that are not taken back with the rest."""


def document(plan: Plan, report: Report) -> dict[str, Any]:
    """The plan as plain values."""
    by_print = {finding.fingerprint: finding for finding in report.findings}

    def solves(fingerprints: tuple[str, ...]) -> list[dict[str, str]]:
        return [
            {"code": by_print[p].code, "message": by_print[p].message, "fingerprint": p} for p in fingerprints if p in by_print
        ]

    return {
        "schema_version": 1,
        "tool": {"name": "envdoctor", "version": report.tool_version},
        "target": {"prefix": report.snapshot.target.prefix, "kind": report.snapshot.target.kind},
        "steps": [
            {"stage": step.stage, "safety": step.safety, "command": list(step.command), "solves": solves(step.solves)}
            for step in plan.steps
        ],
        "manual": [
            {
                "title": one.title,
                "reasons": list(one.reasons),
                "commands": [list(argv) for argv in one.commands],
                "solves": solves(one.solves),
            }
            for one in plan.manual
        ],
        "follows": solves(plan.follows),
        "unfixable": solves(plan.unfixable),
        "verify": [list(argv) for argv in plan.verify],
        "summary": summary(report),
    }


def render_json(plan: Plan, report: Report) -> str:
    """The plan as one JSON document."""
    return dump(document(plan, report))


def render_terminal(plan: Plan, report: Report, look: Look, *, applied: bool = False) -> str:
    """The plan for a screen: commands in order, each with what it is for, ready to copy; `applied`: to be carried out."""
    by_print = {finding.fingerprint: finding for finding in report.findings}
    width = max(look.width, 20)
    windows = report.machine.system == "windows"
    lines: list[str] = []

    def because(fingerprints: tuple[str, ...]) -> None:
        found = [by_print[p] for p in fingerprints if p in by_print]
        shown = found if look.verbosity > 0 else found[:SOLVES]
        for finding in shown:
            lines.extend(wrap(safe(_because(finding)), width, "   # ", "   #   "))
        if len(shown) < len(found):
            lines.append(f"   # and {plural(len(found) - len(shown), 'more finding')}: -v")

    if not plan.steps and not plan.manual and not plan.unfixable:
        lines.append("nothing to mend")
    number = 0
    for index, step in enumerate(plan.steps):
        before = plan.steps[index - 1] if index else None
        if (
            before is not None
            and (before.stage, before.solves) == (step.stage, step.solves)
            and step.stage in ("recreate", "after")
        ):
            lines.insert(-1, "   " + command_line(step.command, windows=windows))
            continue
        number += 1
        warning = " (changes more than what is broken)" if step.safety == "unsafe" else ""
        lines.append(styled(f"{number}. {_STAGES[step.stage]}{warning}", "bold", look))
        because(step.solves)
        lines += ["   " + command_line(step.command, windows=windows), ""]
    if plan.manual:
        lines.append(styled("to decide or do by hand", "bold", look))
        for one in plan.manual:
            lines += wrap(safe(one.title), width, " - ", "   ")
            for reason in one.reasons:
                lines += wrap(safe(reason), width, "   # ", "   #   ")
            lines += ["   " + command_line(argv, windows=windows) for argv in one.commands]
        lines.append("")
    if plan.unfixable:
        lines.append(styled("without a known fix", "bold", look))
        for fingerprint in plan.unfixable:
            if fingerprint in by_print:
                lines += wrap(safe(_because(by_print[fingerprint])), width, " - ", "   ")
        lines.append("")
    if plan.verify:
        lines.append(styled("see that it worked", "bold", look))
        lines += ["   " + command_line(argv, windows=windows) for argv in plan.verify]
        lines.append("")
    if plan.follows:
        lines.append(
            f"{plural(len(plan.follows), 'finding')} should go away with {'its' if len(plan.follows) == 1 else 'their'} cause"
        )
        because(plan.follows)
        lines.append("")
    if not applied:
        safe_ones = any(step.safety == "safe" for step in plan.steps)
        how = "run the commands yourself" + (", or --apply carries out the safe ones" if safe_ones else "")
        lines.append(f"nothing was changed: {how}" if plan.steps else "nothing was changed")
    text = guard("\n".join(lines)) + "\n"
    return to_ascii(text) if look.ascii else text


def _because(finding: Finding) -> str:
    return f"{finding.code} {finding.message}"


def outcome_document(done: Outcome | None, plan: Plan, report: Report) -> dict[str, Any]:
    """What ``fix --apply`` did, as plain values."""

    def short(findings: Iterable[Finding]) -> list[dict[str, str]]:
        return [{"code": f.code, "message": f.message, "fingerprint": f.fingerprint} for f in findings]

    return {
        "schema_version": 1,
        "tool": {"name": "envdoctor", "version": report.tool_version},
        "target": {"prefix": report.snapshot.target.prefix, "kind": report.snapshot.target.kind},
        "outcome": done.outcome if done else "nothing",
        "reason": done.reason if done else None,
        "steps": [
            {"stage": step.stage, "safety": step.safety, "command": list(step.command), "exit_code": code}
            for step, code in (done.steps if done else ())
        ],
        "mended": short(done.mended if done else ()),
        "left": short(done.left if done else ()),
        "new": short(done.new if done else ()),
        "manual": [{"title": one.title, "commands": [list(argv) for argv in one.commands]} for one in plan.manual],
    }


def outcome_json(done: Outcome | None, plan: Plan, report: Report) -> str:
    """What was done, as one JSON document."""
    return dump(outcome_document(done, plan, report))


def outcome_terminal(done: Outcome | None, plan: Plan, report: Report, look: Look) -> str:
    """What was done, for a screen."""
    width = max(look.width, 20)
    lines: list[str] = []

    def listed(head: str, findings: Sequence[Finding]) -> None:
        if findings:
            lines.append(styled(head, "bold", look))
            for finding in findings:
                lines.extend(wrap(safe(_because(finding)), width, "  ", "    "))

    if done is None:
        lines.append("nothing to carry out")
    elif done.outcome == "rolled-back":
        lines += wrap(safe(f"taken back: {done.reason}"), width, "", "  ")
        listed("new errors that the steps made", done.new)
        if done.kept:
            lines.append(styled("carried out and not taken back", "bold", look))
            lines += ["      " + command_line(argv) for argv in done.kept]
    else:
        listed("mended", done.mended)
        listed("still there", done.left)
    if plan.manual:
        lines.append(styled("to decide or do by hand", "bold", look))
        for one in plan.manual:
            lines += wrap(safe(one.title), width, "  ", "    ")
            lines += ["      " + command_line(argv, windows=report.machine.system == "windows") for argv in one.commands]
    text = guard("\n".join(lines)) + "\n"
    return to_ascii(text) if look.ascii else text
