"""Conda's names of platforms: of a machine, of the records of a prefix. Pure, no IO."""

from __future__ import annotations

from collections import Counter

from envdoctor.platforms import Seen, family, half_of
from envdoctor.snapshot import Machine

SYSTEMS = {"linux": "linux", "macos": "osx", "windows": "win"}
"""First half of a platform's name."""
_PLATFORMS = {
    "x86_64": "64",
    "i686": "32",
    "arm": "armv7l",
    "ppc64le": "ppc64le",
    "ppc64": "ppc64",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loongarch64",
}


def subdirs(view: Seen) -> Counter[str]:
    """Platforms of the records, noarch left out, with how many records each has."""
    return Counter(package.subdir for package in view.snapshot.conda_packages if package.subdir and package.subdir != "noarch")


def main_subdir(view: Seen) -> str:
    """The platform that the environment is made for: Python's where most of the others agree, else that of most records."""
    counts = subdirs(view)
    most = max(counts.values())
    python = next((package.subdir for package in view.snapshot.conda_packages if package.name == "python"), None)
    if python is not None and counts[python] == most:
        return python
    return max(subdir for subdir, number in counts.items() if number == most)


def native_subdir(machine: Machine) -> str | None:
    """conda's name for the machine's own platform; None for one that it has none for."""
    word = (machine.native_machine or machine.machine).lower()
    if not word:
        return None
    if family(word) == "aarch64":
        return "linux-aarch64" if machine.system == "linux" else f"{SYSTEMS[machine.system]}-arm64"
    if family(word) == "arm":
        return f"linux-{'armv6l' if word.startswith('armv6') else 'armv7l'}"
    ending = _PLATFORMS.get(family(word))
    return f"{SYSTEMS[machine.system]}-{ending}" if ending else None


def _machine_of(subdir: str) -> str:
    """The architecture of a platform in the words of ``platforms.family``."""
    ending = subdir.partition("-")[2]
    return {"64": "x86_64", "32": "i686", "arm64": "aarch64", "armv6l": "arm", "armv7l": "arm"}.get(ending, ending)


def emulator(machine: Machine, subdir: str) -> str | None:
    """What runs that platform's programs on the machine, in words; None where nothing does."""
    system, _, _ = subdir.partition("-")
    if system != SYSTEMS[machine.system]:
        return None
    wanted = _machine_of(subdir)
    native = family(machine.native_machine or machine.machine)
    if half_of(wanted) == native:
        return "as 32-bit programs" if machine.system != "macos" else None
    if machine.system == "macos":
        return "under Rosetta 2" if (wanted, native) == ("x86_64", "aarch64") else None
    if machine.system == "windows":
        return "under Prism" if native == "aarch64" and wanted in ("x86_64", "i686") else None
    if wanted in {family(word) for word in machine.binfmt} or family(machine.machine) == wanted:
        return "under Rosetta" if machine.emulation == "rosetta" else "under qemu"
    return None
