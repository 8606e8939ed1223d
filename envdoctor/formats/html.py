"""The report as one HTML page that needs nothing but itself: no network, no other file; light and dark. Pure.

A content security policy allows the page's own style and script by their hashes and nothing else, so that even text that got
by the escaping could load and run nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape as _escape

from envdoctor.finding import SEVERITIES, Finding
from envdoctor.formats import graph, plain
from envdoctor.formats.page import SCRIPT, STYLE
from envdoctor.formats.terminal import Group, groups
from envdoctor.formats.text import command_line, guard, plural, safe
from envdoctor.report import Report
from envdoctor.rules import FAMILIES
from envdoctor.rules.base import NOTHING_THERE
from envdoctor.view import View

GRAPHS = 200
"""Findings that get a graph; a page with more would be too heavy for a browser."""


def render(report: Report, sizes: Mapping[str, int] | None = None) -> str:
    """The page. `sizes` are bytes by name of distribution; without them those of native files are shown."""
    page = _Page(report, sizes)
    policy = f"default-src 'none'; style-src '{_hash(STYLE)}'; script-src '{_hash(SCRIPT)}'; base-uri 'none'; form-action 'none'"
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>envdoctor: {_text(plain.counted(report))}</title>",
        f"<style>{STYLE}</style></head><body>",
        *page.header(),
        *page.families(),
        *page.findings(),
        *page.sizes(),
        *page.end(),
        f"<script>{SCRIPT}</script></body></html>",
    ]
    return guard("\n".join(lines)) + "\n"


class _Page:
    """Makes the parts of one page."""

    def __init__(self, report: Report, sizes: Mapping[str, int] | None) -> None:
        self.report = report
        self.view = View(report.snapshot, report.machine)
        self.groups = groups(report.findings)
        self.measured = sizes
        self.graphs = 0
        self.windows = plain.windows(report)

    def header(self) -> list[str]:
        """Counts, and what was looked at."""
        snapshot, machine = self.report.snapshot, self.report.machine
        worst = next((s for s in SEVERITIES if self.report.count(s)), "ok")
        interpreter = snapshot.interpreter
        python = f"{interpreter.implementation} {interpreter.version or 'of unknown version'}"
        words = [f"{machine.system} {machine.machine}", machine.libc, machine.cpu.level or machine.cpu.microarchitecture]
        about = [f"{snapshot.target.kind} environment", python, ", ".join(word for word in words if word)]
        about.append(f"chosen by {snapshot.target.chosen_by}")
        if machine.source != "this machine":
            about.append(f"judged for the machine of {machine.source}")
        about.append(f"seen on {snapshot.date}")
        return [
            f'<header><h1 class="{worst}">{_text(plain.counted(self.report))}</h1>',
            f"<p><code>{_text(snapshot.target.prefix)}</code></p>",
            f'<p class="soft">{_text(" · ".join(about))}</p></header>',
        ]

    def families(self) -> list[str]:
        """A card a family."""
        cards = []
        for family, words in FAMILIES.items():
            found = [f for f in self.report.findings if f.code.startswith(family)]
            checks = [c for c in self.report.checks if c.code.startswith(family)]
            numbers = [(s, sum(1 for f in found if f.severity == s)) for s in SEVERITIES]
            state = [f'<span class="{s}">{plural(number, s)}</span>' for s, number in numbers if number]
            if not state:
                if nothing := next((c.reason for c in checks if c.reason in NOTHING_THERE), None):
                    state = [f'<span class="soft">{nothing}</span>']
                elif any(c.outcome == "crashed" for c in checks):
                    state = ['<span class="error">crashed</span>']
                elif any(c.outcome == "clean" for c in checks):
                    state = ['<span class="ok">ok</span>']
                else:
                    state = [f'<span class="soft">{_text(self._why_not(checks[0].reason if checks else None))}</span>']
            cards.append(f"<li><b>{_text(words)}</b>{', '.join(state)}</li>")
        return ['<section><h2>Families</h2><ul class="families">', *cards, "</ul></section>"]

    @staticmethod
    def _why_not(reason: str | None) -> str:
        return f"not checked: {reason}" if reason else "not checked"

    def findings(self) -> list[str]:
        """Every cause with what follows from it."""
        if not self.groups:
            return ['<section><h2>Findings</h2><p class="ok">Nothing is wrong with what was checked.</p></section>']
        lines = ["<section><h2>Findings</h2>"]
        for group in self.groups:
            lines += self.block(group)
        return [*lines, "</section>"]

    def block(self, group: Group) -> list[str]:
        """One cause."""
        finding = group.root
        doubt = "" if finding.confidence == "certain" else f" ({finding.confidence})"
        lines = [
            f'<article class="is-{finding.severity}" id="f-{_text(finding.fingerprint)}">',
            f'<h3><span class="{finding.severity}">{finding.severity}</span> {_text(plain.headline(finding) + doubt)}</h3>',
            f'<p class="message">{_text(finding.message)}</p>',
        ]
        if finding.evidence:
            lines += ['<ul class="evidence">', *(f"<li>{_text(fact)}</li>" for fact in finding.evidence), "</ul>"]
        lines += self.fixes(finding)
        lines += self.picture(finding)
        if group.followers:
            more = plural(len(group.followers), "more follows", "more follow")
            rows = [f"<li>{_text(f.code)} {_text(f.message)}</li>" for f in group.followers]
            lines += [f"<details><summary>{more} from it</summary><ul>", *rows, "</ul></details>"]
        return [*lines, "</article>"]

    def fixes(self, finding: Finding) -> list[str]:
        """The ways to mend it, each command with a button that copies it."""
        lines = []
        for number, fix in enumerate(finding.fixes):
            lines.append(f'<div class="fix"><p>{_text(plain.label(fix, first=number == 0))}</p>')
            lines += [self.command(argv) for argv in fix.commands]
            lines.append("</div>")
        verify = list(dict.fromkeys(argv for fix in finding.fixes for argv in fix.verify))
        for argv in verify[-1:]:
            lines += ['<div class="fix"><p class="soft">see that it worked:</p>', self.command(argv), "</div>"]
        return lines

    def command(self, argv: tuple[str, ...]) -> str:
        """A command line with its button."""
        line = command_line(argv, windows=self.windows)
        return f'<div class="command"><pre>{_text(line)}</pre><button type="button" data-copy>copy</button></div>'

    def picture(self, finding: Finding) -> list[str]:
        """Who needs whom around it."""
        if self.graphs >= GRAPHS:
            return []
        nodes, arrows = graph.around(self.view, finding)
        if not nodes:
            return []
        self.graphs += 1
        drawn = graph.draw(nodes, arrows, f"What needs what around {plain.subject_of(finding)}")
        is_open = " open" if finding.severity == "error" else ""
        return [f'<details{is_open}><summary>what needs what</summary><div class="picture">{drawn}</div></details>']

    def sizes(self) -> list[str]:
        """Sizes by distribution."""
        sizes, what = self.measured, "as their RECORD files say"
        if not sizes:
            what = "native files alone"
            sizes = {}
            for native in self.report.snapshot.natives:
                if native.owner:
                    sizes[native.owner] = sizes.get(native.owner, 0) + native.size
        if not any(sizes.values()):
            return []
        marked: dict[str, str] = {}
        for finding in reversed(self.report.findings):
            if finding.severity != "info" and finding.subjects and finding.subjects[0].kind == "distribution":
                marked[finding.subjects[0].name] = finding.severity
        ordered = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
        rows = [f'<tr><td>{_text(n)}</td><td class="number">{graph.megabytes(size)}</td></tr>' for n, size in ordered[:50]]
        total = f"{graph.megabytes(sum(sizes.values()))} in {plural(len(sizes), 'distribution')}, {what}"
        return [
            f'<section><h2>Sizes</h2><p class="soft">{_text(total)}</p>',
            f'<div class="picture">{graph.treemap(sizes, marked)}</div>',
            "<details><summary>as a table</summary><table><tr><th>distribution</th><th>size</th></tr>",
            *rows,
            "</table></details></section>",
        ]

    def end(self) -> list[str]:
        """What was looked at, what was not."""
        report = self.report
        lines = [plain.looked_at(report)]
        if report.covered:
            lines.append(f"hashed: {report.covered}")
        skipped: dict[str, list[str]] = {}
        for check in report.checks:
            if check.outcome == "skipped":
                skipped.setdefault(check.reason or "no reason given", []).append(check.code)
            elif check.outcome == "crashed":
                lines.append(f"crashed: {check.code} ({check.reason})")
        lines += [f"not checked: {', '.join(codes)} ({reason})" for reason, codes in skipped.items()]
        lines += [f"not read: {gap.subject} ({gap.reason})" for gap in report.gaps[:20]]
        lines += [f"set aside: {one.finding.code} {one.finding.message} ({one.reason})" for one in report.suppressed]
        lines += [f"note: {note}" for note in report.notes]
        lines.append(f"envdoctor {report.tool_version}")
        return ["<section><h2>What was looked at</h2>", *(f'<p class="soft">{_text(line)}</p>' for line in lines), "</section>"]


def _hash(text: str) -> str:
    """A source of a content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(text: str) -> str:
    return _escape(safe(text), quote=True)
