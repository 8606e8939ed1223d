"""What is in the process before a module asks for it: libraries that other modules have brought in. Pure, no IO.

A need that no search finds is met when a library of that name is loaded already: `import torchvision` has imported torch,
and torch's modules have loaded libtorch.so. Such a library counts when another extension module brings it in that loads by
itself and belongs to the same distribution or to one that the distribution requires, directly or not; or when a
:class:`~envdoctor.snapshot.Preload` says so.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from envdoctor.lazy import pattern
from envdoctor.loader.model import Loaded, Missing, Root

if TYPE_CHECKING:
    from collections.abc import Container

    from envdoctor.view import View

_NAME = pattern(r"\s*[A-Za-z0-9][A-Za-z0-9._-]*")


class Provided(NamedTuple):
    """Who has loaded a library before, and what shows it."""

    distribution: str
    evidence: str
    loaded: Loaded | None
    """The library, where an extension module brings it in."""


class Process:
    """Judges the needs that no search finds (:attr:`Loads.missing`)."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._loads = view.loads
        self._facts = {(p.distribution, p.library): p for p in view.snapshot.preloads}

    @cached_property
    def failing(self) -> dict[str, tuple[Missing, ...]]:
        """By path of the root: what it needs and nothing provides. Roots that load are left out."""
        return self._settled[0]

    @cached_property
    def failing_orphans(self) -> dict[str, tuple[Missing, ...]]:
        """The same for libraries that no module leads to."""
        found: dict[str, list[Missing]] = {}
        for missing in self._loads.missing_of_orphans:
            if self._loaded_before(missing, self.failing, self._by_orphans_name) is None:
                found.setdefault(missing.root.path, []).append(missing)
        return {path: tuple(items) for path, items in found.items()}

    @cached_property
    def open(self) -> dict[str, tuple[Missing, ...]]:
        """By path of the root: what only its machine can tell (:attr:`Loads.unknown`), orphans included."""
        found: dict[str, list[Missing]] = {}
        needs = (*self._loads.unknown, *self._loads.unknown_of_orphans)
        by_name = self._loads.bringing(frozenset(missing.name for missing in needs))
        for missing in needs:
            if self._loaded_before(missing, self.failing, by_name) is None:
                found.setdefault(missing.root.path, []).append(missing)
        return {path: tuple(items) for path, items in found.items()}

    def provided(self, missing: Missing) -> Provided | None:
        """Who has loaded the library of that need before; None where nobody has."""
        return self._settled[1].get((missing.root.path, missing.asker.path, missing.name))

    @cached_property
    def _settled(self) -> tuple[dict[str, tuple[Missing, ...]], dict[tuple[str, str, str], Provided]]:
        """Roots load in rounds: what one round has settled provides for the next."""
        waiting: dict[str, list[Missing]] = {}
        for missing in self._loads.missing:
            waiting.setdefault(missing.root.path, []).append(missing)
        provided: dict[tuple[str, str, str], Provided] = {}
        while waiting:
            settled: list[str] = []
            for path, needs in waiting.items():
                found = [self._loaded_before(need, waiting, self._by_name) for need in needs]
                for need, one in zip(needs, found, strict=True):
                    if one is not None:
                        provided[path, need.asker.path, need.name] = one
                if all(one is not None for one in found):
                    settled.append(path)
            if not settled:
                break
            for path in settled:
                del waiting[path]
        left = {
            path: tuple(need for need in needs if (path, need.asker.path, need.name) not in provided)
            for path, needs in waiting.items()
        }
        return left, provided

    def _loaded_before(
        self, missing: Missing, failing: Container[str], by_name: dict[str, list[tuple[Root, Loaded]]]
    ) -> Provided | None:
        own = missing.root.distribution
        top = missing.root.module.partition(".")[0]
        for root, loaded in by_name.get(missing.name, ()):
            if root.path in failing or root is missing.root:
                continue
            if own is not None and root.distribution is not None:
                if root.distribution == own:
                    return Provided(own, f"{root.module} of {own} loads {missing.name}", loaded)
                if root.distribution in self._view.requires(own):
                    return Provided(root.distribution, f"{own} requires {root.distribution}, which loads {missing.name}", loaded)
            elif root.module.partition(".")[0] == top and root.distribution is own:
                return Provided(top, f"{root.module} loads {missing.name}", loaded)
        fact = self._facts.get((own or top, missing.name))
        return Provided(fact.provider, fact.evidence, None) if fact is not None else None

    @cached_property
    def _by_name(self) -> dict[str, list[tuple[Root, Loaded]]]:
        """Roots that bring in a library of a name that modules miss, by that name."""
        return self._loads.bringing(frozenset(missing.name for missing in self._loads.missing))

    @cached_property
    def _by_orphans_name(self) -> dict[str, list[tuple[Root, Loaded]]]:
        """The same for names that other libraries miss."""
        return self._loads.bringing(frozenset(missing.name for missing in self._loads.missing_of_orphans))
