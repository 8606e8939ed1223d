"""``envdoctor explain`` and ``envdoctor rules``."""

from __future__ import annotations

from typing import Any

import click

from envdoctor.cli import options

MOST = 8 << 20
"""Bytes of a text that are read from stdin."""
_FORMATS = ("terminal", "json", "markdown")


@click.command()
@click.argument("code", required=False, metavar="[CODE|TARGET]", shell_complete=options.codes)
@click.option("--error", metavar="TEXT", help="Find what explains this message or traceback (- for stdin) in TARGET.")
@options.place
@click.option("--snapshot", metavar="FILE", help="With --error: look in this snapshot.")
@click.option("--format", "format_", type=click.Choice(("terminal", "json")), default="terminal", help="With --error: how.")
@click.option("--no-cache/--cache", default=None, help="With --error: read everything anew.")
@options.screen
def explain(code: str | None, error: str | None, format_: str, **given: Any) -> int:
    """Print the page of a rule: why it matters, how it is found, what looks like it and is fine, how to mend it.

    CODE is a rule's code or name. With --error: which rules know that message, and what of it is wrong in TARGET (as for
    `envdoctor check`): `some-command 2>&1 | envdoctor explain --error -`. Exit code 1 then says that something was found.
    """
    import os

    from envdoctor.cli import files
    from envdoctor.formats.text import to_ascii
    from envdoctor.select import UsageError, known_code

    if error is not None:
        return _error(error, format_, {**given, "target": code})
    if code is None:
        raise UsageError("explain needs a CODE, or --error", "envdoctor rules lists the codes")
    from envdoctor.formats import pages
    from envdoctor.rules import load

    rule = load(known_code(code))
    view = files.look(os.environ, no_color=bool(given["no_color"]), verbosity=0)
    text = pages.for_terminal(rule, view)
    files.write_stdout(to_ascii(text) if view.ascii else text)
    return 0


def _error(error: str, format_: str, given: dict[str, Any]) -> int:
    """What explains an error message in the target."""
    import os
    import sys

    import msgspec

    from envdoctor import symptoms
    from envdoctor.cli import files
    from envdoctor.cli.session import Session
    from envdoctor.formats import symptoms as pages
    from envdoctor.rules import load_all
    from envdoctor.select import UsageError

    said = sys.stdin.buffer.read(MOST).decode("utf-8", "backslashreplace") if error == "-" else error
    found = symptoms.matches(said, [rule.rule for rule in load_all()])
    if not found:
        raise UsageError("no rule knows a message in this text", "envdoctor check looks at everything")
    codes = {match.code for match in found}
    session = Session({**given, "select": ("ALL",), "ignore": (), "extend_select": (), "lock": (), "machine": None})
    report = session.report()
    by_print = {finding.fingerprint: finding for finding in report.findings}
    kept = {finding.fingerprint: finding for finding in report.findings if finding.code in codes}
    for finding in tuple(kept.values()):
        while finding.caused_by in by_print and finding.caused_by not in kept:
            finding = kept[finding.caused_by] = by_print[finding.caused_by]
    findings = tuple(finding for finding in report.findings if finding.fingerprint in kept)
    checks = tuple(check for check in report.checks if check.code in codes or len(check.code) != 6)
    report = msgspec.structs.replace(report, findings=findings, checks=checks)
    meant = {finding.fingerprint for finding in findings if symptoms.about(finding, found)}
    meant |= {finding.caused_by for finding in findings if finding.fingerprint in meant and finding.caused_by}
    notes = list(symptoms.notes(report.snapshot, found))
    others = [prefix for prefix in symptoms.prefixes(said) if not _same(prefix, report.snapshot.target.prefix)]
    if others and given.get("snapshot") is None:
        notes.append(f"the text names files of {others[0]}: envdoctor explain --error - {others[0]} looks there")
    chosen = [finding for finding in findings if finding.fingerprint in meant]
    if format_ == "json":
        text = pages.render_json(found, report, chosen, notes)
    else:
        view = files.look(os.environ, no_color=bool(session.value("no_color")), verbosity=session.verbosity)
        text = pages.render_terminal(found, report, chosen, notes, view)
    files.write_stdout(text)
    return msgspec.structs.replace(report, findings=tuple(chosen)).exit_code


def _same(one: str, other: str) -> bool:
    """Both paths name one folder."""
    import os

    return os.path.realpath(one) == os.path.realpath(other)


@click.command()
@click.option("--format", "format_", type=click.Choice(_FORMATS), default="terminal", help="How to list them.")
@click.option("--select", multiple=True, metavar="CODES", help="Only these rules.")
@click.option("--no-color/--color", default=None, help="No colour.")
def rules(format_: str, select: tuple[str, ...], no_color: bool | None) -> int:
    """List the rules: code, name, severity, title."""
    import os

    from envdoctor.cli import files
    from envdoctor.formats import pages
    from envdoctor.formats.text import to_ascii
    from envdoctor.rules import load_all
    from envdoctor.select import Selection

    chosen = load_all(Selection.of(select or None).codes())
    view = files.look(os.environ, no_color=bool(no_color), verbosity=0)
    if format_ == "json":
        text = pages.list_json(chosen)
    elif format_ == "markdown":
        text = pages.list_markdown(chosen)
    else:
        text = pages.list_terminal(chosen, view)
    files.write_stdout(to_ascii(text) if view.ascii and format_ == "terminal" else text)
    return 0
