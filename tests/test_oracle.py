"""The import oracle tells the loader's failures from Python's, on an environment small enough to be known in full."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import oracle
from benchmarks.oracle_faults import Elf, elf_hash
from tests.builders import Env, compile_extension, venv

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not (shutil.which("gcc") or shutil.which("cc")), reason="Linux with a C compiler"
)
OPTIONS = Namespace(results=None, timeout=3, jobs=2, native=False)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Env:
    env = venv(tmp_path_factory.mktemp("oracle") / "env")
    suffix = oracle.Environment(env.prefix).suffixes[0]
    built = {name: compile_extension(env.prefix.parent / name, name) for name in ("_fine", "_short", "_lonely", "_asks")}
    code = {name: path.read_bytes() for name, path in built.items()}

    def ext(package: str, name: str) -> str:
        return f"{package}/{name}{suffix}"

    env.dist("good", files={"good/__init__.py": "from . import _fine\n", ext("good", "_fine"): code["_fine"]})
    env.dist("cut", files={"cut/__init__.py": "from . import _short\n", ext("cut", "_short"): code["_short"][:40]})
    env.dist("crash", files={"crash/__init__.py": "", ext("crash", "_short"): code["_short"][: len(code["_short"]) // 3]})
    env.dist(
        "guarded", files={"guarded/__init__.py": "", ext("guarded", "_fine"): b"", ext("guarded", "_lonely"): code["_lonely"]}
    )
    env.dist("needy", files={"needy/__init__.py": "import not_there\n", ext("needy", "_asks"): code["_asks"]})
    env.dist("sleeper", files={"sleeper.py": "import time; time.sleep(600)\n"})
    env.dist("user", requires=["cut"], files={"user.py": "import cut\n"})
    return env


@pytest.fixture(scope="module")
def result(environment: Env) -> dict[str, Any]:
    before = {path: path.stat().st_mtime_ns for path in environment.prefix.rglob("*")}
    result = oracle.examine(environment.prefix, OPTIONS)
    assert {path: path.stat().st_mtime_ns for path in environment.prefix.rglob("*")} == before
    return result


def of(result: dict[str, Any], level: str, name: str) -> dict[str, Any]:
    return next(line for line in result[level] if line["name"] == name)


@pytest.mark.parametrize(
    ("module", "really"),
    [
        ("good._fine", "ok"),
        ("cut._short", "loader"),
        ("crash._short", "crash"),
        ("guarded._fine", "loader"),
        ("guarded._lonely", "ok"),
        ("needy._asks", "ok"),
    ],
)
def test_modules_are_judged_by_what_the_loader_does(result: dict[str, Any], module: str, really: str) -> None:
    assert of(result, "modules", module)["really"].split(" ")[0] == really


def test_a_module_whose_package_fails_is_loaded_alone(result: dict[str, Any]) -> None:
    assert "No module named 'not_there'" in of(result, "modules", "needy._asks")["really"]
    assert of(result, "distributions", "needy")["cell"] == "agreed ok"


def test_what_a_distribution_requires_is_known(environment: Env) -> None:
    assert oracle.Environment(environment.prefix).requires["user"] == ["cut"]


def test_the_distribution_that_owns_the_file_is_to_blame(result: dict[str, Any]) -> None:
    assert of(result, "distributions", "cut")["cell"] in ("missed", "agreed failing")
    assert of(result, "distributions", "user")["cell"] == "agreed ok"
    assert result["names_that_fail"]["user"][0] == "loader"


def test_a_module_that_never_returns_is_given_up(result: dict[str, Any]) -> None:
    assert result["names_that_fail"]["sleeper"] == ["timeout", "timeout"]


def test_the_standard_library_is_part_of_it(result: dict[str, Any]) -> None:
    own = [line for line in result["modules"] if line["owner"] == "the interpreter"]
    assert all(line["cell"] == "agreed ok" for line in own), own


def test_distributions_without_native_files_can_be_left_out(environment: Env) -> None:
    some = oracle.Environment(environment.prefix, native_only=True)
    assert [name for name, _ in some.judged] == ["crash", "cut", "good", "guarded", "needy"]
    assert not {"sleeper", "user"} & {group["name"] for group in some.groups}


def test_the_matrix_is_printed(result: dict[str, Any]) -> None:
    text = oracle.text(result)
    assert "agreement" in text
    assert "cut._short" in text or of(result, "modules", "cut._short")["cell"] == "agreed failing"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("libGL.so.1: cannot open shared object file: No such file or directory", "loader"),
        ("/x/a.so: undefined symbol: _ZN3c105ErrorE", "loader"),
        ("/lib/libc.so.6: version `GLIBC_2.38' not found (required by /x/a.so)", "loader"),
        ("numpy.core.multiarray failed to import", "numpy"),
        ("cannot import name 'a' from 'b'", "python"),
        ("dynamic module does not define module export function (PyInit_a)", "python"),
        ("failed to find libmagic.  Check your installation", "python"),
    ],
)
def test_texts_of_import_errors(text: str, kind: str) -> None:
    outcome = {"outcome": "raised", "type": "ImportError", "import_error": True, "text": text, "path": None, "chain": []}
    assert oracle.reason(outcome) == kind


def test_libraries_that_python_code_loads_are_told_apart() -> None:
    outcome = {"type": "OSError", "import_error": False, "text": "libx.so: cannot open shared object file", "path": None}
    assert oracle.reason({"outcome": "raised", "chain": [], **outcome}) == "ctypes"


def test_planting_patches_what_the_loader_reads(environment: Env, tmp_path: Path) -> None:
    assert elf_hash(b"GLIBC_2.2.5") == 0x09691A75
    path = shutil.copy(next(environment.site.glob("good/_fine*")), tmp_path)
    file = Elf(Path(path))
    file.rename(b"PyModule_Create2", b"PyModule_Create9")
    file.save()
    assert b"PyModule_Create9\0" in Path(path).read_bytes()


def test_every_set_names_its_pythons() -> None:
    names = sorted(path.stem for path in oracle.SETS.glob("*.txt"))
    assert len(names) >= 20
    for name in names:
        pythons, wanted = oracle.requirements(name)
        assert pythons
        assert wanted
