"""Output formats: pure functions from a report to text. The names here are those of ``--format``."""

from __future__ import annotations

FORMATS: tuple[str, ...] = ("terminal", "json")
"""Formats of this version."""

PLANNED: tuple[str, ...] = ("sarif", "junit", "github", "markdown", "html")
"""Formats that the contract names and that a later version brings."""
