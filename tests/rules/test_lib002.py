"""LIB002: symbol versions that the loaded library does not define. Compiled with gcc, and every fault proved by importing it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from envdoctor.diagnose import judge
from envdoctor.select import Selection
from envdoctor.snapshot import Machine
from tests.builders import Env
from tests.loader.planted import SUFFIX, content, extension, library, needs_gcc, weaken
from tests.support import diagnose, only, snapshot_of

pytestmark = needs_gcc
CODE = "int lib_call(void) { return 1; }\n"
USE = {"body": "extern int lib_call(void);", "use": "lib_call();"}
OLD = "LIB_1.0 { global: lib_call; };\n"
NEW = "LIB_1.0 { };\nLIB_1.2 { };\nLIB_1.3 { global: lib_call; };\n"


def put(env: Env, work: Path, new: Path, *files: Path, name: str = "alpha", **paths: str) -> None:
    """A distribution with a module that was linked with `new`."""
    built = content(extension(work / f"{name}/_core{SUFFIX}", [new], **USE, **paths), *files, root=work)
    env.dist(name, files={f"{name}/__init__.py": f"from {name} import _core\n", **built})


def test_an_older_library_beside_it(env: Env, work: Path) -> None:
    new = library(work / "new/libver.so.1", code=CODE, versions=NEW)
    old = library(work / "alpha/lib/libver.so.1", code=CODE, versions=OLD)
    put(env, work, new, old, rpath="$ORIGIN/lib")
    assert "version `LIB_1.3' not found" in env.run("-c", "import alpha").stderr
    finding = only(diagnose(env.prefix, "LIB001", "LIB002"), "LIB002")
    assert finding.severity == "error"
    assert finding.message.startswith("alpha needs LIB_1.3, which ")
    assert finding.message.endswith("alpha/lib/libver.so.1 does not define")
    assert (finding.subjects[0].kind, finding.subjects[0].name) == ("distribution", "alpha")
    assert any("defines up to LIB_1.0" in line for line in finding.evidence)
    assert finding.fixes


def test_the_version_is_there(env: Env, work: Path) -> None:
    new = library(work / "alpha/lib/libver.so.1", code=CODE, versions=NEW)
    put(env, work, new, new, rpath="$ORIGIN/lib")
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB001", "LIB002") == []


def test_a_library_without_versions_is_taken(env: Env, work: Path) -> None:
    new = library(work / "new/libver.so.1", code=CODE, versions=NEW)
    code = f'#include <stdio.h>\n{CODE}void say(void) {{ puts("x"); }}\n'
    plain = library(work / "alpha/lib/libver.so.1", code=code, libc=True)
    put(env, work, new, plain, rpath="$ORIGIN/lib")
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB001", "LIB002") == []


def test_a_weak_need_is_silent(env: Env, work: Path) -> None:
    new = library(work / "new/libver.so.1", code=CODE, versions=NEW)
    old = library(
        work / "alpha/lib/libver.so.1", code="int other(void) { return 1; }\n", versions="LIB_1.0 { global: other; };\n"
    )
    weak = "extern int lib_call(void) __attribute__((weak));"
    built = content(
        weaken(
            extension(work / f"alpha/_core{SUFFIX}", [new], rpath="$ORIGIN/lib", body=weak, use="if (lib_call) lib_call();"),
            "LIB_1.3",
        ),
        old,
        root=work,
    )
    env.dist("alpha", files={"alpha/__init__.py": "from alpha import _core\n", **built})
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB001", "LIB002") == []


@pytest.mark.parametrize("style", ["rpath", "runpath"])
def test_ld_library_path_with_an_old_copy(env: Env, work: Path, style: str) -> None:
    """An old libstdc++ in LD_LIBRARY_PATH; where DT_RPATH wins, nothing is wrong."""
    new = library(work / "alpha/lib/libstdfake.so.6", code=CODE, versions=NEW)
    old = library(work / "outside/libstdfake.so.6", code=CODE, versions=OLD)
    put(env, work, new, new, **{style: "$ORIGIN/lib"})
    variables = {"LD_LIBRARY_PATH": str(old.parent)}
    assert env.imports("alpha")
    assert env.imports("alpha", env=variables) == (style == "rpath")
    assert diagnose(env.prefix, "LIB001", "LIB002", "PTH004") == []
    findings = diagnose(env.prefix, "LIB001", "LIB002", "PTH004", environ={"PATH": "/nonexistent", **variables})
    if style == "rpath":
        assert findings == []
        return
    override, finding = only(findings, "PTH004"), only(findings, "LIB002")
    assert override.severity == "error"
    assert finding.caused_by == override.fingerprint
    assert "unset LD_LIBRARY_PATH" in finding.fixes[0].title


def test_a_newer_c_library_is_needed(env: Env, work: Path) -> None:
    """Linked with a stand-in for a libc of the future."""
    future = library(
        work / "new/libc.so.6",
        code="int from_the_future(void) { return 1; }\n",
        versions="GLIBC_2.99 { global: from_the_future; };\n",
    )
    flags = [str(future), "-Wl,--no-copy-dt-needed-entries"]
    built = content(
        extension(work / f"alpha/_core{SUFFIX}", body="extern int from_the_future(void);", use="from_the_future();", flags=flags),
        root=work,
    )
    env.dist("alpha", files={"alpha/__init__.py": "from alpha import _core\n", **built})
    assert "GLIBC_2.99' not found" in env.run("-c", "import alpha").stderr
    findings = diagnose(env.prefix, "LIB001", "LIB002", "ARC008")
    finding = only(findings, "LIB002")
    assert finding.message.startswith("alpha needs GLIBC_2.99, this machine has glibc ")
    assert (finding.subjects[0].kind, finding.subjects[0].name) == ("distribution", "alpha")
    assert finding.caused_by == only(findings, "ARC008").fingerprint


def test_many_users_of_one_version_are_one_finding(env: Env, work: Path) -> None:
    new = library(work / "new/libver.so.1", code=CODE, versions=NEW)
    old = library(work / "outside/libver.so.1", code=CODE, versions=OLD)
    for name in ("alpha", "beta", "gamma"):
        put(env, work, new, name=name)
    variables = {"LD_LIBRARY_PATH": str(old.parent)}
    assert not env.imports("beta", env=variables)
    finding = only(diagnose(env.prefix, "LIB001", "LIB002", environ={"PATH": "/nonexistent", **variables}), "LIB002")
    assert finding.message.startswith("alpha (and 2 others) needs LIB_1.3")
    assert [s.name for s in finding.subjects if s.kind == "distribution"] == ["alpha", "beta", "gamma"]


def test_a_machine_with_an_older_glibc(env: Env, work: Path) -> None:
    """``--machine`` without recorded libraries: the version of its C library alone is compared."""
    built = content(
        extension(work / f"alpha/_core{SUFFIX}", body="#include <stdlib.h>\n#include <stdio.h>", use='puts(getenv("HOME"));'),
        root=work,
    )
    env.dist("alpha", files={"alpha/__init__.py": "from alpha import _core\n", **built})
    assert env.imports("alpha")
    snapshot = snapshot_of(env.prefix)
    here = snapshot.machine
    selection = Selection.of(select=["LIB002"])

    def on(libc: str) -> list[str]:
        other = Machine(machine=here.machine, libc=libc, libcs=(libc,), source="other.json")
        return [finding.message for finding in judge(snapshot, selection, machine=other).findings]

    assert judge(snapshot, selection).findings == ()
    assert on(here.libc or "") == []
    needs = [part.glibc for file in snapshot.natives for part in file.slices]
    found = on("glibc 2.1")
    assert len(found) == 1
    assert found[0] == f"alpha._core needs GLIBC_{needs[0]}, this machine has glibc 2.1"


def test_a_machine_with_an_older_libstdcxx(env: Env, work: Path) -> None:
    new = library(work / "new/libver.so.1", code=CODE, versions=NEW)
    put(env, work, new)
    snapshot = snapshot_of(env.prefix, environ={"PATH": "/nonexistent", "LD_LIBRARY_PATH": str(new.parent)})
    assert judge(snapshot, Selection.of(select=["LIB001", "LIB002"])).findings == ()
    mine = next(file for file in snapshot.libraries if file.path == str(new))
    part = msgspec.structs.replace(mine.slices[0], version_definitions=("LIB_1.0",))
    there = msgspec.structs.replace(mine, path="/usr/lib/libver.so.1", slices=(part,))
    machine = msgspec.structs.replace(
        snapshot.machine, libraries=(*snapshot.machine.libraries, there), all_libraries=True, source="other.json"
    )
    report = judge(snapshot, Selection.of(select=["LIB001", "LIB002"]), machine=machine)
    assert [finding.message for finding in report.findings] == [
        "alpha._core needs LIB_1.3, which /usr/lib/libver.so.1 does not define"
    ]
