"""How much each distribution takes on disk, for the page that shows it: asked for only where that page is made.

RECORD says the size of every file; the sum of a distribution's rows is what pip and uv have put there. What is not in a
RECORD (conda's own libraries, compiled modules) is not counted.
"""

from __future__ import annotations

from collections.abc import Callable

from envdoctor.collect import files, records
from envdoctor.snapshot import Snapshot

MOST = 1 << 50
"""Bytes that a row may say; more is a lie."""


def measure(snapshot: Snapshot, rooted: Callable[[str], str] = str) -> dict[str, int]:
    """Bytes by normalized name, of distributions of active site folders that have a RECORD; nothing where none can be read."""
    found: dict[str, int] = {}
    for dist in snapshot.distributions:
        site = snapshot.sites[dist.site]
        if dist.format != "dist-info" or not site.active:
            continue
        try:
            content = files.read(rooted(f"{site.path}/{dist.path}/RECORD"), records.RECORD_LIMIT)
        except files.Unreadable:
            continue
        total = 0
        for size in () if content.cut else records.sizes(content.data):
            if size.isascii() and size.isdigit() and len(size) < 16:
                total += min(int(size), MOST)
        if total:
            found[dist.name] = found.get(dist.name, 0) + total
    return found
