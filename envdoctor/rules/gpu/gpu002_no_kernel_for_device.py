"""The native files hold no code for this GPU.

## Why it matters
A CUDA library carries machine code for the GPUs that its builders chose, and perhaps PTX that the driver compiles for
later ones. On any other GPU the first kernel ends with `CUDA error: no kernel image is available for execution on the
device`: a torch of last year on a GPU of this year (sm_120), a torch of this year on a V100 (sm_70). Importing works, and
so does `is_available()`.

## How it is found
The headers of the fat binaries in every native file are read (their sizes lead from one to the next; no library is read
whole), so what is compared is what the files really hold, not what a name says. A GPU of compute capability X.z runs
machine code for X.y with y <= z, code with the suffix `a` on that very capability only, and PTX of any earlier
capability, where the driver is as new as the compiler that made the PTX.

## Look-alikes that are fine
- Machine code for an earlier GPU of the same generation: sm_80 on an RTX 3090 (8.6), sm_86 on an RTX 4090 (8.9).
- PTX: a library without machine code for a new GPU that has PTX for an older one.
- Single kernels for single GPUs (`sm_90a`, `sm_100`) beside others for all.
- Libraries with one file for each GPU or each CUDA version, of which one fits (bitsandbytes, sgl-kernel).
- A library whose kernels are all for newer GPUs, as optional ones are (torchao, flash-attn on a T4): info.
- Distributions that use the processor unless told otherwise (xgboost, lightgbm, catboost, faiss): warning.
- One old GPU beside one that works: warning.

## How to fix
Install a build that has the architecture: a newer one for a new GPU, an older one (or one's own) for an old GPU.

## Example
`torch 2.5.1+cu124 holds no code for NVIDIA GeForce RTX 5090 (compute capability 12.0)`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.accelerators import Accelerators, architecture, capability, dotted, runs, shown_architectures
from envdoctor.data import cuda as tables
from envdoctor.finding import Finding, Fix, Severity
from envdoctor.lazy import pattern
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.gpu._fixes import NO_GPU, gpu_subject, known, out_of_reach, torch_from
from envdoctor.snapshot import DeviceCode, Gpu
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

RULE = Rule(
    "GPU002",
    "no-kernel-for-device",
    "error",
    reads=("device_code", "frameworks", "machine", "distributions", "sites"),
    messages=(
        "no kernel image is available for execution on the device",
        "is not compatible with the current PyTorch installation",
        "the provided PTX was compiled with an unsupported toolchain",
        "CUDA_ERROR_NO_BINARY_FOR_GPU",
    ),
)
_CORE = pattern(
    r"(?:torch|torchvision|torchaudio|tensorflow(?:-gpu)?|tf-nightly|jaxlib|jax-cuda\d+-(?:plugin|pjrt)|onnxruntime-gpu|cupy(?:-.*)?"
    r"|paddlepaddle-gpu|mxnet-cu\d+)$"
)
"""Frameworks that take the GPU where there is one."""
ON_PROCESSOR = ("xgboost", "lightgbm", "catboost", "faiss", "opencv", "ctranslate2", "llama-cpp-python", "dgl", "cuml")
"""Distributions that compute on the processor unless told otherwise."""


class Judged(NamedTuple):
    """Parts of a distribution's device code on one GPU."""

    total: int
    binary: int
    ptx: int

    @property
    def works(self) -> int:
        return self.binary + self.ptx


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution that has no code for a GPU."""
    found = view.accelerators
    if view.snapshot.device_code is None:
        known(view)
        if any(gpu.vendor == "nvidia" for gpu in found.gpus):
            raise Skip("the facts were made on a machine without a GPU, and hold no device code")
        if found.wants_gpu:
            raise Skip(NO_GPU)
        return
    if not found.device_code:
        return
    known(view)
    if (reason := out_of_reach(view)) is not None:
        raise Skip(reason)
    gpus = [gpu for gpu in found.cuda_gpus if capability(gpu) is not None]
    if not gpus:
        raise Skip(NO_GPU if not found.gpus else "the compute capability of the GPU is not known")
    for name, codes in sorted(found.device_code.items()):
        if found.is_part(name) and f"{name.removesuffix('pjrt')}plugin" in found.device_code:
            continue
        bad = [gpu for gpu in gpus if not judged(codes, capability(gpu) or ()).works]
        if bad:
            yield from _finding(view, found, name, codes, bad, len(gpus))
            continue
        dist = name if name in view.effective else None
        framework = found.framework(name) if dist else None
        need = tables.version(framework.cuda) if framework is not None else None
        driver = found.driver
        if need is None or driver is None or driver.cuda is None or not driver.exact or need[:2] <= driver.cuda:
            continue
        only = [gpu for gpu in gpus if not judged(codes, capability(gpu) or ()).binary]
        if only and need[0] == driver.cuda[0]:
            yield _cannot_compile(view, found, name, codes, only[0], need[:2], driver.cuda)


def judged(codes: list[DeviceCode], device: tables.Version) -> Judged:
    """How many of a distribution's parts a GPU runs: those of all its files, for it may have one for each GPU."""
    counts = {"binary": 0, "ptx": 0, "no": 0}
    for code in codes:
        for one in code.sets:
            counts[runs(one, device)] += one.count
    if any(code.problem for code in codes):
        counts["ptx"] += 1  # what could not be read may be what is looked for
    return Judged(sum(counts.values()), counts["binary"], counts["ptx"])


def _finding(
    view: View, found: Accelerators, name: str, codes: list[DeviceCode], bad: list[Gpu], count: int
) -> Iterator[Finding]:
    dist = view.effective.get(name)
    gpu = bad[0]
    device = capability(gpu) or ()
    built = [
        known[0] for code in codes for one in code.sets for text in (*one.binaries, *one.ptx) if (known := architecture(text))
    ]
    newer = bool(built) and max(built) < device
    core = _CORE.match(name) is not None and dist is not None
    severity: Severity = "error"
    if not core and name.startswith("nvidia-"):
        return  # a library of the framework that pins it: that one has the same architectures, and says so
    if not core and not newer:
        severity = "info"
    elif (not core and (dist is None or name.startswith(ON_PROCESSOR))) or len(bad) < count:
        severity = "warning"
    framework = found.framework(name)
    if framework is not None and found.on_processor(framework):
        severity = "info"
    if device in tables.TEGRA and severity == "error":
        severity = "warning"
    shown = view.distribution(dist) if dist is not None else view.file(name)
    version = framework.version if framework is not None else dist.version if dist is not None else None
    label = f"{name} {version}" if version else name
    largest = sorted(codes, key=lambda code: (-sum(one.count for one in code.sets), code.path))[:3]
    evidence = [
        *(f"{gpu.name}: compute capability {gpu.architecture}" + (" (by its name)" if gpu.by_name else "") for gpu in bad[:4]),
        *(f"{view.in_site(code.folder, code.path)} holds {shown_architectures([code])}" for code in largest),
        *([f"{count - len(bad)} of {count} GPUs are served"] if len(bad) < count else []),
    ]
    yield RULE.finding(
        f"{label} holds no code for {gpu.name} (compute capability {gpu.architecture})",
        [shown, *dict.fromkeys(gpu_subject(one) for one in bad)],
        evidence=evidence,
        fixes=list(_fixes(view, found, name, device, newer=newer)),
        key=f"distribution:{name}:{gpu.architecture}",
        severity=severity,
        confidence="likely" if any(one.by_name for one in bad) else "certain",
    )


def _fixes(view: View, found: Accelerators, name: str, device: tables.Version, *, newer: bool) -> Iterator[Fix]:
    remedy = view.remedy
    dist = view.effective.get(name)
    driver = found.driver
    if name == "torch":
        family = tables.first_cuda(tables.version(found.nvidia.driver) or (0,), found.windows) if found.nvidia else None
        if family is None and driver is not None:
            family = driver.cuda
        if newer:
            title = f"install the newest torch, of a build that has sm_{device[0]}{device[1]}"
            yield remedy.fix(title, torch_from(view, family, keep=False), RULE.code, safety=remedy.safety("unsafe"))
        else:
            title = f"install a torch whose build still has sm_{device[0]}{device[1]}: one for an older CUDA version"
            older = (12,) if family is None or family[0] >= 13 else (11,)
            yield remedy.manual(title, RULE.code, commands=torch_from(view, older, keep=True))
        return
    if name.startswith("jax-cuda") and not newer and (driver.cuda if driver and driver.cuda else (99,)) >= (12,):
        title = "install jax with its plugin for CUDA 12, which has code for older GPUs"
        commands = remedy.install("jax[cuda12]", dist=view.effective.get("jax"))
        yield remedy.fix(title, commands, RULE.code, safety=remedy.safety("unsafe", dist))
        return
    if dist is not None and newer:
        title = f"upgrade {name}"
        yield remedy.fix(title, remedy.upgrade(dist), RULE.code, safety=remedy.safety("unsafe", dist))
    yield remedy.manual(
        f"build {name} for this GPU (TORCH_CUDA_ARCH_LIST or CMAKE_CUDA_ARCHITECTURES), or use a GPU that it has code for",
        RULE.code,
        commands=remedy.rebuild(dist) if dist is not None else (),
    )


def _cannot_compile(
    view: View,
    found: Accelerators,
    name: str,
    codes: list[DeviceCode],
    gpu: Gpu,
    need: tables.Version,
    have: tables.Version,
) -> Finding:
    """There is PTX alone for the GPU, of a newer compiler than the driver's own."""
    dist = view.effective[name]
    return RULE.finding(
        f"{name} {dist.version} has only PTX for {gpu.name}, made by CUDA {dotted(need)}, and the driver compiles PTX up to "
        f"CUDA {dotted(have)}",
        [view.distribution(dist), gpu_subject(gpu)],
        evidence=[
            f"{gpu.name}: compute capability {gpu.architecture}",
            *(f"{view.in_site(code.folder, code.path)} holds {shown_architectures([code])}" for code in codes[:3]),
            f"the driver offers CUDA {dotted(have)}; minor-version compatibility does not extend to PTX",
        ],
        fixes=[
            view.remedy.manual(f"update NVIDIA's driver to one for CUDA {dotted(need)}", RULE.code),
            *_fixes(view, found, name, capability(gpu) or (), newer=True),
        ],
        key=f"distribution:{name}:{gpu.architecture}:ptx",
        confidence="likely",
    )
