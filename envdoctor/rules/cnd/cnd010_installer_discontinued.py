"""An installation was made by an installer that is no longer made.

## Why it matters
The installation goes on working, and its packages can be updated. But scripts, images and CI jobs that fetch the installer fail
(Mambaforge refuses to install since January 2025), and nobody looks at reports about it. What it needs is a plan, not haste.

## How it is found
The installation that the environment belongs to, and those that PATH, variables and shell start-up files lead to: Mambaforge by
the name of its folder, or its licence; a root on PyPy (Mambaforge-pypy3, Miniforge-pypy3); a root on Python 2 (Anaconda2,
Miniconda2).

## Look-alikes that are fine
- Miniforge: it is what replaces them; since version 23.3.1 it has the very same packages as Mambaforge.
- Anaconda, Miniconda, micromamba, pixi.
- An image of condaforge/mambaforge in /opt/conda: it cannot be told from Miniforge, and is the same.
- An environment on PyPy or Python 2 below another root.

## How to fix
Take Miniforge where something is installed anew. What is there can stay, and be updated by its own conda or mamba.

## Example
`Mambaforge is no longer made: /home/u/mambaforge; Miniforge has replaced it`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Command, Confidence, Finding
from envdoctor.rules.base import Rule
from envdoctor.rules.cnd._settings import installers, root_subject
from envdoctor.snapshot import CondaRoot
from envdoctor.view import View

RULE = Rule(
    "CND010",
    "installer-discontinued",
    "warning",
    reads=("conda_installers",),
    messages=(
        "HTTP 403 FORBIDDEN for channel",
        "Terms of Service have not been accepted",
        "CondaToSNonInteractiveError",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each installation."""
    for root in installers(view).roots:
        what = _what(root)
        if what is None:
            continue
        product, replacement, since = what
        confidence: Confidence = "likely" if root.product_from == "its name" else "certain"
        evidence = [f"{root.path}: {product}, by {_by(root)}", since, *(f"{root.path}: {seen}" for seen in root.seen[:3])]
        commands: list[Command] = []
        if product == "Mambaforge":
            tool = "mamba" if root.mamba else "conda"
            commands = [(f"{root.path}/bin/{tool}", "update", "-p", root.path, "--all")]
        yield RULE.finding(
            f"{product} is no longer made: {root.path}; {replacement} has replaced it",
            [root_subject(root)],
            evidence=evidence,
            fixes=[
                view.remedy.manual(
                    f"take {replacement} where conda is installed anew (scripts, images, CI)"
                    + (
                        "; this installation can stay: keep it up to date"
                        if commands
                        else ", and make the environments again there"
                    ),
                    RULE.code,
                    commands=commands,
                )
            ],
            confidence=confidence,
            key=f"{product}",
        )


def _by(root: CondaRoot) -> str:
    if root.product == "mambaforge":
        return root.product_from or "its name"
    return f"its Python record ({root.implementation} {root.python})"


def _what(root: CondaRoot) -> tuple[str, str, str] | None:
    """Product, what replaces it, and since when."""
    sunset = "Mambaforge was retired in January 2025 (conda-forge news, 29 July 2024)"
    if root.implementation == "pypy" and (root.conda or root.mamba):
        product = "Mambaforge-pypy3" if root.product == "mambaforge" else "Miniforge-pypy3"
        return product, "Miniforge", f"{product} was retired with Mambaforge, in January 2025"
    if root.python and root.python.startswith("2.") and root.conda:
        product = "Anaconda2" if root.product == "anaconda" else "Miniconda2"
        return product, "Miniforge or Miniconda", "installers with Python 2.7 have not been made since 2020"
    return ("Mambaforge", "Miniforge", sunset) if root.product == "mambaforge" else None
