"""The limit of open files is low.

## Why it matters
Every worker process, socket and memory-mapped file takes a number: `OSError: [Errno 24] Too many open files`, `received 0
items of ancdata` from torch's DataLoader. The limit is of the shell that starts the program, and batch systems set their
own.

## How it is found
The soft limit of this session (`ulimit -n`) below 1024, which is Linux's default.

## Look-alikes that are fine
- 1024, the default of Linux, and more.
- 256, the default of macOS, where nothing that starts many workers is installed; else info.
- Windows, which has no such limit.

## How to fix
`ulimit -n 65536` before the program, as far as the hard limit lets you; for good in limits.conf(5), the systemd unit or
the batch system's configuration.

## Example
`this session may open 256 files at a time (ulimit -n)`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Severity
from envdoctor.rules.base import Rule
from envdoctor.rules.sys._limits import WORKERS, hurt, limits, machine
from envdoctor.view import View

RULE = Rule(
    "SYS003",
    "open-files-limit-low",
    "warning",
    reads=("machine", "distributions"),
    live=True,
    messages=("Too many open files", "received 0 items of ancdata"),
)
DEFAULT = 1024


def check(view: View) -> Iterator[Finding]:
    """At most one finding."""
    found = limits(view)
    soft = found.open_files_soft
    if view.machine.system == "windows" or soft is None or soft >= DEFAULT:
        return
    who = hurt(view, WORKERS)
    severity: Severity = "warning"
    if view.machine.system == "macos" and soft >= 256:
        if not who:
            return
        severity = "info"
    hard = found.open_files_hard
    least = 65536 if hard is None else min(65536, hard)
    title = f"raise it in the shell that starts the program: ulimit -n {least}"
    if least <= soft:
        title = "let the administrator raise the hard limit (limits.conf, the systemd unit, the batch system)"
    yield RULE.finding(
        f"this session may open {soft} files at a time (ulimit -n)",
        [machine(view), *(view.named(name) for name in who[:3])],
        evidence=[f"soft limit {soft}, hard limit {'none' if hard is None else hard}"],
        fixes=[view.remedy.manual(title, RULE.code)],
        key="open-files",
        severity=severity,
    )
