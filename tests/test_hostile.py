"""Targets that want to hang, blow up, crash or speak through a program that looks at them.

Each case builds a real environment, spoils it, and runs the command line on it. Whatever the spoiling was: the run ends,
with little CPU time and memory, exit code 0, 1 or 2, no traceback, one JSON document, and nothing that crashed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Env, venv
from tests.command import Done, clean_shell, command, measured

SECONDS = 10.0
"""CPU time that any run may take."""
MEBIBYTES = 300.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="FIFOs, sockets and byte paths are POSIX")


class Place:
    """An environment, a home and a project to spoil."""

    def __init__(self, root: Path, env: Env) -> None:
        self.root = root
        self.env = env
        self.prefix = env.prefix
        self.site = env.site
        self.home = root / "home"
        self.project = root / "project"
        self.home.mkdir()
        self.project.mkdir()
        self.shell: dict[str, str] = {}

    def run(self, *words: str | bytes, target: str | bytes | None = None, through: tuple[str, ...] = ()) -> Done:
        shell = clean_shell({"HOME": str(self.home), "XDG_CACHE_HOME": str(self.root / "cache"), **self.shell})
        where = [] if "--snapshot" in words else [os.fsencode(target if target is not None else self.prefix)]
        argv = [*through, *command(self.root), "check", *where, *words]
        return measured(argv, env=shell, cwd=self.project)

    def check(self, *words: str, target: str | bytes | None = None, through: tuple[str, ...] = ()) -> dict[str, Any] | None:
        """The JSON report after every promise was looked at; None when the command rightly said that it cannot (exit 2)."""
        done = self.run("--format", "json", *words, target=target, through=through)
        bounded(done)
        if done.code == 2 and not done.out:
            first = done.err.decode().splitlines()
            assert any(line.startswith("error: ") for line in first), done.err
            return None
        report: dict[str, Any] = json.loads(done.out)  # one document and nothing else
        assert [check for check in report["checks"] if check["outcome"] == "crashed"] == []
        assert report["summary"]["exit_code"] == done.code
        return report

    def codes(self, *words: str) -> set[str]:
        """Codes of the findings; the report must have come."""
        report = self.check(*words)
        assert report is not None
        return {finding["code"] for finding in report["findings"]}


def bounded(done: Done) -> None:
    assert done.code in (0, 1, 2), (done.code, done.err[-2000:])
    assert b"Traceback" not in done.err, done.err[-3000:]
    assert b"Traceback" not in done.out
    assert b"envdoctor itself failed" not in done.err, done.err[-1000:]
    assert done.cpu < SECONDS, f"{done.cpu:.1f} s of CPU"
    assert done.peak < MEBIBYTES, f"{done.peak:.0f} MiB"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, venv(tmp_path / "env"))
    made.env.dist("alpha", requires=["beta>=1"])
    made.env.dist("beta", "2.0")
    yield made
    subprocess.run(["chmod", "-R", "u+rwX", str(tmp_path / "env")], capture_output=True, check=False)
    subprocess.run(["rm", "-rf", str(tmp_path / "env"), str(tmp_path / "project")], check=False)


def test_the_unspoilt_place_is_healthy(place: Place) -> None:
    report = place.check()
    assert report is not None
    assert report["summary"]["errors"] == 0, report["findings"]


# ------------------------------------------------------------------------------------------------- things that are no file


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is at most 108 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def terminal(path: Path) -> None:
    path.symlink_to("/dev/tty")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def dangling(path: Path) -> None:
    path.symlink_to("/nonexistent/there")


def folder(path: Path) -> None:
    path.mkdir()


def memory(path: Path) -> None:
    path.symlink_to("/proc/self/mem")


ODDITIES: list[Callable[[Path], None]] = [fifo, unix_socket, endless, terminal, loop, dangling, folder, memory]

INFO = "lib/*/site-packages/alpha-1.0.dist-info"
SITE = "lib/*/site-packages"
READ = [
    f"{INFO}/METADATA",
    f"{INFO}/RECORD",
    f"{INFO}/WHEEL",
    f"{INFO}/INSTALLER",
    f"{INFO}/REQUESTED",
    f"{INFO}/direct_url.json",
    f"{INFO}/entry_points.txt",
    f"{INFO}/top_level.txt",
    f"{SITE}/evil.pth",
    f"{SITE}/__editable__.evil-1.0.pth",
    f"{SITE}/__editable___evil_1_0_finder.py",
    f"{SITE}/easy-install.pth",
    f"{SITE}/evil.egg-link",
    f"{SITE}/evil-1.0.egg-info",
    f"{SITE}/evil-2.0.dist-info",
    f"{SITE}/evil.egg",
    f"{SITE}/evil.so",
    f"{SITE}/evil.abi3.so",
    f"{SITE}/evil_pb2.py",
    f"{SITE}/~vil",
    f"{SITE}/sitecustomize.py",
    f"{SITE}/google",
    f"{SITE}/random.py",
    f"{SITE}/alpha/__init__.py",
    f"{SITE}/pip",
    "bin/evil-script",
    "bin/activate",
    "bin/activate.fish",
    "bin/pip",
    "bin/python3",
    "pip.conf",
    "conda-meta",
    "share/jupyter/kernels/evil/kernel.json",
    "share/jupyter/kernels/other",
    "etc/conda",
    "lib64",
]
HOME = [
    ".config/pip/pip.conf",
    ".pip/pip.conf",
    ".pydistutils.cfg",
    ".config/uv/uv.toml",
    ".local/share/jupyter/kernels/k/kernel.json",
]
HOME += [".netrc", ".condarc", f".local/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"]
PROJECT = [
    "random.py",
    "numpy",
    "uv.lock",
    "poetry.lock",
    "pylock.toml",
    "requirements.txt",
    "setup.py",
    "setup.cfg",
    ".python-version",
    "src",
]
PROJECT += [".git", "Pipfile", "environment.yml", "uv.toml"]


def put(root: Path, pattern: str, make: Callable[[Path], None]) -> None:
    """Puts an oddity where `pattern` says, in place of what is there."""
    head, _, tail = pattern.rpartition("/")
    parents = sorted(root.glob(head)) if "*" in head else [root / head]
    for parent in parents:
        parent.mkdir(parents=True, exist_ok=True)
        path = parent / tail
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        make(path)


@pytest.mark.parametrize("make", ODDITIES, ids=lambda make: make.__name__)
def test_oddities_at_every_place_that_is_read(place: Place, make: Callable[[Path], None]) -> None:
    for pattern in READ:
        put(place.prefix, pattern, make)
    for pattern in HOME:
        put(place.home, pattern, make)
    for pattern in PROJECT:
        put(place.project, pattern, make)
    place.shell["PATH"] = f"{place.prefix}/bin:{place.project}/random.py:{os.environ['PATH']}"
    place.shell["PYTHONPATH"] = f"{place.project}/random.py:{place.project}/src:{place.site}/evil.so"
    place.shell["PIP_CONFIG_FILE"] = f"{place.project}/random.py"
    place.shell["UV_CONFIG_FILE"] = f"{place.project}/random.py"
    assert place.check() is not None
    assert place.check("--deep") is not None


@pytest.mark.parametrize("make", ODDITIES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("where", ["pyvenv.cfg", "bin/python", "bin", "lib", SITE, INFO])
def test_oddities_where_the_environment_stands(place: Place, where: str, make: Callable[[Path], None]) -> None:
    put(place.prefix, where, make)
    place.check()


@pytest.mark.parametrize("name", ["pyproject.toml", "envdoctor.toml"])
@pytest.mark.parametrize("make", ODDITIES, ids=lambda make: make.__name__)
def test_oddities_as_configuration(place: Place, name: str, make: Callable[[Path], None]) -> None:
    make(place.project / name)
    place.check()


@pytest.mark.parametrize("make", [fifo, unix_socket, endless, loop, dangling, folder], ids=lambda make: make.__name__)
def test_oddities_as_snapshot_and_as_target(place: Place, make: Callable[[Path], None]) -> None:
    odd = place.root / "odd"
    make(odd)
    assert place.check("--snapshot", str(odd)) is None
    assert place.check("--machine", str(odd)) is None
    if make is not folder:
        assert place.check(target=str(odd)) is None
    assert place.check(target=str(place.root / "nowhere")) is None


def test_links_that_lead_round_and_out(place: Place) -> None:
    (place.site / "here").symlink_to(".")
    (place.site / "up").symlink_to("..")
    (place.site / "everything").symlink_to("/")
    (place.site / "processes").symlink_to("/proc")
    (place.site / "a").symlink_to("b")
    (place.site / "b").symlink_to("a")
    (place.site / "self-1.0.dist-info").symlink_to("self-1.0.dist-info")
    (place.site / "root-1.0.dist-info").symlink_to("/")
    (place.site / "twin-1.0.dist-info").symlink_to("alpha-1.0.dist-info")
    (place.prefix / "lib" / "python9.9").symlink_to(".")
    (place.prefix / "share").mkdir(exist_ok=True)
    (place.prefix / "share/jupyter").symlink_to("..")
    (place.site / "trail.pth").write_text("here/here/here\nup/site-packages\neverything\n")
    assert place.check() is not None


def test_a_target_behind_a_chain_of_links(place: Place) -> None:
    last = place.prefix
    for number in range(30):
        link = place.root / f"link{number}"
        link.symlink_to(last)
        last = link
    report = place.check(target=str(last))
    assert report is not None
    assert report["summary"]["errors"] == 0, report["findings"]


def test_ten_thousand_folders_deep(place: Place) -> None:
    here = Path.cwd()
    os.chdir(place.site)
    try:
        for _ in range(10_000):
            os.mkdir("deep")
            os.chdir("deep")
        Path("end.py").write_text("")
    finally:
        os.chdir(here)
    assert place.check() is not None


def test_fifty_thousand_entries_in_one_folder(place: Place) -> None:
    crowd = place.site / "crowd"
    crowd.mkdir()
    for number in range(50_000):
        (crowd / f"m{number}.py").touch()
    assert place.check() is not None


def test_no_permission(place: Place) -> None:
    """Without the right to read parts of the target, which root gives up for this."""
    through: tuple[str, ...] = ()
    if os.getuid() == 0:
        through = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
        secret = place.root / "secret"
        secret.touch(0)
        if (
            shutil.which("setpriv") is None
            or subprocess.run([*through, "cat", secret], capture_output=True, check=False).returncode == 0
        ):
            pytest.skip("root cannot give up the right to read everything here")
    locked = place.env.dist("locked")
    place.env.dist("unread")
    (place.site / "locked.pth").write_text("import os\n")
    for path in (locked, place.site / "locked", place.site / "unread-1.0.dist-info/METADATA", place.site / "locked.pth"):
        path.chmod(0)
    (place.home / ".config").mkdir()
    (place.home / ".config").chmod(0)
    report = place.check(through=through)
    assert report is not None
    assert "PKG009" in {finding["code"] for finding in report["findings"]}
    place.site.chmod(0)
    place.check(through=through)
    (place.prefix / "pyvenv.cfg").chmod(0)
    place.check(through=through)
    place.prefix.chmod(0)
    place.check(through=through)
    place.prefix.chmod(0o755)


# -------------------------------------------------------------------------------------------------------- names and encodings


def write(path: bytes, data: bytes) -> None:
    """Writes a file whose name is bytes."""
    Path(os.fsdecode(path)).write_bytes(data)


def test_names_that_are_not_utf8(place: Place) -> None:
    site = os.fsencode(place.site)
    info = site + b"/caf\xe9-1.0.dist-info"
    os.mkdir(info)
    rows = b"caf\xe9.py,,\n\xff\xfe/x.py,sha256=x,3\n\xed\xa0\x80.py,,\n"
    for name, data in {
        b"METADATA": b"Metadata-Version: 2.1\nName: caf\xe9\nVersion: 1.0\nRequires-Dist: \xe9t\xe9>=1\n\n\xff\xfe",
        b"RECORD": rows,
        b"WHEEL": b"Wheel-Version: 1.0\nTag: \xe9-\xe9-\xe9\n",
        b"INSTALLER": b"p\xefp\n",
        b"entry_points.txt": b"[console_scripts]\ncaf\xe9 = \xe9:\xe9\n",
        b"top_level.txt": b"caf\xe9\n",
        b"direct_url.json": b'{"url": "file:///\xe9"}',
    }.items():
        write(info + b"/" + name, data)
    for name in (b"\xff.py", b"\xe9.pth", b"~\xff", b"\xfe.so", b"\xe9.egg-link", b"\xf0\x9f.egg-info", b"sit\xe9customize.py"):
        write(site + b"/" + name, b"/nowhere/\xe9\nimport \xe9\n")
    write(os.fsencode(place.prefix) + b"/bin/\xe9", b"#!/nowhere/\xe9/python\n")
    config = place.prefix / "pyvenv.cfg"
    config.write_bytes(config.read_bytes() + b"prompt = \xe9\nexecutable = /\xe9\n")
    report = place.check()
    assert report is not None
    assert "PKG009" in {finding["code"] for finding in report["findings"]}
    place.check("--deep")


def test_a_prefix_that_is_not_utf8_and_variables_that_are_not(place: Place) -> None:
    odd = os.fsencode(place.root) + b"/pr\xe9fix \x1b[31m"
    os.rename(place.prefix, odd)
    os.symlink(odd, place.prefix)
    place.shell["LD_LIBRARY_PATH"] = os.fsdecode(b"/\xe9")
    place.shell["PYTHONPATH"] = os.fsdecode(b"/\xe9:/tmp/\xff")
    place.shell["PIP_INDEX_URL"] = os.fsdecode(b"https://u\xe9:p@index.invalid/\xff")
    report = place.check(target=odd)
    assert report is not None
    assert "\\xe9" in report["target"]["prefix"]
    done = place.run(target=odd)
    bounded(done)
    assert b"\x1b" not in done.out + done.err
    (done.out + done.err).decode("utf-8")
    place.prefix.unlink()
    os.rename(odd, place.prefix)


def test_a_working_directory_that_is_gone(place: Place) -> None:
    gone = place.root / "gone"
    gone.mkdir()
    argv = [*command(place.root), "check", str(place.prefix), "--format", "json"]
    line = 'rmdir "$PWD" && exec "$@"'
    done = measured(["sh", "-c", line, "sh", *argv], env=clean_shell({"HOME": ""}), cwd=gone)
    bounded(done)


# --------------------------------------------------------------------------------------------------------------------- size


def metadata(place: Place, data: bytes) -> None:
    (place.site / "alpha-1.0.dist-info/METADATA").write_bytes(data)


def test_metadata_of_60_megabytes_of_description(place: Place) -> None:
    metadata(
        place, b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\nRequires-Dist: absent>=1\n\n" + b"All of it.\n" * 5_500_000
    )
    assert place.codes("--select", "PKG") & {"PKG001", "PKG009"}


@pytest.mark.parametrize(
    "line", [b"Keywords: " + b"x" * 1000, b"Requires-Dist: absent>=1", b" continued", b"", b"\x00" * 100, b":"]
)
def test_metadata_of_60_megabytes_of_headers(place: Place, line: bytes) -> None:
    count = 60_000_000 // (len(line) + 1)
    if not line:
        count = 20_000_000
    metadata(place, b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n" + (line + b"\n") * count)
    assert place.check() is not None


def test_metadata_of_one_line(place: Place) -> None:
    metadata(place, b"Name: " + b"a" * 60_000_000)
    assert "PKG009" in place.codes()


def test_a_name_of_a_megabyte(place: Place) -> None:
    metadata(
        place,
        b"Metadata-Version: 2.1\nName: "
        + b"a" * 1_000_000
        + b"\nVersion: "
        + b"1." * 500_000
        + b"0\nRequires-Python: >="
        + b"9" * 100_000,
    )
    report = place.check()
    assert report is not None
    done = place.run()
    bounded(done)
    assert len(done.out) < 100_000


def test_a_hundred_thousand_requirements(place: Place) -> None:
    rows = b"".join(b"Requires-Dist: absent-%d (>=1.%d) ; python_version >= '3'\n" % (n, n) for n in range(100_000))
    metadata(place, b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n" + rows + b"\n")
    report = place.check()
    assert report is not None
    assert {finding["code"] for finding in report["findings"]} & {"PKG001", "PKG009"}


def test_requirements_of_every_evil_shape(place: Place) -> None:
    shapes = [
        "a" * 100_000,
        "alpha[" + ",".join(f"e{n}" for n in range(20_000)) + "]",
        "alpha " + ",".join(f"!=1.{n}" for n in range(20_000)),
        "alpha; " + " and ".join(["python_version > '3'"] * 5_000),
        "alpha; " + "(" * 5_000 + "python_version > '3'" + ")" * 5_000,
        "alpha; python_version > '" + "1." * 50_000 + "1'",
        "alpha >= " + "9" * 100_000,
        "alpha @ file://" + "/.." * 50_000,
        "alpha @ https://user:secret@" + "h" * 100_000,
        "alpha ===" + "*" * 10_000,
        "alpha ==1!" + "1" * 5_000 + ".*",
        "\\" * 50_000,
        "alpha; '" + "\\'" * 10_000,
        "alpha; extra == 'x' or " * 2_000,
    ]
    metadata(
        place, ("Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n" + "".join(f"Requires-Dist: {s}\n" for s in shapes)).encode()
    )
    report = place.check()
    assert report is not None
    assert "secret" not in json.dumps(report)


def test_extras_that_explode(place: Place) -> None:
    """200 extras that each ask for all others, in three distributions that ask for each other's."""
    names = ("one", "two", "three")
    extras = [f"e{number}" for number in range(200)]
    for here, there in zip(names, (*names[1:], names[0]), strict=True):
        requires = [f'{here}[{",".join(extras)}]; extra == "{extra}"' for extra in extras]
        requires += [f'{there}[{extras[number - 1]},{extra}]>=1; extra == "{extra}"' for number, extra in enumerate(extras)]
        requires += [f'absent-{extra}; extra == "{extra}"' for extra in extras]
        place.env.dist(here, extras=extras, requires=requires)
    place.env.dist("start", requires=["one[e0]"])
    assert "PKG001" in place.codes()


def test_a_chain_of_five_thousand_distributions(place: Place) -> None:
    for number in range(5_000):
        info = place.site / f"c{number}-1.dist-info"
        info.mkdir()
        following = f"Requires-Dist: c{(number + 1) % 5_000}[x]\nProvides-Extra: x\n"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: c{number}\nVersion: 1\n{following}\n")
        (info / "RECORD").write_text(f"c{number}-1.dist-info/METADATA,,\nc{number}-1.dist-info/RECORD,,\n")
    assert place.check() is not None


def record(place: Place, data: bytes) -> None:
    (place.site / "alpha-1.0.dist-info/RECORD").write_bytes(data)


def test_record_of_60_megabytes(place: Place) -> None:
    record(place, b"".join(b"alpha/some/folder/of/it/module_%d.py,sha256=%s,12345\n" % (n, b"A" * 43) for n in range(600_000)))
    assert place.check() is not None


@pytest.mark.parametrize(
    "data",
    [b"x" * 60_000_000, b'"' * 60_000_000, b"," * 60_000_000, b"\n" * 60_000_000, b'"a\n' * 20_000_000, b"\x00" * 60_000_000],
    ids=["one name", "quotes", "commas", "empty lines", "open quotes", "zeros"],
)
def test_record_of_60_megabytes_of_junk(place: Place, data: bytes) -> None:
    record(place, data)
    assert place.check() is not None


def test_record_rows_that_point_elsewhere(place: Place) -> None:
    rows = [
        "../../../../../../../../../../etc/passwd,sha256=x,1",
        "/etc/shadow,sha256=x,1",
        "/dev/zero,sha256=x,1",
        "/proc/self/mem,sha256=x,1",
        "../" * 20_000 + "etc/passwd,sha256=x,1",
        "./" * 20_000 + "alpha/__init__.py,,",
        "alpha/../" * 10_000 + "alpha/__init__.py,,",
        "a" * 1_000_000 + ",,",
        "alpha/\x00/x.py,,",
        "C:\\Windows\\System32\\kernel32.dll,,",
        "\\\\server\\share\\x,,",
        '"alpha,with ""quotes"".py",,',
        '"open quote,,',
        ",,",
        "alpha/__init__.py,sha256=,99999999999999999999999999999999",
        "alpha/__init__.py,md5=x,-1",
        "alpha/__init__.py,sha256=x,1e9",
        "a,b,c,d,e,f,g",
        "https://index.invalid/x,,",
        "~/.ssh/id_rsa,,",
    ]
    record(place, "\n".join(rows).encode())
    report = place.check("--deep")
    assert report is not None
    text = json.dumps(report)
    assert "root:x:0" not in text
    assert len(text) < 500_000


def test_one_pth_line_of_50_megabytes(place: Place) -> None:
    (place.site / "path.pth").write_bytes(b"/nowhere/" + b"x" * 50_000_000)
    (place.site / "code.pth").write_bytes(b"import os; " + b"x" * 50_000_000)
    (place.site / "zeros.pth").write_bytes(b"\x00" * 5_000_000)
    (place.site / "many.pth").write_bytes(b"nowhere\n" * 500_000)
    (place.site / "dots.pth").write_bytes(b"../" * 5_000 + b"\n")
    assert place.check() is not None


def test_huge_files_of_every_other_kind(place: Place) -> None:
    junk = b"x = y\n" * 3_000_000
    for rel in ("pyvenv.cfg", "pip.conf", "bin/activate", "bin/script", "conda-meta/history", "conda-meta/a-1-0.json"):
        path = place.prefix / rel
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((path.read_bytes() if path.exists() else b"#!") + junk)
    info = place.site / "alpha-1.0.dist-info"
    for name in ("WHEEL", "INSTALLER", "entry_points.txt", "top_level.txt", "direct_url.json"):
        (info / name).write_bytes(junk)
    for name in ("x.egg-link", "__editable___x_1_0_finder.py", "x_pb2.py", "x-1.egg-info"):
        (place.site / name).write_bytes(junk)
    for name in ("requirements.txt", "uv.lock", "setup.cfg"):
        (place.project / name).write_bytes(junk)
    assert place.check() is not None


def test_python_code_that_parsers_choke_on(place: Place) -> None:
    """Nested and long sources at the places whose syntax tree is read."""
    shapes = {
        "parentheses": "x = " + "(" * 50_000 + ")" * 50_000,
        "brackets": "x = " + "[" * 5_000 + "]" * 5_000,
        "minus": "x = " + "-" * 200_000 + "1",
        "sum": "x = " + "1 + " * 100_000 + "1",
        "attributes": "x = a" + ".b" * 100_000,
        "indent": "".join(" " * n + "if 1:\n" for n in range(150)) + " " * 150 + "pass",
        "zeros": "import os\x00",
        "number": "x = " + "9" * 1_000_000,
        "imports": "import pkg_resources\n" * 50_000,
        "latin": "# coding: latin-1\nx = '\xe9'\n",
        "strange": "# coding: rot13\nvzcbeg bf\n",
    }
    for name, source in shapes.items():
        package = place.site / f"evil_{name}"
        place.env.dist(f"evil-{name}", files={f"evil_{name}/__init__.py": source, f"evil_{name}_pb2.py": source})
        assert package.is_dir()
        (place.site / f"__editable___evil_{name}_finder.py").write_text("MAPPING = " + source)
        (place.project / f"{name}.py").write_text(source)
    (place.project / "setup.py").write_text(shapes["parentheses"])
    assert place.check() is not None


# --------------------------------------------------------------------------------------------------------------------- bombs

BOMBS = {
    "arrays": "[" * 1_000_000,
    "closed arrays": "[" * 100_000 + "]" * 100_000,
    "objects": '{"a":' * 200_000,
    "big number": "9" * 2_000_000,
    "big exponent": "1e999999999",
    "number in place": '{"url": ' + "9" * 100_000 + ', "schema_version": ' + "9" * 100_000 + "}",
    "deep url": '{"url": ' + "[" * 50_000 + "]" * 50_000 + "}",
    "wrong types": '{"url": {"a": 1}, "dir_info": [], "argv": {"x": 1}, "language": 7, "schema_version": []}',
    "string": '"' + "\\u0000" * 500_000 + '"',
    "surrogates": '{"url": "\\ud800", "argv": ["\\udfff"], "schema_version": 1, "display_name": "\\ud83d"}',
    "many keys": "{" + ",".join(f'"k{n}": 1' for n in range(200_000)) + "}",
    "twice": '{"url": "a", "url": "b", "schema_version": 1, "schema_version": 2}',
    "nan": '{"url": NaN, "argv": [Infinity], "schema_version": -0.0}',
    "cut": '{"url": "file:///x", "dir_info": {"editable": tr',
    "nothing": "",
    "mark": "\ufeff{}",
    "utf-16": "{\x00}\x00",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_json_bombs(place: Place, bomb: str) -> None:
    text = BOMBS[bomb]
    (place.site / "alpha-1.0.dist-info/direct_url.json").write_text(text)
    kernel = place.prefix / "share/jupyter/kernels/evil/kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(text)
    (place.prefix / "conda-meta").mkdir()
    (place.prefix / "conda-meta/evil-1-0.json").write_text(text)
    assert place.check() is not None
    file = place.root / "bomb.json"
    file.write_text(text)
    assert place.check("--snapshot", str(file)) is None
    assert place.check("--machine", str(file)) is None


TOML_BOMBS = {
    "arrays": "x = " + "[" * 100_000,
    "closed arrays": "x = " + "[" * 20_000 + "]" * 20_000,
    "tables": "x = " + "{a=" * 20_000 + "1" + "}" * 20_000,
    "dots": "a" + ".a" * 100_000 + " = 1",
    "header": "[" + ".".join("a" * 50_000) + "]\n",
    "number": "x = " + "9" * 1_000_000,
    "many": "".join(f"[t{n}]\nx = 1\n" for n in range(50_000)),
    "types": '[project]\nname = 3\nrequires-python = ["x"]\ndependencies = {a = 1}\n'
    '[tool]\nuv = 7\nenvdoctor = "x"\n[build-system]\nrequires = 1\n',
    "zeros": "\x00",
    "requires": '[project]\nname = "x"\nrequires-python = ">=' + "9" * 50_000 + '"\ndependencies = ["' + "[" * 10_000 + '"]\n',
}


@pytest.mark.parametrize("bomb", TOML_BOMBS)
def test_toml_bombs(place: Place, bomb: str) -> None:
    (place.project / "pyproject.toml").write_text(TOML_BOMBS[bomb])
    place.check()
    (place.project / "pyproject.toml").unlink()
    for name in ("uv.toml", "uv.lock", "pylock.toml", "poetry.lock", "Pipfile"):
        (place.project / name).write_text(TOML_BOMBS[bomb])
    place.check()
    (place.project / "envdoctor.toml").write_text(TOML_BOMBS[bomb])
    place.check()


def native_lies() -> dict[str, bytes]:
    """Native files whose headers promise what is not there."""
    big = 0xFFFFFFFFFFFFFFF0
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)

    def elf(phoff: int, shoff: int, phentsize: int, phnum: int, body: bytes = b"", machine: int = 62) -> bytes:
        return (
            ident
            + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, phoff, shoff, 0, 64, phentsize, phnum, 64, 65535, 65535)
            + body
        )

    def segment(kind: int, offset: int, address: int, size: int) -> bytes:
        return struct.pack("<IIQQQQQQ", kind, 4, offset, address, address, size, size, 1)

    dynamic = b"".join(
        struct.pack("<qQ", tag, value)
        for tag, value in [(1, big), (5, 0), (6, 0), (10, big), (14, 3), (15, big), (29, big)] * 2000
    )
    needs = b"".join(
        struct.pack("<qQ", tag, value) for tag, value in [(0x6FFFFFFE, 64), (0x6FFFFFFF, 2**63), (5, 64), (10, 4096)]
    )
    macho, fat, pe = b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"MZ" + bytes(58)
    round_and_round = segment(1, 0, 0, 1 << 20) + segment(2, 176, 176, 1 << 16) + needs + bytes(4096)
    sections = struct.pack("<HHIIIHHH", 0x8664, 65535, 0, 0, 0, 240, 0x2022, 0x20B) + b"\xff" * 4000
    return {
        "empty": b"",
        "magic alone": b"\x7fELF",
        "header alone": elf(64, 0, 56, 1),
        "headers far away": elf(big, big, 56, 65535),
        "entry size 0": elf(64, 0, 0, 65535, bytes(100_000)),
        "entry size 65535": elf(64, 0, 65535, 65535, bytes(100_000)),
        "segments of themselves": elf(0, 0, 56, 65535, bytes(5_000_000)),
        "dynamic far away": elf(64, 0, 56, 2, segment(1, 0, 0, big) + segment(2, big, big, big)),
        "dynamic of itself": elf(64, 0, 56, 2, segment(1, 0, 0, 1 << 40) + segment(2, 64, 64, 1 << 40) + dynamic),
        "version needs in a circle": elf(64, 0, 56, 2, round_and_round),
        "interpreter of a terabyte": elf(64, 0, 56, 1, segment(3, 0, 0, 1 << 40)),
        "note of a terabyte": elf(64, 0, 56, 1, segment(4, 0, 0, 1 << 40) + b"\xff" * 4096),
        "unknown machine": elf(64, 0, 56, 0, machine=0xFFFF),
        "macho of endless commands": macho
        + struct.pack("<iiIIIII", 0x0100000C, 0, 6, 2**32 - 1, 2**32 - 1, 0, 0)
        + bytes(100_000),
        "macho with commands of no length": macho
        + struct.pack("<iiIIIII", 0x0100000C, 0, 6, 65535, 65536, 0, 0)
        + struct.pack("<II", 0xC, 0) * 8000,
        "macho names outside": macho
        + struct.pack("<iiIIIII", 0x01000007, 3, 8, 2, 80, 0, 0)
        + struct.pack("<IIIIII", 0xC, 40, 0xFFFFFFF0, 0, 0, 0)
        + struct.pack("<IIIIII", 0xC, 0xFFFFFFFF, 24, 0, 0, 0),
        "fat of a billion": fat + struct.pack(">I", 1_000_000_000) + bytes(1_000),
        "fat of itself": fat + struct.pack(">I", 20) + struct.pack(">IIIII", 0x01000007, 3, 0, 1_000, 0) * 20,
        "fat in fat": fat + struct.pack(">IIIIII", 1, 7, 3, 28, 28, 0) + fat + struct.pack(">I", 1) + bytes(20),
        "pe far away": pe + struct.pack("<I", 0xFFFFFFF0) + bytes(100),
        "pe of itself": pe + struct.pack("<I", 0) + bytes(100),
        "pe of 65535 sections": pe + struct.pack("<I", 64) + b"PE\x00\x00" + sections,
        "archive": b"!<arch>\n" + b"x" * 1000,
        "linker script": b"/* GNU ld script */ INPUT ( -lx )",
        "git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:x\nsize 1\n",
        "zip": b"PK\x03\x04" + bytes(100),
        "text": b"hello",
        "zeros": bytes(100_000),
    }


def test_native_files_that_lie(place: Place) -> None:
    files: dict[str, str | bytes] = {"liar/__init__.py": ""}
    suffix = f"cpython-{sys.version_info.major}{sys.version_info.minor}-x86_64-linux-gnu.so"
    for number, data in enumerate(native_lies().values()):
        files[f"liar/m{number}.{suffix}"] = data
        files[f"liar/n{number}.so"] = data
        files[f"liar/w{number}.pyd"] = data
        files[f"liar/d{number}.dylib"] = data
        files[f"liar.libs/lib{number}.so.1"] = data
    place.env.dist("liar", files=files)
    assert place.check() is not None
    assert place.check("--deep") is not None


@pytest.mark.parametrize("name", native_lies())
def test_an_interpreter_that_lies(place: Place, name: str) -> None:
    python = place.prefix / "bin/python"
    python.unlink()
    python.write_bytes(native_lies()[name])
    python.chmod(0o755)
    report = place.check()
    assert report is not None
    if not name.startswith(("macho", "fat", "pe ")):  # another system's interpreter: a foreign target, which is not started
        assert {finding["code"] for finding in report["findings"]} & {"INT001", "INT002"}, report["findings"]


@pytest.mark.parametrize(
    "body",
    [
        "sleep 100",
        "exec yes",
        "kill -SEGV $$",
        "head -c 100000000 /dev/zero",
        'echo "[[[[[[[[" ; exit 0',
        'echo "{}"',
        "head -c 50000000 /dev/zero | tr '\\0' '['",
        "printf '\\033[31m\\377\\376'; exit 3",
        "sleep 100 & sleep 100 & exit 0",
        "exec 1>&-; sleep 100",
        "trap '' TERM INT; sleep 100; sleep 100",
        "cat; sleep 100",
    ],
)
def test_an_interpreter_that_misbehaves(place: Place, body: str) -> None:
    python = place.prefix / "bin/python"
    python.unlink()
    python.write_text(f"#!/bin/sh\n{body}\n")
    python.chmod(0o755)
    done = place.run("--format", "json")
    bounded(done)
    assert done.wall < 30
    json.loads(done.out)


def test_pyvenv_cfg_of_every_evil_shape(place: Place) -> None:
    shapes: list[bytes] = [
        b"",
        b"home",
        b"home = \nversion = \n",
        b"home = " + b"/x" * 100_000,
        b"home = ../" * 1000,
        b"home = \x00\n",
        b"home = /dev\nversion = " + b"9" * 100_000,
        b"home = /proc/self/root\nversion = 3.11\ninclude-system-site-packages = true\n",
        b"version_info = 3." + b"1." * 50_000,
        b"= = =\n" * 1000,
        bytes(range(256)) * 100,
        b"command = " + b'"' * 1000 + b" -m venv " + b"'" * 1001,
        b"home = " + os.fsencode(place.prefix / "bin") + b"\ninclude-system-site-packages = true\n",
        "home = \u202e/nib/rsu/\nversion = \x1b[31m3.11\n".encode(),
    ]
    for shape in shapes:
        (place.prefix / "pyvenv.cfg").write_bytes(shape)
        place.check()


# ------------------------------------------------------------------------------------------------------------ what it says

ESCAPE = "\x1b[31mred\x1b]0;title\x07\x1b[2J"
COMMAND = "\n::error file=x::boo\r\n::set-output name=x::y\r::add-mask::z"
BIDI = "\u202egnp.exe\u2066\u200f\u061c"
MARKUP = "[bold red]x[/bold red][/][link=https://index.invalid]y[/link][/nothing]"
CONTROL = "\x00\x01\x08\x0b\x0c\x7f\x9b31m\x85\u2028\u2029\ufeff\u200b"
SPOKEN = [ESCAPE, BIDI, MARKUP, CONTROL, "::error::boo", "##[error]boo", COMMAND]


def spoil_words(place: Place, evil: str) -> None:
    """Puts `evil` into every text of a target that a report could repeat."""
    name = evil.replace("/", "_").replace("\x00", "").strip("\n")[:80]
    flat = " ".join(evil.split()) if "\n" in evil or "\r" in evil else evil
    info = place.site / "evil-1.0.dist-info"
    info.mkdir(exist_ok=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {flat}",
        f"Version: {flat}",
        f"Requires-Dist: absent{flat}",
        f"Requires-Dist: absent>={flat}",
        f"Requires-Dist: absent; python_version > '{flat}'",
        f"Requires-Python: <{flat}",
        f"Provides-Extra: {flat}",
    ]
    (info / "METADATA").write_text("\n".join(lines) + "\n\n" + evil)
    (info / "RECORD").write_text(f'evil/{flat}.py,sha256=x,3\n{flat}\n"{evil.replace(chr(34), "")}",,\n{flat},{flat},{flat}\n')
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {flat}\nGenerator: {flat}\nTag: cp27-{flat}-win32\n")
    (info / "INSTALLER").write_text(evil)
    (info / "entry_points.txt").write_text(f"[console_scripts]\n{flat} = {flat}\n[{flat}]\n{flat}\n")
    (info / "direct_url.json").write_text(json.dumps({"url": f"file:///nowhere/{evil}", "dir_info": {"editable": True}}))
    for base in (f"{name}-1.0.dist-info", f"~{name}"):
        folder = place.site / base
        folder.mkdir(exist_ok=True)
        (folder / "METADATA").write_text(f"Name: {flat}\n")
    (place.site / f"{name}.pth").write_text(f"/nowhere/{flat}\nimport os; {flat}\n{evil}\n")
    (place.site / f"{name}.so").write_bytes(b"junk " + evil.encode())
    (place.site / f"{name}.egg-link").write_text(f"/nowhere/{evil}\n")
    (place.site / f"{name}.py").write_text("")
    (place.prefix / "bin" / f"{name}-script").write_text(f"#!/nowhere/{flat}/python\n")
    kernel = place.prefix / "share/jupyter/kernels" / name / "kernel.json"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    kernel.write_text(json.dumps({"argv": [f"/nowhere/{evil}/python"], "display_name": evil, "language": evil}))
    config = place.prefix / "pyvenv.cfg"
    config.write_text(
        config.read_text()
        + f"prompt = {flat}\nuv = {flat}\nversion_info = {flat}\ncommand = /nowhere/{flat} -m venv /nowhere/{flat}\n"
    )
    (place.prefix / "pip.conf").write_text(
        f"[global]\ntarget = /nowhere/{flat}\nindex-url = http://u:p@{flat}\n[{flat}]\n{flat}\n"
    )
    quoted = json.dumps(evil)
    (place.project / "pyproject.toml").write_text(
        f'[project]\nname = {quoted}\nversion = {quoted}\nrequires-python = "<3"\ndependencies = [{quoted}]\n'
    )
    (place.project / f"{name}.py").write_text("")
    (place.project / "uv.lock").write_text(f"version = {quoted}\n")
    safe = evil.replace("\x00", "")
    place.shell["PYTHONPATH"] = f"/nowhere/{safe}"
    place.shell["PIP_TARGET"] = f"/nowhere/{safe}"
    place.shell["PIP_INDEX_URL"] = f"http://u:p@{safe}"
    place.shell["UV_PROJECT_ENVIRONMENT"] = f"/nowhere/{safe}"
    place.shell["CONDA_PREFIX"] = f"/nowhere/{safe}"
    place.shell["VIRTUAL_ENV"] = f"/nowhere/{safe}"


def quiet(data: bytes) -> None:
    """No control character but line ends, no direction mark, no line that CI would obey."""
    text = data.decode("utf-8")
    for character in text:
        point = ord(character)
        assert character == "\n" or not (point < 32 or 127 <= point < 160), repr(text[max(0, text.index(character) - 60) :][:120])
        assert point not in (0x2028, 0x2029, 0x061C, 0x200E, 0x200F, 0xFEFF), hex(point)
        assert not 0x202A <= point <= 0x202E, hex(point)
        assert not 0x2066 <= point <= 0x2069, hex(point)
    for line in text.splitlines():
        assert not line.lstrip().startswith(("::", "##[")), line


@pytest.mark.parametrize("evil", SPOKEN, ids=["escape", "bidi", "markup", "control", "workflow", "workflow2", "lines"])
def test_nothing_of_the_target_speaks(place: Place, evil: str) -> None:
    spoil_words(place, evil)
    report = place.check()
    assert report is not None
    assert report["findings"]
    for words in (("-v",), (), ("-q",)):
        done = place.run(*words)
        bounded(done)
        quiet(done.out)
        quiet(done.err)
        if evil is MARKUP and words == ("-v",):
            assert b"[bold red]" in done.out or b"\\[bold red]" in done.out, "markup was eaten"
    place.shell.update({"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "80"})
    done = place.run("-v")
    bounded(done)
    for bad in (b"\x1b]", b"\x1b[2J", b"\x07", b"\x9b", b"\xc2\x9b", b"\xe2\x80\xae", b"\n::", b"\n##["):
        assert bad not in done.out, bad


def test_errors_do_not_repeat_escapes_either(place: Place) -> None:
    for words in (
        ("--select", ESCAPE),
        ("--format", ESCAPE),
        ("--snapshot", f"/nowhere/{ESCAPE}"),
        ("--project", f"/nowhere/{ESCAPE}"),
        ("--fail-on", ESCAPE),
        ("--machine", f"/nowhere/{BIDI}"),
    ):
        done = place.run(*words)
        bounded(done)
        assert done.code == 2, words
        quiet(done.err)
    done = place.run(target=f"/nowhere/{ESCAPE}\n::error::x")
    assert done.code == 2
    quiet(done.err)
    (place.project / "pyproject.toml").write_text(f'[tool.envdoctor]\n"{MARKUP}" = 1\nselect = ["\\u001b[31m"]\n')
    done = place.run()
    bounded(done)
    quiet(done.err)


def test_a_locale_without_unicode(place: Place) -> None:
    place.env.dist(
        "gamma", requires=["absent"], metadata="Metadata-Version: 2.1\nName: g\u00e4mma\nVersion: 1\nRequires-Dist: absent\n\n"
    )
    place.shell.update({"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"})
    done = place.run()
    bounded(done)
    done = place.run("--format", "json")
    bounded(done)
    json.loads(done.out)


def test_four_thousand_packages_that_nobody_owns(place: Place) -> None:
    """Every rule and collector that looks below each top-level name must not walk the whole tree for each."""
    for number in range(4_000):
        package = place.site / f"orphan{number}"
        package.mkdir()
        for name in ("__init__", "a", "b", "c", "d"):
            (package / f"{name}.py").touch()
    for number in range(1_000):
        (place.site / f"~rphan{number}").mkdir()
        egg = place.site / f"egg{number}-1-py3.egg/EGG-INFO"
        egg.mkdir(parents=True)
        (egg / "PKG-INFO").write_text(f"Metadata-Version: 1.0\nName: egg{number}\nVersion: 1\n")
    assert place.check() is not None


def test_every_row_of_a_large_record_is_wrong(place: Place) -> None:
    package = place.site / "alpha"
    rows = []
    for number in range(40_000):
        (package / f"m{number}.py").touch()
        rows.append(f"alpha/m{number}.py,sha256=x,7\n")
    record(place, "".join(rows).encode())
    assert "PKG007" in place.codes()


def test_the_same_name_two_thousand_times(place: Place) -> None:
    for number in range(2_000):
        info = place.site / f"alpha-2.{number}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: alpha\nVersion: 2.{number}\nRequires-Dist: beta>={number}\n\n"
        )
        (info / "RECORD").write_text(f"alpha/__init__.py,sha256={number},{number}\n")
    done = place.run()
    bounded(done)
    assert len(done.out) < 500_000
    assert "PKG004" in place.codes()


def test_three_thousand_distributions_that_are_all_broken(place: Place) -> None:
    """Findings that are related to findings: linking them to their causes must not compare each with each."""
    for number in range(3_000):
        info = place.site / f"d{number}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: d{number}\nVersion: not a version\nRequires-Dist: e{number}>=1\n"
            f"Requires-Dist: d{number + 1}>=2\nRequires-Python: <3\n\n"
        )
        (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: cp27-none-win32\n")
        (info / "RECORD").write_text(f"d{number}/__init__.py,sha256=x,3\nd{number}/x.py,sha256=x,1\n")
    assert {"PKG001", "PKG003", "PKG009"} <= place.codes()
    bounded(place.run())
