"""NVIDIA's wheels are installed in other versions than the framework pins.

## Why it matters
torch, tensorflow and jax load cuBLAS, cuDNN and NCCL from wheels of NVIDIA's, each tested with exact versions. With
others the import can fail with an undefined symbol, `cudnnStatus_t` errors come up at the first convolution, and numbers
can differ. It comes from `pip install -U nvidia-…`, from two frameworks that pin differently, from `--no-deps`.

## How it is found
What the installed frameworks' metadata asks of `nvidia-*` distributions, markers and extras followed, against what is
installed.

## Look-alikes that are fine
- Wheels that a framework does not ask for on this platform.
- A newer one of NCCL, cuDNN or cuSPARSELt inside the same major version, which their makers keep compatible: warning.
- Frameworks that name a range, and are inside.

## How to fix
Install the framework's own versions again; where two frameworks pin differently, use two environments.

## Example
`torch 2.7.1 pins nvidia-cublas-cu12 12.6.4.1, and 12.9.1.4 is installed`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Severity
from envdoctor.requirements import Edge
from envdoctor.rules.base import Rule
from envdoctor.snapshot import Distribution
from envdoctor.view import View, specifier_of, version_of

RULE = Rule(
    "GPU007",
    "cuda-wheel-version-differs",
    "error",
    reads=("distributions", "interpreter", "sites"),
    messages=("CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH", "Loaded runtime CuDNN library: {version} but source was compiled with"),
)
COMPATIBLE = ("nvidia-nccl", "nvidia-cudnn", "nvidia-cusparselt", "nvidia-nvshmem", "nvidia-nvtx", "nvidia-cufile")


def check(view: View) -> Iterator[Finding]:
    """One finding for each framework whose pins do not hold."""
    if not any(name.startswith("nvidia-") for name in view.effective):
        return
    by_parent: dict[str, list[tuple[Distribution, Edge]]] = {}
    for name, edges in view.closure.conflicts.items():
        if name.startswith("nvidia-"):
            for edge in edges:
                if not edge.parent.name.startswith("nvidia-"):
                    by_parent.setdefault(edge.parent.name, []).append((view.effective[name], edge))
    for name, pairs in sorted(by_parent.items()):
        yield _finding(view, name, sorted(pairs, key=lambda pair: pair[0].name))


def _finding(view: View, name: str, pairs: list[tuple[Distribution, Edge]]) -> Finding:
    parent = pairs[0][1].parent
    mild = all(_newer(dist, edge) for dist, edge in pairs)
    severity: Severity = "warning" if mild else "error"
    first, edge = next((pair for pair in pairs if not _newer(*pair)), pairs[0])
    more = f", and {len(pairs) - 1} more like it" if len(pairs) > 1 else ""
    wanted = edge.specifier.replace(" ", "").removeprefix("==")
    verb = "pins" if "==" in edge.specifier else "asks for"
    remedy = view.remedy
    pins = [f"{dist.name}{edge.specifier.replace(' ', '')}" for dist, edge in pairs]
    return RULE.finding(
        f"{name} {parent.version} {verb} {first.name} {wanted}, and {first.version} is installed{more}",
        [view.distribution(parent), *(view.distribution(dist) for dist, _ in pairs)],
        evidence=[
            f"{view.in_site(dist.site, dist.path)}: {dist.version}; {name} asks for {edge.specifier.replace(' ', '')}"
            for dist, edge in pairs[:8]
        ],
        fixes=[
            remedy.fix(
                f"install what {name} asks for",
                remedy.install(*dict.fromkeys(pins), dist=pairs[0][0]),
                RULE.code,
                "PKG002",
                safety=remedy.safety("unsafe", parent),
            )
        ],
        key=f"distribution:{name}",
        severity=severity,
    )


def _newer(dist: Distribution, edge: Edge) -> bool:
    """A newer version inside the major of one whose maker keeps it compatible."""
    if not dist.name.startswith(COMPATIBLE) or not dist.version:
        return False
    have, wanted = version_of(dist.version), specifier_of(edge.specifier.replace(" ", ""))
    if have is None or wanted is None:
        return False
    pinned = [version for one in wanted if (version := version_of(one.version)) is not None and one.operator in ("==", "<=")]
    return bool(pinned) and all(version.major == have.major and version < have for version in pinned)
