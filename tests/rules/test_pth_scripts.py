"""PTH009 and PTH010: scripts and kernels that name an interpreter."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import Env, sha, venv
from tests.support import diagnose, errors, only, snapshot_of


def tool(env: Env, name: str, head: str, *, entry_point: bool = True, content: str = "print('ok')\n") -> Path:
    """A distribution with one script, recorded as pip does it."""
    script = env.prefix / "bin" / name
    script.write_text(f"{head}\n{content}")
    script.chmod(0o755)
    info = env.dist(name, entry_points=f"[console_scripts]\n{name} = {name}:main\n" if entry_point else None)
    data = script.read_bytes()
    with (info / "RECORD").open("a") as record:
        record.write(f"{os.path.relpath(script, env.site)},{sha(data)},{len(data)}\n")
    return script


def test_interpreter_gone(env: Env) -> None:
    script = tool(env, "alpha", "#!/gone/env/bin/python")
    with pytest.raises(FileNotFoundError):
        subprocess.run([str(script)], check=True)
    finding = only(diagnose(env.prefix, "PTH009"), "PTH009")
    assert finding.severity == "error"
    assert (finding.subjects[0].kind, finding.subjects[0].path) == ("file", "bin/alpha")
    assert ("distribution", "alpha") in {(s.kind, s.name) for s in finding.subjects}
    assert "gone" in finding.message


def test_interpreter_of_another_environment(env: Env, tmp_path: Path) -> None:
    other = venv(tmp_path / "other")
    tool(env, "alpha", f"#!{other.python}")
    finding = only(diagnose(env.prefix, "PTH009"), "PTH009")
    assert finding.severity == "error"
    assert str(other.prefix) in finding.message


def test_copied_environment(tmp_path: Path) -> None:
    original = venv(tmp_path / "original")
    for name in ("alpha", "beta", "gamma", "delta", "epsilon"):
        tool(original, name, f"#!{original.python}")
    shutil.copytree(original.prefix, tmp_path / "copy", symlinks=True)
    finding = only(diagnose(tmp_path / "copy", "PTH009"), "PTH009")
    assert "4 others" in finding.message
    assert len([s for s in finding.subjects if s.kind == "file"]) == 5
    assert diagnose(original.prefix, "PTH009") == []


@pytest.mark.parametrize(
    "head",
    [
        "#!{python}",
        "#!{python}3 -E",
        "#!{link}/bin/python",
        "#!/usr/bin/env python3",
        "#!/usr/bin/env -S python3 -u",
        "#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''",
        "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''",
        "#!/bin/sh\n'''exec' \"$(dirname \"$0\")/python3\" \"$0\" \"$@\"\n' '''",
        "#!/bin/bash\necho no python",
        "#!/usr/bin/perl",
        "no shebang",
    ],
)
def test_healthy_heads(env: Env, tmp_path: Path, head: str) -> None:
    (tmp_path / "link").symlink_to(env.prefix)
    tool(env, "alpha", head.format(python=env.python, link=tmp_path / "link"))
    assert diagnose(env.prefix, "PTH009") == []


def test_a_linked_prefix(env: Env, tmp_path: Path) -> None:
    tool(env, "alpha", f"#!{env.python}")
    (tmp_path / "link").symlink_to(env.prefix)
    assert diagnose(tmp_path / "link", "PTH009") == []


@pytest.mark.parametrize("folder", ["with space", "x" * 140])
def test_long_and_odd_paths_by_pip_itself(tmp_path: Path, folder: str) -> None:
    env = venv(tmp_path / folder, pip=True)
    head = (env.prefix / "bin" / "pip").read_text().splitlines()[:2]
    assert head[0] == "#!/bin/sh"
    assert diagnose(env.prefix, "PTH009") == []
    env.prefix.rename(tmp_path / "moved")
    finding = only(diagnose(tmp_path / "moved", "PTH009"), "PTH009")
    assert finding.subjects[0].path == "bin/pip"


def test_scripts_shipped_with_a_fixed_interpreter_are_info(env: Env) -> None:
    tool(env, "shipped", "#!/usr/bin/python3", entry_point=False)
    assert errors(diagnose(env.prefix, "PTH009")) == []


def test_scripts_of_nobody(env: Env) -> None:
    (env.prefix / "bin" / "mine").write_text("#!/gone/bin/python\n")
    (env.prefix / "bin" / "theirs").write_text("#!/usr/bin/python3\n")
    assert [f.severity for f in diagnose(env.prefix, "PTH009")] == ["warning"] * (1 if os.path.exists("/usr/bin/python3") else 2)


def test_an_executable_script_of_nobody_is_an_error(env: Env) -> None:
    long = "#!/bin/sh\n'''exec' '/go ne/bin/python3' \"$0\" \"$@\"\n' '''\n"
    for name, line in (("mine", "#!/gone/bin/python\n"), ("long", long)):
        (env.prefix / "bin" / name).write_text(line)
        (env.prefix / "bin" / name).chmod(0o755)
    assert [f.severity for f in diagnose(env.prefix, "PTH009")] == ["error", "error"]


def test_scripts_of_a_mounted_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for folder in ("etc", "usr/bin", "usr/lib", "proc", "opt/env/bin"):
        (root / folder).mkdir(parents=True)
    (root / "etc" / "os-release").write_text("ID=debian\n")
    (root / "usr" / "bin" / "python3.11").write_bytes(Path(os.path.realpath(sys.executable)).read_bytes()[:4096])
    (root / "usr" / "bin" / "python3").symlink_to("python3.11")
    bin_folder = root / "opt" / "env" / "bin"
    (bin_folder / "python").symlink_to("/usr/bin/python3")
    (root / "opt" / "env" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n")
    env = Env(root / "opt" / "env")
    (env.prefix / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    tool(env, "alpha", "#!/opt/env/bin/python")
    tool(env, "beta", "#!/opt/gone/bin/python")
    found = diagnose(env.prefix, "PTH009")
    assert [f.subjects[0].path for f in found] == ["bin/beta"]
    (root / "opt" / "env" / "bin" / "activate").write_text("VIRTUAL_ENV=/opt/env\n")
    records = snapshot_of(env.prefix).prefix_records
    assert [(r.prefix, r.same) for r in records] == [("/opt/env", True)]


def test_hostile_bin(env: Env) -> None:
    folder = env.prefix / "bin"
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    (folder / "empty").write_bytes(b"")
    (folder / "junk").write_bytes(b"#!" + bytes(range(256)) * 64)
    (folder / "spaces").write_bytes(b"#!     \n")
    (folder / "latin").write_bytes(b"#!/caf\xe9/bin/python\n")
    (folder / "quote").write_bytes(b"#!/bin/sh\n'''exec' \"/x $0\n")
    (folder / os.fsdecode(b"n\xe9me")).write_bytes(b"#!/gone/bin/python\n")
    (folder / "dir").mkdir()
    found = diagnose(env.prefix, "PTH009")
    assert {f.severity for f in found} == {"warning"}


# --------------------------------------------------------------------------------------------------------------- PTH010
def kernel(base: Path, name: str, argv: object) -> Path:
    path = base / "kernels" / name / "kernel.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"argv": argv, "display_name": name, "language": "python"}))
    return path


def test_kernel_of_a_gone_interpreter(env: Env) -> None:
    kernel(
        env.prefix / "share" / "jupyter", "python3", ["/gone/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    )
    finding = only(diagnose(env.prefix, "PTH010"), "PTH010")
    assert finding.severity == "warning"
    assert finding.subjects[0].path == "share/jupyter/kernels/python3/kernel.json"
    assert "/gone/bin/python" in finding.message


def test_kernel_of_another_environment(env: Env, tmp_path: Path) -> None:
    other = venv(tmp_path / "other")
    kernel(env.prefix / "share" / "jupyter", "python3", [str(other.python), "-m", "ipykernel_launcher"])
    kernel(env.prefix / "share" / "jupyter", "other", [str(other.python), "-m", "ipykernel_launcher"])
    assert sorted(f.severity for f in diagnose(env.prefix, "PTH010")) == ["info", "warning"]


def test_healthy_kernels(env: Env, tmp_path: Path) -> None:
    other = venv(tmp_path / "other")
    (tmp_path / "link").symlink_to(env.prefix)
    share = env.prefix / "share" / "jupyter"
    kernel(share, "python3", ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"])
    kernel(share, "full", [str(env.python), "-m", "ipykernel_launcher"])
    kernel(share, "linked", [f"{tmp_path}/link/bin/python3", "-m", "ipykernel_launcher"])
    kernel(share, "bash", ["bash", "-c", "x"])
    kernel(tmp_path / ".local" / "share" / "jupyter", "other", [str(other.python), "-m", "ipykernel_launcher"])
    assert diagnose(env.prefix, "PTH010", environ={"PATH": "", "HOME": str(tmp_path)}) == []


@pytest.mark.parametrize("variable", ["HOME", "XDG_DATA_HOME", "JUPYTER_DATA_DIR", "JUPYTER_PATH"])
def test_the_users_kernel_is_gone(env: Env, tmp_path: Path, variable: str) -> None:
    base = {"HOME": ".local/share/jupyter", "XDG_DATA_HOME": "jupyter"}.get(variable, ".")
    kernel(tmp_path / base, "old", ["/gone/bin/python", "-m", "ipykernel_launcher"])
    finding = only(diagnose(env.prefix, "PTH010", environ={"PATH": "", variable: str(tmp_path)}), "PTH010")
    assert "old" in finding.message


def test_hostile_kernels(env: Env) -> None:
    share = env.prefix / "share" / "jupyter"
    for name, argv in {"a": [], "b": "x", "c": [1], "d": ["\ud800/bin/python"]}.items():
        kernel(share, name, argv)
    folder = share / "kernels"
    for name, data in {"deep": b"[" * 200_000, "empty": b"", "latin": b'{"argv": ["\xe9"]}'}.items():
        (folder / name).mkdir()
        (folder / name / "kernel.json").write_bytes(data)
    (folder / "fifo").mkdir()
    os.mkfifo(folder / "fifo" / "kernel.json")
    (folder / "file").write_text("")
    found = diagnose(env.prefix, "PTH010")
    assert {f.severity for f in found} == {"warning"}
    assert len(found) >= 7
