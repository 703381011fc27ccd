"""Fixtures: a fresh store with two keys, and its master key."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import keyfold
import pytest

MASTER_KEY = base64.b64encode(hashlib.sha256(b"a key for the tests of keyfold").digest()).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a store with the keys `pii` and `other`."""
    path = tmp_path / "app.keyfold"
    with keyfold.open(path, MASTER_KEY, create=True) as store:
        store.create_key("pii")
        store.create_key("other")
    return path


@pytest.fixture
def store(path: Path) -> Iterator[keyfold.Store]:
    """That store, open."""
    with keyfold.open(path, MASTER_KEY) as store:
        yield store


@pytest.fixture
def pii(store: keyfold.Store) -> keyfold.Key:
    """Its key `pii`."""
    return store.key("pii")
