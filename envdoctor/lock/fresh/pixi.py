"""Freshness of ``pixi.lock``: what pixi.toml (pyproject.toml) asks for against what is locked, as pixi does before it solves.

Environments, channels in their order, platforms, every requirement on every platform against the entry of its name, and
entries that nothing asks for any more. What pixi's own configuration can decide (the default index, ``exclude-newer``) and what
has to be built to be known is not judged: in doubt "unknown".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from envdoctor.conda import archives
from envdoctor.conda import channels as conda_channels
from envdoctor.conda.matchspec import Candidate, InvalidSpec, parse
from envdoctor.data.conda_names import CONDA_NAMES
from envdoctor.lock import document
from envdoctor.lock.manifests import pixi
from envdoctor.lock.model import Lock, Locked, LockError, Wish

MAX_REASONS = 20
MAX_WORK = 500_000
"""Requirements and entries that are looked at, over all environments and platforms."""
_REPOSITORY = re.compile(r"((?:[a-z+]+://)?(?:[^/@]*@)?[^@]*)(?:@(.*))?\Z")
_MARKERS = {
    "linux": {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux"},
    "osx": {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin"},
    "win": {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows"},
}
_MACHINES = {
    "linux-64": "x86_64", "linux-aarch64": "aarch64", "linux-ppc64le": "ppc64le", "linux-riscv64": "riscv64",
    "osx-64": "x86_64", "osx-arm64": "arm64", "win-64": "AMD64", "win-arm64": "ARM64",
}  # fmt: skip


def sources(_lock: Lock, here: Collection[str], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """pixi.toml, else pyproject.toml, beside the lock."""
    found = next((name for name in ("pixi.toml", "pyproject.toml") if name in here), None)
    if found == "pixi.toml" or not files:
        return (found,) if found else ()
    return tuple(files)


def judge(lock: Lock, files: Mapping[str, bytes]) -> Lock:
    """The lock with whether it is fresh."""
    name = next((one for one in ("pixi.toml", "pyproject.toml") if one in files), None)
    if name is None:
        return lock
    try:
        source = document.decode(files[name])
        top = document.toml(source)
        if name == "pyproject.toml" and not pixi.declares(top):
            return lock
        workspace = pixi.workspace(top, source, pyproject=name == "pyproject.toml")
    except LockError:
        return lock
    comparison = _Comparison(lock, workspace, name)
    comparison.run()
    fresh = "no" if comparison.reasons else "unknown" if comparison.unknown else "yes"
    return msgspec.structs.replace(
        lock,
        fresh=fresh,
        stale_because=tuple(comparison.told()[:MAX_REASONS]),
        freshness_by="requirements" if fresh != "unknown" else "",
        manifests=(name,),
    )


class _Comparison:
    def __init__(self, lock: Lock, workspace: pixi.Workspace, name: str) -> None:
        self.lock, self.workspace, self.name = lock, workspace, name
        self.recorded = dict(lock.recorded)
        self.reasons: dict[str, dict[str, None]] = {}
        """Each with the platforms (environments) that it is about."""
        self.unknown = False
        self.work = 0
        self.entries: dict[tuple[str, str], list[Locked]] = {}
        for entry in lock.packages:
            for place in entry.places:
                self.entries.setdefault(place, []).append(entry)

    def told(self) -> list[str]:
        return [f"{reason} ({', '.join(where)})" if where else reason for reason, where in self.reasons.items()]

    def reason(self, text: str, where: str = "") -> None:
        places = self.reasons.setdefault(text, {})
        if where:
            places[where] = None

    def run(self) -> None:
        self.virtual()
        declared = {environment.name for environment in self.workspace.environments}
        for name in self.lock.groups:
            if name not in declared:
                self.reason(f"{self.name} has no environment {name} any more")
        for environment in self.workspace.environments:
            if environment.name not in self.lock.groups:
                if self.asks(environment):
                    self.reason(f"{self.name}: environment {environment.name} is not locked")
                continue
            self.channels(environment)
            self.options(environment)
            self.platforms(environment)
            for platform in environment.platforms:
                if (environment.name, platform) in self.entries or self.asks(environment):
                    self.requirements(environment, platform)

    def asks(self, environment: pixi.Environment) -> bool:
        return any(feature.wishes for feature in environment.features)

    def channels(self, environment: pixi.Environment) -> None:
        text = self.recorded.get(f"channels {environment.name}")
        if text is None:
            return
        locked = text.split()
        if len(locked) != len(environment.channels) or not all(map(_same_channel, environment.channels, locked)):
            was = ", ".join(locked) or "none"
            self.reason(f"{self.name}: channels are {', '.join(environment.channels) or 'none'}; the lock is made of {was}")

    def options(self, environment: pixi.Environment) -> None:
        """Options of the solve that stand in the manifest alone."""
        found = self.workspace.options
        newer = self.recorded.get(f"option exclude-newer {environment.name}")
        wanted = found.get("exclude-newer")
        if newer is not None and wanted is None:
            self.unknown = True  # it may be in pixi's configuration
        elif newer is not None and isinstance(wanted, str) and _day(wanted) and abs(_day(wanted) - _day(newer)) > 1:
            self.reason(f"{self.name}: exclude-newer is {wanted}; the lock was made for {newer}")
        priority = self.recorded.get(f"option channel-priority {environment.name}")
        wanted = found.get("channel-priority", "strict")
        if priority is not None and isinstance(wanted, str) and priority != wanted:
            self.reason(f"{self.name}: channel-priority is {wanted}; the lock was made with {priority}")

    def virtual(self) -> None:
        """What platforms are declared with, where the lock says what it was solved for."""
        locked: dict[str | None, dict[str, str]] = {}
        for one in self.lock.virtual_packages:
            locked.setdefault(one.platform, {})[one.name] = one.version
        for platform, declared in self.workspace.virtual.items():
            place = platform if platform in locked else self.workspace.platforms.get(platform, platform)
            for name, version in declared.items():
                was = locked.get(place, {}).get(name)
                if place in locked and was != (version or "0"):
                    text = f"{self.name}: {platform} has {name} {version}"
                    self.reason(f"{text}; the lock is made for {was}" if was else f"{text}; the lock is made without")

    def platforms(self, environment: pixi.Environment) -> None:
        named = {name for name, subdir in self.workspace.platforms.items() if subdir in environment.platforms}
        for platform in self.recorded.get(f"platforms {environment.name}", "").split():
            if platform not in named and self.recorded.get(f"platform {platform}", platform) not in environment.platforms:
                self.reason(f"{self.name}: {platform} is no platform of environment {environment.name} any more")

    # ---------------------------------------------------------------------------------------------------- requirements
    def requirements(self, environment: pixi.Environment, platform: str) -> None:
        entries = self.entries.get((environment.name, platform), [])
        self.work += len(entries) + sum(len(feature.wishes) for feature in environment.features)
        if self.work > MAX_WORK:
            self.unknown = True
            return
        conda = {entry.name: entry for entry in entries if entry.manager == "conda"}
        python = {entry.name: entry for entry in entries if entry.manager == "pypi"}
        brought = {document.name_of(name) for entry in conda.values() for name in (entry.name, *entry.provides)}
        where = platform if environment.name == pixi.DEFAULT else f"{environment.name}, {platform}"
        asked: list[Wish] = []
        partial = False
        overridden = {
            document.name_of(name)
            for feature in environment.features
            for name in (feature.options.get("dependency-overrides") or {})
        }
        version = conda["python"].version if "python" in conda else None
        for feature in environment.features:
            partial = partial or feature.partial
            for wish in _on(feature, platform):
                asked.append(wish)
                if wish.manager == "conda":
                    self.conda(wish, conda.get(wish.name), where)
                elif wish.marker is None or _holds(wish.marker, platform, version) is not False:
                    self.python(wish, python.get(wish.name), brought, where, loose=wish.name in overridden)
        if not partial:
            for entry in self.left(entries, asked):
                self.reason(f"{entry.name} is locked, and nothing asks for it any more", where)
        else:
            self.unknown = True

    def place(self, wish: Wish) -> str:
        return f"{self.name}:{wish.line}" if wish.line else self.name

    def conda(self, wish: Wish, entry: Locked | None, where: str) -> None:
        if entry is None:
            self.reason(f"{self.place(wish)}: {wish.text} is not locked", where)
            return
        if wish.source and "://" not in wish.source and _is_path(wish.source):
            self.unknown = True
            return
        if wish.source and wish.source.startswith(("git+", "http:", "https:", "file:")) and not wish.spec:
            built = entry.artifacts[0].kind if entry.artifacts else "conda"
            if wish.source.startswith("git+") and built == "conda":
                self.reason(f"{self.place(wish)}: {wish.text}; {_named(entry)} of {entry.source} is locked", where)
            return
        if not _fits(wish, entry):
            self.reason(f"{self.place(wish)}: {wish.text}; {_named(entry)} is locked", where)
        known = dict(entry.optional_needs)
        if any(extra not in known for extra in wish.extras) and entry.artifacts and entry.artifacts[0].kind == "conda":
            self.reason(f"{self.place(wish)}: {wish.text}; {_named(entry)} has no such extra", where)

    def python(self, wish: Wish, entry: Locked | None, brought: Collection[str], where: str, *, loose: bool) -> None:
        if entry is None:
            if wish.name not in brought and document.name_of(CONDA_NAMES.get(wish.name, wish.name)) not in brought:
                if wish.marker is None:
                    self.reason(f"{self.place(wish)}: {wish.text} is not locked", where)
                else:
                    self.unknown = True
            return
        kind = entry.artifacts[0].kind if entry.artifacts else "wheel"
        source = wish.source or ""
        named = f"{self.place(wish)}: {wish.text}; {_named(entry)}"
        if source.startswith("git+"):
            if kind != "vcs" or not _same_repository(source, entry):
                self.reason(f"{named} of {_of(entry)} is locked", where)
        elif source and not source.startswith("index+"):
            other = kind == "vcs" or ("://" in source) != (kind != "directory" and bool(entry.artifacts[0].url))
            if "://" in source and not other:
                other = document.public(source).partition("#")[0] != (entry.artifacts[0].url or "").partition("#")[0]
            if other:
                self.reason(f"{named} of {_of(entry)} is locked", where)
        elif kind in ("vcs", "directory"):
            self.reason(f"{named} of {_of(entry)} is locked", where)
        elif not loose and wish.spec and entry.version and _python_fits(wish.spec, entry.version) is False:
            self.reason(f"{named} is locked", where)
        if source.startswith("index+") and entry.source and entry.source.rstrip("/") != source[6:].rstrip("/"):
            self.reason(f"{named} of {entry.source} is locked", where)

    def left(self, entries: list[Locked], asked: list[Wish]) -> Iterator[Locked]:
        """Entries that no requirement leads to, whatever its marker."""
        by_name: dict[str, list[Locked]] = {}
        for entry in entries:
            for name in {entry.name, document.name_of(entry.name), *map(document.name_of, entry.provides)}:
                by_name.setdefault(name, []).append(entry)
        seen: set[int] = set()
        todo = [name for wish in asked for name in _names(wish.name)]
        while todo:
            for entry in by_name.get(todo.pop(), ()):
                if id(entry) in seen:
                    continue
                seen.add(id(entry))
                needs = [*entry.needs, *(need for _, some in entry.optional_needs for need in some)]
                todo += [name for need in needs for name in _names(need.name)]
        yield from (entry for entry in entries if id(entry) not in seen)


def _on(feature: pixi.Feature, platform: str) -> Iterator[Wish]:
    """What a feature asks for on a platform: of one package that which is said for the fewest platforms."""
    found: dict[tuple[str, str], list[Wish]] = {}
    for wish in feature.wishes:
        if wish.platforms and platform not in wish.platforms:
            continue
        known = found.setdefault((wish.manager, wish.name), [])
        if known and _width(wish) != _width(known[0]):
            if _width(wish) > _width(known[0]):
                continue
            known.clear()
        known.append(wish)
    for wishes in found.values():
        yield from wishes


def _width(wish: Wish) -> int:
    return len(wish.platforms) or 1000


def _names(name: str) -> tuple[str, ...]:
    normal = document.name_of(name)
    return (name, normal, CONDA_NAMES[normal]) if normal in CONDA_NAMES else (name, normal)


def _named(entry: Locked) -> str:
    return f"{entry.name} {entry.version}" if entry.version else entry.name


def _of(entry: Locked) -> str:
    artifact = entry.artifacts[0] if entry.artifacts else None
    return (artifact.url or artifact.path or "an index") if artifact is not None else "an index"


def _is_path(source: str) -> bool:
    return source.startswith((".", "/", "~")) or "\\" in source


def _day(text: str) -> int:
    match = re.match(r"(\d{4})-(\d\d)-(\d\d)", text)
    return (int(match[1]) * 12 + int(match[2])) * 31 + int(match[3]) if match else 0


def _same_channel(declared: str, locked: str) -> bool:
    """A name can stand for any host, by pixi's configuration; an address is that one."""
    if _is_path(declared) or declared.startswith("file:"):
        return locked.startswith("file:") or _is_path(locked)
    if "://" in declared:
        return archives.short(declared) == locked or declared.rstrip("/") == locked.rstrip("/")
    return conda_channels.name(declared) == conda_channels.name(locked)


def _same_repository(source: str, entry: Locked) -> bool:
    """The same repository, and the commit where one is asked for."""
    match = _REPOSITORY.match(source.removeprefix("git+"))
    if match is None:
        return True
    address, revision = match[1], match[2] or ""
    artifact = entry.artifacts[0]
    locked = (artifact.url or "").removeprefix("git+")
    if _bare(address) != _bare(locked):
        return False
    if re.fullmatch(r"[0-9a-f]{7,64}", revision):
        return (artifact.commit or "").startswith(revision)
    reference = (artifact.reference or "").replace("%2F", "/")
    known = ("", revision, artifact.commit or "")
    return not revision or reference in known or reference.endswith(f"/{revision}")


def _bare(address: str) -> str:
    return re.sub(r"^[a-z+]+://(?:[^/@]*@)?", "", address).removesuffix("/").removesuffix(".git").lower()


def _fits(wish: Wish, entry: Locked) -> bool:
    """The entry is what a conda requirement asks for; in doubt it is."""
    if entry.version is None:
        return True
    channel = f"{wish.source}::" if wish.source and not wish.source.startswith(("git+", "index+")) else ""
    try:
        spec = parse(f"{channel}{wish.name} {wish.spec or '*'}")
    except InvalidSpec:
        return True
    artifact = entry.artifacts[0] if entry.artifacts else None
    candidate = Candidate(
        entry.name,
        entry.version,
        entry.build,
        entry.build_number,
        channel=entry.source if artifact is not None and artifact.kind == "conda" else None,
    )
    return spec.fits(candidate) is not False


def _python_fits(specifier: str, version: str) -> bool | None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except (InvalidSpecifier, ValueError):
        return None


def _holds(marker: str, platform: str, python: str | None) -> bool | None:
    """A marker on a platform; None where it cannot be told."""
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    system = _MARKERS.get(platform.partition("-")[0])
    machine = _MACHINES.get(platform)
    if system is None or machine is None or python is None:
        return None
    environment: dict[str, Any] = {
        **system,
        "platform_machine": machine,
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "implementation_version": python,
        "platform_release": "",
        "platform_version": "",
        "extra": "",
    }
    if "platform_release" in marker or "platform_version" in marker:
        return None
    try:
        return Marker(marker).evaluate(environment)
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, ValueError):
        return None
