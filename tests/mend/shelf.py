"""A shelf of wheels that installers take from instead of the index, and environments that were installed from it for real."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.builders import Env, sha, venv
from tests.command import clean_shell


class Shelf:
    """Wheels in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def wheel(
        self,
        name: str,
        version: str = "1.0",
        *,
        requires: Iterable[str] = (),
        files: Mapping[str, str | bytes] | None = None,
        tag: str = "py3-none-any",
        extras: Iterable[str] = (),
        requires_python: str | None = None,
        scripts: Mapping[str, str] | None = None,
    ) -> Path:
        """A wheel as a build backend makes it; `scripts` are console scripts."""
        base = name.replace("-", "_")
        info = f"{base}-{version}.dist-info"
        contents = dict({f"{base}/__init__.py": f"__version__ = {version!r}\n"} if files is None else files)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {r}" for r in requires]
        lines += [f"Requires-Python: {requires_python}"] if requires_python else []
        contents[f"{info}/METADATA"] = "\n".join(lines) + "\n"
        pure = "true" if tag.endswith("none-any") else "false"
        contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: shelf\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
        if scripts:
            text = "".join(f"{script} = {target}\n" for script, target in scripts.items())
            contents[f"{info}/entry_points.txt"] = f"[console_scripts]\n{text}"
        rows = []
        path = self.folder / f"{base}-{version}-{tag}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for rel, content in contents.items():
                data = content.encode() if isinstance(content, str) else content
                archive.writestr(rel, data)
                rows.append(f"{rel},{sha(data)},{len(data)}")
            archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
        return path

    def shell(self, **more: str) -> dict[str, str]:
        """Variables with which pip and uv take from the shelf alone."""
        tools = f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
        own = {
            "PATH": tools,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.folder),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_CACHE_DIR": "1",
            "UV_NO_INDEX": "1",
            "UV_OFFLINE": "1",
            "UV_FIND_LINKS": str(self.folder),
            "UV_CACHE_DIR": str(self.folder.parent / "uv-cache"),
            "UV_LINK_MODE": "copy",
            "HOME": str(self.folder.parent),
            "XDG_CACHE_HOME": str(self.folder.parent / "cache"),
        }
        return clean_shell({**own, **more})

    def install(self, env: Env, *words: str) -> None:
        """Installs into an environment with uv, for real."""
        argv = ["uv", "pip", "install", "-q", "--python", str(env.python), *words]
        subprocess.run(argv, check=True, env=self.shell(), capture_output=True, timeout=120)

    def pip(self, env: Env, *words: str) -> None:
        """The same with the environment's own pip."""
        subprocess.run([str(env.python), "-m", "pip", *words], check=True, env=self.shell(), capture_output=True, timeout=120)

    def env(self, prefix: Path, *requirements: str, pip: bool = False) -> Env:
        """An environment with these, made by uv, or by venv with its pip."""
        if pip:
            made = venv(prefix, pip=True)
            if requirements:
                self.pip(made, "install", "-q", *requirements)
            return made
        python = getattr(sys, "_base_executable", sys.executable)
        subprocess.run(["uv", "venv", "-q", "--python", python, str(prefix)], check=True, env=self.shell(), capture_output=True)
        made = Env(prefix)
        if requirements:
            self.install(made, *requirements)
        return made


def state(folder: Path) -> dict[str, tuple[str, int, str]]:
    """Everything in a folder: kind, permissions, content; compiled modules left out, as Python writes them whenever it runs."""
    found: dict[str, tuple[str, int, str]] = {}
    for path in sorted(folder.rglob("*")):
        rel = str(path.relative_to(folder))
        if "__pycache__" in rel:
            continue
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode)
        if path.is_symlink():
            found[rel] = ("link", 0, os.readlink(path))
        elif path.is_dir():
            found[rel] = ("folder", mode, "")
        else:
            found[rel] = ("file", mode, hashlib.sha256(path.read_bytes()).hexdigest())
    return found
