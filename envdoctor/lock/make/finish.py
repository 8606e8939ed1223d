"""The last steps of every maker of Python locks: read back what was made, compare, check by the rules, write, tell."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from envdoctor.collect import files
from envdoctor.formats.text import guard, plural, safe
from envdoctor.lock import changes as differences
from envdoctor.lock import formats
from envdoctor.lock.document import public
from envdoctor.lock.make import places
from envdoctor.lock.make.options import MakeError, Options
from envdoctor.lock.model import Format, Lock, LockError, Manifest
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.finding import Finding
    from envdoctor.snapshot import Snapshot

MAX_LOCK = 64 << 20
CODES = ("LCK001", "LCK002", "LCK003", "LCK008", "LCK009", "LCK012")
"""Rules that a lock alone can be held against; the others ask what is installed."""
SHOWN = 60
"""Changes that are listed; `-v` lists all."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s\"'<>\\,\]\[(){}|]+")
_VARIABLES = re.compile(r"://\$\w+(?::\$\w+)?@")
"""Names of variables where credentials would be: what a lock may say instead of them."""
_USER = re.compile(r"(?<=://)([^/@\s?#]*)@")


class Trouble(NamedTuple):
    """A finding of the rules on the new lock, and the platforms on which it is one (empty: all that were asked about)."""

    finding: Finding
    platforms: tuple[str, ...] = ()


def old_text(options: Options, path: str) -> str | None:
    """The text of the lock that is there, None where there is none (or it is not to be looked at). Raises MakeError."""
    try:
        content = files.read(path, MAX_LOCK)
    except files.Unreadable as error:
        if error.missing or options.upgrade:
            return None
        raise MakeError(f"{shown(options, path)}: {error}") from None
    try:
        if content.cut:
            raise LockError(f"larger than {MAX_LOCK >> 20} MiB")
        return content.data.decode("utf-8")
    except (UnicodeDecodeError, LockError) as error:
        if options.upgrade:
            return None
        words = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise MakeError(f"{shown(options, path)}: {words}", "--upgrade makes it as if there was none") from None


def old_lock(options: Options, path: str, text: str | None, format: Format) -> Lock | None:  # noqa: A002 - the word for it
    """The lock that is there. Raises MakeError with the place where it cannot be read."""
    if text is None:
        return None
    try:
        return formats.read(text.encode(), os.path.basename(path), format)
    except LockError as error:
        if options.upgrade:
            return None
        line = f":{error.line}" if error.line else ""
        hint = "--upgrade makes it as if there was none; nothing has been changed"
        raise MakeError(f"{shown(options, path)}{line}: {error.placed}", hint) from None


def finish(
    options: Options,
    *,
    path: str,
    text: str,
    format: Format,  # noqa: A002
    old: Lock | None,
    previous: str | None,
    platforms: Sequence[str] = (),
    python: str | None = None,
    manifests: Sequence[Manifest] = (),
    notes: Iterable[str] = (),
    incomplete: Iterable[str] = (),
    done: bool = False,
    facts: Snapshot | None = None,
) -> int:
    """Reads `text` back, shows what it changes, writes it to `path` (not with ``dry_run``) and checks it by the rules.

    `old` and `previous` are the lock that is there, and its text. `notes` are lines for the person. `incomplete` names what
    should be in the lock and cannot be. `done`: the file has been written by the tool that owns it. `facts`: the
    environment that was frozen, which the lock has to match. Returns 0, or 1 where a
    rule finds an error or the lock is incomplete. Raises MakeError where what was made is no lock: then nothing is written.
    """
    incomplete = tuple(incomplete)
    leaks = [url for url in _URL.findall(text) if stripped(url) != url and not _VARIABLES.search(url)]
    if leaks:
        raise MakeError(f"credentials would be in the lock: {public(leaks[0])}", "please report this; nothing was written")
    name = os.path.basename(path)
    try:
        new = formats.read(text.encode(), name, format)
    except LockError as error:
        line = f", line {error.line}" if error.line else ""
        raise MakeError(f"what was made is no {format}{line}: {error}", "please report this; nothing was written") from None
    changes = differences.compare(old, new)
    unchanged = previous == text
    if not (options.dry_run or unchanged or done):
        options.write(path, text)
    if facts is not None:
        troubles = check_frozen(new, facts, complete=not incomplete)
    else:
        if not options.dry_run:
            new, manifests = _read_back(options, path, new, manifests)
        troubles = check(new, platforms, python, manifests, options)
    failed = bool(incomplete) or any(one.finding.severity == "error" for one in troubles)
    if options.json:
        document = {
            "schema_version": 1,
            "lock": shown(options, path),
            "format": format,
            "written": not options.dry_run and not unchanged,
            "dry_run": options.dry_run,
            "platforms": list(platforms),
            **as_document(changes),
            "notes": [*notes],
            "not_locked": [*incomplete],
            "findings": [_finding(one) for one in troubles],
        }
        options.show(json.dumps(document, indent=2) + "\n")
        return 1 if failed else 0
    show(options, path, changes, new=old is None, unchanged=unchanged)
    for line in notes if options.verbosity >= 0 else ():
        options.tell(guard(safe(f"note: {line}")))
    for line in incomplete:
        options.tell(guard(safe(f"not locked: {line}")))
    for trouble in troubles:
        where = f" ({', '.join(trouble.platforms)})" if trouble.platforms else ""
        options.tell(guard(safe(f"{trouble.finding.severity}: {trouble.finding.code} {trouble.finding.message}{where}")))
    return 1 if failed else 0


def _read_back(options: Options, path: str, new: Lock, manifests: Sequence[Manifest]) -> tuple[Lock, Sequence[Manifest]]:
    """The lock as ``check`` reads it from the project, beside its manifests: so it is known whether it is fresh."""
    from envdoctor.collect import locks
    from envdoctor.collect.scene import Scene
    from envdoctor.snapshot import Target

    folder = os.path.dirname(path)
    root = options.project if options.project and f"{path}/".startswith(f"{options.project.rstrip('/')}/") else folder
    target = Target(prefix=root, kind="unknown", chosen_by="a lockfile")
    scene = Scene(target=target, prefix=root, environ=options.environ, cwd=options.cwd, project_root=root, probe=False)
    found = locks.collect(scene, (path,))
    read = next((one for one in found.locks if one.error is None), new)
    return read, manifests or found.manifests


def show(options: Options, path: str, changes: differences.Changes, *, new: bool, unchanged: bool) -> None:
    """The summary of what changed, on stdout."""
    name = shown(options, path)
    places_ = f" for {', '.join(changes.platforms)}" if changes.platforms else ""
    if unchanged:
        head = f"{name} is up to date: {plural(changes.total, 'package')}{places_}"
    elif new:
        verb = "would hold" if options.dry_run else "written:"
        head = f"{name} {verb} {plural(changes.total, 'package')}{places_}"
    else:
        verb = "would change" if options.dry_run else "written"
        head = f"{name} {verb}: {differences.counts(changes)}; {plural(changes.total, 'package')}{places_}"
    lines = [head]
    if not (new and not options.dry_run and options.verbosity < 1):
        lines += [f"  {line}" for line in differences.lines(changes, None if options.verbosity > 0 else SHOWN)]
    if options.verbosity >= 0 or options.dry_run:
        options.show(guard("\n".join(safe(line) for line in lines)) + "\n")


def as_document(changes: differences.Changes) -> dict[str, object]:
    """Changes as JSON has them: all fields there, in a fixed order."""
    return {
        "changes": [
            {
                "kind": one.kind,
                "manager": one.manager,
                "name": one.name,
                "before": one.before,
                "after": one.after,
                "platforms": list(one.platforms),
                "detail": one.detail or None,
            }
            for one in changes.changes
        ],
        "added_platforms": [one for one, _ in changes.added_platforms],
        "removed_platforms": [one for one, _ in changes.removed_platforms],
        "counts": {kind: sum(1 for one in changes.changes if one.kind == kind) for kind in differences.KINDS},
        "packages": changes.total,
        "same": changes.same,
    }


def _finding(trouble: Trouble) -> dict[str, object]:
    finding = trouble.finding
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "evidence": list(finding.evidence),
        "platforms": list(trouble.platforms),
    }


# --------------------------------------------------------------------------------------------------------------- the rules


def check(
    lock: Lock, platforms: Sequence[str], python: str | None, manifests: Sequence[Manifest], options: Options
) -> tuple[Trouble, ...]:
    """What the rules say of `lock` on each platform, as if there stood a machine with Python `python`."""
    from envdoctor.diagnose import judge
    from envdoctor.rules import modules
    from envdoctor.select import Selection

    codes = [code for code in CODES if code in modules()]
    if not codes:
        return ()
    found: dict[tuple[str, str], tuple[Finding, list[str]]] = {}
    asked = [one for one in platforms if places.system_of(one) is not None] or ["linux-64"]
    own = places.subdir(options.machine) if options.machine is not None else None
    for platform in asked:
        facts = places.machine_of(platform, python or "3.12")
        facts = msgspec.structs.replace(facts, locks=(_only(lock, platform),), manifests=tuple(manifests))
        machine = options.machine if platform == own else None
        for finding in judge(facts, Selection.of(",".join(codes)), machine=machine).findings:
            if finding.severity != "info":
                found.setdefault((finding.fingerprint, finding.message), (finding, []))[1].append(platform)
    return tuple(
        Trouble(finding, () if len(where) == len(asked) else tuple(where))
        for finding, where in sorted(found.values(), key=lambda item: (item[0].sort_key, item[1]))
    )


def _only(lock: Lock, platform: str) -> Lock:
    """A lock whose entries are each for one platform, with that platform's alone: the others are judged in their turn."""
    if lock.format != "conda-lock" or platform not in lock.platforms:
        return lock
    kept = tuple([one for one in lock.packages if any(place[1] == platform for place in one.places)])
    return msgspec.structs.replace(lock, packages=kept)


def check_frozen(lock: Lock, facts: Snapshot, *, complete: bool) -> tuple[Trouble, ...]:
    """What the rules say of a lock of what is installed, beside that very environment: nothing, if it is true."""
    from envdoctor.diagnose import judge
    from envdoctor.rules import modules
    from envdoctor.select import Selection

    wanted = (*CODES, "LCK004", "LCK005", "LCK007", *(("LCK006",) if complete else ()))
    codes = [code for code in wanted if code in modules()]
    if not codes:
        return ()
    found = judge(msgspec.structs.replace(facts, locks=(lock,), manifests=()), Selection.of(",".join(codes))).findings
    return tuple(Trouble(one) for one in found if one.severity != "info")


# ------------------------------------------------------------------------------------------------------------- credentials


def stripped(url: str) -> str:
    """A URL without passwords, tokens and secret parameters; the user of ssh stays, as it is no secret and is needed."""
    scheme, _, rest = url.partition("://")
    if "ssh" in scheme:
        return f"{scheme}://" + re.sub(r"^([^/@:]*):[^/@]*@", r"\1@", rest)
    return public(url.replace("/t/", "/t\0/")).replace("/t\0/", "/t/")


def without_credentials(text: str) -> tuple[str, tuple[str, ...]]:
    """`text` with every URL stripped, and the hosts whose URLs held credentials, sorted."""
    hosts = set()

    def clean(match: re.Match[str]) -> str:
        url = match[0]
        bare = stripped(url)
        if bare != url:
            hosts.add(_USER.sub("", bare).partition("://")[2].partition("/")[0])
        return bare

    return _URL.sub(clean, text), tuple(sorted(hosts))


def shown(options: Options, path: str) -> str:
    """A path as a person would write it: relative where it lies below the working directory."""
    relative = os.path.relpath(path, options.cwd)
    return path if relative.startswith("..") else relative
