"""Where built channels and prefixes are kept between tests and runs, and how index packages come in.

The store is ``$ENVDOCTOR_TEST_CACHE``, else ``~/.cache/envdoctor-tests``. Every folder in it is named by a hash over all
that it was made from, the code of the builder included, and appears by one rename when it is complete; makers wait for
each other by a file lock, so workers of xdist and runs beside each other build nothing twice. Folders that no run has
used for a week are removed, and those of older code after an hour.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
_HOME = Path.home()  # tests change HOME and XDG_CACHE_HOME
UNUSED_DAYS = 7
SUPERSEDED = 3600


def root() -> Path:
    """The store's folder, made if need be."""
    place = Path(os.environ.get("ENVDOCTOR_TEST_CACHE") or _HOME / ".cache" / "envdoctor-tests")
    place.mkdir(parents=True, exist_ok=True)
    return place


@cache
def code(*modules: str) -> str:
    """A hash over the source of modules of this package."""
    return digest(*[(HERE / f"{module}.py").read_text() for module in modules])


def digest(*parts: object) -> str:
    """16 hexadecimal digits for `parts` (anything that JSON takes)."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock of the file ``PATH.lock``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` of the store; `make` fills it when it is not there yet. `make` gets the folder under its last path.

    What has been made has a file ``.complete``; a folder without one is left over from a run that was killed.
    """
    place = root() / name
    mark = place / ".complete"
    if not mark.exists():
        with locked(place):
            if not mark.exists():
                shutil.rmtree(place, ignore_errors=True)
                place.mkdir(parents=True)
                make(place)
                mark.touch()
                _tidy(name.rpartition("-")[0])
    with contextlib.suppress(OSError):
        os.utime(mark)
    return place


def _tidy(kind: str) -> None:
    """Removes what no run has used for long, and of one kind (all but the hash of a name) what other code has made."""
    now = time.time()
    for mark in root().glob("*/.complete"):
        with contextlib.suppress(OSError):
            unused = now - mark.stat().st_mtime
            superseded = not kind.startswith("wheel-") and mark.parent.name.rpartition("-")[0] == kind
            if unused > (SUPERSEDED if superseded else UNUSED_DAYS * 86400):
                mark.unlink()
                shutil.rmtree(mark.parent, ignore_errors=True)


UV_PLATFORM = {
    "linux-64": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "osx-arm64": "aarch64-apple-darwin",
    "osx-64": "x86_64-apple-darwin",
    "win-64": "x86_64-pc-windows-msvc",
}


def unpacked(requirement: str, *, subdir: str = "linux-64", python: str = "3.11") -> Path:
    """A wheel of the package index for that conda platform and Python (X.Y), unpacked as it would stand in site-packages."""
    from benchmarks.sources import index_options, uv

    def make(place: Path) -> None:
        command = [uv(), "pip", "install", "-q", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy", *index_options()]
        command += ["--python-platform", UV_PLATFORM[subdir], "--python-version", python, "--target", str(place / "site")]
        run(*command, requirement)

    return kept(f"wheel-{requirement.replace('==', '-')}-{subdir}-{python}", make) / "site"


def source_archive(requirement: str, destination: Path) -> None:
    """Downloads the sdist of ``name==version`` to the file `destination`, unbuilt."""
    import urllib.request

    from benchmarks.sources import index_options, uv

    try:
        import tomllib
    except ModuleNotFoundError:
        import tomli as tomllib  # type: ignore[import-not-found, no-redef]
    command = [uv(), "pip", "compile", "-q", "--no-deps", "--format", "pylock.toml", *index_options(), "-"]
    lock = subprocess.run(command, input=requirement, capture_output=True, text=True, check=True).stdout
    sdist = tomllib.loads(lock)["packages"][0]["sdist"]
    with urllib.request.urlopen(sdist["url"], timeout=300) as answer:
        data = answer.read()
    assert hashlib.sha256(data).hexdigest() == sdist["hashes"]["sha256"]
    destination.write_bytes(data)


def run(*command: str, **options: object) -> str:
    """stdout of a command; what it said on failure is in the error."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return str(done.stdout)
