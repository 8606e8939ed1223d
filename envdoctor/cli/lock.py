"""``envdoctor lock``: ``--check`` judges lockfiles, without it one is made (``envdoctor.lock.make``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from envdoctor.cli import options

if TYPE_CHECKING:
    from envdoctor.report import Report

_MAKING = (
    "file",
    "output",
    "kind",
    "backend",
    "platform",
    "update",
    "upgrade",
    "virtual_package",
    "virtual_package_spec",
    "dry_run",
    "verify",
    "offline",
    "channel",
    "python_version",
    "group",
    "extra",
    "no_dev",
    "index_url",
    "freeze",
)
"""Options that say how a lock is made."""
_CHECKING = ("snapshot", "select", "ignore", "fail_on")
"""Options that say how locks are judged."""
_KINDS = ("conda-lock", "pylock", "requirements", "uv", "explicit")

_what = options.several(
    click.option("-f", "--file", multiple=True, metavar="FILE", help="Make it from this manifest; repeatable."),
    click.option("-o", "--output", "--lockfile", "output", metavar="FILE", help="Write the lock to this file."),
    click.option("--kind", type=click.Choice(_KINDS), help="The lock's format (default: what fits the manifest)."),
    click.option("--platform", multiple=True, metavar="SUBDIR", help="Lock for it, such as linux-64; repeatable."),
    click.option("--update", multiple=True, metavar="NAME", help="Let this package change, keep all others; repeatable."),
    click.option("--upgrade", is_flag=True, help="Lock anew, as if there was no lock."),
    click.option("--freeze", is_flag=True, help="Lock exactly what is installed."),
    click.option("-c", "--channel", multiple=True, metavar="CHANNEL", help="Instead of the manifest's channels."),
    click.option("--index-url", multiple=True, metavar="URL", help="Package index, instead of the configured ones."),
    click.option("--group", multiple=True, metavar="NAME", help="A dependency group; repeatable."),
    click.option("--extra", multiple=True, metavar="NAME", help="An extra of the project; repeatable."),
    click.option("--no-dev", is_flag=True, help="Leave development dependencies out."),
    click.option("--python-version", metavar="X.Y", help="Lock Python packages for this Python."),
    click.option(
        "--virtual-package",
        multiple=True,
        metavar="[PLATFORM:]NAME[=VERSION[=BUILD]]",
        help="Solve as if a machine had it (NAME= for not); repeatable.",
    ),
    click.option("--virtual-package-spec", metavar="FILE", help="conda-lock's file of virtual packages."),
    click.option("--backend", type=click.Choice(("rattler", "conda-lock")), help="Who solves for conda (default: rattler)."),
    click.option("--offline", is_flag=True, help="From caches alone."),
    click.option("--dry-run", is_flag=True, help="Say what would change, write nothing."),
    click.option("--verify", is_flag=True, help="Install the lock into a scratch folder and check that."),
)
_where = options.several(
    click.option("--python", metavar="PATH", help="The environment of this interpreter."),
    click.option("-p", "--prefix", metavar="DIR", help="The environment in this folder."),
    click.option("-n", "--name", metavar="NAME", help="The conda or mamba environment of this name."),
    click.option("--project", metavar="DIR", help="Where manifests and lockfiles are looked for (default: here and up)."),
    click.option("--machine", metavar="FILE", help="Judge or solve for the machine recorded in this snapshot."),
)


@click.command()
@click.argument("files", nargs=-1, metavar="[FILES]...")
@click.option("--check", "judge", is_flag=True, help="Make nothing: say whether FILES (default: the project's) are good locks.")
@_what
@_where
@click.option("--snapshot", metavar="FILE", help="With --check: the locks of this snapshot (- for stdin).")
@options.selection
@click.option("--fail-on", type=click.Choice(options.FAIL_ON), help="Exit with 1 from this severity on (default: error).")
@click.option("--format", "formats", multiple=True, metavar="F[=FILE]", help="terminal or json; repeatable as --format F=FILE.")
@click.option("--no-cache/--cache", default=None, help="With -p, -n, --python: read everything anew, keep nothing.")
@options.screen
def lock(files: tuple[str, ...], judge: bool, formats: tuple[str, ...], **given: Any) -> int:
    """Make, update or verify lockfiles.

    Without --check FILES are manifests (environment.yml, pyproject.toml, requirements.in), or with --freeze the environment
    whose packages are locked.

    With --check they are lockfiles. Nothing is solved, nothing is fetched, and no environment is looked at unless -p, -n or
    --python names one: then it is compared with the locks, too. Exit code: 0 nothing at or above --fail-on, 1 something, 2
    envdoctor could not do its job.
    """
    if judge:
        return _check(files, formats, given)
    return _make(files, formats, given)


# ----------------------------------------------------------------------------------------------------------------- --check


def _check(files: tuple[str, ...], formats: tuple[str, ...], given: dict[str, Any]) -> int:
    """Judges lockfiles."""
    from envdoctor.cli import files as out
    from envdoctor.cli.lock_check import LockSession, render
    from envdoctor.select import UsageError

    for name in _MAKING:
        if given[name]:
            raise UsageError(f"--{name.replace('_', '-')} says how a lock is made, --check makes none", "give one or the other")
    session = LockSession(given, files)
    wanted = out.outputs(formats or session.settings.format or (), None)
    report: Report = session.report()
    written = []
    for one in wanted:
        text = render(report, one.format, session, to_file=one.file is not None)
        if one.file is None:
            out.write_stdout(text)
        else:
            out.write_file(one.file, text)
            written.append(one.file)
    if session.verbosity >= 0 and written:
        from envdoctor.cli import tell
        from envdoctor.formats.text import safe

        for file in written:
            tell(f"written: {safe(file)}")
    return report.exit_code


# ------------------------------------------------------------------------------------------------------------------ making


def _make(files: tuple[str, ...], formats: tuple[str, ...], given: dict[str, Any]) -> int:
    """Makes a lock."""
    import os

    from envdoctor.cli import files as out
    from envdoctor.cli import tell
    from envdoctor.cli.progress import Progress
    from envdoctor.cli.session import Session
    from envdoctor.config import find_project
    from envdoctor.lock.make import run
    from envdoctor.lock.make.options import Options
    from envdoctor.select import UsageError

    for name in _CHECKING:
        if given[name]:
            raise UsageError(f"--{name.replace('_', '-')} says how locks are judged", "envdoctor lock --check judges locks")
    if given["freeze"] and len(files) > 1:
        raise UsageError("--freeze locks one environment", "give one TARGET, -p DIR, -n NAME or --python PATH")
    session = Session(given)
    shown = [one.format for one in out.outputs(formats, None)]
    if not set(shown) <= {"terminal", "json"} or any("=" in one for one in formats):
        raise UsageError("what a new lock changes is shown as terminal or json, on stdout", "--format json")
    cwd = os.getcwd()
    progress = Progress("envdoctor: making the lock", quiet=session.verbosity < 0)
    look = out.look(os.environ, no_color=bool(session.value("no_color")), verbosity=session.verbosity, to_file=False)
    with progress:
        return run(
            Options(
                cwd=cwd,
                environ=dict(os.environ),
                home=os.environ.get("HOME") or os.environ.get("USERPROFILE") or None,
                project=session.project or find_project(cwd),
                write=out.write_file,
                show=lambda text: out.write_stdout(text if text.endswith("\n") else f"{text}\n"),
                tell=tell,
                say=progress.say,
                manifests=given["file"] + (() if given["freeze"] else files),
                output=given["output"],
                kind=given["kind"],
                backend=given["backend"] or "rattler",
                platforms=_words(given["platform"]),
                update=_words(given["update"]),
                upgrade=given["upgrade"],
                virtual_packages=given["virtual_package"],
                virtual_package_file=given["virtual_package_spec"],
                machine=session.machine(),
                dry_run=given["dry_run"],
                verify=given["verify"],
                offline=given["offline"],
                channels=given["channel"],
                python=given["python_version"],
                groups=_words(given["group"]),
                extras=_words(given["extra"]),
                dev=not given["no_dev"],
                index_urls=given["index_url"],
                freeze=given["freeze"],
                target=files[0] if files and given["freeze"] else None,
                interpreter=given["python"],
                prefix=given["prefix"],
                name=given["name"],
                verbosity=session.verbosity,
                color=look.color,
                json="json" in shown,
            )
        )


def _words(values: tuple[str, ...]) -> tuple[str, ...]:
    """Values that may also be given in one, separated by commas."""
    return tuple(dict.fromkeys(word.strip() for value in values for word in value.split(",") if word.strip()))
