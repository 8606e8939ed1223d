"""``envdoctor diff``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from envdoctor.cli import options
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.difference import Difference, SideKind
    from envdoctor.lock.model import Lock
    from envdoctor.snapshot import Snapshot

FORMATS = ("terminal", "json", "markdown")


class _Side(NamedTuple):
    """What one argument names."""

    kind: SideKind
    name: str
    snapshot: Snapshot | None = None
    lock: Lock | None = None


@click.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--platform", multiple=True, metavar="SUBDIR", help="Two locks: only what they install there; repeatable.")
@click.option("--python-version", metavar="X.Y", help="Two locks: with --platform, for this Python.")
@click.option("--group", multiple=True, metavar="NAME", help="With a lock: this group, instead of those that are installed.")
@click.option("--extra", multiple=True, metavar="NAME", help="With a lock: this extra, instead of those that are installed.")
@click.option("--format", "formats", multiple=True, metavar="F[=FILE]", help="terminal, json or markdown; repeatable with =FILE.")
@click.option("--output", metavar="FILE", help="Write it to this file instead of stdout.")
@click.option("--no-cache/--cache", default=None, help="Read everything anew and keep nothing for the next run.")
@options.screen
def diff(a: str, b: str, formats: tuple[str, ...], output: str | None, **given: Any) -> int:
    """Compare two of: environment, snapshot, lockfile.

    A and B are each a prefix folder, an interpreter, the name of a conda environment, a snapshot (- for stdin), or a lockfile.
    An environment is held against what the lock installs on its machine. What is told is what B has that A has not.

    Exit code: 0 no differences, 1 differences, 2 envdoctor could not do its job, 130 interrupted.
    """
    from envdoctor.cli import files, tell
    from envdoctor.cli.session import Session
    from envdoctor.formats import difference as render
    from envdoctor.select import UsageError

    session = Session(given)
    wanted = files.outputs(formats, output, FORMATS)
    if a == b == "-":
        raise UsageError("A and B cannot both be read from stdin")
    one_side, other_side = _side(a, given), _side(b, given)
    found = _compared(one_side, other_side, given)
    if given.get("share"):
        for side in (one_side, other_side):
            found = session.cleaner(side.snapshot).struct(found)
    for one in wanted:
        if one.format == "json":
            text = render.json(found)
        elif one.format == "markdown":
            text = render.markdown(found)
        else:
            look = files.look(
                os.environ,
                no_color=bool(session.value("no_color")),
                verbosity=session.verbosity,
                to_file=one.file is not None,
            )
            text = render.terminal(found, look)
        if one.file is None:
            files.write_stdout(text)
        else:
            files.write_file(one.file, text)
            if session.verbosity >= 0:
                tell(f"written: {one.file}")
    return int(bool(found))


def _side(argument: str, given: dict[str, Any]) -> _Side:
    """What an argument names: by the file's content, else an environment. Raises UsageError, TargetError."""
    from envdoctor.cli.session import Session, read_bytes, read_snapshot
    from envdoctor.collect import files
    from envdoctor.lock.formats import format_of
    from envdoctor.select import UsageError
    from envdoctor.snapshot import text

    if argument == "-":
        return _Side("snapshot", "stdin", snapshot=read_snapshot("-"))
    name = text(argument)
    if files.is_file(argument) and not os.access(argument, os.X_OK):
        data = read_bytes(argument, "")
        base = os.path.basename(argument)
        lock = format_of(base, data) is not None
        if not lock and data.lstrip()[:1] == b"{":
            return _Side("snapshot", name, snapshot=read_snapshot(argument))
        if lock or format_of(base, data, named=True) is not None:
            return _Side("lock", name, lock=_lock(argument))
        if not base.startswith(("python", "pypy")):
            raise UsageError(f"{name} is no environment, no snapshot and no lockfile that is known")
    session = Session({**given, "target": argument})
    collected = session.observe()
    return _Side("environment", name, snapshot=collected.snapshot)


def _lock(path: str) -> Lock:
    """The lock in a file. Raises UsageError with the place where it cannot be read."""
    from envdoctor.cli.session import _cwd
    from envdoctor.collect import locks
    from envdoctor.collect.machine import this_system
    from envdoctor.collect.scene import Scene
    from envdoctor.select import UsageError
    from envdoctor.snapshot import Target, text

    cwd = _cwd() or "/"
    full = os.path.normpath(os.path.join(cwd, path))
    folder = os.path.dirname(full)
    target = Target(prefix=text(folder), kind="unknown", chosen_by="a lockfile", system=this_system())
    scene = Scene(target=target, prefix=folder, environ=os.environ, cwd=cwd, project_root=folder, locks=(full,), probe=False)
    found = locks.collect(scene, (full,)).locks
    if not found:
        raise UsageError(f"{text(path)}: no lockfile that is known")
    if found[0].error is not None:
        line = f":{found[0].line}" if found[0].line else ""
        raise UsageError(f"{text(path)}{line}: {found[0].error}")
    return found[0]


def _compared(a: _Side, b: _Side, given: dict[str, Any]) -> Difference:
    """The difference. Raises UsageError where the two, or the options, do not go together."""
    from envdoctor import difference
    from envdoctor.conda.channels import SUBDIRS
    from envdoctor.select import UsageError
    from envdoctor.view import View

    platforms, groups, extras = given["platform"], given["group"], given["extra"]
    for platform in platforms:
        if platform not in SUBDIRS or platform == "noarch":
            raise UsageError(f"--platform {platform}: no platform of conda", "linux-64, osx-arm64, win-64 …")
    if (platforms or given["python_version"]) and not (a.lock and b.lock):
        raise UsageError("--platform is for two locks: an environment has its own")
    if (groups or extras) and (a.lock is None) == (b.lock is None):
        raise UsageError("--group and --extra are for an environment and a lock")
    one, other = (
        difference.Side(
            kind=side.kind,
            name=side.name,
            about=difference.about(side.snapshot)
            if side.snapshot is not None
            else difference.about_lock(side.lock)
            if side.lock is not None
            else (),
        )
        for side in (a, b)
    )
    try:
        if a.lock is not None and b.lock is not None:
            return difference.locks(one, other, a.lock, b.lock, platforms, given["python_version"])
        if a.snapshot is not None and b.snapshot is not None:
            return difference.environments(one, other, View(a.snapshot), View(b.snapshot))
        snapshot, lock = a.snapshot or b.snapshot, a.lock or b.lock
        assert snapshot is not None and lock is not None
        return difference.environment_and_lock(
            one,
            other,
            View(snapshot),
            lock,
            lock_first=a.lock is not None,
            groups=groups or None,
            extras=extras,
        )
    except difference.Incomparable as error:
        raise UsageError(f"{a.name} and {b.name}: {error}") from None
