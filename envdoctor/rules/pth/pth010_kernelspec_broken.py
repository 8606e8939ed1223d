"""A Jupyter kernel names an interpreter that is gone or is another environment's.

## Why it matters
Jupyter starts the program that kernel.json names. When it is gone the notebook hangs at "Connecting to kernel"; when it
is another environment's, the notebook runs there: `!pip install` and imports in it are about other packages than the
ones you see.

## How it is found
kernel.json in the target's `share/jupyter/kernels` and in the user's own kernel folder (JUPYTER_PATH and
JUPYTER_DATA_DIR too); the first word of `argv` has to be a bare name or an existing file.

## Look-alikes that are fine
- A bare `python` or `python3`: Jupyter puts its own interpreter there.
- The user's kernels for other environments that exist: that is what `ipykernel install --user --name` is for.
- Another path to the same environment.

## How to fix
Install the kernel again from the environment that it is meant for, or remove it.

## Example
    warning PTH010 kernelspec-broken · share/jupyter/kernels/python3/kernel.json
      the Jupyter kernel python3 starts /home/ada/old/bin/python, which is gone
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Severity
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Kernel
from envdoctor.view import View

RULE = Rule(
    "PTH010",
    "kernelspec-broken",
    "warning",
    reads=("kernels", "distributions", "interpreter", "target"),
    messages=(
        "Failed to start the Kernel",
        "NoSuchKernel: {name}",
        "No such kernel named {name}",
        "The kernel failed to start",
        "No such file or directory: '{path}'",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each kernel."""
    target = view.snapshot.target
    if target.foreign and target.sysroot is None:
        raise Skip("the target's paths mean nothing on this machine")
    for kernel in view.snapshot.kernels:
        if kernel.problem is not None:
            yield _finding(view, kernel, f"the Jupyter kernel {kernel.name} cannot be used: {kernel.problem}", None)
        elif not kernel.exists:
            yield _finding(view, kernel, f"the Jupyter kernel {kernel.name} starts {kernel.argv[0]}, which is gone", None)
        elif not kernel.same_prefix and kernel.of_target:
            # A kernel of another name was put here on purpose; python3 is the one that is taken for this environment's.
            severity: Severity | None = None if kernel.name in ("python3", "python2", "python") else "info"
            message = f"the Jupyter kernel {kernel.name} runs in another environment: {kernel.prefix or kernel.argv[0]}"
            yield _finding(view, kernel, message, severity)
        elif not kernel.same_prefix and kernel.name == "python3" and "ipykernel" in view.effective:
            message = f"your own Jupyter kernel python3 runs in another environment: {kernel.prefix or kernel.argv[0]}"
            yield _finding(view, kernel, message, "info")


def _finding(view: View, kernel: Kernel, message: str, severity: Severity | None) -> Finding:
    evidence = [f"{view.inside(kernel.path)}: argv[0] is {kernel.argv[0]}" if kernel.argv else f"{kernel.path}: {kernel.problem}"]
    owner = next((view.effective[n] for n in ("ipykernel",) if n in view.effective), None)
    return RULE.finding(
        message,
        [view.file(kernel.path), *([view.distribution(owner)] if owner and kernel.of_target else [])],
        evidence=evidence,
        fixes=list(_fixes(view, kernel)),
        key=f"{'target' if kernel.of_target else 'user'}:{kernel.name}",
        severity=severity,
    )


def _fixes(view: View, kernel: Kernel) -> Iterator[Fix]:
    remedy, snapshot = view.remedy, view.snapshot
    python = snapshot.interpreter.path
    folder = kernel.path.replace("\\", "/").rpartition("/")[0]
    if kernel.of_target and "ipykernel" in view.effective:
        name = () if kernel.name == "python3" else ("--name", kernel.name)
        command = (python, "-m", "ipykernel", "install", "--prefix", snapshot.target.prefix, *name)
        yield remedy.fix("install the kernel again from this environment", [command], RULE.code)
    yield remedy.manual("or remove the kernel", RULE.code, commands=remedy.delete(folder))
