"""The shell's facts: variables without secrets, PATH, commands."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from envdoctor.collect import shell
from tests.builders import Env, venv
from tests.support import snapshot_of


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("PIP_INDEX_URL", "https://me:s3cret@pypi.example/simple", "https://****@pypi.example/simple"),
        ("PIP_EXTRA_INDEX_URL", "https://tok@a/x https://u:p@b/y", "https://****@a/x https://****@b/y"),
        ("UV_INDEX_URL", "https://a/simple?token=s3cret&x=1", "https://a/simple?token=****&x=1"),
        ("CONDA_CHANNEL_ALIAS", "https://conda.example/t/s3cret/chan", "https://conda.example/t/****/chan"),
        ("UV_INDEX_MINE_PASSWORD", "s3cret", "****"),
        ("UV_PUBLISH_TOKEN", "s3cret", "****"),
        ("HF_TOKEN", "s3cret", "****"),
        ("PIP_NO_INDEX", "1", "1"),
        ("PIP_KEYRING_PROVIDER", "subprocess", "subprocess"),
        ("PYTHONPATH", "/a:/b", "/a:/b"),
    ],
)
def test_secrets_are_cut(name: str, value: str, shown: str) -> None:
    assert shell.variables({name: value}) == {name: shown}


def test_only_what_matters() -> None:
    assert shell.variables({"AWS_SECRET_ACCESS_KEY": "x", "EDITOR": "vi", "LD_PRELOAD": "x"}) == {"LD_PRELOAD": "x"}


def test_hostile_values() -> None:
    found = shell.variables({"PYTHONPATH": "x" * 1_000_000, "PIP_X": os.fsdecode(b"\xff")})
    assert len(found["PYTHONPATH"]) == shell.MAX_VALUE
    found["PIP_X"].encode()


def test_path_and_commands(env: Env, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gcc").write_text("")  # not executable
    (folder / "cmake").write_text("#!/bin/sh\n")
    (folder / "cmake").chmod(0o755)
    (folder / "uv").mkdir()
    os.mkfifo(folder / "pip")
    (folder / "pip3").symlink_to("pip3")
    path = f"{env.prefix}/bin:{folder}:{folder}::/nonexistent:rel"
    facts = snapshot_of(env.prefix, environ={"PATH": path, "VIRTUAL_ENV": str(env.prefix)}, cwd=tmp_path).shell
    assert facts.path == (f"{env.prefix}/bin", str(folder), str(tmp_path), "/nonexistent", f"{tmp_path}/rel")
    assert dict(facts.tools) == {"cmake": f"{folder}/cmake"}
    assert [c.name for c in facts.commands] == ["python", "python3"]
    assert facts.commands[0].virtual
    assert facts.virtual_env_same is True
    assert facts.conda_prefix_same is None


def test_empty_shell(env: Env) -> None:
    facts = snapshot_of(env.prefix, environ={"X": "1"}).shell
    assert facts.path == ()
    assert facts.commands == ()
    other = snapshot_of(env.prefix, environ={"VIRTUAL_ENV": "/elsewhere"}).shell
    assert other.virtual_env_same is False


def test_shims_by_name_and_content(tmp_path: Path) -> None:
    for manager, text in {
        "x": '#!/usr/bin/env bash\nexport PYENV_ROOT="/p"\nexec "/p/libexec/pyenv" exec "$program" "$@"\n',
        "y": '#!/usr/bin/env bash\n# asdf-plugin: python 3.11\nexec /a/bin/asdf exec "python" "$@"\n',
        "z": "#!/bin/sh\nexec other\n",
    }.items():
        path = tmp_path / manager / "shims" / "python"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    assert shell._shim(str(tmp_path / "x" / "shims" / "python")) == "pyenv"
    assert shell._shim(str(tmp_path / "y" / "shims" / "python")) == "asdf"
    assert shell._shim(str(tmp_path / "z" / "shims" / "python")) is None
    (tmp_path / "mise").write_text("")
    (tmp_path / "python").symlink_to("mise")
    assert shell._shim(str(tmp_path / "python")) == "mise"


def test_python_home(env: Env) -> None:
    home = snapshot_of(env.prefix, environ={"PYTHONHOME": sys.base_prefix}).shell.python_home
    assert home is not None
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in home.versions
    assert home.same
    gone = snapshot_of(env.prefix, environ={"PYTHONHOME": "/gone"}).shell.python_home
    assert gone is not None
    assert (gone.exists, gone.versions, gone.same) == (False, (), False)


def test_library_folders(env: Env, tmp_path: Path) -> None:
    (tmp_path / "libx.so.1").write_text("")
    (tmp_path / "notes.txt").write_text("")
    own = env.prefix / "lib"
    value = f"{tmp_path}:{own}:/gone::"
    facts = snapshot_of(env.prefix, environ={"LD_LIBRARY_PATH": value, "LD_PRELOAD": "/gone/a.so libb.so"}, cwd="/").shell
    found = {f.path: f for f in facts.library_folders}
    assert found[str(tmp_path)].libraries == ("libx.so.1",)
    assert found[str(own)].of_target
    assert not found["/gone"].exists
    assert [(f.path, f.exists) for f in facts.library_folders if f.preload] == [("/gone/a.so", False), ("libb.so", True)]


def test_isolated_tools(tmp_path: Path) -> None:
    env = venv(tmp_path / "pipx" / "venvs" / "pytest")
    tool = env.prefix / "bin" / "pytest"
    tool.write_text(f"#!{env.python}\n")
    tool.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pytest").symlink_to(tool)
    (command,) = snapshot_of(env.prefix, environ={"PATH": f"{tmp_path}/bin"}).shell.commands
    assert command.isolated == "pipx"
