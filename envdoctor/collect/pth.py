"""The .pth files of the site folders, read as ``site.addpackage`` reads them (https://docs.python.org/3/library/site.html).

Nothing of them is run. Text is UTF-8: that is what Python 3.13 tries first and what every common locale means to older
ones; a file that is not ends the start of Python, or is read in the machine's locale (Windows before UTF-8 mode).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from envdoctor.collect import files
from envdoctor.collect.scene import Scene
from envdoctor.collect.tree import Tree
from envdoctor.lazy import pattern
from envdoctor.snapshot import PthFile, PthLine, Site, text

LIMIT = 1 << 20
"""Bytes of a .pth file that are read; real ones have a few hundred."""
MAX_LINES = 2000
"""Lines kept of one file."""
TEXT = 400
"""Characters kept of a line."""

WORDS = (
    "base64", "binascii", "bytes.fromhex", "compile(", "ctypes", "curl", "eval(", "exec(", "http:", "https:", "marshal",
    "os.popen",
    "os.system", "pickle", "powershell", "pty", "requests", "socket", "subprocess", "urllib", "wget", "zlib",
)  # fmt: skip
"""Words in code that start-up code rarely needs."""

_WORDS = pattern(
    "|".join(("" if "." in w else r"(?<![\w.])") + re.escape(w) + (r"(?!\w)" if w[-1].isalnum() else "") for w in WORDS)
)


def collect(
    scene: Scene, sites: Sequence[Site], trees: Sequence[Tree | None], owners: Mapping[tuple[int, str], str]
) -> tuple[PthFile, ...]:
    """Every .pth file in a folder whose .pth files Python reads: the site folders and the user's, not PYTHONPATH's."""
    found: list[PthFile] = []
    for index, site in enumerate(sites):
        if not (site.exists and site.active) or site.role in ("pythonpath", "pth", "stdlib"):
            continue
        tree = trees[index] if index < len(trees) else None
        root = tree.root if tree is not None else site.path
        if tree is not None and tree.top:
            names = sorted(name for name in tree.top if name.endswith(".pth"))
        else:
            try:
                names = [name for name in files.names(root) if name.endswith(".pth")]
            except files.Unreadable:
                continue
        for name in names:
            if tree is not None and name in tree.folders:
                continue
            found.append(_read(scene, index, root, site.path, name, owners.get((index, name))))
    return tuple(found)


def _read(scene: Scene, index: int, root: str, shown: str, name: str, owner: str | None) -> PthFile:
    path = f"{shown}/{text(name)}"
    try:
        content = files.read(f"{root}/{name}", LIMIT)
    except files.Unreadable as error:
        return PthFile(path=path, site=index, owner=owner, problem=str(error))
    problem: str | None = None
    data = content.data.removeprefix(b"\xef\xbb\xbf")
    if content.cut:
        problem = f"larger than {LIMIT >> 20} MiB"
    try:
        decoded = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if not (content.cut and error.start > len(data) - 4):
            line = data.count(b"\n", 0, error.start) + 1
            problem = f"not UTF-8: byte 0x{data[error.start]:02x} in line {line}"
        decoded = data.decode("utf-8", "backslashreplace")
    if problem is None and "\0" in decoded:
        problem = "holds NUL bytes"
    lines = tuple(_lines(scene, root, decoded))
    return PthFile(path=path, site=index, owner=owner, lines=lines, problem=problem)


def _lines(scene: Scene, root: str, content: str) -> list[PthLine]:
    lines: list[PthLine] = []
    for number, raw in enumerate(content.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        if raw.startswith("#") or not raw.strip():
            continue
        if len(lines) >= MAX_LINES:
            break
        shown = text(raw.rstrip()[:TEXT])
        if raw.startswith(("import ", "import\t")):
            words = tuple(sorted({match.group().rstrip("(:") for match in _WORDS.finditer(raw)}))
            lines.append(PthLine(number=number, text=shown, kind="import", length=len(raw.rstrip()), words=words))
        else:
            where, exists = _folder(scene, root, raw.rstrip())
            lines.append(
                PthLine(number=number, text=shown, kind="path", path=text(where), exists=exists, length=len(raw.rstrip()))
            )
    return lines


def _folder(scene: Scene, root: str, line: str) -> tuple[str, bool]:
    """The folder (or zip file) that a line adds to sys.path, and whether it is there."""
    line = line[:4096]
    target = scene.target
    if scene.windows and os.sep == "/":
        line = line.replace("\\", "/")
        if re.match(r"^[A-Za-z]:|^//", line):
            return line, True
    if os.path.isabs(line):
        if target.foreign and target.sysroot is None:
            return line, True
        return line, files.exists(scene.rooted(line))
    where = os.path.normpath(os.path.join(root, line))
    return where, files.exists(where)
