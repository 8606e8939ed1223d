"""The project's requires-python excludes the interpreter.

## Why it matters
The project may use what this Python does not have, or has no more. Installers refuse to install it here, and a lock made for
it does not fit.

## How it is found
`requires-python` of the project's manifest (PEP 621; `python` of Poetry) against the version of the interpreter, by PEP 440.
It is an error when the environment is this project's: the project was named with `--project`, the environment lies in its
folder or was chosen as the default, or the project is installed in it. An environment that was only named while standing in
the project is a warning.

## Look-alikes that are fine
A pre-release of a version that is allowed; a version of which only X.Y is known, where some X.Y.Z fits; no manifest.

## How to fix
Make the environment with a Python that the project allows.

## Example
`the project needs Python >=3.12, the interpreter is 3.11.7`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.versions import is_specifier, satisfies
from envdoctor.view import View, normalize

RULE = Rule(
    "INT006",
    "requires-python-unmet",
    "error",
    reads=("project", "interpreter", "target", "distributions"),
    messages=(
        "requires a different Python: {version} not in '{specifier}'",
        "requires Python {specifier} but the running Python is {version}",
        "is incompatible with the project's Python requirement",
        "does not satisfy Python{specifier}",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """At most one finding."""
    snapshot = view.snapshot
    project = snapshot.project
    if project is None:
        raise Skip("no project was found")
    if not project.requires_python:
        raise Skip("the project does not say which Python it needs")
    allowed = project.requires_python
    if not is_specifier(allowed):
        raise Skip(f"requires-python of the project is no specifier: {project.requires_python}")
    if view.python_version is None:
        raise Skip("the version of the interpreter is not known")
    version = view.python_version.base_version
    if _fits(allowed, version, exact=view.python_full_known):
        return
    own = _is_own(view)
    name = project.name or project.root.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    where = project.requires_python_from or "the project"
    yield RULE.finding(
        f"the project needs Python {project.requires_python}, the interpreter is {snapshot.interpreter.version}",
        [view.interpreter_subject(), Subject("project", name, None, project.root)],
        evidence=[
            f"{where}: requires-python = {project.requires_python}",
            f"the interpreter: Python {snapshot.interpreter.version} ({snapshot.interpreter.version_from})",
            *([] if own else ["the environment is not known to be this project's"]),
        ],
        fixes=_fixes(view, allowed),
        severity="error" if own else "warning",
        confidence="certain" if own else "possible",
        key=f"{name}:{project.requires_python}",
    )


def _fits(allowed: str, version: str, *, exact: bool) -> bool:
    if exact:
        return satisfies(version, allowed) is True
    return any(satisfies(f"{version}.{micro}", allowed) for micro in range(40))


def _is_own(view: View) -> bool:
    """The environment is the one that the project is used with."""
    snapshot = view.snapshot
    project = snapshot.project
    assert project is not None
    if project.named:
        return True
    root = project.root.rstrip("/\\")
    if snapshot.target.prefix.startswith((root + "/", root + "\\")):
        return True
    if snapshot.target.chosen_by not in ("argument", "--python", "--prefix", "--name"):
        return True
    return bool(project.name) and normalize(project.name or "") in view.effective


def _fixes(view: View, allowed: str) -> Iterator[Fix]:
    usable = [f"3.{minor}" for minor in range(20, 6, -1) if _fits(allowed, f"3.{minor}", exact=False)]
    current = [name for name in usable if 9 <= int(name.split(".")[1]) <= 14]
    best = next(iter(current or usable), None)
    if view.snapshot.target.kind == "system":
        wanted = f"Python {best}" if best else "a Python that the project allows"
        yield view.remedy.manual(f"make an environment for the project with {wanted}", "INT006")
    else:
        yield view.remedy.recreate(f"make the environment again with Python {best}" if best else "make it again", python=best)
