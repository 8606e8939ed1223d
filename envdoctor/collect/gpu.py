"""Accelerators of the machine at hand, without importing a framework: NVIDIA, AMD, Apple.

On a machine without one this asks for five files. NVIDIA's management library is asked in a process of its own
(``collect/nvml.py``), and only where the driver's kernel module is loaded; the answer is kept as long as the machine has not
been started anew and the driver is the same. The library is taken from the system's own places, never from the target.
"""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from envdoctor.collect import files
from envdoctor.collect.native import ldcache
from envdoctor.collect.scene import Scene
from envdoctor.collect.watch import watching
from envdoctor.data.cuda import capability_of
from envdoctor.lazy import pattern
from envdoctor.snapshot import Amd, DeviceNode, DriverLibrary, Gpu, Machine, Nvidia, text

Recall = Callable[[str, object, Callable[[], dict[str, Any]]], dict[str, Any]]

NVML_SECONDS = 30
"""After which the driver is taken to hang: one that keeps nothing loaded takes a second or two for each GPU."""
MAX_GPUS = 256
_VERSION = pattern(r"\.so\.(\d{3}\.\d{1,3}(?:\.\d{1,3})?)$")
_MODULE = pattern(r"(?:Kernel Module|x86_64|aarch64)[^\n]*?\s(\d{3}\.\d{1,3}(?:\.\d{1,3})?)\s")
_USUAL = (
    "/usr/lib/wsl/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/nvidia/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/run/opengl-driver/lib",
    "/.singularity.d/libs",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/local/cuda/compat",
    "/usr/local/cuda/lib64/stubs",
)
"""Where the driver's libraries stand: distributions, WSL, Google's and NVIDIA's containers, NixOS, Apptainer, Jetson,
compatibility packages, and stubs for linking."""
_VENDORS = {"10de": "nvidia", "1002": "amd"}
_OWN_DRIVERS = {"nvidia": ("nvidia",), "amd": ("amdgpu",)}


def add(scene: Scene, machine: Machine, recall: Recall | None = None, root: str = "") -> Machine:
    """`machine` with its accelerators; itself for a target of another computer, whose GPUs nobody can see from here.

    `root` stands for ``/`` of the files in /proc, /sys, /dev and /etc, for tests.
    """
    if machine.system == "macos":
        return _apple(machine)
    if machine.system == "windows":
        return _windows(scene, machine, recall)
    if scene.target.sysroot is not None or scene.target.system != "linux":
        return machine
    return _Linux(scene, root).add(machine, recall)


# ---------------------------------------------------------------------------------------------------------------- Linux


class _Linux:
    """One look at a Linux machine."""

    def __init__(self, scene: Scene, root: str) -> None:
        self.scene, self.root = scene, root

    def add(self, machine: Machine, recall: Recall | None) -> Machine:
        """See :func:`add`."""
        cards = self._cards()
        gpus: list[Gpu] = []
        module = self._exists("/proc/driver/nvidia/version") or self._exists("/sys/module/nvidia/version")
        nvidia = amd = None
        if module or self._exists("/dev/nvidiactl") or self._exists("/dev/dxg") or self._exists("/etc/nv_tegra_release"):
            nvidia, gpus = self._nvidia(machine, cards, recall)
        elif any(card.vendor == "nvidia" for card in cards):
            hardware = [card for card in cards if card.vendor == "nvidia"]
            nvidia = Nvidia(hardware=len(hardware), libraries=self._libcuda(machine), runtime=self._runtime())
            gpus = hardware
        if self._exists("/dev/kfd") or any(card.vendor == "amd" for card in cards):
            amd, found = self._amd(cards)
            gpus += found
        if nvidia is None and amd is None:
            return machine
        return msgspec.structs.replace(machine, gpus=tuple(gpus), nvidia=nvidia, amd=amd)

    # ----------------------------------------------------------------------------------------------------------- files
    def _exists(self, path: str) -> bool:
        return files.exists(self.root + path)

    def _text(self, path: str, limit: int = 1 << 16) -> str | None:
        try:
            return files.read_text(self.root + path, limit)
        except files.Unreadable:
            return None

    def _names(self, path: str) -> list[str]:
        try:
            return files.names(self.root + path)
        except files.Unreadable:
            return []

    # ------------------------------------------------------------------------------------------------------------- PCI
    def _cards(self) -> list[Gpu]:
        """GPUs of NVIDIA and AMD on the PCI bus: one file names all devices, few of which are asked further."""
        found: list[Gpu] = []
        places: list[str] = []
        for line in (self._text("/proc/bus/pci/devices", 1 << 18) or "").splitlines()[:4096]:
            words = line.split()
            if len(words) < 2 or len(words[1]) != 8 or words[1][:4].lower() not in _VENDORS:
                continue
            try:
                number = int(words[0], 16)
            except ValueError:
                continue
            # the file names no PCI domain, the folder does
            slot = f":{number >> 8:02x}:{number >> 3 & 31:02x}.{number & 7}"
            places = places or self._names("/sys/bus/pci/devices")
            for bus in [place for place in places if place.endswith(slot)]:
                kind = (self._text(f"/sys/bus/pci/devices/{bus}/class", 64) or "").strip().lower()
                if not kind.startswith(("0x0300", "0x0302", "0x0380")) or (kind.startswith("0x0380") and words[1][:4] == "10de"):
                    continue
                vendor = _VENDORS[words[1][:4].lower()]
                driver = words[-1] if len(words) > 17 else ""
                own = driver in _OWN_DRIVERS[vendor]
                found.append(
                    Gpu(
                        name=f"{vendor.upper()} device {words[1][4:].lower()}",
                        vendor=vendor,
                        bus=bus,
                        driver=None if own else text(driver),
                    )
                )
        return found

    # ---------------------------------------------------------------------------------------------------------- NVIDIA
    def _nvidia(self, machine: Machine, cards: list[Gpu], recall: Recall | None) -> tuple[Nvidia, list[Gpu]]:
        said = self._text("/proc/driver/nvidia/version") or ""
        match = _MODULE.search(said)
        version = match[1] if match else (self._text("/sys/module/nvidia/version", 64) or "").strip() or None
        places = self._names("/proc/driver/nvidia/gpus")[:MAX_GPUS]
        information = [self._text(f"/proc/driver/nvidia/gpus/{place}/information", 1 << 14) or "" for place in places]
        by_files = [_described(place, said) for place, said in zip(places, information, strict=True)]
        hardware = sum(card.vendor == "nvidia" for card in cards)
        facts = Nvidia(
            driver=version,
            open_module="Open Kernel Module" in said,
            libraries=self._libcuda(machine),
            nodes=self._nodes(information),
            devices=len(places) if places or self._exists("/proc/driver/nvidia/gpus") else None,
            hardware=hardware,
            modprobe=machine.container is None and self._modprobe(),
            runtime=self._runtime(),
        )
        library = self._library("libnvidia-ml.so.1", machine)
        asked: dict[str, Any] = {}
        if library is not None and not self.root:
            boot = self._text("/proc/sys/kernel/random/boot_id", 64)
            # an update of the driver changes its libraries before the module, MIG what the module lists
            divided = [self._names(f"/proc/driver/nvidia/capabilities/gpu{number}/mig") for number in range(len(places))]
            wanted = (boot, files.real(library), facts, said, information, divided)

            def ask() -> dict[str, Any]:
                if self.scene.progress is not None:
                    self.scene.progress("asking NVIDIA's driver")
                with watching(None):
                    answer = _ask(library, self.scene)
                return {"machine": _answered(machine, answer)}

            asked = recall("nvml", wanted, ask) if recall is not None else ask()
        if asked:
            answered: Machine = asked["machine"]
            told = answered.nvidia or Nvidia()
            facts = msgspec.structs.replace(
                facts, driver=facts.driver or told.driver, cuda=told.cuda, problem=told.problem, devices=facts.devices
            )
            if answered.gpus:
                return facts, list(answered.gpus)
        unseen = [card for card in cards if card.vendor == "nvidia"]
        return facts, by_files or unseen

    def _nodes(self, information: Iterable[str]) -> tuple[DeviceNode, ...]:
        """The device nodes that a CUDA program opens; under WSL and on Jetson there are others."""
        if self._exists("/dev/nvmap"):
            return (self._node("/dev/nvmap"),)
        if self._exists("/dev/dxg") and not self._exists("/dev/nvidiactl"):
            return (self._node("/dev/dxg"),)
        paths = ["/dev/nvidiactl", "/dev/nvidia-uvm"]
        for said in information:
            match = re.search(r"^Device Minor:\s*(\d{1,4})", said, re.MULTILINE)
            if match:
                paths.append(f"/dev/nvidia{match[1]}")
        return tuple(self._node(path) for path in dict.fromkeys(paths))

    def _node(self, path: str) -> DeviceNode:
        place = self.root + path
        try:
            info = os.stat(place)
        except (OSError, ValueError):
            return DeviceNode(path=path, exists=False, allowed=False)
        return DeviceNode(path=path, allowed=os.access(place, os.R_OK | os.W_OK), group=info.st_gid)

    def _modprobe(self) -> bool:
        """The helper that makes device nodes for everybody is there, with root's rights."""
        mode = files.mode(f"{self.root}/usr/bin/nvidia-modprobe")
        return mode is not None and bool(mode & stat.S_ISUID)

    def _runtime(self) -> bool:
        """NVIDIA's container runtime was here: it mounts nvidia-smi, and hands over its variables."""
        visible = self.scene.environ.get("NVIDIA_VISIBLE_DEVICES")
        return visible not in (None, "", "void", "none")

    def _folders(self) -> list[str]:
        """Folders of LD_LIBRARY_PATH."""
        entries = self.scene.environ.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":")
        return [entry.rstrip("/") for entry in entries if entry.startswith("/")]

    def _copies(self, name: str, machine: Machine) -> list[tuple[str, str | None]]:
        """Files of that name in the order in which the loader comes to them, then those that it does not find."""
        found: dict[str, str | None] = {}
        for folder in self._folders():
            if files.is_file(f"{folder}/{name}"):
                found.setdefault(f"{folder}/{name}", "LD_LIBRARY_PATH")
        try:
            for entry in ldcache.parse(files.read(self.root + ldcache.CACHE, 32 << 20).data):
                if entry.name == name and files.is_file(self.root + entry.path):
                    found.setdefault(self.root + entry.path, "cache")
        except (files.Unreadable, ldcache.CacheError):
            pass
        defaults = ldcache.default_folders(machine.machine, 64, True, True) if machine.machine else ()
        for folder in dict.fromkeys((*defaults, *_USUAL)):
            path = f"{self.root}{folder}/{name}"
            if files.is_file(path):
                found.setdefault(path, "default folder" if folder in defaults else None)
        return list(found.items())

    def _library(self, name: str, machine: Machine) -> str | None:
        """The file of that name that the loader would take, else one in a usual place; stubs are none. What lies in the
        target or in the project, links followed, is not the system's: nothing there is run."""
        scene = self.scene
        own = [f"{files.real(folder).rstrip('/')}/" for folder in (scene.prefix, scene.project_root, scene.cwd) if folder]
        inside = tuple(folder for folder in own if folder != "/")
        copies = [path for path, _ in self._copies(name, machine) if "/stubs/" not in path]
        return next((path for path in copies if not files.real(path).startswith(inside)), None)

    def _libcuda(self, machine: Machine) -> tuple[DriverLibrary, ...]:
        found: dict[str, DriverLibrary] = {}
        for path, why in self._copies("libcuda.so.1", machine):
            real = files.real(path)
            if real in found:
                continue
            match = _VERSION.search(real)
            kind: Any = (
                "stub"
                if "/stubs/" in real
                else "compat"
                if "/compat" in real or "/cuda-compat" in real or "/compat" in path
                else "wsl"
                if "/wsl/" in real
                else "driver"
            )
            shown = path.removeprefix(self.root) if self.root else path
            found[real] = DriverLibrary(path=text(shown), version=match[1] if match else None, kind=kind, by=why)
        return tuple(found.values())

    # ------------------------------------------------------------------------------------------------------------- AMD
    def _amd(self, cards: list[Gpu]) -> tuple[Amd, list[Gpu]]:
        nodes = "/sys/class/kfd/kfd/topology/nodes"
        found: list[Gpu] = []
        render = []
        for name in self._names(nodes)[:MAX_GPUS]:
            said = self._text(f"{nodes}/{name}/properties", 1 << 14) or ""
            values = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
            target = _number(values.get("gfx_target_version"))
            if not target:
                continue  # a processor
            banks = f"{nodes}/{name}/mem_banks"
            memory = 0
            for bank in self._names(banks)[:16]:
                match = re.search(r"^size_in_bytes (\d+)", self._text(f"{banks}/{bank}/properties", 1 << 12) or "", re.MULTILINE)
                memory += int(match[1]) if match else 0
            location = _number(values.get("location_id")) or 0
            domain = _number(values.get("domain")) or 0
            bus = f"{domain:04x}:{location >> 8 & 255:02x}:{location >> 3 & 31:02x}.{location & 7}"
            minor = _number(values.get("drm_render_minor"))
            if minor:
                render.append(f"/dev/dri/renderD{minor}")
            product = (self._text(f"/sys/bus/pci/devices/{bus}/product_name", 256) or "").strip()
            gfx = gfx_name(target)
            found.append(Gpu(name=text(product) or f"AMD {gfx}", vendor="amd", architecture=gfx, memory=memory or None, bus=bus))
        rocm = None
        for place in ("/opt/rocm/.info/version", "/opt/rocm/.info/version-dev"):
            match = re.match(r"\s*(\d+\.\d+(?:\.\d+)?)", self._text(place, 256) or "")
            if match:
                rocm = match[1]
                break
        driver = (self._text("/sys/module/amdgpu/version", 64) or "").strip() or None
        hardware = [card for card in cards if card.vendor == "amd"]
        facts = Amd(
            driver=driver,
            rocm=rocm,
            nodes=tuple(self._node(path) for path in ("/dev/kfd", *sorted(render))) if found or hardware else (),
            hardware=len(hardware),
        )
        return facts, found or hardware


def _number(value: str | None) -> int | None:
    return int(value) if value and value.strip().isdigit() and len(value) < 20 else None


def gfx_name(version: int) -> str:
    """KFD's number of an instruction set as compilers call it: 90010 -> gfx90a, 110000 -> gfx1100."""
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{step:x}"


def _described(place: str, said: str) -> Gpu:
    """A GPU by what the kernel module says of it."""
    match = re.search(r"^Model:\s*(.+)$", said, re.MULTILINE)
    name = text(match[1].strip())[:100] if match else "NVIDIA GPU"
    capability = capability_of(name)
    return Gpu(name=name, vendor="nvidia", architecture=capability, by_name=capability is not None, bus=text(place))


# ----------------------------------------------------------------------------------------------------------------- NVML


def _ask(library: str, scene: Scene) -> dict[str, Any]:
    """What NVML says, or the problem, asked in a process of its own."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nvml.py")
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", program, library],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name in ("SYSTEMROOT", "PATH") if (value := scene.environ.get(name))},
            cwd="/" if os.name == "posix" else None,
        )
    except OSError as error:
        return {"problem": f"could not be asked: {error.strerror}"}
    try:
        said, _ = process.communicate(timeout=NVML_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # one that waits in the kernel does not die; nobody waits for it
        return {"problem": f"no answer within {NVML_SECONDS} s: the driver hangs"}
    try:
        answer = json.loads(said[: 1 << 20])
    except ValueError:
        return {"problem": f"the management library ended the program that asked it (exit status {process.returncode})"}
    return answer if isinstance(answer, dict) else {"problem": "an answer that makes no sense"}


def _answered(machine: Machine, answer: dict[str, Any]) -> Machine:
    """NVML's answer as facts."""
    gpus = []
    for one in answer.get("gpus") or ():
        if not isinstance(one, dict) or not one.get("name"):
            continue
        mig = one.get("mig")
        gpus.append(
            Gpu(
                name=text(str(one["name"]))[:100],
                vendor="nvidia",
                architecture=one.get("architecture"),
                memory=one.get("memory"),
                bus=one.get("bus"),
                mig=None if mig is None else tuple(sorted(text(str(name))[:100] for name in mig)),
            )
        )
    problem = answer.get("problem")
    nvidia = Nvidia(
        driver=answer.get("driver"), cuda=answer.get("cuda"), problem=None if problem is None else text(str(problem))[:300]
    )
    return Machine(system=machine.system, gpus=tuple(gpus), nvidia=nvidia)


# ------------------------------------------------------------------------------------------------------ macOS, Windows


def _apple(machine: Machine) -> Machine:
    """Apple silicon has a GPU that Metal serves; Intel Macs' are not used by frameworks any more."""
    if machine.native_machine != "arm64":
        return machine
    name = f"{machine.cpu.name} GPU" if machine.cpu.name else "Apple GPU"
    return msgspec.structs.replace(
        machine, gpus=(Gpu(name=name, vendor="apple", architecture=machine.cpu.microarchitecture, memory=machine.limits.memory),)
    )


def _windows(scene: Scene, machine: Machine, recall: Recall | None) -> Machine:
    """NVIDIA's driver puts nvcuda.dll and nvml.dll into System32."""
    folder = f"{scene.environ.get('SYSTEMROOT') or 'C:/Windows'}/System32"
    if not files.exists(f"{folder}/nvcuda.dll"):
        return machine
    facts = Nvidia(libraries=(DriverLibrary(path=text(f"{folder}/nvcuda.dll"), by="system folder"),))
    if not files.exists(f"{folder}/nvml.dll"):
        return msgspec.structs.replace(machine, nvidia=facts)

    def ask() -> dict[str, Any]:
        with watching(None):
            answer = _ask(f"{folder}/nvml.dll", scene)
        return {"machine": _answered(machine, answer)}

    asked = recall("nvml", (folder,), ask) if recall is not None else ask()
    told: Machine = asked["machine"]
    nvidia = told.nvidia or Nvidia()
    return msgspec.structs.replace(
        machine,
        gpus=told.gpus,
        nvidia=msgspec.structs.replace(facts, driver=nvidia.driver, cuda=nvidia.cuda, problem=nvidia.problem),
    )
