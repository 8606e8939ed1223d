"""CND: conda, mamba, micromamba, pixi."""

from envdoctor.rules.base import NOT_CONDA
from envdoctor.snapshot import Snapshot


def idle(snapshot: Snapshot) -> str | None:
    """Why no rule of the family has anything to look at in `snapshot`; None where there is something."""
    conda = snapshot.conda_meta is not None or snapshot.conda_packages or snapshot.conda_installers is not None
    return None if conda else NOT_CONDA
