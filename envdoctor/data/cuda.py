"""CUDA: which driver offers which version, what runs on which GPU, what the libraries are called.

``DRIVERS``: table 3 of NVIDIA's *CUDA Toolkit Release Notes* (13.1 Update 1, January 2026) and of the archived notes of earlier
releases: the driver that came with the first release of a version, Linux and Windows.
``FAMILIES``: *CUDA Compatibility*, "Minor Version Compatibility", table 1 (same date): the oldest driver with which programs of
any minor version of a family run.
``CAPABILITIES``: NVIDIA's *CUDA GPU Compute Capability* lists (November 2025), the names in use for computing; for machines
where only the model is known.
A version that is newer than these tables is not known: nothing is concluded from that.
"""

from __future__ import annotations

import re

from envdoctor.lazy import pattern

Version = tuple[int, ...]

DRIVERS: tuple[tuple[Version, Version, Version | None], ...] = (
    ((9, 0), (384, 81), (385, 54)),
    ((9, 1), (390, 46), (391, 29)),
    ((9, 2), (396, 26), (397, 44)),
    ((10, 0), (410, 48), (411, 31)),
    ((10, 1), (418, 39), (418, 96)),
    ((10, 2), (440, 33), (441, 22)),
    ((11, 0), (450, 36, 6), (451, 22)),
    ((11, 1), (455, 23), (456, 38)),
    ((11, 2), (460, 27, 3), (460, 82)),
    ((11, 3), (465, 19, 1), (465, 89)),
    ((11, 4), (470, 42, 1), (471, 11)),
    ((11, 5), (495, 29, 5), (496, 13)),
    ((11, 6), (510, 39, 1), (511, 23)),
    ((11, 7), (515, 43, 4), (516, 1)),
    ((11, 8), (520, 61, 5), (520, 6)),
    ((12, 0), (525, 60, 13), (527, 41)),
    ((12, 1), (530, 30, 2), (531, 14)),
    ((12, 2), (535, 54, 3), (536, 25)),
    ((12, 3), (545, 23, 6), (545, 84)),
    ((12, 4), (550, 54, 14), (551, 61)),
    ((12, 5), (555, 42, 2), (555, 85)),
    ((12, 6), (560, 28, 3), (560, 76)),
    ((12, 8), (570, 26), (570, 65)),
    ((12, 9), (575, 51, 3), (576, 2)),
    ((13, 0), (580, 65, 6), None),
    ((13, 1), (590, 44, 1), None),
)
"""CUDA version, and the first driver for Linux and for Windows that offers it; None where none comes with it."""
FAMILIES: dict[int, tuple[Version, Version | None]] = {
    11: ((450, 80, 2), (452, 39)),
    12: ((525, 60, 13), (528, 33)),
    13: ((580,), (580,)),
}
"""By CUDA's major version the oldest driver for Linux and for Windows that runs programs of any minor version."""

OLDEST_SUPPORTED: Version = (5, 0)
"""Compute capability below which no framework of the last years has had builds."""
TEGRA: frozenset[Version] = frozenset({(5, 3), (6, 2), (7, 2), (8, 7), (10, 1), (11, 0)})
"""Capabilities of integrated GPUs: machine code for others of their generation is not meant for them (*CUDA C++ Programming
Guide*, "Binary Compatibility")."""

_CAPABILITIES: tuple[tuple[str, str], ...] = (
    (r"\b(?:B300|GB300)\b", "10.3"),
    (r"\b(?:B200|B100|GB200)\b", "10.0"),
    (r"\bGB10\b|\bDGX Spark\b", "12.1"),
    (r"\bRTX PRO \d{3,4}\b.*Blackwell|\bRTX 50[5-9]0\b", "12.0"),
    (r"\b(?:H100|H200|H800|H20|GH200)\b", "9.0"),
    (r"\b(?:L4|L40S?|L20)\b|\bRTX 40[5-9]0\b|\bRTX [2456]\d?00\b.*Ada", "8.9"),
    (r"\b(?:A10|A10G|A16|A2|A40)\b|\bRTX 30[5-9]0\b|\bRTX A[2-6]\d{3}\b", "8.6"),
    (r"\b(?:A100|A800|A30)\b", "8.0"),
    (r"\bT4G?\b|\bRTX 20[6-8]0\b|\bGTX 16[56]0\b|\bTITAN RTX\b|\bQuadro RTX\b|\bT[46]?00\b|\bT1000\b", "7.5"),
    (r"\bV100S?\b|\bTITAN V\b|\bGV100\b", "7.0"),
    (r"\b(?:P4|P40|P6)\b|\bGTX 10[5-8]0\b|\bTITAN Xp?\b", "6.1"),
    (r"\b(?:P100|GP100)\b", "6.0"),
    (r"\b(?:M40|M60|M4|M6)\b|\bGTX 9[5-8]0\b", "5.2"),
    (r"\b(?:K80|GK210)\b", "3.7"),
    (r"\b(?:K40|K20)\w?\b", "3.5"),
)
CAPABILITY_NAMES: dict[str, str] = {
    "5.2": "a GTX 980",
    "6.0": "a P100",
    "6.1": "a GTX 1080",
    "7.0": "a V100",
    "7.5": "a T4",
    "8.0": "an A100",
    "8.6": "an RTX 3090",
    "8.9": "an L40",
    "9.0": "an H100",
    "10.0": "a B200",
    "10.3": "a B300",
    "12.0": "an RTX 5090",
    "12.1": "a GB10",
}
"""One model for each capability, for people."""
_CONSUMER = pattern(r"\b(?:GeForce|TITAN)\b", re.IGNORECASE)

ROLES: dict[str, str] = {
    "libcudart": "CUDA runtime",
    "libcublas": "cuBLAS",
    "libcublasLt": "cuBLAS",
    "libcudnn": "cuDNN",
    "libnccl": "NCCL",
    "libcufft": "cuFFT",
    "libcusparse": "cuSPARSE",
    "libcusolver": "cuSOLVER",
    "libcurand": "cuRAND",
    "libnvrtc": "NVRTC",
    "libnvJitLink": "nvJitLink",
    "libnvshmem_host": "NVSHMEM",
    "libcusparseLt": "cuSPARSELt",
}
"""NVIDIA's libraries by the first part of their names."""
MAJORS: dict[str, dict[str, int]] = {
    "libcudart": {"11.0": 11, "10.2": 10, "10.1": 10, "10.0": 10, "12": 12, "13": 13},
    "libcublas": {"10": 10, "11": 11, "12": 12, "13": 13},
    "libcublasLt": {"10": 10, "11": 11, "12": 12, "13": 13},
    "libnvrtc": {"11.2": 11, "12": 12, "13": 13},
    "libnvJitLink": {"12": 12, "13": 13},
    "libcufft": {"10": 11, "11": 12, "12": 13},
}
"""Libraries whose number tells CUDA's major version, and which."""


def capability_of(name: str) -> str | None:
    """Compute capability of a GPU by its model; None for one that the table does not know."""
    return next((capability for pattern, capability in _CAPABILITIES if re.search(pattern, name)), None)


def is_consumer(name: str) -> bool:
    """A GPU that forward compatibility is not made for: GeForce and TITAN (*CUDA Compatibility*, "Forward Compatibility")."""
    return _CONSUMER.search(name) is not None


def version(text: str | None) -> Version | None:
    """Numbers of a version: ``550.54.15`` -> (550, 54, 15); None where it has none."""
    match = re.match(r"\s*(\d{1,6}(?:\.\d{1,6}){0,3})", text or "")
    return tuple(int(part) for part in match[1].split(".")) if match else None


def offered(driver: Version, windows: bool = False) -> tuple[Version, bool] | None:
    """The CUDA version that a driver offers, and whether that is all (False: the driver is newer than the table, and offers at
    least this). None for one older than the table."""
    known = [(cuda, first) for cuda, linux, other in DRIVERS if (first := other if windows else linux) is not None]
    # 550.54 may be any of 550.54.x
    have = [cuda for cuda, first in known if driver >= first[: len(driver)]]
    if not have:
        return None
    newest = DRIVERS[-1][1]
    return max(have), driver[0] <= newest[0] and not (windows and driver[0] >= 580)


def first_driver(cuda: Version, windows: bool = False) -> Version | None:
    """The oldest driver that runs programs of a CUDA version, minor-version compatibility included; None where no table tells."""
    family = FAMILIES.get(cuda[0])
    if family is not None:
        return family[1 if windows else 0]
    return next(((other if windows else linux) for known, linux, other in DRIVERS if known == cuda[:2]), None)


def first_cuda(driver: Version, windows: bool = False) -> Version | None:
    """The newest CUDA family whose programs a driver runs."""
    fits = [
        major for major, firsts in FAMILIES.items() if (first := firsts[1 if windows else 0]) and driver >= first[: len(driver)]
    ]
    return (max(fits),) if fits else None
