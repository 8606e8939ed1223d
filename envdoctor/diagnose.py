"""The pipeline. Read this file first: target -> collect -> Snapshot -> rules -> findings -> Report.

``observe`` does all reading and returns facts; ``judge`` is pure and gives the same findings for a snapshot from disk.
``examine`` does both by turns for ``check --select``: it reads what the selected rules ask for, and no more.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from envdoctor import __version__, causes
from envdoctor.collect import Collected
from envdoctor.finding import Finding
from envdoctor.partial import NotRead
from envdoctor.report import Check, FailOn, Report, Suppressed, hashed
from envdoctor.rules import foreign, idle, is_own, load
from envdoctor.rules.base import Skip
from envdoctor.select import Ignore, Selection, live, suppress
from envdoctor.snapshot import Machine, Snapshot, text
from envdoctor.view import View

if TYPE_CHECKING:
    from envdoctor.collect import Reading
    from envdoctor.collect.scene import Scene

Answered = dict[str, tuple[tuple[Finding, ...], Check]]
"""What rules said, by code."""
Known = MutableMapping[str, tuple[tuple[Finding, ...], Check]]
"""What they said of the very same facts before."""


class Facts(Protocol):
    """What is read part by part: a ``collect.Reading``."""

    def more(self, parts: Iterable[str]) -> None:
        """Reads these parts."""

    def collected(self) -> Collected:
        """What is known by now."""

    def keep(self) -> None:
        """Keeps it for the next run."""


class Request(msgspec.Struct, frozen=True):
    """What to look at, and the shell to look from. At most one of `target`, `python`, `prefix`, `name` is given.

    `environ`, `cwd` and `home` default to this process's own; `project` to the project that `cwd` lies in.
    """

    target: str | None = None
    python: str | None = None
    prefix: str | None = None
    name: str | None = None
    environ: Mapping[str, str] = msgspec.field(default_factory=lambda: dict(os.environ))
    cwd: str | None = None
    home: str | None = None
    project: str | None = None
    deep: bool = False
    probe: bool = True
    use_cache: bool = False
    """Take over what an earlier run has read and nothing has changed since, and keep what this one reads."""
    all_libraries: bool = False
    """Read all libraries of the machine, so that the snapshot can stand for it (``check --machine``)."""
    for_gpu: bool = False
    """The facts are judged for a machine with a GPU: read what native files hold for it."""
    locks: tuple[str, ...] = ()
    """Lockfiles to compare with instead of those that are found; relative ones as seen from `cwd`."""
    progress: Callable[[str], None] | None = None
    """Takes a few words about what takes long."""
    meanwhile: Callable[[], None] | None = None
    """Is called while the file system is being asked for many files, where that goes on by itself."""


def observe(request: Request) -> Collected:
    """The facts about a target. Raises ``target.TargetError`` when there is none."""
    from envdoctor.collect import collect

    return collect(_scene(request), use_cache=request.use_cache)


def begin(request: Request) -> Reading:
    """The facts that every snapshot has, to be read on by :func:`examine`. Raises ``target.TargetError``."""
    from envdoctor.collect import Reading

    return Reading(_scene(request), use_cache=request.use_cache)


def _scene(request: Request) -> Scene:
    """What collectors are given. Raises ``target.TargetError``."""
    from envdoctor import config, target
    from envdoctor.collect.scene import Scene

    cwd = request.cwd or _cwd()
    home = request.home or request.environ.get("HOME") or request.environ.get("USERPROFILE") or None
    project = request.project or config.find_project(cwd)
    chosen = target.resolve(
        request.target,
        environ=request.environ,
        cwd=cwd or "/",
        home=home,
        python=request.python,
        prefix=request.prefix,
        name=request.name,
        project=project,
    )
    return Scene(
        target=chosen.target,
        prefix=chosen.prefix,
        environ=request.environ,
        cwd=cwd,
        home=home,
        project_root=project,
        project_named=request.project is not None,
        deep=request.deep,
        probe=request.probe,
        all_libraries=request.all_libraries,
        for_gpu=request.for_gpu,
        locks=tuple(os.path.normpath(os.path.join(cwd or "/", lock)) for lock in request.locks),
        progress=request.progress,
        meanwhile=request.meanwhile,
    )


def machine_at_hand(environ: Mapping[str, str] | None = None) -> Machine:
    """The machine alone, for ``check --machine`` elsewhere: without its shared libraries, of which there are thousands."""
    import msgspec

    from envdoctor.collect import gpu, machine
    from envdoctor.collect.scene import Scene
    from envdoctor.snapshot import Target

    variables = dict(os.environ) if environ is None else environ
    cwd = _cwd() or "/"
    home = variables.get("HOME") or variables.get("USERPROFILE") or None
    target = Target(prefix=text(cwd), kind="unknown", chosen_by="", system=machine.this_system())
    scene = Scene(target=target, prefix=cwd, environ=variables, cwd=cwd, home=home)
    found = gpu.add(scene, machine.collect(scene))
    # the working directory is nobody's environment
    limits = msgspec.structs.replace(
        found.limits, disk_free=None, disks=tuple(disk for disk in found.limits.disks if disk.role != "environment")
    )
    return msgspec.structs.replace(found, limits=limits)


def judge(
    snapshot: Snapshot,
    selection: Selection | None = None,
    *,
    machine: Machine | None = None,
    ignores: Sequence[Ignore] = (),
    fail_on: FailOn = "error",
    checks: Iterable[Check] = (),
    notes: Iterable[str] = (),
    timings: Mapping[str, float] | None = None,
    known: Known | None = None,
) -> Report:
    """The report on `snapshot`: every selected rule is asked, causes are linked, ignores applied. No IO.

    `machine` judges for another computer than the snapshot's own. `checks` are those of the collectors that crashed.
    `known` is what rules said of these very facts before: those are not asked again, and what the others say is added.
    `ignores` that match nothing or have expired (by the snapshot's date) come back as notes.
    """
    selection = selection or Selection.of()
    started = time.perf_counter()
    view = View(snapshot, machine)
    codes = selection.codes()
    answers, _ = _asked(codes, view, known)
    report = _report(view, selection, codes, answers, ignores=ignores, fail_on=fail_on, checks=checks, notes=notes)
    return msgspec.structs.replace(report, timings={**(timings or {}), "rules": time.perf_counter() - started})


def examine(
    reading: Facts,
    selection: Selection,
    *,
    ignores: Sequence[Ignore] = (),
    fail_on: FailOn = "error",
    notes: Iterable[str] = (),
    known: Known | None = None,
) -> Report:
    """The report that :func:`judge` gives about all facts, from those that the selected rules ask for.

    Each rule is asked about what has been read. Those that lack something (``partial.NotRead``) are asked again when that has
    been read: about new facts, nothing of the vain attempt is kept.
    """
    codes = left = selection.codes()
    answers: Answered = {}
    spent = 0.0
    while True:
        started = time.perf_counter()
        view = View(reading.collected().snapshot)
        found, lacking = _asked(left, view, known)
        answers |= found
        spent += time.perf_counter() - started
        if not lacking:
            break
        left = list(lacking)
        reading.more(lacking.values())
    reading.keep()
    started = time.perf_counter()
    collected = reading.collected()
    report = _report(view, selection, codes, answers, ignores=ignores, fail_on=fail_on, checks=collected.checks, notes=notes)
    spent += time.perf_counter() - started
    return msgspec.structs.replace(report, timings={**collected.timings, "rules": spent})


def _asked(codes: Iterable[str], view: View, known: Known | None) -> tuple[Answered, dict[str, str]]:
    """What these rules say, and the part that each of the others lacks, which asked for facts that have not been read."""
    answers: Answered = {}
    lacking: dict[str, str] = {}
    for code in codes:
        try:
            answers[code] = _ask(code, view, known)
        except NotRead as missing:
            lacking[code] = missing.part
    return answers, lacking


def _report(
    view: View,
    selection: Selection,
    codes: Sequence[str],
    answers: Answered,
    *,
    ignores: Sequence[Ignore],
    fail_on: FailOn,
    checks: Iterable[Check],
    notes: Iterable[str],
) -> Report:
    """What the rules said, causes linked, ignores applied."""
    snapshot = view.snapshot
    findings = [finding for code in codes for finding in answers[code][0]]
    outcomes = [*checks, *(Check(f"plugin.{p.package}", "crashed", p.problem) for p in foreign() if p.problem)]
    outcomes += [answers[code][1] for code in codes]
    if reach := hashed(snapshot):
        outcomes = [_reaching(check, reach.get(check.code)) for check in outcomes]
    findings = causes.link(_unique(findings))
    standing, expired = live(ignores, datetime.date.fromisoformat(snapshot.date))
    kept, suppressed, unmatched = suppress(findings, standing, codes)
    return Report(
        snapshot=snapshot,
        machine=view.machine,
        findings=tuple(sorted(kept, key=lambda f: f.sort_key)),
        suppressed=tuple(sorted(suppressed, key=_suppressed_key)),
        checks=tuple(sorted(outcomes, key=lambda c: c.code)),
        notes=(*notes, *selection.notes, *expired, *unmatched),
        fail_on=fail_on,
        tool_version=__version__,
    )


def _ask(code: str, view: View, known: Known | None) -> tuple[tuple[Finding, ...], Check]:
    """One rule's findings and what came of it. The second of the two places with a broad except."""
    if known is not None and code in known:
        return known[code]
    try:
        reason = idle(code, view.snapshot)
        if reason is not None:
            return (), Check(code, "skipped", reason)
        rule = load(code)
        found = tuple(rule.check(view))
        answer = found, Check(code, "found" if found else "clean")
    except Skip as skip:
        answer = (), Check(code, "skipped", str(skip))
    except Exception as error:  # noqa: BLE001 - a rule that crashes spoils no other
        return (), Check(code, "crashed", text(f"{type(error).__name__}: {error}")[:300])
    if known is not None and not rule.rule.live and is_own(code):
        known[code] = answer
    return answer


def _reaching(check: Check, reach: str | None) -> Check:
    """`check` with what ``--deep`` has hashed for it."""
    if reach is None or check.outcome not in ("clean", "found"):
        return check
    return Check(check.code, check.outcome, f"hashed {reach}")


def _unique(findings: Iterable[Finding]) -> list[Finding]:
    """Findings with one of each fingerprint: two rules' key clash or a rule that says a thing twice is said once."""
    return list({finding.fingerprint: finding for finding in findings}.values())


def _suppressed_key(item: Suppressed) -> tuple[int, str, str, str, str]:
    return item.finding.sort_key


def _cwd() -> str | None:
    """The working directory, None when it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return None
