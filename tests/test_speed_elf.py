"""The compiled reader of ELF files says what the one in Python says, and nothing of files that it does not understand."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from envdoctor.collect import native
from envdoctor.collect.native import PythonSymbols, elf
from envdoctor.collect.watch import Watch, watching
from envdoctor.snapshot import NativeFile
from tests.effort import ends
from tests.fuzz.images import elf_with_everything, run, without

pytestmark = pytest.mark.skipif(native.speed is None, reason="no compiled readers here")
gcc = pytest.mark.skipif(shutil.which("gcc") is None or not sys.platform.startswith("linux"), reason="needs gcc on Linux")
FIXTURES = Path(__file__).parents[1] / "fixtures" / "native"
PLACES = ["/usr/lib", "/lib64", "/usr/bin", "/usr/local/lib", sys.base_prefix, sys.prefix]
MOST = 150


def in_python(monkeypatch: pytest.MonkeyPatch, path: str, rel: str | None, python: PythonSymbols | None = None) -> NativeFile:
    """What the reader in Python says."""
    with monkeypatch.context() as patch:
        patch.setattr(native, "speed", None)
        return native.read(path, rel=rel, python=python)


def held(monkeypatch: pytest.MonkeyPatch, path: Path, rel: str | None = "folder/plain.so") -> bool:
    """Both readers say the same of a file; whether the compiled one has looked at it."""
    with_it = native.read(str(path), rel=rel)
    assert with_it == in_python(monkeypatch, str(path), rel)
    for only in (False, True):
        found = native.speed.elf_undefined(str(path), only)
        if found is not None:
            with native.open_elf(str(path)) as image:
                assert image is not None
                assert found == (image.unversioned() if only else image.undefined())
    with native.open_elf(str(path)) as image:
        exported = sorted(image.exported()) if image is not None else []
        for count in (3, 24, 25, 400):
            names = {*exported[:: max(1, len(exported) // count)][:count], b"no_such_symbol", b"_", b"x" * 300}
            defined = native.speed.elf_defined(str(path), names)
            assert defined is None or (image is not None and defined == image.defines(names))
    return native.speed.elf_read(str(path), b"PyInit_plain") is not None


def elf_files() -> Iterator[Path]:
    """ELF files of this machine, of programs and libraries, at most so many of each folder."""
    for place in dict.fromkeys(PLACES):
        count = 0
        for folder, folders, names in os.walk(place):
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                if path.is_symlink() or not path.is_file() or not os.access(path, os.R_OK):
                    continue
                with path.open("rb") as file:
                    head = file.read(20)
                if head[:6] == b"\x7fELF\2\1" and head[16] in (2, 3) and path.suffix != ".debug":
                    yield path
                    count += 1
            if count > MOST:
                break


def test_files_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are read alike, and the compiled reader leaves hardly any to the other."""
    taken = [held(monkeypatch, path) for path in elf_files()]
    if len(taken) < 20:
        pytest.skip("hardly any ELF files here")
    assert sum(taken) > 0.95 * len(taken)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*")), ids=lambda path: path.name)
def test_fixtures_of_other_machines(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    assert held(monkeypatch, path) == (path.suffix == ".elf" and path.read_bytes()[4] == 2)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_every_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bits: int, endian: str) -> None:
    """A file with all that is read; the compiled reader takes those of the usual kind."""
    path = tmp_path / "plain.so"
    path.write_bytes(elf_with_everything(bits, endian))
    assert held(monkeypatch, path) == ((bits, endian) == (64, "<"))
    assert held(monkeypatch, path, "folder/native.so") == ((bits, endian) == (64, "<"))
    assert native.read(str(path), rel="folder/native.so").init is True


@pytest.mark.parametrize("tag", [5, 6, 10, 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF, 0x6FFFFFFC, 0x6FFFFFFD, 14, 29])
def test_a_table_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tag: int) -> None:
    path = tmp_path / "native.so"
    path.write_bytes(without(elf_with_everything(), tag))
    held(monkeypatch, path, "native.so")


def test_every_length(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that ends anywhere."""
    image = elf_with_everything()
    path = tmp_path / "native.so"
    for length in [*range(0, 0x780, 8), 0xFFF, 0x1000]:
        path.write_bytes(image[:length])
        assert held(monkeypatch, path, "native.so") == (length == len(image))


@pytest.mark.parametrize(
    ("word", "other"),
    [
        (b"libc.so.6", b"lib\xc3\xa9.so.6"[:9]),
        (b"libc.so.6", b"lib\xff.so.6"),
        (b"libm.so.6", b"lib\n.so.6"),
        (b"libm.so.6", b"\0ibm.so.6"),
        (b"GLIBC_2.17", b"GLIBC_2.\x7f7"),
        (b"libalpha.so.1", b"lib$LIB/so.12"),
    ],
)
def test_words_that_are_no_plain_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: bytes, other: bytes) -> None:
    path = tmp_path / "native.so"
    path.write_bytes(elf_with_everything().replace(word, other))
    assert held(monkeypatch, path, "native.so") == (other == b"lib$LIB/so.12")


@pytest.mark.parametrize(
    ("name", "flags", "taken"),
    [
        ("library", ["-shared", "-fPIC"], True),
        ("gnu", ["-shared", "-fPIC", "-Wl,--hash-style=gnu"], True),
        ("sysv", ["-shared", "-fPIC", "-Wl,--hash-style=sysv"], False),
        ("versions", ["-shared", "-fPIC", "-Wl,--default-symver", "-Wl,-soname,libversions.so.1"], True),
        ("folders", ["-shared", "-fPIC", "-Wl,-rpath,$ORIGIN/../lib:/opt/lib", "-Wl,--disable-new-dtags"], True),
        ("runpath", ["-shared", "-fPIC", "-Wl,-rpath,/opt/übung/lib"], False),
        ("nodefault", ["-shared", "-fPIC", "-Wl,-z,nodefaultlib"], True),
        ("stack", ["-shared", "-fPIC", "-Wl,-z,execstack"], True),
        ("sections", ["-shared", "-fPIC", "-s"], True),
        ("relr", ["-shared", "-fPIC", "-Wl,-z,pack-relative-relocs"], True),
        ("level", ["-shared", "-fPIC", "-Wl,-z,x86-64-v3"], True),
        ("pie", ["-pie", "-fPIE"], True),
        ("program", ["-no-pie"], True),
        ("static", ["-static"], True),
        ("static-pie", ["-static-pie"], True),
        ("object", ["-c"], False),
        ("narrow", ["-shared", "-fPIC", "-m32", "-nostdlib"], False),
    ],
)
@gcc
def test_built_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, flags: list[str], taken: bool) -> None:
    source, out = tmp_path / "plain.c", tmp_path / "plain.so"
    source.write_text("#include <math.h>\nint PyInit_plain(int x) { return (int)pow(x, x); }\nint main(void) { return 0; }\n")
    libraries = ["-lm"] if name not in ("object", "narrow") else []
    built = subprocess.run(["gcc", source, "-o", out, *flags, *libraries], capture_output=True, check=False)
    if built.returncode:
        pytest.skip("this compiler cannot")
    assert held(monkeypatch, out, "plain.so") == taken
    # the old hash table is the other reader's, where one is asked for
    assert (native.speed.elf_read(str(out), None) is not None) == (taken or name == "sysv")


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "fifo.so")
    (tmp_path / "folder.so").mkdir()
    (tmp_path / "loop.so").symlink_to("loop.so")
    (tmp_path / "empty.so").touch()
    (tmp_path / "secret.so").write_bytes(elf_with_everything())
    (tmp_path / "secret.so").chmod(0)
    names = ["fifo.so", "folder.so", "loop.so", "empty.so", "gone.so", "a" * 300, "nul\0.so", "../" * 2000]
    with ends(20):
        for name in names:
            assert native.speed.elf_read(f"{tmp_path}/{name}", None) is None
            assert native.speed.elf_undefined(f"{tmp_path}/{name}", True) is None
            path = f"{tmp_path}/{name}"
            assert native.read(path, rel="x.so") == in_python(monkeypatch, path, "x.so")
        held(monkeypatch, tmp_path / "secret.so")


def test_damaged_files() -> None:
    """A few of the rounds that `make fuzz-images` does by the hundred thousand."""
    said: list[str] = []
    assert run("twins", 400, 11, said.append) == 0, said


def test_facts_that_nobody_made() -> None:
    """Only what `elf_read` has made is taken apart, but nothing goes wrong with other bytes."""
    path = str(FIXTURES / "linux-musl-x86_64.elf")
    facts = native.speed.elf_read(path, None)[3]
    assert elf.tidy(facts)[1][0] == native.read(path).slices[0]
    dice = random.Random(5)
    for length in range(len(facts)):
        _taken_apart(facts[:length])
    for _ in range(2000):
        data = bytearray(facts)
        for _ in range(dice.choice((1, 3, 10))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        _taken_apart(bytes(data))


def _taken_apart(facts: bytes) -> None:
    try:
        assert len(native.speed.elf_fields(facts, {})) == 17
    except ValueError:
        pass


# ------------------------------------------------------------------------------------------------------------ many files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Many files, some of them odd."""
    image = elf_with_everything()
    (tmp_path / "sub").mkdir()
    for number in range(300):
        (tmp_path / "sub" / f"m{number:03}.so").write_bytes(image if number % 7 else image[: 16 * number])
    (tmp_path / "native.so").write_bytes(image)
    (tmp_path / "text.so").write_text("no library")
    (tmp_path / "dangling.so").symlink_to("nowhere")
    return tmp_path


def _all(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.so"))


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_many_files_by_threads(monkeypatch: pytest.MonkeyPatch, folder: Path, threads: int) -> None:
    """The same facts in the same order, and the same notes for the cache, by threads or without them."""
    paths = _all(folder)
    watches = Watch(), Watch(), Watch()
    monkeypatch.setattr(native, "_threads", lambda: threads)
    with watching(watches[0]):
        found = native.read_all(str(folder), paths, folder=0, owners={(0, "native.so"): "alpha"}, modules={"sub/m001.py"})
    begun = native.Ahead(str(folder), paths)
    with watching(watches[1]):
        later = native.read_all(
            str(folder), paths, folder=0, owners={(0, "native.so"): "alpha"}, modules={"sub/m001.py"}, ahead=begun
        )
    monkeypatch.setattr(native, "speed", None)
    with watching(watches[2]):
        plain = native.read_all(str(folder), paths, folder=0, owners={(0, "native.so"): "alpha"}, modules={"sub/m001.py"})
    assert found == later == plain
    assert list(watches[0].states) == list(watches[1].states) == list(watches[2].states) == [f"{folder}/{rel}" for rel in paths]


def test_what_is_known_is_not_read(folder: Path) -> None:
    known = {f"{folder}/native.so": NativeFile(path="native.so", folder=0, size=7)}
    found = native.read_all(str(folder), _all(folder), folder=0, owners={}, known=known)
    assert [file.size for file in found if file.path == "native.so"] == [7]


def test_an_object_that_is_dropped(folder: Path) -> None:
    """Threads end with it, and descriptors are closed."""
    files = [(rel, None) for rel in _all(folder)]
    before = len(os.listdir("/dev/fd"))
    with ends(60):
        for number in range(50):
            begun = native.speed.Ahead(str(folder), files, 4)
            if number % 2:
                begun.take(len(files) - 1)
            del begun
    assert len(os.listdir("/dev/fd")) == before


def test_after_a_fork(folder: Path) -> None:
    """The child has no threads, and what one was reading is nobody's: it is left to the reader in Python."""
    files = [(rel, None) for rel in _all(folder)]
    with ends(60):
        for _ in range(10):
            begun = native.speed.Ahead(str(folder), files, 2)
            child = os.fork()
            if child == 0:
                answers = [begun.take(number) for number in range(len(files))]
                whole = [native.speed.elf_read(f"{folder}/{rel}", None) for rel, _ in files]
                del begun
                os._exit(0 if all(one in (None, other) for one, other in zip(answers, whole, strict=True)) else 1)
            _, status = os.waitpid(child, 0)
            assert status == 0


def test_arguments(folder: Path) -> None:
    begun = native.speed.Ahead(str(folder), [("native.so", b"PyInit_native"), ("/native.so", None), ("a\0b", None)], 1)
    assert begun.take(0)[2] is True
    assert begun.take(1) is None
    assert begun.take(2) is None
    assert native.speed.Ahead(f"{folder}/none", [("native.so", None)], 1).take(0) is None
    for number in (3, -1):
        with pytest.raises(IndexError):
            begun.take(number)
    for wrong in ((), (str(folder), (), 1), (str(folder), [1], 1), (str(folder), [("a", 1)], 1), (1, [], 1)):
        with pytest.raises(TypeError):
            native.speed.Ahead(*wrong)
    with pytest.raises(TypeError):
        native.speed.elf_read(str(folder))
    with pytest.raises(TypeError):
        native.speed.elf_read(str(folder), "text")
