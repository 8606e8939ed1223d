"""The computer at hand: operating system, C library, processor, emulation, limits.

On Linux everything is read from /proc, /sys and a few files, which costs a few milliseconds; psutil (30 ms to import) and
``archspec.cpu`` (15 ms) are asked on the systems where files do not tell. Runs on Linux, macOS and Windows.
"""

from __future__ import annotations

import os
import re
import struct
import sys

from envdoctor.collect import cgroup, cpu, files, storage
from envdoctor.collect.scene import Scene
from envdoctor.lazy import pattern
from envdoctor.snapshot import Cpu, Limits, Machine, System, text

WORDS = {"amd64": "x86_64", "x64": "x86_64", "x86": "i686", "i386": "i686", "i486": "i686", "i586": "i686"}
ELF_MACHINES = {
    3: "i686",
    8: "mips",
    20: "ppc",
    21: "ppc64le",
    22: "s390x",
    40: "armv7l",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}
PE_MACHINES = {0x14C: "i686", 0x1C4: "armv7l", 0x8664: "x86_64", 0xAA64: "arm64"}
_GLIBC = pattern(rb"GNU C Library [^\0]{0,200}?version (\d+\.\d+)")
_MUSL = pattern(rb"\0(1\.\d{1,3}(?:\.\d{1,3})?)\0")


def collect(scene: Scene) -> Machine:
    """The machine at hand. For a target in a mounted root, distribution and C library are that root's own."""
    system = this_system()
    if system == "macos":
        return _macos(scene)
    if system == "windows":
        return _windows(scene)
    return _linux(scene)


def this_system() -> System:
    """The operating system that envdoctor runs on; other Unixes count as linux."""
    if sys.platform == "darwin":
        return "macos"
    return "windows" if sys.platform == "win32" else "linux"


# ---------------------------------------------------------------------------------------------------------------- Linux


def _linux(scene: Scene) -> Machine:
    uname = os.uname()
    machine = WORDS.get(uname.machine.lower(), uname.machine.lower())
    try:
        block = cpu.first_block(files.read("/proc/cpuinfo", 1 << 14).data.decode("utf-8", "replace"))
    except files.Unreadable as error:
        scene.gap("machine", "/proc/cpuinfo", str(error))
        block = {}
    emulation, native = emulated(machine, block)
    root = (scene.target.sysroot or "").rstrip("/")
    release = os_release(root)
    version = release.get("VERSION_ID")
    libcs = c_libraries(root, machine)
    if not root and not libcs:
        libcs = _own_libc()
    release_name = uname.release.lower()
    return Machine(
        system="linux",
        machine=machine,
        native_machine=native,
        emulation=emulation,
        kernel=text(uname.release),
        os_name=release.get("PRETTY_NAME") or release.get("NAME") or uname.sysname,
        os_version=version,
        distribution=release.get("ID"),
        distribution_like=tuple(release.get("ID_LIKE", "").split()),
        libc=libcs[0] if libcs else None,
        libcs=libcs,
        cpu=cpu.linux(native if emulation else machine, block, os.cpu_count()),
        limits=_limits(scene),
        container=container(scene),
        wsl="microsoft" in release_name,
        binfmt=binfmt(),
    )


def os_release(root: str = "") -> dict[str, str]:
    """os-release(5) of the system below `root`."""
    found: dict[str, str] = {}
    for place in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            content = files.read_text(root + place, 1 << 16)
        except files.Unreadable:
            continue
        for line in content.splitlines():
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith("#"):
                if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
                    value = value[1:-1]
                found.setdefault(key, re.sub(r"\\(.)", r"\1", value)[:200])
        break
    return found


def c_libraries(root: str, machine: str) -> tuple[str, ...]:
    """The C libraries installed below `root` ("" is this system) for `machine`, the system's own first.

    glibc tells its version in ``libc.so.6``, musl in its loader; the files are read, not run, so the answer does not
    depend on the C library that envdoctor itself runs with.
    """
    found = []
    # ppc64le's triplet has another word than its uname; the rest agree
    triplet = {"ppc64le": "powerpc64le", "i686": "i386", "armv7l": "arm"}.get(machine, machine)
    suffix = "-linux-gnueabihf" if machine == "armv7l" else "-linux-gnu"
    folders = (f"/lib/{triplet}{suffix}", f"/usr/lib/{triplet}{suffix}", "/lib64", "/usr/lib64", "/lib", "/usr/lib")
    for folder in folders:
        version = _scan(f"{root}{folder}/libc.so.6", _GLIBC)
        if version:
            found.append(f"glibc {version}")
            break
    loader = {"i686": "i386", "armv7l": "armhf", "ppc64le": "powerpc64le"}.get(machine, machine)
    version = _scan(f"{root}/lib/ld-musl-{loader}.so.1", _MUSL)
    if version:
        found.append(f"musl {version}")
    return tuple(found)


def _scan(path: str, pattern: re.Pattern[bytes]) -> str | None:
    """The version that `pattern` finds in a library of at most 8 MiB."""
    try:
        match = pattern.search(files.read(path, 8 << 20).data)
    except files.Unreadable:
        return None
    return match.group(1).decode() if match else None


def _own_libc() -> tuple[str, ...]:
    """What this process itself runs with, where no file was found at the usual places (NixOS, Guix)."""
    try:
        said = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        return ()
    return (said,) if said and said.startswith("glibc ") else ()


def emulated(machine: str, block: dict[str, str], proc: str = "/proc") -> tuple[str | None, str]:
    """Emulator that this process runs under (None: none), and the machine of the hardware.

    qemu-user answers ``/proc/self/exe`` and uname for the emulated program, but only for the spelling that it knows:
    ``/proc/./self/exe`` leads to qemu itself, whose ELF header tells the true machine. Rosetta for Linux calls the
    processor VirtualApple. `block` is the first processor of /proc/cpuinfo.
    """
    try:
        real = os.readlink(f"{proc}/./self/exe")
    except OSError:
        real = ""
    name = real.rpartition("/")[2]
    if name.startswith("qemu-"):
        return "qemu-user", _elf_machine(f"{proc}/./self/exe") or machine
    if block.get("vendor_id") == "VirtualApple" or name == "rosetta":
        return "rosetta", "aarch64"
    if machine in ("x86_64", "i686") and "CPU implementer" in block:
        return "qemu-user", "aarch64"
    if machine in ("aarch64", "armv7l", "riscv64", "ppc64le", "s390x") and block.get("vendor_id") in (
        "GenuineIntel",
        "AuthenticAMD",
    ):
        return "qemu-user", "x86_64"
    return None, machine


def _elf_machine(path: str) -> str | None:
    try:
        head = files.read(path, 20).data
    except files.Unreadable:
        return None
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return None
    number: int = struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)[0]
    return ELF_MACHINES.get(number)


def binfmt(folder: str = "/proc/sys/fs/binfmt_misc") -> tuple[str, ...]:
    """Machines whose programs the kernel hands to qemu-user or Rosetta."""
    found = set()
    try:
        entries = files.names(folder)
    except files.Unreadable:
        return ()
    for name in entries:
        machine = "x86_64" if name == "rosetta" else name.removeprefix("qemu-") if name.startswith("qemu-") else ""
        if not machine:
            continue
        try:
            if files.read_text(f"{folder}/{name}", 4096).startswith("enabled"):
                found.add({"i386": "i686", "arm": "armv7l"}.get(machine, machine))
        except files.Unreadable:
            continue
    return tuple(sorted(found))


def container(scene: Scene) -> str | None:
    """The kind of container that this process runs in: kubernetes, docker, podman, apptainer, lxc … or None."""
    environ = scene.environ
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if environ.get("APPTAINER_CONTAINER") or environ.get("SINGULARITY_CONTAINER"):
        return "apptainer"
    if files.exists("/run/.containerenv"):
        return "podman"
    if files.exists("/.dockerenv"):
        return "docker"
    try:
        groups = files.read_text("/proc/self/cgroup", 1 << 16)
    except files.Unreadable:
        groups = ""
    for word, name in (("kubepods", "kubernetes"), ("/docker", "docker"), ("libpod", "podman"), ("/lxc", "lxc")):
        if word in groups:
            return name
    try:
        return text(files.read("/run/systemd/container", 64).data.strip()) or None
    except files.Unreadable:
        return None


def _limits(scene: Scene) -> Limits:
    total = _total_memory()
    memory_limit, quota = cgroup.limits() if sys.platform.startswith("linux") else (None, None)
    if memory_limit is not None and total is not None and memory_limit >= total:
        memory_limit = None
    try:
        affinity = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        affinity = None
    soft, hard = _open_files()
    here = not scene.target.foreign
    return Limits(
        memory=total,
        memory_limit=memory_limit,
        cpu_quota=quota,
        affinity=affinity,
        open_files_soft=soft,
        open_files_hard=hard,
        shared_memory=_space("/dev/shm", free=False) if sys.platform.startswith("linux") else None,
        shared_memory_free=_space("/dev/shm") if sys.platform.startswith("linux") else None,
        disk_free=_space(scene.prefix),
        disks=storage.disks(scene) if here else (),
        temporary=storage.temporary(scene) if here else (),
    )


def _total_memory() -> int | None:
    try:
        for line in files.read_text("/proc/meminfo", 1 << 14).splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
    except (files.Unreadable, ValueError, IndexError):
        pass
    import psutil

    try:
        return int(psutil.virtual_memory().total)
    except (OSError, RuntimeError):
        return None


def _open_files() -> tuple[int | None, int | None]:
    """Soft and hard limit of open files; None for unlimited or unknown."""
    try:
        import resource
    except ImportError:
        return None, None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return tuple(None if limit in (-1, resource.RLIM_INFINITY) else limit for limit in (soft, hard))  # type: ignore[return-value]


def _space(folder: str, *, free: bool = True) -> int | None:
    """Bytes of the file system that holds `folder` (or its nearest parent that exists): free for us, or in all."""
    try:
        if not hasattr(os, "statvfs"):
            import psutil

            usage = psutil.disk_usage(folder)
            return int(usage.free if free else usage.total)
        info = os.statvfs(folder)
        return info.f_frsize * (info.f_bavail if free else info.f_blocks)
    except (OSError, ValueError):
        return None


# ---------------------------------------------------------------------------------------------------------------- macOS


def _sysctl(name: str) -> str | int | None:
    """One value of sysctl(3), a number or a text; None where there is none."""
    import ctypes

    try:
        function = ctypes.CDLL(None).sysctlbyname
    except (OSError, AttributeError, TypeError):
        return None
    size = ctypes.c_size_t(0)
    if function(name.encode(), None, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0 or not size.value:
        return None
    buffer = ctypes.create_string_buffer(size.value)
    if function(name.encode(), buffer, ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return None
    raw = buffer.raw[: size.value]
    # a text ends in NUL and is readable; numbers are 4 or 8 bytes
    if size.value in (4, 8) and not raw.rstrip(b"\0").isalnum():
        return int.from_bytes(raw, sys.byteorder)
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _number(name: str) -> int | None:
    """A numeric sysctl, whatever its bytes look like."""
    value = _sysctl(name)
    if isinstance(value, str):
        return int.from_bytes(value.encode("latin-1", "replace"), sys.byteorder)
    return value


def _macos(scene: Scene) -> Machine:
    uname = os.uname()
    machine = uname.machine.lower()
    translated = _number("sysctl.proc_translated") == 1
    native = "arm64" if translated or _number("hw.optional.arm64") == 1 else machine
    version = _sysctl("kern.osproductversion")
    if not isinstance(version, str):
        version = None
        try:
            plist = files.read_text("/System/Library/CoreServices/SystemVersion.plist", 1 << 16)
            match = re.search(r"<key>ProductVersion</key>\s*<string>([\d.]+)</string>", plist)
            version = match.group(1) if match else None
        except files.Unreadable as error:
            scene.gap("machine", "SystemVersion.plist", str(error))
    numeric = {"hw.physicalcpu"}
    return Machine(
        system="macos",
        machine=machine,
        native_machine=native,
        emulation="rosetta" if translated else None,
        kernel=text(uname.release),
        os_name="macOS",
        os_version=version,
        cpu=cpu.macos(native, lambda key: _number(key) if key in numeric else _sysctl(key), os.cpu_count()),
        limits=_limits(scene),
        # without Rosetta a native process cannot start x86_64 programs
        binfmt=("x86_64",)
        if native == "arm64" and (translated or files.exists("/Library/Apple/usr/libexec/oah/libRosettaRuntime"))
        else (),
    )


# -------------------------------------------------------------------------------------------------------------- Windows


def _windows(scene: Scene) -> Machine:
    import sysconfig

    word = sysconfig.get_platform().rpartition("-")[2]
    machine = {"amd64": "x86_64", "arm64": "arm64", "win32": "i686"}.get(word, word)
    native = _windows_native() or machine
    emulation = None
    if native != machine:
        emulation = "prism" if native == "arm64" else "wow64"
    version = getattr(sys, "getwindowsversion", lambda: None)()
    number = ".".join(map(str, version[:3])) if version else None
    processor: Cpu = cpu.windows(machine, scene.environ, os.cpu_count())
    return Machine(
        system="windows",
        machine=machine,
        native_machine=native,
        emulation=emulation,
        kernel=number,
        os_name="Windows",
        os_version=number,
        cpu=processor,
        limits=_limits(scene),
        binfmt=() if native == "i686" else ("i686", "x86_64") if native == "arm64" else ("i686",),
    )


def _windows_native() -> str | None:
    """The machine of Windows itself, also for a process under WOW64 or Prism (IsWow64Process2)."""
    import ctypes

    try:
        kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
        process, native = ctypes.c_ushort(0), ctypes.c_ushort(0)
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        handle = ctypes.c_void_p(kernel.GetCurrentProcess())
        if not kernel.IsWow64Process2(handle, ctypes.byref(process), ctypes.byref(native)):
            return None
    except (AttributeError, OSError):
        return None
    return PE_MACHINES.get(native.value)
