"""pixi.lock in all its versions, pixi.toml, and whether the one stands for the other."""

from __future__ import annotations

import pytest

from envdoctor.lock import fresh, manifests
from envdoctor.lock.formats import pixi
from envdoctor.lock.manifests import pixi as manifest
from envdoctor.lock.model import Lock, LockError

V7 = """\
version: 7
platforms:
- name: linux-64
  virtual-packages:
  - __unix=0=0
  - __glibc=2.28
  - __archspec=0=x86_64
- name: win-64
environments:
  default:
    channels:
    - url: https://repo.example/chan/
    indexes:
    - https://index.example/simple
    packages:
      linux-64:
      - conda: https://repo.example/chan/linux-64/python-3.12.4-h1_0_cpython.conda
      - conda: https://repo.example/chan/linux-64/numpy-1.26.4-py312h2_1.conda
      - conda: https://repo.example/chan/noarch/six-1.16.0-pyh3_0.tar.bz2
      - conda: https://repo.example/chan/noarch/rich-conda-13.0-pyh_0.conda
      - pypi: https://files.index.example/requests-2.32.0-py3-none-any.whl
      - pypi: https://files.index.example/idna-3.7-py3-none-any.whl
      - pypi: ./tool
      win-64:
      - conda: https://repo.example/chan/win-64/python-3.12.4-h4_0_cpython.conda
      - conda: https://repo.example/chan/win-64/numpy-1.26.4-py312h5_1.conda
      - conda: https://repo.example/chan/noarch/six-1.16.0-pyh3_0.tar.bz2
      - conda: https://repo.example/chan/noarch/rich-conda-13.0-pyh_0.conda
      - conda: https://repo.example/chan/win-64/vc-14.3-h6_0.conda
      - pypi: https://files.index.example/requests-2.32.0-py3-none-any.whl
      - pypi: https://files.index.example/idna-3.7-py3-none-any.whl
      - pypi: ./tool
  test:
    channels:
    - url: https://repo.example/chan/
    packages:
      linux-64:
      - conda: https://repo.example/chan/linux-64/python-3.12.4-h1_0_cpython.conda
packages:
- conda: https://repo.example/chan/linux-64/python-3.12.4-h1_0_cpython.conda
  sha256: 1111111111111111111111111111111111111111111111111111111111111111
  md5: 22222222222222222222222222222222
  depends:
  - __glibc >=2.17,<3.0.a0
  constrains:
  - python_abi 3.12.* *_cp312
  size: 31663253
  timestamp: 1723143721353
- conda: https://repo.example/chan/win-64/python-3.12.4-h4_0_cpython.conda
  sha256: 3333333333333333333333333333333333333333333333333333333333333333
- conda: https://repo.example/chan/linux-64/numpy-1.26.4-py312h2_1.conda
  sha256: 4444444444444444444444444444444444444444444444444444444444444444
  depends:
  - python >=3.12,<3.13.0a0
  purls:
  - pkg:pypi/numpy?source=hash-mapping
- conda: https://repo.example/chan/win-64/numpy-1.26.4-py312h5_1.conda
  sha256: 5555555555555555555555555555555555555555555555555555555555555555
  depends:
  - python >=3.12,<3.13.0a0
  - vc >=14.2,<15
- conda: https://repo.example/chan/noarch/six-1.16.0-pyh3_0.tar.bz2
  sha256: 6666666666666666666666666666666666666666666666666666666666666666
  depends:
  - python
- conda: https://repo.example/chan/noarch/rich-conda-13.0-pyh_0.conda
  sha256: 6666666666666666666666666666666666666666666666666666666666666667
  purls:
  - pkg:pypi/rich
- conda: https://repo.example/chan/win-64/vc-14.3-h6_0.conda
  sha256: 7777777777777777777777777777777777777777777777777777777777777777
- pypi: https://files.index.example/requests-2.32.0-py3-none-any.whl
  name: requests
  version: 2.32.0
  sha256: 8888888888888888888888888888888888888888888888888888888888888888
  requires_dist:
  - idna >=2.5,<4
  - pysocks!=1.5.7,>=1.5.6 ; extra == 'socks'
  requires_python: '>=3.8'
- pypi: https://files.index.example/idna-3.7-py3-none-any.whl
  name: idna
  version: '3.7'
  sha256: 9999999999999999999999999999999999999999999999999999999999999999
- pypi: ./tool
  name: tool
  version: 0.1.0
  sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  editable: true
"""
TOML = """\
[workspace]
name = "demo"
channels = ["https://repo.example/chan"]
platforms = ["linux-64", "win-64"]

[dependencies]
python = "3.12.*"
numpy = ">=1.20"
six = { version = "1.16.*", build = "pyh*" }
rich-conda = "*"

[pypi-dependencies]
requests = ">=2,<3"
tool = { path = "./tool", editable = true }

[feature.test]
platforms = ["linux-64"]
[feature.test.dependencies]
python = ">=3.9"

[environments]
test = { features = ["test"], no-default-feature = true }
"""


def read(text: str) -> Lock:
    return pixi.read(text.encode(), "pixi.lock")


def judged(lock: str, toml: str, name: str = "pixi.toml") -> Lock:
    read_ = read(lock)
    assert fresh.sources(read_, (name, "pixi.lock"), {}) == (name,)
    return fresh.judge(read_, {name: toml.encode()})


# ----------------------------------------------------------------------------------------------------------------- reading
def test_version_7() -> None:
    lock = read(V7)
    assert (lock.version, lock.groups, lock.default_groups, lock.platforms) == (
        "7",
        ("default", "test"),
        ("default",),
        ("linux-64", "win-64"),
    )
    assert lock.channels == ("https://repo.example/chan",)
    assert lock.indexes == ("https://index.example/simple",)
    entries = {(one.name, one.places): one for one in lock.packages}
    python = next(one for one in lock.packages if one.name == "python")
    assert python.places == (("default", "linux-64"), ("test", "linux-64"))
    assert (python.version, python.build, python.build_number, python.source) == ("3.12.4", "h1_0_cpython", 0, lock.channels[0])
    assert (python.needs[0].name, python.needs[0].spec, python.constrains) == (
        "__glibc",
        ">=2.17,<3.0.a0",
        ("python_abi 3.12.* *_cp312",),
    )
    assert python.artifacts[0].hashes == (("md5", "2" * 32), ("sha256", "1" * 64))
    assert (python.artifacts[0].size, python.line) == (31663253, V7[: V7.index("packages:\n- conda")].count("\n") + 2)
    six = entries[("six", (("default", "linux-64"), ("default", "win-64")))]
    assert (six.version, six.artifacts[0].kind) == ("1.16.0", "conda")
    assert next(one for one in lock.packages if one.name == "numpy").provides == ("numpy",)
    requests = next(one for one in lock.packages if one.name == "requests")
    assert [(need.name, need.spec, need.marker) for need in requests.needs] == [
        ("idna", ">=2.5,<4", None),
        ("pysocks", "!=1.5.7,>=1.5.6", "extra == 'socks'"),
    ]
    tool = next(one for one in lock.packages if one.name == "tool")
    assert (tool.artifacts[0].kind, tool.artifacts[0].path, tool.artifacts[0].editable) == ("directory", "./tool", True)
    assert {(one.name, one.version, one.build, one.assumed) for one in lock.virtual_packages} == {
        ("__unix", "0", "0", False),
        ("__glibc", "2.28", "0", False),
        ("__archspec", "0", "x86_64", False),
    }


@pytest.mark.parametrize("version", ["4", "5"])
def test_versions_4_and_5(version: str) -> None:
    lock = read(f"""\
version: {version}
environments:
  default:
    channels:
    - url: https://repo.example/t/tk-secret/chan/
    packages:
      linux-64:
      - conda: https://repo.example/chan/noarch/tzdata-2024a-h0_0.conda
      - pypi: https://files.index.example/colorama-0.4.6-py2.py3-none-any.whl
        extras:
        - Some_Extra
      - pypi: git+https://git.example/o/flask@b90a4f1f4a370e92054b9cc9db0efcb864f87ebe
      - pypi: ./minimal_project
      - pypi: direct+https://files.example/click-8.1.7-py3-none-any.whl
packages:
- kind: conda
  name: tzdata
  version: 2024a
  build: h0_0
  subdir: noarch
  noarch: generic
  url: https://repo.example/chan/noarch/tzdata-2024a-h0_0.conda
  sha256: {"1" * 64}
- kind: pypi
  name: colorama
  version: 0.4.6
  url: https://files.index.example/colorama-0.4.6-py2.py3-none-any.whl
- kind: pypi
  name: flask
  version: 3.0.2
  url: git+https://git.example/o/flask@b90a4f1f4a370e92054b9cc9db0efcb864f87ebe
- kind: pypi
  name: minimal-project
  version: '0.1'
  path: ./minimal_project
  editable: true
- kind: pypi
  name: click
  version: 8.1.7
  url: direct+https://files.example/click-8.1.7-py3-none-any.whl
""")
    found = {one.name: one for one in lock.packages}
    assert lock.channels == ("https://repo.example/chan",)
    assert (found["tzdata"].version, found["tzdata"].build) == ("2024a", "h0_0")
    assert found["colorama"].active_extras == ("some-extra",)
    vcs = found["flask"].artifacts[0]
    assert (vcs.kind, vcs.url, vcs.commit) == (
        "vcs",
        "git+https://git.example/o/flask",
        "b90a4f1f4a370e92054b9cc9db0efcb864f87ebe",
    )
    assert (found["minimal-project"].artifacts[0].kind, found["minimal-project"].artifacts[0].editable) == ("directory", True)
    assert found["click"].artifacts[0].url == "https://files.example/click-8.1.7-py3-none-any.whl"
    assert all(one.places == (("default", "linux-64"),) for one in lock.packages)


def test_packages_from_source() -> None:
    """Version 6 tells packages of one folder apart by their variants, version 7 has an identifier."""
    six = read("""\
version: 6
environments:
  default:
    channels: []
    packages:
      linux-64:
      - conda: mono
        name: core
        variants:
          python: "3.12"
      win-64:
      - conda: mono
        name: core
        variants:
          python: "3.11"
packages:
- conda: mono
  name: core
  version: 1.0.0
  build: a_0
  subdir: noarch
  variants:
    python: "3.12"
- conda: mono
  name: core
  version: 2.0.0
  build: b_0
  subdir: noarch
  variants:
    python: "3.11"
""")
    assert [(one.version, one.places, one.artifacts[0].kind) for one in six.packages] == [
        ("1.0.0", (("default", "linux-64"),), "directory"),
        ("2.0.0", (("default", "win-64"),), "directory"),
    ]
    seven = read("""\
version: 7
platforms:
  - name: linux-64
environments:
  default:
    channels: []
    packages:
      linux-64:
        - conda_source: "tagged[8a76ea86] @ tagged"
        - conda_source: "partial[abcd1234] @ ../partial"
packages:
  - conda_source: "tagged[8a76ea86] @ tagged"
    version: 1.2.0
    build: h_0
    subdir: noarch
    source:
      git: https://user:word@git.example/p.git
      tag: v1.2.0
      rev: def456789012345
  - conda_source: "partial[abcd1234] @ ../partial"
    depends:
      - python >=3.10
    extra_depends:
      tests:
        - pytest
""")
    tagged, partial = seven.packages
    assert (tagged.name, tagged.artifacts[0].url, tagged.artifacts[0].reference) == (
        "tagged",
        "git+https://git.example/p.git",
        "v1.2.0",
    )
    assert (partial.name, partial.version, partial.artifacts[0].path) == ("partial", None, "../partial")
    assert [(extra, [need.name for need in needs]) for extra, needs in partial.optional_needs] == [("tests", ["pytest"])]


def test_platforms_with_names_of_their_own() -> None:
    lock = read("""\
version: 7
platforms:
- name: gpu
  subdir: linux-64
  virtual-packages:
  - __cuda=12.0
- name: linux-64
environments:
  default:
    channels: []
    packages:
      gpu:
      - conda: https://repo.example/chan/noarch/a-1-0.conda
      linux-64:
      - conda: https://repo.example/chan/noarch/b-1-0.conda
packages:
- conda: https://repo.example/chan/noarch/a-1-0.conda
- conda: https://repo.example/chan/noarch/b-1-0.conda
""")
    assert {one.name: one.places for one in lock.packages} == {"a": (("default", "gpu"),), "b": (("default", "linux-64"),)}
    assert lock.platforms[0] == "linux-64"


def line(text: str, of: str) -> int:
    """The line on which `of` begins in `text`."""
    return text[: text.index(of)].count("\n") + 1


TOOL = "- pypi: ./tool\n  name: tool"
BROKEN = {
    "empty": ("", None, "no version"),
    "text": ("just text", None, "no version"),
    "no packages": ("version: 6\nenvironments:\n  default:\n    channels: []\n", 5, "cut off"),
    "an old version": ("version: 3\nmetadata: {}\n", 1, "version '3'"),
    "a newer version": (V7.replace("version: 7", "version: 99"), 1, "version '99'"),
    "a selector of nothing": (V7.replace("- pypi: ./tool\n  name", "- pypi: ./other\n  name"), None, "stands for no package"),
    "a package of nothing": (
        V7.replace("- pypi: ./tool\n  name: tool", "- name: tool"),
        line(V7, "- pypi: ./tool\n  name"),
        "neither conda nor pypi",
    ),
    "a conflict": (
        V7.replace("- pypi: ./tool\n  name", "<<<<<<< HEAD\n- pypi: ./tool\n  name"),
        line(V7, "- pypi: ./tool\n  name"),
        "merge-conflict",
    ),
    "cut in the middle": (V7[: V7.index("'>=3.8'")] + "'>=3.", line(V7, "'>=3.8'"), "not YAML"),
    "cut between packages": (V7[: V7.index("- pypi: ./tool\n  name")], line(V7, "- pypi: ./tool\n      win-64"), "cut off"),
    "no name": (V7.replace("  name: idna\n", ""), line(V7, "  name: idna") - 1, "name is missing"),
    "no platform": (V7.replace("- name: win-64", "- name: win-99"), None, "no platform"),
}


@pytest.mark.parametrize(("text", "place", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_says_where(text: str, place: int | None, message: str) -> None:
    with pytest.raises(LockError) as error:
        read(text)
    assert message in str(error.value)
    if place is not None:
        assert error.value.line == place


# -------------------------------------------------------------------------------------------------------------- pixi.toml
def test_the_manifest() -> None:
    found = manifests.read(TOML.encode(), "pixi.toml", "pixi")
    assert (found.name, found.channels, found.platforms) == ("demo", ("https://repo.example/chan",), ("linux-64", "win-64"))
    assert found.groups == ("default", "test")
    wishes = {(wish.name, wish.manager, wish.group): wish for wish in found.wishes}
    six = wishes[("six", "conda", None)]
    assert (six.spec, six.line) == ("1.16.* pyh*", 9)
    assert wishes[("tool", "pypi", None)].source == "./tool"
    assert wishes[("python", "conda", "test")].spec == ">=3.9"


def test_targets_environments_and_channels_by_priority() -> None:
    text = """\
[project]
channels = ["a", { channel = "b", priority = 2 }]
platforms = ["linux-64", "osx-arm64", { name = "gpu", platform = "linux-64", cuda = "12" }]
[target.unix.dependencies]
x = "1"
[target.gpu.pypi-dependencies]
y = { git = "https://git.example/y", rev = "abc", extras = ["Z_z"] }
[feature.f]
channels = [{ channel = "c", priority = 1 }]
platforms = ["osx-arm64"]
host-dependencies = { z = "*" }
[environments]
one = ["f"]
two = { features = ["f"], no-default-feature = true }
"""
    found = manifest.workspace(_toml(text), text)
    environments = {one.name: one for one in found.environments}
    assert environments["default"].channels == ("b", "a")
    assert environments["one"].channels == ("b", "c", "a")
    assert environments["two"].channels == ("c",)
    assert environments["one"].platforms == ("osx-arm64",)
    wishes = {wish.name: wish for feature in found.features for wish in feature.wishes}
    assert {"linux-64", "osx-arm64"} <= set(wishes["x"].platforms) and "win-64" not in wishes["x"].platforms
    assert (wishes["y"].platforms, wishes["y"].source, wishes["y"].extras) == (
        ("linux-64",),
        "git+https://git.example/y@abc",
        ("z-z",),
    )


def _toml(text: str) -> dict[str, object]:
    from envdoctor.lock import document

    return document.toml(text)


# --------------------------------------------------------------------------------------------------------------- freshness
FRESH = {
    "as it was": TOML,
    "a target that says something else": TOML.replace('numpy = ">=1.20"', 'numpy = ">=2"')
    + '\n[target.linux-64.dependencies]\nnumpy = "1.*"\n[target.linux.dependencies]\nnumpy = ">=3"\n'
    + '[target.win.dependencies]\nnumpy = { version = "*", build = "py312*" }\n',
    "comments and order": TOML.replace(
        'python = "3.12.*"\nnumpy = ">=1.20"', '# both\nnumpy = ">=1.20"\npython = "3.12.*"  # this'
    ),
    "layout": TOML.replace('[dependencies]\npython = "3.12.*"', '[dependencies]\n"python"={version="3.12.*"}'),
    "still met": TOML.replace(">=1.20", ">=1.21,<2"),
    "another host of the channel's name": TOML.replace('"https://repo.example/chan"', '"chan"'),
    "the channel with a slash": TOML.replace('"https://repo.example/chan"', '"https://repo.example/chan/"'),
    "project for workspace": TOML.replace("[workspace]", "[project]"),
    "tasks": TOML + '\n[tasks]\nrun = "python -m demo"\n[activation]\nscripts = ["x.sh"]\n',
    "for another system": TOML + '\n[target.osx.dependencies]\nlibcxx = "*"\n',
    "a wish that conda brings": TOML.replace("[pypi-dependencies]\n", '[pypi-dependencies]\nrich = "*"\n'),
    "a marker that does not hold": TOML.replace(
        "[pypi-dependencies]\n", '[pypi-dependencies]\nappnope = { version = "*", env-markers = "sys_platform == \'darwin\'" }\n'
    ),
}
STALE = {
    "a new requirement": (
        TOML.replace("[pypi", 'scipy = "*"\n\n[pypi'),
        'pixi.toml:12: scipy = "*" is not locked (linux-64, win-64)',
    ),
    "a version": (TOML.replace("3.12.*", "3.13.*"), 'pixi.toml:7: python = "3.13.*"; python 3.12.4 is locked (linux-64, win-64)'),
    "an exact version": (TOML.replace('">=1.20"', '"1.26"'), "numpy 1.26.4 is locked"),
    "a build": (TOML.replace("pyh*", "py_*"), "six 1.16.0 is locked"),
    "a channel of a package": (
        TOML.replace('numpy = ">=1.20"', 'numpy = { version = ">=1.20", channel = "other" }'),
        "numpy 1.26.4 is locked",
    ),
    "gone": (
        TOML.replace('six = { version = "1.16.*", build = "pyh*" }\n', ""),
        "six is locked, and nothing asks for it any more",
    ),
    "a pypi requirement": (
        TOML.replace("[pypi-dependencies]\n", '[pypi-dependencies]\nflask = "*"\n'),
        'flask = "*" is not locked',
    ),
    "a pypi version": (TOML.replace(">=2,<3", ">=3"), "requests 2.32.0 is locked"),
    "from an index, not from here": (
        TOML.replace('{ path = "./tool", editable = true }', '"*"'),
        "tool 0.1.0 of ./tool is locked",
    ),
    "from a repository": (
        TOML.replace('requests = ">=2,<3"', 'requests = { git = "https://git.example/r" }'),
        "requests 2.32.0 of https://files.index.example",
    ),
    "a channel more": (TOML.replace('/chan"]', '/chan", "other"]'), "channels are https://repo.example/chan, other"),
    "another host": (TOML.replace("repo.example", "mirror.example"), "channels are https://mirror.example/chan"),
    "a platform less": (TOML.replace(', "win-64"]', "]"), "win-64 is no platform of environment default any more"),
    "the widest target does not count": (
        TOML + '\n[target.unix.dependencies]\nnumpy = ">=2"\n',
        "numpy 1.26.4 is locked (linux-64)",
    ),
    "a platform of an environment": (
        TOML.replace('platforms = ["linux-64"]', 'platforms = ["win-64"]'),
        "linux-64 is no platform of",
    ),
    "a target": (TOML + '\n[target.win.dependencies]\nvs = "*"\n', 'vs = "*" is not locked (win-64)'),
    "an environment more": (TOML + 'more = ["test"]\n', "environment more is not locked"),
    "an environment less": (TOML[: TOML.index("[environments]")], "has no environment test any more"),
    "in a feature": (TOML.replace('python = ">=3.9"', 'python = ">=3.13"'), "python 3.12.4 is locked (test, linux-64)"),
    "the default feature": (TOML.replace(", no-default-feature = true", ""), "is not locked (test, linux-64)"),
}


@pytest.mark.parametrize("text", FRESH.values(), ids=FRESH.keys())
def test_fresh(text: str) -> None:
    lock = judged(V7, text)
    assert (lock.fresh, lock.stale_because, lock.freshness_by) == ("yes", (), "requirements")


@pytest.mark.parametrize(("text", "reason"), STALE.values(), ids=STALE.keys())
def test_stale(text: str, reason: str) -> None:
    lock = judged(V7, text)
    assert lock.fresh == "no"
    assert any(reason in one for one in lock.stale_because), lock.stale_because


def test_what_has_to_be_built_is_unknown() -> None:
    text = TOML.replace('rich-conda = "*"\n', 'rich-conda = { path = "./rich" }\n')
    assert judged(V7, text).fresh == "unknown"
    assert judged(V7, TOML + "\n[dev]\nx = { path = 'x' }\n").fresh == "unknown"
    assert judged(V7, "no = toml =").fresh == "unknown"


def test_options_of_the_solve() -> None:
    newer = V7.replace("    indexes:\n", "    options:\n      exclude-newer: '2025-04-15T12:15:00+00:00'\n    indexes:\n", 1)
    dated = TOML.replace('name = "demo"', 'exclude-newer = "2025-04-15"')
    assert judged(newer, dated).fresh == "yes"
    assert judged(newer, dated.replace("2025-04", "2025-06")).fresh == "no"
    assert judged(newer, TOML).fresh == "unknown"  # pixi's own configuration can say so
    priority = V7.replace("    indexes:\n", "    options:\n      channel-priority: disabled\n    indexes:\n", 1)
    assert judged(priority, TOML.replace('name = "demo"', 'channel-priority = "disabled"')).fresh == "yes"
    assert judged(priority, TOML).fresh == "no"


PYPROJECT = """\
[project]
name = "tool"
requires-python = ">=3.11"
dependencies = ["requests >=2"]
[project.optional-dependencies]
plot = ["matplotlib"]
[dependency-groups]
test = [{ include-group = "base" }]
base = []
[tool.pixi.workspace]
channels = ["https://repo.example/chan"]
platforms = ["linux-64", "win-64"]
[tool.pixi.dependencies]
numpy = "*"
six = "*"
rich-conda = "*"
[tool.pixi.pypi-dependencies]
tool = { path = ".", editable = true }
[tool.pixi.environments]
test = { features = ["test"], no-default-feature = true }
"""


def test_pyproject() -> None:
    lock = V7.replace("./tool", "./").replace(
        "\n      - conda: https://repo.example/chan/linux-64/python-3.12.4-h1_0_cpython.conda\npackages:", " []\npackages:"
    )
    assert judged(lock, PYPROJECT, "pyproject.toml").fresh == "yes"
    for old, new, reason in (
        (">=3.11", ">=3.13", "python 3.12.4 is locked"),
        ("requests >=2", "requests >=3", "requests 2.32.0 is locked"),
        ("base = []", 'base = ["pytest"]', "pytest is not locked (test, linux-64, test, win-64)"),
        ('"requests >=2"', "", "requests is locked, and nothing asks for it any more"),
    ):
        found = judged(lock, PYPROJECT.replace(old, new), "pyproject.toml")
        assert found.fresh == "no"
        assert any(reason in one for one in found.stale_because), found.stale_because
    assert judged(lock, "[project]\nname='x'\n", "pyproject.toml").fresh == "unknown"


# ------------------------------------------------------------------------------------------- what pixi says of its own examples
def small(rows: str, packages: str, *, head: str = "version: 7\nplatforms:\n- name: linux-64\n") -> str:
    return f"{head}environments:\n{rows}packages:\n{packages}"


ONE = "- conda: https://repo.example/chan/linux-64/foobar-0.1.0-h2_0.conda\n  sha256: 90\n"
ROW = """\
  {}:
    channels:
    - url: https://repo.example/chan/
    packages:
      {}:
      - conda: https://repo.example/chan/linux-64/foobar-0.1.0-h2_0.conda
"""
WORKSPACE = '[workspace]\nchannels = ["chan"]\nplatforms = ["linux-64"]\n'


def test_an_exact_version_needs_no_operator() -> None:
    lock = small(ROW.format("default", "linux-64"), ONE)
    assert judged(lock, WORKSPACE + '[dependencies]\nfoobar = "0.1.0"\n').fresh == "yes"
    assert judged(lock, WORKSPACE + '[dependencies]\nfoobar = "0.1"\n').fresh == "yes"  # 0.1 is 0.1.0
    assert judged(lock, WORKSPACE + '[dependencies]\nfoobar = "0.1.1"\n').fresh == "no"


def test_an_environment_that_is_gone() -> None:
    lock = small(ROW.format("default", "linux-64") + ROW.format("removed", "linux-64"), ONE, head="version: 6\n")
    assert judged(lock, WORKSPACE + '[dependencies]\nfoobar = "0.1.0"\n').fresh == "no"


def test_virtual_packages_of_a_platform() -> None:
    head = "version: 7\nplatforms:\n- name: extra\n  subdir: linux-64\n  virtual-packages:\n  - __cuda=12.0\n  - __glibc=2.28\n"
    lock = small(ROW.format("default", "extra"), ONE, head=head)
    text = '[workspace]\nchannels = ["chan"]\nplatforms = [{}]\n[dependencies]\nfoobar = "*"\n'
    for platform, fresh_ in (
        ('{ name = "extra", platform = "linux-64", cuda = "12.0" }', "yes"),
        ('{ name = "extra", subdir = "linux-64", virtual-packages = ["__glibc=2.28", "__cuda=12.0"] }', "yes"),
        ('{ name = "extra", platform = "linux-64", cuda = "11.0" }', "no"),
        ('{ name = "extra", subdir = "linux-64", virtual-packages = ["__osx=12"] }', "no"),
    ):
        assert judged(lock, text.replace("{}", platform)).fresh == fresh_


def test_extras_of_conda_packages() -> None:
    rows = ROW.format("default", "linux-64").replace("packages:\n      linux-64:\n", "packages: {}\n").split("      - ")[0]
    packages = ""
    for extra in ("foo", "bar"):
        row = ROW.format(f"env-{extra}", "linux-64").replace("linux-64/foobar-0.1.0-h2_0", f"noarch/dep-{extra}-1.0.0-0")
        rows += row + "      - conda: https://repo.example/chan/noarch/my-package-1.0.0-0.conda\n"
        packages += f"- conda: https://repo.example/chan/noarch/dep-{extra}-1.0.0-0.conda\n"
    packages += "- conda: https://repo.example/chan/noarch/my-package-1.0.0-0.conda\n"
    packages += "  extra_depends:\n    bar:\n    - dep-bar\n    foo:\n    - dep-foo\n"
    text = WORKSPACE + "".join(
        f'[feature.{extra}.dependencies]\nmy-package = {{ version = "*", extras = ["{extra}"] }}\n' for extra in ("foo", "bar")
    )
    text += '[environments]\nenv-bar = { features = ["bar"], solve-group = "s" }\n'
    text += 'env-foo = { features = ["foo"], solve-group = "s" }\n'
    assert judged(small(rows, packages), text).stale_because == ()
    assert judged(small(rows, packages), text.replace('["foo"] }', '["none"] }', 1)).fresh == "no"


def test_an_index_of_one_package() -> None:
    packages = ONE + (
        "- pypi: https://files.example/my_dep-1.0.0-py3-none-any.whl\n  name: my-dep\n  version: 1.0.0\n"
        "  index: https://index.example/simple\n"
    )
    rows = ROW.format("default", "linux-64") + "      - pypi: https://files.example/my_dep-1.0.0-py3-none-any.whl\n"
    text = WORKSPACE + '[dependencies]\nfoobar = "*"\n[pypi-dependencies]\nmy-dep = { version = "==1.0.0", index = "%s" }\n'
    assert judged(small(rows, packages), text % "https://index.example/simple").fresh == "yes"
    assert judged(small(rows, packages), text % "https://custom.example/simple").fresh == "no"


def test_overrides_loosen_requirements() -> None:
    packages = ONE + "- pypi: https://files.example/my_dep-1.0.0-py3-none-any.whl\n  name: my-dep\n  version: 1.0.0\n"
    rows = ROW.format("default", "linux-64") + "      - pypi: https://files.example/my_dep-1.0.0-py3-none-any.whl\n"
    text = WORKSPACE + '[dependencies]\nfoobar = "*"\n[pypi-dependencies]\nmy-dep = ">=2"\n'
    assert judged(small(rows, packages), text).fresh == "no"
    assert judged(small(rows, packages), text + '[pypi-options.dependency-overrides]\nmy-dep = "*"\n').fresh == "yes"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ('git = "https://git.example/o/r"', "yes"),
        ('git = "https://git.example/o/r.git", branch = "feature/x"', "yes"),
        ('git = "https://git.example/o/r.git", branch = "main"', "no"),
        ('git = "ssh://git@git.example/o/r.git", rev = "0106aced"', "yes"),
        ('git = "https://git.example/o/r.git", rev = "deadbeef"', "no"),
        ('git = "https://git.example/o/other"', "no"),
        ('path = "./r"', "no"),
        ('version = "*"', "no"),
    ],
)
def test_repositories(asked: str, expected: str) -> None:
    url = "git+https://git.example/o/r.git?branch=feature%2Fx#0106aced5faa299e6ede89d1230bd6784f2c3660"
    rows = ROW.format("default", "linux-64") + f"      - pypi: {url}\n"
    packages = ONE + f"- pypi: {url}\n  name: r\n  version: 1.0.0\n"
    text = WORKSPACE + f'[dependencies]\nfoobar = "*"\n[pypi-dependencies]\nr = {{ {asked} }}\n'
    assert judged(small(rows, packages), text).fresh == expected


def test_channels_that_are_folders() -> None:
    lock = small(
        ROW.format("default", "linux-64").replace("- url: https://repo.example/chan/", "- url: file:///work/output/"), ONE
    )
    for channel in ("./output", "file:///work/output"):
        text = WORKSPACE.replace('"chan"', f'"{channel}"') + '[dependencies]\nfoobar = "*"\n'
        assert judged(lock, text).fresh == "yes"
    assert judged(lock, WORKSPACE + '[dependencies]\nfoobar = "*"\n').fresh == "no"
