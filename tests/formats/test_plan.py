"""The plan as text and as JSON."""

from __future__ import annotations

import json

from envdoctor.formats.plan import render_json, render_terminal
from envdoctor.formats.terminal import Look
from envdoctor.plan import make
from tests.effort import ends
from tests.formats.made import HOSTILE, finding, fix, report

UV = ("uv", "pip", "install", "--python", "/p/bin/python")


def test_steps_reasons_and_decisions() -> None:
    findings = [
        finding("PKG001", key="a", message="a is missing", fixes=[fix((*UV, "a>=1"))]),
        finding("PKG005", key="b", severity="warning", message="b is left over", fixes=[fix(("rm", "-rf", "--", "/p/~b"))]),
        finding("PTH003", key="c", severity="warning", message="c leaks", fixes=[fix(title="unset it", safety="manual")]),
        finding("PKG009", key="d", message="d is strange"),
    ]
    made = report(findings)
    text = render_terminal(make(findings), made, Look())
    assert text.index("1. delete what is left over") < text.index("   rm -rf -- '/p/~b'") < text.index("2. install")
    assert "   # PKG001 a is missing\n   uv pip install --python /p/bin/python 'a>=1'\n" in text
    assert " - unset it\n   # c leaks\n" in text
    assert "without a known fix\n - PKG009 d is strange" in text
    assert "see that it worked\n   envdoctor check\n" in text
    document = json.loads(render_json(make(findings), made))
    assert [step["stage"] for step in document["steps"]] == ["delete", "install"]
    assert document["manual"][0]["title"] == "unset it"
    assert document["unfixable"][0]["code"] == "PKG009"


def test_a_new_environment_is_one_step() -> None:
    findings = [
        finding("INT003", key="m", fixes=[fix(("python3", "-m", "venv", "--clear", "/p"), (*UV, "a==1"), safety="unsafe")]),
        finding("PKG001", key="x", message="x is missing", fixes=[fix((*UV, "x"))]),
    ]
    text = render_terminal(make(findings), report(findings), Look())
    assert "1. make the environment again (changes more than what is broken)" in text
    assert "2." not in text
    assert "   python3 -m venv --clear /p\n   uv pip install --python /p/bin/python a==1\n" in text
    assert "1 finding should go away with its cause\n   # PKG001 x is missing\n" in text


def test_nothing_to_mend() -> None:
    assert render_terminal(make([]), report(), Look()) == "nothing to mend\nnothing was changed\n"


def test_hostile_text_does_nothing() -> None:
    findings = [
        finding("PKG001", key="a", message=HOSTILE, fixes=[fix((*UV, HOSTILE), title=HOSTILE)]),
        finding("PKG002", key="b", message=HOSTILE, fixes=[fix((HOSTILE,), title=HOSTILE, safety="manual")]),
        finding("PKG003", key="c", message=HOSTILE),
    ]
    for look in (Look(), Look(ascii=True), Look(width=30, verbosity=1)):
        text = render_terminal(make(findings), report(findings), look)
        assert all(line.isprintable() for line in text.removesuffix("\n").split("\n"))
        assert "##[" not in text
        assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert render_json(make(findings), report(findings)).isascii()


def test_a_thousand_quarrels_are_planned_in_a_moment() -> None:
    findings = [
        finding("PKG001", key=f"{n}{spec}", fixes=[fix((*UV, f"d{n}{spec}"))]) for n in range(1000) for spec in (">=2", "<2")
    ]
    with ends():
        plan = make(findings)
    assert len(plan.manual) == 1000
