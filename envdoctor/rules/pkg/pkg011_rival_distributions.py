"""Several distributions provide the same import package.

## Why it matters
opencv-python and opencv-python-headless, jwt and PyJWT, bson and pymongo, onnxruntime and onnxruntime-gpu: each brings a
package of the same name, the last one that was installed overwrites the others, and works, by luck. Uninstalling any of
them removes files of the one that works (`No module named 'cv2'`); an upgrade of one leaves a mixture; and a GPU build may
silently be a CPU build.

## How it is found
By the files, not by a list of names: the distributions record the same modules or native files, and one of them has
nothing to import beyond what the others have, too. The hash of each shared file tells whose it is. It is an error where
what is there is a mixture (files of one beside files of another, or native files of one under Python files of another), or
where a shared file is gone.

## Look-alikes that are fine
Namespace packages, where each distribution has modules of its own; parts of one project that require one another, with
the same content; a file that two distributions share by accident (PKG008); rivals in different folders of sys.path, where
one hides the other (PTH rules).

## How to fix
Uninstall all of them, then install the one that is wanted. Installing over it is not enough: the other's files stay.

## Example
`opencv-python 4.10 and opencv-python-headless 4.10 both provide cv2; what is there is that of opencv-python-headless`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix
from envdoctor.rules.base import Rule
from envdoctor.rules.pkg._recorded import label, listed, role
from envdoctor.rules.pkg._sharing import Group, differs, groups, is_rival, older, winners
from envdoctor.snapshot import Distribution, SharedFile
from envdoctor.view import View

RULE = Rule(
    "PKG011",
    "rival-distributions",
    "warning",
    reads=("shared_files", "distributions", "natives", "sites"),
    messages=(
        "module 'cv2' has no attribute '{name}'",
        "module '{module}' has no attribute '{name}'",
        "cannot import name '{name}' from '{module}'",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each group of rivals."""
    for group in groups(view):
        if is_rival(group):
            yield _finding(view, group)


def _finding(view: View, group: Group) -> Finding:
    files = [file for file in group.files if role(view, file.path) in ("code", "native", "data")]
    differing = [file for file in files if differs(file)]
    state, broken = _state(view, group, files, differing)
    both = "both" if len(group.dists) == 2 else "all"
    packages = sorted({_top(file) for file in files})
    return RULE.finding(
        f"{listed([label(dist) for dist in group.dists], 4)} {both} provide {listed(packages)}; {state}",
        [view.distribution(dist) for dist in group.dists],
        evidence=[
            f"{len(files)} files are recorded by each of them, {len(differing)} with different content",
            *(_line(view, file) for file in (differing or files)[:4]),
        ],
        fixes=_fixes(view, group, packages[0]),
        key="+".join(group.names),
        severity="error" if broken else "warning",
        confidence="likely" if broken and "older" in state else "certain",
    )


def _state(view: View, group: Group, files: list[SharedFile], differing: list[SharedFile]) -> tuple[str, bool]:
    """What stands on disk, in words, and whether an import of it fails or runs a mixture."""
    gone = [file.path for file in files if not file.exists and role(view, file.path) in ("code", "native")]
    if gone:
        return f"{listed(gone, 2)} {'is' if len(gone) == 1 else 'are'} gone", True
    if not differing:
        return "the files are the same", False
    code = [file for file in differing if role(view, file.path) in ("code", "native")] or differing
    won = [winners(file) for file in code]
    known = [winner for winner in won if winner]
    if not known:
        return "what is there is none of theirs", False
    common = frozenset.intersection(*known)
    if not common:
        parts = {name: sum(name in winner for winner in known) for name in sorted(frozenset.union(*known))}
        return "what is there is a mixture: " + ", ".join(f"{n} files of {name}" for name, n in parts.items()), True
    winner = next(dist for dist in group.dists if dist.name in common)
    foreign = _foreign_natives(view, group, winner, {_top(file) for file in code})
    if foreign:
        return f"what is there is a mixture: Python files of {winner.name}, native files of another: {listed(foreign, 2)}", True
    losers = [dist for dist in group.dists if dist.name not in common]
    if any(file.native for file in code):
        for loser in losers:
            if older(winner, loser) and view.closure.incoming.get(loser.name) and not view.closure.incoming.get(winner.name):
                return f"what is there is that of {label(winner)}, older than {loser.version} that others require", True
    return f"what is there is that of {listed(sorted(common))}", False


def _foreign_natives(view: View, group: Group, winner: Distribution, packages: set[str]) -> list[str]:
    """Native files below the package though the one that won is a wheel without any."""
    if winner.wheel is None or not winner.wheel.tags or not all(tag.endswith("-any") for tag in winner.wheel.tags):
        return []
    if any(file.native for file in group.files):
        return []
    losers = set(group.names) - {winner.name}
    return [
        native.path
        for native in view.snapshot.natives
        if native.folder == group.site and native.owner in losers and native.path.partition("/")[0].partition(".")[0] in packages
    ]


def _top(file: SharedFile) -> str:
    """The package as it is imported; two levels of it below a namespace of vendors."""
    parts = file.path.split("/")
    if parts[0] in ("nvidia", "google", "azure") and len(parts) > 2:
        return ".".join(parts[:2])
    return parts[0].partition(".")[0]


def _line(view: View, file: SharedFile) -> str:
    place = view.in_site(file.site, file.path)
    won = sorted(winners(file))
    return f"{place}: {'that of ' + listed(won) if won else 'of none of them' if file.exists else 'gone'}"


def _fixes(view: View, group: Group, package: str) -> Iterator[Fix]:
    remedy = view.remedy
    incoming = view.closure.incoming
    wanted = [dist for dist in group.dists if incoming.get(dist.name)]
    chosen = wanted if len(wanted) == 1 else []
    verify = [remedy.importing(package)]
    if chosen:
        yield remedy.fix(
            f"Uninstall all of them and install {label(chosen[0])}, the one that others require",
            (*remedy.uninstall(*group.dists), *remedy.reinstall(chosen[0])),
            RULE.code,
            safety=remedy.safety("unsafe", chosen[0]),
            verify=verify,
        )
        return
    for dist in group.dists:
        yield remedy.fix(
            f"Uninstall all of them and install {label(dist)}",
            (*remedy.uninstall(*group.dists), *remedy.reinstall(dist)),
            RULE.code,
            safety=remedy.safety("manual", dist),
            verify=verify,
        )
