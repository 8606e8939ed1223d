"""``check --select`` reads what the selected rules ask for, and says what a run says that reads everything.

``support.report_of`` asks every rule case about the same facts part by part. Here the parts are really read, selection by
selection, without the cache and with what other selections have left in it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envdoctor.answers import recalled, recalled_for
from envdoctor.collect import PARTS, Collected, memory
from envdoctor.diagnose import Request, begin, examine, judge, observe
from envdoctor.finding import Finding
from envdoctor.partial import NotRead, is_read, partial
from envdoctor.report import Check
from envdoctor.rules import FAMILIES, modules
from envdoctor.select import Selection
from envdoctor.snapshot import Limits, Snapshot, to_json
from tests.builders import Env, compile_extension, venv
from tests.conftest import Cli
from tests.scenes import SCENES
from tests.support import Parts

CORE = {
    "schema_version",
    "tool_version",
    "date",
    "deep",
    "target",
    "interpreter",
    "venv",
    "sites",
    "distributions",
    "shared_files",
    "unowned",
    "leftovers",
    "conda_packages",
    "conda_meta",
    "namespace_blocks",
    "pth_files",
    "shell",
    "project",
    "machine",
    "gaps",
}
"""Fields of every snapshot."""
FOUNDATION = "INT,PTH,PKG,PIP,ARC001,ARC002,ARC003,ARC004,ARC008"
SELECTIONS = (*FAMILIES, FOUNDATION)
Said = tuple[tuple[Finding, ...], tuple[Check, ...]]


def _sick(home: Path) -> None:
    """Faults of many kinds: something in nearly every part of the snapshot."""
    env = venv(home / "project" / ".venv")
    project = home / "project"
    (project / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\ndependencies = ["alpha", "absent"]\n')
    (project / "requirements.txt").write_text("alpha==2.0\nbeta==2.0\n")
    (project / "random.py").write_text("")
    env.dist("alpha", requires=["beta>=3", "gamma"], requires_python="<3")
    env.dist("beta", "2.0", files={"beta/__init__.py": "from beta.sub import nothing\n", "beta/sub.py": "x = 1\n"})
    env.dist("numpy", "1.26.0")
    env.dist("torch", "2.1.0+cu121", files={"torch/__init__.py": "", "torch/version.py": "cuda = '12.1'\n"})
    env.dist("protobuf", "3.20.3", files={"google/protobuf/__init__.py": "__version__ = '3.20.3'\n"})
    env.dist("made", files={"made/x_pb2.py": "# Protobuf Python Version: 5.27.0\nfrom google.protobuf import runtime_version\n"})
    env.dist("half", files={"half/__init__.py": "", "half/core.py": "import half.gone\n"})
    (env.site / "half" / "core.py").unlink()
    (env.site / "beta" / "sub.py").write_text("xx = 1\n")
    (env.site / "~amma-1.0.dist-info").mkdir()
    (env.site / "more.pth").write_text("/nonexistent/place\nimport nothing_at_all\n")
    script = env.prefix / "bin" / "tool"
    script.write_text("#!/nonexistent/python\n")
    script.chmod(0o755)
    (home / "other").mkdir()
    (home / "other" / "beta.py").write_text("")
    env.dist("empty", files={"empty/__init__.py": "", "empty/_c.abi3.so": b"\x7fELF"})
    if shutil.which("gcc") is not None:
        own = env.site / "native"
        compile_extension(own, "_core", flags=[f"-L{own}", "-Wl,--unresolved-symbols=ignore-all"], source=LACKING)
        compile_extension(own, "_other", file_name="_other.cpython-36m-x86_64-linux-gnu.so")
        (own / "__init__.py").write_text("from native import _core\n")


LACKING = """
#include <Python.h>
void PyNothing_OfThisName(void); void other_absent(void);
static struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "_core", 0, -1, 0};
PyMODINIT_FUNC PyInit__core(void) { PyNothing_OfThisName(); other_absent(); return PyModule_Create(&m); }
"""
HOMES: dict[str, Callable[[Path], None]] = {
    "sick": _sick,
    **{name: SCENES[name] for name in ("healthy", "moved", "locked", "stale", "conda", "mixed", "mac")},
}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for name, build in HOMES.items():
        found[name] = tmp_path_factory.mktemp(name)
        build(found[name])
    return found


def request_of(home: Path, *, use_cache: bool = False, **more: str) -> Request:
    project = home / "project"
    target = next(folder for name in (".venv", "env", "mac-env", ".") if (folder := project / name).is_dir())
    if home.name.startswith("stale"):
        target = venv(home / "apart").prefix
    environ = {
        "PATH": f"{home}/bin",
        "HOME": str(home),
        "PYTHONPATH": f"{home}/other",
        "LD_LIBRARY_PATH": f"{home}/libraries",
        "XDG_CACHE_HOME": str(home / "cache"),
        **more,
    }
    return Request(target=str(target), environ=environ, cwd=str(project), project=str(project), probe=False, use_cache=use_cache)


def said(collected: Collected, selection: Selection) -> Said:
    """What rules say of all facts."""
    report = judge(collected.snapshot, selection, checks=collected.checks)
    return report.findings, report.checks


def asked(request: Request, selection: Selection) -> tuple[Said, set[str], Snapshot]:
    """What they say of what they ask for; the parts, and the facts."""
    reading = begin(request)
    known = None if reading.memory is None else recalled_for(reading.memory, reading, selection.codes())
    report = examine(reading, selection, known=known)
    if known is not None:
        known.keep(reading)
        assert known.memory.problem is None
    return (report.findings, report.checks), reading.done, report.snapshot


def still(snapshot: Snapshot) -> bytes:
    return to_json(msgspec.structs.replace(snapshot, machine=msgspec.structs.replace(snapshot.machine, limits=Limits())))


# -------------------------------------------------------------------------------------------------------- the mechanism
def test_every_field_is_of_one_part_or_in_every_snapshot() -> None:
    named = [name for names in PARTS.values() for name in names]
    assert len(named) == len(set(named))
    whole = {name for name in named if "." not in name}
    assert whole.isdisjoint(CORE)
    assert whole | CORE == set(Snapshot.__struct_fields__)


def test_what_was_not_read_is_not_empty(env: Env) -> None:
    whole = observe(Request(target=str(env.prefix), environ={}, cwd="/")).snapshot
    seen = Parts(whole).collected().snapshot
    for part, names in PARTS.items():
        for name in names:
            field, _, inner = name.partition(".")
            fact: Any = getattr(seen, field) if inner else seen
            copied = msgspec.structs.replace(fact)
            for one in (fact, copied):
                with pytest.raises(NotRead) as error:
                    getattr(one, inner or field)
                assert error.value.part == part
                assert not is_read(one, inner or field)
                assert not hasattr(one, "nothing_of_this_name")
    assert seen.distributions is whole.distributions
    assert is_read(seen, "distributions")
    assert partial(whole, {}) is whole


def test_no_rule_turns_what_was_not_read_into_an_answer() -> None:
    """A rule of others that catches everything does not swallow it."""

    def careless(view: Snapshot) -> int:
        try:
            return len(view.natives)
        except Exception:  # noqa: BLE001
            return 0

    assert not issubclass(NotRead, Exception)
    from tests.formats.made import snapshot

    with pytest.raises(NotRead):
        careless(partial(snapshot(), {"natives": "natives"}))


def test_gaps_are_asked_for_where_they_always_are() -> None:
    """``gaps`` grow with the parts that are read, so rules look at those of the distributions' collector alone."""
    from tests.test_architecture import FILES, RULES

    for name in (*RULES, "envdoctor.view", "envdoctor.remedy", "envdoctor.requirements", "envdoctor.lock.held"):
        source = FILES[name].read_text(encoding="utf-8")
        assert source.count("snapshot.gaps") == source.count('gap.collector == "distributions"'), name


# ------------------------------------------------------------------------------------------------------- the same results
@pytest.mark.parametrize("scene", HOMES)
def test_families_say_the_same(homes: dict[str, Path], scene: str) -> None:
    request = request_of(homes[scene])
    whole = observe(request)
    assert not [check for check in whole.checks if check.outcome == "crashed"]
    for wish in SELECTIONS:
        selection = Selection.of(wish)
        answer, done, snapshot = asked(request, selection)
        assert answer == said(whole, selection), wish
        for name in {field for part in done for field in PARTS[part]}:
            field, _, inner = name.partition(".")
            one, other = getattr(snapshot, field), getattr(whole.snapshot, field)
            assert (getattr(one, inner) == getattr(other, inner)) if inner else (one == other), name


def test_every_rule_says_the_same_alone(homes: dict[str, Path]) -> None:
    request = request_of(homes["sick"])
    whole = observe(request)
    fired = set()
    for code in modules():
        selection = Selection.of(code)
        answer, _, _ = asked(request, selection)
        assert answer == said(whole, selection), code
        fired |= {finding.code for finding in answer[0]}
    assert len(fired) >= 12, fired


def test_rules_that_are_ignored_are_not_read_for(homes: dict[str, Path]) -> None:
    selection = Selection.of(None, "LIB,GPU,ARC,LCK,CND,PTH004,INT009")
    _, done, _ = asked(request_of(homes["sick"]), selection)
    assert done.isdisjoint({"libraries", "numpy", "symbols", "preloads", "stdlib", "device-code", "locks", "conda-installers"})


@pytest.mark.parametrize(
    ("wish", "parts"),
    [
        ("INT001", set()),
        ("PKG001", set()),
        ("PIP", {"installers"}),
        ("SYS", set()),
        ("INT003", {"scripts"}),
        ("PKG012", {"imports"}),
        ("ARC002", {"natives"}),
        ("LIB004", {"natives", "imports", "libraries", "numpy"}),
    ],
)
def test_what_is_read(homes: dict[str, Path], wish: str, parts: set[str]) -> None:
    reading = begin(request_of(homes["sick" if wish == "LIB004" else "healthy"]))
    report = examine(reading, Selection.of(wish))
    assert reading.done == parts
    of_parts = {"native", "imports", "scripts", "generated", "frameworks", "installers", "shadows", "libraries", "symbols"}
    assert {name for name in report.timings if name in of_parts} == {
        {"natives": "native"}.get(part, part) for part in parts & {*of_parts, "natives"}
    }


# ------------------------------------------------------------------------------------------------------------- the cache
@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "TICK", 1)


def everything(request: Request) -> tuple[bytes, Said]:
    """Facts and findings of a run that reads all."""
    collected = observe(request)
    known = None if collected.memory is None else recalled(collected.memory, collected.snapshot, None)
    report = judge(collected.snapshot, checks=collected.checks, known=known)
    if known is not None:
        known.keep()
    return still(collected.snapshot), (report.findings, report.checks)


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("name", ["sick", "conda", "locked"])
def test_the_cache_after_runs_that_have_read_less(homes: dict[str, Path], name: str) -> None:
    """In any order: no run takes for empty what another one did not read, and none reads again what one has kept."""
    fresh, cached = request_of(homes[name]), request_of(homes[name], use_cache=True)
    shutil.rmtree(homes[name] / "cache", ignore_errors=True)
    truth, answers = everything(fresh)
    wishes: Iterable[str | None] = ("PKG", None, FOUNDATION, "PKG", "LIB", FOUNDATION, None, "LIB")
    for wish in wishes:
        if wish is None:
            assert everything(cached) == (truth, answers)
        else:
            selection = Selection.of(wish)
            assert asked(cached, selection)[0] == asked(fresh, selection)[0], wish
    for change in range(2):
        (homes[name] / "project" / f"json{change}.py").write_text("")
        metadata = min((homes[name] / "project").rglob("*.dist-info/METADATA"))
        metadata.write_text(metadata.read_text().replace("Name:", f"X-Change: {change}\nRequires-Dist: new{change}\nName:"))
        for wish in ("LIB", FOUNDATION) if change else (FOUNDATION, "LIB"):
            selection = Selection.of(wish)
            assert asked(cached, selection)[0] == asked(fresh, selection)[0], wish
        assert everything(cached) == everything(fresh)


@pytest.mark.usefixtures("_quick")
def test_a_second_run_of_a_selection_asks_no_rule(homes: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    home = homes["healthy"]
    shutil.rmtree(home / "cache", ignore_errors=True)
    request = request_of(home, use_cache=True)
    selection = Selection.of("INT,PKG,ARC")
    first, done, _ = asked(request, selection)
    from envdoctor import diagnose

    def no(code: str) -> None:
        raise AssertionError(code)

    monkeypatch.setattr(diagnose, "load", no)
    second, again, _ = asked(request, selection)
    assert second == first
    assert again == done


# ------------------------------------------------------------------------------------------------------ the command line
FORMATS = ("terminal", "json", "sarif", "junit", "github", "markdown", "html")


@pytest.mark.parametrize("wish", ["PKG,PTH", "LCK", "LIB,ARC", "CND"])
def test_formats_of_a_selection(homes: dict[str, Path], cli: Cli, tmp_path: Path, wish: str) -> None:
    """All formats of one run, each with the facts that it asks for; findings are those of a run for all facts."""
    for name in ("sick", "conda"):
        request = request_of(homes[name])
        outputs = [f"--format={each}={tmp_path / each}" for each in FORMATS]
        done = cli("check", request.target, "--select", wish, *outputs, "--no-cache", cwd=homes[name] / "project")
        assert done.returncode in (0, 1), done.stderr
        words = ("--write-baseline", tmp_path / "b", "--format=json", "--no-cache")
        kept = cli("check", request.target, "--select", wish, *words, cwd=homes[name] / "project")
        one, other = json.loads((tmp_path / "json").read_text()), json.loads(kept.stdout)
        for report in (one, other):
            del report["timings"]
        assert one == other
        for each in FORMATS:
            assert (tmp_path / each).stat().st_size > 20
            (tmp_path / each).unlink()
        for words in (("-v",), ("-q",), ("--baseline", tmp_path / "b")):
            shell = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
            more = (*words, "--format=terminal", f"--format=github={tmp_path / 'g'}", "--no-cache")
            again = cli("check", request.target, "--select", wish, *more, cwd=homes[name] / "project", env=shell)
            assert again.returncode == (0 if "--baseline" in words else done.returncode), again.stderr
            assert "Traceback" not in again.stderr
            assert (tmp_path / "summary").stat().st_size
        (tmp_path / "b").unlink()


def test_numbers_that_nobody_looked_at_are_not_told(homes: dict[str, Path], cli: Cli) -> None:
    target = request_of(homes["sick"]).target
    of_packages = cli("check", target, "--select", "PKG001", "--no-cache").stdout
    of_natives = cli("check", target, "--select", "ARC002", "--no-cache").stdout
    assert "native file" not in of_packages
    assert "distributions" in of_packages
    assert "native file" in of_natives
    marked = cli("check", target, "--select", "PKG001", "--no-cache", "--format", "markdown").stdout
    assert "native file" not in marked
