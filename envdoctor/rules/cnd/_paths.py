"""What the rules on the paths of conda's records share: what a path is there for, and how many are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from envdoctor.conda.installed import label, subject
from envdoctor.finding import Subject
from envdoctor.rules.pkg._recorded import listed, role
from envdoctor.snapshot import CondaPackage, CondaPath
from envdoctor.view import View

CROWD = 10
"""Packages with the same trouble, above which they are one finding."""
SLIMMED = 4
"""Packages that lack nothing but what nobody uses, from which on the prefix counts as slimmed."""
_SPARE = (
    "share/doc/", "share/man/", "share/info/", "share/locale/", "share/gtk-doc/", "share/licenses/", "share/aclocal/",
    "share/cmake/", "share/pkgconfig/", "share/bash-completion/", "share/zsh/", "share/fish/", "share/icons/",
    "share/applications/", "share/metainfo/", "lib/cmake/", "lib/pkgconfig/", "include/", "man/", "doc/", "docs/", "info/",
    "Library/include/", "Library/share/doc/", "Library/share/man/", "Library/lib/cmake/", "Library/lib/pkgconfig/", "Menu/",
    "conda-meta/",
)  # fmt: skip
"""Folders that no program reads when it runs."""
_METADATA = ("/METADATA", "/PKG-INFO", "/entry_points.txt")


def in_site(path: str) -> str | None:
    """`path` (relative to the prefix) relative to its site folder; None where it lies in none."""
    _, found, rest = f"/{path}".partition("/site-packages/")
    return rest if found else None


def needed(view: View, path: str) -> bool:
    """A program or an import needs the file: it is no documentation, test, header, static library or note of an installer."""
    if path.startswith(_SPARE):
        return False
    inner = in_site(path)
    kind = role(view, path if inner is None else inner)
    if kind == "metadata":
        return path.endswith(_METADATA)
    return kind not in ("unneeded", "rewritten") or (inner is None and kind == "unneeded" and _top(path))


def _top(path: str) -> bool:
    """It counts as unneeded only because it stands at the top of the prefix (``python.exe``)."""
    return "/" not in path and path.endswith((".exe", ".dll", ".so", ".dylib"))


def code(view: View, path: str) -> bool:
    """A Python or native module of a site folder."""
    inner = in_site(path)
    return inner is not None and "-info/" not in path and role(view, inner) in ("code", "native")


def by_weight(view: View, path: CondaPath) -> tuple[int, str]:
    """Programs and native files first, then modules, then the rest."""
    inner = in_site(path.path)
    kind = role(view, path.path if inner is None else inner)
    program = path.path.startswith("bin/") or path.path.endswith(".exe")
    return (0 if kind == "native" or program else 1 if kind == "code" else 2), path.path


def of_pip(path: str) -> bool:
    """pip may have put it there or taken it away: it lies in a site folder, or where RECORDs name scripts and data."""
    return in_site(path) is not None or path.startswith(("bin/", "Scripts/", "share/", "etc/", "include/", "man/"))


def overlaid(view: View) -> dict[str, str]:
    """Labels (``name=version=build``) of packages whose distribution pip or uv replaced, with what replaced it."""
    meta = view.snapshot.conda_meta
    found: dict[str, str] = {}
    for overlay in meta.overlays if meta else ():
        if overlay.conda_version is not None:
            found[overlay.package] = f"{overlay.distribution} {overlay.version or ''}".rstrip()
    for package in view.snapshot.conda_packages:
        if twin(package):
            found.setdefault(key(package), label(package))
    return found


def twin(package: CondaPackage) -> bool:
    """Another tool installed the very version over the package: the notes of the installer in its metadata are not conda's."""
    notes = ("/INSTALLER", "/RECORD")
    changed = {p.path.rpartition("/")[2] for p in package.altered if p.path.endswith(notes) and ".dist-info/" in p.path}
    return changed == {"INSTALLER", "RECORD"} and not package.metadata_gone


def key(package: CondaPackage) -> str:
    """``name=version=build``, as facts name a record."""
    return f"{package.name}={package.version}={package.build}"


def shown(paths: Iterable[str], limit: int = 3) -> str:
    """Some paths for a sentence."""
    return listed(list(paths), limit)


def by_folder(packages: Sequence[tuple[CondaPackage, Sequence[CondaPath]]]) -> list[str]:
    """Where the paths lie, the fullest folders first, a line each."""
    counts: dict[str, int] = {}
    for _, paths in packages:
        for path in paths:
            parts = path.path.split("/")
            depth = 3 if parts[0].lower() == "lib" and len(parts) > 3 and parts[1].startswith("python") else 1
            folder = "/".join(parts[: min(depth, len(parts) - 1)]) or "."
            counts[folder] = counts.get(folder, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [f"{folder}: {number:,}" for folder, number in ordered[:5]]


def subjects(view: View, package: CondaPackage, paths: Sequence[CondaPath]) -> list[Subject]:
    """The package, its distributions that are there, and some of the paths."""
    dists = sorted(
        {view.distribution(d) for d in view.of_target if d.conda == key(package)}, key=lambda one: (one.name, one.path or "")
    )
    return [subject(package), *dists, *(file(path.path) for path in paths[:5])]


def file(path: str) -> Subject:
    """A path relative to the prefix as a subject."""
    return Subject("file", path, None, path)
