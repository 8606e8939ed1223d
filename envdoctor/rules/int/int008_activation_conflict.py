"""VIRTUAL_ENV, CONDA_PREFIX and PATH disagree about which environment is active.

## Why it matters
`python` starts what PATH finds; uv, poetry and editors install where VIRTUAL_ENV points; conda installs where CONDA_PREFIX
points. When they differ, packages are installed in one environment and looked for in another.

## How it is found
For each of the two variables: the folder that it names is there, and the first `python` on PATH is in its folder of scripts.
It is reported when the target is one of the environments in question, or was chosen because of them.

## Look-alikes that are fine
A virtual environment activated on top of a conda base, or of the conda environment that its Python is from: the last
activation wins on PATH, and that is meant. A conda environment without Python. A shim of pyenv or asdf, which decides when it
runs. Another environment that was named on the command line.

## How to fix
Deactivate all, and activate one; in scripts call the environment's interpreter by its path.

## Example
`VIRTUAL_ENV names /home/u/a/.venv, but python on PATH is /usr/bin/python3`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Activation
from envdoctor.view import View

RULE = Rule(
    "INT008",
    "activation-conflict",
    "warning",
    reads=("shell", "target"),
    messages=("`VIRTUAL_ENV={path}` does not match the project environment path",),
)

_LEAVE = {"VIRTUAL_ENV": "deactivate", "CONDA_PREFIX": "conda deactivate"}


def check(view: View) -> Iterator[Finding]:
    """One finding for the shell, about the variable that disagrees."""
    snapshot = view.snapshot
    shell = snapshot.shell
    by_name = {a.variable: a for a in shell.activations}
    if not by_name:
        raise Skip("neither VIRTUAL_ENV nor CONDA_PREFIX is set")
    first = next((c for name in ("python", "python3") for c in shell.commands if c.name == name), None)
    on_path = first is not None and first.prefix == snapshot.target.prefix
    named = snapshot.target.chosen_by in ("argument", "--python", "--prefix", "--name")
    if named and not on_path and not any(a.same for a in by_name.values()):
        return
    virtual, conda = by_name.get("VIRTUAL_ENV"), by_name.get("CONDA_PREFIX")
    python = f"python on PATH is {first.path}" if first is not None else "there is no python on PATH"
    for activation in shell.activations:
        if not activation.exists:
            yield _finding(view, activation, f"{activation.variable} names {activation.path}, which is not there", [])
            return
    winner = next((a for a in shell.activations if a.first_python), None)
    if virtual is not None and virtual.has_python and virtual.first_python is False:
        if winner is not None:
            message = f"VIRTUAL_ENV names {virtual.path}, but PATH and {winner.variable} name {winner.path}"
        else:
            message = f"VIRTUAL_ENV names {virtual.path}, but {python}"
        yield _finding(view, virtual, message, [python, *_others(shell.activations, virtual)])
    elif conda is not None and conda.has_python and conda.first_python is False and winner is None:
        message = f"CONDA_PREFIX names {conda.path}, but {python}"
        yield _finding(view, conda, message, [python])
    elif virtual is not None and conda is not None and conda.has_python and not conda.base and virtual.path != conda.path:
        if virtual.made_from and virtual.made_from.startswith(conda.path.rstrip("/") + "/"):
            return
        if virtual.first_python and not conda.first_python:
            message = f"VIRTUAL_ENV names {virtual.path}, and CONDA_PREFIX another environment, {conda.path}"
            yield _finding(view, virtual, message, [python, *_others(shell.activations, virtual)])


def _others(activations: tuple[Activation, ...], one: Activation) -> list[str]:
    return [f"{a.variable}={a.path}" for a in activations if a.variable != one.variable]


def _finding(view: View, activation: Activation, message: str, evidence: list[str]) -> Finding:
    other = [Subject("variable", a.variable) for a in view.snapshot.shell.activations if a.variable != activation.variable]
    return RULE.finding(
        message,
        [Subject("variable", activation.variable), *other],
        evidence=[f"{activation.variable}={activation.path}", *evidence],
        fixes=_fixes(view, activation),
        key=activation.variable,
    )


def _fixes(view: View, activation: Activation) -> Iterator[Fix]:
    yield view.remedy.manual(
        f"run `{_LEAVE[activation.variable]}` until {activation.variable} is not set, then activate one environment", "INT008"
    )
