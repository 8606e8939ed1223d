"""What the SYS rules have in common: whom a limit hurts, sizes for people."""

from __future__ import annotations

from envdoctor.finding import Severity, Subject
from envdoctor.platforms import is_foreign
from envdoctor.rules.base import Skip
from envdoctor.snapshot import Limits
from envdoctor.view import View

GIB = 1 << 30
MIB = 1 << 20

WORKERS = (
    "torch",
    "ray",
    "dask",
    "distributed",
    "joblib",
    "scikit-learn",
    "tensorflow",
    "jax",
    "datasets",
    "mxnet",
    "paddlepaddle",
)
"""Distributions that start worker processes or threads by the number of processors."""
NUMERIC = (
    *WORKERS,
    "numpy",
    "scipy",
    "pandas",
    "polars",
    "pyarrow",
    "xgboost",
    "lightgbm",
    "numba",
    "faiss-cpu",
    "opencv-python",
)
"""And those that compute with all processors, or hold large data in memory."""
LOADERS = ("torch", "mxnet", "ray", "paddlepaddle", "vllm", "pytorch-lightning", "lightning")
"""Distributions whose worker processes hand over data in shared memory."""


def limits(view: View) -> Limits:
    """The limits of the machine that is judged for. Raises Skip where they are not this target's."""
    if is_foreign(view.snapshot, view.machine):
        raise Skip("the target belongs to another computer, whose limits are not known")
    return view.machine.limits


def hurt(view: View, names: tuple[str, ...]) -> list[str]:
    """Those of `names` that are installed."""
    return [name for name in names if name in view.effective]


def severity(view: View, names: tuple[str, ...]) -> Severity:
    """A warning where something installed is hurt, else worth knowing."""
    return "warning" if hurt(view, names) else "info"


def machine(view: View) -> Subject:
    """The machine as a subject."""
    own = view.machine
    return Subject("machine", own.native_machine or own.machine or own.system)


def size(count: int) -> str:
    """Bytes for a person: ``64 MiB``, ``1.5 GiB``."""
    for unit, word in ((1 << 40, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            number = count / unit
            return f"{number:.0f} {word}" if number >= 10 or number == int(number) else f"{number:.1f} {word}"
    return f"{count} bytes"
