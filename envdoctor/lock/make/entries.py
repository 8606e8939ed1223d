"""From solved records to the entries of a conda-lock.yml: dependencies and categories as conda-lock writes them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from envdoctor.lazy import pattern
from envdoctor.lock import conda_spec
from envdoctor.lock.document import name_of
from envdoctor.lock.make.records import Record, Resolved, held
from envdoctor.lock.model import Artifact, Locked, Need

MAIN = "main"
_PLAIN = pattern(r"([a-z0-9_-]+)(?: ((?:[<>]=?[0-9][0-9a-z.]*,?)+(?<!,)))?\Z")
"""The greatest part of what repodata holds: it stays as it is."""


def needs_of(depends: Iterable[str]) -> tuple[Need, ...]:
    """The dependencies of a record: names and versions, sorted; several of one name are joined as conda-lock joins them."""
    found: dict[str, list[str]] = {}
    for spec in depends:
        name, version = parted(spec)
        found.setdefault(name, []).append(version)
    return tuple(Need(name=name, spec=_joined(versions)) for name, versions in sorted(found.items()))


@lru_cache(maxsize=4096)
def parted(spec: str) -> tuple[str, str]:
    """Name and version of a MatchSpec in repodata, as conda's own parser gives them back; '' for any version."""
    match = _PLAIN.match(spec)
    if match is not None:
        return match[1], match[2] or ""
    try:
        found = conda_spec.conda(spec)
    except conda_spec.Refused:
        name, _, rest = spec.partition(" ")
        return name.lower(), rest.strip().partition(" ")[0]
    return found.name, found.version


def _joined(versions: Sequence[str]) -> str:
    """conda-lock's way to write several versions that must all hold."""
    if len(versions) == 1:
        return versions[0]
    joined = ""
    for version in versions:
        joined = version if not joined else joined if not version else ",".join(sorted((joined, version)))
    return joined


def conda_entries(
    records: Sequence[Record], platform: str, requested: Mapping[str, str], url: Callable[[str], str]
) -> list[Locked]:
    """Entries of conda's packages. `requested` is name to category; `url` makes of an address what the lock may say."""
    kept = [record for record in records if not record.name.startswith("__")]
    needs = {record.name: needs_of(record.depends) for record in kept}
    graph = {name: tuple(need.name for need in those) for name, those in needs.items()}
    categories = spread(graph, requested)
    made = []
    for record in sorted(kept, key=lambda one: one.name):
        hashes = tuple((algorithm, value) for algorithm, value in (("md5", record.md5), ("sha256", record.sha256)) if value)
        file = record.url.rpartition("/")[2]
        made.append(
            Locked(
                name=record.name,
                version=record.version,
                manager="conda",
                build=record.build,
                places=tuple((category, platform) for category in categories.get(record.name) or (MAIN,)),
                needs=needs[record.name],
                artifacts=(Artifact(kind="conda", name=file, url=url(record.url), hashes=hashes),),
            )
        )
    return made


def pip_entries(
    resolved: Sequence[Resolved],
    conda: list[Locked],
    records: Sequence[Record],
    platform: str,
    requested: Mapping[str, str],
    url: Callable[[str], str],
) -> tuple[list[Locked], list[Locked]]:
    """Entries of the pip section, and those of conda with the categories that the pip section adds to them."""
    import msgspec

    standing: dict[str, list[str]] = {}
    for record in records:
        for distribution in held([record]):
            standing.setdefault(distribution, []).append(record.name)
    graph: dict[str, tuple[str, ...]] = {f"conda:{entry.name}": tuple(f"conda:{n.name}" for n in entry.needs) for entry in conda}
    for one in resolved:
        graph[f"pip:{one.name}"] = tuple(
            node
            for name in one.needs
            for node in ((f"pip:{name}",) if name not in standing else (f"conda:{conda}" for conda in standing[name]))
        )
    roots: dict[str, str] = {}
    for name, category in requested.items():
        for node in (f"pip:{name}", *(f"conda:{conda}" for conda in standing.get(name, ()))):
            if node in graph:
                roots[node] = category
    categories = spread(graph, roots)
    changed = []
    for entry in conda:
        both = {category for category, _ in entry.places} | set(categories.get(f"conda:{entry.name}", ()))
        chosen = (MAIN,) if MAIN in both else tuple(sorted(both))
        changed.append(msgspec.structs.replace(entry, places=tuple((category, platform) for category in chosen)))
    made = []
    for one in resolved:
        artifact = one.artifact
        if artifact.url is not None and artifact.kind != "vcs":
            artifact = msgspec.structs.replace(artifact, url=url(artifact.url))
        made.append(
            Locked(
                name=one.name,
                version=one.version,
                manager="pypi",
                places=tuple((category, platform) for category in categories.get(f"pip:{one.name}") or (MAIN,)),
                needs=tuple(Need(name=name) for name in one.needs),
                artifacts=(artifact,),
            )
        )
    return made, changed


def spread(graph: Mapping[str, Collection[str]], requested: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Categories by node: those of everything requested that needs it; ``main`` alone where that is one of them."""
    found: dict[str, set[str]] = {}
    for category in sorted(set(requested.values())):
        todo = [name for name, its in requested.items() if its == category]
        while todo:
            name = todo.pop()
            if name in graph and category not in found.setdefault(name, set()):
                found[name].add(category)
                todo += graph[name]
    return {name: (MAIN,) if MAIN in those else tuple(sorted(those)) for name, those in found.items()}


def requested_names(names: Iterable[tuple[str, str]], records: Iterable[Record]) -> dict[str, str]:
    """What is requested of conda, by the names of the records: (name, category), the last one counts."""
    spelled = {record.name.lower(): record.name for record in records}
    return {spelled[name.lower()]: category for name, category in names if name.lower() in spelled}


def requested_distributions(names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The same of the pip section."""
    return {name_of(name): category for name, category in names}
