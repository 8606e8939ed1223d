"""Names and addresses of conda packages: ``CHANNEL/SUBDIR/NAME-VERSION-BUILD.conda`` (CEP 26)."""

from __future__ import annotations

from envdoctor.conda.channels import SUBDIRS
from envdoctor.tuples import NamedTuple

ENDINGS = (".conda", ".tar.bz2")
DEFAULT_HOST = "https://conda.anaconda.org/"
"""Where a channel's bare name leads to when nothing else is set (CEP 26)."""


class Archive(NamedTuple):
    """What the address of a package says. '' where it does not say it."""

    channel: str
    """URL without the platform and without a slash at the end."""
    subdir: str
    file: str
    name: str
    version: str
    build: str

    @property
    def known(self) -> bool:
        """It is named as packages are."""
        return bool(self.name)


def stem(file: str) -> tuple[str, str, str] | None:
    """Name, version and build of ``NAME-VERSION-BUILD.conda``; None for a name that is none."""
    for ending in ENDINGS:
        if file.endswith(ending):
            parts = file[: -len(ending)].rsplit("-", 2)
            return (parts[0], parts[1], parts[2]) if len(parts) == 3 and all(parts) else None
    return None


def split(url: str) -> Archive:
    """The parts of a package's URL or path; a query and a fragment do not count."""
    if "#" in url or "?" in url:
        url = url.partition("#")[0].partition("?")[0]
    folder, _, file = url.rpartition("/")
    if "%" in file:
        from urllib.parse import unquote

        file = unquote(file)
    channel, _, subdir = folder.rpartition("/")
    if subdir not in SUBDIRS:
        channel, subdir = folder, ""
    name, version, build = stem(file) or ("", "", "")
    return Archive(channel, subdir, file, name, version, build)


def short(channel: str) -> str:
    """A channel's name where its URL is the usual one, otherwise the URL without a slash at the end."""
    channel = channel.rstrip("/")
    return channel[len(DEFAULT_HOST) :] or channel if channel.startswith(DEFAULT_HOST) else channel


def number(build: str) -> int | None:
    """The build number at the end of a build string (``py311h_0`` -> 0); None where there is none."""
    for part in reversed(build.split("_")):
        if part.isascii() and part.isdigit():
            return int(part) if len(part) < 10 else None
    return None
