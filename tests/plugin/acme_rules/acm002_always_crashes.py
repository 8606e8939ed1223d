"""A rule with a bug: it spoils nothing but itself."""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding
from envdoctor.rules.base import Rule
from envdoctor.view import View

RULE = Rule("ACM002", "always-crashes", "warning")


def check(view: View) -> Iterator[Finding]:
    """Fails."""
    raise ZeroDivisionError("a bug of ACME")
    yield
