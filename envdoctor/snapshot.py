"""The frozen facts that rules judge, and their JSON.

A :class:`Snapshot` is everything that was seen of a target, its machine, its shell and its project. Collectors
(``envdoctor.collect``) make it, rules read it, nothing changes it, and this module does no IO. What could not be read is
a value too: a :class:`Gap`.

Text that came from the file system is UTF-8 here; bytes that are not are backslash-escaped (:func:`text`), so every
snapshot can be written as JSON. Paths are absolute unless a field says otherwise.
"""

# Without `from __future__ import annotations`: msgspec would compile each text of an annotation, 8 ms of a cached run.
from typing import Any, Literal

import msgspec

from envdoctor.fact import Fact as Fact
from envdoctor.fact import text as text
from envdoctor.lock.model import Lock, Manifest

SCHEMA_VERSION = 1

Kind = Literal["venv", "virtualenv", "uv", "conda", "pixi", "system", "unknown"]
System = Literal["linux", "macos", "windows"]


class SnapshotError(ValueError):
    """The text is no snapshot, or one of a newer schema. ``str()`` is one line for a person."""


class Gap(Fact, frozen=True, kw_only=True):
    """Something that a collector could not read, and why; rules that need it are skipped or say less."""

    collector: str
    subject: str
    reason: str


# --------------------------------------------------------------------------------------------------------------- target


class Target(Fact, frozen=True, kw_only=True):
    """Where the environment under examination stands.

    ``system`` is the operating system whose layout and binaries the target has; ``foreign`` says that it is not the
    operating system (or file-system root) of the machine at hand, so nothing of it can run here.
    """

    prefix: str
    kind: Kind
    chosen_by: str
    system: System = "linux"
    foreign: bool = False
    sysroot: str | None = None
    """Folder that stands for ``/`` when the target lies in a mounted root, else None."""
    name: str | None = None
    """Name of a conda environment, where it has one."""
    base: bool = False
    """A conda base environment (root prefix)."""
    site_version: str | None = None
    """Highest X.Y with a ``lib/pythonX.Y`` folder that holds packages; None if there is no such folder."""
    python: str | None = None
    """The interpreter that the user named, where the prefix has several and it is not the usual one."""


# --------------------------------------------------------------------------------------------------------- native files


class Slice(Fact, frozen=True, kw_only=True):
    """One machine's part of a native file: all of an ELF or PE file, one architecture of a Mach-O file."""

    machine: str
    """As ``platform.machine()`` says it there, lower case: x86_64, aarch64 (Linux), arm64 (macOS, Windows), i686, …"""
    bits: Literal[32, 64]
    little_endian: bool = True
    needed: tuple[str, ...] = ()
    """Names as they stand in DT_NEEDED, LC_LOAD_DYLIB or the import directory."""
    soname: str | None = None
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    interpreter: str | None = None
    """PT_INTERP: the dynamic loader that the file asks for."""
    minimum_os: str | None = None
    """macOS version of LC_BUILD_VERSION / LC_VERSION_MIN_MACOSX, Linux kernel of the ABI note."""
    platform: str | None = None
    """Mach-O platform: macos, ios, iossimulator, …; ELF OS ABI where it is not System V or GNU."""
    glibc: str | None = None
    """Highest GLIBC_x.y that the file needs of libc, strong needs only; ELF with glibc."""
    libc: Literal["glibc", "musl"] | None = None
    """C library that the file was linked with, where its needs tell."""
    version_needs: dict[str, tuple[str, ...]] = {}
    """Symbol versions that it needs, by the library that must define them (DT_VERNEED); weak needs left out."""
    version_definitions: tuple[str, ...] = ()
    """Symbol versions that it defines (DT_VERDEF), its own name left out."""
    weak: tuple[str, ...] = ()
    """Those of ``needed`` that may be absent: LC_LOAD_WEAK_DYLIB, delay imports of PE."""
    reexports: tuple[str, ...] = ()
    """Those of ``needed`` whose symbols it passes on: LC_REEXPORT_DYLIB."""
    no_default_folders: bool = False
    """DF_1_NODEFLIB: the system's folders and cache are not searched for its needs."""
    executable_stack: bool = False
    """PT_GNU_STACK asks for an executable stack (or is absent where that means so)."""
    isa: str | None = None
    """x86-64 level that its ISA note demands (GNU_PROPERTY_X86_ISA_1_NEEDED): x86-64-v2, -v3, -v4."""


class NativeFile(Fact, frozen=True, kw_only=True):
    """Header facts of one executable, library or extension module."""

    path: str
    """Relative to its site folder (``folder``), else absolute."""
    folder: int = -1
    """Index into :attr:`Snapshot.sites`; -1 when ``path`` is absolute."""
    size: int = 0
    format: Literal["elf", "macho", "pe", "unknown"] = "unknown"
    kind: Literal["library", "executable", "object", "other"] = "library"
    slices: tuple[Slice, ...] = ()
    problem: str | None = None
    """Why it is no valid file of its format: empty, truncated, not a native file (what it is instead), …"""
    sections_cut: bool = False
    """Its section headers lie behind its end: it has lost what no loader maps (ELF)."""
    owner: str | None = None
    """Normalized name of the distribution whose RECORD lists it."""
    init: bool | None = None
    """Exports ``PyInit_NAME`` for its own file name, so it is an extension module; None where it was not looked for (the
    name carries a Python tag, or no import can reach it)."""
    source_beside: bool = False
    """A .py module of the same name stands beside it."""
    python_symbols: tuple[str, ...] = ()
    """Undefined C-API symbols that the target's interpreter does not export; read for modules whose name carries no tag."""
    built_with_gil: bool = False
    """Counts references as a build with the GIL does; read for modules without a tag under a free-threaded interpreter."""
    real: str | None = None
    """Path with all links followed, where it differs from ``path``; only for files outside of site folders."""


class Preload(Fact, frozen=True, kw_only=True):
    """Evidence that a library is in the process before a module asks for it by name, so that the loader finds it loaded."""

    distribution: str
    """Normalized name of the distribution whose module asks for it."""
    library: str
    """Name as the asking file writes it."""
    provider: str
    """Normalized name of the distribution that ships and loads it; may be ``distribution`` itself."""
    evidence: str
    """What shows it, for a person: ``torchvision requires torch``, ``tensorflow/python/__init__.py:12 loads it by ctypes``."""


class ImportedModule(Fact, frozen=True, kw_only=True):
    """How an extension module is reached by import statements of its own distribution, or a library by code that opens it
    (ctypes, cffi, ``torch.ops``); only for files that do not load."""

    site: int
    path: str = ""
    """The file, relative to its site folder."""
    module: str
    """Dotted name; of a library the module that opens it, empty where none names it."""
    reached: Literal["import", "module", "guarded", "nothing"]
    """``import``: importing the distribution's top-level package imports it, unguarded. ``module``: another module of the
    distribution imports it, unguarded, at its top. ``guarded``: only in functions or under try. ``nothing``: no statement."""
    chain: tuple[str, ...] = ()
    """Modules that lead to it, the top-level package first."""


class DllFolder(Fact, frozen=True, kw_only=True):
    """A folder of a Windows environment that a distribution's own code adds to the search for DLLs, or loads DLLs from."""

    site: int
    path: str
    """Relative to its site folder."""
    distribution: str
    """Normalized name of the distribution whose code does it."""
    evidence: str
    """The file that does it, and how: ``numpy/__init__.py: add_dll_directory``."""


class OpenedLibrary(Fact, frozen=True, kw_only=True):
    """A library that a module opens by its plain name whenever it is imported: ``ctypes.CDLL("libx.so.1")`` at its top."""

    name: str
    path: str
    """The module's file, relative to its site folder."""
    site: int
    line: int
    module: str
    """Dotted name; importing the top-level package imports it, unguarded."""
    distribution: str | None = None
    """Normalized name of the distribution that the file belongs to."""


class UnresolvedSymbols(Fact, frozen=True, kw_only=True):
    """Strong undefined symbols of one file that nothing defines in the scope in which it is loaded."""

    path: str
    folder: int = -1
    """As in :class:`NativeFile`: the file that asks."""
    symbols: tuple[str, ...] = ()
    """As they stand in the file, sorted, at most 20."""
    count: int = 0
    providers: tuple[str, ...] = ()
    """Paths of the libraries in scope that carry no symbol versions and could have defined them, nearest first."""
    module: str | None = None
    """Dotted name of the extension module through which it is loaded; None when the file is one itself."""


class CodeSet(Fact, frozen=True, kw_only=True):
    """Architectures for which one part of a file holds device code: a translation unit, of which a GPU runs one version."""

    binaries: tuple[str, ...] = ()
    """Machine code: ``sm_80``, ``sm_90a``; ``gfx90a``, ``gfx942:xnack-``."""
    ptx: tuple[str, ...] = ()
    """PTX, which a driver compiles for GPUs of this or a higher capability: ``compute_90``."""
    count: int = 1
    """Parts of the file with just these."""


class DeviceCode(Fact, frozen=True, kw_only=True):
    """What a native file holds for GPUs: the headers of its fat binaries, not what a name or a build setting says."""

    path: str
    folder: int = -1
    """As in :class:`NativeFile`."""
    owner: str | None = None
    kind: Literal["cuda", "hip"] = "cuda"
    sets: tuple[CodeSet, ...] = ()
    """Sorted, the most frequent first; at most 50."""
    problem: str | None = None
    """Why not all of it could be read."""


class Framework(Fact, frozen=True, kw_only=True):
    """What the files of an installed framework say of the accelerator that it was built for."""

    name: str
    """Normalized name of the distribution."""
    version: str | None = None
    site: int
    path: str
    """The file that says it, relative to its site folder; the metadata folder where only name and version tell."""
    kind: Literal["torch", "jax", "tensorflow", "onnxruntime", "cupy", "torch-extension"]
    build: Literal["cpu", "cuda", "rocm", "xpu", "unknown"] = "unknown"
    cuda: str | None = None
    """Version of the CUDA toolkit: ``12.6``, or its major version alone."""
    rocm: str | None = None
    cudnn: str | None = None
    torch: str | None = None
    """Version of torch (X.Y) that an extension says it was built for."""
    minimum: str | None = None
    """jax: the oldest jaxlib that it takes."""
    partners: tuple[str, ...] = ()
    """jax plugins: names of modules that must be of the same version, with it: ``jaxlib 0.4.30``."""
    architectures: tuple[str, ...] = ()
    """As a list in its files says: ``sm_80``, ``compute_90``."""


class NumpyModule(Fact, frozen=True, kw_only=True):
    """What an extension module says about the numpy headers that it was compiled with."""

    path: str
    folder: int = -1
    """As in :class:`NativeFile`."""
    owner: str | None = None
    """Normalized name of the distribution that it belongs to."""
    major: Literal[1, 2]
    """Major version of those headers: only modules compiled with 1.x know ``numpy.core`` and not ``numpy._core``."""
    target: str | None = None
    """Oldest numpy (X.Y) whose C-API has all that it may use, as its own message says (headers since 1.25); an older numpy
    refuses it."""
    imports_api: bool = True
    """It calls ``import_array()``; else it is a module of Cython that only takes over numpy's types, whose sizes it checks."""


# -------------------------------------------------------------------------------------------------- interpreter, folders


class Link(Fact, frozen=True, kw_only=True):
    """One step from ``bin/python`` to the file that is executed."""

    path: str
    to: str | None = None
    """Text of the symbolic link; None when the path is not a link."""
    exists: bool = True


class VenvConfig(Fact, frozen=True, kw_only=True):
    """pyvenv.cfg (PEP 405)."""

    path: str
    home: str | None = None
    home_exists: bool = False
    version: str | None = None
    """``version`` or ``version_info``, as written."""
    include_system_site: bool = False
    uv: str | None = None
    virtualenv: str | None = None
    relocatable: bool = False
    executable: str | None = None
    executable_exists: bool = False
    command: str | None = None
    command_prefix: str | None = None
    """The environment folder that ``command`` made (its last argument)."""
    problem: str | None = None


class Run(Fact, frozen=True, kw_only=True):
    """What came of asking the interpreter for its version (``-I -S``), or why it was not asked."""

    outcome: Literal[
        "ok", "not-asked", "missing", "exec-format", "missing-loader", "missing-library", "not-permitted", "crashed", "timeout"
    ]
    detail: str | None = None


class StdlibModule(Fact, frozen=True, kw_only=True):
    """An extension module of the standard library that some builds lack."""

    name: str
    present: bool
    """A file in lib-dynload (or DLLs) or built into the interpreter."""
    path: str | None = None
    """Its file, where it is one."""
    problem: str | None = None
    """Why the file cannot be loaded: it is damaged, or a library that it needs is nowhere."""
    imported_by: tuple[str, ...] = ()
    """Installed distributions whose top-level code imports it; filled only for absent ones."""


class Interpreter(Fact, frozen=True, kw_only=True):
    """The target's Python, as its files (and, where it could be asked, it itself) tell."""

    path: str
    """``bin/python`` (``python.exe``) of the target, whether it is there or not."""
    exists: bool = False
    plain_name: bool = True
    """A virtual environment's ``bin`` holds a ``python``, as every tool that makes one puts there."""
    links: tuple[Link, ...] = ()
    real_path: str | None = None
    version: str | None = None
    """X.Y.Z, or X.Y where the files tell no more."""
    version_from: str | None = None
    implementation: str = "cpython"
    abi: str | None = None
    """cp311, cp313t, cp38d, pypy310_pp73 …"""
    soabi: str | None = None
    free_threaded: bool = False
    debug: bool = False
    machine: str | None = None
    """Of its own binary, lower case, in the words of its own operating system (arm64 on macOS, aarch64 on Linux)."""
    bits: int | None = None
    base_prefix: str | None = None
    base_exists: bool = True
    binary: NativeFile | None = None
    libpython: NativeFile | None = None
    stdlib: str | None = None
    stdlib_exists: bool = True
    stdlib_modules: tuple[str, ...] = ()
    """Importable top-level names of the standard library: files, lib-dynload, built in. Empty when not readable."""
    optional_modules: tuple[StdlibModule, ...] = ()
    externally_managed: str | None = None
    """Path of EXTERNALLY-MANAGED (PEP 668)."""
    launcher: bool = False
    """A macOS framework stub, Windows venv redirector or wrapper script: the real interpreter is another file."""
    origin: str | None = None
    """Who made the base interpreter, where its path tells: debian, pyenv, uv, conda, homebrew, python.org, …"""
    run: Run = Run(outcome="not-asked")


class Entry(Fact, frozen=True, kw_only=True):
    """A name at the top of a site folder or project."""

    name: str
    type: Literal["file", "folder", "link", "broken-link", "other"]
    has_init: bool = False
    """Folder with an ``__init__`` module."""
    init_style: Literal["plain", "pkgutil", "pkg_resources"] | None = None
    has_modules: bool = True
    """Folder with at least one importable file at any depth, or a file that is a module."""


SiteRole = Literal["purelib", "platlib", "user", "system", "dist-packages", "pythonpath", "pth", "stdlib", "other"]


class Site(Fact, frozen=True, kw_only=True):
    """One folder of sys.path that can hold distributions, in the order of sys.path."""

    path: str
    role: SiteRole
    exists: bool = True
    readable: bool = True
    of_target: bool = True
    """Inside the prefix; the base's folders of a ``--system-site-packages`` environment are not."""
    active: bool = True
    """On sys.path of the target as this shell would start it."""
    metadata_folders: int = 0
    """Number of dist-info and egg-info folders in it; counted for inactive folders of the target only."""
    entries: tuple[Entry, ...] = ()
    files: int = 0
    """Number of files below it."""


class PthLine(Fact, frozen=True, kw_only=True):
    """One line of a .pth file that is not blank or a comment."""

    number: int
    text: str
    """At most 400 characters of it."""
    kind: Literal["path", "import"]
    path: str | None = None
    exists: bool = True
    length: int = 0
    words: tuple[str, ...] = ()
    """Words in the whole line that start-up code rarely needs: base64, exec, subprocess, socket, urllib …"""


class PthFile(Fact, frozen=True, kw_only=True):
    """A .pth file in a site folder (https://docs.python.org/3/library/site.html)."""

    path: str
    site: int
    owner: str | None = None
    """Normalized name of the distribution whose RECORD lists it."""
    lines: tuple[PthLine, ...] = ()
    problem: str | None = None


class Script(Fact, frozen=True, kw_only=True):
    """A file of bin/ or Scripts/ that starts with ``#!``, or a Windows launcher that names an interpreter."""

    path: str
    interpreter: str
    """Absolute path it runs under (``/bin/sh`` trampolines followed); a bare name for ``/usr/bin/env NAME``."""
    exists: bool = True
    same_prefix: bool = True
    """The interpreter is this target's own (same file by name in the same bin folder, links followed)."""
    prefix: str | None = None
    """The environment that the interpreter belongs to."""
    owner: str | None = None
    relocatable: bool = False
    python: bool = True
    """The interpreter is a Python by name."""
    executable: bool = True
    """It may be started; looked at only where the interpreter is not this target's own."""


class PrefixRecord(Fact, frozen=True, kw_only=True):
    """A place that names the prefix this environment was made for."""

    source: Literal["pyvenv.cfg", "activate", "script", "conda"]
    path: str
    """The file that says it."""
    prefix: str
    exists: bool = False
    same: bool = True
    """Names the folder the target stands in, links followed."""


class CondaPath(Fact, frozen=True, kw_only=True):
    """A path of a conda record that does not stand in the prefix as the record says."""

    path: str
    """Relative to the prefix, as recorded."""
    problem: Literal["missing", "dangling", "resized", "altered"]
    """Nothing is there; a link to nowhere is there where a file was; another size; the size but not the content (``--deep``)."""
    kind: Literal["file", "link", "folder", "entry-point"] = "file"
    rewritten: Literal["text", "binary", "unknown"] | None = None
    """The installer wrote the prefix into it; ``unknown``: the record does not tell in which way."""
    size: int | None = None
    """As recorded."""
    actual_size: int | None = None
    hash: str | None = None
    """sha256, hexadecimal, that it should have in the prefix."""
    actual_hash: str | None = None
    links: int = 1
    """Hard links of what is there: with more than one, other prefixes or the package cache have the same content."""


class CondaPackage(Fact, frozen=True, kw_only=True):
    """A record of conda-meta, and what of its paths is not as it says. Compiled modules (.pyc) are never judged."""

    name: str
    version: str = ""
    build: str = ""
    build_number: int | None = None
    subdir: str | None = None
    channel: str | None = None
    """Its URL without platform, token, user and trailing slash, or its name, as far as the record tells."""
    url: str | None = None
    """Without token and user."""
    filename: str | None = None
    """Of the archive: ``numpy-2.2.6-py311hba10f84_0.conda``."""
    md5: str | None = None
    sha256: str | None = None
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    track_features: tuple[str, ...] = ()
    noarch: str | None = None
    """``python`` or ``generic``."""
    requested: tuple[str, ...] = ()
    """Specs that a user asked for it with, as the record keeps them; conda's "None" and empty ones left out."""
    record: str = ""
    """Its file, relative to the prefix."""
    cache: str | None = None
    """Folder of the package cache that it was linked or copied from."""
    link: Literal["hardlink", "softlink", "copy", "folder"] | None = None
    """How its files came from there."""
    python_site: str | None = None
    """``python_site_packages_path`` of a python record."""
    metadata: tuple[str, ...] = ()
    """dist-info and egg-info folders of it, relative to the prefix."""
    paths: int = 0
    """Paths it records, compiled modules aside."""
    missing: tuple[CondaPath, ...] = ()
    """Those that are gone, at most 4,000 of them, sorted."""
    missing_count: int = 0
    altered: tuple[CondaPath, ...] = ()
    """Those of another size or content, at most 4,000 of them, sorted."""
    altered_count: int = 0
    virtual: tuple[str, ...] = ()
    """Its ``depends`` on virtual packages: ``__glibc >=2.28,<3.0.a0``."""
    metadata_gone: tuple[str, ...] = ()
    """Those of ``metadata`` that are not there."""
    module: str | None = None
    """A module of it that is there, relative to the prefix; looked for where metadata is gone."""


class CondaProblem(Fact, frozen=True, kw_only=True):
    """A file of conda-meta that cannot be read as what it is, wholly or in part."""

    path: str
    """Relative to the prefix."""
    reason: str
    """``empty``, ``no JSON: line 3, column 7: …``, ``not an object``, ``depends is no list of strings``, …"""
    name: str | None = None
    """The package, as the file's name tells."""
    whole: bool = True
    """Nothing could be read; else the record is among the packages, without what the reason names."""


class CondaShared(Fact, frozen=True, kw_only=True):
    """Paths that two or more records own."""

    owners: tuple[str, ...]
    """``name=version=build``, sorted."""
    paths: tuple[str, ...]
    """At most 20, those of different content first."""
    count: int = 1
    different: int = 0
    """How many of them the records give different content."""
    survivors: tuple[str, ...] = ()
    """Owners whose content stands there, of the first 20 paths of different content."""


class CondaOverlay(Fact, frozen=True, kw_only=True):
    """A Python distribution that pip, uv or another tool put over files of a conda package."""

    package: str
    """``name=version=build`` of the record."""
    distribution: str
    """Normalized name."""
    version: str | None = None
    path: str = ""
    """Its metadata folder, relative to the prefix."""
    installer: str | None = None
    conda_version: str | None = None
    """Version of the same distribution that the record's own metadata folder names; None where it brings another one."""
    shared: int = 0
    """Files that the distribution and the record both list, compiled modules aside."""
    examples: tuple[str, ...] = ()
    """At most 5 of them, relative to the prefix."""
    gone: int = 0
    """Files of the record below the site folder that are not there."""
    left: int = 0
    """Files of the record that are there below folders of the distribution and that it does not list: of the old version."""
    native_left: int = 0
    """How many of these are native."""
    modules_left: int = 0
    """How many of them are modules of Python (.py)."""
    left_examples: tuple[str, ...] = ()
    """At most 5 of them, relative to the prefix: native ones first, then modules."""


class CondaHistory(Fact, frozen=True, kw_only=True):
    """conda-meta/history. pixi and rattler leave it empty."""

    revisions: int = 0
    last_date: str | None = None
    last_command: str | None = None
    tools: tuple[str, ...] = ()
    """``conda 26.7.1``; micromamba writes a fixed version of conda here."""
    requested: tuple[str, ...] = ()
    """What users asked for and have not removed, the last spec of each name."""
    not_there: tuple[str, ...] = ()
    """``name-version-build`` that it says are installed and that have no record."""
    not_said: tuple[str, ...] = ()
    """Records that it does not know of; empty where the history is."""
    unfinished: tuple[str, ...] = ()
    """Lines of the last revision (``+name-version-build``, ``-…``) that have not come true."""
    problems: tuple[str, ...] = ()
    """``line 7: …``"""


class CondaPin(Fact, frozen=True, kw_only=True):
    """A line of conda-meta/pinned."""

    spec: str
    line: int


class CondaOrphan(Fact, frozen=True, kw_only=True):
    """A lib/pythonX.Y folder of another Python than the prefix has."""

    path: str
    version: str
    distributions: int = 0
    """Metadata folders in its site-packages."""
    recorded: int = 0
    """Paths below it that conda records own."""
    owners: tuple[str, ...] = ()
    """Those records (``name=version=build``), at most 20."""


class CondaLost(Fact, frozen=True, kw_only=True):
    """A package of the cache whose files are in the prefix, and which has no record there."""

    name: str
    version: str
    build: str
    cache: str
    """Its folder in the package cache."""
    paths: int
    """Files and links of the package, compiled modules aside."""
    there: int
    """How many of them are in the prefix, and of no other record."""
    same: int = 0
    """How many of these are the cache's own files (hard links)."""
    examples: tuple[str, ...] = ()
    """At most 5 of them, relative to the prefix; native ones first."""


class CondaStranger(Fact, frozen=True, kw_only=True):
    """A file of the prefix that no record and no RECORD names, and that looks like a package's: a hard link, or a library."""

    path: str
    """Relative to the prefix."""
    links: int = 1


class CondaCoverage(Fact, frozen=True, kw_only=True):
    """How far the paths of the records were compared with what is there. Counts of paths."""

    paths: int = 0
    """All that records list."""
    compiled: int = 0
    """Compiled modules: not judged."""
    links: int = 0
    """Symbolic links: only that they are there."""
    measured: int = 0
    """Whose size was compared."""
    hashed: int = 0
    """Whose content was compared (``--deep``)."""
    bytes_hashed: int = 0
    no_hash: int = 0
    """With ``--deep``: files for which the record has no hash, or one that does not hold by design (re-signed on macOS)."""
    unreadable: int = 0
    """With ``--deep``: files that could not be read."""


class CondaMeta(Fact, frozen=True, kw_only=True):
    """conda-meta of a prefix as a whole; :class:`CondaPackage` has the single records."""

    writer: Literal["conda", "micromamba", "rattler", "pixi"] | None = None
    """Who wrote the newest records, by their dialect; mamba 1.x writes through conda."""
    writers: tuple[str, ...] = ()
    """All of them."""
    python: str | None = None
    """Version of the python record."""
    problems: tuple[CondaProblem, ...] = ()
    shared: tuple[CondaShared, ...] = ()
    overlays: tuple[CondaOverlay, ...] = ()
    leftovers: tuple[str, ...] = ()
    """``.c~``, ``.conda_trash`` and ``.mamba_trash`` files of an interrupted transaction, relative to the prefix; at most 100."""
    leftover_count: int = 0
    history: CondaHistory | None = None
    """None where there is no such file."""
    pins: tuple[CondaPin, ...] = ()
    orphans: tuple[CondaOrphan, ...] = ()
    lost: tuple[CondaLost, ...] = ()
    """Packages without a record, by name; at most 20."""
    strangers: tuple[CondaStranger, ...] = ()
    """By path; at most 200. None of a package in ``lost``, none below site folders."""
    frozen: bool = False
    """conda-meta/frozen: the environment is not to be changed (CEP 22)."""
    pixi: str | None = None
    """Manifest that conda-meta/pixi names."""
    coverage: CondaCoverage = CondaCoverage()


class CondaRoot(Fact, frozen=True, kw_only=True):
    """An installation of conda, mamba or micromamba: a root prefix."""

    path: str
    """Links followed."""
    exists: bool = True
    product: Literal["anaconda", "miniconda", "miniforge", "mambaforge", "micromamba", "conda"] | None = None
    """The installer that made it, as far as its files or its name tell; ``conda`` for one of conda that nobody knows."""
    product_from: str | None = None
    """What tells: ``LICENSE.txt``, ``its name``, ``its records``."""
    implementation: Literal["cpython", "pypy"] = "cpython"
    """Of its Python record."""
    python: str | None = None
    conda: str | None = None
    mamba: str | None = None
    micromamba: bool = False
    """A root that micromamba keeps its environments in."""
    subdir: str | None = None
    seen: tuple[str, ...] = ()
    """What leads to it: ``conda on PATH``, ``CONDA_EXE``, ``~/.bashrc:12``, ``this environment's folder``, …"""
    owner: bool = False
    """The target is it, or one of its environments."""


class CondaConfigFile(Fact, frozen=True, kw_only=True):
    """A .condarc or .mambarc that is there."""

    path: str
    scope: Literal["system", "root", "user", "prefix", "variable"]
    mamba: bool = False
    """Only mamba and micromamba read it."""
    problem: str | None = None
    """Why it is no configuration."""
    line: int | None = None
    """Where."""
    unread: str | None = None
    """What of YAML it uses that is not known here; nothing is known of it then."""
    doubled: tuple[tuple[str, int], ...] = ()
    """Keys that it holds twice, with the line of the second."""


class CondaSetting(Fact, frozen=True, kw_only=True):
    """A setting of one .condarc or .mambarc, or of a ``CONDA_*`` or ``MAMBA_*`` variable."""

    name: str
    """As conda calls it: aliases are replaced."""
    key: str
    """As it is written."""
    kind: Literal["text", "list", "map"] = "text"
    values: tuple[str, ...] = ()
    """One of a text, the items of a list, ``key: value`` of a map. Users, passwords and tokens cut out."""
    lines: tuple[int, ...] = ()
    """Of each value."""
    file: str = ""
    """Empty for a variable."""
    line: int = 0
    variable: str | None = None
    mamba: bool = False
    """Only mamba and micromamba read it."""
    flag: Literal["final", "top", "bottom"] | None = None
    """``#!final`` and the like behind the key."""
    missing: tuple[str, ...] = ()
    """Values that are local channels (``file://`` or a path), whose folder is not there."""
    refused: str | None = None
    """Why conda does not take the value that it comes to, in words that follow the name: ``is 'maybe', where true or false is
    expected``. Settings that conda takes are facts only where some rule reads them."""


class CondaShellBlock(Fact, frozen=True, kw_only=True):
    """Lines of a shell start-up file that put a conda installation into the shell."""

    file: str
    """With ``~`` for the home folder."""
    line: int
    tool: Literal["conda", "mamba", "micromamba"]
    managed: bool = True
    """Between the marks that ``conda init`` or ``mamba shell init`` writes."""
    closed: bool = True
    """The mark of its end is there."""
    root: str | None = None
    """Root prefix that it names."""
    program: str | None = None
    """Executable that it starts."""
    exists: bool = True
    """The program, or the root where no program is named, is there."""


class CondaCache(Fact, frozen=True, kw_only=True):
    """A package cache."""

    path: str
    exists: bool = False
    folder: bool = False
    writable: bool | None = None
    """This user may write into it, or could make it; None where nobody may ask."""
    configured: bool = False
    """conda would look here for packages."""
    home: bool = True
    """The folder that it lies in is there: the installation, whose cache it is."""
    packages: int = 0
    """Records of the prefix that came from here."""
    linked: int = 0
    """How many of them by links, hard or symbolic."""
    extracted: int = 0
    """How many of them still have their folder here."""
    broken: tuple[str, ...] = ()
    """``numpy-2.2.6-py311_0: info/index.json is empty``, at most 20."""
    broken_count: int = 0
    spoiled: tuple[str, ...] = ()
    """Altered files of the prefix that the cache has in the same way, as hard links or of the same size or hash:
    ``numpy-2.2.6-py311_0: lib/x.so``; at most 200."""


class CondaRegistry(Fact, frozen=True, kw_only=True):
    """~/.conda/environments.txt."""

    path: str
    exists: bool = False
    problem: str | None = None
    entries: int = 0
    listed: bool = False
    """The target is in it."""
    gone: tuple[str, ...] = ()
    """Prefixes in it that are not there, at most 50."""
    gone_count: int = 0


class CondaInstallers(Fact, frozen=True, kw_only=True):
    """The conda family around a conda or pixi prefix: installations, settings, caches, shells."""

    roots: tuple[CondaRoot, ...] = ()
    """Those that something names, by path."""
    files: tuple[CondaConfigFile, ...] = ()
    """Configuration files, in the order in which they are merged: later ones win."""
    settings: tuple[CondaSetting, ...] = ()
    """In the same order; variables last."""
    channels: tuple[str, ...] = ()
    """Channels that conda would use, the strongest first, as written; empty where nothing is set."""
    channel_priority: str | None = None
    """``strict``, ``flexible`` or ``disabled``, as set; None where nothing is set, which means flexible."""
    priority_from: str | None = None
    """``FILE:line`` or the variable."""
    blocks: tuple[CondaShellBlock, ...] = ()
    caches: tuple[CondaCache, ...] = ()
    registry: CondaRegistry | None = None
    """None where there is no home folder."""
    programs: dict[str, str] = {}
    """What CONDA_EXE and MAMBA_EXE name, where it is not there."""
    later_requested: tuple[str, ...] = ()
    """Of a base environment: what users have asked for since its installer made it, and have not removed."""


class Kernel(Fact, frozen=True, kw_only=True):
    """A Jupyter kernelspec (kernel.json)."""

    name: str
    path: str
    argv: tuple[str, ...] = ()
    language: str | None = None
    exists: bool = True
    """argv[0] is a bare name or an existing file."""
    same_prefix: bool = True
    prefix: str | None = None
    of_target: bool = True
    """In the target's share/jupyter; else the user's own."""
    version: str | None = None
    """X.Y of that interpreter where its path tells."""
    problem: str | None = None


# -------------------------------------------------------------------------------------------------------- distributions


class DirectUrl(Fact, frozen=True, kw_only=True):
    """direct_url.json (PEP 610). Credentials are cut from ``url``."""

    url: str
    editable: bool = False
    vcs: str | None = None
    commit: str | None = None
    subdirectory: str | None = None
    archive_hash: str | None = None


class WheelInfo(Fact, frozen=True, kw_only=True):
    """WHEEL of a dist-info folder."""

    tags: tuple[str, ...] = ()
    root_is_purelib: bool = True
    generator: str | None = None
    build: str | None = None


class EntryPoint(Fact, frozen=True, kw_only=True):
    """One line of entry_points.txt."""

    group: str
    name: str
    value: str


class RecordRow(Fact, frozen=True, kw_only=True):
    """One row of RECORD (or installed-files.txt), path as recorded, with what is on disk where it was looked at."""

    path: str
    hash: str | None = None
    size: int | None = None
    actual_size: int | None = None
    actual_hash: str | None = None


class Record(Fact, frozen=True, kw_only=True):
    """What RECORD says, against the tree: counts, and the rows that do not hold."""

    rows: int = 0
    missing: tuple[RecordRow, ...] = ()
    resized: tuple[RecordRow, ...] = ()
    rehashed: tuple[RecordRow, ...] = ()
    """Size as recorded, content not (only with ``--deep``)."""
    outside: tuple[str, ...] = ()
    """Rows that point outside the prefix."""
    malformed: tuple[str, ...] = ()
    """Lines that are no RECORD row, at most 20, cut to 200 characters."""
    hashed: bool = False
    """``--deep`` has hashed the files."""
    modules: int = 0
    """Rows of modules below importable names (.py and native files); counted only where rows are missing."""
    modules_missing: int = 0
    """How many of them are gone."""


class Editable(Fact, frozen=True, kw_only=True):
    """How an editable install reaches its source."""

    style: Literal["pth", "finder", "egg-link", "meta"]
    path: str
    """The file that does it."""
    sources: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """The sources that are not there."""
    unreadable_mapping: bool = False


class Distribution(Fact, frozen=True, kw_only=True):
    """One metadata folder (dist-info, egg-info, egg-link, egg)."""

    name: str
    """Normalized (PEP 503)."""
    version: str | None = None
    site: int
    """Index into :attr:`Snapshot.sites`."""
    path: str
    """Metadata folder or file, relative to its site folder."""
    raw_name: str | None = None
    format: Literal["dist-info", "egg-info", "egg", "egg-link"] = "dist-info"
    problems: tuple[str, ...] = ()
    """What is broken in the metadata, a line each, starting with the file's name."""
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    """Provides-Extra, normalized."""
    requires_python: str | None = None
    metadata_version: str | None = None
    installer: str | None = None
    requested: bool = False
    direct_url: DirectUrl | None = None
    wheel: WheelInfo | None = None
    entry_points: tuple[EntryPoint, ...] = ()
    record: Record | None = None
    """None when there is no RECORD (Debian, conda's noarch egg-info …)."""
    import_names: tuple[str, ...] = ()
    """Top-level names it provides, by RECORD or top_level.txt."""
    editable: Editable | None = None
    conda: str | None = None
    """``name=version=build`` of the conda record that owns the metadata folder."""
    system_package: str | None = None
    """Operating-system package that owns it (dpkg), where its files tell."""


class Owner(Fact, frozen=True, kw_only=True):
    """One distribution's claim on a file."""

    distribution: str
    version: str | None = None
    hash: str | None = None
    size: int | None = None


class SharedFile(Fact, frozen=True, kw_only=True):
    """A path that two or more distributions of one site folder record."""

    path: str
    site: int
    owners: tuple[Owner, ...]
    exists: bool = True
    actual_size: int | None = None
    actual_hash: str | None = None
    """In RECORD's form (``sha256=…``), taken when the owners' hashes differ."""
    native: bool = False
    namespace: bool = False
    """An ``__init__`` on disk that is shared by design: pkgutil or pkg_resources style, or without code beside other modules."""


class Unowned(Fact, frozen=True, kw_only=True):
    """An importable name at the top of a site folder that no RECORD lists."""

    name: str
    site: int
    folder: bool = True
    natives: int = 0
    modules: int = 0
    """Number of .py files below it."""


class Leftover(Fact, frozen=True, kw_only=True):
    """A ``~name`` file or folder of an interrupted pip run."""

    path: str
    site: int
    name: str
    """The name with its first letter unknown: ``umpy`` for ``~umpy``."""
    files: int = 0


class GeneratedCode(Fact, frozen=True, kw_only=True):
    """A generated module that checks its runtime at import (protobuf, grpc)."""

    path: str
    site: int
    owner: str | None
    generator: Literal["protobuf", "protobuf-old", "grpc", "pydantic-core"]
    version: str | None = None
    """The version it was generated with or demands."""
    files: int = 1
    """Files of this owner that were made alike; ``path`` is the first of them."""
    others: int = 0
    """Generated modules of this owner that were made otherwise, by protoc 3.19 or later."""
    runtime: str | None = None
    """Version of the runtime as its own file says it; None where it is not installed or does not say."""
    accepts: Literal["floor", "previous-major", "same-major", "nothing"] | None = None
    """What protobuf's runtime lets pass: all that is not newer, also one major older, its own major; ``nothing``: no check."""


class BrokenImport(Fact, frozen=True, kw_only=True):
    """An unguarded import, run when its module is imported, that names something which is not there."""

    path: str
    """Relative to the site folder of the importer."""
    site: int
    line: int
    statement: str
    importer: str
    """Normalized name of the distribution the importing file belongs to."""
    module: str
    name: str | None = None
    """For ``from module import name``; None when the module itself is missing."""
    provider: str | None = None
    """Distribution that should provide it; None for the standard library."""
    provider_version: str | None = None
    chain: tuple[str, ...] = ()
    """Modules that lead from the distribution's top-level package to the file."""


class Shadow(Fact, frozen=True, kw_only=True):
    """A file or folder in front of the standard library or of an installed distribution on sys.path."""

    name: str
    path: str
    where: Literal["working-directory", "project", "pythonpath", "site", "user"]
    hides: Literal["stdlib", "distribution"]
    distribution: str | None = None
    importers: tuple[str, ...] = ()
    """Modules that import the hidden one when they are imported, at most 5."""
    importer_count: int = 0
    lazy: bool = False
    """The importers are modules that their packages do not import by themselves."""
    in_package: bool = False
    """The folder it stands in is itself a package, where Python is rarely started."""


class NamespaceBlock(Fact, frozen=True, kw_only=True):
    """A package folder whose ``__init__`` hides portions of the same package in later folders of sys.path."""

    package: str
    """Dotted name."""
    blocker: str
    """Path of the ``__init__`` file."""
    site: int
    hidden: tuple[str, ...] = ()
    """Folders of the hidden portions."""
    hidden_modules: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    """Distributions that own the hidden portions."""
    owner: str | None = None
    """Distribution that recorded the ``__init__``."""


# ---------------------------------------------------------------------------------------------- shell, installers, project


class PathCommand(Fact, frozen=True, kw_only=True):
    """The first file of that name on PATH."""

    name: str
    path: str
    prefix: str | None = None
    """The environment whose interpreter it runs under."""
    interpreter: str | None = None
    shim: str | None = None
    """pyenv, asdf … when the file on PATH only forwards."""
    identity: str | None = None
    """What tells its interpreter from others: the folder of a virtual environment, else the interpreter's real path."""
    virtual: bool = False
    """It runs in a virtual or conda environment."""
    interpreter_exists: bool = True
    isolated: str | None = None
    """``pipx`` or ``uv tool`` when it stands in an environment made for this one command."""


class Activation(Fact, frozen=True, kw_only=True):
    """What VIRTUAL_ENV or CONDA_PREFIX says is active."""

    variable: Literal["VIRTUAL_ENV", "CONDA_PREFIX"]
    path: str
    exists: bool = True
    has_python: bool = True
    """The folder holds an interpreter by name; conda environments without Python do not."""
    base: bool = False
    """It is a conda base environment."""
    same: bool = False
    """It is the target."""
    first_python: bool | None = None
    """The first ``python`` on PATH is in its folder of scripts; None where that cannot be told (no python, a shim)."""
    made_from: str | None = None
    """``home`` of its pyvenv.cfg, links followed."""


class LibraryFolder(Fact, frozen=True, kw_only=True):
    """One entry of LD_LIBRARY_PATH, DYLD_LIBRARY_PATH or the like, or one file that LD_PRELOAD names."""

    variable: str
    path: str
    exists: bool = True
    preload: bool = False
    """``path`` is a library that is loaded into every process, not a folder."""
    of_target: bool = False
    """It is the target's own (inside the prefix, links followed)."""
    libraries: tuple[str, ...] = ()
    """Names of the libraries in the folder, at most 5,000."""


class LibraryOverride(Fact, frozen=True, kw_only=True):
    """A library that a variable puts in front of one of the same name that the target ships."""

    variable: str
    name: str
    """File name or soname, as the target's files ask for it."""
    path: str
    fits: bool = True
    """Of the machine that the target's copy is for; the loader passes over others."""
    asker: str | None = None
    """The first of the target's files that misses something in it."""
    lacks: tuple[str, ...] = ()
    """Symbols and symbol versions that `asker` needs, the target's copy has, and this one has not; at most 20."""


class PythonHome(Fact, frozen=True, kw_only=True):
    """The folder that PYTHONHOME names."""

    path: str
    exists: bool = True
    versions: tuple[str, ...] = ()
    """X.Y of every standard library below it."""
    same: bool = False
    """It is the installation that the target's interpreter belongs to."""


class Shell(Fact, frozen=True, kw_only=True):
    """The environment variables, PATH and working directory the target would be used from."""

    cwd: str | None = None
    path: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    """Only those that rules read (PYTHON*, VIRTUAL_ENV, CONDA_*, MAMBA_*, PIP_*, UV_*, LD_*, DYLD_* …); secrets cut out."""
    commands: tuple[PathCommand, ...] = ()
    virtual_env_same: bool | None = None
    """VIRTUAL_ENV names the target; None when it is not set."""
    conda_prefix_same: bool | None = None
    activations: tuple[Activation, ...] = ()
    library_folders: tuple[LibraryFolder, ...] = ()
    overrides: tuple[LibraryOverride, ...] = ()
    python_home: PythonHome | None = None
    tools: dict[str, str] = {}
    """Installers and build tools on PATH: name to path (uv, conda, mamba, micromamba, pixi, pip, gcc, cmake, cargo, nvcc …)."""


class Setting(Fact, frozen=True, kw_only=True):
    """One effective setting of pip or uv, with the place that it comes from."""

    tool: Literal["pip", "uv"]
    name: str
    """As in the configuration file, with dashes: ``extra-index-url``."""
    value: str
    """Credentials in URLs replaced by ``****``."""
    origin: str
    """``/etc/pip.conf:3`` or ``variable PIP_INDEX_URL``."""
    scope: Literal["global", "user", "site", "file", "system", "project", "variable"] = "variable"
    """Level of the configuration file: pip's global, user, site or PIP_CONFIG_FILE; uv's system, user, project or
    UV_CONFIG_FILE."""
    section: str = "global"
    credentials: bool = False
    """The value held a password or token."""
    readable_by_others: bool = False
    """It stands in a file that other users can read."""
    overridden: bool = False
    """A later file or a variable sets the same name for this command."""
    outside_target: bool = False
    """A folder setting (target, prefix, root, python …) that lies outside the target."""
    missing: bool = False
    """It names a local file that is not there, so that the tool stops."""


class PipState(Fact, frozen=True, kw_only=True):
    """The target's own pip."""

    present: bool = False
    version: str | None = None
    site: int | None = None
    importable: bool = False
    """``pip/__init__.py`` and ``pip/__main__.py`` and its vendored packages are there."""
    metadata: bool = True
    """Its metadata folder is there."""
    missing: tuple[str, ...] = ()
    """Files of it that are gone, relative to its site folder."""
    lacks: tuple[str, ...] = ()
    """Parts of the standard library that it imports at start and that this Python no longer has, with since when."""
    shadowed_by: str | None = None
    """File that ``import pip`` finds before it."""
    scripts: tuple[str, ...] = ()


class BuildNeed(Fact, frozen=True, kw_only=True):
    """Something that the project or its lock can only install by building it."""

    name: str
    requirement: str
    source: str
    backend: str | None = None
    tools: tuple[str, ...] = ()
    """Tools that building it needs: compiler, Python.h, cmake, cargo, nvcc."""
    named: bool = False
    """The build backend's own requirements name them."""
    wheels: tuple[str, ...] = ()
    """Tags of the wheels that the lock has for it (``cp311-cp311-win_amd64``); a build is needed where none fits."""
    markers: tuple[str, ...] = ("",)
    """Conditions (PEP 508) under which it is wanted; any suffices, ``""`` is always."""
    guessed: bool = False
    """Only a source distribution is locked, and nothing tells whether it is pure Python."""


class PipAsk(Fact, frozen=True, kw_only=True):
    """A feature of pip that the project or its lock makes use of."""

    feature: Literal["pep517", "pep600", "pep660", "pylock"]
    source: str
    detail: str = ""


class Installers(Fact, frozen=True, kw_only=True):
    """pip and uv: state and settings (PIP rules)."""

    pip: PipState = PipState()
    settings: tuple[Setting, ...] = ()
    config_files: tuple[str, ...] = ()
    """Configuration files that were read, in merge order."""
    problems: tuple[str, ...] = ()
    """Files that could not be parsed, with where."""
    builds: tuple[BuildNeed, ...] = ()
    asks: tuple[PipAsk, ...] = ()
    headers: bool | None = None
    """``Python.h`` of the target's base interpreter is there."""
    compiler: bool | None = None
    """A C compiler is on PATH; None where files do not tell."""


class Project(Fact, frozen=True, kw_only=True):
    """The project folder: manifests, and names that a run from there would see first."""

    root: str
    named: bool = False
    """Named by the user (``--project``), not found from the working directory."""
    name: str | None = None
    requires_python: str | None = None
    requires_python_from: str | None = None
    entries: tuple[Entry, ...] = ()
    packages: tuple[str, ...] = ()
    """Import names that are the project's own (its name, src/, packages of its build settings)."""
    requirements: tuple[str, ...] = ()
    requirement_sources: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    build_requires: tuple[str, ...] = ()
    build_backend: str | None = None
    """``build-backend`` of pyproject.toml; setuptools' legacy one where a ``[build-system]`` names none."""
    setup_py: bool = False
    python_pin: str | None = None
    """First word of .python-version (pyenv, uv): a version, or a name."""
    manages: tuple[str, ...] = ()
    """Tools with a table of their own in pyproject.toml: uv, poetry, pdm, pixi, hatch, conda-lock."""
    environment: str | None = None
    """``.venv`` where that folder is an environment (has a pyvenv.cfg)."""
    problems: tuple[str, ...] = ()


# -------------------------------------------------------------------------------------------------------------- machine


class Cpu(Fact, frozen=True, kw_only=True):
    """The processor."""

    name: str | None = None
    vendor: str | None = None
    microarchitecture: str | None = None
    """archspec's name: zen2, skylake_avx512, m1 …"""
    level: str | None = None
    """x86-64-v1 … x86-64-v4 by the psABI's definition."""
    flags: tuple[str, ...] = ()
    cores: int | None = None
    """Physical cores."""
    threads: int | None = None


class Gpu(Fact, frozen=True, kw_only=True):
    """One accelerator of the machine."""

    name: str
    vendor: str | None = None
    """``nvidia``, ``amd``, ``apple``, ``intel``."""
    architecture: str | None = None
    """NVIDIA: compute capability (``9.0``); AMD: the instruction set (``gfx90a``); Apple: the chip (``m2``)."""
    by_name: bool = False
    """``architecture`` follows from the name by a table, nothing has said it."""
    memory: int | None = None
    """Bytes."""
    bus: str | None = None
    """PCI address: ``0000:17:00.0``."""
    driver: str | None = None
    """Kernel driver that is bound to it, where that is not its vendor's own for computing: nouveau, vfio-pci; empty for none."""
    mig: tuple[str, ...] | None = None
    """Names of its MIG instances; None where it is not divided."""


class DriverLibrary(Fact, frozen=True, kw_only=True):
    """A copy of libcuda, the half of NVIDIA's driver that programs load."""

    path: str
    version: str | None = None
    """Of the driver that it belongs to, as its file name says; None where it says none (WSL, copies)."""
    kind: Literal["driver", "compat", "wsl", "stub"] = "driver"
    """``compat``: of a forward-compatibility package. ``stub``: for linking only."""
    by: str | None = None
    """How the loader finds it: ``LD_LIBRARY_PATH``, ``cache``; None where it does not."""


class DeviceNode(Fact, frozen=True, kw_only=True):
    """A file in /dev that programs must open to use a GPU."""

    path: str
    exists: bool = True
    allowed: bool = True
    """This user may read and write it."""
    group: int | None = None
    """Number of the group that may."""


class Nvidia(Fact, frozen=True, kw_only=True):
    """NVIDIA's driver on the machine."""

    driver: str | None = None
    """Version of the kernel module: 550.54.15; None where none is loaded."""
    open_module: bool = False
    cuda: str | None = None
    """Highest CUDA version of the driver, as it says itself (NVML): 12.4."""
    libraries: tuple[DriverLibrary, ...] = ()
    """libcuda.so.1 in the order in which the loader looks, then copies in usual places where it does not look."""
    nodes: tuple[DeviceNode, ...] = ()
    devices: int | None = None
    """GPUs that the kernel module drives; None where nothing tells."""
    hardware: int | None = None
    """NVIDIA GPUs on the PCI bus, whether or not a driver drives them."""
    problem: str | None = None
    """What NVML answered in the place of facts: ``Driver/library version mismatch``."""
    modprobe: bool = False
    """nvidia-modprobe may make missing device nodes when a program asks for them: outside of containers."""
    runtime: bool = False
    """NVIDIA's container runtime has set this container up (its files are mounted, or its variables say so)."""


class Amd(Fact, frozen=True, kw_only=True):
    """AMD's driver for computing (amdgpu, KFD) on the machine."""

    driver: str | None = None
    """Version of the amdgpu module, where it is not the kernel's own."""
    rocm: str | None = None
    """Version of ROCm installed on the system."""
    nodes: tuple[DeviceNode, ...] = ()
    hardware: int | None = None
    """AMD GPUs on the PCI bus."""


class Disk(Fact, frozen=True, kw_only=True):
    """A folder that a run writes to, and the file system that it lies on. Sizes in bytes."""

    role: Literal["environment", "project", "temporary", "cache", "shared memory", "home"]
    path: str
    free: int | None = None
    """For this user."""
    total: int | None = None
    files_free: int | None = None
    """Inodes left for this user; None where the file system counts none."""
    files: int | None = None
    exists: bool = True
    writable: bool = True
    read_only: bool = False
    """Mounted so."""
    noexec: bool = False
    """Programs and libraries on it cannot be executed or mapped."""
    variable: str | None = None
    """The variable that names it."""
    device: int | None = None
    """Number of its file system: folders of one have one."""


class Limits(Fact, frozen=True, kw_only=True):
    """What the machine, its cgroup and this session allow. Sizes in bytes."""

    memory: int | None = None
    memory_limit: int | None = None
    cpu_quota: float | None = None
    """Cores."""
    affinity: int | None = None
    open_files_soft: int | None = None
    open_files_hard: int | None = None
    shared_memory: int | None = None
    shared_memory_free: int | None = None
    disk_free: int | None = None
    """Under the prefix."""
    disks: tuple[Disk, ...] = ()
    temporary: tuple[Disk, ...] = ()
    """Candidates for temporary files in the order in which Python tries them, the first that it can use last."""


class Machine(Fact, frozen=True, kw_only=True):
    """The computer that the target is meant to run on."""

    system: System = "linux"
    machine: str = ""
    """Of this process and of the kernel's answer; see ``native_machine`` under emulation."""
    native_machine: str = ""
    """What the hardware is: arm64 under Rosetta 2 or Prism."""
    emulation: str | None = None
    """rosetta, wow64, prism, qemu-user: what this process itself runs under."""
    kernel: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    """macOS: 14.5; Windows: 10.0.22631; Linux: VERSION_ID of os-release."""
    distribution: str | None = None
    """ID of os-release."""
    distribution_like: tuple[str, ...] = ()
    libc: str | None = None
    """``glibc 2.36``, ``musl 1.2``; None where there is none."""
    libcs: tuple[str, ...] = ()
    """Every C library installed there, the system's own (``libc``) first: a glibc system may have musl's loader, too."""
    cpu: Cpu = Cpu()
    gpus: tuple[Gpu, ...] = ()
    nvidia: Nvidia | None = None
    """None where nothing of NVIDIA is there."""
    amd: Amd | None = None
    limits: Limits = Limits()
    container: str | None = None
    libraries: tuple[NativeFile, ...] = ()
    """The system's shared libraries that the loader finds without any path of a file or variable (cache, default folders),
    by the absolute path under which it finds them: those that something of the target asks for, or all of them in a
    snapshot of a machine (``all_libraries``)."""
    all_libraries: bool = False
    library_folders: tuple[str, ...] = ()
    """The loader's default folders there, in order."""
    uncached_libraries: tuple[str, ...] = ()
    """Paths of libraries that are asked for, and that the loader would find if ``ldconfig`` had been run since they came: they
    lie in a folder of ld.so.conf, and the cache does not know them."""
    wsl: bool = False
    binfmt: tuple[str, ...] = ()
    """Machines that qemu-user or Rosetta runs here transparently."""
    source: str = "this machine"


# ------------------------------------------------------------------------------------------------------------- snapshot


class Snapshot(Fact, frozen=True, kw_only=True):
    """Everything the rules need. See the module's text."""

    schema_version: int = msgspec.field(default_factory=lambda: SCHEMA_VERSION)
    # From a factory, so that it is written although it has its default.
    tool_version: str = ""
    date: str
    """Day on which it was made, ISO 8601, UTC."""
    deep: bool = False
    target: Target
    interpreter: Interpreter
    venv: VenvConfig | None = None
    sites: tuple[Site, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    natives: tuple[NativeFile, ...] = ()
    libraries: tuple[NativeFile, ...] = ()
    """Libraries of the target outside its site folders, and those that variables lead to, as far as anything asks for them
    by name: the prefix's and the base's ``lib``, folders of RPATH, LD_LIBRARY_PATH; and the extension modules of the
    standard library."""
    dll_folders: tuple[DllFolder, ...] = ()
    preloads: tuple[Preload, ...] = ()
    imported_modules: tuple[ImportedModule, ...] = ()
    unresolved_symbols: tuple[UnresolvedSymbols, ...] = ()
    opened_libraries: tuple[OpenedLibrary, ...] = ()
    frameworks: tuple[Framework, ...] = ()
    device_code: tuple[DeviceCode, ...] | None = None
    """Fat binaries of native files; None where they were not read, because no GPU made them matter."""
    numpy_modules: tuple[NumpyModule, ...] = ()
    """Extension modules that import numpy's C-API: of a wheel that is as it was published, one stands for all."""
    shared_files: tuple[SharedFile, ...] = ()
    unowned: tuple[Unowned, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    conda_packages: tuple[CondaPackage, ...] = ()
    """Every record of conda-meta that could be read, by the name of its file."""
    conda_meta: CondaMeta | None = None
    """None where there is no conda-meta folder."""
    conda_installers: CondaInstallers | None = None
    """None where the target is no conda prefix."""
    generated: tuple[GeneratedCode, ...] = ()
    broken_imports: tuple[BrokenImport, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    namespace_blocks: tuple[NamespaceBlock, ...] = ()
    pth_files: tuple[PthFile, ...] = ()
    scripts: tuple[Script, ...] = ()
    prefix_records: tuple[PrefixRecord, ...] = ()
    kernels: tuple[Kernel, ...] = ()
    shell: Shell = Shell()
    installers: Installers = Installers()
    project: Project | None = None
    manifests: tuple[Manifest, ...] = ()
    """What the project declares, one for each file that declares something."""
    locks: tuple[Lock, ...] = ()
    """The project's lockfiles, or those that ``--lock`` names; unreadable ones, too."""
    machine: Machine = Machine()
    gaps: tuple[Gap, ...] = ()


def to_json(snapshot: Snapshot) -> bytes:
    """`snapshot` as one JSON document, UTF-8, ending in a newline."""
    return msgspec.json.encode(snapshot, order="deterministic") + b"\n"


def from_json(data: bytes) -> Snapshot:
    """The snapshot written by :func:`to_json`. Raises SnapshotError with one line that says where it is wrong."""
    try:
        version = msgspec.json.decode(data, type=_Versioned).schema_version
        if version > SCHEMA_VERSION:
            raise SnapshotError(f"snapshot of schema {version}; this envdoctor reads up to {SCHEMA_VERSION}")
        snapshot = msgspec.json.decode(data, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotError(f"no snapshot: {error}") from None
    for name in snapshot.__struct_fields__:
        for item in getattr(snapshot, name) if name in _OF_SITES else ():
            if not 0 <= item.site < len(snapshot.sites):
                raise SnapshotError(f"no snapshot: {name} name site folder {item.site}, of {len(snapshot.sites)}")
    if any(not -1 <= native.folder < len(snapshot.sites) for native in snapshot.natives):
        raise SnapshotError(f"no snapshot: natives name a site folder that is none of {len(snapshot.sites)}")
    if any(not -1 <= code.folder < len(snapshot.sites) for code in snapshot.device_code or ()):
        raise SnapshotError(f"no snapshot: device code names a site folder that is none of {len(snapshot.sites)}")
    return snapshot


_OF_SITES = frozenset(
    [
        "distributions",
        "dll_folders",
        "imported_modules",
        "shared_files",
        "unowned",
        "leftovers",
        "generated",
        "broken_imports",
        "namespace_blocks",
        "pth_files",
        "frameworks",
    ]
)
"""Fields whose items have the index of a site folder."""


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of :func:`to_json`'s document."""
    return msgspec.json.schema(Snapshot)


class _Versioned(msgspec.Struct):
    schema_version: int
