"""From an error message to the rules that know it. Pure.

A rule lists what programs say where its defect bites (``Rule.messages``), each a part of a line with ``{word}`` for what
varies. What stands in those places (the module, the library) tells afterwards which of the rules' findings are meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from envdoctor.finding import Finding
from envdoctor.rules.base import Rule
from envdoctor.snapshot import Snapshot
from envdoctor.tuples import NamedTuple

MOST_LINES = 5_000
"""Lines of a text that are looked at: the last ones, where an error stands."""
LONGEST = 2_000
"""Characters of a line that are looked at."""
_FIELD = re.compile(r"\{(\w+)\}")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_NARROW = {
    "module": r"[\w.]+?",
    "library": r"[^\s:'\"]+?",
    "symbol": r"[^\s,:'\"]+",
    "distribution": r"[\w~-][\w.-]*",
    "version": r"[^\s,'\")]+",
}
"""What may stand in the place of some names; of any other everything."""
_PREFIX = re.compile(r"File \"(?P<prefix>/[^\"]+?)/lib(?:64)?/(?:python|pypy)3\.\d+/")


class Match(NamedTuple):
    """A line that a rule knows."""

    code: str
    line: str
    """As it was given, without escape sequences."""
    message: str
    """The rule's words for it."""
    words: tuple[str, ...]
    """What stands in the places that vary."""


def matches(text: str, rules: Iterable[Rule]) -> list[Match]:
    """What the rules know of `text`, in the order of its lines; each rule and line once."""
    lines = [" ".join(_ESCAPES.sub("", line).split())[:LONGEST] for line in text.splitlines()[-MOST_LINES:]]
    unique = [line for line in dict.fromkeys(lines) if line]
    patterns = [(rule.code, message, *pattern(message)) for rule in rules for message in rule.messages]
    found: list[Match] = []
    for line in unique:
        seen: set[str] = set()
        for code, message, anchor, regex in patterns:
            if code in seen or anchor not in line:
                continue
            hit = regex.search(line)
            if hit is not None:
                seen.add(code)
                found.append(Match(code, line, message, tuple(word.strip("'\"`.") for word in hit.groups() if word)))
    return found


@lru_cache(maxsize=4096)
def pattern(message: str) -> tuple[str, re.Pattern[str]]:
    """Its longest fixed part, and the expression for a rule's message: ``{word}`` stands for text within one line."""
    parts = _FIELD.split(message)
    made = [re.escape(part) if number % 2 == 0 else f"({_NARROW.get(part, '.{1,300}?')})" for number, part in enumerate(parts)]
    end = "" if parts[-1] else r"(?=$|[\s,;:'\")\]])"
    return max(parts[::2], key=len), re.compile("".join(made) + end)


def about(finding: Finding, found: Iterable[Match]) -> bool:
    """`finding` names something that stands in a text (the module that is not found, the library that is not there), or its
    rule knows a message of the text in which nothing varies."""
    subjects = [f"{subject.name} {subject.path or ''}" for subject in finding.subjects]
    said = " ".join([finding.message, *finding.evidence, *subjects]).lower()
    plain = re.sub(r"[-_.]+", "-", said)
    for match in found:
        if match.code == finding.code and not match.words:
            return True
        for word in match.words:
            for candidate in {word, word.partition(".")[0], word.rpartition("/")[2]}:
                name = candidate.lower()
                if len(name) >= 2 and (_holds(said, name) or _holds(plain, re.sub(r"[-_.]+", "-", name))):
                    return True
    return False


def _holds(text: str, word: str) -> bool:
    """`word` stands in `text`, not as a part of a longer word."""
    return re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", text) is not None


def prefixes(text: str) -> list[str]:
    """Environments whose files a traceback names, the most often named first."""
    counts: dict[str, int] = {}
    for match in _PREFIX.finditer(text):
        counts[match["prefix"]] = counts.get(match["prefix"], 0) + 1
    return sorted(counts, key=lambda prefix: -counts[prefix])


def notes(snapshot: Snapshot, found: Iterable[Match]) -> list[str]:
    """What the facts say of modules that were not found, for a person."""
    present = {name for dist in snapshot.distributions for name in dist.import_names}
    present |= {entry.name.partition(".")[0] for site in snapshot.sites for entry in site.entries}
    present |= set(snapshot.interpreter.stdlib_modules)
    absent = dict.fromkeys(
        match.words[0].partition(".")[0]
        for match in found
        if match.words and match.message.startswith("No module named '{module}'")
    )
    return [f"no installed distribution has a module '{name}'" for name in absent if name not in present]
