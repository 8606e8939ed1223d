"""The folder for temporary files cannot be used.

## Why it matters
Installers unpack and build there, torch and triton compile there, multiprocessing puts its sockets there. Where TMPDIR is
not there or not writable, Python silently takes the next place, other programs fail; where it is full, `No space left on
device`; where programs may not be executed there, a build or a library that is unpacked to it says `failed to map segment
from shared object`.

## How it is found
The places that Python's tempfile tries, in its order (TMPDIR, TEMP, TMP, /tmp, /var/tmp, /usr/tmp, the working
directory): there, writable, room and inodes left, and whether the file system is mounted `noexec`. Nothing is written to
find out.

## Look-alikes that are fine
- A variable that is not set.
- `noexec` where nothing installed compiles at run time: info.
- A /tmp in memory (tmpfs), however small, as long as there is room.

## How to fix
Point TMPDIR to a folder that is there, writable and on a disk with room.

## Example
`TMPDIR names /scratch/job-17, which is not there`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.sys._limits import MIB, hurt, limits, machine, size
from envdoctor.snapshot import Disk
from envdoctor.view import View

RULE = Rule(
    "SYS006",
    "temporary-folder-unusable",
    "warning",
    reads=("machine", "distributions"),
    live=True,
    messages=("No usable temporary directory found in", "failed to map segment from shared object"),
)
COMPILING = (
    "torch",
    "triton",
    "numba",
    "jax",
    "tensorflow",
    "deepspeed",
    "cupy",
    "pytensor",
    "taichi",
    "pyopencl",
    "weave",
    "cffi",
)
"""Distributions that write libraries to temporary places and load them."""
LITTLE = 64 * MIB


def check(view: View) -> Iterator[Finding]:
    """One finding for each variable that names no usable folder, one for the folder that is used."""
    found = limits(view)
    places = found.temporary
    if not places:
        raise Skip("the folders for temporary files are not known")
    for place in places:
        reason = _reason(place)
        if reason is not None and (place.variable is not None or place is places[-1]):
            yield _finding(view, place, reason)
    used = places[-1]
    if _reason(used) is None and used.noexec:
        who = hurt(view, COMPILING)
        yield RULE.finding(
            f"programs and libraries in {used.path} cannot be executed: it is mounted noexec",
            [_subject(view, used), *(view.named(name) for name in who[:3])],
            evidence=[_line(used), "mounted noexec"],
            fixes=[view.remedy.manual("point TMPDIR to a folder on a disk without noexec", RULE.code)],
            key=f"noexec:{used.variable or used.path}",
            severity="warning" if who else "info",
        )


def _reason(place: Disk) -> str | None:
    """Why a folder cannot be used."""
    if not place.exists:
        return "is not there"
    if place.read_only:
        return "is on a file system that is mounted read-only"
    if not place.writable:
        return "may not be written to by this user"
    if place.files_free == 0:
        return "has no inodes left"
    if place.free is not None and place.free < LITTLE:
        return f"has {size(place.free)} left"
    return None


def _subject(view: View, place: Disk) -> Subject:
    return Subject("variable", place.variable) if place.variable else machine(view)


def _line(place: Disk) -> str:
    free = f"{size(place.free)} free" if place.free is not None else "room not known"
    return f"{place.path}" + (f" ({place.variable})" if place.variable else "") + f": {free}"


def _finding(view: View, place: Disk, reason: str) -> Finding:
    named = f"{place.variable} names {place.path}, which {reason}" if place.variable else f"{place.path} {reason}"
    later = [other for other in view.machine.limits.temporary if other is not place and _reason(other) is None]
    return RULE.finding(
        named,
        [_subject(view, place), *([machine(view)] if place.variable else [])],
        evidence=[_line(place), *([f"Python takes {later[0].path} instead"] if later else ["Python finds no usable folder"])],
        fixes=[view.remedy.manual("point TMPDIR to a folder that is there, writable, and on a disk with room", RULE.code)],
        key=place.variable or place.path,
    )
