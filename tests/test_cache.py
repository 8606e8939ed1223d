"""The cache: a run that takes facts over says the same as one that reads everything, whatever happened in between.

``Twice`` runs both on the same state and compares snapshots and findings, byte for byte. What counts as "just now" is set to
some milliseconds (file systems here have ticks of at most ten), so that a test need not wait for two seconds after each step;
one test waits.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from envdoctor import cache
from envdoctor.answers import recalled
from envdoctor.cache import Store, Unusable, locate
from envdoctor.collect import _OF_ENVIRONMENT, PARTS, memory, watch
from envdoctor.diagnose import Request, judge, observe
from envdoctor.snapshot import Limits, Snapshot, to_json
from tests.builders import Env, compile_extension, venv
from tests.command import ROOT, clean_shell, command

SETTLED = 0.06
"""Seconds after which a change is no longer of just now, in these tests."""
NAME = "0" * 32 + ".facts"
KEPT = ["environment", *(part for part in PARTS if part not in ("locks", "gpu", "device-code", *_OF_ENVIRONMENT))]
"""What is kept where there is no project and no GPU."""


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "TICK", int(SETTLED * 5e8))


class Twice:
    """An environment, and runs on it with and without the cache."""

    def __init__(self, env: Env, folder: Path, home: Path) -> None:
        self.env, self.folder, self.home = env, folder, home
        self.cwd, self.project = home, None
        self.environ = {"PATH": "/nonexistent", "HOME": str(home), "XDG_CACHE_HOME": str(folder)}
        self.used: list[str] = []

    def request(self, use_cache: bool) -> Request:
        return Request(
            target=str(self.env.prefix),
            environ=dict(self.environ),
            cwd=str(self.cwd),
            project=self.project,
            probe=False,
            use_cache=use_cache,
        )

    def run(self, use_cache: bool) -> bytes:
        """Snapshot and findings as text."""
        collected = observe(self.request(use_cache))
        assert not [check for check in collected.checks if check.outcome == "crashed"], collected.checks
        known = None
        if collected.memory is not None:
            self.used = collected.memory.used
            assert collected.memory.problem is None
            known = recalled(collected.memory, collected.snapshot, None)
        report = judge(collected.snapshot, known=known, checks=collected.checks)
        if known is not None:
            known.keep()
        return to_json(_still(collected.snapshot)) + msgspec.json.encode((report.findings, report.checks, report.notes))

    def same(self) -> list[str]:
        """Both runs agree; returns the parts that the second took over."""
        cached, fresh = self.run(True), self.run(False)
        if cached != fresh:
            one, other = (json.loads(each.partition(b"\n")[0]) for each in (cached, fresh))
            assert one == other
            raise AssertionError("the snapshots agree, findings do not")
        return self.used

    def settle(self) -> None:
        """Everything is kept, nothing is of just now."""
        time.sleep(SETTLED)
        kept = self.run(True)
        assert self.run(True) == kept
        assert [part for part in self.used if part != "locks"] == KEPT


def _still(snapshot: Snapshot) -> Snapshot:
    return msgspec.structs.replace(snapshot, machine=msgspec.structs.replace(snapshot.machine, limits=Limits()))


@pytest.fixture
def twice(tmp_path: Path, _quick: None) -> Twice:
    env = venv(tmp_path / "env")
    env.dist("alpha", requires=["beta>=1"], entry_points="[console_scripts]\nalpha = alpha:main\n")
    env.dist(
        "beta", "2.0", files={"beta/__init__.py": "from beta import sub\n", "beta/sub.py": "x = 1\n", "beta/d/data.txt": "y"}
    )
    home = tmp_path / "home"
    home.mkdir()
    return Twice(env, tmp_path / "cache", home)


# -------------------------------------------------------------------------------------------------- the same as without
def test_a_second_run_takes_everything_over(twice: Twice) -> None:
    twice.settle()


def _in_place(path: Path, data: bytes) -> None:
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


def _back(path: Path, change: bytes) -> None:
    """Another content of the same length, with the old times: ``touch -r``."""
    info = path.stat()
    _in_place(path, change)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def test_states_that_change(twice: Twice) -> None:
    env, site = twice.env, twice.env.site
    native = compile_extension(site / "gamma", "_c") if shutil.which("gcc") else None
    twice.settle()
    metadata = site / "beta-2.0.dist-info/METADATA"
    steps = {
        "metadata, same length, old times": lambda: _back(metadata, metadata.read_bytes().replace(b"2.0", b"0.1")),
        "metadata gone": metadata.unlink,
        "module gone": (site / "beta/sub.py").unlink,
        "data file gone": (site / "beta/d/data.txt").unlink,
        "module that is read, in place": lambda: _in_place(site / "beta/__init__.py", b"import beta.nothing\n"),
        "new distribution": lambda: env.dist("delta", requires=["nobody"]),
        "distribution gone": lambda: shutil.rmtree(site / "alpha-1.0.dist-info"),
        "nobody's module": lambda: (site / "loose.py").write_text(""),
        "a leftover": (site / "~eta-1.0.dist-info").mkdir,
        "path file": lambda: (site / "more.pth").write_text(f"{twice.home}\nimport os\n"),
        "path file, in place": lambda: _in_place(site / "more.pth", b"/nonexistent\n"),
        "pyvenv.cfg": lambda: _in_place(env.prefix / "pyvenv.cfg", b"home = /nonexistent/bin\nversion = 3.9.1\n"),
        "script of nobody": lambda: _script(env.prefix / "bin/tool", "/nonexistent/python"),
        "a folder becomes a link": lambda: _linked(site / "beta/d", twice.home / "d"),
        "what it leads to": lambda: (twice.home / "d/new.py").write_text("1"),
        "the link leads nowhere": lambda: shutil.rmtree(twice.home / "d"),
        "egg-link": lambda: (site / "old.egg-link").write_text(f"{twice.home}\n.\n"),
        "egg-info beside it": lambda: _egg(twice.home / "old.egg-info"),
        "a module by link": lambda: _linked_to(site / "by_link.py", twice.home / "real.py"),
        "the module is gone": (twice.home / "real.py").unlink,
        "a file outside": lambda: env.dist("outer", files={"outer.py": "", "../../../share/one.txt": "1"}),
        "the file outside gone": (env.prefix / "share/one.txt").unlink,
        "an interpreter by link": lambda: _interpreter(env.prefix / "bin", twice.home / "python3"),
        "that interpreter gone": (twice.home / "python3").unlink,
        "no right to list": lambda: (site / "beta").chmod(0),
        "the right again": lambda: (site / "beta").chmod(0o755),
    }
    if native is not None:
        steps["native file, same length, old times"] = lambda: _back(native, b"\0" * native.stat().st_size)
        steps["native file replaced"] = lambda: _replace(native, b"<html>")
    for name, step in steps.items():
        step()
        assert twice.same() != KEPT or "right" in name, name
        twice.settle()


def _script(path: Path, interpreter: str) -> None:
    path.write_text(f"#!{interpreter}\n")
    path.chmod(0o755)


def _interpreter(folder: Path, place: Path) -> None:
    _script(place, "/bin/sh")
    (folder / "python3.99").symlink_to(place)
    _script(folder / "tool99", str(folder / "python3.99"))


def _linked_to(path: Path, place: Path) -> None:
    place.write_text("")
    path.symlink_to(place)


def _linked(path: Path, place: Path) -> None:
    path.rename(place)
    path.symlink_to(place)


def _replace(path: Path, data: bytes) -> None:
    path.with_suffix(".new").write_bytes(data)
    path.with_suffix(".new").replace(path)


def _egg(path: Path) -> None:
    path.mkdir()
    (path / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old\nVersion: 3\n")


def test_surroundings_that_change(twice: Twice) -> None:
    other = twice.home / "other"
    other.mkdir()
    library = twice.home / "lib"
    library.mkdir()
    (library / "libz.so.1").write_bytes(b"\x7fELF")
    twice.settle()

    def variables(**new: str) -> None:
        twice.environ.update(new)

    for step in (
        lambda: variables(PYTHONPATH=str(other)),
        lambda: (other / "beta.py").write_text(""),
        lambda: variables(PIP_INDEX_URL="http://example.org/simple"),
        lambda: variables(PIP_NO_INDEX="1"),
        lambda: variables(LD_LIBRARY_PATH=str(library)),
        lambda: _in_place(library / "libz.so.1", b"nothing"),
        lambda: twice.environ.pop("PIP_NO_INDEX"),
        lambda: variables(VIRTUAL_ENV=str(other), SHLVL="7"),
        lambda: variables(JUPYTER_PATH=str(other)),
        lambda: (twice.home / "random.py").write_text(""),
        lambda: setattr(twice, "cwd", other),
        lambda: (other / "pyproject.toml").write_text("[project]\nname='beta'\n[build-system]\nrequires=['cython']\n"),
        lambda: setattr(twice, "project", str(other)),
        lambda: (twice.home / ".config/pip").mkdir(parents=True),
        lambda: (twice.home / ".config/pip/pip.conf").write_text("[global]\nindex-url = http://a.example\n"),
        lambda: _in_place(twice.home / ".config/pip/pip.conf", b"[global]\nindex-url = http://b.example\n"),
    ):
        step()
        twice.same()
        time.sleep(SETTLED)
        twice.run(True)
        twice.same()


@pytest.mark.skipif(sys.platform != "linux", reason="names need not be UTF-8")
def test_names_that_are_not_utf8(twice: Twice) -> None:
    """What has such a name cannot be written down: the part is read anew each time, and nothing fails."""
    odd = os.fsdecode(b"caf\xe9")
    twice.environ |= {"LD_LIBRARY_PATH": f"/{odd}", "PIP_" + odd: "1", "PYTHONPATH": f"/{odd}"}
    time.sleep(SETTLED)
    for place in (twice.home, twice.env.site):
        (place / odd).mkdir()
        twice.cwd = twice.home / odd
        for _ in range(3):
            twice.same()
            time.sleep(SETTLED)


def test_random_changes(twice: Twice) -> None:
    """Any sequence of what tools do to files leaves both runs in agreement."""
    site, chance = twice.env.site, random.Random(20)

    def somewhere(kind: str = "file") -> Path | None:
        found = [p for p in sorted(site.rglob("*")) if (p.is_dir() if kind == "folder" else p.is_file()) and not p.is_symlink()]
        return chance.choice(found) if found else None

    def write() -> None:
        folder = somewhere("folder") or site
        name = chance.choice(("__init__.py", "mod.py", "x.so", "data.txt", "RECORD", "METADATA", "WHEEL", "entry_points.txt"))
        _replace(
            folder / name, chance.choice((b"", b"import beta\n", b"Name: x\nVersion: 1\n", b"\x7fELF\2\1\1", b"beta/sub.py,,\n"))
        )

    def edit() -> None:
        path = somewhere()
        if path is not None and path.suffix != ".py":  # a module's size alone is not asked again: see the test below
            _back(path, os.urandom(path.stat().st_size)) if chance.random() < 0.5 else _in_place(path, b"x")

    def remove() -> None:
        path = somewhere(chance.choice(("file", "file", "folder")))
        if path is not None:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def move() -> None:
        path = somewhere(chance.choice(("file", "folder")))
        target = (somewhere("folder") or site) / chance.choice(("moved", "beta", "moved.py", "moved.pth", "moved-1.dist-info"))
        if path is not None and not target.exists() and path not in target.parents:
            path.rename(target)

    def link() -> None:
        target = (somewhere("folder") or site) / chance.choice(("link", "link.py", "link.so"))
        if not os.path.lexists(target):
            target.symlink_to(chance.choice((str(site), "..", "nowhere", str(twice.home), str(somewhere()))))

    def install() -> None:
        name = f"dist{chance.randrange(9)}"
        if not (site / f"{name}-1.0.dist-info").exists():
            twice.env.dist(name, requires=chance.choice(((), ("beta>3",), ("nobody",))))

    taken = 0
    for _ in range(int(os.environ.get("ENVDOCTOR_TEST_ROUNDS", "40"))):
        for _ in range(chance.randrange(3)):
            chance.choice((write, edit, remove, move, link, install))()
        if chance.random() < 0.5:
            time.sleep(SETTLED)
        twice.same()
        taken += "environment" in twice.used
        twice.same()
        taken += "environment" in twice.used
    assert taken > 10


def test_sizes_of_modules_are_asked_again(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that was measured and not read, edited in place: seen once it ran, or after a day, or without the cache."""
    site = twice.env.site
    twice.env.dist(
        "far", files={f"far/a/b/m{n}.py": "x = 1\n" for n in range(3)} | {"far/__init__.py": "", "far/a/__init__.py": ""}
    )
    (site / "far/a/b/__pycache__").mkdir()
    twice.settle()
    _in_place(site / "far/a/b/m1.py", b"x = 22222\n")
    fresh = twice.run(False)
    assert b"m1.py" in fresh
    if twice.run(True) != fresh:
        assert "environment" in twice.used
        now = time.time
        with monkeypatch.context() as patch:
            patch.setattr(memory.time, "time", lambda: now() + memory.MEASURED)
            assert twice.run(True) == fresh
        twice.settle()
        _in_place(site / "far/a/b/m2.py", b"x = 22222\n")
        twice.env.run("-c", "import py_compile; py_compile.compile(r'%s')" % (site / "far/a/b/m2.py"))
        assert twice.same() == []


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_unchanged_native_files_are_not_read_again(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    from envdoctor.collect import native

    site = twice.env.site
    for name in ("one", "two"):
        compile_extension(site / name, "_c")
    twice.settle()
    read: list[str] = []
    real = native.read
    monkeypatch.setattr(native, "read", lambda path, **more: (read.append(path), real(path, **more))[1])
    (two,) = (site / "two").glob("*.so")
    _replace(two, b"")
    twice.env.dist("owner", files={"owner.py": "", f"one/{two.name}": b"x"})
    cached = twice.run(True)
    inside = {Path(path).parent.name for path in read if path.startswith(str(site))}
    assert inside == {"one", "two"}
    twice.settle()
    read.clear()
    twice.env.dist("third")
    twice.run(True)
    assert not [path for path in read if path.startswith(str(site))]
    assert cached
    twice.same()


# ---------------------------------------------------------------------------------------------------------------- clocks
def test_what_changed_just_now_is_not_believed(tmp_path: Path) -> None:
    """Two changes within one tick of the clock bear one time: with the real margin, nothing is kept within two seconds."""
    env = venv(tmp_path / "env")
    (tmp_path / "home").mkdir()
    twice = Twice(env, tmp_path / "cache", tmp_path / "home")
    env.dist("alpha")
    twice.run(True)
    assert twice.same() == []
    time.sleep(2.2)
    twice.run(True)
    assert "environment" in twice.same()


def test_a_clock_that_is_set_back(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    twice.settle()
    ahead = time.time()
    with monkeypatch.context() as patch:  # every change is now one of the future: nothing is kept, nothing wrong is said
        patch.setattr(memory.time, "time", lambda: ahead - 7200)
        patch.setattr(watch.time, "time_ns", lambda: int((ahead - 7200) * 1e9))
        assert twice.same() == []
        (twice.env.site / "loose.py").write_text("")
        assert twice.same() == []
    assert "environment" not in twice.same()


def test_a_clock_that_jumps_during_a_run(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    time.sleep(SETTLED)
    before = time.time_ns() - 10**10
    monkeypatch.setattr(watch.time, "time_ns", lambda: before)
    twice.run(True)
    assert twice.same() == []


# ------------------------------------------------------------------------------------------------------- hostile files
def _file(twice: Twice, suffix: str = "facts") -> Path:
    (found,) = twice.folder.glob(f"envdoctor/*.{suffix}")
    return found


def test_damaged_files_are_ignored(twice: Twice) -> None:
    twice.settle()
    for suffix in ("facts", "findings"):
        good = _file(twice, suffix).read_bytes()
        chance = random.Random(5)
        bad = [good[:n] for n in (0, 1, 20, 28, 40, len(good) // 2, len(good) - 1)]
        bad += [good + b"x", b"\0" * len(good), good[:16] + b"\xff" * 12 + good[28:]]
        for _ in range(20):
            at = chance.randrange(len(good))
            bad.append(good[:at] + bytes([good[at] ^ (1 << chance.randrange(8))]) + good[at + 1 :])
        for data in bad:
            _file(twice, suffix).write_bytes(data)
            twice.same()
        _file(twice, suffix).write_bytes(good)


def test_forged_files_are_ignored(twice: Twice) -> None:
    """Whole by length and checksum, and not what is expected."""
    twice.settle()
    store = Store(str(twice.folder / "envdoctor"))
    pack = msgspec.msgpack.encode
    for suffix in ("facts", "findings"):
        name = _file(twice, suffix).name
        good = bytes(store.read(name) or b"")
        fields = msgspec.msgpack.decode(good)
        wrong = [
            b"",
            b"\x91" * 100_000,
            b"\xdd\xff\xff\xff\xff",
            b"\xdf\xff\xff\xff\xff" * 9,
            pack({}),
            pack([1, 2, 3]),
            pack([]),
        ]
        wrong += [pack([b"another reader", *fields[1:]]), pack([fields[0], b"another key", *fields[2:]]), good[:-1], good * 2]
        if suffix == "facts":
            parts = fields[2]
            for at in range(len(parts[0])):
                for value in (None, -1, "x", [[]], {"a": []}, [["x", "y", "z"]], b"\xff"):
                    changed = [*parts[0]]
                    changed[at] = value
                    wrong.append(pack([*fields[:2], [changed, *parts[1:]]]))
        for data in wrong:
            store.write(name, data)
            twice.run(True)
            if data[:1] != good[:1] or len(data) < 300:
                twice.same()


def test_another_reader_is_not_believed(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    twice.settle()
    monkeypatch.setattr(memory, "reader", lambda: b"other")
    assert twice.same() == []


def test_the_reader_of_an_installed_program_goes_by_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "envdoctor/collect/memory.py"
    own.parent.mkdir(parents=True)
    own.write_text("")
    monkeypatch.setattr(memory, "__file__", str(own))
    tree = memory.reader()
    own.write_text("x = 1\n")
    assert memory.reader() != tree  # a working tree: every file counts
    record = tmp_path / f"envdoctor-{memory.__version__}.dist-info/RECORD"
    record.parent.mkdir()
    record.write_text("")
    installed = memory.reader()
    assert installed not in (tree, b"") and memory.reader() == installed
    record.unlink()
    record.write_text("a,,\n")
    assert memory.reader() != installed


def test_what_a_link_says_is_a_matter_of_its_folder(tmp_path: Path) -> None:
    folder = {str(tmp_path): stat.S_IFDIR}
    assert memory._implied("link", f"{tmp_path}/x", -1, folder) and memory._implied("link", f"{tmp_path}/y", "x", folder)
    for path in (f"{tmp_path}/d/x", f"{tmp_path}/..", f"{tmp_path}/"):
        assert not memory._implied("link", path, -1, folder)


def test_the_reader_is_its_own_files() -> None:
    assert memory.reader() == memory.reader()


# ---------------------------------------------------------------------------------------------------------- the store
def test_places() -> None:
    home = "/home/me"
    assert locate({}, home, "linux") == "/home/me/.cache/envdoctor"
    assert locate({"XDG_CACHE_HOME": "/x"}, home, "linux") == "/x/envdoctor"
    assert locate({"XDG_CACHE_HOME": "relative"}, home, "linux") == "/home/me/.cache/envdoctor"
    assert locate({}, "/Users/me", "darwin") == "/Users/me/Library/Caches/envdoctor"
    assert locate({"ENVDOCTOR_CACHE_DIR": "/c", "XDG_CACHE_HOME": "/x"}, home, "linux") == "/c"
    assert locate({"ENVDOCTOR_CACHE_DIR": "c"}, None, "linux") is None
    assert locate({}, None, "linux") is None
    assert locate({}, "C:/Users/me", "win32") is None
    if os.name == "posix":
        assert locate({"LOCALAPPDATA": "/l"}, None, "win32") == "/l/envdoctor/cache"


def test_files_are_private(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "a/b/envdoctor"))
    os.umask(before := os.umask(0))
    try:
        os.umask(0)
        store.write(NAME, b"content")
    finally:
        os.umask(before)
    assert bytes(store.read(NAME) or b"") == b"content"
    assert stat.S_IMODE(Path(store.folder).stat().st_mode) == 0o700
    assert stat.S_IMODE((Path(store.folder) / NAME).stat().st_mode) == 0o600
    with pytest.raises(ValueError):
        store.write("../x", b"")


def test_folders_of_others_are_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "envdoctor"
    folder.mkdir()
    folder.chmod(0o777)
    store = Store(str(folder))
    with pytest.raises(Unusable, match="other users"):
        store.write(NAME, b"")
    assert not store.usable()
    folder.chmod(0o755)
    store.write(NAME, b"content")
    (folder / NAME).rename(tmp_path / "else")
    (folder / NAME).symlink_to(tmp_path / "else")
    assert store.read(NAME) is None
    if os.geteuid() == 0:
        os.chown(folder, 1234, 1234)
        with pytest.raises(Unusable, match="another user"):
            store.entries()
        os.chown(tmp_path, 1234, 1234)
        with pytest.raises(Unusable, match="another user"):
            Store(str(tmp_path / "new/envdoctor")).write(NAME, b"")


def test_what_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file/below", Path("/proc/nothing/here")):
        with pytest.raises(Unusable):
            Store(str(place)).write(NAME, b"")
        assert Store(str(place)).read(NAME) is None
    os.mkfifo(tmp_path / NAME)
    assert Store(str(tmp_path)).read(NAME) is None


def test_a_run_without_a_usable_folder(twice: Twice) -> None:
    twice.folder.write_text("no folder")
    time.sleep(SETTLED)
    for _ in range(2):
        collected = observe(twice.request(True))
        assert collected.memory is not None and collected.memory.used == []
        assert collected.memory.problem is not None
    done = _cli(twice, "check", str(twice.env.prefix), "-v")
    assert "nothing is kept for the next run" in " ".join(done.stdout.split())
    assert "nothing is kept" not in _cli(twice, "check", str(twice.env.prefix)).stdout


def test_the_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path / "envdoctor"))
    monkeypatch.setattr(cache, "LIMIT", 5000)
    for number in range(9):
        store.write(f"{number:032x}.facts", b"x" * 1000)
        os.utime(tmp_path / f"envdoctor/{number:032x}.facts", (number, number))
    assert [int(entry.name[:32], 16) for entry in store.entries()] == [5, 6, 7, 8]
    monkeypatch.setattr(cache, "MAX_FILE", 500)
    with pytest.raises(Unusable):
        store.write(NAME, b"x" * 1000)


def test_only_its_own_files_are_cleared(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "envdoctor"))
    store.write(NAME, b"content")
    (tmp_path / "envdoctor/precious.txt").write_text("mine")
    assert [entry.name for entry in store.clear()] == [NAME]
    assert (tmp_path / "envdoctor/precious.txt").exists()
    (tmp_path / "envdoctor/precious.txt").unlink()
    store.write(NAME, b"content")
    store.clear()
    assert not (tmp_path / "envdoctor").exists()
    assert store.clear() == []


WRITER = """
import sys
from envdoctor.cache import Store
store = Store(sys.argv[1])
print("ready", flush=True)
n = 0
while True:
    n += 1
    store.write("0" * 32 + ".facts", bytes([n % 256]) * 3_000_000)
"""


def test_kills_and_two_at_once(tmp_path: Path) -> None:
    """Writers that are killed at any moment, beside a reader: what is read is always whole."""
    store = Store(str(tmp_path / "envdoctor"))
    chance = random.Random(3)

    def start() -> Iterator[subprocess.Popen[str]]:
        for _ in range(12):
            yield subprocess.Popen(
                [sys.executable, "-c", WRITER, store.folder],
                stdout=subprocess.PIPE,
                text=True,
                env=clean_shell({"PYTHONPATH": str(ROOT)}),
            )

    pairs = list(start())
    for process in pairs:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    while pairs:
        until = time.monotonic() + chance.random() / 10
        while time.monotonic() < until:
            data = store.read(NAME)
            assert data is None or len(set(bytes(data))) == 1
        process = pairs.pop()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    data = store.read(NAME)
    assert data is not None and len(data) == 3_000_000
    left = [p for p in Path(store.folder).iterdir() if p.name.startswith(".")]
    for path in left:
        os.utime(path, (1, 1))
    store.write(NAME, b"")
    assert {p.name for p in Path(store.folder).iterdir()} == {NAME, "CACHEDIR.TAG"}


def test_a_whole_run_killed_and_runs_side_by_side(twice: Twice) -> None:
    twice.settle()
    argv = [*command(twice.home), "check", str(twice.env.prefix), "--format", "json"]
    shell = clean_shell({"XDG_CACHE_HOME": str(twice.folder), "HOME": str(twice.home)})
    wanted = subprocess.run([*argv, "--no-cache"], env=shell, cwd=twice.home, capture_output=True, check=False).stdout
    shutil.rmtree(twice.folder)
    runs = [subprocess.Popen(argv, env=shell, cwd=twice.home, stdout=subprocess.PIPE) for _ in range(6)]
    for run in runs[:3]:
        time.sleep(0.05)
        run.kill()
    for run in runs[3:]:
        assert _untimed(run.communicate()[0]) == _untimed(wanted)
    runs[0].communicate(), runs[1].communicate(), runs[2].communicate()
    done = subprocess.run(argv, env=shell, cwd=twice.home, capture_output=True, check=False)
    assert _untimed(done.stdout) == _untimed(wanted)


def _untimed(report: bytes) -> dict[str, object]:
    document: dict[str, object] = json.loads(report)
    del document["timings"]
    return document


# ----------------------------------------------------------------------------------------------------- the command line
def _cli(twice: Twice, *words: str) -> subprocess.CompletedProcess[str]:
    shell = clean_shell({"XDG_CACHE_HOME": str(twice.folder), "HOME": str(twice.home)})
    return subprocess.run([*command(twice.home), *words], env=shell, cwd=twice.home, capture_output=True, text=True, check=False)


def test_commands(twice: Twice) -> None:
    folder = str(twice.folder / "envdoctor")
    assert _cli(twice, "cache", "path").stdout == f"{folder}\n"
    assert "0 files" in _cli(twice, "cache", "info").stdout
    assert _cli(twice, "cache", "clear").stdout.startswith("removed 0 files")
    _cli(twice, "check", str(twice.env.prefix), "--no-cache")
    assert not twice.folder.exists()
    time.sleep(2.2)
    _cli(twice, "check", str(twice.env.prefix))
    assert "2 files" in _cli(twice, "cache", "info").stdout
    done = _cli(twice, "cache", "clear")
    assert done.returncode == 0 and done.stdout.startswith("removed 2 files") and folder in done.stdout
    assert not (twice.folder / "envdoctor").exists()
    twice.folder.mkdir(exist_ok=True)
    (twice.folder / "envdoctor").write_text("")
    done = _cli(twice, "cache", "clear")
    assert done.returncode == 2 and done.stderr.startswith("error: the cache folder") and "hint:" in done.stderr
    assert _cli(twice, "cache").returncode in (0, 2)
    assert "error: no such command" in _cli(twice, "cache", "burn").stderr


def test_deep_takes_nothing_over(twice: Twice) -> None:
    collected = observe(msgspec.structs.replace(twice.request(True), deep=True))
    assert collected.memory is None
    assert not twice.folder.exists()


# -------------------------------------------------------------------------------------- nothing is asked behind its back
QUESTIONS = ("stat", "lstat", "open", "listdir", "scandir", "readlink", "access")


def test_every_question_is_noted(twice: Twice, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run asks of the file system while a part is watched is in the part's witness, or implied by it."""
    twice.env.dist("pip", "20.0", files={"pip/__init__.py": "", "pip/__main__.py": ""})
    _script(twice.env.prefix / "bin/tool", "/nonexistent/python")
    time.sleep(SETTLED)
    asked: dict[str, set[str]] = {}
    parts: dict[str, set[str]] = {}
    real = {name: getattr(os, name) for name in QUESTIONS}
    busy = False

    held: list[watch.Watch] = []

    def spy(name: str) -> object:
        def call(path: object = ".", *args: object, **options: object) -> object:
            nonlocal busy
            seen = watch.active
            if seen is not None and not busy and isinstance(path, str) and options.get("dir_fd") is None:
                held.append(seen)  # or another watch could get its identity
                asked.setdefault(str(id(seen)), set()).add(path)
            return real[name](path, *args, **options)

        return call

    keep = memory._part

    def part(name: str, inputs: bytes, seen: watch.Watch, *rest: object) -> object:
        nonlocal busy
        busy = True
        parts[name] = {
            path
            for path in asked.get(str(id(seen)), set())
            if path not in seen.states
            and not any(at == path for _, at in seen.asked)
            and os.path.dirname(path) not in seen.states
            and not any(os.path.realpath(at).startswith(path) or at.startswith(path) for q, at in seen.asked if q == "real")
        }
        made = keep(name, inputs, seen, *rest)  # type: ignore[arg-type]
        busy = False
        return made

    for name in QUESTIONS:
        monkeypatch.setattr(os, name, spy(name))
    monkeypatch.setattr(memory, "_part", part)
    twice.run(True)
    monkeypatch.undo()
    site = str(twice.env.site)
    assert list(parts) == KEPT
    assert {name: {p for p in paths if not p.startswith(f"{site}/")} for name, paths in parts.items()} == {
        name: set() for name in parts
    }


def test_rules_that_judge_limits_are_asked_again() -> None:
    """``limits`` changes from minute to minute and is not compared with an earlier run's."""
    from envdoctor.rules import load, modules

    for code, module in modules().items():
        source = inspect.getsource(importlib.import_module(module))
        assert ".limits" not in source or load(code).rule.live, code
