"""The combined plan: merged, ordered, free of contradictions; no specifier is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from envdoctor.finding import Finding
from envdoctor.plan import STAGES, Plan, make, name_of, read
from tests.formats.made import finding, fix

UV = ("uv", "pip", "install", "--python", "/p/bin/python")
UV_OUT = ("uv", "pip", "uninstall", "--python", "/p/bin/python")
PIP = ("/p/bin/python", "-m", "pip", "install")
CHECK = ("envdoctor", "check", "-p", "/p")


def asks(*commands: tuple[str, ...], key: str, code: str = "PKG001", **changes: Any) -> Finding:
    """A finding with one fix."""
    safety = changes.pop("safety", "safe")
    return finding(code, key=key, fixes=[fix(*commands, safety=safety, verify=[(*CHECK, "--select", code)])], **changes)


def lines(plan: Plan) -> list[str]:
    return [" ".join(step.command) for step in plan.steps]


def test_nothing() -> None:
    assert make([]) == Plan()


def test_installs_of_one_tool_become_one_command() -> None:
    plan = make([asks((*UV, "a>=1"), key="a"), asks((*UV, "b==2"), key="b"), asks((*UV, "a>=1"), key="c")])
    assert lines(plan) == [" ".join((*UV, "a>=1", "b==2"))]
    assert len(plan.steps[0].solves) == 3
    assert plan.verify == ((*CHECK,),)


def test_specifiers_of_one_distribution_are_joined() -> None:
    plan = make([asks((*UV, "num-py>=1.26"), key="a"), asks((*UV, "Num_Py[x]<2"), key="b")])
    (word,) = plan.steps[0].command[5:]
    made = Requirement(word)
    assert made.specifier == SpecifierSet(">=1.26,<2")
    assert made.extras == {"x"}


def test_specifiers_that_exclude_each_other_are_left_to_a_person_with_both_reasons() -> None:
    plan = make(
        [
            asks((*UV, "numpy>=2"), key="a", message="a needs numpy>=2"),
            asks((*UV, "numpy<2"), key="b", message="b needs numpy<2"),
            asks((*UV, "c"), key="c"),
        ]
    )
    assert lines(plan) == [" ".join((*UV, "c"))]
    (one,) = plan.manual
    assert "numpy" in one.title
    assert one.reasons == ("a needs numpy>=2", "b needs numpy<2") or one.reasons == ("b needs numpy<2", "a needs numpy>=2")
    assert len(one.solves) == 2


def test_removal_against_reinstallation_is_left_to_a_person() -> None:
    plan = make(
        [
            asks((*UV_OUT, "jwt"), key="a", code="PKG011"),
            asks((*UV, "--reinstall", "--no-deps", "JWT==1.0"), key="b", code="PKG006"),
        ]
    )
    assert plan.steps == ()
    assert "jwt" in plan.manual[0].title


def test_remove_then_install_in_one_fix_is_no_contradiction() -> None:
    plan = make(
        [
            asks((*UV_OUT, "opencv-python", "opencv-python-headless"), (*UV, "opencv-python==4.10"), key="a", code="PKG011"),
            asks((*UV, "numpy"), key="b"),
        ]
    )
    assert [step.stage for step in plan.steps] == ["uninstall", "install"]
    assert lines(plan)[1].endswith("opencv-python==4.10") or "opencv-python==4.10" in lines(plan)[1]
    assert plan.manual == ()


def test_the_order_of_stages() -> None:
    plan = make(
        [
            asks((*UV, "x"), key="a"),
            asks((*UV, "--reinstall", "--no-deps", "y==1"), key="b", code="PKG006"),
            asks(("rm", "-rf", "--", "/p/~z"), key="c", code="PKG005", severity="warning"),
            asks(("rm", "-rf", "--", "/p/~w"), key="d", code="PKG005", severity="warning"),
            asks((*UV_OUT, "old"), key="e", code="PKG004"),
            asks(("pip", "config", "unset", "global.target"), key="f", code="PIP003", severity="warning"),
            asks(("apt-get", "install", "-y", "libgl1"), key="g", code="LIB001"),
        ]
    )
    assert [step.stage for step in plan.steps] == ["prepare", "prepare", "delete", "uninstall", "reinstall", "install"]
    assert ("rm", "-rf", "--", "/p/~w", "/p/~z") in [s.command for s in plan.steps] or (
        "rm",
        "-rf",
        "--",
        "/p/~z",
        "/p/~w",
    ) in [s.command for s in plan.steps]


def test_a_fix_in_another_order_stays_one_block_at_the_end() -> None:
    block = ((*UV, "x==2"), ("rm", "-rf", "--", "/p/y"), (*UV_OUT, "z"))
    plan = make([asks(*block, key="a"), asks((*UV, "b"), key="b")])
    assert [step.command for step in plan.steps][-3:] == list(block)


def test_a_consequence_of_what_is_mended_is_not_mended_again() -> None:
    cause = asks(("rm", "-rf", "--", "/p/~x"), key="c", code="PKG005", severity="warning")
    effect = asks((*UV, "x"), key="e", cause=cause)
    later = asks((*UV, "y"), key="f", cause=effect)
    plan = make([later, effect, cause])
    assert lines(plan) == ["rm -rf -- /p/~x"]
    assert set(plan.follows) == {effect.fingerprint, later.fingerprint}


def test_a_consequence_of_what_a_person_must_do_is_mended() -> None:
    cause = finding("PTH003", key="PYTHONPATH", fixes=[fix(title="unset it", safety="manual")])
    plan = make([cause, asks((*UV, "x"), key="e", cause=cause)])
    assert lines(plan) == [" ".join((*UV, "x"))]
    assert plan.manual[0].title == "unset it"


def test_causes_in_a_circle_end() -> None:
    import msgspec

    one, other = asks((*UV, "a"), key="a"), asks((*UV, "b"), key="b")
    one = msgspec.structs.replace(one, caused_by=other.fingerprint)
    other = msgspec.structs.replace(other, caused_by=one.fingerprint)
    assert make([one, other]).steps


@pytest.mark.parametrize(
    "command",
    [
        ("uv", "venv", "--clear", "--python", "3.11", "/p"),
        ("python3.11", "-m", "venv", "--clear", "/p"),
        ("pixi", "clean"),
        ("conda", "env", "remove", "-p", "/p", "-y"),
    ],
)
def test_a_new_environment_stands_for_everything_else_in_it(command: tuple[str, ...]) -> None:
    new = asks(command, (*UV, "a==1"), key="moved", code="INT003", safety="unsafe")
    again = asks(command, (*UV, "a==1"), key="base", code="INT001", safety="unsafe")
    other = asks((*UV, "--reinstall", "b==1"), key="b", code="PKG006")
    system = asks(("apt-get", "install", "-y", "libgl1"), key="g", code="LIB001")
    plan = make([new, again, other, system])
    assert [step.stage for step in plan.steps] == ["recreate", "recreate", "prepare"]
    assert [step.command for step in plan.steps][:2] == [command, (*UV, "a==1")]
    assert other.fingerprint in plan.follows
    assert plan.steps[0].safety == "unsafe"


def test_a_new_environment_that_only_a_warning_asks_for_is_a_decision() -> None:
    old = asks(("uv", "venv", "--clear", "/p"), key="eol", code="INT005", severity="warning", safety="unsafe")
    plan = make([old, asks((*UV, "b"), key="b")])
    assert lines(plan) == [" ".join((*UV, "b"))]
    assert len(plan.manual) == 1


def test_reinstallation_and_installation_of_one_distribution() -> None:
    again = asks((*UV, "--reinstall", "--no-deps", "numpy==1.26.4"), key="a", code="PKG006")
    fits = make([again, asks((*UV, "numpy>=1.20"), key="b")])
    assert lines(fits) == [" ".join((*UV, "--reinstall", "--no-deps", "numpy==1.26.4"))]
    assert len(fits.steps[0].solves) == 2
    newer = make([again, asks((*UV, "numpy>=2"), key="b")])
    assert lines(newer) == [" ".join((*UV, "numpy>=2"))]
    upgrade = make([again, asks((*UV, "--upgrade", "numpy"), key="b")])
    assert [step.stage for step in upgrade.steps] == ["reinstall", "install"]


def test_an_upgrade_keeps_the_option() -> None:
    plan = make([asks((*PIP, "gamma>=2"), key="a"), asks((*PIP, "--upgrade", "gamma"), key="b")])
    assert lines(plan) == [" ".join((*PIP, "--upgrade", "gamma>=2"))]


def test_infos_are_not_mended_and_what_has_no_fix_is_listed() -> None:
    info = asks((*UV, "x"), key="a", severity="info")
    bare = finding("PKG009", key="b")
    plan = make([info, bare])
    assert plan.steps == ()
    assert plan.unfixable == (bare.fingerprint,)


def test_editables_urls_and_files_are_kept() -> None:
    plan = make(
        [
            asks((*UV, "--reinstall", "-e", "/src/a b"), key="a", code="PKG010"),
            asks((*UV, "x @ git+https://example.org/x@abc"), key="b"),
            asks((*UV, "-r", "requirements.txt"), key="c", code="PKG014"),
        ]
    )
    words = [step.command for step in plan.steps]
    assert (*UV, "--reinstall", "-e", "/src/a b") in words
    assert (*UV, "x @ git+https://example.org/x@abc") in words
    assert (*UV, "-r", "requirements.txt") in words


def test_reading() -> None:
    assert read(("conda", "install", "-p", "/p", "numpy=1.26")).items == ("numpy=1.26",)
    assert read(("micromamba", "remove", "-p", "/p", "--force", "x")).stage == "uninstall"
    assert read(("pixi", "reinstall", "x")).stage == "reinstall"
    assert read(("pip", "--python", "/p/bin/python", "uninstall", "-y", "x")).items == ("x",)
    assert read(("C:\\p\\Scripts\\python.exe", "-m", "pip", "install", "x")).stage == "install"
    assert read(("apt-get", "install", "--reinstall", "-y", "python3-x")).stage == "prepare"
    assert read(("powershell", "-Command", "Remove-Item", "-Recurse", "-Force", "C:\\x")).stage == "delete"
    assert read(("unheard-of", "x")).stage == "prepare"
    assert read(("/p/bin/python", "-m", "pip", "config", "list")).stage == "prepare"
    assert read(()).stage == "prepare"
    assert name_of("Num_Py[a]>=1") == "num-py"
    assert name_of("-e /x") is None
    assert name_of("./x.whl") is None


@pytest.mark.parametrize(
    ("one", "other", "possible"),
    [
        (">=1", "<2", True),
        (">=2", "<2", False),
        (">1.2", "<1.2.1", True),
        ("==1.*", "!=1.0", True),
        ("==1.*", ">=2", False),
        ("~=1.4.2", ">=1.5", False),
        (">=2.0rc1", "<2.0", False),
        ("==1.0+cpu", "==1.0", True),
        (">=1!2", "<3", False),
    ],
)
def test_versions_that_can_and_cannot_be_had_together(one: str, other: str, possible: bool) -> None:
    plan = make([asks((*UV, f"a{one}"), key="a"), asks((*UV, f"a{other}"), key="b")])
    assert bool(plan.steps) is possible
    assert bool(plan.manual) is not possible


NAMES = st.sampled_from(["a", "b", "c"])
SPECS = st.sampled_from(["", ">=1", "<2", "==1.5", ">=2", "!=1", "~=1.4"])
INSTALL = st.tuples(NAMES, SPECS).map(lambda p: (*UV, p[0] + p[1]))
AGAIN = st.tuples(NAMES, st.sampled_from(["==1.5", "==3"])).map(lambda p: (*UV, "--reinstall", "--no-deps", p[0] + p[1]))
REMOVE = NAMES.map(lambda n: (*UV_OUT, n))
DELETE = NAMES.map(lambda n: ("rm", "-rf", "--", f"/p/~{n}"))
COMMANDS = st.lists(st.one_of(INSTALL, AGAIN, REMOVE, DELETE), min_size=1, max_size=3)


def final(commands: list[tuple[str, ...]]) -> dict[str, str]:
    """What a list of commands does last to each distribution."""
    last: dict[str, str] = {}
    for command in commands:
        action = read(command)
        if action.stage in ("install", "reinstall", "uninstall"):
            for item in action.items:
                last[str(name_of(item))] = "out" if action.stage == "uninstall" else "in"
    return last


@given(st.lists(COMMANDS, max_size=6))
def test_no_plan_contradicts_a_fix_that_it_carries_out(wishes: list[list[tuple[str, ...]]]) -> None:
    findings = [asks(*commands, key=str(i)) for i, commands in enumerate(wishes)]
    plan = make(findings)
    by_print = {f.fingerprint: f for f in findings}
    done = {p for step in plan.steps for p in step.solves}
    apart = {p for one in plan.manual for p in one.solves}
    assert done.isdisjoint(apart)
    assert done | apart == set(by_print)
    state = final([step.command for step in plan.steps])
    for fingerprint in done:
        for name, wanted in final(list(by_print[fingerprint].fixes[0].commands)).items():
            assert state[name] == wanted, (name, plan)
    ranks = [STAGES.index(step.stage) for step in plan.steps]
    assert ranks == sorted(ranks)
    assert make(findings[::-1]) is not None


@given(st.lists(st.tuples(NAMES, SPECS), max_size=6))
def test_every_specifier_is_kept(wanted: list[tuple[str, str]]) -> None:
    findings = [asks((*UV, name + spec), key=str(i)) for i, (name, spec) in enumerate(wanted)]
    plan = make(findings)
    done = {p for step in plan.steps for p in step.solves}
    planned = {Requirement(item).name: Requirement(item).specifier for step in plan.steps for item in read(step.command).items}
    for one, (name, spec) in zip(findings, wanted, strict=True):
        if one.fingerprint in done:
            assert set(SpecifierSet(spec)) <= set(planned[name])


def test_every_command_of_remedies_is_understood(env: Any) -> None:
    """`remedy` and `plan` agree on how each tool is called."""
    import msgspec

    from envdoctor.remedy import Remedy
    from envdoctor.snapshot import DirectUrl, Distribution
    from envdoctor.view import View
    from tests.support import snapshot_of

    env.dist("alpha", "1.0")
    facts = snapshot_of(env.prefix)
    base = facts.distributions[0]
    kinds = {
        "pip": msgspec.structs.replace(base, installer="pip"),
        "uv": msgspec.structs.replace(base, installer="uv"),
        "conda": msgspec.structs.replace(base, conda="alpha=1.0=py_0"),
        "apt": msgspec.structs.replace(base, system_package="python3-alpha"),
        "editable": msgspec.structs.replace(base, direct_url=DirectUrl(url="file:///src/alpha", editable=True)),
        "url": msgspec.structs.replace(base, direct_url=DirectUrl(url="https://example.org/a.whl")),
    }
    for target in ("venv", "conda", "pixi"):
        remedy = Remedy(View(msgspec.structs.replace(facts, target=msgspec.structs.replace(facts.target, kind=target))))
        for name, dist in kinds.items():
            assert isinstance(dist, Distribution)
            for stage, commands in (
                ("install", remedy.install("beta>=2", dist=dist)),
                ("reinstall", remedy.reinstall(dist)),
                ("uninstall", remedy.uninstall(dist)),
                ("install", remedy.upgrade(dist)),
            ):
                for command in commands:
                    action = read(command)
                    expected = (
                        "prepare" if name == "apt" and action.where.startswith("system") and stage != "uninstall" else stage
                    )
                    assert action.stage == expected, (name, command)
                    assert action.items, (name, command)
        assert read(remedy.recreate().commands[0]).stage == "recreate"
    assert read(Remedy(View(facts)).delete("/p/x", "/p/y")[0]).stage == "delete"


def test_with_what_is_allowed_the_first_such_fix_is_taken() -> None:
    """What may not be carried out mends nothing: what follows from it gets its own fix."""
    unsafe, safe_one = fix(("a",), title="big", safety="unsafe"), fix(("b",), title="small")
    cause = finding("LIB001", key="x", fixes=[unsafe])
    both = finding("LIB002", key="y", fixes=[unsafe, safe_one])
    effect = finding("PKG001", key="z", fixes=[fix(("c",))], cause=cause)
    made = make([cause, both, effect], ("safe",))
    assert [step.command for step in made.steps] == [("b",), ("c",)]
    assert [one.title for one in made.manual] == ["big (changes more than what is broken: --unsafe)"]
    assert [step.command for step in make([cause, both, effect]).steps] == [("a",)]
