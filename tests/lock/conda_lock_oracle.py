"""Run by an interpreter that has conda-lock: its hashes and its files of random input against ours. Not a test itself.

``python conda_lock_oracle.py FOLDER SEED COUNT`` prints one line of JSON: how many were equal, and what was not.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import random
import sys
import warnings
from pathlib import Path
from typing import Any

SPECS = [
    "python=3.11", "python >=3.9,<3.13", "numpy", "conda-forge::scipy >=1.5", "pytorch::pytorch=2.1=*cuda*", "pkgs/main::openssl",
    "libblas=*=*mkl", "x[version='>=1,<2',build=py3*]", "ruamel.yaml", "Cython==3.0.2", "pip=23", "gcc_linux-64 >=12 # [linux]",
    "clang  # [osx]", "vs # [win]", "bar  # [unix] more", "baz # [not win]", "qux # [arm64]", "'quoted=1.2'", "c  # a comment",
    "_openmp_mutex=4.5=*_gnu", "h5py>=3.8.*", "https://repo.example/a/b::y 1|2", "z 1.2*", "w >=1.0 , < 2.0 py34_0",
]  # fmt: skip
PIPS = [
    "requests[socks,security] >=2,<3", "colorama ; sys_platform == 'win32'", "foo==1.0 ; python_version < '3.9'", "x===1.0",
    "bar @ https://files.example/bar-1.0.tar.gz#sha256=abc", "git+https://git.example/o/r.git@v1", "-e .", "My.Pkg_Name",
    "r2 @ git+https://git.example/o/r2.git@main#subdirectory=x", "y >= 1.0, != 1.5", "z==1 --hash=sha256:00ff", "pip",
    "w; os_name == 'posix' and sys_platform != 'darwin'", "v ; platform_machine == 'x86_64' or sys_platform == 'win32'",
]  # fmt: skip
CHANNELS = ["conda-forge", "defaults", "nodefaults", "https://repo.example/chan", "https://host.example/t/$MY_TOKEN/chan"]
PLATFORMS = ["linux-64", "osx-64", "osx-arm64", "win-64", "linux-aarch64", "linux-ppc64le"]
NAMES = ["numpy", "_openmp_mutex", "python", "ruamel.yaml", "y", "no", "libgcc-ng", "3to2", "vs2015_runtime"]
VERSIONS = ["1.2.3", "6.4", "1e3", "2024a", "1", "0x10", "2024.10.01", "1_0", "null", "2024-01-01", "1:30"]
LONG = ">=2.7,!=3.0.* || >=3.4.1 and more words "
CONSTRAINTS = [
    ">=1.2,<2.0a0",
    "",
    "3.11.*",
    "1.2",
    "~=1.2",
    ">=1.0 || <0.5",
    "=1.2",
    "!=1",
    ">=2.7,!=3.0.* || >=3.4.1 and more words " * 3,
]


def environment(choose: random.Random) -> str:
    lines = ["channels: [" + ", ".join(json.dumps(one) for one in choose.sample(CHANNELS, choose.randint(0, 3))) + "]"]
    if choose.random() < 0.6:
        lines.append(f"platforms: [{', '.join(choose.sample(PLATFORMS, choose.randint(1, 6)))}]")
    if choose.random() < 0.3:
        lines.append(f"category: {choose.choice(['dev', 'main', 'docs'])}")
    if choose.random() < 0.3:
        lines.append("pip-repositories: [https://index.example/simple]")
    lines += ["# a comment [linux]", "dependencies:", *(f"  - {one}" for one in choose.sample(SPECS, choose.randint(1, 8)))]
    if choose.random() < 0.6:
        lines += ["  - pip:", *(f"    - {one}" for one in choose.sample(PIPS, choose.randint(0, 5)))]
    return "\n".join(lines) + "\n"


def hashes(folder: Path, choose: random.Random, count: int) -> dict[str, Any]:
    from conda_lock.content_hash import backwards_compatible_content_hashes, compute_content_hashes  # type: ignore[import-not-found]
    from conda_lock.src_parser import make_lock_spec  # type: ignore[import-not-found]
    from conda_lock.virtual_package import default_virtual_package_repodata  # type: ignore[import-not-found]

    from envdoctor.lock import conda_hash, conda_spec

    (folder / "names.json").write_text("{}")
    virtual = default_virtual_package_repodata()
    equal, different = 0, []
    for _ in range(count):
        sources = {f"e{number}.yml": environment(choose) for number in range(choose.choice([1, 1, 2]))}
        paths = []
        for name, text in sources.items():
            (folder / name).write_text(text)
            paths.append(folder / name)
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                found = make_lock_spec(src_files=paths, mapping_url=str(folder / "names.json"))
            wanted: Any = [
                compute_content_hashes(found, virtual),
                {one: sorted(backwards_compatible_content_hashes(found, virtual, one)) for one in found.platforms},
            ]
        except Exception:  # noqa: BLE001 - whatever stops it
            wanted = None
        try:
            ours = conda_spec.specification({name: text.encode() for name, text in sources.items()})
            got: Any = [
                {one: conda_hash.content_hash(ours, one) for one in ours.dependencies},
                {one: sorted(conda_hash.accepted(ours, one)) for one in ours.dependencies},
            ]
        except conda_spec.Refused:
            got = None
        equal += wanted == got and got is not None
        if wanted != got:
            different.append(sources)
    return {"equal": equal, "different": different[:3]}


def files(folder: Path, choose: random.Random, count: int) -> dict[str, Any]:
    from conda_lock.lockfile import write_conda_lock_file  # type: ignore[import-not-found]
    from conda_lock.lockfile.v2prelim.models import DependencySource, HashModel, LockedDependency, Lockfile, LockMeta  # type: ignore[import-not-found]
    from conda_lock.models.channel import Channel  # type: ignore[import-not-found]

    from envdoctor.lock.formats import conda_lock
    from envdoctor.lock.model import Artifact, Locked, Need

    equal, different = 0, []
    for _ in range(count):
        platforms = choose.sample(PLATFORMS, choose.randint(1, 3))
        theirs, ours, seen = [], [], set()
        for _ in range(choose.randint(0, 10)):
            manager, platform, version = choose.choice(["conda", "pip"]), choose.choice(platforms), choose.choice(VERSIONS)
            name = choose.choice(NAMES if manager == "conda" else ["numpy", "ruamel-yaml", "x"])
            if (manager, name, platform) in seen:
                continue
            seen.add((manager, name, platform))
            categories = set(choose.sample(["main", "dev", "docs", "yes"], choose.randint(1, 3)))
            edges = {choose.choice(NAMES): choose.choice(CONSTRAINTS) or ("*" if manager == "pip" else "") for _ in range(3)}
            md5, sha = (f"{choose.getrandbits(bits):0{bits // 4}x}" for bits in (128, 256))
            digest: dict[str, str] = {"md5": md5, "sha256": sha} if manager == "conda" else {"sha256": sha}
            url = (
                f"https://repo.example/c/{platform}/{name}-{version}-h1_0.conda"
                if manager == "conda"
                else f"https://files.example/{name}.whl"
            )
            extra: dict[str, Any] = {}
            artifact = Artifact(kind="conda" if manager == "conda" else "wheel", url=url, hashes=tuple(digest.items()))
            if manager == "pip" and choose.random() < 0.3:
                commit = sha[:40]
                url, digest = f"git+https://g.example/r.git@{commit}", {"sha256": commit}
                extra = {"source": DependencySource(type="url", url=url)}
                artifact = Artifact(kind="vcs", url="git+https://g.example/r.git", commit=commit)
            theirs.append(
                LockedDependency(
                    name=name,
                    version=version,
                    manager=manager,
                    platform=platform,
                    dependencies=edges,
                    url=url,
                    hash=HashModel(**digest),
                    categories=categories,
                    **extra,
                )
            )
            ours.append(
                Locked(
                    name=name,
                    version=version,
                    manager="conda" if manager == "conda" else "pypi",
                    places=tuple((category, platform) for category in categories),
                    needs=tuple(Need(name=one, text=spec) for one, spec in edges.items()),
                    artifacts=(artifact,),
                )
            )
        channels = choose.sample([("conda-forge", ()), ("https://h.example/t/${T}/c", ("T",)), ("yes", ())], choose.randint(0, 3))
        digests = {one: f"{choose.getrandbits(256):064x}" for one in platforms}
        sources = choose.sample(["environment.yml", "../x y/env.yml", LONG * 3], 2)
        custom = choose.choice([None, {"virtual_packages": "linux-64 __cuda=12.4; osx-arm64 __osx=11.0", "b": "yes"}])
        meta = LockMeta(
            content_hash=digests,
            channels=[Channel(url=url, used_env_vars=variables) for url, variables in channels],
            platforms=platforms,
            sources=sources,
            custom_metadata=custom,
        )
        write_conda_lock_file(Lockfile(package=theirs, metadata=meta), folder / "conda-lock.yml", None)
        wanted = (folder / "conda-lock.yml").read_bytes()
        got = conda_lock.write("conda-lock.yml", conda_lock.Metadata(digests, channels, platforms, sources, custom or {}), ours)
        equal += got == wanted
        if got != wanted:
            different.append([wanted.decode(), got.decode()])
    return {"equal": equal, "different": different[:1]}


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    folder, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    answer = {"hashes": hashes(folder, random.Random(seed), count), "files": files(folder, random.Random(seed), count)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
