"""A file or folder of the project hides an installed distribution.

## Why it matters
The folder that Python is started in comes first on sys.path. A `requests.py` or a `numpy/` package beside your script
is what `import requests` finds, also inside other packages: `partially initialized module has no attribute 'get'`.

## How it is found
Modules and regular packages at the top of the working directory and the project's root that have an import name of an
installed distribution.

## Look-alikes that are fine
- The project's own package: installed from here, editable, in a src layout, or named like the project.
- A folder without `__init__`: the installed package wins.
- `tests`, `docs`, `scripts`, `utils` and other common names that some distributions ship by mistake.

## How to fix
Rename the file or folder, or run from another one (`python -P`, PYTHONSAFEPATH=1 on Python 3.11 and later).

## Example
    warning PTH006 package-shadowed · requests.py
      requests.py in the working directory hides requests 2.32.3
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding
from envdoctor.rules.base import Rule
from envdoctor.view import View

RULE = Rule(
    "PTH006",
    "package-shadowed",
    "warning",
    reads=("shadows", "distributions"),
    messages=(
        "if it has the same name as a library you intended to import",
        "partially initialized module '{module}' has no attribute '{name}' (most likely due to a circular import)",
        "cannot import name '{name}' from partially initialized module '{module}' (most likely due to a circular import)",
        "module '{module}' has no attribute '{name}'",
        "'{package}' is not a package",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each file or folder. PYTHONPATH is PTH003's."""
    for shadow in view.snapshot.shadows:
        if shadow.hides != "distribution" or shadow.distribution is None or shadow.where not in ("working-directory", "project"):
            continue
        subject = view.named(shadow.distribution)
        file = shadow.path.replace("\\", "/").rpartition("/")[2]
        place = "in the working directory" if shadow.where == "working-directory" else "in the project's root"
        suffix = ".py" if file.endswith(".py") else ""
        renamed = f"{shadow.path.removesuffix('.py')}_{suffix}"
        yield RULE.finding(
            f"{file} {place} hides {shadow.name} of {subject.name} {subject.version or ''}".rstrip(),
            [view.file(shadow.path), subject],
            evidence=[f"{shadow.path} comes before site-packages on sys.path", f"{subject.name} provides {shadow.name}"],
            fixes=[
                view.remedy.manual(
                    "rename it, and the imports of it in your own code", RULE.code, commands=[("mv", shadow.path, renamed)]
                )
            ],
            key=f"{shadow.distribution}:{file}",
            confidence="likely",
        )
