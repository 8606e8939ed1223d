"""An `__init__.py` hides parts of a namespace package.

## Why it matters
google, azure, zope and others are namespace packages: many distributions put their modules below one name, also in
different folders of sys.path. One folder with a plain `__init__.py` makes it an ordinary package: Python takes the first
such folder alone, and modules of other folders are gone (`No module named 'google.cloud'`), though they are installed.

## How it is found
Packages that stand in two or more folders of sys.path, one of them with an `__init__.py`; in the hidden folders, modules
that an installed distribution owns and that the visible one does not have.

## Look-alikes that are fine
Within one folder an `__init__.py` hides nothing; pkgutil and pkg_resources style, where it extends the package's path
itself; two installs of the same ordinary package, where the first hides the second as a whole (PKG004, PTH002).
A project's own `tests`, `docs` or `examples` in front of a folder of that name which a wheel left in site-packages: info.

## How to fix
Remove the `__init__.py`; where a distribution brought it, upgrade or move that distribution; where it is your own, outside of
the environment, rename your package or take its folder off the path.

## Example
`lib/python3.11/site-packages/google/__init__.py hides google.cloud.storage of google-cloud-storage`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding
from envdoctor.rules.base import Rule
from envdoctor.rules.pkg._recorded import label, listed
from envdoctor.rules.pkg._sharing import COMMON_TOPS
from envdoctor.snapshot import NamespaceBlock
from envdoctor.view import View

RULE = Rule(
    "PKG015",
    "namespace-blocked",
    "error",
    reads=("namespace_blocks", "distributions", "sites"),
    messages=("No module named '{module}'",),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each blocked package."""
    for block in view.snapshot.namespace_blocks:
        if block.distributions:
            yield _finding(view, block)


def _finding(view: View, block: NamespaceBlock) -> Finding:
    remedy = view.remedy
    place = view.inside(block.blocker)
    modules = list(block.hidden_modules)
    rest = [dist for name in block.distributions for dist in view.by_name.get(name, ())[:1]]
    fixes = []
    if block.owner is None and place == block.blocker:
        root = place.rpartition("/")[0].rpartition("/")[0]
        fixes.append(remedy.manual(f"Rename the package {block.package} of {root}, or take that folder off the path", RULE.code))
    elif block.owner is None:
        fixes.append(
            remedy.fix(
                f"Delete {place}, which no distribution owns",
                remedy.delete(block.blocker),
                RULE.code,
                safety=remedy.safety("unsafe"),
                verify=[remedy.importing(modules[0])] if modules else [],
            )
        )
    else:
        owner = view.effective.get(block.owner)
        newer = f"{block.owner}>{owner.version.partition('+')[0]}" if owner and owner.version else None
        fixes.append(
            remedy.manual(
                f"Upgrade {block.owner}, which brought {place}, or install it where {listed(list(block.distributions))} is",
                RULE.code,
                commands=remedy.install(newer, dist=owner) if newer else (),
            )
        )
    return RULE.finding(
        f"{place} hides {listed(modules)} of {listed([label(dist) for dist in rest] or list(block.distributions))}",
        [
            view.file(block.blocker),
            *(view.named(name) for name in block.distributions),
            *([view.named(block.owner)] if block.owner and block.owner not in block.distributions else []),
        ],
        evidence=[
            f"{place} makes {block.package} an ordinary package; it comes first on sys.path",
            *(f"{view.inside(folder)} is a portion of {block.package} that is not seen" for folder in block.hidden[:5]),
            *([f"hidden modules: {', '.join(modules[:8])}" + (" …" if len(modules) > 8 else "")]),
        ],
        fixes=fixes,
        key=block.package,
        severity="info" if block.package.partition(".")[0] in COMMON_TOPS else None,
    )
