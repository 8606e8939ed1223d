"""Projects with locks of real tools (fixtures/locks), copied and edited; what the collector says of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from envdoctor.collect import locks
from envdoctor.collect.scene import Scene
from envdoctor.lock.model import Lock
from envdoctor.snapshot import Target

FIXTURES = Path(__file__).parents[2] / "fixtures" / "locks"
TARGET = Target(prefix="/nowhere", kind="venv", chosen_by="test")


def project(tmp_path: Path, name: str) -> Path:
    """A copy of one of the projects."""
    folder = tmp_path / name
    shutil.copytree(FIXTURES / name, folder)
    return folder


def edit(folder: Path, file: str, old: str, new: str) -> None:
    """Replaces text that must be there."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} does not have {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def found(folder: Path, named: Iterable[str] = ()) -> locks.Facts:
    """Locks and manifests of a project."""
    scene = Scene(target=TARGET, prefix="/nowhere", project_root=str(folder))
    facts = locks.collect(scene, named)
    assert not scene.gaps, scene.gaps
    return facts


def lock_of(folder: Path, path: str) -> Lock:
    """One lock of a project."""
    return next(lock for lock in found(folder).locks if lock.path == path)
