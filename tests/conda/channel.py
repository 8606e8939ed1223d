"""Local channels of real packages, and real prefixes installed from them by py-rattler."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.builders import interpreters
from tests.conda import cpython, store, wheels
from tests.conda.package import PLACEHOLDER, Package

if TYPE_CHECKING:
    import rattler

PURE = (
    "pip==25.0.1", "setuptools==75.8.0", "wheel==0.45.1", "six==1.16.0", "six==1.17.0", "packaging==24.1", "packaging==24.2",
    "click==8.1.7", "click==8.1.8", "colorama==0.4.6", "jinja2==3.1.6", "python-dateutil==2.9.0.post0", "certifi==2024.12.14",
)  # fmt: skip
NUMPY = {"3.8": ("1.23.5", "1.24.4"), "3.9": ("1.26.4", "2.0.2"), "3.13": ("2.1.3", "2.2.6"), "3.14": ("2.3.3", "2.3.5")}
VIRTUAL = {
    "linux-64": {"__unix": "0", "__linux": "5.10", "__glibc": "2.28", "__archspec": "1=x86_64"},
    "linux-aarch64": {"__unix": "0", "__linux": "5.10", "__glibc": "2.28", "__archspec": "1=aarch64"},
    "osx-arm64": {"__unix": "0", "__osx": "13.0", "__archspec": "1=m1"},
    "osx-64": {"__unix": "0", "__osx": "13.0", "__archspec": "1=x86_64"},
    "win-64": {"__win": "0", "__archspec": "1=x86_64"},
}
"""Virtual packages that solves assume."""


def native_subdir() -> str:
    """The conda platform of this machine."""
    return {"x86_64": "linux-64", "aarch64": "linux-aarch64"}[platform.machine()]


def pythons() -> dict[str, str]:
    """X.Y to executable of the interpreters here that channels can be made from."""
    return {minor: path for minor, path in _interpreters().items() if minor != "3.8"}


_interpreters = cache(interpreters)
_GCC = ("libgcc_s.so.1", "libstdc++.so.6")


def folder(minor: str, subdir: str, *, numpy: bool = False) -> Path:
    """The folder that holds the channel ``conda-forge`` for one Python and platform; with `numpy` the one with numpy only."""
    executable = _interpreters().get(minor) or _interpreters()[min(_interpreters())]
    told = cpython.facts(executable)
    made_from = store.digest(store.code("package", "cpython", "wheels", "channel"), told, minor, subdir, numpy)

    def make(place: Path) -> None:
        channel = place / "conda-forge"
        (channel / "noarch").mkdir(parents=True)
        (channel / subdir).mkdir()
        for package in _numpy(minor, subdir) if numpy else _packages(minor, subdir, executable):
            package.write(channel, ".tar.bz2" if package.name == "colorama" else ".conda")
        from rattler.index import index_fs

        asyncio.run(index_fs(channel, write_zst=False, write_shards=False, force=True))
        (place / "pkgs").mkdir()

    return store.kept(f"channel-{subdir}-{minor}{'-numpy' if numpy else ''}-{made_from}", make)


def _numpy(minor: str, subdir: str) -> list[Package]:
    return [wheels.native(f"numpy=={v}", subdir, minor) for v in NUMPY.get(minor, ("1.26.4", "2.2.6"))]


def _packages(minor: str, subdir: str, executable: str) -> list[Package]:
    fetch: list[tuple[str, str]] = [(requirement, "linux-64") for requirement in (*PURE, "tzdata==2025.1")]
    with ThreadPoolExecutor(6) as pool:  # downloads wait for the network
        list(pool.map(lambda pair: store.unpacked(pair[0], subdir=pair[1]), fetch))
    if subdir.startswith("osx"):
        out = cpython.for_macos(minor, subdir, executable)
    elif subdir == "win-64":
        out = [*cpython.for_windows(minor), Package("ucrt", "10.0.22621.0", "h57928b3_1", "win-64", build_number=1)]
    else:
        out = [*cpython.for_linux(executable, subdir), *_gcc(subdir, executable)]
    out.append(cpython.python_abi(minor))
    for requirement in PURE:
        package = wheels.noarch(requirement)
        if package.name == "click":  # conda-forge has two of it, for the sake of colorama
            package.depends = [*package.depends, *(["__win", "colorama"] if subdir == "win-64" else ["__unix"])]
        out.append(package)
    out.append(wheels.native("markupsafe==3.0.2", subdir, minor))
    return [*out, _tzdata(), *_certificates(), pathways(subdir)]


def _gcc(subdir: str, executable: str) -> list[Package]:
    """libgcc and libstdcxx: this machine's own, with the links that conda's have."""
    out = [Package("_libgcc_mutex", "0.1", "conda_forge", subdir)]
    system = cpython.needs(Path(os.path.realpath(executable)))["libc.so.6"].parent
    places = [folder / name for folder in (system, Path("/usr") / system.relative_to("/")) for name in _GCC]
    found = {path.name: path for path in reversed(places) if path.exists()}
    for name, soname in (("libgcc", "libgcc_s.so.1"), ("libstdcxx", "libstdc++.so.6")):
        package = Package(name, "14.2.0", "h77fa898_1", subdir, build_number=1)
        package.depends = ["_libgcc_mutex 0.1 conda_forge"] if name == "libgcc" else ["libgcc 14.2.0 h77fa898_1"]
        if soname in found:
            real = Path(os.path.realpath(found[soname]))
            package.add(f"lib/{real.name}", real.read_bytes(), 0o755)
            if real.name != soname:
                package.link(f"lib/{soname}", real.name)
        out.append(package)
    return out


def _tzdata() -> Package:
    package = Package("tzdata", "2025a", "h78e105d_0", "noarch", noarch="generic")
    zones = store.unpacked("tzdata==2025.1") / "tzdata" / "zoneinfo"
    for path in sorted(zones.rglob("*")):
        rel = path.relative_to(zones).as_posix()
        if path.is_file() and path.suffix != ".py" and rel.startswith(("Europe/", "Etc/", "UTC", "tzdata")):
            package.add(f"share/zoneinfo/{rel}", path.read_bytes())
    return package


def _certificates() -> list[Package]:
    package = Package("ca-certificates", "2024.12.14", "hbcca054_0", "noarch", noarch="generic")
    package.add("ssl/cacert.pem", (store.unpacked("certifi==2024.12.14") / "certifi" / "cacert.pem").read_bytes())
    package.link("ssl/cert.pem", "cacert.pem")
    return [package]


def pathways(subdir: str) -> Package:
    """A package of ours with every kind of path that packages have."""
    package = Package("pathways", "1.0", "h0123456_0", subdir, summary="paths of all kinds")
    prefix = PLACEHOLDER.encode()
    package.add(
        "etc/pathways.cfg", b"[paths]\nroot = " + prefix + b"\nshare = " + prefix + b"/share/pathways\n", placeholder="text"
    )
    package.add("lib/pathways.bin", b"\x7fBIN\0" + prefix + b"/share/pathways\0\x01\x02" + bytes(32), placeholder="binary")
    package.add("bin/pathways", b"#!" + prefix + b"/bin/python\nprint('pathways')\n", 0o755, placeholder="text")
    package.add("share/pathways/empty", b"")
    package.add("share/pathways/deep/er/data.txt", b"data\n" * 100)
    package.add("share/pathways/na\u00efve \u6587.txt", "text \u6587\n".encode())
    package.add("share/pathways/copied.txt", b"never linked\n", no_link=True)
    package.add("etc/conda/activate.d/pathways.sh", b"export PATHWAYS=1\n")
    if subdir != "win-64":
        package.link("share/pathways/link.txt", "deep/er/data.txt")
        package.link("share/pathways/folder", "deep")
        package.link("share/pathways/nowhere", "not/there")
    return package


def virtual_packages(subdir: str) -> list[rattler.GenericVirtualPackage]:
    """VIRTUAL in rattler's form."""
    from rattler import BuildString, GenericVirtualPackage, PackageName, Version

    out = []
    for name, value in VIRTUAL[subdir].items():
        version, _, build = value.partition("=")
        out.append(GenericVirtualPackage(PackageName(name), Version(version), BuildString(build or "0")))
    return out


def solve(channels: Iterable[Path], specs: Iterable[str], subdir: str) -> list[rattler.RepoDataRecord]:
    """The packages that a solver chooses for `specs`."""
    import rattler

    return asyncio.run(
        rattler.solve(
            sources=[rattler.Channel(channel.resolve().as_uri()) for channel in channels],
            specs=list(specs),
            platforms=[subdir, "noarch"],
            virtual_packages=virtual_packages(subdir),
        )
    )


def install(records: list[rattler.RepoDataRecord], prefix: Path, specs: Iterable[str], subdir: str, cache_dir: Path) -> None:
    """Installs `records` into `prefix`."""
    import rattler

    prefix.mkdir(parents=True, exist_ok=True)
    requested: Any = [rattler.MatchSpec(spec)._match_spec for spec in specs]  # 0.28 takes no MatchSpec
    asyncio.run(
        rattler.install(
            records,
            prefix,
            cache_dir=cache_dir,
            platform=rattler.Subdir(subdir),
            requested_specs=requested,
            show_progress=False,
            execute_link_scripts=False,
        )
    )


def package_info(pkgs: Path, dist: str) -> dict[str, Any]:
    """info/index.json, info/paths.json and the entry points of an extracted package."""
    info = pkgs / dist / "info"
    link = json.loads((info / "link.json").read_text()) if (info / "link.json").exists() else {}
    return {
        "folder": str(pkgs / dist),
        "index": json.loads((info / "index.json").read_text()),
        "paths": json.loads((info / "paths.json").read_text())["paths"],
        "entry_points": link.get("noarch", {}).get("entry_points", []),
    }


def usable() -> str | None:
    """Why no prefix can be built here, or None."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        return "conda fixtures are built on Linux (x86_64, aarch64)"
    try:
        import rattler  # noqa: F401

        cpython.patchelf()
    except (ImportError, FileNotFoundError) as error:
        return str(error)
    return None if shutil.which("ldd") and shutil.which("cp") else "no ldd or cp here"
