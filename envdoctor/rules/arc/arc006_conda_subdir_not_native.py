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

from collections import Counter
from collections.abc import Iterator

from envdoctor.conda.installed import subject
from envdoctor.finding import Finding, Subject
from envdoctor.platforms import family, half_of, is_foreign
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Machine
from envdoctor.view import View

RULE = Rule("ARC006", "conda-subdir-not-native", "warning", reads=("conda_packages", "machine", "target", "shell"))

_SYSTEMS = {"linux": "linux", "macos": "osx", "windows": "win"}
_PLATFORMS = {
    "x86_64": "64",
    "i686": "32",
    "arm": "armv7l",
    "ppc64le": "ppc64le",
    "ppc64": "ppc64",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loongarch64",
}


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


def subdirs(view: View) -> Counter[str]:
    """Platforms of the records, noarch left out, with how many records each has."""
    return Counter(package.subdir for package in view.snapshot.conda_packages if package.subdir and package.subdir != "noarch")


def main_subdir(view: View) -> str:
    """The platform that the environment is made for: Python's where most of the others agree, else that of most records."""
    counts = subdirs(view)
    most = max(counts.values())
    python = next((package.subdir for package in view.snapshot.conda_packages if package.name == "python"), None)
    if python is not None and counts[python] == most:
        return python
    return max(subdir for subdir, number in counts.items() if number == most)


def native_subdir(machine: Machine) -> str | None:
    """conda's name for the machine's own platform; None for one that it has none for."""
    word = (machine.native_machine or machine.machine).lower()
    if not word:
        return None
    if family(word) == "aarch64":
        return "linux-aarch64" if machine.system == "linux" else f"{_SYSTEMS[machine.system]}-arm64"
    if family(word) == "arm":
        return f"linux-{'armv6l' if word.startswith('armv6') else 'armv7l'}"
    ending = _PLATFORMS.get(family(word))
    return f"{_SYSTEMS[machine.system]}-{ending}" if ending else None


def _machine_of(subdir: str) -> str:
    """The architecture of a platform in the words of ``platforms.family``."""
    ending = subdir.partition("-")[2]
    return {"64": "x86_64", "32": "i686", "arm64": "aarch64", "armv6l": "arm", "armv7l": "arm"}.get(ending, ending)


def _emulator(machine: Machine, subdir: str) -> str | None:
    """What runs that platform's programs on the machine, in words; None where nothing does."""
    system, _, _ = subdir.partition("-")
    if system != _SYSTEMS[machine.system]:
        return None
    wanted = _machine_of(subdir)
    native = family(machine.native_machine or machine.machine)
    if half_of(wanted) == native:
        return "as 32-bit programs" if machine.system != "macos" else None
    if machine.system == "macos":
        return "under Rosetta 2" if (wanted, native) == ("x86_64", "aarch64") else None
    if machine.system == "windows":
        return "under Prism" if native == "aarch64" and wanted in ("x86_64", "i686") else None
    if wanted in {family(word) for word in machine.binfmt} or family(machine.machine) == wanted:
        return "under Rosetta" if machine.emulation == "rosetta" else "under qemu"
    return None


def _environment(view: View, own: str, native: str, count: int) -> Iterator[Finding]:
    machine = view.machine
    emulator = _emulator(machine, own)
    how = f"everything in it runs {emulator}" if emulator else "nothing here runs it"
    members = [package for package in view.snapshot.conda_packages if package.subdir == own]
    example = min(members, key=lambda package: (package.name != "python", package.record))
    tool = view.remedy.conda_tool()
    python = f"python={view.python_short}" if view.python_short else "python"
    new = ("pixi", "workspace", "platform", "add", *view.remedy.pixi_manifest(), native) if tool == "pixi" else None
    command = new or (tool, "create", "-n", "native", "--platform" if tool == "micromamba" else "--subdir", native, python)
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
                f"make an environment of {native} packages, and install into that", RULE.code, "ARC001", commands=(command,)
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
