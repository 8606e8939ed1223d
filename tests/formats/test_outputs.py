"""SARIF, JUnit, GitHub, markdown and HTML: valid by their schemas, and nothing of a target is more than text in them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema

from envdoctor.finding import Finding, Subject
from envdoctor.formats import github, graph, html, junit, markdown, sarif
from envdoctor.lock.model import Manifest, Wish
from envdoctor.report import Check, Report, Suppressed
from envdoctor.rules import modules
from envdoctor.snapshot import Gap, NativeFile, Project, Site
from tests.builders import Env
from tests.formats.made import HOSTILE, finding, fix, report, snapshot
from tests.support import report_of, snapshot_of

SCHEMAS = Path(__file__).resolve().parents[2] / "fixtures" / "schemas"
TRICKS = (
    HOSTILE
    + " <script>alert(1)</script> <img src=x onerror=y> @somebody #12 [a](http://evil) ``` ````` | {0} ]]> &lt; %0A --> \ufffe"
)
"""HOSTILE, and what the parsers of these formats could take for markup."""


@cache
def sarif_schema() -> Any:
    return jsonschema.Draft4Validator(json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text()))


@cache
def junit_schema() -> Any:
    return xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd"))


def valid_sarif(made: Report, root: str | None = None) -> Any:
    document = json.loads(sarif.render(made, root))
    assert [error.message for error in sarif_schema().iter_errors(document)] == []
    for result in document["runs"][0]["results"]:
        where = result["locations"][0]["physicalLocation"]
        assert re.fullmatch(r"[A-Za-z0-9/._~%+-]+", where["artifactLocation"]["uri"])
        assert where["region"]["startLine"] >= 1
        assert result["partialFingerprints"]["primaryLocationLineHash"]
    return document


def valid_junit(made: Report) -> ElementTree.Element:
    text = junit.render(made)
    junit_schema().validate(text)
    return ElementTree.fromstring(text)


def tricky() -> Report:
    """Every text of a report is hostile."""
    facts = snapshot(prefix=f"/home/{TRICKS}/.venv", gaps=[Gap(collector="x", subject=TRICKS, reason=TRICKS)])
    cause = finding("PKG001", key="a", message=TRICKS, evidence=[TRICKS, TRICKS], fixes=[fix(("rm", TRICKS), title=TRICKS)])
    subjects = [Subject("distribution", TRICKS, TRICKS, TRICKS), Subject("file", TRICKS, None, TRICKS)]
    more = [
        finding("PKG002", key="b", message=TRICKS, subjects=subjects, cause=cause),
        finding("LIB001", key="c", message=TRICKS, severity="warning", confidence="likely", subjects=subjects),
        finding("INT005", key="d", message=TRICKS, severity="info", subjects=[]),
    ]
    checks = [Check("PKG001", "found"), Check("ARC001", "skipped", TRICKS), Check("collect.x", "crashed", TRICKS)]
    out = Suppressed(finding=finding("PKG003", key="s", message=TRICKS), reason=TRICKS, by="baseline")
    return report([cause, *more], facts=facts, checks=checks, suppressed=[out], notes=[TRICKS])


FORMATS = {
    "sarif": sarif.render,
    "junit": junit.render,
    "github": github.render,
    "markdown": markdown.render,
    "html": html.render,
}


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_invisible_and_no_command_gets_through(name: str) -> None:
    text = FORMATS[name](tricky())  # type: ignore[operator]
    assert all(c.isprintable() or c == "\n" for c in text)
    for line in text.splitlines():
        assert not re.match(r"\s*::", line) or (name == "github" and re.match(r"::(error|warning) title=[^:]*::", line)), line
        assert "##[" not in line
        assert "##vso[" not in line
    text.encode("utf-8")


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_without_findings(name: str) -> None:
    assert "nothing found" in FORMATS[name](report()) or name in ("sarif", "junit")  # type: ignore[operator]


# ------------------------------------------------------------------------------------------------------------------ SARIF


def test_sarif_of_a_hostile_report_is_valid_and_has_no_links() -> None:
    document = valid_sarif(tricky())
    messages = [result["message"]["text"] for result in document["runs"][0]["results"]]
    assert len(messages) == 5
    for message in messages:
        assert "](" not in message
        assert not re.search(r"(?<!\{)\{\d+\}(?!\})", message)
        assert all(c.isprintable() or c == "\n" for c in message)


def test_sarif_rules_are_those_of_the_rule_files() -> None:
    document = valid_sarif(report(checks=[Check(code, "clean") for code in modules()]))
    rules = document["runs"][0]["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(modules())
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert "## How to fix" in rule["help"]["markdown"]
        assert rule["fullDescription"]["text"]


def located(**options: Any) -> Report:
    project = Project(root="/repo/sub")
    manifest = Manifest(path="pyproject.toml", format="pyproject", wishes=(Wish(name="beta-lib", line=12),))
    import msgspec

    facts = msgspec.structs.replace(snapshot(), project=project, manifests=(manifest,))
    return report([finding(subjects=[Subject("distribution", "beta-lib")]), finding("PKG002", key="x")], facts=facts, **options)


def test_locations_are_lines_of_the_project() -> None:
    """The line that asks for the subject, relative to the repository's root; the manifest where none asks for it."""
    places = [r["locations"][0]["physicalLocation"] for r in valid_sarif(located(), "/repo")["runs"][0]["results"]]
    assert [(p["artifactLocation"]["uri"], p["region"]["startLine"]) for p in places] == [
        ("sub/pyproject.toml", 12),
        ("sub/pyproject.toml", 1),
    ]
    assert "file=sub/pyproject.toml,line=12::" in github.render(located(), "/repo")


def test_sarif_says_what_crashed_and_what_is_suppressed() -> None:
    run = valid_sarif(tricky())["runs"][0]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert [r["ruleId"] for r in run["results"] if "suppressions" in r] == ["PKG003"]
    assert {r["level"] for r in run["results"]} == {"error", "warning", "note"}


# ------------------------------------------------------------------------------------------------------------------ JUnit


def test_junit_has_a_case_a_rule() -> None:
    made = report(
        [finding(), finding(key="other"), finding("LIB001", severity="warning")],
        checks=[Check("PKG001", "found"), Check("PKG002", "clean"), Check("LIB001", "found"), Check("ARC001", "skipped", "why")],
    )
    root = valid_junit(made)
    cases = {case.get("name", "")[:6]: case for case in root.iter("testcase")}
    assert len(cases) == 4
    assert "and 1 more" in cases["PKG001"].find("failure").get("message")  # type: ignore[union-attr,operator]
    assert cases["LIB001"].find("failure") is None
    assert cases["LIB001"].find("system-out") is not None
    assert cases["ARC001"].find("skipped").get("message") == "why"  # type: ignore[union-attr]
    assert len(cases["PKG002"]) == 0
    assert cases["PKG002"].get("name") == "PKG002 dependency-version-conflict"
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "1", "0")


def test_junit_fails_from_the_severity_that_the_command_fails_from() -> None:
    for fail_on, failures in (("warning", "2"), ("error", "1"), ("never", "0")):
        made = report([finding(), finding("LIB001", severity="warning")], fail_on=fail_on)  # type: ignore[arg-type]
        assert valid_junit(made).get("failures") == failures


def test_junit_of_a_hostile_report_is_valid() -> None:
    root = valid_junit(tricky())
    assert root.get("errors") == "1"
    assert "<script>" in (root.find(".//failure").text or "")  # type: ignore[union-attr]


# ----------------------------------------------------------------------------------------------------------------- GitHub


def test_github_escapes_as_the_toolkit_does() -> None:
    assert github.command("error", "50%\r\n: ,", title="a:b,c%\n", file=None) == "::error title=a%3Ab%2Cc%25%0A::50%25%0D%0A: ,"


def test_github_shows_ten_of_a_kind_and_counts_infos_alone() -> None:
    many: list[Finding] = [finding(key=f"k{number:02}") for number in range(23)]
    lines = github.render(report([*many, finding("INT005", severity="info")])).splitlines()
    assert len([line for line in lines if line.startswith("::error")]) == 10
    assert "14 errors more" in lines[9]
    assert "k22 is wrong" in lines[9]
    assert lines[-1].endswith("23 errors, 1 info")


# --------------------------------------------------------------------------------------------------------------- markdown


def test_markdown_has_no_markup_of_a_target() -> None:
    text = markdown.render(tricky())
    outside = re.sub(r"(?m)(?<!`)`[^`\n]+`(?!`)", "", re.sub(r"(?ms)^(`{3,})\w*$.*?^\1$", "", text))
    assert "<script>" not in outside
    assert "<img" not in outside
    assert "@somebody" not in outside
    assert not re.search(r"(?<!\\)\]\(http", outside)
    assert not re.search(r"(?<!\\)#12", outside)


def test_a_fence_is_longer_than_what_it_holds() -> None:
    assert markdown.fenced(["a ```` b"], "sh") == ["`````sh", "a ```` b", "`````"]


def test_markdown_fits_into_a_comment() -> None:
    text = markdown.render(report([finding(key=f"k{n}", evidence=["x" * 500]) for n in range(400)]))
    assert len(text) < 65_000
    assert re.search(r"… and \d+ more findings, too many for one comment", text)


# ------------------------------------------------------------------------------------------------------------------- HTML

ALLOWED = re.compile(
    "html|head|meta|title|style|body|header|h[123]|p|code|section|ul|li|b|span|article|div|pre|button|details|summary|svg|g|path"
    "|rect|text|table|t[rdh]|script"
)


class Tags(HTMLParser):
    """Notes elements and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def test_html_has_only_its_own_elements() -> None:
    parser = Tags()
    parser.feed(html.render(tricky(), {TRICKS: 5_000_000, "alpha": 10}))
    assert [tag for tag in parser.tags if not ALLOWED.fullmatch(tag)] == []
    assert parser.tags.count("script") == 1
    assert not any(name.startswith("on") for name in parser.attributes)
    assert parser.links == []


def test_html_allows_its_style_and_script_by_hash_alone() -> None:
    text = html.render(report())
    assert "default-src 'none'" in text
    assert "unsafe-inline" not in text


def test_sizes_fill_the_picture() -> None:
    sizes = {f"d{n}": (n + 1) * 1000 for n in range(100)}
    made = graph.tiles(sizes, 960, 360)
    assert abs(sum(tile.width * tile.height for tile in made) - 960 * 360) < 1
    assert "(others)" in {tile.name for tile in made}
    for one in made:
        assert 0 <= one.x <= one.x + one.width <= 960.01
        assert 0 <= one.y <= one.y + one.height <= 360.01


def test_sizes_without_records_are_those_of_native_files() -> None:
    import msgspec

    facts = msgspec.structs.replace(
        snapshot(),
        sites=(Site(path="/x", role="purelib"),),
        natives=(NativeFile(path="a.so", folder=0, size=2_000_000, owner="torch"),),
    )
    text = html.render(report(facts=facts))
    assert "2.0 MB in 1 distribution, native files alone" in text


# -------------------------------------------------------------------------------------------------------- on real targets


def test_every_format_of_a_real_target(env: Env, tmp_path: Path) -> None:
    env.dist("alpha", "1.0", requires=["Beta_Lib>=2", "gamma<1"], files={"alpha/__init__.py": "x" * 3000})
    env.dist("gamma", "1.1")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "1"\ndependencies = [\n  "alpha",\n]\n')
    made = report_of(snapshot_of(env.prefix, project=tmp_path))
    valid_sarif(made, str(tmp_path))
    valid_junit(made)
    page = html.render(made)
    assert "not installed" in page
    assert "&lt;1 unmet" in page
    from envdoctor.collect.sizes import measure

    assert measure(made.snapshot)["alpha"] > 3000
    for name, render in FORMATS.items():
        assert "beta" in render(made).lower(), name  # type: ignore[operator]


def test_several_outputs_in_one_run(cli: Callable[..., Any], env: Env, tmp_path: Path) -> None:
    """Each file whole, stdout's format on stdout, the step summary where GitHub wants it."""
    env.dist("alpha", "1.0", requires=["beta-lib>=2"])
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    names = {name: tmp_path / f"out.{name}" for name in ("json", "sarif", "junit", "markdown", "html")}
    options = [f"--format={name}={path}" for name, path in names.items()]
    done = cli("check", env.prefix, *options, "--format", "github", env={"GITHUB_STEP_SUMMARY": str(summary)})
    assert done.returncode == 1
    assert done.stdout.startswith("::error title=PKG001 ")
    assert done.stderr.count("written: ") == 5
    for path in names.values():
        assert "beta-lib" in path.read_text()
    text = summary.read_text()
    assert text.startswith("before\n## ")
    assert "beta-lib" in text


def test_a_step_summary_that_cannot_be_written_is_an_error(cli: Callable[..., Any], env: Env) -> None:
    done = cli("check", env.prefix, "--format", "github", env={"GITHUB_STEP_SUMMARY": "/nonexistent/x"})
    assert done.returncode == 2
    assert "error: cannot write /nonexistent/x" in done.stderr
