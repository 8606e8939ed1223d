"""A build for AMD's GPUs does not fit the GPU, or a build for another maker's GPU is installed.

## Why it matters
`HIP error: invalid device function` is AMD's "no kernel image": a ROCm build holds code for a list of instruction sets,
and a GPU whose set is not among them runs nothing of it. A CUDA build does nothing at all on an AMD GPU, and the other
way round.

## How it is found
The instruction set of each GPU (the kernel's KFD topology) is compared with the code objects in the native files of a
ROCm build, as clang's offload bundles name them; and what a framework was built for with the maker of the GPUs.

## Look-alikes that are fine
- HSA_OVERRIDE_GFX_VERSION, which lets a GPU pass for a near relative.
- Code for `gfx9-4-generic` and other generic targets, which hold for a family.
- Bundles that cannot be read here (compressed with Zstandard, Python before 3.14 without a package for it): nothing is said.
- Machines with GPUs of both makers, and processors with AMD graphics beside an NVIDIA GPU.
- A CUDA build beside an AMD processor's own graphics, which nobody computes on.

## How to fix
Install the build for the GPU's maker, from the framework's own index; for a GPU that no build has, set
HSA_OVERRIDE_GFX_VERSION to its nearest relative at one's own risk.

## Example
`torch 2.7.1+rocm6.3 holds no code for gfx1103 (AMD Radeon 780M)`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.gpu._fixes import NO_GPU, gpu_subject, known, machine_subject
from envdoctor.rules.gpu.gpu003_cpu_build_on_gpu_machine import _compute_card
from envdoctor.snapshot import Framework, Gpu
from envdoctor.view import View

RULE = Rule(
    "GPU008",
    "rocm-mismatch",
    "error",
    reads=("device_code", "frameworks", "machine", "distributions", "shell", "sites"),
    messages=("HIP error: invalid device function", "hipErrorNoBinaryForGpu", "rocBLAS error: Cannot read {file}TensileLibrary"),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each framework of the wrong maker, one for each distribution without code for the GPU."""
    found = view.accelerators
    builds = [one for one in found.frameworks if one.build in ("cuda", "rocm") and one.kind != "torch-extension"]
    if not builds:
        return
    known(view)
    amd = [gpu for gpu in found.gpus if gpu.vendor == "amd" and gpu.architecture]
    nvidia = [gpu for gpu in found.gpus if gpu.vendor == "nvidia"]
    if not amd and not nvidia:
        raise Skip(NO_GPU)
    for one in builds:
        if found.is_part(one.name):
            continue
        other = any(two.kind == one.kind and two.build != one.build for two in builds)
        if other:
            continue
        if one.build == "rocm" and nvidia and not amd:
            yield _other_maker(view, one, nvidia[0], "AMD's GPUs")
        elif one.build == "cuda" and not nvidia and any(_compute_card(gpu.architecture) for gpu in amd):
            gpu = next(gpu for gpu in amd if _compute_card(gpu.architecture))
            yield _other_maker(view, one, gpu, "NVIDIA's GPUs")
    if not amd or "HSA_OVERRIDE_GFX_VERSION" in (view.snapshot.shell.variables if found.own_shell else {}):
        return
    yield from _no_code(view, amd)


def _no_code(view: View, gpus: list[Gpu]) -> Iterator[Finding]:
    active = {index for index, _ in view.active_sites}
    by_owner: dict[str, set[str]] = {}
    unread: set[str] = set()
    for code in view.snapshot.device_code or ():
        if code.kind == "hip" and code.folder in active and code.owner in view.effective:
            targets = by_owner.setdefault(code.owner, set())
            targets.update(name.partition(":")[0] for one in code.sets for name in one.binaries)
            if code.problem:
                unread.add(code.owner)
    for name, targets in sorted(by_owner.items()):
        framework = view.accelerators.framework(name)
        if name in unread or not targets or framework is None or framework.build != "rocm":
            continue
        bad = [gpu for gpu in gpus if gpu.architecture not in targets and not any("generic" in one for one in targets)]
        if len(bad) == len(gpus):
            dist = view.effective[name]
            yield RULE.finding(
                f"{name} {framework.version} holds no code for {bad[0].architecture} ({bad[0].name})",
                [view.distribution(dist), gpu_subject(bad[0])],
                evidence=[f"code objects for {', '.join(sorted(targets))}", f"GPU: {bad[0].name}, {bad[0].architecture}"],
                fixes=[
                    view.remedy.manual(
                        f"install a build of {name} that has {bad[0].architecture}; or, at your own risk, set "
                        "HSA_OVERRIDE_GFX_VERSION to a relative of it that the build has",
                        RULE.code,
                    )
                ],
                key=f"distribution:{name}:{bad[0].architecture}",
            )


def _other_maker(view: View, one: Framework, gpu: Gpu, maker: str) -> Finding:
    dist = view.accelerators.distribution(one)
    return RULE.finding(
        f"{one.name} {one.version} was built for {maker}, and this machine has {gpu.name}",
        [*([view.distribution(dist)] if dist is not None else []), gpu_subject(gpu), machine_subject(view)],
        evidence=[
            f"{view.in_site(one.site, one.path)}: "
            + (f"ROCm {one.rocm}" if one.build == "rocm" else f"CUDA {one.cuda}" if one.cuda else "CUDA"),
            f"GPU: {gpu.name}",
        ],
        fixes=[view.remedy.manual(f"install the build of {one.name} for this GPU from the framework's own index", RULE.code)],
        key=f"distribution:{one.name}:maker",
        severity="warning",
    )
