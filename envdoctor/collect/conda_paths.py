"""What the paths of conda's records come to: gone, of another size or content, owned twice, replaced by pip.

Below site folders the walk of ``tree`` knows what is there; other folders of the prefix are listed once each. Sizes cost a
``stat`` a file, and are asked of what the walk has not measured. Contents are hashed with ``--deep`` only, on all cores.

Never judged: compiled modules, what a symbolic link leads to (each writer records another hash for links), the size of text
files that the installer wrote the prefix into (conda records the one before, rattler the one after), and on macOS the content
of programs and libraries that were signed again after the prefix was written into them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, Literal

import msgspec

from envdoctor.collect import conda_history, conda_lost, watch
from envdoctor.collect import files as fs
from envdoctor.collect.conda import EMPTY, RECORD_LIMIT, Facts, Record, decode
from envdoctor.collect.records import Recorded, is_native
from envdoctor.collect.scene import Scene
from envdoctor.collect.tree import Tree
from envdoctor.lazy import pattern
from envdoctor.snapshot import (
    CondaCoverage,
    CondaMeta,
    CondaOrphan,
    CondaOverlay,
    CondaPackage,
    CondaPath,
    CondaProblem,
    CondaShared,
    Distribution,
    text,
)
from envdoctor.tuples import NamedTuple

KEPT = 4000
"""Paths kept of each kind of one package; the count goes on."""
MEASURED = 60_000
"""Files whose size is asked for here without ``--deep``; native ones and those outside of site folders first."""
MEASURED_ENDINGS = (".py", ".so", ".pyd", ".dylib", ".dll")
"""Files below a site folder whose size the walk has compared with a RECORD, where one names them."""
LEFT = (".c~", ".conda_trash", *(f".conda_trash_{number}" for number in range(1, 10)), ".mamba_trash")
"""Endings of files that a transaction has moved out of the way, and takes away when it is through."""
NAMED = 20
_NORMAL = pattern(r"[-_.]+")
_PYTHON = pattern(r"python(\d+\.\d+)t?$")


class Judged(NamedTuple):
    """The facts that rules get."""

    packages: tuple[CondaPackage, ...]
    meta: CondaMeta | None


class Place(NamedTuple):
    """A site folder inside the prefix."""

    start: str
    """Its path relative to the prefix, with a slash at the end."""
    tree: Tree
    recorded: Recorded
    site: int
    """Its index among the sites."""


def judge(
    scene: Scene,
    facts: Facts,
    trees: Sequence[Tree | None],
    recorded: Sequence[Recorded],
    distributions: Iterable[Distribution],
) -> Judged:
    """Compares all records with the prefix. `trees` and `recorded` are those of the sites, in their order."""
    if facts.names is None:
        return Judged((), None)
    return _Judge(scene, facts, trees, recorded).run(list(distributions))


class _Judge:
    def __init__(self, scene: Scene, facts: Facts, trees: Sequence[Tree | None], recorded: Sequence[Recorded]) -> None:
        self.scene, self.facts, self.records = scene, facts, facts.records
        self.prefix = scene.prefix.rstrip("/")
        self.sites = list(zip(trees, recorded, strict=True))
        self.places: list[Place] = []
        self.owner: dict[str, int] = {}
        self.twice: dict[str, list[int]] = {}
        self.missing: dict[int, dict[str, CondaPath]] = defaultdict(dict)
        self.altered: dict[int, dict[str, CondaPath]] = defaultdict(dict)
        self.leftovers: list[str] = []
        self.counts: Counter[str] = Counter()
        self.folder = -1
        self.present: set[str] = set()
        """What stands in the folders outside of site folders that records name."""
        self.listed: set[str] = set()
        """These folders."""

    def _place(self) -> None:
        """Finds the site folders that records name: as they are on sys.path, else by where links lead."""
        found: dict[str, Place] = {}
        home = fs.real(self.prefix)
        for site, (tree, rows) in enumerate(self.sites):
            if tree is None:
                continue
            starts = [tree.root[len(self.prefix) + 1 :] + "/"] if tree.root.startswith(self.prefix + "/") else []
            real = fs.real(tree.root)
            if real != tree.root and real.startswith(home + "/"):
                starts.append(real[len(home) + 1 :] + "/")
            for start in dict.fromkeys(starts):
                if start not in found and any(path.startswith(start) for path in self.owner):
                    found[start] = Place(start, tree, rows, site)
                    break
        self.places = sorted(found.values(), key=lambda place: -len(place.start))

    def run(self, distributions: list[Distribution]) -> Judged:
        self._own()
        self._place()
        inside, outside = self._split()
        if os.stat in os.supports_dir_fd:
            try:
                self.folder = os.open(self.prefix, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
            except OSError:
                self.folder = -1
        try:
            self._list(outside)
            for place, members in zip(self.places, inside, strict=True):
                self._compare(place, members)
            self._measure(inside, outside)
            if self.scene.deep:
                self._hash()
        finally:
            if self.folder >= 0:
                os.close(self.folder)
        packages = tuple(self._package(at, record) for at, record in enumerate(self.records))
        return Judged(packages, self._meta(inside, distributions))

    # ------------------------------------------------------------------------------------------------------- owners
    def _own(self) -> None:
        """Who owns which path; paths of several are few, except where a package has two records."""
        owner = self.owner
        for at, record in enumerate(self.records):
            if owner.keys().isdisjoint(record.files):
                owner.update(dict.fromkeys(record.files, at))
                continue
            for path in record.files:
                first = owner.setdefault(path, at)
                if first != at:
                    holders = self.twice.setdefault(path, [first])
                    if holders[-1] != at:
                        holders.append(at)

    def _split(self) -> tuple[list[list[tuple[int, list[str]]]], list[tuple[int, list[str]]]]:
        """Paths of each record by site folder, and those below none."""
        inside: list[list[tuple[int, list[str]]]] = [[] for _ in self.places]
        outside: list[tuple[int, list[str]]] = []
        for at, record in enumerate(self.records):
            rest = record.files
            for place, members in zip(self.places, inside, strict=True):
                start = place.start
                chosen = [path.startswith(start) for path in rest]
                if any(chosen):
                    members.append((at, list(compress(rest, chosen))))
                    rest = [path for path, taken in zip(rest, chosen, strict=True) if not taken]
            if rest:
                outside.append((at, rest))
        return inside, outside

    # ---------------------------------------------------------------------------------------------------- existence
    def _list(self, outside: list[tuple[int, list[str]]]) -> None:
        """Lists every folder outside of site folders that records name; notes what is not there."""
        folders = {path.rpartition("/")[0] for _, paths in outside for path in paths}
        folders.update(("conda-meta", ""))
        self.listed = folders
        present = self.present
        states = watch.active.states if watch.active is not None else {}
        for folder in sorted(folders):
            absolute = f"{self.prefix}/{folder}" if folder else self.prefix
            states[absolute] = None
            try:
                names = os.listdir(absolute)
            except (OSError, ValueError) as error:
                if not isinstance(error, OSError) or error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    self.scene.gap("conda", absolute, str(fs.unreadable(error)))
                continue
            start = f"{folder}/" if folder else ""
            present.update([start + name for name in names])
            self.leftovers += [start + name for name in names if name.endswith(LEFT)]
        for at, paths in outside:
            if not present.issuperset(paths):
                for path in paths:
                    if path not in present:
                        self._absent(at, path)

    def _compare(self, place: Place, members: list[tuple[int, list[str]]]) -> None:
        """The same for a site folder, from its walk."""
        files, skip = place.tree.files, len(place.start)
        self.leftovers += [place.start + path for path in files if path.endswith(LEFT)]
        for at, paths in members:
            for path in paths:
                if path[skip:] not in files:
                    self._absent(at, path)

    def _absent(self, at: int, path: str) -> None:
        """A path that no listing shows, looked at once more."""
        record = self.records[at]
        kind, rewritten = record.odd.get(path, ("file", None))
        absolute = f"{self.prefix}/{path}"
        problem: Literal["missing", "dangling"] = "missing"
        try:
            found = os.lstat(absolute)
            if kind in ("link", "folder") or not stat.S_ISLNK(found.st_mode):
                if kind in ("link", "folder") or stat.S_ISREG(found.st_mode):
                    return
            elif fs.exists(absolute):
                return
            else:
                problem = "dangling"
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
                return  # nobody knows
        except ValueError:
            pass
        if path.endswith(".py") and fs.exists(absolute + "c"):
            return  # an image without sources: the compiled module stands in its place
        self.missing[at][path] = CondaPath(
            path=text(path),
            problem=problem,
            kind=kind,  # type: ignore[arg-type]
            rewritten=rewritten,  # type: ignore[arg-type]
        )

    # -------------------------------------------------------------------------------------------------------- sizes
    def _measure(self, inside: list[list[tuple[int, list[str]]]], outside: list[tuple[int, list[str]]]) -> None:
        """Compares sizes."""
        wanted = [(at, path) for at, paths in outside for path in paths]
        for place, members in zip(self.places, inside, strict=True):
            skip = len(place.start)
            different, recorded = place.tree.different, place.recorded.has
            walked = not self.scene.deep and place.tree.measured_depth is None
            for at, paths in members:
                for path in paths:
                    rel = path[skip:]
                    by_walk = walked and path.endswith(MEASURED_ENDINGS) and "test" not in path
                    if by_walk and rel not in different and recorded(rel):
                        self.counts["measured"] += 1
                    else:
                        wanted.append((at, path))
        if len(wanted) > MEASURED and not self.scene.deep:
            wanted.sort(key=lambda item: not is_native(item[1].rpartition("/")[2]))
            self.scene.gap(
                "conda",
                self.prefix,
                f"sizes of {len(wanted) - MEASURED} of {len(self.owner)} files are compared with --deep only",
            )
            del wanted[MEASURED:]
        sizes: dict[int, dict[str, int | None]] = {}
        natives: list[str] = []
        by_folder = self.folder >= 0
        for at, path in wanted:
            record = self.records[at]
            known = sizes.get(at)
            if known is None:
                known = sizes[at] = dict(zip(record.files, record.sizes, strict=True))
            size = known[path]
            odd = record.odd.get(path)
            if (size is None and odd is None) or (odd is not None and odd[0] in ("link", "folder")):
                continue
            if path in self.missing[at]:
                continue
            try:
                info = os.stat(path, dir_fd=self.folder) if by_folder else os.stat(f"{self.prefix}/{path}")
            except (OSError, ValueError):
                self._absent(at, path)
                continue
            self.counts["measured"] += 1
            if watch.active is not None and (path.startswith("bin/") or is_native(path)):
                natives.append(f"{self.prefix}/{path}")
            if not stat.S_ISREG(info.st_mode):
                self._absent(at, path)
            elif info.st_size != size and (odd is None or self._tells(record, odd, size, info.st_size)):
                self._note(at, path, "resized", size=size, info=info)
        if watch.active is not None:
            watch.active.states.update(dict.fromkeys(natives))

    def _tells(self, record: Record, odd: tuple[str, str | None], size: int | None, actual: int) -> bool:
        """Another size means something, for a path that is no plain file."""
        kind, rewritten = odd
        if kind == "entry-point":
            return size is not None
        if rewritten == "binary":
            return size is not None and not self._signed(record)
        return actual == 0 and bool(size)

    def _signed(self, record: Record) -> bool:
        """Writing the prefix into its files is followed by a new signature: macOS on arm64, and what else was built for it."""
        return (record.package.subdir or "").startswith("osx")

    def _note(
        self,
        at: int,
        path: str,
        problem: Literal["resized", "altered"],
        *,
        info: os.stat_result,
        size: int | None,
        hash_: str | None = None,
        actual: str | None = None,
    ) -> None:
        kind, rewritten = self.records[at].odd.get(path, ("file", None))
        self.altered[at][path] = CondaPath(
            path=text(path),
            problem=problem,
            kind=kind,  # type: ignore[arg-type]
            rewritten=rewritten,  # type: ignore[arg-type]
            size=size,
            actual_size=info.st_size,
            hash=hash_,
            actual_hash=actual,
            links=info.st_nlink,
        )

    # ------------------------------------------------------------------------------------------------------- hashes
    def _hash(self) -> None:
        """Compares contents, on all cores."""
        from envdoctor.collect.hashing import digests

        jobs: list[tuple[int, str, int | None, str]] = []
        for at, record in enumerate(self.records):
            gone, resized = self.missing[at], self.altered[at]
            for path, size, wanted in zip(record.files, record.sizes, record.hashes, strict=True):
                kind, rewritten = record.odd.get(path, ("file", None))
                if kind in ("link", "folder") or path in gone or path in resized:
                    continue
                if not wanted or (rewritten and self._signed(record) and rewritten != "text"):
                    self.counts["no_hash"] += 1
                    continue
                jobs.append((at, path, size, wanted.lower()))
        found = digests([f"{self.prefix}/{path}" for _, path, _, _ in jobs], self.scene.progress)
        for (at, path, size, wanted), actual in zip(jobs, found, strict=True):
            if actual is None:
                self.counts["unreadable"] += 1
                continue
            self.counts["hashed"] += 1
            self.counts["bytes"] += actual.size
            if actual.sha256 != wanted:
                try:
                    info = fs.stat_of(f"{self.prefix}/{path}")
                except (OSError, ValueError):
                    continue
                self._note(at, path, "altered", size=size, info=info, hash_=wanted, actual=actual.sha256)

    # -------------------------------------------------------------------------------------------------------- facts
    def _package(self, at: int, record: Record) -> CondaPackage:
        missing, altered = self.missing[at], self.altered[at]
        if not missing and not altered:
            return record.package
        return msgspec.structs.replace(
            record.package,
            missing=tuple(sorted(missing.values(), key=lambda path: path.path)[:KEPT]),
            missing_count=len(missing),
            altered=tuple(sorted(altered.values(), key=lambda path: path.path)[:KEPT]),
            altered_count=len(altered),
        )

    def _meta(self, inside: list[list[tuple[int, list[str]]]], distributions: list[Distribution]) -> CondaMeta:
        folder = f"{self.prefix}/conda-meta"
        names = set(self.facts.names or ())
        dists = {f"{p.name}-{p.version}-{p.build}" for p in (record.package for record in self.records)}
        python = next((r.package.version for r in self.records if r.package.name == "python"), None)
        problems = list(self.facts.problems)
        pixi = self._pixi(folder, problems) if "pixi" in names else None
        if "state" in names:
            self._state(folder, problems)
        writers = tuple(sorted({record.writer for record in self.records}))
        leftovers = sorted(self.leftovers)
        listed = [*self.listed, *(place.start.rstrip("/") for place in self.places)]
        present = self.present.difference(leftovers)
        found = conda_lost.find(self.scene, self.records, self.owner, present, listed, self._recorded())
        return CondaMeta(
            writer="pixi" if "pixi" in names else self._newest(),  # type: ignore[arg-type]
            writers=writers,
            python=python,
            problems=tuple(sorted(problems, key=lambda problem: (problem.path, problem.reason))),
            shared=self._shared(),
            overlays=self._overlays(inside, distributions),
            leftovers=tuple(map(text, leftovers[:100])),
            leftover_count=len(leftovers),
            history=conda_history.read(f"{folder}/history", dists) if "history" in names else None,
            pins=conda_history.pins(f"{folder}/pinned") if "pinned" in names else (),
            orphans=self._orphans(python),
            lost=found.lost,
            strangers=found.strangers,
            frozen="frozen" in names,
            pixi=pixi,
            coverage=CondaCoverage(
                paths=sum(len(record.files) + record.compiled for record in self.records),
                compiled=sum(record.compiled for record in self.records),
                links=sum(kind == "link" for record in self.records for kind, _ in record.odd.values()),
                measured=self.counts["measured"],
                hashed=self.counts["hashed"],
                bytes_hashed=self.counts["bytes"],
                no_hash=self.counts["no_hash"],
                unreadable=self.counts["unreadable"],
            ),
        )

    def _recorded(self) -> Iterator[str]:
        """What RECORDs name in the prefix outside of their site folder: scripts and data of wheels."""
        for place in self.places:
            for rows in place.recorded.rows.values():
                for path in rows.paths:
                    if path.startswith("../"):
                        path = os.path.normpath(place.start + path)
                        while path and path[0] != ".":
                            yield path
                            path = path.rpartition("/")[0]

    def _newest(self) -> str | None:
        """Who wrote the newest record."""
        if len({record.writer for record in self.records}) == 1:
            return self.records[0].writer
        best: tuple[int, str] | None = None
        for record in self.records:
            try:
                time = os.stat(f"{self.prefix}/{record.stands}").st_mtime_ns
            except (OSError, ValueError):
                continue
            if best is None or time > best[0]:
                best = time, record.writer
        return best[1] if best else None

    def _pixi(self, folder: str, problems: list[CondaProblem]) -> str | None:
        """The manifest that a pixi environment was made from."""
        document = _document(f"{folder}/pixi", problems, "conda-meta/pixi")
        manifest = document.get("manifest_path")
        return text(manifest)[:4000] if isinstance(manifest, str) else None

    def _state(self, folder: str, problems: list[CondaProblem]) -> None:
        """conda-meta/state: variables that activation sets."""
        document = _document(f"{folder}/state", problems, "conda-meta/state")
        if not isinstance(document.get("env_vars", {}), dict):
            problems.append(CondaProblem(path="conda-meta/state", reason="env_vars is no object", whole=False))

    def _orphans(self, python: str | None) -> tuple[CondaOrphan, ...]:
        """lib/pythonX.Y folders of other versions than the python record's."""
        if python is None or self.scene.windows:
            return ()
        minor = ".".join(python.split(".")[:2])
        try:
            names = fs.names(f"{self.prefix}/lib")
        except fs.Unreadable:
            return ()
        found = []
        for name in names:
            match = _PYTHON.match(name)
            if match is None or match[1] == minor or fs.is_link(f"{self.prefix}/lib/{name}"):
                continue
            start = f"lib/{name}/"
            owners = Counter(self.records[at].label for path, at in self.owner.items() if path.startswith(start))
            try:
                infos = [n for n in fs.names(f"{self.prefix}/{start}site-packages") if n.endswith((".dist-info", ".egg-info"))]
            except fs.Unreadable:
                infos = []
            found.append(
                CondaOrphan(
                    path=start.rstrip("/"),
                    version=match[1],
                    distributions=len(infos),
                    recorded=sum(owners.values()),
                    owners=tuple(sorted(owners)[:NAMED]),
                )
            )
        return tuple(found)

    # ------------------------------------------------------------------------------------------------- owned twice
    def _shared(self) -> tuple[CondaShared, ...]:
        """Paths of several records, by who they are."""
        groups: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for path, several in self.twice.items():
            groups[tuple(several)].append(path)
        contents = {at: self._contents(at) for at in {at for holders in groups for at in holders}} if groups else {}
        found = []
        for holders, paths in groups.items():
            different = [path for path in paths if len({_same(contents[at].get(path)) for at in holders}) > 1]
            survivors: set[str] = set()
            for path in sorted(different)[:NAMED]:
                actual = sha256(f"{self.prefix}/{path}")
                survivors.update(
                    self.records[at].label for at in holders if actual and contents[at].get(path, ("", ""))[1] == actual
                )
            rest = sorted(set(paths).difference(different))
            found.append(
                CondaShared(
                    owners=tuple(sorted(self.records[at].label for at in holders)),
                    paths=tuple(map(text, [*sorted(different), *rest][:NAMED])),
                    count=len(paths),
                    different=len(different),
                    survivors=tuple(sorted(survivors)),
                )
            )
        return tuple(sorted(found, key=lambda shared: (shared.owners, shared.paths)))

    def _contents(self, at: int) -> dict[str, tuple[str, str]]:
        """sha256 in the package and in the prefix by path, of one record, read once more; of links only that they are links."""
        try:
            found, _ = decode(fs.read(f"{self.prefix}/{self.records[at].stands}", RECORD_LIMIT).data)
        except fs.Unreadable:
            return {}
        out = {}
        for row in found.paths_data.paths if found and found.paths_data else ():
            if row.path_type in ("softlink", "directory"):
                out[row.path] = (row.path_type, "")
            elif row.sha256 or row.sha256_in_prefix:
                out[row.path] = (row.sha256 or "", row.sha256_in_prefix or row.sha256 or "")
            elif row.size_in_bytes == 0:
                out[row.path] = (EMPTY, EMPTY)
        return out

    # ---------------------------------------------------------------------------------------------- pip over conda
    def _overlays(self, inside: list[list[tuple[int, list[str]]]], distributions: list[Distribution]) -> tuple[CondaOverlay, ...]:
        """Distributions that no record owns and that share a name or files with a conda package."""
        found: list[CondaOverlay] = []
        for place, members in zip(self.places, inside, strict=True):
            own = [d for d in distributions if d.site == place.site and d.conda is None and d.format == "dist-info"]
            theirs = {folder for at, _ in members for folder in self.records[at].package.metadata}
            own = [d for d in own if text(place.start) + d.path not in theirs]
            if own and members:
                found += self._over(place, members, own)
        return tuple(sorted(found, key=lambda overlay: (overlay.package, overlay.distribution, overlay.path)))

    def _over(self, place: Place, members: list[tuple[int, list[str]]], own: list[Distribution]) -> list[CondaOverlay]:
        skip = len(place.start)
        listed = {path[skip:]: at for at, paths in members for path in paths}
        by_name: dict[str, list[tuple[int, str | None]]] = defaultdict(list)
        for at, _ in members:
            for folder in self.records[at].package.metadata:
                if folder.startswith(place.start):
                    name, version = _identity(folder[skip:])
                    by_name[name].append((at, version))
        paths_of = dict(members)
        found = []
        for dist in own:
            rows = place.recorded.rows.get(dist.path)
            paths = rows.paths if rows else []
            shared: dict[int, list[str]] = defaultdict(list)
            for rel in listed.keys() & paths:
                shared[listed[rel]].append(place.start + rel)
            for rel in paths:
                if rel.startswith("../"):
                    absolute = os.path.normpath(place.start + rel)
                    if absolute in self.owner:
                        shared[self.owner[absolute]].append(absolute)
            named = dict(by_name.get(dist.name, ()))
            for at in sorted({*shared, *named}):
                left = self._left(place, at, paths_of.get(at, []), paths) if shared.get(at) or at in named else []
                found.append(
                    CondaOverlay(
                        package=self.records[at].label,
                        distribution=dist.name,
                        version=dist.version,
                        path=text(place.start) + dist.path,
                        installer=dist.installer,
                        conda_version=named.get(at),
                        shared=len(shared.get(at, ())),
                        examples=tuple(map(text, sorted(shared.get(at, ()))[:5])),
                        gone=sum(path.startswith(place.start) for path in self.missing[at]),
                        left=len(left),
                        native_left=sum(is_native(path.rpartition("/")[2]) for path in left),
                        modules_left=sum(path.endswith(".py") for path in left),
                        left_examples=tuple(map(text, sorted(left, key=_by_weight)[:5])),
                    )
                )
        return found

    def _left(self, place: Place, at: int, paths: list[str], listed: list[str]) -> list[str]:
        """Files of a record that are there and that the distribution does not list, below its folders."""
        skip, gone = len(place.start), self.missing[at]
        heads = {path.partition("/")[0] for path in listed if "/" in path and not path.startswith(".")}
        theirs = set(listed)
        return [
            path
            for path in paths
            if path[skip:] not in theirs and path not in gone and path[skip:].partition("/")[0] in heads and "-info/" not in path
        ]


def _by_weight(path: str) -> tuple[bool, bool, str]:
    """Native files first, then modules."""
    return not is_native(path.rpartition("/")[2]), not path.endswith(".py"), path


def _same(content: tuple[str, str] | None) -> str:
    """What tells one content from another: the hash before the prefix was written into it."""
    return content[0] if content else ""


def _identity(folder: str) -> tuple[str, str | None]:
    """Normalized name and version of a metadata folder's name."""
    stem = re.sub(r"\.(dist|egg)-info$", "", folder.rpartition("/")[2])
    name, _, version = stem.partition("-")
    version = re.sub(r"-py\d.*$", "", version)
    return _NORMAL.sub("-", name).lower(), version or None


def _document(path: str, problems: list[CondaProblem], name: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(fs.read(path, 4 << 20).data)
    except fs.Unreadable as error:
        problems.append(CondaProblem(path=name, reason=str(error)))
        return {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problems.append(CondaProblem(path=name, reason=f"no JSON: {text(str(error))[:200]}"))
        return {}
    if not isinstance(found, dict):
        problems.append(CondaProblem(path=name, reason="not an object"))
        return {}
    return found


def sha256(path: str) -> str | None:
    """Hash of a file of less than 64 MiB."""
    try:
        content = fs.read(path, 64 << 20)
    except fs.Unreadable:
        return None
    return None if content.cut else hashlib.sha256(content.data).hexdigest()
