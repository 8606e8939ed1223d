"""When upstream stops to patch a version of CPython.

Source: https://devguide.python.org/versions/ (include/release-cycle.json) and the ``python-releases.toml`` of python/peps;
taken on 2026-11-23. A date in the future there is a month; its last day stands here, and the entry is in `PLANNED`.
"""

from __future__ import annotations

TAKEN = "2026-11-23"

END_OF_LIFE: dict[tuple[int, int], str] = {
    (2, 7): "2020-01-01",
    (3, 0): "2009-06-27",
    (3, 1): "2012-04-09",
    (3, 2): "2016-02-20",
    (3, 3): "2017-09-29",
    (3, 4): "2019-03-18",
    (3, 5): "2020-09-30",
    (3, 6): "2021-12-23",
    (3, 7): "2023-06-27",
    (3, 8): "2024-10-07",
    (3, 9): "2025-10-31",
    (3, 10): "2026-10-31",
    (3, 11): "2027-10-31",
    (3, 12): "2028-10-31",
    (3, 13): "2029-10-31",
    (3, 14): "2030-10-31",
    (3, 15): "2031-10-31",
}
"""X.Y to the last day of security patches, ISO 8601."""

PLANNED = frozenset({(3, 10), (3, 11), (3, 12), (3, 13), (3, 14), (3, 15)})
"""Versions whose date was the schedule's when the table was taken, not yet a fact."""
