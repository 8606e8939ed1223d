"""Editable installs made by pip and uv with the real build backends, then moved away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import Env, venv
from tests.support import diagnose, only

BACKENDS = {
    "setuptools-path": '[build-system]\nrequires = ["setuptools>=64"]\nbuild-backend = "setuptools.build_meta"\n',
    "setuptools-finder": '[build-system]\nrequires = ["setuptools>=64"]\nbuild-backend = "setuptools.build_meta"\n'
    '[tool.setuptools]\npackage-dir = {proj = "code"}\npackages = ["proj"]\n',
    "setuptools-compat": '[build-system]\nrequires = ["setuptools>=64"]\nbuild-backend = "setuptools.build_meta"\n',
    "setuptools-strict": '[build-system]\nrequires = ["setuptools>=64"]\nbuild-backend = "setuptools.build_meta"\n',
    "hatchling": '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
    "flit": '[build-system]\nrequires = ["flit_core>=3.4"]\nbuild-backend = "flit_core.buildapi"\n',
    "pdm": '[build-system]\nrequires = ["pdm-backend"]\nbuild-backend = "pdm.backend"\n',
}


@pytest.fixture(scope="module")
def pip_env(tmp_path_factory: pytest.TempPathFactory) -> Env:
    return venv(tmp_path_factory.mktemp("editable") / "env", pip=True)


def uv() -> str | None:
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.exists() else shutil.which("uv")


@pytest.mark.real
@pytest.mark.parametrize("tool", ["pip", "uv"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_really_installed(pip_env: Env, tmp_path: Path, backend: str, tool: str) -> None:
    folder = tmp_path / "project"
    name = f"proj-{backend}-{tool}"
    code = folder / ("code" if backend == "setuptools-finder" else "proj")
    code.mkdir(parents=True)
    (code / "__init__.py").write_text("value = 1\n")
    text = f'[project]\nname = "{name}"\nversion = "0.1"\ndescription = "x"\n' + BACKENDS[backend]
    text += '[tool.hatch.build.targets.wheel]\npackages = ["proj"]\n'
    text += '[tool.flit.module]\nname = "proj"\n[tool.pdm.build]\nincludes = ["proj"]\n'
    (folder / "pyproject.toml").write_text(text)
    mode = backend.partition("-")[2]
    if tool == "uv":
        if uv() is None:
            pytest.skip("no uv")
        command = [str(uv()), "pip", "install", "--python", str(pip_env.python), "--no-deps", "-e", str(folder)]
    else:
        command = [str(pip_env.python), "-m", "pip", "install", "--no-deps", "-e", str(folder)]
    if mode in ("compat", "strict"):
        command += ["-C" if tool == "uv" else "--config-settings", f"editable_mode={mode}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**_environ(), "UV_LINK_MODE": "copy"})
    if done.returncode and ("no such option" in done.stderr or "editable_mode" in done.stderr):
        pytest.skip(done.stderr[-200:])
    assert done.returncode == 0, done.stderr
    try:
        assert pip_env.imports("proj", cwd=tmp_path)
        assert diagnose(pip_env.prefix, "PKG004", "PKG009", "PKG010", "PKG014") == []
        folder.rename(tmp_path / "moved")
        assert not pip_env.imports("proj", cwd=tmp_path)
        assert only(diagnose(pip_env.prefix, "PKG010"), "PKG010").subjects[0].name == name
    finally:
        remove = [str(pip_env.python), "-m", "pip", "uninstall", "-y", name]
        subprocess.run(remove, capture_output=True, check=False)


def _environ() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "CONDA"))}
