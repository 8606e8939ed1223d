"""LD_LIBRARY_PATH, LD_PRELOAD or DYLD_* make another copy of a library load than the one the environment ships.

## Why it matters
The dynamic loader looks into LD_LIBRARY_PATH before the places that most libraries name themselves. A CUDA toolkit
there makes torch load its cuBLAS or nvJitLink instead of the wheel's, and the import fails with an undefined symbol, or
it works until the next update. LD_PRELOAD loads a file into every process; one that is missing makes every program
print an error.

## How it is found
Names of libraries in the folders of the variable, compared with the libraries that the environment ships and that its
own extension modules and libraries ask for by that name. Files that find their libraries by DT_RPATH are left out: the
loader follows DT_RPATH first. Whether versions or symbols then miss is the business of the LIB rules.

## Look-alikes that are fine
- Folders of the environment itself.
- Folders without a library of a name that the environment ships.
- Files with DT_RPATH, as in most wheels repaired by auditwheel.

## How to fix
Unset the variable where the environment is used, and set it only for the program that needs it.

## Example
    warning PTH004 library-path-override · LD_LIBRARY_PATH
      LD_LIBRARY_PATH makes /usr/local/cuda-11.8/lib64/libcublas.so.11 load instead of the environment's own
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Confidence, Finding, Fix, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import LibraryFolder, NativeFile, Slice
from envdoctor.view import View

RULE = Rule("PTH004", "library-path-override", "warning", reads=("shell", "natives", "sites", "interpreter", "distributions"))
SHOWN = 5


def check(view: View) -> Iterator[Finding]:
    """One finding for each variable that overrides something, one for each preloaded file that is missing."""
    if view.snapshot.target.foreign:
        raise Skip("the target belongs to another machine than this shell")
    folders = [folder for folder in view.snapshot.shell.library_folders if not folder.of_target]
    for folder in folders:
        if folder.preload and not folder.exists:
            yield _missing_preload(view, folder)
    searched = [folder for folder in folders if folder.libraries]
    if searched:
        yield from _overridden(view, searched)


def _missing_preload(view: View, folder: LibraryFolder) -> Finding:
    return RULE.finding(
        f"{folder.variable} names {folder.path}, which is not there",
        [Subject("variable", folder.variable), view.file(folder.path)],
        evidence=[f"{folder.variable} holds {folder.path}", "no such file"],
        fixes=[_fix(view, folder.variable)],
        key=f"preload:{folder.path.rpartition('/')[2]}",
    )


def _overridden(view: View, folders: list[LibraryFolder]) -> Iterator[Finding]:
    shipped: dict[str, str] = {}
    for native in view.snapshot.natives:
        path = _path(view, native)
        shipped.setdefault(path.rpartition("/")[2], path)
        for part in native.slices:
            if part.soname:
                shipped.setdefault(part.soname.rpartition("/")[2], path)
    winners: dict[str, LibraryFolder] = {}
    for folder in folders:
        for name in folder.libraries:
            if name in shipped:
                winners.setdefault(name, folder)
    if not winners:
        return
    inherited = _inherits_rpath(view)
    asking: dict[str, list[tuple[NativeFile, Slice]]] = {}
    for native in view.snapshot.natives:
        for part in native.slices:
            if part.rpath and not part.runpath:
                continue  # DT_RPATH is searched before the variable
            for needed in part.needed:
                name = needed.rpartition("/")[2]
                if name in winners and not (inherited and _in_lib(view, shipped[name])):
                    asking.setdefault(name, []).append((native, part))
    for variable in sorted({winners[name].variable for name in asking}):
        names = sorted(name for name in asking if winners[name].variable == variable)
        runpath = any(part.runpath for name in names for _, part in asking[name])
        confidence: Confidence = "likely" if runpath else "possible"
        first = names[0]
        more = f", and {len(names) - 1} more libraries" if len(names) > 1 else ""
        owners = sorted({owner for name in names for owner in [_owner(view, shipped[name])] if owner})
        evidence = []
        for name in names[:SHOWN]:
            native, _ = asking[name][0]
            evidence.append(f"{name}: {winners[name].path}/{name} comes before {view.inside(shipped[name])}")
            evidence.append(f"{view.inside(_path(view, native))} asks for {name}; files that do: {len(asking[name])}")
        yield RULE.finding(
            f"{variable} makes {winners[first].path}/{first} load instead of the environment's own{more}",
            [
                Subject("variable", variable),
                *(view.named(owner) for owner in owners),
                *(view.file(shipped[name]) for name in names[:SHOWN]),
            ],
            evidence=evidence,
            fixes=[_fix(view, variable)],
            key=variable,
            confidence=confidence,
        )


def _path(view: View, native: NativeFile) -> str:
    return f"{view.snapshot.sites[native.folder].path}/{native.path}" if native.folder >= 0 else native.path


def _inherits_rpath(view: View) -> bool:
    """The interpreter itself has DT_RPATH (conda's has), which holds for everything it loads."""
    binary = view.snapshot.interpreter.binary
    return binary is not None and any(part.rpath and not part.runpath for part in binary.slices)


def _in_lib(view: View, path: str) -> bool:
    return path.rpartition("/")[0] == f"{view.snapshot.target.prefix}/lib"


def _owner(view: View, path: str) -> str | None:
    """The distribution that provides the top folder of a shipped library, where one does."""
    for _, site in view.active_sites:
        if path.startswith(site.path + "/"):
            top = path[len(site.path) + 1 :].split("/", 1)[0]
            plain = top.removesuffix(".libs")
            for dist in view.effective.values():
                if plain in dist.import_names or plain == dist.name.replace("-", "_"):
                    return dist.name
    return None


def _fix(view: View, variable: str) -> Fix:
    return view.remedy.manual(
        f"unset {variable} where this environment is used",
        RULE.code,
        commands=[("env", "-u", variable, view.snapshot.interpreter.path, "-V")],
    )
