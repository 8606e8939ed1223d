"""PIP001 to PIP005 on real environments, with the real pip and uv as witnesses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from envdoctor.finding import Finding
from tests.builders import Env, interpreters, sha, venv
from tests.support import diagnose, errors, only

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX layout")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Env:
    return venv(tmp_path_factory.mktemp("template") / "env", pip=True)


@pytest.fixture
def piped(template: Env, tmp_path: Path) -> Env:
    """A venv with its own pip, to be damaged."""
    shutil.copytree(template.prefix, tmp_path / "env", symlinks=True)
    return Env(tmp_path / "env")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def shell(home: Path, **more: str) -> dict[str, str]:
    return {"HOME": str(home), "PATH": "/usr/bin:/bin", "XDG_CONFIG_DIRS": f"{home}/xdg", "LANG": "C.UTF-8", **more}


def pip(env: Env, *args: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(env.python), "-m", "pip", *args],
        env=dict(environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd="/",
    )


def wheel(folder: Path, name: str = "tinypkg", version: str = "1.0", requires: str = "") -> Path:
    """A real wheel of one module."""
    folder.mkdir(exist_ok=True)
    base = f"{name}-{version}"
    contents = {
        f"{name}.py": f"v = {version!r}\n",
        f"{base}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{base}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},{sha(text.encode())},{len(text)}" for path, text in contents.items()] + [f"{base}.dist-info/RECORD,,"]
    contents[f"{base}.dist-info/RECORD"] = "\n".join(rows) + "\n"
    path = folder / f"{base}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in contents.items():
            archive.writestr(inner, text)
    return path


def repair(finding: Finding, environ: Mapping[str, str], which: int = 0) -> None:
    """Does what a fix says, for real."""
    for command in finding.fixes[which].commands:
        subprocess.run(command, env=dict(environ), check=True, capture_output=True, timeout=120, cwd="/")


# --------------------------------------------------------------------------------------------------------------- PIP001


def test_whole_pip_and_no_pip_are_fine(piped: Env, env: Env, home: Path) -> None:
    for one in (piped, env):
        assert diagnose(one.prefix, "PIP", environ=shell(home)) == []


@posix
@pytest.mark.parametrize(
    ("gone", "essential"),
    [("__main__.py", True), ("_vendor/requests/__init__.py", False), ("_internal/cli/main.py", False)],
)
def test_pip_with_files_gone(piped: Env, home: Path, gone: str, essential: bool) -> None:
    (piped.site / "pip" / gone).unlink()
    assert pip(piped, "install", "--no-index", "x", environ=shell(home)).returncode != 0
    finding = only(diagnose(piped.prefix, "PIP001", environ=shell(home)), "PIP001")
    assert finding.severity == "warning"
    assert (finding.subjects[0].kind, finding.subjects[0].name) == ("distribution", "pip")
    assert finding.subjects[0].version is not None
    assert finding.message.startswith("python -m pip fails" if essential else "pip is half there")
    assert any(gone in line for line in finding.evidence)
    assert [fix.commands[-1][-2:] for fix in finding.fixes] == [("ensurepip", "--upgrade")]
    repair(finding, shell(home))
    assert pip(piped, "--version", environ=shell(home)).returncode == 0
    assert diagnose(piped.prefix, "PIP001", environ=shell(home)) == []


@posix
def test_a_broken_pip_installs_nothing(piped: Env, home: Path, tmp_path: Path) -> None:
    """The fixes of other rules do not start a pip that does not start."""
    shutil.rmtree(piped.site / "pip/_internal")
    piped.dist("alpha", files={"alpha/__init__.py": "from . import core", "alpha/core.py": ""})
    (piped.site / "alpha/core.py").unlink()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "pip").write_text(f"#!{sys.executable}\n")
    (tools / "pip").chmod(0o755)
    for path, start in ((str(tools), ("pip", "--python", str(piped.python), "install")), ("/nonexistent", None)):
        found = {f.subjects[0].name: f for f in diagnose(piped.prefix, "PKG006", environ=shell(home, PATH=path))}
        if start:
            assert [found[name].fixes[0].commands[0][:4] for name in ("alpha", "pip")] == [start, start]
        else:
            repair(found["pip"], shell(home))
    assert pip(piped, "--version", environ=shell(home)).returncode == 0
    assert [f.subjects[0].name for f in diagnose(piped.prefix, "PKG006", "PIP001", environ=shell(home))] == ["alpha"]


@posix
def test_pip_without_package_or_without_metadata(piped: Env, home: Path) -> None:
    (info,) = piped.site.glob("pip-*.dist-info")
    info.rename(info.with_name("kept"))
    finding = only(diagnose(piped.prefix, "PIP001", environ=shell(home)), "PIP001")
    assert "no metadata folder" in finding.message
    (piped.site / "kept").rename(info)
    shutil.rmtree(piped.site / "pip")
    finding = only(diagnose(piped.prefix, "PIP001", environ=shell(home)), "PIP001")
    assert finding.message.startswith("python -m pip fails")
    repair(finding, shell(home))
    assert pip(piped, "--version", environ=shell(home)).returncode == 0


@posix
def test_pip_repaired_by_uv(piped: Env, home: Path, tmp_path: Path) -> None:
    """Where uv is on PATH, the first fix is uv's."""
    tools = tmp_path / "tools"
    tools.mkdir()
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed beside the tests")
    (tools / "uv").symlink_to(uv)
    (piped.site / "pip/__main__.py").unlink()
    finding = only(diagnose(piped.prefix, "PIP001", environ=shell(home, PATH=str(tools))), "PIP001")
    assert finding.fixes[0].commands == (("uv", "pip", "install", "--python", str(piped.python), "--reinstall", "pip"),)


@posix
def test_shadowed_pip(template: Env, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "pip").mkdir(parents=True)
    (other / "pip/__init__.py").write_text("")
    environ = shell(home, PYTHONPATH=str(other))
    assert pip(template, "--version", environ=environ).returncode != 0
    finding = only(diagnose(template.prefix, "PIP001", environ=environ), "PIP001")
    assert "shadowed" in finding.message
    assert finding.subjects[0].name == "pip"
    assert only(diagnose(template.prefix, "PIP001", environ=shell(home), cwd=other), "PIP001").severity == "warning"
    # the environment's own folder of packages as working directory is the target's own pip
    assert diagnose(template.prefix, "PIP001", environ=shell(home), cwd=template.site) == []


@posix
def test_unparsable_configuration(template: Env, home: Path) -> None:
    file = home / ".config/pip/pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[global\ntimeout = 5\n")
    assert pip(template, "list", environ=shell(home)).returncode != 0
    finding = only(diagnose(template.prefix, "PIP", environ=shell(home)), "PIP001")
    assert finding.subjects[0].kind == "file"
    assert "pip.conf" in finding.message


OLD = {
    "22.3.1": "register_finder(pkgutil.ImpImporter, find_on_path)\n",
    "20.2.4": "",
}


@posix
@pytest.mark.parametrize("version", sorted(OLD))
def test_pip_that_this_python_has_outgrown(version: str, tmp_path: Path, home: Path) -> None:
    """The lines that decide it, as these releases have them; the releases themselves are run in tests/real."""
    python = next((path for short, path in interpreters().items() if tuple(map(int, short.split("."))) >= (3, 12)), None)
    if python is None:
        pytest.skip("no Python 3.12 or newer here")
    env = venv(tmp_path / "env", python=python)
    head = "from distutils import sysconfig as distutils_sysconfig\n" if version == "20.2.4" else "\n"
    env.dist(
        "pip",
        version,
        files={
            "pip/__init__.py": f'__version__ = "{version}"\n',
            "pip/__main__.py": "import pip._internal.locations\nimport pip._vendor.pkg_resources\n",
            "pip/_internal/__init__.py": "",
            "pip/_internal/locations.py": head,
            "pip/_vendor/__init__.py": "",
            "pip/_vendor/pkg_resources/__init__.py": "import pkgutil\nregister_finder = find_on_path = print\n" + OLD[version],
        },
    )
    assert env.run("-m", "pip").returncode != 0
    found = diagnose(env.prefix, "PIP", environ=shell(home))
    broken, old = only(found, "PIP001"), only(found, "PIP002")
    assert broken.caused_by == old.fingerprint
    assert ("distutils" if version == "20.2.4" else "ImpImporter") in broken.message
    assert (old.severity, old.subjects[0].name, old.subjects[0].version) == ("warning", "pip", version)
    repair(old, shell(home))
    assert pip(env, "--version", environ=shell(home)).returncode == 0
    assert diagnose(env.prefix, "PIP", environ=shell(home)) == []


@posix
def test_setuptools_lends_its_distutils(tmp_path: Path, home: Path) -> None:
    python = next((path for short, path in interpreters().items() if tuple(map(int, short.split("."))) >= (3, 12)), None)
    if python is None:
        pytest.skip("no Python 3.12 or newer here")
    env = venv(tmp_path / "env", python=python)
    env.dist(
        "pip",
        "20.2.4",
        files={"pip/__init__.py": "", "pip/__main__.py": "", "pip/_internal/locations.py": "from distutils import sysconfig\n"},
    )
    (env.site / "distutils-precedence.pth").write_text("import os\n")
    assert diagnose(env.prefix, "PIP001", environ=shell(home)) == []


# --------------------------------------------------------------------------------------------------------------- PIP002


def with_pip(env: Env, version: str) -> Env:
    env.dist("pip", version, files={"pip/__init__.py": f'__version__ = "{version}"\n', "pip/__main__.py": ""})
    return env


PROJECTS: dict[str, dict[str, str]] = {
    "pep660": {
        "pyproject.toml": '[project]\nname = "app"\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
        "requirements.txt": "-e .\n",
    },
    "pep600": {
        "pyproject.toml": '[project]\nname = "app"\n',
        "uv.lock": 'version = 1\n[[package]]\nname = "n"\nversion = "1"\nwheels = [\n'
        '    { url = "https://x.example/n-1-cp311-cp311-manylinux_2_28_x86_64.whl" },\n]\n',
    },
    "backend": {
        "pyproject.toml": '[project]\nname = "app"\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
    },
    "pylock": {"pylock.toml": 'lock-version = "1.0"\npackages = []\n'},
    "pep517": {"pyproject.toml": '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'},
}


@pytest.mark.parametrize(
    ("asked", "version", "severity"),
    [
        ("pep660", "21.2.4", "warning"),
        ("pep660", "21.3", None),
        ("backend", "21.2.4", "warning"),
        ("backend", "21.3", None),
        ("pep600", "20.2.4", "warning"),
        ("pep600", "20.3", None),
        ("pylock", "25.0.1", "warning"),
        ("pylock", "25.1", "info"),
        ("pylock", "26.1", None),
        ("pep517", "18.1", "warning"),
        ("pep517", "19.0", None),
    ],
)
def test_pip_too_old_for_the_project(
    asked: str, version: str, severity: str | None, env: Env, home: Path, tmp_path: Path
) -> None:
    with_pip(env, version)
    root = tmp_path / "project"
    root.mkdir()
    for name, content in PROJECTS[asked].items():
        (root / name).write_text(content)
    found = diagnose(env.prefix, "PIP002", environ=shell(home), cwd=root, project=root)
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    for finding in found:
        assert (finding.subjects[0].name, finding.subjects[0].version) == ("pip", version)
        assert finding.fixes[0].commands
        assert finding.evidence
    assert diagnose(env.prefix, "PIP002", environ=shell(home)) == []


def test_no_pip_is_never_too_old(env: Env, home: Path, tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text('lock-version = "1.0"\npackages = []\n')
    assert diagnose(env.prefix, "PIP002", environ=shell(home), project=tmp_path) == []


# --------------------------------------------------------------------------------------------------------------- PIP003


@posix
@pytest.mark.parametrize("variable", ["PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"])
def test_variable_sends_the_install_elsewhere(piped: Env, home: Path, tmp_path: Path, variable: str) -> None:
    wheel(tmp_path / "wheels")
    environ = shell(home, **{variable: str(tmp_path / "elsewhere")})
    done = pip(piped, "install", "--no-index", "--find-links", str(tmp_path / "wheels"), "tinypkg", environ=environ)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "elsewhere").rglob("tinypkg.py"))
    assert not (piped.site / "tinypkg.py").exists()
    finding = only(diagnose(piped.prefix, "PIP", environ=environ), "PIP003")
    assert finding.severity == "error"
    assert (finding.subjects[0].kind, finding.subjects[0].name) == ("variable", variable)
    assert finding.fixes[0].commands == (("unset", variable),)


@posix
def test_file_sends_the_install_elsewhere_and_the_fix_mends_it(piped: Env, home: Path, tmp_path: Path) -> None:
    wheel(tmp_path / "wheels")
    file = home / ".config/pip/pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text(f"[global]\ntimeout = 20\n[install]\ntarget = {tmp_path}/elsewhere\n")
    install = ("install", "--no-index", "--find-links", str(tmp_path / "wheels"), "tinypkg")
    assert pip(piped, *install, environ=shell(home)).returncode == 0
    assert (tmp_path / "elsewhere/tinypkg.py").exists()
    finding = only(diagnose(piped.prefix, "PIP", environ=shell(home)), "PIP003")
    assert finding.severity == "error"
    assert finding.subjects[0].kind == "file"
    assert f"{file}:4" in finding.evidence[0]
    repair(finding, shell(home))
    assert "timeout" in file.read_text()
    assert diagnose(piped.prefix, "PIP", environ=shell(home)) == []
    assert pip(piped, *install, environ=shell(home)).returncode == 0
    assert (piped.site / "tinypkg.py").exists()


@posix
def test_user_install_is_refused_by_a_venv(template: Env, home: Path, tmp_path: Path) -> None:
    wheel(tmp_path / "wheels")
    environ = shell(home, PIP_USER="yes")
    done = pip(template, "install", "--no-index", "--find-links", str(tmp_path / "wheels"), "tinypkg", environ=environ)
    assert done.returncode != 0
    assert "user" in done.stderr
    assert only(diagnose(template.prefix, "PIP", environ=environ), "PIP003").severity == "error"
    assert diagnose(template.prefix, "PIP", environ=shell(home, PIP_USER="0")) == []


@posix
def test_pip_python(piped: Env, home: Path, tmp_path: Path) -> None:
    env = venv(tmp_path / "another")
    wheel(tmp_path / "wheels")
    environ = shell(home, PIP_PYTHON=str(env.python))
    done = pip(piped, "install", "--no-index", "--find-links", str(tmp_path / "wheels"), "tinypkg", environ=environ)
    if done.returncode == 0:
        # pip since 22.3
        assert (env.site / "tinypkg.py").exists()
        assert not (piped.site / "tinypkg.py").exists()
    finding = only(diagnose(piped.prefix, "PIP", environ=environ), "PIP003")
    assert (finding.severity, finding.subjects[0].name) == ("error", "PIP_PYTHON")
    for own in (piped.python, piped.prefix):
        assert diagnose(piped.prefix, "PIP", environ=shell(home, PIP_PYTHON=str(own))) == []
    environ = shell(home, PIP_PYTHON=str(tmp_path / "gone/bin/python"))
    assert pip(piped, "list", environ=environ).returncode != 0
    assert "not there" in only(diagnose(piped.prefix, "PIP", environ=environ), "PIP003").message


@posix
def test_constraint(template: Env, home: Path, tmp_path: Path) -> None:
    wheel(tmp_path / "wheels")
    file = tmp_path / "constraints.txt"
    environ = shell(home, PIP_CONSTRAINT=str(file))
    assert (
        pip(template, "install", "--no-index", "--find-links", str(tmp_path / "wheels"), "tinypkg", environ=environ).returncode
        != 0
    )
    assert only(diagnose(template.prefix, "PIP", environ=environ), "PIP003").severity == "error"
    file.write_text("tinypkg<2\n")
    assert only(diagnose(template.prefix, "PIP", environ=environ), "PIP003").severity == "warning"


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PIP_NO_DEPS", "1"), ("PIP_NO_BINARY", ":all:"), ("PIP_NO_BINARY", "numpy"), ("PIP_IGNORE_REQUIRES_PYTHON", "true")],
)
def test_variables_that_change_what_an_install_does(template: Env, home: Path, variable: str, value: str) -> None:
    finding = only(diagnose(template.prefix, "PIP", environ=shell(home, **{variable: value})), "PIP003")
    assert (finding.severity, finding.subjects[0].name) == ("warning", variable)


@pytest.mark.parametrize(
    "environ",
    [
        {"PIP_REQUIRE_VIRTUALENV": "true", "PIP_CERT": "/etc/ssl/ca.pem", "PIP_TIMEOUT": "5", "PIP_FIND_LINKS": "/wheels"},
        {"PIP_INDEX_URL": "https://pypi.corp.example/simple", "PIP_NO_INDEX": "1", "PIP_CACHE_DIR": "/x"},
        {"PIP_NO_DEPS": "0", "PIP_USER": "no", "PIP_NO_BINARY": ":none:", "PIP_TARGET": "", "PIP_ROOT": "/"},
        {"PIP_EXTRA_INDEX_URL": "file:///srv/simple", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_BREAK_SYSTEM_PACKAGES": "1"},
        {
            "UV_LINK_MODE": "copy",
            "UV_CACHE_DIR": "/x",
            "UV_PYTHON": "3.12",
            "UV_SYSTEM_PYTHON": "0",
            "UV_INDEX_URL": "https://x.example/",
        },
    ],
)
def test_harmless_variables(template: Env, home: Path, environ: dict[str, str]) -> None:
    assert diagnose(template.prefix, "PIP", environ=shell(home, **environ)) == []


def test_settings_that_name_the_target_itself(template: Env, home: Path) -> None:
    environ = shell(
        home, PIP_PREFIX=str(template.prefix), UV_PROJECT_ENVIRONMENT=str(template.prefix), UV_PYTHON=str(template.python)
    )
    assert diagnose(template.prefix, "PIP", environ=environ) == []


@pytest.fixture
def uv_path() -> str:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed beside the tests")
    return str(Path(uv).parent)


@posix
def test_uv_system_python(template: Env, home: Path, tmp_path: Path, uv_path: str) -> None:
    wheel(tmp_path / "wheels")
    base = Path(interpreters()[f"{sys.version_info.major}.{sys.version_info.minor}"]).parent
    environ = shell(
        home,
        PATH=f"{template.prefix}/bin:{base}:{uv_path}:/usr/bin:/bin",
        VIRTUAL_ENV=str(template.prefix),
        UV_SYSTEM_PYTHON="1",
        UV_CACHE_DIR=str(tmp_path / "cache"),
        UV_PYTHON_DOWNLOADS="never",
    )
    install = ["uv", "pip", "install", "--dry-run", "--no-index", "--find-links", str(tmp_path / "wheels"), "tinypkg", "-v"]
    done = subprocess.run(
        [shutil.which("uv", path=uv_path) or "uv", *install[1:]], env=environ, capture_output=True, text=True, check=False
    )
    assert f"Ignoring Python interpreter at `{template.prefix}" in done.stderr, done.stderr
    finding = only(diagnose(template.prefix, "PIP", environ=environ), "PIP003")
    assert (finding.severity, finding.subjects[0].name) == ("error", "UV_SYSTEM_PYTHON")
    del environ["VIRTUAL_ENV"]
    assert only(diagnose(template.prefix, "PIP", environ=environ), "PIP003").severity == "warning"


@posix
def test_uv_project_environment(home: Path, tmp_path: Path, uv_path: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "app"\nversion = "1"\n')
    own = venv(root / ".venv")
    environ = shell(home, UV_PROJECT_ENVIRONMENT=str(tmp_path / "other"), PATH=f"{uv_path}:/usr/bin:/bin")
    finding = only(diagnose(own.prefix, "PIP", environ=environ, cwd=root, project=root), "PIP003")
    assert (finding.severity, finding.subjects[0].name) == ("error", "UV_PROJECT_ENVIRONMENT")
    environ["UV_PROJECT_ENVIRONMENT"] = ".venv"
    assert diagnose(own.prefix, "PIP", environ=environ, cwd=root, project=root) == []


@posix
def test_uv_target_and_broken_file(template: Env, home: Path, tmp_path: Path, uv_path: str) -> None:
    file = home / ".config/uv/uv.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[pip]\ntarget = "/opt/elsewhere"\n')
    environ = shell(home, PATH=f"{uv_path}:/usr/bin:/bin")
    finding = only(diagnose(template.prefix, "PIP", environ=environ), "PIP003")
    assert (finding.severity, finding.subjects[0].kind) == ("error", "file")
    assert f"{file}:2" in finding.evidence[0]
    file.write_text("[pip\n")
    finding = only(diagnose(template.prefix, "PIP", environ=environ), "PIP003")
    assert "uv command" in finding.message


def test_overridden_settings_are_not_reported(template: Env, home: Path, tmp_path: Path) -> None:
    file = home / ".config/pip/pip.conf"
    file.parent.mkdir(parents=True)
    file.write_text("[global]\ntarget = /opt/x\n[install]\nno-deps = yes\n")
    environ = shell(home, PIP_TARGET=str(template.site), PIP_NO_DEPS="no")
    (finding,) = diagnose(template.prefix, "PIP", environ=environ)
    assert (finding.severity, finding.subjects[0].name) == ("warning", "PIP_TARGET")
    assert diagnose(template.prefix, "PIP", environ=shell(home, PIP_CONFIG_FILE=os.devnull)) == []


# --------------------------------------------------------------------------------------------------------------- PIP004


def configured(home: Path, content: str, mode: int = 0o600) -> Path:
    file = home / ".config/pip/pip.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[global]\nindex-url = http://pypi.corp.example/simple\n", "plain http from pypi.corp.example"),
        ("[global]\nfind-links = http://files.corp.example/wheels /srv/wheels\n", "plain http from files.corp.example"),
        ("[global]\ntrusted-host = pypi.corp.example:8443\n", "certificate of pypi.corp.example"),
        ("[install]\nextra-index-url = https://pypi.corp.example/simple\n", "a public package can replace"),
        (
            "[global]\nindex-url = https://pypi.corp.example/simple\nextra-index-url = https://pypi.org/simple\n",
            "a public package",
        ),
    ],
)
def test_unsafe_indexes(template: Env, home: Path, content: str, words: str) -> None:
    configured(home, content)
    finding = only(diagnose(template.prefix, "PIP", environ=shell(home)), "PIP004")
    assert finding.severity == "warning"
    assert words in finding.message
    assert finding.subjects[0].kind == "file"
    assert finding.fixes


def test_http_and_trusted_host_of_one_index_are_one_finding(template: Env, home: Path) -> None:
    configured(home, "[global]\nindex-url = http://pypi.corp.example:8080/simple\ntrusted-host = pypi.corp.example\n")
    assert len(diagnose(template.prefix, "PIP", environ=shell(home))) == 1


@pytest.mark.parametrize(
    "content",
    [
        "[global]\nindex-url = https://pypi.corp.example/simple\ncert = /etc/ssl/ca.pem\ntimeout = 60\n",
        "[global]\nindex-url = http://localhost:3141/root/pypi\ntrusted-host = localhost\n",
        "[global]\nextra-index-url = http://127.0.0.1:8080/simple\n",
        "[global]\nfind-links = /srv/wheels\nextra-index-url = file:///srv/a/simple file:///srv/b/simple\ncert = /x.pem\n",
        "[global]\nindex-url = https://a.corp.example/one\nextra-index-url = https://b.corp.example/two\n",
        "[global]\nextra-index-url = https://pypi.corp.example/simple\nno-index = true\n",
        "[search]\nindex = https://pypi.corp.example/\n",
    ],
)
def test_safe_indexes(template: Env, home: Path, content: str) -> None:
    configured(home, content, 0o644)
    assert diagnose(template.prefix, "PIP", environ=shell(home)) == []


def test_known_public_extra_index_is_info(template: Env, home: Path) -> None:
    environ = shell(home, PIP_EXTRA_INDEX_URL="https://download.pytorch.org/whl/cu126")
    (finding,) = diagnose(template.prefix, "PIP", environ=environ)
    assert (finding.code, finding.severity, finding.subjects[0].name) == ("PIP004", "info", "PIP_EXTRA_INDEX_URL")


@posix
def test_password_that_others_can_read(template: Env, home: Path) -> None:
    for parent in [home, *home.parents]:
        if not parent.stat().st_mode & 0o001:
            if parent == Path("/") or parent.stat().st_uid != os.getuid():
                pytest.skip("the temporary folder is private")
            parent.chmod(parent.stat().st_mode | 0o001)
    file = configured(home, "[global]\nindex-url = https://me:hunter2@pypi.corp.example/simple\n", 0o644)
    file.parent.parent.chmod(0o755)
    file.parent.chmod(0o755)
    finding = only(diagnose(template.prefix, "PIP", environ=shell(home)), "PIP004")
    assert "password" in finding.message
    assert "hunter2" not in repr(finding)
    repair(finding, shell(home))
    assert diagnose(template.prefix, "PIP", environ=shell(home)) == []
    # a variable is no file
    environ = shell(home, PIP_INDEX_URL="https://me:hunter2@pypi.corp.example/simple")
    assert diagnose(template.prefix, "PIP", environ=environ) == []


@posix
def test_uv_takes_the_first_index_unless_told_otherwise(env: Env, home: Path) -> None:
    environ = shell(home, UV_EXTRA_INDEX_URL="https://pypi.corp.example/simple")
    assert diagnose(env.prefix, "PIP", environ=environ) == []
    environ["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    finding = only(diagnose(env.prefix, "PIP", environ=environ), "PIP004")
    assert {s.name for s in finding.subjects} == {"UV_EXTRA_INDEX_URL", "UV_INDEX_STRATEGY"}


# --------------------------------------------------------------------------------------------------------------- PIP005


def project(root: Path, requires: str) -> Path:
    root.mkdir()
    (root / "pyproject.toml").write_text(f'[project]\nname = "acme-core"\nversion = "1"\n[build-system]\nrequires = {requires}\n')
    return root


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tools do not show on PATH elsewhere")
def test_backend_names_a_tool_that_is_not_here(env: Env, home: Path, tmp_path: Path) -> None:
    root = project(tmp_path / "rust", '["maturin>=1"]')
    empty = tmp_path / "bin"
    empty.mkdir()
    finding = only(diagnose(env.prefix, "PIP", environ=shell(home, PATH=str(empty)), cwd=root, project=root), "PIP005")
    assert (finding.severity, finding.subjects[0].kind, finding.subjects[0].name) == ("warning", "project", "acme-core")
    assert "cargo" in finding.message
    (empty / "cargo").write_text("#!/bin/sh\n")
    (empty / "cargo").chmod(0o755)
    assert diagnose(env.prefix, "PIP", environ=shell(home, PATH=str(empty)), cwd=root, project=root) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tools do not show on PATH elsewhere")
def test_compiler(env: Env, home: Path, tmp_path: Path) -> None:
    root = project(tmp_path / "cython", '["setuptools", "cython"]')
    empty = tmp_path / "bin"
    empty.mkdir()
    finding = only(diagnose(env.prefix, "PIP005", environ=shell(home, PATH=str(empty)), cwd=root, project=root), "PIP005")
    assert "a C compiler" in finding.message
    if shutil.which("gcc", path="/usr/bin:/bin"):
        found = diagnose(env.prefix, "PIP005", environ=shell(home), cwd=root, project=root)
        assert not any("compiler" in finding.message for finding in found)
    # installed: it has been built
    env.dist("acme-core", "1")
    assert diagnose(env.prefix, "PIP005", environ=shell(home, PATH=str(empty)), cwd=root, project=root) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="tools do not show on PATH elsewhere")
def test_locked_package_with_no_wheel_for_this_machine(env: Env, home: Path, tmp_path: Path) -> None:
    version = f"{sys.version_info.major}{sys.version_info.minor}"

    def lock(tag: str, marker: str = "") -> None:
        edge = f', marker = "{marker}"' if marker else ""
        (tmp_path / "uv.lock").write_text(
            'version = 1\n\n[[package]]\nname = "app"\nversion = "1"\nsource = { virtual = "." }\n'
            f'dependencies = [\n    {{ name = "native"{edge} }},\n]\n\n[[package]]\nname = "native"\nversion = "2.0"\n'
            'sdist = { url = "https://x.example/native-2.0.tar.gz" }\nwheels = [\n'
            f'    {{ url = "https://x.example/native-2.0-{tag}.whl" }},\n]\n'
        )

    (tmp_path / "pyproject.toml").write_text('[project]\nname = "app"\nversion = "1"\n')
    empty = tmp_path / "bin"
    empty.mkdir()

    def found() -> list[Finding]:
        return diagnose(env.prefix, "PIP005", environ=shell(home, PATH=str(empty)), cwd=tmp_path, project=tmp_path)

    lock(f"cp{version}-cp{version}-win_amd64")
    finding = only(found(), "PIP005")
    assert (finding.severity, finding.subjects[0].name, finding.subjects[0].version) == ("info", "native", "2.0")
    lock(f"cp{version}-cp{version}-win_amd64", "sys_platform == 'win32'")
    assert found() == []
    lock(f"cp{version}-cp{version}-manylinux_2_17_{os.uname().machine}.manylinux2014_{os.uname().machine}")
    assert found() == []
    lock("cp38-abi3-manylinux1_" + os.uname().machine)
    assert not errors(found())
