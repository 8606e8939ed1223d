"""Real metadata of conda-forge, and a large prefix made of it.

The wheel ``conda-express`` holds a program with a lockfile inside: the records of conda itself and all that it needs, for six
platforms, as conda-forge published them (name, version, build, depends, constrains, hashes, sizes; no files).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from tests.conda import dialects, store
from tests.conda.environment import CONDA_FORGE
from tests.conda.package import record_rows
from tests.conda.prefix import ROOTS

WHEEL = "conda-express==26.9.4"
SUBDIRS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64", "win-arm64")
_KEPT = (
    "depends",
    "constrains",
    "md5",
    "sha256",
    "size",
    "timestamp",
    "license",
    "noarch",
    "track_features",
    "python_site_packages_path",
)


def records() -> list[dict[str, Any]]:
    """The records of all platforms, as repodata.json has them, each with its ``url`` and ``fn``."""
    return json.loads((_kept() / "records.json").read_text())  # type: ignore[no-any-return]


def records_for(subdir: str) -> list[dict[str, Any]]:
    """Those of one platform and of noarch, one of each name."""
    found = {record["name"]: record for record in records() if record["subdir"] == "noarch"}
    return list((found | {record["name"]: record for record in records() if record["subdir"] == subdir}).values())


def channel() -> Path:
    """A channel of metadata only: it can be solved against, not installed from."""
    return _kept() / "conda-forge"


@cache
def _kept() -> Path:
    def make(place: Path) -> None:
        programs = [path for path in store.unpacked(WHEEL).rglob("cx*") if path.name in ("cx", "cx.exe")]
        data = max(programs, key=lambda path: path.stat().st_size).read_bytes()
        at = data.index(b'{"schema_version":1,"artifact_name"')
        document, _ = json.JSONDecoder().raw_decode(data[at : at + 8_000_000].decode("utf-8", "replace"))
        found = _parse(document["runtime_lock"])
        (place / "records.json").write_text(json.dumps(found))
        by_subdir: dict[str, dict[str, Any]] = {}
        for record in found:
            row = {key: value for key, value in record.items() if key not in ("url", "fn")}
            by_subdir.setdefault(record["subdir"], {})[record["fn"]] = row
        for subdir, rows in by_subdir.items():
            folder = place / "conda-forge" / subdir
            folder.mkdir(parents=True)
            head = {"subdir": subdir, "base_url": f"{CONDA_FORGE}/{subdir}"}
            repodata = {"info": head, "packages": {}, "packages.conda": rows, "repodata_version": 2}
            (folder / "repodata.json").write_text(json.dumps(repodata))

    return store.kept(f"forge-{store.digest(WHEEL, store.code('forge'))}", make)


def _parse(lock: str) -> list[dict[str, Any]]:
    """Records of a lockfile of rattler."""
    import tempfile

    import rattler

    with tempfile.NamedTemporaryFile("w", suffix=".lock") as file:
        file.write(lock)
        file.flush()
        document = rattler.LockFile.from_path(file.name)
    found: dict[str, dict[str, Any]] = {}
    for name, environment in document.environments():
        del name
        for platform in environment.platforms():
            for package in environment.packages(platform) or ():
                url = str(package.location)
                if url not in found:
                    found[url] = _record(url, package)
    return [found[url] for url in sorted(found)]


def _record(url: str, package: Any) -> dict[str, Any]:
    subdir, fn = url.rsplit("/", 2)[1:]
    name, version, build = re.sub(r"(\.conda|\.tar\.bz2)$", "", fn).rsplit("-", 2)
    told = package.package_record
    record = json.loads(told.to_json()) if hasattr(told, "to_json") else {}
    out = {key: record[key] for key in _KEPT if record.get(key) not in (None, [], "")}
    return {
        "name": name,
        "version": version,
        "build": build,
        "build_number": told.build_number,
        "subdir": subdir,
        "depends": [],
        **out,
        "fn": fn,
        "url": url,
    }


def large_prefix(place: Path, packages: int = 400, files: int = 60_000, writer: str = "conda") -> Path:
    """A prefix of that many packages and about as many files, made of the real records of linux-64.

    Real names, versions and dependencies come first; further packages repeat them under names with a number. How many files
    a package has is drawn from its size, and what files it has from its kind: modules, libraries, headers, data.
    """
    real = [record for record in records_for("linux-64") if record["name"] not in ("python", "cached_property")]
    python = next(record for record in records_for("linux-64") if record["name"] == "python")
    minor = ".".join(python["version"].split(".")[:2])
    tag = f"cpython-{minor.replace('.', '')}"
    rows = [python, *real]
    for round_ in range(2, 100):
        rows += [
            record | {"name": f"{record['name']}-{round_}", "depends": [_renamed(d, round_) for d in record["depends"]]}
            for record in real
        ]
        if len(rows) >= packages:
            break
    rows = rows[:packages]
    weights = [max(1, record.get("size", 10_000)) ** 0.5 for record in rows]
    meta = place / "conda-meta"
    meta.mkdir(parents=True)
    made: set[str] = set()
    native = next(store.unpacked("markupsafe==3.0.2").rglob("_speedups*.so")).read_bytes()
    for record, weight in zip(rows, weights, strict=True):
        count = max(1, round(files * weight / sum(weights)))
        paths = []
        for path, data in _contents(record, _layout(record, count, minor), native).items():
            folder, _, name = path.rpartition("/")
            if folder not in made:
                (place / folder).mkdir(parents=True, exist_ok=True)
                made.add(folder)
            descriptor = os.open(place / folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.write(descriptor, data)
            os.close(descriptor)
            hash_ = hashlib.sha256(data).hexdigest()
            paths.append({"_path": path, "path_type": "hardlink", "sha256": hash_, "size_in_bytes": len(data)})
        dist = f"{record['name']}-{record['version']}-{record['build']}"
        whole = {
            **record,
            "fn": f"{dist}.conda",
            "channel": f"{CONDA_FORGE}/",
            "extracted_package_dir": f"/opt/conda/pkgs/{dist}",
        }
        whole |= {"requested_specs": [], "timestamp": record.get("timestamp", 0), "files": [row["_path"] for row in paths]}
        whole |= {"paths_data": {"paths_version": 1, "paths": paths}, "link": {"source": f"/opt/conda/pkgs/{dist}", "type": 1}}
        compiled = []
        if record.get("noarch") == "python" and writer != "rattler":
            compiled = [dialects.compiled_path(row["_path"], tag) for row in paths if row["_path"].endswith(".py")]
        whole = dialects.convert(whole, writer, {}, prefix=place, compiled=compiled, root=ROOTS[writer])
        (meta / f"{dist}.json").write_text(json.dumps(whole, indent=2))
    (meta / "history").write_text("")
    (place / "bin").mkdir(exist_ok=True)
    for name in ("python", "python3"):
        if not (place / "bin" / name).exists():
            (place / "bin" / name).symlink_to(f"python{minor}")
    return place


def _contents(record: dict[str, Any], paths: list[str], native: bytes) -> dict[str, bytes]:
    """Files that are what their names say: metadata with a true RECORD, native files, short modules."""
    out = {path: native if ".so" in path else f"# {record['name']} {path}\n".encode() for path in paths}
    info = next((path.rpartition("/")[0] for path in paths if path.endswith(".dist-info/METADATA")), None)
    if info is not None:
        site, _, folder = info.rpartition("/")
        out[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {record['name']}\nVersion: {record['version']}\n".encode()
        out[f"{info}/INSTALLER"] = b"conda"
        out[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: setuptools\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        out[f"{info}/RECORD"] = record_rows({path[len(site) + 1 :]: data for path, data in out.items()}, folder)
    return out


def _renamed(spec: str, round_: int) -> str:
    name, _, rest = spec.partition(" ")
    return spec if name.startswith(("__", "python")) else f"{name}-{round_} {rest}".strip()


def _layout(record: dict[str, Any], count: int, minor: str) -> list[str]:
    """Paths of a package."""
    name = record["name"]
    module = name.replace("-", "_")
    site = f"lib/python{minor}/site-packages"
    if name == "python":
        head = [f"bin/python{minor}", f"lib/libpython{minor}.so.1.0"]
        return head + [f"lib/python{minor}/part{at // 40}/module{at}.py" for at in range(count)]
    info = f"{site}/{module}-{record['version']}.dist-info"
    if record.get("noarch") == "python":
        paths = [f"{info}/METADATA", f"{info}/INSTALLER", f"{info}/WHEEL", f"{site}/{module}/__init__.py"]
        return paths + [f"{site}/{module}/sub{at // 15}/module{at}.py" for at in range(max(0, count - 4))]
    if any(spec.split(" ")[0] == "python" for spec in record["depends"]):
        paths = [f"{info}/METADATA", f"{info}/INSTALLER", f"{site}/{module}/__init__.py", f"{site}/{module}/_core.abi3.so"]
        return paths + [f"{site}/{module}/sub{at // 15}/module{at}.py" for at in range(max(0, count - 4))]
    paths = [f"lib/{name}.so.1", f"lib/pkgconfig/{name}.pc", f"share/doc/{name}/README"]
    paths += [f"include/{name}/part{at // 25}/header{at}.h" for at in range(max(0, count - 3) * 2 // 3)]
    return paths + [f"share/{name}/data{at // 30}/file{at}.dat" for at in range(max(0, count - 3) - len(paths) + 3)]
