"""A distribution is installed more than once.

## Why it matters
Two metadata folders in one site folder describe one set of files: one of them lies. Which one answers
`importlib.metadata.version` depends on the order of the directory listing; an uninstall removes one, and the next install
says that the requirement is already satisfied. Across folders of sys.path the first hides the others, and which is first
may change with the shell.

## How it is found
Metadata folders of one normalized name, by site folder and along sys.path.

## Look-alikes that are fine
An editable install and the `.egg-info` of its own source folder are one install; so are two metadata folders that one
conda record or one package of the operating system brought. Two folders that agree about the version are a warning. The
pip and setuptools of an environment with `--system-site-packages` beside those of its base, which `venv` puts there: info.

## How to fix
Delete the metadata that does not match the files, and install the remaining one again.

## Example
`alpha is installed twice in lib/python3.11/site-packages: 1.0 and 2.0`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import unquote, urlsplit

from envdoctor.finding import Finding, Fix, Severity
from envdoctor.rules.base import Rule
from envdoctor.snapshot import Distribution
from envdoctor.versions import Version, version_of
from envdoctor.view import View

RULE = Rule(
    "PKG004",
    "duplicate-distribution",
    "error",
    reads=("distributions", "sites"),
    messages=(
        "No module named '{module}'",
        "cannot import name '{name}' from '{module}'",
        "Multiple .dist-info directories",
    ),
)

OVERRIDES = 4
"""Distributions of the base that an environment overrides, from which on they are one finding."""
SHOWN = 5
"""Installations named in the message and in the evidence."""
_TOOLS = frozenset({"pip", "setuptools", "wheel"})
"""What `venv` and `virtualenv` install by themselves."""
_NONE = Version((0,), dev=0)
"""Sorts in front of every real version."""


def check(view: View) -> Iterator[Finding]:
    """One finding for each name with more than one installation."""
    overriding: list[tuple[str, list[Distribution]]] = []
    for name, all_of_name in sorted(view.by_name.items()):
        if len(all_of_name) < 2:
            continue
        dists = _installs(view, all_of_name)
        if len(dists) < 2:
            continue
        by_site: dict[int, list[Distribution]] = {}
        for dist in dists:
            by_site.setdefault(dist.site, []).append(dist)
        crowded = [group for group in by_site.values() if len(group) > 1]
        if crowded:
            yield _in_one_folder(view, name, crowded)
        elif name not in _TOOLS and _overrides_base(view, name, dists):
            overriding.append((name, dists))
        else:
            yield _across_folders(view, name, dists)
    if len(overriding) >= OVERRIDES:
        yield _overriding(view, overriding)
    else:
        for name, dists in overriding:
            yield _across_folders(view, name, dists)


def _installs(view: View, dists: Sequence[Distribution]) -> list[Distribution]:
    """`dists` without those that belong to another one's install: an editable's own source, one packager's pair."""
    sources = {folder for dist in dists for folder in _source_folders(dist)}
    kept: list[Distribution] = []
    packages: set[tuple[int, str]] = set()
    for dist in dists:
        folder = view.site_path(dist).rstrip("/\\")
        if dist.format == "egg-info" and len(dists) > 1 and sources and _is_source(folder, sources):
            continue
        package = dist.conda or dist.system_package
        if package is not None:
            if (dist.site, package) in packages:
                continue
            packages.add((dist.site, package))
        kept.append(dist)
    return kept


def _source_folders(dist: Distribution) -> Iterator[str]:
    if dist.editable is not None:
        for source in dist.editable.sources:
            yield source.rstrip("/\\")
    if dist.direct_url is not None and dist.direct_url.editable:
        yield unquote(urlsplit(dist.direct_url.url).path).rstrip("/")


def _is_source(folder: str, sources: set[str]) -> bool:
    """`folder` is a source folder, its src/ folder, or holds a package that a finder maps."""
    return any(folder == s or s.startswith(folder + "/") or folder.startswith(s + "/") for s in sources)


def _in_one_folder(view: View, name: str, groups: list[list[Distribution]]) -> Finding:
    dists = [dist for group in groups for dist in group]
    site = view.inside(view.site_path(dists[0]))
    versions = [dist.version or "no version" for dist in dists]
    differ = any(len({_key(dist) for dist in group}) > 1 for group in groups)
    own = any(view.snapshot.sites[dist.site].of_target for dist in dists)
    severity: Severity = "error" if differ and own else "warning"
    said = _listed(sorted(set(versions), key=_order)) if differ else f"both {versions[0]}"
    return RULE.finding(
        f"{name} is installed {_times(len(dists))} in {site}: {said}",
        [view.distribution(dist) for dist in sorted(dists, key=lambda d: (d.site, d.path))],
        evidence=[_line(view, dist) for dist in dists[:SHOWN]],
        fixes=_one_folder_fixes(view, groups),
        severity=severity,
    )


def _listed(versions: list[str]) -> str:
    if len(versions) <= SHOWN:
        return " and ".join(versions)
    return f"{', '.join(versions[:SHOWN])} and {len(versions) - SHOWN} more"


def _one_folder_fixes(view: View, groups: list[list[Distribution]]) -> Iterator[Fix]:
    remedy = view.remedy
    for group in groups:
        best = max(group, key=_fits)
        rest = [dist for dist in group if dist is not best]
        sure = _fits(best)[:2] > max(_fits(dist)[:2] for dist in rest)
        label = f"{best.name} {best.version}" if best.version else best.name
        why = "whose files are there" if sure else "the newest, as the files do not tell which is right"
        paths = (f"{view.site_path(dist)}/{dist.path}" for dist in rest)
        yield remedy.fix(
            f"Delete the other metadata and install {label} again ({why})",
            (*remedy.delete(*paths), *remedy.reinstall(best)),
            RULE.code,
            "PKG006",
            safety=remedy.safety("safe" if sure else "unsafe", best),
        )


def _overrides_base(view: View, name: str, dists: Sequence[Distribution]) -> bool:
    """The environment's own one hides those of the base that its `--system-site-packages` lets in."""
    sites = view.snapshot.sites
    first = view.effective[name]
    rest = [dist for dist in dists if dist.site != first.site]
    return sites[first.site].of_target and all(sites[dist.site].role in ("system", "dist-packages") for dist in rest)


def _overriding(view: View, overriding: list[tuple[str, list[Distribution]]]) -> Finding:
    remedy = view.remedy
    names = [f"{name} {view.effective[name].version or ''}".rstrip() for name, _ in overriding]
    base = sorted({view.site_path(d) for name, dists in overriding for d in dists if d.site != view.effective[name].site})
    return RULE.finding(
        f"{len(overriding)} distributions of the environment hide others in {' and '.join(map(view.inside, base[:2]))}: "
        f"{', '.join(names[:SHOWN])}{' and others' if len(names) > SHOWN else ''}",
        [view.distribution(view.effective[name]) for name, _ in overriding],
        evidence=[
            f"{name}: {' hides '.join(dict.fromkeys(str(dist.version) for dist in dists))}"
            for name, dists in overriding[: 2 * SHOWN]
        ],
        fixes=[
            remedy.manual(
                "Nothing to do where the newer ones are wanted; else make the environment without --system-site-packages",
                RULE.code,
                commands=remedy.recreate("").commands,
            )
        ],
        key="overriding",
        severity="warning",
    )


def _across_folders(view: View, name: str, dists: list[Distribution]) -> Finding:
    first = view.effective[name]
    rest = [dist for dist in dists if dist.site != first.site]
    sites = view.snapshot.sites
    overrides = sites[first.site].of_target and not any(sites[dist.site].of_target for dist in rest)
    designed = overrides and name in _TOOLS and all(sites[dist.site].role not in ("user", "pythonpath") for dist in rest)
    hidden = ", ".join(f"{dist.version or 'no version'} in {view.inside(sites[dist.site].path)}" for dist in rest)
    remedy = view.remedy
    where = view.inside(sites[first.site].path)
    title = (
        f"Nothing to do: {name} of the environment is meant to override that of the base"
        if designed
        else f"Keep one of them: remove {name} from {where}, or take one of the folders off sys.path"
    )
    # `uninstall` takes the first on sys.path, as the interpreter does.
    removable = sites[first.site].of_target and sites[first.site].role not in ("pythonpath", "pth") and not designed
    fixes = [remedy.manual(title, RULE.code, commands=remedy.uninstall(first) if removable else ())]
    return RULE.finding(
        f"{name} {first.version or ''} in {view.inside(sites[first.site].path)} hides {hidden}".replace("  ", " "),
        [view.distribution(first), *(view.distribution(dist) for dist in rest)],
        evidence=[_line(view, dist) for dist in (first, *rest)],
        fixes=fixes,
        severity="info" if designed else "warning",
    )


def _fits(dist: Distribution) -> tuple[bool, float, Version]:
    """How well the metadata matches the files: it has a version, fewest broken rows of RECORD, the newest."""
    record = dist.record
    broken = len(record.missing) + len(record.resized) + len(record.rehashed) if record else 0
    share = -broken / max(record.rows, 1) if record else -1.0
    return dist.version is not None, share, version_of(dist.version or "") or _NONE


def _key(dist: Distribution) -> object:
    """What two versions are compared by."""
    return version_of(dist.version or "") or dist.version


def _order(text: str) -> tuple[Version, str]:
    return version_of(text) or _NONE, text


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"


def _line(view: View, dist: Distribution) -> str:
    record = dist.record
    broken = len(record.missing) + len(record.resized) if record else 0
    state = f"; {broken} of {record.rows} recorded files are missing or altered" if record and broken else ""
    return f"{view.in_site(dist.site, dist.path)}: {dist.version or 'no version'}{state}"
