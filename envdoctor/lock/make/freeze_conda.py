"""A frozen conda environment: its records as entries, and conda-lock.yml as text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from envdoctor.lock.conda_hash import content_hash
from envdoctor.lock.conda_spec import Channel, Specification
from envdoctor.lock.document import public
from envdoctor.lock.formats import conda_lock
from envdoctor.lock.make.entries import MAIN, needs_of
from envdoctor.lock.model import Artifact, Locked
from envdoctor.snapshot import CondaPackage

_PLAIN = re.compile(r"[!-~]{1,2000}")
_HEX = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")


def entry(package: CondaPackage, platform: str) -> Locked | str:
    """A record of conda-meta as an entry: it holds all that is needed; else why it cannot be locked."""
    label = f"{package.name} {package.version} (conda)"
    url = public(package.url or "")
    if "://" not in url:
        return f"{label}: its record has no address"
    if not all(_PLAIN.fullmatch(word) for word in (url, package.name, package.version, package.build or "0")):
        return f"{label}: its record holds what no lock can"
    hashes = tuple((name, value.lower()) for name, value in (("md5", package.md5), ("sha256", package.sha256)) if value)
    if not hashes or not all(_HEX.fullmatch(value) for _, value in hashes):
        return f"{label}: its record has no hash"
    return Locked(
        name=package.name.lower(),
        version=package.version,
        manager="conda",
        build=package.build or None,
        build_number=package.build_number,
        places=((MAIN, platform),),
        needs=needs_of(spec for spec in package.depends if spec.strip()),
        artifacts=(Artifact(kind="conda", name=url.rpartition("/")[2], url=url, hashes=hashes),),
    )


def folders(entries: Iterable[Locked]) -> list[str]:
    """Channels of `entries` that are folders of this machine."""
    urls = {_channel(one) for one in entries if one.manager == "conda"}
    return sorted(url for url in urls if url.startswith("file:"))


def _channel(entry: Locked) -> str:
    """The channel in an entry's URL."""
    return (entry.artifacts[0].url or "").rsplit("/", 2)[0]


def text(name: str, platform: str, entries: Sequence[Locked], header: Sequence[str]) -> str:
    """conda-lock.yml for a file called `name`. Nothing asked for these packages, so its content hash is of no requirements."""
    channels = list(dict.fromkeys(sorted(_channel(one) for one in entries if one.manager == "conda")))
    asked = Specification(channels=tuple(Channel(url) for url in channels), pip_repositories=(), dependencies={platform: ()})
    metadata = conda_lock.Metadata(
        content_hash={platform: content_hash(asked, platform)},
        channels=[(url, ()) for url in channels],
        platforms=[platform],
        sources=[],
    )
    placed = [msgspec.structs.replace(one, places=((MAIN, platform),), source=_source(one)) for one in entries]
    made = conda_lock.write(name, metadata, placed).decode("utf-8")
    return "\n".join([*(f"# {line}" for line in header), made])


def _source(entry: Locked) -> str | None:
    """The address that a distribution was installed from, where that is not an index."""
    return entry.source if any(one.kind in ("archive", "vcs") for one in entry.artifacts) else None
