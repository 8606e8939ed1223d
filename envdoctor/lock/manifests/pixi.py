"""pixi.toml, and ``[tool.pixi]`` of pyproject.toml: features, environments, targets. Pure.

:func:`workspace` gives what pixi makes of the file: for each environment its features in pixi's order (those that it names, the
default one last), channels, platforms. Format: pixi's manifest reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from envdoctor.conda import archives
from envdoctor.conda.channels import SUBDIRS
from envdoctor.lock import document
from envdoctor.lock.manifests import wishes
from envdoctor.lock.model import LockError, Manifest, Wish
from envdoctor.tuples import NamedTuple

DEFAULT = "default"
_SYSTEMS = {"linux": ("linux-",), "osx": ("osx-",), "win": ("win-",), "unix": ("linux-", "osx-")}
_CONDA_TABLES = ("dependencies", "host-dependencies", "build-dependencies")
_KEY = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))\s*=""")
_HEADER = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?\Z")
_VIRTUAL = {
    "cuda": "__cuda", "glibc": "__glibc", "libc": "__glibc", "linux": "__linux", "macos": "__osx", "osx": "__osx", "win": "__win",
}  # fmt: skip
_UNREAD = ("constraints", "dev")
"""Tables of dependencies whose meaning is not read."""


class Feature(NamedTuple):
    """One feature."""

    name: str
    wishes: tuple[Wish, ...] = ()
    channels: tuple[tuple[str, int], ...] | None = None
    """Address and priority; None: the workspace's."""
    platforms: tuple[str, ...] | None = None
    """Names of platforms; None: the workspace's."""
    options: Mapping[str, Any] = {}
    """``pypi-options``."""
    partial: bool = False
    """Something in it is not read, so that more may be asked for than `wishes`."""


class Environment(NamedTuple):
    """One environment: what its features ask for together."""

    name: str
    features: tuple[Feature, ...]
    channels: tuple[str, ...]
    platforms: tuple[str, ...]


class Workspace(NamedTuple):
    """A manifest as pixi reads it."""

    name: str | None
    channels: tuple[str, ...]
    platforms: dict[str, str]
    """Subdir by name."""
    virtual: dict[str, dict[str, str]]
    """Virtual packages that a platform is declared with: version by name, by platform's name."""
    environments: tuple[Environment, ...]
    features: tuple[Feature, ...]
    requires_python: str | None
    options: Mapping[str, Any]
    """The table ``workspace``."""
    problems: tuple[str, ...]


def read(data: bytes, path: str) -> Manifest:
    """The manifest in `data` (pixi.toml). Raises LockError."""
    source = document.decode(data)
    found = workspace(document.toml(source), source)
    return Manifest(
        path=path,
        format="pixi",
        name=found.name,
        requires_python=found.requires_python,
        channels=found.channels,
        platforms=tuple(dict.fromkeys(found.platforms.values())),
        wishes=tuple(wish for feature in found.features for wish in feature.wishes),
        groups=tuple(environment.name for environment in found.environments),
        tools=("pixi",),
        problems=found.problems,
    )


def declares(top: Mapping[str, Any]) -> bool:
    """pyproject.toml has a workspace of pixi."""
    tool = top.get("tool")
    table = tool.get("pixi") if isinstance(tool, dict) else None
    return isinstance(table, dict) and any(key in table for key in ("workspace", "project"))


def workspace(top: Mapping[str, Any], source: str, *, pyproject: bool = False) -> Workspace:
    """What the document `top` of a pixi.toml (of a pyproject.toml) declares. Raises LockError."""
    return _Reader(top, source, pyproject=pyproject).workspace()


class _Reader:
    def __init__(self, top: Mapping[str, Any], source: str, *, pyproject: bool) -> None:
        self.whole = top
        self.prefix = "tool.pixi." if pyproject else ""
        self.top: dict[str, Any] = _table(_table(top, "tool"), "pixi") if pyproject else dict(top)
        self.pyproject = pyproject
        self.problems: list[str] = []
        self.lines = _lines(source)
        self.subdirs: dict[str, str] = {}
        self.virtual: dict[str, dict[str, str]] = {}

    def workspace(self) -> Workspace:
        key = "workspace" if "workspace" in self.top else "project"
        own = _table(self.top, key, self.prefix)
        project = _table(self.whole, "project") if self.pyproject else {}
        channels = self.channels(own.get("channels"), f"{self.prefix}{key}.channels") or ()
        self.subdirs = self.platforms(own.get("platforms"), f"{self.prefix}{key}.platforms")
        features = {DEFAULT: self.feature(DEFAULT, self.top, self.prefix)}
        for name, table in _table(self.top, "feature", self.prefix).items():
            where = f"{self.prefix}feature.{name}"
            if not isinstance(table, dict):
                raise LockError("expected a table", where=where)
            features[name] = self.feature(name, table, f"{where}.")
        requires_python = None
        if self.pyproject:
            requires_python = document.maybe(project.get("requires-python"), "project.requires-python")
            self.standard(project, features, requires_python)
        environments = tuple(self.environments(features, channels))
        return Workspace(
            name=document.maybe(own.get("name") or project.get("name"), f"{self.prefix}{key}.name"),
            channels=tuple(archives.short(document.public(one)) for one, _ in channels),
            platforms=self.subdirs,
            virtual=self.virtual,
            environments=environments,
            features=tuple(features.values()),
            requires_python=requires_python,
            options=own,
            problems=tuple(self.problems[:20]),
        )

    # -------------------------------------------------------------------------------------------------------- features
    def channels(self, value: Any, where: str) -> tuple[tuple[str, int], ...] | None:
        if value is None:
            return None
        if not isinstance(value, list):
            raise LockError("expected an array", where=where)
        found = []
        for index, item in enumerate(value):
            name, priority = (item.get("channel"), item.get("priority", 0)) if isinstance(item, dict) else (item, 0)
            found.append((document.word(name, f"{where}[{index}]"), priority if type(priority) is int else 0))
        return tuple(found)

    def platforms(self, value: Any, where: str) -> dict[str, str]:
        """Subdirs by name."""
        found: dict[str, str] = {}
        if value is not None and not isinstance(value, list):
            raise LockError("expected an array", where=where)
        for index, item in enumerate(value or []):
            if isinstance(item, dict):
                subdir = item.get("subdir", item.get("platform"))
                name = item.get("name", subdir)
                subdir = subdir if subdir is not None else name
                if isinstance(name, str):
                    self.virtual[name] = _virtual(item)
            else:
                name = subdir = item
            found[document.word(name, f"{where}[{index}]")] = document.word(subdir, f"{where}[{index}]")
        return found

    def feature(self, name: str, table: dict[str, Any], where: str) -> Feature:
        found: list[Wish] = []
        partial = any(table.get(key) for key in _UNREAD)
        group = None if name == DEFAULT else name
        for target, scope, place in self.scopes(table, where):
            platforms = self.of_target(target)
            partial = partial or any(scope.get(key) for key in _UNREAD)
            for key in _CONDA_TABLES:
                for package, value in _table(scope, key, place).items():
                    wish, whole = self.conda(package, value, f"{place}{key}", group, platforms)
                    found.append(wish)
                    partial = partial or not whole
            for package, value in _table(scope, "pypi-dependencies", place).items():
                wish = self.pypi(package, value, f"{place}pypi-dependencies", group, platforms)
                found.append(wish)
        platforms_ = table.get("platforms") if name != DEFAULT else None
        return Feature(
            name=name,
            wishes=tuple(found),
            channels=self.channels(table.get("channels"), f"{where}channels") if name != DEFAULT else None,
            platforms=tuple(self.platforms(platforms_, f"{where}platforms")) if platforms_ is not None else None,
            options=_table(table, "pypi-options", where),
            partial=partial,
        )

    def scopes(self, table: dict[str, Any], where: str) -> Iterator[tuple[str | None, dict[str, Any], str]]:
        """The feature itself, and its targets."""
        yield None, table, where
        for target, inner in _table(table, "target", where).items():
            if not isinstance(inner, dict):
                raise LockError("expected a table", where=f"{where}target.{target}")
            yield target, inner, f"{where}target.{target}."

    def of_target(self, target: str | None) -> tuple[str, ...]:
        """Subdirs that a target stands for; () for all."""
        if target is None:
            return ()
        starts = _SYSTEMS.get(target)
        known = sorted({*SUBDIRS, *self.subdirs.values()} - {"noarch"})
        return tuple(one for one in known if one.startswith(starts)) if starts else (self.subdirs.get(target, target),)

    def conda(self, name: str, value: Any, where: str, group: str | None, platforms: tuple[str, ...]) -> tuple[Wish, bool]:
        """The wish, and whether that is all: a package that is built from source needs more than its own name."""
        line = self.line(where, name)
        whole = True
        spec, source = "", None
        if isinstance(value, str):
            spec = value
        elif isinstance(value, dict):
            version, build = value.get("version"), value.get("build")
            spec = " ".join(str(one) for one in (version or ("*" if build else ""), build) if one)
            channel = value.get("channel")
            source = _source(value)
            whole = source is None and "workspace" not in value
            if source is None and isinstance(channel, str):
                source = channel
        else:
            raise LockError("neither text nor a table", line, f"{where}.{name}")
        wish = Wish(
            name=name.lower(),
            manager="conda",
            spec="" if spec.strip() == "*" else spec.strip(),
            text=document.public(f"{name} = {_toml(value)}"),
            source=document.public(source) if source else None,
            extras=_extras(value),
            group=group,
            platforms=platforms,
            line=line,
        )
        return wish, whole

    def pypi(self, name: str, value: Any, where: str, group: str | None, platforms: tuple[str, ...]) -> Wish:
        line = self.line(where, name)
        spec, source, marker = "", None, None
        if isinstance(value, str):
            spec = value
        elif isinstance(value, dict):
            spec = str(value.get("version") or "")
            source = _source(value)
            marker = value.get("env-markers", value.get("markers"))
        else:
            raise LockError("neither text nor a table", line, f"{where}.{name}")
        return Wish(
            name=document.name_of(name),
            spec="" if spec.strip() == "*" else spec.strip(),
            text=document.public(f"{name} = {_toml(value)}"),
            source=document.public(source) if source else None,
            marker=marker if isinstance(marker, str) else None,
            extras=_extras(value),
            group=group,
            platforms=platforms,
            line=line,
        )

    # ---------------------------------------------------------------------------------------------------- pyproject.toml
    def standard(self, project: dict[str, Any], features: dict[str, Feature], requires_python: str | None) -> None:
        """``[project]`` and ``[dependency-groups]``: more features, and more of the default one."""
        own = document.name_of(str(project.get("name", "")))
        default = features[DEFAULT]
        added = [*default.wishes, *self.texts(project.get("dependencies"), "project.dependencies", None, own)]
        if requires_python and not any(wish.manager == "conda" and wish.name == "python" for wish in added):
            text = f"requires-python = {requires_python}"
            added.append(
                Wish(
                    name="python", manager="conda", spec=requires_python, text=text, line=self.line("project", "requires-python")
                )
            )
        features[DEFAULT] = default._replace(wishes=tuple(added))
        groups: dict[str, list[Any]] = {}
        for name, lines in _table(project, "optional-dependencies", "project.").items():
            groups.setdefault(name, []).append((f"project.optional-dependencies.{name}", lines))
        declared = _table(self.whole, "dependency-groups")
        for name in declared:
            groups.setdefault(name, []).append((f"dependency-groups.{name}", list(_included(declared, name))))
        for name, parts in groups.items():
            feature = features.get(name) or Feature(name)
            found = [wish for where, lines in parts for wish in self.texts(lines, where, name, own)]
            features[name] = feature._replace(wishes=(*feature.wishes, *found))

    def texts(self, lines: Any, where: str, group: str | None, own: str) -> Iterator[Wish]:
        if lines is None:
            return
        if not isinstance(lines, list):
            raise LockError("expected an array", where=where)
        for text in lines:
            wish = wishes.of_text(text, group=group) if isinstance(text, str) else None
            if wish is None:
                self.problems.append(f"{where}: {str(text)[:80]!r} is no requirement")
            elif wish.name != own:
                yield wish

    # ------------------------------------------------------------------------------------------------------ environments
    def environments(self, features: dict[str, Feature], channels: tuple[tuple[str, int], ...]) -> Iterator[Environment]:
        declared = _table(self.top, "environments", self.prefix)
        named = {DEFAULT: declared.get(DEFAULT, []), **declared}
        for name, value in named.items():
            where = f"{self.prefix}environments.{name}"
            if isinstance(value, dict):
                names, bare = value.get("features", []), value.get("no-default-feature") is True
            else:
                names, bare = value, False
            if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
                raise LockError("expected an array of features", where=where)
            missing = [one for one in names if one not in features]
            if missing:
                raise LockError(f"there is no feature {missing[0]}", where=where)
            chosen = list(dict.fromkeys([*names, *([] if bare else [DEFAULT])]))
            if bare and DEFAULT not in names:
                chosen = [one for one in chosen if one != DEFAULT]
            rows = [features[one] for one in chosen]
            yield Environment(name, tuple(rows), self.together(rows, channels), self.common(rows))

    def together(self, rows: Iterable[Feature], channels: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
        """Channels of the features, each once, those of high priority first."""
        found = dict.fromkeys(one for row in rows for one in (channels if row.channels is None else row.channels))
        ordered = sorted(found, key=lambda one: -one[1])
        return tuple(dict.fromkeys(archives.short(document.public(name)) for name, _ in ordered))

    def common(self, rows: Iterable[Feature]) -> tuple[str, ...]:
        """Platforms (subdirs) of all features."""
        names = list(self.subdirs)
        for row in rows:
            if row.platforms is not None:
                names = [name for name in names if name in row.platforms]
        return tuple(dict.fromkeys(self.subdirs[name] for name in names))

    def line(self, where: str, key: str) -> int | None:
        return self.lines.get((where, key))


def _table(value: Any, key: str, where: str = "") -> dict[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return document.table(found, f"{where}{key}")


def _virtual(platform: Mapping[str, Any]) -> dict[str, str]:
    """The virtual packages that a platform's table names, by words of its own or as ``virtual-packages``."""
    found = {_VIRTUAL[key]: value for key, value in platform.items() if key in _VIRTUAL and isinstance(value, str)}
    listed = platform.get("virtual-packages")
    for text in listed if isinstance(listed, list) else ():
        name, _, version = str(text).partition("=")
        found[name.strip()] = version.partition("=")[0].strip()
    return found


def _source(value: Mapping[str, Any]) -> str | None:
    """Where a requirement says that its package is: ``git+URL@REVISION``, a URL, a path, ``index+URL``."""
    texts = {key: one for key, one in value.items() if isinstance(one, str)}
    if "git" in texts:
        revision = texts.get("rev") or texts.get("tag") or texts.get("branch")
        return f"git+{texts['git'].removeprefix('git+')}" + (f"@{revision}" if revision else "")
    if "index" in texts:
        return f"index+{texts['index']}"
    return texts.get("path") or texts.get("url")


def _extras(value: Any) -> tuple[str, ...]:
    raw = value.get("extras") if isinstance(value, dict) else None
    return tuple(sorted(document.name_of(one) for one in raw if isinstance(one, str))) if isinstance(raw, list) else ()


def _toml(value: Any) -> str:
    """A value of a manifest, near to how it is written."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _included(groups: dict[str, Any], name: str, seen: tuple[str, ...] = ()) -> Iterator[Any]:
    """The requirements of a dependency group, with those that it includes (PEP 735)."""
    lines = groups.get(name)
    for line in lines if isinstance(lines, list) else ():
        if isinstance(line, dict) and isinstance(other := line.get("include-group"), str):
            known = {document.name_of(one): one for one in groups}
            target = known.get(document.name_of(other))
            if target is not None and target not in (*seen, name):
                yield from _included(groups, target, (*seen, name))
        else:
            yield line


def _lines(source: str) -> dict[tuple[str, str], int]:
    """Lines of keys below their tables' headers."""
    found: dict[tuple[str, str], int] = {}
    header = ""
    for number, line in enumerate(source.split("\n"), 1):
        if match := _HEADER.match(line):
            header = ".".join(part.strip().strip("\"'") for part in match[1].split("."))
        elif match := _KEY.match(line):
            found.setdefault((header, match[1] or match[2] or match[3]), number)
    return found
