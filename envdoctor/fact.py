"""What every fact is, and how text of the file system becomes text that JSON can hold."""

from __future__ import annotations

import msgspec


def text(raw: str | bytes) -> str:
    """`raw` as valid UTF-8: a surrogate-escaped or undecodable byte becomes a ``\\xNN`` escape."""
    if isinstance(raw, bytes):
        return raw.decode("utf-8", "backslashreplace")
    if raw.isascii():
        return raw
    try:
        return raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        # half of a surrogate pair, as JSON can spell one
        return raw.encode("utf-8", "backslashreplace").decode("utf-8")


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of every fact: immutable, compared by value, only what differs from the default is written."""
