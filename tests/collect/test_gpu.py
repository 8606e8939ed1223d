"""Accelerators of a machine, from constructed trees and from libraries that answer as the driver's do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envdoctor.collect import gpu
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import Cpu, Machine, Target
from tests.drivers import A100, H100, kfd_tree, nvidia_tree, nvml, pci_line, put, version_file
from tests.effort import calls

HERE = Machine(machine="x86_64", native_machine="x86_64")


def scene(tmp_path: Path, **environ: str) -> Scene:
    return Scene(
        target=Target(prefix=str(tmp_path / "env"), kind="venv", chosen_by=""), prefix=str(tmp_path / "env"), environ=environ
    )


def look(tmp_path: Path, root: Path, **environ: str) -> Machine:
    return gpu.add(scene(tmp_path, **environ), HERE, root=str(root))


def test_a_machine_without_an_accelerator(tmp_path: Path) -> None:
    """Nothing is found, and it costs next to nothing."""
    put(tmp_path, {"/proc/bus/pci/devices": pci_line(8, "1af41045", "virtio-pci") * 30})
    assert look(tmp_path, tmp_path) is HERE
    assert calls(lambda: look(tmp_path, tmp_path)) < 400


def test_by_files_alone(tmp_path: Path) -> None:
    found = look(tmp_path, nvidia_tree(tmp_path, "NVIDIA A100-SXM4-40GB", "Tesla T4"))
    assert [(one.name, one.architecture, one.by_name, one.bus) for one in found.gpus] == [
        ("NVIDIA A100-SXM4-40GB", "8.0", True, "0000:17:00.0"),
        ("Tesla T4", "7.5", True, "0000:18:00.0"),
    ]
    nvidia = found.nvidia
    assert (
        nvidia is not None and nvidia.driver == "550.54.15" and nvidia.devices == nvidia.hardware == 2 and not nvidia.open_module
    )
    assert [node.path for node in nvidia.nodes] == ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidia1"]
    assert all(node.exists and node.allowed for node in nvidia.nodes)
    (library,) = nvidia.libraries
    assert (library.path, library.version, library.kind) == ("/usr/lib/x86_64-linux-gnu/libcuda.so.1", "550.54.15", "driver")
    assert library.by == "default folder"


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        (version_file("535.161.08"), "535.161.08"),
        (version_file("580.95.05", open_module=True), "580.95.05"),
        ("NVRM version: NVIDIA UNIX aarch64 Kernel Module  540.4.0  Release Build\n", "540.4.0"),
        ("junk", None),
        ("", None),
    ],
)
def test_versions_of_the_kernel_module(tmp_path: Path, text: str, driver: str | None) -> None:
    found = look(tmp_path, put(tmp_path, {"/proc/driver/nvidia/version": text}))
    assert found.nvidia is not None and found.nvidia.driver == driver
    assert found.nvidia.open_module == ("Open Kernel" in text)


def test_nodes_that_are_not_there(tmp_path: Path) -> None:
    found = look(tmp_path, nvidia_tree(tmp_path, "Tesla T4", nodes=False))
    assert found.nvidia is not None and not any(node.exists or node.allowed for node in found.nvidia.nodes)


def test_nodes_that_may_not_be_opened(tmp_path: Path) -> None:
    root = nvidia_tree(tmp_path, "Tesla T4")
    (root / "dev/nvidia0").chmod(0)
    found = look(tmp_path, root)
    assert found.nvidia is not None
    assert [node.allowed for node in found.nvidia.nodes] == [True, True, os.geteuid() == 0]


def test_a_card_without_its_driver(tmp_path: Path) -> None:
    put(
        tmp_path, {"/proc/bus/pci/devices": pci_line(0x100, "10de2684", "nouveau") + pci_line(0x101, "10de22ba", "snd_hda_intel")}
    )
    put(
        tmp_path,
        {"/sys/bus/pci/devices/0000:01:00.0/class": "0x030000\n", "/sys/bus/pci/devices/0000:01:00.1/class": "0x040300\n"},
    )
    found = look(tmp_path, tmp_path)
    assert [(one.vendor, one.driver, one.architecture) for one in found.gpus] == [("nvidia", "nouveau", None)]
    assert found.nvidia is not None and found.nvidia.driver is None and found.nvidia.hardware == 1


def test_a_card_in_another_pci_domain(tmp_path: Path) -> None:
    """As on Azure: /proc/bus/pci names no domain."""
    put(tmp_path, {"/proc/bus/pci/devices": pci_line(0, "10de20b5"), "/sys/bus/pci/devices/0001:00:00.0/class": "0x030200\n"})
    assert [one.bus for one in look(tmp_path, tmp_path).gpus] == ["0001:00:00.0"]


def test_forward_compatibility_is_found_first(tmp_path: Path) -> None:
    root = nvidia_tree(tmp_path, "NVIDIA H100 PCIe", driver="535.161.08")
    compat = tmp_path / "usr/local/cuda-12.6/compat"
    compat.mkdir(parents=True)
    (compat / "libcuda.so.560.35.05").write_bytes(b"\x7fELF")
    (compat / "libcuda.so.1").symlink_to("libcuda.so.560.35.05")
    found = look(tmp_path, root, LD_LIBRARY_PATH=f"/nowhere:{compat}")
    assert found.nvidia is not None
    assert [(one.kind, one.version, one.by) for one in found.nvidia.libraries] == [
        ("compat", "560.35.05", "LD_LIBRARY_PATH"),
        ("driver", "535.161.08", "default folder"),
    ]


def test_wsl(tmp_path: Path) -> None:
    put(tmp_path, {"/dev/dxg": "", "/usr/lib/wsl/lib/libcuda.so.1": ""})
    found = look(tmp_path, tmp_path)
    assert found.nvidia is not None and [node.path for node in found.nvidia.nodes] == ["/dev/dxg"]
    assert [(one.kind, one.by) for one in found.nvidia.libraries] == [("wsl", None)]


def test_jetson(tmp_path: Path) -> None:
    """Integrated GPUs have other nodes."""
    put(tmp_path, {"/etc/nv_tegra_release": "# R36", "/dev/nvmap": "", "/proc/driver/nvidia/version": version_file("540.4.0")})
    found = look(tmp_path, tmp_path)
    assert found.nvidia is not None and [(node.path, node.allowed) for node in found.nvidia.nodes] == [("/dev/nvmap", True)]


def test_amd(tmp_path: Path) -> None:
    found = look(tmp_path, kfd_tree(tmp_path, 90010, 110003))
    assert [(one.vendor, one.architecture, one.bus, one.memory) for one in found.gpus] == [
        ("amd", "gfx90a", "0000:c2:00.0", 68702699520),
        ("amd", "gfx1103", "0000:c3:00.0", 68702699520),
    ]
    assert found.amd is not None and found.amd.rocm == "6.2.4"
    assert [node.path for node in found.amd.nodes] == ["/dev/kfd", "/dev/dri/renderD128", "/dev/dri/renderD129"]


KFD = [(90010, "gfx90a"), (90402, "gfx942"), (100300, "gfx1030"), (110000, "gfx1100"), (90006, "gfx906")]


@pytest.mark.parametrize(("number", "name"), KFD)
def test_instruction_sets_of_amd(number: int, name: str) -> None:
    assert gpu.gfx_name(number) == name


def test_apple(tmp_path: Path) -> None:
    mac = Machine(system="macos", machine="arm64", native_machine="arm64", cpu=Cpu(name="Apple M2 Pro", microarchitecture="m2"))
    assert [(one.vendor, one.architecture) for one in gpu.add(scene(tmp_path), mac).gpus] == [("apple", "m2")]
    assert gpu.add(scene(tmp_path), Machine(system="macos", machine="x86_64", native_machine="x86_64")).gpus == ()


# ----------------------------------------------------------------------------------------------------------------- NVML


def asked(tmp_path: Path, library: Path) -> Machine:
    return gpu._answered(HERE, gpu._ask(str(library), scene(tmp_path, PATH=os.environ["PATH"])))


def test_nvml_is_asked_in_a_process_of_its_own(tmp_path: Path) -> None:
    found = asked(tmp_path, nvml(tmp_path / "libnvidia-ml.so.1", A100, H100, driver="560.35.03", cuda=12060))
    assert [(one.name, one.architecture, one.memory, one.bus, one.mig) for one in found.gpus] == [
        ("NVIDIA A100-SXM4-40GB", "8.0", 42949672960, "0000:11:00.0", None),
        ("NVIDIA H100 80GB HBM3", "9.0", 85520809984, "0000:12:00.0", None),
    ]
    assert found.nvidia is not None and (found.nvidia.driver, found.nvidia.cuda, found.nvidia.problem) == (
        "560.35.03",
        "12.6",
        None,
    )


def test_mig(tmp_path: Path) -> None:
    names = ["NVIDIA A100-SXM4-40GB MIG 3g.20gb", "NVIDIA A100-SXM4-40GB MIG 1g.5gb"]
    (one,) = asked(tmp_path, nvml(tmp_path / "libnvidia-ml.so.1", A100, mig=names)).gpus
    assert one.mig == tuple(sorted(names))
    (one,) = asked(tmp_path, nvml(tmp_path / "empty/libnvidia-ml.so.1", A100, mig=[])).gpus
    assert one.mig == ()


def test_a_driver_that_was_updated(tmp_path: Path) -> None:
    found = asked(tmp_path, nvml(tmp_path / "libnvidia-ml.so.1", status=18))
    assert found.nvidia is not None and found.nvidia.problem == "Driver/library version mismatch" and not found.gpus


def test_a_library_that_crashes_or_is_none(tmp_path: Path) -> None:
    found = asked(tmp_path, nvml(tmp_path / "libnvidia-ml.so.1", crash=True))
    assert found.nvidia is not None and found.nvidia.problem is not None and "ended the program" in found.nvidia.problem
    (tmp_path / "junk.so").write_bytes(b"\x7fELF junk")
    found = asked(tmp_path, tmp_path / "junk.so")
    assert found.nvidia is not None and found.nvidia.problem


def test_a_driver_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "NVML_SECONDS", 0.5)
    found = asked(tmp_path, nvml(tmp_path / "libnvidia-ml.so.1", hang=True))
    assert found.nvidia is not None and found.nvidia.problem is not None and "hangs" in found.nvidia.problem


def test_libraries_of_the_target_are_not_run(tmp_path: Path) -> None:
    """A libnvidia-ml.so.1 in the environment, or one that a link leads to there, is code of the target."""
    inside = nvml(tmp_path / "env/lib/libnvidia-ml.so.1", A100)
    outside = nvml(tmp_path / "system/libnvidia-ml.so.1", A100)
    linked = tmp_path / "linked"
    linked.symlink_to(inside.parent)
    at = gpu._Linux(scene(tmp_path, LD_LIBRARY_PATH=f"{inside.parent}:{linked}:{outside.parent}"), "")
    assert at._library("libnvidia-ml.so.1", HERE) == str(outside)
