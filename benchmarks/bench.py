"""envdoctor beside what people use today, on one large environment, in one interleaved run.

``python -m benchmarks.bench`` builds the environment of large.txt in .work/bench (several GB, once; ENVDOCTOR_BENCH_ENV names
another one, which is only read), installs this checkout into .work/bench-tool, compiled, and measures: CPU (user and
system, children included), wall time, peak resident memory, system calls. Medians over the rounds; ratios to ``pip check``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.sources import create, uv

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".work"
TOOL = WORK / "bench-tool"
TARGETS = {
    ("foundation", "cpu_s"): 1.0,
    ("check, no cache", "cpu_s"): 1.5,
    ("check, no cache", "wall_s"): 1.0,
    ("check, warm", "cpu_s"): 0.35,
    ("--version", "cpu_s"): 2.0,
    ("--help", "cpu_s"): 2.0,
}
"""Ratios of CPU or wall time that are to be reached: to pip check, and for the last two to ``import typer``."""
FOUNDATION = "INT,PTH,PKG,PIP,ARC001,ARC002,ARC003,ARC004,ARC008"
"""Rules that ask less of the loader's model, or nothing."""

WALK = """
import os, sys
stack, count = [sys.argv[1]], 0
while stack:
    with os.scandir(stack.pop()) as entries:
        for entry in entries:
            count += 1
            if entry.is_dir(follow_symlinks=False):
                stack.append(entry.path)
"""


class Sample(NamedTuple):
    """One run. Seconds, seconds, MiB."""

    cpu: float
    wall: float
    peak: float
    code: int


class Case(NamedTuple):
    """A command that is measured, and what its CPU time is set in relation to."""

    name: str
    argv: list[str]
    relative_to: str
    codes: tuple[int, ...] = (0,)


def environ(cache: Path) -> dict[str, str]:
    """The variables of every measured command: none that choose an environment, and byte code is read and written."""
    drop = ("VIRTUAL_ENV", "CONDA", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    return {**kept, "XDG_CACHE_HOME": str(cache), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_COLOR": "1"}


def once(argv: list[str], variables: dict[str, str]) -> Sample:
    """Runs a command to its end, output thrown away."""
    start = time.perf_counter()
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
    pid = os.posix_spawn(argv[0], argv, variables, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    os.close(null)
    scale = 1024 if sys.platform == "linux" else 1024 * 1024
    return Sample(
        usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / scale, os.waitstatus_to_exitcode(status)
    )


def system_calls(argv: list[str], variables: dict[str, str]) -> int | None:
    """Number of system calls of a run with its children; None without strace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    with tempfile.NamedTemporaryFile("r") as out:
        once([strace, "-f", "-qq", "-c", "-o", out.name, *argv], variables)
        for line in out.read().splitlines():
            words = line.split()
            if words and words[-1] == "total":
                return int(words[3])
    return None


def environment() -> Path:
    """The large environment, built when it is not there."""
    given = os.environ.get("ENVDOCTOR_BENCH_ENV")
    if given:
        return Path(given).resolve()
    folder = WORK / "bench"
    ready = folder / ".ready"
    lines = [line for line in (ROOT / "benchmarks/large.txt").read_text().split("\n") if line and not line.startswith("#")]
    if ready.exists() and ready.read_text() == "\n".join(lines):
        return folder
    print(f"building {folder.relative_to(ROOT)}: {len(lines)} distributions, several GB; this takes minutes", file=sys.stderr)
    try:
        create(folder, "3.11", lines)
    except subprocess.CalledProcessError:
        print("that exact selection is not to be had here; trying what the index has now", file=sys.stderr)
        create(folder, sys.executable, [line.partition("==")[0] for line in lines])
    ready.write_text("\n".join(lines))
    return folder


def tool() -> Path:
    """This checkout, installed as users have it: a wheel's files with their byte code, in an environment of its own."""
    if not (TOOL / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(TOOL)], check=True)
    quiet = [str(TOOL / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([*quiet, str(ROOT), "typer"], check=True, env=variables)
    subprocess.run([*quiet, "--no-deps", "--force-reinstall", "--no-cache-dir", str(ROOT)], check=True, env=variables)
    subprocess.run([str(TOOL / "bin/python"), "-m", "compileall", "-q", str(TOOL / "lib")], check=False, env=variables)
    return TOOL / "bin"


def cases(bin_folder: Path, env: Path) -> list[Case]:
    """What is measured, in the order of one round."""
    doctor, python, target = str(bin_folder / "envdoctor"), str(bin_folder / "python"), str(env / "bin/python")
    pip = "pip check"
    return [
        Case(pip, [target, "-m", "pip", "check"], pip, (0, 1)),
        Case("check, no cache", [doctor, "check", str(env), "--no-cache"], pip, (0, 1)),
        Case("foundation", [doctor, "check", str(env), "--no-cache", "--select", FOUNDATION], pip, (0, 1)),
        Case("check, warm", [doctor, "check", str(env)], pip, (0, 1)),
        Case("uv pip check", [uv(), "pip", "check", "--quiet", "--python", target], pip, (0, 1)),
        Case("tree walk", [python, "-I", "-S", "-c", WALK, str(env)], pip),
        Case("import typer", [python, "-c", "import typer"], "import typer"),
        Case("--version", [doctor, "--version"], "import typer"),
        Case("--help", [doctor, "--help"], "import typer"),
    ]


def main() -> int:
    """Prints the table, writes .work/bench.json; 1 when a target is missed or a command failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=7, help="runs of each command, after one that is not counted")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    env = environment()
    bin_folder = tool()
    listed = cases(bin_folder, env)
    with tempfile.TemporaryDirectory(prefix="envdoctor-bench-") as cache:
        variables = environ(Path(cache))
        if not (next(env.glob("lib/python3*/site-packages")) / "pip/__pycache__").is_dir():
            variables["PYTHONPYCACHEPREFIX"] = str(Path(cache) / "pycache")  # pip is to run compiled, like everything here
        samples: dict[str, list[Sample]] = {case.name: [] for case in listed}
        failed: list[str] = []
        for number in range(options.rounds + 1):
            for case in listed:
                sample = once(case.argv, variables if case.name == "pip check" else environ(Path(cache)))
                if sample.code not in case.codes:
                    failed.append(f"{case.name} ended with {sample.code}")
                if number:
                    samples[case.name].append(sample)
        calls = {case.name: system_calls(case.argv, variables) for case in listed}
    rows = {}
    for case in listed:
        cpu, wall, peak = (statistics.median(getattr(s, key) for s in samples[case.name]) for key in ("cpu", "wall", "peak"))
        rows[case.name] = {"cpu_s": cpu, "wall_s": wall, "peak_mib": peak, "system_calls": calls[case.name]}
    for case in listed:
        base = rows[case.relative_to]["cpu_s"]
        rows[case.name]["cpu_ratio"] = (rows[case.name]["cpu_s"] or 0.0) / base if base else None
    report(env, listed, rows, options.rounds)
    relative = {case.name: case.relative_to for case in listed}
    missed = 0
    for (name, key), limit in TARGETS.items():
        ratio = (rows[name][key] or 0.0) / (rows[relative[name]][key] or 1.0)
        missed += ratio > limit
        said = f"{'missed' if ratio > limit else 'reached'}: {name}, {key.removesuffix('_s')} {ratio:.2f} x"
        print(f"{said}, to be at most {limit:g} x")
    peak = rows["check, no cache"]["peak_mib"] or 0.0
    print(f"{'reached' if peak <= 150 else 'missed'}: memory {peak:.0f} MiB, to be at most 150")
    for line in sorted(set(failed)):
        print(f"failed: {line}")
    return 1 if missed or failed or peak > 150 else 0


def report(env: Path, listed: list[Case], rows: dict[str, dict[str, float | None]], rounds: int) -> None:
    """The table on stdout and the same as JSON."""
    count = sum(1 for _ in env.glob("lib/python3*/site-packages/*.dist-info"))
    files = sum(len(names) for _, _, names in os.walk(env))
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system().lower()} {platform.machine()}"
    print(f"{count} distributions, {files:,} files · {machine} · medians of {rounds} rounds\n")
    print(f"{'':<18}{'CPU s':>8}{'ratio':>8}{'wall s':>8}{'MiB':>8}{'system calls':>14}")
    for case in listed:
        row = rows[case.name]
        called = "-" if row["system_calls"] is None else f"{row['system_calls']:,}"
        ratio = "-" if row["cpu_ratio"] is None else f"{row['cpu_ratio']:.2f} x"
        print(f"{case.name:<18}{row['cpu_s']:>8.3f}{ratio:>8}{row['wall_s']:>8.3f}{row['peak_mib']:>8.0f}{called:>14}")
        if case.name == "tree walk":
            print()
    print()
    document = {"environment": {"distributions": count, "files": files}, "machine": machine, "rounds": rounds, "commands": rows}
    (WORK / "bench.json").write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
