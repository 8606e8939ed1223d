"""RECORDs and the walk by the compiled table (speed/records.c): what ``records`` and ``tree`` find out, for less.

Used where the extension was built and every RECORD of a site folder is tidy; the Python of those two modules is the
reference, and takes over everywhere else.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any

from envdoctor.collect import files as fs
from envdoctor.collect import records
from envdoctor.collect.records import RECORD_LIMIT, Recorded, Rows
from envdoctor.speed import speed


class LateRows(Rows):
    """Rows that are cut out of the text of a RECORD only when somebody asks for them."""

    def __init__(self, file: str, data: bytes, malformed: list[str], summary: tuple[int, set[str], list[str]]) -> None:
        self.file, self.malformed, self.too_large = file, malformed, False
        self._data = data
        self._count, self._heads, self._tops = summary

    @cached_property
    def _columns(self) -> tuple[list[str], list[str]]:
        paths, _, sizes, _ = records.columns(self._data)
        return paths, sizes

    @property
    def count(self) -> int:
        return self._count

    @property
    def paths(self) -> list[str]:  # type: ignore[override]
        return self._columns[0]

    @property
    def sizes(self) -> list[str]:  # type: ignore[override]
        return self._columns[1]

    @cached_property
    def folders(self) -> set[str]:  # type: ignore[override]
        return {path.rpartition("/")[0] for path in self.paths}

    def heads(self) -> set[str]:
        return self._heads

    def tops(self) -> list[str]:
        return self._tops


class Table(Recorded):
    """RECORDs of a site folder in the compiled table ``index``, in which metadata folders have ``numbers``."""

    numbers: dict[str, int] = {}
    walked: bool = False
    """A walk has noted in the table what is there."""

    def groups(self, folder: str) -> dict[str, dict[str, str]]:
        found = self._by_folder.get(folder)
        if found is None:
            found = self._by_folder[folder] = self.index.groups(folder)
        return found

    def owner(self, path: str) -> str | None:
        return self.index.owner(path)  # type: ignore[no-any-return]

    def has(self, path: str) -> bool:
        return self.index.has(path)  # type: ignore[no-any-return]

    def unknown(self, info: str, known: set[str]) -> list[str]:  # noqa: ARG002 - the table knows
        number = self.numbers.get(info)
        return self.index.unknown(number) if number is not None else []

    def generated(self) -> list[str]:
        return self.index.generated()  # type: ignore[no-any-return]


class Background:
    """A call that goes on in a thread of its own, because most of it runs without the GIL."""

    def __init__(self, function: Callable[[], tuple[Any, ...]]) -> None:
        self.function = function
        self._outcome: tuple[Any, ...] = ()
        self._thread: threading.Thread | None = threading.Thread(target=self._run, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads are to be had
            self._thread = None

    def _run(self) -> None:
        with contextlib.suppress(OSError, ValueError, TypeError, MemoryError):
            self._outcome = self.function()

    def result(self) -> tuple[Any, ...]:
        """What the call returned. Where it could not be made, or came to nothing, it is made now, and raises what it raises."""
        if self._thread is not None:
            self._thread.join()
        return self._outcome or self.function()


def available() -> bool:
    """The extension is here, and file names are UTF-8, as it takes them."""
    return (
        speed is not None
        and (sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()) == ("utf-8", "surrogateescape")
        and os.scandir in os.supports_fd
        and os.stat in os.supports_dir_fd
    )


def read(root: str, untested: frozenset[str]) -> Recorded | None:
    """As ``records.read``; None where a RECORD is not tidy enough. Modules in `untested` folders are not measured."""
    index = speed.Index(tuple(name.encode() for name in untested), int.from_bytes(os.urandom(8), "little"))
    found = Table(index=index)
    for info in records.infos_in(root):
        file = f"{root}/{info}/RECORD"
        try:
            data = fs.read(file, RECORD_LIMIT + 1).data
        except fs.Unreadable:
            continue
        if len(data) > RECORD_LIMIT:
            found.rows[info] = records.too_large(file)
            continue
        malformed: list[str] = []
        try:
            summary = index.add(info, data)
            if summary is None:
                paths, _, sizes, malformed = records.columns(data)
                summary = index.add_columns(info, _joined(paths), _joined(sizes))
        except ValueError:
            return None
        found.numbers[info] = len(found.numbers)
        found.rows[info] = LateRows(file, data, malformed, summary)
        records.note_times(found, root, info, data)
    found.twice = index.twice()
    return found


def fresh(root: str, recorded: Recorded) -> Recorded:
    """`recorded` for a walk: the RECORDs read anew where a walk has already written its findings into their table."""
    if isinstance(recorded, Table):
        if recorded.walked:
            return fresh(root, records.read(root))
        recorded.walked = True
    return recorded


def _joined(column: list[str]) -> bytes:
    return "\0".join(column).encode("utf-8", "surrogateescape")


def expect(recorded: Recorded, trusted: dict[str, int]) -> None:
    """``_Walker._expect``."""
    assert isinstance(recorded, Table)
    index: Any = recorded.index
    for info in trusted:
        index.trust(recorded.numbers[info])
    order = sorted((trusted.get(info, 0), info) for info in recorded.numbers)
    index.expect([(time, recorded.numbers[info]) for time, info in order])
