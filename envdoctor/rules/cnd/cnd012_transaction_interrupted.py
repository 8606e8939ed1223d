"""A transaction of conda, mamba or pixi did not come to its end.

## Why it matters
An installation that is killed, or that runs out of disk, leaves packages half linked: files without a record, records without
files, old files moved aside. conda takes what has no record for not installed and links over it later, with a clobber warning.

## How it is found
- Files with the endings that transactions give to what they move aside: `.c~`, `.conda_trash`, `.mamba_trash`.
- Metadata of Python packages that conda linked (its `INSTALLER` says so) and that no record lists.
- `conda-meta/history`: packages that it says are installed and that have no record, and lines of the last revision that have not
  come true.
- The package cache, where something in the prefix's folders belongs to nobody: a package of which the prefix has files as hard
  links, or all files in the same sizes, and no record.
- With no such package in the cache: files in those folders with several hard links, as only installers make them (likely), and
  libraries in `lib` (a remark; not where a history tells of all that was installed).

## Look-alikes that are fine
- Records that pixi and rattler wrote: they keep no history.
- What people put into a prefix: `make install`, `npm -g`, `cargo install --root`, data, notes; what wheels put into `bin` and
  `share`; indexes that packages make when they are linked.
- Packages of the cache that this prefix has never had, in whatever number.
- A package that has a record in another version than the history says: another tool updated it.
- Files moved aside with all files of all packages in their places, as where Windows had one in use: a warning.
- A package whose record is there and cannot be read: CND006.

## How to fix
Install the packages concerned again, then delete what was moved aside.

## Example
`a transaction was interrupted: lib/libz.so.1.3.1 was moved aside (lib/libz.so.1.3.1.c~) and nothing is in its place`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.conda.installed import label, subject
from envdoctor.finding import Finding, Subject
from envdoctor.lazy import pattern
from envdoctor.rules.base import Rule
from envdoctor.rules.cnd._paths import file, shown
from envdoctor.snapshot import CondaPackage, Distribution
from envdoctor.view import View, normalize

RULE = Rule(
    "CND012",
    "transaction-interrupted",
    "error",
    reads=("conda_packages", "conda_meta", "distributions", "sites", "target"),
    messages=(
        "CorruptedEnvironmentError",
        "No module named '{module}'",
        "No such file or directory: '{path}'",
    ),
)

CROWD = 10
"""Packages without a record, above which they are one finding."""
_ENDING = pattern(r"(\.c~|\.conda_trash(_\d+)?|\.mamba_trash)$")


def check(view: View) -> Iterator[Finding]:
    """One finding for what was moved aside, one for each package without a record, one for what was to be removed."""
    meta = view.snapshot.conda_meta
    if meta is None:
        return
    if meta.leftovers:
        yield _aside(view, meta.leftovers, meta.leftover_count)
    without = _without_record(view)
    yield from _strangers(view)
    if len(without) > CROWD:
        yield _crowd(view, without)
    else:
        for name, (version, dists, known) in without.items():
            yield _no_record(view, name, version, dists, known=known)
    yield from _not_removed(view)


# ------------------------------------------------------------------------------------------------------------ moved aside


def _aside(view: View, leftovers: tuple[str, ...], count: int) -> Finding:
    remedy = view.remedy
    prefix = view.snapshot.target.prefix.rstrip("/")
    moved = {_ENDING.sub("", path): path for path in leftovers}
    lacking: dict[str, CondaPackage] = {}
    for package in view.snapshot.conda_packages:
        for path in package.missing:
            if path.path in moved:
                lacking.setdefault(path.path, package)
    records = [path for path in moved if path.startswith("conda-meta/") and path.endswith(".json")]
    names = {package.name for package in view.snapshot.conda_packages}
    lost = [path for path in records if len(_parts(path)) == 3 and _parts(path)[0] not in names]
    packages = sorted({package.record: package for package in lacking.values()}.values(), key=lambda package: package.name)
    specs = [f"{package.name}={package.version}" for package in packages]
    specs += ["=".join(_parts(path)) for path in lost]
    gone = [*lost, *sorted(lacking)]
    if gone:
        more = f" (and {len(gone) - 1:,} more)" if len(gone) > 1 else ""
        told = f"{gone[0]} was moved aside ({moved[gone[0]]}) and nothing is in its place{more}"
    else:
        files = "a file was" if count == 1 else f"{count:,} files were"
        told = f"{files} moved aside and never taken away: {shown(leftovers)}; all packages have their files"
    again = remedy.conda_reinstall(*specs) if specs else ()
    aside = remedy.delete(*(f"{prefix}/{path}" for path in leftovers))
    return RULE.finding(
        f"a transaction was interrupted: {told}",
        [
            *(subject(package) for package in packages[:20]),
            *(Subject("conda-package", _parts(path)[0], _parts(path)[1], path) for path in lost),
            view.environment_subject(),
            *(file(path) for path in leftovers[:5]),
        ],
        evidence=[
            *(f"{moved[path]} is there, {path} is not" for path in gone[:5]),
            *(f"{path} is there" for path in leftovers[: max(0, 5 - len(gone))] if _ENDING.sub("", path) not in gone),
            f"{count:,} such files in the prefix",
        ],
        fixes=[
            remedy.fix(
                "install the packages concerned again, then delete what was moved aside"
                if specs
                else "delete what was moved aside",
                (*again, *aside),
                RULE.code,
                "CND001",
                safety="unsafe" if specs else "safe",
            )
        ],
        severity="error" if gone else "warning",
        key="moved-aside",
    )


def _parts(path: str) -> list[str]:
    """Name, version and build of a record's file."""
    return path[len("conda-meta/") : -len(".json")].rsplit("-", 2)


# -------------------------------------------------------------------------------------------------------- without a record

_Known = tuple[str | None, list[Distribution], bool]


def _without_record(view: View) -> dict[str, _Known]:
    """Packages that were linked and have no record, by name: version, their distributions that are there, whether the history
    knows them."""
    meta = view.snapshot.conda_meta
    assert meta is not None
    names = {package.name for package in view.snapshot.conda_packages}
    brought = {_stem(folder) for package in view.snapshot.conda_packages for folder in package.metadata}
    unreadable = {problem.name for problem in meta.problems if problem.name}
    moved = {_ENDING.sub("", path)[len("conda-meta/") :].rsplit("-", 2)[0] for path in meta.leftovers if "conda-meta/" in path}
    found: dict[str, _Known] = {}
    history = meta.history
    if history is not None and not set(meta.writers) & {"rattler", "pixi"}:
        for dist in history.not_there:
            parts = dist.rsplit("-", 2)
            if len(parts) == 3 and parts[0] not in names and parts[0] not in unreadable and parts[0] not in moved:
                found[parts[0]] = parts[1], [], True
    for lost in meta.lost:
        if lost.name not in names and lost.name not in unreadable and lost.name not in moved:
            version, dists, known = found.get(lost.name, (lost.version, [], False))
            found[lost.name] = lost.version, dists, known
    for one in view.of_target:
        if one.installer != "conda" or one.conda or one.name in brought or not view.snapshot.sites[one.site].active:
            continue
        name = next((name for name in found if normalize(name) == one.name), one.name)
        if {name, one.name} & (unreadable | moved):
            continue
        version, dists, known = found.get(name, (one.version, [], False))
        found[name] = version, [*dists, one], known
    return dict(sorted(found.items()))


def _stem(folder: str) -> str:
    return normalize(folder.rpartition("/")[2].partition("-")[0])


def _no_record(view: View, name: str, version: str | None, dists: list[Distribution], *, known: bool) -> Finding:
    meta = view.snapshot.conda_meta
    history = meta.history if meta else None
    last = known and history is not None and any(line.startswith(f"+{name}-{version}-") for line in history.unfinished)
    lost = next((one for one in meta.lost if one.name == name), None) if meta else None
    shown_name = f"{name} {version}" if version else name
    if lost is not None and not dists:
        message = f"{shown_name} has its files in the prefix and no record in conda-meta: conda takes it for not installed"
    elif dists:
        message = f"{shown_name} was linked by conda and has no record in conda-meta: conda takes it for not installed"
    elif last:
        message = f"{shown_name} has no record in conda-meta, though the last transaction was to install it"
    else:
        message = f"{shown_name} has no record in conda-meta, though the history says that it is installed"
    evidence = [f"{view.in_site(d.site, d.path)}: {d.name} {d.version}, installer conda, in no record" for d in dists]
    if known:
        evidence.append(f"conda-meta/history: {shown_name} was installed and not removed")
    if lost is not None:
        how = f"{lost.same:,} are the same files (hard links)" if lost.same else "they have the same sizes"
        evidence.append(f"{lost.there:,} of {lost.paths:,} files of {lost.cache} are in the prefix and in no record; {how}")
    spec = "=".join(filter(None, (name, version, lost.build if lost is not None else None)))
    return RULE.finding(
        message,
        [
            Subject("conda-package", name, version),
            *(view.distribution(dist) for dist in dists),
            *(file(path) for path in (lost.examples if lost else ())),
            *([file("conda-meta/history")] if known else []),
        ],
        evidence=[*evidence, f"conda-meta: no record of {name}"],
        fixes=[
            view.remedy.fix(
                f"install {shown_name} again, which writes its record",
                view.remedy.conda_put_back(spec),
                RULE.code,
                "CND003",
                safety="unsafe",
            )
        ],
        severity="error" if dists or last or lost else "warning",
        confidence="certain" if lost is None or lost.same or dists or known else "likely",
        key=f"no-record:{name}",
    )


def _strangers(view: View) -> Iterator[Finding]:
    """Files that look like a package's and belong to nobody: what is left where neither history nor cache tells the package."""
    meta = view.snapshot.conda_meta
    if meta is None or not meta.strangers:
        return
    linked = [one for one in meta.strangers if one.links > 1]
    if meta.history is not None and meta.history.revisions and not set(meta.writers) & {"rattler", "pixi"}:
        return  # what was installed stands there
    chosen = linked or list(meta.strangers)
    paths = [one.path for one in chosen]
    more = f" and {len(paths) - 1:,} more files belong" if len(paths) > 1 else " belongs"
    yield RULE.finding(
        f"{paths[0]}{more} to no record and no distribution: a record is lost, or somebody put that there",
        [view.environment_subject(), *(file(path) for path in paths[:5])],
        evidence=[
            *(
                f"{one.path}: in no record of conda-meta" + (f"; {one.links} hard links" if one.links > 1 else "")
                for one in chosen[:5]
            ),
            *([f"and {len(chosen) - 5:,} more"] if len(chosen) > 5 else []),
        ],
        fixes=[
            view.remedy.manual(
                "install the package that they are of again, which writes its record; or leave them, if you put them there",
                RULE.code,
            )
        ],
        severity="warning" if linked else "info",
        confidence="likely" if linked else "possible",
        key="strangers",
    )


def _crowd(view: View, without: dict[str, _Known]) -> Finding:
    names = [f"{name} {version}" if version else name for name, (version, _, _) in without.items()]
    specs = [f"{name}={version}" if version else name for name, (version, _, _) in without.items()]
    meta = view.snapshot.conda_meta
    linked = any(dists for _, dists, _ in without.values()) or any(one.name in without for one in (meta.lost if meta else ()))
    return RULE.finding(
        f"{len(names)} packages were installed and have no record in conda-meta: {shown(names)}",
        [
            view.environment_subject(),
            *(Subject("conda-package", name, version) for name, (version, _, _) in without.items()),
        ],
        evidence=[f"conda-meta: no record of {name}" for name in names[:6]],
        fixes=[
            view.remedy.recreate(),
            view.remedy.fix("Or install them again", view.remedy.conda_put_back(*specs), RULE.code, "CND003", safety="unsafe"),
        ],
        severity="error" if linked or _unfinished(view) else "warning",
        key="no-records",
    )


def _unfinished(view: View) -> bool:
    meta = view.snapshot.conda_meta
    return bool(meta and meta.history and any(line.startswith("+") for line in meta.history.unfinished))


# ------------------------------------------------------------------------------------------------------------ not removed


def _not_removed(view: View) -> Iterator[Finding]:
    meta = view.snapshot.conda_meta
    history = meta.history if meta else None
    if meta is None or history is None or set(meta.writers) & {"rattler", "pixi"}:
        return
    dists = {f"{p.name}-{p.version}-{p.build}": p for p in view.snapshot.conda_packages}
    left = [dists[line[1:]] for line in history.unfinished if line.startswith("-") and line[1:] in dists]
    if not left:
        return
    names = shown(label(package) for package in left)
    yield RULE.finding(
        f"the last transaction was to remove {names}, and conda-meta still has {'it' if len(left) == 1 else 'them'}",
        [*(subject(package) for package in left[:20]), file("conda-meta/history")],
        evidence=[
            *(f"conda-meta/history: -{p.name}-{p.version}-{p.build}; {p.record} is there" for p in left[:5]),
            *([f"command: {history.last_command}"] if history.last_command else []),
        ],
        fixes=[
            view.remedy.fix(
                f"remove {names} again", view.remedy.conda_remove(*(package.name for package in left)), RULE.code, safety="unsafe"
            )
        ],
        severity="warning",
        key="not-removed",
    )
