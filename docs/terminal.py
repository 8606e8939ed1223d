"""The picture of a terminal: what a command really printed, with its colours, as an SVG for light and dark screens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

WIDTH, HEIGHT, MARGIN = 8.4, 18, 18
"""Of a character, of a line, around the text, in pixels at a font size of 14."""
_STYLE = """\
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#24292f;white-space:pre}
.back{fill:#f6f8fa;stroke:#d0d7de}.b{font-weight:600}.d{fill:#6e7781}.r{fill:#cf222e;font-weight:600}.g{fill:#1a7f37}
.y{fill:#9a6700;font-weight:600}.c{fill:#1b7c83;font-weight:600}.m{fill:#8250df;font-weight:600}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.back{fill:#0d1117;stroke:#30363d}.d{fill:#8b949e}.r{fill:#ff7b72}.g{fill:#3fb950}
.y{fill:#d29922}.c{fill:#39c5cf}.m{fill:#bc8cff}}"""
_CLASSES = {"1;31": "r", "1;33": "y", "1;36": "c", "1;35": "m", "32": "g", "1": "b", "2": "d"}


def picture(command: str, output: str) -> str:
    """The SVG of a session: a command and what it printed, with ANSI styles. Raises KeyError for a style without a class."""
    lines = [f"\x1b[2m$\x1b[0m \x1b[1m{command}\x1b[0m", *output.split("\n")]
    columns = max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in lines)
    width, height = round(columns * WIDTH + 2 * MARGIN), len(lines) * HEIGHT + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(command)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="back" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>',
    ]
    for row, line in enumerate(lines):
        y = MARGIN + (row + 1) * HEIGHT - 5
        parts.append(f'<text x="{MARGIN}" y="{y}" xml:space="preserve">{"".join(_spans(line))}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _spans(line: str) -> Iterator[str]:
    """The line in pieces of one style."""
    style = ""
    for index, piece in enumerate(re.split(r"\x1b\[([\d;]*)m", line)):
        if index % 2:
            style = "" if piece in ("", "0") else _CLASSES[piece]
        elif piece:
            yield f'<tspan class="{style}">{escape(piece)}</tspan>' if style else escape(piece)


def words(svg: str) -> str:
    """The text of such a picture, line by line."""
    from html import unescape

    lines = re.findall(r"<text[^>]*>(.*?)</text>", svg)
    return "\n".join(unescape(re.sub(r"<[^>]+>", "", line)) for line in lines)
