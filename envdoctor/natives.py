"""Which native files an import reaches, and whether this interpreter could load them. Pure, no IO.

The import system opens a file when its name ends in one of the interpreter's suffixes and all folders above it are package
names; whether it then loads is a matter of headers. Libraries count when an extension module, or a library that one needs,
names them. Everything else (firmware, device code, launchers and payloads for other systems) is not loaded by anything.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from envdoctor.extensions import ExtensionName, module_of
from envdoctor.last import Last
from envdoctor.lazy import pattern
from envdoctor.platforms import Profile, family, loads, platform_words, profile
from envdoctor.snapshot import Distribution, Fact, NativeFile, Slice
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.finding import Subject
    from envdoctor.view import View

_FORMATS = {"linux": "elf", "macos": "macho", "windows": "pe"}
_FORMAT_WORDS = {"elf": "ELF", "macho": "Mach-O", "pe": "PE"}
_SYSTEM_OF = {"elf": "Linux", "macho": "macOS", "pe": "Windows"}
_SYSTEM_LIBRARIES = frozenset(
    {"libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libutil.so.1", "libgcc_s.so.1", "libstdc++.so.6"}
)
_DIGITS = pattern(r"\d+")
_DEVICE_CODE = frozenset({"cuda", "amdgpu", "bpf"})


class Native(NamedTuple):
    """One native file of an active site folder, judged."""

    file: NativeFile
    module: str | None
    """Dotted name under which an import would reach it; None for what no import statement names."""
    name: ExtensionName | None
    arch: bool | None
    """Headers fit the interpreter; None where that is not known or the file is no library."""
    python: bool
    """The Python part of the name (version, flags, implementation) fits; true when the name carries none."""
    opened: bool
    """The interpreter opens files of such a name."""

    @property
    def extension(self) -> bool:
        """An extension module by its tag, or because it exports its initialisation function."""
        return self.module is not None and self.name is not None and (self.name.family != "none" or self.file.init is True)

    @property
    def fits(self) -> bool:
        """An import of it gets as far as the loader, and its headers fit."""
        return self.opened and self.python and self.arch is not False


class Group:
    """The native files of one distribution, or of one top-level folder that belongs to none."""

    def __init__(self, key: str, site: int, dist: Distribution | None) -> None:
        self.key = key
        self.site = site
        self.dist = dist
        self.natives: list[Native] = []

    @cached_property
    def extensions(self) -> list[Native]:
        """Its extension modules, by any name."""
        return [n for n in self.natives if n.extension]

    @cached_property
    def fitting(self) -> list[Native]:
        """Modules and libraries whose headers (and names, for modules) fit."""
        return [n for n in self.natives if n.arch and (n.fits if n.extension else True)]

    @cached_property
    def _fitting_stems(self) -> frozenset[str]:
        return frozenset(stem(n.file.path) for n in self.fitting)

    @cached_property
    def needed(self) -> frozenset[str]:
        """Names that its extension modules, and its libraries that fit, ask the loader for; the system's own left out."""
        return frozenset(
            need.rpartition("/")[2]
            for n in self.natives
            if n.extension or n.arch
            for part in n.file.slices
            for need in part.needed
            if need not in _SYSTEM_LIBRARIES
        )

    @cached_property
    def provided(self) -> frozenset[str]:
        """File names and sonames of its files that fit."""
        return frozenset(name for n in self.natives if n.arch for name in names_of(n.file))

    def has_fitting_twin(self, native: Native) -> bool:
        """Another file of the group bears the same name before its tag, and fits."""
        return stem(native.file.path) in self._fitting_stems

    def has_numbered_twin(self, native: Native) -> bool:
        """A fitting extension module beside it bears the same name but for digits: ``core_py310``, ``core_py311``."""
        folder = native.file.path.rpartition("/")[0]
        name = stem(native.file.path)
        return any(
            _DIGITS.sub("", stem(n.file.path)) == _DIGITS.sub("", name) and stem(n.file.path) != name
            for n in self.extensions
            if n.fits and n.arch and not n.file.python_symbols and n.file.path.rpartition("/")[0] == folder
        )


class Loading:
    """All native files of the active site folders of a view, judged and grouped. Made once per view."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.profile: Profile = profile(view.snapshot, view.machine)
        interpreter = view.snapshot.interpreter
        self.machines = _machines(view)
        """Architectures that the interpreter runs as; empty where nothing tells."""
        self.soabi_platform = _platform_of(interpreter.soabi)
        self._named: dict[tuple[object, ...], tuple[bool, bool]] = {}
        self._fitting: dict[tuple[object, ...], bool] = {}

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Groups in the order of site folders and names."""
        snapshot = self.view.snapshot
        active = {index for index, _ in self.view.active_sites}
        by_owner: dict[tuple[int, str], Distribution] = {}
        by_import: dict[tuple[int, str], Distribution] = {}
        for dist in snapshot.distributions:
            by_owner.setdefault((dist.site, dist.name), dist)
            for name in dist.import_names:
                by_import.setdefault((dist.site, name), dist)
        groups: dict[tuple[int, str], Group] = {}
        for file in snapshot.natives:
            if file.folder not in active:
                continue
            top = file.path.partition("/")[0]
            dist_ = by_owner.get((file.folder, file.owner)) if file.owner else None
            key = (file.folder, file.owner or f"/{top}")
            group = groups.get(key)
            if group is None:
                if dist_ is None:
                    dist_ = by_import.get((file.folder, top.partition(".")[0]))
                group = groups[key] = Group(file.owner or top, file.folder, dist_)
            group.natives.append(self._judge(file))
        return tuple(groups[key] for key in sorted(groups))

    @cached_property
    def by_owner(self) -> dict[tuple[int, str], Group]:
        """Groups by site folder and name of the distribution whose RECORD lists the files."""
        return {(g.site, g.dist.name): g for g in self.groups if g.dist is not None and g.key == g.dist.name}

    @cached_property
    def loadable_modules(self) -> frozenset[tuple[int, str]]:
        """(site folder, dotted name) of every extension module that the import system opens and that fits."""
        return frozenset((g.site, n.module) for g in self.groups for n in g.natives if n.module and n.fits and n.arch)

    def _judge(self, file: NativeFile) -> Native:
        reached = module_of(file.path)
        module, name = reached or (None, None)
        python, platform = True, False
        if name is not None:
            known = self._named.get(name[1:])
            python, platform = known if known is not None else self._named.setdefault(name[1:], self._name_fits(name))
        return Native(file, module, name, self._arch_fits(file), python, python and platform)

    def _arch_fits(self, file: NativeFile) -> bool | None:
        if not self.machines or file.kind != "library" or not file.slices or file.slices[0].machine in _DEVICE_CODE:
            return None
        if file.format != _FORMATS[self.profile.system]:
            return False
        part = file.slices[0]
        if len(file.slices) > 1:
            return any(map(self.slice_fits, file.slices))
        key = (part.machine, part.bits, part.little_endian, part.platform)
        known = self._fitting.get(key)
        return known if known is not None else self._fitting.setdefault(key, self.slice_fits(part))

    def slice_fits(self, part: Slice) -> bool:
        """One slice of a file of the right format is for the interpreter's machine and system."""
        if self.profile.system == "macos" and part.platform not in (None, "macos", "maccatalyst"):
            return False
        return any(
            loads(m, part.machine) and _bits(m) in (0, part.bits) and part.little_endian == _little(m) for m in self.machines
        )

    def _name_fits(self, name: ExtensionName) -> tuple[bool, bool]:
        """(the Python part fits, the platform part fits)."""
        found = self.profile
        on_windows = found.system == "windows"
        here = name.windows == on_windows
        if name.family == "none":
            return True, here and (not (on_windows and name.flags == "d") or len(found.abis) > 1)
        if name.family == "abi3":
            return self._stable_abi_fits(name), here and self._platform_fits(name.platform)
        if name.family != found.implementation:
            return False, here
        if found.version is not None and name.version != found.version:
            return False, here
        if name.family == "cpython":
            threaded, debug = "t" in name.flags, "d" in name.flags
            if threaded != found.threaded or (debug and found.abis and len(found.abis) == 1):
                return False, here
        elif name.family == "pypy" and found.abis and found.abis[0].rpartition("_pp")[2] != name.flags:
            return False, here
        return True, here and self._platform_fits(name.platform)

    def _stable_abi_fits(self, name: ExtensionName) -> bool:
        """From 3.15 on (PEP 803) every build opens ``.abi3t`` and names with a platform; no free-threaded one ``.abi3``."""
        found = self.profile
        new = found.version is None or found.version >= (3, 15)
        if found.implementation != "cpython" or (name.platform is not None and not new):
            return False
        return new if "t" in name.flags else not found.threaded

    def _platform_fits(self, platform: str | None) -> bool:
        if platform is None:
            return True
        if self.soabi_platform is not None:
            return platform == self.soabi_platform
        if self.profile.system == "windows":
            return self.profile.archs is None or platform in self.profile.archs
        if self.profile.system == "macos":
            return platform == "darwin"
        machine, _, rest = platform.partition("-")
        if not rest.startswith("linux"):
            return False
        return not self.machines or any(family(machine) == family(m) for m in self.machines)

    # --------------------------------------------------------------------------------------------------------- words
    @property
    def here(self) -> str:
        """The interpreter's system and architecture: ``Linux x86_64``."""
        return platform_words(self.profile)

    def subject(self, group: Group) -> Subject:
        """The distribution, or the first file of a group that belongs to none."""
        if group.dist is not None:
            return self.view.distribution(group.dist)
        return self.view.file(f"{self.view.snapshot.sites[group.site].path}/{group.natives[0].file.path}")

    def shown(self, group: Group, file: NativeFile) -> str:
        """A file's path as the report shows it."""
        return self.view.in_site(group.site, file.path)


_last: Last[Loading] = Last()


def loading(view: View) -> Loading:
    """The :class:`Loading` of a view; asked again about the very same facts, it has its answers (as ``loader.load``)."""
    snapshot, machine = view.snapshot, view.machine
    same = (snapshot.natives, snapshot.sites, snapshot.distributions, snapshot.target)
    equal = (
        _facts(snapshot.interpreter, "optional_modules"),
        _facts(
            machine,
            "libraries",
            "all_libraries",
            "library_folders",
            "uncached_libraries",
            "limits",
            "gpus",
            "nvidia",
            "amd",
        ),
        machine is snapshot.machine,
    )
    found = _last.get(same, equal, lambda: Loading(view))
    if found.view is not view:
        found = copy.copy(found)  # with all that it has worked out, none of which comes from other facts
        found.view = view
    return found


def _facts(fact: Fact, *without: str) -> tuple[object, ...]:
    """The values of a fact, some left out, to be compared also where these have not been read."""
    return tuple(getattr(fact, name) for name in fact.__struct_fields__ if name not in without)


def wheel_tags(dist: Distribution) -> tuple[str, ...]:
    """The wheel tags of `dist` that are to be judged: none where conda or the operating system repackaged it."""
    if dist.wheel is None or dist.conda or dist.system_package or dist.installer in ("conda", "debian", "rpm", "apt"):
        return ()
    return dist.wheel.tags


def describe(file: NativeFile) -> str:
    """The header in a few words: ``ELF 64-bit aarch64``, ``Mach-O arm64 and x86_64``, ``PE 32-bit i686``."""
    form = _FORMAT_WORDS.get(file.format, file.format)
    if file.format == "macho":
        return f"{form} {' and '.join(dict.fromkeys(p.machine for p in file.slices))}"
    part = file.slices[0]
    order = "" if part.little_endian else " big-endian"
    return f"{form} {part.bits}-bit{order} {part.machine}"


def platform_of(file: NativeFile) -> str:
    """System and architecture that a file is for: ``Linux aarch64``, ``macOS arm64``."""
    machines = " and ".join(dict.fromkeys(p.machine for p in file.slices))
    platform = file.slices[0].platform
    system = {"ios": "iOS", "iossimulator": "iOS simulator"}.get(platform or "", _SYSTEM_OF.get(file.format, ""))
    return f"{system} {machines}".strip()


def stem(path: str) -> str:
    """The name of a file up to its first dot."""
    return path.rpartition("/")[2].partition(".")[0]


def names_of(file: NativeFile) -> set[str]:
    """Names under which the loader may be asked for a library: file name, soname."""
    found = {file.path.rpartition("/")[2]}
    found.update(part.soname.rpartition("/")[2] for part in file.slices if part.soname)
    return found


def count(number: int, noun: str) -> str:
    """``1 module``, ``3 modules``; ``1 library``, ``2 libraries``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def some(lines: Iterable[str], total: int, limit: int = 5) -> list[str]:
    """The first few lines and how many more there are."""
    shown = list(lines)[:limit]
    return [*shown, f"and {total - len(shown)} more"] if total > len(shown) else shown


def _machines(view: View) -> tuple[str, ...]:
    snapshot = view.snapshot
    interpreter = snapshot.interpreter
    binary = interpreter.binary
    if snapshot.target.foreign and binary is not None and len(binary.slices) > 1:
        return tuple(part.machine for part in binary.slices)
    if interpreter.machine:
        return (interpreter.machine,)
    if snapshot.target.foreign or view.machine.system != snapshot.target.system or not view.machine.machine:
        return ()
    return (view.machine.machine,)


def _bits(machine: str) -> Literal[0, 32, 64]:
    """Word size of an architecture; 0 where its name does not tell."""
    known = family(machine)
    if known in ("x86_64", "aarch64", "ppc64", "ppc64le", "s390x", "riscv64", "loongarch64", "mips64", "mips64el"):
        return 64
    return 32 if known in ("i686", "arm", "ppc", "s390", "riscv32", "mips", "mipsel") else 0


def _little(machine: str) -> bool:
    return machine not in ("ppc", "ppc64", "s390", "s390x", "mips", "mips64", "armeb", "aarch64_be", "sparc", "sparc64")


def _platform_of(soabi: str | None) -> str | None:
    """The platform part of SOABI: ``cpython-311-x86_64-linux-gnu`` -> ``x86_64-linux-gnu``."""
    if not soabi:
        return None
    parts = soabi.split("-")
    if parts[0].startswith("pypy"):
        return "-".join(parts[2:]) or None
    if parts[0] == "cpython":
        return "-".join(parts[2:]) or None
    return parts[1] if parts[0].startswith("cp") and len(parts) == 2 else None
