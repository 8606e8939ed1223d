"""ARC005: code that an old processor cannot run, judged with ``--machine`` of one and, where QEMU is here, really tried."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import msgspec
import pytest

from envdoctor.collect.cpu import LEVELS, level
from envdoctor.data.cpu_baselines import BASELINES, MICROARCHITECTURES
from envdoctor.diagnose import judge
from envdoctor.finding import Finding
from envdoctor.select import Selection
from envdoctor.snapshot import CondaPackage, Cpu, Machine, Snapshot, from_json, to_json
from tests.builders import Env, compile_extension, venv
from tests.support import only, report_of, snapshot_of

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.uname().machine != "x86_64" or shutil.which("gcc") is None,
    reason="compiles x86-64 ELF files with gcc",
)

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"
TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}"
WHEEL = (f"{TAG}-{TAG}-manylinux_2_17_x86_64", f"{TAG}-{TAG}-manylinux2014_x86_64")
V1: frozenset[str] = frozenset({"fpu", "mmx", "sse", "sse2", "cx8"})
V2 = V1 | LEVELS[0][1]
SANDY = V2 | {"avx", "xsave", "pclmulqdq", "aes"}
V3 = SANDY | LEVELS[1][1]
V4 = V3 | LEVELS[2][1]


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return venv(tmp_path / "env")


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return compile_extension(tmp_path_factory.mktemp("module"), "_core").read_bytes()


@pytest.fixture(scope="session")
def noted(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An extension module with the note that it needs x86-64-v3."""
    try:
        return compile_extension(tmp_path_factory.mktemp("noted"), "_core", flags=["-Wl,-z,x86-64-v3"]).read_bytes()
    except subprocess.CalledProcessError:
        pytest.skip("the linker does not know -z x86-64-v3")


def package(content: bytes, name: str = "alpha") -> dict[str, str | bytes]:
    return {f"{name}/__init__.py": f"from {name} import _core\n", f"{name}/_core{SUFFIX}": content}


def on(snapshot: Snapshot, flags: frozenset[str], **machine: object) -> list[Finding]:
    """Findings as if the processor had these flags."""
    cpu = Cpu(name="Test CPU", vendor="GenuineIntel", level=level(flags) if flags else None, flags=tuple(sorted(flags)))
    changed = msgspec.structs.replace(snapshot.machine, cpu=cpu, **machine)
    return list(report_of(msgspec.structs.replace(snapshot, machine=changed), "ARC005").findings)


# ------------------------------------------------------------------------------------------------------------ ELF notes


def test_note_of_a_module(env: Env, noted: bytes) -> None:
    env.dist("alpha", "2.0", files=package(noted), tags=WHEEL)
    seen = snapshot_of(env.prefix)
    finding = only(on(seen, V2), "ARC005")
    assert finding.severity == "error"
    assert (finding.subjects[0].kind, finding.subjects[0].name, finding.subjects[0].version) == ("distribution", "alpha", "2.0")
    assert finding.subjects[1].kind == "machine"
    assert "needs a processor of level x86-64-v3, this one is x86-64-v2" in finding.message
    assert finding.fixes
    assert finding.fixes[0].verify
    assert on(seen, V3) == []
    assert on(seen, V4) == []
    assert on(seen, frozenset()) == [], "flags that are not known say nothing"


def test_note_of_a_library_that_a_module_needs(env: Env, tmp_path: Path) -> None:
    (tmp_path / "one.c").write_text("int one(void) { return 1; }\n")
    made = subprocess.run(
        ["gcc", "-shared", "-fPIC", str(tmp_path / "one.c"), "-o", str(tmp_path / "libone.so.1"), "-Wl,-z,x86-64-v4"], check=False
    )
    if made.returncode:
        pytest.skip("the linker does not know -z x86-64-v4")
    flags = [f"-L{tmp_path}", "-Wl,--no-as-needed", "-l:libone.so.1", "-Wl,-rpath,$ORIGIN/../alpha.libs"]
    module = compile_extension(tmp_path, "_core", flags=flags).read_bytes()
    env.dist("alpha", files={**package(module), "alpha.libs/libone.so.1": (tmp_path / "libone.so.1").read_bytes()}, tags=WHEEL)
    seen = snapshot_of(env.prefix)
    finding = only(on(seen, V3), "ARC005")
    assert "level x86-64-v4" in finding.message
    assert any(f"_core{SUFFIX} → libone.so.1" in line for line in finding.evidence)
    assert on(seen, V4) == []


def test_what_the_loader_says(env: Env, noted: bytes) -> None:
    """An emulated processor of level 2, for real."""
    qemu = next((path for name in ("qemu-x86_64-static", "qemu-x86_64") if (path := shutil.which(name))), None)
    if qemu is None:
        pytest.skip("needs QEMU (user mode)")
    env.dist("alpha", files=package(noted), tags=WHEEL)
    done = subprocess.run(
        [qemu, "-cpu", "Westmere", str(env.python), "-c", "import alpha"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode != 0
    assert "CPU ISA level is lower than required" in done.stderr


def test_a_note_on_a_plugin_is_nobodys_business(env: Env, module: bytes, noted: bytes) -> None:
    env.dist("alpha", files={**package(module), "alpha/plugins/libavx.so": noted}, tags=WHEEL)
    assert on(snapshot_of(env.prefix), V1) == []


# ---------------------------------------------------------------------------------------------------------------- table


@pytest.mark.parametrize(
    ("name", "version", "flags", "words"),
    [
        ("numpy", "2.4.6", V1, "sse4.2"),
        ("numpy", "2.5.0rc1", V1, "popcnt"),
        ("numpy", "2.4.6", V2, None),
        ("numpy", "2.3.5", V1, None),
        ("polars", "1.33.1", SANDY, "avx2, bmi1, bmi2, fma and lzcnt"),
        ("polars", "1.33.1", V3, None),
        ("polars-lts-cpu", "1.33.1", V2, None),
        ("polars-lts-cpu", "1.33.1", V1, "ssse3"),
        ("polars-runtime-32", "2.1.0", V2, "movbe"),
        ("polars-runtime-32", "2.1.0", V3, None),
        ("jaxlib", "0.10.2", V2, "avx"),
        ("jaxlib", "0.10.2", SANDY, None),
        ("tensorflow", "2.21.0", V2, "avx"),
        ("tensorflow", "2.21.0", SANDY, None),
        ("tensorflow", "1.5.0", V2, None),
        ("pyarrow", "25.0.1", V1, "sse4.2"),
        ("pyarrow", "25.0.1", V2, None),
        ("lancedb", "0.40.0", SANDY, "avx2"),
        ("duckdb", "2.0.0", SANDY, "avx2 and bmi2"),
        ("duckdb", "1.4.1", V1, None),
        ("vowpalwabbit", "9.11.9", V2, "avx and avx2"),
        ("torch", "2.13.0", V1, None),
        ("onnxruntime", "1.32.0", V1, None),
    ],
)
def test_packages_that_do_not_look_first(
    env: Env, module: bytes, name: str, version: str, flags: frozenset[str], words: str | None
) -> None:
    top = name.replace("-", "_")
    env.dist(name, version, files=package(module, top), tags=WHEEL)
    seen = snapshot_of(env.prefix)
    # the lists of flags in these tests are lists of what counts, not of a whole processor
    flags = flags | {"abm", "f16c"} if flags is V3 else flags
    found = on(seen, flags)
    if words is None:
        assert found == []
        return
    finding = only(found, "ARC005")
    assert (finding.severity, finding.subjects[0].name, finding.subjects[0].version) == ("error", name, version)
    assert words in finding.message
    assert "Test CPU" in finding.message
    assert finding.fixes


def test_builds_for_older_processors(env: Env, module: bytes) -> None:
    env.dist("polars", "1.33.1", files=package(module, "polars"), tags=WHEEL)
    env.dist("numpy", "2.4.6", files=package(module, "numpy"), tags=WHEEL)
    fixes = {f.subjects[0].name: f.fixes[0] for f in on(snapshot_of(env.prefix), V1)}
    assert [command[-1] for command in fixes["polars"].commands] == ["polars", "polars-lts-cpu==1.33.1"]
    assert [command[-1] for command in fixes["numpy"].commands] == ["numpy<2.4"]


def test_polars_takes_the_compatible_runtime_first(env: Env, module: bytes) -> None:
    env.dist("polars-runtime-32", "2.1.0", files=package(module, "_polars_runtime_32"), tags=WHEEL)
    finding = only(on(snapshot_of(env.prefix), V2), "ARC005")
    assert [command[-1] for command in finding.fixes[0].commands] == ["polars[rtcompat]==2.1.0"]
    env.dist("polars-runtime-compat", "2.1.0", files=package(module, "_polars_runtime_compat"), tags=WHEEL)
    assert on(snapshot_of(env.prefix), V2) == []


def test_what_the_table_does_not_speak_of(env: Env, module: bytes) -> None:
    """Built here, installed from elsewhere, by another packager, or without compiled files."""
    env.dist("numpy", "2.4.6", files=package(module, "numpy"), tags=[f"{TAG}-{TAG}-linux_x86_64"])
    env.dist("tensorflow", "2.21.0", files={"tensorflow/__init__.py": ""}, tags=WHEEL)
    env.dist("jaxlib", "0.10.2", files=package(module, "jaxlib"), tags=WHEEL, installer="conda")
    url = json.dumps({"url": "file:///src/polars", "dir_info": {}})
    env.dist("polars", "1.33.1", files=package(module, "polars"), tags=WHEEL, direct_url=url)
    assert on(snapshot_of(env.prefix), V1) == []


@pytest.mark.parametrize("machine", [{"emulation": "rosetta"}, {"emulation": "qemu-user"}, {"native_machine": "aarch64"}])
def test_emulation_has_rules_of_its_own(env: Env, module: bytes, machine: dict[str, object]) -> None:
    env.dist("numpy", "2.4.6", files=package(module, "numpy"), tags=WHEEL)
    assert on(snapshot_of(env.prefix), V1, **machine) == []


def test_with_the_machine_of_an_old_cluster(env: Env, module: bytes, noted: bytes) -> None:
    """``--machine old-cluster.json``: a Westmere of 2010."""
    env.dist("jaxlib", "0.10.2", files=package(module, "jaxlib"), tags=WHEEL)
    env.dist("numpy", "2.4.6", files=package(module, "numpy"), tags=WHEEL)
    env.dist("alpha", files=package(noted), tags=WHEEL)
    seen = snapshot_of(env.prefix)
    folder = Path(__file__).parents[2] / "fixtures/machines"
    old = from_json((folder / "old-cluster.json").read_bytes()).machine
    found = judge(from_json(to_json(seen)), Selection.of(select=["ARC005"]), machine=old).findings
    assert [(f.subjects[0].name, f.severity) for f in found] == [("alpha", "error"), ("jaxlib", "error")]
    assert found[0].confidence == "likely", "its glibc 2.17 does not read the note"
    apple = from_json((folder / "apple-silicon-rosetta.json").read_bytes()).machine
    assert judge(seen, Selection.of(select=["ARC005"]), machine=apple).findings == ()


def test_this_machine_runs_what_it_has(env: Env, module: bytes) -> None:
    seen = snapshot_of(env.prefix)
    if "avx2" not in seen.machine.cpu.flags:
        pytest.skip("needs a processor with AVX2")
    for name in BASELINES:
        env.dist(name, "2.4.6", files=package(module, name.replace("-", "_")), tags=WHEEL)
    assert list(report_of(snapshot_of(env.prefix), "ARC005").findings) == []


# ---------------------------------------------------------------------------------------------------------------- conda


@pytest.mark.parametrize(
    ("name", "version", "depends", "flags", "told"),
    [
        ("_x86_64-microarch-level", "3", "__archspec 1 skylake", V2, True),
        ("_x86_64-microarch-level", "3", "__archspec 1 skylake", V3, False),
        ("_x86_64-microarch-level", "3", "__archspec 1 skylake_avx512", V3, False),
        ("_x86_64-microarch-level", "1", "__archspec 1 x86_64", V1, False),
        ("fast", "1.0", "__archspec 1 x86_64_v3", V2, True),
        ("fast", "1.0", "__archspec 1 x86_64_v3", V4, False),
        ("fast", "1.0", "__archspec =*=x86_64_v4", V3, True),
        ("fast", "1.0", "__archspec * haswell|zen2", V2, True),
        ("fast", "1.0", "__archspec * westmere|zen2", V2, False),
        ("fast", "1.0", "__archspec", V1, False),
        ("fast", "1.0", "__archspec 1 m1", V1, False),
        ("fast", "1.0", "__archspec 1 of-tomorrow", V1, False),
        ("fast", "1.0", "__glibc >=2.17", V1, False),
    ],
)
def test_what_conda_records_ask(env: Env, name: str, version: str, depends: str, flags: frozenset[str], told: bool) -> None:
    record = CondaPackage(name=name, version=version, build="0", record=f"conda-meta/{name}.json", virtual=(depends,))
    seen = msgspec.structs.replace(snapshot_of(env.prefix), conda_packages=(record,))
    found = on(seen, flags)
    assert [(f.severity, f.subjects[0].kind, f.subjects[0].name) for f in found] == (
        [("error", "conda-package", name)] if told else []
    )


def test_levels_are_those_of_archspec() -> None:
    from archspec.cpu import TARGETS

    for name, number in MICROARCHITECTURES.items():
        if name in TARGETS:
            assert level(frozenset(TARGETS[name].features)) == f"x86-64-v{number}", name


def test_machine_words() -> None:
    """Windows and macOS write flags in their own words."""
    assert Machine().cpu.flags == ()
    words = {flag for row in BASELINES.values() for flag in row.flags}
    assert words <= V4 | {"pclmulqdq", "abm", "f16c", "fma", "pni"}
