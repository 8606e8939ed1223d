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
- conda's `_openmp_mutex`, where libgomp.so.1 and libiomp5.so are links to one libomp.so: one file, silent.
- Two of the family in distributions that have nothing to do with each other: info, as long as no program imports both.

## How to fix
Take both distributions from one source that shares the runtime (conda-forge's llvm-openmp), or builds without their own copy,
or use them in different processes. KMP_DUPLICATE_LIB_OK only hides it.

## Example
A wheel that vendors Intel's libiomp5.so beside one that vendors LLVM's libomp.so, imported by one program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from envdoctor.finding import Finding, Subject
from envdoctor.loader.model import Root, base_name
from envdoctor.natives import some
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import NativeFile
from envdoctor.view import View

RULE = Rule("LIB005", "openmp-duplicated", "warning", reads=("natives", "libraries", "distributions", "machine"))

_RUNTIME = re.compile(r"(?i)^(?:lib)?(gomp|iomp5(?:md)?|omp5?|omp140\.[a-z0-9_]+)(?:[-.][^/]*)?\.(?:so|dylib|dll)(?:\.[\w.]+)?$")


class Runtime(NamedTuple):
    """One OpenMP runtime, as a file."""

    path: str
    """Links followed."""
    file: NativeFile
    shown: str
    """The path by which it is loaded."""

    @property
    def llvm(self) -> bool:
        """Of the LLVM and Intel family."""
        match = _RUNTIME.match(base_name(self.shown))
        return match is not None and match[1].lower() != "gomp"


def check(view: View) -> Iterator[Finding]:
    """A warning for each pair of runtimes that surely meet; one remark for all that may."""
    loads = view.loads
    if loads.reason is not None and not loads.roots:
        raise Skip(loads.reason)
    runtimes = {
        path: Runtime(file.real or path, file, path)
        for path, file in loads.files.items()
        if ("omp" in path) and _RUNTIME.match(base_name(path)) and file.kind == "library"
    }
    if len({runtime.path for runtime in runtimes.values()}) < 2:
        return
    users = _users(view, runtimes)
    if len(users) < 2:
        return
    told: set[str] = set()
    for one, other in combinations(sorted(users), 2):
        if not (users[one][0].llvm and users[other][0].llvm):
            continue
        meeting = _meeting(view, users[one][1], users[other][1])
        if meeting is not None:
            told |= {one, other}
            yield _pair(view, users[one], users[other], meeting)
    if len(users) > len(told):
        yield _remark(view, users)


Users = tuple[Runtime, dict[str, Root]]


def _users(view: View, runtimes: dict[str, Runtime]) -> dict[str, Users]:
    """For each runtime, by its real path, the distributions (or top-level names) whose modules bring it in, and one such
    module of each."""
    names: set[str] = set()
    for path, runtime in runtimes.items():
        names.add(base_name(path))
        names.update(part.soname for part in runtime.file.slices if part.soname)
    found: dict[str, Users] = {}
    for pairs in view.loads.bringing(frozenset(names)).values():
        for root, loaded in pairs:
            brought = runtimes.get(loaded.path)
            if brought is None or root.kind != "extension":
                continue
            _, dists = found.setdefault(brought.path, (brought, {}))
            key = root.distribution or root.module.partition(".")[0]
            if key not in dists or root.module < dists[key].module:
                dists[key] = root
    return found


def _meeting(view: View, one: dict[str, Root], other: dict[str, Root]) -> str | None:
    """Why modules of both are in one process, None where nothing shows it."""
    process = view.process
    for name in sorted(one):
        if name in other:
            return f"{name} loads both: {one[name].module} and {other[name].module}"
    for first, second in ((one, other), (other, one)):
        for name in sorted(first):
            required = process.requires(name)
            for each in sorted(second):
                if each in required:
                    return f"{name} requires {each}"
    for name in sorted(view.effective):
        if name in one or name in other:
            continue
        required = process.requires(name)
        if required:
            left, right = sorted(required & one.keys()), sorted(required & other.keys())
            if left and right:
                return f"{name} requires {left[0]} and {right[0]}"
    return None


def _subjects(view: View, users: list[Users]) -> list[Subject]:
    names = sorted({name for _, dists in users for name in dists})
    found = [view.named(name) for name in names]
    return [*found, *(view.file(runtime.shown) for runtime, _ in users)]


def _line(view: View, users: Users) -> str:
    runtime, dists = users
    name = min(dists)
    others = f" and {len(dists) - 1} more" if len(dists) > 1 else ""
    return f"{view.inside(runtime.shown)} is loaded by {dists[name].module} of {name}{others}"


def _pair(view: View, one: Users, other: Users, meeting: str) -> Finding:
    first, second = min(one[1]), min(other[1])
    who = first if first == second else f"{first} and {second}"
    verb = "loads" if first == second else "load"
    return RULE.finding(
        f"{who} {verb} two OpenMP runtimes into one process, {base_name(one[0].shown)} and {base_name(other[0].shown)}: "
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
        key=f"{first}:{second}:{base_name(one[0].shown)}:{base_name(other[0].shown)}",
        confidence="likely",
    )


def _remark(view: View, users: dict[str, Users]) -> Finding:
    everyone = [users[path] for path in sorted(users)]
    families = sorted({"libomp or libiomp5" if runtime.llvm else "libgomp" for runtime, _ in everyone})
    return RULE.finding(
        f"{len(everyone)} OpenMP runtimes ({' and '.join(families)}) stand in this environment; a program that imports them "
        "together starts the threads of each",
        [view.environment_subject(), *_subjects(view, everyone)],
        evidence=some([_line(view, each) for each in everyone], len(everyone), 6),
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
