"""A difference as text, markdown and JSON. Pure."""

from __future__ import annotations

from typing import Any

from envdoctor import __version__
from envdoctor.difference import Difference, Side
from envdoctor.formats.json import dump
from envdoctor.formats.markdown import escape
from envdoctor.formats.terminal import Look
from envdoctor.formats.text import guard, plural, safe, to_ascii
from envdoctor.lock.changes import KINDS, Changes, counts, lines

_COLOURS = {"added": "32", "removed": "31", "down": "33"}
_MARKS = {"added": "+", "removed": "-", "up": "↑", "down": "↓", "other": "≠", "rebuilt": "≠", "moved": "≠"}


def terminal(found: Difference, look: Look) -> str:
    """Both sides, every fact and package that differs, and the counts."""
    if look.verbosity < 0:
        return guard(summary(found)) + "\n"
    rows: list[str] = []
    for letter, side in (("A", found.a), ("B", found.b)):
        rows.append(f"{letter}  {safe(side.name)} · {safe(' · '.join(side.about))}")
    rows.append("")
    counted = [fact for fact in found.facts if fact.counts]
    told = [fact for fact in found.facts if not fact.counts]
    width = max((len(fact.name) for fact in counted), default=0)
    for fact in counted:
        rows.append(f"{fact.name:<{width}}  {safe(fact.before or 'not told')} → {safe(fact.after or 'not told')}")
    if counted:
        rows.append("")
    for line in lines(found.changes):
        word = line.split(" ", 1)[0]
        rows.append(_coloured(safe(line).replace(" -> ", " → "), _COLOURS.get(word, ""), look))
    if found.changes:
        rows.append("")
    rows.append(summary(found))
    if told:
        rows.append("besides: " + "; ".join(f"{one.name} {safe(one.before or '')} → {safe(one.after or '')}" for one in told))
    rows += [f"note: {safe(note)}" for note in found.notes]
    text = guard("\n".join(rows)) + "\n"
    return to_ascii(text) if look.ascii else text


def _coloured(text: str, code: str, look: Look) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if look.color and code else text


def summary(found: Difference) -> str:
    """One line: what differs, what is the same."""
    facts = sum(fact.counts for fact in found.facts)
    parts = [plural(facts, "fact")] if facts else []
    if found.changes:
        parts.append(counts(found.changes))
    same = plural(found.changes.same, "package")
    if not parts:
        return f"no differences: {same} the same"
    return f"{', '.join(parts)}; {same} the same"


def markdown(found: Difference, limit: int = 60_000) -> str:
    """For a pull request's comment: the counts, and a table; at most about `limit` characters."""
    head = [f"## {'≠' if found else '='} {summary(found)}", ""]
    for letter, side in (("A", found.a), ("B", found.b)):
        head.append(f"- **{letter}**: {escape(side.name)} ({escape(', '.join(side.about))})")
    head.append("")
    rows = []
    for fact in found.facts:
        rows.append(f"| | {escape(fact.name)} | {escape(fact.before or '')} | {escape(fact.after or '')} | |")
    for one in found.changes.changes:
        name = f"{escape(one.name)}{' (pip)' if one.manager == 'pypi' and _mixed(found.changes) else ''}"
        notes = escape("; ".join(part for part in (one.detail, ", ".join(one.platforms)) if part))
        mark = f"{_MARKS[one.kind]} {one.kind if one.kind != 'other' else 'changed'}"
        rows.append(f"| {mark} | {name} | {escape(one.before or '')} | {escape(one.after or '')} | {notes} |")
    for verb, places in (("added", found.changes.added_platforms), ("removed", found.changes.removed_platforms)):
        for platform, number in places:
            rows.append(f"| {_MARKS[verb]} {verb} | platform {escape(platform)} | | | {plural(number, 'package')} |")
    left = limit - sum(map(len, head))
    kept = []
    for number, row in enumerate(rows):
        if len(row) + 1 > left:
            kept += ["", f"… and {plural(len(rows) - number, 'row')} more, too many for one comment"]
            break
        left -= len(row) + 1
        kept.append(row)
    if rows:
        head += ["| | | A | B | |", "| --- | --- | --- | --- | --- |"]
    notes_ = ["", *(f"- {escape(note)}" for note in found.notes)] if found.notes else []
    return guard("\n".join([*head, *kept, *notes_]).rstrip()) + "\n"


def _mixed(changes: Changes) -> bool:
    return any(one.manager == "conda" for one in changes.changes)


def document(found: Difference) -> dict[str, Any]:
    """As plain values, all fields there, in a fixed order."""
    changes = found.changes
    return {
        "schema_version": 1,
        "tool": {"name": "envdoctor", "version": __version__},
        "a": _side(found.a),
        "b": _side(found.b),
        "same": not found,
        "facts": [{"name": fact.name, "a": fact.before, "b": fact.after, "counts": fact.counts} for fact in found.facts],
        "changes": [
            {
                "kind": one.kind,
                "manager": one.manager,
                "name": one.name,
                "a": one.before,
                "b": one.after,
                "platforms": list(one.platforms),
                "detail": one.detail or None,
            }
            for one in changes.changes
        ],
        "platforms": list(changes.platforms),
        "added_platforms": [one for one, _ in changes.added_platforms],
        "removed_platforms": [one for one, _ in changes.removed_platforms],
        "summary": {
            **{kind: sum(1 for one in changes.changes if one.kind == kind) for kind in KINDS},
            "same": changes.same,
            "exit_code": int(bool(found)),
        },
        "notes": list(found.notes),
    }


def _side(side: Side) -> dict[str, Any]:
    return {"kind": side.kind, "name": side.name, "about": list(side.about)}


def json(found: Difference) -> str:
    """The JSON document."""
    return dump(document(found))
