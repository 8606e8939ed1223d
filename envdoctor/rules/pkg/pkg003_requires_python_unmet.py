"""An installed distribution says that it does not run on this version of Python.

## Why it matters
Its author excluded this version: syntax or standard-library modules that it uses are not there, or it was never tested.
No installer would choose it for this interpreter; it came by `--ignore-requires-python`, by copying, or because the
interpreter changed under the environment.

## How it is found
`Requires-Python` of the metadata against the interpreter's release (X.Y.Z; a pre-release counts as its release, as for
pip). Where only X.Y is known, nothing is said unless every X.Y.Z is excluded.

## Look-alikes that are fine
No `Requires-Python`; one that cannot be parsed (PKG009 says so; pip ignores it). What conda or the operating system
packaged, or what stands in the base environment, is a warning: the packager built it for this Python.

## How to fix
Install a version that supports this Python, or make the environment with a Python that it supports.

## Example
`alpha 3.0 requires Python >=3.12, and this is 3.11.7`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding
from envdoctor.requirements import satisfies
from envdoctor.rules.base import Rule, Skip
from envdoctor.view import View

RULE = Rule(
    "PKG003",
    "requires-python-unmet",
    "error",
    reads=("distributions", "interpreter"),
    messages=(
        "SyntaxError: invalid syntax",
        "requires a different Python: {version} not in '{specifier}'",
        "unsupported operand type(s) for |: '{left}' and '{right}'",
        "'type' object is not subscriptable",
    ),
)

MICROS = range(60)
"""Micro versions that stand for an unknown one; no Python has had as many."""


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution that excludes the interpreter."""
    version = view.python_version
    if version is None:
        raise Skip("the version of Python is not known")
    releases: tuple[str, ...] = (".".join(map(str, version.release[:3])),)
    if not view.python_full_known:
        releases = tuple(f"{version.major}.{version.minor}.{micro}" for micro in MICROS)
    for name in sorted(view.effective):
        dist = view.effective[name]
        wanted = dist.requires_python
        if not wanted or any(satisfies(release, wanted) is not False for release in releases):
            continue
        own = view.snapshot.sites[dist.site].of_target and view.packager(dist) is None
        remedy = view.remedy
        shown = view.snapshot.interpreter.version
        fixes = [
            remedy.fix(
                f"Install a version of {name} that supports Python {view.python_short}",
                remedy.upgrade(dist),
                RULE.code,
                safety=remedy.safety("safe", dist),
            )
        ]
        if own:
            minors = [f"3.{minor}" for minor in range(14, 7, -1)]
            best = next((m for m in minors if any(satisfies(f"{m}.{micro}", wanted) for micro in MICROS)), None)
            if best is not None:
                fixes.append(remedy.recreate(f"Or make the environment with Python {best}, as {wanted} allows", python=best))
        yield RULE.finding(
            f"{name} {dist.version or ''} requires Python {wanted.replace(' ', '')}, and this is {shown}".replace("  ", " "),
            [view.distribution(dist), view.interpreter_subject()],
            evidence=[
                f"{view.in_site(dist.site, dist.path)}: Requires-Python: {wanted}",
                f"{view.inside(view.snapshot.interpreter.path)}: {shown}",
            ],
            fixes=fixes,
            severity="error" if own else "warning",
        )
