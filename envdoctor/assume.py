"""``--assume``: facts of a machine that nobody has a snapshot of. Pure.

``cuda-driver=550.54,gpu=sm_90,glibc=2.28`` over the machine at hand (or the one of ``--machine``) judges as if those were so; all
else stays as it is. What is not said of a GPU (its device nodes, its libraries) is taken to be as it should.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NoReturn

import msgspec

from envdoctor.data.cuda import CAPABILITY_NAMES
from envdoctor.select import UsageError
from envdoctor.snapshot import Amd, Cpu, Gpu, Machine, Nvidia

_LEVELS = ("x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4")
_V1 = ("cmov", "cx8", "fpu", "fxsr", "lm", "mmx", "nx", "sse", "sse2", "syscall")
_V2 = (*_V1, "cx16", "lahf_lm", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3")
_V3 = (*_V2, "abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave")
_V4 = (*_V3, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")
_FLAGS = {"x86-64-v1": _V1, "x86-64-v2": _V2, "x86-64-v3": _V3, "x86-64-v4": _V4}
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_GPU = re.compile(r"(?:(\d{1,3})x)?(?:sm_|compute_)?(\d{1,2})\.?(\d)[af]?$")


def assume(machine: Machine, texts: Iterable[str]) -> Machine:
    """`machine` with what `texts` say (``KEY=VALUE``, comma-separated). Raises UsageError."""
    pairs = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    if not pairs:
        return machine
    gpus: list[Gpu] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key, value = key.strip().lower(), value.strip()
        if not equals or not value:
            raise UsageError(f"--assume {pair}: expected KEY=VALUE", f"keys: {', '.join(KEYS)}")
        if key == "gpu":
            gpus += _gpus(value)
            if value.lower() == "none":
                gpus = []
                machine = msgspec.structs.replace(machine, gpus=(), nvidia=None, amd=None)
        elif key in _SETTERS:
            machine = _SETTERS[key](machine, value)
        else:
            raise UsageError(f"--assume {pair}: unknown key {key!r}", f"keys: {', '.join(KEYS)}")
    if gpus:
        machine = _with_gpus(machine, gpus)
    elif machine.nvidia is not None and not machine.gpus and any(pair.lower().startswith(("cuda",)) for pair in pairs):
        # a driver without a GPU serves nothing: one of which only that is known
        machine = msgspec.structs.replace(machine, gpus=(Gpu(name="an NVIDIA GPU", vendor="nvidia"),))
    return msgspec.structs.replace(machine, source=f"{machine.source}, with {', '.join(pairs)}")


def _bad(key: str, value: str, wanted: str) -> NoReturn:
    raise UsageError(f"--assume {key}={value}: expected {wanted}")


def _gpus(value: str) -> list[Gpu]:
    if value.lower() == "none":
        return []
    if re.fullmatch(r"gfx[0-9a-f]{3,5}", value.lower()):
        return [Gpu(name=f"an AMD GPU ({value.lower()})", vendor="amd", architecture=value.lower())]
    match = _GPU.match(value.lower())
    if match is None:
        _bad("gpu", value, "sm_90, 9.0, 8xsm_90, gfx90a or none")
    capability = f"{match[2]}.{match[3]}"
    name = CAPABILITY_NAMES.get(capability)
    shown = f"an NVIDIA GPU like {name}" if name else f"an NVIDIA GPU of capability {capability}"
    return [Gpu(name=shown, vendor="nvidia", architecture=capability)] * min(int(match[1] or 1), 64)


def _with_gpus(machine: Machine, gpus: list[Gpu]) -> Machine:
    nvidia, amd = machine.nvidia, machine.amd
    if any(gpu.vendor == "nvidia" for gpu in gpus):
        if nvidia is None or nvidia.driver is None:
            # of the driver nothing is known: what it offers is not judged
            nvidia = Nvidia(driver="unknown" if nvidia is None or nvidia.driver is None else nvidia.driver, devices=len(gpus))
        else:
            nvidia = Nvidia(driver=nvidia.driver, cuda=nvidia.cuda, open_module=nvidia.open_module, devices=len(gpus))
    elif any(gpu.vendor == "amd" for gpu in gpus):
        nvidia, amd = None, amd or Amd()
    return msgspec.structs.replace(machine, gpus=tuple(gpus), nvidia=nvidia, amd=amd)


def _driver(machine: Machine, value: str) -> Machine:
    if not re.fullmatch(r"\d{3}(?:\.\d{1,3}){0,2}", value):
        _bad("cuda-driver", value, "a driver's version: 550.54.15")
    gpus = machine.gpus if machine.nvidia is not None else tuple(gpu for gpu in machine.gpus if gpu.vendor != "nvidia")
    return msgspec.structs.replace(machine, gpus=gpus, nvidia=Nvidia(driver=value))


def _cuda(machine: Machine, value: str) -> Machine:
    if not re.fullmatch(r"\d{1,2}\.\d{1,2}", value):
        _bad("cuda", value, "the CUDA version that the driver offers: 12.4")
    known = machine.nvidia.driver if machine.nvidia is not None else None
    return msgspec.structs.replace(machine, nvidia=Nvidia(driver=known or "unknown", cuda=value))


def _libc(kind: str) -> Callable[[Machine, str], Machine]:
    def set_libc(machine: Machine, value: str) -> Machine:
        if not re.fullmatch(r"\d{1,2}\.\d{1,3}(?:\.\d{1,3})?", value):
            _bad(kind, value, "a version: 2.28")
        return msgspec.structs.replace(machine, libc=f"{kind} {value}", libcs=(f"{kind} {value}",))

    return set_libc


def _text(field: str, pattern: str, wanted: str) -> Callable[[Machine, str], Machine]:
    def set_text(machine: Machine, value: str) -> Machine:
        if not re.fullmatch(pattern, value):
            _bad(field, value, wanted)
        return msgspec.structs.replace(machine, **{field: value})

    return set_text


def _cpu(machine: Machine, value: str) -> Machine:
    level = value.lower()
    if level not in _LEVELS:
        _bad("cpu", value, ", ".join(_LEVELS))
    cpu = Cpu(level=level, flags=_FLAGS[level], cores=machine.cpu.cores, threads=machine.cpu.threads)
    return msgspec.structs.replace(machine, cpu=cpu)


def _bytes(field: str) -> Callable[[Machine, str], Machine]:
    def set_bytes(machine: Machine, value: str) -> Machine:
        match = re.fullmatch(r"(\d{1,15})([kmgt]?)(?:i?b)?", value.lower())
        if match is None:
            _bad(field.replace("_", "-"), value, "a size: 64M, 8G")
        limits = msgspec.structs.replace(machine.limits, **{field: int(match[1]) * _UNITS[match[2]]})
        return msgspec.structs.replace(machine, limits=limits)

    return set_bytes


def _cpus(machine: Machine, value: str) -> Machine:
    if not re.fullmatch(r"\d{1,4}(?:\.\d{1,3})?", value):
        _bad("cpus", value, "a number of processors: 4, 0.5")
    return msgspec.structs.replace(machine, limits=msgspec.structs.replace(machine.limits, cpu_quota=float(value)))


_SETTERS: dict[str, Callable[[Machine, str], Machine]] = {
    "cuda-driver": _driver,
    "cuda": _cuda,
    "glibc": _libc("glibc"),
    "musl": _libc("musl"),
    "kernel": _text("kernel", r"\d{1,2}\.\d{1,3}[\w.+-]{0,60}", "a version: 5.14"),
    "macos": _text("os_version", r"\d{1,2}(?:\.\d{1,2}){0,2}", "a version: 14.5"),
    "windows": _text("os_version", r"\d{1,2}(?:\.\d{1,6}){0,2}", "a version: 10.0.22631"),
    "cpu": _cpu,
    "cpus": _cpus,
    "memory": _bytes("memory_limit"),
    "shm": _bytes("shared_memory"),
}
KEYS = ("gpu", *_SETTERS)
"""What can be assumed."""
