"""What a plan has found of the cloud that somebody may want to hear of at once. Pure."""

from __future__ import annotations

from flowplan.model.live import OPEN, PREEMPTING, Live
from flowplan.planning.actions import Change
from flowplan.planning.plan import Plan


def drifted(plan: Plan) -> tuple[Change, ...]:
    """What has changed outside of flowplan."""
    return plan.drift


def preempted(plan: Plan, live: Live) -> tuple[Change, ...]:
    """The bids whose instances the cloud takes back, or took: they wait, and have run."""
    return tuple(one for one in plan.changes if one.address.kind == "bid" and _lost(one.id or "", live))


def _lost(id: str, live: Live) -> bool:
    bid = live.bids.get(id)
    return bid is not None and (bid.status == PREEMPTING or (bid.status == OPEN and bool(bid.instances)))
