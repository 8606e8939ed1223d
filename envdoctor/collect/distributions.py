"""Installed distributions: metadata folders, RECORD against the tree, who owns what, what nobody owns.

Specifications: https://packaging.python.org/en/latest/specifications/ (recording-installed-packages, core-metadata,
direct-url, entry-points), setuptools' egg formats. Nothing is imported; email, csv and configparser are avoided on the
hot path because 400 distributions with 80,000 RECORD rows are read on every run.
"""

from __future__ import annotations

import ast
import base64
import json
import os
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from envdoctor.collect import files as fs
from envdoctor.collect.records import RECORD_LIMIT, Recorded, Rows, is_native
from envdoctor.collect.scene import Scene
from envdoctor.collect.source import parse
from envdoctor.collect.tree import Tree
from envdoctor.lazy import pattern
from envdoctor.snapshot import (
    DirectUrl,
    Distribution,
    Editable,
    EntryPoint,
    Leftover,
    Owner,
    Record,
    RecordRow,
    SharedFile,
    Site,
    Unowned,
    WheelInfo,
    text,
)
from envdoctor.speed import speed

HEADER_LIMIT = 1 << 20
"""Bytes of METADATA that are read; the headers of real files end long before."""
LEFTOVERS_KEPT = 200
"""Leftovers that are looked at; each is compared with every name that is installed."""
ROWS_KEPT = 4000
"""Rows kept of each kind (missing, altered) of one distribution; the count goes on in ``Record.rows``."""

_NAME = pattern(r"[-_.]+")
_FIELDS = ("requires-dist", "provides-extra", "metadata-version", "name", "version", "requires-python")
"""The header fields that are used."""
_WANTED = frozenset(_FIELDS)
_headers_compiled = getattr(speed, "headers", None)
_CODE = pattern(rb"(?:\A|[\r\n])[ \t\x0b\x0c]*[^\s#]")
"""A line of a Python file that is neither empty nor a comment."""
_VALID_NAME = pattern(r"^([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9])$")


class Facts(msgspec.Struct):
    """What the distributions of all site folders come to."""

    distributions: list[Distribution] = msgspec.field(default_factory=list)
    shared: list[SharedFile] = msgspec.field(default_factory=list)
    unowned: list[Unowned] = msgspec.field(default_factory=list)
    leftovers: list[Leftover] = msgspec.field(default_factory=list)
    owners: dict[tuple[int, str], str] = msgspec.field(default_factory=dict)
    """(site index, path relative to it) to normalized name, for top-level files and native files and a few more."""
    owners_absolute: dict[str, str] = msgspec.field(default_factory=dict)
    """Absolute path to normalized name for rows that lie outside the site folder (scripts, shared data)."""
    owned: list[Owned] = msgspec.field(default_factory=list)
    """Per site folder: who records which path."""


class Owned:
    """Recorded relative path to index in ``Facts.distributions``, for one site folder."""

    def __init__(self, recorded: Recorded | None = None) -> None:
        self.recorded = recorded or Recorded()
        self.indices: dict[str, int] = {}
        """Metadata folder to index."""
        self.more: dict[str, int] = {}
        """Paths of eggs, and those that RECORD spells in another way."""

    def get(self, path: str) -> int | None:
        """Index of the distribution that records `path`; None where none does."""
        info = self.recorded.owner(path)
        return self.more.get(path) if info is None else self.indices.get(info)

    def __contains__(self, path: object) -> bool:
        return self.get(str(path)) is not None


@lru_cache(maxsize=1 << 14)
def normalize(name: str) -> str:
    """PEP 503."""
    return _NAME.sub("-", name).lower()


def collect(
    scene: Scene,
    sites: list[Site],
    trees: list[Tree | None],
    recorded: list[Recorded],
    conda: dict[str, str] | None = None,
) -> Facts:
    """The distributions below `sites`.

    `trees` holds their walks (None for a folder that was not walked), `recorded` their RECORDs.

    `conda` maps absolute paths of metadata folders to the conda record (``name=version=build``) that owns them.
    """
    facts = Facts()
    system = _dpkg(scene, sites)
    for index, tree in enumerate(trees):
        owned = Owned(recorded[index])
        facts.owned.append(owned)
        if tree is None:
            continue
        collector = _Site(scene, index, tree, facts, owned, conda or {}, system)
        for name in sorted(tree.top):
            collector.look(name)
        collector.finish()
    return facts


class _Site:
    """The distributions of one site folder."""

    def __init__(
        self,
        scene: Scene,
        index: int,
        tree: Tree,
        facts: Facts,
        owned: Owned,
        conda: dict[str, str],
        system: dict[str, str],
    ) -> None:
        self.scene, self.index, self.tree, self.facts, self.owned = scene, index, tree, facts, owned
        self.conda, self.system = conda, system
        self.recorded = owned.recorded
        self.prefix = os.path.normpath(scene.prefix)
        self.different: dict[str, list[str]] = {}
        for path, size in tree.different.items():
            folder, _, name = path.rpartition("/")
            for info, sizes in self.recorded.groups(folder).items():
                if sizes.get(name) not in (None, "", str(size)):
                    self.different.setdefault(info, []).append(path)
        self.natives = set(tree.natives)
        self.heads: set[str] = set()
        self.wheels: dict[bytes, WheelInfo] = {}
        """What the WHEEL files hold: the same in many distributions."""

    # ----------------------------------------------------------------------------------------------- metadata folders
    def look(self, name: str) -> None:
        """Reads the top-level entry `name` if it is a distribution or a leftover of one."""
        if name.startswith("~"):
            if len(self.facts.leftovers) >= LEFTOVERS_KEPT:
                if not any(gap.subject == text(self.tree.root) for gap in self.scene.gaps if gap.collector == "distributions"):
                    self.scene.gap("distributions", self.tree.root, f"more than {LEFTOVERS_KEPT} leftovers (~name)")
                return
            files = sum(1 for _ in self.tree.below(name)) if name in self.tree.folders else 1
            rest = name[1:].removesuffix(".dist-info").removesuffix(".egg-info")
            self.facts.leftovers.append(Leftover(path=text(name), site=self.index, name=text(rest), files=files))
            return
        lower = name.lower()
        if lower.endswith(".dist-info"):
            self._add(self._dist_info(name))
        elif lower.endswith(".egg-info"):
            self._add(self._egg_info(name, name, "egg-info"))
        elif lower.endswith(".egg-link"):
            self._egg_link(name)
        elif lower.endswith(".egg"):
            if f"{name}/EGG-INFO/PKG-INFO" in self.tree.files:
                self._add(self._egg_info(name, f"{name}/EGG-INFO", "egg"))
            elif name in self.tree.files:
                self.scene.gap("distributions", self.tree.path(name), "zipped egg, not opened")

    def _add(self, dist: Distribution | None) -> None:
        if dist is not None:
            self.facts.distributions.append(dist)

    def _read(self, rel: str, problems: list[str] | None = None, limit: int = HEADER_LIMIT) -> bytes | None:
        """Bytes of a metadata file, None when it is absent; what is wrong goes to `problems`."""
        if rel not in self.tree.files:
            if problems is not None and (rel in self.tree.special or rel in self.tree.broken):
                kind = "a link that leads nowhere" if rel in self.tree.broken else "not a regular file"
                problems.append(f"{rel.rpartition('/')[2]}: {kind}")
            if not self._below_unwalked(rel):
                return None
        try:
            return fs.read(self.tree.path(rel), limit).data
        except fs.Unreadable as error:
            if not error.missing and problems is not None:
                problems.append(f"{rel.rpartition('/')[2]}: {error}")
            return None

    def _below_unwalked(self, rel: str) -> bool:
        """`rel` lies in a linked folder that the walk did not enter, so absence from the tree proves nothing."""
        head = rel.partition("/")[0]
        return head in self.tree.links and head in self.tree.folders

    def _dist_info(self, name: str) -> Distribution | None:
        if name not in self.tree.folders:
            if name not in self.tree.files:
                return None
            return Distribution(
                name=normalize(_stem(name)),
                site=self.index,
                path=text(name),
                problems=("METADATA: the dist-info is not a folder",),
            )
        problems: list[str] = []
        stem = _stem(name)
        data = self._read(f"{name}/METADATA", problems)
        if data is None and not any(p.startswith("METADATA") for p in problems):
            problems.append("METADATA: missing")
        headers = _headers(data or b"", problems, "METADATA")
        raw_name, version = _identity(headers, problems, "METADATA", stem, data is not None)
        index = len(self.facts.distributions)
        record, import_names, tops = self._record(name, index, problems)
        wheel = self._wheel(name, problems)
        direct = self._direct_url(name, problems)
        installer = self.recorded.installers.get(name) or self._read(f"{name}/INSTALLER", None, 200)
        conda = self.conda.get(self.tree.path(name))
        files = self.tree.files
        entry_points = self._entry_points(f"{name}/entry_points.txt", problems)
        if not import_names:
            import_names = self._top_level(f"{name}/top_level.txt")
        return Distribution(
            name=normalize(raw_name),
            version=version,
            site=self.index,
            path=text(name),
            raw_name=text(raw_name),
            problems=tuple(problems),
            requires=tuple(headers.get("requires-dist", ())),
            extras=tuple(normalize(e) for e in headers.get("provides-extra", ())),
            requires_python=_first(headers, "requires-python"),
            metadata_version=_first(headers, "metadata-version"),
            installer=text(installer).strip().split("\n")[0][:60].lower() or None if installer is not None else None,
            requested=f"{name}/REQUESTED" in files,
            direct_url=direct,
            wheel=wheel,
            entry_points=entry_points,
            record=record,
            import_names=import_names,
            editable=self._editable(direct, tops),
            conda=conda,
            system_package=self.system.get(self.tree.path(name)),
        )

    def _egg_info(self, name: str, meta: str, kind: str) -> Distribution | None:
        problems: list[str] = []
        stem = _stem(name)
        if meta in self.tree.folders:
            data = self._read(f"{meta}/PKG-INFO", problems)
            label = "PKG-INFO"
        else:
            data = self._read(meta, problems)
            label = name
        if data is None and not problems:
            problems.append(f"{label}: missing")
        headers = _headers(data or b"", problems, label)
        raw_name, version = _identity(headers, problems, label, stem, data is not None)
        requires = list(headers.get("requires-dist", ()))
        extras = [normalize(e) for e in headers.get("provides-extra", ())]
        if not requires:
            found = self._read(f"{meta}/requires.txt", problems)
            if found:
                requires, more = _egg_requires(text(found))
                extras = sorted({*extras, *more})
        installed = self._read(f"{meta}/installed-files.txt", None, RECORD_LIMIT)
        record = None
        index = len(self.facts.distributions)
        if installed is not None:
            paths = []
            for line in text(installed).splitlines():
                if line.strip():
                    paths.append(os.path.normpath(f"{meta}/{line.strip()}"))
            self.heads |= {path.partition("/")[0] for path in paths}
            record = self._judge_installed_files(index, paths)
        import_names = self._top_level(f"{meta}/top_level.txt")
        if not import_names and kind == "egg":
            import_names = tuple(sorted({n.partition(".")[0] for n in _children(self.tree, name) if n != "EGG-INFO"}))
        for module in import_names:
            for candidate in (module, f"{module}.py"):
                if candidate in self.tree.files or candidate in self.tree.folders:
                    self.owned.more.setdefault(candidate, index)
                    self.heads.add(candidate)
        return Distribution(
            name=normalize(raw_name),
            version=version,
            site=self.index,
            path=text(name),
            raw_name=text(raw_name),
            format="egg" if kind == "egg" else "egg-info",
            problems=tuple(problems),
            requires=tuple(requires),
            extras=tuple(extras),
            requires_python=_first(headers, "requires-python"),
            metadata_version=_first(headers, "metadata-version"),
            installer=None,
            requested=False,
            entry_points=self._entry_points(f"{meta}/entry_points.txt", problems),
            record=record,
            import_names=import_names,
            conda=self.conda.get(self.tree.path(name)),
            system_package=self.system.get(self.tree.path(name)),
        )

    def _egg_link(self, name: str) -> None:
        """A development install of old setuptools: the file's first line is the folder that holds NAME.egg-info."""
        data = self._read(name, None, 1 << 16)
        lines = [line.strip() for line in text(data or b"").splitlines() if line.strip()]
        stem = name[: -len(".egg-link")]
        source = lines[0] if lines else ""
        folder = self.scene.rooted(source) if os.path.isabs(source) else os.path.normpath(self.tree.path(source))
        editable = Editable(style="egg-link", path=text(name), sources=(text(source),) if source else ())
        problems: list[str] = []
        if not source:
            problems.append(f"{text(name)}: names no folder")
        elif not fs.is_folder(folder):
            editable = Editable(style="egg-link", path=text(name), sources=(text(source),), missing=(text(source),))
        headers: dict[str, list[str]] = {}
        meta = ""
        if not editable.missing and source:
            try:
                wanted = normalize(stem)
                for entry in fs.names(folder):
                    if entry.endswith(".egg-info") and normalize(_stem(entry)) == wanted:
                        meta = f"{folder}/{entry}"
            except fs.Unreadable as error:
                problems.append(f"{text(name)}: {error}")
        requires: list[str] = []
        extras: list[str] = []
        if meta:
            try:
                headers = _headers(fs.read(f"{meta}/PKG-INFO", HEADER_LIMIT).data, problems, "PKG-INFO")
            except fs.Unreadable as error:
                problems.append(f"PKG-INFO: {error}")
            requires = list(headers.get("requires-dist", ()))
            if not requires:
                try:
                    requires, extras = _egg_requires(fs.read_text(f"{meta}/requires.txt"))
                except fs.Unreadable:
                    pass
        self._add(
            Distribution(
                name=normalize(stem),
                version=_first(headers, "version"),
                site=self.index,
                path=text(name),
                raw_name=text(stem),
                format="egg-link",
                problems=tuple(problems),
                requires=tuple(requires),
                extras=tuple(normalize(e) for e in (*headers.get("provides-extra", ()), *extras)),
                requires_python=_first(headers, "requires-python"),
                metadata_version=_first(headers, "metadata-version"),
                requested=True,
                editable=editable,
            )
        )

    # ------------------------------------------------------------------------------------------------- small files
    def _wheel(self, name: str, problems: list[str]) -> WheelInfo | None:
        data = self._read(f"{name}/WHEEL", problems, 1 << 18)
        if data is None:
            return None
        known = self.wheels.get(data)
        if known is not None:
            return known
        tags: list[str] = []
        generator = build = None
        purelib = True
        for line in text(data).splitlines():
            key, _, value = line.partition(":")
            key, value = key.strip().lower(), value.strip()
            if key == "tag" and value and len(tags) < 1000:
                tags.append(value[:300])
            elif key == "root-is-purelib":
                purelib = value.lower() == "true"
            elif key == "generator":
                generator = value[:100]
            elif key == "build":
                build = value[:100]
        wheel = WheelInfo(tags=tuple(dict.fromkeys(tags)), root_is_purelib=purelib, generator=generator, build=build)
        if len(data) < 1000:
            self.wheels[data] = wheel
        return wheel

    def _direct_url(self, name: str, problems: list[str]) -> DirectUrl | None:
        data = self._read(f"{name}/direct_url.json", problems, 1 << 18)
        if data is None:
            return None
        try:
            document: Any = json.loads(data)
            url = document["url"]
            if not isinstance(url, str):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            problems.append("direct_url.json: not valid (PEP 610)")
            return None
        vcs = _mapping(document.get("vcs_info"))
        archive = _mapping(document.get("archive_info"))
        hashes = _mapping(archive.get("hashes"))
        digest = next((f"{k}={v}" for k, v in sorted(hashes.items()) if isinstance(v, str)), archive.get("hash"))
        return DirectUrl(
            url=_without_credentials(text(url)),
            editable=_mapping(document.get("dir_info")).get("editable") is True,
            vcs=_string(vcs.get("vcs")),
            commit=_string(vcs.get("commit_id")),
            subdirectory=_string(document.get("subdirectory")),
            archive_hash=_string(digest),
        )

    def _entry_points(self, rel: str, problems: list[str]) -> tuple[EntryPoint, ...]:
        data = self._read(rel, problems, 1 << 20)
        if not data:
            return ()
        found: list[EntryPoint] = []
        group = ""
        for line in text(data).splitlines():
            line = line.strip()
            if not line or line[0] in "#;":
                continue
            if line[0] == "[" and line[-1] == "]":
                group = line[1:-1].strip()
            elif "=" in line and group:
                key, _, value = line.partition("=")
                found.append(EntryPoint(group=group[:200], name=key.strip()[:200], value=value.strip()[:300]))
                if len(found) >= 5000:
                    break
        return tuple(found)

    def _top_level(self, rel: str) -> tuple[str, ...]:
        data = self._read(rel, None, 1 << 18)
        return tuple(sorted({line.strip() for line in text(data or b"").splitlines() if line.strip()}))

    # ----------------------------------------------------------------------------------------------------- RECORD
    def _record(self, name: str, index: int, problems: list[str]) -> tuple[Record | None, tuple[str, ...], list[str]]:
        rows = self.recorded.rows.get(name)
        if rows is None:
            self._read(f"{name}/RECORD", problems)
            return None, (), []
        if rows.too_large:
            problems.append(f"RECORD: larger than {RECORD_LIMIT >> 20} MiB, not read")
            return None, (), []
        if rows.malformed and not rows.count:
            problems.append("RECORD: no line of it is a row")
        self.owned.indices[name] = index
        tops = rows.tops()
        heads = rows.heads().union(tops)
        self.heads |= heads
        names: set[str] = set()
        for head in heads:
            if head in ("..", "", "bin", "__pycache__") or head.endswith((".dist-info", ".egg-info", ".pth", ".data", ".libs")):
                continue
            if head in self.tree.files or "." in head:
                if head.endswith((".py", ".so", ".pyd", ".pyc")):
                    names.add(head.partition(".")[0])
            else:
                names.add(head)
        return self._judge(name, index, rows), tuple(sorted(text(n) for n in names)), tops

    def _judge(self, name: str, index: int, rows: Rows) -> Record:
        """Keeps of a RECORD the rows that do not hold: the walk has found candidates, each is looked at once more."""
        row_of = _RowIndex(rows)
        hashes: list[str] = []
        missing: list[RecordRow] = []
        outside: list[str] = []
        candidates = list(self.tree.absent.get(name, ()))
        unknown = set(self.recorded.unknown(name, self.tree.known))
        if unknown and self.recorded.index is not None:
            for folder in unknown:
                candidates += [f"{folder}/{file}" for file in self.recorded.groups(folder).get(name, ())]
        elif unknown:
            starts = tuple(folder + "/" for folder in unknown)
            candidates += [path for path in rows.paths if path.startswith(starts) and path.rpartition("/")[0] in unknown]
        for path in dict.fromkeys(candidates):
            if self._is_there(path, index, outside):
                continue
            at = row_of[path]
            hashes = hashes or rows.hashes()
            missing.append(RecordRow(path=text(path), hash=text(hashes[at]) or None, size=_integer(rows.sizes[at])))
        resized: list[RecordRow] = []
        for path in self.different.get(name, ()):
            at, actual = row_of[path], self.tree.different[path]
            wanted = _integer(rows.sizes[at])
            if wanted is not None and wanted != actual:
                hashes = hashes or rows.hashes()
                resized.append(RecordRow(path=text(path), hash=text(hashes[at]) or None, size=wanted, actual_size=actual))
        rehashed: list[RecordRow] = []
        if self.scene.deep:
            resized += self._other_sizes(rows)
            rehashed = self._rehash(rows.paths, rows.hashes(), rows.sizes)
        missing.sort(key=lambda row: row.path)
        resized.sort(key=lambda row: row.path)
        return Record(
            rows=rows.count,
            missing=tuple(missing[:ROWS_KEPT]),
            resized=tuple(resized[:ROWS_KEPT]),
            rehashed=tuple(rehashed[:ROWS_KEPT]),
            outside=tuple(sorted(text(p) for p in outside)[:100]),
            malformed=tuple(text(line)[:200] for line in rows.malformed[:20]),
            hashed=self.scene.deep,
            modules=sum(map(_is_module_row, set(rows.paths))) if missing else 0,
            modules_missing=sum(_is_module_row(row.path) for row in missing),
        )

    def _is_there(self, path: str, index: int, outside: list[str]) -> bool:
        """A recorded path that its folder's listing lacks is there all the same, or is not to be judged."""
        files = self.tree.files
        if path.endswith((".pyc", ".pyo", "__pycache__", "__pycache__/")) or not path:
            return True  # virtualenv 20.0 recorded the folders of compiled modules, too
        if path.partition("/")[0].endswith(".data"):
            return True  # where scripts and headers stood in the wheel; uv moves them and keeps some wheels' own rows
        if path.endswith(".py") and path + "c" in files:
            return True  # an image without sources: the compiled module stands in its place
        if (path in self.tree.broken or path in self.tree.special) and _is_module_row(path):
            return False  # a link that leads nowhere, a FIFO: no import can read it
        absolute = _absolute(self.tree.root, path)
        if path.startswith(("..", "/")) or "\\" in path or path[1:3] in (":/", ":\\"):
            relative = self._relative(absolute)
            if relative in files:
                self.owned.more.setdefault(relative, index)
                return True
            if not self._inside(absolute):
                outside.append(path)
                return True
            self.facts.owners_absolute.setdefault(absolute, str(index))
        return fs.exists(absolute) or fs.is_link(absolute)

    def _judge_installed_files(self, index: int, paths: list[str]) -> Record:
        """The same for installed-files.txt of an egg-info folder, which has no sizes."""
        files, outside = self.tree.files, list[str]()
        gone = [p for p in dict.fromkeys(paths) if p not in files and not self._is_there(p, index, outside)]
        for path in paths:
            self.owned.more.setdefault(path, index)
        return Record(
            rows=len(paths),
            missing=tuple(RecordRow(path=text(path)) for path in sorted(gone)[:ROWS_KEPT]),
            outside=tuple(sorted(text(p) for p in outside)[:100]),
            hashed=self.scene.deep,
            modules=sum(map(_is_module_row, paths)) if gone else 0,
            modules_missing=sum(map(_is_module_row, gone)),
        )

    def _inside(self, absolute: str) -> bool:
        prefix = self.prefix
        if absolute == prefix or absolute.startswith(prefix.rstrip("/") + "/") or prefix == "/":
            return True
        real = fs.real(os.path.dirname(absolute))
        home = fs.real(prefix)
        root = fs.real(self.tree.root)
        return (real + "/").startswith((home.rstrip("/") + "/", root + "/"))

    def _relative(self, absolute: str) -> str:
        root = self.tree.root.rstrip("/") + "/"
        return absolute[len(root) :] if absolute.startswith(root) else ""

    def _other_sizes(self, rows: Rows) -> list[RecordRow]:
        """With ``--deep``: sizes of the files that the walk did not measure."""
        found: list[RecordRow] = []
        for path, hash_, size in zip(rows.paths, rows.hashes(), rows.sizes, strict=True):
            wanted = _integer(size)
            if wanted is None or path in self.tree.different or path.endswith((".pyc", ".pyo")):
                continue
            try:
                actual = fs.stat_of(_absolute(self.tree.root, path)).st_size
            except (OSError, ValueError):
                continue
            if actual != wanted:
                found.append(RecordRow(path=text(path), hash=text(hash_) or None, size=wanted, actual_size=actual))
        return found

    def _rehash(self, paths: list[str], hashes: list[str], sizes: list[str]) -> list[RecordRow]:
        """With ``--deep``: files whose size is as recorded and whose content is not."""
        found: list[RecordRow] = []
        for path, recorded, size in zip(paths, hashes, sizes, strict=True):
            if not recorded or path.endswith((".pyc", ".pyo")):
                continue
            algorithm = recorded.partition("=")[0]
            absolute = _absolute(self.tree.root, path)
            if algorithm not in ("sha256", "sha384", "sha512") or not self._inside(absolute):
                continue
            actual = digest(absolute, algorithm)
            if actual is None or actual == recorded.rstrip("="):
                continue
            try:
                length = fs.stat_of(absolute).st_size
            except OSError:
                continue
            wanted = _integer(size)
            if wanted is None or wanted == length:
                found.append(RecordRow(path=text(path), hash=text(recorded), size=wanted, actual_size=length, actual_hash=actual))
        found.sort(key=lambda row: row.path)
        return found

    # --------------------------------------------------------------------------------------------------- editables
    def _editable(self, direct: DirectUrl | None, paths: list[str]) -> Editable | None:
        """How an editable install reaches its source: .pth lines, a finder's MAPPING, or only its direct_url."""
        pths = [p for p in paths if p.endswith(".pth")]
        finders = [p for p in paths if p.startswith("__editable__") and p.endswith("_finder.py")]
        if not (direct and direct.editable) and not finders and not any(p.startswith("__editable__") for p in pths):
            return None
        sources: list[str] = []
        carrier, style = (pths[0] if pths else ""), "pth"
        unreadable = False
        for finder in finders:
            carrier, style = finder, "finder"
            data = self._read(finder, None, 4 << 20)
            mapping = _finder_mapping(data or b"")
            if mapping is None:
                unreadable = True
            else:
                sources += mapping
        if not finders:
            for pth in pths:
                data = self._read(pth, None, 1 << 20)
                for line in (data or b"").decode("utf-8", "surrogateescape").splitlines():
                    line = line.strip()
                    if line and not line.startswith(("#", "import ", "import\t")) and len(line) < 4096:
                        sources.append(line)
        if not sources and direct and direct.editable:
            style = "meta" if not carrier else style
            parts = urlsplit(direct.url)
            if parts.scheme == "file":
                sources.append(unquote(parts.path))
        missing = []
        for source in sources:
            path = self.scene.rooted(source) if os.path.isabs(source) else os.path.normpath(self.tree.path(source))
            if not (fs.exists(path) or fs.exists(path + ".py")):
                missing.append(source)
        return Editable(
            style=style,  # type: ignore[arg-type]
            path=text(carrier),
            sources=tuple(text(s) for s in sorted(set(sources))),
            missing=tuple(text(s) for s in sorted(set(missing))),
            unreadable_mapping=unreadable,
        )

    # ------------------------------------------------------------------------------------------------------ sharing
    def finish(self) -> None:
        """After all distributions of the folder: shared files, names that nobody owns, owners of what others ask for."""
        dists = self.facts.distributions
        tables: dict[str, tuple[str, str | None, dict[str, int], list[str], list[str]]] = {}
        for path, infos in sorted(self.recorded.twice.items()):
            owners = []
            for info in infos:
                if info not in tables:
                    rows, dist = self.recorded.rows[info], dists[self.owned.indices[info]]
                    tables[info] = dist.name, dist.version, _numbered(rows.paths), rows.hashes(), rows.sizes
                name, version, numbers, hashes, sizes = tables[info]
                at = numbers[path]
                owners.append(Owner(distribution=name, version=version, hash=text(hashes[at]) or None, size=_integer(sizes[at])))
            self._share(path, owners)
        names = self.facts.owners
        for path in (*self.tree.natives, *(p for p in self.tree.top if self.tree.top[p] in ("file", "link"))):
            owner = self.owned.get(path)
            if owner is not None:
                names[self.index, path] = dists[owner].name
        for path, holder in list(self.facts.owners_absolute.items()):
            if holder.isdigit():
                self.facts.owners_absolute[path] = dists[int(holder)].name
        self._unowned()

    def _share(self, path: str, owners: list[Owner]) -> None:
        if len({(o.distribution, o.version) for o in owners}) < 2:
            return
        exists = path in self.tree.files or fs.exists(_absolute(self.tree.root, path))
        actual_size: int | None = None
        actual: str | None = None
        claims = {(o.hash, o.size) for o in owners}
        if exists and len(claims) == 1 and path not in self.tree.different:
            actual_size = owners[0].size
        elif exists:
            absolute = _absolute(self.tree.root, path)
            try:
                actual_size = fs.stat_of(absolute).st_size
            except (OSError, ValueError):
                exists = False
            sizes = {o.size for o in owners if o.size is not None}
            told_by_size = len(sizes) == len(owners) and actual_size in sizes and not self.scene.deep
            if len({o.hash for o in owners if o.hash}) > 1 and not told_by_size and self._inside(absolute):
                actual = digest(absolute)
        self.facts.shared.append(
            SharedFile(
                path=text(path),
                site=self.index,
                owners=tuple(sorted(owners, key=lambda o: (o.distribution, o.version or ""))),
                exists=exists,
                actual_size=actual_size,
                actual_hash=actual,
                native=is_native(path),
                namespace=exists and path.endswith("/__init__.py") and self._namespace_init(_absolute(self.tree.root, path)),
            )
        )

    def _namespace_init(self, path: str) -> bool:
        """An ``__init__`` that several distributions share by design: it extends its path, or has no code and is not alone."""
        try:
            content = fs.read(path, 1 << 16)
        except fs.Unreadable:
            return False
        if b"extend_path" in content.data or b"declare_namespace" in content.data:
            return True
        if content.cut or _CODE.search(content.data):
            return False
        try:
            return bool(set(fs.names(os.path.dirname(path))) - {"__init__.py", "__pycache__"})
        except fs.Unreadable:
            return False

    def _unowned(self) -> None:
        """Importable names at the top that no RECORD lists."""
        tree = self.tree
        heads = self.heads
        for name, kind in sorted(tree.top.items()):
            if (
                name in heads
                or name.startswith(("~", ".", "__"))
                or name.endswith((".dist-info", ".egg-info", ".egg-link", ".pth", ".egg"))
            ):
                continue
            if kind in ("folder", "link") and name in tree.folders:
                if not name.isidentifier() or name not in tree.with_modules:
                    continue
                below = list(tree.below(name))
                self.facts.unowned.append(
                    Unowned(
                        name=text(name),
                        site=self.index,
                        natives=sum(1 for p in below if is_native(p)),
                        modules=sum(1 for p in below if p.endswith(".py")),
                    )
                )
            elif name.endswith(".py") or name in self.natives:
                native = name in self.natives
                self.facts.unowned.append(
                    Unowned(name=text(name), site=self.index, folder=False, natives=int(native), modules=int(not native))
                )


# ------------------------------------------------------------------------------------------------------------- parsing


def _headers(data: bytes, problems: list[str], label: str) -> dict[str, list[str]]:
    """The header fields of METADATA or PKG-INFO (core metadata, RFC 822 style), keys in lower case."""
    if not data:
        return {}
    if _headers_compiled is not None and len(data) < HEADER_LIMIT:
        answer: dict[str, list[str]] | None = _headers_compiled(data, _FIELDS)
        if answer is not None:
            return answer
    end = data.find(b"\n\n")
    crlf = data.find(b"\r\n\r\n", 0, end + 3 if end >= 0 else len(data))
    if crlf >= 0:
        end = crlf
    head = data[:end] if end >= 0 else data
    if end < 0 and len(data) >= HEADER_LIMIT:
        problems.append(f"{label}: its headers do not end within {HEADER_LIMIT >> 20} MiB")
    try:
        decoded = head.decode("utf-8")
        if len(data) < HEADER_LIMIT and not data.isascii():
            data.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.append(f"{label}: not UTF-8 at byte {error.start}")
        decoded = head.decode("utf-8", "backslashreplace")
    found: dict[str, list[str]] = {}
    if "\n " not in decoded and "\n\t" not in decoded and "\r" not in decoded:
        for line in decoded.split("\n"):
            name, colon, value = line.partition(":")
            key = name.lower()
            if key in _WANTED and colon:
                found.setdefault(key, []).append(value.strip()[:8000])
        return found or ({"": []} if ":" in decoded else {})
    key = ""
    for line in decoded.split("\n"):
        line = line.rstrip("\r")
        if line[:1] in (" ", "\t"):
            if key and found[key] and len(found[key][-1]) < 4000:
                found[key][-1] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        if not colon:
            key = ""
            continue
        key = name.strip().lower()
        values = found.setdefault(key, [])
        if len(values) < 200_000:
            values.append(value.strip()[:8000])
    return found


def _identity(headers: dict[str, list[str]], problems: list[str], label: str, stem: str, present: bool) -> tuple[str, str | None]:
    """Name (of the file, else of the folder) and version, with what is wrong about them."""
    name = _first(headers, "name")
    version = _first(headers, "version")
    if present:
        if not headers:
            problems.append(f"{label}: empty or without a single field")
        else:
            if not name:
                problems.append(f"{label}: no Name")
            elif not _VALID_NAME.match(name):
                problems.append(f"{label}: invalid Name {name[:80]!r}")
            elif normalize(name) != normalize(stem):
                problems.append(f"{label}: Name {name[:80]!r} differs from the folder's {stem[:80]!r}")
            if not version:
                problems.append(f"{label}: no Version")
    return (name if name and _VALID_NAME.match(name) else stem), (version[:200] if version else None)


def _stem(folder: str) -> str:
    """The name that a metadata folder's own name gives: ``a_b`` of ``a_b-1.0.dist-info`` and ``a_b-1.0-py3.11.egg-info``."""
    return text(folder.rpartition(".")[0].partition("-")[0])


def _first(headers: dict[str, list[str]], key: str) -> str | None:
    values = headers.get(key)
    return values[0] if values and values[0] else None


def _egg_requires(content: str) -> tuple[list[str], list[str]]:
    """requires.txt of setuptools as PEP 508 strings, and the extras it defines. Sections: ``[extra]``, ``[:marker]``."""
    requires: list[str] = []
    extras: list[str] = []
    suffix = ""
    for line in content.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            extra, _, marker = line[1:-1].partition(":")
            parts = []
            if marker:
                parts.append(f"({marker})")
            if extra:
                extras.append(normalize(extra))
                parts.append(f'extra == "{normalize(extra)}"')
            suffix = "; " + " and ".join(parts) if parts else ""
        elif "@" in line and suffix:
            requires.append(f"{line} {suffix}")
        else:
            requires.append(line + suffix)
    return requires, extras


class _RowIndex:
    """Path to row number of a RECORD, made when first asked."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.index: dict[str, int] | None = None

    def __getitem__(self, path: str) -> int:
        if self.index is None:
            self.index = _numbered(self.rows.paths)
        return self.index[path]


def _numbered(paths: list[str]) -> dict[str, int]:
    """Path to its number, the last where there are several."""
    return dict(zip(paths, range(len(paths)), strict=True))


def _is_module_row(path: str) -> bool:
    """A row of a module that an import can reach: ``pkg/mod.py``, ``mod.cpython-311-x86_64-linux-gnu.so``."""
    if not path.endswith((".py", ".so", ".pyd")) or path.startswith("__editable__"):
        return False
    head, inside, _ = path.partition("/")
    return (head if inside else head.partition(".")[0]).isidentifier()


def _finder_mapping(data: bytes) -> list[str] | None:
    """Folders and files in MAPPING and NAMESPACES of setuptools' editable finder; None when it cannot be read."""
    module = parse(data)
    if module is None:
        return None
    found: list[str] = []
    seen = False
    for node in module.body:
        target: ast.expr | None = None
        value: ast.expr | None = None
        if isinstance(node, ast.AnnAssign):
            target, value = node.target, node.value
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        if not isinstance(target, ast.Name) or value is None or target.id not in ("MAPPING", "NAMESPACES"):
            continue
        try:
            mapping = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            return None
        if not isinstance(mapping, dict):
            return None
        seen = True
        for item in mapping.values():
            found += (
                [item] if isinstance(item, str) else [i for i in item if isinstance(i, str)] if isinstance(item, list) else []
            )
    return found if seen else None


def _without_credentials(url: str) -> str:
    """`url` with user name and password cut out."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url[:500]
    if "@" in parts.netloc:
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))[:2000]
    return url[:2000]


def digest(path: str, algorithm: str = "sha256") -> str | None:
    """Hash of a regular file in RECORD's form (``sha256=…``, urlsafe base64 without padding); None where unreadable."""
    import hashlib

    try:
        fd, _ = fs.open_regular(path)
    except fs.Unreadable:
        return None
    with os.fdopen(fd, "rb") as file:
        try:
            value = hashlib.new(algorithm)
            while block := file.read(1 << 20):
                value.update(block)
        except OSError:
            return None
    return f"{algorithm}=" + base64.urlsafe_b64encode(value.digest()).rstrip(b"=").decode()


def _absolute(root: str, path: str) -> str:
    if path.startswith("/") or path[1:3] in (":/", ":\\"):
        return os.path.normpath(path)
    if "\\" in path and os.sep == "/":
        path = path.replace("\\", "/")
    return os.path.normpath(f"{root}/{path}")


def _integer(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: Any) -> str | None:
    return text(value)[:500] if isinstance(value, str) else None


def _children(tree: Tree, folder: str) -> set[str]:
    start = len(folder) + 1
    return {path[start:].partition("/")[0] for path in tree.below(folder)}


def _dpkg(scene: Scene, sites: list[Site]) -> dict[str, str]:
    """Absolute paths of metadata folders to the Debian package that owns them, for dist-packages folders only."""
    if not any(site.role == "dist-packages" for site in sites):
        return {}
    folder = scene.rooted("/var/lib/dpkg/info")
    owners: dict[str, str] = {}
    applications: set[str] = set()
    # Besides python3-NAME: applications named as what is in them (pipx, yq, ansible-core).
    for site in sites:
        if site.role == "dist-packages" and "/local/" not in site.path:
            try:
                inside = fs.names(site.path)
            except fs.Unreadable:
                continue
            applications |= {f"{n.partition('-')[0].lower()}.list" for n in inside if n.endswith((".egg-info", ".dist-info"))}
            applications |= {f.replace("_", "-") for f in applications}
    try:
        lists = [
            name
            for name in fs.names(folder)
            if name.endswith(".list") and (name.startswith(("python", "pypy")) or name in applications)
        ]
    except fs.Unreadable:
        return {}
    for name in lists:
        try:
            content = fs.read_text(f"{folder}/{name}")
        except fs.Unreadable:
            continue
        if "-packages/" not in content:
            continue
        package = name[: -len(".list")].partition(":")[0]
        for line in content.splitlines():
            if line.endswith((".egg-info", ".dist-info")):
                owners[scene.rooted(line)] = package
    return owners
