"""``envdoctor lock`` for Python projects: pylock.toml and requirements with hashes for all platforms, solved by uv.

A project that uses uv keeps its uv.lock: ``uv lock`` makes it. In every other case uv resolves once for all platforms
(``uv pip compile --universal``), the lock that is there is what it prefers, and what it answers is written by us: without
credentials, whole or not at all, and checked by the rules for every platform that was asked for.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from envdoctor.collect import files, toml
from envdoctor.conda.channels import SUBDIRS
from envdoctor.lock import changes as differences
from envdoctor.lock.document import conflict, name_of
from envdoctor.lock.make import here, places, uv
from envdoctor.lock.make.finish import as_document, finish, old_lock, old_text, shown, stripped, without_credentials
from envdoctor.lock.make.options import DEFAULT_PLATFORMS, MakeError, Options

Kind = Literal["pylock", "requirements", "uv"]

_FORMATS = {"pylock": "pylock.toml", "requirements": "requirements.txt"}
_OTHERS = {"poetry.lock": "poetry", "pdm.lock": "pdm", "Pipfile.lock": "pipenv"}
"""Locks of other tools: they make them, not we."""
_VERSION = re.compile(r"3\.\d{1,3}(?:\.\d{1,3})?")
_PLATFORMS = re.compile(r"^# envdoctor: platforms ([a-z0-9, -]+)$", re.MULTILINE)
PATH_VALUE = re.compile(r"(\bpath = )(\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')")
_INDEX_LINE = re.compile(r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--no-index)(?:[ =]\s*(\S+))?\s*(?:#.*)?$")
_CHATTER = ("Using CPython", "Using Python", "Resolved ", "warning: `VIRTUAL_ENV")
_DRY = re.compile(r"^(Add|Remove|Update) (\S+)(?: v(\S+?))?(?: -> v(\S+))?$")


def run(options: Options, manifests: tuple[str, ...]) -> int:
    """Makes the lock that `options` ask for from `manifests` (absolute paths). Raises MakeError with the old lock untouched."""
    folder = os.path.dirname(manifests[0])
    for manifest in manifests:
        _readable(options, manifest)
    kind = kind_of(options, manifests, folder)
    if kind == "uv":
        return _uv_lock(options, manifests, folder)
    path = os.path.normpath(os.path.join(options.cwd, options.output)) if options.output else f"{folder}/{_FORMATS[kind]}"
    if path in manifests:
        raise MakeError(f"{shown(options, path)} is the manifest that it would be made from", "-o names another file")
    _name_fits(kind, path)
    _refuse_conda_options(options)
    previous = old_text(options, path)
    old = old_lock(options, path, previous, kind)
    platforms = platforms_of(options, previous)
    lowest, judged, note = pythons(options, manifests, folder)
    if _has_uv_lock(options, manifests, folder):
        text, heard = _export(options, folder, kind, path)
    else:
        options.say("resolving for all platforms with uv")
        text, heard = _compile(options, manifests, folder, kind, path, previous, lowest)
    text, hosts = without_credentials(text)
    notes = [note] if note else []
    notes += [f"uv: {line}" for line in heard if line.startswith("warning")]
    if hosts:
        where = ", ".join(hosts)
        notes.append(f"credentials for {where} were left out: installers take them from netrc, a keyring or their own settings")
    text = _with_platforms(text, platforms)
    new_names = names_in(text)
    for name in options.update:
        if name_of(name) not in new_names and not (old and any(one.name == name_of(name) for one in old.packages)):
            raise MakeError(f"--update {name}: no package of that name is locked", _near(name, new_names))
    code = finish(
        options,
        path=path,
        text=text,
        format=kind,
        old=old,
        previous=previous,
        platforms=platforms,
        python=judged,
        notes=[*notes, *_local(text, kind)],
    )
    if not options.verify:
        return code
    from envdoctor.lock.make.verify import verify

    indexes = configured_indexes(options, folder)
    return max(code, verify(options, text=text, path=path, format=kind, python=judged, indexes=indexes, folder=folder))


def kind_of(options: Options, manifests: Sequence[str], folder: str) -> Kind:
    """The format of the lock: as asked for, else as the output's name says, else what the project has. Raises MakeError."""
    if options.kind is not None:
        if options.kind not in ("pylock", "requirements", "uv"):
            raise MakeError(f"--kind {options.kind} is made from an environment.yml", "--kind pylock, requirements or uv")
        return options.kind
    if options.output:
        name = os.path.basename(options.output)
        if name == "uv.lock":
            return "uv"
        if name.startswith("pylock.") and name.endswith(".toml"):
            return "pylock"
        if name.endswith((".txt", ".in")):
            return "requirements"
        raise MakeError(f"the name {name} does not say what lock it is", "--kind pylock or requirements says it")
    names = {os.path.basename(path) for path in manifests}
    if names == {"pyproject.toml"}:
        document, _ = toml.load(manifests[0])
        tool = toml.table(document, "tool")
        if files.exists(f"{folder}/uv.lock") or _managed(tool.get("uv")):
            return "uv"
        for name, owner in _OTHERS.items():
            if files.exists(f"{folder}/{name}"):
                raise MakeError(
                    f"{name} in {shown(options, folder) or '.'} is made by {owner}",
                    f"{owner} lock brings it up to date; --kind pylock makes a pylock.toml beside it",
                )
    there = {kind for kind, name in _FORMATS.items() if files.exists(f"{folder}/{name}")}
    if there == {"requirements"} and _is_lock(f"{folder}/requirements.txt"):
        return "requirements"
    return "pylock"


def _managed(table: object) -> bool:
    """``[tool.uv]`` of a project that uv manages: more than settings of its pip interface."""
    return isinstance(table, dict) and table.get("managed") is not False and set(table) != {"pip"}


def platforms_of(options: Options, previous: str | None) -> tuple[str, ...]:
    """The platforms that the lock is for: those asked for, those of the lock that is there, else the usual ones and this one."""
    asked = options.platforms
    for platform in asked:
        if platform not in SUBDIRS or places.system_of(platform) is None:
            raise MakeError(
                f"--platform {platform}: no platform that Python packages are built for", "linux-64, osx-arm64, win-64 …"
            )
    if not asked and previous is not None:
        found = _PLATFORMS.search(previous)
        asked = tuple(word for word in re.split(r"[ ,]+", found[1]) if word in SUBDIRS) if found else ()
    if not asked:
        own = places.subdir(options.machine) if options.machine is not None else here.subdir()
        asked = (*DEFAULT_PLATFORMS, *([own] if own is not None else []))
    return tuple(sorted(set(asked)))


def pythons(options: Options, manifests: Sequence[str], folder: str) -> tuple[str, str, str | None]:
    """The lowest Python that is resolved for (X.Y or X.Y.Z), the one that wheels are judged for, and what should be said."""
    wanted = options.python
    if wanted is not None and not _VERSION.fullmatch(wanted):
        raise MakeError(f"--python-version {wanted}: no version of Python 3", "--python-version 3.12")
    pinned = _pin(folder)
    requires = next((found for found in map(_requires_python, manifests) if found), None)
    lowest = lowest_python(requires) if requires else None
    if requires and lowest is None:
        raise MakeError(f"requires-python {requires} in {shown(options, manifests[0])} leaves no Python 3")
    if wanted is None and lowest is None and pinned is None:
        own = _this_python()
        return own, own, f"nothing says which Python the lock is for: it is for {own} and later (--python-version X.Y)"
    low = wanted or lowest or pinned or ""
    judged = wanted or pinned or low
    if requires and not _allows(requires, judged):
        judged = low
    return low, judged, None


def lowest_python(requires: str) -> str | None:
    """The lowest Python 3 that a ``requires-python`` allows: X.Y, or X.Y.Z where X.Y.0 is too low; None where there is none."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        wanted = SpecifierSet(requires)
    except InvalidSpecifier:
        return None
    for minor in range(100):
        if wanted.contains(f"3.{minor}.0"):
            return f"3.{minor}"
        for patch in range(1, 60):
            if wanted.contains(f"3.{minor}.{patch}"):
                return f"3.{minor}.{patch}"
    return None


def _allows(requires: str, version: str) -> bool:
    from envdoctor.requirements import satisfies

    return version.count(".") < 2 or satisfies(version, requires) is not False


# ---------------------------------------------------------------------------------------------------------------------- uv


def _compile(
    options: Options,
    manifests: Sequence[str],
    folder: str,
    kind: Literal["pylock", "requirements"],
    path: str,
    previous: str | None,
    python: str,
) -> tuple[str, list[str]]:
    """The lock's text as uv makes it, and what uv warned of. The lock that is there is only read."""
    program = uv.find(options.environ)
    inputs = [os.path.relpath(one, folder) for one in manifests]
    words = ["pip", "compile", "--universal", "--generate-hashes", "--format", _FORMATS[kind], "--python-version", python]
    for extra in options.extras:
        words += ["--extra", extra]
    for group in options.groups:
        words += ["--group", group]
    told = [*inputs, "-o", os.path.relpath(path, folder)]
    command = " ".join(["uv", *words, *told])
    if options.upgrade:
        words.append("--upgrade")
    for name in options.update:
        words += ["--upgrade-package", name]
    if options.offline:
        words.append("--offline")
    words += [*_interpreter(options), *configured_indexes(options, folder)]
    words += ["--custom-compile-command", command]
    with tempfile.TemporaryDirectory(prefix="envdoctor-lock-") as scratch:
        scratch = os.path.realpath(scratch)
        target = Path(scratch, os.path.basename(path))
        if previous is not None and not options.upgrade:
            target.write_bytes(_moved(previous, os.path.dirname(path), scratch).encode())
        heard: list[str] = []
        _uv(options, program, [*words, *inputs, "-o", str(target)], folder, inputs[0], heard)
        text = target.read_text(encoding="utf-8")
    text = _moved(text, scratch, os.path.dirname(path))
    if kind == "requirements":
        text = _with_indexes(text, manifests, options)
    return text, heard


def _has_uv_lock(options: Options, manifests: Sequence[str], folder: str) -> bool:
    """The project's uv.lock decides what is in its other locks."""
    names = [os.path.basename(one) for one in manifests]
    if names != ["pyproject.toml"] or not files.exists(f"{folder}/uv.lock"):
        return False
    for name, value in (("--update", options.update), ("--upgrade", options.upgrade), ("--python-version", options.python)):
        if value:
            raise MakeError(
                f"{name}: what is locked is uv.lock's to say here", "envdoctor lock --kind uv changes that, then this"
            )
    return True


def _export(options: Options, folder: str, kind: Literal["pylock", "requirements"], path: str) -> tuple[str, list[str]]:
    """The lock's text out of uv.lock, so that the two agree, and what uv warned of."""
    program = uv.find(options.environ)
    words = ["export", "--format", _FORMATS[kind], "--no-emit-project", "--no-default-groups"]
    for extra in options.extras:
        words += ["--extra", extra]
    for group in options.groups:
        words += ["--group", group]
    command = " ".join(["uv", *words, "-o", os.path.relpath(path, folder)])
    words += ["--locked", "--no-header", *(["--offline"] if options.offline else [])]
    words += [*_interpreter_for(options, f"{folder}/pyproject.toml"), *configured_indexes(options, folder)]
    heard: list[str] = []
    options.say("uv export")
    text = _uv(options, program, words, folder, "uv.lock", heard)
    head = f"# This file was autogenerated by uv via the following command:\n#    {command}\n"
    return head + _moved(text, folder, os.path.dirname(path)), heard


def _uv(options: Options, program: str, words: Sequence[str], folder: str, manifest: str, heard: list[str]) -> str:
    """Runs uv and returns its stdout; raises MakeError with its explanation."""
    try:
        return uv.run(program, words, environ=options.environ, cwd=folder, heard=heard.extend)
    except uv.UvError as error:
        lines = [one.replace(options.cwd + os.sep, "") for one in error.lines if not one.startswith(_CHATTER)] or ["uv failed"]
        hint = None
        joined = " ".join(lines)
        lines = [one for one in lines if not one.startswith("hint:")] or lines
        if "--locked" in words and "needs to be updated" in joined:
            hint = "envdoctor lock --kind uv brings it up to date"
        elif options.offline:
            hint = "without --offline uv asks the package index"
        elif re.search(r"dns error|tcp connect|connection refused|error sending request|timed out", joined, re.IGNORECASE):
            hint = "is the package index reachable? --index-url names another one, --offline does with the cache"
        elif "--python" not in words:
            hint = "--python PATH names an interpreter that the project takes"
        elif re.search(r"\b40[13]\b|Unauthorized|Forbidden", joined):
            hint = "the index asks for credentials: netrc, a keyring, or uv auth login"
        raise MakeError(f"{manifest}: {lines[0]}", hint, tuple(lines[1:])) from None


def _interpreter(options: Options) -> list[str]:
    """``--python`` for uv: the one that was named, else this process's own."""
    if options.interpreter:
        return ["--python", os.path.join(options.cwd, options.interpreter)]
    return uv.interpreter()


def _interpreter_for(options: Options, manifest: str) -> list[str]:
    """The same for a project: where its requires-python does not take this process's Python, uv looks for one."""
    from envdoctor.requirements import satisfies

    requires = _requires_python(manifest)
    if not options.interpreter and requires and satisfies(f"{_this_python()}.99", requires) is False:
        return []
    return _interpreter(options)


def configured_indexes(options: Options, folder: str) -> list[str]:
    """uv's options for the indexes: those of the command line, else uv's own settings; where those name none, pip's."""
    from envdoctor.collect import settings
    from envdoctor.collect.scene import Scene
    from envdoctor.snapshot import Target

    if options.index_urls:
        return uv.index_options(options.environ, options.index_urls)
    prefix = options.environ.get("VIRTUAL_ENV") or f"{folder}/.venv"
    target = Target(prefix=prefix, kind="unknown", chosen_by="the project")
    scene = Scene(
        target=target,
        prefix=prefix,
        environ=options.environ,
        cwd=options.cwd,
        home=options.home,
        project_root=folder,
        probe=False,
    )
    configured = settings.indexes(scene)
    if configured.uv != ("",):
        return []
    primary, *others = configured.pip
    web = [url for url in others if url.startswith(("http://", "https://"))]
    words = ["--default-index", primary] if primary.startswith(("http://", "https://")) else []
    words += [word for url in web for word in ("--index", url)]
    return [*words, "--index-strategy", "unsafe-best-match"] if web else words


def _uv_lock(options: Options, manifests: Sequence[str], folder: str) -> int:
    """uv.lock is uv's: ``uv lock`` makes it, here it is compared and checked."""
    if [os.path.basename(path) for path in manifests] != ["pyproject.toml"]:
        raise MakeError("uv.lock is made from a pyproject.toml", "-f pyproject.toml, or --kind pylock")
    for name, value in (("--group", options.groups), ("--extra", options.extras)):
        if value:
            raise MakeError(f"{name}: uv.lock holds all groups and extras", "leave it out, or --kind pylock for a lock of some")
    _refuse_conda_options(options)
    path = f"{_workspace(folder)}/uv.lock"
    if options.output and os.path.realpath(os.path.join(options.cwd, options.output)) != os.path.realpath(path):
        raise MakeError(f"uv writes uv.lock beside pyproject.toml, not {options.output}", "--kind pylock for a lock elsewhere")
    platforms = platforms_of(options, None)
    _, judged, _ = pythons(options, manifests, folder)
    previous = old_text(options, path)
    old = old_lock(options, path, previous, "uv")
    words = ["lock", *_interpreter_for(options, manifests[0]), *configured_indexes(options, folder)]
    if options.upgrade:
        words.append("--upgrade")
    for name in options.update:
        words += ["--upgrade-package", name]
    if options.offline:
        words.append("--offline")
    program = uv.find(options.environ)
    options.say("uv lock")
    heard: list[str] = []
    name = shown(options, manifests[0])
    if options.dry_run and options.verify:
        raise MakeError("--verify installs uv.lock, and --dry-run writes none", "give one of the two")
    if options.dry_run:
        _uv(options, program, [*words, "--dry-run"], folder, name, heard)
        return _told(options, path, heard)
    try:
        _uv(options, program, words, folder, name, heard)
        text = Path(path).read_text(encoding="utf-8")
        _, hosts = without_credentials(text)
        if hosts:
            raise MakeError(
                f"uv.lock would hold credentials for {', '.join(hosts)}",
                "a URL in pyproject.toml holds them: leave them out there, uv takes them from netrc, a keyring or uv auth login",
            )
        if options.update and previous is not None:
            known = names_in(text) | names_in(previous)
            for one in options.update:
                if name_of(one) not in known:
                    raise MakeError(f"--update {one}: no package of that name is locked", _near(one, known))
    except BaseException:
        _restore(options, path, previous)
        raise
    warned = [f"uv: {line}" for line in heard if line.startswith("warning")]
    code = finish(
        options,
        path=path,
        text=text,
        format="uv",
        old=old,
        previous=previous,
        platforms=platforms,
        python=judged,
        notes=warned,
        done=True,
    )
    if not options.verify:
        return code
    from envdoctor.lock.make.verify import verify

    indexes = configured_indexes(options, folder)
    return max(code, verify(options, text=text, path=path, format="uv", python=judged, indexes=indexes, folder=folder))


def _workspace(folder: str) -> str:
    """The folder that uv.lock stands in: the project's, or that of the workspace that it is a member of."""
    if files.exists(f"{folder}/uv.lock"):
        return folder
    document, _ = toml.load(f"{folder}/pyproject.toml")
    if toml.table(document, "tool", "uv", "workspace"):
        return folder
    above = os.path.dirname(folder)
    while above != os.path.dirname(above):
        document, _ = toml.load(f"{above}/pyproject.toml")
        table = toml.table(document, "tool", "uv", "workspace")
        if table:
            return above if _member(table, os.path.relpath(folder, above)) else folder
        above = os.path.dirname(above)
    return folder


def _member(table: Mapping[str, Any], path: str) -> bool:
    """The workspace takes that folder for a member."""
    import fnmatch

    def any_of(key: str) -> bool:
        patterns = table.get(key)
        return isinstance(patterns, list) and any(
            isinstance(one, str) and fnmatch.fnmatch(path, one.rstrip("/").removeprefix("./")) for one in patterns
        )

    return any_of("members") and not any_of("exclude")


def _restore(options: Options, path: str, previous: str | None) -> None:
    """What uv did to its lock is taken back."""
    try:
        now = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        now = None
    if previous is not None and now != previous:
        options.write(path, previous)
    elif previous is None and now is not None and not options.upgrade:
        Path(path).unlink()


def _told(options: Options, path: str, heard: Sequence[str]) -> int:
    """What ``uv lock --dry-run`` says would change, in our words."""
    made = []
    for line in heard:
        found = _DRY.match(line.strip())
        if found is None:
            continue
        verb, name, first, second = found.groups()
        if verb == "Update":
            order = differences.order("pypi", first or "", second or "")
            kind: differences.Kind = "other" if not order else "up" if order < 0 else "down"
            made.append(differences.Change(kind=kind, manager="pypi", name=name, before=first, after=second))
        elif verb == "Add":
            made.append(differences.Change(kind="added", manager="pypi", name=name, after=first))
        else:
            made.append(differences.Change(kind="removed", manager="pypi", name=name, before=first))
    made.sort(key=lambda one: (differences.KINDS.index(one.kind), one.name))
    changes = differences.Changes(changes=tuple(made), total=len(made))
    dirty = bool(made) or any("Lockfile changes detected" in line for line in heard)
    if options.json:
        import json

        document = {"schema_version": 1, "lock": shown(options, path), "format": "uv", "written": False, "dry_run": True}
        options.show(json.dumps({**document, "would_change": dirty, **as_document(changes)}, indent=2) + "\n")
        return 0
    words = differences.counts(changes) if made else "only its metadata" if dirty else "no changes"
    lines = [f"{shown(options, path)} {'would change' if dirty else 'is up to date'}: {words}"]
    options.show("\n".join([*lines, *(f"  {line}" for line in differences.lines(changes))]) + "\n")
    return 0


# -------------------------------------------------------------------------------------------------------- what uv leaves us


def _moved(text: str, old: str, new: str) -> str:
    """Relative paths of a pylock.toml that stood in folder `old`, for folder `new`."""

    def move(match: re.Match[str]) -> str:
        import json

        raw = match[2]
        try:
            value = raw[1:-1] if raw[0] == "'" else json.loads(raw)
        except ValueError:
            return match[0]
        if "://" in value:
            return match[0]
        moved = os.path.relpath(os.path.normpath(os.path.join(old, value)), new).replace(os.sep, "/")
        return f"{match[1]}{json.dumps(moved, ensure_ascii=False)}"

    return PATH_VALUE.sub(move, text) if old != new else text


def _with_platforms(text: str, platforms: Sequence[str]) -> str:
    """The header says which platforms the lock was checked for, so that the next run asks for the same."""
    head, rest = [], text.split("\n")
    while rest and rest[0].startswith("#"):
        head.append(rest.pop(0))
    head = [line for line in head if not _PLATFORMS.match(line)]
    return "\n".join([*head, f"# envdoctor: platforms {', '.join(platforms)}", *rest])


def _with_indexes(text: str, manifests: Sequence[str], options: Options) -> str:
    """Index options of the manifests at the top of a requirements file: its hashes are of what those indexes have."""
    found: dict[str, None] = {}
    for path in manifests:
        if path.endswith(".toml"):
            continue
        for line in _lines(path):
            match = _INDEX_LINE.match(line)
            if match is not None and (match[2] is not None) != (match[1] == "--no-index"):
                name = {"-i": "--index-url", "-f": "--find-links"}.get(match[1], match[1])
                value = match[2] or ""
                if "$" in value:
                    value = re.sub(r"(?<=://)[^/@\s]*\$\{[^/@\s]*@", "", value)
                found[f"{name} {stripped(value)}".strip()] = None
    if options.index_urls:
        found = {f"--index-url {stripped(options.index_urls[0])}": None}
        found.update({f"--extra-index-url {stripped(url)}": None for url in options.index_urls[1:]})
    if not found:
        return text
    head, rest = [], text.split("\n")
    while rest and rest[0].startswith("#"):
        head.append(rest.pop(0))
    return "\n".join([*head, *found, "", *rest])


def _local(text: str, kind: str) -> list[str]:
    """What of the lock only this machine has, as notes."""
    if kind == "pylock":
        local = [match[2][1:-1] for match in PATH_VALUE.finditer(text)]
    else:
        local = re.findall(r"^(?:-e )?(\.{1,2}(?=\s|$)|\.{0,2}/\S+|file:\S+)", text, re.MULTILINE)
        local += re.findall(r" @ (file:\S+)", text)
    return [f"{path} is a path: who installs from the lock needs it, too" for path in dict.fromkeys(local)]


def names_in(text: str) -> set[str]:
    """Normalized names of the packages in the text of a lock that uv made."""
    found = re.findall(r"^name = \"([^\"\n]+)\"$", text, re.MULTILINE)
    found += re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]\n]*\])?(?:==| @ )", text, re.MULTILINE)
    return {name_of(name) for name in found}


# -------------------------------------------------------------------------------------------------------------- the project


def _requires_python(path: str) -> str | None:
    """``requires-python`` of a pyproject.toml, or poetry's ``python``."""
    if os.path.basename(path) != "pyproject.toml":
        return None
    document, _ = toml.load(path)
    value = toml.table(document, "project").get("requires-python")
    if value is None:
        from envdoctor.lock.manifests.poetry_specs import pep440

        poetry = toml.table(document, "tool", "poetry", "dependencies").get("python")
        value = pep440(poetry) if isinstance(poetry, str) else None
    return value if isinstance(value, str) and value.strip() else None


def _readable(options: Options, path: str) -> None:
    """Raises MakeError, with the place, for a manifest that is no file, or in which nothing can be read."""
    name = shown(options, path)
    try:
        content = files.read(path, 16 << 20)
    except files.Unreadable as error:
        raise MakeError(f"{name}: {error}") from None
    line = conflict(content.data)
    if line is not None:
        raise MakeError(f"{name}:{line}: merge-conflict markers: the file was merged by hand and not finished")
    if path.endswith(".toml"):
        _, problem = toml.load(path)
        if problem:
            found = re.search(r" ?\(at line (\d+), column \d+\)$", problem)
            raise MakeError(f"{name}:{found[1]}: {problem[: found.start()]}" if found else f"{name}: {problem}")


def _pin(folder: str) -> str | None:
    """The version in .python-version, where it is one."""
    try:
        words = files.read_text(f"{folder}/.python-version", 4096).split()
    except files.Unreadable:
        return None
    word = words[0].removeprefix("cpython-").removeprefix("python") if words else ""
    return word if _VERSION.fullmatch(word) else None


def _lines(path: str) -> list[str]:
    try:
        return files.read_text(path, 1 << 20).splitlines()
    except files.Unreadable:
        return []


def _is_lock(path: str) -> bool:
    """A requirements.txt that a tool has made, or that has hashes."""
    from envdoctor.lock.formats import format_of

    try:
        data = files.read(path, 1 << 24).data
    except files.Unreadable:
        return False
    return format_of(os.path.basename(path), data) == "requirements"


def _name_fits(kind: str, path: str) -> None:
    name = os.path.basename(path)
    if kind == "pylock" and not re.fullmatch(r"pylock(\.[^.]+)?\.toml", name):
        raise MakeError(f"{name} is no name for a pylock file", "pylock.toml or pylock.NAME.toml (PEP 751)")
    if kind == "requirements" and name.endswith(".toml"):
        raise MakeError(f"{name} is no name for a requirements file", "requirements.txt")


def _refuse_conda_options(options: Options) -> None:
    """Options that mean nothing here are told, not passed over."""
    given: Mapping[str, Any] = {
        "--virtual-package": options.virtual_packages,
        "--virtual-package-spec": options.virtual_package_file,
        "--channel": options.channels,
        "--backend conda-lock": options.backend == "conda-lock",
    }
    for name, value in given.items():
        if value:
            raise MakeError(f"{name} is for locks that are made from an environment.yml", "leave it out")


def _near(name: str, known: set[str]) -> str | None:
    import difflib

    near = difflib.get_close_matches(name_of(name), sorted(known), 1)
    return f"did you mean {near[0]}?" if near else None


def _this_python() -> str:
    import sys

    return f"{sys.version_info.major}.{sys.version_info.minor}"
