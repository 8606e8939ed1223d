"""Collectors: all reading of a target, its shell and its machine, one module per kind of fact.

:func:`collect` runs them in order. Each stands alone: one that crashes leaves its part of the snapshot empty, a gap and a
``crashed`` check, and the others go on. This is one of the two places with a broad except.
"""

from __future__ import annotations

import datetime
import importlib
import time
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from envdoctor import __version__
from envdoctor.collect.records import Recorded
from envdoctor.collect.records import read as read_records
from envdoctor.collect.scene import Scene
from envdoctor.collect.tree import Outline, Tree, begin
from envdoctor.collect.watch import watching
from envdoctor.report import Check
from envdoctor.snapshot import (
    CondaInstallers,
    Entry,
    Installers,
    Interpreter,
    LibraryOverride,
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
    from envdoctor.collect.native import Ahead
    from envdoctor.view import View

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


PARTS: dict[str, tuple[str, ...]] = {
    "gpu": ("machine.gpus", "machine.nvidia", "machine.amd"),
    "locks": ("locks", "manifests"),
    "natives": ("natives", "shell.overrides"),
    "imports": ("broken_imports", "opened_libraries"),
    "scripts": ("scripts", "prefix_records", "kernels"),
    "generated": ("generated",),
    "frameworks": ("frameworks",),
    "installers": ("installers",),
    "conda-installers": ("conda_installers",),
    "shadows": ("shadows",),
    "libraries": (
        "libraries",
        "dll_folders",
        "machine.libraries",
        "machine.library_folders",
        "machine.all_libraries",
        "machine.uncached_libraries",
    ),
    "numpy": ("numpy_modules",),
    "symbols": ("unresolved_symbols",),
    "preloads": ("preloads", "imported_modules"),
    "stdlib": ("interpreter.optional_modules",),
    "device-code": ("device_code",),
}
"""What is read only when somebody asks for it, and the fields of the snapshot that it fills, in the order in which all are read.

Everything else is in every snapshot: reports name the numbers of distributions and files, and nearly all rules ask for them.
A part is read as a whole or not at all, and kept so by the cache.
"""
_OF_ENVIRONMENT = ("natives", "imports", "scripts", "generated", "frameworks")
"""Parts that the cache keeps with what is in every snapshot, so that all of it is read anew where a module that one of them
has read is another one: sizes of modules are not asked again otherwise (docs/decisions/006-the-cache.md)."""
_ALWAYS = ("distributions", "pth", "namespaces")
_ON_LINUX = (
    "imports",
    "scripts",
    "generated",
    "frameworks",
    "installers",
    "shadows",
    "libraries",
    "numpy_modules",
    "symbols",
    "preloads",
)
"""Modules that are imported while walks go on."""
_BEFORE: dict[str, tuple[str, ...]] = {
    "libraries": ("natives", "imports"),
    "numpy": ("libraries",),
    "symbols": ("libraries",),
    "preloads": ("symbols",),
    "stdlib": ("libraries",),
    "device-code": ("gpu", "natives", "frameworks"),
}
"""Parts that must have been read before."""
_NOT_FOR_LOADER = frozenset(
    ("locks", "scripts", "generated", "frameworks", "installers", "conda-installers", "shadows", "device-code")
)
"""Parts that the collectors of what the loader does must not ask for: whether they are read depends on the rules."""


def collect(scene: Scene, *, use_cache: bool = False) -> Collected:
    """All facts of a scene. With `use_cache` what is as it was in an earlier run is taken from there, and kept for the next."""
    reading = Reading(scene, use_cache=use_cache, everything=True)
    reading.more(PARTS)
    reading.keep()
    return reading.collected()


class Reading:
    """The reading of a scene, part by part. What is in every snapshot is read at once, :data:`PARTS` by :meth:`more`; with
    `everything` all of them will be asked for, so that threads can begin with some."""

    def __init__(self, scene: Scene, *, use_cache: bool = False, everything: bool = False) -> None:
        import msgspec

        from envdoctor.collect import interpreter, machine, paths, project, shell

        self.scene = scene
        run = self.run = _Runner(scene)
        self.memory = run("cache", lambda: _memory(scene, use_cache), None)
        unknown = interpreter.Facts(Interpreter(path=text(f"{scene.bin}/python")), None, None)
        self.facts = run("interpreter", lambda: interpreter.collect(scene), unknown)
        self.sites: list[Site] = run("paths", lambda: paths.collect(scene, self.facts), [])
        manifest = run("project", lambda: project.collect(scene), None)
        self.read = _Read(scene, self.facts, self.sites, run)
        if self.memory is None:
            self.read.begin()  # otherwise it may not come to a walk
        self.ahead = everything and self.memory is None
        self.done: set[str] = set()
        self.found: dict[tuple[str, str], Any] = {}
        """What the parts that were read come to, by part and field."""
        self.core = Snapshot(
            date=datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
            tool_version=__version__,
            deep=scene.deep,
            target=scene.target,
            venv=self.facts.venv,
            project=manifest,
            machine=run("machine", lambda: machine.collect(scene), Machine()),
            shell=run("shell", lambda: shell.collect(scene, self.facts), Shell()),
            interpreter=self.facts.interpreter,
        )
        """What is in every snapshot; the fields of all parts are empty in it."""
        if self.memory is None:
            self._meanwhile(everything)
        known = self._recall("environment", (self.facts, self.sites), self._environment)
        with_it = _OF_ENVIRONMENT if self.memory is not None else ()
        self.of_environment = known.keys()
        """Fields that the cache keeps with the environment."""
        own = {name for part in with_it for name in PARTS[part]}
        self.core = msgspec.structs.replace(self.core, **{name: known[name] for name in known.keys() - own})
        for part in with_it:
            self._put(part, known)

    def _meanwhile(self, everything: bool) -> None:
        """While walks go on: imports of what comes next."""
        for module in (*_ALWAYS, *(_ON_LINUX if everything and self.scene.target.system == "linux" else ())):
            importlib.import_module(f"{__name__}.{module}")
        if self.scene.meanwhile is not None:
            self.scene.meanwhile()

    # ------------------------------------------------------------------------------------------------------- the course
    def more(self, parts: Iterable[str]) -> None:
        """Reads these parts, and what they build upon."""
        for part in parts:
            self._take(part)

    def keep(self) -> None:
        """Keeps what was read for the next run."""
        if self.memory is not None:
            self.run("cache", self.memory.save, None)

    def collected(self) -> Collected:
        """What is known by now. Fields of parts that were not read raise :class:`~envdoctor.partial.NotRead`."""
        gaps = tuple(sorted(set(self.scene.gaps), key=lambda g: (g.collector, g.subject, g.reason)))
        unread = _fields(PARTS.keys() - self.done)
        if self.scene.target.system != "linux" and "libraries" not in self.done:
            unread["natives"] = "libraries"  # what the loader finds is added to those of the site folders there
        snapshot = self._known(self.done, unread, gaps=gaps)
        return Collected(snapshot, tuple(self.run.checks), self.run.timings, self.memory, self.read)

    def _take(self, part: str) -> None:
        if part in self.done:
            return
        for other in _BEFORE.get(part, ()):
            self._take(other)
        found: dict[str, Any] = getattr(self, f"_{part.replace('-', '_')}")()
        assert found.keys() <= {name.partition(".")[0] for name in (*PARTS[part], "natives")}, part
        self._put(part, found)

    def _put(self, part: str, found: dict[str, Any]) -> None:
        """Adds what a part has come to."""
        for name in (*PARTS[part], *(("natives",) if part == "libraries" else ())):
            field, _, inner = name.partition(".")
            if field in found:
                self.found[part, name] = getattr(found[field], inner) if inner else found[field]
        if part == "natives":
            self.found[part, "shell.overrides"] = self._overrides(found["natives"])
        self.done.add(part)

    def _known(self, parts: Collection[str], unread: dict[str, str], **changes: Any) -> Snapshot:
        """The facts with those of some parts; fields in `unread` raise NotRead, those of other parts are empty."""
        import msgspec

        below: dict[str, dict[str, Any]] = {}
        for (part, name), value in self.found.items():
            if part in parts:
                field, _, inner = name.partition(".")
                if inner:
                    below.setdefault(field, {})[inner] = value
                elif part == "libraries" or field not in changes:
                    changes[field] = value
        for field, values in below.items():
            changes[field] = msgspec.structs.replace(getattr(self.core, field), **values)
        known = msgspec.structs.replace(self.core, **changes)
        if not unread:
            return known
        from envdoctor.partial import partial

        return partial(known, unread)

    def _recall(
        self, name: str, inputs: object, function: Callable[[], dict[str, Any]], after: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """What `function` reads, or what an earlier run has read where nothing has changed."""
        if self.memory is None:
            return function()
        crashes = len(self.run.checks)
        return self.memory.recall(name, self.scene, inputs, function, lambda: len(self.run.checks) == crashes, after)

    # ------------------------------------------------------------------------------------------------------- the parts
    def _environment(self) -> dict[str, Any]:
        """What the target's own files say."""
        from envdoctor.collect import namespaces, pth

        scene, sites, run = self.scene, self.sites, self.run
        trees = self.read.trees
        if self.ahead:
            self.read.begun = run("native", lambda: _begun(trees), [])
        dists = self.read.dists
        parts = _OF_ENVIRONMENT if self.memory is not None else ()
        return {
            "distributions": tuple(sorted(dists.distributions, key=lambda d: (d.site, d.name, d.path))),
            "shared_files": tuple(sorted(dists.shared, key=lambda s: (s.site, s.path))),
            "unowned": tuple(dists.unowned),
            "leftovers": tuple(dists.leftovers),
            **self.read.judged_by_conda,
            "pth_files": run("pth", lambda: pth.collect(scene, sites, trees, dists.owners), ()),
            "namespace_blocks": run(
                "namespaces", lambda: namespaces.collect(scene, sites, trees, dists.distributions, dists.owned), ()
            ),
            "sites": run(
                "sites",
                lambda: tuple(_described(site, tree) for site, tree in zip(sites, trees, strict=True)),
                tuple(sites),
            ),
            **{name: value for part in parts for name, value in getattr(self, f"_{part}")().items()},
        }

    def _gpu(self) -> dict[str, Any]:
        """Accelerators and their drivers."""
        from envdoctor.collect import gpu

        return {"machine": self.run("gpu", lambda: gpu.add(self.scene, self.core.machine, self._recall), self.core.machine)}

    def _locks(self) -> dict[str, Any]:
        """Lockfiles and manifests."""
        scene = self.scene
        if scene.project_root is None and not scene.locks:
            return {}

        def locked() -> dict[str, Any]:
            from envdoctor.collect import locks

            return self.run("locks", lambda: locks.collect(scene, scene.locks), locks.Facts())._asdict()

        return self._recall("locks", scene.locks, locked)

    def _natives(self) -> dict[str, Any]:
        """Headers of native files."""
        trees, dists = self.read.trees, self.read.dists
        python, begun = self.facts.interpreter, self.read.begun
        found = self.run("native", lambda: _natives(self.scene, python, trees, dists.owners, self.memory, begun), ())
        begun.clear()
        return {"natives": found}

    def _overrides(self, natives: tuple[NativeFile, ...]) -> tuple[LibraryOverride, ...]:
        """What variables of the shell put in the place of native files."""
        from envdoctor.collect import overrides

        shell = self.core.shell
        return self.run("shell", lambda: overrides.add(self.scene, shell, natives, self.sites), shell).overrides

    def _imports(self) -> dict[str, Any]:
        """What modules import in vain, and the libraries that they open."""
        from envdoctor.collect import imports

        trees, dists = self.read.trees, self.read.dists
        found = self.run(
            "imports",
            lambda: imports.collect(self.scene, self.facts, self.sites, trees, dists.distributions, dists.owned),
            imports.Facts(),
        )
        return {"broken_imports": found.broken, "opened_libraries": found.opened}

    def _scripts(self) -> dict[str, Any]:
        """Scripts, prefixes that stand in them, and kernels of Jupyter."""
        from envdoctor.collect import scripts

        owners = self.read.dists.owners_absolute
        return self.run("scripts", lambda: scripts.collect(self.scene, self.facts, owners), scripts.Facts())._asdict()

    def _generated(self) -> dict[str, Any]:
        """Code that generators have written."""
        from envdoctor.collect import generated

        trees, dists = self.read.trees, self.read.dists
        found = self.run(
            "generated", lambda: generated.collect(self.scene, self.sites, trees, dists.distributions, dists.owned), ()
        )
        return {"generated": found}

    def _frameworks(self) -> dict[str, Any]:
        """What frameworks were built for."""
        from envdoctor.collect import frameworks

        distributions = self.read.dists.distributions
        return {"frameworks": self.run("frameworks", lambda: frameworks.collect(self.scene, self.sites, distributions), ())}

    def _installers(self) -> dict[str, Any]:
        """Settings of installers."""

        def installers() -> dict[str, Any]:
            from envdoctor.collect import installers

            core, outlines = self.core, self._outlines
            found = self.run(
                "installers",
                lambda: installers.collect(self.scene, self.facts, self.sites, outlines, core.distributions, core.project),
                Installers(),
            )
            return {"installers": found}

        return self._recall("installers", self.core.project, installers, ("environment",))

    def _conda_installers(self) -> dict[str, Any]:
        """What stands around a conda prefix."""

        def around() -> dict[str, Any]:
            return {"conda_installers": self.run("conda-installers", lambda: _around_conda(self.scene, self.core), None)}

        return self._recall("conda-installers", (), around, ("environment",))

    def _shadows(self) -> dict[str, Any]:
        """Modules in the folders that Python starts in."""

        def shadows() -> dict[str, Any]:
            from envdoctor.collect import shadows

            core, outlines = self.core, self._outlines
            found = self.run(
                "shadows",
                lambda: shadows.collect(self.scene, self.facts, self.sites, outlines, core.distributions, core.project),
                (),
            )
            return {"shadows": found}

        return self._recall("shadows", self.core.project, shadows, ("environment",))

    def _libraries(self) -> dict[str, Any]:
        """What the loader would find, from files outside the site folders, too."""
        asked = self._for_loader("natives", "imports")

        def libraries() -> dict[str, Any]:
            if self.scene.target.system == "linux":
                from envdoctor.collect import libraries as linux_libraries

                found = self.run("libraries", lambda: linux_libraries.add(self.scene, self.facts, asked), asked)
            else:
                from envdoctor.collect import foreign_libraries

                trees, dists = self._walked
                found = self.run("libraries", lambda: foreign_libraries.add(self.scene, asked, trees, dists.owners), asked)
            names = ("natives", "libraries", "dll_folders", "machine")
            return {name: new for name in names if (new := getattr(found, name)) is not getattr(asked, name)}

        return self._recall("libraries", (self._beside_environment(asked), self.scene.all_libraries), libraries, ("environment",))

    def _numpy(self) -> dict[str, Any]:
        """Modules that use numpy's C-API."""

        def numpy() -> dict[str, Any]:
            from envdoctor.collect import numpy_modules

            trees, view = self._walked[0], self._view
            return {"numpy_modules": self.run("numpy", lambda: numpy_modules.collect(self.scene, view, trees), ())}

        return self._recall("numpy", (), numpy, ("environment", "libraries"))

    def _symbols(self) -> dict[str, Any]:
        """Symbols that nothing defines."""

        def symbols() -> dict[str, Any]:
            from envdoctor.collect import symbols

            trees, view = self._walked[0], self._view
            return {"unresolved_symbols": self.run("symbols", lambda: symbols.collect(self.scene, view, trees), ())}

        return self._recall("symbols", (), symbols, ("environment", "libraries"))

    def _preloads(self) -> dict[str, Any]:
        """Libraries that are loaded before somebody asks for them, and how modules that fail are reached."""

        def preloads() -> dict[str, Any]:
            from envdoctor.collect import preloads

            trees, view, unresolved = self._walked[0], self._view, self.found["symbols", "unresolved_symbols"]
            found = self.run("preloads", lambda: preloads.collect(trees, view, unresolved), preloads.Facts())
            return {"preloads": found.preloads, "imported_modules": found.imported}

        return self._recall("preloads", (), preloads, ("environment", "libraries", "symbols"))

    def _stdlib(self) -> dict[str, Any]:
        """Which extension modules of the standard library the loader loads, and who needs them."""

        def stdlib() -> dict[str, Any]:
            from envdoctor.collect import stdlib_users

            trees, view = self._walked[0], self._view
            own = self.core.interpreter
            return {"interpreter": self.run("stdlib", lambda: stdlib_users.collect(self.scene, view, self.facts, trees), own)}

        return self._recall("stdlib", (), stdlib, ("environment", "libraries"))

    def _device_code(self) -> dict[str, Any]:
        """What native files hold for GPUs."""
        from envdoctor.collect import device_code

        scene = self.scene
        parts = {"gpu", "natives", "frameworks"}
        known = self._known(parts, _fields(PARTS.keys() - parts))
        if not device_code.wanted(scene, known):
            return {}

        def code() -> dict[str, Any]:
            return {"device_code": self.run("gpu", lambda: device_code.collect(scene, known), None)}

        return self._recall("device-code", (), code, ("environment",))

    # ------------------------------------------------------------------------------------------------- for the parts
    @property
    def _walked(self) -> tuple[list[Tree | None], distributions.Facts]:
        """Site folders and distributions, for a part that comes after the environment's, which knows what they depend on."""
        with watching(None):
            return self.read.trees, self.read.dists

    @property
    def _outlines(self) -> list[Outline | None]:
        return [self.read.outline(index, site) for index, site in enumerate(self.core.sites)]

    @cached_property
    def _view(self) -> View:
        """What the loader is asked about, when its libraries are known."""
        from envdoctor.view import View

        return View(self._for_loader("natives", "imports", "libraries"))

    def _for_loader(self, *parts: str) -> Snapshot:
        """As much of these parts as decides what the loader finds: a new day or another PATH changes nothing about it."""
        import msgspec

        from envdoctor.loader import VARIABLES

        known = self._known(parts, _fields(_NOT_FOR_LOADER))
        shell = known.shell
        return msgspec.structs.replace(
            known,
            date="",
            project=None,
            shell=Shell(
                path=shell.path if known.target.system == "windows" else (),
                variables={name: value for name, value in shell.variables.items() if name.startswith(VARIABLES)},
                library_folders=shell.library_folders,
                overrides=shell.overrides,
            ),
            machine=msgspec.structs.replace(known.machine, limits=Limits()),
        )

    def _beside_environment(self, known: Snapshot) -> Snapshot | None:
        """What of `known` does not follow from the cache's part ``environment``, upon which others can depend as a whole."""
        if self.memory is None:
            return None
        import msgspec

        empty = Snapshot(date="", target=known.target, interpreter=known.interpreter)
        return msgspec.structs.replace(known, **{name: getattr(empty, name) for name in self.of_environment})


def _fields(parts: Iterable[str]) -> dict[str, str]:
    """The fields of these parts, each with its part."""
    return {name: part for part in parts for name in PARTS[part]}


def _memory(scene: Scene, use_cache: bool) -> Memory | None:
    """What is known from earlier runs."""
    if not use_cache:
        return None
    from envdoctor.collect.memory import remember

    return remember(scene)


class _Read:
    """The site folders as several collectors need them, read when first asked."""

    def __init__(self, scene: Scene, facts: Facts, sites: list[Site], run: _Runner) -> None:
        self.scene, self.facts, self.sites, self.run = scene, facts, sites, run
        self.begun: list[Ahead | None] = []
        """Native files of each folder that threads are at."""

    @cached_property
    def recorded(self) -> list[Recorded]:
        """RECORDs of each folder."""
        nothing = [Recorded() for _ in self.sites]
        return self.run("records", lambda: [_recorded(self.scene, site) for site in self.sites], nothing)

    @cached_property
    def trees(self) -> list[Tree | None]:
        """The walk of each folder, None for one that the target does not use."""
        nothing: list[Tree | None] = [None] * len(self.sites)
        return self.run("tree", lambda: [_tree(self.scene, walk) for walk in self.walks], nothing)

    @cached_property
    def walks(self) -> list[Callable[[], Tree] | None]:
        """The walks, begun."""
        return [_entered(self.scene, site, rows) for site, rows in zip(self.sites, self.recorded, strict=True)]

    def begin(self) -> None:
        """Begins the walks: others can be at work while the file system answers."""
        nothing: list[Callable[[], Tree] | None] = [None] * len(self.sites)
        self.walks = self.run("tree", lambda: self.walks, nothing)

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


def _entered(scene: Scene, site: Site, recorded: Recorded) -> Callable[[], Tree] | None:
    """The walk of a site folder."""
    if not _walked(site):
        return None
    return begin(_raw(scene, site), recorded, sources=site.role in ("pth", "pythonpath"), deep=scene.deep)


def _tree(scene: Scene, finish: Callable[[], Tree] | None) -> Tree | None:
    """What a walk came to."""
    if finish is None:
        return None
    tree = finish()
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


def _begun(trees: list[Tree | None]) -> list[Ahead | None]:
    """Begins to read the headers of native files while other things are read."""
    from envdoctor.collect import native

    return [native.ahead(tree.root, tree.natives) if tree is not None else None for tree in trees]


def _natives(
    scene: Scene,
    python: Interpreter,
    trees: list[Tree | None],
    owners: dict[tuple[int, str], str],
    memory: Memory | None,
    begun: list[Ahead | None],
) -> tuple[NativeFile, ...]:
    """Header facts of all native files of the site folders; those of an earlier run where the file is as it was, and those
    that were `begun`."""
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
                tree.root,
                tree.natives,
                folder=index,
                owners=owners,
                modules=tree.files,
                python=symbols,
                known=known,
                ahead=begun[index] if begun else None,
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
