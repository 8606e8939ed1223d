"""What collectors ask first and rules ask again, about a snapshot that has more fields filled by then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Last(Generic[T]):
    """Keeps one answer, with the facts that it came from."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[object, ...], tuple[object, ...], T] | None = None

    def get(self, same: tuple[object, ...], equal: tuple[object, ...], make: Callable[[], T]) -> T:
        """What `make` returned last time, where `same` are the very same objects as then and `equal` are equal ones."""
        kept = self._kept
        if kept is None or kept[1] != equal or any(a is not b for a, b in zip(kept[0], same, strict=True)):
            kept = self._kept = (same, equal, make())
        return kept[2]
