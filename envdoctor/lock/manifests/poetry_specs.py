"""Poetry's version constraints (``^1.2``, ``~1.2``, ``1.*``, ``>=1 || <0.5``) as PEP 440 specifiers. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from envdoctor.lazy import pattern

_CARET = pattern(r"^([~^])\s*v?(\d+(?:\.\d+)*)((?:[-_.]?(?:a|b|c|rc|alpha|beta|pre|preview|post|dev)[-_.]?\d*)*)$", re.IGNORECASE)
_BARE = pattern(r"^v?\d")
_SPACES = pattern(r"(?<=[^\s,<>=!~^|])\s+(?=[<>=!~^])")


@lru_cache(maxsize=8192)
def pep440(constraint: str) -> str | None:
    """`constraint` as a specifier set, ``""`` for every version; None where it has no such form (``||``)."""
    text = constraint.strip()
    if text in ("", "*"):
        return ""
    if "|" in text:
        return None
    parts: list[str] = []
    for part in _SPACES.sub(",", text).split(","):
        part = part.strip()
        if part in ("", "*"):
            continue
        match = _CARET.match(part)
        if match is not None and not part.startswith("~="):
            parts += _range(match[1], match[2], match[3])
        elif _BARE.match(part):
            parts.append(f"=={part}")
        elif part.startswith("=") and not part.startswith("=="):
            parts.append(f"={part}")
        else:
            parts.append(re.sub(r"\s+", "", part))
    return ",".join(parts)


def _range(kind: str, release: str, suffix: str) -> list[str]:
    numbers = [int(number[:18]) for number in release.split(".")]
    if kind == "^":
        keep = next((i for i, number in enumerate(numbers) if number), len(numbers) - 1)
    else:
        keep = 1 if len(numbers) > 1 else 0
    ceiling = [*numbers[:keep], numbers[keep] + 1]
    return [f">={release}{suffix}", f"<{'.'.join(map(str, ceiling))}"]
