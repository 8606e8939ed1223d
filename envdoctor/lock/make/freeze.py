"""``envdoctor lock --freeze``: exactly what is installed, as a lock.

Records of conda-meta hold the address and the hashes of their archive. A distribution of pip or uv says name, version and (in
WHEEL) the tags of its wheel: that names one file, whose hash the index gives; where the index also gives the hash of the wheel's
METADATA, it has to be that of the installed one. What was installed from an address (direct_url.json) is locked by that. What
cannot be locked is named.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from envdoctor.collect import files
from envdoctor.lock import write
from envdoctor.lock.document import name_of, public
from envdoctor.lock.make import freeze_conda, places
from envdoctor.lock.make.finish import finish, old_lock, old_text, shown, stripped
from envdoctor.lock.make.index import File, Indexes, Trouble
from envdoctor.lock.make.options import MakeError, Options
from envdoctor.lock.model import Artifact, Locked
from envdoctor.snapshot import CondaPackage, Distribution, Snapshot
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from packaging.tags import Tag

    from envdoctor.cache import Store
    from envdoctor.view import View

Kind = Literal["conda-lock", "explicit", "pylock", "requirements"]

MARK = "envdoctor lock --freeze"
"""Stands in the header of what is made here."""
MAX_CANDIDATES = 4
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_PLAIN = re.compile(r"[!-~]{1,2000}")
_BESIDE = (".pyc", "/INSTALLER", "/REQUESTED", "/direct_url.json", "/uv_cache.json")
"""Ends of paths that installers write beside a wheel's files."""
_MARKED = re.compile(rf"^#.*\b{re.escape(MARK)}\b", re.MULTILINE)
_LOCAL = ("file", "")
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")


class Frozen(NamedTuple):
    """One distribution: its entry, or why there is none; and what should be said of it."""

    entry: Locked | None
    problem: str | None = None
    note: str | None = None
    expected: bool = False
    """That it cannot be locked is as it should be (the project itself, editable)."""


class Found(NamedTuple):
    """What an index's files say about an installed distribution."""

    file: File | None
    problem: str | None = None
    note: str | None = None
    candidates: tuple[File, ...] = ()
    """Wheels that it may have been installed from although their names have other tags: their RECORD tells. The best first."""
    by_record: bool = False


def run(options: Options) -> int:
    """Writes the lock of what is installed in the target. Raises MakeError, TargetError; the old lock is untouched then."""
    from envdoctor.view import View

    _refuse(options)
    options.say("reading the environment")
    snapshot = _observed(options)
    view = View(snapshot)
    conda = bool(snapshot.conda_packages)
    kind = kind_of(options, conda=conda)
    platform = _platform(snapshot)
    path = _path(options, kind, platform)
    previous = old_text(options, path)
    if previous is not None and options.output is None and not _MARKED.search(previous):
        raise MakeError(
            f"{shown(options, path)} is there and was not made by --freeze",
            f"-o names the file: -o {os.path.basename(path)} to write over it",
        )
    old = old_lock(options, path, previous, kind) if previous is not None and _MARKED.search(previous) else None
    distributions, aside = chosen(view)
    frozen, troubles = _python_part(options, view, distributions)
    records = [_record(one, platform) for one in snapshot.conda_packages]
    entries = [one.entry for one in (*frozen, *records) if one.entry is not None]
    if not entries and not (frozen or records):
        raise MakeError(f"{snapshot.target.prefix}: nothing is installed there", "envdoctor check tells what it is")
    notes = [one.note for one in (*frozen, *records) if one.note]
    notes += [one.problem for one in (*frozen, *records) if one.problem and one.expected]
    notes += aside
    for folder in freeze_conda.folders(one.entry for one in records if one.entry is not None):
        notes.append(f"{folder} is a folder of this machine: who installs from the lock needs it, too")
    incomplete = [one.problem for one in (*frozen, *records) if one.problem and not one.expected]
    if any(one.problem for one in frozen):
        notes += [f"{url}: {problem}" for url, problem in troubles.items()]
    text = _text(options, kind, os.path.basename(path), snapshot, platform, entries)
    code = finish(
        options,
        path=path,
        text=text,
        format=kind,
        old=old,
        previous=previous,
        platforms=(platform,),
        python=snapshot.interpreter.version,
        notes=notes,
        incomplete=incomplete,
        facts=snapshot,
    )
    return max(code, _verified(options, kind, text, path, platform, snapshot)) if options.verify else code


def _verified(options: Options, kind: Kind, text: str, path: str, platform: str, snapshot: Snapshot) -> int:
    """``--verify``: installs the lock elsewhere and checks that."""
    if kind in ("pylock", "requirements"):
        from envdoctor.lock.make.uv import index_options
        from envdoctor.lock.make.verify import verify

        indexes = index_options(options.environ, options.index_urls)
        version = snapshot.interpreter.version or ""
        return verify(options, text=text, path=path, format=kind, python=version, indexes=indexes, folder=options.folder)
    from envdoctor.lock import formats
    from envdoctor.lock.make import install

    lock = formats.read(text.encode(), os.path.basename(path), kind)
    return install.verify(options, lock, path, text, platform)


# -------------------------------------------------------------------------------------------------------------- what is asked


def _refuse(options: Options) -> None:
    """Options that say how something is solved: here nothing is."""
    given = {
        "--file": options.manifests,
        "--update": options.update,
        "--platform": options.platforms,
        "--channel": options.channels,
        "--group": options.groups,
        "--extra": options.extras,
        "--virtual-package": options.virtual_packages,
        "--virtual-package-spec": options.virtual_package_file,
        "--python-version": options.python,
        "--machine": options.machine,
    }
    for name, value in given.items():
        if value:
            raise MakeError(f"{name} says how a lock is solved; --freeze takes what is installed", "leave it out")


def _record(package: CondaPackage, platform: str) -> Frozen:
    made = freeze_conda.entry(package, platform)
    return Frozen(None, made) if isinstance(made, str) else Frozen(made)


def _observed(options: Options) -> Snapshot:
    from envdoctor.diagnose import Request, observe

    return observe(
        Request(
            target=options.target,
            python=options.interpreter,
            prefix=options.prefix,
            name=options.name,
            environ=options.environ,
            cwd=options.cwd,
            home=options.home,
            project=options.project,
            use_cache=False,
        )
    ).snapshot


def kind_of(options: Options, *, conda: bool) -> Kind:
    """The format: as asked for, else as the output's name says, else what fits the environment. Raises MakeError."""
    name = os.path.basename(options.output or "")
    kind = options.kind
    if kind is None and name:
        if re.fullmatch(r"pylock(\.[^.]+)?\.toml", name):
            kind = "pylock"
        elif name.endswith((".yml", ".yaml")):
            kind = "conda-lock"
        elif name.endswith((".txt", ".lock")):
            kind = "explicit" if conda else "requirements"
        else:
            raise MakeError(f"the name {name} does not say what lock it is", "--kind says it")
    if kind is None:
        kind = "conda-lock" if conda else "pylock"
    if kind == "uv":
        raise MakeError("uv.lock is made by uv, from a pyproject.toml", "--kind pylock freezes what is installed")
    if conda and kind in ("pylock", "requirements"):
        raise MakeError(f"a {kind} lock holds no conda packages", "--kind conda-lock or explicit, for a conda environment")
    if not conda and kind in ("conda-lock", "explicit"):
        raise MakeError(f"--kind {kind} is for conda environments", "--kind pylock or requirements")
    return kind


def _path(options: Options, kind: Kind, platform: str) -> str:
    names = {"conda-lock": "conda-lock.yml", "pylock": "pylock.toml", "requirements": "requirements.txt"}
    name = names.get(kind, f"conda-{platform}.lock")
    return os.path.normpath(os.path.join(options.cwd if options.output else options.folder, options.output or name))


def _platform(snapshot: Snapshot) -> str:
    """The conda subdir of the target: what its records say, else what its interpreter is."""
    subdirs = [one.subdir for one in snapshot.conda_packages if one.subdir and one.subdir != "noarch"]
    if subdirs:
        return max(sorted(set(subdirs)), key=subdirs.count)
    machine = msgspec.structs.replace(
        snapshot.machine,
        system=snapshot.target.system,
        machine=snapshot.interpreter.machine or snapshot.machine.machine,
        native_machine=snapshot.interpreter.machine or snapshot.machine.native_machine,
    )
    found = places.subdir(machine)
    if found is None:
        raise MakeError(f"{snapshot.target.prefix}: its platform is not known", "is there an interpreter in it?")
    return found


def chosen(view: View) -> tuple[list[Distribution], list[str]]:
    """The distributions that belong into the lock, by name; and what is said of those that do not."""
    own = {index for index, site in enumerate(view.snapshot.sites) if site.of_target}
    kept, outside, system = [], [], []
    for name, one in sorted(view.effective.items()):
        if one.conda is not None:
            continue
        if one.site not in own and view.snapshot.target.kind != "system":
            outside.append(name)
        elif view.packager(one) == "system":
            system.append(name)
        else:
            kept.append(one)
    notes = []
    for names, words in ((outside, "outside of the environment"), (system, "of the operating system's packages")):
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            notes.append(f"left out, as {words}: {', '.join(names[:5])}{more}")
    return kept, notes


# ------------------------------------------------------------------------------------------------------------ Python's part


def _python_part(options: Options, view: View, distributions: Sequence[Distribution]) -> tuple[list[Frozen], dict[str, str]]:
    """Every distribution, in order; and the indexes that could not be asked."""
    from envdoctor import platforms

    frozen: dict[int, Frozen] = {}
    asked: list[int] = []
    for number, one in enumerate(distributions):
        done = by_address(one, view)
        if done is not None and done.entry is not None:
            frozen[number] = done
        elif done is None or _file_of_here(one) is not None:
            asked.append(number)
            if done is not None:
                frozen[number] = done
        else:
            frozen[number] = done
    if not asked:
        return [frozen[number] for number in range(len(distributions))], {}
    indexes, links, notes = _indexes(options, view)
    kept = _Kept(options)
    ranks = platforms.supported_tags(view.snapshot, view.machine)
    metadata = {number: _metadata(view, distributions[number]) for number in asked}
    open_ = []
    for number in asked:
        one = distributions[number]
        urls = [index.url for index in indexes.indexes]
        known = kept.get(_key(one, metadata[number]), urls) or kept.get(_exact_key(view, one, metadata[number]), urls)
        if known is not None and number not in frozen:
            frozen[number] = Frozen(_entry(one, known))
        else:
            open_.append(number)
    options.say(f"asking {', '.join(index.url for index in indexes.indexes)} for {len(open_)} packages")
    pages = indexes.ask(
        (distributions[number].name for number in open_),
        lambda done, of: options.say(f"asking the package index: {done} of {of}"),
    )
    for number in open_:
        one = distributions[number]
        found = [*pages[one.name], *(file for file in links if _project(file.name) == one.name)]
        if number in frozen:
            # from a file of this machine: an index may have the same one
            digest = _digest(_file_of_here(one) or "", one)
            same = next((file for file in found if digest and dict(file.hashes).get("sha256") == digest), None)
            if same is not None:
                frozen[number] = Frozen(_entry(one, same))
            continue
        answer = _by_record(view, one, identify(one, found, ranks, metadata[number]), indexes)
        if answer.file is None:
            unreached = "; ".join(f"{url}: {why}" for url, why in indexes.troubles.items()) if not found else ""
            frozen[number] = Frozen(None, f"{_label(one)}: {unreached or answer.problem}")
            continue
        file = answer.file
        if not any(name == "sha256" for name, _ in file.hashes):
            try:
                file = file._replace(hashes=(*file.hashes, ("sha256", indexes.digest(file))))
            except Trouble as trouble:
                frozen[number] = Frozen(
                    None, f"{_label(one)}: the index gives no hash of {file.name}, and fetching it failed: {trouble}"
                )
                continue
        frozen[number] = Frozen(_entry(one, file), None, f"{_label(one)}: {answer.note}" if answer.note else None)
        if answer.by_record:
            kept.put(_exact_key(view, one, metadata[number]), file)
        elif answer.note is None:
            kept.put(_key(one, metadata[number]), file)
    kept.save()
    troubles = {url: why for url, why in indexes.troubles.items() if any(frozen[number].entry is None for number in open_)}
    return [frozen[number] for number in range(len(distributions))], {**troubles, **notes}


def by_address(one: Distribution, view: View) -> Frozen | None:
    """A distribution that was installed from an address or a folder; None for one of an index."""
    label = _label(one)
    if one.version is None:
        return Frozen(None, f"{label}: its metadata has no version")
    if not _NAME.fullmatch(one.name) or not _version(one.version):
        return Frozen(None, f"{label}: no name or version that a lock can hold")
    if one.editable is not None or (one.direct_url is not None and one.direct_url.editable):
        project = view.snapshot.project
        own = project is not None and project.name is not None and name_of(project.name) == one.name
        where = one.direct_url.url if one.direct_url is not None else "a folder"
        word = "the project itself, " if own else ""
        return Frozen(None, f"{label}: {word}an editable install of {where}", expected=own)
    direct = one.direct_url
    if direct is None:
        return None
    url = stripped(direct.url)
    if not all(_PLAIN.fullmatch(word) for word in (url, direct.subdirectory or "x", direct.commit or "x", direct.vcs or "git")):
        return Frozen(None, f"{label}: its direct_url.json holds no address")
    scheme = url.partition("://")[0] if "://" in url else ""
    if direct.vcs:
        if not direct.commit:
            return Frozen(None, f"{label}: from {url}, and no commit is recorded")
        if scheme in _LOCAL:
            return Frozen(None, f"{label}: from a repository on this machine: {url}")
        artifact = Artifact(kind="vcs", url=f"{direct.vcs}+{url}", commit=direct.commit, path=direct.subdirectory)
        return Frozen(Locked(name=one.name, version=one.version, source=url, artifacts=(artifact,)))
    if scheme in _LOCAL and _file_of_here(one) is not None:
        return Frozen(None, f"{label}: from a file of this machine: {url}")
    if not direct.archive_hash:
        if scheme in _LOCAL:
            return Frozen(None, f"{label}: from a folder of this machine: {url}")
        return Frozen(None, f"{label}: from {url}, and no hash is recorded")
    if scheme not in ("http", "https"):
        return Frozen(None, f"{label}: from a file of this machine: {url}")
    algorithm, _, digest = direct.archive_hash.partition("=")
    if not re.fullmatch(r"[0-9a-fA-F]{64,128}", digest):
        return Frozen(None, f"{label}: from {url}, and its hash is none")
    artifact = Artifact(
        kind="archive",
        name=url.partition("#")[0].rpartition("/")[2],
        url=url.partition("#")[0],
        hashes=((algorithm.lower(), digest.lower()),),
        path=direct.subdirectory,
    )
    return Frozen(Locked(name=one.name, version=one.version, source=url.partition("#")[0], artifacts=(artifact,)))


def _version(text: str) -> bool:
    """A version that an installer could be asked for."""
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def _file_of_here(one: Distribution) -> str | None:
    """The path of the archive on this machine that it was installed from, if it was."""
    from urllib.parse import unquote, urlsplit

    if one.direct_url is None or one.direct_url.vcs or one.direct_url.editable:
        return None
    parts = urlsplit(one.direct_url.url)
    if parts.scheme != "file" or not (one.direct_url.archive_hash or parts.path.endswith(_ARCHIVES)):
        return None
    return unquote(parts.path)


def _digest(path: str, one: Distribution) -> str | None:
    """sha256 of the archive that it was installed from: as recorded, else of the file as it is now."""
    algorithm, _, digest = (one.direct_url.archive_hash or "").partition("=") if one.direct_url is not None else ("", "", "")
    if algorithm == "sha256":
        return digest.lower()
    try:
        descriptor, _ = files.open_regular(path)
    except files.Unreadable:
        return None
    value = hashlib.sha256()
    with os.fdopen(descriptor, "rb") as stream:
        while block := stream.read(1 << 20):
            value.update(block)
    return value.hexdigest()


def identify(one: Distribution, found: Iterable[File], ranks: Mapping[Tag, int], metadata: str | None) -> Found:
    """The file of an index that a distribution was installed from. `metadata` is the sha256 of the installed METADATA. Pure.

    The wheel of that name, version, build and tags; with several of them, those that the metadata's hash singles out. Wheels
    whose WHEEL says other tags than their name (files that were renamed after they were built) come back as candidates. What was
    built from a source archive is locked as that.
    """
    from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(one.version or "")
    except InvalidVersion:
        return Found(None, f"{one.version} is no version that an index can have")
    wheels: list[tuple[File, frozenset[str], bool, int]] = []
    sdists: list[File] = []
    others = False
    for file in found:
        others = True
        try:
            if file.name.endswith(".whl"):
                if not _may_be(file.name, version):
                    continue
                name, its, build, tags = parse_wheel_filename(file.name)
                if name == one.name and its == version:
                    words = frozenset(str(tag) for tag in tags)
                    rank = min((ranks[tag] for tag in tags if tag in ranks), default=-1)
                    wheels.append((file, words, "".join(map(str, build)) == (one.wheel.build or "" if one.wheel else ""), rank))
            elif file.name.endswith((".tar.gz", ".zip", ".tar.bz2")):
                name, its = parse_sdist_filename(re.sub(r"\.tar\.bz2$", ".tar.gz", file.name))
                if name == one.name and its == version:
                    sdists.append(file)
        except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
            continue
    if not others:
        return Found(None, "no index has a package of that name")
    if not wheels and not sdists:
        more = " (--index-url names the index that it came from)" if version.local else ""
        return Found(None, f"no index has version {version}{more}")
    said = frozenset(one.wheel.tags) if one.wheel is not None else frozenset()
    candidates: tuple[File, ...] = ()
    if said:
        exact = [file for file, tags, build, _ in wheels if tags == said and build]
        if exact:
            same = [file for file in exact if metadata is None or file.metadata in (None, metadata)]
            if not same:
                return Found(None, f"the index has another {exact[0].name}: its metadata is not that of what is installed")
            return _single(same, metadata)
        close = sorted(((rank, file) for file, _, _, rank in wheels if rank >= 0), key=lambda item: (item[0], item[1].name))
        candidates = tuple(file for _, file in close if metadata is None or file.metadata in (None, metadata))
    if sdists:
        answer = _single(sdists, None)
        if answer.file is not None:
            return answer._replace(note=f"built here; its source archive {answer.file.name} is locked", candidates=candidates)
        return answer._replace(candidates=candidates)
    spelled = ", ".join(sorted(said)) or "no wheel"
    problem = f"no index has a wheel of version {version} for {spelled[:120]}, and no source archive"
    return Found(None, problem, candidates=candidates)


def _by_record(view: View, one: Distribution, answer: Found, indexes: Indexes) -> Found:
    """Looks for the candidate whose files are those that are installed; `answer` where there is none."""
    if not answer.candidates:
        return answer
    installed = _rows(view, one)
    for file in answer.candidates[:MAX_CANDIDATES]:
        try:
            rows = indexes.record(file)
        except Trouble:
            continue
        own = {path: digest for path, digest in rows.items() if ".data/" not in path}
        if own and all(installed.get(path) == digest for path, digest in own.items()):
            return Found(file, by_record=True)
    return answer


def _rows(view: View, one: Distribution) -> dict[str, str]:
    """RECORD of what is installed: path to hash."""
    import csv

    try:
        content = files.read(f"{view.snapshot.sites[one.site].path}/{one.path}/RECORD", 1 << 26)
        return {row[0]: row[1] for row in csv.reader(content.data.decode("utf-8", "replace").splitlines()) if len(row) == 3}
    except (files.Unreadable, csv.Error):
        return {}


def _single(candidates: Sequence[File], metadata: str | None) -> Found:
    """One of several files of one name: they have to be the same file."""
    sure = [file for file in candidates if metadata is not None and file.metadata == metadata] or list(candidates)
    digests = {dict(file.hashes).get("sha256") for file in sure}
    if len(digests - {None}) > 1:
        where = " and ".join(sorted({file.origin for file in sure}))
        return Found(None, f"{where} have different files named {sure[0].name}")
    return Found(next((file for file in sure if dict(file.hashes).get("sha256")), sure[0]))


def _may_be(name: str, version: object) -> bool:
    """A wheel's name may be of that version: its first digits are the same. Spares parsing thousands of names."""
    words = name.split("-", 2)
    return (len(words) == 3 and words[1].lstrip("v0")[:1] == str(version).lstrip("0")[:1]) or "!" in name


def _project(name: str) -> str:
    """PEP 503 name in a file's name."""
    return name_of(name.split("-")[0] if name.endswith(".whl") else name.rpartition("-")[0])


def _label(one: Distribution) -> str:
    return f"{one.name} {one.version}" if one.version else one.name


def _entry(one: Distribution, file: File) -> Locked:
    hashes = [pair for pair in file.hashes if pair[0] == "sha256"] or list(file.hashes)
    kind: Literal["wheel", "sdist"] = "wheel" if file.name.endswith(".whl") else "sdist"
    artifact = Artifact(kind=kind, name=file.name, url=file.url, hashes=tuple(hashes), size=file.size)
    return Locked(name=one.name, version=one.version, source=file.origin, artifacts=(artifact,))


def _metadata(view: View, one: Distribution) -> str | None:
    """sha256 of a distribution's METADATA, None where it is not to be read."""
    folder = view.snapshot.sites[one.site].path
    try:
        content = files.read(f"{folder}/{one.path}/METADATA", 1 << 24)
    except files.Unreadable:
        return None
    return None if content.cut else hashlib.sha256(content.data).hexdigest()


# --------------------------------------------------------------------------------------------------------- indexes, the cache


def _indexes(options: Options, view: View) -> tuple[Indexes, list[File], dict[str, str]]:
    """The indexes to ask, the files of ``find-links`` pages, and what is said of places that cannot be locked from."""
    from envdoctor.collect import settings
    from envdoctor.collect.scene import Scene
    from envdoctor.rules.pip.pip004_index_unsafe import PUBLIC

    target = view.snapshot.target
    scene = Scene(
        target=target,
        prefix=target.prefix,
        environ=options.environ,
        cwd=options.cwd,
        home=options.home,
        project_root=options.project,
    )
    configured = settings.indexes(scene)
    if options.index_urls:
        urls: tuple[str, ...] = options.index_urls
        links: tuple[str, ...] = ()
    else:
        by_uv = sum(1 for one in view.effective.values() if one.installer == "uv")
        by_pip = sum(1 for one in view.effective.values() if one.installer == "pip")
        order = (configured.uv, configured.pip) if by_uv > by_pip else (configured.pip, configured.uv)
        urls = tuple(dict.fromkeys(url for those in order for url in those))
        if len(urls) > 1 and "" in urls and ("" not in configured.pip or "" not in configured.uv):
            # one of the two tools has an index of its own instead of the public one: then nothing goes there
            urls = tuple(url for url in urls if url)
        links = configured.links
    notes = {}
    asked = []
    for url in urls:
        url = url or f"https://{PUBLIC[0]}/simple"
        if url.partition("://")[0].lower() in ("http", "https"):
            asked.append(url)
        else:
            notes[public(url)] = "an index on this machine: nobody else has it, it is not asked"
    pages = [url for url in links if url.partition("://")[0].lower() in ("http", "https")]
    made = Indexes(asked, environ=options.environ, home=options.home, certificate=configured.certificate, offline=options.offline)
    return made, made.pages(pages), notes


class _Kept:
    """What was found before, in envdoctor's cache folder: a file that an index has is the same one for ever."""

    def __init__(self, options: Options) -> None:
        from envdoctor.cache import Store, locate

        folder = locate(options.environ, options.home)
        self._store: Store | None = Store(folder) if folder is not None else None
        self._name = hashlib.sha256(b"index files 1").hexdigest()[:32] + ".facts"
        self._known: dict[str, list[object]] = {}
        self._new = False
        data = self._store.read(self._name) if self._store is not None else None
        if data is not None:
            try:
                found = json.loads(bytes(data))
            except ValueError:
                found = None
            self._known = found if isinstance(found, dict) else {}

    def get(self, key: str, indexes: Sequence[str]) -> File | None:
        """The file that was found for a distribution in one of `indexes`."""
        for index in indexes:
            row = self._known.get(f"{key}\n{index}")
            try:
                if row is not None:
                    name, url, digest, size = row
                    if isinstance(name, str) and isinstance(url, str) and re.fullmatch(r"[0-9a-f]{64}", str(digest)):
                        return File(name, url, index, (("sha256", str(digest)),), size if isinstance(size, int) else None)
            except (ValueError, TypeError):
                continue
        return None

    def put(self, key: str, file: File) -> None:
        """Keeps what was found."""
        digest = dict(file.hashes).get("sha256")
        if digest is not None:
            self._known[f"{key}\n{file.origin}"] = [file.name, file.url, digest, file.size]
            self._new = True

    def save(self) -> None:
        """Writes it down; where that cannot be, the next run asks again."""
        from envdoctor.cache import Unusable

        if self._new and self._store is not None:
            try:
                self._store.write(self._name, json.dumps(self._known, sort_keys=True).encode())
            except Unusable:
                pass


def _key(one: Distribution, metadata: str | None) -> str:
    tags = ",".join(sorted(one.wheel.tags)) if one.wheel is not None else ""
    build = one.wheel.build or "" if one.wheel is not None else ""
    return "\n".join((one.name, one.version or "", build, tags, metadata or ""))


def _exact_key(view: View, one: Distribution, metadata: str | None) -> str:
    """The same with all files of the distribution: what is built here has other ones than a wheel of its tags and metadata."""
    rows = sorted(f"{path},{digest}" for path, digest in _rows(view, one).items() if digest and not path.endswith(_BESIDE))
    return f"{_key(one, metadata)}\n{hashlib.sha256(chr(10).join(rows).encode()).hexdigest()}"


# ------------------------------------------------------------------------------------------------------------------- the text


def _text(options: Options, kind: Kind, name: str, snapshot: Snapshot, platform: str, entries: Sequence[Locked]) -> str:
    version = snapshot.interpreter.version or ""
    release = ".".join(version.split(".")[:2])
    header = [f"Made by {MARK}: what is installed, for {platform}" + (f" and Python {release}" if release else "")]
    if kind == "pylock":
        return write.pylock(
            entries, environments=[_marker(snapshot)], requires_python=f"=={release}.*" if release else None, header=header
        )
    if kind == "requirements":
        indexes = list(dict.fromkeys(stripped(url) for url in options.index_urls))
        return write.requirements(entries, header=header, indexes=indexes)
    if kind == "explicit":
        return write.explicit(entries, platform=platform, header=header)
    return freeze_conda.text(name, platform, entries, header)


def _marker(snapshot: Snapshot) -> str:
    """The machines that the lock is for, as a marker."""
    from envdoctor import platforms

    values = platforms.marker_environment(snapshot, snapshot.machine)
    names = ("sys_platform", "platform_machine", "implementation_name")
    return " and ".join(f"{name} == '{values[name]}'" for name in names if values.get(name))
