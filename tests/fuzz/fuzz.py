"""Random damage to everything that envdoctor reads: `make fuzz SECONDS=600`.

Each round spoils a few files of a small environment and runs the whole pipeline on it, in this process: collect, judge,
and every format. A crash of any part, more than 10 seconds of CPU, or more than 400 MiB is a failure: the files that made
it are kept under .work/fuzz/, the round's seed is printed, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.fuzz.corpus import files  # noqa: E402

TOKENS: list[bytes] = [
    b"\x00",
    b"\xff",
    b"\xff\xfe",
    b"\r",
    b"\n",
    b"\n\n",
    b"\x1b[31m",
    b"::error::",
    b"'",
    b'"',
    b"\\",
    b"[",
    b"]",
    b"{",
    b"}",
    b"(",
    b")",
    b"../",
    b"/",
    b"/dev/zero",
    b"/proc/self/mem",
    b"-1",
    b"0",
    b"1e999",
    b"9" * 400,
    b"%s",
    b"${x}",
    b"=",
    b":",
    b";",
    b",",
    b"@",
    b"#",
    b"import ",
    b"\xe2\x80\xae",
    b"\xc3",
    b"extra == 'x'",
    b"[x]",
    b">=1",
    b"1!",
    b"+local",
    b".*",
    b" " * 1000,
    b"a" * 5000,
    b"\x7fELF",
    b"MZ",
    b"\xca\xfe\xba\xbe",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"\xff\xff\xff\x7f",
    b"\xf0\xff\xff\xff\xff\xff\xff\xff",
]


def damage(data: bytes, dice: random.Random) -> bytes:
    """`data` after one to eight small accidents."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        at = dice.randrange(len(out) + 1)
        end = min(len(out), at + dice.choice((1, 1, 2, 4, 8, 64)))
        kind = dice.randrange(9)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << dice.randrange(8)
        elif kind == 1:
            out[at:end] = dice.randbytes(end - at)
        elif kind == 2:
            out[at:at] = dice.choice(TOKENS)
        elif kind == 3:
            out[at:end] = dice.choice(TOKENS)
        elif kind == 4:
            del out[at:end]
        elif kind == 5:
            del out[at:]
        elif kind == 6:
            out[at:at] = out[at:end] * dice.choice((2, 10, 300))
        elif kind == 7:
            lines = bytes(out).split(b"\n")
            dice.shuffle(lines)
            out = bytearray(b"\n".join(lines))
        else:
            out[at:at] = bytes(out[: 1 << 16])
    return bytes(out[: 1 << 20])


def write(root: Path, contents: dict[str, bytes]) -> None:
    """Lays the files out below `root`."""
    for rel, data in contents.items():
        path = root / rel
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    python = root / "env/bin/python"
    if not python.is_symlink():
        python.symlink_to(getattr(sys, "_base_executable", sys.executable))


def formats() -> list[Callable[[object], object]]:
    """The report formats that can be called with a report alone."""
    import importlib
    import pkgutil

    from envdoctor import formats as package

    found: list[Callable[[object], object]] = []
    for info in pkgutil.iter_modules(package.__path__):
        render = getattr(importlib.import_module(f"{package.__name__}.{info.name}"), "render", None)
        if callable(render):
            found.append(render)
    return found


def examine(root: Path, *, deep: bool = False) -> list[str]:
    """The pipeline on the environment below `root`: what crashed. Raises what a person would see as a traceback."""
    from envdoctor.diagnose import Request, judge, observe
    from envdoctor.snapshot import from_json, to_json
    from envdoctor.target import TargetError

    environ = {"PATH": f"{root}/env/bin", "HOME": f"{root}/home", "VIRTUAL_ENV": f"{root}/env", "PYTHONPATH": f"{root}/project"}
    try:
        request = Request(
            target=f"{root}/env", environ=environ, cwd=f"{root}/project", project=f"{root}/project", probe=False, deep=deep
        )
        collected = observe(request)
    except TargetError:
        return []
    report = judge(collected.snapshot, checks=collected.checks)
    again = judge(from_json(to_json(collected.snapshot)), checks=collected.checks)
    crashes = [f"{check.code}: {check.reason}" for check in report.checks if check.outcome == "crashed"]
    if again.findings != report.findings:
        crashes.append("the snapshot's JSON gives other findings")
    for finding in report.findings:
        if "\n" in finding.message:
            crashes.append(f"{finding.code}: a message of several lines")
    for render in formats():
        render(report)
    return crashes


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="of one round, as a failure printed it; otherwise random ones")
    parser.add_argument("--rounds", type=int, default=None)
    options = parser.parse_args()
    clean = files()
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 40)
    rounds = 1 if options.seed is not None and options.rounds is None else options.rounds
    deadline = time.monotonic() + options.seconds
    done = failures = 0
    seen: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="envdoctor-fuzz-") as folder:
        root = Path(folder)
        write(root, clean)
        while (rounds is None and time.monotonic() < deadline) or (rounds is not None and done < rounds):
            seed = first + done
            dice = random.Random(seed)
            spoilt = {rel: damage(clean[rel], dice) for rel in dice.sample(sorted(clean), dice.choice((1, 1, 2, 5)))}
            write(root, spoilt)
            start = time.process_time()
            try:
                crashes = examine(root, deep=not any("pyvenv.cfg" in rel for rel in spoilt))
            except Exception:  # noqa: BLE001 - this is what the fuzzer is looking for
                crashes = [traceback.format_exc()]
            spent = time.process_time() - start
            if spent > 10:
                crashes.append(f"{spent:.1f} s of CPU")
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 400 * 1024:
                crashes.append(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")
            fresh = [crash for crash in crashes if crash[-200:] not in seen]
            seen.update(crash[-200:] for crash in fresh)
            if fresh:
                failures += 1
                keep = ROOT / ".work/fuzz" / str(seed)
                shutil.rmtree(keep, ignore_errors=True)
                for rel, data in spoilt.items():
                    (keep / rel).parent.mkdir(parents=True, exist_ok=True)
                    (keep / rel).write_bytes(data)
                print(f"seed {seed}, {', '.join(spoilt)}:")
                print("\n".join(fresh))
            write(root, {rel: clean[rel] for rel in spoilt})
            done += 1
    print(f"{done} rounds, {failures} failed" + (f"; again: make fuzz SEED={first}" if not failures else ""))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
