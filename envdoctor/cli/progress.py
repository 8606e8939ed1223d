"""A line on stderr while work takes longer than a moment; only where a person watches."""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType

from envdoctor.formats.text import cells, safe

DELAY = 0.7
"""Seconds before anything is shown."""


class Progress:
    """Shows what is being done and for how long, on a terminal's last line, and wipes it away."""

    def __init__(self, text: str, *, quiet: bool = False) -> None:
        self.text = safe(text)
        stream = sys.stderr
        dumb = os.environ.get("TERM", "") == "dumb" or os.environ.get("CI", "") not in ("", "0", "false")
        self.shown = not quiet and not dumb and stream is not None and stream.isatty()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Progress:  # noqa: PYI034 - Self needs Python 3.11
        if self.shown:
            self._thread = threading.Thread(target=self._show, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(1)

    def say(self, words: str) -> None:
        """Shows other words from now on."""
        self.text = safe(f"envdoctor: {words}")

    def _show(self) -> None:
        start = time.monotonic()
        if self._over.wait(DELAY):
            return
        try:
            while True:
                line = f"{self.text} … {time.monotonic() - start:.0f} s"
                if not (sys.stderr.encoding or "").lower().startswith("utf"):
                    line = line.replace("…", "...").encode("ascii", "backslashreplace").decode()
                sys.stderr.write(f"\r{line if cells(line) < 79 else line[-78:]}\x1b[K")
                sys.stderr.flush()
                if self._over.wait(0.5):
                    break
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        except (OSError, ValueError):
            return
