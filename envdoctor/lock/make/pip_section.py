"""The pip section of an environment.yml: uv resolves it for one platform, with conda's Python packages held as they are.

What conda installs stands in for its distribution: uv is given an empty wheel of that name and version as a constraint, so it
is taken as it is, has no dependencies of its own (conda has seen to those), needs no index, and where a requirement cannot live
with it uv says so.
"""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from envdoctor.lazy import pattern
from envdoctor.lock import document
from envdoctor.lock.make import uv
from envdoctor.lock.make.records import Resolved
from envdoctor.lock.model import Artifact
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from packaging.tags import Tag

GLIBCS = (17, 28, *range(31, 41))
"""Minor versions of glibc 2 that uv has a platform for."""
MACOS = "13.0"
"""macOS that wheels are chosen for when nothing is said: conda-lock takes 13.4, whatever ``__osx`` it solves for."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_EXTRAS = pattern(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*\[\s*[A-Za-z0-9]")
_VIA = pattern(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?:==\s*(?P<version>[^\s;]+)|@\s*(?P<url>\S+)).*?"
    r"(?:# via (?P<via>.*))?$"
)


class Request(NamedTuple):
    """What to resolve."""

    platform: str
    python: str
    """Version of conda's Python for that platform."""
    threaded: bool
    """Its ABI is the free-threaded one."""
    requirements: tuple[str, ...]
    """PEP 508, as written."""
    held: Mapping[str, str]
    """conda's Python packages: distribution (normalized) to version."""
    preferred: Mapping[str, str]
    """Versions that are locked: taken where they will do."""
    glibc: str | None = None
    macos: str | None = None


def resolve(
    request: Request,
    program: str,
    *,
    environ: Mapping[str, str],
    indexes: Sequence[str] = (),
    offline: bool = False,
) -> tuple[Resolved, ...]:
    """The pip section for one platform, sorted by name. `indexes` are uv's options for package indexes.

    Raises UvError with uv's explanation, LookupError for a platform that uv has no wheels for (its argument says which).
    """
    from envdoctor.lock.formats import pylock
    from envdoctor.lock.select import best

    with tempfile.TemporaryDirectory(prefix="envdoctor-lock-") as folder:
        common = ["--python-platform", uv_platform(request), "--python-version", request.python, *uv.interpreter()]
        common += ["--no-header", "-q", *indexes, *(["--offline"] if offline else [])]
        settings = {**environ, "MACOSX_DEPLOYMENT_TARGET": request.macos or MACOS}

        def write(name: str, lines: Iterable[str]) -> str:
            path = os.path.join(folder, name)
            Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            return path

        # what an extra of conda's package needs only the real distribution says: it is pinned, the others are stood in for
        extended = {name for name in map(_with_extras, request.requirements) if name in request.held}
        lines = [
            f"{name}=={version}" if name in extended else f"{name} @ {Path(_stub(folder, name, version)).as_uri()}"
            for name, version in sorted(request.held.items())
        ]
        wanted = write("pip-section.txt", request.requirements)
        held = write("conda.txt", lines)
        pins = write("locked.txt", (f"{name}=={version}" for name, version in sorted(request.preferred.items())))
        words = ["pip", "compile", *common, "--annotation-style", "line", "-c", held, "-o", pins, wanted]
        try:
            uv.run(program, words, environ=settings, cwd=folder)
        except uv.UvError as error:
            raise uv.UvError(_explained(error.lines, request.held, folder)) from None
        found = _edges(Path(pins).read_text(encoding="utf-8"))
        exact = [line for name, (line, _) in found.items() if name not in request.held]
        if not exact:
            return ()
        words = ["pip", "compile", *common, "--no-deps", "--format", "pylock.toml", write("exact.txt", exact)]
        answer = uv.run(program, words, environ=settings, cwd=folder)
        lock = pylock.read(answer.encode(), "pylock.toml")
    tags = wheel_tags(request)
    made = []
    for package in lock.packages:
        artifact = best(package.artifacts, tags)
        if artifact is None:
            raise uv.UvError([f"{package.name} {package.version}: no wheel fits {request.platform}, and there is no sdist"])
        if artifact.kind == "vcs":
            artifact = _repository(found[package.name][0])
        needs = tuple(sorted(name for name, (_, askers) in found.items() if package.name in askers))
        made.append(Resolved(package.name, package.version or _version_of(artifact), needs, _absolute(artifact, folder)))
    return tuple(sorted(made))


def _with_extras(requirement: str) -> str | None:
    """The name of what is asked for with extras; None where none are."""
    match = _EXTRAS.match(requirement)
    return document.name_of(match[1]) if match else None


def _explained(lines: Sequence[str], held: Mapping[str, str], folder: str) -> list[str]:
    """uv's explanation, and what conda brings of the packages that it speaks of."""
    plain = re.compile(rf"(?:file://)?{re.escape(folder)}/([\w.]+)-[^-\s]+-py3-none-any\.whl")
    told = [plain.sub(r"conda's \1", line) for line in lines]
    words = {document.name_of(word) for line in told for word in re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)}
    return [*told, *(f"conda brings {name} {version}" for name, version in sorted(held.items()) if name in words)]


def uv_platform(request: Request) -> str:
    """uv's name of a conda platform. Raises LookupError."""
    system, _, arch = request.platform.partition("-")
    if system == "win" and arch in ("64", "arm64"):
        return {"64": "x86_64-pc-windows-msvc", "arm64": "aarch64-pc-windows-msvc"}[arch]
    if system == "osx" and arch in ("64", "arm64"):
        return {"64": "x86_64-apple-darwin", "arm64": "aarch64-apple-darwin"}[arch]
    if system == "linux" and arch in ("64", "aarch64"):
        minor = _glibc(request.glibc)
        fitting = [one for one in GLIBCS if one <= minor]
        if not fitting:
            raise LookupError(f"no wheels are made for glibc 2.{minor}")
        return f"{'x86_64' if arch == '64' else arch}-manylinux_2_{fitting[-1]}"
    raise LookupError(f"uv does not resolve for {request.platform}")


def wheel_tags(request: Request) -> dict[Tag, int]:
    """Tags of the wheels that fit, with their rank, the best first."""
    from packaging.tags import compatible_tags, cpython_tags

    from envdoctor.platforms import Profile, numbers, platform_tags

    system, _, arch = request.platform.partition("-")
    version = numbers(request.python) or (3, 0)
    abi = f"cp{version[0]}{version[1]}{'t' if request.threaded else ''}"
    machine = {"64": "x86_64"}.get(arch, arch)
    profile = Profile(
        system="linux" if system == "linux" else "macos" if system == "osx" else "windows",
        implementation="cpython",
        version=version,
        abis=(abi,),
        threaded=request.threaded,
        archs=({"64": "win_amd64", "arm64": "win_arm64"}.get(arch, "win32"),) if system == "win" else (machine,),
        libc="glibc" if system == "linux" else None,
        libc_version=(2, _glibc(request.glibc)) if system == "linux" else None,
        macos=numbers(request.macos or MACOS) if system == "osx" else None,
    )
    platforms = platform_tags(profile)
    ranks: dict[Tag, int] = {}
    for tag in cpython_tags(version, abis=[abi], platforms=platforms):
        ranks.setdefault(tag, len(ranks))
    for tag in compatible_tags(version, f"cp{version[0]}{version[1]}", platforms):
        ranks.setdefault(tag, len(ranks))
    return ranks


def _glibc(version: str | None) -> int:
    """The minor version of glibc 2."""
    parts = (version or "2.28").split(".")
    return int(parts[1]) if len(parts) > 1 and parts[0] == "2" and parts[1].isdigit() else 28


def _stub(folder: str, name: str, version: str) -> str:
    """An empty wheel; returns its path."""
    dist = f"{name.replace('-', '_')}-{version}"
    path = os.path.join(folder, f"{dist}-py3-none-any.whl")
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in (
            ("METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
            ("WHEEL", "Wheel-Version: 1.0\nGenerator: envdoctor\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            ("RECORD", ""),
        ):
            archive.writestr(zipfile.ZipInfo(f"{dist}.dist-info/{file}", _EPOCH), content)
    return path


def _edges(text: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Of uv's requirements with one-line annotations: name to its requirement and to the names of what asks for it."""
    found = {}
    for line in text.splitlines():
        match = _VIA.match(line)
        if match is None:
            continue
        via = {document.name_of(word.strip()) for word in (match["via"] or "").split(",") if not word.strip().startswith("-")}
        found[document.name_of(match["name"])] = line.partition("  #")[0].strip(), frozenset(via)
    return found


def _version_of(artifact: Artifact) -> str:
    """A version for what the resolver gives none for: that in the file's name."""
    match = re.match(r"[^-]+-([0-9][^-]*?)(?:-.*\.whl|\.tar\.gz|\.zip)$", artifact.name)
    return match[1] if match else "0"


def _repository(line: str) -> Artifact:
    """A repository at a commit, of uv's ``NAME @ git+URL@COMMIT``."""
    url, _, fragment = line.partition(" @ ")[2].partition("#")
    if "subdirectory=" in fragment:
        raise uv.UvError([f"{line}: conda-lock.yml has no place for the folder inside a repository"])
    address, _, commit = url.rpartition("@")
    return Artifact(kind="vcs", url=document.public(address), commit=commit)


def _absolute(artifact: Artifact, folder: str) -> Artifact:
    """A local file as a ``file:`` URL: the lock lies elsewhere than uv's answer did."""
    import msgspec

    if artifact.path is None or artifact.url is not None:
        return artifact
    path = Path(os.path.normpath(os.path.join(folder, artifact.path)))
    return msgspec.structs.replace(artifact, url=path.as_uri(), path=None)
