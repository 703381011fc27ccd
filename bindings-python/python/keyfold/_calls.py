"""How calls are checked before they reach the native module."""

from __future__ import annotations

from .exceptions import InvalidArgument, KeyfoldError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Has unknown, missing and repeated arguments raise InvalidArgument, as other mistakes in a call do."""

    def call(*args: P.args, **options: P.kwargs) -> T:
        try:
            return function(*args, **options)
        except TypeError as error:
            if isinstance(error, KeyfoldError):
                raise
            # Imported when it is needed: it takes longer than the whole package.
            import inspect

            try:
                inspect.signature(function).bind(*args, **options)
            except TypeError as misfit:
                raise InvalidArgument(f"{function.__name__}: {misfit}") from None
            raise

    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(call, name, getattr(function, name))
    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call
