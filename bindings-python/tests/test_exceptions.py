"""The classes of exceptions: complete, of the fitting built-in, picklable."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta
from typing import Any

import keyfold
import pytest
from keyfold import _native, exceptions

CLASSES = [
    cls
    for cls in vars(exceptions).values()
    if isinstance(cls, type) and issubclass(cls, keyfold.KeyfoldError)
]


def test_one_class_for_each_kind_of_the_core() -> None:
    kinds = _native.error_kinds()
    assert len(kinds) == len(CLASSES) - 1
    for name, code, retryable in kinds:
        cls = getattr(keyfold, name)
        assert (cls.__name__, cls.code, cls.retryable) == (name, code, retryable)
        assert issubclass(cls, keyfold.KeyfoldError)
        assert cls.__doc__
    assert set(exceptions.__all__) == {cls.__name__ for cls in CLASSES} | {"KeyfoldWarning"}
    assert set(exceptions.__all__) <= set(keyfold.__all__)


@pytest.mark.parametrize(
    ("cls", "builtins"),
    [
        (keyfold.InvalidArgument, (ValueError, TypeError)),
        (keyfold.NotFound, (LookupError,)),
        (keyfold.PermissionDenied, (PermissionError, OSError)),
        (keyfold.Busy, (TimeoutError,)),
        (keyfold.Storage, (OSError,)),
        (keyfold.StorageFull, (OSError,)),
    ],
)
def test_also_of_the_fitting_built_in(cls: type, builtins: tuple[type, ...]) -> None:
    assert all(issubclass(cls, builtin) for builtin in builtins)


@pytest.mark.parametrize("cls", CLASSES)
def test_what_an_exception_carries(cls: Any) -> None:
    error = cls("what happened", key_id="pii", version=3, index=7, retry_after=timedelta(seconds=2))
    cause = ValueError("inner")
    error.__cause__ = cause
    error.add_note("a note")
    copies = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for one in [error, *copies, copy.copy(error), copy.deepcopy(error)]:
        assert type(one) is cls
        assert str(one) == one.message == "what happened"
        assert one.args == ("what happened",)
        assert repr(one) == f"{cls.__name__}('what happened')"
        assert (one.key_id, one.version, one.index) == ("pii", 3, 7)
        assert one.retry_after == timedelta(seconds=2)
        assert one.code == cls.code
        assert one.__notes__ == ["a note"]
    plain = cls("x")
    assert (plain.key_id, plain.version, plain.index, plain.retry_after) == (None, None, None, None)
    assert str(cls()) == ""


def test_raised_ones_are_complete(store: keyfold.Store) -> None:
    with pytest.raises(LookupError) as caught:
        store.key("nope")
    error = caught.value
    assert type(error) is keyfold.NotFound
    assert (error.key_id, error.version, error.index, error.retry_after) == ("nope", None, None, None)
    assert error.code == "KEYFOLD_NOT_FOUND"
    assert error.__cause__ is None
    assert "nope" in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_the_system_said_is_the_cause(path: Any) -> None:
    with pytest.raises(keyfold.NotFound) as caught:
        keyfold.open(path, "file:/nonexistent/master.key")
    assert isinstance(caught.value.__cause__, FileNotFoundError)
