"""The reader of fat binaries against NVIDIA's own ``cuobjdump``, on files of the index that its and others' tools have made."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.sources import index_options, quiet_uv
from envdoctor.collect.native import fatbin
from envdoctor.diagnose import Request, judge, observe
from envdoctor.select import Selection
from tests.builders import Env, venv
from tests.real.test_makers import reachable

pytestmark = pytest.mark.real

WHEELS = ("jax-cuda13-plugin==0.10.2", "bitsandbytes==0.50.2", "xgboost==3.2.0", "torchao==0.18.0")
"""Compressed and plain entries, headers of CUDA 12 and 13, code for one GPU alone, PTX, and no device code at all."""
SHORT = frozenset({"libbitsandbytes_cuda121.so"})
"""Files on which cuobjdump 13.1 gives up (``Invalid ELF``) after the first entry."""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Env:
    made = venv(tmp_path_factory.mktemp("cuda") / "env")
    options = ("--python", str(made.python), "--no-deps", "--only-binary", ":all:", *index_options())
    reachable(lambda: quiet_uv("pip", "install", *options, "triton>=3.5", *WHEELS))
    return made


def own(path: Path) -> Counter[str]:
    """Entries by architecture, as the reader finds them; those of one translation unit that are alike count once."""
    fd = os.open(path, os.O_RDONLY)
    try:
        found = fatbin.read(fd, os.pread(fd, 4096, 0), os.fstat(fd).st_size)
    finally:
        os.close(fd)
    counts: Counter[str] = Counter()
    for part in found:
        assert part.problem is None or part.kind == "hip", path
        for one in part.sets if part.kind == "cuda" else ():
            for name in (*one.binaries, *one.ptx):
                counts[name] += one.count
    return counts


def theirs(tool: Path, path: Path) -> Counter[str]:
    """The same by cuobjdump."""
    counts: Counter[str] = Counter()
    for option, suffix, word in (("--list-elf", "cubin", "sm"), ("--list-ptx", "ptx", "compute")):
        said = subprocess.run([str(tool), option, str(path)], capture_output=True, text=True, check=False).stdout
        for number in re.findall(rf"\.sm_(\w+)\.{suffix}", said):
            counts[f"{word}_{number}"] += 1
    return counts


def test_every_file(env: Env) -> None:
    tool = env.site / "triton/backends/nvidia/bin/cuobjdump"
    assert tool.exists()
    seen = 0
    for path in sorted(env.site.rglob("*.so*")):
        if path.name in SHORT or path.is_relative_to(env.site / "triton"):
            continue
        mine, other = own(path), theirs(tool, path)
        assert mine.keys() == other.keys(), path
        assert all(mine[name] <= other[name] for name in mine), path
        seen += bool(mine)
    assert seen >= 8


def test_what_they_run_on(env: Env) -> None:
    """bitsandbytes and xgboost serve all GPUs in use; torchao's few kernels are for the newest ones."""
    from envdoctor.assume import assume

    request = Request(target=str(env.prefix), environ={"PATH": "", "HOME": "/nonexistent"}, cwd="/", for_gpu=True)
    snapshot = observe(request).snapshot
    for capability in ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_120"):
        on = assume(snapshot.machine, [f"gpu={capability},cuda-driver=590.48.01"])
        report = judge(snapshot, Selection.of(select=["GPU002"]), machine=on)
        assert not [finding for finding in report.findings if finding.severity != "info"], capability
    old = judge(snapshot, Selection.of(select=["GPU002"]), machine=assume(snapshot.machine, ["gpu=sm_37,cuda-driver=470.82.01"]))
    assert "jax-cuda13-plugin" in {finding.subjects[0].name for finding in old.findings if finding.severity == "error"}
