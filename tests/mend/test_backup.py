"""What is kept of a folder, and that it comes back whatever was done to it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from envdoctor.mend import backup
from tests.builders import Env, venv
from tests.mend.shelf import Shelf, state

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX")


@pytest.fixture
def full(tmp_path: Path) -> Env:
    env = venv(tmp_path / "env")
    env.dist("alpha", files={"alpha/__init__.py": "x = 1\n", "alpha/big.bin": b"b" * 50_000, "alpha/sub/c.py": "c\n"})
    (env.site / "alpha" / "locked").mkdir(mode=0o555)
    (env.site / "alpha" / "run").write_text("#!/bin/sh\n")
    (env.site / "alpha" / "run").chmod(0o755)
    (env.site / "dangling").symlink_to("/nowhere")
    (env.site / "na\udcffme").write_bytes(b"odd")
    os.mkfifo(env.site / "pipe")
    return env


def kept(env: Env) -> tuple[str, list[backup.Entry]]:
    store = str(env.prefix.parent / "store")
    return store, backup.keep(str(env.prefix), store)


def tree(env: Env) -> dict[str, tuple[str, int, str]]:
    (env.site / "pipe").unlink(missing_ok=True)
    return state(env.prefix)


def test_nothing_changes_when_it_is_kept(full: Env) -> None:
    before = tree(full)
    kept(full)
    assert tree(full) == before


@pytest.mark.parametrize("what", ["gone", "emptied", "a file instead", "a link instead", "replaced", "added", "modes", "moved"])
def test_everything_comes_back(full: Env, what: str) -> None:
    before = tree(full)
    store, entries = kept(full)
    site = full.site
    if what == "gone":
        shutil.rmtree(full.prefix)
    elif what == "emptied":
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(full.prefix)], check=True)
    elif what == "a file instead":
        shutil.rmtree(full.prefix)
        full.prefix.write_text("x")
    elif what == "a link instead":
        full.prefix.rename(full.prefix.parent / "other")
        full.prefix.symlink_to("other")
    elif what == "replaced":
        for path in [p for p in site.rglob("*") if p.is_file() and not p.is_symlink()]:
            path.unlink()
            path.write_text("new")
    elif what == "added":
        (site / "more").mkdir(mode=0o500)
        (site / "alpha" / "more.py").write_text("x")
        (full.prefix / "socket").symlink_to(site)
    elif what == "modes":
        (site / "alpha" / "run").chmod(0o600)
        (site / "alpha").chmod(0o500)
    elif what == "moved":
        (site / "alpha").rename(site / "omega")
        (site / "alpha").write_text("a file now")
        (site / "dangling").unlink()
        (site / "dangling").mkdir()
    assert backup.bring_back(str(full.prefix), store, entries) == []
    assert tree(full) == before
    assert backup.bring_back(str(full.prefix), store, entries) == []


def test_what_is_edited_in_place_comes_back(full: Env) -> None:
    """Metadata, scripts, settings: programs write into them; they are copies, not links."""
    before = tree(full)
    store, entries = kept(full)
    for path in (full.site / "alpha-1.0.dist-info" / "RECORD", full.prefix / "pyvenv.cfg", full.prefix / "bin" / "activate"):
        with path.open("a") as stream:
            stream.write("more\n")
    assert backup.bring_back(str(full.prefix), store, entries) == []
    assert tree(full) == before


def test_a_linked_file_that_was_written_into_is_told_of(full: Env) -> None:
    store, entries = kept(full)
    linked = {entry.path: entry for entry in entries if entry.kind == "h"}
    if not linked:
        pytest.skip("this file system clones")
    big = full.site / "alpha" / "big.bin"
    with big.open("r+b") as stream:
        stream.write(b"other")
    assert backup.bring_back(str(full.prefix), store, entries) == [str(big.relative_to(full.prefix))]


def test_coming_back_may_be_interrupted_anywhere(full: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any number of changes to the file system it can be begun again."""
    before = tree(full)
    store, entries = kept(full)
    generator = random.Random(7)
    real = {name: getattr(os, name) for name in ("replace", "unlink", "link", "symlink", "chmod", "utime")}
    for round_ in range(25):
        for path in generator.sample([p for p in full.site.rglob("*") if p.is_file() and not p.is_symlink()], 5):
            path.unlink()
        left = [generator.randrange(1, 40)]

        def stops(name: str, left: list[int] = left) -> object:
            def call(*words: object, **options: object) -> object:
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt
                return real[name](*words, **options)

            return call

        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, stops(name))
            try:
                backup.bring_back(str(full.prefix), store, entries)
            except KeyboardInterrupt:
                pass
        assert backup.bring_back(str(full.prefix), store, entries) == []
        after = {path: value for path, value in tree(full).items() if ".envdoctor-" not in path}
        assert after == before, round_


def test_names_that_are_left_alone(full: Env) -> None:
    (full.prefix / "envs").mkdir()
    (full.prefix / "envs" / "x").write_text("1")
    store = str(full.prefix.parent / "store")
    entries = backup.keep(str(full.prefix), store, ("envs",))
    (full.prefix / "envs" / "y").write_text("2")
    backup.bring_back(str(full.prefix), store, entries, ("envs",))
    assert sorted(path.name for path in (full.prefix / "envs").iterdir()) == ["x", "y"]


def test_a_file_that_was_not_there_goes(tmp_path: Path) -> None:
    entries = backup.keep(str(tmp_path / "x"), str(tmp_path / "store"))
    (tmp_path / "x").write_text("new")
    backup.bring_back(str(tmp_path / "x"), str(tmp_path / "store"), entries)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("mode", ["copy", "hardlink", "clone", "pip"])
def test_installers_do_not_write_into_files(tmp_path: Path, mode: str) -> None:
    """What links rest on: a file that another distribution wrote is replaced, not written into, by pip and by uv in its modes."""
    if shutil.which("uv") is None and shutil.which("uv", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("uv is not here")
    shelf = Shelf(tmp_path / "shelf")
    shelf.wheel("left", files={"shared/__init__.py": "left = 1\n" * 500})
    for version, times in (("1.0", 600), ("2.0", 700)):
        shelf.wheel("right", version, files={"shared/__init__.py": "right = 1\n" * times})
    env = shelf.env(tmp_path / "env", "left")
    before = state(env.prefix)
    entries = backup.keep(str(env.prefix), str(tmp_path / "store"))
    for words in (["right==1.0"], ["right==2.0"], ["--force-reinstall", "left"]):
        if mode == "pip":
            argv = [sys.executable, "-m", "pip", "--python", str(env.python), "install", "-q", *words]
        else:
            argv = ["uv", "pip", "install", "-q", "--python", str(env.python), *words]
        subprocess.run(argv, check=True, env=shelf.shell(UV_LINK_MODE=mode if mode != "pip" else "copy"), capture_output=True)
    assert state(env.prefix) != before
    assert backup.bring_back(str(env.prefix), str(tmp_path / "store"), entries) == []
    assert state(env.prefix) == before


@pytest.mark.parametrize(
    "rows",
    [
        [["", "d"], ["../out", "f"]],
        [["", "d"], ["/etc/x", "f"]],
        [["", "d"], ["a", "l"], ["a/b", "f"]],
        [["", "d"], ["a/b", "f"]],
        [["", "d"], ["a", "d"], ["a/../../b", "f"]],
        [["", "d"], ["a", "x"]],
        [["", "d"], ["a\0b", "f"]],
        [["a", "f"]],
    ],
)
def test_entries_that_lead_out_of_the_folder_are_no_entries(tmp_path: Path, rows: list[list[str]]) -> None:
    """A cloned project may bring a journal: nothing but the named folder can be written by it."""
    full = [[*row, 0o700, 0, 0, 0, "/elsewhere"] for row in rows]
    (tmp_path / "x.json").write_text(json.dumps(full))
    with pytest.raises(backup.Unable):
        backup.read(str(tmp_path / "x.json"))
