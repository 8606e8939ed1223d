"""Real environments for tests: venvs of real interpreters, real metadata, compiled extension modules. Nothing is mocked.

``Env`` wraps a prefix; its methods add distributions the way pip leaves them (dist-info with a true RECORD).
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path


def sha(data: bytes) -> str:
    """`data`'s hash in RECORD's form."""
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


class Env:
    """A prefix on disk."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix

    @property
    def site(self) -> Path:
        """Its site-packages."""
        for pattern in ("lib/python3*/site-packages", "lib/pypy3*/site-packages", "Lib/site-packages"):
            for found in sorted(self.prefix.glob(pattern)):
                return found
        raise FileNotFoundError(self.prefix)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.prefix / "bin" / "python"

    def dist(
        self,
        name: str,
        version: str = "1.0",
        *,
        requires: Iterable[str] = (),
        files: Mapping[str, str | bytes] | None = None,
        tags: Iterable[str] = ("py3-none-any",),
        requires_python: str | None = None,
        extras: Iterable[str] = (),
        installer: str | None = "pip",
        requested: bool = True,
        entry_points: str | None = None,
        direct_url: str | None = None,
        metadata: str | bytes | None = None,
        record: bool = True,
        site: Path | None = None,
        folder: str | None = None,
    ) -> Path:
        """Installs a distribution; returns its dist-info folder. `files` maps paths in site-packages to contents."""
        site = site or self.site
        base = name.replace("-", "_")
        info = site / (folder or f"{base}-{version}.dist-info")
        info.mkdir(parents=True)
        files = {f"{base}/__init__.py": f"__version__ = {version!r}\n"} if files is None else files
        rows: list[str] = []

        def put(rel: str, content: str | bytes) -> None:
            data = content.encode() if isinstance(content, str) else content
            path = site / rel
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            rows.append(f"{rel},{sha(data)},{len(data)}")

        for rel, content in files.items():
            put(rel, content)
        if metadata is None:
            lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
            lines += [f"Provides-Extra: {extra}" for extra in extras]
            lines += [f"Requires-Dist: {requirement}" for requirement in requires]
            lines += [f"Requires-Python: {requires_python}"] if requires_python else []
            metadata = "\n".join(lines) + "\n\nLong description.\n"
        put(f"{info.name}/METADATA", metadata)
        tag_lines = "".join(f"Tag: {tag}\n" for tag in tags)
        put(f"{info.name}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n{tag_lines}")
        if installer is not None:
            put(f"{info.name}/INSTALLER", f"{installer}\n")
        if requested:
            put(f"{info.name}/REQUESTED", "")
        if entry_points is not None:
            put(f"{info.name}/entry_points.txt", entry_points)
        if direct_url is not None:
            put(f"{info.name}/direct_url.json", direct_url)
        if record:
            rows.append(f"{info.name}/RECORD,,")
            (info / "RECORD").write_text("\n".join(rows) + "\n")
        return info

    def run(self, *args: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs the environment's own python for real: the proof that a planted fault is one."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "CONDA"))}
        return subprocess.run(
            [str(self.python), *args],
            capture_output=True,
            text=True,
            env={**clean, **(env or {})},
            cwd=cwd,
            timeout=120,
            check=False,
        )

    def imports(self, module: str, **options: object) -> bool:
        """`import module` works there, really."""
        return self.run("-c", f"import {module}", **options).returncode == 0  # type: ignore[arg-type]


def venv(prefix: Path, *, python: str | None = None, system_site: bool = False, pip: bool = False, symlinks: bool = True) -> Env:
    """A real ``python -m venv``."""
    command = [python or sys.executable, "-m", "venv"]
    if not pip:
        command.append("--without-pip")
    if system_site:
        command.append("--system-site-packages")
    if not symlinks:
        command.append("--copies")
    subprocess.run([*command, str(prefix)], check=True, capture_output=True, timeout=300)
    return Env(prefix)


def interpreters() -> dict[str, str]:
    """X.Y to path of every usable CPython found on this machine (PATH and pyenv), this one first for its own version."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": getattr(sys, "_base_executable", sys.executable)}
    places = [Path(p) for p in os.environ.get("PATH", "").split(os.pathsep) if p and "shims" not in p]
    places += sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin"))
    for minor in range(8, 16):
        for place in places:
            path = place / f"python3.{minor}"
            if path.is_file() and f"3.{minor}" not in found:
                done = subprocess.run([str(path), "-I", "-c", "import venv"], capture_output=True, check=False)
                if done.returncode == 0:
                    found[f"3.{minor}"] = str(path)
    return found


def compile_extension(
    folder: Path, name: str, *, file_name: str | None = None, source: str | None = None, flags: Iterable[str] = ()
) -> Path:
    """A tiny extension module compiled by gcc for the running interpreter; returns the file."""
    import sysconfig

    if shutil.which("gcc") is None:
        raise RuntimeError("gcc is needed: apt-get install gcc")
    folder.mkdir(parents=True, exist_ok=True)
    code = source or (
        "#include <Python.h>\n"
        f'static struct PyModuleDef m = {{PyModuleDef_HEAD_INIT, "{name}", 0, -1, 0}};\n'
        f"PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&m); }}\n"
    )
    c = folder / f"{name}.c"
    c.write_text(code)
    out = folder / (file_name or name + sysconfig.get_config_var("EXT_SUFFIX"))
    include = sysconfig.get_paths()["include"]
    subprocess.run(["gcc", "-shared", "-fPIC", f"-I{include}", str(c), "-o", str(out), *flags], check=True, capture_output=True)
    c.unlink()
    return out
