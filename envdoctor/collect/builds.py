"""What the project and its locks ask of an installer: packages that must be built, and features that an old pip lacks.

Locks are scanned as text, block by block, because they are written by machines, may be megabytes, and only a few of their
packages matter here: those that are not installed, have a source distribution, and no wheel for every platform.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from envdoctor.collect import files
from envdoctor.collect.scene import Scene
from envdoctor.data.builds import BACKENDS, TOOLS
from envdoctor.lazy import pattern
from envdoctor.snapshot import BuildNeed, Distribution, PipAsk, Project, text
from envdoctor.tuples import NamedTuple

LOCKS = ("uv.lock", "pylock.toml", "poetry.lock", "pdm.lock")
MAX_LOCK = 16 << 20
MAX_NEEDS = 200
MAX_EDGES = 50
"""Places of a lock that ask for one package, of which the conditions are read."""
_FILE = pattern(r"[\"'/]([A-Za-z0-9][A-Za-z0-9._]*-[^\"'/#?\s]+?\.(?:whl|tar\.gz|tar\.bz2|zip))(?=[\"'#?])")
_FIELD = pattern(r"^(name|version|marker|markers|source) = (.+)$", re.MULTILINE)
_NAME = pattern(r"^\s*([A-Za-z0-9][\w.-]*)")
_SEPARATORS = pattern(r"[-_.]+")
_PEP600 = pattern(r"manylinux_2_(\d+)_")


class Needs(NamedTuple):
    """Facts for the rules."""

    builds: tuple[BuildNeed, ...]
    asks: tuple[PipAsk, ...]


def collect(scene: Scene, project: Project | None, distributions: Sequence[Distribution]) -> Needs:
    """What the project folder asks for."""
    if project is None or scene.project_root is None:
        return Needs((), ())
    root = scene.project_root
    installed = {dist.name: dist.version for dist in distributions}
    own = _normal(project.name or "")
    needs: list[BuildNeed] = []
    asks: list[PipAsk] = []
    if own not in installed:
        needs += _of_project(project, root)
    asks += _asks(project, root)
    for lock in project.locks:
        if lock not in LOCKS and not lock.startswith("pylock."):
            continue
        try:
            source = files.read(f"{root}/{lock}", MAX_LOCK).data.decode("utf-8", "backslashreplace")
        except files.Unreadable:
            continue
        asks += _asks_of_lock(source, lock)
        for need in _of_lock(source, lock, installed, own):
            if len(needs) >= MAX_NEEDS:
                scene.gap("installers", lock, f"more than {MAX_NEEDS} packages to build; the rest was not read")
                break
            needs.append(need)
    return Needs(
        tuple(sorted(needs, key=lambda n: (n.name, n.source))), tuple(sorted(set(asks), key=lambda a: (a.feature, a.source)))
    )


def _normal(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()


def _named(requirement: str) -> str:
    match = _NAME.match(requirement)
    return _normal(match.group(1)) if match else ""


def _of_project(project: Project, root: str) -> Iterator[BuildNeed]:
    """The project itself, where its build backend needs more than Python."""
    named = sorted({_named(requirement) for requirement in project.build_requires})
    tools: list[str] = []
    backends = []
    for name in named:
        if name in BACKENDS:
            tools += BACKENDS[name]
            backends.append(name)
    # numpy, cffi and torch are also build requirements of pure projects that compile nothing; a setup script decides
    if backends and set(backends) <= {"numpy", "cffi", "torch"} and not _compiles(root):
        return
    if "torch" in backends and _mentions(root, ("CUDAExtension",)):
        tools.append("nvcc")
    if not tools and project.setup_py and _compiles(root):
        tools, backends = ["compiler", "Python.h"], ["setuptools"]
    if tools:
        yield BuildNeed(
            name=_normal(project.name or "project"),
            requirement=".",
            source="pyproject.toml" if backends != ["setuptools"] else "setup.py",
            backend=", ".join(backends),
            tools=tuple(dict.fromkeys(tools)),
            named=True,
        )


def _compiles(root: str) -> bool:
    return _mentions(root, ("ext_modules", "Extension(", "cffi_modules", "cythonize("))


def _mentions(root: str, needles: Iterable[str]) -> bool:
    for name in ("setup.py", "setup.cfg", "pyproject.toml"):
        try:
            source = files.read_text(f"{root}/{name}", 1 << 20)
        except files.Unreadable:
            continue
        if any(needle in source for needle in needles):
            return True
    return False


def _blocks(source: str) -> Iterator[str]:
    """The package tables of a lock."""
    mark = "[[packages]]" if "[[packages]]" in source else "[[package]]"
    yield from source.split("\n" + mark)[1:]


def _fields(block: str) -> dict[str, str]:
    """The plain fields of a package table, those of its sub-tables left out."""
    head = re.split(r"^\[", block, maxsplit=1, flags=re.MULTILINE)[0]
    found: dict[str, str] = {}
    for match in _FIELD.finditer(head):
        value = match.group(2).strip()
        found.setdefault(match.group(1), value[1:-1] if value[:1] in "\"'" and value[-1:] == value[:1] else value)
    return found


def _of_lock(source: str, lock: str, installed: dict[str, str | None], own: str) -> Iterator[BuildNeed]:
    seen: set[tuple[str, str]] = set()
    for block in _blocks("\n" + source):
        if "-none-any.whl" in block:
            continue
        fields = _fields(block)
        name, version = _normal(fields.get("name", "")), fields.get("version", "")
        if not name or name == own or installed.get(name) == version or (name, version) in seen:
            continue
        seen.add((name, version))
        names = [match.group(1) for match in _FILE.finditer(block)]
        wheels = sorted({"-".join(file[:-4].split("-")[-3:]) for file in names if file.endswith(".whl")})
        if not any(not file.endswith(".whl") for file in names):
            continue
        yield BuildNeed(
            name=name,
            requirement=f"{name}=={version}" if version else name,
            source=text(lock),
            tools=TOOLS.get(name, ("compiler", "Python.h")),
            wheels=tuple(text(tag) for tag in wheels[:200]),
            markers=tuple(sorted(_markers(source, name, fields))),
            guessed=not wheels and name not in TOOLS,
        )


def _markers(source: str, name: str, fields: dict[str, str]) -> set[str]:
    """Conditions under which the lock wants a package; ``""`` is without one. Any of them suffices."""
    own = fields.get("marker") or fields.get("markers")
    if own:
        return {text(own)}
    found: set[str] = set()
    start = 0
    needle = f'{{ name = "{name}"'
    for _ in range(MAX_EDGES):
        start = source.find(needle, start)
        if start < 0:
            break
        line = source[start : start + 2000].partition("\n")[0]
        match = re.search(r"marker = ([\"'])(.*?)\1 ?[,}]", line)
        found.add(text(match.group(2)) if match else "")
        start += len(needle)
    return found or {""}


def _asks(project: Project, root: str) -> Iterator[PipAsk]:
    """Features that the manifests use."""
    backend = project.build_backend or ""
    if backend and not backend.startswith("setuptools"):
        yield PipAsk(feature="pep517", source="pyproject.toml", detail=f"build backend {backend}")
        if not project.setup_py:
            asked = list(_editable_self(project, root))
            if project.name and not asked:
                asked = [("pyproject.toml", f"build backend {backend} and no setup.py")]
            for name, line in asked:
                yield PipAsk(feature="pep660", source=name, detail=line)


def _editable_self(project: Project, root: str) -> Iterator[tuple[str, str]]:
    """Requirement files that install the project itself as editable."""
    for name in project.requirement_sources:
        if not name.endswith((".txt", ".in")):
            continue
        try:
            lines = files.read_text(f"{root}/{name}", 2 << 20).splitlines()
        except files.Unreadable:
            continue
        for line in lines:
            words = line.split("#")[0].replace("=", " ").split()
            if len(words) > 1 and words[0] in ("-e", "--editable") and words[1].partition("[")[0] in (".", "./", "file:."):
                yield name, line.strip()[:100]
                break


def _asks_of_lock(source: str, lock: str) -> Iterator[PipAsk]:
    """Features that a lock uses."""
    if lock.startswith("pylock."):
        yield PipAsk(feature="pylock", source=text(lock), detail="lock-version 1.0 (PEP 751)")
    for block in _blocks("\n" + source):
        if "manylinux_2_" not in block or "manylinux2014" in block or "manylinux2010" in block or "manylinux1_" in block:
            continue
        match = _PEP600.search(block)
        fields = _fields(block)
        if match and "-none-any.whl" not in block:
            yield PipAsk(
                feature="pep600",
                source=text(lock),
                detail=f"{fields.get('name', '?')} {fields.get('version', '')} {match.group()[:-1]}",
            )
            return


def compiler(scene: Scene) -> bool | None:
    """A C compiler can be found on PATH (or CC names one that exists); None where files do not tell (Windows, macOS)."""
    if scene.target.foreign or scene.target.system != "linux":
        return None
    folders = [folder for folder in scene.environ.get("PATH", "").split(":") if folder.startswith("/")]
    folders.append(f"{scene.prefix}/bin")
    names = ["cc", "gcc", "clang", "x86_64-conda-linux-gnu-cc", "aarch64-conda-linux-gnu-cc"]
    given = scene.environ.get("CC", "").split()
    names += given[:1]
    for name in names:
        if name.startswith("/"):
            if files.is_file(name):
                return True
        elif any(files.is_file(f"{folder}/{name}") for folder in folders):
            return True
    return False
