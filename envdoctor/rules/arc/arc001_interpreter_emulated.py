"""The interpreter's architecture is not the machine's own.

## Why it matters
An emulated Python works, but everything in it runs slower (two to five times under Rosetta 2 or Prism, ten and more
under qemu), every wheel it installs is one for the emulated processor, and some are not made for it at all: code that
needs AVX dies under Rosetta, and GPU wheels for Apple silicon do not install into an x86_64 Python. A 32-bit Python on
a 64-bit machine can use at most 4 GB of memory, and hardly any scientific package still has wheels for it.

## How it is found
The machine field of the interpreter's own binary (ELF, Mach-O or PE header) is compared with the hardware's
architecture as the kernel tells it, also when envdoctor itself runs emulated. The binary's header decides, not a name
in a path.

## Look-alikes that are fine
- A universal2 interpreter that has the machine's own slice.
- Other words for the same architecture: amd64 and x86_64, arm64, arm64e and aarch64.
- A target that belongs to another computer (a foreign environment, a mounted root).
- An operating system that is 32-bit throughout on a 64-bit kernel (Raspberry Pi OS): reported as info for its own
  Python.
- An interpreter that this machine cannot run at all: that is INT002.

## How to fix
Make the environment again with an interpreter of the machine's own architecture, and install the packages anew: wheels
of the other architecture cannot be kept.

## Example
A terminal that was started under Rosetta installs Homebrew into /usr/local, and its python3 makes all virtual
environments x86_64 ones on an M-series Mac.
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Severity, Subject
from envdoctor.natives import describe
from envdoctor.platforms import family, half_of, is_foreign
from envdoctor.rules.base import Rule, Skip
from envdoctor.view import View

RULE = Rule("ARC001", "interpreter-emulated", "warning", reads=("interpreter", "machine", "target"))

_EMULATORS = {"macos": "Rosetta 2", "windows": "Prism", "linux": "qemu-user"}


def check(view: View) -> Iterator[Finding]:
    """One finding when the interpreter does not run natively."""
    snapshot, machine = view.snapshot, view.machine
    interpreter = snapshot.interpreter
    if is_foreign(snapshot, machine):
        raise Skip("the target belongs to another computer")
    native = machine.native_machine or machine.machine
    if not interpreter.machine:
        raise Skip("the architecture of the interpreter is not known")
    if not native:
        raise Skip("the architecture of the machine is not known")
    own = interpreter.machine
    if family(own) == family(native):
        return
    binary = interpreter.binary
    if binary is not None and any(family(part.machine) == family(native) for part in binary.slices):
        return
    subject = view.interpreter_subject()
    evidence = [f"the machine is {native}" + (f" ({machine.cpu.name})" if machine.cpu.name else "")]
    if binary is not None and binary.slices:
        evidence.insert(0, f"{view.inside(binary.path)}: {describe(binary)}")
    else:
        evidence.insert(0, f"{view.inside(interpreter.path)} is {own}")
    severity: Severity = "warning"
    if half_of(own) == family(native):
        message = (
            f"32-bit Python ({own}) on a 64-bit machine ({native}): at most 4 GB of memory, and few packages have wheels for it"
        )
        if interpreter.origin == "debian" or snapshot.target.kind == "system":
            severity = "info"
            evidence.append("it is the operating system's own Python, so the whole system is a 32-bit one")
        kind = "32-bit"
    else:
        starts = {family(m) for m in machine.binfmt}
        if machine.system == "linux" and family(own) not in starts and interpreter.run.outcome != "ok" and not machine.emulation:
            return  # nothing here runs it: INT002
        if machine.system in ("macos", "windows") and family(native) != "aarch64":
            return  # only computers with ARM processors run programs for others there
        emulator = _EMULATORS[machine.system]
        if machine.system == "linux" and machine.emulation == "rosetta":
            emulator = "Rosetta"
        message = f"Python is emulated: {own} on a {native} machine, by {emulator}"
        kind = "emulated"
    fixes = [view.remedy.recreate(f"make the environment again with a {native} Python")]
    if snapshot.target.kind == "conda" and machine.system == "macos":
        tool = view.remedy.conda_tool()
        fixes.insert(
            0,
            view.remedy.manual(
                "create an environment of the machine's own subdir and install into that",
                RULE.code,
                commands=((tool, "create", "-n", "native", "--subdir", "osx-arm64", f"python={view.python_short or '3'}"),),
            ),
        )
    yield RULE.finding(
        message,
        [subject, Subject("machine", native)],
        evidence=evidence,
        fixes=fixes,
        key=f"{kind}:{family(own)}:{family(native)}",
        severity=severity,
    )
