"""``envdoctor fix``: the plan, and with ``--apply`` what it says done."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from envdoctor.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envdoctor.cli.files import Output
    from envdoctor.cli.session import Session
    from envdoctor.finding import Finding, Safety
    from envdoctor.plan import Plan
    from envdoctor.report import Report


@click.command()
@options.target
@options.judged
@options.selection
@click.option("--apply", "apply_", is_flag=True, help="Carry out the safe steps; everything is taken back where one does harm.")
@click.option("--unsafe", is_flag=True, help="With --apply: steps that change more than what is broken, too.")
@click.option("-y", "--yes", is_flag=True, help="With --apply: do not ask.")
@click.option("--restore", is_flag=True, help="Bring back what was there before a fix that was killed.")
@click.option("--format", "formats", multiple=True, metavar="F[=FILE]", help="terminal or json (default: terminal).")
@click.option("--output", metavar="FILE", help="Write the plan to this file instead of stdout.")
@options.facts
@click.option("--baseline", metavar="FILE", help="Mend only what this file does not know.")
@options.screen
def fix(apply_: bool, unsafe: bool, yes: bool, restore: bool, formats: tuple[str, ...], output: str | None, **given: Any) -> int:
    """Print one plan that mends what `envdoctor check` finds: the commands in order, what each is for, how to verify it.

    The fixes of several findings are merged; those that contradict each other are left for you to decide. Nothing is changed.

    With --apply the safe steps are carried out, after a question on a terminal (without one only with --yes). Before the first
    change the state of the environment is kept; after every step it is checked again; where a step fails, or brings a new
    error, everything becomes what it was. A fix that was killed is taken back by `envdoctor fix --restore`. A system
    interpreter or conda's base is changed only where TARGET, -p or -n name it.
    """
    from envdoctor import plan
    from envdoctor.cli import files
    from envdoctor.cli.session import Session
    from envdoctor.formats import PLAN_FORMATS
    from envdoctor.formats import plan as pages
    from envdoctor.select import UsageError

    if restore:
        return _restore(given)
    if (unsafe or yes) and not apply_:
        raise UsageError(f"{'--unsafe' if unsafe else '--yes'} says how --apply works", "envdoctor fix --apply")
    session = Session(given)
    settings = tuple(name for name in session.settings.format or () if name in PLAN_FORMATS)
    wanted = files.outputs(formats or settings, output, PLAN_FORMATS)
    if apply_:
        return _apply(session, wanted, unsafe=unsafe, yes=yes)
    report = _known(session, session.report())
    made = plan.make(report.findings)
    for one in wanted:
        if one.format == "json":
            text = pages.render_json(made, report)
        else:
            text = pages.render_terminal(made, report, _look(session, one))
        _write(one, text)
    return 2 if report.crashed else 0


def _apply(session: Session, wanted: list[Output], *, unsafe: bool, yes: bool) -> int:
    """Carries the plan out. Raises UsageError where it may not."""
    import signal

    from envdoctor import target
    from envdoctor.cli import fail, tell
    from envdoctor.cli.session import Session
    from envdoctor.formats import plan as pages
    from envdoctor.formats.text import command_line, safe
    from envdoctor.mend.apply import Mender, NoTarget
    from envdoctor.mend.backup import Unable
    from envdoctor.mend.journal import Busy, Interrupted, Journal, sweep
    from envdoctor.select import UsageError

    if os.name != "posix":
        raise UsageError("fix --apply is not available on Windows in this version", "envdoctor fix prints the commands")
    for name in ("snapshot", "machine"):
        if session.value(name) is not None:
            raise UsageError(
                f"--apply changes this machine; --{name} is about another", "run it without, where it is to be mended"
            )
    everything = Session({**session.options, "select": ("ALL",)})
    codes = set(session.selection().codes())
    allowed: tuple[Safety, ...] = ("safe", "unsafe") if unsafe else ("safe",)

    def look() -> Report:
        try:
            return _known(session, everything.report())
        except target.TargetError as error:
            raise NoTarget(str(error)) from None

    def chosen(report: Report) -> Sequence[Finding]:
        return [finding for finding in report.findings if finding.code in codes]

    def say(line: str) -> None:
        if session.verbosity >= 0:
            tell(safe(line))

    report = _known(session, everything.report())
    _may_be_changed(session, report)
    mender = Mender(look, chosen, allowed=allowed, environ=os.environ, cwd=os.getcwd(), output=_output(session), say=say)
    made = mender.plan(report)
    prefix = os.path.realpath(report.snapshot.target.prefix)
    if not made.steps:
        sweep(prefix, _cache())
        for one in wanted:
            _write(one, _outcome(None, made, report, session, one))
        return report.exit_code if chosen(report) else 0
    _not_from_inside(made, report)
    if not yes:
        if not _asked():
            raise UsageError(
                "fix --apply asks before it changes anything, and nobody can be asked here", "--yes carries the plan out"
            )
        tell(pages.render_terminal(made, report, _look(session, wanted[0]), applied=True))
        if not click.confirm(f"carry out {len(made.steps)} step{'s' if len(made.steps) > 1 else ''}?", err=True):
            tell("nothing was changed")
            return 0
    back = command_line(("envdoctor", "fix", "--restore", "-p", prefix))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), interrupted)
    try:
        journal = Journal.begin(prefix, _cache(), _facts(report))
        done = mender.run(report, made, journal)
    except Busy:
        return fail(f"another fix of {prefix} is at work", "wait for it")
    except Interrupted:
        return fail(f"a fix of {prefix} was killed before it was done", f"{back} brings back what was there")
    except Unable as error:
        return fail(f"nothing was changed, for its state cannot be kept: {error}")
    except NoTarget as error:
        return fail(str(error))
    if done.damaged:
        tell(f"could not be brought back: {safe(', '.join(done.damaged[:5]))}; what was kept is in {safe(journal.folder)}")
    for one in wanted:
        _write(one, _outcome(done, made, report, session, one))
    if done.outcome == "rolled-back":
        hint = "envdoctor fix prints the commands, --select chooses among them"
        if any(one.title.endswith("--unsafe)") for one in made.manual):
            hint = "--unsafe carries out steps that change more, too; envdoctor fix prints them"
        return fail(f"everything is as it was: {done.reason}", hint)
    return 1 if any(f.severity == "error" for f in done.left) else 0


def _restore(given: dict[str, Any]) -> int:
    """Takes back a fix that was killed."""
    from envdoctor.cli import fail, tell
    from envdoctor.formats.text import safe
    from envdoctor.mend.backup import Unable
    from envdoctor.mend.journal import Busy, find
    from envdoctor.select import UsageError

    named = (
        given.get("prefix") or given.get("target") or os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX") or ".venv"
    )
    prefix = os.path.realpath(named)
    try:
        journal = find(prefix, _cache())
        if journal is None:
            raise UsageError(f"no fix of {prefix} was killed", "name the environment's folder: envdoctor fix --restore -p DIR")
        if journal.state in ("preparing", "done"):
            state = journal.state
            journal.end()
            said = "nothing had been changed" if state == "preparing" else "the fix was done"
            tell(f"{safe(prefix)}: {said}; nothing to bring back")
            return 0
        damaged = journal.bring_back()
    except Busy:
        return fail(f"a fix of {prefix} is at work", "wait for it, or end it")
    except Unable as error:
        return fail(f"cannot be brought back: {error}", "run the same command again")
    if damaged:
        return fail(f"could not be brought back: {', '.join(damaged[:5])}", f"what was kept is in {journal.folder}")
    tell(f"{safe(prefix)} is what it was before the fix")
    return 0


def _known(session: Session, report: Report) -> Report:
    """`report` without what the baseline knows."""
    from envdoctor.cli.session import read_bytes

    known = session.value("baseline")
    if known is None:
        return report
    from envdoctor import baseline

    return baseline.apply(report, baseline.parse(read_bytes(known, "--baseline"), known), os.path.basename(known))


def _may_be_changed(session: Session, report: Report) -> None:
    """Raises UsageError for what is changed only where it is named, and for what cannot be changed from here."""
    from envdoctor.select import UsageError

    found = report.snapshot.target
    if found.foreign or found.sysroot:
        raise UsageError(f"{found.prefix} is of another machine", "run envdoctor fix --apply there")
    named = any(session.options.get(name) is not None for name in ("target", "python", "prefix", "name"))
    if (found.kind == "system" or found.base) and not named:
        what = "conda's base" if found.base else "a system interpreter"
        raise UsageError(
            f"{found.prefix} is {what}, which is changed only where it is named", f"envdoctor fix --apply -p {found.prefix}"
        )


def _not_from_inside(made: Plan, report: Report) -> None:
    """Raises UsageError where a step would take away the environment that envdoctor runs in."""
    from envdoctor.select import UsageError

    inside = os.path.realpath(sys.prefix) == os.path.realpath(report.snapshot.target.prefix)
    if inside and any(step.stage == "recreate" for step in made.steps):
        raise UsageError("envdoctor runs in the environment that is to be made again", "run it from another one: uvx envdoctor")


def _facts(report: Report) -> dict[str, Any]:
    """What a person needs to know of the old state: exact distributions and packages, conda's revision."""
    snapshot = report.snapshot
    history = snapshot.conda_meta.history if snapshot.conda_meta else None
    return {
        "tool_version": report.tool_version,
        "distributions": sorted(f"{d.name}=={d.version}" for d in snapshot.distributions if d.version),
        "conda_packages": sorted("=".join(filter(None, (p.name, p.version, p.build))) for p in snapshot.conda_packages),
        "conda_revisions": history.revisions if history else None,
        "findings": sorted(f.fingerprint for f in report.findings),
    }


def _asked() -> bool:
    """A person can be asked: a terminal on both ends, and no CI."""
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        return False
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _output(session: Session) -> int:
    """Where installers write: stderr, or nowhere."""
    if session.verbosity < 0 or sys.stderr is None:
        return os.open(os.devnull, os.O_WRONLY)
    sys.stderr.flush()
    return 2


def _cache() -> str | None:
    """The folder for journals that cannot lie beside their environment."""
    from envdoctor.cache import locate

    found = locate(os.environ, os.environ.get("HOME"))
    return f"{found}-fix" if found else None


def _look(session: Session, one: Output) -> Any:
    """What the screen or file can show."""
    from envdoctor.cli import files

    color = bool(session.value("no_color"))
    return files.look(os.environ, no_color=color, verbosity=session.verbosity, to_file=one.file is not None)


def _outcome(done: Any, made: Plan, report: Report, session: Session, one: Output) -> str:
    """What was done, in a format."""
    from envdoctor.formats import plan as pages

    if one.format == "json":
        return pages.outcome_json(done, made, report)
    return pages.outcome_terminal(done, made, report, _look(session, one))


def _write(one: Output, text: str) -> None:
    from envdoctor.cli import files

    if one.file is None:
        files.write_stdout(text)
    else:
        files.write_file(one.file, text)
