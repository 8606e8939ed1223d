"""Something must be built from source, and a tool for it is not here.

## Why it matters
The next install of the project or its lock would compile, and stop after a while in the middle of a long build log, where
the cause ("gcc: command not found", "Python.h: No such file", "can't find Rust compiler") is hard to see.

## How it is found
The project's `[build-system] requires` names backends that need more than Python: maturin and setuptools-rust need cargo,
meson-python and scikit-build-core a compiler, Cython and pybind11 a compiler and `Python.h`, CUDA extensions of torch nvcc.
In uv.lock, pylock.toml, poetry.lock and pdm.lock, packages that are not installed here, that this machine wants by their
markers, that have a source distribution and no wheel for this machine. Then PATH is searched for the tools, and the base
interpreter's folder for `Python.h`. It is info, and a warning where the build backend names the tool.

## Look-alikes that are fine
- A package that is installed already: it has been built.
- A source distribution of pure Python: whether it is one cannot be seen in a lock, so packages that have no wheel at all
  and are not known to compile are told as possible.
- CMake and Ninja for scikit-build-core and meson-python, which fetch them from the index.
- A lock's package for another operating system.
- Compilers on Windows and macOS, which do not show on PATH.

## How to fix
Install the tools with the system's package manager, or conda-forge's compilers in a conda environment.

## Example
```
PIP005 building acme-core needs cargo, which is not here
```
"""

from collections.abc import Iterator

from envdoctor.data.builds import SYSTEM_PACKAGES
from envdoctor.finding import Command, Finding, Fix, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import BuildNeed
from envdoctor.view import View

RULE = Rule(
    "PIP005",
    "build-tools-missing",
    "info",
    reads=("installers", "shell", "project", "machine"),
    messages=(
        "error: command '{compiler}' failed",
        "fatal error: Python.h: No such file or directory",
        "Microsoft Visual C++ 14.0 or greater is required",
        "Failed building wheel for {distribution}",
        "Failed to build installable wheels",
        "Failed to build {distribution}",
        "Could not build wheels for {distribution}",
        "unable to execute '{compiler}'",
        "No CMAKE_CXX_COMPILER could be found",
        "can't find Rust compiler",
        "Rust toolchain",
        "pg_config executable not found",
    ),
)
WORDS = {"compiler": "a C compiler", "Python.h": "Python.h", "cmake": "CMake", "cargo": "cargo (Rust)", "nvcc": "nvcc (CUDA)"}


def check(view: View) -> Iterator[Finding]:
    """One finding for the project itself, and one for each set of tools that locked packages lack."""
    needs = view.snapshot.installers.builds
    if not needs:
        return
    if view.snapshot.target.foreign:
        raise Skip("the tools of another machine are not known")
    groups: dict[tuple[tuple[str, ...], bool, bool], list[BuildNeed]] = {}
    for need in needs:
        absent = tuple(tool for tool in need.tools if not _has(view, tool))
        if absent and _wanted(view, need) and not _wheel_fits(view, need):
            groups.setdefault((absent, need.named, need.guessed), []).append(need)
    for (absent, named, guessed), members in sorted(groups.items()):
        names = [need.name for need in members]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        tools = " and ".join(WORDS[tool] for tool in absent)
        subjects = [
            Subject("project", need.name)
            if named
            else Subject("distribution", need.name, need.requirement.partition("==")[2] or None)
            for need in members
        ]
        evidence = [_reason(need) for need in members[:5]] + [f"{_where(tool)}" for tool in absent]
        needs_it = "may need" if guessed else "needs"
        yield RULE.finding(
            f"building {shown} {needs_it} {tools}, which {'is' if len(absent) == 1 else 'are'} not here",
            [*subjects, Subject("machine", view.machine.os_name or view.machine.system)],
            evidence=evidence,
            fixes=[_fix(view, absent)],
            severity="warning" if named else "info",
            confidence="possible" if guessed else "likely",
            key=f"{'project' if named else 'guess' if guessed else 'lock'}:{','.join(absent)}",
        )


def _has(view: View, tool: str) -> bool:
    installers, tools = view.snapshot.installers, view.snapshot.shell.tools
    if tool == "compiler":
        return installers.compiler is not False
    if tool == "Python.h":
        return installers.headers is not False
    if tool == "nvcc" and view.machine.system == "macos":
        return True
    return tool in tools


def _wanted(view: View, need: BuildNeed) -> bool:
    """The machine is one that the lock wants this package for."""
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    for text in need.markers:
        if not text:
            return True
        if "extra" in text or "dependency_groups" in text:
            continue
        try:
            if Marker(text).evaluate({**view.environment}):
                return True
        except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
            continue
    return False


def _wheel_fits(view: View, need: BuildNeed) -> bool:
    """One of the locked wheels can be installed, or that cannot be told."""
    from packaging.tags import parse_tag

    if not need.wheels:
        return False
    tags = view.tags
    if not tags:
        return True
    try:
        return any(tag in tags for wheel in need.wheels for tag in parse_tag(wheel))
    except ValueError:
        return True


def _reason(need: BuildNeed) -> str:
    if need.named:
        return f"{need.source}: builds with {need.backend}"
    what = "no wheel for this machine" if need.wheels else "only a source distribution"
    return f"{need.source}: {need.requirement} has {what}"


def _where(tool: str) -> str:
    if tool == "Python.h":
        return "no Python.h in the include folder of the base interpreter"
    return f"no {'cc, gcc or clang' if tool == 'compiler' else tool} on PATH"


def _fix(view: View, absent: tuple[str, ...]) -> Fix:
    remedy = view.remedy
    tools = view.snapshot.shell.tools
    commands: list[Command] = []
    system = (view.snapshot.interpreter.base_prefix or "").rstrip("/") == "/usr"
    # a distribution's headers belong to its own Python, not to uv's or pyenv's
    handled = [tool for tool in absent if tool != "Python.h" or system]
    if view.snapshot.target.kind in ("conda", "pixi"):
        wanted = [name for tool in handled for name in SYSTEM_PACKAGES["conda"].get(tool, ())]
        if wanted:
            commands += remedy.conda_install(*wanted)
    else:
        manager = next((name for name in ("apt-get", "dnf", "apk", "brew") if name in tools), None)
        wanted = [name for tool in handled for name in SYSTEM_PACKAGES.get(manager or "", {}).get(tool, ())]
        if manager == "apt-get" and view.python_short:
            wanted = [f"python{view.python_short}-dev" if name == "python3-dev" else name for name in wanted]
        if wanted and manager:
            commands.append(
                (manager, "add" if manager == "apk" else "install", *(("-y",) if manager in ("apt-get", "dnf") else ()), *wanted)
            )
    names = " and ".join(WORDS[tool] for tool in absent)
    if not commands or ("Python.h" in absent and "Python.h" not in handled):
        names += (
            "" if "Python.h" not in absent else " (headers come with the base Python: install that again, or its -dev package)"
        )
    if not commands:
        return remedy.manual(f"install {names}", RULE.code)
    return remedy.fix(f"install {names}", commands, RULE.code, safety="unsafe")
