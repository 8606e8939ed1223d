"""The driver is older than the CUDA version that something here was built for.

## Why it matters
A CUDA program brings its own runtime, but the driver belongs to the machine. Where it is too old, torch says `The NVIDIA
driver on your system is too old (found version 11040)`, or `CUDA driver version is insufficient for CUDA runtime
version`, and runs on the processor or not at all: often after an hour in a queue, because the login node has another
driver than the compute node.

## How it is found
The CUDA version that a framework was built for stands in its files (`torch/version.py`, tensorflow's `build_info.py`,
onnxruntime's `build_and_package_info.py`, conda's `cuda-version`, the names of jax's plugins and of cupy). What the
driver offers is asked of the driver itself (NVML), else taken from NVIDIA's table of drivers. `--machine FILE` and
`--assume cuda-driver=…` judge for another machine.

## Look-alikes that are fine
- Another minor version inside one major: driver 550 (CUDA 12.4) runs a cu126 or cu128 torch. NVIDIA calls it minor-version
  compatibility: 450.80 runs all of CUDA 11, 525.60 all of CUDA 12, 580 all of CUDA 13.
- An older build under a newer driver, always.
- A forward-compatibility package (`cuda-compat`) whose libcuda.so.1 the loader finds first, on data-centre GPUs.
- tensorflow without NVIDIA's wheels (its extra `and-cuda`), which computes on the processor.
- WSL, where libcuda.so.1 is the one of the Windows driver.
- A driver or CUDA version that is newer than the tables: nothing is said.
- A machine without an NVIDIA GPU.

## How to fix
Update the driver, or install a build for an older CUDA version; on data-centre GPUs also the forward-compatibility package.

## Example
`torch 2.9.0+cu130 was built for CUDA 13.0, driver 550.54.15 offers CUDA 12.4`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.accelerators import Accelerators, Driver, Need, dotted
from envdoctor.data import cuda as tables
from envdoctor.finding import Finding, Fix, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.gpu._fixes import NO_GPU, gpu_subject, known, machine_subject, out_of_reach, torch_from
from envdoctor.view import View

RULE = Rule(
    "GPU001",
    "driver-too-old",
    "error",
    reads=("frameworks", "conda_packages", "machine", "distributions"),
    messages=(
        "driver on your system is too old (found version {version})",
        "CUDA driver version is insufficient for CUDA runtime version",
        "forward compatibility was attempted on non supported HW",
        "unsupported display driver / cuda driver combination",
        "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution that needs a newer driver."""
    found = view.accelerators
    if not found.needs:
        return
    known(view)
    if found.nvidia is None or (not found.gpus and found.nvidia.devices == 0):
        raise Skip(NO_GPU)
    if (reason := out_of_reach(view)) is not None:
        raise Skip(reason)
    driver = found.driver
    if driver is None or driver.cuda is None:
        raise Skip("the CUDA version that the driver offers is not known")
    if driver.library is not None and found.gpus and all(tables.is_consumer(gpu.name) for gpu in found.gpus):
        yield _not_for_this_gpu(view, found, driver)
    needs = [need for need in found.needs if too_old(need.version, driver, _number(found))]
    if needs and all(need.framework is None for need in needs):
        needs = [need for need in needs if _used(view)]
    firm = [need for need in needs if need.framework is not None] or needs
    for need in firm:
        yield _finding(view, found, driver, need)


def too_old(need: tables.Version, driver: Driver, number: tables.Version | None) -> bool:
    """A driver (of version `number`, where known) does not run what was built for a CUDA version."""
    have = driver.cuda
    if have is None or need[0] < have[0] or need <= have:
        return False
    if need[0] > have[0]:
        return driver.exact
    if need[0] >= 11:
        # inside a major the newer minor versions run, from the family's first driver on
        first = tables.FAMILIES.get(need[0])
        return (
            need[0] == 11
            and first is not None
            and number is not None
            and driver.library is None
            and number < first[0][: len(number)]
        )
    return driver.exact


def _number(found: Accelerators) -> tables.Version | None:
    return tables.version(found.nvidia.driver) if found.nvidia is not None and not found.windows else None


def _used(view: View) -> bool:
    """Something in the conda prefix loads CUDA's runtime: ``cuda-version`` alone is a pin."""
    return any(package.name in ("cuda-cudart", "cudatoolkit", "cuda-runtime") for package in view.snapshot.conda_packages)


def _finding(view: View, found: Accelerators, driver: Driver, need: Need) -> Finding:
    nvidia = found.nvidia
    first = tables.first_driver(need.version, found.windows)
    number = nvidia.driver if nvidia is not None else None
    label = f"driver {number}" if number else "the driver"
    dist = found.distribution(need.framework) if need.framework is not None else None
    version = need.framework.version if need.framework is not None else None
    who = f"{need.name} {version}" if version else need.name
    evidence = [
        need.source,
        f"{label}: CUDA {dotted(driver.cuda or ())} ({driver.source})",
        *([f"CUDA {need.version[0]}.x needs driver {dotted(first)} or newer (NVIDIA, CUDA Compatibility)"] if first else []),
        *(
            f"GPU: {gpu.name}" + (f", compute capability {gpu.architecture}" if gpu.architecture else "")
            for gpu in found.gpus[:4]
        ),
    ]
    return RULE.finding(
        f"{who} was built for CUDA {dotted(need.version)}, {label} offers CUDA {dotted(driver.cuda or ())}",
        [
            view.distribution(dist) if dist is not None else Subject("conda-package", need.name),
            machine_subject(view),
        ],
        evidence=evidence,
        fixes=_fixes(view, driver, need, first),
        key=f"distribution:{need.name}",
        confidence="certain" if nvidia is not None and nvidia.cuda else "likely",
    )


def _fixes(view: View, driver: Driver, need: Need, first: tables.Version | None) -> Iterator[Fix]:
    remedy = view.remedy
    least = f"{dotted(first)} or newer" if first else f"one for CUDA {dotted(need.version)}"
    yield remedy.manual(f"update NVIDIA's driver on the machine to {least}", RULE.code, commands=(("nvidia-smi",),))
    have = driver.cuda
    family = (have[0],) if have is not None and have[0] >= 11 else None
    if need.name == "torch" and family is not None:
        commands = torch_from(view, family, keep=False)
        if commands:
            title = f"install a torch that was built for CUDA {family[0]}"
            yield remedy.fix(title, commands, RULE.code, safety=remedy.safety("unsafe"))
    elif need.name.startswith("jax-cuda") and family is not None and family[0] >= 12:
        dist = view.effective.get("jax")
        title = f"install jax with its plugin for CUDA {family[0]}"
        commands = remedy.install(f"jax[cuda{family[0]}]", dist=dist)
        yield remedy.fix(title, commands, RULE.code, safety=remedy.safety("unsafe"))
    elif need.name.startswith("cupy-cuda") and family is not None:
        dist = view.effective.get(need.name)
        commands = (*(remedy.uninstall(dist) if dist else ()), *remedy.install(f"cupy-cuda{family[0]}x", dist=dist))
        title = f"install cupy for CUDA {family[0]}"
        yield remedy.fix(title, commands, RULE.code, safety=remedy.safety("unsafe"))
    elif need.framework is None and family is not None:
        title = f"let conda choose builds for CUDA {family[0]}"
        yield remedy.fix(title, remedy.conda_install(f"cuda-version={family[0]}"), RULE.code, safety="unsafe")


def _not_for_this_gpu(view: View, found: Accelerators, driver: Driver) -> Finding:
    library = driver.library
    path = library.path if library is not None else ""
    return RULE.finding(
        f"{path} is a forward-compatibility library, which {found.gpus[0].name} does not support",
        [gpu_subject(found.gpus[0]), view.file(path)],
        evidence=[
            f"the loader finds {path} first ({library.by if library else None})",
            "forward compatibility is for data-centre GPUs (NVIDIA, CUDA Compatibility): error 804 on others",
        ],
        fixes=[
            view.remedy.manual(
                "take the forward-compatibility package's folder out of LD_LIBRARY_PATH or ld.so.conf.d, and update the driver",
                RULE.code,
            )
        ],
        key="compat:consumer",
        confidence="likely",
    )
