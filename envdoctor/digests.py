"""Digests of small texts without ``hashlib``, whose import loads OpenSSL: 3 ms. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import blake2b as blake2b
    from hashlib import sha256 as sha256
else:
    try:
        from _blake2 import blake2b
    except ImportError:  # another implementation than CPython, or one that was built without
        from hashlib import blake2b  # noqa: F401 - for others
    try:
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256  # before CPython 3.12
        except ImportError:
            from hashlib import sha256  # noqa: F401 - for others
