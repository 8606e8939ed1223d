"""A framework's plugin or companion belongs to another version or build of it.

## Why it matters
torch and torchvision, jax and jaxlib and its plugin are published in pairs. Parts of two pairs import with `operator
torchvision::nms does not exist`, `undefined symbol: _ZN3c10…`, `Detected that PyTorch and torchvision were compiled with
different CUDA major versions`, or not at all; jax drops a plugin of another version with a warning, and computes on the
processor.

## How it is found
What each part's own files and versions say: the CUDA build in `version.py` and in local versions (`+cu126`,
`+pt25cu124`), the CUDA runtime that a module links, the oldest jaxlib that jax names, the plugin's version against
jaxlib's. What the parts check themselves when they are imported is judged as they do it.

## Look-alikes that are fine
- Builds for two minor versions of one CUDA major, apart from torchaudio before 2.9, which refuses them.
- torchvision and others built on torch's stable interface beside a newer torch.
- A CPU build of an extension beside a CPU torch; a CPU torchaudio or torchtext beside a CUDA torch.
- jaxlib newer than the oldest that jax takes.
- jax's plugins for ROCm, which are published apart.
- Extensions for another torch whose symbols all resolve: warning.

## How to fix
Install all parts of one framework from one index, in one command.

## Example
`torchvision 0.28.0+cu130 was built for CUDA, torch 2.13.0+cpu for the processor`
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from envdoctor.accelerators import cuda_major
from envdoctor.data.cuda import Version, version
from envdoctor.finding import Finding, Severity
from envdoctor.rules.base import Rule
from envdoctor.rules.gpu._fixes import torch_from
from envdoctor.snapshot import Distribution, Framework
from envdoctor.view import View, version_of

RULE = Rule(
    "GPU009",
    "plugin-version-differs",
    "error",
    reads=("frameworks", "distributions", "natives", "unresolved_symbols", "machine"),
    messages=(
        "operator torchvision::nms does not exist",
        "were compiled with different CUDA",
        "compiled with different CUDA versions",
        "it is not compatible with the installed jaxlib version",
        "but this version of jax requires version >=",
        "is newer than and incompatible with jax version",
        "Could not run 'torchvision::nms' with arguments from the 'CUDA' backend",
    ),
)
_CUDA_OF_TORCH = ("libtorch_cuda.so", "libc10_cuda.so")
_STRICT_AUDIO = (2, 9)


def check(view: View) -> Iterator[Finding]:
    """One finding for each part that belongs to another pair."""
    frameworks = view.accelerators.frameworks
    if not frameworks:
        return
    yield from _jax(view)
    torch = view.accelerators.framework("torch")
    if torch is None:
        return
    for one in frameworks:
        if one.kind == "torch-extension":
            yield from _extension(view, torch, one)


# ------------------------------------------------------------------------------------------------------------------ jax


def _jax(view: View) -> Iterator[Finding]:
    found = view.accelerators
    jax, jaxlib = found.framework("jax"), found.framework("jaxlib")
    if jaxlib is None:
        return
    lib = _release(jaxlib.version)
    if jax is not None and lib is not None:
        least, own = _release(jax.minimum), _release(jax.version)
        reason = None
        if least is not None and lib < least:
            reason = f"jax {jax.version} takes jaxlib from {jax.minimum} on"
        elif own is not None and lib > own:
            reason = f"jax {jax.version} takes no newer jaxlib"
        if reason is not None:
            yield _jax_finding(view, jaxlib, jax, f"import jax fails: jaxlib is {jaxlib.version}, and {reason}", "error")
    for one in found.frameworks:
        if one.kind != "jax" or not one.name.endswith("-plugin") or one.build != "cuda" or lib is None:
            continue
        own = _release(one.version)
        if own is not None and own != lib:
            severity: Severity = "error" if found.usable else "warning"
            message = f"jax does not use {one.name} {one.version}: jaxlib is {jaxlib.version}, and they must be the same version"
            yield _jax_finding(view, one, jaxlib, message, severity)


def _jax_finding(view: View, one: Framework, other: Framework, message: str, severity: Severity) -> Finding:
    found = view.accelerators
    dists = [dist for part in (one, other) if (dist := found.distribution(part)) is not None]
    remedy = view.remedy
    jax = view.effective.get("jax")
    plugin = next((part for part in found.frameworks if part.name.startswith("jax-cuda") and part.name.endswith("-plugin")), None)
    extra = f"[cuda{plugin.cuda}]" if plugin is not None and plugin.cuda else ""
    wanted = f"jax{extra}=={jax.version}" if jax is not None and jax.version else f"jax{extra}"
    return RULE.finding(
        message,
        [view.distribution(dist) for dist in dists],
        evidence=[
            *(f"{view.in_site(dist.site, dist.path)}: {dist.name} {dist.version}" for dist in dists),
            *([f"jax/version.py: _minimum_jaxlib_version = {other.minimum!r}"] if other.minimum else []),
        ],
        fixes=[
            remedy.fix(
                "install jax, jaxlib and the plugin of one version",
                remedy.install(wanted, dist=dists[0] if dists else None),
                RULE.code,
                "PKG002",
                safety=remedy.safety("unsafe"),
            )
        ],
        key=f"distribution:{one.name}",
        severity=severity,
    )


def _release(text: str | None) -> tuple[int, ...] | None:
    """The numbers of a version as jax compares them."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", text or "")
    return tuple(int(part) for part in match[0].split(".")) if match else None


# ---------------------------------------------------------------------------------------------------------------- torch


def _extension(view: View, torch: Framework, one: Framework) -> Iterator[Finding]:
    dist = view.accelerators.distribution(one)
    if dist is None:
        return
    of_torch = _release(torch.version) or ()
    built = _release(one.torch)
    if built is not None and of_torch[:2] != built[:2]:
        broken = [item for item in view.snapshot.unresolved_symbols if _owner(view, item.folder, item.path) == dist.name]
        severity: Severity = "error" if broken or view.machine.system != "linux" else "warning"
        yield _torch_finding(
            view,
            torch,
            one,
            dist,
            f"{one.name} {one.version} was built for torch {one.torch}, and torch {torch.version} is installed",
            severity,
            [f"{item.path} misses {item.symbols[0]}" for item in broken[:2]],
        )
        return
    links = _cuda_links(view, dist)
    if torch.build == "cpu":
        if one.build == "cuda" and links is not None:
            yield _torch_finding(
                view,
                torch,
                one,
                dist,
                f"{one.name} {one.version} was built for CUDA, torch {torch.version} for the processor",
                "error",
                [f"{links} needs {_CUDA_OF_TORCH[0]}, which a torch for the processor does not have"],
            )
        return
    if torch.build != one.build and {torch.build, one.build} == {"cuda", "rocm"}:
        yield _torch_finding(
            view, torch, one, dist, f"{one.name} {one.version} was built for {one.build}, torch {torch.version} for {torch.build}"
        )
        return
    if torch.build == "cuda" and one.build == "cpu" and one.name == "torchvision":
        severity = "error" if view.accelerators.usable else "warning"
        yield _torch_finding(
            view,
            torch,
            one,
            dist,
            f"{one.name} {one.version} was built for the processor, torch {torch.version} for CUDA",
            severity,
        )
        return
    have, want = version(torch.cuda), version(one.cuda)
    if torch.build != "cuda" or have is None or want is None:
        return
    linked = _linked_major(view, dist)
    if have[0] != want[0]:
        severity = (
            "error" if one.name in ("torchvision", "torchaudio") or (linked is not None and linked != have[0]) else "warning"
        )
    elif one.name == "torchaudio" and len(want) > 1 and want[:2] != have[:2] and _is_strict(one):
        severity = "error"
    else:
        return
    yield _torch_finding(
        view,
        torch,
        one,
        dist,
        f"{one.name} {one.version} was built for CUDA {one.cuda}, torch {torch.version} for CUDA {torch.cuda}",
        severity,
        [f"links CUDA {linked}"] if linked is not None else [],
    )


def _is_strict(one: Framework) -> bool:
    number = version_of(one.version or "")
    return number is not None and (number.major, number.minor) < _STRICT_AUDIO


def _owner(view: View, folder: int, path: str) -> str | None:
    return next((file.owner for file in view.snapshot.natives if file.folder == folder and file.path == path), None)


def _cuda_links(view: View, dist: Distribution) -> str | None:
    """A file of the distribution that needs torch's CUDA half."""
    for file in view.snapshot.natives:
        if file.owner == dist.name and file.folder == dist.site:
            for part in file.slices:
                if any(name in _CUDA_OF_TORCH or name in ("c10_cuda.dll", "torch_cuda.dll") for name in part.needed):
                    return view.in_site(file.folder, file.path)
    return None


def _linked_major(view: View, dist: Distribution) -> int | None:
    """CUDA's major version by the runtime that the distribution's files ask for."""
    for file in view.snapshot.natives:
        if file.owner == dist.name and file.folder == dist.site:
            for part in file.slices:
                for name in part.needed:
                    if name.startswith("libcudart") and (major := cuda_major(name)) is not None:
                        return major
    return None


def _torch_finding(
    view: View,
    torch: Framework,
    one: Framework,
    dist: Distribution,
    message: str,
    severity: Severity = "error",
    more: list[str] | None = None,
) -> Finding:
    remedy = view.remedy
    of_torch = view.accelerators.distribution(torch)
    family: Version | None = version(torch.cuda)
    known = one.name in ("torchvision", "torchaudio", "torchtext")
    if known and torch.build == "cpu":
        title, commands = f"install the {one.name} for the processor", _cpu(view, dist)
    elif known:
        title, commands = "install torch and its companions from one index", torch_from(view, family, keep=True)
    else:
        title, commands = f"install a build of {one.name} for this torch", remedy.rebuild(dist)
    return RULE.finding(
        message,
        [view.distribution(dist), *([view.distribution(of_torch)] if of_torch is not None else [])],
        evidence=[
            f"{view.in_site(one.site, one.path)}: {one.version}",
            f"{view.in_site(torch.site, torch.path)}: {torch.version}" + (f", CUDA {torch.cuda}" if torch.cuda else ""),
            *(more or []),
        ],
        fixes=[
            remedy.fix(
                title,
                commands,
                RULE.code,
                safety=remedy.safety("unsafe", dist),
                verify=[remedy.importing(one.name.replace("-", "_"))],
            )
        ],
        key=f"distribution:{one.name}",
        severity=severity,
        confidence="certain" if severity == "error" else "likely",
    )


def _cpu(view: View, dist: Distribution) -> tuple[tuple[str, ...], ...]:
    """Commands that install a companion of torch for the processor."""
    commands = torch_from(view, None, keep=True)
    if not commands or dist.conda:
        return commands
    words = [word if not word.startswith("--torch-backend=") else "--torch-backend=cpu" for word in commands[0]]
    words = [re.sub(r"/whl/\w+$", "/whl/cpu", word) for word in words]
    return (tuple(words),)
