"""INT001 to INT009 on real environments: planted faults, and what looks like them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from envdoctor.finding import Finding
from envdoctor.snapshot import Activation, Snapshot
from envdoctor.view import View
from tests.builders import Env, interpreters, venv
from tests.installation import SHORT, installation, own_site
from tests.support import diagnose, only, report_of, snapshot_of

VERSIONS = interpreters()
OTHER = next((v for v in sorted(VERSIONS, reverse=True) if v != SHORT), None)
needs_two = pytest.mark.skipif(OTHER is None, reason="only one Python here")


def names(finding: Finding) -> list[tuple[str, str]]:
    return [(subject.kind, subject.name) for subject in finding.subjects]


def silent(prefix: Path | str, *codes: str, **options: object) -> None:
    found = diagnose(prefix, *codes, **options)
    assert not found, [f"{f.code} {f.message}" for f in found]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Env:
    return installation(tmp_path_factory.mktemp("base") / "python")


@pytest.fixture
def own_base(tmp_path: Path) -> Env:
    """An installation that the test may damage, which runs."""
    made = installation(tmp_path / "base")
    assert made.run("-c", "import ssl").returncode == 0 or made.run("-c", "pass").returncode == 0
    return made


# ------------------------------------------------------------------------------------------------------- all of a healthy one
@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_fresh_environments_of_every_version_have_no_finding_but_their_age(version: str, tmp_path: Path) -> None:
    env = venv(tmp_path / "env", python=VERSIONS[version])
    assert {f.code for f in diagnose(env.prefix, "INT")} <= {"INT005"}
    assert {f.code for f in diagnose(env.prefix, "INT", probe=False)} <= {"INT005"}


def test_copies_and_system_site(tmp_path: Path) -> None:
    env = venv(tmp_path / "env", symlinks=False, system_site=True)
    assert {f.code for f in diagnose(env.prefix, "INT")} <= {"INT005"}


@pytest.mark.parametrize("version", sorted(VERSIONS))
def test_installations_of_every_version(version: str) -> None:
    assert {f.code for f in diagnose(VERSIONS[version], "INT")} <= {"INT005", "INT007"}


# --------------------------------------------------------------------------------------------------------------- INT001
def broken_link(env: Env, to: str) -> None:
    for path in env.prefix.glob("bin/python*"):
        path.unlink()
    (env.prefix / "bin/python").symlink_to(to)
    (env.prefix / "bin/python3").symlink_to("python")


def test_int001_the_base_was_removed(own_base: Env, tmp_path: Path) -> None:
    env = venv(tmp_path / "env", python=str(own_base.python))
    env.dist("alpha")
    shutil.rmtree(own_base.prefix)
    with pytest.raises(FileNotFoundError):
        env.run("-c", "pass")
    found = diagnose(env.prefix)
    assert [f.code for f in found if not f.caused_by] == ["INT001"], [f.message for f in found]
    finding = only(found, "INT001")
    assert finding.severity == "error"
    assert "broken link" in finding.message
    assert names(finding)[0] == ("interpreter", "bin/python")
    assert any(str(own_base.prefix) in line for line in finding.evidence)
    assert finding.fixes[0].commands


def test_int001_the_base_of_a_copied_interpreter_was_removed(own_base: Env, tmp_path: Path) -> None:
    env = venv(tmp_path / "env", python=str(own_base.python), symlinks=False)
    shutil.rmtree(own_base.prefix)
    found = diagnose(env.prefix, "INT001", "INT002")
    if env.run("-c", "pass").returncode != 0:
        assert [(f.code, f.severity) for f in found] == [("INT001", "error")]
    else:  # the running Python was built for a place that still has its standard library
        assert [(f.code, f.severity) for f in found] == [("INT001", "warning")]


@pytest.mark.parametrize("where", ["/opt/gone/python3.9", "python", "../bin"])
def test_int001_links_that_end_nowhere(where: str, env: Env) -> None:
    broken_link(env, where)
    finding = only(diagnose(env.prefix, "INT001"), "INT001")
    assert finding.severity == "error"
    silent(env.prefix, "INT002", "INT004")


def test_int001_no_interpreter_at_all(env: Env) -> None:
    for path in env.prefix.glob("bin/python*"):
        path.unlink()
    assert "is not there" in only(diagnose(env.prefix, "INT001"), "INT001").message


def test_int001_home_is_gone_while_the_link_still_works(env: Env) -> None:
    config = env.prefix / "pyvenv.cfg"
    config.write_text("home = /nonexistent/bin\ninclude-system-site-packages = false\n")
    assert env.run("-c", "import json").returncode == 0
    finding = only(diagnose(env.prefix, "INT001"), "INT001")
    assert finding.severity == "warning"
    assert "/nonexistent/bin" in finding.message


def test_int001_a_chain_of_links_is_fine(env: Env, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(os.path.realpath(sys.executable))
    (tmp_path / "two").symlink_to("one")
    (env.prefix / "bin/python").unlink()
    (env.prefix / "bin/python").symlink_to(tmp_path / "two")
    silent(env.prefix, "INT001", "INT002", "INT004")


def test_int001_a_conda_environment_without_python_is_fine(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta/history").write_text("")
    (tmp_path / "bin").mkdir()
    silent(tmp_path, "INT001")


def test_int001_a_conda_environment_that_lost_its_python(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta/python-3.11.7-h1_0_cpython.json").write_text("{}")
    (tmp_path / f"lib/python{SHORT}/site-packages/a-1.dist-info").mkdir(parents=True)
    only(diagnose(tmp_path, "INT001"), "INT001")


@pytest.mark.skipif(sys.platform == "darwin", reason="not foreign there")
def test_int001_another_systems_environment_is_not_judged_by_this_machines_files(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "pyvenv.cfg").write_text("home = /opt/homebrew/opt/python@3.12/bin\nversion = 3.12.1\n")
    (tmp_path / "bin/python").symlink_to("/opt/homebrew/opt/python@3.12/bin/python3.12")
    (tmp_path / "lib/python3.12/site-packages").mkdir(parents=True)
    silent(tmp_path, "INT")


# --------------------------------------------------------------------------------------------------------------- INT002
def replaced(env: Env, content: bytes, mode: int = 0o755) -> None:
    python = env.prefix / "bin/python"
    python.unlink()
    python.write_bytes(content)
    python.chmod(mode)


def elf(machine: int, bits: int = 64) -> bytes:
    """An ELF header of another machine, with nothing behind it."""
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9)
    return ident + b"\x02\x00" + machine.to_bytes(2, "little") + bytes(4096)


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF")


@linux
def test_int002_a_program_for_another_machine(env: Env) -> None:
    replaced(env, elf(0xF3))  # RISC-V
    with pytest.raises(OSError, match="Exec format error"):
        env.run("-c", "pass")
    finding = only(diagnose(env.prefix, "INT001", "INT002"), "INT002")
    assert finding.severity == "error"
    assert names(finding)[0] == ("interpreter", "bin/python")
    assert any("exec-format" in line for line in finding.evidence)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"junk"])
def test_int002_no_program_at_all(content: bytes, env: Env) -> None:
    replaced(env, content)
    only(diagnose(env.prefix, "INT002"), "INT002")


@linux
def test_int002_the_loader_is_not_there(env: Env, tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    (tmp_path / "x.c").write_text("int main(void) { return 0; }")
    out = env.prefix / "bin/python"
    out.unlink()
    subprocess.run(["gcc", str(tmp_path / "x.c"), "-o", str(out), "-Wl,--dynamic-linker=/lib/ld-gone.so.1"], check=True)
    for probe in (True, False):
        finding = only(diagnose(env.prefix, "INT002", probe=probe), "INT002")
        assert "/lib/ld-gone.so.1" in finding.message


@linux
def test_int002_libpython_is_gone(env: Env, tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    (tmp_path / "l.c").write_text("int f(void) { return 0; }")
    (tmp_path / "x.c").write_text("int f(void); int main(void) { return f(); }")
    library = tmp_path / "libpython3.77.so.1.0"
    subprocess.run(["gcc", "-shared", f"-Wl,-soname,{library.name}", str(tmp_path / "l.c"), "-o", str(library)], check=True)
    out = env.prefix / "bin/python"
    out.unlink()
    subprocess.run(["gcc", str(tmp_path / "x.c"), str(library), "-o", str(out)], check=True)
    library.unlink()
    finding = only(diagnose(env.prefix, "INT002"), "INT002")
    assert library.name in finding.message


@linux
def test_int002_not_executable(env: Env) -> None:
    replaced(env, Path(os.path.realpath(sys.executable)).read_bytes(), 0o644)
    with pytest.raises(PermissionError):
        env.run("-c", "pass")
    assert "permission denied" in only(diagnose(env.prefix, "INT002"), "INT002").message


@linux
def test_int002_the_standard_library_cannot_be_used(own_base: Env, tmp_path: Path) -> None:
    env = venv(tmp_path / "env", python=str(own_base.python))
    (own_base.prefix / "lib" / f"python{SHORT}" / "encodings").unlink()
    done = env.run("-c", "pass")
    if done.returncode == 0:
        pytest.skip("it finds another standard library")
    assert "encodings" in only(diagnose(env.prefix, "INT002"), "INT002").message


@linux
@pytest.mark.parametrize("program", ["false", "abort"])
def test_int002_it_starts_and_does_not_answer(program: str, env: Env, tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    body = {"false": "return 0;", "abort": "__builtin_trap();"}[program]
    (tmp_path / "x.c").write_text(f"int main(void) {{ {body} }}")
    out = env.prefix / "bin/python"
    out.unlink()
    subprocess.run(["gcc", str(tmp_path / "x.c"), "-o", str(out)], check=True)
    finding = only(diagnose(env.prefix, "INT002"), "INT002")
    assert "crashes" in finding.message


@linux
def test_int002_one_that_hangs_floods_and_forks_ends(env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    monkeypatch.setattr("envdoctor.collect.interpreter.TIMEOUT", 0.5)
    (tmp_path / "x.c").write_text(
        "#include <unistd.h>\n#include <string.h>\nint main(void) { char b[65536]; memset(b, 'x', sizeof b); fork();\n"
        "for (;;) { if (write(1, b, sizeof b) < 0) for (;;) pause(); } }"
    )
    out = env.prefix / "bin/python"
    out.unlink()
    subprocess.run(["gcc", str(tmp_path / "x.c"), "-o", str(out)], check=True)
    only(diagnose(env.prefix, "INT002"), "INT002")


def test_int002_a_script_in_its_place_is_not_run(env: Env, tmp_path: Path) -> None:
    replaced(env, f"#!/bin/sh\ntouch {tmp_path}/ran\nexec python\n".encode())
    silent(env.prefix, "INT001", "INT002")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("script", ["sleep 300", "exit 1", "kill -SEGV $$", ""])
def test_int002_a_script_that_starts_no_python(env: Env, script: str) -> None:
    replaced(env, f"#!/bin/sh\n{script}\n".encode())
    assert "starts no Python" in only(diagnose(env.prefix, "INT001", "INT002"), "INT002").message


@pytest.mark.parametrize("script", ['exec "${0%/*}/.real" "$@"', "exec pyenv which", 'docker run image "$@"'])
def test_int002_a_script_that_may_start_one(env: Env, script: str) -> None:
    replaced(env, f"#!/bin/sh\n{script}\n".encode())
    silent(env.prefix, "INT001", "INT002")


def test_int002_nothing_of_the_target_runs(env: Env, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    plant = f"open({str(mark)!r}, 'w')\n"
    for name in ("sitecustomize.py", "usercustomize.py", "encodings.py"):
        (env.site / name).write_text(plant)
    (env.site / "x.pth").write_text(f"import os; open({str(mark)!r}, 'w')\n")
    shell = {"PATH": "/nonexistent", "PYTHONSTARTUP": str(env.site / "sitecustomize.py"), "PYTHONPATH": str(env.site)}
    diagnose(env.prefix, "INT", environ=shell, cwd=env.site)
    assert not mark.exists()


def test_int002_variables_of_the_shell_do_not_keep_it_from_answering(env: Env) -> None:
    shell = {"PATH": "/nonexistent", "PYTHONHOME": "/nonexistent", "LD_PRELOAD": "/nonexistent.so", "PYTHONPATH": "/x"}
    assert snapshot_of(env.prefix, environ=shell).interpreter.run.outcome == "ok"


@linux
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_int002_a_base_that_this_user_may_not_enter(own_base: Env, tmp_path: Path) -> None:
    env = venv(tmp_path / "env", python=str(own_base.python))
    own_base.prefix.chmod(0o700)
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(folder.stat().st_mode | 0o055) if str(folder).startswith("/tmp/pytest") else None
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from tests.support import snapshot_of;"
        "r = snapshot_of(sys.argv[2]).interpreter; print(r.exists, r.run.outcome)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", code, str(root), str(env.prefix)],
        capture_output=True, text=True, env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip("another user cannot run the tests' Python here")
    assert done.stdout.split() == ["True", "not-permitted"]


def test_int001_no_python_but_another_name_of_it(env: Env) -> None:
    target = os.readlink(env.prefix / "bin/python") if os.path.islink(env.prefix / "bin/python") else None
    other = env.prefix / "bin/python3"
    if not os.path.lexists(other):
        other.symlink_to(target or sys.executable)
    (env.prefix / "bin/python").unlink()
    finding = only(diagnose(env.prefix, "INT001", "INT002"), "INT001")
    assert finding.severity == "error" and "bin/python is not there" in finding.message
    subprocess.run(finding.fixes[0].commands[0], check=True)
    silent(env.prefix, "INT001", "INT002")


# --------------------------------------------------------------------------------------------------------------- INT003
def scripted(env: Env) -> Env:
    """With a console script, as pip writes it."""
    script = f"#!{env.python}\nimport alpha\n"
    env.dist("alpha", entry_points="[console_scripts]\nalpha = alpha:main\n")
    path = env.prefix / "bin/alpha"
    path.write_text(script)
    path.chmod(0o755)
    record = env.site / "alpha-1.0.dist-info/RECORD"
    record.write_text(record.read_text() + "\n../../../bin/alpha,,\n")
    return env


def test_int003_a_moved_environment(tmp_path: Path) -> None:
    env = scripted(venv(tmp_path / "old"))
    shutil.move(tmp_path / "old", tmp_path / "new")
    with pytest.raises(FileNotFoundError):
        subprocess.run([str(tmp_path / "new/bin/alpha")], check=False)
    finding = only(diagnose(tmp_path / "new", "INT003"), "INT003")
    assert finding.severity == "error"
    assert str(env.prefix) in finding.message
    assert "gone" in finding.message
    assert names(finding)[0] == ("environment", "new")
    assert {"bin/activate", "bin/alpha"} <= {name for _, name in names(finding)}


def test_int003_a_copied_environment_whose_original_is_there(tmp_path: Path) -> None:
    scripted(venv(tmp_path / "old"))
    shutil.copytree(tmp_path / "old", tmp_path / "new", symlinks=True)
    finding = only(diagnose(tmp_path / "new", "INT003"), "INT003")
    assert finding.severity == "error"
    assert "copy" in finding.message
    silent(tmp_path / "old", "INT003")


def test_int003_a_symlinked_prefix(tmp_path: Path) -> None:
    scripted(venv(tmp_path / "real"))
    (tmp_path / "link").symlink_to("real")
    silent(tmp_path / "link", "INT003")
    made = scripted(venv(tmp_path / "link2" / "env"))
    (tmp_path / "alias").symlink_to("link2")
    silent(tmp_path / "alias/env", "INT003")
    assert made.prefix.exists()


def test_int003_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    scripted(venv(tmp_path / "link/env"))
    silent(tmp_path / "real/env", "INT003")


def test_int003_the_command_alone_is_a_note(tmp_path: Path) -> None:
    env = scripted(venv(tmp_path / "env"))
    config = env.prefix / "pyvenv.cfg"
    lines = [line for line in config.read_text().splitlines() if not line.startswith("command")]
    config.write_text("\n".join([*lines, "command = /usr/bin/python3 -m venv --without-pip /build/env"]))
    assert only(diagnose(env.prefix, "INT003"), "INT003").severity == "info"


def test_int003_a_wrong_activate_or_wrong_scripts_beside_what_is_right(tmp_path: Path) -> None:
    env = scripted(venv(tmp_path / "env"))
    activate = env.prefix / "bin/activate"
    right = activate.read_text()
    activate.write_text(right.replace(str(env.prefix), "/home/other/env"))
    assert only(diagnose(env.prefix, "INT003"), "INT003").severity == "error"
    activate.write_text(right)
    silent(env.prefix, "INT003")
    env.dist("beta", entry_points="[console_scripts]\nbeta = beta:main\n")
    for name in ("alpha", "beta"):
        (env.prefix / "bin" / name).write_text("#!/home/other/env/bin/python\nimport sys\n")
        (env.prefix / "bin" / name).chmod(0o755)
        with (env.site / f"{name}-1.0.dist-info/RECORD").open("a") as record:
            record.write(f"../../../bin/{name},,\n")
    assert only(diagnose(env.prefix, "INT003"), "INT003").severity == "error"


def uv(*arguments: str) -> None:
    found = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    if not Path(found).exists():
        pytest.skip("no uv")
    python = os.path.realpath(sys.executable)
    subprocess.run([found, "venv", "-q", "--offline", "--python", python, *arguments], check=True, capture_output=True)


def test_int003_uv_moved_and_relocatable(tmp_path: Path) -> None:
    uv(str(tmp_path / "plain"))
    uv("--relocatable", str(tmp_path / "relocatable"))
    for name in ("plain", "relocatable"):
        silent(tmp_path / name, "INT001", "INT002", "INT003", "INT004")
        shutil.move(tmp_path / name, tmp_path / f"{name}-moved")
    only(diagnose(tmp_path / "plain-moved", "INT003"), "INT003")
    silent(tmp_path / "relocatable-moved", "INT003")


# --------------------------------------------------------------------------------------------------------------- INT004
@needs_two
def test_int004_the_link_now_leads_to_another_minor_version(tmp_path: Path) -> None:
    assert OTHER is not None
    env = venv(tmp_path / "env", python=VERSIONS[OTHER])
    env.dist("alpha")
    assert env.imports("alpha")
    broken_link(env, os.path.realpath(VERSIONS[SHORT]))
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, "INT001", "INT004"), "INT004")
    assert finding.severity == "error"
    assert OTHER in finding.message
    assert names(finding)[0] == ("interpreter", "bin/python")
    assert any(f"python{OTHER}" in arg for fix in finding.fixes for command in fix.commands for arg in command) or any(
        OTHER in arg for fix in finding.fixes for command in fix.commands for arg in command
    )


@needs_two
def test_int004_venv_was_run_again_with_another_version(tmp_path: Path) -> None:
    assert OTHER is not None
    env = venv(tmp_path / "env", python=VERSIONS[OTHER])
    env.dist("alpha")
    shutil.rmtree(env.prefix / "bin")
    venv(tmp_path / "env")
    finding = only(diagnose(env.prefix, "INT004"), "INT004")
    assert finding.severity == "error"
    new = env.prefix / f"lib/python{SHORT}/site-packages"
    env.dist("beta", site=new)
    assert only(diagnose(env.prefix, "INT004"), "INT004").severity == "warning"


def rewritten(env: Env, line: str) -> None:
    """pyvenv.cfg with another version."""
    config = env.prefix / "pyvenv.cfg"
    kept = [each for each in config.read_text().splitlines() if not each.startswith("version")]
    config.write_text("\n".join([*kept, line, ""]))


def test_int004_pyvenv_cfg_names_another_minor_version(env: Env) -> None:
    rewritten(env, "version = 3.7.3")
    assert "3.7" in only(diagnose(env.prefix, "INT004"), "INT004").message


@pytest.mark.parametrize("line", [f"version = {SHORT}.99", f"version_info = {SHORT}.0.final.0", f"version_info = {SHORT}.1"])
def test_int004_another_patch_level_is_fine(line: str, env: Env) -> None:
    rewritten(env, line)
    silent(env.prefix, "INT004")


def test_int004_an_older_folder_without_distributions_is_fine(env: Env) -> None:
    (env.prefix / "lib/python3.1/site-packages/__pycache__").mkdir(parents=True)
    silent(env.prefix, "INT004")


# --------------------------------------------------------------------------------------------------------------- INT005
def aged(snapshot: Snapshot, version: str, date: str, **changes: object) -> list[Finding]:
    interpreter = msgspec.structs.replace(snapshot.interpreter, **{"version": version, "origin": None, **changes})
    return list(report_of(msgspec.structs.replace(snapshot, interpreter=interpreter, date=date), "INT005").findings)


def test_int005(env: Env) -> None:
    snapshot = snapshot_of(env.prefix)
    (finding,) = aged(snapshot, "3.8.18", "2024-10-08")
    assert (finding.severity, finding.confidence) == ("warning", "certain")
    assert "2024-10-07" in finding.message
    assert finding.fixes[0].commands
    assert aged(snapshot, "3.8.18", "2024-10-07") == []
    assert aged(snapshot, "3.13.0", "2026-01-01") == []
    assert aged(snapshot, "3.99.0", "2099-01-01") == []
    assert aged(snapshot, "3.8.18", "2026-01-01", implementation="pypy") == []
    (finding,) = aged(snapshot, "3.9.2", "2026-01-01", origin="debian", base_prefix="/usr")
    assert finding.severity == "info"
    (finding,) = aged(snapshot, "3.13.0", "2030-01-01")
    assert finding.confidence == "likely"


# --------------------------------------------------------------------------------------------------------------- INT006
def project(root: Path, requires: str | None, name: str = "thing") -> Path:
    root.mkdir(exist_ok=True)
    line = f'requires-python = "{requires}"\n' if requires is not None else ""
    (root / "pyproject.toml").write_text(f'[project]\nname = "{name}"\nversion = "1"\n{line}')
    return root


def test_int006_excluded_in_the_projects_own_environment(tmp_path: Path) -> None:
    root = project(tmp_path / "p", ">=3.99")
    env = venv(root / ".venv")
    finding = only(diagnose(env.prefix, "INT006", project=root), "INT006")
    assert finding.severity == "error"
    assert ">=3.99" in finding.message
    assert {kind for kind, _ in names(finding)} == {"interpreter", "project"}


def test_int006_some_other_environment_is_a_warning_unless_the_project_is_named_or_in_it(env: Env, tmp_path: Path) -> None:
    root = project(tmp_path / "p", "<3.0")
    assert only(diagnose(env.prefix, "INT006", cwd=root), "INT006").severity == "warning"
    assert only(diagnose(env.prefix, "INT006", project=root), "INT006").severity == "error"
    env.dist("thing")
    assert only(diagnose(env.prefix, "INT006", cwd=root), "INT006").severity == "error"


@pytest.mark.parametrize("requires", [None, ">=3.6", f"=={SHORT}.*", "nonsense"])
def test_int006_fine(requires: str | None, env: Env, tmp_path: Path) -> None:
    silent(env.prefix, "INT006", project=project(tmp_path / "p", requires))


# --------------------------------------------------------------------------------------------------------------- INT007
@pytest.fixture
def managed(own_base: Env) -> Iterator[Env]:
    (own_base.prefix / f"lib/python{SHORT}/EXTERNALLY-MANAGED").write_text("[externally-managed]\nError=no\n")
    yield own_base


def outside(snapshot: Snapshot, container: str | None = None) -> list[Finding]:
    machine = msgspec.structs.replace(snapshot.machine, container=container)
    return list(report_of(msgspec.structs.replace(snapshot, machine=machine), "INT007").findings)


def test_int007_packages_in_an_externally_managed_installation(managed: Env) -> None:
    site = own_site(managed)
    managed.dist("pip", "24.0", site=site)
    managed.dist("fromsystem", installer="debian", site=site)
    assert outside(snapshot_of(managed.prefix)) == []
    managed.dist("alpha", site=site)
    managed.dist("beta", installer="uv", site=site)
    snapshot = snapshot_of(managed.prefix)
    assert snapshot.interpreter.externally_managed is not None
    (finding,) = outside(snapshot)
    assert finding.severity == "warning"
    assert [name for kind, name in names(finding) if kind == "distribution"] == ["alpha", "beta"]
    assert outside(snapshot, "docker")  # a home or mounted folder is no part of the image
    for place in ("/usr", "/usr/local", "/opt/conda"):
        image = msgspec.structs.replace(snapshot, target=msgspec.structs.replace(snapshot.target, prefix=place))
        assert outside(image) and outside(image, "docker") == []
    env = venv(managed.prefix.parent / "env", python=str(managed.python))
    env.dist("alpha")
    assert outside(snapshot_of(env.prefix)) == []


def test_int007_a_users_own_installation_is_fine(own_base: Env) -> None:
    own_base.dist("alpha", site=own_site(own_base))
    assert outside(snapshot_of(own_base.prefix)) == []


def test_int007_conda_base(own_base: Env) -> None:
    (own_base.prefix / "conda-meta").mkdir()
    (own_base.prefix / "conda-meta/history").write_text("")
    (own_base.prefix / "condabin").mkdir()
    own_base.dist("alpha", site=own_site(own_base))
    (finding,) = outside(snapshot_of(own_base.prefix))
    assert "conda" in finding.message


# --------------------------------------------------------------------------------------------------------------- INT008
def conda_env(prefix: Path) -> Path:
    """A conda-like environment that stands on the running Python."""
    made = installation(prefix)
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta/history").write_text("")
    return made.prefix


def test_int008_path_leads_elsewhere(tmp_path: Path) -> None:
    one, two = venv(tmp_path / "one"), venv(tmp_path / "two")
    shell = {"VIRTUAL_ENV": str(one.prefix), "PATH": f"{two.prefix}/bin:{one.prefix}/bin"}
    for target in (one.prefix, two.prefix):
        finding = only(diagnose(target, "INT008", environ=shell), "INT008")
        assert finding.severity == "warning"
        assert names(finding)[0] == ("variable", "VIRTUAL_ENV")
        assert str(two.prefix) in finding.message


def test_int008_conda_prefix_and_path(tmp_path: Path) -> None:
    one, two = conda_env(tmp_path / "one"), venv(tmp_path / "two")
    shell = {"CONDA_PREFIX": str(one), "PATH": f"{two.prefix}/bin"}
    assert names(only(diagnose(one, "INT008", environ=shell), "INT008"))[0] == ("variable", "CONDA_PREFIX")


def test_int008_two_environments_active(tmp_path: Path) -> None:
    one, two = venv(tmp_path / "one"), conda_env(tmp_path / "two")
    both = {"VIRTUAL_ENV": str(one.prefix), "CONDA_PREFIX": str(two)}
    only(diagnose(one.prefix, "INT008", environ={**both, "PATH": f"{two}/bin:{one.prefix}/bin"}), "INT008")
    only(diagnose(one.prefix, "INT008", environ={**both, "PATH": f"{one.prefix}/bin:{two}/bin"}), "INT008")
    # A conda base under a virtual environment, or the environment that its Python is from, is what people have.
    on_top = venv(tmp_path / "three", python=str(two / "bin/python"))
    shell = {"VIRTUAL_ENV": str(on_top.prefix), "CONDA_PREFIX": str(two), "PATH": f"{on_top.prefix}/bin:{two}/bin"}
    silent(on_top.prefix, "INT008", environ=shell)
    (two / "condabin").mkdir()
    silent(one.prefix, "INT008", environ={**both, "PATH": f"{one.prefix}/bin:{two}/bin"})


def test_int008_a_variable_that_names_nothing(env: Env) -> None:
    shell = {"VIRTUAL_ENV": "/nowhere/env", "PATH": f"{env.prefix}/bin"}
    assert "not there" in only(diagnose(env.prefix, "INT008", environ=shell), "INT008").message


def test_int008_fine(env: Env, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(env.prefix)
    for active in (env.prefix, tmp_path / "link"):
        for folder in (env.prefix, tmp_path / "link"):
            silent(env.prefix, "INT008", environ={"VIRTUAL_ENV": str(active), "PATH": f"/nonexistent:{folder}/bin"})
    silent(env.prefix, "INT008", environ={"VIRTUAL_ENV": str(env.prefix), "PATH": "/nonexistent"})
    silent(env.prefix, "INT008", environ={"PATH": "/usr/bin"})
    # Another environment was named on the command line; the shell's own is in order.
    other = venv(tmp_path / "other")
    silent(env.prefix, "INT008", environ={"VIRTUAL_ENV": str(other.prefix), "PATH": f"{other.prefix}/bin"})


def test_int008_a_shim_decides_when_it_runs(env: Env, tmp_path: Path) -> None:
    shims = tmp_path / "pyenv" / "shims"
    shims.mkdir(parents=True)
    (shims / "python").write_text('#!/usr/bin/env bash\nexport PYENV_ROOT="/x"\nexec "/x/libexec/pyenv" exec "$program" "$@"\n')
    (shims / "python").chmod(0o755)
    silent(env.prefix, "INT008", environ={"VIRTUAL_ENV": str(env.prefix), "PATH": f"{shims}:{env.prefix}/bin"})


def test_int008_conda_environment_without_python(env: Env, tmp_path: Path) -> None:
    (tmp_path / "r/conda-meta").mkdir(parents=True)
    snapshot = snapshot_of(env.prefix, environ={"CONDA_PREFIX": str(tmp_path / "r"), "PATH": f"{env.prefix}/bin"})
    assert snapshot.shell.activations == (
        Activation(variable="CONDA_PREFIX", path=str(tmp_path / "r"), has_python=False, first_python=False),
    )
    assert not report_of(snapshot, "INT008").findings


# --------------------------------------------------------------------------------------------------------------- INT009
def without(base: Env, module: str) -> None:
    files = list((base.prefix / f"lib/python{SHORT}/lib-dynload").glob(f"{module}.*"))
    if not files:
        pytest.skip(f"{module} is built in here")
    for path in files:
        path.unlink()


def test_int009_a_whole_installation(base: Env, tmp_path: Path) -> None:
    silent(base.prefix, "INT009")
    silent(base.prefix, "INT009", probe=False)


def test_int009_absent(own_base: Env, tmp_path: Path) -> None:
    without(own_base, "_sqlite3")
    env = venv(tmp_path / "env", python=str(own_base.python))
    assert not env.imports("sqlite3")
    for probe in (True, False):
        finding = only(diagnose(env.prefix, "INT009", probe=probe), "INT009")
        assert finding.severity == "warning"
        assert "_sqlite3" in finding.message


def test_int009_absent_and_needed(own_base: Env, tmp_path: Path) -> None:
    without(own_base, "_sqlite3")
    env = venv(tmp_path / "env", python=str(own_base.python))
    env.dist("guarded", files={"guarded.py": "try:\n    import sqlite3\nexcept ImportError:\n    sqlite3 = None\n"})
    env.dist("late", files={"late.py": "def f():\n    import sqlite3\n"})
    assert only(diagnose(env.prefix, "INT009"), "INT009").severity == "warning"
    env.dist("direct", files={"direct/__init__.py": "from . import db\n", "direct/db.py": "from sqlite3 import connect\n"})
    assert env.imports("guarded")
    assert env.imports("late")
    assert not env.imports("direct")
    finding = only(diagnose(env.prefix, "INT009"), "INT009")
    assert finding.severity == "error"
    assert names(finding)[1:] == [("distribution", "direct")]


@linux
def test_int009_damaged_or_its_library_is_gone(own_base: Env, tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    without(own_base, "_lzma")
    dynload = own_base.prefix / f"lib/python{SHORT}/lib-dynload"
    (tmp_path / "l.c").write_text("int f(void) { return 0; }")
    (tmp_path / "m.c").write_text("int f(void); int PyInit__lzma(void) { return f(); }")
    library = tmp_path / "libgone.so.5"
    subprocess.run(["gcc", "-shared", f"-Wl,-soname,{library.name}", str(tmp_path / "l.c"), "-o", str(library)], check=True)
    subprocess.run(["gcc", "-shared", str(tmp_path / "m.c"), str(library), "-o", str(dynload / "_lzma.so")], check=True)
    library.unlink()
    finding = only(diagnose(own_base.prefix, "INT009"), "INT009")
    assert "libgone.so.5" in finding.message
    (dynload / "_lzma.so").write_bytes(b"")
    assert "_lzma" in only(diagnose(own_base.prefix, "INT009"), "INT009").message


def test_int009_tkinter_is_nobodys_business(own_base: Env) -> None:
    for path in (own_base.prefix / f"lib/python{SHORT}/lib-dynload").glob("_tkinter.*"):
        path.unlink()
    silent(own_base.prefix, "INT009")


def test_int009_a_library_that_the_distributor_split_is_fine(own_base: Env) -> None:
    without(own_base, "_sqlite3")
    (own_base.prefix / f"lib/python{SHORT}/sqlite3").unlink()
    silent(own_base.prefix, "INT009")


@linux
def test_int002_a_fifo_as_pyvenv_cfg_hangs_the_interpreter_not_us(env: Env) -> None:
    (env.prefix / "pyvenv.cfg").unlink()
    os.mkfifo(env.prefix / "pyvenv.cfg")
    assert "pyvenv.cfg" in only(diagnose(env.prefix, "INT002"), "INT002").message


def test_a_recreated_environment_gets_its_packages_back_or_says_that_they_are_to_be_installed(tmp_path: Path) -> None:
    """Not where an installer left no note of what was asked for, nor where a project on disk is among it."""
    env = venv(tmp_path / "env")
    env.dist("alpha", "1.0", requires=["beta"])
    env.dist("beta", "1.0", requested=False)
    fix = View(snapshot_of(env.prefix)).remedy.recreate("again")
    assert any("alpha==1.0" in command for command in fix.commands)
    env.dist("gamma", "1.0", requested=False)
    fix = View(snapshot_of(env.prefix)).remedy.recreate("again")
    assert fix.title.endswith("then install the project's requirements again")
    assert not any("alpha==1.0" in command for command in fix.commands)
