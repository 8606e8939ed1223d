"""The target's Python: from its files, and by asking it once where it can be asked.

Everything a rule needs is read from files, so that a dead interpreter, one of another operating system, and one that hangs
are examined as deeply as one that runs. A native interpreter of this machine is then asked for its version and paths, in
isolated mode and without ``site`` (``-I -S -B``): no ``.pth``, no sitecustomize, no package of the target runs. Scripts that
stand where an interpreter should stand are read, never run.
"""

from __future__ import annotations

import errno
import mmap
import os
import re
import stat
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from envdoctor.collect import files
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import Interpreter, Link, NativeFile, Run, StdlibModule, VenvConfig, text
from envdoctor.target import MAX_LINKS, PYTHON_NAME, library_folders, python_of, virtualenv_origin, wrapped_interpreter
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    import subprocess

TIMEOUT = 5.0
"""Seconds that the interpreter has to answer."""

_MAX_ANSWER = 1 << 18
_ENVIRONMENT = (
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FRAMEWORK_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "DYLD_FALLBACK_FRAMEWORK_PATH",
    "SYSTEMROOT",
    "SYSTEMDRIVE",
    "WINDIR",
    "TEMP",
    "TMP",
)
"""Variables that an interpreter may need to start at all; everything else, PYTHON* and LD_PRELOAD first, is withheld."""

_MARK = b"envdoctor-answer"
_QUESTION = """\
import sys
try:
    import _imp
    s = _imp.extension_suffixes()
except Exception:
    s = []
v = sys.version_info
l = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(v[3], "")
n = sys.implementation
f = ["envdoctor-answer", "%d.%d.%d" % tuple(v[:3]) + (l + str(v[4]) if l else ""), n.name, n.cache_tag or "",
     getattr(sys, "abiflags", ""), s[0] if s else "", "1" if sys.maxsize > 2 ** 32 else "0", sys.base_prefix, sys.prefix,
     "\\1".join(sys.builtin_module_names), "\\1".join(sys.path), sys.platform]
sys.stdout.buffer.write("\\0".join(f).encode("utf-8", "surrogateescape"))
"""

_BUILT_IN = frozenset(
    {
        "_abc", "_ast", "_asyncio", "_bisect", "_blake2", "_codecs", "_codecs_cn", "_codecs_hk", "_codecs_iso2022",
        "_codecs_jp", "_codecs_kr", "_codecs_tw", "_collections", "_contextvars", "_csv", "_datetime", "_decimal",
        "_elementtree", "_functools", "_heapq", "_imp", "_io", "_json", "_locale", "_lsprof", "_md5", "_multibytecodec",
        "_multiprocessing", "_opcode", "_operator", "_pickle", "_posixshmem", "_posixsubprocess", "_queue", "_random",
        "_sha1", "_sha2", "_sha256", "_sha3", "_sha512", "_signal", "_socket", "_sre", "_stat", "_statistics", "_string",
        "_struct", "_symtable", "_thread", "_tokenize", "_tracemalloc", "_typing", "_warnings", "_weakref", "_winapi",
        "_zoneinfo", "array", "atexit", "binascii", "builtins", "cmath", "errno", "faulthandler", "fcntl", "gc", "grp",
        "itertools", "marshal", "math", "mmap", "msvcrt", "nt", "posix", "pwd", "pyexpat", "resource", "select", "sys",
        "syslog", "termios", "time", "unicodedata", "winreg", "winsound",
    }
)  # fmt: skip
"""Extension modules of every CPython since 3.8, built in or not: what a standard library that could not be asked has, too."""

_OPTIONAL: tuple[tuple[str, str, bool], ...] = (
    ("_bz2", "bz2.py", True),
    ("_ctypes", "ctypes", True),
    ("_curses", "curses", False),
    ("_hashlib", "hashlib.py", True),
    ("_lzma", "lzma.py", True),
    ("_sqlite3", "sqlite3", True),
    ("_ssl", "ssl.py", True),
    ("_zstd", "compression/zstd", True),
    ("readline", "rlcompleter.py", False),
    ("zlib", "gzip.py", False),
)
"""Extension modules that a build lacks when their library was missing; the standard library's own file that stands for them;
whether Windows has them as files, too (its zlib is linked in, and the file does not tell). ``_tkinter`` is not among them:
distributions leave it out on purpose."""


class Facts(NamedTuple):
    """What the collectors after this one need of the interpreter."""

    interpreter: Interpreter
    venv: VenvConfig | None
    probe: dict[str, Any] | None
    """What the interpreter answered, None when it was not asked or did not answer: version, implementation, cache_tag,
    abiflags, suffix, bits, base_prefix, prefix, builtins (list), path (list)."""
    base: str | None = None
    """The base prefix as the file system takes it, reached from here (inside a mounted root)."""
    stdlib: str | None = None
    """The folder of the standard library, likewise."""

    @property
    def version(self) -> tuple[int, int] | None:
        """(X, Y), or None where no file tells."""
        return _short(self.interpreter.version)


def collect(scene: Scene) -> Facts:
    """Facts of the target's interpreter, its pyvenv.cfg and its standard library."""
    named = scene.target.python
    path = python_of(scene.prefix, scene.target.system, named.replace(scene.target.prefix, scene.prefix, 1) if named else None)
    links, end = _links(scene, path)
    config = read_config(scene, f"{scene.prefix}/pyvenv.cfg")
    denied = _denied(scene, links, config) if end is None else None
    exists = end is not None or denied is not None
    head = _head(end) if end is not None else b""
    launcher = False
    if head.startswith(b"#!"):
        launcher = True
        wrapped = wrapped_interpreter(head.decode("utf-8", "surrogateescape"))
        if wrapped is not None:
            more, end = _links(scene, scene.rooted(wrapped))
            links += more
            head = _head(end) if end is not None else b""
    redirected = _redirected(scene, config, end)
    if redirected is not None:
        launcher, end = True, redirected
    binary = _native(end) if end is not None and head and not head.startswith(b"#!") else None
    base, base_exists = _base(scene, config, links, end)
    if end is not None and base is not None and "Python.framework/Versions/" in end:
        launcher = launcher or files.exists(f"{base}/Resources/Python.app")
    libpython = _libpython(scene, binary, end, base) if binary is not None and end is not None else None
    if denied is not None:
        run, probe = Run(outcome="not-permitted", detail=f"permission denied on {text(denied)}"), None
    else:
        run, probe = _ask(scene, path, exists, launcher, head, binary, libpython)
    version, version_from = _version(scene, config, probe, links, end, base, binary, libpython)
    if probe is not None and config is not None and not base_exists and _has_stdlib(probe["base_prefix"], scene.windows):
        base, base_exists = probe["base_prefix"], True
    if probe is not None and config is None and (base is None or _stdlib_in(base, version, scene.windows) is None):
        base = probe["base_prefix"] if files.is_folder(probe["base_prefix"]) else base
    stdlib = _stdlib_in(base, version, scene.windows) if base is not None else None
    if stdlib is None and probe is not None:
        stdlib = next((p for p in probe["path"] if files.is_file(f"{p}/os.py")), None)
    listing = _Stdlib(stdlib, base, scene.windows)
    implementation = _implementation(probe, end or path, stdlib)
    soabi = _soabi(probe, listing, version, implementation, scene, binary)
    abi = _abi(soabi, version, implementation)
    tag = re.match(r"cp\d+([a-z]*)$", abi or "")
    machine, bits = _machine(scene, binary, probe)
    built_in = tuple(probe["builtins"]) if probe is not None else ()
    interpreter = Interpreter(
        path=text(path),
        exists=exists,
        plain_name=config is None or scene.windows or os.path.lexists(f"{scene.prefix}/bin/python"),
        links=tuple(links),
        real_path=text(end) if end is not None else None,
        version=version,
        version_from=version_from,
        implementation=implementation,
        abi=abi,
        soabi=soabi,
        free_threaded=bool(tag and "t" in tag[1]),
        debug=bool(tag and "d" in tag[1]),
        machine=machine,
        bits=bits,
        base_prefix=text(base) if base is not None else None,
        base_exists=base_exists,
        binary=binary,
        libpython=libpython,
        stdlib=text(stdlib) if stdlib is not None else None,
        stdlib_exists=stdlib is not None,
        stdlib_modules=listing.modules(built_in),
        optional_modules=_optional(
            scene,
            listing,
            built_in,
            asked=probe is not None,
            cpython=implementation == "cpython",
            end=end,
            libpython=libpython,
        ),
        externally_managed=_externally_managed(config, stdlib),
        launcher=launcher,
        origin=_origin(scene, base),
        run=run,
    )
    return Facts(interpreter, config, probe, base, stdlib)


# ------------------------------------------------------------------------------------------------------------- the links
def _links(scene: Scene, path: str) -> tuple[list[Link], str | None]:
    """The chain from `path` to the file that is executed, and that file (None: dangling, a loop, a folder)."""
    chain: list[Link] = []
    step = path
    for _ in range(MAX_LINKS):
        try:
            to = os.readlink(step)
        except OSError as error:
            there = error.errno == errno.EINVAL or (sys.platform == "win32" and files.exists(step))
            chain.append(Link(path=text(step), exists=there))
            if not there or not files.is_file(step):
                return chain, None
            return chain, step if scene.target.sysroot else os.path.realpath(step)
        except ValueError:
            break
        chain.append(Link(path=text(step), to=text(to)))
        step = scene.rooted(to) if os.path.isabs(to) else os.path.normpath(os.path.join(os.path.dirname(step), to))
    return chain, None


def _denied(scene: Scene, links: list[Link], config: VenvConfig | None) -> str | None:
    """The folder on the way to the interpreter that this user may not enter, so that what is behind it cannot be told."""
    last = links[-1].path if links else ""
    places = [last]
    if config is not None and config.home is not None:
        places.append(scene.rooted(config.home))
    for place in places:
        folder = os.path.dirname(place)
        while folder not in ("", "/"):
            try:
                os.stat(f"{folder}/.")
                break
            except PermissionError:
                parent = os.path.dirname(folder)
                try:
                    os.stat(f"{parent}/.")
                    return folder
                except OSError:
                    folder = parent
            except (OSError, ValueError):
                break
    return None


def _redirected(scene: Scene, config: VenvConfig | None, end: str | None) -> str | None:
    """The interpreter that a Windows virtual environment's ``Scripts/python.exe`` starts: ``home`` names its folder."""
    if not scene.windows or config is None or config.home is None or end is None:
        return None
    path = f"{scene.rooted(config.home)}/{os.path.basename(end)}"
    return path if files.is_file(path) and not files.same(path, end) else None


# ----------------------------------------------------------------------------------------------------------- pyvenv.cfg
def read_config(scene: Scene, path: str) -> VenvConfig | None:
    """pyvenv.cfg at `path`, None where there is none. Read as ``site`` does: lower-case keys, the last of a key counts."""
    try:
        content = files.read_text(path, 1 << 18)
    except files.Unreadable as error:
        return None if error.missing else VenvConfig(path=text(path), problem=str(error))
    values: dict[str, str] = {}
    for line in content.splitlines():
        key, mark, value = line.partition("=")
        if mark:
            values[key.strip().lower()] = value.strip()
    problem = None
    home = values.get("home") or None
    if home is None:
        problem = "it is empty" if not content.strip() else "it has no home"
    executable = values.get("executable") or values.get("base-executable") or None
    command = values.get("command") or None
    version = values.get("version") or values.get("version_info") or None
    return VenvConfig(
        path=text(path),
        home=text(home) if home else None,
        home_exists=bool(home and files.is_folder(scene.rooted(home))),
        version=text(version) if version else None,
        include_system_site=values.get("include-system-site-packages", "true").lower() == "true",
        uv=values.get("uv") or None,
        virtualenv=values.get("virtualenv") or None,
        relocatable=values.get("relocatable", "").lower() == "true",
        executable=text(executable) if executable else None,
        executable_exists=bool(executable and files.exists(scene.rooted(executable))),
        command=text(command) if command else None,
        command_prefix=_command_prefix(command) if command else None,
        problem=problem,
    )


def _command_prefix(command: str) -> str | None:
    """The environment's folder in ``command = PYTHON -m venv OPTIONS DIR``: what follows the options, blanks included."""
    _, mark, rest = command.partition(" -m venv ")
    if not mark:
        return None
    rest = re.sub(r'^(?:\s*--(?:prompt="[^"]*"|[\w-]+(?:=\S+)?)(?=\s))*\s*', "", rest).strip()
    return text(rest) if rest.startswith("/") or re.match(r"[A-Za-z]:[\\/]", rest) else None


# ----------------------------------------------------------------------------------------------------------- base prefix
def _base(scene: Scene, config: VenvConfig | None, links: list[Link], end: str | None) -> tuple[str | None, bool]:
    """The installation that the interpreter belongs to, and whether it is there (True where that cannot be told from here)."""
    if config is None:
        origin = virtualenv_origin(scene.prefix, windows=scene.windows)
        if origin is not None:
            place = scene.rooted(origin[0])
            return place, _has_stdlib(place, scene.windows) or (scene.target.foreign and scene.target.sysroot is None)
        if end is not None and not _has_stdlib(scene.prefix, scene.windows):
            for step in _steps(links, end):
                if _has_stdlib(step, scene.windows):
                    return step, True
        return scene.prefix, True
    places: list[str] = []
    home = scene.rooted(config.home) if config.home else None
    if home is not None:
        places.append(os.path.dirname(home.rstrip("/")) if os.path.basename(home.rstrip("/")).lower() == "bin" else home)
        if not scene.windows:
            short = _short(config.version)
            wanted = [f"python{short[0]}.{short[1]}"] if short else []
            for name in [*wanted, "python3", "python"]:
                chain, real = _links(scene, f"{home}/{name}")
                if real is not None:
                    places += _steps(chain, real)
                    break
    if end is not None and not scene.windows:
        places += _steps(links, end)
    for place in dict.fromkeys(places):
        if place != scene.prefix and _has_stdlib(place, scene.windows):
            return place, True
    unknown = scene.target.foreign and scene.target.sysroot is None
    return (places[0] if places else None), unknown


def _steps(links: list[Link], end: str) -> list[str]:
    """The folders above ``bin`` on the way to the interpreter, the last first."""
    steps = [end, *(link.path for link in reversed(links))]
    return list(dict.fromkeys(os.path.dirname(os.path.dirname(step)) for step in steps))


def _has_stdlib(prefix: str, windows: bool) -> bool:
    return _stdlib_in(prefix, None, windows) is not None


def _stdlib_in(prefix: str, version: str | None, windows: bool) -> str | None:
    """Folder of the standard library of X.Y (any, where `version` is None) below an installation."""
    if windows:
        if files.is_file(f"{prefix}/Lib/os.py"):
            return f"{prefix}/Lib"
        return prefix if _embedded(prefix) else None
    short = _short(version)
    wanted = f"{short[0]}.{short[1]}" if short else None
    for folder, found in library_folders(prefix):
        if wanted in (None, found) and (files.is_file(f"{folder}/os.py") or files.is_file(f"{folder}/os.pyc")):
            return folder
    if files.is_file(f"{prefix}/lib-python/3/os.py"):
        return f"{prefix}/lib-python/3"
    return None


def _embedded(prefix: str) -> bool:
    """A Windows embeddable package: the standard library is ``pythonXY.zip`` beside python.exe."""
    try:
        return any(re.fullmatch(r"python3\d+\.zip", n, re.IGNORECASE) for n in os.listdir(prefix))
    except OSError:
        return False


# --------------------------------------------------------------------------------------------------------- native headers
def _native(path: str) -> NativeFile | None:
    from envdoctor.collect import native

    return native.read(path)


def _libpython(scene: Scene, binary: NativeFile, end: str, base: str | None) -> NativeFile | None:
    """The shared library that holds the interpreter, where its binary needs one and it is found; else None."""
    for piece in binary.slices:
        name = next(
            (n for n in piece.needed if re.search(r"(?:libpython3|libpypy3|python3\d+\.dll|/Python3?$)", n, re.IGNORECASE)), None
        )
        if name is None:
            continue
        for place in _library_places(scene, piece.rpath + piece.runpath, name, end, base):
            if files.is_file(place):
                return _native(place)
        return None
    return None


def _library_places(scene: Scene, rpath: tuple[str, ...], name: str, end: str, base: str | None) -> list[str]:
    """Where the loader could find the library `name` of the interpreter, in its order."""
    here = os.path.dirname(end)
    leaf = name.rsplit("/", 1)[-1]
    places = []
    if "/" in name:
        path = re.sub(r"^@(?:executable_path|loader_path|rpath)", here, name)
        places.append(path if path != name else scene.rooted(name))
        if name.startswith("@rpath/") and base is not None:
            places.append(f"{base}/lib/{leaf}")
        return places
    for folder in rpath:
        folder = re.sub(r"\$\{?ORIGIN\}?", here, folder)
        places.append(f"{folder if folder.startswith(here) else scene.rooted(folder)}/{leaf}")
    if not scene.target.foreign:
        places += [f"{folder}/{leaf}" for folder in scene.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    places.append(f"{here}/{leaf}")
    if base is not None:
        places += [f"{base}/{folder}/{leaf}" for folder in ("lib", "lib64")]
        try:
            places += [
                f"{base}/lib/{n}/{leaf}" for n in sorted(os.listdir(f"{base}/lib")) if n.endswith(("-gnu", "-musl", "-gnueabihf"))
            ]
        except OSError:
            pass
    return places + [scene.rooted(f"/{folder}/{leaf}") for folder in ("usr/lib", "usr/lib64", "usr/local/lib", "lib", "lib64")]


def _machine(scene: Scene, binary: NativeFile | None, probe: Mapping[str, Any] | None) -> tuple[str | None, int | None]:
    """Architecture and word size of the interpreter; of a fat Mach-O the slice that this machine would run."""
    if binary is None or not binary.slices:
        return None, (64 if probe["bits"] else 32) if probe is not None else None
    pieces = {piece.machine: piece for piece in binary.slices}
    chosen = binary.slices[0]
    if len(pieces) > 1:
        here = os.uname().machine if hasattr(os, "uname") and not scene.target.foreign else "arm64"
        chosen = pieces.get(here) or pieces.get("arm64") or chosen
    return chosen.machine, chosen.bits


# ---------------------------------------------------------------------------------------------------------------- version
def _version(
    scene: Scene,
    config: VenvConfig | None,
    probe: Mapping[str, Any] | None,
    links: list[Link],
    end: str | None,
    base: str | None,
    binary: NativeFile | None,
    libpython: NativeFile | None,
) -> tuple[str | None, str | None]:
    """The version and where it is from: the interpreter itself, its files, pyvenv.cfg, the environment's folders."""
    if probe is not None:
        return str(probe["version"]), "the interpreter"
    written = _plain(config.version) if config is not None else None
    if end is None:
        if written is not None:
            return written, "pyvenv.cfg"
        record = _conda_version(scene.prefix)
        if record is not None:
            return record, "conda-meta"
        found = scene.target.site_version or next(
            (v for _, v in reversed(library_folders(scene.prefix, windows=scene.windows)) if v), None
        )
        return found, f"lib/python{found}" if found else None
    short = _binary_version(links, end, base, binary, libpython, scene.windows)
    if base is not None:
        record = _conda_version(base)
        if record is not None and short in (None, _short(record)):
            return record, "conda-meta"
        header = _patchlevel(base, short)
        if header is not None:
            return header, "patchlevel.h"
    if short is None:
        if written is not None:
            return written, "pyvenv.cfg"
        found = scene.target.site_version
        return found, f"lib/python{found}" if found else None
    dotted = f"{short[0]}.{short[1]}"
    for place in (end, base or ""):
        if named := re.search(rf"(?:cpython-|python-|python@|/versions/|/python/)({re.escape(dotted)}\.\d+)(?![\d.])", place):
            return named[1], "its path"
    for native in (libpython, binary):
        if native is not None and (inside := _version_inside(native.path, dotted)):
            return inside, "its binary"
    if written is not None and _short(written) == short:
        return written, "pyvenv.cfg"
    return dotted, "its file name"


def _binary_version(
    links: list[Link], end: str, base: str | None, binary: NativeFile | None, libpython: NativeFile | None, windows: bool
) -> tuple[int, int] | None:
    """X.Y of the interpreter by the names of its files."""
    for name in [os.path.basename(end), *(os.path.basename(link.path) for link in reversed(links))]:
        found = PYTHON_NAME.match(name)
        if found and found[1] and "." in found[1]:
            return _short(found[1])
    needed = [n for piece in binary.slices for n in piece.needed] if binary is not None else []
    for name in [libpython.path if libpython is not None else "", *needed]:
        if found := re.search(r"(?:lib)?python(3)\.?(\d+)t?d?(?:\.|$)", os.path.basename(name), re.IGNORECASE):
            return int(found[1]), int(found[2])
        if found := re.search(r"/Versions/(3)\.(\d+)t?/", name):
            return int(found[1]), int(found[2])
    if base is None:
        return None
    if windows:
        try:
            inside = os.listdir(base)
        except OSError:
            return None
        found_names = (re.fullmatch(r"python3(\d+)(?:\.dll|\.zip|\._pth)", n, re.IGNORECASE) for n in inside)
        return next(((3, int(m[1])) for m in found_names if m), None)
    versions = [v for folder, v in library_folders(base) if v and files.is_file(f"{folder}/os.py")]
    return _short(versions[0]) if len(versions) == 1 else None


def _patchlevel(base: str, short: tuple[int, int] | None) -> str | None:
    """PY_VERSION of the installation's patchlevel.h (on Windows and PyPy its folder has other names)."""
    folders = [f"{base}/include", f"{base}/Include"]
    if short is not None:
        dotted = f"{short[0]}.{short[1]}"
        folders += [f"{base}/include/{name}{dotted}{flag}" for name in ("python", "pypy") for flag in ("", "t", "d", "m")]
    for folder in folders:
        try:
            content = files.read_text(f"{folder}/patchlevel.h", 1 << 16)
        except files.Unreadable:
            continue
        found = re.search(r'#define\s+PY_VERSION\s+"([\w.+]+)"', content)
        version = found[1].rstrip("+") if found else None
        if version is not None and short in (None, _short(version)):
            return version
    return None


def _conda_version(prefix: str) -> str | None:
    """Version of the conda package ``python`` in `prefix`, from the name of its record."""
    try:
        names = os.listdir(f"{prefix}/conda-meta")
    except OSError:
        return None
    found = sorted(
        m[1] for n in names if (m := re.fullmatch(r"(?:python|pypy3\.\d+)-(3\.\d+\.\d+(?:a|b|rc)?\d*)-[^-]+\.json", n))
    )
    return found[-1] if found else None


def _version_inside(path: str, dotted: str) -> str | None:
    """The PY_VERSION text in an interpreter's binary: ``3.11.2`` between NUL bytes."""
    try:
        fd, info = files.open_regular(path)
    except files.Unreadable:
        return None
    try:
        if not 0 < info.st_size < 1 << 28:
            return None
        with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data:
            wanted = re.compile(rb"\0(" + re.escape(dotted.encode()) + rb"\.\d{1,3}(?:(?:a|b|rc)\d{1,2})?)\+?\0")
            start = 0
            for _ in range(1000):
                start = data.find(b"\0" + dotted.encode() + b".", start)
                if start < 0:
                    return None
                found = wanted.match(data, start)
                if found is not None:
                    return found[1].decode()
                start += 1
            return None
    except (OSError, ValueError):
        return None
    finally:
        os.close(fd)


def _plain(version: str | None) -> str | None:
    """``3.11.7`` of ``3.11.7.final.0``; ``3.13.0rc1`` of ``3.13.0.candidate.1``; None where it is no version."""
    found = re.match(r"(\d+\.\d+(?:\.\d+)?)(?:\.?(alpha|beta|candidate|a|b|rc)\.?(\d+))?", version or "")
    if found is None:
        return None
    level = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(found[2] or "", found[2] or "")
    return found[1] + (level + found[3] if level else "")


def _short(version: str | None) -> tuple[int, int] | None:
    found = re.match(r"(\d{1,4})\.(\d{1,4})", version or "")
    return (int(found[1]), int(found[2])) if found else None


# ------------------------------------------------------------------------------------------------- implementation and ABI
def _implementation(probe: Mapping[str, Any] | None, path: str, stdlib: str | None) -> str:
    if probe is not None:
        return str(probe["implementation"])
    words = (os.path.basename(path).lower(), os.path.basename(stdlib or "").lower(), (stdlib or "").lower())
    for name in ("pypy", "graalpy"):
        if any(word.startswith(name) for word in words) or (name == "pypy" and "lib-python" in words[2]):
            return name
    return "cpython"


class _Stdlib:
    """The names in the folders of a standard library."""

    def __init__(self, folder: str | None, base: str | None, windows: bool) -> None:
        self.folder = folder
        self.files: set[str] = set()
        self.folders: set[str] = set()
        self.dynamic: list[str] = []
        self.place: dict[str, str] = {}
        self.known = False
        if folder is None:
            return
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    (self.folders if entry.is_dir() else self.files).add(entry.name)
        except OSError:
            return
        self.known = True
        for place in (f"{base}/DLLs", base or "") if windows else (f"{folder}/lib-dynload",):
            try:
                inside = sorted(n for n in os.listdir(place) if n.endswith((".so", ".pyd")))
            except OSError:
                continue
            self.dynamic += inside
            for name in inside:
                stem = name.split(".", 1)[0]
                self.place.setdefault(stem.removesuffix("_d") if windows else stem, f"{place}/{name}")

    def file_of(self, module: str) -> str | None:
        """The file of an extension module, None where it has none."""
        return self.place.get(module)

    def modules(self, built_in: tuple[str, ...]) -> tuple[str, ...]:
        """Top-level names that an import finds in it. Empty where it could not be read."""
        if not self.known or not self.files:
            return ()
        found = {n.rsplit(".", 1)[0] for n in self.files if n.endswith((".py", ".pyc"))}
        found |= {n.split(".", 1)[0] for n in self.files if n.endswith(".so")}
        found |= {n for n in self.folders if n.isidentifier() and n != "__pycache__"}
        found |= {n.split(".", 1)[0] for n in self.dynamic}
        found |= set(built_in) or _BUILT_IN
        return tuple(sorted(text(n) for n in found if n.isidentifier()))


def _soabi(
    probe: Mapping[str, Any] | None,
    listing: _Stdlib,
    version: str | None,
    implementation: str,
    scene: Scene,
    binary: NativeFile | None,
) -> str | None:
    """The tag in the names of extension modules, without dots: ``cpython-311-x86_64-linux-gnu``, ``cp311-win_amd64``."""
    if probe is not None:
        found = re.fullmatch(r"(?:_d)?\.(.+)\.(?:so|pyd)", str(probe["suffix"]))
        if found is not None:
            return text(found[1])
    pattern = re.compile(r"[^.]+\.((?:cpython|pypy|graalpy)\d*-[\w-]+)\.so")
    for name in [*listing.dynamic, *(sorted(listing.files) if implementation != "cpython" else ())]:
        if found := pattern.fullmatch(name):
            return found[1]
    short = _short(version)
    if short is None or implementation != "cpython":
        return None
    digits = f"{short[0]}{short[1]}"
    for name in sorted(listing.files):
        if found := re.fullmatch(r"_sysconfigdata_([a-z]*)_(linux|darwin)_(.*)\.py", name):
            return f"cpython-{digits}{found[1]}-{'darwin' if found[2] == 'darwin' else found[3]}"
    if scene.windows and binary is not None and binary.slices:
        platform = {"x86_64": "win_amd64", "amd64": "win_amd64", "arm64": "win_arm64"}.get(binary.slices[0].machine, "win32")
        return f"cp{digits}-{platform}"
    return None


def _abi(soabi: str | None, version: str | None, implementation: str) -> str | None:
    """The wheel ABI tag: ``cp311``, ``cp313t``, ``pypy310_pp73``."""
    if soabi is not None:
        if found := re.match(r"cpython-(\d+[a-z]*)", soabi):
            return f"cp{found[1]}"
        if found := re.match(r"(cp\d+[a-z]*)-", soabi):
            return found[1]
        if found := re.match(r"(pypy\d+)-(pp\d+)", soabi):
            return f"{found[1]}_{found[2]}"
        if found := re.match(r"(graalpy\d+)-(\d+)-(\w+)", soabi):
            return f"{found[1]}_{found[2]}_{found[3]}"
    short = _short(version)
    if short is None or implementation != "cpython":
        return None
    return f"cp{short[0]}{short[1]}" + ("m" if short < (3, 8) else "")


# -------------------------------------------------------------------------------------------------------- standard library
def _optional(
    scene: Scene,
    listing: _Stdlib,
    built_in: tuple[str, ...],
    *,
    asked: bool,
    cpython: bool,
    end: str | None,
    libpython: NativeFile | None,
) -> tuple[StdlibModule, ...]:
    """Extension modules that some builds lack, of those that this standard library has a counterpart for."""
    if not listing.known or not listing.files or not cpython:
        return ()
    windows = scene.windows
    wanted = [
        name
        for name, counterpart, everywhere in _OPTIONAL
        if (everywhere or not windows) and (counterpart in listing.files or counterpart.split("/")[0] in listing.folders)
        if "/" not in counterpart or files.exists(f"{listing.folder}/{counterpart}")
    ]
    present = {name for name in wanted if listing.file_of(name) is not None or name in built_in}
    if not asked:
        rest = [name for name in wanted if name not in present]
        if rest:
            present |= _inside_binary(rest, [p for p in (libpython.path if libpython else None, end) if p])
            if end is None or 2 * len(present) < len(wanted):
                present |= set(rest)  # not known, or a build that has most of them linked in
    found: list[StdlibModule] = []
    for name in sorted(wanted):
        path = listing.file_of(name)
        native = _native(path) if path is not None else None
        problem = native.problem if native is not None else None
        found.append(
            StdlibModule(name=name, present=name in present, path=text(path) if path is not None else None, problem=problem)
        )
    return tuple(found)


def _inside_binary(names: list[str], paths: list[str]) -> set[str]:
    """Those modules whose initialiser is linked into one of the binaries."""
    found: set[str] = set()
    for path in paths:
        try:
            fd, info = files.open_regular(path)
        except files.Unreadable:
            continue
        try:
            if 0 < info.st_size < 1 << 28:
                with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data:
                    found |= {n for n in names if data.find(b"PyInit_" + n.encode() + b"\0") >= 0}
        except (OSError, ValueError):
            continue
        finally:
            os.close(fd)
    return found


def _externally_managed(config: VenvConfig | None, stdlib: str | None) -> str | None:
    """EXTERNALLY-MANAGED of an installation; a virtual environment is never externally managed (PEP 668)."""
    if config is not None or stdlib is None:
        return None
    path = f"{stdlib}/EXTERNALLY-MANAGED"
    return text(path) if files.is_file(path) else None


def _origin(scene: Scene, base: str | None) -> str | None:
    """Who made the base interpreter, as far as its path or its files tell."""
    if base is None:
        return None
    path = base.replace("\\", "/")
    for mark, origin in (
        ("/.pyenv/versions/", "pyenv"),
        ("/pyenv/versions/", "pyenv"),
        ("/uv/python/", "uv"),
        ("/Cellar/", "homebrew"),
        ("/homebrew/", "homebrew"),
        ("/linuxbrew/", "homebrew"),
        ("/Library/Frameworks/Python.framework", "python.org"),
        ("/Python3.framework/", "xcode"),
        ("/nix/store/", "nix"),
        ("/.asdf/installs/", "asdf"),
        ("/mise/installs/", "mise"),
        ("/.rye/py/", "rye"),
        ("/hostedtoolcache/", "github-actions"),
        ("/WindowsApps/", "microsoft-store"),
    ):
        if mark in path + "/":
            return origin
    if files.is_folder(f"{base}/conda-meta"):
        return "pixi" if "/.pixi/" in path else "conda"
    if re.search(r"/cpython-3\.\d+(?:\.\d+)?[^/]*-(?:linux|macos|windows)-[^/]+$", path):
        return "uv"
    if path == scene.rooted("/usr"):
        try:
            release = files.read_text(scene.rooted("/etc/os-release"), 1 << 16)
        except files.Unreadable:
            return "system"
        found = re.search(r'^ID="?([\w.-]+)', release, re.MULTILINE)
        return found[1] if found else "system"
    return None


# ---------------------------------------------------------------------------------------------------------------- asking it
def _ask(
    scene: Scene,
    path: str,
    exists: bool,
    launcher: bool,
    head: bytes,
    binary: NativeFile | None,
    libpython: NativeFile | None,
) -> tuple[Run, dict[str, Any] | None]:
    """The interpreter's answer, or why there is none."""
    if not exists:
        return Run(outcome="missing"), None
    if scene.target.foreign:
        return Run(outcome="not-asked", detail="it belongs to another system"), None
    if head.startswith(b"#!") and _starts_nothing(path):
        return Run(outcome="not-asked", detail="it is a script that starts no Python"), None
    if head.startswith(b"#!") or (launcher and not scene.windows and "Python.framework" not in path and binary is None):
        return Run(outcome="not-asked", detail="a script stands in its place; scripts of a target are not run"), None
    if _head(path).startswith(b"#!"):
        return Run(outcome="not-asked", detail="it is started through a script; scripts of a target are not run"), None
    if not _is_native(head):
        what = "the file is empty" if not head else "the file is no program of any system"
        return Run(outcome="exec-format", detail=what), None
    if _blocking(scene):
        return Run(outcome="timeout", detail="it waits for pyvenv.cfg, which is no regular file"), None
    if not scene.probe:
        return Run(outcome="not-asked", detail=_static_reason(scene, binary, libpython)), None
    return _start(scene, path, binary, libpython)


def _starts_nothing(path: str) -> bool:
    """A short script that names no Python and hands its arguments to nobody; its first line aside."""
    try:
        read = files.read(path, 1 << 16)
    except files.Unreadable:
        return False
    body = read.data.partition(b"\n")[2].lower()
    return not read.cut and not any(word in body for word in (b"py", b"$@", b"$*", b"$1", b"argv", b"conda", b"exec $"))


def _blocking(scene: Scene) -> bool:
    """A FIFO or device stands where the interpreter reads pyvenv.cfg: it would wait there for ever."""
    for path in (f"{scene.prefix}/pyvenv.cfg", f"{scene.bin}/pyvenv.cfg"):
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError):
            continue
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            return True
    return False


def _static_reason(scene: Scene, binary: NativeFile | None, libpython: NativeFile | None) -> str | None:
    """What in the files would keep the interpreter from starting here."""
    if binary is None:
        return None
    for piece in binary.slices:
        if piece.interpreter and not files.exists(scene.rooted(piece.interpreter)):
            return f"it asks for the loader {piece.interpreter}, which is not there"
        needed = next((n for n in piece.needed if n.startswith("libpython")), None)
        if needed is not None and libpython is None:
            return f"it needs {needed}, which is not found beside it or in the usual folders"
    return None


def _start(scene: Scene, path: str, binary: NativeFile | None, libpython: NativeFile | None) -> tuple[Run, dict[str, Any] | None]:
    import subprocess

    upper = sys.platform == "win32"
    environ = {k: v for k, v in scene.environ.items() if (k.upper() if upper else k) in _ENVIRONMENT}
    limit = _no_core_dumps()
    try:
        process = subprocess.Popen(
            [path, "-I", "-S", "-B", "-c", _QUESTION],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            cwd="/" if os.name == "posix" else None,
            start_new_session=os.name == "posix",
        )
    except (OSError, ValueError) as error:
        return _not_started(error, scene, binary, libpython), None
    finally:
        _core_dumps(limit)
    answer, timed_out = _listen(process)
    code = process.returncode
    if timed_out:
        return Run(outcome="timeout", detail=f"no answer in {TIMEOUT:.0f} seconds"), None
    start = answer.rfind(_MARK + b"\0")
    if code == 0 and start >= 0:
        probe = _parsed(answer[start:])
        if probe is not None:
            return Run(outcome="ok"), probe
    return _failed(code, answer), None


def _listen(process: subprocess.Popen[bytes]) -> tuple[bytes, bool]:
    """What the process writes, bounded in size and time; the process and its group are gone afterwards."""
    import subprocess
    import time

    assert process.stdout is not None
    timed_out = False
    parts: list[bytes] = []
    if os.name != "posix":
        try:
            out, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
            timed_out = True
        return out[:_MAX_ANSWER], timed_out
    import select

    deadline = time.monotonic() + TIMEOUT
    fd = process.stdout.fileno()
    size = 0
    while True:
        left = deadline - time.monotonic()
        ready = select.select([fd], [], [], left)[0] if left > 0 else []
        if not ready:
            timed_out = True
            break
        part = os.read(fd, 1 << 16)
        if not part:
            break
        parts.append(part)
        size += len(part)
        if size > _MAX_ANSWER:
            break
    try:
        process.wait(max(deadline - time.monotonic(), 0.01) if not timed_out and size <= _MAX_ANSWER else 0.01)
    except subprocess.TimeoutExpired:
        timed_out = True
        try:
            os.killpg(process.pid, 9)
        except OSError:
            process.kill()
        process.wait()
    process.stdout.close()
    return b"".join(parts), timed_out


def _parsed(answer: bytes) -> dict[str, Any] | None:
    fields = answer.decode("utf-8", "surrogateescape").split("\0")
    if len(fields) != 12 or not re.fullmatch(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?", fields[1]):
        return None
    return {
        "version": fields[1],
        "implementation": fields[2],
        "cache_tag": fields[3],
        "abiflags": fields[4],
        "suffix": fields[5],
        "bits": fields[6] == "1",
        "base_prefix": fields[7],
        "prefix": fields[8],
        "builtins": [n for n in fields[9].split("\1") if n],
        "path": [p for p in fields[10].split("\1") if p],
        "platform": fields[11],
    }


def _not_started(error: OSError | ValueError, scene: Scene, binary: NativeFile | None, libpython: NativeFile | None) -> Run:
    """The operating system would not start it."""
    code = error.errno if isinstance(error, OSError) else None
    reason = _static_reason(scene, binary, libpython)
    if code == errno.ENOENT:
        return Run(outcome="missing-loader", detail=reason or "the loader that it asks for is not there")
    if code == errno.ENOEXEC or getattr(error, "winerror", None) in (193, 216):
        machine = binary.slices[0].machine if binary is not None and binary.slices else None
        problem = binary.problem if binary is not None else None
        return Run(
            outcome="exec-format", detail=problem or (f"it is a program for {machine}" if machine else "exec format error")
        )
    if code in (errno.EACCES, errno.EPERM):
        return Run(outcome="not-permitted", detail="permission denied: not executable, or its file system is mounted noexec")
    if code == getattr(errno, "ELIBBAD", None):
        return Run(outcome="missing-loader", detail="its loader is no valid program")
    return Run(outcome="crashed", detail=text(str(getattr(error, "strerror", None) or error)).lower()[:200])


def _failed(code: int, answer: bytes) -> Run:
    """It started and did not answer."""
    words = [line.strip() for line in answer.decode("utf-8", "backslashreplace").splitlines() if line.strip()]
    said = text("\n".join(words))
    if found := re.search(
        r"error while loading shared libraries: ([^:\n]+): (cannot open shared object file[^\n]*|[^\n]+)", said
    ):
        return Run(outcome="missing-library", detail=f"{found[1]}: {found[2]}"[:300])
    if found := re.search(r"Error loading shared library ([^:\n]+): ([^\n]+)", said):
        return Run(outcome="missing-library", detail=f"{found[1]}: {found[2]}"[:300])
    if found := re.search(r"Library not loaded: ([^\n]+)", said):
        return Run(outcome="missing-library", detail=found[1][:300])
    if found := re.search(r"Could not open '([^'\n]+)'", said):
        return Run(outcome="missing-loader", detail=f"{found[1]} is not there")
    if code & 0xFFFFFFFF in (0xC0000135, 0xC000007B):
        return Run(outcome="missing-library", detail="a DLL that it needs is missing or of another architecture")
    if re.search(r"Unknown option: -I", said):
        return Run(outcome="not-asked", detail="it is a Python 2")
    if "Exec format error" in said or "cannot execute binary file" in said:
        return Run(outcome="exec-format", detail=words[0][:300])
    telling = next(
        (w for w in words if re.search(r"Fatal Python error|ModuleNotFoundError|Error\b", w)), words[-1] if words else None
    )
    cause = next((w for w in words if w.startswith("ModuleNotFoundError")), None)
    if telling is not None and cause is not None and cause != telling:
        telling = f"{telling} ({cause})"
    if code < 0:
        import signal

        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return Run(outcome="crashed", detail=f"ended by {name}" + (f": {telling}" if telling else "")[:300])
    if telling is None:
        return Run(outcome="crashed", detail=f"it ended with exit code {code} and no answer")
    return Run(outcome="crashed", detail=telling[:300])


def _is_native(head: bytes) -> bool:
    return head[:4] == b"\x7fELF" or head[:2] == b"MZ" or head[:4].hex() in (
        "cffaedfe", "cefaedfe", "feedfacf", "feedface", "cafebabe", "cafebabf",
    )  # fmt: skip


def _head(path: str) -> bytes:
    try:
        return files.read(path, 4096).data
    except files.Unreadable:
        return b""


def _no_core_dumps() -> tuple[int, int] | None:
    """Forbids core files to processes started from now on; returns what :func:`_core_dumps` needs to undo it."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_CORE)
        if limit[0] == 0:
            return None
        resource.setrlimit(resource.RLIMIT_CORE, (0, limit[1]))
    except (ImportError, OSError, ValueError):
        return None
    return limit


def _core_dumps(limit: tuple[int, int] | None) -> None:
    if limit is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, limit)
