"""``envdoctor lock --check``: rules LCK001 to LCK013 on lockfiles, with no environment unless one is named."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from envdoctor.cli.session import Session, _cwd
from envdoctor.collect import files
from envdoctor.select import Selection, UsageError
from envdoctor.snapshot import Project, Shell

if TYPE_CHECKING:
    from envdoctor.collect import Collected
    from envdoctor.lock.model import Manifest
    from envdoctor.report import Report

_TARGET = ("python", "prefix", "name")


class LockSession(Session):
    """The options of ``lock --check``, and the lockfiles that it names."""

    def __init__(self, options: dict[str, Any], locks: tuple[str, ...]) -> None:
        super().__init__({**options, "lock": locks})

    def notes(self, selection: Selection) -> list[str]:
        """Those of ``check``. Raises UsageError for a file that is no lockfile."""
        for lock in self.options["lock"]:
            if files.is_folder(lock):
                raise UsageError(f"{lock} is a folder", f"envdoctor lock --check --project {lock}")
            if not files.exists(lock):
                raise UsageError(f"{lock}: no such file", "name lockfiles, or none for all of the project")
        return super().notes(selection)

    def selection(self) -> Selection:
        """Of the LCK rules alone. Raises UsageError where others are asked for."""
        select = self.options.get("select") or ("LCK",)
        chosen = Selection.of(select, self.value("ignore"), self.options.get("extend_select") or None)
        other = [code for code in chosen.codes() if not code.startswith("LCK")]
        if other:
            raise UsageError(f"lock --check asks rules LCK001 to LCK013, not {other[0]}", "envdoctor check asks the others")
        return chosen

    @property
    def without_target(self) -> bool:
        """No environment was named."""
        return not any(self.options.get(name) for name in (*_TARGET, "snapshot"))

    def facts(self) -> Collected:
        """The locks, and what the project declares; an environment where one was named."""
        if not self.without_target:
            return super().facts()
        return _observe(self.project, tuple(self.value("lock") or ()))


def _observe(named: str | None, locks: tuple[str, ...]) -> Collected:
    """The facts about locks, manifests and this machine, in a snapshot whose target is none. Raises UsageError."""
    from datetime import datetime, timezone

    from envdoctor import __version__, config
    from envdoctor.collect import Collected, gpu
    from envdoctor.collect import locks as collector
    from envdoctor.collect.machine import collect, this_system
    from envdoctor.collect.scene import Scene
    from envdoctor.snapshot import Interpreter, Snapshot, Target, text

    cwd = _cwd() or "/"
    folder = root = named or config.find_project(cwd) or cwd
    target = Target(prefix=text(folder), kind="unknown", chosen_by="no environment is named", system=this_system())
    paths = tuple(os.path.normpath(os.path.join(cwd, lock)) for lock in locks)
    scene = Scene(
        target=target,
        prefix=folder,
        environ=os.environ,
        cwd=cwd,
        project_root=root,
        project_named=named is not None,
        locks=paths,
        probe=False,
    )
    timings = {}
    started = time.perf_counter()
    found = collector.collect(scene, paths)
    timings["locks"] = time.perf_counter() - started
    if not found.locks and not found.manifests:
        raise UsageError(f"there is no lockfile in {text(folder)}", "envdoctor lock makes one")
    snapshot = Snapshot(
        date=datetime.now(timezone.utc).date().isoformat(),
        tool_version=__version__,
        target=target,
        interpreter=Interpreter(path=""),
        project=_project(folder, found.manifests, named is not None),
        machine=gpu.add(scene, collect(scene)),
        manifests=found.manifests,
        locks=found.locks,
        shell=Shell(cwd=text(cwd)),
        gaps=tuple(scene.gaps),
    )
    timings["machine"] = time.perf_counter() - started - timings["locks"]
    return Collected(snapshot, (), timings)


def _project(root: str, manifests: tuple[Manifest, ...], named: bool) -> Project:
    """As much of the project as rules about locks ask for."""
    try:
        pin = files.read_text(f"{root}/.python-version", 1 << 12).split()
    except files.Unreadable:
        pin = []
    return Project(
        root=root,
        named=named,
        name=next((manifest.name for manifest in manifests if manifest.name), None),
        requires_python=next((manifest.requires_python for manifest in manifests if manifest.requires_python), None),
        python_pin=pin[0][:100] if pin else None,
    )


def render(report: Report, name: str, session: LockSession, *, to_file: bool) -> str:
    """The report in a format."""
    from envdoctor.cli.check import _render

    if name != "terminal" or not session.without_target:
        return _render(report, name, session, to_file=to_file)
    from envdoctor.cli.files import look
    from envdoctor.formats import terminal

    view = look(os.environ, no_color=bool(session.value("no_color")), verbosity=session.verbosity, to_file=to_file)
    return terminal.render(report, view._replace(locks=True))
