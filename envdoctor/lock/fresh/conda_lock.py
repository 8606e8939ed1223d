"""Freshness of ``conda-lock.yml``: its ``content_hash`` against that of its source files as they are.

A hash is one of requirements, channels, index URLs, and of virtual packages that the lock does not name. So those are tried
that conda-lock takes when nothing is said, those of ``virtual-packages.yml``, those of earlier versions and of ``--with-cuda``:
what fits is what the lock was solved for. Where nothing fits, the requirements are held against the entries, to tell what
differs.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from envdoctor import yaml
from envdoctor.conda import archives
from envdoctor.conda import channels as conda_channels
from envdoctor.conda.matchspec import Candidate, InvalidSpec, parse
from envdoctor.lock import conda_hash, conda_virtual, document
from envdoctor.lock.conda_spec import Channel, Dependency, Refused, Specification, specification
from envdoctor.lock.model import Lock, Locked, VirtualPackage
from envdoctor.tuples import NamedTuple

VIRTUAL_FILES = ("virtual-packages.yml", "virtual-packages.yaml", "../virtual-packages.yml")
"""Where conda-lock looks for virtual packages: in the folder that it is run in, the lock's or the one above it."""
CUDA = (
    *(f"{major}.{minor}" for major in (13, 12) for minor in range(10)),
    *(f"11.{minor}" for minor in range(9)),
    *("10.2", "10.1", "10.0", "9.2"),
)
"""Versions that ``--with-cuda`` may have named."""
GLIBC = ("2.28", "2.17")
"""What conda-lock takes for granted since 2.5, and before."""
MAX_REASONS = 20
MAX_SOURCES = 256 << 10
"""Bytes of all source files; a thousand times of what they have."""
MAX_PLATFORMS = 30


def sources(lock: Lock, here: Collection[str], _files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The files that the lock names, and that of the virtual packages."""
    return (*lock.manifests, next((name for name in VIRTUAL_FILES if name in here), VIRTUAL_FILES[-1]))


def judge(lock: Lock, files: Mapping[str, bytes]) -> Lock:
    """The lock with whether it is fresh, and the virtual packages that it was solved for, where the hash tells."""
    data = {name: files[name] for name in lock.manifests if name in files}
    if not data or len(data) < len(lock.manifests) or sum(map(len, data.values())) > MAX_SOURCES:
        return lock
    hashes = {what.removeprefix("content-hash "): text for what, text in lock.recorded if what.startswith("content-hash ")}
    answer = compare(lock, data, dict(list(hashes.items())[:MAX_PLATFORMS]), tables(lock, files))
    if answer is None:
        return lock
    return msgspec.structs.replace(
        lock,
        fresh=answer.fresh,
        stale_because=answer.reasons[:MAX_REASONS],
        freshness_by=answer.by,
        virtual_packages=_virtual(lock, answer.virtual),
    )


class Answer(NamedTuple):
    """What a comparison gave. `virtual`: for platforms whose hash was met, what it was met with (None: the defaults)."""

    fresh: Literal["yes", "no", "unknown"]
    reasons: tuple[str, ...]
    by: Literal["hash", "requirements", ""]
    virtual: dict[str, Mapping[str, str] | None]


def tables(lock: Lock, files: Mapping[str, bytes]) -> list[conda_hash.Tables | None]:
    """Virtual packages that the hash may be of, the likeliest first: those in the lock, those of the file, the defaults."""
    found: list[conda_hash.Tables | None] = []
    kept = dict(lock.recorded).get(conda_virtual.RECORDED)
    if kept:
        found.append(conda_virtual.recorded(kept))
    for name in VIRTUAL_FILES:
        if name in files and (table := _of_file(files[name])):
            found.append(table)
    return [*found, None]


def _of_file(data: bytes) -> dict[str, dict[str, str]]:
    """conda-lock's ``virtual-packages.yml``; nothing where it cannot be read."""
    try:
        node = yaml.load(data.decode("utf-8", "replace"))
    except (yaml.Broken, yaml.Unknown):
        return {}
    top = node.plain if node is not None else None
    subdirs = top.get("subdirs") if isinstance(top, dict) else None
    found = {}
    for subdir, body in subdirs.items() if isinstance(subdirs, dict) else ():
        packages = body.get("packages") if isinstance(body, dict) else None
        if isinstance(packages, dict):
            found[subdir] = {name: text for name, text in packages.items() if isinstance(text, str)}
    return found


def _virtual(lock: Lock, found: Mapping[str, Mapping[str, str] | None]) -> tuple[VirtualPackage, ...]:
    """The lock's virtual packages, where the hash has told others those."""
    told = {platform: table for platform, table in found.items() if table is not None}
    kept = [one for one in lock.virtual_packages if one.platform not in told]
    return (*kept, *(one for platform in told for one in conda_virtual.packages(platform, told[platform])))


# ------------------------------------------------------------------------------------------------------------------ hashes
def compare(
    lock: Lock, data: Mapping[str, bytes], hashes: Mapping[str, str], virtual: Sequence[conda_hash.Tables | None]
) -> Answer | None:
    """The hash of each platform against the files `data`; None where nothing can be said."""
    if not hashes:
        return None
    try:
        asked = specification(data, hashes)
    except Refused:
        return _each(lock, data, hashes, virtual)
    found: dict[str, Mapping[str, str] | None] = {}
    open_ = []
    certain = True
    for platform, digest in hashes.items():
        wholes = [(conda_hash.Hashes(whole, platform), sure) for whole, sure in _wholes(lock, asked, platform)]
        for table in (*virtual, *_other_virtual(platform)):
            met = [sure for whole, sure in wholes if whole.have(digest, table)]
            if met:
                found[platform] = table.get(platform) if table is not None else None
                certain = certain and any(met)
                break
        else:
            open_.append(platform)
    if not open_:
        return Answer("yes", (), "hash", found) if certain else Answer("unknown", (), "", found)
    reasons = differences(lock, asked, open_)
    if reasons:
        return Answer("no", reasons, "hash", found)
    if not all(asked.sure(platform) for platform in open_):
        return Answer("unknown", (), "", found)
    names = ", ".join(data)
    where = "" if len(open_) == len(hashes) else f" for {', '.join(open_)}"
    return Answer("no", (f"{names}: the lock was made of other requirements{where}: its content hash is another",), "hash", found)


def _each(
    lock: Lock, data: Mapping[str, bytes], hashes: Mapping[str, str], virtual: Sequence[conda_hash.Tables | None]
) -> Answer | None:
    """Platform by platform, where the files cannot be read for all of them together."""
    if len(hashes) == 1:
        return None
    answers = [compare(lock, data, {platform: digest}, virtual) for platform, digest in hashes.items()]
    if any(one is not None and one.fresh == "no" for one in answers):
        reasons = tuple(dict.fromkeys(reason for one in answers if one is not None for reason in one.reasons))
        return Answer("no", reasons, "hash", {})
    return None


def _other_virtual(platform: str) -> Iterator[conda_hash.Tables]:
    """Virtual packages that earlier versions took for granted, and those that ``--with-cuda`` and ``--without-cuda`` make."""
    usual = conda_virtual.DEFAULTS.get(platform, {})
    if "__cuda" not in usual:
        return
    for glibc, cuda in itertools.product(GLIBC if "__glibc" in usual else ("",), ("11.4", "", *CUDA)):
        row = {**usual, **({"__glibc": glibc} if glibc else {}), "__cuda": cuda}
        if not cuda:
            del row["__cuda"]
        yield {platform: row}


def _wholes(lock: Lock, asked: Specification, platform: str) -> Iterator[tuple[Specification, bool]]:
    """The requirements, and those without the categories that a command line leaves out; with the lock's channels where the
    files name none, or name them by variables of the shell. And whether a hash that is met tells that the lock is fresh:
    categories are left out when nothing is said, ``dev`` only on demand, so that it may be new just as well."""
    places = [asked.channels]
    if not asked.channels or not all(one.sure for one in asked.channels):
        recorded = tuple(_recorded_channels(lock))
        if recorded and (not asked.channels or _same_places(asked.channels, recorded)):
            places.append(recorded)
    rows = asked.dependencies[platform]
    categories = {one.category for one in rows}
    own = set(lock.groups)
    kept = [(rows, True)]
    for chosen in ({"main", "dev", *own}, {"main", "dev"}, {"main", *own} - {"dev"}, {"main"}):
        fewer = tuple(one for one in rows if one.category in chosen)
        if categories - chosen and all(fewer != one for one, _ in kept):
            kept.append((fewer, "dev" in chosen or "dev" not in categories))
    for channels, (dependencies, sure) in itertools.product(places, kept):
        yield asked._replace(channels=channels, dependencies={platform: dependencies}), sure


def _recorded_channels(lock: Lock) -> Iterator[Channel]:
    for what, text in lock.recorded:
        if what.startswith("channel "):
            url, *variables = text.split()
            yield Channel(url, tuple(variables))


def _same_places(asked: Iterable[Channel], recorded: Iterable[Channel]) -> bool:
    """The same channels, whatever their credentials are called."""
    return [document.public(one.url) for one in asked] == [document.public(one.url) for one in recorded]


# ------------------------------------------------------------------------------------------------------------- differences
def differences(lock: Lock, asked: Specification, platforms: Iterable[str]) -> tuple[str, ...]:
    """What the files say and the lock is not made for, each one line; nothing that is not sure."""
    found: dict[str, list[str]] = {}
    if reason := _channels(lock, asked):
        found[reason] = []
    everywhere = list(platforms)
    for platform in everywhere:
        for reason in _requirements(lock, asked, platform):
            found.setdefault(reason, []).append(platform)
    return tuple(
        reason if not where or len(where) == len(lock.platforms) else f"{reason} ({', '.join(where)})"
        for reason, where in found.items()
    )


def _channels(lock: Lock, asked: Specification) -> str | None:
    if not asked.channels or not lock.channels:
        return None
    declared, locked = ([conda_channels.name(document.public(one)) for one in urls] for urls in (_urls(asked), lock.channels))
    if declared == locked:
        return None
    shown = (", ".join(archives.short(document.public(one)) for one in _urls(asked)), ", ".join(lock.channels))
    return f"channels are {shown[0]}; the lock is made of {shown[1]}"


def _urls(asked: Specification) -> list[str]:
    return [one.url for one in asked.channels]


def _requirements(lock: Lock, asked: Specification, platform: str) -> Iterator[str]:
    entries: dict[tuple[str, str], Locked] = {}
    for locked in lock.packages:
        if any(place[1] == platform for place in locked.places):
            entries[(locked.manager, locked.name)] = locked
    conda_names = {document.name_of(name) for manager, name in entries if manager == "conda"}
    entry: Locked | None
    for one in asked.dependencies[platform]:
        if not one.sure:
            continue
        place = one.source + (f":{one.line}" if one.line else "")
        if one.manager == "conda":
            entry = entries.get(("conda", one.name))
            if entry is None:
                yield f"{place}: {one.text or one.name} is not locked"
            elif not fits(one, entry):
                yield f"{place}: asks for {one.text}; {entry.name} {entry.version} is locked"
        else:
            entry = entries.get(("pypi", document.name_of(one.name)))
            if entry is None:
                if document.name_of(one.name) not in conda_names:
                    yield f"{place}: {one.text or one.name} is not locked"
            elif not _python_fits(one, entry):
                yield f"{place}: asks for {one.text}; {entry.name} {entry.version} is locked"
    if asked.sure(platform):
        yield from _left(asked, entries, platform)


def _left(asked: Specification, entries: Mapping[tuple[str, str], Locked], platform: str) -> Iterator[str]:
    """Entries that nothing needs and no file asks for: the requirement is gone."""
    names = {document.name_of(one.name) for one in asked.dependencies[platform]}
    names |= {document.name_of(need.name) for entry in entries.values() for need in entry.needs}
    for (_, name), entry in sorted(entries.items()):
        if document.name_of(name) not in names and name != "pip":
            yield f"{entry.name} is locked, and nothing asks for it any more"


def fits(one: Dependency, entry: Locked) -> bool:
    """The entry is what a conda requirement asks for; in doubt it is."""
    text = one.text
    if not one.source.endswith((".yml", ".yaml")):
        text = f"{one.name} {one.version or '*'} {dict(one.fields).get('build') or ''}".strip()
    try:
        spec = parse(text)
    except InvalidSpec:
        return True
    artifact = entry.artifacts[0] if entry.artifacts else None
    hashes = dict(artifact.hashes) if artifact else {}
    return (
        spec.fits(
            Candidate(
                entry.name,
                entry.version,
                entry.build,
                entry.build_number,
                channel=entry.source,
                filename=artifact.name if artifact else None,
                md5=hashes.get("md5"),
                sha256=hashes.get("sha256"),
            )
        )
        is not False
    )


def _python_fits(one: Dependency, entry: Locked) -> bool:
    fields = dict(one.fields)
    version = fields.get("version")
    if version in (None, "*", "") or entry.version is None:
        return True
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(version).contains(entry.version, prereleases=True)
    except (InvalidSpecifier, ValueError):
        return True
