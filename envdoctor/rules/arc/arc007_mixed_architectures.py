"""One environment holds packages for two architectures.

## Why it matters
A process is of one architecture, and so is everything that it loads. An environment that was filled from two machines, or by two
tools that were told different platforms, holds packages of which half cannot be imported, and each later installation may add to
either half.

## How it is found
The records of `conda-meta` name the platform that each package is for; two platforms beside `noarch` are a mixture. In site
folders the headers of extension modules tell: some distributions fit the interpreter, and others have nothing but modules for
another architecture.

## Look-alikes that are fine
- `noarch` records, and records that name no platform.
- Distributions that ship modules for several architectures, one of which fits.
- Files for other machines that nothing imports: firmware, cross compilers (`gcc_linux-aarch64` is a linux-64 package), launchers.
- universal2 modules.
- An environment wholly for another architecture: ARC001, ARC002 and ARC006 tell of that.

## How to fix
Install the packages that are for the other architecture again with a tool that runs on this one; or make the environment anew.

## Example
`the environment mixes osx-arm64 (61 records) with osx-64 (zlib 1.3.1)`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.conda.installed import addressable, label, subject
from envdoctor.conda.subdirs import main_subdir, subdirs
from envdoctor.finding import Finding
from envdoctor.natives import Group, Loading, Native, count, describe, platform_of, some
from envdoctor.rules.base import Rule
from envdoctor.view import View

RULE = Rule(
    "ARC007",
    "mixed-architectures",
    "error",
    reads=("conda_packages", "natives", "interpreter", "distributions", "machine", "target", "sites"),
    messages=("incompatible architecture (have '{have}', need '{need}')",),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for the records, one for the extension modules of each other architecture."""
    counts = subdirs(view)
    if len(counts) > 1:
        yield _records(view)
    if view.snapshot.natives and view.loading.machines:
        yield from _modules(view, view.loading)


def _records(view: View) -> Finding:
    counts = subdirs(view)
    own = main_subdir(view)
    others = sorted(
        (package for package in view.snapshot.conda_packages if package.subdir in counts and package.subdir != own),
        key=lambda package: (package.name, package.record),
    )
    platforms = sorted({package.subdir or "" for package in others})
    told = label(others[0]) if len(others) == 1 else f"{counts.total() - counts[own]} records"
    return RULE.finding(
        f"the environment mixes {own} ({counts[own]} records) with {' and '.join(platforms)} ({told})",
        [*(subject(package) for package in others[:20]), view.environment_subject()],
        evidence=[
            f"conda-meta: {counts[own]} records of {own}",
            *some((f"{package.record}: subdir {package.subdir}" for package in others), len(others)),
        ],
        fixes=[
            view.remedy.fix(
                f"install {', '.join(package.name for package in others[:5])}{' and others' if len(others) > 5 else ''} again, "
                f"for {own}",
                view.remedy.conda_reinstall(*addressable(package.name for package in others)),
                RULE.code,
                "CND006",
                safety="unsafe",
            )
        ],
        key=f"conda:{own}:{' '.join(platforms)}",
    )


def _modules(view: View, loading: Loading) -> Iterator[Finding]:
    fitting = [group for group in loading.groups if group.dist is not None and any(n.fits and n.arch for n in group.extensions)]
    if not fitting:
        return
    wrong: dict[str, list[Group]] = {}
    for group in loading.groups:
        if group.dist is None or not group.extensions or group.fitting:
            continue
        if all(n.arch is False and (group.site, n.module) not in loading.loadable_modules for n in group.extensions):
            wrong.setdefault(platform_of(group.extensions[0].file), []).append(group)
    for platform, groups in sorted(wrong.items()):
        dists = sorted(
            (group.dist for group in groups if group.dist is not None), key=lambda dist: (dist.name, dist.site, dist.path)
        )
        first = dists[0].name if len(dists) == 1 else count(len(dists), "distribution")
        yield RULE.finding(
            f"the environment mixes {loading.here} ({count(len(fitting), 'distribution')}) with {platform} ({first})",
            [*(view.distribution(dist) for dist in dists[:20]), view.environment_subject()],
            evidence=[
                *some(
                    (f"{loading.shown(g, g.extensions[0].file)}: {describe(g.extensions[0].file)}" for g in groups), len(groups)
                ),
                f"{loading.shown(fitting[0], _fits(fitting[0]).file)}: {describe(_fits(fitting[0]).file)}",
            ],
            fixes=[
                view.remedy.fix(
                    f"install {', '.join(dist.name for dist in dists[:5])}{' and others' if len(dists) > 5 else ''} again, for "
                    f"{loading.here}",
                    view.remedy.reinstall(*dists),
                    RULE.code,
                    "ARC002",
                    safety=view.remedy.safety("safe"),
                )
            ],
            key=f"modules:{platform}",
        )


def _fits(group: Group) -> Native:
    """An extension module of it that fits."""
    return next(n for n in group.extensions if n.fits and n.arch)
