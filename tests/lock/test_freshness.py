"""Fresh locks are not stale, each edit that changes requirements is, comments and layout are not.

For uv, poetry, pdm and pipenv the expected answer of every edit is the tool's own, asked once with the versions that
fixtures/locks/README.md names: ``uv lock --check``, ``poetry check --lock``, ``pdm lock --check``, ``pipenv verify``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lock.projects import edit, lock_of, project

MEMBER = "packages/m/pyproject.toml"
UV = [
    ("yes", "click >=8 ;", "click>=8;", ""),
    ("yes", "click >=8 ;", "Click >= 8.0 ;", ""),
    ("yes", "python_version >= '3.8'", "python_full_version>='3.8'", ""),
    ("yes", "python_version >= '3.8'", "python_version>='3.9'", ""),
    ("no", "python_version >= '3.8'", "python_version>='3.12'", ""),
    ("yes", '"iniconfig", "member-x"', '"member-x", "iniconfig"', ""),
    ("no", '"iniconfig"', '"iniconfig>=1"', ""),
    ("no", '"iniconfig", ', "", ""),
    ("no", '"iniconfig"', '"iniconfig", "toml"', ""),
    ("yes", "idna>=2", "idna>=2.0.0", ""),
    ("no", "idna>=2", "idna>=2,!=3.0", ""),
    ("yes", "Fast_Mode", "fast-mode", ""),
    ("no", "Fast_Mode", "faster", ""),
    ("no", 'cpu = ["sniffio==1.3.0"]', 'cpu = ["sniffio==1.3.0"]\nempty=[]', ""),
    ("yes", '">=3.10,<3.14"', '">=3.10, <3.14"  # c', ""),
    ("no", '">=3.10,<3.14"', '">=3.10"', ""),
    ("yes", '">=3.10,<3.14"', '">=3.10.0,<3.14"', ""),
    ("yes", '">=3.10,<3.14"', '">=3.10,<3.14,!=3.11.0"', ""),
    ("no", '">=3.10,<3.14"', '">=3.9,<3.14"', ""),
    ("no", '["pluggy", {include-group = "typing"}]', '["pluggy"]', ""),
    ("yes", '["pluggy", {include-group = "typing"}]', '["typing_extensions >= 4", "pluggy"]', ""),
    ("no", "typing_extensions>=4", "typing_extensions>=4.1", ""),
    ("no", 'typing = ["typing_ext', 'extra = []\ntyping = ["typing_ext', ""),
    ("no", "[tool.uv]", '[tool.uv]\ndev-dependencies=["toml"]', ""),
    ("no", 'constraint-dependencies = ["click<9"]', "", ""),
    ("yes", "click<9", "click<9.0", ""),
    ("no", "click<9", "click<10", ""),
    ("no", "override-dependencies", "build-constraint-dependencies", ""),
    ("yes", '[{extra="cpu"},{extra="gpu"}]', '[{extra="gpu"},{extra="cpu"}]', ""),
    ("no", 'conflicts = [[{extra="cpu"},{extra="gpu"}]]', "", ""),
    ("no", "[tool.uv]", '[tool.uv]\nresolution="lowest"', ""),
    ("yes", "[tool.uv]", '[tool.uv]\nresolution="highest"', ""),
    ("no", "[tool.uv]", '[tool.uv]\nprerelease="allow"', ""),
    ("no", "[tool.uv]", "[tool.uv]\nenvironments=[\"sys_platform=='linux'\"]", ""),
    ("no", "[tool.uv]", "[tool.uv]\nrequired-environments=[\"sys_platform=='linux'\"]", ""),
    ("no", "[tool.uv]", '[tool.uv]\ndefault-groups="all"', ""),
    ("yes", "[tool.uv]", '[tool.uv]\ndefault-groups=["dev"]', ""),
    ("no", "[tool.uv]", '[tool.uv]\nfork-strategy="fewest"', ""),
    ("no", 'version = "1.0"', 'version = "2.0"', ""),
    ("yes", "My_Demo", "my.demo", ""),
    ("no", "My_Demo", "other", ""),
    ("no", 'name = "member-x"', 'name = "member-y"', MEMBER),
    ("no", "sortedcontainers", "sortedcontainers>2", MEMBER),
    ("no", '">=3.9"', '">=3.11"', MEMBER),
    ("yes", '">=3.9"', '">=3.8"', MEMBER),
    ("no", 'version = "0.1"', 'version = "0.2"', MEMBER),
    ("no", 'e = ["attrs"]', "", MEMBER),
    ("no", "{workspace=true}", '{workspace=true}\nclick={git="https://code.example/pallets/click"}', ""),
    ("yes", "{workspace=true}", '{workspace=true}\nother={git="https://code.example/pallets/click"}', ""),
    ("no", '"click >=8 ;', '"click[x] >=8 ;', ""),
    ("yes", "platform_system == 'Windows'", "sys_platform == 'win32'", ""),
    ("no", "os_name=='posix' and", "os_name!='nt' and", ""),
    ("yes", "packages/*", "pack*/m", ""),
    ("no", "[tool.uv.workspace]", '[tool.uv.workspace]\nexclude=["packages/m"]', ""),
    ("yes", "[dependency-groups]", "[dependency-groups]\n# c\n", ""),
]
POETRY = [
    ("no", "click>=8", "click>=8.1"),
    ("no", '"click>=8", ', ""),
    ("no", '"click>=8"', '"click>=8", "six"'),
    ("yes", '["click>=8", "tz', '[ "click>=8",\n # c\n "tz'),
    ("yes", 'name = "demo"', 'name = "demo"  # c'),
    ("yes", 'version = "1.0"', 'version = "2.0"'),
    ("no", "^2.0", "^2.1"),
    ("no", "optional = true\n", "optional = false\n"),
    ("yes", "optional = true\n", "optional = true # x\n"),
    ("no", '"pluggy"', '"pluggy", "six"'),
    ("no", ">=3.10,<3.14", ">=3.10,<3.15"),
    ("no", 'priority = "primary"', 'priority = "supplemental"'),
    ("yes", "package-mode = false", "package-mode = false\n\n"),
    ("no", 'x = ["six>=1"]', 'x = ["six>=1"]\ny=["click"]'),
]
PDM = [
    ("no", "click>=8", "click>=8.1"),
    ("no", '"click>=8", ', ""),
    ("yes", '["click>=8", "tz', '[ "click>=8",\n "tz'),
    ("yes", 'name = "demo"', 'name = "demo"  # c'),
    ("yes", 'version = "1.0"', 'version = "2.0"'),
    ("no", "iniconfig>=2", "iniconfig>=2.1"),
    ("no", '"pluggy"', '"pluggy", "six"'),
    ("no", ">=3.10,<3.14", ">=3.10,<3.15"),
    ("no", "[tool.pdm.dev-dependencies]", "[tool.pdm.resolution]\nallow-prereleases=true\n[tool.pdm.dev-dependencies]"),
    ("yes", "[tool.pdm.dev-dependencies]", '[tool.pdm.scripts]\na="b"\n[tool.pdm.dev-dependencies]'),
]
PIPENV = [
    ("yes", 'Click = ">=8"', 'click = ">=8"'),
    ("no", 'Click = ">=8"', 'Click = ">=8.1"'),
    ("no", 'Click = ">=8"', ""),
    ("yes", 'Click = ">=8"', 'Click = ">=8" # c'),
    ("no", 'six = "*"', 'six = "*"\npluggy="*"'),
    ("no", '[docs]\niniconfig = "*"', '[docs]\niniconfig = ">1"'),
    ("no", 'python_version = "3.11"', 'python_version = "3.12"'),
    ("yes", "[requires]", '[scripts]\na="b"\n[requires]'),
    ("no", "verify_ssl = true", "verify_ssl = false"),
    ("yes", "[requires]", "[pipenv]\nallow_prereleases = true\n[requires]"),
]
COMPILED = [
    ("yes", "requirements.in", "# c\n", "\n# another\n\n"),
    ("yes", "requirements.in", "click>=8\n", "Click >= 8\n"),
    ("no", "requirements.in", "click>=8\n", "click>=99\n"),
    ("no", "requirements.in", "click>=8\n", "click>=8\nidna\n"),
    ("no", "more.in", "pluggy", "pluggy>99"),
    ("no", "more.in", "pluggy", "pluggy\nidna"),
    ("no", "cons.txt", "click<9", "click<8.5"),
    ("yes", "cons.txt", "click<9", "click<10\nother>99"),
]


@pytest.mark.parametrize(
    ("name", "lock"), [("uv", "uv.lock"), ("poetry", "poetry.lock"), ("pdm", "pdm.lock"), ("pipenv", "Pipfile.lock")]
)
def test_what_the_tool_has_just_made_is_fresh(tmp_path: Path, name: str, lock: str) -> None:
    made = lock_of(project(tmp_path, name), lock)
    assert (made.error, made.fresh, made.stale_because) == (None, "yes", ())
    assert made.freshness_by == ("requirements" if name == "uv" else "hash")


@pytest.mark.parametrize(("expected", "old", "new", "file"), UV)
def test_uv(tmp_path: Path, expected: str, old: str, new: str, file: str) -> None:
    folder = project(tmp_path, "uv")
    edit(folder, file or "pyproject.toml", old, new)
    lock = lock_of(folder, "uv.lock")
    assert lock.fresh == expected, lock.stale_because
    assert bool(lock.stale_because) == (expected == "no")


@pytest.mark.parametrize(("expected", "old", "new"), POETRY)
def test_poetry(tmp_path: Path, expected: str, old: str, new: str) -> None:
    folder = project(tmp_path, "poetry")
    edit(folder, "pyproject.toml", old, new)
    assert lock_of(folder, "poetry.lock").fresh == expected


@pytest.mark.parametrize(("expected", "old", "new"), PDM)
def test_pdm(tmp_path: Path, expected: str, old: str, new: str) -> None:
    folder = project(tmp_path, "pdm")
    edit(folder, "pyproject.toml", old, new)
    assert lock_of(folder, "pdm.lock").fresh == expected


@pytest.mark.parametrize(("expected", "old", "new"), PIPENV)
def test_pipenv(tmp_path: Path, expected: str, old: str, new: str) -> None:
    folder = project(tmp_path, "pipenv")
    edit(folder, "Pipfile", old, new)
    assert lock_of(folder, "Pipfile.lock").fresh == expected


@pytest.mark.parametrize("lock", ["requirements.txt", "pc-requirements.txt", "pylock.toml"])
@pytest.mark.parametrize(("expected", "file", "old", "new"), COMPILED)
def test_compiled(tmp_path: Path, lock: str, expected: str, file: str, old: str, new: str) -> None:
    folder = project(tmp_path, "compiled")
    assert lock_of(folder, lock).fresh == "yes"
    edit(folder, file, old, new)
    made = lock_of(folder, lock)
    assert made.fresh == expected, made.stale_because
    assert made.manifests == ("requirements.in", "more.in", "cons.txt")


@pytest.mark.parametrize("lock", ["requirements.txt", "pc-requirements.txt"])
def test_a_requirement_that_is_not_asked_for_any_more(tmp_path: Path, lock: str) -> None:
    folder = project(tmp_path, "compiled")
    edit(folder, "more.in", "pluggy\n", "")
    made = lock_of(folder, lock)
    assert (made.fresh, made.stale_because) == ("no", ("the lock has pluggy for -r more.in, which does not ask for it",))


def test_a_requirement_for_another_platform(tmp_path: Path) -> None:
    """A lock for all platforms must have it; one for the platform that it was made on need not."""
    folder = project(tmp_path, "compiled")
    edit(folder, "more.in", "pluggy\n", "pluggy\ncolorama; sys_platform == 'win32'\n")
    assert lock_of(folder, "requirements.txt").fresh == "no"
    assert lock_of(folder, "pylock.toml").fresh == "no"
    assert lock_of(folder, "pc-requirements.txt").fresh == "yes"
    edit(folder, "more.in", "sys_platform == 'win32'", "python_version < '3'")
    assert lock_of(folder, "pylock.toml").fresh == "yes"


PROJECT = """[project]
name = "demo"
requires-python = ">=3.10"
dependencies = ["alpha<2; python_version<'3.11'", "alpha>=2; python_version>='3.11'", "tomli; python_version<'3.11'", "beta<1"]
[project.optional-dependencies]
new = ["gamma>=1"]
[dependency-groups]
dev = ["delta"]
docs = ["epsilon"]
[tool.uv]
override-dependencies = ["beta>=5"]
"""
ENTRIES = {"alpha": "3.0", "beta": "6.0", "gamma": "1.0", "delta": "1.0", "epsilon": "1.0", "tomli": "2.0"}


@pytest.mark.parametrize(
    ("command", "entries", "expected"),
    [
        ("uv pip compile --universal -p 3.11 pyproject.toml -o requirements.txt", "alpha beta", "yes"),
        ("uv pip compile --universal -p 3.10 pyproject.toml -o requirements.txt", "alpha beta tomli", "no"),
        ("uv pip compile --universal -p 3.11 pyproject.toml -o requirements.txt", "beta", "no"),
        ("uv pip compile --universal pyproject.toml -o requirements.txt", "alpha beta", "yes"),
        ("uv pip compile pyproject.toml -o requirements.txt", "beta", "yes"),
        ("uv pip compile pyproject.toml -o requirements.txt", "alpha", "yes"),
        ("uv pip compile pyproject.toml --extra new -o requirements.txt", "alpha beta", "no"),
        ("uv pip compile pyproject.toml --extra=new -o requirements.txt", "alpha beta gamma", "yes"),
        ("uv pip compile pyproject.toml --all-extras --group docs -o requirements.txt", "alpha beta gamma", "no"),
        ("uv pip compile pyproject.toml --all-extras --group docs -o requirements.txt", "alpha beta gamma epsilon", "yes"),
        ("pip-compile pyproject.toml", "alpha beta", "yes"),
        ("uv export -o requirements.txt", "alpha beta tomli", "no"),
        ("uv export --no-dev -o requirements.txt", "alpha beta tomli", "no"),
        ("uv export --only-group docs -o requirements.txt", "epsilon", "yes"),
        ("uv export --only-group docs -o requirements.txt", "alpha", "no"),
        ("uv pip install pyproject.toml 'unclosed", "", "unknown"),
        ("uv pip compile - -o requirements.txt", "", "unknown"),
    ],
)
def test_what_the_command_of_a_header_says(tmp_path: Path, command: str, entries: str, expected: str) -> None:
    """The Pythons, groups and extras that a lock was made for; where they are not known, nothing is claimed of markers."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    lines = "".join(f"{name}=={ENTRIES[name]}\n" for name in entries.split())
    (tmp_path / "requirements.txt").write_text(
        f"# This file was autogenerated by uv via the following command:\n#    {command}\n{lines}"
    )
    lock = lock_of(tmp_path, "requirements.txt")
    assert lock.fresh == expected, lock.stale_because


def test_reasons_name_both_sides(tmp_path: Path) -> None:
    folder = project(tmp_path, "uv")
    edit(folder, "pyproject.toml", '"iniconfig"', '"iniconfig>=3", "toml"')
    edit(folder, MEMBER, '"sortedcontainers"', "")
    assert lock_of(folder, "uv.lock").stale_because == (
        "pyproject.toml: iniconfig>=3; the lock was made for iniconfig",
        "pyproject.toml: toml is asked for; the lock was not made for it",
        "the lock was made for sortedcontainers, which packages/m/pyproject.toml does not ask for",
    )
    other = project(tmp_path, "poetry")
    edit(other, "pyproject.toml", "click>=8", "click>=99")
    assert lock_of(other, "poetry.lock").stale_because[0] == "pyproject.toml: click>=99 is asked for; the lock has click 8.5.1"


def test_what_cannot_be_told_is_unknown(tmp_path: Path) -> None:
    """No manifest, a broken one, dependencies that the build backend fills in, a lock that does not say where it is from."""
    folder = project(tmp_path, "uv")
    edit(folder, "pyproject.toml", 'version = "1.0"', 'version = "1.0"\ndynamic = ["dependencies"]')
    assert lock_of(folder, "uv.lock").fresh == "unknown"
    (folder / "pyproject.toml").write_text("[project\n")
    assert lock_of(folder, "uv.lock").fresh == "unknown"
    (folder / "pyproject.toml").unlink()
    assert lock_of(folder, "uv.lock").fresh == "unknown"
    for name, manifest, lock in (
        ("poetry", "pyproject.toml", "poetry.lock"),
        ("pdm", "pyproject.toml", "pdm.lock"),
        ("pipenv", "Pipfile", "Pipfile.lock"),
        ("compiled", "requirements.in", "requirements.txt"),
    ):
        other = project(tmp_path, name)
        (other / manifest).unlink()
        assert lock_of(other, lock).fresh == "unknown"
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "requirements.txt").write_text("click==8 --hash=sha256:00\n")
    assert lock_of(alone, "requirements.txt").fresh == "unknown"
    (alone / "requirements.in").write_text("click\n")
    assert lock_of(alone, "requirements.txt").fresh == "yes"


def test_a_new_member_of_a_workspace(tmp_path: Path) -> None:
    folder = project(tmp_path, "uv")
    (folder / "packages" / "n").mkdir()
    (folder / "packages" / "n" / "pyproject.toml").write_text('[project]\nname = "new"\nversion = "1"\n')
    assert lock_of(folder, "uv.lock").stale_because == (
        "packages/n/pyproject.toml is of new, which the lock does not know as a member",
    )


def test_default_groups_are_those_of_the_tool(tmp_path: Path) -> None:
    assert lock_of(project(tmp_path, "uv"), "uv.lock").default_groups == ("", "dev")
    assert lock_of(project(tmp_path, "poetry"), "poetry.lock").default_groups == ("", "dev")
    pdm = lock_of(project(tmp_path, "pdm"), "pdm.lock")
    assert (pdm.default_groups, pdm.extras) == (("", "dev", "docs"), ("x",))
    assert lock_of(project(tmp_path, "pipenv"), "Pipfile.lock").default_groups == ("",)
