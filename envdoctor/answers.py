"""What rules said of a snapshot in an earlier run: not asked again while the facts are the very same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from envdoctor.cache import Unusable
from envdoctor.collect.memory import UNREADABLE, Memory, digest_of
from envdoctor.finding import Finding
from envdoctor.report import Check
from envdoctor.snapshot import Limits, Machine, Snapshot

if TYPE_CHECKING:
    from envdoctor.collect import Reading


class Answers(dict[str, tuple[tuple[Finding, ...], Check]]):
    """By code, what rules said of one snapshot."""

    def __init__(self, memory: Memory, name: str, identity: bytes, kept: _File | None) -> None:
        super().__init__()
        self.memory, self.name, self.identity = memory, name, identity
        if kept is not None and kept.identity == identity:
            self.update(kept.answers)
        self.known = len(self)
        """Number of those that an earlier run gave."""

    def keep(self, reading: Reading | None = None) -> None:
        """Writes them for the next run, where there are more than were known. Never raises.

        With a `reading` they are of the facts that it has come to, whatever was known when they were given.
        """
        if len(self) > self.known and self.memory.problem is None:
            parts: tuple[str, ...] = ()
            if reading is not None:
                parts = tuple(sorted(reading.done))
                self.identity = _identity(reading.collected().snapshot, None, parts)
            try:
                data = msgspec.msgpack.encode(_File(self.memory.reader, self.identity, parts, dict(self)))
                self.memory.store.write(self.name, data)
            except UnicodeEncodeError:
                pass  # a name that is not UTF-8
            except Unusable as error:
                self.memory.problem = str(error)


class _File(msgspec.Struct, array_like=True):
    """A file of the store."""

    reader: bytes
    identity: bytes
    parts: tuple[str, ...]
    """Parts of the snapshot that rules of a selection asked for; empty where they were asked about all facts."""
    answers: dict[str, tuple[tuple[Finding, ...], Check]]


def recalled(memory: Memory, snapshot: Snapshot, machine: Machine | None) -> Answers:
    """What rules said of these very facts, for that machine (None: the snapshot's own)."""
    name = f"{memory.key.hex()}.findings"
    return Answers(memory, name, _identity(snapshot, machine, ()), _kept(memory, name))


def recalled_for(memory: Memory, reading: Reading, codes: Sequence[str]) -> Answers:
    """What just these rules said of what a reading comes to with the parts that they asked for last time, which are read."""
    name = f"{digest_of((memory.key, codes)).hex()}.findings"
    kept = _kept(memory, name)
    if kept is not None:
        reading.more(kept.parts)
    return Answers(memory, name, _identity(reading.collected().snapshot, None, reading.done), kept)


def _identity(snapshot: Snapshot, machine: Machine | None, parts: Iterable[str]) -> bytes:
    """Tells facts from others. `parts` are those that were read where not all were: others are as good as empty here.

    Limits of the machine change from minute to minute and are not compared: rules that judge them are ``live``.
    """
    machines = [one and msgspec.structs.replace(one, limits=Limits()) for one in (snapshot.machine, machine)]
    return digest_of((machines, msgspec.structs.replace(snapshot, machine=Machine()), sorted(parts)))


def _kept(memory: Memory, name: str) -> _File | None:
    """The file of that name, if it is of this envdoctor."""
    data = memory.store.read(name) if memory.store.usable() else None
    if data is None:
        return None
    try:
        file = msgspec.msgpack.decode(data, type=_File)
    except UNREADABLE:
        return None
    return file if file.reader == memory.reader else None
