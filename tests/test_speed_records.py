"""The compiled table of RECORDs beside the Python that it stands for, on site folders with random damage."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envdoctor.collect import compiled, records, tree, watch
from envdoctor.speed import speed

pytestmark = pytest.mark.skipif(speed is None, reason="the extension was not built here")

NAMES = [
    "mod.py",
    "data.json",
    "_ext.so",
    "lib.so.1.2",
    "x_pb2.py",
    "ünï.py",
    "a b.txt",
    "with,comma.py",
    "n.so.x",
    "k.pyd",
    "empty",
]
FOLDERS = ["", "sub", "sub/deep", "sub/deep/er", "tests", "tests/more", "sub/test", "data.so", "ns/one"]


ODD_ROWS = b"""a,b
,,
x.py,,12a
"q,uoted.py",,3
/abs.py,,1
./dot/x.py,,1
a//b.py,,1
a\\b.py,,1
C:/x.py,,1
../up.py,,1
a/../b.py,,1
..odd/x.py,,1
\xff\xfe.py,,2
x\0y.py,,1
p/__pycache__/x.py,,1
__pycache__/top.pyc,,
__pycache__/in/x.pyc,,
never/was/x.py,,3
never/was/y.so,,3
z.py,,007
z.py,,99999999999999999999999
pkg/\xc3\xa9.py,,1
cr\rin.py,,1
""".split(b"\n")


def install(site: Path, name: str, chance: random.Random, top: str | None = None) -> None:
    """A distribution with files, RECORD written last, as installers do."""
    rows = []
    for folder in FOLDERS:
        for file in chance.sample(NAMES, chance.randint(1, len(NAMES))):
            path = site / (top or name) / folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_fifo():
                path.unlink()  # nobody reads from it
            path.write_bytes(chance.randbytes(chance.randint(0, 40)))
            quoted = f'"{path.relative_to(site)}"' if "," in file else str(path.relative_to(site))
            rows.append(f"{quoted},sha256=abc,{path.stat().st_size}")
            if file.endswith(".py") and chance.random() < 0.5:
                cache = path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc"
                cache.parent.mkdir(exist_ok=True)
                cache.write_bytes(b"x")
                rows.append(f"{cache.relative_to(site)},,")
    if chance.random() < 0.5:
        (site / f"{name}_top.py").write_text("")
        rows.append(f"{name}_top.py,,0")
    if chance.random() < 0.5:
        rows.append(f"../../../bin/{chance.choice([name, 'shared'])},sha256=abc,10")
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    rows += [f"{info.name}/{file},," for file in ("METADATA", "INSTALLER", "RECORD")]
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
    (info / "INSTALLER").write_text("uv")
    (info / "RECORD").write_text("\n".join(rows) + "\n", newline=chance.choice(["\n", "\r\n"]))


def anything(site: Path, chance: random.Random) -> Path:
    return chance.choice(sorted(site.rglob("*")))


def remove(site: Path, chance: random.Random) -> None:
    path = anything(site, chance)
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def edit(site: Path, chance: random.Random) -> None:
    path = anything(site, chance)
    if path.is_file():
        path.write_bytes(chance.randbytes(chance.randint(0, 60)))


def add(site: Path, chance: random.Random) -> None:
    path = anything(site, chance)
    folder = path if path.is_dir() else path.parent
    (folder / chance.choice(["new.py", "new.so", "new.txt", "__pycache__", "tests"])).touch()


def add_folder(site: Path, chance: random.Random) -> None:
    path = anything(site, chance)
    folder = (path if path.is_dir() else path.parent) / "newer"
    folder.mkdir(exist_ok=True)
    (folder / "inner.py").touch()


def replace(site: Path, chance: random.Random) -> None:
    """Something else in the place of a file or a folder."""
    path = anything(site, chance)
    moved = site.parent / f"moved{chance.random()}"
    os.rename(path, moved)
    kind = chance.randint(0, 4)
    if kind == 0:
        os.symlink(moved, path)
    elif kind == 1:
        os.symlink("nowhere", path)
    elif kind == 2:
        os.mkfifo(path)
    elif kind == 3:
        path.mkdir()
        (path / "inside.py").touch()
    else:
        path.write_bytes(b"file")


def records_of(site: Path) -> list[Path]:
    return [path for path in sorted(site.glob("*.dist-info/RECORD")) if path.is_file()]


def damage_record(site: Path, chance: random.Random) -> None:
    found = records_of(site)
    if not found:
        return
    path = chance.choice(found)
    lines = path.read_bytes().split(b"\n")
    odd = [*ODD_ROWS, b"x" * 5000 + b",,1", chance.choice(lines), chance.choice(lines)]
    lines.insert(chance.randint(0, len(lines)), chance.choice(odd))
    path.write_bytes(b"\n".join(lines))


def again(site: Path, chance: random.Random) -> None:
    """One more distribution, over the files of another one or for itself."""
    name = f"more{chance.randint(0, 10**6)}"
    install(site, name, chance, top=chance.choice(["alpha", name, "ns"]))


def rename_info(site: Path, chance: random.Random) -> None:
    found = records_of(site)
    if found:
        info = chance.choice(found).parent
        os.rename(info, info.with_name(chance.choice(["~" + info.name, info.name.upper(), "x" + info.name])))


DAMAGE: list[Callable[[Path, random.Random], None]] = [
    remove, remove, edit, edit, add, add, add_folder, replace, replace, damage_record, damage_record, again, rename_info,
]  # fmt: skip


def differences(root: str, *, deep: bool) -> list[Any]:
    """What the two ways say that is not the same."""
    one = records.reference(root)
    other = records.read(root)
    if other.index is None:
        return []
    first = tree.walk(root, one, deep=deep)
    with watch.watching(watch.Watch()):  # for what is only noted for the cache
        second = tree.walk(root, other, deep=deep)
    found: list[Any] = []

    def same(name: str, ours: Any, theirs: Any) -> None:
        if ours != theirs:
            found.append((name, ours, theirs))

    same("files", set(first.files), set(second.files))
    same("count", len(first.files), len(second.files))
    for name in (
        "folders",
        "known",
        "with_modules",
        "links",
        "broken",
        "special",
        "top",
        "different",
        "measured_depth",
        "compiled",
    ):
        same(name, getattr(first, name), getattr(second, name))
    same("compiled", first.compiled, second.compiled)
    for name in ("natives", "unrecorded", "problems"):
        same(name, sorted(getattr(first, name)), sorted(getattr(second, name)))
    same("absent", {k: set(v) for k, v in first.absent.items()}, {k: set(v) for k, v in second.absent.items()})
    same("twice", {k: sorted(v) for k, v in one.twice.items()}, {k: sorted(v) for k, v in other.twice.items()})
    same("untouched", (one.untouched, one.installers, list(one.rows)), (other.untouched, other.installers, list(other.rows)))
    for info, rows in one.rows.items():
        more = other.rows[info]
        for name in ("paths", "sizes", "folders", "count", "malformed", "too_large"):
            same(f"{info} {name}", getattr(rows, name), getattr(more, name))
        same(f"{info} heads", (rows.heads(), rows.tops()), (more.heads(), more.tops()))
        same(f"{info} unknown", sorted(one.unknown(info, first.known)), sorted(other.unknown(info, second.known)))
    for folder in one.where:
        if not folder.endswith("__pycache__"):
            same(f"groups {folder}", one.groups(folder), other.groups(folder))
    paths = {*first.files, *(path for rows in one.rows.values() for path in rows.paths), "nowhere", "../x", "x\udcff", "\ud800"}
    for path in paths:
        same(f"owner {path!a}", (one.owner(path), one.has(path)), (other.owner(path), other.has(path)))
        same(f"in {path!a}", path in first.files, path in second.files)
    for head in sorted({path.partition("/")[0] for path in paths}):  # more than FEW of them in some folders
        same(f"below {head!a}", sorted(first.below(head)), sorted(second.below(head)))
    same("generated", {p for p in one.generated() if p in first.files}, {p for p in other.generated() if p in second.files})
    return found


@pytest.mark.parametrize("seed", range(60))
def test_the_same_on_damaged_folders(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    site = tmp_path / "site"
    site.mkdir()
    for name in ("alpha", "beta", "gamma"):
        install(site, name, chance)
    if seed % 3 == 0:
        monkeypatch.setattr(tree, "MEASURED", chance.randint(1, 60))
    if seed % 2:
        time.sleep(0.03)  # so that what comes now is later than the RECORDs, by the clock of the file system
    for _ in range(chance.randint(0, 6)):
        with contextlib.suppress(OSError):  # what is there may stand in the way of more
            chance.choice(DAMAGE)(site, chance)
    assert differences(str(site), deep=False) == []
    assert differences(str(site), deep=True) == []


def test_an_ordinary_folder_goes_through_the_table(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "alpha", random.Random(1))
    found = records.read(str(site))
    assert found.index is not None and list(found.untouched) == ["alpha-1.0.dist-info"]
    for quoted in records_of(site):
        assert b'"' in quoted.read_bytes()  # a name with a comma does not keep it from the table


def test_a_record_that_is_not_tidy_goes_to_python(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "alpha", random.Random(1))
    (site / "alpha-1.0.dist-info/RECORD").write_text("/abs.py,,1\n")
    assert records.read(str(site)).index is None


def test_the_folder_of_this_interpreter() -> None:
    assert differences(sysconfig.get_path("purelib"), deep=False) == []


def test_a_table_is_walked_once(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "alpha", random.Random(1))
    found = records.read(str(site))
    first = tree.walk(str(site), found)
    (site / "alpha/new.py").touch()
    assert "alpha/new.py" not in first.files and "alpha/new.py" in tree.walk(str(site), found).files


def test_paths_that_are_no_text() -> None:
    table = speed.Index((), 1)
    assert "x" not in table and "\ud800" not in table and table.owner("\udcff") is None and len(table) == 0 and list(table) == []
    for call in (table.add, table.add_columns, table.sweep, table.judge, table.survey, table.measure):
        with pytest.raises(TypeError):
            call()
    for wrong in (1, b"x", None):
        with pytest.raises(TypeError):
            wrong in table  # noqa: B015
    with pytest.raises(IndexError):
        table.trust(0)
    with pytest.raises(IndexError):
        table.expect([(1, 5)])
    table.update(["a/b", "c"])
    table.difference_update(["c", "d"])
    assert set(table) == {"a/b"} and table.below("") == [] and compiled.available()
