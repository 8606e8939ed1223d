"""One local channel for three platforms, of real packages that install, made of the channels of ``tests.conda``."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from tests.conda import channel, native_subdir, store, wheels

PLATFORMS = ("osx-arm64", "win-64")


def platforms() -> tuple[str, ...]:
    """This machine's and two others, sorted."""
    return tuple(sorted((native_subdir(), *PLATFORMS)))


def everywhere(minor: str = "3.11") -> Path:
    """The folder of a channel with Python `minor` (X.Y), its libraries and some pure packages for all ``platforms()``."""
    made_from = [channel.folder(minor, subdir) / "conda-forge" for subdir in platforms()]

    def make(place: Path) -> None:
        (place / "chan" / "noarch").mkdir(parents=True)
        for folder, subdir in zip(made_from, platforms(), strict=True):
            shutil.copytree(folder / subdir, place / "chan" / subdir, copy_function=os.link)
            for file in (folder / "noarch").iterdir():
                target = place / "chan" / "noarch" / file.name
                if file.name.endswith((".conda", ".tar.bz2")) and not target.exists():
                    os.link(file, target)
        for version in ("8.1.7", "8.1.8"):
            for extra, build in (["__unix"], "pyhu"), (["__win", "colorama"], "pyhw"):
                package = wheels.noarch(f"click=={version}")
                package.depends = [*package.depends, *extra]
                package.build = f"{build}{package.build[4:]}"
                package.write(place / "chan", ".conda")
        for path in (place / "chan" / "noarch").glob("click-*-pyhd*"):
            path.unlink()
        from rattler.index import index_fs

        asyncio.run(index_fs(place / "chan", write_zst=False, write_shards=False, force=True))

    here = Path(__file__).read_text(encoding="utf-8")
    digest = store.digest(store.code("channel", "package", "cpython", "wheels"), here, *(str(path) for path in made_from))
    return store.kept(f"everywhere-{minor}-{digest}", make) / "chan"
