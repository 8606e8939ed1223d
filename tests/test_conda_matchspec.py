"""The own matcher for conda's specs against py-rattler's, on the real metadata of conda-forge and on what people write."""

from __future__ import annotations

import itertools
import random
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.conda import channels
from envdoctor.conda.matchspec import Candidate, InvalidSpec, MatchSpec, parse
from envdoctor.conda.strings import InvalidPattern, expression, glob, regex
from envdoctor.conda.version import InvalidVersion, specifier
from envdoctor.conda.version import parse as version
from tests.effort import calls, ends

rattler = pytest.importorskip("rattler")

# ------------------------------------------------------------------------------------------------ equal to py-rattler


@cache
def real() -> list[dict[str, Any]]:
    from tests.conda import channel, forge

    why = channel.usable()
    if why:
        pytest.skip(why)
    return forge.records()


@cache
def theirs(name: str, release: str, build: str, number: int, subdir: str) -> Any:
    return rattler.PackageRecord(name, release, rattler.BuildString(build), number, subdir)


def mine(name: str, release: str, build: str, number: int, subdir: str) -> Candidate:
    return Candidate(name, release, build, number, "https://conda.anaconda.org/conda-forge", subdir, track_features=())


def agree(specs: list[str], rows: list[tuple[str, int, str, str]], *, per_spec: int) -> tuple[int, int]:
    """Compares both matchers for each spec on `per_spec` of the rows (version, build number, build, subdir)."""
    chooser = random.Random(4)
    pairs = fitting = 0
    for text in specs:
        own, other = parse(text), rattler.MatchSpec(text, exact_names_only=False)
        for release, number, build, subdir in chooser.sample(rows, min(per_spec, len(rows))):
            fields = (own.name if own.any_name is None else "numpy", release, build, number, subdir)
            expected = other.matches(theirs(*fields))
            assert own.fits(mine(*fields)) is expected, (text, fields, expected)
            pairs += 1
            fitting += expected
    return pairs, fitting


def derived(record: dict[str, Any]) -> list[str]:
    """Specs about a record in every syntax."""
    name, release, build, number = record["name"], record["version"], record["build"], record["build_number"]
    head, _, _ = release.rpartition(".")
    head = head or release
    first = release.split(".")[0]
    middle = build.split("_")[0]
    out = [
        f"{name}={release}", f"{name} ={head}", f"{name}=={release}", f"{name} {release}", f"{name} {head}.*", f"{name} {first}*",
        f"{name} >={head},<{first}.99a0", f"{name} >{release}", f"{name} <{release}", f"{name} <={release}", f"{name}>={release}",
        f"{name} !={release}", f"{name} !={head}.*", f"{name} {release} {build}", f"{name}={release}={build}",
        f"{name}=={release}={build}", f"{name} {head}.* {middle}*", f"{name} * *_{number}", f"{name} * {build}",
        f"{name} >= {head} , < {first}.99 *{middle[1:]}*", f"{name}[version='>={head}']",
        f'{name}[version="{release}|{first}.0"]',
        f"{name}[build_number={number}]", f"{name}[build_number='>={number}']", f"{name}[build_number='<{number}']",
        f"{name}[build={build}]", f"{name}[build='{middle}*', version='*']", f"{name}[build='^{middle}.*$']",
        f"{name} {release}|{head}.*", f"{name} <{first}|>={release}", f"{name} ({release}|<{first}),!=99",
        f"{name.upper()} {head}.*", f"{name[:2]}* >={head}", f"^{name[0]}.*$", "* " + build, f"{name}  {release}  {build}",
        f"{name} <{release}.0a0", f"{name} >={release}rc1", f"{name} <1!{release}", f"{name} >=0!{head}",
        f"{name} {release}+cuda1",
        f"{name} {release}.post1", f"{name} <{release}.dev0", f"{name} 1.2 # note",
        f"{name}[build_number={number},version={head}.*]",
    ]  # fmt: skip
    if head != release:
        out += [f"{name} ~={release}", f"{name} ~={release},!={release}"]
    return out


def test_specs_of_real_records_fit_as_in_rattler() -> None:
    """Every depends and constrains of 6 platforms, on records of its own name and on versions and builds of others."""
    specs = sorted({spec for record in real() for field in ("depends", "constrains") for spec in record.get(field, ())})
    assert len(specs) > 200
    rows = sorted({(r["version"], r["build_number"], r["build"], r["subdir"]) for r in real()})
    by_name: dict[str, list[tuple[str, int, str, str]]] = {}
    for record in real():
        row = (record["version"], record["build_number"], record["build"], record["subdir"])
        by_name.setdefault(record["name"], []).append(row)
    pairs, fitting = agree(specs, rows, per_spec=60)
    for spec in specs:
        more = agree([spec], by_name.get(parse(spec).name, rows[:2]), per_spec=6)
        pairs, fitting = pairs + more[0], fitting + more[1]
    assert pairs > 10_000
    assert 1_000 < fitting < pairs - 1_000


def test_specs_in_every_syntax_fit_as_in_rattler() -> None:
    chosen = random.Random(7).sample(real(), 150)
    specs = sorted({spec for record in chosen for spec in derived(record)})
    rows = sorted({(r["version"], r["build_number"], r["build"], r["subdir"]) for r in real()})
    odd = ["1.2", "1.2.0", "1.2.0a1", "1.2.dev3", "1.2.0.post1", "1!0.1", "1.2+cuda1", "2", "0", "2024a", "9e", "1.1.1w", "1.2_3"]
    rows += [(release, number, "h0_0", "noarch") for number, release in enumerate(odd)]
    pairs, fitting = agree(specs, rows, per_spec=8)
    own = [
        agree(derived(record), [(record["version"], record["build_number"], record["build"], record["subdir"])], per_spec=1)
        for record in chosen
    ]
    assert pairs + sum(one for one, _ in own) > 40_000
    assert fitting > 5_000
    assert sum(two for _, two in own) > 3_000


def test_versions_are_ordered_as_in_rattler() -> None:
    texts = sorted({record["version"] for record in real()})
    texts += ["0", "0.4", "0.4.0", "0.4.1.rc", "0.4.1.RC", "0.5a1", "0.5b3", "0.5C1", "0.960923", "1.1dev1", "1.1a1", "1.1.0dev1"]
    texts += ["1.1.dev1", "1.1.a1", "1.1.0rc1", "1.1.0post1", "1.1.post1", "1.1post1", "1996.07.12", "1!0.4.1", "2!0.4.1"]
    texts += ["1.0.1", "1.0.1a", "1.0.1_", "1.0.1post.a", "1a0b", "1a", "1.0+1", "1.0+1.0", "1.0+a", "1.0.0+1", "1.0-3", "1_2"]
    texts += ["0.0", "0a", "1.0a0", "1.0.0a0", "1.a0", "00.1", "1.01", "1.1.0.0.0.dev"]
    for one, two in itertools.product(texts, texts):
        a, b = rattler.Version(one), rattler.Version(two)
        assert (version(one).key < version(two).key) is (a < b), (one, two)
        assert (version(one).key == version(two).key) is (a == b), (one, two)


def test_starts_are_as_in_rattler() -> None:
    texts = ["1", "1.2", "1.2.0", "1.2a", "1.2a1", "1.20", "1.2.0+x", "1.2+x.y", "1.2.dev", "1!1.2", "1.2.post1", "1.2.3rc", "0"]
    texts += ["1.2b", "1.2ab", "1.2.0.1", "1.02", "2", "1.2.30"]
    other = {
        # rattler takes the zeros of "1.2.0.*" off first; to conda 1.2a is no 1.2.0
        **{(one, "1.2.0"): False for one in ("1.2a", "1.2a1", "1.2b", "1.2ab")},
        # conda: the last run, where it is letters, may go on
        ("1.2ab", "1.2a"): True,
    }
    for one, two in itertools.product(texts, texts):
        if "+" not in two:
            fits = rattler.MatchSpec(f"x[version='{two}.*']").matches(theirs("x", one, "0", 0, "noarch"))
            assert version(one).starts_with(version(two)) is other.get((one, two), fits), (one, two)
            assert other.get((one, two)) is not fits


DIFFERENT = {
    # CEP 29: a single = with a space before it and a build behind the version is fuzzy; rattler reads it as ==
    ("foo =1.2 py311_0", "1.2.5"): True,
    # CEP 29: "pkg ==1.8.* *" is fuzzy; rattler forgets the star where a build follows
    ("foo ==1.2.* *", "1.2.5"): True,
    # conda takes the star off other operators (and warns); rattler reads >=
    ("foo >1.2.*", "1.2.0"): False,
    ("foo >1.2.*", "1.2.5"): True,
    # rattler knows no regular expressions and no inner globs of versions
    ("foo ^1\\.2.*$", "1.2.5"): True,
    ("foo 1.*.5", "1.2.5"): True,
    ("foo 1.*.5", "1.2.0"): False,
    # rattler compares neither channel nor subdir
    ("foo[subdir=osx-64]", "1.2.0"): False,
    ("bioconda::foo", "1.2.0"): False,
    ("conda-forge/osx-64::foo", "1.2.0"): False,
    # what the record does not tell can neither fit nor fail
    ("foo[md5=00000000000000000000000000000000]", "1.2.0"): None,
    ("foo[license=MIT]", "1.2.0"): None,
    # conditions are not judged
    ("foo; if python >=3", "1.2.0"): None,
    ('foo[when="python >=3"]', "1.2.0"): None,
    ("foo if python", "1.2.0"): None,
}
"""Where the two differ by intention: spec and version, and what is right here."""


@pytest.mark.parametrize(("text", "release"), list(DIFFERENT))
def test_known_differences(text: str, release: str) -> None:
    fields = ("foo", release, "py311_0", 0, "linux-64")
    assert parse(text).fits(mine(*fields)) is DIFFERENT[text, release]
    from rattler.exceptions import InvalidMatchSpecError

    try:
        other = rattler.MatchSpec(text).matches(theirs(*fields))
    except InvalidMatchSpecError:
        return
    assert other is not DIFFERENT[text, release] or (text, release) == ("foo >1.2.*", "1.2.5")


# -------------------------------------------------------------------------------------------------- channels and fields

FORGE = "https://conda.anaconda.org/conda-forge"


@pytest.mark.parametrize(
    ("text", "channel", "fits"),
    [
        ("conda-forge::foo", FORGE, True),
        ("conda-forge::foo", "conda-forge", True),
        ("conda-forge::foo", "https://mirror.example/api/conda/conda-forge", True),
        ("conda-forge::foo", "https://repo.anaconda.com/pkgs/main", False),
        ("conda-forge::foo", "https://conda.anaconda.org/t/abc123/conda-forge/linux-64", True),
        ("conda-forge/linux-64::foo", FORGE, True),
        ("conda-forge/noarch::foo", FORGE, False),
        ("conda-forge[linux-64]::foo", FORGE, True),
        ("defaults::foo", "https://repo.anaconda.com/pkgs/main", True),
        ("defaults::foo", FORGE, False),
        ("pkgs/main::foo", "https://repo.anaconda.com/pkgs/main", True),
        ("pkgs/main::foo", "defaults", True),
        ("pkgs/r::foo", "https://repo.anaconda.com/pkgs/main", False),
        (f"{FORGE}::foo", FORGE, True),
        (f"{FORGE}/linux-64::foo", FORGE, True),
        ("*forge::foo", FORGE, True),
        ("foo[channel=conda-forge]", FORGE, True),
        ("foo[channel=conda-forge/osx-64]", FORGE, False),
        (f"foo[channel='{FORGE}']", FORGE, True),
        ("pytorch::foo", FORGE, False),
        ("conda-forge/label/rc::foo", "https://conda.anaconda.org/conda-forge/label/rc", True),
        ("conda-forge/label/rc::foo", FORGE, False),
        ("conda-forge::foo", None, None),
        ("conda-forge:ns:foo", FORGE, True),
        ("ns:foo", FORGE, True),
    ],
)
def test_channels(text: str, channel: str | None, fits: bool | None) -> None:
    package = Candidate("foo", "1.0", "0", 0, channel, "linux-64")
    assert parse(text).fits(package) is fits


def test_channel_names() -> None:
    assert channels.split("conda-forge/linux-64") == ("conda-forge", "linux-64")
    assert channels.split("pkgs/main") == ("pkgs/main", None)
    assert channels.name("file:///srv/channels/own/linux-64") == "/srv/channels/own"
    assert channels.name(f"{FORGE}/noarch") == "conda-forge"


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("foo[track_features=mkl]", True),
        ("foo[track_features='mkl debug']", False),
        ("foo[features=blas]", None),
        ("mkl@", True),
        ("foo[md5=ABCDEF00000000000000000000000000]", True),
        ("foo[md5=ABCDEF00000000000000000000000001]", False),
        ("foo[sha256='*12']", True),
        ("foo[license='gpl*']", True),
        ("foo[license=MIT]", False),
        ("foo[license_family=GPL]", None),
        ("foo[fn=foo-1.0-py_3.conda]", True),
        ("foo[url='https://*/foo-1.0-py_3.conda']", True),
        ("foo[build_number='>=2']", True),
        ("foo[build_number='!=3']", False),
        ("foo[build_number='*']", True),
        ("foo[name=bar, version='1.*']", True),
        ("foo 2.0[version=1.0]", True),
        ("foo[version='1.0',build='py_3' ,subdir=noarch]", True),
        ("foo[version=1.0 build=py_3]", True),
        ("foo 1.0 (optional)", True),
        ("foo[extras=[a,b], version=1.0]", None),
        ("foo[flags=[cuda], version=2.0]", False),
        ("foo-1.0-py_3.conda", True),
        ("https://mirror.example/conda-forge/noarch/foo-1.0-py_3.conda", True),
        ("https://mirror.example/conda-forge/noarch/foo-1.0-py_3.conda#abcdef00000000000000000000000000", True),
        ("https://mirror.example/conda-forge/noarch/foo-1.0-py_3.conda#abcdef00000000000000000000000001", False),
        ("https://mirror.example/conda-forge/noarch/foo-1.0-py_4.tar.bz2", False),
    ],
)
def test_fields(text: str, fits: bool | None) -> None:
    package = Candidate(
        name="foo", version="1.0", build="py_3", build_number=3, channel=FORGE, subdir="noarch", filename="foo-1.0-py_3.conda",
        url=f"{FORGE}/noarch/foo-1.0-py_3.conda", md5="abcdef00000000000000000000000000", sha256="ab12", track_features=("mkl",),
        license="GPL-3.0-or-later",
    )  # fmt: skip
    assert parse(text).fits(package) is fits


def test_what_fails_is_told() -> None:
    package = Candidate("foo", "1.0", "py_3", 3, FORGE, "noarch")
    assert parse("foo >=2 cuda*").misses(package) == ["version", "build"]
    assert parse("bioconda/linux-64::foo").misses(package) == ["channel", "subdir"]
    assert parse("foo 1.0").misses(package) == []


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "=1.2", ">=1", "foo >=1.2,", "foo ,", "foo |1", "foo (>=1", "foo >=1)", "foo !=*", "foo <>1", "foo ~=1.2.*",
        "foo ~=1", "foo[1.2]", "foo[version=]", "foo[version='1]", "foo[color=red]", "foo[build=a][version=1]", "foo ==",
        "foo 1..2", "foo 1!2!3",
        "foo ^1", "foo 1$", "foo a b!c >=1", "foo " + "1." * 600, "foo[build='^(a+)+$']", "foo[build='^a*b*c*d*e*$']",
        "foo " + "(" * 40 + "1" + ")" * 40,
        "foo]", "foo[", "foo[build='^($']",
    ],
)  # fmt: skip
def test_what_is_no_spec_says_so(text: str) -> None:
    with pytest.raises(InvalidSpec):
        parse(text)


# -------------------------------------------------------------------------------------------------------- bounded effort


@ends()
def test_hostile_expressions_end() -> None:
    assert not glob("*a" * 50 + "*b")("a" * 4000)
    assert glob("*a" * 50 + "*")("a" * 4000)
    assert not regex("^a*a*a*b$")("a" * 100)
    assert not regex("^.*$")("a" * 4000)
    for pattern in ("^(a|a)*$", "^(a?){9}$", "^(?=a)b$", "^(?P<x>a)(?P=x)$", "^" + "a?" * 9 + "$", "^" + "a" * 400 + "$"):
        with pytest.raises(InvalidPattern):
            regex(pattern)
    with pytest.raises(InvalidVersion):
        version("1." * 600)
    with pytest.raises(InvalidVersion):
        specifier("|".join(["(1)"] * 90))
    for text in ("a" * 900, "a " + "=" * 900, "a[" * 400, "a " + "1|" * 400, "a[b=" + "c " * 400 + "]", "a" + " if " * 200):
        try:
            parse(text).fits(Candidate("a", "1." * 200, "b" * 900))
        except InvalidSpec:
            pass


def test_globs() -> None:
    for pattern, text, fits in (("a*", "abc", True), ("*c", "abc", True), ("a*a", "a", False), ("a*b*c", "axbxc", True)):
        assert glob(pattern)(text) is fits
    assert expression("PY*")("py311")
    assert expression("^PY3")("^py3")
    assert expression("***")("")


def test_a_prefix_of_400_packages_is_little_work() -> None:
    """3,000 depends, as far apart as those of real prefixes: parsing included."""
    rows = [record | {"name": f"{record['name']}-{n}"} for n in range(4) for record in real() if record["subdir"] == "linux-64"]
    specs = [
        (f"{name}-{n}{spec[len(name) :]}", record["name"])
        for n in range(4)
        for record in real()
        for spec in record["depends"]
        for name in [spec.split(" ")[0]]
        if record["subdir"] == "linux-64"
    ]
    specs = list(itertools.islice(itertools.cycle(specs), 3000))
    by_name = {row["name"]: mine(row["name"], row["version"], row["build"], row["build_number"], row["subdir"]) for row in rows}

    def judge() -> None:
        for text, _name in specs:
            spec = parse(text)
            package = by_name.get(spec.name)
            if package is not None:
                spec.fits(package)

    parse.cache_clear()
    assert calls(judge) < 60 * len(specs)


def test_a_spec_shows_its_text() -> None:
    assert repr(parse("foo >=1")) == "MatchSpec('foo >=1')"
    assert isinstance(parse("foo"), MatchSpec)
    assert parse("foo >=1") is parse("foo >=1")


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.one_of(st.text(max_size=60), st.text(alphabet="abpy1.2_0*=<>!~|,()[]:'\" ^$#;/@-+if", max_size=60)))
def test_any_text_is_a_spec_or_none(text: str) -> None:
    """Nothing else is ever raised, neither by reading nor by asking."""
    try:
        spec = parse(text)
    except InvalidSpec:
        return
    assert spec.fits(Candidate("py", "1.2_0", "b_0")) in (True, False, None)
    assert isinstance(spec.misses(Candidate("py", "..", None)), list)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.text(alphabet="0129ab.post_dev+!", min_size=1, max_size=12), min_size=2, max_size=2))
def test_any_versions_are_ordered_as_in_rattler(texts: list[str]) -> None:
    """Where both take a text for a version. (``a_`` is one word to conda, so that it comes after ``a``.)"""
    from rattler.exceptions import InvalidVersionError

    try:
        one, two = map(version, texts)
        a, b = map(rattler.Version, texts)
    except (InvalidVersion, InvalidVersionError):
        return
    if not any(re.search(r"[a-z]_(\+|$)", text) for text in texts):
        assert (one.key < two.key) is (a < b)
        assert (one.key == two.key) is (a == b)
