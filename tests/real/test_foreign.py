"""Real wheels for macOS and Windows, unpacked as they lie in a copy of such an environment: sound ones get no error, and
what is taken out of them is found.

Downloaded with ``pip download --platform``; a wheel that the index has not is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from envdoctor.finding import Finding
from tests.builders import Env
from tests.collect.test_native import FIXTURES
from tests.images import dylib
from tests.support import diagnose, errors, only

pytestmark = pytest.mark.real

WORK = Path(os.environ.get("ENVDOCTOR_REAL_DIR") or Path(__file__).parents[2] / ".work" / "real")
"""Wheels that were downloaded are kept in its folder ``wheels``."""
CODES = ("LIB", "ARC", "PTH004", "INT009")
SETS = {
    "science": "numpy scipy h5py pandas scikit-learn matplotlib pillow contourpy kiwisolver tables blosc2 netCDF4 numba llvmlite",
    "geo": "numpy pyproj rasterio fiona shapely pyogrio",
    "media": "numpy opencv-python-headless av soundfile PySide6-essentials shiboken6 vtk",
    "learning": "numpy torch torchvision pyarrow onnxruntime xgboost faiss-cpu tokenizers sentencepiece catboost",
    "web": "lxml cryptography cffi grpcio protobuf psycopg2-binary pyzmq pydantic-core gevent greenlet lmdb pymssql duckdb",
}
MAC = [f"macosx_{v}_{a}" for v in ("10_9", "10_12", "10_15", "11_0", "12_0", "13_0", "14_0") for a in ("arm64", "universal2")]
PLATFORMS = {"mac": [*MAC], "windows": ["win_amd64"]}


def wheels(system: str, requirements: str) -> list[Path]:
    """The wheels, from the folder or from the index."""
    found = []
    for requirement in requirements.split():
        folder = WORK / "wheels" / system / requirement
        if not any(folder.glob("*.whl")):
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder)]
            command += ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none"]
            for platform in PLATFORMS[system]:
                command += ["--platform", platform]
            subprocess.run([*command, requirement], capture_output=True, timeout=900, check=False)
        found += sorted(folder.glob("*.whl"))
    if not found:
        pytest.skip("the index has no such wheels, or is not reachable")
    return found


def unpacked(prefix: Path, system: str, requirements: str) -> Env:
    """A foreign environment with these wheels."""
    if system == "mac":
        site = prefix / "lib/python3.11/site-packages"
        (prefix / "bin").mkdir(parents=True)
        (prefix / "bin/python").write_bytes(dylib(kind=2))
        (prefix / "pyvenv.cfg").write_text("home = /opt/homebrew/bin\nversion = 3.11.5\ninclude-system-site-packages = false\n")
    else:
        site = prefix / "Lib/site-packages"
        (prefix / "Scripts").mkdir(parents=True)
        (prefix / "Scripts/python.exe").write_bytes((FIXTURES / "windows-x86_64.pe").read_bytes())
        (prefix / "pyvenv.cfg").write_text("home = C:\\Python311\nversion = 3.11.5\ninclude-system-site-packages = false\n")
    site.mkdir(parents=True)
    for wheel in wheels(system, requirements):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    return Env(prefix)


def found_in(env: Env) -> list[Finding]:
    findings = diagnose(env.prefix, *CODES)
    for finding in findings:
        print(f"  {finding.severity:<8}{finding.code}  {finding.message}")
    return findings


@pytest.fixture
def prefix(tmp_path: Path) -> Iterator[Path]:
    """A folder for an environment, which is gone afterwards: these are gigabytes."""
    yield tmp_path / "env"
    shutil.rmtree(tmp_path / "env", ignore_errors=True)


@pytest.mark.parametrize("system", sorted(PLATFORMS))
@pytest.mark.parametrize("name", sorted(SETS))
def test_sound_wheels_have_no_error(prefix: Path, system: str, name: str) -> None:
    assert errors(found_in(unpacked(prefix, system, SETS[name]))) == []


@pytest.mark.parametrize(
    ("system", "wheel", "gone", "module"),
    [
        ("mac", "scipy", "scipy/.dylibs/libscipy_openblas.dylib", "scipy.linalg"),
        ("mac", "scipy", "scipy/.dylibs/libgfortran.5.dylib", "scipy"),
        ("mac", "pillow", "PIL/.dylibs/libjpeg.*.dylib", "PIL._imaging"),
        ("mac", "h5py", "h5py/.dylibs/libhdf5.*.dylib", "h5py"),
        ("mac", "rasterio", "rasterio/.dylibs/libz.*.dylib", "rasterio"),
        ("mac", "pyarrow", "pyarrow/libarrow_python.*.dylib", "pyarrow"),
        ("mac", "torch", "torch/lib/libc10.dylib", "torch"),
        ("mac", "PySide6-essentials shiboken6", "PySide6/Qt/lib/QtCore.framework/Versions/A/QtCore", "PySide6"),
        ("windows", "numpy", "numpy.libs/libscipy_openblas64_*.dll", "numpy"),
        ("windows", "shapely numpy", "shapely.libs/geos-*.dll", "shapely"),
        ("windows", "shapely numpy", "shapely.libs/geos_c-*.dll", "shapely"),
        ("windows", "h5py", "h5py/hdf5.dll", "h5py"),
        ("windows", "pyarrow", "pyarrow/arrow_python.dll", "pyarrow"),
        ("windows", "scikit-learn", "sklearn/.libs/vcomp140.dll", "sklearn"),
        ("windows", "torch", "torch/lib/c10.dll", "torch"),
        ("windows", "torch", "torch/lib/torch_cpu.dll", "torch"),
        ("windows", "PySide6-essentials shiboken6", "PySide6/Qt6Core.dll", "PySide6"),
    ],
)
def test_a_library_taken_out(prefix: Path, system: str, wheel: str, gone: str, module: str) -> None:
    env = unpacked(prefix, system, wheel)
    paths = sorted(env.site.glob(gone))
    for path in paths:
        path.unlink()
    finding = only(errors(found_in(env)), "LIB001")
    assert any(path.name.lower() in finding.message.lower() for path in paths)
    assert "brought and which is gone" in finding.message
    assert finding.subjects[0].name == wheel.split()[0].lower()
    assert any(module.partition(".")[0] in line for line in finding.evidence)


@pytest.mark.parametrize("system", sorted(PLATFORMS))
def test_a_torchvision_for_another_torch(prefix: Path, system: str) -> None:
    """The operators of torchvision 0.20 are for torch 2.5."""
    (finding,) = [f for f in found_in(unpacked(prefix, system, "torch torchvision==0.20.1")) if f.code == "LIB003"]
    assert finding.severity in ("error", "warning")
    assert {subject.name for subject in finding.subjects} >= {"torchvision", "torch"}


def test_the_openmp_that_homebrew_brings(prefix: Path) -> None:
    """lightgbm's wheel ships none: its Mac must have it. A warning with brew's package, no error."""
    finding = only(found_in(unpacked(prefix, "mac", "lightgbm numpy scipy")), "LIB001")
    assert finding.severity == "warning"
    assert finding.subjects[0].name == "lightgbm"
    assert ("brew", "install", "libomp") in [command for fix in finding.fixes for command in fix.commands]


def test_the_openmp_of_visual_studio(prefix: Path) -> None:
    """torch 2.4.0 asks for a DLL that no redistributable has."""
    findings = [f for f in found_in(unpacked(prefix, "windows", "torch==2.4.0")) if "libomp140" in f.message]
    assert [(f.code, f.severity, f.subjects[0].name) for f in findings] == [("LIB001", "warning", "torch")]
