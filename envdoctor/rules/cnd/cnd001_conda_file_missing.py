"""A file that a conda package brought is gone.

## Why it matters
conda, mamba and pixi look at their records alone: the package counts as installed, so nothing puts the file back, and what needs
it fails with `No such file or directory`, `cannot open shared object file` or `ModuleNotFoundError`.

## How it is found
Every path of every record in `conda-meta` is looked for in the prefix: files, links, links to nowhere where a file was. One
finding for each package; one for all where more than ten lack something, as after a folder was deleted.

## Look-alikes that are fine
- Compiled modules (`.pyc`), and a `.py` whose `.pyc` stands in its place.
- Documentation, headers, static libraries, tests, licences: a warning, and where several packages lack nothing else, as in a
  slimmed image, one remark.
- Files of a package that pip or uv replaced by another version: a warning, which follows from CND005.

## How to fix
Let conda link the package anew: the same build, from the same channel.

## Example
`libpng 1.6.43 lacks a file that its record lists: lib/libpng16.so.16.43.0`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from envdoctor.conda.installed import label, subject
from envdoctor.finding import Finding, Severity
from envdoctor.rules.base import Rule
from envdoctor.rules.cnd._paths import CROWD, SLIMMED, by_folder, by_weight, key, needed, of_pip, overlaid, shown, subjects
from envdoctor.snapshot import CondaPackage, CondaPath
from envdoctor.view import View

RULE = Rule(
    "CND001",
    "conda-file-missing",
    "error",
    reads=("conda_packages", "conda_meta", "distributions", "sites", "target"),
    messages=(
        "No such file or directory: '{path}'",
        "{library}: cannot open shared object file: No such file or directory",
        "No module named '{module}'",
        "The package for {package} located at {path} appears to be corrupted",
    ),
)

Lacking = tuple[CondaPackage, list[CondaPath]]


def check(view: View) -> Iterator[Finding]:
    """One finding for each package, or one for all where they are many."""
    replaced = overlaid(view)
    severe: list[Lacking] = []
    spare: list[Lacking] = []
    for package in view.snapshot.conda_packages:
        if not package.missing:
            continue
        wanted = [path for path in package.missing if needed(view, path.path)]
        wanted.sort(key=partial(by_weight, view))
        if key(package) in replaced and all(of_pip(path.path) for path in wanted):
            yield _one(view, (package, wanted or list(package.missing)), "warning", f"{replaced[key(package)]} is in its place")
        elif wanted:
            severe.append((package, wanted))
        else:
            spare.append((package, list(package.missing)))
    if len(severe) > CROWD:
        yield _many(view, sorted(severe + spare, key=lambda lacking: lacking[0].record))
        return
    for one in severe:
        yield _one(view, one, "error")
    if len(spare) >= SLIMMED:
        yield _slimmed(view, spare)
    else:
        for one in spare:
            yield _one(view, one, "warning", "that no program needs")


def _one(view: View, lacking: Lacking, severity: Severity, note: str = "") -> Finding:
    package, paths = lacking
    rest = package.missing_count - len(paths)
    count = package.missing_count if rest and len(paths) == len(package.missing) else len(paths)
    files = "a file" if count == 1 else f"{count:,} files"
    if package.missing_count == package.paths and package.paths > 1:
        message = f"all {package.paths:,} files of {label(package)} are gone"
    else:
        message = f"{label(package)} lacks {files} that its record lists: {shown(path.path for path in paths)}"
        if count > len(paths):
            message = f"{label(package)} lacks {files} that its record lists, {paths[0].path} among them"
    return RULE.finding(
        message + (f" ({note})" if note else ""),
        subjects(view, package, paths),
        evidence=[
            *(_line(path) for path in paths[:5]),
            f"{package.record}: {package.missing_count:,} of {package.paths:,} paths gone, compiled modules aside",
        ],
        fixes=[
            view.remedy.fix(
                f"link {label(package)} anew", view.remedy.relink(package), RULE.code, safety="safe" if not note else "unsafe"
            )
        ],
        severity=severity,
    )


def _line(path: CondaPath) -> str:
    if path.problem == "dangling":
        return f"{path.path} is a link to something that is gone"
    return f"{path.path} does not exist"


def _many(view: View, lacking: list[Lacking]) -> Finding:
    packages = [package for package, _ in lacking]
    total = sum(package.missing_count for package in packages)
    bare = [package for package in packages if package.missing_count == package.paths]
    all_of = f"; of {len(bare)} packages nothing is left" if bare else ""
    mostly = 2 * len(packages) > len(view.snapshot.conda_packages)
    again = view.remedy.fix(
        f"link the {len(packages)} packages anew", view.remedy.relink(*packages), RULE.code, safety="unsafe" if mostly else "safe"
    )
    return RULE.finding(
        f"{len(packages)} packages lack {total:,} files that their records list{all_of}: "
        f"{shown((package.name for package in packages), 3)}",
        [view.environment_subject(), *(subject(package) for package in packages)],
        evidence=[
            *(f"{line} gone" for line in by_folder(lacking)),
            *(f"{label(package)}: {paths[0].path} does not exist" for package, paths in lacking[:3]),
        ],
        fixes=[view.remedy.recreate(), again] if mostly else [again],
        key="many",
    )


def _slimmed(view: View, lacking: list[Lacking]) -> Finding:
    packages = [package for package, _ in lacking]
    total = sum(package.missing_count for package in packages)
    return RULE.finding(
        f"{len(packages)} packages lack {total:,} recorded files that no program needs, as in a slimmed image",
        [view.environment_subject(), *(subject(package) for package in packages)],
        evidence=[f"{label(package)}: {len(paths):,}, among them {paths[0].path}" for package, paths in lacking[:5]],
        fixes=[
            view.remedy.fix(
                "link the packages anew, if the files were not removed on purpose",
                view.remedy.relink(*packages),
                RULE.code,
                safety="unsafe",
            )
        ],
        key="slimmed",
        severity="info",
    )
