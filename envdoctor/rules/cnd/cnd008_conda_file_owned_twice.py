"""Two conda packages own one path.

## Why it matters
The one that was linked last has its content there, and conda said so once (`ClobberError`, `ClobberWarning`) and never again. The
other package does not work as it was built, and when either is removed, the file is gone for both.

## How it is found
The paths of all records in `conda-meta` are compared. Where the records name different contents, the hash of what is there tells
whose it is. One finding for each set of packages, with the number of their paths.

## Look-alikes that are fine
- Two records of one package: CND006.
- Documentation, tests, licences and headers of the same content, which nobody needs: a remark.
- Folders that several packages share; compiled modules.

## How to fix
Keep the package that is wanted, remove the other, and link the first anew; most pairs are an old and a new name of one thing.

## Example
`jpeg 9e and libjpeg-turbo 3.0.3 own 12 paths, lib/libjpeg.so among them; what is there is libjpeg-turbo's`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.conda.installed import label, subject
from envdoctor.finding import Finding
from envdoctor.rules.base import Rule
from envdoctor.rules.cnd._paths import file, key, needed, shown
from envdoctor.snapshot import CondaPackage, CondaShared
from envdoctor.view import View

RULE = Rule(
    "CND008",
    "conda-file-owned-twice",
    "warning",
    reads=("conda_packages", "conda_meta", "target"),
    messages=(
        "ClobberError",
        "ClobberWarning",
        "This transaction has incompatible packages due to a shared path",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each set of owners."""
    meta = view.snapshot.conda_meta
    by_label = {key(package): package for package in view.snapshot.conda_packages}
    for shared in meta.shared if meta else ():
        owners = [by_label[owner] for owner in shared.owners if owner in by_label]
        if len({owner.name for owner in owners}) > 1:
            yield _finding(view, shared, owners)


def _finding(view: View, shared: CondaShared, owners: list[CondaPackage]) -> Finding:
    remedy = view.remedy
    names = shown(label(owner) for owner in owners)
    paths = shared.paths[0] if shared.count == 1 else f"{shared.count:,} paths, {shared.paths[0]} among them"
    if not shared.different:
        state = "with the same content"
    elif shared.survivors:
        mine = [owner for owner in owners if key(owner) in shared.survivors]
        state = f"what is there is {shown(owner.name for owner in mine)}'s"
    else:
        state = "what is there is neither's" if len(owners) == 2 else "what is there is nobody's"
    spare = shared.count <= len(shared.paths) and not any(needed(view, path) for path in shared.paths)
    keep = next((owner for owner in owners if key(owner) in shared.survivors), owners[-1])
    others = [owner for owner in owners if owner is not keep]
    again = remedy.fix(
        f"link {shown(label(owner) for owner in owners)} anew, so that the last one has its files whole, and look again",
        remedy.relink(*owners),
        RULE.code,
        safety="unsafe",
    )
    return RULE.finding(
        f"{names} own {paths}; {state}" if shared.different else f"{names} own {paths}, {state}",
        [*(subject(owner) for owner in owners), *(file(path) for path in shared.paths[:5])],
        evidence=[
            *(f"{path} is listed by {' and '.join(owner.record for owner in owners[:3])}" for path in shared.paths[:3]),
            f"{shared.different:,} of {shared.count:,} have different content in the packages",
        ],
        fixes=[
            remedy.manual(
                f"keep one: remove {shown(owner.name for owner in others)} if nothing needs it, then link {keep.name} anew",
                RULE.code,
                commands=(*remedy.conda_remove(*(owner.name for owner in others)), *remedy.relink(keep)),
            ),
            *([again] if shared.different and not spare else []),
        ],
        severity="info" if spare and not shared.different else "warning",
        key=" ".join(sorted(owner.name for owner in owners)),
    )
