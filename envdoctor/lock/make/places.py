"""A platform (conda subdir) as the machine that a Python lock is judged for, where nobody has a snapshot of one. Pure."""

from __future__ import annotations

from envdoctor.snapshot import Interpreter, Machine, NativeFile, Slice, Snapshot, System, Target

_SYSTEMS: dict[str, System] = {"linux": "linux", "osx": "macos", "win": "windows"}
_MACHINES: dict[str, str] = {"64": "x86_64", "32": "i686", "arm64": "arm64", "aarch64": "aarch64", "armv7l": "armv7l"}


def system_of(platform: str) -> System | None:
    """The operating system of a conda subdir; None for one that no wheels are for."""
    return _SYSTEMS.get(platform.partition("-")[0])


def subdir(machine: Machine) -> str | None:
    """The conda subdir of a machine, None where there is none."""
    from envdoctor.platforms import family

    word = family(machine.native_machine or machine.machine)
    kind = {"linux": "linux", "macos": "osx", "windows": "win"}[machine.system]
    if machine.system != "linux" and word == "aarch64":
        return f"{kind}-arm64"
    tail = {"x86_64": "64", "i686": "32", "arm": "armv7l"}.get(word, word)
    return f"{kind}-{tail}" if tail else None


def machine_of(platform: str, python: str) -> Snapshot:
    """Facts of a computer of that platform with CPython `python` (X.Y or X.Y.Z): every version of its operating system and C
    library counts, as nothing is known of them; on Linux the C library is glibc. Raises KeyError for no platform of wheels."""
    system = _SYSTEMS[platform.partition("-")[0]]
    word = platform.partition("-")[2]
    word = _MACHINES.get(word, word)
    release = ".".join(python.split(".")[:2])
    binary = NativeFile(path="python", format="elf", slices=(Slice(machine=word, bits=64, libc="glibc"),))
    interpreter = Interpreter(
        path="python",
        exists=True,
        version=python if python.count(".") > 1 else f"{release}.0",
        abi=f"cp{release.replace('.', '')}",
        machine=word,
        binary=binary if system == "linux" else None,
    )
    target = Target(prefix=platform, kind="unknown", chosen_by=f"the platform {platform}", system=system, foreign=True)
    machine = Machine(system=system, machine=word, native_machine=word, source=platform)
    return Snapshot(date="1970-01-01", target=target, interpreter=interpreter, machine=machine)
