"""conda-meta/history, pinned and their neighbours: what users asked for, and which transactions came to an end.

Format of history: https://docs.conda.io/projects/conda/en/stable/dev-guide/api/conda/history/index.html. conda writes specs as a
Python list, micromamba as JSON, conda before 4.4 with commas between them.
"""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Collection

from envdoctor.collect import files as fs
from envdoctor.lazy import pattern
from envdoctor.snapshot import CondaHistory, CondaPin, text
from envdoctor.tuples import NamedTuple

LIMIT = 32 << 20
"""Bytes of a history: conda never shortens it."""
MAX_PROBLEMS = 50
"""Lines that are neither packages nor comments, after which a file is no history."""
MAX_SPECS = 1 << 20
"""Characters of one list of specs."""
KEPT = 200
"""Entries kept of each kind."""
_SPECS = pattern(r"#\s*(\w+)\s+specs:\s*(.*)")
_NAME = pattern(r"^(?:[^\[\]]*::)?\s*([A-Za-z0-9_.\-]+)")


class _Revision(NamedTuple):
    date: str
    changes: list[str]
    command: str | None = None
    tool: str | None = None


def read(path: str, installed: Collection[str]) -> CondaHistory | None:
    """The history, against the ``name-version-build`` that have records. None where there is no file."""
    try:
        content = fs.read(path, LIMIT)
    except fs.Unreadable as error:
        return None if error.missing else CondaHistory(problems=(str(error),))
    return parse(content.data.decode("utf-8", "surrogateescape"), installed)


def parse(written: str, installed: Collection[str]) -> CondaHistory:
    """The same for the text of a history."""
    revisions: list[_Revision] = []
    requested: dict[str, str] = {}
    problems: list[str] = []
    tools: dict[str, None] = {}
    for number, line in enumerate(io.StringIO(written, newline=None), 1):
        line = line.strip()
        if not line:
            continue
        if len(problems) >= MAX_PROBLEMS:
            break
        if line.startswith("==>"):
            revisions.append(_Revision(line.strip("=<> "), []))
        elif line.startswith("#"):
            _comment(line, number, revisions, requested, tools, problems)
        elif "\0" in line or " " in line or len(line) > 4096:
            problems.append(f"line {number}: neither a package nor a comment")
        elif revisions:
            revisions[-1].changes.append(line)
        else:
            revisions.append(_Revision("", [line]))
    state = _replay(revisions)
    known = any(revision.changes for revision in revisions)
    last = revisions[-1] if revisions else None
    added = {dist(line[1:]) for line in last.changes if line[0] == "+"} if last else set()
    undone = [
        line
        for line in (last.changes if last else ())
        if (line[0] == "+" and dist(line[1:]) not in installed)
        or (line[0] == "-" and dist(line[1:]) in installed and dist(line[1:]) not in added)
    ]
    return CondaHistory(
        revisions=len(revisions),
        last_date=text(last.date)[:40] or None if last else None,
        last_command=text(last.command)[:1000] if last and last.command else None,
        tools=tuple(map(text, tools)),
        requested=tuple(text(spec) for _, spec in sorted(requested.items())),
        not_there=_kept(state.difference(installed)) if known else (),
        not_said=_kept(set(installed) - state) if known else (),
        unfinished=tuple(text(f"{line[0]}{dist(line[1:])}") for line in sorted(undone)[:KEPT]),
        problems=tuple(problems[:20]),
    )


def _kept(names: Collection[str]) -> tuple[str, ...]:
    return tuple(text(name) for name in sorted(names)[:KEPT])


def _comment(
    line: str,
    number: int,
    revisions: list[_Revision],
    requested: dict[str, str],
    tools: dict[str, None],
    problems: list[str],
) -> None:
    if line.startswith("# cmd:") and revisions:
        revisions[-1] = revisions[-1]._replace(command=line[6:].strip())
    elif line.startswith("# conda version:"):
        tools["conda " + line.partition(":")[2].strip()[:40]] = None
    elif match := _SPECS.match(line):
        specs = words(match[2])
        if specs is None:
            problems.append(f"line {number}: no list of specs")
            return
        for spec in specs:
            name = _NAME.match(spec)
            if name is None:
                continue
            if match[1] in ("remove", "uninstall"):
                requested.pop(name[1].lower(), None)
            else:
                requested[name[1].lower()] = spec


def words(written: str) -> list[str] | None:
    """The specs of a ``# … specs:`` line; None where they are no list."""
    written = written.strip()
    if len(written) > MAX_SPECS:
        return None
    if not written.startswith(("[", "(")):
        return [word.strip() for word in written.split(",") if word.strip()]
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        try:
            found = ast.literal_eval(written)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None
    if not isinstance(found, list | tuple) or not all(isinstance(word, str) for word in found):
        return None
    return list(found)


def dist(line: str) -> str:
    """``name-version-build`` of a line of a revision: ``channel/subdir::name-version-build``, maybe with a suffix."""
    return line.rpartition("::")[2].removesuffix(".tar.bz2").removesuffix(".conda").strip()


def _replay(revisions: list[_Revision]) -> set[str]:
    """What all revisions come to."""
    state: set[str] = set()
    for revision in revisions:
        if revision.changes and not any(line[0] in "+-" for line in revision.changes):
            state = {dist(line) for line in revision.changes}
            continue
        removed = {dist(line[1:]) for line in revision.changes if line[0] == "-"}
        state = (state - removed) | {dist(line[1:]) for line in revision.changes if line[0] == "+"}
    return state


def pins(path: str) -> tuple[CondaPin, ...]:
    """The specs of conda-meta/pinned."""
    try:
        written = fs.read_text(path)
    except fs.Unreadable:
        return ()
    lines = ((line.partition("#")[0].strip(), number) for number, line in enumerate(written.splitlines(), 1))
    return tuple(CondaPin(spec=text(spec)[:500], line=number) for spec, number in lines if spec)[:KEPT]
