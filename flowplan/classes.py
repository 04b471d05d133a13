"""The decorators of flowplan's classes: those of attrs, with the methods that are alike in all of them written once.

attrs writes `__eq__`, `__hash__` and `__repr__` for each class and compiles them whenever its module is imported: two
thirds of what it costs to define the class, and a plan imports hundreds. What they do is here instead, from the fields.
Everything else is of attrs: `__init__`, slots, `evolve`, `fields`, and what a field may say (`eq=False`, `repr=False`).
What a class has in its own body it keeps. One with `order` or `cache_hash` has the `__eq__` and `__hash__` of attrs.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

import attrs

__all__ = ["define", "frozen"]

if TYPE_CHECKING:
    from attrs import define, frozen
else:

    def define(cls: type | None = None, **how: Any) -> Any:
        """attrs.define: a class that is compared by its fields (with `eq=False`: by identity), and has no hash."""
        return _decorator(attrs.define, None, how, cls)

    def frozen(cls: type | None = None, **how: Any) -> Any:
        """attrs.frozen: as `define`; its objects are never changed, and have a hash."""
        return _decorator(attrs.frozen, _hash, how, cls)


def _decorator(made_by: Callable[..., type], hashed: Any, how: dict[str, Any], cls: type | None) -> Any:
    """What `@define` and `@define(...)` come to."""
    if cls is None:
        return lambda given: _decorator(made_by, hashed, how, given)
    shared: dict[str, Any] = {"__repr__": _repr}
    compared = not {"eq", "order", "cache_hash"} & how.keys() and not issubclass(cls, BaseException)
    if compared:
        shared |= {"__eq__": _equal, "__hash__": hashed}
    for name, method in shared.items():
        if name not in cls.__dict__:  # where attrs finds one, it writes none
            setattr(cls, name, method)
    made = made_by(cls, **how)
    if compared:
        names = [field.name for field in attrs.fields(made) if field.eq]
        made._compared = _values_of(names)  # type: ignore[attr-defined]
    return made


def _values_of(names: list[str]) -> Callable[[Any], Any]:
    """Object -> the values of these attributes, to be compared. Called on the class or the object, it is no method."""
    return attrgetter(*names) if names else staticmethod(_nothing)


def _nothing(_: object) -> tuple[()]:
    return ()


def _equal(self: Any, other: Any) -> Any:
    """Of the same class, with equal fields."""
    if other.__class__ is not self.__class__:
        return NotImplemented
    values = self._compared
    return values(self) == values(other)


def _hash(self: Any) -> int:
    return hash(self._compared(self))


@recursive_repr()
def _repr(self: Any) -> str:
    """As attrs writes it: `Name(field=..., ...)`, without what says `repr=False`."""
    shown = (field.name for field in attrs.fields(self.__class__) if field.repr)
    values = ", ".join(f"{name}={getattr(self, name, attrs.NOTHING)!r}" for name in shown)
    return f"{self.__class__.__qualname__.rpartition('>.')[2]}({values})"
