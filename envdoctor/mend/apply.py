"""Carries a plan out: backup, steps, a look after each, and the way back where one fails or does harm. POSIX."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from envdoctor import plan as planning
from envdoctor.collect import files
from envdoctor.finding import Command, Finding, Safety
from envdoctor.formats.text import command_line
from envdoctor.mend.journal import Journal
from envdoctor.plan import Plan, Step
from envdoctor.report import Report
from envdoctor.snapshot import Snapshot

ROUNDS = 3
"""Plans that are made one after the other: what a first one uncovers, the next one mends."""
_LOCKERS = ("uv", "envdoctor", "pixi", "poetry", "pdm", "pipenv", "conda-lock", "pip-compile")
_WRITTEN = ("uv.lock", "pylock.toml", "conda-lock.yml", "pixi.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pyproject.toml")
"""What tools that make locks may write into a project."""
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

    @property
    def kept(self) -> list[Command]:
        """Commands that were carried out and are not taken back with the rest: those of the operating system's packages."""
        return [step.command for step, code in self.steps if code == 0 and planning.read(step.command).where.startswith("system")]


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
        self.active: dict[str, str] = {}
        """Variables that name the target, for tools that go by them."""

    def plan(self, report: Report) -> Plan:
        """What would be done for `report`: only steps that may be carried out."""
        made = planning.make(self.chosen(report), self.allowed)
        steps = tuple(step for step in made.steps if step.safety in self.allowed)
        return made._replace(steps=refilled(steps, report.snapshot))

    def run(self, report: Report, made: Plan, journal: Journal) -> Done:
        """Carries `made` out, from the facts of `report`. The journal is gone afterwards unless something could not be
        brought back. Raises Unable where the old state could not even be kept."""
        done = Done()
        before = {finding.fingerprint for finding in report.findings if finding.severity == "error"}
        if report.snapshot.venv is not None:
            self.active = {"VIRTUAL_ENV": report.snapshot.target.prefix}
        elif report.snapshot.conda_meta is not None:
            self.active = {"CONDA_PREFIX": report.snapshot.target.prefix}
        had = names(report.snapshot.target.prefix)
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
        lost = () if now is None else sorted(had - names(report.snapshot.target.prefix) - removed(done.steps))
        if lost:
            done.reason = f"{', '.join(lost[:5])}{' and others' if len(lost) > 5 else ''} would be gone"
        if now is None or lost:
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
            self.say(f"{len(done.steps) + 1}. {command_line(argv)}")
            journal.turn("applying", step=list(argv))
            code = journal.run(argv, {**self.environ, **self.active}, self.cwd, self.output)
            done.steps.append((step, code))
            if code != 0:
                done.reason = f"{argv[0]} {ended(code)}"
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


def refilled(steps: tuple[Step, ...], snapshot: Snapshot) -> tuple[Step, ...]:
    """Where a virtual environment is made again: behind that the exact distributions that it had are put into it, too."""
    last = max((number for number, step in enumerate(steps) if step.stage == "recreate"), default=None)
    pins = exact(snapshot.target.prefix) if last is not None and snapshot.venv is not None else []
    if last is None or not pins:
        return steps
    first = next(step for step in steps if step.stage == "recreate")
    if os.path.basename(first.command[0]) == "uv":
        head: Command = ("uv", "pip", "install", "--python", snapshot.target.prefix)
    else:
        head = (f"{snapshot.target.prefix}/bin/python", "-m", "pip", "install")
        pins = [pin for pin in pins if not pin.startswith(("pip==", "setuptools=="))]
    words = [word for pin in pins for word in (pin.split(" ", 1) if pin.startswith("-e ") else [pin])]
    again = Step("recreate", (*head, "--no-deps", *words), first.safety, first.solves)
    return (*steps[: last + 1], *((again,) if words else ()), *steps[last + 1 :])


def names(prefix: str) -> set[str]:
    """Names of the distributions in a prefix, whatever interpreter it is for."""
    return {canonicalize_name(info.rpartition("/")[2].split("-")[0]) for info in _infos(prefix)}


def removed(steps: Sequence[tuple[Step, int]]) -> set[str]:
    """Names that a step was there to remove."""
    named = [item for step, _ in steps if step.stage in ("uninstall", "delete", "after") for item in step.command]
    return {canonicalize_name(os.path.basename(item).split("-")[0].split("=")[0]) for item in named if item} | {
        canonicalize_name(item) for item in named
    }


def exact(prefix: str) -> list[str]:
    """Requirements for exactly the distributions in a prefix, by their metadata folders: the environment need not work."""
    found: dict[str, str] = {}
    for info in _infos(prefix):
        stem = info.rpartition("/")[2].removesuffix(".dist-info")
        name, _, version = stem.partition("-")
        if not version:
            continue
        found[canonicalize_name(name)] = _direct(info, canonicalize_name(name)) or f"{canonicalize_name(name)}=={version}"
    return [found[name] for name in sorted(found)]


def _direct(info: str, name: str) -> str | None:
    """The requirement for a distribution that came from a place of its own."""
    try:
        data = json.loads(files.read(f"{info}/direct_url.json").data)
        url = str(data["url"])
    except (files.Unreadable, ValueError, KeyError, TypeError):
        return None
    if isinstance(data.get("dir_info"), dict) and data["dir_info"].get("editable"):
        return f"-e {unquote(urlsplit(url).path)}"
    vcs = data.get("vcs_info")
    if isinstance(vcs, dict):
        return f"{name} @ {vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}".rstrip("@")
    return f"{name} @ {url}"


def _infos(prefix: str) -> list[str]:
    found: list[str] = []
    for lib in ("lib", "lib64", "Lib"):
        try:
            inside = files.names(f"{prefix}/{lib}")
        except files.Unreadable:
            continue
        for name in inside:
            site = f"{prefix}/{lib}/{name}/site-packages"
            try:
                found += [f"{site}/{info}" for info in files.names(site) if info.endswith(".dist-info") and info[0] != "~"]
            except files.Unreadable:
                continue
    return found


def prepared(argv: Command) -> Command:
    """A command as it runs where nobody answers its questions."""
    name = os.path.basename(argv[0]) if argv else ""
    if argv[:1] == ("envdoctor",) and shutil.which("envdoctor") is None:
        return (sys.executable, "-m", *argv)
    if name in _CONDA and "-y" not in argv and "--yes" not in argv and "export" not in argv and "config" not in argv:
        return (*argv, "-y")
    return argv


def ended(code: int) -> str:
    """How a program ended, in words."""
    if code < 0:
        return f"was ended by signal {-code}"
    return "could not be started" if code == 127 else f"ended with exit code {code}"


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
        if os.path.basename(argv[0]) in _LOCKERS and (step.stage in ("prepare", "after") or "pixi" in argv[0]):
            root = snapshot.project.root if snapshot.project else cwd
            found += [
                os.path.join(root, path) for path in (*(k.path for k in snapshot.locks), *(m.path for m in snapshot.manifests))
            ]
            found += [os.path.join(root, name) for name in _WRITTEN]
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
