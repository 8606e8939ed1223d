"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def codes(context: Any, parameter: Any, incomplete: str) -> list[str]:
    """Completions of ``--select``."""
    from envdoctor.cli import completion

    return completion.codes(context, parameter, incomplete)


def paths(_context: Any, _parameter: Any, incomplete: str) -> list[Any]:
    """Completions of TARGET: files and folders, by the shell itself."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


FAIL_ON = ("error", "warning", "info", "never")


def several(*decorators: Decorator) -> Decorator:
    """Decorators as one, in the order in which the help shows them."""

    def apply(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


place = several(
    click.option("--python", metavar="PATH", help="The environment of this interpreter."),
    click.option("-p", "--prefix", metavar="DIR", help="The environment in this folder."),
    click.option("-n", "--name", metavar="NAME", help="The conda or mamba environment of this name."),
    click.option(
        "--project",
        metavar="DIR",
        help="Where manifests, lockfiles and settings are looked for (default: here, up to the repository's root).",
    ),
)

target = several(click.argument("target", required=False, metavar="[TARGET]", shell_complete=paths), place)

facts = several(
    click.option("--deep/--no-deep", default=None, help="Also hash every recorded file: seconds, not milliseconds."),
    click.option("--no-cache/--cache", default=None, help="Read everything anew and keep nothing for the next run."),
)

selection = several(
    click.option(
        "--select",
        multiple=True,
        metavar="CODES",
        shell_complete=codes,
        help="Only these rules: codes or prefixes, comma-separated.",
    ),
    click.option("--ignore", multiple=True, metavar="CODES", shell_complete=codes, help="Not these rules."),
    click.option("--extend-select", multiple=True, metavar="CODES", shell_complete=codes, help="These rules, too."),
)

judged = several(
    click.option("--lock", multiple=True, metavar="FILE", help="Compare with this lockfile instead of those found."),
    click.option("--machine", metavar="FILE", help="Judge as if on the machine recorded in this snapshot."),
    click.option(
        "--assume",
        multiple=True,
        metavar="FACTS",
        help="Judge as if the machine had these: cuda-driver=550.54,gpu=sm_90,glibc=2.28,cpu=x86-64-v2, …",
    ),
    click.option("--snapshot", metavar="FILE", help="Judge this snapshot (- for stdin), touch nothing else."),
)

share = click.option(
    "--share", is_flag=True, default=None, help="Leave out user names, host names, tokens and home folders: safe to send."
)

screen = several(
    share,
    click.option("--no-color/--color", default=None, help="No colour (also NO_COLOR; FORCE_COLOR for colour in a pipe)."),
    click.option("-q", "--quiet", is_flag=True, default=None, help="A line for each finding and the counts."),
    click.option("-v", "--verbose", is_flag=True, default=None, help="All evidence, all findings, timings."),
)


def day(text: str | None, option: str) -> date | None:
    """The day that an option names. Raises UsageError."""
    from envdoctor.select import UsageError

    if text is None:
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"{option} '{text[:40]}' is no day", "a day is written so: 2027-01-31") from None
