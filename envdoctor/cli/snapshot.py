"""``envdoctor snapshot``."""

from __future__ import annotations

from typing import Any

import click

from envdoctor.cli import options


@click.command()
@options.target
@options.facts
@click.option("--output", metavar="FILE", help="Write to this file instead of stdout.")
def snapshot(output: str | None, **given: Any) -> int:
    """Write everything that the rules need to know of an environment, its machine and its shell as one JSON document.

    `envdoctor check --snapshot FILE` judges it, on any machine, with the same findings. Secrets are cut out of it; paths,
    names and versions are not.
    """
    from envdoctor.cli import fail, files
    from envdoctor.cli.session import Session
    from envdoctor.snapshot import to_json

    if output is not None and output != "-":
        files.writable(output)
    collected = Session(given).observe(all_libraries=True)
    text = to_json(collected.snapshot).decode("utf-8")
    if output is None or output == "-":
        files.write_stdout(text)
    else:
        files.write_file(output, text)
    crashed = [check for check in collected.checks if check.outcome == "crashed"]
    if crashed:
        return fail(f"the snapshot lacks a part: {crashed[0].code}: {crashed[0].reason}", "please report this")
    return 0
