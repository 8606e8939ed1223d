"""From options and settings to a report: what ``check`` and ``fix`` have in common."""

from __future__ import annotations

import os
import sys
import time
from datetime import date
from typing import TYPE_CHECKING, Any

from envdoctor import config
from envdoctor.collect import files
from envdoctor.select import Selection, UsageError, live

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envdoctor.answers import Answers
    from envdoctor.cli.progress import Progress
    from envdoctor.collect import Collected, Reading
    from envdoctor.diagnose import Request
    from envdoctor.report import FailOn, Report
    from envdoctor.select import Ignore
    from envdoctor.share import Cleaner
    from envdoctor.snapshot import Machine, Snapshot

STARTED = time.perf_counter()
MAX_HEAD = 1 << 20
"""Bytes of a file that tell whether it is a lockfile."""
LOCKS_HINT = (
    "known are uv.lock, pylock.toml, poetry.lock, pdm.lock, Pipfile.lock, requirements files, conda-lock.yml, pixi.lock "
    "and @EXPLICIT"
)
MAX_DOCUMENT = 256 << 20
"""Bytes of a snapshot or baseline that are read."""
_kept: list[object] = []
"""What a command has read, to the end of its process: taking it apart object by object would be work for nothing."""


class Session:
    """The options of one command; those that are None or empty are asked of the settings."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        named = options.get("project")
        self.project: str | None = config.project_folder(named) if named is not None else None
        self.settings: config.Settings = config.load(self.project, _cwd())
        self.for_gpu = False
        """The machine that is judged for has a GPU."""
        self.codes: list[str] = []
        """The rules that will be asked, where any will be."""
        self.reading: Reading | None = None
        """What has been read, where not everything was."""

    def value(self, name: str) -> Any:
        """An option, else the setting of its name; None where neither says anything."""
        given = self.options.get(name)
        return getattr(self.settings, name, None) if given is None or given == () else given

    @property
    def verbosity(self) -> int:
        """-1 quiet, 0, 1 verbose; an option beats the other one's setting."""
        if self.options.get("quiet") or self.options.get("verbose"):
            return int(bool(self.options.get("verbose"))) - int(bool(self.options.get("quiet")))
        return int(bool(self.settings.verbose)) - int(bool(self.settings.quiet))

    def selection(self) -> Selection:
        """The rules to run. Raises UsageError."""
        origins = {
            key: place
            for key, place in self.settings.origins.items()
            if key in ("select", "ignore", "extend-select") and not self.options.get(key.replace("-", "_"))
        }
        return Selection.of(self.value("select"), self.value("ignore"), self.value("extend_select"), origins=origins)

    def observe(self, *, all_libraries: bool = False, for_gpu: bool = False) -> Collected:
        """The facts about the target; with `all_libraries` those of everything on the machine, `for_gpu` with those that matter
        where a GPU is. Raises TargetError."""
        from envdoctor.diagnose import observe

        progress = self._progress()
        with progress:
            return observe(self._request(progress, all_libraries=all_libraries, for_gpu=for_gpu))

    def _progress(self) -> Progress:
        from envdoctor.cli.progress import Progress

        return Progress("envdoctor: reading the environment", quiet=self.verbosity < 0)

    def _request(self, progress: Progress, *, all_libraries: bool = False, for_gpu: bool = False) -> Request:
        from envdoctor.diagnose import Request

        return Request(
            target=self.options.get("target"),
            python=self.options.get("python"),
            prefix=self.options.get("prefix"),
            name=self.options.get("name"),
            cwd=_cwd(),
            project=self.project,
            deep=bool(self.value("deep")),
            use_cache=not self.value("no_cache"),
            all_libraries=all_libraries,
            for_gpu=for_gpu,
            locks=tuple(self.value("lock") or ()),
            progress=progress.say,
            meanwhile=self._prepare if self.codes else None,
        )

    def _prepare(self) -> None:
        from envdoctor.rules import prepare

        prepare(self.codes)

    def facts(self) -> Collected:
        """The facts from where the options say: a snapshot, or the target itself."""
        file = self.options.get("snapshot")
        if file is None:
            return self.observe(for_gpu=self.for_gpu)
        from envdoctor.collect import Collected

        for name in ("target", "python", "prefix", "name"):
            if self.options.get(name) is not None:
                option = "TARGET" if name == "target" else f"--{name}"
                raise UsageError(f"--snapshot and {option} name two different things to judge", "give one of them")
        return Collected(self._with_locks(read_snapshot(file)), (), {})

    def _with_locks(self, snapshot: Snapshot) -> Snapshot:
        """The facts of a snapshot with the lockfiles that ``--lock`` names instead of its own."""
        named = tuple(os.path.abspath(lock) for lock in self.value("lock") or ())
        if not named:
            return snapshot
        import msgspec

        from envdoctor.collect import locks
        from envdoctor.collect.scene import Scene

        scene = Scene(target=snapshot.target, prefix=snapshot.target.prefix, project_root=self.project)
        return msgspec.structs.replace(snapshot, locks=locks.collect(scene, named).locks)

    def report(self, *, all_facts: bool = True) -> Report:
        """The report, before any baseline. Without `all_facts` only those are read that the selected rules ask for, where the
        options let that be, and :meth:`complete` reads what a format asks for besides."""
        import msgspec

        from envdoctor.diagnose import judge

        selection = self.selection()
        self.codes = selection.codes()
        machine, notes = self.machine(), self.notes(selection)
        assumed = self._assumed(machine)
        standing, expired = live(self.settings.ignores, date.today())
        fail_on: FailOn = self.value("fail_on") or "error"
        of_this = machine is None and assumed is None and self.options.get("snapshot") is None
        if of_this and not all_facts and not self.options.get("share") and not selection.everything:
            return self._examined(selection, standing, fail_on, (*notes, *expired))
        self.for_gpu = any(one is not None and one.gpus for one in (assumed, machine))
        collected = self.facts()
        if assumed is not None:
            machine = self._assumed(machine, collected.snapshot.machine)
        _kept.append(collected)
        known = None
        if collected.memory is not None:
            from envdoctor.answers import recalled

            known = recalled(collected.memory, collected.snapshot, machine)
        report = judge(
            collected.snapshot,
            selection,
            machine=machine,
            ignores=standing,
            fail_on=fail_on,
            checks=collected.checks,
            notes=(*notes, *expired),
            timings=collected.timings,
            known=known,
        )
        if known is not None:
            known.keep()
        changes = self._changes(report, known)
        if machine is None and self.options.get("snapshot") is not None:
            changes["machine"] = msgspec.structs.replace(report.machine, source=_text(self.options["snapshot"]))
        found = msgspec.structs.replace(report, **changes)
        return self.cleaner(collected.snapshot).struct(found) if self.options.get("share") else found

    def _examined(self, selection: Selection, ignores: Sequence[Ignore], fail_on: FailOn, notes: tuple[str, ...]) -> Report:
        """The report of the selected rules, from what they ask for."""
        import msgspec

        from envdoctor.diagnose import begin, examine

        progress = self._progress()
        with progress:
            reading = self.reading = begin(self._request(progress))
            _kept.append(reading)
            known = None
            if reading.memory is not None:
                from envdoctor.answers import recalled_for

                known = recalled_for(reading.memory, reading, selection.codes())
            report = examine(reading, selection, ignores=ignores, fail_on=fail_on, notes=notes, known=known)
        if known is not None:
            known.keep(reading)
        return msgspec.structs.replace(report, **self._changes(report, known))

    def _changes(self, report: Report, known: Answers | None) -> dict[str, Any]:
        """What the command knows besides: the whole time, and notes."""
        notes = list(report.notes)
        if known is not None and known.memory.problem is not None and self.verbosity > 0:
            notes.append(f"nothing is kept for the next run: the cache folder {known.memory.problem}")
        if self.options.get("snapshot") is None and (killed := self.killed(report.snapshot.target.prefix)) is not None:
            notes.append(killed)
        return {"timings": {**report.timings, "total": time.perf_counter() - STARTED}, "notes": tuple(notes)}

    def complete(self, report: Report, render: Callable[[Report], str]) -> tuple[Report, str]:
        """What `render` makes of the report; with it the report, with the facts that it asked for."""
        import msgspec

        from envdoctor.partial import NotRead

        while True:
            try:
                return report, render(report)
            except NotRead as missing:
                assert self.reading is not None
                self.reading.more((missing.part,))
                self.reading.keep()
                found = self.reading.collected()
                own = {check for check in report.checks if check.outcome == "crashed"}
                checks = (*report.checks, *(check for check in found.checks if check not in own))
                report = msgspec.structs.replace(
                    report,
                    snapshot=found.snapshot,
                    machine=found.snapshot.machine,
                    checks=tuple(sorted(checks, key=lambda c: c.code)),
                )

    @staticmethod
    def cleaner(snapshot: Snapshot | None = None) -> Cleaner:
        """What takes names of people and machines out, for ``--share``: of this user and machine, and of a snapshot's."""
        import socket

        from envdoctor.share import cleaner

        variables = [dict(os.environ), *([snapshot.shell.variables] if snapshot is not None else [])]
        return cleaner(variables, (os.path.expanduser("~"),), (socket.gethostname(),))

    def killed(self, prefix: str) -> str | None:
        """What the person should know of a fix of that environment that is not over."""
        parent, name = os.path.split(os.path.realpath(prefix))
        if not os.path.isdir(f"{parent}/.{name.lstrip('.')}.envdoctor-fix"):
            return None
        from envdoctor.formats.text import command_line

        back = command_line(("envdoctor", "fix", "--restore", "-p", os.path.realpath(prefix)))
        return f"a fix of this environment is at work or was killed: {back} brings back what was there before"

    def machine(self) -> Machine | None:
        """The machine that ``--machine`` names, None for the facts' own."""
        file = self.value("machine")
        return None if file is None else read_machine(file)

    def _assumed(self, machine: Machine | None, own: Machine | None = None) -> Machine | None:
        """The machine with what ``--assume`` says; that of ``--machine``, else the facts' `own`; None for no such option."""
        texts = self.options.get("assume") or ()
        if not texts:
            return None
        import msgspec

        from envdoctor.assume import assume
        from envdoctor.snapshot import Machine

        found = assume(machine or own or Machine(), texts)
        if machine is None and found.libc == (own or found).libc:
            found = msgspec.structs.replace(found, all_libraries=True)  # what the target asks for was read here
        return found

    def notes(self, selection: Selection) -> list[str]:
        """What the person should know about the options."""
        notes = list(self.settings.notes)
        for lock in self.value("lock") or ():
            if not files.exists(lock):
                raise UsageError(f"--lock {lock}: no such file")
            if not is_lock(lock):
                raise UsageError(f"--lock {_text(lock)}: no lockfile of a known format", LOCKS_HINT)
        if not selection.codes():
            notes.append("--select and --ignore leave no rule to run: nothing was checked")
        return notes


def is_lock(file: str) -> bool:
    """The file can be a lockfile: its name says so, or what it begins with."""
    from envdoctor.lock.formats import format_of

    try:
        data = files.read(file, MAX_HEAD).data
    except files.Unreadable:
        return False
    return format_of(os.path.basename(file), data, named=True) is not None


def read_snapshot(file: str) -> Snapshot:
    """The snapshot in a file, or from stdin for ``-``. Raises UsageError and SnapshotError."""
    from envdoctor.snapshot import SnapshotError, from_json

    data = read_bytes(file, "--snapshot")
    try:
        snapshot = from_json(data)
        try:
            date.fromisoformat(snapshot.date)
        except ValueError:
            raise SnapshotError("no snapshot: its date is none") from None
    except SnapshotError as error:
        raise UsageError(f"{_text(file)}: {error}", "envdoctor snapshot --output FILE makes one") from None
    return snapshot


def read_machine(file: str) -> Machine:
    """The machine of a snapshot, or of a document with nothing but a machine. Its source is the file's name."""
    import msgspec

    from envdoctor.snapshot import SCHEMA_VERSION, Machine, SnapshotError, from_json

    data = read_bytes(file, "--machine")
    hint = "envdoctor snapshot --output FILE, run on that machine, makes one"
    try:
        raw = msgspec.json.decode(data)
        if not isinstance(raw, dict):
            raise SnapshotError("no snapshot: expected an object")
        if "target" in raw:
            machine = from_json(data).machine
        elif isinstance(raw.get("machine"), dict):
            version = msgspec.convert(raw.get("schema_version", SCHEMA_VERSION), int)
            if version > SCHEMA_VERSION:
                raise SnapshotError(f"snapshot of schema {version}; this envdoctor reads up to {SCHEMA_VERSION}")
            machine = msgspec.convert(raw["machine"], Machine)
        elif isinstance(raw.get("machine"), str):
            machine = msgspec.convert(raw, Machine)
        else:
            raise SnapshotError("no snapshot: it has no machine")
    except SnapshotError as error:
        raise UsageError(f"{_text(file)}: {error}", hint) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{_text(file)}: no snapshot: {error}", hint) from None
    return msgspec.structs.replace(machine, source=_text(file))


def read_bytes(file: str, option: str) -> bytes:
    """A whole file, or stdin for ``-``. Raises UsageError."""
    if file == "-":
        return sys.stdin.buffer.read(MAX_DOCUMENT)
    try:
        content = files.read(file, MAX_DOCUMENT)
    except files.Unreadable as error:
        raise UsageError(f"{option} {file}: {'no such file' if error.missing else error}") from None
    if content.cut:
        raise UsageError(f"{option} {file}: larger than {MAX_DOCUMENT >> 20} MiB")
    return content.data


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _text(path: str) -> str:
    from envdoctor.snapshot import text

    return text(path)
