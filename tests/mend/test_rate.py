"""Planted faults are mended for real: a few wherever uv is, all of them with ``make fix-rate`` and the marker ``real``."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.mend.faults import FAULTS, Fault
from tests.mend.kills import Killed
from tests.mend.rate import one

UV = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
pytestmark = pytest.mark.skipif(UV is None or os.name != "posix", reason="uv is not here")
QUICK = (
    "a dependency was uninstalled",
    "a dependency is too new",
    "a module was deleted",
    "the base interpreter was removed",
    "a script of an interpreter that is gone",
    "a locked package was upgraded",
    "a pth names a folder that is gone",
)


def mended(fault: Fault, folder: Path) -> None:
    row = one(fault, folder / "fault")
    if row.note.startswith("not here"):
        pytest.skip(row.note)
    assert row.mended, row


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.name in QUICK], ids=lambda f: f.name)
def test_some(fault: Fault, tmp_path: Path) -> None:
    mended(fault, tmp_path)


@pytest.mark.real
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.code} {f.name}")
def test_all(fault: Fault, tmp_path: Path) -> None:
    mended(fault, tmp_path)


def test_there_are_enough() -> None:
    assert len(FAULTS) >= 40
    assert {fault.code[:3] for fault in FAULTS} >= {"INT", "ARC", "PTH", "PKG", "PIP", "LIB", "CND", "LCK", "GPU"}


@pytest.mark.real
def test_killed_at_random_moments(tmp_path: Path) -> None:
    killed = Killed(tmp_path)
    for number in range(10):
        killed.once(killed.duration * (number + 0.5) / 10, group=number % 2 == 0)
