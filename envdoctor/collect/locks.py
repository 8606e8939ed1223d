"""Lockfiles and manifests of the project: found by name, read once, paired, and asked whether they still fit each other.

The formats are in :mod:`envdoctor.lock`, which is pure; this module does the reading. Nothing is solved, nothing is fetched.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

import msgspec

from envdoctor.collect import files
from envdoctor.collect.scene import Scene
from envdoctor.lock import formats, fresh, manifests
from envdoctor.lock.model import Format, Lock, LockError, Manifest
from envdoctor.snapshot import text
from envdoctor.tuples import NamedTuple

MAX_LOCK = 64 << 20
"""Bytes of a lockfile that are read."""
MAX_MANIFEST = 1 << 20
MAX_FILES = 200
"""Locks and manifests of one project, and files that one lock is made from."""
ROUNDS = 6
"""How often a lock may name more files after those that it named were read."""
FOLDERS = ("requirements", "locks", "conda")
"""Folders of a project in which locks and manifests are kept, too."""
_REPOSITORY = (".git", ".hg", ".jj")


class Facts(NamedTuple):
    """What was found, each sorted by path."""

    locks: tuple[Lock, ...] = ()
    manifests: tuple[Manifest, ...] = ()


def collect(scene: Scene, named: Iterable[str] = ()) -> Facts:
    """Locks and manifests of the project; with `named` (``--lock``, absolute paths) those instead of the locks that are there."""
    named = tuple(named)
    root = (scene.project_root or "").rstrip("/") if scene.project_root is not None else None
    reader = _Reader(root)
    if root is not None:
        try:
            reader.look(root, "")
        except files.Unreadable as error:
            scene.gap("locks", root or "/", str(error))
    if named:
        reader.found_locks = []
        for path in named:
            reader.name(path)
    elif root is not None:
        reader.look_above()
    return reader.facts()


class _Reader:
    """Reads files of one project, each once."""

    def __init__(self, root: str | None) -> None:
        self.root = root
        self.contents: dict[str, files.Content | files.Unreadable] = {}
        self.listed: dict[str, tuple[str, ...]] = {}
        self.found_locks: list[tuple[str, Format, bool]] = []
        """Path as the file system takes it, format, named by the user."""
        self.found_manifests: list[str] = []

    # ------------------------------------------------------------------------------------------------------- reading
    def content(self, path: str, limit: int = MAX_LOCK) -> files.Content | files.Unreadable:
        """The content of a file, or why there is none."""
        found = self.contents.get(path)
        if found is None:
            try:
                found = files.read(path, limit)
            except files.Unreadable as error:
                found = error
            self.contents[path] = found
        return found

    def names(self, folder: str) -> tuple[str, ...]:
        """Names in a folder; none where it cannot be read."""
        found = self.listed.get(folder)
        if found is None:
            try:
                found = tuple(files.names(folder))
            except files.Unreadable:
                found = ()
            self.listed[folder] = found
        return found

    # ------------------------------------------------------------------------------------------------------- finding
    def look(self, folder: str, below: str) -> None:
        """Notes locks and manifests of a folder, and of :data:`FOLDERS` in it. Raises Unreadable."""
        names = self.listed[folder] = tuple(files.names(folder or "/"))
        for name in names:
            path = f"{folder}/{name}"
            if formats.may_be_lock(name) and len(self.found_locks) < MAX_FILES:
                content = self.content(path)
                data = content.data if isinstance(content, files.Content) else b""
                if isinstance(content, files.Unreadable) and not files.is_file(path):
                    continue
                format_ = formats.format_of(name, data)
                if format_ is not None:
                    self.found_locks.append((path, format_, False))
                    continue
            if manifests.format_of(name) is not None and len(self.found_manifests) < MAX_FILES:
                self.found_manifests.append(path)
        for name in FOLDERS if not below else ():
            if name in names and files.is_folder(f"{folder}/{name}"):
                try:
                    self.look(f"{folder}/{name}", f"{name}/")
                except files.Unreadable:
                    continue

    def look_above(self) -> None:
        """A member of a uv workspace has its lock in the workspace's root, above it, in the same repository."""
        folder = self.root or ""
        if any(format_ == "uv" for _, format_, _ in self.found_locks) or not files.is_file(f"{folder}/pyproject.toml"):
            return
        for _ in range(10):
            if any(files.is_there(f"{folder}/{name}") for name in _REPOSITORY) or posixpath.dirname(folder) == folder:
                return
            folder = posixpath.dirname(folder).rstrip("/")
            path = f"{folder}/uv.lock"
            if files.is_file(path):
                above = self.content(f"{folder}/pyproject.toml", MAX_MANIFEST)
                if isinstance(above, files.Content) and b"workspace" in above.data:
                    self.found_locks.append((path, "uv", False))
                return

    def name(self, path: str) -> None:
        """Takes a file that the user calls a lock."""
        content = self.content(path)
        data = content.data if isinstance(content, files.Content) else b""
        format_ = formats.format_of(posixpath.basename(path), data, named=True)
        self.found_locks.append((path, format_ or "requirements", True))

    # --------------------------------------------------------------------------------------------------------- facts
    def facts(self) -> Facts:
        """Everything that was found, read."""
        locks = [self.lock(path, format_, named) for path, format_, named in dict.fromkeys(self.found_locks)]
        declared = []
        for path in self.found_manifests:
            manifest = self.manifest(path)
            if manifest is not None:
                declared.append(manifest)
        return Facts(tuple(sorted(locks, key=lambda x: x.path)), tuple(sorted(declared, key=lambda x: x.path)))

    def lock(self, path: str, format_: Format, named: bool) -> Lock:
        """The lock in a file, or why there is none in it."""
        shown = self.shown(path)
        content = self.content(path)
        try:
            if isinstance(content, files.Unreadable):
                raise LockError(f"cannot be read: {content}")
            if content.cut:
                raise LockError(f"larger than {MAX_LOCK >> 20} MiB")
            if not content.data.strip():
                raise LockError("the file is empty", 1)
            lock = formats.read(content.data, posixpath.basename(path), format_)
            lock = self.with_included(lock, path, content.data)
        except LockError as error:
            lock = formats.unreadable(shown, format_, error)
        else:
            # what is wrong with a manifest is said of the manifest
            with suppress(LockError):
                lock = self.paired(lock, path)
        return msgspec.structs.replace(lock, path=shown, named=named)

    def with_included(self, lock: Lock, path: str, data: bytes) -> Lock:
        """A requirements file with those that it includes."""
        if lock.format != "requirements" or not lock.includes:
            return lock
        from envdoctor.lock.formats import requirements

        folder = posixpath.dirname(path)
        known: dict[str, bytes] = {}
        gone: set[str] = set()
        for _ in range(ROUNDS):
            missing = [name for name in lock.includes if name not in known and "://" not in name][:MAX_FILES]
            new = {}
            for name in missing:
                content = self.content(_joined(folder, name), MAX_LOCK)
                if isinstance(content, files.Content) and not content.cut:
                    new[name] = content.data
                elif not name.startswith("/") and "$" not in name and not files.exists(_joined(folder, name)):
                    gone.add(name)
            if not new:
                break
            known |= new
            lock = requirements.read(data, lock.path, known)
        return requirements.without(lock, gone)

    def paired(self, lock: Lock, path: str) -> Lock:
        """The lock with what its manifests say about it."""
        folder = posixpath.dirname(path)
        here = self.names(folder)
        known: dict[str, bytes] = {}
        asked: dict[str, None] = {}
        for _ in range(ROUNDS):
            wanted = [name for name in fresh.sources(lock, here, known) if name not in asked][:MAX_FILES]
            if not wanted:
                break
            for name in wanted:
                asked[name] = None
                place = _joined(folder, name)
                if name.endswith("/"):
                    known[name] = "\n".join(map(text, self.names(place.rstrip("/")))).encode()
                    continue
                content = self.content(place, MAX_LOCK)
                if isinstance(content, files.Content) and not content.cut:
                    known[name] = content.data
        made_from = {name: self.shown(_joined(folder, name)) for name in asked if name in known and not name.endswith("/")}
        judged = fresh.judge(lock, known)
        reasons = tuple(_from_project(reason, made_from) for reason in judged.stale_because)
        return msgspec.structs.replace(judged, manifests=tuple(made_from.values()), stale_because=reasons)

    def manifest(self, path: str) -> Manifest | None:
        """What a file declares; None where it declares nothing."""
        shown = self.shown(path)
        format_ = manifests.format_of(posixpath.basename(path))
        content = self.content(path, MAX_MANIFEST)
        if format_ is None or (isinstance(content, files.Unreadable) and not files.is_file(path)):
            return None
        try:
            if isinstance(content, files.Unreadable):
                raise LockError(f"cannot be read: {content}")
            if content.cut or len(content.data) > MAX_MANIFEST:
                raise LockError(f"larger than {MAX_MANIFEST >> 20} MiB")
            found = manifests.read(content.data, shown, format_)
        except LockError as error:
            return manifests.unreadable(shown, format_, error)
        declares = found.wishes or found.groups or found.extras or found.name or found.requires_python or found.platforms
        return found if declares or found.problems else None

    def shown(self, path: str) -> str:
        """A path as facts have it: relative to the project's folder where it lies inside."""
        if self.root is not None and path.startswith(f"{self.root}/"):
            path = path[len(self.root) + 1 :]
        return text(path.replace("\\", "/") if os.sep == "\\" else path)


def _from_project(reason: str, shown: Mapping[str, str]) -> str:
    """A reason that begins with a manifest as the lock names it: as the project names it."""
    name = re.split(r":? ", reason, maxsplit=1)[0]
    return f"{shown[name]}{reason[len(name) :]}" if name in shown else reason


def _joined(folder: str, name: str) -> str:
    """The path of `name` as seen from `folder`."""
    if name.startswith("/") or (len(name) > 2 and name[1] == ":"):
        return name
    return posixpath.normpath(f"{folder}/{name}") + ("/" if name.endswith("/") else "")
