"""The pure parts of making a conda lock: dependencies and categories as conda-lock writes them, secrets, virtual packages."""

from __future__ import annotations

import pytest

from envdoctor.lock.make import channels, entries, records, virtual
from envdoctor.lock.make.options import MakeError
from envdoctor.lock.make.records import Record


@pytest.mark.parametrize(
    ("spec", "name", "version"),
    [
        # what conda-lock 4.0.3 answered (its conda's MatchSpec)
        ("python", "python", ""),
        ("python >=3.11,<3.12.0a0", "python", ">=3.11,<3.12.0a0"),
        ("python_abi 3.11.* *_cp311", "python_abi", "3.11.*"),
        ("pydantic-core ==2.50.1", "pydantic-core", "2.50.1"),
        ("typing_extensions ==4.16.0 pyhcf101f3_0", "typing_extensions", "==4.16.0"),
        ("_libgcc_mutex 0.1 conda_forge", "_libgcc_mutex", "0.1"),
        ("a =1.2", "a", "1.2.*"),
        ("a 1.2*", "a", "1.2.*"),
        ("a 1.2=b_0", "a", "1.2"),
        ("a==1.2=b", "a", "==1.2"),
        ("a >=1, <2", "a", ">=1,<2"),
        ("a >=1|<0.5 *cpu*", "a", ">=1|<0.5"),
        ("a[version='>=1, <2', build='x']", "a", ">=1,<2"),
        ("conda-forge::A_b >=2", "a_b", ">=2"),
        ("a *", "a", "*"),
    ],
)
def test_dependencies_as_conda_reads_them(spec: str, name: str, version: str) -> None:
    assert entries.parted(spec) == (name, version)


@pytest.mark.parametrize(
    ("specs", "joined"),
    [
        (["a >=1", "a <2"], "<2,>=1"),
        (["a", "a >=1"], ">=1"),
        (["a >=1", "a >=1"], ">=1,>=1"),
        (["a >=3.10", "a >=3.10,<3.14"], ">=3.10,>=3.10,<3.14"),
        (["a >=1,<3", "a", "a >=2"], ">=1,<3,>=2"),
    ],
)
def test_a_dependency_that_stands_twice(specs: list[str], joined: str) -> None:
    assert [(need.name, need.spec) for need in entries.needs_of(specs)] == [("a", joined)]


def test_categories_follow_what_needs_what() -> None:
    graph = {"a": ("b",), "b": ("c",), "c": ("b",), "d": ("c", "e"), "e": (), "f": ()}
    assert entries.spread(graph, {"d": "dev"}) == dict.fromkeys("dcbe", ("dev",))
    found = entries.spread(graph, {"a": "main", "d": "dev", "f": "docs", "e": "docs"})
    assert found == {"a": ("main",), "b": ("main",), "c": ("main",), "d": ("dev",), "e": ("dev", "docs"), "f": ("docs",)}


def record(name: str, version: str, depends: tuple[str, ...] = ("python >=3.9",), noarch: str | None = None) -> Record:
    return Record(name, version, "0", "noarch", "", "", None, None, depends, noarch)


def test_distributions_that_conda_brings() -> None:
    held = records.held(
        [
            record("numpy", "2.0.1"),
            record("Jinja2", "3.1.6", noarch="python"),
            record("msgpack-python", "1.1.0"),
            record("dask-core", "2024.1.0"),
            record("ruamel.yaml", "0.18"),
            record("xxhash", "0.8.2", ()),
            record("python-xxhash", "3.4.1"),
            record("tzdata", "2024a", ()),
            record("odd", "1_weird"),
            record("__glibc", "2.28"),
        ]
    )
    assert held == {
        "numpy": "2.0.1",
        "jinja2": "3.1.6",
        "msgpack": "1.1.0",
        "dask": "2024.1.0",
        "ruamel-yaml": "0.18",
        "xxhash": "3.4.1",
    }


ENVIRON = {"TEAM_USER": "bob", "TEAM_PASSWORD": "s3cret!", "CHANNEL_TOKEN": "tk-123-456", "SHLVL": "1"}


@pytest.mark.parametrize(
    ("text", "address", "written", "variables"),
    [
        ("conda-forge", "conda-forge", "conda-forge", ()),
        ("file:///srv/chan", "file:///srv/chan", "file:///srv/chan", ()),
        ("https://host/chan", "https://host/chan", "https://host/chan", ()),
        (
            "https://$TEAM_USER:${TEAM_PASSWORD}@host:80/chan",
            "https://bob:s3cret!@host:80/chan",
            "https://${TEAM_USER}:${TEAM_PASSWORD}@host:80/chan",
            ("TEAM_PASSWORD", "TEAM_USER"),
        ),
        (
            "https://bob:s3cret!@host/chan",
            "https://bob:s3cret!@host/chan",
            "https://${TEAM_USER}:${TEAM_PASSWORD}@host/chan",
            ("TEAM_PASSWORD", "TEAM_USER"),
        ),
        (
            "https://host/t/tk-123-456/chan",
            "https://host/t/tk-123-456/chan",
            "https://host/t/${CHANNEL_TOKEN}/chan",
            ("CHANNEL_TOKEN",),
        ),
        (
            "https://host/t/$CHANNEL_TOKEN/chan",
            "https://host/t/tk-123-456/chan",
            "https://host/t/${CHANNEL_TOKEN}/chan",
            ("CHANNEL_TOKEN",),
        ),
        ("https://eve:other@host/chan", "https://eve:other@host/chan", "https://host/chan", None),
        ("https://1:other@host/chan", "https://1:other@host/chan", "https://host/chan", None),
        ("https://host/t/unknown-1/chan", "https://host/t/unknown-1/chan", "https://host/chan", None),
        ("https://host/chan?token=abc", "https://host/chan?token=abc", "https://host/chan", None),
    ],
)
def test_secrets_in_channels(text: str, address: str, written: str, variables: tuple[str, ...] | None) -> None:
    place = channels.place(text, ENVIRON)
    assert (place.address, place.written, place.variables) == (address, written, variables or ())
    assert place.stripped == (variables is None)
    if "://" in text:
        assert channels.rewritten(f"{address}/noarch/a-1-0.conda", [place]) == f"{written}/noarch/a-1-0.conda"


def test_urls_that_come_back_without_their_secrets() -> None:
    place = channels.place("https://host/t/$CHANNEL_TOKEN/chan", ENVIRON)
    assert (
        channels.rewritten("https://host/chan/noarch/a.conda", [place]) == "https://host/t/${CHANNEL_TOKEN}/chan/noarch/a.conda"
    )
    assert channels.rewritten("https://eve:x@other/noarch/a.conda", [place]) == "https://other/noarch/a.conda"
    index = channels.place("https://$TEAM_USER:$TEAM_PASSWORD@host/simple", ENVIRON)
    assert channels.repository("https://host/files/a.whl", [index]) == "https://${TEAM_USER}:${TEAM_PASSWORD}@host/files/a.whl"
    assert channels.repository("https://u:p@files/a.whl", [index]) == "https://files/a.whl"


def test_the_channel_that_is_several() -> None:
    place = channels.place("defaults", {})
    assert [one.rpartition("/")[2] for one in channels.expanded([place], "linux-64")] == ["main", "r"]
    assert [one.rpartition("/")[2] for one in channels.expanded([place], "win-64")] == ["main", "r", "msys2"]


def test_virtual_packages_in_the_order_of_who_says_so() -> None:
    found = virtual.resolve(["linux-64", "osx-arm64"])
    assert not found.custom
    assert found.table["linux-64"]["__glibc"] == "2.28"
    recorded = {"linux-64": {"__glibc": "2.17", "__unix": "0"}}
    found = virtual.resolve(["linux-64", "osx-arm64"], recorded=recorded)
    assert found.table["linux-64"] == recorded["linux-64"]
    assert found.table["osx-arm64"]["__osx"] == "11.0"
    spec = {"linux-64": {"__cuda": "12.4"}, "noarch": {"__x": "1"}}
    found = virtual.resolve(
        ["linux-64", "osx-arm64"], spec=spec, recorded=recorded, options=["__glibc=2.40", "__archspec=1=zen3"]
    )
    assert found.table == {
        "linux-64": {"__cuda": "12.4", "__glibc": "2.40", "__archspec": "1 zen3"},
        "osx-arm64": {"__archspec": "1 zen3"},
    }
    assert found.noarch == {"__x": "1"}
    assert found.from_file


def test_virtual_packages_of_a_system_go_to_its_platforms() -> None:
    found = virtual.resolve(["linux-64", "osx-arm64", "win-64"], options=["__cuda=12.4", "__osx=14", "osx-arm64:__cuda=1"])
    assert found.table["linux-64"]["__cuda"] == found.table["win-64"]["__cuda"] == "12.4"
    assert found.table["osx-arm64"]["__cuda"] == "1"
    assert found.table["osx-arm64"]["__osx"] == "14"
    assert "__osx" not in found.table["linux-64"]
    with pytest.raises(MakeError, match="linux-aarch64 is not locked for"):
        virtual.resolve(["linux-64"], options=["linux-aarch64:__glibc=2.17"])


def test_what_was_solved_for_is_written_and_read() -> None:
    from envdoctor.lock import conda_virtual

    table = virtual.resolve(["linux-64", "win-64"], options=["__archspec=1=zen3"]).table
    assert conda_virtual.recorded(virtual.written(table)) == table
