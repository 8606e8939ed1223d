"""A file needs symbol versions that the library which is loaded for it does not define.

## Why it matters
The import fails with ``libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by …)`` or ``libc.so.6: version
`GLIBC_2.38' not found``. The file was built on a newer system than this one, or an older copy of the library is found first.

## How it is found
Each library that the dynamic loader would pick is known (see LIB001), and so are the versions that it defines. They are
compared with those that every file loaded with it asks for, as the loader does at start. Findings are put together by the
library and the highest version that is missing. With `--machine` the other computer's libraries count; where a snapshot
does not have them, the version of its C library alone.

## Look-alikes that are fine
- Needs that are marked weak: the loader goes on without them.
- A newer copy of the library in the environment that comes first by RPATH, as conda's libstdc++ does.
- A library without any version: the loader takes it and says so at most.
- musl, which does not look at versions.
- Libraries that no extension module leads to and no code opens when its package is imported.

## How to fix
Use an older release of the package, or a build for this system; a newer operating system; in conda environments a newer
libstdcxx. Where LD_LIBRARY_PATH puts the old copy first, unset it.

## Example
    error   LIB002 symbol-version-missing · pyzmq 26.0.3
      zmq needs GLIBCXX_3.4.32, which /usr/lib/x86_64-linux-gnu/libstdc++.so.6 does not define
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Severity
from envdoctor.loader.model import VersionProblem, base_name, folder_of, normal
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.lib._loading import SHOWN, Weights, chain_line, distributions, each_once, label, subjects
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

RULE = Rule(
    "LIB002",
    "symbol-version-missing",
    "error",
    reads=("natives", "libraries", "machine", "imported_modules", "distributions", "sites", "interpreter", "shell"),
    messages=(
        "version `{version}' not found (required by {library})",
        "undefined symbol: {symbol}, version {version}",
        "symbol {symbol} version {version} not defined in file {library} with link time reference",
    ),
)
_C_LIBRARY = ("libc.so.", "libm.so.", "libpthread.so.", "libdl.so.", "librt.so.", "ld-linux", "ld64.so.")


class Problem(NamedTuple):
    """One file's need, judged."""

    problem: VersionProblem
    severity: Severity
    why: str
    sure: bool


def check(view: View) -> Iterator[Finding]:
    """One finding for each library and missing version."""
    loads = view.loads
    if loads.reason and not loads.version_problems:
        raise Skip(loads.reason)
    weights = Weights(view)
    failing: dict[str, set[str]] = {}
    for problem in loads.version_problems:
        failing.setdefault(problem.root.distribution or "", set()).add(problem.root.path)
    groups: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in (*loads.version_problems, *loads.version_problems_of_orphans):
        root = problem.root
        if root.kind == "stdlib":
            continue
        severity, why, sure = weights.of(root, len(failing.get(root.distribution or "", ())), gone=False)
        if root.kind == "library" and severity == "info":
            continue
        if weights.other_machine and not why and root.kind != "library":
            severity, sure = "error", True
        highest = max(problem.versions, key=_order)
        key = (
            "libc" if _of_c(problem.library) else problem.library,
            highest,
            "" if _of_c(problem.library) else problem.found or "",
        )
        groups.setdefault(key, []).append(Problem(problem, severity, why, sure))
    for (library, version, _), members in sorted(groups.items()):
        yield _finding(view, library, version, members)


def _of_c(library: str) -> bool:
    return library.startswith(_C_LIBRARY)


def _order(version: str) -> tuple[tuple[int, ...], str]:
    return tuple(int(number) for number in re.findall(r"\d{1,9}", version)), version


def _finding(view: View, library: str, version: str, members: list[Problem]) -> Finding:
    rank: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
    members = sorted(
        members, key=lambda m: (rank[m.severity], not m.sure, m.problem.root.distribution or "~", m.problem.root.path)
    )
    first = members[0]
    roots = [member.problem.root for member in members]
    packages = list(dict.fromkeys(root.distribution for root in roots if root.distribution))
    others = f" (and {len(packages) - 1} other{'s' if len(packages) > 2 else ''})" if len(packages) > 1 else ""
    found = first.problem.found
    if library == "libc":
        reason = f"this machine has {view.machine.libc or 'an older C library'}"
    else:
        reason = f"which {view.inside(found) if found else library} does not define"
    askers = [member.problem.asker for member in members]
    return RULE.finding(
        f"{label(roots[0], first.why)}{others} needs {version}, {reason}",
        subjects(view, roots, [*askers, *roots]),
        evidence=list(_evidence(view, members)),
        fixes=each_once(_fixes(view, library, version, members)),
        key=f"{library}:{version}",
        severity=first.severity,
        confidence="certain" if first.sure else "likely",
    )


def _evidence(view: View, members: list[Problem]) -> Iterator[str]:
    told: set[str] = set()
    for member in members:
        problem = member.problem
        if problem.asker.path in told or len(told) >= SHOWN:
            continue
        told.add(problem.asker.path)
        if len(problem.chain) > 1:
            yield chain_line(problem.root, problem.chain, problem.library)
        versions = ", ".join(problem.versions[-3:])
        yield f"{view.inside(problem.asker.path)}: needs {versions} of {problem.library}"
        if member.why:
            yield member.why
    askers = {member.problem.asker.path for member in members}
    if len(askers) > len(told):
        yield f"and {len(askers) - len(told)} more files"
    for path in sorted({member.problem.found for member in members if member.problem.found})[:3]:
        file = view.loads.files.get(path)
        defined = [v for part in file.slices for v in part.version_definitions] if file is not None else []
        family = max(members[0].problem.versions, key=_order).rpartition("_")[0]
        best = max((v for v in defined if v.rpartition("_")[0] == family), key=_order, default=None)
        if best is not None:
            yield f"{view.inside(path)}: defines up to {best}"
    if members[0].problem.found is None:
        yield f"the machine: {view.machine.libc}"


def _fixes(view: View, library: str, version: str, members: list[Problem]) -> Iterator[Fix]:
    remedy = view.remedy
    dists = distributions(view, [member.problem.root for member in members])
    found = members[0].problem.found
    folder = _variable(view, found)
    if folder is not None:
        yield remedy.manual(
            f"unset LD_LIBRARY_PATH, or take {folder} out of it: its {base_name(found or library)} is too old",
            RULE.code,
            commands=[("env", "-u", "LD_LIBRARY_PATH", view.snapshot.interpreter.path, "-V")],
        )
    owner = next((f.owner for f in [view.loads.files.get(found or "")] if f is not None and f.owner), None)
    if library != "libc" and owner is None and remedy.kind in ("conda", "pixi"):
        from envdoctor import system_packages

        spec = system_packages.conda(base_name(library))
        if spec:
            yield remedy.fix(f"bring {spec} of the environment up to date", remedy.conda_update(spec), RULE.code, safety="unsafe")
    if owner is not None and owner in view.effective and view.effective[owner] not in dists:
        pair = [view.effective[owner], *dists]
        yield remedy.fix(
            f"bring {owner} up to date, which has an older {library}",
            remedy.upgrade(pair[0]),
            RULE.code,
            safety=remedy.safety("unsafe", pair[0]),
        )
    if dists:
        names = ", ".join(dist.name for dist in dists[:3]) + (" …" if len(dists) > 3 else "")
        yield remedy.fix(
            f"install {names} again here, so that a build for this system is taken",
            remedy.reinstall(*dists[:12]),
            RULE.code,
            safety=remedy.safety("unsafe", dists[0]),
        )
    what = f"whose C library has {version}" if library == "libc" else f"whose {library} has {version}"
    yield remedy.manual(f"use an operating system (or base image) {what}, or an earlier release that needs less", RULE.code)


def _variable(view: View, found: str | None) -> str | None:
    """The folder of LD_LIBRARY_PATH that the library was found in."""
    for folder in view.snapshot.shell.library_folders if found else ():
        if folder.variable == "LD_LIBRARY_PATH" and not folder.preload and folder_of(found or "") == normal(folder.path):
            return folder.path
    return None
