"""The processor: flags, psABI level and the name that archspec gives its microarchitecture.

archspec's table is read as data (0.5 ms); importing ``archspec.cpu`` and asking ``host()`` costs 15 ms of CPU, so only
families that are not matched here pay for it. ``tests/collect/test_machine.py`` holds both answers equal.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from envdoctor.collect import files
from envdoctor.snapshot import Cpu, text

LEVELS: tuple[tuple[str, frozenset[str]], ...] = (
    ("x86-64-v2", frozenset(("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"))),
    ("x86-64-v3", frozenset(("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"))),
    ("x86-64-v4", frozenset(("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"))),
)
"""What each psABI level adds, in the words of /proc/cpuinfo (https://gitlab.com/x86-psABIs/x86-64-ABI)."""

ALIASES = {"pni": "sse3", "sse3": "pni", "lzcnt": "abm", "abm": "lzcnt"}
"""Names that Linux, macOS and archspec use for the same flag."""

X86_64 = frozenset(("x86_64", "amd64"))
AARCH64 = frozenset(("aarch64", "arm64"))


def level(flags: frozenset[str]) -> str:
    """The highest psABI level whose flags, and those of all levels below, are in `flags`."""
    reached = "x86-64-v1"
    known = flags | {ALIASES[flag] for flag in flags & ALIASES.keys()}
    for name, needed in LEVELS:
        if not needed <= known:
            break
        reached = name
    return reached


def table() -> dict[str, Any] | None:
    """archspec's microarchitectures.json, or None where the package lays it elsewhere."""
    spec = importlib.util.find_spec("archspec")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        try:
            data = files.read(os.path.join(folder, "json", "cpu", "microarchitectures.json")).data
            loaded = msgspec.json.decode(data)
        except (files.Unreadable, msgspec.DecodeError):
            continue
        if isinstance(loaded, dict) and isinstance(loaded.get("microarchitectures"), dict):
            return loaded
    return None


def microarchitecture(data: Mapping[str, Any], family: str, vendor: str, flags: frozenset[str], part: str = "") -> str | None:
    """The newest entry of archspec's table that this processor satisfies.

    `family` is ``x86_64`` or ``aarch64``; `vendor` and `part` are as /proc/cpuinfo says them (part as ``0xd0c``). An
    entry fits when it descends from the family, is generic or of this vendor, and needs no flag that is missing; of
    those below the best generic entry, the one with the longest line of ancestors is the name.
    """
    targets: Mapping[str, Any] = data["microarchitectures"]
    flags |= {ALIASES[flag] for flag in flags & ALIASES.keys()}
    lines: dict[str, frozenset[str]] = {}

    def ancestors(name: str) -> frozenset[str]:
        if name not in lines:
            lines[name] = frozenset()
            found = set()
            for parent in targets[name]["from"]:
                found |= {parent} | ancestors(parent)
            lines[name] = frozenset(found)
        return lines[name]

    def age(name: str) -> tuple[int, int]:
        return len(ancestors(name)), len(targets[name]["features"])

    fitting = [
        name
        for name, entry in targets.items()
        if (name == family or family in ancestors(name))
        and entry["vendor"] in (vendor, "generic")
        and (family == "x86_64" or entry["vendor"] != "generic" or name == family)
        and flags.issuperset(entry["features"])
    ]
    if not fitting:
        return None
    generic = max((name for name in fitting if targets[name]["vendor"] == "generic"), key=age, default=family)
    if part and any(targets[name].get("cpupart") == part for name in fitting):
        fitting = [name for name in fitting if targets[name].get("cpupart") == part]
    below = [name for name in fitting if generic in ancestors(name)]
    return max(below, key=age) if below else generic


def _by_archspec() -> str | None:
    """What archspec itself says of the processor at hand."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from archspec.cpu import host

            return str(host().name)
    except (ImportError, OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def first_block(cpuinfo: str) -> dict[str, str]:
    """The first processor of /proc/cpuinfo."""
    block: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        if not colon:
            if block:
                break
            continue
        block.setdefault(key.strip(), value.strip())
    return block


def linux(machine: str, block: Mapping[str, str], online: int | None) -> Cpu:
    """The processor from the first block of /proc/cpuinfo; `machine` is what it is called by the kernel."""
    raw = block.get("flags") or block.get("Features") or block.get("features") or block.get("isa") or ""
    flags = frozenset(text(raw).split())
    vendor = block.get("vendor_id") or ""
    name = block.get("model name") or block.get("cpu") or block.get("Hardware") or None
    part = block.get("CPU part", "")
    found: str | None = None
    if machine in X86_64 and flags:
        data = table()
        found = microarchitecture(data, "x86_64", vendor, flags) if data else _by_archspec()
    elif machine in AARCH64 and flags:
        data = table()
        if data:
            code = block.get("CPU implementer", "")
            vendor = data.get("conversions", {}).get("arm_vendors", {}).get(code, code) or "generic"
            found = microarchitecture(data, "aarch64", vendor, flags, part)
        else:
            found = _by_archspec()
    elif block:
        found = _by_archspec()
    cores = online
    siblings, own = block.get("siblings", ""), block.get("cpu cores", "")
    if online and siblings.isdigit() and own.isdigit() and int(siblings):
        cores = max(1, online * int(own) // int(siblings))
    return Cpu(
        name=text(name) if name else None,
        vendor=text(vendor) if vendor else None,
        microarchitecture=found,
        level=level(flags) if machine in X86_64 and flags else None,
        flags=tuple(sorted(flags)),
        cores=cores,
        threads=online,
    )


def macos(machine: str, sysctl: Callable[[str], str | int | None], online: int | None) -> Cpu:
    """The processor from sysctl; `machine` is the hardware's own (arm64 also for a process under Rosetta 2)."""
    brand = sysctl("machdep.cpu.brand_string")
    cores = sysctl("hw.physicalcpu")
    data = table()
    name = str(brand) if brand else None
    count = cores if isinstance(cores, int) else None
    if machine in AARCH64:
        model = None
        words = (name or "").lower().split()
        if data and "apple" in words:
            generation = next((int(word[1:]) for word in words if word[:1] == "m" and word[1:].isdigit()), 1)
            known = data["microarchitectures"]
            model = next((f"m{n}" for n in range(generation, 0, -1) if f"m{n}" in known), None)
        return Cpu(name=name, vendor="Apple", microarchitecture=model, cores=count, threads=online)
    words = []
    for key in ("features", "leaf7_features", "extfeatures"):
        words += str(sysctl(f"machdep.cpu.{key}") or "").lower().split()
    flags = set(words)
    for theirs, ours in ((data or {}).get("conversions", {}).get("darwin_flags", {})).items():
        if flags.issuperset(theirs.split()):
            flags |= set(ours.split())
    vendor = str(sysctl("machdep.cpu.vendor") or "")
    frozen = frozenset(flags)
    return Cpu(
        name=name,
        vendor=vendor or None,
        microarchitecture=microarchitecture(data, "x86_64", vendor, frozen) if data else None,
        level=level(frozen) if frozen else None,
        flags=tuple(sorted(frozen)),
        cores=count,
        threads=online,
    )


def windows(machine: str, environ: Mapping[str, str], online: int | None) -> Cpu:
    """The processor as archspec's cpuid call and PROCESSOR_IDENTIFIER tell it."""
    flags: frozenset[str] = frozenset()
    vendor = None
    found = _by_archspec()
    if machine in X86_64:
        try:
            from archspec.cpu.detect import detected_info

            info = detected_info()
            flags, vendor = frozenset(info.features), str(info.vendor) or None
        except (ImportError, OSError, ValueError, KeyError, AttributeError):
            pass
    return Cpu(
        name=environ.get("PROCESSOR_IDENTIFIER") or None,
        vendor=vendor,
        microarchitecture=found,
        level=level(flags) if flags else None,
        flags=tuple(sorted(flags)),
        cores=_physical(),
        threads=online,
    )


def _physical() -> int | None:
    import psutil

    count = psutil.cpu_count(logical=False)
    return int(count) if count else None
