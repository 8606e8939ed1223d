"""What rules said of a snapshot in an earlier run: not asked again while the facts are the very same."""

from __future__ import annotations

import msgspec

from envdoctor.cache import Unusable
from envdoctor.collect.memory import UNREADABLE, Memory, digest_of
from envdoctor.finding import Finding
from envdoctor.report import Check
from envdoctor.snapshot import Limits, Machine, Snapshot


class Answers(dict[str, tuple[tuple[Finding, ...], Check]]):
    """By code, what rules said of one snapshot."""

    def __init__(self, memory: Memory, identity: bytes) -> None:
        super().__init__()
        self.memory, self.identity = memory, identity
        self.known = 0
        """Number of those that an earlier run gave."""

    def keep(self) -> None:
        """Writes them for the next run, where there are more than were known. Never raises."""
        if len(self) > self.known and self.memory.problem is None:
            try:
                data = msgspec.msgpack.encode(_File(self.memory.reader, self.identity, dict(self)))
                self.memory.store.write(_name(self.memory), data)
            except UnicodeEncodeError:
                pass  # a name that is not UTF-8
            except Unusable as error:
                self.memory.problem = str(error)


class _File(msgspec.Struct, array_like=True):
    """A file of the store."""

    reader: bytes
    identity: bytes
    answers: dict[str, tuple[tuple[Finding, ...], Check]]


def recalled(memory: Memory, snapshot: Snapshot, machine: Machine | None) -> Answers:
    """What rules said of these very facts, for that machine (None: the snapshot's own).

    Limits of the machine change from minute to minute and are not compared: rules that judge them are ``live``.
    """
    machines = [one and msgspec.structs.replace(one, limits=Limits()) for one in (snapshot.machine, machine)]
    answers = Answers(memory, digest_of((machines, msgspec.structs.replace(snapshot, machine=Machine()))))
    data = memory.store.read(_name(memory)) if memory.store.usable() else None
    if data is not None:
        try:
            file = msgspec.msgpack.decode(data, type=_File)
        except UNREADABLE:
            return answers
        if (file.reader, file.identity) == (memory.reader, answers.identity):
            answers.update(file.answers)
            answers.known = len(answers)
    return answers


def _name(memory: Memory) -> str:
    return f"{memory.key.hex()}.findings"
