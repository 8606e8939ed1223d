"""Prefixes for tests: installed once per kind, kept in the store, copied and moved to where a test wants them."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.conda import channel, dialects, store
from tests.conda.environment import CONDA_FORGE, CondaPrefix
from tests.conda.package import PLACEHOLDER

DEFAULTS = ("pip", "click", "jinja2", "certifi", "pathways")
WRITERS = ("conda", "micromamba", "rattler", "pixi")
ROOTS = {
    "conda": "/opt/conda",
    "micromamba": "/home/user/micromamba",
    "rattler": "/home/user/.cache/rattler/cache",
    "pixi": "/home/user/.cache/rattler/cache",
}
"""Folders whose ``pkgs`` the records name as their package cache; they are not there, as after ``conda clean`` in an image."""


def conda_prefix(
    tmp_path: Path,
    writer: str = "conda",
    *,
    python: str | None = None,
    packages: Iterable[str] = DEFAULTS,
    extra: Iterable[str] = (),
    pip: Iterable[str] = (),
    uv: Iterable[str] = (),
    pip_uninstall: Iterable[str] = (),
    subdir: str | None = None,
    name: str = "env",
) -> CondaPrefix:
    """A real prefix at ``TMP_PATH/NAME`` (pixi: ``TMP_PATH/NAME/.pixi/envs/default``); the test may do with it what it likes.

    `writer`: conda, micromamba, rattler or pixi. `python`: X.Y, one of ``pythons()``; the running one if not given.
    `packages` and `extra` are specs for the solver. `pip` and `uv` are words for their ``install``, run in this order over the
    conda packages, without dependencies; `pip_uninstall` names distributions that pip then removes.
    Skips the test where no prefix can be built.
    """
    import pytest

    why = channel.usable()
    if why:
        pytest.skip(why)
    available = channel.pythons()
    minor = python or next(iter(available))
    native = channel.native_subdir()
    subdir = subdir or native
    if minor not in available:
        pytest.skip(f"no Python {minor} here")
    specs = [f"python={minor}", *packages, *extra]
    template = _template(writer, minor, subdir, tuple(specs), tuple(pip), tuple(uv), tuple(pip_uninstall))
    place = tmp_path / name
    if writer == "pixi":
        place.mkdir(parents=True)
        _pixi_project(place, specs, subdir)
        place = place / ".pixi" / "envs" / "default"
    place.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", str(template / "env"), str(place)], check=True)
    _move(template, place, writer)
    if writer == "pixi":
        manifest = str(tmp_path / name / "pixi.toml")
        marker = {"manifest_path": manifest, "environment_name": "default", "pixi_version": "0.41.4"}
        (place / "conda-meta" / "pixi").write_text(json.dumps(marker | {"environment_lock_file_hash": "0123456789abcdef"}))
    return CondaPrefix(place, writer, subdir, minor)


def foreign_prefix(tmp_path: Path, subdir: str, writer: str = "conda", **options: Any) -> CondaPrefix:
    """As :func:`conda_prefix` for another platform: osx-arm64, osx-64, win-64. Nothing of it can be run here."""
    return conda_prefix(tmp_path, writer, subdir=subdir, **options)


def _template(
    writer: str, minor: str, subdir: str, specs: tuple[str, ...], pip: tuple[str, ...], uv: tuple[str, ...], gone: tuple[str, ...]
) -> Path:
    folders = [channel.folder(minor, subdir)]
    if any(spec.startswith("numpy") for spec in specs):
        folders.append(channel.folder(minor, subdir, numpy=True))
    made_from = store.digest(
        store.code("prefix", "dialects", "channel"), [folder.name for folder in folders], writer, specs, pip, uv, gone
    )

    def make(place: Path) -> None:
        prefix = place / "env"
        pkgs = folders[0] / "pkgs"
        solved = channel.solve([folder / "conda-forge" for folder in folders], specs, subdir)
        with store.locked(pkgs):
            channel.install(solved, prefix, specs, subdir, pkgs)
        _own(prefix)
        order = [f"{r.name.normalized}-{r.version}-{r.build}" for r in solved]
        executable = channel.pythons()[minor]
        originals = _rewrite(prefix, pkgs, writer, list(specs), order, executable)
        env = CondaPrefix(prefix, writer, subdir, minor)
        if pip:
            env.pip("install", "-q", "--no-deps", "--no-warn-script-location", *pip)
        if uv:
            from benchmarks.sources import index_options
            from benchmarks.sources import uv as program

            words = [program(), "pip", "install", "-q", "--no-deps", "--link-mode", "copy", *index_options()]
            store.run(*words, "--python", str(env.python), *uv)
        if gone:
            env.pip("uninstall", "-q", "-y", *gone)
        (place / "moved.json").write_text(json.dumps(_holders(prefix)))
        (place / "originals").mkdir()
        kept = {}
        for number, (path, source) in enumerate(sorted(originals.items())):
            shutil.copyfile(source, place / "originals" / str(number))
            kept[path] = str(number)
        (place / "originals.json").write_text(json.dumps(kept))

    return store.kept(f"prefix-{subdir}-{minor}-{writer}-{made_from}", make)


def _own(prefix: Path) -> None:
    """Gives records usual permissions and the channel its real address."""
    for path in (prefix / "conda-meta").glob("*.json"):
        record = json.loads(path.read_text())
        record["channel"] = f"{CONDA_FORGE}/"
        record["url"] = f"{CONDA_FORGE}/{record['subdir']}/{record['fn']}"
        path.write_text(json.dumps(record, indent=2))
        path.chmod(0o644)


def _rewrite(prefix: Path, pkgs: Path, writer: str, specs: list[str], order: list[str], executable: str) -> dict[str, Path]:
    """Turns the records to the writer's dialect; returns the packages' own copies of files with a binary placeholder."""
    paths = {path.stem: path for path in (prefix / "conda-meta").glob("*.json")}
    records = {stem: json.loads(path.read_text()) for stem, path in paths.items()}
    python = next(record for record in records.values() if record["name"] == "python")
    site = python["python_site_packages_path"]
    tag = f"cpython-{python['version'].split('.')[0]}{python['version'].split('.')[1]}"
    by_name = {spec.split("=")[0].split(" ")[0].split("<")[0].split(">")[0]: spec for spec in specs}
    binary: dict[str, Path] = {}
    compiled: dict[str, list[str]] = {}
    for stem, record in records.items():
        compiled[stem] = []
        if record.get("noarch") == "python" and writer in ("conda", "micromamba"):
            files = [path for path in record["files"] if path.endswith(".py") and path.startswith(f"{site}/")]
            compiled[stem] = [dialects.compiled_path(path, tag) for path in files]
            _compile(prefix, files, compiled[stem], executable)
    for stem, record in records.items():
        info = channel.package_info(pkgs, stem)
        rows = {dialects.installed_path(row["_path"], record, site): row for row in info["paths"]}
        binary |= {path: pkgs / stem / row["_path"] for path, row in rows.items() if row.get("file_mode") == "binary"}
        new = dialects.convert(
            record,
            writer,
            rows,
            prefix=prefix,
            spec=by_name.get(record["name"], ""),
            compiled=compiled[stem],
            root=ROOTS[writer],
        )
        paths[stem].write_text(json.dumps(new, indent=2))
    history = dialects.history(writer, prefix, [records[stem] for stem in order], specs)
    (prefix / "conda-meta" / "history").write_text(history)
    return binary


def _compile(prefix: Path, files: list[str], targets: list[str], executable: str) -> None:
    """Compiles as conda does, from inside the prefix; what does not compile stays away, and nobody minds."""
    program = (
        "import json, py_compile, sys\n"
        "for file, target in json.load(sys.stdin):\n"
        "    try:\n        py_compile.compile(file, cfile=target, doraise=True)\n"
        "    except py_compile.PyCompileError:\n        pass\n"
    )
    pairs = json.dumps(list(zip(files, targets, strict=True)))
    subprocess.run([executable, "-I", "-c", program], input=pairs, text=True, cwd=prefix, check=True)


def _holders(prefix: Path) -> list[str]:
    """Text files that name the prefix."""
    name = str(prefix).encode()
    found = []
    for root, _, names in os.walk(prefix):
        for file in names:
            path = Path(root) / file
            if not path.is_symlink() and not file.endswith(".pyc"):
                data = path.read_bytes()
                if name in data and b"\0" not in data:
                    found.append(path.relative_to(prefix).as_posix())
    return sorted(found)


def _move(template: Path, place: Path, writer: str) -> None:
    """Makes a copied prefix one that was installed where it stands."""
    old, new = str(template / "env").encode(), str(place).encode()
    changed: dict[str, bytes] = {}
    for rel in json.loads((template / "moved.json").read_text()):
        changed[rel] = (place / rel).read_bytes().replace(old, new)
    for rel, number in json.loads((template / "originals.json").read_text()).items():
        changed[rel] = replaced(((template / "originals") / number).read_bytes(), PLACEHOLDER.encode(), new)
    for rel, data in changed.items():
        _overwrite(place / rel, data)
    for path in (place / "conda-meta").glob("*.json"):
        if path.name.startswith("python_abi"):
            continue
        text = path.read_bytes()
        record = json.loads(text)
        dirty = False
        for row in record["paths_data"]["paths"]:
            content = changed.get(row["_path"])
            if content is None or row["path_type"] == "softlink":
                continue
            key = "sha256" if row["path_type"].endswith("entry_point") else "sha256_in_prefix"
            if key in row:
                row[key] = hashlib.sha256(content).hexdigest()
                dirty = True
            if writer in ("rattler", "pixi") and "size_in_bytes" in row:
                row["size_in_bytes"] = len(content)
        if dirty:
            path.write_text(json.dumps(record, indent=2))
    for path in place.glob("[Ll]ib/**/site-packages/*.dist-info/RECORD") if (place / "bin").is_dir() else []:
        text = path.read_bytes()
        if b"../bin/" in text:
            _correct(path, text.decode(), place, changed)


def _correct(path: Path, text: str, place: Path, changed: dict[str, bytes]) -> None:
    """Writes hashes and sizes of moved scripts into the RECORD that an overlay left."""
    site = path.parent.parent
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in csv.reader(io.StringIO(text)):
        target = os.path.relpath(site / row[0], place) if row else ""
        if target in changed and row[1]:
            value = base64.urlsafe_b64encode(hashlib.sha256(changed[target]).digest()).rstrip(b"=").decode()
            row = [row[0], f"sha256={value}", str(len(changed[target]))]
        writer.writerow(row)
    _overwrite(path, out.getvalue().encode())


def _overwrite(path: Path, data: bytes) -> None:
    """New content under the old times and permissions."""
    info = path.stat()
    path.unlink()
    path.write_bytes(data)
    path.chmod(info.st_mode & 0o7777)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    """Every C string of `data` that holds `old`, with `new` in its place and padded to its length."""
    out, at = [], 0
    while (found := data.find(old, at)) >= 0:
        end = data.find(b"\0", found)
        end = len(data) if end < 0 else end
        text = data[found:end]
        out += [data[at:found], text.replace(old, new).ljust(len(text), b"\0")]
        at = end
    return b"".join([*out, data[at:]])


def _pixi_project(folder: Path, specs: list[str], subdir: str) -> None:
    """The manifest that a pixi environment stands below."""
    rows = "".join(f'{spec.partition("=")[0]} = "{spec.partition("=")[2] or "*"}"\n' for spec in specs)
    text = f'[workspace]\nname = "demo"\nchannels = ["conda-forge"]\nplatforms = ["{subdir}"]\n\n[dependencies]\n{rows}'
    (folder / "pixi.toml").write_text(text)
