"""LIB001 for libraries that Python code opens by name when it is imported; each verdict is what a real import says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import Env
from tests.loader.planted import library, needs_gcc
from tests.support import diagnose, only

GONE = "libsurelynotthere.so.7"

FAIL = {
    "ctypes": f'import ctypes\nlib = ctypes.CDLL("{GONE}")\n',
    "from ctypes": f'from ctypes import CDLL\nCDLL("{GONE}", mode=4)\n',
    "cdll": f'import ctypes\nlib: object = ctypes.cdll.LoadLibrary("{GONE}")\n',
}
WORK = {
    "try": f'import ctypes\ntry:\n    lib = ctypes.CDLL("{GONE}")\nexcept OSError:\n    lib = None\n',
    "function": f'import ctypes\ndef load():\n    return ctypes.CDLL("{GONE}")\n',
    "if": f'import ctypes, sys\nif sys.platform == "win32":\n    lib = ctypes.CDLL("{GONE}")\n',
    "lambda": f'import ctypes\nload = lambda: ctypes.CDLL("{GONE}")\n',
    "system": 'import ctypes\nlib = ctypes.CDLL("libc.so.6")\n',
    "text": f"x = 1\ny = '''\nlib = ctypes.CDLL(\"{GONE}\")\n'''\n",
}


@pytest.mark.parametrize("how", FAIL)
def test_a_library_that_is_nowhere(env: Env, how: str) -> None:
    env.dist("alpha", "1.0", files={"alpha/__init__.py": "from alpha import core\n", "alpha/core.py": FAIL[how]})
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, "LIB001"), "LIB001")
    assert finding.severity == "error" and GONE in finding.message
    assert next((s.kind, s.name) for s in finding.subjects) == ("distribution", "alpha")
    assert any(f"core.py:2: opens {GONE}" in line for line in finding.evidence)


@pytest.mark.parametrize("how", WORK)
def test_what_an_import_does_not_run_into(env: Env, how: str) -> None:
    env.dist("alpha", "1.0", files={"alpha/__init__.py": WORK[how]})
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB001") == []


@needs_gcc
def test_a_library_that_a_variable_leads_to(env: Env, tmp_path: Path) -> None:
    folder = tmp_path / "libs"
    folder.mkdir()
    library(folder / GONE)
    env.dist("alpha", "1.0", files={"alpha/__init__.py": FAIL["ctypes"]})
    assert env.run("-c", "import alpha", env={"LD_LIBRARY_PATH": str(folder)}).returncode == 0
    assert diagnose(env.prefix, "LIB001", environ={"LD_LIBRARY_PATH": str(folder), "PATH": "/usr/bin:/bin"}) == []


def test_one_finding_for_one_library(env: Env) -> None:
    env.dist("alpha", "1.0", files={"alpha/__init__.py": FAIL["ctypes"]})
    env.dist("beta", "1.0", files={"beta/__init__.py": FAIL["from ctypes"]})
    finding = only(diagnose(env.prefix, "LIB001"), "LIB001")
    assert {s.name for s in finding.subjects if s.kind == "distribution"} == {"alpha", "beta"}
