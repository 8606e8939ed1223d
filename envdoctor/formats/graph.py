"""Pictures for the HTML page, as inline SVG: who needs whom around a finding, and sizes by distribution. Pure.

Colours come from the page's variables, so that one picture serves light and dark; what colour says stands there in words, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape as _escape

from envdoctor.finding import Finding
from envdoctor.formats.text import cells, safe
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

_SVG = "http://www.w3.org/2000/svg"
ASKERS = 6
"""Distributions that need a subject and are drawn; of more than these the number is."""
SUBJECTS = 8
NODES = 24
"""Subjects that are drawn at most, and boxes before no more of what needs them is drawn."""
COLUMN, ROW, BOX = 310, 46, 190
"""Pixels from column to column and row to row, and the width of a box."""


class Node(NamedTuple):
    """A distribution, or several that are only counted."""

    name: str
    text: str
    note: str = ""
    subject: bool = False


class Arrow(NamedTuple):
    """`start` needs `end`, in the version that `text` says."""

    start: str
    end: str
    text: str = ""
    status: str = "ok"


def around(view: View, finding: Finding) -> tuple[list[Node], list[Arrow]]:
    """Subjects of `finding`, what needs them directly, and the needs among them; nothing where there is no need to show."""
    subjects = [s.name for s in finding.subjects if s.kind == "distribution"]
    packages = [s.name for s in finding.subjects if s.kind == "conda-package"]
    names = list(dict.fromkeys(subjects))[:SUBJECTS]
    nodes: dict[str, Node] = {}
    arrows: dict[tuple[str, str], Arrow] = {}
    for name in names:
        dist = view.effective.get(name)
        note = "" if dist is not None else "not installed"
        nodes[name] = Node(name, f"{name} {dist.version or ''}".strip() if dist else name, note, True)
    for name in names:
        edges = view.closure.incoming.get(name, ())
        inside = [edge for edge in edges if edge.parent.name in nodes]
        outside = [edge for edge in edges if edge.parent.name not in nodes]
        outside.sort(key=lambda edge: (edge.status == "ok", edge.parent.name))
        shown = outside if len(outside) <= ASKERS else outside[: ASKERS - 1]
        if len(nodes) > NODES:
            shown = []
        for edge in (*inside, *shown):
            parent = edge.parent
            nodes.setdefault(parent.name, Node(parent.name, f"{parent.name} {parent.version or ''}".strip()))
            key = (parent.name, name)
            if key not in arrows or arrows[key].status == "ok":
                arrows[key] = Arrow(parent.name, name, edge.specifier, edge.status)
        if len(shown) < len(outside):
            more = f"and {len(outside) - len(shown):,} more"
            nodes[f"{name}\0more"] = Node(f"{name}\0more", more)
            arrows[(f"{name}\0more", name)] = Arrow(f"{name}\0more", name)
    _conda(view, packages, nodes, arrows)
    return (list(nodes.values()), list(arrows.values())) if arrows else ([], [])


def _conda(view: View, packages: list[str], nodes: dict[str, Node], arrows: dict[tuple[str, str], Arrow]) -> None:
    """The same among conda packages."""
    records = {package.name: package for package in view.snapshot.conda_packages}
    for name in packages[:SUBJECTS]:
        package = records.get(name)
        text = f"{name} {package.version}".strip() if package else name
        nodes.setdefault(name, Node(name, text, "" if package else "no record", True))
        drawn = 0
        for other in view.snapshot.conda_packages:
            for spec in other.depends:
                wanted, _, version = spec.partition(" ")
                if wanted == name and other.name != name and (other.name in nodes or drawn < ASKERS):
                    drawn += other.name not in nodes
                    nodes.setdefault(other.name, Node(other.name, f"{other.name} {other.version}"))
                    status = "ok" if package else "missing"
                    arrows.setdefault((other.name, name), Arrow(other.name, name, version, status))


def draw(nodes: list[Node], arrows: list[Arrow], title: str) -> str:
    """The graph as SVG, needs from left to right."""
    rank = _ranks(nodes, arrows)
    rows: dict[int, int] = {}
    places: dict[str, tuple[int, int]] = {}
    for node in nodes:
        column = rank[node.name]
        places[node.name] = (column * COLUMN + 4, rows.get(column, 0) * ROW + 6)
        rows[column] = rows.get(column, 0) + 1
    width = (max(rank.values()) + 1) * COLUMN - COLUMN + BOX + 8
    height = max(rows.values()) * ROW + 6
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [f'<svg class="graph" role="img" {size} xmlns="{_SVG}"><title>{_text(title)}</title>']
    for arrow in arrows:
        (x1, y1), (x2, y2) = places[arrow.start], places[arrow.end]
        x1, y1, y2 = x1 + BOX, y1 + 17, y2 + 17
        middle = (x1 + x2) / 2
        bad = " bad" if arrow.status in ("missing", "conflict") else ""
        parts.append(f'<path class="arrow{bad}" d="M{x1},{y1} C{middle},{y1} {middle},{y2} {x2 - 5},{y2}"/>')
        parts.append(f'<path class="head{bad}" d="M{x2},{y2} l-7,-4 v8 z"/>')
    for arrow in arrows:
        (x1, y1), (_, y2) = places[arrow.start], places[arrow.end]
        words = arrow.text + {"missing": " missing", "conflict": " unmet"}.get(arrow.status, "")
        if words.strip():
            y = y1 + 13 + (y2 > y1) * 14 - (y2 < y1) * 10
            parts.append(f'<text class="spec" x="{x1 + BOX + 8}" y="{y}">{_text(_short(words.strip(), 18))}</text>')
    for node in nodes:
        x, y = places[node.name]
        kind = "subject" if node.subject else "other"
        text = f"{node.text} ({node.note})" if node.note else node.text
        kind += " gone" if node.note else ""
        middle = x + BOX // 2
        parts.append(f'<g><title>{_text(text)}</title><rect class="{kind}" x="{x}" y="{y}" width="{BOX}" height="34" rx="6"/>')
        parts.append(f'<text x="{middle}" y="{y + (16 if node.note else 21)}">{_text(_short(node.text, 23))}</text>')
        if node.note:
            parts.append(f'<text class="note" x="{middle}" y="{y + 29}">{_text(node.note)}</text>')
        parts.append("</g>")
    return "".join([*parts, "</svg>"])


def _ranks(nodes: list[Node], arrows: list[Arrow]) -> dict[str, int]:
    """A column for each node: right of all that need it; circles end after as many rounds as there are nodes."""
    rank = {node.name: 0 for node in nodes}
    for _ in range(min(len(nodes), 6)):
        for arrow in arrows:
            rank[arrow.end] = max(rank[arrow.end], min(rank[arrow.start] + 1, 5))
    used = sorted(set(rank.values()))
    return {name: used.index(value) for name, value in rank.items()}


# ------------------------------------------------------------------------------------------------------------------ sizes


class Tile(NamedTuple):
    """A rectangle of the treemap, in pixels."""

    name: str
    value: float
    x: float
    y: float
    width: float
    height: float


def tiles(sizes: Mapping[str, int], width: float, height: float, most: int = 60) -> list[Tile]:
    """A squarified treemap (Bruls, Huizing, van Wijk 2000); what is beyond the `most` largest is one tile, ``(others)``."""
    ordered = sorted(((float(value), name) for name, value in sizes.items() if value > 0), key=lambda item: (-item[0], item[1]))
    rest = sum(value for value, _ in ordered[most:])
    ordered = ordered[:most] + ([(rest, "(others)")] if rest else [])
    whole = sum(value for value, _ in ordered)
    made: list[Tile] = []
    x = y = 0.0
    scale = width * height / whole if whole else 0.0
    while ordered:
        side = min(width, height)
        row: list[tuple[float, str]] = []
        while ordered and (not row or _worst([*row, ordered[0]], side, scale) <= _worst(row, side, scale)):
            row.append(ordered.pop(0))
        area = sum(value for value, _ in row) * scale
        thick = area / side if side else 0.0
        along = 0.0
        for value, name in row:
            length = value * scale / thick if thick else 0.0
            if width >= height:
                made.append(Tile(name, value, x, y + along, thick, length))
            else:
                made.append(Tile(name, value, x + along, y, length, thick))
            along += length
        if width >= height:
            x, width = x + thick, width - thick
        else:
            y, height = y + thick, height - thick
    return made


def _worst(row: list[tuple[float, str]], side: float, scale: float) -> float:
    """The worst ratio of sides in a row along a side of that length."""
    areas = [value * scale for value, _ in row]
    total = sum(areas)
    if not total or not side or not min(areas):
        return float("inf")
    return max(side * side * max(areas) / (total * total), total * total / (side * side * min(areas)))


def treemap(sizes: Mapping[str, int], marked: Mapping[str, str], width: int = 960, height: int = 360) -> str:
    """Sizes as SVG; `marked` names what is wrong with a distribution (``error``, ``warning``)."""
    parts = [
        f'<svg class="sizes" role="img" viewBox="0 0 {width} {height}" xmlns="{_SVG}">',
        "<title>Sizes by distribution</title>",
    ]
    for tile in tiles(sizes, width, height):
        kind = marked.get(tile.name, "plain")
        words = f"{safe(tile.name)}: {megabytes(tile.value)}" + (f", {kind}" if kind != "plain" else "")
        parts.append(
            f'<g><title>{_text(words)}</title><rect class="{kind}" x="{tile.x:.1f}" y="{tile.y:.1f}" '
            f'width="{max(tile.width - 1.5, 0.5):.1f}" height="{max(tile.height - 1.5, 0.5):.1f}" rx="2"/>'
        )
        letters = int((tile.width - 10) / 7)
        if letters >= 4 and tile.height > 18:
            parts.append(f'<text x="{tile.x + 6:.1f}" y="{tile.y + 15:.1f}">{_text(_short(tile.name, letters))}</text>')
            if tile.height > 34:
                size = _text(_short(megabytes(tile.value), letters))
                parts.append(f'<text class="size" x="{tile.x + 6:.1f}" y="{tile.y + 29:.1f}">{size}</text>')
        parts.append("</g>")
    return "".join([*parts, "</svg>"])


def megabytes(value: float) -> str:
    """``12.3 MB``, ``450 kB``."""
    return f"{value / 1e9:,.2f} GB" if value >= 1e9 else f"{value / 1e6:,.1f} MB" if value >= 1e6 else f"{value / 1e3:,.0f} kB"


def _short(text: str, most: int) -> str:
    text = safe(text)
    while cells(text) > most and len(text) > 1:
        text = text[:-2] + "…" if text.endswith("…") else text[:-1] + "…"
    return text


def _text(text: str) -> str:
    return _escape(safe(text.replace("\0", "")))
