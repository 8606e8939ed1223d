"""The machine has a GPU, and programs here cannot open it.

## Why it matters
`torch.cuda.is_available()` is False, or `RuntimeError: No CUDA GPUs are available`, on a machine that was paid for its
GPU. The card is there; something between it and the program is not: the driver, its library, a device node, a right, or a
variable hides it.

## How it is found
Only where a framework built for a GPU is installed. The kernel module, the device nodes in /dev and whether this user may
open them, libcuda.so.1 as the loader would find it and the version in its name against the kernel module's, what NVIDIA's
management library answers, MIG, and CUDA_VISIBLE_DEVICES; for AMD the nodes /dev/kfd and /dev/dri/renderD*.

## Look-alikes that are fine
- A laptop, a login node, a CI machine without a GPU: a CUDA build there is no defect.
- Missing device nodes where nvidia-modprobe makes them when they are asked for; a container with some of the machine's cards.
- A container on a GPU machine that was never given the GPU: warning.
- A desktop with a free driver (nouveau), or a card that is handed to a virtual machine: warning.
- CUDA_VISIBLE_DEVICES that hides all GPUs, as tests do: warning.

## How to fix
As the finding says: start the container with its GPU (`--gpus all`), join the group that owns the node, install the driver's
library, reboot after a driver update, unset the variable.

## Example
`no program here can use NVIDIA A100-SXM4-80GB: /dev/nvidia0 is not there`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Command, Finding, Severity, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.gpu._fixes import NO_GPU, gpu_subject, known, machine_subject
from envdoctor.snapshot import Amd, Nvidia
from envdoctor.view import View

RULE = Rule(
    "GPU006",
    "gpu-not-visible",
    "error",
    reads=("machine", "frameworks", "conda_packages", "shell", "distributions"),
    messages=(
        "No CUDA GPUs are available",
        "Found no NVIDIA driver on your system",
        "Driver/library version mismatch",
        "CUDA unknown error - this may be due to an incorrectly set up environment",
        "CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected",
        "Failed to initialize NVML: {reason}",
        "Unable to open /dev/kfd read-write: {reason}",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for NVIDIA's GPUs, one for AMD's."""
    found = view.accelerators
    cuda = bool(found.needs) or any(one.build == "cuda" and not found.on_processor(one) for one in found.frameworks)
    rocm = any(one.build == "rocm" for one in found.frameworks)
    if not cuda and not rocm:
        return
    known(view)
    nvidia, amd = found.nvidia, None if found.foreign else found.machine.amd
    if not found.gpus and not (nvidia and (nvidia.driver or nvidia.problem)):
        raise Skip(NO_GPU)
    if cuda and nvidia is not None:
        if found.blocked is not None:
            yield _nvidia(view, nvidia, found.blocked)
        elif found.hidden is not None or (found.gpus and not found.cuda_gpus and _named(view)):
            yield _hidden(view)
    if rocm and amd is not None:
        yield from _amd(view, amd)


def _named(view: View) -> bool:
    return view.accelerators.own_shell and "CUDA_VISIBLE_DEVICES" in view.snapshot.shell.variables


def _nvidia(view: View, nvidia: Nvidia, reason: str) -> Finding:
    found = view.accelerators
    machine = view.machine
    gpus = [gpu for gpu in found.gpus if gpu.vendor == "nvidia"]
    severity: Severity = "error"
    intended = nvidia.runtime or any(library.by is not None and library.kind != "stub" for library in nvidia.libraries)
    if nvidia.driver is None or (machine.container is not None and not intended):
        severity = "warning"
    name = gpus[0].name if gpus else "the NVIDIA GPU"
    evidence = [
        *(f"GPU: {gpu.name}" + (f" at {gpu.bus}" if gpu.bus else "") for gpu in gpus[:4]),
        f"kernel module: {nvidia.driver or 'none'}",
        *(f"bound to the driver {gpu.driver}" for gpu in gpus[:1] if gpu.driver),
        *(f"{node.path}: {'not there' if not node.exists else 'may not be opened'}" for node in nvidia.nodes if not node.allowed),
        *(
            f"{library.path}: {library.kind}, {f'found by {library.by}' if library.by else 'where the loader does not look'}"
            for library in nvidia.libraries[:3]
        ),
        *([f"this is a container ({machine.container})"] if machine.container else []),
        *([f"NVML: {nvidia.problem}"] if nvidia.problem else []),
    ]
    title, commands = _cure(view, nvidia, reason)
    return RULE.finding(
        f"no program here can use {name}: {reason}",
        [*(gpu_subject(gpu) for gpu in gpus[:1]), machine_subject(view), *_frameworks(view, "cuda")],
        evidence=evidence,
        fixes=[view.remedy.manual(title, RULE.code, commands=commands)],
        key="nvidia",
        severity=severity,
        confidence="likely",
    )


def _cure(view: View, nvidia: Nvidia, reason: str) -> tuple[str, tuple[Command, ...]]:
    machine = view.machine
    missing = any(not node.exists for node in nvidia.nodes)
    refused = [node for node in nvidia.nodes if node.exists and not node.allowed]
    if "mismatch" in reason.lower() or "kernel module of" in reason:
        return "reboot, so that the kernel module is the one of the installed driver", (("nvidia-smi",),)
    if machine.container is not None and (missing or "libcuda" in reason):
        start = "docker run --gpus all, podman --device nvidia.com/gpu=all, apptainer --nv, Kubernetes nvidia.com/gpu"
        return f"start the container with its GPU: {start}", ()
    if refused:
        return f"let this user open {refused[0].path}: join the group that owns it", (("ls", "-l", refused[0].path),)
    if missing:
        return "make the device nodes", (("nvidia-modprobe", "-u", "-c=0"), ("nvidia-smi",))
    if "MIG" in reason:
        return "make MIG instances, or switch MIG off", (("nvidia-smi", "mig", "-lgip"),)
    if "libcuda" in reason:
        return "install the driver's compute library (libcuda1, nvidia-driver-cuda), or put its folder into ld.so.conf.d", ()
    if nvidia.driver is None:
        return "install NVIDIA's driver, if the GPU is to compute", ()
    return "look at the driver", (("nvidia-smi",), ("dmesg",))


def _hidden(view: View) -> Finding:
    value = view.snapshot.shell.variables["CUDA_VISIBLE_DEVICES"]
    gpus = [gpu for gpu in view.accelerators.gpus if gpu.vendor == "nvidia"]
    return RULE.finding(
        f"CUDA_VISIBLE_DEVICES={value!r} hides every GPU of this machine",
        [Subject("variable", "CUDA_VISIBLE_DEVICES"), *(gpu_subject(gpu) for gpu in gpus[:1])],
        evidence=[f"CUDA_VISIBLE_DEVICES={value!r}", *(f"GPU {number}: {gpu.name}" for number, gpu in enumerate(gpus[:8]))],
        fixes=[view.remedy.manual("unset CUDA_VISIBLE_DEVICES, or name a GPU that is there: 0 is the first", RULE.code)],
        key="variable:CUDA_VISIBLE_DEVICES",
        severity="warning",
    )


def _amd(view: View, amd: Amd) -> Iterator[Finding]:
    gpus = [gpu for gpu in view.accelerators.gpus if gpu.vendor == "amd"]
    bad = [node for node in amd.nodes if not node.allowed]
    if not gpus or not bad:
        return
    node = bad[0]
    reason = f"{node.path} is not there" if not node.exists else f"this user may not open {node.path}"
    severity: Severity = "warning" if view.machine.container is not None and not node.exists else "error"
    commands: tuple[Command, ...] = (("ls", "-l", node.path),) if node.exists else ()
    title = (
        f"join the groups that own {node.path} (render, video), and log in again"
        if node.exists
        else "load the amdgpu driver, or start the container with --device /dev/kfd --device /dev/dri"
    )
    yield RULE.finding(
        f"no program here can use {gpus[0].name}: {reason}",
        [gpu_subject(gpus[0]), machine_subject(view), *_frameworks(view, "rocm")],
        evidence=[f"{one.path}: {'not there' if not one.exists else 'may not be opened'}" for one in bad],
        fixes=[view.remedy.manual(title, RULE.code, commands=commands)],
        key="amd",
        severity=severity,
    )


def _frameworks(view: View, build: str) -> list[Subject]:
    found = view.accelerators
    return [view.distribution(dist) for one in found.frameworks if one.build == build and (dist := found.distribution(one))][:5]
