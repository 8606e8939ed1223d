"""The interpreter is another minor version or build than the environment was made for.

## Why it matters
Packages live in `lib/pythonX.Y/site-packages` and their extension modules are built for one X.Y and one build. When the base
Python becomes 3.12, an environment made for 3.11 starts, finds none of its packages, and could not load their extension modules.

## How it is found
The version of the interpreter that `bin/python` leads to is compared with `version` in `pyvenv.cfg` and with the folders that
hold the installed packages: `lib/python3.11`, `lib/python3.13t` (free-threaded), `lib/pypy3.10`.
Packages left in the folder of an older version beside a filled folder of the present one are a warning; those that conda's
records have there are an error: conda did not link them for the new version.

## Look-alikes that are fine
Another patch level (3.11.4 now 3.11.9), however `pyvenv.cfg` spells it; an empty folder, or one with only byte code, of an older
version; an interpreter that is gone (INT001).

## How to fix
Make the environment again with the version that it was made for, or with the new one, and install its packages again.

## Example
`bin/python is Python 3.12.1, but the environment was made for 3.11: its packages are in lib/python3.11/site-packages`
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Subject
from envdoctor.lazy import pattern
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import CondaPackage, Site
from envdoctor.view import View

RULE = Rule(
    "INT004",
    "base-interpreter-changed",
    "error",
    reads=("interpreter", "venv", "sites", "target", "distributions", "conda_packages", "conda_meta"),
    messages=(
        "No module named 'encodings'",
        "Could not find platform independent libraries <prefix>",
        "Could not find platform dependent libraries <exec_prefix>",
        "The virtual environment was not created successfully",
    ),
)

_TOOLS = frozenset({"pip", "setuptools", "wheel", "distribute"})
_FOLDER = pattern(r"/lib(?:64)?/(python|pypy|graalpy)(\d+\.\d+)([td]?)/site-packages$")


def check(view: View) -> Iterator[Finding]:
    """At most one finding for the environment, one for conda packages of another version."""
    snapshot = view.snapshot
    interpreter, venv, target = snapshot.interpreter, snapshot.venv, snapshot.target
    if not interpreter.exists:
        raise Skip("the interpreter is missing")
    now = view.python_short
    if now is None:
        raise Skip("the version of the interpreter is not known")
    if interpreter.version_from == "pyvenv.cfg" or (interpreter.version_from or "").startswith("lib/"):
        raise Skip("the interpreter's own version cannot be told apart from the environment's")
    written = re.match(r"\d+\.\d+", venv.version or "") if venv is not None else None
    other = [site for site in snapshot.sites if site.role == "other" and not site.active and site.metadata_folders]
    newest = max(other, key=lambda site: (site.metadata_folders, site.path), default=None)
    made_for = written[0] if written is not None and written[0] != now else None
    lost = _linked_for_another(view)
    if target.kind == "system" or (made_for is None and newest is None):
        if lost:
            yield _left_by_conda(view, now, lost)
        return
    evidence = [f"the interpreter: Python {interpreter.version} ({interpreter.version_from})"]
    if interpreter.real_path:
        evidence.append(f"{view.inside(interpreter.path)} is {interpreter.real_path}")
    if made_for is not None and venv is not None:
        evidence.append(f"pyvenv.cfg: version {venv.version}")
    where = ""
    if newest is not None:
        evidence.append(f"{view.inside(newest.path)} holds the metadata of {newest.metadata_folders} distributions")
        where = f": its packages are in {view.inside(newest.path)}"
    own = {i for i, site in view.active_sites if site.of_target}
    present = [d for d in snapshot.distributions if d.site in own and d.name not in _TOOLS]
    severe = made_for is not None or not present
    if lost and not severe:
        yield _left_by_conda(view, now, lost)
    label = made_for or (_label(newest) if newest is not None else "another version")
    build = "" if label != now else " as another build"
    yield RULE.finding(
        f"{view.inside(interpreter.path)} is Python {interpreter.version}, but the environment was made for {label}{build}{where}"
        if severe
        else f"packages were left behind: {view.inside(newest.path) if newest else ''} belongs to Python {label},"
        f" {view.inside(interpreter.path)} is {interpreter.version}",
        [view.interpreter_subject(), view.environment_subject(), *([view.file(newest.path)] if newest else [])],
        evidence=evidence,
        fixes=_fixes(view, label, now, newest, severe=severe),
        severity="error" if severe else "warning",
        key="interpreter" if severe else "left",
    )


def _linked_for_another(view: View) -> list[CondaPackage]:
    """conda packages of Python's that stand below ``lib/pythonX.Y`` of another version than the prefix has."""
    meta = view.snapshot.conda_meta
    # a record of python that is not of the Python which is there says nothing about the modules: CND006, CND004
    orphans = [orphan for orphan in (meta.orphans if meta else ()) if orphan.version != view.python_short]
    owners = {owner for orphan in orphans for owner in orphan.owners}
    return [
        package
        for package in view.snapshot.conda_packages
        if f"{package.name}={package.version}={package.build}" in owners
        and package.name != "python"
        and (package.noarch == "python" or any(spec.split(" ", 1)[0] in ("python", "python_abi") for spec in package.depends))
    ]


def _left_by_conda(view: View, now: str, lost: list[CondaPackage]) -> Finding:
    meta = view.snapshot.conda_meta
    orphans = [orphan for orphan in (meta.orphans if meta else ()) if orphan.recorded]
    names = ", ".join(f"{package.name} {package.version}" for package in lost[:3])
    more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
    one = len(lost) == 1
    return RULE.finding(
        f"the environment has Python {now}, and {names}{more} {'is' if one else 'are'} linked for {orphans[0].version}: "
        f"{'its' if one else 'their'} modules are in {orphans[0].path}",
        [
            *(Subject("conda-package", package.name, package.version, package.record) for package in lost[:20]),
            view.interpreter_subject(),
            view.environment_subject(),
        ],
        evidence=[
            f"conda-meta: python {meta.python if meta else ''}",
            *(f"{orphan.path}: {orphan.recorded:,} paths of conda's records" for orphan in orphans),
            *(f"{package.record}: {package.name} {package.version}" for package in lost[:5]),
        ],
        fixes=[
            view.remedy.fix(
                "let conda choose builds for the Python that is there",
                view.remedy.conda_update(*(package.name for package in lost)),
                "INT004",
                safety="unsafe",
            )
        ],
        key="conda",
    )


def _label(site: Site) -> str:
    """The version, and build where it is a special one, that a site folder belongs to."""
    found = _FOLDER.search(site.path.replace("\\", "/"))
    if found is None:
        return "another version"
    kind = "" if found[1] == "python" else f"{found[1]} "
    return f"{kind}{found[2]}{found[3]}"


def _fixes(view: View, label: str, now: str, newest: Site | None, *, severe: bool) -> Iterator[Fix]:
    remedy = view.remedy
    if severe:
        old = label if re.fullmatch(r"\d+\.\d+", label) else now
        yield remedy.recreate(f"make the environment again with Python {old}", python=old)
        if old != now:
            yield remedy.recreate(f"or with the Python {now} that is there now", python=now)
    elif newest is not None:
        yield remedy.fix("delete the folder once nothing of it is missed", remedy.delete(newest.path), "INT004", safety="manual")
