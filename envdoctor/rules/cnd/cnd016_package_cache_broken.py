"""The package cache that the prefix was linked from is damaged, cannot be written, or is gone.

## Why it matters
conda links files from its cache into every environment: a truncated package there breaks each environment that is made from it,
a repair by `--force-reinstall` brings the damage back, and a file that was edited in one environment is edited in all. With a
cache that cannot be written nothing can be installed at all.

## How it is found
The caches that the records name, and those that conda is set to use (`pkgs_dirs`, else `pkgs` of the installation and
~/.conda/pkgs). For each package of this prefix that is still unpacked there: `info/index.json` and `info/paths.json` are there
and whole; with `--deep` the size of every file against `info/paths.json`. Altered files of the prefix that the cache has in the
same way (hard links, or the same wrong size or hash) are damaged in the cache, too, which then is the cause of CND002. Something
that is no folder stands where the cache should be; none of the configured caches can be written.

## Look-alikes that are fine
- A cache without this package, or emptied by `conda clean`; one that is gone together with its installation, as in an image.
- The cache of a shared installation that only its owner may write, while ~/.conda/pkgs can be.
- Archives without their folder, folders without their archive.

## How to fix
`conda clean --packages` (or `--all`) drops what is not used; delete the folders of the damaged packages, then reinstall them, so
that they are fetched anew.

## Example
`2 packages in /opt/conda/pkgs are damaged: numpy-2.2.6-py311_0, openssl-3.5.0-h1_0`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Command, Finding, Severity, Subject
from envdoctor.rules.base import Rule
from envdoctor.rules.cnd._paths import file
from envdoctor.rules.cnd._settings import installers, subject
from envdoctor.snapshot import CondaCache, CondaPackage
from envdoctor.view import View

RULE = Rule(
    "CND016",
    "package-cache-broken",
    "warning",
    reads=("conda_installers", "conda_packages", "target", "machine"),
    deep=True,
    messages=(
        "CondaVerificationError",
        "appears to be corrupted. The path '{path}'",
        "InvalidArchiveError",
        "ChecksumMismatchError",
        "BadZipFile: File is not a zip file",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each cache, and one where none can be written."""
    facts = installers(view)
    for cache in facts.caches:
        if cache.exists and not cache.folder:
            yield RULE.finding(
                f"the package cache {cache.path} is no folder",
                [_subject(view, cache)],
                evidence=[f"{cache.path}: a file, or a link that leads nowhere", *_from_here(cache)],
                fixes=[view.remedy.manual(f"move {cache.path} away, or mount what it links to", RULE.code)],
                key=f"{_name(cache)}:folder",
            )
        elif not cache.exists and cache.linked and cache.home and view.snapshot.machine.container is None:
            yield _gone(view, cache)
        if cache.broken or cache.spoiled:
            yield _damaged(view, cache)
    usable = [cache for cache in facts.caches if cache.configured]
    if any(cache.exists for cache in usable) and all(cache.writable is False for cache in usable):
        paths = ", ".join(cache.path for cache in usable)
        yield RULE.finding(
            f"no package cache can be written, so nothing can be installed: {paths}",
            [_subject(view, cache) for cache in usable],
            evidence=[f"{cache.path}: this user may not write there" for cache in usable],
            fixes=[
                view.remedy.manual(
                    "give a cache that can be written: CONDA_PKGS_DIRS, or pkgs_dirs in ~/.condarc",
                    RULE.code,
                    commands=[("conda", "config", "--prepend", "pkgs_dirs", "~/.conda/pkgs")],
                )
            ],
            key="writable",
        )


def _name(cache: CondaCache) -> str:
    return "/".join(cache.path.replace("\\", "/").rstrip("/").split("/")[-1:])


def _subject(view: View, cache: CondaCache) -> Subject:
    return view.file(cache.path)


def _from_here(cache: CondaCache) -> list[str]:
    return [f"{cache.packages} packages of this environment came from there"] if cache.packages else []


def _gone(view: View, cache: CondaCache) -> Finding:
    soft = any(
        p.link == "softlink" and p.cache and p.cache.replace("\\", "/").rpartition("/")[0] == cache.path
        for p in view.snapshot.conda_packages
    )
    severity: Severity = "warning" if soft else "info"
    return RULE.finding(
        f"the package cache {cache.path} is gone, which {cache.linked} packages of this environment were linked from",
        [_subject(view, cache)],
        evidence=[
            f"{cache.path} is not there, the folder around it is",
            "symbolic links into it lead nowhere" if soft else "hard links stay whole: packages are fetched anew when asked for",
        ],
        fixes=[
            view.remedy.manual(
                "mount or make the cache again; a reinstall fetches what it needs" if soft else "nothing has to be done",
                RULE.code,
            )
        ],
        severity=severity,
        key=f"{_name(cache)}:gone",
    )


def _damaged(view: View, cache: CondaCache) -> Finding:
    bad = list(dict.fromkeys(line.partition(": ")[0] for line in (*cache.broken, *cache.spoiled)))
    by_folder = {(p.cache or "").replace("\\", "/").rpartition("/")[2]: p for p in view.snapshot.conda_packages}
    packages = [by_folder[name] for name in bad if name in by_folder]
    count = max(cache.broken_count, len(bad))
    names = ", ".join(bad[:4]) + (" and others" if count > 4 else "")
    return RULE.finding(
        f"{'1 package' if count == 1 else f'{count} packages'} in {cache.path} {'is' if count == 1 else 'are'} damaged: {names}",
        [*(subject(p) for p in packages), _subject(view, cache), *(file(line.partition(": ")[2]) for line in cache.spoiled[:20])],
        evidence=[
            *(f"{cache.path}/{line.replace(': ', '/', 1)}" for line in cache.broken[:5]),
            *(
                f"{cache.path}/{line.replace(': ', '/', 1)} is altered, and the environment has it so, too"
                for line in cache.spoiled[:5]
            ),
        ],
        fixes=[
            view.remedy.fix(
                "drop the damaged packages from the cache, and reinstall them",
                _commands(view, cache, bad, packages),
                RULE.code,
                safety="unsafe",
            )
        ],
        key=f"{_name(cache)}:damaged",
    )


def _commands(view: View, cache: CondaCache, bad: list[str], packages: list[CondaPackage]) -> Iterator[Command]:
    yield from view.remedy.delete(*(f"{cache.path}/{name}" for name in bad[:20]))
    if packages:
        yield from view.remedy.conda_reinstall(*(f"{p.name}={p.version}" for p in packages[:20]))
