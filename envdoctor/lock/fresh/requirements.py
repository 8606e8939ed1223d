"""Freshness of requirements files that a tool has compiled: see :mod:`envdoctor.lock.fresh.compiled`."""

from envdoctor.lock.fresh.compiled import judge, sources

__all__ = ["judge", "sources"]
