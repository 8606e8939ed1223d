"""A shared library that an extension module needs is nowhere where the loader looks.

## Why it matters
The import fails with `ImportError: libGL.so.1: cannot open shared object file: No such file or directory`. Which package
wants the library, and through what, the message does not say; and where the name is known nothing tells the package of the
operating system that has it.

## How it is found
Every extension module that this Python can import is followed through everything that it needs, as the dynamic loader does
it: DT_RPATH of the file and of those that brought it in, LD_LIBRARY_PATH, DT_RUNPATH, the library cache, the default folders,
and whatever is loaded already under that name. A need that is met nowhere is reported with the chain that leads to it; one
library that many need is one finding. It is an error where importing the package runs into it, where a wheel brought the
library and it is gone, or where most of the package's modules fail so; a warning where only one of its submodules does.
What nothing imports is left to LIB008. A library that a module opens by a literal name whenever it is imported
(`ctypes.CDLL("libx.so.1")` at its left margin) is looked for in the same way.

On macOS the search is dyld's (`@rpath` with the paths of all files that led there, `@loader_path`, `@executable_path`, install
names of what is loaded, weak libraries may be absent), on Windows that of Python's modules (the module's folder, that of
`python.exe`, folders that a package's code adds, the system's own). Of an environment that is looked at from another computer
only its own folders are known: a library that none of its distributions brings is then a warning at most, because its
machine may have it (Homebrew's libomp), and what comes with the Visual C++ runtime is an info.

## Look-alikes that are fine
- Libraries that an installed requirement has loaded before: libtorch.so for torchvision, libarrow.so for what uses pyarrow.
- Libraries in a wheel's `.libs` folder that have no path of their own, but are found through the module that needs them.
- Libraries that Python code opens by name (`ctypes.CDLL`) before the module is imported.
- Modules for another Python or architecture beside one that fits.
- The system's own libraries, which are no files on a Mac and not at hand for a foreign target.

## How to fix
Install the package of the operating system, or of conda, that has the library; or the distribution that does without
(`opencv-python-headless`). Where the wheel itself brought the library, install it again.

## Example
    error   LIB001 shared-library-missing · opencv-python 4.10.0.84
      cv2 needs libGL.so.1, which no library path provides
        cv2 → libQt5Gui-9e4d2a1b.so.5.15.13 → libGL.so.1
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Confidence, Finding, Fix
from envdoctor.loader.model import Loaded, Missing, Root, base_name
from envdoctor.rules.base import Rule
from envdoctor.rules.lib._loading import (
    SHOWN,
    Failure,
    brought_by,
    distributions,
    each_once,
    evidence_of,
    failures,
    file_name,
    grafted,
    label,
    python_of,
    shipped_and_gone,
    subjects,
    worst,
)
from envdoctor.rules.lib._opened import findings as of_python_code
from envdoctor.rules.lib._unknown import findings as of_its_machine
from envdoctor.snapshot import Distribution
from envdoctor.view import View

RULE = Rule(
    "LIB001",
    "shared-library-missing",
    "error",
    reads=(
        "natives",
        "libraries",
        "dll_folders",
        "machine",
        "preloads",
        "opened_libraries",
        "imported_modules",
        "distributions",
        "sites",
        "interpreter",
        "shell",
    ),
    messages=(
        "{library}: cannot open shared object file: No such file or directory",
        "Library not loaded: {library}",
        "DLL load failed while importing {module}: The specified module could not be found",
        "Error loading shared library {library}: No such file or directory",
        "Could not find module '{library}' (or one of its dependencies)",
        "dlopen({library}, {flags}): image not found",
        "Failed to load dynlib/dll '{library}'",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each library."""
    by_name: dict[str, list[Failure]] = {}
    for failure in failures(view):
        if failure.severity != "info":
            for name in dict.fromkeys(need.name for need in failure.needs):
                by_name.setdefault(name, []).append(failure)
    gone = shipped_and_gone(view)
    together = _together(by_name)
    for name in sorted(together):
        yield _finding(view, name, together[name], by_name[name], gone)
    yield from of_its_machine(view, RULE)
    yield from of_python_code(view, RULE, by_name)


def _together(by_name: dict[str, list[Failure]]) -> dict[str, list[str]]:
    """Names that the very same files of one builder need are one finding, under the first: libtorch_cuda.so, libc10_cuda.so."""
    groups: dict[tuple[str, frozenset[str]], list[str]] = {}
    for name, users in by_name.items():
        key = (brought_by(name) or name, frozenset(user.root.distribution or user.root.path for user in users))
        groups.setdefault(key, []).append(name)
    return {names[0]: names for names in (sorted(group) for group in groups.values())}


def _finding(view: View, name: str, names: list[str], users: list[Failure], gone: dict[str, Distribution]) -> Finding:
    users = worst(users)
    first = users[0]
    needs = [need for user in users for need in user.needs if need.name == name]
    shipper = gone.get(file_name(view, name))
    packages = list(dict.fromkeys(user.root.distribution for user in users if user.root.distribution))
    who = label(first.root, first.why)
    others = f" (and {len(packages) - 1} other{'s' if len(packages) > 2 else ''})" if len(packages) > 1 else ""
    shown = (
        name
        if len(names) == 1
        else f"{', '.join(names[:-1])} and {names[-1]}"
        if len(names) < 4
        else f"{name} and {len(names) - 1} more"
    )
    subjects_ = subjects(view, [user.root for user in users], _files(needs))
    provider = brought_by(name)
    if provider is not None and provider in view.effective:
        subjects_ = [subjects_[0], *dict.fromkeys((view.named(provider), *subjects_[1:]))]
    confidence: Confidence = "certain" if first.sure else "likely"
    return RULE.finding(
        f"{who}{others} needs {shown}, {_reason(view, name, needs[0], shipper)}",
        subjects_,
        evidence=list(_evidence(view, name, users, needs, shipper)),
        fixes=each_once(_fixes(view, name, users, needs, shipper)),
        key=f"library:{base_name(name)}",
        severity=first.severity,
        confidence=confidence,
    )


def _files(needs: list[Missing]) -> list[Loaded | Root]:
    """The files that ask, then the modules through which they are loaded."""
    return [*(need.asker for need in needs), *(need.root for need in needs)]


def _reason(view: View, name: str, need: Missing, shipper: Distribution | None) -> str:
    if shipper is not None:
        return f"which {shipper.name} brought and which is gone"
    if grafted(name) and not need.elsewhere:
        return "which its wheel brought and which is gone"
    other = python_of(name)
    if other is not None:
        return f"which is the library of Python {other}, and this is Python {view.python_short or 'of another version'}"
    if need.passed:
        path, reason = need.passed[-1]
        return f"and {view.inside(path)} cannot be loaded ({reason})"
    provider = brought_by(name)
    installed = view.effective.get(provider or "")
    if installed is not None and installed.name != need.root.distribution:
        return f"which {installed.name} {installed.version or ''} does not have".replace("  ", " ")
    if need.elsewhere:
        return f"which stands where the loader does not look: {view.inside(need.elsewhere[0])}"
    return "which no library path provides"


def _evidence(view: View, name: str, users: list[Failure], needs: list[Missing], shipper: Distribution | None) -> Iterator[str]:
    shown: set[str] = set()
    for user in users:
        for line in evidence_of(user, name):
            if line not in shown and len(shown) < SHOWN + 1:
                shown.add(line)
                yield line
    if len(users) > SHOWN:
        yield f"{len(users)} files fail so"
    need = needs[0]
    yield f"{view.inside(need.asker.path)}: needs {name}"
    places = [view.inside(folder) or "." for folder in need.searched[:SHOWN]]
    system = "the system's library cache and default folders"
    if need.asker.part.no_default_folders:
        system = "not the system's default folders, by its own flag"
    if "/" not in name and view.snapshot.target.system == "linux":
        yield f"searched: {', '.join([*places, system])}"
    for path, reason in need.passed[:3]:
        yield f"{view.inside(path)}: {reason}"
    for path in need.elsewhere[:3]:
        yield f"{view.inside(path)} has that name; the search for {base_name(need.asker.path)} does not lead there"
    if shipper is not None:
        yield f"{view.in_site(shipper.site, shipper.path)}/RECORD lists {base_name(name)}"
    provider = brought_by(name)
    if provider is not None and (dist := view.effective.get(provider)) is not None:
        yield f"{dist.name} {dist.version} is installed"


def _fixes(view: View, name: str, users: list[Failure], needs: list[Missing], shipper: Distribution | None) -> Iterator[Fix]:
    remedy = view.remedy
    dists = distributions(view, [user.root for user in users])
    verify = [remedy.importing(label(users[0].root, users[0].why))] if users[0].root.module or users[0].why else []
    provider = brought_by(name)
    installed = view.effective.get(provider or "")
    if shipper is not None or (((grafted(name) and not needs[0].elsewhere) or python_of(name)) and dists):
        broken = [shipper] if shipper is not None else dists
        yield remedy.fix(
            f"install {', '.join(d.name for d in broken)} again",
            remedy.reinstall(*broken),
            RULE.code,
            safety=remedy.safety("safe", broken[0]),
            verify=verify,
        )
        return
    if installed is not None and dists and installed not in dists:
        both = [installed, *dists]
        yield remedy.manual(
            f"take {' and '.join(d.name for d in both)} from one index, so that they are builds for each other: "
            f"{_build(installed)} is here",
            RULE.code,
        )
        return
    if provider is not None and installed is None and dists:
        yield remedy.fix(
            f"install {provider}, which brings {name}",
            remedy.install(provider, dist=dists[0]),
            RULE.code,
            safety=remedy.safety("unsafe", dists[0]),
            verify=verify,
        )
        return
    own = needs[0].elsewhere and all(path in view.loads.files for path in needs[0].elsewhere)
    if (own or needs[0].passed) and dists:
        yield remedy.fix(
            f"install {dists[0].name} again, or another version of it: its files do not find each other",
            remedy.reinstall(dists[0]),
            RULE.code,
            safety=remedy.safety("unsafe", dists[0]),
            verify=verify,
        )
    yield from remedy.system_library(name, RULE.code, dist=dists[0] if dists else None, verify=verify)


def _build(dist: Distribution) -> str:
    return f"{dist.name} {dist.version}"
