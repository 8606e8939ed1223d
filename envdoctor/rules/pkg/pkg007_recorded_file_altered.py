"""A recorded file is not what was installed.

## Why it matters
A native file of another size is truncated, half copied or from another version: it crashes the process or fails to load. A
changed Python file is a local patch that the next install silently undoes, or damage. Where files are hard links into an
installer's cache, one edit changes every environment that shares them.

## How it is found
RECORD's size against the file's, for modules and native files; with `--deep` the size of every file and its hash. Native
files, and modules that are empty now, make an error, the rest a warning.

## Look-alikes that are fine
`.pyc`; what installers rewrite (scripts, INSTALLER, REQUESTED, direct_url.json, RECORD itself); what conda and operating
systems relink, re-sign and patch after RECORD was written; files that another distribution overwrote (PKG008, PKG011) or
another version of the same one (PKG004). certifi's cacert.pem with a company's certificates is information only; native
files that are all valid and smaller than recorded have been stripped: a warning.

## How to fix
Install the same version again; where the installer's cache holds the altered copy, clean it first.

## Example
`alpha 1.0: alpha/_core.so is not the file that was installed (1,024 bytes, recorded 90,112)`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Command, Finding, Severity
from envdoctor.rules.base import Rule
from envdoctor.rules.pkg._recorded import importable, label, listed, packaged_elsewhere, role, shown, stale
from envdoctor.snapshot import Distribution, NativeFile, RecordRow
from envdoctor.view import View

RULE = Rule(
    "PKG007",
    "recorded-file-altered",
    "warning",
    reads=("distributions", "sites", "shared_files", "natives"),
    deep=True,
    messages=(
        "source code string cannot contain null bytes",
        "cannot import name '{name}' from '{module}'",
        "SyntaxError: (unicode error)",
        "bad marshal data",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding a distribution."""
    active = {index for index, _ in view.active_sites}
    shared = {(item.site, item.path) for item in view.snapshot.shared_files}
    natives = {(native.folder, native.path): native for native in view.snapshot.natives}
    altered: list[tuple[Distribution, list[RecordRow]]] = []
    for dist in view.snapshot.distributions:
        record = dist.record
        if record is None or dist.site not in active or packaged_elsewhere(view, dist) or dist.editable is not None:
            continue
        if not (record.resized or record.rehashed) or stale(view, dist):
            continue
        rows = {
            row.path: row
            for row in (*record.resized, *record.rehashed)
            if role(view, row.path) not in ("rewritten", "script")
            and not row.path.endswith((".pyc", ".pyo"))
            and (dist.site, row.path) not in shared
        }
        if rows:
            altered.append((dist, [rows[path] for path in sorted(rows)]))
    stripped = _stripped(view, altered, natives)
    for dist, found in altered:
        yield _finding(view, dist, found, stripped, natives)


def _stripped(
    view: View, altered: list[tuple[Distribution, list[RecordRow]]], natives: dict[tuple[int, str], NativeFile]
) -> bool:
    """All altered native files of the target, several of them, are valid and smaller: what ``strip`` leaves."""
    rows = [(dist.site, row) for dist, rows in altered for row in rows if role(view, row.path) == "native"]
    return len(rows) > 1 and all(
        (native := natives.get((site, row.path))) is not None
        and native.problem is None
        and row.actual_size is not None
        and row.size is not None
        and row.actual_size < row.size
        for site, row in rows
    )


def _finding(
    view: View, dist: Distribution, rows: list[RecordRow], stripped: bool, natives: dict[tuple[int, str], NativeFile]
) -> Finding:
    worst = [row for row in rows if _fatal(view, row)]
    rows = worst + [row for row in rows if row not in worst]
    severity: Severity = "error" if worst else "warning"
    if worst and stripped and all(role(view, row.path) == "native" for row in worst):
        severity = "warning"
    if all(row.path.endswith("certifi/cacert.pem") for row in rows):
        severity = "info"
    count = f"{rows[0].path} is not the file that was installed ({_difference(rows[0])})"
    if len(rows) > 1:
        count = f"{len(rows)} files are not those that were installed: {listed([row.path for row in rows])}"
    why = "; native files valid and smaller, as after strip" if severity == "warning" and worst else ""
    module = importable(dist, worst)
    remedy = view.remedy
    return RULE.finding(
        f"{label(dist)}: {count}{why}",
        [view.distribution(dist), *(view.file(f"{view.site_path(dist)}/{row.path}") for row in rows[:5])],
        evidence=[
            *(f"{shown(view, dist, row.path)}: {_difference(row)}{_problem(dist, row, natives)}" for row in rows[:5]),
            *([f"and {len(rows) - 5} files more"] if len(rows) > 5 else []),
        ],
        fixes=[
            remedy.fix(
                f"Install {label(dist)} again" + ("" if worst else ", if nobody changed it on purpose"),
                remedy.reinstall(dist),
                RULE.code,
                safety=remedy.safety("safe" if worst else "unsafe", dist),
                verify=[remedy.importing(module)] if module else [],
            ),
            remedy.manual(
                f"If it comes back altered, the installer's cache holds that copy: remove {dist.name} there, then reinstall",
                RULE.code,
                commands=(*_clean_cache(view, dist), *remedy.reinstall(dist)),
            ),
        ],
        severity=severity,
    )


def _fatal(view: View, row: RecordRow) -> bool:
    """An import of it fails: a native file that is another one, a module that has become empty."""
    kind = role(view, row.path)
    return kind == "native" or (kind == "code" and row.actual_size == 0 and bool(row.size))


def _difference(row: RecordRow) -> str:
    if row.size is not None and row.actual_size is not None and row.size != row.actual_size:
        return f"{row.actual_size:,} bytes, recorded {row.size:,}"
    if row.actual_hash and row.hash:
        return f"{row.actual_hash[:23]}…, recorded {row.hash[:23]}…"
    return "other content than recorded"


def _problem(dist: Distribution, row: RecordRow, natives: dict[tuple[int, str], NativeFile]) -> str:
    native = natives.get((dist.site, row.path))
    return f"; {native.problem}" if native is not None and native.problem else ""


def _clean_cache(view: View, dist: Distribution) -> tuple[Command, ...]:
    if view.remedy.tool(dist) == "uv":
        return (("uv", "cache", "clean", dist.name),)
    return ((view.remedy.python, "-m", "pip", "cache", "remove", dist.name.replace("-", "_")),)
