"""A library is missing for a plugin that nothing loads when the package is imported.

## Why it matters
Big packages bring plugins for whatever there may be: Qt's for every desktop and database, one build of a library for each
version of CUDA or FFmpeg. What they need is often not there, and need not be. It matters only when the plugin is wanted: a
window on Wayland, sound, a GPU.

## How it is found
As for LIB001, for files that no import of the package leads to: libraries that no extension module needs, modules that are
imported only in functions or under `try`. One finding for each package, which names the libraries.

## Look-alikes that are fine
All of it is, until the plugin is used. Needs of libraries that other modules of the package, or of what it requires, have
loaded are not reported.

## How to fix
Nothing, or install the library when you want the plugin.

## Example
    info    LIB008 plugin-library-missing · pyside6-essentials 6.10.0
      34 plugins of pyside6-essentials need libraries that are not there: libwayland-cursor.so.0, libgtk-3.so.0, …
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix
from envdoctor.loader.model import base_name
from envdoctor.natives import count
from envdoctor.rules.base import Rule
from envdoctor.rules.lib._loading import SHOWN, Failure, distributions, each_once, failures, subjects
from envdoctor.view import View

RULE = Rule(
    "LIB008",
    "plugin-library-missing",
    "info",
    reads=(
        "natives",
        "libraries",
        "dll_folders",
        "machine",
        "preloads",
        "imported_modules",
        "distributions",
        "sites",
        "interpreter",
        "shell",
    ),
    messages=(
        'Could not load the Qt platform plugin "{plugin}" in "{path}"',
        'Could not find the Qt platform plugin "{plugin}"',
        "{library}: cannot open shared object file: No such file or directory",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution, or top-level folder that belongs to none."""
    found = failures(view)
    told = {need.name for failure in found if failure.severity != "info" for need in failure.needs}
    groups: dict[str, list[Failure]] = {}
    for failure in found:
        if failure.severity == "info" and any(need.name not in told for need in failure.needs):
            top = failure.root.file.path.partition("/")[0]
            groups.setdefault(failure.root.distribution or f"/{top}", []).append(failure)
    for key in sorted(groups):
        yield _finding(view, key, sorted(groups[key], key=lambda f: f.root.path), told)


def _finding(view: View, key: str, plugins: list[Failure], told: set[str]) -> Finding:
    users: dict[str, int] = {}
    for plugin in plugins:
        for name in {need.name for need in plugin.needs} - told:
            users[name] = users.get(name, 0) + 1
    names = sorted(users, key=lambda name: (-users[name], name))
    roots = [plugin.root for plugin in plugins]
    who = key.removeprefix("/")
    what = count(len(plugins), "plugin")
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    verb = "needs" if len(plugins) == 1 else "need"
    noun = "a library that is" if len(names) == 1 else "libraries that are"
    lines = [f"{view.inside(plugin.root.path)}: {_wanted(plugin, told)}" for plugin in plugins[:SHOWN]]
    if len(plugins) > SHOWN:
        lines.append(f"and {len(plugins) - SHOWN} more")
    lines += dict.fromkeys(plugin.why for plugin in plugins[:SHOWN] if plugin.why)
    return RULE.finding(
        f"{what} of {who} {verb} {noun} not there: {shown}",
        subjects(view, roots, roots),
        evidence=lines,
        fixes=each_once(_fixes(view, plugins, names)),
        key=f"plugins:{who}",
    )


def _wanted(plugin: Failure, told: set[str]) -> str:
    """``needs libpulse.so.0, through libQt6Multimedia.so.6``."""
    names: dict[str, str] = {}
    for need in plugin.needs:
        if need.name not in told:
            through = base_name(need.asker.path) if need.asker.path != plugin.root.path else ""
            names.setdefault(need.name, f"{need.name}, through {through}" if through else need.name)
    return f"needs {'; '.join(names[name] for name in sorted(names))}"


def _fixes(view: View, plugins: list[Failure], names: list[str]) -> Iterator[Fix]:
    dists = distributions(view, [plugin.root for plugin in plugins])
    for name in names[:3]:
        if base_name(name):
            yield view.remedy.system_library(name, RULE.code, dist=dists[0] if dists else None)[0]
