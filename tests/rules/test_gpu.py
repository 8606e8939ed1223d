"""GPU001 to GPU009 on real environments and on snapshots of real ones, judged for machines that are recorded or constructed."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import msgspec
import pytest

from envdoctor.assume import assume
from envdoctor.cli.session import read_machine
from envdoctor.diagnose import Request, judge, observe
from envdoctor.finding import Finding
from envdoctor.select import Selection
from envdoctor.snapshot import (
    Amd,
    DeviceNode,
    DriverLibrary,
    Gpu,
    Machine,
    Nvidia,
    Snapshot,
    from_json,
    to_json,
)
from tests import support
from tests.builders import Env
from tests.collect.test_frameworks import TENSORFLOW, TORCH
from tests.fatbinaries import bundle, cuda_library, library, paged
from tests.support import only

FIXTURES = Path(__file__).parents[2] / "fixtures"
COMMON = ("sm_50", "sm_60", "sm_70", "sm_80", "sm_86", "sm_90")


@cache
def recorded(name: str) -> Snapshot:
    """A snapshot of a real environment."""
    return from_json(gzip.decompress((FIXTURES / f"snapshots/{name}.json.gz").read_bytes()))


def machine(name: str) -> Machine:
    return read_machine(str(FIXTURES / f"machines/{name}.json"))


def facts(env: Env, **environ: str) -> Snapshot:
    shell = {"PATH": "/nonexistent", "HOME": "/nonexistent", **environ}
    return observe(Request(target=str(env.prefix), environ=shell, cwd="/", for_gpu=True)).snapshot


def judged(snapshot: Snapshot, *codes: str, on: Machine | None = None, **parts: object) -> list[Finding]:
    """Findings of these rules for a machine: `on`, else the snapshot's own with `parts` of it replaced."""
    if parts:
        snapshot = msgspec.structs.replace(snapshot, machine=msgspec.structs.replace(snapshot.machine, **parts))
    selection = Selection.of(select=list(codes))
    report = judge(snapshot, selection, machine=on)
    again = judge(from_json(to_json(snapshot)), selection, machine=on)
    assert report.findings == again.findings
    assert not [check for check in report.checks if check.outcome == "crashed"], report.checks
    support._note(report)
    for finding in report.findings:
        assert finding.fixes and all(fix.verify for fix in finding.fixes), finding
    return list(report.findings)


def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(finding.code, finding.severity, finding.subjects[0].name) for finding in findings]


def a_gpu(architecture: str = "9.0", name: str = "NVIDIA H100 80GB HBM3") -> Gpu:
    return Gpu(name=name, vendor="nvidia", architecture=architecture)


def a_driver(version: str = "550.54.15", cuda: str | None = None, **more: object) -> Nvidia:
    given: dict[str, object] = {
        "driver": version,
        "cuda": cuda,
        "libraries": (DriverLibrary(path="/usr/lib/x86_64-linux-gnu/libcuda.so.1", version=version, by="cache"),),
        "nodes": (DeviceNode(path="/dev/nvidiactl"), DeviceNode(path="/dev/nvidia-uvm"), DeviceNode(path="/dev/nvidia0")),
        "devices": 1,
        "hardware": 1,
    }
    return Nvidia(**{**given, **more})  # type: ignore[arg-type]


def torch(env: Env, version: str = "2.7.1+cu126", cuda: str | None = "12.6", hip: str | None = None, **more: object) -> None:
    text = TORCH.format(version=version, cuda=cuda, hip=hip, xpu=None)
    files = {"torch/__init__.py": "", "torch/version.py": text}
    env.dist("torch", version.partition("+")[0], files=files, **more)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------- whole, real environments
def test_a_real_stack_on_machines_that_suit_it() -> None:
    """148 distributions with torch, jax, cupy and others for CUDA 13: no error on any machine with a driver for it."""
    snapshot = recorded("cuda13-stack")
    suited = assume(machine("h100-node"), ["cuda-driver=580.95.05,gpu=8xsm_90"])
    for on in (suited, machine("blackwell-workstation"), machine("cloud-vm"), machine("apple-silicon"), machine("windows-x64")):
        found = judged(snapshot, "GPU", "SYS", on=on)
        assert [finding for finding in found if finding.severity == "error"] == [], on.source
        assert {f.code for f in found if f.severity == "warning"} <= {"GPU004"}, [f.message for f in found]


def test_a_real_stack_on_its_own_machine_without_a_gpu() -> None:
    assert told(judged(recorded("cuda13-stack"), "GPU")) == [("GPU004", "warning", "nvidia-nccl-cu12")]
    assert judged(recorded("torch-cu126"), "GPU") == []


@pytest.mark.parametrize("environment", ["cuda13-stack", "torch-cu126"])
def test_no_rule_calls_a_real_stack_broken(environment: str) -> None:
    """All rules, as on the machine that it was read on, and with a GPU that it is made for."""
    snapshot = recorded(environment)
    driver = {"cuda13-stack": "580.95.05", "torch-cu126": "550.54.15"}[environment]
    suited = msgspec.structs.replace(assume(snapshot.machine, [f"gpu=sm_90,cuda-driver={driver}"]), all_libraries=True)
    for on in (None, suited):
        report = judge(snapshot, machine=on)
        assert [finding.message for finding in report.findings if finding.severity == "error"] == []


@pytest.mark.parametrize(
    ("environment", "assumed", "expected"),
    [
        # minor-version compatibility: what rivals call critical is fine
        ("torch-cu126", "gpu=sm_80,cuda-driver=550.54.15", []),
        ("torch-cu126", "gpu=sm_90,cuda-driver=525.60.13", []),
        ("torch-cu126", "gpu=sm_80,cuda-driver=550.54", []),
        ("torch-cu126", "gpu=sm_89,cuda-driver=580.95.05", []),
        ("torch-cu126", "gpu=sm_75,cuda=12.0", []),
        ("torch-cu126", "gpu=sm_50,cuda-driver=580.65.06", []),
        ("torch-cu126", "gpu=sm_70,cuda-driver=550.54.15", []),
        ("torch-cu126", "gpu=sm_89,cuda-driver=999.10", []),  # newer than every table
        ("torch-cu126", "gpu=sm_80", []),  # of the driver nothing is known
        ("torch-cu126", "gpu=none", []),
        # too old a driver
        ("torch-cu126", "gpu=sm_80,cuda-driver=470.82.01", [("GPU001", "error", "torch")]),
        ("torch-cu126", "gpu=sm_80,cuda-driver=520.61.05", [("GPU001", "error", "torch")]),
        ("torch-cu126", "gpu=sm_80,cuda=11.8", [("GPU001", "error", "torch")]),
        ("torch-cu126", "cuda-driver=470.82.01", [("GPU001", "error", "torch")]),
        # no kernel
        ("torch-cu126", "gpu=sm_120,cuda-driver=580.95.05", [("GPU002", "error", "torch")]),
        ("torch-cu126", "gpu=sm_100,cuda-driver=580.95.05", [("GPU002", "error", "torch")]),
        (
            "cuda13-stack",
            "gpu=sm_70,cuda-driver=580.95.05",
            [("GPU002", "error", n) for n in ("cupy-cuda13x", "jax-cuda13-plugin", "onnxruntime-gpu", "torch", "torchvision")],
        ),
        (
            "cuda13-stack",
            "gpu=sm_90,cuda-driver=550.54.15",
            [("GPU001", "error", n) for n in ("cupy-cuda13x", "jax-cuda13-plugin", "onnxruntime-gpu", "torch")],
        ),
        ("cuda13-stack", "gpu=sm_80,cuda-driver=580.95.05", []),
        # its CUDA provider holds sm_90a and sm_120a, which run on 9.0 and 12.0 alone, and no PTX
        ("cuda13-stack", "gpu=sm_121,cuda-driver=590.48", [("GPU002", "error", "onnxruntime-gpu")]),
        ("cuda13-stack", "gpu=sm_103,cuda-driver=615.10", [("GPU002", "error", "onnxruntime-gpu")]),
    ],
)
def test_real_environments_on_assumed_machines(environment: str, assumed: str, expected: list[tuple[str, str, str]]) -> None:
    snapshot = recorded(environment)
    found = judged(snapshot, "GPU001", "GPU002", "GPU003", "GPU006", "GPU007", "GPU009", on=assume(snapshot.machine, [assumed]))
    severe = [one for one in told(found) if one[1] != "info"]
    assert severe == expected


def test_what_holds_no_code_for_an_older_gpu_and_is_optional() -> None:
    """torchao brings kernels for Hopper and Blackwell alone, and works without them."""
    found = judged(recorded("cuda13-stack"), "GPU002", on=assume(Machine(), ["gpu=sm_80"]))
    assert {one[2] for one in told(found) if one[1] == "info"} >= {"torchao"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("h100-node", {"GPU001": "error"}),
        ("v100-node", {"GPU001": "error", "GPU002": "error"}),
        ("mi250-node", {"GPU008": "warning"}),
        ("container-without-gpu", {"GPU006": "warning"}),
        ("gpu-node", {"GPU001": "error", "SYS001": "warning", "SYS004": "warning", "SYS005": "warning"}),
        ("wsl", {"GPU001": "error"}),
        ("old-cluster", {}),
        ("alpine-container", {"SYS001": "warning", "SYS004": "warning"}),
        ("arm-server", {}),
        ("windows-arm", {}),
        ("apple-silicon-rosetta", {}),
    ],
)
def test_machines(name: str, expected: dict[str, str]) -> None:
    """What a CUDA 13 stack comes to on each machine of the library."""
    found = judged(recorded("cuda13-stack"), "GPU", "SYS", on=machine(name))
    worst = {f.code: f.severity for f in sorted(found, key=lambda f: f.sort_key, reverse=True) if f.severity != "info"}
    worst.pop("GPU004", None)
    if name == "container-without-gpu":
        worst.pop("SYS001")
    assert worst == expected


# --------------------------------------------------------------------------------------------------------------- GPU001
def test_a_cuda_build_without_a_gpu_is_healthy(env: Env) -> None:
    torch(env)
    assert judged(facts(env), "GPU") == []


def test_what_the_driver_says_itself_counts(env: Env) -> None:
    """NVML's answer stands above the table."""
    torch(env, "2.9.0+cu130", "13.0")
    snapshot = facts(env)
    assert judged(snapshot, "GPU001", gpus=(a_gpu(),), nvidia=a_driver("700.10", "13.0")) == []
    found = only(judged(snapshot, "GPU001", gpus=(a_gpu(),), nvidia=a_driver("560.35.03", "12.6")), "GPU001")
    assert found.confidence == "certain" and "offers CUDA 12.6" in found.message
    assert found.fixes[1].commands[0][-1] == "torch"
    found = only(judged(snapshot, "GPU001", gpus=(a_gpu(),), nvidia=a_driver("560.35.03")), "GPU001")
    assert found.confidence == "likely"


def test_a_newer_cuda_than_any_table(env: Env) -> None:
    torch(env, "3.5.0+cu150", "15.0")
    snapshot = facts(env)
    assert judged(snapshot, "GPU001", gpus=(a_gpu(),), nvidia=a_driver("800.10")) == []
    assert judged(snapshot, "GPU001", gpus=(a_gpu(),), nvidia=a_driver("590.48.01"))[0].severity == "error"
    assert "15.0" in judged(snapshot, "GPU001", gpus=(a_gpu(),), nvidia=a_driver("800.10", "14.2"))[0].message


def test_forward_compatibility(env: Env) -> None:
    torch(env)
    snapshot = facts(env)
    driver = DriverLibrary(path="/usr/lib64/libcuda.so.1", version="470.82.01", by="cache")
    compat = DriverLibrary(path="/usr/local/cuda/compat/libcuda.so.1", version="560.35.05", kind="compat", by="LD_LIBRARY_PATH")
    old = a_driver("470.82.01", "11.4", libraries=(compat, driver))
    assert judged(snapshot, "GPU001", gpus=(a_gpu("8.0", "NVIDIA A100-SXM4-80GB"),), nvidia=old) == []
    unused = msgspec.structs.replace(compat, by=None)
    old = a_driver("470.82.01", "11.4", libraries=(driver, unused))
    assert told(judged(snapshot, "GPU001", gpus=(a_gpu("8.0"),), nvidia=old)) == [("GPU001", "error", "torch")]
    home = a_driver("535.161.08", "12.2", libraries=(compat, driver))
    found = only(judged(snapshot, "GPU001", gpus=(a_gpu("8.9", "NVIDIA GeForce RTX 4090"),), nvidia=home), "GPU001")
    assert "forward-compatibility library, which NVIDIA GeForce RTX 4090 does not support" in found.message


def test_conda_pins_cuda(env: Env) -> None:
    """``cuda-version`` alone is a pin; with the runtime beside it something uses it."""
    import json

    meta = env.prefix / "conda-meta"
    meta.mkdir()
    for name, version in (("cuda-version", "12.9"), ("cuda-cudart", "12.9.79")):
        record = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": [], "files": []}
        (meta / f"{name}-{version}-0.json").write_text(json.dumps(record))
    (meta / "history").write_text("")
    snapshot = facts(env)
    old = {"gpus": (a_gpu("8.0"),), "nvidia": a_driver("470.82.01", "11.4")}
    assert told(judged(snapshot, "GPU001", **old)) == [("GPU001", "error", "cuda-version")]
    assert judged(snapshot, "GPU001", gpus=(a_gpu("8.0"),), nvidia=a_driver("535.161.08", "12.2")) == []
    (meta / "cuda-cudart-12.9.79-0.json").unlink()
    assert judged(facts(env), "GPU001", **old) == []


def test_a_driver_that_no_program_gets_to(env: Env) -> None:
    """A container on a GPU machine with an old driver, that was not given the GPU: nothing is too old for it."""
    torch(env, "2.9.0+cu130", "13.0")
    nodes = (DeviceNode(path="/dev/nvidiactl", exists=False, allowed=False),)
    found = judged(facts(env), "GPU", gpus=(a_gpu(),), nvidia=a_driver(nodes=nodes, libraries=()), container="docker")
    assert told(found) == [("GPU006", "warning", "NVIDIA H100 80GB HBM3")]


# --------------------------------------------------------------------------------------------------------------- GPU002
@pytest.mark.parametrize(
    ("sets", "device", "runs"),
    [
        ([("sm_80",)], "8.0", True),
        ([("sm_80",)], "8.6", True),
        ([("sm_80",)], "8.9", True),
        ([("sm_86",)], "8.0", False),
        ([("sm_80",)], "9.0", False),
        ([("sm_90a",)], "9.0", True),
        ([("sm_100a",)], "10.3", False),
        ([("sm_100",)], "10.3", True),
        ([("sm_120",)], "12.1", True),
        ([("sm_80", "compute_80")], "12.0", True),
        ([("compute_90",)], "8.9", False),
        ([("compute_90a",)], "10.0", False),
        ([("compute_100f",)], "10.3", True),
        ([("compute_100f",)], "12.0", False),
        ([("sm_70",), ("sm_75",)], "7.0", True),
        ([("sm_80",)], "8.7", False),  # integrated GPUs stand apart
        ([("sm_87",)], "8.7", True),
    ],
)
def test_what_runs_on_what(env: Env, sets: list[tuple[str, ...]], device: str, runs: bool) -> None:
    torch(env)
    cuda_library(env.site / "torch/lib/libtorch_cuda.so", *sets)
    env.dist("torch-files", files={})
    snapshot = facts(env)
    code = tuple(msgspec.structs.replace(one, owner="torch") for one in snapshot.device_code or ())
    snapshot = msgspec.structs.replace(snapshot, device_code=code)
    found = judged(snapshot, "GPU002", gpus=(a_gpu(device, "the GPU"),), nvidia=a_driver("590.48.01", "13.1"))
    assert bool(found) is not runs
    if found:
        assert f"holds no code for the GPU (compute capability {device})" in found[0].message


def put(env: Env, name: str, version: str, path: str, made: Path) -> None:
    """A distribution with a library that was made."""
    env.dist(name, version, files={f"{name.replace('-', '_')}/__init__.py": "", path: made.read_bytes()})


def test_kernels_of_others(env: Env, tmp_path: Path) -> None:
    """What takes the processor unless told otherwise is a warning, an extension for older GPUs alone is an error, one for newer
    GPUs alone is worth knowing."""
    put(env, "xgboost", "3.0", "xgboost/lib/libxgboost.so", cuda_library(tmp_path / "a.so", ("sm_60", "sm_80")))
    put(env, "fast-kernels", "1.0", "fast_kernels/_C.so", cuda_library(tmp_path / "b.so", ("sm_80",), ("sm_90",)))
    put(env, "new-kernels", "1.0", "new_kernels/_C.so", cuda_library(tmp_path / "c.so", ("sm_120a",)))
    snapshot = facts(env)
    driver = a_driver("590.48.01", "13.1")
    found = judged(snapshot, "GPU002", gpus=(a_gpu("10.0", "NVIDIA B200"),), nvidia=driver)
    assert told(found) == [
        ("GPU002", "error", "fast-kernels"),
        ("GPU002", "warning", "xgboost"),
        ("GPU002", "info", "new-kernels"),
    ]
    assert told(judged(snapshot, "GPU002", gpus=(a_gpu("9.0"),), nvidia=driver)) == [
        ("GPU002", "warning", "xgboost"),
        ("GPU002", "info", "new-kernels"),
    ]
    assert told(judged(snapshot, "GPU002", gpus=(a_gpu("8.6"),), nvidia=driver)) == [("GPU002", "info", "new-kernels")]


def test_one_library_for_each_gpu(env: Env, tmp_path: Path) -> None:
    files = {
        f"kernels/sm{number}.so": cuda_library(tmp_path / f"{number}.so", (f"sm_{number}",)).read_bytes()
        for number in (80, 90, 120)
    }
    env.dist("kernels", files={"kernels/__init__.py": "", **files})
    assert judged(facts(env), "GPU002", gpus=(a_gpu("9.0"),), nvidia=a_driver()) == []


def test_one_old_gpu_beside_one_that_works(env: Env, tmp_path: Path) -> None:
    torch(env)
    snapshot = facts(env)
    put(env, "torch-ext", "1", "torch_ext/x.so", cuda_library(tmp_path / "a.so", ("sm_80",)))
    code = tuple(msgspec.structs.replace(one, owner="torch") for one in facts(env).device_code or ())
    snapshot = msgspec.structs.replace(snapshot, device_code=code)
    both = (a_gpu("8.0", "NVIDIA A100"), a_gpu("6.1", "Quadro P400"))
    assert told(judged(snapshot, "GPU002", gpus=both, nvidia=a_driver())) == [("GPU002", "warning", "torch")]
    shown = msgspec.structs.replace(snapshot.shell, variables={"CUDA_VISIBLE_DEVICES": "0"})
    assert judged(msgspec.structs.replace(snapshot, shell=shown), "GPU002", gpus=both, nvidia=a_driver()) == []


def test_ptx_of_a_newer_compiler(env: Env, tmp_path: Path) -> None:
    """Minor-version compatibility does not extend to PTX."""
    torch(env, "2.7.1+cu128", "12.8")
    put(env, "torch-part", "1", "torch_part/x.so", cuda_library(tmp_path / "a.so", ("sm_80", "compute_80")))
    snapshot = facts(env)
    code = tuple(msgspec.structs.replace(one, owner="torch") for one in snapshot.device_code or ())
    snapshot = msgspec.structs.replace(snapshot, device_code=code)
    gpu = a_gpu("9.0")
    found = only(judged(snapshot, "GPU002", gpus=(gpu,), nvidia=a_driver("535.161.08", "12.2")), "GPU002")
    assert "made by CUDA 12.8, and the driver compiles PTX up to CUDA 12.2" in found.message
    assert judged(snapshot, "GPU002", gpus=(gpu,), nvidia=a_driver("570.86.10", "12.8")) == []
    assert judged(snapshot, "GPU002", gpus=(a_gpu("8.0"),), nvidia=a_driver("535.161.08", "12.2")) == []


def test_facts_without_device_code(env: Env) -> None:
    torch(env)
    snapshot = observe(Request(target=str(env.prefix), environ={"PATH": "", "HOME": "/nonexistent"}, cwd="/")).snapshot
    assert snapshot.device_code is None
    assert judged(snapshot, "GPU002", gpus=(a_gpu(),), nvidia=a_driver()) == []


# --------------------------------------------------------------------------------------------------------------- GPU003
def test_a_cpu_build_where_a_gpu_is(env: Env) -> None:
    torch(env, "2.7.1+cpu", None)
    snapshot = facts(env)
    found = only(judged(snapshot, "GPU003", gpus=(a_gpu(),), nvidia=a_driver()), "GPU003")
    assert found.severity == "warning" and found.subjects[0].name == "torch" and found.subjects[1].kind == "gpu"
    assert "torch 2.7.1+cpu has no GPU support" in found.message
    words = found.fixes[0].commands[0]
    assert "torch==2.7.1" in words and any("cu126" in word for word in words)
    # no GPU, one that cannot be opened, one that is hidden, one that is too old
    assert judged(snapshot, "GPU003") == []
    assert judged(snapshot, "GPU003", gpus=(a_gpu(),), nvidia=a_driver(None)) == []
    assert judged(snapshot, "GPU003", gpus=(a_gpu("3.5", "Tesla K40m"),), nvidia=a_driver("470.82.01")) == []
    hidden = facts(env, CUDA_VISIBLE_DEVICES="")
    assert judged(hidden, "GPU003", gpus=(a_gpu(),), nvidia=a_driver()) == []


def test_builds_for_other_accelerators(env: Env) -> None:
    torch(env, "2.7.1+rocm6.3", None, "6.3.42131")
    assert judged(facts(env), "GPU003", gpus=(a_gpu(),), nvidia=a_driver()) == []


def test_jax_and_onnxruntime_without_a_gpu(env: Env) -> None:
    env.dist("jax", "0.6.2", requires=["jaxlib"], files={"jax/version.py": "_minimum_jaxlib_version = '0.6.1'\n"})
    env.dist("jaxlib", "0.6.2", files={"jaxlib/version.py": ""}, requested=False)
    text = "package_name = 'onnxruntime'\n__version__ = '1.22.0'\n"
    files = {"onnxruntime/capi/build_and_package_info.py": text}
    env.dist("onnxruntime", "1.22.0", files=files, requested=False)
    env.dist("rembg", "2.0", requires=["onnxruntime"])
    found = judged(facts(env), "GPU003", gpus=(a_gpu(),), nvidia=a_driver())
    assert told(found) == [("GPU003", "warning", "jaxlib"), ("GPU003", "info", "onnxruntime")]
    env.dist("jax-cuda12-plugin", "0.6.2", files={"jax_cuda12_plugin/__init__.py": ""})
    assert told(judged(facts(env), "GPU003", gpus=(a_gpu(),), nvidia=a_driver())) == [("GPU003", "info", "onnxruntime")]


def test_a_cpu_build_beside_amd_graphics(env: Env) -> None:
    torch(env, "2.7.1+cpu", None)
    graphics = Gpu(name="AMD gfx1036", vendor="amd", architecture="gfx1036")
    assert judged(facts(env), "GPU003", gpus=(graphics,), amd=Amd()) == []
    card = Gpu(name="AMD Instinct MI250X", vendor="amd", architecture="gfx90a")
    assert told(judged(facts(env), "GPU003", gpus=(card,), amd=Amd())) == [("GPU003", "warning", "torch")]


# ------------------------------------------------------------------------------------------------------- GPU004, GPU005
def nccl(env: Env, name: str, version: str, content: bytes) -> None:
    env.dist(name, version, files={"nvidia/nccl/lib/libnccl.so.2": content})


def test_two_nccl_over_one_path(env: Env, tmp_path: Path) -> None:
    """Written over by an older one: torch's symbols are gone. By a newer one: it works by luck."""
    old = library(tmp_path / "old.so", soname="libnccl.so.2").read_bytes()
    new = library(tmp_path / "new.so", soname="libnccl.so.2", defines=("made_here", "ncclCommResume")).read_bytes()
    torch(env, "2.9.0+cu130", "13.0", requires=["nvidia-nccl-cu13==2.27.7"])
    env.dist("xgboost", "3.0", requires=["nvidia-nccl-cu12"])
    nccl(env, "nvidia-nccl-cu13", "2.27.7", new)
    nccl(env, "nvidia-nccl-cu12", "2.23.4", old)
    found = only(judged(facts(env), "GPU004"), "GPU004")
    assert found.severity == "error"
    assert found.message == "nvidia-nccl-cu12 2.23.4 lies over nvidia-nccl-cu13 2.27.7: one libnccl.so.2 serves both"
    assert {subject.name for subject in found.subjects} >= {"nvidia-nccl-cu12", "nvidia-nccl-cu13"}
    assert any("nvidia-nccl-cu13==2.27.7" in command for fix in found.fixes for command in fix.commands)
    (env.site / "nvidia/nccl/lib/libnccl.so.2").write_bytes(new)
    assert only(judged(facts(env), "GPU004"), "GPU004").severity == "warning"  # not what xgboost was tested with, but newer
    (env.site / "nvidia/nccl/lib/libnccl.so.2").unlink()
    assert "which is gone" in only(judged(facts(env), "GPU004"), "GPU004").message


def test_libraries_of_two_majors_side_by_side(env: Env, tmp_path: Path) -> None:
    for major in (12, 13):
        made = library(tmp_path / f"{major}.so", soname=f"libcublas.so.{major}").read_bytes()
        folder = "nvidia/cublas/lib" if major == 12 else "nvidia/cu13/lib"
        name = "nvidia-cublas-cu12" if major == 12 else "nvidia-cublas"
        env.dist(name, f"{major}.1", files={f"{folder}/libcublas.so.{major}": made})
    found = only(judged(facts(env), "GPU004"), "GPU004")
    assert (found.severity, found.message) == ("warning", "cuBLAS lie here for CUDA 12 and 13 side by side")


def test_wheels_of_one_major(env: Env, tmp_path: Path) -> None:
    made = library(tmp_path / "12.so", soname="libcublas.so.12").read_bytes()
    env.dist("nvidia-cublas-cu12", "12.6.4.1", files={"nvidia/cublas/lib/libcublas.so.12": made})
    nccl(env, "nvidia-nccl-cu12", "2.26.2", library(tmp_path / "n.so", soname="libnccl.so.2").read_bytes())
    assert judged(facts(env), "GPU004", "GPU005") == []


def test_an_extension_with_two_runtimes(env: Env, tmp_path: Path) -> None:
    """One module brings cudart 12 by itself and cudart 11 through a library of its own."""
    from tests.builders import compile_extension

    folder = env.site / "mixed"
    one = library(folder / "libcudart.so.12", soname="libcudart.so.12")
    two = library(folder / "libcudart.so.11.0", soname="libcudart.so.11.0")
    middle = library(folder / "libmiddle.so", soname="libmiddle.so", needs=[two], flags=["-Wl,-rpath,$ORIGIN"])
    flags = ["-Wl,--no-as-needed", str(one), str(middle), "-Wl,-rpath,$ORIGIN"]
    compile_extension(folder, "_C", flags=flags)
    files = {f"mixed/{path.name}": path.read_bytes() for path in folder.iterdir()}
    env.dist("mixed", files={"mixed/__init__.py": "from . import _C\n", **files})
    assert env.imports("mixed")
    found = only(judged(facts(env), "GPU004"), "GPU004")
    assert found.severity == "error" and "CUDA runtimes 11 and 12 into one process" in found.message


def test_ld_library_path_decides_on_cudnn(env: Env, tmp_path: Path) -> None:
    own = library(tmp_path / "own.so", soname="libcudnn_ops.so.9", defines=("own",)).read_bytes()
    env.dist("nvidia-cudnn-cu12", "9.5.1.17", files={"nvidia/cudnn/lib/libcudnn_ops.so.9": own})
    system = tmp_path / "cuda/lib64"
    assert judged(facts(env, LD_LIBRARY_PATH=str(system)), "GPU005") == []
    library(system / "libcudnn_ops.so.9", soname="libcudnn_ops.so.9", defines=("other", "another"))
    library(system / "libcublas.so.11", soname="libcublas.so.11")
    one = only(judged(facts(env, LD_LIBRARY_PATH=str(system)), "GPU005"), "GPU005")
    assert one.severity == "warning" and "LD_LIBRARY_PATH decides on cuDNN" in one.message
    assert {(subject.kind, subject.name) for subject in one.subjects} >= {
        ("distribution", "nvidia-cudnn-cu12"),
        ("variable", "LD_LIBRARY_PATH"),
    }


def test_a_cudnn_that_finds_its_own_parts(env: Env, tmp_path: Path) -> None:
    """NVIDIA's wheels of late have DT_RPATH."""
    for tag, expected in (("--disable-new-dtags", 0), ("--enable-new-dtags", 1)):
        flags = [f"-Wl,{tag},-rpath,$ORIGIN"]
        main = library(tmp_path / tag / "libcudnn.so.9", soname="libcudnn.so.9", flags=flags).read_bytes()
        part = library(tmp_path / tag / "libcudnn_ops.so.9", soname="libcudnn_ops.so.9").read_bytes()
        files = {"nvidia/cudnn/lib/libcudnn.so.9": main, "nvidia/cudnn/lib/libcudnn_ops.so.9": part}
        env.dist("nvidia-cudnn-cu12", "9.5.1.17", files=files, folder=f"cudnn{expected}-9.5.1.17.dist-info")
        system = tmp_path / "cuda/lib64"
        library(system / "libcudnn_ops.so.9", soname="libcudnn_ops.so.9", defines=("other",))
        assert len(judged(facts(env, LD_LIBRARY_PATH=str(system)), "GPU005")) == expected, tag


def test_ld_library_path_and_a_module_that_finds_its_own(env: Env, tmp_path: Path) -> None:
    """DT_RPATH comes before the variable, DT_RUNPATH after it."""
    from tests.builders import compile_extension

    system = tmp_path / "cuda/lib64"
    library(system / "libcublas.so.12", soname="libcublas.so.12", defines=("made_here", "other"))
    for name, tag in (("alpha", "--disable-new-dtags"), ("beta", "--enable-new-dtags")):
        folder = env.site / name
        made = library(folder / "libcublas.so.12", soname="libcublas.so.12")
        compile_extension(folder, "_C", flags=["-Wl,--no-as-needed", str(made), f"-Wl,{tag},-rpath,$ORIGIN"])
        files = {f"{name}/{path.name}": path.read_bytes() for path in folder.iterdir()}
        env.dist(name, files={f"{name}/__init__.py": "from . import _C\n", **files})
        found = judged(facts(env, LD_LIBRARY_PATH=str(system)), "GPU005")
        assert [finding.subjects[1].name for finding in found] == ([] if name == "alpha" else ["LD_LIBRARY_PATH"])


def test_two_copies_of_cudnn(env: Env, tmp_path: Path) -> None:
    """Modules of two distributions find each their own: order decides."""
    from tests.builders import compile_extension

    for number, name in enumerate(("alpha", "beta")):
        folder = env.site / name
        made = library(folder / "libcudnn.so.9", soname="libcudnn.so.9", defines=[f"f{n}" for n in range(1 + 40 * number)])
        compile_extension(folder, "_C", flags=["-Wl,--no-as-needed", str(made), "-Wl,-rpath,$ORIGIN"])
        files = {f"{name}/{path.name}": path.read_bytes() for path in folder.iterdir()}
        env.dist(name, files={f"{name}/__init__.py": "from . import _C\n", **files})
    assert env.imports("alpha") and env.imports("beta")
    found = only(judged(facts(env), "GPU005"), "GPU005")
    assert found.message == "alpha, beta bring 2 copies of cuDNN (libcudnn.so.9); the first that is imported decides"


# --------------------------------------------------------------------------------------------------------------- GPU006
def seen(env: Env, *, environ: dict[str, str] | None = None, container: str | None = None, **nvidia: object) -> list[Finding]:
    driver = a_driver(**nvidia)  # type: ignore[arg-type]
    return judged(facts(env, **(environ or {})), "GPU006", gpus=(a_gpu(),), nvidia=driver, container=container)


def test_a_gpu_that_is_as_it_should_be(env: Env) -> None:
    torch(env)
    assert seen(env) == []


MISSING = tuple(DeviceNode(path=path, exists=False, allowed=False) for path in ("/dev/nvidiactl", "/dev/nvidia0"))
REFUSED = (DeviceNode(path="/dev/nvidiactl"), DeviceNode(path="/dev/nvidia0", allowed=False, group=44))


@pytest.mark.parametrize(
    ("nvidia", "container", "severity", "words"),
    [
        ({"nodes": MISSING}, "docker", "error", "/dev/nvidiactl is not there"),  # libcuda was mounted: it was meant to be seen
        ({"nodes": MISSING, "libraries": (), "runtime": True}, "docker", "error", "is not there"),
        ({"nodes": MISSING, "libraries": ()}, "docker", "warning", "is not there"),
        ({"nodes": MISSING}, None, "error", "is not there"),
        ({"nodes": REFUSED}, None, "error", "this user may not open /dev/nvidia0"),
        ({"libraries": ()}, None, "error", "the loader does not find libcuda.so.1"),
        ({"version": None, "nodes": ()}, None, "warning", "no driver is loaded"),
        ({"problem": "Driver/library version mismatch"}, None, "error", "Driver/library version mismatch"),
        (
            {"libraries": (DriverLibrary(path="/usr/lib/libcuda.so.1", version="550.90.07", by="cache"),)},
            None,
            "error",
            "/usr/lib/libcuda.so.1 is of driver 550.90.07, the kernel module of 550.54.15",
        ),
    ],
)
def test_a_gpu_that_nobody_can_open(
    env: Env, nvidia: dict[str, object], container: str | None, severity: str, words: str
) -> None:
    torch(env)
    found = only(seen(env, container=container, **nvidia), "GPU006")
    assert (
        found.severity == severity and words in found.message and found.message.startswith("no program here can use NVIDIA H100")
    )


def test_nodes_that_are_made_when_they_are_asked_for(env: Env) -> None:
    torch(env)
    assert seen(env, nodes=MISSING, modprobe=True) == []


def test_a_container_with_some_of_the_cards(env: Env) -> None:
    """/proc lists all eight GPUs of the machine, /dev has the one that the container was given."""
    torch(env)
    control = (DeviceNode(path="/dev/nvidiactl"), DeviceNode(path="/dev/nvidia-uvm"))
    cards = [DeviceNode(path=f"/dev/nvidia{n}", exists=n == 3, allowed=n == 3) for n in range(8)]
    assert seen(env, nodes=(*control, *cards), container="docker") == []
    assert "may not open /dev/nvidia3" in seen(env, nodes=(*control, msgspec.structs.replace(cards[3], allowed=False)))[0].message
    none = [msgspec.structs.replace(card, exists=False, allowed=False) for card in cards]
    assert "/dev/nvidia0 is not there" in seen(env, nodes=(*control, *none), container="docker")[0].message


def test_mig_without_instances(env: Env) -> None:
    torch(env)
    divided = msgspec.structs.replace(a_gpu(), mig=())
    found = only(judged(facts(env), "GPU006", gpus=(divided,), nvidia=a_driver()), "GPU006")
    assert "MIG is switched on" in found.message
    ready = msgspec.structs.replace(a_gpu(), mig=("MIG 1g.10gb",))
    assert judged(facts(env), "GPU006", gpus=(ready,), nvidia=a_driver()) == []


HIDING = [("", True), ("-1", True), ("none", True), ("0", False), ("0,1", False), ("3", True), ("GPU-8a", False)]


@pytest.mark.parametrize(("value", "hidden"), HIDING)
def test_a_variable_hides_the_gpu(env: Env, value: str, hidden: bool) -> None:
    torch(env)
    found = seen(env, environ={"CUDA_VISIBLE_DEVICES": value})
    assert bool(found) is hidden
    if hidden:
        assert (found[0].severity, found[0].subjects[0].name) == ("warning", "CUDA_VISIBLE_DEVICES")


def test_nothing_that_wants_a_gpu(env: Env) -> None:
    torch(env, "2.7.1+cpu", None)
    assert seen(env, nodes=MISSING) == []


def test_amd_nodes(env: Env) -> None:
    torch(env, "2.7.1+rocm6.3", None, "6.3.42131")
    gpu = Gpu(name="AMD Instinct MI250X", vendor="amd", architecture="gfx90a")
    nodes = (DeviceNode(path="/dev/kfd", allowed=False, group=109), DeviceNode(path="/dev/dri/renderD128"))
    found = only(judged(facts(env), "GPU006", gpus=(gpu,), amd=Amd(nodes=nodes)), "GPU006")
    assert found.severity == "error" and "may not open /dev/kfd" in found.message
    fine = tuple(msgspec.structs.replace(node, allowed=True) for node in nodes)
    assert judged(facts(env), "GPU006", gpus=(gpu,), amd=Amd(nodes=fine)) == []


# --------------------------------------------------------------------------------------------------------------- GPU007
def test_wheels_in_other_versions(env: Env) -> None:
    pins = ["nvidia-cublas-cu12==12.6.4.1", "nvidia-nccl-cu12==2.26.2", "nvidia-cudnn-cu12==9.5.1.17"]
    torch(env, requires=pins)
    env.dist("nvidia-cublas-cu12", "12.6.4.1", files={})
    env.dist("nvidia-nccl-cu12", "2.26.2", files={})
    env.dist("nvidia-cudnn-cu12", "9.5.1.17", files={})
    assert judged(facts(env), "GPU007") == []


@pytest.mark.parametrize(
    ("cublas", "nccl_version", "severity"),
    [
        ("12.9.1.4", "2.26.2", "error"),
        ("12.6.4.1", "2.27.7", "warning"),
        ("12.6.4.1", "2.20.5", "error"),
        ("12.6.4.1", "3.0", "error"),
    ],
)
def test_a_wheel_that_was_upgraded(env: Env, cublas: str, nccl_version: str, severity: str) -> None:
    torch(env, requires=["nvidia-cublas-cu12==12.6.4.1", "nvidia-nccl-cu12==2.26.2"])
    env.dist("nvidia-cublas-cu12", cublas, files={})
    env.dist("nvidia-nccl-cu12", nccl_version, files={})
    found = judged(facts(env), "GPU007", "PKG002")
    one = only(found, "GPU007")
    assert one.severity == severity and one.subjects[0].name == "torch" and "pins nvidia-" in one.message
    assert all(finding.caused_by == one.fingerprint for finding in found if finding.code == "PKG002")


# --------------------------------------------------------------------------------------------------------------- GPU008
def test_rocm_without_code_for_the_gpu(env: Env, tmp_path: Path) -> None:
    parts = paged([bundle(["gfx90a", "gfx942"]), bundle(["gfx90a", "gfx942"])])
    made = library(tmp_path / "hip.so", parts, section=".hip_fatbin", alignment=4096)
    text = TORCH.format(version="2.7.1+rocm6.3", cuda=None, hip="6.3.42131", xpu=None)
    files = {"torch/__init__.py": "", "torch/version.py": text, "torch/lib/libtorch_hip.so": made.read_bytes()}
    env.dist("torch", "2.7.1", files=files)
    snapshot = facts(env)
    lacking = Gpu(name="AMD Radeon 780M", vendor="amd", architecture="gfx1103")
    found = only(judged(snapshot, "GPU008", gpus=(lacking,), amd=Amd()), "GPU008")
    assert found.severity == "error" and "torch 2.7.1+rocm6.3 holds no code for gfx1103" in found.message
    fitting = Gpu(name="AMD Instinct MI250X", vendor="amd", architecture="gfx90a")
    assert judged(snapshot, "GPU008", gpus=(fitting,), amd=Amd()) == []
    overridden = facts(env, HSA_OVERRIDE_GFX_VERSION="9.0.10")
    assert judged(overridden, "GPU008", gpus=(lacking,), amd=Amd()) == []


def test_a_build_for_the_other_maker(env: Env) -> None:
    torch(env, "2.7.1+rocm6.3", None, "6.3.42131")
    found = judged(facts(env), "GPU008", gpus=(a_gpu(),), nvidia=a_driver())
    assert told(found) == [("GPU008", "warning", "torch")]
    both = (a_gpu(), Gpu(name="AMD gfx1036", vendor="amd", architecture="gfx1036"))
    assert judged(facts(env), "GPU008", gpus=both, nvidia=a_driver(), amd=Amd()) == []


# --------------------------------------------------------------------------------------------------------------- GPU009
def test_torch_and_torchvision_of_different_builds(env: Env, tmp_path: Path) -> None:
    """torchvision for CUDA beside a torch for the processor: `operator torchvision::nms does not exist`."""
    torch(env, "2.13.0+cpu", None)
    stub = library(tmp_path / "libtorch_cuda.so", soname="libtorch_cuda.so")
    made = library(tmp_path / "_C.so", needs=[stub])
    files = {"torchvision/version.py": "__version__ = '0.28.0+cu130'\n", "torchvision/_C.so": made.read_bytes()}
    env.dist("torchvision", "0.28.0", files=files)
    found = only(judged(facts(env), "GPU009"), "GPU009")
    assert found.severity == "error" and found.subjects[0].name == "torchvision" and found.subjects[1].name == "torch"
    assert found.message == "torchvision 0.28.0+cu130 was built for CUDA, torch 2.13.0+cpu for the processor"
    assert any("cpu" in word for word in found.fixes[0].commands[0])


@pytest.mark.parametrize(
    ("name", "version", "severity"),
    [
        ("torchvision", "0.22.1+cu126", None),
        ("torchvision", "0.22.1+cu128", None),
        ("torchvision", "0.22.1+cu118", "error"),
        ("torchvision", "0.22.1+cpu", "warning"),
        ("torchvision", "0.22.1", None),
        ("torchaudio", "2.7.1+cu126", None),
        ("torchaudio", "2.7.1+cu128", "error"),
        ("torchaudio", "2.9.0+cu128", None),
        ("torchaudio", "2.7.1+cpu", None),
        ("torchvision", "0.22.1+rocm6.3", "error"),
    ],
)
def test_pairs_of_torch(env: Env, name: str, version: str, severity: str | None) -> None:
    torch(env, "2.7.1+cu126", "12.6")
    env.dist(name, version.partition("+")[0], files={f"{name}/version.py": f"__version__ = {version!r}\n"})
    assert [finding.severity for finding in judged(facts(env), "GPU009")] == ([severity] if severity else [])


def test_an_extension_for_another_torch(env: Env) -> None:
    torch(env, "2.7.1+cu126", "12.6")
    env.dist("torch-scatter", "2.1.2+pt25cu124", files={"torch_scatter/__init__.py": ""})
    found = only(judged(facts(env), "GPU009"), "GPU009")
    assert found.severity == "warning" and "was built for torch 2.5, and torch 2.7.1+cu126 is installed" in found.message
    (env.site / "torch/version.py").write_text(TORCH.format(version="2.5.1+cu124", cuda="12.4", hip=None, xpu=None))
    assert judged(facts(env), "GPU009") == []


@pytest.mark.parametrize(
    ("jaxlib", "plugin", "expected"),
    [
        ("0.6.2", "0.6.2", []),
        ("0.6.1", "0.6.1", []),
        ("0.6.2", "0.6.2.dev20250601", []),
        ("0.6.2", "0.6.0", [("warning", "jax-cuda12-plugin")]),
        ("0.5.3", "0.5.3", [("error", "jaxlib")]),
        ("0.7.0", "0.7.0", [("error", "jaxlib")]),
    ],
)
def test_jax_jaxlib_and_plugin(env: Env, jaxlib: str, plugin: str, expected: list[tuple[str, str]]) -> None:
    env.dist("jax", "0.6.2", files={"jax/version.py": "_minimum_jaxlib_version = '0.6.1'\n"})
    env.dist("jaxlib", jaxlib, files={"jaxlib/version.py": ""})
    env.dist("jax-cuda12-plugin", plugin, files={"jax_cuda12_plugin/__init__.py": ""})
    snapshot = facts(env)
    found = judged(snapshot, "GPU009")
    assert [(finding.severity, finding.subjects[0].name) for finding in found] == expected
    if expected == [("warning", "jax-cuda12-plugin")]:
        on_gpu = judged(snapshot, "GPU009", gpus=(a_gpu(),), nvidia=a_driver())
        assert [finding.severity for finding in on_gpu] == ["error"]


def test_tensorflow_is_judged_like_torch(env: Env) -> None:
    files = {"tensorflow/__init__.py": "", "tensorflow/python/platform/build_info.py": TENSORFLOW}
    env.dist("tensorflow", "2.19.0", files=files)
    assert judged(facts(env), "GPU001", gpus=(a_gpu(),), nvidia=a_driver("470.82.01")) == []  # it computes on the processor
    env.dist("nvidia-cudnn-cu12", "9.3.0.75", files={})
    snapshot = facts(env)
    old = judged(snapshot, "GPU001", gpus=(a_gpu(),), nvidia=a_driver("470.82.01"))
    assert told(old) == [("GPU001", "error", "tensorflow")] and "CUDA 12.5" in old[0].message
    assert judged(snapshot, "GPU", gpus=(a_gpu(),), nvidia=a_driver("535.54.03")) == []


# -------------------------------------------------------------------------------------------------------------- foreign
def test_targets_of_another_computer(env: Env) -> None:
    """A macOS environment, or one in a mounted root, is not judged for this machine's GPU."""
    torch(env, "2.7.1+cpu", None)
    snapshot = facts(env)
    foreign = msgspec.structs.replace(snapshot, target=msgspec.structs.replace(snapshot.target, system="macos", foreign=True))
    assert judged(foreign, "GPU", gpus=(a_gpu(),), nvidia=a_driver()) == []
    mounted = msgspec.structs.replace(snapshot, target=msgspec.structs.replace(snapshot.target, foreign=True, sysroot="/mnt"))
    assert judged(mounted, "GPU", "SYS", gpus=(a_gpu(),), nvidia=a_driver()) == []
