"""Symbols in the scope in which they are looked up: what the real loader finds is found, what it misses is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from envdoctor.symbol_names import is_python, plain_name, spoken
from tests.builders import Env
from tests.loader.planted import SUFFIX, content, extension, library, needs_gcc
from tests.support import snapshot_of


def unresolved(env: Env, **options: object) -> dict[str, tuple[str, ...]]:
    """Symbols by file, as collected."""
    return {fact.path: fact.symbols for fact in snapshot_of(env.prefix, **options).unresolved_symbols}  # type: ignore[arg-type]


def calls(name: str) -> dict[str, str]:
    return {"body": f"void {name}(void);", "use": f"if (!m.m_name) {name}();"}


@needs_gcc
def test_weak_symbols_may_be_absent(env: Env, work: Path) -> None:
    core = extension(work / f"alpha{SUFFIX}", body="void maybe(void) __attribute__((weak));", use="if (maybe) maybe();")
    env.dist("alpha", files=content(core, root=work))
    assert env.imports("alpha")
    assert unresolved(env) == {}


@needs_gcc
def test_a_symbol_that_no_relocation_names(env: Env, work: Path) -> None:
    core = extension(work / f"alpha{SUFFIX}", flags=["-Wl,-u,only_in_the_table"])
    env.dist("alpha", files=content(core, root=work))
    assert b"only_in_the_table\0" in core.read_bytes()
    assert env.imports("alpha")
    assert unresolved(env) == {}


@needs_gcc
def test_a_need_of_a_need_counts_and_a_stranger_does_not(env: Env, work: Path) -> None:
    deep = library(work / "alpha/lib/libdeep.so", code="void deep_one(void) {}\n")
    near = library(work / "alpha/lib/libnear.so", [deep], rpath="$ORIGIN")
    core = extension(work / f"alpha/_core{SUFFIX}", [near], rpath="$ORIGIN/lib", **calls("deep_one"))
    env.dist("alpha", files={"alpha/__init__.py": "", **content(deep, near, core, root=work)})
    stranger = extension(work / f"beta{SUFFIX}", **calls("deep_one"))
    env.dist("beta", requires=["alpha"], files=content(stranger, root=work))
    assert env.imports("alpha._core")
    # loaded before, but not for everybody
    assert "undefined symbol: deep_one" in env.run("-c", "import alpha._core, beta").stderr
    assert unresolved(env) == {f"beta{SUFFIX}": ("deep_one",)}


@needs_gcc
def test_the_module_defines_what_its_library_needs(env: Env, work: Path) -> None:
    plugin = library(work / "alpha/lib/libback.so", code="void host(void); void (*use)(void) = host;\n")
    core = extension(work / f"alpha/_core{SUFFIX}", [plugin], rpath="$ORIGIN/lib", body="void host(void) {}")
    env.dist("alpha", files={"alpha/__init__.py": "", **content(plugin, core, root=work)})
    assert env.imports("alpha._core")
    assert unresolved(env) == {}


@needs_gcc
def test_a_symbol_of_a_library_in_the_scope(env: Env, work: Path) -> None:
    broken = library(work / "alpha/lib/libback.so", code="void nowhere(void); void (*use)(void) = nowhere;\n")
    core = extension(work / f"alpha/_core{SUFFIX}", [broken], rpath="$ORIGIN/lib")
    env.dist("alpha", files={"alpha/__init__.py": "", **content(broken, core, root=work)})
    assert "undefined symbol: nowhere" in env.run("-c", "import alpha._core").stderr
    facts = snapshot_of(env.prefix).unresolved_symbols
    assert [(fact.path, fact.module, fact.count) for fact in facts] == [("alpha/lib/libback.so", "alpha._core", 1)]


@needs_gcc
def test_a_library_that_was_opened_for_everybody(env: Env, work: Path) -> None:
    deps = library(work / "alpha/lib/libdeps.so", code="void deps_one(void) {}\n")
    opens = "import ctypes, os\nctypes.CDLL(os.path.dirname(__file__) + '/lib/libdeps.so', mode=ctypes.RTLD_GLOBAL)\n"
    env.dist("alpha", files={"alpha/__init__.py": opens, **content(deps, root=work)})
    core = extension(work / f"beta/_core{SUFFIX}", **calls("deps_one"))
    env.dist(
        "beta", requires=["alpha"], files={"beta/__init__.py": "import alpha\nimport beta._core\n", **content(core, root=work)}
    )
    assert env.imports("beta")
    assert unresolved(env) == {}
    (env.site / "alpha/__init__.py").write_text("")
    assert not env.imports("beta")
    assert unresolved(env) == {f"beta/_core{SUFFIX}": ("deps_one",)}


@needs_gcc
def test_a_module_of_another_distribution_that_was_opened_for_everybody(env: Env, work: Path) -> None:
    """usearch opens numkong's extension module with RTLD_GLOBAL."""
    kernels = extension(work / f"numkong/_numkong{SUFFIX}", body="void nk_dot(void) {}")
    env.dist("numkong", files={"numkong/__init__.py": "", **content(kernels, root=work)})
    opens = "import ctypes\nfrom numkong import _numkong\nctypes.CDLL(_numkong.__file__, mode=ctypes.RTLD_GLOBAL)\n"
    core = extension(work / f"usearch/compiled{SUFFIX}", **calls("nk_dot"))
    source = f"{opens}from usearch import compiled\n"
    env.dist("usearch", requires=["numkong"], files={"usearch/__init__.py": source, **content(core, root=work)})
    assert env.imports("usearch")
    assert unresolved(env) == {}


@needs_gcc
def test_what_ld_preload_adds(env: Env, work: Path, tmp_path: Path) -> None:
    extra = library(tmp_path / "extra/libextra.so", code="void extra_one(void) {}\n")
    core = extension(work / f"alpha{SUFFIX}", **calls("extra_one"))
    env.dist("alpha", files=content(core, root=work))
    variables = {"LD_PRELOAD": str(extra)}
    assert not env.imports("alpha")
    assert env.imports("alpha", env=variables)
    assert unresolved(env) == {f"alpha{SUFFIX}": ("extra_one",)}
    assert unresolved(env, environ={"PATH": "/nonexistent", "HOME": "/nonexistent", **variables}) == {}


@needs_gcc
def test_a_root_that_lacks_a_library_is_not_judged(env: Env, work: Path) -> None:
    gone = library(work / "libgone.so.4", code="void gone_one(void) {}\n")
    core = extension(work / f"alpha{SUFFIX}", [gone], **calls("gone_one"))
    env.dist("alpha", files=content(core, root=work))
    assert "libgone.so.4: cannot open" in env.run("-c", "import alpha").stderr
    assert unresolved(env) == {}


@needs_gcc
def test_many_symbols_are_counted(env: Env, work: Path) -> None:
    names = [f"alpha_{number:03}" for number in range(120)]
    core = extension(
        work / f"alpha{SUFFIX}",
        body="".join(f"void {name}(void);" for name in names),
        use="if (!m.m_name) {" + "".join(f"{name}();" for name in names) + "}",
    )
    env.dist("alpha", files=content(core, root=work))
    (fact,) = snapshot_of(env.prefix).unresolved_symbols
    assert (fact.count, fact.symbols) == (120, tuple(names[:20]))


@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        ("_ZN3c106detail14torchCheckFailEPKcS2_jRKSs", "c10::detail::torchCheckFail"),
        ("_ZN3c105ErrorC2ENS_14SourceLocationE", "c10::Error::Error"),
        ("_ZN3c105ErrorD1Ev", "c10::Error::~Error"),
        ("_ZNK3c1010TensorImpl5sizesEv", "c10::TensorImpl::sizes"),
        ("_ZTVN5arrow6StatusE", "arrow::Status"),
        ("_ZTI6Status", "Status"),
        ("_ZN5torch8autograd4Node4nameB5cxx11Ev", "torch::autograd::Node::name"),
        ("_ZNSt6thread4joinEv", "std::thread::join"),
        ("_Znwm", "_Znwm"),
        ("_ZN999x", "_ZN999x"),
        ("_ZN", "_ZN"),
        ("ncclCommResume", "ncclCommResume"),
    ],
)
def test_names_as_people_write_them(symbol: str, shown: str) -> None:
    assert plain_name(symbol) == shown


def test_a_long_name_is_cut() -> None:
    assert len(spoken("x" * 500)) == 100


@pytest.mark.parametrize(
    ("symbol", "verdict"),
    [
        ("PyObject_Call", True),
        ("_Py_Dealloc", True),
        ("Py_NewRef", True),
        ("PyUnicode_Type", True),
        ("PyInit_core", False),
        ("ncclCommResume", False),
        ("_ZN2PyC1Ev", False),
        ("Pyramid_build", False),
    ],
)
def test_names_of_the_c_api(symbol: str, verdict: bool) -> None:
    assert is_python(symbol) is verdict
