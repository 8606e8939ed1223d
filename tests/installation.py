"""A Python installation of the test's own, that may be damaged: the running one's, by links."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from tests.builders import Env

SHORT = f"{sys.version_info[0]}.{sys.version_info[1]}"


def installation(prefix: Path) -> Env:
    """A copy of the running interpreter's installation: its binary, and its standard library as a folder of links.

    ``lib-dynload`` is a real folder whose files are links, so a test can take modules away.
    """
    stdlib = Path(sysconfig.get_path("stdlib"))
    real = Path(os.path.realpath(sys.executable))
    (prefix / "bin").mkdir(parents=True)
    shutil.copy2(real, prefix / "bin" / f"python{SHORT}")
    for name in ("python", "python3"):
        (prefix / "bin" / name).symlink_to(f"python{SHORT}")
    for library in real.parent.parent.glob("lib/libpython*"):
        (prefix / "lib").mkdir(exist_ok=True)
        (prefix / "lib" / library.name).symlink_to(os.path.realpath(library))
    lib = prefix / "lib" / stdlib.name
    lib.mkdir(parents=True)
    for entry in stdlib.iterdir():
        if entry.name not in ("lib-dynload", "site-packages", "dist-packages", "EXTERNALLY-MANAGED"):
            (lib / entry.name).symlink_to(entry)
    if "dist-packages" in (stdlib / "site.py").read_text(encoding="utf-8"):
        (prefix / "lib/python3/dist-packages").mkdir(parents=True)
    (lib / "lib-dynload").mkdir()
    (lib / "site-packages").mkdir()
    for entry in (stdlib / "lib-dynload").iterdir():
        (lib / "lib-dynload" / entry.name).symlink_to(entry)
    return Env(prefix)


def own_site(env: Env) -> Path:
    """The folder of an installation that pip installs into and Python looks at."""
    debian = env.prefix / "lib/python3/dist-packages"
    return debian if debian.is_dir() else env.site
