"""conda-meta of one writer in the dialect of another.

py-rattler installs; conda and micromamba are not to be had from the package index. What they write beside it was recorded
from the real ones (conda 26.7.1, micromamba 2.8.1, rattler 0.28) installing the same packages:

=====================  ==========================================  =============================  =========================
.                      conda                                       micromamba                     rattler, pixi
=====================  ==========================================  =============================  =========================
keys                   in the order of its record class            sorted                         of the package first
requested              requested_spec ("None") and requested_specs requested_spec ("")            requested_specs
channel                with subdir                                 without                        without, ends in ``/``
timestamp              milliseconds                                seconds                        milliseconds
build_string           no                                          yes                            no
files                  sorted, compiled modules last               sorted, compiled modules last  as in the package
compiled modules       ``pyc_file`` rows, no hash                  the same                       none, it compiles nothing
prefix_placeholder     yes                                         no                             yes
sha256_in_prefix       of every file                               of every file                  of rewritten files only
size of rewritten      before                                      before                         after
size of empty files    0                                           absent                         0
symbolic links         sha256 of the target's content, no          no sha256; in_prefix: of the   sha256 of the content,
                       in_prefix                                   target's content               in_prefix: of the link text
entry points           no hash                                     no hash                        sha256 and size
``python`` depends     has ``pip`` added                           as published                   as published
=====================  ==========================================  =============================  =========================
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Rows = list[dict[str, Any]]
CONDA_ORDER = (
    "name", "version", "build", "build_number", "channel", "subdir", "fn", "md5", "url", "sha256", "arch", "platform", "depends",
    "constrains", "track_features", "features", "noarch", "python_site_packages_path", "license", "license_family", "timestamp",
    "size", "requested_spec", "package_tarball_full_path", "extracted_package_dir", "files", "paths_data", "link",
    "requested_specs",
)  # fmt: skip


def installed_path(path: str, record: Record, site: str) -> str:
    """Where a path of a package stands in the prefix: ``noarch: python`` packages name no Python."""
    if record.get("noarch") != "python":
        return path
    if path.startswith("site-packages/"):
        return f"{site.removesuffix('/site-packages')}/{path}"
    return re.sub("^python-scripts/", "Scripts/" if site.startswith("Lib") else "bin/", path)


def compiled_path(path: str, tag: str) -> str:
    """``a/__pycache__/b.cpython-311.pyc`` of ``a/b.py``."""
    head, _, name = path.rpartition("/")
    return f"{head}/__pycache__/{name[:-3]}.{tag}.pyc"


def convert(
    record: Record,
    writer: str,
    originals: dict[str, dict[str, Any]],
    *,
    prefix: Path,
    spec: str = "",
    compiled: list[str] | None = None,
    root: str = "",
) -> Record:
    """A record of rattler as `writer` (conda, micromamba, rattler, pixi) writes it.

    `originals` are the rows of the package's info/paths.json by installed path. `spec` is what the user asked for, as the
    user wrote it. `compiled` are the .pyc files that the writer made. `root` is the folder with the writer's package cache.
    """
    if writer in ("rattler", "pixi"):
        source = f"{root}/pkgs/{record['fn'].removesuffix('.conda').removesuffix('.tar.bz2')}"
        return record | {"extracted_package_dir": source, "link": {"source": source, "type": 1}}
    return (_conda if writer == "conda" else _micromamba)(record, originals, prefix, spec, compiled or [], root)


def _conda(
    record: Record, originals: dict[str, dict[str, Any]], prefix: Path, spec: str, compiled: list[str], root: str
) -> Record:
    rows: Rows = []
    for row in record["paths_data"]["paths"]:
        original = originals.get(row["_path"], row)
        kind = row["path_type"]
        if kind == "softlink":
            rows.append(
                {"_path": row["_path"], "path_type": kind, "sha256": row["sha256"], "size_in_bytes": row["size_in_bytes"]}
            )
        elif kind == "hardlink":
            new = {"_path": row["_path"]}
            if "prefix_placeholder" in row:
                new |= {"prefix_placeholder": row["prefix_placeholder"], "file_mode": row["file_mode"]}
            if original.get("no_link"):
                new["no_link"] = True
            new |= {"path_type": kind, "sha256": row["sha256"], "size_in_bytes": original["size_in_bytes"]}
            new["sha256_in_prefix"] = row.get("sha256_in_prefix", row["sha256"])
            rows.append(new)
        else:
            rows.append({"_path": row["_path"], "path_type": kind})
    rows.sort(key=lambda row: str(row["_path"]))
    rows += [{"_path": path, "path_type": "pyc_file"} for path in sorted(compiled)]
    subdir, fn = record["subdir"], record["fn"]
    dist = fn.removesuffix(".conda").removesuffix(".tar.bz2")
    out = dict(record)
    out["channel"] = f"{record['channel'].rstrip('/')}/{subdir}"
    out["constrains"] = record.get("constrains", [])
    if record["name"] == "python":
        out["depends"] = [*record["depends"], "pip"]
    out["requested_spec"] = spec or "None"
    out["requested_specs"] = [spec] if spec else []
    out["package_tarball_full_path"] = f"{root}/pkgs/{fn}"
    out["extracted_package_dir"] = f"{root}/pkgs/{dist}"
    out["link"] = {"source": f"{root}/pkgs/{dist}", "type": 1}
    out["files"] = [row["_path"] for row in rows]
    out["paths_data"] = {"paths_version": 1, "paths": rows}
    return {key: out[key] for key in CONDA_ORDER if key in out and (spec or key != "requested_specs")}


def _micromamba(
    record: Record, originals: dict[str, dict[str, Any]], prefix: Path, spec: str, compiled: list[str], root: str
) -> Record:
    rows: Rows = []
    for row in record["paths_data"]["paths"]:
        original = originals.get(row["_path"], row)
        kind = row["path_type"]
        new: dict[str, Any] = {"_path": row["_path"], "path_type": kind}
        if kind == "softlink":
            new["sha256_in_prefix"] = content_hash(prefix / row["_path"], row["sha256"])
        elif kind == "hardlink":
            new |= {"sha256": row["sha256"], "sha256_in_prefix": row.get("sha256_in_prefix", row["sha256"])}
        if kind in ("softlink", "hardlink") and original["size_in_bytes"]:
            new["size_in_bytes"] = original["size_in_bytes"]
        rows.append(new)
    rows.sort(key=lambda row: str(row["_path"]))
    rows += [{"_path": path, "path_type": "pyc_file"} for path in sorted(compiled)]
    subdir, fn = record["subdir"], record["fn"]
    dist = fn.removesuffix(".conda").removesuffix(".tar.bz2")
    place = f"{root}/pkgs/{record['channel'].rstrip('/').replace('://', '/')}/{subdir}/{dist}"
    out = {key: value for key, value in record.items() if key not in ("requested_specs", "indexed_timestamp")}
    out |= {"build_string": record["build"], "channel": record["channel"].rstrip("/"), "constrains": record.get("constrains", [])}
    out |= {"requested_spec": spec, "extracted_package_dir": place, "package_tarball_full_path": f"{place}.tar.bz2"}
    out |= {"link": {"source": place, "type": 1}, "timestamp": record["timestamp"] // 1000}
    out["files"] = [row["_path"] for row in rows]
    out["paths_data"] = {"paths": rows, "paths_version": 1}
    return dict(sorted(out.items()))


def content_hash(path: Path, otherwise: str) -> str:
    """sha256 of what a path leads to; `otherwise` where it leads to no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else otherwise


def history(writer: str, prefix: Path, records: list[Record], specs: list[str], command: str = "create") -> str:
    """conda-meta/history after the first transaction."""
    if writer in ("rattler", "pixi"):
        return ""
    conda = writer == "conda"
    program = "/opt/conda/bin/conda" if conda else "micromamba"
    dists = [f"+{r['url'].rsplit('/', 2)[0]}/{r['subdir']}::{r['name']}-{r['version']}-{r['build']}" for r in records]
    lines = ["==> 2025-01-02 03:04:05 <==", f"# cmd: {program} {command} -y -p {prefix} {' '.join(specs)}"]
    lines += ["# conda version: " + ("26.7.1" if conda else "3.8.0"), *(sorted(dists) if conda else dists)]
    words = repr(specs) if conda else "[" + ", ".join(f'"{spec}"' for spec in specs) + "]"
    return "\n".join([*lines, f"# update specs: {words}"]) + "\n"


def link_hash(path: Path) -> str:
    """What rattler writes as a link's sha256_in_prefix."""
    return hashlib.sha256(os.readlink(path).encode()).hexdigest()
