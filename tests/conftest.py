"""Shared fixtures: the command line as a subprocess, a throwaway environment."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).resolve().parent
for _folder in (str(HERE), str(HERE.parent)):
    if _folder not in sys.path:
        sys.path.insert(0, _folder)  # both "from builders import …" and "from tests.builders import …" work

from tests.builders import Env, venv  # noqa: E402
from tests.command import clean_shell, command  # noqa: E402

# A run that everybody waits for tries the same cases every time; HYPOTHESIS_PROFILE=default looks for new ones.
settings.register_profile("same", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

SEEN = "ENVDOCTOR_TEST_SEEN"
"""Variable with the file in which ``support.report_of`` notes which rule fired or stayed silent on a snapshot and its JSON."""


def pytest_configure(config: pytest.Config) -> None:
    """One file for a run and all its workers."""
    if not hasattr(config, "workerinput"):
        handle, path = tempfile.mkstemp(prefix="envdoctor-seen-")
        os.close(handle)
        os.environ[SEEN] = path


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """After a whole, green run: every rule has fired and has stayed silent, on the thing itself and on its snapshot alike."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    path = Path(os.environ.pop(SEEN))
    seen = set(path.read_text().split("\n"))
    path.unlink()
    whole = [Path(a).resolve() for a in config.args] in ([HERE], []) and not config.option.keyword
    if exitstatus or not whole or config.option.collectonly:
        return
    from envdoctor.rules import modules

    lacking = [f"{code} never {word}" for code in modules() for word in ("fired", "silent") if f"{code} {word}" not in seen]
    if lacking:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        sys.stderr.write("\nrules without a case: " + ", ".join(lacking) + "\n")


Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every envdoctor that a test starts caches in a folder of this run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def env(tmp_path: Path) -> Env:
    """A fresh, empty venv of the running Python, without pip."""
    return venv(tmp_path / "env")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder to compile in, apart from the environment; not made yet."""
    return tmp_path / "work"


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Runs ``envdoctor ARGS`` in an empty folder; `env` is added to a clean shell."""
    empty = tmp_path_factory.mktemp("empty")
    argv = command(tmp_path_factory.mktemp("launch"))

    def run(
        *args: object,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 120,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*argv, *map(str, args)],
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            env=clean_shell(env),
            cwd=cwd or empty,
            timeout=timeout,
            input=stdin,
            check=False,
        )

    return run
