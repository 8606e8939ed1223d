"""Packages of the user site reach into the environment.

## Why it matters
`pip install --user` puts packages into one folder for each Python version, and every conda environment and system
interpreter of that version has it on sys.path, in front of its own site-packages. A numpy there wins over the
environment's numpy: what the environment's lock says and what runs are two things, and a compiled package meets a numpy
that it was not built for.

## How it is found
The user site is on the target's sys.path (it is a conda environment, a system interpreter or a `--system-site-packages`
environment, and PYTHONNOUSERSITE is not set) and holds distributions. Those with the name of a distribution further
back on sys.path shadow it; the others add to the environment. Where the version that wins violates a requirement of a
distribution outside the user site, this is an error.

## Look-alikes that are fine
- A default venv, virtualenv or uv environment never sees the user site.
- PYTHONNOUSERSITE is set, or no package stands there.
- For a system interpreter the user site is the place for own packages: what only adds is info.

## How to fix
Switch the user site off for the environment: `conda env config vars set PYTHONNOUSERSITE=1` (and activate again), or
set the variable where the environment is used. Or uninstall the packages from the user site.

## Example
    error PTH002 user-site-leak · numpy 2.1.3
      the user site hides the environment's numpy 1.26.4 with 2.1.3, and numba 0.59.1 needs numpy<1.27
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Severity, Subject
from envdoctor.rules.base import Rule
from envdoctor.snapshot import Distribution
from envdoctor.view import View

RULE = Rule(
    "PTH002",
    "user-site-leak",
    "warning",
    reads=("sites", "distributions", "shell", "target"),
    messages=(
        "No module named '{module}'",
        "cannot import name '{name}' from '{module}' ({path}.local/lib",
        "Defaulting to user installation because normal site-packages is not writeable",
    ),
)
SHOWN = 5


def check(view: View) -> Iterator[Finding]:
    """One finding for the whole user site."""
    if view.snapshot.shell.variables.get("PYTHONNOUSERSITE"):
        return
    users = {index for index, site in view.active_sites if site.role == "user"}
    present = [dist for dist in view.effective.values() if dist.site in users]
    if not present:
        return
    hidden: dict[str, Distribution] = {}
    for dist in present:
        behind = [other for other in view.by_name[dist.name] if other.site > dist.site and other.site not in users]
        if behind:
            hidden[dist.name] = behind[0]
    broken: dict[str, list[str]] = {}
    for name, edges in view.closure.conflicts.items():
        winner = view.effective[name]
        if winner.site in users:
            askers = [f"{edge.asker} needs {edge.wanted}" for edge in edges if edge.parent.site not in users]
            if askers and name in hidden:
                broken[name] = askers
    severity: Severity = "error" if broken else "warning"
    if not hidden and view.snapshot.target.kind == "system":
        severity = "info"
    order = sorted(present, key=lambda d: (d.name not in broken, d.name not in hidden, d.name))
    folder = view.site_path(order[0])
    yield RULE.finding(
        _message(order, hidden, broken),
        [*(view.distribution(d) for d in order), Subject("variable", "PYTHONNOUSERSITE"), view.file(folder)],
        evidence=_evidence(view, order, hidden, broken),
        fixes=list(_fixes(view, order)),
        key="user-site",
        severity=severity,
    )


def _message(order: list[Distribution], hidden: dict[str, Distribution], broken: dict[str, list[str]]) -> str:
    first = order[0]
    if first.name in broken:
        others = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        return (
            f"the user site hides {first.name} {hidden[first.name].version} with {first.version}, but "
            f"{broken[first.name][0]}{others}"
        )
    if hidden:
        others = f" and {len(hidden) - 1} more" if len(hidden) > 1 else ""
        return f"the user site hides {first.name} {hidden[first.name].version} with {first.name} {first.version}{others}"
    others = f" and {len(order) - 1} more" if len(order) > 1 else ""
    return f"{first.name} {first.version}{others} of the user site can be imported in this environment"


def _evidence(
    view: View, order: list[Distribution], hidden: dict[str, Distribution], broken: dict[str, list[str]]
) -> Iterator[str]:
    yield f"{view.site_path(order[0])} is on sys.path and holds {len(order)} distributions; PYTHONNOUSERSITE is not set"
    for dist in order[:SHOWN]:
        if dist.name in hidden:
            other = hidden[dist.name]
            yield f"{dist.name} {dist.version} there hides {other.version} in {view.site_path(other)}"
        else:
            yield f"{dist.name} {dist.version} is only there"
        yield from broken.get(dist.name, [])[:3]
    if len(order) > SHOWN:
        yield f"and {len(order) - SHOWN} more distributions"


def _fixes(view: View, order: list[Distribution]) -> Iterator[Fix]:
    remedy = view.remedy
    target = view.snapshot.target
    verify = ((view.snapshot.interpreter.path, "-c", "import site; print(site.ENABLE_USER_SITE)"),)
    if target.kind == "conda" and remedy.conda_tool() in ("conda", "mamba"):
        command = (remedy.conda_tool(), "env", "config", "vars", "set", "-p", target.prefix, "PYTHONNOUSERSITE=1")
        yield remedy.fix(
            "switch the user site off for this environment, then activate it again", [command], RULE.code, verify=verify
        )
    else:
        yield remedy.manual("set PYTHONNOUSERSITE=1 where this environment is used", RULE.code)
    names = tuple(sorted(d.name for d in order))
    yield remedy.manual(
        "or uninstall the packages from the user site",
        RULE.code,
        commands=[(view.snapshot.interpreter.path, "-m", "pip", "uninstall", *names[:20])],
    )
