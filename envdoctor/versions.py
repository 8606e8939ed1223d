"""Names (PEP 503), versions and specifiers (PEP 440) as they are written nearly always, read without ``packaging``. Pure.

Importing ``packaging`` costs more than judging all versions of an environment. What is read here gives the same answers;
``tests/test_versions.py`` compares the two. Everything out of the ordinary (text that is not ASCII, very long numbers,
``===``, epochs and local versions in specifiers) is asked of ``packaging``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from envdoctor.lazy import pattern

if TYPE_CHECKING:
    from packaging.version import Version as Other

MAX_TEXT = 200
"""Characters of a version that is read here."""

_RELEASE = pattern(r"[0-9]{1,15}(?:\.[0-9]{1,15})*", re.ASCII)
_VERSION = pattern(
    r"\s*v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|a|b|c|rc)[-_.]?(?P<prenumber>[0-9]+)?)?"
    r"(?:-(?P<implicit>[0-9]+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<postnumber>[0-9]+)?)?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<devnumber>[0-9]+)?)?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*",
    re.IGNORECASE,
)
_PHASES = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_CLAUSE = pattern(r"[ \t]*(~=|==|!=|<=|>=|<|>)[ \t]*([0-9]{1,15}(?:\.[0-9]{1,15})*)(\.\*)?[ \t]*", re.ASCII)
_SUFFIXED = pattern(r"[ \t]*(==|!=|<=|>=|<|>)[ \t]*([0-9][0-9A-Za-z._-]{0,60})[ \t]*", re.ASCII)

Clause = tuple[str, tuple[int, ...], tuple[int, ...]]
"""Operator (``==*`` and ``!=*`` for prefixes), release without trailing zeros, release as written."""


class Version:
    """A version; ordered, compared and written as PEP 440 says."""

    __slots__ = ("dev", "epoch", "key", "local", "post", "pre", "release")

    def __init__(
        self,
        release: tuple[int, ...],
        epoch: int = 0,
        pre: tuple[str, int] | None = None,
        post: int | None = None,
        dev: int | None = None,
        local: str | None = None,
    ) -> None:
        self.epoch, self.release, self.pre, self.post, self.dev, self.local = epoch, release, pre, post, dev, local
        # 1.dev0 < 1a0 < 1rc0 < 1 < 1.post0, and of one of these the development releases first
        phase = ("", -1) if pre is None and post is None and dev is not None else ("~", 0) if pre is None else pre
        segments = () if local is None else tuple((1, int(s), "") if s.isdigit() else (0, 0, s) for s in local.split("."))
        self.key = (
            epoch,
            stripped(release),
            phase,
            -1 if post is None else post,
            (1, 0) if dev is None else (0, dev),
            segments,
        )

    @property
    def major(self) -> int:
        """First number of the release."""
        return self.release[0]

    @property
    def minor(self) -> int:
        """Second number of the release, 0 where there is none."""
        return self.release[1] if len(self.release) > 1 else 0

    @property
    def micro(self) -> int:
        """Third number of the release, 0 where there is none."""
        return self.release[2] if len(self.release) > 2 else 0

    @property
    def base_version(self) -> str:
        """Epoch and release."""
        numbers = ".".join(map(str, self.release))
        return f"{self.epoch}!{numbers}" if self.epoch else numbers

    def __str__(self) -> str:
        return "".join(
            (
                self.base_version,
                f"{self.pre[0]}{self.pre[1]}" if self.pre is not None else "",
                f".post{self.post}" if self.post is not None else "",
                f".dev{self.dev}" if self.dev is not None else "",
                f"+{self.local}" if self.local is not None else "",
            )
        )

    def __repr__(self) -> str:
        return f"<Version {str(self)!r}>"

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: Version) -> bool:
        return self.key < other.key

    def __le__(self, other: Version) -> bool:
        return self.key <= other.key

    def __gt__(self, other: Version) -> bool:
        return self.key > other.key

    def __ge__(self, other: Version) -> bool:
        return self.key >= other.key


def canonical(name: str) -> str:
    """PEP 503 name."""
    name = name.replace("_", "-").replace(".", "-").lower()
    while "--" in name:
        name = name.replace("--", "-")
    return name


@lru_cache(maxsize=16384)
def version_of(text: str) -> Version | None:
    """The version that `text` is, or None where it is none."""
    if text.isascii() and len(text) <= MAX_TEXT:
        numbers = text.split(".")
        if all(map(str.isdigit, numbers)):
            return Version(tuple(map(int, numbers)))
        return _read(text)
    from packaging.version import InvalidVersion
    from packaging.version import Version as Other

    try:
        found = Other(text)
    except InvalidVersion:
        return None
    return _taken(found)


def _read(text: str) -> Version | None:
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    parts = found.groupdict()
    phase = parts["pre"] and parts["pre"].lower()
    post = parts["implicit"] or (parts["post"] and (parts["postnumber"] or "0"))
    dev = parts["dev"] and (parts["devnumber"] or "0")
    local = parts["local"]
    return Version(
        tuple(map(int, parts["release"].split("."))),
        int(parts["epoch"] or 0),
        (_PHASES.get(phase, phase), int(parts["prenumber"] or 0)) if phase else None,
        int(post) if post else None,
        int(dev) if dev else None,
        ".".join(str(int(s)) if s.isdigit() else s for s in re.split(r"[-_.]", local.lower())) if local else None,
    )


def _taken(found: Other) -> Version:
    return Version(found.release, found.epoch, found.pre, found.post, found.dev, found.local)


def is_version(text: str) -> bool:
    """`text` is a version."""
    return release_of(text) is not None or version_of(text) is not None


@lru_cache(maxsize=16384)
def release_of(version: str) -> tuple[int, ...] | None:
    """A version that is only a release segment, without trailing zeros."""
    if _RELEASE.fullmatch(version) is None:
        return None
    return stripped(tuple(map(int, version.split("."))))


def stripped(release: tuple[int, ...]) -> tuple[int, ...]:
    """`release` without the zeros at its end, its first number aside."""
    end = len(release)
    while end > 1 and release[end - 1] == 0:
        end -= 1
    return release[:end]


@lru_cache(maxsize=16384)
def clauses_of(specifier: str) -> tuple[Clause, ...] | None:
    """The clauses of a specifier set that compares plain releases only; None for any other, valid or not."""
    clauses: list[Clause] = []
    for part in specifier.split(","):
        found = _CLAUSE.fullmatch(part)
        if found is None:
            return None
        operator, version, star = found.groups()
        release = tuple(map(int, version.split(".")))
        if star:
            if operator not in ("==", "!="):
                return None
            operator += "*"
        elif operator == "~=" and len(release) < 2:
            return None
        clauses.append((operator, stripped(release), release))
    return tuple(clauses)


@lru_cache(maxsize=16384)
def bounds_of(specifier: str) -> tuple[tuple[str, Version], ...] | None:
    """The clauses of a specifier set that compares with versions, pre-releases and such among them: operator and version. None
    for any other, valid or not."""
    clauses: list[tuple[str, Version]] = []
    for part in specifier.split(","):
        found = _SUFFIXED.fullmatch(part)
        version = version_of(found[2]) if found is not None else None
        if found is None or version is None:
            return None
        clauses.append((found[1], version))
    return tuple(clauses)


def is_specifier(text: str) -> bool:
    """`text` is a set of version specifiers; the empty one is."""
    if clauses_of(text) is not None or bounds_of(text) is not None:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


@lru_cache(maxsize=16384)
def satisfies(version: str, specifier: str) -> bool | None:
    """Whether an installed `version` lies inside `specifier`; None where one of them is not valid (PEP 440).

    An installed pre-release counts like any other version, as for ``pip check``.
    """
    release = release_of(version)
    clauses = clauses_of(specifier)
    if release is not None and clauses is not None:
        return all(_holds(release, clause) for clause in clauses)
    verdict = _compared(version, specifier, clauses)
    if verdict is not None:
        return verdict
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion
    from packaging.version import Version as Other

    try:
        wanted = SpecifierSet(specifier)
    except (InvalidSpecifier, RecursionError):
        return None
    try:
        return wanted.contains(Other(version), prereleases=True)
    except InvalidVersion:
        parts = list(wanted)
        if version and parts and all(part.operator == "===" for part in parts):
            return all(part.version.lower() == version.strip().lower() for part in parts)
        return None


def _starts_with(release: tuple[int, ...], prefix: tuple[int, ...]) -> bool:
    short = len(prefix) - len(release)
    return (release + (0,) * short if short > 0 else release[: len(prefix)]) == prefix


def _holds(release: tuple[int, ...], clause: Clause) -> bool:
    operator, wanted, written = clause
    if operator == ">=":
        return release >= wanted
    if operator == "<":
        return release < wanted
    if operator == "==":
        return release == wanted
    if operator == "!=":
        return release != wanted
    if operator == "<=":
        return release <= wanted
    if operator == ">":
        return release > wanted
    if operator == "==*":
        return _starts_with(release, written)
    if operator == "!=*":
        return not _starts_with(release, written)
    return release >= wanted and _starts_with(release, written[:-1])


def _compared(version: str, specifier: str, clauses: tuple[Clause, ...] | None) -> bool | None:
    """The same for versions with more than a release on one side; None where ``packaging`` must be asked."""
    one = version_of(version) if version.isascii() else None
    if one is None or one.epoch:
        return None
    verdict = True
    if clauses is not None:
        wanted = ((operator, Version(written), written) for operator, _, written in clauses)
    else:
        bounds = bounds_of(specifier)
        if bounds is None:
            return None
        wanted = ((operator, other, other.release) for operator, other in bounds)
    for operator, other, written in wanted:
        public, bound = one.key[:5], other.key[:5]
        if operator in ("<", ">"):
            if public[1] != bound[1]:
                holds = (public < bound) == (operator == "<")
            elif other.pre is not None or other.post is not None or other.dev is not None:
                return None  # which of 1.0.post1 and 1.0+cpu are above 1.0a1 depends on who is asked
            else:
                holds = False  # PEP 440: 1.0rc1 is not below 1.0, and neither 1.0.post1 nor 1.0+cpu is above it
        elif operator in ("==*", "!=*"):
            holds = _starts_with(one.release, written) == (operator == "==*")
        elif operator == "~=":
            holds = public >= bound and _starts_with(one.release, written[:-1])
        else:
            holds = {"==": public == bound, "!=": public != bound, ">=": public >= bound, "<=": public <= bound}[operator]
        verdict = verdict and holds
    return verdict
