"""envdoctor: whether a Python environment works on this machine, why not, and what mends it, without running any of it.

As a library::

    import envdoctor

    report = envdoctor.check("/home/me/project/.venv")
    for finding in report.findings:
        print(finding.severity, finding.code, finding.message)

What is named in ``__all__`` is the public interface, under semantic versioning: a name that goes, or a field that changes its
meaning, is a major version; new fields and functions are a minor one. Everything else may change at any time. Importing this
package imports nothing more until something of it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from envdoctor.collect import Collected
    from envdoctor.finding import Finding as Finding
    from envdoctor.finding import Fix as Fix
    from envdoctor.finding import Subject as Subject
    from envdoctor.report import FailOn
    from envdoctor.report import Report as Report
    from envdoctor.select import UsageError as UsageError
    from envdoctor.snapshot import Snapshot as Snapshot
    from envdoctor.snapshot import SnapshotError as SnapshotError
    from envdoctor.target import TargetError as TargetError

__version__ = "0.1.0"
__all__ = [
    "Finding",
    "Fix",
    "Report",
    "Snapshot",
    "SnapshotError",
    "Subject",
    "TargetError",
    "UsageError",
    "__version__",
    "check",
    "fixes",
    "judge",
    "observe",
]

_LAZY = {
    "Finding": "envdoctor.finding",
    "Fix": "envdoctor.finding",
    "Subject": "envdoctor.finding",
    "Report": "envdoctor.report",
    "Snapshot": "envdoctor.snapshot",
    "SnapshotError": "envdoctor.snapshot",
    "TargetError": "envdoctor.target",
    "UsageError": "envdoctor.select",
}


def __getattr__(name: str) -> Any:
    """The public types, imported when they are asked for."""
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'envdoctor' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(module), name)


def check(
    target: str | os.PathLike[str] | None = None,
    *,
    select: Iterable[str] | str | None = None,
    ignore: Iterable[str] | str | None = None,
    extend_select: Iterable[str] | str | None = None,
    project: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    deep: bool = False,
    use_cache: bool = False,
    fail_on: FailOn = "error",
) -> Report:
    """What is wrong with an environment: :func:`observe`, then :func:`judge`.

    `target` is a prefix folder, an interpreter or the name of a conda environment; None chooses as the command line does.
    `select`, `ignore` and `extend_select` are codes or prefixes of codes. `environ` and `cwd` are the shell that the target
    would be used from (default: this process's). Settings in files are not read. With `use_cache` what an earlier run has read
    is taken over, and kept for the next. Nothing of the target is run, nothing is changed.

    Raises TargetError where there is no environment, UsageError for an unknown code.
    """
    from envdoctor import diagnose
    from envdoctor.select import Selection

    selection = Selection.of(select, ignore, extend_select)
    found = _collect(target, project, environ, cwd, deep, use_cache)
    return diagnose.judge(found.snapshot, selection, fail_on=fail_on, checks=found.checks, timings=found.timings)


def observe(
    target: str | os.PathLike[str] | None = None,
    *,
    project: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    deep: bool = False,
    use_cache: bool = False,
) -> Snapshot:
    """All facts about an environment, its machine and its shell, as the rules judge them. Raises TargetError.

    ``envdoctor.snapshot.to_json`` writes it, ``from_json`` reads it.
    """
    return _collect(target, project, environ, cwd, deep, use_cache).snapshot


def _collect(
    target: str | os.PathLike[str] | None,
    project: str | os.PathLike[str] | None,
    environ: Mapping[str, str] | None,
    cwd: str | os.PathLike[str] | None,
    deep: bool,
    use_cache: bool,
) -> Collected:
    import os

    import msgspec

    from envdoctor import diagnose

    def path(value: str | os.PathLike[str] | None) -> str | None:
        return None if value is None else os.fspath(value)

    request = diagnose.Request(target=path(target), project=path(project), cwd=path(cwd), deep=deep, use_cache=use_cache)
    if environ is not None:
        request = msgspec.structs.replace(request, environ=dict(environ))
    return diagnose.observe(request)


def judge(
    facts: Snapshot,
    *,
    select: Iterable[str] | str | None = None,
    ignore: Iterable[str] | str | None = None,
    extend_select: Iterable[str] | str | None = None,
    fail_on: FailOn = "error",
) -> Report:
    """What is wrong by these facts, wherever they were taken. Pure. Raises UsageError for an unknown code."""
    from envdoctor import diagnose
    from envdoctor.select import Selection

    return diagnose.judge(facts, Selection.of(select, ignore, extend_select), fail_on=fail_on)


def fixes(report: Report) -> list[tuple[str, ...]]:
    """The commands of one plan that mends what `report` says, in order; nothing is run. Decisions for a person are not in it."""
    from envdoctor import plan

    return [step.command for step in plan.make(report.findings).steps]
