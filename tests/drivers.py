"""Stand-ins for a GPU's driver: libraries made by gcc that answer as NVIDIA's do, and trees like a machine's /proc, /sys, /dev.

No GPU is at hand where the tests run. What is stood in for is the driver's own side, below the file system; envdoctor itself
reads and asks as always.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

A100 = ("NVIDIA A100-SXM4-40GB", 8, 0, 42_949_672_960)
H100 = ("NVIDIA H100 80GB HBM3", 9, 0, 85_520_809_984)


def nvml(
    path: Path,
    *gpus: tuple[str, int, int, int],
    driver: str = "550.54.15",
    cuda: int = 12040,
    status: int = 0,
    message: str = "Driver/library version mismatch",
    mig: Sequence[str] | None = None,
    hang: bool = False,
    crash: bool = False,
) -> Path:
    """libnvidia-ml.so.1 that knows these GPUs (name, major, minor, bytes), or fails with a status."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ", ".join(f'"{gpu[0]}"' for gpu in gpus) or '""'
    numbers = ", ".join(f"{{{major}, {minor}, {memory}ULL}}" for _, major, minor, memory in gpus) or "{0, 0, 0}"
    instances = ", ".join(f'"{name}"' for name in mig or ()) or '""'
    source = path.with_suffix(".c")
    source.write_text(
        textwrap.dedent(
            f"""
            #include <string.h>
            #include <stdlib.h>
            #include <unistd.h>
            static const char *names[] = {{ {names} }};
            static const char *instances[] = {{ {instances} }};
            static const struct {{ int major, minor; unsigned long long memory; }} gpus[] = {{ {numbers} }};
            typedef struct {{ unsigned long long total, free, used; }} memory_t;
            typedef struct {{ char legacy[16]; unsigned domain, bus, device, id, sub; char name[32]; }} pci_t;
            int nvmlInit_v2(void) {{ {"while (1) sleep(1);" if hang else ""} {"abort();" if crash else ""} return {status}; }}
            int nvmlShutdown(void) {{ return 0; }}
            const char *nvmlErrorString(int code) {{ return "{message}"; }}
            int nvmlSystemGetDriverVersion(char *out, unsigned n) {{ strncpy(out, "{driver}", n); return 0; }}
            int nvmlSystemGetCudaDriverVersion_v2(int *out) {{ *out = {cuda}; return 0; }}
            int nvmlDeviceGetCount_v2(unsigned *n) {{ *n = {len(gpus)}; return 0; }}
            int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **h) {{ *h = (void *)(unsigned long)(i + 1); return 0; }}
            int nvmlDeviceGetName(void *h, char *out, unsigned n) {{
                unsigned long i = (unsigned long)h;
                strncpy(out, i > 1000 ? instances[i - 1001] : names[i - 1], n); return 0; }}
            int nvmlDeviceGetCudaComputeCapability(void *h, int *a, int *b) {{
                *a = gpus[(unsigned long)h - 1].major; *b = gpus[(unsigned long)h - 1].minor; return 0; }}
            int nvmlDeviceGetMemoryInfo(void *h, memory_t *m) {{ m->total = gpus[(unsigned long)h - 1].memory; return 0; }}
            int nvmlDeviceGetPciInfo_v3(void *h, pci_t *p) {{
                memset(p, 0, sizeof *p); p->bus = 0x10 + (unsigned long)h; return 0; }}
            int nvmlDeviceGetMigMode(void *h, unsigned *c, unsigned *p) {{
                *c = *p = {int(mig is not None)}; return {0 if mig is not None else 3}; }}
            int nvmlDeviceGetMaxMigDeviceCount(void *h, unsigned *n) {{ *n = 7; return 0; }}
            int nvmlDeviceGetMigDeviceHandleByIndex(void *h, unsigned i, void **out) {{
                if (i >= {len(mig or ())}) return 6; *out = (void *)(unsigned long)(1001 + i); return 0; }}
            """
        )
    )
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", str(source), "-o", str(path)], check=True, capture_output=True)
    source.unlink()
    return path


def put(root: Path, files: Mapping[str, str]) -> Path:
    """Files below `root`, by absolute path."""
    for path, content in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    return root


def version_file(driver: str = "550.54.15", *, open_module: bool = False) -> str:
    """/proc/driver/nvidia/version."""
    kind = "NVIDIA UNIX Open Kernel Module for x86_64" if open_module else "NVIDIA UNIX x86_64 Kernel Module"
    return f"NVRM version: {kind}  {driver}  Tue Mar  5 22:23:56 UTC 2024\nGCC version:  gcc version 11.4.0\n"


def information(model: str, minor: int) -> str:
    """/proc/driver/nvidia/gpus/BUS/information."""
    return f"Model: \t\t {model}\nIRQ:   \t\t 64\nBus Type: \t PCIe\nDevice Minor: \t {minor}\nGPU Excluded:\t No\n"


def nvidia_tree(root: Path, *models: str, driver: str = "550.54.15", nodes: bool = True, libcuda: str | None = "same") -> Path:
    """What a Linux machine with NVIDIA's driver has in /proc, /sys, /dev and /usr/lib."""
    put(root, {"/proc/driver/nvidia/version": version_file(driver)})
    (root / "proc/driver/nvidia/gpus").mkdir(parents=True)
    lines = ""
    for number, model in enumerate(models):
        bus = f"0000:{0x17 + number:02x}:00.0"
        put(root, {f"/proc/driver/nvidia/gpus/{bus}/information": information(model, number)})
        put(root, {f"/sys/bus/pci/devices/{bus}/class": "0x030200\n"})
        lines += pci_line((0x17 + number) << 8, "10de20b0", "nvidia")
    put(root, {"/proc/bus/pci/devices": lines})
    if nodes:
        put(root, dict.fromkeys(["/dev/nvidiactl", "/dev/nvidia-uvm", *(f"/dev/nvidia{n}" for n in range(len(models)))], ""))
    if libcuda is not None:
        version = driver if libcuda == "same" else libcuda
        folder = root / "usr/lib/x86_64-linux-gnu"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"libcuda.so.{version}").write_bytes(b"\x7fELF")
        (folder / "libcuda.so.1").symlink_to(f"libcuda.so.{version}")
    return root


def pci_line(slot: int, ids: str, driver: str = "") -> str:
    """A line of /proc/bus/pci/devices."""
    return "\t".join([f"{slot:04x}", ids, "0", *["               0"] * 14, driver]) + "\n"


def kfd_tree(root: Path, *targets: int, allowed: bool = True) -> Path:
    """What a machine with AMD's GPUs has; `targets` are KFD's numbers of the instruction sets."""
    nodes = "/sys/class/kfd/kfd/topology/nodes"
    put(root, {f"{nodes}/0/properties": "cpu_cores_count 64\ngfx_target_version 0\n"})
    for number, target in enumerate(targets, 1):
        text = f"gfx_target_version {target}\nlocation_id {0xC100 + number * 256}\ndomain 0\ndrm_render_minor {127 + number}\n"
        put(
            root,
            {f"{nodes}/{number}/properties": text, f"{nodes}/{number}/mem_banks/0/properties": "size_in_bytes 68702699520\n"},
        )
        put(root, {f"/dev/dri/renderD{127 + number}": ""})
    put(root, {"/dev/kfd": "", "/opt/rocm/.info/version": "6.2.4-120\n"})
    if not allowed:
        (root / "dev/kfd").chmod(0)
    return root


def in_own_namespace(*setup: str) -> list[str]:
    """A command prefix that runs what follows in a mount namespace of its own, after `setup`; skips the test where that is not
    allowed here."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("needs root and unshare")
    if subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not allowed here")
    return ["unshare", "-m", "sh", "-ec", "\n".join([*setup, 'exec "$@"']), "sh"]
