"""What the rules on recorded files share: which files an import needs, and how a row is shown."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from typing import Literal

from envdoctor.snapshot import Distribution, RecordRow
from envdoctor.view import View

Role = Literal["code", "native", "data", "script", "metadata", "unneeded", "rewritten"]

_UNNEEDED_FOLDERS = frozenset(
    {
        "tests", "test", "doc", "docs", "documentation", "example", "examples", "benchmark", "benchmarks", "sample", "samples",
        "demo", "demos", "__pycache__", "licenses", "license_files", "include", "cmake", "pkgconfig", "man",
    }
)  # fmt: skip
_UNNEEDED_SUFFIXES = (
    ".pyc", ".pyo", ".pyi", ".a", ".lib", ".la", ".o", ".h", ".hpp", ".hh", ".cuh", ".cu", ".inl", ".c", ".cc", ".cpp",
    ".pyx", ".pxd",
    ".pxi", ".f", ".f90", ".md", ".rst", ".pdf", ".cmake", ".pc", ".map", ".typed", ".pdb", ".exp", ".orig", ".bak",
    ".gitignore", ".gitkeep", ".ipynb",
)  # fmt: skip
_UNNEEDED_NAMES = (
    "license", "licence", "copying", "notice", "readme", "changelog", "changes", "history", "authors", "contributors", "thanks",
    "requirements", "news", "todo", "install.", "version.txt",
)  # fmt: skip
_REWRITTEN = frozenset(
    {"INSTALLER", "REQUESTED", "RECORD", "RECORD.jws", "RECORD.p7s", "direct_url.json", "uv_cache.json", "uv_build.json"}
)
_NATIVE = (".so", ".pyd", ".dylib", ".dll")
_FOREIGN = {
    "linux": (".pyd", ".dll", ".dylib", ".exe", ".bat", ".cmd", ".ps1"),
    "macos": (".pyd", ".dll", ".exe", ".bat", ".cmd", ".ps1"),
    "windows": (".so", ".dylib", ".sh"),
}
"""Suffixes that nothing loads on that operating system."""


def role(view: View, path: str) -> Role:
    """What a recorded file, relative to its site folder, is there for."""
    path = path.replace("\\", "/")
    parts = path.split("/")
    name = parts[-1]
    lower = name.lower()
    if parts[0].endswith((".dist-info", ".egg-info")):
        return "rewritten" if name in _REWRITTEN else "metadata"
    if parts[0] == ".." or path.startswith("/"):
        folder = parts[-2] if len(parts) > 1 else ""
        return "script" if folder in ("bin", "Scripts", "sbin") else "unneeded"
    if lower.endswith(_UNNEEDED_SUFFIXES) or not _UNNEEDED_FOLDERS.isdisjoint(path.lower().split("/")[:-1]):
        return "unneeded"
    if lower.endswith(_FOREIGN.get(view.snapshot.target.system, ())):
        return "unneeded"
    if lower.endswith(".py"):
        return "code"
    if lower.endswith(_NATIVE) or ".so." in lower:
        return "native"
    if lower.startswith(_UNNEEDED_NAMES) or len(parts) == 1:
        return "unneeded"
    return "data"


def packaged_elsewhere(view: View, dist: Distribution) -> bool:
    """conda or the operating system made the files: their builders relink, prune and rewrite after RECORD was written."""
    return view.packager(dist) is not None


def stale(view: View, dist: Distribution) -> bool:
    """Another metadata folder of the same name describes the files better: this one is a leftover (PKG004)."""

    def broken(other: Distribution) -> int:
        return len(other.record.missing) + len(other.record.resized) if other.record else 0

    return any(
        other is not dist and other.site == dist.site and broken(other) < broken(dist)
        for other in view.by_name.get(dist.name, ())
    )


def shown(view: View, dist: Distribution, path: str) -> str:
    """A recorded path, relative to the prefix where it lies inside it."""
    return view.inside(posixpath.normpath(f"{view.site_path(dist)}/{path}")) if ".." in path else view.in_site(dist.site, path)


def listed(names: Sequence[str], limit: int = 3) -> str:
    """``a, b, c and 4 more``."""
    if len(names) <= limit:
        return " and ".join(names) if len(names) < 3 else ", ".join(names[:-1]) + " and " + names[-1]
    return f"{', '.join(names[:limit])} and {len(names) - limit} more"


def short(paths: Iterable[str]) -> list[str]:
    """Recorded paths as they read in a message: scripts and shared files without the way up."""
    return [path.lstrip("./") if path.startswith("..") else path for path in paths]


def label(dist: Distribution) -> str:
    """Name and version."""
    return f"{dist.name} {dist.version}" if dist.version else dist.name


def importable(dist: Distribution, rows: Iterable[RecordRow]) -> str | None:
    """A top-level module among the damaged rows, for a verify command."""
    heads = {row.path.partition("/")[0].partition(".")[0] for row in rows}
    return next((name for name in dist.import_names if name in heads and name.isidentifier()), None)
