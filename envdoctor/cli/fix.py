"""``envdoctor fix``: the plan. It changes nothing."""

from __future__ import annotations

from typing import Any

import click

from envdoctor.cli import options


@click.command()
@options.target
@options.judged
@options.selection
@click.option("--apply", "apply_", is_flag=True, help="Carry the plan out (not in this version).")
@click.option("--format", "formats", multiple=True, metavar="F[=FILE]", help="terminal or json (default: terminal).")
@click.option("--output", metavar="FILE", help="Write the plan to this file instead of stdout.")
@options.facts
@click.option("--baseline", metavar="FILE", help="Mend only what this file does not know.")
@options.screen
def fix(apply_: bool, formats: tuple[str, ...], output: str | None, **given: Any) -> int:
    """Print one plan that mends what `envdoctor check` finds: the commands in order, what each is for, how to verify it.

    The fixes of several findings are merged; those that contradict each other are left for you to decide. Nothing is changed.
    """
    import os

    from envdoctor import plan
    from envdoctor.cli import files
    from envdoctor.cli.session import Session, read_bytes
    from envdoctor.formats import PLAN_FORMATS
    from envdoctor.formats import plan as pages
    from envdoctor.select import UsageError

    if apply_:
        raise UsageError("fix --apply is not available in this version", "envdoctor fix prints the commands; run them yourself")
    session = Session(given)
    settings = tuple(name for name in session.settings.format or () if name in PLAN_FORMATS)
    wanted = files.outputs(formats or settings, output, PLAN_FORMATS)
    known = session.value("baseline")
    data = read_bytes(known, "--baseline") if known is not None else None
    report = session.report()
    if data is not None:
        from envdoctor import baseline

        report = baseline.apply(report, baseline.parse(data, known), os.path.basename(known))
    made = plan.make(report.findings)
    for one in wanted:
        if one.format == "json":
            text = pages.render_json(made, report)
        else:
            to_file = one.file is not None
            color = bool(session.value("no_color"))
            view = files.look(os.environ, no_color=color, verbosity=session.verbosity, to_file=to_file)
            text = pages.render_terminal(made, report, view)
        if one.file is None:
            files.write_stdout(text)
        else:
            files.write_file(one.file, text)
    return 2 if report.crashed else 0
