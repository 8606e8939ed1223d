"""What building well-known packages from source needs, besides a Python. As their build instructions say, July 2025.

Only packages that still publish no wheel for some platforms, or none at all, are worth a row.
"""

TOOLS: dict[str, tuple[str, ...]] = {
    "apex": ("compiler", "Python.h", "nvcc"),
    "apsw": ("compiler", "Python.h"),
    "bcrypt": ("cargo",),
    "causal-conv1d": ("compiler", "Python.h", "nvcc"),
    "cryptography": ("cargo", "compiler"),
    "dlib": ("compiler", "Python.h", "cmake"),
    "fasttext": ("compiler", "Python.h"),
    "flash-attn": ("compiler", "Python.h", "nvcc"),
    "hdbscan": ("compiler", "Python.h"),
    "llama-cpp-python": ("compiler",),
    "mamba-ssm": ("compiler", "Python.h", "nvcc"),
    "mysqlclient": ("compiler", "Python.h"),
    "orjson": ("cargo",),
    "pesq": ("compiler", "Python.h"),
    "polars": ("cargo",),
    "psycopg2": ("compiler", "Python.h"),
    "pyaudio": ("compiler", "Python.h"),
    "pycocotools": ("compiler", "Python.h"),
    "pycuda": ("compiler", "Python.h", "nvcc"),
    "pydantic-core": ("cargo",),
    "pygraphviz": ("compiler", "Python.h"),
    "pyodbc": ("compiler", "Python.h"),
    "python-ldap": ("compiler", "Python.h"),
    "pytorch3d": ("compiler", "Python.h"),
    "rpds-py": ("cargo",),
    "safetensors": ("cargo",),
    "sentencepiece": ("compiler", "Python.h", "cmake"),
    "tiktoken": ("cargo",),
    "tokenizers": ("cargo",),
    "torch-cluster": ("compiler", "Python.h"),
    "torch-scatter": ("compiler", "Python.h"),
    "torch-sparse": ("compiler", "Python.h"),
    "uwsgi": ("compiler", "Python.h"),
    "xmlsec": ("compiler", "Python.h"),
}

BACKENDS: dict[str, tuple[str, ...]] = {
    "maturin": ("cargo",),
    "setuptools-rust": ("cargo",),
    "scikit-build-core": ("compiler",),
    "scikit-build": ("compiler",),
    "meson-python": ("compiler",),
    "cython": ("compiler", "Python.h"),
    "pybind11": ("compiler", "Python.h"),
    "nanobind": ("compiler", "Python.h"),
    "cffi": ("compiler", "Python.h"),
    "numpy": ("compiler", "Python.h"),
    "torch": ("compiler", "Python.h"),
    "py-build-cmake": ("compiler", "cmake"),
}
"""Tools by what ``[build-system] requires`` names. CMake and Ninja are not asked of the machine for scikit-build(-core) and
meson-python: these backends fetch them from the package index when they are absent."""

SYSTEM_PACKAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "apt-get": {
        "compiler": ("build-essential",),
        "Python.h": ("python3-dev",),
        "cmake": ("cmake",),
        "cargo": ("cargo",),
        "nvcc": ("nvidia-cuda-toolkit",),
    },
    "dnf": {
        "compiler": ("gcc", "gcc-c++", "make"),
        "Python.h": ("python3-devel",),
        "cmake": ("cmake",),
        "cargo": ("cargo",),
        "nvcc": ("cuda-toolkit",),
    },
    "apk": {
        "compiler": ("build-base",),
        "Python.h": ("python3-dev",),
        "cmake": ("cmake",),
        "cargo": ("cargo",),
    },
    "brew": {"cmake": ("cmake",), "cargo": ("rust",)},
    "conda": {
        "compiler": ("c-compiler", "cxx-compiler"),
        "cmake": ("cmake",),
        "cargo": ("rust",),
        "nvcc": ("cuda-nvcc",),
    },
}
"""Packages that bring a tool, by who installs them: Debian and Ubuntu, Fedora and its like, Alpine, Homebrew, conda-forge."""
