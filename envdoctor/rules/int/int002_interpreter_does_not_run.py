"""The interpreter is there, but it does not start.

## Why it matters
Nothing in the environment can run: no import, no script, no installer.

## How it is found
The interpreter is started once, in isolated mode without `site` (`-I -S`), with ten seconds to answer. What keeps it from
answering is told apart: a program for another machine, a loader that is not there (a glibc program on a musl system), a missing
library (`libpython3.11.so.1.0`), no permission, a crash during start-up, no answer. Files are then read for the reason.
It is not started when the target belongs to another operating system; an empty or damaged file, and a script that hands over
to no Python, are found without starting them.

## Look-alikes that are fine
An interpreter that runs under emulation (that is ARC001); a script in its place that starts a Python, which is
not run here; a missing interpreter or base, which INT001 reports.

## How to fix
Make the environment again on this machine, or put back what is missing from the base installation.

## Example
`bin/python does not start: error while loading libpython3.11.so.1.0: cannot open shared object file`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Confidence, Finding, Fix
from envdoctor.rules.base import Rule, Skip
from envdoctor.view import View

RULE = Rule(
    "INT002",
    "interpreter-does-not-run",
    "error",
    reads=("interpreter", "venv", "target"),
    messages=(
        "cannot execute binary file: Exec format error",
        "OSError: [Errno 8] Exec format error: '{path}'",
        "error while loading shared libraries: {library}: cannot open shared object file",
        "Bad CPU type in executable",
        "No module named 'encodings'",
        "Fatal Python error: init_fs_encoding",
    ),
)

_WORDS = {
    "exec-format": "it is no program for this machine",
    "missing-loader": "the program loader that it asks for is not there",
    "missing-library": "a library that it needs is missing",
    "not-permitted": "it may not be executed",
    "crashed": "it crashes while starting",
    "timeout": "it does not answer",
}
_TELLING = frozenset({"exec-format", "missing-loader", "not-permitted", "not-asked"})
"""Outcomes whose detail says it all."""


def check(view: View) -> Iterator[Finding]:
    """At most one finding, with what keeps the interpreter from starting."""
    snapshot = view.snapshot
    interpreter = snapshot.interpreter
    run = interpreter.run
    if run.outcome == "not-asked" and not _static(run.detail):
        raise Skip(f"the interpreter was not asked{': ' + run.detail if run.detail else ''}")
    if run.outcome in ("ok", "missing"):
        return
    if snapshot.venv is not None and not interpreter.base_exists:
        return  # its base is gone, which INT001 says
    words = _WORDS.get(run.outcome, "it does not start")
    detail = f": {run.detail}" if run.detail else ""
    verdict = run.detail if run.detail and run.outcome in _TELLING else words + detail
    confidence: Confidence = "likely" if run.outcome in ("timeout", "not-asked") else "certain"
    evidence = [f"{view.inside(interpreter.path)} -I -S: {run.outcome}{detail}"]
    if interpreter.real_path and interpreter.real_path != interpreter.path:
        evidence.append(f"it is {interpreter.real_path}")
    binary = interpreter.binary
    if binary is not None:
        evidence += [f"header: {binary.format}, {piece.machine}, {piece.bits} bits" for piece in binary.slices[:2]]
        if binary.problem:
            evidence.append(f"the file: {binary.problem}")
        loader = next((piece.interpreter for piece in binary.slices if piece.interpreter), None)
        if run.outcome == "missing-loader" and loader:
            evidence.append(f"PT_INTERP: {loader}")
    if view.machine.machine and run.outcome in ("exec-format", "missing-loader"):
        evidence.append(f"this machine: {view.machine.machine}, {view.machine.libc or view.machine.system}")
    yield RULE.finding(
        f"{view.inside(interpreter.path)} does not start: {verdict}",
        [view.interpreter_subject(), view.environment_subject()],
        evidence=evidence,
        fixes=_fixes(view, run.outcome),
        confidence=confidence,
        key=f"interpreter:{run.outcome}",
    )


def _static(detail: str | None) -> bool:
    """Reasons that the files alone give."""
    return bool(detail) and str(detail).startswith(("it asks for the loader", "it is a script that starts no Python"))


def _fixes(view: View, outcome: str) -> Iterator[Fix]:
    remedy = view.remedy
    interpreter = view.snapshot.interpreter
    real = interpreter.real_path or interpreter.path
    if outcome == "not-permitted":
        yield remedy.fix("make it executable", [("chmod", "+x", real)], "INT002", safety="unsafe")
        yield remedy.manual("or mount its file system without noexec, or use an environment that this user may read", "INT002")
        return
    if view.snapshot.target.kind in ("conda", "pixi"):
        if outcome not in ("exec-format", "missing-loader"):
            yield remedy.fix("install the same Python again", remedy.conda_reinstall("python"), "INT002", safety="unsafe")
    elif outcome in ("missing-library", "crashed"):
        base = interpreter.base_prefix or "the base installation"
        yield remedy.manual(f"repair or reinstall the Python in {base}, which the environment stands on", "INT002")
    if outcome == "timeout":
        yield remedy.manual(
            "start it by hand and see what it waits for", "INT002", commands=[(interpreter.path, "-I", "-S", "-c", "pass")]
        )
    else:
        yield remedy.recreate("make the environment again on this machine")
