"""``python -m tests.mend.kills --count 50``: a fix is killed (-9) at random moments, and nothing is lost.

Each time: the environment is as it was, or it is mended, or ``envdoctor fix --restore`` says so and makes it what it was, to the
byte. After that a fix that nobody kills mends it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.builders import Env
from tests.command import command
from tests.mend.faults import usual
from tests.mend.shelf import Shelf, state


class Killed:
    """One broken environment, its copy, and the state that mending leads to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shelf = Shelf(folder / "shelf")
        usual(self.shelf)
        files = {f"gamma/m{n}.py": f"x = {n}\n" * 200 for n in range(300)}
        self.shelf.wheel("gamma", files={"gamma/__init__.py": "from gamma import m7\n", **files})
        self.env: Env = self.shelf.env(folder / "env", "alpha", "gamma", pip=True)
        self.shelf.pip(self.env, "install", "-q", "--no-deps", "beta-lib==1.0")
        (self.env.site / "gamma" / "m7.py").unlink()
        self.copy = folder / "copy"
        subprocess.run(["cp", "-a", str(self.env.prefix), str(self.copy)], check=True)
        self.before = state(self.env.prefix)
        start = time.monotonic()
        done = self.fix("--apply", "--yes", "-p", str(self.env.prefix))
        self.duration = time.monotonic() - start
        assert done.returncode == 0, done.stderr
        self.after = state(self.env.prefix)
        assert self.after != self.before

    def argv(self, *words: str) -> list[str]:
        return [*command(self.folder), "fix", *words]

    def fix(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*words), env=self.shelf.shell(), cwd=self.folder, capture_output=True, text=True, check=False, timeout=300
        )

    def once(self, delay: float, *, group: bool) -> str:
        """Kills a fix after `delay` seconds (`group`: the terminal's whole process group); returns what was found."""
        shutil.rmtree(self.env.prefix)
        subprocess.run(["cp", "-a", str(self.copy), str(self.env.prefix)], check=True)
        nowhere = subprocess.DEVNULL
        process = subprocess.Popen(
            self.argv("--apply", "--yes", "-p", str(self.env.prefix)),
            env=self.shelf.shell(), cwd=self.folder, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL) if group else process.kill()
            process.wait()
        restored = self.fix("--restore", "-p", str(self.env.prefix))
        now = state(self.env.prefix)
        if "is what it was before the fix" in restored.stderr:
            assert restored.returncode == 0, restored.stderr
            assert now == self.before, sorted(set(now.items()) ^ set(self.before.items()))[:10]
            found = "restored"
        else:
            assert restored.returncode in (0, 2) and ("no fix of" in restored.stderr or "nothing to" in restored.stderr), (
                restored.stderr
            )
            assert now in (self.before, self.after), sorted(set(now.items()) ^ set(self.before.items()))[:10]
            found = "as it was" if now == self.before else "mended"
        again = self.fix("--apply", "--yes", "-p", str(self.env.prefix))
        assert again.returncode == 0, again.stderr
        assert state(self.env.prefix) == self.after
        left = [path.name for path in self.folder.iterdir() if "envdoctor-fix" in path.name]
        assert left == [], left
        return found


def main(argv: list[str] | None = None) -> int:
    """Prints what was found how often; an assertion stops it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    generator = random.Random(given.seed)
    folder = Path(tempfile.mkdtemp(prefix="fix-kills-"))
    try:
        killed = Killed(folder)
        found: Counter[str] = Counter()
        for number in range(given.count):
            delay = generator.uniform(0.02, killed.duration * 1.05)
            word = killed.once(delay, group=number % 2 == 0)
            found[word] += 1
            print(f"{number + 1:3} killed after {delay:.2f} s of {killed.duration:.2f}: {word}", flush=True)
        print(f"{given.count} kills, nothing lost: " + ", ".join(f"{count} {word}" for word, count in sorted(found.items())))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
