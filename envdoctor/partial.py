"""A snapshot of which parts have not been read: asking it for one of their fields raises :class:`NotRead`. Pure, no IO.

Rules do not declare what they need. ``check --select`` asks them about a partial snapshot, reads the parts that those lack that
were not content, and asks these again (``diagnose.examine``). So no rule can take what nobody looked at for empty, whatever
becomes of its code, and nothing is read that no selected rule asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from envdoctor.fact import Fact
from envdoctor.snapshot import Snapshot


class NotRead(BaseException):
    """A field was asked for that has not been read; `part` is what has to be collected.

    No ``Exception``: nothing that a rule catches, be it of a plugin, makes silence of it.
    """

    def __init__(self, part: str) -> None:
        super().__init__(part)
        self.part = part


def partial(snapshot: Snapshot, unread: Mapping[str, str]) -> Snapshot:
    """`snapshot` without the fields of `unread`, which maps them (``natives``, ``shell.overrides``) to their parts."""
    own: dict[str, str] = {}
    inner: dict[str, dict[str, str]] = {}
    for name, part in unread.items():
        field, _, below = name.partition(".")
        if below:
            inner.setdefault(field, {})[below] = part
        else:
            own[field] = part
    made: dict[str, Any] = {field: _without(getattr(snapshot, field), parts) for field, parts in inner.items()}
    return _without(msgspec.structs.replace(snapshot, **made) if made else snapshot, own)  # type: ignore[return-value]


def is_read(fact: Fact, field: str) -> bool:
    """That field of a fact has been read."""
    return not isinstance(getattr(type(fact), field), property)


def _without(fact: Fact, parts: dict[str, str]) -> Fact:
    """`fact` of a class that has no answer for the fields in `parts`."""
    if not parts:
        return fact
    made = _class(type(fact), tuple(sorted(parts.items())))
    return made(**{name: getattr(fact, name) for name in fact.__struct_fields__ if name not in parts})


@lru_cache(maxsize=256)
def _class(base: type[Fact], parts: tuple[tuple[str, str], ...]) -> Callable[..., Fact]:
    """`base` with properties that raise in the place of some fields. Encoders and ``msgspec.structs.replace``, which go past
    properties, see the fields' defaults, and a copy is of the same class."""

    def missing(part: str) -> property:
        def get(_: Fact) -> Any:
            raise NotRead(part)

        return property(get)

    made: Any = type(base)
    return made(base.__name__, (base,), {name: missing(part) for name, part in parts})  # type: ignore[no-any-return]
