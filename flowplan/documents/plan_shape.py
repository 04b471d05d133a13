"""Whether something is a plan document, exactly: its shape, and that its parts fit each other. Pure.

A saved plan is held to it before anything in it is used: who reads one after that asks no field whether it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from math import isfinite
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_origin

from flowplan.documents.shapes.common import Amount
from flowplan.documents.shapes.outputs import Unknown
from flowplan.documents.shapes.plan import (
    BidEntry,
    BidLeftAlone,
    Entry,
    PortsEntry,
    ResourceLeftAlone,
    SealedPlan,
    VolumeEntry,
    VolumeLeftAlone,
)
from flowplan.model.address import Address
from flowplan.model.budget import dollars, increase
from flowplan.model.mass_change import max_changes
from flowplan.planning.actions import ACTIONS
from flowplan.state.codec import converter, misfits, reason

if TYPE_CHECKING:
    from cattrs import Converter

_LEFT_ALONE: Mapping[str, Any] = {"bid": BidLeftAlone, "volume": VolumeLeftAlone}
_ENTRIES: Mapping[str, Any] = {"bid": BidEntry, "volume": VolumeEntry, "ports": PortsEntry}


def misfit(body: Any) -> str | None:
    """In what `body` is no plan document, in one line; None: it is one."""
    try:
        _reader().structure(body, SealedPlan)
        for guard in body["cost"]["guards"]:
            (dollars if guard["guard"] == "max_hourly_cost" else increase)(guard["limit"])
        for limit in body.get("guards", ()):
            max_changes(limit["limit"])
    except KeyError as error:
        return f"{error} is missing"
    except misfits() as error:
        return reason(error)
    return None


@cache
def _reader() -> Converter:
    made = converter().copy()
    made.register_structure_hook_func(lambda kind: kind == Amount, _amount)
    made.register_structure_hook(NoneType, _nothing)
    made.register_structure_hook(str, _text)
    made.register_structure_hook(float, _number)
    made.register_structure_hook_func(lambda kind: kind == Unknown, _unknown)
    made.register_structure_hook_factory(_is_list, lambda kind: _list(made, kind))

    def entry(value: Any, _: Any) -> Any:
        address = Address.parse(value["address"])
        if (address.kind, address.name) != (value["type"], value["name"]):
            raise ValueError(f"{address} is not {value['type']}.{value['name']}")
        found = made.structure(value, _ENTRIES[address.kind])
        _hold_sides(value["change"], address)
        return found

    def left_alone(value: Any, _: Any) -> Any:
        return made.structure(value, _LEFT_ALONE[value["type"]])

    made.register_structure_hook_func(lambda kind: kind == Entry, entry)
    made.register_structure_hook_func(lambda kind: kind == ResourceLeftAlone, left_alone)
    return made


PAIRS = (["delete", "create"], ["create", "delete"], ["import", "update"])  # what is two actions


def _hold_sides(change: Mapping[str, Any], address: Address) -> None:
    """Raise ValueError for actions there are not, and for a bid or volume without what its actions are about."""
    actions = change["actions"]
    if actions not in ([*([one] for one in ACTIONS), *PAIRS]):
        raise ValueError(f"{actions!r} are not actions")
    both = {"update", "no-op", "read", "import"}.intersection(actions)
    needed = [("before", both or {"delete", "forget"}.intersection(actions))]
    needed.append(("after", both or {"create"}.intersection(actions)))
    for side, needs in needed:
        if needs and address.kind != "ports" and change[side] is None:
            raise ValueError(f"{address}: {actions[0]} without {side!r}")


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list


def _list(made: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    (item,) = get_args(kind)

    def read(value: Any, _: Any) -> Any:
        if type(value) is not list:
            raise ValueError(f"expected a list, got {value!r}")
        return [made.structure(one, item) for one in value]

    return read


def _nothing(value: Any, _: Any) -> None:
    if value is not None:
        raise ValueError(f"expected null, got {value!r}")


def _text(value: Any, _: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"expected a text, got {value!r}")
    value.encode()  # half of a surrogate pair is no text
    if "\0" in value:
        raise ValueError("a text holds a NUL")
    return value


def _amount(value: Any, kind: Any) -> str:
    text = _text(value, kind)
    try:
        fits = len(text) <= 40 and text.isascii() and Decimal(text).is_finite()
    except InvalidOperation:
        fits = False
    if not fits:
        raise ValueError(f"{text[:40]!r} is not an amount")
    return text


def _unknown(value: Any, _: Any) -> Any:
    keys = value if type(value) is dict else {"": value}
    if any(one is not True for one in keys.values()):
        raise ValueError(f"{value!r} does not say what is unknown")
    return value


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float) or not isfinite(value):
        raise ValueError(f"expected a number, got {value!r}")
    return float(value)
