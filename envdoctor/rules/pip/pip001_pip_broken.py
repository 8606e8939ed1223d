"""The target's own pip does not work.

## Why it matters
Whoever runs `python -m pip` in this environment gets a traceback instead of an installation, or a different pip than the
one that belongs to it. Everything that is already installed goes on working, so this is a warning.

## How it is found
The files of pip are compared with its RECORD: `pip/__init__.py`, `pip/__main__.py`, its modules and the packages that it
carries along must be there, and its metadata folder, too. A pip that is older than its Python is searched for imports at
start of what the standard library no longer has: `collections.Mapping` (gone in Python 3.10), `distutils` and
`pkgutil.ImpImporter` (gone in 3.12). Another `pip` that `import pip` would find first, in the working directory or through
PYTHONPATH, shadows it. A configuration file that pip cannot parse ends every pip command.

## Look-alikes that are fine
- An environment without pip: uv makes them so, and `python -m venv --without-pip`.
- A pip in the user site in front of the operating system's own: that is how `pip install --user --upgrade pip` works.
- A missing `pip` script, as long as `python -m pip` starts.
- `distutils` where setuptools brings its own.

## How to fix
`python -m ensurepip --upgrade` puts the pip in place that came with this Python; half of a pip is deleted first. uv can
install pip, too.

## Example
```
PIP001 python -m pip fails: 1 file of pip 24.0 is gone (pip/__main__.py)
```
"""

from collections.abc import Iterator

from envdoctor.finding import Command, Finding, Fix, Subject, fingerprint
from envdoctor.rules.base import Rule
from envdoctor.snapshot import Distribution, PipState
from envdoctor.view import View

RULE = Rule(
    "PIP001",
    "pip-broken",
    "warning",
    reads=("installers", "distributions", "sites", "interpreter"),
    messages=(
        "No module named pip",
        "No module named 'pip",
        "cannot import name 'main' from 'pip'",
        "cannot import name '{name}' from 'pip._{module}'",
        "module 'pip' has no attribute",
        "'_NamespacePath' object has no attribute 'sort'",
    ),
)
TOO_OLD = "pip:python"
"""Key of the PIP002 finding that explains a pip whose Python has moved on."""


def check(view: View) -> Iterator[Finding]:
    """One finding for the target's pip, and one for each configuration file that pip cannot parse."""
    installers = view.snapshot.installers
    if installers.pip.present:
        yield from _state(view, installers.pip)
    for problem in installers.problems:
        path, _, reason = problem.partition(": ")
        name = path.replace("\\", "/").rpartition("/")[2]
        if not installers.pip.present or name == "uv.toml":
            continue
        yield RULE.finding(
            f"every pip command ends with an error: {name} cannot be read: {reason}",
            [view.file(path)],
            evidence=[problem],
            fixes=[view.remedy.manual(f"correct {path}, or move it away", RULE.code)],
            key=f"configuration:{name}",
            confidence="likely",
        )


def _state(view: View, pip: PipState) -> Iterator[Finding]:
    version = f"pip {pip.version}" if pip.version else "pip"
    dist = next((d for d in view.by_name.get("pip", ()) if d.site == pip.site), None)
    subject = view.distribution(dist) if dist else Subject("distribution", "pip", pip.version)
    if pip.missing:
        count = len(pip.missing)
        essential = [path for path in pip.missing if path in ("pip/__init__.py", "pip/__main__.py")]
        shown = ", ".join((essential or list(pip.missing))[:3])
        verdict = "python -m pip fails" if essential else "pip is half there"
        files = "1 file" if count == 1 else f"{count} files"
        yield RULE.finding(
            f"{verdict}: {files} of {version} {'is' if count == 1 else 'are'} gone ({shown}{' …' if count > 3 else ''})",
            [subject],
            evidence=[f"missing: {_place(view, pip, path)}" for path in pip.missing[:5]],
            fixes=_repair(view, pip, dist),
            key="pip",
        )
    elif not pip.metadata:
        yield RULE.finding(
            f"{version} has no metadata folder: it runs, but can neither be upgraded nor removed",
            [subject],
            evidence=[f"{_place(view, pip, 'pip')} is there, no pip-*.dist-info beside it"],
            fixes=_repair(view, pip, dist),
            key="pip",
        )
    elif pip.lacks:
        python = view.python_short
        yield RULE.finding(
            f"python -m pip fails: {version} imports {', '.join(pip.lacks)}, and this is Python {python}",
            [subject, view.interpreter_subject()],
            evidence=[f"{version} in {_place(view, pip, 'pip')}", *(f"imported when pip starts: {name}" for name in pip.lacks)],
            fixes=[_ensurepip(view, "install the pip that came with this Python", dist)],
            key="pip",
            caused_by=fingerprint("PIP002", TOO_OLD),
        )
    if pip.shadowed_by and not pip.missing:
        shown = view.inside(pip.shadowed_by)
        yield RULE.finding(
            f"{version} is shadowed: import pip finds {shown} first",
            [subject, view.file(pip.shadowed_by)],
            evidence=[f"before the target's own on sys.path: {pip.shadowed_by}", f"the target's own: {_place(view, pip, 'pip')}"],
            fixes=[
                view.remedy.manual(
                    "start Python from another folder, or unset PYTHONPATH, or rename what stands in the way",
                    RULE.code,
                    commands=[("unset", "PYTHONPATH")] if view.snapshot.shell.variables.get("PYTHONPATH") else [],
                )
            ],
            key="pip:shadowed",
        )


def _place(view: View, pip: PipState, path: str) -> str:
    return view.in_site(pip.site, path) if pip.site is not None else path


def _verify(view: View) -> Command:
    return (view.snapshot.interpreter.path, "-m", "pip", "--version")


def _ensurepip(view: View, title: str, dist: Distribution | None) -> Fix:
    command: Command = (view.snapshot.interpreter.path, "-m", "ensurepip", "--upgrade")
    safety = view.remedy.safety("safe", dist)
    return view.remedy.fix(title, [command], RULE.code, safety=safety, verify=[_verify(view)])


def _repair(view: View, pip: PipState, dist: Distribution | None) -> list[Fix]:
    """What puts a whole pip where half of one is. ensurepip alone does nothing where the metadata says it is installed."""
    remedy = view.remedy
    if dist is not None and (dist.conda or dist.system_package):
        return [remedy.fix("install pip again", remedy.reinstall(dist), RULE.code, verify=[_verify(view)])]
    fixes = []
    if "uv" in view.snapshot.shell.tools:
        command: Command = ("uv", "pip", "install", "--python", remedy.python, "--reinstall", "pip")
        fixes.append(
            remedy.fix("install pip again with uv", [command], RULE.code, safety=remedy.safety("safe"), verify=[_verify(view)])
        )
    if pip.site is not None:
        folder = view.snapshot.sites[pip.site].path
        gone = [f"{folder}/pip"] + ([f"{folder}/{dist.path}"] if dist is not None else [])
        commands = (*remedy.delete(*gone), (remedy.python, "-m", "ensurepip", "--upgrade"))
        fixes.append(
            remedy.fix(
                "delete the rest of pip, then install the one that came with this Python",
                commands,
                RULE.code,
                safety=remedy.safety("unsafe"),
                verify=[_verify(view)],
            )
        )
    return fixes or [_ensurepip(view, "install the pip that came with this Python", dist)]
