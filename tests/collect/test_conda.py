"""conda-meta: what records say, against what is there, in prefixes of all writers."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from envdoctor.collect import conda, conda_history
from envdoctor.snapshot import CondaMeta, CondaPackage, CondaPath, Snapshot
from tests.conda import WRITERS, CondaPrefix, conda_prefix, foreign_prefix, pythons
from tests.support import snapshot_of


def meta_of(seen: Snapshot) -> CondaMeta:
    """Its conda_meta."""
    assert seen.conda_meta is not None
    return seen.conda_meta


def package(seen: Snapshot, name: str) -> CondaPackage:
    """A package of it."""
    return next(package for package in seen.conda_packages if package.name == name)


def damaged(seen: Snapshot) -> dict[str, list[CondaPath]]:
    """Packages with paths that are not as recorded."""
    found = {package.name: [*package.missing, *package.altered] for package in seen.conda_packages}
    return {name: paths for name, paths in found.items() if paths}


def healthy(env: CondaPrefix, *, deep: bool = False) -> Snapshot:
    """The facts of a prefix in which nothing is wrong."""
    seen = snapshot_of(env.prefix, deep=deep)
    meta = meta_of(seen)
    assert damaged(seen) == {}
    assert (meta.problems, meta.shared, meta.leftovers, meta.orphans) == ((), (), (), ())
    assert not [gap for gap in seen.gaps if gap.collector == "conda"]
    return seen


@pytest.mark.parametrize("writer", WRITERS)
def test_healthy(writer: str, tmp_path: Path) -> None:
    """Nothing missing, nothing altered, by size and by content; placeholders, links, entry points, .pyc included."""
    env = conda_prefix(tmp_path, writer, extra=("numpy",))
    seen = healthy(env)
    meta = meta_of(seen)
    assert meta.writer == writer
    assert meta.writers == ("rattler" if writer == "pixi" else writer,)
    assert not meta.overlays
    assert meta.python == env.record("python")["version"]
    assert {p.name for p in seen.conda_packages} == set(env.records())
    if writer in ("conda", "micromamba"):
        assert meta.history is not None
        assert (meta.history.not_there, meta.history.not_said, meta.history.unfinished) == ((), (), ())
        assert f"python={env.minor}" in meta.history.requested
    deep = meta_of(healthy(env, deep=True)).coverage
    assert deep.hashed + deep.no_hash + deep.links + deep.compiled == deep.paths
    assert deep.no_hash <= 2 and deep.unreadable == 0
    assert deep.bytes_hashed > 30_000_000


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_facts_of_a_record(writer: str, tmp_path: Path) -> None:
    """The same facts, whoever wrote them."""
    env = conda_prefix(tmp_path, writer)
    seen = snapshot_of(env.prefix)
    click = package(seen, "click")
    assert (click.version, click.build, click.noarch, click.subdir) == ("8.1.8", env.record("click")["build"], "python", "noarch")
    assert click.channel == "https://conda.anaconda.org/conda-forge"
    assert click.url == f"{click.channel}/noarch/{click.filename}"
    assert click.requested == ("click",)
    assert click.depends == ("python >=3.7", "__unix")
    assert click.virtual == ("__unix",)
    assert click.metadata == (f"lib/python{env.minor}/site-packages/click-8.1.8.dist-info",)
    assert click.link == "hardlink" and click.cache is not None and "pkgs" in click.cache
    assert len(click.sha256 or "") == 64 and len(click.md5 or "") == 32
    assert package(seen, "markupsafe").requested == ()
    python = package(seen, "python")
    assert python.python_site == f"lib/python{env.minor}/site-packages"
    assert python.constrains[0].startswith("python_abi ")


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
@pytest.mark.parametrize("subdir", ["osx-arm64", "win-64"])
def test_healthy_foreign(writer: str, subdir: str, tmp_path: Path) -> None:
    """Prefixes of other systems."""
    env = foreign_prefix(tmp_path, subdir, writer)
    seen = healthy(env, deep=True)
    assert {p.subdir for p in seen.conda_packages} == {subdir, "noarch"}


def test_nothing_of_it_outside_conda(env: Any) -> None:
    """A venv has none of it."""
    seen = snapshot_of(env.prefix)
    assert seen.conda_meta is None and seen.conda_packages == ()


GONE = {
    "ca-certificates": ["ssl/cacert.pem"],
    "click": ["lib/python{}/site-packages/click/core.py", "lib/python{}/site-packages/click/py.typed"],
    "pathways": [
        "etc/pathways.cfg",
        "lib/pathways.bin",
        "share/pathways/deep/er/data.txt",
        "share/pathways/empty",
        "share/pathways/folder",
        "share/pathways/link.txt",
        "share/pathways/na\u00efve \u6587.txt",
        "share/pathways/nowhere",
    ],
    "pip": ["bin/pip"],
}


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_missing(writer: str, tmp_path: Path) -> None:
    """Every kind of path that can be gone."""
    env = conda_prefix(tmp_path, writer)
    gone = {name: [path.format(env.minor) for path in paths] for name, paths in GONE.items()}
    for paths in gone.values():
        for path in paths:
            (env.prefix / path).unlink()
    seen = snapshot_of(env.prefix)
    assert {name: [p.path for p in paths] for name, paths in damaged(seen).items()} == gone
    assert {p.problem for paths in damaged(seen).values() for p in paths} == {"missing"}
    assert package(seen, "pathways").missing_count == 8


def test_missing_folder(tmp_path: Path) -> None:
    """All that stood below it."""
    env = conda_prefix(tmp_path)
    shutil.rmtree(env.prefix / "share/pathways")
    shutil.rmtree(env.site / "jinja2")
    seen = snapshot_of(env.prefix)
    assert set(damaged(seen)) == {"pathways", "jinja2"}
    assert package(seen, "pathways").missing_count == 7
    assert package(seen, "jinja2").missing_count > 20


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_what_nobody_misses(writer: str, tmp_path: Path) -> None:
    """Compiled modules; sources whose compiled module stands in their place; links turned into files."""
    env = conda_prefix(tmp_path, writer)
    for folder in list(env.prefix.rglob("__pycache__")):
        shutil.rmtree(folder)
    core = env.site / "click" / "core.py"
    core.rename(core.with_suffix(".pyc"))
    link = env.prefix / "share/pathways/link.txt"
    data = link.read_bytes()
    link.unlink()
    link.write_bytes(data)
    assert damaged(snapshot_of(env.prefix, deep=True)) == {}


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_resized(writer: str, tmp_path: Path) -> None:
    """Another size is seen without --deep."""
    env = conda_prefix(tmp_path, writer)
    wanted = {}
    for path in (
        "lib/libz.so.1",
        f"lib/python{env.minor}/json/__init__.py",
        f"lib/python{env.minor}/site-packages/click/core.py",
        f"lib/python{env.minor}/site-packages/click/py.typed",
        "share/pathways/copied.txt",
        "share/pathways/deep/er/data.txt",
        "share/pathways/empty",
    ):
        rel = os.path.relpath(os.path.realpath(env.prefix / path), env.prefix)
        wanted[rel] = size = (env.prefix / rel).stat().st_size
        env.alter(rel, same_size=False) if size else env.put(rel, "x")
    found = [p for paths in damaged(snapshot_of(env.prefix)).values() for p in paths]
    assert {p.path: p.size for p in found} == wanted
    assert all((p.problem, p.actual_size, p.links) == ("resized", (p.size or 0) + 1, 1) for p in found)


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_altered(writer: str, tmp_path: Path) -> None:
    """Other content of the same size is seen with --deep only, in rewritten files, too."""
    env = conda_prefix(tmp_path, writer)
    paths = ["bin/pathways", "etc/pathways.cfg", "lib/pathways.bin", f"lib/python{env.minor}/site-packages/click/core.py"]
    paths += ["share/pathways/deep/er/data.txt", "share/pathways/na\u00efve \u6587.txt"]
    for path in paths:
        env.alter(path)
    assert damaged(snapshot_of(env.prefix)) == {}
    found = {p.path: p for paths in damaged(snapshot_of(env.prefix, deep=True)).values() for p in paths}
    assert sorted(found) == paths and {p.problem for p in found.values()} == {"altered"}
    assert all(p.hash != p.actual_hash and len(p.actual_hash or "") == 64 for p in found.values())
    kinds = {"etc/pathways.cfg": "text", "lib/pathways.bin": "binary", "share/pathways/deep/er/data.txt": None}
    for path, kind in kinds.items():
        assert found[path].rewritten == ("unknown" if kind and writer == "micromamba" else kind)


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_rewritten_files_that_were_cut(writer: str, tmp_path: Path) -> None:
    """Nothing left of a text; a binary of another size where the record tells that it is one."""
    env = conda_prefix(tmp_path, writer)
    env.put("etc/pathways.cfg", b"")
    env.put("lib/pathways.bin", (env.prefix / "lib/pathways.bin").read_bytes()[:-5])
    paths = damaged(snapshot_of(env.prefix))["pathways"]
    wanted = ["etc/pathways.cfg"] if writer == "micromamba" else ["etc/pathways.cfg", "lib/pathways.bin"]
    assert [p.path for p in paths] == wanted


def test_dangling(tmp_path: Path) -> None:
    """A file that is a link to a package cache which is gone (allow_softlinks); one whose cache is there is fine."""
    env = conda_prefix(tmp_path)
    cache = tmp_path / "cache"
    cache.mkdir()
    for path in ("share/pathways/copied.txt", "share/pathways/deep/er/data.txt"):
        file = env.prefix / path
        shutil.move(file, cache / file.name)
        file.symlink_to(cache / file.name)
    assert damaged(snapshot_of(env.prefix, deep=True)) == {}
    (cache / "data.txt").unlink()
    (paths,) = damaged(snapshot_of(env.prefix)).values()
    assert [(p.path, p.problem) for p in paths] == [("share/pathways/deep/er/data.txt", "dangling")]


def test_other_things_in_the_place_of_a_file(tmp_path: Path) -> None:
    """A folder or a FIFO is no file, and nobody waits for it."""
    env = conda_prefix(tmp_path)
    for path, make in (("share/pathways/copied.txt", os.mkfifo), ("share/pathways/deep/er/data.txt", os.mkdir)):
        (env.prefix / path).unlink()
        make(env.prefix / path)
    found = damaged(snapshot_of(env.prefix, deep=True))["pathways"]
    assert [(p.path, p.problem) for p in found] == [
        ("share/pathways/copied.txt", "missing"),
        ("share/pathways/deep/er/data.txt", "missing"),
    ]


def test_hard_links_are_counted(tmp_path: Path) -> None:
    """An altered file that shares its inode: the cache has it, too."""
    env = conda_prefix(tmp_path)
    path = env.prefix / "share/pathways/copied.txt"
    (tmp_path / "cached").hardlink_to(path)
    path.write_text("other content\n")
    (found,) = damaged(snapshot_of(env.prefix))["pathways"]
    assert found.links == 2


RECORDS = {
    "empty": (b"", "empty"),
    "blank": (b"\n\n \n", "4 bytes without content"),
    "nulls": (b"\0" * 5000, "5000 bytes without content"),
    "truncated": (b'{"name": "click",\n "version": "8', "no JSON: line 2, column 13: Unterminated string starting at"),
    "list": (b"[1, 2]", "not an object"),
    "null": (b"null", "not an object"),
    "nameless": (b'{"version": "1"}', "has no name"),
    "numbers": (b'{"name": 5, "version": "1"}', "name is no string"),
    "junk": (bytes(range(128, 256)) * 10, "no JSON: line 1, column 1: Expecting value"),
    "deep": (b"[" * 200_000, "no JSON: nested too deeply, or a number too long"),
}


def test_broken_records(tmp_path: Path) -> None:
    """Each is named with what is wrong and where; the rest goes on."""
    env = conda_prefix(tmp_path)
    before = len(env.records())
    for kind, (data, _) in RECORDS.items():
        env.put(f"conda-meta/{kind}-1-0.json", data)
    seen = snapshot_of(env.prefix)
    problems = meta_of(seen).problems
    assert {p.name: p.reason for p in problems} == {kind: reason for kind, (_, reason) in RECORDS.items()}
    assert all(p.whole and p.path == f"conda-meta/{p.name}-1-0.json" for p in problems)
    assert len(seen.conda_packages) == before and damaged(seen) == {}


ODD: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"depends": "python >=3"}, "depends is no list of strings"),
    "mixed": ({"depends": ["python", 3, {}]}, "depends is no list of strings"),
    "files": ({"files": "nothing"}, "files is no list of strings"),
    "rows": ({"paths_data": {"paths": [{"_path": 3}, "x"]}}, "2 of 2 rows of paths_data are none"),
    "lists": ({"paths_data": [[]]}, "paths_data is a list, where an object is expected"),
    "number": ({"build_number": "many"}, "build_number is no value of its type"),
    "other": ({"name": "clack"}, "is the record of clack-1.0-h0_0"),
    "paths": ({"files": ["../../etc/passwd", "/etc/passwd"]}, "2 of its paths lead out of the prefix"),
}


def test_partly_broken_records(tmp_path: Path) -> None:
    """What can be read is kept."""
    env = conda_prefix(tmp_path)
    for kind, (fields, _) in ODD.items():
        env.edit(env.add(kind).name.split("-")[0], fields)
    seen = snapshot_of(env.prefix, deep=True)
    problems = meta_of(seen).problems
    assert {p.name: p.reason for p in problems} == {kind: reason for kind, (_, reason) in ODD.items()}
    assert not any(p.whole for p in problems)
    assert package(seen, "mixed").depends == ("python",)
    assert package(seen, "clack").version == "1.0"
    assert damaged(seen) == {}


def test_unreadable_record(tmp_path: Path) -> None:
    """A FIFO, a folder, a loop."""
    env = conda_prefix(tmp_path)
    env.remove_record("click")
    os.mkfifo(env.meta / "a-1-0.json")
    (env.meta / "b-1-0.json").mkdir()
    (env.meta / "c-1-0.json").symlink_to("c-1-0.json")
    problems = meta_of(snapshot_of(env.prefix)).problems
    assert [(p.name, p.whole) for p in problems] == [("a", True), ("b", True), ("c", True)]


def test_odd_bytes_in_a_record(tmp_path: Path) -> None:
    """Lone surrogates and NaN, which conda takes; bytes that are no UTF-8 and a byte order mark, at which it stops."""
    env = conda_prefix(tmp_path)
    path = env.record_path("click")
    data = path.read_bytes()
    env.put(f"conda-meta/{path.name}", data.replace(b'"license": ', b'"x": NaN, "y": "\\ud800", "license": ', 1))
    assert healthy(env)
    line = data[: data.index(b'"license": ')].count(b"\n") + 1
    for odd, reason in (
        (data.replace(b'"license": ', b'"licence": "\xff\xfe", "license": ', 1), f"is no UTF-8: line {line}"),
        (b"\xef\xbb\xbf" + data, "begins with a byte order mark, which no JSON may"),
    ):
        env.put(f"conda-meta/{path.name}", odd)
        facts = snapshot_of(env.prefix)
        assert [(p.reason, p.whole) for p in meta_of(facts).problems] == [(reason, False)]
        assert next(p for p in facts.conda_packages if p.name == "click").paths > 20


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"build_number": None}, "has no build_number"),
        ({"noarch": "weird"}, "noarch is 'weird', which no installer knows"),
        ({"size": "big"}, "size is no value of its type"),
        ({"timestamp": "now"}, "timestamp is no value of its type"),
        ({"paths_data": []}, "paths_data is a list, where an object is expected"),
        ({"license": 5, "zz": [1], "constrains": None, "size": None, "md5": None, "url": None}, None),
    ],
)
def test_what_conda_and_rattler_stop_at(changes: dict[str, Any], reason: str | None, tmp_path: Path) -> None:
    """Each was tried on conda 24.7.1 (as vendored in conda-lock) and py-rattler 0.28: both refuse it, or conda takes it."""
    env = conda_prefix(tmp_path, packages=("click",))
    env.edit("click", changes)
    assert [p.reason for p in meta_of(snapshot_of(env.prefix)).problems] == ([reason] if reason else [])


def test_null_and_kinds_of_paths(tmp_path: Path) -> None:
    """What `edit` cannot write: null for a list, a path type that nobody knows."""
    env = conda_prefix(tmp_path, packages=("click",))
    path = env.record_path("click")
    record = env.record("click")
    for key in ("depends", "constrains"):
        env.put(f"conda-meta/{path.name}", json.dumps(record | {key: None}))
        assert [p.reason for p in meta_of(snapshot_of(env.prefix)).problems] == [f"{key} is null, where a list is expected"]
    rows = [{**row, "path_type": "weird"} for row in record["paths_data"]["paths"][:2]] + record["paths_data"]["paths"][2:]
    env.put(f"conda-meta/{path.name}", json.dumps(record | {"paths_data": {"paths": rows, "paths_version": 1}}))
    (problem,) = meta_of(snapshot_of(env.prefix)).problems
    assert problem.reason == "2 of its paths are of a kind that no installer knows: 'weird'"


def test_two_records_of_one_package(tmp_path: Path) -> None:
    """Both are there; what both own is one fact, not thirty."""
    env = conda_prefix(tmp_path)
    record = env.record("click")
    other = record | {"version": "8.1.7", "fn": record["fn"].replace("8.1.8", "8.1.7")}
    env.put(f"conda-meta/click-8.1.7-{record['build']}.json", json.dumps(other))
    seen = snapshot_of(env.prefix)
    assert [p.version for p in seen.conda_packages if p.name == "click"] == ["8.1.7", "8.1.8"]
    (shared,) = meta_of(seen).shared
    assert shared.count > 20 and shared.different == 0 and len(shared.paths) == 20
    assert [owner.partition("=")[2][:5] for owner in shared.owners] == ["8.1.7", "8.1.8"]


def test_owned_twice(tmp_path: Path) -> None:
    """The last writer's content stands there; the same content is told apart."""
    env = conda_prefix(tmp_path)
    env.add("rival", files={"share/pathways/copied.txt": "rival\n", "share/pathways/deep/er/data.txt": b"data\n" * 100})
    (shared,) = meta_of(snapshot_of(env.prefix)).shared
    assert shared.owners == ("pathways=1.0=h0123456_0", "rival=1.0=h0_0")
    assert shared.paths == ("share/pathways/copied.txt", "share/pathways/deep/er/data.txt")
    assert (shared.count, shared.different, shared.survivors) == (2, 1, ("rival=1.0=h0_0",))


@pytest.mark.parametrize(
    ("writer", "tool", "version"),
    [("conda", "pip", "8.1.3"), ("conda", "uv", "8.2.1"), ("micromamba", "pip", "8.2.1"), ("rattler", "uv", "8.1.3")],
)
def test_overlay(writer: str, tool: str, version: str, tmp_path: Path) -> None:
    """pip or uv put an older or newer version over conda's."""
    env = conda_prefix(tmp_path, writer, **{tool: (f"click=={version}",)})  # type: ignore[arg-type]
    assert env.run("-c", "import importlib.metadata as m; print(m.version('click'))").stdout.strip() == version
    seen = snapshot_of(env.prefix)
    (overlay,) = meta_of(seen).overlays
    assert (overlay.package.split("=")[0], overlay.distribution, overlay.version) == ("click", "click", version)
    assert (overlay.conda_version, overlay.installer) == ("8.1.8", tool)
    assert overlay.shared > 10 and overlay.gone > 3
    assert package(seen, "click").metadata_gone == (f"lib/python{env.minor}/site-packages/click-8.1.8.dist-info",)


def test_overlay_of_another_name(tmp_path: Path) -> None:
    """Files in common, no name in common."""
    env = conda_prefix(tmp_path)
    env.dist("click-fork", files={"click/core.py": "# fork\n", "click/extra.py": ""})
    (overlay,) = meta_of(snapshot_of(env.prefix)).overlays
    assert (overlay.distribution, overlay.conda_version, overlay.shared, overlay.gone) == ("click-fork", None, 1, 0)
    assert overlay.examples == (f"lib/python{env.minor}/site-packages/click/core.py",)
    assert overlay.left > 10


def test_pip_beside_conda(tmp_path: Path) -> None:
    """A distribution that conda does not have is no overlay."""
    env = conda_prefix(tmp_path, pip=("six==1.16.0",), uv=("colorama==0.4.6",))
    assert not meta_of(healthy(env)).overlays


def test_site_folder_behind_a_link(tmp_path: Path) -> None:
    """lib is a link, or the prefix is: the paths are the same."""
    env = conda_prefix(tmp_path, pip=("click==8.1.3",))
    (env.prefix / "lib").rename(env.prefix / "library")
    (env.prefix / "lib").symlink_to("library")
    (tmp_path / "other").symlink_to(env.prefix)
    for prefix in (env.prefix, tmp_path / "other"):
        seen = snapshot_of(prefix)
        assert set(damaged(seen)) == {"click"}
        assert [overlay.distribution for overlay in meta_of(seen).overlays] == ["click"]


def test_uninstalled_by_pip(tmp_path: Path) -> None:
    """The record stays, all that it recorded below the site folder is gone."""
    env = conda_prefix(tmp_path, pip_uninstall=("click",))
    seen = snapshot_of(env.prefix)
    click = package(seen, "click")
    assert click.missing_count == click.paths
    assert not meta_of(seen).overlays


def test_leftovers(tmp_path: Path) -> None:
    """What a transaction has moved out of the way."""
    env = conda_prefix(tmp_path)
    names = ["lib/libz.so.1.c~", "conda-meta/click-8.1.7-pyh_0.json.c~", "share/pathways/copied.txt.mamba_trash"]
    names.append(f"lib/python{env.minor}/site-packages/click/core.py.conda_trash")
    for name in names:
        env.put(name, "old")
    meta = meta_of(snapshot_of(env.prefix))
    assert meta.leftovers == tuple(sorted(names)) and meta.leftover_count == 4


def test_record_gone(tmp_path: Path) -> None:
    """History knows of it."""
    env = conda_prefix(tmp_path)
    build = env.record("click")["build"]
    env.remove_record("click")
    history = meta_of(snapshot_of(env.prefix)).history
    assert history is not None
    assert history.not_there == (f"click-8.1.8-{build}",)
    assert history.unfinished == (f"+click-8.1.8-{build}",)


def test_orphans(tmp_path: Path) -> None:
    """The folder of an older Python with packages in it."""
    env = conda_prefix(tmp_path)
    old = env.prefix / "lib/python3.9/site-packages"
    env.dist("alpha", site=old) if old.mkdir(parents=True) is None else None
    env.add("beta", files={"lib/python3.9/site-packages/beta.py": ""})
    (env.prefix / "lib/python3.1").symlink_to(f"python{env.minor}")  # conda-forge has such a link
    (orphan,) = meta_of(snapshot_of(env.prefix)).orphans
    assert (orphan.path, orphan.version, orphan.distributions, orphan.recorded) == ("lib/python3.9", "3.9", 1, 1)
    assert orphan.owners == ("beta=1.0=h0_0",)


def test_pins_and_marks(tmp_path: Path) -> None:
    """pinned, frozen, state, pixi."""
    env = conda_prefix(tmp_path)
    env.put("conda-meta/pinned", "# keep\npython 3.11.*\n\nnumpy <2  # for now\n")
    env.put("conda-meta/frozen", "{}")
    env.put("conda-meta/state", '{"env_vars": {"A": "1"}')
    meta = meta_of(snapshot_of(env.prefix))
    assert [(pin.spec, pin.line) for pin in meta.pins] == [("python 3.11.*", 2), ("numpy <2", 4)]
    assert meta.frozen
    (problem,) = meta.problems
    assert problem.path == "conda-meta/state" and problem.reason.startswith("no JSON")
    pixi = conda_prefix(tmp_path / "project", "pixi")
    assert meta_of(snapshot_of(pixi.prefix)).pixi == str(tmp_path / "project" / "env" / "pixi.toml")


HISTORY = """==> 2024-01-01 00:00:00 <==
# cmd: conda create -n x python=3.10 numpy
# conda version: 4.9.2
+defaults/linux-64::python-3.10.1-h_0
+defaults/linux-64::numpy-1.20-py310_0
# update specs: ['numpy', 'python=3.10']
==> 2024-02-01 00:00:00 <==
# cmd: conda remove numpy
# conda version: 24.1.0
-defaults/linux-64::numpy-1.20-py310_0
# remove specs: ['numpy']
==> 2024-03-01 00:00:00 <==
# cmd: mamba install scipy
+https://conda.anaconda.org/conda-forge/linux-64::scipy-1.10-py310_1
+conda-forge/noarch::tomli-2.0-pyh_0
-defaults/linux-64::python-3.10.1-h_0
+defaults/linux-64::python-3.10.2-h_0
# update specs: ["scipy[version='>=1.9']", "conda-forge::tomli"]
# neutered specs: ["python=3.10.*"]
"""


def test_history() -> None:
    """Revisions replayed, specs of all spellings, what did not come true."""
    done = conda_history.parse(HISTORY, ["python-3.10.2-h_0", "scipy-1.10-py310_1", "tomli-2.0-pyh_0"])
    assert done.revisions == 3 and done.last_date == "2024-03-01 00:00:00" and done.last_command == "mamba install scipy"
    assert done.requested == ("python=3.10.*", "scipy[version='>=1.9']", "conda-forge::tomli")
    assert (done.not_there, done.not_said, done.unfinished, done.problems) == ((), (), (), ())
    undone = conda_history.parse(HISTORY, ["python-3.10.1-h_0", "tomli-2.0-pyh_0", "extra-1-0"])
    assert undone.unfinished == ("+python-3.10.2-h_0", "+scipy-1.10-py310_1", "-python-3.10.1-h_0")
    assert undone.not_there == ("python-3.10.2-h_0", "scipy-1.10-py310_1")
    assert undone.not_said == ("extra-1-0", "python-3.10.1-h_0")


@pytest.mark.parametrize(
    ("written", "problems"),
    [
        ("", ()),
        ("==> 2020 <==\n# update specs: ['a\n", ("line 2: no list of specs",)),
        ("==> 2020 <==\n# update specs: [__import__('os')]\n", ("line 2: no list of specs",)),
        ("\0\0\0\n+x-1-0\n", ("line 1: neither a package nor a comment",)),
        ("# update specs: a=1,b>2\n+x-1-0\n", ()),
        ("==> 1 <==\na-1-0\nb-1-0\n", ()),
    ],
)
def test_odd_history(written: str, problems: tuple[str, ...]) -> None:
    """Damaged and old ones."""
    assert conda_history.parse(written, ["x-1-0"]).problems == problems


@pytest.mark.parametrize(
    ("channel", "url", "subdir", "wanted"),
    [
        ("https://conda.anaconda.org/conda-forge/linux-64", None, "linux-64", "https://conda.anaconda.org/conda-forge"),
        ("https://conda.anaconda.org/conda-forge/", None, "linux-64", "https://conda.anaconda.org/conda-forge"),
        ("https://conda.anaconda.org/t/tk-123/private/noarch", None, "linux-64", "https://conda.anaconda.org/private"),
        ("https://me:secret@host.example/get/chan", None, "linux-64", "https://host.example/get/chan"),
        ("conda-forge", None, "linux-64", "conda-forge"),
        ("<unknown>", "file:///x/linux-64/a-1-0.conda", "linux-64", "file:///x"),
        ("", "https://repo.example/pkgs/main/noarch/a-1-0.conda", "noarch", "https://repo.example/pkgs/main"),
        (None, None, None, None),
    ],
)
def test_channel(channel: str | None, url: str | None, subdir: str | None, wanted: str | None) -> None:
    """One name for a channel, whoever wrote it, and no secret in it."""
    assert conda.channel_of(channel, url, subdir) == wanted


@pytest.mark.parametrize("minor", [minor for minor in pythons() if minor != next(iter(pythons()))][:1])
def test_healthy_with_another_python(minor: str, tmp_path: Path) -> None:
    """An interpreter of another minor version."""
    healthy(conda_prefix(tmp_path, "micromamba", python=minor), deep=True)


def test_large_prefix(tmp_path: Path) -> None:
    """400 packages made of real metadata; what they cost tells benchmarks/conda.py."""
    from tests.conda import forge

    place = forge.large_prefix(tmp_path / "large", packages=400, files=12_000)
    seen = snapshot_of(place)
    assert len(seen.conda_packages) == 400 and damaged(seen) == {}


def test_random_damage() -> None:
    """Records and histories cut and changed at random: facts or a reason, never an exception."""
    import random

    source = random.Random(4)
    good = json.dumps(
        {
            "name": "a", "version": "1", "build": "0", "depends": ["b >=1"], "files": ["x", "y.pyc"], "noarch": None,
            "link": {"source": "/p", "type": 1}, "track_features": "", "requested_spec": "None", "subdir": "linux-64",
            "paths_data": {"paths": [{"_path": "x", "path_type": "hardlink", "size_in_bytes": 3, "sha256": "0" * 64}]},
        }
    ).encode()  # fmt: skip
    pieces = [b"null", b"-1", b"1e999", b"[]", b"{}", b'"', b"\\ud800", b"\xff", b"\0", b"true", b"9" * 400, b"[" * 5000, b","]
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(source.randint(1, 4)):
            at = source.randrange(len(data))
            data[at : at + source.choice([0, 1, 5, 40])] = source.choice(pieces)
        found, reasons = conda.decode(bytes(data))
        assert found is not None or reasons
    for _ in range(1000):
        lines = HISTORY.splitlines()
        for _ in range(4):
            at = source.randrange(len(lines))
            lines[at] = lines[at][source.randrange(9) :] + source.choice(["", "\0", "[", "+", "'", "==>", "# x specs: ["])
        conda_history.parse("\n".join(lines), ["a-1-0"])
