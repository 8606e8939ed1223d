"""Two distributions record the same file.

## Why it matters
A path holds one file: the last install decides whose. With different content the other distribution runs code that is not
its own; and uninstalling either takes the file from both.

## How it is found
Paths that stand in the RECORD of two or more distributions of one site folder, with the hashes that each recorded. The
hash of the file on disk tells whose it is.

## Look-alikes that are fine
The `__init__.py` of a namespace package (pkgutil or pkg_resources style, or empty beside other modules); licences,
documentation, tests, headers and data outside of packages; conda packages among each other (CND008). Parts of one project
that record the same content and require one another (mlflow and mlflow-skinny) are information only. With the same content it
is a warning, and so are builds of one project (opencv-python and opencv-python-headless) as long as all files are those of
one of them. Where the shared files are a whole import package, PKG011 says so and this is its consequence.

## How to fix
Keep one of them: uninstall both, install the one that is wanted. Where both are needed, reinstall the one that lost.

## Example
`alpha 1.0 and beta 2.0 both record common/util.py with different content; the file is beta's`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Severity
from envdoctor.rules.base import Rule
from envdoctor.rules.pkg._recorded import label, listed, role, short
from envdoctor.rules.pkg._sharing import Group, are_variants, differs, groups, is_rival, winners
from envdoctor.snapshot import SharedFile
from envdoctor.view import View

RULE = Rule(
    "PKG008",
    "file-owned-twice",
    "error",
    reads=("shared_files", "distributions", "sites"),
    messages=(
        "cannot import name '{name}' from '{module}'",
        "module '{module}' has no attribute '{name}'",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each group of owners."""
    for group in groups(view):
        yield _finding(view, group)


def _finding(view: View, group: Group) -> Finding:
    differing = group.differing
    code = [file for file in differing if role(view, file.path) in ("code", "native", "data")]
    files = code or differing or group.files
    severity: Severity = "error" if code else "warning"
    if group.family:
        severity = "info"
    elif code and is_rival(group) and are_variants(group):
        severity = "error" if _mixed(code) else "warning"
    owners = listed([label(dist) for dist in group.dists], 4)
    what = short([files[0].path])[0] if len(files) == 1 else f"{len(files)} files"
    content = "with different content" if differing else "with the same content"
    both = "share" if group.family else "both record" if len(group.dists) == 2 else "all record"
    return RULE.finding(
        f"{owners} {both} {what} {content}{_whose(files) if differing else ''}",
        [
            *(view.distribution(dist) for dist in group.dists),
            *(
                view.file(f"{view.snapshot.sites[group.site].path}/{file.path}")
                for file in files[:5]
                if not file.path.startswith("..")
            ),
        ],
        evidence=[
            *(_line(view, file) for file in files[:5]),
            *([f"and {len(files) - 5} files more"] if len(files) > 5 else []),
        ],
        fixes=_fixes(view, group),
        key="+".join(group.names),
        severity=severity,
    )


def _mixed(files: list[SharedFile]) -> bool:
    return len(frozenset.union(*map(winners, files)) or ()) > 1 and not frozenset.intersection(*map(winners, files))


def _whose(files: tuple[SharedFile, ...] | list[SharedFile]) -> str:
    """Whose content is on disk, in a few words."""
    common = frozenset.intersection(*map(winners, files))
    if common:
        return f"; {'what is there is' if len(files) > 1 else 'the file is'} that of {listed(sorted(common))}"
    if any(not file.exists for file in files):
        return "; not all of them are there"
    some = frozenset.union(*map(winners, files))
    return f"; what is there is a mixture of {listed(sorted(some))}" if len(some) > 1 else "; what is there is none of theirs"


def _line(view: View, file: SharedFile) -> str:
    place = view.in_site(file.site, file.path) if not file.path.startswith("..") else file.path.lstrip("./")
    said = ", ".join(f"{owner.distribution} {_content(owner.hash, owner.size)}" for owner in file.owners)
    if not differs(file):
        return f"{place}: recorded by {', '.join(owner.distribution for owner in file.owners)}"
    there = _content(file.actual_hash, file.actual_size) if file.exists else "nothing"
    return f"{place}: {said}; on disk {there}"


def _content(hash_: str | None, size: int | None) -> str:
    return f"{hash_[:19]}…" if hash_ else f"{size} bytes" if size is not None else "no hash"


def _fixes(view: View, group: Group) -> Iterator[Fix]:
    remedy = view.remedy
    if group.family:
        yield remedy.manual(
            "Nothing to do; after uninstalling one of them, install the others again",
            RULE.code,
            commands=remedy.reinstall(*group.dists),
        )
        return
    incoming = view.closure.incoming
    unneeded = [dist for dist in group.dists if not incoming.get(dist.name)]
    keep = [dist for dist in group.dists if dist not in unneeded]
    if len(keep) == 1:
        yield remedy.fix(
            f"Uninstall {listed([d.name for d in unneeded])}, which nothing here requires, and install {label(keep[0])} again",
            (*remedy.uninstall(*unneeded), *remedy.reinstall(keep[0])),
            RULE.code,
            safety=remedy.safety("unsafe", keep[0]),
        )
        return
    yield remedy.manual(
        f"Decide which of {listed(list(group.names))} is wanted, uninstall all of them, and install that one",
        RULE.code,
        commands=remedy.uninstall(*group.dists),
    )
