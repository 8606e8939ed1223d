"""The packages of a conda prefix are not what its pins, or what its user asked for, say.

## Why it matters
A pin is a promise: `conda-meta/pinned` says which versions no transaction may leave, and the history says what was asked for by
name. Both steer every later solve. Where the records do not satisfy them any more, something other than that tool has changed
the prefix, and the next `conda install` of anything moves packages to where the pins want them, or finds no solution.

## How it is found
The lines of `conda-meta/pinned`, `pinned_packages` of conda's configuration, the specs in `conda-meta/history` (the last one for
each name, what was removed left out) and, where there is no history, the specs that the records themselves say they were asked
for with, are compared with the records: version, build, build number.

## Look-alikes that are fine
- A pin on a package that is not installed: pins limit, they ask for nothing.
- A spec that a later request for the same name replaced, and one whose package a later transaction took away.
- Channels: a mirror has other addresses than what it mirrors.
- Specs that are none, or have a condition.
- A pixi project: its manifest and lock file say what is wanted, its prefixes have no history.

## How to fix
Let conda put the pinned version there again, or change the pin to what is wanted now.

## Example
`numpy 2.2.6 is not what conda-meta/pinned says: numpy <2`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.conda.installed import label, shortened, spec_of, subject
from envdoctor.conda.matchspec import MatchSpec
from envdoctor.finding import Finding, Subject
from envdoctor.rules.base import Rule
from envdoctor.rules.cnd._settings import place, setting_subject
from envdoctor.snapshot import CondaPackage
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

RULE = Rule(
    "CND013",
    "pins-violated",
    "warning",
    reads=("conda_packages", "conda_meta", "conda_installers", "target"),
    messages=(
        "SpecsConfigurationConflictError",
        "Pins seem to be involved in the conflict",
        "Requested specs conflict with configured specs",
    ),
)

_JUDGED = frozenset(("version", "build", "build_number"))


class Wish(NamedTuple):
    """A spec that somebody wrote, and where it stands."""

    spec: MatchSpec
    where: str
    pin: Subject | None = None
    """The file or variable with the pin; None for a request."""


def check(view: View) -> Iterator[Finding]:
    """One finding for each package that is not what a pin or a request says."""
    meta = view.snapshot.conda_meta
    if meta is None:
        return
    broken: dict[str, tuple[CondaPackage, list[Wish]]] = {}
    for wish in _wishes(view):
        exact = wish.spec.any_name is None
        for name in (wish.spec.name,) if exact else tuple(filter(wish.spec.names, view.conda.by_name)):
            if _violated(view, wish.spec, name):
                broken.setdefault(name, (view.conda.by_name[name][0], []))[1].append(wish)
    for name, (package, wishes) in sorted(broken.items()):
        wishes.sort(key=lambda wish: wish.pin is None)
        first = wishes[0]
        source = f"{first.pin.name} says" if first.pin else "was asked for"
        build = f" (build {package.build})" if "build" in _missed(view, first.spec, package) else ""
        yield RULE.finding(
            f"{label(package)}{build} is not what {source}: {shortened(first.spec)}",
            [subject(package), *(wish.pin for wish in wishes if wish.pin is not None)],
            evidence=[f"{package.record}: {label(package)}, build {package.build}", *(wish.where for wish in wishes[:5])],
            fixes=[
                view.remedy.fix(
                    f"let conda install {_asked(first.spec, name)}",
                    view.remedy.conda_install(_asked(first.spec, name)),
                    RULE.code,
                    safety="unsafe",
                ),
                view.remedy.manual(
                    f"change the pin in {first.pin.name} to what is wanted now"
                    if first.pin is not None
                    else f"keep {label(package)}: ask for {package.name}={package.version}, so that the history says so",
                    RULE.code,
                ),
            ],
            key=f"conda-package:{name}",
        )
    yield from _gone(view)


def _wishes(view: View) -> Iterator[Wish]:
    meta = view.snapshot.conda_meta
    assert meta is not None
    for pin in meta.pins:
        spec = spec_of(pin.spec)
        if spec is not None and not spec.open:
            pinned = Subject("file", "conda-meta/pinned", None, "conda-meta/pinned")
            yield Wish(spec, f"conda-meta/pinned:{pin.line}: {shortened(spec)}", pinned)
    yield from _configured(view)
    asked = meta.history.requested if meta.history is not None else ()
    for text in asked:
        spec = spec_of(text)
        if spec is not None and not spec.open:
            yield Wish(spec, f"conda-meta/history asks for {shortened(spec)}")
    if not asked:
        for package in view.conda.packages:
            for text in package.requested:
                spec = spec_of(text)
                if spec is not None and not spec.open and spec.name == package.name:
                    yield Wish(spec, f"{package.record}: was asked for as {shortened(spec)}")


def _configured(view: View) -> Iterator[Wish]:
    """``pinned_packages``, which holds for all environments."""
    facts = view.snapshot.conda_installers
    if facts is None or view.snapshot.target.kind == "pixi":
        return
    for setting in facts.settings:
        if setting.name != "pinned_packages" or setting.kind == "map":
            continue
        for at, text in enumerate(setting.values):
            spec = spec_of(text)
            if spec is not None and not spec.open:
                where = place(view, setting, setting.lines[at] if at < len(setting.lines) else None)
                yield Wish(spec, f"{where}: pinned_packages: {shortened(spec)}", setting_subject(view, setting))


def _missed(view: View, spec: MatchSpec, package: CondaPackage) -> frozenset[str]:
    return _JUDGED.intersection(spec.misses(view.conda.candidates[package.record or package.name]))


def _violated(view: View, spec: MatchSpec, name: str) -> bool:
    """There are records of that name, and all of them are other than the spec says."""
    there = view.conda.by_name.get(name, ())
    return bool(there) and all(_missed(view, spec, one) for one in there)


def _asked(spec: MatchSpec, name: str) -> str:
    """What to ask conda for, so that the package of that name is what the spec says."""
    return spec.text.strip() if spec.any_name is None else f"{name} {spec.specifier or '*'} {spec.build or ''}".strip()


def _gone(view: View) -> Iterator[Finding]:
    """What was asked for by name, what the history says is installed, and what has no record."""
    meta = view.snapshot.conda_meta
    assert meta is not None
    history = meta.history
    if history is None or history.unfinished or not history.not_there:
        return
    lost = {dist.rsplit("-", 2)[0]: dist for dist in history.not_there if dist.count("-") >= 2}
    for text in history.requested:
        spec = spec_of(text)
        if spec is None or spec.open or spec.any_name is not None:
            continue
        if spec.name not in lost or spec.name in view.conda.by_name or spec.name in view.conda.unreadable:
            continue
        yield RULE.finding(
            f"{spec.name} was asked for ({shortened(spec)}), and has no record",
            [Subject("conda-package", spec.name)],
            evidence=[
                f"conda-meta/history asks for {shortened(spec)}",
                f"conda-meta/history says that {lost[spec.name]} is installed; there is no record of it",
            ],
            fixes=[
                view.remedy.fix(
                    f"let conda install {shortened(spec)} again", view.remedy.conda_install(text), RULE.code, safety="unsafe"
                )
            ],
            key=f"gone:{spec.name}",
        )
