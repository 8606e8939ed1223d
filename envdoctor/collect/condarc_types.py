"""Whether conda takes a value for a setting: its own coercion of types, for values of a .condarc and of variables.

conda reads YAML by ruamel.yaml (YAML 1.2: ``yes`` is a text), then makes of each value what the setting wants: texts become
booleans and numbers where they spell one, numbers become texts. What cannot be made so stops every command that changes an
environment (``Context.validate_configuration``). ``tests/collect/test_condarc_types.py`` holds this against conda's own answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from envdoctor.data.conda_settings import SETTINGS, Kind, Setting
from envdoctor.tuples import NamedTuple
from envdoctor.yaml import Node

Scalar = Literal["null", "bool", "int", "float", "date", "text"]
EXPECTED: dict[Kind, str] = {
    "bool": "true or false",
    "bool?": "true or false",
    "int": "a whole number",
    "float": "a number",
    "text": "a text",
    "text?": "a text",
    "text|bool": "true, false or a path",
    "bool|int": "true, false or a whole number",
    "list": "a list",
    "map": "a mapping",
    "map of lists": "a mapping of lists",
    "list of maps": "a list of mappings",
}
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?0b[01_]+|[-+]?0o[0-7_]+|[-+]?[0-9][0-9_]*|[-+]?0x[0-9a-fA-F_]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.[0-9_]+(?:[eE][-+]?[0-9]+)?)\Z"
)
_ENDLESS = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_DATE = re.compile(
    r"[0-9]{4}-(?:[0-9]{2}-[0-9]{2}\Z|[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
    r"(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?\Z)"
)
_BOOLISH = frozenset(("true", "yes", "on", "y", "false", "off", "n", "no", "non", "none", ""))
_NULLISH = frozenset(("none", "~", "null", "\0"))
_WHOLE = re.compile(r"[-+]?\d+(?:_\d+)*\Z")
_SCHEME = re.compile(r"[a-z][a-z0-9]{0,11}://", re.IGNORECASE)
_SHORT = 40


class Surroundings(NamedTuple):
    """What a value may lead to."""

    expanded: Callable[[str], str]
    """Fills in variables."""
    exists: Callable[[str], bool]
    """Something is at a path, taken from the working directory where it is relative."""


def scalar(node: Node) -> Scalar:
    """What ruamel.yaml makes of a scalar."""
    value = node.value
    assert isinstance(value, str)
    if node.quoted:
        return "text"
    if node.null:
        return "null"
    if _BOOL.match(value):
        return "bool"
    if _INT.match(value):
        return "int"
    if _FLOAT.match(value) or _ENDLESS.match(value):
        return "float"
    return "date" if _DATE.match(value) else "text"


def refused(name: str, node: Node, around: Surroundings) -> str | None:
    """What is wrong with the value of a setting, in words that follow its name; None where conda takes it."""
    setting = SETTINGS[name]
    value = node.value
    if setting.kind in ("list", "list of maps", "map", "map of lists"):
        if isinstance(value, str) and node.null:
            return None
        return _collection(setting, node)
    if not isinstance(value, str):
        return _unlike(setting, "a list" if isinstance(value, list) else "a mapping")
    kind = scalar(node)
    if kind == "date":
        return _unlike(setting, "a date")
    if setting.expands and kind == "text":
        value = around.expanded(value)
    return _one(name, setting, kind, value, around)


def refused_variable(name: str, value: str, around: Surroundings) -> str | None:
    """The same for the text of a variable (``CONDA_ALWAYS_YES``); lists are split at their delimiter."""
    setting = SETTINGS[name]
    if setting.kind == "list":
        return None
    if setting.kind in ("list of maps", "map", "map of lists"):
        return _unlike(setting, "a text")
    return _one(name, setting, "text", value.split("!important")[0].strip(), around)


def _unlike(setting: Setting, what: str) -> str:
    if setting.kind == "choice":
        return f"is {what}: it can be {_or(setting.choices)}"
    return f"is {what}, where {EXPECTED[setting.kind]} is expected"


def _or(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _collection(setting: Setting, node: Node) -> str | None:
    value = node.value
    items = list(value.values()) if isinstance(value, dict) else value
    if isinstance(items, str):
        return _unlike(setting, "a text" if scalar(node) == "text" else _shown(items))
    if isinstance(value, dict) is not setting.kind.startswith("map"):
        if not items and not setting.kind.startswith("map"):
            return None  # an empty mapping is an empty list
        return _unlike(setting, "a mapping" if isinstance(value, dict) else "a list")
    inner = {"map of lists": list, "list of maps": dict}.get(setting.kind)
    for item in items:
        if inner is None:
            wrong = _no_scalar(item)
        elif isinstance(item.value, str):
            wrong = None if item.null else "a text"
        elif not isinstance(item.value, inner):
            wrong = "a list" if isinstance(item.value, list) else "a mapping"
        else:
            deeper = item.value.values() if isinstance(item.value, dict) else item.value
            wrong = next((found for one in deeper if (found := _no_scalar(one))), None)
        if wrong:
            return f"has {wrong} inside, where {EXPECTED[setting.kind]}{'' if inner else ' of texts'} is expected"
    return None


def _no_scalar(node: Node) -> str | None:
    if isinstance(node.value, str):
        return "a date" if scalar(node) == "date" else None
    return "a list" if isinstance(node.value, list) else "a mapping"


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHORT else f"{value[: _SHORT - 3]}...")


def _one(name: str, setting: Setting, kind: Scalar, value: str, around: Surroundings) -> str | None:
    """A scalar for a setting that takes one."""
    wrong = False
    told = "nothing" if kind == "null" else _shown(value)
    if kind == "text" and setting.kind != "text":
        value = value.strip()
    if setting.kind in ("bool", "bool?"):
        wrong = kind == "text" and not _boolish(value, nullable=setting.kind == "bool?")
    elif setting.kind == "int":
        wrong = kind == "null" or (kind == "text" and not _WHOLE.match(value)) or bool(_ENDLESS.match(value))
    elif setting.kind == "float":
        wrong = kind == "null" or (kind == "text" and not _number(value))
    elif setting.kind == "bool|int":
        known = value.lower() in ("true", "yes", "on", "false", "no", "off") or re.fullmatch(r"[-+]?\d+", value)
        wrong = kind in ("null", "float") or (kind == "text" and not known)
    elif setting.kind == "choice":
        wrong = kind != "text" or value not in (*setting.choices, *setting.constants)
        if name == "channel_priority" and (kind == "bool" or value.lower() in ("true", "yes", "on", "false", "no", "off")):
            wrong = False
    elif setting.kind == "text|bool":
        if kind == "text" and not _boolish(value) and value != "truststore" and not around.exists(value):
            return f"is {told}, which is neither true or false nor the path of something that is there"
    elif name == "channel_alias":
        if kind == "null" or (value and not _SCHEME.match(value)):
            return f"is {told}, where an address with its scheme (https://…) is expected"
    elif name == "default_python" and kind != "null" and value and value.lower() != "none" and not _python(value):
        return f"is {told}, where a version like 3.12 is expected"
    return _unlike(setting, told) if wrong else None


def _boolish(value: str, *, nullable: bool = False) -> bool:
    word = value.lower().replace(".", "", 1)
    if word.isnumeric() or word in _BOOLISH or (nullable and word in _NULLISH):
        return True
    try:
        complex(word)
    except ValueError:
        return False
    return True


def _number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _python(value: str) -> bool:
    if len(value) < 3 or value[1] != "." or not _number(value):
        return False
    return 2.0 <= float(value) < 4.0
