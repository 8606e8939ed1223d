"""Which rules run, and which of their findings are set aside: code selection, ignores, the baseline. Pure, no IO.

A pattern is a code or a prefix of codes (``PKG``, ``PKG001``), in any case; ``ALL`` stands for every rule. Of two patterns
that match one code the longer decides, of two equally long ones ``ignore`` does, so ``--ignore PKG --extend-select PKG001``
runs PKG001 alone of its family.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from envdoctor.lazy import pattern
from envdoctor.rules import FAMILIES, modules
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.finding import Finding
    from envdoctor.report import Suppressed

_CODE = pattern(r"[A-Z]{3}[0-9]{3}")


class UsageError(Exception):
    """A wish that cannot be met: ``str()`` is one line, `hint` one line more or None. The command ends with exit code 2."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Ignore(NamedTuple):
    """One entry of ``[[tool.envdoctor.ignores]]``: sets aside findings of `code`, of `subject` alone where it names one."""

    code: str
    reason: str
    subject: str | None = None
    expires: date | None = None
    origin: str = ""
    """The place that it comes from, for messages."""

    def matches(self, finding: Finding) -> bool:
        """`finding` has that code and, among its subjects, that name (a distribution's in any spelling)."""
        if finding.code != self.code:
            return False
        if self.subject is None:
            return True
        spelled = re.sub(r"[-_.]+", "-", self.subject).lower()
        return any(
            subject.name == self.subject or (subject.kind in ("distribution", "conda-package") and subject.name == spelled)
            for subject in finding.subjects
        )

    def __str__(self) -> str:
        about = f" of {self.subject}" if self.subject else ""
        return f"ignore {self.code}{about}"


class Selection(msgspec.Struct, frozen=True):
    """A choice of rules. Made by :meth:`of`, which checks every pattern."""

    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    extend_select: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Patterns that were accepted and match no rule of this version."""

    @classmethod
    def of(
        cls,
        select: Iterable[str] | str | None = None,
        ignore: Iterable[str] | str | None = None,
        extend_select: Iterable[str] | str | None = None,
        *,
        origins: Mapping[str, str] | None = None,
    ) -> Selection:
        """The selection that these patterns make; each may hold several, separated by commas. None selects all rules.

        `origins` maps ``select``, ``ignore`` and ``extend-select`` to the words for their place in messages (default: the
        option). Raises UsageError for a pattern that matches no rule; ``ignore`` takes codes of other versions, too.
        """
        places = {"select": "--select", "ignore": "--ignore", "extend-select": "--extend-select", **(origins or {})}
        known = list(modules())
        chosen = None if select is None else _patterns(select, known, places["select"])
        extended = () if extend_select is None else _patterns(extend_select, known, places["extend-select"])
        dropped = () if ignore is None else _patterns(ignore, known, places["ignore"], lenient=True)
        absent = tuple(
            f"{places['ignore']} names {pattern}, which is no rule of this version"
            for pattern in dropped
            if pattern != "ALL" and not any(code.startswith(pattern) for code in known)
        )
        return cls(chosen, dropped, extended, absent)

    def codes(self) -> list[str]:
        """Codes of the rules to run, in the registry's order."""
        return [code for code in modules() if self.includes(code)]

    def includes(self, code: str) -> bool:
        """The rule of that code runs."""
        wanted = _longest(code, (*(("ALL",) if self.select is None else self.select), *self.extend_select))
        return wanted > _longest(code, self.ignore)

    @property
    def everything(self) -> bool:
        """No rule is left out."""
        return all(self.includes(code) for code in modules())


def families_without_rules() -> list[str]:
    """Families of the catalogue that have no rule in this version."""
    present = {code[:3] for code in modules()}
    return [family for family in FAMILIES if family not in present]


def known_code(text: str) -> str:
    """The code of a rule of this version that `text` names, by code or by name. Raises UsageError."""
    code = text.strip().upper()
    if code in modules():
        return code
    name = text.strip().lower().replace("_", "-")
    for candidate, module in modules().items():
        if module.rsplit(".", 1)[-1].split("_", 1)[-1].replace("_", "-") == name:
            return candidate
    raise _unknown(code, list(modules()), "")


def _patterns(wish: Iterable[str] | str, known: Sequence[str], place: str, *, lenient: bool = False) -> tuple[str, ...]:
    """`wish` as upper-case patterns without repetition."""
    parts = [wish] if isinstance(wish, str) else list(wish)
    patterns = tuple(dict.fromkeys(word.strip().upper() for part in parts for word in part.split(",") if word.strip()))
    if not patterns and not lenient:
        raise UsageError(f"{place} names no code", "codes or prefixes, separated by commas: --select PKG,ARC002")
    for word in patterns:
        if word == "ALL" or any(code.startswith(word) for code in known):
            continue
        if lenient and (word in FAMILIES or (_CODE.fullmatch(word) and word[:3] in FAMILIES)):
            continue
        raise _unknown(word, known, place)
    return patterns


def _unknown(pattern: str, known: Sequence[str], place: str) -> UsageError:
    """The error for a pattern that matches nothing, with the code that may have been meant."""
    import difflib

    shown = pattern if len(pattern) <= 40 and pattern.isprintable() else ascii(pattern)[1:41] + "…"
    where = f" in {place}" if place else ""
    if pattern[:3] in families_without_rules() and (len(pattern) == 3 or _CODE.fullmatch(pattern)):
        return UsageError(
            f"code '{shown}'{where} is not available in this version", "envdoctor rules lists the rules that there are"
        )
    near = difflib.get_close_matches(pattern, [*known, *FAMILIES], 1, 0.5)
    hint = f"did you mean {near[0]}? envdoctor rules lists all" if near else "envdoctor rules lists the rules"
    return UsageError(f"unknown code '{shown}'{where}", hint)


def _longest(code: str, patterns: Iterable[str]) -> int:
    """Length of the longest pattern that matches `code`; 0 for ALL, -1 for none."""
    return max((0 if p == "ALL" else len(p) for p in patterns if p == "ALL" or code.startswith(p)), default=-1)


# ------------------------------------------------------------------------------------------------------ ignores, baseline


def live(ignores: Iterable[Ignore], today: date) -> tuple[tuple[Ignore, ...], tuple[str, ...]]:
    """Ignores that still apply on that day, and a note for each that has expired (an ignore holds on its last day)."""
    kept: list[Ignore] = []
    notes: list[str] = []
    for ignore in ignores:
        if ignore.expires is not None and ignore.expires < today:
            notes.append(f"{ignore}: expired on {ignore.expires.isoformat()}, applies no longer ({ignore.reason})")
        else:
            kept.append(ignore)
    return tuple(kept), tuple(notes)


def suppress(
    findings: Iterable[Finding], ignores: Sequence[Ignore], codes: Collection[str]
) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...], tuple[str, ...]]:
    """Findings without the ignored ones; those with their reason; a note for each ignore that matched nothing.

    `codes` are the rules that ran: an ignore of a rule that was not asked is not reported as unmatched.
    """
    from envdoctor.report import Suppressed

    kept: list[Finding] = []
    suppressed: list[Suppressed] = []
    used: set[int] = set()
    for finding in findings:
        hits = [index for index, ignore in enumerate(ignores) if ignore.matches(finding)]
        used.update(hits)
        if hits:
            ignore = ignores[hits[0]]
            expires = ignore.expires.isoformat() if ignore.expires else None
            suppressed.append(Suppressed(finding=finding, reason=ignore.reason, by="ignore", expires=expires))
        else:
            kept.append(finding)
    notes = tuple(
        f"{ignore}: matches no finding, can go ({ignore.reason})"
        for index, ignore in enumerate(ignores)
        if index not in used and (ignore.code in codes or ignore.code not in modules())
    )
    return tuple(kept), tuple(suppressed), notes
