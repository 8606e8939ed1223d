"""A library that the interpreter or its standard library needs is missing or too old.

## Why it matters
`import ssl`, `sqlite3`, `ctypes` or `zlib` fails in every environment of this Python: it was built with a library that has
been removed or replaced since (an upgrade of OpenSSL, a slim image, a Python copied from another computer).

## How it is found
The extension modules of the standard library (`lib-dynload`) and the interpreter itself are followed through their needs as
the dynamic loader does it: a library that is nowhere, or one that does not define the symbol versions that are asked for.
One finding for each library. INT009 tells what that means for packages.

## Look-alikes that are fine
Modules that are built into the interpreter; `_tkinter`, `nis`, `_dbm` and `_gdbm`, whose libraries slim images leave out on
purpose, are reported as info only.

## How to fix
Install the library, or take a Python that was built for this system.

## Example
    error   LIB009 interpreter-library-wrong · lib/python3.11
      _ssl of the standard library needs libssl.so.1.1, which no library path provides
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix
from envdoctor.loader.model import Loaded, Root, VersionProblem, base_name
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.lib._loading import SHOWN, chain_line, each_once
from envdoctor.view import View

RULE = Rule(
    "LIB009",
    "interpreter-library-wrong",
    "error",
    reads=("interpreter", "libraries", "machine", "shell"),
    messages=(
        "error while loading shared libraries: {library}: cannot open shared object file",
        "error while loading shared libraries: libpython{version}",
        "Library not loaded: {path}libpython{version}",
        "symbol lookup error: {path}: undefined symbol: {symbol}",
    ),
)
OPTIONAL = frozenset(["_tkinter", "nis", "_dbm", "_gdbm", "ossaudiodev", "_testcapi"])
"""Modules that are often left without their library, and that few programs import."""


def check(view: View) -> Iterator[Finding]:
    """One finding for each library."""
    loads = view.loads
    if loads.reason and not loads.version_problems:
        raise Skip(loads.reason)
    if not any(root.kind == "stdlib" for root in loads.roots) and not loads.process:
        raise Skip("the standard library's modules cannot be read, or are built into the interpreter")
    missing: dict[str, list[tuple[Root, Loaded]]] = {}
    for need in loads.missing_of_process:
        missing.setdefault(need.name, []).append((need.root, need.asker))
    for needs in view.process.failing.values() if loads.reason is None else ():
        for need in needs:
            if need.root.kind == "stdlib":
                missing.setdefault(need.name, []).append((need.root, need.asker))
    for name in sorted(missing):
        yield _finding(view, name, missing[name], [])
    old: dict[str, list[VersionProblem]] = {}
    for problem in loads.version_problems:
        if problem.root.kind == "stdlib":
            old.setdefault(problem.library, []).append(problem)
    for name in sorted(old):
        yield _finding(view, name, [(problem.root, problem.asker) for problem in old[name]], old[name])


def _finding(view: View, name: str, users: list[tuple[Root, Loaded]], old: list[VersionProblem]) -> Finding:
    users = sorted(users, key=lambda user: (user[0].module in OPTIONAL, user[0].module, user[1].path))
    modules = list(dict.fromkeys(root.module for root, _ in users if root.module))
    starts = any(not root.module for root, _ in users)
    who = "the interpreter" if starts else f"{modules[0]} of the standard library"
    others = f" (and {len(modules) - 1} more)" if len(modules) > 1 and not starts else ""
    if old:
        versions = sorted({version for problem in old for version in problem.versions})
        found = next((problem.found for problem in old if problem.found), None)
        here = view.inside(found) if found else name
        verdict = f"{who}{others} needs {versions[-1]}, which {here} does not define"
    else:
        verdict = f"{who}{others} needs {base_name(name)}, which no library path provides"
    lines: list[str] = []
    for root, asker in users[:SHOWN]:
        if root.module:
            lines.append(chain_line(root, asker.chain, name))
        lines.append(f"{view.inside(asker.path)}: needs {name}")
    for problem in old[:SHOWN]:
        lines.append(f"{view.inside(problem.found or '')}: lacks {', '.join(problem.versions[:3])}")
    optional = not starts and all(module in OPTIONAL for module in modules)
    return RULE.finding(
        verdict,
        [
            view.interpreter_subject(),
            *(view.file(root.path) for root, _ in users[:SHOWN] if root.path),
            *(view.file(asker.path) for root, asker in users[:SHOWN] if asker.path != root.path),
        ],
        evidence=list(dict.fromkeys(lines)),
        fixes=each_once(_fixes(view, name, modules, bool(old))),
        key=f"library:{base_name(name)}",
        severity="info" if optional else "error",
    )


def _fixes(view: View, name: str, modules: list[str], old: bool) -> Iterator[Fix]:
    remedy = view.remedy
    verify = [remedy.importing(modules[0])] if modules else []
    if not old:
        yield from remedy.system_library(name, RULE.code, verify=verify)
    short = view.python_short or "3"
    yield remedy.manual(
        f"take a Python {short} that was built for this system", RULE.code, commands=[("uv", "python", "install", short)]
    )
