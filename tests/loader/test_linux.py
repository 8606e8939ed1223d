"""The model of ld.so against ld.so itself: libraries compiled here, really imported, and what is mapped then."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from envdoctor.loader import Loads, Root
from envdoctor.snapshot import Interpreter, Machine, NativeFile, Shell, Site, Slice, Snapshot, Target
from envdoctor.view import View
from tests.builders import Env, venv
from tests.loader.planted import SUFFIX, extension, library, mapped, needs_gcc, other_machine
from tests.support import snapshot_of

pytestmark = needs_gcc


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Env:
    return venv(tmp_path_factory.mktemp("base") / "env")


@pytest.fixture
def env(base: Env) -> Env:
    """The environment with nothing in it but what the test puts there."""
    for path in base.site.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return base


def loads(env: Env, **variables: str) -> Loads:
    environ = {"PATH": "/nonexistent", "HOME": "/nonexistent", **variables}
    return View(snapshot_of(env.prefix, environ=environ)).loads


def root_of(found: Loads, module: str) -> Root:
    return next(root for root in found.roots if root.module == module)


def names(found: Loads, module: str) -> list[str]:
    return [Path(loaded.path).name for loaded in found.scope(root_of(found, module))]


def missing(found: Loads, module: str) -> set[str]:
    return {need.name for need in found.missing if need.root.module == module}


def agrees(env: Env, module: str, **variables: str) -> Loads:
    """The model's answer about one module, proved by importing it."""
    found = loads(env, **variables)
    real = mapped(env, module, variables=variables)
    lacking = missing(found, module)
    assert (real is None) == bool(lacking), (real, lacking)
    if real is not None:
        scope = {os.path.realpath(loaded.path) for loaded in found.scope(root_of(found, module))}
        process = {os.path.realpath(loaded.path) for loaded in found.process}
        assert scope <= set(real), scope - set(real)
        prefix = str(env.prefix)
        assert {path for path in real if path.startswith(prefix) and ".so" in path} <= scope | process
    return found


def test_runpath_is_for_its_own_file_alone(env: Env) -> None:
    deep = library(env.site / "libs/libdeep.so")
    middle = library(env.site / "libs/libmiddle.so", [deep])
    extension(env.site / f"top{SUFFIX}", [middle], runpath="$ORIGIN/libs")
    found = agrees(env, "top")
    assert missing(found, "top") == {"libdeep.so"}
    need = found.missing[0]
    assert [Path(path).name for path in need.chain] == [f"top{SUFFIX}", "libmiddle.so"]
    assert need.elsewhere == (str(deep),)


def test_rpath_is_inherited(env: Env) -> None:
    deep = library(env.site / "libs/libdeep.so")
    middle = library(env.site / "libs/libmiddle.so", [deep])
    extension(env.site / f"top{SUFFIX}", [middle], rpath="$ORIGIN/libs")
    found = agrees(env, "top")
    assert names(found, "top") == [f"top{SUFFIX}", "libmiddle.so", "libdeep.so"]


def test_a_file_with_runpath_inherits_nothing_but_passes_on(env: Env) -> None:
    """Its own needs are searched in its RUNPATH alone; what it brings in inherits the RPATH above it all the same."""
    deep = library(env.site / "libs/libdeep.so")
    middle = library(env.site / "other/libmiddle.so", [deep])
    upper = library(env.site / "libs/libupper.so", [middle], runpath="$ORIGIN/../other")
    extension(env.site / f"top{SUFFIX}", [upper], rpath="$ORIGIN/libs")
    assert missing(agrees(env, "top"), "top") == set()
    library(env.site / "libs/libupper.so", [middle, deep], runpath="$ORIGIN/../other")
    found = agrees(env, "top")
    assert missing(found, "top") == {"libdeep.so"}


def test_what_is_loaded_under_a_name_is_not_searched_again(env: Env) -> None:
    deep = library(env.site / "libs/libdeep.so")
    lost = library(env.site / "libs/liblost.so", [deep])
    extension(env.site / f"top{SUFFIX}", [deep, lost], runpath="$ORIGIN/libs")
    assert missing(agrees(env, "top"), "top") == set()
    # the other way round the name is asked for before it is there
    extension(env.site / f"other{SUFFIX}", [lost, deep], runpath="$ORIGIN/libs")
    assert missing(agrees(env, "other"), "other") == set(), "breadth first: the module's own needs come before"


def test_a_soname_counts_as_a_name(env: Env) -> None:
    deep = library(env.site / "libs/libdeep-1234.so", soname="libdeep.so.1")
    stub = library(env.site / "stub/libdeep.so.1")
    user = library(env.site / "libs/libuser.so", [stub])
    extension(env.site / f"top{SUFFIX}", [user], runpath="$ORIGIN/libs")
    (env.site / "stub/libdeep.so.1").unlink()
    assert missing(agrees(env, "top"), "top") == {"libdeep.so.1"}
    # linked by a soname that is no file name: the need is the soname, which nothing is called
    extension(env.site / f"second{SUFFIX}", [deep], runpath="$ORIGIN/libs")
    assert missing(agrees(env, "second"), "second") == {"libdeep.so.1"}
    (env.site / "libs/libdeep.so.1").symlink_to("libdeep-1234.so")
    assert missing(agrees(env, "second"), "second") == set()
    assert missing(agrees(env, "top"), "top") == {"libdeep.so.1"}


def test_another_machine_is_passed_over_and_no_elf_file_stops(env: Env) -> None:
    good = library(env.site / "good/libx.so")
    bad = library(env.site / "bad/libx.so")
    other_machine(bad)
    extension(env.site / f"top{SUFFIX}", [good], rpath="$ORIGIN/bad:$ORIGIN/good")
    found = agrees(env, "top")
    assert str(good) in [loaded.path for loaded in found.scope(root_of(found, "top"))]
    bad.write_bytes(b"not a library at all" * 100)
    found = agrees(env, "top")
    assert missing(found, "top") == {"libx.so"}
    assert found.missing[0].passed[0][0] == str(bad)


def test_ld_library_path_comes_between(env: Env, tmp_path: Path) -> None:
    own = library(env.site / "libs/libx.so")
    outside = library(tmp_path / "outside/libx.so")
    extension(env.site / f"run{SUFFIX}", [own], runpath="$ORIGIN/libs")
    extension(env.site / f"old{SUFFIX}", [own], rpath="$ORIGIN/libs")
    variable = {"LD_LIBRARY_PATH": str(outside.parent)}
    found = agrees(env, "run", **variable)
    assert str(outside) in [loaded.path for loaded in found.scope(root_of(found, "run"))]
    found = agrees(env, "old", **variable)
    assert str(own) in [loaded.path for loaded in found.scope(root_of(found, "old"))]
    own.unlink()
    agrees(env, "run", **variable)
    agrees(env, "run")


def test_ld_preload_is_there_before_all(env: Env, tmp_path: Path) -> None:
    stub = library(tmp_path / "outside/libx.so")
    extension(env.site / f"top{SUFFIX}", [stub])
    assert missing(agrees(env, "top"), "top") == {"libx.so"}
    assert missing(agrees(env, "top", LD_PRELOAD=str(stub)), "top") == set()


def test_words_in_paths(env: Env) -> None:
    one = library(env.site / "libs/libx.so")
    machine = os.uname().machine
    extension(env.site / f"a{SUFFIX}", [one], rpath="${ORIGIN}/../site-packages/./libs")
    extension(env.site / f"b{SUFFIX}", [library(env.site / f"p/{machine}/liby.so")], runpath="$ORIGIN/p/$PLATFORM")
    assert missing(agrees(env, "a"), "a") == set()
    found = loads(env)
    if mapped(env, "b") is not None:
        assert missing(found, "b") == set()


def test_a_need_with_a_slash_is_a_path(env: Env) -> None:
    one = library(env.site / "libs/libx.so", soname=str(env.site / "libs/libx.so"))
    extension(env.site / f"top{SUFFIX}", [one])
    assert missing(agrees(env, "top"), "top") == set()
    one.unlink()
    assert missing(agrees(env, "top"), "top") == {str(one)}


def test_the_default_folders_can_be_forbidden(env: Env) -> None:
    extension(env.site / f"top{SUFFIX}", flags=["-Wl,-z,nodefaultlib", "-lresolv"])
    agrees(env, "top")


def test_two_roots_do_not_see_each_other(env: Env) -> None:
    deep = library(env.site / "libs/libdeep.so")
    extension(env.site / f"has{SUFFIX}", [deep], runpath="$ORIGIN/libs")
    extension(env.site / f"hasnot{SUFFIX}", [deep])
    found = loads(env)
    assert missing(found, "has") == set()
    assert missing(found, "hasnot") == {"libdeep.so"}
    assert mapped(env, "hasnot") is None
    assert mapped(env, "has", "hasnot") is not None, "in one process the second finds it loaded"


def test_orphans_are_what_nothing_leads_to(env: Env) -> None:
    deep = library(env.site / "libs/libdeep.so")
    library(env.site / "libs/libplugin.so", [library(env.site / "libs/libnothere.so")])
    (env.site / "libs/libnothere.so").unlink()
    extension(env.site / f"top{SUFFIX}", [deep], rpath="$ORIGIN/libs")
    found = loads(env)
    assert [Path(root.path).name for root in found.orphans] == ["libplugin.so"]
    assert [need.name for need in found.missing_of_orphans] == ["libnothere.so"]
    assert not [need for need in found.missing if need.root.kind == "extension"]


def test_the_standard_library_is_followed_too(env: Env) -> None:
    found = loads(env)
    assert found.process[0].path == os.path.realpath(env.python)
    failing = {need.root.module for need in found.missing}
    for root in found.roots:
        if root.kind == "stdlib" and not root.module.startswith(("_test", "xx", "_xx")):
            works = env.run("-c", f"import {root.module}").returncode == 0
            assert works == (root.module not in failing), root.module


@pytest.mark.parametrize("seed", range(int(os.environ.get("ENVDOCTOR_LOADER_SEEDS", "5"))))
def test_random_graphs(env: Env, seed: int) -> None:
    """Libraries in three folders that need each other, with RPATH, RUNPATH or neither, some gone, one of another machine."""
    dice = random.Random(seed)
    folders = ["a", "b", "c"]
    made: list[Path] = []
    for number in range(7):
        folder = dice.choice(folders)
        needs = dice.sample(made, min(len(made), dice.randint(0, 3)))
        style = dice.choice(["rpath", "runpath", None, None])
        places = ":".join(f"$ORIGIN/../{name}" for name in dice.sample(folders, dice.randint(1, 2)))
        path = env.site / folder / f"lib{number}.so"
        library(path, needs, **({style: places} if style else {}))
        if dice.random() < 0.25:
            twin = env.site / dice.choice(folders) / path.name
            if twin != path:
                twin.parent.mkdir(exist_ok=True)
                twin.write_bytes(path.read_bytes())
                if dice.random() < 0.5:
                    other_machine(twin)
        made.append(path)
    modules = []
    for number in range(4):
        style = dice.choice(["rpath", "runpath"])
        places = ":".join(f"$ORIGIN/{name}" for name in dice.sample(folders, dice.randint(1, 3)))
        extension(env.site / f"m{number}{SUFFIX}", dice.sample(made, dice.randint(1, 3)), **{style: places})
        modules.append(f"m{number}")
    if dice.random() < 0.7:
        dice.choice(made).unlink()
    variables = {"LD_LIBRARY_PATH": str(env.site / dice.choice(folders))} if dice.random() < 0.4 else {}
    for module in modules:
        agrees(env, module, **variables)


# ---------------------------------------------------------------------------------------------------------------- musl
def _musl(*files: NativeFile, system: tuple[NativeFile, ...] = (), binary: Slice | None = None) -> Loads:
    """The answers for a musl target made of facts alone."""
    program = NativeFile(
        path="/usr/bin/python3.12",
        format="elf",
        kind="executable",
        slices=(binary or Slice(machine="x86_64", bits=64, interpreter="/lib/ld-musl-x86_64.so.1", libc="musl"),),
    )
    machine = Machine(machine="x86_64", libc="musl 1.2", libraries=system or (_so("/usr/lib/libz.so.1"),))
    snapshot = Snapshot(
        date="2026-01-01",
        target=Target(prefix="/env", kind="venv", chosen_by="test"),
        interpreter=Interpreter(
            path="/env/bin/python",
            version="3.12.1",
            machine="x86_64",
            bits=64,
            binary=program,
            soabi="cpython-312-x86_64-linux-musl",
        ),
        sites=(Site(path="/env/lib/python3.12/site-packages", role="purelib"),),
        natives=files,
        shell=Shell(),
        machine=machine,
    )
    return View(snapshot).loads


def _so(path: str, *needed: str, folder: int = -1, **more: object) -> NativeFile:
    part = Slice(machine="x86_64", bits=64, needed=needed, soname=path.rpartition("/")[2], **more)  # type: ignore[arg-type]
    return NativeFile(path=path, folder=folder, format="elf", slices=(part,))


TAG = "cpython-312-x86_64-linux-musl.so"


def test_musl_inherits_runpath_and_knows_its_own_names() -> None:
    found = _musl(
        _so(f"top.{TAG}", "libmiddle.so", "libc.musl-x86_64.so.1", "libm.so.6", folder=0, runpath=("$ORIGIN/libs",)),
        _so("libs/libmiddle.so", "libdeep.so", "libpthread.so.0", folder=0),
        _so("libs/libdeep.so", folder=0),
    )
    assert found.missing == ()
    assert [Path(loaded.path).name for loaded in found.scope(found.roots[0])] == [f"top.{TAG}", "libmiddle.so", "libdeep.so"]


def test_musl_knows_no_sonames_and_no_versions() -> None:
    found = _musl(
        _so(f"top.{TAG}", "liba.so", "libreal.so.1", folder=0, rpath=("$ORIGIN/libs",)),
        NativeFile(
            path="libs/liba.so", folder=0, format="elf", slices=(Slice(machine="x86_64", bits=64, soname="libreal.so.1"),)
        ),
        _so("z.txt", folder=0, version_needs={"liba.so": ("V_2",)}),
    )
    assert {need.name for need in found.missing} == {"libreal.so.1"}
    assert found.version_problems == ()


def test_musl_takes_the_first_file_whatever_it_is() -> None:
    wrong = NativeFile(path="one/libx.so", folder=0, format="elf", slices=(Slice(machine="aarch64", bits=64),))
    found = _musl(
        _so(f"top.{TAG}", "libx.so", folder=0, rpath=("$ORIGIN/one", "$ORIGIN/two")), wrong, _so("two/libx.so", folder=0)
    )
    assert [need.name for need in found.missing] == ["libx.so"]
    assert "aarch64" in found.missing[0].passed[0][1]


def test_musl_ignores_a_path_with_other_words() -> None:
    found = _musl(_so(f"top.{TAG}", "libx.so", folder=0, rpath=("$ORIGIN/$LIB",)), _so("lib/libx.so", folder=0))
    assert [need.name for need in found.missing] == ["libx.so"]


def test_glibc_on_a_machine_with_musl_is_not_judged() -> None:
    program = Slice(machine="x86_64", bits=64, interpreter="/lib64/ld-linux-x86-64.so.2", libc="glibc")
    found = _musl(_so(f"top.{TAG}", "libx.so", folder=0), binary=program)
    assert found.reason is not None
    assert found.missing == ()
