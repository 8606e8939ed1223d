"""A file of a conda package is not the one that was installed.

## Why it matters
A file that was cut, patched by hand or overwritten by another installer does not do what its package's version says, and the next
update takes the change away without a word. Where conda made hard links, the same content stands in the package cache and in
every other environment that was linked from it.

## How it is found
The size of each file is compared with the record's, and with `--deep` its sha256: that of the file after the prefix was written
into it (`sha256_in_prefix`), where the record has one. One finding for each package.

## Look-alikes that are fine
- Files that the installer wrote the prefix into, where only the length differs; compiled modules; symbolic links, whose hash
  each tool records in another way.
- Programs and libraries on macOS that were signed again after the prefix was written into them.
- Indexes that packages make again when another one comes (`easy-install.pth`, `share/info/dir`, icon and schema caches).
- Certificates (`cacert.pem`), to which companies add their own: a remark.
- Files that two packages own (CND008), and those of a package that pip or uv replaced, which follow from CND005.

## How to fix
Let conda link the package anew; where the cache has the altered content, too, delete its copy of the package first.

## Example
`openssl 3.3.1: lib/libssl.so.3 is not the file that was installed (512 bytes, recorded 1,047,832)`
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from envdoctor.conda.installed import label, subject
from envdoctor.finding import Command, Finding, Fix, Severity
from envdoctor.rules.base import Rule
from envdoctor.rules.cnd._paths import CROWD, by_folder, by_weight, key, of_pip, overlaid, shown, subjects
from envdoctor.snapshot import CondaPackage, CondaPath
from envdoctor.view import View

RULE = Rule(
    "CND002",
    "conda-file-altered",
    "warning",
    reads=("conda_packages", "conda_meta", "distributions", "target"),
    deep=True,
    messages=(
        "SafetyError: The package for {package}",
        "has an incorrect size",
    ),
)

_REMADE = (
    "/easy-install.pth", "share/info/dir", "/icon-theme.cache", "/mimeinfo.cache", "/gschemas.compiled", "/loaders.cache",
    "/giomodule.cache", "/fonts.dir", "/fonts.scale", "etc/xml/catalog", "/perllocal.pod", "/ls-R", "/package.cache",
)  # fmt: skip
"""Indexes over what several packages bring."""
_CERTIFICATES = ("ssl/cacert.pem", "ssl/cert.pem", "certifi/cacert.pem")


def check(view: View) -> Iterator[Finding]:
    """One finding for each package, or one for all where they are many."""
    meta = view.snapshot.conda_meta
    replaced = overlaid(view)
    twice: dict[str, set[str]] = {}
    for shared in meta.shared if meta else ():
        if shared.different:
            for owner in shared.owners:
                twice.setdefault(owner, set()).update(shared.paths)
    found: list[tuple[CondaPackage, list[CondaPath]]] = []
    for package in view.snapshot.conda_packages:
        spared = twice.get(key(package), set())
        paths = [path for path in package.altered if path.path not in spared and not path.path.endswith(_REMADE)]
        if not paths:
            continue
        paths.sort(key=partial(by_weight, view))
        if key(package) in replaced and all(of_pip(path.path) for path in paths):
            yield _one(view, package, paths, f"{replaced[key(package)]} is in its place")
        else:
            found.append((package, paths))
    if len(found) > CROWD:
        yield _many(view, found)
    else:
        for package, paths in found:
            yield _one(view, package, paths)


def _one(view: View, package: CondaPackage, paths: list[CondaPath], note: str = "") -> Finding:
    first, count = paths[0], max(len(paths), package.altered_count if len(paths) == len(package.altered) else 0)
    message = f"{label(package)}: {first.path} is not the file that was installed ({_difference(first)})"
    if count > 1:
        message = f"{label(package)}: {count:,} files are not those that were installed: {shown(path.path for path in paths)}"
    if count > len(paths):
        message = f"{label(package)}: {count:,} files are not those that were installed, {first.path} among them"
    spoiled = _spoiled(view).get(_folder(package), frozenset())
    certificates = all(path.path.endswith(_CERTIFICATES) for path in paths)
    severity: Severity = "info" if certificates else "warning"
    return RULE.finding(
        message + (f"; {note}" if note else ""),
        subjects(view, package, paths),
        evidence=[
            *(f"{path.path}: {_difference(path)}{_how(path, path.path in spoiled)}" for path in paths[:5]),
            *([f"and {count - 5:,} files more"] if count > 5 else []),
        ],
        fixes=_fixes(view, [package]),
        severity=severity,
    )


def _folder(package: CondaPackage) -> str:
    return (package.cache or "").replace("\\", "/").rstrip("/")


def _spoiled(view: View) -> dict[str, frozenset[str]]:
    """Folders of package caches to the paths that are altered there, too."""
    found: dict[str, set[str]] = {}
    around = view.snapshot.conda_installers
    for cache in around.caches if around else ():
        for line in cache.spoiled:
            name, _, path = line.partition(": ")
            found.setdefault(f"{cache.path}/{name}", set()).add(path)
    return {folder: frozenset(paths) for folder, paths in found.items()}


def _fixes(view: View, packages: list[CondaPackage]) -> list[Fix]:
    """Linked from a cache that has the altered content, too, the package would be the same again: that copy goes first."""
    remedy = view.remedy
    what = label(packages[0]) if len(packages) == 1 else f"the {len(packages)} packages"
    spoiled = _spoiled(view)
    caches = tuple(dict.fromkeys(package.cache for package in packages if package.cache and _folder(package) in spoiled))
    before: tuple[Command, ...] = remedy.delete(*caches) if caches else ()
    why = ", after its copy in the package cache, which has the altered content, too, is deleted" if caches else ""
    return [
        remedy.fix(
            f"link {what} anew{why}, if nobody changed it on purpose",
            (*before, *remedy.relink(*packages)),
            RULE.code,
            safety="unsafe",
        )
    ]


def _many(view: View, found: list[tuple[CondaPackage, list[CondaPath]]]) -> Finding:
    packages = [package for package, _ in found]
    total = sum(len(paths) for _, paths in found)
    return RULE.finding(
        f"{len(packages)} packages have {total:,} files that are not those that were installed: "
        f"{shown(package.name for package in packages)}",
        [view.environment_subject(), *(subject(package) for package in packages)],
        evidence=[
            *(f"{line} altered" for line in by_folder(found)),
            *(f"{label(package)}: {paths[0].path}: {_difference(paths[0])}" for package, paths in found[:3]),
        ],
        fixes=_fixes(view, packages),
        key="many",
    )


def _difference(path: CondaPath) -> str:
    if path.problem == "resized":
        return f"{path.actual_size or 0:,} bytes, recorded {path.size or 0:,}"
    if path.hash and path.actual_hash:
        return f"sha256 {path.actual_hash[:12]}…, recorded {path.hash[:12]}…"
    return "other content than recorded"


def _how(path: CondaPath, spoiled: bool) -> str:
    """What else is to be known about it."""
    words = "; the prefix was written into it" if path.rewritten in ("text", "binary") else ""
    words += f"; {path.links} hard links" if path.links > 1 else ""
    return words + ("; the package cache has it so, too" if spoiled else "")
