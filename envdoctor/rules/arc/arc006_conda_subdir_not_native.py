"""The conda packages are for another platform than the machine's own.

## Why it matters
A conda environment holds the packages of one platform (`subdir`): osx-64, osx-arm64, linux-64. One of another platform works
only through an emulator, slower, and without what only native builds have (Metal, AVX under Rosetta 2); where there is no
emulator, nothing in it starts. `CONDA_SUBDIR` decides the platform of the next transaction, whatever the environment is made of,
and mixes the two when it does not agree.

## How it is found
The `subdir` of the records in `conda-meta`, `noarch` left out, is compared with the hardware's architecture as the kernel tells
it. Linux emulates what is registered with binfmt, macOS on Apple silicon runs osx-64, Windows on ARM win-64 and win-32, and
64-bit systems run 32-bit programs of their family; all else cannot run. `CONDA_SUBDIR` of the shell is compared with the records.

## Look-alikes that are fine
- An environment of noarch packages only, and one without records.
- An environment of another computer: a foreign target, a mounted root.
- `CONDA_SUBDIR` that agrees with the environment, and any in a pixi project, which does not read it.
- A single record of another platform: ARC007 and CND006 tell of it.

## How to fix
Make the environment anew for the machine's own platform; compiled packages cannot be kept. On Apple silicon, use an installer of
conda that is itself an arm64 one.

## Example
`the environment is made of osx-64 packages, this machine is osx-arm64: everything in it runs under Rosetta 2`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.conda.subdirs import emulator as emulator_for
from envdoctor.conda.subdirs import main_subdir, native_subdir, subdirs
from envdoctor.finding import Command, Finding, Subject
from envdoctor.platforms import is_foreign
from envdoctor.rules.base import Rule, Skip
from envdoctor.view import View

RULE = Rule("ARC006", "conda-subdir-not-native", "warning", reads=("conda_packages", "machine", "target", "shell"))


def check(view: View) -> Iterator[Finding]:
    """One finding for the environment, one for the variable."""
    counts = subdirs(view)
    if not counts:
        return
    if is_foreign(view.snapshot, view.machine):
        raise Skip("the target belongs to another computer")
    own = main_subdir(view)
    native = native_subdir(view.machine)
    if native is not None and own != native:
        yield from _environment(view, own, native, counts[own])
    wanted = view.snapshot.shell.variables.get("CONDA_SUBDIR", "").strip()
    if wanted and wanted != own and view.machine is view.snapshot.machine and view.snapshot.target.kind != "pixi":
        yield _variable(view, wanted, own, native)


def _environment(view: View, own: str, native: str, count: int) -> Iterator[Finding]:
    from envdoctor.conda.installed import subject

    machine = view.machine
    emulator = emulator_for(machine, own)
    how = f"everything in it runs {emulator}" if emulator else "nothing here runs it"
    members = [package for package in view.snapshot.conda_packages if package.subdir == own]
    example = min(members, key=lambda package: (package.name != "python", package.record))
    tool = view.remedy.conda_tool()
    python = f"python={view.python_short}" if view.python_short else "python"
    commands: tuple[Command, ...] = (
        (tool, "create", "-n", "native", "--platform" if tool == "micromamba" else "--subdir", native, python),
    )
    if tool == "pixi":
        # the platform alone changes the lock; the prefix stays as it is until an install, which takes the machine's own
        manifest = view.remedy.pixi_manifest()
        commands = (("pixi", "workspace", "platform", "add", *manifest, native), ("pixi", "install", *manifest))
    name = f" ({machine.cpu.name})" if machine.cpu.name else ""
    yield RULE.finding(
        f"the environment is made of {own} packages, this machine is {native}: {how}",
        [view.environment_subject(), subject(example), Subject("machine", machine.native_machine or machine.machine)],
        evidence=[
            f"conda-meta: {count} records of {own}, such as {example.record}",
            f"the machine is {machine.native_machine or machine.machine}{name}",
        ],
        fixes=[
            view.remedy.manual(
                f"make an environment of {native} packages, and install into that", RULE.code, "ARC001", commands=commands
            )
        ],
        severity="warning" if emulator else "error",
        key=f"environment:{own}:{native}",
    )


def _variable(view: View, wanted: str, own: str, native: str | None) -> Finding:
    advice = "unset CONDA_SUBDIR" if own == native else f"set CONDA_SUBDIR={own} when you work on this environment"
    return RULE.finding(
        f"CONDA_SUBDIR={wanted} is set, and the environment is made of {own} packages: the next install mixes the two",
        [Subject("variable", "CONDA_SUBDIR"), view.environment_subject()],
        evidence=[f"variable CONDA_SUBDIR={wanted}", f"conda-meta: {subdirs(view)[own]} records of {own}"],
        fixes=[view.remedy.manual(advice, RULE.code)],
        key=f"variable:{wanted}:{own}",
    )
