"""The six formats of Python's installers: facts of real locks, and what is no lock is told with its place."""

from __future__ import annotations

import random
import re
from pathlib import Path

import msgspec
import pytest

from envdoctor.lock import formats, fresh
from envdoctor.lock.formats import format_of
from envdoctor.lock.model import Format, Lock, Locked, LockError
from tests.effort import calls, ends
from tests.lock.projects import FIXTURES

FILES: dict[Format, Path] = {
    "uv": FIXTURES / "uv" / "uv.lock",
    "pylock": FIXTURES / "compiled" / "pylock.toml",
    "poetry": FIXTURES / "poetry" / "poetry.lock",
    "pdm": FIXTURES / "pdm" / "pdm.lock",
    "pipfile": FIXTURES / "pipenv" / "Pipfile.lock",
    "requirements": FIXTURES / "compiled" / "requirements.txt",
}


def read(text: str | bytes, name: str) -> Lock:
    data = text.encode() if isinstance(text, str) else text
    kind = format_of(name, data, named=True)
    assert kind is not None
    return formats.read(data, name, kind)


def fixture(kind: Format) -> Lock:
    return read(FILES[kind].read_bytes(), FILES[kind].name)


def entry(lock: Lock, name: str, version: str | None = None) -> Locked:
    return next(one for one in lock.packages if one.name == name and version in (None, one.version))


def fails(text: str | bytes, name: str) -> LockError:
    with pytest.raises(LockError) as caught:
        read(text, name)
    assert "\n" not in str(caught.value)
    return caught.value


# ------------------------------------------------------------------------------------------------------------------ facts
def test_uv() -> None:
    lock = fixture("uv")
    assert (lock.version, lock.created_by, lock.requires_python) == ("1 revision 5", "uv", ">=3.10, <3.14")
    assert lock.projects == ("member-x", "my-demo")
    assert (lock.groups, lock.default_groups, lock.extras) == (
        ("", "dev", "typing"),
        ("", "dev"),
        ("cpu", "e", "fast-mode", "gpu"),
    )
    assert lock.indexes == ("https://index.example/simple",)
    click = entry(lock, "click")
    assert (click.version, click.source) == ("8.5.0", "https://index.example/simple")
    assert [artifact.kind for artifact in click.artifacts] == ["wheel", "sdist"]
    wheel = click.artifacts[0]
    assert wheel.name == "click-8.5.0-py3-none-any.whl"
    assert wheel.url is not None and wheel.url.startswith("https://files.index.example/")
    assert wheel.hashes[0][0] == "sha256" and len(wheel.hashes[0][1]) == 64 and wheel.size is not None
    assert click.line == FILES["uv"].read_text().split("\n").index('name = "click"')
    root = entry(lock, "my-demo")
    assert root.virtual and root.source == "." and not root.artifacts
    member = entry(lock, "member-x")
    assert (member.artifacts[0].kind, member.artifacts[0].path, member.artifacts[0].editable) == ("directory", "packages/m", True)
    asked = {(wish.name, wish.spec, wish.marker, wish.group) for wish in lock.wishes if wish.project == "my-demo"}
    assert ("sniffio", "==1.3.0", "extra == 'cpu'", None) in asked
    assert ("typing-extensions", ">=4", None, "dev") in asked
    cpu = next(root for root in lock.roots if root.extra == "cpu")
    assert (cpu.needs[0].name, cpu.needs[0].version) == ("sniffio", "1.3.0")


def test_uv_sources_without_an_index() -> None:
    lock = read(
        """version = 1
requires-python = ">=3.10"

[[package]]
name = "a"
version = "1"
source = { git = "https://me:secret@code.example/a?rev=v1#0123456789012345678901234567890123456789" }

[[package]]
name = "b"
version = "1"
source = { url = "https://files.example/b-1.tar.gz?token=x" }
sdist = { hash = "sha256:AB" }

[[package]]
name = "c"
source = { path = "c-1-py3-none-any.whl" }
wheels = [{ filename = "c-1-py3-none-any.whl", hash = "sha256:cd" }]

[[package]]
name = "root"
source = { editable = "." }
dependencies = [{ name = "a", extra = ["x"] }]
""",
        "uv.lock",
    )
    git = entry(lock, "a").artifacts[0]
    assert (git.kind, git.url, git.reference, git.commit) == (
        "vcs",
        "https://code.example/a",
        "v1",
        "0123456789012345678901234567890123456789",
    )
    url = entry(lock, "b").artifacts[0]
    assert (url.kind, url.name, url.url, url.hashes) == (
        "archive",
        "b-1.tar.gz",
        "https://files.example/b-1.tar.gz",
        (("sha256", "ab"),),
    )
    file = entry(lock, "c").artifacts[0]
    assert (file.kind, file.path, entry(lock, "c").version) == ("wheel", "c-1-py3-none-any.whl", None)
    assert lock.projects == ("root",) and lock.roots[0].needs[0].extras == ("x",)
    assert "secret" not in repr(lock) and "token" not in repr(lock)


def test_pylock() -> None:
    lock = fixture("pylock")
    assert (lock.version, lock.created_by, lock.groups, lock.default_groups) == ("1.0", "uv", ("",), ("",))
    six = entry(lock, "six")
    assert six.marker == "sys_platform == 'win32'" and {a.kind for a in six.artifacts} == {"wheel", "sdist"}
    full = read(
        """lock-version = "1.0"
environments = ["sys_platform == 'linux'"]
requires-python = ">=3.9"
extras = ["Fast_Mode"]
dependency-groups = ["dev", "docs"]
default-groups = ["dev"]
created-by = "hand"

[[packages]]
name = "Attrs"
version = "25.1"
marker = "'dev' in dependency_groups"
index = "https://u:p@index.example/simple"
dependencies = [{ name = "x" }]
wheels = [{ path = "w/attrs-25.1-py3-none-any.whl", hashes = { sha256 = "AA", md5 = "bb" } }]

[[packages]]
name = "local"
directory = { path = "libs/local", editable = true }

[[packages]]
name = "repo"
vcs = { type = "git", url = "https://code.example/r", requested-revision = "main", commit-id = "0123" }

[[packages]]
name = "arc"
archive = { url = "https://files.example/arc.zip", hashes = { sha256 = "cc" } }

[[packages]]
name = "none"

[[packages]]
name = "two"
archive = { url = "https://files.example/arc.zip", hashes = { sha256 = "cc" } }
sdist = { url = "https://files.example/two-1.zip", hashes = { sha256 = "cc" } }
""",
        "pylock.dev.toml",
    )
    assert (full.environments, full.extras) == (("sys_platform == 'linux'",), ("fast-mode",))
    assert (full.groups, full.default_groups) == (("", "dev", "docs"), ("", "dev"))
    attrs = entry(full, "attrs")
    assert (attrs.source, attrs.artifacts[0].hashes) == ("https://index.example/simple", (("md5", "bb"), ("sha256", "aa")))
    assert [one.artifacts[0].kind for one in full.packages[1:4]] == ["directory", "vcs", "archive"]
    assert [problem.partition(":")[0] for problem in full.problems] == ["packages[4] (none)", "packages[5] (two)"]


def test_pylock_by_pdm() -> None:
    """The project itself is the group "default"; packages of other groups are not installed unless they are asked for."""
    made = read(
        """lock-version = "1.0"
extras = []
dependency-groups = ["default", "dev"]
default-groups = ["default"]
created-by = "pdm"
packages = []
[tool.pdm.hashes]
sha256 = "00"
""",
        "pylock.toml",
    )
    assert (made.groups, made.default_groups, made.recorded) == (
        ("default", "dev"),
        ("default",),
        (("content-hash", "sha256:00"),),
    )


def test_poetry() -> None:
    lock = fixture("poetry")
    assert (lock.version, lock.created_by, lock.requires_python) == ("2.1", "Poetry 2.5.1", ">=3.10,<3.14")
    assert (lock.groups, lock.extras) == (("", "dev", "docs"), ("x",))
    assert entry(lock, "six").marker == 'extra == "x"'
    assert entry(lock, "iniconfig").groups == ("docs",)
    assert (entry(lock, "tzlocal").needs[0].name, entry(lock, "tzlocal").needs[0].marker) == (
        "tzdata",
        'platform_system == "Windows"',
    )


def test_poetry_older_versions() -> None:
    lock = read(
        """[[package]]
name = "a"
version = "1.0"
description = ""
category = "main"
optional = false
python-versions = "^3.8"

[package.dependencies]
b = [
    {version = "^1.2", markers = "python_version < \\"3.9\\""},
    {version = ">=2", optional = true},
]

[package.extras]
fast = ["c (>=1,<2)", "d[x] ; sys_platform == \\"win32\\""]

[[package]]
name = "b"
version = "1.2"
category = "dev"
optional = false
python-versions = "*"
develop = false

[package.source]
type = "git"
url = "https://code.example/b.git"
reference = "main"
resolved_reference = "0123456789"

[metadata]
lock-version = "1.1"
python-versions = "~3.9 || ^3.11"
content-hash = "00"

[metadata.files]
a = [{file = "a-1.0-py3-none-any.whl", hash = "sha256:aa"}]
b = []
""",
        "poetry.lock",
    )
    a, b = lock.packages
    assert (a.groups, b.groups, a.requires_python, lock.requires_python) == (("",), ("dev",), ">=3.8,<4", None)
    assert [(need.spec, need.optional) for need in a.needs] == [(">=1.2,<2", False), (">=2", True)]
    assert [(need.name, need.spec, need.extras) for need in a.optional_needs[0][1]] == [("c", ">=1,<2", ()), ("d", "", ("x",))]
    assert (a.artifacts[0].name, b.artifacts[0].kind, b.artifacts[0].commit) == ("a-1.0-py3-none-any.whl", "vcs", "0123456789")


def test_pdm() -> None:
    lock = fixture("pdm")
    assert (lock.version, lock.groups, lock.requires_python) == ("4.5.0", ("", "dev", "docs", "x"), ">=3.10,<3.14")
    coverage = entry(lock, "coverage")
    assert [one.name for one in lock.packages].count("coverage") == 1
    assert (coverage.active_extras, [need.name for need in coverage.needs]) == (("toml",), ["tomli"])
    assert entry(lock, "tomli").marker == 'python_full_version <= "3.11.0a6"'


def test_pipenv() -> None:
    lock = fixture("pipfile")
    assert (lock.groups, lock.default_groups, lock.requires_python) == (("", "develop", "docs"), ("",), "==3.11.*")
    six = entry(lock, "six")
    assert (six.version, six.groups, six.source) == ("1.17.0", ("develop",), "https://index.example/simple")
    assert [(artifact.kind, artifact.name, len(artifact.hashes)) for artifact in six.artifacts] == [("archive", "", 2)]
    assert six.line is not None and '"six": {' in FILES["pipfile"].read_text().split("\n")[six.line - 1]


def test_requirements() -> None:
    lock = fixture("requirements")
    assert (lock.created_by, [one.version for one in lock.packages]) == ("uv", ["8.5.1", "1.7.0", "1.17.0"])
    assert entry(lock, "six").marker == "sys_platform == 'win32'"
    assert len(entry(lock, "click").artifacts[0].hashes) == 2
    full = read(
        """--index-url https://me:secret@index.example/simple
--extra-index-url=https://other.example/simple
--require-hashes
-r other.txt
-c cons.txt
A.B[x,Y]==1.0 --hash=sha256:AA  # c
c @ https://files.example/c-1-py3-none-any.whl#sha256=bb ; python_version > '3'
d @ git+https://code.example/d@0123456789012345678901234567890123456789
e @ git+https://code.example/e@main
-e ./f
-e git+ssh://git@code.example/g.git@main#egg=G
./h-2.0-py3-none-any.whl
https://files.example/i-3.0-cp311-cp311-win_amd64.whl \\
    --hash=sha256:cc
j>=1
""",
        "requirements.txt",
    )
    assert full.indexes == ("https://index.example/simple", "https://other.example/simple")
    assert full.includes == ("other.txt", "cons.txt")
    rows = {one.name: one for one in full.packages}
    assert (rows["a-b"].version, rows["a-b"].active_extras, rows["a-b"].line) == ("1.0", ("x", "y"), 6)
    assert (rows["c"].artifacts[0].hashes, rows["c"].marker) == ((("sha256", "bb"),), "python_version > '3'")
    assert rows["d"].artifacts[0].commit and not rows["d"].artifacts[0].reference
    assert (rows["e"].artifacts[0].commit, rows["e"].artifacts[0].reference) == (None, "main")
    assert rows[""].artifacts[0].editable and rows["g"].artifacts[0].editable
    assert (rows["h"].version, rows["i"].version, rows["i"].artifacts[0].hashes) == ("2.0", "3.0", (("sha256", "cc"),))
    assert full.problems == ("line 15: j>=1 is not pinned to one version",)
    assert "secret" not in repr(full)


def test_which_file_is_which() -> None:
    assert format_of("requirements.txt", b"a\n") is None
    assert format_of("requirements.txt", b"a==1 --hash=sha256:00\n") == "requirements"
    assert format_of("dev-requirements.txt", b"# This file is autogenerated by pip-compile\na==1\n") == "requirements"
    assert format_of("requirements-linux.txt", b"@EXPLICIT\nhttps://x.example/a-1-0.conda\n") == "explicit"
    assert format_of("notes.txt", b"--hash=sha256:") is None
    assert format_of("pylock.dev.toml", b"") == "pylock"
    assert format_of("any.lock", b'lock-version = "1.0"\n', named=True) == "pylock"
    assert format_of("notes.md", b"# x", named=True) is None


# ------------------------------------------------------------------------------------------------------------------ damage
CONFLICT = b"<<<<<<< HEAD\n"


@pytest.mark.parametrize("kind", FILES)
def test_a_merge_that_was_not_finished(kind: Format) -> None:
    data = FILES[kind].read_bytes().split(b"\n")
    data.insert(4, CONFLICT.strip())
    error = fails(b"\n".join(data), FILES[kind].name)
    assert (error.line, "merge-conflict" in str(error)) == (5, True)


@pytest.mark.parametrize(
    ("name", "text", "line", "where", "words"),
    [
        ("uv.lock", "version = 2\n", None, "version", "version 2 of uv.lock"),
        ("uv.lock", "revision = 2\n", None, "version", "no version"),
        ("uv.lock", "version = 1\n[[package]]\nname = 'x'\nversion = 3\n", None, "package[0].version", "expected text"),
        ("uv.lock", 'version = 1\n[[package]]\nname = "x', 3, "", "not TOML"),
        (
            "uv.lock",
            "version = 1\n[[package]]\nname = 'x'\nwheels = [{ hash = 'sha' }]\n",
            None,
            "package[0].wheels[0].hash",
            "algorithm",
        ),
        ("uv.lock", b"version = 1\n# \xff\n", 2, "", "not UTF-8"),
        ("pylock.toml", 'lock-version = "2.0"\npackages = []\n', None, "lock-version", "version 2.0 of pylock.toml"),
        ("pylock.toml", 'lock-version = "1.0"\n', None, "packages", "no packages"),
        ("pylock.toml", 'lock-version = "1.0"\n[[packages]]\nversion = "1"\n', None, "packages[0].name", "expected text"),
        ("poetry.lock", '[metadata]\nlock-version = "3.0"\n', None, "metadata.lock-version", "version 3.0 of poetry.lock"),
        ("poetry.lock", '[[package]]\nname = "a"\n', None, "metadata", "cut off"),
        ("pdm.lock", '[metadata]\nlock_version = "9"\n', None, "metadata.lock_version", "version 9 of pdm.lock"),
        ("Pipfile.lock", "{", 1, "", "not JSON"),
        ("Pipfile.lock", '{"_meta": {"pipfile-spec": 7}}', None, "_meta.pipfile-spec", "pipfile-spec 7"),
        ("Pipfile.lock", '{"_meta": {"pipfile-spec": 6}, "default": {"a": "==1"}}', None, "default.a", "expected a table"),
        ("requirements.txt", "a==1\n==\n", 2, "", "no requirement"),
    ],
)
def test_what_is_no_lock_says_where(name: str, text: str | bytes, line: int | None, where: str, words: str) -> None:
    error = fails(text, name)
    assert (error.line, error.where) == (line, where)
    assert words in str(error)


@pytest.mark.parametrize("kind", FILES)
def test_damaged_bytes_raise_nothing_else(kind: Format) -> None:
    chance = random.Random(kind)
    whole = FILES[kind].read_bytes()
    values = re.compile(rb'"[^"\n]*"|\[[^\]]*\]|\btrue\b|\b\d+\b')
    others = [
        b"1",
        b'"x"',
        b"[]",
        b"{}",
        b"[1]",
        b"{ a = 1 }",
        b'{"a": 1}',
        b"true",
        b'""',
        b"null",
        b'"9.*"',
        b"\xff",
        b"",
        b"\n",
        b";",
    ]
    with ends():
        for _ in range(400):
            data = whole
            for match in chance.sample(list(values.finditer(whole)), chance.choice([1, 2])):
                data = data[: match.start()] + chance.choice(others) + data[match.end() :]
            if chance.random() < 0.2:
                data = data[: chance.randrange(len(data))]
            try:
                lock = formats.read(data, FILES[kind].name, kind)
            except LockError as error:
                assert "\n" not in str(error)
            else:
                assert msgspec.json.decode(msgspec.json.encode(lock), type=Lock) == lock
                fresh.judge(lock, {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "a" * 200_000 + "==1"),
        ("requirements.txt", "a==1 " + "\\\n" * 100_000),
        ("requirements.txt", "a @ " + "x" * 100_000 + "://" + "@" * 100_000),
        ("requirements.txt", "-" + "-" * 100_000),
        ("requirements.txt", "#" * 300_000 + "\n# via" * 10_000),
        ("uv.lock", "version = 1\n" + "a." * 50_000 + "b = 1"),
        ("uv.lock", "version = 1\na = " + "[" * 100_000),
        ("uv.lock", 'version = 1\na = "' + "\\\\" * 100_000 + '"'),
        ("Pipfile.lock", "[" * 200_000),
        ("poetry.lock", '[metadata]\nlock-version = "2.1"\npython-versions = "' + "^1 " * 50_000 + '"'),
    ],
)
def test_what_is_made_to_take_long(name: str, text: str) -> None:
    with ends(30):
        try:
            read(text, name)
        except LockError:
            pass


def test_a_large_lock_is_little_work() -> None:
    """1,500 entries with ten wheels each: a few calls a wheel, and none for each character."""
    entries = []
    for number in range(1500):
        url = f"https://files.example/p{number}-1-cp3"
        wheels = [
            f'    {{ url = "{url}{minor}-cp3{minor}-win_amd64.whl", hash = "sha256:{number:064x}", size = {minor} }},\n'
            for minor in range(10)
        ]
        head = f'[[package]]\nname = "p{number}"\nversion = "1"\nsource = {{ registry = "https://index.example" }}\n'
        entries.append(f"{head}wheels = [\n{''.join(wheels)}]\n")
    data = ('version = 1\nrequires-python = ">=3.10"\n\n' + "\n".join(entries)).encode()
    lock = formats.read(data, "uv.lock", "uv")
    assert len(lock.packages) == 1500 and sum(len(one.artifacts) for one in lock.packages) == 15_000
    assert calls(lambda: formats.read(data, "uv.lock", "uv")) < 15_000 * 40


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-be", "utf-32"])
def test_requirements_as_powershell_writes_them(coding: str) -> None:
    """``pip freeze > requirements.txt`` there is UTF-16 with a byte order mark; pip reads it."""
    source = "\N{BYTE ORDER MARK}alpha==1.0\r\nbeta==2.0 --hash=sha256:" + "0" * 64 + "\r\n"
    data = source.removeprefix("\N{BYTE ORDER MARK}").encode(coding) if coding in ("utf-16", "utf-32") else source.encode(coding)
    assert formats.format_of("requirements.txt", data) == "requirements"
    assert [entry.name for entry in formats.read(data, "requirements.txt", "requirements").packages] == ["alpha", "beta"]
