"""What projects declare, one module a kind of file: ``read(data, path) -> Manifest``, raising LockError. Pure."""

from __future__ import annotations

import importlib

from envdoctor.lazy import pattern
from envdoctor.lock.model import LockError, Manifest, ManifestFormat
from envdoctor.tuples import NamedTuple


class Kind(NamedTuple):
    """One kind of manifest."""

    format: ManifestFormat
    module: str
    names: str
    """Regular expression that the whole file name matches."""


MANIFESTS: tuple[Kind, ...] = (
    Kind("pyproject", "pyproject", r"pyproject\.toml"),
    Kind("pipfile", "pipfile", r"Pipfile"),
    Kind("pixi", "pixi", r"pixi\.toml"),
    Kind("environment", "environment", r"(?:.*[-_.])?environment(?:[-_.].*)?\.ya?ml"),
    Kind("setup", "setup", r"setup\.(?:cfg|py)"),
    Kind("requirements-in", "requirements_in", r"(?:.*[-_.])?(?:requirements|constraints)(?:[-_.].*)?\.(?:in|txt)"),
)
_ENDS = (".toml", ".yml", ".yaml", ".cfg", ".py", ".in", ".txt", "Pipfile")
_EXACT: dict[str, ManifestFormat] = {"pyproject.toml": "pyproject", "setup.py": "setup", "setup.cfg": "setup"}
_BY_NAME = tuple((kind, pattern(kind.names)) for kind in MANIFESTS)


def format_of(name: str) -> ManifestFormat | None:
    """The kind of manifest that a file of that name is; a requirements file can be a lock instead (``lock.formats``)."""
    if name in _EXACT or name.endswith(".py") or not name.endswith(_ENDS):
        return _EXACT.get(name)
    return next((kind.format for kind, names in _BY_NAME if names.fullmatch(name)), None)


def read(data: bytes, path: str, format: ManifestFormat) -> Manifest:  # noqa: A002 - the word for it
    """The manifest in `data`. Raises LockError."""
    module = next(kind.module for kind in MANIFESTS if kind.format == format)
    reader = importlib.import_module(f"envdoctor.lock.manifests.{module}")
    manifest: Manifest = reader.read(data, path)
    return manifest


def unreadable(path: str, format: ManifestFormat, error: LockError) -> Manifest:  # noqa: A002
    """The manifest that stands for a file that cannot be read."""
    return Manifest(path=path, format=format, error=error.placed, line=error.line)
