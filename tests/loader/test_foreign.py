"""dyld and the loader of Windows over environments that lie here as a copy: what is found, what is missing, what is open."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import pytest

from envdoctor.collect import foreign_libraries
from envdoctor.collect.scene import Scene
from envdoctor.collect.tree import walk
from envdoctor.loader.model import Loads, Missing
from envdoctor.view import View
from tests.builders import Env
from tests.collect.test_native import FIXTURES, fat
from tests.fuzz import images as fuzz
from tests.images import bundle, dll, dylib
from tests.support import report_of, snapshot_of

MAC_TAGS = ("cp311-cp311-macosx_11_0_arm64",)
WINDOWS_TAGS = ("cp311-cp311-win_amd64",)


@pytest.fixture
def mac(tmp_path: Path) -> Env:
    """A virtual environment of a Mac, its base interpreter left there."""
    prefix = tmp_path / "mac"
    (prefix / "lib/python3.11/site-packages").mkdir(parents=True)
    (prefix / "bin").mkdir()
    (prefix / "bin/python3.11").write_bytes(dylib(kind=2))
    (prefix / "bin/python").symlink_to("python3.11")
    (prefix / "pyvenv.cfg").write_text("home = /opt/homebrew/bin\nversion = 3.11.5\ninclude-system-site-packages = false\n")
    return Env(prefix)


@pytest.fixture
def mac_conda(tmp_path: Path) -> Env:
    """A conda environment of a Mac."""
    prefix = tmp_path / "conda"
    (prefix / "lib/python3.11/site-packages").mkdir(parents=True)
    (prefix / "lib/python3.11/lib-dynload").mkdir()
    (prefix / "lib/python3.11/os.py").write_text("")
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta/history").write_text("")
    (prefix / "bin").mkdir()
    (prefix / "bin/python3.11").write_bytes(dylib(kind=2, rpaths=["@loader_path/../lib"]))
    (prefix / "bin/python").symlink_to("python3.11")
    return Env(prefix)


@pytest.fixture
def windows(tmp_path: Path) -> Env:
    """A virtual environment of a Windows machine, its base interpreter left there."""
    prefix = tmp_path / "windows"
    (prefix / "Lib/site-packages").mkdir(parents=True)
    (prefix / "Scripts").mkdir()
    (prefix / "Scripts/python.exe").write_bytes((FIXTURES / "windows-x86_64.pe").read_bytes())
    (prefix / "pyvenv.cfg").write_text(
        "home = C:\\Python311\nversion_info = 3.11.5.final.0\ninclude-system-site-packages = false\n"
    )
    return Env(prefix)


@pytest.fixture
def windows_conda(tmp_path: Path) -> Env:
    """A conda environment of a Windows machine."""
    prefix = tmp_path / "conda"
    for folder in ("Lib/site-packages", "DLLs", "Library/bin", "conda-meta"):
        (prefix / folder).mkdir(parents=True)
    (prefix / "Lib/os.py").write_text("")
    (prefix / "conda-meta/history").write_text("")
    (prefix / "python.exe").write_bytes((FIXTURES / "windows-x86_64.pe").read_bytes())
    return Env(prefix)


def install(env: Env, name: str, files: Mapping[str, bytes | str], requires: Iterable[str] = ()) -> None:
    """A distribution with these files; `name` is its package."""
    tags = WINDOWS_TAGS if "Lib" in str(env.site.relative_to(env.prefix)) else MAC_TAGS
    contents: dict[str, str | bytes] = {f"{name}/__init__.py": "", **files}
    env.dist(name, files=contents, tags=tags, requires=requires)


def loads_of(env: Env) -> Loads:
    """The loader's answers."""
    found = View(snapshot_of(env.prefix)).loads
    assert found.reason is None
    return found


def told(items: Iterable[Missing]) -> list[tuple[str, str]]:
    """(asking file, name)."""
    return [(one.asker.path.rpartition("site-packages/")[2], one.name) for one in items]


EXT = "alpha/_core.cpython-311-darwin.so"
PYD = "alpha/_core.cp311-win_amd64.pyd"


# ----------------------------------------------------------------------------------------------------------------- macOS


def test_a_healthy_wheel_of_delocate(mac: Env) -> None:
    files: dict[str, bytes | str] = {
        EXT: bundle(needs=["@loader_path/.dylibs/liba.1.dylib", "/usr/lib/libz.1.dylib"]),
        "alpha/.dylibs/liba.1.dylib": dylib(name="/DLC/alpha/.dylibs/liba.1.dylib", needs=["@loader_path/libb.dylib"]),
        "alpha/.dylibs/libb.dylib": dylib(
            name="/DLC/alpha/.dylibs/libb.dylib", needs=["/System/Library/Frameworks/Metal.framework/Versions/A/Metal"]
        ),
    }
    install(mac, "alpha", files)
    loads = loads_of(mac)
    assert (loads.missing, loads.unknown, loads.orphans) == ((), (), ())
    (root,) = loads.roots
    assert [one.path.rpartition("/")[2] for one in loads.scope(root)] == [
        "_core.cpython-311-darwin.so",
        "liba.1.dylib",
        "libb.dylib",
    ]
    assert (root.module, root.distribution) == ("alpha._core", "alpha")


@pytest.mark.parametrize("gone", ["liba.1.dylib", "libb.dylib"])
def test_a_library_deleted_from_dylibs(mac: Env, gone: str) -> None:
    files: dict[str, bytes | str] = {
        EXT: bundle(needs=["@loader_path/.dylibs/liba.1.dylib"]),
        "alpha/.dylibs/liba.1.dylib": dylib(needs=["@loader_path/libb.dylib"]),
        "alpha/.dylibs/libb.dylib": dylib(),
    }
    install(mac, "alpha", files)
    (mac.site / "alpha/.dylibs" / gone).unlink()
    loads = loads_of(mac)
    asker = EXT if gone.startswith("liba") else "alpha/.dylibs/liba.1.dylib"
    (missing,) = loads.missing
    assert told([missing])[0][0] == asker
    assert missing.name.endswith(gone)
    assert missing.chain[0].endswith(EXT)
    assert loads.unknown == ()


def test_rpath_of_the_file_and_of_those_that_load_it(mac: Env) -> None:
    """libb has no LC_RPATH; the module's leads to libc."""
    files: dict[str, bytes | str] = {
        EXT: bundle(needs=["@rpath/libb.dylib"], rpaths=["@loader_path/nowhere", "@loader_path/lib"]),
        "alpha/lib/libb.dylib": dylib(name="@rpath/libb.dylib", needs=["@rpath/libc.dylib"]),
        "alpha/lib/libc.dylib": dylib(name="@rpath/libc.dylib"),
    }
    install(mac, "alpha", files)
    loads = loads_of(mac)
    assert (loads.missing, loads.unknown) == ((), ())
    assert len(loads.scope(loads.roots[0])) == 3


def test_an_rpath_that_leads_nowhere_for_a_library_of_the_wheel(mac: Env) -> None:
    files: dict[str, bytes | str] = {
        EXT: bundle(needs=["@rpath/libb.dylib"], rpaths=["@loader_path/lib", "/Users/builder/lib"]),
        "alpha/libs/libb.dylib": dylib(name="@rpath/libb.dylib"),
    }
    install(mac, "alpha", files)
    (missing,) = loads_of(mac).missing
    assert missing.name == "@rpath/libb.dylib"
    assert missing.searched[0].endswith("alpha/lib")
    assert missing.searched[1] == "/Users/builder/lib"
    assert [path.rpartition("alpha/")[2] for path in missing.elsewhere] == ["libs/libb.dylib"]


def test_what_a_mac_may_have_is_open(mac: Env) -> None:
    """Homebrew's libomp for lightgbm, unixodbc for pyodbc: nobody can tell from here."""
    needs = ["@rpath/libomp.dylib", "/opt/homebrew/opt/unixodbc/lib/libodbc.2.dylib"]
    install(mac, "alpha", {EXT: bundle(needs=needs, rpaths=["/opt/homebrew/opt/libomp/lib"])})
    loads = loads_of(mac)
    assert loads.missing == ()
    assert [name for _, name in told(loads.unknown)] == needs


def test_weak_libraries_may_be_absent(mac: Env) -> None:
    install(mac, "alpha", {EXT: bundle(weak=["@loader_path/libnone.dylib", "@rpath/libgone.dylib"])})
    loads = loads_of(mac)
    assert (loads.missing, loads.unknown) == ((), ())


def test_install_names_find_what_another_module_has_loaded(mac: Env) -> None:
    """torchvision's LC_RPATH leads to the builder's folder; `import torch` has loaded @rpath/libtorch.dylib."""
    install(
        mac,
        "torch",
        {
            "torch/_C.cpython-311-darwin.so": bundle(needs=["@rpath/libtorch.dylib"], rpaths=["@loader_path/lib"]),
            "torch/lib/libtorch.dylib": dylib(name="@rpath/libtorch.dylib"),
        },
    )
    install(mac, "vision", {"vision/_C.so": bundle(needs=["@rpath/libtorch.dylib"], rpaths=["/Users/ci/lib"])}, ["torch"])
    env = mac.site / "vision/_C.so"
    env.rename(env.with_name("_C.cpython-311-darwin.so"))
    loads = loads_of(mac)
    assert (loads.missing, loads.unknown) == ((), ())


def test_the_library_in_a_framework(mac: Env) -> None:
    name = "@rpath/QtCore.framework/Versions/A/QtCore"
    files: dict[str, bytes | str] = {
        EXT: bundle(needs=[name], rpaths=["@loader_path/Qt/lib"]),
        "alpha/Qt/lib/QtCore.framework/Versions/A/QtCore": dylib(name=name, needs=["@loader_path/libgone.dylib"]),
    }
    install(mac, "alpha", files)
    loads = loads_of(mac)
    assert told(loads.missing) == [("alpha/Qt/lib/QtCore.framework/Versions/A/QtCore", "@loader_path/libgone.dylib")]


def test_the_slice_of_the_interpreter_counts(mac: Env) -> None:
    """A library without the slice is passed over, and told; a fat one serves both."""
    both = fat(dylib(name="@rpath/libfat.dylib", machine="x86_64"), dylib(name="@rpath/libfat.dylib"))
    files: dict[str, bytes | str] = {
        EXT: bundle(needs=["@loader_path/libfat.dylib", "@loader_path/libintel.dylib"]),
        "alpha/libfat.dylib": both,
        "alpha/libintel.dylib": dylib(machine="x86_64"),
    }
    install(mac, "alpha", files)
    (missing,) = loads_of(mac).missing
    assert missing.name == "@loader_path/libintel.dylib"
    assert [(path.rpartition("/")[2], why) for path, why in missing.passed] == [("libintel.dylib", "Mach-O x86_64")]


def test_executable_path_and_conda_s_lib(mac_conda: Env) -> None:
    lib = mac_conda.prefix / "lib"
    (lib / "libone.1.dylib").write_bytes(
        dylib(name="@rpath/libone.1.dylib", needs=["@rpath/libtwo.dylib"], rpaths=["@loader_path/"])
    )
    (lib / "libone.dylib").symlink_to("libone.1.dylib")
    (lib / "libtwo.dylib").write_bytes(dylib(name="@rpath/libtwo.dylib", needs=["@loader_path/libthree.dylib"]))
    (lib / "libthree.dylib").write_bytes(dylib())
    (lib / "python3.11/lib-dynload/_ssl.cpython-311-darwin.so").write_bytes(
        bundle(needs=["@rpath/libssl.3.dylib"], rpaths=["@loader_path/../.."])
    )
    files: dict[str, bytes | str] = {
        EXT: bundle(needs=["@rpath/libone.1.dylib", "@executable_path/../lib/libtwo.dylib", "@rpath/libnone.dylib"])
    }
    install(mac_conda, "alpha", files)
    loads = loads_of(mac_conda)
    assert loads.missing == ()
    assert [(one.root.kind, one.name) for one in loads.unknown] == [
        ("extension", "@rpath/libnone.dylib"),
        ("stdlib", "@rpath/libssl.3.dylib"),
    ]
    names = [one.path.rpartition("/")[2] for one in loads.scope(loads.roots[0])]
    assert names == ["_core.cpython-311-darwin.so", "libone.1.dylib", "libtwo.dylib", "libthree.dylib"]


def test_on_the_machine_itself_nothing_is_open(mac: Env, tmp_path: Path) -> None:
    """The same environment on its own machine: Homebrew's folder is looked into, and what is not there is missing."""
    brew = tmp_path / "homebrew/lib"
    brew.mkdir(parents=True)
    (brew / "libomp.dylib").write_bytes(dylib(name=f"{brew}/libomp.dylib", needs=["@loader_path/libmore.dylib"]))
    (brew / "libmore.dylib").write_bytes(dylib(weak=["@loader_path/libnone.dylib"]))
    files: dict[str, bytes | str] = {EXT: bundle(needs=["@rpath/libomp.dylib", "@rpath/libgone.dylib"], rpaths=[str(brew)])}
    install(mac, "alpha", files)
    foreign = snapshot_of(mac.prefix)
    assert [name for _, name in told(View(foreign).loads.unknown)] == ["@rpath/libomp.dylib", "@rpath/libgone.dylib"]
    target = msgspec.structs.replace(foreign.target, foreign=False)
    scene = Scene(target, str(mac.prefix))
    there = msgspec.structs.replace(foreign, target=target)
    there = foreign_libraries.add(scene, there, [walk(str(mac.site))], {})
    assert [file.path for file in there.libraries] == [f"{brew}/libmore.dylib", f"{brew}/libomp.dylib"]
    loads = View(there).loads
    assert [name for _, name in told(loads.missing)] == ["@rpath/libgone.dylib"]
    assert loads.unknown == ()


def test_variables_of_the_machine_itself(mac: Env, tmp_path: Path) -> None:
    """DYLD_LIBRARY_PATH comes before everything; DYLD_FALLBACK_LIBRARY_PATH after it. Neither counts for a foreign target."""
    for folder, need in (("first", "libfirst.dylib"), ("last", "liblast.dylib")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / need).write_bytes(dylib(name=f"/elsewhere/{need}"))
    files: dict[str, bytes | str] = {
        EXT: bundle(needs=["@loader_path/libfirst.dylib", "/nowhere/liblast.dylib", "@rpath/libinserted.dylib"]),
        "alpha/libfirst.dylib": dylib(name="@rpath/libfirst.dylib"),
    }
    install(mac, "alpha", files)
    foreign = snapshot_of(mac.prefix)
    (tmp_path / "inserted.dylib").write_bytes(dylib(name="@rpath/libinserted.dylib"))
    variables = {
        "DYLD_LIBRARY_PATH": str(tmp_path / "first"),
        "DYLD_FALLBACK_LIBRARY_PATH": str(tmp_path / "last"),
        "DYLD_INSERT_LIBRARIES": str(tmp_path / "inserted.dylib"),
    }
    shell = msgspec.structs.replace(foreign.shell, variables=variables)
    target = msgspec.structs.replace(foreign.target, foreign=False)
    there = msgspec.structs.replace(foreign, target=target, shell=shell)
    there = foreign_libraries.add(Scene(target, str(mac.prefix)), there, [walk(str(mac.site))], {})
    loads = View(there).loads
    assert (loads.missing, loads.unknown) == ((), ())
    assert [one.path for one in loads.scope(loads.roots[0])][1:] == [
        f"{tmp_path}/first/libfirst.dylib",
        f"{tmp_path}/last/liblast.dylib",
    ]
    loads = View(msgspec.structs.replace(foreign, shell=shell)).loads
    assert loads.scope(loads.roots[0])[1].path.endswith("alpha/libfirst.dylib")
    assert [one.name for one in loads.unknown] == ["/nowhere/liblast.dylib", "@rpath/libinserted.dylib"]


# --------------------------------------------------------------------------------------------------------------- Windows


def test_a_healthy_wheel_of_delvewheel(windows: Env) -> None:
    patched = "def _delvewheel_patch_1_8_0():\n    import os\n    os.add_dll_directory(os.path.join(here, '..', 'alpha.libs'))\n"
    files: dict[str, bytes | str] = {
        "alpha/__init__.py": patched,
        PYD: dll(
            needs=[
                "python311.dll",
                "VCRUNTIME140.dll",
                "vcruntime140_1.dll",
                "api-ms-win-crt-heap-l1-1-0.dll",
                "liba-0123456789abcdef0123456789abcdef.dll",
            ]
        ),
        "alpha.libs/liba-0123456789abcdef0123456789abcdef.dll": dll(needs=["LibB-ABCDEF0123456789.dll", "WS2_32.dll"]),
        "alpha.libs/libb-abcdef0123456789.dll": dll(),
    }
    install(windows, "alpha", files)
    snapshot = snapshot_of(windows.prefix)
    assert [(f.path, f.distribution, f.evidence) for f in snapshot.dll_folders] == [
        ("alpha.libs", "alpha", "alpha/__init__.py: delvewheel")
    ]
    loads = View(snapshot).loads
    assert (loads.missing, loads.unknown, loads.orphans) == ((), (), ())
    assert [one.path.rpartition("/")[2].partition("-")[0] for one in loads.scope(loads.roots[0])] == [
        "_core.cp311",
        "liba",
        "libb",
    ]


@pytest.mark.parametrize("gone", ["alpha.libs/liba-0123456789abcdef.dll", "alpha/beside.dll", "alpha.libs/libb.dll"])
def test_a_dll_that_the_wheel_had(windows: Env, gone: str) -> None:
    files: dict[str, bytes | str] = {
        "alpha/__init__.py": "import os\nos.add_dll_directory('alpha.libs')\n",
        PYD: dll(needs=["python311.dll", "beside.dll", "liba-0123456789abcdef.dll"]),
        "alpha/beside.dll": dll(),
        "alpha.libs/liba-0123456789abcdef.dll": dll(needs=["libb.dll"]),
        "alpha.libs/libb.dll": dll(),
    }
    install(windows, "alpha", files)
    (windows.site / gone).unlink()
    (missing,) = loads_of(windows).missing
    assert missing.name == gone.rpartition("/")[2]
    assert missing.root.module == "alpha._core"


def test_a_folder_that_no_code_adds(windows: Env) -> None:
    files: dict[str, bytes | str] = {PYD: dll(needs=["liba.dll"]), "alpha/bin/liba.dll": dll()}
    install(windows, "alpha", files)
    (missing,) = loads_of(windows).missing
    assert missing.name == "liba.dll"
    assert [path.rpartition("alpha/")[2] for path in missing.elsewhere] == ["bin/liba.dll"]


def test_the_folder_of_the_module_not_of_the_dll(windows: Env) -> None:
    files: dict[str, bytes | str] = {
        PYD: dll(needs=["one.dll"]),
        "alpha/one.dll": dll(needs=["two.dll"]),
        "alpha/sub/two.dll": dll(),
    }
    install(windows, "alpha", files)
    assert told(loads_of(windows).missing) == [("alpha/one.dll", "two.dll")]


def test_what_a_windows_machine_may_have_is_open(windows: Env) -> None:
    needs = ["MSVCP140.dll", "MSVCP140_ATOMIC_WAIT.dll", "libomp140.x86_64.dll", "nvcuda.dll", "tbb12.dll"]
    install(windows, "alpha", {PYD: dll(needs=[*needs, "python3.dll"], delayed=["nowhere.dll"])})
    loads = loads_of(windows)
    assert loads.missing == ()
    assert [name for _, name in told(loads.unknown)] == needs[2:]
    assert [name for _, name in told(loads.unknown_runtime)] == needs[:2]


def test_the_library_of_another_python(windows: Env) -> None:
    install(windows, "alpha", {"alpha/_core.cp311-win_amd64.pyd": dll(needs=["python310.dll"])})
    assert told(loads_of(windows).missing) == [(PYD, "python310.dll")]


def test_fbgemm_and_the_openmp_of_visual_studio(windows: Env) -> None:
    """torch 2.4.0: fbgemm.dll asks for a DLL that no redistributable has; a deleted fbgemm.dll is another matter."""
    files: dict[str, bytes | str] = {
        "torch/__init__.py": "import os, ctypes\nos.add_dll_directory('lib')\n",
        "torch/_C.cp311-win_amd64.pyd": dll(needs=["torch_python.dll"]),
        "torch/lib/torch_python.dll": dll(needs=["fbgemm.dll"]),
        "torch/lib/fbgemm.dll": dll(needs=["libomp140.x86_64.dll"]),
    }
    install(windows, "torch", files)
    loads = loads_of(windows)
    assert loads.missing == ()
    assert told(loads.unknown) == [("torch/lib/fbgemm.dll", "libomp140.x86_64.dll")]
    (windows.site / "torch/lib/fbgemm.dll").unlink()
    assert told(loads_of(windows).missing) == [("torch/lib/torch_python.dll", "fbgemm.dll")]


def test_a_required_distribution_s_folder_counts(windows: Env) -> None:
    files: dict[str, bytes | str] = {
        "torch/__init__.py": "import os\nos.add_dll_directory('lib')\n",
        "torch/_C.cp311-win_amd64.pyd": dll(needs=["torch_cpu.dll"]),
        "torch/lib/torch_cpu.dll": dll(),
    }
    install(windows, "torch", files)
    install(windows, "alpha", {PYD: dll(needs=["torch_cpu.dll"])}, ["torch"])
    loads = loads_of(windows)
    assert (loads.missing, loads.unknown) == ((), ())


def test_a_folder_that_a_pth_file_adds_to_the_path(windows: Env) -> None:
    """pywin32: win32/ is on sys.path by its .pth, whose start-up code adds the folder of its DLLs."""
    files: dict[str, bytes | str] = {
        "win32/_api.cp311-win_amd64.pyd": dll(needs=["pywintypes311.dll"]),
        "win32/lib/bootstrap.py": "import os\nos.add_dll_directory('pywin32_system32')\n",
        "pywin32_system32/pywintypes311.dll": dll(),
        "pywin32.pth": "win32\nwin32\\lib\nimport bootstrap\n",
    }
    install(windows, "pywin32", files)
    snapshot = snapshot_of(windows.prefix)
    assert [folder.evidence for folder in snapshot.dll_folders] == ["win32/lib/bootstrap.py: add_dll_directory"]
    loads = View(snapshot).loads
    assert {root.module for root in loads.roots} == {"win32._api", "_api"}
    assert (loads.missing, loads.unknown) == ((), ())


def test_conda_s_folders_in_any_case(windows_conda: Env) -> None:
    library = windows_conda.prefix / "Library/bin"
    (library / "HDF5.dll").write_bytes(dll(needs=["zlib.dll"]))
    (library / "zlib.dll").write_bytes(dll())
    (windows_conda.prefix / "DLLs/_ssl.pyd").write_bytes(dll(needs=["libssl-3-x64.dll", "python311.dll"]))
    (library / "libssl-3-x64.dll").write_bytes(dll())
    (windows_conda.prefix / "msvcp140.dll").write_bytes(dll())
    install(windows_conda, "alpha", {PYD: dll(needs=["hdf5.dll", "MSVCP140.dll"])})
    loads = loads_of(windows_conda)
    assert (loads.missing, loads.unknown) == ((), ())
    assert sorted(root.kind for root in loads.roots) == ["extension", "stdlib"]
    assert [one.path.rpartition("/")[2] for one in loads.scope(loads.roots[0])] == [
        "_core.cp311-win_amd64.pyd",
        "HDF5.dll",
        "msvcp140.dll",
        "zlib.dll",
    ]


# --------------------------------------------------------------------------------------------------------------- symbols


@pytest.mark.parametrize("fits", [True, False])
def test_a_symbol_that_another_distribution_s_dll_lacks(windows: Env, fits: bool) -> None:
    """torchvision for another torch: the DLL is there, the name is not in it."""
    module = fuzz.pe_with_exports()
    if fits:
        module = module.replace(b"?beta@@YAXXZ\0", b"call\0".ljust(13, b"\0"))
    install(
        windows,
        "beta",
        {"beta/__init__.py": "import os\nos.add_dll_directory('lib')\n", "beta/lib/beta.dll": fuzz.pe_with_exports()},
    )
    install(windows, "alpha", {PYD: module}, ["beta"])
    snapshot = snapshot_of(windows.prefix)
    assert View(snapshot).loads.missing == ()
    found = [(one.path, one.symbols, [path.rpartition("/")[2] for path in one.providers]) for one in snapshot.unresolved_symbols]
    assert found == ([] if fits else [(PYD, ("?beta@@YAXXZ",), ["beta.dll"])])
    findings = report_of(snapshot, "LIB003").findings
    assert [(f.subjects[0].name, "YAXXZ" in f.message) for f in findings] == ([] if fits else [("alpha", False)])


@pytest.mark.parametrize("fits", [True, False])
def test_a_symbol_that_another_distribution_s_dylib_lacks(mac: Env, fits: bool) -> None:
    module = fuzz.macho_with_symbols().replace(b"@loader_path/libdelta.dylib", b"/usr/lib/libdelta.1.0.dylib")
    if fits:
        module = module.replace(b"_beta_call\0", b"_alpha\0".ljust(11, b"\0"))
    library = dylib_that_defines_alpha()
    core = bundle(needs=["@rpath/libbeta.dylib"], rpaths=["@loader_path/lib"])
    install(mac, "beta", {"beta/_core.cpython-311-darwin.so": core, "beta/lib/libbeta.dylib": library})
    install(mac, "alpha", {EXT: module}, ["beta"])
    snapshot = snapshot_of(mac.prefix)
    found = [(one.path, one.symbols, [path.rpartition("/")[2] for path in one.providers]) for one in snapshot.unresolved_symbols]
    assert found == ([] if fits else [(EXT, ("beta_call",), ["libbeta.dylib"])])


def dylib_that_defines_alpha() -> bytes:
    """The corpus's library under the name that others ask for; what it passes on is its own."""
    data = fuzz.macho_with_symbols()
    data = data.replace(b"@rpath/libbeta.dylib\0", b"@rpath/libzeta.dylib\0").replace(
        b"@rpath/libalpha.dylib\0", b"@rpath/libbeta.dylib\0\0"
    )
    return data.replace(struct.pack("<I", 0x8000001F), struct.pack("<I", 0x80000018))
