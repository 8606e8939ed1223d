"""``envdoctor cache``: where stored facts lie, how much there is, and away with it."""

from __future__ import annotations

import os

import click


def _folder() -> str:
    """The cache folder of this user. Raises UsageError where nothing tells one."""
    from envdoctor import cache
    from envdoctor.select import UsageError

    home = os.environ.get("HOME") or os.environ.get("USERPROFILE") or None
    folder = cache.locate(os.environ, home)
    if folder is None:
        raise UsageError("there is no cache folder: no home folder is known", f"{cache.VARIABLE} names one")
    return folder


@click.group(name="cache")
def cache() -> None:
    """Show or clear what envdoctor keeps between runs. `check --no-cache` does without it."""


@cache.command()
def path() -> int:
    """Print the cache folder."""
    from envdoctor.cli import files
    from envdoctor.formats.text import safe

    files.write_stdout(safe(_folder()) + "\n")
    return 0


@cache.command()
def info() -> int:
    """Print the cache folder, the number of its files and their size."""
    from envdoctor.cache import LIMIT, Store, Unusable
    from envdoctor.cli import files
    from envdoctor.formats.text import safe
    from envdoctor.select import UsageError

    folder = _folder()
    try:
        entries = Store(folder).entries()
    except Unusable as error:
        raise UsageError(f"the cache folder {folder} {error}", "it is not used") from None
    size = sum(entry.size for entry in entries)
    files.write_stdout(f"{safe(folder)}\n{_count(len(entries))}, {_mebibytes(size)} of at most {LIMIT >> 20} MiB\n")
    return 0


@cache.command()
def clear() -> int:
    """Remove everything that envdoctor keeps between runs; nothing else in that folder is touched."""
    from envdoctor.cache import Store, Unusable
    from envdoctor.cli import files
    from envdoctor.formats.text import safe
    from envdoctor.select import UsageError

    folder = _folder()
    try:
        removed = Store(folder).clear()
    except Unusable as error:
        raise UsageError(f"the cache folder {folder} {error}", "it is not used, and not cleared") from None
    size = sum(entry.size for entry in removed)
    files.write_stdout(f"removed {_count(len(removed))}, {_mebibytes(size)}, from {safe(folder)}\n")
    return 0


def _count(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"
