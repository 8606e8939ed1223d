"""A module hides one of the standard library.

## Why it matters
The folder that Python is started in, and the folders of PYTHONPATH, come before the standard library. A `random.py`
there is what `import random` finds, also inside numpy, tempfile and everything else that asks for `random`: they fail
with an ImportError or AttributeError that names their own line, or run your file.

## How it is found
Modules, packages and extension modules at the top of the working directory, of the project's root and of PYTHONPATH
that have the name of a standard module of this Python version. Standard modules that are built in, frozen, or imported
before the working directory is on sys.path are left out: nothing hides those. It is an error where installed packages
or standard modules import the hidden one when they are imported (column-0 imports, followed through the standard
library), else info. A warning where only modules import it that their packages do not load by themselves, and where the
folder is itself a package: Python is rarely started inside one.

## Look-alikes that are fine
- A folder without `__init__`: a regular module wins over it.
- A standard module that nothing else needs: a local `code.py`, `queue.py` or `cmd.py` hurts nobody until something
  imports it (info).
- Backports in plain site-packages (enum34, typing, dataclasses): that folder comes after the standard library, so they
  are never imported (info).
- Names that this version's standard library no longer has: `distutils` on 3.12, `imp`, `cgi`.

## How to fix
Rename the file. A backport that this Python no longer needs can be uninstalled.

## Example
    error PTH005 stdlib-shadowed · random.py
      random.py in the working directory hides the standard module random, which numpy.random and 14 others import
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Severity, fingerprint
from envdoctor.rules.base import Rule
from envdoctor.snapshot import Distribution, Shadow
from envdoctor.view import View

RULE = Rule(
    "PTH005",
    "stdlib-shadowed",
    "error",
    reads=("shadows", "distributions", "sites"),
    messages=(
        "since it has the same name as the standard library module named '{module}'",
        "partially initialized module '{module}' has no attribute '{name}' (most likely due to a circular import)",
        "module '{module}' has no attribute '{name}'",
        "cannot import name '{name}' from '{module}'",
        "No module named '{module}'; '{package}' is not a package",
    ),
)

PLACES = {
    "working-directory": "in the working directory",
    "project": "in the project's root",
    "pythonpath": "on PYTHONPATH",
    "site": "in site-packages",
    "user": "in the user site",
}


def check(view: View) -> Iterator[Finding]:
    """One finding for each hidden module; backports in site-packages together."""
    late: list[Shadow] = []
    for shadow in view.snapshot.shadows:
        if shadow.hides != "stdlib":
            continue
        if shadow.where in ("site", "user"):
            late.append(shadow)
        else:
            yield _finding(view, shadow)
    if late:
        yield _never_imported(view, late)


def _finding(view: View, shadow: Shadow) -> Finding:
    file = shadow.path.replace("\\", "/").rpartition("/")[2]
    place = PLACES[shadow.where]
    severity: Severity = "info"
    if shadow.importer_count:
        rare = shadow.lazy or (shadow.in_package and shadow.where != "pythonpath")
        severity = "warning" if rare else "error"
    owner = _owner(view, shadow)
    if shadow.importer_count:
        others = shadow.importer_count - 1
        more = f" and {others} others" if others > 1 else " and another" if others else ""
        verb = "import" if others else "imports"
        message = f"{file} {place} hides the standard module {shadow.name}, which {shadow.importers[0]}{more} {verb}"
    else:
        message = f"{file} {place} hides the standard module {shadow.name}; nothing found here imports it"
    evidence = [f"{shadow.path} comes before the standard library on sys.path"]
    if shadow.importers:
        evidence.append(f"modules that need the hidden one: {', '.join(shadow.importers)}")
    subjects = [view.file(shadow.path), *([view.distribution(owner)] if owner else []), view.interpreter_subject()]
    return RULE.finding(
        message,
        subjects,
        evidence=evidence,
        fixes=[_rename(view, shadow, owner)],
        key=f"{shadow.where}:{file}",
        severity=severity,
        confidence="likely" if shadow.importer_count else "possible",
        caused_by=fingerprint("PTH003", "PYTHONPATH") if shadow.where == "pythonpath" else None,
    )


def _rename(view: View, shadow: Shadow, owner: Distribution | None) -> Fix:
    if owner is not None:
        return view.remedy.fix(
            f"uninstall {owner.name}: Python has the module itself", view.remedy.uninstall(owner), RULE.code, safety="unsafe"
        )
    suffix = ".py" if shadow.path.endswith(".py") else ""
    renamed = f"{shadow.path.removesuffix(suffix)}_{suffix}" if suffix else f"{shadow.path}_"
    return view.remedy.manual(
        "rename it, and the imports of it in your own code", RULE.code, commands=[("mv", shadow.path, renamed)]
    )


def _owner(view: View, shadow: Shadow) -> Distribution | None:
    """The installed distribution that the hiding file belongs to."""
    folder = shadow.path.replace("\\", "/").rpartition("/")[0]
    for dist in view.snapshot.distributions:
        if shadow.name in dist.import_names and view.site_path(dist) == folder:
            return dist
    return None


def _never_imported(view: View, late: list[Shadow]) -> Finding:
    names = sorted({shadow.name for shadow in late})
    owners = {owner.name: owner for shadow in late for owner in [_owner(view, shadow)] if owner}
    removable = [owners[name] for name in sorted(owners) if set(owners[name].import_names) <= set(names)]
    if removable:
        fix = view.remedy.fix(
            "uninstall the backport; the standard library has the module",
            view.remedy.uninstall(*removable),
            RULE.code,
            safety="unsafe",
        )
    else:
        fix = view.remedy.manual("leave it: the standard library wins here", RULE.code)
    return RULE.finding(
        f"{', '.join(names[:5])} in site-packages {'has' if len(names) == 1 else 'have'} the name of a standard module; "
        "the standard library comes first, so it is never imported",
        [*(view.distribution(owners[name]) for name in sorted(owners)), *(view.file(shadow.path) for shadow in late)],
        evidence=[f"{shadow.path} comes after the standard library on sys.path" for shadow in late[:5]],
        fixes=[fix],
        key="site:" + ",".join(names),
        severity="info",
    )
