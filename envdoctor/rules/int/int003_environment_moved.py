"""The environment stands in another place than the one it was made for.

## Why it matters
The place is written into the environment: into the first line of every script in `bin`, into `activate`, into the files of conda
packages. After a move the scripts do not start; after a copy they start and work on the original: `pip install`
in the copy changes the other environment.

## How it is found
The folder that `pyvenv.cfg` (`command`), the activation scripts and the first lines of the installed scripts name is compared
with the folder that the environment stands in, links followed. `command` alone is only a note of how the environment was made:
where everything that works by its place names the right one, it is information, and where nothing else tells, a warning. A
wrong `activate` is an error also where those for other shells are right.

## Look-alikes that are fine
A prefix reached through a symbolic link; a relocatable uv environment; an environment that was unpacked by a tool that rewrites
the scripts (conda-pack, venv-pack); another system's environment that is only mounted here.

## How to fix
Make it again where it stands, or move it back. Conda environments: `conda create --clone`, or rename them with `conda rename`.

## Example
`the environment was made in /home/u/old/.venv, which is gone; its scripts start nothing`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix
from envdoctor.rules.base import Rule
from envdoctor.snapshot import PrefixRecord
from envdoctor.view import View

RULE = Rule(
    "INT003",
    "environment-moved",
    "error",
    reads=("prefix_records", "venv", "target"),
    messages=(
        "bad interpreter: {path}: no such file or directory",
        "No such file or directory: '{path}/bin/python'",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """At most one finding, with every place that names another prefix as evidence."""
    snapshot = view.snapshot
    relocatable = snapshot.venv is not None and snapshot.venv.relocatable
    records = [r for r in snapshot.prefix_records if not relocatable or r.source == "conda"]
    wrong = [r for r in records if not r.same]
    working = [r for r in wrong if r.source != "pyvenv.cfg"]
    right = [r for r in records if r.same and r.source != "pyvenv.cfg"]
    if not wrong:
        return
    names = [r.prefix for r in working or wrong]
    old = max(sorted(set(names)), key=names.count)
    exists = any(r.exists for r in wrong if r.prefix == old)
    first = any(w.path.endswith(("/activate", "\\activate", "/activate.bat", "\\activate.bat")) for w in working)
    certain = bool(working) and (first or not any(r.source == w.source for r in right for w in working))
    if not working and right:
        effect = "says pyvenv.cfg; what works by the place names where it stands"
    elif exists:
        effect = "it is a copy, and its scripts work on the original"
    elif working:
        effect = "which is gone; scripts that name it do not start"
    else:
        effect = "which is gone"
    yield RULE.finding(
        f"the environment was made in {old}, {effect}",
        [view.environment_subject(), *sorted({view.file(r.path) for r in wrong}, key=lambda s: s.name)],
        evidence=[f"it stands in {snapshot.target.prefix}", *(_shown(view, r) for r in wrong[:6])],
        fixes=_fixes(view, old, exists=exists),
        severity="error" if certain else "info" if right and not working else "warning",
        confidence="certain" if certain else "likely",
        key="environment",
    )


def _shown(view: View, record: PrefixRecord) -> str:
    state = "which exists" if record.exists else "which is not there"
    return f"{view.inside(record.path)} names {record.prefix}, {state}"


def _fixes(view: View, old: str, *, exists: bool) -> Iterator[Fix]:
    remedy = view.remedy
    snapshot = view.snapshot
    here = snapshot.target.prefix
    if snapshot.target.kind == "conda" and exists:
        tool = remedy.conda_tool()
        yield remedy.fix(
            "clone the original instead of copying it, then delete this copy",
            [(tool, "create", "-p", f"{here}-clone", "--clone", old)],
            "INT003",
            safety="manual",
        )
    yield remedy.recreate("make the environment again where it stands")
    if not exists and snapshot.machine.system != "windows":
        yield remedy.fix("or move it back to where it was made", [("mv", here, old)], "INT003", safety="manual")
