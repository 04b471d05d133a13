"""What digests are made of. Pure.

Of an object it is the fields that are compared, in their order; a field whose metadata say `digest: False` is compared
and takes no part. So a new field takes part by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, cast

import attrs

from flowplan.model.address import Address

LEFT_OUT = {"digest": False}  # the metadata of a field that says nothing of its own

_PLAIN = frozenset((str, int, bool, type(None)))
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of `value`."""
    return hashlib.sha256(_encode(value).encode()).hexdigest()


def material(value: Any) -> Any:
    """`value` as JSON: an object is the list of its fields, and one that has one field only is that field. Equal
    numbers are one text: 17.9 and 17.90."""
    kind = cast(Hashable, type(value))
    if kind in _PLAIN:
        return value
    if kind is tuple:
        return _each(value)
    if kind is Decimal:
        return f"{value.normalize():f}"
    if kind is Address:
        return str(value)
    if kind is datetime:
        return value.isoformat()
    found = _each(_values_of(kind)(value))
    return found[0] if len(found) == 1 else found


def named(value: Any) -> dict[str, Any]:
    """The same of an object's own fields, each under its name."""
    kind = cast(Hashable, type(value))
    return dict(zip(_fields_of(kind), _each(_values_of(kind)(value)), strict=True))


def _each(values: tuple[Any, ...]) -> list[Any]:
    return [one if type(one) in _PLAIN else material(one) for one in values]


@cache
def _fields_of(cls: Hashable) -> tuple[str, ...]:
    fields = attrs.fields(cast(type[attrs.AttrsInstance], cls))
    return tuple(one.name for one in fields if one.eq and one.metadata.get("digest", True))


@cache
def _values_of(cls: Hashable) -> Callable[[Any], tuple[Any, ...]]:
    """What takes the values of these fields out of an object."""
    names = _fields_of(cls)
    take = attrgetter(*names)
    return take if len(names) > 1 else lambda value: (take(value),)
