"""Random source files and random locks: conda-lock's own hashes and bytes against ours."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.lock.test_conda_lock_itself import ROOT, python

pytestmark = pytest.mark.real
COUNT = 150


@pytest.mark.parametrize("seed", [1, 2])
def test_hashes_and_files_are_those_of_conda_lock(python: str, tmp_path: Path, seed: int) -> None:
    script = ROOT / "tests" / "lock" / "conda_lock_oracle.py"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, str(script), str(tmp_path), str(seed), str(COUNT)], capture_output=True, text=True, env=environ, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["hashes"]["different"] == []
    assert answer["files"] == {"equal": COUNT, "different": []}
    assert answer["hashes"]["equal"] > COUNT // 2


__all__ = ["python"]
