"""``make bench-locks``: envdoctor lock beside conda-lock on real metadata of conda-forge, five platforms, no network.

The environment.yml holds what of conda-forge's metadata (the wheel ``conda-express``, see tests/conda/forge.py) can be solved
for everywhere: more than 80 packages. conda-lock runs with py-rattler behind its conda command line (envdoctor's shim), so both
use the same solver on the same channel; what differs is everything around it. Its package list has to be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
ROOT = Path(__file__).resolve().parents[1]


class Run(NamedTuple):
    """One run of a program. Seconds."""

    wall: float
    cpu: float


def environment(folder: Path) -> int:
    """Writes environment.yml into `folder`; returns how many packages it names."""
    sys.path[:0] = [str(ROOT)]
    from envdoctor.lock.make import solver, virtual
    from tests.conda import forge

    channel = forge.channel().resolve().as_uri()
    there: dict[str, set[str]] = {}
    for record in forge.records():
        there.setdefault(record["name"], set()).add(record["subdir"])
    table = virtual.resolve(PLATFORMS).table
    names: list[str] = []
    for name in sorted(name for name, subdirs in there.items() if "noarch" in subdirs or set(PLATFORMS) <= subdirs):
        tasks = [solver.Task(platform, (*names, name), virtual.for_solver(table[platform])) for platform in PLATFORMS]
        try:
            solver.solve(tasks, [channel])
        except solver.Failed:
            continue
        names.append(name)
    lines = ["channels:", f"  - {channel}", f"platforms: [{', '.join(PLATFORMS)}]", "dependencies:"]
    (folder / "environment.yml").write_text("\n".join([*lines, *(f"  - {name}" for name in names)]) + "\n")
    return len(names)


def run(words: Sequence[str], folder: Path) -> Run:
    """Runs a command; what its children take counts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def packages(file: Path) -> list[dict[str, Any]]:
    """The entries of a lock."""
    import importlib

    yaml = importlib.import_module("yaml")
    found: list[dict[str, Any]] = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["package"]
    return found


def conda_lock(folder: Path) -> list[str]:
    """A conda-lock of its own in `folder`, and the command line that makes a lock with it."""
    sys.path[:0] = [str(ROOT)]
    from benchmarks.sources import index_options, quiet_uv

    quiet_uv("venv", "--python", sys.executable, str(folder / "venv"))
    python = str(folder / "venv" / "bin" / "python")
    quiet_uv(
        "pip", "install", "--python", python, *index_options(), "conda-lock==4.0.3", "py-rattler>=0.28", "msgspec", "packaging"
    )
    script = folder / "shim.py"
    script.write_text(
        f"import os, sys\nsys.path[:0] = [{str(ROOT)!r}]\nfrom envdoctor.lock.make.conda_shim import script\n"
        "script(sys.argv[1:], os.environ)\n"
    )
    shim = folder / "shim"
    shim.write_text(f'#!/bin/sh\nexec "{python}" "{script}" "$@"\n')
    shim.chmod(0o755)
    return [
        python,
        "-m",
        "conda_lock",
        "lock",
        "-f",
        "environment.yml",
        "-k",
        "lock",
        "--conda",
        str(shim),
        "--log-level",
        "ERROR",
    ]


def show(name: str, runs: Sequence[Run]) -> None:
    """One line of the table."""
    wall, cpu = statistics.median(one.wall for one in runs), statistics.median(one.cpu for one in runs)
    print(f"{name:32} {wall:8.2f} s wall {cpu:8.2f} s CPU")


def main() -> None:
    """Prints the table; fails where the locks differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="write the numbers there, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="envdoctor-bench-") as name:
        folder = Path(name)
        count = environment(folder)
        theirs = [*conda_lock(folder), "--lockfile", "theirs.yml"]
        ours = [sys.executable, "-m", "envdoctor", "lock", "-f", "environment.yml", "--upgrade", "-q", "-o", "ours.yml"]
        run(ours, folder), run(theirs, folder)
        mine, others = [], []
        for _ in range(options.rounds):
            (folder / "ours.yml").unlink()
            (folder / "theirs.yml").unlink()
            mine.append(run(ours, folder))
            others.append(run(theirs, folder))
        own, other = packages(folder / "ours.yml"), packages(folder / "theirs.yml")
        print(f"{count} packages asked for on {len(PLATFORMS)} platforms: {len(own)} entries")
        show("envdoctor lock", mine)
        show("conda-lock, the same solver", others)
        factor = statistics.median(one.wall for one in others) / statistics.median(one.wall for one in mine)
        work = statistics.median(one.cpu for one in others) / statistics.median(one.cpu for one in mine)
        verdict = "are the same" if own == other else "DIFFER"
        print(f"{factor:.1f} times as fast with {work:.1f} times less CPU; package lists {verdict}")
        if options.json:
            Path(options.json).write_text(
                json.dumps({"asked": count, "entries": len(own), "envdoctor": mine, "conda-lock": others, "factor": factor})
            )
        if own != other:
            sys.exit(1)


if __name__ == "__main__":
    main()
