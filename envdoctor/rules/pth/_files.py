"""What the rules on .pth files share."""

from __future__ import annotations

from envdoctor.snapshot import Distribution, PthFile
from envdoctor.view import View

SKIPS_HIDDEN = {8: 19, 9: 19, 10: 14, 11: 8, 12: 2}
"""First micro version of each 3.X that does not read .pth files whose names start with a dot; 3.13 never did."""


def name_of(pth: PthFile) -> str:
    """File name."""
    return pth.path.replace("\\", "/").rpartition("/")[2]


def ignored(view: View, pth: PthFile) -> bool:
    """Python does not read this file: its folder is not active, or it is hidden and this version skips those."""
    if not view.snapshot.sites[pth.site].active:
        return True
    if not name_of(pth).startswith("."):
        return False
    version = view.python_version
    if version is None or version.major != 3:
        return True
    if version.minor >= 13 or not view.python_full_known:
        return True
    return version.micro >= SKIPS_HIDDEN.get(version.minor, 0)


def owner_of(view: View, pth: PthFile) -> Distribution | None:
    """The distribution that recorded the file."""
    if pth.owner is None:
        return None
    found = [d for d in view.snapshot.distributions if d.name == pth.owner and d.site == pth.site]
    return found[0] if found else None
