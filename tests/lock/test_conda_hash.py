"""conda-lock's content hash, and with it the freshness of conda-lock.yml and of the lists that it renders."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envdoctor.lock import conda_hash, conda_spec, conda_virtual, fresh
from envdoctor.lock.formats import conda_lock, explicit
from envdoctor.lock.fresh import conda_lock as freshness
from envdoctor.lock.model import Artifact, Lock, Locked, Need

DATA = Path(__file__).parent / "data"
CASES: list[dict[str, Any]] = json.loads((DATA / "content_hashes.json").read_text(encoding="utf-8"))["cases"]
"""Source files, and what conda-lock 4.0.3 made of them."""
PLAIN = """\
name: demo
channels: [conda-forge]
platforms: [linux-64, osx-arm64]
dependencies:
  - python=3.11
  - numpy >=1.20
  - gcc  # [linux]
  - pip:
      - requests[socks] >=2
"""


def specification(case: dict[str, Any]) -> conda_spec.Specification:
    return conda_spec.specification({name: text.encode() for name, text in case["sources"].items()})


def tables(case: dict[str, Any]) -> conda_hash.Tables | None:
    usual = conda_virtual.DEFAULTS.items()
    if case["name"].endswith("without cuda"):
        return {p: {name: v for name, v in row.items() if name != "__cuda"} for p, row in usual}
    if case["name"].endswith("cuda 12.4"):
        return {p: {name: "12.4" if name == "__cuda" else v for name, v in row.items()} for p, row in usual}
    return freshness._of_file(case["virtual"].encode()) if case["virtual"] else None


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_hash_is_conda_locks(case: dict[str, Any]) -> None:
    found = specification(case)
    assert set(found.dependencies) == set(case["hashes"])
    for platform, digest in case["hashes"].items():
        hashes = conda_hash.Hashes(found, platform)
        candidates = [tables(case), *freshness._other_virtual(platform)]
        assert any(hashes.have(digest, one) for one in candidates)
        if "cuda" not in case["name"]:
            assert conda_hash.content_hash(found, platform, tables(case)) == digest
            assert conda_hash.accepted(found, platform, tables(case)) == frozenset(case["accepted"][platform])
        else:
            assert digest in conda_hash.accepted(found, platform, tables(case))


def test_hashes_of_earlier_versions() -> None:
    """What conda-lock 1.4.0, 2.0.0 and 2.5.7 wrote for these requirements on linux-64 and win-64."""
    head = b"channels: [conda-forge]\nplatforms: [linux-64, win-64]\n"
    source = head + b"dependencies:\n- python=3.11\n- numpy >=1.2,<2\n- conda-forge::scipy\n"
    found = conda_spec.specification({"environment.yml": source})
    written = json.loads((DATA / "content_hashes_earlier.json").read_text(encoding="utf-8"))
    for version, hashes in written.items():
        for platform, digest in hashes.items():
            known = conda_hash.Hashes(found, platform)
            assert any(known.have(digest, one) for one in (None, *freshness._other_virtual(platform))), (version, platform)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dependencies: {}", "no list"),
        ("channels: []", "no list"),
        ("channels: conda-forge\ndependencies: []", "no list"),
        ("dependencies: [3.11]", "neither a spec nor a section"),
        ("channels: [1]\ndependencies: []", "not text"),
        ("dependencies:\n- python (=1)", "not a name"),
        ("dependencies:\n- pip:\n  - '@@'", "@@"),
        ("dependencies:\n- pip:\n  - x @ ./here", "a path"),
        ("dependencies: [\n", "bracket"),
        ("- a", "no mapping"),
    ],
)
def test_what_conda_lock_cannot_read_is_refused(text: str, message: str) -> None:
    try:
        conda_spec.specification({"environment.yml": text.encode()})
    except conda_spec.Refused as error:
        assert message in str(error)
    else:
        pytest.fail("it was read")


# --------------------------------------------------------------------------------------------------------------- freshness
def entry(name: str, version: str, platform: str, needs: tuple[str, ...] = (), *, python: bool = False) -> Locked:
    places = (("main", platform),)
    if python:
        wheel = Artifact(kind="wheel", url=f"https://files.example/{name}-{version}-py3-none-any.whl", hashes=(("sha256", "00"),))
        return Locked(name=name, version=version, places=places, needs=tuple(Need(name=one) for one in needs), artifacts=(wheel,))
    url = f"https://repo.example/chan/{platform}/{name}-{version}-h1_0.conda"
    artifact = Artifact(kind="conda", url=url, hashes=(("md5", "0" * 32), ("sha256", "0" * 64)))
    edges = tuple(Need(name=one) for one in needs)
    return Locked(name=name, version=version, manager="conda", places=places, needs=edges, artifacts=(artifact,))


def made(sources: dict[str, str], virtual: conda_hash.Tables | None = None, custom: dict[str, str] | None = None) -> Lock:
    """A lock that stands for `sources`, whose packages are those of PLAIN."""
    found = conda_spec.specification({name: text.encode() for name, text in sources.items()})
    packages = []
    for platform in found.dependencies:
        packages += [entry("python", "3.11.7", platform), entry("numpy", "1.26.4", platform, ("python",))]
        packages += [entry("pip", "24.0", platform, ("python",)), entry("requests", "2.32.0", platform, ("idna",), python=True)]
        packages += [entry("idna", "3.7", platform, python=True)]
        packages += [entry("gcc", "13.2.0", platform)] if platform.startswith("linux") else []
    hashes = {platform: conda_hash.content_hash(found, platform, virtual) for platform in found.dependencies}
    channels = [(one.url, one.used_env_vars) for one in found.channels]
    metadata = conda_lock.Metadata(hashes, channels, list(hashes), list(sources), custom or {})
    return conda_lock.read(conda_lock.write("conda-lock.yml", metadata, packages), "conda-lock.yml")


def judged(lock: Lock, **files: str) -> Lock:
    data = {name.replace("__", "-").replace("_", "."): text.encode() for name, text in files.items()}
    wanted = fresh.sources(lock, tuple(data), {})
    return fresh.judge(lock, {name: data[name] for name in wanted if name in data})


FRESH = {
    "as it was": PLAIN,
    "a comment": PLAIN.replace("dependencies:", "# what we need\ndependencies:  # all of it"),
    "another order": PLAIN.replace("  - python=3.11\n", "").replace("  - pip:", "  - python=3.11\n  - pip:"),
    "layout": PLAIN.replace("[conda-forge]", "\n  - conda-forge").replace("numpy >=1.20", "numpy  >=1.20"),
    "quotes": PLAIN.replace("python=3.11", '"python=3.11"'),
    "name": PLAIN.replace("demo", "other").replace("requests[socks] >=2", "Requests[socks]>=2"),
    "another platform is wanted": PLAIN.replace("osx-arm64]", "osx-arm64, win-64]"),
    "windows line ends": PLAIN.replace("\n", "\r\n"),
}
STALE = {
    "a new requirement": (PLAIN + "  - scipy\n", "scipy is not locked"),
    "a new pip requirement": (PLAIN + "      - rich\n", "rich is not locked"),
    "a version": (
        PLAIN.replace("python=3.11", "python=3.12"),
        ":5: asks for python=3.12; python 3.11.7 is locked",
    ),
    "a pip version": (PLAIN.replace(">=2\n", ">=3\n"), "requests 2.32.0 is locked"),
    "looser": (PLAIN.replace(">=1.20", ">=1.19"), "its content hash is another"),
    "a channel": (PLAIN.replace("[conda-forge]", "[conda-forge, bioconda]"), "channels are conda-forge, bioconda"),
    "gone": (PLAIN.replace("  - numpy >=1.20\n", ""), "numpy is locked, and nothing asks for it any more"),
    "a selector": (PLAIN.replace("# [linux]", "# [osx]"), "gcc is not locked (osx-arm64)"),
    "one platform alone": (PLAIN.replace("# [linux]", "# [win]"), "gcc is locked, and nothing asks for it any more (linux-64)"),
    "the extras of a pip requirement": (PLAIN.replace("[socks]", ""), "its content hash is another"),
    "a build": (PLAIN.replace("numpy >=1.20", "numpy >=1.20 *openblas"), "numpy 1.26.4 is locked"),
}


@pytest.mark.parametrize("text", FRESH.values(), ids=FRESH.keys())
def test_fresh(text: str) -> None:
    lock = judged(made({"environment.yml": PLAIN}), environment_yml=text)
    assert (lock.fresh, lock.stale_because, lock.freshness_by) == ("yes", (), "hash")


@pytest.mark.parametrize(("text", "reason"), STALE.values(), ids=STALE.keys())
def test_stale(text: str, reason: str) -> None:
    lock = judged(made({"environment.yml": PLAIN}), environment_yml=text)
    assert lock.fresh == "no"
    assert any(reason in one for one in lock.stale_because), lock.stale_because


def test_a_source_that_is_not_there_tells_nothing() -> None:
    assert judged(made({"environment.yml": PLAIN})).fresh == "unknown"
    both = made({"environment.yml": PLAIN, "dev.yml": "dependencies: [pytest]\ncategory: dev\n"})
    assert judged(both, environment_yml=PLAIN).fresh == "unknown"


def test_several_sources() -> None:
    dev = "category: dev\ndependencies: []\n"
    lock = made({"environment.yml": PLAIN, "dev.yml": dev})
    assert judged(lock, environment_yml=PLAIN, dev_yml=dev).fresh == "yes"
    assert judged(lock, environment_yml=PLAIN, dev_yml="category: dev\ndependencies: [numpy<1]\n").fresh == "no"


def test_categories_that_the_command_line_left_out() -> None:
    """``conda-lock -f environment.yml -f docs.yml`` without ``-e docs``, and with ``--no-dev-dependencies``."""
    lock = made({"environment.yml": PLAIN})
    lock = msgspec.structs.replace(lock, manifests=(*lock.manifests, "docs.yml"))
    assert judged(lock, environment_yml=PLAIN, docs_yml="category: docs\ndependencies: [sphinx]\n").fresh == "yes"
    # left out on demand, or new
    assert judged(lock, environment_yml=PLAIN, docs_yml="category: dev\ndependencies: [sphinx]\n").fresh == "unknown"
    assert judged(lock, environment_yml=PLAIN, docs_yml="dependencies: [sphinx]\n").fresh == "no"


@pytest.mark.parametrize(("row", "told"), [({"__cuda": "12.4"}, ("12.4", "2.28")), ({"__glibc": "2.17"}, ("11.4", "2.17"))])
def test_the_hash_tells_what_it_was_solved_for(row: dict[str, str], told: tuple[str, str]) -> None:
    """``--with-cuda 12.4``; an earlier version of conda-lock."""
    virtual = {"linux-64": {**conda_virtual.DEFAULTS["linux-64"], **row}}
    lock = judged(
        made({"environment.yml": PLAIN.replace(", osx-arm64", "")}, virtual), environment_yml=PLAIN.replace(", osx-arm64", "")
    )
    assert lock.fresh == "yes"
    found = {one.name: (one.version, one.assumed) for one in lock.virtual_packages}
    assert (found["__cuda"], found["__glibc"]) == ((told[0], False), (told[1], False))


def test_without_cuda() -> None:
    virtual = {"linux-64": {k: v for k, v in conda_virtual.DEFAULTS["linux-64"].items() if k != "__cuda"}}
    text = PLAIN.replace(", osx-arm64", "")
    lock = judged(made({"environment.yml": text}, virtual), environment_yml=text)
    assert lock.fresh == "yes"
    assert "__cuda" not in {one.name for one in lock.virtual_packages}


def test_virtual_packages_of_a_file() -> None:
    file = "subdirs:\n  linux-64:\n    packages:\n      __glibc: '2.99'\n  osx-arm64:\n    packages:\n      __osx: '14.0'\n"
    virtual = {"linux-64": {"__glibc": "2.99"}, "osx-arm64": {"__osx": "14.0"}}
    lock = made({"environment.yml": PLAIN}, virtual)
    assert judged(lock, environment_yml=PLAIN).fresh == "no"
    found = judged(lock, environment_yml=PLAIN, virtual__packages_yml=file)
    assert found.fresh == "yes"
    assert {(one.platform, one.name, one.version) for one in found.virtual_packages} == {
        ("linux-64", "__glibc", "2.99"),
        ("osx-arm64", "__osx", "14.0"),
    }


def test_virtual_packages_of_the_folder_above() -> None:
    """``conda-lock -f env/environment.yml --lockfile env/conda-lock.yml`` looks where it is run."""
    file = b"subdirs:\n  linux-64:\n    packages:\n      __glibc: '2.99'\n"
    text = PLAIN.replace(", osx-arm64", "")
    lock = made({"environment.yml": text}, {"linux-64": {"__glibc": "2.99"}})
    above = fresh.sources(lock, ("environment.yml",), {})[-1]
    assert above == "../virtual-packages.yml"
    assert fresh.judge(lock, {"environment.yml": text.encode(), above: file}).fresh == "yes"


def test_virtual_packages_that_the_lock_keeps() -> None:
    virtual = {"linux-64": {"__glibc": "2.99", "__archspec": "1 x86_64"}, "osx-arm64": {"__osx": "14.0"}}
    text = "linux-64 __archspec=1=x86_64 __glibc=2.99; osx-arm64 __osx=14.0"
    lock = made({"environment.yml": PLAIN}, virtual, {conda_virtual.RECORDED: text})
    assert {one.name: one.assumed for one in lock.virtual_packages} == {"__glibc": False, "__archspec": False, "__osx": False}
    assert judged(lock, environment_yml=PLAIN).fresh == "yes"


def test_channels_of_the_command_line() -> None:
    """``conda-lock -c conda-forge``, with a manifest that names none."""
    text = PLAIN.replace("channels: [conda-forge]\n", "")
    lock = judged(made({"environment.yml": PLAIN}), environment_yml=text)
    assert lock.fresh == "yes"
    assert judged(made({"environment.yml": PLAIN}), environment_yml=text + "  - scipy\n").fresh == "no"


def test_names_that_only_a_table_tells_are_not_judged() -> None:
    """In a pyproject.toml a requirement may have another name on conda's side."""
    text = "[project]\nname='x'\ndependencies=['somewhat']\n[tool.conda-lock]\nchannels=['conda-forge']\nplatforms=['linux-64']\n"
    lock = made({"pyproject.toml": text})
    assert judged(lock, pyproject_toml=text).fresh == "yes"
    assert judged(lock, pyproject_toml=text.replace("somewhat", "another")).fresh == "unknown"
    assert judged(lock, pyproject_toml=text.replace("conda-forge", "bioconda")).fresh == "no"


def test_yaml_that_is_not_read_tells_nothing() -> None:
    assert judged(made({"environment.yml": PLAIN}), environment_yml=PLAIN + "x: &a 1\ny: *a\n").fresh == "unknown"


def rendered(lock: Lock, platform: str) -> bytes:
    """As ``conda-lock render`` writes it."""
    lines = ["# Generated by conda-lock.", f"# platform: {platform}"]
    lines += [f"# input_hash: {dict(lock.recorded)[f'content-hash {platform}']}", "@EXPLICIT"]
    for one in lock.packages:
        if (("main", platform) in one.places) and one.manager == "conda":
            lines.append(f"{one.artifacts[0].url}#{dict(one.artifacts[0].hashes)['md5']}")
    lines += [f"# pip {one.name} @ {one.artifacts[0].url}#sha256={'0' * 64}" for one in lock.packages if one.manager == "pypi"]
    return "\n".join(lines).encode() + b"\n"


def test_a_rendered_list_is_as_fresh_as_its_lock() -> None:
    whole = made({"environment.yml": PLAIN})
    listed = explicit.read(rendered(whole, "linux-64"), "conda-linux-64.lock")
    assert listed.platforms == ("linux-64",)
    assert judged(listed, environment_yml=PLAIN).fresh == "yes"
    assert judged(listed, environment_yml=PLAIN + "  - scipy\n").fresh == "no"
    assert judged(listed, environment_yml=PLAIN.replace(">=1.20", ">=1.19")).fresh == "unknown"
    assert judged(listed, other_yml=PLAIN).fresh == "unknown"
    text = (re.sub("content-hash", "", rendered(whole, "linux-64").decode())).replace("# input_hash", "# no hash")
    assert judged(explicit.read(text.encode(), "explicit.txt"), environment_yml=PLAIN).fresh == "unknown"
