"""``typing.NamedTuple`` without what defining one costs: a run defines sixty, and each is a tenth of a millisecond there. Pure.

Annotations are not evaluated, and ``__new__`` is not compiled. What is used of a named tuple here is the same: fields by name
and place, defaults, ``_replace``, ``_asdict``, ``_make``, matching, ``repr``. For a type checker it is ``typing.NamedTuple``.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    try:
        from _collections import _tuplegetter
    except ImportError:  # another implementation than CPython

        def _tuplegetter(index: int, doc: str) -> property:
            return property(itemgetter(index), doc=doc)

    _new = tuple.__new__

    class _Tuple(tuple):
        __slots__ = ()
        _fields: tuple[str, ...] = ()
        _field_defaults: dict[str, Any] = {}
        _count = 0

        def __new__(cls, *values: Any, **named: Any) -> Any:
            if named or len(values) != cls._count:
                values = _filled(cls, values, named)
            return _new(cls, values)

        @classmethod
        def _make(cls, values: Iterable[Any]) -> Any:
            made = _new(cls, values)
            if len(made) != cls._count:
                raise TypeError(f"expected {cls._count} values, got {len(made)}")
            return made

        def _replace(self, /, **named: Any) -> Any:
            made = _new(type(self), map(named.pop, self._fields, self))
            if named:
                raise ValueError(f"got unexpected field names: {list(named)!r}")
            return made

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(f'{n}={v!r}' for n, v in zip(self._fields, self, strict=True))})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

    def _filled(cls: type[_Tuple], values: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
        """All values in order. Raises TypeError where they are too many, too few, or not fields."""
        rest = cls._fields[len(values) :]
        if len(values) > cls._count:
            raise TypeError(f"{cls.__name__}() takes {cls._count} values but {len(values)} were given")
        given = {**cls._field_defaults, **named}
        try:
            filled = [*values, *[given[name] for name in rest]]
        except KeyError as missing:
            raise TypeError(f"{cls.__name__}() misses the value of {missing}") from None
        if not named.keys() <= set(rest):
            raise TypeError(f"{cls.__name__}() got unexpected or repeated names: {sorted(named.keys() - set(rest))}")
        return filled

    class _Definition(type):
        """Makes a plain subclass of :class:`_Tuple` of a class statement."""

        def __new__(cls, name: str, _bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
            fields = tuple(namespace.get("__annotations__", ()))
            defaults = {field: namespace.pop(field) for field in fields if field in namespace}
            if fields[len(fields) - len(defaults) :] != tuple(defaults):
                raise TypeError(f"{name}: a field without default comes after one with a default")
            for index, field in enumerate(fields):
                namespace[field] = _tuplegetter(index, "")
            return type(
                name,
                (_Tuple,),
                {
                    "__slots__": (),
                    **namespace,
                    "_fields": fields,
                    "_field_defaults": defaults,
                    "_count": len(fields),
                    "__match_args__": fields,
                },
            )

    NamedTuple = type.__new__(_Definition, "NamedTuple", (), {})
