"""Libraries of two CUDA major versions meet.

## Why it matters
NVIDIA's wheels for CUDA 12 and CUDA 13 share paths: `nvidia-nccl-cu12` and `nvidia-nccl-cu13` both bring
`nvidia/nccl/lib/libnccl.so.2`. One file serves both frameworks, and the other's is gone: `libtorch_cuda.so: undefined
symbol: ncclCommResume`; uninstalling either leaves nothing. An extension that was built with another CUDA runtime than
torch hands it streams and memory of the wrong one.

## How it is found
Paths that wheels of one library for two CUDA majors both record, and whose file stands there (by its hash); the CUDA
libraries that every extension module brings into its process, as the loader would find them; and wheels of one role for
two majors side by side.

## Look-alikes that are fine
- Wheels whose file is the newer one: it works, until one of the two is uninstalled: warning.
- Two frameworks with their own CUDA majors at different paths: they load side by side, each with its own libraries: warning.
- Statically linked runtimes (xgboost, lightgbm).

## How to fix
Use builds for one CUDA major (cap one framework, or take its CPU build), then reinstall the wheel that lost.

## Example
`nvidia-nccl-cu12 2.23.4 lies over nvidia-nccl-cu13 2.27.7: one libnccl.so.2 serves both`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.accelerators import cuda_major, role
from envdoctor.data.cuda import ROLES
from envdoctor.finding import Finding, Severity
from envdoctor.lazy import pattern
from envdoctor.rules.base import Rule
from envdoctor.rules.pkg._sharing import winners
from envdoctor.snapshot import Distribution, SharedFile
from envdoctor.view import View, version_of

RULE = Rule(
    "GPU004",
    "cuda-majors-mixed",
    "error",
    reads=("shared_files", "distributions", "natives", "libraries", "machine", "sites", "frameworks"),
    messages=("undefined symbol: nccl{symbol}",),
)
_WHEEL = pattern(r"(nvidia-[a-z]+(?:-[a-z]+)*)-cu(\d{2})$")


def check(view: View) -> Iterator[Finding]:
    """One finding for each library that two wheels share, each extension that mixes, one for all that lie side by side."""
    if not any(name.startswith("nvidia-") for name in view.effective) and not _cuda_names(view):
        return
    shared: set[str] = set()
    for one in _shared(view):
        shared.update(subject.name for subject in one.subjects if subject.kind == "distribution")
        yield one
    yield from _in_one_process(view)
    yield from _side_by_side(view, shared)


def _cuda_names(view: View) -> bool:
    return len({major for name in view.needed_names if (major := cuda_major(name))}) > 1


def wheel(name: str) -> tuple[str, int] | None:
    """The role of one of NVIDIA's wheels and the CUDA major in its name: ``nvidia-nccl-cu12`` -> (nvidia-nccl, 12)."""
    match = _WHEEL.match(name)
    return (match[1], int(match[2])) if match else None


# -------------------------------------------------------------------------------------------------------------- one path


def _shared(view: View) -> Iterator[Finding]:
    groups: dict[tuple[str, ...], list[SharedFile]] = {}
    for file in view.snapshot.shared_files:
        if not file.native:
            continue
        names = sorted({owner.distribution for owner in file.owners})
        known = [one for name in names if (one := wheel(name)) is not None]
        if len(known) == len(names) > 1 and len({one[0] for one in known}) == 1:
            groups.setdefault(tuple(names), []).append(file)
    for owners, files in sorted(groups.items()):
        dists = [view.effective[name] for name in owners if name in view.effective]
        if len(dists) == len(owners):
            yield _one_path(view, dists, sorted(files, key=lambda file: file.path))


def _one_path(view: View, dists: list[Distribution], files: list[SharedFile]) -> Finding:
    first = files[0]
    on_disk = frozenset.intersection(*map(winners, files))
    gone = any(not file.exists for file in files)
    winner = next((dist for dist in dists if on_disk == {dist.name}), None)
    same = len(on_disk) == len(dists)
    losers = [dist for dist in dists if winner is not None and dist.name != winner.name]
    needed = [dist for dist in losers if view.closure.incoming.get(dist.name)]
    severity: Severity = "error"
    if (same and not gone) or (winner is not None and not gone and all(_older(dist, winner) for dist in needed or losers)):
        severity = "warning"
    name = first.path.rpartition("/")[2]
    labels = {dist.name: f"{dist.name} {dist.version}" for dist in dists}
    if gone:
        message = f"{' and '.join(labels.values())} share {name}, which is gone"
    elif winner is not None and not same:
        message = f"{labels[winner.name]} lies over {' and '.join(labels[d.name] for d in losers)}: one {name} serves both"
    else:
        message = f"{' and '.join(labels.values())} share {name}"
    users = sorted({edge.parent.name for dist in dists for edge in view.closure.incoming.get(dist.name, ())})
    remedy = view.remedy
    wanted = needed or losers
    return RULE.finding(
        message,
        [*(view.distribution(dist) for dist in dists), view.file(f"{view.snapshot.sites[first.site].path}/{first.path}")],
        evidence=[
            *(
                f"{view.in_site(file.site, file.path)}: recorded by {', '.join(owner.distribution for owner in file.owners)}"
                for file in files[:3]
            ),
            *([f"what stands there is of {winner.name}"] if winner is not None and not same else []),
            *(
                f"{dist.name} is asked for by {', '.join(sorted({edge.parent.name for edge in edges})[:4])}"
                for dist in dists
                if (edges := view.closure.incoming.get(dist.name))
            ),
        ],
        fixes=[
            remedy.manual(
                f"use builds of {', '.join(users[:4]) or 'the frameworks'} for one CUDA major, and uninstall the other wheel",
                RULE.code,
            ),
            *(
                [
                    remedy.fix(
                        f"put back the files of {', '.join(dist.name for dist in wanted)}, if that is the newer one",
                        remedy.reinstall(*wanted),
                        RULE.code,
                        "PKG008",
                        safety=remedy.safety("unsafe", wanted[0]),
                    )
                ]
                if wanted
                else []
            ),
        ],
        key="+".join(dist.name for dist in dists),
        severity=severity,
        confidence="certain" if gone or same else "likely",
    )


def _older(one: Distribution, other: Distribution) -> bool:
    """`one` is of a version that is not newer than the other's."""
    have, want = version_of(one.version or ""), version_of(other.version or "")
    return have is not None and want is not None and have <= want


# ----------------------------------------------------------------------------------------------------------- one process


def _in_one_process(view: View) -> Iterator[Finding]:
    """Extension modules whose own process holds the CUDA runtime twice, with torch's counted where it is torch's extension."""
    if not _cuda_names(view):
        return
    runtime: dict[str, dict[int, str]] = {}
    chains: dict[str, tuple[str, ...]] = {}
    torch = next((one for one in view.accelerators.frameworks if one.kind == "torch" and one.build == "cuda"), None)
    torch_major = int(torch.cuda.partition(".")[0]) if torch is not None and torch.cuda and torch.cuda[0].isdigit() else None
    for root in view.loads.roots:
        if root.kind != "extension" or root.distribution is None:
            continue
        scope = view.loads.scope(root)
        for loaded in scope:
            known = role(loaded.part.soname or loaded.name)
            major = cuda_major(loaded.part.soname or loaded.name) if known and known[0] == "libcudart" else None
            if major is None:
                continue
            if runtime.setdefault(root.distribution, {}).setdefault(major, loaded.path) == loaded.path:
                chains.setdefault(f"{root.distribution} {major}", loaded.chain)
        of_torch = any(name in ("libc10_cuda.so", "libtorch_cuda.so") for name in root.part.needed)
        if of_torch and torch is not None and torch_major is not None and root.distribution != "torch":
            for need in root.part.needed:
                major = cuda_major(need) if role(need) and need.startswith("libcudart") else None
                if major is not None and major != torch_major:
                    runtime.setdefault(root.distribution, {}).setdefault(torch_major, f"torch, CUDA {torch.cuda}")
                    runtime[root.distribution].setdefault(major, f"{need}, as {view.inside(root.path)} asks")
    for name, majors in sorted(runtime.items()):
        if len(majors) < 2 or name not in view.effective:
            continue
        dist = view.effective[name]
        yield RULE.finding(
            f"importing {name} {dist.version} brings CUDA runtimes {' and '.join(map(str, sorted(majors)))} into one process",
            [view.distribution(dist), *([view.named("torch")] if torch is not None and name != "torch" else [])],
            evidence=[
                f"CUDA {major}: {_chain(view, chains.get(f'{name} {major}', (path,)))}" for major, path in sorted(majors.items())
            ],
            fixes=[
                view.remedy.fix(
                    f"install a build of {name} for the CUDA major of the others",
                    view.remedy.reinstall(dist),
                    RULE.code,
                    safety=view.remedy.safety("unsafe", dist),
                )
            ],
            key=f"process:{name}",
            confidence="likely",
        )


def _chain(view: View, chain: tuple[str, ...]) -> str:
    return " needs ".join(view.inside(path) for path in chain)


def _side_by_side(view: View, shared: set[str]) -> Iterator[Finding]:
    roles: dict[str, dict[int, Distribution]] = {}
    for name, dist in view.effective.items():
        known = wheel(name)
        if known is not None and name not in shared:
            roles.setdefault(known[0], {})[known[1]] = dist
        elif known is None and name.startswith("nvidia-") and f"{name}-cu12" in view.effective:
            # since CUDA 13 the wheels' names bear no number, and their files lie in a folder of their own
            roles.setdefault(name, {})[13] = dist
    both = {name: majors for name, majors in roles.items() if len(majors) > 1}
    if not both:
        return
    dists = [dist for _, majors in sorted(both.items()) for _, dist in sorted(majors.items())]
    majors = sorted({major for found in both.values() for major in found})
    users = sorted(
        {edge.parent.name for dist in dists for edge in view.closure.incoming.get(dist.name, ())} - {d.name for d in dists}
    )
    words = {library.removeprefix("lib").lower(): title for library, title in ROLES.items()}
    titles = sorted({words.get(name.removeprefix("nvidia-"), name) for name in both})
    shown = f"{', '.join(titles[:3])}{' and others' if len(titles) > 3 else ''}"
    yield RULE.finding(
        f"{shown} lie here for CUDA {' and '.join(map(str, majors))} side by side",
        [view.distribution(dist) for dist in dists[:20]],
        evidence=[
            *(f"{dist.name} {dist.version}" for dist in dists[:8]),
            *([f"asked for by {', '.join(users[:6])}"] if users else []),
        ],
        fixes=[
            view.remedy.manual(
                f"use builds of {', '.join(users[:4]) or 'the frameworks'} for one CUDA major, or one environment for each",
                RULE.code,
            )
        ],
        key="side-by-side",
        severity="warning",
    )
