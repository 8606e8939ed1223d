"""What solvers give: conda's records, distributions of a pip section, and which of the one stand for which of the other. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from envdoctor.lock import document
from envdoctor.lock.model import Artifact
from envdoctor.tuples import NamedTuple


class Record(NamedTuple):
    """One package of a solution, as the channel's repodata has it."""

    name: str
    version: str
    build: str
    subdir: str
    url: str
    """As the channel gives it: it may hold credentials."""
    channel: str
    md5: str | None
    sha256: str | None
    depends: tuple[str, ...]
    noarch: str | None = None
    size: int | None = None


class Resolved(NamedTuple):
    """One distribution of the pip section."""

    name: str
    version: str
    needs: tuple[str, ...]
    """Names of what it needs: of this section, or held by conda."""
    artifact: Artifact


def held(records: Iterable[Record]) -> dict[str, str]:
    """The distributions that conda's Python packages are, with versions that PEP 440 knows.

    A name that conda-forge gives to another package than the index does goes by the table of names, as with conda-lock.
    """
    from packaging.version import InvalidVersion, Version

    from envdoctor.data.conda_names import CONDA_NAMES

    others: dict[str, list[str]] = {}
    for distribution, conda in CONDA_NAMES.items():
        others.setdefault(conda, []).append(distribution)
    named: dict[str, str] = {}
    mapped: dict[str, str] = {}
    for record in records:
        if record.name.startswith("__") or not is_python(record):
            continue
        try:
            version = str(Version(record.version))
        except InvalidVersion:
            continue
        for distribution in others.get(record.name, ()):
            mapped[distribution] = version
        if record.name not in others:
            named[document.name_of(record.name)] = version
    return {**named, **mapped}


def is_python(record: Record) -> bool:
    """It brings Python modules: it needs Python."""
    return record.noarch == "python" or any(spec.split(" ")[0] in ("python", "python_abi") for spec in record.depends)
