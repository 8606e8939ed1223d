"""Two locks, and what differs between them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from envdoctor.lock.changes import Change, Item, compare, compare_inventories, counts, inventory, lines, same_version
from envdoctor.lock.model import Artifact, Lock, Locked


def pylock(*packages: Locked, **fields: Any) -> Lock:
    return Lock(path="pylock.toml", format="pylock", packages=packages, **fields)


def conda(*packages: Locked, platforms: tuple[str, ...] = ("linux-64", "osx-arm64")) -> Lock:
    return Lock(path="conda-lock.yml", format="conda-lock", platforms=platforms, packages=packages)


def at(name: str, version: str, *platforms: str, build: str | None = None, **fields: Any) -> Locked:
    places = tuple(("main", one) for one in platforms or ("linux-64", "osx-arm64"))
    return Locked(name=name, version=version, manager="conda", places=places, build=build, **fields)


def wheel(name: str, digest: str) -> Artifact:
    return Artifact(kind="wheel", name=name, hashes=(("sha256", digest),))


def test_added_removed_up_down() -> None:
    old = pylock(
        Locked(name="a", version="1.9"),
        Locked(name="b", version="2.0"),
        Locked(name="c", version="1"),
        Locked(name="e", version="1"),
    )
    new = pylock(
        Locked(name="a", version="1.10"),
        Locked(name="b", version="2.0rc1"),
        Locked(name="d", version="1"),
        Locked(name="e", version="1"),
    )
    changes = compare(old, new)
    assert [(c.kind, c.name, c.before, c.after) for c in changes.changes] == [
        ("added", "d", None, "1"),
        ("removed", "c", "1", None),
        ("up", "a", "1.9", "1.10"),
        ("down", "b", "2.0", "2.0rc1"),
    ]
    assert (changes.same, changes.total, changes.platforms) == (1, 4, ())
    assert counts(changes) == "1 added, 1 removed, 1 up, 1 down"
    assert lines(changes) == ["added    d  1", "removed  c  1", "up       a  1.9 -> 1.10", "down     b  2.0 -> 2.0rc1"]


def test_nothing_differs() -> None:
    lock = pylock(Locked(name="a", version="1", artifacts=(wheel("a-1-py3-none-any.whl", "00"),)))
    changes = compare(lock, lock)
    assert not changes
    assert counts(changes) == "no changes"
    assert lines(changes) == []


def test_a_first_lock_adds_everything() -> None:
    changes = compare(None, conda(at("a", "1"), at("b", "1", "linux-64")))
    assert [(c.kind, c.name, c.platforms) for c in changes.changes] == [("added", "a", ()), ("added", "b", ("linux-64",))]


def test_versions_are_compared_as_their_manager_does() -> None:
    assert same_version("pypi", "1.0", "1.0.0")
    assert same_version("conda", "1.0", "1.0.0")
    old, new = conda(at("openssl", "1.1.1w")), conda(at("openssl", "1.1.1_1"))
    assert compare(old, new).changes[0].kind in ("up", "down")
    strange = compare(pylock(Locked(name="a", version="abc")), pylock(Locked(name="a", version="abd")))
    assert strange.changes[0].kind == "other"
    assert counts(strange) == "1 changed"


def test_platforms_are_told_where_it_is_not_all_of_them() -> None:
    old = conda(at("a", "1"), at("b", "1"))
    new = conda(at("a", "2", "linux-64"), at("a", "1", "osx-arm64"), at("b", "3"))
    changes = compare(old, new)
    assert [(c.name, c.platforms) for c in changes.changes] == [("a", ("linux-64",)), ("b", ())]
    assert lines(changes) == ["up  a  1 -> 2  (linux-64)", "up  b  1 -> 3"]


def test_a_platform_more_is_one_line() -> None:
    new = conda(at("a", "1"), at("a", "1", "win-64"), at("b", "1", "win-64"), platforms=("linux-64", "osx-arm64", "win-64"))
    changes = compare(conda(at("a", "1")), new)
    assert changes.changes == ()
    assert changes.added_platforms == (("win-64", 2),)
    assert counts(changes) == "1 platform added"
    assert lines(changes) == ["platform  win-64  added  (2 packages)"]
    assert compare(new, conda(at("a", "1"))).removed_platforms == (("win-64", 2),)


def test_the_same_version_from_other_files() -> None:
    build = compare(conda(at("a", "1", build="h_0")), conda(at("a", "1", build="h_1")))
    assert [(c.kind, c.detail) for c in build.changes] == [("rebuilt", "build h_0 -> h_1")]
    old = pylock(Locked(name="a", version="1", artifacts=(wheel("a-1-py3-none-any.whl", "00"),)))
    new = pylock(Locked(name="a", version="1", artifacts=(wheel("a-1-py3-none-any.whl", "11"),)))
    assert compare(old, new).changes[0].detail == "another hash of a-1-py3-none-any.whl"
    more = pylock(Locked(name="a", version="1", artifacts=(*old.packages[0].artifacts, wheel("a-1-cp311-cp311-win32.whl", "22"))))
    assert compare(old, more).changes[0].detail == "1 file more"
    away = pylock(Locked(name="a", version="1", source="https://two.example/simple"))
    assert compare(pylock(Locked(name="a", version="1", source="https://one.example/simple")), away).changes[0].kind == "rebuilt"
    assert not compare(pylock(Locked(name="a", version="1", source="https://two.example/simple/")), away)


def test_a_hash_of_another_kind_is_no_difference() -> None:
    old = conda(at("a", "1", artifacts=(Artifact(kind="conda", name="a-1-0.conda", hashes=(("md5", "00"),)),)))
    new = conda(at("a", "1", artifacts=(Artifact(kind="conda", name="a-1-0.conda", hashes=(("md5", "00"), ("sha256", "11"))),)))
    assert [c.detail for c in compare(old, new).changes] == ["other hashes"]
    assert not compare_inventories(inventory(old), inventory(new), strict=False)


def test_one_name_in_two_versions_under_markers() -> None:
    def numpy(version: str, marker: str) -> Locked:
        return Locked(name="numpy", version=version, marker=marker)

    old = pylock(numpy("1.26", "python_version < '3.12'"), numpy("2.0", "python_version >= '3.12'"))
    new = pylock(numpy("1.26", "python_version < '3.12'"), numpy("2.1", "python_version >= '3.12'"))
    assert [(c.kind, c.before, c.after) for c in compare(old, new).changes] == [("up", "2.0", "2.1")]
    one = pylock(numpy("1.26", "python_version < '3.12'"))
    assert [(c.kind, c.after, c.detail) for c in compare(one, new).changes] == [("added", "2.1", "python_version >= '3.12'")]
    moved = compare(one, pylock(Locked(name="numpy", version="1.26")))
    assert [(c.kind, c.detail) for c in moved.changes] == [("moved", "marker python_version < '3.12' -> none")]


def test_groups_count() -> None:
    old = pylock(Locked(name="a", version="1", groups=("dev",)))
    new = pylock(Locked(name="a", version="1", groups=("",), extras=("web",)))
    assert [(c.kind, c.detail) for c in compare(old, new).changes] == [("moved", "for dev -> (project), extra web")]


def test_the_project_itself_is_no_change() -> None:
    assert not compare(pylock(), pylock(Locked(name="mine", version="1"), projects=("mine",)))


def test_one_for_all_platforms_beside_one_for_each() -> None:
    old = {"": {("pypi", "a"): (Item("1"),)}}
    new = {"linux-64": {("pypi", "a"): (Item("2"),)}, "win-64": {("pypi", "a"): (Item("1.0"),)}}
    changes = compare_inventories(old, new, strict=False)  # type: ignore[arg-type]
    assert changes.changes == (Change(kind="up", manager="pypi", name="a", before="1", after="2", platforms=("linux-64",)),)


def test_lines_are_limited_and_pip_is_told_from_conda() -> None:
    new = conda(*(at(f"p{n}", "1") for n in range(9)), Locked(name="q", version="1", places=(("main", "linux-64"),)))
    found = lines(compare(None, new), 5)
    assert len(found) == 5
    assert found[-1] == "and 6 more"
    assert lines(compare(None, new))[-1] == "added  q (pip)  1  (linux-64)"


NAMES = st.sampled_from(("a", "b", "c"))
VERSIONS = st.sampled_from(("1", "1.0", "1.1", "2rc1", "2", "odd version"))
MARKERS = st.sampled_from((None, "sys_platform == 'win32'", "sys_platform != 'win32'"))
ARTIFACTS = st.lists(st.builds(wheel, st.sampled_from(("x.whl", "y.whl")), st.sampled_from(("00", "11"))), max_size=2).map(tuple)
ENTRIES = st.lists(
    st.builds(
        Locked,
        name=NAMES,
        version=VERSIONS,
        marker=MARKERS,
        artifacts=ARTIFACTS,
        places=st.sampled_from(((("main", "linux-64"),), (("main", "linux-64"), ("dev", "win-64")))),
    ),
    max_size=6,
)
MIRRORED = {"added": "removed", "removed": "added", "up": "down", "down": "up"}


@given(ENTRIES, ENTRIES, st.sampled_from(("pylock", "conda-lock")))
def test_seen_from_the_other_side_it_is_the_mirror_image(one: list[Locked], other: list[Locked], format_: Any) -> None:
    before, after = (Lock(path="x", format=format_, packages=tuple(packages)) for packages in (one, other))
    assert not compare(before, before)
    there, back = compare(before, after), compare(after, before)
    assert bool(there) == bool(back)
    for here, gone in (("added_platforms", "removed_platforms"), ("removed_platforms", "added_platforms")):
        assert getattr(there, here) == getattr(back, gone)
    if all(len({e.version for e in packages if e.name == name}) <= 1 for packages in (one, other) for name in "abc"):
        turned = sorted(
            (MIRRORED.get(change.kind, change.kind), change.name) for change in there.changes if change.kind in MIRRORED
        )
        assert set(turned) == {(change.kind, change.name) for change in back.changes if change.kind in MIRRORED}
    assert len(lines(there)) == len(there.changes) + len(there.added_platforms) + len(there.removed_platforms)
    assert (counts(there) == "no changes") == (not there)
