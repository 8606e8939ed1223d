"""An installed wheel is not made for this interpreter on this machine.

## Why it matters
A wheel says in its tags for which Python, ABI and platform it was built; an installer takes only one that fits. One
that does not fit came in another way: unpacked by hand, installed with `--target` and `--platform`, copied with an
environment from another computer, or kept while the interpreter or the operating system changed. What it holds then
does not import, or imports without its compiled parts, and no installer would choose it again.

## How it is found
The `Tag` lines of the dist-info folder's WHEEL file are compared with what the interpreter accepts on this machine (PEP
425, 600, 656). When none fits, the one that comes nearest is explained: which part fails (python, abi, platform, glibc,
musl, macOS version), and both sides.

## Look-alikes that are fine
- Tags that installers relax: `linux_x86_64` of a local build, universal2, old macOS versions.
- dist-info folders that conda, apt or another system package made: those decide by their own metadata.
- A target of another computer: its operating system's version is not judged, system and architecture are.
- Wheels whose tags are wrong while everything compiled in them fits: that works, so it is a warning.

## How to fix
Install the distribution again, so that the installer takes the wheel for this interpreter. Where none exists (glibc or
macOS too old), an older version of it may have one, or it must be built from source.

## Example
markupsafe from a macOS laptop in a Linux container: `cp311-cp311-macosx_11_0_arm64`, part: platform.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from envdoctor.finding import Finding, Fix, Subject
from envdoctor.natives import count, some, wheel_tags
from envdoctor.platforms import Misfit, Profile, badness, explain, numbers, platform_words, python_words
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Distribution
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

RULE = Rule(
    "ARC003",
    "wheel-tag-unsupported",
    "error",
    reads=("distributions", "interpreter", "machine", "natives", "target", "sites"),
    messages=(
        "is not a supported wheel on this platform",
        "can't be installed because it doesn't have a source distribution or wheel for the current platform",
    ),
)

MANY = 12
"""From so many distributions on with one and the same fault it is told once, for the environment."""


class Unfit(NamedTuple):
    """A distribution none of whose tags fits."""

    dist: Distribution
    tag: str
    misfits: tuple[Misfit, ...]
    works: bool
    """Everything compiled in it fits nevertheless."""

    @property
    def parts(self) -> str:
        """Names of the parts that fail."""
        return " and ".join(dict.fromkeys(m.part for m in self.misfits))

    @property
    def reasons(self) -> str:
        """The parts that fail, in words."""
        return "; ".join(m.reason for m in self.misfits)


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution, or one for the environment where many have the same fault."""
    found = view.loading.profile
    if found.version is None:
        raise Skip("the Python version is not known")
    unfit = sorted(_unfit(view), key=lambda u: u.dist.name)
    by_reason: dict[tuple[str, bool], list[Unfit]] = {}
    for one in unfit:
        by_reason.setdefault((one.reasons, one.works), []).append(one)
    for _, group in sorted(by_reason.items()):
        if len(group) >= MANY:
            yield _environment(view, found, group)
        else:
            for one in group:
                yield _distribution(view, found, one)


def unsupported(dist: Distribution, found: Profile) -> tuple[str, tuple[Misfit, ...]] | None:
    """The tag of a distribution that comes nearest and what fails of it, or None when one fits or none is to be judged."""
    best: tuple[str, tuple[Misfit, ...]] | None = None
    for tag in wheel_tags(dist):
        misfits = explain(tag, found)
        if not misfits:
            return None
        if best is None or badness(misfits) < badness(best[1]):
            best = (tag, misfits)
    return best


def _unfit(view: View) -> Iterator[Unfit]:
    found = view.loading.profile
    fitting: dict[tuple[str, ...], bool] = {}
    for dist in view.effective.values():
        tags = dist.wheel.tags if dist.wheel is not None else ()
        if tags not in fitting:
            fitting[tags] = any(not explain(tag, found) for tag in tags)
        if fitting[tags]:
            continue
        worst = unsupported(dist, found)
        if worst is not None:
            yield Unfit(dist, *worst, _works(view, dist, worst[1]))


def _works(view: View, dist: Distribution, misfits: tuple[Misfit, ...]) -> bool:
    """Compiled files are there, and all of them fit this interpreter and its C library."""
    group = view.loading.by_owner.get((dist.site, dist.name))
    if group is None:
        return False
    judged = [n for n in group.natives if n.arch is not None]
    if not judged or not all(n.arch and (n.fits or not n.extension) and not n.file.python_symbols for n in judged):
        return False
    parts = {m.part for m in misfits}
    if parts & {"musl", "macOS version"}:
        return False
    if "glibc" in parts:
        have = view.loading.profile.libc_version
        if view.loading.profile.libc != "glibc" or have is None:
            return False
        needs = [numbers(part.glibc) for n in judged for part in n.file.slices if part.glibc]
        return all(need is None or need <= have for need in needs)
    return True


def _evidence(view: View, one: Unfit) -> list[str]:
    tags = one.dist.wheel.tags if one.dist.wheel else ()
    lines = [f"{view.in_site(one.dist.site, one.dist.path)}/WHEEL: Tag: {tag}" for tag in tags]
    return some(lines, len(lines), 4)


def _distribution(view: View, found: Profile, one: Unfit) -> Finding:
    dist = one.dist
    label = f"{dist.name} {dist.version}" if dist.version else dist.name
    message = f"{label} does not fit (part: {one.parts}): its wheel {one.tag} {one.reasons}"
    evidence = _evidence(view, one)
    if one.works:
        message += "; its compiled files fit nevertheless"
        group = view.loading.by_owner[dist.site, dist.name]
        evidence.append(f"{count(len(group.natives), 'compiled file')} of it fit this interpreter")
    evidence.append(f"interpreter: {python_words(found)} on {platform_words(found)}")
    return RULE.finding(
        message, [view.distribution(dist)], evidence=evidence, fixes=_fixes(view, one), severity="warning" if one.works else None
    )


def _fixes(view: View, one: Unfit) -> list[Fix]:
    # what came from a URL or a local file would come from there again, the same wheel
    dist = msgspec.structs.replace(one.dist, direct_url=None) if one.dist.direct_url and not one.dist.direct_url.vcs else one.dist
    fixes = [
        view.remedy.fix(
            f"install {dist.name} again, built for this interpreter",
            view.remedy.reinstall(dist),
            RULE.code,
            safety=view.remedy.safety("safe", dist),
        )
    ]
    if any(m.os_version for m in one.misfits):
        fixes.append(
            view.remedy.manual(
                f"where {dist.name} {dist.version or ''} has no older wheel: take an earlier version of it, build it "
                "from source, or use a newer operating system image",
                RULE.code,
            )
        )
    return fixes


def _environment(view: View, found: Profile, group: list[Unfit]) -> Finding:
    first = group[0]
    subjects: list[Subject] = [view.environment_subject(), *(view.distribution(one.dist) for one in group)]
    lines = [f"{view.in_site(one.dist.site, one.dist.path)}/WHEEL: Tag: {one.tag}" for one in group[:5]]
    dists = [
        msgspec.structs.replace(one.dist, direct_url=None) if one.dist.direct_url and not one.dist.direct_url.vcs else one.dist
        for one in group
    ]
    tail = "; their compiled files fit nevertheless" if first.works else ""
    return RULE.finding(
        f"{len(group)} distributions do not fit (part: {first.parts}): {first.tag} and the like {first.reasons}{tail}",
        subjects,
        evidence=[*some(lines, len(group)), f"interpreter: {python_words(found)} on {platform_words(found)}"],
        fixes=[
            view.remedy.fix(
                "install them again, built for this interpreter",
                view.remedy.reinstall(*dists),
                RULE.code,
                safety=view.remedy.safety("safe"),
            ),
            view.remedy.recreate("make the environment again with this interpreter"),
        ],
        key=f"environment:{first.parts}:{first.reasons}",
        severity="warning" if first.works else None,
    )
