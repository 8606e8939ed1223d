"""A rule's page and the list of rules, from the rules' own docstrings. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from envdoctor.formats.json import dump
from envdoctor.formats.terminal import Look, styled
from envdoctor.formats.text import wrap
from envdoctor.rules import FAMILIES, LoadedRule

SECTIONS = ("Why it matters", "How it is found", "Look-alikes that are fine", "How to fix", "Example")
"""Sections of every page, in order."""

MESSAGES = "Known by these messages"
"""Heading of the list that every page ends with, from the rule itself."""
MARKER = "## "


def title(rule: LoadedRule) -> str:
    """The first line of the page."""
    return rule.page.strip().splitlines()[0].strip() if rule.page.strip() else rule.rule.name


def facts(rule: LoadedRule) -> str:
    """The line below a page's heading."""
    reads = ", ".join(rule.rule.reads) or "nothing"
    deep = "; finds more with --deep" if rule.rule.deep else ""
    return f"Family {FAMILIES[rule.rule.code[:3]]}, default severity {rule.rule.severity}. Reads {reads}{deep}."


def section(rule: LoadedRule, name: str) -> str:
    """The text of one section of the page, on one line, without markup; '' where it has none."""
    _, _, rest = rule.page.partition(f"{MARKER}{name}\n")
    return " ".join(rest.partition(f"\n{MARKER}")[0].split()).replace("`", "")


def plain(rule: LoadedRule) -> str:
    """The page as text without markup."""
    body = rule.page.strip().partition("\n")[2].strip()
    return "\n".join([title(rule), "", *(line.removeprefix(MARKER).replace("`", "") for line in body.splitlines())])


def markdown(rule: LoadedRule) -> str:
    """The page for the documentation."""
    body = rule.page.strip().split("\n", 1)[1].strip() if "\n" in rule.page.strip() else ""
    known = "".join(f"- `{message.replace('`', chr(39))}`\n" for message in rule.rule.messages)
    end = f"\n{MARKER}{MESSAGES}\n{known}" if known else ""
    return f"# {rule.rule.code} {rule.rule.name}\n\n{title(rule)}\n\n{facts(rule)}\n\n{body}\n{end}"


def for_terminal(rule: LoadedRule, look: Look) -> str:
    """The page for a screen: paragraphs wrapped to the width, code blocks as they are."""
    width = min(max(look.width, 20), 100)
    lines = [
        styled(f"{rule.rule.code} {rule.rule.name}", "bold", look),
        styled(rule.rule.severity, rule.rule.severity, look) + f" · {FAMILIES[rule.rule.code[:3]]}",
        "",
        *wrap(title(rule), width),
    ]
    block: list[str] = []
    fenced = False

    def flush() -> None:
        if block:
            first = re.match(r"\s*(?:[-*]|\d+\.)?\s*", block[0])
            indent = " " * len(first[0]) if first else ""
            text = " ".join(line.strip() for line in block)
            lead = block[0][: len(block[0]) - len(block[0].lstrip())]
            lines.extend(wrap(text.replace("`", ""), width, "  " + lead, "  " + indent))
            block.clear()

    for raw in rule.page.strip().splitlines()[1:]:
        line = raw.rstrip()
        if line.lstrip().startswith("```"):
            flush()
            fenced = not fenced
        elif fenced or (line.startswith("    ") and not block):
            lines.append("    " + line)
        elif line.startswith("#"):
            flush()
            lines += [styled(line.lstrip("# "), "bold", look)]
        elif not line.strip():
            flush()
            if lines[-1] != "":
                lines.append("")
        elif re.match(r"\s*(?:[-*]|\d+\.) ", line):
            flush()
            block.append(line)
        else:
            block.append(line)
    flush()
    if rule.rule.messages:
        lines += ["", styled(MESSAGES, "bold", look), *("    " + message for message in rule.rule.messages)]
    return "\n".join(lines).rstrip() + "\n"


def list_json(rules: Iterable[LoadedRule]) -> str:
    """The list as JSON."""
    rows = [
        {
            "code": rule.rule.code,
            "name": rule.rule.name,
            "severity": rule.rule.severity,
            "family": FAMILIES[rule.rule.code[:3]],
            "title": title(rule),
            "reads": list(rule.rule.reads),
            "deep": rule.rule.deep,
            "messages": list(rule.rule.messages),
        }
        for rule in rules
    ]
    return dump({"schema_version": 1, "rules": rows})


def list_markdown(rules: Iterable[LoadedRule], link: str | None = None) -> str:
    """The list as a table; `link` is a pattern with ``{}`` for the page's file name."""
    rows = ["| code | name | severity | finds |", "| --- | --- | --- | --- |"]
    for rule in rules:
        code = f"[{rule.rule.code}]({link.format(page_name(rule))})" if link else rule.rule.code
        text = title(rule).replace("|", "\\|")
        rows.append(f"| {code} | {rule.rule.name} | {rule.rule.severity} | {text} |")
    return "\n".join(rows) + "\n"


def page_name(rule: LoadedRule) -> str:
    """File name of a rule's page."""
    return f"{rule.rule.code}-{rule.rule.name}.md"


def list_terminal(rules: Iterable[LoadedRule], look: Look) -> str:
    """The list for a screen, by family."""
    lines: list[str] = []
    family = None
    for rule in rules:
        if rule.rule.code[:3] != family:
            family = rule.rule.code[:3]
            lines += ["", styled(FAMILIES[family], "bold", look)] if lines else [styled(FAMILIES[family], "bold", look)]
        head = f"{rule.rule.code}  {rule.rule.severity:<8} {rule.rule.name}"
        made = wrap(f"{head}: {title(rule)}", max(look.width, 20), "  ", "          ")
        severity = styled(rule.rule.severity, rule.rule.severity, look)
        lines += [made[0].replace(rule.rule.severity, severity, 1), *made[1:]]
    if not lines:
        return "no rules\n"
    return "\n".join(lines) + "\n\nenvdoctor explain CODE prints a rule's page\n"
