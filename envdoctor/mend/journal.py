"""The journal of a fix: a folder beside the environment with its state as it was and what is being done. POSIX.

It appears under its name at once, whole and locked (``rename``), before anything of the target changes, and is gone when all is
well. Whoever finds one whose lock is free finds a fix that was killed: ``preparing`` (nothing was changed), ``applying`` or
``restoring`` (``envdoctor fix --restore`` brings the old state back), ``done`` (the new state stands). The lock is inherited by
the programs that a fix starts, so that one that outlives it is waited for, or ended by its process id, before anything is
brought back.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envdoctor.mend import backup
from envdoctor.mend.backup import Unable

STATES = ("preparing", "applying", "restoring", "done")
WAIT = 20.0
"""Seconds that a program of a killed fix is waited for."""


class Interrupted(Exception):
    """A fix of this target was killed before it was done."""


class Busy(Exception):
    """Another fix of this target is at work."""


def places(prefix: str, cache: str | None) -> list[str]:
    """Where the journal of a prefix may lie: beside it, else in the cache folder."""
    parent, name = os.path.split(prefix.rstrip("/"))
    found = [f"{parent}/.{name.lstrip('.')}.envdoctor-fix"]
    if cache is not None:
        found.append(f"{cache}/fix-{hashlib.sha256(os.fsencode(prefix)).hexdigest()[:16]}")
    return found


def find(prefix: str, cache: str | None) -> Journal | None:
    """The journal that is there, whatever its state; what killed fixes left beside it goes. Raises Busy where its fix is still
    at work."""
    for place in places(prefix, cache):
        _sweep(place)
        if os.path.isdir(place):
            return Journal.read(place, prefix, cache)
    return None


def sweep(prefix: str, cache: str | None) -> None:
    """Removes what killed fixes of a prefix left: journals that were being made, or being removed."""
    for place in places(prefix, cache):
        _sweep(place)


class Journal:
    """One fix of one target. Made by :meth:`begin` or :meth:`read`; holds its lock until :meth:`end`."""

    def __init__(self, folder: str, lock: int, facts: dict[str, Any], key: bytes | None = None) -> None:
        self.folder, self.lock, self.facts, self.key = folder, lock, facts, key
        self.begun = False
        """It was begun by this very process."""

    @property
    def state(self) -> str:
        """One of ``STATES``."""
        return str(self.facts["state"])

    # ------------------------------------------------------------------------------------------------------------ begin
    @classmethod
    def begin(cls, prefix: str, cache: str | None, facts: Mapping[str, Any]) -> Journal:
        """A new journal in the state ``preparing``. Raises Busy, Interrupted, Unable."""
        old = find(prefix, cache)
        if old is not None:
            if old.state in ("applying", "restoring"):
                old.release()
                raise Interrupted(prefix)
            old.end()
        wanted = places(prefix, cache)
        parent = os.path.dirname(wanted[0])
        place = wanted[0] if os.access(parent, os.W_OK) else wanted[-1]
        temporary = f"{place}.{os.getpid()}"
        try:
            os.makedirs(temporary, mode=0o700)
            lock = os.open(f"{temporary}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            _try_lock(lock)
            named = {**facts, "schema_version": 1, "prefix": prefix, "state": "preparing", "roots": [], "signature": ""}
            journal = cls(temporary, lock, named, _key(cache))
            journal.save()
            os.rename(temporary, place)
        except FileExistsError:
            raise Busy(prefix) from None
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if os.path.isdir(place):
                raise Busy(prefix) from None
            raise Unable(f"{error.filename or place}: {error.strerror or error}") from None
        journal.folder, journal.begun = place, True
        return journal

    @classmethod
    def read(cls, folder: str, prefix: str, cache: str | None) -> Journal:
        """The journal of `prefix` in a folder. Raises Busy where its fix is at work, Unable where it is none."""
        try:
            lock = os.open(f"{folder}/lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise Unable(f"{folder}: {error.strerror}") from None
        if not _try_lock(lock):
            try:
                if _alive(json.loads(Path(folder, "owner").read_text())):
                    raise Busy(folder)
                # the fix is dead, and what it had started is not
                pid = _started(folder)
                if pid is not None and _holds(pid, folder):
                    with contextlib.suppress(OSError):
                        os.killpg(pid, signal.SIGKILL)
                end = time.monotonic() + WAIT
                while not _try_lock(lock):
                    if time.monotonic() > end:
                        raise Busy(folder)
                    time.sleep(0.05)
            except (Busy, OSError, ValueError) as error:
                os.close(lock)
                raise error if isinstance(error, Busy) else Unable(f"{folder}: {error}") from None
        try:
            facts = json.loads(Path(folder, "journal.json").read_text("ascii"))
            roots = facts["roots"]
            if facts["state"] not in STATES or facts["prefix"] != prefix or not all(len(root) == 2 for root in roots):
                raise ValueError("no journal of this environment")
        except (OSError, ValueError, KeyError, TypeError) as error:
            os.close(lock)
            raise Unable(f"{folder}: {error}") from None
        return cls(folder, lock, facts, _key(cache))

    def keep(self, roots: Mapping[str, Sequence[str]]) -> int:
        """Keeps the state of these folders and files, without the names at their tops that are given with them; returns how
        many files that are. Raises Unable."""
        count = 0
        for number, (root, skip) in enumerate(roots.items()):
            entries = backup.keep(root, f"{self.folder}/{number}", skip)
            backup.write(entries, f"{self.folder}/{number}.json")
            self.facts["roots"].append([root, list(skip)])
            count += sum(1 for entry in entries if entry.kind in ("f", "h"))
        self.turn("applying", signature=self._signature())
        return count

    def _signature(self) -> str:
        """What shows that this user's envdoctor wrote which folders and files are to be brought back."""
        text = json.dumps([self.facts["prefix"], self.facts["roots"]]).encode()
        return hmac.new(self.key, text, hashlib.sha256).hexdigest() if self.key else ""

    @property
    def trusted(self) -> bool:
        """The journal is this user's own: it may touch what lies outside of the environment, too."""
        return self.begun or (bool(self.key) and hmac.compare_digest(self._signature(), str(self.facts.get("signature", ""))))

    def turn(self, state: str, **facts: Any) -> None:
        """Notes what is being done now."""
        self.facts.update(facts, state=state)
        self.save()

    def save(self) -> None:
        """Writes the journal, whole or not at all."""
        temporary = f"{self.folder}/journal.json.new"
        with open(temporary, "w", encoding="ascii") as stream:  # noqa: PTH123
            json.dump(self.facts, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        owner = f"{self.folder}/owner"
        if not os.path.exists(owner):
            Path(owner).write_text(json.dumps([os.getpid(), _birth(os.getpid())]))
        os.replace(temporary, f"{self.folder}/journal.json")

    # -------------------------------------------------------------------------------------------------------------- end
    def bring_back(self) -> list[str]:
        """Makes everything what it was; returns what could not be. Raises Unable."""
        self.turn("restoring")
        damaged: list[str] = []
        for number, (root, skip) in enumerate(self.facts["roots"]):
            if root != self.facts["prefix"] and not self.trusted:
                # a project that was just cloned may bring a journal: it must not choose what is written elsewhere
                damaged.append(root)
                continue
            entries = backup.read(f"{self.folder}/{number}.json")
            damaged += backup.bring_back(root, f"{self.folder}/{number}", entries, skip)
        if not damaged:
            self.end()
        return damaged

    def end(self) -> None:
        """Nothing more is needed of it: it goes away."""
        self.turn("done")
        away = f"{self.folder}.gone-{os.getpid()}"
        with contextlib.suppress(OSError):
            os.rename(self.folder, away)
            _delete(away)
        self.release()

    def release(self) -> None:
        """Lets go of the lock."""
        with contextlib.suppress(OSError):
            os.close(self.lock)

    # ------------------------------------------------------------------------------------------------------------- steps
    def run(self, argv: Sequence[str], environ: Mapping[str, str], cwd: str, output: int) -> int:
        """Runs a command to its end, its output to a descriptor; returns its exit code, 127 where it cannot be started.

        It has a process group of its own, noted before it starts; an interrupt ends the group.
        """
        import subprocess

        note = f"{self.folder}/started"
        start = 'echo $$ > "$0" && exec "$@"'
        os.set_inheritable(self.lock, True)
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", start, note, *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environ),
                cwd=cwd,
                start_new_session=True,
                pass_fds=(self.lock,),
            )
        except OSError:
            return 127
        try:
            return process.wait()
        except BaseException:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            raise
        finally:
            with contextlib.suppress(OSError):
                os.unlink(note)


def _key(cache: str | None) -> bytes | None:
    """A secret of this user, made when it is first needed; None where no folder can hold it."""
    if cache is None:
        return None
    path = Path(cache, "key")
    try:
        os.makedirs(cache, mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(os.urandom(32))
        data = path.read_bytes()
    except OSError:
        return None
    return data if len(data) == 32 else None


def _sweep(place: str) -> None:
    """Removes what fixes left that were killed while they tidied up, or before they had begun."""
    parent, name = os.path.split(place)
    for found in os.listdir(parent) if os.path.isdir(parent) else ():
        if found.startswith(f"{name}."):
            rest = found[len(name) + 1 :].removeprefix("gone-")
            if rest.isdigit() and not _alive([int(rest), _birth(int(rest))]):
                _delete(f"{parent}/{found}")


def _delete(folder: str) -> None:
    """A folder with all in it, whatever its permissions."""
    for path, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _try_lock(handle: int) -> bool:
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _started(folder: str) -> int | None:
    """The process that the fix had started last."""
    try:
        return int(Path(folder, "started").read_text())
    except (OSError, ValueError):
        return None


def _alive(owner: list[Any]) -> bool:
    """The process that made the journal is still there."""
    pid, birth = owner
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return bool(_birth(pid) == birth)


def _birth(pid: int) -> str:
    """What tells a process from a later one with its number, where the system says it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        return "" if status.rpartition(")")[2].split()[0] == "Z" else status.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _holds(pid: int, folder: str) -> bool:
    """That process has the journal's lock open."""
    if not os.path.isdir("/proc/self/fd"):
        try:
            return os.getsid(pid) == pid
        except OSError:
            return False
    lock = os.path.realpath(f"{folder}/lock")
    try:
        return any(os.path.realpath(f"/proc/{pid}/fd/{one}") == lock for one in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False
