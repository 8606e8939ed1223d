"""Upstream no longer patches this version of Python.

## Why it matters
Security holes in the interpreter and its standard library stay open, and packages stop to publish versions for it: installers
quietly choose ever older releases.

## How it is found
X.Y of the interpreter against the release cycle of python.org, as the table in `envdoctor/data/python_eol.py` has it, on the day
of the snapshot.

## Look-alikes that are fine
A version newer than the table, of which nothing is claimed; PyPy and GraalPy, which have their own schedules. A Python that
an operating system ships and patches itself is an info.

## How to fix
Make the environment again with a version that is still patched.

## Example
`Python 3.8 is not patched any more since 2024-10-07`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.data.python_eol import END_OF_LIFE, PLANNED, TAKEN
from envdoctor.finding import Finding
from envdoctor.rules.base import Rule, Skip
from envdoctor.view import View

RULE = Rule("INT005", "python-end-of-life", "warning", reads=("interpreter", "date"))

_ELSEWHERE = frozenset({"pyenv", "uv", "conda", "pixi", "homebrew", "python.org", "asdf", "mise", "rye", "nix", "github-actions"})


def check(view: View) -> Iterator[Finding]:
    """At most one finding."""
    snapshot = view.snapshot
    interpreter = snapshot.interpreter
    version = view.python_version
    if version is None:
        raise Skip("the version of the interpreter is not known")
    if interpreter.implementation != "cpython":
        raise Skip(f"{interpreter.implementation} has a schedule of its own")
    short = (version.major, version.minor)
    end = END_OF_LIFE.get(short)
    if end is None or snapshot.date <= end:
        return
    name = f"{version.major}.{version.minor}"
    planned = short in PLANNED and end > TAKEN
    distributor = interpreter.origin if interpreter.base_prefix and interpreter.base_prefix.endswith("/usr") else None
    patched = distributor is not None and distributor not in _ELSEWHERE
    evidence = [
        f"the interpreter: Python {interpreter.version} ({interpreter.version_from})",
        f"last day of security patches by python.org: {end}" + (" (as planned)" if planned else ""),
    ]
    if patched:
        evidence.append(f"{distributor} may patch its own Python for longer")
    target = next((f"{a}.{b}" for (a, b), last in sorted(END_OF_LIFE.items()) if a == 3 and last > _plus_two(snapshot.date)), "3")
    yield RULE.finding(
        f"Python {name} is not patched any more since {end}",
        [view.interpreter_subject()],
        evidence=evidence,
        fixes=[view.remedy.recreate(f"make the environment again with a patched Python, such as {target}", python=target)]
        if snapshot.target.kind != "system"
        else [view.remedy.manual(f"install a Python that is still patched, such as {target}", "INT005")],
        severity="info" if patched else "warning",
        confidence="likely" if planned else "certain",
        key=name,
    )


def _plus_two(date: str) -> str:
    """The same day two years later: a version to move to should last that long."""
    year, _, rest = date.partition("-")
    return f"{int(year) + 2:04d}-{rest}" if year.isdigit() else date
