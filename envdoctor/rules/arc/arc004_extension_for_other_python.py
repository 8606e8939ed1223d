"""An extension module belongs to another Python version, build or implementation.

## Why it matters
Python opens only files whose names end in one of its own suffixes. `_imaging.cpython-310-x86_64-linux-gnu.so` does not
exist for Python 3.11: the package lies there complete, and `import` says `No module named …_imaging`, or the package
silently takes its slow pure-Python way. A module without a tag in its name is opened in any case, and dies with
`undefined symbol: PyUnicode_…` or crashes.

## How it is found
The tag in the file's name (version, `t` for free-threaded, `d` for debug, implementation, platform, `abi3`) is compared
with the interpreter. Where the name carries none, three things tell: C-API symbols it needs that this interpreter does
not export, a `libpythonX.Y` it needs, the `python3XY.dll` or `Python.framework/Versions/X.Y` it links. On Linux the
symbols of tagged modules are looked up, too, where a file is not as its index published it, and those of `abi3` modules
whose wheel does not name a Python that is old enough: a module for the stable ABI of Python 3.12 is opened by 3.11 and
fails on the first function that came with 3.12. A free-threaded interpreter loads an untagged module that was built with
the GIL and crashes: it counts references in another way, by other functions.

## Look-alikes that are fine
- Several versions side by side, one of which fits; also where the version stands in the name itself (`core_py310`,
  `core_py311`).
- A wheel that ships a few modules for other versions beside modules that fit.
- `abi3` modules, and modules without a tag whose symbols are all there.
- A release extension under a debug interpreter.
- A pure-Python module of the same name beside it: Python takes that one, so it is a warning.
- Files of another architecture: that is ARC002. Windows' modules in a wheel for every platform (debugpy).
- Debian's and Ubuntu's `/usr/lib/python3/dist-packages`, which PyPy and a second CPython share with the system's Python:
  one remark, as long as nothing that was installed for this interpreter needs the packages.

## How to fix
Install the distribution again, with the interpreter that is to use it.

## Example
A build stage with python:3.10 whose site-packages are copied into a python:3.11 image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from envdoctor.data.python_symbols import since, versions
from envdoctor.finding import Finding, Fix, Severity
from envdoctor.natives import Group, Loading, Native, count, some
from envdoctor.platforms import explain, python_words
from envdoctor.rules.base import Rule, Skip
from envdoctor.symbol_names import is_python
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

RULE = Rule(
    "ARC004",
    "extension-for-other-python",
    "error",
    reads=("natives", "interpreter", "distributions", "sites", "unresolved_symbols"),
    deep=True,
    messages=(
        "No module named '{module}'",
        "cannot import name '{name}' from '{module}'",
        "cannot import name '{name}' from partially initialized module '{module}'",
        "Python version mismatch: module was compiled for Python {version}",
        "undefined symbol: _Py{symbol}",
        "undefined symbol: Py{symbol}",
        "Error importing numpy: you should not try to import numpy from",
        "Importing the numpy C-extensions failed",
    ),
)

MANY = 12
"""From so many distributions on with one and the same fault it is told once, for the environment."""

_LINKED = (
    re.compile(r"(?:^|/)libpython(\d)\.(\d+)([a-z]*)\.(?:so|dylib)"),
    re.compile(r"(?i)^python(\d)(\d+)(t?)\.dll$"),
    re.compile(r"Python(T?)\.framework/Versions/(\d)\.(\d+)/"),
)


class Stranger(NamedTuple):
    """A module for another Python, what it is for, and how that shows."""

    native: Native
    wanted: str
    evidence: str


class Strangers(NamedTuple):
    """The modules of one group that are for another Python."""

    group: Group
    modules: list[Stranger]
    severity: Severity

    @property
    def wanted(self) -> tuple[str, ...]:
        """What they are for."""
        return tuple(sorted({s.wanted for s in self.modules}))


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution, or one for the environment where many have the same fault."""
    loading = view.loading
    if loading.profile.version is None:
        raise Skip("the Python version is not known")
    found = [one for group in loading.groups if (one := _strangers(loading, group)) is not None]
    shared = [one for one in found if _of_systems_python(view, loading, one)]
    if shared:
        yield _shared(view, loading, shared)
        found = [one for one in found if one not in shared]
    by_wanted: dict[tuple[tuple[str, ...], Severity], list[Strangers]] = {}
    for one in found:
        by_wanted.setdefault((one.wanted, one.severity), []).append(one)
    for _, group in sorted(by_wanted.items()):
        owned = [one for one in group if one.group.dist is not None]
        if len(owned) >= MANY:
            yield _environment(view, loading, owned)
            group = [one for one in group if one.group.dist is None]
        for one in group:
            yield _distribution(view, loading, one)


def _strangers(loading: Loading, group: Group) -> Strangers | None:
    found: list[Stranger] = []
    tagged = False
    for native in group.extensions:
        stranger = _stranger(loading, native)
        if stranger is None or ((group.site, native.module) in loading.loadable_modules and not native.opened):
            continue
        if not native.opened:
            if group.has_fitting_twin(native):
                continue
            tagged = True
        elif group.has_numbered_twin(native):
            continue
        found.append(stranger)
    if not found:
        return None
    opened = [s for s in found if s.native.opened]
    if tagged and not opened and _ships_others(loading, group):
        return None
    beside = all(s.native.file.source_beside or (s.native.module or "").endswith("__mypyc") for s in found)
    return Strangers(group, found, "warning" if beside and not opened else "error")


def _of_systems_python(view: View, loading: Loading, one: Strangers) -> bool:
    """It is the system's Python's, whose packages lie in a folder that all interpreters of the system share: nothing there
    fits this one by its tag, and nothing that was installed for this one asks for it."""
    group = one.group
    site = view.snapshot.sites[group.site]
    if site.role != "dist-packages" or "/local/" in site.path or any(s.native.opened for s in one.modules):
        return False
    if group.dist is not None:
        if view.packager(group.dist) != "system":
            return False
        if any(view.packager(edge.parent) is None for edge in view.closure.incoming.get(group.dist.name, ())):
            return False
    return not any(
        native.fits and native.name is not None and native.name.version is not None
        for other in loading.groups
        if other.site == group.site
        for native in other.extensions
    )


def _shared(view: View, loading: Loading, shared: list[Strangers]) -> Finding:
    folder = view.snapshot.sites[shared[0].group.site].path
    names = sorted({one.group.dist.name if one.group.dist is not None else one.group.key.partition(".")[0] for one in shared})
    return RULE.finding(
        f"{view.inside(folder)} holds the packages of another Python of this system: {', '.join(names[:3])}"
        f"{f' and {len(names) - 3} more' if len(names) > 3 else ''} cannot be imported by {python_words(loading.profile)}",
        [view.environment_subject(), *sorted((loading.subject(one.group) for one in shared), key=lambda s: s.name)],
        evidence=[*some([line for one in shared[:5] for line in _lines(loading, one, 1)[:1]], len(shared)), _here(view)],
        fixes=[
            view.remedy.manual(
                "nothing to mend where no program needs them; else install them into an environment of this interpreter",
                RULE.code,
                commands=((view.snapshot.interpreter.path, "-m", "venv", ".venv"),),
            )
        ],
        key="shared",
        severity="info",
    )


def _ships_others(loading: Loading, group: Group) -> bool:
    """The distribution fits by its tags and has extension modules that fit: those for other Pythons are there on purpose."""
    wheel = group.dist.wheel if group.dist is not None else None
    if wheel is None or group.key != (group.dist.name if group.dist is not None else None):
        return False
    fits = not wheel.tags or any(not explain(tag, loading.profile) for tag in wheel.tags)
    return fits and any(n.fits and n.arch for n in group.extensions)


def _stranger(loading: Loading, native: Native) -> Stranger | None:
    name, file = native.name, native.file
    if name is None:
        return None
    if name.windows != (loading.profile.system == "windows") and _fits_anywhere(loading, native):
        return None
    if name.family != "none" and not native.python:
        wanted = {
            "cpython": f"{'free-threaded ' if 't' in name.flags else ''}CPython",
            "pypy": "PyPy",
            "graalpy": "GraalPy",
            "abi3": "the stable ABI of CPython 3.15" if "t" in name.flags or name.platform else "CPython's stable ABI",
        }[name.family]
        if name.version is not None:
            wanted += f" {name.version[0]}.{name.version[1]}"
        if "d" in name.flags and name.family == "cpython":
            wanted += " (debug build)"
        if name.family == "abi3" and loading.profile.threaded and "t" not in name.flags:
            wanted += ", which a free-threaded build does not open"
        return Stranger(native, wanted, f"named for {name.tag}")
    if name.family != "none" and not native.opened and native.arch:
        if name.platform is None:
            return None
        return Stranger(native, f"platform {name.platform}", f"named for {name.platform}")
    if not native.opened or native.arch is False:
        return None
    linked = _linked(loading, native)
    if linked is not None and name.family == "none":
        return Stranger(native, f"CPython {linked[0]}", f"needs {linked[1]}")
    symbols = file.python_symbols or _unresolved(loading).get((file.folder, file.path), ())
    if symbols:
        names = ", ".join(symbols[:3]) + (" …" if len(symbols) > 3 else "")
        spans = {span for symbol in symbols if (span := versions(symbol))}
        if name.family == "abi3":
            first = max((since(symbol) for symbol in symbols), default=0)
            wanted = f"the stable ABI of CPython 3.{first} or later" if first else "the stable ABI of a newer CPython"
        else:
            wanted = min(spans) if len(spans) == 1 else "another CPython"
        known = f" ({', '.join(sorted(spans)[:3])})" if spans else ""
        return Stranger(native, wanted, f"needs {names}, which this interpreter does not export{known}")
    if file.built_with_gil and loading.profile.threaded:
        return Stranger(native, "CPython with the GIL", "counts references by _Py_Dealloc, as no free-threaded build does")
    return None


@lru_cache(maxsize=1)
def _unresolved(loading: Loading) -> dict[tuple[int, str], tuple[str, ...]]:
    """C-API names that nothing defines, by site folder and path of the extension module that needs them."""
    return {
        (fact.folder, fact.path): symbols
        for fact in loading.view.snapshot.unresolved_symbols
        if fact.module is None and (symbols := tuple(name for name in fact.symbols if is_python(name)))
    }


def _fits_anywhere(loading: Loading, native: Native) -> bool:
    """The distribution says that it is for every platform: its files for another system are an extra (debugpy's .pyd)."""
    dist = loading.view.effective.get(native.file.owner) if native.file.owner else None
    wheel = dist.wheel if dist is not None else None
    return wheel is not None and any(tag.endswith("-none-any") for tag in wheel.tags)


def _linked(loading: Loading, native: Native) -> tuple[str, str] | None:
    """The Python version that a module links, when it is not this one, and the name that says so."""
    version = loading.profile.version
    for part in native.file.slices:
        for need in part.needed:
            for pattern in _LINKED:
                match = pattern.search(need)
                if match is None:
                    continue
                groups = [g for g in match.groups() if g.isdigit()]
                if len(groups) == 2 and (int(groups[0]), int(groups[1])) != version:
                    return f"{groups[0]}.{groups[1]}", need
    return None


def _lines(loading: Loading, one: Strangers, limit: int = 5) -> list[str]:
    lines = []
    for stranger in one.modules[:limit]:
        line = f"{loading.shown(one.group, stranger.native.file)}: {stranger.evidence}"
        if not stranger.native.opened:
            line += ", never opened"
        if stranger.native.file.source_beside:
            line += "; a .py file of the same name is used instead"
        lines.append(line)
    return some(lines, len(one.modules), limit)


def _here(view: View) -> str:
    interpreter = view.snapshot.interpreter
    words = python_words(view.loading.profile)
    return f"interpreter: {words}" + (f", extension modules end in .{interpreter.soabi}" if interpreter.soabi else "")


def _distribution(view: View, loading: Loading, one: Strangers) -> Finding:
    group, dist = one.group, one.group.dist
    number = len(one.modules)
    verb = "is" if number == 1 else "are"
    tail = (
        f"{count(number, 'extension module')} {verb} for {' and '.join(one.wanted[:3])}, this is {python_words(loading.profile)}"
    )
    subject = loading.subject(group)
    fixes: list[Fix] = []
    if dist is not None:
        label = f"{dist.name} {dist.version}" if dist.version else dist.name
        fails = "runs without its compiled modules" if one.severity == "warning" else "cannot be imported whole"
        message = f"{label} {fails}: {tail}"
        first = one.modules[0].native.module
        fixes.append(
            view.remedy.fix(
                f"install {dist.name} again with this interpreter",
                view.remedy.reinstall(dist),
                RULE.code,
                safety=view.remedy.safety("safe", dist),
                verify=(view.remedy.importing(first),) if first else (),
            )
        )
    else:
        message = f"{group.key} cannot be imported: {tail}"
        paths = tuple(f"{view.snapshot.sites[group.site].path}/{s.native.file.path}" for s in one.modules)
        fixes.append(
            view.remedy.manual(
                "build or install it with this interpreter; no installed distribution owns these files, so they may be deleted",
                RULE.code,
                commands=view.remedy.delete(*paths) if len(paths) <= 20 else (),
            )
        )
    files = [view.file(f"{view.snapshot.sites[group.site].path}/{s.native.file.path}") for s in one.modules[:5]]
    return RULE.finding(
        message,
        [subject, *files],
        evidence=[*_lines(loading, one), _here(view)],
        fixes=fixes,
        key=f"{subject.kind}:{dist.name if dist is not None else group.key}",
        severity=one.severity,
    )


def _environment(view: View, loading: Loading, group: list[Strangers]) -> Finding:
    modules = sum(len(one.modules) for one in group)
    wanted = " and ".join(group[0].wanted[:3])
    dists = [one.group.dist for one in group if one.group.dist is not None]
    lines = [line for one in group[:5] for line in _lines(loading, one, 1)[:1]]
    return RULE.finding(
        f"{len(group)} distributions cannot be imported whole: {modules} extension modules are for {wanted}, this is "
        f"{python_words(loading.profile)}",
        [view.environment_subject(), *sorted((loading.subject(one.group) for one in group), key=lambda s: s.name)],
        evidence=[*some(lines, modules), _here(view)],
        fixes=[
            view.remedy.fix(
                "install them again with this interpreter",
                view.remedy.reinstall(*dists),
                RULE.code,
                safety=view.remedy.safety("safe"),
            ),
            view.remedy.recreate("make the environment again with this interpreter"),
        ],
        key=f"environment:{wanted}",
        severity=group[0].severity,
    )
