"""Collectors: all reading of a target, its shell and its machine, one module per kind of fact.

:func:`collect` runs them in order. Each stands alone: one that crashes leaves its part of the snapshot empty, a gap and a
``crashed`` check, and the others go on. This is one of the two places with a broad except.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from envdoctor import __version__
from envdoctor.collect.records import Recorded
from envdoctor.collect.records import read as read_records
from envdoctor.collect.scene import Scene
from envdoctor.collect.tree import Tree, walk
from envdoctor.report import Check
from envdoctor.snapshot import Entry, Installers, Interpreter, Machine, NativeFile, Shell, Site, Snapshot, text

T = TypeVar("T")


class Collected(NamedTuple):
    """A snapshot, what crashed while it was made, and seconds by collector."""

    snapshot: Snapshot
    checks: tuple[Check, ...]
    timings: dict[str, float]


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


def collect(scene: Scene) -> Collected:
    """All facts of a scene."""
    from envdoctor.collect import (
        conda,
        distributions,
        generated,
        imports,
        installers,
        interpreter,
        machine,
        namespaces,
        overrides,
        paths,
        project,
        pth,
        scripts,
        shadows,
        shell,
        stdlib_users,
    )

    run = _Runner(scene)
    unknown = interpreter.Facts(Interpreter(path=text(f"{scene.bin}/python")), None, None)
    facts = run("interpreter", lambda: interpreter.collect(scene), unknown)
    sites: list[Site] = run("paths", lambda: paths.collect(scene, facts), [])
    recorded = run("records", lambda: [_recorded(scene, site) for site in sites], [Recorded() for _ in sites])
    trees: list[Tree | None] = run(
        "tree", lambda: [_tree(scene, site, rows) for site, rows in zip(sites, recorded, strict=True)], [None] * len(sites)
    )
    records = run("conda", lambda: conda.collect(scene), conda.Facts({}, ()))
    nobody = distributions.Facts(owned=[distributions.Owned() for _ in sites])
    dists = run("distributions", lambda: distributions.collect(scene, sites, trees, recorded, records.owners), nobody)
    natives = run("native", lambda: _natives(scene, facts.interpreter, trees, dists.owners), ())
    manifest = run("project", lambda: project.collect(scene), None)
    shared = tuple(sorted(dists.shared, key=lambda s: (s.site, s.path)))
    snapshot = Snapshot(
        date=datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        tool_version=__version__,
        deep=scene.deep,
        target=scene.target,
        interpreter=run("stdlib", lambda: stdlib_users.collect(scene, facts, trees, dists.distributions), facts.interpreter),
        venv=facts.venv,
        distributions=tuple(sorted(dists.distributions, key=lambda d: (d.site, d.name, d.path))),
        natives=natives,
        shared_files=shared,
        unowned=tuple(dists.unowned),
        leftovers=tuple(dists.leftovers),
        conda_packages=records.packages,
        project=manifest,
        shell=run("shell", lambda: overrides.add(scene, shell.collect(scene, facts), natives, sites), Shell()),
        machine=run("machine", lambda: machine.collect(scene), Machine()),
        pth_files=run("pth", lambda: pth.collect(scene, sites, trees, dists.owners), ()),
        installers=run(
            "installers", lambda: installers.collect(scene, facts, sites, trees, dists.distributions, manifest), Installers()
        ),
        shadows=run("shadows", lambda: shadows.collect(scene, facts, sites, trees, dists.distributions, manifest), ()),
        namespace_blocks=run("namespaces", lambda: namespaces.collect(scene, sites, trees, dists.distributions, dists.owned), ()),
        generated=run("generated", lambda: generated.collect(scene, sites, trees, dists.distributions, dists.owned), ()),
        broken_imports=run("imports", lambda: imports.collect(scene, facts, sites, trees, dists.distributions, dists.owned), ()),
        sites=run("sites", lambda: tuple(_described(site, tree) for site, tree in zip(sites, trees, strict=True)), tuple(sites)),
    )
    found = run("scripts", lambda: scripts.collect(scene, facts, dists.owners_absolute), None)
    changes: dict[str, Any] = {"gaps": tuple(sorted(set(scene.gaps), key=lambda g: (g.collector, g.subject, g.reason)))}
    if found is not None:
        changes |= {"scripts": found.scripts, "prefix_records": found.prefix_records, "kernels": found.kernels}
    import msgspec

    return Collected(msgspec.structs.replace(snapshot, **changes), tuple(run.checks), run.timings)


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
    tree = walk(_raw(scene, site), recorded, sources=site.role in ("pth", "pythonpath"))
    for rel, reason in tree.problems:
        scene.gap("tree", tree.path(rel) if rel else tree.root, reason)
    return tree


def _natives(
    scene: Scene, python: Interpreter, trees: list[Tree | None], owners: dict[tuple[int, str], str]
) -> tuple[NativeFile, ...]:
    """Header facts of all native files of the site folders."""
    from envdoctor.collect import native

    symbols = native.PythonSymbols(scene.rooted(binary.path) for binary in (python.binary, python.libpython) if binary)
    found: list[NativeFile] = []
    for index, tree in enumerate(trees):
        if tree is not None:
            found += native.read_all(tree.root, tree.natives, folder=index, owners=owners, modules=tree.files, python=symbols)
    return tuple(found)


def _described(site: Site, tree: Tree | None) -> Site:
    """`site` with its top-level entries and the number of its files."""
    if tree is None:
        return site
    import msgspec

    entries = tuple(
        Entry(
            name=text(name),
            type=kind,  # type: ignore[arg-type]
            has_init=tree.has_package(name),
            has_modules=name in tree.with_modules or name.endswith(".py") or name in tree.natives,
        )
        for name, kind in sorted(tree.top.items())
    )
    return msgspec.structs.replace(site, entries=entries, files=len(tree.files))
