"""Project packages are installed into a system or base interpreter.

## Why it matters
The operating system's tools run on that interpreter, and conda runs on its base environment: a package that is upgraded for a
project can break them, and an upgrade of the system can break the project. Two projects cannot have two versions.

## How it is found
The target is an installation that is marked as managed by others (`EXTERNALLY-MANAGED`, PEP 668), an operating system's
`/usr`, or the base environment of conda or mamba, and pip or uv have installed distributions into it. What the system's own
package manager or conda installed does not count, nor do pip, setuptools and wheel.

## Look-alikes that are fine
A container, whose image was made for one program (`/usr`, `/usr/local` and `/opt` of it, not a home or mounted folder);
an interpreter of pyenv, asdf or python.org, which belongs to its user; a virtual environment on top of a system interpreter;
a user site; micromamba's root prefix.

## How to fix
Make an environment for the project, install its packages there, and remove them from here.

## Example
`4 distributions were installed by pip into the system's Python: numpy, pandas, requests, six`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Distribution
from envdoctor.view import View

RULE = Rule(
    "INT007",
    "system-interpreter-in-use",
    "warning",
    reads=("target", "interpreter", "distributions", "conda_meta", "conda_packages", "machine", "sites"),
    messages=(
        "error: externally-managed-environment",
        "This environment is externally managed",
    ),
)

_TOOLS = frozenset({"pip", "setuptools", "wheel", "uv", "virtualenv", "pipx", "envdoctor"})


def check(view: View) -> Iterator[Finding]:
    """At most one finding for the interpreter, with the distributions as subjects."""
    snapshot = view.snapshot
    target, interpreter = snapshot.target, snapshot.interpreter
    managed = interpreter.externally_managed
    system = target.kind == "system" and (managed is not None or interpreter.base_prefix == "/usr")
    meta = snapshot.conda_meta
    # micromamba is no package of its root prefix, and does not run in it
    runs_there = meta is None or meta.writer != "micromamba" or any(p.name in ("conda", "mamba") for p in snapshot.conda_packages)
    base = target.base and runs_there
    if not (system or base):
        return
    if target.sysroot is not None:
        raise Skip("a mounted root may be the image of a container, which is made for one program")
    if snapshot.machine.container is not None and not target.foreign and _of_image(target.prefix):
        raise Skip(f"in a container ({snapshot.machine.container}) the system's interpreter is the program's own")
    active = {i for i, site in view.active_sites if site.of_target}
    placed = sorted(
        (
            d
            for d in snapshot.distributions
            if d.site in active
            and d.name not in _TOOLS
            and d.installer in ("pip", "uv", "poetry", "pdm")
            and d.conda is None
            and d.system_package is None
        ),
        key=lambda d: (d.name, d.version or ""),
    )
    if not placed:
        return
    names = ", ".join(d.name for d in placed[:5]) + (" and others" if len(placed) > 5 else "")
    whose = "conda's base environment" if target.base else "the system's Python"
    count = f"{len(placed)} distributions were" if len(placed) > 1 else "1 distribution was"
    evidence = [f"{d.name} {d.version or '?'}: INSTALLER says {d.installer}, in {view.site_path(d)}" for d in placed[:5]]
    if managed:
        evidence.append(f"{managed} says that others manage this installation (PEP 668)")
    if target.base:
        evidence.append(f"{target.prefix} is the root prefix of a conda installation")
    yield RULE.finding(
        f"{count} installed by pip or uv into {whose}: {names}",
        [view.interpreter_subject(), *(view.distribution(d) for d in placed)],
        evidence=evidence,
        fixes=_fixes(view, placed),
        key="base" if target.base else "system",
    )


def _of_image(prefix: str) -> bool:
    """The prefix is where the image of a container has its one Python; a home folder or a mounted disk is not."""
    return prefix in ("/", "/usr", "/usr/local") or prefix.startswith(("/opt/", "/usr/local/"))


def _fixes(view: View, placed: list[Distribution]) -> Iterator[Fix]:
    remedy = view.remedy
    pins = [f"{d.name}=={d.version}" for d in placed if d.requested and d.version and not d.direct_url][:12]
    python = view.snapshot.interpreter.path
    commands: list[tuple[str, ...]] = []
    if view.snapshot.target.base:
        tool = remedy.conda_tool()
        commands.append((tool, "create", "-n", "project", f"python={view.python_short or '3'}", "pip"))
        if pins:
            commands.append((tool, "run", "-n", "project", "pip", "install", *pins))
    elif "uv" in remedy.tools:
        commands.append(("uv", "venv", "--python", python, ".venv"))
        if pins:
            commands.append(("uv", "pip", "install", "--python", ".venv", *pins))
    else:
        commands.append((python, "-m", "venv", ".venv"))
        if pins:
            commands.append((".venv/bin/python", "-m", "pip", "install", *pins))
    yield remedy.manual("make an environment for the project, then remove its packages from here", "INT007", commands=commands)
