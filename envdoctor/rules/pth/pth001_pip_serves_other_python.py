"""A command on PATH works on another interpreter than the python on PATH.

## Why it matters
`pip install x` puts x where `pip` belongs. When the first `pip` on PATH belongs to another interpreter than the first
`python`, the install succeeds and `python -c "import x"` still says `No module named x`. The same goes for `pytest`,
`jupyter`, `ipython`, `torchrun` and others that import the packages of the interpreter that they run under.

## How it is found
The first file of each name on PATH is looked up, and the interpreter that it runs under is read from its `#!` line, its
shell trampoline or its Windows launcher. Two interpreters are the same when they lie in one virtual or conda
environment, or when their links lead to one file. `pip3` is compared with `python3`, the others with `python` (with
`python3` where there is no `python`). Nothing is run. This is about the shell, so it is reported whether or not the
target itself is on PATH.

## Look-alikes that are fine
- pyenv, asdf and mise shims for both: they forward to one version.
- `pip` missing altogether, as in environments that uv makes.
- Tools that pipx or `uv tool` keep in their own environments while no environment is active.
- A file whose interpreter cannot be told: compiled wrappers, shell scripts, Apple's `/usr/bin/python3`.

## How to fix
Run the module with the interpreter that is meant: `python -m pip install x`, `python -m pytest`. Or install the command
into the environment, or put the environment's folder first on PATH by activating it.

## Example
    warning PTH001 pip-serves-other-python
      pip on PATH works on /usr/bin/python3, while python is /home/ada/.venv/bin/python
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Command, Finding, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import PathCommand
from envdoctor.view import View

RULE = Rule(
    "PTH001",
    "pip-serves-other-python",
    "warning",
    reads=("shell", "target"),
    messages=(
        "No module named '{module}'",
        "Requirement already satisfied: {distribution} in {path}",
        "command not found",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """Groups the commands by the interpreter that they serve instead: one finding for each."""
    if view.snapshot.target.foreign:
        raise Skip("the target belongs to another machine than this shell")
    commands = {command.name: command for command in view.snapshot.shell.commands}
    groups: dict[tuple[str, str], list[tuple[PathCommand, PathCommand]]] = {}
    for command in view.snapshot.shell.commands:
        if command.name.startswith("python"):
            continue
        names = ("python3", "python") if command.name == "pip3" else ("python", "python3")
        python = next((commands[name] for name in names if name in commands), None)
        if python is None or not _differ(command, python):
            continue
        key = (command.identity or _served(command), python.identity or python.path)
        groups.setdefault(key, []).append((command, python))
    for _, pairs in sorted(groups.items(), key=lambda group: group[0]):
        yield _finding(view, _served(pairs[0][0]), pairs)


def _differ(command: PathCommand, python: PathCommand) -> bool:
    """It is certain that both run under different interpreters."""
    if command.isolated and not python.virtual:
        return False
    if python.shim:
        # What a shim forwards to depends on the folder and the shell; an environment is never among it by itself.
        return command.shim is None and command.virtual and not _of_manager(command, python.shim)
    if python.identity is None:
        return False
    if command.shim:
        return python.virtual and not _of_manager(python, command.shim)
    if not command.interpreter_exists:
        return True
    return command.identity is not None and command.identity != python.identity


def _of_manager(command: PathCommand, manager: str) -> bool:
    """The interpreter lies in a folder of that version manager, so its shim may forward there."""
    parts = (command.identity or "").replace("\\", "/").split("/")
    return any(part in (manager, f".{manager}", f"{manager}-win") for part in parts)


def _served(command: PathCommand) -> str:
    return command.interpreter or (f"a Python chosen by {command.shim}" if command.shim else "another interpreter")


def _finding(view: View, served: str, pairs: list[tuple[PathCommand, PathCommand]]) -> Finding:
    first, python = pairs[0]
    names = ", ".join(command.name for command, _ in pairs)
    gone = "" if first.interpreter_exists else ", which is gone"
    verb = "works" if len(pairs) == 1 else "work"
    evidence = [
        f"{c.name} on PATH: {c.path}, runs under {_served(c)}" + (f" ({c.isolated})" if c.isolated else "") for c, _ in pairs
    ]
    evidence.append(f"{python.name} on PATH: {python.path}" + (f" ({python.shim} shim)" if python.shim else ""))
    modules = {"pip3": "pip", "jupyter-lab": "jupyterlab", "jupyter-notebook": "notebook", "torchrun": "torch.distributed.run"}
    module = modules.get(first.name, first.name)
    remedy = view.remedy
    title = f"call it through the interpreter that you mean: {python.name} -m {module}"
    commands: list[Command] = [(python.path, "-m", module, "--version" if module == "pip" else "--help")]
    of_target = python.path.startswith(view.snapshot.target.prefix + "/")
    if module == "pip" and of_target and not view.snapshot.installers.pip.present:
        if "uv" in remedy.tools:
            title = "this environment has no pip; name it to uv"
            commands = [("uv", "pip", "list", "--python", view.snapshot.interpreter.path)]
        else:
            title = f"this environment has no pip of its own: give it one, then call {python.name} -m pip"
            commands = [(python.path, "-m", "ensurepip", "--upgrade")]
    return RULE.finding(
        f"{names} on PATH {verb} on {served}{gone}, while {python.name} is {python.path}",
        [*(view.file(c.path) for c, _ in pairs), Subject("variable", "PATH"), view.interpreter_subject()],
        evidence=evidence,
        fixes=[remedy.manual(title, RULE.code, commands=commands)],
        key=f"{first.name}:{python.name}",
        confidence="likely" if first.shim or python.shim else "certain",
    )
