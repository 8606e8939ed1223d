"""Settings: which file counts, what may stand in it, and what is said about what may not."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from envdoctor import config
from envdoctor.select import UsageError

BOTH = pytest.mark.parametrize("name", ["pyproject.toml", "envdoctor.toml"])


def write(folder: Path, text: str, name: str = "pyproject.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if name == "envdoctor.toml":
        text = text.replace("[tool.envdoctor]\n", "").replace("tool.envdoctor.", "")
    (folder / name).write_text(text)
    return folder


@BOTH
def test_every_setting(tmp_path: Path, name: str) -> None:
    folder = write(
        tmp_path,
        """[tool.envdoctor]
select = ["PKG", "ARC002"]
ignore = "PKG005"
extend-select = []
fail-on = "warning"
format = "json"
deep = true
no-cache = true
no-color = false
baseline = "b.json"
machine = "/m.json"
lock = ["uv.lock"]
quiet = false
verbose = true
[[tool.envdoctor.ignores]]
code = "pkg001"
subject = "beta-lib"
reason = "not used"
expires = 2027-01-31
[[tool.envdoctor.ignores]]
code = "PKG002"
reason = "two\\nlines"
expires = "2027-02-01"
""",
        name,
    )
    made = config.load(str(folder), None)
    assert made.source == str(folder / name)
    assert (made.select, made.ignore, made.extend_select) == (("PKG", "ARC002"), ("PKG005",), ())
    assert (made.fail_on, made.format, made.deep, made.no_cache, made.no_color) == ("warning", ("json",), True, True, False)
    assert (made.baseline, made.machine, made.lock) == (str(folder / "b.json"), "/m.json", (str(folder / "uv.lock"),))
    one, other = made.ignores
    assert (one.code, one.subject, one.reason, one.expires) == ("PKG001", "beta-lib", "not used", date(2027, 1, 31))
    assert (other.subject, other.reason, other.expires) == (None, "two lines", date(2027, 2, 1))


def test_underscores_are_dashes(tmp_path: Path) -> None:
    assert config.load(str(write(tmp_path, '[tool.envdoctor]\nfail_on = "info"\n')), None).fail_on == "info"
    with pytest.raises(UsageError, match="given twice"):
        config.load(str(write(tmp_path, '[tool.envdoctor]\nfail_on = "info"\nfail-on = "info"\n')), None)


def test_own_file_wins_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, '[tool.envdoctor]\nselect = ["ARC"]\n')
    write(tmp_path, 'select = ["PKG"]\n', "envdoctor.toml")
    made = config.load(str(tmp_path), None)
    assert made.select == ("PKG",)
    assert "pyproject.toml" in made.notes[0]
    write(tmp_path, "[project]\nname='x'\n")
    assert config.load(str(tmp_path), None).notes == ()
    write(tmp_path, "[[[ broken")
    assert config.load(str(tmp_path), None).select == ("PKG",)


def test_nothing_there(tmp_path: Path) -> None:
    assert config.load(str(tmp_path), None) == config.Settings()
    assert config.load(None, None) == config.Settings()
    assert config.load(str(write(tmp_path, "[tool.other]\nx=1\n")), None) == config.Settings()


@BOTH
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("selct = []", ["selct", "unknown key"]),
        ("select = 1", ["select", "expected a list", "number 1"]),
        ("select = [1]", ["select", "item 1"]),
        ('fail-on = "loud"', ["fail-on", "error, warning, info, never", "loud"]),
        ("fail-on = 3", ["fail-on"]),
        ('deep = "yes"', ["deep", "true or false"]),
        ("baseline = []", ["baseline", "expected text"]),
        ('output = "/etc/passwd"', ["output", "not a setting"]),
        ('write-baseline = "x"', ["write-baseline", "not a setting"]),
        ('format = "json=/etc/passwd"', ["format", "not a setting"]),
        ("ignores = 1", ["ignores", "array of tables"]),
        ("ignores = [1]", ["ignores[1]", "expected a table"]),
        ('ignores = [{code = "PKG001"}]', ["ignores[1]", "no reason"]),
        ('ignores = [{code = "PKG001", reason = "  "}]', ["ignores[1]", "no reason"]),
        ('ignores = [{reason = "x"}]', ["ignores[1]", "no code"]),
        ('ignores = [{code = "PKG", reason = "x"}]', ["ignores[1].code", "unknown code"]),
        ('ignores = [{code = "NOPE99", reason = "x"}]', ["ignores[1].code", "NOPE99"]),
        ('ignores = [{code = "PKG001", reason = "x", expires = "soon"}]', ["ignores[1].expires", "soon"]),
        ('ignores = [{code = "PKG001", reason = "x", why = "y"}]', ["ignores[1].why", "unknown key"]),
        ('"\\u001b[31m" = 1', ["unknown key"]),
        ("select = [", ["no TOML"]),
        ("select = []\nselect = []", ["no TOML", "line"]),
        ("a = " + "[" * 5000, ["no TOML"]),
    ],
)
def test_errors_say_file_and_where(tmp_path: Path, name: str, text: str, words: list[str]) -> None:
    folder = write(tmp_path, f"[tool.envdoctor]\n{text}\n", name)
    with pytest.raises(UsageError) as caught:
        config.load(str(folder), None)
    message = str(caught.value)
    assert message.startswith(str(folder / name))
    for word in words:
        assert word in message, message
    assert message.isprintable()


def test_a_misspelled_key_is_recognized(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        config.load(str(write(tmp_path, "[tool.envdoctor]\nslect = []\n")), None)
    assert caught.value.hint == "did you mean select?"


def test_a_table_in_the_own_file(tmp_path: Path) -> None:
    write(tmp_path, "[tool.envdoctor]\nselect = []\n", "x")
    (tmp_path / "x").rename(tmp_path / "envdoctor.toml")
    with pytest.raises(UsageError) as caught:
        config.load(str(tmp_path), None)
    assert "top level" in str(caught.value.hint)


def test_unreadable_files(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        config.load(str(tmp_path), None)
    (tmp_path / "pyproject.toml").unlink()
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(UsageError, match="not a regular file"):
        config.load(str(tmp_path), None)
    os.mkfifo(tmp_path / "envdoctor.toml")
    with pytest.raises(UsageError, match="not a regular file"):
        config.load(str(tmp_path), None)
    (tmp_path / "envdoctor.toml").unlink()
    (tmp_path / "envdoctor.toml").symlink_to("envdoctor.toml")
    with pytest.raises(UsageError, match="loop"):
        config.load(str(tmp_path), None)


def test_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xef\xbb\xbf[tool.envdoctor]\r\nselect = ['PKG']\r\n")
    assert config.load(str(tmp_path), None).select == ("PKG",)


def test_search_goes_up_to_the_repository_root(tmp_path: Path) -> None:
    repository = tmp_path / "repo"
    inner = repository / "a" / "b"
    inner.mkdir(parents=True)
    (repository / ".git").mkdir()
    write(tmp_path, '[tool.envdoctor]\nselect = ["OUTSIDE"]\n')
    assert config.load(None, str(inner)) == config.Settings()
    assert config.find_project(str(inner)) is None
    write(repository, '[tool.envdoctor]\nselect = ["PKG"]\n')
    assert config.load(None, str(inner)).select == ("PKG",)
    assert config.find_project(str(inner)) == str(repository)
    write(repository / "a", "[project]\nname = 'x'\n")
    assert config.load(None, str(inner)).select == ("PKG",), "a manifest without settings does not end the search"
    assert config.find_project(str(inner)) == str(repository / "a")
    write(repository / "a", 'select = ["ARC"]\n', "envdoctor.toml")
    assert config.load(None, str(inner)).select == ("ARC",)
    assert config.load(str(repository), str(inner)).select == ("PKG",), "--project names the only folder"


def test_outside_of_a_repository_only_the_working_directory_counts(tmp_path: Path) -> None:
    inner = tmp_path / "x"
    inner.mkdir()
    write(tmp_path, '[tool.envdoctor]\nselect = ["PKG"]\n')
    assert config.load(None, str(inner)) == config.Settings()
    assert config.find_project(str(inner)) is None
    assert config.find_project(str(tmp_path)) == str(tmp_path)
    assert config.find_project(None) is None


def test_project_folder(tmp_path: Path) -> None:
    assert config.project_folder(str(tmp_path)) == str(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        config.project_folder(str(tmp_path / "nowhere"))


def test_the_page_on_settings_names_every_key() -> None:
    page = (Path(__file__).parent.parent / "docs" / "settings.md").read_text()
    for key in config.KEYS:
        assert key in page, key
