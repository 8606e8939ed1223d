"""LIB001, LIB008 and LIB009: libraries that are nowhere. Compiled with gcc, and every fault proved by importing it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import msgspec
import pytest

from envdoctor.diagnose import judge
from envdoctor.finding import Finding
from envdoctor.select import Selection
from envdoctor.snapshot import Machine
from tests.builders import Env, venv
from tests.loader.planted import SUFFIX, content, extension, library, needs_gcc, other_machine
from tests.support import diagnose, only, report_of, snapshot_of

pytestmark = needs_gcc
BOTH = ("LIB001", "LIB008")


def main(finding: Finding) -> tuple[str, str]:
    return finding.subjects[0].kind, finding.subjects[0].name


def lost(path: Path) -> Path:
    """A library to link with that is not there afterwards."""
    library(path)
    return path


def test_a_library_of_the_system_is_missing(env: Env, work: Path) -> None:
    gone = lost(work / "libnowhere.so.3")
    extension(work / f"alpha/_core{SUFFIX}", [gone])
    env.dist(
        "alpha",
        "1.2",
        files={"alpha/__init__.py": "from alpha import _core\n", **content(work / f"alpha/_core{SUFFIX}", root=work)},
    )
    assert "libnowhere.so.3: cannot open" in env.run("-c", "import alpha").stderr
    finding = only(diagnose(env.prefix, *BOTH), "LIB001")
    assert finding.message == "alpha needs libnowhere.so.3, which no library path provides"
    assert finding.severity == "error"
    assert finding.confidence == "certain"
    assert main(finding) == ("distribution", "alpha")
    assert finding.subjects[1].kind == "file"
    assert "alpha._core → libnowhere.so.3" in finding.evidence
    assert "import alpha loads it: alpha → alpha._core" in finding.evidence
    assert finding.fixes


def test_a_library_was_deleted_from_a_libs_folder(env: Env, work: Path) -> None:
    own = library(work / "alpha.libs/libown-1a2b3c4d.so.2")
    extension(work / f"alpha/_core{SUFFIX}", [own], rpath="$ORIGIN/../alpha.libs")
    files = {"alpha/__init__.py": "from ._core import *\n", **content(own, work / f"alpha/_core{SUFFIX}", root=work)}
    env.dist("alpha", files=files)
    assert env.imports("alpha")
    assert diagnose(env.prefix, *BOTH) == []
    (env.site / "alpha.libs/libown-1a2b3c4d.so.2").unlink()
    assert not env.imports("alpha")
    findings = diagnose(env.prefix, *BOTH, "PKG006")
    finding = only(findings, "LIB001")
    assert main(finding) == ("distribution", "alpha")
    assert finding.message == "alpha needs libown-1a2b3c4d.so.2, which alpha brought and which is gone"
    assert finding.caused_by == only(findings, "PKG006").fingerprint
    assert finding.fixes[0].safety == "safe"
    assert "alpha==1.0" in finding.fixes[0].commands[0]


def test_a_need_two_levels_deep(env: Env, work: Path) -> None:
    gone = lost(work / "libGL.so.9")
    qt = library(work / "alpha.libs/libQt5Gui.so.5", [gone])
    gui = library(work / "alpha.libs/libgui.so", [qt])
    extension(work / f"alpha/_core{SUFFIX}", [gui], rpath="$ORIGIN/../alpha.libs")
    built = content(qt, gui, work / f"alpha/_core{SUFFIX}", root=work)
    env.dist("alpha", files={"alpha/__init__.py": "import alpha._core\n", **built})
    gone.unlink()
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, *BOTH), "LIB001")
    assert "alpha._core → libgui.so → libQt5Gui.so.5 → libGL.so.9" in finding.evidence
    assert main(finding) == ("distribution", "alpha")
    assert f"lib/python3.{sys.version_info.minor}/site-packages/alpha.libs/libQt5Gui.so.5" in [s.name for s in finding.subjects]


@pytest.mark.parametrize("style", ["runpath", "rpath"])
def test_runpath_is_not_inherited(env: Env, work: Path, style: str) -> None:
    deep = library(work / "alpha.libs/libdeep.so")
    middle = library(work / "alpha.libs/libmiddle.so", [deep])
    extension(work / f"alpha/_core{SUFFIX}", [middle], **{style: "$ORIGIN/../alpha.libs"})
    built = content(deep, middle, work / f"alpha/_core{SUFFIX}", root=work)
    env.dist("alpha", files={"alpha/__init__.py": "from . import _core\n", **built})
    findings = diagnose(env.prefix, *BOTH)
    if env.imports("alpha"):
        assert style == "rpath"
        assert findings == []
        return
    assert style == "runpath"
    finding = only(findings, "LIB001")
    assert "which stands where the loader does not look" in finding.message
    assert any("libdeep.so has that name" in line for line in finding.evidence)


def test_members_of_a_libs_folder_without_a_path_of_their_own(env: Env, work: Path) -> None:
    """rasterio, fiona, h5py: the module's own needs load them all before one asks for another."""
    deep = library(work / "alpha.libs/libdeep.so")
    middle = library(work / "alpha.libs/libmiddle.so", [deep])
    extension(work / f"alpha/_core{SUFFIX}", [middle, deep], runpath="$ORIGIN/../alpha.libs")
    built = content(deep, middle, work / f"alpha/_core{SUFFIX}", root=work)
    env.dist("alpha", files={"alpha/__init__.py": "from . import _core\n", **built})
    assert env.imports("alpha")
    assert diagnose(env.prefix, *BOTH) == []


def test_a_library_of_another_machine(env: Env, work: Path) -> None:
    own = library(work / "alpha/libown.so")
    extension(work / f"alpha/_core{SUFFIX}", [own], rpath="$ORIGIN")
    other_machine(own)
    built = content(own, work / f"alpha/_core{SUFFIX}", root=work)
    env.dist("alpha", files={"alpha/__init__.py": "from . import _core\n", **built})
    assert not env.imports("alpha")
    findings = diagnose(env.prefix, *BOTH, "ARC002")
    finding = only(findings, "LIB001")
    assert "aarch64" in finding.message
    assert finding.caused_by == only(findings, "ARC002").fingerprint


def test_one_library_and_many_users_are_one_finding(env: Env, work: Path) -> None:
    gone = lost(work / "libnowhere.so.3")
    for name in ("alpha", "beta", "gamma"):
        for number in range(4):
            extension(work / f"{name}/_m{number}{SUFFIX}", [gone])
        built = content(*(work / f"{name}/_m{number}{SUFFIX}" for number in range(4)), root=work)
        code = "".join(f"from . import _m{number}\n" for number in range(4))
        env.dist(name, files={f"{name}/__init__.py": code, **built})
    finding = only(diagnose(env.prefix, *BOTH), "LIB001")
    assert finding.message.startswith("alpha (and 2 others) needs libnowhere.so.3")
    assert [s.name for s in finding.subjects if s.kind == "distribution"] == ["alpha", "beta", "gamma"]


# ------------------------------------------------------------------------------------------------------------ look-alikes
def shared(env: Env, work: Path, *, requires: tuple[str, ...] = (), code: str = "", beta: str = "from . import _core\n") -> None:
    """`beta` ships and loads libbeta.so.1; `alpha`'s module needs it and has no path to it."""
    brought = library(work / "beta/lib/libbeta.so.1")
    extension(work / f"beta/_core{SUFFIX}", [brought] if "_core" in beta else [], rpath="$ORIGIN/lib")
    extension(work / f"alpha/_ext{SUFFIX}", [brought])
    built = content(brought, work / f"beta/_core{SUFFIX}", root=work)
    env.dist("beta", files={"beta/__init__.py": beta, **built})
    built = content(work / f"alpha/_ext{SUFFIX}", root=work)
    env.dist("alpha", requires=requires, files={"alpha/__init__.py": f"{code}from . import _ext\n", **built})


def test_a_requirement_has_loaded_it(env: Env, work: Path) -> None:
    shared(env, work, requires=("beta",), code="import beta\n")
    assert env.imports("alpha")
    assert diagnose(env.prefix, *BOTH) == []


def test_what_is_imported_without_a_requirement_has_loaded_it(env: Env, work: Path) -> None:
    shared(env, work, code="import beta\n")
    assert env.imports("alpha")
    snapshot = snapshot_of(env.prefix)
    assert [(p.distribution, p.library, p.provider) for p in snapshot.preloads] == [("alpha", "libbeta.so.1", "beta")]
    assert list(report_of(snapshot, *BOTH).findings) == []


def test_nobody_has_loaded_it(env: Env, work: Path) -> None:
    shared(env, work)
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, *BOTH), "LIB001")
    assert "beta/lib/libbeta.so.1" in finding.message


@pytest.mark.parametrize(
    "code",
    [
        "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), 'lib', 'libbeta.so.1'), ctypes.RTLD_GLOBAL)\n",
        "import ctypes, glob, os\nfor f in glob.glob(os.path.dirname(__file__) + '/lib/libbe*.so*'):\n    ctypes.CDLL(f)\n",
        "import ctypes, os\nD = os.path.dirname(__file__) + '/lib'\nfor f in os.listdir(D):\n    ctypes.CDLL(D + '/' + f)\n",
    ],
)
def test_python_code_has_loaded_it(env: Env, work: Path, code: str) -> None:
    shared(env, work, requires=("beta",), code="import beta\n", beta=code)
    assert env.imports("alpha")
    assert diagnose(env.prefix, *BOTH) == []


def test_the_requirement_was_uninstalled(env: Env, work: Path) -> None:
    shared(env, work, requires=("beta",), code="import beta\n")
    shutil.rmtree(env.site / "beta")
    shutil.rmtree(next(env.site.glob("beta-*.dist-info")))
    findings = diagnose(env.prefix, *BOTH, "PKG001")
    finding = only(findings, "LIB001")
    assert finding.caused_by == only(findings, "PKG001").fingerprint


def test_an_optional_module(env: Env, work: Path) -> None:
    """The package goes on without it: nothing that fails, so information at most."""
    gone = lost(work / "libnowhere.so.3")
    extension(work / f"alpha/_fast{SUFFIX}", [gone])
    code = "try:\n    from ._fast import f\nexcept ImportError:\n    f = None\n"
    env.dist("alpha", files={"alpha/__init__.py": code, **content(work / f"alpha/_fast{SUFFIX}", root=work)})
    assert env.imports("alpha")
    finding = only(diagnose(env.prefix, *BOTH), "LIB008")
    assert finding.severity == "info"
    assert main(finding) == ("distribution", "alpha")
    assert finding.message == "1 plugin of alpha needs a library that is not there: libnowhere.so.3"


def test_a_submodule_that_nobody_imports_by_itself(env: Env, work: Path) -> None:
    gone = lost(work / "libnowhere.so.3")
    for number in range(4):
        extension(work / f"alpha/_m{number}{SUFFIX}", [gone] if number == 3 else [])
    built = content(*(work / f"alpha/_m{number}{SUFFIX}" for number in range(4)), root=work)
    files = {"alpha/__init__.py": "from . import _m0, _m1, _m2\n", "alpha/sound.py": "from . import _m3\n", **built}
    env.dist("alpha", files=files)
    assert env.imports("alpha")
    assert not env.imports("alpha.sound")
    finding = only(diagnose(env.prefix, *BOTH), "LIB001")
    assert finding.severity == "warning"


def test_plugins_that_nothing_leads_to(env: Env, work: Path) -> None:
    gone = lost(work / "libwayland.so.0")
    extension(work / f"alpha/_core{SUFFIX}")
    plugins = [library(work / f"alpha/plugins/libplug{number}.so", [gone]) for number in range(7)]
    built = content(*plugins, work / f"alpha/_core{SUFFIX}", root=work)
    env.dist("alpha", files={"alpha/__init__.py": "from . import _core\n", **built})
    assert env.imports("alpha")
    finding = only(diagnose(env.prefix, *BOTH), "LIB008")
    assert finding.message == "7 plugins of alpha need a library that is not there: libwayland.so.0"
    assert finding.severity == "info"


def test_a_library_that_is_opened_when_the_package_is_imported(env: Env, work: Path) -> None:
    """lightgbm without libgomp."""
    gone = lost(work / "libgomp.so.99")
    built = content(library(work / "alpha/lib/lib_alpha.so", [gone]), root=work)
    code = (
        "import ctypes, os\n\ndef load():\n    folder = os.path.dirname(__file__)\n"
        "    return ctypes.cdll.LoadLibrary(os.path.join(folder, 'lib', 'lib_alpha.so'))\n\nLIB = load()\n"
    )
    env.dist("alpha", files={"alpha/__init__.py": "from .basic import LIB\n", "alpha/basic.py": code, **built})
    assert "libgomp.so.99" in env.run("-c", "import alpha").stderr
    finding = only(diagnose(env.prefix, *BOTH), "LIB001")
    assert finding.severity == "error"
    assert main(finding) == ("distribution", "alpha")
    assert finding.message == "alpha needs libgomp.so.99, which no library path provides"


def test_a_library_that_a_function_opens_where_it_is_wanted(env: Env, work: Path) -> None:
    """torchaudio's libsox: the function that opens it is handed to a lazy importer; another library is opened at import."""
    gone = lost(work / "libsox.so.99")
    plugin = content(library(work / "alpha/lib/libalpha_sox.so", [gone]), library(work / "alpha/lib/libalpha.so"), root=work)
    utils = (
        "import ctypes, os\n\ndef load(name):\n    ctypes.CDLL(os.path.join(os.path.dirname(__file__), 'lib', name + '.so'))\n"
        "\ndef sox():\n    load('libalpha_sox')\n"
        "\nclass Lazy:\n    def __init__(self, function):\n        self.function = function\n"
    )
    start = "from .utils import Lazy, load, sox\nload('libalpha')\nSOX = Lazy(sox)\n"
    env.dist("alpha", files={"alpha/__init__.py": start, "alpha/utils.py": utils, **plugin})
    assert env.imports("alpha")
    assert {finding.severity for finding in diagnose(env.prefix, *BOTH)} == {"info"}
    (env.site / "alpha/__init__.py").write_text(start + "sox()\n")
    assert not env.imports("alpha")
    assert only(diagnose(env.prefix, *BOTH), "LIB001").severity == "error"


def test_alternatives_none_of_which_fits(env: Env, work: Path) -> None:
    """torio: a module for each FFmpeg, none of which is installed, put together at run time; the rest of the package works."""
    for number in (4, 5, 6):
        extension(work / f"alpha/_ffmpeg{number}.so", [lost(work / f"libavnone.so.{number}")])
    for name in ("_core", "_more"):
        extension(work / f"alpha/{name}{SUFFIX}", [])
    built = content(*sorted((work / "alpha").glob("_*.so")), root=work)
    code = "import importlib\ndef ffmpeg(number):\n    return importlib.import_module(f'alpha._ff' + f'mpeg{number}')\n"
    env.dist("alpha", files={"alpha/__init__.py": f"from . import _core, _more\n{code}", **built})
    assert env.imports("alpha")
    assert {finding.severity for finding in diagnose(env.prefix, *BOTH)} == {"info"}


def test_a_library_that_is_tried(env: Env, work: Path) -> None:
    gone = lost(work / "libgomp.so.99")
    built = content(library(work / "alpha/lib/lib_alpha.so", [gone]), root=work)
    code = (
        "import ctypes, os\ntry:\n    LIB = ctypes.CDLL(os.path.dirname(__file__) + '/lib/lib_alpha.so')\n"
        "except OSError:\n    LIB = None\n"
    )
    env.dist("alpha", files={"alpha/__init__.py": code, **built})
    assert env.imports("alpha")
    assert only(diagnose(env.prefix, *BOTH), "LIB008").severity == "info"


def test_one_build_of_several_fits(env: Env, work: Path) -> None:
    """torchcodec, bitsandbytes, mpi4py: one library for each version of another; their names are put together at run time."""
    gone = [lost(work / f"libavnone.so.{number}") for number in (58, 59, 60)]
    cores = [library(work / f"alpha/libcore{number}.so", [need]) for number, need in enumerate(gone)]
    code = (
        "import ctypes, os\n\ndef load():\n    for n in range(3):\n        try:\n"
        "            return ctypes.CDLL(f'{os.path.dirname(__file__)}/libcore{n}.so')\n"
        "        except OSError:\n            pass\n"
    )
    env.dist("alpha", files={"alpha/__init__.py": f"{code}\nload()\n", **content(*cores, root=work)})
    assert env.imports("alpha")
    assert only(diagnose(env.prefix, *BOTH), "LIB008").message.startswith("3 plugins of alpha need")


def test_operators_that_only_the_library_defines(env: Env, work: Path) -> None:
    """torchvision made for CUDA beside a torch made for the CPU: its library does not load, and registering fakes fails."""
    gone = lost(work / "libtorch_cuda.so")
    built = content(library(work / "vision/_C.so", [gone]), root=work)
    torch = (
        "import ctypes\n"
        "class ops:\n    @staticmethod\n    def load_library(path):\n        ctypes.CDLL(path)\n        OPS.add('vision::nms')\n"
        "OPS = set()\n"
        "class library:\n    @staticmethod\n    def register_fake(name):\n        if name not in OPS:\n"
        "            raise RuntimeError(f'operator {name} does not exist')\n        return lambda f: f\n"
    )
    extension_ = (
        "import os, torch\n\ndef _load(name):\n    try:\n"
        "        torch.ops.load_library(os.path.join(os.path.dirname(__file__), name + '.so'))\n"
        "    except OSError:\n        return False\n\n_load('_C')\n"
    )
    meta = 'import torch\nimport vision.extension\n\n@torch.library.register_fake("vision::nms")\ndef nms():\n    pass\n'
    env.dist("torch", "2.13.0+cpu", files={"torch/__init__.py": torch})
    files = {"vision/__init__.py": "from vision import _meta\n", "vision/extension.py": extension_, "vision/_meta.py": meta}
    env.dist("vision", requires=("torch",), files={**files, **built})
    assert "operator vision::nms does not exist" in env.run("-c", "import vision").stderr
    finding = only(diagnose(env.prefix, *BOTH), "LIB001")
    assert finding.message == "vision needs libtorch_cuda.so, which torch 2.13.0+cpu does not have"
    assert [s.name for s in finding.subjects[:2]] == ["vision", "torch"]
    assert "one index" in finding.fixes[0].title


def test_modules_for_another_python_do_not_count(env: Env, work: Path) -> None:
    gone = lost(work / "libnowhere.so.3")
    built = content(extension(work / f"alpha/_core{SUFFIX}"), root=work)
    other = extension(work / f"other/_core{SUFFIX}", [gone]).read_bytes()
    files = {"alpha/__init__.py": "from . import _core\n", "alpha/_core.cpython-36m-x86_64-linux-gnu.so": other, **built}
    env.dist("alpha", files=files)
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB001") == []


def test_ld_library_path_brings_it(env: Env, work: Path) -> None:
    outside = library(work / "outside/libx.so.1")
    built = content(extension(work / f"alpha/_core{SUFFIX}", [outside]), root=work)
    env.dist("alpha", files={"alpha/__init__.py": "from . import _core\n", **built})
    assert not env.imports("alpha")
    assert only(diagnose(env.prefix, *BOTH), "LIB001")
    variables = {"LD_LIBRARY_PATH": str(outside.parent)}
    assert env.imports("alpha", env=variables)
    assert diagnose(env.prefix, *BOTH, environ={"PATH": "/nonexistent", **variables}) == []


def test_another_machine_lacks_it(env: Env, work: Path) -> None:
    """With ``--machine``: its recorded libraries count, not those here."""
    built = content(
        extension(work / f"alpha/_core{SUFFIX}", flags=["-lz"] if Path("/usr/include/zlib.h").exists() else ["-lm"]), root=work
    )
    env.dist("alpha", files={"alpha/__init__.py": "from . import _core\n", **built})
    assert env.imports("alpha")
    snapshot = snapshot_of(env.prefix)
    assert list(report_of(snapshot, *BOTH).findings) == []
    has = snapshot.machine
    need = "libz.so.1" if Path("/usr/include/zlib.h").exists() else "libm.so.6"
    less = msgspec.structs.replace(
        has, libraries=tuple(f for f in has.libraries if not f.path.endswith(f"/{need}")), all_libraries=True, source="other.json"
    )
    selection = Selection.of(select=[*BOTH])
    report = judge(snapshot, selection, machine=less)
    assert [f.code for f in report.findings] == ["LIB001"]
    assert need in report.findings[0].message
    # a computer whose libraries are not recorded, or only some, is not judged
    for other in (Machine(machine=has.machine, libc=has.libc), msgspec.structs.replace(less, all_libraries=False)):
        report = judge(snapshot, selection, machine=other)
        assert report.findings == ()
        assert {check.outcome for check in report.checks} == {"skipped"}


# ----------------------------------------------------------------------------------------------- the standard library
def test_lib009_a_module_of_the_standard_library(tmp_path: Path, work: Path) -> None:
    env = venv(tmp_path / "env")
    assert diagnose(env.prefix, "LIB009") == []
    snapshot = snapshot_of(env.prefix)
    modules = [f for f in snapshot.libraries if "/lib-dynload/" in f.path]
    if not modules:
        pytest.skip("this Python has its modules built in")
    gone = lost(work / "libnowhere.so.3")
    planted = extension(work / f"_ssl{SUFFIX}", [gone])
    broken = snapshot_of(env.prefix)
    from envdoctor.collect import native

    fact = native.read(str(planted))
    victim = next((f for f in modules if "/_ssl." in f.path), modules[0])
    changed = tuple(msgspec.structs.replace(fact, path=f.path) if f.path == victim.path else f for f in broken.libraries)
    gone.unlink()
    finding = only(list(report_of(msgspec.structs.replace(broken, libraries=changed), "LIB009").findings), "LIB009")
    name = Path(victim.path).name.partition(".")[0]
    assert finding.message == f"{name} of the standard library needs libnowhere.so.3, which no library path provides"
    assert finding.subjects[0].kind == "interpreter"
    assert finding.severity == "error"


def test_members_of_a_libs_folder_that_only_a_plugin_needs(env: Env, work: Path) -> None:
    """ibm_db, casadi: what opens the plugin has opened its neighbours before."""
    deep = library(work / "alpha.libs/libdeep-1a2b3c4d.so.1")
    upper = library(work / "alpha.libs/libupper-5e6f7a8b.so.1", [deep])
    built = content(deep, upper, extension(work / f"alpha/_core{SUFFIX}"), root=work)
    env.dist("alpha", files={"alpha/__init__.py": "from . import _core\n", **built})
    assert env.imports("alpha")
    assert diagnose(env.prefix, *BOTH) == []


def test_modules_that_are_opened_by_what_a_folder_holds(env: Env, work: Path) -> None:
    """torchao: one build for each generation of GPU, opened by a pattern under ``try``."""
    gone = lost(work / "libtorch_cuda.so")
    built = content(extension(work / "alpha/_C_90a.abi3.so", [gone]), root=work)
    code = (
        "import ctypes\nfrom pathlib import Path\n\ndef load():\n    for file in Path(__file__).parent.glob('_C*.so'):\n"
        "        try:\n            ctypes.CDLL(str(file))\n        except OSError:\n            pass\n\nload()\n"
    )
    env.dist("alpha", files={"alpha/__init__.py": code, **built})
    assert env.imports("alpha")
    assert diagnose(env.prefix, "LIB001") == []
    assert only(diagnose(env.prefix, *BOTH), "LIB008").severity == "info"


def test_builds_for_several_mpis(env: Env, work: Path) -> None:
    """mpi4py: a finder of its own picks ``MPI.mpich`` or ``MPI.openmpi``; the package's name for it says nothing."""
    gone = lost(work / "libmpinone.so.12")
    built = content(extension(work / f"alpha/MPI.mpich{SUFFIX}", [gone]), root=work)
    code = "import ctypes\n__all__ = ['MPI']\n\ndef find(name):\n    return ctypes.CDLL(name)\n"
    env.dist("alpha", files={"alpha/__init__.py": code, **built})
    assert env.imports("alpha")
    assert [finding.code for finding in diagnose(env.prefix, *BOTH)] == ["LIB008"]


def test_a_payload_for_musl(env: Env, work: Path) -> None:
    gone = library(work / "libc.so")
    built = content(extension(work / f"alpha/_core{SUFFIX}"), library(work / "alpha/musl/libclient.so", [gone]), root=work)
    env.dist("alpha", files={"alpha/__init__.py": "from . import _core\n", **built})
    assert diagnose(env.prefix, *BOTH) == []
