"""Files read and asked by the compiled functions, beside the Python that they stand for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envdoctor.collect import files, memory
from envdoctor.speed import speed

needs_speed = pytest.mark.skipif(speed is None, reason="the extension was not built here")


def said(path: str, limit: int) -> object:
    try:
        return files.read(path, limit)
    except files.Unreadable as error:
        return str(error), error.missing


@needs_speed
def test_reading_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = []
    for size in (0, 1, 4095, 4096, 16383, 16384, 20000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1):
        (tmp_path / str(size)).write_bytes(os.urandom(size))
        paths.append(str(tmp_path / str(size)))
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("4096")
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"x")
    paths += [str(tmp_path), *(f"{tmp_path}/{name}" for name in ("fifo", "link", "nowhere", "absent", os.fsdecode(b"\xff")))]
    paths += ["", "a\0b", "\ud800", "/proc/self/status", "/dev/null", f"{tmp_path}/{'x' * 300}"]
    limits = (1, 100, 4096, 16384, 1 << 20, files.MAX_TEXT)
    ours = {(path, limit): said(path, limit) for path in paths if path != "/proc/self/status" for limit in limits}
    monkeypatch.setattr(files, "speed", None)
    theirs = {(path, limit): said(path, limit) for path in paths if path != "/proc/self/status" for limit in limits}
    assert ours == theirs
    monkeypatch.undo()
    assert b"Name:" in files.read("/proc/self/status").data  # a file of size 0 that has content
    assert isinstance(files.read(paths[3], 10), files.Content) and files.read(paths[3], 10).cut


@needs_speed
def test_states_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / os.fsdecode(b"\xff")).touch()
    paths = [
        str(tmp_path),
        f"{tmp_path}/file",
        f"{tmp_path}/link",
        f"{tmp_path}/{os.fsdecode(bytes([255]))}",
        "/dev/null",
        "/proc",
    ]
    assert speed.states(paths) == b"".join(memory._state(os.stat(path)) for path in paths)
    assert speed.states([]) == b""
    for wrong in ("absent", "a\0b", "\ud800", ""):
        assert speed.states([*paths, wrong]) is None
    with pytest.raises(TypeError):
        speed.states(("x",))


def test_the_extension_is_here_where_it_can_be_built() -> None:
    """Otherwise all tests of it would be skipped, and nobody would see that it does not compile any more."""
    import shutil
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import hatch_build

    if hatch_build.obstacle() is None and shutil.which("gcc"):
        assert speed is not None
