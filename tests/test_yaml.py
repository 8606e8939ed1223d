"""The reader of conda's configuration against PyYAML and ruamel.yaml."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envdoctor.yaml import Broken, Unknown, load
from tests.effort import ends

yaml = pytest.importorskip("yaml")
ruamel = pytest.importorskip("ruamel.yaml")

REAL = [
    "channels:\n  - conda-forge\n",
    "channels:\n- conda-forge\n- bioconda\n# - defaults\nchannel_priority: strict\n",
    "channels: [conda-forge, 'bioconda', \"nodefaults\"]\n",
    "channels:\n  - conda-forge  #!top\n  - defaults\nssl_verify: true  #!final\n",
    "proxy_servers:\n  http: http://user:pass@corp.example:8080\n  https: https://corp.example:8080\n",
    "envs_dirs:\n  - ~/envs\n  - $HOME/more\npkgs_dirs: [~/pkgs,\n  /opt/pkgs]\n",
    "custom_channels:\n  pkgs/pro: https://repo.example\n  'my channel': file:///srv/c\n",
    "default_channels:\n    - https://mirror.example/main\n    - https://mirror.example/r\n\nshow_channel_urls: yes\n",
    "custom_multichannels:\n  forge:\n    - conda-forge\n    - bioconda\n  local: []\n",
    "channel_settings:\n  - channel: https://a.example/*\n    auth: token\n  - channel: b\n    auth: x\n",
    "---\nchannels:\n  - a\n",
    "# nothing\n\n",
    "{channels: [a, b], channel_priority: strict}\n",
    "create_default_packages:\n  - ipykernel >=6\n  - pip\n  - 'python <3.13'\n",
    "channels:\n  -conda-forge\n  -defaults\n",
    "channels: conda-forge\n  - defaults\n",
    "changeps1: False\r\nchannels:\r\n  - defaults\r\n",
    "env_prompt: '({name}) '\nauto_activate_base: false\n",
    "aggressive_update_packages: []\nallowlist_channels: {}\nx: ''\ny: \"a\\tb\\u00e9\"\nz: ~\n",
    "a:\n  - b: 1\n    c:\n    - d\n    - - e\n      - f\n  -\n    g: h\n",
    "\ufeffchannels:\n  - é\n",
]
BROKEN = [
    ("channels:\n\t- a\n", 2),
    ("channels:\n  - a\n - b\n", 3),
    ("channels:\n  - a\n  b: c\n", 3),
    ("channels: [a, b\nssl_verify: true\n", None),
    ("channels:\n  - 'a\nb: c\n", 2),
    ("a: b: c\n", 1),
    ("a: b\nfoo\nc: d\n", 2),
    ("a: @x\n", 1),
    ("a: - b\n", 1),
    ("a: b\n- c\n", 2),
    ('a: "b" c\n', 1),
    ("a:\n    b: 1\n  c: 2\n", 3),
    ("<<<<<<< HEAD\na: b\n", 1),
    ("a: b\n<<<<<<< HEAD\nc: d\n", 2),
    ("a: \x00\n", 1),
    ("a: 'b'\n  c: d\n", 2),
]
UNKNOWN = [
    "a: &x b\n",
    "a: *x\n",
    "a: !t b\n",
    "a: |\n  b\n",
    "a: >-\n  b\n",
    "? a\n: b\n",
    "a: b\n---\nc: d\n",
    "%YAML 1.2\n---\na: b\n",
]


def by_pyyaml(source: str) -> object:
    return yaml.load(source, yaml.BaseLoader)


def by_ruamel(source: str) -> object:
    return ruamel.YAML(typ="rt").load(io.StringIO(source))


def compare(source: str) -> str:
    """Ours against both; returns what it came to."""
    try:
        node = load(source)
    except Unknown:
        return "unknown"
    except Broken as error:
        for reader in (by_pyyaml, by_ruamel):
            with pytest.raises(Exception):  # noqa: B017 - any that a YAML library raises
                reader(source)
        assert 1 <= error.line <= source.count("\n") + source.count("\r") + 1
        return "broken"
    assert (None if node is None else node.plain) == (by_pyyaml(source) or None if node is None else by_pyyaml(source))
    doubled: list[object] = []
    stack = [node] if node else []
    while stack:
        at = stack.pop()
        doubled += at.doubled
        stack += at.value.values() if isinstance(at.value, dict) else at.value if isinstance(at.value, list) else []
    if doubled:
        with pytest.raises(ruamel.constructor.DuplicateKeyError):
            by_ruamel(source)
    elif "<<" not in source:
        by_ruamel(source)
    return "read"


@pytest.mark.parametrize("source", REAL)
def test_what_condarc_files_hold_is_read(source: str) -> None:
    assert compare(source) == "read"


@pytest.mark.parametrize(("source", "line"), BROKEN)
def test_what_is_broken_is_told_with_its_line(source: str, line: int | None) -> None:
    assert compare(source) == "broken"
    with pytest.raises(Broken) as caught:
        load(source)
    assert line is None or caught.value.line == line


@pytest.mark.parametrize("source", UNKNOWN)
def test_what_it_does_not_know_it_says(source: str) -> None:
    assert compare(source) == "unknown"


PIECES = st.sampled_from(
    [
        "channels", "ssl_verify", "a", "b", ":", ": ", " ", "  ", "    ", "- ", "-", "\n", "\n", "\n", "\n  ", "\n- ", "\n  - ",
        "[", "]", "{", "}", ", ", ",", "#", " # x", "'", '"', "conda-forge", "https://x.example/y", "true", "~", "\t", "!", "&x",
        "*", "|", ">", "?", "@", "%", "\\", "\r\n", "é", "''", "'a'", '"b"', "<<", "=", ":a", "1", "...", "---", ": [", "]\n",
    ]
)  # fmt: skip


@settings(max_examples=4000, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
@example("a: b\n\n  c\n")
@example("- - a\n  - b\n- c: d\n  e: f\n")
@example("\n\n\tchannels")
@example("a:\n\n\tb: c\n")
def test_any_text(source: str) -> None:
    compare(source)


@settings(max_examples=3000, deadline=None)
@given(st.sampled_from(REAL), st.data())
def test_damaged_files(source: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(source)))
    cut = data.draw(st.integers(0, 3))
    compare(source[:at] + data.draw(st.lists(PIECES, max_size=2).map("".join)) + source[at + cut :])


def test_most_damage_is_decided() -> None:
    """A reader that answers "unknown" to everything would pass the others."""
    counts = {"read": 0, "broken": 0, "unknown": 0}
    for source in REAL:
        for at in range(len(source)):
            counts[compare(source[:at] + source[at + 1 :])] += 1
    assert counts["unknown"] < 0.1 * sum(counts.values()), counts


@ends()
def test_hostile_sizes() -> None:
    for source in (
        "[" * 100_000,
        "a: " * 100_000,
        "- " * 100_000,
        "\n".join(["a: 'b"] * 50_000),
        "'" * 200_001,
        " " * 10**6 + "a",
    ):
        with pytest.raises((Broken, Unknown, AssertionError)):
            assert load(source) is None
