"""A .pth file runs code whenever Python starts.

## Why it matters
A line of a .pth file that starts with `import` is executed at every start of the interpreter, before your program, in
every tool that uses this environment. Malicious releases have used exactly this. And a .pth file that cannot be decoded
ends the start of Python with a traceback, so nothing runs at all.

## How it is found
Every .pth file of the active site folders is read as `site` reads it, and never run. Info where an installed
distribution owns the file; a warning where none does, or where the code decodes data, starts processes or opens
connections. An error where the file is not UTF-8 or no regular file, so that Python does not start. A line that
imports a module which is not there is a warning: Python prints a traceback at every start.

## Look-alikes that are fine
Known files with their known content are not reported: setuptools' `distutils-precedence.pth`, virtualenv's and uv's
`_virtualenv.pth`, finders of editable installs, namespace packages (`*-nspkg.pth`, matplotlib's among them), coverage
and pytest-cov, hunter, manhole, and the two lines that `easy_install` writes.

## How to fix
Look at the file. Delete it when nobody knows where it comes from, then change the secrets that were in reach of that
machine's shells.

## Example
    warning PTH008 pth-runs-code · lib/python3.11/site-packages/tracer.pth
      tracer.pth runs code at every start of Python, and no installed distribution owns it
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Severity
from envdoctor.lazy import pattern
from envdoctor.rules.base import Rule
from envdoctor.rules.pth._files import ignored, name_of, owner_of
from envdoctor.snapshot import Entry, PthFile, PthLine
from envdoctor.view import View

RULE = Rule(
    "PTH008",
    "pth-runs-code",
    "info",
    reads=("pth_files", "distributions", "interpreter", "sites"),
    messages=(
        "Error processing line {line} of {path}:",
        "Remainder of file ignored",
        "Failed to import the site module",
        "distutils-precedence.pth",
    ),
)

KNOWN: tuple[tuple[str, str], ...] = (
    (r"distutils-precedence\.pth", r"import os; var = 'SETUPTOOLS_USE_DISTUTILS'; [^;]*; [^;]*_distutils_hack'\)\.\w+\(\);?"),
    (r"_virtualenv\.pth", r"import _virtualenv"),
    (r"[\w.-]+\.pth", r"import (__editable__\w+|_editable_impl_\w+)(?:; ?\1\.install\(\))?"),
    (r".*nspkg\.pth", r"import sys, ?types, ?os; ?(?:has_mfs ?= ?sys\.version_info|p ?= ?os\.path\.join\(sys\._getframe).*"),
    (r"(?:easy-install|setuptools)\.pth", r"import sys; (?:sys\.__plen = len\(sys\.path\)|new ?= ?sys\.path\[sys\.__plen:\];.*)"),
    (r".*cov(?:erage)?.*\.pth", r"import coverage; ?coverage\.process_startup\(\)"),
    (r"(?:homebrew|brew)[\w.-]*\.pth", r"import site; ?site\.addsitedir\(['\"][^'\"()]*['\"]\)"),
)
"""File name and line of start-up code that is known to be harmless wherever it comes from, both matched whole."""
KNOWN_OWNED: tuple[tuple[str, str, str], ...] = (
    ("coverage", r"\w*coverage\.pth", r"import [^\n]*coverage[^\n]*"),
    ("pytest-cov", r"[\w-]*cov[\w-]*\.pth", r"import [^\n]*COV_CORE_SOURCE[^\n]*"),
    ("hunter", r"hunter\.pth", r"import [^\n]*hunter[^\n]*"),
    ("manhole", r"manhole\.pth", r"import [^\n]*PYTHONMANHOLE[^\n]*"),
)
"""The same for lines that only the distribution which records the file may hold: its name, file name, line."""

_KNOWN = tuple((pattern(name), pattern(line)) for name, line in KNOWN)
_KNOWN_OWNED = tuple((owner, pattern(name), pattern(line)) for owner, name, line in KNOWN_OWNED)
HARMLESS = frozenset({"exec"})
"""A .pth line has to be one line; exec is how honest packages write two."""
_IMPORTS = pattern(r"import[ \t]+([\w., \t]+?)[ \t]*(?:;|$)")


def check(view: View) -> Iterator[Finding]:
    """One finding for each file."""
    for pth in view.snapshot.pth_files:
        if ignored(view, pth):
            continue
        broken = _stops_python(view, pth)
        if broken is not None:
            yield broken
            continue
        code = [line for line in pth.lines if line.kind == "import"]
        gone = _missing_module(view, code)
        if gone is not None:
            yield _fails(view, pth, *gone)
        elif code and not all(_known(pth, line) for line in code):
            yield _finding(view, pth, code)


def _missing_module(view: View, code: list[PthLine]) -> tuple[PthLine, str] | None:
    """The first line that imports a module which neither the standard library nor a site folder has, and the module."""
    standard = view.snapshot.interpreter.stdlib_modules
    if not standard:
        return None
    for line in code:
        found = _IMPORTS.match(line.text)
        if found is not None and found.end() >= 400:
            continue  # the text was cut here
        names = [part.split()[0].split(".")[0] for part in found[1].split(",") if part.strip()] if found else []
        for name in names:
            if name not in standard and not any(_has(site.entries, name) for _, site in view.active_sites):
                return line, name
    return None


def _has(entries: tuple[Entry, ...], name: str) -> bool:
    """A module, package or extension module of that name, or anything else that might provide it (a zip file, an egg)."""
    return any(e.name.split(".", 1)[0] == name or e.name.endswith((".egg", ".zip")) for e in entries)


def _fails(view: View, pth: PthFile, line: PthLine, module: str) -> Finding:
    name = name_of(pth)
    owner = owner_of(view, pth)
    remedy = view.remedy
    if owner is not None:
        fix = remedy.fix("put the module there again", remedy.reinstall(owner), RULE.code)
    else:
        fix = remedy.fix("delete the file: what it belonged to is gone", remedy.delete(pth.path), RULE.code, safety="unsafe")
    return RULE.finding(
        f"{name} prints a traceback at every start of Python: there is no module {module}",
        [view.file(pth.path), *([view.distribution(owner)] if owner else [])],
        evidence=[f"{name}:{line.number}: {line.text[:200]}", f"no {module} on sys.path"],
        fixes=[fix],
        key=name,
        severity="warning",
        confidence="likely",
    )


def _known(pth: PthFile, line: PthLine) -> bool:
    """The line is one that is known, in the file that it is known from."""
    name = name_of(pth)
    if not set(line.words) - HARMLESS and any(_fits(n, t, name, line) for n, t in _KNOWN):
        return True
    words = set(line.words)
    if line.text.count("subprocess") == 1 and "Failed to setup subprocess coverage" in line.text:
        words.discard("subprocess")  # pytest-cov's error message
    harmless = words <= HARMLESS | {"eval"}
    return harmless and any(pth.owner == owner and _fits(n, t, name, line) for owner, n, t in _KNOWN_OWNED)


def _fits(file: re.Pattern[str], code: re.Pattern[str], name: str, line: PthLine) -> bool:
    if not file.fullmatch(name):
        return False
    if line.length > len(line.text):  # the fact holds only the beginning; namespace lines are longer than that
        return name.endswith("nspkg.pth") and line.length < 1000 and code.match(line.text) is not None
    return code.fullmatch(line.text) is not None


def _finding(view: View, pth: PthFile, code: list[PthLine]) -> Finding:
    name = name_of(pth)
    owner = owner_of(view, pth)
    words = sorted({word for line in code for word in line.words} - HARMLESS)
    # Debian writes no RECORD for what its packages install; pip's folder on Debian is below /usr/local
    site = view.snapshot.sites[pth.site]
    packaged = site.role == "dist-packages" and "/local/" not in site.path
    severity: Severity = "warning" if words or not (owner or packaged) else "info"
    if owner is None and not packaged:
        who = ", and no installed distribution owns it"
    else:
        who = f", for {owner.name} {owner.version or ''}".rstrip() if owner else ""
    if words:
        who += f"; it uses {', '.join(words[:5])}"
    evidence = [
        f"{name}:{line.number}: {line.text[:200]}" + (f" … ({line.length} characters)" if line.length > 200 else "")
        for line in code[:5]
    ]
    if owner is not None:
        evidence.append(f"owned by {owner.name} {owner.version}")
    else:
        evidence.append(
            "in the folder of the system's packages" if packaged else "no RECORD of an installed distribution lists it"
        )
    return RULE.finding(
        f"{name} runs code at every start of Python{who}",
        [view.file(pth.path), *([view.distribution(owner)] if owner else [])],
        evidence=evidence,
        fixes=[_fix(view, pth, severity)],
        key=name,
        severity=severity,
    )


def _fix(view: View, pth: PthFile, severity: Severity) -> Fix:
    remedy = view.remedy
    owner = owner_of(view, pth)
    if owner is not None:
        title = "look at it" if severity == "warning" else "nothing to do if you want it"
        return remedy.manual(f"{title}; uninstalling {owner.name} removes it", RULE.code, commands=remedy.uninstall(owner))
    return remedy.manual("look at it, then delete it", RULE.code, commands=remedy.delete(pth.path))


def _stops_python(view: View, pth: PthFile) -> Finding | None:
    """The file cannot be decoded or read, and Python meets it at start-up."""
    problem = pth.problem or ""
    name = name_of(pth)
    owner = owner_of(view, pth)
    severity: Severity
    if problem.startswith("not UTF-8"):
        # Windows tries the ANSI code page, where nearly every byte means something
        windows = view.snapshot.target.system == "windows"
        severity = "warning" if windows else "error"
        message = (
            f"python does not start: {name} is {problem}" if not windows else f"{name} may end the start of Python: {problem}"
        )
    elif problem == "not a regular file":
        severity, message = "error", f"python hangs or fails at start-up: {name} is no regular file"
    elif problem == "holds NUL bytes" and any(line.kind == "import" for line in pth.lines):
        severity, message = "warning", f"{name} prints a traceback at every start of Python: it holds NUL bytes"
    else:
        return None
    remedy = view.remedy
    fix = (
        remedy.fix("put it there again", remedy.reinstall(owner), RULE.code)
        if owner is not None
        else remedy.fix("delete the file", remedy.delete(pth.path), RULE.code, safety="unsafe")
    )
    return RULE.finding(
        message,
        [view.file(pth.path), *([view.distribution(owner)] if owner else []), view.interpreter_subject()],
        evidence=[f"{pth.path}: {problem}"],
        fixes=[fix],
        key=name,
        severity=severity,
        confidence="likely",
    )
