"""Where a plan that was made again does something else than the one that was shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from flowplan.model.address import Address, in_order
from flowplan.model.resources import Resource
from flowplan.planning.actions import Change
from flowplan.planning.differences import differences
from flowplan.planning.plan import Plan

NOTHING = "nothing"
RECORDED = "recorded"  # what becomes of drift where nothing is done about it


def other_work(shown: Plan, now: Plan) -> list[str]:
    """A line for each address of which `now` does something else than `shown`, for people; none where only their order
    or what they are made for differs."""
    if now.mode == "refresh-only":
        return _lines({one.address: one for one in shown.drift}, {one.address: one for one in now.drift}, is_drift=True)
    return _lines(shown.by_address(), now.by_address(), is_drift=False)


def _lines(shown: Mapping[Address, Change], now: Mapping[Address, Change], *, is_drift: bool) -> list[str]:
    lines = []
    for address in sorted({*shown, *now}, key=in_order):
        one, other = shown.get(address), now.get(address)
        then, today = _does(one, is_drift=is_drift), _does(other, is_drift=is_drift)
        if then != today:
            why = f" ({other.note})" if other is not None and other.note is not None else ""
            lines.append(f"{address}: {then}, now {today}{why}")
        elif one is not None and other is not None and then != NOTHING:
            lines += [f"{address}: {then}, but {why}" for why in _otherwise(one, other, is_drift=is_drift)]
    return lines


def _does(change: Change | None, *, is_drift: bool) -> str:
    """What is done, for people."""
    if change is None:
        return NOTHING
    if is_drift:
        return RECORDED
    if change.previous_address is not None:
        return f"moved from {change.previous_address}"
    return change.action if change.ways else NOTHING


def _otherwise(one: Change, other: Change, *, is_drift: bool) -> list[str]:
    """What of two changes that do the same to an address is not the same. What drift comes to is what is live."""
    if one.id != other.id:
        return [f"{other.id or 'nothing'} is live there now, not {one.id or 'nothing'}"]
    found = []
    if one.before != other.before and not is_drift:
        found.append(f"what is live has changed{_fields(one.before, other.before)}")
    if one.after != other.after:
        what = "what is live" if is_drift else "what it is to be"
        found.append(f"{what} has changed{_fields(one.after, other.after)}")
    return found


def _fields(one: Resource | None, other: Resource | None) -> str:
    """The fields that differ, in brackets."""
    if one is None or other is None or type(one) is not type(other):
        return ""
    names = ", ".join(field.name for field in differences(one, other, named=True))
    return f" ({names})" if names else ""
