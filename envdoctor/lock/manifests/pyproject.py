"""``pyproject.toml``: PEP 621 metadata, dependency groups (PEP 735), and the tables of uv, poetry (1 and 2) and pdm.

Nothing is built: fields that are ``dynamic`` stay unknown. Environments of hatch are not locked by any of the formats and are
left out.
"""

from __future__ import annotations

from typing import Any

from envdoctor.lock.document import decode, maybe, name_of, public, table, toml, word, words
from envdoctor.lock.manifests.poetry_specs import pep440
from envdoctor.lock.manifests.wishes import Lines, of_text
from envdoctor.lock.model import LockError, Manifest, Wish

TOOLS = ("uv", "poetry", "pdm", "hatch", "pixi", "conda-lock", "flit", "setuptools")
MAX_DEPTH = 50
"""Dependency groups that include each other."""
Group = tuple[list[str], list[str]]


def read(data: bytes, path: str) -> Manifest:
    """What the file declares. Raises LockError."""
    source = decode(data)
    document = toml(source)
    manifest = of_document(document, path, source)
    return _with_pixi(manifest, document, source) if "pixi" in manifest.tools else manifest


def _with_pixi(manifest: Manifest, document: dict[str, Any], source: str) -> Manifest:
    """With what ``[tool.pixi]`` says of conda: channels, platforms, packages."""
    import msgspec

    from envdoctor.lock.manifests import pixi

    if not pixi.declares(document):
        return manifest
    try:
        other = pixi.workspace(document, source, pyproject=True)
    except LockError as error:
        return msgspec.structs.replace(manifest, problems=(*manifest.problems, error.placed))
    return msgspec.structs.replace(
        manifest,
        name=manifest.name or other.name,
        channels=other.channels,
        platforms=tuple(dict.fromkeys(other.platforms.values())),
        wishes=(
            *manifest.wishes,
            *(wish for feature in other.features for wish in feature.wishes if wish.manager == "conda"),
        ),
    )


def of_document(document: dict[str, Any], path: str, source: str = "") -> Manifest:
    """What the parsed file declares; `source` gives the lines."""
    lines = Lines(source)
    project = table(document.get("project"), "project")
    tool = table(document.get("tool"), "tool")
    uv, poetry, pdm = (_tool(tool, name) for name in ("uv", "poetry", "pdm"))
    problems: list[str] = []
    wishes: list[Wish] = []
    sources = _uv_sources(uv)
    dynamic = words(project.get("dynamic"), "project.dynamic")

    def take(raw: Any, where: str, group: str | None = None, extra: str | None = None) -> None:
        for index, text in enumerate(words(raw, where)):
            wish = of_text(text, group=group, extra=extra, line=lines.of(text))
            if wish is None:
                problems.append(f"{where}[{index}]: no requirement: {text[:100]!r}")
                continue
            wishes.append(_sourced(wish, sources))

    take(project.get("dependencies"), "project.dependencies")
    extras = table(project.get("optional-dependencies"), "project.optional-dependencies")
    for extra, items in extras.items():
        take(items, f"project.optional-dependencies.{extra}", extra=name_of(extra))
    groups = groups_of(document, problems)
    for group, items in groups.items():
        take(items, f"dependency-groups.{group}", group=group)
    take(uv.get("dev-dependencies"), "tool.uv.dev-dependencies", group="dev")
    named = dict.fromkeys(groups)
    if uv.get("dev-dependencies"):
        named["dev"] = None
    for group, items in table(pdm.get("dev-dependencies"), "tool.pdm.dev-dependencies").items():
        named[name_of(group)] = None
        plain = [item for item in words(items, f"tool.pdm.dev-dependencies.{group}") if not item.startswith("-e")]
        take(plain, f"tool.pdm.dev-dependencies.{group}", group=name_of(group))
    own = _Poetry(poetry, project, lines)
    wishes += own.wishes
    problems += own.problems
    for group in own.groups:
        named[group] = None
    name = maybe(project.get("name"), "project.name") or maybe(poetry.get("name"), "tool.poetry.name")
    return Manifest(
        path=path,
        format="pyproject",
        name=name_of(name) if name is not None else None,
        requires_python=maybe(project.get("requires-python"), "project.requires-python") or own.requires_python,
        wishes=tuple(wishes),
        groups=tuple(named),
        default_groups=_default(tool, uv, tuple(named), own),
        extras=tuple(dict.fromkeys([*map(name_of, extras), *own.extras])),
        dynamic=dynamic,
        tools=tuple(one for one in TOOLS if one in tool),
        problems=tuple(problems),
    )


def _tool(tool: dict[str, Any], name: str) -> dict[str, Any]:
    return table(tool.get(name), f"tool.{name}")


def groups_of(document: dict[str, Any], problems: list[str]) -> dict[str, list[str]]:
    """Dependency groups by normalized name, includes followed (PEP 735)."""
    raw: dict[str, list[Any]] = {}
    for group, items in table(document.get("dependency-groups"), "dependency-groups").items():
        if not isinstance(items, list):
            raise LockError("expected an array", where=f"dependency-groups.{group}")
        raw[name_of(group)] = items

    known: dict[str, list[str]] = {}

    def expanded(group: str, chain: tuple[str, ...]) -> list[str]:
        if group in known:
            return known[group]
        found: dict[str, None] = {}
        for index, item in enumerate(raw[group]):
            if isinstance(item, str):
                found[item] = None
                continue
            other = item.get("include-group") if isinstance(item, dict) else None
            if not isinstance(other, str):
                problems.append(f"dependency-groups.{group}[{index}]: neither a requirement nor an include-group")
                continue
            other = name_of(other)
            if other in chain or len(chain) > MAX_DEPTH:
                problems.append(f"dependency-groups.{group}: includes itself")
            elif other not in raw:
                problems.append(f"dependency-groups.{group}: includes {other}, which is not there")
            else:
                found |= dict.fromkeys(expanded(other, (*chain, other)))
        known[group] = list(found)
        return known[group]

    return {group: expanded(group, (group,)) for group in raw}


# --------------------------------------------------------------------------------------------------------------------- uv
def _uv_sources(uv: dict[str, Any]) -> dict[str, str]:
    """By normalized name where ``[tool.uv.sources]`` takes a package from."""
    found: dict[str, str] = {}
    for name, raw in table(uv.get("sources"), "tool.uv.sources").items():
        texts = [source_text(one) for one in (raw if isinstance(raw, list) else [raw]) if isinstance(one, dict)]
        found[name_of(name)] = " or ".join(texts)
    return found


def source_text(raw: dict[str, Any]) -> str:
    """A source as one text: ``git:URL rev=…``, ``path:…``, ``workspace``, ``index:NAME``."""
    for kind in ("git", "url", "path", "index"):
        if isinstance(raw.get(kind), str):
            more = [
                f" {key}={raw[key]}"
                for key in ("rev", "tag", "branch", "subdirectory", "marker")
                if isinstance(raw.get(key), str)
            ]
            return f"{kind}:{public(raw[kind])}{''.join(more)}"
    return "workspace" if raw.get("workspace") is True else ""


def _sourced(wish: Wish, sources: dict[str, str]) -> Wish:
    source = sources.get(wish.name)
    if not source or wish.source is not None:
        return wish
    import msgspec

    return msgspec.structs.replace(wish, source=source)


def _default(tool: dict[str, Any], uv: dict[str, Any], groups: tuple[str, ...], own: _Poetry) -> tuple[str, ...] | None:
    """Groups that the project's tool installs when nothing is said; None where no table names the tool."""
    if "poetry" in tool:
        return ("", *(group for group in groups if group not in own.optional_groups))
    if "pdm" in tool:
        return ("", *groups)
    return uv_default_groups(uv, groups) if "uv" in tool else None


def uv_default_groups(uv: dict[str, Any], groups: tuple[str, ...]) -> tuple[str, ...]:
    """``[tool.uv] default-groups``: a list or "all"; ``dev`` where nothing is said."""
    said = uv.get("default-groups")
    if said == "all":
        return ("", *groups)
    chosen = {name_of(one) for one in said if isinstance(one, str)} if isinstance(said, list) else {"dev"}
    return ("", *(group for group in groups if group in chosen))


# ----------------------------------------------------------------------------------------------------------------- poetry
class _Poetry:
    """What ``[tool.poetry]`` declares. Where ``[project]`` has dependencies, its own ones only add to those (poetry 2)."""

    def __init__(self, raw: dict[str, Any], project: dict[str, Any], lines: Lines) -> None:
        self.lines = lines
        self.wishes: list[Wish] = []
        self.problems: list[str] = []
        self.groups: list[str] = []
        self.optional_groups: set[str] = set()
        self.requires_python: str | None = None
        extras = table(raw.get("extras"), "tool.poetry.extras")
        self.extras = [name_of(extra) for extra in extras]
        in_extras: dict[str, list[str]] = {}
        for extra, names in extras.items():
            for name in words(names, f"tool.poetry.extras.{extra}"):
                in_extras.setdefault(name_of(name), []).append(name_of(extra))
        main = table(raw.get("dependencies"), "tool.poetry.dependencies")
        python = main.get("python")
        if isinstance(python, dict):
            python = python.get("version")
        if isinstance(python, str):
            self.requires_python = pep440(python) or None
        dynamic = project.get("dynamic")
        dynamic = dynamic if isinstance(dynamic, list) else []
        said = any(key in project and key not in dynamic for key in ("dependencies", "optional-dependencies"))
        if not said:
            self.take(main, "tool.poetry.dependencies", None, in_extras)
        dev = table(raw.get("dev-dependencies"), "tool.poetry.dev-dependencies")
        if dev:
            self.groups.append("dev")
            self.take(dev, "tool.poetry.dev-dependencies", "dev", {})
        for group, settings in table(raw.get("group"), "tool.poetry.group").items():
            own = table(settings, f"tool.poetry.group.{group}")
            name = name_of(group)
            self.groups.append(name)
            if own.get("optional") is True:
                self.optional_groups.add(name)
            where = f"tool.poetry.group.{group}.dependencies"
            self.take(table(own.get("dependencies"), where), where, name, {})

    def take(self, raw: dict[str, Any], where: str, group: str | None, in_extras: dict[str, list[str]]) -> None:
        for name, several in raw.items():
            if name == "python":
                continue
            line = self.lines.of(name)
            for one in several if isinstance(several, list) else [several]:
                given = {"version": one} if isinstance(one, str) else table(one, f"{where}.{name}")
                wish = _poetry_wish(name, given, f"{where}.{name}", group, line)
                extras = in_extras.get(wish.name, []) if given.get("optional") is True else []
                if given.get("optional") is True and not extras and group is None:
                    continue
                import msgspec

                self.wishes += [msgspec.structs.replace(wish, extra=extra) for extra in extras] or [wish]


def _poetry_wish(name: str, given: dict[str, Any], where: str, group: str | None, line: int | None) -> Wish:
    version = maybe(given.get("version"), f"{where}.version")
    spec = pep440(version) if version is not None else ""
    markers = [text for text in (maybe(given.get("markers"), f"{where}.markers"),) if text]
    python = maybe(given.get("python"), f"{where}.python")
    if python is not None:
        markers += _python_marker(pep440(python) or "")
    platform = maybe(given.get("platform"), f"{where}.platform")
    if platform is not None:
        markers.append(f"sys_platform == '{platform}'")
    source = None
    for kind in ("git", "url", "path", "file"):
        if kind in given:
            source = f"{kind}:{public(word(given[kind], f'{where}.{kind}'))}"
            source += "".join(f" {key}={given[key]}" for key in ("rev", "tag", "branch") if isinstance(given.get(key), str))
    if source is None and isinstance(given.get("source"), str):
        source = f"index:{given['source']}"
    return Wish(
        name=name_of(name),
        spec=spec or "",
        text=f"{name} = {version}" if version is not None else name,
        marker=" and ".join(f"({one})" for one in markers) if len(markers) > 1 else markers[0] if markers else None,
        extras=tuple(sorted(map(name_of, words(given.get("extras"), f"{where}.extras")))),
        source=source,
        group=group,
        line=line,
    )


def _python_marker(specifier: str) -> list[str]:
    """A specifier of Python versions as clauses of a marker."""
    found = []
    for part in specifier.split(","):
        digits = part.lstrip("<>=!~")
        operator = part[: len(part) - len(digits)]
        if operator and digits:
            variable = "python_full_version" if digits.rstrip(".*").count(".") > 1 else "python_version"
            found.append(f"{variable} {operator} '{digits.removesuffix('.*')}'")
    return found
