"""A lock contradicts itself: a dependency is not in it, or locked outside of its range, or a package is in it twice.

## Why it matters
What installs from a lock installs what it lists and asks no further: the missing dependency fails at import. A Python package
that conda and pip both bring is overwritten by the second of the two, with a mixture of two versions left behind.

## How it is found
What every entry says it needs is looked for among the entries: on each platform and in each environment of conda-lock.yml,
pixi.lock and `@EXPLICIT` lists, by match specs (CEP 29); in uv.lock along its edges; in poetry.lock, pdm.lock and pylock.toml
by name, version and specifier (PEP 440), where the marker holds here. Then the same name twice: two builds on one platform, two
versions whose markers both hold, a package of conda and one of pip. Then hashes with fewer (more) digits than such a hash has
(a warning where the file may still have another one), and files that requirements take in (`-r`, `-c`) and that are not there.
One finding for a lock and each of these.

## Look-alikes that are fine
Dependencies under markers and of extras that are not in use; virtual packages (`__glibc`); one package in two versions under
markers that exclude each other, or for groups that exclude each other; libraries of conda that have the name of a Python
package; Python packages that conda provides under another name; pip, setuptools and wheel, which some tools leave out.

## How to fix
Lock again. A lock that was edited by hand or merged has to be made anew.

## Example
`poetry.lock lacks what its packages need: idna (needed by requests 2.32.3)`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from envdoctor.finding import Confidence, Finding, Severity, Subject
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import LISTED, key_of, label, lockfile, package, place, words
from envdoctor.rules.lck.lck008_lock_not_hashed import _LOOSE as NOT_PINNED
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

if TYPE_CHECKING:
    from envdoctor.lock.held import Setting
    from envdoctor.lock.model import Lock, Locked, Need

RULE = Rule(
    "LCK012",
    "lock-inconsistent",
    "error",
    reads=("locks", "machine", "interpreter", "target", "project"),
    messages=(
        "Dependency {distribution} has missing `source` field",
        "found in the lock but not",
    ),
)

_DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
"""Hexadecimal digits of a hash."""
_LEFT_OUT = ("pip", "setuptools", "wheel", "distribute")


class Broken(NamedTuple):
    """One contradiction."""

    name: str
    """Of the package that is missing, outside, or twice."""
    words: str
    evidence: str
    entries: tuple[Locked, ...]
    doubtful: bool = False


def check(view: View) -> Iterator[Finding]:
    """One finding for a lock and a kind of contradiction."""
    if not view.snapshot.locks:
        return
    for lock in view.locks.readable:
        setting = view.locks.judged(lock)
        if any(entry.places for entry in lock.packages):
            missing, outside, twice = _placed(lock, setting)
        else:
            missing, outside = _listed(lock, setting)
            twice = _twice(lock, setting)
        sure = [one for one in missing if not one.doubtful]
        doubtful = [one for one in missing if one.doubtful]
        yield from _finding(view, lock, "lacks what its packages need", "missing", sure)
        yield from _finding(view, lock, "may lack what its packages need", "doubtful", doubtful, "warning", "likely")
        yield from _finding(view, lock, "has packages outside of what others need", "outside", outside)
        yield from _finding(view, lock, "has packages twice", "twice", twice)
        damaged, certain = _damaged(lock)
        yield from _finding(
            view,
            lock,
            "has hashes that are cut off",
            "hashes",
            damaged,
            "error" if certain else "warning",
            "certain" if certain else "likely",
        )
        problems = [text for text in lock.problems if NOT_PINNED.fullmatch(text) is None]
        if problems:
            yield RULE.finding(
                f"{lock.path} contradicts itself: {problems[0]}"
                + (f", and {len(problems) - 1} more" if len(problems) > 1 else ""),
                [lockfile(lock)],
                evidence=[f"{lock.path}: {text}" for text in problems[:20]],
                fixes=[view.remedy.locks.again(lock, RULE.code)],
                key=f"{key_of(lock)}:problems",
            )


def _damaged(lock: Lock) -> tuple[list[Broken], bool]:
    """Entries with a hash of the wrong length, which no file can have; and whether one of them has no other for a file."""
    found: list[Broken] = []
    sure = False
    for entry in lock.packages:
        for artifact in entry.artifacts:
            wrong = [(name, digest) for name, digest in artifact.hashes if len(digest) != _DIGITS.get(name, len(digest))]
            if wrong:
                name, digest = wrong[0]
                said = f"{name} of {len(digest)} digits instead of {_DIGITS[name]}"
                found.append(
                    Broken(entry.name, f"{label(entry)} ({said})", f"{place(lock, entry)}: {label(entry)}: {said}", (entry,))
                )
                sure = sure or len(wrong) == len(artifact.hashes)
                break
    return found, sure


def _finding(
    view: View,
    lock: Lock,
    verdict: str,
    kind: str,
    broken: list[Broken],
    severity: Severity = "error",
    confidence: Confidence = "certain",
) -> Iterator[Finding]:
    if not broken:
        return
    by_name: dict[str, Broken] = {}
    for one in broken:
        by_name.setdefault(one.name, one)
    subjects: dict[Subject, None] = {}
    for one in by_name.values():
        if all(entry.name != one.name for entry in one.entries):
            manager = one.entries[0].manager if one.entries else "pypi"
            subjects[Subject("conda-package" if manager == "conda" else "distribution", one.name)] = None
        subjects.update((package(entry), None) for entry in one.entries)
    lines = list(dict.fromkeys(one.evidence for one in broken))
    yield RULE.finding(
        f"{lock.path} {verdict}: {words((one.words for one in by_name.values()), 3)}",
        [lockfile(lock), *list(subjects)[:LISTED]],
        evidence=[*lines[:20], *([f"and {len(lines) - 20} more"] if len(lines) > 20 else [])],
        fixes=[view.remedy.locks.again(lock, RULE.code)],
        severity=severity,
        confidence=confidence,
        key=f"{key_of(lock)}:{kind}",
    )


# ------------------------------------------------------------------------------------------------------ lists and graphs


def _listed(lock: Lock, setting: Setting) -> tuple[list[Broken], list[Broken]]:
    """What entries need that is missing, or locked outside of the range."""
    from envdoctor.lock.select import Markers
    from envdoctor.requirements import satisfies

    missing: list[Broken] = []
    outside: list[Broken] = []
    by_name: dict[str, list[Locked]] = {}
    for entry in lock.packages:
        by_name.setdefault(entry.name, []).append(entry)
    markers = Markers(setting.environment, extras=(), groups=lock.groups, projects=lock.projects)
    here = {id(entry) for entry in setting.everything(lock)} if setting.serves(lock) else set()
    for entry in lock.packages:
        for need in entry.needs:
            if need.optional or need.name in _LEFT_OUT:
                continue
            if need.marker is not None and (id(entry) not in here or not markers.hold(need.marker)):
                continue
            found = by_name.get(need.name)
            text = f"{place(lock, entry)}: {label(entry)} needs {_spelled(need)}"
            if not found:
                missing.append(Broken(need.name, f"{need.name} (needed by {label(entry)})", text, (entry,)))
                continue
            if need.version is not None and all(one.version not in (None, need.version) for one in found):
                others = words(one.version or "" for one in found)
                outside.append(
                    Broken(
                        need.name,
                        f"{need.name} {others} ({label(entry)} needs {need.version})",
                        f"{text}; locked is {others}",
                        (found[0], entry),
                    )
                )
            elif need.spec and all(one.version and satisfies(one.version, need.spec) is False for one in found):
                others = words(one.version or "" for one in found)
                outside.append(
                    Broken(
                        need.name,
                        f"{need.name} {others} ({label(entry)} needs {need.spec})",
                        f"{text}; locked is {others}",
                        (found[0], entry),
                    )
                )
    return missing, outside


def _twice(lock: Lock, setting: Setting) -> list[Broken]:
    """Names with two versions that would both be installed."""
    if lock.format == "uv" or (lock.format == "poetry" and not any(entry.groups for entry in lock.packages)):
        return []
    from envdoctor.lock.changes import same_version

    found: list[Broken] = []
    by_name: dict[str, list[Locked]] = {}
    for entry in setting.entries(lock):
        if entry.name and entry.version:
            by_name.setdefault(entry.name, []).append(entry)
    for name, entries in by_name.items():
        if len(entries) > 1 and any(not same_version("pypi", entries[0].version, other.version) for other in entries[1:]):
            versions = words(entry.version or "" for entry in entries)
            where = ", ".join(place(lock, entry) for entry in entries[:4])
            found.append(Broken(name, f"{name} ({versions})", f"{where}: {name} {versions}", tuple(entries)))
    return found


def _spelled(need: Need) -> str:
    return f"{need.name} {need.version or need.spec}".strip()


# --------------------------------------------------------------------------------------------------------- conda's locks


def _placed(lock: Lock, setting: Setting) -> tuple[list[Broken], list[Broken], list[Broken]]:
    """The same for locks of places: every platform, and of pixi every environment, stands for itself."""
    missing: list[Broken] = []
    outside: list[Broken] = []
    twice: list[Broken] = []
    by_place: dict[tuple[str, str], list[Locked]] = {}
    for entry in lock.packages:
        for group, platform in entry.places:
            # categories of conda-lock are solved together, environments of pixi are not
            by_place.setdefault((group if lock.format == "pixi" else "", platform), []).append(entry)
    seen: set[frozenset[int]] = set()
    known: dict[tuple[str, str, int], bool] = {}
    for (group, platform), several in by_place.items():
        entries = list({id(entry): entry for entry in several}.values())
        everything = frozenset(map(id, entries))
        if everything in seen:
            continue
        seen.add(everything)
        where = platform + (f", {group}" if group and group != "default" else "")
        if platform == setting.platform:
            one = _Place(lock, where, entries, setting, known)
        else:
            one = _Place(lock, where, entries, None, known)
        missing += one.missing
        outside += one.outside
        twice += one.twice
    return missing, outside, twice


class _Place:
    """The packages of one platform (and environment)."""

    def __init__(
        self, lock: Lock, where: str, entries: list[Locked], setting: Setting | None, known: dict[tuple[str, str, int], bool]
    ) -> None:
        self.lock, self.where, self.known = lock, where, known
        self.missing: list[Broken] = []
        self.outside: list[Broken] = []
        self.twice: list[Broken] = []
        self.conda: dict[str, list[Locked]] = {}
        self.pypi: dict[str, list[Locked]] = {}
        for entry in entries:
            (self.conda if entry.manager == "conda" else self.pypi).setdefault(entry.name, []).append(entry)
        for entry in entries:
            if entry.manager == "conda":
                self._conda(entry)
        if self.pypi:
            self._python(setting)
        self._doubled()

    def _conda(self, entry: Locked) -> None:
        for need in entry.needs:
            if need.name.startswith("__") or (need.name == "pip" and entry.name == "python"):
                continue
            there = self.conda.get(need.name)
            if there is None:
                text = f"{place(self.lock, entry)}: {label(entry)} needs {_spelled(need)} ({self.where})"
                self.missing.append(Broken(need.name, f"{need.name} (needed by {entry.name})", text, (entry,)))
            elif need.spec and not any(self._fits(need.name, need.spec, one) for one in there):
                self._clash(entry, need.name, f"needs {_spelled(need)}", there)
        for text in entry.constrains:
            name, _, spec = text.strip().partition(" ")
            there = self.conda.get(name.lower())
            if there and not any(self._fits(name, spec, one) for one in there):
                self._clash(entry, name.lower(), f"allows {text}", there)

    def _clash(self, entry: Locked, name: str, asks: str, there: list[Locked]) -> None:
        have = label(there[0])
        self.outside.append(
            Broken(
                name,
                f"{have} ({entry.name} {asks})",
                f"{place(self.lock, entry)}: {label(entry)} {asks}; locked is {have} ({self.where})",
                (there[0], entry),
            )
        )

    def _fits(self, name: str, spec: str, entry: Locked) -> bool:
        """The entry is what is asked for, or that cannot be told."""
        key = (name, spec, id(entry))
        found = self.known.get(key)
        if found is None:
            from envdoctor.conda.installed import spec_of
            from envdoctor.conda.matchspec import Candidate

            parsed = spec_of(f"{name} {spec}".strip())
            found = self.known[key] = (
                parsed is None
                or parsed.open is not None
                or parsed.fits(Candidate(entry.name, entry.version, entry.build, entry.build_number)) is not False
            )
        return found

    def _python(self, setting: Setting | None) -> None:
        from envdoctor.conda.installed import aliases, normalized
        from envdoctor.lock.select import Markers
        from envdoctor.requirements import satisfies

        provided = {normalized(name) for name in self.conda}
        markers = Markers(setting.environment) if setting is not None else None
        for entries in self.pypi.values():
            for entry in entries:
                for need in entry.needs:
                    if need.optional or need.name in _LEFT_OUT or need.name == "python":
                        continue
                    if need.marker is not None and (markers is None or not markers.hold(need.marker)):
                        continue
                    there = self.pypi.get(need.name)
                    text = f"{place(self.lock, entry)}: {label(entry)} needs {_spelled(need)} ({self.where})"
                    if there is None:
                        if not provided.intersection(aliases(need.name)):
                            words_ = f"{need.name} (needed by {label(entry)})"
                            self.missing.append(Broken(need.name, words_, text, (entry,), bool(self.conda)))
                    elif need.spec and all(one.version and satisfies(one.version, need.spec) is False for one in there):
                        self._clash(entry, need.name, f"needs {need.spec}", there)

    def _doubled(self) -> None:
        from envdoctor.data.conda_names import CONDA_NAMES

        for name, entries in self.conda.items():
            builds = {(entry.version, entry.build) for entry in entries}
            if len(builds) > 1:
                text = f"{', '.join(place(self.lock, e) for e in entries[:4])}: {words(map(label, entries))} ({self.where})"
                self.twice.append(
                    Broken(
                        name,
                        f"{name} ({words((f'{v} {b or str()}'.strip() for v, b in sorted(builds, key=str)), 3)})",
                        text,
                        tuple(entries),
                    )
                )
        for name, entries in self.pypi.items():
            versions = {entry.version for entry in entries}
            if len(versions) > 1:
                text = f"{', '.join(place(self.lock, e) for e in entries[:4])}: {words(map(label, entries))} ({self.where})"
                self.twice.append(Broken(name, f"{name} ({words(sorted(filter(None, versions)))})", text, tuple(entries)))
            for alias in dict.fromkeys((name, name.replace("-", "_"), CONDA_NAMES.get(name, name))):
                twin = next((one for one in self.conda.get(alias, ()) if _of_python(one)), None)
                if twin is not None:
                    mine = entries[0]
                    both = f"conda {label(twin)} and pip {label(mine)}"
                    text = f"{place(self.lock, twin)}, {place(self.lock, mine)}: {both} ({self.where})"
                    self.twice.append(Broken(name, f"{name} (conda {twin.version} and pip {mine.version})", text, (mine, twin)))
                    break


def _of_python(entry: Locked) -> bool:
    """A conda package that brings Python modules."""
    return any(need.name in ("python", "python_abi") for need in entry.needs)
