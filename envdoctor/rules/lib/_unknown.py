"""LIB001 on a foreign target: libraries that only its own machine may have. Never an error."""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.data.windows_libraries import NOT_REDISTRIBUTED, OLDER_VISUAL_CPP
from envdoctor.finding import Finding, Fix
from envdoctor.loader.model import Missing, base_name
from envdoctor.rules.base import Rule
from envdoctor.rules.lib._loading import SHOWN, Failure, Weights, distributions, each_once, evidence_of, label, subjects, worst
from envdoctor.view import View

_VISUAL_CPP = "the Visual C++ runtime"
_MACHINES = {"macos": "Mac", "windows": "Windows machine"}


def findings(view: View, rule: Rule) -> Iterator[Finding]:
    """One finding for the libraries that imports of the same distributions run into; one for the Visual C++ runtime."""
    weights = Weights(view)
    users: dict[str, list[Failure]] = {}
    names: dict[str, str] = {}
    for needs in view.process.open.values():
        root = needs[0].root
        severity, why, sure = weights.of(root, 1, gone=False)
        if severity == "info" or root.kind == "stdlib":
            continue
        for need in needs:
            key = base_name(need.name).lower()
            names.setdefault(key, need.name)
            users.setdefault(key, []).append(Failure(root, needs, "warning", why, sure))
    groups: dict[frozenset[str], list[str]] = {}
    for key in sorted(users):
        groups.setdefault(frozenset(user.root.distribution or user.root.path for user in users[key]), []).append(key)
    for keys in groups.values():
        together = {id(user.root): user for key in keys for user in users[key]}
        yield _finding(view, rule, keys[0], [names[key] for key in keys], worst(together.values()))
    runtime: dict[int, Failure] = {}
    parts: dict[str, str] = {}
    for need in view.loads.unknown_runtime:
        if need.root.kind == "extension":
            parts.setdefault(need.name.lower(), need.name)
            known = runtime.get(id(need.root))
            runtime[id(need.root)] = Failure(need.root, (*(known.needs if known else ()), need), "info", "", sure=True)
    if runtime:
        yield _finding(view, rule, _VISUAL_CPP, [parts[key] for key in sorted(parts)], worst(runtime.values()))


def _is_of(need: Missing, names: list[str]) -> bool:
    return base_name(need.name).lower() in (base_name(name).lower() for name in names)


def _finding(view: View, rule: Rule, key: str, names: list[str], users: list[Failure]) -> Finding:
    first = users[0]
    dists = distributions(view, [user.root for user in users])
    others = f" (and {len(dists) - 1} other{'s' if len(dists) > 2 else ''})" if len(dists) > 1 else ""
    machine = _MACHINES.get(view.snapshot.target.system, "machine")
    shown = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    if key == _VISUAL_CPP:
        shown = f"{_VISUAL_CPP} ({', '.join(base_name(name) for name in names)})"
    needs = [need for user in users for need in user.needs if _is_of(need, names)]
    who = f"{label(first.root, first.why)}{others}"
    return rule.finding(
        f"{who} needs {shown}, which nothing in the environment brings; its {machine} must have it",
        subjects(view, [user.root for user in users], [need.asker for need in needs]),
        evidence=list(_evidence(view, names, users, needs)),
        fixes=each_once(_fixes(view, rule, names, users)),
        key=f"library:{key}",
        severity=first.severity,
        confidence="possible",
    )


def _evidence(view: View, names: list[str], users: list[Failure], needs: list[Missing]) -> Iterator[str]:
    lines: dict[str, None] = {}
    for user in users:
        for need in user.needs:
            if _is_of(need, names):
                lines.update(dict.fromkeys(evidence_of(user, need.name)))
                break
    yield from list(lines)[:SHOWN]
    if len(users) > SHOWN:
        yield f"{len(users)} files need it"
    need = needs[0]
    places = [view.inside(folder) or "." for folder in need.searched[:SHOWN]]
    if places:
        yield f"searched: {', '.join(places)}"
    yield "the target belongs to another computer: of its libraries only those in the target's own folders are known"
    for path in need.elsewhere[:2]:
        yield f"{view.inside(path)} has that name; the search for {base_name(need.asker.path)} does not lead there"
    low = base_name(need.name).lower()
    if low in NOT_REDISTRIBUTED:
        yield f"{base_name(need.name)} is part of Visual Studio and of no redistributable"
    year = next((year for number, year in OLDER_VISUAL_CPP.items() if low.startswith(tuple(_older(number)))), None)
    if year is not None:
        yield f"{base_name(need.name)} comes with the Visual C++ {year} Redistributable"


def _older(number: str) -> Iterator[str]:
    for start in ("msvcr", "msvcp", "vcomp", "mfc"):
        yield f"{start}{number}."


def _fixes(view: View, rule: Rule, names: list[str], users: list[Failure]) -> Iterator[Fix]:
    dists = distributions(view, [user.root for user in users])
    first = users[0]
    verify = [view.remedy.importing(label(first.root, first.why))] if first.root.module or first.why else []
    name = names[0]
    if base_name(name).lower() in NOT_REDISTRIBUTED and dists:
        yield view.remedy.fix(
            f"upgrade {dists[0].name}: this version was built against a library that cannot be installed by itself",
            view.remedy.upgrade(dists[0]),
            rule.code,
            safety=view.remedy.safety("unsafe", dists[0]),
            verify=verify,
        )
        return
    for name in names[:3] if first.severity != "info" else names[:1]:
        yield from view.remedy.system_library(name, rule.code, dist=dists[0] if dists else None, verify=verify)
