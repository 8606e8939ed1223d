"""Manifests of Python projects: what they ask for, under which names, groups and markers; what is wrong in them."""

from __future__ import annotations

import random

import msgspec
import pytest

from envdoctor.lock import manifests
from envdoctor.lock.manifests.poetry_specs import pep440
from envdoctor.lock.markers import BUT_NOT, same, same_pythons, same_versions
from envdoctor.lock.model import LockError, Manifest
from tests.effort import ends


def read(text: str | bytes, name: str = "pyproject.toml") -> Manifest:
    kind = manifests.format_of(name)
    assert kind is not None
    return manifests.read(text.encode() if isinstance(text, str) else text, name, kind)


def rows(manifest: Manifest) -> list[tuple[str, str, str | None, str | None, str | None]]:
    return [(wish.name, wish.spec, wish.marker, wish.group, wish.extra) for wish in manifest.wishes]


def test_standard_metadata_and_groups() -> None:
    found = read(
        """[project]
name = "My.Demo"
requires-python = ">=3.10"
dynamic = ["version"]
dependencies = [
  "Click[Fast_X] >= 8 ; python_version > '3'",  # c
  "d @ https://u:p@files.example/d-1.tar.gz",
  "no such thing",
]
[project.optional-dependencies]
Fast_Mode = ["six"]
[dependency-groups]
Test_All = ["pytest", {include-group = "lint"}]
lint = ["ruff==1"]
loop = [{include-group = "loop"}, {include-group = "gone"}, 3]
[tool.uv]
dev-dependencies = ["dev1"]
default-groups = ["lint"]
[tool.uv.sources]
six = { git = "https://code.example/six", tag = "1" }
"""
    )
    assert (found.name, found.requires_python, found.dynamic, found.tools) == ("my-demo", ">=3.10", ("version",), ("uv",))
    assert rows(found) == [
        ("click", ">= 8", "python_version > '3'", None, None),
        ("d", "", None, None, None),
        ("six", "", None, None, "fast-mode"),
        ("pytest", "", None, "test-all", None),
        ("ruff", "==1", None, "test-all", None),
        ("ruff", "==1", None, "lint", None),
        ("dev1", "", None, "dev", None),
    ]
    assert (found.wishes[0].extras, found.wishes[0].line) == (("fast-x",), 6)
    assert (found.wishes[1].source, found.wishes[2].source) == (
        "https://files.example/d-1.tar.gz",
        "git:https://code.example/six tag=1",
    )
    assert "u:p" not in repr(found)
    assert (found.groups, found.default_groups, found.extras) == (
        ("test-all", "lint", "loop", "dev"),
        ("", "lint"),
        ("fast-mode",),
    )
    assert {problem.partition(": ")[0] for problem in found.problems} == {
        "dependency-groups.loop",
        "dependency-groups.loop[2]",
        "project.dependencies[2]",
    }


def test_poetry() -> None:
    found = read(
        """[tool.poetry]
name = "demo"
[tool.poetry.dependencies]
python = "^3.9"
a = "^1.2.3"
b = [{version = "~2.0", python = "<3.10"}, {version = ">=3", platform = "linux"}]
c = {version = "*", optional = true, extras = ["x"]}
d = {git = "https://code.example/d", rev = "1"}
[tool.poetry.extras]
all = ["c"]
[tool.poetry.dev-dependencies]
e = "1.0"
[tool.poetry.group.docs]
optional = true
[tool.poetry.group.docs.dependencies]
f = "*"
"""
    )
    assert (found.name, found.requires_python) == ("demo", ">=3.9,<4")
    assert rows(found) == [
        ("a", ">=1.2.3,<2", None, None, None),
        ("b", ">=2.0,<2.1", "python_version < '3.10'", None, None),
        ("b", ">=3", "sys_platform == 'linux'", None, None),
        ("c", "", None, None, "all"),
        ("d", "", None, None, None),
        ("e", "==1.0", None, "dev", None),
        ("f", "", None, "docs", None),
    ]
    assert (found.groups, found.default_groups, found.extras) == (("dev", "docs"), ("", "dev"), ("all",))


def test_pdm_and_pixi() -> None:
    found = read('[project]\nname = "x"\n[tool.pdm.dev-dependencies]\nTest = ["a>1", "-e file:///x#egg=y"]\n')
    assert (rows(found), found.default_groups) == ([("a", ">1", None, "test", None)], ("", "test"))
    found = read(
        '[tool.pixi.workspace]\nname = "p"\nchannels = ["conda-forge"]\nplatforms = ["linux-64"]\n'
        '[tool.pixi.dependencies]\nnumpy = ">=2"\n'
    )
    assert (found.channels, found.platforms) == (("conda-forge",), ("linux-64",))
    assert [(wish.name, wish.manager) for wish in found.wishes] == [("numpy", "conda")]


def test_pipfile() -> None:
    found = read(
        """[packages]
A_b = {version = ">=1", extras = ["x"], os_name = "== 'nt'"}
c = {git = "https://code.example/c"}
[dev-packages]
d = "*"
[docs]
e = "==1"
[requires]
python_full_version = "3.11.2"
""",
        "Pipfile",
    )
    assert found.requires_python == "==3.11.2"
    assert rows(found) == [
        ("a-b", ">=1", "os_name == 'nt'", None, None),
        ("c", "", None, None, None),
        ("d", "", None, "develop", None),
        ("e", "==1", None, "docs", None),
    ]


def test_requirements_and_what_they_take_in() -> None:
    from envdoctor.lock.manifests.requirements_in import includes
    from envdoctor.lock.manifests.requirements_in import read as read_in

    data = b"-r sub/more.in\n-c cons.txt\n--index-url https://x.example\na>=1 ; os_name == 'nt'  # c\n-e ./local\n"
    data += b"./w/b-1-py3-none-any.whl\n== x\n"
    assert includes(data, "requirements.in") == ("sub/more.in", "cons.txt")
    files = {"sub/more.in": b"c\n-r ../requirements.in\n-r third.in\n", "sub/third.in": b"d\n"}
    found = read_in(data, "requirements.in", files)
    assert [(wish.name, wish.line) for wish in found.wishes] == [("c", 1), ("d", 1), ("a", 4), ("b", 6)]
    assert found.problems == ("line 7: no requirement: '== x'",)


def test_setup() -> None:
    found = read(
        "[metadata]\nname = A_b\n[options]\npython_requires = >=3.8\ninstall_requires =\n  a>=1\n  b; os_name=='nt'\n"
        "[options.extras_require]\nX = c\n",
        "setup.cfg",
    )
    assert (found.name, found.requires_python, found.extras) == ("a-b", ">=3.8", ("x",))
    assert rows(found) == [("a", ">=1", None, None, None), ("b", "", "os_name=='nt'", None, None), ("c", "", None, None, "x")]
    found = read(
        "from setuptools import setup\nsetup(name='n', install_requires=['a'], extras_require={'x': ['b']})\n", "setup.py"
    )
    assert (found.name, [wish.name for wish in found.wishes]) == ("n", ["a", "b"])
    assert read("from setuptools import setup\nsetup(install_requires=make())\n", "setup.py").dynamic == ("dependencies",)


@pytest.mark.parametrize(
    ("name", "text", "line", "where"),
    [
        ("pyproject.toml", "[project\n", 1, ""),
        ("pyproject.toml", "[project]\ndependencies = 3\n", None, "project.dependencies"),
        ("pyproject.toml", "[project]\ndependencies = [3]\n", None, "project.dependencies[0]"),
        ("pyproject.toml", "tool = 1\n", None, "tool"),
        ("pyproject.toml", "[dependency-groups]\na = 1\n", None, "dependency-groups.a"),
        ("pyproject.toml", "a = 1\n<<<<<<< HEAD\n", 2, ""),
        ("Pipfile", "packages = 1\n", None, "packages"),
        ("setup.cfg", "nothing\n", 1, ""),
        ("setup.py", "def (\n", 1, ""),
    ],
)
def test_what_is_wrong_says_where(name: str, text: str, line: int | None, where: str) -> None:
    with pytest.raises(LockError) as caught:
        read(text, name)
    assert (caught.value.line, caught.value.where) == (line, where)


def test_damaged_manifests_raise_nothing_else() -> None:
    chance = random.Random(7)
    texts = {
        "pyproject.toml": b'[project]\nname = "a"\ndependencies = ["b>=1"]\n[tool.poetry.dependencies]\na = {version = "^1"}\n'
        b'[tool.uv.sources]\na = {git = "x"}\n',
        "Pipfile": b'[packages]\na = {version = "*"}\n[requires]\npython_version = "3.11"\n',
        "requirements.in": b"a>=1 ; os_name == 'nt'\n-r x\n-e .\n",
        "setup.cfg": b"[metadata]\nname = a\n[options]\ninstall_requires = b\n",
        "setup.py": b"setup(name='a', install_requires=['b'], extras_require={'c': ['d']})\n",
    }
    others = [b"1", b'"x"', b"[]", b"{}", b"[", b"\n", b"'", b"\\ud800", b"\xff", b"=", b"", b"*", b"^"]
    with ends():
        for name, whole in texts.items():
            for _ in range(300):
                data = whole
                for _ in range(chance.choice([1, 2])):
                    place = chance.randrange(len(data) + 1)
                    data = data[:place] + chance.choice(others) + data[place + chance.choice([0, 1, 3]) :]
                try:
                    found = read(data, name)
                except LockError as error:
                    assert "\n" not in str(error)
                else:
                    assert msgspec.json.decode(msgspec.json.encode(found), type=Manifest) == found


def test_what_is_made_to_take_long() -> None:
    groups = "\n".join(
        f"g{number} = [{{include-group = 'g{number + 1}'}}, {{include-group = 'g{number + 1}'}}]" for number in range(60)
    )
    with ends(30):
        read(f"[dependency-groups]\n{groups}\ng60 = ['a']\n")


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", ">=0,<1"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1", ">=1,<2"),
        ("~=1.2", "~=1.2"),
        ("1.2.*", "==1.2.*"),
        ("*", ""),
        ("", ""),
        (">= 1.0, < 2", ">=1.0,<2"),
        (">=1.0 <2", ">=1.0,<2"),
        ("^1.0b2", ">=1.0b2,<2"),
        ("1.0 || 2.0", None),
        ("=1.0", "==1.0"),
    ],
)
def test_poetry_constraints(constraint: str, expected: str | None) -> None:
    assert pep440(constraint) == expected


@pytest.mark.parametrize(
    ("one", "other", "python", "expected"),
    [
        (None, None, None, True),
        (None, "python_version >= '3'", ">=3.8", True),
        (None, "python_version >= '3.9'", ">=3.8", False),
        ("python_version >= '3.9'", "python_full_version >= '3.9'", None, True),
        ("python_version > '3.9'", "python_full_version >= '3.10'", None, True),
        ("python_full_version > '3.9.1'", "python_full_version >= '3.9'", None, False),
        ("sys_platform == 'win32'", "platform_system == 'Windows'", None, True),
        ("sys_platform == 'win32'", "os_name == 'nt'", None, True),
        ("os_name == 'posix'", "sys_platform != 'win32'", None, False),
        ("a == 'b'", "a == 'b' ", None, True),
        ("extra == 'x'", "extra == 'y'", None, False),
        ("platform_machine == 'x' and extra == 'y'", "extra == 'y' and platform_machine == 'x'", None, True),
        (f"{BUT_NOT}sys_platform == 'linux'", "sys_platform != 'linux'", None, True),
    ],
)
def test_markers_that_say_the_same(one: str | None, other: str | None, python: str | None, expected: bool) -> None:
    assert same(one, other, python) is expected
    assert same(other, one, python) is expected


def test_versions_that_are_the_same() -> None:
    assert same_versions(">=1.0, <2", "<2,>=1")
    assert not same_versions(">=1.0", ">=1.0.1")
    assert not same_versions("~=1.0", "~=1")
    assert same_pythons([">=3.9", ">=3.10,<4"], ">=3.10, <4")
    assert not same_pythons([">=3.9"], ">=3.10")


def test_many_variables_are_compared_as_text() -> None:
    values = " or ".join(
        f"(platform_machine == 'm{n}' and platform_release == 'r{n}' and platform_version == 'v{n}')" for n in range(40)
    )
    with ends(30):
        assert same(values, values.replace("'", '"'))
        assert not same(values, f"{values} or os_name == 'nt'")
