"""Freshness of locks that record nothing of their manifests but the command in their header: requirements files and pylock.toml.

Every requirement of the manifests must be met by an entry within its specifier, no entry may lie outside a constraint, and where
the file says what each entry is there for (``# via -r requirements.in``), both lists of direct requirements have the same names.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping

import msgspec

from envdoctor.lazy import pattern
from envdoctor.lock.document import decode, name_of, toml
from envdoctor.lock.fresh.met import unmet
from envdoctor.lock.manifests import pyproject, requirements_in, setup
from envdoctor.lock.manifests.wishes import of_text
from envdoctor.lock.model import Lock, LockError, Manifest, Wish
from envdoctor.requirements import satisfies, spell
from envdoctor.tuples import NamedTuple

_MANIFEST = pattern(r"\.(?:in|txt|toml|cfg|py)$")
_OPTIONS = """
-o --output-file -c --constraint --constraints --override --overrides -b --build-constraint --build-constraints
-p --python --python-version --python-platform -i --index-url --extra-index-url --index --default-index -f --find-links
--exclude-newer --exclude-newer-package --resolution --prerelease --index-strategy --no-binary --only-binary -P
--upgrade-package --format --annotation-style --custom-compile-command --no-emit-package --unsafe-package --cache-dir -C
--config-setting --config-settings-package --torch-backend --fork-strategy --link-mode --keyring-provider
--allow-insecure-host --trusted-host --directory --project --config-file --extra --group --only-group --no-group --no-extra
--package --resolver --pip-args --cert --client-cert --newline --refresh-package --prune --excludes --no-install-package
"""
_VALUED = frozenset(_OPTIONS.split())
"""Options of uv, pip-compile and exporters that take the next word."""


class Command(NamedTuple):
    """What a header's command says about inputs."""

    sources: tuple[str, ...]
    """Manifests, from the lock's folder."""
    constraints: tuple[str, ...]
    overrides: tuple[str, ...]
    extras: tuple[str, ...]
    groups: tuple[str, ...] | None
    """Those to add; None for the tool's default groups (``uv export``)."""
    all_extras: bool
    main: bool
    """The project's own dependencies are in it."""
    universal: bool
    export: bool
    """From a lock of the project, for the Pythons of the project."""
    python: str | None
    """The Pythons that it was resolved for, where the command says one: ``>=3.11``."""


def command_of(lock: Lock) -> Command | None:
    """The command that made a lock; None where no header tells, or it is none that names manifests."""
    import shlex

    text = dict(lock.recorded).get("command")
    if text is None:
        return None
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    export = words[:2] == ["uv", "export"] or words[:2] in (["pdm", "export"], ["poetry", "export"])
    given: dict[str, list[str]] = {}
    plain: list[str] = []
    index = 0
    while index < len(words):
        word, equals, value = words[index].partition("=")
        index += 1
        if not word.startswith("-"):
            plain.append(words[index - 1])
        elif equals:
            given.setdefault(word, []).append(value)
        elif word in _VALUED and index < len(words):
            given.setdefault(word, []).append(words[index])
            index += 1
        else:
            given.setdefault(word, [])

    def values(*names: str) -> list[str]:
        return [value for name in names for value in given.get(name, ())]

    sources = ["pyproject.toml"] if export else [word for word in plain if _MANIFEST.search(word)]
    if not sources:
        return None
    output = next(iter(values("-o", "--output-file")), None)
    if output is None and words[0] == "pip-compile":
        output = sources[0]
    up = "" if output is None or output.startswith("/") else "../" * posixpath.normpath(output).count("/")

    def placed(paths: list[str]) -> tuple[str, ...]:
        return tuple(path if path.startswith("/") else posixpath.normpath(up + path) for path in paths)

    version = re.search(r"(?<![\d.])(3\.\d{1,3})", " ".join(values("--python-version", "-p", "--python")))
    groups: tuple[str, ...] | None = tuple(name_of(one.rpartition(":")[2]) for one in values("--group", "--only-group"))
    if export and not groups and "--no-dev" not in given and "--no-default-groups" not in given:
        groups = None
    if "--all-groups" in given or "--no-group" in given:
        groups = None
    return Command(
        sources=placed(sources),
        constraints=placed(values("-c", "--constraint", "--constraints")),
        overrides=placed(values("--override", "--overrides")),
        extras=tuple(name_of(part) for value in values("--extra") for part in value.split(",")),
        groups=groups,
        all_extras="--all-extras" in given,
        main="--only-group" not in given and "--only-dev" not in given,
        universal=export or "--universal" in given,
        export=export,
        python=f">={version[1]}" if version is not None else None,
    )


def sources(lock: Lock, here: Collection[str], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The manifests of the header's command, else the one that the lock's name goes with; and what those take in."""
    command = command_of(lock)
    found = [*command.sources, *command.constraints, *command.overrides] if command is not None else []
    if command is None:
        by_name = named_beside(lock, here)
        found = [by_name] if by_name is not None else []
    for name in list(found):
        found += _included(name, files)
    return tuple(dict.fromkeys(found))


def named_beside(lock: Lock, here: Collection[str]) -> str | None:
    """``requirements.in`` of ``requirements.txt``; for pylock.toml pyproject.toml."""
    name = lock.path.rpartition("/")[2]
    if lock.format == "pylock":
        return "pyproject.toml" if name == "pylock.toml" and "pyproject.toml" in here else None
    other = f"{name.rpartition('.')[0]}.in"
    return other if other in here else None


def _included(name: str, files: Mapping[str, bytes], depth: int = 0) -> list[str]:
    """Files that a requirements file takes in, and those that they do."""
    if name not in files or depth > 10 or not name.endswith((".in", ".txt")):
        return []
    try:
        found = list(requirements_in.includes(files[name], name))
    except LockError:
        return []
    return [*found, *(inner for other in found for inner in _included(other, files, depth + 1))]


def judge(lock: Lock, files: Mapping[str, bytes]) -> Lock:
    """The lock with whether it is fresh."""
    command = command_of(lock)
    beside = named_beside(lock, files)
    wanted = command.sources if command is not None else (beside,) if beside is not None else ()
    if not wanted or any(name not in files for name in wanted):
        return lock
    reasons: list[str] = []
    known: list[Wish] = []
    sure = command is not None
    complete = True
    for name in wanted:
        try:
            manifest = read(name, files)
        except LockError:
            return lock
        chosen = _chosen(manifest, command)
        complete = complete and not manifest.problems and not {"dependencies", "optional-dependencies"} & set(manifest.dynamic)
        overridden = {wish.name for other in (command.overrides if command else ()) for wish in _wishes(other, files)}
        overridden |= _overridden(name, files)
        asked = [wish for wish in chosen if wish.name not in overridden and wish.name != manifest.name]
        known += asked
        python = lock.requires_python or (command.python if command is not None else None)
        if command is not None and command.export:
            python = python or manifest.requires_python
        for_all = command is not None and command.universal
        reasons += [f"{name}: {reason}" for reason in unmet(lock, asked, groups=False, universal=for_all, python=python)]
    for name in _constraining(command, wanted, files):
        for wish in _wishes(name, files):
            for entry in lock.packages if wish.marker is None and wish.source is None else ():
                if entry.name == wish.name and entry.version is not None and satisfies(entry.version, wish.spec) is False:
                    reasons.append(f"{name}: {spell(wish.name, (), wish.spec)} is a constraint; the lock has {entry.version}")
    reasons += _annotated(lock, known, wanted, files)
    if reasons:
        fresh = "no" if sure or lock.format == "requirements" else "unknown"
    else:
        fresh = "yes" if complete else "unknown"
    return msgspec.structs.replace(
        lock,
        fresh=fresh,
        freshness_by="requirements" if fresh != "unknown" else "",
        stale_because=tuple(dict.fromkeys(reasons))[:20] if fresh == "no" else (),
    )


def read(name: str, files: Mapping[str, bytes]) -> Manifest:
    """A manifest of any kind that can be compiled, with what it takes in. Raises LockError."""
    if name.endswith(".toml"):
        return pyproject.read(files[name], name)
    if name.endswith((".cfg", ".py")):
        return setup.read(files[name], name)
    return requirements_in.read(files[name], name, files)


def _overridden(name: str, files: Mapping[str, bytes]) -> set[str]:
    """Packages whose requirements ``[tool.uv] override-dependencies`` of a pyproject.toml replaces."""
    if not name.endswith(".toml"):
        return set()
    tool = toml(decode(files[name])).get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    listed = uv.get("override-dependencies") if isinstance(uv, dict) else None
    texts = [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []
    return {wish.name for wish in map(of_text, texts) if wish is not None}


def _wishes(name: str, files: Mapping[str, bytes]) -> tuple[Wish, ...]:
    try:
        return read(name, files).wishes if name in files else ()
    except LockError:
        return ()


def _chosen(manifest: Manifest, command: Command | None) -> list[Wish]:
    """Wishes of the groups and extras that the command asks for."""
    if manifest.format == "requirements-in":
        return list(manifest.wishes)
    found: list[Wish] = []
    default = manifest.default_groups if manifest.default_groups is not None else ("", "dev")
    for wish in manifest.wishes:
        if wish.group is not None:
            groups = command.groups if command is not None else ()
            take = wish.group in (default if groups is None else groups)
        elif wish.extra is not None:
            take = command is not None and (command.all_extras or wish.extra in command.extras)
        else:
            take = command is None or command.main
        if take:
            found.append(wish)
    return found


def _constraining(command: Command | None, wanted: tuple[str, ...], files: Mapping[str, bytes]) -> list[str]:
    """Files of constraints: of the command, and those that manifests name with ``-c``."""
    found = list(command.constraints) if command is not None else []
    todo = list(wanted)
    seen = set(todo)
    while todo:
        name = todo.pop()
        if name not in files or not name.endswith((".in", ".txt")):
            continue
        try:
            every = requirements_in.includes(files[name], name)
            taken = requirements_in.includes(files[name], name, constraints=False)
        except LockError:
            continue
        found += [other for other in every if other not in taken]
        todo += [other for other in taken if other not in seen]
        seen.update(taken)
    return list(dict.fromkeys(found))


def _annotated(lock: Lock, known: list[Wish], wanted: tuple[str, ...], files: Mapping[str, bytes]) -> list[str]:
    """Entries that the lock says are there for a manifest, which does not ask for them (any more), and the other way round."""
    if not lock.wishes:
        return []
    asked = {wish.name for wish in known}
    locked = {entry.name for entry in lock.packages}
    recorded: dict[str, str] = {}
    for wish in lock.wishes:
        recorded.setdefault(wish.name, wish.text)
    reasons = [
        f"the lock has {name} for {text}, which does not ask for it"
        for name, text in recorded.items()
        if name and name not in asked
    ]
    if all(name in files for name in wanted):
        reasons += [
            f"{wish.name} is asked for; the lock has it for other packages only"
            for wish in known
            if wish.name not in recorded and wish.name in locked and wish.source is None and wish.marker is None
        ]
    return reasons
