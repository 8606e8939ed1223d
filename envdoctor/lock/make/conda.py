"""From environment.yml (several, or pyproject.toml's ``[tool.conda-lock]``) to conda-lock.yml, for all platforms together."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from envdoctor.collect import files
from envdoctor.conda.channels import SUBDIRS
from envdoctor.formats.text import safe
from envdoctor.lazy import pattern
from envdoctor.lock import conda_hash, conda_spec, conda_virtual, document
from envdoctor.lock.make import channels, entries, solver, virtual
from envdoctor.lock.make.finish import finish, old_lock, old_text, shown
from envdoctor.lock.make.options import DEFAULT_PLATFORMS, MakeError, Options
from envdoctor.lock.make.records import Record, Resolved, held
from envdoctor.lock.model import Lock, Locked
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.lock.make import pip_section

USUAL = "conda-lock.yml"
EXPLICIT = "conda-{platform}.lock"
MAX_MANIFEST = 4 << 20
MAX_THREADS = 8
_EDITABLE = pattern(rb"^\s*-\s+[\"']?(-e\s[^\n\"'#]*[^\s\"'#])", re.MULTILINE)
_ONLY = pattern(rb"^\s*allow-pypi-requests\s*[:=]\s*(?:false|False|no|off)\b", re.MULTILINE)


class Wanted(NamedTuple):
    """One requirement on one platform."""

    name: str
    text: str
    """A MatchSpec, or a PEP 508 requirement."""
    category: str
    place: str
    """FILE:LINE, for messages."""


class Part(NamedTuple):
    """What is wanted on one platform."""

    conda: tuple[Wanted, ...]
    pip: tuple[Wanted, ...]


class Plan(NamedTuple):
    """Everything that is known before anything is solved."""

    path: str
    previous: str | None
    old: Lock | None
    platforms: tuple[str, ...]
    """Those that are solved for."""
    kept: tuple[str, ...]
    """Others, whose entries stay as they are in the lock that is there."""
    asked: conda_spec.Specification
    parts: dict[str, Part]
    channels: tuple[channels.Place, ...]
    repositories: tuple[channels.Place, ...]
    indexes: tuple[str, ...]
    """uv's options for package indexes."""
    virtual: virtual.Virtuals
    notes: tuple[str, ...]
    moved: bool = False
    """The channels are others than the old lock's: what it has is not preferred."""
    olds: Mapping[str, Lock] = {}
    """Old locks of single platforms."""


def run(options: Options, manifests: Sequence[str]) -> int:
    """Makes the lock of `manifests` (absolute paths). Raises MakeError, the lock that is there untouched."""
    _refuse_python_options(options)
    explicit = options.kind == "explicit"
    folder = os.path.dirname(manifests[0])
    path = os.path.abspath(os.path.join(options.cwd, options.output or os.path.join(folder, USUAL)))
    if not options.dry_run and not files.is_folder(os.path.dirname(path)):
        raise MakeError(f"cannot write {safe(path)}: there is no folder {safe(os.path.dirname(path))}", "make the folder first")
    previous = None if explicit else old_text(options, path)
    old = old_lock(options, path, previous, "conda-lock")
    if options.backend == "conda-lock":
        if explicit:
            raise MakeError("--backend conda-lock makes conda-lock.yml", "conda-lock render --kind explicit renders that")
        return _by_conda_lock(options, manifests, path, previous, old)
    solver.available()
    plan = _plan(options, manifests, path, previous, old)
    if explicit:
        return _explicit(options, plan, folder)
    answer = _solved(options, plan)
    made, notes = _entries(options, plan, answer)
    text = _text(manifests, plan, made)
    python = next((record.version for record in answer.records[plan.platforms[0]] if record.name == "python"), None)
    return _finish(options, plan.path, text, old, previous, plan.platforms, python, (*plan.notes, *notes))


def _refuse_python_options(options: Options) -> None:
    """Options that mean nothing here are told, not passed over."""
    for name, value, hint in (
        ("--group", options.groups, "in conda-lock.yml a category is a file of its own: category: NAME"),
        ("--extra", options.extras, "in conda-lock.yml a category is a file of its own: category: NAME"),
        ("--python-version", options.python, "python=X.Y in the manifest says which Python"),
    ):
        if value:
            raise MakeError(f"{name} is for locks of Python projects", hint)


def _explicit(options: Options, plan: Plan, folder: str) -> int:
    """``--kind explicit``: a file for each platform, with the names that conda-lock gives them."""
    from envdoctor.lock import formats, write
    from envdoctor.lock.make import here, install

    own = here.subdir()
    if options.verify and own not in plan.platforms:
        raise MakeError(f"--verify: no file is made for {own}, which is this machine's", "--platform takes it in")
    if options.output is not None and len(plan.platforms) > 1 and "{platform}" not in options.output:
        raise MakeError(
            f"-o {safe(options.output)}: an @EXPLICIT file is for one platform",
            f"--platform {plan.platforms[0]}, or -o 'conda-{{platform}}.lock'",
        )
    name = options.output or os.path.join(folder, EXPLICIT)
    paths = {
        platform: os.path.abspath(os.path.join(options.cwd, name.replace("{platform}", platform))) for platform in plan.platforms
    }
    texts = {platform: old_text(options, path) for platform, path in paths.items()}
    olds = {platform: old_lock(options, paths[platform], text, "explicit") for platform, text in texts.items()}
    plan = plan._replace(olds={platform: lock for platform, lock in olds.items() if lock is not None})
    answer = _solved(options, plan)
    made, notes = _entries(options, plan, answer)
    code = 0
    for number, platform in enumerate(plan.platforms):
        header = ["Generated by envdoctor.", f"input_hash: {_hashes(plan)[platform]}"]
        wanted = [entry for entry in made if any(where == platform for _, where in entry.places)]
        text = write.explicit(wanted, platform=platform, header=header)
        told = (*plan.notes, *notes) if number == 0 else ()
        code = max(
            code,
            finish(
                options,
                path=paths[platform],
                text=text,
                format="explicit",
                old=olds[platform],
                previous=texts[platform],
                platforms=[platform],
                notes=told,
            ),
        )
        if options.verify and platform == own:
            lock = formats.read(text.encode(), os.path.basename(paths[platform]), "explicit")
            code = max(code, install.verify(options, lock, paths[platform], text, platform))
    return code


# -------------------------------------------------------------------------------------------------------------- what is asked


def _plan(options: Options, manifests: Sequence[str], path: str, previous: str | None, old: Lock | None) -> Plan:
    data = {manifest: _read(options, manifest) for manifest in manifests}
    platforms, kept = _platforms(options, _declared(options, data), None if options.upgrade else old)
    asked = _specification(options, data, platforms)
    notes = []
    parts = {platform: _part(options, data, asked, platform) for platform in platforms}
    places = tuple(channels.place(name, options.environ) for name in options.channels or [one.url for one in asked.channels])
    if not places:
        raise MakeError(
            f"{shown(options, manifests[0])}: no channels: nothing says where packages come from",
            "channels: [conda-forge] in the manifest, or --channel conda-forge",
        )
    repositories = tuple(channels.place(url, options.environ, "pip repository") for url in asked.pip_repositories)
    for one in (*places, *repositories):
        if one.stripped:
            notes.append(
                f"{document.public(one.address)}: its credentials are not in the lock; held by variables (https://${{USER}}:"
                "${PASSWORD}@…, …/t/${TOKEN}/…) the lock names those, and who installs sets them"
            )
    asked = asked._replace(
        channels=tuple(conda_spec.Channel(one.written, one.variables) for one in places),
        pip_repositories=tuple(one.written for one in repositories),
    )
    editable = sorted({text for content in data.values() for text in _editable(content)})
    notes += [f"{safe(text)}: what is installed in place is not locked (conda-lock leaves it out, too)" for text in editable]
    found = _virtual(options, platforms, old)
    notes += found.notes
    if not found.custom:
        notes.append(f"taken for granted: {virtual.described(found.table)} (--virtual-package or --machine says otherwise)")
    if options.update and old is None:
        raise MakeError(
            f"--update {options.update[0]}: there is no lock {shown(options, path)} yet", "without --update it is made"
        )
    if options.update and old is not None:
        locked = {entry.name for entry in old.packages}
        for name in options.update:
            if name.lower() not in locked and document.name_of(name) not in locked:
                raise MakeError(f"--update {safe(name)}: it is not in {shown(options, path)}")
    moved = old is not None and not options.upgrade and old.channels != tuple(document.public(one.written) for one in places)
    if moved and (options.update or kept):
        what = f"--update {safe(options.update[0])}" if options.update else f"the lock keeps {', '.join(kept)}"
        hint = "--upgrade locks all anew" if options.update else "--platform for each of them, or none"
        raise MakeError(f"{what}, but the channels are other ones than those of {shown(options, path)}", hint)
    if moved:
        notes.append("the channels are other ones than those of the lock: solved anew")
    indexes = _indexes(options, data, repositories) if any(part.pip for part in parts.values()) else ()
    return Plan(path, previous, old, platforms, kept, asked, parts, places, repositories, indexes, found, tuple(notes), moved)


def _read(options: Options, path: str) -> bytes:
    """A manifest's bytes. Raises MakeError."""
    try:
        content = files.read(path, MAX_MANIFEST)
    except files.Unreadable as error:
        raise MakeError(f"{shown(options, path)}: {'no such file' if error.missing else error}") from None
    if content.cut:
        raise MakeError(f"{shown(options, path)}: larger than {MAX_MANIFEST >> 20} MiB")
    line = document.conflict(content.data)
    if line is not None:
        raise MakeError(f"{shown(options, path)}:{line}: merge-conflict markers: the file was merged by hand and not finished")
    return content.data


def _declared(options: Options, data: Mapping[str, bytes]) -> tuple[str, ...]:
    """Platforms that the manifests name; none where they do not."""
    found: dict[str, None] = {}
    for path, content in data.items():
        if path.endswith((".yml", ".yaml")) and b"platforms" not in content:
            continue
        try:
            one = conda_spec.source(path, content, ())
        except conda_spec.Refused as error:
            raise _refused(options, path, error) from None
        found.update(dict.fromkeys(one.platforms))
    return tuple(found)


def _specification(options: Options, data: Mapping[str, bytes], platforms: Sequence[str]) -> conda_spec.Specification:
    """What the manifests ask for, as conda-lock reads them. Raises MakeError with file and line."""
    try:
        asked = conda_spec.specification(data, platforms)
    except conda_spec.Refused as error:
        for path, content in data.items():
            try:
                conda_spec.source(path, content, platforms)
            except conda_spec.Refused as own:
                raise _refused(options, path, own) from None
        raise MakeError(f"{', '.join(shown(options, path) for path in data)}: {safe(str(error))}") from None
    if options.dev:
        return asked
    return asked._replace(
        dependencies={
            platform: tuple(one for one in those if one.category != "dev") for platform, those in asked.dependencies.items()
        }
    )


def _refused(options: Options, path: str, error: conda_spec.Refused) -> MakeError:
    line = f":{error.line}" if error.line else ""
    return MakeError(f"{shown(options, path)}{line}: {safe(str(error).removeprefix(f'{path}: '))}")


def _part(options: Options, data: Mapping[str, bytes], asked: conda_spec.Specification, platform: str) -> Part:
    conda: list[Wanted] = []
    pip: list[Wanted] = []
    for one in asked.dependencies[platform]:
        place = shown(options, one.source or next(iter(data))) + (f":{one.line}" if one.line else "")
        if one.manager == "pip":
            pip.append(Wanted(one.name, one.text, one.category, place))
            continue
        text = one.text if one.source.endswith((".yml", ".yaml")) else _spec(one)
        if one.name == "pip" and text == "pip":
            text = _pinned_pip(data, platform) or text
        conda.append(Wanted(one.name, text, one.category, place))
    return Part(tuple(conda), tuple(pip))


def _spec(one: conda_spec.Dependency) -> str:
    """A requirement of a pyproject.toml as a MatchSpec."""
    fields = dict(one.fields)
    channel = f"{fields['conda_channel']}::" if fields.get("conda_channel") else ""
    version = one.version or ("*" if fields.get("build") else "")
    return f"{channel}{one.name} {version} {fields.get('build') or ''}".strip()


def _pinned_pip(data: Mapping[str, bytes], platform: str) -> str | None:
    """The spec of pip that a manifest has beside its pip section: conda-lock forgets it, it is solved for all the same."""
    found = None
    for path, content in data.items():
        for one in conda_spec.source(path, content, (platform,)).dependencies.get(platform, ()):
            if one.manager == "conda" and one.name == "pip" and one.text not in ("", "pip"):
                found = one.text
    return found


def _editable(content: bytes) -> list[str]:
    """Requirements of a pip section that are installed in place."""
    return [match[1].decode("utf-8", "replace") for match in _EDITABLE.finditer(content)]


def _indexes(options: Options, data: Mapping[str, bytes], repositories: Sequence[channels.Place]) -> tuple[str, ...]:
    """uv's options: ``pip-repositories`` come before the default index, or are all that there is."""
    from envdoctor.lock.make import uv
    from envdoctor.lock.make.python import configured_indexes

    if options.index_urls:
        return tuple(uv.index_options(options.environ, options.index_urls))
    addresses = [one.address for one in repositories]
    if addresses and any(_ONLY.search(content) for content in data.values()):
        return tuple(uv.index_options(options.environ, addresses))
    words = [word for url in addresses for word in ("--index", url)]
    return (*words, *configured_indexes(options, options.folder))


def _platforms(options: Options, declared: Sequence[str], old: Lock | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Platforms to solve for, and those of the old lock that stay as they are; each sorted."""
    from envdoctor.lock.make import here, places

    asked = options.platforms or tuple(declared) or (old.platforms if old is not None else ())
    if not asked:
        own = [here.subdir(), places.subdir(options.machine) if options.machine is not None else None]
        asked = tuple(dict.fromkeys((*DEFAULT_PLATFORMS, *(one for one in own if one))))
    for platform in asked:
        if platform not in SUBDIRS or platform == "noarch":
            raise MakeError(f"{safe(platform)} is no platform of conda", "linux-64, linux-aarch64, osx-64, osx-arm64, win-64 …")
    kept = [one for one in old.platforms if one not in asked] if old is not None and options.platforms else []
    return tuple(sorted(set(asked))), tuple(sorted(kept))


def _virtual(options: Options, platforms: Sequence[str], old: Lock | None) -> virtual.Virtuals:
    """The virtual packages that are solved for. A file counts before what the old lock was solved for."""
    spec = None
    file = options.virtual_package_file
    if file is None and files.exists(os.path.join(options.cwd, "virtual-packages.yml")):
        file = "virtual-packages.yml"
    if file is not None:
        from envdoctor import yaml

        where = os.path.join(options.cwd, file)
        try:
            node = yaml.load(_read(options, where).decode("utf-8", "replace"))
        except (yaml.Broken, yaml.Unknown) as error:
            raise MakeError(f"{shown(options, where)}:{error.line}: not YAML: {error}") from None
        spec = virtual.parsed(node.plain if node is not None else None, shown(options, where))
    recorded = None if options.upgrade else _recorded(old)
    return virtual.resolve(platforms, spec=spec, recorded=recorded, machine=options.machine, options=options.virtual_packages)


# --------------------------------------------------------------------------------------------------------------------- solving


def _solved(options: Options, plan: Plan) -> solver.Answer:
    """All platforms. Raises MakeError with the solver's explanations."""
    tasks = []
    updated = {name.lower() for name in options.update}
    for platform in plan.platforms:
        part = plan.parts[platform]
        for one in part.conda:
            problem = solver.invalid(one.text)
            if problem is not None:
                raise MakeError(f"{one.place}: {safe(one.text)}: no spec that can be solved: {problem}")
        before = [] if options.upgrade or plan.moved else _preferred(plan, platform, "conda")
        locked = [entry for entry in before if entry.name not in updated]
        tasks.append(
            solver.Task(
                platform,
                tuple(one.text for one in part.conda),
                virtual.for_solver(plan.virtual.table[platform]),
                tuple(entry.artifacts[0].url or "" for entry in locked if entry.artifacts),
                tuple(entry.name for entry in locked),
            )
        )
    options.say(f"solving for {', '.join(plan.platforms)}")
    cache = options.environ.get("RATTLER_CACHE_DIR") or None
    settings = _settings(options, plan.channels)
    try:
        # channels differ by platform in one case only: what "defaults" is
        groups: dict[tuple[str, ...], list[solver.Task]] = {}
        for task in tasks:
            groups.setdefault(tuple(channels.expanded(plan.channels, task.platform, settings)), []).append(task)
        answer = solver.Answer({}, {})
        problems: list[solver.Unsolvable] = []
        for names, those in groups.items():
            try:
                found = solver.solve(those, names, settings.strict, options.offline, _repodata(cache), options.say)
            except solver.Failed as failed:
                problems += failed.problems
                continue
            answer.records.update(found.records)
            answer.lost.update(found.lost)
        if problems:
            raise solver.Failed(problems)
    except solver.Failed as failed:
        raise _unsolvable(plan, failed) from None
    return answer


def _settings(options: Options, places: Sequence[channels.Place]) -> channels.Settings:
    """What .condarc files and variables say of channels; they are read only where a channel has a name instead of an address."""
    if all("://" in one.address for one in places):
        return channels.Settings()
    from envdoctor.collect import condarc

    environ = options.environ
    root = environ.get("CONDA_ROOT") or (
        os.path.dirname(os.path.dirname(environ["CONDA_EXE"])) if environ.get("CONDA_EXE") else None
    )
    said = condarc.read(condarc.places(environ, options.home, root, None), environ, cwd=options.cwd).settings

    def first(name: str) -> str | None:
        return next((one.values[0] for one in condarc.merged(said, name, mamba=False) if one.values), None)

    custom: dict[str, str] = {}
    for one in condarc.merged(said, "custom_channels", mamba=False):
        for value in one.values:
            name, colon, address = value.partition(": ")
            if colon and "://" in address:
                custom.setdefault(name.strip(), address.strip())
    return channels.Settings(
        alias=environ.get("CONDA_CHANNEL_ALIAS") or first("channel_alias"),
        custom=custom,
        defaults=condarc.values(said, "default_channels", mamba=False),
        strict=first("channel_priority") not in ("disabled", "false", "False"),
    )


def _repodata(cache: str | None) -> str | None:
    return None if cache is None else os.path.join(cache, "repodata")


def _unsolvable(plan: Plan, failed: solver.Failed) -> MakeError:
    """One error for all platforms without a solution; platforms with the same explanation share it."""
    by_text: dict[tuple[str, ...], list[str]] = {}
    for problem in failed.problems:
        neutral = tuple(line.replace(problem.platform, "{}") for line in problem.explanation)
        by_text.setdefault(neutral, []).append(problem.platform)
    details: list[str] = []
    for lines, platforms in by_text.items():
        details.append(f"{', '.join(platforms)}:")
        here = platforms[0] if len(platforms) == 1 else "any of them"
        details += [f"  {line.replace('{}', here)}" for line in lines]
    whom = ", ".join(sorted(problem.platform for problem in failed.problems))
    sources = sorted({one.place.rpartition(":")[0] or one.place for part in plan.parts.values() for one in part.conda})
    return MakeError(f"{', '.join(sources) or 'the manifest'}: there is no solution for {whom}", None, tuple(details))


def _before(plan: Plan, platform: str, manager: str) -> list[Locked]:
    """Entries of the old lock for a platform."""
    old = plan.olds.get(platform, plan.old)
    if old is None:
        return []
    return [entry for entry in old.packages if entry.manager == manager and any(where == platform for _, where in entry.places)]


def _preferred(plan: Plan, platform: str, manager: str) -> list[Locked]:
    """Entries that are kept where they can be: the platform's own, and for one that is new in the lock what other platforms
    have that is for all (noarch packages, versions of distributions)."""
    found = _before(plan, platform, manager)
    if found or plan.old is None or platform in plan.old.platforms:
        return found
    others = {entry.name: entry for entry in plan.old.packages if entry.manager == manager}
    if manager == "pypi":
        return list(others.values())
    return [entry for entry in others.values() if "/noarch/" in (entry.artifacts[0].url or "")]


# --------------------------------------------------------------------------------------------------------------------- entries


def _entries(options: Options, plan: Plan, answer: solver.Answer) -> tuple[list[Locked], list[str]]:
    """All entries of the lock, and notes."""
    made: list[Locked] = []
    notes: list[str] = []
    resolved = _pip(options, plan, answer)

    def address(url: str) -> str:
        return channels.rewritten(url, plan.channels)

    for platform in plan.platforms:
        part, records = plan.parts[platform], answer.records[platform]
        bare = [record.name for record in records if not record.name.startswith("__") and not (record.md5 or record.sha256)]
        if bare:
            raise MakeError(f"{platform}: the channel gives no hash of {', '.join(bare[:5])}", "such a channel cannot be locked")
        wanted = entries.requested_names(((one.name, one.category) for one in part.conda), records)
        conda = entries.conda_entries(records, platform, wanted, address)
        if platform in resolved:
            distributions = entries.requested_distributions((one.name, one.category) for one in part.pip)
            pip, conda = entries.pip_entries(
                resolved[platform],
                conda,
                records,
                platform,
                distributions,
                lambda url: channels.repository(url, plan.repositories),
            )
            made += pip
        made += conda
        lost = answer.lost.get(platform, ())
        if lost:
            names = ", ".join(url.rpartition("/")[2] for url in lost[:3])
            notes.append(f"{platform}: {names}{' …' if len(lost) > 3 else ''} no longer in the channels: solved anew")
    for platform in plan.kept:
        for entry in (*_before(plan, platform, "conda"), *_before(plan, platform, "pypi")):
            made.append(_kept(entry, platform, plan))
    return made, notes


def _kept(entry: Locked, platform: str, plan: Plan) -> Locked:
    """An entry of the old lock for one platform, with the variables in its URL that reading has taken out."""
    import msgspec

    artifact = entry.artifacts[0]
    url = artifact.url
    if url is not None:
        if entry.manager == "conda":
            url = channels.rewritten(url, plan.channels)
        elif artifact.kind != "vcs":
            url = channels.repository(url, plan.repositories)
    places = tuple(place for place in entry.places if place[1] == platform)
    return msgspec.structs.replace(entry, places=places, artifacts=(msgspec.structs.replace(artifact, url=url),))


def _pip(options: Options, plan: Plan, answer: solver.Answer) -> dict[str, tuple[Resolved, ...]]:
    """The pip sections, platforms side by side. Raises MakeError."""
    wanted = [platform for platform in plan.platforms if plan.parts[platform].pip]
    if not wanted:
        return {}
    from concurrent.futures import ThreadPoolExecutor

    from envdoctor.lock.make import pip_section, uv

    program = uv.find(options.environ)
    options.say(f"resolving the pip section for {', '.join(wanted)}")

    def one(platform: str) -> tuple[Resolved, ...]:
        return pip_section.resolve(
            _pip_request(options, plan, platform, answer.records[platform]),
            program,
            environ=options.environ,
            indexes=plan.indexes,
            offline=options.offline,
        )

    with ThreadPoolExecutor(min(MAX_THREADS, len(wanted))) as threads:
        running = {platform: threads.submit(one, platform) for platform in wanted}
    problems: dict[tuple[str, ...], list[str]] = {}
    found: dict[str, tuple[Resolved, ...]] = {}
    for platform, future in running.items():
        try:
            found[platform] = future.result()
        except uv.UvError as error:
            problems.setdefault(error.lines, []).append(platform)
        except LookupError as error:
            raise MakeError(f"the pip section cannot be locked for {platform}: {error.args[0]}") from None
    if problems:
        places = sorted({one.place.rpartition(":")[0] or one.place for part in plan.parts.values() for one in part.pip})
        details: list[str] = []
        for lines, platforms in problems.items():
            details += [f"{', '.join(platforms)}:", *(f"  {line}" for line in lines)]
        whom = ", ".join(sorted(platform for platforms in problems.values() for platform in platforms))
        held_ones = any(line.startswith("  conda brings") for line in details)
        hint = "conda's Python packages are held as they are solved: pin them in the conda part, or loosen the pip part"
        message = f"{', '.join(places)}: the pip section cannot be resolved for {whom}"
        raise MakeError(message, hint if held_ones else None, tuple(details))
    return found


def _pip_request(options: Options, plan: Plan, platform: str, records: Sequence[Record]) -> pip_section.Request:
    from envdoctor.lock.make import pip_section

    part = plan.parts[platform]
    python = next((record for record in records if record.name == "python"), None)
    if python is None:
        raise MakeError(
            f"{part.pip[0].place}: there is a pip section and no python for it on {platform}", "add python to the conda part"
        )
    updated = {document.name_of(name) for name in options.update}
    before = {
        entry.name: entry.version or ""
        for entry in ([] if options.upgrade else _preferred(plan, platform, "pypi"))
        if entry.artifacts[0].kind in ("wheel", "sdist")
    }
    table, own = plan.virtual.table[platform], plan.virtual.custom
    return pip_section.Request(
        platform=platform,
        python=python.version,
        threaded="cp" in python.build and python.build.endswith("t"),
        requirements=tuple(one.text for one in part.pip),
        held=held(records),
        preferred={name: version for name, version in before.items() if version and name not in updated},
        glibc=table.get("__glibc"),
        macos=table.get("__osx") if own else None,
    )


# ------------------------------------------------------------------------------------------------------------------------ text


def _text(manifests: Sequence[str], plan: Plan, made: Sequence[Locked]) -> str:
    """The lock as conda-lock writes it, byte for byte. Platforms are sorted, so that the next run writes the same."""
    from envdoctor.lock.formats import conda_lock

    hashes = _hashes(plan)
    recorded = _recorded(plan.old) or {}
    kept = {platform: recorded[platform] for platform in plan.kept if platform in recorded}
    custom = {**(plan.virtual.table if plan.virtual.custom else {}), **kept}
    metadata = conda_lock.Metadata(
        content_hash=hashes,
        channels=[(one.url, one.used_env_vars) for one in plan.asked.channels],
        platforms=sorted(hashes),
        sources=[_relative(os.path.dirname(plan.path), manifest) for manifest in manifests],
        custom={conda_virtual.RECORDED: virtual.written(custom)} if custom else {},
    )
    return conda_lock.write(os.path.basename(plan.path), metadata, made, "envdoctor").decode("utf-8")


def _hashes(plan: Plan) -> dict[str, str]:
    """The content hash of each platform, sorted; those that are kept have that of the old lock."""
    tables = {**plan.virtual.table, **({"noarch": plan.virtual.noarch} if plan.virtual.noarch else {})}
    own = plan.virtual.custom or plan.virtual.from_file
    before = dict(plan.old.recorded) if plan.old is not None else {}
    return {
        platform: conda_hash.content_hash(plan.asked, platform, tables if own else None)
        if platform in plan.asked.dependencies
        else before.get(f"content-hash {platform}", "")
        for platform in sorted((*plan.platforms, *plan.kept))
    }


def _recorded(old: Lock | None) -> dict[str, dict[str, str]] | None:
    """Virtual packages that the old lock says it was solved for; None where it does not say."""
    text = dict(old.recorded).get(conda_virtual.RECORDED) if old is not None else None
    return conda_virtual.recorded(text) if text else None


def _relative(folder: str, path: str) -> str:
    """A source as conda-lock writes it down: relative to the lock's folder, with slashes."""
    try:
        return os.path.relpath(os.path.realpath(path), os.path.realpath(folder)).replace(os.sep, "/")
    except ValueError:
        # another drive
        return path.replace(os.sep, "/")


def _finish(
    options: Options,
    path: str,
    text: str,
    old: Lock | None,
    previous: str | None,
    platforms: Sequence[str],
    python: str | None,
    notes: Sequence[str],
) -> int:
    """Reads the lock back, checks, writes and tells; with ``--verify`` it is installed, too."""
    code = finish(
        options,
        path=path,
        text=text,
        format="conda-lock",
        old=old,
        previous=previous,
        platforms=platforms,
        python=python,
        notes=notes,
    )
    if not options.verify:
        return code
    from envdoctor.lock import formats
    from envdoctor.lock.make import here, install

    lock = formats.read(text.encode(), os.path.basename(path), "conda-lock")
    return max(code, install.verify(options, lock, path, text, here.subdir() or ""))


def _by_conda_lock(options: Options, manifests: Sequence[str], path: str, previous: str | None, old: Lock | None) -> int:
    """``--backend conda-lock``."""
    from envdoctor.lock.make import conda_backend
    from envdoctor.lock.make.finish import without_credentials

    data = {manifest: _read(options, manifest) for manifest in manifests}
    platforms, _ = _platforms(options, _declared(options, data), None if options.upgrade else old)
    asked = _specification(options, data, platforms)
    found = _virtual(options, platforms, old)
    options.say(f"conda-lock is solving for {', '.join(platforms)}")
    text, notes = conda_backend.make(
        options,
        manifests,
        path,
        None if options.upgrade else previous,
        platforms,
        found.table if found.custom or found.from_file else None,
        pip=any(one.manager == "pip" for those in asked.dependencies.values() for one in those),
    )
    text, hosts = without_credentials(text)
    if hosts:
        notes.append(f"credentials for {', '.join(hosts)} are not in the lock")
    return _finish(options, path, text, old, previous, platforms, None, (*found.notes, *notes))
