"""Digests are those of hashlib, whatever they are taken with."""

from __future__ import annotations

import hashlib

import pytest

from envdoctor import digests


@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 1000])
def test_digests_are_those_of_hashlib(data: bytes) -> None:
    assert digests.sha256(data).hexdigest() == hashlib.sha256(data).hexdigest()
    assert digests.blake2b(data, digest_size=16, key=b"k").digest() == hashlib.blake2b(data, digest_size=16, key=b"k").digest()
