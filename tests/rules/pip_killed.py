"""Really kills a real pip in the middle of an upgrade: shared by the tests of leftovers and half-installed packages.

The kill is exact: a start-up hook of this test (an audit hook, so nothing of pip is replaced) sends SIGKILL to pip itself
when it opens a chosen file for writing.
"""

from __future__ import annotations

import signal
import subprocess
import zipfile
from pathlib import Path

from tests.builders import Env, sha

KILLER = """
import os, runpy, sys
event_name, marker, left = sys.argv[1], sys.argv[2], [int(sys.argv[3])]
def hook(event, args):
    if event == event_name and isinstance(args[0], str) and marker in args[0].replace(os.sep, "/"):
        if event == "open" and not (args[2] or 0) & os.O_WRONLY | (args[2] or 0) & os.O_RDWR:
            return
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), 9)
sys.addaudithook(hook)
sys.argv = ["pip", *sys.argv[4:]]
runpy.run_module("pip", run_name="__main__")
"""


def wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> Path:
    """A wheel with these files."""
    info = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},{sha(text.encode())},{len(text.encode())}" for path, text in content.items()] + [f"{info}/RECORD,,"]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in content.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "\n".join(rows) + "\n")
    return path


def numbers(version: str, modules: int = 6) -> dict[str, str]:
    """A package ``numeric`` of several modules, with a ``.libs`` folder."""
    files = {"numeric/__init__.py": f"__version__ = {version!r}\nfrom numeric import part{modules - 1}\n"}
    files |= {f"numeric/part{index}.py": f"value = {index}, {version!r}\n" for index in range(modules)}
    return {**files, "numeric.libs/data.txt": version}


def pip(env: Env, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs the environment's own pip, offline."""
    return env.run("-m", "pip", *args, "--disable-pip-version-check", env={"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"})


def upgrade_killed(env: Env, folder: Path, marker: str, after: int = 0, *, event: str = "open") -> None:
    """Installs 1.0, then upgrades to 2.0 by a pip that dies at a chosen instant.

    It dies when it opens the `after`-th file whose path contains `marker` for writing, or, with another audit `event`
    (``shutil.rmtree``), when it does that to such a path.
    """
    old, new = wheel(folder, "numeric", "1.0", numbers("1.0")), wheel(folder, "numeric", "2.0", numbers("2.0"))
    done = pip(env, "install", "--no-deps", "--no-compile", str(old))
    assert done.returncode == 0, done.stderr
    assert env.imports("numeric")
    options = ("install", "--no-deps", "--no-compile", "--disable-pip-version-check", str(new))
    killed = env.run("-c", KILLER, event, marker, str(after), *options, env={"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"})
    assert killed.returncode == -signal.SIGKILL, (killed.returncode, killed.stdout, killed.stderr)
