"""What a lock installs on a machine, for chosen groups and extras; which of its artifacts fit. Pure.

Lists are filtered by their markers, graphs are followed from their roots, formats of places are asked for the platform.
Specifications: dependency specifiers and their markers (PEP 508), wheel tags (PEP 425), pylock.toml (PEP 751).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from envdoctor.lock.model import Artifact, Lock, Locked

if TYPE_CHECKING:
    from packaging.tags import Tag


def installed_by(
    lock: Lock,
    environment: Mapping[str, str],
    *,
    groups: Collection[str] | None = None,
    extras: Collection[str] = (),
    platform: str | None = None,
) -> tuple[Locked, ...]:
    """The entries that `lock` installs, in the lock's order; the projects themselves (``lock.projects``) are left out.

    `environment` has the PEP 508 variables (``View.environment``). `groups` are those to install, '' standing for the project
    itself; None for the lock's default groups. `platform` is the conda subdir, which formats of places go by; entries of Python
    packages in other formats do not need it. A marker that cannot be decided keeps its entry out.
    """
    raise NotImplementedError


def holds(
    marker: str | None, environment: Mapping[str, str], *, groups: Collection[str] = (), extras: Collection[str] = ()
) -> bool:
    """`marker` holds in `environment`: with extras and groups as pylock, poetry and uv write them. None always holds."""
    raise NotImplementedError


def fits(artifact: Artifact, tags: Mapping[Tag, int] | Collection[Tag]) -> bool:
    """A wheel that has one of `tags` (``View.tags``); everything that is no wheel fits."""
    raise NotImplementedError


def best(artifacts: Iterable[Artifact], tags: Mapping[Tag, int]) -> Artifact | None:
    """What an installer takes: the fitting wheel of the best rank (the highest build number among equals), else what has to be
    built (sdist, archive, directory, vcs), else None."""
    raise NotImplementedError
