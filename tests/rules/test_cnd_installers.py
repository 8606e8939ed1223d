"""CND007, CND009, CND010, CND011, CND014, CND015, CND016: what stands around a conda prefix, on real prefixes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envdoctor.finding import Finding
from envdoctor.snapshot import Snapshot
from tests.conda import CONDA_FORGE, WRITERS, CondaPrefix, conda_prefix, foreign_prefix
from tests.support import diagnose, errors, only, report_of, snapshot_of

CODES = ("CND007", "CND009", "CND010", "CND011", "CND014", "CND015", "CND016")
DEFAULTS = "https://repo.anaconda.com/pkgs/main"
BLOCK = """# >>> conda initialize >>>
# !! Contents within this block are managed by 'conda init' !!
__conda_setup="$('{root}/bin/conda' 'shell.bash' 'hook' 2> /dev/null)"
if [ $? -eq 0 ]; then
    eval "$__conda_setup"
else
    if [ -f "{root}/etc/profile.d/conda.sh" ]; then
        . "{root}/etc/profile.d/conda.sh"
    else
        export PATH="{root}/bin:$PATH"
    fi
fi
unset __conda_setup
# <<< conda initialize <<<
"""
MAMBA_BLOCK = """# >>> mamba initialize >>>
# !! Contents within this block are managed by 'micromamba shell init' !!
export MAMBA_EXE='{exe}';
export MAMBA_ROOT_PREFIX='{root}';
__mamba_setup="$("$MAMBA_EXE" shell hook --shell bash --root-prefix "$MAMBA_ROOT_PREFIX" 2> /dev/null)"
if [ $? -eq 0 ]; then
    eval "$__mamba_setup"
else
    alias micromamba="$MAMBA_EXE"  # Fallback on help from micromamba activate
fi
unset __mamba_setup
# <<< mamba initialize <<<
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> CondaPrefix:
    """One prefix for all tests that change nothing of it for good."""
    return conda_prefix(tmp_path_factory.mktemp("made"), packages=("click",))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / ".conda").mkdir(parents=True)
    return tmp_path / "home"


def shell(home: Path, path: str = "/nonexistent", **variables: str) -> dict[str, str]:
    return {"HOME": str(home), "PATH": path, **variables}


def register(home: Path, *prefixes: object) -> None:
    (home / ".conda" / "environments.txt").write_text("".join(f"{prefix}\n" for prefix in prefixes))


def root(place: Path, **records: str) -> Path:
    """A root prefix as its installer leaves it: programs, folders, records by name and version."""
    (place / "conda-meta").mkdir(parents=True)
    (place / "envs").mkdir()
    (place / "pkgs").mkdir()
    for name in ("bin", "condabin"):
        (place / name).mkdir()
    for name, version in (records or {"conda": "25.3.0", "mamba": "2.1.0", "python": "3.12.9"}).items():
        build = "h0_73_pypy" if version.startswith("7.") else "h0_0"
        record = {"name": name, "version": version, "build": build, "build_number": 0, "depends": [], "files": [],
                  "channel": CONDA_FORGE, "subdir": "linux-64"}  # fmt: skip
        (place / "conda-meta" / f"{name}-{version}-{build}.json").write_text(json.dumps(record))
    (place / "conda-meta" / "history").write_text("")
    for name in ("bin/conda", "bin/mamba", "condabin/conda"):
        (place / name).write_text("#!/bin/sh\n")
        (place / name).chmod(0o755)
    return place


def named(finding: Finding, kind: str) -> list[str]:
    return [s.name for s in finding.subjects if s.kind == kind]


def judged(snapshot: Snapshot, *codes: str) -> list[Finding]:
    return list(report_of(snapshot, *codes).findings)


# --------------------------------------------------------------------------------------------------------------- healthy
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("options", [{}, {"pip": ("click==8.1.7",)}])
def test_healthy_prefixes(writer: str, options: dict[str, Any], tmp_path: Path, home: Path) -> None:
    env = conda_prefix(tmp_path, writer, **options)
    register(home, env.prefix)
    (home / ".condarc").write_text("channels:\n  - conda-forge\nchannel_priority: strict\n")
    assert diagnose(env.prefix, *CODES, environ=shell(home)) == []


def test_a_bare_shell_gives_no_more_than_information(made: CondaPrefix) -> None:
    assert [f for f in diagnose(made.prefix, *CODES) if f.severity != "info"] == []


def test_no_conda_prefix_is_skipped(env: Any, home: Path) -> None:
    (home / ".condarc").write_text("\t")
    report = report_of(snapshot_of(env.prefix, environ=shell(home)), *CODES)
    assert report.findings == ()
    assert {c.outcome for c in report.checks if c.code in CODES} == {"skipped"}


def test_a_foreign_prefix_is_not_judged_by_this_home(tmp_path: Path, home: Path) -> None:
    env = foreign_prefix(tmp_path, "osx-arm64")
    (home / ".condarc").write_text("\t")
    assert diagnose(env.prefix, *CODES, environ=shell(home, CONDA_EXE="/nowhere/conda")) == []


# ---------------------------------------------------------------------------------------------------------------- CND007
def test_cnd007_defaults_among_conda_forge(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path)
    env.add("icu", "73.1", channel_url=DEFAULTS, channel=DEFAULTS)
    env.add("libxml2", "2.13.1", channel_url=DEFAULTS, channel=f"{DEFAULTS}/linux-64")
    finding = only(diagnose(env.prefix, "CND007"), "CND007")
    assert finding.severity == "warning"
    assert [(s.kind, s.name, s.version) for s in finding.subjects[:2]] == [
        ("conda-package", "icu", "73.1"),
        ("conda-package", "libxml2", "2.13.1"),
    ]
    assert finding.message.startswith("2 packages of defaults among ")
    assert finding.fixes[0].commands[0][-2:] == ("icu", "libxml2")


@pytest.mark.parametrize(
    ("channel", "fires"),
    [
        ("defaults", True),
        ("pkgs/main", True),
        ("https://conda.anaconda.org/anaconda", True),
        ("https://mirror.example/anaconda/pkgs/main", True),
        ("https://repo.anaconda.com/pkgs/msys2", True),
        ("https://conda.anaconda.org/bioconda", False),
        ("https://conda.anaconda.org/pytorch", False),
        ("https://conda.anaconda.org/nvidia/label/cuda-12.4.1", False),
        ("rapidsai", False),
        ("https://repo.prefix.dev/conda-forge", False),
        ("https://conda.anaconda.org/conda-forge/label/numpy_rc", False),
        ("https://artifacts.example/api/conda/mine", False),
        ("<unknown>", False),
    ],
)
def test_cnd007_which_channels_are_compatible(made: CondaPrefix, channel: str, fires: bool) -> None:
    snapshot = snapshot_of(made.prefix)
    one = msgspec.structs.replace(snapshot.conda_packages[0], name="other", channel=channel, subdir="linux-64", noarch=None)
    found = judged(msgspec.structs.replace(snapshot, conda_packages=(*snapshot.conda_packages, one)), "CND007")
    assert [f.severity for f in found] == ["warning"] * fires


def test_cnd007_bioconda_on_defaults(made: CondaPrefix) -> None:
    """bioconda builds upon conda-forge, so that it does not go with defaults either."""
    snapshot = snapshot_of(made.prefix)
    packages = [msgspec.structs.replace(p, channel="https://repo.anaconda.com/pkgs/main") for p in snapshot.conda_packages]
    one = msgspec.structs.replace(
        packages[0], name="samtools", version="1.21", channel="bioconda", subdir="linux-64", noarch=None
    )
    finding = only(judged(msgspec.structs.replace(snapshot, conda_packages=(*packages, one)), "CND007"), "CND007")
    assert named(finding, "conda-package") == ["samtools"]
    assert judged(msgspec.structs.replace(snapshot, conda_packages=tuple(packages)), "CND007") == []


def test_cnd007_without_compiled_code_it_is_information(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path)
    env.add("tzdata", "2025a", subdir="noarch", channel_url=DEFAULTS, channel=DEFAULTS)
    env.add("ca-certificates", "2025.1", channel_url=DEFAULTS, channel=DEFAULTS)
    assert diagnose(env.prefix, "CND007") == []
    env.add("colorful", "1.0", subdir="noarch", noarch="python", channel_url=DEFAULTS, channel=DEFAULTS)
    assert only(diagnose(env.prefix, "CND007"), "CND007").severity == "info"


def test_cnd007_of_pixi(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, "pixi")
    env.add("icu", "73.1", channel_url=DEFAULTS, channel=DEFAULTS)
    assert only(diagnose(env.prefix, "CND007"), "CND007").fixes[0].commands[0][0] == "pixi"


# ---------------------------------------------------------------------------------------------------------------- CND009
@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("channels:\n\t- conda-forge\n", 2),
        ("channels:\n  - conda-forge\n - defaults\n", 3),
        ("<<<<<<< HEAD\nchannels:\n  - a\n=======\n", 1),
        ("channels: [conda-forge\nssl_verify: true\n", 1),
        ("channels:\n  - conda-forge\nssl_verify true\n", 3),
        ("- conda-forge\n- defaults\n", 1),
        ("conda-forge\n", 1),
        ("channels:\n  - a\nchannels:\n  - b\n", 3),
        (b"channels:\n  - \xff\n", 2),
        (b"\0\0\0\0", 1),
        ("channels: conda-forge\n", 1),
        ("channels:\n  -conda-forge\n  -defaults\n", 1),
        ("custom_channels:\n  - a\n", 1),
        ("channel_priority: fast\n", 1),
        ("channel_priority: Strict\n", 1),
        ("offline: false\nalways_yes: maybe\n", 2),
        ("remote_max_retries: often\n", 1),
        ("proxy_servers: http://proxy.example:3128\n", 1),
        ("custom_multichannels:\n  mine: conda-forge\n", 1),
        ("channels:\n  - [a, b]\n", 1),
        ("ssl_verify: /nonexistent/ca.pem\n", 1),
        ("channel_alias: mirror.example\n", 1),
        ("subdir: [linux-64]\n", 1),
        ("envs_dirs: [a]\nenvs_path: [b]\n", 2),
        ("default_threads:\n", 1),
    ],
)
def test_cnd009_broken_files(made: CondaPrefix, home: Path, source: str | bytes, line: int) -> None:
    (home / ".condarc").write_bytes(source if isinstance(source, bytes) else source.encode())
    finding = only(diagnose(made.prefix, "CND009", environ=shell(home)), "CND009")
    assert finding.severity == "error"
    assert finding.subjects[0].kind == "file"
    assert finding.subjects[0].path == f"{home}/.condarc"
    assert f".condarc:{line}" in finding.evidence[0]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "# nothing\n",
        "---\n",
        "channels:\n",
        "unheard_of: [a, b]\nchannels:\n- conda-forge\n- bioconda\n",
        "channels: &a\n  - conda-forge\nx: *a\n",
        "x: |\n\ttext\n",
        "channels:\n  - conda-forge\nchannel_priority: true\n",
        "channels: [conda-forge, defaults]\nchannel_priority: strict\n",
        "channels: [defaults]\nchannel_priority: flexible\n",
        "channels: [defaults, conda-forge]\ndefault_channels: [https://mirror.example/conda-forge]\n",
        "channels: [conda-forge, pytorch, nvidia]\npip_interop_enabled: false\n",
        "always_yes: 'yes'\nauto_activate_base: 0\nremote_read_timeout_secs: '60'\nssl_verify: truststore\nchangeps1: off\n",
        "restore_free_channel: false\nproxy_servers: {}\ndefault_python: 3.12\nsolver: libmamba\nshow_channel_urls:\n",
        "auto_activate: false\nauto_activate_base: false\nchannel_settings:\n  - channel: a\n    auth: b\n",
        "channels: [intel]\nchannel_alias: https://mirror.example\n",
        "custom_channels:\n  mine: https://user:pa55word@corp.example/conda\nproxy_servers:\n  http: http://u:p@proxy.example\n",
    ],
)
def test_cnd009_files_that_are_fine(made: CondaPrefix, home: Path, source: str) -> None:
    (home / ".condarc").write_text(source)
    snapshot = snapshot_of(made.prefix, environ=shell(home))
    assert judged(snapshot, "CND009") == []
    assert "pa55word" not in msgspec.json.encode(snapshot).decode()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("channels:\n  - defaults\n  - conda-forge\n", "packages come from conda-forge and defaults"),
        ("channels:\n  - conda-forge\n  - defaults\nchannel_priority: disabled\n", "channel_priority is disabled"),
        ("channels:\n  - https://repo.anaconda.com/pkgs/main\n  - bioconda\n  - conda-forge\n", "packages come from"),
        ("channels:\n  - intel\n", "the channel intel is not there any more"),
        ("channels:\n  - https://conda.binstar.org/menpo\n", "binstar.org became anaconda.org"),
        ("channels:\n  - https://repo.continuum.io/pkgs/main\n", "repo.continuum.io"),
        ("channels:\n  - pkgs/free\n", "gets no packages any more"),
        ("channels:\n  - file:///nowhere/channel\n", "its folder is gone"),
        ("channels:\n  - conda-forge\n  - https://conda.anaconda.org/conda-forge/\n", "stands twice"),
        ("channels:\n  - conda-forge\npip_interop_enabled: yes\n", "what pip has installed"),
        ("prefix_data_interoperability: true\n", "what pip has installed"),
        ("restore_free_channel: true\n", "restore_free_channel is on"),
        ("protect_frozen_envs: maybe\n", "conda 25.7 and later stop"),
        ("subdir: osx-64\n", "would install packages for osx-64"),
    ],
)
def test_cnd009_settings_that_do_harm(made: CondaPrefix, home: Path, source: str, words: str) -> None:
    (home / ".condarc").write_text(source)
    finding = only(diagnose(made.prefix, "CND009", environ=shell(home)), "CND009")
    assert finding.severity == "warning"
    assert words in finding.message
    assert finding.fixes


def test_cnd009_places_and_their_order(made: CondaPrefix, home: Path, tmp_path: Path) -> None:
    """What is weaker is overridden; lists are merged; .mambarc is mamba's; CONDARC is the strongest."""
    own = tmp_path / "own.yml"
    own.write_text("channels: [a]\nchannel_priority: strict\n")
    (home / ".condarc").write_text("channels: [b, a]\nchannel_priority: flexible\n")
    (home / ".mambarc").write_text("channels: [c]\n")
    (home / ".config" / "conda" / "condarc.d").mkdir(parents=True)
    (home / ".config" / "conda" / "condarc.d" / "x.yml").write_text("channels: [d]\n")
    (home / ".config" / "conda" / "condarc.d" / "ignored.txt").write_text("\t")
    facts = snapshot_of(made.prefix, environ=shell(home, CONDARC=str(own), CONDA_CHANNELS="e,b")).conda_installers
    assert facts is not None
    assert facts.channels == ("e", "b", "a", "d")
    assert (facts.channel_priority, facts.priority_from) == ("strict", f"{own}:2")
    (home / ".condarc").write_text("channel_priority: flexible  #!final\n")
    facts = snapshot_of(made.prefix, environ=shell(home, CONDARC=str(own))).conda_installers
    assert facts is not None
    assert facts.channel_priority == "flexible"


def test_cnd009_mambarc_counts_for_micromamba(tmp_path: Path, home: Path) -> None:
    env = conda_prefix(tmp_path, "micromamba")
    (home / ".mambarc").write_text("channels:\n  - conda-forge\n  - defaults\n")
    finding = only(diagnose(env.prefix, "CND009", environ=shell(home)), "CND009")
    assert "flexible" in finding.message
    (home / ".mambarc").write_text("a: 'b\n")
    assert only(diagnose(env.prefix, "CND009", environ=shell(home)), "CND009").severity == "error"


def test_cnd009_what_micromamba_makes_of_wrong_values(tmp_path: Path, home: Path) -> None:
    """It reports them and goes on; without channels nothing is found; settings of conda alone are nobody's."""
    env = conda_prefix(tmp_path, "micromamba", packages=("click",))
    for source, severity in {"always_yes: maybe\n": "warning", "channels: a\n": "error", "solver: [a]\n": None}.items():
        (home / ".condarc").write_text(source)
        found = diagnose(env.prefix, "CND009", environ=shell(home))
        assert [f.severity for f in found] == [severity] * (severity is not None), source
        assert all("mamba goes on without it" in f.message for f in found)


def test_cnd009_a_release_that_does_not_know_the_setting(tmp_path: Path, home: Path) -> None:
    """A root of conda 24.5 reads no protect_frozen_envs; one of 26.1 stops."""
    (home / ".condarc").write_text("protect_frozen_envs: maybe\n")
    for version, severities in {"24.5.0": [], "26.1.0": ["error"]}.items():
        place = root(tmp_path / version, conda=version, python="3.12.9")
        found = diagnose(place, "CND009", environ=shell(home))
        assert [f.severity for f in found] == severities


def test_cnd009_variables(made: CondaPrefix, home: Path) -> None:
    finding = only(diagnose(made.prefix, "CND009", environ=shell(home, CONDA_ALWAYS_YES="maybe", CONDA_JSON="0")), "CND009")
    assert (finding.subjects[0].kind, finding.subjects[0].name) == ("variable", "CONDA_ALWAYS_YES")
    assert finding.fixes[0].commands == (("unset", "CONDA_ALWAYS_YES"),)


def test_cnd009_of_the_environment_itself(tmp_path: Path, home: Path) -> None:
    env = conda_prefix(tmp_path, packages=("click",))
    subdir = env.subdir
    env.put(".condarc", f"subdir: {subdir}\n")
    assert diagnose(env.prefix, "CND009", environ=shell(home)) == []
    env.put(".condarc", "a:\n\t- b\n")
    finding = only(diagnose(env.prefix, "CND009", environ=shell(home)), "CND009")
    assert finding.subjects[0].path == ".condarc"


def test_cnd009_hostile_files(made: CondaPrefix, home: Path) -> None:
    os.mkfifo(home / ".condarc")
    finding = only(diagnose(made.prefix, "CND009", environ=shell(home)), "CND009")
    assert "not a regular file" in finding.message
    (home / ".condarc").unlink()
    (home / ".condarc").write_bytes(b"a: b\n" * 400_000)
    assert "larger than" in only(diagnose(made.prefix, "CND009", environ=shell(home)), "CND009").message


def test_cnd009_is_not_of_pixi(tmp_path: Path, home: Path) -> None:
    env = conda_prefix(tmp_path, "pixi", packages=("click",))
    (home / ".condarc").write_text("\ta")
    assert diagnose(env.prefix, "CND009", environ=shell(home)) == []


# ----------------------------------------------------------------------------------------------------- CND010 and CND011
def test_cnd010_mambaforge(tmp_path: Path, home: Path) -> None:
    env = conda_prefix(tmp_path, name="mambaforge/envs/work", packages=("click",))
    root_ = root(tmp_path / "forge")
    for name in ("conda-meta", "bin"):
        shutil.copytree(root_ / name, tmp_path / "mambaforge" / name)
    finding = only(diagnose(env.prefix, "CND010", environ=shell(home)), "CND010")
    assert finding.severity == "warning"
    assert "Miniforge" in finding.message
    assert finding.subjects[0].name == "mambaforge"


@pytest.mark.parametrize(
    ("name", "records", "words"),
    [
        ("miniforge3", {"conda": "24.1.0", "python": "7.3.15"}, "Miniforge-pypy3"),
        ("anaconda2", {"conda": "4.8.0", "python": "2.7.18", "anaconda": "2019.10"}, "Anaconda2"),
        ("miniforge3", {}, None),
        ("miniconda3", {"conda": "25.1.0", "python": "3.12.9"}, None),
        ("anaconda3", {"conda": "25.1.0", "python": "3.12.9", "anaconda": "2024.10"}, None),
    ],
)
def test_cnd010_others(
    made: CondaPrefix, home: Path, tmp_path: Path, name: str, records: dict[str, str], words: str | None
) -> None:
    place = root(tmp_path / name, **records)
    found = diagnose(made.prefix, "CND010", "CND011", environ=shell(home, CONDA_EXE=f"{place}/bin/conda"))
    assert [f.code for f in found] == ["CND010"] * (words is not None)
    assert words is None or words in found[0].message


def test_cnd011_two_roots(made: CondaPrefix, home: Path, tmp_path: Path) -> None:
    one, two = root(tmp_path / "miniforge3"), root(tmp_path / "opt")
    environ = shell(home, f"{one}/condabin:{one}/bin:/usr/bin", CONDA_EXE=f"{one}/bin/conda")
    assert diagnose(made.prefix, "CND011", environ=environ) == []
    (home / ".bashrc").write_text("alias ll='ls -l'\n" + BLOCK.format(root=one))
    assert diagnose(made.prefix, "CND011", environ=environ) == []
    (home / ".zshrc").write_text("\n" + BLOCK.format(root=two))
    finding = only(diagnose(made.prefix, "CND011", environ=environ), "CND011")
    assert finding.severity == "warning"
    assert named(finding, "environment") == ["miniforge3", "opt"]
    assert any("~/.zshrc:2" in line for line in finding.evidence)
    assert (f"{two}/bin/conda", "init", "--all", "--reverse") in finding.fixes[0].commands


@pytest.mark.parametrize("how", ["path", "CONDA_EXE", "MAMBA_EXE", "MAMBA_ROOT_PREFIX", "fish", "powershell", "hand", "export"])
def test_cnd011_ways_to_a_second_root(made: CondaPrefix, home: Path, tmp_path: Path, how: str) -> None:
    one, two = root(tmp_path / "one"), root(tmp_path / "two-conda")
    environ = shell(home, f"{one}/bin")
    if how == "path":
        environ["PATH"] += f":{two}/condabin"
    elif how in ("CONDA_EXE", "MAMBA_EXE"):
        environ[how] = f"{two}/bin/{'conda' if how == 'CONDA_EXE' else 'mamba'}"
    elif how == "MAMBA_ROOT_PREFIX":
        environ[how] = str(two)
    elif how == "fish":
        (home / ".config" / "fish").mkdir(parents=True)
        (home / ".config" / "fish" / "config.fish").write_text(
            "# >>> conda initialize >>>\n# !! Contents within this block are managed by 'conda init' !!\n"
            f'if test -f {two}/bin/conda\n    eval {two}/bin/conda "shell.fish" "hook" $argv | source\nend\n'
            "# <<< conda initialize <<<\n"
        )
    elif how == "powershell":
        (home / ".config" / "powershell").mkdir(parents=True)
        (home / ".config" / "powershell" / "profile.ps1").write_text(
            "#region conda initialize\n# !! Contents within this block are managed by 'conda init' !!\n"
            f'If (Test-Path "{two}/bin/conda") {{\n'
            f'    (& "{two}/bin/conda" "shell.powershell" "hook") | Out-String | Invoke-Expression\n}}\n'
            "#endregion\n"
        )
    elif how == "hand":
        (home / ".profile").write_text(f". {two}/etc/profile.d/conda.sh\n")
    else:
        (home / ".profile").write_text(f'export PATH="{two}/bin:$PATH"\n')
    finding = only(diagnose(made.prefix, "CND011", environ=environ), "CND011")
    assert named(finding, "environment") == ["one", "two-conda"]


def test_cnd011_of_micromamba(made: CondaPrefix, home: Path, tmp_path: Path) -> None:
    exe = tmp_path / "local" / "micromamba"
    exe.parent.mkdir()
    exe.write_text("")
    exe.chmod(0o755)
    place = home / "micromamba"
    (place / "envs").mkdir(parents=True)
    (home / ".bashrc").write_text(MAMBA_BLOCK.format(exe=exe, root=place))
    environ = shell(home, str(exe.parent), MAMBA_EXE=str(exe), MAMBA_ROOT_PREFIX=str(place))
    snapshot = snapshot_of(made.prefix, environ=environ)
    assert judged(snapshot, "CND011") == []
    assert snapshot.conda_installers is not None
    assert [(r.product, r.micromamba) for r in snapshot.conda_installers.roots] == [("micromamba", True)]
    assert [(b.tool, b.root, b.exists) for b in snapshot.conda_installers.blocks] == [("micromamba", str(place), True)]
    other = root(tmp_path / "miniforge3")
    finding = only(diagnose(made.prefix, "CND011", environ={**environ, "CONDA_EXE": f"{other}/bin/conda"}), "CND011")
    assert named(finding, "variable") == ["CONDA_EXE", "MAMBA_ROOT_PREFIX"]


def test_cnd011_look_alikes(made: CondaPrefix, home: Path, tmp_path: Path) -> None:
    one = root(tmp_path / "miniforge3")
    (tmp_path / "link").symlink_to(one)
    inner = root(one / "envs" / "tools")
    (home / ".bashrc").write_text(BLOCK.format(root="/gone/miniconda3") + BLOCK.format(root=tmp_path / "link"))
    (home / ".zshrc").write_text(
        f'# export PATH="{tmp_path}/other/bin:$PATH" # conda\nexport PATH="/usr/local/miniconda/bin:$PATH"\n'
    )
    environ = shell(home, f"{inner}/bin:{one}/bin", MAMBA_EXE=f"{one}/bin/mamba", MAMBA_ROOT_PREFIX=str(one))
    assert [f.severity for f in diagnose(made.prefix, "CND011", environ=environ)] == ["info"]
    (home / ".bashrc").write_text(BLOCK.format(root=tmp_path / "link"))
    assert diagnose(made.prefix, "CND011", environ=environ) == []


def test_cnd011_a_block_whose_root_is_gone(made: CondaPrefix, home: Path, tmp_path: Path) -> None:
    """A warning where nothing else gives a conda, once for all start-up files; a remark beside another root."""
    (home / ".bashrc").write_text("x=1\n" + BLOCK.format(root="/gone/miniconda3"))
    (home / ".zshrc").write_text(BLOCK.format(root="/gone/miniconda3"))
    finding = only(diagnose(made.prefix, "CND011", environ=shell(home)), "CND011")
    assert finding.severity == "warning"
    assert finding.message == "~/.bashrc:2, ~/.zshrc:1 set up conda from /gone/miniconda3/bin/conda, which is not there"
    one = root(tmp_path / "miniforge3")
    found = only(diagnose(made.prefix, "CND011", environ=shell(home, f"{one}/bin")), "CND011")
    assert (found.severity, found.fingerprint) == ("info", finding.fingerprint)


def test_cnd011_a_block_of_micromamba_that_is_gone(made: CondaPrefix, home: Path, tmp_path: Path) -> None:
    """Its variables are set all the same; with the program there, a root that is not there yet is fine."""
    exe = tmp_path / "local" / "micromamba"
    (home / ".bashrc").write_text(MAMBA_BLOCK.format(exe=exe, root=home / "micromamba"))
    one = root(tmp_path / "miniforge3")
    finding = only(diagnose(made.prefix, "CND011", environ=shell(home, f"{one}/bin")), "CND011")
    assert finding.severity == "warning"
    assert any(line.startswith("MAMBA_ROOT_PREFIX is set to ") for line in finding.evidence)
    exe.parent.mkdir()
    exe.write_text("")
    assert diagnose(made.prefix, "CND011", environ=shell(home)) == []


def test_cnd011_names_the_program_that_wrote_the_block(made: CondaPrefix, home: Path, tmp_path: Path) -> None:
    """A conda root without records is no mamba's."""
    one, two = root(tmp_path / "one"), root(tmp_path / "two")
    for record in (two / "conda-meta").glob("*.json"):
        record.unlink()
    (home / ".bashrc").write_text(BLOCK.format(root=two))
    finding = only(diagnose(made.prefix, "CND011", environ=shell(home, f"{one}/bin:{one}/condabin")), "CND011")
    commands = [command for fix in finding.fixes for command in fix.commands]
    assert commands in ([(f"{two}/bin/conda", "init", "--all", "--reverse")], [])
    assert not any("mamba" in word for command in commands for word in command[:1])


def test_cnd011_a_program_that_is_gone(made: CondaPrefix, home: Path, tmp_path: Path) -> None:
    finding = only(diagnose(made.prefix, "CND011", environ=shell(home, CONDA_EXE=f"{tmp_path}/x/bin/conda")), "CND011")
    assert finding.subjects[0].name == "CONDA_EXE"


def test_cnd011_hostile_start_up_files(made: CondaPrefix, home: Path) -> None:
    (home / ".bashrc").write_text("# >>> conda initialize >>>\n" * 20_000)
    (home / ".zshrc").write_text(("/" * 400 + "conda" + "/" * 400 + "\n") * 1000)
    os.mkfifo(home / ".profile")
    assert diagnose(made.prefix, "CND011", environ=shell(home)) == []


# ---------------------------------------------------------------------------------------------------------------- CND014
def test_cnd014(made: CondaPrefix, home: Path, tmp_path: Path) -> None:
    environ = shell(home)
    finding = only(diagnose(made.prefix, "CND014", environ=environ), "CND014")
    assert (finding.severity, finding.subjects[0].kind) == ("info", "environment")
    register(home, "/gone/env", made.prefix)
    finding = only(diagnose(made.prefix, "CND014", environ=environ), "CND014")
    assert "no environment any more" in finding.message
    assert finding.evidence[0].endswith(": /gone/env")
    (tmp_path / "env").symlink_to(made.prefix)
    register(home, tmp_path / "env")
    assert diagnose(made.prefix, "CND014", environ=environ) == []
    register(home)
    (home / ".condarc").write_text("register_envs: false\n")
    assert diagnose(made.prefix, "CND014", environ=environ) == []


def test_cnd014_the_fix_mends(made: CondaPrefix, home: Path) -> None:
    import subprocess

    finding = only(diagnose(made.prefix, "CND014", environ=shell(home)), "CND014")
    for command in finding.fixes[0].commands:
        subprocess.run(command, check=True)
    assert diagnose(made.prefix, "CND014", environ=shell(home)) == []


# ---------------------------------------------------------------------------------------------------------------- CND015
def base(tmp_path: Path, **options: Any) -> CondaPrefix:
    env = conda_prefix(tmp_path, name="base", **options)
    for name in ("condabin", "pkgs", "envs"):
        (env.prefix / name).mkdir()
    for name in ("conda", "mamba"):
        env.add(name, "25.1.0", depends=["python"])
        env.put(f"bin/{name}", "#!/bin/sh\n")
    return env


def asked(env: CondaPrefix, *specs: str, verb: str = "update") -> None:
    history = env.meta / "history"
    words = "[" + ", ".join(f"'{spec}'" for spec in specs) + "]"
    history.write_text(history.read_text() + f"==> 2025-05-05 05:05:05 <==\n# cmd: /x/bin/conda install {' '.join(specs)}\n"
                       f"# conda version: 25.1.0\n# {verb} specs: {words}\n")  # fmt: skip


def test_cnd015(tmp_path: Path, home: Path) -> None:
    env = base(tmp_path)
    assert diagnose(env.prefix, "CND015", environ=shell(home)) == []
    asked(env, "conda>=25", "conda-libmamba-solver", "mamba", "pip", "python=3.11")
    assert diagnose(env.prefix, "CND015", environ=shell(home)) == []
    env.add("pandas", "2.2.0")
    asked(env, "pandas>=2", "conda-forge::conda-build")
    finding = only(diagnose(env.prefix, "CND015", environ=shell(home)), "CND015")
    assert finding.severity == "warning"
    assert (finding.subjects[0].kind, named(finding, "conda-package")) == ("environment", ["pandas"])
    asked(env, "pandas", verb="remove")
    assert diagnose(env.prefix, "CND015", environ=shell(home)) == []


def test_cnd015_by_pip(tmp_path: Path, home: Path) -> None:
    env = base(tmp_path)
    env.dist("flask", "3.0.0")
    env.dist("conda-pack", "0.8.0")
    finding = only(diagnose(env.prefix, "CND015", environ=shell(home)), "CND015")
    assert named(finding, "distribution") == ["flask"]
    snapshot = snapshot_of(env.prefix, environ=shell(home))
    bare = msgspec.structs.replace(snapshot, machine=msgspec.structs.replace(snapshot.machine, container=None))
    follows = only(judged(bare, "CND015", "INT007"), "INT007")
    assert follows.caused_by == finding.fingerprint
    snapshot = snapshot_of(env.prefix, environ=shell(home))
    machine = msgspec.structs.replace(snapshot.machine, container="docker")
    inside = msgspec.structs.replace(snapshot.target, prefix="/opt/conda")
    assert judged(msgspec.structs.replace(snapshot, machine=machine, target=inside), "CND015") == []


def test_cnd015_an_environment_is_no_base(made: CondaPrefix, home: Path) -> None:
    assert diagnose(made.prefix, "CND015", environ=shell(home)) == []


# ---------------------------------------------------------------------------------------------------------------- CND016
def cached(env: CondaPrefix, cache: Path, name: str = "click", **files: bytes) -> Path:
    """Unpacks a package of the prefix into a cache, hard-linked with the prefix."""
    record = env.record(name)
    folder = cache / f"{name}-{record['version']}-{record['build']}"
    (folder / "info").mkdir(parents=True)
    rows = []
    for path in [p for p in record["files"] if p.endswith(".py")][:5]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(env.prefix / path, folder / path)
        rows.append({"_path": path, "path_type": "hardlink", "size_in_bytes": (folder / path).stat().st_size})
    (folder / "info" / "index.json").write_text(json.dumps({"name": name}))
    (folder / "info" / "paths.json").write_text(json.dumps({"paths": rows, "paths_version": 1}))
    env.edit(name, link={"source": str(folder), "type": 1}, extracted_package_dir=str(folder))
    return folder


@pytest.fixture
def linked(tmp_path: Path) -> tuple[CondaPrefix, Path]:
    env = conda_prefix(tmp_path)
    return env, cached(env, tmp_path / "root" / "pkgs")


@pytest.mark.parametrize(
    ("damage", "words"),
    [("empty", "is empty"), ("cut", "is cut off"), ("gone", "info/index.json is gone"), ("paths", "info/paths.json is empty")],
)
def test_cnd016_truncated(linked: tuple[CondaPrefix, Path], home: Path, damage: str, words: str) -> None:
    env, folder = linked
    assert diagnose(env.prefix, "CND016", environ=shell(home)) == []
    index, paths = folder / "info" / "index.json", folder / "info" / "paths.json"
    if damage == "gone":
        index.unlink()
    else:
        {"empty": index, "cut": index, "paths": paths}[damage].write_text('{"name": "cl' if damage == "cut" else "")
    finding = only(diagnose(env.prefix, "CND016", environ=shell(home)), "CND016")
    assert finding.severity == "warning"
    assert (finding.subjects[0].kind, finding.subjects[0].name) == ("conda-package", "click")
    assert words in finding.evidence[0]


def test_cnd016_sizes_with_deep(linked: tuple[CondaPrefix, Path], home: Path) -> None:
    env, folder = linked
    file = next(folder.rglob("*.py"))
    file.unlink()
    file.write_text("cut")
    assert diagnose(env.prefix, "CND016", environ=shell(home)) == []
    finding = only(diagnose(env.prefix, "CND016", environ=shell(home), deep=True), "CND016")
    assert "has 3 of " in finding.evidence[0]


def test_cnd016_spoiled_by_an_edit(linked: tuple[CondaPrefix, Path], home: Path) -> None:
    env, folder = linked
    file = next(folder.rglob("*.py"))
    with file.open("a") as out:
        out.write("# edited\n")
    finding = only(diagnose(env.prefix, "CND016", environ=shell(home)), "CND016")
    assert "is altered, and the environment has it so, too" in finding.evidence[0]


def test_cnd016_gone(linked: tuple[CondaPrefix, Path], home: Path) -> None:
    env, folder = linked
    snapshot = snapshot_of(env.prefix, environ=shell(home))
    shutil.rmtree(folder)
    assert diagnose(env.prefix, "CND016", environ=shell(home)) == []
    folder.parent.rmdir()
    bare = msgspec.structs.replace(
        snapshot_of(env.prefix, environ=shell(home)), machine=msgspec.structs.replace(snapshot.machine, container=None)
    )
    assert only(judged(bare, "CND016"), "CND016").severity == "info"
    folder.parent.parent.rmdir()
    assert diagnose(env.prefix, "CND016", environ=shell(home)) == []


def test_cnd016_no_folder_and_not_writable(linked: tuple[CondaPrefix, Path], home: Path) -> None:
    env, folder = linked
    shutil.rmtree(folder.parent)
    folder.parent.write_text("")
    found = diagnose(env.prefix, "CND016", environ=shell(home))
    assert "is no folder" in only(found, "CND016").message
    found = diagnose(env.prefix, "CND016", environ=shell(home, CONDA_PKGS_DIRS=str(folder.parent)))
    assert [f.message for f in found if "no package cache can be written" in f.message]
    if os.geteuid():
        closed = home / "closed"
        closed.mkdir(mode=0o500)
        (home / ".condarc").write_text(f"pkgs_dirs: [{closed}]\n")
        assert "can be written" in only(diagnose(env.prefix, "CND016", environ=shell(home)), "CND016").message


# ------------------------------------------------------------------------------------------------------------ everything
def test_nothing_here_is_an_error_but_broken_files(made: CondaPrefix, home: Path, tmp_path: Path) -> None:
    one = root(tmp_path / "mambaforge")
    (home / ".condarc").write_text("channels: [intel, defaults, conda-forge]\n")
    found = diagnose(made.prefix, *CODES, environ=shell(home, f"{one}/bin", MAMBA_ROOT_PREFIX=str(root(tmp_path / "two"))))
    assert {f.code for f in found} >= {"CND009", "CND010", "CND011", "CND014"}
    assert errors(found) == []
