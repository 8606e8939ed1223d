"""The shell that the target would be used from: variables that matter, PATH and whose interpreter its commands run under.

Each folder of PATH is listed once. Nothing is run: what a command runs under is read from its first bytes.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from typing import TYPE_CHECKING

from envdoctor.collect import activation, files, scripts
from envdoctor.collect.scene import Scene
from envdoctor.lazy import pattern
from envdoctor.snapshot import LibraryFolder, PathCommand, PythonHome, Shell, text

if TYPE_CHECKING:
    from envdoctor.collect import interpreter

PREFIXES = (
    "PYTHON", "CONDA_", "_CONDA_", "MAMBA_", "PIXI_", "PIP_", "UV_", "LD_", "DYLD_", "PYENV_", "VIRTUALENV_", "JUPYTER_",
    "IPYTHON", "PROTOCOL_BUFFERS_PYTHON_", "TEMPORARILY_DISABLE_PROTOBUF", "TEMORARILY_DISABLE_PROTOBUF", "SETUPTOOLS_USE_",
    "OMP_", "MKL_", "KMP_", "OPENBLAS_", "CUDA_", "NVIDIA_", "NCCL_", "ROCM_", "ROCR_", "HIP_", "HSA_", "NUMBA_", "TORCH_",
    "XLA_",
    "JAX_", "TF_", "POETRY_", "PDM_", "PIPENV_", "HF_", "NIX_", "SLURM_JOB",
)  # fmt: skip
"""Variables that start like this are facts."""
NAMES = frozenset(
    {
        "VIRTUAL_ENV", "CI", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "CC", "CXX", "CFLAGS",
        "CPATH", "LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "MAMBARC", "CONDARC", "VIRTUAL_ENV_PROMPT", "ENV", "APPDATA",
        "HOME",
        "SHELL", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "WSL_DISTRO_NAME", "container",
        "KUBERNETES_SERVICE_HOST", "COLAB_RELEASE_TAG", "GLIBC_TUNABLES",
    }
)  # fmt: skip
"""Variables that are facts by their whole name."""
SECRET = pattern(r"(TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIAL|USERNAME|(^|_)(API_?)?KEY(_|$)|(^|_)AUTH(_|$))", re.IGNORECASE)
_USER = pattern(r"(?<=://)[^/@\s]+@")
_CONDA_TOKEN = pattern(r"(?<=/t/)[^/\s]+")
_QUERY = pattern(r"(?<=[?&])([\w.-]*(?:token|key|sig|password|secret)[\w.-]*)=[^&\s]*", re.IGNORECASE)
MAX_VALUE = 20_000
"""Characters kept of a variable."""

PYTHONS = ("python", "python3")
COMMANDS = (
    "pip", "pip3", "jupyter", "jupyter-lab", "jupyter-notebook", "ipython", "pytest", "torchrun", "accelerate", "deepspeed",
)  # fmt: skip
"""Commands that work on the packages of the interpreter they run under."""
TOOLS = (
    "apt-get", "brew", "c++", "cargo", "cc", "clang", "cl", "cmake", "conda", "dnf", "docker", "g++", "gcc", "gfortran",
    "git", "make",
    "mamba", "meson", "micromamba", "nasm", "ninja", "nvcc", "pdm", "pip", "pip3", "pipenv", "pipx", "pixi", "pkg-config",
    "poetry",
    "rustc", "swig", "uv", "yum", "apk", "zypper", "pacman",
)  # fmt: skip
"""Installers and build tools."""

_LIBRARY = pattern(r"\.(so(\.[\w.]+)?|dylib|dll|tbd)$")
MAX_LIBRARIES = 5000
_SHIM = pattern(rb"\b(pyenv|asdf|mise|rtx)\b[^\n]{0,40}\bexec\b|PYENV_ROOT")


def collect(scene: Scene, facts: interpreter.Facts) -> Shell:
    """The shell's facts. Secrets are cut from the variables."""
    environ = scene.environ
    windows = os.name == "nt"
    path = _path(environ, scene.cwd)
    found = _find({*PYTHONS, *COMMANDS, *TOOLS}, path, environ, windows)
    commands = tuple(_command(name, found[name], windows) for name in (*PYTHONS, *COMMANDS) if name in found)
    first = next((command for name in PYTHONS for command in commands if command.name == name), None)
    virtual, conda = environ.get("VIRTUAL_ENV"), environ.get("CONDA_PREFIX")
    return Shell(
        cwd=None if scene.cwd is None else text(scene.cwd),
        path=tuple(text(folder) for folder in path),
        variables=variables(environ),
        commands=commands,
        virtual_env_same=files.same(virtual, scene.prefix) if virtual else None,
        conda_prefix_same=files.same(conda, scene.prefix) if conda else None,
        activations=activation.collect(scene, first.path if first else None, shim=bool(first and first.shim)),
        library_folders=_library_folders(scene),
        python_home=_python_home(scene, facts),
        tools={name: text(found[name]) for name in sorted(TOOLS) if name in found},
    )


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that rules read, by name, secrets replaced by ``****``."""
    chosen: dict[str, str] = {}
    for name in sorted(environ):
        if name in NAMES or name.startswith(PREFIXES):
            value = environ[name]
            shown = "****" if SECRET.search(name) and value else redact(value)
            chosen[text(name)] = text(shown[:MAX_VALUE])
    return chosen


def redact(value: str) -> str:
    """`value` without user names, passwords and tokens in its URLs."""
    if "://" not in value:
        return value
    return _QUERY.sub(r"\1=****", _CONDA_TOKEN.sub("****", _USER.sub("****@", value)))


def _path(environ: Mapping[str, str], cwd: str | None) -> list[str]:
    """Folders of PATH in order, each once. An empty or relative entry counts from the working directory."""
    folders: list[str] = []
    for entry in environ.get("PATH", "").split(os.pathsep):
        if not entry and "PATH" not in environ:
            continue
        folder = entry if os.path.isabs(entry) else os.path.join(cwd, entry) if cwd and environ.get("PATH") else ""
        folder = folder.rstrip("/") or folder[:1]
        if folder and folder not in folders:
            folders.append(folder)
    return folders[:500]


def _find(names: set[str], path: list[str], environ: Mapping[str, str], windows: bool) -> dict[str, str]:
    """The first executable file of each name."""
    wanted = {name: name for name in names}
    if windows:
        endings = (environ.get("PATHEXT") or ".COM;.EXE;.BAT;.CMD").lower().split(";")
        wanted = {f"{name}{ending}": name for name in names for ending in endings}
    found: dict[str, str] = {}
    for folder in path:
        try:
            present = os.listdir(folder)
        except (OSError, ValueError):
            continue
        hits = [n for n in present if n.lower() in wanted] if windows else wanted.keys() & present
        for name in sorted(hits):
            plain = wanted[name.lower() if windows else name]
            if plain in found:
                continue
            full = f"{folder}/{name}"
            try:
                info = os.stat(full)
            except (OSError, ValueError):
                continue
            if stat.S_ISREG(info.st_mode) and (windows or info.st_mode & 0o111):
                found[plain] = full
    return found


def _command(name: str, path: str, windows: bool) -> PathCommand:
    """What a command runs under, by its first bytes."""
    shim = _shim(path)
    shown, isolated = text(path), _isolated(path)
    if shim is not None:
        return PathCommand(name=name, path=shown, shim=shim)
    named = None
    try:
        named = scripts.read_shebang(path, windows=windows)
    except files.Unreadable:
        return PathCommand(name=name, path=shown)
    if named is None:
        # a native program: an interpreter is its own; whose pip a compiled wrapper runs cannot be told
        if name not in PYTHONS:
            return PathCommand(name=name, path=shown)
        interpreter = path
    elif named.relocatable:
        interpreter = f"{os.path.dirname(os.path.realpath(path))}/{named.interpreter}"
    elif scripts.is_python(named.interpreter) and os.path.isabs(named.interpreter):
        interpreter = named.interpreter
    else:
        return PathCommand(name=name, path=shown)
    if not files.exists(interpreter):
        return PathCommand(name=name, path=shown, interpreter=text(interpreter), interpreter_exists=False, isolated=isolated)
    if _is_stub(interpreter):
        return PathCommand(name=name, path=shown, interpreter=text(interpreter))
    place = scripts.place_of(interpreter)
    return PathCommand(
        name=name,
        path=shown,
        interpreter=text(interpreter),
        prefix=text(place.prefix),
        identity=text(place.identity),
        virtual=place.virtual,
        isolated=isolated,
    )


def _is_stub(interpreter: str) -> bool:
    """Apple's /usr/bin/python3 only forwards to the developer tools; whose it is cannot be told from its path."""
    return interpreter == "/usr/bin/python3" and files.is_folder("/System/Library")


def _shim(path: str) -> str | None:
    """Name of the version manager when the file only forwards to one of its versions."""
    real = os.path.basename(os.path.realpath(path))
    if real in ("mise", "rtx", "asdf", "proto", "vfox"):
        return real
    parts = path.replace("\\", "/").lower().split("/")
    if "shims" not in parts:
        return None
    for name in ("pyenv", "asdf", "mise", "rtx", "pixi", "proto"):
        if any(name in part for part in parts):
            return "pyenv" if name == "pyenv" else name
    try:
        head = files.read(path, 1024).data
    except files.Unreadable:
        return None
    found = _SHIM.search(head)
    return "pyenv" if found and b"PYENV" in found.group() else found[1].decode() if found and found[1] else None


def _isolated(path: str) -> str | None:
    real = os.path.realpath(path).replace("\\", "/")
    if "/pipx/venvs/" in real:
        return "pipx"
    return "uv tool" if "/uv/tools/" in real else None


# ------------------------------------------------------------------------------------------------- variables with folders
def _library_folders(scene: Scene) -> tuple[LibraryFolder, ...]:
    """Folders and files that the dynamic loader is told to look at before what programs name themselves."""
    if scene.target.foreign or scene.windows:
        return ()
    environ = scene.environ
    found: list[LibraryFolder] = []
    prefix = os.path.realpath(scene.prefix)
    folders: tuple[str, ...]
    if scene.target.system == "macos":
        folders, preloads = ("DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH"), "DYLD_INSERT_LIBRARIES"
    else:
        folders, preloads = ("LD_LIBRARY_PATH",), "LD_PRELOAD"
    for variable in folders:
        for entry in dict.fromkeys(re.split(r"[:;]", environ.get(variable, ""))):
            folder = entry if os.path.isabs(entry) else os.path.join(scene.cwd, entry) if entry and scene.cwd else ""
            if not folder:
                continue
            try:
                names = [name for name in files.names(folder) if _LIBRARY.search(name)]
                there = True
            except files.Unreadable:
                names, there = [], False
            real = os.path.realpath(folder)
            found.append(
                LibraryFolder(
                    variable=variable,
                    path=text(folder),
                    exists=there,
                    of_target=real == prefix or real.startswith(prefix + "/"),
                    libraries=tuple(text(name) for name in names[:MAX_LIBRARIES]),
                )
            )
    for entry in dict.fromkeys(re.split(r"[:\s]+", environ.get(preloads, ""))):
        if entry:
            bare = "/" not in entry  # looked for on the library path; whether it is there the loader rules tell
            real = os.path.realpath(entry) if not bare else entry
            there = bare or "$" in entry or files.exists(entry if os.path.isabs(entry) else os.path.join(scene.cwd or "/", entry))
            found.append(
                LibraryFolder(
                    variable=preloads, path=text(entry), exists=there, preload=True, of_target=real.startswith(prefix + "/")
                )
            )
    return tuple(found)


def _python_home(scene: Scene, facts: interpreter.Facts) -> PythonHome | None:
    value = scene.environ.get("PYTHONHOME")
    if not value or scene.target.foreign:
        return None
    prefix = value.split(os.pathsep)[0]
    home = prefix if os.path.isabs(prefix) else os.path.join(scene.cwd or "/", prefix)
    versions: set[str] = set()
    for library in ("lib", "lib64", "Lib"):
        try:
            names = files.names(f"{home}/{library}")
        except files.Unreadable:
            continue
        if library == "Lib" and "os.py" in names and facts.interpreter.version:
            versions.add(_windows_version(home) or ".".join(facts.interpreter.version.split(".")[:2]))
        for name in names:
            found = re.fullmatch(r"(?:python|pypy)(\d\.\d+)t?", name)
            if found and files.is_file(f"{home}/{library}/{name}/os.py"):
                versions.add(found[1])
    base = facts.interpreter.base_prefix
    return PythonHome(
        path=text(value),
        exists=files.is_folder(home),
        versions=tuple(sorted(versions, key=lambda v: [int(part) for part in v.split(".")])),
        same=any(files.same(home, other) for other in (base, scene.prefix) if other),
    )


def _windows_version(home: str) -> str | None:
    """X.Y of a Windows installation by its pythonXY.dll."""
    try:
        for name in files.names(home):
            found = re.fullmatch(r"python(3)(\d+)\.dll", name.lower())
            if found:
                return f"3.{found[2]}"
    except files.Unreadable:
        pass
    return None
