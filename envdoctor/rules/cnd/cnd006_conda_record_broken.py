"""A record in conda-meta cannot be read, is there twice, or is of another platform.

## Why it matters
conda-meta is all that conda, mamba and pixi know about a prefix. One record that is no JSON ends every command of theirs with a
traceback; two records of one package end them with `CorruptedEnvironmentError`; a record under another name than its own is
passed over in silence, and its package counts as not installed.

## How it is found
Every record is read, whoever wrote it, and what cannot be read is told with the line; so is what conda and rattler both stop at
though it can be read here: a byte order mark, bytes that are no UTF-8, no build number, kinds of paths that nobody knows. Names
are compared with contents, packages with each other, and the platform of each record with that of the prefix. Each of `depends`
and `constrains` is parsed: one that is no spec ends the solver of conda and mamba with `InvalidMatchSpec`. The same for `state`,
`history` and pixi's marker.

## Look-alikes that are fine
- `noarch` records in a prefix of any platform; records without a platform.
- `NaN`, lone surrogates and wrong types in fields that conda does not read; fields that conda does without.
- Specs in the syntax of a later CEP (conditions, extras, keys in brackets that are not known here), regular expressions.
- A prefix wholly of another platform: ARC006.

## How to fix
Take the broken record away and install that very package again; of two records keep the one whose files are there.

## Example
`conda-meta/numpy-1.26.4-py311h64a7726_0.json is no record: empty`
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from envdoctor.conda import matchspec
from envdoctor.conda.installed import label, subject
from envdoctor.finding import Finding, Subject
from envdoctor.rules.base import Rule
from envdoctor.rules.cnd._paths import file, key
from envdoctor.snapshot import CondaPackage, CondaProblem
from envdoctor.view import View

RULE = Rule(
    "CND006",
    "conda-record-broken",
    "error",
    reads=("conda_packages", "conda_meta", "target"),
    messages=(
        "CorruptedEnvironmentError: The target environment has been corrupted",
        "JSONDecodeError: Expecting value",
        "Unable to read conda-meta",
    ),
)

_UNSURE = ("is no field of a package", "too long", "two components or more")
"""Ends of reasons that are not everybody's: what a later conda may know, what conda takes and others do not."""
_BLANK = re.compile(r"[<>=!~]\s*[\w.*+!]+\s+[<>=!~]")
"""Two bounds without a comma."""
_OTHER_FILES = ("conda-meta/state", "conda-meta/pixi", "conda-meta/history")


def check(view: View) -> Iterator[Finding]:
    """One finding for each file, for each package with several records, and for each foreign platform."""
    meta = view.snapshot.conda_meta
    if meta is None:
        return
    by_path: dict[str, list[CondaProblem]] = {}
    for problem in meta.problems:
        by_path.setdefault(problem.path, []).append(problem)
    for package in view.snapshot.conda_packages:
        for problem in _specs(package, rattler=set(meta.writers) <= {"rattler", "pixi"}):
            by_path.setdefault(problem.path, []).append(problem)
    for path, problems in by_path.items():
        yield _other(view, path, problems) if path in _OTHER_FILES else _broken(view, path, problems)
    if meta.history is not None and meta.history.problems:
        yield _history(view, meta.history.problems)
    yield from _twice(view)
    yield from _platforms(view)


# ---------------------------------------------------------------------------------------------------------------- broken


def _broken(view: View, path: str, problems: list[CondaProblem]) -> Finding:
    remedy = view.remedy
    reasons = "; ".join(problem.reason for problem in problems)
    whole = any(problem.whole for problem in problems)
    known = next((package for package in view.snapshot.conda_packages if package.record == path), None)
    name, version, build = _named(path)
    renamed = known is not None and all(problem.reason.startswith("is the record of ") for problem in problems)
    package = subject(known) if known is not None else Subject("conda-package", name, version, path)
    spec = known.name if known else name
    there = known.version if known else version
    full = "=".join(filter(None, (spec, there, known.build if known else build)))
    if renamed:
        message = f"{path} {reasons}: conda passes it over"
    elif whole:
        message = f"{path} is no record: {reasons}"
    else:
        message = f"{path} is damaged: {reasons}"
    return RULE.finding(
        message,
        [package, file(path)],
        evidence=[f"{path}: {problem.reason}" for problem in problems],
        fixes=[
            remedy.fix(
                f"delete the record and install {' '.join(filter(None, (spec, there)))} again",
                (*remedy.delete(f"{view.snapshot.target.prefix.rstrip('/')}/{path}"), *remedy.conda_put_back(full)),
                RULE.code,
                "CND003",
                safety="unsafe",
            )
        ],
        key=f"record:{path.rpartition('/')[2]}",
    )


def _specs(package: CondaPackage, *, rattler: bool) -> Iterator[CondaProblem]:
    """What of its depends and constrains is no spec, for conda; with `rattler` for that, which takes two bounds without a comma
    and takes no empty text."""
    for word, specs in (("depends on", package.depends), ("constrains", package.constrains)):
        for spec in specs:
            try:
                matchspec.parse(spec)
            except matchspec.InvalidSpec as error:
                reason = str(error)
                if "^" in spec or reason.endswith(_UNSURE):
                    continue
                if _BLANK.search(spec) or reason == "a space within a version" if rattler else not spec.strip():
                    continue
                shown = spec if len(spec) <= 80 else f"{spec[:77]}..."
                yield CondaProblem(
                    path=package.record, reason=f"{word} {shown!r}, which is no spec: {reason}", name=package.name, whole=False
                )


def _named(path: str) -> tuple[str, str | None, str | None]:
    """Name, version and build as the file's name tells."""
    stem = path.rpartition("/")[2].removesuffix(".json")
    parts = stem.rsplit("-", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (stem, None, None)


def _other(view: View, path: str, problems: list[CondaProblem]) -> Finding:
    remedy = view.remedy
    state = path.endswith("/state")
    effect = "conda activate fails on it" if state else "pixi makes the environment anew"
    title = "mend the file by hand: it has the variables that activation sets" if state else "let pixi write it again"
    commands = () if state else remedy.delete(f"{view.snapshot.target.prefix.rstrip('/')}/{path}")
    return RULE.finding(
        f"{path} cannot be read, and {effect}: {problems[0].reason}",
        [file(path), view.environment_subject()],
        evidence=[f"{path}: {problem.reason}" for problem in problems],
        fixes=[remedy.manual(title, RULE.code, commands=commands)],
        severity="error" if state and any(problem.whole for problem in problems) else "warning",
        key=path,
    )


def _history(view: View, problems: tuple[str, ...]) -> Finding:
    path = "conda-meta/history"
    return RULE.finding(
        f"{path} is damaged: {problems[0]}",
        [file(path), view.environment_subject()],
        evidence=[f"{path}: {problem}" for problem in problems[:6]],
        fixes=[
            view.remedy.manual(
                "take the damaged lines out by hand; what was asked for stands in the lines `# update specs`", RULE.code
            )
        ],
        severity="warning",
        key=path,
    )


# ----------------------------------------------------------------------------------------------------------------- twice


def _twice(view: View) -> Iterator[Finding]:
    remedy = view.remedy
    prefix = view.snapshot.target.prefix.rstrip("/")
    for name, packages in sorted(view.conda.by_name.items()):
        if len(packages) < 2:
            continue
        best = max(packages, key=lambda package: _rank(view, package))
        rest = [package for package in packages if package is not best]
        sure = _rank(view, best)[:-1] > max(_rank(view, package)[:-1] for package in rest)
        why = "whose files are there" if sure else "the newest, as the files do not tell which is right"
        yield RULE.finding(
            f"{name} has {len(packages)} records: {' and '.join(_whole(package) for package in packages)}",
            [*(subject(package) for package in packages), *(file(package.record) for package in packages)],
            evidence=[
                f"{package.record}: {package.paths:,} paths, {package.missing_count:,} gone, {package.altered_count:,} altered"
                + ("; its metadata is gone" if package.metadata_gone else "")
                for package in packages
            ],
            fixes=[
                remedy.fix(
                    f"delete the other record and link {label(best)} anew ({why})",
                    (*remedy.delete(*(f"{prefix}/{package.record}" for package in rest)), *remedy.conda_put_back(key(best))),
                    RULE.code,
                    "CND001",
                    safety="unsafe",
                )
            ],
            key=f"twice:{name}",
        )


def _whole(package: CondaPackage) -> str:
    return f"{package.version} ({package.build})" if package.build else package.version


def _rank(view: View, package: CondaPackage) -> tuple[bool, int, int, bool, str]:
    """How well the record fits what is there."""
    meta = view.snapshot.conda_meta
    history = meta.history if meta else None
    dist = f"{package.name}-{package.version}-{package.build}"
    return (
        not package.metadata_gone,
        -package.missing_count,
        -package.altered_count,
        history is None or dist not in history.not_said,
        package.record,
    )


# ------------------------------------------------------------------------------------------------------------- platforms


def _platforms(view: View) -> Iterator[Finding]:
    counts = Counter(p.subdir for p in view.snapshot.conda_packages if p.subdir and p.subdir != "noarch")
    if len(counts) < 2:
        return
    python = next((p.subdir for p in view.snapshot.conda_packages if p.name == "python" and p.subdir), None)
    own = max(counts, key=lambda subdir: (counts[subdir], subdir == python, subdir))
    for subdir in sorted(counts):
        if subdir == own:
            continue
        packages = [package for package in view.snapshot.conda_packages if package.subdir == subdir]
        names = ", ".join(label(package) for package in packages[:3]) + (" and others" if len(packages) > 3 else "")
        one = len(packages) == 1
        yield RULE.finding(
            f"{names} {'is a record' if one else 'are records'} of {subdir} in a prefix of {own}",
            [*(subject(package) for package in packages[:20]), *(file(package.record) for package in packages[:5])],
            evidence=[
                *(f"{package.record}: subdir {subdir}" for package in packages[:5]),
                f"{counts[own]:,} records are of {own}",
            ],
            fixes=[
                view.remedy.fix(
                    f"install {names} for {own}",
                    view.remedy.conda_put_back(*(f"{package.name}={package.version}" for package in packages)),
                    RULE.code,
                    "ARC007",
                    safety="unsafe",
                )
            ],
            key=f"subdir:{subdir}",
        )
