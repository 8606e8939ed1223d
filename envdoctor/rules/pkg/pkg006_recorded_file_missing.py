"""A file that a distribution recorded is gone.

## Why it matters
RECORD is the list of what an installer put there. When a module, a native file or package data of it is gone, an import or
a call fails, often far from the cause; `pip check` and a second `pip install` see nothing, because they look at metadata
alone.

## How it is found
Every row of RECORD (or installed-files.txt) is looked for in the tree. A missing module, native file or package data makes
an error; files that no import needs (documentation, tests, headers, static libraries, licences, console scripts, files of
other platforms) make a warning.

## Look-alikes that are fine
`.pyc` rows; a `.py` whose `.pyc` stands in its place; metadata that another metadata folder of the same name has replaced
(PKG004); files that the builders of conda or operating-system packages pruned after RECORD was written (only missing
modules of those are a warning). Environments slimmed by removing tests and static libraries get one remark, not one for
each distribution. METADATA itself is PKG009's; a package that is gone as a whole is PKG014's.

## How to fix
Install the same version again.

## Example
`alpha 1.0 lacks 2 files that imports need: alpha/core.py and alpha/data.json`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Subject
from envdoctor.rules.base import Rule
from envdoctor.rules.pkg._recorded import importable, label, listed, packaged_elsewhere, role, short, shown, stale
from envdoctor.snapshot import Distribution, RecordRow
from envdoctor.view import View

RULE = Rule(
    "PKG006",
    "recorded-file-missing",
    "error",
    reads=("distributions", "sites"),
    messages=(
        "No module named '{module}'",
        "No such file or directory: '{path}'",
        "cannot import name '{name}' from '{module}'",
        "Failed to read file `{path}`",
    ),
)

SLIMMED = 4
"""Distributions that lack nothing but unneeded files, from which on the environment counts as slimmed."""


def check(view: View) -> Iterator[Finding]:
    """One finding a distribution; one for all that lack only what nobody imports, where there are many."""
    active = {index for index, _ in view.active_sites}
    slim: list[tuple[Distribution, list[RecordRow]]] = []
    for dist in view.snapshot.distributions:
        record = dist.record
        if record is None or not record.missing or dist.site not in active or stale(view, dist):
            continue
        needed: list[RecordRow] = []
        scripts: list[RecordRow] = []
        rest: list[RecordRow] = []
        for row in record.missing:
            kind = role(view, row.path)
            if kind in ("code", "native") or (kind == "data" and not packaged_elsewhere(view, dist)):
                needed.append(row)
            elif packaged_elsewhere(view, dist):
                continue
            elif kind == "script":
                scripts.append(row)
            elif kind != "rewritten" and not row.path.endswith(("/METADATA", "/PKG-INFO")):
                rest.append(row)
        if needed:
            yield _needed(view, dist, needed, scripts + rest)
        elif scripts:
            yield _unneeded(view, dist, scripts + rest)
        elif rest:
            slim.append((dist, rest))
    if len(slim) >= SLIMMED:
        yield _slimmed(view, slim)
    else:
        for dist, rows in slim:
            yield _unneeded(view, dist, rows)


def _needed(view: View, dist: Distribution, needed: list[RecordRow], rest: list[RecordRow]) -> Finding:
    remedy = view.remedy
    module = importable(dist, needed)
    needed.sort(key=lambda row: (("code", "native", "data").index(role(view, row.path)), row.path))
    files = "a file that imports need" if len(needed) == 1 else f"{len(needed)} files that imports need"
    builder = {"conda": "conda", "system": "the operating system"}.get(view.packager(dist) or "")
    return RULE.finding(
        f"{label(dist)} lacks {files}: {listed(short(row.path for row in needed))}",
        [view.distribution(dist), *_files(view, dist, needed)],
        evidence=[*_evidence(view, dist, needed), *([f"{len(rest)} more that no import needs"] if rest else [])],
        fixes=[
            remedy.fix(
                f"Install {label(dist)} again",
                remedy.reinstall(dist),
                RULE.code,
                safety=remedy.safety("safe", dist),
                verify=[remedy.importing(module)] if module else [],
            )
        ],
        severity="warning" if builder else "error",
        confidence="likely" if builder else "certain",
    )


def _unneeded(view: View, dist: Distribution, rows: list[RecordRow]) -> Finding:
    remedy = view.remedy
    count = "a recorded file is gone" if len(rows) == 1 else f"{len(rows)} recorded files are gone"
    return RULE.finding(
        f"{label(dist)}: {count} that no import needs: {listed(short(row.path for row in rows))}",
        [view.distribution(dist), *_files(view, dist, rows)],
        evidence=_evidence(view, dist, rows),
        fixes=[remedy.fix(f"Install {label(dist)} again", remedy.reinstall(dist), RULE.code, safety=remedy.safety("safe", dist))],
        severity="warning",
    )


def _slimmed(view: View, slim: list[tuple[Distribution, list[RecordRow]]]) -> Finding:
    remedy = view.remedy
    count = sum(len(rows) for _, rows in slim)
    return RULE.finding(
        f"{len(slim)} distributions lack {count} recorded files that no import needs, as in a slimmed image",
        [view.environment_subject(), *(view.distribution(dist) for dist, _ in slim)],
        evidence=[
            *(f"{label(dist)}: {len(rows)}, among them {shown(view, dist, rows[0].path)}" for dist, rows in slim[:5]),
            *([f"and {len(slim) - 5} distributions more"] if len(slim) > 5 else []),
        ],
        fixes=[
            remedy.fix(
                "Install them again, if they were not removed on purpose",
                remedy.reinstall(*(dist for dist, _ in slim)),
                RULE.code,
                safety=remedy.safety("unsafe"),
            )
        ],
        key="slimmed",
        severity="info",
    )


def _files(view: View, dist: Distribution, rows: list[RecordRow]) -> list[Subject]:
    return [
        view.file(f"{view.snapshot.target.prefix}/{path}" if not path.startswith("/") else path)
        for path in _places(view, dist, rows)
    ]


def _places(view: View, dist: Distribution, rows: list[RecordRow]) -> list[str]:
    return [shown(view, dist, row.path) for row in rows[:5]]


def _evidence(view: View, dist: Distribution, rows: list[RecordRow]) -> list[str]:
    record = dist.record
    assert record is not None
    return [
        *(f"{place} does not exist" for place in _places(view, dist, rows)),
        f"{view.in_site(dist.site, dist.path)} records {record.rows} files, {len(record.missing)} of them are gone",
    ]
