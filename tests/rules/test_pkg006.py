"""PKG006 recorded-file-missing: what an import needs is an error, the rest is not."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.builders import Env
from tests.support import diagnose, only


def test_a_module_that_imports_need_is_gone(env: Env) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "from . import core\n", "alpha/core.py": "x = 1\n", "alpha/b.py": ""})
    assert env.imports("alpha")
    (env.site / "alpha/core.py").unlink()
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, "PKG006"), "PKG006")
    assert finding.severity == "error"
    assert (finding.subjects[0].kind, finding.subjects[0].name, finding.subjects[0].version) == ("distribution", "alpha", "1.0")
    assert finding.subjects[1].kind == "file" and finding.subjects[1].name.endswith("site-packages/alpha/core.py")
    assert "alpha/core.py" in finding.message and "lacks a file" in finding.message
    assert any("alpha==1.0" in word for command in finding.fixes[0].commands for word in command)
    assert (str(env.python), "-c", "import alpha") in finding.fixes[0].verify


def test_many_files_are_one_finding(env: Env) -> None:
    files = {f"alpha/m{i}.py": "x = 1\n" for i in range(60)}
    env.dist("alpha", files={"alpha/__init__.py": "", "alpha/keep.py": "", **files})
    for i in range(50):
        (env.site / f"alpha/m{i}.py").unlink()
    finding = only(diagnose(env.prefix, "PKG006"), "PKG006")
    assert "50 files" in finding.message and len(finding.evidence) <= 7


@pytest.mark.parametrize("path", ["alpha/cacert.pem", "alpha/_core.so", "alpha/schema.json", "alpha.libs/libz-1a2b.so.1"])
def test_native_files_and_package_data_are_errors(env: Env, path: str) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "", path: "data"})
    (env.site / path).unlink()
    assert only(diagnose(env.prefix, "PKG006"), "PKG006").severity == "error"


@pytest.mark.parametrize(
    "path",
    [
        "alpha/tests/test_x.py",
        "alpha/docs/index.rst",
        "alpha/lib/libalpha.a",
        "alpha/include/alpha.h",
        "alpha/core.pyi",
        "alpha/README.md",
        "alpha/w32.exe",
        "alpha/_core.pyd",
        "alpha-1.0.dist-info/LICENSE",
        "alpha-1.0.dist-info/licenses/AUTHORS",
        "../../../bin/alpha",
        "../../../share/man/man1/alpha.1",
    ],
)
def test_what_no_import_needs_is_a_warning(env: Env, path: str) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "", path: "x"})
    (env.site / path).unlink()
    finding = only(diagnose(env.prefix, "PKG006"), "PKG006")
    assert finding.severity == "warning"
    assert "no import needs" in finding.message and finding.fixes[0].commands


def test_a_script_is_shown_where_it_was(env: Env) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "", "../../../bin/alpha": "#!/bin/sh\n"})
    (env.prefix / "bin/alpha").unlink()
    finding = only(diagnose(env.prefix, "PKG006"), "PKG006")
    assert "bin/alpha does not exist" in finding.evidence
    assert finding.subjects[1].name == "bin/alpha"


def test_compiled_files_never_count(env: Env) -> None:
    info = env.dist("alpha", files={"alpha/__init__.py": ""})
    with (info / "RECORD").open("a") as record:
        record.write("alpha/__pycache__/__init__.cpython-311.pyc,,\nalpha/old.pyc,,\n")
    assert diagnose(env.prefix, "PKG006") == []


def test_folders_of_compiled_files_that_virtualenv_recorded(env: Env) -> None:
    """virtualenv 20.0 wrote ``pip/__pycache__,,`` for its seeds."""
    info = env.dist("alpha", files={"alpha/__init__.py": ""})
    with (info / "RECORD").open("a") as record:
        record.write("alpha/__pycache__,,\nalpha/inner/__pycache__/,,\n")
    assert diagnose(env.prefix, "PKG006") == []


def test_rows_of_the_wheels_own_data_folder(env: Env) -> None:
    """uv leaves the rows of pylint 2.6.0's wheel in RECORD beside those of the installed scripts."""
    info = env.dist("alpha", files={"alpha/__init__.py": "", "../../../bin/alpha": "#!/bin/sh\n"})
    with (info / "RECORD").open("a") as record:
        record.write("alpha-1.0.data/scripts/alpha,sha256=wXf1V2_-AB_S1uuYztSS90GiTeCkJ4eBOGEQ7CO2Nmc,53\n")
    assert diagnose(env.prefix, "PKG006") == []


def test_an_image_without_sources_is_whole(env: Env) -> None:
    import py_compile

    env.dist("alpha", files={"alpha/__init__.py": "from . import core\n", "alpha/core.py": "x = 1\n"})
    for name in ("__init__", "core"):
        source = env.site / f"alpha/{name}.py"
        py_compile.compile(str(source), cfile=str(source) + "c", doraise=True)
        source.unlink()
    assert env.imports("alpha")
    assert diagnose(env.prefix, "PKG006") == []


def test_installers_own_files_never_count(env: Env) -> None:
    info = env.dist("alpha")
    for name in ("INSTALLER", "REQUESTED"):
        (info / name).unlink()
    assert diagnose(env.prefix, "PKG006") == []


def test_a_slimmed_image_is_one_remark(env: Env) -> None:
    for i in range(6):
        env.dist(f"pkg{i}", files={f"pkg{i}/__init__.py": "", f"pkg{i}/tests/test_a.py": "", f"pkg{i}/libx.a": ""})
        shutil.rmtree(env.site / f"pkg{i}/tests")
        (env.site / f"pkg{i}/libx.a").unlink()
        assert env.imports(f"pkg{i}")
    finding = only(diagnose(env.prefix, "PKG006"), "PKG006")
    assert finding.severity == "info" and "6 distributions" in finding.message


def test_metadata_left_behind_by_another_version_is_not_asked(env: Env) -> None:
    env.dist("alpha", "1.0", files={"alpha/__init__.py": "", "alpha/old.py": ""})
    (env.site / "alpha/old.py").unlink()
    env.dist("alpha", "2.0", files={"alpha/__init__.py": "", "alpha/new.py": ""})
    codes = [(f.code, f.severity) for f in diagnose(env.prefix, "PKG004", "PKG006")]
    assert codes == [("PKG004", "error")]


def test_a_healthy_environment(env: Env) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "", "../../../bin/alpha": "#!x", "alpha/data.json": "{}"})
    env.dist("beta", record=False)
    assert diagnose(env.prefix, "PKG006") == []


def conda(env: Env, name: str) -> None:
    """Makes a conda package of an installed distribution: its record lists the metadata."""
    info = next(env.site.glob(f"{name}-*.dist-info"))
    meta = env.prefix / "conda-meta"
    meta.mkdir(exist_ok=True)
    files = [str(path.relative_to(env.prefix)) for path in info.iterdir()]
    record = {"name": name, "version": "1.0", "build": "py_0", "build_number": 0, "files": files, "depends": []}
    (meta / f"{name}-1.0-py_0.json").write_text(json.dumps(record))


def test_what_conda_builders_pruned_is_mild(env: Env) -> None:
    env.dist("alpha", files={"alpha/__init__.py": "", "alpha/data.pem": "", "alpha/t/a.so": "", "../../../bin/alpha": ""})
    env.dist("beta", files={"beta/__init__.py": "", "beta/_vendor.py": ""})
    for name in ("alpha", "beta"):
        conda(env, name)
    for path in ("alpha/data.pem", "../../../bin/alpha", "beta/_vendor.py"):
        (env.site / path).unlink()
    finding = only(diagnose(env.prefix, "PKG006"), "PKG006")
    assert (finding.severity, finding.subjects[0].name) == ("warning", "beta")
