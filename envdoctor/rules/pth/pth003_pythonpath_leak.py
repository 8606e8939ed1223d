"""PYTHONPATH or PYTHONHOME puts other packages in front of the environment's own.

## Why it matters
Every Python of the shell reads PYTHONPATH, whatever its version, and looks there before its standard library and its
site-packages. A line in `.bashrc`, a module system, ROS or a vendor's set-up script sets it once, and from then on each
environment imports foreign packages: other versions, or extension modules for another Python. PYTHONHOME replaces the
place of the standard library; with one of another version Python does not start at all (`No module named 'encodings'`).

## How it is found
Folders of PYTHONPATH that hold installed distributions, hide import names of the environment's distributions, or are
the site-packages of another Python version. For PYTHONHOME: whether it has a standard library for this X.Y.

## Look-alikes that are fine
- A folder with only your own sources (`PYTHONPATH=src`), a source tree with its own egg-info, an editable install's
  source.
- The environment's own folders.
- Entries that do not exist: Python skips them.

## How to fix
Unset the variable, and use an editable install for your own sources: `pip install -e .`. Look for the line that sets it
in shell start-up files and activation scripts.

## Example
    warning PTH003 pythonpath-leak · PYTHONPATH
      PYTHONPATH puts numpy 1.21.5 of /opt/ros/humble/lib/python3.10/site-packages in front of numpy 2.1.3
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Subject
from envdoctor.lazy import pattern
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Distribution, Shadow
from envdoctor.view import View, normalize

RULE = Rule(
    "PTH003",
    "pythonpath-leak",
    "warning",
    reads=("shell", "sites", "distributions", "shadows", "interpreter"),
    messages=(
        "AssertionError: SRE module mismatch",
        "cannot import name '{name}' from '{module}'",
        "Error importing numpy: you should not try to import numpy from",
        "No module named 'encodings'",
    ),
)
VERSIONED = pattern(r"python(\d\.\d+)t?[/\\](?:site|dist)-packages")
SHOWN = 5


def check(view: View) -> Iterator[Finding]:
    """At most one finding for each of the two variables."""
    if view.snapshot.target.foreign:
        raise Skip("the target belongs to another machine than this shell")
    yield from _home(view)
    yield from _path(view)


def _home(view: View) -> Iterator[Finding]:
    home, short = view.snapshot.shell.python_home, view.python_short
    if home is None or short is None or (home.same and short in home.versions):
        return
    remedy = view.remedy
    fix = remedy.manual(
        "unset PYTHONHOME", RULE.code, commands=[("env", "-u", "PYTHONHOME", view.snapshot.interpreter.path, "-V")]
    )
    subjects = [Subject("variable", "PYTHONHOME"), view.interpreter_subject()]
    if short in home.versions:
        yield RULE.finding(
            f"PYTHONHOME makes Python {short} use the standard library in {home.path} instead of its own",
            subjects,
            evidence=[f"PYTHONHOME={home.path}", f"it holds lib/python{short}"],
            fixes=[fix],
            key="PYTHONHOME",
        )
        return
    holds = (
        f"it holds the standard library of Python {', '.join(home.versions)}" if home.versions else "no standard library is there"
    )
    yield RULE.finding(
        f"python does not start: PYTHONHOME={home.path} has no standard library for Python {short}",
        subjects,
        evidence=[f"PYTHONHOME={home.path}", holds if home.exists else "that folder does not exist"],
        fixes=[fix],
        key="PYTHONHOME",
        severity="error",
    )


def _path(view: View) -> Iterator[Finding]:
    snapshot = view.snapshot
    value = snapshot.shell.variables.get("PYTHONPATH")
    if not value:
        return
    leaks: list[tuple[Distribution, Distribution | None]] = []
    folders: list[str] = []
    evidence: list[str] = []
    other_version: str | None = None
    own = normalize(snapshot.project.name) if snapshot.project and snapshot.project.name else None
    front = {i for i, site in view.active_sites if site.role == "pythonpath" and not site.of_target}
    for index in sorted(front):
        path = snapshot.sites[index].path
        named = VERSIONED.search(path.replace("\\", "/") + "/")
        if named and view.python_short and named[1] != view.python_short:
            other_version = other_version or path
            folders.append(path)
            evidence.append(f"{path} belongs to Python {named[1]}, the target is {view.python_short}")
        library = path.rstrip("/\\").endswith(("site-packages", "dist-packages"))
        for name, dists in sorted(view.by_name.items()):
            dist = next((d for d in dists if d.site == index), None)
            if dist is None or name == own:
                continue
            behind = next((d for d in dists if d.site > index and d.site not in front), None)
            if not library and dist.format == "egg-info" and (behind is None or behind.editable is not None):
                continue  # a source tree with what its build left there
            leaks.append((dist, behind))
            folders.append(path)
    modules = _modules(view, {dist.name for dist, _ in leaks})
    hiding = [(dist, behind) for dist, behind in leaks if behind is not None]
    if not (leaks or modules or other_version):
        return
    for dist, behind in sorted(leaks, key=lambda pair: (pair[1] is None, pair[0].name))[:SHOWN]:
        place = view.site_path(dist)
        evidence.append(
            f"{dist.name} {dist.version} in {place} hides {behind.version}"
            if behind
            else f"{dist.name} {dist.version} comes from {place}"
        )
    if len(leaks) > SHOWN:
        evidence.append(f"and {len(leaks) - SHOWN} more distributions")
    evidence += [f"{shadow.path} hides {shadow.name} of {shadow.distribution}" for shadow in modules[:SHOWN]]
    if hiding:
        dist, behind = hiding[0]
        more = f" and {len(hiding) - 1} more" if len(hiding) > 1 else ""
        message = f"PYTHONPATH puts {dist.name} {dist.version} in front of {dist.name} {behind.version}{more}"
    elif modules:
        message = f"PYTHONPATH puts {modules[0].path} in front of {modules[0].name} of {modules[0].distribution}"
    elif leaks:
        more = f" and {len(leaks) - 1} more" if len(leaks) > 1 else ""
        message = f"PYTHONPATH adds {leaks[0][0].name} {leaks[0][0].version}{more} to the environment"
    else:
        message = f"PYTHONPATH puts packages for another Python in front: {other_version}"
    subjects = [Subject("variable", "PYTHONPATH")]
    subjects += [view.distribution(dist) for dist, _ in sorted(leaks, key=lambda pair: (pair[1] is None, pair[0].name))]
    subjects += [view.named(shadow.distribution) for shadow in modules if shadow.distribution]
    subjects += [view.file(folder) for folder in dict.fromkeys(folders)]
    yield RULE.finding(
        message,
        subjects,
        evidence=[f"PYTHONPATH={value}", *evidence],
        fixes=[
            view.remedy.manual(
                "unset PYTHONPATH; install your own sources with -e instead",
                RULE.code,
                commands=[("env", "-u", "PYTHONPATH", snapshot.interpreter.path, "-c", "import sys; print(sys.path)")],
            )
        ],
        key="PYTHONPATH",
    )


def _modules(view: View, known: set[str]) -> list[Shadow]:
    """Plain modules in folders of PYTHONPATH that hide a distribution's."""
    return [
        shadow
        for shadow in view.snapshot.shadows
        if shadow.where == "pythonpath" and shadow.hides == "distribution" and shadow.distribution not in known
    ]
