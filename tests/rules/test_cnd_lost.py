"""CND012 on prefixes whose records were deleted and of which no history tells, and on files that people put there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.conda import CondaPrefix, conda_prefix
from tests.support import diagnose, only


def cached(env: CondaPrefix, cache: Path, *names: str, link: bool = True) -> None:
    """Unpacks packages of the prefix in a cache, with hard links or copies, and makes all records name that cache."""
    for name, record in env.records().items():
        dist = record["fn"].removesuffix(".conda").removesuffix(".tar.bz2")
        place = str(cache / dist)
        if name in names:
            for row in record["paths_data"]["paths"]:
                here, there = env.prefix / row["_path"], cache / dist / row["_path"]
                there.parent.mkdir(parents=True, exist_ok=True)
                if here.is_symlink() or row.get("prefix_placeholder") or not link:
                    shutil.copy2(here, there, follow_symlinks=False)
                else:
                    os.link(here, there)
            (cache / dist / "info").mkdir()
            rows = {"paths": record["paths_data"]["paths"], "paths_version": 1}
            (cache / dist / "info" / "paths.json").write_text(json.dumps(rows))
        env.edit(name, extracted_package_dir=place, link={"source": place, "type": 1})


@pytest.mark.parametrize("link", [True, False])
@pytest.mark.parametrize("writer", ["rattler", "pixi"])
def test_the_cache_tells_what_is_lost(writer: str, link: bool, tmp_path: Path) -> None:
    """A package without Python metadata, on which nothing depends."""
    env = conda_prefix(tmp_path, writer)
    cached(env, tmp_path / "pkgs", "pathways", "click", link=link)
    assert diagnose(env.prefix, "CND012") == []
    env.remove_record("pathways")
    found = only(diagnose(env.prefix, "CND012", "CND003"), "CND012")
    assert (found.severity, found.confidence) == ("error", "certain" if link else "likely")
    first = found.subjects[0]
    assert (first.kind, first.name, first.version) == ("conda-package", "pathways", "1.0")
    assert found.message.startswith("pathways 1.0 has its files in the prefix and no record in conda-meta")
    (command,) = found.fixes[0].commands
    assert command[0] == ("pixi" if writer == "pixi" else "conda")


def test_half_linked(tmp_path: Path) -> None:
    """An installation that was killed: some of the files, as hard links; copies of some would be anybody's."""
    for link in (True, False):
        env = conda_prefix(tmp_path, "rattler", name=f"env{link}")
        cached(env, tmp_path / f"pkgs{link}", "pathways", link=link)
        env.remove_record("pathways")
        for path in ("etc/pathways.cfg", "lib/pathways.bin", "bin/pathways"):
            (env.prefix / path).unlink()
        found = diagnose(env.prefix, "CND012")
        assert [(f.severity, f.subjects[0].name) for f in found] == [("error", "pathways")] * link


def test_packages_of_the_cache_that_were_never_here(tmp_path: Path) -> None:
    """Removed, never installed, or another version of what is lost; with files of people that go by the same names."""
    env = conda_prefix(tmp_path, "rattler")
    cached(env, tmp_path / "pkgs", "pathways", "click")
    record = env.record("pathways")
    env.remove_record("pathways")
    for row in record["paths_data"]["paths"]:
        (env.prefix / row["_path"]).unlink(missing_ok=True)
    assert diagnose(env.prefix, "CND012") == []
    env.put("bin/pathways", "mine")
    env.put("etc/pathways.cfg", "mine")
    assert diagnose(env.prefix, "CND012") == []


def test_without_a_cache_libraries_are_a_remark(tmp_path: Path) -> None:
    """Nothing tells whether a record is lost or somebody built it."""
    env = conda_prefix(tmp_path, "rattler")
    env.add("libleaf", "2.1", files={"lib/libleaf.so.2": b"\x7fELF", "include/leaf.h": "", "share/leaf/data": "x"})
    assert diagnose(env.prefix, "CND012") == []
    env.remove_record("libleaf")
    found = only(diagnose(env.prefix, "CND012"), "CND012")
    assert (found.severity, found.confidence) == ("info", "possible")
    assert found.message.startswith("lib/libleaf.so.2 belongs to no record and no distribution")


def test_hard_links_are_an_installers(tmp_path: Path) -> None:
    """The cache that they were made from is not named by any record that is left."""
    env = conda_prefix(tmp_path, "rattler")
    env.add("tool", files={"bin/tool": "#!/bin/sh\n", "share/tool/data": "x"})
    os.link(env.prefix / "bin/tool", tmp_path / "tool")
    env.remove_record("tool")
    found = only(diagnose(env.prefix, "CND012"), "CND012")
    assert (found.severity, found.confidence) == ("warning", "likely")
    assert "2 hard links" in found.evidence[0]


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_what_people_put_into_a_prefix(writer: str, tmp_path: Path) -> None:
    """No finding: scripts, programs, folders, data, links, and what wheels bring beside their site folder."""
    env = conda_prefix(tmp_path, writer)
    added = "bin/mine.sh bin/cargo-thing share/notes/a.txt work/x etc/app.conf lib/node_modules/x/index.js lib/plugin.txt"
    for path in f"{added} include/mine.h bin/conda .condarc conda-meta/note.txt lib/pkgconfig/mine.pc".split():
        env.put(path, "x")
    (env.prefix / "bin/link").symlink_to("mine.sh")
    (env.prefix / "lib/libnowhere.so").symlink_to("gone.so")
    env.dist("wheel-with-data", files={"../../../bin/wheel-tool": b"\x7fELF", "../../../lib/libwheel.so": b"\x7fELF"})
    assert diagnose(env.prefix, "CND012") == []


def test_a_library_that_somebody_built_where_the_history_tells_all(tmp_path: Path) -> None:
    """make install into a prefix of conda."""
    env = conda_prefix(tmp_path)
    env.put("lib/libmine.so.1", b"\x7fELF")
    assert diagnose(env.prefix, "CND012") == []
    cached(env, tmp_path / "pkgs", "pathways")
    env.remove_record("pathways")
    (env.meta / "history").write_text("")
    found = {f.subjects[0].kind: f.severity for f in diagnose(env.prefix, "CND012")}
    assert found == {"conda-package": "error", "environment": "info"}
