"""The builder itself: its prefixes are real, and its dialects are those of the recorded writers."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.conda import WRITERS, conda_prefix, dialects, foreign_prefix, pythons

RECORDINGS = Path(os.environ.get("ENVDOCTOR_SHARED") or Path(__file__).resolve().parents[3] / "shared") / "recordings"
recorded = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside this checkout")
ELSEWHERE = ("indexed_timestamp",)
"""What the local index adds."""


def load(place: str, name: str) -> dict[str, Any]:
    """A recorded record."""
    return json.loads(next((RECORDINGS / f"conda-meta-{place}").glob(f"{name}-*.json")).read_text())  # type: ignore[no-any-return]


def originals(name: str) -> dict[str, dict[str, Any]]:
    """info/paths.json of a recorded package, as conda's record repeats it."""
    return {row["_path"]: row for row in load("cx", name)["paths_data"]["paths"]}


def comparable(record: dict[str, Any]) -> dict[str, Any]:
    """`record` without what depends on the place: folders, and hashes of files that name the prefix."""
    out = copy.deepcopy(record)
    for key in ("package_tarball_full_path", "extracted_package_dir", "link"):
        out[key] = str(out[key]).rsplit("/", 1)[-1]
    for row in out["paths_data"]["paths"]:
        if row.get("sha256") != row.get("sha256_in_prefix"):
            row.pop("sha256_in_prefix", None)
    return out


@recorded
@pytest.mark.parametrize("name", ["python", "numpy"])
@pytest.mark.parametrize(
    ("writer", "place", "root"), [("conda", "cx", "/home/user/croot"), ("micromamba", "mx", "/home/user/mroot")]
)
def test_dialect_is_the_recorded_one(name: str, writer: str, place: str, root: str, tmp_path: Path) -> None:
    """What rattler wrote, converted, is what the other writer wrote for the same package."""
    real = load(place, name)
    source = {key: value for key, value in load("w-env", name).items() if key not in ELSEWHERE}
    spec = {"python": "python=3.11", "numpy": "numpy"}[name]
    made = dialects.convert(source, writer, originals(name), prefix=tmp_path, spec=spec, root=root)
    assert list(made) == list(real)
    assert comparable(made) == comparable(real)
    assert made["link"] == real["link"]
    assert made["extracted_package_dir"] == real["extracted_package_dir"]
    assert made["package_tarball_full_path"] == real["package_tarball_full_path"]


@recorded
def test_compiled_modules_as_micromamba_records_them(tmp_path: Path) -> None:
    """noarch: python, with the .pyc files that it made."""
    real, source = load("mx", "click"), load("w-env", "click")
    compiled = [dialects.compiled_path(path, "cpython-311") for path in source["files"] if path.endswith(".py")]
    made = dialects.convert(source, "micromamba", {}, prefix=tmp_path, spec="click", compiled=compiled, root="/home/user/mroot")
    assert list(made) == list(real)
    assert comparable(made) == comparable(real)


@pytest.mark.parametrize("writer", WRITERS)
def test_prefix_runs_and_agrees_with_its_records(writer: str, tmp_path: Path) -> None:
    """Its Python runs from there; hashes and sizes are what the dialect says they are."""
    env = conda_prefix(tmp_path, writer)
    done = env.run("-c", "import sys, ssl, sqlite3, ctypes, jinja2; print(sys.prefix)")
    assert done.stdout.strip() == str(env.prefix), done.stderr
    assert env.run("-m", "pip", "--version").returncode == 0
    home = str(Path.home() / ".cache").encode()
    for name, record in env.records().items():
        assert record["files"] or name in ("_libgcc_mutex", "python_abi"), name
        for row in record["paths_data"]["paths"]:
            path = env.prefix / row["_path"]
            assert os.path.lexists(path), row["_path"]
            if row["path_type"] == "pyc_file" or path.is_symlink():
                continue
            data = path.read_bytes()
            assert home not in data
            wanted = row.get("sha256_in_prefix", row.get("sha256"))
            assert wanted in (None, hashlib.sha256(data).hexdigest()), row
            if row.get("sha256") == wanted and "size_in_bytes" in row:
                assert row["size_in_bytes"] == len(data)
    assert b"_placehold_" not in (env.prefix / "lib/pathways.bin").read_bytes()
    assert env.run("-c", "import runpy").returncode == 0


def test_damage_stays_with_the_test(tmp_path: Path) -> None:
    """Two copies share nothing."""
    one = conda_prefix(tmp_path, name="one")
    (one.prefix / "lib/pathways.bin").write_bytes(b"damaged")
    (one.site / "click/__init__.py").write_text("raise SystemExit('damaged')")
    other = conda_prefix(tmp_path, name="other")
    assert other.imports("click")
    assert (other.prefix / "lib/pathways.bin").stat().st_nlink == 1


def test_overlays(tmp_path: Path) -> None:
    """pip and uv over conda's packages, and pip that removes one."""
    env = conda_prefix(tmp_path, pip=("click==8.1.3",), uv=("certifi==2025.1.31",), pip_uninstall=("jinja2",))
    listed = {d.name for d in env.site.glob("*.dist-info")}
    assert {"click-8.1.3.dist-info", "certifi-2025.1.31.dist-info"} <= listed
    assert env.record("click")["version"] == "8.1.8"
    assert env.record("jinja2") and not env.imports("jinja2")


@pytest.mark.parametrize("subdir", ["osx-arm64", "win-64"])
def test_foreign(subdir: str, tmp_path: Path) -> None:
    """The files are those of the other platform."""
    env = foreign_prefix(tmp_path, subdir, "micromamba")
    binary = (env.prefix / ("python.exe" if subdir == "win-64" else "bin/python")).read_bytes()[:4]
    assert binary.startswith(b"MZ" if subdir == "win-64" else b"\xcf\xfa\xed\xfe")
    assert {record["subdir"] for record in env.records().values()} == {subdir, "noarch"}
    assert "colorama" in env.records() if subdir == "win-64" else "colorama" not in env.records()


@pytest.mark.parametrize("minor", [minor for minor in pythons() if minor != next(iter(pythons()))][-1:])
def test_other_python(minor: str, tmp_path: Path) -> None:
    """Another interpreter of this machine."""
    env = conda_prefix(tmp_path, "rattler", python=minor)
    assert env.run("-c", "import sys; print('%d.%d' % sys.version_info[:2])").stdout.strip() == minor
