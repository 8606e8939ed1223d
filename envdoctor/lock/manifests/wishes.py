"""Requirements of manifests (PEP 508, and what tools write instead) as wishes. Pure."""

from __future__ import annotations

from envdoctor.lock.document import public
from envdoctor.lock.model import Wish


def of_text(
    text: str, *, group: str | None = None, extra: str | None = None, line: int | None = None, source: str | None = None
) -> Wish | None:
    """A PEP 508 requirement as a wish; None where `text` is none."""
    from envdoctor.requirements import parse, split_marker

    head, _, marker = split_marker(text)
    wanted = parse(head.strip())
    if wanted is None:
        return None
    if wanted.url is not None:
        source = public(wanted.url)
    return Wish(
        name=wanted.name,
        spec=wanted.specifier,
        text=public(text.strip()),
        marker=marker.strip() or None,
        extras=wanted.extras,
        source=source,
        group=group,
        extra=extra,
        line=line,
    )


class Lines:
    """Finds the line of a text in a document, forward from the last one found: for messages only."""

    def __init__(self, source: str) -> None:
        self.source, self.place, self.line = source, 0, 1

    def of(self, text: str) -> int | None:
        """The line of `text`, from 1; None where it is not written like that."""
        found = self.source.find(text, self.place)
        if found < 0:
            found = self.source.find(text)
            if found < 0:
                return None
            self.place, self.line = 0, 1
        self.line += self.source.count("\n", self.place, found)
        self.place = found
        return self.line
