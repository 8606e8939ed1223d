"""The walk: folders that nothing touched since an installer wrote their RECORD are believed, all others are listed.

The wheel is installed by real installers, because it is their order of writing that the walk relies on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from envdoctor.collect import records, tree
from tests.builders import Env, sha, venv
from tests.support import diagnose, snapshot_of

FOLDERS, FILES = 12, 6


def wheel(folder: Path) -> Path:
    """A wheel of many folders, each with modules and data."""
    path = folder / "alpha-1.0-py3-none-any.whl"
    contents = {"alpha/__init__.py": b"", "alpha/data.txt": b"data"}
    for i in range(FOLDERS):
        for j in range(FILES):
            contents[f"alpha/p{i}/m{j}.py"] = b"x = 1\n"
            contents[f"alpha/p{i}/d{j}.json"] = b"{}\n"
        contents[f"alpha/p{i}/only/data/x.bin"] = b"\0"
    info = "alpha-1.0.dist-info"
    contents[f"{info}/METADATA"] = b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n"
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    rows = [f"{name},{sha(data)},{len(data)}" for name, data in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,\n"]).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, data in contents.items():
            file.writestr(name, data)
    return path


@pytest.fixture(params=["pip", "uv"])
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Env:
    env = venv(tmp_path / "env")
    made = wheel(tmp_path)
    if request.param == "pip":
        command = [sys.executable, "-m", "pip", "--python", str(env.python), "install", "-q", "--no-index", str(made)]
        if subprocess.run([sys.executable, "-m", "pip", "--version"], check=False, capture_output=True).returncode:
            pytest.skip("no pip beside the tests")
    else:
        uv = shutil.which("uv", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]))
        if uv is None:
            pytest.skip("no uv")
        command = [
            uv,
            "pip",
            "install",
            "-q",
            "--offline",
            "--no-index",
            "--link-mode=copy",
            "--python",
            str(env.python),
            str(made),
        ]
    subprocess.run(command, check=True, capture_output=True)
    return env


def walked(env: Env) -> tuple[records.Recorded, tree.Tree]:
    recorded = records.read(str(env.site))
    return recorded, tree.walk(str(env.site), recorded)


def told(env: Env) -> list[str]:
    return sorted(f.code for f in diagnose(env.prefix, "PKG006", "PKG007", "PKG008", "PKG014") if f.subjects[0].name == "alpha")


def test_what_nothing_touched_is_believed_and_the_same_as_listed(installed: Env) -> None:
    recorded, believed = walked(installed)
    assert list(recorded.untouched) == ["alpha-1.0.dist-info"]
    listed = tree.walk(str(installed.site), recorded, deep=True)
    assert set(believed.files) == set(listed.files) and believed.folders == listed.folders and believed.known == listed.known
    assert (believed.different, believed.absent, believed.natives) == (listed.different, listed.absent, listed.natives)
    assert "alpha" in believed.with_modules and told(installed) == []


def unlink_data(site: Path) -> None:
    (site / "alpha/p3/d2.json").unlink()


def unlink_deep_data(site: Path) -> None:
    (site / "alpha/p3/only/data/x.bin").unlink()


def unlink_module(site: Path) -> None:
    (site / "alpha/p3/m2.py").unlink()


def remove_folder(site: Path) -> None:
    shutil.rmtree(site / "alpha/p4")


def remove_package(site: Path) -> None:
    shutil.rmtree(site / "alpha")


def unlink_and_set_times_back(site: Path) -> None:
    before = os.stat(site / "alpha/p3")
    (site / "alpha/p3/d2.json").unlink()
    os.utime(site / "alpha/p3", ns=(before.st_atime_ns, before.st_mtime_ns))


def row_for_what_never_was(site: Path) -> None:
    time.sleep(0.1)
    with (site / "alpha-1.0.dist-info/RECORD").open("a") as file:
        file.write("alpha/p3/never.json,,1\n")


def dangling_link(site: Path) -> None:
    (site / "alpha/p3/m2.py").unlink()
    (site / "alpha/p3/m2.py").symlink_to("nowhere.py")


def fifo(site: Path) -> None:
    (site / "alpha/p3/m2.py").unlink()
    os.mkfifo(site / "alpha/p3/m2.py")


def file_for_folder(site: Path) -> None:
    shutil.rmtree(site / "alpha/p4/only")
    (site / "alpha/p4/only").write_text("")


@pytest.mark.parametrize(
    "damage",
    [
        unlink_data,
        unlink_deep_data,
        unlink_module,
        remove_folder,
        unlink_and_set_times_back,
        row_for_what_never_was,
        dangling_link,
        fifo,
        file_for_folder,
    ],
)
def test_what_is_gone_is_found(installed: Env, damage: Callable[[Path], None]) -> None:
    damage(installed.site)
    assert "PKG006" in told(installed)


def test_a_package_that_is_gone(installed: Env) -> None:
    remove_package(installed.site)
    assert set(told(installed)) & {"PKG006", "PKG014"}


def test_what_is_edited_in_place_is_found(installed: Env) -> None:
    with (installed.site / "alpha/p5/m1.py").open("a") as file:
        file.write("y = 2\n")
    assert told(installed) == ["PKG007"]


def test_what_came_is_seen(installed: Env) -> None:
    (installed.site / "alpha/p5/late.py").write_text("")
    (installed.site / "alpha/p5/more").mkdir()
    (installed.site / "alpha/p5/more/late.so").write_bytes(b"")
    _, found = walked(installed)
    assert {"alpha/p5/late.py", "alpha/p5/more/late.so"} <= set(found.files) and "alpha/p5/more/late.so" in found.natives
    assert found.unrecorded == ["alpha/p5/late.py"]


@pytest.mark.parametrize("preserve", [True, False])
def test_a_copy_without_some_files(installed: Env, tmp_path: Path, preserve: bool) -> None:
    """Copies keep the times of files, some of folders, too: such RECORDs are not believed."""
    other = tmp_path / "other"
    shutil.copytree(
        installed.prefix,
        other,
        symlinks=True,
        ignore=shutil.ignore_patterns("d3.json") if preserve else None,
        copy_function=shutil.copy2 if preserve else shutil.copyfile,
    )
    if not preserve:
        for path in (other / installed.site.relative_to(installed.prefix)).rglob("d3.json"):
            path.unlink()
    assert any(f.code == "PKG006" for f in diagnose(other, "PKG006"))


def test_a_linked_package_folder(installed: Env, tmp_path: Path) -> None:
    shutil.move(str(installed.site / "alpha"), tmp_path / "elsewhere")
    (installed.site / "alpha").symlink_to(tmp_path / "elsewhere")
    assert told(installed) == []
    (tmp_path / "elsewhere/p1/d1.json").unlink()
    assert told(installed) == ["PKG006"]


def test_large_environments_measure_the_nearest_modules(installed: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is compared with ``--deep`` only, and the report says so."""
    with (installed.site / "alpha/p5/m1.py").open("a") as file:
        file.write("y = 2\n")
    monkeypatch.setattr(tree, "MEASURED", 20)
    gaps = snapshot_of(installed.prefix).gaps
    assert any("compared with --deep only" in gap.reason for gap in gaps)
    assert told(installed) == []
    assert [f.code for f in diagnose(installed.prefix, "PKG007", deep=True)] == ["PKG007"]
