"""LIB001 for libraries that Python code opens by name when a distribution is imported: ``ctypes.CDLL("libx.so.1")``."""

from __future__ import annotations

from collections.abc import Container, Iterator

from envdoctor.finding import Finding
from envdoctor.rules.base import Rule
from envdoctor.rules.lib._loading import SHOWN
from envdoctor.snapshot import OpenedLibrary
from envdoctor.view import View


def findings(view: View, rule: Rule, told: Container[str]) -> Iterator[Finding]:
    """One finding for each library that nothing has; those of `told` have one already."""
    users: dict[str, list[OpenedLibrary]] = {}
    active = {index for index, _ in view.active_sites}
    for one in view.snapshot.opened_libraries:
        if one.site in active:
            users.setdefault(one.name, []).append(one)
    for name, opened in sorted(users.items()):
        if name not in told and view.loads.opens(name) is False:
            yield _finding(view, rule, name, opened)


def _finding(view: View, rule: Rule, name: str, opened: list[OpenedLibrary]) -> Finding:
    files = [view.in_site(one.site, one.path) for one in opened]
    dists = [view.effective[n] for n in sorted({one.distribution for one in opened if one.distribution}) if n in view.effective]
    who = dists[0].name if dists else opened[0].module.partition(".")[0]
    verify = [view.remedy.importing(opened[0].module)]
    return rule.finding(
        f"{who} opens {name} when it is imported, which no library path provides",
        [*map(view.distribution, dists), *map(view.file, files[:SHOWN])],
        evidence=[
            *[f"{file}:{one.line}: opens {name}" for file, one in zip(files, opened, strict=True)][:SHOWN],
            "searched: the paths of ctypes itself, variables, the system's library cache and default folders",
        ],
        fixes=list(view.remedy.system_library(name, rule.code, dist=dists[0] if dists else None, verify=verify)),
        key=f"library:{name}",
    )
