"""CND001, CND002, CND005, CND006, CND008, CND012 and what follows from them: real prefixes of all writers, real pip and uv."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from envdoctor import plan
from envdoctor.finding import Finding
from envdoctor.report import Report
from tests.conda import WRITERS, conda_prefix, foreign_prefix
from tests.effort import ends
from tests.support import diagnose, errors, only, report_of, snapshot_of

CODES = ("CND001", "CND002", "CND005", "CND006", "CND008", "CND012")


def whole(prefix: Path | str, **options: Any) -> Report:
    """The report of all rules."""
    return report_of(snapshot_of(prefix, **options))


def of(findings: Any, code: str, kind: str, name: str) -> list[Finding]:
    """Findings of that code about that subject."""
    return [f for f in findings if f.code == code and any((s.kind, s.name) == (kind, name) for s in f.subjects)]


def commands(finding: Finding) -> list[str]:
    """Of its first fix."""
    return [" ".join(argv) for argv in finding.fixes[0].commands]


# --------------------------------------------------------------------------------------------------------------- healthy


@pytest.mark.parametrize("writer", WRITERS)
def test_healthy(writer: str, tmp_path: Path) -> None:
    """No error at all, nothing of these rules, by size and by content."""
    env = conda_prefix(tmp_path, writer, extra=("numpy",))
    report = whole(env.prefix, deep=True)
    assert errors(list(report.findings)) == []
    assert [f.code for f in report.findings if f.code in CODES or f.code.startswith("PKG")] == []


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_healthy_with_additions_of_pip(writer: str, tmp_path: Path) -> None:
    """What pip and uv put beside conda's."""
    env = conda_prefix(tmp_path, writer, pip=("six==1.16.0",), uv=("colorama==0.4.6",))
    report = whole(env.prefix, deep=True)
    assert errors(list(report.findings)) == []
    assert [f.code for f in report.findings if f.code in CODES] == []


@pytest.mark.parametrize("subdir", ["osx-arm64", "win-64"])
@pytest.mark.parametrize("writer", ["conda", "rattler"])
def test_healthy_foreign(subdir: str, writer: str, tmp_path: Path) -> None:
    """Prefixes of other systems; on macOS files are signed again."""
    env = foreign_prefix(tmp_path, subdir, writer)
    assert diagnose(env.prefix, *CODES, deep=True) == []


# ---------------------------------------------------------------------------------------------------------------- CND001


@pytest.mark.parametrize("writer", ["conda", "micromamba", "pixi"])
def test_file_gone(writer: str, tmp_path: Path) -> None:
    """An error, with the package and the file, and the command of the tool that owns the prefix."""
    env = conda_prefix(tmp_path, writer)
    path = f"lib/python{env.minor}/site-packages/click/core.py"
    (env.prefix / path).unlink()
    report = whole(env.prefix)
    found = only(list(report.findings), "CND001")
    assert found.severity == "error"
    assert (found.subjects[0].kind, found.subjects[0].name, found.subjects[0].version) == ("conda-package", "click", "8.1.8")
    assert any((s.kind, s.name) == ("file", path) for s in found.subjects)
    assert any((s.kind, s.name) == ("distribution", "click") for s in found.subjects)
    assert found.message == f"click 8.1.8 lacks a file that its record lists: {path}"
    build = env.record("click")["build"]
    (line,) = commands(found)
    if writer == "pixi":
        assert line == f"pixi reinstall --manifest-path {tmp_path / 'env' / 'pixi.toml'} click"
    else:
        assert line == f"{writer} install -p {env.prefix} --force-reinstall --no-deps -c conda-forge click=8.1.8={build}"
    others = [f for f in report.findings if f is not found and f.severity != "info"]
    assert all(f.caused_by == found.fingerprint for f in others), others


def test_whole_package_gone(tmp_path: Path) -> None:
    """Paths outside of site folders, too: no pip did that."""
    env = conda_prefix(tmp_path)
    for row in env.record("pathways")["paths_data"]["paths"]:
        (env.prefix / row["_path"]).unlink(missing_ok=True)
    found = only(diagnose(env.prefix, *CODES), "CND001")
    assert found.message.startswith("all ") and found.message.endswith(" files of pathways 1.0 are gone")


def test_what_no_program_needs(tmp_path: Path) -> None:
    """One package: a warning; a slimmed image: one remark."""
    env = conda_prefix(tmp_path)
    for number in range(4):
        env.add(f"lib{number}", files={f"include/{number}.h": "", f"lib/lib{number}.a": "!", f"share/doc/{number}/README": "x"})
    (env.prefix / "include/0.h").unlink()
    found = only(diagnose(env.prefix, *CODES), "CND001")
    assert found.severity == "warning" and found.subjects[0].name == "lib0"
    for number in range(4):
        (env.prefix / f"lib/lib{number}.a").unlink()
        shutil.rmtree(env.prefix / f"share/doc/{number}")
    found = only(diagnose(env.prefix, *CODES), "CND001")
    assert (found.severity, found.subjects[0].kind) == ("info", "environment")


def test_a_folder_gone_is_one_finding(tmp_path: Path) -> None:
    """All of site-packages: not eleven packages that pip has uninstalled."""
    env = conda_prefix(tmp_path, extra=("numpy", "six", "packaging", "python-dateutil", "colorama", "wheel"))
    for path in [*env.site.iterdir()]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    report = whole(env.prefix)
    findings = [f for f in report.findings if f.code in CODES]
    found = only(findings, "CND001")
    assert len(findings) == 1 and found.severity == "error"
    assert {"click", "pip", "numpy"} <= {s.name for s in found.subjects if s.kind == "conda-package"}
    assert sum(f.severity == "error" for f in report.findings if not f.caused_by) == 1, [f.message for f in report.findings]


def test_dead_interpreter(tmp_path: Path) -> None:
    """INT001 says it, and everything else is still checked."""
    env = conda_prefix(tmp_path)
    for path in (env.prefix / "bin").glob("python*"):
        path.unlink()
    env.alter(f"lib/python{env.minor}/site-packages/click/core.py", same_size=False)
    report = whole(env.prefix)
    gone = only(list(report.findings), "INT001")
    assert only(list(report.findings), "CND001").caused_by == gone.fingerprint
    assert of(report.findings, "CND002", "conda-package", "click")
    assert "python=" in commands(gone)[0] and "--force-reinstall" in commands(gone)[0]


def test_missing_library(tmp_path: Path) -> None:
    """What cannot load follows from the file that is gone."""
    env = conda_prefix(tmp_path, extra=("numpy",))
    gone = list((env.prefix / "lib").glob("libopenblas*")) or [*(env.prefix / "lib").glob("libz.so*")]
    for path in gone:
        path.unlink()
    report = whole(env.prefix)
    causes = {f.fingerprint for f in report.findings if f.code == "CND001"}
    assert causes
    loading = [f for f in report.findings if f.code in ("LIB001", "LIB009", "INT009")]
    assert all(f.caused_by for f in loading), [f.message for f in loading]


# ---------------------------------------------------------------------------------------------------------------- CND002


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_altered(writer: str, tmp_path: Path) -> None:
    """By size at once, by content with --deep."""
    env = conda_prefix(tmp_path, writer)
    env.alter("share/pathways/deep/er/data.txt", same_size=False)
    env.alter(f"lib/python{env.minor}/site-packages/click/core.py")
    found = only(diagnose(env.prefix, *CODES), "CND002")
    assert (found.severity, found.subjects[0].name) == ("warning", "pathways")
    assert "share/pathways/deep/er/data.txt is not the file that was installed" in found.message
    deep = diagnose(env.prefix, *CODES, deep=True)
    assert [(f.code, f.subjects[0].name) for f in deep] == [("CND002", "click"), ("CND002", "pathways")]
    assert "sha256" in deep[0].message


@pytest.mark.parametrize("how", ["hard link", "copy", "other", "noarch"])
def test_altered_in_the_cache_too(how: str, tmp_path: Path) -> None:
    """Linking anew from that cache would bring the same content: CND016 is the cause, and the fix takes that copy away first."""
    env = conda_prefix(tmp_path)
    name, inner = ("click", "site-packages/click/core.py") if how == "noarch" else ("pathways", "share/pathways/copied.txt")
    path = env.prefix / (f"lib/python{env.minor}/{inner}" if how == "noarch" else inner)
    folder = tmp_path / "root" / "pkgs" / env.record_path(name).stem
    env.edit(name, link={"source": str(folder), "type": 1}, extracted_package_dir=str(folder))
    (folder / inner).parent.mkdir(parents=True)
    (folder / "info").mkdir()
    for file in ("index.json", "paths.json"):
        (folder / "info" / file).write_text('{"paths": []}')
    if how in ("hard link", "noarch"):
        (folder / inner).hardlink_to(path)
        path.write_text("other content\n")
    else:
        (folder / inner).write_text("other content\n" if how == "copy" else "never linked\n")
        env.put(inner, "other content\n")
    report = whole(env.prefix)
    found = only(list(report.findings), "CND002")
    lines = commands(found)
    if how == "other":
        assert not [f for f in report.findings if f.code == "CND016"]
        assert found.caused_by is None and "--force-reinstall" in lines[0] and len(lines) == 1
        return
    cause = only(list(report.findings), "CND016")
    assert found.caused_by == cause.fingerprint
    assert lines[0] == f"rm -rf -- {folder}" and "--force-reinstall" in lines[1]
    assert found.evidence[0].endswith("; the package cache has it so, too")
    steps = [" ".join(step.command) for step in plan.make(report.findings).steps]
    assert steps[0] == f"rm -rf -- {folder}" and "--force-reinstall" in steps[1] and len(steps) == len(set(steps))


def test_altered_in_the_cache_too_of_the_same_size(tmp_path: Path) -> None:
    """Told by the hash, with --deep."""
    env = conda_prefix(tmp_path)
    folder = tmp_path / "root" / "pkgs" / env.record_path("pathways").stem
    env.edit("pathways", link={"source": str(folder), "type": 1}, extracted_package_dir=str(folder))
    env.alter("share/pathways/copied.txt")
    (folder / "info").mkdir(parents=True)
    for file in ("index.json", "paths.json"):
        (folder / "info" / file).write_text('{"paths": []}')
    shutil.copytree(env.prefix / "share/pathways", folder / "share/pathways", symlinks=True)
    assert diagnose(env.prefix, "CND002", "CND016") == []
    found = diagnose(env.prefix, "CND002", "CND016", deep=True)
    assert only(found, "CND002").caused_by == only(found, "CND016").fingerprint


def test_what_was_hashed_is_in_the_report(tmp_path: Path) -> None:
    """The reasons of the two checks that hash, whether they find something or not; none without --deep."""
    from envdoctor.formats import json as report_json

    env = conda_prefix(tmp_path)
    env.dist("own", "1.0", files={"own.py": "x = 1\n"})
    env.alter("share/pathways/copied.txt")
    report = report_of(snapshot_of(env.prefix, deep=True), "CND001", "CND002", "PKG007")
    checks = {check["code"]: check for check in json.loads(report_json.render(report))["checks"]}
    assert checks["CND001"]["reason"] is None
    assert (checks["CND002"]["outcome"], checks["PKG007"]["outcome"]) == ("found", "clean")
    assert "paths of conda's records (" in checks["CND002"]["reason"] and "links" in checks["CND002"]["reason"]
    assert checks["PKG007"]["reason"].startswith("hashed what ")
    shallow = report_of(snapshot_of(env.prefix), "CND002", "PKG007")
    assert [check.reason for check in shallow.checks] == [None, None]


def test_certificates_and_indexes(tmp_path: Path) -> None:
    """A company's certificates are a remark, an index that is made again is nothing."""
    env = conda_prefix(tmp_path)
    env.put("ssl/cacert.pem", (env.prefix / "ssl/cacert.pem").read_bytes() + b"# ours\n")
    env.add("themes", files={"share/icons/hicolor/icon-theme.cache": "old"})
    env.put("share/icons/hicolor/icon-theme.cache", "another")
    found = only(diagnose(env.prefix, *CODES), "CND002")
    assert (found.severity, found.subjects[0].name) == ("info", "ca-certificates")


def test_many_altered_are_one(tmp_path: Path) -> None:
    """Line ends of everything."""
    env = conda_prefix(tmp_path)
    for number in range(12):
        env.add(f"text{number}", files={f"share/text{number}.txt": "a\nb\n"})
        env.put(f"share/text{number}.txt", "a\r\nb\r\n")
    found = only(diagnose(env.prefix, *CODES), "CND002")
    assert found.message.startswith("12 packages have 12 files") and len(found.fixes[0].commands[0]) == 20


# ---------------------------------------------------------------------------------------------------------------- CND005


@pytest.mark.parametrize(
    ("writer", "tool", "version", "word"),
    [
        ("conda", "pip", "8.1.3", "older"),
        ("conda", "uv", "8.2.1", "newer"),
        ("micromamba", "pip", "8.2.1", "newer"),
        ("pixi", "uv", "8.1.3", "older"),
    ],
)
def test_replaced(writer: str, tool: str, version: str, word: str, tmp_path: Path) -> None:
    """A clean replacement: a warning, what else is seen follows from it, one ordered plan."""
    env = conda_prefix(tmp_path, writer, **{tool: (f"click=={version}",)})  # type: ignore[arg-type]
    report = whole(env.prefix)
    found = only(list(report.findings), "CND005")
    assert found.severity == "warning"
    assert [(s.kind, s.name, s.version) for s in found.subjects[:2]] == [
        ("conda-package", "click", "8.1.8"),
        ("distribution", "click", version),
    ]
    assert found.message == f"{tool} replaced conda's click 8.1.8 by click {version}, which is {word}"
    rest = [f for f in report.findings if f.severity != "info" and f is not found]
    assert {f.code for f in rest} <= {"CND001", "CND002"} and all(f.caused_by == found.fingerprint for f in rest)
    made = plan.make(report.findings)
    words = [" ".join(step.command) for step in made.steps]
    assert len(words) == 2 and not made.manual, words
    assert "uninstall" in words[0] and ("uv pip" in words[0]) == (tool == "uv")
    assert words[1].startswith("pixi reinstall" if writer == "pixi" else f"{writer} install -p {env.prefix} --force-reinstall")
    assert made.verify[0][-1] == "check" or "check" in made.verify[0]


def test_conda_package_depends_on_another(tmp_path: Path) -> None:
    """The version that is there is outside of what a record asks for: an error."""
    env = conda_prefix(tmp_path, pip=("click==8.1.3",))
    env.add("tool", depends=["click >=8.1.5,<9"])
    found = only(diagnose(env.prefix, *CODES, "CND004"), "CND005")
    assert found.severity == "error"
    assert found.message.endswith(": tool 1.0 depends on click >=8.1.5,<9")
    env.edit("tool", depends=["click >=8.1,<9"])
    assert only(diagnose(env.prefix, *CODES), "CND005").severity == "warning"


def test_requires_dist_no_longer_holds(tmp_path: Path) -> None:
    """Of others against it, and its own against what conda has; PKG001 and PKG002 follow."""
    env = conda_prefix(tmp_path, pip=("click==8.1.3",))
    env.dist("asks", requires=["click>=8.1.7"])
    report = whole(env.prefix)
    found = only(list(report.findings), "CND005")
    assert found.severity == "error" and found.message.endswith(": asks 1.0 requires click>=8.1.7")
    assert only(list(report.findings), "PKG002").caused_by == found.fingerprint
    made = plan.make(report.findings)
    assert [step.stage for step in made.steps] == ["uninstall", "reinstall"] and not made.manual


def test_its_own_requirements(tmp_path: Path) -> None:
    """pip --no-deps brought one that needs more than conda has."""
    env = conda_prefix(tmp_path, pip=("click==8.1.3",))
    metadata = env.site / "click-8.1.3.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("\n\n", "\nRequires-Dist: jinja2>=99\n\n", 1))
    report = whole(env.prefix)
    found = only(list(report.findings), "CND005")
    assert found.severity == "error" and "requires jinja2>=99, and conda has jinja2" in found.message
    assert only(list(report.findings), "PKG002").caused_by == found.fingerprint


def test_mixture(tmp_path: Path) -> None:
    """pip --ignore-installed: both metadata folders, modules of the old version among the new."""
    env = conda_prefix(tmp_path)
    env.pip("install", "-q", "--no-deps", "--ignore-installed", "click==8.1.3")
    (env.site / "click" / "_old.py").write_text("x = 1\n")
    record = env.record("click")
    row = {"_path": f"lib/python{env.minor}/site-packages/click/_old.py", "path_type": "hardlink", "size_in_bytes": 6}
    env.edit("click", files=[*record["files"], row["_path"]], paths_data={"paths": [*record["paths_data"]["paths"], row]})
    report = whole(env.prefix)
    found = only(list(report.findings), "CND005")
    assert found.severity == "error" and "click/_old.py" in found.message
    twice = only(list(report.findings), "PKG004")
    assert twice.caused_by == found.fingerprint
    lines = commands(found)
    assert "uninstall" in lines[0] and lines[1].startswith("rm -rf -- ") and "--force-reinstall" in lines[2]
    made = plan.make(report.findings)
    assert [" ".join(step.command) for step in made.steps] == lines


def test_files_of_the_new_version_gone(tmp_path: Path) -> None:
    """Neither is whole."""
    env = conda_prefix(tmp_path, pip=("click==8.1.3",))
    (env.site / "click" / "core.py").unlink()
    report = whole(env.prefix)
    found = only(list(report.findings), "CND005")
    assert found.severity == "error" and "click 8.1.3 is gone, such as click/core.py" in found.message
    assert only(list(report.findings), "PKG006").caused_by == found.fingerprint


@pytest.mark.parametrize("writer", ["conda", "rattler"])
def test_same_version_over(writer: str, tmp_path: Path) -> None:
    """pip put the very version there again: its metadata has pip's notes."""
    env = conda_prefix(tmp_path, writer)
    env.pip("install", "-q", "--no-deps", "--force-reinstall", "click==8.1.8")
    report = whole(env.prefix)
    found = only(list(report.findings), "CND005")
    assert found.severity == "warning" and found.message == "pip installed click 8.1.8 over conda's of the same version"
    rest = [f for f in report.findings if f.severity != "info" and f is not found]
    assert all(f.caused_by == found.fingerprint and f.severity == "warning" for f in rest), rest
    assert "uninstall" in commands(found)[0] and "--force-reinstall" in commands(found)[1]


@pytest.mark.parametrize("writer", ["conda", "micromamba", "pixi"])
def test_uninstalled(writer: str, tmp_path: Path) -> None:
    """The record is there, the package is not; what needs it follows."""
    env = conda_prefix(tmp_path, writer, pip_uninstall=("markupsafe",))
    assert not env.imports("jinja2")
    report = whole(env.prefix)
    found = only(list(report.findings), "CND005")
    assert found.severity == "error"
    assert [(s.kind, s.name) for s in found.subjects[:2]] == [("conda-package", "markupsafe"), ("distribution", "markupsafe")]
    rest = [f for f in report.findings if f.severity in ("error", "warning") and f is not found]
    assert {"CND001", "PKG001"} <= {f.code for f in rest}
    assert all(f.caused_by == found.fingerprint for f in rest), [(f.code, f.message) for f in rest]
    made = plan.make(report.findings)
    assert len(made.steps) == 1 and not made.manual


def test_overlap_of_another_name(tmp_path: Path) -> None:
    """Other content under the same path is told; a shared namespace and equal files are not."""
    env = conda_prefix(tmp_path)
    same = (env.site / "click" / "__init__.py").read_text()
    env.dist("click-extras", files={"click/__init__.py": same, "click/more.py": ""})
    assert diagnose(env.prefix, *CODES) == []
    env.dist("click-fork", files={"click/core.py": "# fork\n"})
    report = whole(env.prefix)
    found = only(list(report.findings), "CND005")
    assert [(s.kind, s.name) for s in found.subjects[:2]] == [("conda-package", "click"), ("distribution", "click-fork")]
    assert found.message == "click-fork 1.0 of pip has 1 file in common with conda's click 8.1.8"


def test_conda_over_pip(tmp_path: Path) -> None:
    """conda linked its files over pip's, whose metadata stays."""
    env = conda_prefix(tmp_path)
    env.dist("click", "8.0.0", files={"click/__init__.py": "# old\n", "click/gone.py": ""})
    for row in env.record("click")["paths_data"]["paths"]:
        if row["_path"].endswith("click/__init__.py"):
            source = conda_prefix(tmp_path, name="other")
            env.put(row["_path"], (source.prefix / row["_path"]).read_bytes())
    report = whole(env.prefix)
    found = only(list(report.findings), "CND005")
    assert "was put over click 8.0.0" in found.message
    assert only(list(report.findings), "PKG004").caused_by == found.fingerprint


def test_old_builds_that_name_pip_as_installer(tmp_path: Path) -> None:
    """INSTALLER says pip, and the record lists that very file."""
    env = conda_prefix(tmp_path)
    name = f"lib/python{env.minor}/site-packages/click-8.1.8.dist-info/INSTALLER"
    env.put(name, "pip\n")
    rows = env.record("click")["paths_data"]["paths"]
    for row in rows:
        if row["_path"] == name:
            row["size_in_bytes"] = 4
    env.edit("click", paths_data={"paths": rows, "paths_version": 1})
    assert diagnose(env.prefix, *CODES) == []


# ---------------------------------------------------------------------------------------------------------------- CND006

BROKEN = {
    "empty": b"",
    "truncated": b'{"name": "click",\n "version": "8',
    "list": b"[1, 2]",
    "nulls": b"\0" * 500,
}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_broken_record(kind: str, tmp_path: Path) -> None:
    """The file, what is wrong and where; the way to mend it."""
    env = conda_prefix(tmp_path)
    path = env.record_path("click")
    env.put(f"conda-meta/{path.name}", BROKEN[kind])
    report = whole(env.prefix)
    found = only(list(report.findings), "CND006")
    assert found.severity == "error"
    first = found.subjects[0]
    assert (first.kind, first.name, first.version) == ("conda-package", "click", "8.1.8")
    assert any((s.kind, s.name) == ("file", f"conda-meta/{path.name}") for s in found.subjects)
    lines = commands(found)
    assert lines[0] == f"rm -rf -- {path}"
    assert lines[1].endswith(f" click=8.1.8={path.stem.rsplit('-', 1)[1]}")
    rest = [f for f in report.findings if f.severity == "error" and f is not found]
    assert all(f.caused_by == found.fingerprint for f in rest), rest
    if kind == "truncated":
        assert "line 2, column" in found.message


def test_two_records(tmp_path: Path) -> None:
    """The one whose metadata is there is kept."""
    env = conda_prefix(tmp_path)
    record = env.record("click")
    old = json.loads(json.dumps(record).replace("click-8.1.8.dist-info", "click-8.1.7.dist-info"))
    old |= {"version": "8.1.7", "fn": record["fn"].replace("8.1.8", "8.1.7")}
    env.put(f"conda-meta/click-8.1.7-{record['build']}.json", json.dumps(old))
    report = whole(env.prefix)
    found = only(list(report.findings), "CND006")
    assert found.severity == "error" and found.message.startswith("click has 2 records: 8.1.7")
    assert commands(found)[0] == f"rm -rf -- {env.meta}/click-8.1.7-{record['build']}.json"
    assert commands(found)[1].endswith(f"click=8.1.8={record['build']}")
    rest = [f for f in report.findings if f.severity != "info" and f is not found]
    assert all(f.caused_by == found.fingerprint for f in rest), [(f.code, f.message) for f in rest]


def test_record_of_another_platform(tmp_path: Path) -> None:
    """ARC007 follows."""
    env = conda_prefix(tmp_path)
    env.edit("pathways", subdir="osx-arm64")
    report = whole(env.prefix)
    found = only(list(report.findings), "CND006")
    assert found.severity == "error" and found.message.startswith("pathways 1.0 is a record of osx-arm64 in a prefix of ")
    mixed = only(list(report.findings), "ARC007")
    assert mixed.caused_by == found.fingerprint


@pytest.mark.parametrize("spec", ["libfoo >=1.0,<", "libfoo >>1", ">=1.0", "libfoo >=1.8 <2.0", "libfoo[version='>=1'"])
@pytest.mark.parametrize("field", ["depends", "constrains"])
def test_what_is_no_spec(field: str, spec: str, tmp_path: Path) -> None:
    """conda 24.7.1's own MatchSpec refuses each of them, py-rattler all but the one with a blank."""
    env = conda_prefix(tmp_path, packages=("click",))
    env.edit("click", {field: [*env.record("click").get(field, []), spec]})
    report = whole(env.prefix)
    found = only(list(report.findings), "CND006")
    assert (found.severity, found.subjects[0].name) == ("error", "click")
    assert f"{spec!r}, which is no spec" in found.message
    assert [f for f in errors(list(report.findings)) if f is not found] == []


def test_what_is_a_spec(tmp_path: Path) -> None:
    """Odd ones of real packages, and the syntax of later proposals."""
    env = conda_prefix(tmp_path, packages=("click",))
    specs = ["numpy 1.11.*", "numpy 1.9*", "a >=1.0.*", "a 1.0|1.1.*", "a * *_cp311", "a >=1!0", " a >=1.0", "a (>=1.0)", "a@",
             "a >=1.0_1", "a[version='>=1',build='py*']", "a[when='python <3.11']", "a[unheard_of=1]", "a >=1.0 # why", "a ~=1",
             "conda-forge::a >=1", "^a.*$", "a[build='^(x+)+$']", "a >=1.8; if python <3", "A_b.c-d 1.0 h1_0"]  # fmt: skip
    env.edit("click", constrains=specs)
    assert diagnose(env.prefix, "CND006") == []
    other = conda_prefix(tmp_path, "rattler", packages=("click",), name="rattler")
    other.edit("click", constrains=["libfoo >=1.8 <2.0"])
    assert diagnose(other.prefix, "CND006") == []
    other.edit("click", constrains=["libfoo >=1.0,<"])
    assert only(diagnose(other.prefix, "CND006"), "CND006").severity == "error"


def test_record_under_another_name(tmp_path: Path) -> None:
    """conda passes it over."""
    env = conda_prefix(tmp_path)
    path = env.record_path("click")
    path.rename(path.with_name("clack-1.0-0.json"))
    found = only(diagnose(env.prefix, "CND006"), "CND006")
    assert found.message == f"conda-meta/clack-1.0-0.json is the record of {path.stem}: conda passes it over"
    assert found.subjects[0].name == "click"


def test_other_files_of_conda_meta(tmp_path: Path) -> None:
    """state ends activation, history and pixi's marker do less."""
    env = conda_prefix(tmp_path)
    env.put("conda-meta/state", '{"env_vars": ')
    with (env.meta / "history").open("a") as file:
        file.write("this is no line\n")
    found = {f.subjects[0].name: f.severity for f in diagnose(env.prefix, "CND006")}
    assert found == {"conda-meta/history": "warning", "conda-meta/state": "error"}
    env.put("conda-meta/state", '{"env_vars": {"A": "1"}}')
    assert [f.severity for f in diagnose(env.prefix, "CND006")] == ["warning"]


# ---------------------------------------------------------------------------------------------------------------- CND008


def test_owned_twice(tmp_path: Path) -> None:
    """Who won, and what nobody needs."""
    env = conda_prefix(tmp_path)
    env.add("rival", files={"share/pathways/copied.txt": "rival\n"})
    found = only(diagnose(env.prefix, *CODES), "CND008")
    assert found.severity == "warning"
    assert [(s.kind, s.name) for s in found.subjects] == [
        ("conda-package", "pathways"),
        ("conda-package", "rival"),
        ("file", "share/pathways/copied.txt"),
    ]
    assert found.message == "pathways 1.0 and rival 1.0 own share/pathways/copied.txt; what is there is rival's"
    env.add("manual", files={"share/doc/x/README": "x"})
    env.add("booklet", files={"share/doc/x/README": "x"})
    env.add("leaflet", files={"share/doc/y/README": "x"})
    env.add("scroll", files={"share/doc/y/README": "another"})
    by_name = {f.subjects[0].name: f.severity for f in diagnose(env.prefix, *CODES)}
    assert by_name == {"pathways": "warning", "booklet": "info", "leaflet": "warning"}


def test_same_content_owned_twice(tmp_path: Path) -> None:
    """Removing one of them takes the file from the other."""
    env = conda_prefix(tmp_path)
    env.add("twin", files={"share/pathways/copied.txt": (env.prefix / "share/pathways/copied.txt").read_bytes()})
    found = only(diagnose(env.prefix, *CODES), "CND008")
    assert found.severity == "warning" and found.message.endswith(", with the same content")


# ---------------------------------------------------------------------------------------------------------------- CND012


@pytest.mark.parametrize("ending", [".c~", ".conda_trash", ".conda_trash_2", ".mamba_trash"])
def test_moved_aside(ending: str, tmp_path: Path) -> None:
    """An error where nothing is in its place, a warning where all is whole."""
    env = conda_prefix(tmp_path)
    path = env.prefix / f"share/pathways/copied.txt{ending}"
    path.write_text("old")
    found = only(diagnose(env.prefix, *CODES), "CND012")
    assert found.severity == "warning" and any(s.name.endswith(ending) for s in found.subjects)
    path.unlink()
    (env.prefix / "share/pathways/copied.txt").rename(path)
    report = whole(env.prefix)
    found = only(list(report.findings), "CND012")
    assert found.severity == "error" and found.subjects[0].name == "pathways"
    assert only(list(report.findings), "CND001").caused_by == found.fingerprint
    lines = [" ".join(step.command) for step in plan.make(report.findings).steps]
    assert "--force-reinstall" in lines[0] and lines[1] == f"rm -rf -- {path}"


def test_record_moved_aside(tmp_path: Path) -> None:
    """The unlinking of a package began."""
    env = conda_prefix(tmp_path)
    path = env.record_path("pathways")
    path.rename(path.with_name(path.name + ".c~"))
    report = whole(env.prefix)
    found = only(list(report.findings), "CND012")
    assert found.severity == "error" and (found.subjects[0].name, found.subjects[0].version) == ("pathways", "1.0")


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_record_gone(writer: str, tmp_path: Path) -> None:
    """Files without a record: half linked, whoever did it. Known by the history, or by the metadata that conda linked."""
    env = conda_prefix(tmp_path, writer)
    env.remove_record("click")
    report = whole(env.prefix)
    found = only(list(report.findings), "CND012")
    assert found.severity == "error"
    assert (found.subjects[0].kind, found.subjects[0].name, found.subjects[0].version) == ("conda-package", "click", "8.1.8")
    assert ("distribution", "click") in {(s.kind, s.name) for s in found.subjects}


def test_record_gone_of_what_is_no_python(tmp_path: Path) -> None:
    """Only the history knows it; rattler writes none."""
    env = conda_prefix(tmp_path)
    env.remove_record("pathways")
    found = only(diagnose(env.prefix, *CODES), "CND012")
    assert found.severity == "error" and "the last transaction was to install it" in found.message
    text = (env.meta / "history").read_text()
    (env.meta / "history").write_text(text + "==> 2030-01-01 00:00:00 <==\n# cmd: conda install x\n")
    found = only(diagnose(env.prefix, *CODES), "CND012")
    assert found.severity == "warning" and found.subjects[0].name == "pathways"
    rattler = conda_prefix(tmp_path, "rattler", name="rattler")
    rattler.remove_record("pathways")
    assert diagnose(rattler.prefix, *CODES) == []


def test_updated_by_another_tool(tmp_path: Path) -> None:
    """The history says another version than the record: rattler or pixi updated it."""
    env = conda_prefix(tmp_path)
    history = env.meta / "history"
    history.write_text(history.read_text().replace("pathways-1.0-", "pathways-0.9-"))
    assert diagnose(env.prefix, *CODES) == []


def test_not_removed(tmp_path: Path) -> None:
    """The last transaction was to take it away."""
    env = conda_prefix(tmp_path)
    record = env.record("pathways")
    line = f"-conda-forge/{record['subdir']}::pathways-1.0-{record['build']}"
    with (env.meta / "history").open("a") as file:
        file.write(f"==> 2030-01-01 00:00:00 <==\n# cmd: conda remove pathways\n# conda version: 25.1.0\n{line}\n")
    found = only(diagnose(env.prefix, *CODES), "CND012")
    assert found.severity == "warning" and found.subjects[0].name == "pathways"
    assert commands(found) == [f"conda remove -p {env.prefix} pathways"]


# ------------------------------------------------------------------------------------------------- moved, another Python


@pytest.mark.parametrize("writer", ["conda", "rattler"])
def test_moved(writer: str, tmp_path: Path) -> None:
    """INT003 tells it, and no file counts as altered."""
    env = conda_prefix(tmp_path, writer)
    place = tmp_path / "elsewhere"
    env.prefix.rename(place)
    report = whole(place, deep=True)
    assert only(list(report.findings), "INT003").severity == "error"
    assert [f.code for f in report.findings if f.code in CODES] == []


def test_python_minor_changed(tmp_path: Path) -> None:
    """What pip had put under the old one is lost, and what conda had there is not found."""
    env = conda_prefix(tmp_path)
    old = env.prefix / "lib/python3.9/site-packages"
    old.mkdir(parents=True)
    env.dist("alpha", site=old)
    found = only(diagnose(env.prefix, "INT004"), "INT004")
    assert found.severity == "warning"
    env.add("data", files={"lib/python3.9/data.txt": ""})
    assert only(diagnose(env.prefix, "INT004"), "INT004").severity == "warning"
    env.add("beta", depends=["python"], files={"lib/python3.9/site-packages/beta/__init__.py": ""})
    (found,) = errors(diagnose(env.prefix, "INT004"))
    assert found.subjects[0].name == "beta" and "lib/python3.9" in found.message
    shutil.rmtree(old / "alpha-1.0.dist-info")
    assert [f.severity for f in diagnose(env.prefix, "INT004")] == ["error"]


# --------------------------------------------------------------------------------------------------- Python's side of it


def test_what_records_explain(tmp_path: Path) -> None:
    """Requires-Dist that conda's builders left out, split off or relaxed: no PKG001, no PKG002."""
    env = conda_prefix(tmp_path)
    metadata = env.site / "click-8.1.8.dist-info" / "METADATA"
    text = metadata.read_text()
    lines = "Requires-Dist: nvidia-thing\nRequires-Dist: jinja2>=99\nRequires-Dist: bare\n"
    metadata.write_text(text.replace("\n\n", f"\n{lines}\n", 1))
    env.add("bare", files={f"lib/python{env.minor}/bare.py": ""})
    env.edit("click", depends=[*env.record("click")["depends"], "bare", "jinja2 >=2"])
    assert diagnose(env.prefix, "PKG001", "PKG002") == []
    env.edit("click", depends=["jinja2 >=99", "nvidia-thing"])
    report = report_of(snapshot_of(env.prefix), "PKG001", "PKG002", "CND003", "CND004")
    assert {f.code for f in report.findings} == {"PKG001", "PKG002", "CND003", "CND004"}
    assert all(f.caused_by and f.severity == "warning" for f in report.findings if f.code.startswith("PKG"))


def test_needed_by_pip_and_there_without_metadata(tmp_path: Path) -> None:
    """A conda package of that very name is there: it can be imported, and installers do not know it."""
    env = conda_prefix(tmp_path)
    env.add("bare", files={f"lib/python{env.minor}/site-packages/bare.py": ""})
    env.dist("asks", requires=["bare"])
    assert env.imports("bare")
    found = only(diagnose(env.prefix, "PKG001"), "PKG001")
    assert found.severity == "warning" and "without Python metadata" in " ".join(found.evidence)


def test_fix_of_a_conda_distribution_comes_from_conda(tmp_path: Path) -> None:
    """pip's asks for more than conda has: conda is asked for it, under its name of the package."""
    env = conda_prefix(tmp_path, "micromamba")
    env.dist("asks", requires=["jinja2>=99"])
    found = only(diagnose(env.prefix, "PKG002"), "PKG002")
    assert commands(found) == [f"micromamba install -p {env.prefix} -c conda-forge jinja2>=99"]


# ----------------------------------------------------------------------------------------------------------------- costs


def test_large_prefix(tmp_path: Path) -> None:
    """The rules on 400 records with all of them in trouble."""
    from envdoctor.diagnose import judge
    from envdoctor.select import Selection
    from tests.conda import forge

    place = forge.large_prefix(tmp_path / "large", packages=400, files=4_000)
    assert [f for f in diagnose(place, *CODES) if f.severity == "error"] == []
    for file in place.glob("share/**/*"):
        if file.is_file():
            file.unlink()
    seen = snapshot_of(place)
    with ends():
        judge(seen, Selection.of(select=list(CODES)))


def test_emptied_library(tmp_path: Path) -> None:
    """What cannot be loaded follows from the file that was altered, under its name and that of its link."""
    env = conda_prefix(tmp_path, "micromamba")
    for path in (env.prefix / "lib").glob("libsqlite3.so*"):
        if not path.is_symlink():
            path.write_bytes(b"")
    report = whole(env.prefix)
    found = only(list(report.findings), "CND002")
    assert found.subjects[0].name == "libsqlite"
    assert only(list(report.findings), "LIB009").caused_by == found.fingerprint
    (step,) = plan.make(report.findings).steps
    assert "--force-reinstall" in step.command


def test_modules_of_the_standard_library_gone(tmp_path: Path) -> None:
    """One cause, and one way to mend it."""
    env = conda_prefix(tmp_path, "pixi")
    shutil.rmtree(env.prefix / f"lib/python{env.minor}/lib-dynload")
    report = whole(env.prefix)
    found = only(list(report.findings), "CND001")
    assert found.subjects[0].name == "python"
    assert all(f.caused_by == found.fingerprint for f in report.findings if f.code == "INT009")
    assert [step.command[:2] for step in plan.make(report.findings).steps] == [("pixi", "reinstall")]


# ------------------------------------------------------------------------------------------------------------- who mends it


def test_numpy_of_pip(tmp_path: Path) -> None:
    """Native modules and scripts of the old version go with it: a warning, and it imports."""
    env = conda_prefix(tmp_path, "micromamba", extra=("numpy",))
    env.pip("install", "-q", "--no-deps", "--force-reinstall", "numpy==2.3.1" if env.minor > "3.10" else "numpy==1.26.4")
    assert env.imports("numpy")
    report = whole(env.prefix)
    assert errors(list(report.findings)) == []
    found = only(list(report.findings), "CND005")
    assert all(f.caused_by == found.fingerprint for f in report.findings if f.severity == "warning" and f is not found)


@pytest.mark.parametrize(
    ("writer", "at_hand", "variables", "wanted"),
    [
        ("conda", (), {}, "conda"),
        ("conda", ("micromamba",), {}, "micromamba"),
        ("conda", ("conda", "mamba"), {}, "conda"),
        ("conda", (), {"MAMBA_EXE": "/x/bin/micromamba"}, "micromamba"),
        ("micromamba", (), {}, "micromamba"),
        ("micromamba", ("conda", "mamba"), {}, "mamba"),
        ("micromamba", ("conda",), {}, "conda"),
        ("rattler", ("mamba",), {}, "mamba"),
        ("pixi", ("conda",), {}, "pixi"),
    ],
)
def test_tool(writer: str, at_hand: tuple[str, ...], variables: dict[str, str], wanted: str, tmp_path: Path) -> None:
    """By the traces in the prefix, and what is at hand."""
    import msgspec

    from envdoctor.view import View

    seen = snapshot_of(conda_prefix(tmp_path, writer).prefix)
    shell = msgspec.structs.replace(seen.shell, tools={tool: f"/usr/bin/{tool}" for tool in at_hand}, variables=variables)
    assert View(msgspec.structs.replace(seen, shell=shell)).remedy.conda_tool() == wanted


def test_mamba_by_the_history(tmp_path: Path) -> None:
    """mamba 1.x writes through conda."""
    env = conda_prefix(tmp_path)
    history = env.meta / "history"
    history.write_text(history.read_text().replace("/bin/conda ", "/bin/mamba "))
    (env.prefix / f"lib/python{env.minor}/site-packages/click/core.py").unlink()
    found = only(diagnose(env.prefix, "CND001"), "CND001")
    assert found.fixes[0].commands[0][0] == "mamba"


@pytest.mark.parametrize(
    ("channel", "wanted"),
    [
        ("https://conda.anaconda.org/bioconda", "bioconda"),
        ("https://repo.anaconda.com/pkgs/main", "defaults"),
        ("https://channels.example/get/team", "https://channels.example/get/team"),
        ("file:///srv/channel", "file:///srv/channel"),
    ],
)
def test_channel_of_the_fix(channel: str, wanted: str, tmp_path: Path) -> None:
    """The package comes again from where it came."""
    env = conda_prefix(tmp_path)
    env.add("tool", channel_url=channel, files={"bin/tool": "x"})
    (env.prefix / "bin/tool").unlink()
    found = only(diagnose(env.prefix, "CND001"), "CND001")
    assert found.fixes[0].commands[0][-3:] == ("-c", wanted, "tool=1.0=h0_0")


def test_library_of_conda_forge(tmp_path: Path) -> None:
    """LIB001 in a conda prefix is mended by conda-forge's package, by the tool that owns the prefix."""
    from envdoctor.view import View

    seen = snapshot_of(conda_prefix(tmp_path, "micromamba").prefix)
    fixes = View(seen).remedy.system_library("libGL.so.1", "LIB001")
    assert fixes[0].commands == (("micromamba", "install", "-p", seen.target.prefix, "-c", "conda-forge", "libgl"),)
    pixi = conda_prefix(tmp_path, "pixi", name="project")
    fixes = View(snapshot_of(pixi.prefix)).remedy.system_library("libGL.so.1", "LIB001")
    manifest = str(tmp_path / "project" / "pixi.toml")
    assert fixes[0].commands == (("pixi", "add", "--manifest-path", manifest, "libgl"),)


def test_deep_says_what_it_covered(tmp_path: Path) -> None:
    """And shows progress while it works."""
    from envdoctor.diagnose import Request, judge, observe
    from envdoctor.formats import terminal

    env = conda_prefix(tmp_path)
    said: list[str] = []
    shell = {"PATH": "/nonexistent", "HOME": "/nonexistent"}
    seen = observe(Request(target=str(env.prefix), environ=shell, cwd="/", deep=True, progress=said.append)).snapshot
    assert seen.conda_meta is not None
    done = seen.conda_meta.coverage
    assert all(word.startswith("hashing files: ") for word in said)
    text = " ".join(terminal.render(judge(seen)).split())
    assert f"hashed: {done.hashed:,} of {done.paths:,} paths of conda's records" in text and "compiled modules" in text
    assert "hashed: " not in terminal.render(judge(snapshot_of(env.prefix)))
