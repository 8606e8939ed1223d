"""What frameworks' files say, read as text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envdoctor.snapshot import Framework
from tests.builders import Env
from tests.effort import ends
from tests.support import snapshot_of

TORCH = """from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip']
__version__ = {version!r}
debug = False
cuda: Optional[str] = {cuda!r}
git_version = 'e2d141dbde55c2a4370fac5165b0561b6af4798b'
hip: Optional[str] = {hip!r}
xpu: Optional[str] = {xpu!r}
"""
TENSORFLOW = """import collections

build_info = collections.OrderedDict([('cpu_compiler', '/usr/lib/llvm-18/bin/clang'),
('cuda_compute_capabilities', ['sm_60', 'sm_70', 'sm_80', 'sm_89', 'compute_90']), ('cuda_version', '12.5.1'),
('cudnn_version', '9'), ('is_cuda_build', True), ('is_rocm_build', False), ('is_tensorrt_build', False)])
"""


def torch(
    env: Env, version: str, cuda: str | None = None, hip: str | None = None, xpu: str | None = None, **more: object
) -> Path:
    """A torch of which there is nothing but what says its build."""
    text = TORCH.format(version=version, cuda=cuda, hip=hip, xpu=xpu)
    plain = version.partition("+")[0]
    return env.dist("torch", plain, files={"torch/__init__.py": "", "torch/version.py": text}, **more)  # type: ignore[arg-type]


def frameworks(env: Env) -> dict[str, Framework]:
    return {one.name: one for one in snapshot_of(env.prefix).frameworks}


@pytest.mark.parametrize(
    ("version", "cuda", "hip", "xpu", "build"),
    [
        ("2.7.1+cu126", "12.6", None, None, "cuda"),
        ("2.7.1+cpu", None, None, None, "cpu"),
        ("2.7.1", None, None, None, "cpu"),
        ("2.7.1+rocm6.3", None, "6.3.42131-fa1d09cbd", None, "rocm"),
        ("2.7.1+xpu", None, None, "20250000", "xpu"),
    ],
)
def test_torch(env: Env, version: str, cuda: str | None, hip: str | None, xpu: str | None, build: str) -> None:
    torch(env, version, cuda, hip, xpu)
    one = frameworks(env)["torch"]
    assert (one.version, one.build, one.cuda, one.path) == (version, build, cuda, "torch/version.py")
    assert one.rocm == ("6.3" if hip else None)


@pytest.mark.parametrize("text", ["", "cuda = os.environ['X']\n", "\0\xff", "__version__ = 2\n"])
def test_torch_that_says_nothing(env: Env, text: str) -> None:
    env.dist("torch", "2.7.1", files={"torch/__init__.py": "", "torch/version.py": text})
    assert frameworks(env)["torch"].build == "unknown"


def test_torch_without_its_file(env: Env) -> None:
    env.dist("torch", "2.7.1", files={"torch/__init__.py": ""})
    assert frameworks(env) == {}


def test_companions_of_torch(env: Env) -> None:
    env.dist("torchvision", "0.22.1", files={"torchvision/version.py": "__version__ = '0.22.1+cu126'\n"})
    env.dist("torchaudio", "2.7.1", files={"torchaudio/version.py": "__version__ = '2.7.1+cpu'\n"})
    env.dist("torch-scatter", "2.1.2+pt25cu124", files={"torch_scatter/__init__.py": ""})
    env.dist("flash-attn", "2.8.3+cu12torch2.7cxx11abiTRUE", files={"flash_attn/__init__.py": ""})
    env.dist("xformers", "0.0.28+cu118", files={"xformers/__init__.py": ""})
    env.dist("something", "1.0+local.build", files={"something/__init__.py": ""})
    found = frameworks(env)
    assert {name: (one.build, one.cuda, one.torch) for name, one in found.items()} == {
        "torchvision": ("cuda", "12.6", None),
        "torchaudio": ("cpu", None, None),
        "torch-scatter": ("cuda", "12.4", "2.5"),
        "flash-attn": ("cuda", "12", "2.7"),
        "xformers": ("cuda", "11.8", None),
    }


def test_jax(env: Env) -> None:
    env.dist("jax", "0.6.2", files={"jax/version.py": "_version = '0.6.2'\n_minimum_jaxlib_version = \"0.6.1\"\n"})
    env.dist("jaxlib", "0.6.2", files={"jaxlib/version.py": ""})
    env.dist("jax-cuda12-plugin", "0.6.2", files={"jax_cuda12_plugin/__init__.py": ""})
    env.dist("jax-rocm60-plugin", "0.6.2", files={"jax_rocm60_plugin/__init__.py": ""})
    found = frameworks(env)
    assert found["jax"].minimum == "0.6.1"
    assert [(name, one.build, one.cuda, one.rocm) for name, one in found.items() if name != "jax"] == [
        ("jax-cuda12-plugin", "cuda", "12", None),
        ("jax-rocm60-plugin", "rocm", None, "6.0"),
        ("jaxlib", "cpu", None, None),
    ]


def test_tensorflow(env: Env) -> None:
    env.dist("tensorflow", "2.19.0", files={"tensorflow/python/platform/build_info.py": TENSORFLOW})
    one = frameworks(env)["tensorflow"]
    assert (one.build, one.cuda, one.cudnn) == ("cuda", "12.5.1", "9")
    assert one.architectures == ("sm_60", "sm_70", "sm_80", "sm_89", "compute_90")


def test_onnxruntime(env: Env) -> None:
    text = "package_name = 'onnxruntime-gpu'\n__version__ = '1.22.0'\ncuda_version = '12.8'\ncudnn_version = '9.8'\n"
    env.dist("onnxruntime-gpu", "1.22.0", files={"onnxruntime/capi/build_and_package_info.py": text})
    one = frameworks(env)["onnxruntime-gpu"]
    assert (one.build, one.cuda, one.cudnn) == ("cuda", "12.8", "9.8")


def test_onnxruntime_under_another(env: Env) -> None:
    """What lies there is the other one's: nothing is known of what was written over."""
    text = "package_name = 'onnxruntime'\n__version__ = '1.22.0'\n"
    env.dist("onnxruntime-gpu", "1.22.0", files={"onnxruntime/capi/build_and_package_info.py": text})
    assert frameworks(env) == {}


@pytest.mark.parametrize(("name", "cuda"), [("cupy-cuda12x", "12"), ("cupy-cuda111", "11.1"), ("cupy-cuda13x", "13")])
def test_cupy(env: Env, name: str, cuda: str) -> None:
    env.dist(name, "13.4.1", files={"cupy/__init__.py": ""})
    assert frameworks(env)[name].cuda == cuda


JUNK = ["cuda:" + " " * 200_000, "cuda" + " " * 200_000, "'cuda_compute_capabilities': [" * 8000, "\n" * 200_000]


@pytest.mark.parametrize("junk", JUNK)
def test_long_lines_end(env: Env, junk: str) -> None:
    env.dist("torch", "2.7.1", files={"torch/version.py": junk})
    env.dist("tensorflow", "2.19.0", files={"tensorflow/python/platform/build_info.py": junk})
    env.dist("jax", "0.6.2", files={"jax/version.py": junk})
    with ends(20):
        found = frameworks(env)
    assert found["torch"].build == "unknown" and found["tensorflow"].build == "cpu"


def test_what_is_no_file(env: Env) -> None:
    """FIFOs, loops and folders in the place of the files."""
    env.dist("torch", "2.7.1", files={"torch/__init__.py": ""})
    os.mkfifo(env.site / "torch/version.py")
    env.dist("jax", "0.6.2", files={"jax/__init__.py": ""})
    (env.site / "jax/version.py").symlink_to("version.py")
    env.dist("tensorflow", "2.19.0", files={"tensorflow/python/platform/build_info.py/x": ""})
    assert set(frameworks(env)) == {"jax"}
