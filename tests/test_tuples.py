"""The named tuples of envdoctor against those of typing."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
from typing import Any, NamedTuple

import pytest

import envdoctor
from envdoctor import tuples

MODULES = sorted(found.name for found in pkgutil.walk_packages(envdoctor.__path__, "envdoctor.") if "__main__" not in found.name)


class Theirs(NamedTuple):
    """A page."""

    first: int
    second: str = "b"
    count: tuple[int, ...] = ()

    @property
    def both(self) -> str:
        """Two fields."""
        return f"{self.first}{self.second}"


class Ours(tuples.NamedTuple):
    """A page."""

    first: int
    second: str = "b"
    count: tuple[int, ...] = ()

    @property
    def both(self) -> str:
        """Two fields."""
        return f"{self.first}{self.second}"


def test_they_behave_alike() -> None:
    for one, other in (
        (Ours(1), Theirs(1)),
        (Ours(1, "x"), Theirs(1, "x")),
        (Ours(1, count=(2,)), Theirs(1, count=(2,))),
        (Ours(second="y", first=2), Theirs(second="y", first=2)),
        (Ours(1, "x", (3,)), Theirs(1, "x", (3,))),
    ):
        assert tuple(one) == tuple(other) and one == other and hash(one) == hash(other)
        assert (one.first, one.second, one.count, one.both) == (other.first, other.second, other.count, other.both)
        assert one._asdict() == other._asdict()
        assert tuple(one._replace(second="z")) == tuple(other._replace(second="z"))
        assert repr(one).partition("(")[2] == repr(other).partition("(")[2]
        assert type(one) is Ours and type(one._replace(first=0)) is Ours and type(copy.copy(one)) is Ours
        assert pickle.loads(pickle.dumps(one)) == one
    assert Ours._make([1, "a", ()]) == Theirs._make([1, "a", ()])
    assert (Ours._fields, Ours._field_defaults) == (Theirs._fields, Theirs._field_defaults)
    assert Ours.__match_args__ == Theirs.__match_args__ and Ours.__doc__ == Theirs.__doc__
    match Ours(5):
        case Ours(first, second=word):
            assert (first, word) == (5, "b")
        case _:
            raise AssertionError
    with pytest.raises(AttributeError):
        Ours(1).first = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Ours(1).other = 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "named"),
    [((), {}), ((1, 2, 3, 4), {}), ((1,), {"first": 2}), ((1,), {"nothing": 2}), ((), {"second": "x"})],
)
def test_they_refuse_alike(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    for kind in (Ours, Theirs):
        with pytest.raises(TypeError):
            kind(*values, **named)
    for one in (Ours(1), Theirs(1)):
        with pytest.raises((ValueError, TypeError)):
            one._replace(nothing=1)
        with pytest.raises(TypeError):
            one._make([1])


def test_a_default_comes_last() -> None:
    with pytest.raises(TypeError):
        type(tuples.NamedTuple)("X", (), {"__annotations__": {"a": "int", "b": "int"}, "a": 1})


@pytest.mark.parametrize("name", MODULES)
def test_every_one_has_the_fields_that_its_class_says(name: str) -> None:
    for value in vars(importlib.import_module(name)).values():
        if inspect.isclass(value) and issubclass(value, tuple) and value.__dict__.get("_fields"):
            assert tuple(value.__annotations__) == value._fields
