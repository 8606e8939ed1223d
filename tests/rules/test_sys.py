"""SYS001 to SYS006: real limits where this machine lets them be set (tmpfs, disks in a file, control groups, ulimit, affinity),
else the same facts by value. And a driver that is stood in for, asked by the whole program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from envdoctor.collect import cgroup, storage
from envdoctor.collect.scene import Scene
from envdoctor.finding import Finding
from envdoctor.snapshot import Cpu, Disk, Limits, Target
from tests.builders import Env
from tests.collect.test_frameworks import TORCH
from tests.command import clean_shell, command
from tests.drivers import H100, in_own_namespace, nvidia_tree, nvml
from tests.support import only, report_of, snapshot_of

GIB, MIB = 1 << 30, 1 << 20
Check = Callable[..., list[dict[str, object]]]


@pytest.fixture
def check(env: Env, tmp_path_factory: pytest.TempPathFactory) -> Check:
    """``envdoctor check --format json`` behind a command prefix; the findings of some rules."""
    argv = command(tmp_path_factory.mktemp("launch"))

    def run(*codes: str, behind: list[str] | None = None, **environ: str) -> list[dict[str, object]]:
        words = [*(behind or []), *argv, "check", str(env.prefix), "--select", ",".join(codes), "--format", "json"]
        done = subprocess.run(words, capture_output=True, text=True, env=clean_shell(environ), cwd="/", timeout=120, check=False)
        assert done.returncode in (0, 1), done.stderr
        found = json.loads(done.stdout)
        assert not [one for one in found["checks"] if one["outcome"] == "crashed"], found["checks"]
        return list(found["findings"])

    return run


def judged(env: Env, *codes: str, threads: int = 8, variables: dict[str, str] | None = None, **limits: object) -> list[Finding]:
    """Findings for this environment on a Linux machine with these limits."""
    snapshot = snapshot_of(env.prefix)
    parts = {"limits": Limits(**limits), "cpu": Cpu(threads=threads), "system": "linux", "container": None}  # type: ignore[arg-type]
    machine = msgspec.structs.replace(snapshot.machine, **parts)
    shell = msgspec.structs.replace(snapshot.shell, variables=variables or {})
    return list(report_of(msgspec.structs.replace(snapshot, machine=machine, shell=shell), *codes).findings)


def with_torch(env: Env) -> None:
    text = TORCH.format(version="2.7.1+cpu", cuda=None, hip=None, xpu=None)
    env.dist("torch", "2.7.1", files={"torch/__init__.py": "", "torch/version.py": text})


# --------------------------------------------------------------------------------------------------------------- SYS001
def test_a_real_small_shared_memory(env: Env, check: Check) -> None:
    with_torch(env)
    behind = in_own_namespace("mount -t tmpfs -o size=64m tmpfs /dev/shm")
    (found,) = check("SYS001", behind=behind)
    assert found["severity"] == "warning" and str(found["message"]).startswith("/dev/shm holds 64 MiB: worker processes of torch")


def test_a_real_shared_memory_of_a_usual_size(env: Env, check: Check) -> None:
    with_torch(env)
    assert check("SYS001", behind=in_own_namespace("mount -t tmpfs -o size=2g tmpfs /dev/shm")) == []


def test_shared_memory(env: Env) -> None:
    assert only(judged(env, "SYS001", shared_memory=64 * MIB), "SYS001").severity == "info"  # nothing here uses it
    with_torch(env)
    assert only(judged(env, "SYS001", shared_memory=64 * MIB), "SYS001").severity == "warning"
    assert judged(env, "SYS001", shared_memory=8 * GIB) == []
    assert judged(env, "SYS001", shared_memory=200 * MIB, memory=400 * MIB) == []  # half of a small machine's
    assert judged(env, "SYS001") == []


# --------------------------------------------------------------------------------------------------------------- SYS002
@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], str]]:
    """Makes the set-up that mounts a disk of some MiB, in a file, at a folder."""
    files: list[Path] = []

    def make(size: int) -> str:
        if shutil.which("mkfs.ext4") is None:
            pytest.skip("needs mkfs.ext4")
        image = tmp_path / f"disk{len(files)}.img"
        files.append(image)
        with image.open("wb") as file:
            file.truncate(size * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True, capture_output=True)
        return str(image)

    yield make
    for image in files:
        image.unlink(missing_ok=True)


def test_a_real_full_disk(env: Env, check: Check, disk: Callable[[int], str], tmp_path: Path) -> None:
    """A cache on a disk of which nothing is left; one with room beside it."""
    image = disk(48)
    full = tmp_path / "full"
    full.mkdir()
    fill = f"dd if=/dev/zero of={full}/x bs=1M >/dev/null 2>&1 || true"
    behind = in_own_namespace(f"mount -o loop {image} {full} || exit 77", fill)
    if subprocess.run([*behind, "true"], check=False, capture_output=True).returncode == 77:
        pytest.skip("loop devices are not allowed here")
    found = [one for one in check("SYS002", behind=behind, HF_HOME=str(full / "hub")) if "the caches" in str(one["message"])]
    assert len(found) == 1 and found[0]["severity"] == "warning"
    assert any(f"{full}/hub (HF_HOME)" in line for line in found[0]["evidence"])  # type: ignore[attr-defined]


def a_disk(free: int, total: int = 500 * GIB, **more: object) -> Disk:
    return Disk(**{"role": "environment", "path": "/env", "free": free, "total": total, "device": 1, **more})  # type: ignore[arg-type]


def test_disks(env: Env) -> None:
    for fine in (
        a_disk(50 * GIB),
        a_disk(4 * GIB, 100 * GIB),
        a_disk(0, read_only=True),
        a_disk(600 * MIB, GIB),
        a_disk(50 * GIB, files_free=10**6, files=10**7),
    ):
        assert judged(env, "SYS002", disks=(fine,)) == [], fine
    found = only(judged(env, "SYS002", disks=(a_disk(212 * MIB), a_disk(212 * MIB, role="cache", path="/c"))), "SYS002")
    assert found.message == "the disk under the environment and the caches has 212 MiB left of 500 GiB"
    assert only(judged(env, "SYS002", disks=(a_disk(3 * GIB),)), "SYS002").severity == "warning"
    found = only(judged(env, "SYS002", disks=(a_disk(50 * GIB, files_free=0, files=10**7),)), "SYS002")
    assert "has 0 inodes left" in found.message
    two = (a_disk(10 * MIB), a_disk(10 * MIB, device=2, role="project"))
    assert len(judged(env, "SYS002", disks=two)) == 2
    assert judged(env, "SYS002") == []


def test_folders_that_are_not_there_yet(tmp_path: Path) -> None:
    target = Target(prefix=str(tmp_path), kind="venv", chosen_by="")
    scene = Scene(target=target, prefix=str(tmp_path), environ={"HF_HOME": str(tmp_path / "a/b/c"), "TORCH_HOME": "relative"})
    found = {disk.role: disk for disk in storage.disks(scene)}
    assert found["cache"].path == str(tmp_path / "a/b/c") and not found["cache"].exists
    assert found["cache"].device == found["environment"].device and found["cache"].free


# --------------------------------------------------------------------------------------------------------------- SYS003
def test_a_real_limit_of_open_files(env: Env, check: Check) -> None:
    behind = ["sh", "-ec", 'ulimit -n 200\nexec "$@"', "sh"]
    (found,) = check("SYS003", behind=behind)
    assert found["message"] == "this session may open 200 files at a time (ulimit -n)" and found["severity"] == "warning"


def test_open_files(env: Env) -> None:
    assert judged(env, "SYS003", open_files_soft=1024) == []
    assert judged(env, "SYS003", open_files_soft=None) == []
    found = only(judged(env, "SYS003", open_files_soft=256, open_files_hard=4096), "SYS003")
    assert "ulimit -n 4096" in found.fixes[0].title
    found = only(judged(env, "SYS003", open_files_soft=256, open_files_hard=256), "SYS003")
    assert "administrator" in found.fixes[0].title


# ------------------------------------------------------------------------------------------------------- SYS004, SYS005
def test_a_real_affinity(env: Env, check: Check) -> None:
    if (os.cpu_count() or 1) < 2 or shutil.which("taskset") is None:
        pytest.skip("needs two processors and taskset")
    with_torch(env)
    found = check("SYS004", behind=["taskset", "-c", "0"], OMP_NUM_THREADS="64")
    assert [one["subjects"][0]["name"] for one in found] == ["OMP_NUM_THREADS"]  # type: ignore[index]
    assert check("SYS004", behind=["taskset", "-c", "0"], OMP_NUM_THREADS="1") == []


def test_processors(env: Env) -> None:
    with_torch(env)
    found = only(judged(env, "SYS004", threads=64, cpu_quota=4.0), "SYS004")
    assert (found.severity, found.message) == ("warning", "this session may use 4 processors, and os.cpu_count() says 64")
    assert "OMP_NUM_THREADS=4" in found.fixes[0].title
    for fine in ({"cpu_quota": 60.0}, {"affinity": 64}, {"affinity": 40}, {}):
        assert judged(env, "SYS004", threads=64, **fine) == []
    assert judged(env, "SYS004", threads=64, cpu_quota=4.0, variables={"OMP_NUM_THREADS": "4"}) == []
    assert only(judged(env, "SYS004", threads=64, affinity=8), "SYS004").severity == "warning"
    found = only(judged(env, "SYS004", threads=64, cpu_quota=0.5, variables={"OMP_NUM_THREADS": "16,4"}), "SYS004")
    assert found.message == "OMP_NUM_THREADS=16 asks for more threads than the 0.5 processors that may be used"
    assert judged(env, "SYS004", threads=64, cpu_quota=0.5, variables={"OMP_NUM_THREADS": "1"}) == []


def test_processors_where_nothing_computes(env: Env) -> None:
    assert only(judged(env, "SYS004", threads=64, cpu_quota=4.0), "SYS004").severity == "info"


def test_memory(env: Env) -> None:
    with_torch(env)
    found = only(judged(env, "SYS005", memory=256 * GIB, memory_limit=4 * GIB), "SYS005")
    assert (found.severity, found.message) == ("warning", "this session may use 4 GiB of the machine's 256 GiB of memory")
    assert judged(env, "SYS005", memory=256 * GIB, memory_limit=200 * GIB) == []
    assert judged(env, "SYS005", memory=256 * GIB) == []


def own_group() -> Path | None:
    """The folder of a control group that this process may make groups in, of version 2 with cpu and memory, or of version 1."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return root if {"cpu", "memory"} <= set((root / "cgroup.controllers").read_text().split()) else None
    return root / "cpu" if (root / "cpu/cpu.cfs_quota_us").exists() else None


def test_a_real_control_group(env: Env, check: Check) -> None:
    """Quota and memory of a group that this process is put into."""
    root = own_group()
    if root is None or os.geteuid() != 0:
        pytest.skip("no control group with cpu and memory that may be changed here")
    group = root / f"envdoctor-test-{os.getpid()}"
    try:
        if (root / "cgroup.subtree_control").exists():
            (root / "cgroup.subtree_control").write_text("+cpu +memory")
        group.mkdir()
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text("50000 100000")
            (group / "memory.max").write_text(str(512 * MIB))
        else:
            (group / "cpu.cfs_quota_us").write_text("50000")
    except OSError as error:
        if group.exists():
            group.rmdir()
        pytest.skip(f"control groups may not be changed here: {error.strerror}")
    try:
        with_torch(env)
        behind = ["sh", "-ec", f'echo $$ > {group}/cgroup.procs\nexec "$@"', "sh"]
        found = {str(one["code"]): str(one["message"]) for one in check("SYS004,SYS005", behind=behind)}
        assert "may use 0.5 processors" in found["SYS004"]
        if (group / "memory.max").exists():  # version 1 has another hierarchy for it
            assert "may use 512 MiB of the machine's" in found["SYS005"]
    finally:
        group.rmdir()


@pytest.mark.parametrize("version", [1, 2])
def test_files_of_control_groups(tmp_path: Path, version: int) -> None:
    """Both versions, a limit of the group above included."""
    mount = tmp_path / "cgroup"
    inner = mount / "pod/container"
    inner.mkdir(parents=True)
    proc = tmp_path / "proc"
    proc.mkdir()
    if version == 2:
        (proc / "mountinfo").write_text(f"30 23 0:26 / {mount} rw - cgroup2 cgroup2 rw\n")
        (proc / "cgroup").write_text("0::/pod/container\n")
        (inner / "cpu.max").write_text("max 100000\n")
        (mount / "pod/cpu.max").write_text("200000 100000\n")
        (inner / "memory.max").write_text(f"{2 * GIB}\n")
        (mount / "pod/memory.max").write_text("max\n")
    else:
        (proc / "mountinfo").write_text(f"30 23 0:26 / {mount} rw - cgroup cgroup rw,cpu,cpuacct,memory\n")
        (proc / "cgroup").write_text("4:cpu,cpuacct:/pod/container\n5:memory:/pod/container\n")
        (inner / "cpu.cfs_quota_us").write_text("-1\n")
        (mount / "pod/cpu.cfs_quota_us").write_text("200000\n")
        (mount / "pod/cpu.cfs_period_us").write_text("100000\n")
        (inner / "memory.limit_in_bytes").write_text(f"{2 * GIB}\n")
        (mount / "pod/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert cgroup.limits(str(proc)) == (2 * GIB, 2.0)


# --------------------------------------------------------------------------------------------------------------- SYS006
def test_real_temporary_folders(env: Env, check: Check, tmp_path: Path) -> None:
    """What Python's own tempfile makes of the same shell is what is said."""
    gone = tmp_path / "gone"
    (found,) = check("SYS006", TMPDIR=str(gone))
    assert found["message"] == f"TMPDIR names {gone}, which is not there"
    script = "import tempfile; print(tempfile.gettempdir())"
    taken = subprocess.run([sys.executable, "-c", script], env={"TMPDIR": str(gone)}, capture_output=True, text=True, check=True)
    assert f"Python takes {taken.stdout.strip()} instead" in found["evidence"]  # type: ignore[operator]
    there = tmp_path / "there"
    there.mkdir()
    assert check("SYS006", TMPDIR=str(there)) == []


def test_a_real_noexec_folder(env: Env, check: Check, tmp_path: Path) -> None:
    place = tmp_path / "noexec"
    place.mkdir()
    behind = in_own_namespace(f"mount -t tmpfs -o noexec,size=512m tmpfs {place}")
    (found,) = check("SYS006", behind=behind, TMPDIR=str(place))
    assert found["severity"] == "info" and "mounted noexec" in str(found["message"])
    with_torch(env)
    (found,) = check("SYS006", behind=behind, TMPDIR=str(place))
    assert found["severity"] == "warning"


def test_a_real_full_temporary_folder(env: Env, check: Check, tmp_path: Path) -> None:
    place = tmp_path / "full"
    place.mkdir()
    fill = f"dd if=/dev/zero of={place}/x bs=1M count=64 >/dev/null 2>&1 || true"
    (found,) = check("SYS006", behind=in_own_namespace(f"mount -t tmpfs -o size=8m tmpfs {place}", fill), TMPDIR=str(place))
    assert "0 bytes left" in str(found["message"])
    setup = f"mount -t tmpfs -o size=64m,ro tmpfs {place}"
    (found,) = check("SYS006", behind=in_own_namespace(setup), TMPDIR=str(place))
    assert "mounted read-only" in str(found["message"])


def test_temporary_folders(env: Env) -> None:
    room = Disk(role="temporary", path="/tmp", free=5 * GIB, total=10 * GIB)
    assert judged(env, "SYS006", temporary=(room,)) == []
    refused = Disk(role="temporary", path="/scratch", free=GIB, writable=False, variable="TMPDIR")
    found = only(judged(env, "SYS006", temporary=(refused, room)), "SYS006")
    assert "may not be written to by this user" in found.message and found.subjects[0].name == "TMPDIR"
    nothing = Disk(role="temporary", path="/tmp", free=0, total=10 * GIB)
    found = only(judged(env, "SYS006", temporary=(nothing,)), "SYS006")
    assert "Python finds no usable folder" in found.evidence
    small = Disk(role="temporary", path="/tmp", free=100 * MIB, total=128 * MIB)
    assert judged(env, "SYS006", temporary=(small,)) == []


# ------------------------------------------------------------------------------------- a driver, asked by the whole program
def test_the_whole_way_to_a_driver(env: Env, check: Check) -> None:
    """/proc, /dev and NVML of an H100 machine stand in a mount namespace: NVML says the CUDA version, the second run keeps it,
    a driver that is too old and device nodes that are gone are found."""
    text = TORCH.format(version="2.9.0+cu130", cuda="13.0", hip=None, xpu=None)
    env.dist("torch", "2.9.0", files={"torch/__init__.py": "", "torch/version.py": text})
    with tempfile.TemporaryDirectory(prefix="envdoctor-driver-") as made:
        root = Path(made)
        nvidia_tree(root / "tree", "NVIDIA H100 80GB HBM3", driver="560.35.03")
        (root / "lib").mkdir()
        (root / "lib/libcuda.so.560.35.03").write_bytes(b"")
        (root / "lib/libcuda.so.1").symlink_to("libcuda.so.560.35.03")
        (root / "dev").mkdir()
        keep = " ".join(name for name in ("null", "zero", "full", "random", "urandom", "tty") if Path(f"/dev/{name}").exists())
        setup = (
            f"mount --bind {root}/tree/proc/driver /proc/driver",
            f"for n in {keep}; do touch {root}/dev/$n; mount --bind /dev/$n {root}/dev/$n; done",
            f"mkdir -p {root}/dev/shm; for n in $NODES; do touch {root}/dev/$n; done",
            f"mount --rbind {root}/dev /dev",
        )
        behind = in_own_namespace(*setup)
        if subprocess.run([*behind, "true"], env={**os.environ, "NODES": ""}, capture_output=True, check=False).returncode:
            pytest.skip("/proc/driver and /dev cannot be mounted over here")
        shell = {"LD_LIBRARY_PATH": f"{root}/lib"}
        nodes = "nvidiactl nvidia-uvm nvidia0"
        for cuda in (12060, 12010):  # asked, then kept while the machine runs on with the same driver
            nvml(root / "lib/libnvidia-ml.so.1", H100, driver="560.35.03", cuda=cuda)
            (found,) = check("GPU", behind=behind, NODES=nodes, **shell)
            assert found["code"] == "GPU001" and found["confidence"] == "certain"
            assert "driver 560.35.03 offers CUDA 12.6" in str(found["message"])
        nvml(root / "lib/libnvidia-ml.so.1", status=18)
        (root / "dev/nvidia0").unlink()
        (found,) = check("GPU", behind=behind, NODES="nvidiactl nvidia-uvm", **shell)
        assert found["code"] == "GPU006" and "Driver/library version mismatch" in str(found["message"])
