"""A .pth line names a folder that is not there.

## Why it matters
A line of a .pth file adds a folder to sys.path. When the folder is gone Python skips the line without a word, and what
it used to provide cannot be imported any more: a moved source tree, a deleted checkout, a drive that is not mounted.

## How it is found
Every .pth file of the active site folders is read as `site` reads it: blank lines and comments skipped, lines that
start with `import` are code, the rest are paths relative to the folder. Nothing is run.

## Look-alikes that are fine
- A zip file that is there; a folder reached by a link.
- Paths of another machine, when the environment is only looked at from here.
- Hidden .pth files, which newer Pythons do not read.

## How to fix
Install the project from its new place, which writes the file again, or delete the .pth file when nobody needs it.

## Example
    warning PTH007 pth-path-missing · lib/python3.11/site-packages/mylib.pth
      mylib.pth adds /home/ada/src/mylib to sys.path, which is not there
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix
from envdoctor.rules.base import Rule
from envdoctor.rules.pth._files import ignored, name_of, owner_of
from envdoctor.snapshot import PthFile, PthLine
from envdoctor.view import View

RULE = Rule(
    "PTH007",
    "pth-path-missing",
    "warning",
    reads=("pth_files", "distributions", "interpreter"),
    messages=("No module named '{module}'",),
)
SHOWN = 5


def check(view: View) -> Iterator[Finding]:
    """One finding for each file."""
    for pth in view.snapshot.pth_files:
        if ignored(view, pth) or (pth.problem or "").startswith("not UTF-8"):
            continue
        missing = [line for line in pth.lines if line.kind == "path" and not line.exists]
        if missing:
            yield _finding(view, pth, missing)


def _finding(view: View, pth: PthFile, missing: list[PthLine]) -> Finding:
    name = name_of(pth)
    owner = owner_of(view, pth)
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    them = "which is" if len(missing) == 1 else "which are"
    evidence = [f"{name}:{line.number}: {line.text}" for line in missing[:SHOWN]]
    if len(missing) > SHOWN:
        evidence.append(f"and {len(missing) - SHOWN} more lines")
    return RULE.finding(
        f"{name} adds {missing[0].path}{more} to sys.path, {them} not there",
        [view.file(pth.path), *([view.distribution(owner)] if owner else [])],
        evidence=evidence,
        fixes=list(_fixes(view, pth, missing)),
        key=name,
    )


def _fixes(view: View, pth: PthFile, missing: list[PthLine]) -> Iterator[Fix]:
    remedy = view.remedy
    owner = owner_of(view, pth)
    if owner is not None:
        yield remedy.manual(
            f"install {owner.name} from where its source is now, or remove it", RULE.code, commands=remedy.uninstall(owner)
        )
    elif len(missing) == len(pth.lines):
        yield remedy.fix("delete the file: none of its folders is there", remedy.delete(pth.path), RULE.code, safety="unsafe")
    else:
        lines = ", ".join(str(line.number) for line in missing[:20])
        yield remedy.manual(f"delete line {lines} of {pth.path}", RULE.code)
