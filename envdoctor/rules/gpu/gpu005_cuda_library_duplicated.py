"""Two copies of a CUDA library can both be loaded, and order or a variable decides which.

## Why it matters
A process holds one `libcudnn.so.9`: whoever is imported first brings its own, and the others get that one. Where they are
of different versions, the same program works or fails by the order of its imports. cuDNN is worst: it opens its parts
(`libcudnn_ops.so.9`, …) by name when they are used, and may find those of a folder in LD_LIBRARY_PATH:
`CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH`.

## How it is found
For every extension module the files that the loader would map are worked out; where modules of two distributions find
another file for one name of cuDNN, NCCL, cuBLAS or another of NVIDIA's libraries, both can meet. And folders in
LD_LIBRARY_PATH with a library of the same name as one that the environment ships.

## Look-alikes that are fine
- One file under several names, and copies with the same size and name.
- CUDA's runtime and the like, which serve all users of their major version.
- Copies of different major versions: they have different names (GPU004).
- Modules with DT_RPATH, and a cuDNN that has it (NVIDIA's wheels of late): they find their own whatever LD_LIBRARY_PATH says.
- A copy in the system that nothing here would find.

## How to fix
Take LD_LIBRARY_PATH out of the shell; let all frameworks use one copy (NVIDIA's wheels, or conda's packages).

## Example
`LD_LIBRARY_PATH decides on cuDNN: /usr/local/cuda/lib64/libcudnn.so.9 comes before the environment's own`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.accelerators import role
from envdoctor.data.cuda import ROLES
from envdoctor.finding import Finding, Subject
from envdoctor.rules.base import Rule
from envdoctor.snapshot import LibraryFolder, NativeFile
from envdoctor.view import View

RULE = Rule(
    "GPU005",
    "cuda-library-duplicated",
    "warning",
    reads=("natives", "libraries", "shell", "distributions", "machine", "sites"),
    messages=("CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED", "cuDNN version incompatibility: PyTorch was compiled"),
)

DECISIVE = ("cuDNN", "NCCL", "cuBLAS", "cuSPARSELt", "NVSHMEM")
"""Libraries whose versions inside one major are not the same to their users; CUDA's runtime is."""


def check(view: View) -> Iterator[Finding]:
    """One finding for each library that a variable decides on, and each that two distributions find in different places."""
    own = _own(view)
    if not own and not _asked(view):
        return
    told: set[str] = set()
    if not view.snapshot.target.foreign and view.accelerators.own_shell:
        for folder in view.snapshot.shell.library_folders:
            if folder.exists and not folder.preload and not folder.of_target:
                names = {name: title for name in sorted(folder.libraries) if name in own and (title := _title(name)) not in told}
                names = {n: title for n, title in names.items() if title in DECISIVE and _counts(view, folder, n, own)}
                if names:
                    told.update(names.values())
                    yield _by_variable(view, folder, names, own)
    yield from _by_order(view, told)


def _title(name: str) -> str:
    known = role(name)
    return ROLES[known[0]] if known else name


def _counts(view: View, folder: LibraryFolder, name: str, own: dict[str, list[NativeFile]]) -> bool:
    """The folder's copy would be used: cuDNN opens its parts by name, and finds its own first where it has DT_RPATH; others
    count where some module is found to load them from there."""
    if name.startswith("libcudnn_"):
        main = own.get(f"libcudnn.so.{name.rpartition('.')[2]}", ())
        return not any(part.rpath for file in main for part in file.slices)
    path = f"{folder.path.rstrip('/')}/{name}"
    return any(loaded.path == path for root in view.loads.roots for loaded in view.loads.scope(root))


def _asked(view: View) -> bool:
    return any(map(role, view.needed_names))


def _own(view: View) -> dict[str, list[NativeFile]]:
    """The environment's own copies, by name; parts of cuDNN, which it opens by name, among them."""
    found: dict[str, list[NativeFile]] = {}
    for file in (*view.snapshot.natives, *view.snapshot.libraries):
        name = file.path.rpartition("/")[2]
        if name.startswith(("libcu", "libnccl", "libnv")) and role(name) and (file.folder >= 0 or _inside(view, file.path)):
            found.setdefault(name, []).append(file)
    return found


def _inside(view: View, path: str) -> bool:
    return path.startswith(f"{view.snapshot.target.prefix.rstrip('/')}/")


def _path(view: View, file: NativeFile) -> str:
    return view.in_site(file.folder, file.path) if file.folder >= 0 else view.inside(file.path)


def _by_variable(view: View, folder: LibraryFolder, names: dict[str, str], own: dict[str, list[NativeFile]]) -> Finding:
    first = min(names, key=lambda name: (names[name] not in DECISIVE, name))
    mine = own[first][0]
    titles = sorted(set(names.values()), key=lambda title: (title != names[first], title))
    shown = f"{' and '.join(titles[:2])}{' and others' if len(titles) > 2 else ''}"
    owners = sorted({file.owner for name in names for file in own[name] if file.owner}, key=lambda o: (o != mine.owner, o))
    return RULE.finding(
        f"{folder.variable} decides on {shown}: {folder.path}/{first} comes before the environment's own",
        [
            *(view.named(owner) for owner in owners[:1]),
            Subject("variable", folder.variable),
            *(view.named(owner) for owner in owners[1:]),
            view.file(f"{folder.path}/{first}"),
        ],
        evidence=[
            f"{folder.variable} holds {folder.path}, with {', '.join(list(names)[:6])}",
            f"the environment has {_path(view, mine)}" + (f", of {mine.owner}" if mine.owner else ""),
            "files with DT_RPATH find their own; libraries that are opened by name find the variable's",
        ],
        fixes=[
            view.remedy.manual(
                f"unset {folder.variable} where this environment is used",
                RULE.code,
                commands=[("env", "-u", folder.variable, view.snapshot.interpreter.path, "-V")],
            )
        ],
        key=folder.variable,
        confidence="likely",
    )


def _by_order(view: View, told: set[str]) -> Iterator[Finding]:
    """Libraries of one name for which modules of two distributions find different files."""
    if not _asked(view):
        return
    found: dict[str, dict[str, tuple[str, NativeFile]]] = {}
    for root in view.loads.roots:
        if root.kind != "extension" or root.distribution is None:
            continue
        for loaded in view.loads.scope(root):
            name = loaded.part.soname or loaded.name.rpartition("/")[2]
            if role(name):
                real = loaded.file.real or loaded.path
                found.setdefault(name, {}).setdefault(real, (root.distribution, loaded.file))
    by_title: dict[str, tuple[str, dict[str, tuple[str, NativeFile]]]] = {}
    for name, places in sorted(found.items()):
        known = role(name)
        title = ROLES[known[0]] if known else name
        if title not in DECISIVE:
            continue
        users = {distribution for distribution, _ in places.values()}
        if len(places) > 1 and len(users) > 1 and title not in told and len({file.size for _, file in places.values()}) > 1:
            by_title.setdefault(title, (name, places))
    for title, (name, places) in by_title.items():
        lines = [f"{distribution} finds {view.inside(path)}" for path, (distribution, _) in sorted(places.items())]
        askers = sorted({distribution for distribution, _ in places.values()})
        yield RULE.finding(
            f"{', '.join(askers)} bring {len(places)} copies of {title} ({name}); the first that is imported decides",
            [*(view.named(user) for user in askers), *(view.file(path) for path in sorted(places)[:5])],
            evidence=lines[:8],
            fixes=[
                view.remedy.manual(
                    f"let {', '.join(askers)} use one copy: all NVIDIA's wheels, or all conda's packages", RULE.code
                )
            ],
            key=f"order:{title}",
            confidence="possible",
        )
