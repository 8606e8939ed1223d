"""Which package brings a library: the table, its look-up, the fixes made of it, and the plan that merges them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from envdoctor import system_packages as system
from envdoctor.data.system_libraries import DRIVERS, LIBRARIES
from envdoctor.plan import make
from envdoctor.rules.base import Rule
from envdoctor.snapshot import Distribution, Interpreter, Machine, Shell, Site, Snapshot, Target
from envdoctor.view import View

DEBIAN = {v: Machine(machine="x86_64", distribution="debian", os_version=v) for v in ("11", "12", "13")}
UBUNTU = {
    v: Machine(machine="x86_64", distribution="ubuntu", distribution_like=("debian",), os_version=v)
    for v in ("20.04", "22.04", "24.04")
}
FEDORA = Machine(machine="x86_64", distribution="fedora", os_version="42")
ROCKY = Machine(machine="x86_64", distribution="rocky", distribution_like=("rhel", "centos", "fedora"), os_version="9.4")
SUSE = Machine(machine="x86_64", distribution="opensuse-leap", distribution_like=("suse", "opensuse"), os_version="15.6")
ALPINE = Machine(machine="x86_64", distribution="alpine", os_version="3.22.0")
ARCH = Machine(machine="x86_64", distribution="arch")
MAC = Machine(system="macos", machine="arm64", os_version="15.1")
WINDOWS = Machine(system="windows", machine="x86_64")


def view(machine: Machine, kind: str = "venv", **tools: str) -> View:
    """A target on that machine."""
    target = Target(prefix="/env", kind=kind, chosen_by="test", system=machine.system)  # type: ignore[arg-type]
    return View(
        Snapshot(
            date="2026-11-23",
            target=target,
            interpreter=Interpreter(path="/env/bin/python", version="3.11.7"),
            sites=(Site(path="/env/lib/python3.11/site-packages", role="purelib"),),
            shell=Shell(tools={"uv": "/bin/uv", **tools}),
            machine=machine,
        )
    )


def dist(name: str, version: str = "1.0", **fields: object) -> Distribution:
    return Distribution(name=name, version=version, site=0, path=f"{name}-{version}.dist-info", installer="uv", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("soname", "machine", "package"),
    [
        ("libGL.so.1", DEBIAN["12"], "libgl1"),
        ("libglib-2.0.so.0", DEBIAN["12"], "libglib2.0-0"),
        ("libgthread-2.0.so.0", DEBIAN["13"], "libglib2.0-0t64"),
        ("libgthread-2.0.so.0", UBUNTU["22.04"], "libglib2.0-0"),
        ("libgthread-2.0.so.0", UBUNTU["24.04"], "libglib2.0-0t64"),
        ("libasound.so.2", UBUNTU["24.04"], "libasound2t64"),
        ("libffi.so.7", DEBIAN["11"], "libffi7"),
        ("libffi.so.7", DEBIAN["12"], None),
        ("libffi.so.8", DEBIAN["13"], "libffi8"),
        ("libssl.so.1.1", UBUNTU["20.04"], "libssl1.1"),
        ("libssl.so.1.1", UBUNTU["22.04"], None),
        ("libssl.so.3", DEBIAN["13"], "libssl3t64"),
        ("libmpi.so.40", DEBIAN["12"], "libopenmpi3"),
        ("libmpi.so.40", UBUNTU["24.04"], "libopenmpi3t64"),
        ("libmpi.so.40", DEBIAN["13"], "libopenmpi40"),
        ("libaio.so.1", DEBIAN["13"], None),
        ("libavcodec.so.59", DEBIAN["12"], "libavcodec59"),
        ("libavcodec.so.60", UBUNTU["24.04"], "libavcodec60"),
        ("libcrypt.so.2", DEBIAN["12"], None),
        ("libGL.so.1", FEDORA, "libglvnd-glx"),
        ("libcrypt.so.1", ROCKY, "libcrypt.so.1()(64bit)"),
        ("libGL.so.1", SUSE, "libGL.so.1()(64bit)"),
        ("libGL.so.1", ALPINE, "mesa-gl"),
        ("libOpenGL.so.0", ALPINE, "so:libOpenGL.so.0"),
        ("libcrypt.so.1", ARCH, "libxcrypt-compat"),
        ("@rpath/libomp.dylib", MAC, "libomp"),
        ("/usr/local/opt/libusb/lib/libusb-1.0.0.dylib", MAC, "libusb"),
        ("libgdal.34.dylib", MAC, "gdal"),
        ("VCRUNTIME140_1.dll", WINDOWS, "Microsoft.VCRedist.2015+.x64"),
        ("libnobody-knows-it.so.7", DEBIAN["12"], None),
        ("libnobody-knows-it.so.7", FEDORA, None),
        ("libGL.so.1", MAC, None),
    ],
)
def test_package_of_a_system(soname: str, machine: Machine, package: str | None) -> None:
    by = system.manager(machine, {})
    assert by is not None
    assert system.package(soname, by, machine) == package


def test_a_release_that_is_not_known_gets_names_that_hold_for_all() -> None:
    sid = Machine(distribution="debian")
    assert system.package("libglib-2.0.so.0", "apt-get", sid) == "libglib2.0-0"
    assert system.package("libmpi.so.40", "apt-get", sid) is None
    mint = Machine(distribution="linuxmint", distribution_like=("ubuntu", "debian"), os_version="21.3")
    assert system.package("libGL.so.1", "apt-get", mint) == "libgl1"


@pytest.mark.parametrize(
    ("machine", "tools", "found"),
    [
        (ROCKY, {}, "dnf"),
        (ROCKY, {"microdnf": "/usr/bin/microdnf"}, "microdnf"),
        (Machine(distribution="centos", distribution_like=("rhel", "fedora"), os_version="7"), {}, "yum"),
        (Machine(distribution="amzn", distribution_like=("centos", "rhel", "fedora"), os_version="2"), {}, "yum"),
        (Machine(distribution="nixos"), {"apt-get": "/x"}, None),
        (Machine(), {"apk": "/sbin/apk"}, "apk"),
        (Machine(), {}, None),
        (Machine(distribution="azurelinux"), {}, "tdnf"),
    ],
)
def test_package_manager(machine: Machine, tools: dict[str, str], found: str | None) -> None:
    assert system.manager(machine, tools) == found


def test_fix_on_debian() -> None:
    (fix,) = view(DEBIAN["12"]).remedy.system_library("libGL.so.1", "LIB001", verify=[("/env/bin/python", "-c", "import cv2")])
    assert fix.commands == (("apt-get", "install", "-y", "libgl1"),)
    assert fix.safety == "unsafe"
    assert fix.verify == (
        ("/env/bin/python", "-c", "import cv2"),
        ("envdoctor", "check", "-p", "/env", "--select", "LIB001"),
    )


def test_images_of_containers_have_no_package_lists() -> None:
    slim = Machine(distribution="debian", os_version="12", container="docker")
    (fix,) = view(slim).remedy.system_library("libGL.so.1")
    assert fix.commands == (("apt-get", "update"), ("apt-get", "install", "-y", "libgl1"))


def test_fix_in_a_conda_target_comes_from_conda_forge_first() -> None:
    fixes = view(DEBIAN["12"], "conda", mamba="/bin/mamba").remedy.system_library("libGL.so.1")
    assert [f.commands[0] for f in fixes] == [
        ("mamba", "install", "-p", "/env", "-c", "conda-forge", "libgl"),
        ("apt-get", "install", "-y", "libgl1"),
    ]
    (fix,) = view(DEBIAN["12"], "pixi").remedy.system_library("libssl.so.1.1")
    assert fix.commands == (("pixi", "add", "openssl=1.1.1"),)


def test_a_distribution_that_does_without_the_library() -> None:
    cv2 = dist("opencv-python", "4.10.0.84")
    here, lean = view(DEBIAN["12"]).remedy.system_library("libgthread-2.0.so.0", dist=cv2)
    assert here.commands == (("apt-get", "install", "-y", "libglib2.0-0"),)
    assert lean.commands == (
        ("uv", "pip", "uninstall", "--python", "/env/bin/python", "opencv-python"),
        ("uv", "pip", "install", "--python", "/env/bin/python", "opencv-python-headless==4.10.0.84"),
    )
    assert [f.title for f in view(DEBIAN["12"]).remedy.system_library("libpq.so.5", dist=cv2)] == [
        "install libpq5, which has libpq.so.5 (as root)"
    ], "the sister needs that one, too"
    (fix,) = view(Machine(distribution="nixos")).remedy.system_library("libGL.so.1", dist=cv2)
    assert "headless" in fix.title, "nothing better is known there"


def test_libraries_of_cuda_come_as_wheels_of_the_target_s_major() -> None:
    plain = view(DEBIAN["12"])
    (fix,) = plain.remedy.system_library("libcublas.so.12", "LIB001")
    assert fix.commands == (("uv", "pip", "install", "--python", "/env/bin/python", "nvidia-cublas-cu12"),)
    (fix,) = plain.remedy.system_library("libcudnn.so.9")
    assert (fix.safety, fix.commands) == ("manual", (("apt-file", "search", "/libcudnn.so.9"),)), "for which CUDA is not known"
    for others, wheel in (
        ([dist("nvidia-cublas-cu12", "12.8")], "nvidia-cudnn-cu12>=9"),
        ([dist("nvidia-cuda-runtime", "13.0.1")], "nvidia-cudnn-cu13>=9"),
        ([dist("torch", "2.9.0+cu130")], "nvidia-cudnn-cu13>=9"),
    ):
        snapshot = Snapshot(
            **{
                **{name: getattr(plain.snapshot, name) for name in plain.snapshot.__struct_fields__},
                "distributions": tuple(others),
            }
        )
        (fix,) = View(snapshot).remedy.system_library("libcudnn.so.9")
        assert fix.commands[0][-1] == wheel
    ort = dist("onnxruntime-gpu", "1.22.0", extras=("cuda", "cudnn"))
    extra, wheel_ = plain.remedy.system_library("libcublasLt.so.12", dist=ort)
    assert extra.commands[0][-1] == "onnxruntime-gpu[cuda,cudnn]==1.22.0"
    assert wheel_.commands[0][-1] == "nvidia-cublas-cu12"


@pytest.mark.parametrize("soname", ["libcuda.so.1", "nvcuda.dll", "libamdhip64.so.6", "libnvidia-ml.so.1"])
def test_drivers_are_no_packages(soname: str) -> None:
    (fix,) = view(DEBIAN["12"]).remedy.system_library(soname)
    assert (fix.safety, fix.commands) == ("manual", ())
    assert "driver" in fix.title or "ROCm" in fix.title


@pytest.mark.parametrize("machine", [DEBIAN["12"], FEDORA, SUSE, ALPINE, ARCH, MAC, WINDOWS, Machine(distribution="nixos")])
def test_no_package_is_made_up(machine: Machine) -> None:
    (fix,) = view(machine).remedy.system_library("libnobody-knows-it.so.7", "LIB001")
    assert fix.safety == "manual"
    assert not any(word in ("install", "add", "-S") for command in fix.commands for word in command)
    assert fix.verify


def test_other_release_where_this_one_has_it_no_more() -> None:
    (fix,) = view(UBUNTU["24.04"]).remedy.system_library("libssl.so.1.1")
    assert (fix.safety, fix.commands) == ("manual", ())
    assert "another release" in fix.title


def test_target_for_another_system() -> None:
    seen = view(DEBIAN["12"])
    mac = Target(prefix="/mac", kind="venv", chosen_by="test", system="macos", foreign=True)
    foreign = View(Snapshot(**{**{n: getattr(seen.snapshot, n) for n in seen.snapshot.__struct_fields__}, "target": mac}))
    (fix,) = foreign.remedy.system_library("@rpath/libomp.dylib")
    assert fix.commands == (("brew", "install", "libomp"),)


def test_the_plan_installs_all_packages_with_one_command() -> None:
    rule = Rule("LIB001", "shared-library-missing", "error")
    slim = Machine(distribution="debian", os_version="12", container="docker")
    for machine, start, packages in (
        (slim, [("apt-get", "update")], ("apt-get", "install", "-y", "libgl1", "libglib2.0-0", "libusb-1.0-0")),
        (FEDORA, [], ("dnf", "install", "-y", "libglvnd-glx", "glib2", "libusb-1.0.so.0()(64bit)")),
        (ALPINE, [], ("apk", "add", "mesa-gl", "glib", "libusb")),
        (ARCH, [], ("pacman", "-S", "--noconfirm", "libglvnd", "glib2", "libusb")),
    ):
        here = view(machine)
        findings = [
            rule.finding(f"{name} is missing", [here.file(name)], fixes=here.remedy.system_library(name, rule.code))
            for name in ("libGL.so.1", "libglib-2.0.so.0", "libgthread-2.0.so.0", "libusb-1.0.so.0")
        ]
        commands = [step.command for step in make(findings).steps]
        assert commands[:-1] == start
        assert commands[-1][: -len(packages[-3:])] == packages[:-3]
        assert set(commands[-1]) == set(packages)
        assert all(step.safety == "unsafe" for step in make(findings).steps)


def test_rows_are_well_formed() -> None:
    names: dict[str, set[str]] = {}
    for row in LIBRARIES:
        assert any(row[1:]), row
        for name in row.names.split():
            assert re.fullmatch(r"[\w.+*-]+\.(so[\w.*]*|dylib|dll)", name), name
            names.setdefault(name, set()).add(str(row))
        for cell in (row.dnf, row.apk, row.pacman, row.brew):
            assert re.fullmatch(r"([A-Za-z0-9][\w.+@-]*)?", cell), cell
        for deb in [(row.apt, "", "")] if isinstance(row.apt, str) else row.apt:
            assert re.fullmatch(r"([a-z0-9][a-z0-9.+-]+)?", deb[0]), deb
            for span in deb[1:]:
                assert re.fullmatch(r"none|[\d.]*-?[\d.]*", span), deb
        assert " " not in row.conda + row.pip + row.winget
    for name in names:
        assert system.driver(name) is None, name
        for machine in (*DEBIAN.values(), *UBUNTU.values()):
            found = {p for row in system.rows(name) if (p := system._debian(row.apt, machine))}
            assert len(found) <= 1, (name, machine.os_version, found)
    assert not set(DRIVERS) & set(names)


@pytest.mark.skipif(shutil.which("apt-cache") is None, reason="needs apt")
def test_names_of_this_debian_s_packages() -> None:
    """Every package that the table names for the Debian at hand is one."""
    release = dict(
        line.partition("=")[::2] for line in Path("/etc/os-release").read_text(encoding="utf-8").replace('"', "").splitlines()
    )
    machine = DEBIAN.get(release.get("VERSION_ID", ""))
    done = subprocess.run(["apt-cache", "pkgnames"], capture_output=True, text=True, check=False)
    known = set(done.stdout.split())
    if release.get("ID") != "debian" or machine is None or "libgl1-mesa-dri" not in known or len(known) < 30_000:
        pytest.skip("needs Debian with its package lists")
    named = {p for row in LIBRARIES if (p := system._debian(row.apt, machine))}
    assert len(named) > 200
    assert sorted(named - known) == []
