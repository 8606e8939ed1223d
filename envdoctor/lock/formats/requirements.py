"""Requirements files as locks: pip's format, as ``pip-compile``, ``uv pip compile`` and exporters write it.

Options and continuation lines follow pip's reference ("Requirements File Format"). A requirement that is not pinned by ``==``
or a URL is named in ``problems``: with it the file is no lock of that package.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from envdoctor.lazy import pattern
from envdoctor.lock.document import decode, file_name, name_of, public, transcoded
from envdoctor.lock.model import Artifact, Lock, Locked, LockError, Wish
from envdoctor.tuples import NamedTuple

MAX_LINE = 1 << 20
"""Characters of one requirement with its hashes."""
_HASH = pattern(r"\s--hash[= ]\s*([A-Za-z0-9_]+):([0-9A-Fa-f]+)")
_PIN = pattern(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*===?\s*([A-Za-z0-9][A-Za-z0-9.!+_-]*)\s*(?:;\s*(.*\S)\s*)?"
)
_OPTION = pattern(r"(-[a-zA-Z]|--[a-z][a-z0-9-]*)(?:\s*=\s*|\s+|(?<=^-[a-zA-Z])(?=\S)|$)(.*)", re.DOTALL)
_COMMENT = pattern(r"(?:^|\s)#.*$")
_NAME = pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_COMMAND = pattern(r"^#[ \t]+((?:uv|pip-compile|pip|pdm|poetry|pipenv)\b.*\S)[ \t]*$", re.MULTILINE)
_VIA = pattern(r"-r \S.*|\S+ \(\S+\.(?:toml|cfg|py)(?::[^()]+)?\)")
_EGG = pattern(r"[#&]egg=([A-Za-z0-9][A-Za-z0-9._-]*)")
_VCS = pattern(r"(?:git|hg|svn|bzr)\+")
_COMMIT = pattern(r"[0-9a-f]{40}")
_ENDS = (".whl", ".zip", ".gz", ".bz2", ".xz", ".tgz", ".tar")


class Line(NamedTuple):
    """One logical line: continuations joined, comment removed."""

    text: str
    number: int


class Option(NamedTuple):
    """An option that stands for itself (``-r FILE``), by its long name."""

    name: str
    value: str
    number: int


_LONG = {
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-i": "--index-url",
    "-f": "--find-links",
    "--pypi-url": "--index-url",
}


def read(data: bytes, path: str, files: Mapping[str, bytes] | None = None) -> Lock:
    """The lock in `data`; `files` are those that it includes, by the names of ``Lock.includes``. Raises LockError."""
    source = decode(transcoded(data))
    packages: list[Locked] = []
    problems: list[str] = []
    options: list[Option] = []
    included: dict[str, None] = {}
    _take(source, path, files or {}, packages, problems, options, included, (path,))
    recorded: dict[str, str] = {}
    command = command_of(source)
    if command is not None:
        recorded["command"] = command
    if any(option.name == "--require-hashes" for option in options):
        recorded["require-hashes"] = "yes"
    indexes = [public(option.value) for option in options if option.name in ("--index-url", "--extra-index-url")]
    return Lock(
        path=path,
        format="requirements",
        created_by=_maker(source, command),
        indexes=tuple(dict.fromkeys(indexes)),
        groups=("",),
        default_groups=("",),
        wishes=_annotated(source, packages) if len(included) == 0 else (),
        recorded=tuple(sorted(recorded.items())),
        includes=tuple(included),
        packages=tuple(packages),
        problems=tuple(problems),
    )


def _take(
    source: str,
    path: str,
    files: Mapping[str, bytes],
    packages: list[Locked],
    problems: list[str],
    options: list[Option],
    included: dict[str, None],
    chain: tuple[str, ...],
) -> None:
    where = "" if len(chain) == 1 else f"{path} "
    for line in lines(source):
        option = option_of(line)
        if option is not None and option.name != "--editable":
            options.append(option)
            if option.name in ("--requirement", "--constraint"):
                other = beside(path, option.value)
                included[other] = None
                if option.name == "--requirement" and other not in chain and other in files and len(chain) < 20:
                    _take(decode(transcoded(files[other])), other, files, packages, problems, options, included, (*chain, other))
            continue
        editable = option is not None
        text = option.value if option is not None else line.text
        entry, problem = _entry(text, line.number, editable=editable)
        if entry is not None:
            packages.append(entry)
        if problem is not None:
            problems.append(f"{where}line {line.number}: {problem}")
        if entry is None and problem is None:
            raise LockError(f"no requirement: {text[:100]!r}", line.number, where.strip())


def without(lock: Lock, gone: Collection[str]) -> Lock:
    """`lock` with the files of its ``includes`` that are not there told as problems: pip stops at them."""
    import msgspec

    told = tuple(f"{name[:200]}, which it takes in, is not there" for name in lock.includes if name in gone)
    return msgspec.structs.replace(lock, problems=(*lock.problems, *told)) if told else lock


def lines(source: str) -> list[Line]:
    """Logical lines that are not empty."""
    found: list[Line] = []
    parts: list[str] = []
    start = 0
    for number, raw in enumerate(source.split("\n"), 1):
        text = raw
        if "#" in text:
            text = _COMMENT.sub("", text)
            if text != raw and not text.strip() and parts:
                # a comment line ends a continuation, as for pip
                found.append(Line(" ".join(parts).strip(), start))
                parts = []
                continue
        if not parts:
            start = number
        if text.endswith("\\"):
            parts.append(text[:-1].strip())
            continue
        text = text.strip()
        if parts:
            parts.append(text)
            text = " ".join(parts)
            parts = []
        if text:
            found.append(Line(text, start))
    if parts:
        found.append(Line(" ".join(parts).strip(), start))
    for line in found:
        if len(line.text) > MAX_LINE:
            raise LockError(f"a requirement of more than {MAX_LINE} characters", line.number)
    return [line for line in found if line.text]


def option_of(line: Line) -> Option | None:
    """`line` as an option; None for a requirement."""
    if not line.text.startswith("-"):
        return None
    if line.text[1:2] != "-" and len(line.text) > 2 and not line.text[2].isspace() and line.text[2] != "=":
        name, value = line.text[:2], line.text[2:]
    else:
        match = _OPTION.match(line.text)
        name, value = (match[1], match[2]) if match is not None else (line.text, "")
    return Option(_LONG.get(name, name), value.strip().strip("\"'"), line.number)


def beside(path: str, other: str) -> str:
    """The path of a file that the file `path` names."""
    if other.startswith("/") or "://" in other or re.match(r"[A-Za-z]:[\\/]", other):
        return other
    parts = [*path.split("/")[:-1]]
    for part in other.replace("\\", "/").split("/"):
        if part == ".." and parts and parts[-1] not in ("..", ""):
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def command_of(source: str) -> str | None:
    """The command in the header of a generated file."""
    head = source[:4096]
    if not head.startswith("#"):
        return None
    end = re.search(r"^(?!#)", head, re.MULTILINE)
    found = _COMMAND.search(head[: end.start() if end is not None else len(head)])
    return public(found[1]) if found is not None else None


def _annotated(source: str, packages: list[Locked]) -> tuple[Wish, ...]:
    """Entries that the file itself says are asked for directly: ``# via -r requirements.in``, ``# via demo (pyproject.toml)``."""
    if "# via" not in source:
        return ()
    starts = {entry.line: entry.name for entry in packages}
    found: dict[tuple[str, str], Wish] = {}
    current: str | None = None
    for number, line in enumerate(source.split("\n"), 1):
        current = starts.get(number, current)
        place = line.find("#")
        if place < 0 or current is None:
            continue
        for item in line[place + 1 :].strip().removeprefix("via").split(", "):
            match = _VIA.fullmatch(item.strip())
            if match is not None:
                found[current, item] = Wish(name=current, text=item.strip(), line=number)
    return tuple(found.values())


def _maker(source: str, command: str | None) -> str | None:
    if command is not None:
        return "uv" if command.startswith("uv") else command.split()[0]
    found = re.search(r"^#.*generated by.*?(PDM|Poetry|Pipenv|pip-compile|uv)\b", source[:500], re.MULTILINE)
    return found[1] if found is not None else None


def _entry(text: str, line: int, *, editable: bool) -> tuple[Locked | None, str | None]:
    """An entry of a requirement's text, and what is wrong with it; (None, None) for what is no requirement."""
    hashes: tuple[tuple[str, str], ...] = ()
    options = text.find(" --")
    if options >= 0:
        tail = text[options:]
        hashes = tuple(sorted({(algorithm.lower(), digest.lower()) for algorithm, digest in _HASH.findall(tail)}))
        text = text[:options].rstrip()
    pin = None if editable else _PIN.fullmatch(text)
    if pin is not None and not pin[3].endswith("."):
        name, extras, version, marker = pin.groups()
        artifacts = (Artifact(kind="archive", hashes=hashes),) if hashes else ()
        return _locked(name_of(name), version, marker, extras, artifacts, line), None
    if (
        editable
        or _VCS.match(text)
        or text.startswith((".", "/", "file:"))
        or ("://" in text.split(" ")[0] and " @ " not in text)
    ):
        target, _, marker = text.partition(" ;")
        return _direct(None, target.strip(), marker.strip() or None, None, hashes, line, editable=editable)
    from envdoctor.requirements import parse, split_marker

    head, _, marker = split_marker(text)
    wanted = parse(head.strip())
    if wanted is None:
        first = head.strip()
        if "/" in first or first.endswith(_ENDS):
            return _direct(None, first, marker.strip() or None, None, hashes, line, editable=False)
        return None, None
    if wanted.url is not None:
        return _direct(wanted.name, wanted.url, marker.strip() or None, ",".join(wanted.extras), hashes, line, editable=False)
    entry = _locked(wanted.name, None, marker.strip() or None, ",".join(wanted.extras), (), line)
    return entry, f"{wanted.name}{wanted.specifier} is not pinned to one version"


def _locked(
    name: str, version: str | None, marker: str | None, extras: str | None, artifacts: tuple[Artifact, ...], line: int
) -> Locked:
    return Locked(
        name=name,
        version=version,
        marker=marker,
        active_extras=tuple(sorted(name_of(extra.strip()) for extra in extras.split(",") if extra.strip())) if extras else (),
        artifacts=artifacts,
        line=line,
    )


def _direct(
    name: str | None,
    target: str,
    marker: str | None,
    extras: str | None,
    hashes: tuple[tuple[str, str], ...],
    line: int,
    *,
    editable: bool,
) -> tuple[Locked | None, str | None]:
    """An entry for a URL, a repository or a path."""
    egg = _EGG.search(target)
    file = file_name(target.rstrip("/"))
    version = None
    if name is None and egg is not None:
        name = egg[1]
    if file.endswith(".whl") and file.count("-") >= 4:
        parts = file.split("-")
        name, version = name or parts[0], parts[1]
    if name is None and "[" in target:
        target, _, extras = target.rstrip("]").partition("[")
    base = target.partition("#")[0]
    artifact: Artifact
    if _VCS.match(target):
        scheme, _, rest = base.partition("://")
        place, at, reference = rest.rpartition("@")
        # an @ before the first slash is user information
        if not at or "/" not in place:
            place, reference = rest, ""
        commit = reference if _COMMIT.fullmatch(reference) else None
        url = public(f"{scheme.partition('+')[2]}://{place}")
        artifact = Artifact(
            kind="vcs", url=url, reference=None if commit else reference or None, commit=commit, editable=editable
        )
        name = name or file_name(place).removesuffix(".git")
    elif "://" in target and not target.startswith("file:"):
        fragment = re.search(r"#(?:.*&)?(sha256|sha384|sha512|sha1|md5)=([0-9A-Fa-f]+)", target)
        if fragment is not None:
            hashes = tuple(sorted({*hashes, (fragment[1], fragment[2].lower())}))
        kind = "wheel" if file.endswith(".whl") else "archive"
        artifact = Artifact(kind=kind, name=file, url=public(base), hashes=hashes)  # type: ignore[arg-type]
    else:
        local = re.sub(r"^file:(?://)?", "", base)
        if file.endswith(_ENDS):
            artifact = Artifact(kind="wheel" if file.endswith(".whl") else "archive", name=file, path=local, hashes=hashes)
        else:
            artifact = Artifact(kind="directory", path=local, editable=editable)
    if name is None or _NAME.fullmatch(name) is None:
        if artifact.kind == "directory":
            return Locked(name="", marker=marker, artifacts=(artifact,), source=local, line=line), None
        return None, f"{target[:100]} does not say which package it is"
    entry = _locked(name_of(name), version, marker, extras, (artifact,), line)
    import msgspec

    return msgspec.structs.replace(entry, source=artifact.url or artifact.path), None
