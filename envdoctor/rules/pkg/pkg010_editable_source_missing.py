"""An editable install leads to a source folder that is not there.

## Why it matters
An editable install has no files of its own: its packages are imported from the folder that it was made from. Where that
folder was moved, renamed, deleted or is on a drive that is not mounted, `import` fails, although the installer lists the
distribution as installed and `pip check` finds nothing wrong.

## How it is found
All ways in which an editable reaches its source: the lines of its `.pth` file (setuptools with a flat or src layout,
hatchling, flit, pdm, uv), `MAPPING` and `NAMESPACES` of setuptools' `__editable___*_finder.py`, an `.egg-link`, and
`direct_url.json` where there is nothing else.

## Look-alikes that are fine
A `.pth` that belongs to no editable (PTH007); a source that is a single module. An environment of another machine or
operating system is not judged: its paths are not this machine's.

## How to fix
Install it from where the source is now, or uninstall it.

## Example
`the source of editable myproject 0.1 is gone: src/myproject of the old checkout`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Distribution
from envdoctor.view import View

RULE = Rule(
    "PKG010",
    "editable-source-missing",
    "error",
    reads=("distributions", "target", "pth_files"),
    messages=(
        "No module named '{module}'",
        "Distribution not found at: file://{path}",
    ),
)

_MOUNTS = ("/mnt/", "/media/", "/run/media/", "/Volumes/", "/net/", "/nfs/", "//", "\\\\")


def check(view: View) -> Iterator[Finding]:
    """One finding for each editable distribution whose source is gone."""
    target = view.snapshot.target
    active = {index for index, _ in view.active_sites}
    editables = [d for d in view.snapshot.distributions if d.editable is not None and d.site in active]
    if target.foreign and target.sysroot is None and editables:
        raise Skip("sources of editable installs lie on another machine")
    for dist in sorted(editables, key=lambda d: (d.name, d.site)):
        editable = dist.editable
        if editable is None or not (editable.missing or editable.unreadable_mapping):
            continue
        carrier = view.in_site(dist.site, editable.path or dist.path)
        label = f"{dist.name} {dist.version}" if dist.version else dist.name
        if editable.missing:
            first = editable.missing[0]
            rest = f" and {len(editable.missing) - 1} more" if len(editable.missing) > 1 else ""
            partly = len(editable.missing) < len(editable.sources)
            message = f"{'part of ' if partly else ''}the source of editable {label} is not there: {first}{rest}"
        else:
            message = f"the finder of editable {label} cannot be read, so its import fails or finds nothing"
        evidence = [f"{carrier}: {source} does not exist" for source in editable.missing[:5]]
        if len(editable.missing) > 5:
            evidence.append(f"and {len(editable.missing) - 5} more")
        if editable.unreadable_mapping:
            evidence.append(f"{carrier}: no MAPPING that can be read")
        if dist.direct_url is not None:
            evidence.append(f"{view.in_site(dist.site, dist.path)}/direct_url.json: {dist.direct_url.url}")
        drive = _drive(view, editable.missing)
        if drive:
            evidence.append(f"{drive} looks like a drive or share, which may not be mounted now")
        yield RULE.finding(
            message + (f" (is {drive} mounted?)" if drive else ""),
            [view.distribution(dist), *(view.file(source) for source in editable.missing[:20])],
            evidence=evidence,
            fixes=_fixes(view, dist, drive),
            confidence="likely" if drive else "certain",
        )


def _drive(view: View, missing: tuple[str, ...]) -> str | None:
    """The mount point that all missing sources lie below, where their paths look like a drive's."""
    found: set[str] = set()
    prefix = view.snapshot.target.prefix
    for path in missing:
        if path.startswith(_MOUNTS):
            depth = 4 if path.startswith("/run/media/") else 3
            mount = "/".join(path.replace("\\", "/").split("/")[:depth])
            if not prefix.startswith(mount + "/"):
                found.add(mount)
                continue
        elif path[1:2] == ":" and prefix[1:2] == ":" and path[:2].lower() != prefix[:2].lower():
            found.add(path[:2])
            continue
        return None
    return found.pop() if len(found) == 1 else None


def _fixes(view: View, dist: Distribution, drive: str | None) -> Iterator[Fix]:
    remedy = view.remedy
    if drive:
        yield remedy.manual(f"Mount {drive} again", RULE.code)
    yield remedy.manual(f"Install {dist.name} again from where its source is now (`install -e FOLDER`)", RULE.code)
    yield remedy.fix(
        f"Or uninstall {dist.name}", remedy.uninstall(dist), RULE.code, "PTH007", safety=remedy.safety("unsafe", dist)
    )
