"""Names in front of the standard library, and what needs the hidden ones."""

from __future__ import annotations

import os
from pathlib import Path

from envdoctor.collect import shadows
from tests.builders import Env
from tests.effort import calls
from tests.support import snapshot_of


def test_modules_of_a_folder(tmp_path: Path) -> None:
    for name in ("a.py", "b.cpython-311-x86_64-linux-gnu.so", "c.pyc", "d.txt", "1.py", "with-dash.py", "e.abi3.so"):
        (tmp_path / name).write_text("")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "plain").mkdir()
    (tmp_path / "gone.py").symlink_to("nothing")
    os.mkfifo(tmp_path / "pipe.py")
    assert [name for name, _ in shadows.modules(str(tmp_path))] == ["a", "b", "c", "e", "pkg"]
    assert shadows.modules("/nonexistent") == []


def test_column_zero_imports() -> None:
    data = (
        b"import os, sys.path as p, re\nfrom random import x\n  import hidden\nif 1:\n    from lazy import y\n"
        b"import json;import q\n"
        b"from . import mine\nfrom .mod import z\nimport a # , b\nimport\tt\n"
    )
    assert shadows._imports(data) == {"os", "sys", "re", "random", "json", "a", "t"}


def test_importers(env: Env, tmp_path: Path) -> None:
    env.dist("lottery", files={"lottery/__init__.py": "import random\n", "lottery/draw.py": "from random import Random\n"})
    env.dist("other", files={"other/__init__.py": "", "other/sub.py": "import cmd\n"})
    env.dist("loads", files={"loads/__init__.py": "from .sub import x\n", "loads/sub.py": "import wave\nx = 1\n"})
    env.dist("lazy", files={"lazy/__init__.py": "def f():\n    import random\n"})
    (tmp_path / "random.py").write_text("")
    for name in ("cmd", "wave", "this"):
        (tmp_path / f"{name}.py").write_text("")
    found = {shadow.name: shadow for shadow in snapshot_of(env.prefix, cwd=tmp_path).shadows}
    assert found["random"].importers[0] == "lottery"
    assert found["random"].importer_count > 5
    assert found["random"].where == "working-directory"
    assert (found["cmd"].importers, found["cmd"].lazy) == (("other.sub",), True)
    assert (found["wave"].importers, found["wave"].lazy) == (("loads.sub",), False)
    assert not env.imports("loads", cwd=tmp_path) or found["wave"].importer_count == 1
    assert found["this"].importer_count == 0


def test_safe_path_switches_the_working_directory_off(env: Env, tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("")
    version = tuple(int(part) for part in (snapshot_of(env.prefix).interpreter.version or "3.0").split(".")[:2])
    found = snapshot_of(env.prefix, cwd=tmp_path, environ={"PATH": "", "PYTHONSAFEPATH": "1"}).shadows
    assert bool(found) is (version < (3, 11))


def test_a_folder_with_very_many_names(env: Env, tmp_path: Path) -> None:
    for number in range(5000):
        (tmp_path / f"file{number}.txt").write_text("")
    assert calls(lambda: shadows.modules(str(tmp_path))) < 5000 * 10
    assert shadows.modules(str(tmp_path)) == []
