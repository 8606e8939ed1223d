"""Limits of the control group that this process runs in, version 1 and 2 (Linux).

A limit counts when it stands anywhere between the process's own group and the mounted root of the hierarchy, which
inside a container is the container's own group (``/proc/self/mountinfo`` says which).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from envdoctor.collect import files

PROC = "/proc/self"


def _mounts(mountinfo: str) -> dict[str, tuple[str, str]]:
    """Controller (``""`` for version 2) to root and mount point."""
    found: dict[str, tuple[str, str]] = {}
    for line in mountinfo.splitlines():
        left, dash, right = line.partition(" - ")
        kind, _, rest = right.partition(" ")
        if not dash or kind not in ("cgroup", "cgroup2"):
            continue
        words = left.split(" ")
        if len(words) < 5:
            continue
        place = (_unescape(words[3]), _unescape(words[4]))
        if kind == "cgroup2":
            found.setdefault("", place)
        else:
            for option in rest.rpartition(" ")[2].split(","):
                found.setdefault(option, place)
    return found


def _unescape(word: str) -> str:
    return word.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def _groups(text: str) -> dict[str, str]:
    """Controller (``""`` for version 2) to the group of this process, from /proc/self/cgroup."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        names, colon, path = rest.partition(":")
        if not colon:
            continue
        for name in [""] if number == "0" else names.split(","):
            found[name] = path
    return found


def _folders(place: tuple[str, str], group: str) -> Iterator[str]:
    """Folders from the process's own group up to the mount point."""
    root, mount = place
    relative = group
    if root != "/":
        relative = group[len(root) :] if group == root or group.startswith(root + "/") else "/"
    relative = posixpath.normpath("/" + relative.lstrip("/"))
    while True:
        yield mount if relative == "/" else mount + relative
        if relative == "/":
            return
        relative = posixpath.dirname(relative)


def _read(path: str) -> str | None:
    try:
        return files.read_text(path, 4096).strip()
    except files.Unreadable:
        return None


def _number(value: str | None) -> int | None:
    return int(value) if value and value.lstrip("-").isdigit() else None


def limits(proc: str = PROC) -> tuple[int | None, float | None]:
    """Memory limit in bytes and CPU quota in cores; None where there is none. `proc` is this process's /proc folder."""
    try:
        mounts = _mounts(files.read_text(f"{proc}/mountinfo"))
        groups = _groups(files.read_text(f"{proc}/cgroup"))
    except files.Unreadable:
        return None, None
    memory: list[int] = []
    quota: list[float] = []
    if "" in mounts and "" in groups:
        for folder in _folders(mounts[""], groups[""]):
            limit = _number(_read(f"{folder}/memory.max"))
            if limit is not None:
                memory.append(limit)
            allowed, _, period = (_read(f"{folder}/cpu.max") or "").partition(" ")
            part, whole = _number(allowed), _number(period)
            if part and whole:
                quota.append(part / whole)
    if "memory" in mounts and "memory" in groups:
        for folder in _folders(mounts["memory"], groups["memory"]):
            limit = _number(_read(f"{folder}/memory.limit_in_bytes"))
            if limit is not None and 0 < limit < 1 << 60:
                memory.append(limit)
    if "cpu" in mounts and "cpu" in groups:
        for folder in _folders(mounts["cpu"], groups["cpu"]):
            part = _number(_read(f"{folder}/cpu.cfs_quota_us"))
            whole = _number(_read(f"{folder}/cpu.cfs_period_us")) if part and part > 0 else None
            if part and whole:
                quota.append(part / whole)
    return min(memory, default=None), round(min(quota), 3) if quota else None
