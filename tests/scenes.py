"""The console blocks of the documentation: found, carried out in scenes that are built for real, compared, written anew.

A block is fenced as ``console``: lines with ``$ `` are commands (continued by a trailing backslash and ``> ``), the others are
what they print, ``…`` alone on a line stands for lines that were left out. A comment on the line before names the scene:

    <!-- scene: broken -->      a fresh one, named in SCENES
    <!-- scene: same -->        what the block before it in this page left behind
    <!-- scene: compiled index -->  needs the package index (or another of NEEDS): carried out where that is there

The commands of one block run in one bash, in the scene's project folder, with a home folder of their own and a shell without
settings. Compared are words, not columns: paths make lines break elsewhere. What differs from machine to machine (times, counts,
versions of Python, libc, processor) is taken out of both sides.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.builders import Env, venv
from tests.command import clean_shell, command

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"
HOME = "/home/you"
"""What the home folder of every scene is called in the documentation."""
PICTURED = "envdoctor check"
"""The command of docs/terminal.svg, in the scene of a broken project."""
LEFT_OUT = "…"
MARK = "\x1e"
NEEDS = ("index",)
"""What a block may need beyond this machine: the package index."""
_TOOLS = ("bash", "cat", "cp", "ls", "mkdir", "mv", "rm", "sed", "touch", "uv")
"""What stands on PATH in every scene besides envdoctor: no Python, no pip, no conda of this machine."""
_BLOCK = re.compile(
    r"(?:^<!-- scene: (?P<scene>[a-z ]+) -->\n+)?^(?P<fence>```+)console\n(?P<body>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL
)
_VOLATILE = (
    (r"CPython 3\.\d+\.\d+\S*", "CPython X"),
    (r"python3\.\d+", "python3.X"),
    (r"linux \w+, (?:glibc|musl) [\d.]+(?:, x86-64-v\d)?", "MACHINE"),
    (r"\b[\d,]+ (files?|native files?|rules|symbols)\b", r"N \1"),
    (r"\bin \d+(?:\.\d+)? s\b", "in T s"),
    (r"\d{4}-\d\d-\d\d(?:T[\d:.]+Z?)?", "DATE"),
)


class Block(NamedTuple):
    """A console block: the page, its line there, the scene's name, what it needs, and its commands with what they print."""

    page: Path
    line: int
    start: int
    end: int
    scene: str
    needs: tuple[str, ...]
    steps: tuple[tuple[str, str], ...]


class SceneError(Exception):
    """A block is not written as it must be."""


def pages() -> list[Path]:
    """The pages with blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order. Raises SceneError."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("body")) + 1
        scene, *needs = (match["scene"] or "-").split()
        if scene not in (*SCENES, "same") or not set(needs) <= set(NEEDS):
            raise SceneError(f"{page.name}:{line}: no scene: {match['scene']}")
        steps = tuple(_steps(match["body"].splitlines()))
        if not steps:
            raise SceneError(f"{page.name}:{line}: no command")
        found.append(Block(page, line, match.start("body"), match.end("body"), scene, tuple(needs), steps))
    if len(found) != text.count("```console\n"):
        raise SceneError(f"{page.name}: a console block that is not closed, or indented")
    return found


def _steps(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Commands (as in the shell, with their line ends) with what they print."""
    told: list[str] = []
    typed = ""
    for line in lines:
        if line.startswith("$ "):
            if typed:
                yield typed, "\n".join(told)
            typed, told = line[2:], []
        elif line.startswith("> ") and typed.endswith("\\") and not told:
            typed += "\n" + line[2:]
        elif typed:
            told.append(line)
        else:
            raise SceneError(f"output before the first command: {line}")
    if typed:
        yield typed, "\n".join(told)


# What stands where


def _broken(home: Path) -> None:
    """A project whose environment lacks a dependency and a module."""
    env = _project(home)
    env.dist("alpha", requires=["beta-lib>=2"])
    env.dist("gamma", "2.1", requires=["alpha>=1"])
    env.dist("orange", "2.0")
    (env.site / "orange" / "__init__.py").unlink()


def _healthy(home: Path) -> None:
    """The same project as it should be."""
    env = _project(home)
    env.dist("alpha", requires=["beta-lib>=2"])
    env.dist("beta-lib", "2.3")


def _moved(home: Path) -> None:
    """An environment that was moved, with a console script that starts the old place's Python."""
    env = venv(home / "old" / ".venv")
    env.dist("alpha")
    (home / "old").rename(home / "project")


def _locked(home: Path) -> None:
    """A project with uv's lock, of which one package is installed in another version and one is missing."""
    env = _project(home)
    env.dist("attrs", "23.2.0", installer="uv")
    _uv_lock(home / "project", "attrs", "iniconfig")


def _stale(home: Path) -> None:
    """A project that asks for more than its lock was made for."""
    _uv_lock(home / "project", "attrs>=20", "iniconfig", locked=("attrs", "iniconfig"))


def _recorded(home: Path) -> None:
    """Snapshots of a real stack of torch for CUDA 12.6 and of machines, no environment."""
    project = home / "project"
    project.mkdir()
    (project / "stack.json").write_bytes(gzip.decompress((FIXTURES / "snapshots" / "torch-cu126.json.gz").read_bytes()))
    for name in ("h100-node", "v100-node", "gpu-node", "old-cluster"):
        shutil.copy(FIXTURES / "machines" / f"{name}.json", project)


def _conda(home: Path) -> None:
    """A prefix of conda with two packages and their records, and a Python that cannot be asked: envdoctor needs none."""
    prefix = home / "project" / "env"
    site = Env(prefix)
    (prefix / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin" / "python3.11").write_text("#!/bin/sh\nexit 1\n")
    (prefix / "bin" / "python3.11").chmod(0o755)
    for name in ("python", "python3"):
        (prefix / "bin" / name).symlink_to("python3.11")
    (home / ".conda").mkdir()
    (home / ".conda" / "environments.txt").write_text(f"{prefix}\n")
    folder = prefix / "conda-meta"
    folder.mkdir()
    (folder / "history").write_text("")
    relative = "lib/python3.11/site-packages"
    for name, number in (("alpha", "1.0"), ("beta-lib", "2.3"), ("python", "3.11.9")):
        if name == "python":
            files = ["bin/python", "bin/python3", "bin/python3.11"]
        else:
            info = site.dist(name, number, installer="conda", requires=["beta-lib>=2"] if name == "alpha" else ())
            files = [f"{relative}/{name.replace('-', '_')}/__init__.py"]
            files += [f"{relative}/{info.name}/{each.name}" for each in sorted(info.iterdir())]
        record = {
            "name": name, "version": number, "build": "py_0", "build_number": 0, "channel": "https://conda.example.org/main/noarch",
            "subdir": "noarch", "fn": f"{name}-{number}-py_0.conda", "files": files,
            "depends": ["beta-lib >=2"] if name == "alpha" else [],
            "paths_data": {"paths_version": 1, "paths": [{"_path": each, "path_type": "hardlink"} for each in files]},
        }  # fmt: skip
        (folder / f"{name}-{number}-py_0.json").write_text(json.dumps(record))


def _mixed(home: Path) -> None:
    """The prefix of conda, after pip took out conda's beta-lib and put an older one there."""
    _conda(home)
    env = Env(home / "project" / "env")
    shutil.rmtree(env.site / "beta_lib-2.3.dist-info")
    shutil.rmtree(env.site / "beta_lib")
    env.dist("beta-lib", "1.9")


def _mac(home: Path) -> None:
    """A copy of an environment of a Mac with Apple silicon, with a package whose compiled file is for Intel."""
    env = Env(home / "project" / "mac-env")
    (env.prefix / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (env.prefix / "bin").mkdir()
    (env.prefix / "bin" / "python3.11").write_bytes((FIXTURES / "native" / "macos-arm64.macho").read_bytes())
    (env.prefix / "bin" / "python").symlink_to("python3.11")
    (env.prefix / "pyvenv.cfg").write_text("home = /opt/homebrew/bin\nversion = 3.11.5\ninclude-system-site-packages = false\n")
    intel = (FIXTURES / "native" / "macos-x86_64.macho").read_bytes()
    files: dict[str, str | bytes] = {"markupsafe/__init__.py": "", "markupsafe/_speedups.cpython-311-darwin.so": intel}
    env.dist("markupsafe", "2.1.5", files=files, tags=["cp311-cp311-macosx_10_9_x86_64"])


def _project(home: Path) -> Env:
    """~/project with an empty .venv."""
    return venv(home / "project" / ".venv")


def _uv_lock(project: Path, *requires: str, locked: tuple[str, ...] = ()) -> None:
    """pyproject.toml that asks for `requires` and uv's lock made for `locked`: attrs 24.2.0 and iniconfig 2.0.0."""
    project.mkdir(exist_ok=True)
    wanted = ", ".join(f'"{each}"' for each in requires)
    (project / "pyproject.toml").write_text(
        f'[project]\nname = "demo"\nversion = "1.0"\nrequires-python = ">=3.10"\ndependencies = [{wanted}]\n'
    )
    names = locked or requires
    parts = ['version = 1\nrevision = 3\nrequires-python = ">=3.10"\n']
    for name, number in (("attrs", "24.2.0"), ("iniconfig", "2.0.0")):
        url = f"https://files.example.org/{name}-{number}-py3-none-any.whl"
        parts.append(
            f'[[package]]\nname = "{name}"\nversion = "{number}"\nsource = {{ registry = "https://index.example.org/simple" }}\n'
            f'wheels = [\n    {{ url = "{url}", hash = "sha256:{"0" * 63}{len(name)}", size = 1000 }},\n]\n'
        )
    depends = "".join(f'    {{ name = "{each}" }},\n' for each in names)
    metadata = ", ".join(f'{{ name = "{each}" }}' for each in names)
    parts.append(
        f'[[package]]\nname = "demo"\nversion = "1.0"\nsource = {{ virtual = "." }}\ndependencies = [\n{depends}]\n\n'
        f"[package.metadata]\nrequires-dist = [{metadata}]\n"
    )
    (project / "uv.lock").write_text("\n".join(parts))


def _compiled(home: Path) -> None:
    """Real wheels of the index: numba without llvmlite, a numpy that is too new for it, OpenCV of which a library was deleted."""
    project = home / "project"
    project.mkdir()
    uv = _which("uv") or "uv"
    wheels = ["numba==0.59.1", "numpy==2.1.3", "opencv-python==4.10.0.84", "packaging==24.2"]
    python = str(project / ".venv" / "bin" / "python")
    for argv in (
        [uv, "venv", "-q", "-p", "3.11", str(project / ".venv")],
        [uv, "pip", "install", "-q", "--no-deps", "--python", python, *wheels],
    ):
        subprocess.run(argv, check=True, capture_output=True, timeout=600, env=clean_shell({"UV_LINK_MODE": "copy"}))
    next((project / ".venv").rglob("libQt5Gui-*")).unlink()


def _lacking(home: Path) -> None:
    """Jinja2 of the index without the MarkupSafe that it needs."""
    (home / "project").mkdir()
    python = str(home / "project" / ".venv" / "bin" / "python")
    uv = _which("uv") or "uv"
    for argv in (
        [uv, "venv", "-q", "-p", sys.executable, str(home / "project" / ".venv")],
        [uv, "pip", "install", "-q", "--no-deps", "--python", python, "jinja2==3.1.4"],
    ):
        subprocess.run(argv, check=True, capture_output=True, timeout=600, env=clean_shell({"UV_LINK_MODE": "copy"}))


def _empty(home: Path) -> None:
    """A project with requirements and nothing else."""
    (home / "project").mkdir()
    (home / "project" / "requirements.in").write_text("attrs\nrequests\n")


SCENES: dict[str, Callable[[Path], None]] = {
    "broken": _broken,
    "healthy": _healthy,
    "moved": _moved,
    "locked": _locked,
    "stale": _stale,
    "recorded": _recorded,
    "conda": _conda,
    "mixed": _mixed,
    "mac": _mac,
    "compiled": _compiled,
    "empty": _empty,
    "lacking": _lacking,
}


# Carried out


@contextmanager
def home_folder() -> Iterator[Path]:
    """A home folder whose name is as long as HOME, so that lines break as in the documentation; removed at the end."""
    while True:
        home = Path("/tmp") / secrets.token_hex(2)
        try:
            home.mkdir(mode=0o700)
            break
        except FileExistsError:
            continue
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def prepare(name: str, home: Path) -> None:
    """Empties the home folder and builds a scene in it, with envdoctor as a command in bin."""
    for each in list(home.iterdir()):
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    SCENES[name](home)
    folder = home / "bin"
    folder.mkdir(exist_ok=True)
    argv = command(folder)
    ignored = ",".join(_of_this_machine()) if name != "recorded" else ""
    extra = f'case "$1" in check | fix) set -- "$1" --ignore {ignored} "${{@:2}}" ;; esac\n' if ignored else ""
    for tool in _TOOLS:
        if found := _which(tool):
            (folder / tool).symlink_to(found)
    script = folder / "envdoctor"
    script.write_text(f'#!/bin/bash\n{extra}exec {argv[0]} {argv[1]} "$@"\n')
    script.chmod(0o755)


@cache
def _of_this_machine() -> tuple[str, ...]:
    """Codes that fire here on a healthy environment: a full disk, an old Python. The documentation is not about them."""
    with home_folder() as home:
        _healthy(home)
        argv = [*command(home), "check", "--format", "json"]
        done = subprocess.run(
            argv, capture_output=True, text=True, cwd=home / "project", env=_shell(home), timeout=120, check=False
        )
        return tuple(sorted({finding["code"] for finding in json.loads(done.stdout)["findings"]}))


def _which(tool: str) -> str | None:
    """A program, first of all beside the running Python: uv comes with the dev group."""
    return shutil.which(tool, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def _shell(home: Path) -> dict[str, str]:
    """Variables of a shell that knows nothing but the scene."""
    shell = {k: v for k, v in clean_shell().items() if not k.startswith(("XDG_", "GIT_", "ENVDOCTOR", "FORCE_COLOR", "NO_COLOR"))}
    return {**shell, "HOME": str(home), "PATH": f"{home}/bin", "COLUMNS": "90", "LC_ALL": "C.UTF-8", "TERM": "dumb", "PS1": ""}


def carry_out(block: Block, home: Path, *, color: bool = False) -> list[str]:
    """What each command of the block prints (stdout and stderr), the home folder called HOME. The scene stands there already."""
    script = "".join(f"printf '{MARK}'\n{typed}\n" for typed, _ in block.steps)
    shell = _shell(home) | ({"FORCE_COLOR": "1"} if color else {})
    shell |= {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv"))} if block.needs else {}
    done = subprocess.run(
        [_which("bash") or "bash", "-c", script],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", cwd=home / "project", env=shell, timeout=300, check=False,
    )  # fmt: skip
    told = done.stdout.split(MARK)[1:]
    if len(told) != len(block.steps):
        raise SceneError(f"{block.page.name}:{block.line}: the shell ended early: {done.stdout[-500:]}")
    return [text.replace(str(home), HOME).rstrip("\n") for text in told]


def pictured(*, color: bool = False) -> str:
    """What the command of the terminal picture prints."""
    block = Block(ROOT / "docs" / "terminal.svg", 1, 0, 0, "broken", (), ((PICTURED, ""),))
    with home_folder() as home:
        prepare(block.scene, home)
        return carry_out(block, home, color=color)[0]


def index_reachable() -> bool:
    """Whether the package index answers, and uv is there to ask it."""
    uv = _which("uv")
    if uv is None or os.environ.get("UV_OFFLINE"):
        return False
    with home_folder() as home:
        argv = [uv, "pip", "compile", "-q", "--no-deps", "--no-header", "-"]
        done = subprocess.run(
            argv, input="iniconfig", capture_output=True, text=True, cwd=home, env=clean_shell(), timeout=60, check=False
        )
        return done.returncode == 0


# Compared and written


def normal(text: str) -> str:
    """`text` in one line, without what differs from machine to machine."""
    text = " ".join(text.split())
    for pattern, instead in _VOLATILE:
        text = re.sub(pattern, instead, text)
    return text


def same(shown: str, told: str) -> bool:
    """Whether the documentation shows what was printed, up to what differs everywhere and what it leaves out."""
    parts = re.split(rf"^[ \t]*{LEFT_OUT}[ \t]*$", shown, flags=re.MULTILINE)
    pattern = "(?:.*)".join(re.escape(normal(part)) for part in parts)
    return re.fullmatch(pattern.replace("(?:.*)", "(?: ?.*? ?)"), normal(told), re.DOTALL) is not None


def rewritten(shown: str, told: str) -> str:
    """`told`, with the same lines left out as in `shown`: after a ``…`` it goes on with the line with which `shown` goes on.

    What is shown well is kept as it is. A left-out end stays left out, after as many lines as `shown` had before.
    """
    if same(shown, told):
        return shown
    before, *rest = re.split(rf"^[ \t]*{LEFT_OUT}[ \t]*\n?", shown + "\n", flags=re.MULTILINE)
    if not rest:
        return told
    lines = told.split("\n")
    result = lines[: before.count("\n")]
    at = len(result)
    for part in rest:
        result.append(LEFT_OUT)
        wanted = part.rstrip("\n").split("\n")
        first = normal(wanted[0])
        if not first:
            return "\n".join(result)
        found = next((i for i in range(at, len(lines)) if normal(lines[i]) == first), None)
        if found is None:
            return told
        result += lines[found : found + len(wanted)]
        at = found + len(wanted)
    return "\n".join(result)


def rewrite(page: Path, *, index: bool) -> str:
    """The page's text with blocks as they come out today; those that need what is not there stay."""
    text = page.read_text(encoding="utf-8")
    made: list[tuple[Block, str]] = []
    with home_folder() as home:
        for block in blocks(page):
            if block.needs and not index:
                continue
            if block.scene != "same":
                prepare(block.scene, home)
            told = carry_out(block, home)
            body = ""
            for (typed, shown), printed in zip(block.steps, told, strict=True):
                words = rewritten(shown, printed)
                body += "$ " + typed.replace("\n", "\n> ") + "\n" + (words + "\n" if words else "")
            made.append((block, body))
    for block, body in reversed(made):
        text = text[: block.start] + body + text[block.end :]
    return text
