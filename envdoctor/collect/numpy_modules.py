"""Extension modules that import numpy's C-API, and which headers they were compiled with (LIB004).

numpy's headers put texts into every module that calls ``import_array()``: the name of the module that holds the C-API
(``numpy.core._multiarray_umath``; headers of numpy 2 try ``numpy._core._multiarray_umath`` first), the message of the check
of the ABI version, and, since 1.25, the oldest numpy that the module runs with, which stands there "to allow grepping the
binaries" (numpy/numpyconfig.h). Cython's modules that only take over numpy's types check their sizes, which numpy 2 changed;
those compiled with numpy 1 name ``numpy.core``, too. Looked for in the read-only data of the extension modules of
distributions that require numpy. The modules of one published wheel are compiled with the same headers, so the first that
tells speaks for all of them; what was built or changed here is read whole.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from typing import Literal

from envdoctor.collect import files
from envdoctor.collect.scene import Scene
from envdoctor.collect.tree import Tree
from envdoctor.lazy import pattern
from envdoctor.natives import Group, Native
from envdoctor.snapshot import Distribution, NumpyModule
from envdoctor.view import View

MAX_FILE = 24 << 20
"""Bytes of read-only data that are searched of one file."""
MAX_PUBLISHED = 12 << 20
"""Bytes that are searched of one published wheel without ``--deep``; the smallest modules first."""
MAX_BYTES = 256 << 20
"""Bytes that are searched of all files together."""
MAX_FACTS = 2000

_CHECK = b"module compiled against ABI version"
_NEW = b"numpy._core"
_OLD = b"numpy.core"
_SIZES = b"size changed, may indicate binary incompatibility"
_TYPES = b"flatiter"
_RUNNING = b") but the running NumPy"
_TARGET = pattern(rb"\(NumPy (\d{1,2}\.\d{1,3})\) but the running NumPy")
_REQUIRES = pattern(r"(?i)\s*numpy\s*(?:$|[\s<>=!~;@(\[])")
_PUBLISHED = ("manylinux", "musllinux", "macosx", "win")
_HEAD = 4096


def collect(scene: Scene, view: View, trees: Sequence[Tree | None]) -> tuple[NumpyModule, ...]:
    """Facts of the modules of `view` that were read and import numpy's C-API, in the order of its groups."""
    if "numpy" not in view.by_name:
        return ()
    found: list[NumpyModule] = []
    left = MAX_BYTES
    for group in view.loading.groups:
        modules = [native for native in group.extensions if native.fits and native.arch is not False]
        if not modules or group.key == "numpy":
            continue
        dist = group.dist
        owned = dist is not None and group.key == dist.name
        tree = trees[group.site]
        if tree is None:
            continue
        if dist is not None and owned and not any(_REQUIRES.match(text) for text in dist.requires):
            # what an index publishes names numpy where it needs it; what somebody built by hand often does not
            modules = [native for native in modules if not published(dist, native.file.path, tree)]
            if not modules:
                continue
        as_published = [native for native in modules if published(dist, native.file.path, tree)] if owned else []
        rest = [native for native in modules if native not in as_published] if as_published else modules
        budget = left if scene.deep else min(left, MAX_PUBLISHED)
        facts: list[NumpyModule] = []
        for native in sorted(as_published, key=lambda n: (n.file.size, n.file.path)):
            if budget <= 0 or native.file.size > 8 * MAX_FILE:
                break
            fact, spent = _read(tree, group, native)
            budget -= spent
            left -= spent
            if fact is None:
                continue
            facts.append(fact)
            if fact.imports_api and not scene.deep:
                facts = [fact]
                break
        found += facts if scene.deep else facts[-1:]
        for native in rest:
            if left <= 0:
                break
            fact, spent = _read(tree, group, native)
            left -= spent
            if fact is not None:
                found.append(fact)
    if left <= 0:
        reason = f"more than {MAX_BYTES >> 20} MiB to search for numpy's C-API: the rest was left out"
        scene.gap("numpy", scene.target.prefix, reason)
    return tuple(found[:MAX_FACTS])


def published(dist: Distribution | None, path: str, tree: Tree) -> bool:
    """The file is as some index or channel published it: in a wheel with a tag that only build farms give, or made by conda,
    and of the size that RECORD has for it."""
    if dist is None or path in tree.different or dist.editable is not None:
        return False
    if dist.conda or dist.system_package:
        return True
    if dist.direct_url is not None and not dist.direct_url.url.startswith("http"):
        return False
    tags = dist.wheel.tags if dist.wheel is not None else ()
    return any(tag.rpartition("-")[2].startswith(_PUBLISHED) for tag in tags)


def _read(tree: Tree, group: Group, native: Native) -> tuple[NumpyModule | None, int]:
    """The fact about one module, and how many bytes were searched."""
    file = native.file
    try:
        fd, info = files.open_regular(tree.path(file.path))
    except files.Unreadable:
        return None, 0
    try:
        parts = [os.pread(fd, size, offset) for offset, size in _constants(fd, info.st_size)]
    except OSError:
        return None, 0
    finally:
        os.close(fd)
    data = parts[0] if len(parts) == 1 else b"\0".join(parts)
    calls = _CHECK in data
    if not calls and not (_SIZES in data and _TYPES in data):
        return None, len(data)
    major: Literal[1, 2] = 2 if _NEW in data else 1
    if (major == 1 and _OLD not in data) or (major == 2 and not calls):
        return None, len(data)
    match = _TARGET.search(data, max(0, data.find(_RUNNING) - 100)) if _RUNNING in data else None
    target = match[1].decode() if match else None
    fact = NumpyModule(path=file.path, folder=group.site, owner=file.owner, major=major, target=target, imports_api=calls)
    return fact, len(data)


def _constants(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Offset and size of the parts of a file in which texts stand: ``.rodata`` of an ELF file, else all of it."""
    head = os.pread(fd, _HEAD, 0)
    places = _sections(fd, head, size) if head[:4] == b"\x7fELF" and len(head) >= 64 else []
    for offset, length in places or [(0, size)]:
        if 0 <= offset < size:
            yield offset, min(length, MAX_FILE, size - offset)


def _sections(fd: int, head: bytes, size: int) -> list[tuple[int, int]]:
    """The sections of an ELF file whose names begin with ``.rodata``; none where the section headers do not tell."""
    wide, order = head[4] == 2, "<" if head[5] == 1 else ">"
    (table,) = struct.unpack_from(order + ("Q" if wide else "I"), head, 40 if wide else 32)
    width, count, names_at = struct.unpack_from(order + "HHH", head, 58 if wide else 46)
    # name, type, offset and size; flags, address, links, alignment and size of entries are skipped
    layout = struct.Struct(order + ("II16xQQ24x" if wide else "II8xII16x"))
    if width != layout.size or not 0 < count <= 1024 or not 0 < table < size:
        return []
    raw = os.pread(fd, count * width, table)
    if len(raw) < count * width or names_at >= count:
        return []
    rows = list(layout.iter_unpack(raw))
    _, _, start, length = rows[names_at]
    names = os.pread(fd, min(length, 1 << 16), start) if start < size else b""
    return [
        (offset, length)
        for name, kind, offset, length in rows
        if kind == 1 and offset < size and names[name : name + 7] == b".rodata"
    ]
