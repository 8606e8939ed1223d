"""One model for every lockfile and every manifest. Facts only: they are part of the snapshot, and this module does no IO.

The nine formats are of three kinds, and the model holds all three:

* *lists* (requirements, pylock, Pipfile.lock, poetry, pdm): every entry says itself under which marker and for which
  groups it is installed;
* *graphs* (uv.lock): what is installed is what the roots reach, edge by edge, under the markers of the edges;
* *places* (conda-lock, pixi, ``@EXPLICIT``): an entry stands for one platform, and belongs to named sets.

``envdoctor.lock.select`` answers for all of them what is installed on a machine for chosen groups and extras.
"""

# Without `from __future__ import annotations`, as envdoctor.snapshot.
from typing import Literal

from envdoctor.fact import Fact

Format = Literal["conda-lock", "pixi", "uv", "pylock", "poetry", "pdm", "pipfile", "requirements", "explicit"]
ManifestFormat = Literal["environment", "pyproject", "requirements-in", "pixi", "pipfile", "setup"]
Manager = Literal["pypi", "conda"]
ArtifactKind = Literal["wheel", "sdist", "conda", "archive", "directory", "vcs"]


class LockError(ValueError):
    """The bytes are no lock (manifest) of that format. `line` is 1-based, None where no line is to blame.

    `where` is the path of keys inside the document (``package[12].wheels[0].hash``), '' where there is none.
    """

    def __init__(self, message: str, line: int | None = None, where: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.where = where

    @property
    def placed(self) -> str:
        """The message after the path of keys, where there is one."""
        return f"{self.where}: {self}" if self.where else str(self)


class Artifact(Fact, frozen=True, kw_only=True):
    """One thing that an installer would fetch.

    Formats that give hashes of an entry and no file (Pipfile.lock, requirements) have one of kind ``archive`` without name and
    URL: what is fetched must have one of its hashes.
    """

    kind: ArtifactKind
    name: str = ""
    """File name (``numpy-2.0.0-cp311-cp311-manylinux_2_17_x86_64.whl``, ``python-3.12.1-h_0.conda``); '' for vcs, directories."""
    url: str | None = None
    """Without credentials (user information, tokens in path or query)."""
    path: str | None = None
    """Relative to the lock's folder, as written."""
    hashes: tuple[tuple[str, str], ...] = ()
    """(algorithm, lower-case hex), sorted."""
    size: int | None = None
    editable: bool = False
    reference: str | None = None
    """vcs: what was asked for (branch, tag)."""
    commit: str | None = None
    """vcs: the commit that is locked; None for a mutable reference."""


class Need(Fact, frozen=True, kw_only=True):
    """One edge: what an entry (a root) needs, as the lock writes it down."""

    name: str
    """Normalized (PEP 503) for pypi, lower case for conda."""
    spec: str = ""
    """PEP 440 specifier, or the MatchSpec after the name; '' for any."""
    text: str = ""
    """As written, where `spec` does not say it all (constraints of Poetry's kind: ``>=1 || <0.5``)."""
    version: str | None = None
    """The entry that is meant, where the lock says which."""
    source: str | None = None
    """Of the entry that is meant, where the lock says (uv)."""
    marker: str | None = None
    extras: tuple[str, ...] = ()
    optional: bool = False
    """Only present for an extra of the needing package, which the marker cannot say."""


class Root(Fact, frozen=True, kw_only=True):
    """What one group, or one extra, of a project (workspace member) asks for. Graph formats, and what the lock recorded."""

    project: str | None = None
    group: str | None = None
    """Dependency group; None for the project's own dependencies (and with `extra`, for that extra)."""
    extra: str | None = None
    needs: tuple[Need, ...] = ()


class Locked(Fact, frozen=True, kw_only=True):
    """One entry: a package in one version (build)."""

    name: str
    """Normalized (PEP 503) for pypi, lower case for conda."""
    version: str | None = None
    """None where the lock leaves it open (directories, vcs)."""
    manager: Manager = "pypi"
    marker: str | None = None
    """PEP 508, and what the format adds: ``'x' in extras`` (pylock), ``extra == 'x'`` of the project (poetry)."""
    group_markers: tuple[tuple[str, str], ...] = ()
    """(group, marker) where groups have markers of their own (poetry); a group that is not in it has none."""
    groups: tuple[str, ...] = ()
    """Groups that it is installed for, for list formats: '' is the project itself. Empty: all."""
    extras: tuple[str, ...] = ()
    """Extras of the project that it is installed for, for list formats."""
    active_extras: tuple[str, ...] = ()
    """Extras of this package that are in use (``requests[socks]``)."""
    places: tuple[tuple[str, str], ...] = ()
    """(environment or category, platform) for formats of places; the platform is a conda subdir (``linux-64``)."""
    requires_python: str | None = None
    needs: tuple[Need, ...] = ()
    optional_needs: tuple[tuple[str, tuple[Need, ...]], ...] = ()
    """By extra of this package (graph formats)."""
    constrains: tuple[str, ...] = ()
    """conda: MatchSpecs that hold where such a package is there at all."""
    artifacts: tuple[Artifact, ...] = ()
    source: str | None = None
    """Index, channel (short name or URL, no credentials), repository or folder that it comes from."""
    virtual: bool = False
    """It stands only for what it needs and is never installed itself (uv's ``virtual`` sources)."""
    provides: tuple[str, ...] = ()
    """Names of Python distributions that a conda package brings, where the lock says so (pixi's purls)."""
    build: str | None = None
    build_number: int | None = None
    line: int | None = None
    """1-based, where its entry begins, if that is known."""


class VirtualPackage(Fact, frozen=True, kw_only=True):
    """What a solver took for granted of the machine, e.g. ``__glibc`` 2.28."""

    name: str
    version: str = "0"
    build: str = "0"
    platform: str | None = None
    assumed: bool = False
    """The lock does not say it: its maker's default."""


class Wish(Fact, frozen=True, kw_only=True):
    """One requirement of a manifest."""

    name: str
    manager: Manager = "pypi"
    spec: str = ""
    """PEP 440 specifier, or the MatchSpec after the name."""
    text: str = ""
    """As written."""
    marker: str | None = None
    extras: tuple[str, ...] = ()
    source: str | None = None
    """URL, repository, path, index or channel where it names one."""
    group: str | None = None
    """Dependency group (pixi: feature); None for the project itself."""
    extra: str | None = None
    platforms: tuple[str, ...] = ()
    """Conda subdirs that it is for (selectors, pixi targets); empty: all."""
    project: str | None = None
    """Workspace member that asks, where there are several (normalized)."""
    line: int | None = None


class Lock(Fact, frozen=True, kw_only=True):
    """A lockfile, or why it is none."""

    path: str
    """Relative to the project's folder where it lies inside it, else absolute; "/" on every system."""
    format: Format
    error: str | None = None
    """It could not be read: one line, with the place in it. Then only path, format and line mean anything."""
    line: int | None = None
    version: str | None = None
    """Of the format, as written."""
    created_by: str | None = None
    named: bool = False
    """Given by ``--lock``."""
    platforms: tuple[str, ...] = ()
    """Conda subdirs that it was made for; empty: it does not say, so any."""
    environments: tuple[str, ...] = ()
    """Markers that it was made for (uv's ``resolution-markers``/``environments``, pylock's ``environments``); empty: any."""
    requires_python: str | None = None
    groups: tuple[str, ...] = ()
    """All groups (environments, categories) in it; '' is the project itself."""
    default_groups: tuple[str, ...] = ()
    """Groups that its tool installs when nothing is said."""
    extras: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    """Normalized names of workspace members: their entries are the project itself."""
    roots: tuple[Root, ...] = ()
    packages: tuple[Locked, ...] = ()
    virtual_packages: tuple[VirtualPackage, ...] = ()
    wishes: tuple[Wish, ...] = ()
    """What the lock recorded of its manifests' requirements (uv's ``[package.metadata]``)."""
    recorded: tuple[tuple[str, str], ...] = ()
    """(what, text) that the lock recorded of its inputs: hashes (``content-hash``, by platform ``content-hash linux-64``),
    options of the solve; sorted."""
    includes: tuple[str, ...] = ()
    """Files that it takes in (``-r``, ``-c``), relative as its path is."""
    manifests: tuple[str, ...] = ()
    """Paths of the manifests that it is made from, as far as they are known."""
    fresh: Literal["yes", "no", "unknown"] = "unknown"
    """Does it stand for its manifests as they are now?"""
    stale_because: tuple[str, ...] = ()
    """Each one line: what the manifest says and what the lock was made for. ``fresh`` is "no" then."""
    freshness_by: Literal["hash", "requirements", ""] = ""
    """What was compared."""
    problems: tuple[str, ...] = ()
    """What is wrong inside and does not keep it from being read, each one line with the place."""


class Manifest(Fact, frozen=True, kw_only=True):
    """What a project declares in one file."""

    path: str
    format: ManifestFormat
    error: str | None = None
    line: int | None = None
    name: str | None = None
    requires_python: str | None = None
    channels: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    """Conda subdirs that the project declares."""
    groups: tuple[str, ...] = ()
    """Dependency groups that it declares (pixi: environments); the project itself is not named."""
    default_groups: tuple[str, ...] | None = None
    """Groups that its tool installs when nothing is said, '' for the project itself; None where that is the lock's to say."""
    extras: tuple[str, ...] = ()
    wishes: tuple[Wish, ...] = ()
    dynamic: tuple[str, ...] = ()
    """Fields of ``[project]`` that the build backend fills in (PEP 621): what they come to is not known."""
    tools: tuple[str, ...] = ()
    """Tools that it is written for: ``[tool.…]`` tables of pyproject.toml."""
    problems: tuple[str, ...] = ()
