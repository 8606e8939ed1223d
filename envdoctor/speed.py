"""The compiled readers (speed/*.c), where they were built for this interpreter.

What they answer, Python code answers alike: it stands beside every use, is what runs where nothing was compiled, and takes
over for every input that is not tidy. ``ENVDOCTOR_PURE=1`` leaves them out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

INTERFACE = 3
"""What the extension says of itself; it changes with every function or answer there that changes (speed/module.c has it, too)."""

if TYPE_CHECKING:
    speed: Any
elif os.environ.get("ENVDOCTOR_PURE") == "1":
    speed = None
else:
    try:
        from envdoctor import _speed as speed
    except ImportError:
        speed = None
    else:
        if getattr(speed, "INTERFACE", None) != INTERFACE:
            speed = None  # of an earlier state of this tree

__all__ = ["speed"]
