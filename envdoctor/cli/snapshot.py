"""``envdoctor snapshot``."""

from __future__ import annotations

from typing import Any

import click

from envdoctor.cli import options


@click.command()
@options.target
@options.facts
@click.option("--machine-only", is_flag=True, help="The machine alone, no environment: small, for check --machine FILE.")
@options.share
@click.option("--output", metavar="FILE", help="Write to this file instead of stdout.")
def snapshot(output: str | None, machine_only: bool, share: bool | None, **given: Any) -> int:
    """Write everything that the rules need to know of an environment, its machine and its shell as one JSON document.

    `envdoctor check --snapshot FILE` judges it, on any machine, with the same findings. Secrets are cut out of it; paths,
    names and versions are not, unless --share is given. With --machine-only, run on a cluster's compute node, it is what
    `envdoctor check --machine FILE` on the login node judges for.
    """
    from envdoctor.cli import fail, files
    from envdoctor.cli.session import Session
    from envdoctor.snapshot import to_json

    if output is not None and output != "-":
        files.writable(output)
    session = Session(given)
    if machine_only:
        text = _machine(session, given, share=bool(share))
        checks: tuple[Any, ...] = ()
    else:
        collected = session.observe(all_libraries=True)
        found = collected.snapshot
        text = to_json(session.cleaner(found).struct(found) if share else found).decode("utf-8")
        checks = collected.checks
    if output is None or output == "-":
        files.write_stdout(text)
    else:
        files.write_file(output, text)
    crashed = [check for check in checks if check.outcome == "crashed"]
    if crashed:
        return fail(f"the snapshot lacks a part: {crashed[0].code}: {crashed[0].reason}", "please report this")
    return 0


def _machine(session: Any, given: dict[str, Any], *, share: bool) -> str:
    """The document with the machine alone. Raises UsageError where a target is named."""
    import datetime

    import msgspec

    from envdoctor import __version__
    from envdoctor.diagnose import machine_at_hand
    from envdoctor.select import UsageError
    from envdoctor.snapshot import SCHEMA_VERSION

    for name in ("target", "python", "prefix", "name"):
        if given.get(name) is not None:
            option = "TARGET" if name == "target" else f"--{name}"
            raise UsageError(f"--machine-only looks at no environment, and {option} names one", "give one of them")
    machine = machine_at_hand()
    document = {
        "schema_version": SCHEMA_VERSION,
        "tool_version": __version__,
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": msgspec.to_builtins(session.cleaner().struct(machine) if share else machine),
    }
    return (msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n").decode("utf-8")
