"""An installed distribution lies outside what others require of its version.

## Why it matters
The requirer was tested with other versions. It may refuse to import (`tokenizers>=0.19,<0.20 is required`), miss a function
at run time, or give other results without a word.

## How it is found
The same walk as for PKG001, and the installed version compared with each active specifier by PEP 440: an installed
pre-release counts like any version, `2.13.0+cpu` satisfies `==2.13.0`, epochs and arbitrary equality (`===`) hold to the
letter. The version that counts is that of the first distribution of the name on sys.path. One finding for each
distribution that is outside, with all who disagree.

## Look-alikes that are fine
Local versions, post-releases, direct references (`name @ URL`), requirements of inactive extras and markers. Two conda packages
whose own records agree: their builders relaxed what upstream wrote (where the records disagree: CND004). Where conda or the
operating system packaged both sides, or where only the base of a `--system-site-packages` environment asks, it is a
warning: the packager decides what fits, and the target's own packages are not concerned.

## How to fix
Install a version that suits all who ask for it; where their demands exclude each other, upgrade those that disagree.

## Example
`beta-lib 1.0 does not satisfy alpha 1.0 (>=2)`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix
from envdoctor.requirements import Edge, brief, combine, evidence_of, satisfiable, satisfies, spell
from envdoctor.rules.base import Rule
from envdoctor.snapshot import Distribution
from envdoctor.view import View

RULE = Rule(
    "PKG002",
    "dependency-version-conflict",
    "error",
    reads=("distributions", "interpreter", "sites", "conda_packages"),
    messages=(
        "VersionConflict: ({distribution} {version} (",
        "but you have {distribution} {version} which is incompatible",
        "has requirement {requirement}, but you have {distribution} {version}",
        "is required for a normal functioning of this module, but found {distribution}=={version}",
        "cannot import name '{name}' from '{module}'",
        "requires {requirement}, but `{version}` is installed",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each installed distribution that is outside somebody's specifier."""
    for name, everyone in view.closure.conflicts.items():
        installed = view.effective[name]
        edges = [edge for edge in everyone if not _explained(view, edge, installed)]
        if not edges:
            continue
        firm = [edge for edge in edges if _binding(view, edge, installed)]
        ordered = [*firm, *(edge for edge in edges if not _binding(view, edge, installed))]
        requirers = sorted({view.distribution(edge.parent) for edge in edges}, key=lambda s: (s.name, s.path or ""))
        yield RULE.finding(
            f"{name} {installed.version} does not satisfy {_demands(ordered)}",
            [view.distribution(installed), *requirers],
            evidence=[
                f"{view.in_site(installed.site, installed.path)}: {name} {installed.version}",
                *evidence_of(view, ordered),
                *_hidden(view, installed, ordered),
            ],
            fixes=_fixes(view, installed, ordered),
            severity="error" if firm else "warning",
        )


def _binding(view: View, edge: Edge, installed: Distribution) -> bool:
    """The disagreement is the target's: not one packager's own choice, not one inside the base environment."""
    if not view.snapshot.sites[edge.parent.site].of_target:
        return False
    packager = view.packager(edge.parent)
    return packager is None or packager != view.packager(installed)


def _explained(view: View, edge: Edge, installed: Distribution) -> bool:
    """conda brought both, and what the record of the one says of the other holds."""
    parent = edge.parent.conda
    return bool(parent and installed.conda) and not view.conda.disagrees(parent, installed.conda)


def _demands(edges: list[Edge], limit: int = 3) -> str:
    texts = list(dict.fromkeys(f"{edge.asker} ({brief(edge.specifier.replace(' ', ''), 60)})" for edge in edges))
    if len(texts) > limit + 1:
        return f"{', '.join(texts[:limit])} and {len(texts) - limit} more"
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def _hidden(view: View, installed: Distribution, edges: list[Edge]) -> Iterator[str]:
    """Distributions of the name further back on sys.path that would do."""
    for other in view.by_name[installed.name]:
        if other.site == installed.site or not other.version:
            continue
        if all(satisfies(other.version, edge.specifier) for edge in edges):
            yield f"{view.in_site(other.site, other.path)}: {other.version} would do, but comes later on sys.path"


def _fixes(view: View, installed: Distribution, conflicts: list[Edge]) -> Iterator[Fix]:
    remedy = view.remedy
    name = installed.name
    everyone = [edge for edge in view.closure.incoming.get(name, ()) if edge.specifier and not edge.url]
    specifiers = [edge.specifier for edge in everyone]
    extras = {extra for edge in everyone for extra in edge.extras}
    if satisfiable(specifiers):
        wanted = spell(name, extras, combine(specifiers))
        own = installed.direct_url is not None or installed.editable is not None
        yield remedy.fix(
            f"Install {wanted}" + (f" in place of the one from {installed.direct_url.url}" if installed.direct_url else ""),
            remedy.install(wanted, dist=installed),
            RULE.code,
            "PKG001",
            safety=remedy.safety("unsafe" if own else "safe", installed),
        )
        return
    against = {edge.parent.name for edge in conflicts}
    content = [edge for edge in everyone if edge.parent.name not in against]
    parents = list({edge.parent.name: edge.parent for edge in conflicts}.values())
    others = f", which {_demands(content)} cannot have" if content else ""
    yield remedy.fix(
        f"No version of {name} suits all: {_demands(conflicts)} ask for another{others}. Upgrade those that disagree",
        remedy.upgrade(*parents),
        RULE.code,
        safety=remedy.safety("unsafe"),
    )
    if content:
        narrow = [edge.specifier for edge in conflicts]
        if satisfiable(narrow):
            wanted = spell(name, extras, combine(narrow))
            losers = list({e.parent.name: e.parent for e in content if not satisfiable([*narrow, e.specifier])}.values())
            yield remedy.manual(
                f"Or install {wanted}, and upgrade {', '.join(d.name for d in losers[:5]) or 'the others'}",
                RULE.code,
                commands=(*remedy.install(wanted, dist=installed), *remedy.upgrade(*losers)),
            )
