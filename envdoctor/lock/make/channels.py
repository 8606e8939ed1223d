"""Channels and package repositories as a lock may name them: what is secret in a URL stays in variables, or is taken out.

conda-lock's own way: a URL in a manifest names variables (``https://${USER}:${PASSWORD}@host/channel``, ``/t/${TOKEN}/``), or
holds what a variable of the environment holds; the lock has the variables' names, and installing puts their values in. Secrets
that no variable holds are used to solve and left out of the lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from envdoctor.lazy import pattern
from envdoctor.lock import document
from envdoctor.lock.make.options import MakeError
from envdoctor.tuples import NamedTuple

DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
"""What the channel ``defaults`` is, and on Windows:"""
DEFAULTS_WINDOWS = "https://repo.anaconda.com/pkgs/msys2"
_VARIABLE = pattern(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_USER = pattern(r"^([A-Za-z][A-Za-z0-9+.-]*://)([^/@\s]+)@")
_TOKEN = pattern(r"(?<=/t/)([^/]+)(?=/)")
_ENDINGS = {
    "user": ("USERNAME", "USER", ""),
    "password": ("PASSWORD", "PASS", "TOKEN", "KEY", ""),
    "token": ("TOKEN", "CRED", "PASSWORD", "PASS", "KEY", ""),
}
"""Ends of the names of variables that conda-lock prefers, for what they hold."""
SHORTEST = 4
"""Characters of a secret that is looked for among the values of variables of any name."""


class Place(NamedTuple):
    """A channel or a package repository."""

    address: str
    """To fetch from: with what is secret in it."""
    written: str
    """For the lock."""
    variables: tuple[str, ...] = ()
    """Named in `written`, sorted."""
    stripped: bool = False
    """A secret that no variable holds was left out of `written`."""


def place(text: str, environ: Mapping[str, str], what: str = "channel") -> Place:
    """The place that a manifest names. Raises MakeError for a variable that is not set."""
    if "://" not in text:
        return Place(text, text)
    if text.startswith("file:"):
        return Place(text, text)
    missing = [name for name in _names(text) if not environ.get(name)]
    if missing:
        raise MakeError(
            f"{what} {document.public(text)}: the variable {missing[0]} is not set", f"{missing[0]}=… envdoctor lock sets it"
        )
    address = _VARIABLE.sub(lambda match: environ[match[1] or match[2]], text)
    written, stripped = text, False
    user = _USER.match(written)
    if user is not None:
        name, colon, password = user[2].partition(":")
        parts = [_named(name, "user", environ), *([_named(password, "password", environ)] if colon else [])]
        kept = f"{':'.join(parts)}@" if all(parts) else ""
        stripped = not kept
        written = user[1] + kept + written[user.end() :]
    token = _TOKEN.search(written)
    if token is not None:
        named = _named(token[1], "token", environ)
        stripped = stripped or not named
        written = written[: token.start()] + named + written[token.end() :] if named else _without_token(written, token)
    head, mark, query = written.partition("?")
    if mark:
        bare = document.public(f"file:///?{query}").removeprefix("file:///")
        stripped = stripped or bare != f"?{query}"
        written = head + bare
    return Place(address, written, tuple(sorted(set(_names(written)))), stripped)


def _without_token(url: str, token: re.Match[str]) -> str:
    """Without ``/t/TOKEN``."""
    return url[: token.start() - len("/t/")] + url[token.end() :]


def rewritten(url: str, places: Sequence[Place]) -> str:
    """A package's URL for the lock: where it lies below one of `places`, with what is written there; never with a secret."""
    for one in places:
        if "://" in one.address and url.startswith(one.address.rstrip("/") + "/"):
            return one.written.rstrip("/") + url[len(one.address.rstrip("/")) :]
    bare = document.public(url)
    for one in places:
        if "://" in one.address and one.variables:
            own = document.public(one.address).rstrip("/")
            if bare.startswith(own + "/"):
                return one.written.rstrip("/") + bare[len(own) :]
    return bare


def repository(url: str, places: Sequence[Place]) -> str:
    """A file's URL on the host of one of the package repositories that names variables: with those (as conda-lock does)."""
    for one in places:
        match = _USER.match(one.written)
        if match is not None and one.variables:
            host = one.written[match.end() :].partition("/")[0]
            scheme = match[1]
            if document.public(url).startswith(f"{scheme}{host}/"):
                return match[0] + document.public(url)[len(scheme) :]
    return url if url.startswith("file:") else document.public(url)


class Settings(NamedTuple):
    """What conda's settings say of channels."""

    alias: str | None = None
    """``channel_alias``: where bare names lead to."""
    custom: Mapping[str, str] = {}
    """``custom_channels``: name to the address that it lies below."""
    defaults: tuple[str, ...] = ()
    """``default_channels``: what ``defaults`` is."""
    strict: bool = True
    """``channel_priority`` is not ``disabled``."""


def expanded(channels: Iterable[Place], platform: str, settings: Settings = Settings()) -> list[str]:  # noqa: B008 - a constant
    """Addresses to solve with: ``defaults`` is several channels, and a bare name may have an address of its own."""
    found: list[str] = []
    for one in channels:
        if one.address == "defaults":
            usual = (*DEFAULTS, *([DEFAULTS_WINDOWS] if platform.startswith("win-") else []))
            found += [_addressed(name, settings) for name in settings.defaults or usual]
        else:
            found.append(_addressed(one.address, settings))
    return list(dict.fromkeys(found))


def _addressed(name: str, settings: Settings) -> str:
    if "://" in name or name.startswith(("/", ".", "~")):
        return name
    for known, address in settings.custom.items():
        if name == known or name.startswith(f"{known}/"):
            return f"{address.rstrip('/')}/{name}"
    return f"{settings.alias.rstrip('/')}/{name}" if settings.alias else name


def _names(text: str) -> list[str]:
    return [match[1] or match[2] for match in _VARIABLE.finditer(text)]


def _named(value: str, kind: str, environ: Mapping[str, str]) -> str:
    """``${NAME}`` of the variable that `value` names or that holds it; '' where there is none."""
    names = _names(value)
    if len(names) == 1 and _VARIABLE.sub("", value) == "":
        return f"${{{names[0]}}}"
    from urllib.parse import unquote

    for ending in _ENDINGS[kind]:
        if not value or (not ending and len(value) < SHORTEST):
            continue
        for name in sorted(environ):
            if name.upper().endswith(ending) and environ[name] in (value, unquote(value)):
                return f"${{{name}}}"
    return ""
