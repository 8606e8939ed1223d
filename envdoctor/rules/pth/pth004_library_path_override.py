"""LD_LIBRARY_PATH, LD_PRELOAD or DYLD_* make another copy of a library load than the one the environment ships.

## Why it matters
The dynamic loader looks into LD_LIBRARY_PATH before the places that most libraries name themselves. A CUDA toolkit
there makes torch load its cuBLAS or nvJitLink instead of the wheel's, and the import fails with an undefined symbol, or
it works until the next update. LD_PRELOAD loads a file into every process; one that is missing makes every program
print an error.

## How it is found
Every extension module and library of the environment is followed twice as the dynamic loader does it, with the variables
and without them. What is then loaded from a folder of the variable, or preloaded, in the place of a file that the
environment ships is reported. Where DT_RPATH comes first nothing changes, and nothing is said. It is an error where a file
of the environment needs a symbol or a symbol version that the environment's copy has and the other one has not.

## Look-alikes that are fine
- Folders of the environment itself.
- Folders without a library of a name that the environment ships, or with one for another machine.
- Files with DT_RPATH, as in most wheels repaired by auditwheel.

## How to fix
Unset the variable where the environment is used, and set it only for the program that needs it.

## Example
    warning PTH004 library-path-override · LD_LIBRARY_PATH
      LD_LIBRARY_PATH makes /usr/local/cuda-11.8/lib64/libcublas.so.11 load instead of the environment's own
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from envdoctor.finding import Finding, Fix, Subject
from envdoctor.loader.model import Loaded, Loads, Root, folder_of, normal
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import LibraryFolder
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

RULE = Rule(
    "PTH004",
    "library-path-override",
    "warning",
    reads=("shell", "natives", "libraries", "machine", "sites", "interpreter", "distributions"),
    messages=(
        "undefined symbol: {symbol}",
        "version `{version}' not found (required by {library})",
        "symbol lookup error: {path}: undefined symbol: {symbol}",
    ),
)
SHOWN = 5


class Swap(NamedTuple):
    """A library that a variable puts in the place of one that the environment ships."""

    variable: str
    name: str
    """As it is asked for."""
    path: str
    """What is loaded."""
    own: str
    """What would be."""
    asker: str
    """The file that asks."""
    root: Root


def check(view: View) -> Iterator[Finding]:
    """One finding for each variable that overrides something, one for each preloaded file that is missing."""
    if view.snapshot.target.foreign:
        raise Skip("the target belongs to another machine than this shell")
    folders = [folder for folder in view.snapshot.shell.library_folders if not folder.of_target]
    for folder in folders:
        if folder.preload and not folder.exists:
            yield _missing_preload(view, folder)
    searched = [folder for folder in folders if folder.libraries or folder.preload]
    if searched and _of_interest(view, searched):
        if view.loads.reason and not view.loads.roots:
            raise Skip(view.loads.reason)
        yield from _overridden(view, searched)


def _of_interest(view: View, folders: list[LibraryFolder]) -> bool:
    """Something in the folders, or preloaded, bears a name that files of the target are asked for by."""
    if any(folder.preload and folder.exists for folder in folders):
        return True
    names = {name for folder in folders for name in folder.libraries}
    return any(need.rpartition("/")[2] in names for file in view.snapshot.natives for part in file.slices for need in part.needed)


def _missing_preload(view: View, folder: LibraryFolder) -> Finding:
    return RULE.finding(
        f"{folder.variable} names {folder.path}, which is not there",
        [Subject("variable", folder.variable), view.file(folder.path)],
        evidence=[f"{folder.variable} holds {folder.path}", "no such file"],
        fixes=[_fix(view, folder.variable)],
        key=f"preload:{folder.path.rpartition('/')[2]}",
    )


def _overridden(view: View, folders: list[LibraryFolder]) -> Iterator[Finding]:
    snapshot = view.snapshot
    shell = snapshot.shell
    kept = tuple(folder for folder in shell.library_folders if folder.of_target)
    names = {folder.variable for folder in folders}
    variables = {key: value for key, value in shell.variables.items() if key not in names}
    without = msgspec.structs.replace(shell, library_folders=kept, variables=variables)
    plain = View(msgspec.structs.replace(snapshot, shell=without))
    swaps = list(_swaps(view, plain.loads, folders))
    for variable in sorted({swap.variable for swap in swaps}):
        yield _finding(view, plain.loads, variable, [swap for swap in swaps if swap.variable == variable])


def _swaps(view: View, plain: Loads, folders: list[LibraryFolder]) -> Iterator[Swap]:
    """Where a file of the target loads something else than it would without the variables."""
    loads = view.loads
    variables = {normal(folder.path): folder.variable for folder in folders if not folder.preload}
    preload = next((folder.variable for folder in folders if folder.preload), "")
    preloaded: dict[str, Loaded] = {}
    for one in loads.process[1:]:
        if preload and one.by is None:
            preloaded.setdefault(one.name.rpartition("/")[2], one)
            if one.part.soname:
                preloaded.setdefault(one.part.soname.rpartition("/")[2], one)
    own = _own_folders(view)
    for root in (*plain.roots, *plain.orphans):
        now = {item.name: item for item in loads.scope(root)}
        for item in plain.scope(root):
            if item.by is None or not f"{item.path}/".startswith(own):
                continue
            other = now.get(item.name)
            asker = item.by.path
            if other is None:
                other = preloaded.get(item.name.rpartition("/")[2])
                if other is not None and other.path != item.path:
                    yield Swap(preload, item.name, other.path, item.path, asker, root)
            elif other.path != item.path and (variable := variables.get(folder_of(other.path))):
                yield Swap(variable, item.name, other.path, item.path, asker, root)


def _own_folders(view: View) -> tuple[str, ...]:
    """Beginnings of the paths of what the target ships."""
    snapshot = view.snapshot
    found = {site.path for site in snapshot.sites if site.of_target} | {snapshot.target.prefix}
    base = snapshot.interpreter.base_prefix
    if base and base not in ("/", "/usr", "/usr/local"):
        found.add(base)
    return tuple(f"{path.rstrip('/')}/" for path in found)


def _finding(view: View, plain: Loads, variable: str, swaps: list[Swap]) -> Finding:
    by_name: dict[str, list[Swap]] = {}
    for swap in swaps:
        by_name.setdefault(swap.name.rpartition("/")[2], []).append(swap)
    paths = {swap.path for swap in swaps}
    lacks: dict[str, str] = {}
    lines: list[str] = []
    for problem in (*view.loads.version_problems, *view.loads.version_problems_of_orphans):
        if problem.found in paths:
            name = problem.library.rpartition("/")[2]
            if name not in lacks:
                lacks[name] = problem.versions[-1]
                versions = ", ".join(problem.versions[:3])
                lines.append(f"{name}: {view.inside(problem.asker.path)} needs {versions}, which {problem.found} lacks")
    for override in view.snapshot.shell.overrides:
        if override.lacks and override.path in paths and override.name not in lacks:
            lacks[override.name] = override.lacks[0]
            symbols = ", ".join(override.lacks[:3])
            lines.append(f"{override.name}: {view.inside(override.asker or '')} needs {symbols}, which {override.path} lacks")
    before = {(need.root.path, need.name) for need in plain.missing}
    lost = next(
        (n for n in view.loads.missing if n.asker.path in paths and (n.root.path, n.name) not in before),
        None,
    )
    if lost is not None:
        lines.append(f"{lost.asker.path}: needs {lost.name}, which no library path provides")
    names = sorted(by_name, key=lambda name: (name not in lacks, name))
    first = by_name[names[0]][0]
    evidence: list[str] = []
    for name in names[:SHOWN]:
        one = by_name[name][0]
        askers = {swap.asker for swap in by_name[name]}
        evidence.append(f"{name}: {one.path} comes before {view.inside(one.own)}")
        evidence.append(f"{view.inside(one.asker)} asks for {name}; files that do: {len(askers)}")
    owners = {
        file.owner
        for swap in swaps
        for path in (swap.own, swap.asker)
        if (file := view.loads.files.get(path)) is not None and file.owner is not None
    } | {swap.root.distribution for swap in swaps if swap.root.distribution}
    more = f", and {len(names) - 1} more librar{'y' if len(names) == 2 else 'ies'}" if len(names) > 1 else ""
    effect = f", and it lacks {lacks[names[0]]}" if names[0] in lacks else ""
    return RULE.finding(
        f"{variable} makes {first.path} load instead of the environment's own{effect}{more}",
        [
            Subject("variable", variable),
            *(view.named(owner) for owner in sorted(owners)),
            *(view.file(by_name[name][0].own) for name in names[:SHOWN]),
        ],
        evidence=[*evidence, *lines[:SHOWN]],
        fixes=[_fix(view, variable)],
        key=variable,
        severity="error" if lacks or lost is not None else None,
        confidence="likely",
    )


def _fix(view: View, variable: str) -> Fix:
    return view.remedy.manual(
        f"unset {variable} where this environment is used",
        RULE.code,
        commands=[("env", "-u", variable, view.snapshot.interpreter.path, "-V")],
    )
