"""conda-meta: the records of a conda prefix, in the dialects of conda, mamba, micromamba, rattler and pixi.

One pass over conda-meta decodes of every record only the fields that are used, and keeps its paths in columns: a prefix of
400 packages has 80,000 paths and more than 30 MB of records. What the paths come to is found by ``conda_paths``.
What the dialects differ in was recorded from the writers themselves; the tests make prefixes in each.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from envdoctor.collect import files as fs
from envdoctor.collect.scene import Scene
from envdoctor.lazy import pattern
from envdoctor.snapshot import CondaPackage, CondaProblem, text
from envdoctor.tuples import NamedTuple

RECORD_LIMIT = 64 << 20
"""Bytes of a record; the largest real ones have 10 MB."""
LENIENT_LIMIT = 16 << 20
"""Bytes of a damaged record that are looked at for where the damage is."""
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""sha256 of nothing: micromamba leaves out the size of an empty file."""
NEWLINE = b"\n"
_LINKS = {1: "hardlink", 2: "softlink", 3: "copy", 4: "folder"}
_TOKEN = pattern(r"/t/[^/]+/")
_USER = pattern(r"(?<=://)[^/@]*@")
KINDS = {"softlink": "link", "directory": "folder"}


class _Row(msgspec.Struct, gc=False):
    """A row of paths_data."""

    path: str = msgspec.field(name="_path", default="")
    path_type: str | None = None
    sha256: str | None = None
    sha256_in_prefix: str | None = None
    size_in_bytes: int | None = None
    file_mode: str | None = None
    prefix_placeholder: str | None = None


class _Paths(msgspec.Struct, gc=False):
    paths: list[_Row] = []


class _Link(msgspec.Struct, gc=False):
    source: str | None = None
    type: int | None = None


class _CondaRecord(msgspec.Struct):
    """The fields of conda-meta/NAME-VERSION-BUILD.json that are used."""

    name: str
    version: str
    build: str | None = None
    build_string: str | None = None
    """Only micromamba writes it."""
    build_number: int | None = None
    channel: str | None = None
    subdir: str | None = None
    url: str | None = None
    fn: str | None = None
    md5: str | None = None
    sha256: str | None = None
    depends: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    constrains: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    track_features: str | list[str] | None = None
    noarch: str | bool | None = None
    size: int | None = None
    timestamp: int | float | None = None
    requested_spec: str | msgspec.UnsetType | None = msgspec.UNSET
    requested_specs: list[str] | None = None
    python_site_packages_path: str | None = None
    extracted_package_dir: str | None = None
    link: _Link | None = None
    files: list[str] | None = None
    paths_data: _Paths | None = None


@cache
def _decoder() -> msgspec.json.Decoder[_CondaRecord]:
    return msgspec.json.Decoder(_CondaRecord)


class Record(msgspec.Struct):
    """One record: its facts so far, and its paths in columns. Compiled modules (.pyc) are only counted."""

    package: CondaPackage
    label: str
    """``name=version=build``."""
    writer: str
    files: list[str]
    """Relative to the prefix, ``/`` between folders; none leaves the prefix."""
    sizes: list[int | None]
    """What each should have in the prefix; None where the record does not tell."""
    odd: dict[str, tuple[str, str | None]]
    """Path to kind and way of rewriting (as of CondaPath) of those that are no plain files."""
    hashes: list[str | None] = msgspec.field(default_factory=list)
    """What each should have in the prefix; only with ``--deep``."""
    compiled: int = 0
    stands: str = ""
    """The record's own path."""


class Facts(NamedTuple):
    """What the records of a conda prefix tell. Empty outside conda prefixes."""

    owners: dict[str, str]
    """Absolute paths of dist-info and egg-info folders (or files) to ``name=version=build`` of the record that lists them."""
    records: list[Record]
    problems: list[CondaProblem]
    names: list[str] | None = None
    """What stands in conda-meta; None where there is no such folder."""


def collect(scene: Scene) -> Facts:
    """Facts of conda-meta. A record that cannot be read, or not wholly, is a problem; the others go on."""
    folder = f"{scene.prefix}/conda-meta"
    try:
        names = fs.names(folder)
    except fs.Unreadable as error:
        if not error.missing:
            scene.gap("conda", folder, str(error))
        return Facts({}, [], [], None)
    owners: dict[str, str] = {}
    records: list[Record] = []
    problems: list[CondaProblem] = []
    for name in names:
        if not name.endswith(".json") or name.startswith("."):
            continue
        found, reasons = _read(f"{folder}/{name}")
        problems += [_problem(name, reason, whole=found is None) for reason in reasons]
        if found is None:
            continue
        record = _record(scene, name, found, problems)
        records.append(record)
        for path in record.package.metadata:
            owners[os.path.normpath(f"{scene.prefix}/{path}")] = record.label
    return Facts(owners, records, problems, names)


def _problem(name: str, reason: str, *, whole: bool = True) -> CondaProblem:
    stem = name.removesuffix(".json").rsplit("-", 2)
    return CondaProblem(
        path=text(f"conda-meta/{name}"), reason=text(reason), name=text(stem[0]) if len(stem) == 3 else None, whole=whole
    )


def _read(path: str) -> tuple[_CondaRecord | None, list[str]]:
    """A record as far as it can be read, and what is wrong with it."""
    try:
        content = fs.read(path, RECORD_LIMIT)
    except fs.Unreadable as error:
        return None, [str(error)]
    if content.cut:
        return None, [f"larger than {RECORD_LIMIT >> 20} MiB"]
    return decode(content.data)


def decode(data: bytes) -> tuple[_CondaRecord | None, list[str]]:
    """The same for the content of a record."""
    found: _CondaRecord | None
    reasons: list[str] = []
    try:
        found = _decoder().decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found, reasons = _lenient(data)
    if found is not None:
        told = {reason.partition(" ")[0] for reason in reasons}
        reasons += [reason for key, reason in _unlike_conda(data, found) if key not in told]
    return found, reasons


def _unlike_conda(data: bytes, found: _CondaRecord) -> Iterator[tuple[str, str]]:
    """What conda and rattler stop at, though everything that is used could be read: field and reason."""
    if data.startswith(b"\xef\xbb\xbf"):
        yield "", "begins with a byte order mark, which no JSON may"
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            yield "", f"is no UTF-8: line {data.count(NEWLINE, 0, error.start) + 1}"
    if found.build_number is None:
        yield "build_number", "has no build_number"
    for key in ("depends", "constrains"):
        if getattr(found, key) is None:
            yield key, f"{key} is null, where a list is expected"
    if isinstance(found.noarch, str) and found.noarch not in ("python", "generic"):
        yield "noarch", f"noarch is {found.noarch[:40]!r}, which no installer knows"


def _lenient(data: bytes) -> tuple[_CondaRecord | None, list[str]]:
    """The same, one field at a time, for data that is not as it should be."""
    if not data.strip(b" \t\r\n\0"):
        return None, ["empty" if not data else f"{len(data)} bytes without content"]
    if len(data) > LENIENT_LIMIT:
        return None, ["no JSON"]
    try:
        document = json.loads(data.decode("utf-8", "backslashreplace").removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        return None, [f"no JSON: line {error.lineno}, column {error.colno}: {error.msg}"]
    except (RecursionError, ValueError):
        return None, ["no JSON: nested too deeply, or a number too long"]
    if not isinstance(document, dict):
        return None, ["not an object"]
    reasons: list[str] = []
    kept: dict[str, Any] = {}
    for key in ("name", "version"):
        value = document.get(key)
        if not isinstance(value, str) or not value:
            return None, [f"{key} is no string" if key in document else f"has no {key}"]
    for info in msgspec.structs.fields(_CondaRecord):
        key = info.encode_name
        if key not in document or key in ("paths_data", "files"):
            continue
        try:
            kept[key] = msgspec.convert(document[key], info.type)
        except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
            lists = key in ("depends", "constrains", "requested_specs")
            reasons.append(f"{key} is no {'list of strings' if lists else 'value of its type'}")
            if lists and isinstance(document[key], list):
                kept[key] = [item for item in document[key] if isinstance(item, str)]
    listed = document.get("files")
    if isinstance(listed, list):
        kept["files"] = [path for path in listed if isinstance(path, str)]
    if "files" in document and len(kept.get("files", ())) != (len(listed) if isinstance(listed, list) else -1):
        reasons.append("files is no list of strings")
    rows = document.get("paths_data")
    if isinstance(rows, list):
        reasons.append("paths_data is a list, where an object is expected")
    rows = rows.get("paths") if isinstance(rows, dict) else rows
    if isinstance(rows, list):
        good = [row for row in map(_row, rows) if row is not None]
        kept["paths_data"] = _Paths(good)
        if len(good) != len(rows):
            reasons.append(f"{len(rows) - len(good)} of {len(rows)} rows of paths_data are none")
    elif rows is not None:
        reasons.append("paths_data holds no list of paths")
    return _CondaRecord(**kept), reasons


def _row(row: object) -> _Row | None:
    try:
        found = msgspec.convert(row, _Row)
    except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
        return None
    return found if found.path else None


def _record(scene: Scene, name: str, found: _CondaRecord, problems: list[CondaProblem]) -> Record:
    build = found.build if found.build is not None else found.build_string or ""
    label = text(f"{found.name}={found.version}={build}")
    if name != f"{found.name}-{found.version}-{build}.json":
        problems.append(_problem(name, f"is the record of {found.name}-{found.version}-{build}", whole=False))
    record = Record(CondaPackage(name=""), label, _writer(found), [], [], {}, stands=f"conda-meta/{name}")
    if unknown := _columns(record, found, deep=scene.deep):
        reason = f"{len(unknown)} of its paths are of a kind that no installer knows: {unknown[0][:40]!r}"
        problems.append(_problem(name, reason, whole=False))
    record.files, outside = _inside(record)
    if outside:
        problems.append(_problem(name, f"{outside} of its paths lead out of the prefix", whole=False))
    if scene.windows and any("\\" in path for path in record.files):
        record.files = [path.replace("\\", "/") for path in record.files]
    metadata = _metadata(record.files)
    gone = tuple(path for path in metadata if not fs.is_there(f"{scene.prefix}/{path}"))
    record.package = CondaPackage(
        name=text(found.name),
        version=text(found.version),
        build=text(build),
        build_number=found.build_number,
        subdir=_text(found.subdir),
        channel=channel_of(found.channel, found.url, found.subdir),
        url=_clean(found.url),
        filename=_text(found.fn),
        md5=_text(found.md5),
        sha256=_text(found.sha256),
        depends=_texts(found.depends or None),
        constrains=_texts(found.constrains or None),
        track_features=_features(found.track_features),
        noarch="generic" if found.noarch is True else _text(found.noarch) if isinstance(found.noarch, str) else None,
        requested=_requested(found),
        record=text(record.stands),
        cache=_text((found.link and found.link.source) or found.extracted_package_dir),
        link=_LINKS.get(found.link.type) if found.link and found.link.type else None,  # type: ignore[arg-type]
        python_site=_text(found.python_site_packages_path),
        metadata=tuple(map(text, metadata)),
        paths=len(record.files),
        virtual=tuple(text(each) for each in found.depends or () if each.startswith("__")),
        metadata_gone=tuple(map(text, gone)),
        module=_module(scene, record.files) if gone else None,
    )
    return record


def _columns(record: Record, found: _CondaRecord, *, deep: bool) -> list[str]:
    """Sorts the paths into columns; gives the kinds of paths that no installer knows."""
    unknown: list[str] = []
    paths, sizes, hashes, odd = record.files, record.sizes, record.hashes, record.odd
    rows = found.paths_data.paths if found.paths_data else []
    compiled = 0
    for row in rows:
        path = row.path
        if path[-4:] == ".pyc" or row.path_type == "linked_package_record":
            compiled += 1
            continue
        size, hash_ = row.size_in_bytes, row.sha256_in_prefix
        if row.path_type == "hardlink":
            if size is None and row.sha256 == EMPTY:
                size = 0
            if row.file_mode is not None or row.prefix_placeholder is not None:
                odd[path] = "file", row.file_mode if row.file_mode in ("text", "binary") else "unknown"
            elif hash_ is None:
                hash_ = row.sha256
            elif hash_ != row.sha256:
                odd[path] = "file", "unknown"
        elif row.path_type in KINDS:
            odd[path] = KINDS[row.path_type], None
            size = hash_ = None
        else:
            hash_ = hash_ or row.sha256
            if row.path_type and ("entry_point" in row.path_type or "entrypoint" in row.path_type):
                odd[path] = "entry-point", None
            elif row.path_type and row.path_type != "pyc_file":
                unknown.append(row.path_type)
        paths.append(path)
        sizes.append(size)
        if deep:
            hashes.append(hash_)
    if found.files:
        more = set(found.files).difference(row.path for row in rows) if rows else dict.fromkeys(found.files)
        for path in sorted(more) if rows else more:
            if path[-4:] == ".pyc":
                compiled += 1
            elif path:
                paths.append(path)
                sizes.append(None)
                if deep:
                    hashes.append(None)
    record.compiled = compiled
    return unknown


def _inside(record: Record) -> tuple[list[str], int]:
    """The paths without those that leave the prefix, and how many these are; the columns lose them, too."""
    paths = record.files
    bad = {path for path in paths if (path[:1] in "/\\" or ".." in path or path[1:2] == ":") and _leaves(path)}
    if not bad:
        return paths, 0
    keep = [at for at, path in enumerate(paths) if path not in bad]
    record.sizes = [record.sizes[at] for at in keep]
    record.hashes = [record.hashes[at] for at in keep] if record.hashes else []
    return [paths[at] for at in keep], len(paths) - len(keep)


def _leaves(path: str) -> bool:
    return not path or path[0] in "/\\" or path[1:2] == ":" or ".." in path.replace("\\", "/").split("/")


def _metadata(paths: list[str]) -> list[str]:
    """dist-info and egg-info folders (or files) among `paths`, in order."""
    folders: dict[str, None] = {}
    for path in paths:
        if "-info" not in path:
            continue
        parts = path.split("/")
        for at, part in enumerate(parts):
            if part.endswith((".dist-info", ".egg-info")):
                folders["/".join(parts[: at + 1])] = None
                break
    return list(folders)


def _module(scene: Scene, paths: list[str]) -> str | None:
    """The first module of these files that is there."""
    modules = (
        path for path in paths if "/site-packages/" in f"/{path}" and path.endswith((".py", ".so")) and "-info/" not in path
    )
    return next((text(path) for path in modules if fs.exists(f"{scene.prefix}/{path}")), None)


def _writer(found: _CondaRecord) -> str:
    """Whose dialect it is; see ``tests/conda/dialects.py``. Older rattlers write a requested_spec, too."""
    if found.build_string is not None:
        return "micromamba"
    if (found.channel or "").endswith("/") or (found.requested_spec is msgspec.UNSET and found.requested_specs is not None):
        return "rattler"
    return "conda"


def channel_of(channel: str | None, url: str | None, subdir: str | None) -> str | None:
    """URL (or name) of a record's channel without platform, secrets and trailing slash; from the package's URL if need be."""
    if not channel or channel == "<unknown>":
        channel = url.rsplit("/", 1)[0] if url and "/" in url else None
    if not channel:
        return None
    channel = (_clean(channel) or "").rstrip("/")
    for ending in (subdir, "noarch"):
        if ending and channel.endswith(f"/{ending}"):
            channel = channel.removesuffix(f"/{ending}")
            break
    return channel or None


def _clean(url: str | None) -> str | None:
    """`url` without user, password and token (``/t/TOKEN/``)."""
    if not url:
        return None
    return text(_USER.sub("", _TOKEN.sub("/", url)))[:2000]


def _requested(found: _CondaRecord) -> tuple[str, ...]:
    specs = list(found.requested_specs or ())
    if isinstance(found.requested_spec, str) and found.requested_spec not in specs:
        specs.append(found.requested_spec)
    return tuple(text(spec) for spec in specs if spec.strip() not in ("", "None"))


def _features(value: str | list[str] | None) -> tuple[str, ...]:
    words = re.split(r"[\s,]+", value) if isinstance(value, str) else value or []
    return tuple(text(word) for word in words if word)


def _text(value: str | None) -> str | None:
    return text(value)[:4000] if value else None


def _texts(values: list[str] | None) -> tuple[str, ...]:
    return tuple(map(text, values or ()))
