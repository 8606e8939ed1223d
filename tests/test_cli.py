"""The command line as its users meet it: a subprocess, its exit code, stdout, stderr and files."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import envdoctor
from envdoctor import __version__
from envdoctor.rules import modules
from tests.builders import Env, venv
from tests.command import clean_shell, command

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
DATA = Path(envdoctor.__file__).parent / "data"
COMMANDS = ("check", "fix", "lock", "snapshot", "diff", "fleet", "explain", "rules", "init")


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Env:
    env = venv(tmp_path_factory.mktemp("bad") / "env")
    env.dist("alpha", "1.0", requires=["Beta_Lib>=2", "gamma"])
    env.dist("gamma", "0.1")
    return env


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Env:
    env = venv(tmp_path_factory.mktemp("good") / "env")
    env.dist("alpha", "1.0")
    return env


def document(done: subprocess.CompletedProcess[str]) -> Any:
    made = json.loads(done.stdout)
    jsonschema.validate(made, json.loads((DATA / "report.schema.json").read_text()))
    assert made["summary"]["exit_code"] == done.returncode
    return made


def codes(made: Any) -> set[str]:
    return {f["code"] for f in made["findings"]}


def fails(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2, one ``error:`` line, at most one ``hint:`` line, nothing on stdout."""
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith("error: "), done.stderr
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: ")), done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


# ------------------------------------------------------------------------------------------------------ version and help


def test_version_is_one_line(cli: Cli) -> None:
    for option in ("--version", "-V"):
        done = cli(option)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"envdoctor {__version__}\n", "")


def test_without_a_command_there_is_help(cli: Cli) -> None:
    bare, asked = cli(), cli("--help")
    assert bare.returncode == asked.returncode == 0
    assert bare.stdout == asked.stdout
    for name in COMMANDS:
        assert f"  {name}" in asked.stdout
    assert "new-rule" not in asked.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(cli: Cli, name: str) -> None:
    for option in ("--help", "-h"):
        done = cli(name, option)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("Usage: envdoctor ")


def test_check_has_every_option_of_the_contract(cli: Cli) -> None:
    text = cli("check", "--help").stdout
    wanted = "project lock machine snapshot select ignore extend-select fail-on format output deep baseline write-baseline"
    for option in (
        *(f"--{word}" for word in wanted.split(" ")),
        "--no-cache",
        "--no-color",
        "--python",
        "-p",
        "--prefix",
        "-n",
        "--name",
        "-q",
        "-v",
    ):
        assert f"{option} " in text or f"{option}," in text, option


def test_start_up_imports_little() -> None:
    """--version imports nothing, --help click alone: no report types, no rules, no rich."""
    for argument, absent in (
        ("--version", ("click", "msgspec", "rich", "argparse")),
        ("--help", ("msgspec", "rich", "packaging", "psutil")),
    ):
        code = (
            "import sys; from envdoctor.__main__ import main; main([sys.argv[1]]); "
            "print([m for m in sys.argv[2:] if m in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code, argument, *absent], capture_output=True, text=True, check=True)
        assert done.stderr == "[]\n"


# ------------------------------------------------------------------------------------------------------------- bad usage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chekc"], ["no such command 'chekc'", "check"]),
        (["check", "--nope"], ["no such option: --nope"]),
        (["check", "--fail-on", "loud"], ["--fail-on", "'error', 'warning', 'info', 'never'"]),
        (["check", "--select"], ["--select"]),
        (["check", "a", "b"], ["b"]),
        (["check", "--select", "NOPE9"], ["unknown code 'NOPE9'", "hint"]),
        (["check", "--ignore", "NOPE9"], ["unknown code 'NOPE9'"]),
        (["check", "--extend-select", "NOPE9"], ["unknown code 'NOPE9'"]),
        (["check", "--format", "nope"], ["unknown format 'nope'", "terminal, json"]),
        (["fix", "--format", "sarif"], ["unknown format 'sarif'", "terminal, json"]),
        (["check", "--format", "junit", "--format", "sarif"], ["only one format"]),
        (["check", "--format", "json="], ["names no file"]),
        (["check", "--format", "json", "--format", "terminal"], ["only one format"]),
        (["check", "--format", "json=a", "--format", "terminal=a"], ["one file"]),
        (["check", "--format", "json=a", "--output", "b"], ["--output"]),
        (["check", "--output", "nowhere/x"], ["cannot write", "no folder"]),
        (["check", "--output", "/"], ["cannot write", "folder"]),
        (["check", "--write-baseline", "nowhere/x"], ["cannot write"]),
        (["check", "--baseline", "nowhere"], ["--baseline", "no such file"]),
        (["check", "--project", "nowhere"], ["--project", "no such folder"]),
        (["check", "--snapshot", "nowhere"], ["--snapshot", "no such file"]),
        (["check", "--snapshot", "nowhere", "x"], ["--snapshot"]),
        (["check", "--machine", "nowhere"], ["--machine", "no such file"]),
        (["check", "--lock", "nowhere"], ["--lock", "no such file"]),
        (["check", "nowhere"], ["nowhere"]),
        (["check", "."], ["environment"]),
        (["check", ""], ["target"]),
        (["check", "-p", "x", "-n", "y"], ["one"]),
        (["check", "-n", "no-such-conda-environment"], ["no-such-conda-environment"]),
        (["check", "--python", "/nowhere/python"], ["/nowhere/python"]),
        (["snapshot", "nowhere"], ["nowhere"]),
        (["snapshot", "--output", "nowhere/x"], ["cannot write"]),
        (["explain"], ["CODE"]),
        (["explain", "ZZZ999"], ["unknown code 'ZZZ999'"]),
        (["explain", "\x1b[31m"], ["unknown code"]),
        (["rules", "--format", "xml"], ["--format"]),
        (["fix", "--yes"], ["--yes says how --apply works"]),
        (["fix", "--apply", "--snapshot", "x"], ["--apply changes this machine"]),
        (["check", "--expires", "2027-01-31"], ["--reason and --expires"]),
        (["check", "--write-baseline", "x", "--expires", "soon"], ["--expires 'soon' is no day"]),
        (["explain"], ["explain needs a CODE"]),
        (["lock", "--check", "--freeze"], ["--freeze says how a lock is made"]),
        (["lock", "--select", "LCK"], ["--select says how locks are judged"]),
        (["lock", "--check", "--select", "PKG"], ["lock --check asks rules LCK001 to LCK013, not PKG001"]),
        (["fleet", "run", "--all"], ["'fleet' is not available in this version"]),
        (["new-rule", "PKG001", "a-b"], ["taken"]),
        (["new-rule", "PKG099", "a-b"], ["no checkout"]),
    ],
)
def test_bad_usage_ends_with_2_and_two_lines(cli: Cli, arguments: list[str], words: list[str]) -> None:
    fails(cli(*arguments), *words)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "{", "[" * 100_000, '{"schema_version": 99}', '{"schema_version": "x"}', "\xff\x00"]
)
def test_documents_that_are_no_snapshots(cli: Cli, tmp_path: Path, text: str) -> None:
    file = tmp_path / "s.json"
    file.write_text(text, encoding="latin-1")
    for option in ("--snapshot", "--machine", "--baseline"):
        fails(cli("check", option, file), "s.json")


def test_a_newer_snapshot_is_refused(cli: Cli, good: Env, tmp_path: Path) -> None:
    made = json.loads(cli("snapshot", good.prefix).stdout)
    for change, words in (({"schema_version": 2}, "schema 2"), ({"date": "soon"}, "date"), ({"target": 1}, "target")):
        (tmp_path / "s.json").write_text(json.dumps({**made, **change}))
        fails(cli("check", "--snapshot", tmp_path / "s.json"), words)


@pytest.mark.parametrize(
    "text", ["[tool.envdoctor\n", "[tool.envdoctor]\nselct = []\n", "[tool.envdoctor]\nselect = ['NOPE9']\n"]
)
def test_broken_settings(cli: Cli, good: Env, tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    fails(cli("check", good.prefix, cwd=tmp_path), "pyproject.toml")
    fails(cli("check", good.prefix, "--project", tmp_path), "pyproject.toml")


def test_hostile_arguments_are_shown_harmless(cli: Cli) -> None:
    for argument in ("\x1b]0;title\x07", "a\n::error::x", "\u202e"):
        done = cli("check", argument)
        fails(done)
        assert "\x1b" not in done.stderr
        assert "\u202e" not in done.stderr


# ---------------------------------------------------------------------------------------------------- check, exit codes


def test_healthy_is_0(cli: Cli, good: Env) -> None:
    done = cli("check", good.prefix)
    assert done.returncode == 0, done.stdout
    assert "error" not in done.stdout
    assert done.stderr == ""
    assert document(cli("check", good.prefix, "--format", "json"))["summary"]["errors"] == 0


def test_findings_are_1(cli: Cli, bad: Env) -> None:
    done = cli("check", bad.prefix)
    assert done.returncode == 1
    assert "PKG001 dependency-missing" in done.stdout
    assert "beta-lib>=2" in done.stdout
    assert done.stderr == ""
    made = document(cli("check", bad.prefix, "--format", "json"))
    assert made["summary"]["exit_code"] == 1


def test_fail_on(cli: Cli, bad: Env, good: Env, tmp_path: Path) -> None:
    assert cli("check", bad.prefix, "--fail-on", "never").returncode == 0
    assert cli("check", bad.prefix, "--fail-on", "warning").returncode == 1
    odd = venv(tmp_path / "odd")
    odd.dist("alpha", "1.0")
    (odd.site / "gone.pth").write_text("/nowhere/at/all\n")
    arguments = ("check", odd.prefix, "--select", "PTH007")
    made = document(cli(*arguments, "--format", "json"))
    assert [f["severity"] for f in made["findings"]] == ["warning"]
    assert cli(*arguments, "--fail-on", "warning").returncode == 1
    assert cli(*arguments, "--fail-on", "info").returncode == 1
    assert cli(*arguments, "--fail-on", "error").returncode == 0


def test_select_ignore_extend_select(cli: Cli, bad: Env) -> None:
    def ran(*arguments: str) -> set[str]:
        return {c["code"] for c in document(cli("check", bad.prefix, "--format", "json", *arguments))["checks"]}

    everything = set(modules())
    assert ran() == everything
    assert ran("--select", "PKG001") == {"PKG001"}
    assert ran("--select", "pkg001,PTH") == {"PKG001"} | {c for c in everything if c.startswith("PTH")}
    assert ran("--select", "PKG001", "--select", "PKG002") == {"PKG001", "PKG002"}
    assert ran("--ignore", "PKG001") == everything - {"PKG001"}
    assert ran("--select", "PTH007", "--extend-select", "PKG001") == {"PTH007", "PKG001"}
    done = cli("check", bad.prefix, "--select", "PKG001", "--ignore", "PKG001")
    assert done.returncode == 0
    assert "nothing was checked" in " ".join(done.stdout.split())


def test_the_command_line_replaces_the_setting_of_its_name(cli: Cli, bad: Env, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.envdoctor]\nignore = ["PKG001"]\nfail-on = "never"\nformat = "json"\n')
    assert "PKG001" not in codes(document(cli("check", bad.prefix, cwd=tmp_path)))
    made = document(cli("check", bad.prefix, "--ignore", "PTH007", cwd=tmp_path))
    assert "PKG001" in codes(made)
    assert made["summary"]["exit_code"] == 0
    assert cli("check", bad.prefix, "--ignore", "PTH007", "--fail-on", "error", cwd=tmp_path).returncode == 1
    assert cli("check", bad.prefix, "--format", "terminal", cwd=tmp_path).stdout[:1] != "{"


def test_per_finding_ignores(cli: Cli, bad: Env, tmp_path: Path) -> None:
    (tmp_path / "envdoctor.toml").write_text(
        '[[ignores]]\ncode = "PKG001"\nsubject = "Beta_Lib"\nreason = "an optional backend"\nexpires = 2999-01-01\n'
        '[[ignores]]\ncode = "PKG002"\nreason = "long gone"\n'
        '[[ignores]]\ncode = "PKG001"\nreason = "was allowed"\nexpires = 2020-01-01\n'
    )
    made = document(cli("check", bad.prefix, "--format", "json", cwd=tmp_path))
    assert "PKG001" not in codes(made)
    (aside,) = made["suppressed"]
    assert (aside["code"], aside["reason"], aside["expires"]) == ("PKG001", "an optional backend", "2999-01-01")
    notes = "\n".join(made["notes"])
    assert "PKG002: matches no finding" in notes
    assert "expired on 2020-01-01" in notes
    text = cli("check", bad.prefix, cwd=tmp_path)
    assert text.returncode == 0
    assert "set aside: 1 by an ignore" in text.stdout
    (tmp_path / "envdoctor.toml").write_text('[[ignores]]\ncode = "PKG001"\nreason = "x"\nexpires = 2020-01-01\n')
    assert cli("check", bad.prefix, cwd=tmp_path).returncode == 1


def test_baseline(cli: Cli, tmp_path: Path) -> None:
    env = venv(tmp_path / "env")
    env.dist("alpha", "1.0", requires=["beta"])
    file = tmp_path / "known.json"
    first = cli("check", env.prefix, "--write-baseline", file)
    assert first.returncode == 1
    assert "known.json" in first.stderr
    made = document(cli("check", env.prefix, "--baseline", file, "--format", "json"))
    assert made["findings"] == []
    assert "PKG001" in {s["code"] for s in made["suppressed"]}
    env.dist("zeta", "1.0", requires=["eta"])
    made = document(cli("check", env.prefix, "--baseline", file, "--format", "json"))
    assert [f["subjects"][0]["name"] for f in made["findings"]] == ["eta"]
    assert cli("check", env.prefix, "--baseline", file, "--write-baseline", file).returncode == 1
    assert cli("check", env.prefix, "--baseline", file).returncode == 0


def test_every_way_to_name_a_target(cli: Cli, bad: Env, tmp_path: Path) -> None:
    want = document(cli("check", bad.prefix, "--format", "json"))["target"]["prefix"]
    for arguments in ((bad.python,), ("--python", bad.python), ("-p", bad.prefix), ("--prefix", bad.prefix), (f"{bad.prefix}/",)):
        assert document(cli("check", *arguments, "--format", "json"))["target"]["prefix"] == want
    made = document(cli("check", "--format", "json", env={"VIRTUAL_ENV": str(bad.prefix)}))
    assert (made["target"]["prefix"], made["target"]["chosen_by"]) == (want, "VIRTUAL_ENV")
    project = tmp_path / "project"
    (project / "sub").mkdir(parents=True)
    (project / ".git").mkdir()
    (project / ".venv").symlink_to(bad.prefix)
    for folder in (project, project / "sub"):
        assert cli("check", "--select", "PKG001", cwd=folder).returncode == 1, folder
    assert cli("check", "--select", "PKG001", "--project", project).returncode == 1


# ------------------------------------------------------------------------------------------------------ formats, outputs


def test_two_runs_are_byte_identical_apart_from_timings(cli: Cli, bad: Env) -> None:
    def run() -> str:
        text = cli("check", bad.prefix, "--format", "json").stdout
        return text[: text.index('"timings"')]

    assert run() == run()


def test_output_files(cli: Cli, bad: Env, tmp_path: Path) -> None:
    report, text = tmp_path / "r.json", tmp_path / "r.txt"
    done = cli("check", bad.prefix, "--format", "terminal", "--format", f"json={report}", cwd=tmp_path)
    assert "PKG001" in done.stdout
    assert json.loads(report.read_text())["summary"]["exit_code"] == 1
    done = cli("check", bad.prefix, "--format", "json", "--output", "out.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "out.json" in done.stderr
    assert json.loads((tmp_path / "out.json").read_text())["findings"]
    done = cli("check", bad.prefix, "--format", f"terminal={text}", "--format", "json", env={"TERM": "xterm"})
    assert json.loads(done.stdout)
    assert "·" in text.read_text(encoding="utf-8")
    assert "\x1b" not in text.read_text(encoding="utf-8")
    assert cli("check", bad.prefix, "--output", "-").stdout
    assert cli("check", bad.prefix, "--format", "json=-").stdout.startswith("{")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(report.stat().st_mode) == 0o666 & ~mask
    assert not list(tmp_path.glob(".envdoctor-*"))


def test_output_keeps_links_and_modes_and_writes_to_devices(cli: Cli, good: Env, tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    assert cli("check", good.prefix, "--format", "json", "--output", link).returncode == 0
    assert link.is_symlink()
    assert json.loads(real.read_text())
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert cli("check", good.prefix, "--output", "/dev/null").returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_2(good: Env, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        argv = [*command(tmp_path), "check", str(good.prefix)]
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, env=clean_shell(), check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot write to stdout")
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_error(bad: Env, tmp_path: Path) -> None:
    for arguments in (
        ["check", str(bad.prefix)],
        ["rules"],
        ["--help"],
        ["check", "--help"],
        ["check", str(bad.prefix), "--format", "json"],
    ):
        process = subprocess.Popen(
            [*command(tmp_path), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_shell(), cwd=tmp_path
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait() in (0, 1)
        assert errors == b""


def test_without_stdout_or_stderr(bad: Env, tmp_path: Path) -> None:
    argv = [*command(tmp_path), "check", str(bad.prefix)]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *argv], capture_output=True, env=clean_shell(), check=False)
    assert done.returncode in (1, 2)
    assert b"Traceback" not in done.stderr
    done = subprocess.run(["sh", "-c", '"$@" 2>&-', "sh", *argv, "--nope"], capture_output=True, env=clean_shell(), check=False)
    assert done.returncode == 2


def test_colour_and_its_switches(cli: Cli, bad: Env) -> None:
    run = ("check", bad.prefix)
    assert "\x1b" not in cli(*run).stdout
    assert "\x1b[" in cli(*run, env={"FORCE_COLOR": "1"}).stdout
    assert "\x1b" not in cli(*run, env={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stdout
    assert "\x1b" not in cli(*run, "--no-color", env={"FORCE_COLOR": "1"}).stdout
    assert "\x1b" not in cli(*run, env={"FORCE_COLOR": "0"}).stdout


def test_ascii_locales(cli: Cli, bad: Env) -> None:
    run = ("check", bad.prefix)
    assert not cli(*run).stdout.isascii()
    for shell in ({"LANG": "C"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, {"PYTHONIOENCODING": "ascii"}):
        variables = {"LANG": "", "LC_ALL": "", "LC_CTYPE": "", **shell}
        done = cli(*run, env=variables)
        assert done.returncode == 1
        assert done.stdout.isascii(), shell
        assert "beta-lib" in done.stdout
    for shell in ({"LC_ALL": "C.UTF-8"}, {"LANG": "C.UTF-8"}):
        assert not cli(*run, env={"LANG": "", "LC_ALL": "", "LC_CTYPE": "", **shell}).stdout.isascii()


def test_width(cli: Cli, bad: Env) -> None:
    def widest(columns: str) -> int:
        lines = cli("check", bad.prefix, env={"COLUMNS": columns}).stdout.splitlines()
        return max(len(line) for line in lines if not line.startswith("      ") and "/" not in line)

    assert widest("40") <= 46
    assert widest("") <= 80
    assert widest("nonsense") <= 80
    assert cli("check", bad.prefix, env={"COLUMNS": "1"}).returncode == 1


def test_quiet_and_verbose(cli: Cli, bad: Env) -> None:
    quiet, plain, verbose = (cli("check", bad.prefix, "--select", "PKG", *o).stdout for o in (("-q",), (), ("-v",)))
    assert len(quiet.splitlines()) == 2
    assert len(quiet) < len(plain) < len(verbose)
    assert "time:" in verbose
    assert cli("check", bad.prefix, "-q", "-v").returncode == 1


class Screen:
    """A command on a pseudo-terminal; stderr apart."""

    def __init__(self, argv: list[str], env: dict[str, str], cwd: Path) -> None:
        primary, secondary = pty.openpty()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=secondary, stderr=secondary, env=env, cwd=cwd)
        os.close(secondary)
        self.primary = primary

    def read(self, timeout: float = 60) -> str:
        parts: list[bytes] = []
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            ready, _, _ = select.select([self.primary], [], [], 0.2)
            if ready:
                try:
                    data = os.read(self.primary, 65536)
                except OSError:
                    break
                if not data:
                    break
                parts.append(data)
            elif self.process.poll() is not None:
                break
        self.process.wait()
        os.close(self.primary)
        return b"".join(parts).decode("utf-8", "replace")


def test_on_a_terminal(bad: Env, tmp_path: Path) -> None:
    shell = {**clean_shell(), "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    shell.pop("NO_COLOR", None)
    argv = [*command(tmp_path), "check", str(bad.prefix)]
    assert "\x1b[1;31merror\x1b[0m" in Screen(argv, shell, tmp_path).read()
    assert "\x1b" not in Screen(argv, {**shell, "TERM": "dumb"}, tmp_path).read()
    assert "\x1b" not in Screen(argv, {**shell, "NO_COLOR": "1"}, tmp_path).read()


def test_progress_is_shown_only_when_it_takes_long() -> None:
    code = "import time, sys\nfrom envdoctor.cli.progress import Progress\n"
    code += "with Progress('reading'): time.sleep(float(sys.argv[1]))\n"
    shell = {**clean_shell(), "TERM": "xterm", "LANG": "C.UTF-8", "PYTHONPATH": str(Path(envdoctor.__file__).parent.parent)}
    slow = Screen([sys.executable, "-c", code, "1.0"], shell, Path("/")).read()
    assert "reading … 1 s" in slow
    assert slow.endswith("\r\x1b[K")
    assert Screen([sys.executable, "-c", code, "0.1"], shell, Path("/")).read() == ""
    assert Screen([sys.executable, "-c", code, "1.0"], {**shell, "CI": "true"}, Path("/")).read() == ""
    done = subprocess.run([sys.executable, "-c", code, "1.0"], capture_output=True, env=shell, check=True)
    assert done.stderr == b""


def test_interrupted_is_130(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*command(tmp_path), "check", "--snapshot", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_shell(),
    )
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err


# ------------------------------------------------------------------------------------------------- snapshot and machine


def test_a_snapshot_gives_the_same_findings(cli: Cli, bad: Env, tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    done = cli("snapshot", bad.prefix, "--output", file)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    direct = document(cli("check", bad.prefix, "--format", "json"))
    for arguments, stdin in ((("--snapshot", file), None), (("--snapshot", "-"), file.read_text())):
        judged = document(cli("check", *arguments, "--format", "json", stdin=stdin))
        assert judged["findings"] == direct["findings"]
        assert judged["machine"]["source"] == str(arguments[1])
    printed = cli("snapshot", bad.prefix)
    assert json.loads(printed.stdout)["target"]["prefix"] == direct["target"]["prefix"]
    jsonschema.validate(json.loads(printed.stdout), json.loads((DATA / "snapshot.schema.json").read_text()))
    fails(cli("check", "--snapshot", file, bad.prefix), "--snapshot")
    fails(cli("check", "--snapshot", file, "-p", bad.prefix), "--prefix")


def test_machine_of_a_snapshot_or_alone(cli: Cli, good: Env, tmp_path: Path) -> None:
    whole = json.loads(cli("snapshot", good.prefix).stdout)
    for number, made in enumerate((whole, {"schema_version": 1, "machine": whole["machine"]}, whole["machine"])):
        file = tmp_path / f"m{number}.json"
        file.write_text(json.dumps(made))
        got = document(cli("check", good.prefix, "--machine", file, "--format", "json"))
        assert got["machine"]["source"] == str(file)
        assert got["machine"]["libc"] == whole["machine"].get("libc")
    (tmp_path / "x.json").write_text('{"schema_version": 1}')
    fails(cli("check", good.prefix, "--machine", tmp_path / "x.json"), "x.json")
    (tmp_path / "y.json").write_text(json.dumps({"schema_version": 7, "machine": whole["machine"]}))
    fails(cli("check", good.prefix, "--machine", tmp_path / "y.json"), "schema 7")


def test_lock_names_what_is_read_instead_of_what_is_found(cli: Cli, good: Env, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("alpha==1.0 --hash=sha256:00\n")
    other = tmp_path / "other.lock"
    other.write_text('lock-version = "1.0"\ncreated-by = "by hand"\npackages = []\n')
    facts = json.loads(cli("snapshot", good.prefix, "--project", tmp_path).stdout)
    assert [(lock["path"], lock["format"]) for lock in facts["locks"]] == [("requirements.txt", "requirements")]
    done = cli("check", good.prefix, "--project", tmp_path, "--lock", other, "--format", "json")
    assert json.loads(done.stdout)["findings"] is not None
    (tmp_path / "notes.md").write_text("# nothing")
    fails(cli("check", good.prefix, "--lock", tmp_path / "notes.md"), "notes.md", "no lockfile of a known format")


# -------------------------------------------------------------------------------------------------- fix, explain, rules


def test_fix_prints_the_plan(cli: Cli, bad: Env, good: Env) -> None:
    done = cli("fix", bad.prefix)
    assert (done.returncode, done.stderr) == (0, "")
    assert "beta-lib>=2" in done.stdout
    assert "nothing was changed" in done.stdout
    made = json.loads(cli("fix", bad.prefix, "--format", "json").stdout)
    assert any("beta-lib>=2" in step["command"] for step in made["steps"])
    assert made["steps"][0]["solves"][0]["code"] == "PKG001"
    assert made["verify"][-1][:2] == ["envdoctor", "check"]
    assert "nothing to mend" in cli("fix", good.prefix, "--select", "PKG").stdout
    assert "beta-lib" not in cli("fix", bad.prefix, "--ignore", "PKG001").stdout


def test_explain(cli: Cli) -> None:
    for code in ("PKG001", "pkg001", "dependency-missing"):
        done = cli("explain", code)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[0] == "PKG001 dependency-missing"
        assert "error" in done.stdout.splitlines()[1]
        for section in ("Why it matters", "How it is found", "Look-alikes that are fine", "How to fix", "Example"):
            assert section in done.stdout


def test_rules(cli: Cli) -> None:
    made = json.loads(cli("rules", "--format", "json").stdout)["rules"]
    assert [rule["code"] for rule in made] == list(modules())
    assert {"code", "name", "severity", "title", "reads"} <= made[0].keys()
    text = cli("rules").stdout
    table = cli("rules", "--format", "markdown").stdout
    for code in modules():
        assert code in text
        assert f"| {code} |" in table
    assert json.loads(cli("rules", "--format", "json", "--select", "PKG001").stdout)["rules"][0]["code"] == "PKG001"


# ------------------------------------------------------------------------------------------------------------ inner bugs


def test_a_bug_of_our_own_is_2_without_a_traceback() -> None:
    code = (
        "import sys, envdoctor.cli.session as s\n"
        "def boom(*a, **k): raise ZeroDivisionError('inner')\n"
        "s.Session.report = boom\n"
        "from envdoctor.cli import run\n"
        "sys.exit(run(['check', sys.prefix]))\n"
    )
    shell = {**clean_shell(), "PYTHONPATH": str(Path(envdoctor.__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=shell, check=False)
    fails(done, "envdoctor itself failed: ZeroDivisionError: inner", "ENVDOCTOR_TRACEBACK")


def test_the_working_directory_is_not_on_our_path(good: Env, tmp_path: Path) -> None:
    """``python -m envdoctor`` in a project with a random.py of its own."""
    for name in ("random", "json", "click", "msgspec", "typing_extensions", "select", "report"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(9)\n")
    shell = {**clean_shell(), "PYTHONPATH": str(Path(envdoctor.__file__).parent.parent)}
    argv = [sys.executable, "-m", "envdoctor", "check", str(good.prefix), "--select", "PKG001"]
    done = subprocess.run(argv, capture_output=True, text=True, env=shell, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_working_directory_that_is_gone(cli: Cli, good: Env, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    argv = [*command(tmp_path), "check", str(good.prefix)]
    done = subprocess.run(
        ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(gone), *argv],
        capture_output=True,
        text=True,
        env=clean_shell(),
        check=False,
    )
    assert done.returncode == 0, done.stderr


# --------------------------------------------------------------------------------------------------------------- new-rule


def test_the_scaffold_makes_a_rule_that_works(tmp_path: Path, cli: Cli) -> None:
    import shutil

    root = Path(envdoctor.__file__).parent.parent
    shutil.copytree(root / "envdoctor", tmp_path / "envdoctor", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__", "real", "collect", "fuzz"))
    done = cli("new-rule", "INT099", "record-haunted", "--severity", "warning", "--root", tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 3
    again = cli("new-rule", "INT099", "record-haunted", "--root", tmp_path)
    assert again.returncode == 2
    shell = {**clean_shell(), "PYTHONPATH": str(tmp_path)}
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests/rules/test_int099.py"]
    tested = subprocess.run(argv, capture_output=True, text=True, env=shell, cwd=tmp_path, check=False)
    assert tested.returncode == 0, tested.stdout
    explained = subprocess.run(
        [sys.executable, "-m", "envdoctor", "explain", "INT099"],
        capture_output=True,
        text=True,
        env=shell,
        cwd=tmp_path,
        check=False,
    )
    assert "INT099 record-haunted" in explained.stdout


def test_snapshot_that_names_a_site_folder_it_does_not_have(cli: Cli, bad: Env, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    assert cli("snapshot", bad.prefix, "--output", path).returncode == 0
    document = json.loads(path.read_text())
    document["distributions"][0]["site"] = 99
    path.write_text(json.dumps(document))
    done = cli("check", "--snapshot", path)
    assert done.returncode == 2 and done.stdout == ""
    assert "error:" in done.stderr and "site folder 99" in done.stderr
