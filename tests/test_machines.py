"""Judging for another machine: ``snapshot --machine-only``, ``--machine``, ``--assume``; ``--share`` for what is sent away."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import msgspec
import pytest

from envdoctor.assume import KEYS, assume
from envdoctor.collect import memory
from envdoctor.conda.virtual import Virtuals
from envdoctor.diagnose import Request, machine_at_hand, observe
from envdoctor.select import UsageError
from envdoctor.share import Cleaner, cleaner
from envdoctor.snapshot import Gpu, Machine, Nvidia, Snapshot, from_json, to_json
from tests.builders import Env, venv
from tests.collect.test_frameworks import torch
from tests.conftest import Cli
from tests.fatbinaries import cuda_library


# ------------------------------------------------------------------------------------------------------------- --assume
def test_what_can_be_assumed() -> None:
    base = Machine(machine="x86_64", native_machine="x86_64", libc="glibc 2.36", libcs=("glibc 2.36",))
    found = assume(
        base, ["cuda-driver=550.54,gpu=2xsm_90", "glibc=2.28", "cpu=x86-64-v2,cpus=4,memory=64G,shm=64M,kernel=4.18.0"]
    )
    assert [(gpu.vendor, gpu.architecture) for gpu in found.gpus] == [("nvidia", "9.0")] * 2
    assert found.nvidia is not None and found.nvidia.driver == "550.54" and found.nvidia.devices == 2
    assert (found.libc, found.cpu.level, found.kernel) == ("glibc 2.28", "x86-64-v2", "4.18.0")
    assert "sse4_2" in found.cpu.flags and "avx" not in found.cpu.flags
    assert (found.limits.cpu_quota, found.limits.memory_limit, found.limits.shared_memory) == (4.0, 64 << 30, 64 << 20)
    assert found.source.startswith("this machine, with cuda-driver=550.54, gpu=2xsm_90")
    assert assume(base, []) is base


def test_assumptions_about_gpus() -> None:
    real = Machine(gpus=(Gpu(name="Tesla T4", vendor="nvidia", architecture="7.5"),), nvidia=Nvidia(driver="535.54.03"))
    assert assume(real, ["gpu=none"]).gpus == () and assume(real, ["gpu=none"]).nvidia is None
    kept = assume(real, ["cuda-driver=580.95.05"])
    assert kept.gpus == real.gpus and kept.nvidia is not None and kept.nvidia.driver == "580.95.05"
    other = assume(real, ["gpu=12.0"])
    assert other.gpus[0].architecture == "12.0" and other.nvidia is not None and other.nvidia.driver == "535.54.03"
    alone = assume(Machine(), ["cuda-driver=470.82.01"])
    assert [gpu.architecture for gpu in alone.gpus] == [None]
    amd = assume(real, ["gpu=gfx90a"])
    assert amd.nvidia is None and amd.amd is not None and amd.gpus[0].architecture == "gfx90a"


SENSELESS = ["gpu", "gpu=", "gpu=fast", "cuda-driver=new", "cuda=12", "glibc=new", "cpu=fast", "memory=all", "x=1", "=1"]


@pytest.mark.parametrize("text", SENSELESS)
def test_assumptions_that_make_no_sense(text: str, cli: Cli, env: Env) -> None:
    with pytest.raises(UsageError):
        assume(Machine(), [text])
    done = cli("check", env.prefix, "--assume", text)
    assert done.returncode == 2 and done.stderr.startswith("error: --assume") and not done.stdout


def test_every_key_is_in_the_hint() -> None:
    with pytest.raises(UsageError) as raised:
        assume(Machine(), ["color=blue"])
    assert all(key in (raised.value.hint or "") for key in KEYS)


def test_check_with_assumptions(cli: Cli, env: Env) -> None:
    torch(env, "2.7.1+cu126", "12.6")
    done = cli("check", env.prefix, "--select", "GPU", "--assume", "cuda-driver=470.82.01,gpu=sm_80")
    assert done.returncode == 1 and "GPU001 driver-too-old" in done.stdout
    assert "judged for this machine, with cuda-driver=470.82.01, gpu=sm_80" in " ".join(done.stdout.split())
    assert cli("check", env.prefix, "--select", "GPU", "--assume", "cuda-driver=550.54.15,gpu=sm_80").returncode == 0
    assert cli("check", env.prefix, "--select", "GPU").returncode == 0
    done = cli("check", env.prefix, "--select", "GPU", "--assume", "cuda-driver=470.82.01,gpu=sm_80", "--format", "json")
    assert json.loads(done.stdout)["machine"]["gpus"][0]["architecture"] == "8.0"


# --------------------------------------------------------------------------------------------------------- machine only
def test_the_machine_alone(cli: Cli, env: Env, tmp_path: Path) -> None:
    file = tmp_path / "node.json"
    done = cli("snapshot", "--machine-only", "--output", file)
    assert done.returncode == 0, done.stderr
    document = json.loads(file.read_text())
    assert document["schema_version"] == 1 and "target" not in document
    assert file.stat().st_size < 20_000
    assert cli("check", env.prefix, "--machine", file).returncode == 0
    assert json.loads(cli("snapshot", "--machine-only").stdout)["machine"]["kernel"] == document["machine"]["kernel"]


def test_the_machine_alone_looks_at_no_environment(cli: Cli, env: Env) -> None:
    done = cli("snapshot", env.prefix, "--machine-only")
    assert done.returncode == 2 and "error: --machine-only looks at no environment" in done.stderr


def test_a_machine_that_was_edited(cli: Cli, env: Env, tmp_path: Path) -> None:
    """What a node's file says is judged: its GPU, its driver, its limits."""
    torch(env, "2.9.0+cu130", "13.0")
    gpu = Gpu(name="NVIDIA A100", vendor="nvidia", architecture="8.0")
    machine = msgspec.structs.replace(machine_at_hand({}), gpus=(gpu,), nvidia=Nvidia(driver="535.54.03"))
    file = tmp_path / "node.json"
    file.write_bytes(msgspec.json.encode({"schema_version": 1, "machine": machine}))
    done = cli("check", env.prefix, "--machine", file, "--select", "GPU", "--format", "json")
    assert [finding["code"] for finding in json.loads(done.stdout)["findings"]] == ["GPU001"]


# -------------------------------------------------------------------------------------------------------------- --share
@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("/gpfs/people/alice/env/lib", "/home/user/env/lib"),
        ("/gpfs/people/alicent/x", "/gpfs/people/alicent/x"),
        ("/home/bob/y:/home/bob/z", "/home/user2/y:/home/user2/z"),
        ("/Users/Carol/Library", "/Users/user2/Library"),
        ("C:\\Users\\Dave\\env", "C:\\Users\\user2\\env"),
        ("/tmp/pip-build-alice/z", "/tmp/pip-build-user/z"),
        ("node17.cluster.corp: x", "host1.example: x"),
        ("on node17", "on host2.example"),
        ("https://alice:secret@wheels.corp.local/simple?token=abc", "https://****@host3.example/simple?token=****"),
        ("https://pypi.org/simple", "https://pypi.org/simple"),
        ("git+ssh://git@github.com/a/b", "git+ssh://git@github.com/a/b"),
        ("git+ssh://git@git.corp.local/a/b", "git+ssh://git@host3.example/a/b"),
        ("token hf_abcdefghijklmnopqrstuv", "token ****"),
        ("https://conda.anaconda.org/t/ab-12345678/corp", "https://conda.anaconda.org/t/****/corp"),
        ("conda", "conda"),
        ("memcpy@GLIBC_2.14", "memcpy@GLIBC_2.14"),
        ("/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libc.so.6"),
        ("/root/env", "/root/env"),
        ("mail erin@corp.local", "mail user2@host3.example"),
        ("\\\\fileserver\\share\\env", "\\\\host3.example\\share\\env"),
    ],
)
def test_what_is_left_out(text: str, clean: str) -> None:
    found = cleaner([{"HOME": "/gpfs/people/alice", "USER": "alice"}], (), ("node17.cluster.corp",))
    assert found.text(text) == clean


def test_the_same_for_the_same() -> None:
    found = Cleaner(users=["alice"])
    assert found.text("/home/zoe/a") == found.text("/home/zoe/a") != found.text("/home/yan/a")
    assert Cleaner().value({"variables": {"SLURM_JOB_NODELIST": "node[1-4]", "SLURM_JOB_ID": "17", "PIP_USER": "yes"}}) == {
        "variables": {"SLURM_JOB_NODELIST": "****", "SLURM_JOB_ID": "17", "PIP_USER": "yes"}
    }


@pytest.fixture
def personal(tmp_path: Path) -> tuple[Env, dict[str, str]]:
    """An environment in the home folder of somebody, on a machine with a name, used from a shell with secrets."""
    home = tmp_path / "people" / "wilhelmina"
    home.mkdir(parents=True)
    env = venv(home / "work/env")
    env.dist("alpha", requires=["beta"])
    shell = {
        "HOME": str(home),
        "USER": "wilhelmina",
        "PIP_INDEX_URL": "https://wilhelmina:hunter2@pypi.internal.corp/simple",
        "HF_TOKEN": "hf_abcdefghijklmnopqrstuvwx",
        "PYTHONPATH": str(home / "code"),
        "SLURM_JOB_USER": "wilhelmina",
        "LD_LIBRARY_PATH": "/home/gwendolyn/lib",
    }
    return env, shell


SECRET = re.compile("wilhelmina|gwendolyn|hunter2|hf_abc|internal.corp")


@pytest.mark.parametrize("form", ["terminal", "json", "sarif", "junit", "github", "markdown", "html"])
def test_reports_to_be_shared(cli: Cli, personal: tuple[Env, dict[str, str]], form: str) -> None:
    env, shell = personal
    open_ = cli("check", env.prefix, "--format", form, "-v", env=shell)
    assert form == "junit" or SECRET.search(open_.stdout)
    done = cli("check", env.prefix, "--format", form, "-v", "--share", env=shell)
    assert done.returncode == open_.returncode and "beta" in done.stdout
    assert not SECRET.search(done.stdout), SECRET.search(done.stdout)


def test_a_snapshot_to_be_shared_gives_the_same_findings(cli: Cli, personal: tuple[Env, dict[str, str]], tmp_path: Path) -> None:
    env, shell = personal
    file = tmp_path / "shared.json"
    assert cli("snapshot", env.prefix, "--share", "--output", file, env=shell).returncode == 0
    assert not SECRET.search(file.read_text())
    from_json(file.read_bytes())

    def codes(*words: object) -> list[tuple[str, str]]:
        done = cli("check", *words, "--format", "json", "--ignore", "SYS", env=shell)
        return [(finding["code"], finding["fingerprint"]) for finding in json.loads(done.stdout)["findings"]]

    assert codes("--snapshot", file) == codes(env.prefix)


def test_a_machine_to_be_shared(cli: Cli, personal: tuple[Env, dict[str, str]]) -> None:
    done = cli("snapshot", "--machine-only", "--share", env=personal[1])
    assert done.returncode == 0 and not SECRET.search(done.stdout)


# ------------------------------------------------------------------------------------------------------------ virtual
@pytest.mark.parametrize(
    ("machine", "version"),
    [
        (Machine(nvidia=Nvidia(driver="550.54.15", cuda="12.4")), "12.4"),
        (Machine(nvidia=Nvidia(driver="535.161.08")), "12.2"),
        (Machine(nvidia=Nvidia(driver="999.1")), None),
        (Machine(nvidia=Nvidia(driver="unknown")), None),
        (Machine(nvidia=Nvidia(hardware=1)), "absent"),
        (Machine(), "absent"),
    ],
)
def test_the_virtual_package_of_cuda(env: Env, machine: Machine, version: str | None) -> None:
    snapshot: Snapshot = observe(Request(target=str(env.prefix), environ={"PATH": ""}, cwd="/")).snapshot
    found = Virtuals(snapshot, machine).real.get("__cuda")
    if version is None:
        assert found is None
    elif version == "absent":
        assert found is not None and not found.there
    else:
        assert found is not None and (found.there, found.version) == (True, version)


def test_snapshots_keep_the_new_facts(env: Env) -> None:
    torch(env, "2.7.1+cu126", "12.6")
    snapshot = observe(Request(target=str(env.prefix), environ={"PATH": ""}, cwd="/", for_gpu=True)).snapshot
    assert snapshot.device_code == () and snapshot.frameworks
    assert from_json(to_json(snapshot)) == snapshot


def test_device_code_is_kept(env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run takes over what the fat binaries said, and reads anew what has changed since."""
    monkeypatch.setattr(memory, "TICK", 30_000_000)
    place = env.site / "kernels/_C.so"
    env.dist(
        "kernels", files={"kernels/__init__.py": "", "kernels/_C.so": cuda_library(tmp_path / "x.so", ("sm_80",)).read_bytes()}
    )

    def run() -> tuple[list[str], tuple[str, ...]]:
        time.sleep(0.06)
        shell = {"PATH": "", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        collected = observe(Request(target=str(env.prefix), environ=shell, cwd="/", for_gpu=True, use_cache=True))
        assert collected.memory is not None and collected.snapshot.device_code is not None
        (code,) = collected.snapshot.device_code
        return collected.memory.used, code.sets[0].binaries

    assert run()[1] == ("sm_80",)
    used, names = run()
    assert "device-code" in used and names == ("sm_80",)
    place.write_bytes(cuda_library(tmp_path / "y.so", ("sm_90",), ("sm_90",)).read_bytes())
    used, names = run()
    assert "device-code" not in used and names == ("sm_90",)
