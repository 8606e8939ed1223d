"""How much work a call is, without a clock: the same on a busy machine, on a slow one and under a garbage collector."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def calls(work: Callable[[], object]) -> int:
    """How many functions, of Python and of C, running `work` calls."""
    count = 0

    def seen(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@contextmanager
def ends(seconds: float = 60) -> Iterator[None]:
    """Fails what runs on and on, as an exploding regular expression does: a hundred times of what it takes, not a measure."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_signal: int, _frame: object) -> None:
        raise AssertionError(f"still running after {seconds:g} s of CPU")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
