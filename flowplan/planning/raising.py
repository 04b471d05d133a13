"""Which changes can raise what a stack costs. Pure."""

from __future__ import annotations

from flowplan.model.resources import Bid, Volume
from flowplan.planning.actions import Change, Create, Replace, Update


def cannot_raise_cost(change: Change) -> bool:
    """Whether a change cannot raise the cost, whatever prices do."""
    before, after = change.before, change.after
    if not isinstance(change, (Create, Update, Replace)) or change.address.kind == "ports":
        return True
    if isinstance(before, Volume) and isinstance(after, Volume):
        return after.size_gb <= before.size_gb
    if not isinstance(before, Bid) or not isinstance(after, Bid):
        return False
    same_auction = (before.instance_type, before.region) == (after.instance_type, after.region)
    no_more = after.instance_quantity <= before.instance_quantity and after.limit_price <= before.limit_price
    if after.paused and isinstance(change, Update):
        return True
    return not before.paused and same_auction and no_more
