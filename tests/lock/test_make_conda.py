"""``envdoctor lock`` from environment.yml: real solves on a local channel of real packages for three platforms, no network."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from envdoctor.cli import run
from envdoctor.lock import conda_hash, conda_spec
from envdoctor.lock.formats import conda_lock
from envdoctor.lock.model import Lock
from tests.conda import native_subdir
from tests.lock import channels
from tests.lock.index import Index, wheel

pytest.importorskip("rattler")
pytest.importorskip("uv")

LINUX, MAC, WINDOWS = native_subdir(), "osx-arm64", "win-64"


class Said(NamedTuple):
    code: int
    out: str
    err: str


class Project(NamedTuple):
    """A folder with an environment.yml."""

    folder: Path
    channel: str
    capsys: pytest.CaptureFixture[str]

    def manifest(self, *dependencies: str, name: str = "environment.yml", head: str = "", channel: str | None = None) -> None:
        lines = [f"channels: ['{channel or self.channel}']", *head.splitlines(), "dependencies:"]
        text = "\n".join([*lines, *(f"  - {one}" for one in dependencies)]) + "\n"
        (self.folder / name).write_text(text)

    def lock(self, *words: str, three: bool = True) -> Said:
        self.capsys.readouterr()
        platforms = [word for one in (LINUX, MAC, WINDOWS) for word in ("--platform", one)] if three else []
        code = run(["lock", *platforms, *words])
        return Said(code, *self.capsys.readouterr())

    def made(self, name: str = "conda-lock.yml") -> Lock:
        return conda_lock.read((self.folder / name).read_bytes(), name)

    def text(self, name: str = "conda-lock.yml") -> str:
        return (self.folder / name).read_text()

    def versions(self, platform: str) -> dict[str, str | None]:
        return {one.name: one.version for one in self.made().packages if any(place[1] == platform for place in one.places)}


@pytest.fixture(scope="module")
def channel() -> Path:
    try:
        return channels.everywhere()
    except RuntimeError as error:
        pytest.skip(f"the channel cannot be built without a package index: {str(error)[:200]}")


@pytest.fixture
def project(tmp_path: Path, channel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    monkeypatch.chdir(folder)
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_", "VIRTUAL_ENV", "CONDA")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "cache"))
    return Project(folder, channel.as_uri(), capsys)


# ---------------------------------------------------------------------------------------------------------------- the lock


def test_all_platforms_at_once(project: Project) -> None:
    project.manifest("python 3.11.*", "click", "jinja2", "colorama  # [win]", "six=1.16")
    said = project.lock()
    assert said.code == 0, said
    lock = project.made()
    assert lock.platforms == tuple(sorted((LINUX, MAC, WINDOWS)))
    assert lock.channels == (project.channel,)
    assert lock.manifests == ("environment.yml",)
    assert project.versions(LINUX)["six"] == project.versions(WINDOWS)["six"] == "1.16.0"
    assert "colorama" in project.versions(WINDOWS)
    assert "colorama" not in project.versions(MAC)
    assert {"python", "markupsafe", "tzdata"} <= project.versions(MAC).keys()
    for entry in lock.packages:
        assert dict(entry.artifacts[0].hashes).keys() == {"md5", "sha256"}
        assert entry.artifacts[0].url is not None
        assert f"/{entry.places[0][1]}/" in entry.artifacts[0].url or "/noarch/" in entry.artifacts[0].url


def test_who_made_it_stands_in_the_lock(project: Project) -> None:
    project.manifest("python")
    project.lock()
    assert project.made().created_by == "envdoctor"
    assert "#     envdoctor lock -f environment.yml -o conda-lock.yml --update PACKAGE" in project.text()


def test_the_content_hash_is_conda_locks(project: Project) -> None:
    project.manifest("python", "six >=1.16, <2", "colorama  # [win]", "numpy-not-here=1.*  # [linux64]")
    project.manifest("python", "six >=1.16, <2", "colorama  # [win]")
    assert project.lock().code == 0
    data = (project.folder / "environment.yml").read_bytes()
    asked = conda_spec.specification({"environment.yml": data}, (LINUX, MAC, WINDOWS))
    recorded = dict(project.made().recorded)
    for platform in (LINUX, MAC, WINDOWS):
        assert recorded[f"content-hash {platform}"] == conda_hash.content_hash(asked, platform)


def test_the_same_input_gives_the_same_bytes(project: Project) -> None:
    project.manifest("python", "click", "jinja2")
    project.lock()
    path = project.folder / "conda-lock.yml"
    first, when = path.read_bytes(), path.stat().st_mtime_ns
    again = project.lock()
    assert again.out.startswith("conda-lock.yml is up to date")
    assert path.stat().st_mtime_ns == when
    path.unlink()
    project.lock()
    assert path.read_bytes() == first
    project.lock("--upgrade")
    assert path.read_bytes() == first


def test_nothing_is_left_beside_the_lock(project: Project) -> None:
    project.manifest("python")
    project.lock()
    assert sorted(one.name for one in project.folder.iterdir()) == [".git", "conda-lock.yml", "environment.yml"]


def test_the_new_lock_passes_its_own_check(project: Project) -> None:
    project.manifest("python", "click")
    project.lock()
    assert run(["lock", "--check", "--fail-on", "warning"]) == 0
    project.manifest("python", "click", "six")
    assert run(["lock", "--check"]) == 1


def test_platforms_when_nothing_is_said(project: Project) -> None:
    project.manifest("python", "six")
    assert project.lock(three=False).code == 0
    assert set(project.made().platforms) == {"linux-64", "osx-arm64", "win-64", LINUX}


def test_platforms_of_the_manifest(project: Project) -> None:
    project.manifest("python", head=f"platforms: [{WINDOWS}, {LINUX}]")
    assert project.lock(three=False).code == 0
    assert project.made().platforms == tuple(sorted((LINUX, WINDOWS)))


def test_a_platform_more_and_the_others_stay(project: Project) -> None:
    project.manifest("python", "six=1.16")
    project.lock("--platform", LINUX, three=False)
    project.manifest("python", "six")
    said = project.lock("--platform", MAC, three=False)
    assert "1 platform added" in said.out
    assert project.made().platforms == tuple(sorted((LINUX, MAC)))
    assert project.versions(LINUX)["six"] == "1.16.0"
    assert project.versions(MAC)["six"] == "1.16.0", "a noarch package that others have is taken for a new platform, too"
    project.lock(three=False)
    assert project.made().platforms == tuple(sorted((LINUX, MAC))), "platforms of the lock that is there"


def test_categories_of_several_files(project: Project) -> None:
    project.manifest("python", "six")
    project.manifest("jinja2", "python", name="dev.yml", head="category: dev")
    said = project.lock("-f", "environment.yml", "-f", "dev.yml")
    assert said.code == 0, said
    places = {one.name: {category for category, _ in one.places} for one in project.made().packages}
    assert places["six"] == {"main"}
    assert places["jinja2"] == places["markupsafe"] == {"dev"}
    assert "conda-lock install --dev-dependencies" in project.text()
    project.lock("-f", "environment.yml", "-f", "dev.yml", "--no-dev", "-o", "small.yml")
    assert "jinja2" not in {one.name for one in project.made("small.yml").packages}


def test_pyproject_with_a_table_for_conda_lock(project: Project) -> None:
    (project.folder / "pyproject.toml").write_text(
        "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
        f"[tool.conda-lock]\nchannels = ['{project.channel}']\nplatforms = ['{LINUX}', '{MAC}']\n"
        "[tool.conda-lock.dependencies]\npython = '3.11.*'\nsix = '<1.17'\n"
    )
    said = project.lock(three=False)
    assert said.code == 0, said
    assert project.versions(MAC)["six"] == "1.16.0"
    assert project.made().manifests == ("pyproject.toml",)


def test_explicit_files(project: Project) -> None:
    project.manifest("python", "six")
    said = project.lock("--kind", "explicit")
    assert said.code == 0, said
    lines = project.text(f"conda-{LINUX}.lock").splitlines()
    assert lines[2:4] == [f"# platform: {LINUX}", "@EXPLICIT"]
    names = [line.rpartition("/")[2].rsplit("-", 2)[0] for line in lines[4:]]
    assert names.index("python") < names.index("six")
    assert all("#" in line for line in lines[4:])
    assert project.lock("--kind", "explicit", "-o", "one.lock").code == 2
    assert project.lock("--kind", "explicit").out.count("up to date") == 3


# --------------------------------------------------------------------------------------------------------- minimal changes


def test_what_is_locked_stays(project: Project) -> None:
    project.manifest("python", "six=1.16", "packaging=24.1")
    project.lock()
    project.manifest("python", "six", "packaging", "click")
    said = project.lock()
    assert said.code == 0, said
    assert project.versions(LINUX)["six"] == "1.16.0"
    assert project.versions(MAC)["packaging"] == "24.1"
    assert "added  click" in said.out
    assert "up " not in said.out


def test_update_changes_that_package_alone(project: Project) -> None:
    project.manifest("python", "six=1.16", "packaging=24.1")
    project.lock()
    project.manifest("python", "six", "packaging")
    before = project.text()
    said = project.lock("--update", "six", "--dry-run")
    assert said.code == 0
    assert "would change: 1 up" in said.out
    assert "six  1.16.0 -> 1.17.0" in said.out
    assert project.text() == before
    project.lock("--update", "six")
    for platform in (LINUX, MAC, WINDOWS):
        assert project.versions(platform)["six"] == "1.17.0"
        assert project.versions(platform)["packaging"] == "24.1"
    project.lock("--upgrade")
    assert project.versions(LINUX)["packaging"] == "24.2"


def test_update_of_what_is_not_there(project: Project) -> None:
    project.manifest("python")
    assert "there is no lock conda-lock.yml yet" in project.lock("--update", "six").err
    project.lock()
    said = project.lock("--update", "sixx")
    assert said.code == 2
    assert said.err.startswith("error: --update sixx: it is not in conda-lock.yml")


def test_a_record_that_the_channel_has_no_more(project: Project, tmp_path: Path, channel: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(channel, own, symlinks=True)
    project.manifest("python", "six=1.16", channel=own.as_uri())
    project.lock()
    repodata = json.loads((own / "noarch" / "repodata.json").read_text())
    for key in ("packages", "packages.conda"):
        repodata[key] = {name: one for name, one in repodata[key].items() if not name.startswith("six-1.16")}
    (own / "noarch" / "repodata.json").write_text(json.dumps(repodata))
    project.manifest("python", "six", channel=own.as_uri())
    said = project.lock()
    assert said.code == 0, said
    assert project.versions(LINUX)["six"] == "1.17.0"
    assert "six-1.16.0" in said.err
    assert "no longer in the channels" in said.err


def test_other_channels(project: Project, tmp_path: Path, channel: Path) -> None:
    project.manifest("python", "six=1.16")
    project.lock()
    old = project.text()
    own = tmp_path / "own"
    shutil.copytree(channel, own, symlinks=True)
    project.manifest("python", "six", channel=own.as_uri())
    refused(project, "--update", "six", error="--update six, but the channels are other ones", old=old)
    said = project.lock("--platform", LINUX, three=False)
    assert said.code == 2
    assert f"the lock keeps {MAC}, {WINDOWS}, but the channels are other ones" in said.err
    said = project.lock()
    assert said.code == 0, said
    assert "solved anew" in said.err
    assert project.versions(LINUX)["six"] == "1.17.0"
    assert str(channel) not in project.text()


# ------------------------------------------------------------------------------------------------------- virtual packages


def test_assumed_virtual_packages_are_shown(project: Project) -> None:
    project.manifest("python")
    said = project.lock()
    assert f"{LINUX} with __cuda 11.4, __glibc 2.28" in said.err
    assert "custom_metadata" not in project.text()


def test_other_virtual_packages_are_kept_in_the_lock(project: Project) -> None:
    project.manifest("python")
    said = project.lock("--virtual-package", "__cuda=", "--virtual-package", f"{LINUX}:__glibc=2.18")
    assert said.code == 0, said
    virtual = {(one.platform, one.name): one for one in project.made().virtual_packages}
    assert virtual[LINUX, "__glibc"].version == "2.18"
    assert not virtual[LINUX, "__glibc"].assumed
    assert (WINDOWS, "__cuda") not in virtual
    before = project.text()
    assert "up to date" in project.lock().out, "the next run knows them"
    assert project.text() == before
    assert run(["lock", "--check", "--fail-on", "warning"]) == 0
    project.lock("--upgrade")
    assert "custom_metadata" not in project.text()


def test_what_the_machine_does_not_have_is_told(project: Project) -> None:
    project.manifest("python")
    said = project.lock("--virtual-package", f"{LINUX}:__glibc=2.5")
    assert said.code == 2
    assert "__glibc >=2.17,<3.0.a0" in said.err
    assert f"{LINUX} is taken to have __glibc 2.5 (--virtual-package changes that)" in said.err


@pytest.mark.parametrize("word", ["glibc=2.5", "__glibc=>2", "linux-65:__glibc=2.5", "osx-64:__osx=14", "__x=1=a b"])
def test_words_that_are_no_virtual_package(project: Project, word: str) -> None:
    project.manifest("python")
    said = project.lock("--virtual-package", word)
    assert said.code == 2
    assert said.err.startswith(f"error: --virtual-package {word}: ")


def test_the_file_of_conda_lock(project: Project) -> None:
    project.manifest("python")
    tables = {
        LINUX: {"__unix": "0", "__linux": "5.10", "__glibc": "2.31"},
        MAC: {"__unix": "0", "__osx": "12.3"},
        WINDOWS: {"__win": "0"},
    }
    text = "subdirs:\n" + "".join(
        f"  {platform}:\n    packages:\n" + "".join(f'      {name}: "{value}"\n' for name, value in names.items())
        for platform, names in tables.items()
    )
    (project.folder / "virtual-packages.yml").write_text(text)
    assert project.lock().code == 0
    data = (project.folder / "environment.yml").read_bytes()
    asked = conda_spec.specification({"environment.yml": data}, (LINUX, MAC, WINDOWS))
    assert dict(project.made().recorded)[f"content-hash {MAC}"] == conda_hash.content_hash(asked, MAC, tables)
    (project.folder / "virtual-packages.yml").write_text("subdirs: 3\n")
    said = project.lock()
    assert said.code == 2
    assert "virtual-packages.yml: no virtual packages" in said.err


def test_a_teammates_machine(project: Project) -> None:
    machine = {
        "system": "macos",
        "machine": "arm64",
        "native_machine": "arm64",
        "os_version": "14.5",
        "cpu": {"microarchitecture": "m2"},
    }
    (project.folder / "mac.json").write_text(json.dumps({"machine": machine}))
    project.manifest("python")
    said = project.lock("--machine", "mac.json")
    assert said.code == 0, said
    virtual = {(one.platform, one.name): (one.version, one.build) for one in project.made().virtual_packages}
    assert virtual[MAC, "__osx"] == ("14.5", "0")
    assert virtual[MAC, "__archspec"] == ("1", "m2")
    assert virtual[LINUX, "__glibc"][0] == "2.28"


# ------------------------------------------------------------------------------------------------------------- pip section


@pytest.fixture
def index() -> Iterator[Index]:
    made = Index()
    for tag in (
        "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64",
        "cp311-cp311-manylinux_2_34_x86_64",
        "cp311-cp311-macosx_11_0_arm64",
        "cp311-cp311-macosx_26_0_arm64",
        "cp311-cp311-win_amd64",
        "cp312-cp312-win_amd64",
    ):
        made.add(wheel("fast", "1.0", tag, ["six>=1.10", "helper"]))
    made.add(wheel("six", "99.0"), wheel("helper", "1.0"), wheel("helper", "1.1", requires=["jinja2; sys_platform == 'win32'"]))
    made.add(wheel("jinja2", "99.0"), wheel("needy", "1.0", requires=["six>=5"]))
    with made.served() as served:
        yield served


def pip_section(project: Project, index: Index, *requirements: str, conda: tuple[str, ...] = ("python", "six")) -> None:
    lines = "".join(f"\n      - '{one}'" for one in requirements)
    head = f"pip-repositories: [{index.url}]\nallow-pypi-requests: false"
    project.manifest(*conda, f"pip:{lines}", head=head)


def test_the_pip_section_is_resolved_for_each_platform(project: Project, index: Index) -> None:
    pip_section(project, index, "fast", 'helper <2 ; sys_platform != "darwin"')
    said = project.lock()
    assert said.code == 0, said
    found: dict[str, dict[str, str]] = {}
    for one in project.made().packages:
        if one.manager == "pypi":
            assert one.artifacts[0].hashes[0][0] == "sha256"
            for _, platform in one.places:
                found.setdefault(platform, {})[one.name] = one.artifacts[0].name
    assert found[MAC]["fast"] == "fast-1.0-cp311-cp311-macosx_11_0_arm64.whl"
    assert found[WINDOWS]["fast"] == "fast-1.0-cp311-cp311-win_amd64.whl"
    if LINUX == "linux-64":
        assert found[LINUX]["fast"] == "fast-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    assert found[WINDOWS].keys() == {"fast", "helper", "jinja2"}, "jinja2 is not conda's here"
    assert found[LINUX].keys() == {"fast", "helper"}
    assert "pip" in project.versions(LINUX)
    needs = {need.name for one in project.made().packages if one.name == "fast" for need in one.needs}
    assert needs == {"six", "helper"}


def test_condas_python_packages_are_held(project: Project, index: Index) -> None:
    pip_section(project, index, "fast", "six")
    project.lock()
    assert all(one.manager == "conda" for one in project.made().packages if one.name == "six")
    before = project.text()
    pip_section(project, index, "needy")
    said = project.lock()
    assert said.code == 2
    assert said.err.startswith("error: environment.yml: the pip section cannot be resolved for")
    assert "needy" in said.err
    assert "conda brings six 1.17.0" in said.err
    assert "envdoctor-lock-" not in said.err
    assert "six" in said.err
    assert "conda's Python packages are held" in said.err
    assert project.text() == before


def test_extras_of_what_conda_brings(project: Project, index: Index) -> None:
    index.add(wheel("jinja2", "3.1.6", requires=["markupsafe>=1", "babel; extra == 'i18n'", "extra:i18n"]), wheel("babel", "2.0"))
    pip_section(project, index, "jinja2[i18n]", conda=("python", "jinja2"))
    said = project.lock()
    assert said.code == 0, said
    assert {one.name for one in project.made().packages if one.manager == "pypi"} == {"babel"}


def test_locked_versions_of_the_pip_section_stay(project: Project, index: Index) -> None:
    pip_section(project, index, "helper==1.0")
    project.lock()
    pip_section(project, index, "helper", "fast")
    project.lock()
    assert project.versions(LINUX)["helper"] == "1.0"
    project.lock("--update", "helper")
    assert project.versions(LINUX)["helper"] == "1.1"


def test_glibc_decides_about_wheels(project: Project, index: Index) -> None:
    if LINUX != "linux-64":
        pytest.skip("x86_64 wheels")
    pip_section(project, index, "fast")
    project.lock("--virtual-package", "linux-64:__glibc=2.35")
    names = {one.artifacts[0].name for one in project.made().packages if one.name == "fast"}
    assert "fast-1.0-cp311-cp311-manylinux_2_34_x86_64.whl" in names


def test_a_pip_section_needs_python(project: Project, index: Index) -> None:
    pip_section(project, index, "helper", conda=("tzdata",))
    project.lock()
    assert "python" in project.versions(LINUX), "pip, which conda-lock adds, needs it"


def test_editable_requirements_are_named(project: Project, index: Index) -> None:
    pip_section(project, index, "-e .", "helper")
    said = project.lock()
    assert said.code == 0, said
    assert "-e .: what is installed in place is not locked" in said.err


def test_a_requirement_that_is_not_there(project: Project, index: Index) -> None:
    pip_section(project, index, "helper>=5")
    said = project.lock()
    assert said.code == 2
    assert "helper" in said.err
    assert not (project.folder / "conda-lock.yml").exists()


# ------------------------------------------------------------------------------------------------------------- credentials


@contextmanager
def served(folder: Path, user: str | None = None, password: str | None = None) -> Iterator[int]:
    """`folder` over HTTP, to who gives the password alone; yields the port."""
    expected = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"

    class Handler(SimpleHTTPRequestHandler):
        def send_head(self) -> Any:
            if user is not None and self.headers.get("Authorization") != expected:
                self.send_error(401)
                return None
            return super().send_head()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_credentials_in_variables_stay_there(project: Project, channel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_USER", "anna")
    monkeypatch.setenv("TEAM_PASSWORD", "geheim-77")
    with served(channel, "anna", "geheim-77") as port:
        project.manifest("python", "six", channel=f"http://$TEAM_USER:${{TEAM_PASSWORD}}@127.0.0.1:{port}/")
        said = project.lock()
        assert said.code == 0, said
        text = project.text()
        assert "geheim" not in text + said.out + said.err
        assert f"url: http://${{TEAM_USER}}:${{TEAM_PASSWORD}}@127.0.0.1:{port}/\n    used_env_vars:\n    - TEAM_PASSWORD" in text
        assert f"url: http://${{TEAM_USER}}:${{TEAM_PASSWORD}}@127.0.0.1:{port}/noarch/six-" in text
        project.lock("--platform", LINUX, three=False)
        assert project.text() == text, "what is kept names the variables, too"
        said = project.lock("--verify")
        assert said.code == 0, said
        assert "all hashes right" in said.err
        assert project.lock("--kind", "explicit").code == 0
        assert run(["install", f"conda-{LINUX}.lock", "-p", "env"]) == 0
        monkeypatch.delenv("TEAM_PASSWORD")
        said = project.lock()
        assert said.code == 2
        assert "the variable TEAM_PASSWORD is not set" in said.err


def test_credentials_in_the_manifest_never_reach_the_lock(project: Project, channel: Path) -> None:
    with served(channel, "anna", "geheim-77") as port:
        project.manifest("python", "six", channel=f"http://anna:geheim-77@127.0.0.1:{port}/")
        said = project.lock()
    assert said.code == 0, said
    assert "geheim" not in project.text() + said.out + said.err
    assert f"url: http://127.0.0.1:{port}/noarch/six-" in project.text()
    assert "its credentials are not in the lock" in said.err


def test_offline_from_the_cache(project: Project, channel: Path) -> None:
    with served(channel) as port:
        project.manifest("python", "six", channel=f"http://127.0.0.1:{port}/")
        assert project.lock("--offline").code == 2
        assert project.lock().code == 0
    first = project.text()
    (project.folder / "conda-lock.yml").unlink()
    with socket.socket() as held:  # nobody else may answer there
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        said = project.lock()
        assert said.code == 2
        assert said.err.startswith(f"error: cannot reach http://127.0.0.1:{port}"), said.err
        assert "--offline" in said.err
        said = project.lock("--offline")
    assert said.code == 0, said
    assert project.text() == first


# --------------------------------------------------------------------------------------------------------------- bad input


def refused(project: Project, *words: str, error: str, old: str | None = None) -> str:
    """The command ends with 2 and that error, and the old lock is what it was; returns stderr."""
    said = project.lock(*words)
    assert said.code == 2, said
    assert said.err.startswith(f"error: {error}"), said.err
    assert "Traceback" not in said.err
    path = project.folder / "conda-lock.yml"
    assert (path.read_text() if path.exists() else None) == old
    return said.err


def test_what_cannot_be_solved_is_explained(project: Project) -> None:
    project.manifest("python", "six")
    project.lock()
    old = project.text()
    project.manifest("python", "sixx")
    said = refused(project, error="environment.yml: there is no solution for", old=old)
    assert "No candidates were found for sixx." in said
    assert "did you mean six?" in said
    assert said.count("No candidates") == 1, "once for all platforms"
    project.manifest("python", "six <1")
    said = refused(project, error="environment.yml: there is no solution for", old=old)
    assert "has six 1.17.0, 1.16.0" in said
    project.manifest("python", "ucrt")
    said = refused(project, error=f"environment.yml: there is no solution for {LINUX}, {MAC}", old=old)
    assert WINDOWS not in said.splitlines()[0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("channels: [{c}\ndependencies: [python]\n", "environment.yml:1: "),
        ("channels: [{c}]\n<<<<<<< HEAD\ndependencies: [python]\n", "environment.yml:2: merge-conflict markers"),
        ("channels: [{c}]\ndependencies: python\n", "environment.yml:2: no list of dependencies"),
        ("channels: [{c}]\n", "environment.yml: no list of dependencies"),
        ("dependencies: [python]\n", "environment.yml: no channels"),
        ("", "environment.yml: no mapping"),
        ("channels: [file:///no/such/channel]\ndependencies: [python]\n", "there is no channel file:///no/such/channel"),
        ("channels: [{c}]\ndependencies:\n  - python\n  - six >=\n", "environment.yml:4: "),
        ("channels: [{c}]\ndependencies:\n  - python\n  - '[x'\n", "environment.yml:4: "),
        ("channels: [{c}]\ndependencies:\n  - python\n  - pip:\n    - ==3\n", "environment.yml:5: "),
        ("channels: [{c}]\ndependencies:\n  - python\n  - pip:\n    - -r other.txt\n", "environment.yml:5: "),
    ],
)
def test_manifests_that_cannot_be_used(project: Project, text: str, error: str) -> None:
    (project.folder / "environment.yml").write_text(text.replace("{c}", project.channel))
    refused(project, error=error)


def test_places_that_cannot_be_used(project: Project) -> None:
    project.manifest("python")
    refused(project, "--platform", "linux-65", error="linux-65 is no platform of conda")
    refused(project, "-f", "nope.yml", error=f"{project.folder}/nope.yml: no such file")
    refused(project, "-o", "no/where.yml", error="cannot write ")
    refused(project, "--group", "x", error="--group is for locks of Python projects")
    refused(project, "--python-version", "3.12", error="--python-version is for locks of Python projects")
    (project.folder / "environment.yml").unlink()
    refused(project, error="there is nothing to make a lock from")


def test_a_lock_that_cannot_be_read_is_not_overwritten(project: Project) -> None:
    project.manifest("python")
    project.lock()
    for broken in (
        project.text().replace("package:", "<<<<<<< HEAD\npackage:", 1),
        project.text()[:700],
        project.text().replace("version: 1\n", "version: 9\n", 1),
    ):
        (project.folder / "conda-lock.yml").write_text(broken)
        said = refused(project, error="conda-lock.yml", old=broken)
        assert "--upgrade" in said
    assert project.lock("--upgrade").code == 0


def test_without_py_rattler(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "rattler", None)
    project.manifest("python")
    said = refused(project, error="py-rattler is not installed")
    assert "pip install 'envdoctor[lock]'" in said


# -------------------------------------------------------------------------------------------------------------- round trip


def test_the_lock_installs_and_is_what_it_says(project: Project) -> None:
    project.manifest("python", "click", "jinja2", "pip")
    said = project.lock("--verify", "--platform", LINUX, three=False)
    assert said.code == 0, said
    assert f"for {LINUX} installed, all hashes right; the environment is what the lock says and works" in said.err
    said = project.lock("--verify", "--kind", "explicit", "--dry-run")
    assert said.code == 0, said
    assert "all hashes right" in said.err
    assert not (project.folder / f"conda-{LINUX}.lock").exists()


def test_a_changed_archive_is_not_installed(project: Project, tmp_path: Path, channel: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(channel, own)
    project.manifest("python", "six", channel=own.as_uri())
    project.lock("--platform", LINUX, three=False)
    archive = next((own / "noarch").glob("six-1.17*"))
    data = bytearray(archive.read_bytes())
    data[-1] ^= 1
    archive.unlink()
    archive.write_bytes(data)
    said = project.lock("--verify", "--platform", LINUX, three=False)
    assert said.code == 2
    assert "is not what was locked: its sha256 is" in said.err


def test_verify_of_another_platform(project: Project) -> None:
    project.manifest("python")
    said = project.lock("--verify", "--platform", MAC, three=False)
    assert said.code == 2
    assert f"the lock is not for {LINUX}" in said.err


def test_install_into_a_new_prefix(project: Project) -> None:
    project.manifest("python", "click")
    project.lock("--platform", LINUX, three=False)
    project.lock("--platform", LINUX, "--kind", "explicit", three=False)
    for number, file in enumerate(("conda-lock.yml", f"conda-{LINUX}.lock")):
        assert run(["install", file, "-p", f"env{number}"]) == 0
        prefix = project.folder / f"env{number}"
        done = subprocess.run([prefix / "bin" / "python", "-c", "import click"], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert run(["check", str(prefix), "--lock", file, "--select", "LCK,CND", "--fail-on", "warning"]) == 0
    project.capsys.readouterr()
    assert run(["install", "conda-lock.yml", "-p", "env0"]) == 2
    assert "env0 is there already" in project.capsys.readouterr().err


def test_install_refuses_what_it_cannot_verify(project: Project) -> None:
    project.manifest("python", "six")
    project.lock("--platform", LINUX, three=False)
    lines = project.text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if "/six-" in line)
    kept = [line for line in lines[at : at + 4] if "md5" not in line and "sha256" not in line]
    without = "".join([*lines[:at], *kept, *lines[at + 4 :]])
    (project.folder / "bare.yml").write_text(without.replace("  hash:\n  category", "  hash: {}\n  category"))
    (project.folder / "uv.lock").write_text('version = 1\nrequires-python = ">=3.11"\n')
    for words, error in (
        (["bare.yml"], "bare.yml: no lockfile that is known"),
        (["uv.lock"], "uv.lock: locks of this kind are installed by their own tool\nhint: uv sync --frozen"),
        (["nope.lock"], "nope.lock: no such file"),
        (["conda-lock.yml", "--group", "docs"], "conda-lock.yml: no category docs"),
    ):
        project.capsys.readouterr()
        assert run(["install", *words, "-p", "env"]) == 2
        assert error in project.capsys.readouterr().err
        assert not (project.folder / "env").exists()
    os.replace(project.folder / "bare.yml", project.folder / "conda-lock.yml")
    assert run(["install", "conda-lock.yml", "-p", "env"]) == 2
    assert "six 1.17.0 has no hash in the lock" in project.capsys.readouterr().err
    assert not (project.folder / "env").exists()


def test_a_changed_archive_over_http_is_not_installed(project: Project, tmp_path: Path, channel: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(channel, own)
    with served(own) as port:
        project.manifest("python", "six", channel=f"http://127.0.0.1:{port}/")
        project.lock("--platform", LINUX, three=False)
        archive = next((own / "noarch").glob("six-1.17*"))
        data = bytearray(archive.read_bytes())
        data[-1] ^= 1
        archive.unlink()
        archive.write_bytes(data)
        project.capsys.readouterr()
        assert run(["install", "conda-lock.yml", "-p", "env"]) == 2
        assert "the lock cannot be installed" in project.capsys.readouterr().err
        assert [one for one in project.folder.iterdir() if one.name.startswith("env")] == [project.folder / "environment.yml"]


def test_condas_settings_say_where_channels_are(
    project: Project, channel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / ".condarc").write_text(f"channel_alias: {channel.parent.as_uri()}\n")
    project.manifest("python", "six", channel=channel.name)
    said = project.lock()
    assert said.code == 0, said
    assert project.made().channels == (channel.name,)
    assert f"url: {channel.as_uri()}/noarch/six-" in project.text()
    os.symlink(channel, tmp_path / "team")
    (home / ".condarc").write_text(f"custom_channels:\n  team: {tmp_path.as_uri()}\ndefault_channels: [{channel.as_uri()}]\n")
    for name in ("team", "defaults"):
        project.manifest("python", "six", channel=name)
        assert project.lock("-o", f"{name}.yml").code == 0
        assert project.made(f"{name}.yml").channels == (name,)


def test_real_metadata_for_five_platforms(project: Project) -> None:
    from tests.conda import forge

    try:
        channel = forge.channel()
    except RuntimeError as error:
        pytest.skip(f"no metadata of conda-forge without a package index: {str(error)[:200]}")
    five = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
    names = ("python", "pydantic", "rich", "requests", "httpx", "ruamel.yaml", "conda-package-handling", "menuinst", "tqdm")
    project.manifest(*names, channel=channel.as_uri(), head=f"platforms: [{', '.join(five)}]")
    said = project.lock(three=False)
    assert said.code == 0, said
    lock = project.made()
    assert lock.platforms == five
    for platform in five:
        assert set(names) <= project.versions(platform).keys()
    urls = {entry.artifacts[0].url or "" for entry in lock.packages}
    assert all("/conda-forge/" in url and not url.startswith("file:") for url in urls)
    assert run(["lock", "--check", "--fail-on", "warning", "--ignore", "LCK013"]) == 0


def test_a_repository_at_its_commit(project: Project, index: Index, tmp_path: Path) -> None:
    repository = tmp_path / "tiny"
    (repository / "src" / "tiny").mkdir(parents=True)
    (repository / "src" / "tiny" / "__init__.py").touch()
    (repository / "backend.py").write_text(
        "import pathlib, zipfile\ndef build_wheel(folder, config_settings=None, metadata_directory=None):\n"
        "    with zipfile.ZipFile(pathlib.Path(folder, 'tiny-0.3-py3-none-any.whl'), 'w') as made:\n"
        "        made.writestr('tiny/__init__.py', '')\n"
        "        about = 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 0.3\\nRequires-Dist: six\\n'\n"
        "        made.writestr('tiny-0.3.dist-info/METADATA', about)\n"
        "        made.writestr('tiny-0.3.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "        made.writestr('tiny-0.3.dist-info/RECORD', '')\n"
        "    return 'tiny-0.3-py3-none-any.whl'\n"
    )
    (repository / "pyproject.toml").write_text('[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n')
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    pip_section(project, index, f"tiny @ git+{repository.as_uri()}")
    said = project.lock("--platform", LINUX, "--verify", three=False)
    assert said.code == 0, said
    entry = next(one for one in project.made().packages if one.name == "tiny")
    assert entry.version == "0.3"
    assert (entry.artifacts[0].kind, entry.artifacts[0].commit) == ("vcs", commit)
    assert f"url: git+{repository.as_uri()}@{commit}" in project.text()
    assert [need.name for need in entry.needs] == ["six"]
