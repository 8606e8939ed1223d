"""PKG007 recorded-file-altered: sizes always, hashes with --deep."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.builders import Env, compile_extension
from tests.support import diagnose, only

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")


def extension(env: Env, tmp_path: Path, name: str = "_core", dist: str = "alpha") -> Path:
    """A distribution with a real extension module; returns the installed file."""
    built = compile_extension(tmp_path / "build", name, flags=["-g"])
    path = f"{dist}/{built.name}"
    tags = ("cp311-cp311-linux_x86_64",)
    env.dist(dist, files={f"{dist}/__init__.py": f"from . import {name}\n", path: built.read_bytes()}, tags=tags)
    return env.site / path


@needs_gcc
def test_a_truncated_native_file_is_an_error(env: Env, tmp_path: Path) -> None:
    file = extension(env, tmp_path)
    assert env.imports("alpha")
    file.write_bytes(file.read_bytes()[:600])
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, "PKG007"), "PKG007")
    assert finding.severity == "error"
    assert finding.subjects[0].name == "alpha" and finding.subjects[0].version == "1.0"
    assert "600 bytes" in finding.message and file.name in finding.message


@needs_gcc
def test_another_native_file_is_an_error(env: Env, tmp_path: Path) -> None:
    file = extension(env, tmp_path)
    file.write_bytes(file.read_bytes() + b"\0" * 64)
    assert only(diagnose(env.prefix, "PKG007"), "PKG007").severity == "error"


@needs_gcc
def test_an_empty_native_file_is_an_error(env: Env, tmp_path: Path) -> None:
    extension(env, tmp_path).write_bytes(b"")
    assert not env.imports("alpha")
    assert only(diagnose(env.prefix, "PKG007"), "PKG007").severity == "error"


@needs_gcc
@pytest.mark.skipif(shutil.which("strip") is None, reason="no strip")
def test_stripped_native_files_are_a_warning(env: Env, tmp_path: Path) -> None:
    import subprocess

    for dist in ("alpha", "beta"):
        file = extension(env, tmp_path, dist=dist)
        subprocess.run(["strip", "--strip-debug", str(file)], check=True)
        assert env.imports(dist)
    findings = diagnose(env.prefix, "PKG007")
    assert [finding.severity for finding in findings] == ["warning", "warning"]
    assert "strip" in findings[0].message


def test_an_edited_module_is_a_warning(env: Env) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "x = 1\n", "alpha/core.py": ""})
    (env.site / "alpha/__init__.py").write_text("x = 1\nprint('patched')\n")
    finding = only(diagnose(env.prefix, "PKG007"), "PKG007")
    assert finding.severity == "warning" and finding.fixes[0].safety == "unsafe"


def test_a_module_that_became_empty_is_an_error(env: Env) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "from .core import x\n", "alpha/core.py": "x = 1\n"})
    (env.site / "alpha/core.py").write_text("")
    assert not env.imports("alpha")
    assert only(diagnose(env.prefix, "PKG007"), "PKG007").severity == "error"


def test_the_same_size_needs_deep(env: Env) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "x = 1\n", "alpha/data.json": "[1]"})
    (env.site / "alpha/__init__.py").write_text("x = 2\n")
    (env.site / "alpha/data.json").write_text("[2]")
    assert diagnose(env.prefix, "PKG007") == []
    finding = only(diagnose(env.prefix, "PKG007", deep=True), "PKG007")
    assert finding.severity == "warning" and "2 files" in finding.message


def test_data_of_another_size_needs_deep(env: Env) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "", "alpha/data.json": "[1]"})
    (env.site / "alpha/data.json").write_text("[1, 2]")
    assert only(diagnose(env.prefix, "PKG007", deep=True), "PKG007").severity == "warning"


def test_what_installers_rewrite_is_fine(env: Env) -> None:
    info = env.dist(
        "alpha",
        files={"alpha/__init__.py": "", "../../../bin/alpha": "#!python\n"},
        direct_url=json.dumps({"url": "https://example.org/alpha-1.0.whl", "archive_info": {}}),
    )
    (env.prefix / "bin/alpha").write_text("#!/elsewhere/bin/python3.11 -I\n")
    (info / "INSTALLER").write_text("uv-something-longer\n")
    (info / "direct_url.json").write_text(json.dumps({"url": "https://example.org/alpha-1.0-other.whl", "archive_info": {}}))
    (info / "REQUESTED").write_text("yes")
    assert diagnose(env.prefix, "PKG007", deep=True) == []


def test_company_certificates_are_information(env: Env) -> None:
    env.dist("certifi", "2024.1", files={"certifi/__init__.py": "", "certifi/cacert.pem": "-- A --\n"})
    (env.site / "certifi/cacert.pem").write_text("-- A --\n-- Our company --\n")
    assert all(f.severity == "info" for f in diagnose(env.prefix, "PKG007", deep=True))
    assert diagnose(env.prefix, "PKG007") == []


def test_what_another_distribution_overwrote_is_said_once(env: Env) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "", "common/util.py": "one = 1\n"})
    env.dist("beta", files={"beta/__init__.py": "", "common/util.py": "two = 22\n"})
    assert {f.code for f in diagnose(env.prefix, "PKG007", "PKG008")} == {"PKG008"}


def test_metadata_of_an_older_version_is_not_asked(env: Env) -> None:
    env.dist("alpha", "1.0", files={"alpha/__init__.py": "v = 1\n"})
    env.dist("alpha", "2.0", files={"alpha/__init__.py": "v = 22\n"})
    assert diagnose(env.prefix, "PKG007") == []


def test_what_conda_relinked_is_fine(env: Env) -> None:
    info = env.dist("alpha", files={"alpha/__init__.py": "p = '/build/prefix'\n", "alpha/_core.so": "ELF"})
    (env.site / "alpha/__init__.py").write_text("p = '/elsewhere'\n")
    (env.site / "alpha/_core.so").write_text("ELF relinked")
    files = [str(path.relative_to(env.prefix)) for path in info.iterdir()]
    (env.prefix / "conda-meta").mkdir()
    record = {"name": "alpha", "version": "1.0", "build": "py_0", "build_number": 0, "files": files, "depends": []}
    assert only(diagnose(env.prefix, "PKG007"), "PKG007").severity == "error"
    (env.prefix / "conda-meta/alpha-1.0-py_0.json").write_text(json.dumps(record))
    assert diagnose(env.prefix, "PKG007", deep=True) == []
