"""A distribution is installed that the company has not approved.

## Why it matters
What nobody has looked at must not reach production.

## How it is found
The name of every installed distribution is compared with a list.

## Look-alikes that are fine
Other distributions whose names begin alike.

## How to fix
Uninstall it, or ask for approval.

## Example
`leftpad 1.0 is not approved`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding
from envdoctor.rules.base import Rule
from envdoctor.view import View

RULE = Rule(
    "ACM001",
    "package-not-approved",
    "error",
    reads=("distributions",),
    messages=("PolicyError: {distribution} is not approved",),
)
BANNED = frozenset(["leftpad"])


def check(view: View) -> Iterator[Finding]:
    """One finding for each."""
    for name in sorted(BANNED & view.effective.keys()):
        dist = view.effective[name]
        yield RULE.finding(
            f"{name} {dist.version} is not approved",
            [view.distribution(dist)],
            evidence=[f"{view.in_site(dist.site, dist.path)}: {name} {dist.version}"],
            fixes=[view.remedy.fix(f"uninstall {name}", view.remedy.uninstall(dist), RULE.code, safety="unsafe")],
        )
