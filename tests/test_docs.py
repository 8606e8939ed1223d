"""Documentation that is generated, and every rule's page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from envdoctor.formats import pages
from envdoctor.formats.terminal import Look
from envdoctor.rules import FAMILIES, load, modules
from envdoctor.rules.base import fields_of_snapshot

ROOT = Path(__file__).resolve().parent.parent


def test_what_is_generated_is_up_to_date() -> None:
    shell = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, env=shell, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("code", list(modules()))
def test_every_rule_has_its_page(code: str) -> None:
    rule = load(code)
    sections = re.findall(r"^## (.+)$", rule.page, re.MULTILINE)
    assert tuple(sections) == pages.SECTIONS
    title = pages.title(rule)
    assert title.endswith(".")
    assert len(title) <= 120
    for section in pages.SECTIONS:
        body = rule.page.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
        assert len(body.split()) >= 3, section


@pytest.mark.parametrize("code", list(modules()))
def test_every_rule_is_what_its_file_says(code: str) -> None:
    rule = load(code).rule
    assert rule.code == code
    file = modules()[code].rsplit(".", 1)[1]
    assert file == f"{code.lower()}_{rule.name.replace('-', '_')}"
    assert modules()[code].split(".")[2] == code[:3].lower()
    assert code[:3] in FAMILIES
    assert rule.severity in ("error", "warning", "info")
    assert rule.reads
    assert set(rule.reads) <= fields_of_snapshot()


@pytest.mark.parametrize("code", list(modules()))
def test_pages_for_a_screen_are_plain_and_keep_to_the_width(code: str) -> None:
    text = pages.for_terminal(load(code), Look(width=60))
    assert "\x1b" not in text
    assert "##" not in text
    for line in text.splitlines():
        assert len(line) <= 60 or line.startswith("    ") or " " not in line.strip(), line


def test_the_site_names_every_page() -> None:
    """Pages of rules and decisions are added by docs/hooks.py. `make site` needs tools that tests do not have."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w./-]+\.md\b", text.split("\nnav:\n", 1)[1]))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert named <= pages
    assert {page for page in pages - named if not re.match(r"(rules|decisions)/", page)} == set()


def test_links_of_the_documentation_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
