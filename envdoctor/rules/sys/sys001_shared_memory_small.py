"""/dev/shm is too small for worker processes.

## Why it matters
torch's DataLoader, ray and others hand batches from worker processes to the trainer in /dev/shm. Docker gives a container
64 MiB of it: `DataLoader worker is killed by signal: Bus error`, `unable to allocate shared memory … No space left on
device`, often only with the second epoch or a larger batch.

## How it is found
The size of the file system at /dev/shm.

## Look-alikes that are fine
- A machine whose /dev/shm is half of its memory, as Linux makes it.
- Environments without a library that uses it: info.
- macOS and Windows, where there is no such folder.

## How to fix
`docker run --shm-size=8g` or `--ipc=host`; in Kubernetes an `emptyDir` with `medium: Memory` at /dev/shm; on a machine of
your own `mount -o remount,size=8G /dev/shm`. Or fewer workers.

## Example
`/dev/shm holds 64 MiB: worker processes of torch die with a bus error`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Command, Finding
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.sys._limits import GIB, LOADERS, MIB, hurt, limits, machine, severity, size
from envdoctor.view import View

RULE = Rule(
    "SYS001",
    "shared-memory-small",
    "warning",
    reads=("machine", "distributions"),
    live=True,
    messages=(
        "unable to allocate shared memory",
        "is killed by signal: Bus error",
        "you might be running out of shared memory",
        "It is possible that dataloader's workers are out of shared memory",
        "unable to write to file </torch_{name}>",
    ),
)
SMALL = 256 * MIB
"""Less than this is no default of Linux on a machine that trains."""


def check(view: View) -> Iterator[Finding]:
    """At most one finding."""
    found = limits(view)
    if view.machine.system != "linux":
        return
    if found.shared_memory is None:
        raise Skip("the size of /dev/shm is not known")
    memory = found.memory_limit or found.memory
    if found.shared_memory >= SMALL or (memory is not None and memory <= GIB and found.shared_memory >= memory // 2):
        return
    who = hurt(view, LOADERS)
    container = view.machine.container
    bigger: tuple[Command, ...] = () if container else (("mount", "-o", "remount,size=8G", "/dev/shm"),)
    title = (
        "start the container with more: --shm-size=8g or --ipc=host; in Kubernetes an emptyDir with medium Memory at /dev/shm"
        if container
        else "make /dev/shm larger (as root)"
    )
    effect = f": worker processes of {who[0]} die with a bus error" if who else ""
    yield RULE.finding(
        f"/dev/shm holds {size(found.shared_memory)}{effect}",
        [machine(view), *(view.named(name) for name in who[:5])],
        evidence=[
            f"/dev/shm: {size(found.shared_memory)} in all",
            *([f"free now: {size(found.shared_memory_free)}"] if found.shared_memory_free is not None else []),
            *([f"this is a container ({container})"] if container else []),
        ],
        fixes=[view.remedy.manual(title, RULE.code, commands=bigger)],
        key="shm",
        severity=severity(view, LOADERS),
    )
