"""LCK003 to LCK013 for conda: real prefixes of all writers beside the locks that they were made from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envdoctor.diagnose import judge
from envdoctor.finding import Finding
from envdoctor.select import Selection
from envdoctor.snapshot import Machine, Nvidia
from tests.conda import CondaPrefix, conda_prefix, foreign_prefix, native_subdir
from tests.lock import made
from tests.lock.made import Conda
from tests.support import errors, only, report_of, snapshot_of

DRIFT = ("LCK004", "LCK005", "LCK006", "LCK007")
OTHER = "osx-arm64"


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> CondaPrefix:
    """A prefix that tests only look at."""
    return conda_prefix(tmp_path_factory.mktemp("shared"))


def entries(env: CondaPrefix, **changes: Any) -> list[Conda]:
    """What conda-lock would have locked: the records, with their builds, hashes and dependencies."""
    found = []
    for name, record in sorted(env.records().items()):
        needs = tuple(dict.fromkeys((spec.partition(" ")[0], spec.partition(" ")[2]) for spec in record["depends"]))
        sha256, url = record["sha256"], record["url"]
        found.append(
            Conda(name, record["version"], record["build"], needs, env.subdir, sha256=sha256, url=url)._replace(
                **changes.get(name.replace("-", "_"), {})
            )
        )
    return found


def project(
    tmp_path: Path, env: CondaPrefix, *, name: str = "env", packages: list[Conda] | None = None, more: Sequence[Conda] = ()
) -> Path:
    """environment.yml, which calls its environment as the prefix is called, and conda-lock.yml."""
    folder = tmp_path / "project"
    folder.mkdir(exist_ok=True)
    specs = "".join(f"  - {one}\n" for one in ("python", "click"))
    (folder / "environment.yml").write_text(f"name: {name}\nchannels:\n  - conda-forge\ndependencies:\n{specs}")
    lock = made.conda_lock(*(entries(env) if packages is None else packages), *more, platforms=[env.subdir])
    (folder / "conda-lock.yml").write_text(lock)
    return folder


def found(env: CondaPrefix, folder: Path, *codes: str, **options: Any) -> list[Finding]:
    """Findings but LCK002: hashes of these locks are made up."""
    report = report_of(snapshot_of(env.prefix, cwd=folder, **options), *(codes or ("LCK",)))
    return [f for f in report.findings if f.code not in ("LCK002", "LCK010")]


def subjects(finding: Finding) -> list[tuple[str, str, str | None]]:
    return [(subject.kind, subject.name, subject.version) for subject in finding.subjects]


def commands(finding: Finding) -> list[str]:
    return [" ".join(argv) for fix in finding.fixes for argv in fix.commands]


@pytest.mark.parametrize("writer", ["conda", "micromamba", "rattler"])
def test_healthy(tmp_path: Path, writer: str) -> None:
    """Whatever wrote the records."""
    env = conda_prefix(tmp_path, writer)
    folder = project(tmp_path, env)
    assert found(env, folder) == []
    assert found(env, folder, locks=[folder / "conda-lock.yml"]) == []


@pytest.mark.parametrize("subdir", ["osx-arm64", "win-64"])
def test_healthy_foreign(tmp_path: Path, subdir: str) -> None:
    """A prefix of another system is compared with what is locked for that system."""
    env = foreign_prefix(tmp_path, subdir)
    folder = project(tmp_path, env)
    assert found(env, folder, locks=[folder / "conda-lock.yml"]) == []
    env.record_path("click").unlink()
    report = found(env, folder, *DRIFT, locks=[folder / "conda-lock.yml"])
    assert [(f.code, f.subjects[0].name) for f in report] == [("LCK004", "click")]


@pytest.mark.parametrize("writer", ["conda", "micromamba"])
def test_a_package_is_missing(tmp_path: Path, writer: str) -> None:
    env = conda_prefix(tmp_path, writer)
    gone = Conda("gone", "2.0", "h1_1", (("python", ""),), env.subdir)
    folder = project(tmp_path, env, more=[gone])
    one = only(found(env, folder), "LCK004")
    assert one.severity == "error" and one.message == "gone 2.0 h1_1 is locked by conda-lock.yml and not installed"
    assert subjects(one) == [("conda-package", "gone", "2.0"), ("lockfile", "conda-lock.yml", None)]
    tool = "conda-lock" if writer == "conda" else "micromamba"
    assert commands(one)[0].startswith(f"{tool} install -p {env.prefix} ") and commands(one)[0].endswith("conda-lock.yml")


def test_another_version_and_another_build(tmp_path: Path, env: CondaPrefix) -> None:
    real = env.record("click")
    click = {"version": "8.0.0", "build": "pyh_0", "url": None, "sha256": None}
    pip = {"build": "pyh1234_7", "url": None, "sha256": None}
    folder = project(tmp_path, env, packages=entries(env, click=click, pip=pip))
    report = found(env, folder, *DRIFT)
    assert [(f.code, f.severity) for f in report] == [("LCK005", "error"), ("LCK007", "error")]
    assert report[0].message == f"click {real['version']} is installed, conda-lock.yml locks 8.0.0"
    assert subjects(report[0])[:2] == [("conda-package", "click", real["version"]), ("lockfile", "conda-lock.yml", None)]
    assert report[1].message.endswith(f"as build {env.record('pip')['build']}, conda-lock.yml locks build pyh1234_7")


def test_another_hash_and_another_channel(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path)
    folder = project(tmp_path, env)
    env.edit("click", sha256="0" * 64)
    assert "with sha256 0000000000000000…" in only(found(env, folder), "LCK007").message
    env = conda_prefix(tmp_path, name="second")
    folder = project(tmp_path, env, name="second")
    env.edit("click", sha256=None, md5=None, channel="https://conda.example.org/mine", url=None)
    assert "from https://conda.example.org/mine" in only(found(env, folder), "LCK007").message


def test_the_same_build_in_another_archive_and_from_a_mirror(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path)
    folder = project(tmp_path, env)
    click, certifi = env.record("click"), env.record("certifi")
    env.edit(
        "click", fn=click["fn"].replace(".conda", ".tar.bz2"), url=click["url"].replace(".conda", ".tar.bz2"), sha256="1" * 64
    )
    env.edit("certifi", sha256=None, md5=None, channel="https://mirror.example.org/conda-forge")
    assert certifi["name"] == "certifi" and found(env, folder) == []


def test_something_that_is_not_locked(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, pip=("six==1.16.0",))
    folder = project(tmp_path, env)
    env.add("extra", "3.0", depends=["python"])
    report = {f.subjects[0].name: f for f in found(env, folder, *DRIFT)}
    assert {(f.code, f.severity) for f in report.values()} == {("LCK006", "warning")}
    assert subjects(report["extra"])[0] == ("conda-package", "extra", "3.0")
    assert subjects(report["six"])[0] == ("distribution", "six", "1.16.0")
    assert set(report) == {"extra", "six"}


def test_pip_entries_of_a_conda_lock(tmp_path: Path) -> None:
    """Beside conda's: there, missing, in another version; locked for pip and brought by conda."""
    env = conda_prefix(tmp_path, pip=("six==1.16.0",))
    certifi = env.record("certifi")["version"]

    def lock(**versions: str) -> list[Conda]:
        return [Conda(name, version, manager="pip", platform=env.subdir) for name, version in versions.items()]

    conda = [one for one in entries(env) if one.name != "certifi"]
    assert found(env, project(tmp_path, env, more=lock(six="1.16.0"))) == []
    folder = project(tmp_path, env, packages=conda, more=lock(six="1.16.0", certifi=certifi))
    assert [f.subjects[0].name for f in found(env, folder, *DRIFT) if f.severity == "error"] == []
    report = found(env, project(tmp_path, env, more=lock(six="1.15.0", idna="3.7")), *DRIFT)
    assert [(f.code, *subjects(f)[0]) for f in report] == [
        ("LCK004", "distribution", "idna", "3.7"),
        ("LCK005", "distribution", "six", "1.16.0"),
    ]


def test_categories(tmp_path: Path) -> None:
    """dev is not installed, which is no fault; then most of it is."""
    env = conda_prefix(tmp_path)
    more = [Conda(f"dev-{n}", "1.0", "h0_0", (), env.subdir, category="dev") for n in range(3)]
    folder = project(tmp_path, env, more=more)
    assert found(env, folder) == []
    env.add("dev-0", "1.0")
    env.add("dev-1", "1.0")
    assert [(f.code, f.subjects[0].name) for f in found(env, folder, "LCK004")] == [("LCK004", "dev-2")]


def test_a_prefix_of_something_else(tmp_path: Path, env: CondaPrefix) -> None:
    """conda-lock.yml of a project says nothing about it, unless it is named."""
    packages = [Conda(f"part-{n}", "1.0", "h0_0", (), env.subdir) for n in range(30)]
    folder = project(tmp_path, env, name="another", packages=packages)
    assert found(env, folder, *DRIFT) == []
    assert only(found(env, folder, "LCK004", locks=[folder / "conda-lock.yml"]), "LCK004").message.startswith("30 packages that ")


# ------------------------------------------------------------------------------------------------------ explicit, pixi


def test_explicit(tmp_path: Path) -> None:
    """The list of this platform counts, beside that of another one."""
    env = conda_prefix(tmp_path)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "environment.yml").write_text("name: env\ndependencies:\n  - python\n")
    (folder / f"conda-{env.subdir}.lock").write_text(made.explicit(*entries(env), platform=env.subdir))
    (folder / f"conda-{OTHER}.lock").write_text(made.explicit(Conda("click", platform=OTHER), platform=OTHER))
    assert found(env, folder) == []
    env.edit("click", version="8.0.0")
    one = only(found(env, folder, *DRIFT), "LCK005")
    assert subjects(one)[1] == ("lockfile", f"conda-{env.subdir}.lock", None)
    assert commands(one)[0] == f"conda install -p {env.prefix} --file {folder}/conda-{env.subdir}.lock"


def pixi_lock(env: CondaPrefix, packages: list[Conda], environments: tuple[str, ...] = ("default",)) -> str:
    """pixi.lock, version 6."""
    rows = "".join(f"      - conda: {one.url}\n" for one in packages)
    places = "".join(
        f"  {name}:\n    channels:\n    - url: https://conda.anaconda.org/conda-forge/\n"
        f"    packages:\n      {env.subdir}:\n{rows}"
        for name in environments
    )
    items = ""
    for one in packages:
        depends = "".join(f"  - {name} {spec}".rstrip() + "\n" for name, spec in one.needs)
        items += f"- conda: {one.url}\n  sha256: {one.sha256}\n" + (f"  depends:\n{depends}" if depends else "")
    return f"version: 6\nenvironments:\n{places}packages:\n{items}"


def test_pixi(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, "pixi")
    folder = tmp_path / "env"
    packages = entries(env)
    (folder / "pixi.lock").write_text(pixi_lock(env, packages))
    assert found(env, folder) == []
    env.record_path("click").unlink()
    one = only(found(env, folder, *DRIFT), "LCK004")
    assert commands(one) == [f"pixi install --frozen --manifest-path {folder}/pixi.toml -e default"]
    (folder / "pixi.lock").write_text(pixi_lock(env, packages, ("other",)))
    assert found(env, folder, *DRIFT) == []


# ------------------------------------------------------------------------------------------------ platforms and machine


def test_no_packages_for_this_platform(tmp_path: Path, env: CondaPrefix) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    lock = folder / "conda-lock.yml"
    lock.write_text(made.conda_lock(Conda("click", platform="win-64"), platforms=["win-64", "osx-64"]))
    one = only(found(env, folder), "LCK003")
    assert one.severity == "error" and subjects(one)[:2] == [("lockfile", "conda-lock.yml", None), ("machine", env.subdir, None)]
    assert one.message == f"conda-lock.yml has nothing for {env.subdir}: it is made for win-64 and osx-64"
    assert commands(one)[0].endswith(f"--platform win-64 --platform osx-64 --platform {env.subdir}")
    assert only(found(env, folder, locks=[lock]), "LCK003").severity == "error"


def test_a_platform_that_is_named_and_empty(tmp_path: Path, env: CondaPrefix) -> None:
    """The content hash still names the platform of which the packages are gone."""
    folder = project(tmp_path, env, packages=[one._replace(platform=OTHER) for one in entries(env)])
    path = folder / "conda-lock.yml"
    assert env.subdir in path.read_text()
    text = only(found(env, folder, "LCK003", locks=[path]), "LCK003").message
    assert text == f"conda-lock.yml has nothing for {env.subdir}: it is made for {OTHER}"


def test_a_mac_that_is_named(tmp_path: Path, env: CondaPrefix) -> None:
    folder = project(tmp_path, env)
    mac = Machine(system="macos", machine="arm64", native_machine="arm64", os_version="14.5", source="mac.json")
    snapshot = snapshot_of(env.prefix, cwd=folder)
    report = judge(snapshot, Selection.of("LCK003"), machine=mac)
    assert [f.subjects[1].name for f in report.findings] == ["osx-arm64"]
    lock = made.conda_lock(Conda("click", platform="osx-64"), platforms=["osx-64"])
    (folder / "conda-lock.yml").write_text(lock)
    report = judge(snapshot_of(env.prefix, cwd=folder), Selection.of("LCK003"), machine=mac)
    assert [(f.severity, "Rosetta" in f.message) for f in report.findings] == [("warning", True)]


def test_a_platform_that_is_declared(tmp_path: Path, env: CondaPrefix) -> None:
    folder = project(tmp_path, env)
    manifest = (folder / "environment.yml").read_text()
    (folder / "environment.yml").write_text(f"{manifest}platforms:\n  - {env.subdir}\n  - osx-arm64\n  - win-64\n")
    one = only(found(env, folder), "LCK003")
    assert one.severity == "warning"
    assert one.message == "conda-lock.yml has nothing for osx-arm64 and win-64, which environment.yml declares"
    assert subjects(one) == [("lockfile", "conda-lock.yml", None), ("file", "environment.yml", None)]


@pytest.mark.skipif(not native_subdir().startswith("linux"), reason="glibc")
def test_virtual_packages(tmp_path: Path) -> None:
    """What a locked package asks for and the machine has not; conda-lock's defaults alone say nothing."""
    env = conda_prefix(tmp_path)
    fits = Conda("fits", "1.0", "h0_0", (("__glibc", ">=2.17,<3.0.a0"), ("__unix", "")), env.subdir)
    env.add("fits", "1.0")
    folder = project(tmp_path, env, more=[fits])
    assert found(env, folder, "LCK013") == []
    newer = Conda("newer", "1.0", "h0_0", (("__glibc", ">=2.99"),), env.subdir)
    folder = project(tmp_path, env, more=[fits, newer, newer._replace(platform=OTHER)])
    one = only(found(env, folder, "LCK013"), "LCK013")
    assert one.severity == "warning" and one.message.startswith(
        "conda-lock.yml was solved for __glibc >=2.99, this machine has __glibc "
    )
    assert subjects(one) == [
        ("lockfile", "conda-lock.yml", None),
        ("machine", "__glibc", None),
        ("conda-package", "newer", "1.0"),
    ]
    assert "--virtual-package __glibc=" in commands(one)[0]


def test_a_build_for_a_gpu(tmp_path: Path, env: CondaPrefix) -> None:
    """A lock for CUDA on a machine without a driver, with an old one, with one that does; of a machine nothing is known."""
    folder = project(tmp_path, env, more=[Conda("pytorch", "2.5", "cuda_0", (("__cuda", ">=12"),), env.subdir)])
    snapshot = snapshot_of(env.prefix, cwd=folder)
    for nvidia, message in (
        (None, "conda-lock.yml was solved for __cuda >=12, this machine has no __cuda: pytorch asks for it"),
        (Nvidia(cuda="11.4"), "conda-lock.yml was solved for __cuda >=12, this machine has __cuda 11.4: pytorch asks for it"),
        (Nvidia(cuda="12.8"), None),
    ):
        machine = msgspec.structs.replace(snapshot.machine, nvidia=nvidia, gpus=())
        report = report_of(msgspec.structs.replace(snapshot, machine=machine), "LCK013")
        assert [f.message for f in report.findings] == [message] * (message is not None)


# ---------------------------------------------------------------------------------------------------------------- LCK012


def test_contradictions(tmp_path: Path, env: CondaPrefix) -> None:
    here = [
        Conda("asker", "1.0", "h0_0", (("gone", ">=1"), ("click", ">=99"), ("__unix", "")), env.subdir),
        Conda("certifi", "2000.1", manager="pip", platform=env.subdir),
        Conda(
            "asks-pip", "1.0", manager="pip", platform=env.subdir, needs=(("unheard-of", ">=1"), ("click", ">=1"), ("six", "*"))
        ),
    ]
    folder = project(tmp_path, env, more=here)
    messages = {f.message.partition(":")[0]: f for f in found(env, folder, "LCK012")}
    assert set(messages) == {
        "conda-lock.yml lacks what its packages need",
        "conda-lock.yml may lack what its packages need",
        "conda-lock.yml has packages outside of what others need",
        "conda-lock.yml has packages twice",
    }
    gone = messages["conda-lock.yml lacks what its packages need"]
    assert subjects(gone) == [
        ("lockfile", "conda-lock.yml", None),
        ("conda-package", "gone", None),
        ("conda-package", "asker", "1.0"),
    ]
    doubtful = messages["conda-lock.yml may lack what its packages need"]
    assert doubtful.severity == "warning" and "six" in doubtful.message and "unheard-of" in doubtful.message
    twice = messages["conda-lock.yml has packages twice"]
    assert "certifi (conda " in twice.message and ("distribution", "certifi", "2000.1") in subjects(twice)
    assert "click" in messages["conda-lock.yml has packages outside of what others need"].message


def test_libraries_that_have_the_name_of_a_python_package(tmp_path: Path, env: CondaPrefix) -> None:
    """graphviz, the program, and graphviz, the Python package."""
    both = [
        Conda("graphviz", "9.0", "h0_0", (), env.subdir),
        Conda("graphviz", "0.20", manager="pip", platform=env.subdir),
    ]
    assert found(env, project(tmp_path, env, more=both), "LCK012") == []


def test_two_builds_of_one_package(tmp_path: Path, env: CondaPrefix) -> None:
    folder = project(tmp_path, env, more=[Conda("click", "8.0.0", "pyh0_0", (), env.subdir)])
    assert "click (" in only(found(env, folder, "LCK012"), "LCK012").message


# -------------------------------------------------------------------------------------------------------------- together


def test_a_lock_beside_one_of_another_tool(tmp_path: Path, env: CondaPrefix) -> None:
    """uv.lock for wheels, conda-lock.yml for the environment: compared where conda brings the Python package."""
    folder = project(tmp_path, env)
    (folder / "uv.lock").write_text(
        made.uv(made.Package("click", "7.0"), made.Package("certifi", env.record("certifi")["version"]))
    )
    one = only(found(env, folder, "LCK011"), "LCK011")
    version = env.record("click")["version"]
    assert one.message == f"conda-lock.yml and uv.lock disagree about 1 package: click ({version} and 7.0)"


def test_requirements_that_pip_installed_beside_conda(tmp_path: Path) -> None:
    """Compared with what pip put there; conda's own packages are not asked for a place in it."""
    env = conda_prefix(tmp_path, pip=("six==1.16.0", "idna==3.7"))
    folder = tmp_path / "project"
    folder.mkdir()
    pins = [made.Package("six", "1.16.0"), made.Package("idna", "3.7"), made.Package("click", env.record("click")["version"])]
    (folder / "requirements.txt").write_text(made.requirements(*pins))
    assert found(env, folder) == []
    (folder / "requirements.txt").write_text(made.requirements(*pins, made.Package("gone")))
    assert [(f.code, f.subjects[0].name) for f in found(env, folder)] == [("LCK004", "gone")]


def test_an_active_conda_environment_without_anything_of_the_project(tmp_path: Path, env: CondaPrefix) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "requirements.txt").write_text(made.requirements(*(made.Package(f"part-{n}") for n in range(5))))
    environ = {"PATH": "/nonexistent", "HOME": "/nonexistent", "CONDA_PREFIX": str(env.prefix)}
    assert found(env, folder, *DRIFT, environ=environ) == []


def test_pip_over_conda_is_the_cause(tmp_path: Path) -> None:
    """The lock is not what is wrong: conda's record still says what is locked."""
    env = conda_prefix(tmp_path, pip=("click==8.1.7",))
    folder = project(tmp_path, env)
    report = report_of(snapshot_of(env.prefix, cwd=folder))
    assert [f.code for f in report.findings if f.code in DRIFT] == []
    assert any(f.code == "CND005" for f in report.findings)


def test_a_broken_record_is_the_cause(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path)
    folder = project(tmp_path, env)
    env.record_path("click").write_text("")
    report = report_of(snapshot_of(env.prefix, cwd=folder))
    assert [f.code for f in errors(list(report.findings)) if f.code.startswith("LCK") and f.code != "LCK002"] == []


def test_the_whole_report_of_a_healthy_pair_has_no_error(tmp_path: Path) -> None:
    env = conda_prefix(tmp_path, extra=("numpy",))
    folder = project(tmp_path, env)
    report = report_of(snapshot_of(env.prefix, cwd=folder))
    assert [f.code for f in errors(list(report.findings)) if f.code != "LCK002"] == []
    assert json.loads((env.prefix / "conda-meta" / env.record_path("click").name).read_text())["name"] == "click"
