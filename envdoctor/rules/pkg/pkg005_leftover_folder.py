"""A folder whose name starts with `~` is left of an interrupted install or uninstall.

## Why it matters
pip renames what it is about to replace (`numpy` becomes `~umpy`), and renames it back when something goes wrong. Where it
was killed in between, by a full disk, a closed terminal or a locked file, the renamed folders stay. The distribution may be
half there or gone; pip prints `Ignoring invalid distribution ~umpy` at every run.

## How it is found
Names that start with `~` at the top of a site folder, matched with what they were: pip keeps the length of a name and its
end (`~umpy`, `~-mpy`, `~.mpy` are all numpy).

## Look-alikes that are fine
Leftovers beside an intact distribution do no harm: info.

## How to fix
Delete them, and install the distribution again where it is not intact.

## Example
`numpy was being replaced when the installer was stopped: ~umpy, ~umpy.libs and ~umpy-1.26.4.dist-info are left`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Severity, Subject
from envdoctor.rules.base import Rule
from envdoctor.rules.pkg._leftovers import Remains, remains
from envdoctor.view import View

RULE = Rule(
    "PKG005",
    "leftover-folder",
    "warning",
    reads=("leftovers", "distributions", "unowned", "sites"),
    messages=(
        "Ignoring invalid distribution {distribution}",
        "Failed to remove contents in a temporary directory '{path}'",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution that left something."""
    for group in remains(view):
        folder = view.inside(view.snapshot.sites[group.site].path)
        names = [item.path for item in group.items]
        what = _listing(names)
        severity: Severity = "warning"
        if group.intact and group.installed is not None:
            severity = "info"
            state = f"{group.installed.name} {group.installed.version} itself is intact"
        elif group.installed is not None:
            state = f"{group.installed.name} {group.installed.version or ''} is there, but not whole".replace("  ", " ")
        elif group.packages:
            state = f"{', '.join(group.packages)} is there without its metadata"
        else:
            state = f"{group.label} is not installed now"
        main = (
            view.distribution(group.installed)
            if group.installed is not None
            else Subject("distribution", group.name)
            if group.name
            else view.file(f"{view.site_path_of(group.site)}/{names[0]}")
        )
        files = [view.file(f"{view.site_path_of(group.site)}/{name}") for name in names[:20]]
        yield RULE.finding(
            f"an installer was stopped while it replaced {group.label}: {what} left in {folder}; {state}",
            [main, *files],
            evidence=[f"{view.in_site(item.site, item.path)}: {item.files} files" for item in group.items[:8]],
            fixes=[_fix(view, group)],
            severity=severity,
            confidence="certain" if group.name else "likely",
            key=f"leftover:{group.name or group.label}",
        )


def _fix(view: View, group: Remains) -> Fix:
    remedy = view.remedy
    delete = remedy.delete(*(f"{view.site_path_of(group.site)}/{item.path}" for item in group.items))
    if group.intact:
        return remedy.fix("Delete what is left", delete, RULE.code, safety=remedy.safety("safe", group.installed))
    if group.installed is not None:
        return remedy.fix(
            f"Delete what is left, and install {group.installed.name} again",
            (*delete, *remedy.reinstall(group.installed)),
            RULE.code,
            "PKG006",
            "PKG014",
            safety=remedy.safety("safe", group.installed),
        )
    if group.name:
        # Which version was to come is not known: the old one was in use.
        wanted = f"{group.name}=={group.version}" if group.version else group.name
        return remedy.fix(
            f"Install {group.name} again, then delete what is left",
            (*remedy.install(wanted), *delete),
            RULE.code,
            "PKG001",
            "PKG014",
            safety=remedy.safety("safe"),
        )
    return remedy.manual("Install what it was again, then delete what is left", RULE.code, commands=delete)


def _listing(names: list[str], limit: int = 4) -> str:
    shown = names[:limit]
    if len(names) > limit:
        return f"{', '.join(shown)} and {len(names) - limit} more are"
    return f"{' and '.join(filter(None, (', '.join(shown[:-1]), shown[-1])))} {'is' if len(names) == 1 else 'are'}"
