"""What conda takes for its settings: held against conda's own answers, which ``condarc_oracle.py`` has recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envdoctor.collect import condarc
from envdoctor.snapshot import CondaSetting

ANSWERS = json.loads((Path(__file__).parent / "condarc_answers.json").read_text())


def settings(file: Path, source: str, **environ: str) -> list[CondaSetting]:
    file.write_text(source)
    return list(condarc.read([condarc.Place("user", str(file))], environ, cwd=str(file.parent)).settings)


def test_as_conda_itself(tmp_path: Path) -> None:
    """Every setting, under every name, with values of every kind: refused here where conda 24.7.1 refuses it."""
    file = tmp_path / ".condarc"
    differ, asked, unread = [], 0, 0
    for source, refuses in ANSWERS:
        file.write_text(source)
        read = condarc.read([condarc.Place("user", str(file))], {}, cwd="/", variables=False)
        if read.files[0].unread:
            unread += 1
            continue
        asked += 1
        if (any(setting.refused for setting in read.settings) or read.files[0].problem is not None) is not refuses:
            differ.append(source)
    assert differ == []
    assert asked > 2000 and unread < 50, (asked, unread)
    assert sum(refuses for _, refuses in ANSWERS) > 1000


def test_only_the_strongest_scalar_counts(tmp_path: Path) -> None:
    """As in conda, which validates what files and variables come to; of lists it reads them all."""
    weak, strong = tmp_path / "a", tmp_path / "b"
    weak.write_text("offline: maybe\nsafety_checks: maybe #!final\nchannels: a\n")
    strong.write_text("offline: true\nsafety_checks: warn\nchannels: [a]\n")
    places = [condarc.Place("user", str(path)) for path in (weak, strong)]
    refused = {s.name: s.refused for s in condarc.read(places, {}).settings if s.refused}
    assert sorted(refused) == ["channels", "safety_checks"]
    assert not [s for s in condarc.read(places[1:], {}).settings if s.refused]


def test_a_later_name_beside_the_former_one(tmp_path: Path) -> None:
    """auto_activate replaced auto_activate_base in 25.5: a file for both has both."""
    file = tmp_path / ".condarc"
    assert settings(file, "auto_activate: false\nauto_activate_base: false\n")[-1].refused is None
    found = settings(file, "envs_path: [a]\nenvs_dirs: [b]\n")
    assert [s.refused for s in found][1:] == [
        "is another name of envs_path, which stands in line 1: a file can have only one of them"
    ]


@pytest.mark.parametrize(
    ("variable", "value", "fires"),
    [
        ("CONDA_ALWAYS_YES", "maybe", True),
        ("CONDA_ALWAYS_YES", "1", False),
        ("CONDA_ALWAYS_YES", "true !important", False),
        ("CONDA_CHANNEL_PRIORITY", "fast", True),
        ("CONDA_DEFAULT_THREADS", "many", True),
        ("CONDA_DEFAULT_THREADS", "", False),
        ("CONDA_PROXY_SERVERS", "http://proxy.example", True),
        ("CONDA_CHANNELS", "a,b", False),
        ("CONDA_SSL_VERIFY", "/nonexistent/ca.pem", True),
        ("CONDA_SSL_VERIFY", "false", False),
        ("CONDA_EXE", "maybe", False),
        ("CONDA_SHLVL", "maybe", False),
        ("MAMBA_ALWAYS_YES", "maybe", False),
        ("CONDA_OVERRIDE_CUDA", "maybe", False),
    ],
)
def test_variables(tmp_path: Path, variable: str, value: str, fires: bool) -> None:
    found = [s for s in settings(tmp_path / "c", "", **{variable: value}) if s.refused]
    assert [s.variable for s in found] == ([variable] if fires else [])


def test_a_variable_overrides_a_file(tmp_path: Path) -> None:
    assert not [s for s in settings(tmp_path / "c", "offline: maybe\n", CONDA_OFFLINE="true") if s.refused]


def test_no_secret_becomes_a_fact(tmp_path: Path) -> None:
    """Of settings that nothing reads there is a fact only where conda refuses them, and it has no password."""
    file = tmp_path / ".condarc"
    assert settings(file, "proxy_servers:\n  http: http://u:pa55@proxy.example\n") == []
    (found,) = settings(file, "proxy_servers: http://u:pa55@proxy.example\n")
    assert found.refused and "pa55" not in str(found)
    (found,) = settings(file, "channel_alias: u:pa55@proxy.example\n")
    assert found.refused
