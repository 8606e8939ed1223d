"""What published wheels for x86-64 ask of the processor without looking first, in the words of /proc/cpuinfo. November 2026.

Only what was seen is here: "tried" means that the import was run under an emulated processor without the instructions (QEMU,
user mode) and died or raised, and worked with them; "documented" names what says so. Packages that choose code at run time
(torch, scipy, scikit-learn, xgboost, lightgbm, onnxruntime, opencv, tokenizers, orjson: tried) have no row, whatever
instructions stand in their files.
"""

from __future__ import annotations

from envdoctor.tuples import NamedTuple

V2 = ("cx16", "lahf_lm", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3")
"""x86-64-v2 (https://gitlab.com/x86-psABIs/x86-64-ABI)."""
_POLARS = ("avx", "avx2", "bmi1", "bmi2", "abm", "fma", "pclmulqdq", "popcnt", "sse4_1", "sse4_2", "ssse3")


class Baseline(NamedTuple):
    """One distribution's need."""

    versions: str
    """PEP 440 specifiers of the versions that it holds for; pre-releases count."""
    flags: tuple[str, ...]
    symptom: str
    """What people see."""
    source: str
    instead: str = ""
    """Requirement for what runs there; ``{version}`` is the installed version."""
    replaces: bool = False
    """``instead`` is another distribution with the same modules: this one has to go first."""
    spared_by: str = ""
    """A distribution that, when installed, is used in its place."""


BASELINES: dict[str, Baseline] = {
    "numpy": Baseline(
        ">=2.4",
        V2,
        "RuntimeError: NumPy was built with baseline optimizations: (X86_V2), or an illegal instruction",
        "tried with 2.4.6; numpy#31073",
        "numpy<2.4",
    ),
    "polars": Baseline(
        ">=0.20,<1.34",
        _POLARS,
        "RuntimeWarning: Missing required CPU features, then an illegal instruction",
        "_POLARS_FEATURE_FLAGS in polars/_cpu_check.py of the wheels of 0.20.31 and 1.33.1",
        "polars-lts-cpu=={version}",
        replaces=True,
    ),
    "polars-u64-idx": Baseline(
        ">=0.20,<1.34",
        _POLARS,
        "RuntimeWarning: Missing required CPU features, then an illegal instruction",
        "built like polars",
        "polars-lts-cpu=={version}",
        replaces=True,
    ),
    "polars-lts-cpu": Baseline(
        ">=0.20,<1.34",
        ("pni", "popcnt", "sse4_1", "sse4_2", "ssse3"),
        "RuntimeWarning: Missing required CPU features, then an illegal instruction",
        "_POLARS_FEATURE_FLAGS in polars/_cpu_check.py of the wheel of 1.33.1; polars#17746",
    ),
    "polars-runtime-32": Baseline(
        ">=1.34",
        (*_POLARS, "cx16", "movbe", "pni"),
        "RuntimeWarning: Missing required CPU features, then an illegal instruction",
        "BUILD_FEATURE_FLAGS in the wheel of 2.1.0, tried",
        "polars[rtcompat]=={version}",
        spared_by="polars-runtime-compat",
    ),
    "polars-runtime-64": Baseline(
        ">=1.34",
        (*_POLARS, "cx16", "movbe", "pni"),
        "RuntimeWarning: Missing required CPU features, then an illegal instruction",
        "built like polars-runtime-32",
        "polars[rtcompat]=={version}",
        spared_by="polars-runtime-compat",
    ),
    "jaxlib": Baseline(
        ">=0.1.62",
        ("avx",),
        "RuntimeError: This version of jaxlib was built using AVX instructions, which your CPU does not support",
        "tried with 0.10.2; jax#6671, jax#31723",
    ),
    "tensorflow": Baseline(
        ">=1.6", ("avx",), "an illegal instruction, or an abort that names AVX", "tried with 2.21.0; its release notes of 1.6"
    ),
    "tensorflow-cpu": Baseline(">=1.15", ("avx",), "an illegal instruction, or an abort that names AVX", "built like tensorflow"),
    "tensorflow-gpu": Baseline(">=1.6", ("avx",), "an illegal instruction, or an abort that names AVX", "built like tensorflow"),
    "tensorflow-intel": Baseline(
        ">=2.8", ("avx",), "an illegal instruction, or an abort that names AVX", "built like tensorflow"
    ),
    "tf-nightly": Baseline(">=1.6", ("avx",), "an illegal instruction, or an abort that names AVX", "built like tensorflow"),
    "pyarrow": Baseline(
        ">=2",
        ("sse4_1", "sse4_2", "ssse3"),
        "an illegal instruction",
        "tried with 25.0.1; ARROW_SIMD_LEVEL in Arrow's build documentation",
    ),
    "lancedb": Baseline(
        ">=0.5",
        ("avx", "avx2", "fma", "f16c"),
        "an illegal instruction",
        "tried with 0.40.0; lancedb#3324 and #3327 (target-cpu=haswell)",
        "lancedb-compat=={version}",
        replaces=True,
    ),
    "duckdb": Baseline(">=2,<3", ("avx", "avx2", "bmi2"), "an illegal instruction", "tried with 2.0.0"),
    "vowpalwabbit": Baseline("==9.11.*", ("avx", "avx2"), "an illegal instruction", "tried with 9.11.9"),
}

MICROARCHITECTURES: dict[str, int] = {
    "x86_64": 1, "x86_64_v1": 1, "x86_64_v2": 2, "x86_64_v3": 3, "x86_64_v4": 4,
    "nocona": 1, "core2": 1, "nehalem": 2, "westmere": 2, "sandybridge": 2, "ivybridge": 2,
    "haswell": 3, "broadwell": 3, "skylake": 3, "mic_knl": 3, "skylake_avx512": 4, "cannonlake": 4, "cascadelake": 4,
    "icelake": 4, "sapphirerapids": 4, "alderlake": 3, "arrowlake": 3, "arrowlake_s": 3,
    "k10": 1, "bulldozer": 2, "piledriver": 2, "steamroller": 2, "excavator": 3, "zen": 3, "zen2": 3, "zen3": 3, "zen4": 4,
    "zen5": 4, "zen6": 4,
}  # fmt: skip
"""psABI level of the names that conda's ``__archspec`` takes, by the features that archspec 0.2.7 gives them."""
