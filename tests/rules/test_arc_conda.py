"""ARC006, ARC007: platforms of conda records against the machine and against each other; modules for two architectures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import msgspec
import pytest

from envdoctor.conda.subdirs import native_subdir
from envdoctor.diagnose import judge
from envdoctor.finding import Finding
from envdoctor.select import Selection
from envdoctor.snapshot import Cpu, Machine, Snapshot, System, from_json, to_json
from tests.builders import Env, compile_extension, venv
from tests.conda import WRITERS, CondaPrefix, conda_prefix, foreign_prefix
from tests.conda import native_subdir as here
from tests.support import diagnose, only, report_of, snapshot_of

CODES = ("ARC006", "ARC007")

APPLE = Machine(system="macos", machine="arm64", native_machine="arm64", os_version="14.5", cpu=Cpu(name="Apple M2"))
ROSETTA = msgspec.structs.replace(APPLE, machine="x86_64", emulation="rosetta")
INTEL_MAC = Machine(system="macos", machine="x86_64", native_machine="x86_64", os_version="13.6")
X86 = Machine(machine="x86_64", native_machine="x86_64", libc="glibc 2.36")
ARM = Machine(machine="aarch64", native_machine="aarch64", libc="glibc 2.36")
QEMU = msgspec.structs.replace(ARM, binfmt=("x86_64",))
WINDOWS = Machine(system="windows", machine="x86_64", native_machine="x86_64")
WINDOWS_ARM = Machine(system="windows", machine="arm64", native_machine="arm64")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> CondaPrefix:
    return conda_prefix(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def facts(shared: CondaPrefix) -> Snapshot:
    return snapshot_of(shared.prefix)


@pytest.fixture
def env(shared: CondaPrefix, tmp_path: Path) -> Iterator[CondaPrefix]:
    """The shared prefix, whose conda-meta is put back afterwards."""
    kept = tmp_path / "conda-meta"
    shutil.copytree(shared.meta, kept)
    yield shared
    shutil.rmtree(shared.meta)
    shutil.copytree(kept, shared.meta)


def made_for(facts: Snapshot, subdir: str, machine: Machine) -> Snapshot:
    """The facts of a prefix of another platform, as taken on `machine`."""
    system: System = {"linux": "linux", "osx": "macos", "win": "windows"}[subdir.partition("-")[0]]  # type: ignore[assignment]
    packages = tuple(
        msgspec.structs.replace(package, subdir=package.subdir if package.subdir == "noarch" else subdir)
        for package in facts.conda_packages
    )
    target = msgspec.structs.replace(facts.target, system=system, foreign=False)
    return msgspec.structs.replace(facts, conda_packages=packages, target=target, machine=machine, natives=())


# ---------------------------------------------------------------------------------------------------------------- ARC006


@pytest.mark.parametrize("writer", WRITERS)
def test_healthy(writer: str, tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, writer, extra=("numpy",))
    assert diagnose(env.prefix, *CODES, environ={"CONDA_SUBDIR": here()}) == []


@pytest.mark.parametrize("subdir", ["osx-arm64", "win-64"])
def test_environments_of_other_computers(tmp_path: Path, subdir: str) -> None:
    env = foreign_prefix(tmp_path, subdir)
    report = report_of(snapshot_of(env.prefix, environ={"CONDA_SUBDIR": "linux-64"}), *CODES)
    assert list(report.findings) == []
    assert {check.code: check.outcome for check in report.checks} == {"ARC006": "skipped", "ARC007": "clean"}


@pytest.mark.parametrize(
    ("subdir", "machine", "severity", "word"),
    [
        ("osx-64", APPLE, "warning", "under Rosetta 2"),
        ("osx-64", ROSETTA, "warning", "under Rosetta 2"),
        ("osx-arm64", APPLE, None, ""),
        ("osx-arm64", ROSETTA, None, ""),
        ("osx-arm64", INTEL_MAC, "error", "nothing here runs it"),
        ("osx-64", INTEL_MAC, None, ""),
        ("linux-64", X86, None, ""),
        ("linux-32", X86, "warning", "as 32-bit programs"),
        ("linux-64", ARM, "error", "nothing here runs it"),
        ("linux-64", QEMU, "warning", "under qemu"),
        ("linux-aarch64", X86, "error", "nothing here runs it"),
        ("linux-aarch64", ARM, None, ""),
        ("win-64", WINDOWS, None, ""),
        ("win-64", WINDOWS_ARM, "warning", "under Prism"),
        ("win-arm64", WINDOWS, "error", "nothing here runs it"),
        ("win-32", WINDOWS, "warning", "as 32-bit programs"),
        ("noarch", X86, None, ""),
    ],
)
def test_platforms(facts: Snapshot, subdir: str, machine: Machine, severity: str | None, word: str) -> None:
    if subdir == "noarch":
        packages = tuple(package for package in facts.conda_packages if package.subdir == "noarch")
        seen = msgspec.structs.replace(facts, conda_packages=packages, machine=machine)
    else:
        seen = made_for(facts, subdir, machine)
    found = list(report_of(seen, "ARC006").findings)
    assert [f.severity for f in found] == ([severity] if severity else [])
    if severity:
        assert f"the environment is made of {subdir} packages, this machine is {native_subdir(machine)}: " in found[0].message
        assert word in found[0].message
        assert [s.kind for s in found[0].subjects] == ["environment", "conda-package", "machine"]
        assert found[0].subjects[1].name == "python"
        assert found[0].fixes[0].commands[0][0] == "conda"


def test_for_another_machine(tmp_path: Path) -> None:
    """An osx-64 environment, looked at from Linux with the snapshot of a Mac."""
    env = foreign_prefix(tmp_path, "osx-arm64")
    seen = snapshot_of(env.prefix)
    chosen = Selection.of(select=["ARC006"])
    assert judge(seen, chosen, machine=APPLE).findings == ()
    finding = only(list(judge(seen, chosen, machine=INTEL_MAC).findings), "ARC006")
    assert finding.severity == "error"
    assert judge(from_json(to_json(seen)), chosen, machine=INTEL_MAC).findings == (finding,)


@pytest.mark.parametrize(("value", "told"), [("osx-64", True), ("linux-32", True), (here(), False), ("", False)])
def test_the_variable(env: CondaPrefix, value: str, told: bool) -> None:
    found = diagnose(env.prefix, *CODES, environ={"CONDA_SUBDIR": value})
    assert [(f.code, f.severity, f.subjects[0].kind, f.subjects[0].name) for f in found] == (
        [("ARC006", "warning", "variable", "CONDA_SUBDIR")] if told else []
    )


def test_the_variable_that_agrees_with_an_emulated_environment(facts: Snapshot) -> None:
    """The environment is told of, the variable is right for it."""
    shell = msgspec.structs.replace(facts.shell, variables={"CONDA_SUBDIR": "osx-64"})
    seen = msgspec.structs.replace(made_for(facts, "osx-64", APPLE), shell=shell)
    assert only(list(report_of(seen, "ARC006").findings), "ARC006").subjects[0].kind == "environment"
    seen = msgspec.structs.replace(made_for(facts, "osx-arm64", APPLE), shell=shell)
    finding = only(list(report_of(seen, "ARC006").findings), "ARC006")
    assert finding.fixes[0].title == "unset CONDA_SUBDIR"


def test_it_explains_an_emulated_interpreter(facts: Snapshot) -> None:
    seen = made_for(facts, "osx-64", APPLE)
    seen = msgspec.structs.replace(seen, interpreter=msgspec.structs.replace(seen.interpreter, machine="x86_64", binary=None))
    found = list(report_of(seen, "ARC001", "ARC006").findings)
    assert only(found, "ARC001").caused_by == only(found, "ARC006").fingerprint


def test_platform_names() -> None:
    for machine, system, name in (
        ("i686", "linux", "linux-32"),
        ("armv6l", "linux", "linux-armv6l"),
        ("armv7l", "linux", "linux-armv7l"),
        ("ppc64le", "linux", "linux-ppc64le"),
        ("amd64", "windows", "win-64"),
        ("mips", "linux", None),
        ("", "linux", None),
    ):
        assert native_subdir(Machine(system=system, machine=machine, native_machine=machine)) == name  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------------- ARC007


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_records_of_two_platforms(writer: str, tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, writer)
    env.add("zlib", "1.3.1", subdir="osx-64")
    finding = only(diagnose(env.prefix, *CODES), "ARC007")
    assert finding.severity == "error"
    assert finding.message.startswith(f"the environment mixes {here()} (")
    assert finding.message.endswith("with osx-64 (zlib 1.3.1)")
    assert next((s.kind, s.name, s.version) for s in finding.subjects) == ("conda-package", "zlib", "1.3.1")
    assert "conda-meta/zlib-1.3.1-h0_0.json: subdir osx-64" in finding.evidence


def test_several_records(env: CondaPrefix) -> None:
    for number in range(7):
        env.add(f"part{number}", subdir="linux-32" if number % 2 else "osx-64")
    finding = only(diagnose(env.prefix, *CODES), "ARC007")
    assert finding.message.endswith("with linux-32 and osx-64 (7 records)")
    assert finding.evidence[-1] == "and 2 more"
    assert len(finding.subjects) == 8


def test_records_without_platform(env: CondaPrefix) -> None:
    env.add("generic", subdir="noarch")
    env.add("old")
    env.edit("old", subdir=None)
    assert diagnose(env.prefix, *CODES) == []


def test_most_records_decide(facts: Snapshot) -> None:
    """Python's own record may be the odd one."""
    packages = tuple(
        msgspec.structs.replace(package, subdir="osx-64") if package.name == "python" else package
        for package in facts.conda_packages
    )
    found = report_of(msgspec.structs.replace(facts, conda_packages=packages), *CODES).findings
    assert [(f.code, f.subjects[0].name) for f in found] == [("ARC007", "python")]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """An extension module for this machine, and the same with another one's number in its header."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    data = compile_extension(tmp_path_factory.mktemp("module"), "_core").read_bytes()
    number = {"x86_64": 62, "aarch64": 183}[other()]
    return {own(): data, other(): data[:18] + number.to_bytes(2, "little") + data[20:]}


def modules_of(env: Env, content: bytes, *names: str) -> None:
    for name in names:
        env.dist(name, "1.0", files={f"{name}/__init__.py": "", f"{name}/_core{EXTENSION_SUFFIXES[0]}": content})


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def other() -> str:
    return "aarch64" if here() == "linux-64" else "x86_64"


def own() -> str:
    return "x86_64" if here() == "linux-64" else "aarch64"


def test_modules_for_two_architectures(tmp_path: Path, built: dict[str, bytes]) -> None:
    env = venv(tmp_path / "env")
    modules_of(env, built[own()], "alpha", "beta")
    assert diagnose(env.prefix, *CODES) == []
    modules_of(env, built[other()], "gamma", "delta")
    found = diagnose(env.prefix, *CODES, "ARC002")
    finding = only(found, "ARC007")
    assert finding.message == f"the environment mixes Linux {own()} (2 distributions) with Linux {other()} (2 distributions)"
    assert [s.name for s in finding.subjects[:2]] == ["delta", "gamma"]
    assert [f.caused_by for f in found if f.code == "ARC002"] == [finding.fingerprint] * 2


def test_all_for_another_architecture(tmp_path: Path, built: dict[str, bytes]) -> None:
    """ARC002 tells of that."""
    env = venv(tmp_path / "env")
    modules_of(env, built[other()], "gamma", "delta")
    assert diagnose(env.prefix, *CODES) == []


def test_modules_for_both_in_one_distribution(tmp_path: Path, built: dict[str, bytes]) -> None:
    env = venv(tmp_path / "env")
    one, two = built[own()], built[other()]
    modules_of(env, one, "alpha")
    env.dist("both", "1.0", files={"both/__init__.py": "", "both/_core.abi3.so": one, f"both/_core{EXTENSION_SUFFIXES[0]}": two})
    env.dist("firmware", "1.0", files={"firmware/__init__.py": "", "firmware/blobs/image.so.1": two})
    assert diagnose(env.prefix, "ARC007") == []
