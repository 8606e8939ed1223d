"""``envdoctor lock --freeze``: what is installed becomes a lock, and installing that gives the same again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from envdoctor.lock.make.freeze import identify
from envdoctor.lock.make.index import File, Indexes, parse
from envdoctor.snapshot import Distribution, WheelInfo
from tests.builders import Env, venv
from tests.lock.index import Index, sdist, small, wheel
from tests.lock.test_make_python import Said, installed, packages, uv

pytest.importorskip("uv")
Freeze = Callable[..., Said]


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with small().served() as served:
        yield served


@pytest.fixture
def freeze(tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Freeze:
    from envdoctor.cli import run

    folder = tmp_path / "work"
    folder.mkdir()
    (folder / ".git").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_", "VIRTUAL_ENV", "CONDA")):
            monkeypatch.delenv(name)

    def run_it(prefix: Path, *words: str, url: str | None = None) -> Said:
        capsys.readouterr()
        indexes = ["--index-url", url or index.url] if url != "" else []
        code = run(["lock", "--freeze", "-p", str(prefix), *indexes, *words])
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run_it


def install(prefix: Path, index: Index, *words: str) -> None:
    uv(
        *("pip", "install", "-q", "--python", str(prefix / "bin/python"), "--default-index", index.url),
        *("--link-mode", "copy", *words),
    )


def test_every_wheel_is_found_again(tmp_path: Path, index: Index, freeze: Freeze) -> None:
    env = venv(tmp_path / "env")
    install(env.prefix, index, "app[net]", "alpha<2", "nomac")
    said = freeze(env.prefix)
    assert (said.code, said.out) == (0, "pylock.toml written: 5 packages\n"), said
    made = packages(Path("pylock.toml"))
    assert {name: one["version"] for name, one in made.items()} == installed(env.prefix)
    native = made["native"]["wheels"]
    assert [one["url"].rpartition("/")[2] for one in native] == [
        "native-1.1-cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
    ]
    assert native[0]["hashes"]["sha256"] == index.sha256("native-1.1-cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
    again = venv(tmp_path / "again")
    uv("pip", "sync", "-q", "--python", str(again.prefix / "bin/python"), "--link-mode", "copy", "pylock.toml")
    assert installed(again.prefix) == installed(env.prefix)


def test_a_second_run_asks_nobody(tmp_path: Path, index: Index, freeze: Freeze) -> None:
    env = venv(tmp_path / "env")
    install(env.prefix, index, "app")
    freeze(env.prefix)
    made, asked = Path("pylock.toml").read_bytes(), len(index.asked)
    assert freeze(env.prefix).out == "pylock.toml is up to date: 3 packages\n"
    assert freeze(env.prefix, "--offline", "-o", "pylock.two.toml").code == 0
    assert Path("pylock.two.toml").read_bytes() == made
    assert len(index.asked) == asked
    install(env.prefix, index, "alpha<2")
    said = freeze(env.prefix, "--dry-run")
    assert said.out == "pylock.toml would change: 1 down; 3 packages\n  down  alpha  2.0 -> 1.1\n"


def test_requirements_with_hashes(tmp_path: Path, index: Index, freeze: Freeze) -> None:
    env = venv(tmp_path / "env")
    install(env.prefix, index, "app", "alpha<2")
    assert freeze(env.prefix, "-o", "requirements.txt").code == 0
    lines = Path("requirements.txt").read_text().splitlines()
    assert lines[1:4] == [
        f"--index-url {index.url}",
        "alpha==1.1 \\",
        f"    --hash=sha256:{index.sha256('alpha-1.1-py3-none-any.whl')}",
    ]
    again = venv(tmp_path / "again")
    uv("pip", "sync", "-q", "--require-hashes", "--python", str(again.prefix / "bin/python"), "requirements.txt")
    assert installed(again.prefix) == installed(env.prefix)


@pytest.mark.parametrize("html", [False, True])
def test_a_password_opens_the_index_and_stays_out(tmp_path: Path, freeze: Freeze, html: bool) -> None:
    env = venv(tmp_path / "env")
    with small(password="s3cr3t", html_only=html).served() as private:
        uv("pip", "install", "-q", "--python", str(env.prefix / "bin/python"), "--default-index", private.secret_url, "app")
        said = freeze(env.prefix, url=private.secret_url)
        assert said.code == 0, said
        assert "s3cr3t" not in Path("pylock.toml").read_text() + said.out + said.err
        cache = b"".join(path.read_bytes() for path in (tmp_path / "cache" / "envdoctor").iterdir())
        assert b"s3cr3t" not in cache
        refused = freeze(env.prefix, "-o", "pylock.no.toml", url=f"http://{private.host}/other")
        assert refused.code == 1
        assert "401 Unauthorized: it asks for credentials" in refused.err
        (tmp_path / ".netrc").write_text("machine 127.0.0.1\nlogin someone\npassword s3cr3t\n")
        (tmp_path / ".netrc").chmod(0o600)
        assert freeze(env.prefix, "-o", "pylock.netrc.toml", url=private.url).code == 0


def test_settings_of_pip_and_uv_name_the_index(
    tmp_path: Path, index: Index, freeze: Freeze, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = venv(tmp_path / "env")
    install(env.prefix, index, "app")
    (env.prefix / "pip.conf").write_text(f"[global]\nindex-url = {index.url}\n")
    assert freeze(env.prefix, url="").code == 0
    (env.prefix / "pip.conf").unlink()
    monkeypatch.setenv("ENVDOCTOR_CACHE_DIR", str(tmp_path / "other"))
    Path("uv.toml").write_text(f'[[index]]\nurl = "{index.url}"\ndefault = true\n')
    assert freeze(env.prefix, "-o", "pylock.uv.toml", url="").code == 0
    assert Path("pylock.uv.toml").read_bytes() == Path("pylock.toml").read_bytes()


def test_uv_s_variables_hold_the_password(tmp_path: Path, freeze: Freeze, monkeypatch: pytest.MonkeyPatch) -> None:
    env = venv(tmp_path / "env")
    with small(password="s3cr3t").served() as private:
        uv("pip", "install", "-q", "--python", str(env.prefix / "bin/python"), "--default-index", private.secret_url, "app")
        Path("uv.toml").write_text(f'[[index]]\nname = "our-own"\nurl = "{private.url}"\ndefault = true\n')
        assert freeze(env.prefix, url="").code == 1
        monkeypatch.setenv("UV_INDEX_OUR_OWN_USERNAME", "someone")
        monkeypatch.setenv("UV_INDEX_OUR_OWN_PASSWORD", "s3cr3t")
        assert freeze(env.prefix, url="").code == 0
        assert "s3cr3t" not in Path("pylock.toml").read_text()


def test_what_cannot_be_locked_is_named(tmp_path: Path, index: Index, freeze: Freeze) -> None:
    env = venv(tmp_path / "env")
    install(env.prefix, index, "alpha")
    source = tmp_path / "mine"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "mine"\nversion = "3"\n'
    )
    name, data = wheel("mine", "3")
    (source / "backend.py").write_text(
        "import pathlib\n"
        "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
        f"    pathlib.Path(folder, {name!r}).write_bytes({data!r})\n    return {name!r}\n"
        "build_editable = build_wheel\n"
    )
    lone, content = wheel("lone", "1")
    (tmp_path / lone).write_bytes(content)
    install(env.prefix, index, "-e", str(source), str(tmp_path / lone))
    env.dist("unheard-of", "7")
    env.dist("alphabet", "1", installer="")
    said = freeze(env.prefix)
    assert said.code == 1
    assert said.out == "pylock.toml written: 1 package\n"
    lines = sorted(line for line in said.err.splitlines() if line.startswith("not locked"))
    assert [line.split(":")[1].strip() for line in lines] == ["alphabet 1", "lone 1", "mine 3", "unheard-of 7"]
    assert f"from a file of this machine: file://{tmp_path}/{lone}" in said.err
    assert "mine 3: an editable install of file://" in said.err
    assert "unheard-of 7: no index has a package of that name" in said.err
    Path("pyproject.toml").write_text('[project]\nname = "mine"\nversion = "3"\n')
    said = freeze(env.prefix, "--format", "json")
    document = json.loads(said.out)
    assert [one.partition(":")[0] for one in document["not_locked"]] == ["alphabet 1", "lone 1", "unheard-of 7"]
    assert any("the project itself, an editable install" in note for note in document["notes"])


def test_a_local_file_that_the_index_has_is_locked_by_it(tmp_path: Path, index: Index, freeze: Freeze) -> None:
    env = venv(tmp_path / "env")
    local = tmp_path / "alpha-1.1-py3-none-any.whl"
    local.write_bytes(index.data(local.name))
    install(env.prefix, index, str(local))
    said = freeze(env.prefix)
    assert said.code == 0, said
    assert packages(Path("pylock.toml"))["alpha"]["wheels"][0]["url"] == index.file_url(local.name)


def test_what_was_installed_from_an_address_is_locked_by_it(tmp_path: Path, index: Index, freeze: Freeze) -> None:
    env = venv(tmp_path / "env")
    url = index.file_url("alpha-1.1-py3-none-any.whl")
    install(env.prefix, index, f"alpha @ {url}")
    (record,) = (env.prefix).rglob("direct_url.json")
    record.write_text(
        json.dumps({"url": url, "archive_info": {"hashes": {"sha256": index.sha256("alpha-1.1-py3-none-any.whl")}}})
    )
    commit = "0123456789abcdef0123456789abcdef01234567"
    env.dist(
        "from-git",
        "1",
        installer="pip",
        files={
            "from_git-1.dist-info/direct_url.json": json.dumps(
                {"url": "https://git.example/x.git", "vcs_info": {"vcs": "git", "commit_id": commit}}
            )
        },
    )
    said = freeze(env.prefix)
    assert said.code == 0, said
    made = packages(Path("pylock.toml"))
    assert made["alpha"]["archive"]["url"] == url
    assert made["from-git"]["vcs"] == {"type": "git", "url": "https://git.example/x.git", "commit-id": commit}


def test_what_was_built_here_is_locked_by_its_source(tmp_path: Path, index: Index, freeze: Freeze) -> None:
    env = venv(tmp_path / "env")
    install(env.prefix, index, "built")
    said = freeze(env.prefix)
    assert said.code == 0, said
    made = packages(Path("pylock.toml"))
    assert made["built"]["sdist"]["hashes"]["sha256"] == index.sha256("built-1.0.tar.gz")
    assert "note: built 1.0: built here; its source archive built-1.0.tar.gz is locked" in said.err


def test_another_file_of_the_same_name_is_not_taken_for_it(tmp_path: Path, freeze: Freeze) -> None:
    env = venv(tmp_path / "env")
    with Index().add(wheel("thing", "1", text="patched by hand")).served() as ours:
        install(env.prefix, ours, "thing")
    with Index().add(wheel("thing", "1")).served() as theirs:
        said = freeze(env.prefix, url=theirs.url)
    assert said.code == 1
    assert "thing 1: the index has another thing-1-py3-none-any.whl" in said.err


def test_a_lock_of_something_else_is_not_written_over(tmp_path: Path, index: Index, freeze: Freeze) -> None:
    env = venv(tmp_path / "env")
    install(env.prefix, index, "alpha")
    Path("pylock.toml").write_text("# made by hand\n")
    said = freeze(env.prefix)
    assert said.code == 2
    assert Path("pylock.toml").read_text() == "# made by hand\n"
    assert freeze(env.prefix, "-o", "pylock.toml").code == 0


def test_options_of_solving_are_refused(tmp_path: Path, freeze: Freeze) -> None:
    env = venv(tmp_path / "env")
    for words in (
        ["--update", "x"],
        ["--platform", "win-64"],
        ["-f", "requirements.in"],
        ["--kind", "uv"],
        ["--kind", "explicit"],
    ):
        assert freeze(env.prefix, *words).code == 2, words
    assert "nothing is installed there" in freeze(env.prefix).err


# ------------------------------------------------------------------------------------------------------------------- conda


@pytest.mark.parametrize(("kind", "name"), [("conda-lock", "conda-lock.yml"), ("explicit", None)])
def test_a_conda_environment(
    tmp_path: Path, index: Index, freeze: Freeze, capsys: pytest.CaptureFixture[str], kind: str, name: str | None
) -> None:
    from envdoctor.cli import run
    from envdoctor.lock.formats import read
    from tests.conda import conda_prefix, native_subdir

    env = conda_prefix(tmp_path / "conda")
    install(env.prefix, index, "alpha<2", "native")
    name = name or f"conda-{native_subdir()}.lock"
    said = freeze(env.prefix, "--kind", kind)
    assert said.code == 0, said
    records = env.records()
    assert said.out == f"{name} written: {len(records) + 2} packages for {native_subdir()}\n"
    assert said.err == ""
    made = read(Path(name).read_bytes(), name, kind)  # type: ignore[arg-type]
    conda = {one.name: one.artifacts[0] for one in made.packages if one.manager == "conda"}
    assert {key: (one.url, dict(one.hashes)["md5"]) for key, one in conda.items()} == {
        key: (record["url"], record["md5"]) for key, record in records.items()
    }
    assert {one.name: one.version for one in made.packages if one.manager == "pypi"} == {"alpha": "1.1", "native": "1.1"}
    capsys.readouterr()
    assert run(["diff", str(env.prefix), name]) == 0, capsys.readouterr()
    assert run(["check", "-p", str(env.prefix), "--lock", name, "--select", "LCK", "--no-cache"]) == 0, capsys.readouterr()
    assert freeze(env.prefix, "--kind", kind).out.startswith(f"{name} is up to date")
    order = [url.rpartition("/")[2].rsplit("-", 2)[0] for url in Path(name).read_text().splitlines() if url.startswith("http")]
    if kind == "explicit":
        assert order.index("libzlib") < order.index("python") < order.index("pip")
    assert freeze(env.prefix, "--kind", "pylock").code == 2


def test_a_record_that_tells_too_little_is_named(tmp_path: Path, freeze: Freeze) -> None:
    from tests.conda import conda_prefix

    env = conda_prefix(tmp_path / "conda")
    env.edit("bzip2", url=None)
    env.edit("tzdata", md5=None, sha256=None)
    env.edit("jinja2", url="file:///srv/channel/noarch/jinja2-3.1.6-0.conda")
    env.edit("python", url=f"https://me:pw@conda.example/t/secret-token/{env.record('python')['url'].partition('://')[2]}")
    said = freeze(env.prefix)
    assert said.code == 1
    lines = [line for line in said.err.splitlines() if line.startswith("not locked")]
    assert [line.partition(": ")[2].split(" ")[0] for line in lines] == ["bzip2", "tzdata"]
    assert "note: file:///srv/channel is a folder of this machine" in said.err
    text = Path("conda-lock.yml").read_text()
    assert "secret-token" not in text
    assert "me:pw" not in text


# ----------------------------------------------------------------------------------------------------------- the pure parts


def dist(name: str = "thing", version: str = "1.0", *tags: str, build: str | None = None) -> Distribution:
    info = WheelInfo(tags=tags or ("py3-none-any",), build=build)
    return Distribution(name=name, version=version, site=0, path=f"{name}.dist-info", wheel=info)


def file(name: str, digest: str = "00", metadata: str | None = None, origin: str = "https://index.example/simple") -> File:
    return File(name, f"https://files.index.example/{name}", origin, (("sha256", digest),), 1, metadata)


def ranks(*tags: str) -> dict[Any, int]:
    from packaging.tags import parse_tag

    return {tag: number for number, text in enumerate(tags) for tag in parse_tag(text)}


def test_build_numbers_and_spellings() -> None:
    files = [file("thing-1.0-1-py3-none-any.whl", "01"), file("thing-1.0-py3-none-any.whl", "00")]
    assert identify(dist(), files, {}, None).file == files[1]
    assert identify(dist(build="1"), files, {}, None).file == files[0]
    assert identify(dist(version="1"), files, {}, None).file == files[1]
    assert identify(dist("thing-x", "1.0"), [file("Thing_X-1.0.0-py3-none-any.whl")], {}, None).file is not None
    local = file("thing-1.0+cu118-cp311-cp311-linux_x86_64.whl")
    assert identify(dist("thing", "1.0+cu118", "cp311-cp311-linux_x86_64"), [local], {}, None).file == local


def test_two_indexes_with_two_files_of_one_name() -> None:
    one, two = (
        file("thing-1.0-py3-none-any.whl", "00", "a" * 64),
        file("thing-1.0-py3-none-any.whl", "01", "b" * 64, "https://two.example"),
    )
    assert identify(dist(), [one, two], {}, "b" * 64).file == two
    bare = [one._replace(metadata=None), two._replace(metadata=None)]
    assert "different files named" in (identify(dist(), bare, {}, None).problem or "")
    assert identify(dist(), [one, one._replace(origin="https://two.example")], {}, None).file == one


def test_wheels_whose_tags_do_not_agree_with_their_names() -> None:
    linux = file("thing-1.0-cp311-cp311-manylinux_2_17_x86_64.whl", "00", "a" * 64)
    mac = file("thing-1.0-cp311-cp311-macosx_11_0_arm64.whl", "01", "a" * 64)
    fit = ranks("cp311-cp311-manylinux_2_17_x86_64")
    for tag in ("cp311-cp311-manylinux2014_x86_64", "cp311-cp311-linux_x86_64"):
        answer = identify(dist("thing", "1.0", tag), [linux, mac], fit, "a" * 64)
        assert (answer.file, answer.candidates) == (None, (linux,))
        assert identify(dist("thing", "1.0", tag), [linux, mac], fit, "b" * 64).candidates == ()
        source = file("thing-1.0.tar.gz", "02")
        answer = identify(dist("thing", "1.0", tag), [linux, mac, source], fit, "a" * 64)
        assert (answer.file, answer.candidates) == (source, (linux,))


@pytest.mark.parametrize("ranges", [True, False])
def test_a_renamed_wheel_is_known_by_its_record(tmp_path: Path, freeze: Freeze, ranges: bool) -> None:
    env, built = venv(tmp_path / "env"), venv(tmp_path / "built")
    name, data = wheel("renamed", "1", "py3-none-manylinux_2_17_x86_64", tags=["py3-none-linux_x86_64"], text="x" * 300_000)
    with Index(ranges=ranges).add((name, data), sdist("renamed", "1")).served() as served:
        install(env.prefix, served, "renamed")
        install(built.prefix, served, "renamed")
        (module,) = built.site.glob("renamed.py")
        (record,) = built.site.glob("renamed-1.dist-info/RECORD")
        module.write_text("VERSION = 'built here'")
        import base64

        digest = base64.urlsafe_b64encode(hashlib.sha256(module.read_bytes()).digest()).rstrip(b"=").decode()
        lines = [
            f"renamed.py,sha256={digest},1" if row.startswith("renamed.py") else row for row in record.read_text().splitlines()
        ]
        record.write_text("\n".join(lines))
        said = freeze(env.prefix, url=served.url)
        assert (said.code, said.err) == (0, "")
        assert packages(Path("pylock.toml"))["renamed"]["wheels"][0]["hashes"]["sha256"] == served.sha256(name)
        other = freeze(built.prefix, "-o", "pylock.built.toml", url=served.url)
        assert "built here; its source archive renamed-1.tar.gz is locked" in other.err


def test_pages_of_all_kinds() -> None:
    page = b"""<html><head><base href="/files/"></head><body>
    <a href="a%2Bb-1.0%2Blocal-py3-none-any.whl#sha256=ZERO" data-core-metadata="sha256=ONE">x</a>
    <a href="https://user:secret@other.example/thing-2.tar.gz#md5=nothex">y</a><a>none</a><a href="file:///etc/passwd">z</a>
    <a href="javascript:alert(1)">w</a></body></html>"""
    page = page.replace(b"ZERO", b"0" * 64).replace(b"ONE", b"1" * 64)
    files = parse("https://me:pw@index.example/simple/a/", "text/html", page, index="https://index.example/simple")
    assert [(one.name, one.url, one.hashes, one.metadata) for one in files] == [
        (
            "a+b-1.0+local-py3-none-any.whl",
            "https://index.example/files/a%2Bb-1.0%2Blocal-py3-none-any.whl",
            (("sha256", "0" * 64),),
            "1" * 64,
        ),
        ("thing-2.tar.gz", "https://other.example/thing-2.tar.gz", (), None),
    ]
    for junk in (b"[]", b"{", b'{"files": [1]}', b'{"files": {"a": 1}}', b'{"files": [{"filename": "x"}]}'):
        with pytest.raises(Exception, match="no page of a package index"):
            parse("https://index.example/", "application/vnd.pypi.simple.v1+json", junk, index="i")


def test_a_file_without_a_hash_is_fetched_for_it(tmp_path: Path) -> None:
    with small().served() as index:
        indexes = Indexes([index.url], environ={})
        name = "alpha-1.1-py3-none-any.whl"
        assert indexes.digest(File(name, index.file_url(name), index.url)) == hashlib.sha256(index.data(name)).hexdigest()
        assert indexes.ask(["alpha", "not-there"])["not-there"] == []
        assert indexes.troubles == {}
    assert Indexes([index.url], environ={}).ask(["alpha"]) == {"alpha": []}


def pip_version() -> int:
    done = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=False)
    return int(done.stdout.split()[1].split(".")[0]) if done.returncode == 0 else 0


@pytest.mark.skipif(pip_version() < 26, reason="needs a pip that installs from pylock.toml")
def test_pip_installs_what_was_frozen(tmp_path: Path, index: Index, freeze: Freeze) -> None:
    env: Env = venv(tmp_path / "env")
    install(env.prefix, index, "app", "alpha<2")
    freeze(env.prefix)
    freeze(env.prefix, "--kind", "requirements")
    for number, words in enumerate((["-r", "pylock.toml"], ["--require-hashes", "-r", "requirements.txt"])):
        again = venv(tmp_path / f"again{number}")
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", str(again.prefix / "bin/python"), "install", "-q", *words],
            check=True,
            env={**os.environ, "PIP_INDEX_URL": index.url},
        )
        assert installed(again.prefix) == installed(env.prefix)


@pytest.mark.parametrize("kind", ["pylock", "requirements"])
def test_verify_installs_it_elsewhere(tmp_path: Path, index: Index, freeze: Freeze, kind: str) -> None:
    env = venv(tmp_path / "env")
    install(env.prefix, index, "app[net]", "alpha<2")
    said = freeze(env.prefix, "--kind", kind, "--verify")
    assert said.code == 0, said
    assert "verified: 4 packages for " in said.err


def test_hostile_metadata_puts_nothing_into_a_lock(tmp_path: Path, index: Index, freeze: Freeze) -> None:
    env = venv(tmp_path / "env")
    install(env.prefix, index, "alpha")
    evil = 'evil"\n[[packages]]\nname = "x'
    env.dist("evil", "1", metadata=f"Metadata-Version: 2.1\nName: evil\nVersion: 1\\n--index-url\x1b[31m {evil}\n\n")
    bad = {
        "url": "https://x.example/a.whl --hash=sha256:00\n--index-url https://evil.example",
        "archive_info": {"hash": "sha256=00"},
    }
    env.dist("worse", "1", direct_url=json.dumps(bad))
    git = {"url": "https://git.example/x", "vcs_info": {"vcs": "git", "commit_id": "main\n-r /etc/passwd"}}
    env.dist("worst", "1", direct_url=json.dumps(git))
    for kind in ("pylock", "requirements"):
        said = freeze(env.prefix, "--kind", kind)
        assert said.code == 1
        text = Path("pylock.toml" if kind == "pylock" else "requirements.txt").read_text()
        for word in ("evil", "passwd", "\x1b", "worse", "worst"):
            assert word not in text
        assert "\x1b" not in said.err
        assert len([line for line in said.err.splitlines() if line.startswith("not locked: ")]) == 3
