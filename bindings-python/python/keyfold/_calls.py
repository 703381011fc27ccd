"""How calls are checked before they reach the native module."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from .exceptions import InvalidArgument, KeyfoldError

P = ParamSpec("P")
T = TypeVar("T")


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Has unknown, missing and repeated arguments raise InvalidArgument, as other mistakes in a call do."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> T:
        try:
            return function(*args, **options)
        except TypeError as error:
            if isinstance(error, KeyfoldError):
                raise
            try:
                signature.bind(*args, **options)
            except TypeError as misfit:
                raise InvalidArgument(f"{function.__name__}: {misfit}") from None
            raise

    return call
