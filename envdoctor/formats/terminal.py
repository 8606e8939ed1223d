"""The report for people, on a screen or in a log. Pure: what the screen can do comes in as a :class:`Look`.

Verdict first, then proof, then what to type. Consequences hang under their cause. Colour repeats what the words say. Command
lines stand on lines of their own and are never broken, so that they can be copied; everything else keeps to the width.
"""

from __future__ import annotations

from collections import Counter

from envdoctor.finding import SEVERITIES, Finding, Fix, Severity, Subject
from envdoctor.formats.text import cells, command_line, guard, join, plural, safe, to_ascii, wrap
from envdoctor.report import Report
from envdoctor.rules import FAMILIES
from envdoctor.rules.base import NOTHING_THERE
from envdoctor.snapshot import Gap
from envdoctor.tuples import NamedTuple

_STYLES = {"error": "1;31", "warning": "1;33", "info": "1;36", "ok": "32", "bold": "1", "dim": "2", "crashed": "1;35"}
_KINDS = {
    "venv": "venv",
    "virtualenv": "virtualenv",
    "uv": "uv environment",
    "conda": "conda environment",
    "pixi": "pixi environment",
    "system": "system Python",
    "unknown": "unknown kind of environment",
}
_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}

EVIDENCE = 4
"""Lines of evidence shown without -v."""
FIXES = 2
"""Ways to mend a finding shown without -v."""
IN_FULL = 4
"""Findings of one rule shown in full without -v; the next ones get a line each."""
IN_SHORT = 12
"""Findings of one rule, or infos, shown on a line each without -v."""
FOLLOWERS = 3
"""Consequences shown under their cause without -v."""


class Look(NamedTuple):
    """What the screen can do and the person wants."""

    width: int = 80
    color: bool = False
    ascii: bool = False
    verbosity: int = 0
    """-1 quiet, 0, 1 verbose."""
    ci: bool = False
    """A CI log: infos are counted, not shown."""
    absent: tuple[str, ...] = ()
    """Families that have no rule in this version."""
    plan: tuple[str, ...] = ("envdoctor", "fix")
    """The command that prints the plan for this report."""
    locks: bool = False
    """Lockfiles were judged, and no environment."""


DEFAULT = Look()


class Group(NamedTuple):
    """A finding that nothing in the report explains, with all that follow from it."""

    root: Finding
    followers: tuple[Finding, ...]

    @property
    def order(self) -> tuple[object, ...]:
        """Worst first, by the worst of the group."""
        return (min(SEVERITIES.index(f.severity) for f in (self.root, *self.followers)), *self.root.sort_key)


def groups(findings: tuple[Finding, ...]) -> list[Group]:
    """Findings by root cause, worst first. Every finding stands in exactly one group, whatever the causes say."""
    by_print: dict[str, int] = {}
    for index, finding in enumerate(findings):
        by_print.setdefault(finding.fingerprint, index)
    parent: dict[int, int] = {}
    for index, finding in enumerate(findings):
        cause = by_print.get(finding.caused_by) if finding.caused_by else None
        if cause is not None and cause != index:
            parent[index] = cause
    members: dict[int, list[Finding]] = {}
    for index, finding in enumerate(findings):
        root, seen = index, {index}
        while root in parent and parent[root] not in seen:
            root = parent[root]
            seen.add(root)
        if root in parent:  # causes that run in a circle: the first of them stands for all
            root = min(seen)
            parent.pop(root, None)
        members.setdefault(root, [])
        if root != index:
            members[root].append(finding)
    made = [Group(findings[root], tuple(sorted(rest, key=lambda f: f.sort_key))) for root, rest in members.items()]
    return sorted(made, key=lambda group: group.order)


def render(report: Report, look: Look = DEFAULT) -> str:
    """The report as text, ending in a newline."""
    lines = _Writer(report, look).report()
    text = guard("\n".join(lines)) + "\n"
    return to_ascii(text) if look.ascii else text


def blocks(report: Report, look: Look = DEFAULT) -> list[str]:
    """The findings alone, each cause in full, an empty line between two."""
    writer = _Writer(report, look)
    lines: list[str] = []
    for group in writer.groups:
        lines += ["", *writer.block(group)] if lines else writer.block(group)
    return lines


def styled(text: str, style: str, look: Look) -> str:
    """`text` in colour, where there is colour."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if look.color and text else text


class _Writer:
    """Makes the lines of one report."""

    def __init__(self, report: Report, look: Look) -> None:
        self.full = report
        self.look = look._replace(width=max(look.width, 30))
        self.verbose = look.verbosity > 0
        self.groups = groups(report.findings)

    def paint(self, text: str, style: str) -> str:
        """`text` in colour, where there is colour."""
        return styled(text, style, self.look)

    # ------------------------------------------------------------------------------------------------------- the whole
    def report(self) -> list[str]:
        """All lines."""
        if self.look.verbosity < 0:
            return [*self.short_findings(), *self.crashes(), self.counts()]
        families = [] if self.look.locks else self.families()
        blocks = [self.header(), families, *self.findings(), self.crashes(), self.infos(), self.end()]
        lines: list[str] = []
        for block in blocks:
            if block:
                lines += ["", *block] if lines else block
        return lines

    def header(self) -> list[str]:
        """Where, what, on what, and why this one."""
        snapshot, machine = self.full.snapshot, self.full.machine
        target, interpreter = snapshot.target, snapshot.interpreter
        kind = _KINDS[target.kind] + (f" {target.name}" if target.name else "")
        name = _IMPLEMENTATIONS.get(interpreter.implementation, interpreter.implementation)
        python = f"{name} {interpreter.version}" if interpreter.version else f"{name} of unknown version"
        if interpreter.free_threaded:
            python += " free-threaded"
        words = [f"{machine.system} {machine.machine}".strip(), machine.libc, machine.cpu.level or machine.cpu.microarchitecture]
        computer = ", ".join(word for word in words if word)
        if machine.emulation:
            computer += f" under {machine.emulation}"
        parts = [self.place(), kind, python, computer, f"chosen by {target.chosen_by}"]
        if self.look.locks:
            parts = [self.place(), ", ".join(lock.path for lock in snapshot.locks) or "no lockfiles", computer]
        if target.foreign:
            parts.insert(4, f"files of {target.system}, read only")
        if machine.source != "this machine":
            of = "" if machine.source.startswith("this machine") else "the machine of "
            parts.append(f"judged for {of}{machine.source}")
        lines = join([safe(part) for part in parts], self.look.width)
        first = safe(self.place())
        return [self.paint(first, "bold") + lines[0][len(first) :], *lines[1:]]

    def place(self) -> str:
        """The prefix, relative to the working directory where it lies below."""
        prefix, cwd = self.full.snapshot.target.prefix, self.full.snapshot.shell.cwd
        if cwd and cwd != "/" and prefix.startswith(cwd.rstrip("/") + "/"):
            return prefix[len(cwd.rstrip("/")) + 1 :]
        return prefix

    # ---------------------------------------------------------------------------------------------------------- families
    def families(self) -> list[str]:
        """One cell a family, in as many columns as fit."""
        made = [(words, *self.state(family)) for family, words in FAMILIES.items()]
        wide = max(len(words) for words, _, _ in made) + 2
        for columns in (3, 2, 1):
            rows = -(-len(made) // columns)
            parts = [made[at : at + rows] for at in range(0, len(made), rows)]
            sizes = [wide + max(len(state) for _, state, _ in part) for part in parts]
            if 2 + sum(sizes) + 3 * (len(parts) - 1) <= self.look.width:
                break
        lines = []
        for row in range(rows):
            line = "  "
            for part, size in zip(parts, sizes, strict=True):
                if row < len(part):
                    words, state, style = part[row]
                    line += words.ljust(wide) + self.paint(state, style) + " " * (size - wide - len(state) + 3)
            lines.append(line.rstrip())
        return lines

    def state(self, family: str) -> tuple[str, str]:
        """What came of a family, and its style."""
        if family in self.look.absent:
            return "not checked", "dim"
        outcomes = {check.outcome for check in self.full.checks if check.code[:3] == family and len(check.code) == 6}
        here = {finding.fingerprint for finding in self.full.findings}
        counts: Counter[str] = Counter()
        follow = 0
        for finding in self.full.findings:
            if finding.code[:3] == family:
                if finding.caused_by in here and finding.caused_by != finding.fingerprint:
                    follow += 1
                else:
                    counts[finding.severity] += 1
        parts = [plural(counts[severity], severity) for severity in SEVERITIES if counts[severity]]
        if follow:
            parts.append(f"{follow} follow" + ("s" if follow == 1 else ""))
        if "crashed" in outcomes:
            parts.append("crashed")
        if parts:
            worst = next(
                (s for s in SEVERITIES if any(f.severity == s and f.code[:3] == family for f in self.full.findings)), "crashed"
            )
            return ", ".join(parts), worst
        aside = sum(1 for one in self.full.suppressed if one.finding.code[:3] == family)
        if aside:
            return f"{aside} set aside", "dim"
        if any(check.reason in NOTHING_THERE for check in self.full.checks if check.code[:3] == family):
            return "none", "dim"
        if outcomes & {"clean", "found"}:
            return "ok", "ok"
        return ("skipped" if outcomes else "not selected"), "dim"

    # ---------------------------------------------------------------------------------------------------------- findings
    def findings(self) -> list[list[str]]:
        """A block for each root cause; after the first few of one rule, a block with a line for each of the others."""
        by_code: dict[str, list[Group]] = {}
        for group in self.groups:
            if group.root.severity != "info" or group.followers:
                by_code.setdefault(group.root.code, []).append(group)
        blocks: list[list[str]] = []
        shown: Counter[str] = Counter()
        for group in self.groups:
            code = group.root.code
            if group not in by_code.get(code, ()):
                continue
            shown[code] += 1
            if self.verbose or shown[code] <= IN_FULL:
                blocks.append(self.block(group))
            elif shown[code] == IN_FULL + 1:
                blocks.append(self.more(by_code[code][IN_FULL:]))
        return blocks

    def more(self, groups: list[Group]) -> list[str]:
        """Several findings of one rule, a line each."""
        root = groups[0].root
        head = f"{root.severity:<8}{root.code} {root.name} · {len(groups):,} more, -v shows them in full"
        made = wrap(safe(head), self.look.width, rest="        ")
        lines = [self.paint(root.severity, root.severity) + made[0][len(root.severity) :], *made[1:]]
        for group in groups[:IN_SHORT]:
            follow = f" ({len(group.followers)} more from it)" if group.followers else ""
            lines += wrap(safe(group.root.message) + follow, self.look.width, "  ", "    ")
        if len(groups) > IN_SHORT:
            lines.append(f"  … and {len(groups) - IN_SHORT:,} more")
        return lines

    def block(self, group: Group) -> list[str]:
        """One finding with all that belongs to it."""
        finding = group.root
        width = self.look.width
        doubt = "" if finding.confidence == "certain" else f" ({finding.confidence})"
        head = f"{finding.severity:<8}{finding.code} {finding.name} · {_subject(finding)}{doubt}"
        lines = wrap(safe(head), width, rest="        ")
        lines[0] = self.paint(lines[0][:8].rstrip(), finding.severity) + lines[0][len(lines[0][:8].rstrip()) :]
        lines += [self.paint(line, "bold") for line in wrap(safe(finding.message), width, "  ")]
        evidence = finding.evidence if self.verbose else finding.evidence[:EVIDENCE]
        for fact in evidence:
            lines += wrap(safe(fact), width, "    ", "      ")
        if len(evidence) < len(finding.evidence):
            lines.append(f"    … {plural(len(finding.evidence) - len(evidence), 'line')} more: -v")
        lines += self.fixes(finding)
        if group.followers:
            lines += self.followers(group.followers)
        return lines

    def fixes(self, finding: Finding) -> list[str]:
        """The ways to mend it."""
        lines: list[str] = []
        fixes = finding.fixes if self.verbose else finding.fixes[:FIXES]
        for number, fix in enumerate(fixes):
            lines += self.fix(fix, "fix" if number == 0 else "or")
        if len(fixes) < len(finding.fixes):
            lines.append(f"  … {plural(len(finding.fixes) - len(fixes), 'other way')}: -v")
        verify = list(dict.fromkeys(argv for fix in finding.fixes for argv in fix.verify))
        for argv in verify if self.verbose else verify[-1:]:
            lines += self.command("  see that it worked: ", argv)
        return lines

    def fix(self, fix: Fix, word: str) -> list[str]:
        """One way: what it does, then its commands."""
        label = {"safe": word, "unsafe": f"{word}, changing more than this", "manual": f"{word}, by hand"}[fix.safety]
        title = fix.title.removeprefix("Or ") if word == "or" else fix.title
        lines = wrap(safe(f"{label}: {title}"), self.look.width, "  ", "      ")
        return lines + ["      " + command_line(argv, windows=self.windows) for argv in fix.commands]

    def command(self, label: str, argv: tuple[str, ...]) -> list[str]:
        """A command behind its label, or below it where it does not fit."""
        line = command_line(argv, windows=self.windows)
        if cells(label) + cells(line) <= self.look.width:
            return [label + line]
        return [label.rstrip(), "      " + line]

    @property
    def windows(self) -> bool:
        """Command lines are for a Windows shell."""
        return self.full.machine.system == "windows"

    def followers(self, followers: tuple[Finding, ...]) -> list[str]:
        """The consequences of a finding, a line each."""
        lines = [f"  {plural(len(followers), 'more follows', 'more follow')} from it:"]
        shown = followers if self.verbose else followers[:FOLLOWERS]
        for finding in shown:
            lines += self.line(finding, "    ")
        if len(shown) < len(followers):
            lines.append(f"    … {len(followers) - len(shown):,} more: -v shows all")
        return lines

    def line(self, finding: Finding, indent: str = "  ") -> list[str]:
        """A finding on a line, wrapped only where it is long."""
        return wrap(safe(f"{finding.code} {finding.message}"), self.look.width, indent, indent + "  ")

    def infos(self) -> list[str]:
        """What is worth knowing: a line each; in a CI log only their number stands in the summary."""
        infos = [g.root for g in self.groups if g.root.severity == "info" and not g.followers]
        if not infos or self.verbose or self.look.ci:
            return [line for info in infos for line in self.block(Group(info, ()))] if self.verbose else []
        lines: list[str] = []
        for info in infos[:IN_SHORT]:
            made = wrap(safe(f"{'info':<8}{info.code} {info.message}"), self.look.width, rest="        ")
            lines += [self.paint("info", "info") + made[0][4:], *made[1:]]
        if len(infos) > IN_SHORT:
            lines.append(f"… {plural(len(infos) - IN_SHORT, 'info')} more: -v shows all")
        return lines

    def short_findings(self) -> list[str]:
        """-q: a line for each finding that is more than an info."""
        ordered = sorted(self.full.findings, key=lambda f: f.sort_key)
        return [
            self.paint(finding.severity, finding.severity) + safe(f" {finding.code} {finding.message}")
            for finding in ordered
            if finding.severity != "info"
        ]

    def crashes(self) -> list[str]:
        """Rules and collectors that did not do their work."""
        return [
            line
            for check in self.full.checks
            if check.outcome == "crashed"
            for line in wrap(safe(f"crashed {check.code}: {check.reason or 'no reason known'}"), self.look.width, rest="        ")
        ]

    # --------------------------------------------------------------------------------------------------------------- end
    def counts(self) -> str:
        """How many of what."""
        parts = [plural(self.full.count(severity), severity) for severity in SEVERITIES if self.full.count(severity)]
        text = ", ".join(parts) or ("nothing new" if self.full.suppressed else "nothing found")
        follow = self.full.consequences()
        if follow:
            text += f" ({follow} of them {'follows' if follow == 1 else 'follow'} from another)"
        style: Severity | str = next((s for s in SEVERITIES if self.full.count(s)), "ok")
        return self.paint(text, style)

    def end(self) -> list[str]:
        """What was found, what was looked at, what was not, and what to do next."""
        counts = self.full.counts
        looked = [plural(counts.distributions, "distribution")]
        if self.look.locks:
            locks = self.full.snapshot.locks
            entries = sum(len(lock.packages) for lock in locks)
            looked = [plural(len(locks), "lockfile"), plural(entries, "entry", "entries")]
        if counts.natives:
            looked.append(plural(counts.natives, "native file"))
        if counts.files:
            looked.append(plural(counts.files, "file"))
        looked.append(plural(counts.rules, "rule"))
        timings = self.full.timings
        seconds = timings.get("total", sum(timings.values()))
        text = ", ".join(looked) + (f" in {seconds:.1f} s" if timings else "")
        plain = _Writer(self.full, self.look._replace(color=False)).counts()
        made = join([plain, text], self.look.width)
        lines = [self.counts() + made[0][len(plain) :], *made[1:]]
        lines += self.set_aside()
        if self.full.covered:
            lines += wrap(f"hashed: {self.full.covered}", self.look.width, rest="  ")
        unchecked = self.unchecked()
        if unchecked:
            first, *rest = wrap("not checked: " + "; ".join(unchecked), self.look.width, rest="  ")
            lines += [self.paint(line, "dim") for line in (first, *rest)]
        for note in self.full.notes:
            lines += wrap(safe(f"note: {note}"), self.look.width, rest="  ")
        if self.verbose and timings:
            slow = sorted(timings.items(), key=lambda item: (-item[1], item[0]))
            lines += wrap("time: " + ", ".join(f"{safe(name)} {value:.3f} s" for name, value in slow), self.look.width, rest="  ")
        mend = any(finding.severity != "info" and finding.fixes for finding in self.full.findings)
        if mend and not self.look.locks:
            lines += self.command("plan for all of it: ", self.look.plan)
        return lines

    def set_aside(self) -> list[str]:
        """Findings that an ignore or the baseline took out."""
        suppressed = self.full.suppressed
        if not suppressed:
            return []
        by = Counter(one.by for one in suppressed)
        parts = [
            f"{number:,} by the baseline" if name == "baseline" else f"{number:,} by an ignore"
            for name, number in sorted(by.items())
        ]
        lines = [f"set aside: {', '.join(parts)}"]
        if self.verbose:
            for one in suppressed:
                until = f", until {one.expires}" if one.expires else ""
                lines += wrap(
                    safe(f"{one.finding.code} {one.finding.message} ({one.reason}{until})"), self.look.width, "  ", "    "
                )
        return lines

    def unchecked(self) -> list[str]:
        """What this report says nothing about."""
        parts: list[str] = []
        if self.look.absent:
            parts.append(", ".join(FAMILIES[family] for family in self.look.absent) + " (not in this version)")
        ran = {check.code[:3] for check in self.full.checks if len(check.code) == 6}
        left_out = [words for family, words in FAMILIES.items() if family not in ran and family not in self.look.absent]
        if left_out:
            parts.append(", ".join(left_out) + " (not selected)")
        if self.look.locks:
            parts.clear()
        elif not self.full.snapshot.deep:
            parts.append("file hashes (--deep)")
        skipped: dict[str, list[str]] = {}
        for check in self.full.checks:
            if check.outcome == "skipped" and check.reason not in NOTHING_THERE:
                skipped.setdefault(check.reason or "no reason given", []).append(check.code)
        for reason, codes in skipped.items():
            parts.append(safe(f"{', '.join(codes)} ({reason})"))
        gaps = self.full.gaps
        shown = gaps if self.verbose else gaps[:2]
        parts += [safe(self._gap(gap)) for gap in shown]
        if len(shown) < len(gaps):
            parts.append(f"{len(gaps) - len(shown):,} more that could not be read (-v)")
        return parts

    def _gap(self, gap: Gap) -> str:
        """Something that was not read, and why; paths inside the prefix without it."""
        prefix = self.full.snapshot.target.prefix.rstrip("/\\")
        if gap.subject == self.full.snapshot.target.prefix:
            return f"{gap.collector} ({gap.reason})"
        return f"{gap.subject.removeprefix(prefix + '/')} ({gap.reason})"


def _subject(finding: Finding) -> str:
    """The main subject, with its version."""
    subject = finding.subjects[0] if finding.subjects else Subject("environment", "")
    return f"{subject.name} {subject.version}" if subject.version else subject.name
