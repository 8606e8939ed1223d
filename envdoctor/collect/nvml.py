"""Asks NVIDIA's management library what it drives. A program of its own, run by ``collect.gpu`` with ``-I -S``.

    python nvml.py /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1

The library talks to the driver, and a broken driver can hang or crash whoever asks it: a doctor must outlive that. It prints
one JSON object: ``driver``, ``cuda`` (highest CUDA version that the driver supports), ``gpus`` (name, architecture, memory in
bytes, bus, mig), or ``problem``. NVML's C interface is stable and needs no package to be called:
https://docs.nvidia.com/deploy/nvml-api/.
"""

from __future__ import annotations

import json
import sys
from ctypes import CDLL, Structure, byref, c_char, c_char_p, c_int, c_uint, c_ulonglong, c_void_p, create_string_buffer
from typing import Any

_MAX_GPUS = 256


class _Memory(Structure):
    """nvmlMemory_t."""

    _fields_ = (("total", c_ulonglong), ("free", c_ulonglong), ("used", c_ulonglong))


class _Pci(Structure):
    """nvmlPciInfo_t, version 3."""

    _fields_ = (
        ("legacy", c_char * 16),
        ("domain", c_uint),
        ("bus", c_uint),
        ("device", c_uint),
        ("device_id", c_uint),
        ("subsystem_id", c_uint),
        ("name", c_char * 32),
    )


class _Nvml:
    """The library; every question answers None where it has no answer."""

    def __init__(self, path: str) -> None:
        self.library: Any = CDLL(path)

    def call(self, name: str, *arguments: object) -> int:
        """NVML's status; 13 where the library has no such function."""
        function = getattr(self.library, name, None)
        return 13 if function is None else int(function(*arguments))

    def message(self, status: int) -> str:
        """NVML's words for a status."""
        function = getattr(self.library, "nvmlErrorString", None)
        if function is None:
            return f"error {status}"
        function.restype = c_char_p
        return (function(status) or b"").decode("utf-8", "replace") or f"error {status}"

    def text(self, name: str, *first: object) -> str | None:
        """The answer of a function that fills a buffer."""
        buffer = create_string_buffer(128)
        if self.call(name, *first, buffer, c_uint(128)) != 0:
            return None
        return buffer.value.decode("utf-8", "replace") or None


def main(path: str) -> dict[str, object]:
    """The facts, or the problem."""
    try:
        nvml = _Nvml(path)
    except OSError as error:
        return {"problem": str(error)}
    status = nvml.call("nvmlInit_v2")
    if status != 0:
        return {"problem": nvml.message(status)}
    found: dict[str, object] = {"driver": nvml.text("nvmlSystemGetDriverVersion")}
    number = c_int(0)
    for name in ("nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion"):
        if nvml.call(name, byref(number)) == 0 and number.value > 0:
            found["cuda"] = f"{number.value // 1000}.{number.value % 1000 // 10}"
            break
    count = c_uint(0)
    status = nvml.call("nvmlDeviceGetCount_v2", byref(count))
    if status != 0:
        found["problem"] = nvml.message(status)
    found["gpus"] = [_gpu(nvml, index) for index in range(min(count.value, _MAX_GPUS))]
    nvml.call("nvmlShutdown")
    return found


def _gpu(nvml: _Nvml, index: int) -> dict[str, object]:
    handle = c_void_p()
    status = nvml.call("nvmlDeviceGetHandleByIndex_v2", c_uint(index), byref(handle))
    if status != 0:
        return {"problem": nvml.message(status)}
    found: dict[str, object] = {"name": nvml.text("nvmlDeviceGetName", handle)}
    major, minor = c_int(0), c_int(0)
    if nvml.call("nvmlDeviceGetCudaComputeCapability", handle, byref(major), byref(minor)) == 0:
        found["architecture"] = f"{major.value}.{minor.value}"
    memory = _Memory()
    if nvml.call("nvmlDeviceGetMemoryInfo", handle, byref(memory)) == 0:
        found["memory"] = memory.total
    pci = _Pci()
    if nvml.call("nvmlDeviceGetPciInfo_v3", handle, byref(pci)) == 0:
        found["bus"] = f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0"
    current, pending = c_uint(0), c_uint(0)
    if nvml.call("nvmlDeviceGetMigMode", handle, byref(current), byref(pending)) == 0 and current.value == 1:
        found["mig"] = _instances(nvml, handle)
    return found


def _instances(nvml: _Nvml, handle: object) -> list[str]:
    """Names of a GPU's MIG instances."""
    count = c_uint(0)
    if nvml.call("nvmlDeviceGetMaxMigDeviceCount", handle, byref(count)) != 0:
        return []
    names = []
    for index in range(min(count.value, _MAX_GPUS)):
        instance = c_void_p()
        if nvml.call("nvmlDeviceGetMigDeviceHandleByIndex", handle, c_uint(index), byref(instance)) == 0:
            names.append(nvml.text("nvmlDeviceGetName", instance) or "MIG")
    return names


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
