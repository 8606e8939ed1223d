"""Which GPUs a target could use on a machine, what the driver offers, and what device code runs on them. Pure, no IO.

NVIDIA's rules, as documented in *CUDA Compatibility* and in the *CUDA C++ Programming Guide* ("Application Compatibility"):

- A driver runs what was built for its own CUDA version or an older one.
- Inside a major version (from 11 on) it also runs what was built for a newer minor version, but compiles no PTX of it.
- A newer major version needs a newer driver, or on data-centre GPUs a forward-compatibility package whose libcuda is found
  first.
- Machine code for capability X.y runs on X.z with z >= y; with the suffix ``a`` on X.y alone. Integrated GPUs stand apart.
- PTX for X.y is compiled by the driver for every later capability; with ``a`` or ``f`` for X.y or its family alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

from envdoctor.data import cuda as tables
from envdoctor.data.cuda import Version
from envdoctor.lazy import pattern
from envdoctor.platforms import is_foreign
from envdoctor.snapshot import CodeSet, DeviceCode, Distribution, DriverLibrary, Framework, Gpu, Nvidia
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.view import View

Runs = Literal["binary", "ptx", "no"]
_ARCHITECTURE = pattern(r"(sm|compute)_(\d+)(\d)([af]?)$")
_CARD = pattern(r"/dev/nvidia\d+$")
_LIBRARY = pattern(r"(lib\w+?)(?:-[0-9a-f]{8})?\.so\.(\d+(?:\.\d+)?)")


class Need(NamedTuple):
    """A CUDA version that something in the target was built for."""

    name: str
    """Distribution or conda package."""
    version: Version
    framework: Framework | None
    source: str
    """Where it is said, for a person."""


class Driver(NamedTuple):
    """What the driver offers."""

    cuda: Version | None
    """Highest CUDA version; None where it is not known."""
    exact: bool
    """False: at least that, for the driver is newer than the table."""
    source: str
    library: DriverLibrary | None = None
    """The forward-compatibility package's libcuda, where it is what programs get."""


class Accelerators:
    """The GPUs of a view's machine, and what the target brings for them."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.machine = view.machine
        self.foreign = is_foreign(view.snapshot, view.machine)
        self.own_shell = view.machine is view.snapshot.machine and not view.snapshot.target.foreign
        """Variables of this shell hold for the machine that is judged for."""
        self.windows = view.machine.system == "windows"

    # ------------------------------------------------------------------------------------------------------------- GPUs
    @cached_property
    def nvidia(self) -> Nvidia | None:
        """NVIDIA's driver on the machine; None where the machine says nothing about this target."""
        return None if self.foreign else self.machine.nvidia

    @cached_property
    def gpus(self) -> tuple[Gpu, ...]:
        """The machine's GPUs."""
        return () if self.foreign else self.machine.gpus

    @cached_property
    def hidden(self) -> str | None:
        """The value of CUDA_VISIBLE_DEVICES that hides every GPU."""
        if not self.own_shell:
            return None
        value = self.view.snapshot.shell.variables.get("CUDA_VISIBLE_DEVICES")
        if value is None:
            return None
        first = value.split(",")[0].strip()
        return value if not first or first in ("-1", "none", "NoDevFiles", "void") or first.startswith("-") else None

    @cached_property
    def cuda_gpus(self) -> tuple[Gpu, ...]:
        """NVIDIA GPUs that a program of this shell sees."""
        found = [gpu for gpu in self.gpus if gpu.vendor == "nvidia" and gpu.driver is None]
        value = self.view.snapshot.shell.variables.get("CUDA_VISIBLE_DEVICES") if self.own_shell else None
        if value is not None:
            if self.hidden is not None:
                return ()
            numbers = [part.strip() for part in value.split(",")]
            if all(part.isdigit() for part in numbers):
                return tuple(found[int(part)] for part in numbers if int(part) < len(found))
        return tuple(found)

    @cached_property
    def usable(self) -> tuple[Gpu, ...]:
        """Those that a CUDA program can open: a driver is loaded, its library is found, its nodes are there, none is too old."""
        nvidia = self.nvidia
        if nvidia is None or self.blocked is not None:
            return ()
        return tuple(gpu for gpu in self.cuda_gpus if (number := capability(gpu)) is None or number >= tables.OLDEST_SUPPORTED)

    @cached_property
    def blocked(self) -> str | None:
        """Why no program can use the NVIDIA GPUs that are there, in a few words; None where nothing speaks against it."""
        nvidia = self.nvidia
        if nvidia is None:
            return None
        if nvidia.problem is not None:
            return nvidia.problem
        wsl = any(library.kind == "wsl" for library in nvidia.libraries) or any(node.path == "/dev/dxg" for node in nvidia.nodes)
        if nvidia.driver is None and not wsl and self.machine.system == "linux" and nvidia.cuda is None:
            return "no driver is loaded"
        # of the cards one is enough: a container is often given some of the machine's, and /proc lists all of them
        cards = [node for node in nvidia.nodes if _CARD.match(node.path)]
        control = [node for node in nvidia.nodes if node not in cards]
        missing = [node for node in control if not node.exists] or (cards if not any(node.exists for node in cards) else [])
        if missing and not nvidia.modprobe:
            return f"{missing[0].path} is not there"
        there = [node for node in cards if node.exists]
        refused = [node for node in control if node.exists and not node.allowed]
        refused += there if there and not any(node.allowed for node in there) else []
        if refused:
            return f"this user may not open {refused[0].path}"
        found = [library for library in nvidia.libraries if library.by is not None and library.kind != "stub"]
        if (nvidia.libraries or nvidia.nodes) and not found and self.machine.system == "linux":
            return "the loader does not find libcuda.so.1"
        loaded = found[0] if found else None
        if loaded is not None and loaded.kind == "driver":
            versions = {loaded.version, nvidia.driver} - {None}
            if len(versions) > 1:
                return f"{loaded.path} is of driver {loaded.version}, the kernel module of {nvidia.driver}"
        gpus = [gpu for gpu in self.gpus if gpu.vendor == "nvidia"]
        if gpus and all(gpu.mig == () for gpu in gpus):
            return "MIG is switched on, and no instance is made"
        return None

    # ------------------------------------------------------------------------------------------------------------ driver
    @cached_property
    def driver(self) -> Driver | None:
        """What NVIDIA's driver offers; None where there is none."""
        nvidia = self.nvidia
        if nvidia is None:
            return None
        own: Driver | None = None
        if nvidia.cuda is not None and (said := tables.version(nvidia.cuda)) is not None:
            own = Driver(said[:2], True, "as the driver says")
        number = tables.version(nvidia.driver)
        if own is None and number is not None:
            known = tables.offered(number, self.windows)
            own = Driver(known[0], known[1], f"by the table of drivers for {nvidia.driver}") if known else None
        loaded = next((library for library in nvidia.libraries if library.by is not None), None)
        if loaded is not None and loaded.kind == "compat" and (of := tables.version(loaded.version)) is not None:
            known = tables.offered(of)
            if known is not None and (own is None or own.cuda is None or known[0] > own.cuda):
                return Driver(known[0], known[1], f"by the forward-compatibility package {loaded.path}", loaded)
        return own

    # ------------------------------------------------------------------------------------------------------------- needs
    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """The CUDA versions that the target's frameworks were built for, one for each distribution."""
        found: dict[str, Need] = {}
        for framework in self.frameworks:
            number = tables.version(framework.cuda)
            if framework.build != "cuda" or number is None or framework.kind == "torch-extension":
                continue
            if self.is_part(framework.name) or self.on_processor(framework):
                continue
            path = self.view.in_site(framework.site, framework.path)
            found.setdefault(framework.name, Need(framework.name, number[:2], framework, f"{path}: CUDA {framework.cuda}"))
        for package in self.view.snapshot.conda_packages:
            number = tables.version(package.version)
            if package.name == "cuda-version" and number is not None:
                path = package.record or "conda-meta"
                found.setdefault("cuda-version", Need("cuda-version", number[:2], None, f"{path}: {package.version}"))
        return tuple(found[name] for name in sorted(found))

    @cached_property
    def frameworks(self) -> tuple[Framework, ...]:
        """Frameworks whose distribution is the one that counts."""
        effective = self.view.effective
        return tuple(
            one
            for one in self.view.snapshot.frameworks
            if (dist := effective.get(one.name)) is not None and dist.site == one.site
        )

    def framework(self, name: str) -> Framework | None:
        """The framework of that distribution."""
        return next((one for one in self.frameworks if one.name == name), None)

    def distribution(self, framework: Framework) -> Distribution | None:
        """The distribution of a framework."""
        return self.view.effective.get(framework.name)

    def is_part(self, name: str) -> bool:
        """The other half of jax's plugin, which comes with it."""
        return name.endswith("-pjrt") and f"{name.removesuffix('pjrt')}plugin" in self.view.effective

    def on_processor(self, framework: Framework) -> bool:
        """tensorflow's one wheel for Linux is a CUDA build; without NVIDIA's wheels (its extra ``and-cuda``) it computes on the
        processor, whatever the driver."""
        names = self.view.effective
        dist = names.get(framework.name)
        return (
            framework.kind == "tensorflow" and not (dist and dist.conda) and not any(n.startswith("nvidia-cudnn") for n in names)
        )

    @cached_property
    def wants_gpu(self) -> tuple[Framework, ...]:
        """Frameworks that were built for a GPU."""
        return tuple(one for one in self.frameworks if one.build in ("cuda", "rocm"))

    # --------------------------------------------------------------------------------------------------------- libraries
    @cached_property
    def device_code(self) -> dict[str, list[DeviceCode]]:
        """CUDA device code of active site folders, by distribution (or path where none owns it)."""
        active = {index for index, _ in self.view.active_sites}
        found: dict[str, list[DeviceCode]] = {}
        for code in self.view.snapshot.device_code or ():
            if code.kind == "cuda" and code.folder in active:
                found.setdefault(code.owner or self.view.in_site(code.folder, code.path), []).append(code)
        return found


def capability(gpu: Gpu) -> Version | None:
    """Compute capability of an NVIDIA GPU: (9, 0)."""
    number = tables.version(gpu.architecture) if gpu.vendor == "nvidia" else None
    return number[:2] if number is not None and len(number) > 1 else None


def architecture(text: str) -> tuple[Version, str] | None:
    """``sm_90a`` -> ((9, 0), "a"); None for what is none."""
    match = _ARCHITECTURE.match(text)
    return ((int(match[2]), int(match[3])), match[4]) if match else None


def runs(code: CodeSet, device: Version) -> Runs:
    """Whether one part of a file runs on a capability: as machine code, by compiling its PTX, or not."""
    for name in code.binaries:
        known = architecture(name)
        if known is None:
            continue
        built, suffix = known
        if built == device:
            return "binary"
        if suffix != "a" and built[0] == device[0] and built[1] <= device[1] and not {built, device} & tables.TEGRA:
            return "binary"
    for name in code.ptx:
        known = architecture(name)
        if known is None:
            continue
        built, suffix = known
        if built == device or (not suffix and built <= device) or (suffix == "f" and built[0] == device[0] and built <= device):
            return "ptx"
    return "no"


def shown_architectures(codes: Iterable[DeviceCode]) -> str:
    """All architectures of files, for a person: ``sm_80, sm_90, PTX of compute_90``."""
    binaries = {name for code in codes for one in code.sets for name in one.binaries}
    ptx = {name for code in codes for one in code.sets for name in one.ptx}
    return ", ".join([*_ordered(binaries), *(f"PTX of {name}" for name in _ordered(ptx))])


def _ordered(names: set[str]) -> list[str]:
    return sorted(names, key=lambda name: (architecture(name) or ((999, 0), ""), name))


@lru_cache(maxsize=4096)
def role(name: str) -> tuple[str, str] | None:
    """NVIDIA library and its number by a soname: ``libcublas.so.12`` -> (libcublas, 12); None for others."""
    match = _LIBRARY.match(name.rpartition("/")[2])
    if match is None:
        return None
    library = "libcudnn" if match[1].startswith("libcudnn_") else match[1]
    return (library, match[2]) if library in tables.ROLES else None


@lru_cache(maxsize=4096)
def cuda_major(name: str) -> int | None:
    """CUDA's major version that a soname belongs to; None where its number does not tell."""
    known = role(name)
    return tables.MAJORS.get(known[0], {}).get(known[1]) if known else None


def dotted(version: Version) -> str:
    """A version as text."""
    return ".".join(map(str, version))
