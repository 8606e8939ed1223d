"""PKG009 metadata-broken."""

from __future__ import annotations

import os

import pytest

from tests.builders import Env
from tests.support import diagnose, errors, only

GOOD = "Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n"


def version_seen(env: Env) -> str:
    """What importlib.metadata of the environment itself says about alpha."""
    done = env.run("-c", "import importlib.metadata as m; print(m.version('alpha'))")
    return done.stdout.strip() if done.returncode == 0 else "fails"


def test_missing_metadata(env: Env) -> None:
    info = env.dist("alpha", "1.0")
    (info / "METADATA").unlink()
    assert version_seen(env) in ("None", "fails")
    found = only(diagnose(env.prefix, "PKG009"), "PKG009")
    assert found.severity == "error"
    assert "METADATA: missing" in found.message
    assert found.subjects[0].name == "alpha"
    assert found.fixes[0].commands[0][-1].startswith("alpha")


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ("", "empty"),
        ("\0" * 200, "METADATA"),
        ("just text\n", "without a single field"),
        ("Metadata-Version: 2.1\nVersion: 1.0\n", "no Name"),
        ("Metadata-Version: 2.1\nName: alpha\n", "no Version"),
        ("Metadata-Version: 2.1\nName: al pha!\nVersion: 1.0\n", "invalid Name"),
        ("Metadata-Version: 2.1\nName: alpha\nVersion: one.two\n", "not valid (PEP 440)"),
        (GOOD.encode() + b"Summary: caf\xe9\n\nx\n", "not UTF-8"),
    ],
)
def test_broken_metadata(env: Env, metadata: str | bytes, said: str) -> None:
    env.dist("alpha", "1.0", metadata=metadata)
    env.dist("beta", "1.0")
    found = only(diagnose(env.prefix, "PKG009"), "PKG009")
    assert found.severity == "error" and found.subjects[0].name == "alpha"
    assert said in " ".join([found.message, *found.evidence])


def test_empty_metadata_gives_no_version(env: Env) -> None:
    env.dist("alpha", "1.0", metadata="")
    assert version_seen(env) in ("None", "fails")


def test_latin_1_stops_importlib(env: Env) -> None:
    env.dist("alpha", "1.0", metadata=GOOD.encode() + b"Summary: caf\xe9\n\nx\n")
    assert version_seen(env) == "fails"


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ("Metadata-Version: 2.1\nName: omega\nVersion: 1.0\n", "differs from the folder's"),
        ("Metadata-Version: 2.1\nName: alpha\nVersion: 2.0\n", "differs from the folder's 1.0"),
        (GOOD + "Requires-Dist: beta>dev\n", "Requires-Dist"),
        (GOOD + "Requires-Python: >=3.6.*\n", "Requires-Python"),
    ],
)
def test_doubtful_metadata_is_a_warning(env: Env, metadata: str, said: str) -> None:
    env.dist("alpha", "1.0", metadata=metadata)
    found = only(diagnose(env.prefix, "PKG009"), "PKG009")
    assert found.severity == "warning" and said in " ".join([found.message, *found.evidence])


def test_record(env: Env) -> None:
    info = env.dist("alpha", "1.0")
    (info / "RECORD").write_bytes(b"\xff\xfe\0\0 no rows at all\n\n garbage\n")
    assert only(diagnose(env.prefix, "PKG009"), "PKG009").severity == "error"
    (info / "RECORD").write_text("alpha/__init__.py,,\nno row\n")
    assert only(diagnose(env.prefix, "PKG009"), "PKG009").severity == "warning"
    (info / "RECORD").unlink()
    found = only(diagnose(env.prefix, "PKG009"), "PKG009")
    assert found.severity == "warning" and "RECORD: missing" in found.message
    (info / "RECORD").mkdir()
    assert only(diagnose(env.prefix, "PKG009"), "PKG009")
    (info / "RECORD").rmdir()
    os.mkfifo(info / "RECORD")
    assert only(diagnose(env.prefix, "PKG009"), "PKG009").severity == "error"


def test_direct_url_is_a_warning(env: Env) -> None:
    env.dist("alpha", "1.0", direct_url="{not json")
    found = only(diagnose(env.prefix, "PKG009"), "PKG009")
    assert found.severity == "warning" and "direct_url.json" in found.message


def test_all_problems_of_one_distribution_are_one_finding(env: Env) -> None:
    env.dist("alpha", "1.0", metadata=GOOD + "Requires-Dist: ((\nRequires-Dist: a>>1\n", direct_url="{")
    found = only(diagnose(env.prefix, "PKG009"), "PKG009")
    assert ", and 2 more" in found.message and len(found.evidence) == 3


def test_a_file_or_dangling_link_in_place_of_the_folder(env: Env) -> None:
    (env.site / "alpha-1.0.dist-info").write_text("")
    (env.site / "beta-1.0.dist-info").mkdir()
    (env.site / "beta-1.0.dist-info" / "METADATA").symlink_to("nowhere")
    assert {f.subjects[0].name for f in errors(diagnose(env.prefix, "PKG009"))} == {"alpha", "beta"}


@pytest.mark.parametrize(
    "metadata",
    [
        GOOD,
        GOOD.replace("\n", "\r\n") + "\r\n\r\nText\r\n",
        GOOD + "License: a\n  b\n  c\nUnknown-Field: x\n\nName: other\nVersion: zzz\n",
        GOOD + "Summary: café ☕\n\nText ✓\n",
        GOOD.replace("1.0", "1.0.0"),
        GOOD.replace("alpha", "Alpha"),
        GOOD + "Requires-Dist: beta>dev ; extra == 'never'\n",
        GOOD + "Requires-Python:\n",
    ],
)
def test_valid_metadata(env: Env, metadata: str) -> None:
    env.dist("alpha", "1.0", metadata=metadata)
    assert diagnose(env.prefix, "PKG009") == []


def test_conda_may_leave_record_out(env: Env) -> None:
    env.dist("alpha", "1.0", installer="conda", record=False)
    assert diagnose(env.prefix, "PKG009") == []


def test_egg_info_needs_no_record(env: Env) -> None:
    (env.site / "alpha-1.0.egg-info").write_text("Metadata-Version: 1.1\nName: alpha\nVersion: 1.0\n")
    info = env.site / "be_ta-1.0-py3.11.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 1.1\nName: be-ta\nVersion: 1.0\n")
    assert diagnose(env.prefix, "PKG009") == []


def test_versions_of_an_operating_system_are_a_warning(env: Env) -> None:
    env.dist("alpha", "0.23ubuntu1", installer="debian")
    assert only(diagnose(env.prefix, "PKG009"), "PKG009").severity == "warning"


def test_metadata_that_was_published_invalid_is_not_mended_by_the_same_release(env: Env) -> None:
    """celery 4.4.7 asks for `pytz (>dev)`, pylint 2.6.0 for Python `>=3.5.*`: their wheels hold that."""
    env.dist("alpha", "1.0", requires=["beta (>dev)"], requires_python=">=3.5.*")
    env.dist("beta", "1.0")
    found = only(diagnose(env.prefix, "PKG009"), "PKG009")
    assert found.severity == "warning"
    assert any("alpha>1.0" in command for command in found.fixes[0].commands)
    path = env.site / "alpha-1.0.dist-info/METADATA"
    path.write_text(path.read_text() + "more\n")
    found = only(diagnose(env.prefix, "PKG009", deep=True), "PKG009")
    assert any("alpha==1.0" in command for command in found.fixes[0].commands), "altered here: the same release mends it"


def test_an_empty_record_is_a_warning(env: Env) -> None:
    (env.dist("alpha") / "RECORD").write_bytes(b"")
    found = only(diagnose(env.prefix, "PKG009"), "PKG009")
    assert (found.severity, found.subjects[0].name) == ("warning", "alpha") and "RECORD: empty" in found.message
