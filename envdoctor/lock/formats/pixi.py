"""pixi.lock, versions 4 to 7: pixi's and rattler's lockfile.

Format: ``rattler_lock``. Up to 5 an entry says what it is (``kind``), from 6 on by its key (``conda``, ``pypi``), and name,
version, build and platform may be left to the file name; 7 has platforms with their virtual packages, and packages that are
built from source under ``conda_source`` (earlier ``source``).
"""

from __future__ import annotations

import re
from typing import Any

from envdoctor.conda import archives
from envdoctor.conda.channels import SUBDIRS
from envdoctor.lock import document
from envdoctor.lock.formats.conda_lock import artifact_of
from envdoctor.lock.model import Artifact, Lock, Locked, LockError, Need, VirtualPackage

MAX_REQUIREMENT = 4000
"""Characters of a requirement."""
VERSIONS = ("4", "5", "6", "7")
KEYS = ("conda", "pypi", "conda_source", "source")
_SOURCE = re.compile(r"([^\s\[\]]+)\[([0-9A-Za-z]+)\] @ (.+)\Z")
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?\s*(@\s*[^;]+?(?=\s;|$)|\(?[^;@]*)\s*(?:;\s*(.*))?\Z")
_PURL = re.compile(r"pkg:pypi/([A-Za-z0-9._-]+)")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_DISAMBIGUATION = ("name", "version", "build", "subdir")


def read(data: bytes, path: str) -> Lock:
    """The lock in `data`. Raises LockError."""
    source = document.decode(data)
    top, starts = document.yaml(source)
    if not isinstance(top, dict) or "version" not in top:
        raise LockError("no version: not written by pixi, or cut off", where="version")
    version = str(top["version"])
    if version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise LockError(f"version {version[:40]!r} is not known, only {known}", document.line_of_key(data, "version"), "version")
    for key in ("environments", "packages"):
        if key not in top:
            raise LockError(f"no {key}: the file is cut off", data.count(b"\n") + 1, key)
    packages = top["packages"] or []
    if not isinstance(packages, list):
        raise LockError("expected a list of packages", document.line_of_key(data, "packages"), "packages")
    lines: list[int] | list[None] = starts.get("packages", [])
    if len(lines) != len(packages):
        lines = [None] * len(packages)
    return _Reader(path, version, source, top, packages, lines).lock()


def _mapping(value: Any, where: str) -> dict[str, Any]:
    return document.table(None if value == "" else value, where)


def _list(value: Any, where: str) -> list[Any]:
    if value is None or value == "":
        return []
    if not isinstance(value, list):
        raise LockError("expected a list", where=where)
    return value


class _Reader:
    def __init__(
        self, path: str, version: str, source: str, top: dict[str, Any], packages: list[Any], lines: list[int] | list[None]
    ) -> None:
        self.path, self.version, self.source, self.top = path, version, source, top
        self.packages, self.lines = packages, lines
        self.places: list[dict[tuple[str, str], None]] = [{} for _ in packages]
        self.active: list[dict[str, None]] = [{} for _ in packages]
        self.by_address: dict[tuple[str, str], list[int]] = {}
        self.needs: dict[str, Need] = {}
        self.requirements: dict[str, Need | None] = {}
        self.problems: list[str] = []
        self.subdirs: dict[str, str] = {}
        self.recorded: list[tuple[str, str]] = []

    def fail(self, index: int, message: str, key: str = "") -> LockError:
        return LockError(message, self.lines[index], f"packages[{index}]{'.' if key else ''}{key}")

    # ------------------------------------------------------------------------------------------------------- the whole
    def lock(self) -> Lock:
        for index, item in enumerate(self.packages):
            if not isinstance(item, dict):
                raise self.fail(index, "no mapping")
            self.by_address.setdefault(self.address(index, item), []).append(index)
        virtual = self.platforms()
        environments = _mapping(self.top["environments"], "environments")
        channels: dict[str, None] = {}
        indexes: dict[str, None] = {}
        found: dict[str, None] = {}
        for name, value in environments.items():
            where = f"environments.{name}"
            environment = _mapping(value, where)
            own = self.channels(environment.get("channels"), f"{where}.channels")
            channels.update(dict.fromkeys(own))
            own_indexes = [
                document.public(document.word(one, f"{where}.indexes")) for one in _list(environment.get("indexes"), where)
            ]
            indexes.update(dict.fromkeys(own_indexes))
            self.recorded.append((f"channels {name}", " ".join(own)))
            if own_indexes:
                self.recorded.append((f"indexes {name}", " ".join(own_indexes)))
            for option, setting in _mapping(environment.get("options"), f"{where}.options").items():
                self.recorded.append((f"option {option} {name}", str(setting)))
            platforms = _mapping(environment.get("packages"), f"{where}.packages")
            self.recorded.append((f"platforms {name}", " ".join(platforms)))
            for platform, selectors in platforms.items():
                subdir = self.subdirs.get(platform, platform)
                found[subdir] = None
                for position, selector in enumerate(_list(selectors, f"{where}.packages.{platform}")):
                    self.select(selector, (name, subdir), f"{where}.packages.{platform}[{position}]")
        entries = [self.entry(index, item) for index, item in enumerate(self.packages)]
        declared = [one for one in self.subdirs.values() if one in SUBDIRS]
        return Lock(
            path=self.path,
            format="pixi",
            version=self.version,
            created_by="pixi",
            platforms=tuple(dict.fromkeys((*declared, *found))),
            groups=tuple(environments),
            default_groups=("default",) if "default" in environments else (),
            channels=tuple(channels),
            indexes=tuple(indexes),
            packages=tuple([entry for entry in entries if entry is not None]),
            virtual_packages=tuple(virtual),
            recorded=tuple(sorted(self.recorded)),
            problems=tuple(self.problems),
        )

    def platforms(self) -> list[VirtualPackage]:
        """Names of platforms -> subdirs, and the virtual packages that are written down (version 7)."""
        virtual = []
        taken: dict[str, str] = {}
        rows = []
        for index, item in enumerate(_list(self.top.get("platforms"), "platforms")):
            where = f"platforms[{index}]"
            platform = _mapping(item, where)
            name = document.word(platform.get("name"), f"{where}.name")
            rows.append((name, platform.get("subdir") or name, platform, where))
        for name, subdir, platform, where in sorted(rows, key=lambda row: row[0] != row[1]):
            if not isinstance(subdir, str) or subdir not in SUBDIRS:
                raise LockError(f"{str(subdir)[:40]!r} is no platform", None, f"{where}.subdir")
            # two platforms of one subdir stay apart: only the first stands for it
            self.subdirs[name] = subdir if subdir not in taken else name
            taken.setdefault(subdir, name)
            if self.subdirs[name] != name:
                self.recorded.append((f"platform {name}", subdir))
            for text in _list(platform.get("virtual-packages"), f"{where}.virtual-packages"):
                words = re.split(r"[=\s]+", str(text).strip(), maxsplit=2)
                if re.search("[<>~!]", str(text)):
                    words = [words[0].rstrip("<>~!")]
                virtual.append(
                    VirtualPackage(
                        name=words[0],
                        version=words[1] if len(words) > 1 and words[1] else "0",
                        build=words[2] if len(words) > 2 and words[2] else "0",
                        platform=self.subdirs[name],
                    )
                )
        return virtual

    def channels(self, value: Any, where: str) -> list[str]:
        found = []
        for index, item in enumerate(_list(value, where)):
            url = item.get("url") if isinstance(item, dict) else item
            found.append(archives.short(document.public(document.word(url, f"{where}[{index}].url"))))
        return found

    # ------------------------------------------------------------------------------------------------------- selectors
    def address(self, index: int, item: dict[str, Any]) -> tuple[str, str]:
        """(conda or pypi or source, address) that environments call the package by."""
        kind = item.get("kind")
        if kind in ("conda", "pypi"):
            url = item.get("url") or item.get("path")
            if not isinstance(url, str):
                raise self.fail(index, "url is missing", "url")
            return kind, url
        for key in KEYS:
            if isinstance(value := item.get(key), str) and value and not (key == "source" and "conda" in item):
                return key, value
        raise self.fail(index, "neither conda nor pypi")

    def select(self, selector: Any, place: tuple[str, str], where: str) -> None:
        if not isinstance(selector, dict):
            raise LockError("no mapping", where=where)
        key = next((one for one in KEYS if isinstance(selector.get(one), str)), None)
        if key is None:
            raise LockError("neither conda nor pypi", where=where)
        candidates = self.by_address.get((key, selector[key]), [])
        if len(candidates) > 1:
            fitting = [
                one
                for one in candidates
                if all(selector.get(field, "") in ("", self.packages[one].get(field, "")) for field in _DISAMBIGUATION)
                and all(
                    _mapping(self.packages[one].get("variants"), where).get(variant) == value
                    for variant, value in _mapping(selector.get("variants"), where).items()
                )
            ]
            own = [one for one in fitting if self.packages[one].get("subdir", place[1]) in (place[1], "noarch", "")]
            candidates = own or fitting
        if not candidates:
            found = self.source.find(selector[key])
            line = self.source.count("\n", 0, found) + 1 if found >= 0 else None
            raise LockError(
                f"{document.public(selector[key])[:200]} stands for no package: cut off, or merged by hand", line, where
            )
        self.places[candidates[0]][place] = None
        for extra in _list(selector.get("extras"), where):
            self.active[candidates[0]][document.name_of(str(extra))] = None

    # --------------------------------------------------------------------------------------------------------- entries
    def entry(self, index: int, item: dict[str, Any]) -> Locked | None:
        key, address = self.address(index, item)
        if key == "pypi":
            return self.pypi(index, item, address)
        return self.conda(index, item, address, source=key != "conda")

    def text(self, index: int, item: dict[str, Any], key: str) -> str | None:
        value = item.get(key)
        if value is not None and not isinstance(value, str):
            raise self.fail(index, f"{key} is no text", key)
        return value or None

    def hashes(self, index: int, item: dict[str, Any]) -> tuple[tuple[str, str], ...]:
        return tuple([(key, value.lower()) for key in ("md5", "sha256") if (value := self.text(index, item, key))])

    def conda(self, index: int, item: dict[str, Any], address: str, *, source: bool) -> Locked:
        name = self.text(index, item, "name")
        location = address
        if source and (parts := _SOURCE.match(address)):
            name, location = name or parts[1], parts[3]
        archive = archives.split(document.public(location))
        built = not archive.known
        name = name or archive.name
        version = self.text(index, item, "version") or archive.version or None
        if not name or (version is None and not source):
            raise self.fail(index, "name and version are missing", "name" if not name else "version")
        build = self.text(index, item, "build") or archive.build or None
        if built:
            origin = self.origin(item)
            artifacts: tuple[Artifact, ...] = (origin or Artifact(kind="directory", path=location),)
        else:
            local = "://" not in location
            artifacts = (
                Artifact(
                    kind="conda",
                    name=archive.file,
                    url=None if local else document.public(location),
                    path=location if local else None,
                    hashes=self.hashes(index, item),
                    size=_size(item.get("size")),
                ),
            )
        channel = self.text(index, item, "channel")
        purls = _list(item.get("purls"), f"packages[{index}].purls")
        number = self.text(index, item, "build_number")
        return Locked(
            name=name.lower(),
            version=version,
            manager="conda",
            places=tuple(self.places[index]),
            needs=tuple([self.need(str(one)) for one in _list(item.get("depends"), f"packages[{index}].depends")]),
            optional_needs=tuple(
                (str(extra), tuple([self.need(str(one)) for one in _list(needs, f"packages[{index}].extra_depends")]))
                for extra, needs in _mapping(item.get("extra_depends"), f"packages[{index}].extra_depends").items()
            )
            if item.get("extra_depends")
            else (),
            constrains=tuple([str(one) for one in _list(item.get("constrains"), f"packages[{index}].constrains")]),
            artifacts=artifacts,
            source=artifacts[0].url or location
            if built
            else archives.short(document.public(channel))
            if channel
            else archives.short(archive.channel) or None,
            provides=tuple([found[1] for one in purls if (found := _PURL.match(str(one)))]) if purls else (),
            build=build,
            build_number=int(number) if number and number.isdigit() and len(number) < 10 else archives.number(build or ""),
            line=self.lines[index],
        )

    def origin(self, item: dict[str, Any]) -> Artifact | None:
        """The repository or archive that a source package is built from."""
        value = item.get("source") if isinstance(item.get("source"), dict) else item.get("package_build_source")
        if not isinstance(value, dict):
            return None
        if isinstance(git := value.get("git"), str):
            revision = str(value.get("rev") or "")
            asked = value.get("tag") or value.get("branch") or revision
            return Artifact(
                kind="vcs", url=f"git+{document.public(git)}", reference=str(asked) or None, commit=revision.lower() or None
            )
        if isinstance(url := value.get("url"), str):
            hashes = tuple((key, str(value[key]).lower()) for key in ("md5", "sha256") if value.get(key))
            return Artifact(kind="archive", name=document.file_name(url), url=document.public(url), hashes=hashes)
        return None

    def need(self, text: str) -> Need:
        """A dependency of a conda package: ``numpy >=1.2,<2.0a0 *_cp311``."""
        if (need := self.needs.get(text)) is None:
            name, _, spec = text.strip().partition(" ")
            if "[" in name and spec == "":
                name, bracket, spec = name.partition("[")
                spec = bracket + spec
            need = self.needs[text] = Need(name=name.lower(), spec=spec.strip())
        return need

    def pypi(self, index: int, item: dict[str, Any], address: str) -> Locked:
        name, version = self.text(index, item, "name"), self.text(index, item, "version")
        if not name:
            raise self.fail(index, "name is missing", "name")
        location = document.public(address.removeprefix("direct+"))
        artifact = _with_query(location) or artifact_of(location, self.hashes(index, item))
        if artifact.kind == "directory":
            artifact = Artifact(kind="directory", path=artifact.path, editable=item.get("editable") == "true")
        index_url = self.text(index, item, "index")
        requires = _list(item.get("requires_dist"), f"packages[{index}].requires_dist")
        found = [self.requirement(str(text)) for text in requires]
        return Locked(
            name=document.name_of(name),
            version=version,
            manager="pypi",
            active_extras=tuple(self.active[index]),
            places=tuple(self.places[index]),
            requires_python=self.text(index, item, "requires_python"),
            needs=tuple([need for need in found if need is not None]),
            artifacts=(artifact,),
            source=artifact.url if artifact.kind == "vcs" else document.public(index_url) if index_url else None,
            line=self.lines[index],
        )

    def requirement(self, text: str) -> Need | None:
        """``requests[socks] >=2, <3 ; python_version < '3.9'`` as it is written here."""
        if text not in self.requirements:
            match = _REQUIREMENT.match(" ".join(text.split())) if len(text) < MAX_REQUIREMENT else None
            if match is None:
                self.problems.append(f"a requirement that is none: {text[:100]}")
                self.requirements[text] = None
            else:
                tail = match[3].strip().strip("()").strip()
                direct = tail.startswith("@")
                self.requirements[text] = Need(
                    name=document.name_of(match[1]),
                    spec="" if direct else tail.replace(", ", ","),
                    source=document.public(tail[1:].strip()) if direct else None,
                    marker=match[4].strip() if match[4] else None,
                    extras=tuple(sorted(document.name_of(one.strip()) for one in (match[2] or "").split(",") if one.strip())),
                )
        return self.requirements[text]


def _size(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16 else None


def _with_query(url: str) -> Artifact | None:
    """``git+URL?rev=main&subdirectory=x#COMMIT``, as pixi writes repositories."""
    if not url.startswith(("git+", "hg+")) or "?" not in url:
        return None
    head, _, fragment = url.partition("#")
    address, _, query = head.partition("?")
    reference = None
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if key in ("rev", "tag", "branch") and value:
            reference = value
    commit = next((one for one in (fragment, reference or "") if _COMMIT.match(one)), None)
    return Artifact(kind="vcs", url=address, reference=reference, commit=commit)
