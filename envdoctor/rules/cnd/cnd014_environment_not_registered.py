"""The user's list of environments does not have this one, or has some that are gone.

## Why it matters
conda finds environments outside of its `envs` folder in ~/.conda/environments.txt only: what is not there is missing in `conda
env list`, in editors that offer environments, and in what `conda clean` counts as used.

## How it is found
The target's path, links followed, is looked for in ~/.conda/environments.txt; every path there is looked for on disk.

## Look-alikes that are fine
- Environments of pixi, base environments, prefixes of another machine or in a mounted root.
- `register_envs: false` in .condarc: then nobody wants a list.

## How to fix
Any transaction of conda or micromamba in the environment registers it, and so does a line in the file. `conda env list` drops
what is gone.

## Example
`~/.conda/environments.txt does not list this environment`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.cnd._settings import installers
from envdoctor.view import View

RULE = Rule(
    "CND014",
    "environment-not-registered",
    "info",
    reads=("conda_installers", "target"),
    messages=(
        "EnvironmentLocationNotFound: Not a conda environment: {path}",
        "EnvironmentNameNotFound: Could not find conda environment: {name}",
        "Could not find conda environment: {name}",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for the target, one for the paths that are gone."""
    facts = installers(view)
    target = view.snapshot.target
    if target.kind == "pixi":
        raise Skip("pixi keeps no list of environments")
    if target.foreign or facts.registry is None:
        raise Skip("the list of another machine's user is not known" if target.foreign else "no home folder is known")
    registry = facts.registry
    if registry.problem is not None:
        raise Skip(f"{registry.path}: {registry.problem}")
    wanted = next((s for s in reversed(facts.settings) if s.name == "register_envs"), None)
    off = wanted is not None and bool(wanted.values) and wanted.values[0].strip().lower() in ("false", "no", "off", "0")
    if not registry.listed and not target.base and not off:
        command = ("sh", "-c", 'mkdir -p "$(dirname "$2")" && echo "$1" >>"$2"', "sh", target.prefix, registry.path)
        there = f"{registry.path} has {registry.entries} other paths" if registry.exists else f"{registry.path} is not there"
        yield RULE.finding(
            "~/.conda/environments.txt does not list this environment",
            [view.environment_subject()],
            evidence=[there, f"{target.prefix} is not among them" if registry.exists else f"the prefix is {target.prefix}"],
            fixes=[view.remedy.fix("add the line", [command], RULE.code)]
            if view.snapshot.machine.system != "windows"
            else [view.remedy.manual(f"add a line with {target.prefix} to {registry.path}", RULE.code)],
            key="target",
        )
    if registry.gone_count:
        count = "a path that is" if registry.gone_count == 1 else f"{registry.gone_count} paths that are"
        yield RULE.finding(
            f"~/.conda/environments.txt has {count} no environment any more",
            [view.file(registry.path)],
            evidence=[f"{registry.path}: {path}" for path in registry.gone[:5]],
            fixes=[
                view.remedy.manual(
                    "let conda drop them, or delete the lines", RULE.code, commands=[(view.remedy.conda_tool(), "env", "list")]
                )
            ],
            key="gone",
        )
