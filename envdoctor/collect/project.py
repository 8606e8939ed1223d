"""The project folder: its manifests, locks, and the names a run from there would see first. Nothing of it is executed.

Read are pyproject.toml (PEP 621, dependency groups, poetry, pdm, hatch, flit, setuptools, maturin, scikit-build, uv),
setup.cfg, the literals of a ``setup()`` call, Pipfile, .python-version, requirements files, and environment.yml's name.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from envdoctor.collect import files
from envdoctor.collect.scene import Scene
from envdoctor.collect.settings import calm
from envdoctor.collect.toml import load, table, words
from envdoctor.lazy import pattern
from envdoctor.snapshot import Entry, Project, text

LOCKS = ("uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "Pipfile.lock", "pixi.lock", "conda-lock.yml", "conda-lock.yaml")
MANIFESTS = ("pyproject.toml", "setup.cfg", "setup.py", "Pipfile", "environment.yml", "environment.yaml", "pixi.toml")
MODULES = (".py", ".so", ".pyd", ".pyc")
MAX_NAMES = 2000
MAX_FOLDERS = 300
MAX_SETUP = 1 << (18 if sys.version_info >= (3, 11) else 16)
"""Bytes of a setup.py that are parsed. Python 3.10's parser overflows the C stack on 60,000 nested expressions."""
_REQUIREMENTS = pattern(r"^(?:requirements|constraints)(?:[-_.][\w.-]+)?\.(?:txt|in)$|^[\w.-]+[-_.]requirements\.(?:txt|in)$")
_POETRY = pattern(r"^([~^])\s*(\d+(?:\.\d+)*)$")


def collect(scene: Scene) -> Project | None:
    """Facts of the project folder; None when there is none."""
    if scene.project_root is None:
        return None
    return read(scene.project_root, scene)


def read(root: str, scene: Scene) -> Project:
    """Facts of the folder `root`."""
    root = root.rstrip("/") or "/"
    try:
        names = files.names(root)
    except files.Unreadable as error:
        scene.gap("project", root, str(error))
        return Project(root=text(root), named=scene.project_named)
    here = set(names)
    facts = _Facts(root)
    if "pyproject.toml" in here:
        facts.pyproject()
    if "setup.cfg" in here:
        facts.setup_cfg()
    if "setup.py" in here:
        facts.setup_py()
    if "Pipfile" in here:
        facts.pipfile()
    if ".python-version" in here:
        facts.python_version()
    for name in ("environment.yml", "environment.yaml"):
        if name in here:
            facts.environment_yml(name)
    locks = [name for name in names if name in LOCKS or (name.startswith("pylock.") and name.endswith(".toml"))]
    for name in names:
        if name.endswith((".conda-lock.yml", ".conda-lock.yaml")) or (
            _REQUIREMENTS.match(name) and not facts.requirements_file(name)
        ):
            locks.append(name)
    entries = tuple(_entries(root, names, scene))
    return Project(
        root=text(root),
        named=scene.project_named,
        name=facts.name,
        requires_python=facts.requires_python,
        requires_python_from=facts.requires_python_from,
        python_pin=facts.python_pin,
        entries=entries,
        packages=tuple(sorted(facts.own_packages(entries))),
        requirements=tuple(sorted(set(facts.requirements))),
        requirement_sources=tuple(dict.fromkeys(facts.sources)),
        locks=tuple(text(name) for name in sorted(set(locks))),
        build_requires=tuple(sorted(set(facts.build_requires))),
        build_backend=facts.build_backend,
        setup_py="setup.py" in here,
        manages=tuple(sorted(facts.manages)),
        environment=".venv" if ".venv" in here and files.exists(f"{root}/.venv/pyvenv.cfg") else None,
        problems=tuple(facts.problems),
    )


class _Facts:
    """What the manifests say, gathered file by file; the first that names a thing wins."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.name: str | None = None
        self.requires_python: str | None = None
        self.requires_python_from: str | None = None
        self.python_pin: str | None = None
        self.requirements: list[str] = []
        self.sources: list[str] = []
        self.build_requires: list[str] = []
        self.build_backend: str | None = None
        self.packages: set[str] = set()
        self.roots: set[str] = {"src"}
        self.problems: list[str] = []
        self.manages: set[str] = set()

    def named(self, name: object) -> None:
        if self.name is None and isinstance(name, str) and name.strip():
            self.name = name.strip()[:200]

    def needs_python(self, specifier: object, where: str) -> None:
        if self.requires_python is None and isinstance(specifier, str) and specifier.strip():
            self.requires_python, self.requires_python_from = specifier.strip()[:200], where

    def path_names(self, paths: Iterable[str]) -> None:
        """Import names of packages that a build setting gives as names or paths."""
        for path in paths:
            parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "**", "*")]
            if not parts:
                continue
            last = parts[-1]
            if len(parts) > 1 and parts[0] in self.roots:
                last = parts[1]
            self.packages.add(last.removesuffix(".py").partition(".")[0])

    # ------------------------------------------------------------------------------------------------- pyproject.toml
    def pyproject(self) -> None:
        document, problem = load(f"{self.root}/pyproject.toml")
        if problem:
            self.problems.append(f"pyproject.toml: {problem}")
            return
        project, tool = table(document, "project"), table(document, "tool")
        self.named(project.get("name"))
        self.needs_python(project.get("requires-python"), "pyproject.toml [project] requires-python")
        if project or "dependency-groups" in document or "poetry" in tool:
            self.sources.append("pyproject.toml")
        self.requirements += words(project.get("dependencies"))
        build = table(document, "build-system")
        if build:
            self.build_requires += words(build.get("requires"))
            backend = build.get("build-backend")
            self.build_backend = backend if isinstance(backend, str) else "setuptools.build_meta:__legacy__"
        self.manages |= {name for name in ("uv", "poetry", "pdm", "pixi", "hatch", "conda-lock") if name in tool}
        self._poetry(table(tool, "poetry"))
        self._build_settings(tool)

    def _poetry(self, poetry: dict[str, Any]) -> None:
        self.named(poetry.get("name"))
        for name, wanted in table(poetry, "dependencies").items():
            version = wanted.get("version") if isinstance(wanted, dict) else wanted
            specifier = pep440(version) if isinstance(version, str) else None
            if name == "python":
                self.needs_python(specifier, "pyproject.toml [tool.poetry.dependencies] python")
            elif not (isinstance(wanted, dict) and wanted.get("optional") is True):
                self.requirements.append(f"{name}{specifier or ''}")
        for item in poetry.get("packages") or () if isinstance(poetry.get("packages"), list) else ():
            if isinstance(item, dict) and isinstance(item.get("include"), str):
                if isinstance(item.get("from"), str):
                    self.roots.add(item["from"].strip("./"))
                self.path_names([item["include"].partition("/")[0]])

    def _build_settings(self, tool: dict[str, Any]) -> None:
        setuptools = table(tool, "setuptools")
        self.path_names(words(setuptools.get("packages")))
        self.path_names(words(setuptools.get("py-modules")))
        self.roots |= {place.strip("./") for place in words(table(setuptools, "packages", "find").get("where"))}
        self.roots |= {place.strip("./") for place in table(setuptools, "package-dir").values() if isinstance(place, str)}
        wheel = table(tool, "hatch", "build", "targets", "wheel")
        self.path_names(words(wheel.get("packages")))
        self.path_names(words(wheel.get("only-include")))
        self.path_names(words(table(tool, "scikit-build", "wheel").get("packages")))
        self.path_names(words(table(tool, "flit", "module").get("name")))
        self.path_names(words(table(tool, "maturin").get("module-name")))
        self.roots |= {place.strip("./") for place in words(table(tool, "maturin").get("python-source"))}
        backend = table(tool, "uv", "build-backend")
        self.path_names(words(backend.get("module-name")))
        self.roots |= {place.strip("./") for place in words(backend.get("module-root"))}
        self.path_names(words(table(tool, "pdm", "build").get("includes")))
        self.roots |= {place.strip("./") for place in words(table(tool, "pdm", "build").get("package-dir"))}
        self.named(table(tool, "flit", "metadata").get("module"))

    # ------------------------------------------------------------------------------------------------------ setuptools
    def setup_cfg(self) -> None:
        import configparser

        parser = configparser.RawConfigParser()
        try:
            parser.read_string(calm(files.read_text(f"{self.root}/setup.cfg", 1 << 18)))
        except files.Unreadable as error:
            self.problems.append(f"setup.cfg: {error}")
            return
        except configparser.Error as error:
            self.problems.append(f"setup.cfg: {' '.join(str(error).split())[:200]}")
            return
        if parser.has_section("metadata"):
            self.named(parser.get("metadata", "name", fallback=None))
        if not parser.has_section("options"):
            return
        self.sources.append("setup.cfg")
        self.needs_python(parser.get("options", "python_requires", fallback=None), "setup.cfg [options] python_requires")
        for line in parser.get("options", "install_requires", fallback="").splitlines():
            if line.strip() and not line.strip().startswith(("#", "file:", "attr:")):
                self.requirements.append(line.strip())
        for key in ("packages", "py_modules"):
            value = parser.get("options", key, fallback="")
            self.path_names(word.strip() for word in re.split(r"[,\n]", value) if word.strip() and ":" not in word)
        for line in parser.get("options", "package_dir", fallback="").splitlines():
            self.roots.add(line.partition("=")[2].strip())
        where = parser.get("options.packages.find", "where", fallback="") if parser.has_section("options.packages.find") else ""
        if where:
            self.roots.add(where.strip())

    def setup_py(self) -> None:
        """Literals in the arguments of ``setup(...)``; nothing is evaluated."""
        import ast
        import warnings

        self.sources.append("setup.py")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(files.read_text(f"{self.root}/setup.py", MAX_SETUP))
        except files.Unreadable as error:
            self.problems.append(f"setup.py: {error}")
            return
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            self.problems.append(f"setup.py: not Python{f' (at line {line})' if line else ''}")
            return
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if called != "setup":
                continue
            for keyword in node.keywords:
                try:
                    value = ast.literal_eval(keyword.value)
                except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                    continue
                if keyword.arg == "name":
                    self.named(value)
                elif keyword.arg == "python_requires":
                    self.needs_python(value, f"setup.py line {keyword.value.lineno}: python_requires")
                elif keyword.arg == "install_requires":
                    self.requirements += words(value)
                elif keyword.arg in ("packages", "py_modules"):
                    self.path_names(words(value))
                elif keyword.arg == "package_dir" and isinstance(value, dict):
                    self.roots |= {place for place in value.values() if isinstance(place, str)}

    # ---------------------------------------------------------------------------------------------------- other files
    def pipfile(self) -> None:
        document, problem = load(f"{self.root}/Pipfile")
        if problem:
            self.problems.append(f"Pipfile: {problem}")
            return
        self.sources.append("Pipfile")
        requires = table(document, "requires")
        full, short = requires.get("python_full_version"), requires.get("python_version")
        if isinstance(full, str):
            self.needs_python(f"=={full.strip()}", "Pipfile [requires] python_full_version")
        elif isinstance(short, str):
            self.needs_python(f"=={short.strip()}.*", "Pipfile [requires] python_version")
        for name, wanted in table(document, "packages").items():
            version = wanted.get("version") if isinstance(wanted, dict) else wanted
            self.requirements.append(f"{name}{version if isinstance(version, str) and version != '*' else ''}")

    def python_version(self) -> None:
        try:
            lines = files.read_text(f"{self.root}/.python-version", 1 << 16).split()
        except files.Unreadable as error:
            self.problems.append(f".python-version: {error}")
            return
        if lines:
            self.python_pin = lines[0][:100]

    def environment_yml(self, file: str) -> None:
        self.sources.append(file)
        try:
            lines = files.read_text(f"{self.root}/{file}", 1 << 20).splitlines()
        except files.Unreadable as error:
            self.problems.append(f"{file}: {error}")
            return
        for line in lines:
            if line.startswith("name:"):
                self.named(line.partition(":")[2].partition(" #")[0].strip().strip("\"'"))

    def requirements_file(self, name: str) -> bool:
        """Takes a requirements file; False when it is a lock (hashed, or conda's ``@EXPLICIT``)."""
        try:
            content = files.read_text(f"{self.root}/{name}", 2 << 20)
        except files.Unreadable as error:
            self.problems.append(f"{text(name)}: {error}")
            return True
        if "--hash=" in content or "\n@EXPLICIT" in "\n" + content:
            return False
        self.sources.append(text(name))
        if name in ("requirements.txt", "requirements.in"):
            for line in content.replace("\\\n", " ").splitlines():
                line = line.split(" #", 1)[0].strip()
                if line and not line.startswith(("#", "-")):
                    self.requirements.append(line[:500])
        return True

    def own_packages(self, entries: Iterable[Entry]) -> set[str]:
        """Import names that are the project's own."""
        own = {name for name in self.packages if name.isidentifier()}
        if self.name:
            plain = re.sub(r"[-_.]+", "_", self.name)
            own |= {name for name in (plain, plain.lower()) if name.isidentifier()}
            own |= {entry.name for entry in entries if entry.name.lower().replace("-", "_") == plain.lower()}
        for place in sorted(self.roots):
            place = place.strip("/")
            if place in ("", ".", "..") or place.startswith("../"):
                continue
            try:
                names = files.names(f"{self.root}/{place}")
            except files.Unreadable:
                continue
            for name in names[:MAX_NAMES]:
                stem = name.partition(".")[0] if name.endswith(MODULES) else name
                if stem.isidentifier() and (stem != name or files.is_folder(f"{self.root}/{place}/{name}")):
                    own.add(stem)
        return {text(name) for name in own}


def pep440(constraint: str) -> str | None:
    """A poetry constraint as a PEP 440 specifier, ``""`` for ``*``; None where it has no such form (``||``)."""
    parts = []
    for part in constraint.replace(" ,", ",").split(","):
        part = part.strip()
        if part in ("", "*"):
            continue
        if "|" in part:
            return None
        match = _POETRY.match(part)
        if match is None:
            parts.append(part if part[0] in "<>=!~" else f"=={part}")
            continue
        kind, numbers = match.group(1), [int(number) for number in match.group(2).split(".")]
        if kind == "^":
            keep = next((i for i, number in enumerate(numbers) if number), len(numbers) - 1)
        else:
            keep = 1 if len(numbers) > 1 else 0
        ceiling = [*numbers[:keep], numbers[keep] + 1]
        parts.append(f">={match.group(2)},<{'.'.join(map(str, ceiling))}")
    return ",".join(parts)


def _entries(root: str, names: Iterable[str], scene: Scene) -> Iterator[Entry]:
    """Names at the top that Python could import: modules, extension files, folders."""
    folders = 0
    for count, name in enumerate(names):
        if count >= MAX_NAMES:
            scene.gap("project", root, f"more than {MAX_NAMES} names at the top; the rest was not read")
            return
        if name.startswith("."):
            continue
        path = f"{root}/{name}"
        module = name.endswith(MODULES)
        if not module and not name.isidentifier():
            continue
        link = os.path.islink(path)
        if link and not files.exists(path):
            yield Entry(name=text(name), type="broken-link", has_modules=False)
        elif module:
            kind = "file" if files.is_file(path) else "other"
            yield Entry(name=text(name), type="link" if link and kind == "file" else kind, has_modules=kind == "file")  # type: ignore[arg-type]
        elif files.is_folder(path):
            folders += 1
            try:
                inside = files.names(path) if folders <= MAX_FOLDERS else []
            except files.Unreadable:
                inside = []
            if "pyvenv.cfg" in inside:
                continue
            modules = [inner for inner in inside if inner.endswith(MODULES)]
            init = any(inner.partition(".")[0] == "__init__" for inner in modules)
            yield Entry(name=text(name), type="link" if link else "folder", has_init=init, has_modules=bool(modules))
