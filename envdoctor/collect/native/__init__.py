"""Header facts of native files: ELF, Mach-O, PE, and what stands there when it is none of them.

A file costs one open, a stat, and three or four short reads; nothing is read whole. What a file claims about itself may be a
lie, so every table is bounded, every offset checked, and whatever does not make sense becomes
:attr:`~envdoctor.snapshot.NativeFile.problem`.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import msgspec

from envdoctor.collect import files
from envdoctor.collect.native import macho
from envdoctor.collect.native.elf import MAGIC as ELF_MAGIC
from envdoctor.collect.native.elf import Elf, tidy
from envdoctor.collect.native.macho import MachO
from envdoctor.collect.native.pe import Pe
from envdoctor.extensions import module_of
from envdoctor.snapshot import NativeFile, Slice, text
from envdoctor.speed import speed

HEAD = 4096
"""Bytes of the first read: they hold the program headers of nearly every ELF file and the load commands of most others."""

_BAD = (struct.error, ValueError, IndexError, OverflowError, OSError)
"""What reading a file that lies, shrinks or fails under the hand can raise."""


_FREE_THREADED = frozenset([b"_Py_MergeZeroLocalRefcount", b"_Py_DecRefShared"])


class PythonSymbols:
    """The C-API names that the target's interpreter exports, read from its binary or libpython when first asked."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(dict.fromkeys(paths))
        self._names: frozenset[bytes] | None = None

    @property
    def names(self) -> frozenset[bytes]:
        """Exported names that begin with ``Py`` or ``_Py``; empty where no file could be read."""
        if self._names is None:
            found: set[bytes] = set()
            for path in self._paths:
                found.update(name for name in exported_symbols(path) if name.startswith((b"Py", b"_Py")))
            self._names = frozenset(found)
        return self._names


def read(
    path: str,
    *,
    folder: int = -1,
    rel: str | None = None,
    owner: str | None = None,
    source_beside: bool = False,
    python: PythonSymbols | None = None,
) -> NativeFile:
    """Header facts of the file at `path`. Bad content is a problem in the result, never an error.

    `rel` is the path relative to site folder number `folder` under which the fact is filed (default: `path`). `owner` is the
    distribution that it belongs to, `source_beside` is passed on. With `python`, extension modules without a tag in their
    name are asked for C-API symbols that this interpreter lacks.
    """
    initializer = _initializer(rel) if rel is not None else None
    if speed is not None:
        files.noted(path)
        found = speed.elf_read(path, initializer)
        if found is not None:
            fact = _tidy(found, path, folder, rel if rel is not None else path, owner, source_beside, python)
            if fact is not None:
                return fact
    return _read(path, folder, rel if rel is not None else path, owner, source_beside, python, initializer)


def _tidy(
    found: tuple[int, bool, bool | None, bytes],
    path: str,
    folder: int,
    rel: str,
    owner: str | None,
    source_beside: bool,
    python: PythonSymbols | None,
) -> NativeFile | None:
    """The fact of a file of which the compiled reader says `found`; None where it cannot say all that is asked."""
    size, cut, init, facts = found
    kind, slices = tidy(facts)
    missing: tuple[str, ...] = ()
    gil = False
    if init is not None:
        if kind != "library":
            init = None
        elif init and python is not None:
            undefined = speed.elf_undefined(path, False)
            if undefined is None:
                return None
            missing = _missing(undefined, python)
            gil = _built_with_gil(undefined, python)
    return NativeFile(
        path=rel if rel.isascii() else text(rel),
        folder=folder,
        owner=owner,
        size=size,
        format="elf",
        kind=kind,
        slices=slices,
        sections_cut=cut,
        init=init,
        source_beside=source_beside,
        python_symbols=missing,
        built_with_gil=gil,
    )


def _read(
    path: str,
    folder: int,
    rel: str,
    owner: str | None,
    source_beside: bool,
    python: PythonSymbols | None,
    initializer: bytes | None,
) -> NativeFile:
    """:func:`read` without the compiled reader."""
    name = text(rel)
    try:
        fd, info = files.open_regular(path)
    except files.Unreadable as error:
        return NativeFile(path=name, folder=folder, owner=owner, kind="other", problem=f"cannot be read: {error}")
    size = info.st_size
    try:
        head = os.pread(fd, HEAD, 0)
        magic = head[:4]
        problem: str | None
        kind: Literal["library", "executable", "object", "other"]
        form: Literal["elf", "macho", "pe", "unknown"]
        slices: tuple[Slice, ...]
        image: Elf | MachO | Pe
        if magic == ELF_MAGIC:
            image = Elf(fd, head, size)
            form = "elf"
            slices = (image.slice,) if image.slice else ()
        elif magic in macho.THIN or (magic in macho.FAT and _is_fat(head)):
            image = MachO(fd, head, size)
            form, slices = "macho", image.slices
        elif magic[:2] == b"MZ":
            image = Pe(fd, head, size)
            form = "pe"
            slices = (image.slice,) if image.slice else ()
        else:
            kind, problem = _not_native(head, size)
            return NativeFile(path=name, folder=folder, owner=owner, size=size, kind=kind, problem=problem)
        kind, problem = image.kind, image.problem
        init: bool | None = None
        missing: tuple[str, ...] = ()
        gil = False
        if kind == "library" and initializer is not None:
            init = image.exports(initializer)
            if init and python is not None and isinstance(image, Elf):
                undefined = image.undefined()
                missing = _missing(undefined, python)
                gil = _built_with_gil(undefined, python)
        return NativeFile(
            path=name,
            folder=folder,
            owner=owner,
            size=size,
            format=form,
            kind=kind,
            slices=slices,
            problem=problem,
            sections_cut=isinstance(image, Elf) and image.sections_cut,
            init=init,
            source_beside=source_beside,
            python_symbols=missing,
            built_with_gil=gil,
        )
    except _BAD as error:
        reason = str(files.unreadable(error)) if isinstance(error, OSError) else "headers that make no sense"
        return NativeFile(path=name, folder=folder, owner=owner, size=size, kind="other", problem=reason)
    finally:
        os.close(fd)


def read_all(
    root: str,
    paths: Iterable[str],
    *,
    folder: int,
    owners: Mapping[tuple[int, str], str],
    modules: Container[str] | None = None,
    python: PythonSymbols | None = None,
    known: Mapping[str, NativeFile] | None = None,
    ahead: Ahead | None = None,
) -> list[NativeFile]:
    """:func:`read` for all `paths` below `root`, in their order.

    `owners` maps (site folder, path) to the distribution; `modules` holds the paths of all files of the folder, for
    ``source_beside``; `known` has facts of files that need not be read again, by absolute path;
    `ahead` are the same files, begun earlier.
    """
    paths = list(paths)
    if known:
        ahead = None
    if ahead is None and speed is not None:
        ahead = Ahead(root, [rel for rel in paths if f"{root}/{rel}" not in known] if known else paths)
    found = []
    for rel in paths:
        package, slash, name = rel.rpartition("/")
        beside = modules is not None and f"{package}{slash}{name.partition('.')[0]}.py" in modules
        owner = owners.get((folder, rel))
        path = f"{root}/{rel}"
        if known and path in known:
            found.append(msgspec.structs.replace(known[path], owner=owner, source_beside=beside))
            continue
        said = ahead.take(rel) if ahead is not None else None
        fact = None
        if said is not None:
            files.noted(path)
            fact = _tidy(said, path, folder, rel, owner, beside, python)
        found.append(fact or read(path, folder=folder, rel=rel, owner=owner, source_beside=beside, python=python))
    return found


class Ahead:
    """The headers of many files below a folder, which threads read while something else is done; nothing is noted in the watch
    before the answers are taken. Only where there are compiled readers."""

    def __init__(self, root: str, paths: Sequence[str]) -> None:
        self._places = {rel: place for place, rel in enumerate(paths)}
        self._found = speed.Ahead(root, [(rel, _initializer(rel)) for rel in paths], _threads())

    def take(self, rel: str) -> tuple[int, bool, bool | None, bytes] | None:
        """What the compiled reader says of the file, waited for; None where it leaves it to others, or was not asked."""
        place = self._places.get(rel)
        return self._found.take(place) if place is not None else None


def ahead(root: str, paths: Sequence[str]) -> Ahead | None:
    """Begins to read the headers of those files, for :func:`read_all`; None where nothing can be gained by that."""
    return Ahead(root, paths) if speed is not None and _threads() else None


def _threads() -> int:
    """How many threads may run beside this one."""
    try:
        return min(len(os.sched_getaffinity(0)), 5) - 1
    except (AttributeError, OSError):
        return min(os.cpu_count() or 1, 5) - 1


@contextmanager
def open_elf(path: str) -> Iterator[Elf | None]:
    """The ELF file at `path` for questions about its symbols (``defines``, ``unversioned``, ``exported``); None if it is none.

    The questions raise nothing for content that lies; OSError when the disk fails.
    """
    try:
        fd, info = files.open_regular(path)
    except files.Unreadable:
        yield None
        return
    try:
        head = os.pread(fd, HEAD, 0)
        image = Elf(fd, head, info.st_size) if head[:4] == ELF_MAGIC else None
    except _BAD:
        os.close(fd)
        yield None
        return
    try:
        yield image
    finally:
        os.close(fd)


def unversioned_symbols(path: str) -> set[bytes]:
    """Strong undefined symbols of an ELF file that carry no version; empty for what cannot be read."""
    found = None
    if speed is not None:
        files.noted(path)
        found = speed.elf_undefined(path, True)
    return _symbols(path, Elf.unversioned) if found is None else found


def tidily_defined(path: str, names: set[bytes]) -> set[bytes] | None:
    """:func:`defined_symbols` by the compiled reader; None where it has no answer."""
    if speed is None:
        return None
    files.noted(path)
    found: set[bytes] | None = speed.elf_defined(path, names)
    return found


def defined_symbols(path: str, names: Iterable[bytes]) -> set[bytes]:
    """Those of `names` that the ELF file at `path` defines; empty for what cannot be read."""
    return _symbols(path, lambda image: image.defines(names))


def exported_symbols(path: str) -> set[bytes]:
    """Names of the dynamic symbols that a library or program defines; empty for what cannot be read."""
    return _symbols(path, Elf.exported, lambda image: {name for part in image.parts[:1] for name in image.symbols(part)[1]})


def wanted_symbols(path: str) -> set[bytes]:
    """Names of the strong dynamic symbols that an ELF file needs of others, and of the versions that it needs them in."""
    return _symbols(path, lambda image: image.undefined() | image.needed_versions())


def _symbols(path: str, of_elf: Callable[[Elf], set[bytes]], of_macho: Callable[[MachO], set[bytes]] | None = None) -> set[bytes]:
    """What one of the two finds in a file of its format; empty for another format and for what cannot be read."""
    try:
        fd, info = files.open_regular(path)
    except files.Unreadable:
        return set()
    try:
        head = os.pread(fd, HEAD, 0)
        if head[:4] == ELF_MAGIC:
            return of_elf(Elf(fd, head, info.st_size))
        if of_macho and (head[:4] in macho.THIN or (head[:4] in macho.FAT and _is_fat(head))):
            return of_macho(MachO(fd, head, info.st_size))
    except _BAD:
        pass
    finally:
        os.close(fd)
    return set()


def _missing(undefined: set[bytes], python: PythonSymbols) -> tuple[str, ...]:
    """Strong undefined C-API symbols of known Pythons that this one does not export."""
    from envdoctor.data.python_symbols import SYMBOLS

    known = python.names
    if not known:
        return ()
    names = [name.decode("ascii", "replace") for name in undefined - known if name.startswith((b"Py", b"_Py"))]
    return tuple(sorted(name for name in names if name in SYMBOLS))


def _built_with_gil(undefined: set[bytes], python: PythonSymbols) -> bool:
    """The module drops references as builds with the GIL do, and the interpreter is free-threaded. (``Py_DECREF`` of Python
    3.13's headers calls ``_Py_Dealloc`` in the one, ``_Py_MergeZeroLocalRefcount`` and ``_Py_DecRefShared`` in the other.)"""
    if not python.names >= _FREE_THREADED:
        return False
    return b"_Py_Dealloc" in undefined and not undefined & _FREE_THREADED


def _initializer(rel: str) -> bytes | None:
    """The function by which the file at `rel` would be an extension module, if its name does not tell whether it is one."""
    if rel[rel.rfind("/") + 1 :].partition(".")[2] not in ("so", "pyd"):
        return None  # a tag, or no module's name at all
    module = module_of(rel)
    return _init_name(module[1].stem) if module is not None and module[1].family == "none" else None


def _init_name(stem: str) -> bytes:
    """The initialisation function of a module (PEP 489)."""
    if stem.isascii():
        return b"PyInit_" + stem.encode()
    return b"PyInitU_" + stem.encode("punycode").replace(b"-", b"_")


def _is_fat(head: bytes) -> bool:
    """A fat Mach-O file and no Java class: the count of slices is small, and the first CPU type is one."""
    count = int.from_bytes(head[4:8], "big")
    return 0 < count <= macho.MAX_SLICES


def _not_native(head: bytes, size: int) -> tuple[Literal["object", "other"], str]:
    """What a file is that bears a native file's name and none of their magic numbers."""
    if size == 0:
        return "other", "empty"
    if not head.strip(b"\0"):
        return "other", "filled with zero bytes" if size <= HEAD else f"begins with {len(head)} zero bytes"
    if head.startswith(b"version https://git-lfs"):
        return "other", "a git-lfs pointer: the file itself was never fetched"
    if head.startswith((b"!<arch>\n", b"!<thin>\n")):
        return "object", "a static archive"
    if head.startswith(b"\xca\xfe\xba\xbe"):
        return "other", "a Java class file"
    if head.startswith(b"PK\x03\x04"):
        return "other", "a zip archive"
    if head.startswith(b"\x1f\x8b"):
        return "other", "gzip-compressed data"
    if head.startswith(b"BC\xc0\xde"):
        return "object", "LLVM bitcode"
    start = head[:1024]
    if b"\0" not in start:
        if b"GNU ld script" in start or re.search(rb"^\s*(INPUT|GROUP)\s*\(", start, re.MULTILINE):
            return "other", "a linker script in text form"
        lower = start.lstrip().lower()
        if lower.startswith((b"<!doctype", b"<html", b"<?xml")):
            return "other", "a web page or XML text"
        if sum(byte >= 32 or byte in (9, 10, 13) for byte in start) > 0.95 * len(start):
            return "other", "a text file"
    return "other", "not a native file"
