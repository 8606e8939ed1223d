"""Settings: found, read and checked. ``[tool.envdoctor]`` in pyproject.toml, or envdoctor.toml, which wins where both are.

The settings have the names of the options of ``envdoctor check``; an option on the command line replaces the setting of
its name. What a file can make this program write is deliberately not a setting (``output``, ``write-baseline``): a project
that was just cloned must not choose files to overwrite.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, cast

import msgspec

from envdoctor.collect import files, toml
from envdoctor.report import FailOn
from envdoctor.select import Ignore, UsageError

FAIL_ON: tuple[FailOn, ...] = ("error", "warning", "info", "never")
FILE = "envdoctor.toml"
PYPROJECT = "pyproject.toml"
MANIFESTS = (
    FILE,
    PYPROJECT,
    "setup.py",
    "setup.cfg",
    "requirements.txt",
    "Pipfile",
    "pixi.toml",
    "environment.yml",
    "environment.yaml",
    "conda-lock.yml",
    "uv.lock",
    "pylock.toml",
    "poetry.lock",
    "pdm.lock",
    "pixi.lock",
    ".venv",
)
"""What makes a folder a project's."""

_REPOSITORY = (".git", ".hg", ".jj")
_IGNORE_KEYS = ("code", "subject", "reason", "expires")
_NOT_SETTINGS = {
    "output": "give it on the command line: a file in a project must not choose what is overwritten",
    "write-baseline": "give it on the command line: a file in a project must not choose what is overwritten",
    "snapshot": "give it on the command line",
    "project": "give it on the command line",
}


class Settings(msgspec.Struct, frozen=True):
    """What the configuration says; None where it is silent."""

    source: str | None = None
    """The file, None where there is none."""
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] | None = None
    fail_on: FailOn | None = None
    format: tuple[str, ...] | None = None
    lock: tuple[str, ...] | None = None
    machine: str | None = None
    baseline: str | None = None
    deep: bool | None = None
    no_cache: bool | None = None
    no_color: bool | None = None
    quiet: bool | None = None
    verbose: bool | None = None
    ignores: tuple[Ignore, ...] = ()
    notes: tuple[str, ...] = ()
    origins: dict[str, str] = msgspec.field(default_factory=dict)
    """Words for the place of each setting, for messages."""


def repository_root(folder: str) -> str | None:
    """The nearest folder from `folder` upwards that a version control system owns; None if there is none."""
    for place in _upwards(folder):
        if any(files.exists(f"{place}/{name}") for name in _REPOSITORY):
            return place
    return None


def find_project(cwd: str | None) -> str | None:
    """The project that `cwd` lies in: the nearest folder with a manifest, from there up to the repository root.

    Without a repository only `cwd` itself counts. None where no folder has one.
    """
    for place in _search(cwd):
        if any(files.exists(f"{place}/{name}") for name in MANIFESTS):
            return place
    return None


def project_folder(argument: str) -> str:
    """The absolute folder that ``--project`` names. Raises UsageError."""
    path = os.path.abspath(argument)
    if not files.is_folder(path):
        raise UsageError(f"--project {argument}: no such folder", "name the folder that holds pyproject.toml")
    return path


def load(project: str | None, cwd: str | None) -> Settings:
    """The settings for a project folder given by hand, or for those that `cwd` lies in (nearest file first).

    Raises UsageError for a file that cannot be read, with its name and where in it.
    """
    for place in [project] if project is not None else _search(cwd):
        own, shared = f"{place}/{FILE}", f"{place}/{PYPROJECT}"
        document = _document(own)
        if document is not None:
            if "tool" in document and "envdoctor" in document.get("tool", {}):
                raise UsageError(f"{own}: unknown key 'tool'", f"in {FILE} the settings stand at the top level, without a table")
            notes: tuple[str, ...] = ()
            try:
                other = _table(_document(shared) or {}, shared)
            except UsageError:
                other = None
            if other is not None:
                notes = (f"settings of {FILE} are used; those of {PYPROJECT} beside it are not",)
            return _settings(document, own, "", notes)
        table = _table(_document(shared) or {}, shared)
        if table is not None:
            return _settings(table, shared, "tool.envdoctor.", ())
    return Settings()


def _upwards(folder: str) -> list[str]:
    from pathlib import Path

    path = Path(folder)
    return [str(place) for place in (path, *path.parents)]


def _search(cwd: str | None) -> list[str]:
    """Folders from `cwd` up to the root of its repository; `cwd` alone outside of one."""
    if cwd is None:
        return []
    root = repository_root(cwd)
    if root is None:
        return [cwd]
    places = _upwards(cwd)
    return places[: places.index(root) + 1]


def _document(path: str) -> dict[str, Any] | None:
    """A TOML file; None where there is none."""
    try:
        content = files.read(path)
    except files.Unreadable as error:
        if error.missing:
            return None
        raise UsageError(f"{path}: {error}", "settings are read from this file") from None
    if content.cut:
        raise UsageError(f"{path}: too large for settings")
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        source = content.data.decode("utf-8").removeprefix("\N{BYTE ORDER MARK}").replace("\r\n", "\n")
        if (line := toml.too_deep(source)) is not None:
            raise UsageError(f"{path}: no TOML: a key of more than {toml.MAX_PARTS} parts (at line {line})")
        return tomllib.loads(source)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: no UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: no TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{path}: no TOML: nested too deeply") from None
    except ValueError as error:
        # a number with more digits than int() takes
        raise UsageError(f"{path}: no TOML: {str(error)[:200]}") from None


def _table(document: Mapping[str, Any], path: str) -> dict[str, Any] | None:
    """``[tool.envdoctor]`` of a pyproject.toml; None where it has none."""
    tool = document.get("tool")
    if not isinstance(tool, dict) or "envdoctor" not in tool:
        return None
    table = tool["envdoctor"]
    if not isinstance(table, dict):
        raise UsageError(f"{path}: tool.envdoctor: expected a table, found {_kind(table)}")
    return table


def _settings(table: Mapping[str, Any], path: str, where: str, notes: tuple[str, ...]) -> Settings:
    """The settings of one table, each checked."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    folder = os.path.dirname(path)
    for written, value in table.items():
        key = written.replace("_", "-")
        place = f"{path}: {where}{_shown(written)}"
        if key == "ignores":
            values["ignores"] = _ignores(value, place)
            continue
        reader = _READERS.get(key)
        if reader is None:
            if key in _NOT_SETTINGS:
                raise UsageError(f"{place}: not a setting", _NOT_SETTINGS[key])
            raise UsageError(f"{place}: unknown key", _near(key))
        attribute = key.replace("-", "_")
        if attribute in values:
            raise UsageError(f"{place}: given twice, with - and with _")
        read = reader(value, place)
        if key in ("machine", "baseline"):
            read = os.path.join(folder, read)
        elif key == "lock":
            read = tuple(os.path.join(folder, item) for item in read)
        elif key == "format" and any("=" in item for item in read):
            raise UsageError(f"{place}: F=FILE is not a setting", _NOT_SETTINGS["output"])
        values[attribute] = read
        origins[key] = place
    return Settings(source=path, notes=notes, origins=origins, **values)


def _codes(value: Any, place: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise UsageError(f"{place}: expected a list of codes, found {_kind(value)}", 'for example ["PKG", "ARC002"]')
    return _strings(value, place)


def _strings(value: Any, place: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise UsageError(f"{place}: expected text or a list of texts, found {_kind(value)}")
    for number, item in enumerate(value, 1):
        if not isinstance(item, str):
            raise UsageError(f"{place}: item {number}: expected text, found {_kind(item)}")
    return tuple(value)


def _string(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{place}: expected text, found {_kind(value)}")
    return value


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{place}: expected true or false, found {_kind(value)}")
    return value


def _fail_on(value: Any, place: str) -> FailOn:
    if value not in FAIL_ON:
        raise UsageError(f"{place}: expected one of {', '.join(FAIL_ON)}, found {_kind(value)}")
    return cast("FailOn", value)


_READERS: dict[str, Any] = {
    "select": _codes,
    "ignore": _codes,
    "extend-select": _codes,
    "fail-on": _fail_on,
    "format": _strings,
    "lock": _strings,
    "machine": _string,
    "baseline": _string,
    "deep": _flag,
    "no-cache": _flag,
    "no-color": _flag,
    "quiet": _flag,
    "verbose": _flag,
}

KEYS = (*_READERS, "ignores")
"""Every setting."""


def _ignores(value: Any, place: str) -> tuple[Ignore, ...]:
    """``[[…ignores]]``."""
    from envdoctor.rules import FAMILIES

    if not isinstance(value, list):
        raise UsageError(f"{place}: expected an array of tables, found {_kind(value)}", "write [[tool.envdoctor.ignores]]")
    result: list[Ignore] = []
    for number, item in enumerate(value, 1):
        here = f"{place}[{number}]"
        if not isinstance(item, dict):
            raise UsageError(f"{here}: expected a table, found {_kind(item)}", "keys: code, subject, reason, expires")
        for key in item:
            if key not in _IGNORE_KEYS:
                raise UsageError(f"{here}.{_shown(key)}: unknown key", "keys: code, subject, reason, expires")
        code = _string(item.get("code", ""), f"{here}.code").strip().upper()
        if not code:
            raise UsageError(f"{here}: has no code", 'for example code = "PKG001"')
        if not (len(code) == 6 and code[:3] in FAMILIES and code[3:].isascii() and code[3:].isdigit()):
            raise UsageError(
                f"{here}.code: unknown code '{_shown(code)}'", "one whole code, such as PKG001; envdoctor rules lists them"
            )
        reason = " ".join(_string(item.get("reason", ""), f"{here}.reason").split())
        if not reason:
            raise UsageError(f"{here}: has no reason", "say why this finding may stay, for those who read it later")
        subject = item.get("subject")
        if subject is not None:
            subject = _string(subject, f"{here}.subject")
        result.append(Ignore(code, reason, subject, _date(item.get("expires"), f"{here}.expires"), here))
    return tuple(result)


def _date(value: Any, place: str) -> date | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass
    raise UsageError(f"{place}: expected a date such as 2027-01-31, found {_kind(value)}")


def _kind(value: Any) -> str:
    """What `value` is, in words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{_shown(value)}'"
    if isinstance(value, (int, float)):
        return f"the number {value!r:.40}"
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else "a date"


def _shown(text: str) -> str:
    """`text` short, on one line and harmless."""
    safe = text if text.isprintable() else ascii(text)[1:-1]
    return safe if len(safe) <= 60 else safe[:59] + "…"


def _near(key: str) -> str:
    import difflib

    near = difflib.get_close_matches(key, KEYS, 1, 0.6)
    return f"did you mean {near[0]}?" if near else f"keys: {', '.join(KEYS)}"
