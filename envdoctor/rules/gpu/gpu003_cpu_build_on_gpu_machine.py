"""A build without GPU support is installed where a usable GPU is.

## Why it matters
`Torch not compiled with CUDA enabled`, or no word at all: training runs on the processor, fifty times slower, and the GPU
idles. It comes from an index that serves CPU builds, from a lock made on a laptop, from Windows and macOS defaults, from
`pip install jax` without its extra.

## How it is found
`torch/version.py` and its like say what a framework was built for; the machine says whether there is a GPU that programs
can open: a driver is loaded, its library is found, its device nodes may be opened.

## Look-alikes that are fine
- Builds for ROCm or XPU.
- A GPU that no program can open (GPU006), one hidden by CUDA_VISIBLE_DEVICES, and one too old for any build of the last
  years.
- A container or login node without the GPU.
- onnxruntime or jax without GPU support that another package brought along: info.
- tensorflow-cpu and the like, whose name says what was wanted: info.
- Apple silicon: torch's builds for it have Metal.

## How to fix
Install the build for CUDA (or ROCm) from the framework's own index, or with its extra.

## Example
`torch 2.7.1+cpu has no GPU support, and this machine has NVIDIA A100-SXM4-80GB`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Severity
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.gpu._fixes import NO_GPU, gpu_subject, known, machine_subject, torch_from
from envdoctor.snapshot import Distribution, Framework
from envdoctor.view import View

RULE = Rule(
    "GPU003",
    "cpu-build-on-gpu-machine",
    "warning",
    reads=("frameworks", "machine", "distributions", "shell"),
    messages=(
        "Torch not compiled with CUDA enabled",
        "An NVIDIA GPU may be present on this machine, but a CUDA-enabled jaxlib is not installed",
        "Specified provider 'CUDAExecutionProvider' is not in available provider names",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each framework."""
    found = view.accelerators
    without = [
        one for one in found.frameworks if one.build == "cpu" and one.kind in ("torch", "jax", "tensorflow", "onnxruntime")
    ]
    if not without:
        return
    known(view)
    amd = [gpu for gpu in found.gpus if gpu.vendor == "amd" and found.machine.amd and _compute_card(gpu.architecture)]
    usable = found.usable or tuple(amd)
    if not usable:
        raise Skip(NO_GPU if not found.gpus else "no GPU here that a program could use now")
    others = {one.kind for one in found.frameworks if one.build in ("cuda", "rocm", "xpu")}
    for one in without:
        if one.kind not in others:
            yield _finding(view, one, usable[0].vendor == "nvidia")


def _compute_card(architecture: str | None) -> bool:
    """AMD's GPUs that its frameworks have builds for; a processor's own graphics is none."""
    return (architecture or "") in ("gfx908", "gfx90a", "gfx942", "gfx950", "gfx1030", "gfx1100", "gfx1101", "gfx1200", "gfx1201")


def _finding(view: View, one: Framework, nvidia: bool) -> Finding:
    found = view.accelerators
    dist = found.distribution(one)
    gpus = [gpu for gpu in found.gpus if (gpu.vendor == "nvidia") == nvidia]
    severity: Severity = "warning"
    brought = dist is not None and not dist.requested and bool(view.closure.incoming.get(one.name))
    if one.kind == "jax":
        brought = not _is_jax(view)
    if one.name.endswith(("-cpu", "-intel")) or (one.kind != "torch" and brought):
        severity = "info"
    what = "no plugin for a GPU" if one.kind == "jax" else "no GPU support"
    return RULE.finding(
        f"{one.name} {one.version} has {what}, and this machine has {gpus[0].name}",
        [*([view.distribution(dist)] if dist is not None else []), gpu_subject(gpus[0]), machine_subject(view)],
        evidence=[
            f"{view.in_site(one.site, one.path)}: built for the processor",
            *(f"GPU: {gpu.name}" for gpu in gpus[:4]),
            *([f"driver {found.nvidia.driver}"] if nvidia and found.nvidia and found.nvidia.driver else []),
        ],
        fixes=list(_fixes(view, one, dist, nvidia)),
        key=f"distribution:{one.name}",
        severity=severity,
    )


def _is_jax(view: View) -> bool:
    """jax itself was asked for: jaxlib always comes along."""
    jax = view.effective.get("jax")
    return jax is not None and (jax.requested or not view.closure.incoming.get("jax"))


def _fixes(view: View, one: Framework, dist: Distribution | None, nvidia: bool) -> Iterator[Fix]:
    remedy = view.remedy
    driver = view.accelerators.driver
    family = driver.cuda if driver is not None else None
    if not nvidia:
        yield remedy.manual(f"install the build of {one.name} for ROCm, as its own pages say", RULE.code)
        return
    if one.kind == "torch":
        title = "install the same torch, built for CUDA"
        yield remedy.fix(title, torch_from(view, family, keep=True), RULE.code, safety=remedy.safety("unsafe", dist))
        return
    words = {"jax": f"jax[cuda{min(max(family[0], 12), 13) if family else 12}]", "tensorflow": "tensorflow[and-cuda]"}
    if one.kind == "onnxruntime":
        commands = (*(remedy.uninstall(dist) if dist is not None else ()), *remedy.install("onnxruntime-gpu", dist=dist))
    else:
        commands = remedy.install(words[one.kind], dist=dist)
    title = f"install {one.kind} with GPU support"
    yield remedy.fix(title, commands, RULE.code, safety=remedy.safety("unsafe", dist))
