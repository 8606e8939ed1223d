"""The machine's facts against what other tools say of the same machine, and readers against constructed trees."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from envdoctor.collect import cgroup, cpu, machine
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import Machine, Target

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def scene(prefix: Path | str, **options: object) -> Scene:
    target = Target(prefix=str(prefix), kind="venv", chosen_by="test", sysroot=options.pop("sysroot", None))  # type: ignore[arg-type]
    return Scene(target, str(prefix), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return machine.collect(scene(tmp_path_factory.mktemp("prefix")))


def test_agrees_with_the_standard_library(here: Machine) -> None:
    import psutil

    assert here.system == {"linux": "linux", "darwin": "macos", "win32": "windows"}[sys.platform]
    assert here.cpu.threads == os.cpu_count()
    assert here.limits.memory == psutil.virtual_memory().total
    assert here.source == "this machine"
    if here.emulation is None and sys.platform != "win32":
        assert here.machine == platform.machine().lower()
        assert here.native_machine == here.machine


@linux
def test_agrees_with_this_linux(here: Machine) -> None:
    import psutil

    name, version = platform.libc_ver()
    if name == "glibc":
        assert here.libc == f"glibc {version}"
        assert here.libcs[0] == here.libc
    release = platform.freedesktop_os_release()
    assert here.distribution == release["ID"]
    assert here.os_version == release.get("VERSION_ID")
    assert here.kernel == platform.release()
    assert here.limits.affinity == len(os.sched_getaffinity(0))
    assert here.cpu.cores in (psutil.cpu_count(logical=False), os.cpu_count())


@linux
def test_microarchitecture_is_archspecs_own_answer(here: Machine) -> None:
    import archspec.cpu

    assert here.cpu.microarchitecture == str(archspec.cpu.host())


def test_every_microarchitecture_is_found_by_its_own_flags() -> None:
    """A processor that has just what an entry needs is that entry, or one that needs the same."""
    from archspec.cpu import TARGETS

    data = cpu.table()
    assert data is not None
    for name, target in TARGETS.items():
        if str(target.family) != "x86_64" or target.vendor == "generic":
            continue
        found = cpu.microarchitecture(data, "x86_64", target.vendor, frozenset(target.features))
        assert found is not None
        best = max((t for t in [target, *target.ancestors] if t.vendor == "generic"), key=lambda t: len(t.ancestors))
        answer = TARGETS[found]
        assert answer.features <= target.features | {"sse3"}
        assert found == name or len(answer.ancestors) >= len(target.ancestors) or answer == best


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu sse sse2", "x86-64-v1"),
        ("cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3", "x86-64-v2"),
        ("cx16 lahf_lm popcnt sse3 sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c fma lzcnt movbe xsave", "x86-64-v3"),
        # AVX2 without FMA is no v3; AVX-512 without v3 is no v4
        ("cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3 avx avx2 bmi1 bmi2 f16c abm movbe xsave avx512f", "x86-64-v2"),
    ],
)
def test_psabi_level(flags: str, expected: str) -> None:
    assert cpu.level(frozenset(flags.split())) == expected


def test_arm_server() -> None:
    block = {
        "CPU implementer": "0x41",
        "CPU part": "0xd0c",
        "Features": "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs",
    }
    found = cpu.linux("aarch64", block, 64)
    assert (found.microarchitecture, found.vendor, found.level, found.threads) == ("neoverse_n1", "ARM", None, 64)


def test_apple_silicon_and_intel_mac() -> None:
    values: dict[str, str | int] = {"machdep.cpu.brand_string": "Apple M2 Pro", "hw.physicalcpu": 12}
    found = cpu.macos("arm64", values.get, 12)
    assert (found.microarchitecture, found.vendor, found.cores) == ("m2", "Apple", 12)
    values = {
        "machdep.cpu.brand_string": "Intel(R) Core(TM) i7-8850H CPU @ 2.60GHz",
        "machdep.cpu.vendor": "GenuineIntel",
        "machdep.cpu.features": "FPU SSE SSE2 SSE3 PCLMULQDQ SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX1.0 F16C MMX",
        "machdep.cpu.leaf7_features": "BMI1 AVX2 BMI2 RDSEED ADX CLFSOPT",
        "machdep.cpu.extfeatures": "SYSCALL LAHF LZCNT PREFETCHW RDTSCP EM64T",
        "hw.physicalcpu": 6,
    }
    found = cpu.macos("x86_64", values.get, 12)
    assert found.level == "x86-64-v3"
    assert found.microarchitecture in ("skylake", "broadwell", "haswell", "x86_64_v3")


# ------------------------------------------------------------------------------------------------------------ emulation


@linux
def test_qemu_user_is_seen_through() -> None:
    """The same Python under qemu-user: uname and /proc/self/exe lie, the other spelling of the link does not."""
    qemu = shutil.which(f"qemu-{platform.machine()}-static") or shutil.which(f"qemu-{platform.machine()}")
    if qemu is None:
        pytest.skip("no qemu-user here")
    code = (
        "from envdoctor.collect import machine, cpu, files\n"
        "block = cpu.first_block(files.read('/proc/cpuinfo', 1 << 14).data.decode())\n"
        "print(*machine.emulated('guest', block))\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [qemu, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )
    assert done.stdout.split() == ["qemu-user", platform.machine()], done.stderr


@linux
@pytest.mark.parametrize(
    ("said", "block", "expected"),
    [
        ("x86_64", {"vendor_id": "GenuineIntel"}, (None, "x86_64")),
        ("x86_64", {"vendor_id": "VirtualApple"}, ("rosetta", "aarch64")),
        ("x86_64", {"CPU implementer": "0x61"}, ("qemu-user", "aarch64")),
        ("aarch64", {"vendor_id": "AuthenticAMD"}, ("qemu-user", "x86_64")),
        ("aarch64", {"CPU implementer": "0x41"}, (None, "aarch64")),
    ],
)
def test_emulation_by_the_processor(said: str, block: dict[str, str], expected: tuple[str | None, str], tmp_path: Path) -> None:
    assert machine.emulated(said, block, str(tmp_path)) == expected


def test_binfmt(tmp_path: Path) -> None:
    for name, state in (("qemu-aarch64", "enabled"), ("qemu-arm", "disabled"), ("rosetta", "enabled"), ("python3.11", "enabled")):
        (tmp_path / name).write_text(f"{state}\ninterpreter /usr/bin/x\nflags: F\n")
    assert machine.binfmt(str(tmp_path)) == ("aarch64", "x86_64")
    assert machine.binfmt(str(tmp_path / "none")) == ()


# ----------------------------------------------------------------------------------------------------- mounted root


@linux
def test_a_mounted_root_has_its_own_libc_and_distribution(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('NAME="Old Linux"\nID=oldlinux\nID_LIKE="rhel fedora"\nVERSION_ID=7\n# x\nbroken\n')
    (tmp_path / "lib64").mkdir()
    (tmp_path / "lib64/libc.so.6").write_bytes(b"\x7fELF...\0GNU C Library (GNU libc) stable release version 2.17, by R\0")
    (tmp_path / "lib").mkdir()
    found = machine.collect(scene(tmp_path, sysroot=str(tmp_path)))
    assert (found.libc, found.distribution, found.distribution_like) == ("glibc 2.17", "oldlinux", ("rhel", "fedora"))
    loader = tmp_path / f"lib/ld-musl-{platform.machine()}.so.1"
    loader.write_bytes(b"\x7fELF\0musl libc\0" + b"\0001.2.3\0Usage\0")
    assert machine.collect(scene(tmp_path, sysroot=str(tmp_path))).libcs == ("glibc 2.17", "musl 1.2.3")
    (tmp_path / "lib64/libc.so.6").unlink()
    assert machine.collect(scene(tmp_path, sysroot=str(tmp_path))).libc == "musl 1.2.3"


@linux
def test_hostile_system_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/os-release")
    (tmp_path / "lib64").mkdir()
    (tmp_path / "lib64/libc.so.6").symlink_to("libc.so.6")
    found = machine.collect(scene(tmp_path, sysroot=str(tmp_path)))
    assert (found.libc, found.distribution) == (None, None)


# ----------------------------------------------------------------------------------------------------------------- cgroup


def proc(folder: Path, cgroups: str, mounts: list[tuple[str, Path, str, str]]) -> str:
    """A /proc/self with `cgroups` and mounts (root, mount point, type, options)."""
    folder.mkdir()
    (folder / "cgroup").write_text(cgroups)
    lines = [f"{i} 1 0:{i} {root} {place} rw - {kind} x rw,{options}" for i, (root, place, kind, options) in enumerate(mounts)]
    (folder / "mountinfo").write_text("\n".join(lines) + "\n")
    return str(folder)


def test_cgroup_v2_takes_the_tightest_of_all_levels(tmp_path: Path) -> None:
    group = tmp_path / "fs/user.slice/job.scope"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group / "cpu.max").write_text("max 100000\n")
    (group.parent / "memory.max").write_text(f"{8 << 30}\n")
    (group.parent / "cpu.max").write_text("50000 100000\n")
    place = proc(tmp_path / "proc", "0::/user.slice/job.scope\n", [("/", tmp_path / "fs", "cgroup2", "")])
    assert cgroup.limits(place) == (8 << 30, 0.5)


def test_cgroup_v1_inside_a_container_without_namespace(tmp_path: Path) -> None:
    """The container's mount shows its own group as the root; /proc/self/cgroup still has the host's path."""
    memory, cpus = tmp_path / "memory", tmp_path / "cpu"
    memory.mkdir()
    cpus.mkdir()
    (memory / "memory.limit_in_bytes").write_text("2147483648\n")
    (cpus / "cpu.cfs_quota_us").write_text("150000\n")
    (cpus / "cpu.cfs_period_us").write_text("100000\n")
    place = proc(
        tmp_path / "proc",
        "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",
        [("/docker/abc", memory, "cgroup", "memory"), ("/docker/abc", cpus, "cgroup", "cpu,cpuacct")],
    )
    assert cgroup.limits(place) == (2 << 30, 1.5)


def test_cgroup_without_limits_and_with_junk(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    (memory / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    place = proc(tmp_path / "a", "4:memory:/\n0::/../..\nrubbish\n", [("/", memory, "cgroup", "memory")])
    assert cgroup.limits(place) == (None, None)
    (memory / "memory.limit_in_bytes").write_bytes(b"\xff\xfe")
    assert cgroup.limits(place) == (None, None)
    assert cgroup.limits(str(tmp_path / "none")) == (None, None)


@linux
def test_container_by_the_shell(tmp_path: Path) -> None:
    assert machine.container(scene(tmp_path, environ={"KUBERNETES_SERVICE_HOST": "10.0.0.1"})) == "kubernetes"
    assert machine.container(scene(tmp_path, environ={"APPTAINER_CONTAINER": "/x.sif"})) == "apptainer"


@linux
def test_two_runs_differ_in_nothing_but_free_space(tmp_path: Path) -> None:
    import msgspec

    def stable() -> Machine:
        found = machine.collect(scene(tmp_path))
        limits = msgspec.structs.replace(found.limits, disk_free=None, shared_memory_free=None, disks=(), temporary=())
        return msgspec.structs.replace(found, limits=limits)

    assert stable() == stable()


MACHINES = sorted((Path(__file__).resolve().parents[2] / "fixtures/machines").glob("*.json"))


@pytest.mark.parametrize("file", MACHINES, ids=lambda path: path.stem)
def test_machine_snapshots_are_true_to_type(file: Path) -> None:
    """The fixtures load, and their psABI level and microarchitecture are those that their flags give."""
    from envdoctor.cli.session import read_machine

    found = read_machine(str(file))
    assert found.native_machine
    assert (found.emulation is None) == (found.machine == found.native_machine)
    if found.cpu.level:
        assert found.cpu.level == cpu.level(frozenset(found.cpu.flags))
