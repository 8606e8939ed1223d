"""CND003, CND004, CND013: what records ask of each other, on real prefixes of all writers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envdoctor.conda.installed import combined, spec_of
from envdoctor.diagnose import judge
from envdoctor.finding import Finding
from envdoctor.select import Selection
from envdoctor.snapshot import CondaPackage, Cpu, Machine, Snapshot, System, from_json, to_json
from tests.conda import WRITERS, CondaPrefix, conda_prefix, foreign_prefix
from tests.support import diagnose, only, report_of, snapshot_of

CODES = ("CND003", "CND004", "CND013")


def subjects(finding: Finding) -> list[tuple[str, str, str | None]]:
    return [(s.kind, s.name, s.version) for s in finding.subjects]


def on(snapshot: Snapshot, *codes: str, **changes: Any) -> list[Finding]:
    """Findings on a snapshot with fields of its machine changed."""
    machine = msgspec.structs.replace(snapshot.machine, **changes)
    return list(report_of(msgspec.structs.replace(snapshot, machine=machine), *codes).findings)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> CondaPrefix:
    """One prefix for all tests that only change its records."""
    return conda_prefix(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def facts(shared: CondaPrefix) -> Snapshot:
    """Its facts as it was made."""
    return snapshot_of(shared.prefix)


@pytest.fixture
def env(shared: CondaPrefix, tmp_path: Path) -> Iterator[CondaPrefix]:
    """The shared prefix, whose conda-meta is put back afterwards."""
    kept = tmp_path / "conda-meta"
    shutil.copytree(shared.meta, kept)
    yield shared
    shutil.rmtree(shared.meta)
    shutil.copytree(kept, shared.meta)
    for folder in shared.site.glob("beta*"):
        shutil.rmtree(folder)


# --------------------------------------------------------------------------------------------------------------- healthy


@pytest.mark.parametrize("writer", WRITERS)
def test_healthy_prefixes(writer: str, tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, writer, extra=("numpy",))
    assert diagnose(env.prefix, *CODES) == []


@pytest.mark.parametrize("options", [{"pip": ("click==8.1.7",)}, {"uv": ("packaging==24.1",)}, {"pip_uninstall": ("click",)}])
def test_prefixes_with_additions(tmp_path: Path, options: dict[str, tuple[str, ...]]) -> None:
    """What pip did is not in the records: CND005 tells of it."""
    assert diagnose(conda_prefix(tmp_path, "micromamba", **options).prefix, *CODES) == []  # type: ignore[arg-type]


FOREIGN = {
    "osx-arm64": ["__osx >=99", "__glibc >=2.17", "__cuda", "__archspec 1 x86_64_v4", "__unix"],
    "win-64": ["__win >=99", "__cuda", "__archspec 1 x86_64_v4"],
}


@pytest.mark.parametrize("subdir", sorted(FOREIGN))
def test_foreign_prefixes(tmp_path: Path, subdir: str) -> None:
    """This machine says nothing of them; but no macOS environment has glibc."""
    env = foreign_prefix(tmp_path, subdir)
    assert diagnose(env.prefix, *CODES) == []
    env.add("wants", depends=FOREIGN[subdir])
    found = diagnose(env.prefix, *CODES)
    if subdir == "win-64":
        assert found == []
    else:
        assert only(found, "CND004").message == "wants 1.0 needs __glibc >=2.17, this machine has no __glibc"


def test_real_metadata(facts: Snapshot) -> None:
    """The records of conda-forge for six platforms, as they were solved together; their lock leaves one of them out."""
    from tests.conda import forge

    systems = {"__unix", "__win", "__osx", "__linux"}
    for subdir in forge.SUBDIRS:
        word = subdir.partition("-")[0]
        others = systems - {f"__{word}"} - ({"__unix"} if word != "win" else set())
        packages = tuple(
            CondaPackage(
                name=r["name"], version=r["version"], build=r["build"], build_number=r["build_number"], subdir=r["subdir"],
                depends=tuple(r["depends"]), constrains=tuple(r.get("constrains", ())), record=f"conda-meta/{r['fn']}.json",
            )
            for r in forge.records()
            if r["subdir"] in (subdir, "noarch") and not others.intersection(d.split()[0] for d in r["depends"])
        )  # fmt: skip
        assert len(packages) > 50
        system: System = {"linux": "linux", "osx": "macos", "win": "windows"}[word]  # type: ignore[assignment]
        target = msgspec.structs.replace(facts.target, system=system, foreign=system != "linux")
        found = report_of(msgspec.structs.replace(facts, conda_packages=packages, target=target), "CND003", "CND004").findings
        missing = [(f.code, f.subjects[0].name) for f in found]
        assert missing == [("CND003", "conda-libmamba-solver")], (subdir, [f.message for f in found])


# ---------------------------------------------------------------------------------------------------------------- CND003


@pytest.mark.parametrize("writer", WRITERS)
def test_a_record_is_gone(writer: str, tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, writer)
    version = env.record("jinja2")["version"]
    env.remove_record("markupsafe")
    finding = only(diagnose(env.prefix, "CND003", "CND004"), "CND003")
    assert finding.severity == "error"
    assert subjects(finding)[:2] == [("conda-package", "markupsafe", None), ("conda-package", "jinja2", version)]
    assert finding.message == f"jinja2 {version} needs markupsafe >=2.0, of which conda-meta has no record"
    assert finding.evidence[0].startswith("conda-meta/jinja2-")
    command = finding.fixes[0].commands[0]
    assert command[:2] == {"pixi": ("pixi", "add"), "micromamba": ("micromamba", "install")}.get(writer, ("conda", "install"))
    assert "markupsafe>=2.0" in command


def test_many_need_it(env: CondaPrefix) -> None:
    for number in range(7):
        env.add(f"part{number}", depends=[f"gone >={number}"])
    finding = only(diagnose(env.prefix, *CODES), "CND003")
    assert finding.message == "part0 1.0 and 6 more need gone, of which conda-meta has no record"
    assert len(finding.evidence) == 7
    assert len(finding.subjects) == 8
    assert "gone>=0,>=1,>=2,>=3,>=4,>=5,>=6" in finding.fixes[0].commands[0]


def test_nearly_all_records_are_gone(env: CondaPrefix) -> None:
    """One finding, not one for each."""
    env.add("top", depends=[f"gone{number} >=1" for number in range(30)])
    finding = only(diagnose(env.prefix, *CODES), "CND003")
    assert finding.message == "30 packages that others depend on have no record: gone0, gone1, gone10 and others"
    assert finding.subjects[0].kind == "environment"
    assert "gone29>=1" in finding.fixes[0].commands[0]


def test_pip_brought_it(env: CondaPrefix) -> None:
    """It works, by luck."""
    env.add("wants", depends=["beta >=1"])
    env.dist("beta", "1.2", installer="pip")
    finding = only(diagnose(env.prefix, *CODES), "CND003")
    assert (finding.severity, finding.confidence) == ("warning", "likely")
    assert ("distribution", "beta", "1.2") in subjects(finding)
    assert any("installed by pip" in line for line in finding.evidence)


@pytest.mark.parametrize(
    "fields",
    [
        {"constrains": ["gone >=1"]},
        {"depends": ["__cuda >=12", "__unix", "__of_tomorrow"]},
        {"depends": ["gone >=1,", "", "gone[color=red]"]},
        {"depends": ["gone; if python <3", "gone[when='python <3']"]},
        {"depends": ["click", "CLICK >=8", "click=8", "cl*"]},
    ],
)
def test_what_asks_for_nothing_that_is_missing(env: CondaPrefix, fields: dict[str, list[str]]) -> None:
    env.add("wants", **fields)  # type: ignore[arg-type]
    assert diagnose(env.prefix, *CODES) == []


def test_python_without_pip(env: CondaPrefix) -> None:
    """conda adds pip to what Python depends on; without it all works."""
    env.edit("python", depends=[*env.record("python")["depends"], "pip"])
    env.remove_record("pip")
    assert [f for f in diagnose(env.prefix, "CND003") if f.subjects[0].name == "pip"] == []


def test_a_record_that_cannot_be_read_is_no_missing_package(env: CondaPrefix) -> None:
    env.put(f"conda-meta/{env.record_path('markupsafe').name}", "{")
    assert diagnose(env.prefix, *CODES) == []


def test_venvs_have_no_records(facts: Snapshot) -> None:
    seen = msgspec.structs.replace(facts, conda_packages=(), conda_meta=None)
    assert list(report_of(seen, *CODES, "ARC006", "ARC007").findings) == []


# ---------------------------------------------------------------------------------------------------------------- CND004


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_another_version(writer: str, tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, writer)
    version = env.record("click")["version"]
    env.add("wants", "2.0", depends=["click >=7,<8.0a0"])
    finding = only(diagnose(env.prefix, *CODES), "CND004")
    assert finding.severity == "error"
    assert finding.message == f"click {version} does not satisfy wants 2.0 (click >=7,<8.0a0)"
    assert subjects(finding) == [("conda-package", "click", version), ("conda-package", "wants", "2.0")]
    assert "conda-meta/wants-2.0-h0_0.json: depends on click >=7,<8.0a0" in finding.evidence
    assert finding.fixes[0].commands[0][-1] == "click>=7,<8.0a0"
    assert finding.fixes[-1].commands[0][1:2] == ("update",)


@pytest.mark.parametrize(
    ("depends", "told"),
    [
        ("markupsafe * *_cuda", True),
        ("markupsafe 3.0.2 py27_0", True),
        ("markupsafe[build_number='>=99']", True),
        ("markupsafe[build='^cuda.*$']", True),
        ("bioconda::markupsafe", True),
        ("markupsafe[subdir=osx-64]", True),
        ("markupsafe[md5=00000000000000000000000000000001]", True),
        ("markupsafe[track_features=debug]", True),
        ("markupsafe * py*", False),
        ("markupsafe 3.0.*", False),
        ("markupsafe 3.*|4.*", False),
        ("markupsafe ~=3.0.1", False),
        ("conda-forge::markupsafe", False),
        ("conda-forge/linux-64::markupsafe =3", False),
        ("markupsafe[build_number='>=0']", False),
        ("markupsafe[license=GPL]", False),
        ("markupsafe !=3.0.1", False),
        ("markupsafe 3.0.2 # comment", False),
        ("markupsafe <3; if python <3", False),
        ("markupsafe >=4,", False),
        ("mark* >=4", False),
    ],
)
def test_builds_and_other_fields(env: CondaPrefix, depends: str, told: bool) -> None:
    env.add("wants", depends=[depends])
    found = diagnose(env.prefix, *CODES)
    assert [(f.code, f.severity, f.subjects[0].name) for f in found] == ([("CND004", "error", "markupsafe")] if told else [])


def test_a_build_is_named(env: CondaPrefix) -> None:
    env.add("wants", depends=["markupsafe * *_cuda"])
    assert f"(build {env.record('markupsafe')['build']})" in only(diagnose(env.prefix, *CODES), "CND004").message


def test_constrains(env: CondaPrefix) -> None:
    env.add("limits", constrains=["click <8", "not-there >=3", "jinja2 >=3"])
    finding = only(diagnose(env.prefix, *CODES), "CND004")
    assert "(constrains click <8)" in finding.message
    assert (finding.severity, finding.confidence) == ("error", "likely")
    assert subjects(finding)[1] == ("conda-package", "limits", "1.0")


def test_two_records_of_one_name(env: CondaPrefix) -> None:
    """One that fits is enough; and what only a record left behind asks for is nobody's wish."""
    env.add("two", "1.0", depends=["click >=99"])
    env.add("two", "2.0")
    env.add("wants", depends=["two >=2"])
    assert diagnose(env.prefix, *CODES) == []
    env.add("wants", depends=["two >=3"])
    finding = only(diagnose(env.prefix, *CODES), "CND004")
    assert [s.version for s in finding.subjects] == ["1.0", "2.0", "1.0"]


def test_many_disagree(env: CondaPrefix) -> None:
    for number in range(7):
        env.add(f"part{number}", depends=["click <8"])
    finding = only(diagnose(env.prefix, *CODES), "CND004")
    assert finding.message.endswith("part2 1.0 (click <8) and 4 more")
    assert finding.evidence[-1] == "and 2 more"


@pytest.mark.parametrize(
    ("depends", "machine", "told"),
    [
        ("__glibc >=2.28,<3.0.a0", {"libc": "glibc 2.17"}, True),
        ("__glibc >=2.17,<3.0.a0", {"libc": "glibc 2.17"}, False),
        ("__glibc >=2.28", {"libc": "musl 1.2"}, True),
        ("__glibc >=2.28", {"libc": "musl 1.2", "libcs": ("musl 1.2", "glibc 2.36")}, False),
        ("__glibc >=2.28", {"libc": None}, False),
        ("__musl", {"libc": "glibc 2.36"}, True),
        ("__linux >=9", {"kernel": "6.1.0-13-amd64"}, True),
        ("__linux >=4.18", {"kernel": "6.1.0-13-amd64"}, False),
        ("__linux >=4.18", {"kernel": None}, False),
        ("__unix", {}, False),
        ("__win", {}, True),
        ("__osx >=11.0", {}, True),
        ("__cuda", {}, False),
        ("__cuda >=12", {}, False),
        ("__conda >=99", {}, False),
        ("__of_tomorrow", {}, False),
        ("__archspec 1 x86_64_v3", {"cpu": Cpu(microarchitecture="westmere", level="x86-64-v2")}, True),
        ("__archspec 1.* x86_64_v3", {"cpu": Cpu(microarchitecture="zen2", level="x86-64-v3")}, False),
        ("__archspec 1 haswell", {"cpu": Cpu(microarchitecture="zen2", level="x86-64-v3")}, False),
        ("__archspec 1 zen2", {"cpu": Cpu(microarchitecture="zen2", level=None)}, False),
        ("__archspec 1 skylake_avx512", {"cpu": Cpu(microarchitecture="zen2", level="x86-64-v3")}, True),
        ("__archspec 1 m1", {"cpu": Cpu(microarchitecture="zen2", level="x86-64-v3")}, False),
        ("__archspec 1 x86_64", {"cpu": Cpu()}, False),
        ("__archspec 1 x86_64_v3", {"cpu": Cpu()}, False),
        ("__archspec 1 x86_64_v3", {"cpu": Cpu(level="x86-64-v2"), "emulation": "qemu-user"}, False),
        ("__archspec", {"cpu": Cpu()}, False),
        ("__archspec >=2", {"cpu": Cpu(level="x86-64-v3")}, True),
    ],
)
def test_virtual_packages(facts: Snapshot, depends: str, machine: dict[str, Any], told: bool) -> None:
    package = CondaPackage(name="wants", version="1.0", record="conda-meta/wants-1.0-0.json", depends=(depends,))
    seen = msgspec.structs.replace(facts, conda_packages=(package,))
    libc = {"libcs": (machine["libc"],)} if machine.get("libc") else {}
    found = on(seen, "CND004", **{"machine": "x86_64", "native_machine": "x86_64", **libc, **machine})
    assert [(f.code, f.severity, f.subjects[0].name) for f in found] == ([("CND004", "error", "wants")] if told else [])


def test_constraints_on_what_the_machine_has_not(env: CondaPrefix) -> None:
    env.add("limits", constrains=["__osx >=99", "__glibc >=99"])
    finding = only(diagnose(env.prefix, *CODES), "CND004")
    assert "limits 1.0 constrains __glibc >=99, this machine has __glibc 2." in finding.message
    assert finding.subjects[-1].kind == "machine"


def test_glibc_is_explained_by_the_operating_system(env: CondaPrefix) -> None:
    env.add("wants", depends=["__glibc >=99"])
    found = diagnose(env.prefix, "CND004", "ARC008")
    assert only(found, "CND004").caused_by == only(found, "ARC008").fingerprint


def test_the_machine_of_a_snapshot(env: CondaPrefix) -> None:
    """--machine: an old machine has not what this one has, and variables of this shell say nothing of it."""
    env.add("wants", depends=["__glibc >=2.12", "__cuda >=11"])
    seen = snapshot_of(env.prefix, environ={"CONDA_OVERRIDE_CUDA": "10.2", "PATH": "/nonexistent"})
    old = Machine(machine="x86_64", native_machine="x86_64", libc="glibc 2.5", libcs=("glibc 2.5",), source="old.json")
    found = judge(seen, Selection.of(select=["CND004"]), machine=old).findings
    finding = only(list(found), "CND004")
    assert finding.severity == "error"
    assert "__glibc 2.5 (the machine of old.json)" in finding.evidence
    assert any(s.name == "wants" for s in finding.subjects)
    assert judge(from_json(to_json(seen)), Selection.of(select=["CND004"]), machine=old).findings == found


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, None),
        ({"CONDA_OVERRIDE_CUDA": "12.4"}, None),
        ({"CONDA_OVERRIDE_CUDA": "10.2"}, "CONDA_OVERRIDE_CUDA"),
        ({"CONDA_OVERRIDE_CUDA": ""}, "CONDA_OVERRIDE_CUDA"),
        ({"CONDA_OVERRIDE_GLIBC": "2.5"}, "CONDA_OVERRIDE_GLIBC"),
        ({"CONDA_OVERRIDE_GLIBC": "2.99"}, None),
        ({"CONDA_OVERRIDE_OSX": "10.9"}, None),
    ],
)
def test_overrides(env: CondaPrefix, variables: dict[str, str], told: str | None) -> None:
    env.add("wants", depends=["__cuda >=11", "__glibc >=2.12"])
    found = diagnose(env.prefix, "CND004", environ={"PATH": "/nonexistent", **variables})
    if told is None:
        assert found == []
    else:
        finding = only(found, "CND004")
        assert finding.severity == "warning"
        assert ("variable", told, None) in subjects(finding)


def test_an_override_does_not_make_it_so(env: CondaPrefix) -> None:
    env.add("wants", depends=["__glibc >=99"])
    finding = only(diagnose(env.prefix, "CND004", environ={"CONDA_OVERRIDE_GLIBC": "99.1"}), "CND004")
    assert finding.severity == "error"
    assert "conda is told otherwise: __glibc 99.1 (CONDA_OVERRIDE_GLIBC)" in finding.evidence


def test_combined_specs() -> None:
    package = CondaPackage(name="a")
    from envdoctor.conda.installed import Edge

    def edges(*texts: str) -> tuple[Edge, ...]:
        return tuple(Edge(package, spec) for text in texts if (spec := spec_of(text)) is not None)

    assert combined(edges("b", "b >=1,<2", "b >=1"), "b") == "b>=1,<2"
    assert combined(edges("b"), "b") == "b "[:1]
    assert combined(edges("b 1.2.*"), "b") == "b 1.2.*"
    assert combined(edges("b 1.2"), "b") == "b==1.2"
    assert combined(edges("b 1|2"), "b") == "b ==1|2"[:0] or combined(edges("b 1|2", "b >1"), "b") is None
    assert combined(edges("b * x"), "b") is None


# ---------------------------------------------------------------------------------------------------------------- CND013


@pytest.mark.parametrize(
    ("pinned", "told"),
    [
        ("click <8", True),
        ("click ==8.1.7", True),
        ("# a comment\n\nclick=7", True),
        ("click * cuda*", True),
        ("cl* <8", True),
        ("click 8.*", False),
        ("click", False),
        ("not-there ==1.0", False),
        ("click <8,", False),
        ("defaults::click", False),
        ("", False),
    ],
)
def test_pins(env: CondaPrefix, pinned: str, told: bool) -> None:
    env.put("conda-meta/pinned", pinned + "\n")
    found = diagnose(env.prefix, *CODES)
    assert [(f.code, f.severity, f.subjects[0].name) for f in found] == ([("CND013", "warning", "click")] if told else [])
    if told:
        line = pinned.count("\n") + 1
        assert ("file", "conda-meta/pinned", None) in subjects(found[0])
        assert f"conda-meta/pinned:{line}: {pinned.splitlines()[-1]}" in found[0].evidence


@pytest.mark.parametrize("writer", ["conda", "micromamba"])
def test_what_was_asked_for(writer: str, tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, writer, packages=("pip", "click=8.1.7"))
    assert diagnose(env.prefix, *CODES) == []
    version = env.record("click")["version"]
    assert version == "8.1.7"
    old = env.record_path("click")
    record = old.read_text().replace("8.1.7", "8.1.8")
    old.unlink()
    env.put(f"conda-meta/{old.name.replace('8.1.7', '8.1.8')}", record)
    finding = only(diagnose(env.prefix, *CODES), "CND013")
    assert finding.message == "click 8.1.8 is not what was asked for: click=8.1.7"
    assert subjects(finding) == [("conda-package", "click", "8.1.8")]
    assert "conda-meta/history asks for click=8.1.7" in finding.evidence


def test_a_later_request_replaces_an_earlier_one(env: CondaPrefix) -> None:
    history = (env.prefix / "conda-meta/history").read_text()
    asked = '==> 2026-01-01 10:00:00 <==\n# cmd: conda install click=7\n# update specs: ["click=7"]\n'
    env.put("conda-meta/history", history + asked)
    assert only(diagnose(env.prefix, *CODES), "CND013").subjects[0].name == "click"
    again = '==> 2026-01-02 10:00:00 <==\n# cmd: conda update click\n# update specs: ["click"]\n'
    env.put("conda-meta/history", history + asked + again)
    assert diagnose(env.prefix, *CODES) == []


def test_what_was_asked_for_is_gone(env: CondaPrefix) -> None:
    later = '==> 2026-01-02 10:00:00 <==\n# cmd: conda install click\n# update specs: ["click"]\n'
    env.put("conda-meta/history", (env.prefix / "conda-meta/history").read_text() + later)
    env.remove_record("certifi")
    found = diagnose(env.prefix, "CND013")
    finding = only(found, "CND013")
    assert subjects(finding) == [("conda-package", "certifi", None)]
    assert "has no record" in finding.message


@pytest.mark.parametrize("writer", ["rattler", "pixi"])
def test_requests_in_records(writer: str, tmp_path: Path) -> None:
    """Writers without a history note what was asked for in the records."""
    env = conda_prefix(tmp_path, writer)
    env.edit("click", requested_specs=["click <8"])
    finding = only(diagnose(env.prefix, *CODES), "CND013")
    assert finding.message.endswith("is not what was asked for: click <8")


@pytest.mark.parametrize(
    ("pin", "told"), [("click <8", True), ("click 8.*", False), ("not-there 1", False), ("click <8,", False)]
)
def test_pins_of_the_configuration(env: CondaPrefix, tmp_path: Path, pin: str, told: bool) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".condarc").write_text(f"channels:\n  - conda-forge\npinned_packages:\n  - {pin}\n")
    found = diagnose(env.prefix, *CODES, environ={"PATH": "/nonexistent", "HOME": str(home)})
    assert [(f.code, f.severity, f.subjects[0].name) for f in found] == ([("CND013", "warning", "click")] if told else [])
    if told:
        assert found[0].subjects[1].kind == "file"
        assert found[0].subjects[1].name.endswith(".condarc")
        assert ".condarc:4: pinned_packages: click <8" in found[0].evidence[1]
