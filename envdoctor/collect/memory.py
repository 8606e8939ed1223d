"""Facts of an earlier run, taken over where everything that they came from is as it was.

A part of a run (``recall``) is a function of its inputs, of the variables it read and of what it asked of the file system. All
of that was noted (``collect.watch``) and stands beside the facts in a file of :class:`~envdoctor.cache.Store`. A later run asks
the same questions again, most of them one ``stat`` each; only where every answer is the same are the facts taken over.

A file that was read or a folder that was listed is told by its device, inode, mode, size, modification and change time. Times
are compared for equality, never for order, so a clock that is set back does no harm. What was changed less than :data:`TICK`
before a part began, or during it, could change again without another time to show for it: such a part is not kept (what git
calls the racy index).

What a file's content cannot change unseen is decided there, once: sizes of modules that were only measured, not read, are not
asked again (docs/decisions/006-the-cache.md).
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import starmap
from operator import attrgetter
from struct import Struct
from struct import error as out_of_range
from typing import Any

import msgspec
import packaging

from envdoctor import __version__
from envdoctor.cache import Store, Unusable, locate
from envdoctor.collect import watch
from envdoctor.collect.scene import Scene
from envdoctor.collect.watch import Answer, Variables, Watch
from envdoctor.digests import blake2b
from envdoctor.snapshot import Gap, Interpreter, Snapshot, Target
from envdoctor.speed import speed

TICK = 2_000_000_000
"""Nanoseconds within which two changes can bear one time: FAT's steps; others have 1 s or some milliseconds."""
MEASURED = 24 * 3600
"""Seconds for which sizes of modules that were only measured are believed."""

_HALF = 1 << 63
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, MemoryError, OverflowError)
"""What decoding a damaged or forged file can raise."""
_STATE = Struct("=6q")
"""Device, inode, mode, size, time of content and time of change of a file."""
_signature = attrgetter("st_dev", "st_ino", "st_mode", "st_size", "st_mtime_ns", "st_ctime_ns")
_changed = attrgetter("st_mtime_ns" if sys.platform == "win32" else "st_ctime_ns")


class Part(msgspec.Struct, array_like=True):
    """What is kept of one part of a run."""

    name: str
    inputs: bytes
    made: float
    present: list[str]
    """Files that were read and folders that were listed."""
    signatures: bytes
    """Of ``present``, in that order, :data:`_STATE` for each."""
    absent: list[tuple[str, int]]
    """Those that could not be, with the error number."""
    asked: list[tuple[str, str, Answer]]
    variables: dict[str, bytes | None]
    fields: list[str]
    facts: msgspec.Raw
    """A snapshot that has just these fields."""
    gaps: list[Gap]

    def holds(self, environ: Mapping[str, str], now: float) -> bool:
        """Every answer is still the same."""
        if not 0 <= now - self.made < MEASURED:
            return False
        if any(watch.content_of(environ, name) != value for name, value in self.variables.items()):
            return False
        try:
            if _states(self.present) != self.signatures:
                return False
            return all(_error(path) == error for path, error in self.absent) and all(
                watch.QUESTIONS[question](path) == answer for question, path, answer in self.asked
            )
        except (OSError, ValueError, KeyError, OverflowError):
            return False


class _File(msgspec.Struct, array_like=True):
    """A file of the store."""

    reader: bytes
    """What made it; another reader's is not believed."""
    key: bytes
    parts: list[Part]


class Memory:
    """The parts of earlier runs on the same target, from the same working directory and project."""

    def __init__(self, store: Store, scene: Scene) -> None:
        self.store, self.environ = store, scene.environ
        self.reader = reader()
        self.key = digest_of(
            [scene.target, scene.prefix, scene.cwd, scene.home, scene.project_root, scene.project_named, scene.probe, *_user()]
        )
        self.name = f"{self.key.hex()}.facts"
        self.parts: dict[str, Part] = {}
        self.changed = False
        self.problem: str | None = None
        """Why nothing could be kept."""
        self.current: set[str] = set()
        """Parts that hold in this run, taken over or made in it."""
        self.outdated: dict[str, Part] = {}
        """Parts of the same inputs that do not hold any more."""
        self.used: list[str] = []
        """Parts that were taken over."""
        self.marks: dict[str, tuple[Part, bytes]] = {}
        """Digests of what parts have asked, by their names."""
        self._load()
        scene.environ = Variables(scene.environ)

    def _load(self) -> None:
        data = self.store.read(self.name) if self.store.usable() else None
        if data is None:
            return
        try:
            file = msgspec.msgpack.decode(data, type=_File)
        except UNREADABLE:
            return
        if (file.reader, file.key) == (self.reader, self.key):
            self.parts = {part.name: part for part in file.parts}

    def recall(
        self,
        name: str,
        scene: Scene,
        inputs: object,
        function: Callable[[], dict[str, Any]],
        whole: Callable[[], bool],
        after: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """The snapshot fields that `function` makes: those of the earlier run where they hold, else new ones, which are kept.

        `inputs` is everything that `function` depends on besides the scene and the file system. `whole` says afterwards
        whether nothing crashed. A part that comes `after` others depends on everything that they depend on, too.
        """
        before = [self.parts[one] for one in after if one in self.current]
        try:
            digest = digest_of((inputs, [self._mark(one) for one in before]))
        except (TypeError, ValueError, OverflowError):
            digest = b""
        if len(before) < len(after):
            digest = b""
        known = self.parts.get(name)
        if known is not None and digest and known.inputs == digest and known.holds(self.environ, time.time()):
            fields = _decoded(known)
            if fields is not None:
                scene.gaps += known.gaps
                self.used.append(name)
                self.current.add(name)
                return fields
        if known is not None and digest and known.inputs == digest:
            self.outdated[name] = known
        seen, gaps = Watch(), len(scene.gaps)
        with watch.watching(seen):
            fields = function()
        if digest and whole():
            for one in before:
                for path in one.present:
                    seen.states.pop(path, None)
            part = _part(name, digest, seen, fields, scene.gaps[gaps:], scene.prefix)
            if part is not None:
                self.parts[name] = part
                self.current.add(name)
                self.changed = True
        return fields

    def _mark(self, part: Part) -> tuple[float, bytes]:
        """What tells a part from another one of its name."""
        if self.marks.get(part.name, (None,))[0] is not part:
            self.marks[part.name] = part, blake2b(part.signatures, digest_size=16).digest()
        return part.made, self.marks[part.name][1]

    def unchanged(self, name: str, field: str, path_of: Callable[[Any], str]) -> dict[str, Any]:
        """Of a part that does not hold any more: the facts of a field whose one file is as it was, by that file's path."""
        part = self.outdated.get(name)
        fields = None if part is None else _decoded(part)
        if part is None or fields is None:
            return {}
        facts = {path_of(fact): fact for fact in fields.get(field, ())}
        found: dict[str, Any] = {}
        if len(part.signatures) != _STATE.size * len(part.present):
            return {}
        for path, state in zip(part.present, _STATE.iter_unpack(part.signatures), strict=True):
            if path in facts:
                try:
                    if _STATE.unpack(_state(os.stat(path))) == state:
                        found[path] = facts[path]
                except (OSError, ValueError):
                    continue
        return found

    def save(self) -> None:
        """Writes what is new. Never raises: ``problem`` says what hindered it."""
        if not self.changed:
            return
        try:
            self.store.write(self.name, msgspec.msgpack.encode(_File(self.reader, self.key, list(self.parts.values()))))
        except Unusable as error:
            self.problem = str(error)


def remember(scene: Scene) -> Memory | None:
    """The memory for a scene; None for ``--deep``, which reads everything, and where there is no cache folder."""
    if scene.deep:
        return None
    folder = locate(scene.environ, scene.home)
    return None if folder is None else Memory(Store(folder), scene)


def _state(info: os.stat_result) -> bytes:
    """As :data:`_STATE`; the numbers of Windows that are larger wrap around."""
    return _STATE.pack(*((number + _HALF) % (2 * _HALF) - _HALF for number in _signature(info)))


def _states(paths: list[str]) -> bytes | None:
    """The states of all `paths`; None where one of them cannot be reached."""
    if speed is not None:
        found: bytes | None = speed.states(paths)
        return found
    try:
        return _packed(list(map(os.stat, paths)))
    except (OSError, ValueError):
        return None


def _packed(found: list[os.stat_result]) -> bytes:
    """States one after the other."""
    try:
        return b"".join(starmap(_STATE.pack, map(_signature, found)))
    except out_of_range:
        return b"".join(map(_state, found))


def _part(name: str, inputs: bytes, seen: Watch, fields: dict[str, Any], gaps: list[Gap], prefix: str) -> Part | None:
    """What is kept; None where something changes right now, or has a name that cannot be written down."""
    jump = (time.time_ns() - seen.started) - (time.monotonic_ns() - seen.ticks)
    if abs(jump) > TICK // 2:
        return None
    # One state of a folder tells more cheaply than the types of several names in it.
    folders = Counter(os.path.dirname(path) for question, path in seen.asked if question == "type")
    for folder, count in folders.items():
        if count > 1 and folder.startswith(prefix) and os.path.isdir(folder):
            seen.states.setdefault(folder)
    present: list[str] = []
    absent: list[tuple[str, int]] = []
    found: list[os.stat_result] = []
    for path in seen.states:
        try:
            found.append(os.stat(path))
            present.append(path)
        except (OSError, ValueError):
            absent.append((path, _error(path)))
    if any(map((seen.started - TICK).__lt__, map(_changed, found))):
        return None
    if not all(map(os.path.isabs, (*seen.states, *(path for _, path in seen.asked)))):
        return None
    known = {path: stat.S_IFMT(info.st_mode) for path, info in zip(present, found, strict=True)}
    try:
        part = Part(
            name=name,
            inputs=inputs,
            made=seen.started / 1e9,
            present=present,
            signatures=_packed(found),
            absent=absent,
            asked=[(q, path, answer) for (q, path), answer in seen.asked.items() if not _implied(q, path, answer, known)],
            variables=seen.variables,
            fields=list(fields),
            facts=msgspec.Raw(msgspec.msgpack.encode(Snapshot(**{**_EMPTY, **fields}))),
            gaps=gaps,
        )
        msgspec.msgpack.encode(part)
    except (UnicodeEncodeError, OverflowError):
        return None
    return part


def _implied(question: str, path: str, answer: Answer, known: dict[str, int]) -> bool:
    """The answer cannot change while the states in `known` stay: `path` is one of them, or its folder is and it is no link.

    What a link says, and whether there is one, is a matter of its folder alone: a link is never changed, only replaced.
    """
    if question == "link":
        return known.get(os.path.dirname(path)) == stat.S_IFDIR and os.path.basename(path) not in ("", ".", "..")
    if question != "type":
        return False
    if path in known:
        return known[path] == answer
    return known.get(os.path.dirname(path)) == stat.S_IFDIR and watch.QUESTIONS["own-type"](path) == answer


_EMPTY: dict[str, Any] = {
    "date": "",
    "target": Target(prefix="", kind="unknown", chosen_by=""),
    "interpreter": Interpreter(path=""),
}


def _decoded(part: Part) -> dict[str, Any] | None:
    """The fields of a part."""
    try:
        snapshot = msgspec.msgpack.decode(part.facts, type=Snapshot)
        return {name: getattr(snapshot, name) for name in part.fields}
    except (*UNREADABLE, AttributeError):
        return None


def digest_of(value: object) -> bytes:
    """Sixteen bytes, the same for facts that are the same."""
    try:
        data = msgspec.msgpack.encode(value, enc_hook=repr)
    except UnicodeEncodeError:  # a path that is not UTF-8
        data = repr(value).encode("utf-8", "backslashreplace")
    return blake2b(data, digest_size=16).digest()


def _user() -> tuple[object, ...]:
    """Who reads: what may be read differs."""
    return (os.geteuid(), sorted(os.getgroups())) if hasattr(os, "geteuid") else ()


def _error(path: str) -> int:
    """The error number with which `path` cannot be reached; 0 where it can."""
    try:
        os.stat(path)
    except OSError as error:
        return error.errno or 0
    except ValueError:
        return -1
    return 0


def reader() -> bytes:
    """Which program made the facts: version, the state of its own files, Python and libraries that decode them.

    The files of an installed program change with its RECORD; those of a working tree are looked at one by one.
    """
    state: list[object] = [__version__, sys.version, msgspec.__version__, packaging.__version__]
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    try:
        info = os.stat(f"{os.path.dirname(own)}/envdoctor-{__version__}.dist-info/RECORD")
        return digest_of([*state, own, *_signature(info)])
    except OSError:
        pass
    folders = [own]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda e: e.name):
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name != "__pycache__":
                            folders.append(entry.path)
                    else:
                        info = entry.stat()
                        state.append((entry.path, info.st_size, info.st_mtime_ns))
        except OSError as error:
            state.append((folder, error.errno))
    return digest_of(state)
