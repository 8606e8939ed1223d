"""What stands where the loader could look outside of the site folders: real libraries, compared with what ld.so itself finds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from envdoctor.collect import libraries
from envdoctor.collect.interpreter import Facts
from envdoctor.collect.native import read
from envdoctor.collect.scene import Scene
from envdoctor.diagnose import Request, observe
from envdoctor.platforms import numbers
from envdoctor.snapshot import Cpu, Interpreter, Machine, NativeFile, Site, Snapshot, Target, from_json, to_json
from tests.builders import Env, compile_extension, venv
from tests.collect.test_ldcache import new_cache
from tests.collect.test_native import build
from tests.support import snapshot_of

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None or not sys.platform.startswith("linux"), reason="needs gcc on Linux")
CODE = "int {name}(void) {{ return 1; }}\n"
LDCONFIG = shutil.which("ldconfig") or shutil.which("ldconfig", path="/sbin:/usr/sbin")


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return venv(tmp_path / "env")


def library(folder: Path, name: str, *needs: Path, flags: Iterable[str] = (), soname: str | None = None) -> Path:
    """A library that needs others, compiled."""
    link = [str(need) for need in needs]
    given = ["-shared", "-fPIC", "-Wl,--no-as-needed", f"-Wl,-soname,{soname or name}", *link, *flags]
    return build(folder, name, CODE.format(name=re.sub(r"\W", "_", name)), *given)


def module(env: Env, name: str, *needs: Path, flags: Iterable[str] = (), package: str = "pkg") -> Path:
    """An extension module of a site folder that needs these libraries."""
    return compile_extension(env.site / package, name, flags=["-Wl,--no-as-needed", *map(str, needs), *flags])


def plain(root: Path, *needs: Path, flags: Iterable[str] = ()) -> Path:
    """A module of the site folder of a mounted root."""
    link = ["-shared", "-fPIC", "-Wl,--no-as-needed", *map(str, needs), *flags]
    return build(root / "app/site", "m.so", CODE.format(name="f"), *link)


def found(snapshot: Snapshot) -> dict[str, NativeFile]:
    """Libraries outside of the site folders by path, those of the base interpreter left out."""
    base = f"{snapshot.interpreter.base_prefix}/"
    return {file.path: file for file in snapshot.libraries if not file.path.startswith(base)}


# ------------------------------------------------------------------------------------------------------- this machine


def test_everything_that_ldd_names_is_known(env: Env) -> None:
    """For this interpreter, all modules of its standard library, and a module that needs system libraries."""
    own = module(env, "_m", flags=["-lm", "-ldl"])
    snapshot = snapshot_of(env.prefix)
    known = {file.real or file.path for file in (*snapshot.libraries, *snapshot.machine.libraries)}
    modules = [file.path for file in snapshot.libraries if "/lib-dynload/" in file.path]
    dynload = Path(snapshot.interpreter.stdlib or "", "lib-dynload")
    assert {Path(path).name for path in modules} == {path.name for path in dynload.glob("*.so")}
    files = [*modules, str(own), os.path.realpath(sys.executable)]
    said = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout
    named = {os.path.realpath(path) for path in re.findall(r"=> (/\S+)", said)}
    assert named
    assert named <= known
    assert all(Path(path).exists() for path in known)


def test_names_of_the_system_are_in_order(env: Env) -> None:
    machine = snapshot_of(env.prefix).machine
    names = [Path(file.path).name for file in machine.libraries]
    assert "libc.so.6" in names or any("musl" in name for name in names)
    assert names == sorted(names)
    assert not machine.all_libraries
    assert machine.library_folders
    assert all(folder.startswith("/") for folder in machine.library_folders)


@pytest.mark.skipif(LDCONFIG is None, reason="needs ldconfig")
def test_a_snapshot_for_others_has_everything(env: Env) -> None:
    module(env, "_m", flags=["-lm"])
    few = snapshot_of(env.prefix)
    request = Request(target=str(env.prefix), environ={"PATH": "/nonexistent"}, cwd="/", all_libraries=True)
    snapshot = observe(request).snapshot
    assert snapshot.machine.all_libraries
    assert snapshot.libraries == few.libraries
    assert {f.path for f in few.machine.libraries} <= {f.path for f in snapshot.machine.libraries}
    printed = subprocess.run([str(LDCONFIG), "-p"], capture_output=True, text=True, check=False).stdout
    paths = {os.path.realpath(path) for path in re.findall(r"=> (/\S+)", printed) if Path(path).exists()}
    assert paths <= {f.real or f.path for f in snapshot.machine.libraries}
    assert from_json(to_json(snapshot)) == snapshot


def test_twice_the_same(env: Env) -> None:
    one, other = snapshot_of(env.prefix), snapshot_of(env.prefix)
    assert (one.libraries, one.machine.libraries) == (other.libraries, other.machine.libraries)


# ------------------------------------------------------------------------------------------------------ RPATH and RUNPATH


def test_folders_beside_the_site_folders(env: Env) -> None:
    """A module's RUNPATH leads to the prefix's lib, whose library needs two more: one by its own RUNPATH, one not at all."""
    lib, private = env.prefix / "lib", env.prefix / "lib" / "private"
    deep = library(private, "libdeep.so.1")
    stray = library(env.prefix / "elsewhere", "libstray.so.1")
    flags = ["-Wl,-rpath,$ORIGIN/private", "-Wl,--enable-new-dtags"]
    mid = library(lib, "libmid.so.1.2", deep, stray, soname="libmid.so.1", flags=flags)
    (lib / "libmid.so.1").symlink_to(mid.name)
    library(lib, "libunasked.so.1")
    module(env, "_m", mid, flags=["-Wl,-rpath,$ORIGIN/../../../../lib", f"-Wl,-rpath-link,{private}:{stray.parent}"])
    files = found(snapshot_of(env.prefix))
    assert set(files) == {f"{env.prefix}/lib/libmid.so.1", str(deep)}
    assert files[f"{lib}/libmid.so.1"].real == str(mid)
    assert files[str(deep)].real is None
    assert files[f"{lib}/libmid.so.1"].slices[0].needed[:2] == ("libdeep.so.1", "libstray.so.1")


def test_files_of_site_folders_are_not_repeated(env: Env) -> None:
    """Those whose names tell nothing are read."""
    libs = env.site / "pkg.libs"
    one, odd = library(libs, "libone.so.1"), library(libs, "libodd")
    module(env, "_m", one, odd, flags=["-Wl,-rpath,$ORIGIN/../pkg.libs"])
    assert set(found(snapshot_of(env.prefix))) == {str(odd)}


def test_absolute_folders_and_needs_that_are_paths(env: Env, tmp_path: Path) -> None:
    one = library(tmp_path / "opt/lib", "libone.so.1")
    by_path = build(tmp_path / "abs", "libabs.so", CODE.format(name="f"), "-shared", "-fPIC")
    module(env, "_m", one, by_path, flags=[f"-Wl,-rpath,{one.parent}/../lib/."])
    assert set(found(snapshot_of(env.prefix))) == {str(one), str(by_path)}


def test_folders_for_newer_processors(env: Env, tmp_path: Path) -> None:
    opt = tmp_path / "opt"
    one = library(opt, "libone.so.1")
    for level in ("x86-64-v2", "x86-64-v4"):
        library(opt / "glibc-hwcaps" / level, "libone.so.1")
    module(env, "_m", one, flags=[f"-Wl,-rpath,{opt}"])
    snapshot = snapshot_of(env.prefix)
    libc = snapshot.machine.libc or ""
    if not libc.startswith("glibc") or (numbers(libc) or (0, 0)) < (2, 33):
        pytest.skip("needs glibc 2.33")
    level = snapshot.machine.cpu.level or ""
    better = {f"{opt}/glibc-hwcaps/{name}/libone.so.1" for name in ("x86-64-v2", "x86-64-v4") if level >= name}
    assert set(found(snapshot)) == {str(one), *better}


# ------------------------------------------------------------------------------------------------------------- variables


def test_variables(env: Env, tmp_path: Path) -> None:
    """Only what is asked for by name, in folders absolute and relative; files that are preloaded, with their needs."""
    for place in ("one", "two"):
        library(tmp_path / place, "libm.so.6")
        library(tmp_path / place, "libunasked.so.1")
    need = library(tmp_path / "three", "libneed.so.1")
    extra = library(tmp_path / "three", "libextra.so", need, flags=["-Wl,-rpath,$ORIGIN"])
    module(env, "_m", flags=["-lm"])
    folders = f"{tmp_path}/one::two;/nonexistent"
    environ = {"PATH": "/nonexistent", "LD_LIBRARY_PATH": folders, "LD_PRELOAD": f"{extra} bare.so"}
    files = found(snapshot_of(env.prefix, environ=environ, cwd=tmp_path, probe=False))
    assert set(files) == {f"{tmp_path}/one/libm.so.6", f"{tmp_path}/two/libm.so.6", str(extra), str(need)}
    assert not found(snapshot_of(env.prefix))


def test_the_systems_own_folder_in_front(env: Env) -> None:
    """LD_LIBRARY_PATH=/usr/lib/… is common, and puts the system's libraries before those of RUNPATH."""
    module(env, "_m", flags=["-lm"])
    system = next(f for f in snapshot_of(env.prefix).machine.libraries if f.path.endswith("/libm.so.6"))
    folder = Path(system.real or system.path).parent
    assert f"{folder}/libm.so.6" in found(snapshot_of(env.prefix, environ={"LD_LIBRARY_PATH": str(folder)}))


# ------------------------------------------------------------------------------------------------------------- bad input


def test_what_cannot_be_read(env: Env, tmp_path: Path) -> None:
    """Loops, FIFOs, folders and text under the right names."""
    opt = tmp_path / "opt"
    names = ["libloop.so.1", "libfifo.so.1", "libfolder.so.1", "libtext.so.1", "libgone.so.1"]
    paths = [library(opt, name) for name in names]
    module(env, "_m", *paths, flags=[f"-Wl,-rpath,{opt}:{opt}/libtext.so.1:{tmp_path}/circle"])
    for path in paths:
        path.unlink()
    (tmp_path / "circle").symlink_to("circle")
    paths[0].symlink_to(paths[0].name)
    os.mkfifo(paths[1])
    paths[2].mkdir()
    paths[3].write_text("INPUT(-lfoo)\n")
    paths[4].symlink_to("nowhere")
    problems = {Path(path).name: file.problem for path, file in found(snapshot_of(env.prefix)).items()}
    assert problems["libtext.so.1"] == "a linker script in text form"
    assert problems["libfifo.so.1"] == "cannot be read: not a regular file"
    assert "libgone.so.1" not in problems
    assert set(problems) <= set(names)


def test_a_prefix_that_is_no_text(tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    one = library(env.prefix / "lib", "libmid.so.1")
    module(env, "_m", one, flags=["-Wl,-rpath,$ORIGIN/../../../../lib"])
    raw = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")
    Path(env.prefix).rename(raw)
    files = found(snapshot_of(raw))
    assert set(files) == {f"{tmp_path}/\\xff\\xfe/lib/libmid.so.1"}
    assert not [file for file in files.values() if file.problem]


# --------------------------------------------------------------------------------------------------------- mounted roots


def mounted(
    root: Path, binary: NativeFile | None = None, *, level: str | None = None, libc: str = "glibc 2.36"
) -> libraries.Facts:
    """What is collected for a target in a mounted root, whose site folder is ``/app/site``."""
    site = root / "app/site"
    target = Target(prefix=f"{root}/app", kind="venv", chosen_by="test", foreign=True, sysroot=str(root))
    scene = Scene(target=target, prefix=f"{root}/app", environ={"LD_LIBRARY_PATH": f"{root}/usr/lib"}, cwd="/")
    natives = tuple(read(str(path), folder=0, rel=path.name) for path in sorted(site.glob("*.so")))
    facts = Facts(Interpreter(path=f"{root}/app/bin/python", binary=binary, machine="x86_64", bits=64), None, None)
    machine = Machine(machine="x86_64", libc=libc, cpu=Cpu(level=level))
    return libraries.collect(scene, facts, [Site(path=str(site), role="purelib")], natives, machine)


def test_links_and_folders_of_a_mounted_root(tmp_path: Path) -> None:
    """Absolute links lead from the mounted root, as Debian's alternatives do; so do absolute RPATHs, and the cache."""
    root = tmp_path / "root"
    usr = root / "usr/lib/x86_64-linux-gnu"
    real = library(usr / "blas", "libblas.so.3")
    one = library(root / "opt/lib", "libone.so.1")
    (root / "lib").symlink_to("usr/lib")
    (root / "etc/alternatives").mkdir(parents=True)
    (root / "etc/alternatives/libblas").symlink_to("/usr/lib/x86_64-linux-gnu/blas/libblas.so.3")
    (usr / "libblas.so.3").symlink_to("/etc/alternatives/libblas")
    rows = [("libblas.so.3", "/lib/x86_64-linux-gnu/libblas.so.3", 0), ("libgone.so.1", "/lib/libgone.so.1", 0)]
    (root / "etc/ld.so.cache").write_bytes(new_cache(rows))
    plain(root, real, one, flags=["-Wl,-rpath,/opt/lib"])
    facts = mounted(root)
    assert [(f.path, f.real) for f in facts.libraries] == [(str(one), None)]
    assert [(f.path, f.real) for f in facts.machine] == [(f"{root}/lib/x86_64-linux-gnu/libblas.so.3", str(real))]
    defaults = ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib")
    assert facts.folders == tuple(f"{root}{folder}" for folder in defaults)


def test_the_cache_chooses_by_processor(tmp_path: Path) -> None:
    root = tmp_path / "root"
    usual = library(root / "usr/lib64", "libone.so.1")
    better = library(root / "usr/lib64/glibc-hwcaps/x86-64-v3", "libone.so.1")
    rows = [("libone.so.1", str(better)[len(str(root)) :], 1 << 62), ("libone.so.1", "/usr/lib64/libone.so.1", 0)]
    (root / "etc").mkdir()
    (root / "etc/ld.so.cache").write_bytes(new_cache(rows, names=["x86-64-v3"]))
    plain(root, usual)
    for _ in range(2):
        assert [f.path for f in mounted(root, level="x86-64-v3").machine] == [str(better), str(usual)]
        assert [f.path for f in mounted(root, level="x86-64-v2").machine] == [str(usual)]
        assert [f.path for f in mounted(root, level="x86-64-v4", libc="glibc 2.31").machine] == [str(usual)]
        (root / "etc/ld.so.cache").unlink(missing_ok=True)  # then the default folders give the same


def test_libraries_that_ldconfig_has_not_seen(tmp_path: Path) -> None:
    """A folder of ld.so.conf is searched by ldconfig alone."""
    root = tmp_path / "root"
    late = library(root / "usr/local/lib", "liblate.so.1")
    (root / "etc/ld.so.conf.d").mkdir(parents=True)
    (root / "etc/ld.so.conf").write_text("include /etc/ld.so.conf.d/*.conf\n")
    (root / "etc/ld.so.conf.d/local.conf").write_text("/usr/local/lib\n/usr/lib/\n")
    (root / "etc/ld.so.cache").write_bytes(new_cache([("libc.so.6", "/usr/lib/libc.so.6", 0)]))
    plain(root, late)
    facts = mounted(root)
    assert (facts.machine, facts.uncached) == ((), (str(late),))
    (root / "etc/ld.so.cache").write_bytes(new_cache([("liblate.so.1", "/usr/local/lib/liblate.so.1", 0)]))
    facts = mounted(root)
    assert ([f.path for f in facts.machine], facts.uncached) == ([str(late)], ())


def test_a_library_under_another_name_in_the_cache(tmp_path: Path) -> None:
    """``ldconfig -X`` makes no links: the file has another name than the soname that the cache finds it by."""
    root = tmp_path / "root"
    real = library(root / "opt", "libone-1.2.so", soname="libone.so.1")
    (root / "etc").mkdir()
    (root / "etc/ld.so.cache").write_bytes(new_cache([("libone.so.1", "/opt/libone-1.2.so", 0)]))
    plain(root, real)
    assert [(f.path, f.real) for f in mounted(root).machine] == [(f"{root}/opt/libone.so.1", str(real))]


def test_a_broken_cache_leaves_the_default_folders(tmp_path: Path) -> None:
    root = tmp_path / "root"
    one = library(root / "usr/lib", "libone.so.1")
    (root / "etc").mkdir()
    (root / "etc/ld.so.cache").write_bytes(b"no cache")
    plain(root, one)
    assert [f.path for f in mounted(root).machine] == [str(one)]


def test_musl(tmp_path: Path) -> None:
    """No cache, and its own folders in its own order."""
    root = tmp_path / "root"
    one, local, opt = (library(root / place, "libone.so.1") for place in ("usr/lib", "usr/local/lib", "opt/lib"))
    (root / "etc").mkdir()
    (root / "etc/ld.so.cache").write_bytes(new_cache([("libone.so.1", "/opt/lib/libone.so.1", 0)]))
    plain(root, one)
    facts = mounted(root, libc="musl 1.2")
    assert [f.path for f in facts.machine] == [str(local), str(one)]
    assert facts.folders == tuple(f"{root}{folder}" for folder in ("/lib", "/usr/local/lib", "/usr/lib"))
    (root / "etc/ld-musl-x86_64.path").write_text("/opt/lib\n/usr/lib\n")
    facts = mounted(root, libc="musl 1.2")
    assert ([f.path for f in facts.machine], facts.uncached) == ([str(opt), str(one)], ())


def test_the_interpreter_tells_which_loader_it_is(tmp_path: Path) -> None:
    """A musl interpreter on a machine with both."""
    root = tmp_path / "root"
    one = library(root / "usr/local/lib", "libone.so.1")
    plain(root, one)
    flags = ["-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1", "-nostdlib", "-e", "main"]
    binary = read(str(build(root / "app/bin", "python", "int main(void) { return 0; }\n", *flags)))
    assert binary.slices[0].libc == "musl"
    assert [f.path for f in mounted(root, binary).machine] == [str(one)]
    assert mounted(root).machine == ()


def test_a_target_that_is_not_at_hand() -> None:
    scene = Scene(target=Target(prefix="/x", kind="venv", chosen_by="test", foreign=True), prefix="/x")
    facts = Facts(Interpreter(path="/x/bin/python"), None, None)
    assert libraries.collect(scene, facts, [], (), Machine(machine="x86_64")) == libraries.Facts()
