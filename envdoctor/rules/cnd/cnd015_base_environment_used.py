"""Project packages are installed into the base environment of a conda installation.

## Why it matters
conda itself runs in base. What a project brings there can make the next `conda update` impossible or break conda, base cannot be
thrown away and made anew like any environment, and two projects there share every version.

## How it is found
The target is a base environment. The specs that its history records after the first revision (the installer's own), and the
distributions that pip or uv have put there; conda's own tools, their plug-ins and what they need are left out.

## Look-alikes that are fine
- What the installer brought, Anaconda's hundreds of packages included; updates of conda, mamba, python and pip.
- Tools that work on conda from base: conda-build, conda-lock, conda-libmamba-solver, anaconda-client, navigator.
- The base environment of a container image, which is made for one program.
- micromamba's root prefix: micromamba does not run in it.

## How to fix
Make an environment for the project, install its packages there, and remove them from base.

## Example
`3 project packages are installed into base: flask, numpy, pandas`
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from envdoctor.finding import Command, Finding, Subject
from envdoctor.lazy import pattern
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.cnd._settings import installers, subject
from envdoctor.snapshot import CondaPackage, Distribution
from envdoctor.view import View

RULE = Rule(
    "CND015",
    "base-environment-used",
    "warning",
    reads=("target", "conda_installers", "conda_packages", "distributions", "machine", "sites"),
    messages=(
        "The environment is not writable",
        "EnvironmentNotWritableError",
    ),
)

_TOOLS = pattern(
    r"(?:_?conda|mamba|libmamba|libmambapy|micromamba|boa|rattler-build|py-rattler|pixi|menuinst|constructor|grayskull|navigator-updater"
    r"|anaconda|anaconda-client|anaconda-navigator|_anaconda_depends|miniforge_console_shortcut|console_shortcut|powershell_shortcut"
    r"|python|pypy|python_abi|pip|setuptools|wheel|uv|virtualenv|pipx|envdoctor|ca-certificates|certifi|openssl|nb_conda_kernels"
    r"|mamba_gator|argcomplete|archspec|libarchive|libsolv|tqdm|requests|ruamel\.yaml|zstandard)$"
    r"|(?:conda|mamba|anaconda)[-_].+|.+[-_]shortcut$"
)


def check(view: View) -> Iterator[Finding]:
    """At most one finding."""
    facts = installers(view)
    snapshot = view.snapshot
    target = snapshot.target
    if not target.base:
        return
    if snapshot.machine.container is not None and not target.foreign and target.prefix.startswith(("/opt/", "/usr/")):
        raise Skip(f"in a container ({snapshot.machine.container}) base is the program's own environment")
    by_name = {package.name: package for package in snapshot.conda_packages}
    if "conda" not in by_name and "mamba" not in by_name:
        return
    packages = [by_name[name] for name in map(_name, facts.later_requested) if name in by_name and not _TOOLS.match(name)]
    asked = {_name(spec): spec for spec in facts.later_requested}
    active = {index for index, site in view.active_sites if site.of_target}
    dists = sorted(
        (
            d
            for d in snapshot.distributions
            if d.site in active and d.installer in ("pip", "uv") and d.conda is None and not _TOOLS.match(d.name)
        ),
        key=lambda d: d.name,
    )
    chosen = [d for d in dists if d.requested] or dists
    if not packages and not chosen:
        return
    everything = sorted({*(p.name for p in packages), *(d.name for d in chosen)})
    names = ", ".join(everything[:5]) + (" and others" if len(everything) > 5 else "")
    count = "1 project package is" if len(everything) == 1 else f"{len(everything)} project packages are"
    subjects: list[Subject] = [*(subject(p) for p in packages), *(view.distribution(d) for d in chosen)]
    yield RULE.finding(
        f"{count} installed into base: {names}",
        [view.environment_subject(), *subjects[:60]],
        evidence=[
            f"{target.prefix} is the base environment of conda {by_name['conda'].version}"
            if "conda" in by_name
            else f"{target.prefix} is the base environment of mamba {by_name['mamba'].version}",
            *(f"conda-meta/history: {asked[p.name]} was asked for after the installation" for p in packages[:5]),
            *(f"{d.name} {d.version or '?'}: INSTALLER says {d.installer}" for d in chosen[:5]),
        ],
        fixes=[
            view.remedy.manual(
                "make an environment for the project, then remove its packages from base",
                RULE.code,
                commands=_commands(view, packages, chosen),
            )
        ],
        key="base",
    )


def _name(spec: str) -> str:
    found = re.match(r"(?:[^\[\]]*::)?\s*([A-Za-z0-9_.\-]+)", spec)
    return found[1].lower() if found else ""


def _commands(view: View, packages: list[CondaPackage], dists: list[Distribution]) -> Iterator[Command]:
    tool = view.remedy.conda_tool()
    few = len(packages) <= 20 and len(dists) <= 20
    specs = [f"{p.name}={p.version}" for p in packages] if few else []
    yield (tool, "create", "-n", "project", f"python={view.python_short or '3'}", *(("pip",) if dists else ()), *specs)
    pins = [f"{d.name}=={d.version}" for d in dists if d.version and not d.direct_url] if few else []
    if pins:
        yield (tool, "run", "-n", "project", "python", "-m", "pip", "install", *pins)
