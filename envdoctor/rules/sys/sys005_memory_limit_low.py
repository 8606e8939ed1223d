"""The memory that a run may use is far below the machine's.

## Why it matters
A control group ends a program that grows beyond its limit: `Killed`, `exit code 137`, `OOMKilled`, without a traceback.
Libraries that size their buffers by the machine's memory (spark, dask, polars, in-memory datasets) aim at what they are
not given.

## How it is found
The memory limit of the control group (`memory.max`, `memory.limit_in_bytes`), itself and the groups above it, against the
machine's memory: below half of it.

## Look-alikes that are fine
- No limit, or one near the machine's memory.
- Environments in which nothing computes: info.

## How to fix
Ask for more memory where the container or job is started (`docker run --memory`, Kubernetes limits, `--mem` of Slurm), or
tell libraries what they may take.

## Example
`this container may use 4 GiB of the machine's 256 GiB of memory`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding
from envdoctor.rules.base import Rule
from envdoctor.rules.sys._limits import NUMERIC, hurt, limits, machine, severity, size
from envdoctor.view import View

RULE = Rule(
    "SYS005",
    "memory-limit-low",
    "warning",
    reads=("machine", "distributions"),
    live=True,
    messages=("OOMKilled", "exit code 137", "oom-kill", "DefaultCPUAllocator: can't allocate memory"),
)


def check(view: View) -> Iterator[Finding]:
    """At most one finding."""
    found = limits(view)
    if found.memory_limit is None or found.memory is None or found.memory_limit >= found.memory / 2:
        return
    place = f"this container ({view.machine.container})" if view.machine.container else "this session"
    who = hurt(view, NUMERIC)
    yield RULE.finding(
        f"{place} may use {size(found.memory_limit)} of the machine's {size(found.memory)} of memory",
        [machine(view), *(view.named(name) for name in who[:3])],
        evidence=[f"control group: {found.memory_limit} bytes", f"machine: {found.memory} bytes"],
        fixes=[
            view.remedy.manual(
                "ask for more memory where the container or job is started, or tell libraries how much they may take", RULE.code
            )
        ],
        key="memory",
        severity=severity(view, NUMERIC),
    )
