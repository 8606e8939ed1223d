"""``requirements.in`` and requirements files that are no lock: wishes, with what they include where that is given. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from envdoctor.lock.document import decode, file_name, name_of, public, transcoded
from envdoctor.lock.formats.requirements import beside, lines, option_of
from envdoctor.lock.manifests.wishes import of_text
from envdoctor.lock.model import Manifest, Wish


def read(data: bytes, path: str, files: Mapping[str, bytes] | None = None) -> Manifest:
    """What the file declares; `files` are those that it takes in, by the paths of :func:`includes`. Raises LockError."""
    wishes: list[Wish] = []
    problems: list[str] = []
    _take(decode(transcoded(data)), path, files or {}, wishes, problems, (path,))
    return Manifest(path=path, format="requirements-in", wishes=tuple(wishes), problems=tuple(problems))


def includes(data: bytes, path: str, *, constraints: bool = True) -> tuple[str, ...]:
    """Files that ``-r`` (and ``-c``) take in, relative as `path` is."""
    kinds = ("--requirement", "--constraint") if constraints else ("--requirement",)
    found = []
    for line in lines(decode(transcoded(data))):
        option = option_of(line)
        if option is not None and option.name in kinds and "://" not in option.value:
            found.append(beside(path, option.value))
    return tuple(dict.fromkeys(found))


def _take(
    source: str, path: str, files: Mapping[str, bytes], wishes: list[Wish], problems: list[str], chain: tuple[str, ...]
) -> None:
    for line in lines(source):
        option = option_of(line)
        if option is not None and option.name != "--editable":
            other = beside(path, option.value)
            if option.name == "--requirement" and other in files and other not in chain and len(chain) < 20:
                _take(decode(transcoded(files[other])), other, files, wishes, problems, (*chain, other))
            continue
        text = (option.value if option is not None else line.text).partition(" --")[0].strip()
        wish = None if option is not None else of_text(text, line=line.number)
        if wish is None:
            wish = _direct(text, line.number)
        if wish is not None:
            wishes.append(wish)
        elif option is None and not text.startswith((".", "/", "file:")) and "/" not in text:
            problems.append(f"line {line.number}: no requirement: {text[:100]!r}")


def _direct(text: str, line: int) -> Wish | None:
    """A URL or path that says which package it is."""
    file = file_name(text.partition(" ;")[0])
    if "#egg=" in text:
        name = text.partition("#egg=")[2].partition("&")[0].partition("[")[0]
    elif file.endswith(".whl") and file.count("-") >= 4:
        name = file.partition("-")[0]
    else:
        return None
    return Wish(name=name_of(name), text=public(text), source=public(text.partition(" ;")[0].strip()), line=line)
