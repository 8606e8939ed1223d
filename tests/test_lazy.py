"""Patterns are compiled when they are used; here all of them are."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import envdoctor
from envdoctor.lazy import _Pattern, pattern

MODULES = sorted(found.name for found in pkgutil.walk_packages(envdoctor.__path__, "envdoctor.") if "__main__" not in found.name)


@pytest.mark.parametrize("name", MODULES)
def test_every_pattern_compiles(name: str) -> None:
    for value in vars(importlib.import_module(name)).values():
        if isinstance(value, _Pattern):
            assert isinstance(value.pattern, str | bytes)


def test_as_the_real_one() -> None:
    lazy = pattern(r"(?P<a>x)|y", re.IGNORECASE)
    assert lazy.match("X") and lazy.flags & re.IGNORECASE and lazy.pattern == r"(?P<a>x)|y"
    assert lazy.sub("-", "xaY") == "-a-"
    assert [m.group() for m in lazy.finditer("xy")] == ["x", "y"]
    with pytest.raises(AttributeError):
        _ = lazy.nothing  # type: ignore[attr-defined]
