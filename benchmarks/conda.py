"""What conda's records cost in a prefix of 400 packages and 60,000 files, made from the real metadata of conda-forge.

``python -m benchmarks.conda`` makes the prefix in a temporary folder (once for each writer's dialect) and prints the CPU time
of reading and judging the records, beside the walk of the site folders that every check does, uncached; least of the rounds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from envdoctor import target
from envdoctor.collect import _Read, _Runner, conda, conda_paths, interpreter, paths
from envdoctor.collect.scene import Scene


def measure(prefix: Path, rounds: int, *, deep: bool = False) -> dict[str, float]:
    """Seconds of CPU by part, and files and packages."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        chosen = target.resolve(str(prefix), environ={}, cwd="/", home=None)
        scene = Scene(target=chosen.target, prefix=chosen.prefix, cwd="/", deep=deep)
        facts = interpreter.collect(scene)
        read = _Read(scene, facts, paths.collect(scene, facts), _Runner(scene))
        times = [time.process_time()]
        trees, recorded = read.trees, read.recorded
        times.append(time.process_time())
        found = conda.collect(scene)
        times.append(time.process_time())
        distributions = read.dists.distributions
        times.append(time.process_time())
        judged = conda_paths.judge(scene, found, trees, recorded, distributions)
        times.append(time.process_time())
        assert judged.meta is not None
        parts = {"walk": times[1] - times[0], "records": times[2] - times[1], "paths": times[4] - times[3]}
        parts["conda"] = parts["records"] + parts["paths"]
        best = {name: min(value, best.get(name, value)) for name, value in parts.items()}
        best |= {"packages": len(judged.packages), "listed": judged.meta.coverage.paths}
    return best


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--packages", type=int, default=400)
    options.add_argument("--files", type=int, default=60_000)
    given = options.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from tests.conda import forge

    print(f"{'':12} {'packages':>8} {'paths':>8} {'walk s':>8} {'conda s':>8} {'deep s':>8}")
    for writer in ("conda", "micromamba", "rattler"):
        with tempfile.TemporaryDirectory(prefix="envdoctor-conda-") as folder:
            prefix = forge.large_prefix(Path(folder) / "prefix", given.packages, given.files, writer)
            plain, deep = measure(prefix, given.rounds), measure(prefix, 1, deep=True)
        counts = f"{plain['packages']:8.0f} {plain['listed']:8.0f}"
        print(f"{writer:12} {counts} {plain['walk']:8.2f} {plain['conda']:8.2f} {deep['conda']:8.2f}")
    print("conda doctor on 20 packages, as recorded: 1.7 to 2.2 s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
