"""LCK: lockfiles of every kind, and whether an environment is what they say."""

from envdoctor.rules.base import NO_LOCKS
from envdoctor.snapshot import Snapshot


def idle(snapshot: Snapshot) -> str | None:
    """Why no rule of the family has anything to look at in `snapshot`; None where there is something."""
    return None if snapshot.locks or snapshot.manifests else NO_LOCKS
