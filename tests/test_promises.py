"""The contract's promises: no code of a target runs, nothing is written, no network is used, and the conformance script passes.

Every place where a Python environment can smuggle code into a program that looks at it holds a trap here. A trap that runs
leaves a mark.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import Env, compile_extension, venv
from tests.command import ROOT, clean_shell, command

XY = f"{sys.version_info.major}.{sys.version_info.minor}"


class Trapped:
    """An environment, a home and a project full of traps, and the shell of a person who works in them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.marks = root / "marks"
        self.marks.mkdir(parents=True)
        self.home = root / "home"
        self.project = root / "project"
        self.cache = root / "cache"
        self.launch = root / "launch"
        for folder in (self.home, self.project, self.cache, self.launch):
            folder.mkdir()
        self.env = venv(root / "env", system_site=True)
        self._environment()
        self._home()
        self._project()

    def mark(self, name: str) -> str:
        """Python code, one line, that leaves a mark."""
        return f"open({str(self.marks / name)!r}, 'w').close()"

    def _script(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n: > {shlex.quote(str(self.marks / path.name))}\n")
        path.chmod(0o755)

    def _environment(self) -> None:
        env, site = self.env, self.env.site
        (site / "sitecustomize.py").write_text(self.mark("sitecustomize") + "\n")
        (site / "usercustomize.py").write_text(self.mark("usercustomize-site") + "\n")
        (site / "trap.pth").write_text(f"import os; {self.mark('pth')}\n")
        (site / "site.py").write_text(self.mark("site") + "\n")
        entry = "[console_scripts]\ntrap = trap:main\n[pytest11]\ntrap = trap.plugin\n[envdoctor.rules]\ntrap = trap.plugin\n"
        env.dist(
            "trap",
            files={
                "trap/__init__.py": self.mark("package") + "\n",
                "trap/__main__.py": self.mark("main") + "\n",
                "trap/plugin.py": self.mark("plugin") + "\n",
                "trap/conftest.py": self.mark("package-conftest") + "\n",
                "conftest.py": self.mark("site-conftest") + "\n",
            },
            requires=["absent>=2"],
            entry_points=entry,
        )
        env.dist(
            "pip", "20.0", files={"pip/__init__.py": self.mark("pip") + "\n", "pip/__main__.py": self.mark("pip-main") + "\n"}
        )
        env.dist("setuptools", "60.0", files={"setuptools/__init__.py": self.mark("setuptools") + "\n"})
        env.dist(
            "finder",
            files={
                "__editable___finder_1_0_finder.py": f"{self.mark('finder')}\nMAPPING = {{'finder': '/nonexistent/finder'}}\n"
            },
            direct_url=json.dumps({"url": "file:///nonexistent", "dir_info": {"editable": True}}),
        )
        (site / "__editable__.finder-1.0.pth").write_text("import __editable___finder_1_0_finder\n")
        for name in ("envdoctor", "click", "msgspec", "rich", "packaging", "psutil", "archspec"):
            (site / f"{name}.py").write_text(self.mark(f"shadow-{name}") + "\n")
        if shutil.which("gcc"):
            path = str(self.marks / "native").replace("\\", "\\\\")
            compile_extension(
                site,
                "native_trap",
                source="#include <Python.h>\n#include <stdio.h>\n"
                f'__attribute__((constructor)) static void mark(void) {{ FILE *f = fopen("{path}", "w"); if (f) fclose(f); }}\n'
                'static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "native_trap", 0, -1, 0};\n'
                "PyMODINIT_FUNC PyInit_native_trap(void) { return PyModule_Create(&m); }\n",
            )
        for name in (
            "pip",
            "pip3",
            "conda",
            "uv",
            "activate",
            "deactivate",
            "git",
            "gcc",
            "cc",
            "ldd",
            "ldconfig",
            "lscpu",
            "nvidia-smi",
        ):
            self._script(env.prefix / "bin" / name)
        for name in ("uname", "file", "readelf", "objdump", "cmake", "cargo", "rustc", "nvcc", "jupyter", "pyenv", "which", "sh"):
            self._script(env.prefix / "bin" / name)
        kernel = env.prefix / "share/jupyter/kernels/trap/kernel.json"
        kernel.parent.mkdir(parents=True)
        self._script(env.prefix / "bin" / "kernel-trap")
        argv = [str(env.prefix / "bin/kernel-trap"), "-f", "{connection_file}"]
        kernel.write_text(json.dumps({"argv": argv, "language": "python", "display_name": "trap"}))
        for name in ("activate.d", "deactivate.d"):
            self._script(env.prefix / "etc/conda" / name / "trap.sh")

    def _home(self) -> None:
        user = self.home / f".local/lib/python{XY}/site-packages"
        user.mkdir(parents=True)
        (user / "usercustomize.py").write_text(self.mark("usercustomize") + "\n")
        (user / "sitecustomize.py").write_text(self.mark("sitecustomize-user") + "\n")
        (user / "user.pth").write_text(f"import os; {self.mark('user-pth')}\n")
        (self.home / ".bashrc").write_text(f": > {shlex.quote(str(self.marks / 'bashrc'))}\n")
        (self.home / ".pythonrc.py").write_text(self.mark("pythonrc") + "\n")
        (self.home / ".config/pip").mkdir(parents=True)
        (self.home / ".config/pip/pip.conf").write_text("[global]\nextra-index-url = http://index.invalid/simple\n")

    def _project(self) -> None:
        project = self.project
        for name in (
            "conftest",
            "setup",
            "noxfile",
            "json",
            "random",
            "msgspec",
            "click",
            "rich",
            "packaging",
            "tomllib",
            "platform",
        ):
            (project / f"{name}.py").write_text(self.mark(f"project-{name}") + "\n")
        (project / "pyproject.toml").write_text(
            '[project]\nname = "trapped"\nversion = "1"\nrequires-python = ">=3.8"\n'
            '[build-system]\nrequires = []\nbuild-backend = "setup"\nbackend-path = ["."]\n'
        )
        (project / "requirements.txt").write_text("absent>=2\n")

    @property
    def shell(self) -> dict[str, str]:
        """Variables; PATH starts with the target's bin."""
        return clean_shell(
            {
                "PATH": f"{self.env.prefix}/bin:{os.environ.get('PATH', '')}",
                "HOME": str(self.home),
                "XDG_CACHE_HOME": str(self.cache),
                "VIRTUAL_ENV": str(self.env.prefix),
                "PYTHONSTARTUP": str(self.home / ".pythonrc.py"),
            }
        )

    def run(self, *args: str, through: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """envdoctor, started in the project. ``-B``: our own byte code is not what this is about."""
        return subprocess.run(
            [*through, *command(self.launch, "-B"), *args],
            capture_output=True,
            text=True,
            env=self.shell,
            cwd=self.project,
            timeout=120,
            check=False,
        )

    def sprung(self) -> list[str]:
        """Names of the traps that ran."""
        return sorted(path.name for path in self.marks.iterdir())


@pytest.fixture(scope="module")
def trapped(tmp_path_factory: pytest.TempPathFactory) -> Trapped:
    return Trapped(tmp_path_factory.mktemp("trapped"))


def state(*roots: Path) -> dict[str, tuple[int, ...]]:
    """Everything of these folders that a write would change; reading changes the access time alone."""
    found: dict[str, tuple[int, ...]] = {}
    for root in roots:
        for folder, folders, files in os.walk(root):
            for name in [".", *folders, *files]:
                path = os.path.join(folder, name)
                info = os.lstat(path)
                found[path] = (
                    info.st_ino,
                    info.st_mode,
                    info.st_nlink,
                    info.st_uid,
                    info.st_size,
                    info.st_mtime_ns,
                    info.st_ctime_ns,
                )
    return found


COMMANDS = [
    ("check",),
    ("check", "--format", "json"),
    ("check", "--deep", "-v"),
    ("check", "--no-cache", "--format", "json"),
    ("check", "--python", "{env}/bin/python"),
    ("snapshot",),
    ("explain", "PKG001"),
    ("rules",),
    ("fix",),
    ("diff", "{env}", "requirements.txt"),
    ("diff", "{env}", "{env}/bin/python", "--format", "json"),
    ("lock", "--check", "requirements.txt"),
    ("lock", "--freeze", "-p", "{env}", "--offline", "--dry-run"),
    ("--version",),
    ("--help",),
]


def test_the_traps_are_real(tmp_path: Path) -> None:
    """Python itself, started plainly in that environment, springs them: a trap that cannot run proves nothing."""
    trapped = Trapped(tmp_path)
    subprocess.run(
        [str(trapped.env.python), "-c", "import trap, trap.plugin, pip, finder_absent"],
        cwd=trapped.project,
        env=trapped.shell,
        check=False,
    )
    assert {"sitecustomize", "pth", "finder", "package", "plugin", "pip", "user-pth"} <= set(trapped.sprung())


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_code_of_the_target_runs_and_nothing_changes(trapped: Trapped, words: tuple[str, ...]) -> None:
    places = (trapped.env.prefix, trapped.home, trapped.project)
    before = state(*places)
    done = trapped.run(*(word.format(env=trapped.env.prefix) for word in words))
    assert "Traceback" not in done.stderr
    assert trapped.sprung() == []
    assert state(*places) == before


def test_snapshot_is_written_where_it_is_asked_for_and_judged_without_the_target(trapped: Trapped, tmp_path: Path) -> None:
    out = tmp_path / "snapshot.json"
    before = state(trapped.env.prefix, trapped.home, trapped.project)
    done = trapped.run("snapshot", "--output", str(out))
    assert done.returncode == 0, done.stderr
    live = json.loads(trapped.run("check", "--format", "json").stdout)
    judged = json.loads(trapped.run("check", "--snapshot", str(out), "--format", "json").stdout)
    assert judged["findings"] == live["findings"]
    assert trapped.sprung() == []
    assert state(trapped.env.prefix, trapped.home, trapped.project) == before


# --------------------------------------------------------------------------------------------------------- system calls

STRACE = shutil.which("strace")
_CALL = re.compile(r"^(?:\d+\s+)?(\w+)\((.*)$")
_WRITES: tuple[str, ...] = (
    "creat",
    "mkdir",
    "rmdir",
    "unlink",
    "rename",
    "link",
    "symlink",
    "mknod",
    "truncate",
    "ftruncate",
    "utime",
    "futimesat",
)
_WRITES += (
    "chmod",
    "fchmod",
    "chown",
    "fchown",
    "lchown",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "mount",
    "umount",
)
"""Beginnings of the names of calls that change a file system."""


class Trace:
    """What a traced run did, from strace's lines."""

    def __init__(self, lines: list[str], allowed: tuple[str, ...]) -> None:
        self.writes: list[str] = []
        self.sockets: list[str] = []
        self.programs: list[list[str]] = []
        self.calls = 0
        for line in lines:
            found = _CALL.match(line)
            if not found:
                continue
            self.calls += 1
            name, rest = found.groups()
            if rest.rstrip().endswith("(No such file or directory)") and name == "execve":
                continue
            if name == "execve":
                self.programs.append(re.findall(r'"((?:[^"\\]|\\.)*)"', rest.split("], ")[0]))
            elif name in ("open", "openat", "openat2"):
                if re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)", rest):
                    self._write(line, rest, allowed)
            elif name.startswith(_WRITES):
                self._write(line, rest, allowed)
            elif name in ("socket", "connect", "bind", "sendto"):
                self.sockets.append(line)

    def _write(self, line: str, rest: str, allowed: tuple[str, ...]) -> None:
        paths = re.findall(r'"((?:[^"\\]|\\.)*)"', rest)
        if not paths or not all(path.startswith(allowed) for path in paths):
            self.writes.append(line)


@pytest.fixture
def traceable(tmp_path: Path) -> None:
    if STRACE is None:
        pytest.skip("strace is not here")
    if subprocess.run([STRACE, "-o", str(tmp_path / "probe"), "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("strace may not trace here")


def trace(trapped: Trapped, tmp_path: Path, *words: str, allowed: tuple[str, ...]) -> Trace:
    out = tmp_path / "trace"
    options = ("-f", "-qq", "-s", "4096", "-e", "trace=file,network,process,desc", "-o", str(out))
    done = trapped.run(*words, through=(str(STRACE), *options))
    assert done.returncode in (0, 1), done.stderr
    lines = out.read_text("utf-8", "replace").splitlines()
    assert any("pyvenv.cfg" in line for line in lines), "the trace saw nothing of the target"
    return Trace(lines, allowed)


@pytest.mark.parametrize(
    "words", [("check",), ("check", "--format", "json"), ("snapshot",), ("diff", ".", "requirements.txt")], ids=" ".join
)
def test_system_calls(trapped: Trapped, tmp_path: Path, traceable: None, words: tuple[str, ...]) -> None:
    """No write outside envdoctor's cache, no socket, and one other program at most: the interpreter with ``-I -S``."""
    words = tuple(str(trapped.env.prefix) if word == "." else word for word in words)
    seen = trace(trapped, tmp_path, *words, allowed=(str(trapped.cache / "envdoctor"), "/dev/null", "/dev/tty"))
    assert seen.calls > 100
    assert seen.writes == []
    assert seen.sockets == []
    own, *others = seen.programs
    assert own[0] == sys.executable
    for program in others:
        assert "-I" in program and "-S" in program, program
    assert len({tuple(program) for program in others}) <= 1, others
    assert trapped.sprung() == []


def test_without_cache_nothing_at_all_is_written(trapped: Trapped, tmp_path: Path, traceable: None) -> None:
    seen = trace(trapped, tmp_path, "check", "--no-cache", allowed=("/dev/null", "/dev/tty"))
    assert seen.writes == []
    assert seen.sockets == []


def test_the_cache_is_private_and_only_where_it_should_be(trapped: Trapped) -> None:
    trapped.run("check")
    for path in trapped.cache.rglob("*"):
        assert path.relative_to(trapped.cache).parts[0] == "envdoctor"
        assert stat.S_IMODE(path.stat().st_mode) & 0o022 == 0


def test_an_unusable_cache_folder_does_not_matter(trapped: Trapped, tmp_path: Path) -> None:
    """A file where the cache folder should be: the same report, and the file stays."""
    block = tmp_path / "block"
    block.write_text("mine")
    argv = [*command(trapped.launch, "-B"), "check", "--format", "json"]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        cwd=trapped.project,
        timeout=120,
        check=False,
        env={**trapped.shell, "XDG_CACHE_HOME": str(block)},
    )
    plain = trapped.run("check", "--no-cache", "--format", "json")
    assert done.returncode == plain.returncode, done.stderr
    assert json.loads(done.stdout)["findings"] == json.loads(plain.stdout)["findings"]
    assert block.read_text() == "mine"


def test_the_probe_is_the_only_thing_started_even_with_a_wrapper_as_python(tmp_path: Path) -> None:
    """bin/python of the target is any program: it is started once at most, isolated, and may not hang the check."""
    env = venv(tmp_path / "env")
    calls = tmp_path / "calls"
    (env.prefix / "bin/python").unlink()
    (env.prefix / "bin/python").write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(str(calls))}\nsleep 60\n')
    (env.prefix / "bin/python").chmod(0o755)
    done = subprocess.run(
        [*command(tmp_path), "check", str(env.prefix), "--format", "json"],
        capture_output=True,
        text=True,
        env=clean_shell({"XDG_CACHE_HOME": str(tmp_path / "cache")}),
        cwd=tmp_path,
        timeout=45,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    lines = calls.read_text().splitlines() if calls.exists() else []
    assert len(lines) <= 1
    assert all(line.startswith("-I -S ") for line in lines), lines


# ---------------------------------------------------------------------------------------------------------- conformance

CONFORMANCE = ROOT.parent / "shared" / "conformance.py"


@pytest.mark.skipif(not CONFORMANCE.is_file(), reason="the conformance script is not beside this checkout")
def test_conformance(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(CONFORMANCE), "--envdoctor", shlex.join(command(tmp_path))],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=clean_shell({"XDG_CACHE_HOME": str(tmp_path / "cache")}),
    )
    failed = re.findall(r"^FAILED  (.*?) · (.*)$", done.stdout, re.MULTILINE)
    assert failed == [], done.stdout + done.stderr
    assert len(re.findall(r"^ok ", done.stdout, re.MULTILINE)) >= 20, done.stdout


def test_two_environments_are_told_apart(tmp_path: Path) -> None:
    """The environment that envdoctor itself runs in never leaks into the report on another."""
    env: Env = venv(tmp_path / "other")
    done = subprocess.run(
        [*command(tmp_path), "check", str(env.prefix), "--format", "json"],
        capture_output=True,
        text=True,
        env=clean_shell({"XDG_CACHE_HOME": str(tmp_path / "cache")}),
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["target"]["prefix"] == str(env.prefix)
    assert report["findings"] == [] or not [f for f in report["findings"] if f["severity"] == "error"]
    assert sys.prefix not in done.stdout
