"""``envdoctor check``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from envdoctor.cli import options

if TYPE_CHECKING:
    from envdoctor.cli.session import Session
    from envdoctor.report import Report


@click.command()
@options.target
@options.judged
@options.selection
@click.option("--fail-on", type=click.Choice(options.FAIL_ON), help="Exit with 1 from this severity on (default: error).")
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="F[=FILE]",
    help="terminal, json, sarif, junit, github, markdown or html; repeatable with =FILE (default: terminal).",
)
@click.option("--output", metavar="FILE", help="Write the report to this file instead of stdout.")
@options.facts
@click.option("--baseline", metavar="FILE", help="Report only what this file does not know.")
@click.option("--write-baseline", metavar="FILE", help="Write all findings to this file, to be known from now on.")
@click.option("--reason", metavar="TEXT", help="With --write-baseline: why the new entries may stay.")
@click.option("--expires", metavar="DATE", help="With --write-baseline: the last day (2027-01-31) of the new entries.")
@options.screen
def check(
    formats: tuple[str, ...],
    output: str | None,
    write_baseline: str | None,
    reason: str | None,
    expires: str | None,
    **given: Any,
) -> int:
    """Inspect an environment and report what is wrong with it.

    TARGET is a prefix folder, an interpreter, or the name of a conda or mamba environment. Without one: $VIRTUAL_ENV, else
    $CONDA_PREFIX, else .venv in the project, else the python that PATH finds. Nothing of it is run, nothing is changed.

    Exit code: 0 nothing at or above --fail-on, 1 something, 2 envdoctor could not do its job, 130 interrupted.
    """
    import os
    from datetime import date
    from functools import partial

    from envdoctor import baseline
    from envdoctor.cli import files, tell
    from envdoctor.cli.session import Session, read_bytes
    from envdoctor.formats import FORMATS
    from envdoctor.select import UsageError

    session = Session(given)
    wanted = files.outputs(formats or session.settings.format or (), output, FORMATS)
    last = None
    if write_baseline is not None:
        files.writable(write_baseline)
        last = options.day(expires, "--expires")
    elif reason or expires:
        raise UsageError("--reason and --expires are said of entries that --write-baseline writes")
    known = session.value("baseline")
    if known is not None and session.options.get("baseline") is None and write_baseline and not os.path.exists(known):
        known = None
    entries = baseline.parse(read_bytes(known, "--baseline"), known) if known is not None else None
    report = session.report(all_facts=write_baseline is not None)
    if entries is not None:
        report = baseline.apply(report, entries, os.path.basename(known), date.today())
    written: list[str] = []
    if write_baseline is not None:
        from envdoctor.formats.json import dump

        if entries is None and os.path.isfile(write_baseline):
            entries = baseline.parse(read_bytes(write_baseline, "--write-baseline"), write_baseline)
        made = baseline.document(report, entries, reason=" ".join((reason or "").split()), expires=last)
        files.write_file(write_baseline, dump(made))
        written.append(write_baseline)
    for one in wanted:
        report, text = session.complete(report, partial(_render, name=one.format, session=session, to_file=one.file is not None))
        if one.file is None:
            files.write_stdout(text)
        else:
            files.write_file(one.file, text)
            written.append(one.file)
        if one.format == "github" and os.environ.get("GITHUB_STEP_SUMMARY"):
            from envdoctor.formats import markdown

            report, text = session.complete(report, markdown.render)
            files.append_file(os.environ["GITHUB_STEP_SUMMARY"], text)
    if session.verbosity >= 0:
        from envdoctor.formats.text import safe

        for file in written:
            tell(f"written: {safe(file)}")
    return report.exit_code


def _render(report: Report, name: str, session: Session, *, to_file: bool) -> str:
    """The report in a format."""
    import os

    if name == "terminal":
        from envdoctor.cli.files import look
        from envdoctor.formats import terminal
        from envdoctor.select import families_without_rules

        view = look(os.environ, no_color=bool(session.value("no_color")), verbosity=session.verbosity, to_file=to_file)
        return terminal.render(report, view._replace(absent=tuple(families_without_rules()), plan=_plan(session.options)))
    if name == "html":
        from envdoctor.collect.sizes import measure
        from envdoctor.formats import html

        # A snapshot is judged on its own: nothing else is touched.
        return html.render(report, None if session.options.get("snapshot") is not None else measure(report.snapshot))
    if name in ("sarif", "github"):
        from envdoctor import config
        from envdoctor.formats import github, sarif

        project = report.snapshot.project.root if report.snapshot.project else None
        root = config.repository_root(project) if project else None
        return sarif.render(report, root) if name == "sarif" else github.render(report, root)
    import importlib

    render: Callable[[Report], str] = importlib.import_module(f"envdoctor.formats.{name}").render
    return render(report)


def _plan(options: dict[str, Any]) -> tuple[str, ...]:
    """``envdoctor fix`` for what this command looked at."""
    from envdoctor.cli.session import Session

    words: list[str] = []
    if options.get("snapshot") is not None:
        words += ["--snapshot", options["snapshot"]]
    elif options.get("target") is not None:
        words.append(options["target"])
    for name in ("python", "prefix", "name", "project", "machine"):
        if options.get(name) is not None:
            words += [f"--{name}", options[name]]
    for facts in options.get("assume") or ():
        words += ["--assume", facts]
    if options.get("share"):
        words = list(map(Session.cleaner().text, words))
    return ("envdoctor", "fix", *words)
