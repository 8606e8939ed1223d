"""``envdoctor install``: a lock of conda's kind into a new prefix, every hash verified."""

from __future__ import annotations

import click


@click.command()
@click.argument("lock", metavar="LOCK")
@click.option("-p", "--prefix", metavar="DIR", required=True, help="The folder of the new environment; it must not exist.")
@click.option("--group", multiple=True, metavar="NAME", help="A category of the lock; repeatable (default: main and dev).")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing when it went well.")
def install(lock: str, prefix: str, group: tuple[str, ...], quiet: bool) -> int:
    """Install LOCK (conda-lock.yml or an @EXPLICIT file) into a new prefix.

    py-rattler installs conda's packages, uv those of a pip section; neither needs conda. Every archive is held against the
    lock's hash before anything is linked, those in local folders too. No script of a package is run. For locks of other kinds
    the command of their own tool is told.
    """
    import os

    from envdoctor.cli import tell
    from envdoctor.cli.progress import Progress
    from envdoctor.formats.text import safe
    from envdoctor.lock.make.install import run

    progress = Progress("envdoctor: installing", quiet=quiet)
    with progress:
        count = run(lock, prefix, environ=dict(os.environ), categories=group, say=progress.say)
    if not quiet:
        tell(f"installed: {count} packages into {safe(prefix)}, all hashes right; envdoctor check {safe(prefix)} looks at it")
    return 0
