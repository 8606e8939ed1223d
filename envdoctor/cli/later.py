"""Commands of the contract that a later version brings. They say so, and end with exit code 2."""

from __future__ import annotations

import click

_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True}


def _absent(name: str, hint: str, *modules: str) -> Exception:
    """The error for a command that is not there yet, and the extra that it needs where that is not installed."""
    from importlib.util import find_spec

    from envdoctor.select import UsageError

    if modules and any(find_spec(module) is None for module in modules):
        return UsageError(f"'{name}' is not available in this version", f"it will need pip install 'envdoctor[{name}]'; {hint}")
    return UsageError(f"'{name}' is not available in this version", hint)


@click.command(context_settings=_ANYTHING)
def fleet() -> int:
    """The same over many machines (not in this version)."""
    raise _absent("fleet", "until then envdoctor snapshot on each machine, and envdoctor check --snapshot FILE here", "ray")
