"""Targets of the conda family: by name, activated in the shell, and what counts as a base environment."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from envdoctor.diagnose import Request, observe
from envdoctor.target import Chosen, resolve
from tests.conda import CondaPrefix, conda_prefix
from tests.support import diagnose, errors


def prefix_at(place: Path, *folders: str, records: tuple[str, ...] = ("python-3.12.1-h0_0",)) -> Path:
    """A prefix with empty records."""
    for folder in ("conda-meta", "bin", *folders):
        (place / folder).mkdir(parents=True, exist_ok=True)
    (place / "conda-meta" / "history").write_text("")
    for record in records:
        name, version, build = record.rsplit("-", 2)
        (place / "conda-meta" / f"{record}.json").write_text(
            f'{{"name": "{name}", "version": "{version}", "build": "{build}", "depends": []}}'
        )
    return place


def named(name: str, home: Path, cwd: Path | None = None, **environ: str) -> Chosen:
    return resolve(None, environ={"PATH": "/nonexistent", **environ}, cwd=str(cwd or home), home=str(home), name=name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (".condarc", "envs_dirs:\n  - {place}\n"),
        (".condarc", "channels: [a]\nenvs_dirs: ['{place}',\n  /other]  # mine\n"),
        (".condarc", "envs_path:\n- $HOME/../rc\n"),
        (".mambarc", "envs_dirs: [{place}]\n"),
        (".config/conda/condarc.d/mine.yaml", "envs_dirs:\n  - ~/../rc\n"),
        ("miniforge3/.condarc", "envs_dirs:\n  - {place}\n"),
        (".conda/environments.txt", "/gone\n{place}/work\n"),
    ],
)
def test_names_in_folders_that_files_name(tmp_path: Path, home: Path, file: str, content: str) -> None:
    work = prefix_at(tmp_path / "rc" / "work")
    prefix_at(home / "miniforge3", "condabin")
    (home / file).parent.mkdir(parents=True, exist_ok=True)
    (home / file).write_text(content.format(place=tmp_path / "rc"))
    chosen = named("work", home, HOME=str(home))
    assert os.path.samefile(chosen.prefix, work)
    assert chosen.target.kind == "conda"


def test_a_broken_condarc_does_not_hide_other_places(home: Path) -> None:
    prefix_at(home / "miniforge3" / "envs" / "work")
    (home / ".condarc").write_text("envs_dirs:\n\t- x\n")
    assert named("work", home).prefix == str(home / "miniforge3" / "envs" / "work")


@pytest.mark.parametrize(
    ("place", "variables"),
    [
        ("miniconda3/envs/work", {}),
        ("anaconda3/envs/work", {}),
        ("mambaforge/envs/work", {}),
        ("micromamba/envs/work", {}),
        (".local/share/mamba/envs/work", {}),
        ("far/envs/work", {"MAMBA_ROOT_PREFIX": "{home}/far"}),
        ("far/envs/work", {"CONDA_EXE": "{home}/far/bin/conda"}),
        ("far/envs/work", {"CONDA_PREFIX": "{home}/far/envs/other"}),
        ("far/work", {"CONDA_ENVS_DIRS": "/gone:{home}/far"}),
        (".pixi/envs/work", {}),
        (".conda/envs/work", {}),
    ],
)
def test_names_below_every_kind_of_root(home: Path, place: str, variables: dict[str, str]) -> None:
    work = prefix_at(home / place)
    chosen = named("work", home, **{name: value.format(home=home) for name, value in variables.items()})
    assert chosen.prefix == str(work)
    assert (chosen.target.name, chosen.target.base) == ("work" if "/envs/" in place else None, False)


def test_names_of_a_pixi_project(home: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    prefix_at(project / ".pixi" / "envs" / "cuda")
    (project / "pixi.toml").write_text("")
    (project / "src").mkdir()
    chosen = named("cuda", home, cwd=project)
    assert (chosen.target.kind, chosen.target.name) == ("pixi", "cuda")


@pytest.mark.parametrize(
    ("folders", "records", "base"),
    [
        (("condabin", "pkgs", "envs"), ("conda-25.1.0-h0_0",), True),
        (("envs",), ("mamba-2.1.0-h0_0",), True),
        (("pkgs",), ("conda-25.1.0-h0_0",), True),
        (("pkgs", "envs"), (), True),
        (("pkgs",), (), False),
        ((), ("conda-25.1.0-h0_0",), False),
        ((), (), False),
    ],
)
def test_base(tmp_path: Path, home: Path, folders: tuple[str, ...], records: tuple[str, ...], base: bool) -> None:
    place = prefix_at(tmp_path / "root", *folders, records=records)
    chosen = resolve(str(place), environ={}, cwd="/", home=str(home))
    assert (chosen.target.base, chosen.target.name) == (base, "base" if base else None)
    inner = prefix_at(place / "envs" / "tools", *folders, records=records)
    assert resolve(str(inner), environ={}, cwd="/", home=str(home)).target.base is False


def activated(env: CondaPrefix, home: Path, **more: str) -> dict[str, str]:
    """The shell after `conda activate`, `micromamba activate` or `pixi shell`."""
    variables = {"HOME": str(home), "PATH": f"{env.prefix}/bin", "CONDA_PREFIX": str(env.prefix)}
    if env.writer == "conda":
        variables |= {"CONDA_SHLVL": "2", "CONDA_DEFAULT_ENV": str(env.prefix), "CONDA_PREFIX_1": "/opt/conda"}
    elif env.writer == "micromamba":
        variables |= {"CONDA_SHLVL": "1", "CONDA_DEFAULT_ENV": "env", "MAMBA_ROOT_PREFIX": f"{home}/micromamba"}
    elif env.writer == "pixi":
        root = str(env.prefix.parents[2])
        variables |= {"PIXI_PROJECT_ROOT": root, "PIXI_ENVIRONMENT_NAME": "default", "PIXI_IN_SHELL": "1",
                      "CONDA_DEFAULT_ENV": "demo", "PIXI_PROJECT_MANIFEST": f"{root}/pixi.toml"}  # fmt: skip
    return variables | more


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler", "pixi"])
def test_an_activated_environment_is_checked_and_has_no_error(tmp_path: Path, home: Path, writer: str) -> None:
    env = conda_prefix(tmp_path, writer)
    environ = activated(env, home)
    cwd = str(env.prefix.parents[2]) if writer == "pixi" else str(tmp_path)
    target = observe(Request(environ=environ, cwd=cwd)).snapshot.target
    assert target.prefix == str(env.prefix)
    assert target.chosen_by == "CONDA_PREFIX"
    assert target.kind == ("pixi" if writer == "pixi" else "conda")
    found = diagnose(env.prefix, environ=environ, cwd=cwd)
    assert errors(found) == []
    assert [f.code for f in found if f.severity == "warning"] == []


def test_an_activated_base(tmp_path: Path, home: Path) -> None:
    env = conda_prefix(tmp_path, name="miniforge3", packages=("click",))
    for folder in ("condabin", "envs", "pkgs"):
        (env.prefix / folder).mkdir()
    env.add("conda", "25.1.0", depends=["python"])
    env.put("bin/conda", "#!/bin/sh\n").chmod(0o755)
    environ = activated(env, home, CONDA_EXE=f"{env.prefix}/bin/conda", CONDA_DEFAULT_ENV="base")
    chosen = observe(Request(environ=environ, cwd=str(home))).snapshot
    assert (chosen.target.base, chosen.target.name) == (True, "base")
    assert chosen.conda_installers is not None
    assert [(r.product, r.owner, r.conda) for r in chosen.conda_installers.roots] == [("miniforge", True, "25.1.0")]
    assert errors(diagnose(env.prefix, environ=environ)) == []


def test_the_root_of_micromamba_may_be_used(tmp_path: Path, home: Path) -> None:
    env = conda_prefix(tmp_path, "micromamba", name="micromamba", packages=("click",))
    for folder in ("envs", "pkgs"):
        (env.prefix / folder).mkdir()
    env.dist("flask", "3.0.0")
    environ = activated(env, home, MAMBA_ROOT_PREFIX=str(env.prefix))
    chosen = observe(Request(environ=environ, cwd=str(home))).snapshot
    assert (chosen.target.base, chosen.target.name) == (True, "base")
    assert diagnose(env.prefix, "INT007", "CND011", "CND015", environ=environ) == []


def test_what_is_kept_of_an_earlier_run_heeds_settings_and_shells(tmp_path: Path, home: Path) -> None:
    env = conda_prefix(tmp_path, packages=("click",))
    environ = activated(env, home, XDG_CACHE_HOME=str(tmp_path / "cache"))

    def seen() -> tuple[tuple[str, ...], int]:
        facts = observe(Request(environ=environ, cwd=str(home), use_cache=True)).snapshot.conda_installers
        assert facts is not None
        return facts.channels, len(facts.blocks)

    assert seen() == ((), 0)
    # what has just been made is read anew anyway
    old = time.time() - 3600
    for folder in (home, *tmp_path.rglob("*")):
        os.utime(folder, (old, old), follow_symlinks=False)
    time.sleep(2.1)
    assert seen() == seen() == ((), 0)
    (home / ".condarc").write_text("channels: [a]\n")
    assert seen() == (("a",), 0)
    (home / ".bashrc").write_text(
        f"# >>> conda initialize >>>\neval \"$('{env.prefix}/bin/conda' hook)\"\n# <<< conda initialize <<<\n"
    )
    assert seen() == (("a",), 1)
