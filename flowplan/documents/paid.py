"""What was paid over the life of a stack -> its part of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowplan.documents.amounts import money

if TYPE_CHECKING:
    from flowplan.cost.paid import PaidFor, PaidInAll
    from flowplan.documents.shapes import paid as shape


def paid_in_all(found: PaidInAll, *, looked: bool = True) -> shape.PaidInAll:
    """Money as text, null where it is unknown: never 0. `looked`: whether there is a state, and so anything to know."""
    return {
        "tasks": [_paid_for(one) for one in found.tasks],
        "released": [_paid_for(one) for one in found.released],
        "paid": money(found.paid) if looked else None,
        "at_least": money(found.at_least),
        "storage_included": False,
        "since_serial": found.since or None,
    }


def _paid_for(one: PaidFor) -> shape.PaidFor:
    return {
        "address": str(one.address),
        "bids": list(one.bids),
        "paid": money(one.paid),
        "at_least": money(one.at_least),
    }
