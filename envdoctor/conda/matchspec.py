"""Match specs: ``channel/subdir::name version build[key=value,…]`` (CEP 29), read as conda reads them.

:func:`parse` reads each distinct text once; :meth:`MatchSpec.fits` asks a :class:`Candidate`. What a candidate does not tell
(None) can neither fit nor fail, so there are three answers. A spec with a condition (``; if python <3.11``, ``[when=…]``), with
extras or flags, is read and never judged: :attr:`MatchSpec.open`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from envdoctor.conda import channels, version
from envdoctor.conda.strings import Test, expression
from envdoctor.lazy import pattern
from envdoctor.tuples import NamedTuple

LIMIT = 1000
"""Characters of a spec."""
PACKAGE_NAME = pattern(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*\Z")
"""A package's name (CEP 26), letters of either case; nothing that a command could take for an option."""
_NAME = pattern(r"([^ =<>!~]+)\s*([><!=~ ].+)?\Z", re.DOTALL)
_SIMPLE = pattern(r"([A-Za-z0-9_][A-Za-z0-9_.\-]*)(?: +([^\s=\[\]()#:@^$'\"]+|[<>=!~]=[^\s=\[\]()#:@^$'\"]+))?\Z")
"""A name, and maybe a version in one word."""
_TRAILER = pattern(r"\s*\((?:optional|target)\b[^()]*\)\s*\Z")
_CONDITION = pattern(r"\s*;?\s+if\s|\s*;\s*if\b")
_ARCHIVE = pattern(r"(?:^|[/\\])([^/\\]+)-([^-/\\]+)-([^-/\\]+)\.(?:tar\.bz2|conda)\Z")
_NUMBER = pattern(r"\s*(==|!=|<=|>=|<|>|=)?\s*([0-9]{1,18})\s*\Z", re.ASCII)
_TWO_WORDS = pattern(r"[^\s<>=!~,|(]\s+[^\s<>=!~,|)(]")
_FEATURES = pattern(r"[\s,]+")

_FIELDS = {
    "build": "build",
    "build_string": "build",
    "subdir": "subdir",
    "md5": "md5",
    "sha256": "sha256",
    "license": "license",
    "license_family": "license_family",
    "fn": "filename",
    "file_name": "filename",
    "url": "url",
}
"""Keys whose values are expressions over text, with the candidate's field."""
_OPEN = frozenset(("when", "extras", "flags"))
_WITHOUT_MEANING = frozenset(("namespace", "name", "optional", "target"))


class InvalidSpec(ValueError):
    """The text is no match spec, or one that this module does not know."""


class Candidate(NamedTuple):
    """A package as specs see it; None where a field is not known, () where there are none."""

    name: str
    version: str | None = None
    build: str | None = None
    build_number: int | None = None
    channel: str | None = None
    """URL without platform, or name."""
    subdir: str | None = None
    url: str | None = None
    filename: str | None = None
    md5: str | None = None
    sha256: str | None = None
    track_features: tuple[str, ...] | None = None
    features: tuple[str, ...] | None = None
    license: str | None = None
    license_family: str | None = None


class Condition(NamedTuple):
    """What a spec asks of one field."""

    field: str
    wanted: str
    """As written."""
    test: Callable[..., bool]


class MatchSpec:
    """A parsed spec; see :func:`parse`."""

    __slots__ = ("any_name", "build", "conditions", "name", "open", "specifier", "text", "version")

    def __init__(self, text: str) -> None:
        self.text = text
        self.name = ""
        """Lower case; the expression where :attr:`any_name` is set."""
        self.any_name: Test | None = None
        """Set where the name is a glob or a regular expression."""
        self.specifier: str | None = None
        """Of the version, as written."""
        self.version: version.Matcher | None = None
        self.build: str | None = None
        """Expression, as written."""
        self.conditions: tuple[Condition, ...] = ()
        """Of other fields than name and version."""
        self.open: str | None = None
        """Why it cannot be judged: a condition, extras, flags."""

    def names(self, name: str) -> bool:
        """The name is the one, or one of those, that it is about."""
        return self.any_name(name) if self.any_name is not None else name == self.name or name.lower() == self.name

    def fits(self, package: Candidate) -> bool | None:
        """`package` is what the spec asks for; None where the package does not tell enough, or the spec is open."""
        if not self.names(package.name):
            return False
        unknown = self.open is not None
        if self.version is not None:
            parsed = _version(package.version)
            if parsed is None:
                unknown = unknown or self.version is not version.anything
            elif not self.version(parsed):
                return False
        for field, _, test in self.conditions:
            value = getattr(package, field)
            if value is None:
                unknown = True
            elif not test(value):
                return False
        return None if unknown else True

    def misses(self, package: Candidate) -> list[str]:
        """Fields in which `package`, of a name that fits, is not what the spec asks for."""
        found = []
        parsed = _version(package.version)
        if self.version is not None and parsed is not None and not self.version(parsed):
            found.append("version")
        for field, _, test in self.conditions:
            value = getattr(package, field)
            if value is not None and not test(value):
                found.append(field)
        return found

    def __repr__(self) -> str:
        return f"MatchSpec({self.text!r})"


@lru_cache(maxsize=4096)
def _version(text: str | None) -> version.Version | None:
    try:
        return version.parse(text) if text else None
    except version.InvalidVersion:
        return None


@lru_cache(maxsize=16384)
def parse(text: str) -> MatchSpec:
    """The spec. Raises InvalidSpec."""
    if len(text) > LIMIT:
        raise InvalidSpec("too long")
    try:
        return _parse(text)
    except InvalidSpec:
        raise
    except ValueError as error:
        raise InvalidSpec(str(error)) from None


def _parse(text: str) -> MatchSpec:
    spec = MatchSpec(text)
    simple = _SIMPLE.match(text)
    if simple is not None and not text.endswith((".conda", ".tar.bz2")):
        # nearly all specs of real records
        spec.name = simple[1].lower()
        if simple[2]:
            _set_version(spec, simple[2])
        return spec
    rest = text.strip()
    if rest.endswith("@") and re.fullmatch(r"[\w.\-]+@", rest):
        _set_name(spec, "*")
        spec.conditions = (_features("track_features", rest[:-1]),)
        return spec
    condition = _CONDITION.search(_unquoted(rest))
    if condition is not None:
        spec.open = "a condition"
        rest = rest[: condition.start()]
    if "://" in rest or rest.partition("#")[0].rstrip().endswith((".conda", ".tar.bz2")):
        archive = _archive(spec, rest)
        if archive:
            return spec
    rest = _without_comment(rest).strip()
    rest, brackets = _brackets(rest)
    rest = _TRAILER.sub("", rest)
    channel, subdir, rest = _place(rest)
    if "[" in rest or "]" in rest:
        raise InvalidSpec("more than one section in brackets")
    match = _NAME.match(rest.strip())
    if match is None:
        raise InvalidSpec("no name")
    _set_name(spec, match[1])
    wanted, build = _version_and_build(match[2].strip()) if match[2] and match[2].strip() else (None, None)
    fields: dict[str, str] = {}
    if build is not None:
        fields["build"] = build
    if channel:
        fields["channel"] = channel
    if subdir:
        fields["subdir"] = subdir
    for key, value in brackets:
        key = key.lower()
        if key == "version":
            wanted = value
        elif key == "channel":
            place, inner = channels.split(value)
            fields["channel"] = place
            if inner:
                fields["subdir"] = inner
        elif key in _OPEN:
            spec.open = {"when": "a condition"}.get(key, key)
        elif key in _FIELDS:
            fields[_FIELDS[key]] = value
        elif key in ("build_number", "track_features", "features"):
            fields[key] = value
        elif key not in _WITHOUT_MEANING:
            raise InvalidSpec(f"{key} is no field of a package")
    if wanted is not None:
        _set_version(spec, wanted)
    spec.build = fields.get("build")
    spec.conditions = tuple(_condition(field, value) for field, value in fields.items())
    return spec


def _set_name(spec: MatchSpec, name: str) -> None:
    spec.name = name.lower()
    if "*" in name or name.startswith("^"):
        spec.any_name = expression(name)
    elif not PACKAGE_NAME.match(name):
        raise InvalidSpec(f"{name[:40]!r} is no package's name")


def _set_version(spec: MatchSpec, wanted: str) -> None:
    wanted = wanted.strip()
    if not wanted:
        raise InvalidSpec("an empty version")
    spec.specifier = wanted
    spec.version = version.specifier(wanted)


def _condition(field: str, value: str) -> Condition:
    if field == "build_number":
        return Condition(field, value, _number(value))
    if field in ("track_features", "features"):
        return _features(field, value)
    if field == "channel":
        return Condition(field, value, channels.test(value))
    return Condition(field, value, expression(value))


def _features(field: str, value: str) -> Condition:
    wanted = frozenset(word for word in _FEATURES.split(value) if word)

    def same(have: Iterable[str]) -> bool:
        return frozenset(have) == wanted

    return Condition(field, value, same)


def _number(value: str) -> Callable[[int], bool]:
    """What tells whether a build number is that, or greater, less, …"""
    if value.strip() == "*":
        return lambda _number: True
    match = _NUMBER.match(value)
    if match is None:
        test = expression(value)
        return lambda number: test(str(number))
    operator, wanted = match[1] or "==", int(match[2])
    tests: dict[str, Callable[[int], bool]] = {
        "==": lambda number: number == wanted,
        "=": lambda number: number == wanted,
        "!=": lambda number: number != wanted,
        ">=": lambda number: number >= wanted,
        "<=": lambda number: number <= wanted,
        ">": lambda number: number > wanted,
        "<": lambda number: number < wanted,
    }
    return tests[operator]


def _unquoted(text: str) -> str:
    """`text` with what stands in brackets blanked out."""
    return re.sub(r"\[[^\]]*\]?", lambda match: "_" * len(match[0]), text)


def _without_comment(text: str) -> str:
    at = _unquoted(text).find("#")
    return text[:at] if at >= 0 else text


def _archive(spec: MatchSpec, text: str) -> bool:
    """Reads the URL or path of one package; False where it is none."""
    url, _, digest = text.partition("#")
    match = _ARCHIVE.search(url.strip())
    if match is None or "::" in url:
        return False
    spec.name = match[1].lower()
    _set_version(spec, f"=={match[2]}")
    spec.build = match[3]
    conditions = [Condition("build", match[3], expression(match[3]))]
    if re.fullmatch(r"[0-9a-fA-F]{32}", digest):
        conditions.append(Condition("md5", digest, expression(digest)))
    elif re.fullmatch(r"(sha256:)?[0-9a-fA-F]{64}", digest):
        conditions.append(Condition("sha256", digest, expression(digest.removeprefix("sha256:"))))
    if "://" in url:
        place, subdir = channels.split(url.strip().rpartition("/")[0])
        if subdir:
            conditions.append(Condition("subdir", subdir, expression(subdir)))
        if not url.startswith("file:"):
            conditions.append(Condition("channel", place, channels.test(place)))
    spec.conditions = tuple(conditions)
    return True


def _place(text: str) -> tuple[str, str, str]:
    """Channel, subdir, and what is behind the colons; a namespace has no meaning yet."""
    head, colons, rest = text.rpartition("::")
    if not colons:
        words = [] if "://" in text else text.rsplit(":", 2)
        if len(words) < 2:
            return "", "", text
        head, rest = (words[0] if len(words) == 3 else ""), words[-1]
    channel, subdir = channels.split(head)
    return channel, subdir or "", rest


def _version_and_build(text: str) -> tuple[str, str | None]:
    """``>=1.0 , <2 py34_0`` -> ``>=1.0,<2`` and ``py34_0``."""
    written, build = parted(text)
    if _TWO_WORDS.search(written):
        raise InvalidSpec("a space within a version")
    version_ = "".join(written.split())
    if build is None or text[len(written)] != "=" or not re.fullmatch(r"=[^=,|]+", version_):
        return version_, build
    return version_[1:], build  # name=1.2=build is exact; name=1.2, and "name =1.2 build", are not


def parted(text: str) -> tuple[str, str | None]:
    """What stands behind a name in a version, as written, and a build: at the last blank or = that can part them."""
    last = max(map(text.rfind, "-=,|<>~"))
    if last >= 1 and text[last] == "=" and text[last - 1] not in "=!|,<>~" and last + 1 < len(text):
        return text[:last], text[last + 1 :].strip() or None
    at = text.find(" ", max(last, 0) + 1)
    while at >= 0 and text[at - 1] in "=!|,<>~":
        at = text.find(" ", at + 1)
    if at < 0:
        return text, None
    return text[:at], text[at + 1 :].strip() or None


def _brackets(text: str) -> tuple[str, list[tuple[str, str]]]:
    """What stands in front of the brackets, and the pairs in them."""
    body = _TRAILER.sub("", text)
    if not body.endswith("]"):
        return text, []
    start = body.find("[", body.find("]::") + 1)
    if start < 0:
        raise InvalidSpec("a bracket without its other half")
    pairs: list[tuple[str, str]] = []
    inner, at = body[start + 1 : -1], 0
    while at < len(inner):
        if inner[at] in ", \t":
            at += 1
            continue
        key = re.compile(r"\s*([A-Za-z0-9_-]+)\s*(=)?\s*").match(inner, at)
        if key is None:
            raise InvalidSpec(f"{inner[at : at + 20]!r} in brackets is no key with a value")
        at = key.end()
        if not key[2]:
            if key[1] not in _WITHOUT_MEANING:
                raise InvalidSpec(f"{key[1]} has no value")
            continue
        value, at = _value(inner, at)
        if not value:
            raise InvalidSpec(f"{key[1]} has no value")
        pairs.append((key[1], value))
    return body[:start], pairs


def _value(inner: str, at: int) -> tuple[str, int]:
    mark = inner[at : at + 1]
    if mark in ("'", '"') and mark:
        end = inner.find(mark, at + 1)
        if end < 0:
            raise InvalidSpec("a quote without its other half")
        return inner[at + 1 : end].strip(), end + 1
    depth, start = 0, at
    while at < len(inner):
        char = inner[at]
        if char == "[":
            depth += 1
        elif char == "]":
            depth -= 1
            if depth < 0:
                raise InvalidSpec("a bracket without its other half")
        elif depth == 0 and (char == "," or (char == " " and not _goes_on(inner, at))):
            break
        at += 1
    return inner[start:at].strip(), at


def _goes_on(inner: str, at: int) -> bool:
    """A space that is not followed by another key."""
    return re.compile(r"\s*[A-Za-z0-9_-]+\s*=").match(inner, at) is None
