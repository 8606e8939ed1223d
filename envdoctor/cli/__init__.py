"""The command line: parse, call, write, exit. Commands are imported when they are used.

Every error ends here: one line ``error: …``, where there is one a line ``hint: …``, and the exit code of the contract.
"""

from __future__ import annotations

import importlib
import os
import sys

import click

COMMANDS: dict[str, str] = {
    "check": "check",
    "fix": "fix",
    "lock": "lock",
    "install": "install",
    "snapshot": "snapshot",
    "diff": "diff",
    "fleet": "later",
    "explain": "explain",
    "rules": "explain",
    "init": "init",
    "cache": "cache",
    "completion": "completion",
    "new-rule": "new_rule",
}
"""Name to module, in the order of the help."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Commands(click.Group):
    """A group that imports a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name."""
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), cmd_name.replace("-", "_"))
        return command


@click.group(cls=Commands, context_settings=CONTEXT, invoke_without_command=True)
@click.option("-V", "--version", is_flag=True, help="Print the version and exit.")
@click.pass_context
def group(ctx: click.Context, version: bool) -> None:
    """Tells whether a Python environment works on this machine, why not, and what mends it, without running any of it."""
    if version:
        from envdoctor import __version__

        click.echo(f"envdoctor {__version__}")
        ctx.exit(0)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: list[str]) -> int:
    """Runs a command line and returns its exit code. Nothing but the exit of the process is left to do."""
    code = 0
    try:
        if (asked := os.environ.get("_ENVDOCTOR_COMPLETE")) is not None:
            from envdoctor.cli.completion import answer

            return answer(asked)
        code = _invoke(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _silence()
        return 0
    except OSError as error:
        _silence()
        return code or fail(f"cannot write to stdout: {error.strerror or error}")
    return code


def _invoke(arguments: list[str]) -> int:
    """The exit code of a command line, errors told."""
    try:
        with group.make_context("envdoctor", list(arguments)) as context:
            code = group.invoke(context)
            return code if isinstance(code, int) else 0
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (KeyboardInterrupt, click.Abort):
        return fail("interrupted", code=130)
    except click.NoSuchOption as error:
        near = f"did you mean {error.possibilities[0]}?" if error.possibilities else _help(error)
        return fail(f"no such option: {error.option_name}", near)
    except click.UsageError as error:
        return fail(_sentence(error.format_message()), _command_hint(arguments, error) or _help(error))
    except click.ClickException as error:
        return fail(_sentence(error.format_message()))
    except (BrokenPipeError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - the last one: a bug must not end with exit code 1, which means findings
        return _explain(error)


def fail(message: str, hint: str | None = None, *, code: int = 2, details: tuple[str, ...] = ()) -> int:
    """Says on stderr why the command could not do its job; returns the exit code.

    `details` are lines in between, as another tool gave them.
    """
    from envdoctor.formats.text import guard, safe

    lines = [f"error: {safe(' '.join(message.split()))}", *(f"  {safe(line)}" for line in details)]
    if hint:
        lines.append(f"hint: {safe(' '.join(hint.split()))}")
    tell(guard("\n".join(lines)))
    return code


def tell(text: str) -> None:
    """A line for the person, on stderr; nothing where there is no stderr."""
    try:
        if sys.stderr is not None:
            encoding = sys.stderr.encoding or "utf-8"
            sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            sys.stderr.flush()
    except (OSError, ValueError):
        pass


def _explain(error: Exception) -> int:
    """Tells an error that the modules below raise for bad input; a bug of envdoctor ends with exit code 2, too."""
    from envdoctor.cli.files import WriteError
    from envdoctor.select import UsageError
    from envdoctor.snapshot import SnapshotError
    from envdoctor.target import TargetError

    if isinstance(error, (UsageError, TargetError, WriteError, SnapshotError)):
        return fail(str(error), getattr(error, "hint", None), details=getattr(error, "details", ()))
    if os.environ.get("ENVDOCTOR_TRACEBACK"):
        raise error
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f" ({os.path.basename(where.tb_frame.f_code.co_filename)}:{where.tb_lineno})" if where is not None else ""
    return fail(
        f"envdoctor itself failed: {type(error).__name__}: {str(error)[:300]}{place}",
        "please report this, with the output of the same command under ENVDOCTOR_TRACEBACK=1",
    )


def _sentence(text: str) -> str:
    """click's message as the rest of a line: no capital at the start, no full stop."""
    text = text.rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _help(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx is not None else "envdoctor"
    return f"{path} --help lists what there is"


def _command_hint(arguments: list[str], error: click.UsageError) -> str | None:
    """The command that may have been meant."""
    if error.ctx is None or error.ctx.command is not group or not error.message.startswith("No such command"):
        return None
    import difflib

    typed = next((word for word in arguments if not word.startswith("-")), "")
    near = difflib.get_close_matches(typed, [name for name in COMMANDS if name != "new-rule"], 1, 0.5)
    if near:
        return f"did you mean envdoctor {near[0]}?"
    if os.path.exists(typed):
        return f"envdoctor check {typed} looks at it"
    return None


def _silence() -> None:
    """Nobody reads stdout any more: what Python would still write at exit goes nowhere."""
    try:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        pass
