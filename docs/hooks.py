"""Hooks of mkdocs (mkdocs.yml): what docs/ says for readers of the repository, made fit for the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Lists the pages of rules by family, and the decisions, below their index."""
    families: dict[str, list[str]] = {}
    for page in sorted((DOCS / "rules").glob("[A-Z]*.md")):
        families.setdefault(page.name[:3], []).append(f"rules/{page.name}")
    order = re.findall(r"^## (\w+)", (DOCS / "rules" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    decisions = [f"decisions/{page.name}" for page in sorted((DOCS / "decisions").glob("[0-9]*.md"))]
    for entry in config["nav"]:
        if "Rules" in entry:
            entry["Rules"] = ["rules/index.md", *({family: families[family]} for family in order)]
        if "Inside" in entry:
            entry["Inside"] = [entry["Inside"][0], {"Decisions": ["decisions/index.md", *decisions]}]
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replaces links to files of the repository that are no part of the site by their text."""
    folder = (DOCS / page.file.src_uri).parent

    def link(found: re.Match[str]) -> str:
        place = (folder / found[2]).resolve()
        return found[0] if (place.suffix == ".md" and place.is_relative_to(DOCS)) or place.suffix == ".svg" else found[1]

    return _LINK.sub(link, markdown)
