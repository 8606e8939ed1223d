"""What fits a target: PEP 508 marker environment, PEP 425 wheel tags, which architectures load into which. Pure, no IO.

The interpreter half comes from the target, the operating system half from the machine it is judged for. A foreign target (a
macOS environment looked at from Linux, a mounted root) keeps its own system and architecture, and nothing is said about the
version of its operating system.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, Protocol

from envdoctor.lazy import pattern
from envdoctor.snapshot import Interpreter, Machine, Snapshot, System
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.tags import Tag

Part = Literal["python", "abi", "platform", "glibc", "musl", "macOS version"]


class Seen(Protocol):
    """Anything that holds a snapshot and the machine it is judged for: a ``View``."""

    snapshot: Snapshot
    machine: Machine


class Misfit(NamedTuple):
    """One part of a wheel tag that the target does not accept."""

    part: Part
    reason: str
    """In words, both sides named: ``needs glibc 2.39, this machine has glibc 2.36``."""
    os_version: bool = False
    """Only the version of the operating system or C library is too low: a newer one would do."""


class Profile(NamedTuple):
    """What decides about tags, taken from a snapshot and a machine."""

    system: System
    implementation: str
    version: tuple[int, int] | None
    abis: tuple[str, ...]
    """Of CPython: cp311, for debug builds cp311d and cp311; of others the one ABI."""
    threaded: bool
    archs: tuple[str, ...] | None
    """As in platform tags, the closest first; None where they are not known."""
    libc: Literal["glibc", "musl"] | None
    libc_version: tuple[int, int] | None
    macos: tuple[int, int] | None


_FAMILIES: Final = {
    "amd64": "x86_64",
    "x86_64h": "x86_64",
    "x64": "x86_64",
    "arm64": "aarch64",
    "arm64e": "aarch64",
    "arm64ec": "aarch64",
    "armv8": "aarch64",
    "i386": "i686",
    "i486": "i686",
    "i586": "i686",
    "x86": "i686",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
    "armv5l": "arm",
    "armv6": "arm",
    "armv7": "arm",
    "powerpc64le": "ppc64le",
    "powerpc64": "ppc64",
    "powerpc": "ppc",
}
_HALVES: Final = {"i686": "x86_64", "arm": "aarch64", "ppc": "ppc64", "s390": "s390x", "riscv32": "riscv64", "x32": "x86_64"}
_MANYLINUX_ARCHS: Final = frozenset(
    {"x86_64", "aarch64", "ppc64", "ppc64le", "s390x", "loongarch64", "riscv64", "i686", "armv7l"}
)
_LEGACY: Final = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_WINDOWS_TAGS: Final = {"x86_64": "win_amd64", "amd64": "win_amd64", "i686": "win32", "x86": "win32", "arm64": "win_arm64"}
_WINDOWS_MACHINES: Final = {"x86_64": "AMD64", "amd64": "AMD64", "i686": "x86", "arm64": "ARM64", "aarch64": "ARM64"}
_MAC_FORMATS: Final = {
    "x86_64": ("x86_64", "intel", "fat64", "fat3", "universal2", "universal"),
    "arm64": ("arm64", "universal2"),
    "i386": ("i386", "intel", "fat3", "fat", "universal"),
    "ppc": ("ppc", "fat3", "fat", "universal"),
    "ppc64": ("ppc64", "fat64", "universal"),
}
_SYSTEM_WORDS: Final[dict[str, str]] = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}

_GLIBC_TAG = pattern(r"^manylinux_(\d{1,3})_(\d{1,3})_(\w+)$")
_LEGACY_TAG = pattern(r"^(manylinux1|manylinux2010|manylinux2014)_(\w+)$")
_MUSL_TAG = pattern(r"^musllinux_(\d{1,3})_(\d{1,3})_(\w+)$")
_MAC_TAG = pattern(r"^macosx_(\d{1,3})_(\d{1,3})_(\w+)$")
_PYTHON_TAG = pattern(r"^([a-z]+)(\d)(\d*)$")


# ---------------------------------------------------------------------------------------------------------- architectures


def family(machine: str) -> str:
    """One word for an architecture whatever the system calls it: x86_64, i686, aarch64, arm, ppc64le, …"""
    word = machine.lower()
    return _FAMILIES.get(word, word)


def half_of(machine: str) -> str | None:
    """The 64-bit family whose processors run this 32-bit one natively, or None."""
    return _HALVES.get(family(machine))


def loads(interpreter: str, library: str) -> bool:
    """A process of machine `interpreter` can load a library of machine `library` (words of one operating system).

    An arm64e process takes arm64 libraries, not the other way round; x86_64h ones load into x86_64 on Haswell and later.
    """
    one, other = interpreter.lower(), library.lower()
    if one == other:
        return True
    if other == "arm64e":
        return False
    if "arm64ec" in (one, other) or other == "arm64x":
        return one in ("x86_64", "amd64") or (one.startswith("arm64") and other != "arm64ec")
    return family(one) == family(other)


def is_foreign(snapshot: Snapshot, machine: Machine) -> bool:
    """The machine's operating system says nothing about this target: it is another system's, or another root's."""
    if machine.system != snapshot.target.system:
        return True
    return snapshot.target.foreign and machine is snapshot.machine


def interpreter_libc(interpreter: Interpreter) -> Literal["glibc", "musl"] | None:
    """The C library that the interpreter is linked with, where its binary or libpython tells."""
    for file in (interpreter.binary, interpreter.libpython):
        for part in file.slices if file else ():
            if part.libc:
                return part.libc
    return None


@lru_cache(maxsize=4096)
def numbers(text: str | None) -> tuple[int, int] | None:
    """The first two numbers of a version: ``glibc 2.36`` -> (2, 36), ``14`` -> (14, 0); None where there is none."""
    match = re.search(r"(\d{1,9})(?:\.(\d{1,9}))?", text or "")
    return (int(match[1]), int(match[2] or 0)) if match else None


def profile(snapshot: Snapshot, machine: Machine) -> Profile:
    """What decides about tags of this target on this machine."""
    interpreter = snapshot.interpreter
    system = snapshot.target.system
    foreign = is_foreign(snapshot, machine)
    version = _python(interpreter)
    implementation = interpreter.implementation.lower()
    libc: Literal["glibc", "musl"] | None = None
    libc_version = macos = None
    if system == "linux":
        own = machine.libc.split()[0] if machine.libc else None
        libc = interpreter_libc(interpreter) or (None if foreign else own if own in ("glibc", "musl") else None)  # type: ignore[assignment]
        if not foreign and libc:
            texts = (machine.libc, *machine.libcs)
            libc_version = next((numbers(x) for x in texts if x and x.startswith(libc)), None)
    elif system == "macos" and not foreign:
        macos = numbers(machine.os_version)
    return Profile(
        system=system,
        implementation=implementation,
        version=version,
        abis=_abis(interpreter, version),
        threaded=interpreter.free_threaded,
        archs=_archs(snapshot, machine, foreign),
        libc=libc,
        libc_version=libc_version,
        macos=macos,
    )


def _python(interpreter: Interpreter) -> tuple[int, int] | None:
    match = re.match(r"(\d+)\.(\d+)", interpreter.version or "")
    return (int(match[1]), int(match[2])) if match else None


def _abis(interpreter: Interpreter, version: tuple[int, int] | None) -> tuple[str, ...]:
    if interpreter.implementation.lower() != "cpython":
        return (interpreter.abi.lower().replace("-", "_"),) if interpreter.abi else ()
    if version is None or version < (3, 0):
        return ()  # cp27m or cp27mu: nothing that is read tells how wide its characters are
    base = f"cp{version[0]}{version[1]}{'t' if interpreter.free_threaded else ''}"
    if version < (3, 8):
        return (f"{base}{'d' if interpreter.debug else ''}m",)
    return (f"{base}d", base) if interpreter.debug else (base,)


def _archs(snapshot: Snapshot, machine: Machine, foreign: bool) -> tuple[str, ...] | None:
    word = snapshot.interpreter.machine or ("" if foreign else machine.machine)
    if not word:
        return None
    word = word.lower()
    system = snapshot.target.system
    if system == "macos":
        return ({"arm64e": "arm64", "aarch64": "arm64", "x86_64h": "x86_64", "i686": "i386"}.get(word, word),)
    if system == "windows":
        return (_WINDOWS_TAGS.get(word, f"win_{word}"),)
    if family(word) == "i686":
        return ("i686",)
    if family(word) == "arm":
        if foreign:
            return ("armv8l", "armv7l", "armv6l")
        here = machine.machine.lower()
        if here in ("aarch64", "armv8l"):
            return ("armv8l", "armv7l")
        return (here,) if family(here) == "arm" else (word,)
    return ({"amd64": "x86_64", "arm64": "aarch64"}.get(word, word),)


# ---------------------------------------------------------------------------------------------------------------- markers


def marker_environment(snapshot: Snapshot, machine: Machine) -> dict[str, str]:
    """The values of PEP 508 markers as the target's own interpreter would give them on `machine`.

    Where the micro version is not known, ``python_full_version`` is ``X.Y.0``. ``platform_release`` and
    ``platform_version`` are empty for a foreign target. Empty version texts where Python is not known at all.
    """
    interpreter = snapshot.interpreter
    system = snapshot.target.system
    foreign = is_foreign(snapshot, machine)
    version = _python(interpreter)
    full = interpreter.version or ""
    if version and full.count(".") < 2:
        full = f"{version[0]}.{version[1]}.0"
    implementation = interpreter.implementation.lower()
    names = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}
    own = full.rstrip("+")
    if implementation == "pypy":
        number = re.search(r"pp(\d)(\d+)", interpreter.abi or interpreter.soabi or "")
        own = f"{number[1]}.{number[2]}.0" if number else ""
    release = "" if foreign else machine.kernel or ""
    if system == "windows" and release:
        parts = release.split(".")
        release = "11" if parts[0] == "10" and len(parts) > 2 and parts[2].isdigit() and int(parts[2]) >= 22000 else parts[0]
    return {
        "implementation_name": implementation,
        "implementation_version": own,
        "os_name": "nt" if system == "windows" else "posix",
        "platform_machine": _platform_machine(snapshot, machine, foreign),
        "platform_python_implementation": names.get(implementation, implementation),
        "platform_release": release,
        "platform_system": {"linux": "Linux", "macos": "Darwin", "windows": "Windows"}[system],
        "platform_version": "" if foreign or system != "windows" else machine.os_version or "",
        "python_full_version": full + "local" if full.endswith("+") else full,
        "python_version": f"{version[0]}.{version[1]}" if version else "",
        "sys_platform": {"linux": "linux", "macos": "darwin", "windows": "win32"}[system],
    }


def _platform_machine(snapshot: Snapshot, machine: Machine, foreign: bool) -> str:
    """``platform.machine()``: the kernel's word, which for a 32-bit program on a 64-bit kernel is the kernel's own."""
    own = (snapshot.interpreter.machine or "").lower()
    here = "" if foreign else machine.machine
    system = snapshot.target.system
    if system == "macos":
        return {"arm64e": "arm64", "x86_64h": "x86_64", "i686": "i386"}.get(own, own) or here
    if own and here and family(own) != family(here) and half_of(own) != family(here):
        here = own
    word = here or own
    return _WINDOWS_MACHINES.get(word, word.upper()) if system == "windows" else word


# ------------------------------------------------------------------------------------------------------------------- tags


def supported_tags(snapshot: Snapshot, machine: Machine) -> dict[Tag, int]:
    """Every wheel tag that fits, with its rank (0 is best), in the order of ``packaging.tags.sys_tags``.

    Empty where the Python version is not known. For a foreign target all versions of its operating system up to some that
    do not exist yet are in it.
    """
    from packaging.tags import compatible_tags, cpython_tags, generic_tags

    found = profile(snapshot, machine)
    if found.version is None:
        return {}
    platforms = platform_tags(found)
    major, minor = found.version
    ranks: dict[Tag, int] = {}

    def add(tags: Iterator[Tag]) -> None:
        for tag in tags:
            if tag not in ranks:
                ranks[tag] = len(ranks)

    if found.implementation == "cpython":
        add(cpython_tags((major, minor), abis=found.abis, platforms=platforms))
        interpreter: str | None = f"cp{major}{minor}"
    else:
        short = {"pypy": "pp"}.get(found.implementation, found.implementation)
        add(generic_tags(f"{short}{major}{minor}", list(found.abis), platforms))
        interpreter = "pp3" if short == "pp" else None
    add(compatible_tags((major, minor), interpreter, platforms))
    return ranks


def platform_tags(found: Profile) -> list[str]:
    """Platform tags that fit, the best first."""
    if found.system == "windows":
        return list(found.archs or ("win_amd64", "win32", "win_arm64"))
    if found.system == "macos":
        from packaging.tags import mac_platforms

        version = found.macos or (40, 0)
        if version == (10, 16):
            version = (11, 0)
        return [tag for arch in found.archs or ("arm64", "x86_64") for tag in mac_platforms(version, arch)]
    archs = found.archs or ("x86_64", "aarch64", "i686", "armv7l")
    tags = [f"linux_{arch}" for arch in archs]
    if found.libc in (None, "glibc") and _MANYLINUX_ARCHS.intersection(archs):
        highest = found.libc_version or (2, 60)
        oldest = 5 if "x86_64" in archs or "i686" in archs else 17
        legacy = {minor: name for name, (_, minor) in _LEGACY.items()}
        for arch in archs:
            for minor in range(highest[1], oldest - 1, -1) if highest[0] == 2 else ():
                tags.append(f"manylinux_2_{minor}_{arch}")
                if minor in legacy:
                    tags.append(f"{legacy[minor]}_{arch}")
    if found.libc in (None, "musl"):
        highest = found.libc_version if found.libc == "musl" and found.libc_version else (1, 9)
        for arch in archs:
            tags += [f"musllinux_{highest[0]}_{minor}_{arch}" for minor in range(highest[1], -1, -1)]
    return tags


def explain_tag(tag: Tag | str, view: Seen) -> tuple[Misfit, ...]:
    """The parts of a wheel tag that the target does not accept; empty when it fits. A tag that is none fits, too.

    Judged by meaning, a little wider than installers do: macOS minor versions count as numbers (conda builds are tagged
    ``macosx_11_1``), and what is not known of the target is not judged.
    """
    return explain(str(tag), profile(view.snapshot, view.machine))


@lru_cache(maxsize=4096)
def explain(tag: str, found: Profile) -> tuple[Misfit, ...]:
    """:func:`explain_tag` for a profile. A part may hold alternatives (``py2.py3``): one that fits is enough."""
    parts = tag.lower().split("-")
    if len(parts) != 3 or not all(parts):
        return ()
    best: tuple[Misfit, ...] | None = None
    for python in parts[0].split(".")[:8]:
        for abi in parts[1].split(".")[:8]:
            first = _explain_python(python, abi, found)
            for platform in parts[2].split(".")[:32]:
                second = _explain_platform(platform, found)
                misfits = ((first,) if first else ()) + ((second,) if second else ())
                if not misfits:
                    return ()
                if best is None or badness(misfits) < badness(best):
                    best = misfits
    return best or ()


def badness(misfits: tuple[Misfit, ...]) -> tuple[int, int]:
    """Orders explanations: the one that is nearest to fitting is the one to tell."""
    weight = {"glibc": 1, "musl": 1, "macOS version": 1, "abi": 2, "python": 3, "platform": 4}
    return sum(weight[m.part] for m in misfits), len(misfits)


def python_words(found: Profile) -> str:
    """The interpreter in a few words: ``CPython 3.11``, ``free-threaded CPython 3.13``, ``PyPy 3.10``."""
    name = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}.get(found.implementation, found.implementation)
    kind = "free-threaded " if found.threaded else ""
    debug = " (debug build)" if len(found.abis) > 1 else ""
    return f"{kind}{name} {found.version[0]}.{found.version[1]}{debug}" if found.version else f"{kind}{name}"


def platform_words(found: Profile) -> str:
    """System and architecture in a few words: ``Linux x86_64``."""
    arch = found.archs[0] if found.archs else ""
    arch = {"win_amd64": "x86_64", "win32": "32-bit", "win_arm64": "arm64"}.get(arch, arch)
    return f"{_SYSTEM_WORDS[found.system]} {arch}".strip()


def _explain_python(python: str, abi: str, found: Profile) -> Misfit | None:
    match = _PYTHON_TAG.match(python)
    if found.version is None or match is None:
        return None
    name = match[1]
    tagged = (int(match[2]), int(match[3])) if match[3] else (int(match[2]), None)
    here = python_words(found)
    wanted = _tagged_words(name, tagged)
    major, minor = found.version
    if name == "py":
        if tagged[0] != major:
            return Misfit("python", f"is for Python {tagged[0]}, this is {here}")
        if tagged[1] is not None and tagged[1] > minor:
            return Misfit("python", f"needs {wanted} or later, this is {here}")
        return None if abi == "none" else _explain_abi(abi, found)
    own = {"cpython": "cp", "pypy": "pp"}.get(found.implementation, found.implementation)
    if name != own:
        return Misfit("python", f"is for {wanted}, this is {here}")
    if tagged[1] is None:
        return Misfit("python", f"is for {wanted}, this is {here}") if tagged[0] != major else None
    if tagged == (major, minor):
        return None if abi == "none" else _explain_abi(abi, found)
    if abi in ("abi3", "abi3t") and name == "cp" and tagged < (major, minor):
        return _explain_abi(abi, found)
    later = " or later" if abi in ("abi3", "abi3t") else ""
    flags = abi.removeprefix(f"{name}{match[2]}{match[3]}") if abi.startswith(name) else ""
    threaded = "free-threaded " if "t" in flags else ""
    return Misfit("python", f"is for {threaded}{wanted}{later}, this is {here}")


def _explain_abi(abi: str, found: Profile) -> Misfit | None:
    here = python_words(found)
    if abi in ("abi3", "abi3t"):
        if found.implementation != "cpython":
            return Misfit("abi", f"is for CPython's stable ABI, this is {here}")
        if abi == "abi3" and found.threaded:
            return Misfit("abi", f"is for the stable ABI, which free-threaded Python does not have; this is {here}")
        if abi == "abi3t" and not found.threaded:
            return Misfit("abi", f"is for free-threaded Python's stable ABI, this is {here}")
        return None
    if not found.abis or abi in found.abis:
        return None
    match = re.match(r"^cp(\d)(\d+)([a-z]*)$", abi)
    if match:
        threaded = "free-threaded " if "t" in match[3] else ""
        debug = " (debug build)" if "d" in match[3] else ""
        return Misfit("abi", f"is for {threaded}CPython {match[1]}.{match[2]}{debug} (ABI {abi}), this is {here}")
    return Misfit("abi", f"is for ABI {abi}, this is {here} (ABI {found.abis[0]})")


def _tagged_words(name: str, version: tuple[int, int | None]) -> str:
    word = {"cp": "CPython", "pp": "PyPy", "py": "Python"}.get(name, name)
    return f"{word} {version[0]}" + (f".{version[1]}" if version[1] is not None else "")


def _explain_platform(platform: str, found: Profile) -> Misfit | None:
    if platform == "any":
        return None
    here = platform_words(found)
    glibc = _GLIBC_TAG.match(platform)
    legacy = _LEGACY_TAG.match(platform)
    musl = _MUSL_TAG.match(platform)
    if glibc or legacy or musl or platform.startswith("linux_"):
        if glibc:
            arch, wanted = glibc[3], (int(glibc[1]), int(glibc[2]))
        elif musl:
            arch, wanted = musl[3], (int(musl[1]), int(musl[2]))
        elif legacy:
            arch, wanted = legacy[2], _LEGACY[legacy[1]]
        else:
            arch, wanted = platform[6:], (0, 0)
        if found.system != "linux" or (found.archs is not None and arch not in found.archs):
            return Misfit("platform", f"is for Linux {arch}, this is {here}")
        if not wanted[0]:
            return None
        return _explain_libc("musl" if musl else "glibc", wanted, found)
    mac = _MAC_TAG.match(platform)
    if mac:
        archs = [arch for arch, formats in _MAC_FORMATS.items() if mac[3] in formats]
        if found.system != "macos" or (found.archs is not None and not set(archs).intersection(found.archs)):
            return Misfit("platform", f"is for macOS {mac[3]}, this is {here}")
        if found.macos is not None:
            wanted = (int(mac[1]), int(mac[2]))
            current = (11, 0) if found.macos == (10, 16) else found.macos
            if wanted > current:
                text = f"needs macOS {wanted[0]}.{wanted[1]}, this machine has macOS {current[0]}.{current[1]}"
                return Misfit("macOS version", text, os_version=True)
        return None
    if platform.startswith("win"):
        if found.system != "windows" or (found.archs is not None and platform not in found.archs):
            arch = {"win_amd64": "x86_64", "win32": "32-bit", "win_arm64": "arm64"}.get(platform, platform)
            return Misfit("platform", f"is for Windows {arch}, this is {here}")
        return None
    for start, word in (
        ("android", "Android"),
        ("ios", "iOS"),
        ("emscripten", "Emscripten"),
        ("pyodide", "Pyodide"),
        ("wasi", "WASI"),
    ):
        if platform.startswith(start):
            return Misfit("platform", f"is for {word}, this is {here}")
    return None


def _explain_libc(kind: Literal["glibc", "musl"], wanted: tuple[int, int], found: Profile) -> Misfit | None:
    if found.libc is not None and found.libc != kind:
        have = f"{found.libc} {found.libc_version[0]}.{found.libc_version[1]}" if found.libc_version else found.libc
        return Misfit(kind, f"is for {kind}, this Python uses {have}")
    if found.libc_version is not None and wanted > found.libc_version:
        have = f"{found.libc_version[0]}.{found.libc_version[1]}"
        return Misfit(kind, f"needs {kind} {wanted[0]}.{wanted[1]}, this machine has {kind} {have}", os_version=True)
    return None
