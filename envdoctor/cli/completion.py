"""``envdoctor completion``: what shells need to complete commands, options, codes and targets."""

from __future__ import annotations

from typing import Any

import click

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_ENVDOCTOR_COMPLETE"
"""What the scripts set when they ask for completions (click's protocol)."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> int:
    """Print the completion script of a shell: `eval "$(envdoctor completion bash)"` in its start-up file."""
    from click.shell_completion import get_completion_class

    from envdoctor.cli import files, group

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"no completion for {shell}")
    one = made(group, {}, "envdoctor", VARIABLE)
    files.write_stdout(one.source_template % one.source_vars() + "\n")
    return 0


def answer(instruction: str) -> int:
    """Completions for the command line that the shell describes in its variables."""
    from click.shell_completion import shell_complete

    from envdoctor.cli import group

    return shell_complete(group, {}, "envdoctor", VARIABLE, instruction)


def codes(_context: Any, _parameter: Any, incomplete: str) -> list[str]:
    """Codes and families that begin so; the last of several that commas separate."""
    from envdoctor.rules import FAMILIES, modules

    before, comma, last = incomplete.rpartition(",")
    known = [*FAMILIES, *modules()]
    return [f"{before}{comma}{code}" for code in known if code.startswith(last.upper())]
