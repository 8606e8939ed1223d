"""Two OpenMP runtimes will meet in one process.

## Why it matters
Two copies of the runtime of LLVM and Intel (libomp, libiomp5) in one process notice each other when the second one starts its
first parallel part, and end the program: `OMP: Error #15: Initializing libiomp5.so, but found libomp.so already
initialized`. Where that is switched off (KMP_DUPLICATE_LIB_OK) the copies compete for the processors, and results
have been wrong. Copies of GNU's runtime (libgomp) get along; they only start more threads than there are processors.

## How it is found
For every extension module the files that the loader would map are worked out; those that are OpenMP runtimes are collected by
distribution. Two of the LLVM and Intel family, different files with links followed, meet for certain when one distribution
brings both or requires the other, or when a third one requires both.

## Look-alikes that are fine
- Several copies of libgomp, as torch, scikit-learn, lightgbm and xgboost bring them: info.
- libgomp beside one libomp or libiomp5: info.
- Two copies under one name, which the loader takes for one: whoever comes second gets the first one's.
- conda's `_openmp_mutex`, where libgomp.so.1 and libiomp5.so are links to one libomp.so: one file, silent.
- Two of the family in distributions that have nothing to do with each other: info, as long as no program imports both.

## How to fix
Take both distributions from one source that shares the runtime (conda-forge's llvm-openmp), or builds without their own copy,
or use them in different processes. KMP_DUPLICATE_LIB_OK only hides it.

## Example
A wheel that vendors Intel's libiomp5.so beside one that vendors LLVM's libomp.so, imported by one program.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import msgspec

from envdoctor.finding import Finding, Subject
from envdoctor.lazy import pattern
from envdoctor.loader.model import Root, base_name
from envdoctor.natives import some
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import NativeFile
from envdoctor.view import View

RULE = Rule(
    "LIB005",
    "openmp-duplicated",
    "warning",
    reads=("natives", "libraries", "distributions", "machine"),
    messages=(
        "OMP: Error #15: Initializing {library}, but found {other} already initialized",
        "Found Intel OpenMP ('libiomp') and LLVM OpenMP ('libomp') loaded at the same time",
        "OMP: Error #13",
        "MKL_THREADING_LAYER=INTEL is incompatible with {library}",
    ),
)

_RUNTIME = pattern(r"(?i)^(?:lib)?(gomp|iomp5(?:md)?|omp5?|omp140\.[a-z0-9_]+)(?:[-.][^/]*)?\.(?:so|dylib|dll)(?:\.[\w.]+)?$")


class Runtime(msgspec.Struct):
    """One OpenMP runtime, as a file, and who loads it."""

    path: str
    """The path by which it is loaded."""
    names: set[str] = msgspec.field(default_factory=set)
    """Names under which it is found loaded."""
    users: dict[str, Root] = msgspec.field(default_factory=dict)
    """The distributions (or top-level names) whose modules bring it in, and one such module of each."""

    @property
    def llvm(self) -> bool:
        """Of the LLVM and Intel family."""
        match = _RUNTIME.match(base_name(self.path))
        return match is not None and match[1].lower() != "gomp"


def check(view: View) -> Iterator[Finding]:
    """A warning for each pair of runtimes that surely meet; one remark for all that may."""
    loads = view.loads
    if loads.reason is not None and not loads.roots:
        raise Skip(loads.reason)
    files = {
        path: file
        for path, file in loads.files.items()
        if "omp" in path and file.kind == "library" and _RUNTIME.match(base_name(path))
    }
    if len({file.real or path for path, file in files.items()}) < 2:
        return
    runtimes = _runtimes(view, files)
    met: list[Runtime] = []
    for one, other in combinations(runtimes, 2):
        if one.llvm and other.llvm and not _one_for_both(view, one, other):
            meeting = _meeting(view, one.users, other.users)
            if meeting is not None:
                met += [one, other]
                yield _pair(view, one, other, meeting)
    if any(not _one_for_both(view, one, other) for one, other in combinations(runtimes, 2) if one not in met or other not in met):
        yield _remark(view, runtimes)


def _runtimes(view: View, files: dict[str, NativeFile]) -> list[Runtime]:
    """The runtimes that extension modules bring in, by path; links to one file are one."""
    names = {base_name(path) for path in files}
    names.update(part.soname for file in files.values() for part in file.slices if part.soname)
    found: dict[str, Runtime] = {}
    for pairs in view.loads.bringing(frozenset(names)).values():
        for root, loaded in pairs:
            file = files.get(loaded.path)
            if file is None or root.kind != "extension":
                continue
            runtime = found.setdefault(file.real or loaded.path, Runtime(loaded.path))
            runtime.names.update(base_name(name) for name in (loaded.name, loaded.part.soname) if name)
            key = root.distribution or root.module.partition(".")[0]
            if key not in runtime.users or root.module < runtime.users[key].module:
                runtime.users[key] = root
    return [found[path] for path in sorted(found)]


def _one_for_both(view: View, one: Runtime, other: Runtime) -> bool:
    """Whoever comes second finds the first one's loaded: loaders of Linux and Windows compare names before they search."""
    return view.snapshot.target.system != "macos" and not one.names.isdisjoint(other.names)


def _meeting(view: View, one: dict[str, Root], other: dict[str, Root]) -> str | None:
    """Why modules of both are in one process, None where nothing shows it."""
    for name in sorted(one):
        if name in other:
            return f"{name} loads both: {one[name].module} and {other[name].module}"
    for first, second in ((one, other), (other, one)):
        for name in sorted(first):
            required = view.requires(name)
            for each in sorted(second):
                if each in required:
                    return f"{name} requires {each}"
    for name in sorted(view.effective):
        if name in one or name in other:
            continue
        required = view.requires(name)
        if required:
            left, right = sorted(required & one.keys()), sorted(required & other.keys())
            if left and right:
                return f"{name} requires {left[0]} and {right[0]}"
    return None


def _subjects(view: View, runtimes: list[Runtime]) -> list[Subject]:
    names = sorted({name for runtime in runtimes for name in runtime.users})
    return [*map(view.named, names), *(view.file(runtime.path) for runtime in runtimes)]


def _line(view: View, runtime: Runtime) -> str:
    name = min(runtime.users)
    others = f" and {len(runtime.users) - 1} more" if len(runtime.users) > 1 else ""
    return f"{view.inside(runtime.path)} is loaded by {runtime.users[name].module} of {name}{others}"


def _pair(view: View, one: Runtime, other: Runtime, meeting: str) -> Finding:
    first, second = min(one.users), min(other.users)
    who = f"{first} loads" if first == second else f"{first} and {second} load"
    return RULE.finding(
        f"{who} two OpenMP runtimes into one process, {base_name(one.path)} and {base_name(other.path)}: "
        "the second one may end the program",
        _subjects(view, [one, other]),
        evidence=[_line(view, one), _line(view, other), meeting],
        fixes=[
            view.remedy.manual(
                "take both from one source that shares the runtime (conda-forge), or use them in different processes; "
                "KMP_DUPLICATE_LIB_OK=TRUE only hides it",
                RULE.code,
            )
        ],
        key=f"{first}:{second}:{base_name(one.path)}:{base_name(other.path)}",
        confidence="likely",
    )


def _remark(view: View, runtimes: list[Runtime]) -> Finding:
    families = sorted({"libomp or libiomp5" if runtime.llvm else "libgomp" for runtime in runtimes})
    return RULE.finding(
        f"{len(runtimes)} OpenMP runtimes ({' and '.join(families)}) stand in this environment; a program that imports them "
        "together starts the threads of each",
        [view.environment_subject(), *_subjects(view, runtimes)],
        evidence=some([_line(view, each) for each in runtimes], len(runtimes), 6),
        fixes=[
            view.remedy.manual(
                "nothing to mend as long as programs run well; OMP_NUM_THREADS or threadpoolctl bounds the number of threads",
                RULE.code,
            )
        ],
        key="remark",
        severity="info",
        confidence="possible",
    )
