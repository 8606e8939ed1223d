"""LIB005: OpenMP runtimes that meet in one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import Env
from tests.loader.planted import SUFFIX, content, extension, library, mapped, needs_gcc
from tests.support import diagnose, only

pytestmark = needs_gcc


def user(env: Env, work: Path, name: str, runtime: str, requires: tuple[str, ...] = ()) -> None:
    """A distribution whose module brings a runtime of its own."""
    own = library(work / f"{name}.libs/{runtime}", code=f"int {name}_runtime;\n")
    core = extension(work / f"{name}/_core{SUFFIX}", [own], rpath=f"$ORIGIN/../{name}.libs")
    source = "".join(f"import {other}\n" for other in requires) + f"import {name}._core\n"
    env.dist(name, requires=requires, files={f"{name}/__init__.py": source, **content(own, core, root=work)})


def both_mapped(env: Env, *names: str) -> int:
    """How many OpenMP runtimes a real process of the environment has after these imports."""
    found = mapped(env, *names)
    assert found is not None
    return sum("omp" in Path(path).name for path in found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("libiomp5.so", "libomp.so"),
        ("libiomp5.so", "libiomp5-1a2b3c4d.so"),
        ("libomp-5f6e7d8c.so.5", "libiomp5.so"),
    ],
)
def test_two_of_one_family_where_one_requires_the_other(env: Env, work: Path, one: str, other: str) -> None:
    user(env, work, "alpha", one)
    user(env, work, "beta", other, requires=("alpha",))
    assert both_mapped(env, "beta") == 2
    finding = only(diagnose(env.prefix, "LIB005"), "LIB005")
    assert finding.severity == "warning"
    assert {subject.name for subject in finding.subjects if subject.kind == "distribution"} == {"alpha", "beta"}
    assert "beta requires alpha" in finding.evidence
    assert finding.fixes


def test_a_third_one_requires_both(env: Env, work: Path) -> None:
    user(env, work, "alpha", "libiomp5.so")
    user(env, work, "beta", "libomp.so")
    env.dist("gamma", requires=["alpha", "beta"], files={"gamma.py": "import alpha, beta\n"})
    assert both_mapped(env, "gamma") == 2
    finding = only(diagnose(env.prefix, "LIB005"), "LIB005")
    assert finding.severity == "warning"
    assert "gamma requires alpha and beta" in finding.evidence


def test_strangers(env: Env, work: Path) -> None:
    user(env, work, "alpha", "libiomp5.so")
    user(env, work, "beta", "libomp.so")
    assert only(diagnose(env.prefix, "LIB005"), "LIB005").severity == "info"


@pytest.mark.parametrize("other", ["libgomp-a34b3233.so.1", "libgomp.so.1", "libomp.so"])
def test_copies_of_libgomp_get_along(env: Env, work: Path, other: str) -> None:
    user(env, work, "alpha", "libgomp-e985bcbb.so.1.0.0")
    user(env, work, "beta", other, requires=("alpha",))
    assert both_mapped(env, "beta") == 2
    assert [finding.severity for finding in diagnose(env.prefix, "LIB005")] == ["info"]


def test_one_runtime_for_two(env: Env, work: Path) -> None:
    user(env, work, "alpha", "libiomp5.so")
    core = extension(work / f"beta/_core{SUFFIX}", [work / "alpha.libs/libiomp5.so"], rpath="$ORIGIN/../alpha.libs")
    env.dist("beta", requires=["alpha"], files={"beta/__init__.py": "import beta._core\n", **content(core, root=work)})
    assert both_mapped(env, "alpha", "beta") == 1
    assert diagnose(env.prefix, "LIB005") == []


@pytest.mark.parametrize("runtime", ["libiomp5.so", "libgomp.so.1"])
def test_copies_under_one_name(env: Env, work: Path, runtime: str) -> None:
    """The loader compares names before it searches: the second one is never opened."""
    user(env, work, "alpha", runtime)
    user(env, work, "beta", runtime, requires=("alpha",))
    assert both_mapped(env, "beta") == 1
    assert diagnose(env.prefix, "LIB005") == []


def test_links_to_one_file(env: Env, work: Path, tmp_path: Path) -> None:
    """As conda's _openmp_mutex makes them."""
    real = library(tmp_path / "lib/libomp.so", soname=None)
    for name in ("libiomp5.so", "libgomp.so.1"):
        (tmp_path / "lib" / name).symlink_to("libomp.so")
    for name, runtime in (("alpha", "libiomp5.so"), ("beta", "libgomp.so.1")):
        core = extension(work / f"{name}/_core{SUFFIX}", [real.with_name(runtime)], rpath=str(real.parent))
        env.dist(
            name,
            requires=["alpha"] if name == "beta" else [],
            files={f"{name}/__init__.py": f"import {name}._core\n", **content(core, root=work)},
        )
    assert both_mapped(env, "alpha", "beta") == 1
    assert diagnose(env.prefix, "LIB005") == []


def test_a_runtime_that_no_module_loads(env: Env, work: Path) -> None:
    user(env, work, "alpha", "libiomp5.so")
    other = library(work / "beta/libomp.so")
    env.dist("beta", requires=["alpha"], files={"beta/__init__.py": "", **content(other, root=work)})
    assert diagnose(env.prefix, "LIB005") == []


def test_other_names_with_omp(env: Env, work: Path) -> None:
    user(env, work, "alpha", "libcompress.so.1")
    user(env, work, "beta", "libomptarget.so", requires=("alpha",))
    assert diagnose(env.prefix, "LIB005") == []
