"""Packages whose ``__init__`` in one folder of sys.path hides portions of the same package in later folders (PKG015).

A folder without ``__init__`` is a namespace package: all folders of that name on sys.path together (PEP 420). As soon as
one of them has an ``__init__``, the import system takes the first such folder alone. It stays whole where the ``__init__``
itself extends its ``__path__`` (pkgutil.extend_path, pkg_resources.declare_namespace, any other way).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envdoctor.collect import files as fs
from envdoctor.snapshot import Distribution, NamespaceBlock, Site, text

if TYPE_CHECKING:
    from envdoctor.collect.distributions import Owned
    from envdoctor.collect.scene import Scene
    from envdoctor.collect.tree import Tree

DEPTH = 4
"""Levels of packages that are compared; google.cloud.x is the third."""
MODULES_KEPT = 50
_EXTENDING = (b"__path__", b"declare_namespace", b"extend_path")


def collect(
    scene: Scene,  # noqa: ARG001 - every collector takes it
    sites: list[Site],
    trees: list[Tree | None],
    distributions: list[Distribution],
    owned: list[Owned] | None = None,
) -> tuple[NamespaceBlock, ...]:
    """Every block, in the order of sys.path. `owned`: per site folder, recorded path to index in `distributions`."""
    active = [(i, tree) for i, (site, tree) in enumerate(zip(sites, trees, strict=True)) if tree is not None and site.active]
    if len(active) < 2:
        return ()
    found: list[NamespaceBlock] = []
    seen: dict[str, int] = {}
    for _, tree in active:
        for name in tree.top:
            if name in tree.folders and name.isidentifier() and name in tree.with_modules:
                seen[name] = seen.get(name, 0) + 1
    for name in sorted(name for name, count in seen.items() if count > 1):
        _compare(name, active, distributions, owned or [], found, 1)
    return tuple(found)


def _compare(
    folder: str,
    portions: list[tuple[int, Tree]],
    distributions: list[Distribution],
    owned: list[Owned],
    found: list[NamespaceBlock],
    depth: int,
) -> None:
    """Looks at one package, given the folders of sys.path that can contribute to it, and below it where nothing is hidden."""
    portions = [(index, tree) for index, tree in portions if folder in tree.folders]
    if len(portions) < 2:
        return
    blocker = next(((index, tree) for index, tree in portions if tree.has_package(folder)), None)
    if blocker is None:
        if depth < DEPTH:
            for child in sorted({name for _, tree in portions for name in _packages(tree, folder)}):
                _compare(f"{folder}/{child}", portions, distributions, owned, found, depth + 1)
        return
    init = f"{folder}/__init__.py"
    if init not in blocker[1].files or _extends(blocker[1].path(init)):
        return
    hidden: list[str] = []
    modules: set[str] = set()
    names: set[str] = set()
    for index, tree in portions:
        if index == blocker[0] or _same_content(tree, blocker[1], folder):
            continue
        if tree.has_package(folder) and index > blocker[0] and not _namespace_style(tree, folder):
            continue
        own = [path for path in tree.below(folder) if path.endswith((".py", ".so", ".pyd")) and path != init]
        missing = [path for path in own if path not in blocker[1].files]
        owners = {_owner(index, path, distributions, owned) for path in missing} - {None}
        if not owners:
            continue
        hidden.append(f"{tree.root}/{folder}")
        modules |= {_module(path) for path in missing}
        names |= {owner for owner in owners if owner}
    if hidden:
        found.append(
            NamespaceBlock(
                package=text(folder.replace("/", ".")),
                blocker=text(blocker[1].path(init)),
                site=blocker[0],
                hidden=tuple(sorted(text(path) for path in hidden)),
                hidden_modules=tuple(sorted(text(module) for module in modules))[:MODULES_KEPT],
                distributions=tuple(sorted(names)),
                owner=_owner(blocker[0], init, distributions, owned),
            )
        )


def _packages(tree: Tree, folder: str) -> set[str]:
    start = folder + "/"
    return {path[len(start) :] for path in tree.folders if path.startswith(start) and "/" not in path[len(start) :]}


def _extends(path: str) -> bool:
    """The ``__init__`` looks for portions in other folders itself."""
    try:
        data = fs.read(path, 1 << 20).data
    except fs.Unreadable:
        return True
    return any(word in data for word in _EXTENDING)


def _namespace_style(tree: Tree, folder: str) -> bool:
    """An ``__init__`` that expects to be one portion of several."""
    init = f"{folder}/__init__.py"
    return init in tree.files and _extends(tree.path(init))


def _same_content(tree: Tree, other: Tree, folder: str) -> bool:
    """The same folder reached by two entries of sys.path (lib64, a link)."""
    return fs.same(tree.path(folder), other.path(folder))


def _owner(index: int, path: str, distributions: list[Distribution], owned: list[Owned]) -> str | None:
    """Distribution that records the file, or that names the package in its metadata where it has no RECORD."""
    if index < len(owned):
        at = owned[index].get(path)
        if at is not None:
            return distributions[at].name
    top = path.partition("/")[0]
    return next((d.name for d in distributions if d.site == index and d.record is None and top in d.import_names), None)


def _module(path: str) -> str:
    stem, _, name = path.rpartition("/")
    name = name.partition(".")[0]
    return (stem if name == "__init__" else f"{stem}/{name}").replace("/", ".")
