"""``envdoctor explain`` and ``envdoctor rules``."""

from __future__ import annotations

import click

_FORMATS = ("terminal", "json", "markdown")


@click.command()
@click.argument("code")
@click.option("--no-color/--color", default=None, help="No colour.")
def explain(code: str, no_color: bool | None) -> int:
    """Print the page of a rule: why it matters, how it is found, what looks like it and is fine, how to mend it.

    CODE is a rule's code or name.
    """
    import os

    from envdoctor.cli import files
    from envdoctor.formats import pages
    from envdoctor.formats.text import to_ascii
    from envdoctor.rules import load
    from envdoctor.select import known_code

    rule = load(known_code(code))
    view = files.look(os.environ, no_color=bool(no_color), verbosity=0)
    text = pages.for_terminal(rule, view)
    files.write_stdout(to_ascii(text) if view.ascii else text)
    return 0


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
