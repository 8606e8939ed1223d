"""LD_LIBRARY_PATH, LD_PRELOAD or DYLD_* make another copy of a library load than the one the environment ships.

## Why it matters
The dynamic loader looks into LD_LIBRARY_PATH before the places that most libraries name themselves. A CUDA toolkit
there makes torch load its cuBLAS or nvJitLink instead of the wheel's, and the import fails with an undefined symbol, or
it works until the next update. LD_PRELOAD loads a file into every process; one that is missing makes every program
print an error.

## How it is found
Names of libraries in the folders of the variable, compared with the libraries that the environment ships and that its
own extension modules and libraries ask for by that name. Files that find their libraries by DT_RPATH are left out: the
loader follows DT_RPATH first. A preloaded file counts by its soname. It is an error where a file of the environment needs a
symbol or a symbol version that the environment's copy has and the other one has not.

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
    searched = [folder for folder in folders if folder.libraries or folder.preload]
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
    overrides = view.snapshot.shell.overrides
    unfit = {override.path for override in overrides if not override.fits}
    lacking = {(override.variable, override.name): override for override in overrides if override.lacks}
    preloaded = {override.name: override for override in overrides if override.fits}
    winners: dict[str, LibraryFolder] = {}
    for folder in sorted(folders, key=lambda folder: not folder.preload):
        for name in folder.libraries:
            if name in shipped and f"{folder.path}/{name}" not in unfit:
                winners.setdefault(name, folder)
        for name, override in preloaded.items():
            if folder.preload and override.variable == folder.variable and _same_file(override.path, folder.path):
                winners.setdefault(name, folder)
    if not winners:
        return
    inherited = _inherits_rpath(view)
    asking: dict[str, list[tuple[NativeFile, Slice]]] = {}
    for native in view.snapshot.natives:
        for part in native.slices:
            immune = part.rpath and not part.runpath  # DT_RPATH is searched before the variable
            for needed in part.needed:
                name = needed.rpartition("/")[2]
                if name not in winners or (immune and not winners[name].preload):
                    continue
                if winners[name].preload or not (inherited and _in_lib(view, shipped[name])):
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
            evidence.append(f"{name}: {_file(winners[name], name)} comes before {view.inside(shipped[name])}")
            evidence.append(f"{view.inside(_path(view, native))} asks for {name}; files that do: {len(asking[name])}")
        broken = [lacking[variable, name] for name in names if (variable, name) in lacking]
        for override in broken[:SHOWN]:
            lacks = ", ".join(override.lacks[:3])
            evidence.append(f"{override.name}: {view.inside(override.asker or '')} needs {lacks}, which {override.path} lacks")
        if broken:
            first, confidence = broken[0].name, "likely"
        effect = f", and it lacks {broken[0].lacks[0]}" if broken else ""
        yield RULE.finding(
            f"{variable} makes {_file(winners[first], first)} load instead of the environment's own{effect}{more}",
            [
                Subject("variable", variable),
                *(view.named(owner) for owner in owners),
                *(view.file(shipped[name]) for name in names[:SHOWN]),
            ],
            evidence=evidence,
            fixes=[_fix(view, variable)],
            key=variable,
            severity="error" if broken else None,
            confidence=confidence,
        )


def _file(folder: LibraryFolder, name: str) -> str:
    return folder.path if folder.preload else f"{folder.path}/{name}"


def _same_file(full: str, named: str) -> bool:
    return full == named or full.endswith("/" + named.removeprefix("./"))


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
