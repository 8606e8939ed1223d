"""Settings of pip and uv: configuration files in the order in which the tools merge them, then variables.

pip: https://pip.pypa.io/en/stable/topics/configuration/ (global, user, site, PIP_CONFIG_FILE, ``PIP_*``; in a command the
``[global]`` values come before the command's own section, and variables last). uv:
https://docs.astral.sh/uv/concepts/configuration-files/ (system, user, project, ``UV_*``). ``tests/collect/test_installers.py``
holds both orders against the real tools.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from envdoctor.collect import files
from envdoctor.collect.scene import Scene
from envdoctor.collect.toml import line_of, parse, table
from envdoctor.lazy import pattern
from envdoctor.snapshot import Setting, text
from envdoctor.tuples import NamedTuple

Scope = Literal["global", "user", "site", "file", "system", "project", "variable"]
MAX_SETTINGS = 400
MAX_VALUE = 2000
FOLDERS = frozenset(("target", "prefix", "root"))
_USERINFO = pattern(r"(?<=://)([^/@\s]+)@")
_PLAIN_USERS = frozenset(("__token__", "oauth2accesstoken", "vsssessiontoken", "aws", "user", "username", "git", "token"))

PIP_KEYS = frozenset(
    (
        "break-system-packages",
        "build-constraint",
        "constraint",
        "extra-index-url",
        "find-links",
        "ignore-requires-python",
        "index-url",
        "no-binary",
        "no-deps",
        "no-index",
        "only-binary",
        "prefix",
        "proxy",
        "python",
        "require-virtualenv",
        "root",
        "target",
        "trusted-host",
        "user",
    )
)
"""Settings of pip that become facts; all others are nobody's business, and may be secrets."""
UV_VARIABLES: dict[str, tuple[str, str]] = {
    "UV_BREAK_SYSTEM_PACKAGES": ("pip", "break-system-packages"),
    "UV_BUILD_CONSTRAINT": ("", "build-constraint"),
    "UV_CONSTRAINT": ("", "constraint"),
    "UV_DEFAULT_INDEX": ("", "default-index"),
    "UV_EXTRA_INDEX_URL": ("", "extra-index-url"),
    "UV_FIND_LINKS": ("", "find-links"),
    "UV_INDEX": ("", "index"),
    "UV_INDEX_STRATEGY": ("", "index-strategy"),
    "UV_INDEX_URL": ("", "index-url"),
    "UV_INSECURE_HOST": ("", "allow-insecure-host"),
    "UV_NO_BINARY": ("", "no-binary"),
    "UV_NO_INDEX": ("", "no-index"),
    "UV_OVERRIDE": ("", "override"),
    "UV_PROJECT_ENVIRONMENT": ("", "project-environment"),
    "UV_PYTHON": ("", "python"),
    "UV_SYSTEM_PYTHON": ("pip", "system"),
}
"""Variables of uv that are settings, with table and key (https://docs.astral.sh/uv/reference/environment/)."""
UV_KEYS = frozenset(
    (
        "allow-insecure-host",
        "break-system-packages",
        "default-index",
        "extra-index-url",
        "find-links",
        "index",
        "index-strategy",
        "index-url",
        "no-binary",
        "no-binary-package",
        "no-deps",
        "no-index",
        "prefix",
        "python",
        "system",
        "target",
    )
)
UV_ARRAYS = frozenset(("allow-insecure-host", "extra-index-url", "find-links", "index", "no-binary-package"))


class Found(NamedTuple):
    """Settings in merge order, the files that were read, and those that could not be parsed."""

    settings: tuple[Setting, ...]
    files: tuple[str, ...]
    problems: tuple[str, ...]


class Place(NamedTuple):
    """A configuration file: its level, and the path as the file system takes it."""

    scope: Scope
    path: str


def masked(value: str) -> tuple[str, bool]:
    """`value` with the user part of its URLs replaced by ``****``, and whether it held a password or token.

    A bare user name is not a secret unless it looks like a token; a ``${VARIABLE}`` is none.
    """
    secret = False
    for match in _USERINFO.finditer(value):
        user, colon, password = match.group(1).partition(":")
        if colon:
            secret |= bool(password) and not password.startswith(("$", "%", "{", "*"))
        else:
            token = len(user) >= 16 and any(c.isdigit() for c in user) and any(c.isalpha() for c in user)
            secret |= token and user.lower() not in _PLAIN_USERS and not user.startswith(("$", "%", "{"))
    return _USERINFO.sub("****@", value), secret


def readable_by_others(path: str) -> bool:
    """Any user of this machine can read the file: its own bits, and those of every folder that leads to it."""
    if os.name == "nt":
        return False
    path = files.real(path)
    if not (files.mode(path) or 0) & stat.S_IROTH:
        return False
    while path != (parent := os.path.dirname(path)):
        path = parent
        if not (files.mode(path) or 0) & stat.S_IXOTH:
            return False
    return True


def expanded(value: str, home: str | None, cwd: str | None) -> str:
    """A folder setting as an absolute path."""
    if home and (value == "~" or value.startswith("~/")):
        value = home.rstrip("/") + value[1:]
    return os.path.normpath(os.path.join(cwd or "/", value))


def inside(path: str, prefix: str) -> bool:
    """`path` (which need not exist) is the prefix or lies in it, links followed."""
    real, root = files.real(path), files.real(prefix)
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)


def leads_to(path: str, prefix: str) -> bool:
    """An interpreter (or prefix) setting means this target: the path itself, not what its links lead to, lies in it."""
    if files.same(path, prefix):
        return True
    folder = os.path.dirname(path)
    return any(files.same(place, prefix) for place in (folder, os.path.dirname(folder)))


def truthy(value: str) -> bool:
    """A switch is on; anything that is no word for off counts as on."""
    return value.strip().lower() not in ("", "0", "false", "no", "off", "n", "f")


# ------------------------------------------------------------------------------------------------------------------ pip


def pip_files(scene: Scene) -> list[Place]:
    """Files that pip of this target merges, first to last, whether they exist or not. Those below are nearer and win."""
    environ, home = scene.environ, scene.home
    if scene.windows and os.name == "nt":
        name = "pip.ini"
        places = [Place("global", f"{environ.get('PROGRAMDATA', 'C:/ProgramData')}/pip/{name}")]
        user = [f"{home}/pip/{name}"] if home else []
        if environ.get("APPDATA"):
            user.append(f"{environ['APPDATA']}/pip/{name}")
    else:
        name = "pip.ini" if scene.windows else "pip.conf"
        user = [f"{home}/.pip/{name}"] if home else []
        if sys.platform == "darwin":
            places = [Place("global", f"/Library/Application Support/pip/{name}")]
            if scene.prefix.startswith("/opt/homebrew"):
                places.insert(0, Place("global", f"/opt/homebrew/share/pip/{name}"))
            if home:
                support = f"{home}/Library/Application Support/pip"
                user.append(f"{support if files.is_folder(support) else f'{home}/.config/pip'}/{name}")
        else:
            folders = [folder for folder in environ.get("XDG_CONFIG_DIRS", "").split(":") if folder.strip()] or ["/etc/xdg"]
            places = [Place("global", scene.rooted(f"{folder.rstrip('/')}/pip/{name}")) for folder in folders]
            places.append(Place("global", scene.rooted(f"/etc/{name}")))
            config = environ.get("XDG_CONFIG_HOME", "").strip() or (f"{home}/.config" if home else "")
            if config:
                user.append(f"{config.rstrip('/')}/pip/{name}")
    own = environ.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return []
    if scene.target.foreign:
        user, own = [], None
    if not (own and files.exists(own)):
        places += [Place("user", path) for path in user]
    places.append(Place("site", f"{scene.prefix}/{name}"))
    if own:
        places.append(Place("file", own))
    return places


def pip_settings(scene: Scene) -> Found:
    """pip's settings for this target as this shell would start it."""
    rows, seen, problems = _pip_rows(scene)
    overridden = _pip_overridden(rows)
    found = []
    for (place, section, name, value, line), over in zip(rows, overridden, strict=True):
        value = value.strip()
        if value and name in PIP_KEYS:
            found.append(_setting(scene, "pip", place, "global" if section == ":env:" else section, name, value, line, over))
    return Found(tuple(found), tuple(seen), tuple(problems))


_Row = tuple[Place, str, str, str, int | None]
"""Place, section, name, value, line."""


def _pip_rows(scene: Scene) -> tuple[list[_Row], list[str], list[str]]:
    """All that pip's files and variables set, in merge order; the files; those that could not be parsed."""
    rows: list[_Row] = []
    seen, problems = [], []
    for place in pip_files(scene):
        try:
            content = files.read(place.path, 1 << 18)
        except files.Unreadable as error:
            if not error.missing:
                problems.append(f"{text(place.path)}: {error}")
            continue
        seen.append(text(place.path))
        problem = None
        try:
            items = list(_ini(content.data.decode("utf-8")))
        except UnicodeDecodeError:
            problem, items = "not UTF-8", []
        except _Broken as error:
            problem, items = str(error), []
        if problem:
            problems.append(f"{text(place.path)}: {problem}")
        rows += [(place, *item) for item in items[:MAX_SETTINGS]]
    if not scene.target.foreign:
        for key, value in scene.variables("PIP_"):
            name = key[4:].lower().replace("_", "-")
            if name and name not in ("version", "help", "config-file"):
                rows.append((Place("variable", key), ":env:", name, value, None))
    return rows, seen, problems


def _pip_overridden(rows: list[_Row]) -> list[bool]:
    """For each row, whether a later file, a section or a variable sets the same."""
    last: dict[tuple[str, str], int] = {(section, name): number for number, (_, section, name, _, _) in enumerate(rows)}
    found = []
    for number, (_, section, name, _, _) in enumerate(rows):
        over = last[section, name] != number
        later = {"global": ("install", ":env:"), ":env:": ()}.get(section, (":env:",))
        # an empty value in a stronger section counts as none, one in a later file of the same section unsets
        found.append(over or any((other, name) in last and rows[last[other, name]][3].strip() for other in later))
    return found


class _Broken(Exception):
    """An INI file that pip refuses."""


def calm(source: str) -> str:
    """INI text without the long runs of blanks inside a line that make configparser's patterns take quadratic time."""
    return re.sub(r"(?<=\S)[ \t]{2,}", " ", source)


def _ini(source: str) -> Iterator[tuple[str, str, str, int | None]]:
    """Section, name, value and line of an INI file as pip's parser takes it. Raises _Broken."""
    import configparser

    class Parser(configparser.RawConfigParser):
        def optionxform(self, optionstr: str) -> str:
            return optionstr.lower().replace("_", "-").removeprefix("--")

    parser = Parser()
    try:
        parser.read_string(calm(source), "the file")
    except configparser.Error as error:
        raise _Broken(" ".join(str(error).split())[:200]) from None
    lines: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(source.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped[1:].partition("]")[0]
        elif stripped and line[0] not in " \t#;":
            key = re.split(r"[=:]", stripped, maxsplit=1)[0].strip()
            lines.setdefault((section, parser.optionxform(key)), number)
    for section in parser.sections():
        for name, value in parser.items(section):
            if value is not None:
                yield section, name, value, lines.get((section, name), lines.get(("DEFAULT", name)))


# ------------------------------------------------------------------------------------------------------------------- uv


def uv_files(scene: Scene) -> list[Place]:
    """Files that uv merges, weakest first: system, user, and the nearest of the project upwards."""
    environ, home = scene.environ, scene.home
    if scene.target.foreign or truthy(environ.get("UV_NO_CONFIG", "")):
        return []
    if environ.get("UV_CONFIG_FILE"):
        return [Place("file", expanded(environ["UV_CONFIG_FILE"], home, scene.cwd))]
    found = []
    if os.name == "nt":
        system = [f"{environ.get('SYSTEMDRIVE', 'C:')}/ProgramData/uv/uv.toml"]
        config = environ.get("APPDATA", "")
    else:
        system = [f"{folder}/uv/uv.toml" for folder in environ.get("XDG_CONFIG_DIRS", "").split(":") if folder] or [
            "/etc/xdg/uv/uv.toml"
        ]
        system.append("/etc/uv/uv.toml")
        config = environ.get("XDG_CONFIG_HOME", "") or (f"{home}/.config" if home else "")
    found += [Place("system", path) for path in [path for path in system if files.is_file(path)][:1]]
    if config:
        found.append(Place("user", f"{config.rstrip('/')}/uv/uv.toml"))
    start = scene.project_root or scene.cwd
    while start:
        # uv.toml wins over pyproject.toml beside it; a pyproject.toml without [tool.uv] does not stop the search
        if files.is_file(f"{start}/uv.toml"):
            found.append(Place("project", f"{start}/uv.toml"))
            break
        if _has_uv_table(f"{start}/pyproject.toml"):
            found.append(Place("project", f"{start}/pyproject.toml"))
            break
        parent = os.path.dirname(start)
        start = None if parent == start else parent
    return found


def _has_uv_table(path: str) -> bool:
    try:
        return b"tool.uv" in files.read(path, 1 << 20).data
    except files.Unreadable:
        return False


def uv_settings(scene: Scene) -> Found:
    """uv's settings for this target as this shell would start it."""
    rows, seen, problems = _uv_rows(scene)
    found = []
    for (place, section, name, value, line), over in zip(rows[:MAX_SETTINGS], _uv_overridden(rows), strict=False):
        found.append(_setting(scene, "uv", place, section or "global", name, value, line, over))
    return Found(tuple(found), tuple(seen), tuple(problems))


def _uv_rows(scene: Scene) -> tuple[list[_Row], list[str], list[str]]:
    """All that uv's files and variables set, in merge order; the files; those that could not be parsed."""
    rows: list[_Row] = []
    seen, problems = [], []
    for place in uv_files(scene):
        try:
            source = files.read_text(place.path, 1 << 20)
        except files.Unreadable as error:
            if not error.missing or place.scope == "file":
                problems.append(f"{text(place.path)}: {error}")
            continue
        document, problem = parse(source)
        if problem:
            # uv only warns of a pyproject.toml that it cannot parse; the project's own problems name it
            if not place.path.endswith("pyproject.toml"):
                problems.append(f"{text(place.path)}: {problem}")
            continue
        seen.append(text(place.path))
        if place.path.endswith("pyproject.toml"):
            document = table(document, "tool", "uv")
        for section, name, value in _uv_items(document):
            rows.append((place, section, name, value, line_of(source, (name, "url"), value.rpartition("@")[2][:200])))
    if not scene.target.foreign:
        for key, (section, name) in sorted(UV_VARIABLES.items()):
            value = scene.environ.get(key, "")
            if value.strip():
                rows.append((Place("variable", key), section, name, value, None))
    return rows, seen, problems


def _uv_overridden(rows: list[_Row]) -> list[bool]:
    last = {(section, name): number for number, (_, section, name, _, _) in enumerate(rows)}
    return [name not in UV_ARRAYS and last[section, name] != number for number, (_, section, name, _, _) in enumerate(rows)]


class Indexes(NamedTuple):
    """Where pip and uv would take packages from. URLs as configured: they may hold credentials, and are no facts.

    ``""`` stands for the tools' own default, the public index.
    """

    pip: tuple[str, ...] = ("",)
    """The primary index first."""
    uv: tuple[str, ...] = ("",)
    """In uv's order: the default one last."""
    links: tuple[str, ...] = ()
    """``find-links`` of both: folders and pages."""
    no_index: bool = False
    """One of the two may ask no index at all."""
    certificate: str | None = None
    """pip's ``cert``: a file of certificates."""


def _uv_names(scene: Scene) -> dict[str, str]:
    """Names of uv's indexes, by URL."""
    found: dict[str, str] = {}
    for place in uv_files(scene):
        try:
            document, _ = parse(files.read_text(place.path, 1 << 20))
        except files.Unreadable:
            continue
        if place.path.endswith("pyproject.toml"):
            document = table(document, "tool", "uv")
        rows = document.get("index")
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and isinstance(row.get("name"), str) and isinstance(row.get("url"), str):
                found[row["url"]] = row["name"]
    return found


def _signed(scene: Scene, url: str, name: str | None) -> str:
    """An index's URL with the credentials that UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD give it."""
    if name is None or "@" in url.partition("://")[2].partition("/")[0]:
        return url
    from urllib.parse import quote

    head = f"UV_INDEX_{re.sub(r'[^A-Za-z0-9]', '_', name).upper()}_"
    user, password = scene.environ.get(f"{head}USERNAME", ""), scene.environ.get(f"{head}PASSWORD", "")
    if not user and not password:
        return url
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def indexes(scene: Scene) -> Indexes:
    """The package indexes that are configured for this target."""
    rows, _, _ = _pip_rows(scene)
    kept = [
        (name, value.strip())
        for (_, section, name, value, _), over in zip(rows, _pip_overridden(rows), strict=True)
        if not over and value.strip() and section in ("global", "install", ":env:")
    ]
    pip = [value for name, value in kept if name == "index-url"][-1:]
    extra = [word for name, value in kept if name == "extra-index-url" for word in value.split()]
    links = [word for name, value in kept if name == "find-links" for word in value.split()]
    rows, _, _ = _uv_rows(scene)
    of_uv = [(name, value) for (_, _, name, value, _), over in zip(rows, _uv_overridden(rows), strict=True) if not over]
    default = [value for name, value in of_uv if name in ("default-index", "index-url")][-1:]
    words = [word for name, value in of_uv if name in ("index", "extra-index-url") for word in value.split()]
    names = _uv_names(scene)
    names.update({word.partition("=")[2]: word.partition("=")[0] for word in words if "=" in word.partition("://")[0]})
    others = [word.partition("=")[2] if "=" in word.partition("://")[0] else word for word in words]
    others = [_signed(scene, url, names.get(url)) for url in others]
    default = [_signed(scene, url, names.get(url)) for url in default]
    links += [word for name, value in of_uv if name == "find-links" for word in value.replace(",", " ").split()]
    no_index = [value for name, value in (*kept, *of_uv) if name == "no-index" and truthy(value)]
    certificate = next((value for name, value in reversed(kept) if name == "cert"), None)
    return Indexes(
        pip=tuple(dict.fromkeys((*(pip or [""]), *extra))),
        uv=tuple(dict.fromkeys((*others, *(default or [""])))),
        links=tuple(dict.fromkeys(links)),
        no_index=bool(no_index),
        certificate=certificate,
    )


def _uv_items(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Table, key and value of the settings that matter here; an array gives one item for each of its texts."""
    for section, values in (("", document), ("pip", table(document, "pip"))):
        for name in sorted(values):
            value = values[name]
            if name == "index" and isinstance(value, list):
                for item in value:
                    url = item.get("url") if isinstance(item, dict) else None
                    if isinstance(url, str) and item.get("explicit") is not True:
                        yield section, "default-index" if item.get("default") is True else "index", url
            elif name not in UV_KEYS:
                continue
            elif isinstance(value, bool):
                yield section, name, "true" if value else "false"
            elif isinstance(value, str):
                yield section, name, value
            elif isinstance(value, list):
                for item in value:
                    if isinstance(item, str):
                        yield section, name, item


# ---------------------------------------------------------------------------------------------------------------- common


def _setting(
    scene: Scene, tool: Literal["pip", "uv"], place: Place, section: str, name: str, value: str, line: int | None, over: bool
) -> Setting:
    """One setting as a fact: where it comes from, whose folder it names, what must not be shown cut out."""
    shown, secret = masked(value)
    if name == "proxy" and "@" in value:
        # a proxy may come without a scheme
        shown, secret = "****@" + value.rpartition("@")[2], ":" in value.rpartition("@")[0].rpartition("/")[2]
    variable = place.scope == "variable"
    origin = f"variable {place.path}" if variable else f"{text(place.path)}{f':{line}' if line else ''}"
    outside, missing = _points(scene, name, value, place)
    return Setting(
        tool=tool,
        name=name,
        value=text(" ".join(shown.split()))[:MAX_VALUE],
        origin=origin,
        scope=place.scope,
        section=section,
        credentials=secret,
        readable_by_others=secret and not variable and readable_by_others(place.path),
        overridden=over,
        outside_target=outside,
        missing=missing,
    )


def _points(scene: Scene, name: str, value: str, place: Place) -> tuple[bool, bool]:
    """Whether the folder or interpreter that a setting names lies outside the target, and whether a file it names is gone."""
    if scene.target.foreign:
        return False, False
    if name in FOLDERS:
        path = expanded(value, scene.home, scene.cwd)
        if name == "root" and path == "/":
            return False, False
        return not inside(path, scene.prefix), False
    if name == "project-environment":
        return not inside(expanded(value, scene.home, scene.project_root or scene.cwd), scene.prefix), False
    if name == "python":
        path = expanded(value, scene.home, scene.cwd)
        if place.path.startswith("PIP_") or place.scope != "variable" or "/" in value or os.sep in value:
            if not files.exists(path):
                # uv takes versions and names, too; pip takes paths alone
                return False, place.path.startswith("PIP_")
            return not leads_to(path, scene.prefix), False
        return False, False
    if name in ("constraint", "build-constraint"):
        gone = [one for one in value.split() if "://" not in one and not files.exists(expanded(one, scene.home, scene.cwd))]
        return False, bool(gone)
    return False, False


def merged(parts: Iterable[Found]) -> Found:
    """Several tools' findings in one."""
    parts = list(parts)
    return Found(
        tuple(setting for part in parts for setting in part.settings),
        tuple(path for part in parts for path in part.files),
        tuple(problem for part in parts for problem in part.problems),
    )
