"""From what the user named, or did not name, to the environment under examination.

:func:`resolve` reads the file system and nothing else: shims are followed by reading them, no `python`, `pyenv` or `conda`
is started. A dead environment (its interpreter is gone) is a target like any other; a folder that nothing proves to be an
environment is not.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping

from envdoctor.collect import files
from envdoctor.lazy import pattern
from envdoctor.snapshot import Kind, System, Target, text
from envdoctor.tuples import NamedTuple

MAX_LINKS = 40
"""Symbolic links followed before a chain counts as a loop, as Linux does (path_resolution(7))."""

PYTHON_NAME = pattern(r"(?:pythonw?|pypy|graalpy)(\d+(?:\.\d+)*)?[td]{0,2}(?:-dbg|-intel64|-32)?(?:\.exe)?$", re.IGNORECASE)
_LIB_FOLDER = pattern(r"(?:python|pypy|graalpy)(\d+\.\d+)[td]?$")
_MANIFESTS = ("pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "pixi.toml", "environment.yml", "requirements.txt")
_REPOSITORIES = (".git", ".hg", ".jj", ".svn")
_MAC_PLACES = ("/Users/", "/opt/homebrew/", "/Library/", "/Applications/", "/System/", "/usr/local/Cellar/", "/Volumes/")
_MAC_WORDS = pattern(r"(?:^|\s)(?:/Users/|/usr/local/opt/python@)")
"""Homebrew's folder on Intel and the folder of homes, in the command that made an environment whose interpreter is gone."""
_MACHO = (
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xfe\xed\xfa\xcf",
    b"\xfe\xed\xfa\xce",
    b"\xca\xfe\xba\xbe",
    b"\xca\xfe\xba\xbf",
)
_CONDA_ROOTS = (
    "miniforge3",
    "mambaforge",
    "miniconda3",
    "anaconda3",
    "micromamba",
    ".local/share/mamba",
    "conda",
    "miniforge",
    "miniconda",
    "anaconda",
    "opt/miniconda3",
    "opt/anaconda3",
)
_CONDA_ROOTS_SHARED = (
    "/opt/conda",
    "/opt/miniforge3",
    "/opt/miniconda3",
    "/opt/anaconda3",
    "/opt/mambaforge",
    "/opt/homebrew/Caskroom/miniforge/base",
    "/opt/homebrew/Caskroom/miniconda/base",
)


class TargetError(Exception):
    """What was named is no environment, or cannot be looked at. `message` is one line, `hint` one line or None."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Chosen(NamedTuple):
    """The target, and its prefix as the file system takes it (surrogates kept)."""

    target: Target
    prefix: str


def resolve(
    argument: str | None,
    *,
    environ: Mapping[str, str],
    cwd: str | None,
    home: str | None,
    python: str | None = None,
    prefix: str | None = None,
    name: str | None = None,
    project: str | None = None,
) -> Chosen:
    """The environment that these options name; with none of them the one that the shell would use.

    `argument` is a prefix folder, an interpreter, or the name of a conda environment; `python`, `prefix` and `name` are the
    options of the same names; `project` is the project folder (default: `cwd`). Raises TargetError.
    """
    given = [option for option in (argument, python, prefix, name) if option is not None]
    if len(given) > 1:
        raise TargetError(f"several targets named: {', '.join(given)}", "name one of them")
    finder = _Finder(environ, cwd or "/", home, project)
    if python is not None:
        return finder.interpreter(finder.absolute(python), "--python") if _is_path(python) else finder.command(python, "--python")
    if prefix is not None:
        return finder.place(finder.absolute(prefix), "--prefix")
    if name is not None:
        return finder.conda(name, "--name")
    if argument is None:
        return finder.default()
    if not argument:
        raise TargetError("the target is an empty text", "name a prefix folder, an interpreter or a conda environment")
    path = finder.absolute(argument)
    if _is_path(argument) or os.path.lexists(path):
        if not _is_path(argument) and not _is_environment(path) and finder.conda_folders(argument):
            return finder.conda(argument, "argument")
        return finder.place(path, "argument")
    if finder.conda_folders(argument):
        return finder.conda(argument, "argument")
    if PYTHON_NAME.match(argument):
        return finder.command(argument, "argument")
    known = ", ".join(finder.conda_names()[:8])
    raise TargetError(
        f"{text(argument)}: no such folder, interpreter or conda environment",
        f"conda environments here: {known}" if known else "name a prefix folder, an interpreter or a conda environment",
    )


def python_of(prefix: str, system: System, named: str | None = None) -> str:
    """Path of the interpreter of `prefix`, there or not: `named` where the target has one, else by the layout's usual names."""
    if named is not None:
        return named
    if system == "windows":
        for relative in (
            "python.exe",
            "Scripts/python.exe",
            "pypy3.exe",
            "Scripts/pypy3.exe",
            "bin/python.exe",
            "bin/python3.exe",
        ):
            if os.path.lexists(f"{prefix}/{relative}"):
                return f"{prefix}/{relative}"
        return f"{prefix}/Scripts/python.exe" if os.path.lexists(f"{prefix}/pyvenv.cfg") else f"{prefix}/python.exe"
    folder = f"{prefix}/bin"
    for usual in ("python", "python3", "pypy3", "pypy", "graalpy"):
        path = f"{folder}/{usual}"
        try:
            mode = os.lstat(path).st_mode
        except (OSError, ValueError):
            continue
        if usual == "python" and stat.S_ISLNK(mode) and "python2" in _readlink(path):
            continue
        return path
    try:
        versioned = [n for n in os.listdir(folder) if (m := PYTHON_NAME.match(n)) and (m[1] or "").startswith("3.")]
    except OSError:
        versioned = []
    if versioned:
        return f"{folder}/{max(versioned, key=lambda n: (_numbers(n), '-' not in n, n))}"
    return f"{folder}/python"


def library_folders(prefix: str, *, windows: bool = False) -> list[tuple[str, str | None]]:
    """``lib/pythonX.Y`` and its kin below `prefix`, each with its X.Y (None on Windows), in the order lib64, lib.

    A folder reached by two names (``lib64 -> lib``) comes once.
    """
    if windows:
        return [(f"{prefix}/Lib", None)] if files.is_folder(f"{prefix}/Lib") else []
    found: list[tuple[str, str | None]] = []
    lib = _identity(f"{prefix}/lib")
    for folder in ("lib64", "lib"):
        base = f"{prefix}/{folder}"
        if folder == "lib64" and (_identity(base) in (None, lib)):
            continue
        try:
            inside = os.listdir(base)
        except (OSError, ValueError):
            continue
        found += sorted(((f"{base}/{n}", m[1]) for n in inside if (m := _LIB_FOLDER.match(n))), key=lambda f: _numbers(f[0]))
    return found


def virtualenv_origin(prefix: str, *, windows: bool = False) -> tuple[str, bool] | None:
    """For an environment of virtualenv before 20, which wrote no pyvenv.cfg: its base prefix, and whether it shares the
    base's packages. It copied or linked the standard library's start into itself, with ``orig-prefix.txt`` among it.
    None for anything else."""
    for folder, _ in library_folders(prefix, windows=windows):
        if files.is_file(f"{folder}/orig-prefix.txt"):
            try:
                origin = files.read_text(f"{folder}/orig-prefix.txt", 1 << 12).strip()
            except files.Unreadable:
                continue
            if origin and "\n" not in origin:
                return origin, not files.exists(f"{folder}/no-global-site-packages.txt")
    return None


def project_folders(start: str) -> list[str]:
    """`start` and its parents up to the root of its repository; without one up to the nearest folder with a manifest."""
    folders: list[str] = []
    folder = start
    manifest: int | None = None
    while True:
        folders.append(folder)
        if any(os.path.lexists(f"{folder}/{mark}") for mark in _REPOSITORIES):
            return folders
        if manifest is None and any(os.path.lexists(f"{folder}/{mark}") for mark in _MANIFESTS):
            manifest = len(folders)
        parent = os.path.dirname(folder)
        if parent == folder:
            return folders[: manifest or 1]
        folder = parent


class _Finder:
    """One look for a target: the shell's facts, and the ways to a prefix."""

    def __init__(self, environ: Mapping[str, str], cwd: str, home: str | None, project: str | None) -> None:
        self.environ = environ
        self.cwd = cwd
        self.home = home
        self.project = self.absolute(project) if project else cwd

    def absolute(self, path: str) -> str:
        """`path` from the working directory, without ``.``, ``..`` and doubled slashes; links stay."""
        if self.home and (path == "~" or path.startswith("~/")):
            path = self.home + path[1:]
        if "\0" in path:
            raise TargetError(f"{text(path)!r} is no possible path")
        path = os.path.normpath(os.path.join(self.cwd, path))
        return path[1:] if path.startswith("//") else path

    # ---------------------------------------------------------------------------------------------------- by path
    def place(self, path: str, chosen_by: str) -> Chosen:
        """The target at a path: a prefix folder, a root folder that holds one, or an interpreter."""
        try:
            info = os.stat(path)
        except (OSError, ValueError) as error:
            if os.path.islink(path) and PYTHON_NAME.match(os.path.basename(path)):
                return self.interpreter(path, chosen_by)
            if isinstance(error, PermissionError):
                raise _denied(path) from None
            if os.path.islink(path):
                raise TargetError(f"{text(path)} is a broken link to {text(_readlink(path))}") from None
            raise TargetError(f"{text(path)} does not exist", self._near(path)) from None
        if not stat.S_ISDIR(info.st_mode):
            return self.interpreter(path, chosen_by)
        if path != "/" and _is_environment(path):
            return _describe(path, chosen_by)
        if os.path.isdir(f"{path}/usr"):
            for inner in ("usr/local", "usr"):
                if _has_stdlib(f"{path.rstrip('/')}/{inner}"):
                    return _describe(f"{path.rstrip('/')}/{inner}", chosen_by)
        raise TargetError(f"{text(path)} is no Python environment", self._near(path))

    def interpreter(self, path: str, chosen_by: str) -> Chosen:
        """The target that an interpreter belongs to, links followed only as far as Python itself does."""
        if not os.path.lexists(path):
            raise TargetError(f"{text(path)} does not exist", self._near(path))
        if files.is_folder(path):
            return self.place(path, chosen_by)
        if not PYTHON_NAME.match(os.path.basename(path)):
            raise TargetError(f"{text(path)} is no Python interpreter", self._near(path))
        path = self._through_shim(path) or path
        prefix = _prefix_of(path)
        if prefix is None:
            raise TargetError(
                f"{text(path)} belongs to no Python environment that can be found", "name the environment's folder instead"
            )
        return _describe(prefix, chosen_by, interpreter=path)

    def command(self, name: str, chosen_by: str) -> Chosen:
        """The target of the first `name` on PATH."""
        for path in self._on_path(name):
            found = self._through_shim(path)
            if found is None and _is_shim(path):
                continue
            return self.interpreter(found or path, chosen_by)
        raise TargetError(f"no {text(name)} on PATH", "name a prefix folder or the path of an interpreter")

    # -------------------------------------------------------------------------------------------------- by default
    def default(self) -> Chosen:
        """VIRTUAL_ENV, CONDA_PREFIX, the project's ``.venv``, ``python`` on PATH."""
        for variable, leave in (("VIRTUAL_ENV", "deactivate"), ("CONDA_PREFIX", "conda deactivate")):
            value = self.environ.get(variable)
            if not value:
                continue
            try:
                return self.place(self.absolute(value), variable)
            except TargetError as error:
                raise TargetError(
                    f"{variable} names no environment: {error.message}", f"run `{leave}`, or name the environment to check"
                ) from None
        for folder in project_folders(self.project):
            path = f"{folder.rstrip('/')}/.venv"
            if files.is_file(path):
                named = _named_in(path, folder)
                if named is not None:
                    return self.place(named, "the path in the project's .venv file")
            elif os.path.lexists(path):
                try:
                    return self.place(path, ".venv in the project")
                except TargetError as error:
                    raise TargetError(
                        f"the project's .venv is no environment: {error.message}",
                        "make it again, or name the environment to check",
                    ) from None
        for name in ("python", "python3"):
            try:
                return self.command(name, f"{name} on PATH")
            except TargetError as error:
                if not error.message.startswith("no "):
                    raise
        raise TargetError("no environment is active and there is no python on PATH", "name one: envdoctor check DIR")

    def _on_path(self, name: str) -> Iterator[str]:
        """Executable files called `name` in the folders of PATH."""
        names = (name, f"{name}.exe") if sys.platform == "win32" and not name.endswith(".exe") else (name,)
        for folder in (self.environ.get("PATH") or "").split(os.pathsep):
            for each in names:
                path = self.absolute(f"{folder or '.'}/{each}")
                try:
                    info = os.stat(path)
                except (OSError, ValueError):
                    continue
                if stat.S_ISREG(info.st_mode) and os.access(path, os.X_OK) and info.st_size:
                    yield path

    # ------------------------------------------------------------------------------------------------------- shims
    def _through_shim(self, path: str) -> str | None:
        """The interpreter that a pyenv or asdf shim, or a plain ``exec`` wrapper, would start; None where `path` is none.

        Raises TargetError where it is a shim whose choice is not installed.
        """
        script = _script(path)
        if script is None:
            if os.path.basename(os.path.realpath(path)) in ("mise", "rtx"):
                raise TargetError(f"{text(path)} is a shim of mise, which decides when it runs", "name the environment to check")
            return None
        if _is_pyenv(path, script):
            return self._pyenv(path, script)
        if "asdf" in script and "exec" in script:
            return self._asdf(path)
        wrapped = wrapped_interpreter(script)
        if wrapped and os.path.lexists(wrapped):
            return wrapped
        if _prefix_of(path) is not None and os.path.basename(os.path.dirname(path)) in ("bin", "Scripts"):
            return None
        raise TargetError(f"{text(path)} is a script, not an interpreter", "name the environment to check")

    def _pyenv(self, path: str, script: str) -> str | None:
        """What pyenv would start (its ``pyenv-version-name`` and ``pyenv-which``), None for ``system``."""
        shims = os.path.dirname(path)
        named = re.search(r'^export PYENV_ROOT="?([^"\n]+)"?', script, re.MULTILINE)
        root = self.environ.get("PYENV_ROOT") or (named[1] if named else os.path.dirname(shims))
        program = os.path.basename(path)
        source = "PYENV_VERSION"
        wanted = self.environ.get("PYENV_VERSION", "").split(":")
        if not any(wanted):
            local = next(
                (
                    f
                    for d in _upward(self.environ.get("PYENV_DIR") or self.cwd)
                    if files.is_file(f := f"{d.rstrip('/')}/.python-version")
                ),
                f"{root}/version",
            )
            source = local
            try:
                wanted = [w for line in files.read_text(local, 1 << 16).splitlines() for w in line.split("#")[0].split()]
            except files.Unreadable:
                wanted = ["system"]
        missing = []
        for version in filter(None, wanted):
            if version == "system":
                return None
            folder = _pyenv_version(root, version)
            if folder is None:
                missing.append(version)
            elif os.path.lexists(f"{folder}/bin/{program}"):
                return f"{folder}/bin/{program}"
        if missing:
            raise TargetError(
                f"pyenv's version {text(missing[0])} (from {text(source)}) is not installed", f"pyenv install {text(missing[0])}"
            )
        return None

    def _asdf(self, path: str) -> str | None:
        """What asdf would start: ASDF_PYTHON_VERSION, else ``.tool-versions`` upward and in the home folder."""
        root = self.environ.get("ASDF_DATA_DIR") or os.path.dirname(os.path.dirname(path))
        wanted = self.environ.get("ASDF_PYTHON_VERSION", "").split()
        for folder in [*_upward(self.cwd), *([self.home] if self.home else [])]:
            if wanted:
                break
            try:
                lines = files.read_text(f"{folder.rstrip('/')}/.tool-versions", 1 << 16).splitlines()
            except files.Unreadable:
                continue
            wanted = next((line.split("#")[0].split()[1:] for line in lines if line.split()[:1] == ["python"]), [])
        for version in wanted:
            if version == "system":
                return None
            found = f"{root}/installs/python/{version}/bin/{os.path.basename(path)}"
            if os.path.lexists(found):
                return found
        if wanted:
            raise TargetError(f"asdf's python {text(wanted[0])} is not installed", f"asdf install python {text(wanted[0])}")
        return None

    # ------------------------------------------------------------------------------------------------------- conda
    def conda(self, name: str, chosen_by: str) -> Chosen:
        """The conda, mamba or pixi environment of that name."""
        if _is_path(name):
            raise TargetError(f"{text(name)} is a path, not the name of an environment", "use --prefix for a path")
        folders = self.conda_folders(name)
        if not folders:
            known = ", ".join(self.conda_names()[:8])
            raise TargetError(
                f"no conda environment is called {text(name)}",
                f"conda environments here: {known}" if known else "use --prefix with the environment's folder",
            )
        return _describe(folders[0], chosen_by)

    def conda_folders(self, name: str) -> list[str]:
        """Prefixes of that name, in conda's order of looking."""
        if not name or _is_path(name) or name in (".", ".."):
            return []
        found: list[str] = []
        if name in ("base", "root"):
            found += [root for root in self._conda_roots() if _is_environment(root)]
        found += [path for folder in self._conda_env_folders() if _is_environment(path := f"{folder}/{name}")]
        found += [path for path in self._registered() if os.path.basename(path) == name and _is_environment(path)]
        return list(dict.fromkeys(found))

    def conda_names(self) -> list[str]:
        """Names of the environments that can be found, sorted."""
        found = set()
        for folder in self._conda_env_folders():
            try:
                inside = os.listdir(folder)
            except OSError:
                continue
            found |= {n for n in inside if os.path.isdir(f"{folder}/{n}/conda-meta")}
        found |= {os.path.basename(path) for path in self._registered() if os.path.isdir(f"{path}/conda-meta")}
        return sorted(text(n) for n in found if n)

    def _conda_roots(self) -> list[str]:
        """Root prefixes that the shell or the usual places name."""
        roots: list[str] = []
        for variable in ("CONDA_EXE", "_CONDA_EXE"):
            if value := self.environ.get(variable):
                roots.append(os.path.dirname(os.path.dirname(self.absolute(value))))
        for variable in ("CONDA_ROOT", "_CONDA_ROOT", "MAMBA_ROOT_PREFIX"):
            if value := self.environ.get(variable):
                roots.append(self.absolute(value))
        if value := self.environ.get("CONDA_PREFIX"):
            active = self.absolute(value)
            parent = os.path.dirname(active)
            roots.append(os.path.dirname(parent) if os.path.basename(parent) == "envs" else active)
        for tool in ("conda", "mamba"):
            roots += [os.path.dirname(os.path.dirname(path)) for path in self._on_path(tool)]
        if self.home:
            roots += [f"{self.home}/{each}" for each in _CONDA_ROOTS]
        roots += _CONDA_ROOTS_SHARED
        return list(dict.fromkeys(roots))

    def _conda_env_folders(self) -> list[str]:
        """Folders that hold environments by name."""
        folders: list[str] = []
        for variable in ("CONDA_ENVS_PATH", "CONDA_ENVS_DIRS"):
            folders += [self.absolute(part) for part in (self.environ.get(variable) or "").split(os.pathsep) if part]
        folders += self._configured()
        folders += [f"{root}/envs" for root in self._conda_roots()]
        if self.home:
            folders += [f"{self.home}/.conda/envs", f"{self.home}/.pixi/envs"]
        folders += [f"{folder.rstrip('/')}/.pixi/envs" for folder in project_folders(self.project)]
        return [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder)]

    def _configured(self) -> list[str]:
        """``envs_dirs`` of every .condarc and .mambarc that counts for one of the root prefixes, and of ``CONDA_ENVS_DIRS``."""
        from envdoctor.collect import condarc

        places = condarc.places(self.environ, self.home, None, None)
        for root in self._conda_roots():
            if os.path.isdir(f"{root}/conda-meta"):
                places = [*condarc.places({}, None, root, None), *places]
        found = condarc.values(condarc.read(dict.fromkeys(places), self.environ).settings, "envs_dirs", mamba=True)
        full = (condarc.expanded(part, self.environ, self.home) for part in found)
        return [self.absolute(part) for part in full if "$" not in part and "\0" not in part]

    def _registered(self) -> list[str]:
        """Prefixes in ``~/.conda/environments.txt``."""
        if not self.home:
            return []
        try:
            lines = files.read_text(f"{self.home}/.conda/environments.txt", 1 << 20).splitlines()
        except files.Unreadable:
            return []
        return [os.path.normpath(line.strip()) for line in lines if os.path.isabs(line.strip())][:10000]

    def _near(self, path: str) -> str | None:
        """A hint at an environment above or below `path`."""
        for inner in (".venv", "venv", "env"):
            if _is_environment(f"{path}/{inner}"):
                return f"an environment is at {text(f'{path}/{inner}')}"
        pixi = f"{path}/.pixi/envs/default"
        if _is_environment(pixi):
            return f"an environment is at {text(pixi)}"
        above = path
        for _ in range(5):
            above = os.path.dirname(above)
            if above in ("", "/", "/usr"):
                break
            if _is_environment(above):
                return f"an environment is at {text(above)}"
        return "an environment has pyvenv.cfg, conda-meta or lib/pythonX.Y in it"


# ------------------------------------------------------------------------------------------------------- prefix to facts
def _describe(prefix: str, chosen_by: str, interpreter: str | None = None) -> Chosen:
    """The target at a folder that is known to be an environment."""
    try:
        inside = set(os.listdir(prefix))
    except PermissionError:
        raise _denied(prefix) from None
    except (OSError, ValueError) as error:
        raise TargetError(f"{text(prefix)}: {files.unreadable(error)}") from None
    config = _config(prefix) if "pyvenv.cfg" in inside else {}
    conda = "conda-meta" in inside and _is_conda(prefix)
    system = _system(prefix, inside, config)
    pixi = conda and ("/.pixi/envs/" in prefix.replace("\\", "/") or os.path.lexists(f"{prefix}/conda-meta/pixi"))
    kind: Kind
    if pixi:
        kind = "pixi"
    elif conda:
        kind = "conda"
    elif "pyvenv.cfg" in inside:
        kind = "uv" if "uv" in config else "virtualenv" if "virtualenv" in config else "venv"
    elif virtualenv_origin(prefix, windows=system == "windows") is not None:
        kind = "virtualenv"
    elif _has_stdlib(prefix):
        kind = "system"
    else:
        kind = "unknown"
    sysroot = _sysroot(prefix)
    main = python_of(prefix, system)
    named = None
    if interpreter is not None and interpreter != main and os.path.dirname(interpreter) == os.path.dirname(main):
        if os.path.exists(interpreter) and not files.same(interpreter, main):
            named = interpreter
    elif interpreter is not None and interpreter != main and not files.same(interpreter, main):
        named = _inside(prefix, interpreter)
    parent = os.path.basename(os.path.dirname(prefix))
    base = conda and not pixi and parent != "envs" and _is_conda_base(prefix, inside)
    name = None
    if conda:
        name = "base" if base else os.path.basename(prefix) if parent == "envs" else None
    here: System = "windows" if sys.platform == "win32" else "macos" if sys.platform == "darwin" else "linux"
    return Chosen(
        Target(
            prefix=text(prefix),
            kind=kind,
            chosen_by=chosen_by,
            system=system,
            foreign=system != here or sysroot is not None,
            sysroot=text(sysroot) if sysroot else None,
            name=text(name) if name else None,
            base=base,
            site_version=_site_version(prefix, windows=system == "windows"),
            python=text(named) if named else None,
        ),
        prefix,
    )


def _prefix_of(path: str) -> str | None:
    """The environment of an interpreter, as CPython's getpath finds it: pyvenv.cfg beside or above it, else landmarks.

    The links of `path` are followed one by one, so that a virtual environment's ``bin/python`` is not left by its own link,
    and ``~/bin/python3`` leads to the installation that it names.
    """
    seen = 0
    step = path
    while True:
        folder = os.path.dirname(step)
        above = os.path.dirname(folder)
        if os.path.lexists(f"{above}/pyvenv.cfg") or (
            os.path.basename(folder).lower() in ("bin", "scripts") and os.path.isdir(f"{above}/conda-meta")
        ):
            return above
        if os.path.lexists(f"{folder}/pyvenv.cfg") or os.path.isdir(f"{folder}/conda-meta"):
            return folder
        if above == "/" and os.path.islink("/bin"):
            above = "/usr"
        if os.path.basename(folder).lower() in ("bin", "scripts"):
            if _has_stdlib(above):
                return above
        elif _has_stdlib(folder):
            return folder
        seen += 1
        if seen > MAX_LINKS or not os.path.islink(step):
            break
        step = os.path.normpath(os.path.join(folder, _readlink(step)))
    folder = os.path.dirname(path)
    if os.path.basename(folder).lower() in ("bin", "scripts") and _is_environment(os.path.dirname(folder)):
        return os.path.dirname(folder)
    real = os.path.dirname(os.path.dirname(os.path.realpath(path)))
    if _is_environment(real):
        return real
    for developer in ("/Library/Developer/CommandLineTools", "/Applications/Xcode.app/Contents/Developer"):
        stub = f"{developer}/usr/bin/python3"
        if path == "/usr/bin/python3" and os.path.exists(stub):
            return os.path.dirname(os.path.dirname(os.path.realpath(stub)))
    return None


def _is_environment(path: str) -> bool:
    """Something proves that `path` is an environment, dead or alive. Raises TargetError where it may not be looked at."""
    try:
        inside = os.listdir(path)
    except PermissionError:
        raise _denied(path) from None
    except (OSError, ValueError):
        return False
    names = set(inside)
    if "pyvenv.cfg" in names or ("conda-meta" in names and _is_conda(path)):
        return True
    if _has_stdlib(path):
        return True
    if any(
        os.path.isdir(f"{folder}/site-packages")
        for folder, _ in library_folders(path, windows="Lib" in names and "lib" not in names)
    ):
        return True
    return bool(names & {"bin", "Scripts"}) and any(
        os.path.lexists(f"{path}/{each}") for each in ("bin/activate", "Scripts/activate.bat") if _python_beside(path)
    )


def _python_beside(prefix: str) -> bool:
    return any(os.path.lexists(f"{prefix}/{each}") for each in ("bin/python", "bin/python3", "Scripts/python.exe"))


def _has_stdlib(prefix: str) -> bool:
    """`prefix` holds a standard library: the landmark ``os.py`` that getpath looks for, or an embedded distribution's zip."""
    for folder, _ in library_folders(prefix):
        if os.path.lexists(f"{folder}/os.py") or os.path.lexists(f"{folder}/os.pyc"):
            return True
    if os.path.lexists(f"{prefix}/Lib/os.py") or os.path.lexists(f"{prefix}/lib-python/3/os.py"):
        return True
    if os.path.lexists(f"{prefix}/python.exe"):
        try:
            return any(re.fullmatch(r"python3\d+\.(?:zip|dll|_pth)", n, re.IGNORECASE) for n in os.listdir(prefix))
        except OSError:
            return False
    return False


def _is_conda(prefix: str) -> bool:
    """``conda-meta`` is a folder (one that may be empty: ``conda create`` without packages leaves ``history`` alone)."""
    return os.path.isdir(f"{prefix}/conda-meta")


def _is_conda_base(prefix: str, inside: set[str]) -> bool:
    """A root prefix: of conda or mamba, or what micromamba keeps its environments and its package cache in."""
    if "condabin" in inside or {"pkgs", "envs"} <= inside:
        return True
    if not inside & {"pkgs", "envs"}:
        return False
    try:
        return any(re.match(r"(?:conda|mamba)-\d", n) for n in os.listdir(f"{prefix}/conda-meta"))
    except OSError:
        return False


def _config(prefix: str) -> dict[str, str]:
    """pyvenv.cfg as site.py reads it: lower-case keys, stripped values, lines without ``=`` ignored."""
    try:
        lines = files.read_text(f"{prefix}/pyvenv.cfg", 1 << 18).splitlines()
    except files.Unreadable:
        return {}
    return {key.strip().lower(): value.strip() for key, mark, value in (line.partition("=") for line in lines) if mark}


def _system(prefix: str, inside: set[str], config: Mapping[str, str]) -> System:
    """The operating system whose files these are."""
    if (
        "python.exe" in inside
        or ("Lib" in inside and "lib" not in inside and "Scripts" in inside)
        or ("Scripts" in inside and "bin" not in inside and os.path.lexists(f"{prefix}/Scripts/python.exe"))
    ):
        return "windows"
    if re.match(r"[A-Za-z]:[\\/]", config.get("home", "")):
        return "windows"
    path = python_of(prefix, "linux")
    head = _head(path)
    if head[:4] == b"\x7fELF":
        return "linux"
    if head[:4] in _MACHO:
        return "macos"
    if head[:2] == b"MZ":
        return "windows"
    if "conda-meta" in inside and (subdir := _conda_subdir(prefix)):
        return "windows" if subdir.startswith("win-") else "macos" if subdir.startswith("osx-") else "linux"
    if sys.platform != "darwin":
        links = [config.get("home", "")]
        step = path
        for _ in range(MAX_LINKS):
            if not os.path.islink(step):
                break
            links.append(_readlink(step))
            step = os.path.normpath(os.path.join(os.path.dirname(step), links[-1]))
        if any(link.startswith(_MAC_PLACES) for link in links):
            return "macos"
        if not head and any(_MAC_WORDS.search(config.get(key, "")) for key in ("home", "command")):
            return "macos"
    for folder, _ in library_folders(prefix):
        try:
            inner = os.listdir(f"{folder}/lib-dynload")
        except OSError:
            continue
        if any(n.endswith("-darwin.so") for n in inner):
            return "macos"
        if any("-linux-" in n for n in inner):
            return "linux"
    return "windows" if sys.platform == "win32" else "macos" if sys.platform == "darwin" and not head else "linux"


def _conda_subdir(prefix: str) -> str | None:
    """Platform of the first records in conda-meta that are not noarch, by the text of their ``subdir``."""
    try:
        records = sorted(n for n in os.listdir(f"{prefix}/conda-meta") if n.endswith(".json"))
    except OSError:
        return None
    for name in sorted(records, key=lambda n: not n.startswith("python-"))[:40]:
        try:
            data = files.read(f"{prefix}/conda-meta/{name}", 4 << 20).data
        except files.Unreadable:
            continue
        if found := re.search(rb'"subdir"\s*:\s*"((?:linux|osx|win)-[\w]+)"', data):
            return found[1].decode()
    return None


def _sysroot(prefix: str) -> str | None:
    """The mounted root (another system's ``/``) that `prefix` lies in, or None."""
    folder = prefix
    while folder not in ("/", ""):
        if (
            (os.path.lexists(f"{folder}/etc/os-release") or os.path.lexists(f"{folder}/usr/lib/os-release"))
            and os.path.isdir(f"{folder}/usr")
            and os.path.isdir(f"{folder}/etc")
        ):
            return None if files.same(folder, "/") else folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return None


def _site_version(prefix: str, *, windows: bool) -> str | None:
    """Highest X.Y whose site-packages (or dist-packages) has something in it."""
    best: str | None = None
    for folder, version in library_folders(prefix, windows=windows):
        if version is None or (best is not None and _numbers(version) <= _numbers(best)):
            continue
        for inner in ("site-packages", "dist-packages"):
            try:
                with os.scandir(f"{folder}/{inner}") as entries:
                    if any(e.name not in ("README.txt", "__pycache__") for e in entries):
                        best = version
            except OSError:
                continue
    return best


# ---------------------------------------------------------------------------------------------------------------- pieces
def _is_path(argument: str) -> bool:
    return "/" in argument or argument in (".", "..", "~") or (sys.platform == "win32" and "\\" in argument)


def _named_in(path: str, folder: str) -> str | None:
    """The environment whose path a ``.venv`` file holds, relative to the project (Hatch and others write one); None for any
    other content, such as the name of an environment of pipenv."""
    try:
        words = files.read_text(path, 1 << 12).strip()
    except files.Unreadable:
        return None
    if not words or "\n" in words or "\0" in words:
        return None
    named = os.path.normpath(os.path.join(folder, words))
    return named if os.path.isdir(named) and _is_environment(named) else None


def _inside(prefix: str, path: str) -> str | None:
    return path if path.startswith(f"{prefix}/") else None


def _numbers(name: str) -> tuple[int, ...]:
    found = re.search(r"\d+(?:\.\d+)*", os.path.basename(name))
    return tuple(int(part[:9]) for part in found[0].split(".")) if found else ()


def _identity(path: str) -> tuple[int, int] | None:
    try:
        info = os.stat(path)
    except (OSError, ValueError):
        return None
    return info.st_dev, info.st_ino


def _readlink(path: str) -> str:
    try:
        return os.readlink(path)
    except (OSError, ValueError):
        return ""


def _head(path: str, size: int = 4096) -> bytes:
    try:
        return files.read(path, size).data
    except files.Unreadable:
        return b""


def _script(path: str) -> str | None:
    """Text of a small ``#!`` script, else None."""
    head = _head(path)
    return head.decode("utf-8", "surrogateescape") if head.startswith(b"#!") else None


def _is_pyenv(path: str, script: str) -> bool:
    return os.path.basename(os.path.dirname(path)) == "shims" and "pyenv" in script and "exec" in script


def _is_shim(path: str) -> bool:
    script = _script(path)
    return script is not None and (_is_pyenv(path, script) or "asdf" in script)


def wrapped_interpreter(script: str) -> str | None:
    """The interpreter that a plain wrapper starts: its only command is ``exec /abs/python … "$@"``; else None."""
    target: str | None = None
    for line in script.splitlines()[1:]:
        line = line.strip()
        if not line or line.startswith("#") or re.match(r"(?:export\s+)?\w+=|set\s+-\w+$", line):
            continue
        found = re.fullmatch(r"""exec\s+(?:-a\s+\S+\s+)?(?:"([^"$`]+)"|'([^']+)'|([^\s"'$`]+))(?:\s+-\w+)*\s+"?\$@"?""", line)
        if found is None or target is not None:
            return None
        target = found[1] or found[2] or found[3]
    return target if target and os.path.isabs(target) and PYTHON_NAME.match(os.path.basename(target)) else None


def _pyenv_version(root: str, version: str) -> str | None:
    """Folder of a pyenv version: its name, without a ``python-`` in front, or the highest installed one that it begins."""
    if "/" in version or version in (".", ".."):
        return None
    for name in (version, version.removeprefix("python-")):
        if os.path.isdir(f"{root}/versions/{name}"):
            return f"{root}/versions/{name}"
    try:
        fitting = [n for n in os.listdir(f"{root}/versions") if re.fullmatch(re.escape(version) + r"\.\d+", n)]
    except OSError:
        return None
    return f"{root}/versions/{max(fitting, key=_numbers)}" if fitting else None


def _upward(folder: str) -> Iterator[str]:
    while True:
        yield folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent


def _denied(path: str) -> TargetError:
    return TargetError(f"{text(path)}: permission denied", "run as a user who may read it")
