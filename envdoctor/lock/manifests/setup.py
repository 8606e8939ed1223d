"""``setup.cfg`` and the literals of a ``setup()`` call in ``setup.py``. Pure; nothing is evaluated."""

from __future__ import annotations

import ast
import sys
from typing import Any

from envdoctor.lock.document import decode, name_of
from envdoctor.lock.manifests.wishes import of_text
from envdoctor.lock.model import LockError, Manifest, Wish

MAX_SETUP = 1 << (18 if sys.version_info >= (3, 11) else 16)
"""Bytes of a setup.py that are parsed. Python 3.10's parser overflows the C stack on 60,000 nested expressions."""


def read(data: bytes, path: str) -> Manifest:
    """What the file declares. Raises LockError."""
    source = decode(data)
    return _cfg(source, path) if path.endswith(".cfg") else _py(source, path)


def _cfg(source: str, path: str) -> Manifest:
    import configparser

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(source)
    except configparser.Error as error:
        line = getattr(error, "lineno", None)
        raise LockError(
            f"not an INI file: {' '.join(str(error).split())[:200]}", line if isinstance(line, int) else None
        ) from None
    wishes: list[Wish] = []
    problems: list[str] = []
    dynamic: list[str] = []

    def take(text: str, key: str, extra: str | None = None) -> None:
        for line in text.splitlines():
            line = line.partition(" #")[0].strip()
            if line.startswith(("file:", "attr:")):
                dynamic.append("dependencies")
            elif line and not line.startswith("#"):
                wish = of_text(line, extra=extra)
                if wish is None:
                    problems.append(f"{key}: no requirement: {line[:100]!r}")
                else:
                    wishes.append(wish)

    take(parser.get("options", "install_requires", fallback=""), "options.install_requires")
    extras = parser.options("options.extras_require") if parser.has_section("options.extras_require") else []
    for extra in extras:
        take(parser.get("options.extras_require", extra, fallback=""), f"options.extras_require.{extra}", name_of(extra))
    name = parser.get("metadata", "name", fallback=None)
    return Manifest(
        path=path,
        format="setup",
        name=name_of(name.strip()) if name and not name.strip().startswith(("file:", "attr:")) else None,
        requires_python=parser.get("options", "python_requires", fallback=None) or None,
        wishes=tuple(wishes),
        extras=tuple(map(name_of, extras)),
        dynamic=tuple(dict.fromkeys(dynamic)),
        problems=tuple(problems),
    )


def _py(source: str, path: str) -> Manifest:
    import warnings

    if len(source) > MAX_SETUP:
        raise LockError(f"larger than {MAX_SETUP >> 10} KiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise LockError("not Python", getattr(error, "lineno", None)) from None
    found: dict[str, Any] = {}
    dynamic: list[str] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called != "setup":
            continue
        for keyword in node.keywords:
            if keyword.arg not in ("name", "python_requires", "install_requires", "extras_require"):
                continue
            try:
                found[keyword.arg] = ast.literal_eval(keyword.value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                dynamic.append("dependencies" if keyword.arg.endswith("_requires") else keyword.arg)
    wishes: list[Wish] = []
    problems: list[str] = []

    def take(raw: Any, extra: str | None = None) -> None:
        texts = raw.splitlines() if isinstance(raw, str) else raw if isinstance(raw, (list, tuple, set)) else ()
        for text in sorted(str(one) for one in texts) if isinstance(texts, set) else texts:
            if isinstance(text, str) and text.strip() and _plain(text):
                wish = of_text(text.strip(), extra=extra)
                if wish is None:
                    problems.append(f"no requirement: {text[:100]!r}")
                else:
                    wishes.append(wish)

    take(found.get("install_requires"))
    extras = found.get("extras_require")
    extras = (
        {key: value for key, value in extras.items() if isinstance(key, str) and _plain(key)} if isinstance(extras, dict) else {}
    )
    for extra, items in extras.items():
        take(items, name_of(extra.partition(":")[0]) or None)
    name, python = found.get("name"), found.get("python_requires")
    return Manifest(
        path=path,
        format="setup",
        name=name_of(name) if isinstance(name, str) and _plain(name) else None,
        requires_python=python if isinstance(python, str) and _plain(python) else None,
        wishes=tuple(wishes),
        extras=tuple(name_of(extra.partition(":")[0]) for extra in extras if not extra.startswith(":")),
        dynamic=tuple(dict.fromkeys(dynamic)),
        problems=tuple(problems),
    )


def _plain(text: str) -> bool:
    """No half of a surrogate pair, which a Python literal can spell and JSON cannot hold."""
    return all(not 0xD800 <= ord(char) < 0xE000 for char in text)
