"""LIB001, LIB003 and LIB008 on environments of Macs and Windows machines that lie here as a copy."""

from __future__ import annotations

from envdoctor.finding import Finding
from tests.builders import Env
from tests.collect.test_native import fat
from tests.images import bundle, dll, dylib
from tests.loader.test_foreign import EXT, PYD, install, mac, mac_conda, windows, windows_conda
from tests.support import diagnose, only

__all__ = ["mac", "mac_conda", "windows", "windows_conda"]

IMPORTS = "from alpha import _core\n"
CODES = ("LIB", "ARC")


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return sorted((f.code, f.severity) for f in findings)


def commands(finding: Finding) -> list[tuple[str, ...]]:
    return [tuple(command) for fix in finding.fixes for command in fix.commands]


def test_a_library_deleted_from_dylibs(mac: Env) -> None:
    files: dict[str, bytes | str] = {
        "alpha/__init__.py": IMPORTS,
        EXT: bundle(needs=["@loader_path/.dylibs/liba.1.dylib"]),
        "alpha/.dylibs/liba.1.dylib": dylib(needs=["@loader_path/libb.dylib"]),
        "alpha/.dylibs/libb.dylib": dylib(),
    }
    install(mac, "alpha", files)
    assert diagnose(mac.prefix, *CODES) == []
    (mac.site / "alpha/.dylibs/libb.dylib").unlink()
    finding = only(diagnose(mac.prefix, *CODES), "LIB001")
    assert finding.severity == "error"
    assert finding.message == "alpha needs @loader_path/libb.dylib, which alpha brought and which is gone"
    assert finding.subjects[0].name == "alpha"
    assert any(line.startswith("alpha._core → liba.1.dylib → ") for line in finding.evidence)
    assert any("install" in command for command in commands(finding))


def test_homebrew_s_libomp(mac: Env) -> None:
    """As lightgbm's wheels ask for it, by ctypes: not an error, because nobody can see from here what the Mac has."""
    files: dict[str, bytes | str] = {
        "alpha/__init__.py": "from alpha import basic\n",
        "alpha/basic.py": "import ctypes, os\nP = os.path.dirname(__file__)\nLIB = ctypes.CDLL(P + '/lib/lib_alpha.dylib')\n",
        "alpha/lib/lib_alpha.dylib": dylib(needs=["@rpath/libomp.dylib"], rpaths=["/opt/homebrew/opt/libomp/lib"]),
    }
    install(mac, "alpha", files)
    finding = only(diagnose(mac.prefix, *CODES), "LIB001")
    assert (finding.severity, finding.confidence) == ("warning", "possible")
    assert finding.subjects[0].name == "alpha"
    assert ("brew", "install", "libomp") in commands(finding)
    assert any("another computer" in line for line in finding.evidence)


def test_conda_has_its_own_libomp(mac_conda: Env) -> None:
    files: dict[str, bytes | str] = {
        "alpha/__init__.py": IMPORTS,
        EXT: bundle(needs=["@rpath/libomp.dylib"], rpaths=["@loader_path/../../../"]),
    }
    install(mac_conda, "alpha", files)
    finding = only(diagnose(mac_conda.prefix, "LIB"), "LIB001")
    assert finding.severity == "warning"
    assert any("llvm-openmp" in command for command in commands(finding))
    (mac_conda.prefix / "lib/libomp.dylib").write_bytes(dylib(name="@rpath/libomp.dylib"))
    assert diagnose(mac_conda.prefix, "LIB") == []


def test_a_library_without_the_interpreter_s_slice_is_told_once(mac: Env) -> None:
    files: dict[str, bytes | str] = {
        "alpha/__init__.py": IMPORTS,
        EXT: fat(bundle(needs=["@loader_path/liba.dylib"], machine="x86_64"), bundle(needs=["@loader_path/liba.dylib"])),
        "alpha/liba.dylib": dylib(machine="x86_64"),
    }
    install(mac, "alpha", files)
    findings = diagnose(mac.prefix, *CODES)
    causes = {f.fingerprint for f in findings if f.caused_by is None}
    assert len(causes) == 1
    assert {f.subjects[0].name for f in findings} == {"alpha"}


def test_plugins_that_nothing_loads(mac: Env) -> None:
    files: dict[str, bytes | str] = {
        EXT: bundle(),
        "alpha/plugins/libone.dylib": dylib(needs=["@loader_path/../lib/libgone.dylib"]),
        "alpha/plugins/libtwo.dylib": dylib(needs=["/opt/homebrew/opt/libpq/lib/libpq.5.dylib"]),
    }
    install(mac, "alpha", files)
    findings = diagnose(mac.prefix, *CODES)
    assert told(findings) == [("LIB008", "info")]
    assert "libgone" in findings[0].message


def test_a_dll_deleted_from_libs(windows: Env) -> None:
    files: dict[str, bytes | str] = {
        "alpha/__init__.py": "import os\nos.add_dll_directory(os.path.join(os.path.dirname(__file__), '..', 'alpha.libs'))\n"
        + IMPORTS,
        PYD: dll(needs=["liba-0123456789abcdef0123456789abcdef.dll"]),
        "alpha.libs/liba-0123456789abcdef0123456789abcdef.dll": dll(),
    }
    install(windows, "alpha", files)
    assert diagnose(windows.prefix, *CODES) == []
    (windows.site / "alpha.libs/liba-0123456789abcdef0123456789abcdef.dll").unlink()
    finding = only(diagnose(windows.prefix, *CODES), "LIB001")
    assert finding.severity == "error"
    assert "which alpha brought and which is gone" in finding.message
    assert finding.subjects[0].name == "alpha"


def test_the_visual_cpp_runtime_is_one_info(windows: Env) -> None:
    for name in ("alpha", "beta"):
        pyd = f"{name}/_core.cp311-win_amd64.pyd"
        module = dll(needs=["MSVCP140.dll", "VCOMP140.DLL" if name == "beta" else "msvcp140_1.dll", "VCRUNTIME140.dll"])
        install(windows, name, {f"{name}/__init__.py": f"from {name} import _core\n", pyd: module})
    finding = only(diagnose(windows.prefix, *CODES), "LIB001")
    assert finding.severity == "info"
    assert "the Visual C++ runtime (MSVCP140.dll, msvcp140_1.dll, VCOMP140.DLL)" in finding.message
    assert [subject.name for subject in finding.subjects][:2] == ["alpha", "beta"]
    assert any("Microsoft.VCRedist.2015+.x64" in command for command in commands(finding))


def test_a_copy_of_the_runtime_elsewhere_in_the_wheel_proves_nothing(windows: Env) -> None:
    """ibm_db: amd64.VC14.CRT/msvcp140.dll is where no search leads; the machine's own is what counts."""
    files: dict[str, bytes | str] = {
        "alpha/__init__.py": IMPORTS,
        PYD: dll(needs=["MSVCP140.dll"]),
        "alpha/bin/amd64.VC14.CRT/msvcp140.dll": dll(),
    }
    install(windows, "alpha", files)
    assert diagnose(windows.prefix, *CODES) == []


def test_what_the_same_modules_lack_is_one_finding(mac: Env) -> None:
    """A distribution whose requirement is not installed: twelve libraries of vtk, one finding."""
    needs = ["@rpath/libvtkA.dylib", "@rpath/libvtkB.dylib", "@rpath/libvtkC.dylib"]
    files: dict[str, bytes | str] = {
        "alpha/__init__.py": IMPORTS,
        EXT: bundle(needs=needs, rpaths=["@loader_path/../vtkmodules/.dylibs"]),
    }
    install(mac, "alpha", files, ["vtk"])
    finding = only(diagnose(mac.prefix, *CODES), "LIB001")
    assert finding.severity == "warning"
    assert finding.message.startswith("alpha needs @rpath/libvtkA.dylib and 2 more, ")


def test_the_openmp_of_visual_studio(windows: Env) -> None:
    """torch 2.4.0: no package of the system brings libomp140, another release of torch does without."""
    files: dict[str, bytes | str] = {
        "alpha/__init__.py": "import os\nos.add_dll_directory('lib')\n" + IMPORTS,
        PYD: dll(needs=["fbgemm.dll"]),
        "alpha/lib/fbgemm.dll": dll(needs=["libomp140.x86_64.dll"]),
    }
    install(windows, "alpha", files)
    finding = only(diagnose(windows.prefix, *CODES), "LIB001")
    assert finding.severity == "warning"
    assert any("part of Visual Studio and of no redistributable" in line for line in finding.evidence)
    assert any("--upgrade" in command for command in commands(finding))


def test_another_python_s_library(windows: Env) -> None:
    install(windows, "alpha", {"alpha/__init__.py": IMPORTS, PYD: dll(needs=["python310.dll"])})
    finding = only(diagnose(windows.prefix, *CODES), "LIB001")
    assert finding.severity == "error"
    assert finding.message == "alpha needs python310.dll, which is the library of Python 3.10, and this is Python 3.11"
    assert any("--force-reinstall" in command for command in commands(finding))


def test_drivers_and_guarded_imports_are_not_told(windows: Env) -> None:
    files: dict[str, bytes | str] = {
        "alpha/__init__.py": "try:\n    from alpha import _gpu\nexcept ImportError:\n    _gpu = None\n" + IMPORTS,
        PYD: dll(),
        "alpha/_gpu.cp311-win_amd64.pyd": dll(needs=["nvcuda.dll"]),
    }
    install(windows, "alpha", files)
    assert diagnose(windows.prefix, *CODES) == []
