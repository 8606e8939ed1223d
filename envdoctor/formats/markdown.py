"""The report as markdown: for a comment on a pull request, a chat, GitHub's step summary. Pure.

Evidence and commands stand in fenced blocks, as they are; all other text of a target is escaped, so that it is no markup, no
HTML, no mention of a person (``@name``), no reference (``#1``) and no link. A comment takes 65,536 characters: where there is
more, the last findings are counted only.
"""

from __future__ import annotations

import re

from envdoctor.finding import Finding
from envdoctor.formats import plain
from envdoctor.formats.terminal import Group, groups
from envdoctor.formats.text import command_line, guard, plural, safe
from envdoctor.report import Report
from envdoctor.rules import FAMILIES
from envdoctor.rules.base import NOTHING_THERE

LIMIT = 60_000
"""Characters of a report; GitHub takes 65,536 in a comment."""
_SIGNS = {"error": "❌", "warning": "⚠️", "info": "ℹ️"}
_BREAK = "<!-- -->"
"""Vanishes on the page, and keeps words apart that together would be a mention or a link."""
_WORDS = re.compile(r"(?i)(?<=[@#])(?=\w)|(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=GH)(?=-\d)")

_MARKUP = re.compile(r"([\\`*_{}\[\]|~$#])")


def render(report: Report, limit: int = LIMIT) -> str:
    """Counts, a table of the families, each cause with its evidence, fixes and consequences; at most about `limit` characters."""
    snapshot, machine = report.snapshot, report.machine
    sign = next((_SIGNS[s] for s in ("error", "warning") if report.count(s)), "✅")
    version = snapshot.interpreter.version or "of unknown version"
    about = [f"`{_code(snapshot.target.prefix)}`", f"{escape(snapshot.interpreter.implementation)} {escape(version)}"]
    about += [escape(word) for word in (f"{machine.system} {machine.machine}", machine.libc) if word]
    head = [f"## {sign} envdoctor: {plain.counted(report)}", "", " · ".join(about), "", *_families(report)]
    end = _end(report)
    blocks: list[str] = []
    made = [g for g in groups(report.findings) if not (g.root.severity == "info" and not g.followers)]
    infos = [g.root for g in groups(report.findings) if g.root.severity == "info" and not g.followers]
    if infos:
        rows = [f"- `{f.code}` {escape(f.message)}" for f in infos]
        end = ["<details><summary>" + plural(len(infos), "info") + "</summary>", "", *rows, "", "</details>", "", *end]
    left = limit - sum(map(len, head)) - sum(map(len, end))
    for number, group in enumerate(made):
        block = "\n".join(_block(report, group))
        if len(block) > left:
            blocks.append(f"… and {plural(len(made) - number, 'more finding')}, too many for one comment\n")
            break
        left -= len(block)
        blocks.append(block)
    text = "\n".join([*head, *blocks, *end]).rstrip() + "\n"
    if len(text) > limit:
        text = text[: text.rfind("\n", 0, limit)] + "\n"
    return guard(text)


def escape(text: str) -> str:
    """`text` of a target as plain words in markdown, anywhere but at the start of a line."""
    words = _WORDS.sub("\0", safe(text))
    return _MARKUP.sub(r"\\\1", words).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\0", _BREAK)


def fenced(lines: list[str], kind: str = "") -> list[str]:
    """Lines as a code block that nothing in them closes."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + kind, *lines, fence]


def _code(text: str) -> str:
    """`text` inside of a code span."""
    return safe(text).replace("`", "'").replace("|", "¦")


def _families(report: Report) -> list[str]:
    """A row a family that was asked and has findings; the others in one line."""
    rows: list[str] = []
    quiet: list[str] = []
    for family, words in FAMILIES.items():
        found = [f for f in report.findings if f.code.startswith(family)]
        ran = [c for c in report.checks if c.code.startswith(family) and c.outcome in ("clean", "found")]
        if found:
            numbers = [str(sum(1 for f in found if f.severity == s) or "") for s in ("error", "warning", "info")]
            rows.append(f"| {words} | {' | '.join(numbers)} |")
        elif ran and not any(c.reason in NOTHING_THERE for c in report.checks if c.code.startswith(family)):
            quiet.append(words)
    table = ["| | errors | warnings | infos |", "| --- | ---: | ---: | ---: |", *rows, ""] if rows else []
    return [*table, *([f"ok: {', '.join(quiet)}", ""] if quiet else [])]


def _block(report: Report, group: Group) -> list[str]:
    """One cause."""
    finding = group.root
    doubt = "" if finding.confidence == "certain" else f" ({finding.confidence})"
    head = f"### {_SIGNS[finding.severity]} `{finding.code}` {escape(finding.name)} · {escape(_subject(finding))}{doubt}"
    lines = [head, "", f"**{escape(finding.message)}**", ""]
    if finding.evidence:
        lines += [
            "<details><summary>evidence</summary>",
            "",
            *fenced([safe(fact) for fact in finding.evidence]),
            "",
            "</details>",
            "",
        ]
    windows = plain.windows(report)
    for number, fix in enumerate(finding.fixes):
        lines += [escape(plain.label(fix, first=number == 0)), ""]
        if fix.commands:
            lines += [*fenced([command_line(argv, windows=windows) for argv in fix.commands], "sh"), ""]
    if group.followers:
        lines += [f"<details><summary>{plural(len(group.followers), 'more follows', 'more follow')} from it</summary>", ""]
        lines += [f"- `{f.code}` {escape(f.message)}" for f in group.followers[:50]]
        if len(group.followers) > 50:
            lines.append(f"- … and {len(group.followers) - 50:,} more")
        lines += ["", "</details>", ""]
    return lines


def _subject(finding: Finding) -> str:
    first = finding.subjects[0] if finding.subjects else None
    if first is None:
        return "environment"
    return f"{first.name} {first.version}" if first.version else first.name


def _end(report: Report) -> list[str]:
    """What was looked at and what was not."""
    lines = [plain.looked_at(report)]
    if report.suppressed:
        lines.append(f"set aside: {plural(len(report.suppressed), 'finding')}")
    skipped: dict[str, list[str]] = {}
    for check in report.checks:
        if check.outcome == "skipped":
            skipped.setdefault(check.reason or "no reason given", []).append(check.code)
    if skipped:
        lines.append("not checked: " + "; ".join(f"{', '.join(codes)} ({escape(reason)})" for reason, codes in skipped.items()))
    crashed = [f"{check.code} ({check.reason})" for check in report.checks if check.outcome == "crashed"]
    lines += [f"crashed: {escape(words)}" for words in crashed]
    lines += [f"note: {escape(note)}" for note in report.notes]
    return [line for pair in zip(lines, [""] * len(lines), strict=True) for line in pair]
