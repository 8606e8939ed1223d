"""Tags and markers against what real interpreters say, and explanations against the list of tags."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import packaging
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag
from packaging.version import Version

from envdoctor.platforms import Misfit, explain, explain_tag, loads, marker_environment, platform_tags, profile, supported_tags
from envdoctor.snapshot import Interpreter, Machine, NativeFile, Slice, Snapshot, Target
from envdoctor.view import View
from tests.builders import interpreters, venv
from tests.effort import calls
from tests.support import snapshot_of

LINUX = Machine(
    system="linux", machine="x86_64", native_machine="x86_64", kernel="6.1.0", libc="glibc 2.36", libcs=("glibc 2.36",)
)
MAC = Machine(system="macos", machine="arm64", native_machine="arm64", os_version="13.5", kernel="22.6.0")
WINDOWS = Machine(system="windows", machine="x86_64", native_machine="x86_64", kernel="10.0.22631", os_version="10.0.22631")


def snapshot(
    machine: Machine = LINUX, *, version: str = "3.11.7", arch: str | None = None, foreign: bool = False, **interpreter: Any
) -> Snapshot:
    """A snapshot with just an interpreter and a machine."""
    system = interpreter.pop("system", machine.system)
    word = arch if arch is not None else machine.machine
    return Snapshot(
        date="2026-01-01",
        target=Target(prefix="/env", kind="venv", chosen_by="test", system=system, foreign=foreign),
        interpreter=Interpreter(path="/env/bin/python", version=version, machine=word or None, **interpreter),
        machine=machine,
    )


def misfits(tag: str, of: Snapshot, machine: Machine | None = None) -> tuple[Misfit, ...]:
    return explain_tag(tag, View(of, machine))


def parts(tag: str, of: Snapshot, machine: Machine | None = None) -> list[str]:
    return [m.part for m in misfits(tag, of, machine)]


# ------------------------------------------------------------------------------------------------ against real interpreters

ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from packaging.tags import sys_tags
from packaging.markers import default_environment
print(json.dumps([[str(t) for t in sys_tags()], default_environment()]))
"""


@pytest.mark.parametrize("version", sorted(interpreters()))
def test_tags_and_markers_are_what_the_interpreter_says(version: str, tmp_path: Path) -> None:
    """packaging itself, run inside the interpreter, is the judge."""
    env = venv(tmp_path / "env", python=interpreters()[version])
    folder = str(Path(packaging.__file__).parents[1])
    asked = env.run("-I", "-c", ASK, folder)
    if asked.returncode != 0 and "SyntaxError" in asked.stderr + asked.stdout:
        pytest.skip("this packaging does not run on that Python")
    if asked.returncode != 0 and version in ("3.8", "3.9"):
        pytest.skip(asked.stderr[-200:])
    tags, markers = json.loads(asked.stdout)
    seen = snapshot_of(env.prefix)
    ours = supported_tags(seen, seen.machine)
    if Version(packaging.__version__) >= Version("26.3"):
        assert [str(tag) for tag in ours] == tags
    else:
        assert {str(tag) for tag in ours} == set(tags)
    mine = marker_environment(seen, seen.machine)
    markers.pop("platform_version")
    mine.pop("platform_version")
    assert mine == {key: value for key, value in markers.items() if key in mine}
    assert set(mine) == set(markers) - {"extra", "extras", "dependency_groups"}


@pytest.mark.parametrize("version", sorted(interpreters()))
def test_markers_are_what_the_interpreter_says_also_where_packaging_does_not_run(version: str, tmp_path: Path) -> None:
    env = venv(tmp_path / "env", python=interpreters()[version])
    code = "import platform as p,sys,json,os;"
    code += "print(json.dumps([p.python_version(), p.machine(), sys.platform, os.name, p.release()]))"
    said = json.loads(env.run("-I", "-c", code).stdout)
    seen = snapshot_of(env.prefix)
    mine = marker_environment(seen, seen.machine)
    names = ("python_full_version", "platform_machine", "sys_platform", "os_name", "platform_release")
    assert [mine[name] for name in names] == said


def test_some_thousand_calls() -> None:
    of = snapshot()
    supported_tags(of, of.machine)
    assert calls(lambda: supported_tags(of, of.machine)) < 40_000


# ------------------------------------------------------------------------------------------------------------ explanations

TAGS = st.builds(
    "{}-{}-{}".format,
    st.sampled_from(["py3", "py2", "py311", "py312", "py38", "cp311", "cp310", "cp312", "cp313", "pp310", "cp3"]),
    st.sampled_from(["none", "abi3", "cp311", "cp310", "cp313", "cp313t", "cp312", "cp311d", "pypy310_pp73"]),
    st.sampled_from(
        [
            "manylinux1_x86_64",
            "manylinux2014_x86_64",
            "manylinux2014_aarch64",
            "manylinux_2_36_x86_64",
            "manylinux_2_39_x86_64",
            "manylinux_2_17_i686",
            "manylinux_2_31_armv7l",
            "musllinux_1_1_x86_64",
            "musllinux_1_2_aarch64",
            "linux_x86_64",
            "linux_aarch64",
            "linux_armv7l",
            "linux_armv8l",
            "linux_i686",
            "macosx_10_9_x86_64",
            "macosx_11_0_arm64",
            "macosx_14_0_arm64",
            "macosx_10_9_universal2",
            "macosx_11_0_universal2",
            "macosx_10_6_intel",
            "win_amd64",
            "win32",
            "win_arm64",
            "android_21_arm64_v8a",
            "ios_13_0_arm64_iphoneos",
        ]
    ),
)
PI = Machine(system="linux", machine="aarch64", native_machine="aarch64", libc="glibc 2.31", libcs=("glibc 2.31",))
ALPINE = Machine(system="linux", machine="x86_64", native_machine="x86_64", libc="musl 1.2", libcs=("musl 1.2",))
TARGETS = [
    snapshot(),
    snapshot(version="3.13.0", free_threaded=True, abi="cp313t"),
    snapshot(version="3.13.0"),
    snapshot(version="3.8.1"),
    snapshot(debug=True, abi="cp311d"),
    snapshot(arch="i686"),
    snapshot(PI),
    snapshot(PI, arch="armv7l"),
    snapshot(ALPINE),
    snapshot(MAC),
    snapshot(MAC, arch="x86_64"),
    snapshot(WINDOWS),
    snapshot(WINDOWS, arch="i686"),
    snapshot(implementation="pypy", abi="pypy310_pp73", version="3.10.14"),
]


@given(TAGS, st.sampled_from(TARGETS))
def test_a_tag_is_supported_exactly_when_nothing_is_to_explain(tag: str, of: Snapshot) -> None:
    supported = Tag(*tag.split("-")) in supported_tags(of, of.machine)
    found = explain_tag(tag, View(of))
    if supported:
        assert not found
    elif not found:
        python, _, platform = tag.split("-")
        # wider than installers by intent: a macOS minor version, an untagged major version, an ABI on py3
        assert platform.startswith("macosx") or python == "cp3" or python.startswith("py")


@given(st.text(max_size=60), st.sampled_from(TARGETS))
def test_any_text_is_explained_without_an_error(text: str, of: Snapshot) -> None:
    explain(text, profile(of, of.machine))


@pytest.mark.parametrize(
    ("tag", "part", "words"),
    [
        ("cp310-cp310-manylinux_2_17_x86_64", ["python"], "is for CPython 3.10, this is CPython 3.11"),
        ("cp312-abi3-manylinux_2_17_x86_64", ["python"], "is for CPython 3.12 or later"),
        ("cp311-cp311d-linux_x86_64", ["abi"], "debug build"),
        ("pp310-pypy310_pp73-manylinux_2_17_x86_64", ["python"], "is for PyPy 3.10"),
        ("cp313-cp313t-manylinux_2_17_x86_64", ["python"], "free-threaded CPython 3.13"),
        ("py2-none-any", ["python"], "is for Python 2"),
        ("cp311-cp311-manylinux2014_aarch64", ["platform"], "is for Linux aarch64, this is Linux x86_64"),
        ("cp311-cp311-win_amd64", ["platform"], "is for Windows x86_64, this is Linux x86_64"),
        ("cp311-cp311-macosx_11_0_arm64", ["platform"], "is for macOS arm64, this is Linux x86_64"),
        ("cp311-cp311-manylinux_2_39_x86_64", ["glibc"], "needs glibc 2.39, this machine has glibc 2.36"),
        ("cp311-cp311-musllinux_1_2_x86_64", ["musl"], "is for musl, this Python uses glibc 2.36"),
        ("cp310-cp310-macosx_11_0_arm64", ["python", "platform"], ""),
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", [], ""),
        ("py2.py3-none-any", [], ""),
        ("cp36-abi3-manylinux1_x86_64", [], ""),
        ("cp311-cp311-linux_x86_64", [], ""),
        ("nonsense", [], ""),
    ],
)
def test_what_fails_is_named(tag: str, part: list[str], words: str) -> None:
    found = misfits(tag, snapshot())
    assert [m.part for m in found] == part
    assert words in " ".join(m.reason for m in found)


def test_free_threaded_and_gil_builds_do_not_mix() -> None:
    gil, free = snapshot(version="3.13.1"), snapshot(version="3.13.1", free_threaded=True, abi="cp313t")
    assert parts("cp313-cp313t-manylinux_2_17_x86_64", gil) == ["abi"]
    assert parts("cp313-cp313-manylinux_2_17_x86_64", free) == ["abi"]
    assert parts("cp39-abi3-manylinux_2_17_x86_64", free) == ["abi"]
    assert parts("cp313-cp313t-manylinux_2_17_x86_64", free) == []
    assert parts("py3-none-any", free) == []


def test_python_2_of_either_width() -> None:
    """cp27m and cp27mu differ by the width of characters, which no file tells."""
    of = snapshot(version="2.7.18", abi="cp27m")
    assert parts("cp27-cp27mu-manylinux1_x86_64", of) == parts("cp27-cp27m-manylinux1_x86_64", of) == []
    assert parts("cp36-cp36m-manylinux1_x86_64", of) == ["python"]


def test_debug_builds_take_release_wheels() -> None:
    of = snapshot(debug=True, abi="cp311d")
    assert parts("cp311-cp311-linux_x86_64", of) == []
    assert parts("cp311-cp311d-linux_x86_64", of) == []


def test_macos_versions_and_rosetta() -> None:
    native, rosetta = snapshot(MAC), snapshot(MAC, arch="x86_64")
    assert parts("cp311-cp311-macosx_11_0_arm64", native) == []
    assert parts("cp311-cp311-macosx_11_0_arm64", rosetta) == ["platform"]
    assert parts("cp311-cp311-macosx_10_9_x86_64", rosetta) == []
    assert parts("cp311-cp311-macosx_10_9_universal2", native) == []
    assert parts("cp311-cp311-macosx_14_0_arm64", native) == ["macOS version"]
    assert misfits("cp311-cp311-macosx_14_0_arm64", native)[0].os_version
    assert parts("cp311-cp311-macosx_11_1_arm64", native) == []  # conda's own builds
    assert parts("cp311-cp311-macosx_10_6_intel", rosetta) == []


def test_32_bit_python_on_64_bit() -> None:
    of = snapshot(arch="i686")
    assert parts("cp311-cp311-manylinux_2_17_i686", of) == []
    assert parts("cp311-cp311-manylinux_2_17_x86_64", of) == ["platform"]
    assert marker_environment(of, of.machine)["platform_machine"] == "x86_64"
    pi = snapshot(PI, arch="armv7l")
    assert parts("cp311-cp311-linux_armv7l", pi) == []
    assert parts("cp311-cp311-manylinux_2_31_armv7l", pi) == []
    assert parts("cp311-cp311-manylinux_2_17_aarch64", pi) == ["platform"]
    windows = snapshot(WINDOWS, arch="i686")
    assert parts("cp311-cp311-win32", windows) == []
    assert parts("cp311-cp311-win_amd64", windows) == ["platform"]
    assert marker_environment(windows, WINDOWS)["platform_machine"] == "AMD64"
    assert marker_environment(windows, WINDOWS)["platform_release"] == "11"


def test_musl_python_on_musl_and_on_glibc() -> None:
    alpine = snapshot(ALPINE)
    assert parts("cp311-cp311-musllinux_1_1_x86_64", alpine) == []
    assert parts("cp311-cp311-musllinux_1_4_x86_64", alpine) == ["musl"]
    assert parts("cp311-cp311-manylinux_2_17_x86_64", alpine) == ["glibc"]
    binary = NativeFile(path="/env/bin/python", format="elf", slices=(Slice(machine="x86_64", bits=64, libc="musl"),))
    both = Machine(system="linux", machine="x86_64", libc="glibc 2.36", libcs=("glibc 2.36", "musl 1.1"))
    of = snapshot(both, binary=binary)
    assert parts("cp311-cp311-musllinux_1_1_x86_64", of) == []
    assert parts("cp311-cp311-musllinux_1_2_x86_64", of) == ["musl"]


def test_of_a_foreign_target_only_system_and_architecture_are_judged() -> None:
    of = snapshot(LINUX, foreign=True, system="macos", arch="arm64")
    assert parts("cp311-cp311-macosx_14_0_arm64", of) == []
    assert parts("cp311-cp311-macosx_10_9_x86_64", of) == ["platform"]
    assert parts("cp311-cp311-manylinux_2_17_x86_64", of) == ["platform"]
    assert Tag("cp311", "cp311", "macosx_26_0_arm64") in supported_tags(of, of.machine)
    markers = marker_environment(of, of.machine)
    assert markers["sys_platform"] == "darwin"
    assert markers["platform_machine"] == "arm64"
    assert markers["platform_release"] == ""
    root = snapshot(LINUX, foreign=True, arch="aarch64")
    assert parts("cp311-cp311-manylinux_2_39_aarch64", root) == []
    assert parts("cp311-cp311-manylinux_2_17_x86_64", root) == ["platform"]
    unknown = snapshot(LINUX, foreign=True, system="windows", arch="")
    assert parts("cp311-cp311-win_arm64", unknown) == []
    assert parts("cp311-cp311-linux_x86_64", unknown) == ["platform"]


def test_judged_for_another_machine() -> None:
    of = snapshot(LINUX, foreign=True, system="macos", arch="arm64")
    assert parts("cp311-cp311-macosx_14_0_arm64", of, MAC) == ["macOS version"]
    old = Machine(system="linux", machine="x86_64", libc="glibc 2.17", libcs=("glibc 2.17",))
    assert parts("cp311-cp311-manylinux_2_28_x86_64", snapshot(), old) == ["glibc"]


def test_unknown_facts_are_not_judged() -> None:
    nothing = Snapshot(
        date="2026-01-01",
        target=Target(prefix="/e", kind="venv", chosen_by="test"),
        interpreter=Interpreter(path="/e/bin/python"),
        machine=LINUX,
    )
    assert supported_tags(nothing, LINUX) == {}
    assert parts("cp39-cp39-manylinux_2_17_x86_64", nothing) == []
    assert marker_environment(nothing, LINUX)["python_version"] == ""
    short = snapshot(version="3.10")
    assert marker_environment(short, LINUX)["python_full_version"] == "3.10.0"


def test_pypy() -> None:
    of = snapshot(implementation="pypy", abi="pypy310_pp73", version="3.10.14")
    assert parts("pp310-pypy310_pp73-manylinux_2_17_x86_64", of) == []
    assert parts("cp310-cp310-manylinux_2_17_x86_64", of) == ["python"]
    assert parts("pp39-pypy39_pp73-manylinux_2_17_x86_64", of) == ["python"]
    markers = marker_environment(of, LINUX)
    assert markers["platform_python_implementation"] == "PyPy"
    assert markers["implementation_version"] == "7.3.0"


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        ("x86_64", "x86_64", True),
        ("x86_64", "aarch64", False),
        ("arm64e", "arm64", True),
        ("arm64", "arm64e", False),
        ("x86_64", "x86_64h", True),
        ("x86_64", "i686", False),
        ("armv6l", "armv7l", True),
        ("x86_64", "arm64ec", True),
        ("arm64", "arm64x", True),
    ],
)
def test_what_loads_into_what(one: str, other: str, fits: bool) -> None:
    assert loads(one, other) is fits


def test_every_platform_tag_fits_its_own_target() -> None:
    for of in TARGETS:
        found = profile(of, of.machine)
        for platform in platform_tags(found):
            assert not explain(f"py3-none-{platform}", found), (platform, found)


def test_import_is_light() -> None:
    """packaging is imported only when tags are listed."""
    code = "import sys, envdoctor.platforms; sys.exit('packaging' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[1]).returncode == 0
