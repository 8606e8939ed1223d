"""The system's library cache and the loader's built-in folders: real caches of every format, and bytes that lie."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.collect.native import ldcache
from envdoctor.collect.native.ldcache import CacheError, Entry, parse
from tests.collect.test_native import build

LDCONFIG = shutil.which("ldconfig") or shutil.which("ldconfig", path="/sbin:/usr/sbin")
LINUX = sys.platform.startswith("linux")
ldconfig = pytest.mark.skipif(LDCONFIG is None or not LINUX, reason="needs ldconfig")
gcc = pytest.mark.skipif(shutil.which("gcc") is None or not LINUX, reason="needs gcc on Linux")


def printed(*options: str) -> list[tuple[str, str]]:
    """What ``ldconfig -p`` says is in a cache: (name, path)."""
    said = subprocess.run([str(LDCONFIG), "-p", *options], capture_output=True, text=True, check=True).stdout
    return [(a.strip(), b.strip()) for a, b in re.findall(r"^\t(\S+) \(.*\) => (.*)$", said, re.MULTILINE)]


@ldconfig
def test_the_systems_own_cache() -> None:
    path = Path("/etc/ld.so.cache")
    if not path.exists():
        pytest.skip("no cache here")
    entries = parse(path.read_bytes())
    assert [(e.name, e.path) for e in entries] == printed()
    assert any(e.name == "libc.so.6" for e in entries)


@ldconfig
@gcc
@pytest.mark.parametrize("form", ["new", "compat", "old"])
def test_caches_that_ldconfig_writes(tmp_path: Path, form: str) -> None:
    """In every format, with libraries for newer processors, and one whose file is not named as its soname."""
    code = "int f(void) { return 1; }\n"
    for folder in ("a", "a/glibc-hwcaps/x86-64-v3", "a/glibc-hwcaps/x86-64-v2", "b"):
        build(tmp_path / folder, "libone.so.1", code, "-shared", "-fPIC", "-Wl,-soname,libone.so.1")
    build(tmp_path / "b", "libtwo-2.5.so", code, "-shared", "-fPIC", "-Wl,-soname,libtwo.so.2")
    (tmp_path / "conf").write_text(f"{tmp_path}/a\n{tmp_path}/b\n")
    cache = tmp_path / "cache"
    made = subprocess.run(
        [str(LDCONFIG), "-X", "-c", form, "-C", str(cache), "-f", str(tmp_path / "conf")], capture_output=True, check=False
    )
    if made.returncode != 0 or not cache.exists():
        pytest.skip("ldconfig does not write this format here")
    entries = parse(cache.read_bytes())
    assert [(e.name, e.path) for e in entries] == printed("-C", str(cache))
    ours = [e for e in entries if e.path.startswith(str(tmp_path))]
    assert {e.name for e in ours} == {"libone.so.1", "libtwo.so.2"}
    paths = {e.subfolder: e.path.removeprefix(f"{tmp_path}/") for e in ours if e.name == "libone.so.1"}
    if form == "new" and len(paths) > 1:
        assert paths["x86-64-v3"] == "a/glibc-hwcaps/x86-64-v3/libone.so.1"
        assert paths["x86-64-v2"] == "a/glibc-hwcaps/x86-64-v2/libone.so.1"
    # the old format knows no processors; in the mixed one ldconfig names the subfolders by offsets that the loader takes
    # from another place, so that they are not used
    usable = {e.subfolder for e in ours} & {"x86-64-v2", "x86-64-v3"}
    assert not usable or form == "new"


def new_cache(
    rows: list[tuple[str, str, int]], endian: str = "<", mark: int = 2, names: list[str] | None = None, base: int = 0
) -> bytes:
    """A cache in the new format; rows are (name, path, hwcap), `names` the glibc-hwcaps subfolders, `base` its place in the
    file."""
    strings = b""
    start = 48 + 24 * len(rows)
    table = b""

    def put(word: str) -> int:
        nonlocal strings
        strings += word.encode() + b"\0"
        return start + len(strings) - len(word.encode()) - 1

    for name, path, hwcap in rows:
        key, value = put(name), put(path)
        table += struct.pack(f"{endian}iIIIQ", 0x0303, key, value, 0, hwcap)
    places = [put(name) + base for name in names or ()]
    extension = 0
    tail = b""
    if names:
        strings += b"\0" * (-(start + len(strings)) % 4)
        extension = base + start + len(strings)
        tail = struct.pack(f"{endian}IIIIII", 0xEAA42174, 1, 1, 0, extension + 24, 4 * len(places))
        tail += struct.pack(f"{endian}{len(places)}I", *places)
    header = b"glibc-ld.so.cache1.1" + struct.pack(f"{endian}II", len(rows), len(strings)) + bytes([mark, 0, 0, 0])
    return header + struct.pack(f"{endian}IIII", extension, 0, 0, 0) + table + strings + tail


ROWS = [("liba.so.1", "/lib/liba.so.1", 0), ("libb.so.1", "/lib/libb.so.1", 0)]


@pytest.mark.parametrize(("endian", "mark"), [("<", 2), (">", 3), ("<", 0), (">", 0)])
def test_either_byte_order(endian: str, mark: int) -> None:
    assert parse(new_cache(ROWS, endian, mark)) == [Entry(name, path, 0x0303) for name, path, _ in ROWS]


def test_a_cache_marked_invalid_is_none() -> None:
    with pytest.raises(CacheError, match="invalid"):
        parse(new_cache(ROWS, mark=1))


@pytest.mark.parametrize("align", [4, 8])
def test_the_new_format_inside_the_old(align: int) -> None:
    """i386 aligns it at 4 bytes, 64-bit machines at 8."""
    old = b"ld.so-1.7.0\0" + struct.pack("<I", 1) + struct.pack("<iII", 3, 0, 0)
    old += b"\0" * (-len(old) % align)
    rows = [("liba.so.1", "/lib/liba.so.1", (1 << 62) | (2 << 32)), *ROWS]
    entries = parse(old + new_cache(rows, names=["x86-64-v3"], base=len(old)))
    assert [(e.name, e.subfolder) for e in entries] == [
        ("liba.so.1", "x86-64-v3"),
        ("liba.so.1", None),
        ("libb.so.1", None),
    ]


def test_entries_of_old_platforms_are_left_out() -> None:
    """Those with a TLS mark alone count, those with a number beyond the list of subfolders do not."""
    rows = [
        ("liba.so.1", "/lib/tls/liba.so.1", 1 << 63),
        ("liba.so.1", "/lib/i686/liba.so.1", 1 << 50),
        ("liba.so.1", "/lib/x/liba.so.1", (1 << 62) | 7),
        *ROWS,
    ]
    assert [e.path for e in parse(new_cache(rows, names=["x86-64-v2"]))] == [
        "/lib/tls/liba.so.1",
        "/lib/liba.so.1",
        "/lib/libb.so.1",
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello", "not a library cache"),
        (b"glibc-ld.so.cache1.1", "truncated"),
        (b"ld.so-1.7.0", "truncated"),
        (b"ld.so-1.7.0\0\xff\xff\xff\xff", "truncated"),
        (new_cache(ROWS)[:80], "truncated"),
    ],
)
def test_what_is_no_cache(data: bytes, words: str) -> None:
    with pytest.raises(CacheError, match=words):
        parse(data)


SEED = new_cache([("liba.so.1", "/lib/a", (1 << 62) | 0), *ROWS], names=["x86-64-v3"])


@settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), max_size=10),
    cut=st.none() | st.integers(0, len(SEED)),
    old=st.binary(max_size=40),
)
def test_mutated_caches_raise_nothing_else(changes: list[tuple[int, int]], cut: int | None, old: bytes) -> None:
    data = bytearray(SEED)
    for at, value in changes:
        data[at] = value
    for text in (bytes(data[:cut]), b"ld.so-1.7.0\0" + old + bytes(data[:cut])):
        try:
            entries = parse(text)
        except CacheError:
            continue
        assert all(e.path.startswith("/") and e.name for e in entries)


# ------------------------------------------------------------------------------------------------------- built-in folders


@gcc
def test_the_loader_says_where_it_looks() -> None:
    """Compared with what the loader itself prints."""
    from envdoctor.collect.native import read

    program = read(sys.executable).slices[0].interpreter
    if program is None or "ld-linux" not in program:
        pytest.skip("needs glibc")
    found = ldcache.built_in(Path(program).read_bytes())
    assert found is not None
    said = subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout
    folders = re.findall(r"^\s+(/\S+) \(system search path\)", said, re.MULTILINE)
    if not folders:
        pytest.skip("this loader prints no search path")
    assert list(found.folders) == folders
    cache = re.findall(r"libraries located via (\S+)\)", said)
    assert [found.cache] == cache


def test_folders_in_the_bytes_of_a_loader() -> None:
    def loader(*folders: str, cache: str = "/etc/ld.so.cache") -> bytes:
        table = b"".join(folder.encode() + b"/\0" for folder in folders)
        return b"\x7fELF" + bytes(100) + cache.encode() + b"\0" + b"lib/\0" + bytes(50) + table + bytes(30) + b"/dev/full\0"

    found = ldcache.built_in(loader("/lib64", "/usr/lib64"))
    assert found == (("/lib64", "/usr/lib64"), "/etc/ld.so.cache")
    store = ldcache.built_in(loader("/nix/store/abc-glibc/lib", cache="/nix/store/abc-glibc/etc/ld.so.cache"))
    assert store == (("/nix/store/abc-glibc/lib",), "/nix/store/abc-glibc/etc/ld.so.cache")
    assert ldcache.built_in(b"\x7fELF" + bytes(1000)) is None
    assert ldcache.built_in(b"lib/\0" * 1000) is None


def test_usual_layouts() -> None:
    assert ldcache.default_folders("aarch64", 64, True, False)[:2] == ("/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
    assert ldcache.default_folders("x86_64", 64, False, True) == ("/lib64", "/usr/lib64")
    assert ldcache.default_folders("i686", 32, False, True) == ("/lib", "/usr/lib")
    assert ldcache.triplet("armv7l") == "arm-linux-gnueabihf"
    assert ldcache.triplet("ppc64le") == "powerpc64le-linux-gnu"


def test_levels_of_processors() -> None:
    assert ldcache.usable_levels("x86-64-v3") == ("x86-64-v3", "x86-64-v2")
    assert ldcache.usable_levels("x86-64-v1") == ()
    assert ldcache.usable_levels(None) == ()


def test_configuration_files() -> None:
    content = "# words\n/usr/local/lib  # more\ninclude ld.so.conf.d/*.conf /opt/x.conf\nhwcap 1 nosegneg\n/a:/b,/c\nrelative\n"
    assert ldcache.configured(content) == (["/usr/local/lib", "/a", "/b", "/c"], ["ld.so.conf.d/*.conf", "/opt/x.conf"])
    assert ldcache.musl_folders("/lib:/usr/lib\n/opt/lib\nx\n") == ("/lib", "/usr/lib", "/opt/lib")
    assert ldcache.musl_path_file("i686") == "/etc/ld-musl-i386.path"
