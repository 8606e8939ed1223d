"""Settings of conda, mamba and micromamba: .condarc and .mambarc in all their places, then variables.

conda: https://docs.conda.io/projects/conda/en/stable/user-guide/configuration/use-condarc.html (search path, precedence,
``#!final``, ``#!top``, ``#!bottom``). mamba and micromamba read the same files, and a .mambarc beside each.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from envdoctor.collect import files as fs
from envdoctor.collect import watch
from envdoctor.collect.condarc_types import Surroundings, refused, refused_variable
from envdoctor.collect.shell import redact
from envdoctor.data.conda_settings import CALLED, LATER_PAIRS, SETTINGS
from envdoctor.lazy import pattern
from envdoctor.snapshot import CondaConfigFile, CondaSetting, text
from envdoctor.tuples import NamedTuple
from envdoctor.yaml import Broken, Node, Unknown, load

Scope = Literal["system", "root", "user", "prefix", "variable"]
LIMIT = 1 << 20
"""Bytes of a configuration file."""
KEPT = 500
NAMES = {
    "add_pip_as_python_dependency": "add_pip_as_python_dependency",
    "allow_softlinks": "allow_softlinks",
    "allowlist_channels": "allowlist_channels",
    "always_copy": "always_copy",
    "always_softlink": "always_softlink",
    "auto_activate": "auto_activate",
    "auto_activate_base": "auto_activate",
    "channel": "channels",
    "channel_alias": "channel_alias",
    "channel_priority": "channel_priority",
    "channels": "channels",
    "create_default_packages": "create_default_packages",
    "custom_channels": "custom_channels",
    "custom_multichannels": "custom_multichannels",
    "default_channels": "default_channels",
    "denylist_channels": "denylist_channels",
    "envs_dirs": "envs_dirs",
    "envs_path": "envs_dirs",
    "offline": "offline",
    "override_channels_enabled": "override_channels_enabled",
    "path_conflict": "path_conflict",
    "pinned_packages": "pinned_packages",
    "pip_interop_enabled": "pip_interop_enabled",
    "pkgs_dirs": "pkgs_dirs",
    "prefix_data_interoperability": "pip_interop_enabled",
    "register_envs": "register_envs",
    "restore_free_channel": "restore_free_channel",
    "root_prefix": "root_prefix",
    "safety_checks": "safety_checks",
    "ssl_verify": "ssl_verify",
    "subdir": "subdir",
    "track_features": "track_features",
    "verify_ssl": "ssl_verify",
    "whitelist_channels": "allowlist_channels",
}
"""Settings that become facts, by the name and the aliases under which they are written; others are nobody's business."""
VARIABLES = {
    "CHANNELS": ("channels", ","),
    "CHANNEL_PRIORITY": ("channel_priority", None),
    "ENVS_DIRS": ("envs_dirs", os.pathsep),
    "ENVS_PATH": ("envs_dirs", os.pathsep),
    "OFFLINE": ("offline", None),
    "PINNED_PACKAGES": ("pinned_packages", "&"),
    "PIP_INTEROP_ENABLED": ("pip_interop_enabled", None),
    "PKGS_DIRS": ("pkgs_dirs", os.pathsep),
    "PREFIX_DATA_INTEROPERABILITY": ("pip_interop_enabled", None),
    "REGISTER_ENVS": ("register_envs", None),
    "RESTORE_FREE_CHANNEL": ("restore_free_channel", None),
    "SUBDIR": ("subdir", None),
}
"""What follows ``CONDA_`` (and ``MAMBA_``, which mamba and micromamba prefer) in the variable of a setting."""
_FLAG = pattern(r"#!(final|top|bottom)\s*$")
_VARIABLE = pattern(r"\$(?:\{(\w+)\}|(\w+))")


class Place(NamedTuple):
    """Where a configuration file may stand; ``path`` as the file system takes it."""

    scope: Scope
    path: str
    mamba: bool = False


class Read(NamedTuple):
    """Files and settings in merge order: what comes later wins."""

    files: tuple[CondaConfigFile, ...]
    settings: tuple[CondaSetting, ...]


def places(
    environ: Mapping[str, str],
    home: str | None,
    root: str | None,
    prefix: str | None,
    *,
    rooted: Callable[[str], str] = str,
    foreign: bool = False,
) -> list[Place]:
    """All places, the weakest first, whether there is something or not.

    `root` is the installation (``$CONDA_ROOT``), `prefix` the environment. Of a `foreign` environment only what belongs to its
    own machine counts, reached through `rooted`.
    """
    found: list[Place] = []
    if not environ.get("CONDA_RESTRICT_RC_SEARCH_PATH") or foreign:
        for folder in ("C:/ProgramData/conda",) if sys.platform == "win32" else ("/etc/conda", "/var/lib/conda"):
            found += _in(rooted(folder), "system")
        if root:
            found += _in(root, "root")
        if home and not foreign:
            config = environ.get("XDG_CONFIG_HOME")
            for folder in dict.fromkeys((config or f"{home}/.config", f"{home}/.config")):
                if os.path.isabs(folder):
                    found += _in(f"{folder}/conda", "user", mamba=False)
            found += _in(f"{home}/.conda", "user", mamba=False)
            found += [Place("user", f"{home}/.condarc"), Place("user", f"{home}/.mambarc", mamba=True)]
        if prefix and prefix != root:
            found += _in(prefix, "prefix")
    if not foreign:
        for variable in ("CONDARC", "MAMBARC"):
            value = environ.get(variable)
            if value and os.path.isabs(path := expanded(value, environ, home)):
                found += _expand(Place("variable", path, mamba=variable == "MAMBARC"))
    return list({place.path: place for place in found}.values())


def _in(folder: str, scope: Scope, *, mamba: bool = True) -> list[Place]:
    found = [Place(scope, f"{folder}/.condarc"), Place(scope, f"{folder}/condarc")]
    found += _expand(Place(scope, f"{folder}/condarc.d"))
    return [*found, Place(scope, f"{folder}/.mambarc", mamba=True)] if mamba else found


def _expand(place: Place) -> list[Place]:
    """A folder stands for the YAML files in it."""
    if not fs.is_folder(place.path):
        return [] if place.path.endswith("condarc.d") else [place]
    try:
        names = fs.names(place.path)
    except fs.Unreadable:
        return []
    return [Place(place.scope, f"{place.path}/{name}", place.mamba) for name in names if name.endswith((".yml", ".yaml"))][:200]


def expanded(value: str, environ: Mapping[str, str], home: str | None) -> str:
    """`value` with ``~`` and ``$VARIABLE`` filled in; what is not set stays."""
    if home and (value == "~" or value.startswith(("~/", "~\\"))):
        value = home + value[1:]
    if "$" in value:
        value = _VARIABLE.sub(lambda found: environ.get(found[1] or found[2], found[0]), value)
    return value


class _Said(NamedTuple):
    """What one file or variable says of one setting, whether it becomes a fact or not."""

    name: str
    value: str | None
    """Of a scalar."""
    setting: CondaSetting

    @property
    def scalar(self) -> bool:
        """The strongest that is said counts, and nothing else."""
        return not SETTINGS[self.name].kind.startswith(("list", "map")) if self.name in SETTINGS else False


def read(
    found: Iterable[Place],
    environ: Mapping[str, str],
    *,
    cwd: str | None = None,
    variables: bool = True,
) -> Read:
    """What the files at these places and the variables say. Files that are not there are left out."""
    there: list[CondaConfigFile] = []
    said: list[_Said] = []
    around = _around(environ, cwd)
    for place in found:
        try:
            content = fs.read(place.path, LIMIT)
        except fs.Unreadable as error:
            if not error.missing:
                there.append(_file(place, problem=str(error)))
            continue
        if content.cut:
            there.append(_file(place, problem=f"larger than {LIMIT >> 20} MiB"))
            continue
        file, more = _parse(place, content.data, around)
        there.append(file)
        said += more
    if variables:
        said += _variables(environ, around)
    return Read(tuple(there), tuple(_counted(said)[:KEPT]))


def _around(environ: Mapping[str, str], cwd: str | None) -> Surroundings:
    def exists(path: str) -> bool:
        if not os.path.isabs(path):
            return cwd is None or fs.exists(f"{cwd}/{path}")
        return fs.exists(path)

    return Surroundings(lambda value: expanded(value, environ, None), exists)


def _counted(said: list[_Said]) -> list[CondaSetting]:
    """The facts of what is said: a scalar that is overridden is not judged, as conda does not judge it."""
    strongest: dict[str, _Said] = {}
    final: set[str] = set()
    for one in said:
        if one.scalar and not one.setting.mamba and one.name not in final:
            strongest[one.name] = one
            if one.setting.flag == "final":
                final.add(one.name)
    clash = {id(one): why for one, why in _clashes(strongest)}
    facts: list[CondaSetting] = []
    for one in said:
        setting = one.setting
        if setting.refused and one.scalar and not setting.mamba and strongest.get(one.name) is not one:
            setting = msgspec.structs.replace(setting, refused=None)
        elif id(one) in clash and not setting.refused:
            setting = msgspec.structs.replace(setting, refused=clash[id(one)])
        if setting.refused or setting.key in NAMES:
            facts.append(setting)
    return facts


def _clashes(strongest: Mapping[str, _Said]) -> Iterator[tuple[_Said, str]]:
    """Settings that conda takes alone and refuses together."""
    copy, link = strongest.get("always_copy"), strongest.get("always_softlink")
    if copy and link and _on(copy) and _on(link):
        yield link, "is on, and always_copy, too: only one of them can be"
    key, certificate = strongest.get("client_ssl_cert_key"), strongest.get("client_ssl_cert")
    if key and _given(key) and not (certificate and _given(certificate)):
        yield key, "is given without client_ssl_cert"


def _given(one: _Said) -> bool:
    return (one.value or "").strip().lower() not in ("", "none")


def _on(one: _Said) -> bool:
    value = (one.value or "").strip().lower()
    return value in ("true", "yes", "on", "y") or (value.isnumeric() and float(value) != 0)


def _parse(place: Place, data: bytes, around: Surroundings) -> tuple[CondaConfigFile, list[_Said]]:
    """A file's facts from its content."""
    try:
        source = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _file(place, problem="not UTF-8", line=data.count(b"\n", 0, error.start) + 1), []
    try:
        node = load(source)
    except Broken as error:
        return _file(place, problem=str(error), line=error.line), []
    except Unknown as error:
        return _file(place, unread=str(error), line=error.line), []
    if node is None or node.null:
        return _file(place), []
    if not isinstance(node.value, dict):
        what = "a list" if isinstance(node.value, list) else "a text"
        return _file(place, problem=f"{what}, where keys with values are expected", line=node.line), []
    lines = re.split(r"\r\n|\r|\n", source)
    said: list[_Said] = []
    first: dict[str, str] = {}
    for key, value in node.value.items():
        name = CALLED.get(key)
        if name is None and key not in NAMES:
            continue
        wrong = refused(name, value, around) if name else None
        if name is not None:
            other = first.setdefault(name, key)
            if other != key and wrong is None and tuple(sorted((other, key))) not in LATER_PAIRS:
                wrong = f"is another name of {other}, which stands in line {node.keys[other]}: a file can have only one of them"
        if value.null and not wrong:
            continue
        setting = _setting(place, key, value, node.keys[key], lines, wrong)
        said.append(_Said(name or NAMES[key], value.value if isinstance(value.value, str) else None, setting))
    return _file(place, doubled=tuple((text(key), line) for key, line in node.doubled)), said


def _file(
    place: Place,
    problem: str | None = None,
    line: int | None = None,
    unread: str | None = None,
    doubled: tuple[tuple[str, int], ...] = (),
) -> CondaConfigFile:
    return CondaConfigFile(
        path=text(place.path),
        scope=place.scope,
        mamba=place.mamba,
        problem=problem,
        line=line,
        unread=unread,
        doubled=doubled[:20],
    )


def _setting(place: Place, key: str, node: Node, line: int, lines: list[str], wrong: str | None) -> CondaSetting:
    kind: Literal["text", "list", "map"] = "text"
    if isinstance(node.value, dict):
        kind = "map"
        values = [(f"{name}: {_short(item)}", item.line) for name, item in node.value.items()]
    elif isinstance(node.value, list):
        kind = "list"
        values = [(_short(item), item.line) for item in node.value]
    else:
        values = [(node.value, node.line)]
    flag = _FLAG.search(lines[line - 1])
    name = NAMES.get(key) or CALLED[key]
    return CondaSetting(
        name=name,
        key=key,
        kind=kind,
        values=tuple(text(redact(value))[:1000] for value, _ in values[:200]),
        lines=tuple(at for _, at in values[:200]),
        file=text(place.path),
        line=line,
        mamba=place.mamba,
        flag=flag[1] if flag and (kind == "text" or not any(at == line for _, at in values)) else None,  # type: ignore[arg-type]
        missing=_missing(name, [value for value, _ in values]),
        refused=text(redact(wrong)) if wrong else None,
    )


def _short(node: Node) -> str:
    return node.value if isinstance(node.value, str) else str(node.plain)


def _variables(environ: Mapping[str, str], around: Surroundings) -> list[_Said]:
    found: list[_Said] = []
    for start in ("CONDA_", "MAMBA_"):
        for rest, (name, delimiter) in VARIABLES.items():
            value = environ.get(start + rest)
            if not value or not value.strip():
                continue
            values = [part.strip() for part in value.split(delimiter) if part.strip()] if delimiter else [value.strip()]
            wrong = refused_variable(name, value, around) if start == "CONDA_" and name in SETTINGS else None
            setting = CondaSetting(
                name=name,
                key=rest.lower(),
                kind="list" if delimiter else "text",
                values=tuple(text(redact(each))[:1000] for each in values[:200]),
                variable=start + rest,
                mamba=start == "MAMBA_",
                missing=_missing(name, values),
                refused=text(redact(wrong)) if wrong else None,
            )
            found.append(_Said(name, value, setting))
    for variable, value in _of_conda(environ):
        name = CALLED[variable[6:].lower()]
        wrong = refused_variable(name, value, around)
        setting = CondaSetting(
            name=name,
            key=variable[6:].lower(),
            values=(text(redact(value.strip()))[:1000],),
            variable=variable,
            refused=text(redact(wrong)) if wrong else None,
        )
        found.append(_Said(name, value, setting))
    return found


def _of_conda(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variables of settings that are facts only where conda refuses them."""
    if isinstance(environ, watch.Variables):
        pairs = environ.beginning("CONDA_")
    else:
        pairs = sorted(item for item in environ.items() if item[0].startswith("CONDA_"))
    for variable, value in pairs:
        key = variable[6:]
        if key.isupper() and key.lower() in CALLED and key not in VARIABLES and value.strip():
            yield variable, value


def _missing(name: str, values: list[str]) -> tuple[str, ...]:
    """Local channels whose folder is not there."""
    if name not in ("channels", "default_channels"):
        return ()
    found = []
    for value in values[:200]:
        path = value[7:] if value.startswith("file:///") else value if value.startswith("/") else None
        if path and "%" not in path and "$" not in path and not fs.exists(path):
            found.append(text(value)[:1000])
    return tuple(found)


def merged(settings: Iterable[CondaSetting], name: str, *, mamba: bool) -> list[CondaSetting]:
    """The settings of that name that count, the strongest first; a map or list is made of all, of texts the first counts.

    A ``#!final`` one cannot be overridden. With `mamba` the files count that only mamba reads.
    """
    chosen: list[CondaSetting] = []
    for setting in settings:
        if setting.name != name or (setting.mamba and not mamba):
            continue
        chosen.append(setting)
        if setting.flag == "final":
            break
    return chosen[::-1]


def values(settings: Iterable[CondaSetting], name: str, *, mamba: bool) -> tuple[str, ...]:
    """The items of a list setting, merged as conda does, each once."""
    found = [value for setting in merged(settings, name, mamba=mamba) if setting.kind == "list" for value in setting.values]
    return tuple(dict.fromkeys(found))
