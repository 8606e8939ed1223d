"""Output formats: pure functions from a report to text. The names here are those of ``--format``."""

from __future__ import annotations

FORMATS: tuple[str, ...] = ("terminal", "json", "sarif", "junit", "github", "markdown", "html")
"""Formats of a report."""

PLAN_FORMATS: tuple[str, ...] = ("terminal", "json")
"""Formats of a plan of fixes."""
