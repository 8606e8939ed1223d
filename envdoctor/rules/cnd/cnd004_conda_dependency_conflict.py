"""A conda package has not the version or build that another one needs, or the machine has not what it needs.

## Why it matters
The versions in a conda package's `depends` are those that it was built against. A library of another version lacks symbols, a
build for another Python is never imported, a build for a newer glibc does not load. `constrains` limits what may be there
beside it. conda holds to both when it solves; `--force`, `--no-deps`, two tools in one prefix and copied records get past it.

## How it is found
Each `depends` and `constrains` of each record in `conda-meta` is compared with the record of the package that it names,
as conda reads match specs: version and build, wildcards, alternatives, build numbers, channel. Virtual packages are
compared with the machine that is judged for: `__glibc`, `__linux`, `__osx`, `__win`, `__musl`, `__cuda`, and
`__archspec`, where a processor that can run what is asked for is enough.

## Look-alikes that are fine
- `constrains` on a package that is not there.
- A spec with a condition, one that is no spec, one that asks for a field that records do not keep.
- Two records of one name, of which one fits (CND006 tells of them), and what only one of two records of a package asks
  for.
- `__cuda` on a machine without NVIDIA's driver: login nodes and images hold packages for GPUs of other machines. Where a
  driver is, what it offers is compared; where `CONDA_OVERRIDE_CUDA` says what conda is to believe, that is told as a
  warning.
- `__archspec` by another name for as good a processor: `x86_64_v3` on a `zen2`.
- Any virtual package but the system's own, where the target belongs to another computer.

## How to fix
Let conda choose a version that fits all. Where the machine is too old for a package, choose an earlier version of it.

## Example
`numpy 2.2.6 does not satisfy pandas 1.5.3 (numpy >=1.20.3,<2.0a0)`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.conda.installed import Edge, addressable, askers, combined, label, shortened, subject
from envdoctor.conda.virtual import OVERRIDES, show
from envdoctor.finding import Finding, Fix, Subject, fingerprint
from envdoctor.rules.base import Rule
from envdoctor.snapshot import CondaPackage
from envdoctor.view import View

RULE = Rule(
    "CND004",
    "conda-dependency-conflict",
    "error",
    reads=("conda_packages", "conda_meta", "machine", "shell", "target"),
    messages=(
        "The environment is inconsistent, please check the package plan carefully",
        "UnsatisfiableError",
        "LibMambaUnsatisfiableError",
        "nothing provides {package} needed by {other}",
        "Your installed version is: {version}",
    ),
)
_ALSO = {"__glibc": "glibc", "__musl": "musl", "__osx": "macOS", "__linux": "kernel"}
"""Virtual packages for which ARC008 tells what the machine lacks, by the key of its finding."""


def check(view: View) -> Iterator[Finding]:
    """One finding for each package that others disagree with, one for each virtual package."""
    for name, edges in view.conda.conflicts.items():
        yield _package(view, name, edges)
    virtuals = view.conda.virtuals
    for name, edges in view.conda.virtual.items():
        depends = [edge for edge in edges if not edge.constrains]
        # A constraint holds where the virtual package is absent.
        absent = name in virtuals.real and not virtuals.real[name].there
        judged = depends if absent else list(edges)
        broken = [edge for edge in judged if virtuals.fits(edge.spec) is False]
        if broken:
            yield _machine(view, name, broken)
            continue
        told = virtuals.told.get(name)
        if told is None:
            continue
        broken = [edge for edge in (edges if told.there else depends) if virtuals.told_to_fit(edge.spec) is False]
        if broken:
            yield _override(view, name, broken)


# ------------------------------------------------------------------------------------------------------------- packages


def _package(view: View, name: str, edges: tuple[Edge, ...]) -> Finding:
    installed = view.conda.by_name[name]
    there = installed[0]
    fields = {
        field for edge in edges for one in installed for field in edge.spec.misses(view.conda.candidates[one.record or name])
    }
    shown = label(there) + (f" (build {there.build})" if fields & {"build", "build_number"} and there.build else "")
    asking = askers(edges)
    evidence = [
        *(f"{one.record}: {label(one)}" + (f", build {one.build}" if one.build else "") for one in installed[:3]),
        *(_line(edge) for edge in edges[:5]),
        *([f"and {len(edges) - 5} more"] if len(edges) > 5 else []),
    ]
    return RULE.finding(
        f"{shown} does not satisfy {_demands(edges)}",
        [*(subject(one) for one in installed), *(subject(package) for package in asking[:20])],
        evidence=evidence,
        fixes=_fixes(view, name, asking),
        confidence="likely" if all(edge.constrains for edge in edges) else "certain",
        key=f"conda-package:{name}",
    )


def _fixes(view: View, name: str, asking: list[CondaPackage]) -> list[Fix]:
    remedy = view.remedy
    everyone = view.conda.asked_of(name)
    wanted = combined(everyone, name)
    fixes = []
    if wanted is not None and wanted != name:
        fixes.append(
            remedy.fix(
                f"let conda install {wanted}, as all that name it want it",
                remedy.conda_install(wanted),
                RULE.code,
                "CND003",
                safety="unsafe",
            )
        )
    names = addressable([name, *(package.name for package in asking)])
    fixes.append(
        remedy.fix(
            f"let conda choose versions of {', '.join(names[:5])}{' and others' if len(names) > 5 else ''} that fit each other",
            remedy.conda_update(*names),
            RULE.code,
            "CND003",
            safety="unsafe",
        )
    )
    return fixes


def _demands(edges: tuple[Edge, ...], limit: int = 3) -> str:
    texts = list(dict.fromkeys(f"{label(edge.package)} ({_verb(edge)}{shortened(edge.spec, 60)})" for edge in edges))
    if len(texts) > limit + 1:
        return f"{', '.join(texts[:limit])} and {len(texts) - limit} more"
    return " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))


def _verb(edge: Edge) -> str:
    return "constrains " if edge.constrains else ""


def _line(edge: Edge) -> str:
    return f"{edge.package.record}: {'constrains' if edge.constrains else 'depends on'} {shortened(edge.spec)}"


# --------------------------------------------------------------------------------------------------------------- machine


def _machine(view: View, name: str, edges: list[Edge]) -> Finding:
    machine = view.machine
    virtuals = view.conda.virtuals
    asking = askers(edges)
    others = f" and {len(asking) - 1} more" if len(asking) > 1 else ""
    verb = ("constrain" if edges[0].constrains else "need") + ("s" if len(asking) == 1 else "")
    evidence = [*map(_line, edges[:5]), *([f"and {len(edges) - 5} more"] if len(edges) > 5 else []), virtuals.shown(name)]
    told = virtuals.told.get(name)
    if told is not None and any(virtuals.told_to_fit(edge.spec) for edge in edges):
        evidence.append(f"conda is told otherwise: {show(name, told)}")
    of_system = name in ("__unix", "__win", "__linux", "__osx") and not virtuals.real[name].there
    where = Subject("machine", machine.native_machine or machine.machine or machine.system)
    have = f"this is a {view.snapshot.target.system} environment" if of_system else f"this machine has {_have(view, name)}"
    cause = None
    if name == "__archspec":
        cause = fingerprint("ARC005", "conda")
    elif name in _ALSO:
        cause = fingerprint("ARC008", f"conda:{_ALSO[name]}")
    return RULE.finding(
        f"{label(asking[0])}{others} {verb} {shortened(edges[0].spec)}, {have}",
        [*(subject(package) for package in asking[:20]), view.environment_subject() if of_system else where],
        evidence=evidence,
        fixes=[
            view.remedy.fix(
                "let conda choose versions of them for this machine",
                view.remedy.conda_update(*addressable(package.name for package in asking)),
                RULE.code,
                safety="unsafe",
            )
        ],
        key=f"virtual:{name}",
        caused_by=cause,
    )


def _have(view: View, name: str) -> str:
    virtual = view.conda.virtuals.real[name]
    if not virtual.there:
        return f"no {name}"
    return f"{name} {virtual.version}" if virtual.version else name


def _override(view: View, name: str, edges: list[Edge]) -> Finding:
    """The machine may have it, but conda is told that it has not: its next solve will take the packages away."""
    asking = askers(edges)
    variable = OVERRIDES[name]
    value = view.snapshot.shell.variables.get(variable, "")
    others = f" and {len(asking) - 1} more" if len(asking) > 1 else ""
    verb = ("constrain" if edges[0].constrains else "need") + ("s" if len(asking) == 1 else "")
    return RULE.finding(
        f"{label(asking[0])}{others} {verb} {shortened(edges[0].spec)}, and {variable}={value!r} tells conda otherwise",
        [*(subject(package) for package in asking[:20]), Subject("variable", variable)],
        evidence=[*map(_line, edges[:5]), f"variable {variable}={value!r}: {show(name, view.conda.virtuals.told[name])}"],
        fixes=[view.remedy.manual(f"unset {variable}, or set it to what the machine has", RULE.code)],
        severity="warning",
        confidence="likely",
        key=f"override:{name}",
    )
