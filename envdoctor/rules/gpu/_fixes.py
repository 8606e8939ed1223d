"""What the GPU rules' fixes have in common."""

from __future__ import annotations

from envdoctor.data.cuda import Version
from envdoctor.finding import Command, Subject
from envdoctor.rules.base import Skip
from envdoctor.rules.pip.pip004_index_unsafe import KNOWN_EXTRA
from envdoctor.snapshot import Gpu
from envdoctor.view import View

FOREIGN = "the target belongs to another computer, whose GPUs are not known"
NO_GPU = "no GPU here that programs compute on"
_TORCH = ("torch", "torchvision", "torchaudio")
_BUILDS: dict[int, str] = {11: "cu118", 12: "cu126", 13: "cu130"}
"""A build of torch for each CUDA family that a driver may offer."""


def known(view: View) -> None:
    """Raises Skip for a target of which the machine says nothing."""
    if view.accelerators.foreign:
        raise Skip(FOREIGN)


def out_of_reach(view: View) -> str | None:
    """Why no program would come as far as the driver or a kernel: nothing is judged then that GPU006 has said already."""
    found = view.accelerators
    if found.nvidia is None:
        return None
    if found.blocked is not None:
        return f"no program here can use the GPU: {found.blocked}"
    return "CUDA_VISIBLE_DEVICES hides every GPU" if found.hidden is not None else None


def torch_from(view: View, family: Version | None, *, keep: bool) -> tuple[Command, ...]:
    """Commands that install torch and its companions from PyTorch's own index, for a CUDA family; `keep` keeps versions."""
    there = [dist for name in _TORCH if (dist := view.effective.get(name)) is not None]
    if not there:
        return ()
    remedy = view.remedy
    first = there[0]
    if first.conda:
        return remedy.conda_install("pytorch-gpu" if family is not None else "pytorch")
    words = [f"{dist.name}=={dist.version.partition('+')[0]}" if keep and dist.version else dist.name for dist in there]
    build = _BUILDS.get(family[0]) if family is not None else None
    command = remedy.install(*words, dist=first)[0]
    at = command.index(words[0])
    if remedy.tool(first) == "uv":
        options: Command = ("--reinstall", f"--torch-backend={build or 'auto'}")
    else:
        options = ("--force-reinstall", "--index-url", f"https://{KNOWN_EXTRA[0]}/whl/{build or _BUILDS[12]}")
    return ((*command[:at], *options, *command[at:]),)


def gpu_subject(gpu: Gpu) -> Subject:
    """A GPU as a subject: by its model, the same on all machines that have it."""
    return Subject("gpu", gpu.name, gpu.architecture)


def machine_subject(view: View) -> Subject:
    """The machine as a subject."""
    machine = view.machine
    return Subject("machine", machine.native_machine or machine.machine or machine.system)
