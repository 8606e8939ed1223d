"""What ``envdoctor lock`` is asked to do, and how it speaks: a value that the command line makes and makers take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from envdoctor.select import UsageError

if TYPE_CHECKING:
    from envdoctor.snapshot import Machine

Kind = Literal["conda-lock", "pylock", "requirements", "uv", "explicit"]
"""Formats of locks that are made."""
Backend = Literal["rattler", "conda-lock"]

KINDS: tuple[Kind, ...] = ("conda-lock", "pylock", "requirements", "uv", "explicit")
BACKENDS: tuple[Backend, ...] = ("rattler", "conda-lock")
DEFAULT_PLATFORMS = ("linux-64", "osx-arm64", "win-64")
"""Conda subdirs that a lock is made for when nothing is said, and this machine's."""


class MakeError(UsageError):
    """No lock can be made: ``str()`` is one line, with the file and the place in it; nothing was written.

    `details` are further lines as a tool gave them, such as a solver's explanation; they go between the error and the hint.
    """

    def __init__(self, message: str, hint: str | None = None, details: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.details = details


def _silent(_: str) -> None:
    """Says nothing."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of one ``envdoctor lock``. Paths are as given: relative ones are relative to `cwd`."""

    cwd: str
    environ: Mapping[str, str]
    home: str | None = None
    project: str | None = None
    """The project's folder, None where there is none: `cwd` then."""
    write: Callable[[str, str], None]
    """Writes text to a path, whole or not at all."""
    show: Callable[[str], None] = print
    """A piece of text for stdout: the summary of what changed, and with `dry_run` nothing but that."""
    tell: Callable[[str], None] = _silent
    """A line for the person, on stderr."""
    say: Callable[[str], None] = _silent
    """A few words about what takes long: progress, shown where a person watches."""

    manifests: tuple[str, ...] = ()
    """``-f/--file``, in order; empty: the one that the project has."""
    output: str | None = None
    """``-o/--output/--lockfile``; None: the usual name of the kind, beside the first manifest."""
    kind: Kind | None = None
    """``--kind``; None: what fits the manifest (and the lock that is there)."""
    backend: Backend = "rattler"
    platforms: tuple[str, ...] = ()
    """``--platform``: conda subdirs; empty: the manifest's, those of the lock that is there, else the defaults."""
    update: tuple[str, ...] = ()
    """``--update NAME``: these may change; all others stay as they are locked, as far as the manifest lets them."""
    upgrade: bool = False
    """``--upgrade``: as if there was no lock."""
    virtual_packages: tuple[str, ...] = ()
    """``--virtual-package [PLATFORM:]NAME[=VERSION[=BUILD]]``; ``NAME=`` takes one away."""
    virtual_package_file: str | None = None
    """``--virtual-package-spec``: conda-lock's YAML; None: virtual-packages.yml in `cwd`, if it is there."""
    machine: Machine | None = None
    """``--machine FILE``: virtual packages, CPU and C library of a teammate's machine."""
    dry_run: bool = False
    verify: bool = False
    """``--verify``: install the lock into a scratch prefix and check that."""
    offline: bool = False
    """``--offline``: from caches alone."""
    channels: tuple[str, ...] = ()
    """``-c/--channel``: instead of the manifest's."""
    python: str | None = None
    """``--python-version X.Y`` for Python locks; None: what the manifest requires."""
    groups: tuple[str, ...] = ()
    """``--group``: dependency groups (Python), of a pylock or requirements file."""
    extras: tuple[str, ...] = ()
    """``--extra``."""
    dev: bool = True
    """``--no-dev``: leave the category ``dev`` (development groups) out."""
    index_urls: tuple[str, ...] = ()
    """``--index-url``: package indexes instead of those that the settings of uv and pip name; the first is the default one."""

    freeze: bool = False
    """``--freeze``: exactly what is installed in the target below."""
    target: str | None = None
    interpreter: str | None = None
    """``--python PATH``."""
    prefix: str | None = None
    name: str | None = None

    verbosity: int = 0
    color: bool = False
    json: bool = False
    """``--format json``: the summary as one JSON document on stdout."""

    @property
    def folder(self) -> str:
        """Where manifests are looked for."""
        return self.project or self.cwd
