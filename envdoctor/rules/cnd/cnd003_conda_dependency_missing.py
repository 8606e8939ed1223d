"""A package that a conda package depends on has no record in the prefix.

## Why it matters
What conda packages need of each other is written in their records, not in Python's metadata: a library, a C++ runtime, an
interpreter. Where one of them is gone, the packages that need it fail when they load it, and every later `conda install` finds
an environment that it cannot have made, and changes more than was asked for.

## How it is found
Each `depends` of each record in `conda-meta` is read as a match spec, and its name looked up among the records. Nothing is
solved and no channel is asked.

## Look-alikes that are fine
- Virtual packages (`__glibc`, `__cuda`): CND004 compares them with the machine.
- `constrains`: they ask for nothing, they only limit.
- `pip` in the depends of `python`, which conda adds by itself: an environment without pip is a whole one.
- A dependency whose own record is damaged: CND006 tells of that, and the package may well be there.
- A spec with a condition, and one that is no spec.
- A Python package that pip has put where conda's was: it works now, by luck, so a warning.

## How to fix
Install the missing package, in the versions that all who need it allow.

## Example
`numpy 1.26.4 needs libblas >=3.9.0,<4.0a0, of which conda-meta has no record`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.conda.installed import Edge, askers, combined, label, shortened, subject
from envdoctor.finding import Finding, Subject
from envdoctor.rules.base import Rule
from envdoctor.view import View, normalize

RULE = Rule(
    "CND003",
    "conda-dependency-missing",
    "error",
    reads=("conda_packages", "conda_meta", "distributions", "sites", "target"),
    messages=(
        "The environment is inconsistent",
        "PackagesNotFoundError",
        "nothing provides {package} needed by {other}",
    ),
)


MANY = 25
"""Missing packages above which they are one finding: records were lost, not packages."""


def check(view: View) -> Iterator[Finding]:
    """One finding for each package that is asked for and has no record, or one for all of very many."""
    missing = view.conda.missing
    if len(missing) > MANY:
        yield _all(view, missing)
        return
    for name, edges in missing.items():
        asking = askers(edges)
        first = edges[0]
        others = f" and {len(asking) - 1} more" if len(asking) > 1 else ""
        verb = "needs" if len(asking) == 1 else "need"
        instead = view.effective.get(normalize(name))
        evidence = [
            *(f"{edge.package.record}: depends on {shortened(edge.spec)}" for edge in edges[:5]),
            *([f"and {len(edges) - 5} more"] if len(edges) > 5 else []),
            f"conda-meta: no record of {name}",
        ]
        subjects = [Subject("conda-package", name), *(subject(package) for package in asking[:20])]
        if instead is not None and not instead.conda and instead.installer != "conda":
            version = f" {instead.version}" if instead.version else ""
            evidence.append(
                f"{view.in_site(instead.site, instead.path)}: {name}{version}, installed by {instead.installer or 'pip'}"
            )
            subjects.append(view.distribution(instead))
        else:
            instead = None
        wanted = _wanted(edges, name)
        told = shortened(first.spec) if len({edge.spec.text for edge in edges}) == 1 else name
        yield RULE.finding(
            f"{label(first.package)}{others} {verb} {told}, of which conda-meta has no record",
            subjects,
            evidence=evidence,
            fixes=[
                view.remedy.fix(
                    f"install {wanted}, which also brings what it needs itself",
                    view.remedy.conda_install(wanted),
                    RULE.code,
                    "CND004",
                    safety="unsafe" if instead is not None else "safe",
                )
            ],
            severity="warning" if instead is not None else "error",
            confidence="likely" if instead is not None else "certain",
        )


def _all(view: View, missing: dict[str, tuple[Edge, ...]]) -> Finding:
    names = list(missing)
    lines = [f"{edges[0].package.record}: depends on {shortened(edges[0].spec)}" for edges in missing.values()]
    return RULE.finding(
        f"{len(names)} packages that others depend on have no record: {', '.join(names[:3])} and others",
        [view.environment_subject(), *(Subject("conda-package", name) for name in names[:50])],
        evidence=[*lines[:5], f"and {len(lines) - 5} more", f"conda-meta: {len(view.conda.packages)} records"],
        fixes=[
            view.remedy.fix(
                f"install the {len(names)} packages, which writes their records anew",
                view.remedy.conda_install(*(_wanted(edges, name) for name, edges in missing.items())),
                RULE.code,
                "CND004",
                safety="unsafe",
            ),
            view.remedy.recreate("or make the environment again"),
        ],
        key="environment",
    )


def _wanted(edges: tuple[Edge, ...], name: str) -> str:
    """What to ask conda for: the versions that all allow, else the spec of one, else the name."""
    texts = {edge.spec.text for edge in edges}
    return combined(edges, name) or (texts.pop() if len(texts) == 1 else name)
