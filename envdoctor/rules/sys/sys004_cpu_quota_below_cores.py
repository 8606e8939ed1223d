"""Programs see more processors than they may use.

## Why it matters
In a container with a quota of 4 on a node of 64, `os.cpu_count()` says 64: torch, OpenMP, joblib and DataLoaders start 64
threads or workers that wait for each other in turn. Training gets several times slower, and no error says why.

## How it is found
The quota of the control group (`cpu.max`, `cpu.cfs_quota_us`) and the processors that this process may run on, against
the number that `os.cpu_count()` gives. And OMP_NUM_THREADS and the like that ask for more than there are.

## Look-alikes that are fine
- A quota as large as the machine, or a little below.
- OMP_NUM_THREADS (or MKL_NUM_THREADS and OPENBLAS_NUM_THREADS) set to no more than the quota.
- Half of the processors and more by affinity.
- Environments in which nothing computes with many threads: info.

## How to fix
Set OMP_NUM_THREADS to the quota in the container or job, and name numbers of workers instead of taking `os.cpu_count()`;
Python 3.13 takes `PYTHON_CPU_COUNT`.

## Example
`this container may use 4 processors, and os.cpu_count() says 64`
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from envdoctor.finding import Finding, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.sys._limits import NUMERIC, hurt, limits, machine, severity
from envdoctor.view import View

RULE = Rule(
    "SYS004",
    "cpu-quota-below-cores",
    "warning",
    reads=("machine", "shell", "distributions"),
    live=True,
    messages=("Our suggested max number of worker in current system is {number}",),
)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS")


def check(view: View) -> Iterator[Finding]:
    """One finding for what limits most, one for each variable that asks for more."""
    found = limits(view)
    threads = view.machine.cpu.threads
    if not threads:
        raise Skip("the number of processors is not known")
    quota, affinity = found.cpu_quota, found.affinity
    allowed = min(value for value in (quota, affinity, threads) if value is not None)
    whole = max(1, math.ceil(allowed))
    own = view.machine is view.snapshot.machine
    asked = _asked(view) if own else {}
    over = {name: value for name, value in asked.items() if value > max(whole, 1) and value > allowed}
    for name, value in sorted(over.items()):
        yield RULE.finding(
            f"{name}={value} asks for more threads than the {_shown(allowed)} processors that may be used",
            [Subject("variable", name), machine(view)],
            evidence=[f"{name}={value}", *_evidence(quota, affinity, threads)],
            fixes=[view.remedy.manual(f"set {name}={whole}", RULE.code)],
            key=f"variable:{name}",
            severity=severity(view, NUMERIC),
        )
    tamed = asked.get("OMP_NUM_THREADS", threads) <= whole
    if over or tamed:
        return
    by_quota = quota is not None and quota < 0.75 * threads
    by_affinity = affinity is not None and affinity < threads / 2
    if not by_quota and not by_affinity:
        return
    who = hurt(view, NUMERIC)
    place = f"this container ({view.machine.container})" if view.machine.container else "this session"
    yield RULE.finding(
        f"{place} may use {_shown(allowed)} processors, and os.cpu_count() says {threads}",
        [machine(view), *(view.named(name) for name in who[:3])],
        evidence=_evidence(quota, affinity, threads),
        fixes=[
            view.remedy.manual(
                f"set OMP_NUM_THREADS={whole} (Python 3.13: PYTHON_CPU_COUNT={whole}), and name numbers of workers",
                RULE.code,
            )
        ],
        key="quota",
        severity=severity(view, NUMERIC),
    )


def _asked(view: View) -> dict[str, int]:
    """Numbers of threads that variables of this shell ask for."""
    found = {}
    for name in THREADS:
        first = view.snapshot.shell.variables.get(name, "").split(",")[0].strip()
        if first.isdigit() and len(first) < 6 and int(first) > 0:
            found[name] = int(first)
    return found


def _shown(number: float) -> str:
    return f"{number:g}"


def _evidence(quota: float | None, affinity: int | None, threads: int) -> list[str]:
    return [
        *([f"control group: {quota:g} processors"] if quota is not None else []),
        *([f"affinity: {affinity} processors"] if affinity is not None else []),
        f"os.cpu_count(): {threads}",
    ]
