"""``envdoctor lock --check``: rules LCK001 to LCK013 on lockfiles, with no environment unless one is named."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from envdoctor.cli.session import Session
from envdoctor.collect import files
from envdoctor.select import Selection, UsageError

if TYPE_CHECKING:
    from envdoctor.collect import Collected
    from envdoctor.report import Report

_TARGET = ("python", "prefix", "name")


class LockSession(Session):
    """The options of ``lock --check``, and the lockfiles that it names."""

    def __init__(self, options: dict[str, Any], locks: tuple[str, ...]) -> None:
        super().__init__({**options, "lock": locks})

    def selection(self) -> Selection:
        """Of the LCK rules alone. Raises UsageError where others are asked for."""
        select = self.options.get("select") or ("LCK",)
        chosen = Selection.of(select, self.value("ignore"), self.options.get("extend_select"))
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
        for lock in self.options["lock"]:
            if not files.exists(lock):
                raise UsageError(f"{lock}: no such file", "name lockfiles, or none for all of the project")
        return _observe(self.project, tuple(self.options["lock"]))


def _observe(project: str | None, locks: tuple[str, ...]) -> Collected:  # noqa: ARG001
    """The facts about locks, manifests and this machine; of a target that is none."""
    raise UsageError("locks are not read in this version")


def render(report: Report, name: str, session: LockSession, *, to_file: bool) -> str:
    """The report in a format."""
    from envdoctor.cli.check import _render

    if name != "terminal" or not session.without_target:
        return _render(report, name, session, to_file=to_file)
    from envdoctor.cli.files import look
    from envdoctor.formats import terminal

    view = look(os.environ, no_color=bool(session.value("no_color")), verbosity=session.verbosity, to_file=to_file)
    return terminal.render(report, view._replace(locks=True))
