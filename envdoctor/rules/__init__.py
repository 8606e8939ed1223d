"""The registry of rules: found by file name, imported one by one, so that ``explain CODE`` loads a single file.

A rule's place is ``rules/<family>/<code>_<name>.py``: ``rules/pkg/pkg001_dependency_missing.py``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from envdoctor.rules.base import Check, Rule
from envdoctor.snapshot import Snapshot
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.rules.plugins import Plugin

FAMILIES: dict[str, str] = {
    "INT": "interpreter",
    "ARC": "architecture",
    "PTH": "paths",
    "PKG": "packages",
    "PIP": "pip and uv",
    "LIB": "libraries",
    "CND": "conda",
    "LCK": "locks",
    "GPU": "gpu",
    "SYS": "machine",
}
"""Families in the order of reports, with the words for them; those of plugins come behind."""
OWN = frozenset(FAMILIES)
"""Families of envdoctor itself."""


class LoadedRule(NamedTuple):
    """A rule with its check and its page."""

    rule: Rule
    check: Check
    page: str

    @property
    def title(self) -> str:
        """First line of the page, after the name."""
        return self.page.strip().splitlines()[0]


@cache
def modules() -> dict[str, str]:
    """Code to module name, of every rule file, sorted by family and code."""
    found: dict[str, str] = {}
    for family in OWN:
        package = f"{__name__}.{family.lower()}"
        try:
            folder = importlib.import_module(package)
        except ModuleNotFoundError:
            continue
        for info in pkgutil.iter_modules(folder.__path__):
            code = info.name.split("_", 1)[0].upper()
            if code.startswith(family):
                found[code] = f"{package}.{info.name}"
    for plugin in foreign():
        if plugin.problem is None:
            FAMILIES.setdefault(plugin.family, plugin.words)
            found |= plugin.modules
    return dict(sorted(found.items(), key=lambda item: (list(FAMILIES).index(item[0][:3]), item[0])))


@cache
def foreign() -> list[Plugin]:
    """Packages of rules of others (entry points of the group ``envdoctor.rules``)."""
    from envdoctor.rules.plugins import find

    return find(OWN)


def is_own(code: str) -> bool:
    """The rule is envdoctor's own."""
    return code[:3] in OWN


def idle(code: str, snapshot: Snapshot) -> str | None:
    """Why the family of that rule has nothing to look at in `snapshot`, as its package says by ``idle(snapshot)``; None where it
    has. Then none of its modules need to be imported."""
    family = importlib.import_module(modules()[code].rpartition(".")[0])
    asked: Callable[[Snapshot], str | None] | None = getattr(family, "idle", None)
    return asked(snapshot) if asked is not None else None


def load(code: str) -> LoadedRule:
    """The rule with that code. Raises KeyError for an unknown one."""
    module: ModuleType = importlib.import_module(modules()[code])
    return LoadedRule(module.RULE, module.check, module.__doc__ or "")


def prepare(codes: Iterable[str]) -> None:
    """Imports those of the rules that are asked about every target, so that they need not be imported when time is short."""
    for code in codes:
        if is_own(code) and not hasattr(importlib.import_module(modules()[code].rpartition(".")[0]), "idle"):
            load(code)


def load_all(codes: list[str] | None = None) -> list[LoadedRule]:
    """All rules, or those of `codes`, in the registry's order."""
    return [load(code) for code in modules() if codes is None or code in codes]
