"""PKG011 rival-distributions: several distributions provide one import package."""

from __future__ import annotations

from pathlib import Path

from tests.builders import Env
from tests.support import diagnose, only


def vision(env: Env, name: str, mark: str, version: str = "4.0") -> None:
    """One of two builds of the import package cv2."""
    files: dict[str, str | bytes] = {
        "cv2/__init__.py": f"build = {mark!r}\nfrom .data import path\n",
        "cv2/data.py": f"path = {mark!r} * 2\n",
        "cv2/cv2.abi3.so": f"ELF {mark}",
    }
    env.dist(name, version, files=files)


def test_rivals_with_the_last_writer_intact_are_a_warning(env: Env) -> None:
    vision(env, "opencv-python", "full")
    vision(env, "opencv-python-headless", "headless")
    assert env.imports("cv2")
    findings = diagnose(env.prefix, "PKG008", "PKG011")
    rival = only(findings, "PKG011")
    assert rival.severity == "warning"
    assert [s.name for s in rival.subjects] == ["opencv-python", "opencv-python-headless"]
    assert "cv2" in rival.message and "that of opencv-python-headless" in rival.message
    assert not [f for f in findings if f.severity == "error"]
    assert all(f.caused_by == rival.fingerprint for f in findings if f.code == "PKG008")
    assert any("uninstall" in command for fix in rival.fixes for command in fix.commands)


def test_rivals_as_a_mixture_are_an_error(env: Env) -> None:
    vision(env, "opencv-python", "full")
    native = (env.site / "cv2/cv2.abi3.so").read_bytes()
    vision(env, "opencv-python-headless", "headless", "4.9")
    (env.site / "cv2/cv2.abi3.so").write_bytes(native)
    rival = only(diagnose(env.prefix, "PKG011"), "PKG011")
    assert rival.severity == "error" and "mixture" in rival.message


def test_rivals_after_one_was_uninstalled_badly(env: Env) -> None:
    vision(env, "opencv-python", "full")
    vision(env, "opencv-python-headless", "headless")
    (env.site / "cv2/__init__.py").unlink()
    (env.site / "cv2/data.py").unlink()
    assert env.run("-c", "import cv2; cv2.build").returncode != 0
    findings = diagnose(env.prefix, "PKG006", "PKG011")
    rival = only(findings, "PKG011")
    assert rival.severity == "error" and "gone" in rival.message
    assert all(f.caused_by == rival.fingerprint for f in findings if f.code == "PKG006")


def test_the_survivor_of_an_uninstall_lacks_files(env: Env) -> None:
    """`pip uninstall opencv-python` takes cv2 from opencv-python-headless."""
    vision(env, "opencv-python-headless", "headless")
    import shutil

    shutil.rmtree(env.site / "cv2")
    assert not env.imports("cv2")
    assert only(diagnose(env.prefix, "PKG006"), "PKG006").severity == "error"


def test_bson_over_pymongo_is_a_mixture(env: Env) -> None:
    """bson's pure Python files beside the native module of pymongo's bson."""
    env.dist(
        "pymongo",
        "4.0",
        files={
            "pymongo/__init__.py": "from bson import SON\n",
            "bson/__init__.py": "SON = 1\n",
            "bson/objectid.py": "a = 1\n",
            "bson/_cbson.so": "ELF",
        },
        tags=("cp311-cp311-manylinux_2_17_x86_64",),
    )
    assert env.imports("pymongo")
    env.dist("bson", "0.5", files={"bson/__init__.py": "other = 1\n", "bson/objectid.py": "bb = 1\n"})
    assert not env.imports("pymongo")
    rival = only(diagnose(env.prefix, "PKG011"), "PKG011")
    assert rival.severity == "error" and rival.subjects[0].name == "bson"


def nccl(env: Env, name: str, version: str) -> None:
    """One of NVIDIA's wheels that own nvidia/nccl."""
    env.dist(
        name,
        version,
        files={"nvidia/__init__.py": "", "nvidia/nccl/__init__.py": "", "nvidia/nccl/lib/libnccl.so.2": f"ELF {version}"},
    )


def test_nvidia_wheels_where_the_newer_won_are_a_warning(env: Env) -> None:
    nccl(env, "nvidia-nccl-cu12", "2.18.1")
    nccl(env, "nvidia-nccl-cu13", "2.27.7")
    env.dist("torch", "2.9", requires=["nvidia-nccl-cu13==2.27.7"])
    assert only(diagnose(env.prefix, "PKG011"), "PKG011").severity == "warning"


def test_nvidia_wheels_where_the_older_won_are_an_error(env: Env) -> None:
    nccl(env, "nvidia-nccl-cu13", "2.27.7")
    nccl(env, "nvidia-nccl-cu12", "2.18.1")
    env.dist("torch", "2.9", requires=["nvidia-nccl-cu13==2.27.7"])
    rival = only(diagnose(env.prefix, "PKG011"), "PKG011")
    assert rival.severity == "error" and rival.confidence == "likely"
    assert any("nvidia-nccl-cu13==2.27.7" in command for fix in rival.fixes for command in fix.commands)


def test_a_renamed_distribution_is_a_warning(env: Env) -> None:
    files = {"alpha/__init__.py": "x = 1\n", "alpha/core.py": "y = 1\n"}
    env.dist("alpha", files=files)
    env.dist("alpha-ng", files=files)
    findings = diagnose(env.prefix, "PKG008", "PKG011")
    assert {f.severity for f in findings} == {"warning"}
    assert "the files are the same" in only(findings, "PKG011").message


def test_portions_of_a_namespace_are_no_rivals(env: Env) -> None:
    env.dist("google-auth", files={"google/auth/__init__.py": "a"})
    env.dist("google-cloud", files={"google/cloud/__init__.py": "b"})
    assert diagnose(env.prefix, "PKG008", "PKG011") == []


def test_rivals_in_two_folders_are_no_matter_of_this_rule(env: Env, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    env.dist("opencv-python", files={"cv2/__init__.py": "a = 1\n"})
    env.dist("opencv-python-headless", files={"cv2/__init__.py": "b = 1\n"}, site=other)
    (env.site / "other.pth").write_text(f"{other}\n")
    assert diagnose(env.prefix, "PKG008", "PKG011") == []
