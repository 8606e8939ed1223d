"""Where results go: stdout, files (whole or not at all), and what the screen can do."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping

from envdoctor.formats.terminal import Look
from envdoctor.formats.text import safe
from envdoctor.tuples import NamedTuple


class WriteError(Exception):
    """A file that cannot be written. ``str()`` is one line."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Output(NamedTuple):
    """A format and the file that it goes to (None: stdout)."""

    format: str
    file: str | None = None


def outputs(formats: tuple[str, ...], output: str | None, known: tuple[str, ...] = ("terminal", "json")) -> list[Output]:
    """The reports that ``--format`` and ``--output`` ask for, of the formats that the command knows. Raises UsageError."""
    from envdoctor.select import UsageError

    made: list[Output] = []
    for wish in formats or ("terminal",):
        name, equals, file = wish.partition("=")
        name = name.strip().lower()
        if name not in known:
            raise UsageError(f"unknown format '{safe(name)[:40]}'", f"formats: {', '.join(known)}")
        if equals and not file:
            raise UsageError(f"--format {name}= names no file", f"--format {name}=FILE, or --format {name} for stdout")
        made.append(Output(name, file if file and file != "-" else None))
    plain = [one for one in made if one.file is None]
    if len(plain) > 1:
        raise UsageError(
            f"only one format can go to {output or 'stdout'}: {', '.join(one.format for one in plain)}",
            "give the others a file: --format json=report.json",
        )
    if output is not None and output != "-":
        if not plain:
            raise UsageError("--output names a file, but every --format has its own", "leave --output out")
        made = [one if one.file else Output(one.format, output) for one in made]
    files = [os.path.realpath(one.file) for one in made if one.file]
    if len(set(files)) < len(files):
        raise UsageError("two formats would write one file", "give each format its own file")
    for one in made:
        if one.file:
            writable(one.file)
    return made


def writable(path: str) -> None:
    """Raises WriteError where a file cannot be written there, before any work is done."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise WriteError(f"cannot write {path}: it is a folder", "name a file")
    if not os.path.isdir(folder):
        raise WriteError(f"cannot write {path}: there is no folder {folder}", "make the folder first")
    if not os.access(folder if not _special(path) else path, os.W_OK):
        raise WriteError(f"cannot write {path}: permission denied")


def write_file(path: str, text: str) -> None:
    """Writes `text` to `path` as UTF-8, whole or not at all; devices and pipes are written to. Raises WriteError."""
    data = text.encode("utf-8", "backslashreplace")
    try:
        if _special(path):
            with open(path, "wb") as stream:  # noqa: PTH123 - importing pathlib takes a millisecond
                stream.write(data)
            return
        path = os.path.realpath(path)
        temporary = f"{os.path.dirname(path)}/.envdoctor-{os.getpid()}.tmp"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            os.chmod(temporary, _mode(path))
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from None


def append_file(path: str, text: str) -> None:
    """Adds `text` as UTF-8 to the end of a file, which may be new. Raises WriteError."""
    try:
        with open(path, "ab") as stream:  # noqa: PTH123
            stream.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise WriteError(f"cannot write {path}: {error.strerror or error}") from None


def write_stdout(text: str) -> None:
    """Writes a report to stdout in its encoding; what that lacks becomes an escape. Raises WriteError, BrokenPipeError."""
    stream = sys.stdout
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    data = text.encode(encoding, "backslashreplace")
    binary = getattr(stream, "buffer", None)
    try:
        if binary is None:
            stream.write(data.decode(encoding))
        else:
            stream.flush()
            binary.write(data)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WriteError(f"cannot write to stdout: {error.strerror or error}") from None


def look(environ: Mapping[str, str], *, no_color: bool, verbosity: int, to_file: bool = False) -> Look:
    """What can be shown where the report goes: a screen, a pipe or a file."""
    screen = not to_file and sys.stdout is not None and sys.stdout.isatty()
    forced = environ.get("FORCE_COLOR", "") not in ("", "0", "false")
    dumb = environ.get("TERM", "") == "dumb"
    color = not no_color and not environ.get("NO_COLOR") and (forced or (screen and not dumb))
    return Look(
        width=_width(environ, screen),
        color=color,
        ascii=not to_file and not _unicode(environ),
        verbosity=verbosity,
        ci=environ.get("CI", "").lower() not in ("", "0", "false"),
    )


def _width(environ: Mapping[str, str], screen: bool) -> int:
    """Columns: COLUMNS, the screen's own, 80 where there is none."""
    columns = environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns[:6]) > 0:
        return min(int(columns[:6]), 400)
    if screen:
        try:
            return os.get_terminal_size(sys.stdout.fileno()).columns or 80
        except (OSError, ValueError):
            return 80
    return 80


def _unicode(environ: Mapping[str, str]) -> bool:
    """The reader can show more than ASCII: by stdout's encoding, and by a locale that was not set to C by hand.

    Python coerces the C locale to UTF-8 (PEP 538) and sets LC_CTYPE itself, so LANG is asked where LC_CTYPE looks coerced.
    """
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("_", "-")
    if not encoding.startswith("utf"):
        return False
    locale = environ.get("LC_ALL") or ""
    if not locale and environ.get("LC_CTYPE") not in (None, "", "C.UTF-8", "C.utf8", "UTF-8"):
        locale = environ["LC_CTYPE"]
    return (locale or environ.get("LANG") or "") not in ("C", "POSIX")


def _special(path: str) -> bool:
    """A device, pipe or socket stands there."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _mode(path: str) -> int:
    """Permissions of the file that stands there, else those that a new file gets."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
