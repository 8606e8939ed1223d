"""Carries a plan out: backup, steps, a look after each, and the way back where one fails or does harm. POSIX."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from envdoctor import plan as planning
from envdoctor.finding import Command, Finding, Safety
from envdoctor.mend.journal import Journal
from envdoctor.plan import Plan, Step
from envdoctor.report import Report
from envdoctor.snapshot import Snapshot

ROUNDS = 3
"""Plans that are made one after the other: what a first one uncovers, the next one mends."""
_CONDA = ("conda", "mamba", "micromamba")

Outcome = Literal["mended", "partly", "rolled-back", "nothing"]


class NoTarget(Exception):
    """There is no environment just now: a step has taken it away, and the next one makes it again."""


@dataclass
class Done:
    """What came of it."""

    outcome: Outcome = "nothing"
    steps: list[tuple[Step, int]] = field(default_factory=list)
    """Steps that were run, with their exit codes."""
    mended: list[Finding] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)
    """Findings that the plan was for and that are still there."""
    new: list[Finding] = field(default_factory=list)
    """Errors that were not there before, for which everything was taken back."""
    reason: str | None = None
    damaged: list[str] = field(default_factory=list)
    """Paths that could not be brought back."""


class Mender:
    """One fix of one target."""

    def __init__(
        self,
        look: Callable[[], Report],
        chosen: Callable[[Report], Sequence[Finding]],
        *,
        allowed: Sequence[Safety],
        environ: Mapping[str, str],
        cwd: str,
        output: int,
        say: Callable[[str], None],
    ) -> None:
        """`look` gives the report on the target as it is now, by all rules, and raises NoTarget; `chosen` says which findings of
        a report are to be mended. `say` takes lines for the person, `output` is the descriptor that installers write to."""
        self.look, self.chosen, self.allowed = look, chosen, tuple(allowed)
        self.environ, self.cwd, self.output, self.say = environ, cwd, output, say

    def plan(self, report: Report) -> Plan:
        """What would be done for `report`: only steps that may be carried out."""
        made = planning.make(self.chosen(report), self.allowed)
        return made._replace(steps=tuple(step for step in made.steps if step.safety in self.allowed))

    def run(self, report: Report, made: Plan, journal: Journal) -> Done:
        """Carries `made` out, from the facts of `report`. The journal is gone afterwards unless something could not be
        brought back. Raises Unable where the old state could not even be kept."""
        done = Done()
        before = {finding.fingerprint for finding in report.findings if finding.severity == "error"}
        wanted = {p: f for p, f in ((f.fingerprint, f) for f in report.findings) if any(p in s.solves for s in made.steps)}
        try:
            files = journal.keep({**inside(report.snapshot), **dict.fromkeys(outside(made, report.snapshot, self.cwd), ())})
            self.say(f"kept: {files:,} files, in {journal.folder}")
            now = self._rounds(report, made, journal, done, before, wanted)
        except BaseException as error:
            if journal.state == "preparing":
                journal.end()
            else:
                self._back(journal, done, "interrupted" if isinstance(error, KeyboardInterrupt) else str(error))
            raise
        if now is None:
            self._back(journal, done, done.reason or "")
            return done
        present = {finding.fingerprint for finding in now.findings}
        done.mended = [finding for p, finding in wanted.items() if p not in present]
        done.left = [finding for p, finding in wanted.items() if p in present]
        done.outcome = "partly" if done.left else "mended"
        journal.end()
        return done

    def _rounds(
        self, report: Report, made: Plan, journal: Journal, done: Done, before: set[str], wanted: dict[str, Finding]
    ) -> Report | None:
        """The report after the last step; None where everything has to be taken back."""
        ran: set[Command] = set()
        now: Report | None = report
        for _ in range(ROUNDS):
            steps = [step for step in made.steps if step.command not in ran]
            if not steps:
                break
            now = self._steps(steps, journal, done, before)
            if now is None:
                return None
            ran |= {step.command for step in steps}
            made = self.plan(now)
            wanted.update({f.fingerprint: f for f in now.findings if any(f.fingerprint in step.solves for step in made.steps)})
        return now

    def _steps(self, steps: Sequence[Step], journal: Journal, done: Done, before: set[str]) -> Report | None:
        now: Report | None = None
        for number, step in enumerate(steps):
            argv = prepared(step.command)
            self.say(f"{len(done.steps) + 1}. {' '.join(argv)}")
            journal.turn("applying", step=list(argv))
            code = journal.run(argv, self.environ, self.cwd, self.output)
            done.steps.append((step, code))
            if code != 0:
                done.reason = f"{argv[0]} ended with exit code {code}" if code != 127 else f"{argv[0]} could not be started"
                return None
            try:
                now = self.look()
            except NoTarget as error:
                now, done.reason, harm = None, str(error), True
            else:
                done.new = [f for f in now.findings if f.severity == "error" and f.fingerprint not in before]
                harm = bool(done.new)
                done.reason = f"new: {done.new[0].code} {done.new[0].message}" if harm else None
            ours = {p for one in steps[: number + 1] for p in one.solves}
            if harm and not any(ours.intersection(later.solves) for later in steps[number + 1 :]):
                return None
        done.new = []
        return now

    def _back(self, journal: Journal, done: Done, reason: str) -> None:
        self.say(f"{reason}: bringing back what was there")
        done.outcome, done.reason = "rolled-back", reason
        signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            done.damaged = journal.bring_back()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def prepared(argv: Command) -> Command:
    """A command as it runs where nobody answers its questions."""
    name = os.path.basename(argv[0]) if argv else ""
    if name in _CONDA and "-y" not in argv and "--yes" not in argv and "export" not in argv and "config" not in argv:
        return (*argv, "-y")
    return argv


def inside(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Folders of the target whose state has to be kept, each with the names at its top that a fix leaves alone."""
    prefix = os.path.realpath(snapshot.target.prefix)
    if snapshot.target.kind == "system":
        sites = [
            os.path.realpath(s.path)
            for s in snapshot.sites
            if s.exists and s.role in ("user", "dist-packages", "purelib", "platlib")
        ]
        roots = [f"{prefix}/bin", *sites] if prefix in ("/", "/usr", "/usr/local") else [prefix, *sites]
        kept = [root for root in dict.fromkeys(roots) if not any(root.startswith(f"{other}/") for other in roots)]
        return dict.fromkeys(kept, ())
    return {prefix: ("envs", "pkgs") if snapshot.target.base else ()}


def outside(made: Plan, snapshot: Snapshot, cwd: str) -> list[str]:
    """Files and folders outside of the prefix that the steps may touch: what they name, settings, a project's manifest."""
    prefix = os.path.realpath(snapshot.target.prefix)
    found: list[str] = []
    for step in made.steps:
        argv = step.command
        for number, word in enumerate(argv[1:], 1):
            if argv[number - 1] in ("--file", "--manifest-path") and not word.startswith("-"):
                word = os.path.join(cwd, word)
                if argv[number - 1] == "--manifest-path":
                    found.append(os.path.join(os.path.dirname(word), "pixi.lock"))
            elif not word.startswith("/") or argv[number - 1] in ("--python", "-p", "--prefix"):
                continue
            if step.stage == "delete" or not os.path.isdir(word):
                found.append(word)
        if "config" in argv:
            conda = snapshot.conda_installers
            found += [file.path for file in conda.files] if conda is not None else []
            found += snapshot.installers.config_files
    kept: list[str] = []
    for path in found:
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if not (real == prefix or real.startswith(prefix + "/")) and real not in kept:
            kept.append(real)
    return kept
