"""What the readers of all formats share: text, TOML, JSON with the place of what is wrong; URLs without credentials. Pure.

Everything here raises :class:`~envdoctor.lock.model.LockError` for bad input, and nothing else.
"""

from __future__ import annotations

import codecs
import re
import sys
from typing import Any

from envdoctor.lazy import pattern
from envdoctor.lock.model import LockError

MAX_LINES = 1_000_000
"""Lines of a lock that are taken; a lock of thirty thousand entries has that many."""
MAX_PARTS = 100
"""Parts of a dotted TOML key that are taken: a parser may need memory by the square of them."""
LARGE = 1 << 14
"""Characters from which on it is worth trying whether a TOML text is as tools write it."""
_CONFLICT = pattern(rb"^(?:<{7}|>{7}|\|{7})(?: |\r?$)", re.MULTILINE)
_DOTTED = pattern(rf"(?<![\w\"'-])(?:[\w\"'-]{{1,60}}[ \t]?\.[ \t]?){{{MAX_PARTS}}}")
_PLACE = pattern(r" *\(at (?:line (\d+), column \d+|end of document)\)$")
_USERINFO = pattern(r"(?<!ssh://)(?<=://)[^/@\s?#]*@")
_SSH_PASSWORD = pattern(r"(?<=ssh://)([^:/@\s?#]*):[^/@\s?#]*@")
_TOKEN_PATH = pattern(r"/t/[A-Za-z0-9_.-]+(?=/)")
_TOKEN_QUERY = pattern(
    r"(?<=[?&])[^=&#\s]*(?:token|key|secret|password|passwd|signature|credential|auth|sig)[^=&#\s]*=[^&#\s]*", re.IGNORECASE
)
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HALF = pattern(r"\\u[dD][89a-fA-F]")
_DASHES = pattern(r"[-_.]+")


# --------------------------------------------------------------------------------------------------------------- reading
def conflict(data: bytes) -> int | None:
    """The line, from 1, of the first merge-conflict marker; None where there is none.

    ``<<<<<<<``, ``|||||||`` or ``>>>>>>>`` at the beginning of a line; no lockfile can hold that.
    """
    if b"<<<<<<<" not in data and b">>>>>>>" not in data:
        return None
    found = _CONFLICT.search(data)
    return data.count(b"\n", 0, found.start()) + 1 if found else None


def transcoded(data: bytes) -> bytes:
    """`data` in UTF-8 where a byte order mark of UTF-16 or UTF-32 begins it, as PowerShell writes with ``>``; pip reads those."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace").encode("utf-8", "replace")
    return data


def decode(data: bytes) -> str:
    """Text of a file, without byte order mark, lines ending in ``\\n``. Merge-conflict markers are told first."""
    marked = conflict(data)
    if marked is not None:
        raise LockError("merge-conflict markers: a merge was not finished", marked)
    if len(data) > MAX_LINES and data.count(b"\n") > MAX_LINES:
        raise LockError(f"more than {MAX_LINES:,} lines")
    try:
        source = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LockError("not UTF-8", data.count(b"\n", 0, error.start) + 1) from None
    source = source.removeprefix("\N{BYTE ORDER MARK}")
    return source.replace("\r\n", "\n") if "\r" in source else source


def toml(source: str) -> dict[str, Any]:
    """The content of TOML text. Dates may be text."""
    if len(source) > LARGE:
        from envdoctor.lock.generated_toml import Unusual, loads

        try:
            return loads(source)
        except Unusual:
            pass
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    if source.count(".") >= MAX_PARTS:
        for number, text in enumerate(source.split("\n"), 1):
            if text.count(".") >= MAX_PARTS and _DOTTED.search(text):
                raise LockError(f"not TOML: a key of more than {MAX_PARTS} parts", number)
    try:
        return tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        message = str(error)[:300]
        place = _PLACE.search(message)
        if place is None:
            raise LockError(f"not TOML: {message}") from None
        line = int(place[1]) if place[1] else source.count("\n") + 1
        words = message[: place.start()] + ("" if place[1] else ": the file ends in the middle")
        raise LockError(f"not TOML: {words}", line) from None
    except RecursionError:
        raise LockError("not TOML: nested too deeply") from None
    except (ValueError, OverflowError) as error:
        raise LockError(f"not TOML: {str(error)[:200]}") from None


def json(source: str) -> Any:
    """The content of JSON text."""
    import json as standard

    try:
        found = standard.loads(source)
        if _HALF.search(source):
            standard.dumps(found, ensure_ascii=False).encode()
        return found
    except UnicodeEncodeError:
        raise LockError("not JSON: half of a surrogate pair") from None
    except standard.JSONDecodeError as error:
        raise LockError(f"not JSON: {error.msg}", error.lineno) from None
    except RecursionError:
        raise LockError("not JSON: nested too deeply") from None
    except ValueError as error:
        raise LockError(f"not JSON: {str(error)[:200]}") from None


def yaml(source: str) -> tuple[Any, dict[str, list[int]]]:
    """The content of YAML text that a program wrote, scalars as text, and the lines of the items of its sequences, by key."""
    from envdoctor.yaml import generated

    try:
        return generated.load(source)
    except (generated.Broken, generated.Unknown) as error:
        kind = "not YAML" if isinstance(error, generated.Broken) else "YAML that is not read here"
        raise LockError(f"{kind}: {error}", error.line) from None


def line_of_key(data: bytes, key: str) -> int | None:
    """The line, from 1, on which ``key:`` stands at the beginning; None where it does not."""
    found = re.search(rb"^" + re.escape(key.encode()) + rb"\s*:", data, re.MULTILINE)
    return data.count(b"\n", 0, found.start()) + 1 if found else None


# ----------------------------------------------------------------------------------------------------- values in documents
_WORDS: dict[type, str] = {
    dict: "a table",
    list: "an array",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}


def _wrong(value: object, wanted: str, where: str) -> LockError:
    return LockError(f"expected {wanted}, found {_WORDS.get(type(value), type(value).__name__)}", where=where)


def table(value: Any, where: str) -> dict[str, Any]:
    """`value` as a table; None (absent) is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(value, "a table", where)
    return value


def tables(value: Any, where: str) -> list[dict[str, Any]]:
    """`value` as an array of tables; None is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(value, "an array", where)
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise _wrong(item, "a table", f"{where}[{index}]")
    return value


def words(value: Any, where: str) -> tuple[str, ...]:
    """`value` as an array of texts; None is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _wrong(value, "an array", where)
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise _wrong(item, "text", f"{where}[{index}]")
    return tuple(value)


def word(value: Any, where: str) -> str:
    """`value` as text."""
    if not isinstance(value, str):
        raise _wrong(value, "text", where)
    return value


def maybe(value: Any, where: str) -> str | None:
    """`value` as text; None stays None."""
    if value is not None and not isinstance(value, str):
        raise _wrong(value, "text", where)
    return value


def size(value: Any) -> int | None:
    """A number of bytes, None where there is none that JSON can hold."""
    return value if type(value) is int and 0 <= value < 1 << 62 else None


def lines_of(source: str, header: str, count: int) -> list[int | None]:
    """Lines of the array headers `header` (``[[package]]``), from 1; as many None where there are not `count` of them."""
    found: list[int | None] = [number for number, line in enumerate(source.split("\n"), 1) if line == header]
    return found if len(found) == count else [None] * count


def name_of(name: str) -> str:
    """PEP 503 name."""
    return _DASHES.sub("-", name).lower()


# ------------------------------------------------------------------------------------------------------------------- URLs
def public(url: str) -> str:
    """`url` without user information, conda tokens (``/t/TOKEN/``) and secrets in its query; the user of ssh stays, without whom
    (``git@``) nothing can be fetched."""
    if "@" in url:
        url = _USERINFO.sub("", url)
        if "ssh://" in url:
            url = _SSH_PASSWORD.sub(r"\1@", url)
    if "/t/" in url:
        url = _TOKEN_PATH.sub("", url)
    if "?" in url:
        kept = _TOKEN_QUERY.sub("", url)
        if kept != url:
            url = re.sub(r"[?&]+(?=#|$)", "", kept.replace("?&", "?"))
    return url


def file_name(url: str) -> str:
    """The last part of a URL's or a file's path."""
    if "#" in url or "?" in url:
        url = url.partition("#")[0].partition("?")[0]
    last = url[url.rfind("/") + 1 :]
    if "%" in last:
        from urllib.parse import unquote

        last = unquote(last)
    return last


def hash_of(text: str, where: str) -> tuple[str, str]:
    """``sha256:ABC…`` as (algorithm, lower-case hex)."""
    algorithm, colon, digest = text.partition(":")
    if not colon or not algorithm or not digest:
        raise LockError(f"expected algorithm:digest, found {text[:80]!r}", where=where)
    return algorithm.lower(), digest.lower()
