"""What a lock installs: real locks of every Python format by groups, extras, platform, Python; which wheel is taken.

The uv cases were compared with ``uv export`` of the same lock for every choice here, four Pythons and three platforms.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from packaging.tags import Tag

from envdoctor.lock import formats
from envdoctor.lock.model import Artifact, Format, Lock, Locked, Need, Root
from envdoctor.lock.select import Fit, best, fits, holds, installed_by
from tests.lock.projects import lock_of, project
from tests.lock.test_python_formats import FILES

LINUX = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.7",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6.1",
    "platform_system": "Linux",
    "platform_version": "#1",
    "python_full_version": "3.11.7",
    "python_version": "3.11",
    "sys_platform": "linux",
}
WINDOWS = {**LINUX, "os_name": "nt", "sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64"}
NEWER = {**LINUX, "python_version": "3.12", "python_full_version": "3.12.1"}


def lock(kind: Format) -> Lock:
    return formats.read(FILES[kind].read_bytes(), FILES[kind].name, kind)


def names(found: tuple[Locked, ...]) -> set[str]:
    return {f"{one.name} {one.version}" if one.name == "sniffio" else one.name for one in found}


MAIN = {"click", "iniconfig", "six", "sortedcontainers"}


@pytest.mark.parametrize(
    ("environment", "groups", "extras", "expected"),
    [
        (LINUX, None, (), {*MAIN, "pluggy", "typing-extensions"}),
        (NEWER, None, (), {*MAIN, "pluggy", "typing-extensions"} - {"six"}),
        (WINDOWS, ("",), (), MAIN),
        (LINUX, ("",), ("cpu",), {*MAIN, "sniffio 1.3.0"}),
        (LINUX, ("",), ("gpu",), {*MAIN, "sniffio 1.3.1"}),
        (LINUX, ("",), ("Fast_Mode",), {*MAIN, "packaging"}),
        (WINDOWS, ("",), ("fast-mode",), {*MAIN, "packaging", "idna"}),
        (LINUX, ("typing",), (), {"typing-extensions"}),
        (LINUX, (), (), set()),
    ],
)
def test_uv(environment: dict[str, str], groups: tuple[str, ...] | None, extras: tuple[str, ...], expected: set[str]) -> None:
    assert names(installed_by(lock("uv"), environment, groups=groups, extras=extras)) == expected


def test_uv_extras_that_exclude_each_other() -> None:
    """Both chosen is what either installs; a marker that holds only where both are is no reason to install anything."""
    made = lock("uv")
    found = installed_by(made, LINUX, groups=("",), extras=("cpu", "gpu"))
    assert names(found) == {*MAIN, "sniffio 1.3.0", "sniffio 1.3.1"}
    edge = Need(
        name="idna", marker="sys_platform == 'win32' or (extra == 'extra-7-my-demo-cpu' and extra == 'extra-7-my-demo-gpu')"
    )
    roots = (*made.roots, Root(project="my-demo", needs=(edge,)))
    forked = msgspec.structs.replace(made, roots=roots)
    assert names(installed_by(forked, LINUX, groups=("",), extras=("cpu", "gpu"))) == names(found)
    assert "idna" in names(installed_by(forked, WINDOWS, groups=("",)))
    broken = msgspec.structs.replace(forked, recorded=(("conflicts", "[[[{"),))
    assert "idna" in names(installed_by(broken, LINUX, groups=("",), extras=("cpu", "gpu")))


def test_uv_members_of_a_workspace() -> None:
    found = installed_by(lock("uv"), LINUX, groups=("",), extras=("e",), projects=("member-x",))
    assert names(found) == {"sortedcontainers", "attrs"}


@pytest.mark.parametrize(
    ("kind", "environment", "groups", "extras", "expected"),
    [
        ("poetry", LINUX, ("",), (), {"click"}),
        ("poetry", WINDOWS, ("",), (), {"click", "tzlocal", "tzdata", "colorama"}),
        ("poetry", LINUX, ("", "dev"), ("x",), {"click", "pluggy", "six"}),
        ("poetry", LINUX, ("docs",), (), {"iniconfig"}),
        ("pdm", LINUX, ("",), (), {"click"}),
        ("pdm", LINUX, ("", "docs"), ("x",), {"click", "iniconfig", "six", "coverage"}),
        (
            "pdm",
            {**LINUX, "python_version": "3.10", "python_full_version": "3.10.1"},
            ("",),
            ("x",),
            {"click", "six", "coverage", "tomli"},
        ),
        ("pipfile", LINUX, None, (), {"click"}),
        ("pipfile", LINUX, ("", "develop", "docs"), (), {"click", "six", "iniconfig"}),
        ("requirements", LINUX, None, (), {"click", "pluggy"}),
        ("requirements", WINDOWS, None, (), {"click", "pluggy", "six"}),
        ("pylock", WINDOWS, None, (), {"click", "pluggy", "six"}),
    ],
)
def test_lists(
    kind: Format, environment: dict[str, str], groups: tuple[str, ...] | None, extras: tuple[str, ...], expected: set[str]
) -> None:
    assert names(installed_by(lock(kind), environment, groups=groups, extras=extras)) == expected - (
        {"colorama"} if kind == "poetry" else set()
    )


@pytest.mark.parametrize("lock_version", ["1.1", "2.0"])
def test_poetry_before_groups_were_in_the_lock(tmp_path: Path, lock_version: str) -> None:
    """The groups are in pyproject.toml, and what they reach is installed."""
    folder = project(tmp_path, "poetry")
    (folder / "pyproject.toml").write_text(
        """[tool.poetry]
name = "x"
version = "1"
[tool.poetry.dependencies]
python = "^3.8"
a = "^1"
opt = {version = "*", optional = true}
[tool.poetry.extras]
fast = ["opt"]
[tool.poetry.group.test.dependencies]
t = "*"
"""
    )
    packages = "".join(
        f'[[package]]\nname = "{name}"\nversion = "1.0"\noptional = {optional}\npython-versions = "*"\nfiles = []\n{more}\n'
        for name, optional, more in (
            (
                "a",
                "false",
                '[package.dependencies]\nb = {version = "*", extras = ["x"]}\nnot = {version = "*", optional = true}\n',
            ),
            ("b", "false", '[package.extras]\nx = ["bx"]\n'),
            ("bx", "false", ""),
            ("not", "true", ""),
            ("opt", "true", ""),
            ("t", "false", ""),
        )
    )
    (folder / "poetry.lock").write_text(
        f'{packages}[metadata]\nlock-version = "{lock_version}"\npython-versions = "^3.8"\ncontent-hash = "00"\n'
    )
    made = lock_of(folder, "poetry.lock")
    assert (made.groups, made.extras, made.default_groups) == (("", "test"), ("fast",), ("", "test"))
    assert names(installed_by(made, LINUX)) == {"a", "b", "bx", "t"}
    assert names(installed_by(made, LINUX, groups=("",), extras=("fast",))) == {"a", "b", "bx", "opt"}


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        (None, True),
        ("sys_platform == 'linux'", True),
        ("'x' in extras", True),
        ("'y' in extras", False),
        ("'y' not in extras and 'dev' in dependency_groups", True),
        ('"Dev" in dependency_groups', True),
        ("extra == 'x'", True),
        ("extra != 'x'", False),
        ("'y' == extra or python_version < '3'", False),
        ("extra == 'extra-4-demo-x'", False),
        ("nonsense ==", False),
        ("platform_node == 'x'", False),
        ("(" * 5000, False),
        ("x" * 30_000, False),
    ],
)
def test_markers(marker: str | None, expected: bool) -> None:
    assert holds(marker, LINUX, groups=("dev",), extras=("X",)) is expected


def test_places() -> None:
    made = Lock(
        path="x",
        format="conda-lock",
        default_groups=("main",),
        packages=(
            Locked(name="a", places=(("main", "linux-64"), ("main", "win-64"))),
            Locked(name="b", places=(("dev", "linux-64"),)),
        ),
    )
    assert names(installed_by(made, LINUX, platform="linux-64")) == {"a"}
    assert names(installed_by(made, LINUX, platform="linux-64", groups=("main", "dev"))) == {"a", "b"}
    assert names(installed_by(made, LINUX, platform="osx-arm64")) == set()


def test_a_graph_that_goes_in_circles_and_one_with_gaps() -> None:
    made = Lock(
        path="uv.lock",
        format="uv",
        roots=(Root(needs=(Need(name="a", extras=("x",)), Need(name="gone"))),),
        packages=(
            Locked(name="a", needs=(Need(name="b"),), optional_needs=(("x", (Need(name="a", extras=("x",)),)),)),
            Locked(name="b", needs=(Need(name="a"),)),
            Locked(name="c", version="1", marker="sys_platform == 'linux'"),
        ),
    )
    assert names(installed_by(made, LINUX)) == {"a", "b"}


def test_which_wheel_is_taken() -> None:
    tags = {
        tag: rank
        for rank, tag in enumerate(
            [Tag("cp311", "cp311", "linux_x86_64"), Tag("cp311", "abi3", "any"), Tag("py3", "none", "any")]
        )
    }

    def wheel(name: str) -> Artifact:
        return Artifact(kind="wheel", name=name)

    native, universal = wheel("a-1-cp310.cp311-cp311-linux_x86_64.whl"), wheel("a-1-py2.py3-none-any.whl")
    other, sdist = wheel("a-1-cp311-cp311-win_amd64.whl"), Artifact(kind="sdist", name="a-1.tar.gz")
    fit = Fit(tags)
    assert [fit.fits(one) for one in (native, universal, other, sdist)] == [True, True, False, True]
    assert fits(universal, tags) and not fits(other, list(tags))
    assert best([sdist, universal, other, native], tags) is native
    assert best([other, sdist], fit) is sdist
    assert best([other], fit) is None
    first, second = wheel("a-1-2-py3-none-any.whl"), wheel("a-1-10b-py3-none-any.whl")
    assert best([first, second, universal], fit) is second
    assert not fit.fits(wheel("nonsense.whl")) and fit.fits(Artifact(kind="archive"))
