"""What the rules about locks share: subjects, places in a lock, one finding for many packages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from envdoctor.finding import Confidence, Finding, Fix, Severity, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.lock.held import Held
    from envdoctor.lock.model import Lock, Locked
    from envdoctor.view import View

MANY = 20
"""Packages of one lock with one defect, above which they are one finding."""
DRIFT = (
    "locks",
    "distributions",
    "conda_packages",
    "interpreter",
    "machine",
    "target",
    "project",
    "shell",
    "sites",
    "manifests",
)
"""Facts that decide what of a lock has to be in the target."""
LISTED = 200
"""Packages that such a finding names as subjects."""


class Case(NamedTuple):
    """One package that is not as a lock says."""

    subject: Subject
    message: str
    evidence: tuple[str, ...]
    severity: Severity
    others: tuple[Subject, ...] = ()
    fixes: tuple[Fix, ...] = ()
    """Of its own; empty: those that all cases of the lock have."""


def lockfile(lock: Lock) -> Subject:
    """A lock as a subject."""
    return Subject("lockfile", lock.path, None, lock.path)


def package(entry: Locked) -> Subject:
    """A locked package as a subject, in the version that is locked."""
    return Subject("conda-package" if entry.manager == "conda" else "distribution", entry.name, entry.version)


def label(entry: Locked) -> str:
    """``numpy 2.0.0``, a conda package with its build."""
    return " ".join(filter(None, (entry.name, entry.version, entry.build)))


def place(lock: Lock, entry: Locked | None = None) -> str:
    """``uv.lock:123``, as far as the line is known."""
    line = lock.line if entry is None else entry.line
    return f"{lock.path}:{line}" if line is not None else lock.path


def key_of(lock: Lock) -> str:
    """A lock's path for fingerprints: without the folders of one machine."""
    path = lock.path.replace("\\", "/")
    return path if not path.startswith("/") and path[1:2] != ":" else path.rpartition("/")[2]


def words(names: Iterable[str], limit: int = 5) -> str:
    """``a, b and c``, ``a, b, c and 7 more``."""
    listed = list(dict.fromkeys(names))
    if len(listed) > limit + 1:
        return f"{', '.join(listed[:limit])} and {len(listed) - limit} more"
    return " and ".join(filter(None, (", ".join(listed[:-1]), listed[-1]))) if listed else ""


def held(view: View) -> tuple[Held, ...]:
    """Locks that the target is compared with. Raises Skip where there are locks and none is for it."""
    if not view.snapshot.locks:
        return ()
    found = view.locks.held
    reason = view.locks.skip()
    if not found and reason is not None:
        raise Skip(reason)
    return found


def unreadable(view: View) -> None:
    """Raises Skip where not all of the target could be read, so that what is missing cannot be told."""
    for _, site in view.active_sites:
        if not site.readable:
            raise Skip(f"{view.inside(site.path)} cannot be read, so what is missing cannot be told")


def findings(
    rule: Rule,
    lock: Lock,
    cases: Sequence[Case],
    many: str,
    fixes: Sequence[Fix],
    *,
    confidence: Confidence = "certain",
) -> Iterator[Finding]:
    """A finding for each case, the package first and the lock behind it; for more than MANY of one severity one, the lock first.

    `many` goes between the number and the first names in that one's message.
    """
    by_severity: dict[Severity, list[Case]] = {}
    for case in cases:
        by_severity.setdefault(case.severity, []).append(case)
    for severity, several in by_severity.items():
        if len(several) <= MANY:
            for case in several:
                yield rule.finding(
                    case.message,
                    [case.subject, lockfile(lock), *case.others],
                    evidence=case.evidence,
                    fixes=case.fixes or fixes,
                    severity=severity,
                    confidence=confidence,
                    key=f"{key_of(lock)}:{case.subject.kind}:{case.subject.name}",
                )
            continue
        names = [case.subject.name for case in several]
        lines = [line for case in several[:MANY] for line in case.evidence[:1]]
        yield rule.finding(
            f"{len(several)} {many}: {words(names, 3)}",
            [lockfile(lock), *(case.subject for case in several[:LISTED])],
            evidence=[*lines, *([f"and {len(several) - MANY} more"] if len(several) > MANY else [])],
            fixes=fixes,
            severity=severity,
            confidence=confidence,
            key=f"{key_of(lock)}:many:{severity}",
        )
