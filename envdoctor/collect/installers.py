"""pip and uv: whether the target's own pip is whole, the settings of both tools, and what would have to be built."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from envdoctor.collect import builds, files, settings
from envdoctor.collect.scene import Scene
from envdoctor.lazy import pattern
from envdoctor.snapshot import Distribution, Installers, Interpreter, PipState, Project, Site, text

if TYPE_CHECKING:
    from envdoctor.collect import interpreter
    from envdoctor.collect.tree import Outline

ESSENTIAL = ("pip/__init__.py", "pip/__main__.py")
"""Files without which ``python -m pip`` does not start, in every pip since 1.5."""
_VERSION = pattern(r"^__version__\s*=\s*[\"']([^\"']+)[\"']", re.MULTILINE)
_DISTUTILS = pattern(rb"^(?:import|from) distutils\b", re.MULTILINE)
_MAPPING = pattern(rb"^from collections import [^\n]*\bM(?:utableM)?apping\b", re.MULTILINE)
_IMP_IMPORTER = pattern(rb"^register_finder\(pkgutil\.ImpImporter", re.MULTILINE)


def collect(
    scene: Scene,
    facts: interpreter.Facts,
    sites: Sequence[Site],
    trees: Sequence[Outline | None],
    distributions: Sequence[Distribution],
    project: Project | None,
) -> Installers:
    """State of the target's pip, settings of pip and uv, and packages that would be built from source."""
    found = settings.merged((settings.pip_settings(scene), settings.uv_settings(scene)))
    needs = builds.collect(scene, project, distributions)
    return Installers(
        pip=pip_state(scene, facts.interpreter, sites, trees, distributions),
        settings=found.settings,
        config_files=found.files,
        problems=found.problems,
        builds=needs.builds,
        asks=needs.asks,
        headers=headers(scene, facts.interpreter),
        compiler=builds.compiler(scene),
    )


def pip_state(
    scene: Scene,
    interpreter: Interpreter,
    sites: Sequence[Site],
    trees: Sequence[Outline | None],
    distributions: Sequence[Distribution],
) -> PipState:
    """The pip that ``python -m pip`` is meant to start: the target's own, else its base's where that is visible."""
    order = [i for i, site in enumerate(sites) if site.active and trees[i] is not None and site.role not in ("pythonpath", "pth")]
    order.sort(key=lambda i: (not sites[i].of_target, i))
    dists = {dist.site: dist for dist in distributions if dist.name == "pip" and dist.format in ("dist-info", "egg-info")}
    for i in order:
        tree = trees[i]
        assert tree is not None
        dist = dists.get(i)
        if dist is None and ESSENTIAL[0] not in tree.files:
            continue
        missing = [path for path in ESSENTIAL if path not in tree.files]
        rows = dist.record.missing if dist is not None and dist.record is not None else ()
        # modules of pip that RECORD lists; compiled files and scripts come and go
        missing += [row.path for row in rows if row.path.startswith("pip/") and row.path.endswith((".py", ".pem"))]
        version = dist.version if dist is not None else _version(tree.path(ESSENTIAL[0]))
        return PipState(
            present=True,
            version=version,
            site=i,
            metadata=dist is not None,
            importable=not missing,
            missing=tuple(sorted({text(path) for path in missing})),
            lacks=tuple(lacking(tree, version, interpreter, trees, sites)) if ESSENTIAL[0] in tree.files else (),
            shadowed_by=_shadow(scene, i, sites, trees),
            scripts=_scripts(scene),
        )
    return PipState(scripts=_scripts(scene))


def _version(path: str) -> str | None:
    try:
        match = _VERSION.search(files.read_text(path, 1 << 16))
    except files.Unreadable:
        return None
    return text(match.group(1)) if match else None


def _numbers(version: str | None) -> tuple[int, ...]:
    """Leading numbers of a version, for coarse comparison."""
    match = re.match(r"\d+(?:\.\d+)*", version or "")
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def lacking(
    tree: Outline, version: str | None, interpreter: Interpreter, trees: Sequence[Outline | None], sites: Sequence[Site]
) -> list[str]:
    """Parts of the standard library that this pip imports when it starts and that this Python has no longer.

    Read in the few files that decide it; the boundaries were found by running 25 releases of pip on six Pythons.
    """
    python, pip = _numbers(interpreter.version), _numbers(version)
    if not pip or pip >= (23, 1, 2) or python < (3, 10):
        return []
    lacks = []
    if _matches(tree, "pip/_vendor/html5lib/_trie/_base.py", _MAPPING):
        lacks.append("collections.Mapping (removed in Python 3.10)")
    if python >= (3, 12):
        provided = any(
            other is not None and sites[i].active and "distutils-precedence.pth" in other.files for i, other in enumerate(trees)
        )
        eager = ["pip/_internal/locations.py", "pip/_internal/locations/_sysconfig.py", "pip/locations.py"]
        if not provided and any(_matches(tree, path, _DISTUTILS) for path in eager):
            lacks.append("distutils (removed in Python 3.12)")
        if _matches(tree, "pip/_vendor/pkg_resources/__init__.py", _IMP_IMPORTER):
            lacks.append("pkgutil.ImpImporter (removed in Python 3.12)")
    return lacks


def _matches(tree: Outline, rel: str, pattern: re.Pattern[bytes]) -> bool:
    if rel not in tree.files:
        return False
    try:
        return pattern.search(files.read(tree.path(rel), 1 << 20).data) is not None
    except files.Unreadable:
        return False


def _shadow(scene: Scene, own: int, sites: Sequence[Site], trees: Sequence[Outline | None]) -> str | None:
    """The file that ``import pip`` finds before the target's pip: in the working directory, PYTHONPATH or a .pth folder.

    The user site before a system interpreter's own is how pip upgrades itself there, and fine.
    """
    if scene.cwd and not scene.target.foreign and not files.same(scene.cwd, sites[own].path):
        for name in ("pip/__init__.py", "pip.py"):
            if files.is_file(f"{scene.cwd}/{name}"):
                return text(f"{scene.cwd}/{name}")
    for i, site in enumerate(sites):
        tree = trees[i]
        if not site.active or tree is None or i == own or site.role not in ("pythonpath", "pth"):
            continue
        if site.role == "pth" and i > own:
            continue
        for name in ("pip/__init__.py", "pip.py"):
            if name in tree.files:
                return text(tree.path(name))
    return None


def _scripts(scene: Scene) -> tuple[str, ...]:
    """``pip`` commands in the target's folder of scripts."""
    suffix = ".exe" if scene.windows else ""
    return tuple(name for name in ("pip", "pip3") if files.exists(f"{scene.bin}/{name}{suffix}"))


def headers(scene: Scene, interpreter: Interpreter) -> bool | None:
    """``Python.h`` of the base interpreter is there; None where version or base is not known."""
    base = interpreter.base_prefix or scene.prefix
    numbers = _numbers(interpreter.version)
    if len(numbers) < 2:
        return None
    base = scene.rooted(base).rstrip("/\\")
    if scene.windows:
        return files.exists(f"{base}/include/Python.h")
    name = f"python{numbers[0]}.{numbers[1]}"
    if interpreter.implementation == "pypy":
        name = f"pypy{numbers[0]}.{numbers[1]}"
    flags = ("t" if interpreter.free_threaded else "") + ("d" if interpreter.debug else "")
    names = dict.fromkeys((name + flags, name, name + "m", name + "d"))
    roots = [base]
    if interpreter.origin == "homebrew" or scene.target.system == "macos":
        roots.append(f"{base}/Frameworks/Python.framework/Versions/{numbers[0]}.{numbers[1]}")
    return any(files.exists(os.path.join(root, "include", one, "Python.h")) for root in roots for one in names)
