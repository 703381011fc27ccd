"""Types of arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from ._native import Passphrase, RecoveryKey, Shares


class Buffer(Protocol):
    """bytes, or another object with a buffer: bytearray, memoryview, array, mmap."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


Context: TypeAlias = Mapping[str, object]
"""Where a value belongs: named fields such as table, column and row.

The values are text, bytes or integers, and others are refused. They are typed as objects because that is what
a type checker takes a dict of different ones for.
"""

OneMasterKey: TypeAlias = Buffer | str | Passphrase | RecoveryKey | Shares | Callable[[], Buffer]
"""32 bytes; text: `env:NAME`, `file:PATH`, `fd:N`, `passphrase:` with one of these, base64, or printed;
a Passphrase, RecoveryKey or Shares; or a callable that gives 32 bytes."""

MasterKey: TypeAlias = OneMasterKey | list[Any] | tuple[OneMasterKey, ...]
"""A master key, or several that are tried in order."""

NewKey: TypeAlias = str | tuple[str, Mapping[str, Any]]
"""A key to be made: its id, or its id and the options of `Store.create_key`."""

IndexFields: TypeAlias = Mapping[str, Buffer | str | None] | Sequence[tuple[str, Buffer | str | None]]
"""Fields and their values: a dict, or a list of pairs."""

Names: TypeAlias = Iterable[str]
"""Names in order; not a text."""


class Reader(Protocol):
    """A binary file object to read from."""

    def read(self, size: int, /) -> Buffer: ...


class Writer(Protocol):
    """A binary file object to write to."""

    def write(self, part: bytes, /) -> object: ...


Progress: TypeAlias = Callable[[int], object]
"""Called with the number of bytes done."""

Duration: TypeAlias = timedelta | str
"""A length of time: a timedelta, or text such as `"5s"`, `"500ms"` or `"30d"`. Never a bare number."""

Clock: TypeAlias = Callable[[], datetime]
"""Gives the time, with a time zone."""
