"""PTH007 and PTH008: .pth files, as the environment's own Python really treats them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.builders import Env, interpreters, venv
from tests.support import diagnose, errors, only

PRECEDENCE = (
    "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; "
    "enabled and __import__('_distutils_hack').add_shim(); "
)
NSPKG = (
    "import sys, types, os;has_mfs = sys.version_info > (3, 5);"
    "p = os.path.join(sys._getframe(1).f_locals['sitedir'], *('zope',));"
    "importlib = has_mfs and __import__('importlib.util');has_mfs and __import__('importlib.machinery');"
    "m = has_mfs and sys.modules.setdefault('zope', importlib.util.module_from_spec(importlib.machinery.PathFinder.find_spec("
    "'zope', [os.path.dirname(p)])));m = m or sys.modules.setdefault('zope', types.ModuleType('zope'));"
    "mp = (m or []) and m.__dict__.setdefault('__path__',[]);(p not in mp) and mp.append(p)\n"
)


def test_missing_folder(env: Env, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (env.site / "mine.pth").write_text(f"# comment\n\n{here}\n{tmp_path}/gone\nrelative\n")
    finding = only(diagnose(env.prefix, "PTH007"), "PTH007")
    assert finding.severity == "warning"
    assert finding.subjects[0].path == f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/mine.pth"
    assert len(finding.evidence) == 2
    path = env.run("-c", "import sys; print(sys.path)").stdout
    assert str(here) in path
    assert f"{tmp_path}/gone" not in path


def test_folders_that_are_there(env: Env, tmp_path: Path) -> None:
    (env.site / "sub").mkdir()
    (tmp_path / "x.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    (tmp_path / "link").symlink_to(env.site)
    (env.site / "fine.pth").write_bytes(f"sub\r\n./sub  \r\n{tmp_path}/x.zip\r\n{tmp_path}/link\r\n".encode())
    assert diagnose(env.prefix, "PTH007") == []


def test_owned_file_names_its_distribution(env: Env) -> None:
    env.dist("mine", files={"mine.pth": "/gone/src\n"})
    finding = only(diagnose(env.prefix, "PTH007"), "PTH007")
    assert [s.kind for s in finding.subjects] == ["file", "distribution"]


def test_unowned_code_is_a_warning(env: Env, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (env.site / "tracer.pth").write_text(f"import os; open({str(mark)!r}, 'w').close()\n")
    finding = only(diagnose(env.prefix, "PTH008"), "PTH008")
    assert finding.severity == "warning"
    assert not mark.exists(), "code of the target was run"
    env.run("-c", "pass")
    assert mark.exists()


def test_owned_code_is_info(env: Env) -> None:
    env.dist("tool", files={"tool.pth": "import tool_boot\n", "tool_boot.py": ""})
    finding = only(diagnose(env.prefix, "PTH008"), "PTH008")
    assert finding.severity == "info"
    assert {s.name for s in finding.subjects} >= {"tool"}


@pytest.mark.parametrize(
    "line",
    [
        "import base64; exec(base64.b64decode('cHJpbnQoMSk='))",
        "import subprocess; subprocess.Popen(['true'])",
        "import os, urllib.request; urllib.request.urlopen('https://example.invalid')",
        "import os; os.system('true')",
    ],
)
def test_owned_code_with_suspicious_words_is_a_warning(env: Env, line: str) -> None:
    env.dist("litellm", files={"litellm_init.pth": line + "\n"})
    assert only(diagnose(env.prefix, "PTH008"), "PTH008").severity == "warning"


def test_a_known_name_with_other_content_is_not_known(env: Env) -> None:
    (env.site / "distutils-precedence.pth").write_text("import subprocess; subprocess.run('x')\n")
    (env.site / "_virtualenv.pth").write_text("import _virtualenv; __import__('os').system('x')\n")
    assert [f.severity for f in diagnose(env.prefix, "PTH008")] == ["warning", "warning"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("distutils-precedence.pth", PRECEDENCE),
        ("_virtualenv.pth", "import _virtualenv"),
        ("__editable__.proj-0.1.0.pth", "import __editable___proj_0_1_0_finder; __editable___proj_0_1_0_finder.install()"),
        ("zope.interface-6.0-py3.11-nspkg.pth", NSPKG),
        ("matplotlib-3.6.3-nspkg.pth", NSPKG.replace("zope", "mpl_toolkits")),
        ("easy-install.pth", "import sys; sys.__plen = len(sys.path)\n"),
    ],
)
def test_known_files_are_silent(env: Env, name: str, content: str) -> None:
    for module in ("_distutils_hack", "_virtualenv", "__editable___proj_0_1_0_finder"):
        (env.site / f"{module}.py").write_text("def install(): ...\ndef add_shim(): ...\n")
    (env.site / name).write_text(content)
    assert diagnose(env.prefix, "PTH008") == []


PYTEST_COV = (
    "import os, sys;exec('if \\'COV_CORE_SOURCE\\' in os.environ:\\n try:\\n  from pytest_cov.embed impor"
    't init\\n  init()\\n except Exception as exc:\\n  sys.stderr.write(\\n   "pytest-cov: Failed to setu'
    'p subprocess coverage. "\\n   "Environ: {0!r} "\\n   "Exception: {1!r}\\\\n".format(\\n    dict((k, v'
    ") for k, v in os.environ.items() if k.startswith(\\'COV_CORE\\')),\\n    exc\\n   )\\n  )\\n')"
)


@pytest.mark.parametrize(
    ("owner", "name", "content"),
    [
        ("coverage", "a1_coverage.pth", "import sys; exec('try: import coverage\\nexcept: pass')"),
        ("pytest-cov", "pytest-cov.pth", "import os, sys;exec('if \"COV_CORE_SOURCE\" in os.environ: pass')"),
        ("pytest-cov", "pytest-cov.pth", PYTEST_COV),
        ("hunter", "hunter.pth", "import hunter; hunter._embed_via_environment()"),
        ("manhole", "manhole.pth", "import os, sys;exec('if \"PYTHONMANHOLE\" in os.environ:\\n eval(\"1\")')"),
    ],
)  # fmt: skip
def test_known_files_only_of_their_own_distribution(env: Env, owner: str, name: str, content: str) -> None:
    env.dist(owner, files={name: content + "\n", f"{owner}.py": ""})
    assert diagnose(env.prefix, "PTH008") == []
    other = env.site / f"x_{name}"
    other.write_text(content + "\n")
    (env.site / name).rename(other)
    assert only(diagnose(env.prefix, "PTH008"), "PTH008").severity == "warning"


def test_not_utf8_ends_the_start(env: Env) -> None:
    (env.site / "latin.pth").write_bytes(b"# caf\xe9\n/somewhere\n")
    found = diagnose(env.prefix, "PTH007", "PTH008")
    finding = only(found, "PTH008")
    assert finding.severity == "error"
    assert "0xe9 in line 1" in finding.message
    done = env.run("-c", "print('started')", env={"LC_ALL": "C.UTF-8"})
    assert done.returncode != 0
    assert "UnicodeDecodeError" in done.stderr


def test_utf16_of_powershell(env: Env) -> None:
    (env.site / "mine.pth").write_bytes("/somewhere\n".encode("utf-16"))
    assert only(diagnose(env.prefix, "PTH008"), "PTH008").severity == "error"
    assert env.run("-c", "pass", env={"LC_ALL": "C.UTF-8"}).returncode != 0


def test_hostile_files_end_in_findings(env: Env) -> None:
    os.mkfifo(env.site / "pipe.pth")
    (env.site / "loop.pth").symlink_to("loop.pth")
    (env.site / "folder.pth").mkdir()
    (env.site / "huge.pth").write_bytes(b"# " + b"x" * (3 << 20))
    (env.site / "many.pth").write_bytes(b"gone\n" * 100_000)
    (env.site / "nul.pth").write_bytes(b"gone\0\n")
    found = diagnose(env.prefix, "PTH007", "PTH008")
    assert {f.subjects[0].name.rpartition("/")[2] for f in found} == {"pipe.pth", "many.pth", "nul.pth"}
    assert all(len(f.evidence) < 10 for f in found)


@pytest.mark.parametrize("short", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_hidden_files_as_this_version_reads_them(tmp_path: Path, short: str) -> None:
    python = interpreters().get(short)
    if python is None:
        pytest.skip(f"no Python {short} here")
    env = venv(tmp_path / "env", python=python)
    (env.site / "._junk.pth").write_bytes(b"\x00\x05\x16\x07\xff\xfe")
    starts = env.run("-c", "pass", env={"LC_ALL": "C.UTF-8"}).returncode == 0
    assert bool(errors(diagnose(env.prefix, "PTH008"))) is not starts


def test_inactive_user_site_is_not_read(env: Env, tmp_path: Path) -> None:
    user = tmp_path / ".local" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    user.mkdir(parents=True)
    (user / "x.pth").write_text("import this_is_code\n/gone\n")
    assert diagnose(env.prefix, "PTH007", "PTH008", environ={"PATH": "", "HOME": str(tmp_path)}) == []


def test_code_for_a_module_that_is_gone(env: Env) -> None:
    (env.site / "__editable__.proj-0.1.0.pth").write_text(
        "import __editable___proj_0_1_0_finder; __editable___proj_0_1_0_finder.install()"
    )
    assert "ModuleNotFoundError" in env.run("-c", "pass").stderr
    finding = only(diagnose(env.prefix, "PTH008"), "PTH008")
    assert finding.severity == "warning"
    assert "__editable___proj_0_1_0_finder" in finding.message


def test_a_windows_environment_looked_at_from_here(tmp_path: Path) -> None:
    site = tmp_path / "env" / "Lib" / "site-packages"
    (site / "win32").mkdir(parents=True)
    (tmp_path / "env" / "Scripts").mkdir()
    (tmp_path / "env" / "Scripts" / "python.exe").write_bytes(b"MZ" + bytes(200))
    (tmp_path / "env" / "Scripts" / "tool.exe").write_bytes(
        b"MZ" + bytes(900) + b"#!C:\\old\\Scripts\\python.exe\r\nPK\x03\x04PK\x05\x06"
    )
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = C:\\Python311\nversion = 3.11.7\n")
    (site / "pywin32.pth").write_text("win32\nwin32\\lib\nC:\\src\\mine\n")
    (site / "win32" / "lib").mkdir()
    assert errors(diagnose(tmp_path / "env", "PTH")) == []
    assert diagnose(tmp_path / "env", "PTH007") == []


def test_a_long_tail_behind_known_code_is_not_known(env: Env) -> None:
    (env.site / "_distutils_hack.py").write_text("def add_shim(): ...\n")
    (env.site / "distutils-precedence.pth").write_text(PRECEDENCE + " " * 500 + "__import__('antigravity')\n")
    assert only(diagnose(env.prefix, "PTH008"), "PTH008").severity == "warning"
