"""How calls are checked before they reach the native module."""

from __future__ import annotations

from .exceptions import InvalidArgument, KeyfoldError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    _P = ParamSpec("_P")
    _T = TypeVar("_T")


def checked(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Has unknown, missing and repeated arguments raise InvalidArgument, as other mistakes in a call do."""

    def call(*args: _P.args, **options: _P.kwargs) -> _T:
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
