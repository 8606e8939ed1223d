"""Facts of blocked namespace packages; the cases are in test_pkg015."""

from __future__ import annotations

import os
from pathlib import Path

from tests.builders import Env
from tests.support import snapshot_of


def test_facts(env: Env, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (env.site / "more.pth").write_text(f"{more}\n")
    env.dist("ns-one", files={"ns/__init__.py": "", "ns/one.py": ""})
    env.dist("ns-two", files={"ns/two.py": "", "ns/deep/three.py": ""}, site=more)
    (block,) = snapshot_of(env.prefix).namespace_blocks
    assert block.package == "ns" and block.blocker.endswith("ns/__init__.py") and block.owner == "ns-one"
    assert block.hidden == (f"{more}/ns",) and block.hidden_modules == ("ns.deep.three", "ns.two")
    assert block.distributions == ("ns-two",)


def test_an_init_that_is_no_file(env: Env, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (env.site / "more.pth").write_text(f"{more}\n")
    env.dist("ns-two", files={"ns/two.py": ""}, site=more)
    (env.site / "ns").mkdir()
    (env.site / "ns/one.py").write_text("")
    os.mkfifo(env.site / "ns/__init__.py")
    assert snapshot_of(env.prefix).namespace_blocks == ()
