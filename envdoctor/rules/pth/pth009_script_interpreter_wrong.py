"""A console script starts an interpreter that is missing or is another environment's.

## Why it matters
`bin/pip`, `bin/pytest` and the others name their interpreter by its full path in their first line. After the
environment was moved, copied or rebuilt, the shell says `bad interpreter: No such file or directory`; worse, a copied
environment's `pip` installs into the original.

## How it is found
The `#!` line of every file in bin/ (Scripts/) is read, the `#!/bin/sh` trampolines that pip, uv and conda write for
long paths and Windows launchers too, and its folder compared with the target's by what it is on disk, not by its text.
Only the scripts that the installed distributions recorded count for a system interpreter.

## Look-alikes that are fine
- `#!/usr/bin/env python3`: it takes the python of the shell.
- Another path to the same environment (a link), another name of its python (`python3`, `python3.11`).
- Relocatable uv environments, whose scripts look beside themselves.
- Scripts that no installed distribution recorded or declares, and that may not be executed or name a system's interpreter
  that is not there (warning).
- Scripts that a distribution ships with a fixed `#!/usr/bin/python3`, which no installer rewrites (info).

## How to fix
Reinstall the distributions that own them, or make the environment again when most scripts are wrong.

## Example
    error PTH009 script-interpreter-wrong · bin/pip
      bin/pip and 12 others start /home/ada/old/.venv/bin/python, which is gone
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Severity
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Distribution, Script
from envdoctor.view import View

RULE = Rule(
    "PTH009",
    "script-interpreter-wrong",
    "error",
    reads=("scripts", "distributions", "interpreter", "target"),
    messages=(
        "bad interpreter: {path}: no such file or directory",
        "cannot execute: required file not found",
        "Fatal error in launcher: Unable to create process using '{path}'",
        "failed to canonicalize script path",
        "No such file or directory: '{path}'",
    ),
)
SYSTEM = ("/usr/bin/", "/usr/local/bin/", "/bin/", "/opt/local/bin/", "/usr/sbin/")
SHOWN = 5
SUBJECTS = 100


def check(view: View) -> Iterator[Finding]:
    """One finding for each wrong interpreter."""
    target = view.snapshot.target
    if target.foreign and target.sysroot is None:
        raise Skip("the target's paths mean nothing on this machine")
    shipped: list[Script] = []
    groups: dict[tuple[str, bool], list[Script]] = {}
    generated = _generated(view)
    written = set().union(*generated.values()) if generated else set()
    for script in view.snapshot.scripts:
        if not script.python or (script.exists and script.same_prefix):
            continue
        if script.owner is None and script.exists and script.interpreter.startswith(SYSTEM):
            continue  # somebody's own script, made for the system's Python
        if script.owner and script.interpreter.startswith(SYSTEM) and _name(script) not in generated.get(script.owner, ()):
            shipped.append(script)
        else:
            started = script.executable and not script.interpreter.startswith(SYSTEM)
            known = script.owner is not None or _name(script) in written or started
            groups.setdefault((script.interpreter, not known), []).append(script)
    python = sum(script.python for script in view.snapshot.scripts)
    for (interpreter, unowned), scripts in sorted(groups.items()):
        severity: Severity | None = "warning" if unowned else None
        yield _finding(view, interpreter, scripts, severity, 2 * len(scripts) > python and len(scripts) > 3)
    if shipped:
        yield _shipped(view, shipped)


def _name(script: Script) -> str:
    return script.path.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")


def _generated(view: View) -> dict[str, set[str]]:
    """Scripts that installers write from entry points, by distribution."""
    found: dict[str, set[str]] = {}
    for dist in view.snapshot.distributions:
        names = {e.name for e in dist.entry_points if e.group in ("console_scripts", "gui_scripts")}
        found.setdefault(dist.name, set()).update(names)
        if dist.name == "pip":
            short = view.python_short or ""
            found["pip"] |= {"pip", "pip3", f"pip{short}", f"pip-{short}"}
    return found


def _owners(view: View, scripts: list[Script]) -> list[Distribution]:
    names = sorted({script.owner for script in scripts if script.owner})
    return [view.effective[name] for name in names if name in view.effective]


def _finding(view: View, interpreter: str, scripts: list[Script], severity: Severity | None, most: bool) -> Finding:
    first = scripts[0]
    owners = _owners(view, scripts)
    shown = view.inside(first.path)
    more = f" and {len(scripts) - 1} others" if len(scripts) > 2 else " and another" if len(scripts) == 2 else ""
    verb = "start" if len(scripts) > 1 else "starts"
    why = "which is gone" if not first.exists else f"which belongs to {first.prefix or 'another environment'}"
    evidence = [f"{view.inside(script.path)} begins with #!{script.interpreter}" for script in scripts[:SHOWN]]
    if len(scripts) > SHOWN:
        evidence.append(f"and {len(scripts) - SHOWN} more scripts")
    remedy = view.remedy
    fixes: list[Fix] = []
    if owners and not most:
        fixes.append(
            remedy.fix("reinstall what owns them", remedy.reinstall(*owners), RULE.code, safety=remedy.safety("safe", owners[0]))
        )
    elif most:
        fixes.append(remedy.recreate("make the environment again: most of its scripts are wrong"))
    if not fixes:
        fixes.append(
            remedy.manual(
                "delete it, or change its first line", RULE.code, commands=remedy.delete(*(s.path for s in scripts[:20]))
            )
        )
    folder = (first.prefix or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    return RULE.finding(
        f"{shown}{more} {verb} {interpreter}, {why}",
        [*(view.file(script.path) for script in scripts[:SUBJECTS]), *(view.distribution(owner) for owner in owners)],
        evidence=evidence,
        fixes=fixes,
        key=f"{'other' if first.exists else 'gone'}:{folder}:{interpreter.rpartition('/')[2]}:{_name(first)}",
        severity=severity,
    )


def _shipped(view: View, scripts: list[Script]) -> Finding:
    names = ", ".join(view.inside(script.path) for script in scripts[:3])
    owners = _owners(view, scripts)
    return RULE.finding(
        f"{names} run{'s' if len(scripts) == 1 else ''} under the system's Python, not this environment's, as shipped",
        [*(view.file(script.path) for script in scripts[:SUBJECTS]), *(view.distribution(owner) for owner in owners)],
        evidence=[f"{view.inside(script.path)} begins with #!{script.interpreter}" for script in scripts[:SHOWN]],
        fixes=[
            view.remedy.manual(
                "start it with this environment's interpreter",
                RULE.code,
                commands=[(view.snapshot.interpreter.path, scripts[0].path)],
            )
        ],
        key="shipped:" + ",".join(sorted(_name(script) for script in scripts)[:3]),
        severity="info",
    )
