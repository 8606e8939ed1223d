"""The files of a new rule: the rule with the sections of its page, its cases, a change fragment. Pure; `new-rule` writes them."""

from __future__ import annotations

import re

from envdoctor.finding import SEVERITIES, Severity
from envdoctor.rules import FAMILIES, modules
from envdoctor.select import UsageError

_RULE = '''"""{title}

## Why it matters
What fails for a user, and when.

## How it is found
Which facts are compared, in which order. No step runs anything of the target.

## Look-alikes that are fine
What looks like it and stays silent, and why.

## How to fix
What the fix does, and what to do where it cannot be done.

## Example
`the message of a finding, as it is printed`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding
from envdoctor.rules.base import Rule, Skip
from envdoctor.view import View

RULE = Rule("{code}", "{name}", "{severity}", reads=("distributions",))


def check(view: View) -> Iterator[Finding]:
    """One finding for each defect."""
    if not view.active_sites:
        raise Skip("no site folder is known")
    for name, dist in sorted(view.effective.items()):
        if name == "replace-this-condition":
            yield RULE.finding(
                f"{{name}} {{dist.version}} …: the verdict first, then the values",
                [view.distribution(dist)],
                evidence=["a fact that can be checked by hand: file, line, value"],
                fixes=[view.remedy.fix("what the fix does", view.remedy.reinstall(dist), RULE.code)],
            )
'''

_TEST = '''"""{code} {name}: every trigger, and every look-alike that must stay silent."""

from __future__ import annotations

from tests.builders import Env
from tests.support import diagnose, only


def test_trigger(env: Env) -> None:
    """Plant the fault, prove by running the import that it is one, then look."""
    env.dist("replace-this-condition", "1.0")
    finding = only(diagnose(env.prefix, "{code}"), "{code}")
    assert finding.severity == "{severity}"
    assert finding.subjects[0].name == "replace-this-condition"
    assert finding.fixes[0].commands
    assert finding.fixes[0].verify


def test_look_alike_is_silent(env: Env) -> None:
    """The healthy thing that looks like the fault."""
    env.dist("alpha", "1.0")
    assert diagnose(env.prefix, "{code}") == []
'''


def files(code: str, name: str, severity: Severity = "error") -> dict[str, str]:
    """Path in the repository to text. Raises UsageError for a code or name that cannot be."""
    code = code.upper()
    if not re.fullmatch(r"[A-Z]{3}[0-9]{3}", code) or code[:3] not in FAMILIES:
        raise UsageError(
            f"'{code[:40]}' is no code of a rule", f"three letters of a family ({', '.join(FAMILIES)}) and three digits"
        )
    if code in modules():
        raise UsageError(f"{code} is taken", f"envdoctor explain {code} shows it")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", name):
        raise UsageError(
            f"'{name[:40]}' is no name of a rule",
            "two words or more in lower case with dashes, the defect: shared-library-missing",
        )
    if severity not in SEVERITIES:
        raise UsageError(f"'{severity}' is no severity", ", ".join(SEVERITIES))
    values = {
        "code": code,
        "name": name,
        "severity": severity,
        "title": f"One sentence that says what {name.replace('-', ' ')} is.",
    }
    module = f"{code.lower()}_{name.replace('-', '_')}"
    return {
        f"envdoctor/rules/{code[:3].lower()}/{module}.py": _RULE.format(**values),
        f"tests/rules/test_{code.lower()}.py": _TEST.format(**values),
        f"changes/{code.lower()}.rule.md": f"{code} {name} finds … (one or two sentences in a user's words, past tense).\n",
    }
