"""`dataclass` for what this package makes of it; importing the standard one takes longer than all else.

Only frozen classes with slots and keyword arguments. To `dataclasses` they are dataclasses.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, NoReturn


def dataclass(*, frozen: bool, slots: bool, kw_only: bool) -> Callable[[type], type]:
    """As `dataclasses.dataclass`, for these options alone."""
    assert frozen and slots and kw_only  # noqa: PT018
    return _made


class field:  # noqa: N801
    """As `dataclasses.field`, for these options alone."""

    def __init__(self, *, hash: bool = True, repr: bool = True) -> None:
        self.hash = hash
        self.repr = repr


def _made(written: type) -> type:
    names = tuple(written.__annotations__)
    members = {
        name: value
        for name, value in vars(written).items()
        if name not in (*names, "__dict__", "__weakref__")
    }
    marks = {name: mark for name, mark in vars(written).items() if isinstance(mark, field)}
    members |= {
        "__slots__": names,
        "__match_args__": (),
        "_hashed": tuple(name for name in names if name not in marks or marks[name].hash),
        "_shown": tuple(name for name in names if name not in marks or marks[name].repr),
    }
    return type(written.__name__, (_Frozen,), members)


class _Fields:
    """For those who ask whether it is a dataclass, such as `dataclasses.asdict`."""

    def __get__(self, instance: object, owner: type) -> Any:
        import dataclasses

        made = dataclasses.make_dataclass(owner.__name__, owner.__annotations__.items(), kw_only=True)
        return made.__dataclass_fields__  # type: ignore[attr-defined]


class _Frozen:
    __slots__: tuple[str, ...] = ()
    __dataclass_fields__: ClassVar[dict[Any, Any]] = _Fields()  # type: ignore[assignment]
    _hashed: tuple[str, ...]
    _shown: tuple[str, ...]

    def __init__(self, **fields: Any) -> None:
        cls = type(self)
        if fields.keys() != set(cls.__slots__):
            raise TypeError(f"{cls.__name__} has the fields {', '.join(cls.__slots__)}")
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _values(self, names: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in names)

    def __repr__(self) -> str:
        cls = type(self)
        return f"{cls.__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values(type(self).__slots__) == other._values(type(self).__slots__)

    def __hash__(self) -> int:
        return hash(self._values(self._hashed))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"cannot assign to {name!r}: {type(self).__name__} is a record of what was")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"cannot delete {name!r}: {type(self).__name__} is a record of what was")

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).__slots__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)
