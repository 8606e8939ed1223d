"""Names of symbols: which belong to Python's C-API, and C++ names as people write them. Pure."""

from __future__ import annotations

import re

from envdoctor.lazy import pattern

_PYTHON = pattern(r"_?Py(?:[A-Z][A-Za-z0-9]*)?_[A-Za-z0-9_]+$")
_NESTED = pattern(r"_ZT?[VISC]?N?[rVK]*")
_ABBREVIATIONS = {"St": "std", "Ss": "std::string", "Sa": "std::allocator"}


def is_python(symbol: str) -> bool:
    """A name of the C-API, by its form: ``PyObject_Call``, ``_Py_Dealloc``; not ``PyInit_…``, which modules define."""
    from envdoctor.data.python_symbols import SYMBOLS

    return symbol in SYMBOLS or (_PYTHON.match(symbol) is not None and not symbol.startswith(("PyInit", "_PyInit")))


def plain_name(symbol: str) -> str:
    """The qualified name in a mangled C++ name (Itanium ABI), without arguments and templates: ``c10::Error::Error``.

    `symbol` itself where it is no such name or a part of it is not understood.
    """
    if symbol.startswith("?"):
        return _of_visual_cpp(symbol)
    match = _NESTED.match(symbol)
    if match is None or not symbol.startswith("_Z"):
        return symbol
    at = match.end()
    parts: list[str] = []
    nested = "N" in match[0][2:]
    while at < len(symbol):
        two = symbol[at : at + 2]
        if two in _ABBREVIATIONS and not parts:
            parts.append(_ABBREVIATIONS[two])
            at += 2
            continue
        digits = re.match(r"\d{1,4}", symbol[at:])
        if digits is not None:
            start = at + digits.end()
            length = int(digits[0])
            name = symbol[start : start + length]
            if len(name) < length:
                break
            parts.append("(anonymous namespace)" if name.startswith("_GLOBAL__N") else name)
            at = start + length
            if re.match(r"B\d", symbol[at:]):
                tag = re.match(r"B(\d+)", symbol[at:])
                at += tag.end() + int(tag[1]) if tag is not None else 0
        elif re.match(r"[CD][0-5]", two) and parts:
            parts.append(("~" if two[0] == "D" else "") + parts[-1])
            break
        else:
            break
        if not nested:
            break
    return "::".join(parts) if parts else symbol


def _of_visual_cpp(symbol: str) -> str:
    """The same for Visual C++: ``?name@Class@space@@…``, ``??0Class@space@@…`` for a constructor, ``??1`` for a destructor."""
    special = symbol[:3] if symbol[:3] in ("??0", "??1") else symbol[:1]
    parts = symbol[len(special) :].partition("@@")[0].split("@")
    if not all(part.isidentifier() for part in parts):
        return symbol
    own = {"??0": [parts[0]], "??1": [f"~{parts[0]}"]}.get(special, [])
    return "::".join([*reversed(parts), *own])


def spoken(symbol: str) -> str:
    """A symbol for a message: the C++ name where it is one, cut to what a line bears."""
    name = plain_name(symbol)
    return name if len(name) <= 100 else name[:99] + "…"
