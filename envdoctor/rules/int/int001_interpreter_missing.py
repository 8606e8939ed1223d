"""The environment's interpreter, or the Python that it was made from, is gone.

## Why it matters
A virtual environment holds no Python of its own: `bin/python` is a link to the Python that it was made from, or a small
program that needs that Python's library and standard library. When that Python is upgraded away, uninstalled or on a
drive that is not mounted, nothing in the environment starts.

## How it is found
The links from `bin/python` are followed one by one, and the folder that `home` in `pyvenv.cfg` names is looked for. Nothing is
started. A `home` that is gone while the link still leads to a whole Python is a warning: the environment starts, but its tools
cannot find its base.

An environment without a `bin/python` is reported, too, where another name of it is left: what is called `python` in it is
then another Python.

## Look-alikes that are fine
A conda environment without Python in it; an environment of another operating system whose base lies outside what is
mounted here; a base that moved to another patch level while the link follows it.

## How to fix
Make the environment again with a Python that is there; nothing that was installed has to be kept. Installing the old base
again at the same place also works.

## Example
`bin/python is a broken link: /opt/python3.9/bin/python3.9 is not there`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Interpreter, VenvConfig
from envdoctor.view import View

RULE = Rule(
    "INT001",
    "interpreter-missing",
    "error",
    reads=("interpreter", "venv", "target"),
    messages=(
        "bad interpreter: {path}: no such file or directory",
        "cannot execute: required file not found",
        "did not find executable at '{path}'",
        "No Python at '{path}'",
        "Broken virtual environment `{path}`",
        "Broken Python trampoline",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """At most one finding: the interpreter is not there, or its base is not."""
    snapshot = view.snapshot
    interpreter, venv, target = snapshot.interpreter, snapshot.venv, snapshot.target
    evidence = list(_chain(interpreter, view))
    if venv is not None and venv.home is not None:
        there = "" if venv.home_exists else " (that folder is not there)"
        evidence.append(f"pyvenv.cfg: home = {venv.home}{there}")
    unmounted = target.foreign and target.sysroot is None
    if not interpreter.exists:
        if venv is None and interpreter.version is None:
            raise Skip("no Python is installed in this environment")
        if unmounted and any(link.to for link in interpreter.links):
            raise Skip("the interpreter lies outside the environment, on another system")
        yield RULE.finding(
            _verdict(interpreter, view),
            [view.interpreter_subject(), view.environment_subject()],
            evidence=evidence or [f"nothing that can be started stands at {interpreter.path}"],
            fixes=_fixes(view),
            key="interpreter",
        )
    elif venv is not None and venv.home is not None and not venv.home_exists and not unmounted:
        works = interpreter.base_exists and interpreter.run.outcome in ("ok", "not-asked")
        where = f"; it starts only because {interpreter.base_prefix} is found another way" if works else ""
        yield RULE.finding(
            f"the base interpreter is gone: pyvenv.cfg names {venv.home}, which is not there{where}",
            [view.interpreter_subject(), view.environment_subject()],
            evidence=evidence,
            fixes=_fixes(view),
            severity="warning" if works else "error",
            key="base",
        )
    elif not interpreter.plain_name:
        name = view.inside(interpreter.path)
        plain = f"{interpreter.path.rpartition('/')[0]}/python"
        yield RULE.finding(
            f"bin/python is not there, so `python` in the activated environment is another one; {name} still starts",
            [view.interpreter_subject(), view.environment_subject()],
            evidence=["bin/python is not there", *evidence],
            fixes=[
                view.remedy.fix("put the link back", [("ln", "-s", interpreter.path, plain)], "INT001", safety="safe"),
                *_fixes(view),
            ],
            key="name",
        )
    elif venv is not None and not interpreter.base_exists and not unmounted:
        yield RULE.finding(
            f"the base interpreter is gone: no standard library in {_base(interpreter, venv)}",
            [view.interpreter_subject(), view.environment_subject()],
            evidence=[*evidence, f"no lib/pythonX.Y/os.py below {_base(interpreter, venv)}"],
            fixes=_fixes(view),
            key="base",
        )


def _verdict(interpreter: Interpreter, view: View) -> str:
    name = view.inside(interpreter.path)
    links = interpreter.links
    if len(links) > 1 or (links and links[0].to):
        last = links[-1]
        if last.to is not None:
            return f"{name} is a link that leads round in a circle"
        if last.exists:
            return f"{name} leads to {last.path}, which is no file"
        return f"{name} is a broken link: {last.path} is not there"
    if links and links[0].exists:
        return f"{name} is no file"
    return f"{name} is not there"


def _chain(interpreter: Interpreter, view: View) -> Iterator[str]:
    for link in interpreter.links[:6]:
        if link.to is not None:
            yield f"{view.inside(link.path)} -> {link.to}"
        elif not link.exists:
            yield f"{view.inside(link.path)} is not there"


def _base(interpreter: Interpreter, venv: VenvConfig) -> str:
    return interpreter.base_prefix or venv.home or "the base"


def _fixes(view: View) -> Iterator[Fix]:
    if view.snapshot.target.kind in ("conda", "pixi"):
        again = view.remedy.conda_reinstall("python")
        yield view.remedy.fix("install the same Python again", again, "INT001", safety="unsafe")
    yield view.remedy.recreate("make the environment again with a Python that is there")
    venv = view.snapshot.venv
    if venv is not None and venv.home:
        wanted = f"Python {view.python_short}" if view.python_short else "the base Python"
        yield view.remedy.manual(f"or put {wanted} back so that {venv.home} holds it", "INT001")
