"""Types of arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol, TypeAlias


class Buffer(Protocol):
    """bytes, or another object with a buffer: bytearray, memoryview, array, mmap."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


Context: TypeAlias = Mapping[str, object]
"""Where a value belongs: named fields such as table, column and row.

The values are text, bytes or integers, and others are refused. They are typed as objects because that is what
a type checker takes a dict of different ones for.
"""

MasterKey: TypeAlias = Buffer | str | Callable[[], Buffer]
"""32 bytes; text: `env:NAME`, `file:PATH`, `fd:N` or base64; or a callable that gives 32 bytes."""

Duration: TypeAlias = timedelta | str
"""A length of time: a timedelta, or text such as `"5s"`, `"500ms"` or `"30d"`. Never a bare number."""
