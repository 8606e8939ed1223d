"""The report for people: every kind of screen, every amount of findings, hostile names."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.finding import Finding, Subject
from envdoctor.formats.terminal import FOLLOWERS, IN_FULL, IN_SHORT, Look, groups, render
from envdoctor.formats.text import cells
from envdoctor.report import Check, Suppressed
from envdoctor.snapshot import Gap, Target
from tests.effort import calls
from tests.formats.made import HOSTILE, finding, fix, machine, report, snapshot

CLEAN = [
    Check("INT001", "clean"),
    Check("ARC001", "clean"),
    Check("PTH001", "clean"),
    Check("PKG001", "clean"),
    Check("PIP001", "clean"),
]
LATER = ("LIB", "CND", "LCK", "GPU", "SYS")


def test_healthy_is_one_quiet_screen() -> None:
    text = render(report(checks=CLEAN), Look(absent=LATER))
    lines = text.splitlines()
    assert len(lines) <= 14
    assert lines[0].startswith(".venv · uv environment · CPython 3.11.7 · linux x86_64")
    assert "chosen by VIRTUAL_ENV" in text
    assert "glibc 2.36, x86-64-v3" in text
    assert re.search(r"packages +ok", text)
    assert re.search(r"gpu +not checked", text)
    assert "nothing found · 0 distributions, 5 rules in 0.9 s" in text
    assert "not checked: libraries, conda, locks, gpu, machine (not in this version); file hashes (--deep)" in " ".join(
        text.split()
    )
    assert "envdoctor fix" not in text


def problem(**changes: object) -> Finding:
    return finding(
        "PKG001",
        key="beta-lib",
        name="dependency-missing",
        message="alpha 1.0 needs beta-lib>=2, which is not installed",
        evidence=[f"fact {i}" for i in range(7)],
        fixes=[fix(("uv", "pip", "install", "--python", "/p/bin/python", "beta-lib>=2"), title="install it")],
        **changes,  # type: ignore[arg-type]
    )


def test_a_finding_has_verdict_proof_fix_and_verification() -> None:
    text = render(report([problem()]))
    assert "error   PKG001 dependency-missing · beta-lib 1.0\n" in text
    assert "  alpha 1.0 needs beta-lib>=2, which is not installed\n" in text
    assert "    fact 0\n" in text
    assert "fact 4" not in text
    assert "… 3 lines more: -v" in text
    assert "  fix: install it\n      uv pip install --python /p/bin/python 'beta-lib>=2'\n" in text
    assert "  see that it worked: envdoctor check\n" in text
    assert "plan for all of it: envdoctor fix\n" in text
    assert "1 error · " in text
    assert "fact 6" in render(report([problem()]), Look(verbosity=1))


def test_consequences_hang_under_their_cause_and_are_counted() -> None:
    cause = finding("PKG005", key="~umpy", severity="warning", message="~umpy is left over")
    effects = [finding("PKG006", key=f"e{i}", cause=cause, message=f"file {i} is gone") for i in range(9)]
    text = render(report([*effects, cause]))
    assert text.count("PKG006") == FOLLOWERS
    assert "  9 more follow from it:\n    PKG006 file 0 is gone" in text
    assert f"… {9 - FOLLOWERS} more: -v shows all" in text
    assert "9 errors, 1 warning (9 of them follow from another)" in text
    assert text.index("PKG005") < text.index("PKG006")
    assert render(report([*effects, cause]), Look(verbosity=1)).count("PKG006 file") == 9


def test_a_cause_with_errors_below_comes_before_lesser_errors() -> None:
    cause = finding("PTH003", key="PYTHONPATH", severity="warning")
    effect = finding("ARC002", key="a", cause=cause)
    text = render(report([finding("PKG009", key="z"), effect, cause]))
    assert text.index("PKG009 some-defect") < text.index("PTH003 some-defect") or text.index("PTH003") < text.index("PKG009")
    assert len(groups((effect, cause))) == 1


def test_many_findings_of_one_rule_become_lines() -> None:
    many = [finding("PKG006", key=f"d{i:03}", fixes=[fix(("x",))]) for i in range(900)]
    text = render(report(many))
    assert len(text.splitlines()) < 80
    assert text.count("PKG006 some-defect") == IN_FULL + 1
    assert f"{900 - IN_FULL} more, -v shows them in full" in text
    assert f"… and {900 - IN_FULL - IN_SHORT} more" in text
    assert "900 errors" in text


def test_infos_are_lines_and_only_counted_in_ci() -> None:
    infos = [finding("PTH008", key="a", severity="info", message="a.pth runs code")]
    assert "info    PTH008 a.pth runs code" in render(report(infos))
    assert "PTH008" not in render(report(infos), Look(ci=True))
    assert "1 info" in render(report(infos), Look(ci=True))
    assert "PTH008 some-defect" in render(report(infos), Look(verbosity=1))


def test_quiet() -> None:
    infos = finding("PTH008", key="a", severity="info")
    text = render(report([problem(), infos]), Look(verbosity=-1))
    assert text == "error PKG001 alpha 1.0 needs beta-lib>=2, which is not installed\n1 error, 1 info\n"
    assert render(report(), Look(verbosity=-1)) == "nothing found\n"


def test_what_was_not_checked_is_said() -> None:
    checks = [Check("ARC003", "skipped", "Python version unknown"), Check("ARC004", "skipped", "Python version unknown")]
    facts = snapshot(gaps=[Gap(collector="c", subject=f"/x{i}", reason="permission denied") for i in range(5)])
    text = " ".join(render(report(checks=checks, facts=facts)).split())
    assert "ARC003, ARC004 (Python version unknown)" in text
    assert "/x0 (permission denied); /x1 (permission denied); 3 more that could not be read (-v)" in text
    assert "packages" in text.split("not checked:")[1]
    assert "(not selected)" in text
    deep = msgspec.structs.replace(facts, deep=True)
    assert "--deep" not in render(report(checks=CLEAN, facts=deep))


def test_crashes_are_plain() -> None:
    text = render(report(checks=[Check("PKG009", "crashed", "ValueError: boom")]))
    assert "crashed PKG009: ValueError: boom" in text
    assert re.search(r"packages +crashed", text)
    assert "crashed PKG009" in render(report(checks=[Check("PKG009", "crashed", "x")]), Look(verbosity=-1))


def test_set_aside() -> None:
    aside = [
        Suppressed(finding=finding("PKG001", key="a"), reason="known", by="ignore", expires="2027-01-01"),
        Suppressed(finding=finding("PKG001", key="b"), reason="in the baseline", by="baseline"),
    ]
    text = render(report(suppressed=aside, notes=["ignore PKG002: matches no finding"]))
    assert "set aside: 1 by the baseline, 1 by an ignore" in text
    assert "nothing new" in text
    assert "note: ignore PKG002: matches no finding" in text
    assert "until 2027-01-01" in render(report(suppressed=aside), Look(verbosity=1))


def test_another_machine_and_a_foreign_target_are_said() -> None:
    facts = msgspec.structs.replace(
        snapshot(),
        target=Target(prefix="/mnt/x", kind="conda", name="ml", chosen_by="--prefix", system="windows", foreign=True),
        machine=machine("node.json"),
    )
    text = " ".join(render(report(facts=facts)).split())
    assert "/mnt/x · conda environment ml" in text
    assert "files of windows, read only" in text
    assert "judged for the machine of node.json" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_lines_keep_to_the_width_but_commands_are_never_broken(width: int) -> None:
    text = render(report([problem(), finding("PKG009", key="i", severity="info", message="word " * 40)]), Look(width=width))
    command = "      uv pip install --python /p/bin/python 'beta-lib>=2'"
    assert command in text.splitlines()
    for line in text.splitlines():
        words = line.split()
        assert cells(line) <= width or line == command or line.startswith("      ") or len(words) <= 2, line


def test_no_colour_and_ascii_say_the_same_words() -> None:
    made = report([problem()], checks=[*CLEAN, Check("PKG009", "crashed", "x")])
    plain, color = render(made), render(made, Look(color=True))
    assert "\x1b" not in plain
    assert "\x1b[1;31merror\x1b[0m" in color
    assert re.sub(r"\x1b\[[0-9;]*m", "", color) == plain
    ascii_text = render(made, Look(ascii=True))
    assert ascii_text.isascii()
    assert "PKG001 dependency-missing - beta-lib 1.0" in ascii_text
    assert "..." in ascii_text


def test_hostile_text_does_nothing() -> None:
    nasty = problem(
        subjects=[Subject("file", HOSTILE, HOSTILE)],
    )
    nasty = msgspec.structs.replace(
        nasty, message=HOSTILE, evidence=(HOSTILE,), fixes=(fix(("rm", HOSTILE), title=HOSTILE, verify=[(HOSTILE,)]),)
    )
    facts = snapshot(prefix=f"/x/{HOSTILE}", gaps=[Gap(collector="c", subject=HOSTILE, reason=HOSTILE)])
    aside = [Suppressed(finding=nasty, reason=HOSTILE, by="ignore")]
    for look in (Look(), Look(verbosity=1), Look(verbosity=-1), Look(width=20), Look(ascii=True)):
        text = render(
            report([nasty], facts=facts, notes=[HOSTILE], suppressed=aside, checks=[Check("PKG001", "crashed", HOSTILE)]), look
        )
        for line in text.removesuffix("\n").split("\n"):
            assert line.isprintable(), repr(line)
            assert not line.lstrip().startswith("::")
        assert "##[" not in text
        assert "##vso[" not in text


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8)), max_size=8))
def test_groups_hold_every_finding_once_whatever_the_causes_say(pairs: list[tuple[int, int]]) -> None:
    made = [finding("PKG001", key=str(i)) for i in range(8)]
    findings = []
    for number, (key, cause) in enumerate(pairs):
        one = finding("PKG001", key=str(key), message=str(number))
        findings.append(msgspec.structs.replace(one, caused_by=made[cause].fingerprint if cause < 8 else None))
    found = [f.message for group in groups(tuple(findings)) for f in (group.root, *group.followers)]
    assert sorted(found) == sorted(f.message for f in findings)


def test_a_page_of_findings_is_little_work() -> None:
    many = [finding(f"PKG{i % 15:03}", key=f"d{i}", evidence=["x" * 200] * 5, fixes=[fix(("x",) * 5)]) for i in range(3000)]
    assert calls(lambda: render(report(many))) < 3000 * 2000
