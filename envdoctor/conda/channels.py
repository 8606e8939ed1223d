"""Channels by name and by URL: when a spec's channel and a record's are the same, and which platform a URL ends with."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from envdoctor.conda.strings import expression

SUBDIRS = frozenset(
    (
        "noarch",
        "emscripten-wasm32",
        "freebsd-64",
        "linux-32",
        "linux-64",
        "linux-aarch64",
        "linux-armv6l",
        "linux-armv7l",
        "linux-loongarch64",
        "linux-ppc64",
        "linux-ppc64le",
        "linux-riscv32",
        "linux-riscv64",
        "linux-s390x",
        "osx-32",
        "osx-64",
        "osx-arm64",
        "osx-ppc64",
        "wasi-wasm32",
        "win-32",
        "win-64",
        "win-arm64",
        "zos-z",
    )
)
"""Platforms that conda and rattler know (CEP 26)."""
DEFAULTS = ("pkgs/main", "pkgs/r", "pkgs/msys2", "pkgs/free", "pkgs/pro", "pkgs/mro", "pkgs/mro-archive")
"""Channels that ``defaults`` stands for, or has stood for."""


def split(text: str) -> tuple[str, str | None]:
    """Channel and platform of ``conda-forge/linux-64``, ``conda-forge[linux-64]`` or a URL."""
    text = text.strip().rstrip("/")
    if text.endswith("]") and "[" in text:
        head, _, inner = text[:-1].partition("[")
        return head, inner.strip() or None
    head, slash, last = text.rpartition("/")
    return (head, last) if slash and last in SUBDIRS else (text, None)


def name(channel: str) -> str:
    """The name in a channel's URL: its path without ``/t/TOKEN`` and without the platform; names stay."""
    if "://" not in channel:
        return split(channel)[0].strip("/").lower()
    scheme, _, rest = channel.partition("://")
    host, _, path = rest.partition("/")
    words = path.split("/")
    if words[0] == "t" and len(words) > 2:
        words = words[2:]
    path = split("/".join(words))[0].strip("/").lower()
    return path if scheme.lower() != "file" else f"{host}/{path}"


@lru_cache(maxsize=256)
def test(wanted: str) -> Callable[[str], bool]:
    """What tells whether a record's channel is `wanted`: a name, a URL, or an expression. A mirror of a named one counts."""
    if "*" in wanted or wanted.startswith("^"):
        like = expression(wanted)
        return lambda channel: like(channel) or like(name(channel))
    own = name(wanted)
    url = "://" in wanted

    @lru_cache(maxsize=256)
    def same(channel: str) -> bool:
        other = name(channel)
        if other == own or (not url and other.endswith(f"/{own}")):
            return True
        if own == "defaults":
            return other in DEFAULTS or other.endswith(tuple(f"/{one}" for one in DEFAULTS))
        return other == "defaults" and own in DEFAULTS

    return same
