"""envdoctor's command line as a subprocess, the way its users meet it: a script file, a shell without our own settings."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

_LAUNCH = (
    f"import sys; sys.path[0] = {str(ROOT)!r}; sys.argv[0] = 'envdoctor'; from envdoctor.__main__ import main; sys.exit(main())\n"
)


class Done(NamedTuple):
    """What came of a run. `cpu` and `wall` in seconds, `peak` in MiB (0 where /proc does not tell)."""

    code: int
    out: bytes
    err: bytes
    cpu: float
    wall: float
    peak: float


def command(folder: Path, *options: str) -> list[str]:
    """argv that starts this checkout's envdoctor from a script in `folder`: the working directory is not on its sys.path."""
    script = folder / "envdoctor-launch.py"
    if not script.exists():
        script.write_text(_LAUNCH)
    return [sys.executable, *options, str(script)]


def clean_shell(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of this process without those that choose or change a Python environment, and `extra`."""
    prefixes = ("PYTHON", "VIRTUAL_ENV", "CONDA", "MAMBA", "PIP_", "UV_", "LD_", "PYTEST", "GITHUB_", "CI")
    return {**{k: v for k, v in os.environ.items() if not k.startswith(prefixes)}, **(extra or {})}


def measured(argv: Sequence[str | bytes], *, env: Mapping[str, str], cwd: Path | str, timeout: float = 90) -> Done:
    """Runs `argv` to its end and measures it. Kills it and raises TimeoutExpired after `timeout` seconds."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(env), cwd=cwd)
        status = Path(f"/proc/{process.pid}/status")
        peak = 0.0
        while True:
            # VmHWM belongs to the program after exec; ru_maxrss would count the memory of this process, which forked it.
            try:
                for line in status.read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        peak = max(peak, int(line.split()[1]) / 1024)
            except OSError:
                pass
            pid, code, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - start > timeout:
                process.kill()
                os.wait4(process.pid, 0)
                process.returncode = -9
                raise subprocess.TimeoutExpired([str(part) for part in argv], timeout)
            time.sleep(0.01)
        process.returncode = os.waitstatus_to_exitcode(code)
        out.seek(0)
        err.seek(0)
        return Done(process.returncode, out.read(), err.read(), usage.ru_utime + usage.ru_stime, time.monotonic() - start, peak)
