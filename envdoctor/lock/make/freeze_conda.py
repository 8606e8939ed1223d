"""A frozen conda environment as conda-lock.yml."""

from __future__ import annotations

from collections.abc import Sequence

from envdoctor.lock.make.options import MakeError
from envdoctor.lock.model import Locked
from envdoctor.snapshot import Snapshot


def text(snapshot: Snapshot, platform: str, entries: Sequence[Locked], header: Sequence[str]) -> str:
    """The lock's text."""
    raise MakeError("a conda environment is frozen as --kind explicit in this version", "--kind explicit")
