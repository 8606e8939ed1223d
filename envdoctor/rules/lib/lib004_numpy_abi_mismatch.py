"""An extension was compiled for numpy 1 and runs under numpy 2, or for a newer numpy than the installed one.

## Why it matters
An extension that uses numpy's C-API checks, when it is imported, that the numpy it finds has the binary interface that it was
compiled for. Modules compiled with headers of numpy 1 are refused by numpy 2: `A module that was compiled using NumPy 1.x
cannot be run in NumPy 2`, `numpy.core.multiarray failed to import`, or `numpy.dtype size changed, may indicate binary
incompatibility`. Modules may also ask for a newer interface than an old numpy has: `module was compiled against NumPy
C-API version 0x12 (NumPy 2.0) but the running NumPy has C-API version 0x10`.

## How it is found
numpy's headers leave texts in each such module: the name of the module that holds the C-API (only headers of numpy 2 know
`numpy._core`), the message of the version check, and since 1.25 the oldest numpy that the module runs with. They are looked
for in the read-only data of the extension modules of distributions that require numpy. The modules of one published wheel
are compiled with the same headers: the first that tells speaks for the wheel, `--deep` reads all.

## Look-alikes that are fine
- `numpy.core` beside `numpy._core` in one file: compiled with headers of numpy 2, runs under both.
- Modules compiled with new headers for an old interface, as most wheels are: the message names the old version.
- `numpy.core` in a module that does not use the C-API, and pybind11 before 2.12, which numpy 2 lets pass.

## How to fix
Upgrade the distribution to a release that was built for numpy 2; where there is none, stay with `numpy<2`.

## Example
`pip install pandas==2.1.4 numpy`: pandas 2.1.4 is older than numpy 2, and its metadata sets no upper bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from envdoctor.finding import Command, Finding, Fix, Severity
from envdoctor.natives import some
from envdoctor.rules.base import Rule
from envdoctor.rules.lib._loading import Weights
from envdoctor.snapshot import Distribution, NumpyModule
from envdoctor.versions import satisfies, version_of
from envdoctor.view import View

RULE = Rule(
    "LIB004",
    "numpy-abi-mismatch",
    "error",
    reads=("numpy_modules", "distributions"),
    deep=True,
    messages=(
        "numpy.dtype size changed, may indicate binary incompatibility",
        "numpy.ufunc size changed, may indicate binary incompatibility",
        "A module that was compiled using NumPy 1.x cannot be run in NumPy",
        "module compiled against ABI version {version} but this version of numpy is {other}",
        "module was compiled against NumPy C-API version {version}",
        "module compiled against API version {version} but this version of numpy is {other}",
        "numpy.core.multiarray failed to import",
        "_ARRAY_API not found",
        "No module named 'numpy._core'",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution, and one for each file that belongs to none."""
    numpy = view.effective.get("numpy")
    installed = version_of(numpy.version or "") if numpy is not None else None
    if numpy is None or installed is None:
        return
    active = {index for index, _ in view.active_sites}
    groups: dict[tuple[int, str, str], list[NumpyModule]] = {}
    for module in view.snapshot.numpy_modules:
        if module.folder not in active:
            continue
        target = version_of(module.target) if module.target else None
        if module.major == 1 and installed.major >= 2:
            kind = "old"
        elif target is not None and target.release > installed.release:
            kind = "new"
        else:
            continue
        groups.setdefault((module.folder, module.owner or module.path, kind), []).append(module)
    for (folder, owner, kind), modules in sorted(groups.items()):
        yield _finding(view, numpy, _distribution(view, folder, owner), modules, kind)


def _distribution(view: View, folder: int, name: str) -> Distribution | None:
    return next((dist for dist in view.by_name.get(name, ()) if dist.site == folder), None)


def _finding(view: View, numpy: Distribution, dist: Distribution | None, modules: list[NumpyModule], kind: str) -> Finding:
    first = modules[0]
    where = view.in_site(first.folder, first.path)
    label = (f"{dist.name} {dist.version}" if dist.version else dist.name) if dist is not None else where
    needed = _highest(modules)
    always = dist is None or any(
        edge.parent.name == dist.name and edge.name == "numpy" and edge.via_extra is None for edge in view.closure.edges
    )
    if dist is not None and not any(re.match(r"\s*numpy\b", text, re.IGNORECASE) for text in dist.requires):
        # nothing says how much it is wanted: the module is the package's own, or one of several
        always = len(modules) == Weights(view).roots[dist.name] or any("/" not in module.path for module in modules)
    severity: Severity = "error" if always else "warning"
    if kind == "old":
        message = f"{label} was compiled for numpy 1 and cannot be used with the installed numpy {numpy.version}"
    else:
        message = f"{label} was compiled for numpy {needed} or later, the installed one is {numpy.version}"
    evidence = some([_line(view, module, kind) for module in modules[:5]], len(modules))
    if dist is not None:
        asked = sorted(edge.wanted for edge in view.closure.edges if edge.parent.name == dist.name and edge.name == "numpy")
        evidence.append(
            f"its metadata asks for {' and '.join(asked)}" if asked else "its metadata asks for numpy in an extra, or not at all"
        )
    files = [view.file(f"{view.site_path_of(module.folder)}/{module.path}") for module in modules[:3]]
    subjects = (
        [view.distribution(dist), view.distribution(numpy), *files] if dist is not None else [*files, view.distribution(numpy)]
    )
    return RULE.finding(
        message,
        subjects,
        evidence=evidence,
        fixes=_fixes(view, numpy, dist, kind, needed, first),
        key=f"{dist.name if dist is not None else first.path}:{kind}",
        severity=severity,
        confidence="certain" if always and dist is not None and any(m.imports_api for m in modules) else "likely",
    )


def _line(view: View, module: NumpyModule, kind: str) -> str:
    where = view.in_site(module.folder, module.path)
    if kind == "old" and not module.imports_api:
        return f"{where} takes over numpy's types, names numpy.core and does not know numpy._core"
    if kind == "old":
        return f"{where} looks for the C-API in numpy.core and does not know numpy._core"
    return f"{where} says: compiled against NumPy C-API version of NumPy {module.target}"


def _highest(modules: list[NumpyModule]) -> str:
    found = [version for module in modules if module.target and (version := version_of(module.target)) is not None]
    return str(max(found)) if found else ""


def _fixes(view: View, numpy: Distribution, dist: Distribution | None, kind: str, needed: str, module: NumpyModule) -> list[Fix]:
    remedy = view.remedy
    verify: tuple[Command, ...] = ()
    root = next((r for r in view.loads.roots if r.site == module.folder and r.file.path == module.path), None)
    if root is not None:
        verify = (remedy.importing(root.module),)
    fixes: list[Fix] = []
    if kind == "new":
        wanted = f"numpy>={needed}"
        stops = _bounds(view, needed)
        title = f"upgrade numpy to {needed} or later"
        if stops:
            title += f"; {', '.join(stops[:3])} must allow it"
        fixes.append(
            remedy.fix(
                title,
                remedy.install(wanted, dist=numpy),
                RULE.code,
                safety="manual" if stops else remedy.safety("unsafe", numpy),
                verify=verify,
            )
        )
    if dist is not None:
        fixes.append(
            remedy.fix(
                f"upgrade {dist.name} to a release that was built for numpy {numpy.version}"
                if kind == "old"
                else f"install a release of {dist.name} that was built for numpy {numpy.version}",
                remedy.upgrade(dist),
                RULE.code,
                safety=remedy.safety("unsafe", dist),
                verify=verify,
            )
            if _published(dist) and kind == "old"
            else remedy.fix(
                f"build {dist.name} again with the installed numpy {numpy.version}",
                remedy.rebuild(dist),
                RULE.code,
                safety=remedy.safety("unsafe", dist),
                verify=verify,
            )
        )
    if kind == "old":
        stops = _bounds(view, "1.26")
        title = "stay with numpy 1, which all that was compiled for numpy 2 can use, too"
        if stops:
            title += f"; {', '.join(stops[:3])} must allow it"
        fixes.append(
            remedy.fix(
                title,
                remedy.install("numpy<2", dist=numpy),
                RULE.code,
                safety="manual" if stops else remedy.safety("unsafe", numpy),
                verify=verify,
            )
        )
    if dist is None:
        fixes.append(remedy.manual(f"build {view.in_site(module.folder, module.path)} again with the installed numpy", RULE.code))
    return fixes


def _bounds(view: View, version: str) -> list[str]:
    """Distributions whose requirement of numpy leaves that version out."""
    found = set()
    for edge in view.closure.incoming.get("numpy", ()):
        if edge.specifier and satisfies(version, edge.specifier) is False:
            found.add(f"{edge.parent.name} ({edge.wanted})")
    return sorted(found)


def _published(dist: Distribution) -> bool:
    tags = dist.wheel.tags if dist.wheel is not None else ()
    return dist.conda is not None or not any("-linux_" in tag for tag in tags)
