"""LIB003: undefined symbols. Compiled with gcc, and every fault proved by importing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from envdoctor.finding import Finding
from tests.builders import Env
from tests.loader.planted import SUFFIX, content, extension, library, needs_gcc
from tests.support import diagnose, only

pytestmark = needs_gcc

MANYLINUX = ("cp311-cp311-manylinux_2_17_x86_64",)
ERROR = "_ZN3c105ErrorC2Ev"
"""``c10::Error::Error()``, as compilers spell it."""


def calls(name: str) -> dict[str, str]:
    """An extension whose init function needs that C function."""
    return {"body": f"void {name}(void);", "use": f"if (!m.m_name) {name}();"}


def defines(*names: str) -> str:
    return "".join(f"void {name}(void) {{}}\n" for name in names) or "int nothing;\n"


def torch(env: Env, work: Path, version: str, *symbols: str) -> Path:
    """A distribution torch with libc10.so, which its own module loads by its RPATH; the library."""
    c10 = library(work / version / "torch/lib/libc10.so", code=defines(*symbols))
    core = extension(work / version / f"torch/_C{SUFFIX}", [c10], rpath="$ORIGIN/lib")
    env.dist(
        "torch",
        version,
        files={"torch/__init__.py": "from torch._C import *\n", **content(c10, core, root=work / version)},
        tags=MANYLINUX,
    )
    return c10


def flash(env: Env, work: Path, c10: Path, requires: str = "torch", tags: tuple[str, ...] = MANYLINUX) -> None:
    """A distribution flash-attn whose module needs torch's libc10.so and has no path to it."""
    core = extension(work / f"flash_attn_cuda{SUFFIX}", [c10], **calls(ERROR))
    files = {"flash_attn/__init__.py": "import torch\nimport flash_attn_cuda\n", **content(core, root=work)}
    env.dist("flash-attn", "2.7.0", requires=[requires], files=files, tags=tags)


def main(finding: Finding) -> tuple[str, str]:
    return finding.subjects[0].kind, finding.subjects[0].name


def names(finding: Finding) -> list[str]:
    return [subject.name for subject in finding.subjects if subject.kind == "distribution"]


def test_the_modules_own_symbol(env: Env, work: Path) -> None:
    core = extension(work / f"alpha/_core{SUFFIX}", **calls("alpha_nowhere"))
    env.dist("alpha", "1.2", files={"alpha/__init__.py": "from alpha import _core\n", **content(core, root=work)})
    assert "undefined symbol: alpha_nowhere" in env.run("-c", "import alpha").stderr
    finding = only(diagnose(env.prefix), "LIB003")
    assert finding.message == (
        f"alpha 1.2 cannot be loaded whole: _core{SUFFIX} needs alpha_nowhere, which nothing that is loaded with it defines"
    )
    assert (finding.severity, finding.confidence) == ("error", "certain")
    assert main(finding) == ("distribution", "alpha")
    assert finding.subjects[1].kind == "file"
    assert any("undefined alpha_nowhere" in line and "import alpha" in line for line in finding.evidence)
    assert "--no-build-isolation" in finding.fixes[0].commands[0]


def test_a_published_wheel_is_trusted_until_it_was_changed(env: Env, work: Path) -> None:
    core = extension(work / f"alpha/_core{SUFFIX}", **calls("alpha_nowhere"))
    files = {"alpha/__init__.py": "from alpha import _core\n", **content(core, root=work)}
    env.dist("alpha", files=files, tags=MANYLINUX)
    assert not env.imports("alpha")
    assert diagnose(env.prefix, "LIB003") == []
    assert only(diagnose(env.prefix, "LIB003", deep=True), "LIB003").severity == "error"
    path = env.site / f"alpha/_core{SUFFIX}"
    path.write_bytes(path.read_bytes() + b"\0")
    assert only(diagnose(env.prefix, "LIB003"), "LIB003").severity == "error"


def test_an_extension_of_another_torch(env: Env, work: Path) -> None:
    old = library(work / "old/libc10.so", code=defines(ERROR))
    torch(env, work, "2.6.0")
    flash(env, work, old)
    assert f"undefined symbol: {ERROR}" in env.run("-c", "import flash_attn").stderr
    finding = only(diagnose(env.prefix, "LIB001", "LIB003"), "LIB003")
    assert finding.message == (
        f"flash-attn 2.7.0 does not fit the installed torch 2.6.0: flash_attn_cuda{SUFFIX} needs c10::Error::Error, "
        "which libc10.so does not define"
    )
    assert finding.severity == "error"
    assert names(finding) == ["flash-attn", "torch"]
    assert finding.fixes[0].title == "upgrade flash-attn and torch together, to releases that were built for each other"
    assert finding.fixes[0].commands[0][-3:] == ("--upgrade", "flash-attn", "torch")
    assert finding.fixes[0].verify[0][-1] == "import torch, flash_attn_cuda"


def test_an_extension_that_was_built_here_is_built_again(env: Env, work: Path) -> None:
    old = library(work / "old/libc10.so", code=defines(ERROR))
    torch(env, work, "2.6.0")
    flash(env, work, old, requires="torch==2.5.0", tags=("cp311-cp311-linux_x86_64",))
    assert not env.imports("flash_attn")
    fixes = only(diagnose(env.prefix, "LIB003"), "LIB003").fixes
    assert fixes[0].commands[0][-1] == "torch==2.5.0"
    assert "--no-build-isolation" in fixes[1].commands[0]
    assert fixes[1].commands[0][-1] == "flash-attn==2.7.0"


@pytest.mark.parametrize("deep", [False, True])
def test_a_matching_pair(env: Env, work: Path, deep: bool) -> None:
    c10 = torch(env, work, "2.6.0", ERROR)
    flash(env, work, c10)
    assert env.imports("flash_attn")
    assert diagnose(env.prefix, "LIB001", "LIB003", "ARC004", deep=deep) == []


def test_an_operator_library_of_another_torch(env: Env, work: Path) -> None:
    old = library(work / "old/libc10.so", code=defines(ERROR))
    torch(env, work, "2.6.0")
    ops = library(work / "vision/_C.so", [old], code=f"void {ERROR}(void); void (*use)(void) = {ERROR};\n")
    loads = "import ctypes, os, torch\nctypes.CDLL(os.path.join(os.path.dirname(__file__), '_C.so'))\n"
    env.dist(
        "vision", "0.21.0", requires=["torch"], files={"vision/__init__.py": loads, **content(ops, root=work)}, tags=MANYLINUX
    )
    assert f"undefined symbol: {ERROR}" in env.run("-c", "import vision").stderr
    finding = only(diagnose(env.prefix, "LIB001", "LIB003"), "LIB003")
    assert finding.severity == "error"
    assert names(finding) == ["vision", "torch"]


def test_a_helper_that_catches_and_raises_again(env: Env, work: Path) -> None:
    """fbgemm_gpu's way: whether it raises is for the caller to say, and at import it does."""
    old = library(work / "old/libc10.so", code=defines(ERROR))
    torch(env, work, "2.6.0")
    ops = library(work / "gemm/gemm_py.so", [old], code=f"void {ERROR}(void); void (*use)(void) = {ERROR};\n")
    loads = (
        "import ctypes, os, torch\n"
        "def load(name, no_throw=False):\n"
        "    try:\n"
        "        ctypes.CDLL(os.path.join(os.path.dirname(__file__), name))\n"
        "    except Exception as error:\n"
        "        if not no_throw:\n"
        "            raise error\n"
        "for name in ['gemm_py']:\n"
        "    load(f'{name}.so')\n"
    )
    env.dist("gemm", "1.9.0", files={"gemm/__init__.py": loads, **content(ops, root=work)}, tags=MANYLINUX)
    assert not env.imports("gemm")
    assert only(diagnose(env.prefix, "LIB003"), "LIB003").severity == "error"


def test_a_guarded_module_that_does_not_fit_another_distribution(env: Env, work: Path) -> None:
    """torchrl's way: the package works without its module."""
    old = library(work / "old/libc10.so", code=defines(ERROR))
    torch(env, work, "2.6.0")
    cores = [extension(work / f"rl/{name}{SUFFIX}") for name in ("_one", "_two")]
    core = extension(work / f"rl/_rl{SUFFIX}", [old], **calls(ERROR))
    source = "import torch\ntry:\n    from rl import _rl\nexcept ImportError:\n    _rl = None\n"
    env.dist("rl", requires=["torch"], files={"rl/__init__.py": source, **content(core, *cores, root=work)}, tags=MANYLINUX)
    assert env.imports("rl")
    assert not env.imports("rl._rl")
    assert only(diagnose(env.prefix, "LIB003"), "LIB003").severity == "warning"


def test_a_guarded_import_is_a_remark(env: Env, work: Path) -> None:
    cores = [extension(work / f"alpha/{name}{SUFFIX}") for name in ("_one", "_two")]
    fast = extension(work / f"alpha/_fast{SUFFIX}", **calls("alpha_nowhere"))
    source = "from alpha import _one, _two\ntry:\n    from alpha import _fast\nexcept ImportError:\n    _fast = None\n"
    env.dist("alpha", files={"alpha/__init__.py": source, **content(*cores, fast, root=work)})
    assert env.imports("alpha")
    assert not env.imports("alpha._fast")
    assert only(diagnose(env.prefix, "LIB003"), "LIB003").severity == "info"


def test_two_distributions_own_one_library(env: Env, work: Path) -> None:
    """The newer NCCL was written first, the older one over it (xgboost beside torch)."""
    path = "nvidia/nccl/lib/libnccl.so.2"
    new = library(work / "new" / path, code=defines("ncclCommInit", "ncclCommResume"))
    old = library(work / "old" / path, code=defines("ncclCommInit"))
    cuda = library(
        work / "torch/lib/libtorch_cuda.so",
        [new],
        rpath="$ORIGIN/../../nvidia/nccl/lib",
        code="void ncclCommResume(void); void (*use)(void) = ncclCommResume;\n",
    )
    core = extension(work / f"torch/_C{SUFFIX}", [cuda], rpath="$ORIGIN/lib")
    env.dist("nvidia-nccl-cu13", "2.28.0", files=content(new, root=work / "new"), tags=MANYLINUX)
    env.dist("nvidia-nccl-cu12", "2.21.0", files=content(old, root=work / "old"), tags=MANYLINUX)
    env.dist(
        "torch",
        "2.9.0",
        requires=["nvidia-nccl-cu13==2.28.0"],
        files={"torch/__init__.py": "import torch._C\n", **content(cuda, core, root=work)},
        tags=MANYLINUX,
    )
    assert "undefined symbol: ncclCommResume" in env.run("-c", "import torch").stderr
    finding = only(diagnose(env.prefix, "LIB003", "PKG008"), "LIB003")
    assert finding.severity == "error"
    assert names(finding) == ["torch", "nvidia-nccl-cu12", "nvidia-nccl-cu13"]
    assert "libnccl.so.2 is recorded by nvidia-nccl-cu12 and nvidia-nccl-cu13" in finding.evidence
    assert finding.fixes[0].commands[0][-1] == "nvidia-nccl-cu13==2.28.0"
    (env.site / path).write_bytes(new.read_bytes())
    assert env.imports("torch")
    assert diagnose(env.prefix, "LIB003") == []


def test_names_of_the_c_api_are_told_elsewhere(env: Env, work: Path) -> None:
    core = extension(work / f"alpha/_core{SUFFIX}", body="void PyObject_NotYet(void);", use="PyObject_NotYet();")
    env.dist("alpha", files={"alpha/__init__.py": "from alpha import _core\n", **content(core, root=work)})
    assert "undefined symbol: PyObject_NotYet" in env.run("-c", "import alpha").stderr
    findings = diagnose(env.prefix, "LIB003", "ARC004")
    assert [finding.code for finding in findings] == ["ARC004"]


def test_a_library_of_a_variable_is_told_elsewhere(env: Env, work: Path, tmp_path: Path) -> None:
    own = library(work / "alpha/lib/libjit.so.1", code=defines("jit_new"))
    other = library(tmp_path / "cuda/libjit.so.1", code=defines("jit_old"))
    core = extension(work / f"alpha/_core{SUFFIX}", [own], runpath="$ORIGIN/lib", **calls("jit_new"))
    env.dist("alpha", files={"alpha/__init__.py": "from alpha import _core\n", **content(own, core, root=work)})
    variables = {"LD_LIBRARY_PATH": str(other.parent)}
    assert env.imports("alpha")
    assert "undefined symbol: jit_new" in env.run("-c", "import alpha", env=variables).stderr
    assert diagnose(env.prefix, "LIB003", "PTH004") == []
    shell = {"PATH": "/nonexistent", "HOME": "/nonexistent", **variables}
    findings = diagnose(env.prefix, "LIB003", "PTH004", environ=shell)
    assert [(finding.code, finding.severity) for finding in findings] == [("PTH004", "error")]


def test_without_an_owner(env: Env, work: Path) -> None:
    extension(env.site / f"loose{SUFFIX}", **calls("nowhere_at_all"))
    assert not env.imports("loose")
    finding = only(diagnose(env.prefix, "LIB003"), "LIB003")
    assert main(finding)[0] == "file"
    assert finding.severity == "error"
    assert finding.fixes
