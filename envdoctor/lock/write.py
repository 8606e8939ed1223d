"""Locks of single platforms as text: pylock.toml (PEP 751), requirements with hashes, ``@EXPLICIT``. Pure, the same bytes always.

conda-lock.yml is written by ``envdoctor.lock.formats.conda_lock``; locks for several platforms are uv's and rattler's to make.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from envdoctor.lock.model import Artifact, Locked

PREFERRED = ("sha256", "sha384", "sha512", "blake2b", "md5")


def pylock(
    packages: Iterable[Locked],
    *,
    environments: Sequence[str] = (),
    requires_python: str | None = None,
    header: Sequence[str] = (),
) -> str:
    """A pylock.toml. Entries have one artifact or more; their ``source`` is the index where the artifacts are of one.

    The ``path`` of an artifact that has a URL is the subdirectory in it.
    """
    lines = [f"# {line}".rstrip() for line in header]
    lines.append('lock-version = "1.0"')
    if environments:
        lines += ["environments = [", *(f"    {_toml(one)}," for one in environments), "]"]
    if requires_python:
        lines.append(f"requires-python = {_toml(requires_python)}")
    lines.append('created-by = "envdoctor"')
    found = sorted(packages, key=lambda one: (one.name, one.version or ""))
    for entry in found:
        lines += ["", "[[packages]]", f"name = {_toml(entry.name)}"]
        if entry.version is not None:
            lines.append(f"version = {_toml(entry.version)}")
        if entry.marker:
            lines.append(f"marker = {_toml(entry.marker)}")
        files = [one for one in entry.artifacts if one.kind in ("wheel", "sdist")]
        if files and entry.source:
            lines.append(f"index = {_toml(entry.source)}")
        for one in entry.artifacts:
            if one.kind == "vcs":
                lines.append(f"vcs = {_vcs(one)}")
            elif one.kind == "archive":
                lines.append(f"archive = {_file(one)}")
            elif one.kind == "sdist":
                lines.append(f"sdist = {_file(one)}")
        wheels = [_file(one) for one in entry.artifacts if one.kind == "wheel"]
        if len(wheels) == 1:
            lines.append(f"wheels = [{wheels[0]}]")
        elif wheels:
            lines += ["wheels = [", *(f"    {one}," for one in wheels), "]"]
    if not found:
        lines.append("packages = []")
    return "\n".join(lines) + "\n"


def _file(one: Artifact) -> str:
    parts = []
    if one.url is not None:
        if one.name and one.url.rpartition("/")[2] != one.name:
            parts.append(f"name = {_toml(one.name)}")
        parts.append(f"url = {_toml(one.url)}")
    elif one.path is not None:
        parts.append(f"path = {_toml(one.path)}")
    if one.size is not None:
        parts.append(f"size = {one.size}")
    hashes = ", ".join(f"{algorithm} = {_toml(value)}" for algorithm, value in one.hashes)
    parts.append(f"hashes = {{ {hashes} }}")
    if one.url is not None and one.path:
        parts.append(f"subdirectory = {_toml(one.path)}")
    return f"{{ {', '.join(parts)} }}"


def _vcs(one: Artifact) -> str:
    scheme = (one.url or "").partition("+")[0] if "+" in (one.url or "").partition("://")[0] else "git"
    parts = [f"type = {_toml(scheme)}", f"url = {_toml((one.url or '').removeprefix(f'{scheme}+'))}"]
    if one.reference and one.reference != one.commit:
        parts.append(f"requested-revision = {_toml(one.reference)}")
    parts.append(f"commit-id = {_toml(one.commit or '')}")
    if one.url is not None and one.path:
        parts.append(f"subdirectory = {_toml(one.path)}")
    return f"{{ {', '.join(parts)} }}"


def _toml(text: str) -> str:
    """A TOML basic string; JSON's escapes are TOML's, DEL aside."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def requirements(packages: Iterable[Locked], *, header: Sequence[str] = (), indexes: Sequence[str] = ()) -> str:
    """A requirements file: ``NAME==VERSION --hash=…``, or ``NAME @ URL`` where an entry is of no index."""
    lines = [f"# {line}".rstrip() for line in header]
    lines += [f"{'--extra-index-url' if number else '--index-url'} {url}" for number, url in enumerate(indexes)]
    for entry in sorted(packages, key=lambda one: (one.name, one.version or "")):
        other = next((one for one in entry.artifacts if one.kind in ("vcs", "archive", "directory")), None)
        head = f"{entry.name}=={entry.version}" if other is None else f"{entry.name} @ {_direct(other)}"
        if entry.marker:
            head += f" ; {entry.marker}"
        hashes = [value for one in entry.artifacts for value in _hash(one)]
        lines.append(" \\\n".join([head, *(f"    --hash={algorithm}:{digest}" for algorithm, digest in hashes)]))
    return "\n".join(lines) + "\n"


def _hash(one: Artifact) -> list[tuple[str, str]]:
    """The hash that installers check: sha256 where there is one."""
    for algorithm in PREFERRED:
        found = [pair for pair in one.hashes if pair[0] == algorithm]
        if found:
            return found[:1]
    return list(one.hashes[:1])


def _direct(one: Artifact) -> str:
    url = one.url or one.path or ""
    if one.kind == "vcs":
        scheme = "" if "+" in url.partition("://")[0] else "git+"
        url = f"{scheme}{url}@{one.commit or one.reference or ''}".rstrip("@")
    return f"{url}#subdirectory={one.path}" if one.url and one.path else url


def explicit(packages: Iterable[Locked], *, platform: str, header: Sequence[str] = ()) -> str:
    """An ``@EXPLICIT`` file (CEP 23) for one platform: conda's packages in an order in which each comes after what it needs,
    then Python's as ``# pip`` lines."""
    entries = list(packages)
    lines = [*(f"# {line}".rstrip() for line in header), f"# platform: {platform}", "@EXPLICIT"]
    for entry in ordered([one for one in entries if one.manager == "conda"]):
        for one in entry.artifacts[:1]:
            hashes = dict(one.hashes)
            digest = hashes.get("md5") or hashes.get("sha256")
            lines.append(f"{one.url}#{digest}" if digest else f"{one.url}")
    for entry in sorted((one for one in entries if one.manager == "pypi"), key=lambda one: one.name):
        for one in entry.artifacts[:1]:
            digest = dict(one.hashes).get("sha256")
            lines.append(f"# pip {entry.name} @ {_direct(one)}" + (f"#sha256={digest}" if digest else ""))
    return "\n".join(lines) + "\n"


def ordered(packages: Sequence[Locked]) -> list[Locked]:
    """Entries so that each stands after those that it needs, as far as there is no circle; by name where that leaves a choice.

    Python stands before pip, although some records of it ask for pip.
    """
    by_name = {one.name: one for one in packages}
    done: dict[str, Locked] = {}

    def needs_of(name: str) -> list[str]:
        aside = ("pip", "setuptools", "wheel") if name == "python" else ()
        return sorted({need.name for need in by_name[name].needs if need.name not in aside})

    for start in sorted(by_name):
        stack = [(start, iter(needs_of(start)))]
        open_ = {start}
        while stack:
            name, needs = stack[-1]
            for other in needs:
                if other in by_name and other not in done and other not in open_:
                    open_.add(other)
                    stack.append((other, iter(needs_of(other))))
                    break
            else:
                done.setdefault(name, by_name[name])
                stack.pop()
    return list(done.values())
