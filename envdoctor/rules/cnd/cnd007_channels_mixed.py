"""Packages of channels that are not built for each other are in one environment.

## Why it matters
Each family of channels compiles its packages against its own libraries, with its own compilers and pins: defaults has another
ICU, libxml2, OpenSSL or C++ runtime than conda-forge at any moment. Solvers compare names and versions and see nothing wrong.
What comes of it are symbols that are missing at import, two copies of a library in one process, files that two packages
overwrite, and solves that take minutes.

## How it is found
The channel of every record, by its address; mirrors are known by the end of their path. It is a warning where compiled
packages of Anaconda's defaults (`pkgs/main`, `pkgs/r`, `pkgs/msys2`, the channel `anaconda`) stand beside compiled ones of
conda-forge, or of channels whose documentation builds on conda-forge (bioconda, rapidsai). Where all that one side brings is
without compiled code, it is for information only.

## Look-alikes that are fine
- conda-forge with bioconda, rapidsai, pytorch, nvidia, dglteam or a channel of one's own: these are made to be used with it, or
  say nothing else; defaults with pytorch, nvidia or a channel of one's own.
- All of `pkgs/main`, `pkgs/r` and `pkgs/msys2`: together they are defaults.
- Mirrors and labels of one channel.
- A few data packages of the other side: ca-certificates, tzdata.

## How to fix
Choose one side, and let the solver bring the other packages from there; then make the choice last with strict channel
priority. Where most packages are on the wrong side, a new environment is quicker.

## Example
`3 packages of defaults among 41 of conda-forge: icu, libxml2, qt-main`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix
from envdoctor.rules.base import NOT_CONDA, Rule, Skip
from envdoctor.rules.cnd._settings import DATA, compiled, family, subject
from envdoctor.snapshot import CondaPackage
from envdoctor.view import View

RULE = Rule(
    "CND007",
    "channels-mixed",
    "warning",
    reads=("conda_packages", "conda_meta", "conda_installers", "target"),
    messages=(
        "The environment is inconsistent",
        "undefined symbol: {symbol}",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """At most one finding for the environment, about the smaller side."""
    if view.snapshot.conda_meta is None:
        raise Skip(NOT_CONDA)
    sides: dict[str, list[CondaPackage]] = {"defaults": [], "conda-forge": []}
    for package in view.snapshot.conda_packages:
        side = family(package.channel)
        if side is not None:
            sides[side].append(package)
    if not all(sides.values()):
        return
    solid = {name: [p for p in packages if compiled(p)] for name, packages in sides.items()}
    serious = all(solid.values())
    if not serious and not any(p for name, packages in sides.items() for p in packages if not solid[name] and _more(p)):
        return
    few, many = sorted(sides, key=lambda name: (len((solid if serious else sides)[name]), name))
    odd = sorted((solid if serious else sides)[few], key=lambda p: (p.name, p.version))
    names = ", ".join(p.name for p in odd[:5]) + (" and others" if len(odd) > 5 else "")
    count = "1 package" if len(odd) == 1 else f"{len(odd)} packages"
    word = "compiled ones " if serious else ""
    yield RULE.finding(
        f"{count} of {few} among {len((solid if serious else sides)[many])} {word}of {many}: {names}",
        [*(subject(p) for p in odd[:50]), view.environment_subject()],
        evidence=[
            *(f"{p.record}: {p.name} {p.version} is from {p.channel}" for p in odd[:5]),
            *(f"{p.record}: {p.name} {p.version} is from {p.channel}" for p in _examples(sides[many], solid[many])),
            *([] if serious else [f"none of the packages of {few} holds compiled code"]),
        ],
        fixes=_fixes(view, few, many, odd),
        severity="warning" if serious else "info",
        key="channels",
    )


def _more(package: CondaPackage) -> bool:
    """It is not just data."""
    return package.name not in DATA


def _examples(packages: list[CondaPackage], solid: list[CondaPackage]) -> list[CondaPackage]:
    chosen = solid or packages
    python = [p for p in chosen if p.name == "python"]
    return (python + [p for p in chosen if p.name != "python"])[:2]


def _fixes(view: View, few: str, many: str, odd: list[CondaPackage]) -> Iterator[Fix]:
    remedy = view.remedy
    tool = remedy.conda_tool()
    if tool == "pixi":
        yield remedy.manual(
            f"take {few} out of the channels in the project's manifest",
            RULE.code,
            commands=[("pixi", "workspace", "channel", "remove", *view.remedy.pixi_manifest(), few)],
        )
        return
    words = tuple(p.name for p in odd)[:60]
    yield remedy.fix(
        f"bring {'it' if len(odd) == 1 else 'them'} from {many}",
        [(tool, "install", "-p", remedy.prefix, "--override-channels", "-c", many, *words)],
        RULE.code,
        safety="unsafe",
    )
    last = ("config", "set", "channel_priority", "strict") if tool == "micromamba" else None
    command = (tool, *last) if last else ("conda", "config", "--set", "channel_priority", "strict")
    yield remedy.manual(f"keep it so: use {many} alone, with strict channel priority", RULE.code, commands=[command])
