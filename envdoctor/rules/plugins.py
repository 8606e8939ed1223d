"""Rules of others: packages that an entry point of the group ``envdoctor.rules`` names, beside envdoctor itself.

::

    [project.entry-points."envdoctor.rules"]
    ACM = "acme_rules"

The name is the family (three capital letters that no family of envdoctor has), the value a package; each of its modules
``acm001_some_name.py`` is a rule as envdoctor's own are, and its docstring a page. Looked for only where envdoctor is installed
(its own site folders): never on PYTHONPATH, never in a target, whose code does not run.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import sys

GROUP = "envdoctor.rules"
_LIMIT = 1 << 16


class Plugin:
    """One family of somebody else's rules."""

    def __init__(self, family: str, package: str) -> None:
        self.family, self.package = family, package
        self.words = family.lower()
        self.modules: dict[str, str] = {}
        self.problem: str | None = None
        """Why it has no rules, one line."""


def find(taken: frozenset[str]) -> list[Plugin]:
    """The plugins that are installed, by family. `taken` are the families of envdoctor itself."""
    found: dict[str, Plugin] = {}
    for family, package in sorted(_entry_points()):
        plugin = Plugin(family, package)
        if not re.fullmatch(r"[A-Z]{3}", family) or family in taken:
            plugin.problem = f"{family[:20]!r} is no family of its own: three capital letters, none of {', '.join(sorted(taken))}"
        elif family in found:
            plugin.problem = f"{found[family].package} and {package} both bring the family {family}"
        else:
            _load(plugin)
        found[family if plugin.problem is None else f"{family} {package}"] = plugin
    return list(found.values())


def _load(plugin: Plugin) -> None:
    """Notes the modules of its rules, by code."""
    try:
        folder = importlib.import_module(plugin.package)
        places = list(folder.__path__)
    except Exception as error:  # noqa: BLE001 - what another one's package raises spoils nothing else
        plugin.problem = f"{plugin.package} cannot be imported: {type(error).__name__}: {error}"[:300]
        return
    plugin.words = str(getattr(folder, "FAMILY", plugin.family.lower()))[:30]
    for info in pkgutil.iter_modules(places):
        code = info.name.split("_", 1)[0].upper()
        if re.fullmatch(rf"{plugin.family}[0-9]{{3}}", code):
            plugin.modules[code] = f"{plugin.package}.{info.name}"


def _entry_points() -> set[tuple[str, str]]:
    """Names and values of the group, of distributions in envdoctor's own site folders.

    importlib.metadata would read the metadata of every distribution; here a file is read where there is one.
    """
    found: set[tuple[str, str]] = set()
    for site in _sites():
        try:
            infos = [entry for entry in os.listdir(site) if entry.endswith(".dist-info")]
        except OSError:
            continue
        for info in infos:
            try:
                with open(f"{site}/{info}/entry_points.txt", "rb") as stream:  # noqa: PTH123
                    data = stream.read(_LIMIT)
            except OSError:
                continue
            if GROUP.encode() in data:
                found |= _group(data.decode("utf-8", "replace"))
    return found


def _sites() -> list[str]:
    """Site folders of the Python that envdoctor runs on, as far as it looks there; by name, as sysconfig takes a millisecond."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    names = [f"{lib}/{version}/site-packages" for lib in ("lib", "lib64")]
    names += ["Lib/site-packages", "lib/python3/dist-packages", f"local/lib/{version}/dist-packages"]
    own = {os.path.normcase(os.path.join(sys.prefix, *name.split("/"))) for name in names}
    return [site for site in dict.fromkeys(sys.path) if os.path.normcase(site) in own]


def _group(text: str) -> set[tuple[str, str]]:
    import configparser

    parser = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:
        return set()
    return {(name, value.strip()) for name, value in parser.items(GROUP)} if parser.has_section(GROUP) else set()
