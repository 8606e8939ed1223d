"""Virtual packages (CEP 30): what conda tells its solver of the machine, as far as facts tell.

``__unix``, ``__linux``, ``__osx``, ``__win`` follow from the target's system, ``__glibc``, ``__musl``, ``__archspec`` from the
machine that is judged for: this one, or that of ``--machine``. Each is there, or absent, or not known: of a foreign target's
machine nothing is known. ``__cuda`` is the CUDA version that NVIDIA's driver offers; a machine without a driver has none, which
keeps nobody from having packages for a GPU there. What conda is told by such variables is
kept apart from what is so: a program runs on the machine, whatever conda was told when it was installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from envdoctor.conda.matchspec import Candidate, MatchSpec
from envdoctor.conda.strings import expression
from envdoctor.conda.version import parse as parse_version
from envdoctor.platforms import family, is_foreign
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.snapshot import Machine, Snapshot

OVERRIDES = {
    "__archspec": "CONDA_OVERRIDE_ARCHSPEC",
    "__cuda": "CONDA_OVERRIDE_CUDA",
    "__glibc": "CONDA_OVERRIDE_GLIBC",
    "__linux": "CONDA_OVERRIDE_LINUX",
    "__osx": "CONDA_OVERRIDE_OSX",
    "__win": "CONDA_OVERRIDE_WIN",
}
"""Variables that tell conda, mamba and pixi what to take a virtual package for; an empty one takes it away."""
_OF_SYSTEM = {"linux": ("__unix", "__linux"), "macos": ("__unix", "__osx"), "windows": ("__win",)}
_SYSTEMS = frozenset(("__unix", "__linux", "__osx", "__win"))


class Virtual(NamedTuple):
    """One virtual package. `version` None: it is there, of a version that is not known."""

    there: bool
    version: str | None = None
    source: str = ""
    """Where the fact is from, in words: ``this machine``, ``CONDA_OVERRIDE_CUDA``."""


class Virtuals:
    """The virtual packages of a target on a machine."""

    def __init__(self, snapshot: Snapshot, machine: Machine) -> None:
        self.foreign = is_foreign(snapshot, machine)
        self.machine = machine
        self.real = _real(snapshot, machine, foreign=self.foreign)
        """Those of which something is known, by name."""
        self.told: dict[str, Virtual] = {}
        """Those that variables of this shell tell conda otherwise."""
        if machine is snapshot.machine and not self.foreign:
            self.told = _told(snapshot.shell.variables, snapshot.target.system)

    def fits(self, spec: MatchSpec) -> bool | None:
        """The machine has what `spec` asks for; None where that is not known."""
        virtual = self.real.get(spec.name)
        if virtual is None or (spec.name == "__cuda" and not virtual.there):
            return None  # what is made for a GPU is often installed where none is: a login node, an image
        return self._fits(spec, virtual)

    def told_to_fit(self, spec: MatchSpec) -> bool | None:
        """The same by this shell's variables; None where none is set for it."""
        virtual = self.told.get(spec.name)
        return None if virtual is None else self._fits(spec, virtual)

    def shown(self, name: str) -> str:
        """What is known, for a person: ``__glibc 2.36 (this machine)``."""
        virtual = self.real.get(name) or self.told.get(name)
        if virtual is None:
            return f"{name} is not known"
        return show(name, virtual)

    def _fits(self, spec: MatchSpec, virtual: Virtual) -> bool | None:
        if spec.open:
            return None
        if not virtual.there:
            return False
        if spec.name != "__archspec" or virtual.source.startswith("CONDA_"):
            version, _, build = (virtual.version or "").partition("=")
            return spec.fits(Candidate(spec.name, version or None, build or None))
        if spec.version is not None and not spec.version(parse_version("1")):
            return False
        return self._processor_fits(spec.build)

    def _processor_fits(self, build: str | None) -> bool | None:
        """The processor runs what is made for the microarchitecture; what is asked for is the least, as with ARC005."""
        from envdoctor.data.cpu_baselines import MICROARCHITECTURES

        if build is None or build.strip("*") == "":
            return True
        machine = self.machine
        if self.foreign or machine.emulation:
            return None
        like = expression(build)
        own = (machine.cpu.microarchitecture, family(machine.native_machine or machine.machine))
        if any(name and like(name) for name in own):
            return True
        if family(machine.native_machine or machine.machine) != "x86_64" or not machine.cpu.level:
            return None
        level = int(machine.cpu.level[-1])
        levels = [asked for name, asked in MICROARCHITECTURES.items() if like(name)]
        return min(levels) <= level if levels else None


def show(name: str, virtual: Virtual) -> str:
    """One virtual package for a person."""
    source = f" ({virtual.source})" if virtual.source else ""
    if not virtual.there:
        return f"no {name}{source}"
    return f"{name} {virtual.version}{source}" if virtual.version and virtual.version != "0" else f"{name}{source}"


def _real(snapshot: Snapshot, machine: Machine, *, foreign: bool) -> dict[str, Virtual]:
    system = snapshot.target.system
    source = "this machine" if machine.source == "this machine" else f"the machine of {machine.source}"
    own = _OF_SYSTEM[system]
    known = {name: Virtual(name in own, "0" if name == "__unix" else None, f"{system} target") for name in _SYSTEMS}
    if not foreign:
        if system == "linux":
            known["__linux"] = Virtual(True, _number(machine.kernel), source)
        elif system == "macos":
            version = _number(machine.os_version)
            # 10.16 is what programs built for older systems are told of macOS 11
            known["__osx"] = Virtual(True, "11.0" if version and version.startswith("10.16") else version, source)
        else:
            known["__win"] = Virtual(True, _number(machine.os_version), source)
    if system != "linux":
        known["__glibc"] = known["__musl"] = Virtual(False, None, f"{system} target")
    elif not foreign and machine.libc:
        texts = (machine.libc, *machine.libcs)
        for kind in ("glibc", "musl"):
            version = next((_number(text.partition(" ")[2]) for text in texts if text.startswith(f"{kind} ")), None)
            found = any(text.startswith(kind) for text in texts)
            known[f"__{kind}"] = Virtual(found, version, source)
    if not foreign:
        cuda = _cuda(machine)
        if cuda is not None:
            known["__cuda"] = Virtual(bool(cuda), cuda or None, source)
        named = machine.cpu.microarchitecture or machine.cpu.level
        known["__archspec"] = Virtual(True, f"1={named}" if named else None, source)
    return known


def _cuda(machine: Machine) -> str | None:
    """The CUDA version that the machine's driver offers, "" where it has no driver, None where that is not known."""
    from envdoctor.data.cuda import offered, version

    nvidia = machine.nvidia
    if nvidia is None:
        # of machines in snapshots of earlier versions nothing is known
        return "" if machine.system != "macos" and not any(gpu.vendor == "nvidia" for gpu in machine.gpus) else None
    if nvidia.cuda is not None:
        return nvidia.cuda
    number = version(nvidia.driver)
    if number is None:
        return "" if nvidia.driver is None and machine.system == "linux" else None
    known = offered(number, machine.system == "windows")
    return ".".join(map(str, known[0])) if known is not None and known[1] else None


def _told(variables: Mapping[str, str], system: str) -> dict[str, Virtual]:
    told = {}
    own = {*_OF_SYSTEM[system], "__archspec", "__cuda", *(("__glibc",) if system == "linux" else ())}
    for name, variable in OVERRIDES.items():
        value = variables.get(variable)
        if value is None or name not in own:
            continue
        value = value.strip()
        text = f"1={value}" if name == "__archspec" and value else value or None
        told[name] = Virtual(bool(value), text, variable)
    return told


def _number(text: str | None) -> str | None:
    """The leading digits and dots of a version: ``6.18.44-1-cloud`` -> ``6.18.44``."""
    out = ""
    for char in (text or "").strip():
        if not (char.isdigit() and char.isascii()) and char != ".":
            break
        out += char
    return out.strip(".") or None
