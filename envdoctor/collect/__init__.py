"""Collectors: all reading of a target, its shell and its machine, one module per kind of fact.

:func:`collect` runs them in order. Each stands alone: one that crashes leaves its part of the snapshot empty, a gap and a
``crashed`` check, and the others go on. This is one of the two places with a broad except.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from envdoctor import __version__
from envdoctor.collect.records import Recorded
from envdoctor.collect.records import read as read_records
from envdoctor.collect.scene import Scene
from envdoctor.collect.tree import Outline, Tree, walk
from envdoctor.collect.watch import watching
from envdoctor.report import Check
from envdoctor.snapshot import (
    CondaInstallers,
    Entry,
    Installers,
    Interpreter,
    Limits,
    Machine,
    NativeFile,
    Shell,
    Site,
    Snapshot,
    text,
)

if TYPE_CHECKING:
    from envdoctor.collect import conda, distributions
    from envdoctor.collect.interpreter import Facts
    from envdoctor.collect.memory import Memory

T = TypeVar("T")


class Collected(NamedTuple):
    """A snapshot, what crashed while it was made, and seconds by collector."""

    snapshot: Snapshot
    checks: tuple[Check, ...]
    timings: dict[str, float]
    memory: Memory | None = None
    """What is known from earlier runs, where that was asked for."""
    kept: object = None
    """What was read on the way: taking 200,000 objects apart costs more than keeping them to the end."""


class _Runner:
    """Runs collectors, one broad except around each."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.checks: list[Check] = []
        self.timings: dict[str, float] = {}

    def __call__(self, name: str, function: Callable[[], T], default: Any) -> T:
        start = time.perf_counter()
        try:
            return function()
        except Exception as error:  # noqa: BLE001 - a collector that crashes spoils no other
            reason = text(f"{type(error).__name__}: {error}")[:300]
            self.scene.gap(name, self.scene.target.prefix, f"collector crashed: {reason}")
            self.checks.append(Check(f"collect.{name}", "crashed", f"{reason} ({_where(error)})"))
            return default  # type: ignore[no-any-return]
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start


def _where(error: BaseException) -> str:
    """File and line of envdoctor where `error` came up: what a bug report needs."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown place"
    return f"{trace.tb_frame.f_code.co_filename.rpartition('envdoctor')[2].lstrip('/')}:{trace.tb_lineno}"


def collect(scene: Scene, *, use_cache: bool = False) -> Collected:
    """All facts of a scene. With `use_cache` what is as it was in an earlier run is taken from there, and kept for the next."""
    import msgspec

    from envdoctor.collect import device_code, gpu, interpreter, machine, overrides, paths, project, shell

    run = _Runner(scene)
    memory = run("cache", lambda: _memory(scene, use_cache), None)
    unknown = interpreter.Facts(Interpreter(path=text(f"{scene.bin}/python")), None, None)
    facts = run("interpreter", lambda: interpreter.collect(scene), unknown)
    sites: list[Site] = run("paths", lambda: paths.collect(scene, facts), [])
    manifest = run("project", lambda: project.collect(scene), None)
    read = _Read(scene, facts, sites, run)

    def recall(name: str, inputs: object, function: Callable[[], dict[str, Any]], after: str | None = None) -> dict[str, Any]:
        if memory is None:
            return function()
        crashes = len(run.checks)
        return memory.recall(name, scene, inputs, function, lambda: len(run.checks) == crashes, after)

    def environment() -> dict[str, Any]:
        """What the target's own files say."""
        from envdoctor.collect import frameworks, generated, imports, namespaces, pth, scripts

        trees, dists = read.trees, read.dists
        followed = run(
            "imports", lambda: imports.collect(scene, facts, sites, trees, dists.distributions, dists.owned), imports.Facts()
        )
        found = run("scripts", lambda: scripts.collect(scene, facts, dists.owners_absolute), None)
        return {
            "distributions": tuple(sorted(dists.distributions, key=lambda d: (d.site, d.name, d.path))),
            "natives": run("native", lambda: _natives(scene, facts.interpreter, trees, dists.owners, memory), ()),
            "shared_files": tuple(sorted(dists.shared, key=lambda s: (s.site, s.path))),
            "unowned": tuple(dists.unowned),
            "leftovers": tuple(dists.leftovers),
            **read.judged_by_conda,
            "pth_files": run("pth", lambda: pth.collect(scene, sites, trees, dists.owners), ()),
            "namespace_blocks": run(
                "namespaces", lambda: namespaces.collect(scene, sites, trees, dists.distributions, dists.owned), ()
            ),
            "generated": run("generated", lambda: generated.collect(scene, sites, trees, dists.distributions, dists.owned), ()),
            "frameworks": run("frameworks", lambda: frameworks.collect(scene, sites, dists.distributions), ()),
            "broken_imports": followed.broken,
            "opened_libraries": followed.opened,
            "sites": run(
                "sites",
                lambda: tuple(_described(site, tree) for site, tree in zip(sites, trees, strict=True)),
                tuple(sites),
            ),
            **({"scripts": found.scripts, "prefix_records": found.prefix_records, "kernels": found.kernels} if found else {}),
        }

    def locked() -> dict[str, Any]:
        """Lockfiles and manifests."""
        from envdoctor.collect import locks

        return run("locks", lambda: locks.collect(scene, scene.locks), locks.Facts())._asdict()

    around_project = scene.project_root is not None or scene.locks
    here = run("machine", lambda: machine.collect(scene), Machine())
    here = run("gpu", lambda: gpu.add(scene, here, recall), here)
    snapshot = Snapshot(
        date=datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        tool_version=__version__,
        deep=scene.deep,
        target=scene.target,
        venv=facts.venv,
        project=manifest,
        machine=here,
        **{"interpreter": facts.interpreter}
        | recall("environment", (facts, sites), environment)
        | (recall("locks", scene.locks, locked) if around_project else {}),
    )
    snapshot = msgspec.structs.replace(
        snapshot, shell=run("shell", lambda: overrides.add(scene, shell.collect(scene, facts), snapshot.natives, sites), Shell())
    )
    base = snapshot

    def surroundings() -> dict[str, Any]:
        """What stands around the target: the folders that Python starts in, settings of installers."""
        from envdoctor.collect import installers, shadows

        trees = [read.outline(index, site) for index, site in enumerate(base.sites)]
        return {
            "installers": run(
                "installers",
                lambda: installers.collect(scene, facts, sites, trees, base.distributions, manifest),
                Installers(),
            ),
            "conda_installers": run("conda-installers", lambda: _around_conda(scene, base), None),
            "shadows": run("shadows", lambda: shadows.collect(scene, facts, sites, trees, base.distributions, manifest), ()),
        }

    asked = _for_loader(base)

    def libraries() -> dict[str, Any]:
        """What the loader would find, from files outside the site folders, too."""
        with watching(None):
            trees, dists = read.trees, read.dists
        found = asked
        if scene.target.system == "linux":
            from envdoctor.collect import libraries as linux_libraries

            found = run("libraries", lambda: linux_libraries.add(scene, facts, asked), asked)
        else:
            from envdoctor.collect import foreign_libraries

            found = run("libraries", lambda: foreign_libraries.add(scene, asked, trees, dists.owners), asked)
        from envdoctor.collect import numpy_modules, preloads, stdlib_users, symbols
        from envdoctor.view import View

        view = View(found)
        known = msgspec.structs.replace(
            found,
            numpy_modules=run("numpy", lambda: numpy_modules.collect(scene, view, trees), ()),
            unresolved_symbols=run("symbols", lambda: symbols.collect(scene, view, trees), ()),
        )
        before = run("preloads", lambda: preloads.collect(trees, view, known.unresolved_symbols), preloads.Facts())
        found = msgspec.structs.replace(
            known,
            preloads=before.preloads,
            imported_modules=before.imported,
            interpreter=run("stdlib", lambda: stdlib_users.collect(scene, view, facts, trees), known.interpreter),
        )
        return {name: new for name in asked.__struct_fields__ if (new := getattr(found, name)) is not getattr(asked, name)}

    around = recall("surroundings", (facts, sites, manifest), surroundings, "environment")
    loader = recall("libraries", (asked, scene.all_libraries), libraries, "environment")
    if "machine" in loader:
        own = {name: getattr(base.machine, name) for name in _NOT_FOR_LOADER}
        loader |= {"machine": msgspec.structs.replace(loader["machine"], **own)}
    if device_code.wanted(scene, base):
        loader |= recall(
            "device-code", (), lambda: {"device_code": run("gpu", lambda: device_code.collect(scene, base), None)}, "environment"
        )
    if memory is not None:
        run("cache", memory.save, None)
    gaps = tuple(sorted(set(scene.gaps), key=lambda g: (g.collector, g.subject, g.reason)))
    snapshot = msgspec.structs.replace(base, **around, **loader, gaps=gaps)
    return Collected(snapshot, tuple(run.checks), run.timings, memory, read)


def _memory(scene: Scene, use_cache: bool) -> Memory | None:
    """What is known from earlier runs."""
    if not use_cache:
        return None
    from envdoctor.collect.memory import remember

    return remember(scene)


_NOT_FOR_LOADER: dict[str, Any] = {"limits": Limits(), "gpus": (), "nvidia": None, "amd": None}
"""Parts of the machine that do not decide what the loader finds."""


def _for_loader(snapshot: Snapshot) -> Snapshot:
    """As much of `snapshot` as decides what the loader finds: a new day or another PATH changes nothing about it."""
    import msgspec

    from envdoctor.loader import VARIABLES

    shell = snapshot.shell
    return msgspec.structs.replace(
        snapshot,
        date="",
        project=None,
        shell=Shell(
            path=shell.path if snapshot.target.system == "windows" else (),
            variables={name: value for name, value in shell.variables.items() if name.startswith(VARIABLES)},
            library_folders=shell.library_folders,
            overrides=shell.overrides,
        ),
        machine=msgspec.structs.replace(snapshot.machine, **_NOT_FOR_LOADER),
    )


class _Read:
    """The site folders as several collectors need them, read when first asked."""

    def __init__(self, scene: Scene, facts: Facts, sites: list[Site], run: _Runner) -> None:
        self.scene, self.facts, self.sites, self.run = scene, facts, sites, run

    @cached_property
    def recorded(self) -> list[Recorded]:
        """RECORDs of each folder."""
        nothing = [Recorded() for _ in self.sites]
        return self.run("records", lambda: [_recorded(self.scene, site) for site in self.sites], nothing)

    @cached_property
    def trees(self) -> list[Tree | None]:
        """The walk of each folder, None for one that the target does not use."""
        both = zip(self.sites, self.recorded, strict=True)
        nothing: list[Tree | None] = [None] * len(self.sites)
        return self.run("tree", lambda: [_tree(self.scene, site, rows) for site, rows in both], nothing)

    def outline(self, index: int, site: Site) -> Outline | None:
        """A folder for collectors that ask little of it; `site` has its entries."""

        def tree() -> Tree | None:
            with watching(None):
                return self.trees[index]

        return Outline(site, _raw(self.scene, site), tree) if _walked(site) else None

    @cached_property
    def conda(self) -> conda.Facts:
        """conda's records."""
        from envdoctor.collect import conda

        return self.run("conda", lambda: conda.collect(self.scene), conda.Facts({}, [], []))

    @property
    def judged_by_conda(self) -> dict[str, Any]:
        """What conda's records come to: fields of the snapshot."""
        if self.conda.names is None:
            return {}
        from envdoctor.collect import conda_paths

        undone = conda_paths.Judged(tuple(record.package for record in self.conda.records), None)
        judged = self.run(
            "conda",
            lambda: conda_paths.judge(self.scene, self.conda, self.trees, self.recorded, self.dists.distributions),
            undone,
        )
        return {"conda_packages": judged.packages, "conda_meta": judged.meta}

    @cached_property
    def dists(self) -> distributions.Facts:
        """What the distributions of all folders come to."""
        from envdoctor.collect import distributions

        nobody = distributions.Facts(owned=[distributions.Owned() for _ in self.sites])
        return self.run(
            "distributions",
            lambda: distributions.collect(self.scene, self.sites, self.trees, self.recorded, self.conda.owners),
            nobody,
        )


def _walked(site: Site) -> bool:
    """The target would use the folder."""
    return site.active and site.exists and site.readable


def _raw(scene: Scene, site: Site) -> str:
    """The folder's path as the file system takes it."""
    return site.path if scene.target.prefix == scene.prefix else site.path.replace(scene.target.prefix, scene.prefix, 1)


def _recorded(scene: Scene, site: Site) -> Recorded:
    """The RECORDs of a site folder."""
    return read_records(_raw(scene, site)) if _walked(site) else Recorded()


def _tree(scene: Scene, site: Site, recorded: Recorded) -> Tree | None:
    """The walk of a site folder."""
    if not _walked(site):
        return None
    tree = walk(_raw(scene, site), recorded, sources=site.role in ("pth", "pythonpath"), deep=scene.deep)
    for rel, reason in tree.problems:
        scene.gap("tree", tree.path(rel) if rel else tree.root, reason)
    if tree.measured_depth is not None:
        depth = "1 folder" if tree.measured_depth == 1 else f"{tree.measured_depth} folders"
        scene.gap("tree", tree.root, f"sizes of modules more than {depth} down are compared with --deep only")
    return tree


def _around_conda(scene: Scene, snapshot: Snapshot) -> CondaInstallers | None:
    """Installations and settings around a conda prefix."""
    if snapshot.conda_meta is None:
        return None
    from envdoctor.collect import conda_installers

    return conda_installers.collect(scene, snapshot.conda_packages, snapshot.conda_meta)


def _natives(
    scene: Scene, python: Interpreter, trees: list[Tree | None], owners: dict[tuple[int, str], str], memory: Memory | None
) -> tuple[NativeFile, ...]:
    """Header facts of all native files of the site folders; those of an earlier run where the file is as it was."""
    from envdoctor.collect import native

    symbols = native.PythonSymbols(scene.rooted(binary.path) for binary in (python.binary, python.libpython) if binary)
    found: list[NativeFile] = []
    known: dict[str, NativeFile] = {}
    if memory is not None:
        roots = [tree.root if tree is not None else "" for tree in trees]
        known = memory.unchanged("environment", "natives", lambda file: f"{roots[file.folder]}/{file.path}")
        # what such a module lacks is a matter of the interpreter, too
        known = {path: file for path, file in known.items() if not file.init}
    for index, tree in enumerate(trees):
        if tree is not None:
            found += native.read_all(
                tree.root, tree.natives, folder=index, owners=owners, modules=tree.files, python=symbols, known=known
            )
    return tuple(found)


def _described(site: Site, tree: Tree | None) -> Site:
    """`site` with its top-level entries and the number of its files."""
    if tree is None:
        return site
    import msgspec

    natives = set(tree.natives)
    entries = tuple(
        Entry(
            name=text(name),
            type=kind,  # type: ignore[arg-type]
            has_init=tree.has_package(name),
            has_modules=name in tree.with_modules or name.endswith(".py") or name in natives,
        )
        for name, kind in sorted(tree.top.items())
    )
    return msgspec.structs.replace(site, entries=entries, files=len(tree.files))
