"""Selection of rules, ignores, baseline."""

from __future__ import annotations

from datetime import date

import pytest

from envdoctor import baseline
from envdoctor.finding import Finding, Subject
from envdoctor.report import Check
from envdoctor.rules import FAMILIES, modules
from envdoctor.select import Ignore, Selection, UsageError, families_without_rules, known_code, live, suppress
from tests.formats.made import finding, report


def test_everything_by_default() -> None:
    assert Selection.of().codes() == list(modules())
    assert Selection.of().everything
    assert Selection.of("ALL").codes() == list(modules())


def test_codes_and_prefixes_in_any_case_separated_by_commas() -> None:
    assert set(Selection.of("pkg001, PTH").codes()) == {"PKG001", *(c for c in modules() if c.startswith("PTH"))}
    assert Selection.of(["PKG001", "PKG002,PKG001"]).codes() == ["PKG001", "PKG002"]


def test_the_longer_pattern_decides_and_ignore_wins_a_tie() -> None:
    assert Selection.of(ignore="PKG", extend_select="PKG001").includes("PKG001")
    assert not Selection.of(ignore="PKG", extend_select="PKG001").includes("PKG002")
    assert not Selection.of("PKG", ignore="PKG001").includes("PKG001")
    assert Selection.of("PKG", ignore="PKG001").includes("PKG002")
    assert Selection.of("PKG001", ignore="PKG001").codes() == []
    assert Selection.of("PKG001", ignore="PKG").codes() == ["PKG001"]
    assert Selection.of(ignore="ALL").codes() == []


def test_extend_select_adds() -> None:
    assert Selection.of("PKG001", extend_select="PKG002").codes() == ["PKG001", "PKG002"]


@pytest.mark.parametrize("wish", ["NOPE9", "ZZZ999", "PKG999", "", " , ", "LIB0001", "\x1b[31m", "PKG001;", "x" * 5000])
def test_unknown_patterns_are_errors_with_a_hint(wish: str) -> None:
    for arguments in ({"select": wish}, {"extend_select": wish}):
        with pytest.raises(UsageError) as caught:
            Selection.of(**arguments)
        assert caught.value.hint
        assert len(str(caught.value)) < 200
        assert str(caught.value).isprintable()


def test_the_hint_names_the_closest_code() -> None:
    with pytest.raises(UsageError) as caught:
        Selection.of("PKG0O1")
    assert "PKG0" in str(caught.value.hint)


def test_families_of_later_versions() -> None:
    for family in families_without_rules():
        with pytest.raises(UsageError, match="not available in this version"):
            Selection.of(f"{family}001")
        selection = Selection.of(ignore=f"{family}001")
        assert selection.everything
        assert any(f"{family}001" in note for note in selection.notes)
    assert set(families_without_rules()) <= set(FAMILIES)


def test_origin_of_a_setting_stands_in_the_message() -> None:
    with pytest.raises(UsageError, match=r"pyproject\.toml: tool\.envdoctor\.select"):
        Selection.of(["NOPE"], origins={"select": "pyproject.toml: tool.envdoctor.select"})


def test_known_code_takes_names() -> None:
    assert known_code("pkg001") == known_code("dependency-missing") == known_code("Dependency_Missing") == "PKG001"
    with pytest.raises(UsageError):
        known_code("ZZZ999")


def test_ignores_match_code_and_any_subject() -> None:
    found = finding("PKG001", subjects=[Subject("distribution", "beta-lib"), Subject("variable", "PATH")])
    assert Ignore("PKG001", "r").matches(found)
    assert Ignore("PKG001", "r", "Beta_Lib").matches(found)
    assert Ignore("PKG001", "r", "PATH").matches(found)
    assert not Ignore("PKG001", "r", "path").matches(found)
    assert not Ignore("PKG002", "r").matches(found)


def test_expired_ignores_apply_no_longer_and_say_so() -> None:
    ignores = [
        Ignore("PKG001", "old", expires=date(2026, 1, 1)),
        Ignore("PKG002", "today", expires=date(2026, 1, 2)),
        Ignore("PKG003", "ever"),
    ]
    kept, notes = live(ignores, date(2026, 1, 2))
    assert [one.code for one in kept] == ["PKG002", "PKG003"]
    assert len(notes) == 1
    assert "expired on 2026-01-01" in notes[0]


def test_suppress_keeps_the_reason_and_reports_what_matched_nothing() -> None:
    one, other = finding("PKG001", key="a"), finding("PKG002", key="b")
    ignores = [Ignore("PKG001", "known"), Ignore("PKG003", "gone"), Ignore("ARC002", "not asked"), Ignore("PKG999", "no rule")]
    kept, aside, notes = suppress([one, other], ignores, ["PKG001", "PKG002", "PKG003"])
    assert kept == (other,)
    assert [(s.finding, s.reason, s.by) for s in aside] == [(one, "known", "ignore")]
    assert [("PKG003" in note, "PKG999" in note) for note in notes] == [(True, False), (False, True)]


def test_baseline_round_trip() -> None:
    import json

    known: list[Finding] = [finding("PKG001", key="a"), finding("PKG002", key="b")]
    before = report(known)
    document = json.dumps(baseline.document(before)).encode()
    after = baseline.apply(report([*known, finding("PKG001", key="new")]), baseline.parse(document, "b.json"), "b.json")
    assert [f.fingerprint for f in after.findings] == [finding("PKG001", key="new").fingerprint]
    assert {one.by for one in after.suppressed} == {"baseline"}
    assert after.notes == ()
    again = baseline.document(after)
    assert len(again["findings"]) == 3


def test_baseline_entries_that_are_gone_are_named() -> None:
    checks = (Check("PKG001", "clean"),)
    stale = baseline.Baseline(findings=(baseline.Known("0" * 16, "PKG001", "x is gone"), baseline.Known("1" * 16, "PKG002")))
    after = baseline.apply(report([], checks=checks), stale, "b.json")
    assert after.notes == ("b.json: PKG001 x is gone is no longer found", "b.json: --write-baseline b.json brings it up to date")


def test_baseline_has_reasons_and_days() -> None:
    """An entry holds on its last day, and its reason is the report's; what is written anew keeps both."""
    import json

    known: list[Finding] = [finding("PKG001", key="a"), finding("PKG002", key="b")]
    first = baseline.document(report(known), reason="until the vendor answers", expires=date(2026, 1, 2))
    entries = baseline.parse(json.dumps(first).encode(), "b.json")
    today = baseline.apply(report(known), entries, "b.json")
    assert [(one.reason, one.expires) for one in today.suppressed] == [("until the vendor answers", "2026-01-02")] * 2
    later = baseline.apply(report(known), entries, "b.json", date(2026, 1, 3))
    assert len(later.findings) == 2
    assert later.notes[0] == "b.json: PKG001 a is wrong (until the vendor answers) expired on 2026-01-02"
    again = baseline.document(report([*known, finding("PKG003", key="c")]), entries, reason="new")
    assert [row.get("reason") for row in again["findings"]] == ["until the vendor answers", "until the vendor answers", "new"]
    assert [row.get("expires") for row in again["findings"]] == ["2026-01-02", "2026-01-02", None]


def test_many_entries_that_are_gone_are_counted() -> None:
    checks = (Check("PKG001", "clean"),)
    stale = baseline.Baseline(findings=tuple(baseline.Known(f"{n:016}", "PKG001", f"m{n}") for n in range(30)))
    assert len(baseline.apply(report([], checks=checks), stale, "b.json").notes) == baseline.SHOWN + 2


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"findings": 1}', b"\xff", b"[" * 100_000, b'{"schema_version": 9, "findings": []}']
)
def test_no_baseline(data: bytes) -> None:
    with pytest.raises(UsageError, match="baseline"):
        baseline.parse(data, "b.json")
