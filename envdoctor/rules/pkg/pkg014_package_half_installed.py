"""A distribution is half installed: metadata without its package, or a package without its metadata.

## Why it matters
Metadata without files looks installed to every installer (`Requirement already satisfied`), and the import fails. Files
without metadata are of an unknown version, perhaps not complete, and nothing can upgrade or uninstall them; packages that
ask for their version fail.

## How it is found
Metadata without a package: RECORD lists modules, and all or nearly all of them (nine of ten) are gone. A package without
metadata: a package folder that no RECORD lists, and a `~` leftover of the same name (an interrupted install) or an active
requirement for exactly that name proves that it was installed once; or modules of a conda package whose record lists a metadata
folder that is gone, while no other version of it is there.

## Look-alikes that are fine
Folders that somebody put into site-packages by hand; namespace packages; distributions without modules of their own (stubs,
data, scripts, metapackages); `.py` files that were replaced by `.pyc`; editable installs; what conda or the operating
system packaged without RECORD. Fewer missing files are PKG006.

## How to fix
Install it again.

## Example
`beta 1.0 is listed as installed, but its package is gone: all 12 modules are missing`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Subject
from envdoctor.requirements import Edge, askers, binding, combine, evidence_of, spell
from envdoctor.rules.base import Rule
from envdoctor.rules.pkg._leftovers import remains
from envdoctor.snapshot import Distribution, Unowned
from envdoctor.view import View, normalize

RULE = Rule(
    "PKG014",
    "package-half-installed",
    "error",
    reads=("distributions", "unowned", "leftovers", "sites", "conda_packages"),
    messages=(
        "No module named '{module}'",
        "cannot import name '{name}' from '{module}' (unknown location)",
        "No package metadata was found for {distribution}",
    ),
)

NEARLY_ALL = 0.9


def check(view: View) -> Iterator[Finding]:
    """Metadata without a package first, then packages without metadata."""
    active = {index for index, _ in view.active_sites}
    for dist in view.snapshot.distributions:
        if dist.site in active and _without_package(view, dist):
            yield _no_package(view, dist)
    seen: set[tuple[int, str]] = set()
    for group in remains(view):
        for unowned in view.snapshot.unowned:
            if unowned.site == group.site and unowned.name in group.packages and unowned.modules + unowned.natives:
                seen.add((unowned.site, unowned.name))
                proof = [f"{view.in_site(group.site, item.path)} is left of an interrupted install" for item in group.items]
                yield _no_metadata(view, unowned, group.name or normalize(_module(unowned)), proof, group.version)
    yield from _by_requirement(view, active, seen)
    yield from _by_conda_record(view)


# ------------------------------------------------------------------------------------------------- metadata, no package
def _without_package(view: View, dist: Distribution) -> bool:
    record = dist.record
    if record is None or dist.editable is not None or not record.modules_missing:
        return False
    if record.modules_missing < record.modules:
        return record.modules_missing >= NEARLY_ALL * record.modules and record.modules >= 10
    return not _compiled_only(view, dist)


def _compiled_only(view: View, dist: Distribution) -> bool:
    """The modules are there as .pyc beside where the sources were: an image without sources."""
    entries = view.entries[dist.site]
    for name in dist.import_names:
        package, module = entries.get(name), entries.get(f"{name}.pyc")
        if package is not None and package.type in ("folder", "link") and package.has_init:
            return True
        if module is not None and module.type in ("file", "link"):
            return True
    return False


def _no_package(view: View, dist: Distribution) -> Finding:
    record = dist.record
    assert record is not None
    all_gone = record.modules_missing == record.modules
    count = f"all {record.modules}" if all_gone and record.modules > 1 else f"{record.modules_missing} of {record.modules}"
    gone = "its only module is missing" if record.modules == 1 else f"{count} modules are missing"
    remedy = view.remedy
    label = f"{dist.name} {dist.version}" if dist.version else dist.name
    verify = [remedy.importing(name) for name in _missing_imports(dist)[:1]]
    return RULE.finding(
        f"{label} is listed as installed, but its package is gone: {gone}",
        [view.distribution(dist)],
        evidence=[
            *(f"{view.in_site(dist.site, row.path)} does not exist" for row in record.missing[:5]),
            f"{view.in_site(dist.site, dist.path)}/RECORD: {record.rows} files, {len(record.missing)} of them missing",
        ],
        fixes=[
            remedy.fix(
                f"Install {label} again",
                remedy.reinstall(dist),
                RULE.code,
                safety=remedy.safety("safe", dist),
                verify=verify,
            ),
            remedy.fix(f"Or uninstall {dist.name}", remedy.uninstall(dist), RULE.code, safety=remedy.safety("unsafe", dist)),
        ],
        key=f"no-package:{dist.name}",
    )


def _missing_imports(dist: Distribution) -> list[str]:
    heads = {row.path.partition("/")[0].partition(".")[0] for row in dist.record.missing} if dist.record else set()
    return [name for name in dist.import_names if name in heads and name.isidentifier()]


# ------------------------------------------------------------------------------------------------- package, no metadata
def _by_requirement(view: View, active: set[int], seen: set[tuple[int, str]]) -> Iterator[Finding]:
    """Packages nobody lists under the very name that an installed distribution asks for."""
    if view.snapshot.target.kind in ("conda", "pixi"):
        return  # conda packages may come without Python metadata
    missing = view.closure.missing
    for unowned in view.snapshot.unowned:
        if unowned.site not in active or (unowned.site, unowned.name) in seen or not unowned.modules + unowned.natives:
            continue
        name = normalize(_module(unowned))
        edges = [edge for edge in missing.get(name, ()) if binding(view, edge)]
        if edges and view.snapshot.sites[unowned.site].of_target:
            yield _no_metadata(view, unowned, name, evidence_of(view, edges), None, edges)


def _by_conda_record(view: View) -> Iterator[Finding]:
    """Packages that conda linked and whose metadata folder somebody took away."""
    remedy = view.remedy
    for package in view.snapshot.conda_packages:
        for folder in package.metadata_gone:
            name = normalize(folder.rpartition("/")[2].partition("-")[0])
            if package.module is None or name in view.by_name:
                continue
            yield RULE.finding(
                f"{name} has no metadata: conda's {package.name} {package.version} brought it, and {folder} is gone",
                [
                    Subject("distribution", name, package.version or None),
                    Subject("conda-package", package.name, package.version or None),
                    view.file(f"{view.snapshot.target.prefix}/{folder}"),
                ],
                evidence=[f"{package.record} lists {folder}, which is not there", f"{package.module} is there"],
                fixes=[
                    remedy.fix(
                        f"Install {package.name} {package.version} again",
                        remedy.conda_reinstall(f"{package.name}={package.version}"),
                        RULE.code,
                        safety="unsafe",
                    )
                ],
                key=f"no-metadata:{name}",
            )


def _module(unowned: Unowned) -> str:
    return unowned.name if unowned.folder else unowned.name.partition(".")[0]


def _no_metadata(
    view: View, unowned: Unowned, name: str, proof: list[str], version: str | None, edges: list[Edge] | None = None
) -> Finding:
    remedy = view.remedy
    path = f"{view.site_path_of(unowned.site)}/{unowned.name}"
    where = view.in_site(unowned.site, unowned.name) + ("/" if unowned.folder else "")
    wanted = spell(name, (), combine(edge.specifier for edge in view.closure.missing.get(name, ())))
    if wanted == name and version:
        wanted = f"{name}=={version}"
    asked = f", and {askers(edges)} {'needs' if len({e.parent.name for e in edges}) == 1 else 'need'} it" if edges else ""
    why = asked or "; its install was interrupted"
    return RULE.finding(
        f"{name} has no metadata: {where} is there, but no distribution lists it{why}",
        [
            Subject("distribution", name),
            *sorted({view.distribution(edge.parent) for edge in edges or ()}, key=lambda s: (s.name, s.path or "")),
            view.file(path),
        ],
        evidence=[
            f"{where}: {unowned.modules} modules, {unowned.natives} native files, in no RECORD of the folder",
            *proof[:6],
        ],
        fixes=[
            remedy.fix(
                f"Install {wanted} over it" if edges else f"Delete {where} and install {wanted}",
                (*(() if edges else remedy.delete(path)), *remedy.install(wanted, dist=edges[0].parent if edges else None)),
                RULE.code,
                "PKG001",
                safety=remedy.safety("safe"),
                verify=[remedy.importing(_module(unowned))],
            )
        ],
        confidence="likely" if edges else "certain",
        key=f"no-metadata:{name}",
    )
