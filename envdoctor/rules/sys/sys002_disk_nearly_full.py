"""A disk that a run writes to is nearly full.

## Why it matters
`No space left on device` in the middle of an install leaves half a package and no metadata; in the middle of a checkpoint it
ends a day's training. A disk without free inodes says the same, with gigabytes free.

## How it is found
Free space and inodes for this user of the file systems under the environment, the project, the home folder and the caches
of models and packages (HF_HOME, TORCH_HOME, XDG_CACHE_HOME and the like). Less than 1 GiB is nearly full; less than 5 GiB
where that is also less than 2 per cent.

## Look-alikes that are fine
- File systems that are mounted read-only (squashfs images, CD-ROMs) are always full.
- A small file system of its own with nothing large to hold: the temporary folder is SYS006's, /dev/shm is SYS001's.
- Several folders on one file system: one finding.

## How to fix
Delete what is not needed (`uv cache clean`, `pip cache purge`, `conda clean --all`), or put caches elsewhere by their
variables.

## Example
`the disk under the environment has 212 MiB left of 50 GiB`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Command, Finding
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.sys._limits import GIB, limits, machine, size
from envdoctor.snapshot import Disk
from envdoctor.view import View

RULE = Rule(
    "SYS002",
    "disk-nearly-full",
    "warning",
    reads=("machine", "target"),
    live=True,
    messages=("No space left on device", "Disk quota exceeded", "There is not enough space on the disk"),
)
_ROLES = {
    "environment": "the environment",
    "project": "the project",
    "home": "the home folder",
    "cache": "the caches",
    "temporary": "temporary files",
}


def check(view: View) -> Iterator[Finding]:
    """One finding for each file system."""
    found = limits(view)
    if not found.disks:
        raise Skip("the disks are not known")
    by_device: dict[object, list[Disk]] = {}
    for number, disk in enumerate(found.disks):
        if disk.free is not None and not disk.read_only:
            by_device.setdefault(disk.device if disk.device is not None else f"folder {number}", []).append(disk)
    for disks in by_device.values():
        if nearly_full(disks[0]):
            yield _finding(view, disks)


def nearly_full(disk: Disk) -> bool:
    """Too little is left of a file system, in bytes or in inodes."""
    if disk.free is None:
        return False
    if disk.files_free is not None and disk.files and disk.files_free < min(1000, disk.files // 100):
        return True
    if disk.free < GIB:
        # a file system that is itself tiny was made for something small
        return disk.total is None or disk.total >= 2 * GIB or disk.free < disk.total // 10
    return disk.free < 5 * GIB and disk.total is not None and disk.free < disk.total // 50


def _finding(view: View, disks: list[Disk]) -> Finding:
    first = disks[0]
    roles = list(dict.fromkeys(_ROLES.get(disk.role, disk.role) for disk in disks))
    inodes = first.files_free is not None and first.files and first.files_free < min(1000, first.files // 100)
    left = f"{first.files_free} inodes left" if inodes else f"{size(first.free or 0)} left"
    whole = f" of {first.files}" if inodes else f" of {size(first.total)}" if first.total else ""
    remedy = view.remedy
    clean: dict[str, Command] = {
        "uv": ("uv", "cache", "clean"),
        "pip": (view.snapshot.interpreter.path, "-m", "pip", "cache", "purge"),
        "outside-pip": ("pip", "cache", "purge"),
        "conda": ("conda", "clean", "--all"),
        "mamba": ("mamba", "clean", "--all"),
        "micromamba": ("micromamba", "clean", "--all"),
    }
    command = clean.get(remedy.tool())
    return RULE.finding(
        f"the disk under {' and '.join(roles[:3])} has {left}{whole}",
        [machine(view)],
        evidence=[
            f"{disk.path}"
            + (f" ({disk.variable})" if disk.variable else "")
            + f": {size(disk.free or 0)} free"
            + (f", {disk.files_free} inodes free" if disk.files_free is not None else "")
            for disk in disks[:5]
        ],
        fixes=[
            remedy.manual(
                "delete what is not needed, the caches of installers first",
                RULE.code,
                commands=(command,) if command is not None else (),
            )
        ],
        key="+".join(sorted({disk.role for disk in disks})),
    )
