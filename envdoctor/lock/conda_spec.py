"""What conda-lock makes of its source files: requirements by platform, channels, index URLs. Pure.

This is the content of conda-lock's ``content_hash``, so everything is spelled as conda-lock 1 to 4 spell it: specs as the conda
in it reads them, versions of Python packages as its grayskull writes them, selectors (``# [linux]``) as its own filter takes
them. What it cannot read raises :class:`Refused`; what depends on something that no file tells (the table of names that
conda-lock downloads, variables of the shell) makes a :class:`Specification` that is not ``sure``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urldefrag, urlsplit, urlunsplit

from envdoctor import yaml
from envdoctor.conda.channels import SUBDIRS
from envdoctor.lock import document
from envdoctor.tuples import NamedTuple
from envdoctor.yaml import scalars

DEFAULT_PLATFORMS = ("linux-64", "osx-arm64", "osx-64", "win-64")
"""What conda-lock 4 locks for when no source names platforms."""
LIMIT = 2000
"""Characters of a requirement."""
SELECTORS: dict[str, frozenset[str]] = {
    "linux-64": frozenset(("linux64", "unix", "linux")),
    "linux-aarch64": frozenset(("aarch64", "unix", "linux")),
    "linux-ppc64le": frozenset(("ppc64le", "unix", "linux")),
    "osx-64": frozenset(("osx64", "osx", "unix")),
    "osx-arm64": frozenset(("arm64", "osx", "unix")),
    "win-64": frozenset(("win", "win64")),
}
"""Platforms, and the words in square brackets that keep a line for each."""
_BRACKETS = re.compile(r".*(\[.*\])", re.DOTALL)
_PAIR = re.compile(r"""([a-zA-Z0-9_-]+?)=(["']?)([^'"]*?)(\2)(?:[, ]|$)""")
_NAME = re.compile(r"([^ =<>!~]+)?([><!=~ ].+)?")
_RELATION = re.compile(r"(?:=|==|!=|<=|>=|<|>|~=)(?![=<>!~])\S+\Z")
_FIELDS = frozenset(("version", "build", "build_number", "track_features", "features", "url", "md5", "sha256", "license", "fn"))
_UNUSED = frozenset(("subdir", "name", "license_family"))
_TOKEN = re.compile(r"(.*)(/t/\$?\{?[a-zA-Z0-9-_]*\}?)(/.*)")
_MARKER_VALUES = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "osx": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
    "win": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"},
}
ANY = "\0"
"""A value of a marker's variable that is not known."""


class Refused(ValueError):
    """conda-lock cannot read it either, or this module cannot tell how it does."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Channel(NamedTuple):
    """One channel as a lock records it. `sure`: no variable of the shell could make it another."""

    url: str
    used_env_vars: tuple[str, ...] = ()
    sure: bool = True


class Dependency(NamedTuple):
    """One requirement. `fields` are those that conda-lock hashes, without name, manager, category."""

    manager: str
    """``conda`` or ``pip``."""
    name: str
    category: str
    fields: tuple[tuple[str, Any], ...]
    text: str = ""
    """As written."""
    source: str = ""
    """Path of the file that asks."""
    line: int | None = None
    sure: bool = True
    """Its name does not come out of conda-lock's table of names."""

    @property
    def version(self) -> str:
        """As conda-lock writes it; '' and '*' for any."""
        return str(dict(self.fields).get("version") or "")

    def content(self) -> dict[str, Any]:
        """All fields that conda-lock hashes."""
        return {"name": self.name, "manager": self.manager, "category": self.category, **dict(self.fields)}


class Source(NamedTuple):
    """One source file."""

    path: str
    channels: tuple[Channel, ...]
    pip_repositories: tuple[str, ...]
    platforms: tuple[str, ...]
    """That it declares."""
    dependencies: dict[str, tuple[Dependency, ...]]


class Specification(NamedTuple):
    """What all source files together ask for."""

    channels: tuple[Channel, ...]
    pip_repositories: tuple[str, ...]
    dependencies: dict[str, tuple[Dependency, ...]]
    """By platform, sorted by manager and name."""

    def sure(self, platform: str) -> bool:
        """Nothing that no file tells is in the requirements of `platform`."""
        return all(one.sure for one in self.channels) and all(one.sure for one in self.dependencies[platform])


# ---------------------------------------------------------------------------------------------------------- source files
def specification(sources: Mapping[str, bytes], platforms: Iterable[str] = ()) -> Specification:
    """What the files `sources` (content by path, in conda-lock's order) ask for on `platforms`; without any, on those that
    they declare. Raises Refused."""
    wanted = tuple(dict.fromkeys(platforms)) or declared_platforms(sources)
    files = [source(path, data, wanted) for path, data in sources.items()]
    return Specification(
        channels=_united([file.channels for file in files], "channels"),
        pip_repositories=_united([file.pip_repositories for file in files], "pip-repositories"),
        dependencies={
            platform: tuple(sorted(_unique(files, platform).values(), key=lambda one: (one.manager, one.name)))
            for platform in wanted
        },
    )


def declared_platforms(sources: Mapping[str, bytes]) -> tuple[str, ...]:
    """Platforms that the files name, in their order; conda-lock's own where they name none. Raises Refused."""
    found: dict[str, None] = {}
    for path, data in sources.items():
        if _file_name(path) == "pyproject.toml":
            table = _toml(data).get("tool", {}).get("conda-lock", {})
            own = table.get("platforms", []) if isinstance(table, dict) else []
        elif _file_name(path) == "meta.yaml":
            continue
        else:
            own = _texts(_top(_text(data), path).get("platforms"), "platforms")
        found.update(dict.fromkeys(own))
    return tuple(found) or DEFAULT_PLATFORMS


def source(path: str, data: bytes, platforms: Iterable[str]) -> Source:
    """One file. Raises Refused."""
    if _file_name(path) == "meta.yaml":
        raise Refused("a conda-build recipe is not read")
    if _file_name(path) == "pyproject.toml":
        from envdoctor.lock.conda_pyproject import source as pyproject

        return pyproject(path, _toml(data), tuple(platforms))
    return _environment(path, _text(data), tuple(platforms))


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise Refused("not UTF-8") from None


def _toml(data: bytes) -> dict[str, Any]:
    try:
        return document.toml(_text(data))
    except ValueError as error:
        raise Refused(str(error)) from None


def _united(lists: list[tuple[Any, ...]], what: str) -> tuple[Any, ...]:
    """The longest list, of which each other one has to be the end."""
    longest: tuple[Any, ...] = max(lists, key=len, default=())
    for one in lists:
        if one and longest[-len(one) :] != one:
            raise Refused(f"{what} of the source files cannot be brought together")
    return longest


def _unique(files: list[Source], platform: str) -> dict[tuple[str, str], Dependency]:
    """The last one of each name."""
    return {(one.manager, one.name): one for file in files for one in file.dependencies.get(platform, ())}


# -------------------------------------------------------------------------------------------------------- environment.yml
def selected(content: str, platform: str | None) -> str:
    """`content` without the lines whose selector keeps them out on `platform`; their places stay, empty."""
    lines = []
    for line in content.split("\n"):
        word = selector(line) if platform is not None else None
        if word is not None and platform not in SELECTORS:
            raise Refused(f"selectors have no meaning for {platform}")
        dropped = line.lstrip().startswith("#") or (word is not None and word not in SELECTORS[platform or ""])
        lines.append("" if dropped else line)
    return "\n".join(lines)


def selector(line: str) -> str | None:
    """The word in a line's selector: ``linux`` of ``- gcc  # [linux]``; the last one behind the first #, with no parenthesis
    behind it."""
    comment = line.find("#", 1)
    if comment < 0 or line.lstrip().startswith("#"):
        return None
    first = max(line.rfind("("), line.rfind(")"), comment)
    end = line.rfind("]")
    for _ in range(20):
        if end <= first:
            break
        start = line.rfind("[", comment, end)
        word = line[start + 1 : end]
        if start > comment and word and "]" not in word:
            return word
        end = line.rfind("]", 0, end)
    return None


def _top(content: str, path: str) -> dict[str, yaml.Node]:
    try:
        node = yaml.load(content)
    except (yaml.Broken, yaml.Unknown) as error:
        raise Refused(f"{path}: {error}", error.line) from None
    if node is None or not isinstance(node.value, dict):
        raise Refused(f"{path}: no mapping")
    return node.value


def _is_text(node: yaml.Node) -> bool:
    return isinstance(node.value, str) and (node.quoted or scalars.is_text(node.value))


def _texts(node: yaml.Node | None, what: str) -> list[str]:
    """The texts of a list; none where the key is not there."""
    if node is None:
        return []
    if not isinstance(node.value, list):
        raise Refused(f"{what} is no list", node.line)
    found = []
    for item in node.value:
        if not _is_text(item):
            raise Refused(f"{what}: not text", item.line)
        found.append(str(item.value))
    return found


def _environment(path: str, content: str, platforms: tuple[str, ...]) -> Source:
    top = _top(content, path)
    names = _texts(top.get("channels"), "channels")
    if "nodefaults" in names:
        names.remove("nodefaults")
    if "nodefaults" in names:
        raise Refused("nodefaults twice")
    category = "main"
    if (node := top.get("category")) is not None and not node.null:
        if not _is_text(node):
            raise Refused("category: not text", node.line)
        category = str(node.value) or "main"
    by_content: dict[str, dict[str, yaml.Node]] = {}
    dependencies = {}
    for platform in platforms:
        filtered = selected(content, platform)
        if filtered not in by_content:
            by_content[filtered] = _top(filtered, path)
        dependencies[platform] = tuple(_dependencies(by_content[filtered], path, category, platform))
    return Source(
        path=path,
        channels=tuple(channel(name) for name in names),
        pip_repositories=tuple(_texts(top.get("pip-repositories"), "pip-repositories")),
        platforms=tuple(_texts(top.get("platforms"), "platforms")),
        dependencies=dependencies,
    )


def _dependencies(top: dict[str, yaml.Node], path: str, category: str, platform: str) -> list[Dependency]:
    node = top.get("dependencies")
    if node is None or not isinstance(node.value, list):
        raise Refused("no list of dependencies", node.line if node else None)
    found: list[Dependency] = []
    sections = []
    for item in node.value:
        if _is_text(item):
            text = str(item.value)
            found.append(_placed(partial(conda, text, category), item.line)._replace(source=path))
        else:
            sections.append(item)
    for item in sections:
        if not isinstance(item.value, dict):
            raise Refused("neither a spec nor a section", item.line)
        section = item.value.get("pip")
        if section is None or section.null:
            continue
        for text, line in _pip_lines(section):
            if re.match(r"-e .*\Z", text):
                continue
            one = _placed(partial(python, text, "pip", category), line)
            if marker_holds(dict(one.fields).get("markers"), platform):
                found.append(one._replace(source=path))
        found.append(python("pip", "conda", "main")._replace(source=path, line=item.line, text="pip", sure=True))
    return found


def _placed(make: Callable[[], Dependency], line: int) -> Dependency:
    """What `make` makes of a line; what it refuses is told with the line."""
    try:
        return make()._replace(line=line)
    except Refused as error:
        raise Refused(str(error), line) from None


def _pip_lines(section: yaml.Node) -> list[tuple[str, int]]:
    if not isinstance(section.value, list):
        raise Refused("the pip section is no list", section.line)
    found = []
    for item in section.value:
        if not _is_text(item):
            raise Refused("the pip section: not text", item.line)
        found.append((str(item.value), item.line))
    return found


# ----------------------------------------------------------------------------------------------------------- conda's specs
def conda(text: str, category: str = "main") -> Dependency:
    """A conda spec as conda-lock understands it: ``python=3.11`` is ``3.11.*``. Raises Refused."""
    if len(text) > LIMIT:
        raise Refused(f"{text[:80]!r}…: too long")
    rest = text.partition("#")[0].split(" if ", 1)[0]
    if rest.endswith((".conda", ".tar.bz2")) or text.endswith("@") or "(" in rest.partition("[")[0]:
        raise Refused(f"{text[:80]!r}: not a name with a version")
    pairs: dict[str, str] = {}
    if match := _BRACKETS.match(rest):
        rest = rest.replace(match[1], "")
        for pair in _PAIR.finditer(match[1][1:-1]):
            if not pair[3]:
                raise Refused(f"{text[:80]!r}: a key without its value")
            pairs[pair[1]] = pair[3]
    place, colon, rest = rest.rpartition(":")
    place = place.removesuffix(":") if colon and place.endswith(":") else place.rpartition(":")[0] if colon else ""
    channel_name = _canonical(place) if place else None
    if "channel" in pairs:
        channel_name = _canonical(pairs.pop("channel")) or channel_name
    if not pairs.keys() <= _FIELDS | _UNUSED:
        raise Refused(f"{text[:80]!r}: no field of a package")
    parts = _NAME.match(rest)
    if parts is None or parts[1] is None or "[" in (parts[2] or "") or "*" in parts[1]:
        raise Refused(f"{text[:80]!r}: no name")
    version, build = _version_and_build(parts[2].strip()) if parts[2] and parts[2].strip() else (None, None)
    version, build = pairs.get("version", version), pairs.get("build", build)
    fields: dict[str, Any] = {
        "extras": [],
        "version": _normalized(version, text) if version else "",
        "build": build,
        "conda_channel": channel_name,
        "hash": None,
        "markers": None,
    }
    return Dependency("conda", parts[1].lower(), category, tuple(fields.items()), text)


def _canonical(place: str) -> str | None:
    """The name by which conda calls a channel: without host, credentials and platform."""
    place = place.strip()
    if "*" in place:
        raise Refused("a channel with *")
    if "://" in place:
        parts = urlsplit(place)
        path = parts.path.strip("/")
        if path.startswith("t/") and path.count("/") > 1:
            path = path.split("/", 2)[2]
        if parts.scheme == "file":
            words = [word for word in path.split("/") if word]
            if words and words[-1] in SUBDIRS:
                words.pop()
            path = words[-1] if words else ""
    else:
        path = place.strip("/")
    head, slash, last = path.rpartition("/")
    name = head if slash and last in SUBDIRS else path
    if not name:
        raise Refused(f"{place[:80]!r}: no channel's name")
    return "defaults" if name in ("pkgs/main", "pkgs/r", "pkgs/msys2") else name


def _version_and_build(text: str) -> tuple[str, str | None]:
    """``>=1.0 , <2 py34_0`` -> ``>=1.0,<2`` and ``py34_0``, and what a single = means."""
    from envdoctor.conda.matchspec import parted

    written, build = parted(text)
    version = "".join(written.split(" "))
    if version in ("=", "=="):
        raise Refused(f"{text[:80]!r}: no version")
    if version.startswith("=="):
        return (version[2:], build) if build is None else (version, build)
    if version.startswith("=") and not re.search("[=,|]", version[1:]):
        return (version[1:] + ("*" if build is None and version[-1] != "*" else "")), build
    return version, build


def _normalized(version: str, text: str) -> str:
    """A version as conda keeps it: without blanks and parentheses, ``1.2*`` as ``1.2.*``."""
    version = version.strip()
    if not re.search(r"[()|,^$]", version):
        return _leaf(version, text)
    if "^" in version or "$" in version:
        if not re.fullmatch(r"\^[^$,|()]*\$", version):
            raise Refused(f"{text[:80]!r}: a regular expression among others")
        return version
    depth = 0
    for char in version:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            raise Refused(f"{text[:80]!r}: a parenthesis without its other half")
    if depth or re.search(r"\(\s*\)|[^,|(\s]\s*\(|\)\s*[^,|)\s]", version):
        raise Refused(f"{text[:80]!r}: a parenthesis without its other half")
    pieces = re.split(r"([,|])", re.sub("[()]", "", version))
    if any(not piece.strip() for piece in pieces[::2]):
        raise Refused(f"{text[:80]!r}: a part of the version is missing")
    return "".join(piece if index % 2 else _leaf(piece.strip(), text) for index, piece in enumerate(pieces))


def _leaf(version: str, text: str) -> str:
    if not version:
        raise Refused(f"{text[:80]!r}: no version")
    if version[0] in "=<>!~":
        if not _RELATION.match(version) or (version.endswith(".*") and version.startswith("~=")):
            raise Refused(f"{text[:80]!r}: no operator with a version")
        return version
    if version == "*" or "*" in version.rstrip("*"):
        return version
    return f"{version[:-1]}.*" if version[-1] == "*" and version[-2:] != ".*" else version


# ---------------------------------------------------------------------------------------------------- Python requirements
def python(text: str, manager: str, category: str, *, conda_name: str | None = None) -> Dependency:
    """A PEP 508 requirement (with ``--hash=``, or a bare ``git+`` URL) as conda-lock understands it. Raises Refused.

    For the manager ``conda`` its name would come out of conda-lock's table: `conda_name`, or the same, and not ``sure``.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    if len(text) > LIMIT:
        raise Refused(f"{text[:80]!r}…: too long")
    head, semicolon, marker = text.rpartition(";")
    body, markers = (head.strip(), marker.strip()) if semicolon else (text, None)
    digest = None
    if body.startswith(("git+", "https://", "ssh://")):
        repository = body.rpartition("/")[2].partition("@")[0].removesuffix(".git")
        body = f"{repository} @ {body}"
    else:
        pieces = body.split(" --hash=")
        if len(pieces) == 2:
            body, digest = pieces
    try:
        requirement = Requirement(body)
    except InvalidRequirement as error:
        raise Refused(f"{text[:80]!r}: {str(error).splitlines()[0]}") from None
    name = document.name_of(requirement.name)
    sure = manager == "pip"
    if manager == "conda":
        name = conda_name or name
    common: dict[str, Any] = {"extras": sorted(requirement.extras), "markers": markers}
    if requirement.url:
        fields: dict[str, Any] = {**common, **_direct(requirement.url)}
        if "vcs" in fields:
            fields["extras"] = []
    else:
        fields = {
            **common,
            "version": python_version(str(requirement.specifier)) or "*",
            "build": None,
            "conda_channel": None,
            "hash": digest,
        }
    return Dependency(manager, name, category, tuple(fields.items()), text, sure=sure)


def python_version(specifier: str) -> str:
    """``>=1.2, ==1.*`` as conda-lock writes it: sorted, ``===`` as ``==``."""
    return ",".join(sorted(specifier.replace(" ", "").replace("===", "==").split(",")))


def _direct(url: str) -> dict[str, Any]:
    if url.startswith("git+"):
        return repository(url)
    if url.startswith(("https://", "ssh://")):
        address, fragment = urldefrag(url)
        return {"url": address, "hashes": [fragment.replace("=", ":")]}
    if not url.startswith("file://") and "://" in url:
        raise Refused(f"{url[:80]!r}: neither https nor a file")
    raise Refused("a path: conda-lock looks whether it is a folder")


def repository(url: str) -> dict[str, Any]:
    """The fields of a git requirement."""
    address = url.removesuffix(".git").removeprefix("git+")
    revision = subdirectory = None
    if "@" in address:
        pieces = address.split("@")
        if len(pieces) > 3:
            raise Refused(f"{url[:80]!r}: too many @")
        address, revision = "@".join(pieces[:-1]), pieces[-1]
    if revision and "#subdirectory=" in revision:
        revision, _, subdirectory = revision.partition("#subdirectory=")
        if "#subdirectory=" in subdirectory:
            raise Refused(f"{url[:80]!r}: two subdirectories")
    return {"source": address, "vcs": "git", "rev": revision, "subdirectory": subdirectory}


def marker_holds(markers: str | None, platform: str) -> bool:
    """A marker as conda-lock takes it: only the system counts, every other comparison holds. Raises Refused."""
    if markers is None:
        return True
    from packaging.markers import InvalidMarker, Marker

    try:
        parsed = Marker(markers)._markers
    except InvalidMarker:
        raise Refused(f"{markers[:80]!r}: no marker") from None
    values = _MARKER_VALUES.get(platform.partition("-")[0])
    if values is None:
        raise Refused(f"markers have no meaning for {platform}")
    return _holds(parsed, values)


def _holds(parsed: list[Any], values: Mapping[str, str]) -> bool:
    alternatives = [True]
    for item in parsed:
        if item == "or":
            alternatives.append(True)
        elif item != "and":
            alternatives[-1] = alternatives[-1] and (_holds(item, values) if isinstance(item, list) else _compares(item, values))
    return any(alternatives)


def _compares(item: Any, values: Mapping[str, str]) -> bool:
    left, operator, right = (str(getattr(part, "value", part)) for part in item)
    swapped = left not in values and right in values and type(item[2]).__name__ == "Variable"
    variable, wanted = (right, left) if swapped else (left, right)
    if variable not in values:
        return True
    value = values[variable]
    if operator in ("==", "==="):
        return value == wanted
    if operator == "!=":
        return value != wanted
    if operator in ("in", "not in") and not swapped:
        found = value in re.split("[ ,|]+", wanted)
        return found == (operator == "in")
    raise Refused(f"{variable} {operator}: how conda-lock takes it is not known")


# --------------------------------------------------------------------------------------------------------------- channels
def channel(name: str) -> Channel:
    """A channel as conda-lock records it: credentials that are variables are named as such."""
    if "://" not in name:
        return Channel(name)
    parts = urlsplit(name)
    try:
        user, password, host, port = parts.username, parts.password, parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"a channel's address: {error}") from None
    used: set[str] = set()
    sure = True
    if user:
        if user.startswith("$"):
            variable = user.lstrip("$").strip("{}")
            used.add(variable)
            user = f"${{{variable}}}"
            sure = sure and bool(host)
        else:
            sure = False
    if password:
        if password.startswith("$"):
            variable = password.lstrip("$").strip("{}")
            used.add(variable)
            password = f"${{{variable}}}"
        else:
            sure = False
    netloc = parts.netloc
    if used and (user or password):
        place = f"{host or ''}:{port}" if port else host or ""
        netloc = f"{user}:{password}@{place}" if password else f"{user}@{place}"
    path = parts.path
    if (token := _TOKEN.search(path)) and token[2][3:]:
        word = token[2][3:]
        if word.startswith("$"):
            variable = word.lstrip("$").strip("{}")
            used.add(variable)
            path = _TOKEN.sub(lambda match: f"{match[1]}/t/${{{variable}}}{match[3]}", path)
        else:
            sure = False
    url = urlunsplit((parts.scheme, netloc, path, parts.query, parts.fragment))
    return Channel(url, tuple(sorted(used)), sure)
