"""Freshness of ``uv.lock``: what it recorded of every workspace member against the members' pyproject.toml as they are.

As ``uv lock --check`` compares before it would solve: names, ``requires-python``, requirements with their markers, extras and
sources, dependency groups, extras, members, conflicts, constraints and overrides. Options that may come from the command line, a
variable or uv.toml are compared only where pyproject.toml names them.
"""

from __future__ import annotations

import fnmatch
import json
import posixpath
import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from envdoctor.lazy import pattern
from envdoctor.lock.document import decode, name_of, public, toml
from envdoctor.lock.manifests.pyproject import groups_of, uv_default_groups
from envdoctor.lock.markers import BUT_NOT, same, same_pythons, same_versions
from envdoctor.lock.model import Lock, LockError, Wish
from envdoctor.tuples import NamedTuple

MAX_REASONS = 20
MAX_CONFLICTS = 2000
"""Sets of groups that exclude each other which are worked out."""


def sources(lock: Lock, here: Collection[str], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """pyproject.toml of the root and of every member, folders that may hold members; for a script's lock the script."""
    script = _script_of(lock)
    if script is not None:
        return (script,)
    found = ["pyproject.toml", *(["uv.toml"] if "uv.toml" in here else [])]
    for folder in _folders(lock).values():
        found.append(_below(folder, "pyproject.toml"))
    root = _document(files, "pyproject.toml")
    if root is not None:
        for glob in _texts(_table(root, "tool", "uv", "workspace").get("members")):
            folder, wild = _split_glob(glob)
            if wild is None:
                found.append(_below(folder, "pyproject.toml"))
            else:
                found.append(f"{folder}/" if folder != "." else "./")
                found += [_below(member, "pyproject.toml") for member in _matching(glob, files)]
    return tuple(dict.fromkeys(found))


def judge(lock: Lock, files: Mapping[str, bytes]) -> Lock:
    """The lock with whether it is fresh, and its default groups."""
    comparison = _Comparison(lock, files)
    comparison.run()
    fresh = "no" if comparison.reasons else "unknown" if comparison.unknown else "yes"
    return msgspec.structs.replace(
        lock,
        fresh=fresh,
        stale_because=tuple(comparison.reasons[:MAX_REASONS]),
        freshness_by="requirements" if fresh != "unknown" else "",
        default_groups=comparison.default_groups,
    )


class _Asked(NamedTuple):
    """A requirement, spelled as uv records it."""

    name: str
    extras: tuple[str, ...]
    spec: str
    marker: str | None
    source: str | None


class _Comparison:
    def __init__(self, lock: Lock, files: Mapping[str, bytes]) -> None:
        self.lock, self.files = lock, files
        self.recorded = dict(lock.recorded)
        number = re.search(r"revision (\d{1,9})", lock.version or "")
        self.revision = int(number[1]) if number is not None else 0
        self.reasons: list[str] = []
        self.unknown = False
        self.default_groups = lock.default_groups
        self.conflicts: set[frozenset[tuple[str, str, str]]] = set()
        """Those that the members declare."""
        self.including: set[tuple[str, str, str]] = set()
        """(member, group, group that it includes)."""

    def run(self) -> None:
        script = _script_of(self.lock)
        if script is not None:
            self.script(script)
            return
        root = self.document("pyproject.toml")
        if root is None:
            self.unknown = True
            return
        uv = _table(root, "tool", "uv")
        groups = tuple(group for group in self.lock.groups if group)
        self.default_groups = uv_default_groups(uv, groups)
        folders = _folders(self.lock)
        self.members(root, folders)
        pythons: list[str] = []
        for project, folder in folders.items():
            path = _below(folder, "pyproject.toml")
            document = root if path == "pyproject.toml" else self.document(path)
            if document is None:
                if path not in self.files:
                    self.reasons.append(f"{path}, which the lock was made with, is not there")
                continue
            self.member(project, folder, path, document, root)
            self.conflicts |= _conflicts(_table(document, "tool", "uv").get("conflicts"), project)
            self.including |= _including(document, project)
            python = _table(document, "project").get("requires-python")
            if isinstance(python, str):
                pythons.append(python)
        self.python(pythons)
        self.lists(root, uv)

    def document(self, path: str) -> dict[str, Any] | None:
        """A manifest; None where there is none that can be read, which leaves the answer open."""
        if path not in self.files:
            return None
        found = _document(self.files, path)
        if found is None:
            self.unknown = True
        return found

    # ------------------------------------------------------------------------------------------------------- members
    def members(self, root: dict[str, Any], folders: Mapping[str, str]) -> None:
        """The workspace's members by its globs against those of the lock."""
        workspace = _table(root, "tool", "uv", "workspace")
        wanted: dict[str, str] = {}
        project = _table(root, "project").get("name")
        if isinstance(project, str):
            wanted[name_of(project)] = "pyproject.toml"
        excluded = _texts(workspace.get("exclude"))
        for glob in _texts(workspace.get("members")):
            for folder in _matching(glob, self.files):
                document = _document(self.files, _below(folder, "pyproject.toml"))
                if document is None or any(_glob(folder, other) for other in excluded):
                    continue
                name = _table(document, "project").get("name")
                if isinstance(name, str) and _table(document, "tool", "uv").get("managed") is not False:
                    wanted[name_of(name)] = _below(folder, "pyproject.toml")
        for name, path in wanted.items():
            if name not in folders:
                self.reasons.append(f"{path} is of {name}, which the lock does not know as a member")
        if workspace and not any(_deep(glob) for glob in _texts(workspace.get("members"))):
            for name, folder in folders.items():
                if name not in wanted and folder != "." and _below(folder, "pyproject.toml") in self.files:
                    self.reasons.append(f"{name} ({folder}) is no member of the workspace; the lock knows it as one")
        if not workspace:
            for name, folder in folders.items():
                if folder == "." and isinstance(project, str) and name != name_of(project):
                    self.reasons.append(f"pyproject.toml is of {name_of(project)}, the lock of {name}")

    def member(self, project: str, folder: str, path: str, document: dict[str, Any], root: dict[str, Any]) -> None:
        table = _table(document, "project")
        dynamic = _texts(table.get("dynamic"))
        version = table.get("version")
        entry = next((entry for entry in self.lock.packages if entry.name == project), None)
        if isinstance(version, str) and entry is not None and entry.version is not None:
            from envdoctor.requirements import satisfies

            if version != entry.version and not satisfies(version, f"=={entry.version}"):
                self.reasons.append(f"{path}: version {version}; the lock was made for {project} {entry.version}")
        if "dependencies" in dynamic or "optional-dependencies" in dynamic:
            self.unknown = True
            return
        own = _Sources(document, root, folder, _folders(self.lock))
        asked: list[_Asked] = []
        for text in _texts(table.get("dependencies")):
            asked += self.asked(text, None, own)
        extras = table.get("optional-dependencies")
        extras = extras if isinstance(extras, dict) else {}
        for extra, items in extras.items():
            for text in _texts(items):
                asked += self.asked(text, name_of(extra), own)
        locked = [_as_asked(wish) for wish in self.lock.wishes if wish.project == project and wish.group is None]
        self.compare(asked, locked, path, "")
        provided = set(self.recorded.get(f"extras {project}", "").split())
        if provided and provided != set(map(name_of, extras)):
            changed = sorted(provided ^ set(map(name_of, extras)))
            self.reasons.append(f"{path}: extras {', '.join(changed)}: in one of manifest and lock only")
        problems: list[str] = []
        try:
            groups = groups_of(document, problems)
        except LockError:
            groups = {}
            self.unknown = True
        dev = _table(document, "tool", "uv").get("dev-dependencies")
        if isinstance(dev, list):
            groups = {**groups, "dev": [*groups.get("dev", []), *_texts(dev)]}
        if problems:
            self.unknown = True
        if folder == "." and not table:
            return
        if self.revision >= 5:
            had = set(self.recorded.get(f"groups {project}", "").split())
            for group in sorted(had ^ set(groups)):
                if not groups.get(group):
                    self.reasons.append(f"{path}: group {group}: in one of manifest and lock only")
            said = _table(document, "tool", "uv").get("default-groups", ["dev"])
            chosen = sorted(map(name_of, _texts(said))) if isinstance(said, list) else [str(said)]
            default = self.recorded.get(f"default-groups {project}", "dev").split()
            if chosen != default:
                self.reasons.append(
                    f"{path}: tool.uv default-groups {' '.join(chosen)}; the lock was made with {' '.join(default) or 'none'}"
                )
        by_group: dict[str, list[_Asked]] = {}
        for wish in self.lock.wishes:
            if wish.project == project and wish.group is not None:
                by_group.setdefault(wish.group, []).append(_as_asked(wish))
        for group in dict.fromkeys([*groups, *by_group]):
            wanted = [one for text in groups.get(group, ()) for one in self.asked(text, None, own)]
            self.compare(wanted, by_group.get(group, []), path, f" in group {group}")

    def asked(self, text: str, extra: str | None, own: _Sources) -> list[_Asked]:
        """A requirement of a manifest as uv would record it: several where a source has several places."""
        from envdoctor.lock.manifests.wishes import of_text

        wish = of_text(text)
        if wish is None:
            self.unknown = True
            return []
        marker = wish.marker
        if extra is not None:
            marker = f"({marker}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
        places: list[tuple[str | None, str | None]] = [(_direct(wish.source), None)] if wish.source else own.of(wish.name, extra)
        found = []
        for source, condition in places:
            if condition is not None and condition.startswith(BUT_NOT):
                both: str | None = f"{marker or ''}{condition}"
            else:
                both = f"({marker}) and ({condition})" if marker and condition else marker or condition
            found.append(_Asked(wish.name, wish.extras, wish.spec, both, source))
        return found

    def compare(self, wanted: list[_Asked], locked: list[_Asked], path: str, where: str) -> None:
        """Two lists of requirements, in any order."""
        left: dict[str, list[_Asked]] = {}
        for one in locked:
            left.setdefault(one.name, []).append(one)
        unmatched: list[_Asked] = []
        for one in dict.fromkeys(wanted):
            candidates = left.get(one.name, [])
            match = next((other for other in candidates if self.equal(one, other)), None)
            if match is None:
                unmatched.append(one)
            else:
                candidates.remove(match)
        for one in unmatched:
            candidates = left.get(one.name, [])
            if candidates:
                self.reasons.append(f"{path}{where}: {_spell(one)}; the lock was made for {_spell(candidates.pop(0))}")
            else:
                self.reasons.append(f"{path}{where}: {_spell(one)} is asked for; the lock was not made for it")
        for name in sorted(left):
            for one in left[name]:
                if not any(self.equal(one, other) for other in wanted):
                    self.reasons.append(f"the lock was made for {_spell(one)}{where}, which {path} does not ask for")

    def equal(self, one: _Asked, other: _Asked) -> bool:
        """Two requirements ask for the same."""
        if one.name != other.name or sorted(one.extras) != sorted(other.extras):
            return False
        if one.source != other.source and not (_loose(one.source) and _loose(other.source)):
            return False
        return same_versions(one.spec, other.spec) and same(one.marker, other.marker, self.lock.requires_python)

    # ------------------------------------------------------------------------------------------------------- the rest
    def python(self, wanted: list[str]) -> None:
        locked = self.lock.requires_python
        if not wanted or locked is None:
            return
        if not same_pythons(wanted, locked):
            shown = " and ".join(dict.fromkeys(wanted))
            self.reasons.append(f"pyproject.toml: requires-python {shown}; the lock was made for {locked}")

    def lists(self, root: dict[str, Any], uv: dict[str, Any]) -> None:
        """Constraints, overrides, conflicts, environments, and options that pyproject.toml names."""
        own_file = "uv.toml" in self.files
        for key, setting in (
            ("constraints", "constraint-dependencies"),
            ("overrides", "override-dependencies"),
            ("build-constraints", "build-constraint-dependencies"),
        ):
            if own_file:
                break
            given = uv.get(setting, [])
            if not isinstance(given, list) or any(not isinstance(item, str) for item in given):
                self.unknown = True
                continue
            own = _Sources(root, root, ".", _folders(self.lock))
            wanted = [one for text in _texts(uv.get(setting)) for one in self.asked(text, None, own)]
            self.compare(wanted, self.recorded_list(f"manifest {key}"), "pyproject.toml", f" in tool.uv {setting}")
        if not _table(root, "project"):
            own = _Sources(root, root, ".", _folders(self.lock))
            problems: list[str] = []
            try:
                groups = groups_of(root, problems)
            except LockError:
                self.unknown = True
                groups = {}
            locked = _json(self.recorded.get("manifest dependency-groups"), {})
            for group in dict.fromkeys([*groups, *map(name_of, locked)]):
                wanted = [one for text in groups.get(group, ()) for one in self.asked(text, None, own)]
                raw: list[Any] = next((value for key, value in locked.items() if name_of(key) == group), [])
                self.compare(wanted, [_of_record(item) for item in raw], "pyproject.toml", f" in group {group}")
        wanted_conflicts = self.conflicts | _conflicts(uv.get("conflicts"), _table(root, "project").get("name"))
        had_conflicts = _conflicts(_json(self.recorded.get("conflicts"), []), None)
        if not wanted_conflicts <= had_conflicts <= _with_including(wanted_conflicts, self.including):
            self.reasons.append("pyproject.toml: tool.uv conflicts are not those that the lock was made for")
        for key, setting in (("supported-markers", "environments"), ("required-markers", "required-environments")):
            asked, recorded = _texts(uv.get(setting)), _texts(_json(self.recorded.get(key), []))
            if not own_file and not same(_any(asked), _any(recorded)):
                self.reasons.append(f"pyproject.toml: tool.uv {setting} are not those that the lock was made for")
        for key, setting, default in (
            ("resolution-mode", "resolution", "highest"),
            ("prerelease-mode", "prerelease", "if-necessary-or-explicit"),
            ("fork-strategy", "fork-strategy", "requires-python"),
        ):
            mode, had = uv.get(setting), self.recorded.get(f"option {key}", default)
            if isinstance(mode, str) and not own_file and had != mode:
                self.reasons.append(f"pyproject.toml: tool.uv {setting} is {mode}; the lock was made with {had}")
        if "exclude-newer" in uv and not any(key.startswith("option exclude-newer") for key in self.recorded):
            self.reasons.append("pyproject.toml: tool.uv exclude-newer is set; the lock was made without it")

    def recorded_list(self, key: str) -> list[_Asked]:
        return [_of_record(item) for item in _json(self.recorded.get(key), [])]

    def script(self, path: str) -> None:
        """A script's inline metadata (PEP 723)."""
        block = _inline(self.files.get(path, b""))
        if block is None:
            self.unknown = True
            return
        own = _Sources(block, block, ".", {})
        wanted = [one for text in _texts(block.get("dependencies")) for one in self.asked(text, None, own)]
        self.compare(wanted, self.recorded_list("manifest requirements"), path, "")
        python = block.get("requires-python")
        self.python([python] if isinstance(python, str) else [])


# ---------------------------------------------------------------------------------------------------------------- sources
class _Sources:
    """``[tool.uv.sources]`` of a member and of the workspace, as uv records them: paths from the workspace's root."""

    def __init__(self, document: dict[str, Any], root: dict[str, Any], folder: str, members: Mapping[str, str]) -> None:
        self.folder, self.members = folder, members
        above = {name_of(k): (v, ".") for k, v in _table(root, "tool", "uv", "sources").items()}
        mine = {name_of(k): (v, folder) for k, v in _table(document, "tool", "uv", "sources").items()}
        self.raw = above | mine
        self.indexes: dict[str, str] = {}
        for holder in (root, document):
            listed = _table(holder, "tool", "uv").get("index")
            for item in listed if isinstance(listed, list) else []:
                if isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("url"), str):
                    self.indexes[item["name"]] = item["url"]

    def of(self, name: str, extra: str | None) -> list[tuple[str | None, str | None]]:
        """(source as recorded, marker); one without source where nothing is said."""
        raw, folder = self.raw.get(name, (None, "."))
        found: list[tuple[str | None, str | None]] = []
        several = raw if isinstance(raw, list) else [raw]
        markers = []
        for one in several:
            if not isinstance(one, dict):
                continue
            if isinstance(one.get("extra"), str) and name_of(one["extra"]) != extra:
                continue
            marker = one.get("marker") if isinstance(one.get("marker"), str) else None
            found.append((self.spelled(name, one, folder), marker))
            markers.append(marker)
        if found and all(markers):
            # where no place is named, the indexes are asked
            found.append((None, f"{BUT_NOT}{_any([marker for marker in markers if marker])}"))
        return found or [(None, None)]

    def spelled(self, name: str, one: dict[str, Any], folder: str) -> str | None:
        if one.get("workspace") is True:
            return f"folder:{self.members.get(name, '?')}"
        if isinstance(one.get("git"), str):
            asked = next((f"{key}={one[key]}" for key in ("rev", "tag", "branch") if isinstance(one.get(key), str)), "")
            return f"git:{_repository(one['git'])} {asked}".strip()
        if isinstance(one.get("url"), str):
            return f"url:{public(one['url']).partition('#')[0]}"
        if isinstance(one.get("path"), str):
            path = one["path"]
            if not path.startswith("/"):
                path = posixpath.normpath(f"{folder}/{path}")
            return f"folder:{path}"
        if isinstance(one.get("index"), str):
            return f"index:{public(self.indexes.get(one['index'], '?')).rstrip('/')}"
        return None


def _repository(url: str) -> str:
    return public(url.removeprefix("git+")).rstrip("/").removesuffix(".git")


def _direct(url: str | None) -> str | None:
    """The URL of a requirement (``name @ URL``) as uv records it."""
    if url is None:
        return None
    if url.startswith("git+"):
        base = url.partition("#")[0]
        scheme, _, rest = base.partition("://")
        place, at, reference = rest.rpartition("@")
        if not at or "/" not in place:
            place, reference = rest, ""
        return f"git:{_repository(f'{scheme}://{place}')} {f'rev={reference}' if reference else ''}".strip()
    if url.startswith("file:"):
        return f"folder:{re.sub(r'^file:(//)?', '', url)}"
    return f"url:{url.partition('#')[0]}"


def _recorded_source(source: str | None) -> str | None:
    """A source of ``[package.metadata]`` in the same spelling."""
    if source is None:
        return None
    kind, _, place = source.partition(":")
    if kind == "git":
        from urllib.parse import parse_qsl

        base, _, query = place.partition("#")[0].partition("?")
        asked = dict(parse_qsl(query))
        reference = next((f"{key}={asked[key]}" for key in ("rev", "tag", "branch") if key in asked), "")
        return f"git:{_repository(base)} {reference}".strip()
    if kind == "url":
        return f"url:{place.partition('#')[0]}"
    if kind == "index":
        return f"index:{place.rstrip('/')}"
    return f"folder:{posixpath.normpath(place)}"


# ----------------------------------------------------------------------------------------------------------------- helpers
def _as_asked(wish: Wish) -> _Asked:
    return _Asked(wish.name, wish.extras, wish.spec, wish.marker, _recorded_source(wish.source))


def _of_record(raw: Any) -> _Asked:
    from envdoctor.lock.formats.uv import wish

    try:
        return _as_asked(wish(raw if isinstance(raw, dict) else {}, ""))
    except LockError:
        return _Asked("?", (), "", None, None)


def _loose(source: str | None) -> bool:
    """An index that is named is a way to the same package: where one side says nothing the other's word is not known."""
    return source is not None and source.endswith(":?")


def _spell(one: _Asked) -> str:
    from envdoctor.requirements import spell

    source = f" from {one.source.partition(':')[2]}" if one.source else ""
    return f"{spell(one.name, one.extras, one.spec)}{source}{f' ; {one.marker}' if one.marker else ''}"


def _folders(lock: Lock) -> dict[str, str]:
    """Workspace members and their folders, from the lock's own."""
    projects = set(lock.projects)
    found = {entry.name: entry.source for entry in lock.packages if entry.name in projects and entry.source is not None}
    return dict(sorted(found.items(), key=lambda item: (item[1] != ".", item[0])))


def _below(folder: str, name: str) -> str:
    return name if folder in (".", "") else f"{folder.rstrip('/')}/{name}"


def _document(files: Mapping[str, bytes], path: str) -> dict[str, Any] | None:
    data = files.get(path)
    if data is None:
        return None
    try:
        return toml(decode(data))
    except LockError:
        return None


def _table(document: Any, *keys: str) -> dict[str, Any]:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _json(text: str | None, default: Any) -> Any:
    if text is None:
        return default
    found = json.loads(text)
    return found if isinstance(found, type(default)) else default


def _any(markers: list[str]) -> str | None:
    return " or ".join(f"({marker})" for marker in markers) or None


def _conflicts(raw: Any, project: Any) -> set[frozenset[tuple[str, str, str]]]:
    """Sets of conflicting extras and groups, in any order."""
    found = set()
    for group in raw if isinstance(raw, list) else []:
        items = set()
        for item in group if isinstance(group, list) else []:
            if isinstance(item, dict):
                package = item.get("package", project)
                extra, dev = item.get("extra"), item.get("group")
                items.add((name_of(str(package)), name_of(str(extra or "")), name_of(str(dev or ""))))
        if items:
            found.add(frozenset(items))
    return found


def _including(document: dict[str, Any], project: str) -> set[tuple[str, str, str]]:
    """Which group includes which (PEP 735)."""
    return {
        (project, name_of(group), name_of(item["include-group"]))
        for group, items in _table(document, "dependency-groups").items()
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and isinstance(item.get("include-group"), str)
    }


def _with_including(
    conflicts: set[frozenset[tuple[str, str, str]]], including: set[tuple[str, str, str]]
) -> set[frozenset[tuple[str, str, str]]]:
    """And what follows for groups that include those which exclude each other; uv writes it into the lock, too."""
    found, todo = set(conflicts), list(conflicts)
    while todo and len(found) < MAX_CONFLICTS:
        one = todo.pop()
        for project, group, included in including:
            item = (project, "", included)
            made = one - {item} | {(project, "", group)}
            if item in one and made not in found:
                found.add(made)
                todo.append(made)
    return found


def _script_of(lock: Lock) -> str | None:
    name = lock.path.rpartition("/")[2]
    return name.removesuffix(".lock") if name.endswith(".py.lock") else None


_INLINE = pattern(r"(?m)^# /// script[ \t]*\n((?:#(?:| .*)\n)+?)# ///[ \t]*$")


def _inline(data: bytes) -> dict[str, Any] | None:
    """The ``script`` block of a Python file (PEP 723)."""
    try:
        found = _INLINE.search(decode(data))
        return (
            toml("".join(line[2:] if line.startswith("# ") else line[1:] for line in found[1].splitlines(True)))
            if found
            else None
        )
    except LockError:
        return None


def _split_glob(pattern: str) -> tuple[str, str | None]:
    """The folder of a workspace's glob, and the last part where that is one."""
    pattern = posixpath.normpath(pattern)
    folder, _, last = pattern.rpartition("/")
    if not any(char in pattern for char in "*?["):
        return pattern, None
    return folder or ".", last


def _matching(pattern: str, files: Mapping[str, bytes]) -> list[str]:
    """Folders that a glob with one wild part stands for; deeper globs are not followed."""
    folder, wild = _split_glob(pattern)
    if wild is None:
        return [folder]
    if any(char in folder for char in "*?["):
        return []
    names = files.get(f"{folder}/" if folder != "." else "./", b"").decode("utf-8", "replace").splitlines()
    return [
        posixpath.normpath(f"{folder}/{name}") for name in names if fnmatch.fnmatchcase(name, wild) and not name.startswith(".")
    ][:100]


def _deep(pattern: str) -> bool:
    """A glob that :func:`_matching` does not follow."""
    folder, wild = _split_glob(pattern)
    return wild is not None and (any(char in folder for char in "*?[") or wild == "**")


def _glob(folder: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(folder, posixpath.normpath(pattern))
