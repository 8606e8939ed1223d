"""Regular expressions that are compiled when they are first asked: of the two hundred in this package a run needs half."""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Pattern:
    """Stands for a compiled pattern; keeps its methods once they were asked for."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self._text, self._flags), name)
        self.__dict__[name] = found
        return found


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """``re.compile(text, flags)``, later. What is wrong in `text` shows when it is used: the tests compile all of them."""
    return cast("re.Pattern[AnyStr]", _Pattern(text, flags))
