"""The requirement graph against packaging, which is slow and right: same requirements, same verdicts, same graph."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from envdoctor.requirements import (
    Closure,
    Edge,
    canonical,
    clauses_of,
    combine,
    only_with_extra,
    parse,
    satisfiable,
    satisfies,
    spell,
    split_marker,
)
from envdoctor.snapshot import Distribution, Interpreter, Machine, Site, Snapshot, Target
from envdoctor.view import View, normalize
from tests.effort import calls


def view_of(*dists: Distribution, version: str | None = "3.11.7") -> View:
    """A Linux venv with these distributions, all in one folder."""
    return View(
        Snapshot(
            date="2026-01-01",
            target=Target(prefix="/env", kind="venv", chosen_by="test"),
            interpreter=Interpreter(path="/env/bin/python", exists=True, version=version, machine="x86_64"),
            sites=(Site(path="/env/lib/python3.11/site-packages", role="purelib"),),
            distributions=dists,
            machine=Machine(system="linux", machine="x86_64", native_machine="x86_64"),
        )
    )


def dist(name: str, version: str | None = "1.0", *requires: str, extras: tuple[str, ...] = ()) -> Distribution:
    return Distribution(name=normalize(name), version=version, site=0, path=f"{name}.dist-info", requires=requires, extras=extras)


def edge(closure: Closure, parent: str, name: str) -> Edge:
    """The single edge between two distributions."""
    found = [e for e in closure.edges if (e.parent.name, e.name) == (parent, name)]
    assert len(found) == 1, found
    return found[0]


# ------------------------------------------------------------------------------------------------- equal to packaging
numbers = st.integers(0, 12).map(str) | st.sampled_from(["00", "01", "2024", "999999"])
releases = st.lists(numbers, min_size=1, max_size=5).map(".".join)
tails = st.sampled_from(["", "", "", "a1", "b2", "rc1", ".dev0", ".post1", "+cpu", "+cu118.2", ".post1.dev2", "rc1+local"])
versions = st.builds(lambda e, r, t: f"{e}{r}{t}", st.sampled_from(["", "", "", "1!"]), releases, tails)
clauses = (
    st.builds(
        lambda o, s, v: f"{o}{s}{v}",
        st.sampled_from([">=", "<=", "==", "!=", "<", ">", "~=", "==="]),
        st.sampled_from(["", " "]),
        versions,
    )
    | st.builds(lambda o, v: f"{o}{v}.*", st.sampled_from(["==", "!=", ">="]), releases)
    | st.builds(lambda o, v: f"{o}{v}", st.sampled_from([">=", "<=", "==", "!=", "<", ">", "~="]), releases)
)
specifiers = st.lists(clauses, min_size=1, max_size=3).map(",".join)


def by_packaging(version: str, specifier: str) -> bool | None:
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return None


@settings(max_examples=1500, deadline=None)
@given(versions, specifiers)
@example("1", "==1.0.*")
@example("1.0.0", "==1")
@example("1.1", "~=1.0.0")
@example("2.13.0+cpu", "==2.13.0")
@example("2.0rc1", ">=2.0")
@example("2.0rc1", ">=1.9")
@example("1!0.5", ">=2")
@example("1.0", "~=1")
@example("1.0", ">=1.*")
@example("1.10", "!=1.1.*")
@example("0", "<0.0")
@example("1.0.post1", ">1.0")
def test_satisfies_is_packaging(version: str, specifier: str) -> None:
    assert satisfies(version, specifier) == by_packaging(version, specifier)


@settings(max_examples=800, deadline=None)
@given(
    releases,
    st.lists(
        st.builds(lambda o, v: f"{o}{v}", st.sampled_from([">=", "<=", "==", "!=", "<", ">", "~="]), releases),
        min_size=1,
        max_size=3,
    ),
)
def test_plain_clauses_take_the_fast_way_and_are_right(version: str, parts: list[str]) -> None:
    specifier = ",".join(parts)
    if not any(part.startswith("~=") and "." not in part for part in parts):
        assert clauses_of(specifier) is not None
    assert satisfies(version, specifier) == by_packaging(version, specifier)


@pytest.mark.parametrize(
    ("version", "specifier", "expected"),
    [
        ("2.0.0rc1", ">=1.0", True),  # an installed pre-release counts
        ("2.0.0rc1", ">=2.0", False),
        ("2.13.0+cpu", "==2.13.0", True),
        ("2.13.0+cpu", "===2.13.0", False),
        ("2.13.0+cpu", "==2.13.0+cu118", False),
        ("1!1.0", ">=2024.1", True),
        ("2024.1", ">=1!1.0", False),
        ("1.4.5", "~=1.4.2", True),
        ("1.5", "~=1.4.2", False),
        ("1.9.1", "!=1.*", False),
        ("1.0.post1", ">1.0", False),
        ("1.0.dev1", "<1.0", False),
        ("2004d", ">=2000", None),
        ("2004d", "===2004D", True),
        ("", ">=1", None),
        ("1.0", ">dev", None),
        ("１.0", ">=1", by_packaging("１.0", ">=1")),
    ],
)
def test_pep440(version: str, specifier: str, expected: bool | None) -> None:
    assert satisfies(version, specifier) is expected


names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
spaces = st.sampled_from(["", "", " ", "  ", "\t"])
heads = st.builds(
    lambda n, s1, e, s2, p, sp: f"{n}{s1}{e}{s2}{f'({sp})' if p and sp else sp}",
    names,
    spaces,
    st.sampled_from(["", "", "[]", "[a]", "[a,B_c]", "[ a , b ]", "[a,]", "[a b]"]),
    spaces,
    st.booleans(),
    st.sampled_from(["", ">"]) | specifiers,
)


@settings(max_examples=1500, deadline=None)
@given(heads | st.text(alphabet="ab1.-_[](),<>=!~*@:/ ;'\"", max_size=25))
@example("a>=1,")
@example("a (>=1)")
@example("a()")
@example("a>=1 <2")
@example("a @ https://x/y.whl")
@example("a==1.0.*")
def test_parse_is_packaging(head: str) -> None:
    if ";" in head:
        head = head.replace(";", "")
    try:
        wanted = Requirement(head)
    except InvalidRequirement:
        assert parse(head) is None
        return
    found = parse(head)
    assert found is not None
    assert found.name == normalize(wanted.name)
    assert set(found.extras) == {normalize(extra) for extra in wanted.extras}
    assert SpecifierSet(found.specifier) == wanted.specifier
    assert found.url == wanted.url


conditions = st.sampled_from(
    [
        'python_version < "3.8"',
        "python_version>='3.8'",
        'sys_platform == "win32"',
        'sys_platform != "win32"',
        'extra == "a"',
        "extra == 'B_b'",
        "'a' == extra",
        'extra != "a"',
        '(extra == "a")',
        'platform_machine in "x86_64 or extra == aarch64"',
        'python_full_version >= "3.9.0"',
    ]
)
markers = st.lists(conditions, min_size=1, max_size=3).flatmap(
    lambda parts: st.lists(st.sampled_from([" and ", " or "]), min_size=len(parts) - 1, max_size=len(parts) - 1).map(
        lambda joins: "".join(part + join for part, join in zip(parts, [*joins, ""], strict=True))
    )
)
graphs = st.lists(
    st.lists(
        st.builds(
            lambda n, e, s, m: f"{n}{e}{s}" + (f" ; {m}" if m else ""),
            st.sampled_from(["p", "q", "r", "s", "absent"]),
            st.sampled_from(["", "", "[a]", "[b.b]", "[a,b-b]", "[nope]"]),
            st.sampled_from(["", "", ">=1", "<1", "==1.*", "!=1.0"]),
            st.sampled_from(["", ""]) | markers,
        ),
        max_size=5,
    ),
    min_size=4,
    max_size=4,
)


def naive(view: View) -> set[tuple[str, str, str, str, str]]:
    """The closure by packaging alone."""
    found = set()
    seen = set()
    work = [(name, "") for name in view.effective]
    environment: dict[str, str] = {**default_environment(), **view.environment}  # type: ignore[dict-item]
    while work:
        key = work.pop()
        if key in seen:
            continue
        seen.add(key)
        parent = view.effective[key[0]]
        for text in parent.requires:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None and key[1]:
                continue
            if marker is not None:
                if not marker.evaluate({**environment, "extra": key[1]}):
                    continue
                if key[1] and marker.evaluate({**environment, "extra": ""}):
                    continue
            name = normalize(requirement.name)
            there = view.effective.get(name)
            if there is None:
                status = "missing"
            elif name == parent.name or requirement.specifier.contains(there.version or "", prereleases=True):
                status = "ok"
            else:
                status = "conflict"
            found.add((parent.name, text, key[1], name, status))
            if there is not None:
                work += [(name, extra) for extra in map(normalize, requirement.extras) if extra in there.extras]
    return found


@settings(max_examples=600, deadline=None)
@given(graphs)
def test_closure_is_packaging(requires: list[list[str]]) -> None:
    view = view_of(*(dist(name, "1.0", *texts, extras=("a", "b-b")) for name, texts in zip("pqrs", requires, strict=True)))
    assert {(e.parent.name, e.text, e.via_extra or "", e.name, e.status) for e in view.closure.edges} == naive(view)


@settings(max_examples=300, deadline=None)
@given(st.lists(specifiers, min_size=1, max_size=4), st.lists(versions, max_size=6))
def test_combine_and_satisfiable(parts: list[str], tried: list[str]) -> None:
    valid = [part for part in parts if by_packaging("1", part) is not None]
    together = combine(valid)
    for version in tried:
        all_hold = all(by_packaging(version, part) for part in valid)
        assert all_hold == (satisfies(version, together) if together else True)
        if all_hold:
            assert satisfiable(valid), (version, valid)


# ------------------------------------------------------------------------------------------------------------ meaning
def test_extras_are_followed_through_any_depth() -> None:
    view = view_of(
        dist("app", "1.0", "web[Fast_Json]>=1"),
        dist("web", "2.0", "server[tls]; extra == 'fast-json'", "never ; extra == 'other'", extras=("fast-json", "other")),
        dist("server", "1.0", 'crypto>=3; python_version >= "3.8" and extra == "TLS"', extras=("tls",)),
    )
    missing = view.closure.missing
    assert list(missing) == ["crypto"]
    assert missing["crypto"][0].via_extra == "tls"
    assert missing["crypto"][0].asker == "server[tls] 1.0"
    assert view.closure.askers("server", "tls") == ("web",)
    assert view.closure.askers("web", "fast-json") == ("app",)


def test_self_references_and_cycles_end() -> None:
    view = view_of(
        dist("a", "1.0", "a[x,y]; extra == 'all'", "b[all]; extra == 'x'", "gone; extra == 'y'", extras=("all", "x", "y")),
        dist("b", "1.0", "a[all]; extra == 'all'", extras=("all",)),
        dist("c", "1.0", "a[all]"),
    )
    assert list(view.closure.missing) == ["gone"]
    assert {e.name for e in view.closure.edges} == {"a", "b", "gone"}


def test_extra_that_the_installed_version_does_not_declare_is_ignored() -> None:
    view = view_of(dist("app", "1.0", "lib[new]"), dist("lib", "1.0", "gone; extra == 'new'"))
    assert not view.closure.missing


def test_exploding_extras_take_linear_time() -> None:
    def work(count: int) -> int:
        requires = [f"bomb[{','.join(f'e{j}' for j in range(0, count, 7))}]; extra == 'e{i}'" for i in range(count)]
        requires += [f"gone{i}; extra == 'e{i}'" for i in range(count)]
        bomb = dist("bomb", "1.0", *requires, extras=tuple(f"e{i}" for i in range(count)))
        view = view_of(bomb, dist("app", "1.0", "bomb[e1]"))
        spent = calls(lambda: view.closure)
        assert len(view.closure.missing) == len({1, *range(0, count, 7)})
        return spent

    characters = 4  # twice the extras make texts of four times the length
    assert work(400) < 1.5 * characters * work(200)


def test_markers_use_the_target_not_this_python() -> None:
    there = dist("app", "1.0", "old; python_version < '3.9'", "tomli; python_version < '3.11'", "win; os_name == 'nt'")
    assert list(view_of(there, version="3.8.18").closure.missing) == ["old", "tomli"]
    assert list(view_of(there, version="3.12.1").closure.missing) == []


def test_what_is_not_known_about_python_makes_nothing_missing() -> None:
    there = dist("app", "1.0", "a; python_version < '3.11'", "b; sys_platform == 'linux'", "c; python_version >= '3'", "d")
    assert list(view_of(there, version=None).closure.missing) == ["b", "d"]


def test_python_known_to_the_minor_version_only() -> None:
    there = dist(
        "app", "1.0", "a; python_full_version < '3.11.3'", "b; python_full_version >= '3.8.1'", "c; python_full_version < '3.11'"
    )
    assert list(view_of(there, version="3.11").closure.missing) == ["b"]


@pytest.mark.parametrize(
    "text",
    [
        "lib>=2.0.*",
        "lib>dev",
        "lib (>=1",
        "???",
        "lib; python_version",
        "lib; nonsense == '1'",
        "x" * 30_000,
        "lib; " + "(" * 3000,
    ],
)
def test_unreadable_requirements_are_said_and_do_no_harm(text: str) -> None:
    view = view_of(dist("app", "1.0", text, "gone"), dist("lib", "1.0"))
    assert [e.status for e in view.closure.edges if e.text == text] == ["unreadable"]
    assert list(view.closure.missing) == ["gone"]


def test_variables_of_lock_files_do_not_crash() -> None:
    view = view_of(dist("app", "1.0", "lib; 'x' in extras", "lib; 'dev' in dependency_groups", "gone"))
    assert list(view.closure.missing) == ["gone"]


def test_versions_that_are_none_are_not_conflicts() -> None:
    closure = view_of(dist("app", "1.0", "lib>=2", "none>=1", "none"), dist("lib", "2004d"), dist("none", None)).closure
    assert [(e.name, e.status) for e in closure.edges] == [("lib", "unknown"), ("none", "ok"), ("none", "unknown")]


def test_direct_references() -> None:
    closure = view_of(
        dist("app", "1.0", "lib @ https://example.org/lib-2.0.zip#a;b ; python_version > '3'", "gone@ https://example.org/x.whl"),
        dist("lib", "1.0"),
    ).closure
    assert edge(closure, "app", "lib").status == "url"
    assert edge(closure, "app", "gone").status == "missing"
    assert edge(closure, "app", "gone").wanted == "gone @ https://example.org/x.whl"


def test_split_marker() -> None:
    assert split_marker("a>=1;x") == ("a>=1", ";", "x")
    assert split_marker("a @ https://x/y;z ; m") == ("a @ https://x/y;z", " ;", " m")
    assert split_marker("a; extra == 'x@y'")[0] == "a"


@pytest.mark.parametrize(
    ("marker", "extra"),
    [
        ("extra == 'Test_It'", "test-it"),
        ('python_version < "3.8" and (extra == "x")', "x"),
        ("extra == 'x' and os_name == 'nt'", "x"),
        ("extra == 'x' or os_name == 'nt'", None),
        ("extra != 'x'", None),
        ("'x' == extra", None),
        ("platform_version == \"extra == 'x'\"", None),
        ("extras == 'x'", None),
    ],
)
def test_only_with_extra(marker: str, extra: str | None) -> None:
    assert only_with_extra(marker) == extra


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([">=1", ">=1.2", "<3", "<2.5,!=2.0"], ">=1.2,<2.5,!=2.0"),
        (["==1.*", ">=1.0"], "==1.*,>=1.0"),
        (["", ">= 2"], ">=2"),
        ([">=1.0", ">=1"], ">=1"),
        ([">=2a1", ">=1"], ">=1,>=2a1"),
        (["~=1.4"], "~=1.4"),
    ],
)
def test_combine(parts: list[str], expected: str) -> None:
    assert combine(parts) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([">=1", "<1"], False),
        ([">=1,<2", "!=1.*"], False),
        ([">1", "<1.0.1"], True),
        (["<1"], True),
        (["==1.2.3", ">=1.2"], True),
        (["==1.2.3", "<1.2"], False),
        (["~=1.4", ">=2"], False),
        (["~=1.4.2", "!=1.4.2,!=1.4.3"], True),
        (["<2", ">=2.0a1"], False),
        (["===legacy"], True),
        (["<1!0", ">=2000"], True),
        ([">=1!0", "<2000"], False),
        ([], True),
    ],
)
def test_satisfiable(parts: list[str], expected: bool) -> None:
    assert satisfiable(parts) is expected


def test_spell() -> None:
    assert spell("a", ("y", "x"), ">= 1, <2") == "a[x,y]>=1,<2"
    assert canonical("A__b.-C") == "a-b-c"
